"""A neighbour on the plain side: a namespace at the other end of a cable, from which a program sends UDP datagrams.

The buffer is a socket's own. A super-packet (UDP_SEGMENT) says how many parts it has, which one of a virtual machine's
card does not.
"""

import ctypes
import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress

from espproof.adapters.linux.inside.discards import lets_out
from espproof.adapters.linux.inside.entries import Entry, brought_up, ethernet_of
from espproof.adapters.linux.inside.link import LARGEST, QUIET, Send, fresh_namespace, set_values, size_of_segments
from espproof.adapters.linux.inside.senders import Made, foreign, segmented
from espproof.adapters.linux.netlink import netlink, rtnetlink

NAME = "socket"
"""Of the way."""
_CLONE_NEWNET, _LO = 0x40000000, 1
"""Without an address of its own it asks nobody for routers, who are the host."""


class Neighbour:
    """Both ends of the cable, and the namespace behind it."""

    def __init__(self, name: str, send: Send) -> None:
        self.name, far = name, f"{name}-far"
        self._known: set[str] = set()
        with ExitStack() as undone:
            with _apart():
                self._namespace = _current()
                undone.callback(os.close, self._namespace)
                set_values(QUIET)
                self._route = undone.enter_context(
                    socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, rtnetlink.NETLINK_ROUTE)
                )
            send(rtnetlink.veth(name, far))
            undone.callback(send, rtnetlink.without_link(name))
            self._host = ethernet_of(name)
            send(rtnetlink.move_link(far, self._namespace))
            with self._inside():
                self._far = socket.if_nametoindex(far)
            undone.pop_all()

    def up(self, send: Send) -> None:
        send(rtnetlink.link_up(socket.if_nametoindex(self.name), LARGEST))
        self._must(rtnetlink.link_up(_LO, no_address=False))  # without a local table no source is a host's (IPv4)
        self._must(rtnetlink.link_up(self._far, LARGEST))
        for version in (4, 6):
            self._must(rtnetlink.route(None, self._far, version, add=True))

    def close(self) -> None:
        """Let go of the namespace, with which the cable ends."""
        self._route.close()
        os.close(self._namespace)

    def write(self, packet: bytes, header: bytes = b"", mark: int = 0, pieces: Sequence[int] = ()) -> bool:
        """`senders.Unsendable` for what no socket makes."""
        made = Made(packet, whole=True)
        if made.ends[1] not in self._known:
            self._must(rtnetlink.neighbour(made.ends[1], self._far, self._host, add=True))
            self._known.add(made.ends[1])
        with self._inside():
            one = made.opened(0)
        with one:
            foreign(one, made.version)
            if size := size_of_segments(header):
                segmented(one, size)
            made.bind(one)
            return lets_out(one.sendto, made.content, (made.ends[1], made.ports[1]))

    def _must(self, request: bytes) -> None:
        self._route.send(request)
        for message in netlink.messages(self._route.recv(1 << 16)):
            if message.errno:
                raise OSError(message.errno, "rtnetlink")

    @contextmanager
    def _inside(self) -> Iterator[None]:
        home = _current()
        try:
            _enter(self._namespace)
            try:
                yield
            finally:
                _enter(home)
        finally:
            os.close(home)


def neighbours(send: Send) -> dict[str, Entry]:
    """The neighbour, up, by the name of its way, if this kernel has what it takes."""
    with suppress(Exception):  # whatever a kernel says, it has no such way
        return {NAME: brought_up(Neighbour("neighbour", send), send)}
    return {}


@contextmanager
def _apart() -> Iterator[None]:
    """In a new namespace, which lasts as long as somebody has it open."""
    home = _current()
    try:
        fresh_namespace()
        try:
            yield
        finally:
            _enter(home)
    finally:
        os.close(home)


def _current() -> int:
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)


def _enter(namespace: int) -> None:
    if ctypes.CDLL(None, use_errno=True).setns(namespace, _CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")
