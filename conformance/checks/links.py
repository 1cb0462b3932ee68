"""The verbs of checks about a host whose links have an MTU: packets that just fit or just do not, and messages from the
path that one did not.
"""

from collections.abc import Sequence
from ipaddress import ip_address
from typing import Any, Literal

import msgspec
from hypothesis import strategies as st

from espproof.adapters.case import Mtus, Sa, Side
from espproof.adapters.translate import state_of
from espproof.conformance.checks.host import HostScenario
from espproof.conformance.checks.scenario import Scenario
from espproof.reference import ip, udp_encapsulation
from espproof.reference.ah import PROTOCOL_AH
from espproof.reference.endpoint import PROTOCOL_ESP, PROTOCOL_UDP
from espproof.reference.xfrm import icmp, mtu

ROUTERS = {4: "198.51.100.7", 6: "2001:db8:2:3::77"}
"""On the path behind the wire; it tells what it cannot carry."""
WIDE = (1400, 1427, 1492, 1500)
"""MTUs that leave room for an IPv6 packet of 1280 octets in every SA."""
NARROW = (1280, 1281, 1300)
BORDER = (-8, -1, 0, 1, 8)
"""Octets more than fit."""
_NUMBER = bytes.fromhex("00000109")
_CHECKSUM = slice(2, 4)


class LinkedHost(HostScenario):
    """A host of which the sides have an MTU."""

    def __init__(
        self,
        s: Scenario,
        *,
        wire: Sequence[int] | None = None,
        plain: Sequence[int] | None = None,
        fragments: Literal["outside", "inside"] = "outside",
        **more: Any,
    ) -> None:
        """Each side has one of these MTUs."""
        super().__init__(s, **more)
        s.need("mtus", self.caps.mtus)
        s.need(f"fragments {fragments}", fragments in self.caps.fragments)
        self.wire = s.choose(wire) if wire else None
        self.plain = s.choose(plain) if plain else None
        assert s.host is not None
        mtus = Mtus(wire=self.wire, plain=self.plain)
        s.host = msgspec.structs.replace(s.host, mtus=mtus, fragments=fragments)

    @staticmethod
    def room(packet: bytes, sas: Sequence[Sa], most: int) -> int:
        """Octets of the largest packet that behind these SAs (the innermost first) has no more than `most`."""
        return mtu.room(packet, [state_of(sa) for sa in sas], most)

    def near(self, size: int, most: int) -> int:
        """A size at a border, or far above it; never more than `most`."""
        sizes = (*(size + by for by in BORDER), 2 * size + 3, 4 * size)
        return self.s.draw(st.sampled_from([min(one, most) for one in sizes]))

    @staticmethod
    def sized(make: Any, version: int, size: int, **fields: Any) -> bytes:
        """What `outgoing`, `incoming` or `to_us` makes, with so many octets in all."""
        front = ip.IPV4_HEADER_SIZE if version == 4 else ip.IPV6_HEADER_SIZE
        made: bytes = make(
            version, length=size - front - sum(len(one) for _, one in fields.get("extensions", ())), **fields
        )
        return made

    def of_size(self, version: int, size: int, **fields: Any) -> bytes:
        """A packet from the near host to the far one with so many octets in all."""
        return self.sized(self.outgoing, version, size, **fields)

    def told(self, sa: Sa, most: int, about: str, side: Side = "wire", **wrong: Any) -> None:
        """A router says of an ESP packet of that SA that it was longer than `most`; `wrong` is wrong in what it says."""
        self.enters(side, too_big(sa, most, **wrong), about)


def too_big(sa: Sa, most: int, *, spi: int | None = None, code: int | None = None) -> bytes:
    """The message of a router to the sender of an SA: a packet of its, of which it quotes the beginning, was longer than
    `most`. The packet has that SPI, the message that code, where they are given."""
    version = 6 if ":" in sa.destination else 4
    ends = ip_address(sa.source).packed, ip_address(sa.destination).packed
    octets = (sa.spi if spi is None else spi).to_bytes(4, "big") + _NUMBER + bytes(64)
    protocol = PROTOCOL_ESP
    if sa.protocol == "ah":
        protocol, octets = PROTOCOL_AH, bytes((4, 4, 0, 0)) + octets
    if sa.udp is not None:
        protocol = PROTOCOL_UDP
        octets = udp_encapsulation.wrap(sa.udp.source_port, sa.udp.destination_port, octets, ends)
    make = ip.build_ipv4 if version == 4 else ip.build_ipv6
    router, us = ip_address(ROUTERS[version]).packed, ends[0]
    if version == 4:
        front = bytes((3, 4 if code is None else code, 0, 0, 0, 0)) + most.to_bytes(2, "big")
    else:
        front = bytes((2, code or 0, 0, 0)) + most.to_bytes(4, "big")
    return icmp_packet(router, us, front + make(*ends, protocol, octets))


def icmp_packet(source: bytes, destination: bytes, message: bytes) -> bytes:
    """An ICMP or ICMPv6 message, whose checksum is filled in, on its way between two addresses (network order)."""
    if len(source) == 4:
        body = ip.with_field(message, _CHECKSUM, ip.checksum(message))
        return ip.build_ipv4(source, destination, icmp.PROTOCOL_ICMP, body)
    pseudo = icmp.pseudo_header(source, destination, len(message))
    body = ip.with_field(message, _CHECKSUM, ip.checksum(pseudo + message))
    return ip.build_ipv6(source, destination, icmp.PROTOCOL_ICMPV6, body)
