"""The table of algorithms: sizes that fit each other, legal pairs, a document and names for each entry."""

import re

from espproof.reference.algorithms import ENCRYPTION, INTEGRITY, Status, pairs
from espproof.reference.transforms import transform

SIZES = {  # IV, ICV, salt, block: RFC 4106 3.1 4 6, 4309 3.1 4 6, 4543 3.1 3.2, 3602 3, 3686 3.1, 7634 2, 8750 4, 2451
    "ENCR_AES_GCM_16": (8, 16, 4, 1),
    "ENCR_AES_GCM_12": (8, 12, 4, 1),
    "ENCR_AES_GCM_8": (8, 8, 4, 1),
    "ENCR_AES_CCM_16": (8, 16, 3, 1),
    "ENCR_AES_CCM_12": (8, 12, 3, 1),
    "ENCR_AES_CCM_8": (8, 8, 3, 1),
    "ENCR_NULL_AUTH_AES_GMAC": (8, 16, 4, 1),
    "ENCR_CHACHA20_POLY1305": (8, 16, 4, 1),
    "ENCR_AES_GCM_16_IIV": (0, 16, 4, 1),
    "ENCR_AES_CCM_8_IIV": (0, 8, 3, 1),
    "ENCR_CHACHA20_POLY1305_IIV": (0, 16, 4, 1),
    "ENCR_AES_CBC": (16, 0, 0, 16),
    "ENCR_AES_CTR": (8, 0, 4, 1),
    "ENCR_3DES": (8, 0, 0, 8),
    "ENCR_NULL": (0, 0, 0, 1),
}
MACS = {  # key, ICV: RFC 2403, 2404, 3566 4, 4494, 4868 2.6
    "NONE": (0, 0),
    "AUTH_HMAC_MD5_96": (16, 12),
    "AUTH_HMAC_SHA1_96": (20, 12),
    "AUTH_HMAC_SHA2_256_128": (32, 16),
    "AUTH_HMAC_SHA2_384_192": (48, 24),
    "AUTH_HMAC_SHA2_512_256": (64, 32),
    "AUTH_AES_XCBC_96": (16, 12),
    "AUTH_AES_CMAC_96": (16, 12),
}


def test_sizes() -> None:
    """Every entry has the sizes of its document."""
    assert {name: (c.iv_size, c.icv_size, c.salt_size, c.block_size) for name, c in ENCRYPTION.items()} == SIZES
    assert {name: (i.key_size, i.icv_size) for name, i in INTEGRITY.items()} == MACS


def test_entries_agree_with_themselves() -> None:
    """An entry is found under its own name, has a document, and is combined mode exactly if it has an ICV."""
    for table in (ENCRYPTION, INTEGRITY):
        for name, entry in table.items():
            assert entry.name == name
            assert re.match(r"RFC \d{4}", entry.rfc)
            assert isinstance(entry.status, Status)
    for cipher in ENCRYPTION.values():
        assert cipher.aead == (cipher.icv_size > 0)
        assert cipher.implicit_iv == (cipher.aead and cipher.iv_size == 0)


def test_pairs() -> None:
    """Combined mode algorithms stand alone, all others have one of the integrity algorithms: 11 and 4 times 7."""
    found = list(pairs())
    assert len(found) == len(set(found)) == 11 + 4 * 7
    assert all(cipher.aead == (integrity.name == "NONE") for cipher, integrity in found)


def test_every_pair_and_key_size_can_be_made() -> None:
    """The transforms know every pair of the table with every key size."""
    for cipher, integrity in pairs():
        for size in cipher.key_sizes:
            assert transform(
                cipher.name, integrity.name, bytes(range(size)), bytes(cipher.salt_size), bytes(integrity.key_size)
            )
