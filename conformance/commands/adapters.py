"""`espproof adapters`: what can be tested on this machine. `espproof check`: is an adapter a correct adapter?"""

import os
import time
from typing import Annotated, Any, Literal

import typer

from espproof.adapters import case as cases
from espproof.adapters import registry
from espproof.adapters.base import AdapterFailure
from espproof.conformance.commands.shell import ERR, EXPECTED, NEWS, OUT, JsonOption, errors, print_json
from espproof.conformance.report import terminal
from espproof.reference.errors import Misuse


def register(app: typer.Typer) -> None:
    group = typer.Typer(invoke_without_command=True, callback=adapters)
    group.command()(build)
    app.add_typer(group, name="adapters")
    app.command()(check)


def adapters(context: typer.Context, as_json: JsonOption = False) -> None:
    """Which adapters are here and what they can do, which are missing and how to install them."""
    if context.invoked_subcommand:
        return
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


def build(
    what: Annotated[Literal["linux"], typer.Argument(help="linux: user-mode Linux, from Debian's kernel source.")],
    variant: Annotated[
        str, typer.Option(help="plain, kcov (tells coverage) or kasan (finds wrong uses of memory).")
    ] = "plain",
    jobs: Annotated[int, typer.Option(min=1, help="How many compilers at once.")] = os.cpu_count() or 1,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the tree in which it was built.")] = False,
) -> None:
    """Build an implementation that no package brings; what was interrupted goes on where it was."""
    from espproof.adapters.linux.kernel import build as linux

    with errors():
        if variant not in linux.RECIPES:
            raise Misuse(f"no variant {variant!r} of a kernel; there are {', '.join(linux.RECIPES)}")
        began = time.monotonic()
        step = ""

        def tick(now: str, objects: int) -> None:
            nonlocal step
            seconds = time.monotonic() - began
            if now != step:
                step = now
                ERR.print(f"{seconds:4.0f} s  {step}", highlight=False)
            status.update(f"{step}: {seconds:.0f} s" + (f", {objects} objects" if objects else ""))

        with ERR.status(f"{what}, variant {variant}") as status:
            kernel = linux.build(variant, jobs, tick, keep=keep)
        OUT.print(str(kernel), highlight=False, soft_wrap=True)


def check(
    adapter: Annotated[str, typer.Argument(help="Name: reference, exec:COMMAND, module:Class, …")],
    every: Annotated[bool, typer.Option("--all", help="Show what passes too.")] = False,
    start_limit: Annotated[float, typer.Option(min=0, help="Seconds within which the adapter must start.")] = 30.0,
    faults: Annotated[bool, typer.Option("--faults", help="Kill, stop and flood its processes at every step.")] = False,
    memory: Annotated[
        bool, typer.Option("--memory", help="Weigh it while tens of thousands of packets of each kind come.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Is this adapter a correct adapter? For who writes one; what the implementation does right is `run`'s business.

    Exit status: 0 correct, 1 something fails or could not be asked, 2 usage, 3 the adapter could not be started.
    """
    from espproof.conformance.selfcheck import session

    with errors():
        if faults and memory:
            raise Misuse("--faults and --memory are two questions: ask one at a time")
        if faults:
            raise typer.Exit(_faults(adapter, as_json))
        if memory:
            raise typer.Exit(_memory(adapter, as_json))
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


def _memory(adapter: str, as_json: bool) -> int:
    from espproof.conformance.selfcheck.memory import weigh

    with ERR.status(f"{adapter}: starting") as status:
        report = weigh(adapter, tick=status.update)
    if as_json:
        print_json({**cases.to_plain(report), "correct": report.correct})
    else:
        terminal.weighed(OUT, report)
    return EXPECTED if report.correct else NEWS


def _row(known: registry.Known) -> dict[str, Any]:
    """One adapter: `present` says that what it needs is installed, `error` that it could not be started all the same."""
    row: dict[str, Any] = {"name": known.name, "what": known.what, "present": registry.present(known)}
    if known.variants:
        row["variants"] = [f"{known.name}:{variant}" for variant in known.variants]
    if known.builds:
        row["builds"] = [
            {"name": f"{known.name}:{variant}", "present": registry.built(known, variant), "install": command}
            for variant, command in known.builds
        ]
    if not row["present"]:
        return {**row, "install": known.install}
    try:
        with registry.open_adapter(known.name) as adapter:
            return {**row, "version": adapter.version, "capabilities": cases.to_plain(adapter.capabilities())}
    except AdapterFailure as failure:
        return {**row, "error": str(failure), "install": known.install}
