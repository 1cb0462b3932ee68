"""`espproof run`: the main job."""

import itertools
import shlex
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from espproof.adapters import registry
from espproof.adapters.base import AdapterFailure
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
from espproof.conformance.results import expectations, gate, model, record
from espproof.conformance.running import suite
from espproof.conformance.running.check import Profile
from espproof.reference.errors import Misuse


def register(app: typer.Typer) -> None:
    app.command()(run)


def run(
    adapters: Annotated[list[str], typer.Argument(help="Names: reference, scapy, exec:COMMAND, module:Class, …")],
    profile: ProfileOption = ProfileName.default,
    only: ChecksOption = "",
    seed: SeedOption = 1,
    workers: WorkersOption = 1,
    report: Annotated[Path | None, typer.Option(help="Folder for results, counterexamples and the report.")] = None,
    expect: Annotated[str, typer.Option(help="Expectation file; 'none' ignores the one of the adapter.")] = "",
    write_expect: Annotated[Path | None, typer.Option(help="Write what was found as an expectation file.")] = None,
    oracle: Annotated[
        list[str] | None, typer.Option(help="Another implementation to ask about what is found; may be repeated.")
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Draw all cases anew, recall none of an earlier run.")] = False,
    seconds: Annotated[
        int, typer.Option(min=0, help="Go on with the next seeds, --fresh, until there is news or so long is over.")
    ] = 0,
    as_json: JsonOption = False,
) -> None:
    """Run the suite against one or more implementations.

    Exit status: 0 as expected, 1 new failure, 2 usage, 3 adapter error, 4 unexpected pass, 5 not whole.
    """
    with errors():
        _prepare(adapters, write_expect, report)
        done: list[model.RunResult] = []
        failures: list[AdapterFailure] = []
        for name in adapters:
            try:
                ask = partial(_run_one, name, profile, only, workers=workers, expect=expect, oracles=oracle or [])
                done.append(_seed_after_seed(ask, seed, seconds) if seconds else ask(seed=seed, fresh=fresh))
            except AdapterFailure as failure:
                failures.append(failure)  # the others are run, and shown, all the same
            if done and done[-1].interrupted:
                break
        if failures and not done:
            raise failures[0]
        if as_json:
            plain = [record.plain(result) for result in done]
            print_json(plain[0] if len(plain) == 1 else {"whole": all(r.whole for r in done), "runs": plain})
        else:
            for number, result in enumerate(done):
                if number:
                    OUT.print()
                terminal.show(OUT, result)
        if write_expect is not None:
            expectations.write_expectations(done[0], write_expect)
        if report is not None:
            _write_report(done, report)
        if failures:
            raise failures[0]
        raise typer.Exit(gate.status_of(change for result in done for change in gate.of_run(result)))


def _prepare(adapters: list[str], write_expect: Path | None, report: Path | None) -> None:
    """What is wrong with the options is told before the run, not after it."""
    if write_expect is not None and len(adapters) > 1:
        raise Misuse("--write-expect takes one adapter at a time")
    if report is not None:
        report.mkdir(parents=True, exist_ok=True)


def _write_report(done: list[model.RunResult], report: Path) -> None:
    """After the results were printed: what a full disk then costs is the files alone. `OSError` names the file."""
    from espproof.conformance.report import folder

    for result in done:
        folder.write(result, report)
    runs, _ = folder.read(report)
    folder.write_summary(runs, report)
    page = folder.write_page(runs, report)
    ERR.print(f"report: {page}", markup=False, highlight=False, soft_wrap=True)
    command = next((line for result in done if (line := _replay(result, report))), "")
    if command:
        ERR.print(f"replay: {command}", markup=False, highlight=False, soft_wrap=True)


def _replay(result: model.RunResult, report: Path) -> str:
    """The command that shows the first counterexample of what was not expected, or else of what was, step by step."""
    found = sorted(result.counterexamples, key=lambda one: one.requirement not in result.unexpected)
    if not found:
        return ""
    path = report / record.COUNTEREXAMPLES / record.file_name(result.adapter) / record.file_name(found[0].requirement)
    return shlex.join(["espproof", "replay", f"{path}.json", result.adapter])


def _seed_after_seed(ask: Callable[..., model.RunResult], first: int, seconds: int) -> model.RunResult:
    """The result of the last seed: there was news in it, or it was the last that began in time."""
    begun, cases = time.monotonic(), 0
    carried_out: Counter[str] = Counter()
    for seed in itertools.count(first):
        result = ask(seed=seed, fresh=True)
        cases += result.cases
        for check in result.checks:
            carried_out.update(check.carried_out)
        news = gate.of_run(result)
        past = time.monotonic() - begun
        if news or result.interrupted or past >= seconds:
            break
    what = ", ".join(f"{count} {name}" for name, count in carried_out.items() if count)
    told = (
        f"seeds {first} to {seed}: {cases} cases ({what}) in {past:.0f} s, {'news in the last' if news else 'no news'}"
    )
    ERR.print(told, markup=False, highlight=False, soft_wrap=True)
    return result


def _run_one(
    name: str,
    profile: ProfileName,
    only: str,
    *,
    seed: int,
    workers: int,
    expect: str,
    oracles: list[str],
    fresh: bool,
) -> model.RunResult:
    path = None if expect == "none" else Path(expect) if expect else registry.expectations_of(name)
    known = expectations.read_expectations(path) if path else ()
    with terminal.progress(ERR, name) as tick:
        result = suite.run(
            name,
            profile=Profile[profile.value.upper()],
            seed=seed,
            workers=workers,
            only=only,
            progress=tick,
            oracles=oracles,
            recall=not fresh,
            known=known,
        )
    expectations.compare(result, known)
    result.expectations = registry.shown(path) if path else ""
    return result
