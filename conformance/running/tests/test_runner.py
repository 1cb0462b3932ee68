"""One check against one implementation: what is found, how it is shrunk, and which verdict it gets."""

from collections.abc import Callable

import msgspec
import pytest

from espproof.adapters.base import Adapter, Crashed, Hung
from espproof.adapters.capabilities import Capabilities
from espproof.adapters.case import Delivered, Done, Dropped, Octets, Outbound, Passed, Refused, Sa, Sent, Unsupported
from espproof.adapters.models.reference import ReferenceAdapter
from espproof.conformance.checks.registry import Check, all_checks
from espproof.conformance.checks.scenario import Scenario
from espproof.conformance.oracle.verdict import Verdict
from espproof.conformance.results.check import CheckResult
from espproof.conformance.results.condition import Condition
from espproof.conformance.results.expectations import Expectation
from espproof.conformance.results.model import requirement_verdicts
from espproof.conformance.running.check import run_check, seed_of, target
from espproof.conformance.strategies.options import pairs_of

REFERENCE = ReferenceAdapter()
AIM = target(REFERENCE)
ACCEPTED = "RFC4303-3.4.4-accepted"


class Loses(ReferenceAdapter):
    """Drops every right packet of more than 100 octets."""

    def inbound(self, packet: Octets) -> Delivered | Dropped | Passed | Unsupported:
        return Dropped() if len(packet) > 100 else super().inbound(packet)


class Fails(ReferenceAdapter):
    """Raises something on the first inbound packet."""

    def __init__(self, failure: Exception) -> None:
        self.failure = failure
        super().__init__()

    def inbound(self, packet: Octets) -> Delivered | Dropped | Passed | Unsupported:
        raise self.failure


class LosesAndDamages(Loses):
    """Two mistakes at once: long packets are lost on the way in, the outer TTL is 0 on the way out."""

    def outbound(self, step: Outbound) -> Sent | Dropped | Refused | Unsupported:
        got = super().outbound(step)
        if not isinstance(got, Sent) or got.packet[0] >> 4 != 6:
            return got
        return Sent(packet=Octets(got.packet[:7] + b"\0" + got.packet[8:]))


def made(scenario: Callable[[Scenario], None], *, weight: float = 1.0) -> Check:
    return Check(
        id="format.made-up", family="format", verifies=(ACCEPTED,), proved_by=(), since="0.1.0", weight=weight,
        records=False, scenario=scenario,
    )  # fmt: skip


def both_ways(s: Scenario) -> None:
    """A packet each way."""
    sender = s.outbound_sa(family="6in6", mode="tunnel")
    s.send(sender, "RFC4303-3.3.3-increment")
    receiver = s.inbound_sa()
    s.receive(receiver, 1, ACCEPTED, packet=s.packet(receiver))


def run(check: Check, adapter: Adapter, examples: int = 40, findings: int = 8) -> CheckResult:
    return run_check(check, adapter, AIM, examples=examples, seed=1, findings=findings)


def test_the_reference_passes() -> None:
    """Nothing found: pass, with as many examples as asked for and the pairs of options that they had."""
    result = run(made(both_ways), REFERENCE)
    assert (result.verdict, result.counterexamples) == (Verdict.PASS, ())
    assert 30 <= result.examples <= 40
    assert ACCEPTED in result.tried
    names = {f"{a[0]}={a[1]},{b[0]}={b[1]}" for row in AIM.space.rows for a, b in pairs_of(row)}
    assert result.pairs
    assert set(result.pairs) <= names
    asked = result.carried_out
    assert (asked["operations"], asked["packets"]) == (4 * result.examples, 2 * result.examples)
    assert asked["device events"] == 0


def test_a_finding_is_shrunk() -> None:
    """The counterexample is one SA and one packet, the shortest that is lost, and says what should have happened."""
    result = run(made(both_ways), Loses())
    (found,) = [one for one in result.counterexamples if one.requirement == ACCEPTED]
    assert found.verdict is result.verdict is Verdict.FAIL
    assert (len(found.case.sas), len(found.case.steps)) == (1, 1)
    assert len(found.case.steps[0].packet) == 104  # type: ignore[union-attr]
    assert isinstance(found.case.steps[0].expect, Delivered)
    assert found.case.requirements == (ACCEPTED,)
    assert 1 <= result.first_finding[ACCEPTED] <= result.examples


def test_a_counterexample_is_about_one_requirement() -> None:
    """With two mistakes there are two counterexamples, each for its own requirement, unless only one is asked for."""
    result = run(made(both_ways), LosesAndDamages())
    assert {one.requirement for one in result.counterexamples} == {ACCEPTED, "RFC4301-5.1.2.2-hop-limit"}
    assert len(run(made(both_ways), LosesAndDamages(), findings=1).counterexamples) == 1


@pytest.mark.parametrize(
    ("failure", "verdict", "requirement"),
    [
        (Crashed("signal 11"), Verdict.CRASH, f"espproof-crash-{ACCEPTED}"),
        (Hung("10 s"), Verdict.HANG, f"espproof-hang-{ACCEPTED}"),
        (KeyError("spi"), Verdict.ADAPTER_ERROR, "espproof-adapter-error"),
    ],
)
def test_a_failure_has_its_verdict(failure: Exception, verdict: Verdict, requirement: str) -> None:
    """Crash and hang are the implementation's, everything else that escapes is the adapter's; nothing ends the run."""
    result = run(made(both_ways), Fails(failure))
    (found,) = result.counterexamples
    assert (found.verdict, found.requirement, result.verdict) == (verdict, requirement, verdict)
    assert str(failure) in found.message


def test_an_interrupt_goes_through() -> None:
    """Ctrl-C ends a check at once, also when the exception itself got lost."""
    with pytest.raises(KeyboardInterrupt):
        run(made(both_ways), Fails(KeyboardInterrupt()))  # type: ignore[arg-type]
    with pytest.raises(KeyboardInterrupt):
        run_check(made(both_ways), REFERENCE, AIM, examples=5, seed=1, interrupted=lambda: True)


class ReceivesOnly(ReferenceAdapter):
    def capabilities(self) -> Capabilities:
        return Capabilities(encryption={"ENCR_AES_GCM_16": (16,)}, directions=("in",))


class CannotAdd(ReferenceAdapter):
    def add_sa(self, sa: Sa) -> Done | Refused | Unsupported:
        return Unsupported(what="SAs")


def test_what_is_not_declared_is_inapplicable() -> None:
    """The capability that is missing is named; so is one that was declared and answered as unsupported."""
    adapter = ReceivesOnly()
    result = run_check(made(both_ways), adapter, target(adapter), examples=10, seed=1)
    assert (result.verdict, result.missing, result.examples) == (Verdict.INAPPLICABLE, "direction out", 0)
    assert not result.tried
    refused = run(made(both_ways), CannotAdd())
    assert not refused.tried
    assert (refused.verdict, refused.missing) == (Verdict.INAPPLICABLE, "SAs")


def test_seeds_differ() -> None:
    """A seed of its own for each check, round and run."""
    seeds = {seed_of(seed, check, number) for seed in (1, 2) for check in ("a.b", "a.c") for number in (0, 1)}
    assert len(seeds) == 8


def test_weights_scale_the_examples() -> None:
    """A check of weight 2 draws twice as many, one of a small weight at least one."""
    counts = [run(made(both_ways, weight=weight), REFERENCE, examples=20).examples for weight in (0.001, 1, 2)]
    assert counts[0] == 1
    assert counts[0] < counts[1] < counts[2] <= 40


@pytest.mark.parametrize(
    ("level", "verdict", "expected"),
    [
        ("MUST", Verdict.FAIL, Verdict.FAIL),
        ("MUST NOT", Verdict.FAIL, Verdict.FAIL),
        ("SHOULD", Verdict.FAIL, Verdict.WARNING),
        ("SHOULD NOT", Verdict.FAIL, Verdict.WARNING),
        ("SHOULD", Verdict.CRASH, Verdict.CRASH),
    ],
)
def test_a_should_that_is_not_met_is_a_warning(level: str, verdict: Verdict, expected: Verdict) -> None:
    """Never a MUST, and never a crash."""
    result = run(made(both_ways), Loses())
    result.check = next(iter(all_checks()))
    found = [one for one in result.counterexamples if one.requirement == ACCEPTED]
    result.counterexamples = (msgspec.structs.replace(found[0], verdict=verdict),)
    assert requirement_verdicts((result,), {ACCEPTED: level})[ACCEPTED] is expected


def test_a_check_is_its_function() -> None:
    """The summary of a check is the first line of its scenario's docstring."""
    assert made(both_ways).summary == "A packet each way."


class LosesTwice(ReferenceAdapter):
    """Loses what comes in UDP, as everybody knows, and what comes without it in transport mode, as nobody does."""

    def inbound(self, packet: Octets) -> Delivered | Dropped | Passed | Unsupported:
        got = super().inbound(packet)
        if not isinstance(got, Delivered) or got.sa is None:
            return got
        sa = self._endpoint.entry(got.sa).sa
        return Dropped() if sa.udp is not None or sa.mode == "transport" else got


@pytest.mark.parametrize("known", [True, False])
def test_a_known_deviation_does_not_hide_another_of_its_requirement(known: bool) -> None:
    """What an entry covers is muted, what it does not cover is still looked for; once, whatever comes first."""
    entry = Expectation(
        id=ACCEPTED, when=(Condition(udp=True),), reason="the datagrams are lost", clause="RFC 4303 3.4.4"
    )
    adapter = LosesTwice()
    for seed in range(1, 6):
        result = run_check(
            all_checks()["format.opens"], adapter, AIM, examples=100, seed=seed, known=(entry,) if known else ()
        )
        found = [one for one in result.counterexamples if one.requirement == ACCEPTED]
        assert len(found) <= (2 if known else 1)
        assert [entry.covers(one) for one in found][-1:] == [False] or not known
