"""The suite as pytest tests: what is collected, what each item says, and that nobody else is disturbed."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree

import msgspec
import pytest

from espproof.adapters import case as cases
from espproof.conformance.checks.registry import all_checks
from espproof.conformance.oracle.verdict import Verdict
from espproof.conformance.pytest_plugin import collector
from espproof.conformance.pytest_plugin.collector import PROPERTY, Gate, Said
from espproof.conformance.requirements.catalogue import load
from espproof.conformance.results.expectations import Expectation
from espproof.conformance.running.check import Profile
from espproof.conformance.running.suite import selected

pytest_plugins = "pytester"

PORT_IGNORED = "RFC4301-5.2-bypass"
"""What the defect `udp-port-not-checked` departs from, and the check `udp.other-port` finds."""


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    """Runs the suite in this process, quickly unless told otherwise; in a folder of the user's."""
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)

    def go(*args: str, profile: str = "quick") -> pytest.RunResult:
        fixed = ("--pyargs", "espproof.conformance", "-p", "no:cacheprovider", "--espproof-profile", profile)
        return pytester.runpytest_inprocess(*fixed, *args)

    return go


def said_in(path: Path) -> dict[str, Said]:
    """What the items said, from a JUnit file."""
    properties = ElementTree.parse(path).iter("property")
    said = [msgspec.json.decode(one.attrib["value"], type=Said) for one in properties if one.attrib["name"] == PROPERTY]
    return {one.check: one for one in said}


def test_one_item_per_check(run) -> None:  # type: ignore[no-untyped-def]
    """Collected are the checks, by their ids, and none of the package's files."""
    result = run("--adapter", "reference", "--collect-only", "-q")
    ids = [line.partition("::")[2] for line in result.outlines if "::" in line]
    assert ids == list(all_checks())


def test_users_ini_changes_nothing(pytester: pytest.Pytester, run) -> None:  # type: ignore[no-untyped-def]
    """Patterns and folders that the user's ini file excludes are the user's own."""
    pytester.makeini("[pytest]\npython_files = spec_*.py\nnorecursedirs = conformance src espproof\n")
    result = run("--adapter", "reference", "--espproof-only", "udp.ike")
    result.assert_outcomes(passed=1)


def test_reference_passes(run) -> None:  # type: ignore[no-untyped-def]
    """The reference departs from nothing."""
    run("--adapter", "reference", "--espproof-only", "udp,padding").assert_outcomes(passed=len(selected("udp,padding")))


def test_departure_fails_with_all_that_is_needed(tmp_path: Path, run) -> None:  # type: ignore[no-untyped-def]
    """A failure names requirement, wording, step and message, and where its case is."""
    report = tmp_path / "report"
    result = run("--adapter", "seeded:udp-port-not-checked", "--espproof-only", "udp", "--espproof-report", str(report))
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines([
        f"{PORT_IGNORED} (*): {load()[PORT_IGNORED].text[:20]}*", "fail: step 1 of *: *", "case: *.json",
    ])  # fmt: skip
    (path,) = report.rglob(f"udp.other-port.{PORT_IGNORED}.json")
    (found,) = cases.read(path)
    assert found.steps
    assert any(str(path) in line for line in result.outlines)


def test_case_goes_to_the_temporary_folder(run) -> None:  # type: ignore[no-untyped-def]
    """Without a folder for reports, pytest's own keeps the case."""
    result = run("--adapter", "seeded:udp-port-not-checked", "--espproof-only", "udp.other-port")
    (line,) = {line for line in result.outlines if line.startswith("case: ")}  # with CI=true the summary says it again
    assert cases.read(Path(line.removeprefix("case: ")))


def test_expected_departure_is_an_xfail(tmp_path: Path, run) -> None:  # type: ignore[no-untyped-def]
    """What the expectation file lists is expected, with its reason; with 'none' it is not."""
    listed = f'[[deviation]]\nid = "{PORT_IGNORED}"\nreason = "known since ever"\nclause = "RFC 4301 5.2"\n'
    (tmp_path / "expected.toml").write_text(listed, encoding="utf-8")
    args = ("--adapter", "seeded:udp-port-not-checked", "--espproof-only", "udp.other-port", "-rx")
    result = run(*args, "--espproof-expect", str(tmp_path / "expected.toml"))
    result.assert_outcomes(xfailed=1)
    assert "known since ever" in result.stdout.str()
    run(*args, "--espproof-expect", "none").assert_outcomes(failed=1)


def test_other_verdict_than_expected_fails(tmp_path: Path, run) -> None:  # type: ignore[no-untyped-def]
    """A crash is not the failure that was expected."""
    listed = f'[[deviation]]\nid = "{PORT_IGNORED}"\nverdict = "crash"\nreason = "known"\nclause = "RFC 4301 5.2"\n'
    (tmp_path / "expected.toml").write_text(listed, encoding="utf-8")
    args = ("--adapter", "seeded:udp-port-not-checked", "--espproof-only", "udp.other-port")
    run(*args, "--espproof-expect", str(tmp_path / "expected.toml")).assert_outcomes(failed=1)


def test_missing_capability_is_a_skip(run) -> None:  # type: ignore[no-untyped-def]
    """An inapplicable check says what it needs."""
    result = run("--adapter", "scapy", "--espproof-only", "sad.same-spi", "-rs")
    result.assert_outcomes(skipped=1)
    assert "scapy is without lookup" in result.stdout.str()


def test_crash_fails(run) -> None:  # type: ignore[no-untyped-def]
    """An implementation that dies fails the check, with what it said last."""
    result = run("--adapter", "seeded:robustness-header-unchecked", "--espproof-only", "robustness.truncated")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["espproof-crash*", "crash: *"])


def test_family_is_a_marker(run) -> None:  # type: ignore[no-untyped-def]
    """`-m` chooses families, also where markers must be registered."""
    args = ("--adapter", "reference", "-m", "anti_replay", "--strict-markers", "--collect-only", "-q")
    ids = [line.partition("::")[2] for line in run(*args).outlines if "::" in line]
    assert ids == [check.id for check in selected("anti-replay")]


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (("--adapter", "no-such"), "no adapter 'no-such'"),
        (("--adapter", "no_such_module:Adapter"), "could not run"),
        (("--adapter", "reference", "--espproof-only", "no-such"), "no check matches"),
        (("--adapter", "reference", "--espproof-expect", "no-such.toml"), "no-such.toml"),
    ],
)
def test_mistake_of_the_user_is_a_usage_error(args: tuple[str, ...], told: str, run) -> None:  # type: ignore[no-untyped-def]
    """A wrong option is one line, not a traceback."""
    result = run(*args)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert told in result.stderr.str()
    assert "Traceback" not in result.stderr.str() + result.stdout.str()


@pytest.mark.slow
def test_workers_run_the_same_cases(run, pytester: pytest.Pytester) -> None:  # type: ignore[no-untyped-def]
    """With two workers every check draws the cases that it draws alone, and another seed draws others."""
    args = ("--adapter", "reference", "--espproof-only", "udp,iv,sequence", "-p", "no:hypothesispytest")
    digests = []
    for index, more in enumerate((("-n", "0"), ("-n", "2"), ("--espproof-seed", "2", "-n", "0"))):
        path = pytester.path / f"{index}.xml"
        run(*args, *more, f"--junitxml={path}")
        digests.append({check: said.digest for check, said in said_in(path).items()})
    alone, together, other = digests
    assert len(alone) == len(selected("udp,iv,sequence"))
    assert alone == together
    assert other != alone


OPENED = """
from pathlib import Path
from espproof.adapters.models.reference import ReferenceAdapter

class Counted(ReferenceAdapter):
    def __init__(self):
        super().__init__()
        with open("log", "a") as log: log.write("open ")
    def close(self):
        with open("log", "a") as log: log.write("close ")
"""


@pytest.mark.slow
@pytest.mark.parametrize(("workers", "times"), [("0", 1), ("2", 3)])
def test_adapter_is_opened_once_per_process(workers: str, times: int, pytester: pytest.Pytester, run) -> None:  # type: ignore[no-untyped-def]
    """Each worker opens its own adapter once, the controlling process looks whether it starts, and all are closed."""
    pytester.makepyfile(counted=OPENED)
    pytester.syspathinsert()
    result = run("--adapter", "counted:Counted", "--espproof-only", "udp", "-n", workers)
    result.assert_outcomes(passed=len(selected("udp")))
    log = (pytester.path / "log").read_text(encoding="utf-8").split()
    assert (log.count("open"), log.count("close")) == (times, times)


def gate(profile: Profile, *expected: str) -> Gate:
    """A gate for an adapter of which these requirements are expected to fail."""
    entries = tuple(Expectation(id=name, reason="known", clause="?") for name in expected)
    return Gate(SimpleNamespace(profile=profile, expectations=entries, name="it"))  # type: ignore[arg-type]


def hear(the: Gate, check: str, tried: tuple[str, ...], found: dict[str, Verdict] | None = None) -> None:
    """Report what an item said."""
    said = Said(check=check, verdict=Verdict.PASS, missing="", examples=1, digest="", tried=tried, found=found or {})
    the.pytest_runtest_logreport(SimpleNamespace(user_properties=[(PROPERTY, msgspec.json.encode(said).decode())]))  # type: ignore[arg-type]


def test_unexpected_pass_is_known_when_all_have_run() -> None:
    """A deviation that is expected and that no check found any more is news, at every profile but quick."""
    for profile, news in ((Profile.DEFAULT, True), (Profile.THOROUGH, True), (Profile.QUICK, False)):
        the = gate(profile, PORT_IGNORED)
        for check in list(all_checks())[1:]:
            hear(the, check, (PORT_IGNORED,))
        assert not the.unexpected_passes(), "one check has not run yet"
        hear(the, next(iter(all_checks())), ())
        assert [entry.id for entry in the.unexpected_passes()] == [PORT_IGNORED] * news
        session = SimpleNamespace(exitstatus=pytest.ExitCode.OK)
        the.pytest_sessionfinish(session)  # type: ignore[arg-type]
        assert session.exitstatus == (pytest.ExitCode.TESTS_FAILED if news else pytest.ExitCode.OK)


def test_found_deviation_is_no_unexpected_pass() -> None:
    """One check that finds the deviation is enough."""
    the = gate(Profile.DEFAULT, PORT_IGNORED)
    for index, check in enumerate(all_checks()):
        hear(the, check, (PORT_IGNORED,), {PORT_IGNORED: Verdict.FAIL} if index == 3 else {})
    assert not the.unexpected_passes()


def test_unexpected_pass_fails_the_run(tmp_path: Path, run, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    """The run says which entry is stale, and its exit status is 1."""
    one = {"udp.other-port": all_checks()["udp.other-port"]}
    monkeypatch.setattr(collector, "all_checks", lambda: one)
    listed = f'[[deviation]]\nid = "{PORT_IGNORED}"\nreason = "stale"\nclause = "RFC 4301 5.2"\n'
    (tmp_path / "expected.toml").write_text(listed, encoding="utf-8")
    args = ("--adapter", "reference", "--espproof-only", "udp.other-port")
    result = run(*args, "--espproof-expect", str(tmp_path / "expected.toml"), profile="default")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines([f"unexpected pass: {PORT_IGNORED} *stale*"])


def test_others_are_not_disturbed(pytester: pytest.Pytester) -> None:
    """Without an adapter nothing of the suite is imported, and `--adapter` is the user's to own."""
    pytester.makeconftest("def pytest_addoption(parser):\n    parser.addoption('--adapter')\n")
    pytester.makepyfile(
        """
        import sys

        def test_it(request):
            assert request.config.getoption("--adapter") == "eth0"
            mine = {name for name in sys.modules if name.split(".")[0] == "espproof"}
            assert mine == {"espproof", "espproof.conformance", "espproof.conformance.pytest_plugin"}
            assert not {"msgspec", "scapy", "cryptography", "typer"} & set(sys.modules)
        """
    )
    environment = {name: value for name, value in os.environ.items() if name != "PYTEST_ADDOPTS"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--adapter", "eth0"]
    done = subprocess.run(
        command, check=False, cwd=pytester.path, env=environment, capture_output=True, encoding="utf-8", timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr
