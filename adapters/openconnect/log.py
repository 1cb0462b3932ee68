"""What openconnect 9 logs with `-vvv`, as far as it tells what became of a packet.

The texts are those of the C locale. A line that is not known here says nothing: a packet that is not delivered is then
dropped for a reason that is not told.
"""

import re
from collections.abc import Iterable, Sequence

from espproof.reference.drops import DropReason

MARKER_SPI = 0xE59F00F0
"""The SPI of markers, unless a case uses it."""

_INVALID_SPI = "Received ESP packet with invalid SPI 0x"
_IDLE = "No work to do; sleeping for"
_OWN_PROBES = "Send ESP probes"

_REASONS = tuple(
    (re.compile(pattern), reason)
    for pattern, reason in (
        (_INVALID_SPI, DropReason.NO_SA),
        ("Received ESP packet with invalid HMAC", DropReason.INTEGRITY),
        ("Discarding (ancient|replayed) ESP packet", DropReason.REPLAY),
        ("Decrypting ESP packet failed", DropReason.MALFORMED),
        ("unrecognised payload type 3b", DropReason.DUMMY),
        ("unrecognised payload type", DropReason.MODE),
        ("Invalid padding (length|bytes)", DropReason.PADDING),
        ("LZO decompression of ESP packet failed", DropReason.MALFORMED),
    )
)
_ACCEPTED = re.compile(r"Received ESP .* of \d+ bytes")


def marker_line(spi: int) -> str:
    """How the client remarks on an ESP packet with that SPI, if it is nobody's."""
    return f"{_INVALID_SPI}{spi:08x}"


def is_noise(line: str) -> bool:
    """Whether it is about nothing but the adapter's markers, or the client's sleep."""
    return not line or line.startswith((_IDLE, marker_line(MARKER_SPI)))


class Exchange:
    """The log of one exchange, cut into pieces at the lines that name `marker`; what follows the last is the rest."""

    def __init__(self, marker: int) -> None:
        self._marker = marker_line(marker)
        self.pieces: list[list[str]] = [[]]
        self.octets = 0
        self.idle = False
        """Whether the client has said since the last marker that it has nothing to do."""
        self.own_traffic = False
        """Whether the client has sent probes."""

    @property
    def markers(self) -> int:
        """How many have been seen."""
        return len(self.pieces) - 1

    def feed(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.octets += len(line)
            if line.startswith(self._marker):
                self.pieces.append([])
                self.idle = False
            elif line.startswith(_IDLE):
                self.idle = True
            else:
                self.own_traffic |= line.startswith(_OWN_PROBES)
                self.pieces[-1].append(line)


def accepted(piece: Sequence[str]) -> bool:
    """Whether the packet that this piece is about was taken and handed on."""
    return any(_ACCEPTED.match(line) for line in piece) and _reason(piece) is None


def reason(piece: Sequence[str]) -> DropReason:
    """Why the packet was not delivered. What is too short for a header and an ICV is left without a word."""
    return _reason(piece) or (DropReason.UNSPECIFIED if piece else DropReason.MALFORMED)


def _reason(piece: Sequence[str]) -> DropReason | None:
    return next((reason for line in piece for pattern, reason in _REASONS if pattern.search(line)), None)
