"""Single values, with the edges that real defects hide at boosted on purpose. Zero hides: the defaults are not zero."""

import hashlib

from hypothesis import strategies as st

MATERIAL = st.integers(1, 2**16 - 1)
"""One small number from which keys, salts and payload octets are spun: cheap to draw, and it shrinks."""

SPI_BASE = (0x01020304, 0x100, 0x12345678, 0x80000001, 0xC0FFEE99, 0xFFFFFF00)
"""SPIs at the ends, and asymmetric ones; an SA's number is added."""


def octets(material: int, label: str, size: int) -> bytes:
    """`size` octets that depend on everything and repeat nothing: no palindromes, no zero runs."""
    return hashlib.shake_128(f"{label}:{material}".encode()).digest(size)


def lengths(maximum: int) -> st.SearchStrategy[int]:
    """Payload lengths in octets: every small one, and around each power of two and common MTU up to `maximum`.

    None is 0: `format.nothing_inside` has those, so that who gets them wrong is known to get them alone wrong.
    """
    edges = [length for length in _LENGTH_EDGES if length <= maximum]
    return st.one_of(st.integers(1, min(64, maximum)), st.sampled_from(edges), st.integers(1, maximum))


_LENGTH_EDGES = (
    1, 2, 3, 4, 13, 14, 15, 16, 17, 18, 21, 22, 64, 127, 128, 200, 235, 236, 237, 238, 255, 256, 257,
    512, 1000, 1023, 1024, 1025, 1280,
    1372, 1386, 1400, 1420, 1438, 1446, 1472, 2047, 2048, 4074, 4096, 4200, 8192, 9000, 16383, 16384, 32768, 65000,
)  # fmt: skip

LOW_EDGES = (0, 1, 2, 31, 32, 63, 64, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 66, 2**32 - 33, 2**32 - 2, 2**32 - 1)
HIGH_EDGES = (1, 0, 2, 0x01020304, 2**31 - 1, 2**31, 2**32 - 2)


def starting_sequences(*, esn: bool) -> st.SearchStrategy[int]:
    """Where an SA's numbering starts: near every edge of the 32-bit half, with a high half that is seldom 0."""
    low = st.one_of(st.sampled_from(LOW_EDGES), st.integers(0, 2**32 - 1))
    if not esn:
        return low
    return st.builds(lambda high, low: high << 32 | low, st.sampled_from(HIGH_EDGES), low)
