"""Does it refuse what it does not know? "Unsupported" must be an answer, not an accident, and never `Done`.

The names below are in nobody's table. What is in the tables but not declared is the business of `probes`.
"""

from collections.abc import Callable
from typing import cast

from msgspec.structs import replace

from espproof.adapters.case import Done, Octets, Step
from espproof.adapters.case.steps import StepData
from espproof.conformance.selfcheck.item import Question
from espproof.conformance.selfcheck.rig import Flow, Rig, case_of

REFUSE = "answer add_sa with Unsupported (or Refused) unless everything that the SA asks for is there."


class Unheard(StepData, tag="espproof-unheard-of", frozen=True, kw_only=True):
    """An operation that no adapter knows, as a later suite might send to it; none of those that there are."""

    seconds: int


def _sa_with(**fields: object) -> Callable[[Rig], str | None]:
    """Asks for the plainest SA with these fields changed."""

    def ask(rig: Rig) -> str | None:
        plainest = rig.flow(rig.directions()[0])
        unknown = Flow(replace(plainest.sa, **fields), plainest.version, None)
        outcome = rig.execute(case_of((unknown,))).setup[0]
        told = ", ".join(f"{name} {value!r}" for name, value in fields.items())
        return f"an SA with {told} is installed" if isinstance(outcome, Done) else None

    return ask


def _with_authentication(name: str) -> Callable[[Rig], str | None]:
    return _sa_with(auth=name, auth_key=Octets(bytes(range(1, 21))))


def _unknown_operation(rig: Rig) -> str | None:
    flows = rig.flows()
    rig.execute(case_of(flows, cast(Step, Unheard(seconds=1))))  # the rig says what is wrong with the answer
    return rig.compare(rig.traffic(flows))


QUESTIONS = (
    Question("refusals.encryption", REFUSE, _sa_with(encr="ENCR_ESPPROOF_UNKNOWN")),
    Question("refusals.integrity", REFUSE, _with_authentication("AUTH_ESPPROOF_UNKNOWN")),
    Question("refusals.mode", REFUSE, _sa_with(mode="espproof-unknown")),
    Question("refusals.lookup", REFUSE, _sa_with(lookup="espproof-unknown", direction="in")),
    Question("refusals.key-size", REFUSE, _sa_with(encr_key=Octets(bytes(range(1, 14))))),
    Question("refusals.operation", "answer an unknown operation with Unsupported.", _unknown_operation),
)
