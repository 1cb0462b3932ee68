"""The verbs of checks about AH: SAs of it in a host, who sends to them, and what becomes of their packets on the way."""

from typing import Any

import msgspec
from hypothesis import strategies as st

from espproof.adapters.case import HostDirection, Octets, Sa
from espproof.adapters.translate import any_entry
from espproof.conformance.checks.host import HostScenario
from espproof.conformance.checks.links import LinkedHost
from espproof.conformance.checks.scenario import Peer, Scenario, TooBig
from espproof.conformance.strategies import packets, values
from espproof.reference import ah, ip, transport
from espproof.reference.drops import DropReason
from espproof.reference.xfrm import protocols


class AhPeer:
    """The other end of one inbound SA of AH: makes the packets that the implementation receives."""

    def __init__(self, sa: Sa) -> None:
        entry = any_entry(sa)
        assert isinstance(entry, protocols.AhEntry)
        self.entry = entry

    def protect(self, packet: bytes, sequence: int) -> bytes:
        """A right packet of that (whole) number."""
        made = protocols.protect(self.entry, packet, sequence)
        if isinstance(made, DropReason):
            raise TooBig(made.value)
        return made

    def protect_behind(self, packet: bytes, sequence: int) -> bytes:
        """The same in transport mode, with AH behind all extension headers, destination options too."""
        parts = transport.legal_splits(packet)[-1]
        made = self.entry.codec.protect_split(parts, sequence, self.entry.iv_source(sequence))
        assert isinstance(made, bytes)
        return made

    def resealed(self, packet: bytes, place: int, octet: int, sequence: int) -> bytes:
        """A packet of ours with another octet at that place of its AH, under a right ICV."""
        front = in_front_of_ah(packet)
        at = front + place
        changed = packet[:at] + bytes([octet]) + packet[at + 1 :]
        return self.entry.codec.seal(changed, front, sequence, self.entry.iv_source(sequence))

    def icv_at(self, packet: bytes) -> int:
        """Where the ICV of a packet of ours begins."""
        return in_front_of_ah(packet) + ah.FIXED_SIZE + self.entry.codec.iv_size


def in_front_of_ah(packet: bytes) -> int:
    """Octets of the headers that a protected packet has in front of its AH."""
    return len(ip.parse(packet).header)


def flipped(packet: bytes, at: int, bits: int = 0x01) -> bytes:
    """The packet with other bits in one octet; an IPv4 header's checksum is made right."""
    changed = packet[:at] + bytes([packet[at] ^ bits]) + packet[at + 1 :]
    if packet[0] >> 4 == 6:
        return changed
    size = (packet[0] & 0xF) * 4
    return ip.with_checksum(changed[:size]) + changed[size:]


def without_ah(packet: bytes) -> bytes:
    """The packet ends behind the first octets of its AH: too few for a number."""
    front = in_front_of_ah(packet)
    short = packet[: front + ah.FIXED_SIZE - 1]
    if packet[0] >> 4 == 6:
        return ip.with_field(short, ip.IPV6_PAYLOAD_LENGTH, len(short) - ip.IPV6_HEADER_SIZE)
    return ip.with_checksum(ip.with_field(short[:front], ip.IPV4_TOTAL_LENGTH, len(short))) + short[front:]


class AhScenario(HostScenario):
    """A host whose SAs can be of AH."""

    def ah(self, direction: str, *, add: bool = True, auth: str | None = None, **fixed: Any) -> Sa:
        """An SA of AH with that algorithm, or any that is declared; `fixed` as in `HostScenario.sa`."""
        self.s.need("ah", self.caps.ah)
        if auth is None:
            auth = self.s.draw(st.sampled_from(self.caps.ah))
        self.s.need(f"ah {auth}", auth in self.caps.ah)
        base = super().sa(direction, add=False, **fixed)
        labelled = zip(("ah", "salt"), ah.key_sizes(auth), strict=True)
        key, salt = (Octets(values.octets(base.spi, label, size)) for label, size in labelled)
        made = msgspec.structs.replace(
            base, protocol="ah", encr="ENCR_NULL", encr_key=Octets(), salt=salt, auth=auth, auth_key=key
        )
        lacking = self.s.caps.lacks(made)
        self.s.need(str(lacking), lacking is None)
        return self.s.with_fields(made) if add else made

    def carried(self, sa: Sa, **fields: Any) -> bytes:
        """A packet for that SA: of a tunnel between the hosts behind it, else between its own ends."""
        version = fields.pop("version", None) or self.s.choose(self.s.versions(sa))
        recipe = packets.Recipe(version=version, **fields)
        return packets.build(recipe, *self.s.ends_inside(sa, version))

    def asks_for(self, packet: bytes, *through: Sa, about: str) -> None:
        """The policy that has such packets protected with these SAs, the innermost first, or asks for it inwards."""
        direction: HostDirection = "out"
        if through[-1].direction == "in":
            direction = "in" if all(sa.mode == "transport" for sa in through) else self.inward
        self.policy(direction, packet, *map(self.template, through), about=about)

    def sends(self, packet: bytes, *through: Sa, about: str) -> None:
        """Such a packet is to be protected: of a tunnel it is forwarded, else the host's own."""
        forwarded = any(sa.mode == "tunnel" for sa in through)
        self.enters("plain" if forwarded else "local", packet, about)

    def arrives(self, packet: bytes, about: str) -> None:
        """Octets arrive from the network."""
        self.enters("wire", packet, about)

    def peer_of(self, sa: Sa) -> AhPeer | Peer:
        """Who sends to an inbound SA, of either protocol."""
        return AhPeer(sa) if sa.protocol == "ah" else self.s.peer(sa)


class EitherScenario(AhScenario):
    """A host whose SAs are of ESP or AH, as it happens."""

    def __init__(self, s: Scenario, **more: Any) -> None:
        super().__init__(s, **more)
        s.need("ah", self.caps.ah)

    def sa(self, direction: str, *, add: bool = True, **fixed: Any) -> Sa:
        """An SA of one of the two, of AH without UDP."""
        if fixed.get("udp") or not self.s.draw(st.booleans()):
            return super().sa(direction, add=add, **fixed)
        return self.ah(direction, add=add, **fixed)


class LinkedAh(AhScenario, LinkedHost):
    """The same on links that have an MTU."""
