"""The algorithm suites of our own vectors: one per family and key size that differ on the wire or in the ICV.

Keys, salts, SPIs and IVs are hashes of a name: fixed for ever, without zeros in a row, and different everywhere.
"""

import hashlib
from dataclasses import dataclass
from typing import Any

from espproof.adapters.case import Octets, Sa
from espproof.reference.algorithms import ENCRYPTION, INTEGRITY


@dataclass(frozen=True, slots=True)
class Suite:
    """`name` is how vector ids call it; `key_size` in octets."""

    name: str
    encr: str
    key_size: int
    auth: str = "NONE"

    @property
    def aead(self) -> bool:
        return ENCRYPTION[self.encr].aead

    @property
    def implicit_iv(self) -> bool:
        return ENCRYPTION[self.encr].implicit_iv

    def sa(self, **fields: Any) -> Sa:
        """An SA with this suite, named after its direction, in tunnel mode over IPv4 unless `fields` say otherwise."""
        given: dict[str, Any] = {
            "name": fields["direction"],
            "spi": int.from_bytes(octets(f"spi {self.name}", 4), "big") | 0x1000,
            "mode": "tunnel",
            "source": "192.0.2.33",
            "destination": "198.51.100.71",
            "encr": self.encr,
            "auth": self.auth,
        }
        sizes = {
            "encr_key": self.key_size,
            "salt": ENCRYPTION[self.encr].salt_size,
            "auth_key": INTEGRITY[self.auth].key_size,
        }
        secret = {field: octets(f"{field} {self.name}", size) for field, size in sizes.items() if size}
        return Sa(**(given | secret | fields))


def octets(name: str, size: int) -> Octets:
    """That many octets that belong to a name."""
    return Octets(hashlib.shake_256(b"espproof vector " + name.encode()).digest(size))


_MACS = {
    "sha256": "AUTH_HMAC_SHA2_256_128",
    "sha384": "AUTH_HMAC_SHA2_384_192",
    "sha512": "AUTH_HMAC_SHA2_512_256",
    "sha1": "AUTH_HMAC_SHA1_96",
    "md5": "AUTH_HMAC_MD5_96",
    "cmac": "AUTH_AES_CMAC_96",
    "xcbc": "AUTH_AES_XCBC_96",
}

SEPARATE = (
    Suite("null-sha1", "ENCR_NULL", 0, _MACS["sha1"]),
    Suite("null-sha256", "ENCR_NULL", 0, _MACS["sha256"]),
    *(Suite(f"cbc128-{short}", "ENCR_AES_CBC", 16, auth) for short, auth in _MACS.items()),
    Suite("cbc192-sha384", "ENCR_AES_CBC", 24, _MACS["sha384"]),
    Suite("cbc256-sha512", "ENCR_AES_CBC", 32, _MACS["sha512"]),
    Suite("ctr128-sha1", "ENCR_AES_CTR", 16, _MACS["sha1"]),
    Suite("ctr256-sha256", "ENCR_AES_CTR", 32, _MACS["sha256"]),
    Suite("3des-sha1", "ENCR_3DES", 24, _MACS["sha1"]),
)

COMBINED = (
    Suite("gcm8", "ENCR_AES_GCM_8", 16),
    Suite("gcm12", "ENCR_AES_GCM_12", 16),
    Suite("gcm16", "ENCR_AES_GCM_16", 16),
    Suite("gcm16-192", "ENCR_AES_GCM_16", 24),
    Suite("gcm16-256", "ENCR_AES_GCM_16", 32),
    Suite("ccm8", "ENCR_AES_CCM_8", 16),
    Suite("ccm12", "ENCR_AES_CCM_12", 16),
    Suite("ccm16", "ENCR_AES_CCM_16", 16),
    Suite("ccm16-256", "ENCR_AES_CCM_16", 32),
    Suite("gmac", "ENCR_NULL_AUTH_AES_GMAC", 16),
    Suite("gmac-256", "ENCR_NULL_AUTH_AES_GMAC", 32),
    Suite("chacha", "ENCR_CHACHA20_POLY1305", 32),
)

IMPLICIT_IV = (
    Suite("gcm16-iiv", "ENCR_AES_GCM_16_IIV", 16),
    Suite("gcm16-iiv-256", "ENCR_AES_GCM_16_IIV", 32),
    Suite("ccm8-iiv", "ENCR_AES_CCM_8_IIV", 16),
    Suite("chacha-iiv", "ENCR_CHACHA20_POLY1305_IIV", 32),
)

SUITES = {suite.name: suite for suite in (*SEPARATE, *COMBINED, *IMPLICIT_IV)}
