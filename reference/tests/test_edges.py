"""Edges that a single change of the reference crosses: every default, limit and key, one step to either side."""

import dataclasses
from dataclasses import replace
from ipaddress import ip_address
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, modes
from cryptography.hazmat.primitives.ciphers.algorithms import AES

from espproof.reference import algorithms, endpoint, esp, ip, lifetime, sa, tunnel, udp_encapsulation
from espproof.reference.algorithms import ENCRYPTION, INTEGRITY, pairs
from espproof.reference.drops import DropReason
from espproof.reference.endpoint import Endpoint, Entry, Passed
from espproof.reference.errors import Misuse
from espproof.reference.lifetime import Lifetime
from espproof.reference.reassembly import MAX_WAITING, Reassembly
from espproof.reference.replay import ReplayWindow
from espproof.reference.sa import SaState, SecurityAssociation, Selector, UdpEncapsulation
from espproof.reference.transforms import Xcbc

SOURCE, DESTINATION = bytes([192, 0, 2, 1]), bytes([192, 0, 2, 2])
SIX, SEVEN = ip_address("2001:db8::6").packed, ip_address("2001:db8::7").packed
INNER = ip.build_ipv4(bytes([10, 1, 2, 3]), bytes([10, 9, 8, 7]), 253, bytes(range(16)))
OUT = SecurityAssociation(
    name="out", direction="out", spi=0x1001, mode="tunnel", source=ip_address(SOURCE), destination=ip_address(DESTINATION),
    encr="ENCR_AES_GCM_16", encr_key=bytes(range(16)), salt=b"salt",
)  # fmt: skip
IN = replace(OUT, name="in", direction="in")
IN_UDP = replace(IN, udp=UdpEncapsulation(4500, 4500))


def host(*associations: SecurityAssociation) -> Endpoint:
    made = Endpoint()
    for one in associations:
        made.add(one, SaState(one.lifetime, 0, ReplayWindow(one.replay_window)))
    return made


# ------------------------------------------------------------------------------------------------------------- the SA


def test_defaults() -> None:
    """An SA of which nothing else is said: 32-bit numbers, a window of 64, hop limit 64, no resynchronisation."""
    found = {field.name: getattr(OUT, field.name) for field in dataclasses.fields(OUT)}
    assert {name: found[name] for name in ("esn", "replay_window", "hop_limit", "resync_trigger", "resync_limit")} == {
        "esn": False, "replay_window": 64, "hop_limit": 64, "resync_trigger": 16, "resync_limit": 0
    }  # fmt: skip
    assert (OUT.udp, OUT.dscp, OUT.ecn, OUT.df, OUT.lookup, OUT.selectors) == (
        None,
        "copy",
        "normal",
        "copy",
        "spi",
        (),
    )
    state = SaState()
    assert (state.sequence, state.failures, state.packets, state.octets, state.added_at) == (0, 0, 0, 0, 0)


@pytest.mark.parametrize("one", [OUT, UdpEncapsulation(1, 2), Selector(), Lifetime(), ENCRYPTION["ENCR_NULL"]])
def test_parameters_are_frozen(one: Any) -> None:
    """Parameters cannot be changed, and can be keys."""
    field = dataclasses.fields(one)[0].name
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(one, field, getattr(one, field))
    assert {one: 1}[replace(one)] == 1


def test_an_sa_is_told_by_names() -> None:
    """No field of an SA is given by its place."""
    with pytest.raises(TypeError):
        SecurityAssociation("out", "out", 0x1001, "tunnel", OUT.source, OUT.destination, "ENCR_NULL")  # type: ignore[call-arg]


@pytest.mark.parametrize("fields", [{"mode": "beet"}, {"lookup": "nothing"}])
def test_either_word_alone_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(Misuse):
        replace(OUT, **fields).validate()


# ------------------------------------------------------------------------------------------------------------ lifetimes


def test_room_ends_with_the_limit() -> None:
    """A packet that fills the limit passes, one octet more does not; without a limit all do."""
    assert Lifetime(hard_octets=10).has_room_for(4, 6)
    assert not Lifetime(hard_octets=10).has_room_for(4, 7)
    assert Lifetime(soft_octets=1).has_room_for(4, 7)
    assert lifetime.UNLIMITED.has_room_for(1 << 40, 1)


@pytest.mark.parametrize("seconds", [0, 1])
def test_time_is_zero_unless_told(seconds: int) -> None:
    """An SA of no seconds has ended when nobody tells the time, one of one second has not."""
    limited = Lifetime(hard_seconds=seconds)
    out, into = replace(OUT, lifetime=limited), replace(IN, lifetime=limited)
    tested = host(out, into)
    sent = tested.outbound("out", INNER)
    packet = endpoint.encapsulate(Entry(into, SaState()), INNER, 1)
    assert isinstance(packet, bytes)
    got = tested.inbound(packet)
    assert (sent is DropReason.EXPIRED, got is DropReason.EXPIRED) == (seconds == 0, seconds == 0)


# ------------------------------------------------------------------------------------------------------------------ ESP


def test_most_that_is_added() -> None:
    """The sizes that others reckon with are those of the largest headers, IV and ICV there are."""
    iv = max(one.iv_size for one in ENCRYPTION.values())
    icv = max([one.icv_size for one in ENCRYPTION.values()] + [one.icv_size for one in INTEGRITY.values()])
    assert 40 + 8 + 8 + iv + icv == esp.MOST_AROUND
    assert esp.MOST_AROUND + 2 * max(one.block_size for one in ENCRYPTION.values()) == esp.MOST_ADDED
    assert esp.NEXT_HEADER_DUMMY == 59


def test_smallest_packets() -> None:
    """The least that an ESP packet can have: header, IV, pad length, next header, ICV."""
    for cipher, integrity in pairs():
        key, auth_key = bytes(cipher.key_sizes[0]), bytes(integrity.key_size)
        codec = esp.Codec(1, cipher.name, integrity.name, key, bytes(cipher.salt_size), auth_key, esn=False)
        assert codec.smallest == 8 + cipher.iv_size + 2 + (cipher.icv_size or integrity.icv_size)


def test_trailers_of_all_lengths() -> None:
    """From no padding to 255 octets of it."""
    for length in range(256):
        made = esp.trailer(length, 4)
        assert made == bytes(range(1, length + 1)) + bytes([length, 4])
        assert esp.take_trailer(b"x" + made) == esp.Opened(b"x", made[:-2], 4)


@pytest.mark.parametrize("length", [0, 1, 14, 15, 16, 17, 31, 32, 33])
def test_xcbc_by_blocks(length: int) -> None:
    """RFC 3566 section 4, block by block with the bare cipher."""
    key, message = bytes(range(16)), bytes(range(length))

    def enciphered(under: bytes, block: bytes) -> bytes:
        return Cipher(AES(under), modes.ECB()).encryptor().update(block)

    k1, k2, k3 = (enciphered(key, bytes([octet]) * 16) for octet in (1, 2, 3))
    blocks = [message[at : at + 16] for at in range(0, length, 16)] or [b""]
    state = bytes(16)
    for number, block in enumerate(blocks):
        mask = bytes(16)
        if number == len(blocks) - 1:
            mask = k2 if len(block) == 16 else k3
        padded = block if len(block) == 16 else (block + b"\x80").ljust(16, b"\0")
        state = enciphered(k1, bytes(a ^ b ^ c for a, b, c in zip(state, padded, mask, strict=True)))
    assert Xcbc(key)(message) == state[:12]


# ------------------------------------------------------------------------------------------------------------- endpoint


def datagram(port: int, payload: bytes = b"\0\0\0\0ike") -> bytes:
    return ip.build_ipv4(SOURCE, DESTINATION, 17, udp_encapsulation.wrap(4500, port, payload))


def test_ports_are_known_as_long_as_an_sa_has_them() -> None:
    """Two SAs with one port: it is looked at until both are gone, and then no more."""
    tested = host(replace(IN_UDP, name="one"), replace(IN_UDP, name="two", spi=0x1002))
    for gone, to in (("", "ike"), ("one", "ike"), ("two", "bypass")):
        if gone:
            tested.delete(gone)
        assert tested.inbound(datagram(4500)) == Passed(to, b"ike" if to == "ike" else datagram(4500))
    piece = ip.build_ipv4(SOURCE, DESTINATION, 17, b"\0" * 8, more_fragments=True)
    assert tested.inbound(piece) == Passed("bypass", piece)


@pytest.mark.parametrize(
    ("version", "protocol", "offset", "kept"),
    [(6, 60, 8, True), (6, 0, 8, True), (6, 50, 8, True), (6, 6, 8, False), (4, 60, 8, False), (4, 0, 8, False),
     (4, 50, 8, True), (4, 6, 8, False), (6, 17, 8, False), (4, 17, 0, False)],
)  # fmt: skip
def test_which_fragments_are_kept(version: int, protocol: int, offset: int, kept: bool) -> None:
    """Those of ESP, and later ones of IPv6 that begin with an extension header, behind which ESP may be."""
    if version == 4:
        packet = ip.build_ipv4(SOURCE, DESTINATION, protocol, bytes(16), fragment_offset=offset, more_fragments=True)
    else:
        first, chain = ip.chain([(44, ip.fragment_header(offset, 7, more=True))], protocol)
        packet = ip.build_ipv6(SIX, SEVEN, first, chain + bytes(16))
    assert host(IN).inbound(packet) == (DropReason.FRAGMENT if kept else Passed("bypass", packet))


def test_eight_octets_have_an_spi() -> None:
    """With eight octets there is an SPI to look up, with seven there is none."""
    for size, reason in ((7, DropReason.MALFORMED), (8, DropReason.NO_SA)):
        packet = ip.build_ipv4(SOURCE, DESTINATION, 50, b"\0\0\x20\2\0\0\0\1"[:size])
        assert host(IN).inbound(packet) is reason


def test_tfc_follows_the_packet() -> None:
    """TFC padding of zeros stands between the inner packet and the padding, and only where it is asked for."""
    entry = Entry(OUT, SaState())
    for tfc in (0, 1, 10):
        packet = endpoint.encapsulate(entry, INNER, 1, tfc=tfc)
        assert isinstance(packet, bytes)
        plaintext = entry.codec.open(ip.parse(packet).payload, 1)
        assert isinstance(plaintext, bytes)
        opened = esp.take_trailer(plaintext)
        assert isinstance(opened, esp.Opened)
        assert opened.payload == INNER + bytes(tfc)
    assert endpoint.encapsulate(entry, INNER, 1) == endpoint.encapsulate(entry, INNER, 1, tfc=0, dummy=False)
    assert host(OUT).outbound("out", INNER) == endpoint.encapsulate(entry, INNER, 1)


def test_udp_has_room_for_65527_octets() -> None:
    """ESP that fits no datagram is too big, and no error of the caller."""
    wide = replace(OUT, source=ip_address(SIX), destination=ip_address(SEVEN), udp=UdpEncapsulation(4500, 4500))
    for size, expected in ((65524, bytes), (65528, DropReason), (65540, DropReason)):
        entry = Entry(wide, SaState())
        assert isinstance(endpoint.wrap(entry, INNER, bytes(size)), expected)


# --------------------------------------------------------------------------------------------------------------- tunnel


def outer(inner: bytes = INNER, **fields: Any) -> ip.Packet:
    header = tunnel.build_outer(replace(OUT, **fields), inner, 50, 8)
    assert isinstance(header, bytes)
    return ip.parse(header + bytes(8))


def test_fields_that_nobody_asks_for_are_zero() -> None:
    """Identification, flow label, fragment offset; ECN where neither it nor DSCP is copied."""
    six: dict[str, Any] = {"source": ip_address(SIX), "destination": ip_address(SEVEN)}
    assert outer(**six).flow_label == 0
    assert outer().identification == 0
    for addresses in ({}, six):
        template = tunnel.outer_header(replace(OUT, **addresses))
        assert template.header(INNER, 50, 8) == template.header(INNER, 50, 8, identification=0, flow_label=0)
    marked = ip.with_traffic_class(INNER, 0xFF)
    assert outer(marked, dscp=42, ecn="compatibility").traffic_class == 42 << 2
    assert outer(marked, ecn="compatibility").traffic_class == 0xFC
    for df in ("copy", "set", "clear"):
        assert not outer(df=df).is_fragment
        assert outer(df=df).header[6:8] == (b"\x40\0" if df == "set" else b"\0\0")
    far = ip.build_ipv4(SOURCE, DESTINATION, 253, bytes(8), fragment_offset=8 * 0x1F00, more_fragments=True)
    assert not outer(far).dont_fragment


@pytest.mark.parametrize("field", range(4))
def test_an_inner_packet_that_needs_no_change_gets_none(field: int) -> None:
    """Not even a checksum of 0xFFFF, which means the same as 0, is written anew where ECN stays."""
    bare = bytearray(ip.build_ipv4(SOURCE, DESTINATION, 253, b"", tos=0xB8 | field))
    rest = ip.checksum(bytes(bare[:4]) + bytes(bare[6:10]) + bytes(bare[12:]))
    bare[4:6], bare[10:12] = rest.to_bytes(2, "big"), b"\xff\xff"
    assert ip.parse(bytes(bare)).payload == b""
    assert tunnel.decapsulate(field, bytes(bare), 4) == bytes(bare)


# ----------------------------------------------------------------------------------------------------------- reassembly


def piece(at: int, payload: bytes, *, more: bool, **fields: Any) -> ip.Packet:
    given = {"identification": 0x1234, "protocol": 50, **fields}
    protocol = given.pop("protocol")
    return ip.parse(
        ip.build_ipv4(SOURCE, DESTINATION, protocol, payload, fragment_offset=at, more_fragments=more, **given)
    )


def piece_6(at: int, payload: bytes, identification: int, *, more: bool) -> ip.Packet:
    first, chain = ip.chain([(44, ip.fragment_header(at, identification, more=more))], 50)
    return ip.parse(ip.build_ipv6(SIX, SEVEN, first, chain + payload))


@pytest.mark.parametrize("other", [{"identification": 0x5634}, {"identification": 0x1235}, {"protocol": 17}])
def test_fragments_of_another_packet(other: dict[str, int]) -> None:
    """Every octet of the identification, and the protocol, tell two packets apart."""
    tested = Reassembly()
    assert tested.take(piece(0, bytes(8), more=True)) is None
    assert tested.take(piece(8, b"other", more=False, **other)) is None
    whole = tested.take(piece(8, b"same", more=False, ttl=9))
    assert whole is not None
    assert ip.parse(whole).payload == bytes(8) + b"same"


@pytest.mark.parametrize("bit", range(32))
def test_fragments_of_another_ipv6_packet(bit: int) -> None:
    tested = Reassembly()
    assert tested.take(piece_6(0, bytes(8), 0x1234_5678, more=True)) is None
    assert tested.take(piece_6(8, b"other", 0x1234_5678 ^ 1 << bit, more=False)) is None
    assert tested.take(piece_6(8, b"same", 0x1234_5678, more=False)) is not None


def test_the_first_fragment_gives_the_header() -> None:
    """Whatever the others have: hop limit, options."""
    tested = Reassembly()
    assert tested.take(piece(16, b"c", more=False, ttl=3)) is None
    assert tested.take(piece(0, bytes(8), more=True, ttl=1, options=b"\1\1\1\0")) is None
    whole = tested.take(piece(8, bytes(8), more=True, ttl=2))
    assert whole is not None
    assert (ip.parse(whole).hop_limit, len(ip.parse(whole).header)) == (1, 24)


def test_the_longest_packet() -> None:
    """65,535 octets can be put together, one more cannot; nor can a piece end beyond them."""
    for size, there in ((65515, True), (65516, False)):
        tested = Reassembly()
        assert tested.take(piece(0, bytes(65504), more=True)) is None
        assert (tested.take(piece(65504, bytes(size - 65504), more=False)) is not None) == there
    tested = Reassembly()
    assert tested.take(piece_6(0, bytes(65504), 1, more=True)) is None
    assert tested.take(piece_6(65504, bytes(31), 1, more=False)) is not None


def test_how_many_wait() -> None:
    """64 packets wait for the rest of them; the next one takes the place of the oldest."""
    tested = Reassembly()
    for number in range(MAX_WAITING):
        assert tested.take(piece(0, bytes(8), more=True, identification=number)) is None
    assert MAX_WAITING == 64
    assert tested.take(piece(8, b"end", more=False, identification=0)) is not None
    for number in (64, 65):
        assert tested.take(piece(0, bytes(8), more=True, identification=number)) is None
    assert tested.take(piece(8, b"end", more=False, identification=1)) is None  # and takes the place of number 2


# ----------------------------------------------------------------------------------------------------- names and places


def test_names_elsewhere() -> None:
    """scapy has GCM and CCM with whole tags alone; the same algorithm has one name for all its ICVs at other places."""
    for kind in ("GCM", "CCM"):
        names = {size: ENCRYPTION[f"ENCR_AES_{kind}_{size}"].names for size in (8, 12, 16)}
        assert {size: one.scapy for size, one in names.items()} == {8: None, 12: None, 16: f"AES-{kind}"}
        assert len({(one.linux, one.dpdk) for one in names.values()}) == 1
    assert algorithms.ENCRYPTION["ENCR_AES_GCM_12"].names.wireshark == "AES-GCM with 12 octet ICV [RFC4106]"


def test_where_udp_fields_stand() -> None:
    made = udp_encapsulation.wrap(0x0102, 0x0304, b"abcdefgh")
    assert made[udp_encapsulation.LENGTH] == b"\x00\x10"
    assert made[udp_encapsulation.CHECKSUM] == b"\0\0"
    assert udp_encapsulation.PORT == 4500


def test_sa_module_is_what_others_take() -> None:
    assert {"transport", "tunnel"} == sa.MODES
    assert {"spi", "spi+destination", "spi+destination+source"} == sa.LOOKUPS


def test_where_ip_fields_stand() -> None:
    """RFC 791 3.1 and RFC 8200 3, octet by octet."""
    four, six = bytes(range(20)), bytes(range(40))
    fields_4 = {
        "TOTAL_LENGTH": (2, 2), "IDENTIFICATION": (4, 2), "FRAGMENT": (6, 2), "TTL": (8, 1), "PROTOCOL": (9, 1),
        "SOURCE": (12, 4), "DESTINATION": (16, 4),
    }  # fmt: skip
    for name, (at, size) in fields_4.items():
        assert four[getattr(ip, f"IPV4_{name}")] == bytes(range(at, at + size)), name
    fields_6 = {
        "PAYLOAD_LENGTH": (4, 2), "NEXT_HEADER": (6, 1), "HOP_LIMIT": (7, 1), "SOURCE": (8, 16), "DESTINATION": (24, 16)
    }  # fmt: skip
    for name, (at, size) in fields_6.items():
        assert six[getattr(ip, f"IPV6_{name}")] == bytes(range(at, at + size)), name


def test_headers_of_which_nothing_else_is_said() -> None:
    """Zeros, and 64 hops."""
    four = ip.parse(ip.build_ipv4(SOURCE, DESTINATION, 50, b""))
    assert four.header[:10] == bytes([0x45, 0, 0, 20, 0, 0, 0, 0, 64, 50])
    six = ip.parse(ip.build_ipv6(SIX, SEVEN, 50, b""))
    assert six.header[:8] == bytes([0x60, 0, 0, 0, 0, 0, 50, 64])
    assert ip.options_header() == bytes([0, 0, 1, 4, 0, 0, 0, 0])
    assert ip.options_header(bytes(5)) == bytes(8)
