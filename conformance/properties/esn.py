"""Extended sequence numbers: RFC 4303 2.2.1 and Appendix A."""

from typing import Any

import msgspec
from hypothesis import strategies as st

from espproof.adapters.case import Sa
from espproof.conformance.checks import check
from espproof.conformance.properties.anti_replay import History, deltas
from espproof.conformance.scenario import Scenario

COVERS = "RFC4303-2.2.1-icv-covers-high"
CASE_A = "RFC4303-A2.2-case-a"
CASE_B = "RFC4303-A2.2-case-b"
AFTER_ICV = "RFC4303-3.4.3-window-after-icv"
IMPLEMENTED = "RFC4303-2.2.1-esn-implemented"
RESYNCHRONISATION = "RFC4303-A3-resynchronisation"
WRONG_ICV = "RFC4303-3.4.3-icv-wrong-discarded"


def case_of(sa: Sa, highest: int) -> str:
    """Whether the window lies in one subspace (A) or across two (B)."""
    return CASE_A if highest % 2**32 >= max(sa.replay_window, 1) - 1 else CASE_B


def esn_sa(s: Scenario, **fixed: Any) -> Sa:
    """An inbound ESN SA with anti-replay, near the end of a subspace or anywhere."""
    s.need("esn", True in s.caps.esn)
    s.need("set_sequence", s.caps.set_sequence)
    return s.windowed_sa(esn=True, **fixed)


def near_wrap(s: Scenario) -> int:
    """A highest number a few packets before or after a subspace ends."""
    high = s.draw(st.sampled_from((1, 2, 0x01020304, 2**31, 2**32 - 2)))
    return (high << 32) + s.draw(st.sampled_from((-1, -2, -3, -33, 0, 1, 2, 5, 31, 40, -70)))


@check(COVERS, IMPLEMENTED, proved_by=("icv-esn-high-missing",))
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
    s.receive(sa, other << 32 | number & 0xFFFFFFFF, COVERS)
    s.receive(sa, number, IMPLEMENTED)


@check(COVERS)
def high_half_left_out(s: Scenario) -> None:
    """A packet made as if the SA had 32-bit numbers is rejected."""
    sa = esn_sa(s)
    number = History(sa).near(1)
    plain = s.peer_of(msgspec.structs.replace(sa, esn=False))
    s.arrives(plain.protect(s.small(sa), number & 0xFFFFFFFF), COVERS)
    s.receive(sa, number, IMPLEMENTED)


@check(CASE_A, CASE_B, weight=3.0)
def history_across_the_wrap(s: Scenario) -> None:
    """Any order of arrival around the end of a subspace: forward into the next one, and back into the one before."""
    sa = esn_sa(s, sequence=near_wrap(s))
    past = History(sa)
    for delta in s.draw(st.lists(deltas(sa.replay_window), min_size=1, max_size=10)):
        number = past.near(delta)
        s.receive(sa, number, case_of(sa, past.highest))
        past.arrived(number)
    s.read(sa, case_of(sa, past.highest), "sequence")


@check(CASE_A, CASE_B)
def large_gap(s: Scenario) -> None:
    """A gap of almost 2^32 packets is bridged; the first number that is too far ahead is not."""
    sa = esn_sa(s, sequence=near_wrap(s))
    past = History(sa)
    about = case_of(sa, past.highest)
    furthest = 2**32 - sa.replay_window
    gap = s.draw(st.sampled_from((furthest, furthest - 1, furthest + 1, 2**31, 2**31 - 1, 2**32, 2**30)))
    number = past.near(gap)
    s.receive(sa, number, about)
    if gap <= furthest:
        past.arrived(number)
    following = past.near(1)
    s.receive(sa, following, case_of(sa, past.highest))


@check(CASE_B)
def late_from_before_the_wrap(s: Scenario) -> None:
    """A late packet of the subspace before is accepted once, while it is in the window."""
    sa = esn_sa(s, sequence=(s.draw(st.sampled_from((1, 2, 0x01020304))) << 32) - 1 - s.draw(st.integers(0, 3)))
    past = History(sa)
    boundary = (past.highest >> 32) + 1 << 32
    late = boundary - 1 - s.draw(st.integers(0, min(sa.replay_window, 64) - 2))
    for number in (boundary + s.draw(st.integers(0, 3)), late, late, boundary - 1, boundary):
        s.receive(sa, number, CASE_B)
        past.arrived(number)


@check(AFTER_ICV, proved_by=("esn-high-stored-before-icv",))
def forged_wrap(s: Scenario) -> None:
    """A forged packet that looks like the next subspace does not move the receiver there."""
    sa = esn_sa(s, sequence=near_wrap(s))
    past = History(sa)
    number = past.near(s.draw(st.sampled_from((1, 2, 10))))
    ahead = past.near(s.draw(st.sampled_from((2**31, 2**32 - sa.replay_window - 5, 2**31 + 77, 100))))
    s.receive_forged(sa, ahead, WRONG_ICV)
    s.read(sa, AFTER_ICV, "sequence")
    s.receive(sa, number, AFTER_ICV)


@check(COVERS, proved_by=("esn-no-high-without-window",))
def without_anti_replay(s: Scenario) -> None:
    """With anti-replay off, the high half still belongs to the ICV and follows the packets."""
    s.need("esn", True in s.caps.esn)
    s.need("set_sequence", s.caps.set_sequence)
    high = s.draw(st.sampled_from((1, 3, 0x01020304)))
    sa = s.inbound_sa(
        sequence=(high << 32) + s.draw(st.sampled_from((0, 7, 2**31, 2**32 - 2))), esn=True, replay_window=0
    )
    number = int(sa.sequence) + 1
    s.receive(sa, number, COVERS)
    s.receive(sa, number + 1, COVERS)


@check(COVERS, "RFC4303-2.2.1-high-not-sent", "RFC4303-3.3.3-increment")
def outbound_across_the_wrap(s: Scenario) -> None:
    """A sender that comes to the end of a subspace goes on in the next one."""
    s.need("esn", True in s.caps.esn)
    s.need("set_sequence", s.caps.set_sequence)
    high = s.draw(st.sampled_from((1, 0, 2, 0x01020304, 2**32 - 2)))
    sa = s.outbound_sa(sequence=(high << 32) + 2**32 - 1 - s.draw(st.integers(0, 3)), esn=True)
    for _ in range(s.draw(st.integers(1, 5))):
        s.send(sa, "RFC4303-2.2.1-high-not-sent")


@check(RESYNCHRONISATION, WRONG_ICV)
def resynchronise(s: Scenario) -> None:
    """After the loss of 2^32 packets or more, the receiver finds the sender again, and forged packets do not fool it."""
    s.need("resynchronise", s.caps.resynchronise)
    sa = esn_sa(s, resync_trigger=s.draw(st.integers(1, 4)), resync_limit=s.draw(st.integers(1, 4)))
    jump = s.draw(st.integers(1, 5))
    number = int(sa.sequence) + (jump << 32) + 3
    s.need("room in the number space", number + 10 < 2**64)
    for step in range(sa.resync_trigger + 1):
        if s.draw(st.booleans()):
            s.receive_forged(sa, number + step, WRONG_ICV)
        s.receive(sa, number + step, RESYNCHRONISATION)
    s.receive(sa, number + sa.resync_trigger + 1, RESYNCHRONISATION)
    s.read(sa, RESYNCHRONISATION, "sequence")
