"""Resynchronisation of the high half after the loss of 2^32 packets or more: RFC 4303 Appendix A3.

The receiver counts consecutive packets that fail authentication; at a local trigger one of them is tried again with
the high halves after its own guess, one after the other, up to a local limit. A success sets T to that packet's number.
"""

from collections.abc import Iterator


def candidates(low: int, guess: int, limit: int) -> Iterator[int]:
    """The whole numbers to try for a packet that carries `low` and failed as `guess`; at most `limit` of them."""
    high = guess >> 32
    for step in range(1, limit + 1):
        if high + step > 0xFFFF_FFFF:
            return
        yield (high + step) << 32 | low
