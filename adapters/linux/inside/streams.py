"""Connections of the host's own TCP, which exist without a handshake (TCP_REPAIR): the kernel's TCP makes segments of what
is written, and keeps a clone of each until it is acknowledged.

Nobody acknowledges anything of its own accord, so what is sent is there to be sent again. That is asked for as a peer
would do it, by acknowledging three segments behind the one that was lost (RFC 2018, RFC 6675); then everything is
acknowledged, and nothing is left that a timer could send. What a peer says here comes in the clear, past all policies.
"""

import socket
import struct
import time
from dataclasses import dataclass

from espproof.adapters.linux.inside.discards import lets_out
from espproof.adapters.linux.inside.senders import Unsendable, pass_all_policies, set_headers
from espproof.adapters.linux.netlink import xfrm

_TCP, _HEADER, _CHECKSUM = 6, 20, 16
_REPAIR, _QUEUE, _QUEUE_SEQ, _OPTIONS, _WINDOW = 19, 20, 21, 22, 29
_ON, _OFF_IN_SILENCE = 1, -1
_RECEIVING, _SENDING = 1, 2
_SACK_PERMITTED = struct.pack("=II", 4, 0)
_WIDE = 1 << 20
_ACK, _PUSH = 0x10, 0x08
_MOST_IN_FLIGHT, _WITHOUT_WAITING = 10, 6
"""Segments that a new connection sends before anything is acknowledged (RFC 6928); and those behind which it still sends
a few at once, and does not wait for more to come (tcp_tso_should_defer)."""
_BEHIND = 3
"""Segments that have arrived behind one that has not, after which it is lost."""
_PATIENCE_SECONDS = 2.0
"""Behind which nothing is left to the kernel's timer: it sends again after three."""

SETTINGS = {
    "ipv4/tcp_timestamps": "0",
    "ipv4/tcp_early_retrans": "0",  # a timer of its own, which sends the last segment again after a second
    "ipv4/tcp_no_metrics_save": "1",
}
"""What makes it wait, and what segments have no room for."""


def has_connections() -> bool:
    """Whether the kernel makes connections without a handshake."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as one:
        try:
            one.setsockopt(_TCP, _REPAIR, _ON)
        except OSError:
            return False
    return True


@dataclass(frozen=True, slots=True)
class Segment:
    """A TCP segment that a host could send on a connection. `Unsendable` for any other."""

    version: int
    ends: tuple[str, str]
    ports: tuple[int, int]
    number: int
    acknowledged: int
    ttl: int
    traffic_class: int
    content: bytes

    @classmethod
    def of(cls, packet: bytes) -> "Segment":
        version = packet[0] >> 4 if packet else 0
        front = {4: 20, 6: 40}.get(version, 0)
        if not front or len(packet) < front + _HEADER or packet[9 if version == 4 else 6] != _TCP:
            raise Unsendable("super-packets of the host's own but of TCP")
        family, size = (socket.AF_INET, 4) if version == 4 else (socket.AF_INET6, 16)
        places = (front - 2 * size, front - size)
        ends = [socket.inet_ntop(family, packet[at : at + size]) for at in places]
        first, second, number, acknowledged, length, flags = struct.unpack_from(">HHIIBB", packet, front)
        word = int.from_bytes(packet[:4], "big")
        is_plain = packet[0] == 0x45 if version == 4 else not word & 0xFFFFF
        if not is_plain or length != _HEADER << 2 or flags | _PUSH != _ACK | _PUSH:
            raise Unsendable("headers that no connection writes")
        return cls(
            version, (ends[0], ends[1]), (first, second), number, acknowledged, packet[8 if version == 4 else 7],
            packet[1] if version == 4 else word >> 20 & 0xFF, packet[front + _HEADER :],
        )  # fmt: skip


class Stream:
    """One connection, whose next octet has the number of that segment."""

    def __init__(self, first: Segment, size: int, mark: int) -> None:
        """`size`: octets of a segment."""
        self._first, self.size, self.mark = first, size, mark
        self.begin = self.next = first.number
        self.in_flight = 0
        """Segments that nobody has acknowledged."""
        self.began = time.monotonic()
        self._socket = one = socket.socket(
            socket.AF_INET if first.version == 4 else socket.AF_INET6, socket.SOCK_STREAM
        )
        one.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _WIDE)
        self._say(_REPAIR, _ON)
        set_headers(one, first.version, first.ttl, first.traffic_class, self.mark)
        pass_all_policies(one, first.version, xfrm.IN)
        one.setsockopt(_TCP, socket.TCP_MAXSEG, self.size)
        for queue, number in ((_SENDING, first.number), (_RECEIVING, first.acknowledged)):
            self._say(_QUEUE, queue)
            one.setsockopt(_TCP, _QUEUE_SEQ, struct.pack("=I", number))
        one.bind((first.ends[0], first.ports[0]))

    def establish(self) -> bool:
        """Whether the kernel lets such a connection out."""
        one, first = self._socket, self._first
        if not lets_out(one.connect, (first.ends[1], first.ports[1])):
            return False
        one.setsockopt(_TCP, _OPTIONS, _SACK_PERMITTED)
        numbers = first.acknowledged, _WIDE, _WIDE, _WIDE, first.acknowledged
        one.setsockopt(_TCP, _WINDOW, struct.pack("=5I", *numbers))
        self._say(_REPAIR, _OFF_IN_SILENCE)
        self._say(socket.TCP_NODELAY, 1)
        return True

    def _say(self, option: int, value: int) -> None:
        self._socket.setsockopt(_TCP, option, value)

    def write(self, content: bytes) -> bool:
        """Whether the kernel lets it out."""
        self.next += len(content)
        self.in_flight += -(-len(content) // self.size)
        return lets_out(self._socket.send, content)

    def acknowledgement(self, lost: int = 0) -> bytes:
        """What the peer says when it has everything; or all but the first `lost` octets."""
        first = self._first
        options = b""
        number = self.next
        if lost:
            number = self.begin
            options = bytes((1, 1, 5, 10)) + struct.pack(
                ">II", (self.begin + lost) & 0xFFFFFFFF, self.next & 0xFFFFFFFF
            )
        header = struct.pack(
            ">HHIIBBHHH", first.ports[1], first.ports[0], first.acknowledged, number & 0xFFFFFFFF,
            (_HEADER + len(options)) << 2, _ACK, 0xFFFF, 0, 0,
        )  # fmt: skip
        return _packet(first, header + options)

    def close(self) -> None:
        """Forget it, without a word to the peer."""
        try:
            self._say(_REPAIR, _ON)
        finally:
            self._socket.close()


class Streams:
    """The connections of a host, by their ends."""

    def __init__(self) -> None:
        self._streams: dict[tuple[object, ...], Stream] = {}

    def close(self) -> None:
        """Forget them all."""
        for one in self._streams.values():
            one.close()
        self._streams.clear()

    def forget_old(self) -> None:
        """Those that the kernel's timer could wake."""
        for key, one in list(self._streams.items()):
            if time.monotonic() - one.began > _PATIENCE_SECONDS:
                self._streams.pop(key).close()

    def send(self, packet: bytes, size: int, mark: int) -> "Again | None":
        """What follows on a connection leaves in segments of that size, on a new one if there is none with these numbers.
        What was sent already is for the caller to ask for, as a peer."""
        segment = Segment.of(packet)
        if len(segment.content) > _MOST_IN_FLIGHT * size:
            raise Unsendable(f"more than {_MOST_IN_FLIGHT} segments that nobody has acknowledged")
        key = segment.version, segment.ends, segment.ports
        there = self._streams.get(key)
        if there is not None and (there.size, there.mark) == (size, mark):
            if segment.number == there.begin and len(segment.content) == size and there.in_flight > _BEHIND:
                del self._streams[key]
                return Again(there)
            room = _MOST_IN_FLIGHT - there.in_flight if there.in_flight <= _WITHOUT_WAITING else 0
            if segment.number == there.next & 0xFFFFFFFF and len(segment.content) <= room * size:
                there.write(segment.content)
                return None
        if there is not None:
            self._streams.pop(key).close()
        made = Stream(segment, size, mark)
        if made.establish() and made.write(segment.content):
            self._streams[key] = made
        else:
            made.close()
        return None


@dataclass(frozen=True, slots=True)
class Again:
    """The first segment of a connection is to be sent again."""

    stream: Stream

    @property
    def lost(self) -> bytes:
        """The packet from the peer because of which it is."""
        return self.stream.acknowledgement(self.stream.size)

    @property
    def received(self) -> bytes:
        """What it says when it has everything; the connection is over then."""
        return self.stream.acknowledgement()


def _packet(first: Segment, segment: bytes) -> bytes:
    """From the peer to the host."""
    family = socket.AF_INET if first.version == 4 else socket.AF_INET6
    near, far = (socket.inet_pton(family, end) for end in first.ends)
    pseudo = far + near + struct.pack(">II", len(segment), _TCP)
    segment = segment[:_CHECKSUM] + struct.pack(">H", _sum(pseudo + segment)) + segment[_CHECKSUM + 2 :]
    if first.version == 6:
        return struct.pack(">IHBB", 6 << 28, len(segment), _TCP, 64) + far + near + segment
    header = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(segment), 0, 0x4000, 64, _TCP, 0) + far + near
    return header[:10] + struct.pack(">H", _sum(header)) + header[12:] + segment


def _sum(octets: bytes) -> int:
    """The Internet checksum of an even number of octets."""
    total: int = sum(struct.unpack(f">{len(octets) // 2}H", octets))
    return ~(total % 0xFFFF) & 0xFFFF
