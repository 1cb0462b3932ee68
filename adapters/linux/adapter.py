"""The Linux kernel's xfrm and ESP as an implementation under test: user-mode Linux, which is a kernel that is a process,
Debian's or one that was built; or, as `linux:host`, the kernel that this machine runs.

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

import errno
import os
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from espproof.adapters import probe
from espproof.adapters.base import Adapter, AdapterError, AdapterFailure, Transcript
from espproof.adapters.capabilities import Capabilities, ReplayWindows
from espproof.adapters.case import (
    AddSa,
    AdvanceTime,
    Burst,
    Case,
    DeleteSa,
    Delivered,
    Done,
    Dropped,
    Inbound,
    InboundBurst,
    Octets,
    Outbound,
    OutboundBurst,
    Outcome,
    Passed,
    ReadState,
    Refused,
    Sa,
    Sent,
    State,
    Step,
    Unsupported,
)
from espproof.adapters.exec import messages
from espproof.adapters.linux import association, card_probe
from espproof.adapters.linux.association import Untold
from espproof.adapters.linux.kernel import images
from espproof.adapters.linux.kernel.guest import Guest
from espproof.adapters.linux.kernel.host import Host, Place
from espproof.adapters.linux.kernel.machine import Machine
from espproof.adapters.linux.kernel.processor import Processor
from espproof.adapters.steps import STEPS
from espproof.reference import errors
from espproof.reference.algorithms import ENCRYPTION, INTEGRITY

START_SECONDS, ANSWER_SECONDS = 60.0, 10.0
_STARTS = 3
"""How often to try: one start in thirty dies before it is ready."""
_LACKING = {errno.ENOENT, errno.ENOSYS, errno.EPROTONOSUPPORT, errno.EOPNOTSUPP}
"""What the kernel answers where it lacks an algorithm."""
_OF_THE_DEVICE = "offload: "
"""How begins what a network card's driver said."""
_OF_THE_GATEWAY = "an address that is ours"
"""How begins what the gateway around the kernel cannot do."""

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
)
"""Algorithms are those that the kernel could have; which it has is found out. Windows are the two ends of what works
exactly: see `ANY_WINDOW`."""
ANY_WINDOW = "any-window"
"""The variant with windows of every size that the kernel takes. Sizes above 32 that are no power of two are not honoured
exactly while the window crosses number 0 or a multiple of 2^32, and a correct adapter declares what is."""
GRO = "gro"
"""The variant in which packets arrive as from a card that is polled, through GRO: another way into ESP."""
TIME_TRAVEL = "time-travel"
"""The variant whose clock is ours. The kernel keeps time in whole seconds, so each case begins with one."""


class LinuxAdapter(Adapter):
    """Runs Cases on a Linux kernel. Its machine starts with the first question, and anew after each failure."""

    name = "linux"

    def __init__(self, variant: str = "") -> None:
        declared = _DECLARED
        if variant == ANY_WINDOW:
            every = ReplayWindows(minimum=1, maximum=4096, step=1, off=True)
            declared = msgspec.structs.replace(declared, replay_windows=every)
        self._gro = variant == GRO
        self._time_travels = variant == TIME_TRAVEL
        if self._time_travels:
            declared = msgspec.structs.replace(declared, lifetimes=(*declared.lifetimes, "seconds"))
        if variant:
            self.name = f"linux:{variant}"
        self._declared = declared
        self._place = Place.of(variant)
        self._kernel = "" if self._place else images.path(variant)
        self._processor = Processor()
        self.exclusive = self._place is not None and bool(self._place.card)
        self._machine: Machine | None = None
        self._release = "?"
        self._reqid = 0
        self._capabilities: Capabilities | None = None
        try:
            self._capabilities = self._probed()
        except BaseException:
            self.close()
            raise

    @property
    def version(self) -> str:
        return f"{self._release} ({self._place or 'user-mode Linux'})"

    def capabilities(self) -> Capabilities:
        assert self._capabilities is not None
        return self._capabilities

    def _probed(self) -> Capabilities:
        if self._place is None:
            return probe.narrowed(self._declared, self._takes)
        self._start()
        assert self._machine is not None
        self._declared = msgspec.structs.replace(self._declared, max_packet=self._machine.largest)
        if self._place.offload:
            self._declared = card_probe.narrowed(self._declared, self._outcomes)
        return probe.narrowed(self._declared, self._takes)

    def _outcomes(self, sas: Sequence[Sa]) -> list[Outcome]:
        """One after the other: the tables of devices are small."""
        steps = [step for sa in sas for step in (AddSa(sa=sa), DeleteSa(sa=sa.name))]
        return self._do([None, *steps], START_SECONDS)[1::2]

    def _takes(self, sas: Sequence[Sa]) -> list[bool]:
        """Each algorithm is put together when it is first asked for, which takes the kernel 0.1 s."""
        return [isinstance(outcome, Done) for outcome in self._outcomes(sas)]

    # -------------------------------------------------------------------------------------------------- operations

    def reset(self) -> None:
        self._do([None])

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

    def _one(self, step: Step) -> Outcome:
        """One operation; `_do` sees to it that the outcome fits the step."""
        return self._do([step])[0]

    def take(self, step: Step) -> Outcome:
        return self._do([step])[0]

    def execute(self, case: Case) -> Transcript:
        """The whole case as one message, or several where the guest's memory is too small for it."""
        steps = [None, *[AddSa(sa=sa) for sa in case.sas], *case.steps]
        outcomes = [outcome for some in _portions(steps) for outcome in self._do(some)]
        first = 1 + len(case.sas)
        return Transcript(tuple(outcomes[1:first]), tuple(outcomes[first:]))

    def close(self) -> None:
        self._stop()
        self._processor.release()

    # ------------------------------------------------------------------------------------------------ the machine

    def _do(self, steps: Sequence[Step | None], seconds: float = ANSWER_SECONDS) -> list[Outcome]:
        """Carry out steps, `None` being a reset; one outcome per step."""
        operations: list[Any] = []
        packets: list[bytes] = []
        known: dict[int, Outcome] = {}
        for number, step in enumerate(steps):
            try:
                operation, mine = self._operation(step)
            except Untold as lacking:
                known[number] = Unsupported(what=str(lacking))
                continue
            operations.append(operation)
            packets += mine
        results, out = self._ask(operations, packets, _seconds() or seconds)
        told, queue = iter(results), iter(out)
        outcomes = []
        try:
            for number, step in enumerate(steps):
                outcomes.append(known.get(number) or self._declined(step, _outcome(step, next(told), queue)))
                messages.fits(messages.Reset() if step is None else step, outcomes[-1])
            if surplus := len(list(queue)):
                raise ValueError(f"{surplus} packets that belong to no result")
            return outcomes
        except (errors.Malformed, StopIteration, ValueError, TypeError, IndexError, OverflowError) as error:
            self._stop()
            raise AdapterError(f"the guest's results make no sense: {type(error).__name__}: {error}") from error

    def _declined(self, step: Step | None, outcome: Outcome) -> Outcome:
        """What was declared is there: that the kernel does not know it now is a refusal. A device may say so of any SA."""
        known = self._capabilities
        if known is None or not isinstance(step, AddSa) or not isinstance(outcome, Unsupported):
            return outcome
        if known.lacks(step.sa) is None and not outcome.what.startswith((_OF_THE_DEVICE, _OF_THE_GATEWAY)):
            return Refused(reason=outcome.what)
        return outcome

    def _operation(self, step: Step | None) -> tuple[list[Any], Sequence[bytes]]:
        """What to ask the agent for, and the packets that go with it. `Untold` for what xfrm has no words for."""
        match step:
            case None:
                return ["reset", self._time_travels], ()
            case AddSa(sa=sa):
                missing = self._declared.lacks(sa) if sa.encr in ENCRYPTION and sa.auth in INTEGRITY else None
                if missing and not missing.startswith(("encryption", "integrity")):
                    raise Untold(missing)
                self._reqid += 1
                return ["add", association.describe(sa, self._reqid)], ()
            case DeleteSa(sa=name):
                return ["delete", name], ()
            case ReadState(sa=name):
                return ["read", name], ()
            case AdvanceTime(seconds=seconds) if self._time_travels:
                return ["wait", seconds], ()
            case Inbound(packet=packet):
                return ["receive", 1], [packet]
            case InboundBurst(packets=packets):
                return ["receive", len(packets)], packets
            case OutboundBurst(sa=name, packets=packets):
                return ["send", name, len(packets)], packets
            case Outbound():
                for what, wanted in (("set_iv", step.iv is not None), ("tfc", step.tfc), ("dummy", step.dummy)):
                    if wanted:
                        raise Untold(what)
                return ["send", step.sa, 1], [step.packet]
        raise Untold(f"operation {type(step).__name__}")

    def _ask(self, operations: list[Any], packets: list[bytes], seconds: float) -> tuple[list[Any], list[bytes]]:
        if self._machine is None:
            self._start()
        assert self._machine is not None
        try:
            return self._machine.ask(operations, packets, seconds)
        except BaseException:
            self._stop()
            raise

    def _start(self) -> None:
        if self._place is not None:
            self._machine = Host(self._place, self._processor, START_SECONDS)
            self._release = self._machine.release
            return
        for left in reversed(range(_STARTS)):
            try:
                self._machine = Guest(
                    self._kernel, self._processor, START_SECONDS, time_travel=self._time_travels, gro=self._gro
                )
            except AdapterFailure:
                if not left:
                    raise
            else:
                self._release = self._machine.release
                return

    def _stop(self) -> None:
        machine, self._machine = self._machine, None
        if machine is not None:
            machine.close()


def _seconds() -> float:
    """The user's time limit, which is that of `exec:` programs; 0 for none."""
    try:
        return float(os.environ.get("ESPPROOF_EXEC_SECONDS", "0"))
    except ValueError:
        return 0.0


# ----------------------------------------------------------------------------------------------------------- outcomes


def _outcome(step: Step | None, result: list[Any], packets: Iterator[bytes]) -> Outcome:
    """What the agent's result means."""
    match result:
        case ["done"]:
            return Done()
        case ["refused", str(reason)]:
            return Refused(reason=reason)
        case ["unsupported", str(what)]:
            return Unsupported(what=what)
        case ["errno", int(number), str(text)]:
            return _refusal(step, number, text)
        case ["device", int(number), str(text)]:
            return _refusal_of_device(number, text)
        case ["packets", list(told)]:
            fates = [_fate(kind, what, packets) for kind, what in told]
            if isinstance(step, InboundBurst | OutboundBurst):
                return Burst(results=tuple(fates))
            (fate,) = fates
            return fate
        case ["state", str(answer)]:
            return association.state(bytes.fromhex(answer))
    raise ValueError(f"no result: {result!s:.200}")


def _refusal(step: Step | None, number: int, words: str) -> Outcome:
    if isinstance(step, ReadState | DeleteSa) and number == errno.ESRCH:
        return Refused(reason="the kernel has deleted the SA")
    text = _text(number, words)
    return Unsupported(what=text) if number in _LACKING else Refused(reason=text)


def _refusal_of_device(number: int, words: str) -> Refused | Unsupported:
    """Drivers say EINVAL of what their device cannot do; everything else (no room, no memory) is a refusal."""
    if not number:
        return Unsupported(what=f"{_OF_THE_DEVICE}the device leaves this SA to the kernel")
    text = f"{_OF_THE_DEVICE}{_text(number, words)}"
    return Unsupported(what=text) if number in _LACKING | {errno.EINVAL} else Refused(reason=text)


def _text(number: int, words: str) -> str:
    return f"{errno.errorcode.get(number, number)}: {words or os.strerror(number)}"


def _portions(steps: Sequence[Step | None]) -> Iterator[list[Step | None]]:
    """The steps in their order, with no more than `MOST_OCTETS` of packets in one portion, if it has several steps."""
    portion: list[Step | None] = []
    octets = 0
    for step in steps:
        kind = STEPS.get(type(step)) if step is not None else None
        mine = sum(map(len, kind.packets(step))) if kind is not None else 0
        if portion and octets + mine > MOST_OCTETS:
            yield portion
            portion, octets = [], 0
        portion.append(step)
        octets += mine
    yield portion


MOST_OCTETS = 1 << 20
"""Of packets in one message to the agent."""


def _fate(kind: object, what: object, packets: Iterator[bytes]) -> Sent | Delivered | Dropped | Passed:
    match kind:
        case "sent":
            return Sent(packet=Octets(next(packets)))
        case "delivered":
            return Delivered(packet=Octets(next(packets)))
        case "passed" if what in ("ike", "bypass"):
            return Passed(to=what)
        case "dropped" if isinstance(what, str):
            return Dropped(reason=what)
    raise ValueError(f"no fate of a packet: {kind!s:.100} {what!s:.100}")
