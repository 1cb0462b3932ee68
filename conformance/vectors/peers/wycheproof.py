"""Wycheproof's JSON: AEAD and MAC files of algorithms that ESP has (https://github.com/C2SP/wycheproof, doc/formats.md).

`result` is "valid" or "invalid"; an "acceptable" one may be taken or not, and is no test of anybody.
"""

from pathlib import Path
from typing import Any

from espproof.conformance.vectors.peers.peer import NotForEsp, NotUnderstood, Peers, Primitive, json_of
from espproof.conformance.vectors.peers.primitive import Aead, Mac
from espproof.reference.algorithms import ENCRYPTION
from espproof.reference.errors import Misuse

_AEADS = {
    "AES-GCM": ("ENCR_AES_GCM_8", "ENCR_AES_GCM_12", "ENCR_AES_GCM_16"),
    "AES-CCM": ("ENCR_AES_CCM_8", "ENCR_AES_CCM_12", "ENCR_AES_CCM_16"),
    "CHACHA20-POLY1305": ("ENCR_CHACHA20_POLY1305",),
}
_MACS = {
    "HMACSHA1": "AUTH_HMAC_SHA1_96",
    "HMACSHA256": "AUTH_HMAC_SHA2_256_128",
    "HMACSHA384": "AUTH_HMAC_SHA2_384_192",
    "HMACSHA512": "AUTH_HMAC_SHA2_512_256",
    "AES-CMAC": "AUTH_AES_CMAC_96",
}


def read(path: Path) -> Peers:
    """`Misuse` if the file is none of Wycheproof's."""
    document = json_of(path)
    groups = document.get("testGroups") if isinstance(document, dict) else None
    algorithm = document.get("algorithm") if isinstance(document, dict) else None
    if not isinstance(groups, list) or not isinstance(algorithm, str):
        raise Misuse(f"{path}: not a file of Wycheproof: no algorithm or no testGroups")
    peers = Peers()
    for at, group in enumerate(groups):
        tests = group.get("tests") if isinstance(group, dict) else None
        if not isinstance(tests, list):
            peers.not_understood.append(f"{algorithm}, group {at}: no tests")
            continue
        for number, test in enumerate(tests):
            name = f"{algorithm} {_id(test, at, number)}"
            peers.take(name, lambda name=name, test=test, group=group: _vector(name, algorithm, group, test))  # type: ignore[misc]
    return peers


def _id(test: Any, group: int, number: int) -> str:
    given = test.get("tcId") if isinstance(test, dict) else None
    return str(given) if isinstance(given, int) else f"group {group} test {number}"


def _vector(name: str, algorithm: str, group: dict[str, Any], test: Any) -> Primitive:
    if algorithm not in _AEADS and algorithm not in _MACS:
        raise NotForEsp(f"the algorithm {algorithm}")
    right = _right(test)
    tag = _octets(test, "tag")
    if not tag and not right:
        raise NotForEsp("sizes that an algorithm is to refuse")
    if group.get("tagSize") != 8 * len(tag):
        raise NotUnderstood(f"tagSize is {group.get('tagSize')!r:.20}, the tag has {8 * len(tag)} bits")
    if algorithm in _MACS:
        one = Mac(_MACS[algorithm], _octets(test, "key"), _octets(test, "msg"), tag, right)
        one.check()
        return Primitive(name, one.judge)
    fitting = [encr for encr in _AEADS[algorithm] if ENCRYPTION[encr].icv_size == len(tag)]
    if not fitting:
        raise NotForEsp(f"{algorithm} with an ICV of {len(tag)} octets")
    key, nonce, associated, plaintext, ciphertext = (
        _octets(test, member) for member in ("key", "iv", "aad", "msg", "ct")
    )  # fmt: skip
    sealed = Aead(fitting[0], key, nonce, associated, plaintext, ciphertext, tag, right)
    sealed.check()
    return Primitive(name, sealed.judge)


def _right(test: Any) -> bool:
    result = test.get("result") if isinstance(test, dict) else None
    if result == "acceptable":
        raise NotForEsp("a result that may be either")
    if result not in ("valid", "invalid"):
        raise NotUnderstood(f"result {result!r:.20}")
    return bool(result == "valid")


def _octets(test: dict[str, Any], member: str) -> bytes:
    value = test.get(member)
    try:
        if isinstance(value, str):
            return bytes.fromhex(value)
    except ValueError:
        pass
    raise NotUnderstood(f"{member} is not hexadecimal")
