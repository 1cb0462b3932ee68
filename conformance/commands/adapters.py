"""`espproof adapters`: what can be tested on this machine. `espproof check`: is an adapter a correct adapter?"""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.text import Text

from espproof.adapters import case as cases
from espproof.adapters import registry
from espproof.adapters.base import AdapterError, AdapterFailure
from espproof.adapters.printable import printable
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
    what: Annotated[
        Literal["linux"], typer.Argument(help="linux: user-mode Linux, of Debian's source or a tree of yours.")
    ],
    variant: Annotated[
        str,
        typer.Option(
            help="plain, kasan (finds wrong uses of memory), smp (two processors; with --tree or --source of 7.3 or "
            "later), gcov (counts what is reached, for `espproof cover`), kcov (tells coverage packet by packet) or pci "
            "(has simulated cards, for linux:niantic)."
        ),
    ] = "plain",
    tree: Annotated[
        Path | None, typer.Option(help="A kernel tree of yours; nothing is written into it.", show_default=False)
    ] = None,
    source: Annotated[
        str, typer.Option(help="Debian's source of another version, as 7.3: installed, or else fetched.")
    ] = "",
    label: Annotated[
        str, typer.Option("--as", help="The kernel of --tree or --source is then linux:LABEL; by default their name.")
    ] = "",
    jobs: Annotated[int, typer.Option(min=1, help="How many compilers at once.")] = os.cpu_count() or 1,
    keep: Annotated[
        bool, typer.Option("--keep", help="Keep the folder in which it was built, as is done with that of --tree.")
    ] = False,
) -> None:
    """Build an implementation that no package brings; what was interrupted goes on where it was.

    Without --tree and --source it is linux:built (linux:kasan, linux:gcov, linux:kcov). With --tree PATH it is your
    kernel: build, run linux:LABEL, change, and build again, which compiles what has changed. With --source VERSION it is
    Debian's of another version, fetched without touching the system.
    """
    from espproof.adapters.linux.kernel import build as linux
    from espproof.adapters.linux.kernel import labels
    from espproof.adapters.linux.kernel.recipe import RECIPES

    with errors():
        if variant not in RECIPES:
            raise Misuse(f"no variant {variant!r} of a kernel; there are {', '.join(RECIPES)}")
        if tree is not None and source:
            raise Misuse("--tree and --source are two kernels: build one at a time")
        if variant == "smp" and tree is None and not source:
            raise Misuse("variant smp needs a kernel of 7.3 or later: --tree PATH or --source 7.3")
        if label and tree is None and not source:
            raise Misuse("--as is for a kernel of --tree or --source")
        name = _label(label, tree, source, variant) if tree is not None or source else ""
        with _progress(f"{what}, variant {variant}") as tick, _log_first():
            if tree is not None:
                kernel = linux.build_tree(tree, variant, name, jobs, tick)
            elif source:
                kernel = linux.build_source(source, variant, name, jobs, tick, keep=keep)
            else:
                kernel = linux.build(variant, jobs, tick, keep=keep)
        if labels.is_labelled(kernel):
            about = labels.about(kernel)
            ERR.print(f"{what}:{name} is {about}", highlight=False, soft_wrap=True, markup=False)
            if about.left_out:
                ERR.print(f"it does not know {', '.join(about.left_out)}", highlight=False, soft_wrap=True)
        OUT.print(str(kernel), highlight=False, soft_wrap=True)


def _label(given: str, tree: Path | None, source: str, variant: str) -> str:
    """What the kernel is called: as it was said, or after where it comes from. `Misuse` if that is taken."""
    from espproof.adapters.linux.kernel import labels
    from espproof.adapters.linux.kernel.recipe import RECIPES

    (known,) = (known for known in registry.KNOWN if known.name == "linux")
    base = labels.made_of(tree.resolve().name if tree is not None else source)
    label = given or (base if variant == "plain" else f"{base}-{variant}")
    return labels.checked(label, tuple(dict.fromkeys((*known.variants, *RECIPES))))


@contextmanager
def _log_first() -> Iterator[None]:
    """The lines of a log that an error quotes are printed as they are; what is wrong is the last line."""
    try:
        yield
    except AdapterError as error:
        wrong, *lines = str(error).splitlines()
        for line in lines:
            ERR.print(Text(printable(line)), soft_wrap=True)
        raise AdapterError(wrong) from error


@contextmanager
def _progress(what: str) -> Iterator[Callable[[str, int], None]]:
    """Shows the step, and how many objects it has compiled."""
    began = time.monotonic()
    step = ""

    def tick(now: str, objects: int) -> None:
        nonlocal step
        seconds = time.monotonic() - began
        if now != step:
            step = now
            ERR.print(f"{seconds:4.0f} s  {step}", highlight=False)
        status.update(f"{step}: {seconds:.0f} s" + (f", {objects} objects" if objects else ""))

    with ERR.status(what) as status:
        yield tick


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
    if mine := registry.labels(known):
        row["labels"] = [{"name": f"{known.name}:{label}", "what": what} for label, what in mine.items()]
    if not row["present"]:
        return {**row, "install": known.install}
    try:
        with registry.open_adapter(known.name) as adapter:
            return {**row, "version": adapter.version, "capabilities": cases.to_plain(adapter.capabilities())}
    except AdapterFailure as failure:
        return {**row, "error": str(failure), "install": known.install}
