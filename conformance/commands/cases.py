"""`espproof replay`, `export` and `trace`: one case, step by step, in other formats, and as a card sees it."""

import re
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from espproof.adapters import case as case_format
from espproof.adapters.case import Case
from espproof.conformance.commands.shell import CANNOT_RUN, EXPECTED, NEWS, OUT, JsonOption, errors, print_json
from espproof.reference.errors import Misuse

CaseArgument = Annotated[Path, typer.Argument(metavar="CASE", help="A case file, or a file of cases.")]
IdOption = Annotated[str, typer.Option("--id", help="The case with this id, in a file of cases.")]


class Format(StrEnum):
    """What a case can be exported to."""

    json = "json"
    pcap = "pcap"
    ip_xfrm = "ip-xfrm"
    wireshark = "wireshark"
    scapy = "scapy"
    all = "all"


def register(app: typer.Typer) -> None:
    app.command()(replay)
    app.command()(export)
    app.command()(trace)


def replay(
    case: CaseArgument,
    adapters: Annotated[list[str], typer.Argument(help="Names: reference, scapy, exec:COMMAND, module:Class, …")],
    id: IdOption = "",
    as_json: JsonOption = False,
) -> None:
    """Walk a case step by step, dissected, with the reference beside it.

    Exit status: 0 as the reference does; 1 differences, a crash or a hang; 3 the adapter cannot do the case, or the
    case says nothing: it names no requirement, or all its packets are for other keys or SAs.
    """
    with errors():
        from espproof.conformance.oracle.verdict import Verdict
        from espproof.conformance.replay import terminal as replay_terminal
        from espproof.conformance.replay.walk import cannot_run
        from espproof.conformance.replay.walk import replay as walk_on

        walks = []
        for one in _chosen(case, id):
            for name in adapters:
                walked = walk_on(one, name)
                walks.append(walked)
                if not as_json:
                    replay_terminal.show(OUT, walked)
        if as_json:
            plain = [case_format.to_plain(walked) for walked in walks]
            print_json(plain[0] if len(plain) == 1 else {"walks": plain})
        news = any(walked.verdict is not Verdict.PASS and not cannot_run(walked) for walked in walks)
        unable = any(cannot_run(walked) for walked in walks)
        raise typer.Exit(NEWS if news else CANNOT_RUN if unable else EXPECTED)


def export(
    case: CaseArgument,
    format: Annotated[Format, typer.Option(help="The format; 'all' writes one file of each.")],
    output: Annotated[
        Path | None, typer.Option(help="A file; a folder for several files. Standard output without.")
    ] = None,
    id: IdOption = "",
) -> None:
    """Write a case for another tool: a capture, Wireshark's keys, `ip xfrm` commands, a scapy script."""
    with errors():
        from espproof.adapters import atomic
        from espproof.conformance.export import SUFFIXES, write_all
        from espproof.conformance.export import export as export_to

        chosen = _chosen(case, id)
        if format is not Format.all and len(chosen) == 1 and not (output and output.is_dir()):
            stem = output.name.split(".")[0] if output else case.stem
            _deliver(export_to(chosen[0], format.value, stem=stem), output)
            return
        if output is None:
            many = f"{case} holds {len(chosen)} cases" if len(chosen) > 1 else "'all' makes several files"
            raise Misuse(f"{many}: choose one with --id and a format, or give a folder with --output")
        for one, stem in zip(chosen, _stems(chosen, case.stem), strict=True):
            if format is Format.all:
                write_all(one, output, stem)
            else:
                content = export_to(one, format.value, stem=stem)
                octets = content.encode() if isinstance(content, str) else content
                atomic.write(output / f"{stem}{SUFFIXES[format.value]}", octets)


def trace(
    case: CaseArgument,
    adapter: Annotated[str, typer.Argument(help="niantic, niantic:82599, niantic:./driver.")],
    id: IdOption = "",
    html: Annotated[Path | None, typer.Option(help="A page with a time line and the card's tables.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Walk a case on a simulated card, and tell what driver and card do: register by register, descriptor by descriptor.

    What the packets are, and whether that is right, tells replay.
    """
    with errors():
        from espproof.adapters import atomic
        from espproof.adapters.registry import open_adapter
        from espproof.conformance.replay import trace as tracing
        from espproof.conformance.report import trace_page

        chosen = _chosen(case, id)
        if len(chosen) != 1:
            raise Misuse(f"{case} holds {len(chosen)} cases: choose one with --id")
        with open_adapter(adapter) as opened:
            found = tracing.trace(chosen[0], opened)
        if html is not None:
            atomic.write(html, trace_page.render(found))
        if as_json:
            print_json(case_format.to_plain(found))
        elif html is None:
            tracing.show(OUT, found)
        broken = any(one.who == "rule" for stage in found.stages for one in stage.happenings)
        raise typer.Exit(NEWS if broken else EXPECTED)


def _chosen(path: Path, id: str) -> tuple[Case, ...]:
    """The cases of a file, or the one with an id."""
    cases = case_format.read(path)
    if not cases:
        raise Misuse(f"{path}: holds no cases")
    if not id:
        return cases
    found = tuple(one for one in cases if one.id == id)
    if not found:
        some = ", ".join(one.id for one in cases[:5] if one.id) or "none has an id"
        raise Misuse(f"{path}: no case {id!r}; there are {some}{' …' if len(cases) > 5 else ''}")
    return found


def _deliver(content: str | bytes, output: Path | None) -> None:
    """To a file or to standard output, but no octets to a terminal."""
    from espproof.adapters import atomic

    octets = content.encode() if isinstance(content, str) else content
    if output is not None:
        atomic.write(output, octets)
        return
    if isinstance(content, bytes) and sys.stdout.isatty():
        raise Misuse("a capture is nothing for a terminal: use --output FILE, or a pipe")
    sys.stdout.flush()
    sys.stdout.buffer.write(octets)
    sys.stdout.buffer.flush()


def _stems(cases: tuple[Case, ...], stem: str) -> list[str]:
    """A file name for each case, without its ending: made of its id, harmless, and its own."""
    names: list[str] = []
    for number, one in enumerate(cases):
        name = re.sub(r"[^A-Za-z0-9._-]+", "_", one.id).strip("._")[:100] or f"{stem}-{number}"
        names.append(name if name not in names else f"{name}-{number}")
    return names
