"""The anti-replay window: RFC 4303 3.4.3 and Appendix A2.1.

A string of W bits that ends in T, the highest number authenticated; a bit says that its number has been received. Three
steps per packet: `check` before the ICV is computed (nothing changes: the number is not yet believed), the ICV, then
`advance`. Numbers are whole (see `sequence.reconstruct`), so the same window serves 32 and 64 bits.

A fresh SA has T = 0. No sender uses number 0 first (3.3.3: the first packet has 1), and the RFC does not say what a
receiver does with a 0; here it counts as not yet received. Linux, DPDK and strongSwan discard it on any SA with
anti-replay, which no right sender notices; what an implementation does is recorded (`sad.number-zero`).
"""

from collections.abc import Iterable
from enum import Enum

from espproof.reference.errors import Misuse

MAX_SIZE = 2**31
"""A2.1 allows 2^32 - 1; beyond half the space, case B would leave less room for loss than for reordering."""


class ReplayVerdict(Enum):
    NEW = "new"
    DUPLICATE = "duplicate"
    LEFT_OF_WINDOW = "left of window"


class ReplayWindow:
    """The state of one inbound SA's window. `size` is W in packets, 0 for anti-replay off.

    Bit n of the map stands for `highest` - n. Received numbers can be given as offsets below `highest`; the highest
    number itself counts as received, unless it is 0.
    """

    __slots__ = ("_bits", "_mask", "highest", "size")

    def __init__(self, size: int, highest: int = 0, received_offsets: Iterable[int] = ()) -> None:
        if not 0 <= size <= MAX_SIZE:
            raise Misuse(f"a replay window of {size} packets; 0 to {MAX_SIZE} are possible")
        self.size = size
        self.highest = highest
        self._mask = (1 << min(size, 1 << 16)) - 1
        self._bits = 1 if highest else 0
        for offset in received_offsets:
            if not 0 <= offset < max(size, 1) or offset > highest:
                raise Misuse(f"number {highest} - {offset} is outside the window of {size}")
            self._bits |= 1 << offset

    def check(self, sequence: int) -> ReplayVerdict:
        """Whether a packet of that number may go on to the ICV. Changes nothing."""
        offset = self.highest - sequence
        if offset < 0 or not self.size:
            return ReplayVerdict.NEW
        if offset >= self.size:
            return ReplayVerdict.LEFT_OF_WINDOW
        return ReplayVerdict.DUPLICATE if self._bits >> offset & 1 else ReplayVerdict.NEW

    def advance(self, sequence: int) -> None:
        """Record a number whose packet was authenticated, and that `check` has found new."""
        shift = sequence - self.highest
        if shift <= 0:
            if -shift < self.size:
                self._bits |= 1 << -shift
            return
        self.highest = sequence
        if shift >= self.size:
            self._bits = 1
        else:
            self._bits = (self._bits << shift | 1) & self._window_mask()

    def received_offsets(self) -> tuple[int, ...]:
        """The numbers in the window that have been received, as offsets below `highest`, ascending."""
        bits, found = self._bits, []
        while bits:
            lowest = bits & -bits
            found.append(lowest.bit_length() - 1)
            bits ^= lowest
        return tuple(found)

    def _window_mask(self) -> int:
        if self.size <= 1 << 16:
            return self._mask
        return (1 << self.size) - 1
