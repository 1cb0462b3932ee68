"""Linux's crypto/testmgr.h: the tables of `struct aead_testvec` for the templates that xfrm uses.

    rfc4106, rfc4309, rfc7539esp    key ‖ salt; associated data, behind which the IV stands once more
    rfc4543                         the same, and the plaintext is associated data too
    hmac_*_cbc, …_rfc3686           `authenc`: the key is a netlink attribute with both keys

What a table is of is told by its name alone, so one with a name that is not known here is no vector of ESP's. Older
kernels call `ptext` and `ctext` `input` and `result`, and do not repeat the IV.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from espproof.conformance.vectors.peers.c_tables import Table, Unknown, Value, tables
from espproof.conformance.vectors.peers.peer import NotForEsp, NotUnderstood, Peers, Primitive, text_of
from espproof.conformance.vectors.peers.primitive import Aead, Separate
from espproof.reference.algorithms import ENCRYPTION

_COMBINED = {
    "rfc4106": {8: "ENCR_AES_GCM_8", 12: "ENCR_AES_GCM_12", 16: "ENCR_AES_GCM_16"},
    "rfc4309": {8: "ENCR_AES_CCM_8", 12: "ENCR_AES_CCM_12", 16: "ENCR_AES_CCM_16"},
    "rfc4543": {16: "ENCR_NULL_AUTH_AES_GMAC"},
    "rfc7539esp": {16: "ENCR_CHACHA20_POLY1305"},
}
"""A word of the table's name, and octets of the ICV -> transform."""
_AUTHENC = re.compile(r"hmac_(md5|sha1|sha256|sha384|sha512)_(aes_cbc|aes_ctr_rfc3686|des3_ede_cbc|ecb_cipher_null)_")
_HASHES = {
    "md5": "AUTH_HMAC_MD5_96",
    "sha1": "AUTH_HMAC_SHA1_96",
    "sha256": "AUTH_HMAC_SHA2_256_128",
    "sha384": "AUTH_HMAC_SHA2_384_192",
    "sha512": "AUTH_HMAC_SHA2_512_256",
}
_CIPHERS = {
    "aes_cbc": "ENCR_AES_CBC",
    "aes_ctr_rfc3686": "ENCR_AES_CTR",
    "des3_ede_cbc": "ENCR_3DES",
    "ecb_cipher_null": "ENCR_NULL",
}
_ATTRIBUTES = (bytes.fromhex("08000100"), bytes.fromhex("00080001"))
"""The head of `authenc`'s key, little-endian and big-endian: length 8, type 1; the length of the cipher's key follows."""


def read(path: Path) -> Peers:
    """`Misuse` if the file is no C source or has no such table."""
    found, left_out = tables(text_of(path), frozenset({"aead_testvec"}))
    peers = Peers(not_understood=[f"{path.name}: {what}" for what in left_out])
    if not found:
        peers.not_understood.append(f"{path.name}: no table of struct aead_testvec")
    for table in found:
        rows = table.value if isinstance(table.value, list) else [table.value]
        for number, row in enumerate(rows):
            name = f"{table.name}[{number}]"
            peers.take(name, lambda name=name, table=table, row=row: _vector(name, table, row))  # type: ignore[misc]
    return peers


def _vector(name: str, table: Table, row: Value) -> Primitive:
    template = next((word for word in _COMBINED if f"_{word}_" in f"_{table.name}_"), None)
    authenc = _AUTHENC.match(table.name)
    if template is None and authenc is None:
        raise NotForEsp(f"the table {table.name}")
    if not isinstance(row, dict):
        raise NotUnderstood("no struct with designators")
    for member in ("setkey_error", "crypt_error", "fail"):
        if _number(row, member):
            raise NotForEsp("an error that is asked for")
    if template is not None:
        return _combined(name, template, row)
    assert authenc is not None
    return _separate(name, _HASHES[authenc[1]], _CIPHERS[authenc[2]], row)


def _combined(name: str, template: str, row: Mapping[str, Value]) -> Primitive:
    plaintext, sealed = _text(row)
    encr = _COMBINED[template].get(len(sealed) - len(plaintext))
    if encr is None:
        raise NotForEsp(f"{template} with an ICV of {len(sealed) - len(plaintext)} octets")
    key, iv, associated = _octets(row, "key", "klen"), _iv(row, encr), _octets(row, "assoc", "alen")
    if len(associated) >= 16:
        if associated[-8:] != iv:
            raise NotForEsp("associated data that do not end in the IV")
        associated = associated[:-8]
    salt_size = ENCRYPTION[encr].salt_size
    one = Aead(
        encr, key[: len(key) - salt_size], key[len(key) - salt_size :] + iv, associated, plaintext,
        sealed[: len(plaintext)], sealed[len(plaintext) :], not _number(row, "novrfy"),
    )  # fmt: skip
    one.check()
    return Primitive(name, one.judge)


def _separate(name: str, auth: str, encr: str, row: Mapping[str, Value]) -> Primitive:
    key, associated, iv = _octets(row, "key", "klen"), _octets(row, "assoc", "alen"), _iv(row, encr)
    if key[:4] not in _ATTRIBUTES:
        raise NotUnderstood("the key is no attribute of authenc")
    size = int.from_bytes(key[4:8], "big")
    both = key[8:]
    if size > len(both):
        raise NotUnderstood("the cipher's key is longer than both keys")
    auth_key, encr_key = both[: len(both) - size], both[len(both) - size :]
    if not associated.endswith(iv):
        raise NotForEsp("associated data that do not end in the IV")
    salt_size = ENCRYPTION[encr].salt_size
    plaintext, sealed = _text(row)
    one = Separate(
        encr, auth, encr_key[: size - salt_size], encr_key[size - salt_size :], auth_key,
        associated[: len(associated) - len(iv)], iv, plaintext, sealed[: len(plaintext)], sealed[len(plaintext) :],
        not _number(row, "novrfy"),
    )  # fmt: skip
    one.sealer()
    return Primitive(name, one.judge)


def _text(row: Mapping[str, Value]) -> tuple[bytes, bytes]:
    """Plaintext, and ciphertext with its ICV. Old tables tell those that are opened from those that are sealed."""
    new = "ctext" in row
    plain = _octets(row, *(("ptext", "plen") if new else ("input", "ilen")))
    sealed = _octets(row, *(("ctext", "clen") if new else ("result", "rlen")))
    if not new and len(plain) > len(sealed):
        plain, sealed = sealed, plain
    return plain, sealed


def _iv(row: Mapping[str, Value], encr: str) -> bytes:
    """The explicit IV: the table's `iv` has no length of its own."""
    size = ENCRYPTION[encr].iv_size
    value = row.get("iv", b"")
    if not isinstance(value, bytes) or len(value) < size:
        raise NotUnderstood(f"iv is {_told(value)}")
    return value[:size]


def _octets(row: Mapping[str, Value], member: str, length: str) -> bytes:
    """So many octets of a literal, the zero behind it included; none where both are absent."""
    size, value = _number(row, length), row.get(member, b"")
    if not isinstance(value, bytes) or size > len(value) + 1:
        raise NotUnderstood(f"{member} of {size} octets is {_told(value)}")
    return (value + b"\0")[:size]


def _number(row: Mapping[str, Value], member: str) -> int:
    value = row.get(member, 0)
    if value in ("true", "false"):
        return int(value == "true")
    if isinstance(value, int):
        return value
    if member in ("setkey_error", "crypt_error"):
        return 1  # `-EINVAL`
    raise NotUnderstood(f"{member} is {_told(value)}")


def _told(value: Value) -> str:
    if isinstance(value, bytes):
        return f"{len(value)} octets"
    return value.text if isinstance(value, Unknown) else f"{value!r:.60}"
