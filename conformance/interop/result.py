"""What interoperability shows: findings, cells, the matrix, and what of it is known."""

import tomllib
from collections.abc import Sequence
from fnmatch import fnmatchcase
from importlib.resources import files
from pathlib import Path
from typing import Any

import msgspec

from espproof.adapters.case import Case
from espproof.conformance.oracle.verdict import Verdict
from espproof.reference.errors import Misuse

DEFAULT = "expected.toml"


class KnownIncompatibility(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One that was examined; `*` stands for any sender, receiver or kind, and within names as in file names."""

    sender: str
    receiver: str
    kind: str
    reason: str
    clause: str


class Incompatibility(msgspec.Struct, kw_only=True):
    """One kind of thing that goes wrong between two implementations, with the first combination that shows it.

    `packet` is the place in the history, `number` the sequence number, `length` the octets of the inner packet (-1:
    there is none). `count` says in how many combinations it was seen, `reason` why it was expected.
    """

    sender: str
    receiver: str
    kind: str
    verdict: Verdict
    combination: str
    history: str
    packet: int
    number: int
    length: int
    expected: str
    got: str
    sender_case: Case
    receiver_case: Case | None = None
    count: int = 1
    reason: str = ""


class Cell(msgspec.Struct, kw_only=True):
    """One sender and one receiver: histories that went right and wrong, and how often what was missing."""

    sender: str
    receiver: str
    right: int = 0
    wrong: int = 0
    missing: dict[str, int] = {}
    findings: list[Incompatibility] = []

    @property
    def news(self) -> list[Incompatibility]:
        return [finding for finding in self.findings if not finding.reason]


class Interop(msgspec.Struct, kw_only=True, tag_field="format", tag="espproof-interop"):
    """The whole matrix. `failed` are adapters that could not run (any more), with the reason."""

    espproof: str
    versions: dict[str, str]
    cells: list[Cell]
    failed: dict[str, str]
    only: str
    seconds: float


def read_known(path: Path | None) -> tuple[KnownIncompatibility, ...]:
    """The `[[deviation]]` entries of a TOML file, by default the one that comes with the suite."""
    try:
        text = (path or files(__package__) / DEFAULT).read_text(encoding="utf-8")
        return tuple(msgspec.convert(tomllib.loads(text).get("deviation", []), list[KnownIncompatibility]))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise Misuse(f"{path or DEFAULT}: {error}") from error


def compare(result: Interop, known: Sequence[KnownIncompatibility]) -> None:
    """Fill in the reasons of what is known."""
    for cell in result.cells:
        for found in cell.findings:
            for one in known:
                pairs: Any = ((found.sender, one.sender), (found.receiver, one.receiver), (found.kind, one.kind))
                if all(fnmatchcase(name, pattern) for name, pattern in pairs):
                    found.reason = one.reason
                    break
