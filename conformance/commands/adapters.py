"""`espproof adapters`: what can be tested on this machine. `espproof check`: is an adapter a correct adapter?"""

from typing import Annotated, Any

import typer

from espproof.adapters import case as cases
from espproof.adapters import registry
from espproof.adapters.base import AdapterFailure
from espproof.conformance import terminal
from espproof.conformance.commands.shell import ERR, EXPECTED, NEWS, OUT, JsonOption, errors, print_json


def register(app: typer.Typer) -> None:
    app.command()(adapters)
    app.command()(check)


def adapters(as_json: JsonOption = False) -> None:
    """Which adapters are here and what they can do, which are missing and how to install them."""
    with errors():
        rows = []
        with ERR.status("adapters") as status:  # some build a program when they are first used, or start a kernel
            for known in registry.KNOWN:
                status.update(f"{known.name}: starting")
                rows.append(_row(known))
        if as_json:
            print_json({"adapters": rows})
        else:
            terminal.adapters(OUT, rows)


def check(
    adapter: Annotated[str, typer.Argument(help="Name: reference, exec:COMMAND, module:Class, …")],
    every: Annotated[bool, typer.Option("--all", help="Show what passes too.")] = False,
    start_limit: Annotated[float, typer.Option(min=0, help="Seconds within which the adapter must start.")] = 30.0,
    faults: Annotated[bool, typer.Option("--faults", help="Kill, stop and flood its processes at every step.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Is this adapter a correct adapter? For who writes one; what the implementation does right is `run`'s business.

    Exit status: 0 correct, 1 something fails or could not be asked, 2 usage, 3 the adapter could not be started.
    """
    from espproof.conformance.selfcheck import session

    with errors():
        if faults:
            raise typer.Exit(_faults(adapter, as_json))
        with ERR.status(f"{adapter}: starting") as status:
            done = session.check(
                adapter, start_limit=start_limit, tick=lambda item: status.update(f"{adapter}: {item.id}")
            )
        if as_json:
            print_json({**cases.to_plain(done), "correct": done.correct})
        else:
            terminal.checked(OUT, done, every=every)
        raise typer.Exit(EXPECTED if done.correct else NEWS)


def _faults(adapter: str, as_json: bool) -> int:
    from espproof.conformance.selfcheck.faults import inject

    with ERR.status(f"{adapter}: starting") as status:
        report = inject(adapter, tick=status.update)
    if as_json:
        print_json({**cases.to_plain(report), "correct": report.correct})
    else:
        terminal.faults(OUT, report)
    return EXPECTED if report.correct else NEWS


def _row(known: registry.Known) -> dict[str, Any]:
    """One adapter: `present` says that what it needs is installed, `error` that it could not be started all the same."""
    row: dict[str, Any] = {"name": known.name, "what": known.what, "present": registry.present(known)}
    if known.variants:
        row["variants"] = [f"{known.name}:{variant}" for variant in known.variants]
    if not row["present"]:
        return {**row, "install": known.install}
    try:
        with registry.open_adapter(known.name) as adapter:
            return {**row, "version": adapter.version, "capabilities": cases.to_plain(adapter.capabilities())}
    except AdapterFailure as failure:
        return {**row, "error": str(failure), "install": known.install}
