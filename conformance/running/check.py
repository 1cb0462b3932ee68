"""Runs checks against an adapter: Hypothesis draws Cases, the adapter and the reference execute them, the oracle judges.

A check is run until nothing new is found: the first finding fixes the requirement that is shrunk, so that a
counterexample stays about one thing; then that requirement is muted and the check runs again, a bounded number of times.
Of crashes and hangs each kind is a requirement of its own (`deaths`), and there is an end to what they may cost
(`patience`). A finding loses the steps that it does not need (`reduce`) before Hypothesis shrinks it, and after.
The same seed gives the same cases, in whatever order and process the checks run: each check has a seed of its own, and
no example database is read. Therefore a round whose cases are known from an earlier run need not draw them again
(`recall`).
"""

import hashlib
import re
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import cache
from typing import Any

import msgspec
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as hypothesis_seed
from hypothesis import strategies as st
from hypothesis.errors import FlakyFailure, HypothesisWarning, Unsatisfiable
from hypothesis.internal.conjecture import providers

from espproof.adapters.base import Adapter, AdapterError, AdapterFailure, Hung, Transcript
from espproof.adapters.case import Case, DeviceEvent, InboundBurst, Sa, from_json, to_json
from espproof.adapters.steps import STEPS
from espproof.conformance.checks.registry import Check
from espproof.conformance.checks.scenario import Inapplicable, Scenario, Target
from espproof.conformance.oracle.bursts import one_by_one, own_requirement
from espproof.conformance.oracle.judge import ESP, Oracle
from espproof.conformance.oracle.judgement import SETUP, Finding, Incapable
from espproof.conformance.oracle.verdict import Verdict, of_failure
from espproof.conformance.requirements.ids import BURST
from espproof.conformance.results.check import CheckResult, Counterexample
from espproof.conformance.results.expectations import Expectation
from espproof.conformance.running.deaths import requirement_of
from espproof.conformance.running.patience import Patience
from espproof.conformance.running.recall import Recall, Round, Shrunk
from espproof.conformance.running.reduce import cost, reduce, without_steps
from espproof.conformance.strategies.options import Options, options_of, pairs_of, space_of
from espproof.reference.errors import Misuse

MAX_FINDINGS = 8
"""Requirements that one check may report: after so many the implementation needs a developer, not more examples."""
MOST_SHRINKS = 100
"""Cases that Hypothesis may try to make a finding shorter. A walk of twenty steps takes it seconds to draw them, and steps
are taken away without it."""


SHRINKING = 1 / 3
"""Of what a check may lose to crashes and hangs: how much to make one of them shorter."""


class Profile(Enum):
    """How many examples a check of weight 1 draws."""

    QUICK = 15
    DEFAULT = 100
    THOROUGH = 600


def target(adapter: Adapter) -> Target:
    caps = adapter.capabilities()
    return Target(adapter.name, caps, space_of(caps))


def run_check(
    check: Check,
    adapter: Adapter,
    aim: Target,
    *,
    examples: int,
    seed: int,
    findings: int = MAX_FINDINGS,
    interrupted: Callable[[], bool] = lambda: False,
    recall: Recall | None = None,
    oracle: Oracle = ESP,
    patience: Patience | None = None,
    known: Sequence[Expectation] = (),
) -> CheckResult:
    """Run one check until it finds nothing new, or so many `findings`. Raises `KeyboardInterrupt` and our own bugs.

    `interrupted` is asked before each case, for a `KeyboardInterrupt` that was raised where nobody could see it.
    `recall`: where to look for the cases of an earlier run first, and to leave those of this one. `oracle` says what is
    right. `patience` is that of the run which the check is part of. `known` deviations hide none that they do not cover,
    though it is one of the same requirement.
    """
    started = time.perf_counter()
    run = _Run(check, adapter, aim, interrupted, recall, oracle, patience or Patience.of(examples), tuple(known))
    adapter.answer_within(run.patience.limit())
    count = max(1, round(examples * check.weight))
    result = CheckResult(check=check.id, verdict=Verdict.PASS)
    try:
        for round_number in range(2 * findings):
            found = run.hunt(count, seed_of(seed, check.id, round_number))
            if found is None:
                break
            run.mute(found)
            result.counterexamples += (found,)
            if len({one.requirement for one in result.counterexamples}) == findings:
                break
    except Inapplicable as missing:
        result.verdict, result.missing = Verdict.INAPPLICABLE, str(missing)
    except _Enough as cut:
        result.cut = str(cut)
    if run.left_out and not result.cut:
        result.cut = f"{run.left_out} cases were left out, which have a step that it has crashed or hung in"
    if result.counterexamples:
        result.verdict = result.counterexamples[0].verdict
    noted = run.noted
    result.examples, result.recalled, result.digest = noted.examples, noted.recalled, noted.digest.hexdigest()[:16]
    result.tried, result.behaviours = tuple(sorted(noted.tried)), noted.behaviours
    result.pairs, result.first_finding = tuple(sorted(noted.pairs)), noted.first_finding
    result.seconds, result.spent = time.perf_counter() - started, run.spent
    result.carried_out = dict(noted.carried_out)
    return result


def seed_of(seed: int, check: str, round_number: int = 0) -> int:
    """A seed of its own for each check and round."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{check}/{round_number}".encode()).digest()[:8], "big")


def cases_of(check: Check, aim: Target) -> st.SearchStrategy[Case | Inapplicable]:
    """The Cases of a check; an `Inapplicable` where what was drawn needs something that is not declared."""

    @st.composite
    def cases(draw: Callable[[st.SearchStrategy[object]], object]) -> Case | Inapplicable:
        scenario = Scenario(draw, aim)
        try:
            check.scenario(scenario)
        except Inapplicable as missing:
            return missing
        return scenario.case()

    return cases()


def settings_of(examples: int) -> settings:
    """Hypothesis' settings for a run of so many examples: nothing from a database, nothing into one."""
    return settings(
        max_examples=examples,
        database=None,
        deadline=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
        print_blob=False,
    )


@contextmanager
def drawing() -> Iterator[None]:
    """What cases are drawn in: no borrowed constants, and no warnings about values that are large, as cases are."""
    with no_borrowed_constants(), warnings.catch_warnings():
        warnings.simplefilter("ignore", HypothesisWarning)
        yield


@contextmanager
def no_borrowed_constants() -> Iterator[None]:
    """Keep Hypothesis from boosting the constants that stand in whatever source files happen to be imported.

    With them the cases depend on the adapter's module, on the user's, and on whether the suite is installed or a
    checkout. Hypothesis has no setting for it; if its inside changes, nothing is done.
    """
    inside: Any = providers
    borrowed = getattr(inside, "_get_local_constants", None)
    if borrowed is None:
        yield
        return
    inside._get_local_constants = type(inside.GLOBAL_CONSTANTS)
    inside.CONSTANTS_CACHE.cache.clear()
    try:
        yield
    finally:
        inside._get_local_constants = borrowed
        inside.CONSTANTS_CACHE.cache.clear()


class _Found(Exception):
    """Raised inside Hypothesis to say: this case is a counterexample."""


class _Enough(BaseException):
    """Raised inside Hypothesis, which lets it through, to say: nothing more is tried. Says why."""


@dataclass
class _Noted:
    """What the examples of a check were and covered."""

    examples: int = 0
    recalled: int = 0
    tried: set[str] = field(default_factory=set)
    pairs: set[str] = field(default_factory=set)
    behaviours: dict[str, dict[str, int]] = field(default_factory=dict)
    first_finding: dict[str, int] = field(default_factory=dict)
    digest: "hashlib._Hash" = field(default_factory=hashlib.sha256)
    carried_out: Counter[str] = field(default_factory=Counter)
    judged: int = 0
    """Examples that the adapter has carried out, none of whose steps was unsupported."""

    def copy(self) -> "_Noted":
        return _Noted(
            self.examples, self.recalled, set(self.tried), set(self.pairs),
            {name: dict(counts) for name, counts in self.behaviours.items()}, dict(self.first_finding),
            self.digest.copy(), self.carried_out.copy(), self.judged,
        )  # fmt: skip


@dataclass
class _Run:
    check: Check
    adapter: Adapter
    aim: Target
    interrupted: Callable[[], bool]
    recall: Recall | None
    oracle: Oracle
    patience: Patience
    known: tuple[Expectation, ...] = ()
    muted: set[tuple[str, bool]] = field(default_factory=set)
    """What is looked for no more, as `_mistake` tells it apart."""
    noted: _Noted = field(default_factory=_Noted)
    spent: dict[str, float] = field(default_factory=lambda: dict.fromkeys(("reference", "adapter", "comparison"), 0.0))
    deaths: int = 0
    last_deaths: int = 2
    """How many more it may see once it has had its share; none after one in a step that is not known."""
    left_out: int = 0
    """Cases that were not tried, as they have a step that it has died of."""
    _may_lose: float = field(init=False)
    _may_shrink: float = 0.0
    """What the run may have lost before this check ends, and before a finding stays as long as it is."""
    _lines: list[bytes] = field(default_factory=list)
    _caught: Counterexample | None = None
    _reduced: Counterexample | None = None
    """What was caught first, without the steps that it does not need."""
    _shrinks: int = 0
    _one_by_one: bool = False
    """Whether a death of this check was seen when steps were taken one by one."""
    _inapplicable: Inapplicable | None = None

    def __post_init__(self) -> None:
        self._may_lose = self.patience.lost + self.patience.share

    def hunt(self, examples: int, seed: int) -> Counterexample | None:
        """One round: the shrunk counterexample of the first new requirement, or None. `_Enough` if it is cut short."""
        kept = self.recall.read(self.check.id, seed, examples) if self.recall is not None else None
        if kept is not None and self._again(kept):
            return self._outcome()
        self._draw(examples, seed)
        if self._inapplicable is not None and not self.noted.examples:
            raise self._inapplicable
        if self._caught is not None:
            self._shorten()
        is_error = self._caught is not None and self._caught.verdict is Verdict.ADAPTER_ERROR
        if self.recall is not None and not is_error and not self.left_out:
            self.recall.write(self.check.id, seed, examples, Round(tuple(self._lines), _shrunk(self._caught)))
        return self._outcome()

    def _outcome(self) -> Counterexample | None:
        """What was caught. `Inapplicable` if each case had a step that was unsupported: nothing was put to the test."""
        if self._inapplicable is not None and self._caught is None and not self.noted.judged and not self.muted:
            raise self._inapplicable
        return self._caught

    def _begin(self) -> None:
        self._lines = []
        self._caught = self._reduced = None
        self._shrinks = 0
        self._inapplicable = None

    def _draw(self, examples: int, seed: int) -> None:
        """Let Hypothesis draw, and shrink what it catches."""
        self._begin()

        @hypothesis_seed(seed)
        @settings_of(examples)
        @given(cases_of(self.check, self.aim))
        def test(case: Case | Inapplicable) -> None:
            if isinstance(case, Inapplicable):
                self._inapplicable = case
            else:
                self._try(case)

        with suppress(_Found, FlakyFailure, Unsatisfiable), drawing():
            try:
                test()
            except _Enough:
                if self._caught is None:
                    raise

    def _shorten(self) -> None:
        """Take away the steps that what Hypothesis has left does not need; the shorter one of the two is caught."""
        assert self._caught is not None
        reduce(self._caught.case, self._still_fails)
        if self._reduced is not None and _length(self._reduced) < _length(self._caught):
            self._caught = self._reduced

    def _again(self, kept: Round) -> bool:
        """Execute the cases of an earlier run. False if they do not lead where they led then: nothing happened yet."""
        self._begin()
        before = self.noted.copy()
        try:
            with suppress(_Found):
                for line in kept.lines:
                    self._try(from_json(line, Case), shrink=False)
                    self.noted.recalled += 1
        except Misuse:  # a file that is not ours
            self._caught, kept = None, Round((), None)
        if self._caught is None:
            if kept.lines and kept.shrunk is None:
                return True
        elif kept.shrunk is not None and self._caught.requirement == kept.shrunk.requirement:
            self.noted.recalled += 1
            if self._shows(kept.shrunk):
                return True
        self.noted = before
        return False

    def _try(self, case: Case, *, shrink: bool = True) -> None:
        """One case that Hypothesis drew: to find something (nothing is caught yet), or to shrink what was caught."""
        if self.interrupted():
            raise KeyboardInterrupt
        searching = self._caught is None
        if searching:
            if self._leaves_out(case):
                self.left_out += 1
                return
            line = to_json(case)
            self.noted.examples += 1
            self.noted.digest.update(line)
            if self.recall is not None:
                self._lines.append(line)
        else:
            self._shrinks += cost(case)
            if self._shrinks > MOST_SHRINKS or self._is_dear(self._may_shrink):
                raise _Enough
        for found in self._execute(case, note=searching):
            if self._is_muted(found):
                continue
            if self._caught is None or self._mistake(self._caught) == self._mistake(found):
                self.noted.first_finding.setdefault(found.requirement, self.noted.examples)
                self._caught = found
                if searching and shrink:
                    self._may_shrink = self.patience.lost + self._for_shrinking(found.verdict)
                    reduce(found.case, self._still_fails)
                    self._reduced, self._caught = self._caught, found
                raise _Found

    def _for_shrinking(self, verdict: Verdict) -> float:
        """Seconds that crashes and hangs may cost while this finding is made shorter."""
        share = max(0.0, self._may_lose - self.patience.lost) * SHRINKING
        return max(share, 1.0) if verdict is Verdict.FAIL else share

    def _is_dear(self, most: float) -> bool:
        """Whether crashes and hangs have cost the run so many seconds."""
        return self.patience.lost >= most

    def _leaves_out(self, case: Case) -> bool:
        """Whether it is too dear to try this case. `_Enough` if it is to try any."""
        if self.patience.is_exhausted:
            raise _Enough(f"crashes and hangs have taken {self.patience.lost:.0f} s of this run")
        if not self._is_dear(self._may_lose):
            return False
        if self.last_deaths <= 0:
            raise _Enough(f"ended after {self.noted.examples} cases and {self.deaths} crashes or hangs")
        return self.patience.is_deadly(case)

    def _shows(self, shrunk: Shrunk) -> bool:
        """Whether a case that was shrunk in an earlier run still shows the same, and then is what is caught."""
        for found in self._execute(shrunk.case, note=False):
            if (found.requirement, _kind(found)) == (shrunk.requirement, shrunk.kind) and not self._is_muted(found):
                self._caught = found
                return True
        return False

    def mute(self, found: Counterexample) -> None:
        """Look for it no more. What is known is still looked for in other forms, which nobody knows."""
        self.muted |= {self._mistake(found), (found.requirement, True)}

    def _is_muted(self, found: Counterexample) -> bool:
        return self._mistake(found) in self.muted

    def _mistake(self, found: Counterexample) -> tuple[str, bool]:
        """Which requirement is not met, and whether that is one of the known deviations."""
        return found.requirement, any(entry.covers(found) for entry in self.known if entry.is_about(found.requirement))

    def _still_fails(self, shorter: Case) -> bool:
        """Whether the same goes wrong with a shorter case, which is then the one that is caught. False if that is dear."""
        assert self._caught is not None
        shown = Shrunk(self._caught.requirement, _kind(self._caught), shorter)
        return not self._is_dear(self._may_shrink) and self._shows(shown)

    def _execute(self, case: Case, *, note: bool) -> Iterator[Counterexample]:
        """Everything wrong with one case; with `note`, what it covered is remembered."""
        with self._spending("reference"):
            want = self.oracle.expected(case)
        began = time.perf_counter()
        try:
            with self._spending("adapter"):
                got = self.adapter.step_by_step(case) if self._walks else self.adapter.execute(case)
        except AdapterFailure as failure:
            yield self._died(failure, case, want, began)
            return
        except Exception as error:
            raised = AdapterError(f"it raised {type(error).__name__}: {error}")
            yield self._died(raised, case, want, began)
            return
        if self.patience.answered(time.perf_counter() - began):
            self.adapter.answer_within(self.patience.limit())
        with self._spending("comparison"):
            judgement = self.oracle.judge(case, got, want, self.aim.caps)
        if isinstance(judgement, Incapable):
            self._inapplicable = self._inapplicable or Inapplicable(judgement.what)
            return
        if note:
            self.noted.judged += 1
            self.noted.tried |= judgement.tried
            self._note(case, got)
        for finding in judgement.findings:
            yield _counterexample(self._true_cause(finding, case, got, want), self.check.id, case, got, want)

    def _true_cause(self, finding: Finding, case: Case, got: Transcript, want: Transcript) -> Finding:
        """The finding; of a burst whose packets go wrong one by one too, under the requirement that these do not meet."""
        if finding.requirement != BURST or not isinstance(case.steps[finding.step], InboundBurst):
            return finding
        try:
            alone = self.adapter.execute(one_by_one(case))
        except Exception:  # another mistake, which is found where single packets are tried
            return finding
        at = finding.step
        own = own_requirement(case, at, got.steps[at], want.steps[at], alone, self.aim.caps)
        return finding if own == BURST else replace(finding, requirement=own)

    @contextmanager
    def _spending(self, where: str) -> Iterator[None]:
        """The seconds of the block are added to what was spent there."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.spent[where] += time.perf_counter() - began

    @property
    def _walks(self) -> bool:
        """Whether steps are taken one by one, so that a death costs no second one to see where it was."""
        return self._one_by_one or not self.patience.share

    def _died(self, failure: AdapterFailure, case: Case, want: Transcript, began: float) -> Counterexample:
        """What a death or an error of the adapter shows, in which step; what it has cost is noted."""
        self.deaths += 1
        if isinstance(failure, Hung) and not self.patience.hangs:
            self.patience.hangs, began = True, time.perf_counter()  # the first wait is not held against it
        self.adapter.answer_within(self.patience.limit())
        if failure.step is None and not isinstance(failure, AdapterError):
            self._look_where(failure, case)
        self._one_by_one = self._one_by_one or failure.step is not None
        step = SETUP if failure.step is None else max(SETUP, failure.step)
        if self._is_dear(self._may_lose):
            self.last_deaths -= 1 if step >= 0 else 2
        self.patience.died(time.perf_counter() - began, case.steps[step] if step >= 0 else None, first=self.deaths == 1)
        requirement, verdict = requirement_of(failure, case), of_failure(failure)
        if failure.step is not None:
            reached = max(1, step + 1)
            case = without_steps(case, reached, len(case.steps))
            want = Transcript(want.setup, want.steps[:reached])
        return Counterexample(
            requirement=requirement, check=self.check.id, verdict=verdict, step=step, message=str(failure), case=case,
            got=None, want=want,
        )  # fmt: skip

    def _look_where(self, failure: AdapterFailure, case: Case) -> None:
        """Take the steps one by one: does it die again, and in which one?"""
        try:
            with self._spending("adapter"):
                self.adapter.step_by_step(case)
        except AdapterFailure as again:
            if type(again) is type(failure):
                failure.step = again.step
        except Exception as error:
            failure.add_note(f"one by one, it raised {type(error).__name__}: {error}")

    def _note(self, case: Case, got: Transcript) -> None:
        """What this case covered: operations, pairs of options, choices the documents leave open."""
        self.noted.carried_out.update(_operations(case))
        for step, outcome in zip(case.steps, got.steps, strict=True):
            if step.behaviour:
                counts = self.noted.behaviours.setdefault(step.behaviour, {})
                told = type(outcome).__name__.lower()
                counts[told] = counts.get(told, 0) + 1
        for sa, version in _used(case):
            self.noted.pairs |= _pair_names(options_of(sa, version))
        for sa in case.sas:
            if sa.direction == "in" and sa.protocol == "esp":
                self.noted.pairs |= _pair_names(options_of(sa, 4 if ":" not in sa.source else 6))


def _operations(case: Case) -> dict[str, int]:
    """As `CheckResult.carried_out` has them."""
    return {
        "operations": len(case.sas) + len(case.steps),
        "packets": sum(len(STEPS[type(step)].packets(step)) for step in case.steps),
        "device events": sum(isinstance(step, DeviceEvent) for step in case.steps),
    }


@cache
def _pair_names(row: Options) -> frozenset[str]:
    """The pairs of option values of one row, as the result names them."""
    return frozenset(f"{a[0]}={a[1]},{b[0]}={b[1]}" for a, b in pairs_of(row))


def _used(case: Case) -> Iterator[tuple[Sa, int]]:
    sas = {sa.name: sa for sa in case.sas}
    for step in case.steps:
        kind = STEPS[type(step)]
        name, packets = kind.sa(step), kind.packets(step)
        if kind.direction == "out" and name in sas and packets and packets[0] and packets[0][0] >> 4 in (4, 6):
            yield sas.pop(name), packets[0][0] >> 4


def _shrunk(caught: Counterexample | None) -> Shrunk | None:
    return None if caught is None else Shrunk(caught.requirement, _kind(caught), caught.case)


def _length(found: Counterexample) -> tuple[int, int]:
    return len(found.case.steps), len(to_json(found.case))


def _kind(found: Counterexample) -> str:
    """A message without its numbers."""
    return _NUMBERS.sub("#", found.message)


_NUMBERS = re.compile(r"0x[0-9a-f]+|\d+")


def _counterexample(finding: Finding, check: str, case: Case, got: Transcript, want: Transcript) -> Counterexample:
    steps = tuple(
        msgspec.structs.replace(step, expect=right) for step, right in zip(case.steps, want.steps, strict=True)
    )
    complete = msgspec.structs.replace(
        case,
        id=f"{check}/{finding.requirement}",
        title=finding.message,
        requirements=(finding.requirement,),
        steps=steps,
    )
    return Counterexample(
        requirement=finding.requirement,
        check=check,
        verdict=Verdict.FAIL,
        step=finding.step,
        message=finding.message,
        case=complete,
        got=got,
        want=want,
    )
