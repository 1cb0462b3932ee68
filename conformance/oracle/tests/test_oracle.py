"""The oracle: for each kind of step, which outcomes are held against an implementation and which are not."""

import pytest
from msgspec.structs import replace

from espproof.adapters.base import Transcript
from espproof.adapters.capabilities import everything
from espproof.adapters.case import (
    AddSa,
    AdvanceTime,
    Burst,
    Case,
    DeleteSa,
    Delivered,
    Done,
    Dropped,
    Inbound,
    InboundBurst,
    Octets,
    Outbound,
    OutboundBurst,
    Outcome,
    Passed,
    ReadState,
    Refused,
    Sa,
    Sent,
    SequenceNumber,
    State,
    Step,
    Unsupported,
)
from espproof.adapters.models.reference import ReferenceAdapter
from espproof.conformance.oracle.judge import judge, shows_nothing
from espproof.conformance.oracle.judgement import SETUP, Incapable, Judgement
from espproof.reference import ip
from espproof.reference.drops import DropReason

CAPS = everything()
ABOUT = "RFC4303-3.4.4-accepted"
IN = Sa(
    name="in", direction="in", spi=0x1A2B3C4D, mode="tunnel", source="192.0.2.1", destination="192.0.2.2",
    encr="ENCR_AES_GCM_16", encr_key=Octets(range(1, 17)), salt=Octets(b"\xa1\xb2\xc3\xd4"),
)  # fmt: skip
OUT = replace(IN, name="out", direction="out")
PACKET = Octets(ip.build_ipv4(b"\xcb\x00\x71\x07", b"\xcb\x00\x71\x82", 253, b"the payload", tos=0xB8))
OTHER = Octets(PACKET[:-1] + b"\x00")
SENT = ReferenceAdapter().execute(Case(version=1, sas=(OUT,), steps=(Outbound(sa="out", packet=PACKET),))).steps[0]
STATE = State(sequence=SequenceNumber(7), received_offsets=(0, 1), packets=2, octets=2 * len(PACKET), lifetime="ok")
ARRIVES = Inbound(packet=PACKET, requirement=ABOUT)


def judged(step: Step, got: Outcome, want: Outcome, **capabilities: object) -> Judgement | Incapable:
    case = Case(version=1, sas=(IN, OUT), steps=(step,))
    setup = (Done(), Done())
    return judge(case, Transcript(setup, (got,)), Transcript(setup, (want,)), replace(CAPS, **capabilities))


def findings(step: Step, got: Outcome, want: Outcome, **capabilities: object) -> list[tuple[str, int]]:
    judgement = judged(step, got, want, **capabilities)
    assert isinstance(judgement, Judgement)
    return [(finding.requirement, finding.step) for finding in judgement.findings]


INBOUND: dict[str, Outcome] = {
    "delivered": Delivered(packet=PACKET, sa="in"),
    "delivered by nobody in particular": Delivered(packet=PACKET),
    "dropped": Dropped(reason="replay"),
    "passed to ike": Passed(to="ike"),
    "bypassed": Passed(to="bypass"),
}
SAME = {("delivered", "delivered by nobody in particular"), ("delivered by nobody in particular", "delivered")}


@pytest.mark.parametrize("want", INBOUND)
@pytest.mark.parametrize("got", INBOUND)
def test_an_inbound_packet_has_one_right_fate(got: str, want: str) -> None:
    """Delivered, dropped, for IKE, bypassed: what the reference does, or a finding about the step's requirement."""
    right = got == want or (got, want) in SAME
    assert findings(ARRIVES, INBOUND[got], INBOUND[want]) == ([] if right else [(ABOUT, 0)])


@pytest.mark.parametrize("got", list(DropReason))
@pytest.mark.parametrize("exact", [False, True])
def test_reasons_of_drops_are_not_compared(got: DropReason, exact: bool) -> None:
    """A packet that is discarded for another reason is discarded."""
    assert findings(ARRIVES, Dropped(reason=got.value), Dropped(reason="integrity"), drop_reasons=exact) == []


@pytest.mark.parametrize(
    ("packet", "capable", "wrong"),
    [
        (PACKET, False, False),
        (OTHER, False, True),
        (Octets(PACKET + b"\x00"), False, True),
        (Octets(PACKET[:-1]), False, True),
        (Octets(ip.forwarded(PACKET)), False, True),
        (Octets(ip.forwarded(PACKET)), True, False),
    ],
)
def test_delivered_octets_are_the_right_ones(packet: Octets, capable: bool, wrong: bool) -> None:
    """Octet for octet, but for the hop that an implementation says it is."""
    got = Delivered(packet=packet)
    assert findings(ARRIVES, got, Delivered(packet=PACKET), forwards=capable) == ([(ABOUT, 0)] if wrong else [])


def test_the_other_sa_is_the_wrong_one() -> None:
    """A packet that another SA is said to have processed is a finding, though its octets are right."""
    assert findings(ARRIVES, Delivered(packet=PACKET, sa="x"), Delivered(packet=PACKET, sa="in")) == [(ABOUT, 0)]


CONTROL: tuple[Step, ...] = (
    DeleteSa(sa="in", requirement=ABOUT),
    AdvanceTime(seconds=1, requirement=ABOUT),
)


@pytest.mark.parametrize("step", CONTROL, ids=lambda step: type(step).__name__)
@pytest.mark.parametrize(
    ("got", "want", "wrong"),
    [
        (Done(), Done(), False),
        (Refused(reason="a"), Refused(reason="b"), False),
        (Refused(), Done(), True),
        (Done(), Refused(), True),
        (Dropped(), Done(), True),
        (State(), Done(), True),
    ],
)
def test_a_control_step_is_done_or_refused(step: Step, got: Outcome, want: Outcome, wrong: bool) -> None:
    """Which of the two counts; the words of a refusal do not."""
    assert findings(step, got, want) == ([(ABOUT, 0)] if wrong else [])


@pytest.mark.parametrize(
    ("changes", "wrong"),
    [
        ({}, 0),
        ({"sequence": SequenceNumber(8)}, 1),
        ({"sequence": None}, 1),
        ({"received_offsets": (0,)}, 1),
        ({"packets": 3}, 1),
        ({"lifetime": "soft"}, 1),
        ({"octets": 2 * len(PACKET) + 60}, 0),
        ({"octets": 10_000}, 1),
        ({"octets": 10_000, "packets": 0}, 2),
    ],
)
def test_state_is_compared_field_by_field(changes: dict[str, object], wrong: int) -> None:
    """One finding per field that differs; which octets count is left open, within what ESP adds and takes away."""
    step = ReadState(sa="in", requirement=ABOUT)
    assert findings(step, replace(STATE, **changes), STATE) == [(ABOUT, 0)] * wrong


def test_state_that_is_not_declared_is_not_compared() -> None:
    """Only the fields that the implementation says it tells."""
    got = State(packets=STATE.packets)
    assert findings(ReadState(sa="in", requirement=ABOUT), got, STATE, read_state=("packets",)) == []
    assert findings(ReadState(sa="in", requirement=ABOUT), Refused(), STATE, read_state=("packets",)) == [(ABOUT, 0)]


RIGHT = Delivered(packet=PACKET)


@pytest.mark.parametrize(
    ("got", "wrong"),
    [
        (Burst(results=(RIGHT, Dropped())), 0),
        (Burst(results=(Dropped(), RIGHT)), 2),
        (Burst(results=(RIGHT, RIGHT)), 1),
        (Burst(results=(RIGHT,)), 1),
        (Burst(results=()), 1),
        (Dropped(), 1),
    ],
)
def test_a_burst_is_judged_packet_by_packet(got: Outcome, wrong: int) -> None:
    """Order and number count; each packet as if it had come alone."""
    step = InboundBurst(packets=(PACKET, PACKET), requirement=ABOUT)
    assert findings(step, got, Burst(results=(RIGHT, Dropped()))) == [(ABOUT, 0)] * wrong


@pytest.mark.parametrize(
    ("got", "want", "wrong"),
    [
        (SENT, SENT, False),
        (Dropped(), SENT, True),
        (Refused(), SENT, True),
        (SENT, Dropped(reason="sequence-overflow"), True),
        (Dropped(reason="too-big"), Dropped(reason="sequence-overflow"), False),
        (Refused(), Dropped(reason="sequence-overflow"), False),
        (SENT, Refused(), True),
        (Dropped(), Refused(), False),
    ],
)
def test_an_outbound_packet_is_sent_or_not(got: Outcome, want: Outcome, wrong: bool) -> None:
    """Whether a packet leaves is the reference's decision; how it is refused is not."""
    step = Outbound(sa="out", packet=PACKET, requirement=ABOUT)
    assert findings(step, got, want) == ([(ABOUT, 0)] if wrong else [])


def test_an_outbound_burst_is_a_burst() -> None:
    """A burst that is not answered packet by packet is a finding."""
    step = OutboundBurst(sa="out", packets=(PACKET,), requirement=ABOUT)
    assert findings(step, Burst(results=(SENT,)), Burst(results=(SENT,))) == []  # type: ignore[arg-type]
    assert findings(step, SENT, Burst(results=(SENT,))) == [(ABOUT, 0)]  # type: ignore[arg-type]


def test_what_is_left_open_is_not_judged() -> None:
    """A step with a behaviour is recorded whatever comes of it."""
    step = replace(ARRIVES, behaviour="number zero")
    assert findings(step, Dropped(), Delivered(packet=PACKET)) == []


def test_unsupported_says_nothing_about_the_implementation() -> None:
    """A case that could not be carried out has no findings, whatever else went wrong in it."""
    assert judged(ARRIVES, Unsupported(what="direction in"), Delivered(packet=PACKET)) == Incapable("direction in")


@pytest.mark.parametrize(
    ("got", "want", "wrong"),
    [(Done(), Done(), False), (Refused(), Done(), True), (Done(), Refused(), True), (Refused(), Refused(), False)],
)
def test_an_sa_that_cannot_be_added_is_told_first(got: Outcome, want: Outcome, wrong: bool) -> None:
    """A difference in the setup is the only finding: what follows from it is not held against anybody."""
    case = Case(version=1, sas=(IN,), steps=(ARRIVES,))
    judgement = judge(
        case, Transcript((got,), (RIGHT,)), Transcript((want,), (RIGHT if not wrong else Dropped(),)), CAPS
    )
    assert isinstance(judgement, Judgement)
    assert [(one.requirement, one.step) for one in judgement.findings] == ([("espproof-setup", SETUP)] if wrong else [])


def test_what_was_tried_is_told() -> None:
    """A step puts its requirement to the test, whether it is met or not."""
    for got in (RIGHT, Dropped()):
        judgement = judged(ARRIVES, got, RIGHT)
        assert isinstance(judgement, Judgement)
        assert ABOUT in judgement.tried
    assert isinstance(SENT, Sent)


@pytest.mark.parametrize(("answer", "found"), [(Refused(), []), (Done(), [(ABOUT, 1)])], ids=["declined", "had"])
@pytest.mark.parametrize("direction", ["in", "out"])
def test_an_sa_that_need_not_be_had(direction: str, answer: Outcome, found: list[tuple[str, int]]) -> None:
    """Whether it is had is recorded; only of one that is had, what becomes of its packets is judged."""
    sa = replace(IN if direction == "in" else OUT, spi=3)
    traffic = ARRIVES if direction == "in" else Outbound(sa="out", packet=PACKET, requirement=ABOUT)
    right = INBOUND["delivered"] if direction == "in" else SENT
    case = Case(version=1, sas=(), steps=(AddSa(sa=sa, requirement=ABOUT, behaviour="SA with a reserved SPI"), traffic))
    judgement = judge(case, Transcript((), (answer, Dropped())), Transcript((), (Done(), right)), CAPS)
    assert isinstance(judgement, Judgement)
    assert [(finding.requirement, finding.step) for finding in judgement.findings] == found
    assert judgement.tried == {ABOUT}


FOREIGN = replace(IN, encr_key=Octets(bytes(16)))
PROTECTED = Inbound(packet=SENT.packet, requirement=ABOUT)  # type: ignore[union-attr]  # it was sent


@pytest.mark.parametrize(
    ("case", "told"),
    [
        (Case(version=1, sas=(IN,), steps=(PROTECTED,)), ""),
        (Case(version=1, sas=(IN,), steps=(replace(PROTECTED, requirement=None),)), "no requirement"),
        (Case(version=1, sas=(IN,), steps=(replace(PROTECTED, requirement=None),), requirements=(ABOUT,)), ""),
        (Case(version=1, sas=(FOREIGN,), steps=(PROTECTED,)), "dropped (integrity)"),
        (Case(version=1, sas=(), steps=(PROTECTED, PROTECTED)), "dropped (no-sa)"),
        (Case(version=1, sas=(FOREIGN,), steps=(replace(PROTECTED, expect=Dropped()),)), ""),
        (Case(version=1, sas=(IN,), steps=(PROTECTED, PROTECTED)), ""),
        (Case(version=1, sas=(FOREIGN, OUT), steps=(PROTECTED, Outbound(sa="out", packet=PACKET))), ""),
    ],
    ids=["right", "nothing named", "named by the case", "other key", "no SA", "meant", "a replay too", "and outbound"],
)  # fmt: skip
def test_a_case_that_says_nothing(case: Case, told: str) -> None:
    """It names no requirement, or everything that arrives is for somebody else and nobody expects that."""
    assert told in shows_nothing(case, ReferenceAdapter().execute(case))
    assert bool(told) == bool(shows_nothing(case, ReferenceAdapter().execute(case)))
