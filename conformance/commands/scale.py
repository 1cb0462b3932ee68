"""`espproof bench --only scale`: how time and memory grow with policies and SAs, and all SAs replaced under traffic."""

import time
from collections.abc import Sequence
from pathlib import Path

import msgspec
import typer
from rich.markup import escape
from rich.table import Table

from espproof.adapters import atomic
from espproof.adapters.base import AdapterFailure
from espproof.adapters.registry import open_adapter
from espproof.conformance.bench import reference, scale, storm
from espproof.conformance.bench.scale import MOST_GROWTH, OPERATIONS, Curve, Scale
from espproof.conformance.bench.storm import Storm
from espproof.conformance.commands.shell import CANNOT_RUN, ERR, NEWS, OUT, print_json
from espproof.conformance.report import plot, scale_page

ROUNDS = 7
_STOCK = "linux"
"""The reference is always measured; where nobody is named so is Debian's kernel."""


def run(names: Sequence[str] | None, most: int, html: Path | None, *, as_json: bool) -> None:
    """Measure, show; exit status 1 if a storm found something wrong, 3 if a kernel could not run."""
    began = time.perf_counter()
    kernels = [name for name in names or (_STOCK,) if name != scale.REFERENCE]
    with ERR.status("bench") as status:
        found = scale.measure(kernels, most, ROUNDS, lambda what: status.update(f"bench: {what}"))
        storms, failures = _storms(
            (scale.REFERENCE, *found.versions), min(most, storm.SAS), lambda what: status.update(f"bench: {what}")
        )
    found = msgspec.structs.replace(found, failures={**found.failures, **failures})
    if html is not None:
        atomic.write(html, scale_page.render(found, storms))
    if as_json:
        print_json({
            "met": found.met and not any(one.wrong for one in storms),
            "seconds": round(time.perf_counter() - began, 1),
            "growth": {curve.crowd: curve.growth for curve in found.curves if curve.growth},
            "most_growth": MOST_GROWTH,
            "curves": msgspec.to_builtins(found.curves),
            "storms": msgspec.to_builtins(storms),
            "failures": found.failures,
            "versions": {**reference.versions(), **found.versions},
        })  # fmt: skip
    else:
        _show(found, storms)
    if any(one.wrong for one in storms):
        raise typer.Exit(NEWS)
    if found.failures:
        raise typer.Exit(CANNOT_RUN)


def _storms(names: Sequence[str], sas: int, tell: storm.Tell) -> tuple[list[Storm], dict[str, str]]:
    storms, failures = [], {}
    for name in names:
        try:
            with open_adapter(name) as adapter:
                storms.append(storm.storm(adapter, sas, progress=lambda what, name=name: tell(f"{name}, {what}")))  # type: ignore[misc]
        except AdapterFailure as failure:
            failures[name] = str(failure)
    return storms, failures


def _show(found: Scale, storms: Sequence[Storm]) -> None:
    for crowd in dict.fromkeys(curve.crowd for curve in found.curves):
        OUT.print(_table([curve for curve in found.curves if curve.crowd == crowd]))
    table = Table(title="every SA replaced, under traffic", title_justify="left")
    for column in ("who", "SAs", "packets", "seconds", "wrong"):
        table.add_column(column, overflow="fold")
    for one in storms:
        wrong = "[green]nothing[/]" if not one.wrong else "[red]" + escape("\n".join(one.wrong)) + "[/]"
        table.add_row(escape(one.who), f"{one.replaced:,}", f"{one.packets:,}", f"{one.seconds:.1f}", wrong)
    OUT.print(table)
    for name, reason in found.failures.items():
        OUT.print(f"[red]{escape(name)} could not be measured:[/] {escape(reason)}", highlight=False)
    OUT.print(
        ", ".join(f"{name}: {version}" for name, version in found.versions.items()), highlight=False, markup=False
    )


def _table(curves: Sequence[Curve]) -> Table:
    table = Table(title=curves[0].what, title_justify="left")
    for column, justify in (("who", "left"), ("number", "right"), ("search", "right"), ("insertion", "right"),
                            ("deletion", "right"), ("memory of one", "right")):  # fmt: skip
        table.add_column(column, justify=justify)  # type: ignore[arg-type]
    for curve in curves:
        for at, size in enumerate(curve.sizes):
            name = escape(curve.who) if at == 0 else _beside(curve) if at == 1 else ""
            times = (size.lookup, size.insert, size.delete)
            cells = ["–" if value is None else plot.NANOSECONDS(value) for value in times]
            memory = "–" if size.octets is None else plot.OCTETS(size.octets)
            table.add_row(name, f"{size.count:,}", *cells, memory, end_section=at == len(curve.sizes) - 1)
        if curve.growth:
            ratios = [curve.growth[name] for name in OPERATIONS]
            told = (f"[{'green' if ratio <= MOST_GROWTH else 'red'}]× {ratio:.2g}[/]" for ratio in ratios)
            table.add_row(f"[dim]largest over smallest, ≤ {MOST_GROWTH:g}[/]", "", *told, "", end_section=True)
    return table


def _beside(curve: Curve) -> str:
    if curve.stopped:
        return f"[dim]ends: {escape(curve.stopped)}[/]"
    return f"[dim]one alone: {plot.NANOSECONDS(curve.alone)}[/]" if curve.alone is not None else ""
