"""Do outcomes really travel from the implementation to the verdict?

A case that is wrong on purpose must give a finding, whichever way it is wrong: judged as if the SA had another key or
SPI, compared with references that make a mistake, or carrying an expectation that is a lie. An adapter that echoes
expectations, always says the same, or hands its input back is caught by one of them.
"""

from collections.abc import Callable

from msgspec.structs import replace

from espproof.adapters.case import Delivered, Dropped, Inbound, Octets, Outbound, Outcome, Sa, Sent, Step
from espproof.adapters.seeded import SeededAdapter
from espproof.conformance.oracle.compare import tell
from espproof.conformance.selfcheck.item import Question
from espproof.conformance.selfcheck.rig import Flow, Rig, arrives, case_of
from espproof.conformance.strategies import values, wire

WRONG_REFERENCES = ("icv-failure-sticks", "padding-check-from-zero", "icv-mismatch-count-as-success")
"""Seeded defects that depart on plain traffic: the first two with every algorithm, none of them by an exception."""


def _right_is_delivered(rig: Rig) -> str | None:
    rig.need("direction in", "in" in rig.caps.directions)
    flow = rig.flow("in")
    packets = [flow.plain(length=length) for length in (16, 1, 33)]
    return rig.compare(case_of((flow,), *[flow.right(number, p) for number, p in enumerate(packets, 1)]))


def _garbage_is_not(rig: Rig) -> str | None:
    """Octets that no key has seen, another key's packets, and somebody else's SPI."""
    rig.need("direction in", "in" in rig.caps.directions)
    flow = rig.flow("in")
    whole = flow.protected(1)
    length = _peer_length(flow, whole)
    other = _with_other_keys(flow)
    steps: list[Step] = [
        arrives(whole[:-length] + flow.sa.spi.to_bytes(4, "big") + values.octets(11, "garbage", length - 4)),
        arrives(other.protected(1)),
        arrives(wire.spi(whole, length, flow.sa.spi ^ 0x5A5A0000)),
        flow.forged(1),
    ]
    for number, outcome in enumerate(rig.execute(case_of((flow,), *steps)).steps):
        if isinstance(outcome, Delivered):
            what = ("noise under the SA's SPI", "a packet of another key", "a packet of another SPI", "a forged packet")
            return f"{what[number]} is delivered"
    return None


def _peer_length(flow: Flow, packet: bytes) -> int:
    assert flow.peer is not None
    return flow.peer.esp_length(packet)


def _with_other_keys(flow: Flow) -> Flow:
    assert flow.peer is not None
    other = _other_keys(flow.sa)
    return Flow(other, flow.version, type(flow.peer)(other))


def _other_keys(sa: Sa) -> Sa:
    """The same SA with one bit of every key changed."""
    changed = {
        name: Octets(key[:-1] + bytes([key[-1] ^ 0x20]))
        for name in ("encr_key", "salt", "auth_key")
        if (key := bytes(getattr(sa, name)))
    }
    return replace(sa, **changed)


def _judged_with_another_key(rig: Rig) -> str | None:
    return _must_be_found(rig, _other_keys, "as if the SA had another key")


def _judged_with_another_spi(rig: Rig) -> str | None:
    return _must_be_found(rig, lambda sa: replace(sa, spi=sa.spi ^ 0x00110000), "as if the SA had another SPI")


def _must_be_found(rig: Rig, lie: Callable[[Sa], Sa], told: str) -> str | None:
    """Execute right traffic, direction by direction; judged by the lie, each must give a finding."""
    for direction in rig.directions():
        flow = rig.flow(direction)
        case = rig.traffic([flow])
        wrong = replace(case, sas=tuple(lie(sa) for sa in case.sas))
        if not rig.told(wrong, rig.execute(case), rig.reference(wrong)):
            return f"direction {direction}: right traffic, judged {told}, gives no finding"
    return None


def _judged_by_wrong_references(rig: Rig) -> str | None:
    """Where a reference with a known mistake departs from the true one, so must the adapter from it."""
    rig.need("direction in", "in" in rig.caps.directions)
    flow = rig.flow("in")
    case = case_of((flow,), flow.right(1), flow.forged(2), flow.right(2))
    got = rig.execute(case)
    departed = False
    for defect in WRONG_REFERENCES:
        wrong = SeededAdapter(defect).execute(case)
        if wrong == rig.reference(case):
            continue
        departed = True
        if not rig.told(case, got, wrong):
            return f"it agrees with a reference that has the defect {defect}"
    return None if departed else "no wrong reference departs here"


def _believes_no_expectation(rig: Rig) -> str | None:
    """Every step says that it expects something wrong; the outcomes must be as if it did not."""
    flows = rig.flows()
    case = rig.traffic(flows)
    told_lies = replace(case, steps=tuple(_expecting_wrong(step) for step in case.steps))
    got = rig.execute(told_lies)
    for number, (step, outcome) in enumerate(zip(told_lies.steps, got.steps, strict=True), 1):
        if outcome == step.expect:
            return f"step {number}: {tell(outcome)}, as the case falsely expects"
    return rig.told(case, got, rig.reference(case))


def _expecting_wrong(step: Step) -> Step:
    return replace(step, expect=_lie(step))


def _lie(step: Step) -> Outcome:
    if isinstance(step, Outbound):
        return Sent(packet=step.packet)
    if isinstance(step, Inbound):
        return Delivered(packet=Octets(step.packet[:20] + b"espproof"), sa="sa0")
    return Dropped(reason="espproof")


def _tells_packets_apart(rig: Rig) -> str | None:
    """Outbound packets are protected each by itself: the octets that go in come out at the other end."""
    rig.need("direction out", "out" in rig.caps.directions)
    flow = rig.flow("out")
    packets = [flow.plain(length=length, identification=length) for length in (16, 40, 17)]
    return rig.compare(case_of((flow,), *[flow.send(packet) for packet in packets]))


def _not_what_was_sent_before(rig: Rig) -> str | None:
    """An answer of an earlier case is no answer: other keys, other octets."""
    for direction in rig.directions():
        flow = rig.flow(direction)
        rig.execute(rig.traffic([flow]))
        other = _with_other_keys(flow)
        wrong = rig.compare(rig.traffic([other]))
        if wrong:
            return wrong
    return None


QUESTIONS = (
    Question("honesty.right-is-delivered", "report what comes out of the implementation, octet by octet.",
             _right_is_delivered),
    Question("honesty.garbage-is-not", "report Delivered only for what the implementation delivers.", _garbage_is_not),
    Question("honesty.wrong-key-is-found", "report what the implementation did with the keys it was given.",
             _judged_with_another_key),
    Question("honesty.wrong-spi-is-found", "report what the implementation did with the SPI it was given.",
             _judged_with_another_spi),
    Question("honesty.wrong-reference-is-found", "do not compare or correct: only report.",
             _judged_by_wrong_references),
    Question("honesty.expectations-ignored", "do not look at `expect`: only the suite compares.",
             _believes_no_expectation),
    Question("honesty.packets-told-apart", "report the packet that belongs to the step.", _tells_packets_apart),
    Question("honesty.nothing-from-before", "keep no answers from one case to the next.", _not_what_was_sent_before),
)  # fmt: skip
