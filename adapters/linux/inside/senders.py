"""Sockets that make a packet themselves, as programs do, each of another buffer; and one whose octets are a file's.

    udp      one datagram, in one piece                    more     three parts that the kernel puts together (MSG_MORE)
    splice   pages of a file, which the kernel hands on as they are: the file must not change because of it
    kept     one datagram of a socket that stays open (`kept`)

The host's own packets leave so ("local"); and "wire" has `splice` too: ESP, in UDP or not, goes from its peer's address
to the host over the loopback device, past all policies, as it stands in the file.
"""

import errno
import fcntl
import os
import socket
import struct
import tempfile
from collections.abc import Callable, Collection, Sequence

from espproof.adapters.linux.inside.discards import lets_out
from espproof.adapters.linux.netlink import xfrm

_IP_TTL, _IP_TOS, _IP_MTU_DISCOVER, _IP_TRANSPARENT, _IP_XFRM_POLICY = 2, 1, 10, 19, 17
_IPV6_HOPS, _IPV6_TCLASS, _IPV6_MTU_DISCOVER, _IPV6_TRANSPARENT, _IPV6_XFRM_POLICY = 16, 67, 23, 75, 35
_IPV6_AUTOFLOWLABEL, _SO_NO_CHECK, _SO_MARK = 70, 11, 36
_NEVER_FRAGMENT = 2
_UDP, _ESP = 17, 50
_UDP_SEGMENT = 103
_UDP_HEADER = 8
_PARTS = 3
_PIPE, _F_SETPIPE_SZ = 1 << 18, 1031
_PLACE = "/run"
LOCAL = ("udp", "more", "splice", "kept")
"""Ways of the host's own packets."""
Seen = Callable[[], bytes]
"""What whoever has the same memory sees in a packet now: a cipher may write in it after it was sent."""


class Unsendable(Exception):
    """No socket makes such a packet; says why."""


class Made:
    """What a packet tells a socket. `Unsendable` for what it cannot be told."""

    def __init__(self, packet: bytes, *, whole: bool) -> None:
        """`whole`: the headers are to be the very ones of the packet."""
        self.version = packet[0] >> 4 if packet else 0
        self.front = 20 if self.version == 4 else 40
        if self.version not in (4, 6) or len(packet) < self.front:
            raise Unsendable("packets that are none")
        if self.version == 4:
            self.traffic_class, self.ttl, self.protocol = packet[1], packet[8], packet[9]
            self.ends = [socket.inet_ntoa(packet[at : at + 4]) for at in (12, 16)]
            unusual = packet[0] != 0x45 or packet[6:8] not in ((b"\x40\0",) if whole else (b"\x40\0", b"\0\0"))
            unusual |= whole and packet[4:6] != b"\0\0"
        else:
            word = int.from_bytes(packet[:4], "big")
            self.traffic_class, self.ttl, self.protocol = word >> 20 & 0xFF, packet[7], packet[6]
            self.ends = [socket.inet_ntop(socket.AF_INET6, packet[at : at + 16]) for at in (8, 24)]
            unusual = whole and word & 0xFFFFF != 0
        if unusual or self.protocol not in ((_UDP,) if whole else (_UDP, _ESP)):
            raise Unsendable("headers that no socket writes")
        self.ports = (0, 0)
        if self.protocol == _UDP:
            if len(packet) < self.front + _UDP_HEADER:
                raise Unsendable("datagrams without a header")
            first, second, _, self.checksum = struct.unpack_from(">4H", packet, self.front)
            self.ports, self.front = (first, second), self.front + _UDP_HEADER
        self.content = packet[self.front :]

    def opened(self, mark: int) -> socket.socket:
        """A socket that makes it, and has its source."""
        family = socket.AF_INET if self.version == 4 else socket.AF_INET6
        kind = (socket.SOCK_DGRAM, 0) if self.protocol == _UDP else (socket.SOCK_RAW, self.protocol)
        one = socket.socket(family, *kind)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        set_headers(one, self.version, self.ttl, self.traffic_class, mark)
        return one

    def bind(self, one: socket.socket) -> None:
        """Give it the source. That it cannot have it is a mistake of ours."""
        try:
            one.bind((self.ends[0], self.ports[0]))
        except OSError as error:
            raise RuntimeError(f"bind to {self.ends[0]} port {self.ports[0]}: {error.strerror}") from error


def segmented(one: socket.socket, size: int) -> None:
    """What is sent at once leaves in datagrams of that size."""
    one.setsockopt(_UDP, _UDP_SEGMENT, size)


def foreign(one: socket.socket, version: int) -> None:
    """A socket may have an address that is not its host's."""
    level, transparent = (
        (socket.IPPROTO_IP, _IP_TRANSPARENT) if version == 4 else (socket.IPPROTO_IPV6, _IPV6_TRANSPARENT)
    )
    one.setsockopt(level, transparent, 1)


def set_headers(one: socket.socket, version: int, ttl: int, traffic_class: int, mark: int) -> None:
    """What a socket is to write into the headers of its packets, and their mark."""
    level = socket.IPPROTO_IP if version == 4 else socket.IPPROTO_IPV6
    settings = {_IP_TTL: ttl, _IP_TOS: traffic_class, _IP_MTU_DISCOVER: _NEVER_FRAGMENT}
    if version == 6:
        settings = {_IPV6_HOPS: ttl, _IPV6_TCLASS: traffic_class, _IPV6_MTU_DISCOVER: _NEVER_FRAGMENT}
        settings[_IPV6_AUTOFLOWLABEL] = 0
    for name, value in settings.items():
        one.setsockopt(level, name, value)
    one.setsockopt(socket.SOL_SOCKET, _SO_MARK, struct.pack("=I", mark))


def send(packet: bytes, way: str, mark: int) -> Seen | None:
    """A packet of the host's own leaves: of one out of a file, what stands in the file behind its headers when asked."""
    made = Made(packet, whole=True)
    with made.opened(mark) as one:
        made.bind(one)
        to = (made.ends[1], made.ports[1])
        if way == "udp" or len(made.content) < _PARTS:
            lets_out(one.sendto, made.content, to)
        elif way == "more":
            third = len(made.content) // _PARTS
            parts = made.content[:third], made.content[third : 2 * third], made.content[2 * third :]
            flags = (socket.MSG_MORE, socket.MSG_MORE, 0)
            all(lets_out(one.sendto, part, flag, to) for part, flag in zip(parts, flags, strict=True))
        elif lets_out(one.sendto, made.content[:1], socket.MSG_MORE, to):
            return _splice(one, packet[: made.front + 1], made.content[1:])
    return (lambda: packet) if way == "splice" else None


def send_super(packet: bytes, size: int, mark: int) -> None:
    """Datagrams of the host's own leave, all but the last of that size. What is to be protected is refused (EIO)."""
    made = Made(packet, whole=True)
    with made.opened(mark) as one:
        segmented(one, size)
        made.bind(one)
        try:
            lets_out(one.sendto, made.content, (made.ends[1], made.ports[1]))
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            raise Unsendable("UDP_SEGMENT of what is to be protected: EIO") from error


def arrive(packet: bytes, mark: int, ports: Collection[int]) -> Seen:
    """A packet for an SA comes from its peer, out of a file: its headers, and what stands in the file when asked. `ports`
    are those that open UDP encapsulation."""
    made = Made(packet, whole=False)
    if made.protocol == _UDP and made.ports[1] not in ports:
        raise Unsendable("packets that no SA takes apart")
    with made.opened(mark) as one:
        pass_all_policies(one, made.version, xfrm.OUT)
        foreign(one, made.version)
        if made.protocol == _UDP and not made.checksum:
            one.setsockopt(socket.SOL_SOCKET, _SO_NO_CHECK, 1)
        made.bind(one)
        one.connect((made.ends[1], made.ports[1]))
        return _splice(one, packet[: made.front], made.content)


def pass_all_policies(one: socket.socket, version: int, direction: int) -> None:
    """What goes in that direction through a socket meets a policy of its own, which lets it pass, and no other."""
    level, option, family = socket.IPPROTO_IP, _IP_XFRM_POLICY, xfrm.AF_INET
    if version == 6:
        level, option, family = socket.IPPROTO_IPV6, _IPV6_XFRM_POLICY, xfrm.AF_INET6
    policy = xfrm.PolicyInfo(selector=xfrm.Selector(family=family), direction=direction)
    one.setsockopt(level, option, policy.encode())


def meet_policies(one: socket.socket, version: int) -> None:
    """What goes through a socket meets the policies of all again."""
    level, option = (socket.IPPROTO_IP, _IP_XFRM_POLICY) if version == 4 else (socket.IPPROTO_IPV6, _IPV6_XFRM_POLICY)
    one.setsockopt(level, option, None, 0)


def _splice(one: socket.socket, front: bytes, content: bytes) -> Seen:
    """Send the pages of a file with that content: `front`, and what the file has when asked."""
    file = tempfile.TemporaryFile(dir=_PLACE)  # noqa: SIM115 -- open as long as somebody can ask
    file.write(content)
    file.flush()
    take, put = os.pipe()
    try:
        fcntl.fcntl(put, _F_SETPIPE_SZ, _PIPE)
        os.splice(file.fileno(), put, len(content), offset_src=0)
        lets_out(os.splice, take, one.fileno(), len(content))
    finally:
        os.close(take)
        os.close(put)
    return lambda: front + os.pread(file.fileno(), len(content), 0)


def ways(side: str) -> Sequence[str]:
    """Those of a side."""
    return {"local": LOCAL, "wire": ("splice",)}.get(side, ())
