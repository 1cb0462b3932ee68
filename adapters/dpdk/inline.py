"""rte_ipsec over DPDK's own net_ixgbe, and the card below it, in one process: an 82599 as the data sheet has it.

    rte_ipsec ─► net_ixgbe ─► registers: faults of `card.c` ─► `Board`, the model
                 rings, buffers: memory of DPDK's ◄─── the model reads and writes

DPDK finds the card in a folder that says what /sys says of one, and does not know that there is none. What an application
has to do stands in `inline.c`. The process is a child of the suite's (`niantic.py`), as a driver may do anything to it.
Nothing befalls the card: when a port is stopped DPDK forgets SAs (rte_ethdev.h), and an application has to add them anew.

The inbound starting number is `ipsec_xform.esn.value`, which says what T is, but not that T was received: T and
`received_offsets` arrive as authentic packets, as in the adapter without a card.

A card keeps what a driver leaves in it. Between cases the addresses go, which the driver leaves in the table of addresses;
if more is left, the port is stopped and started, which empties everything.
"""

import ctypes
import hashlib
import os
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from espproof.adapters import cache, native, niantic_tables
from espproof.adapters.base import Adapter, AdapterError, Crashed
from espproof.adapters.capabilities import Capabilities, DeviceCapabilities, ReplayWindows
from espproof.adapters.case import (
    Burst,
    Delivered,
    DeviceState,
    Done,
    Dropped,
    InboundBurst,
    Octets,
    Outbound,
    Passed,
    Refused,
    Sa,
    Sent,
    Unsupported,
)
from espproof.adapters.translate import entry
from espproof.reference import endpoint, ip
from espproof.reference.offload.memory import Fault
from espproof.reference.offload.niantic.board import KX4, REGISTERS, VENDOR, Board
from espproof.reference.offload.niantic.tables import SAS

INSTALL = "apt-get install -y libdpdk-dev pkg-config gcc"
LIBRARY = native.Shim(
    "dpdk-niantic.so",
    Path(__file__).parent,
    ("card.c", "inline.c", "packets.c", "sad.c"),
    INSTALL,
    packages=("libdpdk",),
    flags=("-DALLOW_EXPERIMENTAL_API", "-Wl,--no-as-needed", "-lrte_bus_pci", "-lrte_net_ixgbe"),
    library=True,
)
DEVICE = DeviceCapabilities(
    rules="X550",
    encryption={"ENCR_AES_GCM_16": (16,)},
    inbound=("transport", "tunnel"),
    outbound=("transport", "tunnel"),
    most={"in": SAS, "out": SAS},
)
"""What the driver declares (`rte_security_capabilities_get`), but for AES-GMAC, which it declares and then refuses. Of
what is sent, the data sheet names transport mode alone; to the chip a packet of a tunnel looks the same."""
_MAC = bytes.fromhex("028259900001")
_ETHERNET = 14
_TYPES = {4: b"\x08\x00", 6: b"\x86\xdd"}
_FUNCTION = "0000:01:00.0"
_WINDOW_AT, _WINDOW = 0xF0000000, 0x80000
"""Where the card says that its registers are, and how many octets they take."""
_MICROSECOND = 1000
"""In nanoseconds."""
_MAX_PACKET, _MAX_WINDOW, _BURST = 9000, 4096, 32
"""As in `inline.h`; the window is rte_ipsec's."""
_DF = {"clear": 0, "set": 1, "copy": 2}
_DELIVERED, _DROPPED, _BYPASS = range(3)

_Read = ctypes.CFUNCTYPE(ctypes.c_uint32, ctypes.c_uint32)
_Write = ctypes.CFUNCTYPE(None, ctypes.c_uint32, ctypes.c_uint32)


class _Request(ctypes.Structure):
    """`struct inline_request`."""

    _fields_ = (
        ("number", ctypes.c_uint64),
        ("spi", ctypes.c_uint32),
        ("window", ctypes.c_uint32),
        ("key", ctypes.c_uint8 * 16),
        ("salt", ctypes.c_uint8 * 4),
        ("source", ctypes.c_uint8 * 16),
        ("destination", ctypes.c_uint8 * 16),
        *((name, ctypes.c_uint8) for name in ("inbound", "tunnel", "ipv6")),
        *((name, ctypes.c_uint8) for name in ("dscp_copied", "dscp", "ecn_normal", "df", "hop_limit")),
    )


class _Arrival(ctypes.Structure):
    """`struct inline_arrival`."""

    _fields_ = (
        ("octets", ctypes.c_void_p),
        ("size", ctypes.c_size_t),
        ("sa", ctypes.c_void_p),
        ("reason", ctypes.c_char_p),
        ("what", ctypes.c_int),
    )


class _Memory:
    """What DPDK has, for a card: addresses are those of this process."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self._may_touch = library.card_may_touch
        self._may_touch.argtypes = (ctypes.c_uint64, ctypes.c_size_t)
        self._may_touch.restype = ctypes.c_bool

    def read(self, address: int, length: int) -> bytes:
        self._check(address, length)
        return ctypes.string_at(address, length)

    def write(self, address: int, octets: bytes) -> None:
        self._check(address, len(octets))
        ctypes.memmove(address, octets, len(octets))

    def _check(self, address: int, length: int) -> None:
        if not self._may_touch(address, length):
            raise Fault(f"{length} octets at {address:#x} are not DPDK's")


class _Card:
    """The board behind the faults. What it raises cannot go through C, and is kept: `failure`."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self.failure: BaseException | None = None
        self.left: list[bytes] = []
        """Frames on the wire."""
        self.board = Board(_Memory(library), self.left.append, lambda address, data: None, _MAC)
        self._lock = threading.Lock()  # the driver has a thread of its own for what comes late
        self._callbacks = _Read(self._read), _Write(self._write)
        library.card_insert.restype = ctypes.c_bool
        library.card_insert.argtypes = (ctypes.c_uint64, ctypes.c_size_t, _Read, _Write)
        if not library.card_insert(_WINDOW_AT, _WINDOW, *self._callbacks):
            raise AdapterError("no room for the window of the card")

    def _read(self, at: int) -> int:
        word = self._guarded(lambda: self.board.read(REGISTERS, at, 4))
        return 0xFFFFFFFF if word is None else int.from_bytes(word, "little")

    def _write(self, at: int, word: int) -> None:
        self._guarded(lambda: self.board.write(REGISTERS, at, word.to_bytes(4, "little")))

    def arrive(self, frame: bytes) -> bool:
        """Whether the driver finds it in its ring."""
        before = self.board.chip.counts.delivered
        self._guarded(lambda: self.board.chip.arrive(frame))
        return self.board.chip.counts.delivered > before

    def _guarded(self, access: Callable[[], Any]) -> Any:
        with self._lock:
            self.board.chip.now = time.monotonic_ns() // _MICROSECOND
            try:
                return access()
            except BaseException as error:
                self.failure = self.failure or error
                return None


class InlineAdapter(Adapter):
    """Runs Cases on rte_ipsec, driver and model in this process, of which it can be only one."""

    name = "rte_ipsec, net_ixgbe"

    def __init__(self) -> None:
        library = ctypes.CDLL(str(native.build(LIBRARY)), mode=ctypes.RTLD_GLOBAL)
        for function in (library.inline_start, library.inline_delete, library.inline_send, library.inline_restart):
            function.restype = ctypes.c_char_p
        library.inline_add.restype = ctypes.c_void_p
        library.inline_receive.restype = ctypes.c_size_t
        library.rte_version.restype = ctypes.c_char_p
        self._library = library
        self._card = _Card(library)
        self._sas: dict[str, Sa] = {}
        self._handles: dict[str, ctypes.c_void_p] = {}
        self._passed: Counter[str] = Counter()
        self._arrivals = (_Arrival * _BURST)()
        os.environ["SYSFS_PCI_DEVICES"] = str(_described())
        self._need(library.inline_start(b"espproof"))
        self._at_start = self._card.board.chip.breaches.taken()
        """What the driver did when the port was started, which was for this case as for any."""
        self._untold = self._at_start

    @property
    def version(self) -> str:
        return str(self._library.rte_version().decode())

    def capabilities(self) -> Capabilities:
        return Capabilities(
            encryption=DEVICE.encryption,
            modes=("transport", "tunnel"),
            families=("4in4", "6in6"),
            replay_windows=ReplayWindows(minimum=32, maximum=_MAX_WINDOW, step=1, off=True),
            set_sequence=True,
            set_window=True,
            dscp=("copy", "fixed"),
            ecn=("normal", "compatibility"),
            df=("set", "clear", "copy"),
            hop_limit=True,
            lookup=("spi+destination",),
            delete_sa=True,
            max_packet=_MAX_PACKET,
            ipv4_options=True,
            ipv6_extension_headers=True,
            device=DEVICE,
        )

    # ------------------------------------------------------------------------------------------------------------- SAs

    def reset(self) -> None:
        for name in list(self._sas):
            self._forget(name)
        chip = self._card.board.chip
        if niantic_tables.entries(chip) or any(any(one.spi) for one in chip.tables.spis):
            self._need(self._library.inline_restart())
        chip.tables.clear_searched()
        chip.breaches.taken()
        self._untold = self._at_start
        self._passed.clear()

    def add_sa(self, sa: Sa) -> Done | Refused | Unsupported:
        if (what := self.capabilities().lacks(sa)) is not None or sa.protocol != "esp":
            return Unsupported(what=what or "protocol ah")
        if sa.name in self._sas:
            return Refused(reason="the name is in use")
        if sa.direction == "in" and any(_is_found_as(sa, other) for other in self._sas.values()):
            return Refused(reason="SPI and destination are another SA's")
        try:
            request = _request(sa)
        except ValueError as error:
            return Refused(reason=str(error))
        problem = ctypes.c_char_p()
        handle = self._library.inline_add(ctypes.byref(request), ctypes.byref(problem))
        self._check()
        if not handle:
            return Refused(reason=f"{(problem.value or b'?').decode()}: {self._error()}")
        self._sas[sa.name], self._handles[sa.name] = sa, ctypes.c_void_p(handle)
        self._receive_before(sa)
        return Done()

    def delete_sa(self, name: str) -> Done | Refused | Unsupported:
        if name not in self._sas:
            return Refused(reason="no such SA")
        problem = self._forget(name)
        return Done() if problem is None else Refused(reason=f"{problem}: {self._error()}")

    def _forget(self, name: str) -> str | None:
        del self._sas[name]
        problem = self._library.inline_delete(self._handles.pop(name))
        self._check()
        return None if problem is None else problem.decode()

    def _receive_before(self, sa: Sa) -> None:
        """The window as it is to be; of these packets nobody is told."""
        if sa.direction == "out" or not sa.replay_window or not sa.sequence:
            return
        plain = _from_peer(sa)
        for offset in (0, *(one for one in sa.received_offsets if one)):
            packet = endpoint.encapsulate(entry(sa), plain, int(sa.sequence) - offset)
            assert isinstance(packet, bytes)
            self._take_in([packet])
        handle = niantic_tables.place(self._card.board.chip, sa)
        if handle is not None:
            self._card.board.chip.done.pop(handle, None)
        self._passed.pop(sa.name, None)

    # --------------------------------------------------------------------------------------------------------- packets

    def outbound(self, step: Outbound) -> Sent | Dropped | Refused | Unsupported:
        if step.iv is not None or step.tfc or step.dummy:
            return Unsupported(what="iv, tfc, dummy")
        sa = self._sas.get(step.sa)
        if sa is None or sa.direction != "out":
            return Refused(reason="no such SA")
        packet = bytes(step.packet)
        self._card.left.clear()
        problem = self._library.inline_send(self._handles[step.sa], packet, ctypes.c_size_t(len(packet)))
        self._check()
        if problem is not None:
            return Dropped(reason=problem.decode())
        if not self._card.left:
            return Dropped(reason="it is in the card")
        self._passed[step.sa] += 1
        return Sent(packet=Octets(self._card.left[0][_ETHERNET:]))

    def inbound(self, packet: Octets) -> Delivered | Dropped | Passed | Unsupported:
        return self._take_in([bytes(packet)])[0]

    def inbound_burst(self, step: InboundBurst) -> Burst | Unsupported:
        packets, results = list(map(bytes, step.packets)), []
        for at in range(0, len(packets), _BURST):
            results += self._take_in(packets[at : at + _BURST])
        return Burst(results=tuple(results))

    def _take_in(self, packets: list[bytes]) -> list[Delivered | Dropped | Passed]:
        """No more than are received at once."""
        taken = [self._card.arrive(_frame(packet)) for packet in packets]
        self._check()
        told: list[Delivered | Dropped | Passed] = []
        while len(told) < sum(taken):
            count = self._library.inline_receive(self._arrivals)  # fewer than there are, where the ring ends
            self._check()
            if not count:
                raise AdapterError(f"the card has received {sum(taken)} frames, the driver {len(told)}")
            told += map(self._result, self._arrivals[:count])
        received = iter(told)
        return [next(received) if one else Dropped(reason="not received by the card") for one in taken]

    def _result(self, arrival: _Arrival) -> Delivered | Dropped | Passed:
        if arrival.what == _DROPPED:
            return Dropped(reason=(arrival.reason or b"rte_ipsec").decode())
        packet = Octets(ctypes.string_at(arrival.octets, arrival.size))
        if arrival.what == _BYPASS:
            return Passed(to="bypass", octets=packet)
        name = next(name for name, handle in self._handles.items() if handle.value == arrival.sa)
        self._passed[name] += 1
        return Delivered(packet=packet, sa=name)

    # ---------------------------------------------------------------------------------------------------------- device

    def read_device(self) -> DeviceState:
        chip = self._card.board.chip
        untold, self._untold = self._untold, ()
        return niantic_tables.told(chip, self._sas, self._passed, (*untold, *chip.breaches.taken()))

    # ---------------------------------------------------------------------------------------------------------- failures

    def _check(self) -> None:
        """`Crashed` if the card has touched what is not DPDK's, or was asked what no card is."""
        if self._card.failure is not None:
            raise Crashed(f"the card: {self._card.failure}") from self._card.failure

    def _need(self, problem: bytes | None) -> None:
        self._check()
        if problem is not None:
            raise AdapterError(f"{problem.decode()}: {self._error()}")

    def _error(self) -> str:
        return os.strerror(self._library.inline_error())


def _described() -> Path:
    """A folder with a PCI function in it, as /sys/bus/pci/devices has them. It never changes, and stays in the cache."""
    memory = 0x200
    lines = [f"{_WINDOW_AT:#x} {_WINDOW_AT + _WINDOW - 1:#x} {memory:#x}\n", *(["0x0 0x0 0x0\n"] * 6)]
    files = {"resource": "".join(lines)}
    numbers = {"vendor": VENDOR, "device": KX4, "subsystem_vendor": VENDOR, "subsystem_device": 0, "class": 0x020000}
    files |= {name: f"{number:#x}\n" for name, number in numbers.items()}
    digest = hashlib.sha256(repr(sorted(files.items())).encode()).hexdigest()[:16]
    place = cache.folder("native") / f"pci-{digest}"
    if not place.is_dir():
        with tempfile.TemporaryDirectory(dir=place.parent, prefix=".pci-") as made:
            function = Path(made) / "devices" / _FUNCTION
            function.mkdir(parents=True)
            for name, content in files.items():
                (function / name).write_text(content, encoding="ascii")
            (function / "driver").symlink_to("drivers/none")  # none that DPDK knows: it maps nothing
            with suppress(OSError):  # somebody else was faster
                function.parent.rename(place)
    return place


def _request(sa: Sa) -> _Request:
    """`ValueError` for addresses that are none, or of two IP versions."""
    source, destination = ip_address(sa.source), ip_address(sa.destination)
    if source.version != destination.version:
        raise ValueError("addresses of two families")
    if len(sa.salt) != 4 or sa.auth_key:
        raise ValueError("a salt of another size, or a key without an algorithm")
    inbound = sa.direction == "in"
    return _Request(
        number=sa.sequence if inbound else sa.sequence + 1,
        spi=sa.spi,
        window=sa.replay_window,
        key=(ctypes.c_uint8 * 16)(*sa.encr_key),
        salt=(ctypes.c_uint8 * 4)(*sa.salt),
        source=(ctypes.c_uint8 * 16)(*source.packed),
        destination=(ctypes.c_uint8 * 16)(*destination.packed),
        inbound=inbound,
        tunnel=sa.mode == "tunnel",
        ipv6=destination.version == 6,
        dscp_copied=sa.dscp == "copy",
        dscp=0 if sa.dscp == "copy" else sa.dscp,
        ecn_normal=sa.ecn == "normal",
        df=_DF[sa.df],
        hop_limit=sa.hop_limit,
    )


def _is_found_as(one: Sa, other: Sa) -> bool:
    """Whether two inbound SAs are found by the same SPI and destination."""
    same = one.spi == other.spi and ip_address(one.destination) == ip_address(other.destination)
    return same and other.direction == "in"


def _from_peer(sa: Sa) -> bytes:
    """A packet that can arrive on an inbound SA."""
    source, destination = ip_address(sa.source).packed, ip_address(sa.destination).packed
    build = ip.build_ipv4 if len(source) == 4 else ip.build_ipv6
    return build(source, destination, 253, b"")


def _frame(packet: bytes) -> bytes:
    return _MAC + bytes(6) + _TYPES.get(packet[0] >> 4 if packet else 0, _TYPES[4]) + packet
