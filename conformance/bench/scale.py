"""How time and memory grow: searches, insertions and deletions among 100 to 100,000 policies and SAs.

    reference   `Spd` and `States`, beside the linear search by the text, as far as that makes sense
    linux…      a kernel in user mode: packets that arrive by the hundred and are dropped as soon as the search is over
                (`crowds`); messages of netlink in batches; octets out of its allocator's own account

A time is the least over several rounds: whatever else the machine does makes it longer, never shorter. For the growth of
the reference, sets of all sizes are asked in turns, and the figure is the median of the rounds' ratios. A packet costs the
kernel more than the search, so each of its times stands beside that of a packet in front of a single policy or SA.
"""

import gc
import random
import statistics
import time
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from espproof.adapters.base import AdapterError, AdapterFailure
from espproof.adapters.case import Policy
from espproof.adapters.linux.measured import Measured, words
from espproof.adapters.translate import policy_of, state_of
from espproof.conformance.bench.crowds import CROWDS, FAR, LARGEST, LED, NEAR, SMALLEST, Crowd
from espproof.reference import ip
from espproof.reference.xfrm import spd, states
from espproof.reference.xfrm.policy import flow_of

OPERATIONS = ("search", "insertion", "deletion")
MOST_GROWTH = 3.0
"""The reference's times at the largest size over those at the smallest."""
REFERENCE, LINEAR = "reference", "linear search"
_LOOKUPS, _CHANGED = 2000, 1000
"""Searches and changes of a round."""
_LINEAR_LOOKUPS = 5
_ABSURD = 20e6
"""Nanoseconds of one linear search, behind which there is no larger size."""

_PATIENCE = 60.0
"""Seconds in which a kernel is to reach the next size, if its insertions take the longer the more there are."""

Tell = Callable[[str], None]


class Size(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Nanoseconds of one operation in a set of so many, octets of one member. None: not measured."""

    count: int
    lookup: float | None = None
    insert: float | None = None
    delete: float | None = None
    octets: float | None = None


class Curve(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One contestant with one crowd. `growth` of search, insertion and deletion: the largest size over the smallest."""

    crowd: str
    what: str
    who: str
    sizes: tuple[Size, ...]
    alone: float | None = None
    """Of a kernel: nanoseconds of a packet in front of a single policy or SA."""
    growth: dict[str, float] = {}
    stopped: str = ""
    """Why there are no larger sizes."""

    @property
    def met(self) -> bool:
        return self.who != REFERENCE or all(ratio <= MOST_GROWTH for ratio in self.growth.values())


class Scale(msgspec.Struct, frozen=True, kw_only=True):
    """All curves; the contestants' versions; who could not be measured, and why."""

    curves: tuple[Curve, ...]
    versions: dict[str, str]
    failures: dict[str, str]

    @property
    def met(self) -> bool:
        return all(curve.met for curve in self.curves) and not self.failures


def sizes_up_to(most: int) -> tuple[int, ...]:
    """100, 1,000, …; the largest is no more than `most`."""
    sizes = [SMALLEST]
    while sizes[-1] * 10 <= min(most, LARGEST):
        sizes.append(sizes[-1] * 10)
    return tuple(sizes)


def measure(kernels: Iterable[str], most: int, rounds: int, tell: Tell = lambda what: None) -> Scale:
    """All crowds, in the reference and in the kernels of these names."""
    sizes = sizes_up_to(most)
    curves: list[Curve] = []
    versions: dict[str, str] = {}
    failures: dict[str, str] = {}
    machines: dict[str, Measured] = {}
    try:
        for name in kernels:
            try:
                machines[name] = Measured(name)
                versions[name] = machines[name].version
            except AdapterFailure as failure:
                failures[name] = str(failure)
        for crowd in CROWDS:
            tell(f"{crowd.what}, the reference")
            curves += reference_curves(crowd, sizes, rounds)
            if machines:
                said = [words(crowd.member(number)) for number in range(sizes[-1])]
            for name, machine in list(machines.items()):
                tell(f"{crowd.what}, {name}")
                try:
                    curves.append(_kernel_curve(crowd, name, machine, said, sizes, rounds))
                except AdapterFailure as failure:
                    failures[name] = str(failure)
                    machines.pop(name).close()
    finally:
        for machine in machines.values():
            machine.close()
    return Scale(curves=tuple(curves), versions=versions, failures=failures)


# -------------------------------------------------------------------------------------------------------- reference


@dataclass(slots=True)
class _Set:
    """The reference with so many members: what is asked for, and what is taken out and put in again."""

    add: Callable[[Any], None]
    delete: Callable[[str], None]
    find: Callable[..., object]
    search: Callable[..., object]
    """Fast and linear; both are asked the same."""
    asked: list[tuple[Any, ...]]
    changed: list[tuple[str, Any]]
    octets: float


def reference_curves(crowd: Crowd, sizes: Sequence[int], rounds: int) -> list[Curve]:
    """The fast search and the linear one."""
    sets = [_set(crowd, size) for size in sizes]
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        taken = [[_round(one) for one in sets] for _ in range(rounds + 1)][1:]
    finally:
        gc.enable()
        gc.unfreeze()
    by_size = [[told[place] for told in taken] for place in range(len(sizes))]
    least = [[min(times) for times in zip(*told, strict=True)] for told in by_size]
    growth = [
        statistics.median(last / first for first, last in zip(*(_column(told, which) for told in ends), strict=True))
        for which in range(3)
        for ends in [(by_size[0], by_size[-1])]
    ]
    fast = Curve(
        crowd=crowd.name,
        what=crowd.what,
        who=REFERENCE,
        sizes=tuple(
            Size(count=size, lookup=_rounded(a), insert=_rounded(b), delete=_rounded(c), octets=_rounded(one.octets))
            for size, (a, b, c), one in zip(sizes, least, sets, strict=True)
        ),
        growth={name: _rounded(ratio) for name, ratio in zip(OPERATIONS, growth, strict=True)},
    )
    return [fast, _linear_curve(crowd, sizes, sets)]


def _column(told: Sequence[tuple[float, float, float]], which: int) -> list[float]:
    return [times[which] for times in told]


def _set(crowd: Crowd, size: int) -> _Set:
    rng = random.Random(size)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        made: Any = spd.Spd() if crowd.of == "policies" else states.States()
        for number in range(size):
            made.add(_member(crowd, number))
        octets = (tracemalloc.get_traced_memory()[0] - before) / size
    finally:
        tracemalloc.stop()
    find, search = _searches(crowd, made)
    asked = [_question(crowd, number) for number in rng.choices(range(size), k=_LOOKUPS)]
    for question in asked[:3]:
        assert find(*question) is search(*question) is not None
    changed = []
    for number in rng.sample(range(size), min(size, _CHANGED)):
        one = _member(crowd, number)
        changed.append((one.name if crowd.of == "policies" else one.sa.name, one))
    return _Set(made.add, made.delete, find, search, asked, changed, octets)


def _member(crowd: Crowd, number: int) -> Any:
    one = crowd.member(number)
    return policy_of(one) if isinstance(one, Policy) else state_of(one)


def _searches(crowd: Crowd, made: Any) -> tuple[Callable[..., object], Callable[..., object]]:
    """The fast one and the linear one; both take what `_question` asks."""
    if crowd.of == "policies":
        known = list(made)
        return made.find, lambda *question: spd.linear_search(known, *question)
    if crowd.direction == "in":
        return made.arrived, lambda *question: states.linear_search(made, *question)
    return made.asked_for, lambda *question: states.linear_choice(made, *question)


def _question(crowd: Crowd, number: int) -> tuple[Any, ...]:
    packet = ip.parse(crowd.packet(number))
    if crowd.of == "policies":
        return "out", flow_of(packet)
    if crowd.direction == "in":
        return packet.destination, int.from_bytes(packet.payload[:4], "big")
    assert crowd.lead is not None
    policy = policy_of(crowd.lead(number))
    (template,) = policy.templates
    return template, policy, template.source.packed, template.destination.packed, crowd.packet(number), 0.0


def _round(one: _Set) -> tuple[float, float, float]:
    """Nanoseconds of one search, one insertion, one deletion."""
    changed = one.changed
    lookup = _timed(one.find, one.asked)
    delete = _timed(one.delete, [(name,) for name, _ in changed])
    insert = _timed(one.add, [(member,) for _, member in changed])
    return lookup, insert, delete


def _timed(work: Callable[..., object], arguments: Sequence[tuple[Any, ...]]) -> float:
    began = time.process_time_ns()
    for one in arguments:
        work(*one)
    return (time.process_time_ns() - began) / len(arguments)


def _linear_curve(crowd: Crowd, sizes: Sequence[int], sets: Sequence[_Set]) -> Curve:
    told: list[Size] = []
    stopped = ""
    for size, one in zip(sizes, sets, strict=True):
        took = statistics.median(_timed(one.search, [question]) for question in one.asked[:_LINEAR_LOOKUPS])
        told.append(Size(count=size, lookup=_rounded(took)))
        if took > _ABSURD and size != sizes[-1]:
            stopped = f"one search takes {took / 1e6:.0f} ms"
            break
    return Curve(crowd=crowd.name, what=crowd.what, who=LINEAR, sizes=tuple(told), stopped=stopped)


def _rounded(value: float) -> float:
    """Three significant figures: more would be noise."""
    return float(f"{value:.3g}")


# ---------------------------------------------------------------------------------------------------------- kernels


def _kernel_curve(
    crowd: Crowd, name: str, machine: Measured, said: Sequence[tuple[bytes, bytes]], sizes: Sequence[int], rounds: int
) -> Curve:
    """The set grows from size to size, and ends where, at the pace of before, that would take too long."""
    machine.reset((NEAR,), (FAR,))
    if crowd.lead is not None:
        machine.batch([words(crowd.lead(number))[0] for number in range(LED)])
    before = machine.octets()
    machine.batch([said[0][0]])
    alone, have, told, stopped = _rounded(_flood(crowd, machine, 1, rounds)), 1, list[Size](), ""
    for size in sizes:
        pace = told[-1].insert / 1e9 if told and told[-1].insert else 0.0
        if pace * size / 2 * size / have > _PATIENCE:
            stopped = f"an insertion takes {pace * 1e6:.0f} µs there, and the next size would take minutes"
            break
        machine.batch([new for new, _ in said[have:size]])
        octets, have = (machine.octets() - before) / size, size
        insert, delete = _changes(machine, size, said, rounds)
        told.append(
            Size(
                count=size,
                lookup=_rounded(_flood(crowd, machine, size, rounds)),
                insert=_rounded(insert),
                delete=_rounded(delete),
                octets=_rounded(octets),
            )
        )
    return Curve(crowd=crowd.name, what=crowd.what, who=name, sizes=tuple(told), alone=alone, stopped=stopped)


def _changes(machine: Measured, size: int, said: Sequence[tuple[bytes, bytes]], rounds: int) -> tuple[float, float]:
    """Nanoseconds of an insertion and of a deletion, by members that are taken out and put in again."""
    some = [said[number] for number in random.Random(size).sample(range(size), min(size, _CHANGED))]
    new, gone = [one for one, _ in some], [one for _, one in some]
    deletions, insertions = zip(*((machine.batch(gone), machine.batch(new)) for _ in range(rounds)), strict=True)
    return min(insertions) / len(some) * 1e9, min(deletions) / len(some) * 1e9


def _flood(crowd: Crowd, machine: Measured, size: int, rounds: int) -> float:
    """Nanoseconds of a packet. `AdapterError` if they do not all end where they should: their time would be none."""
    reached = min(size, LED) if crowd.lead else size
    packets = [crowd.packet(number) for number in random.Random(size).choices(range(reached), k=_LOOKUPS)]
    before = Counter(machine.counters())
    least = min(machine.flood(packets) for _ in range(rounds))
    moved = Counter(machine.counters()) - before
    if moved != {crowd.dropped: len(packets) * rounds}:
        raise AdapterError(
            f"{crowd.what}: {len(packets) * rounds} packets arrived, the counters moved by {dict(moved)}"
        )
    return least / len(packets) * 1e9
