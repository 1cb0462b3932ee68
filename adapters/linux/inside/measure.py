"""How long the kernel takes for much of one kind, and what it keeps: seconds and octets, taken beside it.

What is measured is the system calls alone: messages and packets are there before. A message that goes wrong ends the
batch, as its time would be none.
"""

import ctypes
import os
import socket
import struct
import time
from collections.abc import Sequence
from typing import NamedTuple

from espproof.adapters.linux.inside.gateway import Gateway
from espproof.adapters.linux.netlink import netlink

_FLAGS = struct.Struct("=H")
_FLAGS_AT = 6
_TOGETHER = 50
"""Messages that one system call takes."""
_IPV4 = 0x0800
_AT_ONCE = 500
"""Packets of one call; a thousand may wait, and the next would be lost without a word."""
_BACKLOG = 11
"""Column of softnet_stat."""
_HEAD_LINES = 2
"""Of slabinfo; then name, active objects, all objects, octets of one."""


def batch(gateway: Gateway, requests: Sequence[bytes]) -> tuple[float, int]:
    """Send messages of xfrm; seconds, and the first error number, 0 for none."""
    portions = [_portion(requests[at : at + _TOGETHER]) for at in range(0, len(requests), _TOGETHER)]
    began = time.perf_counter()
    for portion in portions:
        error = gateway.errno(portion)
        if error:
            return 0.0, error
    return time.perf_counter() - began, 0


def _portion(requests: Sequence[bytes]) -> bytes:
    """Several messages in one; the last alone is acknowledged, so that the first answer tells of all of them."""
    return b"".join((*map(_quiet, requests[:-1]), requests[-1]))


def _quiet(request: bytes) -> bytes:
    (flags,) = _FLAGS.unpack_from(request, _FLAGS_AT)
    return request[:_FLAGS_AT] + _FLAGS.pack(flags & ~netlink.ACK) + request[_FLAGS_AT + _FLAGS.size :]


def flood(packets: Sequence[bytes]) -> float:
    """Packets of IPv4 arrive over the loopback device, of which nothing is to come out; seconds.

    `sendmmsg` hands over hundreds in one call: in user mode a call costs ten times what becomes of a packet.
    """
    with socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0) as sender:
        sender.bind(("lo", _IPV4))
        portions = [_headers(packets[at : at + _AT_ONCE]) for at in range(0, len(packets), _AT_ONCE)]
        send = ctypes.CDLL(None, use_errno=True).sendmmsg
        number = sender.fileno()
        began = time.perf_counter()
        for portion in portions:
            if send(number, portion.headers, len(portion.headers), 0) != len(portion.headers):
                raise OSError(ctypes.get_errno(), "sendmmsg")
            while _waiting():
                os.sched_yield()
        return time.perf_counter() - began


def _waiting() -> int:
    """Packets that have arrived and are not looked at yet (`/proc/net/softnet_stat`)."""
    with open("/proc/net/softnet_stat", encoding="ascii") as file:
        return sum(int(line.split()[_BACKLOG], 16) for line in file)


class _Vector(ctypes.Structure):
    _fields_ = (("base", ctypes.c_char_p), ("size", ctypes.c_size_t))


class _Header(ctypes.Structure):
    """`mmsghdr`, with what fills up its last two numbers."""

    _fields_ = (
        ("name", ctypes.c_void_p), ("name_size", ctypes.c_uint32),
        ("vectors", ctypes.POINTER(_Vector)), ("count", ctypes.c_size_t),
        ("control", ctypes.c_void_p), ("control_size", ctypes.c_size_t), ("flags", ctypes.c_int64),
        ("sent", ctypes.c_int64),
    )  # fmt: skip


class _Portion(NamedTuple):
    """Headers, and what they point to."""

    headers: ctypes.Array[_Header]
    vectors: ctypes.Array[_Vector]
    packets: Sequence[bytes]


def _headers(packets: Sequence[bytes]) -> _Portion:
    vectors = (_Vector * len(packets))(*(_Vector(packet, len(packet)) for packet in packets))
    headers = (_Header * len(packets))()
    for number, header in enumerate(headers):
        header.vectors = ctypes.pointer(vectors[number])
        header.count = 1
    return _Portion(headers, vectors, packets)


def kernel_objects() -> int:
    """Octets of all objects that the kernel's allocator has handed out (`/proc/slabinfo`)."""
    with open("/proc/slabinfo", encoding="utf-8") as file:
        rows = [line.split() for line in file]
    return sum(int(row[1]) * int(row[3]) for row in rows[_HEAD_LINES:])
