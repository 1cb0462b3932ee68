"""What stands behind an IP header: segments, datagrams and messages of the usual protocols, whole or with a mistake.

ESP is to carry them all as they are: it is no business of its own whether their checksums are right. Who looks at them
all the same (to find ports, to offload, to save work) has to cope with wrong ones.
"""

from typing import Literal

from espproof.conformance.strategies.values import octets
from espproof.reference import ip

Checksum = Literal["right", "wrong", "zero"]
CHECKSUMS: tuple[Checksum, ...] = ("right", "wrong", "zero")
"""Zero is none at all of UDP over IPv4, and wrong of everything else."""

TCP, UDP, ICMP, ICMPV6, SCTP, DCCP, UDP_LITE = 6, 17, 1, 58, 132, 33, 136
IPV4, IPV6, ESP, GRE = 4, 41, 50, 47
PROTOCOLS = {
    4: (UDP, TCP, ICMP, SCTP, DCCP, UDP_LITE, ESP, GRE, IPV4, IPV6),
    6: (UDP, TCP, ICMPV6, SCTP, DCCP, UDP_LITE, ESP, GRE, IPV4, IPV6),
}
"""IP version -> protocols that it carries."""
CORRECTED = (TCP, UDP)
"""Whose checksums the receiver may correct behind a NAT."""

_PORTS = bytes.fromhex("1f902710")
_FRONT = {
    TCP: _PORTS + bytes.fromhex("01020304050607085018200000000000"),
    UDP: _PORTS + bytes(4),
    ICMP: bytes.fromhex("080000000d0e0001"),
    ICMPV6: bytes.fromhex("800000000d0e0001"),
    SCTP: _PORTS + bytes.fromhex("0a0b0c0d000000000003") + bytes(2),
    DCCP: _PORTS + bytes.fromhex("040000000500000100000002"),
    UDP_LITE: _PORTS + bytes(4),
    ESP: bytes.fromhex("0badcafe00000007"),
    GRE: bytes.fromhex("00000800"),
}
"""Headers without their lengths and checksums."""
_LENGTH = {UDP: (4, 8), SCTP: (14, 4)}
"""Where a length stands, in octets from the front, and how much of the header it counts."""
_CHECKSUM = {TCP: 16, UDP: 6, ICMP: 2, ICMPV6: 2, SCTP: 8, DCCP: 6, UDP_LITE: 6}
"""Where the checksum stands."""
_PSEUDO_HEADER = frozenset((TCP, UDP, ICMPV6, DCCP, UDP_LITE))
_NEVER_ZERO = frozenset((UDP, UDP_LITE))


def upper_layer(
    protocol: int, length: int, ends: tuple[bytes, bytes], checksum: Checksum = "right", front: bytes = b""
) -> bytes:
    """A header of that protocol and `length` octets behind it, between two addresses (network order).

    `front` are its first octets: the ports, or type and code.
    """
    content = octets(11, "inside", length)
    if protocol == IPV4:
        return ip.build_ipv4(b"\xc0\x00\x02\x63", b"\xc6\x33\x64\x62", 253, content)
    if protocol == IPV6:
        return ip.build_ipv6(_DOCUMENTATION + b"\x63", _DOCUMENTATION + b"\x62", 253, content)
    made = front + _FRONT[protocol][len(front) :] + content
    if protocol in _LENGTH:
        at, counted = _LENGTH[protocol]
        made = made[:at] + (counted + length).to_bytes(2, "big") + made[at + 2 :]
    return made if protocol not in _CHECKSUM else _with_checksum(protocol, made, ends, checksum)


_DOCUMENTATION = bytes.fromhex("20010db8") + bytes(11)


def checksum_of(protocol: int, made: bytes, ends: tuple[bytes, bytes]) -> bytes:
    """The checksum, in network order, that a whole segment or datagram should carry between two addresses."""
    at = _CHECKSUM[protocol]
    if protocol == SCTP:
        return _crc32c(made[:at] + bytes(4) + made[at + 4 :]).to_bytes(4, "little")
    pseudo = b"".join(ends) + len(made).to_bytes(4, "big") + protocol.to_bytes(4, "big")
    found = ip.checksum((pseudo if protocol in _PSEUDO_HEADER else b"") + made[:at] + bytes(2) + made[at + 2 :])
    return (found or (0xFFFF if protocol in _NEVER_ZERO else 0)).to_bytes(2, "big")


def _with_checksum(protocol: int, made: bytes, ends: tuple[bytes, bytes], checksum: Checksum) -> bytes:
    at, written = _CHECKSUM[protocol], checksum_of(protocol, made, ends)
    if checksum == "zero":
        written = bytes(len(written))
    elif checksum == "wrong":
        written = bytes([written[0] ^ 0x5A]) + written[1:]
    return made[:at] + written + made[at + len(written) :]


def _crc32c(data: bytes) -> int:
    """RFC 9260 appendix A: the CRC of SCTP, bit by bit."""
    rest = 0xFFFFFFFF
    for octet in data:
        rest ^= octet
        for _ in range(8):
            rest = rest >> 1 ^ (0x82F63B78 if rest & 1 else 0)
    return rest ^ 0xFFFFFFFF
