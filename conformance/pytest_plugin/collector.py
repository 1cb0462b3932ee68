"""The suite as pytest sees it: one item per check, one adapter per process, and at the end the gate of `espproof run`.

    expected deviation          xfail, with the reason of the expectation file
    capability not declared     skip, with what is missing
    SHOULD that is not met      passes, and is told in the summary
    anything else               failure: requirement, wording, message, step, and where the case was written
    expected, and not found     no item can know it: the run fails when all checks are through (not at profile quick)

A check's cases depend on the seed and its id alone, so it makes no difference which process runs it.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from espproof.adapters import registry
from espproof.adapters.base import Adapter, AdapterFailure, Transcript
from espproof.adapters.case import Case, to_json
from espproof.conformance.checks.registry import Check, all_checks
from espproof.conformance.checks.scenario import Target
from espproof.conformance.oracle.judgement import SETUP
from espproof.conformance.oracle.verdict import NEWS, Verdict
from espproof.conformance.pytest_plugin import TESTEE
from espproof.conformance.requirements.catalogue import FAMILIES, levels, load
from espproof.conformance.results import expectations, model
from espproof.conformance.results.check import CheckResult, Counterexample
from espproof.conformance.results.expectations import Expectation
from espproof.conformance.running import suite
from espproof.conformance.running.check import Profile, run_check, target
from espproof.conformance.running.patience import Patience
from espproof.reference.errors import Misuse

PROPERTY = "espproof"
"""Name of the user property of an item: what it said, as JSON. It reaches the controlling process, and JUnit files."""

NO_CASE = Case(version=1)


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """What an item said, without the cases: small enough to be sent from process to process."""

    check: str
    verdict: Verdict
    missing: str
    examples: int
    digest: str
    tried: tuple[str, ...]
    found: dict[str, Verdict]
    """Requirement -> verdict of each counterexample."""

    def result(self) -> CheckResult:
        """The result as far as the verdicts of requirements go."""
        nothing = Transcript((), ())
        return CheckResult(
            check=self.check,
            verdict=self.verdict,
            missing=self.missing,
            tried=self.tried,
            counterexamples=tuple(
                Counterexample(
                    requirement=requirement,
                    check=self.check,
                    verdict=verdict,
                    step=SETUP,
                    message="",
                    case=NO_CASE,
                    got=None,
                    want=nothing,
                )
                for requirement, verdict in self.found.items()
            ),
        )


class Departs(Exception):
    """An item's failure: the counterexamples that nobody expects."""


class Testee:
    """The implementation under test in this process, and what the command line asks of it."""

    __test__ = False

    def __init__(self, config: pytest.Config, name: str) -> None:
        self.name = name
        self.profile = Profile[config.getoption("espproof_profile").upper()]
        self.seed: int = config.getoption("espproof_seed")
        self.patience = Patience.of(self.profile.value)
        self.checks = suite.selected(config.getoption("espproof_only"))
        self.expectations = _expectations(name, config.getoption("espproof_expect"))
        self._report: str | None = config.getoption("espproof_report")
        self._config = config
        self._open: tuple[Adapter, Target] | None = None
        self._cannot_run: AdapterFailure | None = None
        self._folder: Path | None = None

    def header(self) -> str:
        return (
            f"espproof: {self.name}, {len(self.checks)} checks, profile {self.profile.name.lower()}, seed {self.seed}, "
            f"{len(self.expectations)} expected deviations"
        )

    def open(self) -> tuple[Adapter, Target]:
        """The adapter, opened once; it is not tried again where it could not be."""
        if self._cannot_run is not None:
            raise self._cannot_run
        if self._open is None:
            try:
                adapter = registry.open_adapter(self.name)
                self._open = adapter, target(adapter)
            except AdapterFailure as error:
                self._cannot_run = error
                raise
        return self._open

    def close(self) -> None:
        if self._open is not None:
            (adapter, _), self._open = self._open, None
            adapter.close()

    def write(self, found: Counterexample) -> Path:
        """The case of a counterexample, as a file."""
        if self._folder is None:
            self._folder = self._make_folder()
        path = self._folder / f"{found.check}.{found.requirement}.json"
        path.write_bytes(to_json(found.case, indent=1))
        return path

    def _make_folder(self) -> Path:
        if self._report is not None:
            name = "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in self.name)
            folder = Path(self._report) / "counterexamples" / name
            folder.mkdir(parents=True, exist_ok=True)
            return folder
        temporary = getattr(self._config, "_tmp_path_factory", None)  # absent with -p no:tmpdir
        if isinstance(temporary, pytest.TempPathFactory):
            return temporary.mktemp("espproof")
        return Path(tempfile.mkdtemp(prefix="espproof-"))


def _expectations(name: str, option: str) -> tuple[Expectation, ...]:
    path = None if option == "none" else Path(option) if option else registry.expectations_of(name)
    return expectations.read_expectations(path) if path else ()


def configure(config: pytest.Config, name: str) -> None:
    """Read the options and see that the adapter starts; `pytest.UsageError` if something is wrong with either."""
    for family in FAMILIES:
        config.addinivalue_line("markers", f"{_marker(family)}: espproof checks of that family")
    try:
        testee = Testee(config, name)
        if not hasattr(config, "workerinput"):
            testee.open()
            config.pluginmanager.register(Gate(testee), "espproof-gate")
        if config.getoption("dist", "no") != "no":
            testee.close()  # the workers open their own
    except Misuse as error:
        raise pytest.UsageError(f"espproof: {error}") from error
    except AdapterFailure as error:
        raise pytest.UsageError(f"espproof: the adapter could not run: {error}") from error
    config.stash[TESTEE] = testee


def _marker(family: str) -> str:
    return family.replace("-", "_")


class Suite(pytest.Directory):
    """The package as a collector: the checks, and none of the files."""

    def collect(self) -> Iterator[pytest.Item]:
        for check in self.config.stash[TESTEE].checks:
            item: CheckItem = CheckItem.from_parent(self, name=check.id)
            item.add_marker(_marker(check.family))
            yield item


class CheckItem(pytest.Item):
    """One check."""

    @property
    def check(self) -> Check:
        return all_checks()[self.name]

    def runtest(self) -> None:
        testee = self.config.stash[TESTEE]
        try:
            adapter, aim = testee.open()
        except AdapterFailure as error:
            raise Departs(f"the adapter could not run: {error}") from error
        result = run_check(
            self.check,
            adapter,
            aim,
            examples=testee.profile.value,
            seed=testee.seed,
            patience=testee.patience,
            known=testee.expectations,
        )
        self.user_properties.append((PROPERTY, msgspec.json.encode(_said(result)).decode()))
        unexpected, reasons = _sorted(result, testee)
        if unexpected:
            raise Departs("\n\n".join(_told(found, testee.write(found), testee.name) for found in unexpected))
        if result.cut:
            raise Departs(f"not all of it was tried: {result.cut}")
        if reasons:
            pytest.xfail("; ".join(reasons))
        if result.verdict is Verdict.INAPPLICABLE:
            pytest.skip(f"{testee.name} is without {result.missing}")

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: str | None = None) -> str:
        if isinstance(excinfo.value, Departs):
            return str(excinfo.value)
        return str(super().repr_failure(excinfo))

    def reportinfo(self) -> tuple[Path, int | None, str]:
        code = self.check.scenario.__code__
        return Path(code.co_filename), code.co_firstlineno, f"{self.name}: {self.check.summary}"


def _said(result: CheckResult) -> Said:
    return Said(
        check=result.check,
        verdict=result.verdict,
        missing=result.missing,
        examples=result.examples,
        digest=result.digest,
        tried=result.tried,
        found={found.requirement: found.verdict for found in result.counterexamples},
    )


def _sorted(result: CheckResult, testee: Testee) -> tuple[list[Counterexample], list[str]]:
    """Counterexamples that nobody expects, and the reasons of those that are expected."""
    unexpected, reasons = [], []
    for found in result.counterexamples:
        verdict = _graded(found)
        known = (one for one in testee.expectations if one.is_about(found.requirement) and one.verdict is verdict)
        entry = next((one for one in known if one.covers(found)), None)
        if entry is not None:
            if verdict in NEWS:
                reasons.append(f"{found.requirement}: {entry.reason}")
        elif verdict is not Verdict.WARNING:
            unexpected.append(found)
    return unexpected, reasons


def _graded(found: Counterexample) -> Verdict:
    """The verdict by itself; a SHOULD that is not met is a warning."""
    alone = CheckResult(check=found.check, verdict=found.verdict, counterexamples=(found,))
    return model.requirement_verdicts((alone,), levels())[found.requirement]


def _told(found: Counterexample, path: Path, adapter: str) -> str:
    entry = load().get(found.requirement)
    wording = f" ({entry.level}): {entry.text}" if entry is not None else ""
    where = "before the first step" if found.step == SETUP else f"step {found.step + 1} of {len(found.case.steps)}"
    return (
        f"{found.requirement}{wording}\n{found.verdict.value}: {where}: {found.message}\ncase: {path}\n"
        f"step by step: espproof replay {path} {adapter}"
    )


class Gate:
    """In the controlling process: what all items together say."""

    def __init__(self, testee: Testee) -> None:
        self._testee = testee
        self._said: dict[str, Said] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        for name, value in report.user_properties:
            if name == PROPERTY and isinstance(value, str):
                said = msgspec.json.decode(value, type=Said)
                self._said[said.check] = said

    def verdicts(self) -> dict[str, Verdict]:
        return model.requirement_verdicts(tuple(said.result() for said in self._said.values()), levels())

    def unexpected_passes(self) -> list[Expectation]:
        """Deviations that are expected and were not found: known only when every check has run, and thoroughly."""
        if self._testee.profile is Profile.QUICK or set(self._said) != set(all_checks()):
            return []
        verdicts = self.verdicts()
        missed = (entry for entry in self._testee.expectations if not entry.seldom)
        return [entry for entry in missed if verdicts.get(entry.id) is Verdict.PASS]

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if session.exitstatus == pytest.ExitCode.OK and self.unexpected_passes():
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if not self._said:
            return
        verdicts = self.verdicts()
        terminalreporter.section(f"espproof: {self._testee.name}")
        for requirement, verdict in verdicts.items():
            if verdict is Verdict.WARNING:
                terminalreporter.write_line(f"warning: {requirement}", yellow=True)
        for entry in self.unexpected_passes():
            told = f"unexpected pass: {entry.id} is in the expectation file ({entry.reason})"
            terminalreporter.write_line(told, red=True)
        counts = ", ".join(f"{number} {name}" for name, number in model.count(verdicts).items() if number)
        cases = sum(said.examples for said in self._said.values())
        terminalreporter.write_line(f"requirements: {counts}; {cases} cases")
