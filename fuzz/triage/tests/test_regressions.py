"""Every Case in corpus/regressions, replayed on the reference; and each defect that one of them was found on."""

import pytest

from espproof.adapters.base import Crashed
from espproof.adapters.case import Case
from espproof.adapters.models.reference import ReferenceAdapter
from espproof.adapters.registry import open_adapter
from espproof.fuzz.triage import regressions

CASES = [case for _, case in regressions.all_cases()]
ON_DEFECTS = [case for case in CASES if "--adapter seeded:" in case.source]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_the_reference_meets_every_regression(case: Case) -> None:
    """Each step has the outcome that it was given when the mistake was found."""
    assert any(step.expect is not None for step in case.steps), (
        "a regression without an expected outcome proves nothing"
    )
    assert regressions.differences(case, ReferenceAdapter()) == []


@pytest.mark.parametrize("case", ON_DEFECTS, ids=lambda case: case.id)
def test_a_regression_fails_on_the_defect_that_it_was_found_on(case: Case) -> None:
    """It says in `source` which one, so that it can be seen to fail."""
    adapter = open_adapter(case.source.rpartition(" ")[2])
    try:
        found = regressions.differences(case, adapter)
    except Crashed:
        return
    assert found


def test_there_are_regressions() -> None:
    """An empty folder would pass everything."""
    assert CASES
