"""Numbers that arrive at an SA, around the edges of its window, and what the window should say of each."""

from hypothesis import strategies as st

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
