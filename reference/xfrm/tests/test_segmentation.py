"""Super-packets: what one is cut into, put together again, is what it was; and each part is a packet of its own."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from espproof.reference import ip
from espproof.reference.errors import Misuse
from espproof.reference.xfrm.segmentation import PROTOCOL_TCP, PROTOCOL_UDP, segments

ENDS = {
    4: (bytes((203, 0, 113, 7)), bytes((203, 0, 113, 130))),
    6: (b"\x20\x01\x0d\xb8" + bytes(11) + b"\x07", b"\x20\x01\x0d\xb8" + bytes(11) + b"\x82"),
}
FIN, PSH, ACK, CWR = 0x01, 0x08, 0x10, 0x80


def packet(
    version: int, protocol: int, content: bytes, *, flags: int = ACK, number: int = 7, options: bytes = b""
) -> bytes:
    """A TCP segment or a UDP datagram, its checksum not computed."""
    if protocol == PROTOCOL_UDP:
        header = bytes.fromhex("1f902710") + (8 + len(content)).to_bytes(2, "big") + bytes(2)
    else:
        offset = (20 + len(options)) // 4 << 4
        header = (
            bytes.fromhex("1f902710")
            + number.to_bytes(4, "big")
            + bytes(4)
            + bytes((offset, flags))
            + bytes(6)
            + options
        )
    build = ip.build_ipv4 if version == 4 else ip.build_ipv6
    return build(*ENDS[version], protocol, header + content)


def is_right(one: ip.Packet) -> bool:
    """Whether the checksum of a segment is right."""
    pseudo = one.source + one.destination + len(one.payload).to_bytes(4, "big") + one.protocol.to_bytes(4, "big")
    return ip.checksum(pseudo + one.payload) in (0, 0xFFFF)


@given(
    st.sampled_from((4, 6)),
    st.sampled_from((PROTOCOL_TCP, PROTOCOL_UDP)),
    st.binary(min_size=1, max_size=300),
    st.integers(1, 120),
)
def test_the_parts_are_the_whole(version: int, protocol: int, content: bytes, size: int) -> None:
    """No octet is lost or doubled, all parts but the last have the size; checksums and lengths are right."""
    front = 8 if protocol == PROTOCOL_UDP else 20
    parts = [ip.parse(one) for one in segments(packet(version, protocol, content), size)]
    contents = [one.payload[front:] for one in parts]
    assert b"".join(contents) == content
    assert all(len(one) == size for one in contents[:-1])
    assert 0 < len(contents[-1]) <= size
    assert all(map(is_right, parts))
    if protocol == PROTOCOL_UDP:
        assert [int.from_bytes(one.payload[4:6], "big") for one in parts] == [8 + len(one) for one in contents]


def test_tcp_numbers_and_flags() -> None:
    """Numbers in octets, modulo 2^32; FIN and PSH in the last, CWR in the first, ACK in all."""
    whole = packet(4, PROTOCOL_TCP, bytes(25), flags=FIN | PSH | ACK | CWR, number=2**32 - 5, options=b"\x01" * 4)
    parts = [ip.parse(one).payload for one in segments(whole, 10)]
    assert [int.from_bytes(one[4:8], "big") for one in parts] == [2**32 - 5, 5, 15]
    assert [one[13] for one in parts] == [ACK | CWR, ACK, FIN | PSH | ACK]
    assert all(one[20:24] == b"\x01" * 4 for one in parts)


def test_identifications() -> None:
    """One more with each segment, modulo 2^16; the header's checksum is right."""
    whole = ip.build_ipv4(
        *ENDS[4], PROTOCOL_UDP, ip.parse(packet(4, PROTOCOL_UDP, bytes(30))).payload, identification=0xFFFF
    )
    parts = segments(whole, 10)
    assert [int.from_bytes(one[ip.IPV4_IDENTIFICATION], "big") for one in parts] == [0xFFFF, 0, 1]
    assert all(ip.with_checksum(one[:20]) == one[:20] for one in parts)


@pytest.mark.parametrize(
    ("whole", "size"),
    [
        (packet(4, PROTOCOL_TCP, bytes(30)), 0),
        (ip.build_ipv4(*ENDS[4], 253, bytes(40)), 10),
        (ip.build_ipv4(*ENDS[4], PROTOCOL_TCP, bytes(19)), 10),
        (ip.build_ipv4(*ENDS[4], PROTOCOL_TCP, bytes(12) + b"\x40" + bytes(20)), 10),
        (ip.build_ipv4(*ENDS[4], PROTOCOL_TCP, bytes(12) + b"\xf0" + bytes(20)), 10),
        (ip.build_ipv4(*ENDS[4], PROTOCOL_UDP, bytes(7)), 10),
    ],
    ids=["no size", "another protocol", "TCP cut short", "a header of 16", "a header of 60", "UDP cut short"],
)
def test_what_cannot_be_one(whole: bytes, size: int) -> None:
    """It is refused: nobody could say where its parts begin."""
    with pytest.raises(Misuse):
        segments(whole, size)
