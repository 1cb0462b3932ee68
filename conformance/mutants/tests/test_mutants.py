"""The tool that changes the reference: every likely change once, each held against what confirms it, none forgotten."""

from pathlib import Path

import pytest

import espproof.reference.lifetime
from espproof.conformance.mutants import change, trial, verdict
from espproof.conformance.mutants.change import Mutant
from espproof.conformance.mutants.trial import Outcome

SOURCE = '''"""A module of 3 words."""


def smallest(one: int | None, two: int = 1, *, three: bool = True) -> int | None:
    if one is None or two > 2:
        return two + 1
    return one if three else None


class Thing:
    @property
    def size(self) -> int:
        return 4
'''

LIFETIME = Path(espproof.reference.lifetime.__file__).read_text(encoding="utf-8")


_LACKS = "cosmic-ray is not installed: the extra `mutants`, which `tox -e mutants` has"


def lifetime(before: str, after: str) -> Mutant:
    assert LIFETIME.count(before) == 1
    return Mutant("lifetime", "", before, after, LIFETIME.replace(before, after))


def test_every_change_once() -> None:
    """Numbers, comparisons, conditions and decorators change, each alone; words and annotations do not."""
    pytest.importorskip("cosmic_ray", reason=_LACKS)
    made = list(change.mutants("module", SOURCE))
    assert len({one.source for one in made}) == len(made)
    changes = {(one.function, " ".join(one.after.split())) for one in made}
    assert ("smallest", "if one is None and two > 2:") in changes
    assert ("smallest", "if one is None or two >= 2:") in changes
    assert ("smallest", "if one is not None or two > 2:") in changes
    assert ("smallest", "return two - 1") in changes
    assert ("smallest", "def smallest(one: int | None, two: int = 2, *, three: bool = True) -> int | None:") in changes
    assert ("Thing.size", "return 5") in changes
    assert ("Thing.size", "") in changes
    assert not [one for one in made if "&" in one.after or "words" in one.after]
    assert {one.module for one in made} == {"module"}


def test_names_outlive_edits() -> None:
    """What is added elsewhere leaves a mutant's name as it was."""
    pytest.importorskip("cosmic_ray", reason=_LACKS)
    longer = SOURCE.replace("class Thing:", "def more() -> int:\n    return 9\n\n\nclass Thing:")
    assert {one.key for one in change.mutants("module", SOURCE)} < {one.key for one in change.mutants("module", longer)}


def test_every_module_is_changed() -> None:
    """Each module of the reference has tests that are asked first."""
    folder = Path(espproof.reference.lifetime.__file__).parent
    assert change.modules(folder).keys() == trial.OWN_TESTS.keys()
    for names in trial.OWN_TESTS.values():
        assert all((folder / "tests" / f"test_{name}.py").is_file() for name in names)


def test_trials() -> None:
    """A right module survives, a wrong one is killed by who sees it, in the order in which they are asked."""
    same = Mutant("lifetime", "", "", "", LIFETIME)
    counts = lifetime("octets + more <= self.hard_octets", "more <= self.hard_octets")
    breaks = lifetime("UNLIMITED = Lifetime()", "UNLIMITED = Lifetime(1, 2, 3, 4, 5, 6, 7, 8, 9)")
    edge = lifetime("octets + more <= self.hard_octets", "octets + more < self.hard_octets")
    outcomes = {one.mutant: one.killed_by for one in trial.trials([same, counts, breaks], ["vectors"], 2)}
    assert outcomes == {same: "", counts: "vectors", breaks: "vectors"}
    for stages in (["vectors", "unit"], ["unit"]):
        assert [one.killed_by for one in trial.trials([edge], stages, 1)] == ["unit"]


def test_a_stage_that_is_wrong_by_itself_kills_nothing() -> None:
    """What fails without any change would be counted as every change seen: it is told before the first trial."""
    breaks = LIFETIME.replace("UNLIMITED = Lifetime()", "UNLIMITED = Lifetime(1, 2, 3, 4, 5, 6, 7, 8, 9)")
    assert trial.wrong_already({"lifetime": breaks}, ["vectors"], 1) == ["vectors finds lifetime wrong"]
    assert trial.wrong_already({"lifetime": LIFETIME}, ["vectors"], 1) == []


def test_endless_loops_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "SECONDS", 0.2)
    endless = Mutant("lifetime", "", "", "", LIFETIME + "\nwhile True:\n    pass\n")
    dies = Mutant("lifetime", "", "", "", LIFETIME + "\nimport os\nos.kill(os.getpid(), 9)\n")
    outcomes = {one.mutant: one.killed_by for one in trial.trials([endless, dies], ["vectors"], 2)}
    assert outcomes[endless] == "time"
    assert outcomes[dies] in ("signal", "time")


def outcome(number: int, killed_by: str = "") -> Outcome:
    return Outcome(Mutant("ip", "parse", f"line {number}", "changed", ""), killed_by)


def key(number: int) -> verdict.Key:
    return outcome(number).mutant.key


def test_verdict() -> None:
    """Good are 95 % killed, all others explained, and no explanation of what is killed."""
    killed = [outcome(number, "unit") for number in range(95)]
    left = [outcome(number) for number in range(95, 100)]
    why = {key(number): "the same" for number in range(95, 100)}
    assert verdict.sort_out([*killed, *left], why, ["ip"]).good
    assert not verdict.sort_out([*killed, *left], {**why, key(1): "the same"}, ["ip"]).good
    assert not verdict.sort_out([*killed[1:], *left], why, ["ip"]).good
    unexplained = verdict.sort_out([*killed, outcome(95)], {}, ["ip"])
    assert not unexplained.good
    assert [one.mutant.key for one in unexplained.survived] == [key(95)]
    assert verdict.sort_out(killed, {("tunnel", "", "", ""): "elsewhere"}, ["ip"]).good


def test_explanations(tmp_path: Path) -> None:
    """Ours are well-formed; one without a reason, or twice the same, is refused."""
    assert all(module in trial.OWN_TESTS for module, *_ in verdict.read())
    entry = '[[explained]]\nmodule = "ip"\nfunction = "f"\nbefore = "a"\nafter = ["b", "c"]\nwhy = "the same"\n'
    path = tmp_path / "explained.toml"
    path.write_text(entry, encoding="utf-8")
    assert verdict.read(path) == {("ip", "f", "a", "b"): "the same", ("ip", "f", "a", "c"): "the same"}
    for wrong in (entry * 2, entry.replace("the same", ""), entry.replace("why", "because")):
        path.write_text(wrong, encoding="utf-8")
        with pytest.raises(ValueError):
            verdict.read(path)
