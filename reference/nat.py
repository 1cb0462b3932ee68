"""Transport mode behind a NAT: RFC 3948 3.1.2.

A NAT changes the addresses in front of ESP, and the checksums of TCP and UDP inside cover them. Of the three ways that
the text allows, the second: the checksum is computed anew, which asks for nothing that IKE would have to tell. A UDP
datagram over IPv4 without a checksum has none that could become wrong, and what is too short to be TCP or UDP none either.
"""

from typing import NamedTuple

from espproof.reference import ip, udp_encapsulation
from espproof.reference.errors import Malformed

PROTOCOL_TCP = 6
PROTOCOL_UDP = udp_encapsulation.PROTOCOL_UDP
TCP_HEADER_SIZE = 20
TCP_CHECKSUM = slice(16, 18)


class Covered(NamedTuple):
    """A TCP segment or UDP datagram in a packet: where it is, and where in it the checksum stands."""

    protocol: int
    segment: slice
    checksum: slice


def covered(packet: bytes) -> Covered | None:
    """What of a whole IP packet the checksum of TCP or UDP covers besides addresses; None if it carries none."""
    try:
        parsed = ip.parse(packet)
        begin, end = len(parsed.header), parsed.total_length
        if parsed.fragment:
            return None
        if parsed.protocol == PROTOCOL_TCP and end - begin >= TCP_HEADER_SIZE:
            return Covered(PROTOCOL_TCP, slice(begin, end), TCP_CHECKSUM)
        if parsed.protocol == PROTOCOL_UDP:
            datagram = udp_encapsulation.open_datagram(parsed.payload)
            end = begin + udp_encapsulation.HEADER_SIZE + len(datagram.payload)
            if datagram.checksum:
                return Covered(PROTOCOL_UDP, slice(begin, end), udp_encapsulation.CHECKSUM)
    except Malformed:
        pass
    return None


def with_right_checksum(packet: bytes) -> bytes:
    """The IP packet with the checksum of the TCP segment or UDP datagram in it computed anew."""
    found = covered(packet)
    if found is None:
        return packet
    parsed, segment = ip.parse(packet), packet[found.segment]
    pseudo = parsed.source + parsed.destination + len(segment).to_bytes(4, "big") + found.protocol.to_bytes(4, "big")
    right = ip.checksum(pseudo + ip.with_field(segment, found.checksum, 0))
    if found.protocol == PROTOCOL_UDP:
        right = right or 0xFFFF
    end = found.segment.stop
    return packet[: found.segment.start] + ip.with_field(segment, found.checksum, right) + packet[end:]
