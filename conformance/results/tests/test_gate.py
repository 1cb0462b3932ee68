"""What a gate tells apart, each kind by exit status and message."""

import json
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner

from espproof.adapters.capabilities import ReplayWindows
from espproof.conformance.checks.registry import all_checks
from espproof.conformance.commands.cli import build
from espproof.conformance.oracle.verdict import Verdict
from espproof.conformance.report import folder, summary
from espproof.conformance.results import expectations, gate
from espproof.conformance.results.expectations import Expectation
from espproof.conformance.results.gate import Kind
from espproof.conformance.results.model import RunResult
from espproof.conformance.running import suite
from espproof.conformance.running.check import Profile
from espproof.reference.errors import Misuse


@pytest.fixture(scope="module")
def good() -> RunResult:
    """A small real run in which everything passes."""
    return suite.run("reference", profile=Profile.QUICK, seed=1, only="padding.*,tfc.added")


@pytest.fixture(scope="module")
def bad() -> RunResult:
    """The same of an implementation that pads with zeros."""
    run = suite.run("seeded:padding-zeros", profile=Profile.QUICK, seed=1, only="padding.*,tfc.added")
    return msgspec.structs.replace(run, adapter="reference")


def with_(result: RunResult, **fields: Any) -> RunResult:
    """The same result, some of it changed."""
    return msgspec.structs.replace(result, **fields)


def one_verdict(verdict: Verdict) -> Callable[[RunResult], RunResult]:
    """A change of the verdict of one requirement, which passes in the good run."""
    return lambda run: with_(run, requirements={**run.requirements, passing(run): verdict})


def passing(run: RunResult) -> str:
    return next(one for one, verdict in run.requirements.items() if verdict is Verdict.PASS)


def without_a_check(run: RunResult) -> RunResult:
    return with_(run, checks=run.checks[1:])


def fewer_examples(run: RunResult) -> RunResult:
    first = msgspec.structs.replace(run.checks[0], examples=1)
    return with_(run, checks=(first, *run.checks[1:]))


def test_fewer_cases_of_another_hypothesis_say_so(good: RunResult) -> None:
    """Another version draws other cases, which who reads of them wants to know."""
    assert good.drawn_with.startswith("Hypothesis ")
    (same,) = gate.between(good, fewer_examples(good))
    (other,) = gate.between(good, with_(fewer_examples(good), drawn_with="Hypothesis 7"))
    assert "drawn" not in same.message
    assert other.message == f"{same.message}; drawn with Hypothesis 7, before with {good.drawn_with}"


def not_whole(run: RunResult) -> RunResult:
    return with_(run, whole=False, not_whole_because="interrupted after 1 of 2 checks")


def capability(**fields: Any) -> Callable[[RunResult], RunResult]:
    return lambda run: with_(run, capabilities=msgspec.structs.replace(run.capabilities, **fields))


@pytest.mark.parametrize(
    ("change", "kind", "status"),
    [
        (one_verdict(Verdict.FAIL), Kind.NEW_FAILURE, 1),
        (one_verdict(Verdict.CRASH), Kind.NEW_FAILURE, 1),
        (one_verdict(Verdict.HANG), Kind.NEW_FAILURE, 1),
        (one_verdict(Verdict.ORACLE_CONFLICT), Kind.NEW_FAILURE, 1),
        (one_verdict(Verdict.ADAPTER_ERROR), Kind.ADAPTER_ERROR, 3),
        (one_verdict(Verdict.INAPPLICABLE), Kind.NEWLY_INAPPLICABLE, 7),
        (one_verdict(Verdict.LACKS), Kind.NEWLY_LACKING, 8),
        (one_verdict(Verdict.WARNING), Kind.NEW_WARNING, 0),
        (without_a_check, Kind.FEWER_CASES, 5),
        (fewer_examples, Kind.FEWER_CASES, 5),
        (not_whole, Kind.FEWER_CASES, 5),
        (capability(tfc=False), Kind.SHRUNK_CAPABILITY, 6),
        (capability(esn=(False,)), Kind.SHRUNK_CAPABILITY, 6),
        (capability(max_packet=1500), Kind.SHRUNK_CAPABILITY, 6),
        (capability(encryption={"ENCR_NULL": (0,)}), Kind.SHRUNK_CAPABILITY, 6),
        (capability(replay_windows=None), Kind.SHRUNK_CAPABILITY, 6),
        (capability(replay_windows=ReplayWindows()), Kind.SHRUNK_CAPABILITY, 6),
    ],
)
def test_each_kind_has_its_status(
    good: RunResult, change: Callable[[RunResult], RunResult], kind: Kind, status: int
) -> None:
    """One thing that got worse is told as that, once; the way back is no news, or good news."""
    worse = change(good)
    changes = gate.between(good, worse)
    assert [one.kind for one in changes] == [kind] * len(changes)
    assert changes
    assert gate.status_of(changes) == status
    back = {one.kind for one in gate.between(worse, good)}
    assert back <= {Kind.UNEXPECTED_PASS}


def test_the_same_run_has_not_changed(good: RunResult) -> None:
    """Nothing is found between a result and itself."""
    assert gate.between(good, good) == ()
    assert gate.status_of(()) == 0


def test_a_failure_outweighs_everything_else(good: RunResult) -> None:
    """Of several kinds the status is that of the first in the list."""
    worse = not_whole(capability(tfc=False)(one_verdict(Verdict.FAIL)(good)))
    changes = gate.between(good, worse)
    assert [one.kind for one in changes] == sorted((one.kind for one in changes), key=list(Kind).index)
    assert gate.status_of(changes) == 1


def test_failure_of_another_kind_is_new(good: RunResult) -> None:
    """What failed and now crashes is news."""
    failing, crashing = one_verdict(Verdict.FAIL)(good), one_verdict(Verdict.CRASH)(good)
    assert [one.kind for one in gate.between(failing, crashing)] == [Kind.NEW_FAILURE]


def test_real_defect_is_a_new_failure_with_its_message(good: RunResult, bad: RunResult) -> None:
    """Zeros as padding: the requirement and what was seen; the check that ended early has not "fewer cases"."""
    changes = gate.between(good, bad)
    assert {one.kind for one in changes} == {Kind.NEW_FAILURE}
    assert any(one.what == "RFC4303-2.4-default-padding" and "padding" in one.message for one in changes)
    assert {one.kind for one in gate.between(bad, good)} == {Kind.UNEXPECTED_PASS}


def test_missing_adapter_has_fewer_cases(good: RunResult) -> None:
    """An adapter of which there is no result any more is told; a new one is none of the gate's business."""
    other = with_(good, adapter="other")
    changes = gate.pairs([good, other], [good])
    assert [(one.kind, one.adapter) for one in changes] == [(Kind.FEWER_CASES, "other")]
    assert gate.pairs([good], [good, other]) == ()


@pytest.mark.parametrize("field", ["adapter", "profile", "only"])
def test_results_of_different_runs_are_not_compared(good: RunResult, field: str) -> None:
    """A quick run has fewer cases than a thorough one, and that is nobody's mistake."""
    with pytest.raises(Misuse, match=field):
        gate.between(good, with_(good, **{field: "other"}))


def test_news_of_one_run(good: RunResult, bad: RunResult) -> None:
    """Against its expectation file a run has new failures, adapter errors, unexpected passes, or is not whole."""
    expectations.compare(bad, ())
    assert gate.status_of(gate.of_run(bad)) == 1
    known = "RFC4303-3.4.4-padding-bounds"
    listed = (Expectation(id=known, reason="known", clause="RFC 4303 3.4.4"),)
    better = with_(good, profile="default")
    expectations.compare(better, listed)
    assert gate.status_of(gate.of_run(better)) == 4
    others = tuple(check for check in good.checks if known not in all_checks()[check.check].verifies)
    assert others
    for partly in (with_(better, profile="quick"), with_(better, whole=False), with_(better, checks=others)):
        expectations.compare(partly, listed)
        assert not partly.unexpected, "what shows the deviation may not have run"
    broken = with_(good, requirements={**good.requirements, "espproof-adapter-error": Verdict.ADAPTER_ERROR})
    expectations.compare(broken, ())
    assert gate.status_of(gate.of_run(broken)) == 3
    assert gate.status_of(gate.of_run(not_whole(good))) == 5
    assert gate.of_run(good) == ()


def test_command_compares_files_and_folders(good: RunResult, bad: RunResult, tmp_path: Path) -> None:
    """Files, folders, text, JSON, Markdown; the status is the kind's."""
    for result, name in ((good, "old"), (bad, "new")):
        folder.write(result, tmp_path / name)
    old, new = str(tmp_path / "old"), str(tmp_path / "new")
    invoke = CliRunner().invoke
    told = invoke(build(), ["diff", old, f"{new}/reference.json"])
    assert told.exit_code == 1, told.output
    assert "new-failure" in told.output
    assert "RFC4303-2.4-default-padding" in told.output
    plain = invoke(build(), ["diff", old, new, "--json"])
    assert json.loads(plain.output)["status"] == plain.exit_code == 1
    table = invoke(build(), ["diff", old, new, "--markdown"])
    assert "| reference |" in table.output
    assert "**new-failure**" in table.output
    same = invoke(build(), ["diff", old, old])
    assert same.exit_code == 0
    assert "no change" in same.output
    assert invoke(build(), ["diff", old, str(tmp_path / "nowhere")]).exit_code == 2
    assert invoke(build(), ["diff", old, new, "--json", "--markdown"]).exit_code == 2


def test_summary_and_badge(good: RunResult, bad: RunResult, tmp_path: Path) -> None:
    """Both are written with a report; a name full of markup stays text."""
    nasty = with_(bad, adapter="exec:a|b`<img src=x>")
    expectations.compare(nasty, ())
    changes = gate.of_run(nasty)
    text = summary.markdown([nasty], changes)
    assert r"\<img src" in text
    assert "`exec:a¦bˋ<img src=x>`" in text
    assert len({line.count(" | ") for line in text.splitlines() if line.startswith("|")}) == 1
    image = ET.fromstring(summary.badge([nasty]))
    assert "new-failure" in image.attrib["aria-label"]
    assert "pass" in ET.fromstring(summary.badge([good])).attrib["aria-label"]
    folder.write_summary([folder.write(good, tmp_path)], tmp_path)
    assert (tmp_path / "summary.md").read_text(encoding="utf-8").startswith("### espproof: as expected")
    assert (tmp_path / "badge.svg").read_text(encoding="utf-8").startswith("<svg")
