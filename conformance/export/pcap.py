"""The packets of a case as a capture file: what was on the wire, in the order of the steps.

Each record is an IP packet (`adapters.pcap`) with a nanosecond stamp, which is not a time: the second is the number of
the step, the nanosecond the place inside a burst. An inbound packet stands as it arrives. An outbound one stands as it
should leave; what the implementation sent instead, where a transcript is given and it is different, follows half a second
later; so does, where a state is read, what was sent before the case. Packets outside IPsec (what goes in outbound, what
comes out inbound) were on no wire and are not here; of a host, what enters and emerges on its other sides is not either.
"""

from collections.abc import Iterator

from espproof.adapters.base import Transcript
from espproof.adapters.case import (
    Burst,
    Case,
    Emerged,
    Enter,
    EnterBurst,
    Outcome,
    Sent,
    State,
)
from espproof.adapters.models.reference import ReferenceAdapter
from espproof.adapters.pcap import savefile
from espproof.adapters.steps import STEPS

GOT = 500_000_000
"""Nanoseconds behind the packet that should have left."""


def pcap(case: Case, got: Transcript | None = None) -> bytes:
    """The capture file; `got` is what an implementation did with the case."""
    return savefile(packets(case, got), nanoseconds=True)


def packets(case: Case, got: Transcript | None = None) -> Iterator[tuple[int, int, bytes]]:
    """Number of the step, nanosecond, octets."""
    want = expected(case)
    for number, (step, right) in enumerate(zip(case.steps, want, strict=True)):
        kind = STEPS[type(step)]
        if isinstance(step, Enter) and step.side == "wire":
            yield number, 0, bytes(step.packet)
        if isinstance(step, EnterBurst):
            yield from ((number, at, bytes(one.packet)) for at, one in enumerate(step.packets) if one.side == "wire")
        if kind.direction == "in":
            yield from ((number, place, bytes(packet)) for place, packet in enumerate(kind.packets(step)))
        else:
            leaving = sent(right)
            yield from ((number, place, packet) for place, packet in leaving)
            there = sent(got.steps[number]) if got is not None and number < len(got.steps) else []
            yield from ((number, GOT + place, packet) for place, packet in there if (place, packet) not in leaving)


def expected(case: Case) -> tuple[Outcome, ...]:
    """What should become of each step: what the case says, else what the reference does."""
    if all(step.expect is not None for step in case.steps):
        done: tuple[Outcome | None, ...] = (None,) * len(case.steps)
    else:
        done = ReferenceAdapter().execute(case).steps
    return tuple(step.expect or outcome for step, outcome in zip(case.steps, done, strict=True))  # type: ignore[misc]


def sent(outcome: Outcome) -> list[tuple[int, bytes]]:
    """The packets that left, with their place in the burst, or that a state says to have left before the case."""
    if isinstance(outcome, State):
        return [(place, bytes(packet)) for place, packet in enumerate(outcome.early or ())]
    if isinstance(outcome, Emerged):
        return [(place, bytes(one.packet)) for place, one in enumerate(outcome.packets, 1) if one.side == "wire"]
    results = outcome.results if isinstance(outcome, Burst) else (outcome,)
    return [(place, bytes(one.packet)) for place, one in enumerate(results) if isinstance(one, Sent)]
