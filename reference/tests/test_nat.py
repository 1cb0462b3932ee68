"""Transport mode behind a NAT: the checksums inside."""

import pytest

from espproof.reference import ip, nat, udp_encapsulation

HERE, THERE, NAT = bytes([192, 0, 2, 1]), bytes([198, 51, 100, 2]), bytes([203, 0, 113, 3])
HERE6, THERE6, NAT6 = (bytes.fromhex("20010db8") + bytes(11) + bytes([last]) for last in (1, 2, 3))
SEGMENT = bytes.fromhex("1f902710010203040506070850182011 0000 0000") + b"seven o"


def tcp(source: bytes, destination: bytes) -> bytes:
    """A segment with a right checksum, from RFC 793 3.1 alone."""
    pseudo = source + destination + len(SEGMENT).to_bytes(4, "big") + (6).to_bytes(4, "big")
    return ip.with_field(SEGMENT, slice(16, 18), ip.checksum(pseudo + SEGMENT))


def udp(source: bytes, destination: bytes) -> bytes:
    return udp_encapsulation.wrap(8080, 10000, b"seven o", (source, destination))


def packet(source: bytes, destination: bytes, protocol: int, payload: bytes) -> bytes:
    build = ip.build_ipv4 if len(source) == 4 else ip.build_ipv6
    return build(source, destination, protocol, payload)


@pytest.mark.parametrize(("protocol", "make"), [(6, tcp), (17, udp)])
@pytest.mark.parametrize("ends", [(HERE, THERE, NAT), (HERE6, THERE6, NAT6)])
def test_a_changed_source(protocol, make, ends) -> None:  # type: ignore[no-untyped-def]
    """Whose source a NAT has changed, the checksum fits the new one; one that was right stays."""
    source, destination, changed = ends
    right = packet(source, destination, protocol, make(source, destination))
    assert nat.with_right_checksum(right) == right
    behind = packet(changed, destination, protocol, make(source, destination))
    assert nat.with_right_checksum(behind) == packet(changed, destination, protocol, make(changed, destination))


@pytest.mark.parametrize(
    ("protocol", "payload"),
    [
        (17, udp_encapsulation.wrap(1, 2, b"no checksum")),
        (17, b"\x00\x01\x00\x02\x00\x09\x12\x34"),  # claims an octet more than there is
        (17, bytes(7)),
        (6, SEGMENT[:19]),
        (132, SEGMENT),
    ],
)
def test_nothing_to_correct(protocol: int, payload: bytes) -> None:
    """No checksum, no room for one, or another protocol: the packet stays."""
    plain = packet(HERE, THERE, protocol, payload)
    assert nat.covered(plain) is None
    assert nat.with_right_checksum(plain) == plain


def test_octets_behind_the_datagram_stay() -> None:
    """What follows the UDP length is not covered, and not lost."""
    plain = packet(NAT, THERE, 17, udp(HERE, THERE) + b"more")
    assert nat.with_right_checksum(plain) == packet(NAT, THERE, 17, udp(NAT, THERE) + b"more")


def test_a_fragment_stays() -> None:
    """Of a fragment nobody can compute it."""
    plain = ip.build_ipv4(NAT, THERE, 6, tcp(HERE, THERE), more_fragments=True)
    assert nat.with_right_checksum(plain) == plain


def test_a_checksum_of_zero_is_sent_as_ones() -> None:
    """RFC 768: a UDP checksum that comes out as 0 is written as 0xFFFF, as 0 says that there is none."""
    bare = packet(NAT, THERE, 17, udp_encapsulation.wrap(8080, 10000, bytes(2), (NAT, THERE)))
    word = bare[26:28]  # with this as its payload, the checksum of the datagram comes out as 0
    plain = packet(NAT, THERE, 17, ip.with_field(bare[20:28] + word, slice(6, 8), 0x1234))
    assert nat.with_right_checksum(plain)[26:28] == b"\xff\xff"


def test_a_segment_without_data_has_a_checksum() -> None:
    """A TCP header is enough."""
    bare = packet(NAT, THERE, 6, SEGMENT[:20])
    assert nat.with_right_checksum(bare) != bare
