"""Reassembly: any cut, in any order, gives the packet back, and what is not whole gives nothing."""

from ipaddress import ip_address
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from espproof.reference import ip
from espproof.reference.reassembly import MAX_WAITING, Reassembly

SOURCE = {4: bytes([192, 0, 2, 1]), 6: ip_address("2001:db8::1").packed}
DESTINATION = {4: bytes([192, 0, 2, 2]), 6: ip_address("2001:db8::2").packed}
OPTIONS = bytes([60, 0, 1, 4, 0, 0, 0, 0])
"""Hop-by-hop options in front of whatever has protocol 60."""


def whole(version: int, payload: bytes, traffic_class: int = 0) -> bytes:
    build = ip.build_ipv4 if version == 4 else ip.build_ipv6
    return ip.with_traffic_class(build(SOURCE[version], DESTINATION[version], 50, payload), traffic_class)


def piece(packet: bytes, start: int, end: int, *, identification: int = 7, more: bool | None = None) -> bytes:
    """Octets `start` to `end` of the payload as a fragment."""
    if packet[0] >> 4 == 4:
        payload = packet[20:]
        flags = start >> 3 | 0x2000 * (end < len(payload) if more is None else more)
        fields = (20 + len(payload[start:end])).to_bytes(2, "big") + identification.to_bytes(2, "big")
        return ip.with_checksum(packet[:2] + fields + flags.to_bytes(2, "big") + packet[8:20]) + payload[start:end]
    payload = packet[40:]
    flags = start | (end < len(payload) if more is None else more)
    header = bytes([packet[6], 0]) + flags.to_bytes(2, "big") + identification.to_bytes(4, "big")
    length = (8 + len(payload[start:end])).to_bytes(2, "big")
    return packet[:4] + length + b"\x2c" + packet[7:40] + header + payload[start:end]


def take(host: Reassembly, *fragments: bytes) -> list[bytes | None]:
    return [host.take(ip.parse(fragment)) for fragment in fragments]


def without_identification(packet: bytes) -> bytes:
    return ip.with_checksum(packet[:4] + bytes(2) + packet[6:20]) + packet[20:] if packet[0] >> 4 == 4 else packet


@settings(deadline=None)
@given(st.data())
def test_a_packet_comes_back_with_the_last_of_its_fragments(data: st.DataObject) -> None:
    """However it was cut, in whatever order, with some that come twice."""
    packet = whole(data.draw(st.sampled_from((4, 6))), data.draw(st.binary(min_size=9, max_size=200)))
    length = len(packet) - (20 if packet[0] >> 4 == 4 else 40)
    cuts = sorted(data.draw(st.sets(st.integers(1, (length - 1) // 8), min_size=1)))
    places = [0, *(8 * cut for cut in cuts), length]
    order = data.draw(st.permutations(list(pairwise(places))))
    twice = data.draw(st.lists(st.sampled_from(order[:-1])))
    *early, last = take(Reassembly(), *(piece(packet, *ends) for ends in [*order[:-1], *twice, order[-1]]))
    assert early == [None] * len(early)
    assert last is not None
    assert without_identification(last) == without_identification(packet)


@pytest.mark.parametrize("version", [4, 6])
def test_datagrams_are_told_apart_by_identification(version: int) -> None:
    one, two = whole(version, bytes(range(24))), whole(version, bytes(range(100, 124)))
    got = take(
        Reassembly(),
        piece(one, 0, 16, identification=1),
        piece(two, 16, 24, identification=2),
        piece(one, 16, 24, identification=1),
        piece(two, 0, 16, identification=2),
    )
    assert got[:2] == [None, None]
    assert [packet and packet[-24:] for packet in got[2:]] == [bytes(range(24)), bytes(range(100, 124))]


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize(
    "ends",
    [((0, 16), (8, 24)), ((0, 16), (0, 8), (16, 24)), ((8, 16), (0, 24)), ((0, 24), (8, 16))],
    ids=["overlap", "shorter", "around", "within"],
)
def test_overlapping_fragments_spoil_their_datagram(version: int, ends: tuple[tuple[int, int], ...]) -> None:
    """RFC 5722: also for what is still to come of it."""
    packet = whole(version, bytes(range(32)))
    host = Reassembly()
    assert take(host, *(piece(packet, *pair) for pair in ends)) == [None] * len(ends)
    assert take(host, *(piece(packet, at, at + 8) for at in (0, 8, 16, 24))) == [None] * 4


@pytest.mark.parametrize("version", [4, 6])
def test_fragments_behind_the_end_spoil_their_datagram(version: int) -> None:
    packet = whole(version, bytes(range(32)))
    assert (
        take(Reassembly(), piece(packet, 8, 16, more=False), piece(packet, 16, 24), piece(packet, 0, 8)) == [None] * 3
    )
    assert (
        take(Reassembly(), piece(packet, 16, 24), piece(packet, 8, 16, more=False), piece(packet, 0, 8)) == [None] * 3
    )


@pytest.mark.parametrize("version", [4, 6])
def test_fragments_that_cannot_be_are_not_kept(version: int) -> None:
    """RFC 8200 4.5: not the last one and no multiple of 8 octets; nothing at all; or behind the end of what can be."""
    packet = whole(version, bytes(range(32)))
    host = Reassembly()
    assert take(host, piece(packet, 0, 12), piece(packet, 8, 8)) == [None, None]
    far = piece(whole(version, bytes(65480)), 0, 16, more=True)
    at = 6 if version == 4 else 42
    far = far[:at] + (0x3FFF if version == 4 else 0xFFF9).to_bytes(2, "big") + far[at + 2 :]
    far = ip.with_checksum(far[:20]) + far[20:] if version == 4 else far
    assert take(host, far) == [None]
    assert take(host, piece(packet, 0, 16), piece(packet, 16, 32))[1] is not None


def test_a_packet_that_would_be_too_long_is_none() -> None:
    """The header counts in IPv4's length."""
    packet = whole(4, bytes(65515))
    front = piece(packet, 0, 65504)
    tail = piece(packet, 65504, 65512) + bytes(23)
    tail = (
        ip.with_checksum(tail[:2] + (51).to_bytes(2, "big") + tail[4:6] + (65504 >> 3).to_bytes(2, "big") + tail[8:20])
        + tail[20:]
    )
    assert len(tail) == 51
    assert take(Reassembly(), front, tail) == [None, None]


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize(("first", "second", "together"), [(2, 2, 2), (2, 3, 3), (3, 1, 3), (0xB8, 0xB8, 0xB8)])
def test_congestion_on_any_fragment_is_kept(version: int, first: int, second: int, together: int) -> None:
    """RFC 3168 5.3."""
    packet = whole(version, bytes(range(16)))
    pieces = [piece(packet, 0, 8), piece(packet, 8, 16)]
    marked = [ip.with_traffic_class(one, mark) for one, mark in zip(pieces, (first, second), strict=True)]
    got = take(Reassembly(), *marked)[1]
    assert got is not None
    assert ip.parse(got).traffic_class == together


def test_extension_headers_stay_on_their_side_of_the_fragment_header() -> None:
    """Hop-by-hop options are in every fragment, destination options in front of ESP are part of what was cut."""
    source, destination = SOURCE[6], DESTINATION[6]
    fragmentable = bytes([50, 0, 1, 4, 0, 0, 0, 0]) + bytes(range(24))

    def fragment(start: int, end: int) -> bytes:
        flags = start | (end < len(fragmentable))
        header = bytes([60, 0]) + flags.to_bytes(2, "big") + bytes([0, 0, 0, 9])
        hop_by_hop = bytes([44]) + OPTIONS[1:]
        return ip.build_ipv6(source, destination, 0, hop_by_hop + header + fragmentable[start:end])

    got = take(Reassembly(), fragment(8, 32), fragment(0, 8))
    assert got == [None, ip.build_ipv6(source, destination, 0, OPTIONS + fragmentable)]


def test_the_oldest_makes_room() -> None:
    """So that fragments of nothing cannot fill the memory."""
    host = Reassembly()
    packet = whole(4, bytes(range(16)))
    take(host, *(piece(packet, 0, 8, identification=number) for number in range(MAX_WAITING + 1)))
    assert take(host, piece(packet, 8, 16, identification=0)) == [None]
    assert take(host, piece(packet, 8, 16, identification=MAX_WAITING))[0] is not None


def test_don_t_fragment_is_kept() -> None:
    """A sender may cut up a packet and forbid routers to cut it further."""
    packet = whole(4, bytes(range(16)))
    pieces = [piece(packet, 0, 8), piece(packet, 8, 16)]
    marked = [ip.with_checksum(one[:6] + bytes([one[6] | 0x40]) + one[7:20]) + one[20:] for one in pieces]
    got = take(Reassembly(), *marked)[1]
    assert got is not None
    assert got[6:8] == b"\x40\x00"
