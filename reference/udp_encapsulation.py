"""UDP encapsulation of ESP: RFC 3948.

On the port that key management uses, three things arrive: ESP packets (they begin with an SPI, which is never zero),
IKE messages behind a non-ESP marker of four zero octets, and one-octet keepalives. Which SA a datagram is for, and
whether its ports are the right ones, is not decided here.

The checksum: an IPv4 sender SHOULD send zero, a receiver MUST NOT depend on that (2.1). UDP over IPv6 needs one (RFC
8200 8.1) unless both ends have agreed on zero for their tunnel (RFC 6935, 6936), so `wrap` computes it when it is told
the addresses. A receiver need not check it, as ESP has better means; `checksum_is_right` is for those who want to.
"""

import struct
from enum import Enum
from typing import NamedTuple

from espproof.reference import ip
from espproof.reference.errors import Malformed, Misuse

PORT = 4500
"""Registered for IKE and ESP behind NATs (RFC 3947 4); which ports an SA uses is what key management used (2.1)."""
HEADER_SIZE = 8
LENGTH = slice(4, 6)
CHECKSUM = slice(6, 8)
"""Where these fields of the UDP header stand (RFC 768)."""
MAX_PAYLOAD = 65535 - HEADER_SIZE
NON_ESP_MARKER = bytes(4)
KEEPALIVE = b"\xff"
PROTOCOL_UDP = 17

_HEADER = struct.Struct("!HHHH")


class Kind(Enum):
    """What a datagram on the encapsulation port is (2.1 to 2.3)."""

    ESP = "esp"
    IKE = "ike"
    KEEPALIVE = "keepalive"


class Datagram(NamedTuple):
    """A UDP datagram taken apart; `checksum` as it was sent, 0 for none."""

    source_port: int
    destination_port: int
    checksum: int
    payload: bytes


def wrap(
    source_port: int, destination_port: int, payload: bytes, addresses: tuple[bytes, bytes] | None = None
) -> bytes:
    """UDP header and payload: an ESP packet, `NON_ESP_MARKER` and an IKE message, or `KEEPALIVE`.

    The checksum is zero unless `addresses` (source and final destination, octets in network order) are given. `Misuse`
    for a port that is none or a payload of more than `MAX_PAYLOAD` octets.
    """
    try:
        datagram = _HEADER.pack(source_port, destination_port, HEADER_SIZE + len(payload), 0) + payload
    except struct.error as error:
        raise Misuse(f"does not fit a UDP header: {error}") from None
    if addresses is None:
        return datagram
    return ip.with_field(datagram, CHECKSUM, checksum(*addresses, datagram))


def open_datagram(octets: bytes) -> Datagram:
    """Read a UDP datagram; octets behind its length do not belong to it. Raises `Malformed`.

    The checksum is not looked at: a receiver must not depend on it being zero (2.1).
    """
    if len(octets) < HEADER_SIZE:
        raise Malformed("truncated UDP header")
    source, destination, length, sent = _HEADER.unpack_from(octets)
    if not HEADER_SIZE <= length <= len(octets):
        raise Malformed("UDP length does not fit the packet")
    return Datagram(source, destination, sent, octets[HEADER_SIZE:length])


def classify(payload: bytes) -> Kind:
    """What the payload of a datagram on the encapsulation port is; Malformed if it is too short to be any."""
    if payload == KEEPALIVE:
        return Kind.KEEPALIVE
    if len(payload) < len(NON_ESP_MARKER):
        raise Malformed("neither ESP nor IKE nor a keepalive")
    return Kind.IKE if payload[:4] == NON_ESP_MARKER else Kind.ESP


def checksum(source: bytes, destination: bytes, datagram: bytes) -> int:
    """The UDP checksum over pseudo-header (RFC 768, RFC 8200 8.1) and datagram, whose own checksum field is not read.

    Never 0, which says that there is none. With an IPv6 routing header, `destination` is the final one.
    """
    pseudo_header = source + destination + struct.pack("!II", len(datagram), PROTOCOL_UDP)
    return ip.checksum(pseudo_header + datagram[: CHECKSUM.start] + datagram[CHECKSUM.stop :]) or 0xFFFF


def checksum_is_right(source: bytes, destination: bytes, datagram: bytes) -> bool:
    """Whether the checksum that a datagram (without octets behind its length) carries is the one it should have."""
    return datagram[CHECKSUM] == checksum(source, destination, datagram).to_bytes(2, "big")
