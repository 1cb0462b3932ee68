"""What the chip does to frames, held against the reference's codecs, which know nothing of the chip."""

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from espproof.reference import ah, ip
from espproof.reference.esp import Codec, trailer
from espproof.reference.offload.niantic import descriptors as d
from espproof.reference.offload.niantic import engine
from espproof.reference.offload.niantic.registers import IPSRXMOD
from espproof.reference.offload.niantic.tables import RxKey, Spi, Tables, TxSa
from espproof.reference.xfrm.segmentation import segments

KEY, SALT, SPI, IV = bytes(range(16)), b"salt", 0x01020304, 0x1122334455667788
ETHERNET = {4: bytes(12) + b"\x08\x00", 6: bytes(12) + b"\x86\xdd"}
FLAGS = engine.Flags(0xFF6, 0xFF6, 0xF7F)
SOURCE = {4: bytes((10, 0, 0, 1)), 6: bytes((0x20,)) * 16}
DESTINATION = {4: bytes((10, 0, 0, 2)), 6: bytes((0x21,)) * 16}


def codec(encr: str = "ENCR_AES_GCM_16") -> Codec:
    return Codec(SPI, encr, "NONE", KEY, SALT, b"", esn=False)


def packet(version: int, protocol: int, payload: bytes) -> bytes:
    if version == 4:
        start = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), 0x0102, 0x4000, 64, protocol, 0)
        return ip.with_checksum(start + SOURCE[4] + DESTINATION[4]) + payload
    return struct.pack("!IHBB", 6 << 28, len(payload), protocol, 64) + SOURCE[6] + DESTINATION[6] + payload


def tables(key: RxKey, version: int, slot: int = 3, index: int = 5) -> Tables:
    made = Tables()
    made.tx[7] = TxSa(KEY, SALT)
    made.addresses[slot] = DESTINATION[version].rjust(16, b"\0")
    made.spis[index] = Spi(SPI.to_bytes(4, "big"), slot)
    made.keys[index] = key
    return made


def mode(**fields: int) -> int:
    return IPSRXMOD.encode(VALID=1, **fields)


def esp_key(version: int, **fields: int) -> RxKey:
    return RxKey(mode(**{"PROTO": 1, "DECRYPT": 1, "IPV6": int(version == 6), **fields}), KEY, SALT)


def context(version: int, **fields: object) -> d.Context:
    front = 20 if version == 4 else 40
    given = {"ip_length": front + 16, "sa": 7, "esp": True, "encrypt": True, "ipv4": version == 4, **fields}
    return d.Context(**given)  # type: ignore[arg-type]


def sent(frame: bytes, context: d.Context, **fields: object) -> list[bytes]:
    data = d.Data(0, len(frame), len(frame), ipsec=True, **fields)  # type: ignore[arg-type]
    return list(engine.send(frame, context, data, tables(RxKey(), 4), FLAGS, ipsec=True))


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("encr", ["ENCR_AES_GCM_16", "ENCR_NULL_AUTH_AES_GMAC"])
@given(payload=st.binary(max_size=70), number=st.integers(1, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_a_single_packet_is_what_the_codec_makes(version: int, encr: str, payload: bytes, number: int) -> None:
    """Header, IV, plaintext, trailer and blank ICV go in; the ESP packet of RFC 4106 or 4543 comes out."""
    expected = codec(encr).protect(payload, 17, number, IV.to_bytes(8, "big"))
    padding = codec(encr).padding_length(len(payload))
    blank = expected[:16] + payload + trailer(padding, 17) + bytes(16)
    frame = ETHERNET[version] + packet(version, 50, blank)
    found = sent(frame, context(version, trailer=padding + 18, encrypt=encr == "ENCR_AES_GCM_16"))
    assert found == [ETHERNET[version] + packet(version, 50, expected)]


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("protocol", [6, 17])
@given(content=st.binary(max_size=200), size=st.integers(1, 90), flags=st.integers(0, 0x1FF))
@settings(max_examples=60, deadline=None)
def test_a_super_packet_becomes_its_segments(
    version: int, protocol: int, content: bytes, size: int, flags: int
) -> None:
    """Each segment is the one that software would have made, in an ESP packet with number and IV of its own."""
    header = bytes(12) + struct.pack("!HHHH", 0x5000 | flags & ~0x80, 512, 0, 0) if protocol == 6 else bytes(8)
    whole = packet(version, protocol, header + content)
    pseudo = _pseudo(version, protocol)
    field = 16 if protocol == 6 else 6
    prototype = header[:field] + pseudo.to_bytes(2, "big") + header[field + 2 :]
    front = struct.pack("!IIQ", SPI, 9, IV)
    frame = ETHERNET[version] + packet(version, 50, front + prototype + content)
    asked = context(version, l4=1 if protocol == 6 else 0, l4_length=len(header), segment=size)
    data = d.Data(0, len(frame), len(content), segments=True, ipsec=True, l4_checksum=True, ip_checksum=version == 4)
    found = list(engine.send(frame, asked, data, tables(RxKey(), version), FLAGS, ipsec=True))
    expected = segments(whole, size)
    assert len(found) == len(expected)
    for number, (got, plain) in enumerate(zip(found, expected, strict=True)):
        inner = ip.parse(plain)
        esp = codec().protect(inner.payload, protocol, 9 + number, (IV + number).to_bytes(8, "big"))
        outer = ip.parse(got[14:])
        assert outer.payload == esp
        assert outer.header[4:6] == plain[4:6] if version == 4 else True
        assert ip.parse(got[14:]).total_length == len(got) - 14


def _pseudo(version: int, protocol: int, length: int = 0) -> int:
    octets = SOURCE[version] + DESTINATION[version] + struct.pack("!II", length, protocol)
    return ip.checksum(octets) ^ 0xFFFF


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("protocol", [6, 17])
def test_checksums_stop_before_the_trailer(version: int, protocol: int) -> None:
    """TXSM of a single packet covers TCP or UDP, to IPS_ESP_LEN before the end; the sum of the pseudo-header is there."""
    length = 20 if protocol == 6 else 8
    upper = bytearray(struct.pack("!HH", 1000, 2000) + bytes(length - 4) + b"odd")
    if protocol == 17:
        upper[4:6] = len(upper).to_bytes(2, "big")
    else:
        upper[12] = 0x50
    field = slice(16, 18) if protocol == 6 else slice(6, 8)
    right = bytearray(upper)
    right[field] = ip.checksum(
        SOURCE[version] + DESTINATION[version] + struct.pack("!II", len(upper), protocol) + upper
    ).to_bytes(2, "big")
    upper[field] = _pseudo(version, protocol, len(upper)).to_bytes(2, "big")
    padding = codec().padding_length(len(upper))
    blank = struct.pack("!IIQ", SPI, 1, IV) + bytes(upper) + trailer(padding, protocol) + bytes(16)
    frame = ETHERNET[version] + packet(version, 50, blank)
    (found,) = sent(
        frame,
        context(version, trailer=padding + 18, l4=1 if protocol == 6 else 0),
        l4_checksum=True,
        ip_checksum=version == 4,
    )
    expected = codec().protect(bytes(right), protocol, 1, IV.to_bytes(8, "big"))
    assert found == ETHERNET[version] + packet(version, 50, expected)


def test_an_engine_that_is_off_sends_in_the_clear() -> None:
    """Whatever the table holds: this is what the order of starting and stopping is for."""
    frame = ETHERNET[4] + packet(4, 50, bytes(64))
    data = d.Data(0, len(frame), len(frame), ipsec=True)
    assert list(engine.send(frame, context(4), data, tables(RxKey(), 4), FLAGS, ipsec=False)) == [frame]


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("encr", ["ENCR_AES_GCM_16", "ENCR_NULL_AUTH_AES_GMAC"])
@given(payload=st.binary(max_size=70), padding=st.integers(0, 63))
@settings(max_examples=40, deadline=None)
def test_what_arrives_is_decrypted_in_place(version: int, encr: str, payload: bytes, padding: int) -> None:
    """The frame keeps its shape; header, trailer and ICV stay; an octet more or less is told."""
    made = codec(encr)
    padding = made.padding_length(len(payload)) + 4 * padding
    plaintext = payload + trailer(padding, 4)
    esp = made.seal(plaintext, 9, IV.to_bytes(8, "big"))
    frame = ETHERNET[version] + packet(version, 50, esp)
    known = tables(esp_key(version, DECRYPT=int(encr == "ENCR_AES_GCM_16")), version)
    found, report, index = engine.receive(frame + bytes(6), known, ipsec=True, mismatch_is_error=False)
    assert found == frame[: -len(esp) + 16] + plaintext + esp[-16:] + bytes(6)
    assert (report.matched, report.error, index) == (True, 0, 5)
    assert report.type == d.TYPE_ESP | (d.TYPE_IPV4 if version == 4 else d.TYPE_IPV6)
    for place in (-1, -len(esp) + 16, -len(esp) + 4):
        broken = bytearray(frame)
        broken[place] ^= 1
        found, report, _ = engine.receive(bytes(broken), known, ipsec=True, mismatch_is_error=False)
        assert (found, report.matched, report.error) == (bytes(broken), True, d.AUTHENTICATION_FAILED)


@pytest.mark.parametrize("version", [4, 6])
def test_who_is_no_sa_is_left_alone(version: int) -> None:
    """Another SPI, address, IP version or mode, an entry that is not valid, an engine that is off: no match, no error."""
    esp = codec().protect(b"x" * 20, 17, 9, IV.to_bytes(8, "big"))
    frame = ETHERNET[version] + packet(version, 50, esp)
    right = tables(esp_key(version), version)
    other_spi, other_address, invalid, other_version = (tables(esp_key(version), version) for _ in range(4))
    other_spi.spis[5] = Spi(b"\x04\x03\x02\x01", 3)
    other_address.addresses[3] = bytes(15) + b"\1"
    invalid.keys[5] = RxKey(invalid.keys[5].mode & ~1, KEY, SALT)
    other_version.keys[5] = RxKey(mode(PROTO=1, DECRYPT=1, IPV6=int(version == 4)), KEY, SALT)
    for known, on in ((right, False), (other_spi, True), (other_address, True), (invalid, True), (other_version, True)):
        found, report, index = engine.receive(frame, known, ipsec=on, mismatch_is_error=True)
        assert (found, report.matched, report.error, index) == (frame, False, 0, None)
    as_ah = tables(esp_key(version, PROTO=0), version)
    told = [engine.receive(frame, as_ah, ipsec=True, mismatch_is_error=error)[1] for error in (False, True)]
    assert [(one.matched, one.error) for one in told] == [(False, 0), (True, d.INVALID_PROTOCOL)]


def test_lengths_that_cannot_be() -> None:
    """Shorter than header, trailer, ICV; not a multiple of four: told before the ICV is looked at."""
    known = tables(esp_key(4), 4)
    for octets in (b"\1\2\3\4" + bytes(28), b"\1\2\3\4" + bytes(37)):
        frame = ETHERNET[4] + packet(4, 50, octets)
        assert engine.receive(frame, known, ipsec=True, mismatch_is_error=False)[1].error == d.INVALID_LENGTH
    frame = ETHERNET[4] + packet(4, 50, b"\1\2\3\4" + bytes(32))
    assert engine.receive(frame, known, ipsec=True, mismatch_is_error=False)[1].error == d.AUTHENTICATION_FAILED


def test_options_fragments_and_extension_headers_are_not_worked_on() -> None:
    """7.13.12.1: such packets go to software, though an SA is there."""
    esp = codec().protect(b"x" * 20, 17, 9, IV.to_bytes(8, "big"))
    plain = packet(4, 50, esp)
    fragment = ip.with_checksum(plain[:6] + b"\x20\x00" + plain[8:20]) + esp
    with_option = ip.with_checksum(b"\x46" + plain[1:20] + b"\1\1\1\0") + esp
    hop_by_hop = packet(6, 0, bytes((50, 0)) + bytes(6) + esp)
    for version, octets in ((4, fragment), (4, with_option), (6, hop_by_hop)):
        frame = ETHERNET[version] + octets
        found, report, _ = engine.receive(frame, tables(esp_key(version), version), ipsec=True, mismatch_is_error=True)
        assert (found, report.matched) == (frame, False)


def test_a_vlan_tag_is_stepped_over() -> None:
    """Once or twice."""
    esp = codec().protect(b"x" * 20, 17, 9, IV.to_bytes(8, "big"))
    for tags in (b"\x81\x00\x00\x05", b"\x88\xa8\x00\x01\x81\x00\x00\x05"):
        frame = bytes(12) + tags + b"\x08\x00" + packet(4, 50, esp)
        assert engine.receive(frame, tables(esp_key(4), 4), ipsec=True, mismatch_is_error=False)[1].matched


@pytest.mark.parametrize("version", [4, 6])
def test_ah_is_authenticated_both_ways(version: int) -> None:
    """GMAC over the packet with its mutable fields zeroed, as the reference's AH has it (RFC 4543 4)."""
    made = ah.Codec(SPI, ah.GMAC, KEY, SALT, esn=False)
    right = made.protect(packet(version, 17, bytes(8) + b"data"), 9, IV.to_bytes(8, "big"))
    assert isinstance(right, bytes)
    at = (20 if version == 4 else 40) + 12 + 8
    blank = right[:at] + bytes(16) + right[at + 16 :]
    frame = ETHERNET[version] + right
    asked = context(version, esp=False, encrypt=False, ip_length=len(right) - 12)
    assert sent(ETHERNET[version] + blank, asked) == [frame]
    known = tables(RxKey(mode(PROTO=0, IPV6=int(version == 6)), KEY, SALT), version)
    assert engine.receive(frame, known, ipsec=True, mismatch_is_error=False)[1].error == 0
    broken = frame[:-1] + bytes((frame[-1] ^ 1,))
    report = engine.receive(broken, known, ipsec=True, mismatch_is_error=False)[1]
    assert (report.matched, report.error) == (True, d.AUTHENTICATION_FAILED)
