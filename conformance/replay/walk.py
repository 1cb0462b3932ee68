"""One case walked with one implementation, the reference beside it: what was done, what came of it, what is wrong.

A `Walk` is data (its JSON Schema is `corpus/schema/walk.schema.json`); `terminal` prints it. The oracle judges as
it does in a run. A case that says what it expects, and expects something else than what the reference does, is told as
an oracle conflict: nothing follows from it for the implementation.

An implementation that dies or hangs gives no outcome for the whole case. The case is then cut, by halves, to the first
step at which that happens, so that all before it can be seen.
"""

from collections.abc import Iterable, Sequence

import msgspec

from espproof.adapters.base import Adapter, AdapterError, AdapterFailure, Transcript
from espproof.adapters.case import (
    Burst,
    Case,
    Delivered,
    Octets,
    Outbound,
    Outcome,
    Sa,
    Sent,
    State,
    Step,
)
from espproof.adapters.registry import open_adapter
from espproof.adapters.steps import STEPS, packets_in
from espproof.conformance.oracle.compare import tell
from espproof.conformance.oracle.judge import ESP, Oracle, shows_nothing
from espproof.conformance.oracle.judgement import SETUP, Finding, Incapable
from espproof.conformance.oracle.verdict import Verdict, of_failure
from espproof.conformance.replay.dissect import Field, dissect
from espproof.conformance.requirements.catalogue import load


class Part(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Octets `start` up to, not including, `end` of a packet: a field. `inner` are those of `plaintext`, if opened."""

    start: int
    end: int
    layer: str
    name: str
    value: str
    plaintext: Octets | None = None
    inner: tuple["Part", ...] = ()


class Packet(msgspec.Struct, frozen=True, kw_only=True):
    """A packet of a step. `what` is "plain" (goes in outbound), "arrives", "sent" or "delivered"."""

    what: str
    octets: Octets
    parts: tuple[Part, ...]


class Wrong(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One requirement that is not met: what was seen, and the requirement in our words, where the catalogue has it."""

    requirement: str
    message: str
    level: str = ""
    text: str = ""


class Stride(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One step. Bursts have several packets in each list; `got` is None if the implementation did not get that far."""

    number: int
    step: Step
    got: Outcome | None
    want: Outcome
    given: tuple[Packet, ...] = ()
    got_packets: tuple[Packet, ...] = ()
    want_packets: tuple[Packet, ...] = ()
    wrong: tuple[Wrong, ...] = ()
    conflict: str = ""


class Setup(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One SA that the case begins with."""

    sa: Sa
    got: Outcome | None
    want: Outcome
    wrong: tuple[Wrong, ...] = ()


class Walk(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A case on an implementation. `verdict` is pass, fail, inapplicable, crash, hang, adapter-error or oracle-conflict.

    `missing` is what the implementation cannot do, `says_nothing` why the case says nothing of it (both inapplicable),
    `failure` what became of it at step `failed_at` (-1: while the SAs were added).
    """

    adapter: str
    adapter_version: str
    case: str
    title: str
    verdict: Verdict
    setup: tuple[Setup, ...]
    steps: tuple[Stride, ...]
    missing: str = ""
    says_nothing: str = ""
    failure: str = ""
    failed_at: int | None = None


def replay(case: Case, adapter_name: str, oracle: Oracle = ESP) -> Walk:
    """Walk the case on the adapter of that name. `Misuse` if there is none, `AdapterError` if it cannot start."""
    with open_adapter(adapter_name) as adapter:
        return walk(case, adapter, adapter_name, oracle)


def walk(case: Case, adapter: Adapter, name: str = "", oracle: Oracle = ESP) -> Walk:
    """Walk the case on an open adapter."""
    want = oracle.expected(case)
    caps, version = adapter.capabilities(), adapter.version
    failure: AdapterFailure | None = None
    failed_at: int | None = None
    try:
        got = _execute(adapter, case)
    except AdapterFailure as error:
        failure = error
        got, failed_at = _until(case, adapter)
    findings: Sequence[Finding] = ()
    missing = ""
    if failure is None:
        judgement = oracle.judge(case, got, want, caps)
        if isinstance(judgement, Incapable):
            missing = judgement.what
        else:
            findings = judgement.findings
    steps = _strides(case, got, want, findings)
    if failure is not None:
        verdict = of_failure(failure)
    elif missing:
        verdict = Verdict.INAPPLICABLE
    elif findings:
        verdict = Verdict.FAIL
    else:
        verdict = Verdict.ORACLE_CONFLICT if any(step.conflict for step in steps) else Verdict.PASS
    says_nothing = shows_nothing(case, want) if verdict is Verdict.PASS else ""
    return Walk(
        adapter=name or adapter.name,
        adapter_version=version,
        case=case.id,
        title=case.title,
        verdict=Verdict.INAPPLICABLE if says_nothing else verdict,
        setup=_setup(case, got, want, findings),
        steps=steps,
        missing=missing,
        says_nothing=says_nothing,
        failure="" if failure is None else f"{type(failure).__name__}: {failure}",
        failed_at=failed_at,
    )


def _execute(adapter: Adapter, case: Case) -> Transcript:
    """What the adapter says. Whatever it raises, and whatever else it says than outcomes, is an `AdapterError`."""
    try:
        done = adapter.execute(case)
        outcomes = [isinstance(outcome, Outcome) for outcome in (*done.setup, *done.steps)]
    except AdapterFailure:
        raise
    except Exception as error:
        raise AdapterError(f"it raised {type(error).__name__}: {error}") from error
    if not all(outcomes) or (len(done.setup), len(done.steps)) != (len(case.sas), len(case.steps)):
        raise AdapterError(f"{sum(outcomes)} outcomes for {len(case.sas)} SAs and {len(case.steps)} steps")
    return done


def _until(case: Case, adapter: Adapter) -> tuple[Transcript, int]:
    """What the implementation did before the step at which it fails, and the number of that step."""
    done, fails = -1, len(case.steps)  # so many steps are known to work (-1: not even the SAs), to fail
    transcript = Transcript((), ())
    while fails - done > 1:
        count = (done + fails) // 2
        try:
            transcript = _execute(adapter, msgspec.structs.replace(case, steps=case.steps[:count]))
            done = count
        except AdapterFailure:
            fails = count
    return transcript, done if done >= 0 else SETUP


# -------------------------------------------------------------------------------------------------------------- steps


def _setup(case: Case, got: Transcript, want: Transcript, findings: Iterable[Finding]) -> tuple[Setup, ...]:
    told = [(finding.sa, _wrong(finding)) for finding in findings if finding.step == SETUP]
    return tuple(
        Setup(
            sa=sa,
            got=got.setup[index] if index < len(got.setup) else None,
            want=want.setup[index],
            wrong=tuple(one for name, one in told if name == sa.name),
        )
        for index, sa in enumerate(case.sas)
    )


def _strides(case: Case, got: Transcript, want: Transcript, findings: Sequence[Finding]) -> tuple[Stride, ...]:
    sas = case.every_sa()
    strides = []
    for number, (step, right) in enumerate(zip(case.steps, want.steps, strict=True)):
        outcome = got.steps[number] if number < len(got.steps) else None
        strides.append(
            Stride(
                number=number,
                step=step,
                got=outcome,
                want=right,
                given=_given(step, sas),
                got_packets=_packets(outcome, sas),
                want_packets=_packets(right, sas),
                wrong=tuple(_wrong(finding) for finding in findings if finding.step == number),
                conflict=_conflict(step, right),
            )
        )
    return tuple(strides)


def _wrong(finding: Finding) -> Wrong:
    entry = load().get(finding.requirement)
    return Wrong(
        requirement=finding.requirement,
        message=finding.message,
        level=entry.level.value if entry is not None else "",
        text=entry.text if entry is not None else "",
    )


def _conflict(step: Step, want: Outcome) -> str:
    """How the expectation that stands in the case differs from the reference; nothing where it does not.

    Compared is what has one right answer: not drop reasons, nor an outbound packet whose IV was free.
    """
    expect = step.expect
    if expect is None or step.behaviour:
        return ""
    same = type(expect) is type(want)
    if isinstance(expect, Delivered) and isinstance(want, Delivered):
        same = expect.packet == want.packet and (expect.sa is None or expect.sa == want.sa)
    elif isinstance(expect, Sent) and isinstance(want, Sent) and isinstance(step, Outbound) and step.iv is not None:
        same = expect.packet == want.packet
    elif isinstance(expect, State) and isinstance(want, State):
        same = all(getattr(expect, name) in (None, getattr(want, name)) for name in State.__struct_fields__)
    elif isinstance(expect, Burst) and isinstance(want, Burst):
        same = [_kind(one) for one in expect.results] == [_kind(one) for one in want.results]
    return "" if same else f"the case expects {tell(expect)}, the reference {tell(want)}"


def _kind(outcome: Outcome) -> object:
    return bytes(outcome.packet) if isinstance(outcome, Delivered) else type(outcome)


# ------------------------------------------------------------------------------------------------------------- packets


def _given(step: Step, sas: Sequence[Sa]) -> tuple[Packet, ...]:
    kind = STEPS[type(step)]
    what = "plain" if kind.direction == "out" else "arrives"
    return tuple(_packet(what, packet, sas) for packet in kind.packets(step))


def _packets(outcome: Outcome | None, sas: Sequence[Sa]) -> tuple[Packet, ...]:
    return tuple(_packet(what, packet, sas) for what, packet in packets_in(outcome))


def _packet(what: str, octets: Octets, sas: Sequence[Sa]) -> Packet:
    fields = dissect(octets, sas, plain=what in ("plain", "delivered"))
    return Packet(what=what, octets=octets, parts=tuple(_part(field) for field in fields))


def _part(field: Field) -> Part:
    return Part(
        start=field.start,
        end=field.end,
        layer=field.layer,
        name=field.name,
        value=field.value,
        plaintext=Octets(field.plaintext) if field.plaintext else None,
        inner=tuple(_part(inner) for inner in field.inner),
    )


def cannot_run(walked: Walk) -> bool:
    """Whether nothing was learnt about the implementation."""
    return walked.verdict in (Verdict.INAPPLICABLE, Verdict.ADAPTER_ERROR)
