"""Sequence numbers: the sender's next one, and the receiver's guess of the half that is not sent (Appendix A).

Numbers are whole: 32 bits without, 64 bits with extended sequence numbers (ESN). Pure arithmetic, no state; `bits` is
there so that a test can run the same code on a tiny number space exhaustively.
"""


def next_sequence(last: int, esn: bool) -> int | None:
    """The number of the next packet after `last` (0: none sent yet); None if it would cycle (RFC 4303 3.3.3)."""
    return last + 1 if last < (0xFFFF_FFFF_FFFF_FFFF if esn else 0xFFFF_FFFF) else None


def reconstruct(low: int, highest: int, window: int, bits: int = 32) -> int | None:
    """The whole number of a packet that carries `low`, when `highest` (T) is the highest one authenticated (A2.2).

    The window of W numbers ends in T. Case A: it lies in one subspace of 2^bits numbers, and a `low` left of it must
    belong to the next subspace. Case B: it reaches back into the subspace before, and a `low` at or right of its left
    edge must belong there. Either way the result is the one number with these low bits in [T-W+1, T-W+2^bits].
    None if that number is below 0 or beyond the last subspace: no sender can have used it. A window of 0 (anti-replay
    off) counts as 1: the receiver still has to guess, and knows T.
    """
    space = 1 << bits
    high, top = highest >> bits, highest & (space - 1)
    size = window or 1
    bottom = top - size + 1
    if bottom >= 0:
        if low < bottom:
            high += 1
    elif low >= bottom + space:
        high -= 1
    return (high << bits | low) if 0 <= high < space else None
