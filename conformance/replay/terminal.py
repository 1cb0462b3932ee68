"""A walk through a case, printed: each step with its packets taken apart, octets coloured by field.

Nothing is shown twice: a packet that has been shown, the same one from both sides, the inner packet behind the plain one,
the reference's where nothing is wrong with the implementation's. Fields that differ from the reference's are marked; IV,
ciphertext and ICV are not, as they differ whenever the IV does. All text of a case is made printable first: nothing in a
file drives the terminal.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from espproof.adapters.case import (
    AddSa,
    Done,
    Outcome,
    Sa,
    State,
    Step,
)
from espproof.adapters.printable import printable
from espproof.adapters.steps import STEPS
from espproof.conformance.oracle.compare import tell
from espproof.conformance.oracle.verdict import Verdict
from espproof.conformance.replay.walk import Packet, Part, Setup, Stride, Walk, Wrong

COLOURS = {
    "ip": "cyan",
    "udp": "blue",
    "marker": "blue",
    "esp": "green",
    "iv": "yellow",
    "ciphertext": "magenta",
    "icv": "red",
    "payload": "default",
    "tfc": "bright_black",
    "padding": "bright_black",
    "trailer": "green",
    "link": "bright_black",
}
"""Layer of a field -> the colour of its octets."""
VERDICTS = {Verdict.PASS: "green", Verdict.INAPPLICABLE: "yellow", Verdict.FAIL: "bold red"}
CALLED = {
    "plain": "plain packet",
    "arrives": "packet that arrives",
    "sent": "packet sent",
    "delivered": "packet delivered",
}
"""`Packet.what` in a sentence."""
MAX_ROWS = 4
"""Lines of octets of one field; the file has them all."""
SECRET = ("iv", "ciphertext", "icv")
"""Layers whose octets depend on the IV."""


def show(console: Console, walk: Walk) -> None:
    """The whole walk."""
    _line(console, Text.assemble(("case ", "bold"), printable(walk.case) or "without an id"))
    if walk.title:
        _under(console, printable(walk.title))
    version = "" if walk.adapter_version == "?" else f" {printable(walk.adapter_version)}"
    _line(console, Text.assemble(("on ", "bold"), printable(walk.adapter), version, ", the reference beside it"))
    for setup in walk.setup:
        _setup(console, setup, walk.adapter)
    shown: dict[bytes, str] = {}
    for step in walk.steps:
        _step(console, step, walk.adapter, shown)
    _end(console, walk)


def _setup(console: Console, setup: Setup, adapter: str) -> None:
    console.print()
    _line(console, Text.assemble(("SA ", "bold"), *_sa(setup.sa)))
    _under(console, _algorithms(setup.sa))
    if not (isinstance(setup.got, Done) and isinstance(setup.want, Done)):
        _outcomes(console, adapter, setup.got, setup.want)
    _wrongs(console, setup.wrong)


def _step(console: Console, step: Stride, adapter: str, shown: dict[bytes, str]) -> None:
    console.print()
    head = Text.assemble((f"step {step.number} ", "bold"), *_done(step.step))
    _line(console, head)
    if step.step.requirement:
        _under(console, printable(step.step.requirement), "bright_black")
    if step.step.note:
        _under(console, printable(step.step.note))
    if step.step.behaviour:
        _under(console, f"recorded, not judged: {printable(step.step.behaviour)}", "bright_black")
    for packet in step.given:
        _packet(console, packet, shown, step.number)
    if step.got == step.want:
        _told(console, _both(adapter), step.want)
        _packets(console, step.want_packets, (), shown, step.number)
    else:
        _told(console, printable(adapter), step.got)
        _packets(console, step.got_packets, step.want_packets, shown, step.number)
        _told(console, "reference", step.want)
        if step.wrong or not step.got_packets:
            _packets(console, step.want_packets, (), shown, step.number)
    if step.conflict:
        _under(console, f"ORACLE CONFLICT {printable(step.conflict)}", "magenta")
    _wrongs(console, step.wrong)


def _end(console: Console, walk: Walk) -> None:
    console.print()
    lists = [*(setup.wrong for setup in walk.setup), *(step.wrong for step in walk.steps)]
    wrong = dict.fromkeys(one.requirement for wrongs in lists for one in wrongs)
    text = Text.assemble((walk.verdict.value.upper(), VERDICTS.get(walk.verdict, "bold magenta")))
    if walk.missing:
        text.append(f"  {printable(walk.adapter)} cannot do this case: {printable(walk.missing)}")
    if walk.says_nothing:
        text.append(f"  this case says nothing of {printable(walk.adapter)}: {walk.says_nothing}")
    if walk.failure:
        where = "while the SAs were added" if walk.failed_at == -1 else f"at step {walk.failed_at}"
        told = printable(walk.failure).replace(" ⏎ ", "\n  ")  # lines of standard error
        text.append(f"  {where}: {told}")
    if wrong:
        text.append(f"  {', '.join(map(printable, wrong))}")
    _line(console, text)


# --------------------------------------------------------------------------------------------------------------- words


def _sa(sa: Sa) -> Iterator[str | tuple[str, str]]:
    yield printable(sa.name), "bold"
    yield f"  {sa.direction}  {sa.mode} {printable(sa.source)} → {printable(sa.destination)}  SPI {sa.spi:#010x}"


def _algorithms(sa: Sa) -> str:
    words = [f"{printable(sa.encr)} ({8 * len(sa.encr_key)}-bit key)"]
    if sa.auth != "NONE":
        words.append(printable(sa.auth))
    words.append("64-bit numbers" if sa.esn else "32-bit numbers")
    words.append(f"{'last sent' if sa.direction == 'out' else 'highest received'} {int(sa.sequence):#x}")
    if sa.direction == "in":
        words.append(f"window {sa.replay_window}" if sa.replay_window else "no anti-replay")
    if sa.udp is not None:
        words.append(f"UDP {sa.udp.source_port} → {sa.udp.destination_port}")
    return ", ".join(words)


def _done(step: Step) -> Iterator[str | tuple[str, str]]:
    if isinstance(step, AddSa):
        yield "add SA "
        yield from _sa(step.sa)
    else:
        yield printable(STEPS[type(step)].told(step))


def _both(adapter: str) -> str:
    return "reference" if adapter == "reference" else f"{printable(adapter)} and reference"


def _outcomes(console: Console, adapter: str, got: Outcome | None, want: Outcome) -> None:
    if got == want:
        _told(console, _both(adapter), want)
    else:
        _told(console, printable(adapter), got)
        _told(console, "reference", want)


def _told(console: Console, who: str, outcome: Outcome | None) -> None:
    told = "no outcome" if outcome is None else printable(tell(outcome))
    if isinstance(outcome, State):
        told = _state(outcome)
    _under(console, Text.assemble((who, "bold"), f": {told}"))


def _state(state: State) -> str:
    words = []
    for name in State.__struct_fields__:
        value = getattr(state, name)
        if value is not None:
            words.append(f"{name.replace('_', ' ')} {_field(name, value)}")
    return ", ".join(words) or "nothing told"


def _field(name: str, value: Any) -> str:
    if name == "early":
        return f"{len(value)} packets"
    return f"{value:#x}" if name == "sequence" else _short(value)


def _short(value: object) -> str:
    text = " ".join(map(str, value)) if isinstance(value, tuple) else str(value)
    return text if len(text) <= 60 else f"{text[:59]}…"


def _wrongs(console: Console, wrongs: Sequence[Wrong]) -> None:
    for wrong in wrongs:
        _under(console, Text.assemble(("DIFFERS ", "bold red"), (printable(wrong.message), "red")))
        name = Text.assemble((printable(wrong.requirement), "bold"), f" ({wrong.level}): " if wrong.level else "")
        _under(console, name + Text(wrong.text), indent=4)


# ------------------------------------------------------------------------------------------------------------- packets


_Shown = dict[bytes, str]
"""Octets of a packet -> where it has been shown."""


def _packets(console: Console, packets: Sequence[Packet], beside: Sequence[Packet], shown: _Shown, number: int) -> None:
    """Packets with, where there are some, those of the reference that they should be like."""
    for packet, other in zip_longest(packets, beside[: len(packets)]):
        _packet(console, packet, shown, number, other)


def _packet(console: Console, packet: Packet, shown: _Shown, number: int, other: Packet | None = None) -> None:
    """One packet, or where it has been shown; `other` is what it should be like."""
    title = Text(f"{packet.what}, {len(packet.octets)} octets", "italic")
    before = shown.get(packet.octets)
    if before is not None:
        _under(console, title.append(f": {before}"))
        return
    table = Table(box=None, show_header=False, padding=(0, 1, 0, 0))
    per_row = 16 if console.width >= 110 else 8
    table.add_column(justify="right", style="bright_black", width=5)
    table.add_column(width=per_row * 2 + per_row // 4 - 1, no_wrap=True)
    table.add_column(overflow="fold")
    _rows(table, packet.parts, packet.octets, _Style(per_row, _saying(other), shown))
    _under(console, title)
    console.print(Padding(table, (0, 0, 0, 2), expand=False))
    shown[packet.octets] = f"the {CALLED[packet.what]} at step {number}"
    for part in packet.parts:
        for inner in _inner_packets(part):
            shown.setdefault(inner, f"what is inside the {CALLED[packet.what]} at step {number}")


def _inner_packets(part: Part) -> Iterator[bytes]:
    """The IP packet in the plaintext of a tunnel."""
    ends = [inner.end for inner in part.inner if inner.layer in ("ip", "udp", "payload")]
    if part.plaintext is not None and part.inner and part.inner[0].layer == "ip":
        yield part.plaintext[: max(ends)]


def _saying(packet: Packet | None) -> dict[str, str] | None:
    """Layer and name of each field -> what it says; None without a packet."""
    if packet is None:
        return None
    return {key: value for part in packet.parts for key, value in _says(part)}


def _says(part: Part) -> Iterator[tuple[str, str]]:
    yield f"{part.layer} {part.name}", part.value
    for inner in part.inner:
        yield from ((f"inner {key}", value) for key, value in _says(inner))


@dataclass(frozen=True, slots=True)
class _Style:
    """How rows are made: octets per line, what the reference's fields say, and what need not be shown again."""

    per_row: int
    right: dict[str, str] | None
    shown: _Shown
    inside: str = ""


def _rows(table: Table, parts: Sequence[Part], octets: bytes, style: _Style) -> None:
    for part in parts:
        colour = COLOURS.get(part.layer, "default")
        expected = (
            None if style.right is None else style.right.get(f"{style.inside}{part.layer} {part.name}", "no such")
        )
        differs = expected is not None and expected != part.value and part.layer not in SECRET
        saying = Text.assemble(("│ " * bool(style.inside), "bright_black"), (part.name, colour))
        if part.value:
            saying.append(f"  {printable(part.value)}", "bold red" if differs else "")
        if differs:
            saying.append(f"  ≠ {printable(str(expected))}", "red")
        table.add_row(f"{part.start}", Text(_dump(octets[part.start : part.end], style.per_row), colour), saying)
        if part.inner and part.plaintext is not None:
            _inner_rows(table, part, part.plaintext, replace(style, inside="inner "))


def _inner_rows(table: Table, part: Part, plaintext: bytes, style: _Style) -> None:
    """The plaintext; an inner packet that has been shown is one row."""
    behind = 0
    for inner in _inner_packets(part):
        before = style.shown.get(inner)
        if before is not None:
            behind = len(inner)
            table.add_row("0", Text(_dump(inner, style.per_row), COLOURS["payload"]), Text(f"│ {before}"))
    _rows(table, [one for one in part.inner if one.start >= behind], plaintext, style)


def _dump(octets: bytes, per_row: int) -> str:
    """Hexadecimal in groups of four octets, some lines of it."""
    shown = octets[: per_row * MAX_ROWS]
    lines = [shown[at : at + per_row].hex(" ", -4) for at in range(0, len(shown), per_row)]
    return "\n".join([*lines, *([f"… {len(octets) - len(shown)} more"] if len(shown) < len(octets) else [])])


def _line(console: Console, text: Text) -> None:
    console.print(text, highlight=False)


def _under(console: Console, text: str | Text, style: str = "", *, indent: int = 2) -> None:
    console.print(
        Padding(Text(text, style) if isinstance(text, str) else text, (0, 0, 0, indent), expand=False), highlight=False
    )
