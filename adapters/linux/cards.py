"""Two simulated cards with a cable between them, for a kernel in user mode whose own drivers drive them.

    eth0   a model of the 82599 (`reference.offload.niantic`), to which SAs are given
    eth1   another, which has none: the other end of the cable

What a case asks of a device is answered from the first: its tables, what it has done, and what its driver has done
against the data sheet. An SA of a case is the one in its tables that has the SA's key.
"""

import time
from collections.abc import Mapping, Sequence
from ipaddress import ip_address
from pathlib import Path

from espproof.adapters.capabilities import DeviceCapabilities
from espproof.adapters.case import DeviceSa, DeviceState, Sa
from espproof.adapters.pci.bus import Bus
from espproof.adapters.translate import breaches_of
from espproof.reference.offload.niantic import registers
from espproof.reference.offload.niantic.board import Board
from espproof.reference.offload.niantic.tables import SAS, Handle

DEVICE = DeviceCapabilities(
    rules="X550",
    encryption={"ENCR_AES_GCM_16": (16,)},
    inbound=("transport",),
    outbound=("transport",),
    most={"in": SAS, "out": SAS},
)
"""What the card can do, and its driver asks for. It is given SAs with UDP too, and ought not to be."""
_ADDRESSES = bytes.fromhex("028259900001"), bytes.fromhex("028259900002")
_MICROSECOND = 1000
"""In nanoseconds: the unit in which the chip has its time."""
_CARRIERS = (
    (registers.IPSTXKEY, registers.IPSTXSALT),
    (registers.IPSRXKEY, registers.IPSRXSALT),
)
"""Registers that keep what was written into a table last."""


class _Timed(Board):
    """A board whose time is ours."""

    def read(self, window: int, at: int, size: int) -> bytes:
        self.chip.now = time.monotonic_ns() // _MICROSECOND
        return super().read(window, at, size)

    def write(self, window: int, at: int, octets: bytes) -> None:
        self.chip.now = time.monotonic_ns() // _MICROSECOND
        super().write(window, at, octets)


class Cards:
    """The cards and the bus that they stand on, from now until `close`; `sockets` as in `Bus`."""

    NAMES = ("eth0", "eth1")

    def __init__(self, sockets: Sequence[Path] = ()) -> None:
        self._bus = Bus(len(_ADDRESSES), sockets)
        one, other = self._bus.slots
        self.first = _Timed(one, self._to_the_second, one.interrupt, _ADDRESSES[0])
        self.second = _Timed(other, self.first.chip.arrive, other.interrupt, _ADDRESSES[1])
        one.function, other.function = self.first, self.second
        self._bus.start()

    def _to_the_second(self, frame: bytes) -> None:
        self.second.chip.arrive(frame)

    @property
    def sockets(self) -> tuple[Path, ...]:
        return tuple(slot.path for slot in self._bus.slots)

    def wait(self, seconds: float) -> bool:
        """Whether the kernel has gone within so many seconds, or the cards."""
        return self._bus.wait(seconds)

    @property
    def breaches(self) -> tuple[str, ...]:
        """What drivers have done against the data sheet since this was asked the last time."""
        return tuple(str(one) for board in (self.first, self.second) for one in board.chip.breaches.taken())

    @property
    def failure(self) -> BaseException | None:
        """Why the cards are gone: memory touched that was nobody's, or what no kernel says."""
        return self._bus.failure

    def forget(self) -> None:
        """What the driver has done wrongly until now is not a case's affair."""
        self.first.chip.breaches.taken()

    def told(self, sas: Mapping[str, Sa], passed: Mapping[str, int]) -> DeviceState:
        """Of these SAs, which are all that there are, and of which no more packets than so many can have been sent or
        delivered: what else the card has opened, the stack has discarded."""
        chip = self.first.chip
        places = {name: self._place(sa) for name, sa in sas.items()}
        return DeviceState(
            sas=tuple(
                DeviceSa(sa=name, by="software", packets=0, reason="it is in no table of the card")
                if place is None
                else DeviceSa(sa=name, by="device", packets=min(chip.done[place], passed.get(name, 0)))
                for name, place in places.items()
            ),
            entries=sum(any(one.key) for one in chip.tables.tx) + sum(one.valid for one in chip.tables.keys),
            left=self._left(sas, {place for place in places.values() if place is not None}),
            breaches=breaches_of(chip.breaches.taken()),
        )

    def _place(self, sa: Sa) -> Handle | None:
        tables = self.first.chip.tables
        if sa.direction == "out":
            found = (n for n, one in enumerate(tables.tx) if (one.key, one.salt) == (sa.encr_key, sa.salt))
        else:
            spi, address = sa.spi.to_bytes(4, "big"), ip_address(sa.destination).packed.rjust(16, b"\0")
            found = (
                n
                for n, (key, entry) in enumerate(zip(tables.keys, tables.spis, strict=True))
                if key.valid and entry.spi == spi and tables.addresses[entry.address] == address
            )
        index = next(found, None)
        return None if index is None else Handle(sa.direction, index)

    def _left(self, sas: Mapping[str, Sa], places: set[Handle]) -> int:
        """Octets of keys, salts, SPIs and addresses that are of none of these SAs."""
        chip = self.first.chip
        tables, values = chip.tables, chip.values
        strange = [one.key + one.salt for n, one in enumerate(tables.tx) if Handle("out", n) not in places]
        inbound = {place.index for place in places if place.direction == "in"}
        for n, (key, spi) in enumerate(zip(tables.keys, tables.spis, strict=True)):
            strange += [] if n in inbound else [key.key + key.salt, spi.spi]
        used = {tables.spis[n].address for n in inbound}
        strange += [octets for n, octets in enumerate(tables.addresses) if n not in used]
        known = {(bytes(sa.encr_key), bytes(sa.salt)) for sa in sas.values()}
        for key_register, salt_register in _CARRIERS:
            octets = b"".join(values.word(key_register, 3 - n).to_bytes(4, "big") for n in range(4))
            salt_octets = values.word(salt_register).to_bytes(4, "big")
            strange += [] if (octets, salt_octets) in known else [octets, salt_octets]
        return sum(octet != 0 for octet in b"".join(strange))

    def close(self) -> None:
        self._bus.close()
