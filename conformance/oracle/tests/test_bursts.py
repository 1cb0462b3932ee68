"""A burst that goes wrong is told why: because it is one, or because each of its packets does."""

import pytest

from espproof.adapters.case import Burst, InboundBurst, Octets
from espproof.adapters.models.reference import ReferenceAdapter
from espproof.adapters.seeded import SeededAdapter
from espproof.conformance.checks.registry import all_checks
from espproof.conformance.requirements.ids import BURST, DUPLICATE, ICV_WRONG
from espproof.conformance.running.check import run_check, target


class Lines(ReferenceAdapter):
    """Bursts are the same as single packets, except that what is behind the second one is lost."""

    def inbound_burst(self, step: InboundBurst) -> Burst:
        whole = super().inbound_burst(step)
        assert isinstance(whole, Burst)
        lost = [self.inbound(Octets(b"")) for _ in whole.results[2:]]
        return Burst(results=(*whole.results[:2], *lost))  # type: ignore[arg-type]


def first_found(adapter: ReferenceAdapter, check: str) -> str:
    for seed in range(1, 6):
        result = run_check(all_checks()[check], adapter, target(adapter), examples=100, seed=seed, findings=1)
        if result.counterexamples:
            return result.counterexamples[0].requirement
    return ""


@pytest.mark.parametrize("check", ["anti-replay.burst", "sad.mixed-burst"])
def test_a_mistake_of_bursts_is_told_so(check: str) -> None:
    """One by one all is well."""
    assert first_found(Lines(), check) == BURST


def test_a_mistake_of_each_packet_is_none_of_bursts() -> None:
    """A window or an ICV that is not looked at is wrong one by one, and the burst is a loop."""
    assert first_found(SeededAdapter("anti-replay-not-checked"), "anti-replay.long-burst") == DUPLICATE
    assert first_found(SeededAdapter("icv-gmac-unverified"), "anti-replay.burst") == ICV_WRONG
