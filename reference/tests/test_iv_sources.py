"""Explicit IVs: of the right size, never twice, and for CBC not to be foreseen."""

from itertools import pairwise

import pytest

from espproof.reference.algorithms import ENCRYPTION
from espproof.reference.iv import iv_source

KEY = bytes(range(32))


@pytest.mark.parametrize("name", ENCRYPTION)
def test_size_and_uniqueness(name: str) -> None:
    """An IV is as long as the algorithm's, and no two packets of the 64-bit space that are tried have the same."""
    source = iv_source(name, KEY)
    numbers = [0, 1, 2, 2**31, 2**32 - 1, 2**32, 2**32 + 1, 2**63, 2**64 - 1, *range(1000, 1500)]
    ivs = [source(number) for number in numbers]
    assert {len(iv) for iv in ivs} == {ENCRYPTION[name].iv_size}
    assert len(set(ivs)) == (len(ivs) if ENCRYPTION[name].iv_size else 1)


@pytest.mark.parametrize("name", ["ENCR_AES_CBC", "ENCR_3DES"])
def test_cbc_is_no_counter(name: str) -> None:
    """Neighbouring packets' IVs differ by something else each time, and differ from key to key."""
    source = iv_source(name, KEY)
    numbers = [int.from_bytes(source(number), "big") for number in range(1, 50)]
    assert len({b - a for a, b in pairwise(numbers)}) == 48
    assert iv_source(name, KEY[:16])(1) != source(1)


def test_counter_modes_take_the_whole_number() -> None:
    """In counter modes the IV is the 64-bit number in network order: it does not come again after 2^32 packets."""
    assert iv_source("ENCR_AES_GCM_16", KEY)(0x0102030405060708) == bytes(range(1, 9))
