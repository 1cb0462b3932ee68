"""Which checks verify which requirement: the catalogue and the registry of checks held together.

A requirement is verified by the checks that name it, or with others that are; waived with a reason; or neither, which is
a hole in the suite and makes a test fail. What a check names, its cases must really put to the test (a test runs them).
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from espproof.conformance.checks.registry import all_checks
from espproof.conformance.requirements.catalogue import Level, Requirement

LEVELS = ("MUST", "SHOULD", "MAY")
"""The columns of the table; MUST NOT counts as MUST, SHOULD NOT as SHOULD."""


@dataclass(frozen=True, slots=True)
class Coverage:
    """What is done about one requirement."""

    requirement: Requirement
    checks: tuple[str, ...]
    """Ids of the checks, its own or those of the requirements that it is verified with."""
    state: Literal["verified", "waived", "unverified"]

    @property
    def told(self) -> str:
        """In one line."""
        entry = self.requirement
        if entry.waived is not None:
            return f"waived: {entry.waived}"
        if not self.checks:
            return "verified by nothing"
        others = f" (with {', '.join(entry.verified_with)})" if entry.verified_with else ""
        return f"verified by {', '.join(self.checks)}{others}"

    @property
    def proved_by(self) -> tuple[str, ...]:
        """The seeded defects that its checks have been seen to catch."""
        return tuple(dict.fromkeys(defect for name in self.checks for defect in all_checks()[name].proved_by))


@cache
def by_requirement() -> Mapping[str, tuple[str, ...]]:
    """Requirement id -> ids of the checks that name it."""
    found: dict[str, list[str]] = {}
    for check in all_checks().values():
        for requirement in check.verifies:
            found.setdefault(requirement, []).append(check.id)
    return {requirement: tuple(checks) for requirement, checks in found.items()}


def of(entry: Requirement) -> Coverage:
    """The coverage of one requirement. One that is verified with others needs a check for each of them."""
    if entry.waived is not None:
        return Coverage(entry, (), "waived")
    groups = [by_requirement().get(name, ()) for name in entry.verified_with or (entry.id,)]
    checks = tuple(dict.fromkeys(check for group in groups for check in group)) if all(groups) else ()
    return Coverage(entry, checks, "verified" if checks else "unverified")


def counts(entries: Iterable[Coverage]) -> dict[str, dict[str, int]]:
    """`must`, `should` and `may`, each with `total`, `verified` and `waived`."""
    counted = Counter((level_of(one.requirement.level), one.state) for one in entries)
    return {
        level.lower(): {
            "total": sum(number for (name, _), number in counted.items() if name == level),
            "verified": counted[level, "verified"],
            "waived": counted[level, "waived"],
        }
        for level in LEVELS
    }


def level_of(level: Level) -> str:
    """The column of a level."""
    return level.value.removesuffix(" NOT")


def plain(one: Coverage) -> dict[str, Any]:
    """As JSON values."""
    entry = one.requirement
    return {
        "id": entry.id,
        "document": entry.document,
        "section": entry.section,
        "level": entry.level.value,
        "text": entry.text,
        "state": one.state,
        "checks": list(one.checks),
        "verified_with": list(entry.verified_with),
        "waived": entry.waived,
        "proved_by": list(one.proved_by),
    }
