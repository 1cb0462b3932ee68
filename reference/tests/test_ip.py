import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from espproof.reference import ip
from espproof.reference.errors import Malformed, Misuse

SOURCE4, DESTINATION4 = bytes([192, 0, 2, 33]), bytes([198, 51, 100, 7])
SOURCE6, DESTINATION6 = bytes(range(0x20, 0x30)), bytes(range(0x81, 0x91))
PAYLOAD = bytes(range(1, 24))

IPV4 = ip.build_ipv4(SOURCE4, DESTINATION4, 50, PAYLOAD, tos=0xB9, identification=0x1234, dont_fragment=True, ttl=61)
IPV4_OPTIONS = ip.build_ipv4(SOURCE4, DESTINATION4, 17, PAYLOAD, options=bytes([0x94, 4, 0, 0, 1, 1, 1, 0]))
IPV6 = ip.build_ipv6(SOURCE6, DESTINATION6, 50, PAYLOAD, traffic_class=0xB9, flow_label=0xABCDE, hop_limit=61)

HOP_BY_HOP = (0, ip.options_header(bytes([5, 2, 0, 0])))
DESTINATION = (60, ip.options_header(bytes([0x1E, 9]) + bytes(9)))
ROUTING = (43, ip.routing_header(4, 1, bytes(4) + DESTINATION6))
ATOMIC = (44, ip.fragment_header(0, 0x01020304, more=False))
FIRST = (44, ip.fragment_header(0, 0x01020304, more=True))
LATER = (44, ip.fragment_header(1480, 0x01020304, more=False))


def extended(*headers: tuple[int, bytes], upper: int = 50, payload: bytes = PAYLOAD) -> bytes:
    next_header, octets = ip.chain(headers, upper)
    return ip.build_ipv6(SOURCE6, DESTINATION6, next_header, octets + payload)


def patched(packet: bytes, at: int, *values: int) -> bytes:
    return packet[:at] + bytes(values) + packet[at + len(values) :]


def words_sum(octets: bytes) -> int:
    """RFC 1071 as it is written: 16-bit words, end-around carry."""
    octets += bytes(len(octets) % 2)
    total = 0
    for (word,) in struct.iter_unpack("!H", octets):
        total += word
        total = (total & 0xFFFF) + (total >> 16)
    return total


def test_ipv4_fields_are_where_rfc_791_puts_them() -> None:
    """A header written out by hand is read field by field, and built to the same octets."""
    header = bytes.fromhex("45b9002b12344000 3d32 0000 c0000221 c6336407".replace(" ", ""))
    header = header[:10] + (0xFFFF - words_sum(header)).to_bytes(2, "big") + header[12:]
    packet = ip.build_ipv4(
        SOURCE4, DESTINATION4, 50, PAYLOAD, tos=0xB9, identification=0x1234, dont_fragment=True, ttl=61
    )
    assert packet == header + PAYLOAD
    read = ip.parse(packet)
    assert read == ip.Packet(4, header, PAYLOAD, 50, 0, 9)
    assert (read.source, read.destination, read.traffic_class, read.hop_limit) == (SOURCE4, DESTINATION4, 0xB9, 61)
    assert (read.dscp, read.ecn, read.identification, read.total_length) == (0x2E, 1, 0x1234, 43)
    assert not read.is_fragment
    assert read.flow_label == 0


def test_ipv6_fields_are_where_rfc_8200_puts_them() -> None:
    """A header written out by hand is read field by field, and built to the same octets."""
    header = bytes.fromhex("6b9abcde 0017 32 3d".replace(" ", "")) + SOURCE6 + DESTINATION6
    assert header + PAYLOAD == IPV6
    read = ip.parse(IPV6)
    assert read == ip.Packet(6, header, PAYLOAD, 50, 0, 6)
    assert (read.source, read.destination, read.traffic_class, read.hop_limit) == (SOURCE6, DESTINATION6, 0xB9, 61)
    assert (read.dscp, read.ecn, read.flow_label, read.total_length) == (0x2E, 1, 0xABCDE, 63)
    assert read.identification == 0
    assert read.dont_fragment


def test_ipv4_options_belong_to_the_header() -> None:
    """The payload begins behind the options."""
    read = ip.parse(IPV4_OPTIONS)
    assert len(read.header) == 28
    assert read.payload == PAYLOAD
    assert read.protocol == 17


@pytest.mark.parametrize("packet", [IPV4, IPV4_OPTIONS, IPV6, extended(HOP_BY_HOP, ROUTING)])
def test_link_padding_is_cut_off(packet: bytes) -> None:
    """Octets behind the total length change nothing."""
    assert ip.parse(packet + b"\xaa" * 17) == ip.parse(packet)


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        (0x0000, (False, 0, False, False)),
        (0x4000, (True, 0, False, False)),
        (0x2000, (False, 0, True, True)),
        (0x0001, (False, 8, False, True)),
        (0x1FFF, (False, 65528, False, True)),
        (0x3FFF, (False, 65528, True, True)),
        (0x8000, (False, 0, False, False)),
        (0x6000, (True, 0, True, True)),
    ],
)
def test_ipv4_flags(word: int, expected: tuple[bool, int, bool, bool]) -> None:
    """DF, offset in octets, MF; the reserved bit says nothing; DF alone makes no fragment."""
    packet = ip.with_checksum(patched(IPV4, 6, word >> 8, word & 0xFF)[:20]) + PAYLOAD
    read = ip.parse(packet)
    assert (read.dont_fragment, read.fragment_offset, read.more_fragments, read.is_fragment) == expected


@pytest.mark.parametrize(
    ("packet", "phrase"),
    [
        (b"", "neither"),
        (b"\x00" * 40, "neither"),
        (b"\x55" * 40, "neither"),
        (b"\x70" * 60, "neither"),
        (IPV4[:19], "truncated"),
        (IPV6[:39], "truncated"),
        (patched(IPV4, 0, 0x44), "below 20"),
        (patched(IPV4, 0, 0x40), "below 20"),
        (patched(IPV4, 0, 0x4F), "total length"),
        (patched(IPV4, 2, 0, 0), "total length"),
        (patched(IPV4, 2, 0, 19), "total length"),
        (patched(IPV4_OPTIONS, 2, 0, 27), "total length"),
        (patched(IPV4, 2, 0, 44), "total length"),
        (patched(IPV4, 2, 0xFF, 0xFF), "total length"),
        (patched(IPV4, 8, 60), "checksum"),
        (patched(IPV4, 10, 0, 0), "checksum"),
        (patched(IPV4_OPTIONS, 20, 0x95), "checksum"),
        (patched(IPV6, 4, 0, 24), "payload length"),
        (patched(IPV6, 4, 0xFF, 0xFF), "payload length"),
        (extended(DESTINATION, HOP_BY_HOP), "not the first"),
        (extended(HOP_BY_HOP, HOP_BY_HOP), "not the first"),
        (ip.build_ipv6(SOURCE6, DESTINATION6, 60, b""), "truncated"),
        (ip.build_ipv6(SOURCE6, DESTINATION6, 60, bytes(7)), "truncated"),
        (patched(extended(DESTINATION, payload=b""), 41, 2), "runs past"),
        (patched(extended(DESTINATION, payload=b""), 41, 255), "runs past"),
        (patched(extended(ROUTING), 41, 255), "runs past"),
        (patched(extended(HOP_BY_HOP), 40, 60), "runs past"),
        (patched(extended(ROUTING, payload=b""), 40, 44), "truncated"),
    ],
)
def test_what_cannot_be_read_is_malformed(packet: bytes, phrase: str) -> None:
    """Each damage is refused with the phrase that names it."""
    with pytest.raises(Malformed, match=phrase):
        ip.parse(packet)


@pytest.mark.parametrize("first", [0x3F, 0x44, 0x50])
def test_an_ipv4_length_is_of_ipv4(first: int) -> None:
    """Versions beside 4, and less than the fixed header, claim no length."""
    with pytest.raises(Malformed, match="not IPv4"):
        ip.ipv4_length(patched(IPV4, 0, first))


@pytest.mark.parametrize(
    "packet",
    [IPV4, IPV4_OPTIONS, IPV6, extended(HOP_BY_HOP, DESTINATION, ROUTING, ATOMIC, DESTINATION), extended(FIRST)],
)
def test_every_truncation_is_malformed(packet: bytes) -> None:
    """A packet that ends early is Malformed wherever it ends, and nothing else is raised."""
    for size in range(len(packet)):
        with pytest.raises(Malformed):
            ip.parse(packet[:size])


@pytest.mark.parametrize(
    "headers",
    [
        (HOP_BY_HOP,),
        (DESTINATION,),
        (ROUTING,),
        (ATOMIC,),
        (DESTINATION, DESTINATION),
        (HOP_BY_HOP, DESTINATION, ROUTING, ATOMIC, DESTINATION),
        (ROUTING, DESTINATION, ROUTING),
        (HOP_BY_HOP, ATOMIC, ROUTING, DESTINATION),
        tuple([DESTINATION] * 300),
    ],
)
def test_extension_headers_are_walked_in_any_order(headers: tuple[tuple[int, bytes], ...]) -> None:
    """All of them are in `header`, the last one names the protocol, and it is at `next_header_at`."""
    packet = extended(*headers)
    read = ip.parse(packet)
    assert (read.protocol, read.payload, read.is_fragment) == (50, PAYLOAD, False)
    assert read.header + read.payload == packet
    assert read.header[read.next_header_at] == 50
    assert read.next_header_at == len(read.header) - len(headers[-1][1])
    assert [header.protocol for header in ip.extension_headers(packet)] == [number for number, _ in headers]


@pytest.mark.parametrize("upper", [6, 17, 50, 51, 58, 59, 135, 253])
def test_other_protocols_end_the_walk(upper: int) -> None:
    """AH, mobility, no next header and unknown numbers are not looked into."""
    assert ip.parse(extended(HOP_BY_HOP, upper=upper, payload=b"\xff")).protocol == upper


def test_ipv6_fragments() -> None:
    """Offset or M make a fragment, an atomic fragment is none; behind a later fragment's header nothing is walked."""
    first = ip.parse(extended(HOP_BY_HOP, FIRST, DESTINATION))
    assert (first.is_fragment, first.fragment_offset, first.more_fragments, first.protocol) == (True, 0, True, 50)
    later = ip.parse(extended(HOP_BY_HOP, LATER, upper=60, payload=b"\xff" * 3))
    assert (later.is_fragment, later.fragment_offset, later.more_fragments, later.protocol) == (True, 1480, False, 60)
    assert later.payload == b"\xff" * 3
    assert not ip.parse(extended(ATOMIC)).is_fragment
    assert ip.parse(extended(ATOMIC, FIRST)).is_fragment


@pytest.mark.parametrize("offset", [8, 2040, 2048, 32768, 65528])
def test_any_offset_ends_the_walk(offset: int) -> None:
    """Behind a fragment header with any other offset than 0 nothing is walked."""
    packet = extended((44, ip.fragment_header(offset, 1, more=True)), upper=60, payload=b"\xff" * 3)
    assert [header.protocol for header in ip.extension_headers(packet)] == [44]
    assert ip.parse(packet).fragment_offset == offset


@pytest.mark.parametrize("reserved", [2, 4, 6])
def test_reserved_bits_of_the_fragment_header_make_no_fragment(reserved: int) -> None:
    """Two bits beside M are reserved and ignored."""
    assert not ip.parse(patched(extended(ATOMIC), 43, reserved)).is_fragment


def test_the_reserved_octet_of_the_fragment_header_is_no_length() -> None:
    """It has 8 octets whatever stands where other headers have their length."""
    read = ip.parse(patched(extended(ATOMIC, DESTINATION), 41, 0xFF))
    assert (read.protocol, len(read.header)) == (50, 40 + 8 + 16)


def test_empty_payloads() -> None:
    """A packet may end with its headers."""
    assert ip.parse(ip.build_ipv4(SOURCE4, DESTINATION4, 50, b"")).payload == b""
    assert ip.parse(ip.build_ipv6(SOURCE6, DESTINATION6, 59, b"")).payload == b""
    assert ip.parse(extended(DESTINATION, payload=b"")).payload == b""


def test_the_longest_packets() -> None:
    """65,535 octets in all for IPv4, behind the fixed header for IPv6."""
    assert ip.parse(ip.build_ipv4(SOURCE4, DESTINATION4, 50, bytes(65515))).total_length == 65535
    assert ip.parse(ip.build_ipv6(SOURCE6, DESTINATION6, 50, bytes(65535))).total_length == 65575


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"\0\0",
        b"\xff\xff",
        b"\xff\xff\xff\xff",
        b"\x12",
        b"\x12\x34\x56",
        bytes.fromhex("0001f203f4f5f6f7"),
        b"\xff\xfe\0\1",
        IPV4[:20],
    ],
)
def test_checksum_is_rfc_1071(octets: bytes) -> None:
    """The remainder gives what adding words with end-around carry gives, at its edges too."""
    assert ip.checksum(octets) == 0xFFFF - words_sum(octets)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=70))
def test_checksum_is_rfc_1071_everywhere(octets: bytes) -> None:
    """The same for any octets."""
    assert ip.checksum(octets) == 0xFFFF - words_sum(octets)


@pytest.mark.parametrize("before", [0x00, 0x03, 0xB9, 0xFF])
@pytest.mark.parametrize("after", [0x00, 0x03, 0xB8, 0xFF])
def test_traffic_class_is_replaced_with_the_checksum(before: int, after: int) -> None:
    """Only DSCP, ECN and the IPv4 checksum change."""
    for options in (b"", bytes(8)):
        old, new = (
            ip.build_ipv4(SOURCE4, DESTINATION4, 6, PAYLOAD, tos=value, options=options) for value in (before, after)
        )
        assert ip.with_traffic_class(old, after) == new
    old, new = (
        ip.build_ipv6(SOURCE6, DESTINATION6, 6, PAYLOAD, traffic_class=value, flow_label=0xFEDCB)
        for value in (before, after)
    )
    assert ip.with_traffic_class(old, after) == new


@pytest.mark.parametrize(("before", "after"), [(0, 0xFF), (0xFF, 0), (2, 3)])
def test_every_checksum_survives_a_change_of_traffic_class(before: int, after: int) -> None:
    """For IDs in small steps, and so for checksums at both ends of their range, changed and built headers agree."""
    for identification in range(0, 0x10000, 7):
        old, new = (
            ip.build_ipv4(SOURCE4, DESTINATION4, 6, b"", tos=tos, identification=identification)
            for tos in (before, after)
        )
        assert ip.with_traffic_class(old, after) == new


def test_a_wrong_checksum_stays_wrong() -> None:
    """Changing the traffic class does not repair a damaged header."""
    damaged = patched(IPV4, 8, 7)
    with pytest.raises(Malformed, match="checksum"):
        ip.parse(ip.with_traffic_class(damaged, 3))


@pytest.mark.parametrize(
    ("source", "destination", "arguments"),
    [
        (SOURCE4, DESTINATION4, {"options": bytes(3)}),
        (SOURCE4, DESTINATION4, {"options": bytes(44)}),
        (SOURCE4, DESTINATION4, {"payload": bytes(65516)}),
        (SOURCE4, DESTINATION4, {"payload": bytes(65512), "options": bytes(4)}),
        (SOURCE4, DESTINATION4, {"fragment_offset": 4}),
        (SOURCE4, DESTINATION4, {"fragment_offset": 65536}),
        (SOURCE4, DESTINATION4, {"fragment_offset": -8}),
        (SOURCE4, DESTINATION4, {"tos": 256}),
        (SOURCE4, DESTINATION4, {"ttl": 256}),
        (SOURCE4, DESTINATION4, {"identification": 65536}),
        (SOURCE6, DESTINATION4, {}),
        (SOURCE4, b"", {}),
    ],
)
def test_ipv4_that_does_not_fit_is_misuse(source: bytes, destination: bytes, arguments: dict[str, object]) -> None:
    """A value that its field cannot hold is the caller's mistake."""
    with pytest.raises(Misuse):
        ip.build_ipv4(source, destination, 50, **({"payload": PAYLOAD} | arguments))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("source", "destination", "arguments"),
    [
        (SOURCE6, DESTINATION6, {"payload": bytes(65536)}),
        (SOURCE6, DESTINATION6, {"traffic_class": 256}),
        (SOURCE6, DESTINATION6, {"traffic_class": -1}),
        (SOURCE6, DESTINATION6, {"flow_label": 1 << 20}),
        (SOURCE6, DESTINATION6, {"flow_label": -1}),
        (SOURCE6, DESTINATION6, {"hop_limit": -1}),
        (SOURCE4, DESTINATION6, {}),
    ],
)
def test_ipv6_that_does_not_fit_is_misuse(source: bytes, destination: bytes, arguments: dict[str, object]) -> None:
    """A value that its field cannot hold is the caller's mistake."""
    with pytest.raises(Misuse):
        ip.build_ipv6(source, destination, 50, **({"payload": PAYLOAD} | arguments))  # type: ignore[arg-type]


def test_the_largest_values_fit_their_fields() -> None:
    """All 13 bits of an IPv4 offset, and all 20 of a flow label."""
    later = ip.parse(ip.build_ipv4(SOURCE4, DESTINATION4, 50, b"", fragment_offset=65528))
    assert later.fragment_offset == 65528
    assert ip.parse(ip.build_ipv6(SOURCE6, DESTINATION6, 50, b"", flow_label=0xFFFFF)).flow_label == 0xFFFFF


@pytest.mark.parametrize("size", range(24))
def test_options_are_padded(size: int) -> None:
    """To a multiple of 8 octets, with a length field that says so and options that can be read to the end."""
    header = ip.options_header(bytes([0x1E, size - 2]) + bytes(size - 2) if size >= 2 else bytes(size))
    assert len(header) % 8 == 0
    assert len(header) == 8 + 8 * header[1]
    at = 2
    while at < len(header):
        at += 1 if header[at] == 0 else 2 + header[at + 1]
    assert at == len(header)


def test_extension_headers_that_do_not_fit_are_misuse() -> None:
    """Sizes and offsets that their fields cannot say."""
    with pytest.raises(Misuse):
        ip.options_header(bytes(2047))
    assert len(ip.options_header(bytes(2046))) == 2048
    for size in (0, 8, 2052):
        with pytest.raises(Misuse):
            ip.routing_header(4, 0, bytes(size))
    assert len(ip.routing_header(4, 0, bytes(2044))) == 2048
    for offset in (-8, 7, 65536):
        with pytest.raises(Misuse):
            ip.fragment_header(offset, 0, more=True)


def test_a_header_that_is_built_names_nothing_yet() -> None:
    """Its next header is 0, until `chain` fills it in."""
    for _, octets in (HOP_BY_HOP, ROUTING, ATOMIC):
        assert octets[0] == 0


def test_chain_links_headers() -> None:
    """Each header names the one behind it, the last one the upper protocol."""
    assert ip.chain([], 6) == (6, b"")
    first, octets = ip.chain([HOP_BY_HOP, ROUTING, DESTINATION], 6)
    assert (first, octets[0], octets[8], octets[8 + 24]) == (0, 43, 60, 6)


@settings(max_examples=200, deadline=None)
@given(
    payload=st.binary(max_size=100),
    tos=st.integers(0, 255),
    identification=st.integers(0, 65535),
    df=st.booleans(),
    ttl=st.integers(0, 255),
    options=st.integers(0, 10),
    offset=st.integers(0, 8191),
    more=st.booleans(),
)
def test_ipv4_round_trip(
    *, payload: bytes, tos: int, identification: int, df: bool, ttl: int, options: int, offset: int, more: bool
) -> None:
    """What is built is read back."""
    packet = ip.build_ipv4(
        SOURCE4, DESTINATION4, 99, payload, tos=tos, identification=identification, dont_fragment=df, ttl=ttl,
        options=bytes(4 * options), fragment_offset=8 * offset, more_fragments=more,
    )  # fmt: skip
    read = ip.parse(packet)
    assert (read.payload, read.protocol, read.source, read.destination) == (payload, 99, SOURCE4, DESTINATION4)
    assert (read.traffic_class, read.hop_limit, read.dont_fragment) == (tos, ttl, df)
    assert (read.fragment_offset, read.more_fragments) == (8 * offset, more)
    assert (read.identification, len(read.header)) == (identification, 20 + 4 * options)
    assert words_sum(read.header) == 0xFFFF


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from([DESTINATION, ROUTING, ATOMIC]), max_size=6), st.booleans(), st.binary(max_size=40))
def test_ipv6_round_trip(headers: list[tuple[int, bytes]], hop_by_hop: bool, payload: bytes) -> None:
    """What is built is read back, whatever extension headers are in it."""
    read = ip.parse(extended(*([HOP_BY_HOP] if hop_by_hop else []), *headers, upper=99, payload=payload))
    assert (read.payload, read.protocol, read.source, read.destination) == (payload, 99, SOURCE6, DESTINATION6)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from([0x45, 0x46, 0x4F, 0x60]), st.binary(max_size=90), st.sampled_from([0, 43, 44, 60, 50]))
def test_any_octets_are_read_or_malformed(first: int, rest: bytes, protocol: int) -> None:
    """Hostile octets raise `Malformed` and nothing else."""
    packet = patched(bytes([first]) + rest, 4, 0, max(0, len(rest) - 39), protocol) if first == 0x60 else rest
    try:
        read = ip.parse(packet)
    except Malformed:
        return
    assert packet.startswith(read.header + read.payload)


@pytest.mark.parametrize("ttl", [1, 2, 64, 255])
def test_a_router_takes_one_of_the_hop_limit(ttl: int) -> None:
    """And nothing else, but that the checksum of IPv4 is right for it."""
    for version in (4, 6):
        before, after = (with_ttl(version, one) for one in (ttl, ttl - 1))
        assert ip.forwarded(before) == after


def with_ttl(version: int, ttl: int) -> bytes:
    if version == 4:
        return ip.build_ipv4(bytes(4), b"\1\2\3\4", 17, b"payload", ttl=ttl)
    return ip.build_ipv6(bytes(16), bytes(range(16)), 17, b"payload", hop_limit=ttl)


@pytest.mark.parametrize("packet", [IPV4, IPV4_OPTIONS, IPV6], ids=["IPv4", "with options", "IPv6"])
@pytest.mark.parametrize("more", [b"", b"x", bytes(300)])
def test_the_length_that_a_packet_has(packet: bytes, more: bytes) -> None:
    """Whatever its header says of it; of IPv4 the checksum is right again, and nothing else is another."""
    size = len(packet) + len(more)
    told = slice(4, 6) if packet is IPV6 else slice(2, 4)
    right = bytearray(packet + more)
    right[told] = (size - 40 if packet is IPV6 else size).to_bytes(2, "big")
    found = ip.with_length(packet + more)
    if packet is not IPV6:
        header = (packet[0] & 0xF) * 4
        assert sum(struct.unpack(f">{header // 2}H", found[:header])) % 0xFFFF == 0
        right[10:12] = found[10:12]
    assert found == bytes(right)
