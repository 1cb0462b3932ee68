"""Two simulated cards with a cable between them, for a kernel in user mode whose own drivers drive them.

eth0   a model of the 82599 (`reference.offload.niantic`), to which SAs are given
eth1   another, which has none: the other end of the cable
"""

from pathlib import Path

from espproof.adapters.pci.bus import Bus
from espproof.reference.offload.niantic.board import Board

_ADDRESSES = bytes.fromhex("028259900001"), bytes.fromhex("028259900002")


class Cards:
    """The cards and the bus that they stand on, from now until `close`."""

    def __init__(self) -> None:
        self._bus = Bus(len(_ADDRESSES))
        one, other = self._bus.slots
        self.first = Board(one, self._to_the_second, one.interrupt, _ADDRESSES[0])
        self.second = Board(other, self.first.chip.arrive, other.interrupt, _ADDRESSES[1])
        one.function, other.function = self.first, self.second
        self._bus.start()

    def _to_the_second(self, frame: bytes) -> None:
        self.second.chip.arrive(frame)

    @property
    def sockets(self) -> tuple[Path, ...]:
        return tuple(slot.path for slot in self._bus.slots)

    @property
    def failure(self) -> BaseException | None:
        """Why the cards are gone: memory touched that was nobody's, or what no kernel says."""
        return self._bus.failure

    def close(self) -> None:
        self._bus.close()
