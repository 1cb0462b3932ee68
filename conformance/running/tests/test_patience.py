"""Implementations that die or hang: each kind is told, nothing is tried for ever, and what is not tried is told too."""

import re
import time
from collections.abc import Callable

import pytest

from espproof.adapters.base import Adapter, AdapterError, Crashed, Hung, Transcript
from espproof.adapters.case import Case, Done, Outcome, Refused, Sa, Step, Unsupported
from espproof.adapters.models.reference import ReferenceAdapter
from espproof.conformance.checks.registry import Check, all_checks
from espproof.conformance.checks.scenario import Scenario
from espproof.conformance.oracle.verdict import Verdict
from espproof.conformance.results.check import CheckResult
from espproof.conformance.running import check as running
from espproof.conformance.running import suite
from espproof.conformance.running.check import run_check, target
from espproof.conformance.running.patience import IN_A_ROW, LAST, Patience

ACCEPTED, DUPLICATE = "RFC4303-3.4.4-accepted", "RFC4303-3.4.3-duplicate-rejected"


class Dies(ReferenceAdapter):
    """Fails in a step of some kind. A case is one message: only when steps are taken one by one it is known where."""

    def __init__(self, failure: type[Exception], at: str = "", about: str = "", cost: float = 0.0) -> None:
        self.failure, self.at, self.about, self.cost = failure, at, about, cost
        self.waits: list[float | None] = []
        self.died = 0
        super().__init__()

    def _die(self) -> None:
        self.died += 1
        Clock.now += self.cost
        raise self.failure("as told")

    def add_sa(self, sa: Sa) -> Done | Refused | Unsupported:
        if self.at == "setup":
            self._die()
        return super().add_sa(sa)

    def take(self, step: Step) -> Outcome:
        if type(step).__name__ == self.at or (self.about and step.requirement == self.about):
            self._die()
        return super().take(step)

    def execute(self, case: Case) -> Transcript:
        try:
            return super().execute(case)
        except (Crashed, Hung, AdapterError) as failure:
            raise type(failure)("all at once") from failure

    def answer_within(self, seconds: float | None) -> None:
        self.waits.append(seconds)


class Clock:
    """Time that passes only where somebody says so."""

    now = 0.0


@pytest.fixture
def _clock(monkeypatch: pytest.MonkeyPatch) -> None:
    Clock.now = 0.0
    monkeypatch.setattr(time, "perf_counter", lambda: Clock.now)


def twice(s: Scenario) -> None:
    """A packet, and the same again, behind steps that nobody needs."""
    sa = s.windowed_sa()
    for number in range(1, 5):
        s.receive(sa, number, "RFC4303-3.4.3-new-accepted")
    packet = s.receive(sa, 9, ACCEPTED)
    s.arrives(packet, DUPLICATE)
    s.receive(sa, 10, ACCEPTED)


TWICE = Check("format.made-up", "format", (ACCEPTED,), (), "0.1.0", 1.0, False, twice)


def run(adapter: Adapter, check: Check = TWICE, patience: Patience | None = None, examples: int = 15) -> CheckResult:
    return run_check(check, adapter, target(adapter), examples=examples, seed=1, patience=patience)


class DiesTwice(Dies):
    """Two steps that it dies of: the second is hidden behind the first in some cases, not in all."""

    def take(self, step: Step) -> Outcome:
        if step.requirement == DUPLICATE:
            self._die()
        return super().take(step)


def either(s: Scenario) -> None:
    """One of two things."""
    sa = s.windowed_sa()
    packet = s.receive(sa, 1, "RFC4303-3.4.3-new-accepted")
    if s.choose((True, False)):
        s.receive(sa, 2, ACCEPTED)
    s.arrives(packet, DUPLICATE)


@pytest.mark.parametrize(("failure", "word"), [(Crashed, "crash"), (Hung, "hang")])
def test_each_kind_of_death_is_shown(failure: type[Exception], word: str) -> None:
    """Named by the step at which it died, each with a case that ends there and has nothing else in it."""
    adapter = DiesTwice(failure, about=ACCEPTED)
    result = run(adapter, Check("format.made-up", "format", (ACCEPTED,), (), "0.1.0", 1.0, False, either))
    found = {one.requirement: one for one in result.counterexamples}
    assert found.keys() == {f"espproof-{word}-{ACCEPTED}", f"espproof-{word}-{DUPLICATE}"}
    for one in found.values():
        assert len(one.case.steps) == len(one.want.steps) == 1
        assert one.step == 0
        assert one.message in ("all at once", "as told")
    assert result.cut == ""


def test_a_death_that_one_by_one_does_not_come_again() -> None:
    """It is told all the same, without where."""

    class AtOnce(ReferenceAdapter):
        def execute(self, case: Case) -> Transcript:
            raise Crashed("signal 11")

    (found,) = run(AtOnce()).counterexamples
    assert (found.requirement, found.verdict, found.message) == ("espproof-crash", Verdict.CRASH, "signal 11")


@pytest.mark.usefixtures("_clock")
@pytest.mark.parametrize("failure", [Crashed, Hung, AdapterError])
def test_there_is_an_end(failure: type[Exception]) -> None:
    """Where each death takes seconds: a check that has lost its share ends, and says so; its finding stands."""
    adapter, patience = Dies(failure, about=ACCEPTED, cost=1.0), Patience(seconds=20.0)
    result = run(adapter, patience=patience, examples=200)
    assert [one.verdict for one in result.counterexamples] == [result.verdict]
    assert result.verdict in (Verdict.CRASH, Verdict.HANG, Verdict.ADAPTER_ERROR)
    assert re.fullmatch(
        r"ended after \d+ cases and \d+ crashes or hangs"
        r"|\d+ cases were left out, which have a step that it has crashed or hung in",
        result.cut,
    )
    assert patience.lost <= 20 / 4 + 2


@pytest.mark.usefixtures("_clock")
def test_what_costs_nothing_has_no_end() -> None:
    """In-process adapters die in no time: everything is tried."""
    result = run(Dies(Crashed, about=ACCEPTED), patience=Patience(seconds=1.0), examples=60)
    assert (result.cut, result.verdict) == ("", Verdict.CRASH)
    assert result.examples > 60


@pytest.mark.usefixtures("_clock")
def test_the_last_seconds_go_to_checks_that_nothing_is_known_of() -> None:
    """When the run's seconds are gone, a check ends with its first death; after some more, nothing is tried at all."""
    patience = Patience(seconds=4.0, lost=4.0)
    adapter = Dies(Crashed, at="setup", cost=1.0)
    results = [run(adapter, patience=patience) for _ in range(8)]
    tried = [result for result in results if result.examples]
    assert [result.examples for result in tried] == [1] * 4
    assert adapter.died == len(tried) == round(4 * (LAST - 1))
    assert all(result.counterexamples[0].requirement == "espproof-crash-setup" for result in tried)
    assert all(result.cut for result in results)


@pytest.mark.usefixtures("_clock")
def test_when_seconds_are_gone_what_it_has_died_of_is_left_out() -> None:
    """All else is tried, and what was left out is told."""
    patience = Patience(seconds=4.0, lost=4.0)
    adapter = Dies(Crashed, about=ACCEPTED, cost=1.0)
    check = Check("format.made-up", "format", (ACCEPTED,), (), "0.1.0", 1.0, False, either)
    first, second = run(adapter, check, patience), run(adapter, check, patience)
    assert [one.requirement for one in first.counterexamples] == [f"espproof-crash-{ACCEPTED}"]
    assert adapter.died == 1
    for result in (first, second):
        assert result.examples > 1
        assert "were left out" in result.cut
    assert second.counterexamples == ()


@pytest.mark.usefixtures("_clock")
def test_who_answers_nothing_at_all_is_given_up() -> None:
    """As soon as the seconds of the run are gone."""
    patience = Patience(seconds=4.0, lost=4.0)
    for _ in range(IN_A_ROW):
        assert not patience.is_exhausted
        patience.died(0.0)
    assert patience.is_exhausted
    assert not Patience(seconds=4.0, lost=1.0, in_a_row=100).is_exhausted


def test_an_answer_is_a_new_beginning() -> None:
    """Deaths are counted from there."""
    patience = Patience(seconds=4.0, lost=4.0, in_a_row=IN_A_ROW)
    patience.answered(0.0)
    assert not patience.is_exhausted


@pytest.mark.usefixtures("_clock")
def test_who_hangs_is_given_less_time() -> None:
    """But the first time as much as ever, and always many times what the slowest answer took."""
    adapter, patience = Dies(Hung, about=ACCEPTED, cost=1.0), Patience(seconds=20.0)
    assert patience.limit() is None
    patience.answered(1.5)
    run(adapter, patience=patience)
    assert adapter.waits[0] is None
    assert set(adapter.waits[1:]) == {6.0}
    steady = Dies(Crashed, about=ACCEPTED, cost=1.0)
    run(steady, patience=Patience(seconds=20.0))
    assert set(steady.waits) == {None}


def test_the_first_answer_of_a_new_process_is_no_measure() -> None:
    """It has started a program: that is part of what the death has cost."""
    patience = Patience(seconds=20.0, hangs=True)
    patience.died(1.0)
    assert not patience.answered(3.0)
    assert (patience.lost, patience.slowest) == (4.0, 0.0)
    assert patience.answered(0.2)
    assert patience.limit() == 2.0
    patience.answered(1.5)
    assert patience.limit() == 6.0


class Deadly(Dies):
    """As an adapter with a name, so that the suite can open it."""

    def __init__(self) -> None:
        super().__init__(Crashed, at="setup")


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    def set_to(seconds: float) -> None:
        monkeypatch.setattr(Patience, "of", lambda examples: Patience(seconds=seconds))

    return set_to


def test_a_run_says_what_it_has_not_tried(impatient: Callable[[float], None]) -> None:
    """Each family has its turn before one has its second; what is left over is told, and the run is not whole."""
    impatient(1e-9)
    result = suite.run(f"{__name__}:Deadly", profile=running.Profile.QUICK, seed=1, only="sad,icv,udp")
    assert not result.whole
    assert "checks were not tried (" in result.not_whole_because
    assert len(result.checks) < len(suite.selected("sad,icv,udp"))
    assert all(check.examples or check.verdict is Verdict.INAPPLICABLE for check in result.checks)


def test_a_run_that_has_seen_everything_is_whole(impatient: Callable[[float], None]) -> None:
    """Whatever it has found."""
    impatient(1e9)
    result = suite.run(f"{__name__}:Deadly", profile=running.Profile.QUICK, seed=1, only="icv")
    assert result.whole
    assert result.requirements["espproof-crash-setup"] is Verdict.CRASH


def test_checks_take_turns() -> None:
    """The first of each family, then the second of each; none is lost."""
    checks = suite.in_turn(list(all_checks().values()))
    families = list(dict.fromkeys(check.family for check in all_checks().values()))
    assert [check.family for check in checks[: len(families)]] == families
    assert sorted(check.id for check in checks) == sorted(all_checks())
