"""`espproof bench`: speed beside the peers and the limits, in one run."""

import time
from collections.abc import Sequence
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.markup import escape
from rich.table import Table

from espproof.adapters.base import AdapterFailure
from espproof.conformance.bench import adapters, reference
from espproof.conformance.bench.adapters import SIZES, AdapterFigures
from espproof.conformance.bench.crowds import LARGEST
from espproof.conformance.commands import scale
from espproof.conformance.commands.shell import ERR, OUT, JsonOption, errors, print_json
from espproof.reference.errors import Misuse


class Only(Enum):
    """What can be measured by itself."""

    SCALE = "scale"


def register(app: typer.Typer) -> None:
    app.command(name="bench")(command)


def command(
    adapters: Annotated[
        list[str] | None, typer.Argument(help="Adapters to measure; without one, reference and suite themselves.")
    ] = None,
    seconds: Annotated[float, typer.Option(min=1, max=3600, help="About how long to measure, each adapter.")] = 30,
    only: Annotated[
        Only | None,
        typer.Option(
            help="scale: how time and memory grow from 100 to 100,000 policies and SAs, and SAs replaced under "
            "traffic; of the reference and kernels (linux, linux:LABEL)."
        ),
    ] = None,
    most: Annotated[int, typer.Option(min=100, max=LARGEST, help="Of --only scale: the largest number.")] = LARGEST,
    html: Annotated[Path | None, typer.Option(help="Of --only scale: a page with the curves.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Speed of reference and suite beside scapy, the bare cipher and bare Hypothesis; or of adapters.

    A target that is missed is no error: `met` tells, figure by figure. A packet that is lost is one.
    """
    with errors():
        if only is Only.SCALE:
            scale.run(adapters, most, html, as_json=as_json)
            return
        if html is not None or most != LARGEST:
            raise Misuse("--html and --most belong to --only scale")
        started = time.perf_counter()
        if adapters:
            figures, failures = _adapters(adapters, seconds)
            if as_json:
                print_json(_plain(figures, failures, time.perf_counter() - started))
            elif figures:
                _show_adapters(figures)
            if failures:
                raise next(iter(failures.values()))
            return
        with ERR.status("bench") as status:
            own = reference.bench(seconds, lambda what: status.update(f"bench: {what}"))
        if as_json:
            print_json(reference.plain(own, time.perf_counter() - started))
        else:
            _show(own)


def _adapters(names: Sequence[str], seconds: float) -> tuple[list[AdapterFigures], dict[str, AdapterFailure]]:
    """The figures of those that run, and why the others do not."""
    figures: list[AdapterFigures] = []
    failures: dict[str, AdapterFailure] = {}
    with ERR.status("bench") as status:
        for name in names:
            status.update(f"bench: {name}")
            try:
                figures.append(adapters.measure(name, seconds))
            except AdapterFailure as failure:
                failures[name] = failure
    return figures, failures


def _plain(figures: Sequence[AdapterFigures], failures: dict[str, AdapterFailure], seconds: float) -> dict[str, Any]:
    return {
        "met": all(one.met for one in figures) and not failures,
        "seconds": round(seconds, 1),
        "adapters": {one.adapter: {**msgspec.to_builtins(one), "met": one.met} for one in figures},
        "failures": {name: str(failure) for name, failure in failures.items()},
        "versions": reference.versions(),
    }


def _show_adapters(figures: Sequence[AdapterFigures]) -> None:
    """Packets per second by direction, size and way; below it what a run of the suite costs."""
    table = Table(title="packets per second", title_justify="left", show_lines=True)
    table.add_column("adapter", overflow="fold")
    table.add_column("inner octets", justify="right")
    for column in ("in, one by one", "in, batched", "out, one by one", "out, batched"):
        table.add_column(column, justify="right")
    for one in figures:
        name = f"{escape(one.adapter)}\n[dim]{escape(one.algorithms)}[/]"
        cells = [
            "\n".join(
                f"{one.packets[key]:,.0f}" if (key := f"{way} {size} {how}") in one.packets else "–" for size in SIZES
            )
            for way in ("in", "out")
            for how in ("one by one", "batched")
        ]
        table.add_row(name, "\n".join(map(str, SIZES)), *cells)
    OUT.print(table)
    table = Table(title="a run of the suite, quick profile: where the time goes", title_justify="left")
    table.add_column("adapter", overflow="fold")
    table.add_column("cases")
    for column in ("per s", *_SHARES.values()):
        table.add_column(column, justify="right")
    for one in figures:
        memory = f", {one.memory_mib:,.0f} MiB" if one.memory_mib else ""
        told = {"drawn": escape(one.adapter), "recalled": f"[dim]{one.start_seconds:.2f} s{memory}[/]"}
        for how, run in (("drawn", one.drawn), ("recalled", one.recalled)):
            shares = (f"{run.shares[where]:.0%}" for where in _SHARES)
            table.add_row(told[how], how, f"{run.cases_per_second:,.0f}", *shares, end_section=how == "recalled")
    OUT.print(table)
    for one in figures:
        aims = [f"≥ {one.at_least:,.0f} packets/s in, batched"] if one.at_least else []
        aims += [f"≤ {one.most_own_share:.0%} of the time without the adapter, recalled"] if one.most_own_share else []
        if aims:
            verdict = "[green]met[/]" if one.met else "[red]missed[/]"
            OUT.print(f"{escape(one.adapter)}: {', '.join(aims)}: {verdict}", highlight=False)
    OUT.print(", ".join(f"{one.adapter}: {one.version}" for one in figures), highlight=False, markup=False)


_SHARES = {"generation": "drawing", "reference": "reference", "adapter": "adapter", "comparison": "judging"}
"""Parts of a run's time, and their columns."""


def _show(figures: Sequence[reference.Figure]) -> None:
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
    OUT.print(", ".join(f"{name} {version}" for name, version in reference.versions().items()), highlight=False)
