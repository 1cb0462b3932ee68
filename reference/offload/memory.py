"""What the host lends to a device: octets at bus addresses, and nothing outside of them.

A device reads and writes by direct access, without the processor. Where it does so at an address that the host has not
given it, a real machine is corrupted, or its IOMMU faults; here that is `Fault`, the finding of whoever runs the model.
"""

from typing import Protocol

from espproof.reference.errors import Misuse


class Fault(Exception):
    """A device touched memory that it was not given; says address and length."""


class Memory(Protocol):
    """As a device sees it. Addresses and lengths are in octets; `Fault` outside of what the host has lent."""

    def read(self, address: int, length: int) -> bytes: ...

    def write(self, address: int, octets: bytes) -> None: ...


class Arena:
    """Memory in one piece, from `base` on, of which the host takes parts and gives them back.

    A part that is given back is overwritten, so that nothing which a device still reads from it looks right.
    """

    FREED = 0xDF
    _LINE = 128

    def __init__(self, size: int, base: int = 0x10000) -> None:
        self.base = base
        self.octets = bytearray(size)
        self._next = base
        self._taken: dict[int, int] = {}
        self._free: dict[int, list[int]] = {}

    def take(self, length: int) -> int:
        """The address of `length` zeroed octets, at a multiple of 128. `Misuse` when there is no room."""
        room = -(-length // self._LINE) * self._LINE
        if self._free.get(room):
            address = self._free[room].pop()
        elif self._next + room <= self.base + len(self.octets):
            address = self._next
            self._next += room
        else:
            raise Misuse(f"no room for {length} octets: {len(self.octets)} in all")
        self._taken[address] = room
        self._put(address, bytes(room))
        return address

    def give_back(self, address: int) -> None:
        """`Misuse` for what was not taken."""
        room = self._taken.pop(address, 0)
        if not room:
            raise Misuse(f"nothing was taken at {address:#x}")
        self._put(address, bytes([self.FREED]) * room)
        self._free.setdefault(room, []).append(address)

    @property
    def taken(self) -> int:
        """How many parts are out."""
        return len(self._taken)

    def read(self, address: int, length: int) -> bytes:
        self._check(address, length)
        at = address - self.base
        return bytes(self.octets[at : at + length])

    def write(self, address: int, octets: bytes) -> None:
        self._check(address, len(octets))
        self._put(address, octets)

    def _put(self, address: int, octets: bytes) -> None:
        at = address - self.base
        self.octets[at : at + len(octets)] = octets

    def _check(self, address: int, length: int) -> None:
        for start, room in self._taken.items():
            if start <= address and address + length <= start + room:
                return
        raise Fault(f"{length} octets at {address:#x} are nobody's")
