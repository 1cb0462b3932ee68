"""Transport mode: which headers stay in front of ESP, and how they are made right again (RFC 4303 3.1.1).

IPv4: the header with its options stays, the rest is protected. IPv6: ESP stands behind hop-by-hop options, routing and
fragment headers, and so behind everything in front of these. Destination options that come after the last of them are
for the final destination alone and may stand before ESP, behind it, or both: `legal_splits` names every place a sender
may choose, and `split` takes the one that protects most, as the text recommends.

         fixed · hop-by-hop · dest · routing · fragment │ dest │ dest │ TCP
                                                        ^      ^      ^      where ESP may begin; `split`: the first

Only whole datagrams are protected (3.3.4): a fragment has no place for ESP, and `split` says so.
"""

from typing import NamedTuple

from espproof.reference import ip
from espproof.reference.drops import DropReason
from espproof.reference.errors import Malformed


class Split(NamedTuple):
    """`front` ‖ `payload` is the packet; `next_header` belongs to `payload`, `patch_at` is where `front` names it."""

    front: bytes
    next_header: int
    payload: bytes
    patch_at: int


def split(packet: bytes) -> Split | DropReason:
    """Where a sender puts ESP into this packet; FRAGMENT for no whole datagram. Raises `Malformed`."""
    splits = legal_splits(packet)
    return splits[0] if splits else DropReason.FRAGMENT


def legal_splits(packet: bytes) -> list[Split]:
    """Every place where ESP may stand, the one that protects most first; none for a fragment. Raises `Malformed`."""
    parsed = ip.parse(packet)
    if parsed.is_fragment:
        return []
    if parsed.version == 4:
        return [Split(parsed.header, parsed.protocol, parsed.payload, parsed.next_header_at)]
    places = [(ip.IPV6_HEADER_SIZE, 6)]  # where ESP would begin, and which octet then names it
    for header in ip.extension_headers(parsed.header):
        if header.protocol != ip.PROTOCOL_DESTINATION_OPTIONS:
            places.clear()  # this one must stay in front, and with it all before it
        places.append((header.at + header.size, header.at))
    whole = parsed.header + parsed.payload
    return [Split(whole[:begin], whole[name_at], whole[begin:], name_at) for begin, name_at in places]


def join(front: bytes, patch_at: int, next_header: int, payload: bytes) -> bytes | DropReason:
    """Headers and a new payload, with next header, length and IPv4 checksum made right; TOO_BIG if it does not fit."""
    header = front[:patch_at] + bytes([next_header]) + front[patch_at + 1 :]
    total = len(front) + len(payload)
    if front[0] >> 4 == 4:
        if total > ip.MAX_LENGTH:
            return DropReason.TOO_BIG
        return ip.with_checksum(header[:2] + total.to_bytes(2, "big") + header[4:]) + payload
    length = total - ip.IPV6_HEADER_SIZE
    if length > ip.MAX_LENGTH:
        return DropReason.TOO_BIG
    return header[:4] + length.to_bytes(2, "big") + header[6:] + payload


def rebuild(outer: ip.Packet, next_header: int, payload: bytes) -> bytes | DropReason:
    """Inbound: the packet as it was before it was protected.

    MALFORMED if ESP held IPv6 extension headers that cannot be read: who looks for the next protocol behind them, as
    selectors and sockets do, would read past the end.
    """
    packet = join(outer.header, outer.next_header_at, next_header, payload)
    if outer.version == 6 and next_header in ip.EXTENSION_HEADERS and isinstance(packet, bytes):
        try:
            ip.extension_headers(packet)
        except Malformed:
            return DropReason.MALFORMED
    return packet
