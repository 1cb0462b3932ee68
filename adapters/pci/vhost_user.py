"""One PCI function behind a socket: vhost-user (QEMU's document of that name), and the messages of virtio-pcidev.

    kernel ── socket ──► memory, rings, kicks          each is answered when what it asks for is done
    kernel ── queue 0 ──► accesses to configuration and windows
    kernel ◄── queue 1 ── interrupts, announced over the second socket that the kernel hands over

Facts: include/uapi/linux/virtio_pcidev.h, arch/um/drivers/vhost_user.h of Linux.
"""

import array
import mmap
import os
import socket
import struct
from contextlib import suppress
from enum import IntEnum
from typing import Protocol

from espproof.adapters.base import AdapterError
from espproof.adapters.pci.virtqueue import Chain, GuestMemory, Virtqueue

_HEADER = struct.Struct("<III")
_SHORT_PAIR, _LONG = struct.Struct("<II"), struct.Struct("<Q")
_RING_ADDRESSES = struct.Struct("<IIQQQQ")
_REGION = struct.Struct("<QQQQ")
_COMMAND = struct.Struct("<BBHIQ")
"""Operation, window, reserved, octets, address."""
_VERSION, _REPLY, _WANTS_REPLY = 1, 4, 8
_LARGEST = 1 << 12


class Request(IntEnum):
    """Messages of vhost-user that a kernel sends; all others are answered and mean nothing here."""

    GET_FEATURES = 1
    SET_OWNER = 3
    SET_MEM_TABLE = 5
    SET_VRING_NUM = 8
    SET_VRING_ADDR = 9
    SET_VRING_BASE = 10
    GET_PROTOCOL_FEATURES = 15
    SET_VRING_ENABLE = 18
    SET_SLAVE_FD = 21
    GET_CONFIG = 24
    VRING_KICK = 35


class Command(IntEnum):
    """Operations of virtio-pcidev."""

    CFG_READ = 1
    CFG_WRITE = 2
    MMIO_READ = 3
    MMIO_WRITE = 4
    MMIO_MEMSET = 5
    MSI = 7


_SLAVE_VRING_CALL = 4
_FEATURES = 1 << 30 | 1 << 32
"""PROTOCOL_FEATURES and VERSION_1."""
_PROTOCOL_FEATURES = 1 << 3 | 1 << 5 | 1 << 9 | 1 << 14
"""REPLY_ACK, SLAVE_REQ, CONFIG, INBAND_NOTIFICATIONS."""
_COMMANDS, _INTERRUPTS = 0, 1
_UNREAPED = 16
"""Writes after which the guest is called: it frees them only then, or with its next read."""


class Function(Protocol):
    """A device, as `reference.offload.niantic.board.Board` is one."""

    def read(self, window: int, at: int, size: int) -> bytes: ...

    def write(self, window: int, at: int, octets: bytes) -> None: ...

    def read_configuration(self, at: int, size: int) -> int: ...

    def configure(self, at: int, size: int, value: int) -> None: ...


class Port:
    """The end of one connection. `AdapterError` for what a kernel does not say."""

    def __init__(self, connection: socket.socket, function: Function) -> None:
        self._connection, self._function = connection, function
        self._queues = Virtqueue(), Virtqueue()
        self._interrupts: list[bytes] = []
        self._caller: socket.socket | None = None
        self._writes = 0
        self._memory: GuestMemory | None = None

    def close(self) -> None:
        self._connection.close()
        if self._caller is not None:
            self._caller.close()

    def fileno(self) -> int:
        return self._connection.fileno()

    def serve(self) -> bool:
        """The next message; False when the kernel has closed its end."""
        octets, descriptors = _receive(self._connection)
        try:
            if len(octets) < _HEADER.size:
                return False
            request, flags, size = _HEADER.unpack_from(octets)
            if size > _LARGEST:
                raise AdapterError(f"a vhost-user message of {size} octets")
            while len(octets) < _HEADER.size + size:
                more = self._connection.recv(_HEADER.size + size - len(octets))
                if not more:
                    return False
                octets += more
            answer = self._answer(request, octets[_HEADER.size :], descriptors)
        finally:
            for descriptor in descriptors:
                with suppress(OSError):
                    os.close(descriptor)
        if answer is None and flags & _WANTS_REPLY:
            answer = bytes(8)
        if answer is not None:
            self._connection.sendall(_HEADER.pack(request, _VERSION | _REPLY, len(answer)) + answer)
        self.flush()
        return True

    def _answer(self, request: int, content: bytes, descriptors: list[int]) -> bytes | None:
        try:
            match request:
                case Request.VRING_KICK:
                    if content[0] == _COMMANDS:
                        self._obey()
                case Request.GET_FEATURES:
                    return _LONG.pack(_FEATURES)
                case Request.GET_PROTOCOL_FEATURES:
                    return _LONG.pack(_PROTOCOL_FEATURES)
                case Request.GET_CONFIG:
                    return content
                case Request.SET_MEM_TABLE:
                    self._share(content, descriptors)
                case Request.SET_SLAVE_FD:
                    self._caller = socket.socket(fileno=descriptors.pop(0))
                case Request.SET_VRING_NUM:
                    number, size = _SHORT_PAIR.unpack(content)
                    self._queues[number].resize(size)
                case Request.SET_VRING_BASE:
                    number, index = _SHORT_PAIR.unpack(content)
                    self._queues[number].begin(index)
                case Request.SET_VRING_ENABLE:
                    number, enabled = _SHORT_PAIR.unpack(content)
                    self._queues[number].enabled = bool(enabled)
                case Request.SET_VRING_ADDR:
                    number, _, table, used, available, _ = _RING_ADDRESSES.unpack(content)
                    queue = self._queues[number]
                    queue.descriptors, queue.used, queue.available = table, used, available
        except (IndexError, struct.error) as error:
            raise AdapterError(f"vhost-user request {request} with {content[:32].hex()}") from error
        return None

    def _share(self, content: bytes, descriptors: list[int]) -> None:
        """User-mode Linux has one region, and one address for each octet: its own."""
        (count,) = struct.unpack_from("<I", content)
        if count != 1 or len(descriptors) != 1:
            raise AdapterError(f"{count} regions of memory")
        first, size, _, offset = _REGION.unpack_from(content, 8)
        self._memory = GuestMemory(memoryview(mmap.mmap(descriptors[0], 0)), first, size, offset)

    # --------------------------------------------------------------------------------------------------------- accesses

    def _obey(self) -> None:
        queue, memory = self._queues[_COMMANDS], self.memory
        for chain in queue.chains(memory):
            queue.give_back(memory, chain, self._carried_out(chain))
            self._writes = 0 if chain.room is not None else self._writes + 1
        if self._writes >= _UNREAPED:
            self._writes = 0
            self._call(_COMMANDS)

    def _carried_out(self, chain: Chain) -> bytes:
        if len(chain.sent) < _COMMAND.size:
            raise AdapterError(f"a PCI command of {len(chain.sent)} octets")
        operation, window, _, size, at = _COMMAND.unpack_from(chain.sent)
        content = chain.sent[_COMMAND.size : _COMMAND.size + size]
        if operation == Command.MMIO_READ:
            return self._function.read(window, at, size)
        if operation == Command.CFG_READ:
            return self._function.read_configuration(at, size).to_bytes(size, "little")
        if operation == Command.MMIO_WRITE:
            self._function.write(window, at, content)
        elif operation == Command.CFG_WRITE:
            self._function.configure(at, size, int.from_bytes(content, "little"))
        elif operation == Command.MMIO_MEMSET:
            self._function.write(window, at, content[:1] * size)
        else:
            raise AdapterError(f"PCI operation {operation}")
        return b""

    @property
    def memory(self) -> GuestMemory:
        """The guest's."""
        if self._memory is None:
            raise AdapterError("no memory is shared yet")
        return self._memory

    # ------------------------------------------------------------------------------------------------------- interrupts

    def interrupt(self, address: int, data: int) -> None:
        """A message of the function: that the kernel has it soon is `flush`'s affair."""
        self._interrupts.append(_COMMAND.pack(Command.MSI, 0, 0, 4, address) + struct.pack("<I", data))

    def flush(self) -> None:
        """Interrupts go as far as the kernel has buffers for them."""
        queue = self._queues[_INTERRUPTS]
        if not self._interrupts or not queue.enabled or self._memory is None:
            return
        given = 0
        while self._interrupts and (chain := queue.take(self.memory)) is not None:
            queue.give_back(self.memory, chain, self._interrupts.pop(0))
            given += 1
        if given:
            self._call(_INTERRUPTS)

    def _call(self, queue: int) -> None:
        if self._caller is not None:
            with suppress(BrokenPipeError, ConnectionResetError):
                self._caller.sendall(_HEADER.pack(_SLAVE_VRING_CALL, _VERSION, 8) + _SHORT_PAIR.pack(queue, 0))


def _receive(connection: socket.socket) -> tuple[bytes, list[int]]:
    """A header, and the descriptors that come with it."""
    try:
        octets, ancillary, _, _ = connection.recvmsg(_HEADER.size, socket.CMSG_SPACE(16))
    except ConnectionResetError:
        return b"", []
    descriptors: list[int] = []
    for level, kind, content in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            taken = array.array("i")
            taken.frombytes(content[: len(content) - len(content) % taken.itemsize])
            descriptors += taken
    while 0 < len(octets) < _HEADER.size:
        more = connection.recv(_HEADER.size - len(octets))
        if not more:
            return b"", descriptors
        octets += more
    return octets, descriptors
