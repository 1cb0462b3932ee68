"""How long packets may be: links, paths and what SAs leave of them, and fragments (RFC 4301 8, RFC 791, RFC 8200 4.5).

    packet ─► [ room of its SAs, the innermost first ] ─► ESP ─► link
                 fits                              ─► as it is
                 IPv4 that may be fragmented       ─► ESP, which is cut up (outside), or pieces, each in ESP (inside)
                 other                             ─► discarded, and its sender is told how long one may be

An IPv6 packet of up to 1280 octets is never too long: what carries it is cut up then (RFC 8200 5, RFC 2473 7.1).

The MTU of a path is learned from messages about ESP packets, and forgotten again (RFC 4301 8.2; RFC 1191 6.3).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from espproof.reference import ip, transport, udp_encapsulation
from espproof.reference.drops import DropReason
from espproof.reference.esp import HEADER_SIZE, TRAILER_SIZE
from espproof.reference.xfrm.protocols import AhEntry, AnyEntry, front
from espproof.reference.xfrm.states import State

IPV6_LEAST = 1280
"""Octets that every IPv6 path carries whole (RFC 8200 5)."""
IPV4_LEAST = 68
"""RFC 791 3.2."""
AGE_SECONDS = 600
"""A learned MTU is kept so long (RFC 1191 6.3 suggests ten minutes)."""
_LEAST_PIECE = 8
"""Octets of payload in a fragment that is not the last."""
_COPIED = 0x80
_END_OF_OPTIONS, _NO_OPERATION = 0, 1
_MORE_FRAGMENTS, _OFFSET = 0x2000, 0x1FFF


class Links(NamedTuple):
    """Octets of the largest packet on each side, `None` for any; and where packets are cut up that may be."""

    wire: int | None = None
    plain: int | None = None
    fragments: Literal["outside", "inside"] = "outside"


@dataclass(slots=True)
class PathMtus:
    """What was learned of paths, by their ends (network order): octets, and when."""

    _learned: dict[bytes, tuple[int, float]] = field(default_factory=dict)

    def learn(self, destination: bytes, mtu: int, now: float) -> None:
        """A message says that packets to there may have so many octets. It never makes them longer, and an MTU that no
        path has is none (RFC 1191 3, RFC 8201 4)."""
        least = IPV4_LEAST if len(destination) == 4 else IPV6_LEAST
        known = self.to(destination, now)
        if mtu >= least and (known is None or mtu <= known):
            self._learned[destination] = mtu, now

    def to(self, destination: bytes, now: float) -> int | None:
        """Octets of the largest packet to there; `None` where nothing is known, or no more."""
        mtu, at = self._learned.get(destination, (0, now))
        return mtu if mtu and now - at < AGE_SECONDS else None


def narrowest(*mtus: int | None) -> int | None:
    """The least of those that there are."""
    return min((mtu for mtu in mtus if mtu is not None), default=None)


# ------------------------------------------------------------------------------------------------------ inside an SA


def room(packet: bytes, bundle: Sequence[State], mtu: int) -> int:
    """Octets of the largest packet like this one that, behind these SAs (the innermost first), has no more than `mtu`."""
    for place in reversed(range(len(bundle))):
        mtu = _inside(bundle[place].entry, mtu, _front(packet, bundle[:place], bundle[place]))
    return mtu


def _front(packet: bytes, before: Sequence[State], state: State) -> int:
    """Octets of the headers that stand in front of ESP or AH once it is there."""
    if state.sa.mode == "tunnel":
        return ip.IPV4_HEADER_SIZE if state.sa.source.version == 4 else ip.IPV6_HEADER_SIZE
    if any(one.sa.mode == "tunnel" for one in before):
        return ip.IPV4_HEADER_SIZE if state.sa.source.version == 4 else ip.IPV6_HEADER_SIZE
    parts = transport.split(packet)
    return 0 if isinstance(parts, DropReason) else len(parts.front)


def _inside(entry: AnyEntry, mtu: int, before: int) -> int:
    if isinstance(entry, AhEntry):
        return mtu - front(entry) - (before if entry.sa.mode == "tunnel" else 0)
    codec, sa = entry.codec, entry.sa
    udp = udp_encapsulation.HEADER_SIZE if sa.udp is not None else 0
    left = mtu - before - udp - HEADER_SIZE - codec.iv_size - codec.icv_size
    payload = left // codec.alignment * codec.alignment - TRAILER_SIZE
    return payload + (before if sa.mode == "transport" else 0)


def must_be_cut_inside(bundle: Iterable[State]) -> bool:
    """Whether an SA sets DF outside, so that its packets cannot be cut up."""
    return any(one.sa.mode == "tunnel" and one.sa.source.version == 4 and one.sa.df == "set" for one in bundle)


# --------------------------------------------------------------------------------------------------------- fragments


def fragments(packet: bytes, mtu: int, identification: int) -> list[bytes]:
    """The packet in pieces of no more than `mtu` octets, each but the last as long as can be. IPv4 keeps its own
    identification, and its DF bit is clear; the fragment header of IPv6 has the one that is given."""
    parsed = ip.parse(packet)
    return _of_ipv4(parsed, mtu) if parsed.version == 4 else _of_ipv6(packet, mtu, identification)


def _of_ipv4(packet: ip.Packet, mtu: int) -> list[bytes]:
    content, offset, made = packet.payload, packet.fragment_offset, list[bytes]()
    front = packet.header
    while content:
        size = len(content) if len(front) + len(content) <= mtu else max(_LEAST_PIECE, (mtu - len(front)) // 8 * 8)
        more = size < len(content) or packet.more_fragments
        word = offset // 8 & _OFFSET | (_MORE_FRAGMENTS if more else 0)
        header = ip.with_field(front, ip.IPV4_TOTAL_LENGTH, len(front) + size)
        made.append(ip.with_checksum(ip.with_field(header, ip.IPV4_FRAGMENT, word)) + content[:size])
        content, offset, front = content[size:], offset + size, _with_copied_options(packet.header)
    return made


def _with_copied_options(header: bytes) -> bytes:
    """The header of the second fragment: it has those options that are to be in each."""
    options, kept = header[ip.IPV4_HEADER_SIZE :], b""
    while options and options[0] != _END_OF_OPTIONS:
        size = 1 if options[0] == _NO_OPERATION or len(options) == 1 else max(2, options[1])
        if options[0] & _COPIED:
            kept += options[:size]
        options = options[size:]
    kept += bytes(-len(kept) % 4)
    return bytes((0x40 | (ip.IPV4_HEADER_SIZE + len(kept)) // 4,)) + header[1 : ip.IPV4_HEADER_SIZE] + kept


def _of_ipv6(packet: bytes, mtu: int, identification: int) -> list[bytes]:
    at, name_at = ip.IPV6_HEADER_SIZE, 6
    for header in ip.extension_headers(packet):
        if header.protocol in (ip.PROTOCOL_HOP_BY_HOP, ip.PROTOCOL_ROUTING):
            at, name_at = header.at + header.size, header.at
    front, protocol, content = packet[:at], packet[name_at], packet[at:]
    front = front[:name_at] + bytes((ip.PROTOCOL_FRAGMENT,)) + front[name_at + 1 :]
    most = max(_LEAST_PIECE, (mtu - at - 8) // 8 * 8)
    made = []
    for offset in range(0, len(content), most):
        piece = content[offset : offset + most]
        more = offset + most < len(content)
        middle = bytes((protocol,)) + ip.fragment_header(offset, identification, more=more)[1:]
        length = at - ip.IPV6_HEADER_SIZE + len(middle) + len(piece)
        made.append(ip.with_field(front, ip.IPV6_PAYLOAD_LENGTH, length) + middle + piece)
    return made
