"""What people see in a terminal: live progress on standard error, tables that fit 80 columns on standard output."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from espproof.conformance.requirements.catalogue import load
from espproof.conformance.results import RunResult
from espproof.conformance.runner import CheckResult
from espproof.conformance.session import Progress as Tick
from espproof.conformance.verdict import Verdict

COLOURS = {
    Verdict.PASS: "green",
    Verdict.INAPPLICABLE: "dim",
    Verdict.WARNING: "yellow",
    Verdict.ORACLE_CONFLICT: "magenta",
    Verdict.ADAPTER_ERROR: "magenta",
    Verdict.HANG: "red",
    Verdict.CRASH: "red",
    Verdict.FAIL: "red",
}


@contextmanager
def progress(console: Console, name: str) -> Iterator[Tick]:
    """A bar that lives while checks run. On no terminal it says nothing until the end."""
    bar = Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
        TextColumn("{task.fields[last]}"), console=console, transient=True, disable=not console.is_terminal,
    )  # fmt: skip
    with bar:
        task = bar.add_task(name, total=None, last="")

        def tick(result: CheckResult, done: int, total: int) -> None:
            found = f"[red]{len(result.counterexamples)} found[/] in " if result.counterexamples else ""
            bar.update(task, completed=done, total=total, last=f"{found}{result.check}")

        yield tick


def show(console: Console, result: RunResult) -> None:
    """The result of a run: what is wrong first, then one line of figures."""
    table = Table(title=f"{result.adapter} {result.adapter_version}", title_justify="left", expand=False)
    table.add_column("requirement", overflow="fold")
    table.add_column("verdict")
    table.add_column("shortest counterexample", overflow="fold")
    shortest = {found.requirement: found for found in result.counterexamples}
    for requirement, verdict in result.requirements.items():
        found = shortest.get(requirement)
        if found is None:
            continue
        known = " (expected)" if requirement in result.expected else ""
        steps = f"{len(found.case.steps)} step{'s' if len(found.case.steps) != 1 else ''}: {found.message}"
        table.add_row(requirement, f"[{COLOURS[verdict]}]{verdict.value}[/]{known}", steps)
    if table.row_count:
        console.print(table)
    for requirement in result.unexpected:
        entry = load().get(requirement)
        if entry is not None:
            console.print(f"  [bold]{requirement}[/] ({entry.level.value}): {entry.text}", highlight=False)
    _missing(console, result)
    counts = ", ".join(f"[{COLOURS[Verdict(name)]}]{n} {name}[/]" for name, n in result.verdicts.items() if n)
    console.print(f"{result.adapter}: requirements: {counts}", highlight=False)
    whole = "whole" if result.whole else f"[bold red]NOT WHOLE[/]: {result.not_whole_because}"
    console.print(
        f"{result.cases} cases in {result.seconds:.1f} s ({result.profile}, seed {result.seed}, {whole}); "
        f"{result.pairs_covered} of {result.pairs_total} pairs of SA options covered",
        highlight=False,
    )


def _missing(console: Console, result: RunResult) -> None:
    missing: dict[str, list[str]] = {}
    for check in result.checks:
        if check.verdict is Verdict.INAPPLICABLE:
            missing.setdefault(check.missing, []).append(check.check)
    for what, checks in missing.items():
        console.print(f"  [dim]inapplicable without {what}: {', '.join(checks)}[/]", highlight=False)


def adapters(console: Console, rows: list[dict[str, Any]]) -> None:
    """The adapters that come with the suite."""
    table = Table()
    for column in ("adapter", "what", "version", "install"):
        table.add_column(column)
    for row in rows:
        table.add_row(row["name"], row["what"], row.get("version", "[red]missing[/]"), row.get("install", ""))
    console.print(table)
