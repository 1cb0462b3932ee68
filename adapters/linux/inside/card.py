"""A network card as the gateway's network side: its cable ends here too.

    Card   packets go through `name`, an Ethernet card: frames are sent and captured at the other end of its cable, which
           is `peer`, a second card, or the same one, if what it sends comes back to it (loopback mode)

Cards are taken out of the namespace in which the process began, the card into the gateway's and `peer` into one of its own
where nothing answers, and brought back by `leave`. If the process is killed, the kernel brings real cards back (to the
first namespace of the machine), and does away with virtual ones.
"""

import ctypes
import fcntl
import os
import socket
import struct
import time
from contextlib import suppress

from espproof.adapters.linux.inside.link import QUIET, ROOM, Link, Send, fresh_namespace, set_values
from espproof.adapters.linux.netlink import netlink, rtnetlink

_SIOCETHTOOL, _ETHTOOL_NWAY_RST, _ETHTOOL_GLINK = 0x8946, 0x09, 0x0A
_SIOCGIFFLAGS, _SIOCGIFMTU, _SIOCGIFHWADDR, _IFF_RUNNING = 0x8913, 0x8921, 0x8927, 0x40
_SOL_PACKET, _PACKET_ADD_MEMBERSHIP, _PACKET_MR_PROMISC, _PACKET_IGNORE_OUTGOING = 263, 1, 1, 23
_ETH_P_ALL = 3
_ETHERTYPES = {4: b"\x08\x00", 6: b"\x86\xdd"}
_NEIGHBOUR = bytes.fromhex("02000000000a")
"""The Ethernet address of every host behind a card: one that no card has, so that no stack takes up what is captured."""
_HEADER = 14
_IPV4_HEADER = 20
_SHORTEST = 60
"""Octets of the shortest Ethernet frame, without its checksum: the end of a shorter packet's frame is padding."""
_ANSWER = 1 << 17
_CARRIER_SECONDS, _RETURN_SECONDS = 15.0, 3.0


class Unusable(Exception):
    """A device cannot be used; says why."""


class Card(Link):
    """An Ethernet card. `Unusable` if it, or `peer`, is not there or cannot be moved."""

    patience: tuple[float, ...] = (0.0005, 0.002, 0.005, 0.02)
    renewed = False

    def __init__(self, name: str, peer: str | None) -> None:
        self.name = name
        cards = [name] if peer is None else [name, peer]
        for card in cards:
            _wait_for(card)
        self.mtu = min(map(_mtu, cards))
        self._home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        self._at_home = _route_socket()
        self._peer = None if peer is None else _Peer(peer, self._at_home)
        self._frames: socket.socket | None = None

    def enter(self) -> None:
        _move(self._at_home, self.name)
        self._address = _address(self.name)

    def up(self, send: Send) -> None:
        send(rtnetlink.link_up(self.index))
        self.await_carrier(there=True)
        self._frames = self._peer.frames if self._peer else _capture(self.name)

    def await_carrier(self, *, there: bool) -> None:
        """Until the card has one, or has none, and the kernel has seen to it. `Unusable` if that takes too long."""
        until = time.monotonic() + _CARRIER_SECONDS
        while _carriers(self.name) != {there}:
            if time.monotonic() > until:
                told = "no carrier after {:g} s: is the cable in?" if there else "a carrier after {:g} s"
                raise Unusable(f"{self.name} has {told.format(_CARRIER_SECONDS)}")
            time.sleep(0.01)

    def renew(self) -> None:
        """Its driver resets it (`ethtool -r`), until it has a carrier again."""
        _ethtool(self.name, _ETHTOOL_NWAY_RST)
        self.await_carrier(there=True)

    def leave(self, send: Send) -> None:
        if self._peer is None and self._frames is not None:
            self._frames.close()
        send(rtnetlink.move_link(self.name, self._home))

    def close(self) -> None:
        if self._peer is not None:
            self._peer.close(self._home)

    def write(self, packet: bytes) -> bool:
        ethertype = _ETHERTYPES.get(packet[0] >> 4 if packet else 0)
        assert self._frames is not None
        if ethertype is None:
            return False
        try:
            self._frames.send(self._address + _NEIGHBOUR + ethertype + packet)
        except OSError:
            return False
        return True

    def read(self) -> bytes | None:
        assert self._frames is not None
        while True:
            try:
                size = self._frames.recv_into(ROOM)
            except BlockingIOError:
                return None
            frame = bytes(memoryview(ROOM)[:size])
            if frame[:6] == _NEIGHBOUR and frame[12:_HEADER] in _ETHERTYPES.values() and size >= _HEADER + _IPV4_HEADER:
                return _without_padding(frame)

    def fileno(self) -> int:
        assert self._frames is not None
        return self._frames.fileno()

    def neighbour(self, host: str, *, add: bool) -> bytes:
        return rtnetlink.neighbour(host, self.index, _NEIGHBOUR, add=add)


class _Peer:
    """The other end of the cable, in a namespace where nobody else is."""

    def __init__(self, name: str, at_home: socket.socket) -> None:
        self._name = name
        fresh_namespace()
        set_values(QUIET)
        self._route = _route_socket()
        _move(at_home, name)
        _ask(self._route, rtnetlink.link_up(socket.if_nametoindex(name)))
        self.frames = _capture(name)

    def close(self, home: int) -> None:
        self.frames.close()
        _ask(self._route, rtnetlink.move_link(self._name, home))


def _without_padding(frame: bytes) -> bytes:
    packet = frame[_HEADER:]
    if len(frame) > _SHORTEST:
        return packet
    size = int.from_bytes(packet[2:4], "big") if packet[0] >> 4 == 4 else 40 + int.from_bytes(packet[4:6], "big")
    return packet[:size]


def _wait_for(name: str) -> None:
    """A card whose last user was killed comes back a moment later."""
    until = time.monotonic() + _RETURN_SECONDS
    while name not in (known for _, known in socket.if_nameindex()):
        if time.monotonic() > until:
            raise Unusable(f"there is no network device {name} here; does another run have it?")
        time.sleep(0.05)


def _asked(name: str, what: int) -> bytes:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        answer: bytes = fcntl.ioctl(one, what, struct.pack("16s24x", name.encode()))
    return answer[16:]


def _mtu(name: str) -> int:
    return int(struct.unpack_from("=i", _asked(name, _SIOCGIFMTU))[0])


def _flags(name: str) -> int:
    return int(struct.unpack_from("=H", _asked(name, _SIOCGIFFLAGS))[0])


def _address(name: str) -> bytes:
    return _asked(name, _SIOCGIFHWADDR)[2:8]


def _carriers(name: str) -> set[bool]:
    """Whether there is one: by the flag, and behind it by what the driver says, if it says something. The kernel sets the
    flag first, and has its queue in order when the driver can be asked."""
    found = {bool(_flags(name) & _IFF_RUNNING)}
    with suppress(OSError):
        found.add(bool(_ethtool(name, _ETHTOOL_GLINK)))
    return found


def _ethtool(name: str, command: int) -> int:
    """The word that comes of it."""
    value = ctypes.create_string_buffer(struct.pack("=II", command, 0), 8)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        fcntl.ioctl(one, _SIOCETHTOOL, struct.pack("16sP16x", name.encode(), ctypes.addressof(value)))
    return int(struct.unpack("=II", value.raw)[1])


def _route_socket() -> socket.socket:
    return socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, rtnetlink.NETLINK_ROUTE)


def _move(route: socket.socket, name: str) -> None:
    """Take a device out of the namespace of `route` into that of this thread."""
    here = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        _ask(route, rtnetlink.move_link(name, here))
    except OSError as error:
        raise Unusable(f"{name} cannot be moved into a network namespace: {error.strerror}") from error
    finally:
        os.close(here)


def _ask(route: socket.socket, request: bytes) -> None:
    route.send(request)
    for message in netlink.messages(route.recv(_ANSWER)):
        if message.errno:
            raise OSError(message.errno, os.strerror(message.errno))


def _capture(name: str) -> socket.socket:
    """Sends frames on a device, and receives those that come in on it, whoever they are for."""
    one = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    one.setsockopt(_SOL_PACKET, _PACKET_IGNORE_OUTGOING, 1)
    one.bind((name, _ETH_P_ALL))
    promiscuous = struct.pack("=iHH8x", socket.if_nametoindex(name), _PACKET_MR_PROMISC, 0)
    one.setsockopt(_SOL_PACKET, _PACKET_ADD_MEMBERSHIP, promiscuous)
    one.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
    one.setblocking(False)
    return one
