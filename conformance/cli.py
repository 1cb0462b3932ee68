"""The commands. Results go to standard output (with `--json`, one JSON document), progress and errors to standard error.

Exit status: 0 as expected, 1 news (something fails that is not expected, or the other way round, or a run that is not
whole), 2 usage, 3 an adapter could not run.
"""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

import espproof
from espproof.adapters import case as cases
from espproof.adapters import registry
from espproof.adapters.base import AdapterError, AdapterFailure
from espproof.conformance import results, session, terminal
from espproof.conformance.runner import Profile
from espproof.reference.errors import Misuse

EXPECTED, NEWS, USAGE, CANNOT_RUN = 0, 1, 2, 3

app = typer.Typer(
    name="espproof",
    help="Proves an ESP (RFC 4303) implementation right or wrong, requirement by requirement.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
_out = Console()
_err = Console(stderr=True)

JsonOption = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]


class ProfileName(str, Enum):
    """The three amounts of work."""

    quick = "quick"
    default = "default"
    thorough = "thorough"


@contextmanager
def _errors() -> Iterator[None]:
    """Turn what a user can cause into one line and the documented exit status."""
    try:
        yield
    except Misuse as error:
        _err.print(f"[red]espproof:[/] {error}", highlight=False)
        raise typer.Exit(USAGE) from error
    except AdapterError as error:
        _err.print(f"[red]espproof:[/] the adapter could not run: {error}", highlight=False)
        raise typer.Exit(CANNOT_RUN) from error
    except AdapterFailure as error:
        _err.print(f"[red]espproof:[/] {type(error).__name__.lower()}: {error}", highlight=False)
        raise typer.Exit(CANNOT_RUN) from error
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(EXPECTED) from error
        _err.print(f"[red]espproof:[/] {error}", highlight=False)
        raise typer.Exit(CANNOT_RUN) from error


def _print_json(value: Any) -> None:
    sys.stdout.write(json.dumps(value, indent=1) + "\n")
    sys.stdout.flush()


def _version(wanted: bool) -> None:
    if wanted:
        print(f"espproof {espproof.__version__}")
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Say which.")] = False,
) -> None:
    """Proves an ESP (RFC 4303) implementation right or wrong, requirement by requirement."""


@app.command()
def run(
    adapters: Annotated[list[str], typer.Argument(help="Names: reference, scapy, exec:COMMAND, module:Class, …")],
    profile: Annotated[ProfileName, typer.Option(help="How many examples each check draws.")] = ProfileName.default,
    only: Annotated[str, typer.Option(help="Comma-separated patterns of check, family or requirement ids.")] = "",
    seed: Annotated[int, typer.Option(help="The same seed gives the same cases.")] = 1,
    workers: Annotated[int, typer.Option("-n", min=1, help="Processes.")] = 1,
    report: Annotated[Path | None, typer.Option(help="Folder for results, counterexamples and the report.")] = None,
    expect: Annotated[str, typer.Option(help="Expectation file; 'none' ignores the one of the adapter.")] = "",
    write_expect: Annotated[Path | None, typer.Option(help="Write what was found as an expectation file.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Run the suite against one or more implementations."""
    with _errors():
        done = [_run_one(name, profile, only, seed, workers, expect, report) for name in adapters]
        if write_expect is not None:
            results.write_expectations(done[0], write_expect)
        if as_json:
            plain = [results.plain(result) for result in done]
            _print_json(plain[0] if len(plain) == 1 else {"whole": all(r.whole for r in done), "runs": plain})
        else:
            for result in done:
                terminal.show(_out, result)
        raise typer.Exit(NEWS if any(result.unexpected or not result.whole for result in done) else EXPECTED)


def _run_one(
    name: str, profile: ProfileName, only: str, seed: int, workers: int, expect: str, report: Path | None
) -> results.RunResult:
    path = None if expect == "none" else Path(expect) if expect else registry.expectations_of(name)
    expectations = results.read_expectations(path) if path else ()
    with terminal.progress(_err, name) as tick:
        result = session.run(
            name, profile=Profile[profile.value.upper()], seed=seed, workers=workers, only=only, progress=tick
        )
    results.compare(result, expectations)
    if report is not None:
        results.write(result, report)
    return result


@app.command()
def adapters(as_json: JsonOption = False) -> None:
    """Which adapters are here, which are missing and how to install them."""
    with _errors():
        rows = [_adapter_row(known) for known in registry.KNOWN]
        if as_json:
            _print_json({"adapters": rows})
        else:
            terminal.adapters(_out, rows)


def _adapter_row(known: registry.Known) -> dict[str, Any]:
    row: dict[str, Any] = {"name": known.name, "what": known.what, "present": registry.present(known)}
    if not row["present"]:
        return {**row, "install": known.install}
    with registry.open_adapter(known.name) as adapter:
        return {**row, "version": adapter.version, "capabilities": cases.to_plain(adapter.capabilities())}


@app.command()
def replay(
    case: Annotated[Path, typer.Argument(help="A case file.")],
    adapters: Annotated[list[str], typer.Argument(help="Names of adapters.")],
    as_json: JsonOption = False,
) -> None:
    """Walk one case step by step, with the reference beside it."""
    from espproof.conformance.replay import replay as walk  # noqa: PLC0415: only this command dissects

    with _errors():
        walks = [walk(one, name) for name in adapters for one in cases.read(case)]
        if as_json:
            _print_json({"replays": [cases.to_plain(one) for one in walks]})
        else:
            for one in walks:
                terminal.replay(_out, one)
        raise typer.Exit(NEWS if any(one.findings for one in walks) else EXPECTED)
