"""What of a kernel was reached: lines and functions, by file, of a kernel of the variant gcov.

    while it runs     each machine that is started makes a folder below the one that `VARIABLE` names, and before it ends
                      its counters are put there; a folder that stays empty is a machine that has ended otherwise
    afterwards        `gcov` reads them beside the notes that gcc made (`work.NOTES`), and all machines are added up

GCOV counts in every context. KCOV, which fuzzers need, tells less here: one task's packets, and no timer's or worker's;
and not how much there is.
"""

import os
import shutil
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import msgspec

from espproof.adapters.base import AdapterError, AdapterFailure
from espproof.adapters.exec.supervised import End, Supervised
from espproof.adapters.linux.kernel import images, work

VARIABLE = "ESPPROOF_REACHED"
"""Environment variable: the folder that counters are put into, where somebody asks for them."""
SECONDS = 60.0
"""For a machine to tell its counters."""
_GCOV_SECONDS = 60.0
_NOTE, _COUNTS = ".gcno", ".gcda"


class Reach(msgspec.Struct, frozen=True, kw_only=True):
    """Of one file: numbers of lines that have code, and names of functions."""

    lines_reached: tuple[int, ...]
    lines_missed: tuple[int, ...]
    functions_reached: tuple[str, ...]
    functions_missed: tuple[str, ...]
    """Both in the order in which they stand in the file."""


class _Machine(Protocol):
    def ask(self, operations: list[Any], packets: list[bytes], seconds: float) -> tuple[list[Any], list[bytes]]: ...


def notes(variant: str) -> Path:
    """The folder of gcc's notes about that variant's kernel. `AdapterError` if it was not built to count."""
    folder = Path(images.path(variant)).with_name(work.NOTES)
    if not folder.is_dir():
        raise AdapterError(
            f"linux:{variant} does not count what is reached; `espproof adapters build linux --variant gcov` makes "
            "linux:gcov, with --source VERSION or --tree PATH linux:LABEL"
        )
    return folder


def place() -> Path | None:
    """A new folder for the counters of a machine that starts, None if nobody asks for them."""
    folder = os.environ.get(VARIABLE)
    return Path(tempfile.mkdtemp(dir=folder)) if folder else None


def keep(machine: _Machine, place: Path) -> None:
    """Put the counters of a machine into its folder, if it can tell them."""
    try:
        ((_, *paths),), contents = machine.ask([["reached"]], [], SECONDS)
    except AdapterFailure:
        return
    for path, content in zip(paths, contents, strict=True):
        file = place / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)


def told(folder: Path) -> tuple[list[Path], int]:
    """Folders with the counters of a machine, and how many machines have ended without telling theirs."""
    places = [place for place in folder.iterdir() if place.is_dir()]
    full = [place for place in places if any(place.rglob(f"*{_COUNTS}"))]
    return full, len(places) - len(full)


def read(notes: Path, places: list[Path]) -> dict[str, Reach]:
    """What was reached by any of these machines, by the path of the source in its tree."""
    lines: dict[str, Counter[int]] = {}
    functions: dict[str, list[dict[str, Any]]] = {}
    for place in places:
        for source, found in _documents(notes, place):
            functions[source] = sorted(found["functions"], key=lambda function: function["start_line"])
            its = lines.setdefault(source, Counter())
            for line in found["lines"]:
                its[line["line_number"]] += line["count"]
    return {source: _reach(lines[source], functions[source]) for source in sorted(lines)}


def _reach(lines: Counter[int], functions: list[dict[str, Any]]) -> Reach:
    """A function is reached where a line of it is: the copies that gcc has put into its callers count for its lines, and
    not for its own beginning."""
    reached = {line for line, times in lines.items() if times}
    passed = [any(function["start_line"] <= line <= function["end_line"] for line in reached) for function in functions]
    begun = {function["start_line"] for function, its in zip(functions, passed, strict=True) if its}
    return Reach(
        lines_reached=tuple(sorted(reached | begun)),
        lines_missed=tuple(sorted(lines.keys() - reached - begun)),
        functions_reached=tuple(function["name"] for function, its in zip(functions, passed, strict=True) if its),
        functions_missed=tuple(function["name"] for function, its in zip(functions, passed, strict=True) if not its),
    )


def _documents(notes: Path, place: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """What gcov says of each source that the kernel counts; not of the headers that are part of it."""
    counted = sorted(place.rglob(f"*{_COUNTS}"))
    for note in sorted(notes.rglob(f"*{_NOTE}")):
        name = note.relative_to(notes).with_suffix(_COUNTS)
        counts = next((path for path in counted if path.parts[-len(name.parts) :] == name.parts), None)
        if counts is None:
            raise AdapterError(f"the kernel told no counters of {name.with_suffix('.o')}")
        source = str(name.with_suffix(".c"))
        yield source, _own(_gcov(note, counts), source)


def _own(document: dict[str, Any], source: str) -> dict[str, Any]:
    """The part of a document that is about the source itself, whose path may begin with that of its tree."""
    files: list[dict[str, Any]] = document["files"]
    own = [file for file in files if file["file"] == source or file["file"].endswith(f"/{source}")]
    if len(own) != 1:
        raise AdapterError(f"gcov tells {len(own)} times of {source}")
    return own[0]


def _gcov(note: Path, counts: Path) -> dict[str, Any]:
    """The document of one object file. `AdapterError` if there is no gcov, or counters and notes are of two builds."""
    program = shutil.which("gcov")
    if program is None:
        raise AdapterError("there is no gcov; apt-get install -y gcc")
    with tempfile.TemporaryDirectory() as folder:
        shutil.copyfile(note, Path(folder, note.name))
        shutil.copyfile(counts, Path(folder, counts.name))
        end, said, complaints = _ran(
            [program, "--json-format", "--stdout", str(Path(folder, counts.name))], Path(folder)
        )
    if end is None:
        raise AdapterError(f"gcov has not read {counts.name} within {_GCOV_SECONDS:g} s")
    if end != End("exit", 0) or "mismatch" in complaints:
        raise AdapterError(f"gcov does not understand {counts.name}: {complaints or end.sentence('gcov'):.300}")
    try:
        document: dict[str, Any] = msgspec.json.decode(said)
    except msgspec.DecodeError as error:
        raise AdapterError(f"gcov says no JSON of {counts.name}: {error}") from error
    return document


def _ran(command: list[str], folder: Path) -> tuple[End | None, bytes, str]:
    """How a command ended, None if it had to be ended; what it said and what it complained of, kept in that folder."""
    said, complaints = folder / "said", folder / "complaints"
    with said.open("wb") as output, complaints.open("wb") as errors:
        program = Supervised(command, stdin=subprocess.DEVNULL, stdout=output.fileno(), stderr=errors.fileno())
    try:
        end = program.end(_GCOV_SECONDS)
    finally:
        program.kill()
        program.gone(wait=True)
    return end, said.read_bytes(), complaints.read_text(encoding="utf-8", errors="replace").strip()
