"""The result of a fuzzing run: what is printed, written and compared, and one folder per finding.

<results>/fuzz/<target>/<adapter>/
    run.json                      the result
    libfuzzer.log                 what the process said
    corpus/                       inputs that reached something new; the next run goes on with them
    findings/<key>/case.json      the finding as a Case, to be replayed by anything
                   input.bin      the octets as they were found
                   minimised.bin  the least that shows the same
                   finding.json   what was found, when, how often
                   trace.txt      where it was raised
"""

from pathlib import Path
from typing import Any

import msgspec

from espproof.adapters.case import Case, from_json, to_json, to_plain
from espproof.fuzz.triage.signature import Kind
from espproof.reference.errors import Misuse

FORMAT = "espproof-fuzz-result"
VERSION = 1


class Misbehaviour(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of misbehaviour: an input that shows it, and its signature.

    `octets` is the minimised input, hexadecimal; `size` was the input's first size.

    `seconds` and `executions` count up to the first time it was seen (0 for a process that ended: libFuzzer does not
    say), `seen` how often it was seen. `reproduced` says whether it shows again outside the fuzzer; None: not tried,
    as the run was interrupted.
    """

    key: str
    kind: Kind
    message: str
    requirement: str = ""
    frames: tuple[str, ...] = ()
    target: str
    adapter: str
    seconds: float = 0.0
    executions: int = 0
    seen: int = 1
    size: int
    octets: str
    reproduced: bool | None
    case: Case
    folder: str = ""


class FuzzResult(msgspec.Struct, kw_only=True):
    """One run of one target. A run that is not whole (interrupted, a process that died) says so."""

    format: str = FORMAT
    version: int = VERSION
    espproof: str
    target: str
    adapter: str
    adapter_version: str
    seed: int
    seconds: float
    whole: bool
    not_whole_because: str = ""
    executions: int
    executions_per_second: int
    coverage: int
    features: int
    corpus: int
    peak_rss_mib: int
    findings: tuple[Misbehaviour, ...] = ()


def write(result: FuzzResult, folder: Path) -> None:
    (folder / "run.json").write_bytes(to_json(result, indent=1))


def write_misbehaviour(finding: Misbehaviour, octets: bytes, trace: str, folder: Path) -> None:
    """The folder of one finding; `octets` as they were found."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "input.bin").write_bytes(octets)
    (folder / "minimised.bin").write_bytes(bytes.fromhex(finding.octets))
    (folder / "case.json").write_bytes(to_json(finding.case, indent=1))
    (folder / "finding.json").write_bytes(to_json(finding, indent=1))
    (folder / "trace.txt").write_text(trace, encoding="utf-8")


def read(path: Path, kind: type[msgspec.Struct]) -> Any:
    """A result or a finding from a file; `Misuse` says what is wrong with it."""
    try:
        return from_json(path.read_bytes(), kind)
    except OSError as error:
        raise Misuse(f"{path}: cannot be read: {error.strerror}") from error
    except Misuse as error:
        raise Misuse(f"{path}: {error}") from error


def plain(result: FuzzResult) -> dict[str, Any]:
    """The JSON object of a result."""
    found: dict[str, Any] = to_plain(result)
    return found
