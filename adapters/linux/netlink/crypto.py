"""Ciphers of the kernel by name: what `/proc/crypto` tells of them, and the message of NETLINK_CRYPTO that asks for
another (`linux/cryptouser.h`). Pure."""

import struct
from collections.abc import Iterator
from typing import NamedTuple

from espproof.adapters.linux.netlink import netlink

NETLINK_CRYPTO = 21
_NEWALG = 0x10
_AEAD, _MASK = 3, 0xF
"""`CRYPTO_ALG_TYPE_AEAD`, `CRYPTO_ALG_TYPE_MASK`."""
_HASH = 0xE
"""`CRYPTO_ALG_TYPE_HASH`, and the mask under which hashes of both kinds are it."""
_HASHES = ("shash", "ahash")
_ALGORITHM = struct.Struct("=64s64s64sIIII")
_MOST = 63
"""Octets of a name (`CRYPTO_MAX_NAME`, of which the last is 0)."""
_HEADER = struct.Struct("=IHHII")


class Cipher(NamedTuple):
    """An entry: what it does, who does it, which of several is taken, and whether it finishes later."""

    name: str
    driver: str
    priority: int
    finishes_later: bool
    is_hash: bool = False


def ciphers(text: str) -> Iterator[Cipher]:
    """The entries of `/proc/crypto`."""
    for entry in text.split("\n\n"):
        words = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in entry.splitlines())}
        if "name" in words:
            later, is_hash = words.get("async") == "yes", words.get("type") in _HASHES
            yield Cipher(words["name"], words["driver"], int(words["priority"]), later, is_hash)


def best(text: str, name: str) -> Cipher | None:
    """The one that is taken for a name."""
    return max((one for one in ciphers(text) if one.name == name), key=lambda one: one.priority, default=None)


def behind(template: str, driver: str, sequence: int = 1, *, is_hash: bool = False) -> bytes | None:
    """The message that asks for the same cipher behind a template, which is taken in its place. None for one whose name
    has no room in it."""
    name = f"{template}({driver})".encode()
    if len(name) > _MOST:
        return None
    kind, mask = (_HASH, _HASH) if is_hash else (_AEAD, _MASK)
    body = _ALGORITHM.pack(b"", name, b"", kind, mask, 0, 0)
    flags = netlink.REQUEST | netlink.ACK | netlink.CREATE
    return _HEADER.pack(_HEADER.size + len(body), _NEWALG, flags, sequence, 0) + body
