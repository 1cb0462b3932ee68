"""Resynchronisation: which numbers are tried after too many failures."""

import pytest

from espproof.reference.resynchronise import candidates

TABLE: tuple[tuple[int, int, int, list[int]], ...] = (
    # low half, guess, limit, candidates
    (7, 7, 0, []),
    (7, 0x1_00000007, 1, [0x2_00000007]),
    (0xFFFFFFFF, 0x1_FFFFFFFF, 3, [0x2_FFFFFFFF, 0x3_FFFFFFFF, 0x4_FFFFFFFF]),
    (0, 0xFFFFFFFE_00000000, 5, [0xFFFFFFFF_00000000]),  # the space ends
    (9, 0xFFFFFFFF_00000009, 5, []),
)


@pytest.mark.parametrize(("low", "guess", "limit", "expected"), TABLE)
def test_candidates(low: int, guess: int, limit: int, expected: list[int]) -> None:
    """The high halves after the guess, in order, up to the limit and to the end of the space."""
    assert list(candidates(low, guess, limit)) == expected
