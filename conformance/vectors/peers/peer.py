"""What is read of a peer's file. Nothing is guessed: what has no place in ESP, and what was not understood, is told."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from espproof.adapters.case import Case
from espproof.conformance.oracle.verdict import Verdict
from espproof.conformance.vectors.judge import VectorResult
from espproof.reference.errors import Misuse

MAX_FILE = 8 << 20
"""Octets of the largest file that is read; Linux's testmgr.h has less than two million."""


class NotUnderstood(Exception):
    """A vector says something that its reader does not know. Carries what."""


class NotForEsp(Exception):
    """A vector is about something that no SA of ours can have: an algorithm, a size, a protocol. Carries what."""


@dataclass(frozen=True, slots=True)
class Primitive:
    """A vector of an algorithm alone: `judge` holds the reference's transform against it and says what is wrong.

    It raises `NotForEsp` where that shows only then.
    """

    id: str
    judge: Callable[[], str]

    def result(self) -> VectorResult:
        try:
            wrong = self.judge()
        except NotForEsp as why:
            return VectorResult(id=self.id, verdict=Verdict.INAPPLICABLE, missing=str(why))
        return VectorResult(id=self.id, verdict=Verdict.FAIL if wrong else Verdict.PASS, message=wrong)


@dataclass(frozen=True, slots=True)
class Inapplicable:
    """A vector that ESP has no use for."""

    id: str
    why: str

    def result(self) -> VectorResult:
        return VectorResult(id=self.id, verdict=Verdict.INAPPLICABLE, missing=self.why)


@dataclass(slots=True)
class Peers:
    """All of one file, in its order."""

    vectors: list[Case | Primitive | Inapplicable] = field(default_factory=list)
    not_understood: list[str] = field(default_factory=list)

    def take(self, name: str, make: Callable[[], Case | Primitive]) -> None:
        """Add the vector that `make` returns, or what it raises."""
        try:
            self.vectors.append(make())
        except NotForEsp as why:
            self.vectors.append(Inapplicable(name, str(why)))
        except NotUnderstood as what:
            self.not_understood.append(f"{name}: {what}")


def text_of(path: Path) -> str:
    """The text of a file of bearable size; `Misuse` if there is none."""
    try:
        with path.open("rb") as file:
            octets = file.read(MAX_FILE + 1)
    except (OSError, ValueError) as error:
        raise Misuse(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from error
    if len(octets) > MAX_FILE:
        raise Misuse(f"{path}: larger than {MAX_FILE >> 20} MiB")
    try:
        return octets.decode()
    except UnicodeDecodeError as error:
        raise Misuse(f"{path}: not text: {error}") from error


def json_of(path: Path) -> Any:
    try:
        return json.loads(text_of(path))
    except (ValueError, RecursionError) as error:
        raise Misuse(f"{path}: not JSON: {error}") from error
