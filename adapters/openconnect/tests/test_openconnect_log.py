"""What the client's log says about a packet."""

import pytest

from espproof.adapters.openconnect import log
from espproof.reference.drops import DropReason

_TAKEN = "Received ESP Legacy IP packet of 48 bytes"


def test_the_log_is_cut_at_markers_of_that_spi_alone() -> None:
    """Another invalid SPI belongs to the packet."""
    exchange = log.Exchange(0xE59F00F0)
    exchange.feed(["a", "Received ESP packet with invalid SPI 0x01020304", log.marker_line(0xE59F00F0), "b"])
    assert exchange.markers == 1
    assert exchange.pieces == [["a", "Received ESP packet with invalid SPI 0x01020304"], ["b"]]


def test_idle_counts_behind_the_last_marker_only() -> None:
    """What the client said about its work before does not count."""
    exchange = log.Exchange(1)
    exchange.feed(["No work to do; sleeping for 10000 ms..."])
    assert exchange.idle
    exchange.feed([log.marker_line(1)])
    assert not exchange.idle


@pytest.mark.parametrize(
    ("piece", "reason"),
    [
        ([], DropReason.MALFORMED),
        (["Received ESP packet with invalid SPI 0x00000007"], DropReason.NO_SA),
        (["Received ESP packet with invalid HMAC"], DropReason.INTEGRITY),
        (["Discarding ancient ESP packet with seq 35 (expected 101)"], DropReason.REPLAY),
        (["Discarding replayed ESP packet with seq 100"], DropReason.REPLAY),
        ([_TAKEN, "Invalid padding bytes in ESP"], DropReason.PADDING),
        (["Received ESP packet of 48 bytes with unrecognised payload type 3b"], DropReason.DUMMY),
        (["Received ESP packet of 48 bytes with unrecognised payload type 06"], DropReason.MODE),
        (["something new"], DropReason.UNSPECIFIED),
    ],
)
def test_each_refusal_has_its_reason(piece: list[str], reason: DropReason) -> None:
    """The line that says so may follow one that says that the packet was received."""
    assert not log.accepted(piece)
    assert log.reason(piece) is reason


def test_a_packet_without_a_refusal_was_accepted() -> None:
    """A number out of order is nothing to refuse."""
    assert log.accepted(["Accepting out-of-order ESP packet with seq 36 (expected 101)", _TAKEN])
