"""The Authentication Header: RFC 4302 section 2, octet by octet, and what its ICV covers (3.3.3).

     0                   1                   2                   3
     0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
    +---------------+---------------+-------------------------------+
    |  next header  |    length     |           reserved            |  length: of all of it in 32-bit words, less 2
    +---------------+---------------+-------------------------------+
    |                             SPI                               |
    |                 sequence number, low 32 bits                  |
    +---------------------------------------------------------------+
    |  ICV (GMAC: an IV in front of it) · padding                   |  IPv4: to 32 bits, IPv6: to 64 bits
    +---------------------------------------------------------------+

The ICV covers the packet from its IP header to its end, the high half of an extended number behind it (2.5.1). What
routers change on the way counts as zero: DSCP and ECN, TTL or hop limit, the fragment field and checksum of IPv4, the
flow label, options that say of themselves that they change. What they change in a way that can be foretold counts as it
will be at the end: the destination behind a source route. The ICV itself counts as zero.

As ESP's codec, one has keys and no state. Windows, numbers and modes are those of ESP.
"""

import hmac
from dataclasses import dataclass

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from espproof.reference import ip, transport
from espproof.reference.algorithms import INTEGRITY
from espproof.reference.drops import DropReason
from espproof.reference.errors import Malformed, Misuse
from espproof.reference.transforms import mac

PROTOCOL_AH = 51
FIXED_SIZE = 12
"""Octets in front of the ICV."""
SPI, SEQUENCE = slice(4, 8), slice(8, 12)
"""Where they stand in the header."""
GMAC = "AUTH_AES_GMAC"
"""RFC 4543 4, with a key of 16, 24 or 32 octets; the names in IANA's table have the size in them."""
_GMAC_IV, _GMAC_ICV = 8, 16

_IPV4_KEPT = frozenset((1, 130, 133, 134, 148, 149))
"""Options that nobody changes on the way (appendix A1): no operation, (extended) security, commercial security, router
alert, sender-directed delivery; behind the end of the list (0) are none. Others count as zero, those that nobody knows
too (3.3.3.1)."""
_LOOSE_ROUTE, _STRICT_ROUTE = 131, 137
_CHANGES_EN_ROUTE = 0x20
"""Of the type of an IPv6 option (RFC 8200 4.2)."""


@dataclass(slots=True)
class Authenticated:
    """What was behind an AH whose ICV is right."""

    next_header: int
    payload: bytes


class Codec:
    """The octets of one SA's packets. `spi` is a number below 2^32; `auth_key` and, of GMAC, `salt` (4) are octets.
    Raises `Misuse` for keys that the algorithm does not allow."""

    __slots__ = ("_gmac", "_mac", "_salt", "esn", "icv_size", "iv_size", "spi")

    def __init__(self, spi: int, auth: str, auth_key: bytes, salt: bytes = b"", *, esn: bool) -> None:
        self.spi = spi.to_bytes(4, "big")
        self.esn = esn
        self._salt = salt
        self._gmac: AESGCM | None = None
        if auth == GMAC:
            if len(auth_key) not in (16, 24, 32) or len(salt) != 4:
                raise Misuse("GMAC has a key of 16, 24 or 32 octets and a salt of 4")
            self._gmac, self.iv_size, self.icv_size = AESGCM(auth_key), _GMAC_IV, _GMAC_ICV
            return
        algorithm = INTEGRITY.get(auth)
        if algorithm is None or not algorithm.icv_size:
            raise Misuse(f"{auth} is no integrity algorithm of AH")
        if len(auth_key) != algorithm.key_size:
            raise Misuse(f"{auth} has a key of {algorithm.key_size} octets, not {len(auth_key)}")
        self._mac, self.iv_size, self.icv_size = mac(auth, auth_key), 0, algorithm.icv_size

    def size(self, version: int) -> int:
        """Octets of the whole header in a packet of that IP version; no padding beyond that (2.6, 3.3.3.2.1)."""
        unit = 4 if version == 4 else 8
        return -(-(FIXED_SIZE + self.iv_size + self.icv_size) // unit) * unit

    def protect(self, packet: bytes, sequence: int, iv: bytes = b"") -> bytes | DropReason:
        """The packet with an AH behind its IP header and the extension headers for the way (3.1.1), and a right ICV.

        In tunnel mode `packet` is the outer header around the inner packet. `iv` has `iv_size` octets. FRAGMENT for what
        is no whole datagram, TOO_BIG where it does not fit; raises `Malformed` for no IP packet.
        """
        if len(iv) != self.iv_size:
            raise Misuse(f"the IV has {len(iv)} octets, not {self.iv_size}")
        parts = transport.split(packet)
        return parts if isinstance(parts, DropReason) else self.protect_split(parts, sequence, iv)

    def protect_split(self, parts: transport.Split, sequence: int, iv: bytes = b"") -> bytes | DropReason:
        """The same, with AH at a place of the sender's choice."""
        size = self.size(parts.front[0] >> 4)
        header = bytes((parts.next_header, size // 4 - 2, 0, 0)) + self.spi + sequence.to_bytes(8, "big")[4:]
        empty = header + bytes(size - FIXED_SIZE)
        whole = transport.join(parts.front, parts.patch_at, PROTOCOL_AH, empty + parts.payload)
        if isinstance(whole, DropReason):
            return whole
        return self.seal(whole, len(parts.front), sequence, iv)

    def seal(self, packet: bytes, front: int, sequence: int, iv: bytes = b"") -> bytes:
        """A packet that has an AH behind so many octets, right or (for a test) wrong, with IV and a right ICV in it."""
        at = front + FIXED_SIZE
        end = self._end(at)
        empty = packet[:at] + bytes(end - at) + packet[end:]
        return packet[:at] + iv + self._icv(empty, front, sequence, iv) + packet[end:]

    def open(self, packet: bytes, sequence: int) -> Authenticated | DropReason:
        """What is behind the AH, if its ICV is right for that (whole) number; `packet` as it arrived. Whether the SPI is
        this SA's was the SAD's decision. FRAGMENT, MALFORMED or INTEGRITY; raises `Malformed` for no IP packet."""
        parsed = ip.parse(packet)
        if parsed.is_fragment:
            return DropReason.FRAGMENT
        size = self.size(parsed.version)
        header = parsed.payload[:size]
        if len(header) < size or header[1] != size // 4 - 2:
            return DropReason.MALFORMED
        whole, at = parsed.header + parsed.payload, len(parsed.header) + FIXED_SIZE
        end = self._end(at)
        iv, icv = whole[at : at + self.iv_size], whole[at + self.iv_size : end]
        empty = whole[:at] + bytes(end - at) + whole[end:]
        try:
            right = self._icv(empty, len(parsed.header), sequence, iv)
        except Malformed:
            return DropReason.MALFORMED
        if not hmac.compare_digest(right, icv):
            return DropReason.INTEGRITY
        return Authenticated(header[0], parsed.payload[size:])

    def _end(self, at: int) -> int:
        """Where the ICV that begins there ends, in front of its padding."""
        return at + self.iv_size + self.icv_size

    def _icv(self, packet: bytes, front: int, sequence: int, iv: bytes) -> bytes:
        """Over a packet whose IV and ICV are zero; so many octets stand in front of its AH."""
        high = sequence.to_bytes(8, "big")[:4] if self.esn else b""
        covered = at_the_end(packet[:front]) + packet[front:] + high
        return self._gmac.encrypt(self._salt + iv, b"", covered) if self._gmac is not None else self._mac(covered)


def key_sizes(auth: str) -> tuple[int, int]:
    """Octets of the key (of GMAC the shortest) and of the salt that an algorithm has."""
    return (16, 4) if auth == GMAC else (INTEGRITY[auth].key_size, 0)


def spi_of(header: bytes) -> int:
    return int.from_bytes(header[SPI], "big")


def sequence_low(header: bytes) -> int:
    """The 32 bits of the sequence number that are sent."""
    return int.from_bytes(header[SEQUENCE], "big")


def at_the_end(front: bytes) -> bytes:
    """An IP header, with the extension headers in front of AH, as the ICV covers it (3.3.3.1.1, appendix A).

    Raises `Malformed` for options that run past their header, and for a routing header of a type that nobody knows whose
    route is not at its end.
    """
    return _ipv4_at_the_end(bytearray(front)) if front[0] >> 4 == 4 else _ipv6_at_the_end(bytearray(front))


def _ipv4_at_the_end(header: bytearray) -> bytes:
    header[1:2] = bytes(1)
    header[6:9] = bytes(3)
    header[10:12] = bytes(2)
    at = ip.IPV4_HEADER_SIZE
    while at < len(header) and header[at] != 0:
        size = _size_of_option(header, at, len(header), padding=1)
        if header[at] in (_LOOSE_ROUTE, _STRICT_ROUTE) and size > 2 and header[at + 2] <= size - 3:
            header[ip.IPV4_DESTINATION] = header[at + size - 4 : at + size]
        if header[at] not in _IPV4_KEPT:
            header[at : at + size] = bytes(size)
        at += size
    return bytes(header)


def _ipv6_at_the_end(header: bytearray) -> bytes:
    chain = ip.extension_headers(bytes(header))
    header[:4] = b"\x60\0\0\0"
    header[ip.IPV6_HOP_LIMIT] = bytes(1)
    for each in chain:
        if each.protocol in (ip.PROTOCOL_HOP_BY_HOP, ip.PROTOCOL_DESTINATION_OPTIONS):
            _without_changing_options(header, each.at + 2, each.at + each.size)
        elif each.protocol == ip.PROTOCOL_ROUTING and header[each.at + 3]:
            _go_to_the_end(header, each.at, each.size)
    return bytes(header)


def _without_changing_options(header: bytearray, at: int, end: int) -> None:
    while at < end:
        size = _size_of_option(header, at, end, padding=0)
        if header[at] & _CHANGES_EN_ROUTE:
            header[at + 2 : at + size] = bytes(size - 2)
        at += size


def _size_of_option(header: bytearray, at: int, end: int, *, padding: int) -> int:
    """Octets of the option that begins there; that of type `padding` is one octet. Lengths: of IPv4 the whole option, of
    IPv6 what is behind the first two octets."""
    if header[at] == padding:
        return 1
    if at + 2 > end:
        raise Malformed("truncated option")
    size = header[at + 1] + (0 if padding else 2)
    if size < 2 or at + size > end:
        raise Malformed("an option runs past its header")
    return size


def _go_to_the_end(header: bytearray, at: int, size: int) -> None:
    """A source route of type 0 or 2 (RFC 2460 4.4, RFC 6275 6.4) as it is behind its last hop."""
    if header[at + 2] not in (0, 2) or size % 16 != 8:
        raise Malformed(f"a routing header of type {header[at + 2]} whose end cannot be foretold")
    hops = [bytes(header[place : place + 16]) for place in range(at + 8, at + size, 16)]
    left = header[at + 3]
    if left > len(hops):
        raise Malformed("more segments are left than there are")
    visited = len(hops) - left
    route = [*hops[:visited], bytes(header[ip.IPV6_DESTINATION]), *hops[visited:]]
    header[ip.IPV6_DESTINATION] = route.pop()
    header[at + 8 : at + size] = b"".join(route)
    header[at + 3] = 0
