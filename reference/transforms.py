"""Encryption and integrity of one SA as one operation: RFC 4303 3.3.2 and 3.4.4.2, for every entry of `algorithms`.

    separate algorithms (3.3.2.1)   ICV over  SPI ‖ sequence low ‖ IV ‖ ciphertext ‖ [sequence high]
    combined mode (3.3.2.2)         AAD       SPI ‖ [sequence high] ‖ sequence low
    GMAC (RFC 4543 3.3)             AAD       the same ‖ IV ‖ plaintext, which is sent as it is

[sequence high] is there only with extended sequence numbers. The ICV is always checked before anything is decrypted.
Every class takes `header` (8 octets, SPI and low sequence number as sent), `esn_high` (b"" or 4 octets, network byte
order), the explicit `iv`, and the plaintext with its trailer, or `body` = ciphertext ‖ ICV. Primitives are from
`cryptography`, but for HMAC, which is in the standard library.
"""

import hashlib
import hmac
from collections.abc import Callable
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher, modes
from cryptography.hazmat.primitives.ciphers.aead import AESCCM, AESGCM, ChaCha20Poly1305
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.cmac import CMAC

from espproof.reference.algorithms import ENCRYPTION, INTEGRITY, Encryption
from espproof.reference.errors import Misuse

Mac = Callable[[bytes], bytes]
"""Message -> the octets that are sent."""


class Transform(Protocol):
    """What a codec needs of an SA's algorithms."""

    def seal(self, header: bytes, esn_high: bytes, iv: bytes, plaintext: bytes) -> bytes:
        """Ciphertext ‖ ICV."""

    def open(self, header: bytes, esn_high: bytes, iv: bytes, body: bytes) -> bytes | None:
        """The plaintext, or None if the ICV is wrong."""


def transform(encr: str, auth: str, encr_key: bytes, salt: bytes, auth_key: bytes) -> Transform:
    """The transform of one SA. Raises `Misuse` for unknown names, illegal pairs, and sizes that do not fit."""
    if encr not in ENCRYPTION or auth not in INTEGRITY:
        raise Misuse(f"unknown algorithm {encr} or {auth}")
    cipher, integrity = ENCRYPTION[encr], INTEGRITY[auth]
    if cipher.aead != (auth == "NONE"):
        raise Misuse(f"{encr} with {auth}: combined-mode algorithms stand alone, all others need integrity")
    for what, size, allowed in (
        (f"{encr} key", len(encr_key), cipher.key_sizes),
        (f"{encr} salt", len(salt), (cipher.salt_size,)),
        (f"{auth} key", len(auth_key), (integrity.key_size,)),
    ):
        if size not in allowed:
            raise Misuse(f"{what} of {size} octets; allowed: {', '.join(map(str, allowed))}")
    if cipher.aead:
        return _combined(cipher, encr_key, salt)
    return Separate(_ENCIPHER[encr](encr_key, salt), mac(auth, auth_key), integrity.icv_size)


# -------------------------------------------------------------------------------------------------- combined mode


class _Aead(Protocol):
    def encrypt(self, nonce: bytes, data: bytes, associated_data: bytes | None) -> bytes: ...
    def decrypt(self, nonce: bytes, data: bytes, associated_data: bytes | None) -> bytes: ...


class Combined:
    """RFC 4106, 4309, 7634: the nonce is salt ‖ IV, the tag is sent whole."""

    __slots__ = ("_aead", "_salt")

    def __init__(self, aead: _Aead, salt: bytes) -> None:
        self._aead = aead
        self._salt = salt

    def seal(self, header: bytes, esn_high: bytes, iv: bytes, plaintext: bytes) -> bytes:
        return self._aead.encrypt(self._salt + iv, plaintext, _aad(header, esn_high))

    def open(self, header: bytes, esn_high: bytes, iv: bytes, body: bytes) -> bytes | None:
        try:
            return self._aead.decrypt(self._salt + iv, body, _aad(header, esn_high))
        except InvalidTag:
            return None


class ImplicitIv:
    """RFC 8750: as its explicit counterpart, with the (extended) sequence number in the place of the IV."""

    __slots__ = ("_explicit",)

    def __init__(self, explicit: Transform) -> None:
        self._explicit = explicit

    def seal(self, header: bytes, esn_high: bytes, iv: bytes, plaintext: bytes) -> bytes:
        return self._explicit.seal(header, esn_high, self._iv(header, esn_high), plaintext)

    def open(self, header: bytes, esn_high: bytes, iv: bytes, body: bytes) -> bytes | None:
        return self._explicit.open(header, esn_high, self._iv(header, esn_high), body)

    @staticmethod
    def _iv(header: bytes, esn_high: bytes) -> bytes:
        return (esn_high or bytes(4)) + header[4:]


class TruncatedGcm:
    """RFC 4106 6: GCM with a tag of 8 or 12 octets, the left end of the whole tag."""

    __slots__ = ("_aes", "_icv_size", "_salt", "_sealer")

    def __init__(self, key: bytes, salt: bytes, icv_size: int) -> None:
        self._aes = AES(key)
        self._sealer = AESGCM(key)
        self._salt = salt
        self._icv_size = icv_size

    def seal(self, header: bytes, esn_high: bytes, iv: bytes, plaintext: bytes) -> bytes:
        whole = self._sealer.encrypt(self._salt + iv, plaintext, _aad(header, esn_high))
        return whole[: self._icv_size - 16]

    def open(self, header: bytes, esn_high: bytes, iv: bytes, body: bytes) -> bytes | None:
        end = len(body) - self._icv_size
        mode = modes.GCM(self._salt + iv, body[end:], min_tag_length=self._icv_size)
        decryptor = Cipher(self._aes, mode).decryptor()
        decryptor.authenticate_additional_data(_aad(header, esn_high))
        plaintext = decryptor.update(body[:end])
        try:
            return plaintext + decryptor.finalize()
        except InvalidTag:
            return None


class Gmac:
    """RFC 4543: integrity only; all of the packet is associated data and the plaintext is sent as it is."""

    __slots__ = ("_aead", "_salt")

    def __init__(self, key: bytes, salt: bytes) -> None:
        self._aead = AESGCM(key)
        self._salt = salt

    def seal(self, header: bytes, esn_high: bytes, iv: bytes, plaintext: bytes) -> bytes:
        return plaintext + self._tag(header, esn_high, iv, plaintext)

    def open(self, header: bytes, esn_high: bytes, iv: bytes, body: bytes) -> bytes | None:
        plaintext, icv = body[:-16], body[-16:]
        return plaintext if hmac.compare_digest(self._tag(header, esn_high, iv, plaintext), icv) else None

    def _tag(self, header: bytes, esn_high: bytes, iv: bytes, plaintext: bytes) -> bytes:
        return self._aead.encrypt(self._salt + iv, b"", _aad(header, esn_high) + iv + plaintext)


def _aad(header: bytes, esn_high: bytes) -> bytes:
    return header[:4] + esn_high + header[4:] if esn_high else header


def _combined(cipher: Encryption, key: bytes, salt: bytes) -> Transform:
    name = cipher.name.removesuffix("_IIV")
    if name == "ENCR_NULL_AUTH_AES_GMAC":
        explicit: Transform = Gmac(key, salt)
    elif name == "ENCR_CHACHA20_POLY1305":
        explicit = Combined(ChaCha20Poly1305(key), salt)
    elif name.startswith("ENCR_AES_CCM"):
        explicit = Combined(AESCCM(key, tag_length=cipher.icv_size), salt)
    elif cipher.icv_size == 16:
        explicit = Combined(AESGCM(key), salt)
    else:
        explicit = TruncatedGcm(key, salt, cipher.icv_size)
    return ImplicitIv(explicit) if cipher.implicit_iv else explicit


# ------------------------------------------------------------------------------------------- separate algorithms


class Encipher(Protocol):
    """A confidentiality-only algorithm: IV and octets in, as many octets out."""

    def encrypt(self, iv: bytes, data: bytes) -> bytes: ...
    def decrypt(self, iv: bytes, data: bytes) -> bytes: ...


class Separate:
    """RFC 4303 3.3.2.1: encrypt, then authenticate the ciphertext."""

    __slots__ = ("_cipher", "_icv_size", "_mac")

    def __init__(self, cipher: Encipher, mac: Mac, icv_size: int) -> None:
        self._cipher = cipher
        self._mac = mac
        self._icv_size = icv_size

    def seal(self, header: bytes, esn_high: bytes, iv: bytes, plaintext: bytes) -> bytes:
        ciphertext = self._cipher.encrypt(iv, plaintext)
        return ciphertext + self._mac(header + iv + ciphertext + esn_high)

    def open(self, header: bytes, esn_high: bytes, iv: bytes, body: bytes) -> bytes | None:
        ciphertext, icv = body[: -self._icv_size], body[-self._icv_size :]
        if not hmac.compare_digest(self._mac(header + iv + ciphertext + esn_high), icv):
            return None
        return self._cipher.decrypt(iv, ciphertext)


class Null:
    """RFC 2410: the identity."""

    def encrypt(self, iv: bytes, data: bytes) -> bytes:
        return data

    decrypt = encrypt


class Cbc:
    """RFC 3602 and RFC 2451: the explicit IV is the CBC initialization vector."""

    __slots__ = ("_algorithm",)

    def __init__(self, algorithm: AES | TripleDES) -> None:
        self._algorithm = algorithm

    def encrypt(self, iv: bytes, data: bytes) -> bytes:
        return Cipher(self._algorithm, modes.CBC(iv)).encryptor().update(data)

    def decrypt(self, iv: bytes, data: bytes) -> bytes:
        return Cipher(self._algorithm, modes.CBC(iv)).decryptor().update(data)


class Ctr:
    """RFC 3686 4: the counter block is nonce (the salt) ‖ IV ‖ a block counter that begins with one."""

    __slots__ = ("_aes", "_nonce")

    def __init__(self, key: bytes, nonce: bytes) -> None:
        self._aes = AES(key)
        self._nonce = nonce

    def encrypt(self, iv: bytes, data: bytes) -> bytes:
        block = self._nonce + iv + b"\x00\x00\x00\x01"
        return Cipher(self._aes, modes.CTR(block)).encryptor().update(data)

    decrypt = encrypt


_ENCIPHER: dict[str, Callable[[bytes, bytes], Encipher]] = {
    "ENCR_NULL": lambda key, salt: Null(),
    "ENCR_AES_CBC": lambda key, salt: Cbc(AES(key)),
    "ENCR_AES_CTR": Ctr,
    "ENCR_3DES": lambda key, salt: Cbc(TripleDES(key)),
}

# ------------------------------------------------------------------------------------------------------ integrity


def mac(auth: str, key: bytes) -> Mac:
    """The integrity algorithm of that name, truncated to what is sent."""
    size = INTEGRITY[auth].icv_size
    if auth in _DIGESTS:
        digest = _DIGESTS[auth]
        return lambda message: hmac.digest(key, message, digest)[:size]
    if auth == "AUTH_AES_CMAC_96":
        return lambda message: _cmac(key, message)[:size]
    if auth == "AUTH_AES_XCBC_96":
        return Xcbc(key)
    raise Misuse(f"{auth} computes nothing")


_DIGESTS = {
    "AUTH_HMAC_MD5_96": hashlib.md5,
    "AUTH_HMAC_SHA1_96": hashlib.sha1,
    "AUTH_HMAC_SHA2_256_128": hashlib.sha256,
    "AUTH_HMAC_SHA2_384_192": hashlib.sha384,
    "AUTH_HMAC_SHA2_512_256": hashlib.sha512,
}


def _cmac(key: bytes, message: bytes) -> bytes:
    state = CMAC(AES(key))
    state.update(message)
    return state.finalize()


class Xcbc:
    """AES-XCBC-MAC-96, RFC 3566: CBC-MAC under K1, the last block mixed with K2 (whole) or K3 (padded 10…0)."""

    __slots__ = ("_aes", "_padded", "_whole")

    def __init__(self, key: bytes) -> None:
        derive = Cipher(AES(key), modes.ECB()).encryptor()  # noqa: S305 -- RFC 3566 4 derives its keys so
        k1, k2, k3 = (derive.update(bytes([octet]) * 16) for octet in (1, 2, 3))
        self._aes = AES(k1)
        self._whole = k2
        self._padded = k3

    def __call__(self, message: bytes) -> bytes:
        tail = len(message) % 16 or (16 if message else 0)
        head, last = message[: len(message) - tail], message[len(message) - tail :]
        mask = self._whole
        if tail < 16:
            last = (last + b"\x80").ljust(16, b"\0")
            mask = self._padded
        mixed = bytes(a ^ b for a, b in zip(last, mask, strict=True))
        chain = Cipher(self._aes, modes.CBC(bytes(16))).encryptor()
        return chain.update(head + mixed)[-16:][:12]
