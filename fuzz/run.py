"""`espproof fuzz run`: one target for some time, and what comes of it.

    seeds (read only) ┐
    corpus (grows)    ┴─► child: libFuzzer + target ──► records, artifacts ──► reproduce: minimise ──► findings/<key>/

libFuzzer takes over the process that it runs in and ends it, so there is one for it, and another for each finding that is
minimised. The suite's own folders are only read. Ctrl-C ends a run early: what was found is kept, and the result says
that it is not whole.
"""

import json
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

import msgspec

import espproof
from espproof.adapters.case import Case, from_json, to_json
from espproof.adapters.registry import open_adapter
from espproof.fuzz import seeds
from espproof.fuzz.engines import process
from espproof.fuzz.engines.libfuzzer import STOPPED, Limits, Statistics, arguments, artifacts_in
from espproof.fuzz.engines.reproduce import Answer, Order
from espproof.fuzz.targets import Target, by_name
from espproof.fuzz.triage import record
from espproof.fuzz.triage.result import FuzzResult, Misbehaviour, write, write_misbehaviour
from espproof.fuzz.triage.signature import Kind, Signature, key_of
from espproof.reference.errors import Misuse

CHILD = "espproof.fuzz.engines.child"
REPRODUCE = "espproof.fuzz.engines.reproduce"
MINIMISE_SECONDS = 5.0
START_SECONDS = 60
"""How long a child may take until libFuzzer counts the time: instrumented imports are slow."""


class CannotFuzz(Exception):
    """Fuzzing is not possible on this machine; says why and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to run. `findings` is after how many different ones to stop; seed 0 takes any and tells which."""

    target: str
    adapter: str = "reference"
    seconds: int = 60
    seed: int = 0
    findings: int = 10
    results: Path = Path("espproof-results")
    limits: Limits = field(default_factory=Limits)
    minimise_seconds: float = MINIMISE_SECONDS


Progress = Callable[[Statistics], object]


def run(plan: Plan, progress: Progress | None = None) -> FuzzResult:
    """Fuzz. `Misuse` for an unknown target or adapter, `AdapterError` if it cannot start, `CannotFuzz` without atheris."""
    require_atheris()
    kind = by_name(plan.target)
    if plan.seconds < 1 or plan.findings < 1 or not 0 <= plan.seed < 2**32:
        raise Misuse("seconds and findings are at least 1, a seed is 0 to 2^32 - 1")
    with open_adapter(plan.adapter) as adapter:  # closed again before another process opens it
        version = adapter.version
        target = kind(adapter)  # so that what it lacks is told here, and cases can be made
    place = plan.results / "fuzz" / plan.target / slug(plan.adapter)
    place.mkdir(parents=True, exist_ok=True)
    return _Run(plan, target, version, place.resolve()).result(progress or (lambda statistics: None))


def slug(adapter: str) -> str:
    """A folder's name for an adapter."""
    return "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in adapter)[:80]


def require_atheris() -> None:
    """`CannotFuzz` says how to install what is missing."""
    if find_spec("atheris") is None:
        raise CannotFuzz("atheris is not installed; it comes with: pip install 'espproof[fuzz]'")


@dataclass(slots=True)
class _Run:
    plan: Plan
    target: Target
    version: str
    place: Path
    interrupted: bool = False

    def result(self, progress: Progress) -> FuzzResult:
        plan, statistics = self.plan, Statistics()
        started = time.monotonic()
        (self.place / "corpus").mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="running-", dir=self.place) as raw:
            trouble = self._fuzz(Path(raw), statistics, progress)
            elapsed = round(time.monotonic() - started, 3)
            found = tuple(self._triaged(Path(raw)))
        if self.interrupted:
            trouble = f"interrupted after {statistics.executions} executions"
        result = FuzzResult(
            espproof=espproof.__version__, target=plan.target, adapter=plan.adapter, adapter_version=self.version,
            seed=statistics.seed, seconds=elapsed, whole=not trouble, not_whole_because=trouble,
            executions=statistics.executions, executions_per_second=statistics.executions_per_second,
            coverage=statistics.coverage, features=statistics.features, corpus=statistics.corpus,
            peak_rss_mib=statistics.peak_rss_mib, findings=found,
        )  # fmt: skip
        write(result, self.place)
        return result

    def _fuzz(self, raw: Path, statistics: Statistics, progress: Progress) -> str:
        """Run the child to its end: why the run is not whole, "" if it is or was interrupted."""
        plan = self.plan
        records, artifacts = raw / "records", raw / "artifacts"
        records.mkdir()
        artifacts.mkdir()
        given = arguments(
            seconds=plan.seconds, seed=plan.seed, limits=plan.limits, artifacts=artifacts,
            corpus=self.place / "corpus", seeds=seeds.folder(type(self.target)),
        )  # fmt: skip
        order = {
            "target": plan.target, "adapter": plan.adapter, "folder": str(records), "limit": plan.findings,
            "libfuzzer": given,
        }  # fmt: skip
        log = self.place / "libfuzzer.log"
        with log.open("wb") as sink:
            status, self.interrupted = process.watch(
                CHILD,
                json.dumps(order),
                seconds=plan.seconds + plan.limits.seconds_per_input + START_SECONDS,
                log=sink,
                line=lambda line: statistics.read(line) and progress(statistics),
            )
        executed = record.total(records)
        statistics.executions = statistics.executions if executed is None else executed
        enough = status == STOPPED and len(list(records.glob("*.json"))) >= plan.findings
        if self.interrupted or (status == 0 and statistics.final) or enough:
            return ""
        ended = f"died of signal {-status}" if status < 0 else f"ended with status {status}"
        return f"the fuzzing process {ended}: {' / '.join(process.tail(log))[:400]}"

    # ------------------------------------------------------------------------------------------------------- triage

    def _triaged(self, raw: Path) -> Iterator[Misbehaviour]:
        """Every finding once: what was recorded, and what ended the process unless it is one of those."""
        known = set()
        for one in record.read(raw / "records"):
            known.add(one.signature.key)
            yield self._finding(one)
        for kind, octets in artifacts_in(raw / "artifacts"):
            ended = Signature(key=key_of(kind, "process"), kind=kind, message=_ENDED[kind])
            lone = record.Record(signature=ended, octets=octets.hex(), seconds=0.0, executions=0, seen=1)
            finding = self._finding(lone)
            if finding.key not in known:
                known.add(finding.key)
                yield finding

    def _finding(self, one: record.Record) -> Misbehaviour:
        plan, what = self.plan, one.signature
        ended = not one.executions
        order = Order(
            target=plan.target, adapter=plan.adapter, octets=one.octets, key="" if ended else what.key,
            seconds=plan.minimise_seconds,
        )  # fmt: skip
        answer = self._reproduced(order)
        octets, case = one.octets, self.target.case(bytes.fromhex(one.octets))
        shown = None if self.interrupted and answer is None else answer is not None and answer.signature is not None
        if answer is not None:
            octets, case = answer.octets, answer.case
            what = answer.signature or what
        folder = self.place / "findings" / what.key
        finding = Misbehaviour(
            key=what.key, kind=what.kind, message=what.message, requirement=what.requirement, frames=what.frames,
            target=plan.target, adapter=plan.adapter, seconds=one.seconds, executions=one.executions, seen=one.seen,
            size=len(one.octets) // 2, octets=octets, reproduced=shown, case=_titled(case, what, plan),
            folder=str(folder),
        )  # fmt: skip
        write_misbehaviour(finding, bytes.fromhex(one.octets), what.trace or one.signature.trace, folder)
        return finding

    def _reproduced(self, order: Order) -> Answer | None:
        """None, too, from the moment on at which the user does not want to wait any more: what was found is kept."""
        if self.interrupted:
            return None
        try:
            return reproduced(order)
        except KeyboardInterrupt:
            self.interrupted = True
            return None


_ENDED: dict[Kind, str] = {
    "crash": "the process died",
    "hang": "no answer within the time that one input may take",
    "memory": "more memory than one process may take",
}


def reproduced(order: Order) -> Answer | None:
    """Ask a process of its own what an input shows, minimised; None if that process dies or hangs.

    Somebody else's code runs in it, and may end it as if all were well: an answer that is none is nobody's misuse.
    """
    answer = process.ask(REPRODUCE, to_json(order), seconds=order.seconds + 30)
    try:
        return None if answer is None else from_json(answer, Answer)
    except Misuse:
        return None


def _titled(case: Case, what: Signature, plan: Plan) -> Case:
    return msgspec.structs.replace(
        case,
        id=f"fuzz/{plan.target}/{what.key}",
        title=what.message[:200],
        requirements=(what.requirement,) if what.requirement else (),
        source=f"found by espproof fuzz run {plan.target} --adapter {plan.adapter}",
    )
