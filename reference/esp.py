"""The ESP packet: RFC 4303 section 2, octet by octet. One `Codec` per SA turns payloads into ESP packets and back.

     0                   1                   2                   3
     0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
    +---------------------------------------------------------------+
    |                             SPI                               |  \\ header: what the ICV covers first, in clear
    |                 sequence number, low 32 bits                  |  /
    +---------------------------------------------------------------+
    |                 IV (explicit, if the cipher has one)          |
    +-------------------------------------------+                   |
    |  payload · TFC padding · padding 1, 2, 3… | pad length | next |  plaintext
    +---------------------------------------------------------------+
    |                             ICV                               |
    +---------------------------------------------------------------+

With extended sequence numbers the high 32 bits are not sent but are part of what the ICV covers (2.2.1); where exactly
depends on the algorithm and is the business of `transforms`. Sequence numbers, windows and IP headers are not known
here: see `sequence`, `replay`, `tunnel`, `transport`; the order of a receiver's checks is in `endpoint`.
"""

import struct
from dataclasses import dataclass

from espproof.reference.algorithms import ENCRYPTION, INTEGRITY
from espproof.reference.drops import DropReason
from espproof.reference.errors import Misuse
from espproof.reference.transforms import transform

HEADER_SIZE = 8
SPI = slice(0, 4)
"""Where it stands in the packet."""
TRAILER_SIZE = 2
MAX_PADDING = 255
MOST_AROUND = 40 + 8 + HEADER_SIZE + 16 + 32
"""Octets of an outer IPv6 header, UDP, the ESP header, the longest IV and the longest ICV."""
MOST_ADDED = MOST_AROUND + 2 * 16
"""Octets that protection with the least padding adds at most: padding and trailer have less than two blocks."""
NEXT_HEADER_DUMMY = 59
"""IPv6-NoNxt: the payload means nothing, a receiver throws the packet away (2.6)."""

_WORD = struct.Struct("!I")
_PADDING = bytes(range(1, MAX_PADDING + 1))  # 2.4: the default contents, 1, 2, 3, …
_TRAILERS = [bytes(range(1, length + 1)) + bytes([length]) for length in range(MAX_PADDING + 1)]


@dataclass(slots=True)
class Opened:
    """The plaintext of an authenticated ESP packet, taken apart. `payload` still has its TFC padding.

    Not frozen for the reason that `ip.Packet` gives.
    """

    payload: bytes
    padding: bytes
    next_header: int


class Codec:
    """The octets of one SA's packets. Holds keys, no state: every argument that changes per packet is passed in.

    `spi` is a number below 2^32, keys are octets; the salt of a counter-mode algorithm is separate from its key.
    Raises `Misuse` for keys, salts and pairs that the algorithms' RFCs do not allow.
    """

    __slots__ = ("_transform", "alignment", "esn", "icv_size", "iv_size", "smallest", "spi")

    def __init__(
        self, spi: int, encr: str, auth: str, encr_key: bytes, salt: bytes, auth_key: bytes, *, esn: bool
    ) -> None:
        self._transform = transform(encr, auth, encr_key, salt, auth_key)
        cipher = ENCRYPTION[encr]
        self.spi = spi.to_bytes(4, "big")
        self.esn = esn
        self.iv_size = cipher.iv_size
        self.icv_size = cipher.icv_size if cipher.aead else INTEGRITY[auth].icv_size
        self.alignment = max(4, cipher.block_size)  # 2.4: the cipher's block, and the ICV on a 4-octet boundary
        self.smallest = HEADER_SIZE + self.iv_size + TRAILER_SIZE + self.icv_size

    def padding_length(self, payload_length: int) -> int:
        """The least padding that aligns payload, padding and the two trailer octets (2.4)."""
        return -(payload_length + TRAILER_SIZE) % self.alignment

    def protect(self, payload: bytes, next_header: int, sequence: int, iv: bytes) -> bytes:
        """The ESP packet, with the least and the default padding.

        `sequence` is the whole number (64 bits with ESN); `iv` has `iv_size` octets, of the quality that the algorithm
        asks for (`iv` module).
        """
        trailer = _TRAILERS[-(len(payload) + TRAILER_SIZE) % self.alignment]
        return self.seal(payload + (trailer + next_header.to_bytes()), sequence, iv)

    def seal(self, plaintext: bytes, sequence: int, iv: bytes) -> bytes:
        """The ESP packet around a plaintext that already has its trailer, right or (for a test) wrong."""
        if len(iv) != self.iv_size:
            raise Misuse(f"the IV has {len(iv)} octets, not {self.iv_size}")
        number = sequence.to_bytes(8, "big")
        header = self.spi + number[4:]
        high = number[:4] if self.esn else b""
        return header + iv + self._transform.seal(header, high, iv, plaintext)

    def open(self, packet: bytes, sequence: int) -> bytes | DropReason:
        """The plaintext with its trailer, if the ICV is right for that (whole) sequence number (3.4.4).

        `packet` begins with the SPI and ends with the ICV. Whether the SPI is this SA's was the SAD's decision.
        """
        if len(packet) < self.smallest:
            return DropReason.MALFORMED
        body = HEADER_SIZE + self.iv_size
        if (len(packet) - body - self.icv_size) % self.alignment:
            return DropReason.MALFORMED
        high = (sequence >> 32).to_bytes(4, "big") if self.esn else b""
        plaintext = self._transform.open(packet[:HEADER_SIZE], high, packet[HEADER_SIZE:body], packet[body:])
        return DropReason.INTEGRITY if plaintext is None else plaintext

    def iv_of(self, packet: bytes) -> bytes:
        """The explicit IV of an ESP packet."""
        return packet[HEADER_SIZE : HEADER_SIZE + self.iv_size]


def trailer(padding: int, next_header: int) -> bytes:
    """So many octets of default padding, pad length, next header (2.4 to 2.6)."""
    return _TRAILERS[padding] + next_header.to_bytes()


def take_trailer(plaintext: bytes) -> Opened | DropReason:
    """Split payload, padding and next header; the padding must lie inside the plaintext and count 1, 2, 3, … (2.4)."""
    pad_length = plaintext[-2]
    end = len(plaintext) - TRAILER_SIZE - pad_length
    if end < 0:
        return DropReason.PADDING
    padding = plaintext[end:-2]
    if padding != _PADDING[:pad_length]:
        return DropReason.PADDING
    return Opened(plaintext[:end], padding, plaintext[-1])


def sequence_low(packet: bytes) -> int:
    """The 32 bits of the sequence number that are sent."""
    return _WORD.unpack_from(packet, 4)[0]  # type: ignore[no-any-return]


def spi_of(packet: bytes) -> int:
    return int.from_bytes(packet[SPI], "big")
