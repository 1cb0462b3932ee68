"""Known deviations: the file that lists them, and a result held against it."""

import fnmatch
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import msgspec

from espproof.conformance.checks.registry import all_checks
from espproof.conformance.oracle.verdict import NEWS, Verdict
from espproof.conformance.requirements.catalogue import Requirement, load
from espproof.conformance.results.check import Counterexample
from espproof.conformance.results.condition import Condition, OutcomeKind, concerned, outcome_of
from espproof.conformance.results.model import RunResult
from espproof.reference.errors import Misuse

KINDS = ("espproof-crash", "espproof-hang")
"""What the suite itself demands and tells apart by kind, each under a name that begins with this and a hyphen."""


class Expectation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A known deviation: of which requirement, with which verdict, why, and by which clause.

    `checks` are patterns of the checks that find it; found by any other, it is news. `outcome` is what becomes of the
    packet, if it is always the same (a burst's is "burst"). `when` says of which SAs it is known, one condition or
    another; all SAs that a counterexample is about must be such. `some` says the same of one of them at least, where
    nobody can tell which of several it was. Without these it covers the requirement whoever finds it, and hides whatever
    else goes wrong there. What goes wrong in two ways under one requirement has two entries. What the cases of a run come
    to by chance is `seldom` found, and not missed where it is not.
    """

    id: str
    verdict: Verdict = Verdict.FAIL
    checks: tuple[str, ...] = ()
    outcome: tuple[OutcomeKind, ...] = ()
    when: tuple[Condition, ...] = ()
    some: tuple[Condition, ...] = ()
    seldom: bool = False
    reason: str
    clause: str

    def is_about(self, requirement: str) -> bool:
        """Whether it is about that requirement; one of crashes or hangs is about each kind of them."""
        return self.id in (requirement, every_kind(requirement))

    def is_found_by(self, check: str) -> bool:
        """Whether a check is one of those that it names."""
        return any(fnmatch.fnmatchcase(check, pattern) for pattern in self.checks)

    def covers(self, found: Counterexample) -> bool:
        """Whether a counterexample of its requirement shows this deviation."""
        if self.checks and not self.is_found_by(found.check):
            return False
        if self.outcome and outcome_of(found) not in self.outcome:
            return False
        sas = concerned(found) if self.when or self.some else ()
        return (not self.when or (bool(sas) and all(any(one.holds_of(sa) for one in self.when) for sa in sas))) and (
            not self.some or any(one.holds_of(sa) for one in self.some for sa in sas)
        )


class _ExpectationFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`extends` is a file in the same folder, or several, of which all holds but `without`; the entries hold besides.
    `without` names some by id, or by id and, behind a blank, a check as it stands in their `checks`."""

    extends: str | tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    deviation: tuple[Expectation, ...] = ()

    @property
    def bases(self) -> tuple[str, ...]:
        """The names of the files that it extends."""
        return (self.extends,) if isinstance(self.extends, str) else self.extends


def read_expectations(path: Path, below: tuple[Path, ...] = ()) -> tuple[Expectation, ...]:
    """The `[[deviation]]` entries of a TOML file, and of those that it extends; `Misuse` with what is wrong.

    `below` are the files that extend this one.
    """
    if path in below:
        raise Misuse(f"{path}: it extends itself")
    own = _expectation_file(path)
    there: list[Expectation] = []
    for name in own.bases:
        there += read_expectations(path.with_name(name), (*below, path))
    if strangers := set(own.without).difference(*map(_names, there)):
        raise Misuse(f"{path}: without {', '.join(sorted(strangers))}, which {' and '.join(own.bases)} does not have")
    kept = [entry for entry in there if _names(entry).isdisjoint(own.without)]
    every = (*kept, *own.deviation)
    if twice := [entry.id for at, entry in enumerate(every) if entry in every[:at]]:
        raise Misuse(f"{path}: {', '.join(twice)} is there twice")
    return every


def _names(entry: Expectation) -> set[str]:
    """What an entry can be called in `without`."""
    return {entry.id, *(f"{entry.id} {check}" for check in entry.checks)}


def _expectation_file(path: Path) -> _ExpectationFile:
    try:
        read = msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), _ExpectationFile)
        for entry in read.deviation:
            for condition in (*entry.when, *entry.some):
                condition.sizes()
        return read
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, msgspec.ValidationError, Misuse) as error:
        raise Misuse(f"{path}: {error}") from error


def write_expectations(result: RunResult, path: Path) -> None:
    """What this run found, as an expectation file whose reasons a human must fill in."""
    entries = []
    for requirement, verdict in result.requirements.items():
        known = load().get(requirement)
        if verdict in NEWS and not (known is not None and known.verified_with):
            reason = result.expected.get(requirement, "not examined yet")
            entries.append(
                f"[[deviation]]\nid = {requirement!r}\nverdict = {verdict.value!r}\nreason = {reason!r}\n"
                f"clause = {requirement.rsplit('-', 1)[0]!r}\n"
            )
    path.write_text("\n".join(entries), encoding="utf-8")


def compare(result: RunResult, expectations: tuple[Expectation, ...]) -> None:
    """Fill in what is news and what is expected. Verdicts stay as they are.

    What somebody has examined and listed as a failure stays expected where two oracles do the same. That a deviation is
    gone is known only when all checks of its requirement have run, and thoroughly.
    """
    thorough = result.whole and result.profile != "quick"
    news: list[str] = []
    expected: dict[str, str] = {}
    elsewhere: dict[str, tuple[str, ...]] = {}
    derived: list[Requirement] = []
    for requirement, verdict in result.requirements.items():
        known = load().get(requirement)
        if known is not None and known.verified_with:
            derived.append(known)
            continue
        entries = [entry for entry in expectations if entry.is_about(requirement)]
        known_as = {verdict, Verdict.FAIL} if verdict is Verdict.ORACLE_CONFLICT else {verdict}
        fitting = [entry for entry in entries if entry.verdict in known_as]
        if verdict in NEWS and fitting:
            others = tuple(found.check for found in _found(result, requirement) if not _covering(fitting, found))
            if others:
                elsewhere[requirement] = others
                news.append(requirement)
            else:
                expected[requirement] = _reasons(fitting, result, requirement)
        elif verdict in NEWS or (
            verdict is Verdict.PASS and thorough and _missed(entries, result) and _all_ran(result, requirement)
        ):
            news.append(requirement)
    for one in derived:  # they stand and fall with others, which are judged, and are no news of their own
        wrong = [other for other in one.verified_with if result.requirements.get(other) in NEWS]
        if result.requirements[one.id] in NEWS and wrong and all(other in expected for other in wrong):
            expected[one.id] = f"follows {', '.join(wrong)}"
    result.unexpected, result.expected, result.elsewhere = tuple(news), expected, elsewhere


def every_kind(requirement: str) -> str:
    """`espproof-crash` of `espproof-crash-esp_input`: an entry of this name has every crash; "" for what has no kinds."""
    return next((name for name in KINDS if requirement.startswith(f"{name}-")), "")


def _missed(entries: Sequence[Expectation], result: RunResult) -> bool:
    """Whether a deviation of one requirement should have been found, as not all that find it were inapplicable."""
    asked = [check.check for check in result.checks if check.verdict is not Verdict.INAPPLICABLE]
    return any(
        not entry.seldom and (not entry.checks or any(entry.is_found_by(check) for check in asked)) for entry in entries
    )


def _all_ran(result: RunResult, requirement: str) -> bool:
    """Whether all checks that verify it were part of the run."""
    verifying = {check.id for check in all_checks().values() if requirement in check.verifies}
    return not result.only or (bool(verifying) and verifying <= {check.check for check in result.checks})


def _found(result: RunResult, requirement: str) -> Iterator[Counterexample]:
    for check in result.checks:
        yield from (found for found in check.counterexamples if found.requirement == requirement)


def _covering(entries: Iterable[Expectation], found: Counterexample) -> list[Expectation]:
    return [entry for entry in entries if entry.covers(found)]


def _reasons(entries: Sequence[Expectation], result: RunResult, requirement: str) -> str:
    """Why, of those entries of one requirement that have been met; of all where nobody knows which."""
    met = [one for found in _found(result, requirement) for one in _covering(entries, found)]
    return " ".join(dict.fromkeys(entry.reason for entry in entries if not met or entry in met))
