"""`espproof report`: the HTML matrix from the results of one or more runs."""

from pathlib import Path
from typing import Annotated

import typer

from espproof.conformance.commands.shell import ERR, OUT, errors


def register(app: typer.Typer) -> None:
    app.command()(report)


def report(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder that `espproof run --report DIR` has filled.")],
    output: Annotated[
        Path | None, typer.Option(help="File to write; otherwise DIR/report.html.", dir_okay=False)
    ] = None,
) -> None:
    """Make one HTML page, which needs no network, of all the results in a folder."""
    from espproof.conformance.report import folder as folders

    with errors():
        runs, others = folders.read(folder)
        for name in others:
            ERR.print(f"{name} holds no result and is left out", markup=False, highlight=False)
        path = folders.write_page(runs, folder, output)
        OUT.print(str(path), markup=False, highlight=False, soft_wrap=True)
