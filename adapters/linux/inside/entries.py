"""Ways into a host besides its two devices: each hands the kernel a packet in another buffer. Nothing is sent there.

    tap       an Ethernet device that is this process, as a virtual machine's card is: a link header, with one of virtio
    pieces    a tap whose every vector is a page fragment: full control of where octets lie (IFF_NAPI_FRAGS)
    veth      one end of a cable, at whose other end a packet socket sends: a socket's buffer, which can have a mark

All are in the host's namespace, where a cable keeps the mark of what goes through it.
"""

import ctypes
import fcntl
import os
import socket
import struct
from collections.abc import Sequence
from contextlib import suppress
from typing import Protocol

from espproof.adapters.linux.inside.link import LARGEST, PLAIN_PACKET, ROOM, Send, open_tun
from espproof.adapters.linux.netlink import rtnetlink

_SIOCGIFHWADDR, _SIOCETHTOOL, _ETHTOOL_SGRO = 0x8927, 0x8946, 0x2C
_IFF_TAP, _IFF_NAPI, _IFF_NAPI_FRAGS, _IFF_NO_PI, _IFF_VNET_HDR = 0x0002, 0x0010, 0x0020, 0x1000, 0x4000
_SOL_PACKET, _PACKET_VNET_HDR, _PACKET_IGNORE_OUTGOING, _SO_MARK = 263, 15, 23, 36
_ETH_P_ALL = 3
_ETHERTYPES = {4: b"\x08\x00", 6: b"\x86\xdd"}
_NEIGHBOUR = bytes.fromhex("02000000000b")
_HEADER = struct.Struct("=BBHHHH")
"""A `virtio_net_hdr`."""
_LINK_HEADER = 14


class Entry(Protocol):
    """A way in. `write` is False where the device does not carry such octets."""

    name: str

    def up(self, send: Send) -> None: ...

    def close(self) -> None: ...

    def write(self, packet: bytes, header: bytes = b"", mark: int = 0, pieces: Sequence[int] = ()) -> bool: ...


class Tap:
    """With `in_pieces` each piece of a packet is a page fragment, the first apart, and there are no super-packets."""

    def __init__(self, name: str, *, in_pieces: bool = False) -> None:
        self.name = name
        self._in_pieces = in_pieces
        flags = _IFF_NAPI | _IFF_NAPI_FRAGS if in_pieces else _IFF_VNET_HDR
        self._descriptor = open_tun(name, _IFF_TAP | _IFF_NO_PI | flags)
        self._address = ethernet_of(name)
        if in_pieces:
            _without_gro(name)

    def up(self, send: Send) -> None:
        send(rtnetlink.link_up(socket.if_nametoindex(self.name), LARGEST - _LINK_HEADER))

    def close(self) -> None:
        os.close(self._descriptor)

    def write(self, packet: bytes, header: bytes = b"", mark: int = 0, pieces: Sequence[int] = ()) -> bool:
        frame = _frame(self._address, packet)
        if frame is None:
            return False
        vectors = [_on_a_link(header), frame] if not self._in_pieces else _cut(frame, pieces)
        return _written(self._descriptor, vectors)


class Veth:
    """Both ends of a cable."""

    def __init__(self, name: str, send: Send) -> None:
        self.name, self._far = name, f"{name}-far"
        send(rtnetlink.veth(self.name, self._far))
        self._address = ethernet_of(name)
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self._socket.setsockopt(_SOL_PACKET, _PACKET_VNET_HDR, 1)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)

    def up(self, send: Send) -> None:
        for name in (self.name, self._far):
            send(rtnetlink.link_up(socket.if_nametoindex(name), LARGEST))

    def close(self) -> None:
        self._socket.close()

    def write(self, packet: bytes, header: bytes = b"", mark: int = 0, pieces: Sequence[int] = ()) -> bool:
        frame = _frame(self._address, packet)
        if frame is None:
            return False
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_MARK, struct.pack("=I", mark))
        whole = _on_a_link(header) + frame
        try:
            self._socket.sendto(whole, (self._far, int.from_bytes(frame[12:_LINK_HEADER], "big")))
        except OSError:
            return False
        return True


class Listener:
    """Somebody who has a clone of what arrives at a device, from now on."""

    def __init__(self, device: str) -> None:
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0)
        with suppress(OSError):
            self._socket.setsockopt(_SOL_PACKET, _PACKET_IGNORE_OUTGOING, 1)
        self._socket.bind((device, _ETH_P_ALL))
        self._socket.setblocking(False)

    def seen(self) -> bytes | None:
        """What the clone of the first packet says now."""
        with self._socket:
            try:
                return bytes(memoryview(ROOM)[: self._socket.recv_into(ROOM)])
            except BlockingIOError:
                return None


def entries(side: str, send: Send) -> dict[str, Entry]:
    """The ways in at a side that this kernel has, up, by name."""
    found: dict[str, Entry] = {}
    for name, make in (
        ("tap", lambda: Tap(f"{side}-tap")),
        ("pieces", lambda: Tap(f"{side}-pieces", in_pieces=True)),
        ("veth", lambda: Veth(f"{side}-veth", send)),
    ):
        with suppress(Exception):  # whatever a kernel says, it has no such way
            found[name] = brought_up(make(), send)
    return found


def brought_up(entry: Entry, send: Send) -> Entry:
    """The same, up; closed if it does not come up."""
    try:
        entry.up(send)
    except BaseException:
        entry.close()
        raise
    return entry


def _frame(address: bytes, packet: bytes) -> bytes | None:
    """The packet behind a link header; None for what is no IP packet."""
    ethertype = _ETHERTYPES.get(packet[0] >> 4 if packet else 0)
    return None if ethertype is None else address + _NEIGHBOUR + ethertype + packet


def _on_a_link(header: bytes) -> bytes:
    """A `virtio_net_hdr`, whose places count from the link header."""
    if not header:
        return PLAIN_PACKET
    flags, kind, front, size, start, offset = _HEADER.unpack(header)
    return _HEADER.pack(flags, kind, front + _LINK_HEADER, size, start + _LINK_HEADER, offset)


def _cut(frame: bytes, pieces: Sequence[int]) -> list[bytes]:
    """The frame in vectors: the link header with the first piece, then the others."""
    vectors, at = [], 0
    for size in (pieces[0] + _LINK_HEADER, *pieces[1:]) if pieces else ():
        vectors.append(frame[at : at + size])
        at += size
    return [*vectors, frame[at:]]


def _written(descriptor: int, vectors: Sequence[bytes]) -> bool:
    try:
        os.writev(descriptor, vectors)
    except OSError:
        return False
    return True


def _without_gro(name: str) -> None:
    """No receive offload, which would take ESP apart in front of everybody who listens, and merge what is inside."""
    value = ctypes.create_string_buffer(struct.pack("=II", _ETHTOOL_SGRO, 0))
    request = struct.pack("=16sQ16x", name.encode(), ctypes.addressof(value))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        fcntl.ioctl(one, _SIOCETHTOOL, request)


def ethernet_of(name: str) -> bytes:
    """The Ethernet address of a device."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        answer: bytes = fcntl.ioctl(one, _SIOCGIFHWADDR, struct.pack("16s24x", name.encode()))
    return answer[18:24]
