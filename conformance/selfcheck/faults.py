"""`espproof check ADAPTER --faults`: every process of the adapter is killed, stopped, made to babble and flooded.

At every step of a small case, and in the middle of a whole one, for each process that the adapter has started:

    kill    SIGKILL                               a crash, or the right outcome where the process was not needed for it
    stop    SIGSTOP                               a hang, or the right outcome; also a crash where another process traces
                                                  this one (user-mode Linux its guests) and dies of it
    babble  a line of nonsense on its stdout      an adapter error, or the right outcome where nobody reads it
    flood   a megabyte without an end, the same   an adapter error, or the right outcome
    stderr  a megabyte on its stderr              the right outcome: standard error is never an answer

What the process writes itself cannot be changed from outside, but something can be put beside it: `/proc/PID/fd/N` is
the very pipe that we read. Where a process talks through sockets there is no such door, babble and flood are not
injected, and the adapter's own tests have to do it. After each fault the next case must be right again, and in the end
no process and no file in the temporary folder may be left. `end` kills and interrupts espproof itself at work.
"""

import os
import select
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from espproof.adapters.base import AdapterError, AdapterFailure, Crashed, Hung, Transcript
from espproof.adapters.case import Case, Outcome
from espproof.adapters.exec.client import SECONDS
from espproof.adapters.registry import open_adapter
from espproof.conformance.selfcheck import processes
from espproof.conformance.selfcheck.rig import Rig

LIMIT = "2"
"""Seconds after which an adapter gives up on an answer, here (`ESPPROOF_EXEC_SECONDS`)."""
_FLOOD = 1 << 20
_SETTLE = 0.05
"""Seconds from the start of a whole case to the fault in the middle of it."""
_END_SECONDS = 60.0
"""For a run that was interrupted or killed to end."""
_LEFT_SECONDS = 15.0
"""How long a process may take to be gone after espproof was killed."""
_TOLD = 300
"""Letters of a wrong verdict that are told."""
FAULTS = ("kill", "stop", "babble", "flood", "stderr")
RIGHT: dict[str, tuple[type[AdapterFailure], ...]] = {
    "kill": (Crashed,), "stop": (Hung,), "babble": (AdapterError,), "flood": (AdapterError,), "stderr": (),
}  # fmt: skip
"""Fault -> the failures that are a right verdict; the right outcome always is."""


class FaultReport(msgspec.Struct, kw_only=True):
    """What became of all faults. `verdicts`: fault -> verdict -> how often. `wrong` and `left` should be empty."""

    adapter: str
    injected: dict[str, int]
    verdicts: dict[str, dict[str, int]]
    wrong: tuple[str, ...]
    left: tuple[str, ...]
    seconds: float

    @property
    def correct(self) -> bool:
        return not self.wrong and not self.left


@dataclass
class _Tally:
    injected: Counter[str] = field(default_factory=Counter)
    verdicts: dict[str, Counter[str]] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)

    def note(self, fault: str, where: str, verdict: str, right: bool) -> None:
        self.injected[fault] += 1
        self.verdicts.setdefault(fault, Counter())[verdict.partition(":")[0]] += 1
        if not right:
            self.wrong.append(f"{fault} {where}: {verdict[:_TOLD]}")


def inject(name: str, *, tick: Callable[[str], None] | None = None) -> FaultReport:
    """Inject all faults into the adapter of that name. `AdapterFailure` if it cannot even start."""
    began, tally = time.perf_counter(), _Tally()
    tell = tick or (lambda what: None)
    before = {key: os.environ.get(key) for key in (SECONDS, "TMPDIR")}
    with tempfile.TemporaryDirectory(prefix="espproof-faults-") as place:
        os.environ.update({SECONDS: LIMIT, "TMPDIR": place})
        tempfile.tempdir = None
        try:
            roles = _steps(name, tally, tell)
            _remains(tally, "after close()", Path(place), set())
            for number in (signal.SIGKILL, signal.SIGINT) if roles else ():
                tell(f"{name}: espproof gets {number.name}")
                _end(name, number, tally, Path(place))
        finally:
            for key, value in before.items():
                os.environ.pop(key, None) if value is None else os.environ.update({key: value})
            tempfile.tempdir = None
    return FaultReport(
        adapter=name,
        injected=dict(tally.injected),
        verdicts={fault: dict(counts) for fault, counts in tally.verdicts.items()},
        wrong=tuple(tally.wrong),
        left=tuple(tally.left),
        seconds=round(time.perf_counter() - began, 1),
    )


# --------------------------------------------------------------------------------------------- faults of the adapter


def _steps(name: str, tally: _Tally, tell: Callable[[str], None]) -> int:
    """All faults of the processes that the adapter has; how many these are."""
    with open_adapter(name) as adapter:
        rig = Rig(adapter, adapter.capabilities())
        case = rig.traffic()
        wrong = _wrong(rig, case, adapter.execute(case))
        if wrong is not None:
            raise AdapterError(f"a plain case is not right even without a fault: {wrong}")
        roles = len(processes.programs())
        for fault in FAULTS:
            for role in range(roles):
                for at in range(-1, len(case.steps) + 1):
                    where = "in the middle of a case" if at == len(case.steps) else f"before step {at + 1}"
                    tell(f"{name}: {fault} process {role + 1} of {roles} {where}")
                    _one(rig, case, fault, role, at, tally)
    return roles


def _one(rig: Rig, case: Case, fault: str, role: int, at: int, tally: _Tally) -> None:
    """One fault, at one moment, in one process; then a whole case, which must be right."""
    adapter = rig.adapter
    with suppress(AdapterFailure):  # whatever the last fault has left: from here on all is well
        adapter.execute(case)
    programs = processes.programs()
    if role >= len(programs):
        return
    pid = programs[role]
    told = Path(f"/proc/{pid}/comm").read_text(encoding="utf-8", errors="replace").strip()
    where = f"of {told} at {at + 1 if at < len(case.steps) else 'a whole case'}"
    if fault not in ("kill", "stop") and _door(pid, fault) is None:
        return
    allowed = (*RIGHT[fault], Crashed) if fault == "stop" and _traced(pid) else RIGHT[fault]
    verdict, right = _verdict(lambda: _walk(rig, case, lambda: _hurt(fault, pid), at), allowed)
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGCONT)
    tally.note(fault, where, verdict, right)
    after, right = _verdict(lambda: _wrong(rig, case, adapter.execute(case)), ())
    if not right:
        after, right = _verdict(lambda: _wrong(rig, case, adapter.execute(case)), ())  # the first may notice the fault
    if not right:
        tally.wrong.append(f"{fault} {where}: the next case: {after}")


def _verdict(work: Callable[[], str | None], allowed: tuple[type[AdapterFailure], ...]) -> tuple[str, bool]:
    """What came of it, and whether that is right."""
    try:
        wrong = work()
    except AdapterFailure as failure:
        return f"{type(failure).__name__}: {failure}", isinstance(failure, allowed)
    except Exception as error:
        return f"{type(error).__name__} escaped: {error}", False
    return ("right outcome", True) if wrong is None else (f"wrong outcome: {wrong}", False)


def _walk(rig: Rig, case: Case, hurt: Callable[[], None], at: int) -> str | None:
    """The case step by step, hurt before step `at` (-1: before reset); behind the last step: in the middle of it all."""
    adapter = rig.adapter
    if at == len(case.steps):
        timer = threading.Timer(_SETTLE, hurt)
        timer.start()
        try:
            until = time.monotonic() + 4 * _SETTLE
            while time.monotonic() < until:
                wrong = _wrong(rig, case, adapter.execute(case))
                if wrong is not None:
                    return wrong
        finally:
            timer.join()
        return None
    if at < 0:
        hurt()
    adapter.reset()
    setup: tuple[Outcome, ...] = tuple(adapter.add_sa(sa) for sa in case.sas)
    steps: list[Outcome] = []
    for number, step in enumerate(case.steps):
        if number == at:
            hurt()
        steps.append(adapter.take(step))
    return _wrong(rig, case, Transcript(setup, tuple(steps)))


def _wrong(rig: Rig, case: Case, got: Transcript) -> str | None:
    return rig.told(case, got, rig.reference(case))


def _hurt(fault: str, pid: int) -> None:
    with suppress(OSError):  # it may be gone already
        if fault == "kill":
            os.kill(pid, signal.SIGKILL)
        elif fault == "stop":
            os.kill(pid, signal.SIGSTOP)
        elif (door := _door(pid, fault)) is not None:
            _pour(door, b"\x07nonsense\xff\n" if fault == "babble" else b"x" * _FLOOD)
    time.sleep(0.01)


def _traced(pid: int) -> bool:
    with suppress(OSError):
        return "TracerPid:\t0\n" not in Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace")
    return False


def _door(pid: int, fault: str) -> str | None:
    """The path of a pipe that the process writes and espproof reads: that of its standard error, or another one."""
    ours, errors = set(_pipes(os.getpid()).values()), _pipes(pid).get("2")
    for number, pipe in _pipes(pid).items():
        if pipe in ours and (pipe == errors) == (fault == "stderr"):
            return f"/proc/{pid}/fd/{number}"
    return None


def _pipes(pid: int) -> dict[str, str]:
    """Descriptor -> pipe, of a process: of our own those that are read, of others those that are written."""
    wanted = os.O_RDONLY if pid == os.getpid() else os.O_WRONLY
    found: dict[str, str] = {}
    with suppress(OSError):
        for number in sorted(os.listdir(f"/proc/{pid}/fd"), key=int):
            with suppress(OSError, IndexError):
                pipe = os.readlink(f"/proc/{pid}/fd/{number}")
                flags = int(
                    Path(f"/proc/{pid}/fdinfo/{number}").read_text(encoding="utf-8").split("flags:")[1].split()[0], 8
                )
                if pipe.startswith("pipe:") and flags & os.O_ACCMODE == wanted:
                    found[number] = pipe
    return found


def _pour(path: str, octets: bytes) -> None:
    """Write into somebody's pipe, as much as it takes in a moment."""
    pipe = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
    rest, until = memoryview(octets), time.monotonic() + 0.2
    try:
        while rest and time.monotonic() < until:
            try:
                rest = rest[os.write(pipe, rest) :]
            except BlockingIOError:
                select.select([], [pipe], [], 0.02)
    finally:
        os.close(pipe)


# ---------------------------------------------------------------------------------------------------- what is left


def _end(name: str, number: signal.Signals, tally: _Tally, place: Path) -> None:
    """Kill or interrupt a run of its own while the adapter works, and see what is left."""
    command = [sys.executable, "-m", "espproof", "run", name, "--profile", "default", "--expect", "none", "--json"]
    with subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as run:
        until = time.monotonic() + 60
        while not processes.programs(run.pid) and run.poll() is None and time.monotonic() < until:
            time.sleep(0.05)
        time.sleep(1.0)
        children = set(processes.descendants(run.pid))
        os.kill(run.pid, number)
        told = "ended"
        try:
            run.wait(timeout=_END_SECONDS)
        except subprocess.TimeoutExpired:
            told = f"still there after {_END_SECONDS:g} s"
            run.kill()
    tally.note("end", f"with {number.name}", told, right=told == "ended")
    _remains(tally, f"after {number.name} to espproof", place, children)


def _remains(tally: _Tally, when: str, place: Path, children: set[int]) -> None:
    """Processes, files and namespaces that are there when they should not be."""
    until = time.monotonic() + _LEFT_SECONDS
    while time.monotonic() < until and (processes.alive(children) or processes.programs() or any(place.iterdir())):
        time.sleep(0.1)
    tally.left += [
        f"{when}: process {processes.name(pid)}" for pid in (*processes.alive(children), *processes.programs())
    ]
    tally.left += [f"{when}: file {path.name}" for path in place.iterdir()]
