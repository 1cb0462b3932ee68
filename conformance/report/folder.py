"""A folder of results: what `espproof run --report` leaves behind and `espproof report` reads.

    DIR/<adapter>.json              the result                        DIR/<adapter>.junit.xml
    DIR/counterexamples/<adapter>/  <requirement>.json, .pcap, …      DIR/<adapter>.sarif
    DIR/report.html                 all of them on one page           DIR/summary.md, DIR/badge.svg

What is in the folder may be damaged or hostile: only regular files are read, never through a symbolic link, and names
are made by `record.file_name`, so that no result can point at a file outside.
"""

import base64
import mimetypes
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

import msgspec

from espproof.adapters import atomic
from espproof.adapters.case import to_json
from espproof.conformance.report import html, junit, sarif, summary
from espproof.conformance.results import gate, model, record
from espproof.conformance.results.check import Counterexample
from espproof.conformance.results.model import RunResult
from espproof.reference.errors import Misuse

REPORT = "report.html"
MAX_EMBEDDED = 1 << 20
"""Octets of a file that still goes into the page; a larger one is linked to where it lies."""


@dataclass(frozen=True, slots=True)
class Run:
    """A result and the stem of the file it came from, after which its other files are named."""

    result: RunResult
    name: str


def read(folder: Path) -> tuple[list[Run], list[str]]:
    """All results of a folder by name, and the JSON files that are something else. `Misuse` for damage, or for none."""
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix == ".json" and _regular(path))
    except OSError as error:
        raise Misuse(f"{folder}: cannot be read: {error.strerror}") from error
    found, others = [], []
    for path in paths:
        if _is_other(path):
            others.append(path.name)
        else:
            found.append(Run(record.read_result(path), path.stem))
    if not found:
        raise Misuse(f"{folder}: no result file; `espproof run ADAPTER --report {folder}` writes one")
    return found, others


def _regular(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()


class _Head(msgspec.Struct):
    format: str = ""


def _is_other(path: Path) -> bool:
    """Whether a file is whole JSON of another kind, which is nobody's mistake."""
    try:
        if path.stat().st_size > record.MAX_FILE:
            return False
        content = path.read_bytes()
        try:
            return msgspec.json.decode(content, type=_Head).format != model.FORMAT
        except msgspec.ValidationError:
            msgspec.json.decode(content)
            return True
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False


def write(found: RunResult, folder: Path) -> Run:
    """Everything about one run but the page. `OSError` names the file that could not be written."""
    record.write(found, folder)
    name = record.file_name(found.adapter)
    _export(found, folder / record.COUNTEREXAMPLES / name)
    atomic.write(folder / f"{name}.junit.xml", junit.render(found, name))
    atomic.write(folder / f"{name}.sarif", sarif.render(found, name))
    return Run(found, name)


def _export(found: RunResult, below: Path) -> None:
    """Each counterexample in the formats of other tools, for which `conformance.export` has to be there."""
    if find_spec("espproof.conformance.export") is None:
        return
    write_all = import_module("espproof.conformance.export").write_all
    for one in found.counterexamples:
        write_all(one.case, below, record.file_name(one.requirement), got=one.got)


def write_summary(runs: Sequence[Run], folder: Path) -> None:
    """`summary.md` for a pull request and `badge.svg`, over these runs and their expectations."""
    found = [run.result for run in runs]
    changes = [change for one in found for change in gate.of_run(one)]
    atomic.write(folder / "summary.md", summary.markdown(found, changes).encode())
    atomic.write(folder / "badge.svg", summary.badge(found).encode())


def write_page(runs: Sequence[Run], folder: Path, output: Path | None = None) -> Path:
    """The page over these runs, with the files of `folder` in it."""
    path = output or folder / REPORT
    atomic.write(path, html.render([html.Column(run.result, _files(run, folder, path)) for run in runs]))
    return path


def _files(run: Run, folder: Path, page: Path) -> dict[str, list[html.Download]]:
    below = folder / record.COUNTEREXAMPLES / run.name
    there = sorted(below.iterdir()) if below.is_dir() and not below.is_symlink() else []
    return {found.requirement: list(_downloads(found, there, page)) for found in run.result.counterexamples}


def _downloads(found: Counterexample, there: list[Path], page: Path) -> Iterable[html.Download]:
    stem = record.file_name(found.requirement)
    case = to_json(found.case, indent=1)
    yield html.Download(f"{stem}.json", _data(case, "application/json"), len(case))
    for path in there:
        if path.name.startswith(f"{stem}.") and path.name != f"{stem}.json" and _regular(path):
            size = path.stat().st_size
            kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
            link = quote(Path(os.path.relpath(path, page.parent)).as_posix())
            yield html.Download(path.name, _data(path.read_bytes(), kind) if size <= MAX_EMBEDDED else link, size)


def _data(content: bytes, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"
