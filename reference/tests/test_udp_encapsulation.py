import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from espproof.reference import udp_encapsulation as udp
from espproof.reference.errors import Malformed, Misuse

ESP = bytes.fromhex("c0ffee01 00000007") + bytes(range(30))
SOURCE4, DESTINATION4 = bytes([192, 0, 2, 33]), bytes([198, 51, 100, 7])
SOURCE6, DESTINATION6 = bytes(range(0x20, 0x30)), bytes(range(0x81, 0x91))


def test_header_is_rfc_768() -> None:
    """Ports, length with the header's own 8 octets, and no checksum, in network order."""
    assert udp.wrap(4500, 61234, ESP) == bytes.fromhex("1194ef32002e0000") + ESP


@pytest.mark.parametrize(
    ("payload", "kind"),
    [
        (ESP, udp.Kind.ESP),
        (bytes.fromhex("00000100"), udp.Kind.ESP),
        (bytes.fromhex("00000001"), udp.Kind.ESP),
        (bytes.fromhex("01000000"), udp.Kind.ESP),
        (bytes.fromhex("ffffffff"), udp.Kind.ESP),
        (bytes(4), udp.Kind.IKE),
        (bytes(4) + b"IKE", udp.Kind.IKE),
        (bytes(28), udp.Kind.IKE),
        (b"\xff", udp.Kind.KEEPALIVE),
    ],
)
def test_kinds(payload: bytes, kind: udp.Kind) -> None:
    """An SPI that is not zero is ESP, four zero octets are the non-ESP marker, one octet 0xFF is a keepalive."""
    assert udp.classify(payload) is kind


@pytest.mark.parametrize("payload", [b"", b"\0", b"\xfe", b"\x7f", b"\xff\xff", b"\0\0\0", b"\xff\xff\xff"])
def test_too_short_for_anything(payload: bytes) -> None:
    """Less than four octets that are no keepalive are nothing."""
    with pytest.raises(Malformed):
        udp.classify(payload)


def test_every_truncation_is_malformed() -> None:
    """A datagram that ends before its length is not read."""
    datagram = udp.wrap(4500, 4500, ESP)
    for size in range(len(datagram)):
        with pytest.raises(Malformed):
            udp.open_datagram(datagram[:size])


@pytest.mark.parametrize("length", [0, 1, 7, len(ESP) + 9, 65535])
def test_lengths_that_lie_are_malformed(length: int) -> None:
    """Shorter than its own header, or longer than what there is."""
    datagram = udp.wrap(4500, 4500, ESP)
    with pytest.raises(Malformed):
        udp.open_datagram(datagram[:4] + length.to_bytes(2, "big") + datagram[6:])


def test_octets_behind_the_length_do_not_belong_to_it() -> None:
    """A keepalive in a padded frame is still a keepalive."""
    datagram = udp.open_datagram(udp.wrap(4500, 4500, udp.KEEPALIVE) + bytes(17))
    assert datagram.payload == b"\xff"
    assert udp.classify(datagram.payload) is udp.Kind.KEEPALIVE


@pytest.mark.parametrize("checksum", [b"\0\0", b"\xff\xff", b"\x12\x34"])
def test_checksum_is_not_depended_on(checksum: bytes) -> None:
    """Whatever the checksum, the datagram is opened, and says what it was."""
    datagram = udp.wrap(4500, 4500, ESP)
    opened = udp.open_datagram(datagram[:6] + checksum + datagram[8:])
    assert opened == udp.Datagram(4500, 4500, int.from_bytes(checksum, "big"), ESP)


@pytest.mark.parametrize("size", [0, 1, 2, 3, 30, 31])
@pytest.mark.parametrize(("source", "destination"), [(SOURCE4, DESTINATION4), (SOURCE6, DESTINATION6)])
def test_checksum_on_request(source: bytes, destination: bytes, size: int) -> None:
    """With addresses the checksum is right, of odd payloads too, and any change of the payload makes it wrong."""
    datagram = udp.wrap(4500, 4501, ESP[:size], (source, destination))
    assert datagram[6:8] != bytes(2)
    assert udp.checksum_is_right(source, destination, datagram)
    assert not udp.checksum_is_right(destination[:-1] + b"\x01", source, datagram)
    for at in (0, 2, 5, *range(8, len(datagram))):
        changed = datagram[:at] + bytes([datagram[at] ^ 0x10]) + datagram[at + 1 :]
        assert not udp.checksum_is_right(source, destination, changed)


def test_checksum_over_a_pseudo_header_written_out() -> None:
    """RFC 768: the words are added by hand."""
    source, destination = bytes([1, 2, 3, 4]), bytes([5, 6, 7, 8])
    words = [0x0102, 0x0304, 0x0506, 0x0708, 17, 10, 0x1194, 0x1195, 10, 0xABCD]
    total = sum(words)
    total = (total & 0xFFFF) + (total >> 16)
    datagram = udp.wrap(4500, 4501, b"\xab\xcd", (source, destination))
    assert datagram[6:8] == (0xFFFF - total).to_bytes(2, "big")


def test_a_checksum_of_zero_is_sent_as_all_ones() -> None:
    """Zero would say that there is none."""
    datagram = udp.wrap(4500, 4500, b"\0\0")
    ones = udp.checksum(SOURCE4, DESTINATION4, datagram)
    assert udp.wrap(4500, 4500, ones.to_bytes(2, "big"), (SOURCE4, DESTINATION4))[6:8] == b"\xff\xff"


def test_the_longest_datagram() -> None:
    """65,535 octets with the header; one more is the caller's mistake."""
    assert udp.wrap(1, 2, bytes(udp.MAX_PAYLOAD))[4:6] == b"\xff\xff"
    with pytest.raises(Misuse):
        udp.wrap(1, 2, bytes(udp.MAX_PAYLOAD + 1))


@pytest.mark.parametrize(("source_port", "destination_port"), [(-1, 4500), (65536, 4500), (4500, 65536)])
def test_ports_that_are_none_are_misuse(source_port: int, destination_port: int) -> None:
    """A port has 16 bits."""
    with pytest.raises(Misuse):
        udp.wrap(source_port, destination_port, ESP)


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 65535), st.integers(0, 65535), st.binary(max_size=64), st.binary(max_size=8))
def test_round_trip(source_port: int, destination_port: int, payload: bytes, padding: bytes) -> None:
    """What is wrapped is opened."""
    opened = udp.open_datagram(udp.wrap(source_port, destination_port, payload) + padding)
    assert opened == udp.Datagram(source_port, destination_port, 0, payload)
