"""Why a burst went wrong: because it was one, or because each of its packets does.

Packets that arrive together must fare as if they had come one by one with the same implementation. One that makes the
same mistake with each of them alone has nothing wrong with its bursts, and is told what is wrong with the packet.
"""

from msgspec.structs import replace

from espproof.adapters.base import Transcript
from espproof.adapters.capabilities import Capabilities
from espproof.adapters.case import Burst, Case, Delivered, Dropped, Inbound, InboundBurst, Outcome, Passed, Sa, Step
from espproof.adapters.translate import entry
from espproof.conformance.oracle.compare import Sas, inbound
from espproof.conformance.requirements.ids import (
    ACCEPTED,
    BOUNDS,
    BURST,
    BYPASS,
    DUMMY_DISCARDED,
    DUPLICATE,
    ICV_WRONG,
    KEEPALIVE,
    LEFT,
    MALFORMED,
    MARKER,
    NEW,
    NO_SA,
)
from espproof.reference import ip, udp_encapsulation
from espproof.reference.esp import sequence_low

_OF_REASON = {
    "replay": DUPLICATE,
    "integrity": ICV_WRONG,
    "no-sa": NO_SA,
    "dummy": DUMMY_DISCARDED,
    "padding": BOUNDS,
    "keepalive": KEEPALIVE,
}


def one_by_one(case: Case) -> Case:
    """The same case, whose inbound bursts are single packets."""
    steps: list[Step] = []
    for step in case.steps:
        steps += singles(step) if isinstance(step, InboundBurst) else (step,)
    return replace(case, steps=tuple(steps))


def singles(burst: InboundBurst) -> list[Inbound]:
    """One step per packet of a burst."""
    return [
        Inbound(packet=packet, requirement=burst.requirement, behaviour=burst.behaviour) for packet in burst.packets
    ]


def own_requirement(case: Case, number: int, got: Outcome, want: Outcome, alone: Transcript, caps: Capabilities) -> str:
    """What is not met by the burst of step `number`; `alone` is what the implementation made of `one_by_one`.

    The requirement of the first packet that went wrong, if it goes wrong alone in the same way; otherwise that of bursts.
    """
    if not isinstance(got, Burst) or not isinstance(want, Burst) or len(got.results) != len(want.results):
        return BURST
    sas: Sas = {sa.name: sa for sa in case.every_sa()}
    first = sum(len(step.packets) if isinstance(step, InboundBurst) else 1 for step in case.steps[:number])
    for place, (is_, should) in enumerate(zip(got.results, want.results, strict=True)):
        if any(inbound(is_, should, caps, sas)):
            if any(inbound(alone.steps[first + place], is_, caps, sas)):
                return BURST
            step = case.steps[number]
            packet = step.packets[place] if isinstance(step, InboundBurst) else b""
            return LEFT if _is_late(should, packet, sas) else _of_packet(is_, should)
    return BURST


def _is_late(want: Outcome, packet: bytes, sas: Sas) -> bool:
    """Whether a packet fails because its number is taken for one of the next subspace: left of an ESN window."""
    if want != Dropped(reason="integrity"):
        return False
    return any(_opens(packet, sa) for sa in sas.values() if sa.esn and sa.direction == "in")


def _opens(packet: bytes, sa: Sa) -> bool:
    """Whether the packet is authentic under the high half with which the SA began, or one beside it."""
    codec = entry(sa).codec
    esp = ip.parse(packet).payload[0 if sa.udp is None else udp_encapsulation.HEADER_SIZE :]
    if len(esp) < codec.smallest or not esp.startswith(codec.spi):
        return False
    low, high = sequence_low(esp), int(sa.sequence) >> 32
    numbers = [other << 32 | low for other in (high, high + 1, high - 1) if 0 <= other < 1 << 32]
    return any(isinstance(codec.open(esp, number), bytes) for number in numbers)


def _of_packet(got: Outcome, want: Outcome) -> str:
    match want:
        case Delivered():
            return ACCEPTED if isinstance(got, Delivered) else NEW
        case Passed(to=to):
            return MARKER if to == "ike" else BYPASS
        case Dropped(reason=reason):
            return _OF_REASON.get(reason, MALFORMED)
    return BURST
