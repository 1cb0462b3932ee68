"""What the fuzzing process leaves for its parent: one finding of each kind, the shortest input that was seen of it.

libFuzzer ends at the first exception. Here a finding is written down and the fuzzing goes on, so that one mistake does
not hide the next; only a process that dies, hangs or eats all memory ends early, and libFuzzer keeps that input itself.
"""

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from espproof.adapters.case import from_json, to_json
from espproof.fuzz.triage.signature import Signature, signature


class Record(msgspec.Struct, kw_only=True):
    """`seconds` and `executions` count up to the first time; `seen` how often it was seen in all."""

    signature: Signature
    octets: str
    """The shortest input, hexadecimal."""
    seconds: float
    executions: int
    seen: int


CANNOT_WRITE = 74
"""Exit status of a process that could not write down what it found."""
TOTAL = "executions"
"""Name of the file that says how many inputs were executed, if the process was stopped: libFuzzer does not tell then."""


class Recorder:
    """Wraps a target's `one_input`; raises for no finding, but `KeyboardInterrupt` when `limit` findings are there."""

    def __init__(self, one_input: Callable[[bytes], None], folder: Path, limit: int) -> None:
        self._one_input = one_input
        self._folder = folder
        self._limit = limit
        self._found: dict[str, Record] = {}
        self._started = time.monotonic()
        self.executions = 0

    def __call__(self, octets: bytes) -> None:
        self.executions += 1
        try:
            self._one_input(octets)
        except KeyboardInterrupt:
            self._say_total()
            raise
        except BaseException as error:  # SystemExit too: hostile octets must not end a program
            self._note(octets, error)
            if len(self._found) >= self._limit:
                self._say_total()
                raise KeyboardInterrupt from None

    def _note(self, octets: bytes, error: BaseException) -> None:
        what = signature(error)
        known = self._found.get(what.key)
        if known is not None:
            known.seen += 1
            shorter = 2 * len(octets) < len(known.octets)
            if shorter:
                known.octets = octets.hex()
            if shorter or known.seen & (known.seen - 1) == 0:  # 2, 4, 8, …: the file stays about right
                self._write(known)
            return
        elapsed = round(time.monotonic() - self._started, 3)
        self._found[what.key] = Record(
            signature=what, octets=octets.hex(), seconds=elapsed, executions=self.executions, seen=1
        )
        self._write(self._found[what.key])

    def _say_total(self) -> None:
        (self._folder / TOTAL).write_text(str(self.executions), encoding="ascii")

    def _write(self, record: Record) -> None:
        path = self._folder / f"{record.signature.key}.json"
        part = path.with_suffix(".part")
        try:
            part.write_bytes(to_json(record))
            part.replace(path)
        except OSError as error:  # raised, it would be taken for a finding
            print(f"a finding cannot be written: {error}", file=sys.stderr, flush=True)
            os._exit(CANNOT_WRITE)


def total(folder: Path) -> int | None:
    """How many inputs were executed by a process that was stopped; None if it was not."""
    path = folder / TOTAL
    return int(path.read_text(encoding="ascii")) if path.is_file() else None


def read(folder: Path) -> list[Record]:
    """What a recorder has left in a folder, in the order of finding."""
    return sorted((from_json(path.read_bytes(), Record) for path in folder.glob("*.json")), key=lambda one: one.seconds)
