"""IPv4 (RFC 791) and IPv6 (RFC 8200) headers: read, checked, built. Nothing of ESP here.

`parse` accepts what a receiver must be able to read: octets behind the total length are padding of the link and are cut
off; everything else that is not a well-formed packet is `Malformed`. IPv6 extension headers are walked up to the first
header that is none (ESP, UDP, …); `next_header_at` says which octet names it, because transport mode rewrites it.

Checksums are sums modulo 0xFFFF: adding 16-bit words with end-around carry (RFC 1071) is what taking the remainder of
the octets, read as one large number, does, as 0x10000 leaves the remainder 1. A header is right when its remainder is
0, and a field is changed by adding the difference (RFC 1624).
"""

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from espproof.reference.errors import Malformed, Misuse

PROTOCOL_HOP_BY_HOP = 0
PROTOCOL_ROUTING = 43
PROTOCOL_FRAGMENT = 44
PROTOCOL_DESTINATION_OPTIONS = 60
EXTENSION_HEADERS = frozenset((PROTOCOL_HOP_BY_HOP, PROTOCOL_ROUTING, PROTOCOL_FRAGMENT, PROTOCOL_DESTINATION_OPTIONS))
"""The headers that may stand in front of ESP; others (AH, mobility, …) end the walk like an upper-layer protocol."""
MAX_LENGTH = 65535
"""Of the 16-bit length fields. Jumbograms are not known here."""
IPV4_HEADER_SIZE = 20
IPV6_HEADER_SIZE = 40

# Where the fields of the fixed headers stand (RFC 791 3.1, RFC 8200 3), those that others than this module ask for.
IPV4_TOTAL_LENGTH = slice(2, 4)
IPV4_IDENTIFICATION = slice(4, 6)
IPV4_FRAGMENT = slice(6, 8)
"""Flags and fragment offset."""
IPV4_TTL = slice(8, 9)
IPV4_PROTOCOL = slice(9, 10)
IPV4_SOURCE = slice(12, 16)
IPV4_DESTINATION = slice(16, 20)
IPV6_PAYLOAD_LENGTH = slice(4, 6)
IPV6_NEXT_HEADER = slice(6, 7)
IPV6_HOP_LIMIT = slice(7, 8)
IPV6_SOURCE = slice(8, 24)
IPV6_DESTINATION = slice(24, 40)

_IPV4 = struct.Struct("!BBHHHBBH4s4s")
_IPV6 = struct.Struct("!IHBB16s16s")
_DONT_FRAGMENT = 0x4000
_MORE_FRAGMENTS = 0x2000
_FRAGMENT_OFFSET = 0x1FFF


@dataclass(slots=True)
class Packet:
    """An IP packet taken apart. `header` and `payload` together are the packet without link padding.

    What stands in the fixed header is read from there when somebody asks. One is made for every packet, and to freeze it
    costs more than all the rest of reading one: nobody changes it.
    """

    version: int
    header: bytes
    """With IPv4 options, or with all IPv6 extension headers in front of `protocol`."""
    payload: bytes
    protocol: int
    fragment: int
    """As IPv4 has it: the offset in units of 8 octets and, above it, the flag "more fragments"; 0 for no fragment."""
    next_header_at: int
    """Offset in `header` of the octet that names `protocol`."""

    @property
    def source(self) -> bytes:
        """In network order: 4 or 16 octets."""
        return self.header[IPV4_SOURCE] if self.version == 4 else self.header[IPV6_SOURCE]

    @property
    def destination(self) -> bytes:
        """As in the fixed header, whatever a routing header says."""
        return self.header[IPV4_DESTINATION] if self.version == 4 else self.header[IPV6_DESTINATION]

    @property
    def traffic_class(self) -> int:
        """DSCP (6 bits) and ECN (2 bits): IPv4's TOS octet."""
        return self.header[1] if self.version == 4 else (self.header[0] << 4 | self.header[1] >> 4) & 0xFF

    @property
    def hop_limit(self) -> int:
        return self.header[8 if self.version == 4 else 7]

    @property
    def is_fragment(self) -> bool:
        """Offset not zero, or more to come (RFC 4303 3.4.1); an IPv6 "atomic fragment" (RFC 6946) is none."""
        return self.fragment > 0

    @property
    def fragment_offset(self) -> int:
        """In octets."""
        return (self.fragment & _FRAGMENT_OFFSET) * 8

    @property
    def more_fragments(self) -> bool:
        return self.fragment & _MORE_FRAGMENTS > 0

    @property
    def dont_fragment(self) -> bool:
        """Always true of IPv6, where no router fragments."""
        return self.version == 6 or self.header[6] & 0x40 > 0

    @property
    def dscp(self) -> int:
        return self.traffic_class >> 2

    @property
    def ecn(self) -> int:
        return self.traffic_class & 3

    @property
    def total_length(self) -> int:
        """Octets of the whole packet."""
        return len(self.header) + len(self.payload)

    @property
    def identification(self) -> int:
        """IPv4's ID; 0 for IPv6, which has none in its fixed header."""
        return int.from_bytes(self.header[IPV4_IDENTIFICATION], "big") if self.version == 4 else 0

    @property
    def flow_label(self) -> int:
        """IPv6's flow label, 20 bits; 0 for IPv4."""
        return int.from_bytes(self.header[1:4], "big") & 0xFFFFF if self.version == 6 else 0


class ExtensionHeader(NamedTuple):
    """Where one IPv6 extension header stands: `at` from the start of the packet, `size` in octets."""

    protocol: int
    at: int
    size: int


# ------------------------------------------------------------------------------------------------------------ reading


def version(packet: bytes) -> int:
    """4 or 6, from the first nibble; Malformed for anything else."""
    if packet:
        nibble = packet[0] >> 4
        if nibble in (4, 6):
            return nibble
    raise Malformed("neither IPv4 nor IPv6")


def parse(packet: bytes) -> Packet:
    """Read one whole packet. Raises `Malformed` with one phrase."""
    if packet and packet[0] >> 4 == 4:
        return _parse_ipv4(packet)
    if packet and packet[0] >> 4 == 6:
        return _parse_ipv6(packet)
    raise Malformed("neither IPv4 nor IPv6")


def ipv4_length(packet: bytes) -> int:
    """How many octets the IPv4 packet at the front of these claims to have; `Malformed` if they are not there.

    Looks at version and lengths alone: a wrong checksum is not seen.
    """
    if len(packet) < IPV4_HEADER_SIZE:
        raise Malformed("truncated IPv4 header")
    first, total = packet[0], packet[2] << 8 | packet[3]
    if not 0x45 <= first <= 0x4F:
        raise Malformed("not IPv4, or IPv4 header length below 20")
    if not (first & 0xF) * 4 <= total <= len(packet):
        raise Malformed("IPv4 total length does not fit the packet")
    return total


def ipv6_length(packet: bytes) -> int:
    """The same of an IPv6 packet; extension headers are not looked at."""
    if len(packet) < IPV6_HEADER_SIZE:
        raise Malformed("truncated IPv6 header")
    if packet[0] >> 4 != 6:
        raise Malformed("not IPv6")
    total = IPV6_HEADER_SIZE + (packet[4] << 8 | packet[5])
    if total > len(packet):
        raise Malformed("IPv6 payload length does not fit the packet")
    return total


def _parse_ipv4(packet: bytes) -> Packet:
    total = ipv4_length(packet)
    size = (packet[0] & 0xF) * 4
    header = packet[:size]
    if int.from_bytes(header, "big") % 0xFFFF:
        raise Malformed("IPv4 header checksum is wrong")
    fragment = (packet[6] << 8 | packet[7]) & (_MORE_FRAGMENTS | _FRAGMENT_OFFSET)
    return Packet(4, header, packet[size:total], packet[9], fragment, 9)


def _parse_ipv6(packet: bytes) -> Packet:
    end = ipv6_length(packet)
    protocol, at, name_at, fragment = packet[6], IPV6_HEADER_SIZE, 6, 0
    if protocol in EXTENSION_HEADERS:
        chain = extension_headers(packet[:end])
        last = chain[-1]
        at, name_at, protocol = last.at + last.size, last.at, packet[last.at]
        fragment = _fragment(packet, chain)
    return Packet(6, packet[:at], packet[at:end], protocol, fragment, name_at)


def extension_headers(packet: bytes) -> list[ExtensionHeader]:
    """The extension headers of an IPv6 packet (without link padding), in their order. Raises `Malformed`.

    The order is the sender's affair but for hop-by-hop options, which only the fixed header may name (RFC 8200 4 and
    4.1). What follows the fragment header of any but a first fragment is the middle of something and ends the walk.
    Each header has at least 8 octets, so the walk ends.
    """
    headers: list[ExtensionHeader] = []
    protocol, at = packet[6], IPV6_HEADER_SIZE
    while protocol in EXTENSION_HEADERS:
        if protocol == PROTOCOL_HOP_BY_HOP and headers:
            raise Malformed("hop-by-hop options are not the first extension header")
        if at + 8 > len(packet):
            raise Malformed("truncated IPv6 extension header")
        size = 8 if protocol == PROTOCOL_FRAGMENT else 8 + 8 * packet[at + 1]
        if at + size > len(packet):
            raise Malformed("IPv6 extension header runs past the packet")
        headers.append(ExtensionHeader(protocol, at, size))
        if protocol == PROTOCOL_FRAGMENT and (packet[at + 2] << 8 | packet[at + 3]) & 0xFFF8:
            break
        protocol = packet[at]
        at += size
    return headers


def _fragment(packet: bytes, chain: list[ExtensionHeader]) -> int:
    """Offset and M flag, as in `Packet.fragment`, of the first fragment header that makes the packet a fragment."""
    for header in chain:
        if header.protocol == PROTOCOL_FRAGMENT:
            field = packet[header.at + 2] << 8 | packet[header.at + 3]
            if field & 0xFFF9:
                return field >> 3 | (_MORE_FRAGMENTS if field & 1 else 0)
    return 0


# ----------------------------------------------------------------------------------------------------------- checksum


def checksum(octets: bytes) -> int:
    """The Internet checksum (RFC 1071) of an even or odd number of octets; 0 over a header that carries a right one."""
    if len(octets) % 2:
        octets += b"\0"
    number = int.from_bytes(octets, "big")
    return -number % 0xFFFF if number else 0xFFFF


def with_checksum(header: bytes) -> bytes:
    """An IPv4 header with its checksum field filled in, whatever it held before."""
    return header[:10] + checksum(header[:10] + header[12:]).to_bytes(2, "big") + header[12:]


def with_length(packet: bytes) -> bytes:
    """The same packet with the length in its header as long as it is, and of IPv4 the checksum; whole headers only."""
    if packet[0] >> 4 == 6:
        return packet[:4] + (len(packet) - IPV6_HEADER_SIZE).to_bytes(2, "big") + packet[6:]
    size = (packet[0] & 0xF) * 4
    return with_checksum(packet[:2] + len(packet).to_bytes(2, "big") + packet[4:size]) + packet[size:]


def with_traffic_class(packet: bytes, traffic_class: int) -> bytes:
    """The same packet with another DSCP and ECN.

    The IPv4 checksum is changed by the difference and not made anew: a wrong one must not become right on the way.
    """
    if packet[0] >> 4 == 6:
        first = int.from_bytes(packet[:4], "big") & ~(0xFF << 20) | traffic_class << 20
        return first.to_bytes(4, "big") + packet[4:]
    changed = ((packet[10] << 8 | packet[11]) + packet[1] - traffic_class) % 0xFFFF
    return packet[:1] + bytes([traffic_class]) + packet[2:10] + changed.to_bytes(2, "big") + packet[12:]


# ----------------------------------------------------------------------------------------------------------- building


def forwarded(packet: bytes) -> bytes:
    """The packet behind one router: TTL or hop limit one less (which it must have), IPv4 checksum right."""
    if packet[0] >> 4 == 6:
        return packet[:7] + bytes([packet[7] - 1]) + packet[8:]
    size = (packet[0] & 0xF) * 4
    return with_checksum(packet[:8] + bytes([packet[8] - 1]) + packet[9:size]) + packet[size:]


def with_field(octets: bytes, field: slice, value: int) -> bytes:
    """The same octets with another value in one field, given as the range in which it stands; lengths and checksums that
    it belongs to are the caller's affair."""
    return octets[: field.start] + value.to_bytes(field.stop - field.start, "big") + octets[field.stop :]


def build_ipv4(
    source: bytes,
    destination: bytes,
    protocol: int,
    payload: bytes,
    *,
    tos: int = 0,
    identification: int = 0,
    dont_fragment: bool = False,
    ttl: int = 64,
    options: bytes = b"",
    fragment_offset: int = 0,
    more_fragments: bool = False,
) -> bytes:
    """An IPv4 packet with a right checksum; `fragment_offset` in octets.

    `Misuse` if a field does not fit, or if options (4) or offset (8) are not multiples of their units.
    """
    size = IPV4_HEADER_SIZE + len(options)
    if len(options) % 4 or size > 60 or fragment_offset % 8:
        raise Misuse(f"{len(options)} octets of IPv4 options at fragment offset {fragment_offset}")
    flags = (_DONT_FRAGMENT if dont_fragment else 0) | (_MORE_FRAGMENTS if more_fragments else 0)
    if not 0 <= fragment_offset <= _FRAGMENT_OFFSET * 8 or len(source) != 4 or len(destination) != 4:
        raise Misuse("an IPv4 fragment offset or address that does not fit its field")
    try:
        header = _IPV4.pack(
            0x40 | size >> 2, tos, size + len(payload), identification, flags | fragment_offset >> 3, ttl, protocol, 0,
            source, destination,
        )  # fmt: skip
    except struct.error as error:
        raise Misuse(f"an IPv4 header field: {error}") from None
    return with_checksum(header + options) + payload


def build_ipv6(
    source: bytes,
    destination: bytes,
    next_header: int,
    payload: bytes,
    *,
    traffic_class: int = 0,
    flow_label: int = 0,
    hop_limit: int = 64,
) -> bytes:
    """An IPv6 packet; extension headers are part of `payload` (see `chain`). `Misuse` if a field does not fit."""
    if not 0 <= traffic_class <= 0xFF or not 0 <= flow_label <= 0xFFFFF or len(source) != 16 or len(destination) != 16:
        raise Misuse("an IPv6 traffic class, flow label or address that does not fit its field")
    first = 6 << 28 | traffic_class << 20 | flow_label
    try:
        return _IPV6.pack(first, len(payload), next_header, hop_limit, source, destination) + payload
    except struct.error as error:
        raise Misuse(f"an IPv6 header field: {error}") from None


def chain(headers: Iterable[tuple[int, bytes]], upper: int) -> tuple[int, bytes]:
    """Link extension headers, each given as (its number, its octets), into what stands in front of protocol `upper`.

    Returns the next header of the fixed header and the octets, in which the first of each header names the next one.
    """
    octets = b""
    for number, body in reversed(list(headers)):
        octets = bytes([upper]) + body[1:] + octets
        upper = number
    return upper, octets


def options_header(options: bytes = b"") -> bytes:
    """Hop-by-hop or destination options, padded to a multiple of 8 octets (Pad1, PadN); next header 0, for `chain`."""
    missing = -(2 + len(options)) % 8
    padding = b"" if missing == 0 else b"\0" if missing == 1 else bytes([1, missing - 2]) + bytes(missing - 2)
    size = 2 + len(options) + missing
    if size > 8 * 256:
        raise Misuse(f"{len(options)} octets of IPv6 options")
    return bytes([0, size // 8 - 1]) + options + padding


def routing_header(routing_type: int, segments_left: int, data: bytes) -> bytes:
    """A routing header (RFC 8200 4.4) with 4 + 8n octets of `data`; next header 0, for `chain`."""
    if len(data) % 8 != 4 or len(data) > 8 * 256 - 4:
        raise Misuse(f"{len(data)} octets of IPv6 routing data")
    return bytes([0, (len(data) - 4) // 8, routing_type, segments_left]) + data


def fragment_header(offset: int, identification: int, *, more: bool) -> bytes:
    """A fragment header (RFC 8200 4.5), `offset` in octets, a multiple of 8; next header 0, for `chain`."""
    if offset % 8 or not 0 <= offset <= 0xFFF8:
        raise Misuse(f"fragment offset {offset}")
    return struct.pack("!xxHI", offset | more, identification)
