"""Super-packets: one TCP segment or UDP datagram, too large for any link, that stands for many (kernel document
`segmentation-offloads`).

Whoever makes one says how many octets of payload each segment is to have; the last has what is left. What leaves must be
what would have left had the segments come one by one. Of the headers, which each segment has of its own:

    IPv4    total length, identification (one more for each), checksum        IPv6    payload length
    TCP     sequence number (more by what was before), checksum; FIN and PSH in the last alone, CWR in the first alone
    UDP     length, checksum
"""

from espproof.reference import ip
from espproof.reference.errors import Misuse

PROTOCOL_TCP, PROTOCOL_UDP = 6, 17
_TCP_HEADER, _UDP_HEADER = 20, 8
_FIN, _PSH, _CWR = 0x01, 0x08, 0x80
_SEQUENCE, _FLAGS, _TCP_CHECKSUM = slice(4, 8), 13, slice(16, 18)
_UDP_LENGTH, _UDP_CHECKSUM = slice(4, 6), slice(6, 8)


def segments(packet: bytes, size: int) -> list[bytes]:
    """The packets that a super-packet stands for, with `size` octets of payload each, the last one with the rest.

    `Misuse` for what cannot be one: a size of 0, another protocol, a fragment, a header that is cut short.
    """
    whole = ip.parse(packet)
    front = _front(whole)
    if size <= 0 or front is None or whole.fragment:
        raise Misuse("a super-packet is a TCP segment or a UDP datagram, with a size for its parts")
    header, content = whole.payload[:front], whole.payload[front:]
    places = range(0, max(len(content), 1), size)
    return [
        _ip(whole, number, _upper(whole, header, content[at : at + size], at, last=at + size >= len(content)))
        for number, at in enumerate(places)
    ]


def content_of(packet: bytes) -> bytes:
    """What is behind the transport header of a TCP segment or UDP datagram. `Misuse` for any other packet."""
    whole = ip.parse(packet)
    front = _front(whole)
    if front is None:
        raise Misuse("neither a TCP segment nor a UDP datagram")
    return whole.payload[front:]


def _front(whole: ip.Packet) -> int | None:
    """Octets of the transport header."""
    if whole.protocol == PROTOCOL_UDP and len(whole.payload) >= _UDP_HEADER:
        return _UDP_HEADER
    if whole.protocol == PROTOCOL_TCP and len(whole.payload) >= _TCP_HEADER:
        length = (whole.payload[12] >> 4) * 4
        return length if _TCP_HEADER <= length <= len(whole.payload) else None
    return None


def _upper(whole: ip.Packet, header: bytes, content: bytes, at: int, *, last: bool) -> bytes:
    if whole.protocol == PROTOCOL_UDP:
        made = ip.with_field(header, _UDP_LENGTH, len(header) + len(content))
        return with_checksum(whole, made + content, _UDP_CHECKSUM)
    number = int.from_bytes(header[_SEQUENCE], "big") + at
    made = ip.with_field(header, _SEQUENCE, number & 0xFFFFFFFF)
    flags = made[_FLAGS] & ~(0 if last else _FIN | _PSH) & ~(_CWR if at else 0)
    return with_checksum(whole, made[:_FLAGS] + bytes((flags,)) + made[_FLAGS + 1 :] + content, _TCP_CHECKSUM)


def with_checksum(whole: ip.Packet, segment: bytes, field: slice) -> bytes:
    """A segment or datagram with the checksum that it has between the ends of a packet; `field`: where it stands."""
    blank = ip.with_field(segment, field, 0)
    pseudo = whole.source + whole.destination + len(segment).to_bytes(4, "big") + whole.protocol.to_bytes(4, "big")
    found = ip.checksum(pseudo + blank)
    return ip.with_field(blank, field, found or (0xFFFF if whole.protocol == PROTOCOL_UDP else 0))


def _ip(whole: ip.Packet, number: int, payload: bytes) -> bytes:
    header = whole.header
    if whole.version == 6:
        length = len(header) - ip.IPV6_HEADER_SIZE + len(payload)
        return ip.with_field(header, ip.IPV6_PAYLOAD_LENGTH, length) + payload
    header = ip.with_field(header, ip.IPV4_TOTAL_LENGTH, len(header) + len(payload))
    identification = int.from_bytes(header[ip.IPV4_IDENTIFICATION], "big") + number
    return ip.with_checksum(ip.with_field(header, ip.IPV4_IDENTIFICATION, identification & 0xFFFF)) + payload
