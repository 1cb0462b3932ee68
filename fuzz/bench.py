"""`espproof fuzz bench`: how fast the targets are, beside atheris targets with nothing of fuzzing in them, in one run.

A sample of the inputs that libFuzzer gives a target is taken first. Each round then runs the target from its seeds, and
its peer (`empty`) on the sample; `vs_peer` is the median over the rounds of the quotients. `vs_nothing` is the quotient
with a target that does nothing at all, which no parser written in Python comes near to.
"""

import json
import statistics
import tempfile
from pathlib import Path

import msgspec

from espproof.adapters.base import AdapterError
from espproof.fuzz import process, seeds
from espproof.fuzz.libfuzzer import Limits, Statistics, arguments
from espproof.fuzz.run import CHILD, START_SECONDS, require_atheris
from espproof.fuzz.targets import TARGETS


class Speed(msgspec.Struct, frozen=True, kw_only=True):
    """Executions per second, medians over the rounds."""

    target: str
    executions_per_second: int
    peer: int
    nothing: int
    vs_peer: float
    vs_nothing: float


def bench(*, seconds: int = 5, rounds: int = 3) -> tuple[Speed, ...]:
    """Measure every target. `CannotFuzz` without atheris."""
    require_atheris()
    with tempfile.TemporaryDirectory(prefix="espproof-fuzz-bench-") as place:
        nothing = [_speed("peer:nothing", Path(place), seconds, None) for _ in range(rounds)]
        return tuple(_measured(name, nothing, Path(place), seconds, rounds) for name in TARGETS)


def _measured(name: str, nothing: list[int], place: Path, seconds: int, rounds: int) -> Speed:
    sample = place / f"{name}.sample"
    _speed(name, place, seconds, sample)
    pairs = [(_speed(name, place, seconds, None), _speed(f"peer:{name}", place, seconds, sample)) for _ in range(rounds)]
    return Speed(
        target=name,
        executions_per_second=round(statistics.median(own for own, _ in pairs)),
        peer=round(statistics.median(peer for _, peer in pairs)),
        nothing=round(statistics.median(nothing)),
        vs_peer=round(statistics.median(own / peer for own, peer in pairs), 3),
        vs_nothing=round(statistics.median(own for own, _ in pairs) / statistics.median(nothing), 4),
    )


def _speed(name: str, place: Path, seconds: int, sample: Path | None) -> int:
    """Executions per second of one run; `AdapterError` if it did not end as it should."""
    said, target = Statistics(), TARGETS.get(name)
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
