import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from espproof.reference import ip, transport
from espproof.reference.drops import DropReason
from espproof.reference.errors import Malformed

SOURCE4, DESTINATION4 = bytes([192, 0, 2, 33]), bytes([198, 51, 100, 7])
SOURCE6, DESTINATION6 = bytes(range(0x20, 0x30)), bytes(range(0x81, 0x91))
PAYLOAD = bytes(range(1, 32))
ESP = bytes(range(100, 180))

HOP_BY_HOP = (0, ip.options_header(bytes([5, 2, 0, 0])))
DESTINATION = (60, ip.options_header(bytes([0x1E, 9]) + bytes(9)))
DESTINATION_2 = (60, ip.options_header(bytes([0x1F, 1, 7])))
ROUTING = (43, ip.routing_header(4, 1, bytes(4) + DESTINATION6))
ATOMIC = (44, ip.fragment_header(0, 0x01020304, more=False))
FIRST = (44, ip.fragment_header(0, 0x01020304, more=True))
LATER = (44, ip.fragment_header(1480, 0x01020304, more=False))
Header = tuple[int, bytes]

PLAIN4 = ip.build_ipv4(SOURCE4, DESTINATION4, 17, PAYLOAD, tos=0xB9, identification=0x1234, dont_fragment=True, ttl=61)
OPTIONS4 = ip.build_ipv4(SOURCE4, DESTINATION4, 6, PAYLOAD, tos=0xB9, options=bytes([0x94, 4, 0, 0, 1, 1, 1, 0]))


def extended(*headers: Header, upper: int = 17, payload: bytes = PAYLOAD) -> bytes:
    next_header, octets = ip.chain(headers, upper)
    return ip.build_ipv6(SOURCE6, DESTINATION6, next_header, octets + payload, traffic_class=0xB9, flow_label=0x12345)


PACKETS = [
    PLAIN4,
    OPTIONS4,
    extended(),
    extended(HOP_BY_HOP),
    extended(DESTINATION),
    extended(HOP_BY_HOP, DESTINATION, ROUTING, ATOMIC, DESTINATION_2),
]


def split(packet: bytes) -> transport.Split:
    parts = transport.split(packet)
    assert isinstance(parts, transport.Split)
    return parts


def joined(parts: transport.Split, protocol: int, payload: bytes) -> bytes:
    packet = transport.join(parts.front, parts.patch_at, protocol, payload)
    assert isinstance(packet, bytes)
    return packet


def test_ipv4_keeps_its_header_and_options_in_front() -> None:
    """Everything behind the header is protected (RFC 4303 3.1.1)."""
    assert split(PLAIN4) == (PLAIN4[:20], 17, PAYLOAD, 9)
    assert split(OPTIONS4) == (OPTIONS4[:28], 6, PAYLOAD, 9)
    assert transport.legal_splits(OPTIONS4) == [split(OPTIONS4)]


@pytest.mark.parametrize(
    ("headers", "in_front", "places"),
    [
        ((), 0, 1),
        ((HOP_BY_HOP,), 1, 1),
        ((ROUTING,), 1, 1),
        ((ATOMIC,), 1, 1),
        ((DESTINATION,), 0, 2),
        ((HOP_BY_HOP, DESTINATION), 1, 2),
        ((HOP_BY_HOP, ROUTING, ATOMIC), 3, 1),
        ((DESTINATION, ROUTING), 2, 1),
        ((DESTINATION, ATOMIC), 2, 1),
        ((ROUTING, DESTINATION), 1, 2),
        ((ATOMIC, DESTINATION), 1, 2),
        ((DESTINATION, ROUTING, DESTINATION_2), 2, 2),
        ((DESTINATION, DESTINATION_2), 0, 3),
        ((HOP_BY_HOP, DESTINATION, ROUTING, ATOMIC, DESTINATION_2), 4, 2),
        ((HOP_BY_HOP, DESTINATION, ROUTING, ATOMIC, DESTINATION_2, DESTINATION), 4, 3),
        ((DESTINATION, ATOMIC, ROUTING, DESTINATION_2), 3, 2),
    ],
)
def test_ipv6_extension_headers(headers: tuple[Header, ...], in_front: int, places: int) -> None:
    """Hop-by-hop, routing and fragment headers and all before them stay in front; last destination options may."""
    packet = extended(*headers)
    splits = transport.legal_splits(packet)
    assert len(splits) == places
    for more, parts in enumerate(splits):
        front = headers[: in_front + more]
        behind = headers[in_front + more :]
        next_header, octets = ip.chain(behind, 17)
        assert len(parts.front) == 40 + sum(len(body) for _, body in front)
        assert (parts.next_header, parts.payload) == (next_header, octets + PAYLOAD)
        assert parts.patch_at == (6 if not front else len(parts.front) - len(front[-1][1]))
        assert joined(parts, next_header, parts.payload) == packet
    assert split(packet) == splits[0]


@pytest.mark.parametrize("packet", PACKETS)
def test_outbound_then_inbound_gives_the_packet_back(packet: bytes) -> None:
    """From every legal place, with ESP or UDP as the protocol in between."""
    for parts in transport.legal_splits(packet):
        for protocol in (50, 17):
            outer = ip.parse(joined(parts, protocol, ESP) + b"\xee" * 5)
            assert (outer.protocol, outer.payload, len(outer.header)) == (protocol, ESP, len(parts.front))
            assert transport.rebuild(outer, parts.next_header, parts.payload) == packet


@pytest.mark.parametrize("packet", PACKETS)
def test_only_next_header_length_and_checksum_change(packet: bytes) -> None:
    """Everything else of the headers in front is as it was."""
    for parts in transport.legal_splits(packet):
        before, after = bytearray(parts.front), bytearray(joined(parts, 50, ESP)[: len(parts.front)])
        assert after[parts.patch_at] == 50
        for at in (2, 3, 10, 11) if packet[0] >> 4 == 4 else (4, 5):
            before[at] = after[at] = 0
        before[parts.patch_at] = after[parts.patch_at] = 0
        assert before == after


def test_lengths_and_checksum_are_made_right() -> None:
    """IPv4's total length counts its header, IPv6's payload length counts extension headers and not the fixed one."""
    read = ip.parse(joined(split(OPTIONS4), 50, ESP))
    assert read.header[2:4] == (28 + 80).to_bytes(2, "big")
    assert read.header == ip.with_checksum(read.header)
    assert joined(split(extended(HOP_BY_HOP, ROUTING)), 50, ESP)[4:6] == (8 + 24 + 80).to_bytes(2, "big")


def test_link_padding_is_not_protected() -> None:
    """Octets behind the packet's length are no part of it."""
    for packet in PACKETS:
        assert transport.legal_splits(packet + b"\xee" * 7) == transport.legal_splits(packet)


@pytest.mark.parametrize(
    "packet",
    [
        ip.build_ipv4(SOURCE4, DESTINATION4, 17, PAYLOAD, more_fragments=True),
        ip.build_ipv4(SOURCE4, DESTINATION4, 17, PAYLOAD, fragment_offset=8),
        extended(FIRST),
        extended(LATER),
        extended(HOP_BY_HOP, FIRST, DESTINATION),
        extended(ATOMIC, LATER),
    ],
)
def test_fragments_are_not_protected(packet: bytes) -> None:
    """Transport mode is for whole datagrams (RFC 4303 3.3.4)."""
    assert transport.split(packet) is DropReason.FRAGMENT
    assert transport.legal_splits(packet) == []


@pytest.mark.parametrize("packet", PACKETS)
def test_every_truncation_is_malformed(packet: bytes) -> None:
    """And nothing else is raised."""
    for size in range(len(packet)):
        with pytest.raises(Malformed):
            transport.split(packet[:size])


@pytest.mark.parametrize("packet", PACKETS)
def test_too_big(packet: bytes) -> None:
    """What the length field cannot say is not sent, nor delivered."""
    parts = split(packet)
    longest = 65535 - len(parts.front) + (0 if packet[0] >> 4 == 4 else 40)
    outer = ip.parse(joined(parts, 50, bytes(longest)))
    assert len(outer.payload) == longest
    assert transport.join(parts.front, parts.patch_at, 50, bytes(longest + 1)) is DropReason.TOO_BIG
    assert transport.rebuild(outer, 17, bytes(longest + 1)) is DropReason.TOO_BIG


@pytest.mark.parametrize(
    ("next_header", "payload"),
    [
        (60, b""),
        (60, b"\x11\0\0\0\0\0\0"),
        (60, b"\x11\x01" + bytes(13)),
        (60, b"\x3c\0" + bytes(6)),
        (43, b"\x11\xff" + bytes(30)),
        (44, b"\x11" + bytes(6)),
        (0, HOP_BY_HOP[1] + PAYLOAD),
        (60, b"\0" + DESTINATION[1][1:] + HOP_BY_HOP[1]),
    ],
)
@pytest.mark.parametrize("front", [(), (HOP_BY_HOP, ROUTING)])
def test_protected_extension_headers_that_cannot_be_read(
    front: tuple[Header, ...], next_header: int, payload: bytes
) -> None:
    """A chain that is cut short, or has hop-by-hop options behind the first place, is not delivered."""
    outer = ip.parse(extended(*front, upper=50, payload=ESP)) if front else ip.parse(extended(DESTINATION, upper=50))
    assert transport.rebuild(outer, next_header, payload) is DropReason.MALFORMED


def test_in_ipv4_the_same_numbers_are_not_extension_headers() -> None:
    """IPv4 has no chain to read."""
    outer = ip.parse(ip.build_ipv4(SOURCE4, DESTINATION4, 50, ESP))
    for next_header in (0, 43, 44, 60):
        expected = ip.build_ipv4(SOURCE4, DESTINATION4, next_header, b"\xff")
        assert transport.rebuild(outer, next_header, b"\xff") == expected


@pytest.mark.parametrize("next_header", [0, 1, 4, 6, 17, 41, 50, 255])
def test_any_protocol_and_any_payload_comes_out(next_header: int) -> None:
    """Transport mode does not look at what it delivers; IP in IP is as good as TCP; nothing at all, too."""
    outer = ip.parse(ip.build_ipv4(SOURCE4, DESTINATION4, 50, ESP, tos=3, ttl=9))
    for payload in (b"", b"\x45", PAYLOAD):
        expected = ip.build_ipv4(SOURCE4, DESTINATION4, next_header, payload, tos=3, ttl=9)
        assert transport.rebuild(outer, next_header, payload) == expected


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.sampled_from([DESTINATION, DESTINATION_2, ROUTING, ATOMIC]), max_size=6),
    st.booleans(),
    st.integers(0, 255).filter(lambda number: number not in ip.EXTENSION_HEADERS),
    st.binary(max_size=40),
)
def test_round_trip(headers: list[Header], hop_by_hop: bool, upper: int, payload: bytes) -> None:
    """Any chain, protected at any legal place, is rebuilt; all splits protect less and less."""
    packet = extended(*([HOP_BY_HOP] if hop_by_hop else []), *headers, upper=upper, payload=payload)
    splits = transport.legal_splits(packet)
    assert [len(parts.front) for parts in splits] == sorted({len(parts.front) for parts in splits})
    for parts in splits:
        outer = ip.parse(joined(parts, 50, ESP))
        assert transport.rebuild(outer, parts.next_header, parts.payload) == packet


@settings(max_examples=200, deadline=None)
@given(st.sampled_from([PLAIN4, extended(HOP_BY_HOP)]), st.integers(0, 255), st.binary(max_size=60))
def test_any_payload_is_delivered_or_dropped(packet: bytes, next_header: int, payload: bytes) -> None:
    """Hostile octets behind a right ICV raise nothing, and what is delivered can be read."""
    parts = split(packet)
    left = transport.rebuild(ip.parse(joined(parts, 50, ESP)), next_header, payload)
    if isinstance(left, bytes):
        assert ip.parse(left).total_length == len(left)
    else:
        assert left is DropReason.MALFORMED
