"""The score: the suite against every seeded defect. A defect that is not found is a hole in the suite.

Each defect is hunted by the checks that verify what it breaks, first those that it proves, then by all others in their
usual order, with the number of examples of the profile; it is found when a case shows one of the requirements that it
breaks not to be met (`proof`): another one would be luck, and would not tell a user what is wrong. `examples` counts all
cases up to that finding, `steps` is the size of the shrunk counterexample.
"""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import as_completed
from concurrent.futures.process import BrokenProcessPool
from statistics import median

import msgspec

from espproof.adapters.seeded import DEFECTS, Defect, seeded
from espproof.adapters.selection import chosen
from espproof.conformance.checks.registry import Check, all_checks
from espproof.conformance.requirements.catalogue import group
from espproof.conformance.results.check import Counterexample
from espproof.conformance.running.check import MAX_FINDINGS, Profile, run_check, target
from espproof.conformance.running.proof import broken
from espproof.conformance.running.workers import pool


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one defect. `requirement` is the one of those that it `breaks` which the counterexample shows not to
    be met; of a defect that is not found, whatever the first counterexample is about, if there is one.
    """

    defect: str
    source: str
    family: str
    title: str
    breaks: tuple[str, ...]
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
            lambda one: (one[0], one[1].family, *group(one[1].family), one[1].source),
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
    adapter = seeded(name)
    aim = target(adapter)
    row = Row(
        defect=name, source=defect.source, family=defect.family, title=defect.title, breaks=defect.breaks,
        found=False, examples=0, seconds=0,
    )  # fmt: skip
    silent: set[str] = set()
    for check, findings in attempts(defect):
        if check.id in silent:
            continue
        result = run_check(check, adapter, aim, examples=examples, seed=seed, findings=findings)
        row = msgspec.structs.replace(row, examples=row.examples + result.examples)
        for one in result.counterexamples:
            row = told(row, one, broken(one.case, adapter))
        if row.found:
            break
        if not result.counterexamples:
            silent.add(check.id)
    return msgspec.structs.replace(row, seconds=round(time.perf_counter() - started, 2))


def attempts(defect: Defect) -> Iterator[tuple[Check, int]]:
    """Checks, each with how many findings it may report, the likeliest to find the defect and the quickest first.

    Those that verify what it breaks, in front the ones that it proves, then its own family's, stop at their first finding;
    then they go on behind it, as one mistake may show on several requirements; then all the others.
    """
    likely = [check for check in all_checks().values() if not set(defect.breaks).isdisjoint(check.verifies)]
    likely.sort(key=lambda check: (defect.id not in check.proved_by, check.family != defect.family))
    others = [check for check in all_checks().values() if check not in likely]
    others.sort(key=lambda check: check.family != defect.family)
    yield from ((check, 1) for check in likely)
    yield from ((check, MAX_FINDINGS) for check in likely)
    yield from ((check, 1) for check in others)


def told(row: Row, one: Counterexample, shown: frozenset[str]) -> Row:
    """The row with that counterexample, which has `shown` these requirements, if it is the first one, or an own one is."""
    own = [name for name in row.breaks if name in shown]
    if row.found or (row.check and not own):
        return row
    return msgspec.structs.replace(
        row,
        found=bool(own),
        requirement=one.requirement if one.requirement in own or not own else own[0],
        check=one.check,
        verdict=one.verdict.value,
        message=one.message,
        steps=len(one.case.steps),
    )
