"""A result as files: written whole or not at all, and read again."""

import hashlib
from pathlib import Path
from typing import Any

import msgspec

from espproof.adapters import atomic
from espproof.adapters.case import from_plain, to_json, to_plain
from espproof.conformance.results.model import FORMAT, VERSION, RunResult
from espproof.reference.errors import Misuse

MAX_FILE = 512 << 20
"""Octets of the largest result file that is read."""
MAX_NAME = 80
"""Letters of a file name that is made from the name of an adapter, which may be a long command."""
COUNTEREXAMPLES = "counterexamples"
"""Folder below a result folder: one folder per adapter, in it the files of each counterexample by requirement."""


def plain(result: RunResult) -> dict[str, Any]:
    """The JSON object of a result."""
    return {**to_plain(result), "counterexamples": [to_plain(found) for found in result.counterexamples]}


def read_result(path: Path) -> RunResult:
    """Read a result file; `Misuse` says what is wrong with it."""
    try:
        if path.stat().st_size > MAX_FILE:
            raise Misuse(f"{path}: larger than {MAX_FILE >> 20} MiB, not a result file")
        content = msgspec.json.decode(path.read_bytes())
    except OSError as error:
        raise Misuse(f"{path}: cannot be read: {error.strerror}") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Misuse(f"{path}: damaged or not JSON: {error}") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT or content.get("version") != VERSION:
        raise Misuse(f"{path}: not an {FORMAT} of version {VERSION}")
    content.pop("counterexamples", None)
    try:
        return from_plain(content, RunResult)
    except Misuse as error:
        raise Misuse(f"{path}: {error}") from error


def file_name(text: str) -> str:
    """A file name for an adapter or a requirement, without its ending: harmless whatever the text is, and its own.

    A text that had to be changed gets a hash of itself, so that two of them never share a file; the colon of
    `seeded:defect` just becomes an underscore.
    """
    name = "".join(letter if letter.isascii() and (letter.isalnum() or letter in "-_.") else "_" for letter in text)
    name = name.lstrip(".")[:MAX_NAME]
    if name and name == text.replace(":", "_", 1):
        return name
    return f"{name}-{hashlib.sha256(text.encode(errors='surrogatepass')).hexdigest()[:8]}"


def write(result: RunResult, folder: Path) -> list[Path]:
    """`<adapter>.json` and one case file per counterexample, in a folder that is made if need be; the files written.

    Each file appears whole or not at all. `OSError` names the one that could not be written.
    """
    name = file_name(result.adapter)
    files = {folder / f"{name}.json": msgspec.json.format(msgspec.json.encode(plain(result)), indent=1)}
    for found in result.counterexamples:
        path = folder / COUNTEREXAMPLES / name / f"{file_name(found.requirement)}.json"
        files[path] = to_json(found.case, indent=1)
    for path, content in files.items():
        atomic.write(path, content)
    return list(files)
