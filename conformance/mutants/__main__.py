"""`python -m espproof.conformance.mutants`: kill what can be killed, and tell the rest; status 1 if that is too much."""

import argparse
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import espproof
from espproof.conformance.mutants import change, trial, verdict


def main() -> int:
    words = argparse.ArgumentParser(prog="python -m espproof.conformance.mutants", description=__doc__)
    words.add_argument("modules", nargs="*", help="modules of the reference; all if none is named")
    words.add_argument("-n", type=int, default=1, metavar="WORKERS", help="trials at once")
    words.add_argument("--stages", default=",".join(trial.STAGES), help="who is asked, in this order")
    words.add_argument("--all", action="store_true", help="tell the explained survivors too")
    given = words.parse_args()
    paths = change.modules(Path(espproof.__path__[0]).resolve() / "reference")
    chosen = given.modules or list(paths)
    stages = given.stages.split(",")
    if not set(chosen) <= set(paths) or not set(stages) <= set(trial.STAGES) or given.n < 1:
        words.error(f"modules are {', '.join(paths)}; stages are {', '.join(trial.STAGES)}; workers are one or more")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that no trial is left behind
    began = time.monotonic()
    trial.preload()
    if wrong := trial.wrong_already(
        {name: paths[name].read_text(encoding="utf-8") for name in chosen}, stages, given.n
    ):
        print(f"without any change, and so of everything: {', '.join(wrong)}", file=sys.stderr)
        return 2
    outcomes = list(_told(trial.trials(_mutants(paths, chosen), stages, given.n)))
    sorted_out = verdict.sort_out(outcomes, verdict.read(), chosen)
    _show(sorted_out, given.all)
    print(f"{time.monotonic() - began:.0f} s")
    return 0 if sorted_out.good else 1


def _mutants(paths: dict[str, Path], chosen: list[str]) -> Iterator[change.Mutant]:
    for name in chosen:
        yield from change.mutants(name, paths[name].read_text(encoding="utf-8"))


def _told(outcomes: Iterator[trial.Outcome]) -> Iterator[trial.Outcome]:
    for number, outcome in enumerate(outcomes, 1):
        if number % 100 == 0:
            print(f"{number} tried, {outcome.mutant.module}", file=sys.stderr, flush=True)
        yield outcome


def _show(sorted_out: verdict.Verdict, with_explained: bool) -> None:
    why = verdict.read()
    for one in [*sorted_out.survived, *(sorted_out.explained if with_explained else [])]:
        mutant = one.mutant
        print(f"survived: {mutant.module} {mutant.function}\n    - {mutant.before}\n    + {mutant.after}")
        if mutant.key in why:
            print(f"    explained: {why[mutant.key]}")
    for key in sorted_out.idle:
        print(f"explained, but killed or gone: {' · '.join(key)}")
    killed = ", ".join(f"{count} by {who}" for who, count in sorted(sorted_out.killed.items()))
    print(
        f"{sorted_out.total} mutants: {sum(sorted_out.killed.values())} killed ({sorted_out.share:.1%}; {killed}), "
        f"{len(sorted_out.survived)} survived, {len(sorted_out.explained)} explained"
    )


if __name__ == "__main__":
    raise SystemExit(main())
