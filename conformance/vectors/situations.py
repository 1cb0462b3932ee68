"""Every window situation of RFC 4303 Appendix A, as a table: where the window stands, what arrives, what must happen.

Positions are written relative to the window: T is the highest number authenticated, B = T - W + 1 its left edge. What
is expected is written down here, from the appendix, and not computed by the reference. A packet is made for the whole
number given; its low half is all that the receiver sees. Each situation has something to accept and, but for the plain
ones, something to discard; it ends in a packet that shows where the window stands now.

       subspace H-1            H                      H+1
    ---------------------0----------------------0-------------------
    case A                        [B=======T]                          B and T in one subspace:  T's low half >= W - 1
    case B          [B==========T]                                     B in the one before:      T's low half <  W - 1
"""

from collections.abc import Iterator
from dataclasses import dataclass

from espproof.conformance.requirements.ids import (
    AFTER_ICV,
    CASE_A,
    CASE_B,
    DUPLICATE,
    ICV_WRONG,
    LEFT,
    NEW,
    NEXT_SUBSPACE,
    WINDOW,
)
from espproof.conformance.vectors.made import HALF, Mistake

SPACE = 1 << 32
HIGH = 0x01020304
"""The subspace that the window is in."""
BASE = HIGH << 32

CHECK_A = "RFC4303-A2.1-replay-check-case-a"
CHECK_B = "RFC4303-A2.1-replay-check-case-b"
SKIPPED = "RFC4303-A2.1-skipped-are-new"
RIGHT = "RFC4303-3.4.3-right-edge"
FULL_NUMBER = "RFC4303-3.4.3-esn-full-number-checked"


@dataclass(frozen=True, slots=True)
class Arrival:
    """A packet of that whole number arrives; `accept` is what the appendix says."""

    number: int
    accept: bool
    about: str
    note: str
    mistake: Mistake = Mistake.NONE


def yes(number: int, about: str, note: str) -> Arrival:
    return Arrival(number, True, about, note)


def no(number: int, about: str, note: str, mistake: Mistake = Mistake.NONE) -> Arrival:
    return Arrival(number, False, about, note, mistake)


@dataclass(frozen=True, slots=True)
class Situation:
    """`highest` is T at the start (0: nothing received yet); of the numbers below it none has been received."""

    name: str
    title: str
    flags: tuple[str, ...]
    highest: int
    arrivals: tuple[Arrival, ...]


def case_a(w: int) -> Iterator[Situation]:
    """W = w, 64-bit numbers, the window within subspace H."""
    t = BASE + 0x0005_0607
    b = t - w + 1
    yield Situation(
        "case-a-inside",
        "a late packet inside the window, once",
        ("esn-case-a", "window-inside"),
        t,
        (
            yes(t - 5, CHECK_A, "inside, not yet received"),
            no(t - 5, DUPLICATE, "the same again"),
            yes(t - 6, NEW, "its neighbour is still new"),
            no(t, DUPLICATE, "T itself was received"),
        ),
    )
    yield Situation(
        "case-a-left-edge",
        "B is inside, B - 1 is not",
        ("esn-case-a", "window-left-edge"),
        t,
        (
            yes(b, CHECK_A, "B, the left edge"),
            no(b - 1, FULL_NUMBER, "B - 1: its low half is taken for the next subspace, where the ICV is wrong"),
            no(b, DUPLICATE, "B again"),
            yes(b + 1, NEW, "B + 1"),
        ),
    )
    yield Situation(
        "case-a-next-subspace",
        "a low half left of the window is of the next subspace",
        ("esn-case-a",),
        t,
        (
            no(b - 1, FULL_NUMBER, "low half of B - 1, high half H"),
            yes(b - 1 + SPACE, CASE_A, "low half of B - 1, high half H + 1"),
            no(b - 1 + SPACE, DUPLICATE, "the same again"),
            yes(b + SPACE, NEXT_SUBSPACE, "T is in H + 1 now"),
            no(t, LEFT, "the old T is far left of the window"),
            yes(b + 1 + SPACE, NEW, "and the next one is accepted"),
        ),
    )
    yield Situation(
        "case-a-inside-of-next",
        "a low half inside the window is not of the next subspace",
        ("esn-case-a",),
        t,
        (
            no(b + SPACE, CASE_A, "low half of B, high half H + 1: taken for B"),
            no(t + SPACE, CASE_A, "low half of T, high half H + 1: taken for T, a duplicate"),
            no(t - 3 + SPACE, CASE_A, "low half inside the window, high half H + 1"),
            yes(t - 3, CASE_A, "the same low half with H"),
            yes(b, CHECK_A, "B with H is still new"),
        ),
    )
    yield Situation(
        "case-a-right",
        "right of the window, and what was skipped",
        ("esn-case-a", "window-right-edge"),
        t,
        (
            yes(t + 1, RIGHT, "T + 1"),
            yes(t + 9, WINDOW, "a gap of seven"),
            yes(t + 5, SKIPPED, "a skipped one, late"),
            no(t + 5, DUPLICATE, "the same again"),
            no(t + 9, DUPLICATE, "the new T again"),
            yes(t + 10, RIGHT, "and on"),
        ),
    )
    yield Situation(
        "case-a-end-of-subspace",
        "right of the window up to the end of the subspace",
        ("esn-case-a", "esn-gap"),
        t,
        (
            yes(BASE + HALF, CASE_A, "the last number of H"),
            no(t, LEFT, "the old T"),
            yes(BASE + SPACE, CASE_A, "low half 0: the first number of H + 1"),
            yes(BASE + HALF - 1, CASE_B, "late, from before the crossing"),
        ),
    )
    yield Situation(
        "case-a-shift",
        "moving by W - 1, W, and more",
        ("window-shift",),
        t,
        (
            yes(t + w - 1, WINDOW, "by W - 1: the old T is B now"),
            no(t, DUPLICATE, "the old T was received"),
            yes(t + 1, SKIPPED, "its neighbour was not"),
            yes(t + 2 * w - 1, WINDOW, "by W: nothing of the old window is left"),
            yes(t + w, SKIPPED, "B was not received"),
            no(t + w - 1, FULL_NUMBER, "B - 1 is left of the window"),
            yes(t + 9 * w, WINDOW, "by much more"),
            yes(t + 9 * w - 1, SKIPPED, "T - 1 was not received"),
            yes(t + 9 * w - w + 1, SKIPPED, "B was not received"),
        ),
    )
    furthest = t + SPACE - w
    yield Situation(
        "furthest-gap",
        "2^32 - W packets lost: the furthest number that can be bridged",
        ("esn-gap",),
        t,
        (
            yes(furthest, CASE_A, "T - W + 2^32"),
            yes(furthest + 1, RIGHT, "and on from there"),
            no(t, LEFT, "the old T"),
            yes(furthest - 1, SKIPPED, "a skipped one, late"),
        ),
    )
    yield Situation(
        "too-far-ahead",
        "one more packet lost: the number is taken for one inside the window",
        ("esn-gap",),
        t,
        (
            no(furthest + 1, CASE_A, "T - W + 1 + 2^32"),
            no(t + SPACE, CASE_A, "T + 2^32"),
            no(t + SPACE + 1, CASE_A, "T + 1 + 2^32"),
            yes(t + 1, AFTER_ICV, "the window has not moved"),
        ),
    )


def boundary(w: int) -> Iterator[Situation]:
    """T's low half around W - 1, where the cases meet."""
    a = BASE + w - 1
    yield Situation(
        "boundary-a",
        "T's low half is W - 1: B's is 0, the last case A",
        ("esn-case-boundary",),
        a,
        (
            no(BASE - 1, CASE_A, "low half 2^32 - 1, high half H - 1: taken for H"),
            yes(BASE, CHECK_A, "low half 0 with H is B"),
            no(BASE, DUPLICATE, "the same again"),
            no(BASE + SPACE, CASE_A, "low half 0, high half H + 1: taken for B"),
            yes(BASE + HALF, CASE_A, "low half 2^32 - 1 with H: right of the window"),
        ),
    )
    b = BASE + w - 2
    yield Situation(
        "boundary-b",
        "T's low half is W - 2: B's is 2^32 - 1, the first case B",
        ("esn-case-boundary",),
        b,
        (
            no(BASE + HALF, CASE_B, "low half 2^32 - 1, high half H: taken for H - 1"),
            yes(BASE - 1, CHECK_B, "low half 2^32 - 1 with H - 1 is B"),
            no(BASE - 1, DUPLICATE, "the same again"),
            no(BASE - 2, CASE_B, "B - 1: its low half is taken for H"),
            yes(BASE, CHECK_B, "low half 0 with H"),
            yes(BASE + HALF - 1, CASE_B, "low half 2^32 - 2 with H: right of the window"),
        ),
    )


def case_b(w: int) -> Iterator[Situation]:
    """The window reaches from subspace H - 1 into H."""
    t = BASE + 5
    b = t - w + 1
    yield Situation(
        "case-b-before-inside",
        "inside the window, in the subspace before",
        ("esn-case-b", "window-inside"),
        t,
        (
            yes(BASE - 1, CHECK_B, "the last number of H - 1"),
            no(BASE - 1, DUPLICATE, "the same again"),
            yes(BASE - 2, CASE_B, "its neighbour"),
            no(BASE - 3 + SPACE, CASE_B, "a low half at or right of B's, high half H: taken for H - 1"),
            yes(BASE - 3, CASE_B, "the same low half with H - 1"),
        ),
    )
    yield Situation(
        "case-b-left-edge",
        "B is in the subspace before",
        ("esn-case-b", "window-left-edge"),
        t,
        (
            yes(b, CHECK_B, "B, the left edge"),
            no(b, DUPLICATE, "the same again"),
            no(b - 1, CASE_B, "B - 1: its low half is taken for H"),
            no(b + SPACE, CASE_B, "low half of B, high half H: taken for H - 1"),
            yes(b + 1, NEW, "B + 1"),
        ),
    )
    yield Situation(
        "case-b-after-inside",
        "inside the window, in T's subspace",
        ("esn-case-b", "window-inside"),
        t,
        (
            yes(BASE, CHECK_B, "the first number of H"),
            no(BASE, DUPLICATE, "the same again"),
            yes(t - 1, CASE_B, "T - 1"),
            no(t - 2 - SPACE, CASE_B, "a low half left of T's, high half H - 1: taken for H"),
            yes(t - 2, CASE_B, "the same low half with H"),
            no(t, DUPLICATE, "T itself was received"),
        ),
    )
    yield Situation(
        "case-b-right",
        "right of the window, in T's subspace",
        ("esn-case-b", "window-right-edge"),
        t,
        (
            no(t + 1 - SPACE, CASE_B, "low half of T + 1, high half H - 1"),
            yes(t + 1, CASE_B, "T + 1"),
            yes(t + 4, WINDOW, "a gap of two"),
            yes(t + 3, SKIPPED, "a skipped one, late"),
            yes(BASE - 1, CHECK_B, "and one from before the crossing"),
        ),
    )
    yield Situation(
        "case-b-furthest",
        "the last low half that is right of the window",
        ("esn-case-b", "esn-gap"),
        t,
        (
            no(b - 1, CASE_B, "low half of B - 1, high half H - 1: left of the window"),
            yes(b - 1 + SPACE, CASE_B, "low half of B - 1, high half H: T - W + 2^32"),
            no(t, LEFT, "the old T"),
            yes(b + SPACE, RIGHT, "and on from there, in case A"),
        ),
    )


def crossing(w: int) -> Iterator[Situation]:
    """From one subspace into the next, in every order."""
    t = BASE + HALF - 2
    n = BASE + SPACE
    yield Situation(
        "crossing-in-order",
        "across the crossing, one by one",
        ("esn-case-a",),
        t,
        (
            yes(n - 2, CASE_A, "low half 2^32 - 2"),
            yes(n - 1, CASE_A, "low half 2^32 - 1"),
            yes(n, CASE_A, "low half 0"),
            no(n, DUPLICATE, "the same again"),
            yes(n + 1, CASE_B, "low half 1"),
            no(n - 1, DUPLICATE, "low half 2^32 - 1 again"),
            yes(n + 2, CASE_B, "low half 2"),
        ),
    )
    yield Situation(
        "crossing-out-of-order",
        "across the crossing, out of order",
        ("esn-case-b", "window-inside"),
        t,
        (
            yes(n + 3, CASE_A, "low half 3 comes first"),
            yes(n - 1, CASE_B, "late, from before the crossing"),
            no(n - 1, DUPLICATE, "the same again"),
            yes(n, CASE_B, "low half 0, late"),
            no(n - 1 + SPACE, CASE_B, "low half 2^32 - 1 with H + 1: taken for H"),
            yes(n - 2, CASE_B, "late, from before the crossing"),
            no(t, DUPLICATE, "the T of before"),
            yes(n + 4, CASE_B, "and on"),
        ),
    )
    yield Situation(
        "crossing-late-too-late",
        "a packet from before the crossing, just inside and just outside",
        ("esn-case-b", "window-left-edge"),
        t,
        (
            yes(n + w - 3, CASE_A, "T moves on: B's low half is 2^32 - 2"),
            yes(n - 2, CHECK_B, "B"),
            no(n - 3, CASE_B, "B - 1, the T of before: its low half is taken for H + 1"),
            yes(n - 1, CHECK_B, "B + 1"),
        ),
    )
    yield Situation(
        "forged-wrap",
        "forged packets that look like the next subspace",
        ("esn-forged-wrap",),
        t,
        (
            no(n + 5, ICV_WRONG, "low half 5, a wrong ICV", Mistake.FORGED),
            no(n + t - BASE - w, ICV_WRONG, "the furthest number, a wrong ICV", Mistake.FORGED),
            yes(t + 1, AFTER_ICV, "T + 1: neither T nor its high half has moved"),
            no(t + 2, ICV_WRONG, "the next number, a wrong ICV", Mistake.FORGED),
            yes(t + 2, AFTER_ICV, "the next number: not marked as received"),
            yes(n, CASE_A, "the true crossing"),
        ),
    )
    one = 1 << 32
    yield Situation(
        "from-2-32-minus-1",
        "T is 2^32 - 1, the first high half that is not 0 comes next",
        ("esn-case-a",),
        one - 1,
        (
            no(0, CASE_A, "low half 0, high half 0"),
            yes(one, NEXT_SUBSPACE, "2^32"),
            no(one - 1, DUPLICATE, "2^32 - 1 again"),
            yes(one - 2, CASE_B, "2^32 - 2, late"),
            yes(one + 1, CASE_B, "2^32 + 1"),
        ),
    )
    yield Situation(
        "from-2-32",
        "T is 2^32: all but one number of the window have high half 0",
        ("esn-case-b",),
        one,
        (
            yes(one - 1, CHECK_B, "2^32 - 1, late"),
            no(2 * one - 1, CASE_B, "low half 2^32 - 1, high half 1: taken for 0"),
            no(one, DUPLICATE, "2^32 again"),
            yes(one - w + 1, CHECK_B, "B"),
            no(1, CASE_B, "low half 1, high half 0: taken for 1"),
            yes(one + 1, CASE_B, "2^32 + 1"),
        ),
    )


def ends(w: int) -> Iterator[Situation]:
    """The two ends of the 64-bit space. What nobody could have sent (number 0, high half -1) is not asked for."""
    yield Situation(
        "fresh",
        "nothing received yet",
        ("esn-before-the-first",),
        0,
        (
            no(HALF, CASE_B, "low half 2^32 - 1, high half 0: before the first subspace"),
            yes(1, NEW, "the first packet"),
            no(1, DUPLICATE, "the same again"),
            yes(2, RIGHT, "the second"),
        ),
    )
    t = 0x10
    yield Situation(
        "first-subspace",
        "a window that reaches before the first number",
        ("esn-before-the-first",),
        t,
        (
            no(HALF - 2, CASE_B, "a low half before 0, high half 0"),
            no(SPACE + HALF - 2, CASE_B, "the same low half, high half 1"),
            yes(1, CHECK_B, "number 1, late"),
            no(1, DUPLICATE, "the same again"),
            yes(t - 1, CHECK_B, "T - 1"),
            yes(HALF - w, CASE_B, "a low half left of where B would be is right of the window"),
        ),
    )
    last = (1 << 64) - 1
    yield Situation(
        "last-number",
        "T is 2^64 - 2: one number is left",
        ("esn-end-of-space",),
        last - 1,
        (
            no(2, DUPLICATE, "number 2, received long ago: there is no next subspace"),
            yes(last, RIGHT, "2^64 - 1"),
            no(1, DUPLICATE, "number 1, received long ago"),
            no(2, DUPLICATE, "number 2"),
            no(last - 1, DUPLICATE, "2^64 - 2 again"),
            yes(last - 2, NEW, "2^64 - 3, late"),
        ),
    )
    yield Situation(
        "exhausted",
        "T is 2^64 - 1: only late packets are left",
        ("esn-end-of-space", "window-left-edge"),
        last,
        (
            no(1, DUPLICATE, "number 1, received long ago"),
            no(last, DUPLICATE, "2^64 - 1 again"),
            yes(last - w + 1, CHECK_A, "B"),
            no(last - w, CASE_A, "B - 1: there is no next subspace that it could be of"),
            yes(last - 1, NEW, "2^64 - 2, late"),
        ),
    )


def narrow(w: int) -> Iterator[Situation]:
    """32-bit numbers."""
    t = 0x0A0B_0C0D
    b = t - w + 1
    yield Situation(
        "32-bit-inside",
        "a late packet inside the window, once",
        ("window-inside",),
        t,
        (
            yes(t - 5, NEW, "inside, not yet received"),
            no(t - 5, DUPLICATE, "the same again"),
            no(t, DUPLICATE, "T itself was received"),
            yes(t - 6, NEW, "its neighbour is still new"),
        ),
    )
    yield Situation(
        "32-bit-left-edge",
        "B is inside, B - 1 is not",
        ("window-left-edge",),
        t,
        (
            yes(b, NEW, "B, the left edge"),
            no(b - 1, LEFT, "B - 1"),
            no(b, DUPLICATE, "B again"),
            no(1, LEFT, "number 1"),
            yes(b + 1, NEW, "B + 1"),
        ),
    )
    yield Situation(
        "32-bit-right",
        "right of the window, and what was skipped",
        ("window-right-edge",),
        t,
        (
            yes(t + 1, RIGHT, "T + 1"),
            yes(t + 9, WINDOW, "a gap of seven"),
            yes(t + 5, SKIPPED, "a skipped one, late"),
            no(t + 5, DUPLICATE, "the same again"),
            yes(HALF - 1, WINDOW, "a gap of billions"),
            no(t + 9, LEFT, "the T of before"),
            yes(HALF - 2, SKIPPED, "T - 1 was not received"),
        ),
    )
    yield Situation(
        "32-bit-shift",
        "moving by W - 1, W, and more",
        ("window-shift",),
        t,
        (
            yes(t + w - 1, WINDOW, "by W - 1: the old T is B now"),
            no(t, DUPLICATE, "the old T was received"),
            yes(t + 1, SKIPPED, "its neighbour was not"),
            yes(t + 2 * w - 1, WINDOW, "by W: nothing of the old window is left"),
            yes(t + w, SKIPPED, "B was not received"),
            no(t + w - 1, LEFT, "B - 1 is left of the window"),
            yes(t + 9 * w, WINDOW, "by much more"),
            yes(t + 9 * w - w + 1, SKIPPED, "B was not received"),
        ),
    )
    yield Situation(
        "32-bit-forged",
        "forged packets do not move the window",
        ("window-right-edge",),
        t,
        (
            no(HALF, ICV_WRONG, "the last number, a wrong ICV", Mistake.FORGED),
            no(t + 1, ICV_WRONG, "T + 1, a wrong ICV", Mistake.FORGED),
            yes(t + 1, AFTER_ICV, "T + 1 is still new"),
            yes(t - w + 2, AFTER_ICV, "and the left edge is where it belongs"),
        ),
    )
    yield Situation(
        "32-bit-exhausted",
        "T is 2^32 - 1: only late packets are left",
        ("window-left-edge",),
        HALF,
        (
            no(0, LEFT, "number 0 does not come again"),
            no(1, LEFT, "nor does number 1"),
            no(HALF, DUPLICATE, "2^32 - 1 again"),
            yes(HALF - w + 1, NEW, "B"),
            no(HALF - w, LEFT, "B - 1"),
            yes(HALF - 1, NEW, "2^32 - 2, late"),
        ),
    )
    yield Situation(
        "32-bit-fresh",
        "nothing received yet",
        ("window-right-edge",),
        0,
        (
            yes(3, RIGHT, "the third packet comes first"),
            yes(1, NEW, "the first"),
            no(1, DUPLICATE, "the same again"),
            yes(2, NEW, "the second"),
            yes(4, RIGHT, "the fourth"),
        ),
    )
