"""Two simulated cards with a cable between them, for a kernel in user mode whose own drivers drive them.

    eth0   a model of the 82599 (`reference.offload.niantic`), to which SAs are given
    eth1   another, which has none: the other end of the cable
    VF     with `shared`, a virtual function of the first, to which the SAs are given then

What a case asks of a device is answered from the first: its tables, what it has done, and what its driver has done
against the data sheet.
"""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from msgspec.structs import replace

from espproof.adapters import niantic_tables
from espproof.adapters.capabilities import DeviceCapabilities
from espproof.adapters.case import DeviceState, Sa
from espproof.adapters.pci.bus import Bus
from espproof.reference.offload.niantic.board import Board
from espproof.reference.offload.niantic.tables import SAS
from espproof.reference.offload.niantic.virtual_board import VirtualBoard

DEVICE = DeviceCapabilities(
    rules="X550",
    encryption={"ENCR_AES_GCM_16": (16,)},
    inbound=("transport",),
    outbound=("transport",),
    most={"in": SAS, "out": SAS},
    events=("reset", "link-down", "link-up"),
)
"""What the card can do, and its driver asks for. It is given SAs with UDP too, and ought not to be."""
SHARED = replace(DEVICE, outbound=(), most={"in": SAS})
"""What a virtual function can do of it: the PF's driver takes no outbound SA of one."""
_ADDRESSES = bytes.fromhex("028259900001"), bytes.fromhex("028259900002")
_PLACES = 8
"""From one slot of a bus to the next."""
_MICROSECOND = 1000
"""In nanoseconds: the unit in which the chip has its time."""


class _Timed(Board):
    """A board whose time is ours."""

    def read(self, window: int, at: int, size: int) -> bytes:
        self.chip.now = time.monotonic_ns() // _MICROSECOND
        return super().read(window, at, size)

    def write(self, window: int, at: int, octets: bytes) -> None:
        self.chip.now = time.monotonic_ns() // _MICROSECOND
        super().write(window, at, octets)


class Cards:
    """The cards and the bus that they stand on, from now until `close`; `sockets` as in `Bus`. `shared`: the first has a
    virtual function, which stands on the bus between the two."""

    NAMES = ("eth0", "eth1")

    def __init__(self, sockets: Sequence[Path] = (), *, shared: bool = False) -> None:
        self._bus = Bus(len(_ADDRESSES) + shared, sockets)
        self._before: Counter[str] = Counter()
        one, *virtual, other = self._bus.slots
        self.first = _Timed(
            one, self._to_the_second, one.interrupt, _ADDRESSES[0], functions=len(virtual), apart=_PLACES
        )
        self.second = _Timed(other, self.first.chip.arrive, other.interrupt, _ADDRESSES[1])
        one.function, other.function = self.first, self.second
        for number, slot in enumerate(virtual):
            slot.function = VirtualBoard(self.first.chip.functions[number], slot.interrupt)
        self._bus.start()

    def _to_the_second(self, frame: bytes) -> None:
        self.second.chip.arrive(frame)

    @property
    def sockets(self) -> tuple[Path, ...]:
        return tuple(slot.path for slot in self._bus.slots)

    def wait(self, seconds: float) -> bool:
        """Whether the kernel has gone within so many seconds, or the cards."""
        return self._bus.wait(seconds)

    def set_link(self, up: bool, seconds: float) -> bool:
        """The first card's cable is plugged in, or out; whether that is done within so many seconds."""
        return self._bus.do(lambda: self.first.set_link(up), seconds)

    @property
    def breaches(self) -> tuple[str, ...]:
        """What drivers have done against the data sheet since this was asked the last time."""
        return tuple(str(one) for board in (self.first, self.second) for one in board.chip.breaches.taken())

    @property
    def failure(self) -> BaseException | None:
        """Why the cards are gone: memory touched that was nobody's, or what no kernel says."""
        return self._bus.failure

    def forget(self) -> None:
        """What the driver has done until now is not a case's affair."""
        self.first.chip.breaches.taken()
        self._before.clear()

    def forget_sa(self, name: str) -> None:
        """There is none of that name, or another."""
        self._before.pop(name, None)

    def told(self, sas: Mapping[str, Sa], passed: Mapping[str, int]) -> DeviceState:
        """As `niantic_tables.told`, of the card to which SAs are given."""
        chip = self.first.chip
        return niantic_tables.told(chip, sas, passed, chip.breaches.taken(), self._before)

    def remember(self, sas: Mapping[str, Sa]) -> None:
        """Packets of these SAs, before the driver writes the tables of the card anew."""
        self._before.update(niantic_tables.done(self.first.chip, sas))

    def close(self) -> None:
        self._bus.close()
