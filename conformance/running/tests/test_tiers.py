"""Other implementations are asked about what was found: two against the reference are a conflict."""

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from espproof.adapters import exec as exec_adapter
from espproof.adapters.capabilities import Capabilities
from espproof.adapters.models.reference import ReferenceAdapter
from espproof.conformance.oracle.verdict import Verdict
from espproof.conformance.results import expectations
from espproof.conformance.results.expectations import Expectation
from espproof.conformance.results.model import RunResult
from espproof.conformance.running import suite, tiers
from espproof.conformance.running.check import Profile

ID = "RFC4303-2.4-default-padding"
WRONG = "seeded:padding-zeros"
HARNESS = f"exec:{shlex.quote(sys.executable)} -m espproof.adapters.exec.harness"
TWIN, OTHER_TWIN = f"{HARNESS} {WRONG}", f"{HARNESS.replace(':', ':env ', 1)} {WRONG}"
"""The same mistake under other names."""


def run(*oracles: str) -> RunResult:
    return suite.run(WRONG, profile=Profile.QUICK, seed=1, only="padding.length-sweep", oracles=oracles)


def opinions(result: RunResult) -> dict[str, str]:
    return next(found.opinions for found in result.counterexamples if found.requirement == ID)


@pytest.mark.parametrize(
    ("oracles", "verdict"),
    [
        ((), Verdict.FAIL),
        (("scapy", f"{HARNESS} reference"), Verdict.FAIL),
        (("scapy", TWIN), Verdict.FAIL),
        ((TWIN, OTHER_TWIN), Verdict.ORACLE_CONFLICT),
    ],
    ids=["nobody", "both-as-the-reference", "one-each", "both-against-it"],
)
def test_two_against_the_reference_are_a_conflict(oracles: Sequence[str], verdict: Verdict) -> None:
    """One alone may have the same mistake; who was asked is on record with what it does."""
    result = run(*oracles)
    assert result.requirements[ID] is verdict
    told = opinions(result)
    assert set(told) == set(oracles)
    assert sum(opinion == tiers.DEPARTS for opinion in told.values()) == sum("seeded" in one for one in oracles)


def test_nobody_is_asked_about_himself() -> None:
    """What is tested has no say as an oracle: one other alone is no conflict."""
    result = run(WRONG, TWIN)
    assert result.requirements[ID] is Verdict.FAIL
    assert set(opinions(result)) == {TWIN}


def test_conflict_is_news_unless_it_was_examined() -> None:
    """A listed failure stays expected; anything else has to be read."""
    result = run(TWIN, OTHER_TWIN)
    expectations.compare(result, ())
    assert ID in result.unexpected
    expectations.compare(result, (Expectation(id=ID, reason="zeros, seen in its source", clause="RFC 4303 2.4"),))
    assert result.unexpected == ()


def test_oracle_that_cannot_or_dies_says_so() -> None:
    """No opinion is no agreement: the verdict stays, and the reason is on record."""
    program = Path(exec_adapter.__file__).parent / "tests" / "crashing_program.py"
    dies = f"exec:{shlex.quote(sys.executable)} {shlex.quote(str(program))} crash Outbound"
    result = run(TWIN, dies)
    assert result.requirements[ID] is Verdict.FAIL
    assert opinions(result)[dies].startswith("crashed: ")


def test_what_an_oracle_lacks_is_not_executed(monkeypatch: pytest.MonkeyPatch) -> None:
    """An SA beyond the capabilities that an oracle declares is not handed to it."""
    few = Capabilities(encryption={"ENCR_NULL": (0,)}, integrity=("AUTH_HMAC_MD5_96",), directions=("in",))

    class Small(ReferenceAdapter):
        def capabilities(self) -> Capabilities:
            return few

    monkeypatch.setattr(tiers, "open_adapter", lambda name: Small())
    assert opinions(run("small"))["small"].startswith("cannot: ")
