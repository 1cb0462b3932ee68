"""`espproof diff`: what has changed between the results of two runs, and is it news."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.markup import escape

from espproof.conformance.commands.shell import OUT, JsonOption, errors, print_json
from espproof.conformance.report import folder as folders
from espproof.conformance.report import summary
from espproof.conformance.results import gate, record
from espproof.conformance.results.model import RunResult
from espproof.reference.errors import Misuse

_COLOURS = {gate.Kind.UNEXPECTED_PASS: "green", gate.Kind.NEW_WARNING: "yellow"}


def register(app: typer.Typer) -> None:
    app.command()(diff)


def diff(
    old: Annotated[Path, typer.Argument(help="A result file, or a folder that `run --report` has filled.")],
    new: Annotated[Path, typer.Argument(help="The same of the later run.")],
    markdown: Annotated[bool, typer.Option("--markdown", help="For a pull request.")] = False,
    as_json: JsonOption = False,
) -> None:
    """What has changed from one run to another, adapter by adapter.

    Exit status: 0 nothing that matters, 1 new failure, 2 usage, 3 adapter error, 4 unexpected pass, 5 fewer cases, 6
    shrunk capability, 7 newly inapplicable, 8 newly lacking; of several the first of 1, 3, 5, 6, 8, 7, 4.
    """
    with errors():
        if markdown and as_json:
            raise Misuse("--markdown and --json exclude each other")
        before, after = _read(old), _read(new)
        changes = gate.pairs(before, after)
        status = gate.status_of(changes)
        if as_json:
            print_json({"status": status, "changes": msgspec.to_builtins(changes)})
        elif markdown:
            OUT.print(summary.markdown(after, changes), markup=False, highlight=False, soft_wrap=True)
        else:
            _show(changes, after)
        raise typer.Exit(status)


def _read(path: Path) -> list[RunResult]:
    if path.is_dir():
        return [run.result for run in folders.read(path)[0]]
    return [record.read_result(path)]


def _show(changes: Sequence[gate.Change], after: Sequence[RunResult]) -> None:
    for kind in gate.Kind:
        some = [change for change in changes if change.kind is kind]
        if some:
            OUT.print(f"[bold {_COLOURS.get(kind, 'red')}]{kind.value}[/] ({len(some)})", highlight=False)
        for change in some:
            line = f"  {change.adapter}  [bold]{escape(change.what)}[/]  {escape(change.message)}"
            OUT.print(line, highlight=False, soft_wrap=True)
    if not changes:
        cases = sum(result.cases for result in after)
        OUT.print(f"no change: {', '.join(result.adapter for result in after)}, {cases:,} cases", highlight=False)
