"""A queue of each direction, with buffers: frames into descriptors, and out of them again.

The registers of a queue are the same for the PF and for a virtual function, at other places (`Places`).
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Protocol

from espproof.reference.errors import Misuse
from espproof.reference.offload.memory import Arena
from espproof.reference.offload.niantic import registers as r
from espproof.reference.offload.niantic.descriptors import SIZE, Buffer, Context, Data, Report
from espproof.reference.offload.registers import Register

RING = 64
"""Descriptors of each ring."""
BUFFER = 2048
"""Octets of a receive buffer: what SRRCTL says after a reset."""


class Bus(Protocol):
    """The chip as its driver sees it. Words at offsets of BAR 0; `wait` lets microseconds pass."""

    def read(self, offset: int) -> int: ...

    def write(self, offset: int, word: int) -> None: ...

    def wait(self, microseconds: int) -> None: ...


@dataclass(frozen=True, slots=True)
class Places:
    """Where the registers of a driver's queues begin."""

    receive: int
    transmit: int

    def queue(self, number: int) -> "Places":
        """Those of another queue."""
        return Places(self.receive + number * r.RDBAL.stride, self.transmit + number * r.TDBAL.stride)

    def of(self, register: Register) -> int:
        """The offset of one of the PF's registers of its first queue, here."""
        if register.offset >= r.TDBAL.offset:
            return self.transmit + register.offset - r.TDBAL.offset
        return self.receive + register.offset - r.RDBAL.offset


PHYSICAL, VIRTUAL = Places(r.RDBAL.offset, r.TDBAL.offset), Places(0x1000, 0x2000)


class Rings:
    """Of one driver."""

    def __init__(self, bus: Bus, memory: Arena, places: Places = PHYSICAL) -> None:
        self._bus, self._memory, self._places = bus, memory, places
        self._rings: list[int] = []
        self._sent: dict[int, int] = {}
        """Descriptor -> the buffer that it points to."""
        self._filled: dict[int, int] = {}
        self._next_tx = self._clean_tx = self._next_rx = 0

    def make(self) -> None:
        """Rings in memory, buffers to receive into, and both queues on: what was set before may be there still."""
        for register in (r.RXDCTL, r.TXDCTL, r.RDH, r.RDT, r.TDH, r.TDT):
            self._write(register, 0)
        transmit, receive = self._memory.take(RING * SIZE), self._memory.take(RING * SIZE)
        self._rings = [transmit, receive]
        self._next_tx = self._clean_tx = self._next_rx = 0
        for low, high, length, where in ((r.TDBAL, r.TDBAH, r.TDLEN, transmit), (r.RDBAL, r.RDBAH, r.RDLEN, receive)):
            self._write(low, where & 0xFFFFFFFF)
            self._write(high, where >> 32)
            self._write(length, RING * SIZE)
        for index in range(RING):
            self._fill(index)
        self._write(r.SRRCTL, r.SRRCTL.encode(DESCTYPE=1, BSIZEPACKET=BUFFER // 1024))
        self._write(r.RXDCTL, r.RXDCTL.encode(ENABLE=1))
        self._write(r.RDT, RING - 1)
        self._write(r.TXDCTL, r.TXDCTL.encode(ENABLE=1))

    def drop(self) -> None:
        """All memory goes back; the queues are off."""
        for address in (*self._rings, *self._sent.values(), *self._filled.values()):
            self._memory.give_back(address)
        self._rings.clear()
        self._sent.clear()
        self._filled.clear()

    # ----------------------------------------------------------------------------------------------------------- transmit

    def send(self, frame: bytes, data: Data, context: Context | None = None) -> None:
        """`data` says all but where the frame is. `Misuse` when the ring is full."""
        self._clean()
        if RING - 1 - (self._next_tx - self._clean_tx) % RING < 2:
            raise Misuse("the ring is full")
        if context is not None:
            self._give(context.octets())
        address = self._memory.take(len(frame))
        self._memory.write(address, frame)
        self._sent[self._next_tx] = address
        self._give(replace(data, address=address).octets())
        self._write(r.TDT, self._next_tx)

    def _give(self, octets: bytes) -> None:
        self._memory.write(self._rings[0] + self._next_tx * SIZE, octets)
        self._next_tx = (self._next_tx + 1) % RING

    def _clean(self) -> None:
        """Buffers that the chip is done with go back."""
        while self._clean_tx != self._next_tx:
            if self._clean_tx in self._sent:
                done = self._memory.read(self._rings[0] + self._clean_tx * SIZE + 12, 4)
                if not done[0] & 1:
                    return
                self._memory.give_back(self._sent.pop(self._clean_tx))
            self._clean_tx = (self._clean_tx + 1) % RING

    # ------------------------------------------------------------------------------------------------------------ receive

    def received(self) -> Iterator[tuple[bytes, Report]]:
        """What has come since the last time, in order, with the report of its last part."""
        frame = b""
        while True:
            at = self._rings[1] + self._next_rx * SIZE
            report = Report.read(self._memory.read(at, SIZE))
            if not report.done:
                return
            address = self._filled.pop(self._next_rx)
            frame += self._memory.read(address, report.length)
            self._memory.give_back(address)
            self._fill(self._next_rx)
            self._write(r.RDT, self._next_rx)
            self._next_rx = (self._next_rx + 1) % RING
            if report.last:
                yield frame, report
                frame = b""

    def _fill(self, index: int) -> None:
        self._filled[index] = self._memory.take(BUFFER)
        self._memory.write(self._rings[1] + index * SIZE, Buffer(self._filled[index]).octets())

    def _write(self, register: Register, word: int) -> None:
        self._bus.write(self._places.of(register), word)
