"""An oracle is handed in: who says what is right is an argument of whatever judges."""

import pickle
from typing import Any

from espproof.adapters.base import Transcript
from espproof.adapters.capabilities import Capabilities
from espproof.adapters.case import Case, Dropped, Octets
from espproof.adapters.models.reference import ReferenceAdapter
from espproof.conformance.checks.registry import all_checks
from espproof.conformance.oracle.judge import ESP, Finding, Incapable, Judgement, Oracle, judge
from espproof.conformance.oracle.verdict import Verdict
from espproof.conformance.replay.walk import replay
from espproof.conformance.running import suite
from espproof.conformance.running.check import Profile, run_check, target


class Wall(ReferenceAdapter):
    """Nothing comes in."""

    def inbound(self, packet: Octets) -> Any:
        return Dropped(reason="wall")


def patient(case: Case, got: Transcript, want: Transcript, caps: Capabilities) -> Judgement | Incapable:
    """ESP's judge, which knows one finding at most."""
    judgement = judge(case, got, want, caps)
    return judgement if isinstance(judgement, Incapable) else Judgement(judgement.findings[:1], judgement.tried)


WALL = Oracle("wall", Wall, patient)


def test_another_reference_finds_other_things() -> None:
    """The reference delivers, and is wrong for who wants nothing delivered: in a check, a suite on workers, a replay."""
    adapter = ReferenceAdapter()
    check = all_checks()["tfc.removed"]
    right = run_check(check, adapter, target(adapter), examples=5, seed=1)
    wrong = run_check(check, adapter, target(adapter), examples=5, seed=1, oracle=WALL)
    assert (right.verdict, wrong.verdict) == (Verdict.PASS, Verdict.FAIL)
    found = wrong.counterexamples[0]
    assert "expected dropped (wall)" in found.message
    runs = [
        suite.run("reference", profile=Profile.QUICK, seed=1, only=check.id, workers=workers, oracle=WALL)
        for workers in (1, 2)
    ]
    assert [run.requirements for run in runs] == [runs[0].requirements] * 2
    assert runs[0].verdicts["fail"]
    assert replay(found.case, "reference", WALL).verdict is Verdict.FAIL
    assert replay(found.case, "reference", ESP).verdict is Verdict.ORACLE_CONFLICT


def test_an_oracle_can_be_sent_to_a_worker() -> None:
    """It names its reference and its judge, and holds neither."""
    assert pickle.loads(pickle.dumps(WALL)) == WALL
    assert isinstance(
        WALL.judge(Case(version=1), Transcript((), ()), Transcript((), ()), target(Wall()).caps), Judgement
    )
    assert Finding("r", 0, "m").sa == ""
