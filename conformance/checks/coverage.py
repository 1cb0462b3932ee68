"""Which checks verify which requirement: the catalogue and the registry of checks held together.

A requirement is verified by the checks that name it, or with others that are; recorded, where the documents leave a
choice, by checks that only look which way it went; waived with a reason; or nothing of this, which is a hole in the suite
and makes a test fail. What a check names, its cases must really put to the test (a test runs them). It is proved when a
seeded defect breaks it, and is found by such a check on this very requirement (a test hunts them all).
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from espproof.adapters.seeded import DEFECTS
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
    state: Literal["verified", "recorded", "waived", "unverified"]

    @property
    def told(self) -> str:
        """In one line."""
        entry = self.requirement
        if entry.waived is not None:
            return f"waived: {entry.waived}"
        if not self.checks:
            return "verified by nothing"
        others = f" (with {', '.join(entry.verified_with)})" if entry.verified_with else ""
        return f"{self.state} by {', '.join(self.checks)}{others}"

    @property
    def proved_by(self) -> tuple[str, ...]:
        """The seeded defects that break it; of one that is verified with others, none unless each of these is proved."""
        if self.state != "verified":
            return ()
        groups = [by_defect().get(name, ()) for name in self.requirement.verified_with or (self.requirement.id,)]
        return tuple(dict.fromkeys(defect for group in groups for defect in group)) if all(groups) else ()


@cache
def by_requirement() -> Mapping[str, tuple[str, ...]]:
    """Requirement id -> ids of the checks that name it."""
    found: dict[str, list[str]] = {}
    for check in all_checks().values():
        for requirement in check.verifies:
            found.setdefault(requirement, []).append(check.id)
    return {requirement: tuple(checks) for requirement, checks in found.items()}


@cache
def by_defect() -> Mapping[str, tuple[str, ...]]:
    """Requirement id -> ids of the seeded defects that break it."""
    found: dict[str, list[str]] = {}
    for defect in DEFECTS.values():
        for requirement in defect.breaks:
            found.setdefault(requirement, []).append(defect.id)
    return {requirement: tuple(defects) for requirement, defects in found.items()}


def of(entry: Requirement) -> Coverage:
    """The coverage of one requirement. One that is verified with others needs a check for each of them."""
    if entry.waived is not None:
        return Coverage(entry, (), "waived")
    groups = [by_requirement().get(name, ()) for name in entry.verified_with or (entry.id,)]
    checks = tuple(dict.fromkeys(check for group in groups for check in group)) if all(groups) else ()
    if not checks:
        return Coverage(entry, (), "unverified")
    return Coverage(entry, checks, "recorded" if all(all_checks()[name].records for name in checks) else "verified")


def counts(entries: Iterable[Coverage]) -> dict[str, dict[str, int]]:
    """`must`, `should` and `may`, each with `total`, `verified`, `proved` (of these), `recorded` and `waived`."""
    by_level: dict[str, list[Coverage]] = {level: [] for level in LEVELS}
    for one in entries:
        by_level[level_of(one.requirement.level)].append(one)
    return {level.lower(): _figures(group) for level, group in by_level.items()}


def _figures(group: list[Coverage]) -> dict[str, int]:
    states = Counter(one.state for one in group)
    return {
        "total": len(group),
        "verified": states["verified"],
        "proved": sum(bool(one.proved_by) for one in group),
        "recorded": states["recorded"],
        "waived": states["waived"],
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
