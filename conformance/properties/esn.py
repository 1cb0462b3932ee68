"""Extended sequence numbers: RFC 4303 2.2.1 and Appendix A."""

from typing import Any

import msgspec
from hypothesis import strategies as st

from espproof.adapters.case import Sa
from espproof.conformance.checks.registry import check
from espproof.conformance.checks.scenario import Scenario
from espproof.conformance.properties.anti_replay import around_borders
from espproof.conformance.requirements.ids import (
    AFTER_ICV,
    BOUNDS,
    CASE_A,
    CASE_B,
    COUNTS,
    COVERS_HIGH,
    DUMMY_DISCARDED,
    ICV_WRONG,
    INCREMENT,
    NEW,
    NEXT_SUBSPACE,
)
from espproof.conformance.strategies.history import History, border_sizes, deltas
from espproof.reference.algorithms import ENCRYPTION
from espproof.reference.esp import NEXT_HEADER_DUMMY, trailer

IMPLEMENTED = "RFC4303-2.2.1-esn-implemented"
RESYNCHRONISATION = "RFC4303-A3-resynchronisation"


BOTH_COUNT = "RFC4303-3.3.3-esn-both-count"
COUNTER_IS_INPUT = "RFC4303-3.4.4.2-counter-is-input"
CHECK_A, CHECK_B = "RFC4303-A2.1-replay-check-case-a", "RFC4303-A2.1-replay-check-case-b"
FAILURES_RESET = "RFC4303-A3.1-failures-reset"
FAILURES_COUNTED = "RFC4303-A3.1-failures-counted"
RETRIES_LIMITED = "RFC4303-A3.2-retries-limited"
RESYNCHRONISED = "RFC4303-A3.2-resynchronised-state"


def about(sa: Sa, highest: int, number: int) -> str:
    """Which situation of Appendix A2 a packet of that number meets: case A has its window in one subspace, B in two."""
    case_a = highest % 2**32 >= max(sa.replay_window, 1) - 1
    if number >> 32 > highest >> 32:
        return NEXT_SUBSPACE
    if number > highest or number >> 32 < highest >> 32:
        return CASE_A if case_a else CASE_B
    return CHECK_A if case_a else CHECK_B


def esn_sa(s: Scenario, **fixed: Any) -> Sa:
    """An inbound ESN SA with anti-replay, near the end of a subspace or anywhere."""
    s.need("esn", True in s.caps.esn)
    s.need("set_sequence", s.caps.set_sequence)
    return s.windowed_sa(esn=True, **fixed)


def near_wrap(s: Scenario) -> int:
    """A highest number a few packets before or after a subspace ends."""
    high = s.draw(st.sampled_from((1, 2, 0x01020304, 2**31, 2**32 - 2)))
    return (high << 32) + s.draw(st.sampled_from((-1, -2, -3, -33, 0, 1, 2, 5, 31, 40, -70)))


@check(COVERS_HIGH, COUNTER_IS_INPUT, IMPLEMENTED, proved_by=("esn-resynchronise-unasked", "esn-high-signed"))
def high_half_authenticated(s: Scenario) -> None:
    """A packet whose ICV was made with another high half is rejected, and one with the right high half accepted."""
    sa = esn_sa(s)
    past = History(sa)
    number = past.near(1)
    high = number >> 32
    wrong = {
        0,
        high + 1,
        high - 1,
        int.from_bytes(high.to_bytes(4, "big"), "little"),
        high ^ 0x80000000,
        high ^ 1,
    } - {high}
    other = s.choose(sorted(half for half in wrong if 0 <= half < 2**32))
    rule = COUNTER_IS_INPUT if ENCRYPTION[sa.encr].aead else COVERS_HIGH
    s.receive(sa, other << 32 | number & 0xFFFFFFFF, rule)
    s.receive(sa, number, IMPLEMENTED)


@check(COVERS_HIGH, proved_by=("esn-flag-ignored",))
def high_half_left_out(s: Scenario) -> None:
    """A packet made as if the SA had 32-bit numbers is rejected."""
    sa = esn_sa(s)
    number = History(sa).near(1)
    plain = s.peer_of(msgspec.structs.replace(sa, esn=False))
    s.arrives(plain.protect(s.small(sa), number & 0xFFFFFFFF), COVERS_HIGH)
    s.receive(sa, number, IMPLEMENTED)


@check(
    CASE_A,
    CASE_B,
    CHECK_A,
    CHECK_B,
    NEXT_SUBSPACE,
    weight=3.0,
    proved_by=("esn-high-moved-twice", "esn-left-edge-next-subspace", "esn-window-across-wrap-edge"),
)
def history_across_the_wrap(s: Scenario) -> None:
    """Any order of arrival around the end of a subspace: forward into the next one, and back into the one before."""
    sa = esn_sa(s, sequence=near_wrap(s))
    past = History(sa)
    for delta in s.draw(st.lists(deltas(sa.replay_window), min_size=1, max_size=10)):
        number = past.near(delta)
        s.receive(sa, number, about(sa, past.highest, number))
        past.arrived(number)
    s.read(sa, BOTH_COUNT, "sequence")


@check(
    CASE_A,
    NEXT_SUBSPACE,
    CHECK_A,
    CHECK_B,
    proved_by=("esn-high-moved-twice", "esn-duplicates-behind-the-wrap"),
)
def large_gap(s: Scenario) -> None:
    """A gap of almost 2^32 packets is bridged; the first number that is too far ahead is not."""
    sa = esn_sa(s, sequence=near_wrap(s))
    past = History(sa)
    furthest = 2**32 - sa.replay_window
    gap = s.draw(st.sampled_from((furthest, furthest - 1, furthest + 1, 2**31, 2**31 - 1, 2**32, 2**30)))
    number = past.near(gap)
    s.receive(sa, number, about(sa, past.highest, number))
    if gap <= furthest:
        past.arrived(number)
    for following in (past.near(1), past.highest):
        s.receive(sa, following, about(sa, past.highest, following))
        past.arrived(following)


@check(
    CASE_B,
    CHECK_B,
    NEXT_SUBSPACE,
    proved_by=("esn-high-moved-twice", "esn-window-across-wrap", "esn-duplicates-behind-the-wrap"),
)
def late_from_before_the_wrap(s: Scenario) -> None:
    """A late packet of the subspace before is accepted once, while it is in the window."""
    sa = esn_sa(s, sequence=(s.draw(st.sampled_from((1, 2, 0x01020304))) << 32) - 1 - s.draw(st.integers(0, 3)))
    past = History(sa)
    boundary = (past.highest >> 32) + 1 << 32
    late = boundary - 1 - s.draw(st.integers(0, max(min(sa.replay_window, 64) - 2, 0)))
    for number in (boundary + s.draw(st.integers(0, 3)), late, late, boundary - 1, boundary):
        s.receive(sa, number, about(sa, past.highest, number))
        past.arrived(number)


@check(AFTER_ICV, proved_by=("esn-guess-kept-in-sa",))
def forged_wrap(s: Scenario) -> None:
    """A forged packet that looks like the next subspace does not move the receiver there."""
    sa = esn_sa(s, sequence=near_wrap(s))
    past = History(sa)
    number = past.near(s.draw(st.sampled_from((1, 2, 10))))
    ahead = past.near(s.draw(st.sampled_from((2**31, 2**32 - sa.replay_window - 5, 2**31 + 77, 100))))
    s.receive_forged(sa, ahead, ICV_WRONG)
    s.read(sa, AFTER_ICV, "sequence")
    s.receive(sa, number, AFTER_ICV)


@check(COVERS_HIGH, proved_by=("esn-high-not-moved-without-window", "esn-no-high-without-window"))
def without_anti_replay(s: Scenario) -> None:
    """With anti-replay off, the high half still belongs to the ICV and follows the packets."""
    s.need("esn", True in s.caps.esn)
    s.need("set_sequence", s.caps.set_sequence)
    high = s.draw(st.sampled_from((1, 3, 0x01020304)))
    sa = s.inbound_sa(
        sequence=(high << 32) + s.draw(st.sampled_from((0, 7, 2**31, 2**32 - 2))), esn=True, replay_window=0
    )
    number = int(sa.sequence) + 1
    s.receive(sa, number, COVERS_HIGH)
    s.receive(sa, number + 1, COVERS_HIGH)


@check(
    COVERS_HIGH,
    BOTH_COUNT,
    "RFC4303-2.2.1-high-not-sent",
    INCREMENT,
    proved_by=("esn-counter-of-32-bits", "esn-high-lags-at-wrap"),
)
def outbound_across_the_wrap(s: Scenario) -> None:
    """A sender that comes to the end of a subspace goes on in the next one."""
    s.need("esn", True in s.caps.esn)
    s.need("set_sequence", s.caps.set_sequence)
    high = s.draw(st.sampled_from((1, 0, 2, 0x01020304, 2**32 - 2)))
    sa = s.outbound_sa(sequence=(high << 32) + 2**32 - 1 - s.draw(st.integers(0, 3)), esn=True)
    for _ in range(s.draw(st.integers(1, 5))):
        s.send(sa, "RFC4303-2.2.1-high-not-sent")
    s.read(sa, BOTH_COUNT, "sequence")


def resynchronising_sa(s: Scenario, *, trigger: int) -> Sa:
    s.need("resynchronise", s.caps.resynchronise)
    high = s.draw(st.sampled_from((1, 2, 0x01020304, 2**31)))
    start = (high << 32) + s.draw(st.sampled_from((0, 100, 2**31, 2**32 - 5)))
    return esn_sa(s, sequence=start, resync_trigger=trigger, resync_limit=s.draw(st.integers(1, 4)))


@check(
    RESYNCHRONISATION,
    RESYNCHRONISED,
    ICV_WRONG,
    proved_by=("esn-resynchronise-never", "esn-resynchronised-window-stays"),
)
def resynchronise(s: Scenario) -> None:
    """After the loss of 2^32 packets or more, the receiver finds the sender again, and forged packets do not fool it."""
    sa = resynchronising_sa(s, trigger=s.draw(st.integers(1, 4)))
    number = int(sa.sequence) + (s.draw(st.integers(1, sa.resync_limit)) << 32) + 3
    for step in range(sa.resync_trigger - 1):
        if s.draw(st.booleans()):
            s.receive_forged(sa, number + step, ICV_WRONG)
        else:
            s.receive(sa, number + step, ICV_WRONG)
    number += sa.resync_trigger
    s.receive(sa, number, RESYNCHRONISATION, behaviour="packet that reaches the trigger of resynchronisation")
    s.receive(sa, number + 1, RESYNCHRONISATION)
    s.receive(sa, number + 2, RESYNCHRONISED)
    s.receive(sa, number + 1, RESYNCHRONISED)
    s.read(sa, RESYNCHRONISED, "sequence")


@check(FAILURES_RESET, ICV_WRONG, proved_by=("esn-failures-add-up", "esn-resynchronise-unasked"))
def failures_reset(s: Scenario) -> None:
    """Failures that are not consecutive do not add up: a right packet between them starts the count anew."""
    sa = resynchronising_sa(s, trigger=s.draw(st.integers(2, 4)))
    number = int(sa.sequence) + 1
    lost = number + (1 << 32)
    for rule in (ICV_WRONG, FAILURES_RESET):
        for step in range(sa.resync_trigger - 1):
            s.receive(sa, lost + step, rule)
        s.receive(sa, number, rule)
        number += 1


@check(RETRIES_LIMITED, proved_by=("esn-resynchronise-unlimited", "esn-resynchronise-keeps-guess"))
def beyond_the_limit(s: Scenario) -> None:
    """A sender that is further ahead than the limit of high halves is not found, and the old number space goes on."""
    sa = resynchronising_sa(s, trigger=s.draw(st.integers(1, 2)))
    number = int(sa.sequence) + 1
    lost = number + (sa.resync_limit + 2 << 32)
    for step in range(sa.resync_trigger + 2):
        s.receive(sa, lost + step, RETRIES_LIMITED)
    s.receive(sa, number, RETRIES_LIMITED)


@check(CASE_B, proved_by=("esn-below-zero-clamped", "esn-window-across-wrap"))
def before_the_beginning(s: Scenario) -> None:
    """In the first subspace, a low half left of the window would belong before number 0: nobody can have sent it."""
    sa = esn_sa(s, sequence=s.draw(st.integers(1, 20)))
    number = 2**32 - 1 - s.draw(st.integers(0, 8))
    s.receive(sa, number, CASE_B)
    s.receive(sa, int(sa.sequence) + 1, NEW)


@check(CASE_A, proved_by=("esn-high-wraps-to-zero",))
def end_of_64_bits(s: Scenario) -> None:
    """In the last subspace, a low half left of the window would belong to the next one, and there is none.

    The packets are those with which the SA began, 2^64 numbers ago: a high half that wraps to 0 makes them authentic.
    """
    left = s.draw(st.integers(0, 3))
    sa = esn_sa(s, sequence=2**64 - 1 - left)
    for number in (1, 2, 2**31):
        s.receive(sa, number, CASE_A)
    if left:
        s.receive(sa, 2**64 - 1, NEW)


@check(CASE_A, CASE_B, CHECK_A, CHECK_B, NEXT_SUBSPACE, weight=2.0, proved_by=("esn-case-b-edge-missed",))
def borders(s: Scenario) -> None:
    """Windows of every structure, where the low half is about as large as the window, or about to begin anew."""
    s.need("esn", True in s.caps.esn)
    s.need("set_sequence", s.caps.set_sequence)
    high = s.draw(st.sampled_from((1, 2, 0x01020304, 0)))
    sizes = border_sizes(s.caps)
    s.need("anti-replay", sizes)
    size = s.choose(sizes)
    low = s.draw(st.sampled_from((max(size - 3, 0), 0, 2**32 - 3, size // 2, 2**32 - 34)))
    base = s.windowed_sa(add=False, sequence=high << 32 | low, esn=True)
    sa = s.with_fields(base, replay_window=size)
    around_borders(s, sa, lambda sa, past, number: about(sa, past.highest, number))


@check(FAILURES_RESET, ICV_WRONG, proved_by=("esn-failures-reset-on-delivery",))
def failures_reset_by_a_dummy(s: Scenario) -> None:
    """A packet that is authentic resets the count of failures though nothing of it is delivered."""
    sa = resynchronising_sa(s, trigger=s.draw(st.integers(2, 4)))
    number = int(sa.sequence) + 1
    lost = number + (1 << 32)
    payload, _ = s.payload(sa)
    end = trailer(s.peer(sa).codec.padding_length(len(payload)), NEXT_HEADER_DUMMY)
    for rule in (ICV_WRONG, FAILURES_RESET):
        for step in range(sa.resync_trigger - 1):
            s.receive(sa, lost + step, rule)
        s.receive_plaintext(sa, number, payload + end, DUMMY_DISCARDED)
        number += 1
    s.receive(sa, number, FAILURES_RESET)


@check(FAILURES_COUNTED, ICV_WRONG, proved_by=("esn-failures-of-replays", "esn-failures-of-all"))
def failures_of_others(s: Scenario) -> None:
    """Only what fails this SA's integrity check is a failure: no replay, nothing for others, no failure of theirs."""
    sa = resynchronising_sa(s, trigger=s.draw(st.integers(2, 4)))
    other = s.with_fields(sa, name="other", spi=sa.spi ^ 0x100, **s.fresh_keys(sa, 1))
    number = int(sa.sequence) + 1
    lost = number + (1 << 32)
    taken = s.receive(sa, number, ICV_WRONG)
    for step in range(sa.resync_trigger - 2):
        s.receive(sa, lost + step, ICV_WRONG)
    strange = {
        "replay": taken,
        "stranger": s.stranger(sa),
        "other": s.forge(s.peer(other).protect(s.small(other), number), other),
    }
    for kind in s.draw(st.lists(st.sampled_from(sorted(strange)), min_size=3, max_size=6)):
        s.arrives(strange[kind], FAILURES_COUNTED)
    s.receive(sa, lost + 9, FAILURES_COUNTED)
    s.receive(sa, number + 1, FAILURES_COUNTED)


@check(COUNTS, proved_by=("esn-wrap-on-trailer",))
def not_delivered(s: Scenario) -> None:
    """A packet that is authentic and not delivered brings the receiver into the next subspace all the same."""
    sa = esn_sa(s, sequence=near_wrap(s))
    past = History(sa)
    payload, next_header = s.payload(sa)
    padding = s.peer(sa).codec.padding_length(len(payload))
    too_much = bytes([min(255, len(payload) + padding + 1), next_header])
    ends = ((DUMMY_DISCARDED, trailer(padding, NEXT_HEADER_DUMMY)), (BOUNDS, bytes(padding) + too_much))
    about, end = s.choose(ends)
    number = past.near(s.draw(st.sampled_from((1, 2, 40, 100, 2**31))))
    s.need("room for a packet", past.highest < number < past.last - 1)
    s.receive_plaintext(sa, number, payload + end, about)
    s.receive(sa, number, COUNTS)
    s.receive(sa, number + 1, COUNTS)
