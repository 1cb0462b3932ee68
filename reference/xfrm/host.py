"""A host, or a gateway: policies, SAs, and two sides between which packets go.

    wire    the network, from which anything can come          plain   what is to be protected        local   itself

    enters from wire or plain ─┬─ for this host: AH, ESP, in UDP or not ─► INPUT ─► what was inside, again
                               ├─ for this host: anything else ─► CHECK in ─► emerges at `local`
                               └─ for others ─► CHECK forward ─► TTL ─┐
    enters from local ──────────────────────────────────────────────┴─► OUTPUT ─► PROTECT … ─► emerges at wire or plain

What is behind the wire is told by address; everything else that is not the host itself is on the plain side.
"""

from collections import Counter as Tally
from collections.abc import Iterable
from typing import Literal, NamedTuple

from espproof.reference import ah, ip, udp_encapsulation
from espproof.reference.endpoint import PROTOCOL_ESP, PROTOCOL_UDP
from espproof.reference.errors import Malformed
from espproof.reference.esp import spi_of
from espproof.reference.reassembly import Reassembly
from espproof.reference.udp_encapsulation import Kind
from espproof.reference.xfrm import icmp, mtu, protocols, segmentation
from espproof.reference.xfrm.buffers import Layout, Memory
from espproof.reference.xfrm.counters import Counter
from espproof.reference.xfrm.events import KeyManager, Wanted
from espproof.reference.xfrm.held import Held, Waiting
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
    Quiet,
    walk,
)
from espproof.reference.xfrm.policy import Direction, Flow, Policy, Template, flow_of
from espproof.reference.xfrm.spd import Spd
from espproof.reference.xfrm.states import State, States

Side = Literal["wire", "plain", "local"]


class Emerging(NamedTuple):
    """A packet that leaves the host, or reaches it. `through`: the names of the SAs that it was protected with last,
    the innermost first; of one that arrives, those that it came through, the outermost first. With `segment` it stands
    for several, which arrived together."""

    side: Side
    packet: bytes
    through: tuple[str, ...] = ()
    segment: int = 0


class Host:
    """Policies, SAs and counters, and what becomes of packets."""

    def __init__(
        self,
        addresses: Iterable[bytes] = (),
        wire: Iterable[bytes] = (),
        blocked: Iterable[Direction] = (),
        links: mtu.Links = mtu.Links(),  # noqa: B008 -- a tuple
        *,
        key_manager: bool = False,
        holds: int = 0,
    ) -> None:
        """`addresses` are the host's own, `wire` those behind the wire (network order); `blocked` are the directions in
        which packets that no policy is for are discarded; `links` say how long packets may be; of packets that lack an SA
        each policy `holds` so many."""
        self._addresses = dict.fromkeys(addresses)
        self._wire = frozenset(wire)
        self._blocked = frozenset(blocked)
        self._links = links
        self._paths = mtu.PathMtus()
        self._identification = 0
        self._reassembly = Reassembly()
        self._ivs: Tally[bytes] = Tally()
        self.spd = Spd()
        self.states = States()
        self.counters: Tally[Counter] = Tally()
        self.key_manager = KeyManager() if key_manager else None
        self._waiting = Waiting(holds)
        self.memory = Memory()

    def blocks(self, direction: Direction) -> bool:
        """Whether packets of that direction are discarded where no policy is for them."""
        return direction in self._blocked

    def has_ended(self, state: State, now: float) -> bool:
        """Whether a hard limit has been reached; such an SA is deleted (RFC 4301 4.4.2.1). The key manager is told of it,
        and of a soft one."""
        status = state.entry.state.lifetime_status(now)
        if status == "soft" and self.key_manager is not None:
            self.key_manager.warn(state)
        if status != "hard":
            return False
        self.states.delete(state.sa.name)
        if self.key_manager is not None:
            self.key_manager.end(state)
        return True

    # -------------------------------------------------------------------------------------------------- key manager

    def wants(
        self, template: Template, policy: Policy, source: bytes, destination: bytes, flow: Flow, now: float
    ) -> None:
        """A packet of that flow is without the SA that a template asks for."""
        if self.key_manager is not None:
            which = template.reqid, template.mode, policy.mark, policy.if_id, template.protocol
            wanted = Wanted(source, destination, *which)
            self.key_manager.ask(wanted, policy.name, flow, now)

    def add(self, state: State, now: float = 0) -> None:
        """Install an SA, which may be one that was asked for. `Misuse` as `States.add`."""
        self.states.add(state, now)
        if self.key_manager is not None:
            self.key_manager.answer(state)

    def update(self, state: State, now: float = 0) -> None:
        """Another lifetime for an SA, or the SA for which its SPI is reserved. `Misuse` as `States.update`."""
        changed = self.states.update(state, now)
        if self.key_manager is not None:
            self.key_manager.answer(changed)
            self.key_manager.renew(changed)

    def flush(self) -> None:
        """Remove all SAs, and what was asked for."""
        self.states.clear()
        if self.key_manager is not None:
            self.key_manager.forget()

    def pass_time(self, now: float) -> None:
        """With a key manager, SAs and policies end when their time is over, and not with the next packet."""
        if self.key_manager is not None:
            self.key_manager.pass_time(self.states, self.spd, now)
        self._discard_held()

    # ----------------------------------------------------------------------------------------------------- policies

    def replace_policy(self, policy: Policy) -> None:
        """Put a policy in the place of the one for the same traffic, whose packets it holds. `Misuse` as `Spd.replace`."""
        old = self.spd.replace(policy)
        if old is not None:
            self._waiting.move(old, policy)

    def delete_policy(self, name: str) -> None:
        """Take a policy out, with what it holds. `Misuse` if there is none of that name."""
        self.spd.delete(name)
        self._discard_held()

    def clear_policies(self) -> None:
        """Take all policies out."""
        self.spd.clear()
        self._discard_held()

    def _discard_held(self) -> None:
        if gone := self._waiting.keep(self.spd):
            self.counters[Counter.OUT_NO_STATES] += gone

    def iv(self, entry: protocols.AnyEntry) -> bytes:
        """An IV that no packet under that key has had."""
        key = entry.sa.encr_key or entry.sa.auth_key
        self._ivs[key] += 1
        return entry.iv_source(self._ivs[key])

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
        parts of so many octets: they fare as if they had come one by one. `Misuse` for one that cannot be cut up. Its own
        the host keeps, to send them again if it is asked once more.

        `way` (one of `buffers.WAYS`) and `layout` say where its octets lie, which changes nothing of what emerges."""
        packet = self.memory.take(packet, way, layout)
        try:
            parsed = ip.parse(packet)
        except Malformed:
            return ()
        if segment and side == "local":
            return self._leave_in_parts(packet, segment, mark, now)
        if segment and len(parsed.payload) > segment:
            pieces = segmentation.segments(packet, segment)
            return tuple(one for piece in pieces for one in self.enter(side, piece, mark, now))
        if side == "local":
            return self._leave(packet, mark, now)
        return self._arrive(parsed, packet, mark, now, ())

    def _leave_in_parts(self, packet: bytes, segment: int, mark: int, now: float) -> tuple[Emerging, ...]:
        emerged: list[Emerging] = []
        for part in segmentation.segments(packet, segment):
            front = len(part) - len(segmentation.content_of(part))
            emerged += self._leave(self.memory.send_kept(part, front), mark, now)
        return tuple(emerged)

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
            if parsed.fragment:  # a fragment in fragments, of which nobody puts together another packet
                return ()
        if parsed.protocol in (PROTOCOL_ESP, ah.PROTOCOL_AH):
            return self._take_out(parsed, parsed.payload, mark, now, through, encapsulated=False)
        if parsed.protocol == PROTOCOL_UDP:
            kind, esp = self._encapsulated(parsed.payload)
            if kind is Kind.KEEPALIVE:
                return ()
            if kind is Kind.ESP:
                return self._take_out(parsed, esp, mark, now, through, encapsulated=True)
        if self._dropped(self._checked("in", parsed, packet, mark, through)):
            return ()
        self._learn(parsed, now)
        return (Emerging("local", packet, _names(through)),)

    def _encapsulated(self, octets: bytes) -> tuple[Kind | None, bytes]:
        """What a UDP datagram carries; None if it is not for a port at which an SA receives, or none at all."""
        try:
            datagram = udp_encapsulation.open_datagram(octets)
        except Malformed:
            return None, b""
        if not self.states.receives_at(datagram.destination_port):
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
        forwarded = self.memory.become(packet, ip.forwarded(packet))
        return self._leave(forwarded, mark, now, through, arrived=packet)

    def _leave(
        self, packet: bytes, mark: int, now: float, through: tuple[State, ...] = (), *, arrived: bytes = b""
    ) -> tuple[Emerging, ...]:
        """A packet leaves; one that is forwarded had `arrived`."""
        parsed = ip.parse(packet)
        one = Leaving(self, packet, flow_of(parsed), mark, now)
        fate = self._policed(one)
        if fate is Counter.OUT_NO_STATES and one.policy is not None:
            fate = Quiet.DROPPED if self._waiting.hold(Held(one.policy, packet, mark, through, arrived)) else fate
        if self._dropped(fate):
            return ()
        room = self._room(packet, one.bundle, now)
        if room is None or len(packet) <= room:
            return self._sent(packet, one.bundle, through, now)
        if parsed.version == 6:
            room = max(room, mtu.IPV6_LEAST)
        if parsed.dont_fragment and len(packet) > room:
            return self._refused(arrived, room, now)
        if parsed.version == 4 and (self._links.fragments == "inside" or mtu.must_be_cut_inside(one.bundle)):
            pieces = mtu.fragments(packet, room, 0)
            return tuple(sent for piece in pieces for sent in self._sent(piece, one.bundle, through, now))
        return self._sent(packet, one.bundle, through, now)

    def _policed(self, one: Leaving) -> Fate:
        return walk(OUTPUT, one)

    def release(self, now: float = 0) -> tuple[Emerging, ...]:
        """What was held and has what it lacked leaves: what emerges."""
        waiting = self._waiting.take_all()
        return tuple(
            emerging
            for one in waiting
            for emerging in self._leave(one.packet, one.mark, now, one.through, arrived=one.arrived)
        )

    def _sent(self, packet: bytes, bundle: list[State], through: tuple[State, ...], now: float) -> tuple[Emerging, ...]:
        """Through its SAs and out, in fragments if its link asks for them."""
        for state in bundle:
            step = Protecting(self, packet, state, now)
            if self._dropped(walk(PROTECT, step)):
                return ()
            front = _front(state) + (len(ip.parse(step.packet).header) if state.sa.mode == "tunnel" else 0)
            packet = self.memory.become(packet, step.packet, front)
        return self._out(packet, _names(bundle or through), now)

    def _out(self, packet: bytes, through: tuple[str, ...], now: float) -> tuple[Emerging, ...]:
        side = self._side_of(packet)
        most = self._path_mtu(side, ip.parse(packet).destination, now)
        if most is None or len(packet) <= most:
            return (Emerging(side, packet, through),)
        self._identification += 1
        return tuple(Emerging(side, piece, through) for piece in mtu.fragments(packet, most, self._identification))

    # ---------------------------------------------------------------------------------------------------- path MTU

    def _room(self, packet: bytes, bundle: list[State], now: float) -> int | None:
        """Octets of the largest packet that goes this way, `None` for any."""
        end = next((state.sa.destination.packed for state in reversed(bundle) if state.sa.mode == "tunnel"), None)
        destination = end or ip.parse(packet).destination
        most = self._path_mtu(self._side_to(destination), destination, now)
        return None if most is None else mtu.room(packet, bundle, most)

    def _path_mtu(self, side: Side, destination: bytes, now: float) -> int | None:
        link = {"wire": self._links.wire, "plain": self._links.plain}.get(side)
        return mtu.narrowest(link, self._paths.to(destination, now))

    def _refused(self, arrived: bytes, room: int, now: float) -> tuple[Emerging, ...]:
        """A packet that is too long is discarded, and who sent it is told (RFC 4301 8.2.1); the host itself, whose packet
        has not `arrived`, without a message."""
        if not arrived:
            return ()
        source = next((one for one in self._addresses if len(one) == len(ip.parse(arrived).source)), None)
        told = None if source is None else icmp.message(source, arrived, room)
        return () if told is None else self._leave(told, 0, now)

    def _learn(self, parsed: ip.Packet, now: float) -> None:
        """From a message about an ESP packet of ours (RFC 4301 8.2.1); policies have let it in (6.1.1)."""
        said = icmp.read(parsed)
        sent = None if said is None else icmp.quoted(said.quoted)
        if said is None or sent is None or sent.source not in self._addresses:
            return
        if any(_has_sent(state, sent) for state in self.states):
            self._paths.learn(sent.destination, said.mtu, now)

    def _checked(
        self, direction: Direction, parsed: ip.Packet, packet: bytes, mark: int, through: tuple[State, ...]
    ) -> Fate:
        return walk(CHECK, Checked(self, packet, flow_of(parsed), direction, mark, through))

    def _dropped(self, fate: Fate) -> bool:
        if isinstance(fate, Counter):
            self.counters[fate] += 1
        return fate is not None

    def _side_of(self, packet: bytes) -> Side:
        return self._side_to(ip.parse(packet).destination)

    def _side_to(self, destination: bytes) -> Side:
        if destination in self._addresses:
            return "local"
        return "wire" if destination in self._wire else "plain"


def _has_sent(state: State, sent: ip.Packet) -> bool:
    """Whether a packet, of which only the beginning is there, is one of that SA: by SPI, in UDP by ports."""
    sa, octets = state.sa, sent.payload
    if sa.direction != "out" or sa.destination.packed != sent.destination:
        return False
    if sa.protocol == "ah":
        return sent.protocol == ah.PROTOCOL_AH and len(octets) >= ah.SPI.stop and ah.spi_of(octets) == sa.spi
    if sa.udp is not None:
        ports = sa.udp.source_port.to_bytes(2, "big") + sa.udp.destination_port.to_bytes(2, "big")
        return sent.protocol == PROTOCOL_UDP and octets[:4] == ports
    return sent.protocol == PROTOCOL_ESP and len(octets) >= 4 and spi_of(octets) == sa.spi


def _front(state: State) -> int:
    """Octets in front of what an SA protects, in tunnel mode behind a header that it adds."""
    udp = 0 if state.sa.udp is None else udp_encapsulation.HEADER_SIZE
    return udp + protocols.front(state.entry)


def _names(states: Iterable[State]) -> tuple[str, ...]:
    return tuple(state.sa.name for state in states)
