"""`espproof cover`: what of an implementation the suite reaches, line by line. Today that is a kernel that counts."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.table import Table
from rich.text import Text

from espproof.adapters.linux.kernel import reach
from espproof.adapters.linux.kernel.reach import Reach
from espproof.conformance.commands.shell import (
    ERR,
    OUT,
    ChecksOption,
    JsonOption,
    ProfileName,
    ProfileOption,
    SeedOption,
    WorkersOption,
    errors,
    print_json,
)
from espproof.conformance.report import terminal
from espproof.conformance.results.model import RunResult
from espproof.conformance.running import suite
from espproof.conformance.running.check import Profile
from espproof.reference.errors import Misuse


class Covered(msgspec.Struct, frozen=True, kw_only=True):
    """What one or several runs have reached, in JSON too."""

    implementations: tuple[str, ...]
    version: str
    profile: str
    only: str
    seed: int
    cases: int
    whole: bool
    untold: int
    """Machines that have crashed or hung, of which nothing is known."""
    files: dict[str, Reach]


def register(app: typer.Typer) -> None:
    app.command()(cover)


def cover(
    adapters: Annotated[
        list[str], typer.Argument(help="linux:LABEL of the variant gcov; of several ways into one kernel the union.")
    ],
    profile: ProfileOption = ProfileName.default,
    only: ChecksOption = "",
    seed: SeedOption = 1,
    workers: WorkersOption = 1,
    compare: Annotated[Path | None, typer.Option(help="What an earlier call with --json printed.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Run the suite, and tell which lines and functions of the implementation's source it has reached.

    What counts is everything since the kernel was started, in packets, system calls, timers and workers. Right or wrong
    is not asked: see `run`.
    """
    with errors():
        if as_json and compare is not None:
            raise Misuse("--compare is told in words: without --json")
        before = _read(compare) if compare is not None else None
        notes = {reach.notes(_variant(name)) for name in adapters}
        if len(notes) > 1:
            raise Misuse("these are several kernels: cover one at a time, and --compare")
        with tempfile.TemporaryDirectory() as folder, _asked(folder):
            done = [_run(name, profile, only, seed, workers) for name in adapters]
            places, untold = reach.told(Path(folder))
            found = Covered(
                implementations=tuple(adapters),
                version=done[0].adapter_version,
                profile=profile.value,
                only=only,
                seed=seed,
                cases=sum(result.cases for result in done),
                whole=all(result.whole for result in done),
                untold=untold,
                files=reach.read(notes.pop(), places),
            )
        if as_json:
            print_json(msgspec.to_builtins(found))
        elif before is not None:
            _show_changes(before, found)
        else:
            _show(found)


def _variant(name: str) -> str:
    scheme, _, variant = name.partition(":")
    if scheme != "linux":
        raise Misuse(f"{name} does not count what is reached: linux:LABEL of the variant gcov does")
    return variant


@contextmanager
def _asked(folder: str) -> Iterator[None]:
    """In the block, machines put their counters into the folder; those of worker processes too."""
    os.environ[reach.VARIABLE] = folder
    try:
        yield
    finally:
        del os.environ[reach.VARIABLE]


def _run(name: str, profile: ProfileName, only: str, seed: int, workers: int) -> RunResult:
    with terminal.progress(ERR, name) as tick:
        amount = Profile[profile.value.upper()]
        return suite.run(name, profile=amount, seed=seed, workers=workers, only=only, progress=tick, recall=True)


def _read(path: Path) -> Covered:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Covered)
    except msgspec.DecodeError as error:
        raise Misuse(f"{path} is not what `espproof cover --json` prints: {error}") from error


# -------------------------------------------------------------------------------------------------------- for people


def _show(found: Covered) -> None:
    table = _table("lines", "functions")
    for source, its in found.files.items():
        table.add_row(source, *_shares(its))
    OUT.print(table, highlight=False)
    for source, its in found.files.items():
        if its.functions_missed:
            _say(f"{source}: not reached: {', '.join(its.functions_missed)}")
    _figures(found)


def _show_changes(before: Covered, after: Covered) -> None:
    """What only one of two runs has reached; functions are compared by name, lines where a file has the same ones."""
    table = _table("lines before", "after", "functions before", "after")
    changes = []
    for source in sorted(before.files.keys() | after.files.keys()):
        old, new = (run.files.get(source, _NOTHING) for run in (before, after))
        pairs = zip(_shares(old), _shares(new), strict=True)
        table.add_row(source, *(share for pair in pairs for share in pair))
        changes += [f"{source}: {change}" for change in _changes(old, new)]
    OUT.print(table, highlight=False)
    for change in changes:
        _say(change)
    _figures(after)


def _changes(old: Reach, new: Reach) -> Iterator[str]:
    for what, one, other in (("newly reached", new, old), ("no longer reached", old, new)):
        if functions := [name for name in one.functions_reached if name not in other.functions_reached]:
            yield f"{what}: {', '.join(functions)}"
        if _code(old) == _code(new) and (lines := set(one.lines_reached) - set(other.lines_reached)):
            yield f"lines {what}: {ranges(sorted(lines))}"


_NOTHING = Reach(lines_reached=(), lines_missed=(), functions_reached=(), functions_missed=())


def _code(its: Reach) -> set[int]:
    return {*its.lines_reached, *its.lines_missed}


def ranges(numbers: list[int]) -> str:
    """Ascending numbers in few words: `3-5, 9`."""
    told: list[list[int]] = []
    for number in numbers:
        if told and number == told[-1][-1] + 1:
            told[-1] = [told[-1][0], number]
        else:
            told.append([number])
    return ", ".join("-".join(map(str, ends)) for ends in told)


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("file", overflow="fold")
    for column in columns:
        table.add_column(column, justify="right")
    return table


def _shares(its: Reach) -> tuple[str, str]:
    return (
        _share(len(its.lines_reached), len(its.lines_missed)),
        _share(len(its.functions_reached), len(its.functions_missed)),
    )


def _share(reached: int, missed: int) -> str:
    every = reached + missed
    return f"{reached}/{every} {100 * reached // every:3} %" if every else "-"


def _figures(found: Covered) -> None:
    whole = "" if found.whole else "; NOT WHOLE: the run ended early"
    untold = f"; {found.untold} machines ended without telling what they reached" if found.untold else ""
    _say(
        f"{', '.join(found.implementations)}: {found.version}; {found.cases} cases, profile {found.profile}, "
        f"seed {found.seed}{f', only {found.only}' if found.only else ''}{whole}{untold}"
    )


def _say(text: str) -> None:
    OUT.print(Text(text), soft_wrap=True)
