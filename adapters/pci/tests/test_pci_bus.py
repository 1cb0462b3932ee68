"""A bus with a function on it, and a kernel that the test plays: memory in a file, two queues, kicks with answers."""

import os
import select
import socket
import struct
import threading
from collections.abc import Iterator

import pytest

from espproof.adapters.base import AdapterError
from espproof.adapters.pci.bus import Bus
from espproof.adapters.pci.vhost_user import Command, Request
from espproof.adapters.pci.virtqueue import Chain, GuestMemory, Virtqueue
from espproof.reference.offload.memory import Fault

SIZE, FIRST = 1 << 16, 0x7000_0000
QUEUES = (0x0, 0x2000)
"""Where each queue's descriptors begin; behind them, by 1 KiB each, what is available and what is used."""


class Memo:
    """A function that remembers, and answers what was written last."""

    def __init__(self) -> None:
        self.written: list[tuple[int, int, bytes]] = []
        self.configured: list[tuple[int, int, int]] = []

    def read(self, window: int, at: int, size: int) -> bytes:
        return self.written[-1][2].ljust(size, b"\0")[:size]

    def write(self, window: int, at: int, octets: bytes) -> None:
        self.written.append((window, at, octets))

    def read_configuration(self, at: int, size: int) -> int:
        return at

    def configure(self, at: int, size: int, value: int) -> None:
        self.configured.append((at, size, value))


class Kernel:
    """Connected, with memory and queues; `call` has what the device calls."""

    def __init__(self, bus: Bus, number: int = 0) -> None:
        self.file = os.memfd_create("guest")
        os.truncate(self.file, SIZE)
        self.end = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.end.connect(str(bus.slots[number].path))
        self.end.settimeout(5)
        self.calls, theirs = socket.socketpair()
        self._next = [0, 0]
        assert self.ask(Request.GET_FEATURES)[:8] == (1 << 30 | 1 << 32).to_bytes(8, "little")
        self.say(Request.SET_SLAVE_FD, bytes(8), theirs.fileno())
        theirs.close()
        table = struct.pack("<IIQQQQ", 1, 0, FIRST, SIZE, FIRST, 0)
        self.say(Request.SET_MEM_TABLE, table, self.file)
        for queue, base in enumerate(QUEUES):
            self.say(Request.SET_VRING_NUM, struct.pack("<II", queue, 8))
            self.say(Request.SET_VRING_BASE, struct.pack("<II", queue, 0))
            places = FIRST + base, FIRST + base + 0x800, FIRST + base + 0x400
            self.say(Request.SET_VRING_ADDR, struct.pack("<IIQQQQ", queue, 0, *places, 0))
            self.say(Request.SET_VRING_ENABLE, struct.pack("<II", queue, 1))

    def say(self, request: int, content: bytes = b"", *descriptors: int) -> bytes:
        """A message that is answered."""
        message = struct.pack("<III", request, 1 | 8, len(content)) + content
        socket.send_fds(self.end, [message], list(descriptors))
        return self.answer()

    def ask(self, request: int) -> bytes:
        self.end.sendall(struct.pack("<III", request, 1, 0))
        return self.answer()

    def answer(self) -> bytes:
        header = self.end.recv(12, socket.MSG_WAITALL)
        if not header:
            raise ConnectionResetError
        return self.end.recv(struct.unpack("<III", header)[2], socket.MSG_WAITALL)

    def put(self, at: int, octets: bytes) -> None:
        os.pwrite(self.file, octets, at)

    def get(self, at: int, length: int) -> bytes:
        return os.pread(self.file, length, at)

    def offer(self, queue: int, octets: bytes, room: int = 0) -> None:
        """One chain: octets to read and room to write, at the end of memory."""
        base, index = QUEUES[queue], self._next[queue]
        place, head = 0x8000 + 0x4000 * queue + 0x200 * (index % 8), index % 4 * 2
        self.put(place, octets)
        parts = ([(place, len(octets), 0)] if octets else []) + ([(place + 0x100, room, 2)] if room else [])
        for number, (at, length, flags) in enumerate(parts):
            following = 1 if number + 1 < len(parts) else 0
            entry = struct.pack("<QIHH", FIRST + at, length, flags | following, head + number + 1)
            self.put(base + 16 * (head + number), entry)
        self.put(base + 0x404 + 2 * (index % 8), struct.pack("<H", head))
        self._next[queue] = index + 1
        self.put(base + 0x402, struct.pack("<H", index + 1))

    def kick(self, queue: int = 0) -> None:
        """Whatever follows from it has been done: interrupts go after the answer, so another question is answered."""
        self.say(Request.VRING_KICK, struct.pack("<II", queue, 0))
        self.ask(Request.GET_FEATURES)

    def command(self, operation: int, at: int, size: int, content: bytes = b"", room: int = 0) -> bytes:
        place = 0x8100 + 0x200 * (self._next[0] % 8)
        self.offer(0, struct.pack("<BBHIQ", operation, 0, 0, size, at) + content, room)
        self.kick()
        return self.get(place, room)

    def used(self, queue: int) -> int:
        return int.from_bytes(self.get(QUEUES[queue] + 0x802, 2), "little")

    def is_called(self) -> tuple[int, ...]:
        """The queues that were called, in order."""
        found = []
        while select.select([self.calls], [], [], 0)[0]:
            found.append(struct.unpack("<IIIII", self.calls.recv(20))[3])
        return tuple(found)


@pytest.fixture
def bus() -> Iterator[Bus]:
    made = Bus(1)
    made.slots[0].function = Memo()
    made.start()
    yield made
    made.close()


def test_accesses_are_carried_out_before_they_are_answered(bus: Bus) -> None:
    """Reads and writes of windows and configuration, and a window that is filled with one octet."""
    memo = bus.slots[0].function
    assert isinstance(memo, Memo)
    kernel = Kernel(bus)
    kernel.command(Command.MMIO_WRITE, 0x8900, 4, b"\1\2\3\4")
    assert memo.written == [(0, 0x8900, b"\1\2\3\4")]
    assert kernel.command(Command.MMIO_READ, 0, 4, room=4) == b"\1\2\3\4"
    assert kernel.command(Command.CFG_READ, 0x40, 2, room=2) == b"\x40\0"
    kernel.command(Command.CFG_WRITE, 4, 2, b"\7\0\0\0\0\0\0\0")
    assert memo.configured == [(4, 2, 7)]
    kernel.command(Command.MMIO_MEMSET, 0x10, 6, b"\xaa")
    assert memo.written[-1] == (0, 0x10, b"\xaa" * 6)
    assert kernel.used(0) == 5
    assert bus.failure is None


def test_writes_that_nobody_reaps_are_announced(bus: Bus) -> None:
    """A kernel frees posted writes when it is called, or with its next read."""
    kernel = Kernel(bus)
    for _ in range(16):
        assert not kernel.is_called()
        kernel.command(Command.MMIO_WRITE, 0, 4, bytes(4))
    assert kernel.is_called() == (0,)


def test_interrupts_wait_for_buffers(bus: Bus) -> None:
    """They go to the queue for them, each in a buffer of the kernel's, and are announced."""
    kernel = Kernel(bus)
    bus.slots[0].interrupt(0xFEE00000, 0x31)
    kernel.kick(1)
    assert not kernel.is_called()
    kernel.offer(1, b"", room=20)
    kernel.offer(1, b"", room=20)
    bus.slots[0].interrupt(0xFEE00000, 0x32)
    kernel.kick(1)
    assert set(kernel.is_called()) == {1}  # twice, if the first goes before the second is there
    assert kernel.used(1) == 2
    first = kernel.get(0xC100, 20)
    assert first == struct.pack("<BBHIQI", Command.MSI, 0, 0, 4, 0xFEE00000, 0x31)


def test_something_else_is_done_between_two_accesses(bus: Bus) -> None:
    """By the thread of the bus, and interrupts that come of it go out at once; a bus that has ended does nothing."""
    kernel = Kernel(bus)
    kernel.offer(1, b"", room=20)
    threads = []

    def happens() -> None:
        threads.append(threading.current_thread().name)
        bus.slots[0].interrupt(0xA0000, 7)

    assert bus.do(happens, 5)
    assert (threads, kernel.is_called(), kernel.used(1)) == (["PCI"], (1,), 1)
    kernel.end.close()
    assert bus.wait(5)
    assert not bus.do(happens, 0.01)


def test_a_device_reads_and_writes_memory_of_the_guest(bus: Bus) -> None:
    """And nothing else."""
    kernel = Kernel(bus)
    kernel.put(0xF000, b"from the guest")
    slot = bus.slots[0]
    assert slot.read(FIRST + 0xF000, 14) == b"from the guest"
    slot.write(FIRST + 0xF000, b"to")
    assert kernel.get(0xF000, 4) == b"toom"
    for address, length in ((FIRST - 1, 1), (FIRST + SIZE - 1, 2), (FIRST + SIZE, 1), (0, 4)):
        with pytest.raises(Fault):
            slot.read(address, length)


@pytest.mark.parametrize(
    ("request_", "content"),
    [
        (Request.SET_VRING_NUM, struct.pack("<II", 0, 3)),
        (Request.SET_VRING_NUM, struct.pack("<II", 7, 8)),
        (Request.SET_VRING_ADDR, b"short"),
        (Request.SET_MEM_TABLE, struct.pack("<II", 2, 0)),
        (Request.VRING_KICK, b""),
    ],
)
def test_what_no_kernel_says_ends_the_bus(bus: Bus, request_: int, content: bytes) -> None:
    """With a reason; the kernel finds the device gone."""
    kernel = Kernel(bus)
    with pytest.raises(ConnectionError):
        kernel.say(request_, content)
    bus._thread.join(5)
    assert isinstance(bus.failure, AdapterError)


@pytest.mark.parametrize("command", [struct.pack("<BBHIQ", 99, 0, 0, 4, 0), b"short"])
def test_commands_that_there_are_not(bus: Bus, command: bytes) -> None:
    """The same."""
    kernel = Kernel(bus)
    kernel.offer(0, command)
    with pytest.raises(ConnectionError):
        kernel.kick()
    bus._thread.join(5)
    assert isinstance(bus.failure, AdapterError)


def test_a_kernel_that_goes_ends_the_bus_quietly(bus: Bus) -> None:
    """That is how machines end."""
    Kernel(bus).end.close()
    bus._thread.join(5)
    assert not bus._thread.is_alive()
    assert bus.failure is None


def test_a_chain_has_an_end() -> None:
    """A circle of descriptors, and one that points beyond the queue, are errors and no loops."""
    octets = bytearray(4096)
    memory = GuestMemory(memoryview(octets), 0, 4096, 0)
    queue = Virtqueue()
    queue.resize(2)
    queue.descriptors, queue.available, queue.used = 0, 0x400, 0x800
    octets[0x402] = 1
    for following in (0, 9):
        queue.begin(0)
        octets[0:16] = struct.pack("<QIHH", 0x900, 1, 1, following)
        with pytest.raises(AdapterError):
            queue.take(memory)


def test_an_answer_is_cut_to_its_room() -> None:
    """What a device says beyond it is lost; where there is no room there is no answer."""
    octets = bytearray(4096)
    memory = GuestMemory(memoryview(octets), 0, 4096, 0)
    queue = Virtqueue()
    queue.resize(2)
    queue.used = 0x800
    queue.give_back(memory, Chain(1, b"", (0x900, 2)), b"abc")
    assert octets[0x900:0x903] == b"ab\0"
    assert octets[0x802:0x80C] == struct.pack("<HII", 1, 1, 2)
    queue.give_back(memory, Chain(0, b"", None), b"abc")
    assert octets[0x80C:0x814] == struct.pack("<II", 0, 0)
