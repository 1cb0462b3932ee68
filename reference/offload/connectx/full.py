"""Packet offload: what the device does for an SA of its own beside the cipher (mlx5: "full offload", ASO objects).

    out   number, ESP header, padding, trailer; the next header of the IP header becomes ESP
    in    anti-replay, and ESP is taken out again: what the host gets is the packet that was protected

For this an SA has a context of its own (ASO): the low half of the last number, and of an inbound SA which of the 32, 64,
128 or 256 numbers behind it have come. Which high half belongs to it, the device takes from the half window that it was
told, as with crypto offload (`esn`). *Assumed*: numbers are checked before the ICV and recorded after it, and an SA's
numbers do not end here: that is software's affair.
"""

from dataclasses import dataclass
from enum import Enum

from espproof.reference.offload.connectx.esn import HalfWindow, high_half

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

    def whole(self, half: HalfWindow, low: int) -> int:
        """The number with that low half, as the device takes it."""
        return high_half(half, low) << 32 | low

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

    def _behind(self, half: HalfWindow, low: int, *, esn: bool) -> int:
        if not esn:
            return self.number - low
        return self.whole(half, self.number) - self.whole(half, low)
