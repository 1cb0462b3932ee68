"""The vectors of windows: every situation of Appendix A, and the last numbers of a sender."""

from collections.abc import Callable, Iterator

from espproof.adapters.case import Case, Dropped, Octets, Outbound, Sa, Sent, SequenceNumber, Step
from espproof.conformance.requirements.ids import INCREMENT, NO_CYCLE
from espproof.conformance.vectors.made import Made, Vector, accepted, arrive, datagram, protect
from espproof.conformance.vectors.situations import Arrival, Situation, boundary, case_a, case_b, crossing, ends, narrow
from espproof.conformance.vectors.suites import SUITES, Suite
from espproof.reference.algorithms import ENCRYPTION

FLAGS = {
    "window-inside": "A late packet inside the window. Dropping it costs throughput on every path that reorders.",
    "window-left-edge": "The left edge, to the packet: a window one too small drops late packets, one too large "
    "reads a bit that belongs to another number.",
    "window-duplicate": "The same packet twice. Accepting it is the replay that the window exists for.",
    "window-right-edge": "Packets that move the window. A window that does not move accepts replays, one that moves "
    "too far drops good packets.",
    "window-shift": "Moving by less than, exactly, and more than W. Bits that survive or vanish in the shift drop new "
    "packets or accept old ones.",
    "esn-case-a": "Case A: a low half left of the window belongs to the next subspace. Guessing the same subspace "
    "stops all traffic at packet 2^32.",
    "esn-case-b": "Case B: the window reaches into the subspace before. A wrong guess drops every late packet around "
    "the crossing, or stops traffic there.",
    "esn-case-boundary": "T's low half is W - 1 or W - 2, where case A turns into case B. An off-by-one here shows "
    "once in 2^32 packets, on every SA.",
    "esn-gap": "The largest gap that can be bridged (2^32 - W packets lost), and one more, which cannot.",
    "esn-forged-wrap": "A forged packet that looks like the next subspace. Whoever stores the new high half before the "
    "ICV is checked can be stopped for ever by one packet from anybody.",
    "esn-before-the-first": "Low halves of numbers before the first subspace. Subtracting one from a high half of 0, or "
    "not daring to, leads into code that nobody tried.",
    "esn-end-of-space": "The end of the 64-bit space. A number that wraps to 0 begins the keystream and all replays "
    "again.",
    "sequence-overflow": "The sender at the last number. Going on would repeat IVs of counter modes under the same key.",
}


EXTENDED: tuple[Callable[[int], Iterator[Situation]], ...] = (case_a, boundary, case_b, crossing, ends)
SIZES = (("gcm16", 32), ("gcm16", 64), ("gcm16", 1024), ("cbc128-sha256", 64))
"""With which suites and window sizes every situation is made; a separate algorithm has its ICV elsewhere."""


def extended() -> Iterator[Vector]:
    for suite, size in SIZES:
        for situations in EXTENDED:
            for situation in situations(size):
                yield _vector(SUITES[suite], size, situation, esn=True)


def short() -> Iterator[Vector]:
    for suite, size in SIZES:
        for situation in narrow(size):
            yield _vector(SUITES[suite], size, situation, esn=False)


def senders() -> Iterator[Vector]:
    for suite in (SUITES["gcm16"], SUITES["cbc128-sha256"]):
        yield _last_numbers(suite, 32)
        yield _last_numbers(suite, 64)


def _vector(suite: Suite, size: int, situation: Situation, *, esn: bool) -> Vector:
    sa = suite.sa(direction="in", esn=esn, sequence=SequenceNumber(situation.highest), replay_window=size)
    made = tuple(
        protect(sa, one.number, datagram(f"window {one.number}"), mistake=one.mistake) for one in situation.arrivals
    )
    steps = tuple(_step(packet, one) for packet, one in zip(made, situation.arrivals, strict=True))
    case = Case(
        version=1,
        id=f"window-{suite.name}-w{size}-{situation.name}",
        title=f"W = {size}, T = {situation.highest:#x}: {situation.title}",
        requirements=tuple(dict.fromkeys(one.about for one in situation.arrivals)),
        flags=situation.flags,
        source="espproof, after RFC 4303 " + ("Appendix A2" if esn else "3.4.3"),
        sas=(sa,),
        steps=steps,
    )
    return Vector(case, made)


def _step(made: Made, arrival: Arrival) -> Step:
    note = f"number {arrival.number:#x}: {arrival.note}"
    if arrival.accept:
        return accepted(made, arrival.about, note)
    return arrive(made, arrival.about, Dropped(), note)


def _last_numbers(suite: Suite, bits: int) -> Vector:
    """A sender that comes to the last number, and tries to go on."""
    last = (1 << bits) - 1
    sa: Sa = suite.sa(direction="out", esn=bits == 64, sequence=SequenceNumber(last - 2))
    made = tuple(protect(sa, number, datagram(f"window {number}")) for number in (last - 1, last))
    sends: list[Step] = [
        Outbound(
            sa=sa.name,
            packet=Octets(one.inner),
            iv=Octets(one.iv) if ENCRYPTION[suite.encr].iv_size else None,
            requirement=INCREMENT,
            expect=Sent(packet=one.packet),
            note=f"number {one.sequence:#x}",
        )
        for one in made
    ]
    beyond = [
        Outbound(sa=sa.name, packet=Octets(made[0].inner), requirement=NO_CYCLE, expect=Dropped(), note=f"2^{bits}"),
        Outbound(sa=sa.name, packet=Octets(made[1].inner), requirement=NO_CYCLE, expect=Dropped(), note="and again"),
    ]
    case = Case(
        version=1,
        id=f"overflow-{suite.name}-{bits}-bit",
        title=f"The last two {bits}-bit sequence numbers are sent, and nothing after them",
        requirements=(INCREMENT, NO_CYCLE),
        flags=("sequence-overflow",),
        source="espproof, after RFC 4303 3.3.3",
        sas=(sa,),
        steps=(*sends, *beyond),
    )
    return Vector(case, made)
