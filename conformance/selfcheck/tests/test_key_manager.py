"""Each capability of a key manager is found declared and not there, and there though not declared."""

from typing import Any

from msgspec.structs import replace

from espproof.adapters.capabilities import Capabilities, everything
from espproof.adapters.case import Done, Events, Sa
from espproof.adapters.models.reference import ReferenceAdapter
from espproof.conformance.selfcheck import key_manager
from espproof.conformance.selfcheck.item import Grade
from espproof.conformance.selfcheck.probe import Probe, answer
from espproof.conformance.selfcheck.rig import Rig


class Silent(ReferenceAdapter):
    """It has whatever is declared of a key manager, and does none of it."""

    def read_events(self) -> Any:
        return Events(events=())

    def update_sa(self, sa: Sa) -> Any:
        return Done()

    reserve_spi = update_sa

    def flush_sas(self) -> Any:
        return Done()

    flush_policies = flush_sas

    def advance_time(self, seconds: int) -> Any:
        return Done()


def grades(adapter: ReferenceAdapter, caps: Capabilities) -> dict[str, Grade]:
    assert caps.host is not None
    rig = Rig(adapter, caps)
    made = [Probe(*one) for one in key_manager.cases(caps.host)]
    return {probe.what: answer(probe, rig).grade for probe in made}


def test_declared_and_not_there() -> None:
    found = grades(Silent(), everything())
    assert set(found.values()) == {Grade.FAIL}
    assert len(found) == 8


def test_there_and_not_declared() -> None:
    caps = everything()
    assert caps.host is not None
    none = {"events": (), "use_lifetimes": False, "policy_lifetimes": False}
    least = replace(caps.host, **none, update_sa=False, reserve_spi=False, flush=False)
    found = grades(ReferenceAdapter(), replace(caps, host=least))
    assert set(found.values()) == {Grade.UNDECLARED}
