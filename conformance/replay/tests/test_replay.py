"""A walk tells what was done, what came of it and what is wrong; whatever the implementation does, there is a walk."""

import io
import json
from collections.abc import Callable
from typing import Any

import jsonschema
import msgspec
import pytest
from rich.console import Console

from espproof.adapters.base import Adapter, AdapterError, Crashed, Hung, Transcript
from espproof.adapters.case import (
    AdvanceTime,
    Case,
    DeleteSa,
    Delivered,
    Done,
    Dropped,
    Inbound,
    InboundBurst,
    Octets,
    Outbound,
    Outcome,
    ReadState,
    Refused,
    Sa,
    Sent,
    SequenceNumber,
    State,
    Step,
    Unsupported,
    to_plain,
)
from espproof.adapters.models.reference import ReferenceAdapter
from espproof.adapters.schema import published
from espproof.conformance.oracle.verdict import Verdict
from espproof.conformance.replay import terminal as replay_terminal
from espproof.conformance.replay.walk import Walk, replay, walk
from espproof.reference import ip

INNER = ip.build_ipv4(bytes([10, 1, 2, 3]), bytes([10, 4, 5, 6]), 253, b"sixteen octets..")
OUT = Sa(
    name="out", direction="out", spi=0x12345678, mode="tunnel", source="192.0.2.1", destination="198.51.100.2",
    encr="ENCR_AES_GCM_16", encr_key=Octets(range(16)), salt=Octets(b"salt"), sequence=SequenceNumber(7),
)  # fmt: skip
IN = msgspec.structs.replace(OUT, name="in", direction="in", sequence=SequenceNumber(0))


def case(*steps: Step, sas: tuple[Sa, ...] = (OUT, IN), **fields: Any) -> Case:
    return Case(version=1, sas=sas, steps=steps, **fields)


SEND = Outbound(sa="out", packet=Octets(INNER), requirement="RFC4303-3.3.2-icv")
SENT = ReferenceAdapter().execute(case(SEND)).steps[0]
assert isinstance(SENT, Sent)
RECEIVE = Inbound(packet=SENT.packet, requirement="RFC4303-3.4.3-duplicate-rejected")
CASE = case(SEND, RECEIVE, InboundBurst(packets=(SENT.packet,) * 2), ReadState(sa="in"), id="it", title="A title")


class Changed(ReferenceAdapter):
    """The reference, but for some steps."""

    name = "changed"

    def __init__(self, change: Callable[[Step, Outcome], Any]) -> None:
        super().__init__()
        self._change = change

    def take(self, step: Step) -> Outcome:
        outcome: Outcome = self._change(step, super().take(step))
        return outcome


def fails(failure: Exception, at: type[Step]) -> Adapter:
    """The reference, but it fails at steps of that type."""

    def change(step: Step, outcome: Outcome) -> Outcome:
        if isinstance(step, at):
            raise failure
        return outcome

    return Changed(change)


def shown(walked: Walk, width: int = 80) -> str:
    text = io.StringIO()
    replay_terminal.show(Console(file=text, width=width), walked)
    return text.getvalue()


def test_the_reference_beside_itself_passes() -> None:
    """All steps have the same outcomes, and every packet is taken apart."""
    walked = replay(CASE, "reference")
    assert walked.verdict is Verdict.PASS
    assert [step.got for step in walked.steps] == [step.want for step in walked.steps]
    assert [packet.what for step in walked.steps for packet in (*step.given, *step.want_packets)] == [
        "plain", "sent", "arrives", "delivered", "arrives", "arrives",
    ]  # fmt: skip
    ciphertext = next(part for part in walked.steps[0].want_packets[0].parts if part.layer == "ciphertext")
    assert ciphertext.plaintext is not None
    assert ciphertext.plaintext.startswith(INNER)


def test_a_difference_is_told_with_the_wording_of_the_requirement() -> None:
    """A replayed packet is delivered once more."""
    again = Delivered(packet=Octets(INNER), sa="in")
    walked = walk(
        case(RECEIVE, RECEIVE), Changed(lambda step, outcome: again if isinstance(outcome, Dropped) else outcome)
    )
    assert walked.verdict is Verdict.FAIL
    assert walked.steps[0].wrong == ()
    (wrong,) = walked.steps[1].wrong
    assert (wrong.requirement, wrong.level) == ("RFC4303-3.4.3-duplicate-rejected", "MUST")
    assert wrong.text
    text = shown(walked)
    for words in ("DIFFERS", wrong.text.split(".")[0][:30], "dropped (replay)", "FAIL", "step 1"):
        assert words in text


def test_a_seeded_defect_is_seen() -> None:
    """By its name, as any adapter."""
    walked = replay(case(RECEIVE, RECEIVE), "seeded:anti-replay-not-checked")
    assert walked.verdict is Verdict.FAIL


@pytest.mark.parametrize(
    ("failure", "verdict"),
    [(Crashed("signal 11"), Verdict.CRASH), (Hung("10 s"), Verdict.HANG), (AdapterError("babble"), Verdict.ADAPTER_ERROR),
     (KeyError("oops"), Verdict.ADAPTER_ERROR)],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_a_failure_is_found_at_its_step(failure: Exception, verdict: Verdict) -> None:
    """All before it is there, the step itself has no outcome."""
    many = case(*[SEND] * 9, ReadState(sa="in"), *[SEND] * 5)
    walked = walk(many, fails(failure, ReadState))
    assert walked.verdict is verdict
    assert walked.failed_at == 9
    assert [step.got is not None for step in walked.steps] == [True] * 9 + [False] * 6
    assert str(failure.args[0]) in walked.failure
    assert "at step 9" in shown(walked)


def test_a_failure_before_the_first_step_is_told_so() -> None:
    """While the SAs are added."""

    class Dead(ReferenceAdapter):
        def add_sa(self, sa: Sa) -> Done | Refused | Unsupported:
            raise Crashed("at once")

    walked = walk(CASE, Dead())
    assert (walked.verdict, walked.failed_at) == (Verdict.CRASH, -1)
    assert "while the SAs were added" in shown(walked)


@pytest.mark.parametrize("answer", [None, "sent", 17, Transcript(setup=(), steps=())], ids=repr)
def test_what_is_no_outcome_is_an_error_of_the_adapter(answer: Any) -> None:
    """Neither a traceback nor a verdict about the implementation."""
    walked = walk(case(SEND, SEND), Changed(lambda step, outcome: answer))
    assert walked.verdict is Verdict.ADAPTER_ERROR


def test_too_few_outcomes_are_an_error_of_the_adapter() -> None:
    """An `execute` of its own that loses steps."""

    class Loses(ReferenceAdapter):
        def execute(self, case: Case) -> Transcript:
            done = super().execute(case)
            return Transcript(done.setup, done.steps[:-1])

    assert walk(CASE, Loses()).verdict is Verdict.ADAPTER_ERROR


def test_what_cannot_be_done_is_named() -> None:
    """The missing capability, no difference."""
    walked = walk(CASE, Changed(lambda step, outcome: Unsupported(what="read_state")))
    assert (walked.verdict, walked.missing) == (Verdict.INAPPLICABLE, "read_state")
    assert "cannot do this case: read_state" in shown(walked)


@pytest.mark.parametrize(
    ("step", "expect", "conflict"),
    [
        (RECEIVE, Dropped(reason="unspecified"), True),
        (RECEIVE, Delivered(packet=Octets(INNER)), False),
        (RECEIVE, Delivered(packet=Octets(INNER[:-1])), True),
        (RECEIVE, Delivered(packet=Octets(INNER), sa="other"), True),
        (SEND, Sent(packet=Octets(b"another IV")), False),
        (msgspec.structs.replace(SEND, iv=Octets(8)), Sent(packet=Octets(b"this one")), True),
        (ReadState(sa="in"), State(packets=0), False),
        (ReadState(sa="in"), State(packets=5), True),
    ],
)
def test_a_case_that_expects_something_else_than_the_reference_is_a_conflict(
    step: Step, expect: Outcome, conflict: bool
) -> None:
    """Unless what it expects is open: another IV, counters that it does not name."""
    walked = replay(case(msgspec.structs.replace(step, expect=expect)), "reference")
    assert (walked.verdict is Verdict.ORACLE_CONFLICT) is conflict
    assert bool(walked.steps[0].conflict) is conflict
    assert ("ORACLE CONFLICT" in shown(walked)) is conflict


def test_a_walk_is_json_of_the_published_schema() -> None:
    schema = json.loads(published("walk").read_text(encoding="utf-8"))
    for adapter in ("reference", "seeded:anti-replay-not-checked"):
        plain = json.loads(json.dumps(to_plain(replay(CASE, adapter))))
        jsonschema.Draft202012Validator(schema).validate(plain)


@pytest.mark.parametrize("width", [40, 80, 120])
def test_what_is_printed_fits_and_does_not_drive_the_terminal(width: int) -> None:
    """No line is wider, no control character is left, and nothing is taken for markup."""
    evil = "[bold]x[/]\x1b]0;title\x07\u202e\r\n" + "long" * 50
    sas = (msgspec.structs.replace(OUT, name=evil[:64]), msgspec.structs.replace(IN, source=evil, encr=evil))
    steps = (
        msgspec.structs.replace(SEND, sa=evil[:64], note=evil, requirement=evil, behaviour=evil),
        DeleteSa(sa=evil[:64]), AdvanceTime(seconds=2**53), ReadState(sa=evil[:64]),
        Inbound(packet=Octets(), expect=Refused(reason=evil)),
    )  # fmt: skip
    text = shown(walk(case(*steps, *CASE.steps, sas=sas, id=evil, title=evil), ReferenceAdapter(), evil), width)
    assert all(len(line) <= width and line.isprintable() for line in text.split("\n"))
    assert "[bold]x[/]\\x1b" in text


def test_nothing_is_shown_twice() -> None:
    """The same packet again is one line that says where it has been shown."""
    text = shown(replay(CASE, "reference"))
    assert text.count("header checksum") == 2
    assert text.count("the packet sent at step 0") == 3
