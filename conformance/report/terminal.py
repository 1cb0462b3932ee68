"""What people see in a terminal: live progress on standard error, tables that fit 80 columns on standard output."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from espproof.conformance.oracle.verdict import Verdict
from espproof.conformance.requirements.catalogue import load
from espproof.conformance.results.check import CheckResult
from espproof.conformance.results.model import RunResult
from espproof.conformance.running.suite import Progress as Tick
from espproof.conformance.selfcheck.faults import FaultReport
from espproof.conformance.selfcheck.item import Grade
from espproof.conformance.selfcheck.memory import MemoryReport
from espproof.conformance.selfcheck.session import Checked

COLOURS = {
    Verdict.PASS: "green",
    Verdict.INAPPLICABLE: "dim",
    Verdict.LACKS: "cyan",
    Verdict.WARNING: "yellow",
    Verdict.ORACLE_CONFLICT: "magenta",
    Verdict.ADAPTER_ERROR: "magenta",
    Verdict.HANG: "red",
    Verdict.CRASH: "red",
    Verdict.FAIL: "red",
}


@contextmanager
def bar(console: Console, *columns: ProgressColumn) -> Iterator[Progress]:
    """A progress bar that lives in the block. On no terminal it is silent: some versions of rich end it with a line."""
    made = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
    with made if console.is_terminal else nullcontext():
        yield made


@contextmanager
def progress(console: Console, name: str) -> Iterator[Tick]:
    """A bar that lives while checks run. On no terminal it says nothing until the end."""
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
        TextColumn("{task.fields[last]}"),
    )  # fmt: skip
    with bar(console, *columns) as shown:
        task = shown.add_task(name, total=None, last="")

        def tick(result: CheckResult, done: int, total: int) -> None:
            found = f"[red]{len(result.counterexamples)} found[/] in " if result.counterexamples else ""
            shown.update(task, completed=done, total=total, last=f"{found}{result.check}")

        yield tick


def show(console: Console, result: RunResult) -> None:
    """The result of a run: what is wrong first, the worst first; then what could not be tried; the figures last."""
    wrong = _wrong(result)
    causes = {requirement: _cause(result, requirement, wrong) for requirement in wrong}
    for group, title in _GROUPS.items():
        members = [requirement for requirement in wrong if _group(result, requirement) == group]
        if members:
            console.print(f"[bold]{escape(result.adapter)}: {title} ({len(members)})[/]", highlight=False)
        for requirement in members:
            if causes[requirement] is None:
                _deviation(console, result, requirement, [one for one in members if causes[one] == requirement])
        if members:
            console.print()
    _lacking(console, result)
    _missing(console, result)
    _figures(console, result)


_GROUPS = {
    "news": "not as required",
    "pass": "passes, though it is listed as a deviation",
    "expected": "known deviations",
    "warning": "warnings, a SHOULD that is not met",
}
"""What is listed, in this order, under which heading."""
_ORDER = {verdict: rank for rank, verdict in enumerate(reversed(Verdict))}


def _wrong(result: RunResult) -> list[str]:
    """Requirements to be told about, the worst verdict first and then in the order of the catalogue."""
    order = {requirement: rank for rank, requirement in enumerate(load())}
    told = [
        requirement
        for requirement, verdict in result.requirements.items()
        if verdict not in (Verdict.PASS, Verdict.INAPPLICABLE, Verdict.LACKS) or requirement in result.unexpected
    ]
    return sorted(told, key=lambda one: (_ORDER[result.requirements[one]], order.get(one, -1)))


def _group(result: RunResult, requirement: str) -> str:
    if requirement in result.expected:
        return "expected"
    verdict = result.requirements[requirement]
    return verdict.value if verdict in (Verdict.PASS, Verdict.WARNING) else "news"


def _cause(result: RunResult, requirement: str, wrong: list[str]) -> str | None:
    """The requirement that shows this one, which is verified with others, if it is listed in the same group."""
    entry = load().get(requirement)
    others = entry.verified_with if entry is not None else ()
    listed = (other for other in others if other in wrong)
    return next((other for other in listed if _group(result, other) == _group(result, requirement)), None)


def _deviation(console: Console, result: RunResult, requirement: str, also: list[str]) -> None:
    """Verdict, id and level on one line; below it the wording, what was seen, and what else is not met with it."""
    verdict, entry = result.requirements[requirement], load().get(requirement)
    level = f" [dim]{entry.level.value}[/]" if entry is not None else ""
    console.print(
        f"[{COLOURS[verdict]}]{verdict.value:>8}[/] [bold]{escape(requirement)}[/]{level}",
        highlight=False,
        soft_wrap=True,
    )
    if entry is not None:
        _indented(console, entry.text)
    if requirement in result.expected:
        _indented(console, f"expected: {result.expected[requirement]}", "dim")
    if requirement in result.elsewhere:
        _indented(console, f"known, but not as {', '.join(result.elsewhere[requirement])} has found it", "dim")
    found = next((one for one in result.counterexamples if one.requirement == requirement), None)
    if found is not None:
        steps = len(found.case.steps)
        _indented(console, "→ " + found.message.replace(" ⏎ ", "\n  "), COLOURS[verdict])
        _indented(console, f"  found by {found.check}, in {steps} step{'' if steps == 1 else 's'}", "dim")
        for oracle, opinion in found.opinions.items():
            _indented(console, f"  {oracle} {opinion}", "dim")
    elif entry is not None and entry.verified_with:
        _indented(console, f"→ verified with {', '.join(entry.verified_with)}", "dim")
    if also:
        _indented(console, f"also {', '.join(also)}", "dim")


_INDENT = 9


def _indented(console: Console, text: str, style: str = "") -> None:
    """A paragraph (octets of a stranger's, so no markup) under the id."""
    console.print(Padding(Text(text, style), (0, 0, 0, _INDENT), expand=False), highlight=False)


def _lacking(console: Console, result: RunResult) -> None:
    """What the documents want to be there, and is not: one line each, without what follows from another."""
    wanted = [entry for entry in map(load().__getitem__, result.lacking) if entry.support]
    if not wanted:
        return
    console.print(f"[bold]{escape(result.adapter)}: lacks what should be there ({len(wanted)})[/]", highlight=False)
    for entry in wanted:
        told = (
            f"[{COLOURS[Verdict.LACKS]}]{'lacks':>8}[/] [bold]{entry.id}[/] [dim]{entry.level.value}[/] {entry.support}"
        )
        console.print(told, highlight=False, soft_wrap=True)
    console.print()


def _missing(console: Console, result: RunResult) -> None:
    """Missing capabilities with the number of checks that each kept from running."""
    missing = Counter(check.missing for check in result.checks if check.verdict is Verdict.INAPPLICABLE)
    if missing:
        named = ", ".join(f"{what} ({count})" for what, count in missing.most_common())
        title = f"not applicable: {sum(missing.values())} of {len(result.checks)} checks, for want of "
        console.print(Text(f"{title}{named}", "dim"), highlight=False)
        console.print()


def _figures(console: Console, result: RunResult) -> None:
    counts = ", ".join(
        f"[{COLOURS[verdict]}]{result.verdicts[verdict.value]} {verdict.value}[/]"
        for verdict in reversed(Verdict)
        if result.verdicts.get(verdict.value)
    )
    console.print(
        f"[bold]{escape(result.adapter)}[/] {escape(result.adapter_version)}: "
        f"{sum(result.verdicts.values())} requirements: {counts or 'none'}",
        highlight=False,
    )
    recalled = f" ({result.recalled} drawn earlier)" if result.recalled else ""
    if result.expectations:
        console.print(f"held against {escape(result.expectations)}", highlight=False, soft_wrap=True)
    console.print(
        f"{result.cases} cases{recalled} in {result.seconds:.1f} s, profile {result.profile}, seed {result.seed}, "
        f"{result.pairs_covered} of {result.pairs_total} pairs of SA options",
        highlight=False,
    )
    if result.untried:
        console.print(f"{len(result.untried)} requirements that no case of this profile has reached", style="dim")
    if not result.whole:
        console.print(f"[bold red]NOT WHOLE[/]: {escape(result.not_whole_because)}", highlight=False)


GRADES = {
    Grade.PASS: "green",
    Grade.FAIL: "red",
    Grade.UNDECLARED: "cyan",
    Grade.NOT_APPLICABLE: "dim",
}


def checked(console: Console, done: Checked, *, every: bool = False) -> None:
    """What `espproof check` found out: failures with their repair first, what works undeclared, then the figures."""
    shown = [Grade.FAIL, Grade.UNDECLARED, *([Grade.NOT_APPLICABLE, Grade.PASS] if every else [])]
    for grade in shown:
        for item in done.items:
            if item.grade is not grade:
                continue
            told = f": {escape(item.told)}" if item.told else ""
            console.print(f"[{GRADES[grade]}]{grade.value}[/] [bold]{item.id}[/]{told}", highlight=False)
            if item.fix:
                console.print(f"    to fix: {escape(item.fix)}", highlight=False)
    counts = ", ".join(f"[{GRADES[Grade(name)]}]{n} {name}[/]" for name, n in done.grades.items() if n)
    console.print(f"{escape(done.adapter)} {escape(done.adapter_version)}: {counts}", highlight=False)
    whole = "" if done.whole else f"; [bold red]NOT WHOLE[/]: {escape(done.not_whole_because)}"
    console.print(
        f"{'a correct adapter' if done.correct else 'not a correct adapter'}; checked in {done.seconds:.1f} s, "
        f"{done.cases_per_second:g} cases per second{whole}",
        highlight=False,
    )


def adapters(console: Console, rows: list[dict[str, Any]]) -> None:
    """The adapters that come with the suite: what is here can do what, what is missing is installed how."""
    for number, row in enumerate(rows):
        if number:
            console.print()
        state = "missing" if "capabilities" not in row and "error" not in row else "does not start"
        there = f"[dim]{escape(row['version'])}[/]" if "capabilities" in row else f"[red]{state}[/]"
        console.print(f"[bold]{row['name']}[/]  {escape(row['what'])}; {there}", highlight=False)
        lines = _abilities(row["capabilities"]) if "capabilities" in row else {}
        if "error" in row:
            lines["error"] = row["error"]
        if "capabilities" not in row:
            lines["install"] = row["install"]
        if row.get("variants"):
            lines["variants"] = ", ".join(row["variants"])
        for one in row.get("builds", ()):
            lines[one["name"]] = "built" if one["present"] else one["install"]
        lines |= {one["name"]: one["what"] for one in row.get("labels", ())}
        for title, text in lines.items():
            label = Text(f"{title:>{_LABEL - 2}}  ", "dim")
            table = Table.grid()
            table.add_column(width=_LABEL)
            table.add_column(overflow="fold")
            table.add_row(label, Text(text, "bold" if title == "install" else ""))
            console.print(table, highlight=False)


_LABEL = 20
"""Width of the titles of lines, with two spaces behind."""


def faults(console: Console, report: FaultReport) -> None:
    """What became of the faults that were injected into an adapter: how many, the verdicts, what is wrong or left."""
    table = Table(title=f"{report.adapter}: faults", title_justify="left")
    table.add_column("fault")
    table.add_column("injected", justify="right")
    table.add_column("verdicts")
    for fault, count in report.injected.items():
        told = ", ".join(f"{many} {verdict.lower()}" for verdict, many in report.verdicts[fault].items())
        table.add_row(fault, str(count), told)
    console.print(table)
    for title, lines in (("wrong verdict", report.wrong), ("left behind", report.left)):
        for line in lines:
            console.print(Text(f"{title}: {line}", "red"), highlight=False, soft_wrap=True)
    total = sum(report.injected.values())
    console.print(
        f"{total} faults in {report.seconds:.0f} s, {len(report.wrong)} wrong verdicts, {len(report.left)} left behind",
        highlight=False,
    )


def weighed(console: Console, report: MemoryReport) -> None:
    """How much the implementation has grown, kind by kind of packets."""
    table = Table(title=f"{report.adapter}: memory, {report.weighed}", title_justify="left")
    table.add_column("packets")
    table.add_column("sent", justify="right")
    table.add_column("KiB each window, or why not", overflow="fold")
    table.add_column("verdict", overflow="fold")
    for one in report.kinds:
        seen = " ".join(str(octets >> 10) for octets in one.grown) if one.grown else one.told
        verdict = f"{one.verdict}: {one.told}" if one.grown and one.told else one.verdict
        table.add_row(one.kind, str(one.packets), Text(seen), Text(verdict, _WEIGHED[one.verdict]))
    console.print(table)
    sees = max((one.sees for one in report.kinds), default=0.0)
    console.print(f"{report.seconds:.0f} s; what stays of a packet is seen from {sees:.0f} octets on", highlight=False)


_WEIGHED = {"leaks": "red", "not measured": "red", "steady": "green", "not applicable": "dim"}


def _abilities(caps: dict[str, Any]) -> dict[str, str]:
    """Capabilities in a few titled lines; `--json` has all of them."""
    integrity = [name.removeprefix("AUTH_") for name in caps.get("integrity", ["NONE"]) if name != "NONE"]
    more = [
        "/".join(caps.get("directions", ["in", "out"])),
        "/".join(caps.get("modes", ["tunnel"])),
        "/".join(caps.get("families", ["4in4"])),
        *(["ESN"] if True in caps.get("esn", []) else []),
        *(["UDP"] if caps.get("udp") else []),
        *(name.replace("_", " ") for name in ("set_sequence", "set_window", "drop_reasons") if caps.get(name)),
    ]
    return {
        "encryption": ", ".join(name.removeprefix("ENCR_") for name in caps["encryption"]),
        "integrity": ", ".join(integrity) or "combined modes only",
        "can": ", ".join(more),
    }
