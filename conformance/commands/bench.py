"""`espproof bench`: speed beside the peers and the limits, in one run."""

import time
from collections.abc import Sequence
from typing import Annotated

import typer
from rich.table import Table

from espproof.conformance.bench import Figure, bench, plain, versions
from espproof.conformance.commands.shell import ERR, OUT, JsonOption, errors, print_json


def register(app: typer.Typer) -> None:
    app.command(name="bench")(command)


def command(
    seconds: Annotated[float, typer.Option(min=1, max=3600, help="About how long to measure.")] = 30,
    as_json: JsonOption = False,
) -> None:
    """Speed of reference and suite beside scapy, the bare cipher and bare Hypothesis.

    A target that is missed is no error: `met` tells, figure by figure.
    """
    with errors():
        started = time.perf_counter()
        with ERR.status("bench") as status:
            figures = bench(seconds, lambda what: status.update(f"bench: {what}"))
        if as_json:
            print_json(plain(figures, time.perf_counter() - started))
        else:
            _show(figures)


def _show(figures: Sequence[Figure]) -> None:
    """Target beside figure, and the rates that make it."""
    table = Table(title="speed, medians of ratios", title_justify="left")
    table.add_column("figure")
    table.add_column("target", justify="right")
    table.add_column("median", justify="right")
    table.add_column("least … greatest", justify="right")
    table.add_column("per second", overflow="fold")
    for figure in figures:
        colour = "green" if figure.met else "red"
        rates = "\n".join(f"{rate:,.0f} {who}" for who, rate in figure.rates.items())
        table.add_row(
            f"{figure.name}\n[dim]{figure.what}[/]",
            f"{'≥' if figure.at_least else '≤'} {figure.target:g}",
            f"[{colour}]{figure.median:g}[/]",
            f"{figure.least:g} … {figure.greatest:g}",
            rates,
        )
    OUT.print(table)
    OUT.print(", ".join(f"{name} {version}" for name, version in versions().items()), highlight=False)
