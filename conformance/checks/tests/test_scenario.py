"""What a scenario sees to, so that checks need not."""

from espproof.adapters.case import Inbound
from espproof.adapters.models.reference import ReferenceAdapter
from espproof.conformance.checks.registry import all_checks
from espproof.conformance.checks.scenario import NUMBER_ZERO
from espproof.conformance.running import proof
from espproof.conformance.running.check import target


def test_nothing_rests_on_number_zero() -> None:
    """A receiver with anti-replay may discard it, as Linux, DPDK and strongSwan do, or take it."""
    cases = proof.drawn(all_checks()["sad.number-zero"], target(ReferenceAdapter()), examples=20, seed=1)
    first = [case.steps[0] for case in cases]
    assert first
    assert all(isinstance(step, Inbound) and step.behaviour == NUMBER_ZERO for step in first)
