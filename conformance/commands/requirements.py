"""`espproof requirements`: the catalogue, its coverage, and its audit against the text of an RFC."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from espproof.conformance.checks import coverage
from espproof.conformance.checks.registry import Check, all_checks
from espproof.conformance.commands.shell import EXPECTED, NEWS, OUT, JsonOption, errors, print_json
from espproof.conformance.requirements import audit as auditing
from espproof.conformance.requirements import catalogue
from espproof.reference.errors import Misuse


def register(app: typer.Typer) -> None:
    requirements = typer.Typer(
        invoke_without_command=True, help="Every MUST, SHOULD and MAY of the covered documents, and what verifies it."
    )
    requirements.callback()(show)
    requirements.command()(audit)
    app.add_typer(requirements, name="requirements")


def show(
    context: typer.Context,
    with_coverage: Annotated[bool, typer.Option("--coverage", help="Count by document and level.")] = False,
    with_families: Annotated[
        bool, typer.Option("--families", help="The families of checks instead: what --only of other commands takes.")
    ] = False,
    document: Annotated[str, typer.Option(help="Only this document, for example RFC4303.")] = "",
    as_json: JsonOption = False,
) -> None:
    """List the requirements with the checks that verify them, or count them.

    Proved: a seeded defect that breaks it is found on it. Recorded: the documents leave a choice.
    """
    if context.invoked_subcommand is not None:
        return
    with errors():
        if with_families:
            _show_families(as_json=as_json)
            return
        names = [document] if document else list(catalogue.documents())
        entries = [coverage.of(one) for name in names for one in catalogue.by_document(name)]
        counts = {name: coverage.counts([one for one in entries if one.requirement.document == name]) for name in names}
        left_over = [one.requirement.id for one in entries if one.state == "unverified"]
        if as_json and with_coverage:
            print_json({"documents": counts, "unverified": left_over})
        elif as_json:
            print_json({"requirements": [coverage.plain(one) for one in entries]})
        elif with_coverage:
            _show_counts(counts, left_over)
        else:
            _show_entries(entries)
        raise typer.Exit(NEWS if left_over else EXPECTED)


def _show_families(*, as_json: bool) -> None:
    families: dict[str, list[Check]] = {}
    for one in all_checks().values():
        families.setdefault(one.family, []).append(one)
    rows = [(name, len(checks), _about(checks[0])) for name, checks in families.items()]
    if as_json:
        print_json({"families": [{"family": name, "checks": count, "about": about} for name, count, about in rows]})
        return
    table = Table(title=f"{len(all_checks())} checks in {len(rows)} families", title_justify="left")
    for column in ("family", "checks", "about"):
        table.add_column(column, justify="right" if column == "checks" else "left", no_wrap=column == "family")
    for name, count, about in rows:
        table.add_row(name, str(count), escape(about))
    OUT.print(table)


def _about(check: Check) -> str:
    """The first sentence of what the module of a check says of itself."""
    told = sys.modules[check.scenario.__module__].__doc__ or ""
    return " ".join(told.split("\n\n")[0].split())


def _show_counts(counts: dict[str, Any], left_over: list[str]) -> None:
    table = Table(title="requirements: total/verified/proved/recorded/waived", title_justify="left")
    table.add_column("document")
    for level in coverage.LEVELS:
        table.add_column(level, justify="right")
    for name, by_level in counts.items():
        figures = (by_level[level.lower()] for level in coverage.LEVELS)
        table.add_row(name, *("/".join(map(str, one.values())) for one in figures))
    OUT.print(table)
    for name in left_over:
        OUT.print(f"  [red]no check verifies[/] {name}", highlight=False)


def _show_entries(entries: list[coverage.Coverage]) -> None:
    for one in entries:
        entry = one.requirement
        OUT.print(f"[bold]{entry.id}[/] [cyan]{entry.level.value}[/] {escape(entry.text)}", highlight=False)
        OUT.print(f"    {escape(one.told)}", style="dim" if one.state != "unverified" else "red", highlight=False)


def audit(
    text: Annotated[Path, typer.Argument(help="The plain text of the RFC, as published.")],
    document: Annotated[str, typer.Option(help="What the text must be, for example RFC4303.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Hold the catalogue against an RFC: normative sentences that it lacks, and fingerprints that the text lacks."""
    with errors():
        try:
            content = text.read_text(encoding="utf-8", errors="replace")
        except OSError as error:
            raise Misuse(f"{text}: {error.strerror}") from error
        report = auditing.audit(content, document or None)
        if as_json:
            print_json(
                {
                    "document": report.document,
                    "sentences": report.sentences,
                    "missing_in_catalogue": [
                        {"section": one.section, "line": one.line, "text": one.text, "fingerprint": one.fingerprint}
                        for one in report.missing_in_catalogue
                    ],
                    "missing_in_text": list(report.missing_in_text),
                }
            )
        else:
            for one in report.missing_in_catalogue:
                OUT.print(
                    f"[red]not in the catalogue[/] {one.section} (line {one.line}): {escape(one.text)}", highlight=False
                )
            for name in report.missing_in_text:
                OUT.print(f"[red]not in the text[/] {name}", highlight=False)
            OUT.print(
                f"{report.document}: {report.sentences} normative sentences; {len(report.missing_in_catalogue)} are not "
                f"in the catalogue, {len(report.missing_in_text)} of the catalogue are not in the text",
                highlight=False,
            )
        raise typer.Exit(EXPECTED if report.clean else NEWS)
