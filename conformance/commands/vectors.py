"""`espproof vectors`: list, run, build and lint the corpus of vectors."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn

from espproof.adapters import case as cases
from espproof.adapters.printable import printable
from espproof.adapters.registry import open_adapter
from espproof.adapters.selection import chosen
from espproof.conformance.commands.shell import (
    CANNOT_RUN,
    ERR,
    EXPECTED,
    NEWS,
    OUT,
    JsonOption,
    errors,
    print_json,
)
from espproof.conformance.oracle.verdict import Verdict
from espproof.conformance.report import terminal
from espproof.conformance.vectors import build as building
from espproof.conformance.vectors import confirm, files, judge, peers
from espproof.conformance.vectors import lint as linting
from espproof.conformance.vectors.peers.peer import Primitive
from espproof.reference.errors import Misuse

OnlyOption = Annotated[str, typer.Option(help="Comma-separated patterns of vector, flag or requirement ids.")]
FolderOption = Annotated[Path, typer.Option(help="Folder of the files.", show_default="the one of this installation")]


def register(app: typer.Typer) -> None:
    group = typer.Typer(no_args_is_help=True, help="List, run, build and lint the corpus of vectors.")
    for command in (list_, run, build, lint):
        group.command(command.__name__.rstrip("_"))(command)
    app.add_typer(group, name="vectors")


def list_(only: OnlyOption = "", as_json: JsonOption = False) -> None:
    """Every vector: what it is, which mistake it catches, who confirmed it."""
    with errors():
        found = judge.selected(only)
        if as_json:
            flags = {flag: text for content in files.all_files().values() for flag, text in content.flags.items()}
            print_json({"flags": flags, "vectors": [_row(case) for case in found]})
            return
        for case in found:
            names = ", ".join(said.split(":")[0] for said in case.confirmed_by)
            OUT.print(f"{case.id}\n    {case.title}", markup=False, highlight=False, soft_wrap=True)
            if names:
                OUT.print(f"    confirmed by {names}", markup=False, highlight=False, soft_wrap=True)
        OUT.print(f"{len(found)} vectors in {files.FOLDER}", highlight=False, soft_wrap=True)


def _row(case: cases.Case) -> dict[str, Any]:
    return {
        "id": case.id,
        "title": case.title,
        "flags": list(case.flags),
        "requirements": list(case.requirements),
        "source": case.source,
        "confirmed_by": list(case.confirmed_by),
        "steps": len(case.steps),
    }


def run(
    adapters: Annotated[list[str], typer.Argument(help="Names: reference, scapy, exec:COMMAND, module:Class, …")],
    only: OnlyOption = "",
    from_: Annotated[
        Path | None, typer.Option("--from", help="A file of another project's vectors, in the place of ours.")
    ] = None,
    format_: Annotated[str, typer.Option("--format", help=f"Of that file: {', '.join(peers.FORMATS)}.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Run the vectors against one or more implementations; the vectors' own expectations decide."""
    with errors():
        vectors, not_understood = _vectors(only, from_, format_, adapters)
        done = [_run_one(name, vectors, not_understood) for name in adapters]
        if as_json:
            plain = [cases.to_plain(result) for result in done]
            print_json(plain[0] if len(plain) == 1 else {"whole": all(r.whole for r in done), "runs": plain})
        else:
            for result in done:
                _show(result)
        if any(result.news for result in done):
            raise typer.Exit(NEWS)
        raise typer.Exit(CANNOT_RUN if any(result.broken for result in done) else EXPECTED)


def _vectors(
    only: str, from_: Path | None, format_: str, adapters: list[str]
) -> tuple[Sequence[cases.Case | judge.Judged], tuple[str, ...]]:
    """The vectors to run, ours or a peer's, and what was not understood of the latter."""
    if from_ is None and not format_:
        return judge.selected(only), ()
    if from_ is None or format_ not in peers.FORMATS:
        raise Misuse(f"--from FILE needs --format, one of {', '.join(peers.FORMATS)}, and the other way round")
    found = peers.FORMATS[format_](from_)
    vectors = chosen(
        found.vectors, lambda one: (one.id,), only, none=f"no vector of {from_} matches {{}}"
    )  # fmt: skip
    others = [name for name in adapters if name != "reference"]
    if others and any(isinstance(one, Primitive) for one in vectors):
        raise Misuse(
            f"vectors of algorithms are for the reference's transforms: {', '.join(others)} takes whole packets"
        )
    return vectors, tuple(found.not_understood)


def _run_one(
    name: str, vectors: Sequence[cases.Case | judge.Judged], not_understood: tuple[str, ...]
) -> judge.VectorRun:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[last]}"))
    with open_adapter(name) as adapter, terminal.bar(ERR, *columns) as bar:
        task = bar.add_task(escape(name), total=len(vectors), last="")
        done = judge.run(
            adapter, name, vectors, lambda last, done, _: bar.update(task, completed=done, last=escape(last))
        )
    return msgspec.structs.replace(done, not_understood=not_understood)


def _show(result: judge.VectorRun) -> None:
    said = [one for one in result.results if one.verdict not in (Verdict.PASS, Verdict.INAPPLICABLE)]
    title = escape(f"{result.adapter} {result.adapter_version}")
    for one in said:
        where = "" if one.step is None else "SA: " if one.step < 0 else f"step {one.step}: "
        OUT.print(f"[{terminal.COLOURS[one.verdict]}]{one.verdict.value}[/] {one.id}", highlight=False, soft_wrap=True)
        OUT.print(f"    {where}{printable(one.message)}", markup=False, highlight=False, soft_wrap=True)
    counts = ", ".join(f"{count} {verdict}" for verdict, count in result.verdicts.items() if count)
    OUT.print(f"{title}: {result.vectors} vectors: {counts}; {result.seconds:.1f} s", highlight=False)
    missing: dict[str, int] = {}
    for one in result.results:
        if one.missing:
            missing[one.missing] = missing.get(one.missing, 0) + 1
    for what, count in sorted(missing.items(), key=lambda item: -item[1]):
        OUT.print(f"  inapplicable for want of {escape(what)}: {count}", highlight=False)
    for what in result.not_understood:
        OUT.print(f"not understood: {printable(what)}", markup=False, highlight=False, soft_wrap=True)
    if result.not_understood:
        OUT.print(f"[red]not understood:[/] {len(result.not_understood)}", highlight=False)
    if not result.whole:
        OUT.print(f"[red]not whole:[/] stopped after {len(result.results)} of {result.vectors}", highlight=False)


def build(
    folder: FolderOption = files.FOLDER,
    confirm_: Annotated[
        bool, typer.Option("--confirm", help="Have every packet confirmed anew by scapy, openssl and Wireshark.")
    ] = False,
    also: Annotated[
        list[str] | None,
        typer.Option(help="An adapter to confirm whole vectors, besides those on record; may be repeated."),
    ] = None,
    check: Annotated[bool, typer.Option("--check", help="Write nothing; exit status 1 if something differs.")] = False,
) -> None:
    """Make the files from their tables. Nothing else ever writes them."""
    with errors():
        try:
            built = building.build(
                folder, confirm.here() if confirm_ else None, [confirm.Whole(name) for name in also or ()]
            )
        except confirm.Contradiction as contradiction:
            ERR.print(f"[red]espproof:[/] contradicted: {escape(str(contradiction))}", highlight=False)
            raise typer.Exit(NEWS) from contradiction
        changed = list(building.changes(built)) if check else building.write(built)
        for path in changed:
            OUT.print(f"{'differs' if check else 'written'}: {path}", highlight=False, soft_wrap=True)
        if check and changed:
            raise typer.Exit(NEWS)


def lint(folder: FolderOption = files.FOLDER, as_json: JsonOption = False) -> None:
    """Check the files: ids, flags, requirements, canonical form, provenance, and that the reference agrees."""
    with errors():
        complaints = list(linting.lint(folder))
        if as_json:
            print_json({"complaints": complaints})
        else:
            for complaint in complaints:
                OUT.print(complaint, highlight=False, markup=False, soft_wrap=True)
            if not complaints:
                OUT.print("nothing to complain about")
        if complaints:
            raise typer.Exit(NEWS)
