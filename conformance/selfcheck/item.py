"""One answer of `espproof check`: an item has a stable id, a grade, what was seen, and how to fix it."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from espproof.conformance.selfcheck.rig import Rig


class Grade(Enum):
    PASS = "pass"  # noqa: S105 -- a grade
    FAIL = "fail"
    UNDECLARED = "works-though-undeclared"
    """Information: `run` could try more than it does. Not a failure."""
    NOT_APPLICABLE = "not-applicable"


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """`told` is what was seen (empty for a pass), `fix` one sentence for the author (failures and information)."""

    id: str
    grade: Grade
    told: str = ""
    fix: str = ""


class NotApplicable(Exception):
    """What an item needs is not declared; carries what is missing."""


class Trouble(Exception):
    """The adapter gave nothing that can be judged: an exception, an outcome of the wrong kind. Carries what it was."""


@dataclass(frozen=True, slots=True)
class Question:
    """Asks one thing of an adapter. `ask` returns what is wrong, or None; it may raise `NotApplicable` or `Trouble`."""

    id: str
    fix: str
    ask: Callable[["Rig"], str | None]


def answer(question: Question, rig: "Rig") -> Item:
    """Ask it. Whatever the adapter does, the answer is an item."""
    try:
        wrong = question.ask(rig)
    except NotApplicable as missing:
        return Item(id=question.id, grade=Grade.NOT_APPLICABLE, told=f"without {missing}")
    except Trouble as trouble:
        wrong = str(trouble)
    if wrong is None:
        return Item(id=question.id, grade=Grade.PASS)
    return Item(id=question.id, grade=Grade.FAIL, told=wrong, fix=question.fix)
