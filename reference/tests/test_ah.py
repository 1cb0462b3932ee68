"""AH against scapy's, which shares no code with it, and against the text of RFC 4302 where scapy does otherwise."""

from ipaddress import ip_address
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import IP
from scapy.layers.inet6 import IPv6
from scapy.layers.ipsec import AH
from scapy.layers.ipsec import SecurityAssociation as ScapySa

from espproof.reference import ah, ip
from espproof.reference.drops import DropReason
from espproof.reference.errors import Malformed, Misuse
from espproof.reference.transforms import mac

SPI = 0x01020304
HOSTS = {
    4: (ip_address("192.0.2.1").packed, ip_address("198.51.100.2").packed),
    6: (ip_address("2001:db8::1").packed, ip_address("2001:db8:1::2").packed),
}
KEYS = {"AUTH_HMAC_SHA1_96": 20, "AUTH_HMAC_SHA2_256_128": 32, "AUTH_HMAC_SHA2_512_256": 64, "AUTH_AES_CMAC_96": 16}
OF_SCAPY = {
    "AUTH_HMAC_SHA1_96": "HMAC-SHA1-96", "AUTH_HMAC_SHA2_256_128": "SHA2-256-128",
    "AUTH_HMAC_SHA2_512_256": "SHA2-512-256", "AUTH_AES_CMAC_96": "AES-CMAC-96",
}  # fmt: skip
OPAQUE = 253
"""A protocol for experiments."""
ROUTER_ALERT, TIMESTAMP = b"\x94\x04\x00\x00", b"\x44\x08\x09\x00\x01\x02\x03\x04"
ROUTE = b"\x83\x0b\x04\xc6\x33\x64\x07\xc6\x33\x64\x08\x00"


def key(size: int) -> bytes:
    return bytes(range(1, size + 1))


def codec(auth: str = "AUTH_HMAC_SHA2_256_128", *, esn: bool = False) -> ah.Codec:
    return ah.Codec(SPI, auth, key(KEYS[auth]), esn=esn)


def packet(version: int, payload: bytes = b"\x11" * 21, **fields: Any) -> bytes:
    build = ip.build_ipv4 if version == 4 else ip.build_ipv6
    return build(*HOSTS[version], 17, payload, **fields)


@pytest.mark.parametrize("auth", KEYS)
@given(version=st.sampled_from((4, 6)), number=st.integers(1, 2**32 - 1), payload=st.binary(min_size=8, max_size=80))
def test_scapy_verifies_what_is_protected(auth: str, version: int, number: int, payload: bytes) -> None:
    """And the other way round: with IPv6, where scapy pads to 64 bits as the text wants, and with IPv4 where ICVs need
    no padding. What is carried is of no protocol that scapy looks into, and changes."""
    build = ip.build_ipv4 if version == 4 else ip.build_ipv6
    plain = build(*HOSTS[version], OPAQUE, payload)
    theirs = ScapySa(AH, spi=SPI, auth_algo=OF_SCAPY[auth], auth_key=key(KEYS[auth]))
    mine = codec(auth).protect(plain, number)
    assert isinstance(mine, bytes)
    layer = IP if version == 4 else IPv6
    assert bytes(theirs.decrypt(layer(mine))) == plain
    theirs.seq_num = number
    protected = bytes(theirs.encrypt(layer(plain), seq_num=number))
    assert codec(auth).open(protected, number) == ah.Authenticated(OPAQUE, payload)


@given(version=st.sampled_from((4, 6)), number=st.integers(1, 2**64 - 1), esn=st.booleans())
def test_what_routers_change_is_not_covered(version: int, number: int, esn: bool) -> None:
    """Traffic class, hop limit and flow label; every other octet is."""
    one = codec(esn=esn)
    mine = one.protect(packet(version), number)
    assert isinstance(mine, bytes)
    changed = ip.forwarded(ip.with_traffic_class(mine, 0xFF))
    assert one.open(changed, number) == ah.Authenticated(17, b"\x11" * 21)
    size = 20 if version == 4 else 40
    for at in (*range(12 if version == 4 else 8, size), size + 4, size + 8, size + 12, len(mine) - 1):
        wrong = mine[:at] + bytes((mine[at] ^ 1,)) + mine[at + 1 :]
        if version == 4:
            wrong = ip.with_checksum(wrong[:size]) + wrong[size:]
        assert one.open(wrong, number) is DropReason.INTEGRITY, at


@pytest.mark.parametrize(("version", "size"), [(4, 28), (6, 32)])
def test_the_icv_is_padded_to_the_version_s_unit_and_no_further(version: int, size: int) -> None:
    """16 octets of ICV make 28 octets of header: whole over IPv4, four more over IPv6 (2.6, 3.3.3.2.1)."""
    mine = codec().protect(packet(version), 7)
    assert isinstance(mine, bytes)
    assert len(mine) - len(packet(version)) == size == codec().size(version)
    assert ip.parse(mine).payload[1] == size // 4 - 2


def test_the_padding_is_covered_whatever_it_is() -> None:
    """A sender chooses its octets (3.3.3.2.1)."""
    front, rest = packet(6)[:40], packet(6)[40:]
    fixed = bytes((17, 6, 0, 0)) + SPI.to_bytes(4, "big") + bytes((0, 0, 0, 1))
    total = (32 + len(rest)).to_bytes(2, "big")
    header = front[:4] + total + bytes((ah.PROTOCOL_AH,)) + front[7:]
    covered = ah.at_the_end(header) + fixed + bytes(16) + b"\xaa\xbb\xcc\xdd" + rest
    icv = mac("AUTH_HMAC_SHA2_256_128", key(32))(covered)
    whole = header + fixed + icv + b"\xaa\xbb\xcc\xdd" + rest
    assert codec().open(whole, 1) == ah.Authenticated(17, rest)
    assert codec().open(whole.replace(b"\xaa\xbb", b"\xaa\xba"), 1) is DropReason.INTEGRITY


def test_the_high_half_is_covered_behind_the_packet() -> None:
    """With extended numbers alone."""
    with_esn, without = codec(esn=True), codec()
    for number, right in ((5, True), (5 + (1 << 32), False)):
        mine = with_esn.protect(packet(4), number)
        assert isinstance(mine, bytes)
        assert isinstance(with_esn.open(mine, 5), ah.Authenticated) == right
        assert isinstance(without.open(mine, 5), ah.Authenticated) is False


def test_every_octet_of_the_header_and_of_the_high_half() -> None:
    """Reserved octets are zero; of the number four octets are sent, and four are covered behind the packet (2.2.1)."""
    number = 0x01020304_A1B2C3D4
    mine = codec(esn=True).protect(packet(4), number)
    assert isinstance(mine, bytes)
    size = codec().size(4)
    assert mine[20:32] == bytes((17, size // 4 - 2, 0, 0)) + SPI.to_bytes(4, "big") + b"\xa1\xb2\xc3\xd4"
    covered = ah.at_the_end(mine[:20]) + mine[20:32] + bytes(16) + mine[48:] + b"\x01\x02\x03\x04"
    assert mine[32:48] == mac("AUTH_HMAC_SHA2_256_128", key(32))(covered)


def test_where_spi_and_number_stand() -> None:
    """No octet of either is one of another field's."""
    header = bytes(range(0xA0, 0xB8))
    assert (ah.spi_of(header), ah.sequence_low(header)) == (0xA4A5A6A7, 0xA8A9AAAB)


def test_what_is_behind_the_end_of_the_options_counts_as_it_is() -> None:
    """Whatever it looks like: it is no option."""
    options = b"\x01\x00\x44\x02"
    assert ah.at_the_end(packet(4, options=options)[:24])[20:] == options


def test_gmac_has_its_iv_in_front_of_its_icv() -> None:
    """RFC 4543 4: a nonce of salt and IV, nothing enciphered, and the whole of IV and ICV zero in what is covered."""
    one = ah.Codec(SPI, ah.GMAC, key(16), b"salt", esn=False)
    mine = one.protect(packet(6), 9, b"8 octets")
    assert isinstance(mine, bytes)
    covered = ah.at_the_end(mine[:40]) + mine[40:52] + bytes(24) + mine[76:]
    assert mine[52:60] == b"8 octets"
    # 12 + 24 octets are 36: four of padding, to 64 bits
    assert mine[60:76] == AESGCM(key(16)).encrypt(b"salt8 octets", b"", covered)
    assert one.open(mine, 9) == ah.Authenticated(17, b"\x11" * 21)


@pytest.mark.parametrize(
    ("options", "covered"),
    [
        (ROUTER_ALERT, ROUTER_ALERT),
        (TIMESTAMP, bytes(8)),
        (b"\x01" * 4, b"\x01" * 4),
        (b"\x5e\x04\x01\x02", bytes(4)),
        (ROUTE, bytes(11) + b"\0"),
    ],
)
def test_options_of_ipv4(options: bytes, covered: bytes) -> None:
    """Appendix A1; a source route counts with the address where it ends."""
    front = packet(4, options=options)[: 20 + len(options)]
    assert ah.at_the_end(front)[20:] == covered
    end = b"\xc6\x33\x64\x08" if options is ROUTE else HOSTS[4][1]
    assert ah.at_the_end(front)[16:20] == end


def test_options_of_ipv6() -> None:
    """Their third bit says whether they change; type and length always count."""
    options = bytes((17, 1)) + b"\x1e\x02\xaa\xbb" + b"\x3e\x02\xaa\xbb" + bytes((0, 1, 3, 0, 0, 0))
    front = packet(6)[:6] + bytes((0,)) + packet(6)[7:40] + options
    assert ah.at_the_end(front)[42:] == b"\x1e\x02\xaa\xbb" + b"\x3e\x02\0\0" + bytes((0, 1, 3, 0, 0, 0))


KEPT_OPTIONS = {1, 130, 133, 134, 148, 149}
"""Appendix A1, those of more than the end of the list."""


@pytest.mark.parametrize("kind", range(2, 256))
def test_which_options_of_ipv4_count(kind: int) -> None:
    """Each type, at the end of the header: those that change on the way, and those that nobody knows, are zero."""
    option = bytes((kind, 4, 0xFF, 0xBB))
    seen = ah.at_the_end(packet(4, options=option)[:24])
    assert seen[20:] == (option if kind in KEPT_OPTIONS else bytes(4))
    assert seen[16:20] == HOSTS[4][1]
    assert ah.at_the_end(packet(4, options=b"\1\1" + bytes((kind, 2)))[:24])[20:22] == b"\1\1"


@pytest.mark.parametrize("kind", range(1, 256))
def test_which_options_of_ipv6_count(kind: int) -> None:
    """Each type but that of one octet."""
    front = packet(6)[:6] + b"\0" + packet(6)[7:40] + bytes((17, 0)) + bytes((kind, 4)) + b"\xaa\xbb\xcc\xdd"
    changes = kind & 0x20
    assert ah.at_the_end(front)[42:] == bytes((kind, 4)) + (bytes(4) if changes else b"\xaa\xbb\xcc\xdd")


@pytest.mark.parametrize("kind", [0x83, 0x89])
@pytest.mark.parametrize(("pointer", "is_left"), [(4, True), (8, True), (9, False), (12, False), (15, False)])
def test_a_source_route_ends_behind_its_last_address(kind: int, pointer: int, *, is_left: bool) -> None:
    """The pointer counts from 1 at the option's first octet; behind the last address the packet is where it is to go."""
    options = bytes((kind, 11, pointer)) + ROUTE[3:11] + b"\0"
    assert ah.at_the_end(packet(4, options=options)[:32])[16:20] == (ROUTE[7:11] if is_left else HOSTS[4][1])


def routing(kind: int, left: int, hops: int, *, more: bytes = b"") -> bytes:
    """An IPv6 header, and a routing header in front of UDP."""
    size = (16 * hops + len(more)) // 8
    return packet(6)[:6] + bytes((43,)) + packet(6)[7:40] + bytes((17, size, kind, left)) + bytes(4 + 16 * hops) + more


@pytest.mark.parametrize("kind", range(6))
def test_routes_whose_end_nobody_knows(kind: int) -> None:
    """Types 0 and 2 are known; others count as they are where nothing of them is left, and are refused where it is."""
    assert (
        ah.at_the_end(routing(kind, 0, 1)) == b"\x60\0\0\0" + routing(kind, 0, 1)[4:7] + b"\0" + routing(kind, 0, 1)[8:]
    )
    if kind in (0, 2):
        assert ah.at_the_end(routing(kind, 1, 1))[43] == 0
        with pytest.raises(Malformed):
            ah.at_the_end(routing(kind, 1, 1, more=bytes(8)))
    else:
        with pytest.raises(Malformed, match=f"of type {kind} "):
            ah.at_the_end(routing(kind, 1, 1))


def test_a_fragment_header_counts_as_it_is() -> None:
    """Its octets are no segments that are left."""
    front = packet(6)[:6] + bytes((44,)) + packet(6)[7:40] + bytes((17, 0, 0, 1, 0, 0, 0, 9))
    assert ah.at_the_end(front)[40:] == front[40:]


@pytest.mark.parametrize("left", [0, 1, 2])
def test_a_route_counts_as_it_is_at_its_end(left: int) -> None:
    """Type 0 of two hops: whoever looks sees the same, before the first hop and behind each."""
    stops = [ip_address(f"2001:db8:9::{number}").packed for number in (1, 2, 3)]
    at = 2 - left
    visited = [*stops[:at], *stops[at + 1 :]]
    front = packet(6)[:24] + stops[at] + bytes((17, 4, 0, left)) + bytes(4) + b"".join(visited)
    front = front[:6] + bytes((43,)) + front[7:]
    seen = ah.at_the_end(front)
    assert seen[24:40] == stops[2]
    assert seen[40:] == bytes((17, 4, 0, 0)) + bytes(4) + stops[0] + stops[1]


@pytest.mark.parametrize(
    ("auth", "size", "salt"),
    [("AUTH_HMAC_SHA2_256_128", 31, b""), ("NONE", 0, b""), (ah.GMAC, 16, b"abc"), ("?", 1, b"")],
)
def test_keys_that_do_not_fit_are_refused(auth: str, size: int, salt: bytes) -> None:
    """By the algorithm's own RFC."""
    with pytest.raises(Misuse):
        ah.Codec(SPI, auth, key(size), salt, esn=False)


@pytest.mark.parametrize(
    ("size", "is_one"), [(15, 0), (16, 1), (17, 0), (23, 0), (24, 1), (25, 0), (31, 0), (32, 1), (33, 0)]
)
def test_keys_of_gmac(size: int, is_one: int) -> None:
    """Those of AES."""
    if is_one:
        assert ah.Codec(SPI, ah.GMAC, key(size), b"salt", esn=False).icv_size == 16
    else:
        with pytest.raises(Misuse):
            ah.Codec(SPI, ah.GMAC, key(size), b"salt", esn=False)


@given(st.binary(max_size=120))
def test_octets_that_are_no_ah_are_refused(content: bytes) -> None:
    """None of them is authentic, and none raises."""
    for version in (4, 6):
        whole = packet(version, content)
        assert isinstance(codec().open(whole, 1), DropReason)


@pytest.mark.parametrize("options", [b"\x44\x01\x00\x00", b"\x44\x09\x01\x02", b"\x01\x01\x01\x44"])
def test_options_that_run_past_their_header_are_malformed(options: bytes) -> None:
    """A receiver discards the packet."""
    size = codec().size(4)
    content = bytes((17, size // 4 - 2, 0, 0)) + SPI.to_bytes(4, "big") + bytes(size - 8)
    whole = ip.build_ipv4(*HOSTS[4], ah.PROTOCOL_AH, content, options=options)
    assert codec().open(whole, 1) is DropReason.MALFORMED


def test_keys_that_an_algorithm_has() -> None:
    """Octets of key and salt: RFC 4543 2, RFC 4868 2.1.1, RFC 2404 3."""
    sizes = {ah.GMAC: (16, 4), "AUTH_HMAC_SHA2_256_128": (32, 0), "AUTH_HMAC_SHA1_96": (20, 0)}
    assert {name: ah.key_sizes(name) for name in sizes} == sizes
