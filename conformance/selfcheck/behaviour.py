"""Is it well-behaved at every step? Reset forgets, the same case gives the same, unknown names are refused."""

from msgspec.structs import replace

from espproof.adapters.base import Transcript
from espproof.adapters.case import (
    AdvanceTime,
    DeleteSa,
    Delivered,
    Done,
    Lifetime,
    Octets,
    Outbound,
    ReadState,
    Sa,
    Sent,
)
from espproof.conformance.selfcheck.item import Question
from espproof.conformance.selfcheck.rig import ABOUT, Flow, Rig, case_of

NOBODY = "espproof-nobody"
"""A name that no SA has."""


def _right_traffic(rig: Rig) -> str | None:
    return rig.compare(rig.traffic())


def _forgets_sas(rig: Rig) -> str | None:
    flows = rig.flows()
    rig.execute(rig.traffic(flows))
    empty = case_of((), *[flow.right(3) for flow in flows if flow.sa.direction == "in"])
    if any(isinstance(outcome, Delivered) for outcome in rig.execute(empty).steps):
        return "a packet of an SA of the case before is delivered"
    return rig.compare(rig.traffic(flows))


def _forgets_state(rig: Rig) -> str | None:
    """The same case again: numbers start again, windows are empty."""
    case = rig.traffic()
    return rig.compare(case) or rig.compare(case)


def _forgets_time(rig: Rig) -> str | None:
    rig.need("lifetime seconds", "seconds" in rig.caps.lifetimes)
    flows = rig.flows(lifetime=Lifetime(hard_seconds=50))
    late = case_of(flows, AdvanceTime(seconds=100, requirement=ABOUT), *[s for flow in flows for s in flow.carry((1,))])
    fresh = case_of(flows, *[step for flow in flows for step in flow.carry((1,))])
    return rig.compare(late) or rig.compare(fresh)


def _repeatable(rig: Rig) -> str | None:
    rig.need("direction in", "in" in rig.caps.directions)
    flow = rig.flow("in")
    steps = [flow.right(1), flow.forged(2), flow.right(2), flow.right(1), flow.right(9), flow.right(3)]
    case = case_of((flow,), *steps)
    first, second = rig.execute(case), rig.execute(case)
    return None if first == second else "the same inbound packets had other outcomes the second time"


def _same_name(rig: Rig) -> str | None:
    first, second = (rig.flow(rig.directions()[0], index) for index in (0, 1))
    namesake = Flow(_named(second.sa, first.sa.name), second.version, second.peer)
    outcomes = rig.execute(case_of((first, namesake))).setup
    if isinstance(outcomes[0], Done) and not isinstance(outcomes[1], Done):
        return None
    return "a second SA of the same name was answered with " + type(outcomes[1]).__name__.lower()


def _named(sa: Sa, name: str) -> Sa:
    return replace(sa, name=name)


def _unknown_delete(rig: Rig) -> str | None:
    outcome = rig.execute(case_of(rig.flows(), DeleteSa(sa=NOBODY))).steps[0]
    return "deleting an SA that does not exist is done" if isinstance(outcome, Done) else None


def _unknown_read(rig: Rig) -> str | None:
    outcome = rig.execute(case_of(rig.flows(), ReadState(sa=NOBODY))).steps[0]
    return "an SA that does not exist has a state" if type(outcome).__name__ == "State" else None


def _unknown_outbound(rig: Rig) -> str | None:
    flow = rig.flow(rig.directions()[0])
    step = Outbound(sa=NOBODY, packet=Octets(flow.plain()))
    outcome = rig.execute(case_of((flow,), step)).steps[0]
    return "a packet is sent with an SA that does not exist" if isinstance(outcome, Sent) else None


def _wrong_direction(rig: Rig) -> str | None:
    rig.need("direction in", "in" in rig.caps.directions)
    flow = rig.flow("in")
    outcome = rig.execute(case_of((flow,), flow.send())).steps[0]
    return "a packet is sent with an inbound SA" if isinstance(outcome, Sent) else None


def _refused_sa_is_not_there(rig: Rig) -> str | None:
    """An SA that was refused leaves nothing behind, and the others go on."""
    flows = rig.flows()
    wrong = Flow(_with_algorithm(flows[0].sa), flows[0].version, None)
    case = rig.traffic(flows)
    got = rig.execute(case_of([*flows, wrong], *case.steps))
    if isinstance(got.setup[-1], Done):
        return "an SA with an algorithm that nobody knows is installed"
    return rig.told(case, Transcript(got.setup[:-1], got.steps), rig.reference(case))


def _with_algorithm(sa: Sa) -> Sa:
    return replace(sa, name="unknown", spi=0x0A0B0C0D, encr="ENCR_ESPPROOF_UNKNOWN")


def _numbers_of_its_own(rig: Rig) -> str | None:
    """Two outbound SAs count separately."""
    rig.need("direction out", "out" in rig.caps.directions)
    flows = [rig.flow("out", index) for index in (0, 1)]
    return rig.compare(case_of(flows, flows[0].send(), flows[1].send(), flows[0].send(), flows[1].send()))


QUESTIONS = (
    Question("behaviour.carries-traffic", "make the plainest declared SA work before anything else.", _right_traffic),
    Question("behaviour.reset-forgets-sas", "remove every SA in reset(), also from the implementation.", _forgets_sas),
    Question("behaviour.reset-forgets-state", "an SA that is added starts afresh, as its fields say.", _forgets_state),
    Question("behaviour.reset-forgets-time", "time starts again at 0 in reset().", _forgets_time),
    Question("behaviour.repeatable", "let nothing but the case decide what becomes of an inbound packet.", _repeatable),
    Question("behaviour.same-name-refused", "answer add_sa of a name in use with Refused.", _same_name),
    Question("behaviour.refused-leaves-nothing", "install an SA as a whole or not at all.", _refused_sa_is_not_there),
    Question("behaviour.unknown-sa-deleted", "answer delete_sa of an unknown name with Refused.", _unknown_delete),
    Question("behaviour.unknown-sa-read", "answer read_state of an unknown name with Refused.", _unknown_read),
    Question("behaviour.unknown-sa-outbound", "answer outbound with an unknown name with Refused.", _unknown_outbound),
    Question("behaviour.inbound-sa-does-not-send", "answer outbound on an inbound SA with Refused.", _wrong_direction),
    Question("behaviour.sas-are-separate", "keep one state per SA.", _numbers_of_its_own),
)
