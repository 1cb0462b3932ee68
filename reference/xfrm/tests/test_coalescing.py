"""Merging: cut up again it is what came, and nothing is merged that would not be."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from espproof.reference import ip
from espproof.reference.xfrm.coalescing import Merged, coalesced
from espproof.reference.xfrm.segmentation import PROTOCOL_TCP, PROTOCOL_UDP, segments
from espproof.reference.xfrm.tests.test_segmentation import ACK, CWR, FIN, PSH, packet


def run(version: int = 4, *, flags: int = ACK, number: int = 7) -> list[bytes]:
    """Four segments that were one."""
    return segments(packet(version, PROTOCOL_TCP, bytes(range(80)), flags=flags, number=number), 20)


@given(st.lists(st.sampled_from((*run(), *run(6), *run(number=87), *run(flags=ACK | PSH))), max_size=12))
def test_cut_up_again_it_is_what_came(came: list[bytes]) -> None:
    """In the same order, whatever came."""
    merged = coalesced(came)
    assert [part for one in merged for part in (segments(*one) if one.segment else [one.packet])] == came


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("flags", [ACK, ACK | PSH, ACK | FIN])
def test_what_was_one_becomes_one(version: int, flags: int) -> None:
    (one,) = coalesced(run(version, flags=flags))
    assert isinstance(one, Merged)
    assert one.segment == 20
    assert ip.parse(one.packet).payload[13] == flags


@pytest.mark.parametrize(
    "came",
    [
        run()[::2],
        [run()[0], *run()[:2]],
        run(flags=ACK | CWR)[:2],
        [run()[0], run(6)[1]],
        segments(packet(4, PROTOCOL_UDP, bytes(60)), 20),
        [run()[0], run()[1][:-1] + b"\xff"],
        [b"no packet", b"no packet"],
    ],
    ids=["a gap", "the same", "CWR", "two versions", "datagrams", "a wrong checksum", "none"],
)
def test_what_must_not_be_merged(came: list[bytes]) -> None:
    assert all(not one.segment for one in coalesced(came[:2]))


def test_behind_a_shorter_one_another_begins() -> None:
    shorter = segments(packet(4, PROTOCOL_TCP, bytes(30)), 20)
    merged = coalesced([*shorter, *run(number=37)])
    assert [one.segment for one in merged] == [20, 20]
    assert [len(ip.parse(one.packet).payload) - 20 for one in merged] == [30, 80]
