"""An oracle is handed in: who says what is right is an argument of whatever judges."""

import pickle
from functools import partial

from espproof.adapters.base import Transcript
from espproof.adapters.capabilities import Capabilities
from espproof.adapters.case import Case
from espproof.adapters.models.reference import ReferenceAdapter
from espproof.adapters.seeded import SeededAdapter
from espproof.conformance.checks.registry import all_checks
from espproof.conformance.oracle.judge import ESP, Oracle, judge
from espproof.conformance.oracle.judgement import Incapable, Judgement
from espproof.conformance.oracle.verdict import Verdict
from espproof.conformance.replay.walk import replay
from espproof.conformance.running import suite
from espproof.conformance.running.check import Profile, run_check, target

STRICT = Oracle("strict", partial(SeededAdapter, "tfc-padding-refused"), judge)
"""Who wants packets with TFC padding refused."""
CHECK = all_checks()["tfc.removed"]


def test_another_reference_finds_other_things() -> None:
    """The reference delivers, and is wrong for who wants that refused: in a check, a suite on workers, a replay."""
    adapter = ReferenceAdapter()
    right = run_check(CHECK, adapter, target(adapter), examples=5, seed=1)
    wrong = run_check(CHECK, adapter, target(adapter), examples=5, seed=1, oracle=STRICT)
    assert (right.verdict, wrong.verdict) == (Verdict.PASS, Verdict.FAIL)
    found = wrong.counterexamples[0]
    assert "expected dropped" in found.message
    runs = [
        suite.run("reference", profile=Profile.QUICK, seed=1, only=CHECK.id, workers=workers, oracle=STRICT)
        for workers in (1, 2)
    ]
    assert [run.requirements for run in runs] == [runs[0].requirements] * 2
    assert runs[0].verdicts["fail"]
    assert replay(found.case, "reference", STRICT).verdict is Verdict.FAIL
    assert replay(found.case, "reference", ESP).verdict is Verdict.ORACLE_CONFLICT


def test_another_judge_says_other_things() -> None:
    """One who finds nothing wrong with anybody."""

    def lenient(case: Case, got: Transcript, want: Transcript, caps: Capabilities) -> Judgement | Incapable:
        return Judgement((), frozenset())

    adapter = SeededAdapter("tfc-padding-refused")
    results = [
        run_check(CHECK, adapter, target(adapter), examples=5, seed=1, oracle=oracle)
        for oracle in (ESP, Oracle("lenient", ReferenceAdapter, lenient))
    ]
    assert [result.verdict for result in results] == [Verdict.FAIL, Verdict.PASS]


def test_an_oracle_can_be_sent_to_a_worker() -> None:
    """It names its reference and its judge, and holds neither."""
    assert pickle.loads(pickle.dumps(ESP)) == ESP
