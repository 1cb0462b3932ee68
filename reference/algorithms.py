"""The algorithms of ESP by IANA IKEv2 transform name: sizes, documents, status, and what others call them.

One table for encryption (combined-mode algorithms included), one for integrity. Sizes are octets. `salt_size` octets
are delivered together with the key by key management (RFC 4106 8.1 and the like) but are not counted in `key_sizes`.
The AUTH_AES_*_GMAC transforms of RFC 4543 are for AH only and are not here; in ESP, GMAC is an encryption transform.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType


class Status(Enum):
    """Implementation status in ESP, RFC 8221 sections 5 and 6; `UNLISTED` if that document does not name it."""

    MUST = "MUST"
    SHOULD = "SHOULD"
    MAY = "MAY"
    SHOULD_NOT = "SHOULD NOT"
    MUST_NOT = "MUST NOT"
    UNLISTED = "unlisted"


@dataclass(frozen=True, slots=True)
class Names:
    """The same algorithm elsewhere; `None` where it does not exist. Linux names are those of `ip xfrm`."""

    linux: str | None
    dpdk: str | None
    strongswan: str | None
    wireshark: str | None
    scapy: str | None


@dataclass(frozen=True, slots=True)
class Encryption:
    """`block_size` is the alignment that the cipher demands of the plaintext; `icv_size` is 0 unless `aead`."""

    name: str
    key_sizes: tuple[int, ...]
    salt_size: int
    iv_size: int
    block_size: int
    icv_size: int
    aead: bool
    implicit_iv: bool
    rfc: str
    status: Status
    names: Names


@dataclass(frozen=True, slots=True)
class Integrity:
    """`icv_size` octets of the function's output are sent (truncation from the left end)."""

    name: str
    key_size: int
    icv_size: int
    rfc: str
    status: Status
    names: Names


_AES = (16, 24, 32)
_S = Status


def _cipher(
    name: str, keys: tuple[int, ...], salt: int, iv: int, block: int, rfc: str, status: Status, names: Names
) -> Encryption:
    return Encryption(name, keys, salt, iv, block, 0, False, False, rfc, status, names)


def _aead(
    name: str, keys: tuple[int, ...], salt: int, iv: int, icv: int, rfc: str, status: Status, names: Names
) -> Encryption:
    return Encryption(name, keys, salt, iv, 1, icv, True, iv == 0, rfc, status, names)


def _gcm(icv: int, status: Status) -> Encryption:
    """With a tag that is cut."""
    names = Names(
        "rfc4106(gcm(aes))",
        "aes-gcm",
        f"aes{{bits}}gcm{icv}",
        f"AES-GCM with {icv} octet ICV [RFC4106]",
        None,
    )
    return _aead(f"ENCR_AES_GCM_{icv}", _AES, 4, 8, icv, "RFC 4106", status, names)


def _ccm(icv: int, status: Status) -> Encryption:
    names = Names("rfc4309(ccm(aes))", "aes-ccm", f"aes{{bits}}ccm{icv}", None, "AES-CCM" if icv == 16 else None)
    return _aead(f"ENCR_AES_CCM_{icv}", _AES, 3, 8, icv, "RFC 4309", status, names)


_ENCRYPTION = (
    _aead(
        "ENCR_AES_GCM_16", _AES, 4, 8, 16, "RFC 4106", _S.MUST,
        Names("rfc4106(gcm(aes))", "aes-gcm", "aes{bits}gcm16", "AES-GCM with 16 octet ICV [RFC4106]", "AES-GCM"),
    ),
    _gcm(12, _S.UNLISTED),
    _gcm(8, _S.UNLISTED),
    _cipher(
        "ENCR_AES_CBC", _AES, 0, 16, 16, "RFC 3602", _S.MUST,
        Names("cbc(aes)", "aes-cbc", "aes{bits}", "AES-CBC [RFC3602]", "AES-CBC"),
    ),
    _aead(
        "ENCR_CHACHA20_POLY1305", (32,), 4, 8, 16, "RFC 7634", _S.SHOULD,
        Names("rfc7539esp(chacha20,poly1305)", "chacha20-poly1305", "chacha20poly1305",
              "ChaCha20 with Poly1305 [RFC7634]", "CHACHA20-POLY1305"),
    ),
    _cipher(
        "ENCR_NULL", (0,), 0, 0, 1, "RFC 2410", _S.MUST,
        Names("ecb(cipher_null)", "null", "null", "NULL", "NULL"),
    ),
    _cipher(
        "ENCR_AES_CTR", _AES, 4, 8, 1, "RFC 3686", _S.MAY,
        Names("rfc3686(ctr(aes))", "aes-ctr", "aes{bits}ctr", "AES-CTR [RFC3686]", "AES-CTR"),
    ),
    _ccm(8, _S.SHOULD),
    _ccm(12, _S.UNLISTED),
    _ccm(16, _S.UNLISTED),
    _aead(
        "ENCR_NULL_AUTH_AES_GMAC", _AES, 4, 8, 16, "RFC 4543", _S.UNLISTED,
        Names("rfc4543(gcm(aes))", "aes-gmac", "aes{bits}gmac", None, "AES-NULL-GMAC"),
    ),
    _aead(
        "ENCR_AES_GCM_16_IIV", _AES, 4, 0, 16, "RFC 8750", _S.UNLISTED,
        Names(None, None, None, "AES-GCM with IIV and 16 octet ICV [RFC4106 & RFC8750]", None),
    ),
    _aead(
        "ENCR_AES_CCM_8_IIV", _AES, 3, 0, 8, "RFC 8750", _S.UNLISTED, Names(None, None, None, None, None)
    ),
    _aead(
        "ENCR_CHACHA20_POLY1305_IIV", (32,), 4, 0, 16, "RFC 8750", _S.UNLISTED,
        Names(None, None, None, "ChaCha20 with Poly1305 and IIV [RFC7634 & RFC8750]", None),
    ),
    _cipher(
        "ENCR_3DES", (24,), 0, 8, 8, "RFC 2451", _S.SHOULD_NOT,
        Names("cbc(des3_ede)", "3des-cbc", "3des", "TripleDES-CBC [RFC2451]", "3DES"),
    ),
)  # fmt: skip

_INTEGRITY = (
    Integrity("NONE", 0, 0, "RFC 4303 3.2.2", _S.MUST, Names(None, None, None, "NULL", "NULL")),
    Integrity(
        "AUTH_HMAC_SHA2_256_128", 32, 16, "RFC 4868", _S.MUST,
        Names("hmac(sha256)", "sha256-hmac", "sha256", "HMAC-SHA-256-128 [RFC4868]", "SHA2-256-128"),
    ),
    Integrity(
        "AUTH_HMAC_SHA2_512_256", 64, 32, "RFC 4868", _S.SHOULD,
        Names("hmac(sha512)", "sha512-hmac", "sha512", "HMAC-SHA-512-256 [RFC4868]", "SHA2-512-256"),
    ),
    Integrity(
        "AUTH_HMAC_SHA2_384_192", 48, 24, "RFC 4868", _S.UNLISTED,
        Names("hmac(sha384)", "sha384-hmac", "sha384", "HMAC-SHA-384-192 [RFC4868]", "SHA2-384-192"),
    ),
    Integrity(
        "AUTH_HMAC_SHA1_96", 20, 12, "RFC 2404", _S.MUST,
        Names("hmac(sha1)", "sha1-hmac", "sha1", "HMAC-SHA-1-96 [RFC2404]", "HMAC-SHA1-96"),
    ),
    Integrity(
        "AUTH_AES_CMAC_96", 16, 12, "RFC 4494", _S.UNLISTED,
        Names("cmac(aes)", "aes-cmac", "aescmac", None, "AES-CMAC-96"),
    ),
    Integrity(
        "AUTH_AES_XCBC_96", 16, 12, "RFC 3566", _S.SHOULD,
        Names("xcbc(aes)", "aes-xcbc-mac", "aesxcbc", None, None),
    ),
    Integrity(
        "AUTH_HMAC_MD5_96", 16, 12, "RFC 2403", _S.MUST_NOT,
        Names("hmac(md5)", "md5-hmac", "md5", "HMAC-MD5-96 [RFC2403]", "HMAC-MD5-96"),
    ),
)  # fmt: skip

ENCRYPTION: Mapping[str, Encryption] = MappingProxyType({entry.name: entry for entry in _ENCRYPTION})
INTEGRITY: Mapping[str, Integrity] = MappingProxyType({entry.name: entry for entry in _INTEGRITY})


def pairs() -> Iterator[tuple[Encryption, Integrity]]:
    """Every pair that may protect an SA: combined-mode algorithms alone, the others with an integrity algorithm.

    Confidentiality without integrity is allowed by RFC 4303 3.1 as an option, but RFC 8221 4 forbids it; it is not here.
    """
    for cipher in ENCRYPTION.values():
        for integrity in INTEGRITY.values():
            if cipher.aead == (integrity.name == "NONE"):
                yield cipher, integrity
