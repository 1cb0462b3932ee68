"""`espproof fuzz`: list, run, minimise, report, bench. Exit statuses are those of every command:

0 nothing was found, 1 something was found or a run is not whole, 2 usage, 3 fuzzing or the adapter is not possible here.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.markup import escape
from rich.table import Table

from espproof.adapters.case import to_plain
from espproof.conformance.commands.shell import CANNOT_RUN, ERR, EXPECTED, NEWS, OUT, JsonOption, errors, print_json
from espproof.fuzz import seeds
from espproof.fuzz.engines.libfuzzer import Limits, Statistics
from espproof.fuzz.engines.reproduce import Order
from espproof.fuzz.run import CannotFuzz, Plan, reproduced, run
from espproof.fuzz.targets import TARGETS, by_name
from espproof.fuzz.triage import regressions
from espproof.fuzz.triage.result import FuzzResult, Misbehaviour, plain, read
from espproof.reference.errors import Misuse

app = typer.Typer(no_args_is_help=True, help="Coverage-guided fuzzing (needs atheris: pip install 'espproof\\[fuzz]').")

Results = Annotated[Path, typer.Option(help="Folder for corpus, findings and results.")]
Adapter = Annotated[str, typer.Option(help="reference, scapy, seeded:DEFECT, exec:COMMAND, module:Class, …")]


@contextmanager
def _errors() -> Iterator[None]:
    with errors():
        try:
            yield
        except CannotFuzz as error:
            ERR.print(f"[red]espproof:[/] {escape(str(error))}", highlight=False)
            raise typer.Exit(CANNOT_RUN) from error


@app.command("list")
def list_targets(as_json: JsonOption = False) -> None:
    """The fuzz targets, and whether they can run here."""
    with _errors():
        here = find_spec("atheris") is not None
        rows = [{"name": name, "what": target.what, "seeds": _count(target)} for name, target in TARGETS.items()]
        if as_json:
            print_json({"targets": rows, "atheris": here})
            return
        table = Table()
        for column in ("target", "what", "seeds"):
            table.add_column(column)
        for row in rows:
            table.add_row(str(row["name"]), str(row["what"]), str(row["seeds"]))
        OUT.print(table)
        if not here:
            OUT.print("atheris is missing: pip install 'espproof[fuzz]'", markup=False, highlight=False)


def _count(target: Any) -> int:
    return sum(1 for path in seeds.folder(target).glob(f"*{seeds.SUFFIX}"))


@app.command("run")
def run_target(
    name: Annotated[str, typer.Argument(help="The target; `espproof fuzz list` has them.")],
    seconds: Annotated[int, typer.Option(min=1, help="How long.")] = 60,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="libFuzzer's; 0 takes any and tells which.")] = 0,
    adapter: Adapter = "reference",
    results: Results = Path("espproof-results"),
    stop_after: Annotated[int, typer.Option("--findings", min=1, help="Stop after so many different ones.")] = 10,
    per_input: Annotated[int, typer.Option(min=1, help="Seconds that one input may take.")] = 5,
    memory: Annotated[int, typer.Option(min=128, help="MiB that the fuzzing process may take.")] = 1024,
    save_regressions: Annotated[
        bool,
        typer.Option(
            "--save-regressions", help="Put what is found into corpus/regressions (reference and seeded: only)."
        ),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Fuzz one target, and minimise what it finds."""
    with _errors():
        by_name(name)
        if save_regressions:
            regressions.may_be_saved(adapter)
        limits = Limits(seconds_per_input=per_input, memory_mib=memory)
        plan = Plan(
            target=name,
            adapter=adapter,
            seconds=seconds,
            seed=seed,
            findings=stop_after,
            results=results,
            limits=limits,
        )
        with ERR.status(f"{name} on {adapter}: starting") as status:
            result = run(plan, lambda said: status.update(_line(name, adapter, said)))
        saved = [path for one in result.findings if (path := regressions.save(one))] if save_regressions else []
        if as_json:
            print_json(plain(result))
        else:
            _show(result)
        for path in saved:
            ERR.print(f"saved {path}", markup=False, highlight=False)
        raise typer.Exit(NEWS if result.findings or not result.whole else EXPECTED)


def _line(name: str, adapter: str, said: Statistics) -> str:
    return (
        f"{name} on {escape(adapter)}: {said.executions} executions, {said.executions_per_second}/s, "
        f"coverage {said.coverage}, corpus {said.corpus}"
    )


def _show(result: FuzzResult) -> None:
    if result.findings:
        OUT.print(_table(result.findings))
        OUT.print("each in a folder of its own: " + str(Path(result.findings[0].folder).parent), markup=False)
    whole = "whole" if result.whole else f"NOT WHOLE: {result.not_whole_because}"
    OUT.print(
        f"{result.target} on {result.adapter}: {len(result.findings)} found in {result.executions} executions, "
        f"{result.seconds:.1f} s, {result.executions_per_second}/s; coverage {result.coverage}, corpus {result.corpus}, "
        f"seed {result.seed} ({whole})",
        markup=False,
        highlight=False,
    )


def _table(found: tuple[Misbehaviour, ...] | list[Misbehaviour]) -> Table:
    table = Table()
    for column in ("finding", "kind", "after", "octets", "what"):
        table.add_column(column, overflow="fold")
    for one in found:
        size = f"{one.size} → {len(one.octets) // 2}"
        what = one.message if one.reproduced is not False else f"{one.message} (does not show again outside the fuzzer)"
        table.add_row(one.key, one.kind, f"{one.seconds:.1f} s", size, escape(what))
    return table


@app.command()
def minimise(
    file: Annotated[Path, typer.Argument(help="Octets: an input.bin of a findings folder, or any other file.")],
    target: Annotated[str, typer.Option(help="Not needed in a findings folder, whose finding.json says it.")] = "",
    adapter: Annotated[str, typer.Option(help="Likewise.")] = "",
    seconds: Annotated[float, typer.Option(min=0.1, help="How long to try.")] = 30.0,
    as_json: JsonOption = False,
) -> None:
    """The smallest input that shows the same; written beside FILE, with its Case. Needs no atheris."""
    with _errors():
        octets = _octets(file)
        beside = file.parent / "finding.json"
        if not target and beside.is_file():
            known: Misbehaviour = read(beside, Misbehaviour)
            target, adapter = known.target, adapter or known.adapter
        if not target:
            raise Misuse(f"{file} is in no findings folder: say --target and --adapter")
        by_name(target)
        order = Order(target=target, adapter=adapter or "reference", octets=octets.hex(), seconds=seconds)
        answer = reproduced(order)
        if answer is None:
            raise CannotFuzz(f"the process that tried {file} died or hung; the input is as small as it gets here")
        small, case = file.with_suffix(".minimised.bin"), file.with_suffix(".case.json")
        if answer.signature is not None:
            small.write_bytes(bytes.fromhex(answer.octets))
            case.write_bytes(msgspec.json.format(msgspec.json.encode(to_plain(answer.case)), indent=1))
        if as_json:
            print_json(to_plain(answer))
        elif answer.signature is None:
            OUT.print(f"{file} shows nothing on {order.adapter}", markup=False, highlight=False)
        else:
            sizes = f"{len(octets)} → {len(answer.octets) // 2} octets after {answer.tries} tries"
            OUT.print(f"{answer.signature.key}: {sizes}; {small}", markup=False, highlight=False)
        raise typer.Exit(EXPECTED if answer.signature is None else NEWS)


def _octets(file: Path) -> bytes:
    try:
        if file.stat().st_size > 1 << 20:
            raise Misuse(f"{file}: more than 1 MiB is no input")
        return file.read_bytes()
    except OSError as error:
        raise Misuse(f"{file}: cannot be read: {error.strerror}") from error


@app.command()
def report(results: Results = Path("espproof-results"), as_json: JsonOption = False) -> None:
    """All findings of the runs in a results folder."""
    with _errors():
        runs = [read(path, FuzzResult) for path in sorted((results / "fuzz").glob("*/*/run.json"))]
        if not runs:
            raise Misuse(f"{results} holds no fuzzing results")
        if as_json:
            print_json({"runs": [plain(one) for one in runs]})
        else:
            for one in runs:
                _show(one)
        raise typer.Exit(NEWS if any(one.findings or not one.whole for one in runs) else EXPECTED)


@app.command()
def bench(
    seconds: Annotated[int, typer.Option(min=1, help="Of each of the runs.")] = 5,
    rounds: Annotated[int, typer.Option(min=1)] = 3,
    as_json: JsonOption = False,
) -> None:
    """Speed of the targets beside atheris targets with nothing of fuzzing in them."""
    with _errors():
        from espproof.fuzz.bench import bench as measure

        speeds = measure(seconds=seconds, rounds=rounds)
        if as_json:
            print_json({"targets": [to_plain(speed) for speed in speeds]})
            return
        table = Table()
        for column in ("target", "executions/s", "peer", "plain", "nothing", "vs peer", "vs plain"):
            table.add_column(column, justify="right")
        for one in speeds:
            figures = (one.executions_per_second, one.peer, one.plain, one.nothing, one.vs_peer, one.vs_plain)
            table.add_row(one.target, *map(str, figures))
        OUT.print(table)
