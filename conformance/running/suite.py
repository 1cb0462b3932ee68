"""A whole run: all checks against one adapter, in this process or in several, with progress, limits and a clean end.

Work is handed out check by check; a check's cases depend on the seed alone, so the number of workers changes nothing but
the time. Ctrl-C and a lost worker end the run early: what was found is kept, and the result says that it is not whole.
"""

import hashlib
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import as_completed
from concurrent.futures.process import BrokenProcessPool
from functools import partial

import hypothesis

import espproof
from espproof.adapters.base import Adapter
from espproof.adapters.registry import open_adapter
from espproof.adapters.selection import chosen
from espproof.conformance.checks.registry import Check, all_checks
from espproof.conformance.checks.scenario import Target
from espproof.conformance.oracle.judge import ESP, Oracle
from espproof.conformance.requirements.catalogue import group, levels
from espproof.conformance.results.check import CheckResult
from espproof.conformance.results.expectations import Expectation
from espproof.conformance.results.model import RunResult, count, requirement_verdicts, untried
from espproof.conformance.running import tiers
from espproof.conformance.running.check import Profile, run_check, target
from espproof.conformance.running.patience import Patience
from espproof.conformance.running.recall import Recall, prune
from espproof.conformance.running.workers import close_at_end, interrupts, pool
from espproof.reference.errors import Misuse

Progress = Callable[[CheckResult, int, int], None]
"""Called after each check with its result, the number done and the number of all."""


def selected(only: str) -> list[Check]:
    """The checks whose id, family or a requirement matches one of the comma-separated patterns ("" for all); `xfrm` are
    all families of a host."""
    return chosen(
        all_checks().values(), lambda check: (check.id, check.family, *group(check.family), *check.verifies), only,
        none="no check matches {}; `espproof requirements` lists them, with --families the families",
    )  # fmt: skip


def run(
    name: str,
    *,
    profile: Profile,
    seed: int,
    workers: int = 1,
    only: str = "",
    progress: Progress | None = None,
    oracles: Sequence[str] = (),
    recall: bool = False,
    oracle: Oracle = ESP,
    known: tuple[Expectation, ...] = (),
) -> RunResult:
    """Run the suite against the adapter of that name. `Misuse` or `AdapterError` if it cannot even start.

    `oracles` are other implementations, which are asked about what is found (`tiers`); nobody is asked about himself.
    With `recall`, cases that an earlier run drew are not drawn again, and those of this one are kept. `oracle` says what
    is right of all that is done. `known` are the deviations behind which others of the same requirement are looked for.
    """
    started = time.perf_counter()
    checks = selected(only)
    if recall:
        prune()
    with open_adapter(name) as adapter:
        version, caps, aim = adapter.version, adapter.capabilities(), target(adapter)
        if workers > 1 and adapter.exclusive:
            raise Misuse(f"{name} has hardware to itself, so that one process alone can use it: -n 1")
        if workers == 1:
            results, trouble = _here(checks, adapter, aim, profile, seed, progress, recall, oracle, known)
    if workers > 1:  # each has an implementation of its own; ours would have a processor and memory for nothing
        results, trouble = _in_workers(checks, name, profile, seed, workers, progress, recall, oracle, known)
    order = {check.id: rank for rank, check in enumerate(checks)}
    results.sort(key=lambda result: order[result.check])
    trouble = trouble or _cut(results)
    tried = tuple(result for result in results if not _is_untried(result))
    done = tiers.ask(tried, [one for one in oracles if one != name], oracle)
    verdicts = requirement_verdicts(done, levels(), caps)
    possible = {f"{a[0]}={a[1]},{b[0]}={b[1]}" for a, b in aim.space.pairs}
    covered = {pair for result in done for pair in result.pairs} & possible
    return RunResult(
        espproof=espproof.__version__,
        adapter=name,
        adapter_version=version,
        profile=profile.name.lower(),
        seed=seed,
        only=only,
        whole=not trouble,
        not_whole_because=trouble,
        cases=sum(result.examples for result in done),
        recalled=sum(result.recalled for result in done),
        seconds=round(time.perf_counter() - started, 3),
        verdicts=count(verdicts),
        requirements=verdicts,
        untried=untried(done, verdicts),
        pairs_covered=len(covered),
        pairs_total=len(aim.space.pairs),
        digest=hashlib.sha256("".join(result.digest for result in done).encode()).hexdigest()[:16],
        drawn_with=f"Hypothesis {hypothesis.__version__}",
        capabilities=caps,
        checks=done,
    )


def in_turn(checks: Sequence[Check]) -> list[Check]:
    """The first check of each family, then the second of each: a run that ends early has tried all of them."""
    seen: Counter[str] = Counter()
    ranks: dict[str, int] = {}
    for check in checks:
        ranks[check.id] = seen[check.family]
        seen[check.family] += 1
    return sorted(checks, key=lambda check: ranks[check.id])


def _is_untried(result: CheckResult) -> bool:
    return bool(result.cut) and not result.examples


def _cut(results: Sequence[CheckResult]) -> str:
    """What of the run was not tried because crashes and hangs took too long, in one sentence; "" if all was."""
    of_all = Counter(_family(result) for result in results)
    untried = Counter(_family(result) for result in results if _is_untried(result))
    short = sum(bool(result.cut) for result in results) - untried.total()
    told = [f"{short} checks did not try all of their cases"] if short else []
    if untried:
        families = ", ".join(f"{family} {count} of {of_all[family]}" for family, count in untried.items())
        told.append(f"{untried.total()} checks were not tried ({families})")
    return f"crashes and hangs took too long: {'; '.join(told)}" if told else ""


def _family(result: CheckResult) -> str:
    return all_checks()[result.check].family


def _here(
    checks: list[Check],
    adapter: Adapter,
    aim: Target,
    profile: Profile,
    seed: int,
    progress: Progress | None,
    recall: bool,
    oracle: Oracle,
    known: tuple[Expectation, ...],
) -> tuple[list[CheckResult], str]:
    results: list[CheckResult] = []
    kept = Recall.of(adapter) if recall else None
    patience = Patience.of(profile.value)
    try:
        with interrupts() as interrupted:
            for check in in_turn(checks):
                results.append(
                    run_check(
                        check,
                        adapter,
                        aim,
                        examples=profile.value,
                        seed=seed,
                        interrupted=interrupted,
                        recall=kept,
                        oracle=oracle,
                        patience=patience,
                        known=known,
                    )
                )
                if progress:
                    progress(results[-1], len(results), len(checks))
    except KeyboardInterrupt:
        return results, f"interrupted after {len(results)} of {len(checks)} checks"
    return results, ""


def _in_workers(
    checks: list[Check],
    name: str,
    profile: Profile,
    seed: int,
    workers: int,
    progress: Progress | None,
    recall: bool,
    oracle: Oracle,
    known: tuple[Expectation, ...],
) -> tuple[list[CheckResult], str]:
    results: list[CheckResult] = []
    try:
        with pool(workers, _start_worker, (name, profile, seed, recall, oracle, known)) as executor:
            for future in as_completed([executor.submit(_work, check.id) for check in in_turn(checks)]):
                results.append(future.result())
                if progress:
                    progress(results[-1], len(results), len(checks))
    except KeyboardInterrupt:
        return results, f"interrupted after {len(results)} of {len(checks)} checks"
    except BrokenProcessPool:
        return results, f"a worker process died after {len(results)} of {len(checks)} checks"
    return results, ""


_worker: list[Callable[[Check], CheckResult]] = []


def _start_worker(
    name: str, profile: Profile, seed: int, recall: bool, oracle: Oracle, known: tuple[Expectation, ...]
) -> None:
    adapter = open_adapter(name)
    close_at_end(adapter.close)
    _worker.append(
        partial(
            run_check,
            adapter=adapter,
            aim=target(adapter),
            examples=profile.value,
            seed=seed,
            recall=Recall.of(adapter) if recall else None,
            oracle=oracle,
            patience=Patience.of(profile.value),
            known=known,
        )
    )


def _work(check: str) -> CheckResult:
    return _worker[0](all_checks()[check])
