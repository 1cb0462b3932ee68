"""Algorithms against the vectors of their RFCs, and where there are none against the RFC's text, written once more."""

import hashlib
import hmac
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from hypothesis import given, settings
from hypothesis import strategies as st

from espproof.reference.algorithms import ENCRYPTION, INTEGRITY, Encryption, Integrity, pairs
from espproof.reference.errors import Misuse
from espproof.reference.transforms import Ctr, Transform, Xcbc, mac, transform


def octets(text: str) -> bytes:
    return bytes.fromhex(text)


# ------------------------------------------------------------------------------------------------------------ integrity

XCBC_KEY = bytes(range(16))
XCBC = (  # RFC 3566 section 4.6, test cases 1 to 7: message, the first 96 bits
    (b"", "75f0251d528ac01c4573dfd5"),
    (bytes(range(3)), "5b376580ae2f19afe7219cee"),
    (bytes(range(16)), "d2a246fa349b68a79998a439"),
    (bytes(range(20)), "47f51b4564966215b8985c63"),
    (bytes(range(32)), "f54f0ec8d2b9f3d36807734b"),
    (bytes(range(34)), "becbb3bccdb518a30677d548"),
    (bytes(1000), "f0dafee895db30253761103b"),
)


@pytest.mark.parametrize(("message", "expected"), XCBC, ids=[f"{len(message)}-octets" for message, _ in XCBC])
def test_xcbc(message: bytes, expected: str) -> None:
    """AES-XCBC-MAC-96 gives the values of RFC 3566."""
    assert Xcbc(XCBC_KEY)(message) == octets(expected)
    assert mac("AUTH_AES_XCBC_96", XCBC_KEY)(message) == octets(expected)


CMAC_KEY = octets("2b7e151628aed2a6abf7158809cf4f3c")
CMAC_MESSAGE = octets(
    "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"
    "30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710"
)
CMAC = (  # RFC 4494 section 4, test cases 1 to 4
    (0, "bb1d6929e95937287fa37d12"),
    (16, "070a16b46b4d4144f79bdd9d"),
    (40, "dfa66747de9ae63030ca3261"),
    (64, "51f0bebf7e3b9d92fc497417"),
)


@pytest.mark.parametrize(("length", "expected"), CMAC)
def test_cmac(length: int, expected: str) -> None:
    """AES-CMAC-96 gives the values of RFC 4494."""
    assert mac("AUTH_AES_CMAC_96", CMAC_KEY)(CMAC_MESSAGE[:length]) == octets(expected)


HMAC = (  # RFC 4868 section 2.7.2, the AUTH test cases; RFC 2202 sections 2 and 3, cut to 96 bits
    ("AUTH_HMAC_SHA2_256_128", b"\x0b" * 32, b"Hi There", "198a607eb44bfbc69903a0f1cf2bbdc5"),
    ("AUTH_HMAC_SHA2_256_128", b"Jefe" * 8, b"what do ya want for nothing?", "167f928588c5cc2eef8e3093caa0e87c"),
    ("AUTH_HMAC_SHA2_256_128", b"\xaa" * 32, b"\xdd" * 50, "cdcb1220d1ecccea91e53aba3092f962"),
    ("AUTH_HMAC_SHA2_256_128", bytes(range(1, 33)), b"\xcd" * 50, "372efcf9b40b35c2115b1346903d2ef4"),
    ("AUTH_HMAC_SHA2_384_192", b"\x0b" * 48, b"Hi There", "b6a8d5636f5c6a7224f9977dcf7ee6c7fb6d0c48cbdee973"),
    ("AUTH_HMAC_SHA2_384_192", b"Jefe" * 12, b"what do ya want for nothing?",
     "2c7353974f1842fd66d53c452ca42122b28c0b594cfb184d"),
    ("AUTH_HMAC_SHA2_384_192", b"\xaa" * 48, b"\xdd" * 50, "809f439be00274321d4a538652164b53554a508184a0c316"),
    ("AUTH_HMAC_SHA2_512_256", b"\x0b" * 64, b"Hi There",
     "637edc6e01dce7e6742a99451aae82df23da3e92439e590e43e761b33e910fb8"),
    ("AUTH_HMAC_SHA2_512_256", b"Jefe" * 16, b"what do ya want for nothing?",
     "cb370917ae8a7ce28cfd1d8f4705d6141c173b2a9362c15df235dfb251b15454"),
    ("AUTH_HMAC_SHA2_512_256", b"\xaa" * 64, b"\xdd" * 50,
     "2ee7acd783624ca9398710f3ee05ae41b9f9b0510c87e49e586cc9bf961733d8"),
    ("AUTH_HMAC_SHA1_96", b"\x0b" * 20, b"Hi There", "b617318655057264e28bc0b6"),
    ("AUTH_HMAC_SHA1_96", b"\xaa" * 20, b"\xdd" * 50, "125d7342b9ac11cd91a39af4"),
    ("AUTH_HMAC_MD5_96", b"\x0b" * 16, b"Hi There", "9294727a3638bb1c13f48ef8"),
    ("AUTH_HMAC_MD5_96", b"\xaa" * 16, b"\xdd" * 50, "56be34521d144c88dbb8c733"),
)  # fmt: skip


@pytest.mark.parametrize(("name", "key", "message", "expected"), HMAC)
def test_hmac(name: str, key: bytes, message: bytes, expected: str) -> None:
    """HMACs give the published values, cut from the left end."""
    assert mac(name, key)(message) == octets(expected)
    assert len(octets(expected)) == INTEGRITY[name].icv_size


def test_none_computes_nothing() -> None:
    """NONE is no integrity algorithm to compute with."""
    with pytest.raises(Misuse, match="computes nothing"):
        mac("NONE", b"")


# ----------------------------------------------------------------------------------------------------------- encryption

SINGLE = b"Single block msg"
CTR = (  # RFC 3686 section 6, test vectors 1 to 9: key, nonce, IV, plaintext, ciphertext
    ("ae6852f8121067cc4bf7a5765577f39e", "00000030", "0000000000000000", SINGLE, "e4095d4fb7a7b3792d6175a3261311b8"),
    ("7e24067817fae0d743d6ce1f32539163", "006cb6db", "c0543b59da48d90b", bytes(range(32)),
     "5104a106168a72d9790d41ee8edad388eb2e1efc46da57c8fce630df9141be28"),
    ("7691be035e5020a8ac6e618529f9a0dc", "00e0017b", "27777f3f4a1786f0", bytes(range(36)),
     "c1cf48a89f2ffdd9cf4652e9efdb72d74540a42bde6d7836d59a5ceaaef3105325b2072f"),
    ("16af5b145fc9f579c175f93e3bfb0eed863d06ccfdb78515", "00000048", "36733c147d6d93cb", SINGLE,
     "4b55384fe259c9c84e7935a003cbe928"),
    ("7c5cb2401b3dc33c19e7340819e0f69c678c3db8e6f6a91a", "0096b03b", "020c6eadc2cb500d", bytes(range(32)),
     "453243fc609b23327edfaafa7131cd9f8490701c5ad4a79cfc1fe0ff42f4fb00"),
    ("02bf391ee8ecb159b959617b0965279bf59b60a786d3e0fe", "0007bdfd", "5cbd60278dcc0912", bytes(range(36)),
     "96893fc55e5c722f540b7dd1ddf7e758d288bc95c69165884536c811662f2188abee0935"),
    ("776beff2851db06f4c8a0542c8696f6c6a81af1eec96b4d37fc1d689e6c1c104", "00000060", "db5672c97aa8f0b2", SINGLE,
     "145ad01dbf824ec7560863dc71e3e0c0"),
    ("f6d66d6bd52d59bb0796365879eff886c66dd51a5b6a99744b50590c87a23884", "00faac24", "c1585ef15a43d875",
     bytes(range(32)), "f05e231b3894612c49ee000b804eb2a9b8306b508f839d6a5530831d9344af1c"),
    ("ff7a617ce69148e4f1726e2f43581de2aa62d9f805532edff1eed687fb54153d", "001cc5b7", "51a51d70a1c11148",
     bytes(range(36)), "eb6c52821d0bbbf7ce7594462aca4faab407df866569fd07f48cc0b583d6071f1ec0e6b8"),
)  # fmt: skip


@pytest.mark.parametrize(("key", "nonce", "iv", "plaintext", "ciphertext"), CTR)
def test_ctr(key: str, nonce: str, iv: str, plaintext: bytes, ciphertext: str) -> None:
    """AES-CTR gives the ciphertexts of RFC 3686, and the plaintexts back."""
    cipher = Ctr(octets(key), octets(nonce))
    assert cipher.encrypt(octets(iv), plaintext) == octets(ciphertext)
    assert cipher.decrypt(octets(iv), octets(ciphertext)) == plaintext


CBC = (  # RFC 3602 section 4, cases 1 to 4: key, IV, plaintext, ciphertext
    ("06a9214036b8a15b512e03d534120006", "3dafba429d9eb430b422da802c9fac41", SINGLE, "e353779c1079aeb82708942dbe77181a"),
    ("c286696d887c9aa0611bbb3e2025a45a", "562e17996d093d28ddb3ba695a2e6f58", bytes(range(32)),
     "d296cd94c2cccf8a3a863028b5e1dc0a7586602d253cfff91b8266bea6d61ab1"),
    ("6c3ea0477630ce21a2ce334aa746c2cd", "c782dc4c098c66cbd9cd27d825682c81",
     b"This is a 48-byte message (exactly 3 AES blocks)",
     "d0a02b3836451753d493665d33f0e8862dea54cdb293abc7506939276772f8d5021c19216bad525c8579695d83ba2684"),
    ("56e47a38c5598974bc46903dba290349", "8ce82eefbea0da3c44699ed7db51b7d9", bytes(range(0xA0, 0xE0)),
     "c30e32ffedc0774e6aff6af0869f71aa0f3af07a9a31a9c684db207eb0ef8e4e"
     "35907aa632c3ffdf868bb7b29d3d46ad83ce9f9a102ee99d49a53e87f4c3da55"),
)  # fmt: skip


@pytest.mark.parametrize(("key", "iv", "plaintext", "ciphertext"), CBC)
def test_cbc(key: str, iv: str, plaintext: bytes, ciphertext: str) -> None:
    """AES-CBC gives the ciphertexts of RFC 3602; header and ICV do not touch them."""
    sealer = transform("ENCR_AES_CBC", "AUTH_HMAC_SHA1_96", octets(key), b"", bytes(20))
    body = sealer.seal(b"\1\2\3\4\5\6\7\x08", b"", octets(iv), plaintext)
    assert body[:-12] == octets(ciphertext)
    assert sealer.open(b"\1\2\3\4\5\6\7\x08", b"", octets(iv), body) == plaintext


# -------------------------------------------------------------------------------- what is authenticated, once more

HEADER = octets("0a0b0c0d11223344")
HIGH = octets("a1b2c3d4")
KEY = bytes(range(0x41, 0x61))
SALT = octets("f0f1f2f3")
IV = octets("c0c1c2c3c4c5c6c7")
TEXT = bytes(range(0x80, 0x80 + 37)) + b"\1\1\4"


def ccm(key: bytes, nonce: bytes, text: bytes, aad: bytes, size: int) -> bytes:
    """RFC 3610 sections 2.2 to 2.4 with L = 4 (RFC 4309 2), by enciphering blocks."""

    def block(octets: bytes) -> bytes:
        return Cipher(AES(key), modes.ECB()).encryptor().update(octets)

    def xor(a: bytes, b: bytes) -> bytes:
        return bytes(x ^ y for x, y in zip(a, b, strict=False))

    def fill(octets: bytes) -> bytes:
        return octets + bytes(-len(octets) % 16)

    flags = 64 + 8 * ((size - 2) // 2) + 3
    state = bytes(16)
    for chunk in _chunks(
        bytes([flags]) + nonce + len(text).to_bytes(4, "big") + fill(len(aad).to_bytes(2, "big") + aad) + fill(text)
    ):
        state = block(xor(state, chunk))
    stream = [block(bytes([3]) + nonce + number.to_bytes(4, "big")) for number in range(len(text) // 16 + 2)]
    return xor(text, b"".join(stream[1:])) + xor(state, stream[0])[:size]


def _chunks(octets: bytes) -> list[bytes]:
    return [octets[at : at + 16] for at in range(0, len(octets), 16)]


def gcm(key: bytes, nonce: bytes, text: bytes, aad: bytes) -> bytes:
    """NIST SP 800-38D with a 96-bit nonce, by enciphering blocks and multiplying in GF(2^128)."""

    def block(octets: bytes) -> bytes:
        return Cipher(AES(key), modes.ECB()).encryptor().update(octets)

    def times(x: int, y: int) -> int:
        z = 0
        for bit in range(127, -1, -1):
            z ^= y if x >> bit & 1 else 0
            y = y >> 1 ^ (0xE1 << 120 if y & 1 else 0)
        return z

    stream = b"".join(block(nonce + number.to_bytes(4, "big")) for number in range(2, len(text) // 16 + 3))
    hidden = bytes(a ^ b for a, b in zip(text, stream, strict=False))
    h, state = int.from_bytes(block(bytes(16)), "big"), 0
    lengths = (8 * len(aad)).to_bytes(8, "big") + (8 * len(hidden)).to_bytes(8, "big")
    for chunk in _chunks(aad + bytes(-len(aad) % 16) + hidden + bytes(-len(hidden) % 16) + lengths):
        state = times(state ^ int.from_bytes(chunk, "big"), h)
    tag = state ^ int.from_bytes(block(nonce + b"\0\0\0\1"), "big")
    return hidden + tag.to_bytes(16, "big")


def sealer(name: str, key_size: int = 16) -> Transform:
    return transform(name, "NONE", KEY[:key_size], SALT[: ENCRYPTION[name].salt_size], b"")


@pytest.mark.parametrize("key_size", [16, 24, 32])
@pytest.mark.parametrize("size", [8, 12, 16])
def test_ccm(size: int, key_size: int) -> None:
    """CCM is RFC 3610 with the nonce of RFC 4309 4 (salt, IV) and the AAD of its section 5, with and without ESN."""
    name = f"ENCR_AES_CCM_{size}"
    for high, aad in ((b"", HEADER), (HIGH, HEADER[:4] + HIGH + HEADER[4:])):
        body = ccm(KEY[:key_size], SALT[:3] + IV, TEXT, aad, size)
        assert sealer(name, key_size).seal(HEADER, high, IV, TEXT) == body
        assert sealer(name, key_size).open(HEADER, high, IV, body) == TEXT


@pytest.mark.parametrize("key_size", [16, 24, 32])
@pytest.mark.parametrize("size", [8, 12, 16])
def test_gcm(size: int, key_size: int) -> None:
    """GCM has the nonce of RFC 4106 4 and the AAD of section 5; short ICVs are the left end of the tag (section 6)."""
    name = f"ENCR_AES_GCM_{size}"
    for high, aad in ((b"", HEADER), (HIGH, HEADER[:4] + HIGH + HEADER[4:])):
        whole = gcm(KEY[:key_size], SALT + IV, TEXT, aad)
        body = whole[: len(TEXT) + size]
        assert sealer(name, key_size).seal(HEADER, high, IV, TEXT) == body
        assert sealer(name, key_size).open(HEADER, high, IV, body) == TEXT


def test_gmac() -> None:
    """GMAC covers SPI, number, IV and plaintext as associated data (RFC 4543 3.3); the plaintext is sent as it is."""
    for high, aad in ((b"", HEADER), (HIGH, HEADER[:4] + HIGH + HEADER[4:])):
        body = TEXT + gcm(KEY[:16], SALT + IV, b"", aad + IV + TEXT)
        assert sealer("ENCR_NULL_AUTH_AES_GMAC").seal(HEADER, high, IV, TEXT) == body
        assert sealer("ENCR_NULL_AUTH_AES_GMAC").open(HEADER, high, IV, body) == TEXT


def test_gcm_test_draft_case_4() -> None:
    """The case of draft-mcgrew-gcm-test-01 with SPI 0, which no SA may have, has the published octets."""
    text = octets(
        "4500003c99c500008001cb7a40679318010101010800075c020044006162636465666768696a6b6c6d6e6f7071727374"
        "75767761626364656667686901020201"
    )
    body = octets(
        "4688daf2f973a392732909c331d56d60f694abaa414b5e7ff5fdcdfff5e9a284456476492719ffb64de7d9dca1e1d894"
        "bc3bd57873ed4d181d19d4d5c8c18af3f821d496eeb096e98ad2b69e4799c71d"
    )
    zeros = transform("ENCR_AES_GCM_16", "NONE", bytes(16), bytes(4), b"")
    assert zeros.seal(octets("0000000000000001"), b"", bytes(8), text) == body


IMPLICIT = ("ENCR_AES_GCM_16_IIV", "ENCR_AES_CCM_8_IIV", "ENCR_CHACHA20_POLY1305_IIV")


@pytest.mark.parametrize("name", IMPLICIT)
def test_implicit_iv(name: str) -> None:
    """RFC 8750 4: the IV is the whole number in network order, its first half zero without ESN; all else as before."""
    key_size = ENCRYPTION[name].key_sizes[0]
    implicit, explicit = sealer(name, key_size), sealer(name.removesuffix("_IIV"), key_size)
    assert implicit.seal(HEADER, b"", b"", TEXT) == explicit.seal(HEADER, b"", bytes(4) + HEADER[4:], TEXT)
    assert implicit.seal(HEADER, HIGH, b"", TEXT) == explicit.seal(HEADER, HIGH, HIGH + HEADER[4:], TEXT)


def test_separate_coverage() -> None:
    """RFC 4303 3.3.2.1: the ICV is over header, IV, ciphertext, and with ESN the high half behind them."""
    sealer = transform("ENCR_AES_CTR", "AUTH_HMAC_SHA2_256_128", KEY[:16], SALT, KEY)
    hidden = Ctr(KEY[:16], SALT).encrypt(IV, TEXT)
    for high in (b"", HIGH):
        icv = hmac.new(KEY, HEADER + IV + hidden + high, hashlib.sha256).digest()[:16]
        assert sealer.seal(HEADER, high, IV, TEXT) == hidden + icv


def test_chacha20_poly1305() -> None:
    """RFC 7634 Appendix A: ciphertext and tag of the published packet."""
    text = octets(
        "45000054a6f200004001e778c6336405c000020508005b7a3a080000553bec100007362708090a0b0c0d0e0f101112131415161718191a1b"
        "1c1d1e1f202122232425262728292a2b2c2d2e2f303132333435363701020204"
    )
    body = octets(
        "24039428b97f417e3c13753a4f05087b67c352e6a7fab1b982d466ef407ae5c614ee8099d52844eb61aa95dfab4c02f72aa71e7c4c4f64c9"
        "befe2facc638e8f3cbec163fac469b502773f6fb94e664da9165b82829f641e076aaa8266b7fb0f7b11b369907e1ad43"
    )
    sealer = transform("ENCR_CHACHA20_POLY1305", "NONE", bytes(range(0x80, 0xA0)), octets("a0a1a2a3"), b"")
    header, iv = octets("0102030400000005"), octets("1011121314151617")
    assert sealer.seal(header, b"", iv, text) == body
    assert sealer.open(header, b"", iv, body) == text


# ---------------------------------------------------------------------------------------------------- every legal pair

PAIRS = [(cipher, integrity) for cipher, integrity in pairs()]


def any_transform(cipher: Encryption, integrity: Integrity, key_size: int) -> Transform:
    key, auth = bytes(range(7, 7 + key_size)), bytes(range(91, 91 + integrity.key_size))
    return transform(cipher.name, integrity.name, key, SALT[: cipher.salt_size], auth)


@pytest.mark.parametrize(("cipher", "integrity"), PAIRS, ids=[f"{c.name}-{i.name}" for c, i in PAIRS])
def test_every_octet_is_authenticated(cipher: Encryption, integrity: Integrity) -> None:
    """A change of any octet, of the header, the high half, the IV or the body, is found, for every pair and key size."""
    text = bytes(range(46)) + b"\0\4"
    iv = bytes(range(0xE0, 0xE0 + cipher.iv_size))
    for key_size in cipher.key_sizes:
        sealer = any_transform(cipher, integrity, key_size)
        for high in (b"", HIGH):
            body = sealer.seal(HEADER, high, iv, text)
            assert len(body) == len(text) + (cipher.icv_size or integrity.icv_size)
            assert sealer.open(HEADER, high, iv, body) == text
            for changed in each_octet_changed(HEADER):
                assert sealer.open(changed, high, iv, body) is None
            for changed in each_octet_changed(high):
                assert sealer.open(HEADER, changed, iv, body) is None
            for changed in each_octet_changed(iv):
                assert sealer.open(HEADER, high, changed, body) is None
            for changed in each_octet_changed(body):
                assert sealer.open(HEADER, high, iv, changed) is None
            assert sealer.open(HEADER, b"" if high else HIGH, iv, body) is None


def each_octet_changed(whole: bytes) -> list[bytes]:
    return [whole[:at] + bytes([whole[at] ^ 0x04]) + whole[at + 1 :] for at in range(len(whole))]


MISUSES: dict[str, Callable[[], Transform]] = {
    "unknown encryption": lambda: transform("ENCR_ROT13", "NONE", b"", b"", b""),
    "unknown integrity": lambda: transform("ENCR_NULL", "AUTH_CRC32", b"", b"", b""),
    "combined mode with integrity": lambda: transform("ENCR_AES_GCM_16", "AUTH_HMAC_SHA1_96", KEY, SALT, bytes(20)),
    "encryption without integrity": lambda: transform("ENCR_AES_CBC", "NONE", KEY, b"", b""),
    "both null": lambda: transform("ENCR_NULL", "NONE", b"", b"", b""),
    "a key too short": lambda: transform("ENCR_AES_GCM_16", "NONE", KEY[:15], SALT, b""),
    "a key for null": lambda: transform("ENCR_NULL", "AUTH_HMAC_SHA1_96", KEY[:16], b"", bytes(20)),
    "the salt in the key": lambda: transform("ENCR_AES_GCM_16", "NONE", KEY[:16] + SALT, b"", b""),
    "a salt of another size": lambda: transform("ENCR_AES_CCM_16", "NONE", KEY, SALT, b""),
    "an integrity key of another size": lambda: transform("ENCR_NULL", "AUTH_HMAC_SHA1_96", b"", b"", bytes(16)),
}


@pytest.mark.parametrize("what", MISUSES)
def test_illegal_parameters_are_refused(what: str) -> None:
    """Names, pairs and sizes that no RFC allows are the caller's mistake."""
    with pytest.raises(Misuse):
        MISUSES[what]()


@settings(deadline=None)
@given(st.binary(max_size=80), st.sampled_from([b"", HIGH]), st.sampled_from(PAIRS))
def test_nonsense_is_never_opened(body: bytes, high: bytes, pair: tuple[Encryption, Integrity]) -> None:
    """Any octets of at least the ICV's length are refused quietly by every transform."""
    cipher, integrity = pair
    body = body + bytes(cipher.icv_size or integrity.icv_size)
    assert any_transform(cipher, integrity, cipher.key_sizes[0]).open(HEADER, high, bytes(cipher.iv_size), body) is None


def test_the_other_gcm_is_right() -> None:
    """The GCM written down here agrees with the library on a message without associated data."""
    assert gcm(KEY[:16], bytes(12), b"x" * 33, b"") == AESGCM(KEY[:16]).encrypt(bytes(12), b"x" * 33, b"")
