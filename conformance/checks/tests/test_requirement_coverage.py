"""Every MUST and SHOULD has a check or a reason why it has none, and every check really tries what it names."""

import pytest

from espproof.adapters.models.reference import ReferenceAdapter
from espproof.adapters.seeded import DEFECTS, SeededAdapter
from espproof.conformance.checks import coverage
from espproof.conformance.checks.registry import Check, all_checks
from espproof.conformance.oracle.shown import RIGHT_PACKET
from espproof.conformance.oracle.verdict import Verdict
from espproof.conformance.requirements import catalogue
from espproof.conformance.running.check import run_check, target

CHECKS = list(all_checks().values())


@pytest.mark.parametrize("document", catalogue.documents())
def test_no_requirement_is_left_over(document: str) -> None:
    """Add a check that names the requirement, `verified_with`, or `waived` with a reason."""
    left = [one.id for one in catalogue.by_document(document) if coverage.of(one).state == "unverified"]
    assert left == []


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.id)
def test_a_check_names_requirements_and_defects_that_exist(check: Check) -> None:
    """A check that no seeded defect proves has not been seen to fail."""
    assert [name for name in check.verifies if name not in catalogue.load()] == []
    assert [name for name in check.verifies if catalogue.load()[name].verified_with] == []
    assert [name for name in check.proved_by if name not in DEFECTS] == []
    assert bool(check.proved_by) != check.records


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.id)
def test_a_check_tries_what_it_names(check: Check) -> None:
    """What every kind of packet shows depends on which SAs are drawn and is looked at in `test_right_packets`."""
    adapter = ReferenceAdapter()
    result = run_check(check, adapter, target(adapter), examples=100, seed=1)
    assert result.verdict is Verdict.PASS
    assert set(check.verifies) - set(result.tried) - set(RIGHT_PACKET) == set()


def test_right_packets() -> None:
    """One of the checks with every kind of packet has tried every requirement that any packet shows."""
    adapter = ReferenceAdapter()
    tried: set[str] = set()
    for name in ("crypto.every-algorithm", "format.protects"):
        tried |= set(run_check(all_checks()[name], adapter, target(adapter), examples=200, seed=1).tried)
    assert set(RIGHT_PACKET) - tried == set()


def test_the_counts_are_those_of_the_catalogue() -> None:
    """Nothing is counted twice or forgotten, and verified and waived are all there is."""
    for document in catalogue.documents():
        entries = catalogue.by_document(document)
        counts = coverage.counts(coverage.of(one) for one in entries)
        assert sum(level["total"] for level in counts.values()) == len(entries)
        assert all(level["total"] == level["verified"] + level["waived"] for level in counts.values())


@pytest.mark.parametrize("check", [check for check in CHECKS if check.proved_by], ids=lambda check: check.id)
def test_a_check_catches_the_defects_that_prove_it(check: Check) -> None:
    """Each check has been seen to fail, and still does; which seed does it depends on Hypothesis' version."""
    for name in check.proved_by:
        adapter = SeededAdapter(name)
        results = (
            run_check(check, adapter, target(adapter), examples=100, seed=seed, findings=1) for seed in range(1, 6)
        )
        assert any(result.counterexamples for result in results), name
