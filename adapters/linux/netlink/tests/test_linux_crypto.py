"""Ciphers by name: what /proc/crypto says, and the question for another."""

import struct

from espproof.adapters.linux.netlink import crypto, netlink

PROC = """name         : rfc4106(gcm(aes))
driver       : cryptd(rfc4106-gcm-aes-lib)
module       : cryptd
priority     : 150
async        : yes

name         : rfc4106(gcm(aes))
driver       : rfc4106-gcm-aes-lib
priority     : 100
async        : no

name         : sha256
driver       : sha256-lib
priority     : 300
type         : shash
"""


def test_the_best_of_a_name_is_taken() -> None:
    assert crypto.best(PROC, "rfc4106(gcm(aes))") == (
        "rfc4106(gcm(aes))",
        "cryptd(rfc4106-gcm-aes-lib)",
        150,
        True,
        False,
    )
    assert crypto.best(PROC, "sha256") == ("sha256", "sha256-lib", 300, False, True)
    assert crypto.best(PROC, "md5") is None


def test_the_question() -> None:
    """One message with `struct crypto_user_alg`, which names the driver."""
    question = crypto.behind("cryptd", "authenc(hmac(md5),cbc(aes))", sequence=7)
    assert question is not None
    (message,) = netlink.messages(question)
    assert (message.type, message.sequence, len(message.payload)) == (0x10, 7, 208)
    assert message.payload[64:128].rstrip(b"\0") == b"cryptd(authenc(hmac(md5),cbc(aes)))"


def test_a_hash_is_asked_for_as_one() -> None:
    """By the type that cryptd makes hashes of."""
    question = crypto.behind("cryptd", "hmac(sha256-generic)", is_hash=True)
    assert question is not None
    (message,) = netlink.messages(question)
    assert struct.unpack_from("=II", message.payload, 192) == (0xE, 0xE)


def test_names_without_room() -> None:
    """With its last 0 a name has 64 octets."""
    assert crypto.behind("cryptd", "x" * 55) is not None
    assert crypto.behind("cryptd", "authencesn(hmac(sha1-generic),rfc3686(ctr(aes-generic)))") is None
