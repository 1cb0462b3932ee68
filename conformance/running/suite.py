"""A whole run: all checks against one adapter, in this process or in several, with progress, limits and a clean end.

Work is handed out check by check; a check's cases depend on the seed alone, so the number of workers changes nothing but
the time. Ctrl-C and a lost worker end the run early: what was found is kept, and the result says that it is not whole.
"""

import fnmatch
import hashlib
import time
from collections.abc import Callable, Sequence
from concurrent.futures import as_completed
from concurrent.futures.process import BrokenProcessPool

import hypothesis

import espproof
from espproof.adapters.base import Adapter
from espproof.adapters.registry import open_adapter
from espproof.conformance.checks.registry import Check, all_checks
from espproof.conformance.checks.scenario import Target
from espproof.conformance.requirements.catalogue import levels
from espproof.conformance.results.check import CheckResult
from espproof.conformance.results.model import RunResult, count, requirement_verdicts, untried
from espproof.conformance.running import tiers
from espproof.conformance.running.check import Profile, run_check, target
from espproof.conformance.running.recall import Recall, prune
from espproof.conformance.running.workers import close_at_end, interrupts, pool
from espproof.reference.errors import Misuse

Progress = Callable[[CheckResult, int, int], None]
"""Called after each check with its result, the number done and the number of all."""


def selected(only: str) -> list[Check]:
    """The checks whose id, family or a requirement matches one of the comma-separated patterns ("" for all)."""
    checks = list(all_checks().values())
    if not only:
        return checks
    patterns = [pattern.strip() for pattern in only.split(",")]
    found = [check for check in checks if any(_matches(check, pattern) for pattern in patterns)]
    if not found:
        raise Misuse(f"no check matches {only!r}; `espproof requirements` lists them")
    return found


def _matches(check: Check, pattern: str) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for name in (check.id, check.family, *check.verifies))


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
) -> RunResult:
    """Run the suite against the adapter of that name. `Misuse` or `AdapterError` if it cannot even start.

    `oracles` are other implementations, which are asked about what is found (`tiers`); nobody is asked about himself.
    With `recall`, cases that an earlier run drew are not drawn again, and those of this one are kept.
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
            results, trouble = _here(checks, adapter, aim, profile, seed, progress, recall)
        else:
            results, trouble = _in_workers(checks, name, profile, seed, workers, progress, recall)
    order = {check.id: rank for rank, check in enumerate(checks)}
    done = tiers.ask(
        tuple(sorted(results, key=lambda result: order[result.check])), [one for one in oracles if one != name]
    )
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


def _here(
    checks: list[Check],
    adapter: Adapter,
    aim: Target,
    profile: Profile,
    seed: int,
    progress: Progress | None,
    recall: bool,
) -> tuple[list[CheckResult], str]:
    results: list[CheckResult] = []
    kept = Recall(aim.name, aim.caps) if recall else None
    try:
        with interrupts() as interrupted:
            for check in checks:
                results.append(
                    run_check(
                        check, adapter, aim, examples=profile.value, seed=seed, interrupted=interrupted, recall=kept
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
) -> tuple[list[CheckResult], str]:
    results: list[CheckResult] = []
    try:
        with pool(workers, _start_worker, (name, recall)) as executor:
            for future in as_completed([executor.submit(_work, check.id, profile.value, seed) for check in checks]):
                results.append(future.result())
                if progress:
                    progress(results[-1], len(results), len(checks))
    except KeyboardInterrupt:
        return results, f"interrupted after {len(results)} of {len(checks)} checks"
    except BrokenProcessPool:
        return results, f"a worker process died after {len(results)} of {len(checks)} checks"
    return results, ""


_worker: dict[str, tuple[Adapter, Target, Recall | None]] = {}


def _start_worker(name: str, recall: bool) -> None:
    adapter = open_adapter(name)
    close_at_end(adapter.close)
    aim = target(adapter)
    _worker["it"] = (adapter, aim, Recall(aim.name, aim.caps) if recall else None)


def _work(check: str, examples: int, seed: int) -> CheckResult:
    adapter, aim, recall = _worker["it"]
    return run_check(all_checks()[check], adapter, aim, examples=examples, seed=seed, recall=recall)
