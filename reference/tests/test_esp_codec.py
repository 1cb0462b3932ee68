"""The ESP packet, octet by octet: header, IV, padding, trailer, ICV, and what cannot be one."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from espproof.reference.algorithms import ENCRYPTION, INTEGRITY, pairs
from espproof.reference.drops import DropReason
from espproof.reference.errors import Misuse
from espproof.reference.esp import MAX_PADDING, Codec, Opened, sequence_low, spi_of, take_trailer

PAIRS = [(cipher.name, integrity.name) for cipher, integrity in pairs()]
IV = bytes(range(0xB0, 0xD0))
SPI = 0x0A0B0C0D


def codec(encr: str, auth: str, *, esn: bool = False) -> Codec:
    cipher, integrity = ENCRYPTION[encr], INTEGRITY[auth]
    key, salt = bytes(range(1, 1 + cipher.key_sizes[0])), bytes(range(0x61, 0x61 + cipher.salt_size))
    return Codec(SPI, encr, auth, key, salt, bytes(range(31, 31 + integrity.key_size)), esn=esn)


NULL = codec("ENCR_NULL", "AUTH_HMAC_SHA1_96")


def test_layout() -> None:
    """SPI, low half of the number, payload, padding 1 2 3 …, pad length, next header, ICV: each where 2 says."""
    packet = NULL.protect(b"five!", 17, 0x11223344, b"")
    assert packet[:8] == bytes.fromhex("0a0b0c0d11223344")
    assert packet[8:13] == b"five!"
    assert packet[13:16] == bytes([1, 1, 17])
    assert len(packet) == 16 + 12
    assert (spi_of(packet), sequence_low(packet)) == (SPI, 0x11223344)


def test_high_half_is_not_sent() -> None:
    """With ESN the packet has the same octets but for the ICV, which depends on the high half."""
    extended = codec("ENCR_NULL", "AUTH_HMAC_SHA1_96", esn=True)
    one = extended.protect(b"five!", 17, 0x01020304_11223344, b"")
    two = extended.protect(b"five!", 17, 0x01020305_11223344, b"")
    plain = NULL.protect(b"five!", 17, 0x11223344, b"")
    assert one[:-12] == two[:-12] == plain[:-12]
    assert len({one, two, plain}) == 3
    assert extended.open(one, 0x01020304_11223344) == one[8:-12]
    assert extended.open(one, 0x01020305_11223344) is DropReason.INTEGRITY
    assert extended.open(plain, 0x11223344) is DropReason.INTEGRITY


@pytest.mark.parametrize(("encr", "auth"), PAIRS)
def test_every_length(encr: str, auth: str) -> None:
    """For every pair and payload length the padding is the least, default and aligned, and all comes back."""
    tested = codec(encr, auth, esn=True)
    block = max(4, ENCRYPTION[encr].block_size)
    for length in range(2 * block + 2):
        payload = bytes(length)
        packet = tested.protect(payload, 41, 7 << 32 | 9, IV[: tested.iv_size])
        text = tested.open(packet, 7 << 32 | 9)
        assert isinstance(text, bytes)
        padding = tested.padding_length(length)
        assert text == payload + bytes(range(1, padding + 1)) + bytes([padding, 41])
        assert padding < block
        assert len(text) % block == 0
        assert len(packet) == 8 + tested.iv_size + len(text) + tested.icv_size
        assert tested.iv_of(packet) == IV[: tested.iv_size]
        assert take_trailer(text) == Opened(payload, bytes(range(1, padding + 1)), 41)


def test_iv_of_another_size() -> None:
    """An IV that is not as long as the algorithm's is the caller's mistake."""
    tested = codec("ENCR_AES_CBC", "AUTH_HMAC_SHA1_96")
    for size in (0, 8, 15, 17):
        with pytest.raises(Misuse, match="16"):
            tested.protect(b"", 4, 1, IV[:size])


@pytest.mark.parametrize(("encr", "auth"), PAIRS)
def test_every_truncation(encr: str, auth: str) -> None:
    """A packet cut anywhere is discarded, as malformed or for its ICV, and never raises."""
    tested = codec(encr, auth)
    packet = tested.protect(b"a payload of some octets", 17, 5, IV[: tested.iv_size])
    for length in range(len(packet)):
        found = tested.open(packet[:length], 5)
        assert found in (DropReason.MALFORMED, DropReason.INTEGRITY)
        if length < tested.smallest:
            assert found is DropReason.MALFORMED
    assert tested.open(packet + b"\0", 5) is DropReason.MALFORMED


TRAILERS: tuple[tuple[bytes, Opened | DropReason], ...] = (
    (bytes([0, 4]), Opened(b"", b"", 4)),
    (bytes([1, 1, 4]), Opened(b"", b"\1", 4)),
    (b"x" + bytes([1, 2, 2, 59]), Opened(b"x", b"\1\2", 59)),
    (bytes([1, 4]), DropReason.PADDING),  # the padding would begin before the plaintext
    (bytes([1, 2, 4]), DropReason.PADDING),
    (bytes([255, 4]), DropReason.PADDING),
    (b"x" + bytes([0, 1, 4]), DropReason.PADDING),  # padding octets of another value
    (b"x" + bytes([2, 1, 2, 4]), DropReason.PADDING),  # the wrong way round
    (b"x" + bytes([1, 1, 2, 4]), DropReason.PADDING),
    (b"x" + bytes([1, 2, 2, 3, 4]), DropReason.PADDING),  # the last one wrong
)


@pytest.mark.parametrize(("text", "expected"), TRAILERS)
def test_trailer(text: bytes, expected: Opened | DropReason) -> None:
    """The padding lies inside the plaintext and counts 1, 2, 3, …, or the packet is discarded."""
    assert take_trailer(text) == expected


def test_longest_padding() -> None:
    """255 octets of padding are taken away; a wrong one anywhere in them is found."""
    padding = bytes(range(1, MAX_PADDING + 1))
    assert take_trailer(b"p" + padding + b"\xff\x04") == Opened(b"p", padding, 4)
    for at in range(MAX_PADDING):
        wrong = padding[:at] + bytes([padding[at] ^ 0x80]) + padding[at + 1 :]
        assert take_trailer(b"p" + wrong + b"\xff\x04") is DropReason.PADDING


@settings(deadline=None)
@given(st.binary(min_size=2, max_size=300))
def test_any_trailer(text: bytes) -> None:
    """Of any plaintext the trailer is taken as it was put there, or refused."""
    found = take_trailer(text)
    if isinstance(found, Opened):
        assert found.payload + found.padding + bytes([len(found.padding), found.next_header]) == text
    else:
        assert found is DropReason.PADDING
