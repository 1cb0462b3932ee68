"""What is said of bursts: lost, twice, in the clear, merged as it must not be; their order is nobody's business."""

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from espproof.adapters.base import Transcript
from espproof.adapters.capabilities import everything
from espproof.adapters.case import Case, Emerged, EmergedPacket, EnterBurst, Octets
from espproof.adapters.models.reference import ReferenceAdapter
from espproof.adapters.seeded import SeededAdapter
from espproof.conformance.checks.registry import all_checks
from espproof.conformance.oracle.host import judge_host
from espproof.conformance.requirements.ids import IN_THE_CLEAR, INCREMENT, MERGED
from espproof.conformance.running.check import run_check, target
from espproof.reference import ip

Packets = tuple[EmergedPacket, ...]


def found(check: str, defect: str) -> Case:
    """A case in which something emerges, as a check that was seen to fail has drawn it."""
    adapter = SeededAdapter(defect)
    result = run_check(all_checks()[f"xfrm-burst.{check}"], adapter, target(adapter), examples=40, seed=1, findings=1)
    return result.counterexamples[0].case


@pytest.fixture(scope="module")
def sent() -> Case:
    """Two packets leave, done in another order."""
    return found("sent-out-of-order", "xfrm-burst-number-at-completion")


@pytest.fixture(scope="module")
def merged() -> Case:
    return found("merged", "xfrm-burst-merged-across-a-gap")


def told(case: Case, change: Callable[[Packets], Packets]) -> list[tuple[str, str]]:
    """Requirements and messages, where all that emerges in the first burst is changed so."""
    right = ReferenceAdapter().execute(case)
    at = next(at for at, one in enumerate(right.steps) if isinstance(one, Emerged) and one.packets)
    steps = list(right.steps)
    outcome = steps[at]
    assert isinstance(outcome, Emerged)
    steps[at] = Emerged(packets=change(outcome.packets))
    judged = judge_host(case, Transcript(right.setup, tuple(steps)), right, everything())
    return [(one.requirement, one.message) for one in judged.findings]


def test_order_is_nobodys_business(sent: Case) -> None:
    assert not told(sent, lambda packets: packets)
    assert not told(sent, lambda packets: packets[::-1])


def test_what_is_lost_or_comes_twice(sent: Case) -> None:
    assert any("discarded" in message for _, message in told(sent, lambda packets: packets[:1]))
    twice = told(sent, lambda packets: (*packets, packets[0]))
    assert INCREMENT in {requirement for requirement, _ in twice}


def test_what_leaves_in_the_clear(sent: Case) -> None:
    """Beside the packet that is missing."""
    burst = next(step for step in sent.steps if isinstance(step, EnterBurst))
    clear = EmergedPacket(side="wire", packet=Octets(ip.forwarded(burst.packets[0].packet)))
    assert IN_THE_CLEAR in {requirement for requirement, _ in told(sent, lambda packets: (clear, *packets[1:]))}


def test_what_is_merged_must_have_come(merged: Case) -> None:
    """One octet more in each part, or a size that was not that of the parts."""
    single = told(merged, lambda packets: tuple(replace(one, segment=7) for one in packets))
    assert MERGED in {requirement for requirement, _ in single}
    nonsense = EmergedPacket(side="plain", packet=Octets(b"no packet"), segment=9)
    assert any("no packet" in message for _, message in told(merged, lambda packets: (*packets, nonsense)))
