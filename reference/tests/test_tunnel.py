from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from espproof.reference import ip, tunnel
from espproof.reference.drops import DropReason
from espproof.reference.errors import Malformed
from espproof.reference.tunnel import CE, ECT_0, ECT_1, NOT_ECT


@dataclass(frozen=True)
class Outer:
    """An SA as far as outer headers go."""

    source: IPv4Address | IPv6Address
    destination: IPv4Address | IPv6Address
    dscp: Literal["copy"] | int = "copy"
    ecn: Literal["normal", "compatibility"] = "normal"
    df: Literal["copy", "set", "clear"] = "copy"
    hop_limit: int = 61


V4 = Outer(ip_address("192.0.2.33"), ip_address("198.51.100.7"))
V6 = Outer(ip_address("2001:db8:1::2"), ip_address("2001:db8:3::4"))
OUTERS = pytest.mark.parametrize("sa", [V4, V6], ids=["in-v4", "in-v6"])
VERSIONS = pytest.mark.parametrize("version", [4, 6], ids=["v4", "v6"])
PAYLOAD = bytes(range(1, 32))


def inner_packet(version: int, traffic_class: int = 0, *, df: bool = False, options: bytes = b"") -> bytes:
    if version == 4:
        return ip.build_ipv4(
            bytes([10, 1, 2, 3]), bytes([10, 9, 8, 7]), 17, PAYLOAD, tos=traffic_class, identification=0x4321,
            dont_fragment=df, ttl=17, options=options,
        )  # fmt: skip
    source, destination = ip_address("2001:db8:a::1").packed, ip_address("2001:db8:b::2").packed
    return ip.build_ipv6(
        source, destination, 17, PAYLOAD, traffic_class=traffic_class, flow_label=0x54321, hop_limit=17
    )


def outer_of(sa: Outer, inner: bytes, protocol: int = 50, length: int = 72, **fields: int) -> ip.Packet:
    """The outer header, read back with that many octets behind it."""
    header = tunnel.build_outer(sa, inner, protocol, length, **fields)
    assert isinstance(header, bytes)
    return ip.parse(header + bytes(length))


# ------------------------------------------------------------------------------------------------------ encapsulation


@OUTERS
@VERSIONS
def test_constructed_fields(sa: Outer, version: int) -> None:
    """Addresses, hop limit, protocol and length are the SA's and the packet's own, in all four address family pairs."""
    for protocol in (50, 17):
        read = outer_of(sa, inner_packet(version, options=bytes(8)), protocol, 1432)
        assert (read.source, read.destination) == (sa.source.packed, sa.destination.packed)
        assert (read.hop_limit, read.protocol, len(read.payload)) == (61, protocol, 1432)
        assert len(read.header) == (20 if sa is V4 else 40)  # no options, no extension headers
        assert not read.is_fragment
        assert (read.identification, read.flow_label) == (0, 0)


@OUTERS
@VERSIONS
def test_dscp_is_copied_or_fixed(sa: Outer, version: int) -> None:
    """Each inner DSCP reaches the outer header, or none does; a fixed 0 is a value like any other."""
    for dscp in (0, 1, 0x15, 0x2E, 0x3F):
        inner = inner_packet(version, dscp << 2 | ECT_1)
        assert outer_of(sa, inner).dscp == dscp
        for fixed in (0, 1, 0x2A, 0x3F):
            read = outer_of(replace(sa, dscp=fixed), inner)
            assert (read.dscp, read.ecn) == (fixed, ECT_1)


@OUTERS
@VERSIONS
@pytest.mark.parametrize("ecn", [NOT_ECT, ECT_1, ECT_0, CE])
def test_ecn_is_copied_in_normal_mode_and_cleared_in_compatibility_mode(sa: Outer, version: int, ecn: int) -> None:
    """RFC 6040 4.1, figure 3; the DSCP beside it is left alone."""
    inner = inner_packet(version, 0x2E << 2 | ecn)
    assert outer_of(sa, inner).traffic_class == 0x2E << 2 | ecn
    assert outer_of(replace(sa, ecn="compatibility"), inner).traffic_class == 0x2E << 2


@pytest.mark.parametrize(
    ("df", "version", "inner_df", "expected"),
    [
        ("copy", 4, False, False),
        ("copy", 4, True, True),
        ("copy", 6, False, True),
        ("set", 4, False, True),
        ("set", 4, True, True),
        ("set", 6, False, True),
        ("clear", 4, False, False),
        ("clear", 4, True, False),
        ("clear", 6, False, False),
    ],
)
def test_df(df: Literal["copy", "set", "clear"], version: int, inner_df: bool, expected: bool) -> None:
    """RFC 4301 5.1.2.1 note 4; IPv6 has no DF to copy and counts as set."""
    assert outer_of(replace(V4, df=df), inner_packet(version, df=inner_df)).dont_fragment is expected


@pytest.mark.parametrize("flags", [0x2000, 0x00B9, 0x8000, 0x20B9])
def test_of_a_fragments_flags_only_df_is_copied(flags: int) -> None:
    """A fragment may go through a tunnel (RFC 4303 3.3.4); the packet around it is whole."""
    inner = inner_packet(4)
    inner = ip.with_checksum(inner[:6] + flags.to_bytes(2, "big") + inner[8:20]) + inner[20:]
    header = tunnel.build_outer(V4, inner, 50, 72)
    assert isinstance(header, bytes)
    assert header[6:8] == b"\0\0"


def test_identification_and_flow_label_are_the_callers() -> None:
    """Each header takes the one it has a field for, and of a long number the low bits."""
    inner = inner_packet(4)
    assert outer_of(V4, inner, identification=0xBEEF, flow_label=0x12345).identification == 0xBEEF
    assert outer_of(V4, inner, identification=0x1_0002_BEEF).identification == 0xBEEF
    assert outer_of(V6, inner, identification=0xBEEF, flow_label=0x12345).flow_label == 0x12345
    assert outer_of(V6, inner, flow_label=0xF12345).flow_label == 0x12345


@pytest.mark.parametrize(("sa", "longest"), [(V4, 65515), (V6, 65535)], ids=["in-v4", "in-v6"])
@VERSIONS
def test_too_big(sa: Outer, longest: int, version: int) -> None:
    """What the length field cannot say is not sent."""
    inner = inner_packet(version)
    assert len(outer_of(sa, inner, 50, longest).payload) == longest
    assert tunnel.build_outer(sa, inner, 50, longest + 1) is DropReason.TOO_BIG


@OUTERS
@pytest.mark.parametrize("inner", [b"", b"\x45", b"\x45" * 19, b"\x60" * 19, bytes(40), b"\x50" * 40])
def test_no_header_around_what_is_no_packet(sa: Outer, inner: bytes) -> None:
    """An inner packet without a readable header is Malformed, nothing else is raised."""
    for parameters in (sa, replace(sa, df="set", dscp=0, ecn="compatibility")):
        with pytest.raises(Malformed):
            tunnel.build_outer(parameters, inner, 50, 72)


def test_one_template_serves_many_packets() -> None:
    """Nothing of one packet's header is left in the next one's."""
    template = tunnel.outer_header(V4)
    inners = [inner_packet(version, tc, df=df) for version in (4, 6) for tc in (0, 0xB9) for df in (True, False)]
    for inner in inners + inners[::-1]:
        assert template.header(inner, 50, 72) == tunnel.build_outer(V4, inner, 50, 72)


def test_the_partial_checksum_is_right_at_its_edges() -> None:
    """For every identification, and so for sums on both sides of each carry."""
    template = tunnel.outer_header(V4)
    inner = inner_packet(4, 0xB9)
    for identification in range(0, 0x10000, 5):
        header = template.header(inner, 50, 1000, identification=identification)
        assert isinstance(header, bytes)
        assert header == ip.with_checksum(header)


# ------------------------------------------------------------------------------------------------------ decapsulation


def test_codepoints_are_rfc_3168() -> None:
    """ECT(1) is 01 and ECT(0) is 10, not the other way round."""
    assert (NOT_ECT, ECT_1, ECT_0, CE) == (0b00, 0b01, 0b10, 0b11)


FIGURE_4: dict[int, dict[int, int | None]] = {
    NOT_ECT: {NOT_ECT: NOT_ECT, ECT_0: NOT_ECT, ECT_1: NOT_ECT, CE: None},
    ECT_0: {NOT_ECT: ECT_0, ECT_0: ECT_0, ECT_1: ECT_1, CE: CE},
    ECT_1: {NOT_ECT: ECT_1, ECT_0: ECT_1, ECT_1: ECT_1, CE: CE},
    CE: {NOT_ECT: CE, ECT_0: CE, ECT_1: CE, CE: CE},
}
CELLS = [(inner, outer, result) for inner, row in FIGURE_4.items() for outer, result in row.items()]


@VERSIONS
@pytest.mark.parametrize(("inner", "outer", "result"), CELLS)
def test_every_cell_of_rfc_6040_figure_4(version: int, inner: int, outer: int, result: int | None) -> None:
    """The ECN field and its checksum change, DSCP and all else stay, the outer DSCP does not come in."""
    for inner_dscp, outer_dscp in ((0, 0x3F), (0x3F, 0), (0x2A, 0x15)):
        packet = inner_packet(version, inner_dscp << 2 | inner, options=b"\x94\x04\0\0")
        left = tunnel.decapsulate(outer_dscp << 2 | outer, packet, tunnel.NEXT_HEADER[version])
        if result is None:
            assert left is DropReason.ECN
        else:
            assert left == inner_packet(version, inner_dscp << 2 | result, options=b"\x94\x04\0\0")


def test_figure_4_follows_from_its_rule() -> None:
    """RFC 6040 4.2: a Not-ECT packet stays so or is dropped, of others the more severe of both marks is kept."""
    severity = [NOT_ECT, ECT_0, ECT_1, CE]
    for (inner, outer), result in tunnel.ECN_AFTER_TUNNEL.items():
        if inner == NOT_ECT:
            assert result == (None if outer == CE else NOT_ECT)
        else:
            assert result == max(inner, outer, key=severity.index)
    assert len(tunnel.ECN_AFTER_TUNNEL) == 16


@VERSIONS
@pytest.mark.parametrize("padding", [b"\0", bytes(40), b"\xff" * 999, b"\x45" * 20])
def test_tfc_padding_is_cut_off(version: int, padding: bytes) -> None:
    """RFC 4303 2.7: what lies behind the inner packet's own length is not delivered, whatever it holds."""
    packet = inner_packet(version, ECT_0)
    assert tunnel.decapsulate(ECT_0, packet + padding, tunnel.NEXT_HEADER[version]) == packet
    marked = tunnel.decapsulate(CE, packet + padding, tunnel.NEXT_HEADER[version])
    assert marked == ip.with_traffic_class(packet, CE)


@VERSIONS
def test_every_truncation_is_malformed(version: int) -> None:
    """An inner packet that is shorter than it claims is not delivered."""
    packet = inner_packet(version)
    for size in range(len(packet)):
        assert tunnel.decapsulate(0, packet[:size], tunnel.NEXT_HEADER[version]) is DropReason.MALFORMED


@pytest.mark.parametrize("next_header", [n for n in range(256) if n not in (4, 41)])
def test_other_next_headers_are_not_for_tunnel_mode(next_header: int) -> None:
    """Only IPv4 (4) and IPv6 (41) come out of a tunnel."""
    assert tunnel.decapsulate(0, inner_packet(4), next_header) is DropReason.MODE


@pytest.mark.parametrize(
    ("next_header", "payload"),
    [
        (41, inner_packet(4)),
        (4, inner_packet(6)),
        (4, b"\x05" + inner_packet(4)[1:]),
        (4, b"\x44" + inner_packet(4)[1:]),
        (4, b"\x55" + inner_packet(4)[1:]),
        (41, b"\x70" + inner_packet(6)[1:]),
        (4, inner_packet(4)[:2] + b"\0\0" + inner_packet(4)[4:]),
        (4, inner_packet(4)[:2] + b"\0\x13" + inner_packet(4)[4:]),
        (4, b"\x4f" + inner_packet(4)[1:]),
        (41, inner_packet(6)[:4] + b"\xff\xff" + inner_packet(6)[6:]),
    ],
)
def test_payload_that_is_no_packet_of_that_version(next_header: int, payload: bytes) -> None:
    """The next header and the version nibble agree, and lengths make sense (total length 0 too), or it is MALFORMED."""
    assert tunnel.decapsulate(0, payload, next_header) is DropReason.MALFORMED


def test_an_inner_packet_without_payload_is_delivered() -> None:
    """IPv6 with payload length 0, IPv4 with nothing behind its header."""
    for packet, next_header in (
        (ip.build_ipv6(bytes(16), bytes(range(16)), 59, b""), 41),
        (ip.build_ipv4(bytes(4), bytes(range(4)), 17, b""), 4),
    ):
        assert tunnel.decapsulate(0, packet + bytes(9), next_header) == packet


def test_a_wrong_inner_checksum_is_carried_not_repaired() -> None:
    """The next hop discards such a packet; with its ECN field changed, too."""
    packet = inner_packet(4, ECT_0)
    damaged = packet[:8] + b"\xee" + packet[9:]
    assert tunnel.decapsulate(0, damaged, 4) == damaged
    marked = tunnel.decapsulate(CE, damaged, 4)
    assert isinstance(marked, bytes)
    with pytest.raises(Malformed, match="checksum"):
        ip.parse(marked)


def test_a_fragment_goes_through() -> None:
    """Tunnel mode carries fragments as they are (RFC 4303 3.3.4)."""
    packet = ip.build_ipv4(bytes(4), bytes(range(4)), 17, PAYLOAD, fragment_offset=1480, more_fragments=True)
    assert tunnel.decapsulate(0, packet, 4) == packet


@settings(max_examples=200, deadline=None)
@given(
    sa=st.sampled_from([V4, V6]),
    version=st.sampled_from([4, 6]),
    traffic_class=st.integers(0, 255),
    dscp=st.sampled_from(["copy", 0, 0x2E, 0x3F]),
    ecn=st.sampled_from(["normal", "compatibility"]),
    padding=st.binary(max_size=30),
    number=st.integers(0, 2**32),
)
def test_round_trip(
    *,
    sa: Outer,
    version: int,
    traffic_class: int,
    dscp: Literal["copy"] | int,
    ecn: Literal["normal", "compatibility"],
    padding: bytes,
    number: int,
) -> None:
    """A packet comes out of a tunnel without congestion as it went in."""
    packet = inner_packet(version, traffic_class)
    outer = outer_of(replace(sa, dscp=dscp, ecn=ecn), packet, identification=number, flow_label=number)
    assert tunnel.decapsulate(outer.traffic_class, packet + padding, tunnel.NEXT_HEADER[version]) == packet


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=80), st.sampled_from([4, 41]), st.integers(0, 255), st.sampled_from([None, 0x45, 0x60]))
def test_any_octets_are_delivered_or_dropped(
    payload: bytes, next_header: int, traffic_class: int, first: int | None
) -> None:
    """Hostile octets behind a right ICV raise nothing, and nothing is delivered that was not sent."""
    payload = payload if first is None else bytes([first]) + payload
    left = tunnel.decapsulate(traffic_class, payload, next_header)
    if isinstance(left, bytes):
        assert len(left) <= len(payload)
        assert left[12:] == payload[12 : len(left)]
    else:
        assert left in (DropReason.MALFORMED, DropReason.ECN)
