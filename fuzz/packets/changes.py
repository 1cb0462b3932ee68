"""What the mutator does to a packet: a table of changes with their weights, each a short function on a `Draft`.

Most leave the trailer to be made right at the end, so that what they changed is reached; those about the trailer keep it
as they made it. What is drawn comes from `Tools.rng` alone.
"""

import random
from collections.abc import Callable
from typing import NamedTuple

from espproof.fuzz.packets.draft import Draft, octet, version_of, with_number
from espproof.fuzz.packets.inner import INNER
from espproof.fuzz.packets.sealed import Keys
from espproof.reference import ip
from espproof.reference.esp import MAX_PADDING, TRAILER_SIZE, trailer

Change = Callable[[bytes, int], bytes]
"""Octets and the most that may come back -> other octets; `atheris.Mutate`."""

NEXT_HEADERS = (4, 41, 59, 0, 6, 17, 43, 44, 50, 51, 60, 253, 255)
"""The two of tunnel mode, the dummy's, upper layers, IPv6 extension headers, ESP and AH."""


class Tools(NamedTuple):
    """What a change may use."""

    keys: Keys
    rng: random.Random
    change: Change
    room: int
    """Octets that the payload may have."""


def _fit(payload: bytes, tools: Tools) -> bytes:
    return payload[: tools.room] if len(payload) > tools.room else payload


# ------------------------------------------------------------------------------------------------- changes: the trailer


def next_header(draft: Draft, tools: Tools) -> None:
    """Another protocol, so that the payload is read as something that it is not."""
    draft.next_header = tools.rng.choice(NEXT_HEADERS) if tools.rng.random() < 0.8 else tools.rng.randrange(256)


def pad_length(draft: Draft, tools: Tools) -> None:
    """A pad length around what there is, with whatever octets stand in front of it."""
    there = len(draft.payload)
    near = (0, 1, there - 1, there, there + 1, there + 2, 16, 17, 254, 255, tools.rng.randrange(256))
    draft.padding = b""
    draft.pad_length = max(0, min(tools.rng.choice(near), 255))


def long_padding(draft: Draft, tools: Tools) -> None:
    """More padding than needed, counting as it should; all of 255 octets as often as any other amount."""
    alignment = tools.keys.codec(draft.sa).alignment
    if tools.rng.random() < 0.5:
        draft.payload += bytes(-(len(draft.payload) + MAX_PADDING + TRAILER_SIZE) % alignment)
        size = MAX_PADDING
    else:
        size = -(len(draft.payload) + TRAILER_SIZE) % alignment
        size += alignment * tools.rng.randrange((MAX_PADDING - size) // alignment + 1)
    draft.padding, draft.pad_length = trailer(size, 0)[:-TRAILER_SIZE], size


def wrong_padding(draft: Draft, tools: Tools) -> None:
    """Padding that counts wrong in one octet."""
    long_padding(draft, tools)
    if draft.padding:
        at = tools.rng.randrange(len(draft.padding))
        draft.padding = with_number(draft.padding, octet(at), tools.rng.randrange(256))


def right_trailer(draft: Draft, tools: Tools) -> None:
    """Forget what was done to the trailer."""
    draft.padding, draft.pad_length = b"", None


# ------------------------------------------------------------------------------------------------- changes: the payload


def octets(draft: Draft, tools: Tools) -> None:
    """libFuzzer's own mutation of the whole payload."""
    draft.payload = tools.change(draft.payload, max(tools.room, 1))[: tools.room]


def header_octets(draft: Draft, tools: Tools) -> None:
    """The same of the first octets alone, where inner headers are."""
    size = min(tools.rng.choice((20, 40, 48, 60)), len(draft.payload))
    draft.payload = _fit(tools.change(draft.payload[:size], 60) + draft.payload[size:], tools)


def inner_length(draft: Draft, tools: Tools) -> None:
    """A total or payload length around what is there."""
    there, version = len(draft.payload), version_of(draft.payload)
    field = ip.IPV6_PAYLOAD_LENGTH if version == 6 else ip.IPV4_TOTAL_LENGTH
    near = (0, 1, 19, 20, 21, 39, 40, there - 41, there - 40, there - 39, there - 1, there, there + 1, 0x8000, 0xFFFF)
    draft.payload = with_number(draft.payload, field, tools.rng.choice(near))


def inner_field(draft: Draft, tools: Tools) -> None:
    """One octet of the inner header, at its edges."""
    limit = min(len(draft.payload), 48)
    if limit:
        value = tools.rng.choice((0, 1, 0x40, 0x44, 0x45, 0x46, 0x4F, 0x60, 0x7F, 0x80, 0xFF, tools.rng.randrange(256)))
        draft.payload = with_number(draft.payload, octet(tools.rng.randrange(limit)), value)


def inner_address(draft: Draft, tools: Tools) -> None:
    """One octet of the inner source or destination address: selectors look at them."""
    places = _ADDRESSES.get(version_of(draft.payload), range(1))
    at = places[tools.rng.randrange(len(places))]
    draft.payload = with_number(draft.payload, octet(at), tools.rng.randrange(256))
    inner_checksum(draft, tools)


_ADDRESSES = {
    4: range(ip.IPV4_SOURCE.start, ip.IPV4_DESTINATION.stop),
    6: range(ip.IPV6_SOURCE.start, ip.IPV6_DESTINATION.stop),
}
"""Version -> where the octets of both addresses stand."""


def inner_checksum(draft: Draft, tools: Tools) -> None:
    """A right checksum over whatever the inner IPv4 header is."""
    size = (draft.payload[0] & 0xF) * 4 if draft.payload else 0
    if version_of(draft.payload) == 4 and ip.IPV4_HEADER_SIZE <= size <= len(draft.payload):
        draft.payload = ip.with_checksum(draft.payload[:size]) + draft.payload[size:]


def extension_header(draft: Draft, tools: Tools) -> None:
    """An IPv6 extension header more, of the right length or not: in transport mode in front, else in the inner packet."""
    rng = tools.rng
    kind = rng.choice((0, 43, 44, 60))
    length = rng.choice((0, 0, 0, 1, 2, 31, 255))
    body = bytes([length]) + bytes(rng.choice((6, 6, 6, 8 * length + 6, 5, 2)))
    if draft.next_header == 41 and len(draft.payload) >= ip.IPV6_HEADER_SIZE:
        fixed, behind = draft.payload[: ip.IPV6_HEADER_SIZE], draft.payload[ip.IPV6_HEADER_SIZE :]
        behind = fixed[ip.IPV6_NEXT_HEADER] + body + behind
        fixed = with_number(fixed, ip.IPV6_PAYLOAD_LENGTH, len(behind))
        draft.payload = ip.with_field(fixed, ip.IPV6_NEXT_HEADER, kind) + behind
    else:
        draft.payload = bytes([draft.next_header]) + body + draft.payload
        draft.next_header = kind
    draft.payload = _fit(draft.payload, tools)


def other_payload(draft: Draft, tools: Tools) -> None:
    """A small packet of either IP version instead, with the next header that fits."""
    draft.next_header, draft.payload = tools.rng.choice(INNER)


def tfc(draft: Draft, tools: Tools) -> None:
    """Octets behind the inner packet."""
    more = tools.rng.choice((1, 2, 3, 15, 16, 64, 200, 255, 256, 257, 700))
    draft.payload = _fit(draft.payload + bytes(more), tools)


def shorter(draft: Draft, tools: Tools) -> None:
    """Less payload, down to nothing."""
    there = len(draft.payload)
    draft.payload = draft.payload[: tools.rng.choice((0, 1, 19, 20, 39, 40, there - 1, tools.rng.randrange(there + 1)))]


# ----------------------------------------------------------------------------------------------- changes: what is around


def sequence(draft: Draft, tools: Tools) -> None:
    """Another number, near the edges of the window and of the space; always one that the receiver will take it for."""
    rng, sa = tools.rng, tools.keys.sas[draft.sa]
    top, size = int(sa.sequence), sa.replay_window
    near = (top, top + 1, top + 2, top - 1, top - size + 1, top - size, top - size - 1, top + size, 0, 1)
    low = rng.choice((*near, 0xFFFFFFFF, 0x7FFFFFFF, 0x80000000, rng.getrandbits(32))) & 0xFFFFFFFF
    whole = tools.keys.whole(draft.sa, low)
    if whole is not None:
        draft.sequence = whole


def initialization_vector(draft: Draft, tools: Tools) -> None:
    draft.iv = tools.rng.randbytes(len(draft.iv))


def traffic_class(draft: Draft, tools: Tools) -> None:
    """Other DSCP and ECN of the outer header: ECN meets the inner one at the tunnel's end."""
    draft.front = ip.with_traffic_class(draft.front, tools.rng.choice((0, 1, 2, 3, 0xB8 | tools.rng.randrange(4), 255)))


def congestion(draft: Draft, tools: Tools) -> None:
    """Any ECN field outside and any inside."""
    draft.front = ip.with_traffic_class(draft.front, tools.rng.randrange(4))
    if version_of(draft.payload) in (4, 6) and len(draft.payload) >= ip.IPV4_HEADER_SIZE:
        draft.payload = ip.with_traffic_class(draft.payload, tools.rng.randrange(4))


def hop_limit(draft: Draft, tools: Tools) -> None:
    field = ip.IPV4_TTL if version_of(draft.front) == 4 else ip.IPV6_HOP_LIMIT
    draft.front = ip.with_field(draft.front, field, tools.rng.choice((0, 1, 64, 255)))


def dont_fragment(draft: Draft, tools: Tools) -> None:
    if version_of(draft.front) == 4:
        flags_and_offset = int.from_bytes(draft.front[ip.IPV4_FRAGMENT], "big")
        draft.front = ip.with_field(draft.front, ip.IPV4_FRAGMENT, flags_and_offset ^ 0x4000)


def outer_extension(draft: Draft, tools: Tools) -> None:
    """IPv4 options or an IPv6 extension header in front of ESP, or none again."""
    front = draft.front
    fixed = front[: ip.IPV4_HEADER_SIZE if version_of(front) == 4 else ip.IPV6_HEADER_SIZE]
    if version_of(front) == 4:
        options = tools.rng.choice((b"", b"\x01" * 4, b"\x94\x04\x00\x00", bytes(range(8)), bytes(40)))
        draft.front = bytes([0x45 + len(options) // 4]) + fixed[1:] + options
    elif len(front) > len(fixed) or tools.rng.random() < 0.3:
        draft.front = ip.with_field(fixed, ip.IPV6_NEXT_HEADER, front[draft.patch_at])
        draft.patch_at = ip.IPV6_NEXT_HEADER.start
    else:
        kind, header = tools.rng.choice(_OUTER_EXTENSIONS)
        draft.front = ip.with_field(fixed, ip.IPV6_NEXT_HEADER, kind) + fixed[ip.IPV6_NEXT_HEADER] + header[1:]
        draft.patch_at = len(fixed)


_OUTER_EXTENSIONS = (
    (ip.PROTOCOL_HOP_BY_HOP, ip.options_header()),
    (ip.PROTOCOL_DESTINATION_OPTIONS, ip.options_header(b"\x1e\x08abcdefgh")),
    (ip.PROTOCOL_ROUTING, ip.routing_header(0, 0, bytes(20))),
    (ip.PROTOCOL_FRAGMENT, ip.fragment_header(0, 0x1D2C3B4A, more=False)),
)


def other_sa(draft: Draft, tools: Tools) -> None:
    """The same plaintext on another SA."""
    number = tools.rng.randrange(len(tools.keys.sas))
    plain = tools.keys.new(number, b"")
    draft.sa, draft.front, draft.patch_at, draft.udp = number, plain.front, plain.patch_at, plain.udp
    draft.sequence, draft.iv = plain.sequence, plain.iv


CHANGES: tuple[tuple[int, Callable[[Draft, Tools], None]], ...] = (
    (2, next_header), (4, pad_length), (1, long_padding), (2, wrong_padding), (2, right_trailer),
    (4, octets), (4, header_octets), (4, inner_length), (4, inner_field), (2, inner_address), (1, inner_checksum),
    (3, extension_header),
    (3, other_payload), (2, tfc), (2, shorter),
    (2, sequence), (1, initialization_vector), (1, traffic_class), (2, congestion), (1, hop_limit), (1, dont_fragment),
    (1, outer_extension), (2, other_sa),
)  # fmt: skip
"""(weight, change)"""
