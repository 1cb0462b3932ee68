"""A seeded defect is found on a requirement that it breaks, and on no other."""

import pytest
from msgspec.structs import replace

from espproof.adapters.models.reference import ReferenceAdapter
from espproof.adapters.seeded import DEFECTS, SeededAdapter
from espproof.conformance.checks.registry import all_checks
from espproof.conformance.running import score
from espproof.conformance.running.check import MAX_FINDINGS, run_check, target
from espproof.conformance.running.proof import broken, drawn

LENGTHS = all_checks()["padding.length-sweep"]
ALGORITHMS = all_checks()["crypto.known-iv"]


def test_the_reference_breaks_nothing() -> None:
    """Whatever the cases of a check are."""
    adapter = ReferenceAdapter()
    cases = drawn(ALGORITHMS, target(adapter), examples=20, seed=1)
    assert len(cases) > 20
    assert {broken(case, adapter) for case in cases} == {frozenset()}


def test_the_cases_are_those_of_a_run() -> None:
    """The same seed draws for a proof what it draws for a run."""
    adapter = ReferenceAdapter()
    result = run_check(LENGTHS, adapter, target(adapter), examples=20, seed=3)
    assert len(drawn(LENGTHS, target(adapter), examples=20, seed=3)) == result.examples


@pytest.mark.parametrize(
    ("name", "check", "requirement"),
    [
        ("padding-zeros", "padding.length-sweep", "RFC4303-2.4-default-padding"),  # a finding
        ("crypto-gcm-salt-ignored", "crypto.known-iv", "RFC8750-4-rest-unchanged"),  # a packet that is not right
        ("robustness-header-unchecked", "robustness.truncated", "RFC4303-3.4.4-malformed-discarded"),  # a death
    ],
)
def test_three_ways_to_show_what_is_broken(name: str, check: str, requirement: str) -> None:
    """By what a finding is about, by what a right packet would have shown, by the step in which the defect dies."""
    adapter = SeededAdapter(name)
    cases = drawn(all_checks()[check], target(adapter), examples=60, seed=1)
    assert any(requirement in broken(case, adapter) for case in cases)


def test_a_defect_is_found_on_what_it_breaks() -> None:
    """The requirement that the score names is one of the defect's own, though others are not met either."""
    row = score.hunt("crypto-gcm-salt-ignored", 100, 1)
    assert row.found
    assert row.requirement in row.breaks


def test_what_shows_something_else_is_no_find() -> None:
    """It is told, so that somebody can look why, and counts as missed."""
    adapter = SeededAdapter("padding-zeros")
    (found,) = run_check(LENGTHS, adapter, target(adapter), examples=20, seed=1, findings=1).counterexamples
    missed = score.told(row("padding-zeros", "RFC4303-2.1-spi"), found, broken(found.case, adapter))
    assert (missed.found, missed.requirement) == (False, "RFC4303-2.4-default-padding")
    own = score.told(missed, found, frozenset({"RFC4303-2.1-spi"}))
    assert (own.found, own.requirement) == (True, "RFC4303-2.1-spi")


def test_what_verifies_it_is_tried_first() -> None:
    """Every check has its turn; those that verify what is broken have two, the second one behind their first finding."""
    defect = DEFECTS["padding-zeros"]
    attempts = list(score.attempts(defect))
    assert {check.id for check, _ in attempts} == set(all_checks())
    again = [check for check, findings in attempts if findings == MAX_FINDINGS]
    assert again == [check for check, _ in attempts[: len(again)]]
    assert all(set(defect.breaks) & set(check.verifies) for check in again)


def row(name: str, breaks: str) -> score.Row:
    defect = DEFECTS[name]
    nothing = score.Row(
        defect=name, source=defect.source, family=defect.family, title=defect.title, breaks=(), found=False,
        examples=0, seconds=0,
    )  # fmt: skip
    return replace(nothing, breaks=(breaks,))
