"""`espproof interop`: every implementation into every other."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from espproof.adapters.case import to_plain
from espproof.adapters.printable import printable
from espproof.conformance.commands.shell import CANNOT_RUN, ERR, NEWS, OUT, JsonOption, errors, print_json
from espproof.conformance.interop import result as results
from espproof.conformance.interop.matrix import interop
from espproof.conformance.interop.result import Cell, Incompatibility, Interop
from espproof.conformance.oracle.verdict import Verdict


def register(app: typer.Typer) -> None:
    app.command(name="interop")(command)


def command(
    adapters: Annotated[list[str], typer.Argument(help="Names: reference, scapy, exec:COMMAND, …")],
    only: Annotated[str, typer.Option(help="Only histories with this in their name: 'AES_CBC*ESN'.")] = "",
    expect: Annotated[str, typer.Option(help="File of known findings; 'none' ignores the one of the suite.")] = "",
    report: Annotated[Path | None, typer.Option(help="Folder for the result, the cases and a page.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Send packets from every implementation to every other, itself included; a matrix of what went wrong.

    Exit status: 0 as expected, 1 a new finding, 2 usage, 3 an adapter could not run (the others are done all the same).
    """
    with errors():
        known = () if expect == "none" else results.read_known(Path(expect) if expect else None)
        with ERR.status("interop") as status:
            result = interop(adapters, only, lambda pair: status.update(f"interop: {escape(pair)}"))
        results.compare(result, known)
        if as_json:
            print_json(to_plain(result))
        else:
            _show(result)
        if report is not None:
            from espproof.conformance.report import interop_page

            page = interop_page.write(result, report)
            ERR.print(f"report: {page}", markup=False, highlight=False, soft_wrap=True)
        news = {found.verdict for cell in result.cells for found in cell.news}
        if news - {Verdict.ADAPTER_ERROR}:
            raise typer.Exit(NEWS)
        if news or result.failed:
            raise typer.Exit(CANNOT_RUN)


def _show(result: Interop) -> None:
    names = list(result.versions)
    cells = {(cell.sender, cell.receiver): cell for cell in result.cells}
    table = Table("sends \\ receives", *(escape(printable(name)) for name in names))
    for sender in names:
        table.add_row(escape(printable(sender)), *(_cell(cells[sender, receiver]) for receiver in names))
    OUT.print(table)
    findings = [found for cell in result.cells for found in cell.findings]
    _findings("not as expected", [found for found in findings if not found.reason])
    _findings("known", [found for found in findings if found.reason])
    for cell in result.cells:
        for missing, count in cell.missing.items():
            times = "" if cell.right + cell.wrong == 0 and count == 1 else f" ({count})"
            _print(f"[dim]not tried[/] {_pair(cell)}: {escape(printable(missing))}{times}")
    for name, reason in result.failed.items():
        _print(f"[magenta]could not run[/] {escape(printable(name))}: {escape(printable(reason))}")
    tried = sum(cell.right + cell.wrong for cell in result.cells)
    _print(f"{tried} histories, {len(names)} implementations, {result.seconds:.1f} s")


def _cell(cell: Cell) -> str:
    if not cell.right + cell.wrong:
        return "[dim]—[/]"
    if not cell.wrong:
        return f"[green]ok {cell.right}[/]"
    return f"[{'red' if cell.news else 'yellow'}]{cell.wrong} of {cell.right + cell.wrong} red[/]"


def _findings(title: str, findings: Sequence[Incompatibility]) -> None:
    if findings:
        _print(f"[bold]{title} ({len(findings)})[/]")
    for found in findings:
        _print(f"  [bold]{_pair(found)}[/]  {escape(found.kind)} ({found.verdict.value}, {found.count}×)")
        if found.reason:
            _print(f"    {escape(printable(found.reason))}")
            continue
        _print(f"    {escape(found.combination)}, {escape(found.history)}")
        _print(f"    packet {found.packet}, sequence number {found.number:#x}, {found.length} octets")
        _print(f"    expected {escape(_short(found.expected))}, got {escape(_short(found.got))}")


def _pair(one: Cell | Incompatibility) -> str:
    return escape(printable(f"{one.sender} → {one.receiver}"))


def _short(text: str) -> str:
    text = printable(text)
    return text if len(text) <= 100 else f"{text[:100]}…"


def _print(line: str) -> None:
    OUT.print(line, highlight=False, soft_wrap=True)
