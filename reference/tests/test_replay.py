"""The window: what it may be made of, and what stays in its map."""

import pytest

from espproof.reference.errors import Misuse
from espproof.reference.replay import ReplayVerdict, ReplayWindow

LARGE = (40_000, 1 << 16, 100_000)
"""More packets than half of 2^16, 2^16 itself, and more than 2^16."""


@pytest.mark.parametrize("size", [-1, 2**31 + 1])
def test_a_size_that_no_window_has_is_misuse(size: int) -> None:
    """Fewer than none and more than half of the 32-bit space are refused."""
    with pytest.raises(Misuse, match="window of"):
        ReplayWindow(size)


@pytest.mark.parametrize("size", [0, 1, 2**31])
def test_the_smallest_and_the_largest_size(size: int) -> None:
    """A window may have none, one, and half of the 32-bit space."""
    assert ReplayWindow(size).size == size


@pytest.mark.parametrize("size", [0, 1, 64])
def test_a_fresh_window_has_received_nothing(size: int) -> None:
    """T is 0, and 0 itself has not been received."""
    window = ReplayWindow(size)
    assert (window.highest, window.received_offsets()) == (0, ())


@pytest.mark.parametrize(
    ("size", "highest", "offset"), [(64, 100, -1), (64, 100, 64), (64, 5, 6), (1, 100, 1), (0, 100, 1)]
)
def test_an_offset_outside_the_window_is_misuse(size: int, highest: int, offset: int) -> None:
    """A number above T, one at or behind the left edge, and one below 0 cannot be given as received."""
    with pytest.raises(Misuse, match="outside the window"):
        ReplayWindow(size, highest, (offset,))


@pytest.mark.parametrize(
    ("size", "highest", "offset"), [(64, 100, 63), (64, 5, 5), (64, 100, 0), (1, 100, 0), (0, 9, 0)]
)
def test_an_offset_at_the_edge_of_the_window(size: int, highest: int, offset: int) -> None:
    """T, the last number inside the left edge, and number 0 can be given as received."""
    assert ReplayWindow(size, highest, (offset,)).received_offsets() == tuple(sorted({0, offset}))


@pytest.mark.parametrize(("size", "late"), [(64, 64), (64, 65), (64, 99), (1, 1), (0, 1), (0, 5)])
def test_a_number_left_of_the_window_leaves_the_map_as_it_is(size: int, late: int) -> None:
    """The map has no bit for it; with anti-replay off such packets arrive."""
    window = ReplayWindow(size, 100)
    window.advance(100 - late)
    assert (window.highest, window.received_offsets()) == (100, (0,))


def test_number_zero_without_a_window() -> None:
    """With anti-replay off the map of a fresh SA stays empty when number 0 arrives."""
    window = ReplayWindow(0)
    window.advance(0)
    assert (window.highest, window.received_offsets()) == (0, ())


@pytest.mark.parametrize("size", LARGE)
def test_a_large_window_keeps_and_forgets_the_right_numbers(size: int) -> None:
    """One step to the right keeps all that is inside the left edge, and forgets the one number that it pushes out."""
    top = 0x0102_0304_0000_0007
    window = ReplayWindow(size, top, (1, size - 2, size - 1))
    window.advance(top + 1)
    assert window.received_offsets() == (0, 1, 2, size - 1)
    assert window.check(top + 2 - size) is ReplayVerdict.DUPLICATE
    assert window.check(top + 1 - size) is ReplayVerdict.LEFT_OF_WINDOW
