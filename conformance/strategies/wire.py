"""What the network, or somebody on it, does to a packet that is already protected. Octets in, octets out."""

from collections.abc import Sequence
from itertools import pairwise

from espproof.reference import ip, udp_encapsulation
from espproof.reference.esp import SPI


def hop(packet: bytes, *, hop_limit: int | None = None, traffic_class: int | None = None) -> bytes:
    """The packet after routers have changed hop limit, DSCP and ECN of its (outer) header."""
    if traffic_class is not None:
        packet = ip.with_traffic_class(packet, traffic_class)
    if hop_limit is None:
        return packet
    if packet[0] >> 4 == 6:
        return ip.with_field(packet, ip.IPV6_HOP_LIMIT, hop_limit)
    return _ipv4(packet, ip.IPV4_TTL, hop_limit)


def ipv4_fragment(packet: bytes, flags_and_offset: int) -> bytes:
    """The IPv4 packet marked as a fragment; the 16-bit field as on the wire (0x2000: more fragments)."""
    return _ipv4(packet, ip.IPV4_FRAGMENT, flags_and_offset)


def ipv6_fragment(packet: bytes, offset_and_more: int, identification: int = 0x1D2C3B4A) -> bytes:
    """The IPv6 packet with a fragment header; the 16-bit field as on the wire (0x0001: more fragments)."""
    rest = bytes(1) + offset_and_more.to_bytes(2, "big") + identification.to_bytes(4, "big")
    return _behind(packet, ip.PROTOCOL_FRAGMENT, rest)


def udp_checksum(packet: bytes) -> bytes:
    """The packet with a right checksum in its UDP header."""
    parsed = ip.parse(packet)
    right = udp_encapsulation.checksum(parsed.source, parsed.destination, parsed.payload)
    return parsed.header + ip.with_field(parsed.payload, udp_encapsulation.CHECKSUM, right)


def no_udp_checksum(packet: bytes) -> bytes:
    """The packet with a checksum of zero in its UDP header: none."""
    parsed = ip.parse(packet)
    return parsed.header + ip.with_field(parsed.payload, udp_encapsulation.CHECKSUM, 0)


def spi(packet: bytes, esp_length: int, other: int) -> bytes:
    """The packet with another SPI; `esp_length` octets of it are ESP."""
    at = len(packet) - esp_length
    return packet[:at] + ip.with_field(packet[at:], SPI, other)


def fragment(packet: bytes, offset: int) -> bytes:
    """The packet as if it were a later fragment of a larger one; `offset` in octets, a multiple of 8."""
    if packet[0] >> 4 == 4:
        return ipv4_fragment(packet, offset >> 3)
    return ipv6_fragment(packet, offset)


def fragments(packet: bytes, cuts: Sequence[int], identification: int = 0x1D2C) -> list[bytes]:
    """The packet (without options and extension headers) as a router or its sender cuts it up; `cuts` are places in its
    payload, ascending, in units of 8 octets. Of `identification` 16 bits are used."""
    version = packet[0] >> 4
    size = ip.IPV4_HEADER_SIZE if version == 4 else ip.IPV6_HEADER_SIZE
    header, payload = packet[:size], packet[size:]
    places = [0, *(8 * cut for cut in cuts), len(payload)]
    made = []
    for start, end in pairwise(places):
        more = end < len(payload)
        if version == 4:
            front = ip.with_field(header, ip.IPV4_TOTAL_LENGTH, size + end - start)
            front = ip.with_field(front, ip.IPV4_IDENTIFICATION, identification)
            made.append(ipv4_fragment(front + payload[start:end], start >> 3 | 0x2000 * more))
        else:
            front = ip.with_field(header, ip.IPV6_PAYLOAD_LENGTH, end - start)
            made.append(ipv6_fragment(front + payload[start:end], start | more, identification))
    return made


def behind_hop_by_hop(packet: bytes) -> bytes:
    """The IPv6 packet with hop-by-hop options (only padding) in front of whatever follows its fixed header."""
    return _behind(packet, ip.PROTOCOL_HOP_BY_HOP, ip.options_header()[1:])


def claiming(packet: bytes, length: int) -> bytes:
    """The packet with another length in its header: of IPv4 the total, of IPv6 (never less than it is) the payload's."""
    if packet[0] >> 4 == 4:
        return _ipv4(packet, ip.IPV4_TOTAL_LENGTH, length)
    least = len(packet) - ip.IPV6_HEADER_SIZE + 1
    return ip.with_field(packet, ip.IPV6_PAYLOAD_LENGTH, max(length, least))


def with_more_payload(packet: bytes, octets: bytes) -> bytes:
    """The packet with octets behind its payload, its IP length made right; nothing inside is changed."""
    total = len(packet) + len(octets)
    if packet[0] >> 4 == 4:
        return _ipv4(packet, ip.IPV4_TOTAL_LENGTH, total) + octets
    return ip.with_field(packet, ip.IPV6_PAYLOAD_LENGTH, total - ip.IPV6_HEADER_SIZE) + octets


def _ipv4(packet: bytes, field: slice, value: int) -> bytes:
    """The IPv4 packet with another value in a field of its header, whose checksum is made right."""
    size = (packet[0] & 0xF) * 4
    return ip.with_checksum(ip.with_field(packet[:size], field, value)) + packet[size:]


def _behind(packet: bytes, kind: int, rest: bytes) -> bytes:
    """The IPv6 packet with one extension header more, the first; `rest` is what follows its next-header octet."""
    length = int.from_bytes(packet[ip.IPV6_PAYLOAD_LENGTH], "big") + 1 + len(rest)
    front = ip.with_field(packet[: ip.IPV6_HEADER_SIZE], ip.IPV6_PAYLOAD_LENGTH, length)
    front = ip.with_field(front, ip.IPV6_NEXT_HEADER, kind)
    return front + packet[ip.IPV6_NEXT_HEADER] + rest + packet[ip.IPV6_HEADER_SIZE :]
