"""The Linux kernel's xfrm and ESP as an implementation under test: user-mode Linux, which is a kernel that is a process,
Debian's or one that was built (`kernel/images.py`); or, as `linux:host`, the kernel that this machine runs.

A Case is one message to a machine (`kernel/`), inside which an agent carries it out on a gateway (`inside/`): SAs and
policies by netlink, packets through tun devices or a card, and for transport mode through raw sockets. The adapter
leaves the kernel as it is configured by default (but for forwarding without reverse-path filter), and gives it what is a
caller's: addresses and routes, a policy for the outbound SA of a step, sockets that open UDP encapsulation. Tunnels are
forwarded, so the TTL of inner packets is one less.

What the kernel cannot be told is not declared: IVs, dummy packets, TFC padding packet by packet, a fixed DSCP, the DF
bit set, the outer hop limit of an SA. The kernel finds inbound SAs by SPI and destination. It refuses ESN without
anti-replay, and one SAD serves both directions, so an address cannot be our end and the peer's in one case.

A packet that is dropped without any counter (kept fragments, broken inner packets) costs some milliseconds of waiting.
"""

import itertools
import os
import socket
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from espproof.adapters import probe
from espproof.adapters.base import Adapter, AdapterError, AdapterFailure, Crashed, Hung, Transcript
from espproof.adapters.capabilities import Capabilities, DeviceCapabilities, HostCapabilities, ReplayWindows
from espproof.adapters.case import (
    AddPolicy,
    AddSa,
    AdvanceTime,
    AwaitHeld,
    Burst,
    Case,
    Counters,
    DeletePolicy,
    DeleteSa,
    Delivered,
    DeviceEvent,
    DeviceHappening,
    DeviceState,
    Done,
    Dropped,
    Emerged,
    Enter,
    EnterBurst,
    Events,
    FlushPolicies,
    FlushSas,
    Host,
    Inbound,
    InboundBurst,
    Octets,
    Outbound,
    OutboundBurst,
    Outcome,
    Passed,
    ReadCounters,
    ReadDevice,
    ReadEvents,
    ReadState,
    Refused,
    ReserveSpi,
    Sa,
    Sent,
    State,
    Step,
    Unsupported,
    UpdateSa,
)
from espproof.adapters.exec import messages
from espproof.adapters.linux import card_probe
from espproof.adapters.linux.answers import OF_THE_DEVICE, OF_THE_GATEWAY, outcome, ways
from espproof.adapters.linux.association import Untold
from espproof.adapters.linux.cards import DEVICE, SHARED, Cards
from espproof.adapters.linux.events import Names
from espproof.adapters.linux.inside.ways import PIECES
from espproof.adapters.linux.kernel import images, reach
from espproof.adapters.linux.kernel.guest import Guest
from espproof.adapters.linux.kernel.host import Host as RealHost
from espproof.adapters.linux.kernel.host import Place
from espproof.adapters.linux.kernel.machine import STOPPED, Machine
from espproof.adapters.linux.kernel.processor import Processor
from espproof.adapters.linux.netdevsim import DEVICE as NETDEVSIM
from espproof.adapters.linux.netdevsim import TABLE, Netdevsim
from espproof.adapters.linux.questions import Asked, Questions, portions
from espproof.reference import errors
from espproof.reference.algorithms import ENCRYPTION, INTEGRITY

START_SECONDS, ANSWER_SECONDS, CARRIER_SECONDS = 60.0, 10.0, 30.0
_STEP_SECONDS, _LOOK_SECONDS = 0.25, 75.0
"""More of them for each step, and for each look at what is held."""
_STARTS = 3
"""How often to try: one start in thirty dies before it is ready."""
_LOOK = ["file", TABLE]
_MOST_HELD = 101
"""Packets of a policy: `xdst_queue_output` discards one where more than XFRM_MAX_QUEUE_LEN are there already."""
_DECLARED = Capabilities(
    encryption={name: entry.key_sizes for name, entry in ENCRYPTION.items() if entry.names.linux},
    integrity=("NONE", *(name for name, entry in INTEGRITY.items() if entry.names.linux)),
    modes=("transport", "tunnel"),
    families=("4in4", "6in4", "4in6", "6in6"),
    esn=(False, True),
    replay_windows=ReplayWindows(minimum=32, maximum=4096, step=4064, off=True),
    set_sequence=True,
    set_window=True,
    udp=(4, 6),
    udp_ports=True,
    dscp=("copy",),
    ecn=("normal", "compatibility"),
    df=("copy", "clear"),
    lookup=("spi+destination",),
    selectors=True,
    lifetimes=("packets", "octets"),
    read_state=("sequence", "received_offsets", "packets", "octets"),
    delete_sa=True,
    max_packet=65535,
    ipv4_options=True,
    ipv6_extension_headers=True,
    reassembles=True,
    forwards=True,
    drop_reasons=True,
    host=HostCapabilities(
        ports="masks",
        if_ids=True,
        protocols=("ah", "comp"),
        ah=tuple(name for name, entry in INTEGRITY.items() if entry.names.linux),
        source_routes=True,
        local=True,
        counters=True,
        events=("acquire", "soft", "hard"),
        use_lifetimes=True,
        policy_lifetimes=True,
        update_sa=True,
        reserve_spi=True,
        flush=True,
        mtus=True,
        icmp_errors=True,
        bursts=True,
        holds=_MOST_HELD,
    ),
)
"""Algorithms are those that the kernel could have; which it has is found out, and so are ways in, which super-packets it
takes, and marks. Windows are the two ends of what works exactly: see `images.ANY_WINDOW`."""


class LinuxAdapter(Adapter):
    """Runs Cases on a Linux kernel. Its machine starts with the first question, and anew after each failure."""

    name = "linux"

    def __init__(self, variant: str = "") -> None:
        declared = _DECLARED
        if variant == images.ANY_WINDOW:
            every = ReplayWindows(minimum=1, maximum=4096, step=1, off=True)
            declared = msgspec.structs.replace(declared, replay_windows=every)
        way = variant.partition("=")[0]
        self._gro, self._later = way == images.GRO, images.TEMPLATES.get(way, "")
        self._time_travels = way == images.TIME_TRAVEL
        if self._time_travels:
            declared = msgspec.structs.replace(declared, lifetimes=(*declared.lifetimes, "seconds"))
        if variant:
            self.name = f"linux:{variant}"
        if self._later and declared.host is not None:  # each packet that vanishes is waited for too long
            declared = msgspec.structs.replace(declared, host=msgspec.structs.replace(declared.host, holds=0))
        self._declared = declared
        self._names = Names()
        self._questions = Questions(declared, time_travels=self._time_travels)
        self._has_cards, self._is_virtual = way in (images.NIANTIC, images.NIANTIC_VF), way == images.NIANTIC_VF
        self._netdevsim = Netdevsim() if way == images.NETDEVSIM else None
        self._place = Place.of(variant)
        offloads = self._place is not None and bool(self._place.offload)
        self._offloads = self._has_cards or self._netdevsim is not None or offloads
        self._has_wire_of_card = self._offloads or (self._place is not None and bool(self._place.card))
        self._kernel = "" if self._place else images.path(variant)
        self._origin = images.origin(self._kernel)
        self._several = images.has_processors(self._kernel)
        self._processor = Processor(all_of_them=self._several)
        self.exclusive = self._place is not None and bool(self._place.card)
        self._machine: Machine | None = None
        self._cards: Cards | None = None
        self._unplugged = False
        self._on_card: dict[str, Sa] = {}
        self._passed: Counter[str] = Counter()
        """The SAs that there are, where cards are simulated, and how many of their packets can have passed: which inbound
        SA a packet came for the kernel does not tell."""
        self._reached: Path | None = None
        """Where the machine's counters go, where they are asked for."""
        self._release = "?"
        self._capabilities: Capabilities | None = None
        try:
            self._capabilities = self._probed()
        except BaseException:
            self.close()
            raise

    @property
    def version(self) -> str:
        driver = "ixgbevf on a virtual function of" if self._is_virtual else "ixgbe on"
        cards = f", {driver} a model of the 82599" if self._has_cards else ""
        if self._netdevsim is not None:
            cards = ", netdevsim with a cipher"
        return f"{self._release} ({self._place or f'user-mode Linux{self._origin}{cards}'})"

    def capabilities(self) -> Capabilities:
        assert self._capabilities is not None
        return self._capabilities

    def _probed(self) -> Capabilities:
        if self._place is None and not self._offloads:
            self._declared = msgspec.structs.replace(self._declared, host=self._host_with_ways())
            self._questions.declared = self._declared
            return probe.narrowed(self._declared, self._takes)
        self._start()
        assert self._machine is not None
        assert self._declared.host is not None
        links = msgspec.structs.replace(self._declared.host, mtus=False)  # a card has an MTU of its own
        self._declared = msgspec.structs.replace(
            self._declared,
            max_packet=self._machine.largest,
            host=links,
            device=self._device(),
            drop_reasons=self._declared.drop_reasons
            and not self._has_cards,  # forged packets the driver keeps to itself
        )
        if self._netdevsim is not None:
            self._declared = msgspec.structs.replace(self._declared, encryption=NETDEVSIM.encryption)
        if self._offloads:
            self._declared = card_probe.narrowed(self._declared, self._outcomes)
        self._declared = msgspec.structs.replace(self._declared, host=self._host_with_ways())
        self._questions.declared = self._declared
        return probe.narrowed(self._declared, self._takes)

    def _host_with_ways(self) -> HostCapabilities:
        """What is known of the host, with its ways in: those that this kernel has and this gateway can use."""
        (told, *_), _ = self._ask([["ways"]], [], START_SECONDS)
        try:
            sides, segments, own, neighbours = ways(told)
        except ValueError as error:
            raise AdapterError(f"the guest's ways in make no sense: {error}") from error
        assert self._declared.host is not None
        if self._has_wire_of_card:  # it is given whole super-packets, and sums that are begun
            sides, segments = {side: names for side, names in sides.items() if side == "plain"}, ()
            own, neighbours = (), ()
        in_pieces = all(PIECES in sides.get(side, ()) for side in ("wire", "plain"))
        return msgspec.structs.replace(
            self._declared.host,
            ways={side: tuple(name for name in names if name != PIECES) for side, names in sides.items()},
            layouts=("pieces", "shared") if in_pieces else (),
            segments=segments,
            local_segments=own,
            neighbours=neighbours,
            marks=all("veth" in sides.get(side, ()) for side in ("wire", "plain")),
        )

    def _device(self) -> DeviceCapabilities | None:
        """What the simulated card can do, if there is one."""
        if self._netdevsim is not None:
            return NETDEVSIM
        return (SHARED if self._is_virtual else DEVICE) if self._has_cards else None

    def _outcomes(self, sas: Sequence[Sa]) -> list[Outcome]:
        """One after the other: the tables of devices are small."""
        steps = [step for sa in sas for step in (AddSa(sa=sa), DeleteSa(sa=sa.name))]
        return self._do([messages.Reset(), *steps])[1::2]

    def _takes(self, sas: Sequence[Sa]) -> list[bool]:
        """Each algorithm is put together when it is first asked for, which takes the kernel 0.1 s."""
        return [isinstance(outcome, Done) for outcome in self._outcomes(sas)]

    # -------------------------------------------------------------------------------------------------- operations
    # That an outcome is one of these is seen to by `_do`, which mypy cannot tell: each `type: ignore` here is for that.

    def reset(self) -> None:
        self._do([messages.Reset()])

    def configure(self, host: Host) -> Done | Refused | Unsupported:
        return self._one(messages.Reset(host=host))  # type: ignore[return-value]

    def add_sa(self, sa: Sa) -> Done | Refused | Unsupported:
        return self._one(AddSa(sa=sa))  # type: ignore[return-value]

    def delete_sa(self, name: str) -> Done | Refused | Unsupported:
        return self._one(DeleteSa(sa=name))  # type: ignore[return-value]

    def outbound(self, step: Outbound) -> Sent | Dropped | Refused | Unsupported:
        return self._one(step)  # type: ignore[return-value]

    def inbound(self, packet: Octets) -> Delivered | Dropped | Passed | Unsupported:
        return self._one(Inbound(packet=packet))  # type: ignore[return-value]

    def outbound_burst(self, step: OutboundBurst) -> Burst | Refused | Unsupported:
        return self._one(step)  # type: ignore[return-value]

    def inbound_burst(self, step: InboundBurst) -> Burst | Unsupported:
        return self._one(step)  # type: ignore[return-value]

    def read_state(self, name: str) -> State | Refused | Unsupported:
        return self._one(ReadState(sa=name))  # type: ignore[return-value]

    def advance_time(self, seconds: int) -> Done | Unsupported:
        return self._one(AdvanceTime(seconds=seconds))  # type: ignore[return-value]

    def add_policy(self, step: AddPolicy) -> Done | Refused | Unsupported:
        return self._one(step)  # type: ignore[return-value]

    def delete_policy(self, name: str) -> Done | Refused | Unsupported:
        return self._one(DeletePolicy(policy=name))  # type: ignore[return-value]

    def enter(self, step: Enter) -> Emerged | Refused | Unsupported:
        return self._one(step)  # type: ignore[return-value]

    def enter_burst(self, step: EnterBurst) -> Emerged | Refused | Unsupported:
        return self._one(step)  # type: ignore[return-value]

    def read_counters(self) -> Counters | Unsupported:
        return self._one(ReadCounters())  # type: ignore[return-value]

    def read_events(self) -> Events | Refused | Unsupported:
        return self._one(ReadEvents())  # type: ignore[return-value]

    def update_sa(self, sa: Sa) -> Done | Refused | Unsupported:
        return self._one(UpdateSa(sa=sa))  # type: ignore[return-value]

    def reserve_spi(self, sa: Sa) -> Done | Refused | Unsupported:
        return self._one(ReserveSpi(sa=sa))  # type: ignore[return-value]

    def flush_sas(self) -> Done | Unsupported:
        return self._one(FlushSas())  # type: ignore[return-value]

    def flush_policies(self) -> Done | Unsupported:
        return self._one(FlushPolicies())  # type: ignore[return-value]

    def await_held(self) -> Emerged | Unsupported:
        return self._one(AwaitHeld())  # type: ignore[return-value]

    def read_device(self) -> DeviceState | Unsupported:
        return self._one(ReadDevice())  # type: ignore[return-value]

    def device_event(self, event: DeviceHappening) -> Done | Unsupported:
        return self._one(DeviceEvent(event=event))  # type: ignore[return-value]

    def _one(self, step: Asked) -> Outcome:
        """One operation; `_do` sees to it that the outcome fits the step."""
        return self._do([step])[0]

    def take(self, step: Step) -> Outcome:
        return self._do([step])[0]

    def take_all(self, steps: Sequence[Step]) -> list[Outcome]:
        return self._do(steps)

    def kernel_octets(self) -> int:
        """What the allocator of a kernel in user mode has handed out."""
        ((_, octets),), _ = self._ask([["objects"]], [], ANSWER_SECONDS)
        return int(octets)

    def execute(self, case: Case) -> Transcript:
        """The whole case as one message, or several where the guest's memory is too small for it.

        Debian's kernel, in user mode, falls silent once in some ten thousand cases, whatever the case is, and idles: with
        it, what is not answered is asked once more, of another machine.
        """
        steps: list[Asked] = [messages.Reset(host=case.host), *[AddSa(sa=sa) for sa in case.sas], *case.steps]
        try:
            outcomes = self._all_of(steps)
        except Hung as silence:
            if self._place is not None or not images.is_stock(self._kernel) or STOPPED in str(silence):
                raise
            outcomes = self._all_of(steps)
        first = 1 + len(case.sas)
        return Transcript(tuple(outcomes[1:first]), tuple(outcomes[first:]))

    def _all_of(self, steps: Sequence[Asked]) -> list[Outcome]:
        return [outcome for some in portions(steps) for outcome in self._do(some)]

    def close(self) -> None:
        if self._machine is not None and self._reached is not None:
            reach.keep(self._machine, self._reached)
        self._stop()
        self._processor.release()

    # ------------------------------------------------------------------------------------------------ the machine

    def _do(self, steps: Sequence[Asked]) -> list[Outcome]:
        """Carry out steps; one outcome for each. What is asked of a card is answered in its turn, outside of the guest."""
        if not self._has_cards and self._netdevsim is None:
            return self._done(steps)
        if self._unplugged and any(isinstance(step, messages.Reset) for step in steps):
            self._plug(in_it=True)
        outcomes: list[Outcome] = []
        for of_the_card, group in itertools.groupby(steps, lambda step: isinstance(step, ReadDevice | DeviceEvent)):
            some = list(group)
            outcomes += map(self._of_the_card, some) if of_the_card else self._done(some)
        return outcomes

    def _of_the_card(self, step: Asked) -> Outcome:
        if self._netdevsim is not None:
            if isinstance(step, DeviceEvent):
                return Unsupported(what=f"device_event {step.event}")
            ((_, text),), _ = self._ask([_LOOK], [], ANSWER_SECONDS)
            return self._netdevsim.told(text)
        if self._cards is None:
            self._start()
        assert self._cards is not None
        if not isinstance(step, DeviceEvent):
            return self._cards.told(self._on_card, self._passed)
        if step.event not in DEVICE.events:
            return Unsupported(what=f"device_event {step.event}")
        if step.event == "reset":
            self._cards.remember(self._on_card)
            self._see_to_it("renew")
        else:
            self._plug(in_it=step.event == "link-up")
        return Done()

    def _plug(self, *, in_it: bool) -> None:
        """The cable, into the card or out of it, and until the driver knows."""
        if self._cards is not None:
            self._unplugged = not in_it
            if not self._cards.set_link(in_it, CARRIER_SECONDS):
                raise AdapterError("the simulated card does not do anything any more")
            self._see_to_it("carrier", in_it)

    def _see_to_it(self, *operation: Any) -> None:
        """`Hung` if the driver does not: the next case has another machine."""
        ((word, *text),), _ = self._ask([list(operation)], [], CARRIER_SECONDS)
        if word == "lost":
            self._stop()
            raise Hung(f"the card's driver: {' '.join(map(str, text))}")

    def _note(self, step: Asked, outcome: Outcome) -> None:
        """What of the SAs there are has changed with a step."""
        if self._netdevsim is not None:
            self._netdevsim.note(step, outcome)
        if isinstance(step, messages.Reset | FlushSas):
            self._on_card.clear()
            if self._cards is not None and isinstance(step, messages.Reset):
                self._cards.forget()
        elif isinstance(step, AddSa) and isinstance(outcome, Done):
            self._on_card[step.sa.name] = step.sa
            self._passed.pop(step.sa.name, None)
            if self._cards is not None:
                self._cards.forget_sa(step.sa.name)
        elif isinstance(step, DeleteSa) and isinstance(outcome, Done):
            self._on_card.pop(step.sa, None)
        came = step.packets if isinstance(step, InboundBurst) else (getattr(step, "packet", Octets(b"")),)
        results = outcome.results if isinstance(outcome, Burst) else (outcome,)
        for number, one in enumerate(results):
            if isinstance(one, Delivered) and _is_behind_a_plain_header(came[number]):
                self._passed.update(name for name, sa in self._on_card.items() if sa.direction == "in")
            elif isinstance(one, Sent) and isinstance(step, Outbound | OutboundBurst):
                self._passed[step.sa] += 1

    def _done(self, steps: Sequence[Asked]) -> list[Outcome]:
        operations: list[Any] = []
        packets: list[bytes] = []
        known: dict[int, Outcome] = {}
        look = [] if self._netdevsim is None else [_LOOK]
        for number, step in enumerate(steps):
            try:
                operation, mine = self._questions.of(step)
            except Untold as lacking:
                known[number] = Unsupported(what=str(lacking))
                continue
            operations += [operation, *look]
            packets += mine
        results, out = self._ask(operations, packets, _seconds() or _limit(steps))
        told, queue = iter(results), iter(out)
        outcomes = []
        try:
            for number, step in enumerate(steps):
                its = known.get(number) or self._declined(step, outcome(step, next(told), queue, self._names))
                if self._netdevsim is not None and number not in known:
                    its = self._netdevsim.passed(its, str(next(told)[1]))
                outcomes.append(its)
                messages.fits(step, outcomes[-1])
                self._names.learn(step, outcomes[-1])
                self._note(step, outcomes[-1])
            if surplus := len(list(queue)):
                raise ValueError(f"{surplus} packets that belong to no result")
            return outcomes
        except (errors.Malformed, StopIteration, ValueError, TypeError, IndexError, OverflowError) as error:
            self._stop()
            raise AdapterError(f"the guest's results make no sense: {type(error).__name__}: {error}") from error

    def _declined(self, step: Asked, outcome: Outcome) -> Outcome:
        """What was declared is there: that the kernel does not know it now is a refusal. A device may say so of any SA."""
        known = self._capabilities
        if known is None or not isinstance(step, AddSa) or not isinstance(outcome, Unsupported):
            return outcome
        if known.lacks(step.sa) is None and not outcome.what.startswith((OF_THE_DEVICE, OF_THE_GATEWAY)):
            return Refused(reason=outcome.what)
        return outcome

    def _ask(self, operations: list[Any], packets: list[bytes], seconds: float) -> tuple[list[Any], list[bytes]]:
        if self._machine is None:
            self._start()
        assert self._machine is not None
        try:
            return self._machine.ask(operations, packets, seconds)
        except BaseException:
            failure = self._cards.failure if self._cards is not None else None
            self._stop()
            if failure is not None:
                raise Crashed(f"the card: {failure}") from failure
            raise

    def _start(self) -> None:
        if self._place is not None:
            self._machine = RealHost(self._place, self._processor, START_SECONDS)
            self._release = self._machine.release
            return
        for left in reversed(range(_STARTS)):
            self._cards = Cards(shared=self._is_virtual) if self._has_cards else None
            self._unplugged = False
            self._netdevsim = Netdevsim() if self._netdevsim is not None else None
            try:
                self._machine = Guest(
                    self._kernel,
                    self._processor,
                    START_SECONDS,
                    time_travel=self._time_travels,
                    gro=self._gro,
                    later=self._later,
                    several=self._several,
                    devices=self._cards.sockets if self._cards is not None else (),
                    netdevsim=self._netdevsim is not None,
                )
            except AdapterFailure:
                self._stop()
                if not left:
                    raise
            else:
                self._release, self._reached = self._machine.release, reach.place()
                return

    def _stop(self) -> None:
        machine, self._machine = self._machine, None
        if machine is not None:
            machine.close()
        cards, self._cards = self._cards, None
        if cards is not None:
            cards.close()


def _limit(steps: Sequence[Asked]) -> float:
    """For the answer to all of these: where a packet vanishes the guest waits for it, a tenth of a second or more, and
    where packets are held until the kernel looks again, which it does after a minute at most."""
    looks = sum(isinstance(step, AwaitHeld) for step in steps)
    return ANSWER_SECONDS + _STEP_SECONDS * len(steps) + _LOOK_SECONDS * looks


def _seconds() -> float:
    """The user's time limit, which is that of `exec:` programs; 0 for none."""
    try:
        return float(os.environ.get("ESPPROOF_EXEC_SECONDS", "0"))
    except ValueError:
        return 0.0


def _is_behind_a_plain_header(packet: bytes) -> bool:
    """Whether ESP is where the card looks for it: it knows no IPv4 options and no IPv6 extension headers."""
    return packet[:1] == b"\x45" or (packet[:1] >= b"\x60" and packet[6:7] == bytes((socket.IPPROTO_ESP,)))
