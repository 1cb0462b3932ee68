"""A PCI function as its bus sees it: configuration space, and interrupts that are messages (MSI-X).

    Capability      an entry of the list of capabilities, with the bits of it that can be written
    Configuration   4 KiB, of which the header, the windows (BARs) and the capabilities are there
    Sharing         what a function says of virtual functions beside it (SR-IOV)
    Vectors         the table of MSI-X and its pending bits; sends a message, or keeps it until it may be sent

After PCI Local Bus 3.0 (6.1, 6.2.5, 6.8.2), and Single Root I/O Virtualization 1.1 (3.3).
Octets are least significant first. All windows are 64-bit memory.
"""

import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from espproof.reference.errors import Misuse

CAPABILITY_POWER, CAPABILITY_EXPRESS, CAPABILITY_MSIX = 0x01, 0x10, 0x11
_SIZE = 4096
_COMMAND, _CACHE_LINE, _WINDOWS, _LIST, _LINE = 0x04, 0x0C, 0x10, 0x34, 0x3C
_WINDOW_ENTRIES = 6
_HAS_LIST = 0x10
_MEMORY_64 = 0x4
_COMMAND_BITS = 0x0547
"""Of the command register: memory, master, parity, SERR, no INTx, and I/O, which is not there."""
_SHARING_AT, _SHARING = 0x100, 0x0001_0010
"""Where the list of extended capabilities begins, and what stands there: SR-IOV, and no other."""
_FUNCTIONS = struct.Struct("<IIHHHHHHHHHHII")
_PAGE_SIZES, _PAGE_SIZE = 0x553, 1
"""Of the windows of virtual functions: what can be had, and 4 KiB."""
_ENTRY = struct.Struct("<IIII")
_MSIX_ENABLE, _MSIX_MASK = 0x8000, 0x4000


@dataclass(frozen=True, slots=True)
class Capability:
    """`content` is what stands behind id and link, from the third octet on; `writable` are bits of it, or fewer."""

    id: int
    at: int
    content: bytes
    writable: bytes = b""


@dataclass(frozen=True, slots=True)
class Sharing:
    """`count` virtual functions of that device; the first stands `offset` places behind this function, each other `stride`
    behind the one before. `windows` are those of each."""

    count: int
    device: int
    offset: int
    stride: int
    windows: Mapping[int, int]

    def octets(self) -> bytes:
        """The capability up to its windows."""
        numbers = self.count, self.count, 0, 0, self.offset, self.stride, 0, self.device
        return _FUNCTIONS.pack(_SHARING, 0, 0, 0, *numbers, _PAGE_SIZES, _PAGE_SIZE)

    @staticmethod
    def writable() -> bytes:
        """Control, number of functions, and size of pages."""
        return _FUNCTIONS.pack(0, 0, 0x1F, 0, 0, 0, 0xFFFF, 0, 0, 0, 0, 0, 0, 0xFFFFFFFF)


class Configuration:
    """`windows` are octets by number of the BAR, each a power of two; a window takes two entries."""

    def __init__(
        self,
        vendor: int,
        device: int,
        kind: int,
        windows: Mapping[int, int],
        capabilities: Sequence[Capability],
        sharing: Sharing | None = None,
    ) -> None:
        self._octets, self._writable = bytearray(_SIZE), bytearray(_SIZE)
        self._windows = {_WINDOWS: windows}
        struct.pack_into("<HHHH", self._octets, 0, vendor, device, 0, _HAS_LIST if capabilities else 0)
        struct.pack_into("<I", self._octets, 8, kind << 8 | 1)
        struct.pack_into("<H", self._writable, _COMMAND, _COMMAND_BITS)
        self._writable[_CACHE_LINE] = self._writable[_LINE] = 0xFF
        self._octets[_LINE + 1] = 1
        if sharing is not None:
            end = _SHARING_AT + _FUNCTIONS.size
            self._octets[_SHARING_AT:end], self._writable[_SHARING_AT:end] = sharing.octets(), sharing.writable()
            self._windows[end] = sharing.windows
        for at, those in self._windows.items():
            for number in those:
                self._octets[at + 4 * number] = _MEMORY_64
        link = _LIST
        for one in capabilities:
            self._octets[link] = one.at
            self._octets[one.at] = one.id
            self._octets[one.at + 2 : one.at + 2 + len(one.content)] = one.content
            self._writable[one.at + 2 : one.at + 2 + len(one.writable)] = one.writable
            link = one.at + 1

    def read(self, at: int, size: int) -> int:
        """1, 2 or 4 octets; all ones where nothing stands."""
        if at + size > _SIZE:
            return (1 << 8 * size) - 1
        return int.from_bytes(self._octets[at : at + size], "little")

    def write(self, at: int, size: int, value: int) -> None:
        """Bits that cannot be written stay; an address of a window is cut to what the window is aligned to."""
        if at + size > _SIZE:
            return
        for first, windows in self._windows.items():
            entry, rest = divmod(at - first, 4)
            if 0 <= entry < _WINDOW_ENTRIES:
                if rest or size != 4:
                    raise Misuse(f"{size} octets written to a BAR at {at:#x}")
                self._octets[at : at + 4] = _address(windows, entry, value).to_bytes(4, "little")
                return
        for place, octet in enumerate(value.to_bytes(size, "little"), at):
            mask = self._writable[place]
            self._octets[place] = self._octets[place] & ~mask & 0xFF | octet & mask


def _address(windows: Mapping[int, int], entry: int, value: int) -> int:
    if entry in windows:
        return value & ~(windows[entry] - 1) & 0xFFFFFFFF | _MEMORY_64
    return value if entry - 1 in windows else 0


class Vectors:
    """`configuration` says whether messages are sent at all; `send` takes address and data of one."""

    ENTRY = _ENTRY.size

    def __init__(self, count: int, configuration: Configuration, at: int, send: Callable[[int, int], None]) -> None:
        self._count, self._send = count, send
        self._configuration, self._at = configuration, at
        self._table = bytearray(count * _ENTRY.size)
        for number in range(count):
            self._table[number * _ENTRY.size + 12] = 1
        self._pending: set[int] = set()

    def read(self, at: int, size: int) -> bytes:
        """Of the table."""
        return bytes(self._table[at : at + size]).ljust(size, b"\0")

    def pending(self, at: int, size: int) -> bytes:
        """Of the pending bits."""
        bits = sum(1 << number for number in self._pending)
        return bits.to_bytes(-(-self._count // 64) * 8, "little")[at : at + size].ljust(size, b"\0")

    def write(self, at: int, octets: bytes) -> None:
        """To the table; what waited for a vector that may be used now is sent."""
        octets = octets[: max(len(self._table) - at, 0)]
        self._table[at : at + len(octets)] = octets
        self.flush()

    def signal(self, number: int) -> None:
        """A message of that vector, now or when it may be sent; one is enough for all that happened meanwhile."""
        if number < self._count:
            self._pending.add(number)
            self.flush()

    def flush(self) -> None:
        """Send what may be sent."""
        control = self._configuration.read(self._at + 2, 2)
        if not control & _MSIX_ENABLE or control & _MSIX_MASK:
            return
        for number in sorted(self._pending):
            low, high, data, masked = _ENTRY.unpack_from(self._table, number * _ENTRY.size)
            if not masked & 1:
                self._pending.discard(number)
                self._send(low | high << 32, data)


def msix(at: int, count: int, window: int, pending_at: int) -> Capability:
    """The capability of so many vectors, whose table begins a window."""
    content = struct.pack("<HII", count - 1, window, pending_at | window)
    return Capability(CAPABILITY_MSIX, at, content, (_MSIX_ENABLE | _MSIX_MASK).to_bytes(2, "little"))
