"""What is said of packets that were held: lost, twice, in the clear, in another order."""

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from espproof.adapters.base import Transcript
from espproof.adapters.capabilities import everything
from espproof.adapters.case import AwaitHeld, Case, Emerged, EmergedPacket, Enter, Octets
from espproof.adapters.models.reference import ReferenceAdapter
from espproof.adapters.seeded import SeededAdapter
from espproof.conformance.checks.registry import all_checks
from espproof.conformance.oracle.host import judge_host
from espproof.conformance.requirements.ids import IN_THE_CLEAR
from espproof.conformance.running.check import run_check, target
from espproof.reference import ip

Packets = tuple[EmergedPacket, ...]


@pytest.fixture(scope="module")
def case() -> Case:
    """Two packets wait and leave."""
    adapter = SeededAdapter("xfrm-held-newest-first")
    check = all_checks()["xfrm-held.until-the-sa-comes"]
    return run_check(check, adapter, target(adapter), examples=40, seed=1, findings=1).counterexamples[0].case


def told(case: Case, change: Callable[[Packets], Packets]) -> list[tuple[str, str]]:
    """Requirements and messages, where all that was held emerges changed so."""
    right = ReferenceAdapter().execute(case)
    steps = [
        Emerged(packets=change(outcome.packets))
        if isinstance(step, AwaitHeld) and isinstance(outcome, Emerged)
        else outcome
        for step, outcome in zip(case.steps, right.steps, strict=True)
    ]
    judged = judge_host(case, Transcript(right.setup, tuple(steps)), right, everything())
    return [(one.requirement, one.message) for one in judged.findings]


def test_right(case: Case) -> None:
    assert not told(case, lambda packets: packets)


def test_order_counts(case: Case) -> None:
    """Though each of the packets is right by itself, and their numbers could be the other way round."""
    turned = told(case, lambda packets: packets[::-1])
    assert [message for _, message in turned] == ["what was held leaves in another order than it came"]


def test_what_is_lost_or_in_the_clear(case: Case) -> None:
    assert any("discarded" in message for _, message in told(case, lambda packets: packets[:1]))
    came = next(step for step in case.steps if isinstance(step, Enter))
    left = came.packet if came.side == "local" else ip.forwarded(came.packet)
    clear = told(case, lambda packets: tuple(replace(one, packet=Octets(left)) for one in packets[:1]))
    assert IN_THE_CLEAR in {requirement for requirement, _ in clear}
