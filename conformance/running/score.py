"""The score: the suite against every seeded defect. A defect that is not found is a hole in the suite.

Each defect is hunted by the checks of its own family first, then by all others in their usual order, with the number of
examples of the profile; it is done when something is found. `examples` counts all cases up to that finding, `steps` is
the size of the shrunk counterexample.
"""

import time
from collections.abc import Callable
from concurrent.futures import as_completed
from concurrent.futures.process import BrokenProcessPool
from statistics import median

import msgspec

from espproof.adapters.seeded import DEFECTS, SeededAdapter
from espproof.adapters.selection import chosen
from espproof.conformance.checks.registry import Check, all_checks
from espproof.conformance.running.check import Profile, run_check, target
from espproof.conformance.running.workers import pool


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one defect. `requirement` is the one that the first counterexample shows not to be met."""

    defect: str
    source: str
    family: str
    title: str
    found: bool
    requirement: str = ""
    check: str = ""
    verdict: str = ""
    message: str = ""
    examples: int
    seconds: float
    steps: int = 0


class Score(msgspec.Struct, frozen=True, kw_only=True):
    """The whole. Step figures are over the defects that were found."""

    profile: str
    seed: int
    whole: bool
    total: int
    found: int
    median_steps: float
    max_steps: int
    seconds: float
    rows: tuple[Row, ...]


def selected(only: str) -> list[str]:
    """Ids of the defects whose id, family or source matches one of the comma-separated patterns ("" for all)."""
    return [
        name
        for name, _ in chosen(
            DEFECTS.items(),
            lambda one: (one[0], one[1].family, one[1].source),
            only,
            none="no seeded defect matches {}",
        )
    ]


def score(
    *,
    profile: Profile,
    seed: int,
    workers: int,
    only: str = "",
    progress: Callable[[Row, int, int], None] | None = None,
) -> Score:
    """Hunt the defects. On Ctrl-C, or when a worker dies, what was found is kept, and the score is not whole."""
    started = time.perf_counter()
    names = selected(only)
    rows: list[Row] = []
    whole = True
    try:
        with pool(workers) as executor:
            for future in as_completed([executor.submit(hunt, name, profile.value, seed) for name in names]):
                rows.append(future.result())
                if progress is not None:
                    progress(rows[-1], len(rows), len(names))
    except (KeyboardInterrupt, BrokenProcessPool):
        whole = False
    order = {name: rank for rank, name in enumerate(names)}
    steps = [row.steps for row in rows if row.found]
    return Score(
        profile=profile.name.lower(),
        seed=seed,
        whole=whole,
        total=len(names),
        found=len(steps),
        median_steps=median(steps) if steps else 0,
        max_steps=max(steps, default=0),
        seconds=round(time.perf_counter() - started, 1),
        rows=tuple(sorted(rows, key=lambda row: order[row.defect])),
    )


def hunt(name: str, examples: int, seed: int) -> Row:
    """One defect."""
    started = time.perf_counter()
    defect = DEFECTS[name]
    adapter = SeededAdapter(name)
    aim = target(adapter)
    row = Row(
        defect=name, source=defect.source, family=defect.family, title=defect.title, found=False, examples=0, seconds=0
    )
    for check in by_family_first(defect.family):
        result = run_check(check, adapter, aim, examples=examples, seed=seed, findings=1)
        row = msgspec.structs.replace(row, examples=row.examples + result.examples)
        for found in result.counterexamples:
            row = msgspec.structs.replace(
                row,
                found=True,
                requirement=found.requirement,
                check=found.check,
                verdict=found.verdict.value,
                message=found.message,
                steps=len(found.case.steps),
            )
        if row.found:
            break
    return msgspec.structs.replace(row, seconds=round(time.perf_counter() - started, 2))


def by_family_first(family: str) -> list[Check]:
    """All checks, those of that family in front."""
    return sorted(all_checks().values(), key=lambda check: check.family != family)
