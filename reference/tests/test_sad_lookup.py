"""SAD lookup: the same answer as the search that RFC 4301 4.1 describes, whatever is in it."""

from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, Literal, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from espproof.reference.errors import Misuse
from espproof.reference.sa import SecurityAssociation
from espproof.reference.sad import Sad, key_of, linear_search

Lookup = Literal["spi", "spi+destination", "spi+destination+source"]
ADDRESSES = ("192.0.2.1", "192.0.2.2", "198.51.100.3", "2001:db8::1", "2001:db8::2")


@dataclass(frozen=True)
class Entry:
    """Something with an SA."""

    sa: SecurityAssociation


def entry(spi: int, lookup: Lookup, destination: str = ADDRESSES[0], source: str = ADDRESSES[1]) -> Entry:
    return Entry(
        SecurityAssociation(
            name="in", direction="in", spi=spi, mode="tunnel", source=ip_address(source),
            destination=ip_address(destination), encr="ENCR_NULL", auth="AUTH_HMAC_SHA1_96", lookup=lookup,
        )
    )  # fmt: skip


class Ends(NamedTuple):
    """What the search looks at of a packet."""

    source: bytes
    destination: bytes


def packed(address: str) -> bytes:
    return ip_address(address).packed


entries = st.builds(
    entry,
    st.sampled_from((0x1001, 0x1002)),
    st.sampled_from(("spi", "spi+destination", "spi+destination+source")),
    st.sampled_from(ADDRESSES),
    st.sampled_from(ADDRESSES),
)


@settings(deadline=None)
@given(st.lists(entries, max_size=12, unique_by=lambda one: key_of(one.sa)), st.data())
def test_same_answer_as_the_linear_search(known: list[Entry], data: st.DataObject) -> None:
    """For every packet the table finds what the three passes of RFC 4301 4.1 find, also after deletions."""
    sad: Sad[Entry] = Sad()
    for one in known:
        sad.add(one)
    gone = data.draw(st.lists(st.sampled_from(known), unique_by=id)) if known else []
    for one in gone:
        sad.delete(one)
    left = [one for one in known if not any(one is other for other in gone)]
    for spi in (bytes.fromhex("00001001"), bytes.fromhex("00001002"), bytes.fromhex("00001003")):
        for destination in ADDRESSES:
            for source in ADDRESSES:
                packet = Ends(packed(source), packed(destination))
                assert sad.find(spi, packet) is linear_search(left, spi, packet)


SPECIFIC = (
    # what is there (in this order), destination and source of the packet, index of the match
    ((("spi",),), ADDRESSES[2], ADDRESSES[2], 0),
    ((("spi+destination",),), ADDRESSES[0], ADDRESSES[2], 0),
    ((("spi+destination",),), ADDRESSES[2], ADDRESSES[1], None),
    ((("spi+destination+source",),), ADDRESSES[0], ADDRESSES[1], 0),
    ((("spi+destination+source",),), ADDRESSES[0], ADDRESSES[2], None),
    ((("spi+destination+source",),), ADDRESSES[1], ADDRESSES[0], None),
    ((("spi",), ("spi+destination",), ("spi+destination+source",)), ADDRESSES[0], ADDRESSES[1], 2),
    ((("spi",), ("spi+destination",), ("spi+destination+source",)), ADDRESSES[0], ADDRESSES[2], 1),
    ((("spi",), ("spi+destination",), ("spi+destination+source",)), ADDRESSES[2], ADDRESSES[1], 0),
    ((("spi+destination", ADDRESSES[0]), ("spi+destination", ADDRESSES[2])), ADDRESSES[2], ADDRESSES[1], 1),
    ((("spi+destination", ADDRESSES[3]), ("spi+destination", ADDRESSES[0])), ADDRESSES[3], ADDRESSES[4], 0),
)


@pytest.mark.parametrize(("there", "destination", "source", "index"), SPECIFIC)
def test_most_specific_wins(there: Any, destination: str, source: str, index: int | None) -> None:
    """Source and destination beat destination alone, which beats the SPI alone; nothing is found by half a match."""
    known = [entry(0x1001, *fields) for fields in there]
    sad: Sad[Entry] = Sad()
    for one in known:
        sad.add(one)
    for find in (sad.find, lambda *key: linear_search(known, *key)):
        found = find(bytes.fromhex("00001001"), Ends(packed(source), packed(destination)))
        assert found is (None if index is None else known[index])


def test_twins_are_refused() -> None:
    """Two SAs that no packet can tell apart are refused; after a deletion the place is free again."""
    sad: Sad[Entry] = Sad()
    first = entry(0x1001, "spi")
    sad.add(first)
    with pytest.raises(Misuse, match="0x00001001"):
        sad.add(entry(0x1001, "spi", destination=ADDRESSES[2]))
    sad.add(entry(0x1001, "spi+destination"))
    sad.delete(first)
    sad.add(entry(0x1001, "spi"))
