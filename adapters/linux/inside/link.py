"""The network side of the gateway, and its plain side: what it needs of a network device, and a device that is us.

Link   what there must be; `card.Card` is one too
Tun    a packet that is written has arrived, a packet that is read was sent
"""

import ctypes
import fcntl
import os
import socket
import struct
from abc import ABC, abstractmethod
from collections.abc import Callable

from espproof.adapters.linux.netlink import rtnetlink

_CLONE_NEWNET = 0x40000000
_TUNSETIFF, _IFF_TUN, _IFF_NAPI, _IFF_NO_PI, _IFF_VNET_HDR = 0x400454CA, 0x0001, 0x0010, 0x1000, 0x4000
PLAIN_PACKET = bytes(10)
"""The `virtio_net_hdr` of a packet that is no super-packet."""
LARGEST = 65535
"""Octets of the largest packet that goes through a tun device, as its MTU."""
_BUFFER = 1 << 17

Send = Callable[[bytes], object]
"""Sends a message of NETLINK_ROUTE in the gateway's namespace; raises for an error."""


class Link(ABC):
    """What the gateway needs of its network side. `fileno` can be waited for: something can be read."""

    name: str
    patience: tuple[float, ...] = (0.0005, 0.002, 0.005)
    """Seconds to wait, one after the other, for a packet that nothing is heard of."""
    renewed = True
    """Whether another namespace with the same link is made in no time."""

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
    and the kernel's generic receive offload (GRO) sees each packet before IP does. With `super_packets` it takes them."""

    def __init__(self, name: str, *, gro: bool = False, super_packets: bool = False) -> None:
        self.name = name
        self._front = len(PLAIN_PACKET) if super_packets else 0
        self._flags = _IFF_TUN | _IFF_NO_PI | (_IFF_NAPI if gro else 0) | (_IFF_VNET_HDR if super_packets else 0)
        self._descriptor = -1

    def enter(self) -> None:
        self._descriptor = open_tun(self.name, self._flags)

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

    def read(self) -> bytes | None:
        try:
            return bytes(memoryview(ROOM)[self._front : os.readv(self._descriptor, [ROOM])])
        except BlockingIOError:
            return None

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


def fresh_namespace() -> None:
    """From now on this thread is in a network namespace of its own."""
    if ctypes.CDLL(None, use_errno=True).unshare(_CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "unshare")
