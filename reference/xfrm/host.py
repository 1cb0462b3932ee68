"""A host, or a gateway: policies, SAs, and two sides between which packets go.

    wire    the network, from which anything can come          plain   what is to be protected        local   itself

    enters from wire or plain ─┬─ for this host: ESP, in UDP or not ─► INPUT ─► what was inside, again
                               ├─ for this host: anything else ─► CHECK in ─► emerges at `local`
                               └─ for others ─► CHECK forward ─► TTL ─┐
    enters from local ──────────────────────────────────────────────┴─► OUTPUT ─► PROTECT … ─► emerges at wire or plain

What is behind the wire is told by address; everything else that is not the host itself is on the plain side.
"""

from collections import Counter as Tally
from collections.abc import Iterable
from typing import Literal, NamedTuple

from espproof.reference import esp, ip, udp_encapsulation
from espproof.reference.endpoint import PROTOCOL_ESP, PROTOCOL_UDP, Entry
from espproof.reference.errors import Malformed
from espproof.reference.reassembly import Reassembly
from espproof.reference.udp_encapsulation import Kind
from espproof.reference.xfrm import segmentation
from espproof.reference.xfrm.buffers import Layout, Memory
from espproof.reference.xfrm.counters import Counter
from espproof.reference.xfrm.path import (
    CHECK,
    INPUT,
    OUTPUT,
    PROTECT,
    Arriving,
    Checked,
    Fate,
    Leaving,
    Protecting,
    walk,
)
from espproof.reference.xfrm.policy import Direction, flow_of
from espproof.reference.xfrm.spd import Spd
from espproof.reference.xfrm.states import State, States

Side = Literal["wire", "plain", "local"]


class Emerging(NamedTuple):
    """A packet that leaves the host, or reaches it. `through`: the names of the SAs that it was protected with last,
    the innermost first; of one that arrives, those that it came through, the outermost first."""

    side: Side
    packet: bytes
    through: tuple[str, ...] = ()


class Host:
    """Policies, SAs and counters, and what becomes of packets."""

    def __init__(
        self, addresses: Iterable[bytes] = (), wire: Iterable[bytes] = (), blocked: Iterable[Direction] = ()
    ) -> None:
        """`addresses` are the host's own, `wire` those behind the wire (network order); `blocked` are the directions in
        which packets that no policy is for are discarded."""
        self._addresses = frozenset(addresses)
        self._wire = frozenset(wire)
        self._blocked = frozenset(blocked)
        self._reassembly = Reassembly()
        self._ivs: Tally[bytes] = Tally()
        self.spd = Spd()
        self.states = States()
        self.counters: Tally[Counter] = Tally()
        self.memory = Memory()

    def blocks(self, direction: Direction) -> bool:
        """Whether packets of that direction are discarded where no policy is for them."""
        return direction in self._blocked

    def has_ended(self, state: State, now: float) -> bool:
        """Whether a hard limit has been reached; such an SA is deleted (RFC 4301 4.4.2.1)."""
        if state.entry.state.lifetime_status(now) != "hard":
            return False
        self.states.delete(state.sa.name)
        return True

    def iv(self, entry: Entry) -> bytes:
        """An IV that no packet under that key has had."""
        self._ivs[entry.sa.encr_key] += 1
        return entry.iv_source(self._ivs[entry.sa.encr_key])

    # ------------------------------------------------------------------------------------------------------ packets

    def enter(
        self,
        side: Side,
        packet: bytes,
        mark: int = 0,
        now: float = 0,
        *,
        segment: int = 0,
        way: str = "",
        layout: Layout | None = None,
    ) -> tuple[Emerging, ...]:
        """A whole IP packet enters: what emerges because of it. With `segment` it is a super-packet, which is cut up into
        parts of so many octets: they fare as if they had come one by one. `Misuse` for one that cannot be cut up.

        `way` (one of `buffers.WAYS`) and `layout` say where its octets lie, which changes nothing of what emerges."""
        packet = self.memory.take(packet, way, layout)
        try:
            parsed = ip.parse(packet)
        except Malformed:
            return ()
        if segment and len(parsed.payload) > segment:
            pieces = segmentation.segments(packet, segment)
            return tuple(one for piece in pieces for one in self.enter(side, piece, mark, now))
        if side == "local":
            return self._leave(packet, mark, now)
        return self._arrive(parsed, packet, mark, now, ())

    def _arrive(
        self, parsed: ip.Packet, packet: bytes, mark: int, now: float, through: tuple[State, ...]
    ) -> tuple[Emerging, ...]:
        if parsed.destination not in self._addresses:
            return self._forward(parsed, packet, mark, now, through)
        if parsed.fragment:
            whole = self._reassembly.take(parsed)
            if whole is None:
                return ()
            parsed, packet = ip.parse(whole), whole
        if parsed.protocol == PROTOCOL_ESP:
            return self._take_out(parsed, parsed.payload, mark, now, through, encapsulated=False)
        if parsed.protocol == PROTOCOL_UDP:
            kind, esp = self._encapsulated(parsed.payload)
            if kind is Kind.KEEPALIVE:
                return ()
            if kind is Kind.ESP:
                return self._take_out(parsed, esp, mark, now, through, encapsulated=True)
        if self._dropped(self._checked("in", parsed, packet, mark, through)):
            return ()
        return (Emerging("local", packet, _names(through)),)

    def _encapsulated(self, octets: bytes) -> tuple[Kind | None, bytes]:
        """What a UDP datagram carries; None if it is not for a port at which an SA receives, or none at all."""
        try:
            datagram = udp_encapsulation.open_datagram(octets)
        except Malformed:
            return None, b""
        ports = {state.sa.udp.destination_port for state in self.states if state.sa.udp and state.sa.direction == "in"}
        if datagram.destination_port not in ports:
            return None, b""
        return udp_encapsulation.classify(datagram.payload), datagram.payload

    def _take_out(
        self, outer: ip.Packet, esp: bytes, mark: int, now: float, through: tuple[State, ...], *, encapsulated: bool
    ) -> tuple[Emerging, ...]:
        one = Arriving(self, outer, esp, encapsulated, mark, now, through)
        if self._dropped(walk(INPUT, one)):
            return ()
        front = _front(one.state) + (len(outer.header) if one.state.sa.mode == "tunnel" else 0)
        inside = self.memory.become(outer.header + outer.payload, one.inside, -front)
        try:
            parsed = ip.parse(inside)
        except Malformed:  # a chain of extension headers that nobody could follow
            return ()
        return self._arrive(parsed, inside, mark, now, (*through, one.state))

    def _forward(
        self, parsed: ip.Packet, packet: bytes, mark: int, now: float, through: tuple[State, ...]
    ) -> tuple[Emerging, ...]:
        if self._dropped(self._checked("forward", parsed, packet, mark, through)) or parsed.hop_limit <= 1:
            return ()
        return self._leave(self.memory.become(packet, ip.forwarded(packet)), mark, now, through)

    def _leave(self, packet: bytes, mark: int, now: float, through: tuple[State, ...] = ()) -> tuple[Emerging, ...]:
        one = Leaving(self, packet, flow_of(ip.parse(packet)), mark, now)
        if self._dropped(walk(OUTPUT, one)):
            return ()
        for state in one.bundle:
            step = Protecting(self, packet, state, now)
            if self._dropped(walk(PROTECT, step)):
                return ()
            front = _front(state) + (len(ip.parse(step.packet).header) if state.sa.mode == "tunnel" else 0)
            packet = self.memory.become(packet, step.packet, front)
        return (Emerging(self._side_of(packet), packet, _names(one.bundle or through)),)

    def _checked(
        self, direction: Direction, parsed: ip.Packet, packet: bytes, mark: int, through: tuple[State, ...]
    ) -> Fate:
        return walk(CHECK, Checked(self, packet, flow_of(parsed), direction, mark, through))

    def _dropped(self, fate: Fate) -> bool:
        if isinstance(fate, Counter):
            self.counters[fate] += 1
        return fate is not None

    def _side_of(self, packet: bytes) -> Side:
        destination = ip.parse(packet).destination
        if destination in self._addresses:
            return "local"
        return "wire" if destination in self._wire else "plain"


def _front(state: State) -> int:
    """Octets in front of what an SA protects, in tunnel mode behind a header that it adds."""
    udp = 0 if state.sa.udp is None else udp_encapsulation.HEADER_SIZE
    return udp + esp.HEADER_SIZE + state.entry.codec.iv_size


def _names(states: Iterable[State]) -> tuple[str, ...]:
    return tuple(state.sa.name for state in states)
