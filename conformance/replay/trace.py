"""A case on a device, and what driver and card do in each step: register by register, descriptor by descriptor.

A `Trace` is data; `show` prints it, and `report.trace_page` draws it.
"""

from collections.abc import Callable
from functools import partial
from typing import Protocol, runtime_checkable

import msgspec
from rich.console import Console
from rich.text import Text

from espproof.adapters.base import Adapter
from espproof.adapters.case import AddSa, Case, Outcome
from espproof.adapters.printable import printable
from espproof.adapters.steps import STEPS
from espproof.conformance.oracle.compare import tell
from espproof.reference.errors import Misuse
from espproof.reference.offload.niantic import words
from espproof.reference.offload.niantic.device import Niantic

_COLOURS = {"driver": "cyan", "card": "green", "wire": "magenta", "rule": "bold red"}


@runtime_checkable
class Watchable(Protocol):
    """An adapter on whose card one can look."""

    @property
    def chip(self) -> Niantic: ...


class Happening(msgspec.Struct, frozen=True, kw_only=True):
    """`who` is driver, card, wire, or rule where one is broken. The same that is done again at once is counted."""

    who: str
    what: str
    times: int = 1


class Stage(msgspec.Struct, frozen=True, kw_only=True):
    """A step of the case (the SAs that it begins with are steps too), what came of it, and what happened meanwhile."""

    title: str
    outcome: str
    happenings: tuple[Happening, ...]


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """What stands in a table."""

    table: str
    index: int
    content: str


class Ring(msgspec.Struct, frozen=True, kw_only=True):
    """Descriptors from `head` up to `tail`, not included, are the card's."""

    name: str
    size: int
    head: int
    tail: int


class Trace(msgspec.Struct, frozen=True, kw_only=True):
    """The stages, and what the card has in it at the end: tables, rings, and registers that are not as after a reset."""

    adapter: str
    version: str
    case: str
    stages: tuple[Stage, ...]
    tables: tuple[Entry, ...]
    rings: tuple[Ring, ...]
    registers: tuple[str, ...]


def trace(case: Case, adapter: Adapter) -> Trace:
    """`Misuse` for an adapter without a card that can be watched, or a case that is not about ESP alone."""
    if not isinstance(adapter, Watchable):
        raise Misuse(f"{adapter.name} has no card that can be watched: niantic has, and niantic:PROGRAM")
    if case.host is not None:
        raise Misuse("the case is about a host, of which devices know nothing")
    adapter.reset()
    chip = adapter.chip
    steps = (*(AddSa(sa=sa) for sa in case.sas), *case.steps)
    stages = [_stage(chip, STEPS[type(step)].told(step), partial(adapter.take, step)) for step in steps]
    return Trace(
        adapter=adapter.name,
        version=adapter.version,
        case=case.id,
        stages=tuple(stages),
        tables=tuple(Entry(table=table, index=n, content=told) for table, n, told in words.of_tables(chip.tables)),
        rings=tuple(Ring(**ring._asdict()) for ring in words.of_rings(chip.values)),
        registers=tuple(words.of_registers(chip.values)),
    )


def _stage(chip: Niantic, title: str, act: Callable[[], Outcome]) -> Stage:
    happened: list[Happening] = []
    known = set(map(str, chip.breaches.seen()))

    def note(who: str, what: str) -> None:
        _judge()
        if happened and (happened[-1].who, happened[-1].what) == (who, what):
            happened[-1] = msgspec.structs.replace(happened[-1], times=happened[-1].times + 1)
        else:
            happened.append(Happening(who=who, what=what))

    def _judge() -> None:
        for breach in map(str, chip.breaches.seen()):
            if breach not in known:
                known.add(breach)
                happened.append(Happening(who="rule", what=breach))

    chip.watch = note
    try:
        outcome = act()
    finally:
        chip.watch = None
    _judge()
    return Stage(title=title, outcome=tell(outcome), happenings=tuple(happened))


def show(console: Console, found: Trace) -> None:
    """The whole of it."""
    _line(console, Text.assemble(("case ", "bold"), printable(found.case) or "without an id"))
    _line(console, Text.assemble(("on ", "bold"), printable(found.adapter), " ", printable(found.version)))
    for stage in found.stages:
        console.print()
        _line(console, Text.assemble((printable(stage.title), "bold"), f": {printable(stage.outcome)}"))
        for one in stage.happenings:
            times = f"  ×{one.times}" if one.times > 1 else ""
            _line(console, Text.assemble((f"  {one.who:6} ", _COLOURS[one.who]), printable(one.what), times))
    console.print()
    _line(console, Text("what the card has at the end", "bold"))
    for entry in found.tables:
        _line(console, Text(f"  {entry.table:7} {entry.index:4}  {entry.content}"))
    for ring in found.rings:
        _line(console, Text(f"  ring {ring.name:5} head {ring.head}, tail {ring.tail} of {ring.size}"))
    for register in found.registers:
        _line(console, Text(f"  {register}"))


def _line(console: Console, text: Text) -> None:
    console.print(text, highlight=False, soft_wrap=True)
