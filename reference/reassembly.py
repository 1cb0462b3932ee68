"""Reassembly of IP fragments: what a host does before IPsec sees a packet (RFC 4301 5.2; RFC 791 3.2, RFC 8200 4.5).

Fragments may come in any order, and one may come twice. Those that overlap discard their datagram, with whatever of it is
still to come (RFC 5722 for IPv6; of IPv4's overlaps RFC 791 keeps some octets, and nobody agrees with it today).

There is no clock here: what is not complete waits until newer datagrams need its place.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

from espproof.reference import ip

MAX_WAITING = 64
"""Datagrams that wait for the rest of them; a new one takes the place of the oldest."""
_DONT_FRAGMENT = 0x40
_CE = 3


class _Piece(NamedTuple):
    """A fragment."""

    front: bytes
    """What stands before the fragmentable part, IPv6's fragment header left out."""
    name_at: int
    """Offset in `front` of the octet that names what follows, which is `protocol`."""
    protocol: int
    offset: int
    octets: bytes
    more: bool
    traffic_class: int

    @property
    def end(self) -> int:
        return self.offset + len(self.octets)


@dataclass(slots=True)
class _Datagram:
    pieces: dict[int, _Piece] = field(default_factory=dict)
    """By offset."""
    length: int | None = None
    """Octets of the fragmentable part, as soon as the last fragment is there."""
    spoilt: bool = False
    """By fragments that overlap: nothing comes of it."""

    def add(self, piece: _Piece) -> None:
        if self.spoilt or self.pieces.get(piece.offset) == piece:
            return
        length = self.length if piece.more else piece.end
        ends = [piece.end, *(one.end for one in self.pieces.values())]
        self.spoilt = (
            any(one.offset < piece.end and piece.offset < one.end for one in self.pieces.values())
            or self.length not in (None, length)
            or (length is not None and max(ends) > length)
        )
        if self.spoilt:
            self.pieces.clear()
        else:
            self.pieces[piece.offset], self.length = piece, length

    def is_whole(self) -> bool:
        return not self.spoilt and self.length == sum(len(piece.octets) for piece in self.pieces.values())

    def packet(self) -> bytes | None:
        """With the first fragment's header, None if too long. CE on one fragment is CE on the whole (RFC 3168 5.3)."""
        pieces = [self.pieces[offset] for offset in sorted(self.pieces)]
        first = pieces[0]
        payload = b"".join(piece.octets for piece in pieces)
        front = bytearray(first.front)
        front[first.name_at] = first.protocol
        if front[0] >> 4 == 4:
            at, length = 2, len(front) + len(payload)
            front[6:8] = bytes([front[6] & _DONT_FRAGMENT, 0])
        else:
            at, length = 4, len(front) - ip.IPV6_HEADER_SIZE + len(payload)
        if length > ip.MAX_LENGTH:
            return None
        front[at : at + 2] = length.to_bytes(2, "big")
        header = bytes(front) if at == 4 else ip.with_checksum(bytes(front))
        congested = any(piece.traffic_class & _CE == _CE for piece in pieces)
        return ip.with_traffic_class(header, first.traffic_class | _CE * congested) + payload


class Reassembly:
    """The fragments that a host keeps."""

    def __init__(self) -> None:
        self._waiting: dict[bytes, _Datagram] = {}

    def take(self, fragment: ip.Packet) -> bytes | None:
        """Take in one fragment. The whole packet if that completes it, else None."""
        key, piece = _of_ipv4(fragment) if fragment.version == 4 else _of_ipv6(fragment)
        if not piece.octets or (piece.more and len(piece.octets) % 8) or piece.end > ip.MAX_LENGTH:
            return None
        if key not in self._waiting and len(self._waiting) == MAX_WAITING:
            del self._waiting[next(iter(self._waiting))]
        datagram = self._waiting.setdefault(key, _Datagram())
        datagram.add(piece)
        if not datagram.is_whole():
            return None
        del self._waiting[key]
        return datagram.packet()


def _of_ipv4(packet: ip.Packet) -> tuple[bytes, _Piece]:
    """The fields that say of which datagram it is, one after the other; and the fragment."""
    header = packet.header
    key = packet.source + packet.destination + header[4:6] + header[9:10]
    return key, _piece(packet, header, 9, header[9], packet.payload)


def _of_ipv6(packet: ip.Packet) -> tuple[bytes, _Piece]:
    whole = packet.header + packet.payload
    name_at = 6
    for protocol, at, _ in ip.extension_headers(whole):
        if protocol == ip.PROTOCOL_FRAGMENT:
            break
        name_at = at
    key = packet.source + packet.destination + whole[at + 4 : at + 8]
    return key, _piece(packet, whole[:at], name_at, whole[at], whole[at + 8 :])


def _piece(packet: ip.Packet, front: bytes, name_at: int, protocol: int, octets: bytes) -> _Piece:
    more, offset = packet.more_fragments, packet.fragment_offset
    return _Piece(front, name_at, protocol, offset, octets, more, packet.traffic_class)
