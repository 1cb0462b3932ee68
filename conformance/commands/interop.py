"""`espproof interop`: implementations with each other, without the reference in between."""

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from espproof.adapters.case import to_plain
from espproof.conformance.commands.shell import CANNOT_RUN, ERR, EXPECTED, NEWS, OUT, JsonOption, errors, print_json
from espproof.conformance.interop import matrix, result
from espproof.conformance.interop.result import Cell, InteropResult

DEFAULT_EXPECTATIONS = Path(__file__).parents[1] / "interop_expected.toml"


def register(app: typer.Typer) -> None:
    app.command()(interop)


def interop(
    adapters: Annotated[list[str], typer.Argument(help="Names: reference, scapy, exec:COMMAND, module:Class, …")],
    only: Annotated[str, typer.Option(help="Pattern of combinations, such as '*/esn/*/wrap'.")] = "",
    expect: Annotated[str, typer.Option(help="Expectation file; 'none' ignores the suite's own.")] = "",
    report: Annotated[Path | None, typer.Option(help="Folder for the result and the cases.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Let every implementation send to every other, over all that both can do."""
    with errors():
        path = Path(expect) if expect not in ("", "none") else DEFAULT_EXPECTATIONS
        known = () if expect == "none" or (not expect and not path.is_file()) else result.read_expectations(path)
        done = matrix.run(adapters, only=only, progress=_tick if ERR.is_terminal else None)
        result.compare(done, known)
        if as_json:
            print_json(to_plain(done))
        else:
            show(done)
        if report is not None:
            result.write(done, report)
        if any(party.failure for party in done.parties):
            raise typer.Exit(CANNOT_RUN)
        raise typer.Exit(NEWS if done.news else EXPECTED)


def _tick(cell: Cell, done: int, total: int) -> None:
    ERR.print(f"{done}/{total} {cell.sender} to {cell.receiver}: {_word(cell)}", markup=False, highlight=False)


def _word(cell: Cell) -> str:
    if not cell.tried and not cell.red:
        return "—"
    return f"{cell.red} of {cell.tried} red" if cell.red else f"ok {cell.tried}"


def show(done: InteropResult) -> None:
    """The matrix, why cells are empty, the findings, and what could not run."""
    names = [party.name for party in done.parties if not party.failure]
    cells = {(cell.sender, cell.receiver): cell for cell in done.cells}
    table = Table(title="rows send, columns receive", title_style="dim", title_justify="left")
    for name in ("", *names):
        table.add_column(escape(name), overflow="fold")
    for sender in names:
        row = [Text(sender, "bold")]
        for receiver in names:
            cell = cells.get((sender, receiver))
            colour = "dim" if cell is None or not cell.tried else "red" if cell.red else "green"
            row.append(Text(_word(cell) if cell is not None else "not run", colour))
        table.add_row(*row)
    OUT.print(table)
    for cell in done.cells:
        why = cell.nothing or (", ".join(cell.inapplicable) if not cell.tried else "")
        if why:
            _line(f"— {cell.sender} to {cell.receiver}: nothing in common: {why}", "dim")
        if cell.stopped:
            _line(f"{cell.sender} to {cell.receiver}: stopped {cell.stopped}", "red")
    for one in done.findings:
        _line(f"{one.sender} to {one.receiver}: {one.kind} ({one.combinations} combinations)", "bold red")
        _line(f"    {one.combination}, packet {one.at + 1}, number {one.sequence}, {one.length} octets inside")
        _line(f"    expected: {one.expected}; got: {one.got}")
        if one.reason:
            _line(f"    known: {one.reason}", "dim")
    for stale in done.stale:
        _line(f"expected and not seen: {stale}", "yellow")
    for party in done.parties:
        if party.failure:
            _line(f"{party.name} could not run: {party.failure}", "magenta")
    if not done.whole:
        _line("NOT WHOLE", "bold red")


def _line(text: str, style: str = "") -> None:
    OUT.print(Text(text, style), highlight=False, soft_wrap=True)
