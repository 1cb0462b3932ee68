"""The oracle: outcome by outcome, what the implementation did against what the reference does with the same Case.

Inbound packets and control steps have one right answer, the reference's. An outbound packet has many: it is opened with
the reference's codec and each field on the wire is judged by itself (`outbound`). A finding names the requirement that
is not met and the step that shows it. Drop reasons are not compared: a packet that is discarded for another reason is
discarded, and audit logs are not part of the protocol (the one exception is a sentence about the order of two checks).
Nor is it compared whether an outbound packet was refused or dropped: it was not sent.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache

from espproof.adapters.base import Adapter, Transcript
from espproof.adapters.capabilities import Capabilities
from espproof.adapters.case import (
    AddSa,
    Audit,
    Burst,
    Case,
    Delivered,
    DeviceEvent,
    DeviceState,
    Done,
    Dropped,
    Inbound,
    InboundBurst,
    Outbound,
    OutboundBurst,
    Outcome,
    ReadDevice,
    ReadState,
    Refused,
    Sa,
    Sent,
    State,
    Step,
    Unsupported,
)
from espproof.adapters.models.reference import ReferenceAdapter
from espproof.adapters.steps import STEPS
from espproof.conformance.oracle.compare import audit, inbound, inbound_burst, state, tell
from espproof.conformance.oracle.device import history, judge_device, shown_by
from espproof.conformance.oracle.host import judge_host
from espproof.conformance.oracle.judgement import SETUP, Finding, Incapable, Judgement
from espproof.conformance.oracle.outbound import Judged, OutboundJudge, ivs_of_several
from espproof.conformance.oracle.shown import by_right_packet
from espproof.conformance.requirements.ids import CHECK_FIRST
from espproof.reference.drops import DropReason


@dataclass(frozen=True, slots=True)
class Oracle:
    """Who knows what is right of one subject: a reference that executes a Case, and a judge that holds others against it.

    Both are named by reference (a class or function of a module), so that an oracle can be sent to a worker.
    """

    name: str
    reference: Callable[[], Adapter]
    judge: Callable[[Case, Transcript, Transcript, Capabilities], Judgement | Incapable]
    """What was done, what should have been done, and what the implementation declares."""

    def expected(self, case: Case) -> Transcript:
        """What should become of the case."""
        return _made(self.reference).execute(case)


@cache
def _made(reference: Callable[[], Adapter]) -> Adapter:
    return reference()


def judge(case: Case, got: Transcript, want: Transcript, caps: Capabilities) -> Judgement | Incapable:
    """Hold what an implementation did against what the reference did; `Incapable` if it could not do it at all."""
    for outcome in (*got.setup, *got.steps):
        if isinstance(outcome, Unsupported):
            return Incapable(outcome.what)
    return (_judge if case.host is None else judge_host)(case, got, want, caps)


def _judge(case: Case, got: Transcript, want: Transcript, caps: Capabilities) -> Judgement:
    findings = list(_setup(case, got, want))
    if findings:
        return Judgement(tuple(findings), frozenset())
    tried: set[str] = set()
    declined = set(_declined(case, got))
    sas = {sa.name: sa for sa, right in zip(case.sas, want.setup, strict=True) if isinstance(right, Done)}
    judges = {name: OutboundJudge(sa, caps) for name, sa in sas.items() if sa.direction == "out"}
    senders = list(judges.values())
    for number, (step, outcome, right) in enumerate(zip(case.steps, got.steps, want.steps, strict=True)):
        if isinstance(step, AddSa) and isinstance(right, Done):
            sas[step.sa.name] = step.sa
            if step.sa.direction == "out":
                judges[step.sa.name] = OutboundJudge(step.sa, caps)
                senders.append(judges[step.sa.name])
        if _concerns(step, right) in declined:
            continue
        if step.requirement:
            tried.add(step.requirement)
        if step.behaviour:
            if isinstance(step, Outbound) and step.sa in judges:
                judges[step.sa].follow(outcome)
            continue
        told = list(
            _device(case, number, step, outcome, want, caps, declined)
            if isinstance(step, DeviceEvent | ReadDevice)
            else _step(number, step, outcome, right, judges, sas, caps)
        )
        findings += [Finding(requirement or step.requirement or "?", number, message) for requirement, message in told]
        if not told:
            tried.update(
                shown_by(caps.device) if isinstance(step, ReadDevice) and caps.device else _shown_inbound(right, sas)
            )
    for judged in senders:
        findings += [Finding(requirement, number, message) for requirement, number, message in judged.whole_history()]
        tried |= judged.shown
    findings += [Finding(requirement, number, message) for requirement, number, message in ivs_of_several(senders)]
    return Judgement(tuple(findings), frozenset(tried))


def shows_nothing(case: Case, want: Transcript) -> str:
    """Why a case says nothing of any implementation that does as the reference does; "" if it says something.

    It names no requirement; or all its packets are for nobody, as with a key or an SA that is not theirs, though no step
    expects that. A case that means it says so in `expect`.
    """
    if not case.requirements and not any(step.requirement or step.behaviour for step in case.steps):
        return "it names no requirement"
    arrived = [
        (step, one)
        for step, outcome in zip(case.steps, want.steps, strict=True)
        if isinstance(step, Inbound | InboundBurst)
        for one in (outcome.results if isinstance(outcome, Burst) else (outcome,))
    ]
    lost = [one.reason for step, one in arrived if step.expect is None and isinstance(one, Dropped)]
    if arrived and len(lost) == len(arrived) == len(case.steps) and set(lost) <= _FOR_NOBODY:
        told = ", ".join(sorted(set(lost)))
        return f"all its packets are dropped ({told}), and no step expects it: is a key, an SPI or an address another?"
    return ""


_FOR_NOBODY = frozenset({DropReason.NO_SA.value, DropReason.INTEGRITY.value})
"""What becomes of packets whose SA is missing, or has other keys."""


def _declined(case: Case, got: Transcript) -> Iterator[str]:
    """Names of SAs that the documents leave to the implementation to have, and that it would not have: no packet of
    theirs can be held against it."""
    for step, outcome in zip(case.steps, got.steps, strict=True):
        if isinstance(step, AddSa) and step.behaviour and isinstance(outcome, Refused):
            yield step.sa.name


def _concerns(step: Step, want: Outcome) -> str | None:
    """The name of the SA that is to do something in this step, which was added before."""
    if isinstance(want, Delivered):
        return want.sa
    return None if isinstance(step, AddSa) else STEPS[type(step)].sa(step)


def _shown_inbound(want: Outcome, sas: dict[str, Sa]) -> Iterator[str]:
    """What the packets have shown that were delivered as they should be."""
    for one in want.results if isinstance(want, Burst) else (want,):
        if isinstance(one, Delivered) and one.sa in sas:
            yield from by_right_packet(sas[one.sa], one.packet[0] >> 4)


def _setup(case: Case, got: Transcript, want: Transcript) -> Iterator[Finding]:
    for sa, outcome, right in zip(case.sas, got.setup, want.setup, strict=True):
        if type(outcome) is not type(right):
            yield Finding("espproof-setup", SETUP, f"SA {sa.name}: {tell(outcome)}, expected {tell(right)}", sa.name)


def _step(
    number: int,
    step: Step,
    got: Outcome,
    want: Outcome,
    judges: dict[str, OutboundJudge],
    sas: dict[str, Sa],
    caps: Capabilities,
) -> Judged:
    if isinstance(step, Outbound | OutboundBurst):
        yield from _outbound(number, step, got, want, judges)
    elif isinstance(step, InboundBurst):
        yield from inbound_burst(got, want, caps, sas)
    elif isinstance(step, Inbound):
        yield from inbound(got, want, caps, sas)
        reasons = (got, want) == (Dropped(reason="integrity"), Dropped(reason="replay"))
        if step.requirement == CHECK_FIRST and caps.drop_reasons and reasons:
            yield (
                None,
                "dropped (integrity), expected dropped (replay): the ICV was computed for a number received before",
            )
    elif isinstance(want, Audit):
        yield from audit(got, want, caps)
    elif isinstance(want, State):
        yield from state(got, want, caps)
        if isinstance(step, ReadState) and step.sa in judges and isinstance(got, State) and caps.tells_early:
            if got.early is None:
                yield None, "what was sent before the case is not told"
            else:
                yield from judges[step.sa].early(number, got.early)
    elif type(got) is not type(want):
        yield None, f"{tell(got)}, expected {tell(want)}"


def _device(
    case: Case, number: int, step: Step, got: Outcome, want: Transcript, caps: Capabilities, declined: set[str]
) -> Judged:
    """The reference has no device: what is right follows from what it made of the packets."""
    if isinstance(step, DeviceEvent):
        if not isinstance(got, Done):
            yield None, f"{tell(got)}, expected done"
    elif not isinstance(got, DeviceState) or caps.device is None:
        yield None, f"{tell(got)}, expected what the device has"
    else:
        yield from judge_device(got, history(case, want.steps, caps.device, number, declined))


def _outbound(
    number: int, step: Outbound | OutboundBurst, got: Outcome, want: Outcome, judges: dict[str, OutboundJudge]
) -> Judged:
    if isinstance(want, Refused):
        if any(isinstance(one, Sent) for one in (got.results if isinstance(got, Burst) else (got,))):
            yield None, f"{tell(got)}, expected {tell(want)}"
    elif isinstance(step, Outbound):
        yield from judges[step.sa].judge(number, step, Dropped() if isinstance(got, Refused) else got, want)
    elif isinstance(got, Burst) and isinstance(want, Burst) and len(got.results) == len(want.results):
        for packet, one_got, one_want in zip(step.packets, got.results, want.results, strict=True):
            yield from judges[step.sa].judge(number, Outbound(sa=step.sa, packet=packet), one_got, one_want)
    else:
        yield None, f"{tell(got)}, expected {tell(want)}"


ESP = Oracle("esp", ReferenceAdapter, judge)
"""The oracle of RFC 4303, which says what is right of every adapter that carries packets."""
