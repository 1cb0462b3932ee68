"""Packet offload: what the device does for an SA of its own beside the cipher (mlx5: "full offload", ASO objects).

    out   number, ESP header, padding, trailer; the next header of the IP header becomes ESP
    in    anti-replay, and ESP is taken out again: what the host gets is the packet that was protected

For this an SA has a context of its own (ASO): the low half of the last number, of an inbound SA which of the 32, 64, 128
or 256 numbers behind it have come, and how many packets are left to it. Which high half belongs to a number, the device
takes from the half window that it was told, as with crypto offload (`esn`).

The host sees no number that passes. So the device tells it of two things, each once until it is armed again: that the
number (out) or the beginning of the window (in) has entered another half of 2^32, and that no more than `soft` packets are
left. With none left the SA is at its end: it takes no packet any more.

*Assumed*: numbers are checked before the ICV and recorded after it; what is counted is right, trailer and all; it is the
beginning of the window that makes the event, and not its end (the driver does the same with both); a low half that would
be behind number 0 is taken for one of the 2^32 numbers before, which nobody has sent (RFC 4303 A2.2); and an SA's numbers
do not end here: that is software's affair.
"""

from dataclasses import dataclass
from enum import Enum

from espproof.reference.offload.connectx.esn import MIDDLE, HalfWindow, high_half

WINDOWS = {32: 0, 64: 1, 128: 2, 256: 3}
"""Packets -> `window_sz`."""
REPLAY_PROTECTION, INCREMENT_NUMBER = 1, 2
"""`mode` of a context."""
_LOW = 0xFFFFFFFF


class Verdict(Enum):
    NEW = "new"
    REPLAYED = "replayed"


@dataclass(slots=True)
class Context:
    """`number` is the low half of the last one sent, or of the highest that was received; bit n of `received` is the
    number n below it."""

    mode: int
    number: int
    window: int = 0
    received: int = 0
    esn_armed: bool = False
    """That another half is entered will be told."""
    limited: bool = False
    """Packets are counted (`remove_flow_enable`)."""
    left: int = 0
    """How many may still pass."""
    soft: int = 0
    soft_armed: bool = False
    """That so many are left will be told."""
    hard_armed: bool = False
    """That none is left will be told."""

    @property
    def is_over(self) -> bool:
        return self.limited and not self.left

    def whole(self, half: HalfWindow, low: int) -> int:
        """The number with that low half, as the device takes it."""
        before = half == HalfWindow(0, False) and low > self.number - self.window + _LOW + 1
        return (_LOW if before else high_half(half, low)) << 32 | low

    def next(self) -> int:
        """The low half of the next packet's number."""
        self.number = (self.number + 1) & _LOW
        return self.number

    def check(self, half: HalfWindow, low: int, *, esn: bool) -> Verdict:
        """Whether a packet of that low half may go on to its ICV."""
        behind = self._behind(half, low, esn=esn)
        if behind < 0:
            return Verdict.NEW
        if behind >= self.window or self.received >> behind & 1:
            return Verdict.REPLAYED
        return Verdict.NEW

    def record(self, half: HalfWindow, low: int, *, esn: bool) -> None:
        """It was right."""
        behind = self._behind(half, low, esn=esn)
        if behind >= 0:
            self.received |= 1 << behind
            return
        self.number = low
        self.received = (self.received << -behind | 1) & ((1 << self.window) - 1) if -behind < self.window else 1

    def half(self, known: HalfWindow) -> int:
        """Of the numbers of 64 bits, in which half of 2^32 the window begins, or the last number is."""
        return max(self.whole(known, self.number) - max(self.window, 1) + 1, 0) // MIDDLE

    def entered(self) -> bool:
        """Another half is entered: whether the host is told."""
        told, self.esn_armed = self.esn_armed, False
        return told

    def passed(self) -> bool:
        """A packet more: whether the host is told."""
        if not self.limited:
            return False
        self.left -= 1
        soft, hard = self.soft_armed and self.left == self.soft, self.hard_armed and not self.left
        self.soft_armed &= not soft
        self.hard_armed &= not hard
        return soft or hard

    def _behind(self, half: HalfWindow, low: int, *, esn: bool) -> int:
        if not esn:
            return self.number - low
        return self.whole(half, self.number) - self.whole(half, low)
