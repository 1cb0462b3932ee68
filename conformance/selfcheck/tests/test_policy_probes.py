"""What policies can say is found declared and not there, and there though not declared."""

from typing import Any

from msgspec.structs import replace

from espproof.adapters.capabilities import Capabilities, HostCapabilities, everything
from espproof.adapters.case import AddPolicy, Emerged, Host, Sa
from espproof.adapters.models.reference import ReferenceAdapter
from espproof.conformance.selfcheck.item import Grade
from espproof.conformance.selfcheck.policy_probes import policy_probes
from espproof.conformance.selfcheck.probe import answer
from espproof.conformance.selfcheck.rig import Rig

LEAST = HostCapabilities(
    forward=(False,), actions=("protect",), unmatched=("discard",), clear=False, priorities=4, templates=(),
    sa_selectors=False,
)  # fmt: skip


class SwallowsAll(ReferenceAdapter):
    """Nothing emerges."""

    def enter(self, step: Any) -> Any:
        return Emerged(packets=())


class TakesAll(ReferenceAdapter):
    """Every policy is one that bypasses, and there is no default."""

    def add_policy(self, step: AddPolicy) -> Any:
        plain = replace(step.policy, templates=(), action="allow")
        return super().add_policy(replace(step, policy=plain))

    def configure(self, host: Host) -> Any:
        return super().configure(replace(host, blocked=()))


class IgnoresSelectors(ReferenceAdapter):
    """SAs take all traffic."""

    def add_sa(self, sa: Sa) -> Any:
        return super().add_sa(replace(sa, selectors=()))


def grades(adapter: ReferenceAdapter, caps: Capabilities) -> dict[str, Grade]:
    assert caps.host is not None
    rig = Rig(adapter, caps)
    return {probe.what: answer(probe, rig).grade for probe in policy_probes(caps, caps.host)}


def test_all_of_it_is_there() -> None:
    found = grades(ReferenceAdapter(), everything())
    assert set(found.values()) == {Grade.PASS}
    assert len(found) == 14


def test_declared_and_not_there() -> None:
    """Who discards everything has what discards, and what is asked for in vain."""
    found = grades(SwallowsAll(), everything())
    missed = {what for what, grade in found.items() if grade is not Grade.FAIL}
    assert missed == {
        "host actions discard", "host unmatched discard", "host templates spi", "host templates several",
        "host sa_selectors",
    }  # fmt: skip


def test_declared_and_without_effect() -> None:
    """Where a policy makes no difference, or that there is none."""
    found = grades(TakesAll(), everything())
    assert {what for what, grade in found.items() if grade is not Grade.FAIL} == {
        "host actions bypass", "host unmatched pass", "host sa_selectors",
    }  # fmt: skip
    ignoring = grades(IgnoresSelectors(), everything())
    assert [what for what, grade in ignoring.items() if grade is Grade.FAIL] == ["host sa_selectors"]


def test_there_and_not_declared() -> None:
    """The least that can be declared is there, and the rest is found."""
    found = grades(ReferenceAdapter(), replace(everything(), host=LEAST))
    there = {what for what, grade in found.items() if grade is Grade.PASS}
    assert there == {"host forward false", "host actions protect", "host unmatched discard", "host priorities"}
    assert set(found.values()) == {Grade.PASS, Grade.UNDECLARED}
