"""`espproof score`: the suite against the catalogue of seeded defects."""

import os
from typing import Annotated

import msgspec
import typer
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn

from espproof.conformance.commands.shell import (
    ERR,
    EXPECTED,
    NEWS,
    OUT,
    JsonOption,
    ProfileName,
    ProfileOption,
    SeedOption,
    WorkersOption,
    errors,
    print_json,
)
from espproof.conformance.report import terminal
from espproof.conformance.running import score as scores
from espproof.conformance.running.check import Profile

_CORES = os.cpu_count() or 1


def register(app: typer.Typer) -> None:
    app.command()(score)


def score(
    profile: ProfileOption = ProfileName.default,
    only: Annotated[str, typer.Option(help="Comma-separated patterns of defect ids, families or sources.")] = "",
    seed: SeedOption = 1,
    workers: WorkersOption = _CORES,
    at_least: Annotated[float, typer.Option(min=0, max=1, help="Share of the defects that must be found.")] = 1.0,
    as_json: JsonOption = False,
) -> None:
    """Run the suite against each seeded defect: found on a requirement that it breaks or missed, how soon, by which case.

    Exit status 1 if more defects are missed than `--at-least` allows.
    """
    with errors():
        columns = (
            TextColumn("score"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[last]}"),
        )
        with terminal.bar(ERR, *columns) as bar:
            task = bar.add_task("score", total=None, last="")

            def tick(row: scores.Row, done: int, total: int) -> None:
                bar.update(
                    task, completed=done, total=total, last=row.defect if row.found else f"[red]missed {row.defect}"
                )

            result = scores.score(
                profile=Profile[profile.value.upper()], seed=seed, workers=workers, only=only, progress=tick
            )
        if as_json:
            print_json(msgspec.to_builtins(result))
        else:
            _show(result)
        raise typer.Exit(EXPECTED if result.whole and result.found >= at_least * result.total else NEWS)


def _show(score: scores.Score) -> None:
    """What is missed first, then every defect that was found, then the figures."""
    for row in sorted(score.rows, key=lambda row: row.found):
        effort = f"{row.examples:,} cases, {row.seconds:.1f} s"
        if row.found:
            said = f"found  {row.defect}\n       by {row.requirement}, after {effort}; steps: {row.steps}"
            OUT.print(said, markup=False, highlight=False, soft_wrap=True)
        else:
            instead = f", found only by {row.requirement}" if row.requirement else ""
            OUT.print(f"[bold red]missed[/] {row.defect}\n       {effort}{instead}", highlight=False, soft_wrap=True)
    whole = "" if score.whole else " [bold red]NOT WHOLE[/]: interrupted"
    OUT.print(
        f"{score.found} of {score.total} found in {score.seconds:.0f} s ({score.profile}, seed {score.seed}); "
        f"shrunk to {score.median_steps:g} steps in the median, {score.max_steps} at most{whole}",
        highlight=False,
    )
