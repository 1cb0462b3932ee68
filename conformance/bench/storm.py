"""A rekey storm: every SA of a gateway with thousands of tunnels is replaced, make before break, under traffic.

    add new in, new out ─► packets out, in for the old, in for the new, through another tunnel
    delete old out      ─► packets out, in for the old
    delete old in       ─► a late packet for the old, in for the new, the same again, through another tunnel

New SAs take the SPIs of the ones that were deleted last, so that whatever is left of these is in the way. Every packet
that emerges is opened with the reference's codec: it must be the one that went in, under the SA and with the number that
its turn demands. What is held against it is a ledger of a few lines, and not the reference's host, which is judged too.
"""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from itertools import count

import msgspec

from espproof.adapters.base import Adapter, AdapterError
from espproof.adapters.case import (
    AddPolicy,
    AddSa,
    Counters,
    DeleteSa,
    Done,
    Emerged,
    Enter,
    Host,
    Octets,
    Outcome,
    Policy,
    ReadCounters,
    Sa,
    Side,
    Step,
    Template,
    TrafficSelector,
)
from espproof.adapters.linux.adapter import LinuxAdapter
from espproof.adapters.translate import entry
from espproof.conformance.oracle.compare import tell
from espproof.conformance.strategies import packets
from espproof.conformance.strategies.values import octets
from espproof.reference import endpoint, ip
from espproof.reference.errors import Malformed
from espproof.reference.esp import Opened, sequence_low, spi_of, take_trailer

SAS = 10_000
"""Of the whole storm; half of them send."""
MOST_KEPT = 200
"""Octets that a kernel may keep for each SA that was replaced: an SA that was forgotten has thousands."""
_MOST_WRONG = 10
_ENDS = {4: packets.GATEWAYS[4][0], 6: packets.GATEWAYS[6][0]}
_NEAR_HOSTS, _FAR_HOSTS = 0x0A000001, 0x14000001
_IV_SIZE = 8

Tell = Callable[[str], None]


class Storm(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`wrong` in words, no more than ten; `kept`: octets that a kernel's allocator has handed out for each SA that was
    replaced, and not got back."""

    who: str
    replaced: int
    packets: int
    seconds: float
    wrong: tuple[str, ...]
    kept: float | None = None


@dataclass(slots=True)
class _Sender:
    """One of our SAs that sends, as its peer sees it, or one of a peer that sends to us: numbers and IVs so far."""

    sa: Sa
    number: int = 0
    ivs: set[bytes] = field(default_factory=set)
    _entry: endpoint.Entry = field(init=False)

    def __post_init__(self) -> None:
        self._entry = entry(self.sa)

    def protect(self, packet: bytes) -> bytes:
        self.number += 1
        protected = endpoint.encapsulate(self._entry, packet, self.number)
        assert isinstance(protected, bytes)
        return protected

    def fault_of(self, packet: bytes, inside: bytes) -> str:
        """What is wrong with the next packet of this SA that is to hold another; "" for nothing."""
        self.number += 1
        try:
            outer = ip.parse(packet)
        except Malformed as error:
            return f"no packet: {error}"
        if outer.protocol != endpoint.PROTOCOL_ESP:
            return "in the clear" if packet == inside else "no ESP"
        esp = outer.payload
        if spi_of(esp) != self.sa.spi:
            return f"under SPI {spi_of(esp):#x}, expected {self.sa.spi:#x}"
        if sequence_low(esp) != self.number:
            return f"with number {sequence_low(esp)}, expected {self.number}"
        iv = esp[8 : 8 + _IV_SIZE]
        if iv in self.ivs:
            return f"with an IV that was there before: {iv.hex()}"
        self.ivs.add(iv)
        plaintext = self._entry.codec.open(esp, self.number)
        opened = take_trailer(plaintext) if isinstance(plaintext, bytes) else plaintext
        taken = endpoint.taken_out(self._entry.sa, outer, opened) if isinstance(opened, Opened) else opened
        return "" if taken == inside else f"with something else inside: {taken!r:.80}"


@dataclass(slots=True)
class _Tunnel:
    """A pair of SAs at a time, and the hosts behind its ends."""

    number: int
    spis: tuple[int, int]
    generation: int = 0
    out: _Sender = field(init=False)
    arriving: _Sender = field(init=False)

    def renew(self, spis: tuple[int, int]) -> None:
        """The next pair."""
        self.generation, self.spis = self.generation + 1, spis
        near, far = _ENDS[4 if self.number % 2 else 6]
        self.out = _Sender(self._sa("out", spis[0], near, far))
        self.arriving = _Sender(self._sa("in", spis[1], far, near))

    def _sa(self, direction: str, spi: int, source: str, destination: str) -> Sa:
        about = f"{direction} {self.number} {self.generation}"
        return Sa(
            name=f"{direction}{self.number}x{self.generation}",
            direction="out" if direction == "out" else "in",
            spi=spi,
            mode="tunnel",
            source=source,
            destination=destination,
            encr="ENCR_AES_GCM_16",
            encr_key=Octets(octets(spi, f"storm key {about}", 16)),
            salt=Octets(octets(spi, f"storm salt {about}", 4)),
            replay_window=0 if direction == "out" else 32,
            lookup="spi+destination",
            reqid=self.number + 1,
        )

    def packet(self, way: str, content: int) -> bytes:
        """A packet between its hosts, out or in, unlike all others."""
        near, far = (IPv4Address(first + self.number).packed for first in (_NEAR_HOSTS, _FAR_HOSTS))
        ends = (near, far) if way == "out" else (far, near)
        return ip.build_ipv4(*ends, 253, octets(content, "storm packet", 24 + content % 40))

    def policies(self) -> tuple[Policy, Policy]:
        near, far = (str(IPv4Address(first + self.number)) for first in (_NEAR_HOSTS, _FAR_HOSTS))
        out, arriving = self.out.sa, self.arriving.sa
        return (
            Policy(
                name=f"out{self.number}", direction="out", templates=(_template(out),),
                selector=TrafficSelector(version=4, source=near, destination=far),
            ),
            Policy(
                name=f"in{self.number}", direction="forward", templates=(_template(arriving),),
                selector=TrafficSelector(version=4, source=far, destination=near),
            ),
        )  # fmt: skip


def _template(sa: Sa) -> Template:
    return Template(mode="tunnel", source=sa.source, destination=sa.destination, reqid=sa.reqid)


Fault = Callable[[Outcome], str]
"""What is wrong with an outcome, "" for nothing."""


class _Storm:
    """Tunnels, what is asked next, and what was wrong."""

    def __init__(self, adapter: Adapter, sas: int, seed: int) -> None:
        self._adapter = adapter
        self._rng = random.Random(seed)
        self._spis = count(0x1000)
        self._tunnels = [_Tunnel(number, (0, 0)) for number in range(sas // 2)]
        self._asked: list[tuple[Step, str, Fault]] = []
        self._contents = count()
        self._expected: dict[str, int] = {}
        self.wrong: list[str] = []
        self.packets = 0

    def begin(self) -> None:
        """All tunnels, and a packet each way through each of them."""
        near = tuple(ends[0] for ends in _ENDS.values())
        far = tuple(ends[1] for ends in _ENDS.values())
        self._adapter.reset()
        told = self._adapter.configure(Host(addresses=near, wire=far))
        if not isinstance(told, Done):
            raise AdapterError(f"it is no host: {told}")
        for tunnel in self._tunnels:
            tunnel.renew((next(self._spis), next(self._spis)))
            self._done(AddSa(sa=tunnel.arriving.sa), AddSa(sa=tunnel.out.sa), *map(_added, tunnel.policies()))
            self._sends(tunnel)
            self._receives(tunnel, tunnel.arriving)
            self._ask()

    def rage(self, progress: Tell) -> None:
        """Replace each pair, in any order."""
        free = (next(self._spis), next(self._spis))
        for number, tunnel in enumerate(self._rng.sample(self._tunnels, len(self._tunnels))):
            if len(self.wrong) >= _MOST_WRONG:
                return
            if number % 100 == 0:
                progress(f"{2 * number:,} SAs replaced")
            free = self._replace(tunnel, free)
            self._ask()

    def _replace(self, tunnel: _Tunnel, spis: tuple[int, int]) -> tuple[int, int]:
        """The SPIs that are free afterwards."""
        old_out, old_in, free = tunnel.out, tunnel.arriving, tunnel.spis
        tunnel.renew(spis)
        self._done(AddSa(sa=tunnel.arriving.sa), AddSa(sa=tunnel.out.sa))
        self._sends(tunnel)
        self._receives(tunnel, old_in)
        self._receives(tunnel, tunnel.arriving)
        self._sends(self._other(tunnel))
        self._done(DeleteSa(sa=old_out.sa.name))
        self._sends(tunnel)
        self._receives(tunnel, old_in)
        self._done(DeleteSa(sa=old_in.sa.name))
        self._is_dropped(old_in.protect(tunnel.packet("in", 0)), "XfrmInNoStates", "for an SA that was deleted")
        again = self._receives(tunnel, tunnel.arriving)
        self._is_dropped(again, "XfrmInStateSeqError", "that came before")
        other = self._other(tunnel)
        self._receives(other, other.arriving)
        return free

    def _other(self, tunnel: _Tunnel) -> _Tunnel:
        return self._rng.choice(self._tunnels) if len(self._tunnels) > 1 else tunnel

    def end(self) -> None:
        """What was dropped is counted, once, and nothing else is."""

        def fault(outcome: Outcome) -> str:
            if not isinstance(outcome, Counters):
                return tell(outcome)
            return "" if outcome.values == self._expected else f"{outcome.values}, expected {self._expected}"

        caps = self._adapter.capabilities().host
        if caps is not None and caps.counters:
            self._asked.append((ReadCounters(), "counters", fault))
        self._ask()

    # -------------------------------------------------------------------------------------------------------- asking

    def _done(self, *steps: Step) -> None:
        for step in steps:
            what = f"{type(step).__name__} {_name(step)}"
            self._asked.append((step, what, lambda outcome: "" if isinstance(outcome, Done) else tell(outcome)))

    def _sends(self, tunnel: _Tunnel) -> None:
        packet = tunnel.packet("out", next(self._contents))
        sender, inside = tunnel.out, ip.forwarded(packet)
        self._enters("plain", packet, f"a packet out through tunnel {tunnel.number}",
                     lambda outcome: _fault(outcome, "wire", lambda got: sender.fault_of(got, inside)))  # fmt: skip

    def _receives(self, tunnel: _Tunnel, sender: _Sender) -> bytes:
        packet = tunnel.packet("in", next(self._contents))
        protected, right = sender.protect(packet), ip.forwarded(packet)
        self._enters(
            "wire",
            protected,
            f"a packet in through {sender.sa.name}",
            lambda outcome: _fault(outcome, "plain", lambda got: "" if got == right else "with other octets"),
        )
        return protected

    def _is_dropped(self, packet: bytes, counter: str, what: str) -> None:
        self._expected[counter] = self._expected.get(counter, 0) + 1
        self._enters("wire", packet, f"a packet {what}",
                     lambda outcome: "" if outcome == Emerged(packets=()) else f"let in: {tell(outcome)}")  # fmt: skip

    def _enters(self, side: Side, packet: bytes, what: str, fault: Fault) -> None:
        self.packets += 1
        self._asked.append((Enter(side=side, packet=Octets(packet)), what, fault))

    def _ask(self) -> None:
        asked, self._asked = self._asked, []
        for (_, what, fault), outcome in zip(
            asked, self._adapter.take_all([step for step, _, _ in asked]), strict=True
        ):
            told = fault(outcome)
            if told and len(self.wrong) < _MOST_WRONG:
                self.wrong.append(f"{what}: {told}")


def _fault(outcome: Outcome, side: str, of_packet: Callable[[bytes], str]) -> str:
    if not isinstance(outcome, Emerged):
        return tell(outcome)
    if len(outcome.packets) != 1:
        return "lost" if not outcome.packets else f"{len(outcome.packets)} packets emerge"
    (one,) = outcome.packets
    fault = of_packet(one.packet)
    return fault or ("" if one.side == side else f"emerges at {one.side}, expected at {side}")


def _added(policy: Policy) -> AddPolicy:
    return AddPolicy(policy=policy)


def _name(step: Step) -> str:
    match step:
        case AddSa(sa=sa):
            return sa.name
        case AddPolicy(policy=policy):
            return policy.name
        case DeleteSa(sa=name):
            return name
    return ""


def storm(adapter: Adapter, sas: int = SAS, seed: int = 1, progress: Tell = lambda what: None) -> Storm:
    """Replace so many SAs, half of which send. `AdapterError` from one that is no host."""
    began = time.perf_counter()
    one = _Storm(adapter, sas, seed)
    one.begin()
    before = _octets(adapter)
    one.rage(progress)
    after = _octets(adapter)
    one.end()
    kept = None if before is None or after is None else round((after - before) / sas, 1)
    if kept is not None and kept > MOST_KEPT:
        one.wrong.append(f"{kept:.0f} octets are kept for each SA that was replaced")
    return Storm(
        who=adapter.name,
        replaced=sas,
        packets=one.packets,
        seconds=round(time.perf_counter() - began, 1),
        wrong=tuple(one.wrong),
        kept=kept,
    )


def _octets(adapter: Adapter) -> int | None:
    return adapter.kernel_octets() if isinstance(adapter, LinuxAdapter) else None
