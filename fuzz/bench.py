"""`espproof fuzz bench`: how fast the targets are, beside atheris targets with nothing of fuzzing in them, in one run.

A sample of the inputs that libFuzzer gives a target is taken first. Each round then runs the target, its peer and its
plain peer (`empty`) after one another; each quotient is the median over the rounds. `vs_peer` is what our oracle and
records cost, `vs_plain` what these and atheris cost; no parser in Python comes near to `nothing`.
"""

import json
import tempfile
from pathlib import Path
from statistics import median

import msgspec

from espproof.adapters.base import AdapterError
from espproof.fuzz import seeds
from espproof.fuzz.engines import process
from espproof.fuzz.engines.empty import NOTHING, PEER, PLAIN
from espproof.fuzz.engines.libfuzzer import Limits, Statistics, arguments
from espproof.fuzz.run import CHILD, START_SECONDS, require_atheris
from espproof.fuzz.targets import TARGETS


class Speed(msgspec.Struct, frozen=True, kw_only=True):
    """Executions per second, medians over the rounds, and quotients."""

    target: str
    executions_per_second: int
    peer: int
    plain: int
    nothing: int
    vs_peer: float
    vs_plain: float


def bench(*, seconds: int = 5, rounds: int = 3) -> tuple[Speed, ...]:
    """Measure every target. `CannotFuzz` without atheris."""
    require_atheris()
    with tempfile.TemporaryDirectory(prefix="espproof-fuzz-bench-") as place:
        nothing = _speed(NOTHING, Path(place), min(seconds, 2), None)
        return tuple(_measured(name, nothing, Path(place), seconds, rounds) for name in TARGETS)


def _measured(name: str, nothing: int, place: Path, seconds: int, rounds: int) -> Speed:
    sample = place / f"{name}.sample"
    _speed(name, place, min(seconds, 3), sample)
    own, peer, plain = zip(
        *(
            (
                _speed(name, place, seconds, None),
                _speed(f"{PEER}:{name}", place, seconds, None),
                _speed(f"{PLAIN}:{name}", place, seconds, sample),
            )
            for _ in range(rounds)
        ),
        strict=True,
    )
    return Speed(
        target=name,
        executions_per_second=round(median(own)),
        peer=round(median(peer)),
        plain=round(median(plain)),
        nothing=nothing,
        vs_peer=round(median(a / b for a, b in zip(own, peer, strict=True)), 3),
        vs_plain=round(median(a / b for a, b in zip(own, plain, strict=True)), 3),
    )


def _speed(name: str, place: Path, seconds: int, sample: Path | None) -> int:
    """Executions per second of one run; `AdapterError` if it did not end as it should."""
    said, target = Statistics(), TARGETS.get(name.rpartition(":")[2])
    records, corpus = place / "records", Path(tempfile.mkdtemp(dir=place))
    records.mkdir(exist_ok=True)
    given = arguments(
        seconds=seconds, seed=1, limits=Limits(), artifacts=place, corpus=corpus,
        seeds=None if target is None else seeds.folder(target),
    )  # fmt: skip
    order = {
        "target": name, "adapter": "reference", "folder": str(records), "limit": 10, "libfuzzer": given,
        "sample": "" if sample is None else str(sample),
    }  # fmt: skip
    log = place / "log"
    with log.open("wb") as sink:
        status, interrupted = process.watch(
            CHILD, json.dumps(order), seconds=seconds + START_SECONDS, log=sink, line=said.read
        )
    if interrupted:
        raise KeyboardInterrupt
    if status or not said.final:
        raise AdapterError(f"{name} ended with status {status}: {' / '.join(process.tail(log))}")
    return said.executions_per_second or 1
