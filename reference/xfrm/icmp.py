"""Messages that say that a packet was too long: ICMP type 3 code 4 with an MTU (RFC 792, 1191), ICMPv6 type 2 (RFC 4443);
and what errors of any kind are about.

A host sends no others: it is silent about everything else that it discards.
"""

from dataclasses import dataclass

from espproof.reference import ip
from espproof.reference.errors import Malformed

PROTOCOL_ICMP, PROTOCOL_ICMPV6 = 1, 58
_UNREACHABLE, _FRAGMENTATION_NEEDED, _TOO_BIG = 3, 4, 2
_NO_ERRORS = frozenset({0, 8, 9, 10, 13, 14, 15, 16, 17, 18})
"""ICMP types that ask or answer; all others are errors."""
_FIRST_THAT_IS_NO_ERROR = 128
"""Of ICMPv6 (RFC 4443 2.1)."""
_HEADER_SIZE = 8
_QUOTED = {4: 576, 6: 1280}
"""Octets of the longest message (RFC 1812 4.3.2.3, RFC 4443 2.4)."""
_HOP_LIMIT = 64


@dataclass(frozen=True, slots=True)
class TooBig:
    """The next link on the way carries `mtu` octets; `quoted` is the beginning of the packet that was too long."""

    mtu: int
    quoted: bytes


def message(source: bytes, packet: bytes, mtu: int) -> bytes | None:
    """The message from `source` to the sender of `packet`; `None` where nobody is to be told (RFC 1812 4.3.2.7, RFC
    4443 2.4): of errors, and of IPv4 fragments behind the first."""
    parsed = ip.parse(packet)
    if _is_error(parsed) or (parsed.version == 4 and parsed.fragment_offset):
        return None
    front = ip.IPV4_HEADER_SIZE if parsed.version == 4 else ip.IPV6_HEADER_SIZE
    quoted = packet[: _QUOTED[parsed.version] - front - _HEADER_SIZE]
    if parsed.version == 4:
        body = bytes((_UNREACHABLE, _FRAGMENTATION_NEEDED, 0, 0, 0, 0)) + mtu.to_bytes(2, "big") + quoted
        return ip.build_ipv4(source, parsed.source, PROTOCOL_ICMP, _summed(body, b""), ttl=_HOP_LIMIT)
    body = bytes((_TOO_BIG, 0, 0, 0)) + mtu.to_bytes(4, "big") + quoted
    body = _summed(body, pseudo_header(source, parsed.source, len(body)))
    return ip.build_ipv6(source, parsed.source, PROTOCOL_ICMPV6, body, hop_limit=_HOP_LIMIT)


def read(packet: ip.Packet) -> TooBig | None:
    """What such a message says; `None` for any other packet, and where the checksum is wrong."""
    octets = packet.payload
    if len(octets) < _HEADER_SIZE:
        return None
    if (
        packet.version == 4
        and packet.protocol == PROTOCOL_ICMP
        and octets[:2] == bytes((_UNREACHABLE, _FRAGMENTATION_NEEDED))
    ):
        wrong = ip.checksum(octets)
        return None if wrong else TooBig(int.from_bytes(octets[6:8], "big"), octets[_HEADER_SIZE:])
    if packet.version == 6 and packet.protocol == PROTOCOL_ICMPV6 and octets[0] == _TOO_BIG:  # whatever its code
        wrong = ip.checksum(pseudo_header(packet.source, packet.destination, len(octets)) + octets)
        return None if wrong else TooBig(int.from_bytes(octets[4:8], "big"), octets[_HEADER_SIZE:])
    return None


def about(packet: ip.Packet) -> ip.Packet | None:
    """The packet that an ICMP error quotes; `None` for what is no error, or quotes none."""
    return quoted(packet.payload[_HEADER_SIZE:]) if _is_error(packet) else None


def pseudo_header(source: bytes, destination: bytes, length: int) -> bytes:
    """What the checksum of ICMPv6 has in it besides the message (RFC 8200 8.1)."""
    return source + destination + length.to_bytes(4, "big") + bytes((0, 0, 0, PROTOCOL_ICMPV6))


def quoted(octets: bytes) -> ip.Packet | None:
    """The packet of which a message quotes the beginning: its lengths are those of what is there. `None` if its header
    is not whole."""
    try:
        if ip.version(octets) == 4:
            size = (octets[0] & 0xF) * 4
            header = ip.with_checksum(ip.with_field(octets[:size], ip.IPV4_TOTAL_LENGTH, len(octets)))
            return ip.parse(header + octets[size:])
        return ip.parse(ip.with_field(octets, ip.IPV6_PAYLOAD_LENGTH, len(octets) - ip.IPV6_HEADER_SIZE))
    except (Malformed, OverflowError):
        return None


def _is_error(packet: ip.Packet) -> bool:
    kind = packet.payload[:1]
    if packet.fragment_offset or not kind:
        return False
    if packet.protocol == PROTOCOL_ICMP and packet.version == 4:
        return kind[0] not in _NO_ERRORS
    return packet.protocol == PROTOCOL_ICMPV6 and packet.version == 6 and kind[0] < _FIRST_THAT_IS_NO_ERROR


def _summed(body: bytes, pseudo: bytes) -> bytes:
    return body[:2] + ip.checksum(pseudo + body).to_bytes(2, "big") + body[4:]
