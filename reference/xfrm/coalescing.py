"""Packets that arrive together merged into one (generic receive offload): the opposite of `segmentation`.

Merged are neighbours of one flow alone, and only so that cut up again they are the packets that came (kernel document
`segmentation-offloads`). Of TCP: the same headers but for lengths, checksums, the IPv4 identification (one more each) and
the sequence number (which goes on where the packet before ends); FIN and PSH in the last alone; as long as the first,
but for the last, which may be shorter. No options of IPv4, no fragments, no empty segments. Nothing else is merged: what a
datagram's reader makes of several in one is the reader's affair, and IKE's messages and keepalives are datagrams.
"""

from collections.abc import Iterable
from typing import NamedTuple

from espproof.reference import ip
from espproof.reference.errors import Malformed
from espproof.reference.xfrm.segmentation import PROTOCOL_TCP, segments

_ENDS = 0x01 | 0x08
"""FIN and PSH, of the last packet alone."""
_FORBIDDEN = 0x02 | 0x04 | 0x20 | 0x80
"""SYN, RST, URG and CWR."""
_FLAGS = 13


class Merged(NamedTuple):
    """A packet, and if it stands for several, how many octets of payload each has."""

    packet: bytes
    segment: int = 0


class _Tcp(NamedTuple):
    """A TCP segment as far as merging looks at it."""

    whole: ip.Packet
    front: int
    """Octets of the TCP header."""

    @property
    def content(self) -> bytes:
        return self.whole.payload[self.front :]

    @property
    def flags(self) -> int:
        return self.whole.payload[_FLAGS]


def coalesced(packets: Iterable[bytes]) -> list[Merged]:
    """The packets in their order, neighbours merged where they can be."""
    runs: list[list[bytes]] = []
    for packet in packets:
        if runs and _goes_on(runs[-1], packet):
            runs[-1].append(packet)
        else:
            runs.append([packet])
    return [_merged(run) for run in runs]


def _goes_on(run: list[bytes], packet: bytes) -> bool:
    """Whether a packet can be merged with those before it, which can be merged with each other."""
    first, last, this = _tcp(run[0]), _tcp(run[-1]), _tcp(packet)
    if first is None or last is None or this is None or last.flags & _ENDS:
        return False
    size = len(first.content)
    fits = len(last.content) == size and 0 < len(this.content) <= size
    total = len(run[0]) + size * (len(run) - 1) + len(this.content)
    return fits and total <= ip.MAX_LENGTH and segments(_joined([*run, packet]), size) == [*run, packet]


def _tcp(packet: bytes) -> _Tcp | None:
    """None for whatever is never merged."""
    try:
        whole = ip.parse(packet)
    except Malformed:
        return None
    if whole.protocol != PROTOCOL_TCP or whole.fragment or len(whole.payload) < 20:
        return None
    if whole.version == 4 and len(whole.header) > ip.IPV4_HEADER_SIZE:
        return None
    front = (whole.payload[12] >> 4) * 4
    if not 20 <= front < len(whole.payload) or whole.payload[_FLAGS] & _FORBIDDEN:
        return None
    return _Tcp(whole, front)


def _merged(run: list[bytes]) -> Merged:
    first = _tcp(run[0])
    if len(run) == 1 or first is None:
        return Merged(run[0])
    return Merged(_joined(run), len(first.content))


def _joined(run: list[bytes]) -> bytes:
    """The headers of the first, with the ends of the last, in front of all that they carry; one whole packet."""
    each = [one for packet in run if (one := _tcp(packet)) is not None]
    first, last = each[0], each[-1]
    header = first.whole.payload[: first.front]
    header = header[:_FLAGS] + bytes((first.flags | last.flags & _ENDS,)) + header[_FLAGS + 1 :]
    content = b"".join(one.content for one in each)
    front = len(first.whole.header)
    if first.whole.version == 4:
        octets = front + len(header) + len(content)
        outer = ip.with_checksum(ip.with_field(first.whole.header, ip.IPV4_TOTAL_LENGTH, octets))
    else:
        length = front - ip.IPV6_HEADER_SIZE + len(header) + len(content)
        outer = ip.with_field(first.whole.header, ip.IPV6_PAYLOAD_LENGTH, length)
    (whole,) = segments(outer + header + content, max(len(content), 1))
    return whole
