"""What the network, or somebody on it, does to a packet that is already protected. Octets in, octets out."""

from collections.abc import Sequence
from itertools import pairwise

from espproof.reference import ip, udp_encapsulation


def hop(packet: bytes, *, hop_limit: int | None = None, traffic_class: int | None = None) -> bytes:
    """The packet after routers have changed hop limit, DSCP and ECN of its (outer) header."""
    if traffic_class is not None:
        packet = ip.with_traffic_class(packet, traffic_class)
    if hop_limit is None:
        return packet
    if packet[0] >> 4 == 6:
        return packet[:7] + bytes([hop_limit]) + packet[8:]
    size = (packet[0] & 0xF) * 4
    return ip.with_checksum(packet[:8] + bytes([hop_limit]) + packet[9:size]) + packet[size:]


def ipv4_fragment(packet: bytes, flags_and_offset: int) -> bytes:
    """The IPv4 packet marked as a fragment; the 16-bit field as on the wire (0x2000: more fragments)."""
    size = (packet[0] & 0xF) * 4
    return ip.with_checksum(packet[:6] + flags_and_offset.to_bytes(2, "big") + packet[8:size]) + packet[size:]


def ipv6_fragment(packet: bytes, offset_and_more: int, identification: int = 0x1D2C3B4A) -> bytes:
    """The IPv6 packet with a fragment header; the 16-bit field as on the wire (0x0001: more fragments)."""
    length = int.from_bytes(packet[4:6], "big") + 8
    header = bytes([packet[6], 0]) + offset_and_more.to_bytes(2, "big") + identification.to_bytes(4, "big")
    return packet[:4] + length.to_bytes(2, "big") + b"\x2c" + packet[7:40] + header + packet[40:]


def udp_checksum(packet: bytes) -> bytes:
    """The packet with a right checksum in its UDP header."""
    parsed = ip.parse(packet)
    right = udp_encapsulation.checksum(parsed.source, parsed.destination, parsed.payload)
    return parsed.header + parsed.payload[:6] + right.to_bytes(2, "big") + parsed.payload[8:]


def no_udp_checksum(packet: bytes) -> bytes:
    """The packet with a checksum of zero in its UDP header: none."""
    parsed = ip.parse(packet)
    return parsed.header + parsed.payload[:6] + bytes(2) + parsed.payload[8:]


def spi(packet: bytes, esp_length: int, other: int) -> bytes:
    """The packet with another SPI; `esp_length` octets of it are ESP."""
    at = len(packet) - esp_length
    return packet[:at] + other.to_bytes(4, "big") + packet[at + 4 :]


def fragment(packet: bytes, offset: int) -> bytes:
    """The packet as if it were a later fragment of a larger one; `offset` in octets, a multiple of 8."""
    if packet[0] >> 4 == 4:
        return ipv4_fragment(packet, offset >> 3)
    return ipv6_fragment(packet, offset)


def fragments(packet: bytes, cuts: Sequence[int], identification: int = 0x1D2C) -> list[bytes]:
    """The packet (without options and extension headers) as a router or its sender cuts it up; `cuts` are places in its
    payload, ascending, in units of 8 octets. Of `identification` 16 bits are used."""
    size = 20 if packet[0] >> 4 == 4 else 40
    header, payload = packet[:size], packet[size:]
    places = [0, *(8 * cut for cut in cuts), len(payload)]
    made = []
    for start, end in pairwise(places):
        more = end < len(payload)
        if size == 20:
            lengths = header[:2] + (size + end - start).to_bytes(2, "big") + identification.to_bytes(2, "big")
            made.append(ipv4_fragment(lengths + header[6:] + payload[start:end], start >> 3 | 0x2000 * more))
        else:
            whole = header[:4] + (end - start).to_bytes(2, "big") + header[6:] + payload[start:end]
            made.append(ipv6_fragment(whole, start | more, identification))
    return made


def behind_hop_by_hop(packet: bytes) -> bytes:
    """The IPv6 packet with hop-by-hop options (only padding) in front of whatever follows its fixed header."""
    length = int.from_bytes(packet[4:6], "big") + 8
    options = bytes([packet[6]]) + bytes.fromhex("00010400000000")
    return packet[:4] + length.to_bytes(2, "big") + b"\x00" + packet[7:40] + options + packet[40:]


def claiming(packet: bytes, length: int) -> bytes:
    """The packet with another length in its header: of IPv4 the total, of IPv6 (never less than it is) the payload's."""
    if packet[0] >> 4 == 4:
        size = (packet[0] & 0xF) * 4
        return ip.with_checksum(packet[:2] + length.to_bytes(2, "big") + packet[4:size]) + packet[size:]
    return packet[:4] + max(length, len(packet) - 39).to_bytes(2, "big") + packet[6:]


def with_more_payload(packet: bytes, octets: bytes) -> bytes:
    """The packet with octets behind its payload, its IP length made right; nothing inside is changed."""
    if packet[0] >> 4 == 4:
        size = (packet[0] & 0xF) * 4
        total = (len(packet) + len(octets)).to_bytes(2, "big")
        return ip.with_checksum(packet[:2] + total + packet[4:size]) + packet[size:] + octets
    return packet[:4] + (len(packet) + len(octets) - 40).to_bytes(2, "big") + packet[6:] + octets
