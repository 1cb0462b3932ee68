"""A split virtqueue (virtio 1.1, 2.6) in memory that is shared with a guest, from the device's side."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from espproof.adapters.base import AdapterError
from espproof.reference.offload.memory import Fault

_DESCRIPTOR = struct.Struct("<QIHH")
_USED = struct.Struct("<II")
_SHORT = struct.Struct("<H")
_NEXT, _WRITE = 1, 2
_RINGS = 1 << 16
"""Indices wrap there."""
_MOST = 1 << 15
"""Descriptors of the largest queue."""


class GuestMemory:
    """What a guest shares, as a device sees it. Addresses are the guest's; `Fault` outside."""

    def __init__(self, octets: memoryview, first: int, size: int, offset: int) -> None:
        """`size` octets from address `first` on are those of `octets` from `offset` on."""
        if offset + size > len(octets):
            raise AdapterError(f"{size} octets of memory at {offset} of a file of {len(octets)}")
        self._octets, self._first, self._size, self._offset = octets, first, size, offset

    def at(self, address: int, length: int) -> int:
        """The place in the octets."""
        if not self._first <= address <= address + length <= self._first + self._size:
            raise Fault(f"{length} octets at {address:#x} are not the guest's")
        return address - self._first + self._offset

    def read(self, address: int, length: int) -> bytes:
        start = self.at(address, length)
        return bytes(self._octets[start : start + length])

    def write(self, address: int, octets: bytes) -> None:
        start = self.at(address, len(octets))
        self._octets[start : start + len(octets)] = octets


@dataclass(slots=True)
class Chain:
    """What the guest has put into the queue as one: octets to read, and where an answer has room."""

    head: int
    sent: bytes
    room: tuple[int, int] | None
    """Address and length."""


class Virtqueue:
    """`size` descriptors; the addresses are those of its three parts."""

    def __init__(self) -> None:
        self.size = self.descriptors = self.available = self.used = 0
        self.enabled = False
        self._seen = self._told = 0

    def begin(self, index: int) -> None:
        """Both sides go on from there."""
        self._seen = self._told = index

    def resize(self, size: int) -> None:
        """`AdapterError` for a size that no queue has."""
        if not 0 < size <= _MOST or size & size - 1:
            raise AdapterError(f"a queue of {size} descriptors")
        self.size = size

    def chains(self, memory: GuestMemory) -> Iterator[Chain]:
        """What has come, until there is nothing more."""
        while self.size and self._seen != _SHORT.unpack(memory.read(self.available + 2, 2))[0]:
            yield self._next(memory)

    def take(self, memory: GuestMemory) -> Chain | None:
        """What has come next, if there is something."""
        return next(self.chains(memory), None)

    def _next(self, memory: GuestMemory) -> Chain:
        place = self.available + 4 + 2 * (self._seen % self.size)
        head = index = _SHORT.unpack(memory.read(place, 2))[0]
        self._seen = (self._seen + 1) % _RINGS
        sent, room = b"", None
        for _ in range(self.size):
            if index >= self.size:
                raise AdapterError(f"descriptor {index} of a queue of {self.size}")
            address, length, flags, following = _DESCRIPTOR.unpack(
                memory.read(self.descriptors + index * _DESCRIPTOR.size, _DESCRIPTOR.size)
            )
            if flags & _WRITE:
                room = address, length
            else:
                sent += memory.read(address, length)
            if not flags & _NEXT:
                return Chain(head, sent, room)
            index = following
        raise AdapterError("a chain of descriptors without an end")

    def give_back(self, memory: GuestMemory, chain: Chain, answer: bytes = b"") -> None:
        """The guest has it again, with an answer cut to the room for it."""
        address, room = chain.room or (0, 0)
        if answer := answer[:room]:
            memory.write(address, answer)
        memory.write(self.used + 4 + _USED.size * (self._told % self.size), _USED.pack(chain.head, len(answer)))
        self._told = (self._told + 1) % _RINGS
        memory.write(self.used + 2, _SHORT.pack(self._told))
