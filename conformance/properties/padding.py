"""Padding, pad length and next header: RFC 4303 2.4, 2.5, 2.6, 3.4.4.1."""

from hypothesis import strategies as st

from espproof.conformance.checks.registry import check
from espproof.conformance.checks.scenario import Scenario
from espproof.conformance.requirements.ids import (
    ACCEPTED,
    ALIGNMENT,
    BOUNDS,
    DEFAULT_PADDING,
    MINIMUM_PADDING,
    PAD_LENGTH,
)

CONSUMED = "RFC4303-2.4-padding-consumed"
RANGE = "RFC4303-2.5-pad-length-range"
MAY_PAD = "RFC4303-2.4-sender-may-pad"
INSPECTED = "RFC4303-2.4-padding-inspected"


@check(
    ALIGNMENT,
    DEFAULT_PADDING,
    PAD_LENGTH,
    MINIMUM_PADDING,
    proved_by=("padding-octet-fifteen-zero", "padding-to-cipher-block-only", "padding-counter-modes-sixteen"),
)
def length_sweep(s: Scenario) -> None:
    """Twenty consecutive lengths, so that every amount of padding is made."""
    sa = s.outbound_sa(sequence=0)
    start = s.draw(st.one_of(st.integers(1, 64), st.integers(1, 1300)))
    version = s.choose(s.versions(sa))
    for length in range(start, start + 20):
        s.send(sa, DEFAULT_PADDING, packet=s.packet(sa, version=version, length=length, traffic_class=0, protocol=253))


@check(CONSUMED, proved_by=("padding-ctr-sixteen", "padding-sliced-after-cut"))
def length_sweep_inbound(s: Scenario) -> None:
    """Twenty consecutive lengths, so that every amount of padding is removed."""
    sa = s.inbound_sa(sequence=0)
    start = s.draw(st.one_of(st.integers(1, 64), st.integers(1, 1300)))
    version = s.choose(s.versions(sa))
    for number, length in enumerate(range(start, start + 20), 1):
        packet = s.packet(sa, version=version, length=length, traffic_class=0, protocol=253)
        s.receive(sa, number, CONSUMED, packet=packet)


@check(RANGE, MAY_PAD, proved_by=("padding-255-refused", "padding-table-of-sixteen"))
def more_than_needed(s: Scenario) -> None:
    """Any aligned amount of padding up to 255 octets is understood."""
    sa = s.inbound_sa(sequence=0)
    codec = s.peer(sa).codec
    for number, size in enumerate((255, s.draw(st.integers(0, 254))), 1):
        length = 16
        while codec.padding_length(len(s.payload(sa, length)[0]) + size):
            length += 1
        payload, next_header = s.payload(sa, length)
        rule = RANGE if size == 255 else MAY_PAD
        s.receive_plaintext(sa, number, payload + _padding(size) + bytes([size, next_header]), rule)


@check(INSPECTED, proved_by=("padding-check-from-zero",))
def wrong_octets(s: Scenario) -> None:
    """Padding that does not count 1, 2, 3, … is noticed."""
    sa = s.inbound_sa(sequence=0)
    payload, next_header = s.payload(sa)
    codec = s.peer(sa).codec
    size = codec.padding_length(len(payload)) + codec.alignment
    right = _padding(size)
    at = s.draw(st.sampled_from((0, size - 1, size // 2)))
    wrong = s.choose((bytes(size), bytes(range(size)), right[:at] + bytes([right[at] ^ 0x80]) + right[at + 1 :]))
    s.receive_plaintext(sa, 1, payload + wrong + bytes([size, next_header]), INSPECTED)


@check(BOUNDS, proved_by=("padding-length-beyond-packet-accepted", "padding-length-unchecked"))
def more_than_there_is(s: Scenario) -> None:
    """A pad length beyond the plaintext is never acted upon, though the ICV is right."""
    sa = s.inbound_sa(sequence=0)
    codec = s.peer(sa).codec
    size = s.draw(st.sampled_from((0, 2, 6, 14, 30)))
    while (size + 2) % codec.alignment:
        size += 1
    beyond = s.draw(st.sampled_from((size + 1, size + 2, 255, size + 3)))
    _, next_header = s.payload(sa)
    s.receive_plaintext(sa, 1, _padding(size) + bytes([min(beyond, 255), next_header]), BOUNDS)
    s.receive(sa, 2, ACCEPTED)


@check(BOUNDS, proved_by=("padding-alone-delivered",))
def nothing_but_padding(s: Scenario) -> None:
    """In tunnel mode, padding that leaves no payload leaves no packet."""
    sa = s.inbound_sa(sequence=0, mode="tunnel")
    codec = s.peer(sa).codec
    size = codec.padding_length(0) + codec.alignment * s.draw(st.integers(0, 3))
    _, next_header = s.payload(sa)
    s.receive_plaintext(sa, 1, _padding(size) + bytes([size, next_header]), BOUNDS)


def _padding(size: int) -> bytes:
    return bytes(range(1, size + 1))
