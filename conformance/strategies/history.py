"""Numbers that arrive at an SA, around the edges of its window, and what the window should say of each."""

from hypothesis import strategies as st

from espproof.adapters.capabilities import Capabilities
from espproof.adapters.case import Sa
from espproof.conformance.requirements.ids import DUPLICATE, LEFT, NEW
from espproof.reference.replay import ReplayVerdict, ReplayWindow

ABOUT = {ReplayVerdict.NEW: NEW, ReplayVerdict.DUPLICATE: DUPLICATE, ReplayVerdict.LEFT_OF_WINDOW: LEFT}


class History:
    """What the window of an SA should say, so that each step can name what it puts to the test."""

    def __init__(self, sa: Sa) -> None:
        self.window = ReplayWindow(sa.replay_window, int(sa.sequence), sa.received_offsets)
        self.last = 2**64 - 1 if sa.esn else 2**32 - 1

    @property
    def highest(self) -> int:
        return self.window.highest

    def near(self, delta: int) -> int:
        """The number that is so far from the highest one, kept inside the number space."""
        return min(max(self.highest + delta, 1), self.last)

    def is_new(self, number: int) -> bool:
        return self.window.check(number) is ReplayVerdict.NEW

    def about(self, number: int) -> str:
        return ABOUT[self.window.check(number)]

    def arrived(self, number: int) -> None:
        if self.window.check(number) is ReplayVerdict.NEW:
            self.window.advance(number)


def deltas(size: int) -> st.SearchStrategy[int]:
    """Steps from the highest number: forward, back, and around each edge of a window of that size."""
    edges = (1, 0, -1, 2, -2, 1 - size, -size, -size - 1, 2 - size, size - 1, size, size + 1, 31, 32, 33, -31, -32, 64)
    return st.one_of(st.sampled_from(edges), st.integers(-size - 2, 2 * size + 2))


BLOCKS = (32, 64, 96, 128, 160, 192, 256, 512, 1024, 2048, 4096, 8192, 65536)
"""Sizes in packets at which the bit map of a window fills words or blocks of them."""


def border_sizes(caps: Capabilities) -> tuple[int, ...]:
    """Window sizes that are declared, around those at which words and blocks are full, the largest too (up to 2^20)."""
    windows = caps.replay_windows
    if windows is None:
        return ()
    around = [block + more for block in BLOCKS for more in (0, -1, 1, -2, 2)]
    ends = (windows.minimum, min(windows.maximum, 1 << 20))
    return tuple(size for size in dict.fromkeys((*around, *ends)) if size and windows.allows(size))


def jumps(size: int) -> st.SearchStrategy[int]:
    """Steps ahead that leave words, blocks, the window or a whole ring of blocks behind."""
    ring = 1 << (size + 63).bit_length()
    near = (1, 31, 32, 33, 63, 64, 65, 127, 128, 129, size - 1, size, size + 1, ring - 1, ring, ring + 1)
    far = (size + 31, size + 32, size + 33, size + 63, size + 64, size + 65, 2 * size, ring + size, 2 * ring)
    return st.one_of(st.sampled_from(near), st.sampled_from(far), st.integers(1, 2 * size + 64)).map(
        lambda step: max(step, 1)
    )


def late(size: int) -> list[int]:
    """How far behind the highest number a late one may be: at the ends of the window, and around words and blocks."""
    places = {0, 1, 2, size - 2, size - 1, size, size + 1, size + 2}
    for word in (32, 64, 128):
        places |= {word - 1, word, word + 1, size - word - 1, size - word, size - word + 1}
    return sorted(place for place in places if place >= 0)


def rings(size: int) -> tuple[int, ...]:
    """Numbers of bits after which the bit map of a window of that size may begin anew: whole words, one more, 2^k."""
    words = {-(-size // word) * word + more for word in (32, 64) for more in (0, word)}
    return tuple(sorted({size, *words, 1 << (size - 1).bit_length(), 1 << (size + 63).bit_length()}))


def same_place(past: History, number: int, ring: int) -> int | None:
    """The number of the window that has the place of an old one in a ring of so many bits; None if there is none."""
    turns = (past.highest - number) // ring
    return number + turns * ring if turns and past.highest - number - turns * ring < past.window.size else None
