"""The network side of the gateway, and its plain side: what it needs of a network device, and a device that is us.

Link   what there must be; `card.Card` is one too
Tun    a packet that is written has arrived, a packet that is read was sent
"""

import ctypes
import fcntl
import os
import socket
import struct
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from espproof.adapters.linux.netlink import rtnetlink

_CLONE_NEWNET = 0x40000000
_TUNSETOFFLOAD, _CSUM, _TSO4, _TSO6 = 0x400454D0, 0x01, 0x02, 0x04
_TUNSETIFF, _IFF_TUN, _IFF_NAPI, _IFF_NO_PI, _IFF_VNET_HDR = 0x400454CA, 0x0001, 0x0010, 0x1000, 0x4000
PLAIN_PACKET = bytes(10)
"""The `virtio_net_hdr` of a packet that is no super-packet."""
_SEGMENTS = slice(4, 6)
"""Where it has the size of segments, in the byte order of the machine."""
LARGEST = 65535
"""Octets of the largest packet that goes through a tun device, as its MTU."""
_BUFFER = 1 << 17
_SYSFS, _DETACH = "/run/sys", 2

Send = Callable[[bytes], object]
"""Sends a message of NETLINK_ROUTE in the gateway's namespace; raises for an error."""


def size_of_segments(header: bytes) -> int:
    """Octets of payload of each part, by a `virtio_net_hdr` or nothing; 0 of what is no super-packet."""
    return int.from_bytes(header[_SEGMENTS], sys.byteorder)


class Link(ABC):
    """What the gateway needs of its network side. `fileno` can be waited for: something can be read."""

    name: str
    patience: tuple[float, ...] = (0.0005, 0.002, 0.005)
    """Seconds to wait, one after the other, for a packet that nothing is heard of."""
    renewed = True
    """Whether another namespace with the same link is made in no time."""
    header = b""
    """The `virtio_net_hdr` of the packet that was read last, nothing of a plain packet."""

    @abstractmethod
    def enter(self) -> None:
        """Make the device appear in the namespace that the process is in."""

    @abstractmethod
    def up(self, send: Send) -> None:
        """Bring it up."""

    @abstractmethod
    def leave(self, send: Send) -> None:
        """Take the device out of the namespace, which ends."""

    def close(self) -> None:  # noqa: B027 -- a tun device has nothing else
        """The process ends."""

    @abstractmethod
    def write(self, packet: bytes) -> bool:
        """A packet arrives; False if the device does not carry such octets."""

    @contextmanager
    def together(self) -> Iterator[None]:
        """What is written in the block arrives together, as far as the device has a way to see to that."""
        yield

    @abstractmethod
    def read(self) -> bytes | None:
        """A packet that was sent, if there is one."""

    @abstractmethod
    def fileno(self) -> int: ...

    def neighbour(self, host: str, *, add: bool) -> bytes | None:
        """The message that tells where on the link a host is, if the link asks for it."""
        return None

    @property
    def index(self) -> int:
        return socket.if_nametoindex(self.name)


ROOM = bytearray(_BUFFER)
"""To read into: memory of this size that is made anew is asked of the kernel each time, which costs more than the rest."""


class Tun(Link):
    """A device that is this process; it ends with its namespace. With `gro` it is polled for what arrives, as a card is,
    and the kernel's generic receive offload (GRO) sees each packet before IP does. With `super_packets` it takes them, and
    with `merged` too it is given them."""

    def __init__(self, name: str, *, gro: bool = False, super_packets: bool = False, merged: bool = False) -> None:
        self.name = name
        self._gro, self._merged = gro, merged
        self._front = len(PLAIN_PACKET) if super_packets else 0
        self._flags = _IFF_TUN | _IFF_NO_PI | (_IFF_NAPI if gro else 0) | (_IFF_VNET_HDR if super_packets else 0)
        self._descriptor = -1

    def enter(self) -> None:
        self._descriptor = open_tun(self.name, self._flags)
        if self._merged:
            fcntl.ioctl(self._descriptor, _TUNSETOFFLOAD, _CSUM | _TSO4 | _TSO6)

    def up(self, send: Send) -> None:
        send(rtnetlink.link_up(self.index, LARGEST))

    def leave(self, send: Send) -> None:
        os.close(self._descriptor)

    def write(self, packet: bytes) -> bool:
        return self.write_super(PLAIN_PACKET, packet) if self._front else self._write([packet])

    def write_super(self, header: bytes, packet: bytes) -> bool:
        """A super-packet arrives; `header` is a `virtio_net_hdr`, which says how it is cut up."""
        return self._write([header, packet])

    def _write(self, parts: list[bytes]) -> bool:
        try:
            os.writev(self._descriptor, parts)
        except OSError:
            return False
        return True

    @contextmanager
    def together(self) -> Iterator[None]:
        """A thread of the kernel polls the device, which does not run before we are done (GRO alone merges)."""
        if not self._gro:
            yield
            return
        self._polled_by_a_thread("1")
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
        try:
            yield
        finally:
            os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))

    def _polled_by_a_thread(self, state: str) -> None:
        with devices() as folder, open(f"{folder}/{self.name}/threaded", "w", encoding="utf-8") as file:
            file.write(state)

    def read(self) -> bytes | None:
        try:
            length = os.readv(self._descriptor, [ROOM])
        except BlockingIOError:
            return None
        if self._merged:
            header = bytes(memoryview(ROOM)[: self._front])
            self.header = b"" if header == PLAIN_PACKET else header
        return bytes(memoryview(ROOM)[self._front : length])

    def fileno(self) -> int:
        return self._descriptor


def open_tun(name: str, flags: int) -> int:
    """A tun or tap device of that name, new in this namespace: the descriptor that is its other end."""
    descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    try:
        fcntl.ioctl(descriptor, _TUNSETIFF, struct.pack("16sH22x", name.encode(), flags))
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


QUIET = {
    # reports of multicast listeners at once: later they would meet the policies of a case
    "ipv6/conf/default/mldv1_unsolicited_report_interval": "1",
    "ipv6/conf/default/mldv2_unsolicited_report_interval": "1",
    # a card that has a carrier before it is told to have no address of its own would ask for routers by it
    "ipv6/conf/default/addr_gen_mode": "1",
    "ipv6/conf/default/router_solicitations": "0",
}
"""What keeps a namespace from saying something of its own accord."""


def set_values(settings: Mapping[str, str]) -> None:
    """Of `/proc/sys/net`, by path."""
    for name, value in settings.items():
        with open(f"/proc/sys/net/{name}", "w", encoding="utf-8") as file:
            file.write(value)


def fresh_namespace() -> None:
    """From now on this thread is in a network namespace of its own."""
    if ctypes.CDLL(None, use_errno=True).unshare(_CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "unshare")


@contextmanager
def devices() -> Iterator[str]:
    """The folder of the devices of this namespace, as long as the block lasts: /sys shows those of the first one."""
    libc = ctypes.CDLL(None, use_errno=True)
    os.makedirs(_SYSFS, exist_ok=True)
    if libc.mount(b"sysfs", _SYSFS.encode(), b"sysfs", 0, None):
        raise OSError(ctypes.get_errno(), f"mount {_SYSFS}")
    try:
        yield f"{_SYSFS}/class/net"
    finally:
        libc.umount2(_SYSFS.encode(), _DETACH)
