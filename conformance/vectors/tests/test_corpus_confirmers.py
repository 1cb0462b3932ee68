"""Who confirms vectors: what they say, and that they contradict."""

import dataclasses
import shutil

import pytest

from espproof.adapters.case import Octets
from espproof.conformance.vectors import confirm, files
from espproof.conformance.vectors.made import Vector


def some_vectors(*names: str) -> list[Vector]:
    every = [vector for content in files.CONTENTS for vector in content.make()]
    return [vector for vector in every if vector.case.id in names]


SOME = ("esn-gcm8-high-left-out", "esn-ccm8-iiv-outbound", "esn-cbc128-xcbc-inbound", "rfc3602-case-5-outbound",
        "kat-gcm16-halves-swapped", "esn-gcm16-halves-swapped")  # fmt: skip


def test_scapy_confirms_and_contradicts() -> None:
    """scapy makes the same octets, and a changed octet is a contradiction that is not passed over."""
    found = some_vectors(*SOME)
    said = dict(zip([v.case.id for v in found], confirm.Scapy().confirm(found), strict=True))
    assert said["esn-gcm8-high-left-out"].endswith("octets of each packet")
    assert said["esn-gcm16-halves-swapped"].endswith("octets of each packet")
    assert said["esn-cbc128-xcbc-inbound"] == ""
    with pytest.raises(confirm.Contradiction, match="rfc3602-case-5-outbound"):
        list(confirm.Scapy().confirm([wrong_octet(found, "rfc3602-case-5-outbound")]))


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not here")
def test_openssl_confirms_and_contradicts() -> None:
    """openssl finds the same octets for separate algorithms, and contradicts a changed one."""
    found = some_vectors(*SOME)
    said = dict(zip([v.case.id for v in found], confirm.OpenSsl().confirm(found), strict=True))
    assert said["esn-cbc128-xcbc-inbound"].endswith("ciphertext and ICV of each packet")
    assert said["esn-gcm8-high-left-out"] == ""
    with pytest.raises(confirm.Contradiction, match="esn-cbc128-xcbc-inbound"):
        list(confirm.OpenSsl().confirm([wrong_octet(found, "esn-cbc128-xcbc-inbound")]))


@pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not here")
def test_wireshark_confirms_and_contradicts() -> None:
    """Wireshark opens packets with 32-bit numbers, and contradicts a changed octet."""
    found = some_vectors("rfc3602-case-5-outbound", "esn-gcm8-high-left-out", "esn-gcm16-halves-swapped")
    said = dict(zip([v.case.id for v in found], confirm.Wireshark().confirm(found), strict=True))
    assert said["rfc3602-case-5-outbound"].endswith("ICV and plaintext of each packet")
    assert said["esn-gcm16-halves-swapped"] == ""
    with pytest.raises(confirm.Contradiction, match="rfc3602-case-5-outbound"):
        list(confirm.Wireshark().confirm([wrong_octet(found, "rfc3602-case-5-outbound")]))


def wrong_octet(found: list[Vector], name: str) -> Vector:
    one = next(vector for vector in found if vector.case.id == name)
    octets = bytearray(one.made[0].packet)
    octets[-20] ^= 1
    return Vector(one.case, (dataclasses.replace(one.made[0], packet=Octets(bytes(octets))),))
