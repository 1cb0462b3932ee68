"""What became of all mutants: killed, or a survivor that is explained, or one that is not.

`explained.toml` holds the survivors that are no mistake: the changed code does the same, or what it does otherwise is
nobody's business. An entry names module, function and line before, and each line after; it says why. An entry of which
nothing survives any more explains nothing and is an error too.
"""

import tomllib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from espproof.conformance.mutants.trial import Outcome

EXPLAINED = Path(__file__).with_name("explained.toml")
AT_LEAST = 0.95
"""The share of the mutants that must be killed, whatever is explained."""

Key = tuple[str, str, str, str]


@dataclass(frozen=True, slots=True)
class Verdict:
    """All outcomes, sorted out. `idle` are explanations of what does not survive."""

    killed: dict[str, int]
    """By whom, how many."""
    explained: list[Outcome]
    survived: list[Outcome]
    idle: list[Key]

    @property
    def total(self) -> int:
        return sum(self.killed.values()) + len(self.explained) + len(self.survived)

    @property
    def share(self) -> float:
        return sum(self.killed.values()) / self.total if self.total else 0.0

    @property
    def good(self) -> bool:
        return self.share >= AT_LEAST and not self.survived and not self.idle


def read(path: Path = EXPLAINED) -> dict[Key, str]:
    """Mutant -> why it is no mistake. `ValueError` where an entry is not complete or comes twice."""
    found: dict[Key, str] = {}
    for entry in tomllib.loads(path.read_text(encoding="utf-8")).get("explained", []):
        for key in _keys(entry):
            if key in found:
                raise ValueError(f"{path}: explained twice: {key}")
            found[key] = entry["why"]
    return found


def _keys(entry: dict[str, Any]) -> list[Key]:
    if entry.keys() != {"module", "function", "before", "after", "why"} or not entry["why"]:
        raise ValueError(f"an explanation has module, function, before, after (a list) and why, not {sorted(entry)}")
    return [(entry["module"], entry["function"], entry["before"], after) for after in entry["after"]]


def sort_out(outcomes: Iterable[Outcome], explained: dict[Key, str], modules: Iterable[str]) -> Verdict:
    """`modules` are those that were tried: explanations of others are not idle."""
    every = list(outcomes)
    survivors = [one for one in every if not one.killed_by]
    keys = {one.mutant.key for one in survivors}
    return Verdict(
        killed=dict(Counter(one.killed_by for one in every if one.killed_by)),
        explained=[one for one in survivors if one.mutant.key in explained],
        survived=[one for one in survivors if one.mutant.key not in explained],
        idle=[key for key in explained if key[0] in set(modules) and key not in keys],
    )
