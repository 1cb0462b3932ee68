"""Packets of the vectors: each is remembered with all that went into it, so that others can make it again.

A wrong packet is wrong in one named way; the ways of getting the high half of an extended sequence number wrong are
here, because they are the reason for most of our own vectors.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

import msgspec

from espproof.adapters.case import Case, Delivered, Inbound, Octets, Outcome, Sa
from espproof.adapters.translate import entry
from espproof.conformance.vectors.suites import octets
from espproof.reference import endpoint, ip, transport, tunnel, udp_encapsulation
from espproof.reference.algorithms import ENCRYPTION
from espproof.reference.esp import Codec, trailer
from espproof.reference.transforms import Transform, transform


class Mistake(Enum):
    """What is wrong with a packet; `value` is the end of the vector's id and its flag."""

    NONE = "none"
    HIGH_LEFT_OUT = "high-left-out"
    HIGH_ZERO = "high-zero"
    HIGH_SWAPPED = "high-byte-swapped"
    HIGH_PLUS_ONE = "high-plus-one"
    HIGH_MINUS_ONE = "high-minus-one"
    HALVES_SWAPPED = "halves-swapped"
    IV_WITHOUT_HIGH = "iv-without-high"
    HIGH_ADDED = "high-added"
    """The ICV covers a high half of zero, though the SA has 32-bit numbers."""
    FORGED = "forged"
    """One bit of the ICV is turned."""


HALF = 0xFFFF_FFFF

_HIGH_HALF: dict[Mistake, Callable[[int], int]] = {
    Mistake.HIGH_ZERO: lambda high: 0,
    Mistake.HIGH_SWAPPED: lambda high: int.from_bytes(high.to_bytes(4, "big"), "little"),
    Mistake.HIGH_PLUS_ONE: lambda high: high + 1,
    Mistake.HIGH_MINUS_ONE: lambda high: high - 1,
}


@dataclass(frozen=True, slots=True)
class Made:
    """One protected packet: whose SA, which whole number, what is inside, which IV, what is wrong with it.

    `plaintext`, with its trailer, is there where it is not what a sender makes of `inner`.
    """

    sa: Sa
    sequence: int
    inner: bytes
    iv: bytes
    mistake: Mistake
    packet: Octets
    plaintext: bytes | None = None

    @property
    def esp(self) -> bytes:
        """Behind the headers, UDP's included."""
        payload = ip.parse(self.packet).payload
        return payload if self.sa.udp is None else udp_encapsulation.open_datagram(payload).payload

    def as_right_packet_of(self) -> tuple[Sa, int] | None:
        """The SA and number for which the packet is no mistake at all; None if there are none."""
        if self.mistake is Mistake.NONE:
            return self.sa, self.sequence
        if self.mistake is Mistake.HIGH_LEFT_OUT:
            return msgspec.structs.replace(self.sa, esn=False), self.sequence & HALF
        if self.mistake is Mistake.HIGH_ADDED:
            return msgspec.structs.replace(self.sa, esn=True), self.sequence
        if self.mistake in _HIGH_HALF:
            return self.sa, _other_high(self.sequence, self.mistake)
        return None


@dataclass(frozen=True, slots=True)
class Vector:
    """A Case and every protected packet in it."""

    case: Case
    made: tuple[Made, ...]


def protect(
    sa: Sa,
    sequence: int,
    inner: bytes,
    iv: bytes | None = None,
    mistake: Mistake = Mistake.NONE,
    plaintext: bytes | None = None,
) -> Made:
    """Protect an IP packet as the sender of that SA would, or with a mistake. `iv` None: one that belongs to both.

    A `plaintext` is sealed as it is; in a tunnel, `inner` then gives the outer header its fields.
    """
    sender = entry(sa)
    if iv is None:
        iv = octets(f"iv {sa.encr} {sequence:016x}", ENCRYPTION[sa.encr].iv_size)
    text = _plaintext(sa, sender.codec, inner) if plaintext is None else plaintext
    esp = _esp(sa, sender.codec, text, sequence, iv, mistake)
    packet = endpoint.wrap(sender, inner, esp)
    assert isinstance(packet, bytes), packet
    return Made(sa, sequence, inner, iv, mistake, Octets(packet), plaintext)


def arrive(made: Made, about: str, expect: Outcome, note: str = "") -> Inbound:
    """It arrives, and that is the outcome."""
    return Inbound(packet=made.packet, requirement=about, expect=expect, note=note)


def accepted(made: Made, about: str, note: str = "") -> Inbound:
    """It arrives and comes out of IPsec as it was before."""
    delivered = Delivered(packet=Octets(made.inner), sa=made.sa.name)
    return arrive(made, about, delivered, note or f"number {made.sequence:#x}")


def datagram(name: str, version: int = 4, length: int = 9) -> bytes:
    """A short UDP packet with octets of its own, between the networks behind the tunnels."""
    payload = octets(f"payload {name}", length)
    udp = bytes.fromhex("c35a1389") + (8 + length).to_bytes(2, "big") + b"\0\0" + payload
    if version == 4:
        source, destination = bytes([10, 1, 2, 3]), bytes([10, 77, 8, 9])
        return ip.build_ipv4(source, destination, 17, udp, identification=0x5A71, ttl=61)
    prefix = bytes.fromhex("20010db8000a")
    source, destination = prefix + bytes.fromhex("0102030405060708090a"), prefix + bytes.fromhex("1112131415161718191a")
    udp = udp[:6] + _udp_checksum(source, destination, udp) + udp[8:]
    return ip.build_ipv6(source, destination, 17, udp, flow_label=0x51A2B, hop_limit=61)


def _udp_checksum(source: bytes, destination: bytes, udp: bytes) -> bytes:
    pseudo = source + destination + len(udp).to_bytes(4, "big") + (17).to_bytes(4, "big")
    return (ip.checksum(pseudo + udp) or 0xFFFF).to_bytes(2, "big")


def _plaintext(sa: Sa, codec: Codec, inner: bytes) -> bytes:
    if sa.mode == "tunnel":
        payload, next_header = inner, tunnel.NEXT_HEADER[inner[0] >> 4]
    else:
        parts = transport.split(inner)
        assert isinstance(parts, transport.Split), parts
        payload, next_header = parts.payload, parts.next_header
    padding = codec.padding_length(len(payload))
    return payload + trailer(padding, next_header)


def _esp(sa: Sa, codec: Codec, plaintext: bytes, sequence: int, iv: bytes, mistake: Mistake) -> bytes:
    if mistake is Mistake.NONE:
        return codec.seal(plaintext, sequence, iv)
    if mistake is Mistake.FORGED:
        right = codec.seal(plaintext, sequence, iv)
        return right[:-3] + bytes([right[-3] ^ 0x10]) + right[-2:]
    if mistake in _HIGH_HALF:
        return codec.seal(plaintext, _other_high(sequence, mistake), iv)
    spi, number = codec.spi, sequence.to_bytes(8, "big")
    high, low = number[:4], number[4:]
    header = spi + low
    if mistake in (Mistake.HIGH_LEFT_OUT, Mistake.HIGH_ADDED):
        covered = bytes(4) if mistake is Mistake.HIGH_ADDED else b""
        return header + iv + _transform(sa, sa.encr).seal(header, covered, iv, plaintext)
    if mistake is Mistake.IV_WITHOUT_HIGH:
        explicit = _transform(sa, sa.encr.removesuffix("_IIV"))
        return header + explicit.seal(header, high, bytes(4) + low, plaintext)
    assert mistake is Mistake.HALVES_SWAPPED
    if ENCRYPTION[sa.encr].aead:  # the number in the AAD (and in an implicit IV) is low ‖ high
        return header + iv + _transform(sa, sa.encr).seal(spi + high, low, iv, plaintext)
    return header + iv + _transform(sa, sa.encr).seal(spi + high + low, b"", iv, plaintext)


def _transform(sa: Sa, encr: str) -> Transform:
    return transform(encr, sa.auth, bytes(sa.encr_key), bytes(sa.salt), bytes(sa.auth_key))


def _other_high(sequence: int, mistake: Mistake) -> int:
    return _HIGH_HALF[mistake](sequence >> 32) << 32 | sequence & HALF
