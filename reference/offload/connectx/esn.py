"""The high half of an extended number, as a device without memory of it takes it (talk; mlx5, ipsec.c).

The device has no window. It holds 33 bits of each SA: a high half (`esn_msb`), and whether the window begins in the upper
half of its 2^32 numbers (`esn_overlap`). With them it takes a packet's low half for one of the 2^32 numbers from the half
window on in which the receiver's window begins:

    overlap 0   |■■■■■■■■■■■■■■■■■■■■■■■■|                          every low half belongs to esn_msb
    overlap 1               |■■■■■■■■■■■■■■■■■■■■■■■■|              from 2^31 on to esn_msb, below to the next one
                0          2^31         2^32

Software tells it when the window's beginning has entered another half. Until it has, the two agree on every number that
is less than 2^32 above the half window which the device was told of: from the crossing on that is 2^31 numbers, less the
window.
"""

from typing import NamedTuple

MIDDLE = 1 << 31


class HalfWindow(NamedTuple):
    """What the device knows."""

    msb: int
    overlap: bool


def of_bottom(bottom: int) -> HalfWindow:
    """That of a window which begins at this number of 64 bits."""
    return HalfWindow(bottom >> 32, bool(bottom & MIDDLE))


def high_half(known: HalfWindow, low: int) -> int:
    """What the device takes for the half that is not in the packet; it has 32 bits."""
    return (known.msb + (known.overlap and low < MIDDLE)) % (1 << 32)
