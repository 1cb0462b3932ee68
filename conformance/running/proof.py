"""Which requirements a case shows an implementation not to meet: what it takes to say that a seeded defect is found.

A defect names the requirements that it breaks, a check those that it verifies. A check is proved by a defect, and a
requirement by both, where a case of the check shows that very requirement not to be met:

    a finding                   the requirement that it is about
    a packet that is not right  those that it would have shown by being right, which nothing else can (`oracle.shown`)
    a death                     the requirement of the step in which it happens, and the same
"""

from hypothesis import given
from hypothesis import seed as hypothesis_seed
from msgspec.structs import replace

from espproof.adapters.base import Adapter, AdapterFailure
from espproof.adapters.case import Case, DeviceEvent, ReadDevice
from espproof.conformance.checks.registry import Check
from espproof.conformance.checks.scenario import Inapplicable, Target
from espproof.conformance.oracle.judge import ESP
from espproof.conformance.oracle.judgement import SETUP, Incapable
from espproof.conformance.oracle.shown import RIGHT_PACKET
from espproof.conformance.running.check import cases_of, drawing, seed_of, settings_of


def drawn(check: Check, aim: Target, *, examples: int, seed: int) -> tuple[Case, ...]:
    """The cases that a check draws as long as nothing is found."""
    cases: list[Case] = []

    @hypothesis_seed(seed_of(seed, check.id))
    @settings_of(max(1, round(examples * check.weight)))
    @given(cases_of(check, aim))
    def draw(case: Case | Inapplicable) -> None:
        if isinstance(case, Case):
            cases.append(case)

    with drawing():
        draw()
    return tuple(cases)


def broken(case: Case, adapter: Adapter) -> frozenset[str]:
    """The requirements that an adapter is seen not to meet in one case."""
    try:
        got = adapter.execute(case)
    except AdapterFailure:
        return _at_death(case, adapter)
    caps, want = adapter.capabilities(), ESP.expected(case)
    judged = ESP.judge(case, got, want, caps)
    if isinstance(judged, Incapable) or not judged.findings:
        return frozenset()
    found = frozenset(one.requirement for one in judged.findings)
    if judged.findings[0].step == SETUP:
        return found
    return found | _right_packets(case, adapter) - judged.tried


def _at_death(case: Case, adapter: Adapter) -> frozenset[str]:
    """What is tried by the first step that an implementation does not survive; nothing if that is none."""
    for number, step in enumerate(case.steps):
        before, until = (replace(case, steps=case.steps[:end]) for end in (number, number + 1))
        try:
            adapter.execute(until)
        except AdapterFailure:
            asked = frozenset({step.requirement} if step.requirement else ())
            return asked | _right_packets(until, adapter) - _right_packets(before, adapter)
    return frozenset()


def _right_packets(case: Case, adapter: Adapter) -> frozenset[str]:
    """What the packets of a case show if all of them are right; a device, which the reference has not, shows nothing."""
    case = replace(case, steps=tuple(step for step in case.steps if not isinstance(step, DeviceEvent | ReadDevice)))
    want = ESP.expected(case)
    judged = ESP.judge(case, want, want, adapter.capabilities())
    return frozenset() if isinstance(judged, Incapable) else judged.tried.intersection(RIGHT_PACKET)
