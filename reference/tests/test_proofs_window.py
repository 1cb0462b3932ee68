"""Proofs of the window and ESN arithmetic over the whole 64-bit range (z3), and exhaustively on tiny number spaces.

What is proved is the code itself: `sequence.reconstruct` and `next_sequence` are run on symbols, branch by branch, and
every result is compared with RFC 4303 Appendix A2.2, written down once more below in the RFC's own 32-bit arithmetic.
Each proof is also run on mutated code and on a mutated transcription, and must then find a counterexample.
"""

import inspect
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import z3
from hypothesis import given, settings
from hypothesis import strategies as st

from espproof.reference import sequence
from espproof.reference.replay import MAX_SIZE, ReplayVerdict, ReplayWindow
from espproof.reference.sequence import next_sequence, reconstruct

WIDTH = 80
"""Bits of a symbol: 64 for the number, a sign, and room for every intermediate result."""

# ------------------------------------------------------------------------------------- Python code, run on z3 symbols


@dataclass
class Branches:
    """One run of a function: which way it goes at each condition. `plan` is followed, then both ways are noted."""

    given: list[Any]
    plan: tuple[bool, ...]
    taken: list[bool] = field(default_factory=list)
    conditions: list[Any] = field(default_factory=list)
    open: list[tuple[bool, ...]] = field(default_factory=list)

    def decide(self, condition: Any) -> bool:
        number = len(self.taken)
        way = self.plan[number] if number < len(self.plan) else self._possible(condition)
        if number >= len(self.plan) and way and self._possible(z3.Not(condition)):
            self.open.append((*self.taken, False))
        self.taken.append(way)
        self.conditions.append(condition if way else z3.Not(condition))
        return way

    def _possible(self, condition: Any) -> bool:
        solver = z3.Solver()
        solver.add(*self.given, *self.conditions, condition)
        return bool(solver.check() == z3.sat)


class Condition:
    """A comparison of symbols; Python asks for its truth where it branches."""

    def __init__(self, run: Branches, term: Any) -> None:
        self.run, self.term = run, term

    def __bool__(self) -> bool:
        return self.run.decide(self.term)


class Symbol:
    """A number that is not known, with the operations that the code under proof uses."""

    def __init__(self, run: Branches, term: Any) -> None:
        self.run, self.term = run, term

    def _with(self, term: Any) -> "Symbol":
        return Symbol(self.run, term)

    def __add__(self, other: Any) -> "Symbol":
        return self._with(self.term + _term(other))

    def __sub__(self, other: Any) -> "Symbol":
        return self._with(self.term - _term(other))

    def __rshift__(self, other: int) -> "Symbol":
        return self._with(self.term >> other)

    def __lshift__(self, other: int) -> "Symbol":
        return self._with(self.term << other)

    def __and__(self, other: Any) -> "Symbol":
        return self._with(self.term & _term(other))

    def __or__(self, other: Any) -> "Symbol":
        return self._with(self.term | _term(other))

    def __lt__(self, other: Any) -> Condition:
        return Condition(self.run, self.term < _term(other))

    def __le__(self, other: Any) -> Condition:
        return Condition(self.run, self.term <= _term(other))

    def __gt__(self, other: Any) -> Condition:
        return Condition(self.run, self.term > _term(other))

    def __ge__(self, other: Any) -> Condition:
        return Condition(self.run, self.term >= _term(other))

    def __bool__(self) -> bool:
        return self.run.decide(self.term != 0)


def _term(value: Any) -> Any:
    return value.term if isinstance(value, Symbol) else value


def paths(function: Callable[..., Any], terms: list[Any], given: list[Any]) -> Iterator[tuple[Any, Any]]:
    """Every way through a function: the condition under which it is taken, and what it returns (a term or None)."""
    waiting: list[tuple[bool, ...]] = [()]
    while waiting:
        run = Branches(given, waiting.pop())
        result = function(*(Symbol(run, term) for term in terms))
        waiting += run.open
        yield z3.And(*run.conditions), None if result is None else _term(result)


def counterexample(given: list[Any], claim: Any) -> z3.ModelRef | None:
    """A case in which the claim does not hold, or None: then it is proved."""
    solver = z3.Solver()
    solver.add(*given, z3.Not(claim))
    answer = solver.check()
    assert answer != z3.unknown
    return solver.model() if answer == z3.sat else None


def mutated(function: Callable[..., Any], before: str, after: str) -> Callable[..., Any]:
    """The function with one change of its source."""
    source = inspect.getsource(function)
    assert source.count(before) == 1, before
    space: dict[str, Any] = {}
    exec(source.replace(before, after), vars(sequence) | {}, space)
    found: Callable[..., Any] = space[function.__name__]
    return found


# ------------------------------------------------------------------------------------------------ what the RFC says

LOW = z3.BitVec("Seql", WIDTH)
TOP = z3.BitVec("T", WIDTH)
SIZE = z3.BitVec("W", WIDTH)
RANGE = [LOW >= 0, LOW < 1 << 32, TOP >= 0, TOP < 1 << 64, SIZE >= 1, SIZE <= MAX_SIZE]


@dataclass(frozen=True)
class Appendix:
    """A2.2 in 32-bit unsigned arithmetic that wraps. The fields are where a mutation can be put."""

    case_a: Callable[[Any, Any], Any] = lambda tl, w: z3.UGE(tl, w - 1)
    inside: Callable[[Any, Any], Any] = z3.UGE
    bottom: Callable[[Any, Any], Any] = lambda tl, w: tl - w + 1
    after: int = 1
    before: int = 1

    def seqh(self) -> tuple[Any, Any]:
        """(the high half that A2.2 gives, whether it left the 32 bits on the way)."""
        seql, w = z3.Extract(31, 0, LOW), z3.Extract(31, 0, SIZE)
        tl, th = z3.Extract(31, 0, TOP), z3.Extract(63, 32, TOP)
        inside = self.inside(seql, self.bottom(tl, w))
        a = z3.If(inside, th, th + self.after)
        b = z3.If(inside, th - self.before, th)
        case_a = self.case_a(tl, w)
        wrapped = z3.If(case_a, z3.And(z3.Not(inside), th == 0xFFFFFFFF), z3.And(inside, th == 0))
        return z3.If(case_a, a, b), wrapped


def differs_from_appendix(code: Callable[..., Any], appendix: Appendix) -> z3.ModelRef | None:
    """A packet for which the code and the appendix have different numbers."""
    seqh, wrapped = appendix.seqh()
    number = z3.ZeroExt(WIDTH - 64, z3.Concat(seqh, z3.Extract(31, 0, LOW)))
    for condition, result in paths(code, [LOW, TOP, SIZE], RANGE):
        right = wrapped if result is None else z3.And(z3.Not(wrapped), result == number)
        found = counterexample([*RANGE, condition], right)
        if found is not None:
            return found
    return None


def not_the_unique_number(code: Callable[..., Any]) -> z3.ModelRef | None:
    """A packet whose number is not the only one with its low half in [T - W + 1, T - W + 2^32]."""
    other = z3.BitVec("n", WIDTH)
    candidate = z3.And(
        other >= TOP - SIZE + 1, other <= TOP - SIZE + (1 << 32), z3.Extract(31, 0, other) == z3.Extract(31, 0, LOW)
    )
    for condition, result in paths(code, [LOW, TOP, SIZE], RANGE):
        if result is None:  # then the candidate is no sequence number
            claim = z3.Implies(candidate, z3.Or(other < 0, other >= 1 << 64))
        else:
            is_one = z3.substitute(candidate, (other, result))
            claim = z3.And(is_one, z3.Implies(candidate, other == result), result >= 0, result < 1 << 64)
        found = counterexample([*RANGE, condition], claim)
        if found is not None:
            return found
    return None


def test_reconstruct_is_the_appendix() -> None:
    """For all T, Seql and W from 1 to 2^31, in both cases, the code's number is that of Appendix A2.2."""
    assert differs_from_appendix(reconstruct, Appendix()) is None


def test_reconstruct_is_the_unique_number() -> None:
    """The number is the only one with these low bits in the 2^32 from the window's left edge; None if that is none."""
    assert not_the_unique_number(reconstruct) is None


def test_both_cases_and_all_branches_are_reached() -> None:
    """The symbolic run takes every way through the code: two of case A, two of case B, and the two ends of the space."""
    found = list(paths(reconstruct, [LOW, TOP, SIZE], RANGE))
    assert len(found) >= 6
    assert sum(result is None for _, result in found) >= 2
    together = z3.Or(*(condition for condition, _ in found))
    assert counterexample(RANGE, together) is None


def test_window_zero_counts_as_one() -> None:
    """With anti-replay off the receiver's guess is that of a window of one."""
    zero = [LOW >= 0, LOW < 1 << 32, TOP >= 0, TOP < 1 << 64, SIZE == 0]

    def of_one(low: Any, top: Any) -> Any:
        return reconstruct(low, top, 1)

    for condition, result in paths(reconstruct, [LOW, TOP, SIZE], zero):
        for other_condition, other in paths(of_one, [LOW, TOP], zero):
            both_none = result is None and other is None
            same = z3.BoolVal(both_none) if result is None or other is None else result == other
            assert counterexample(zero, z3.Implies(z3.And(condition, other_condition), same)) is None


CODE_MUTATIONS = (
    ("if bottom >= 0:", "if bottom > 1:"),
    ("if low < bottom:", "if low <= bottom:"),
    ("top - size + 1", "top - size"),
    ("high += 1", "high += 2"),
    ("high -= 1", "high -= 0"),
    ("elif low >= bottom + space:", "elif low > bottom + space:"),
    ("if 0 <= high < space", "if 0 <= high <= space"),
    ("if 0 <= high < space", "if -1 <= high < space"),
    ("if 0 <= high < space", "if 0 < high < space"),
)


@pytest.mark.parametrize(("before", "after"), CODE_MUTATIONS)
def test_mutated_code_is_refuted(before: str, after: str) -> None:
    """A change of the code has a counterexample, in both proofs."""
    wrong = mutated(reconstruct, before, after)
    assert differs_from_appendix(wrong, Appendix()) is not None
    assert not_the_unique_number(wrong) is not None


APPENDIX_MUTATIONS = {
    "case A one later": Appendix(case_a=z3.UGE),
    "case A one earlier": Appendix(case_a=lambda tl, w: z3.UGE(tl, w - 2)),
    "signed comparison of cases": Appendix(case_a=lambda tl, w: tl >= w - 1),
    "left edge outside": Appendix(inside=z3.UGT),
    "signed comparison of low halves": Appendix(inside=lambda seql, bl: seql >= bl),
    "window one longer": Appendix(bottom=lambda tl, w: tl - w),
    "window one shorter": Appendix(bottom=lambda tl, w: tl - w + 2),
    "no next subspace": Appendix(after=0),
    "no subspace before": Appendix(before=0),
}


@pytest.mark.parametrize("what", APPENDIX_MUTATIONS)
def test_mutated_appendix_is_refuted(what: str) -> None:
    """A transcription with a mistake is told from the code: the proof depends on every part of it."""
    assert differs_from_appendix(reconstruct, APPENDIX_MUTATIONS[what]) is not None


# ------------------------------------------------------------------------------------------------------ the sender


def cycles(code: Callable[..., Any], bits: int) -> z3.ModelRef | None:
    """A last number after which the code's next one is not one more, or is none too early or too late."""
    last = z3.BitVec("last", WIDTH)
    given = [last >= 0, last < 1 << bits]
    end = (1 << bits) - 1

    def run(number: Any) -> Any:
        return code(number, bits == 64)

    for condition, result in paths(run, [last], given):
        claim = last == end if result is None else z3.And(result == last + 1, result > last, result < 1 << bits)
        found = counterexample([*given, condition], claim)
        if found is not None:
            return found
    return None


@pytest.mark.parametrize("bits", [32, 64])
def test_next_sequence_never_cycles(bits: int) -> None:
    """For every last number the next is one more and fits, and after the last of all there is none."""
    assert cycles(next_sequence, bits) is None


@pytest.mark.parametrize(
    ("bits", "before", "after"),
    [
        (32, "last <", "last <="),
        (64, "last <", "last <="),
        (32, "last + 1", "last + 2"),
        (64, "last + 1", "last + 2"),
        (64, "(0xFFFF_FFFF_FFFF_FFFF if", "(0xFFFF_FFFF if"),
        (32, "else 0xFFFF_FFFF)", "else 0xFFFF_FFFE)"),
    ],
)
def test_mutated_sender_is_refuted(bits: int, before: str, after: str) -> None:
    """A sender that cycles, skips, or stops early has a counterexample."""
    assert cycles(mutated(next_sequence, before, after), bits) is not None


# --------------------------------------------------------------------------------------- tiny number spaces, exhaustive


def unique_number(low: int, top: int, size: int, bits: int) -> int | None:
    """By search: the number with these low bits among the 2^bits from the window's left edge."""
    left = top - (size or 1) + 1
    found = [number for number in range(left, left + (1 << bits)) if number % (1 << bits) == low]
    assert len(found) == 1
    return found[0] if 0 <= found[0] < 1 << 2 * bits else None


@pytest.mark.parametrize("bits", [3, 4])
def test_reconstruct_exhaustively(bits: int) -> None:
    """In a space of 2·bits every T, low half and window up to half a subspace gives the number that a search finds."""
    for top, low, size in itertools.product(range(1 << 2 * bits), range(1 << bits), range((1 << bits - 1) + 1)):
        assert reconstruct(low, top, size, bits) == unique_number(low, top, size, bits), (top, low, size)


def test_reconstruct_at_the_ends_of_a_larger_space() -> None:
    """The same in a space of 2·6 bits, for every T in the first and last two subspaces."""
    tops = [*range(128), *range((1 << 12) - 128, 1 << 12)]
    for top, low, size in itertools.product(tops, range(64), (0, 1, 2, 3, 31, 32)):
        assert reconstruct(low, top, size, 6) == unique_number(low, top, size, 6), (top, low, size)


@dataclass
class Receiver:
    """The receiver of the reference in a tiny space: guess, check, ICV, advance."""

    window: ReplayWindow
    bits: int

    def receive(self, number: int, authentic: bool = True) -> bool:
        """A packet made for `number` arrives; only for that number its ICV is right."""
        guess = reconstruct(number % (1 << self.bits), self.window.highest, self.window.size, self.bits)
        if guess is None or self.window.check(guess) is not ReplayVerdict.NEW:
            return False
        if guess != number or not authentic:
            return False
        self.window.advance(guess)
        return True


def test_receiver_is_the_set_of_what_was_received() -> None:
    """In every state of a tiny receiver, every packet is accepted exactly if it is new, not too old, not too far."""
    bits, space = 3, 1 << 6
    for size, top in itertools.product(range(1, 5), range(space)):
        below = [offset for offset in range(1, size) if offset <= top]
        for received in itertools.chain.from_iterable(itertools.combinations(below, n) for n in range(len(below) + 1)):
            known = {top - offset for offset in received} | ({top} if top else set())
            for number in range(space):
                receiver = Receiver(ReplayWindow(size, top, received), bits)
                wanted = top - size < number <= top - size + (1 << bits) and number not in known
                assert receiver.receive(number) == wanted, (size, top, received, number)
                then = known | {number} if wanted else known
                highest = max(then, default=0)
                assert receiver.window.highest == highest
                left = {highest - n for n in then if n > highest - size}
                assert set(receiver.window.received_offsets()) == left, (size, top, received, number)


def test_forged_packets_change_nothing() -> None:
    """In every state of a tiny receiver, a packet with a wrong ICV leaves the window as it was."""
    for size, top in itertools.product(range(1, 5), range(64)):
        for number in range(64):
            receiver = Receiver(ReplayWindow(size, top), 3)
            before = (receiver.window.highest, receiver.window.received_offsets())
            assert not receiver.receive(number, authentic=False)
            assert (receiver.window.highest, receiver.window.received_offsets()) == before


# --------------------------------------------------------------------------------------------- large windows, Hypothesis

SIZES = (1, 2, 31, 32, 33, 63, 64, 65, 128, 1024, 4096, 1 << 16, (1 << 16) + 1)


@given(st.data())
@settings(deadline=None)
def test_window_is_the_set_of_what_was_received(data: st.DataObject) -> None:
    """Whatever arrives in whatever order, the window says of every number what a set of all numbers received says."""
    size = data.draw(st.sampled_from(SIZES))
    start = data.draw(st.sampled_from((0, 1, size - 1, size, 2**31 - 1, 2**32 - 2, 2**32, 2**63, 2**64 - 5000)))
    window = ReplayWindow(size, start)
    known = {start} if start else set()
    top = start
    edges = [0, 1, 2, -1, size, size - 1, size + 1, -size, 1 - size, -size - 1, 3 * size]
    for _ in range(data.draw(st.integers(1, 25))):
        number = top + data.draw(st.sampled_from(edges) | st.integers(-size - 2, size + 2))
        if number < 0:
            continue
        wanted = (
            ReplayVerdict.LEFT_OF_WINDOW if number <= top - size
            else ReplayVerdict.DUPLICATE if number in known
            else ReplayVerdict.NEW
        )  # fmt: skip
        assert window.check(number) is wanted
        if wanted is ReplayVerdict.NEW and data.draw(st.booleans()):
            window.advance(number)
            known.add(number)
            top = max(top, number)
        assert window.highest == top
    assert set(window.received_offsets()) == {top - number for number in known if number > top - size}


def test_the_largest_window() -> None:
    """A window of 2^31 packets keeps its left edge to the packet."""
    top = 0x0102_0304_0000_0007
    window = ReplayWindow(MAX_SIZE, top)
    left = top - MAX_SIZE + 1
    assert window.check(left) is ReplayVerdict.NEW
    assert window.check(left - 1) is ReplayVerdict.LEFT_OF_WINDOW
    window.advance(left)
    assert window.check(left) is ReplayVerdict.DUPLICATE
    assert window.check(left + 1) is ReplayVerdict.NEW
    window.advance(top + 1)
    assert window.check(left) is ReplayVerdict.LEFT_OF_WINDOW
    assert window.check(left + 1) is ReplayVerdict.NEW
    assert window.check(top) is ReplayVerdict.DUPLICATE
    window.advance(top + 1 + MAX_SIZE)
    assert window.received_offsets() == (0,)
    assert reconstruct(left & 0xFFFF_FFFF, top, MAX_SIZE) == left
    assert reconstruct(left - 1 & 0xFFFF_FFFF, top, MAX_SIZE) == left - 1 + 2**32
