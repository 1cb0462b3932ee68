"""One changed reference on trial: a process of its own, which imports the changed module and asks all that confirms it.

    vectors      every vector of the corpus
    unit         the tests of the module, then all others of `reference/tests` but the proofs, which are of two modules
    properties   the checks of the module's families on scapy, held against what is known of it

The process is a fork of one that has imported what others wrote and nothing of ours, so that a trial costs the tests and
no start. Whatever ends it but the last line kills the mutant: a test, an exception, a signal, the time.
"""

import contextlib
import importlib
import importlib.util
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from pathlib import Path

import espproof
from espproof.conformance.mutants.change import Mutant

SECONDS = 120.0
"""How long a trial may take; an endless loop is a mistake that is seen."""
REFERENCE = "espproof.reference"

OWN_TESTS = {
    "ah": ("ah",),
    "audit": ("audit", "endpoint"),
    "algorithms": ("algorithm_table", "transforms"),
    "drops": ("endpoint",),
    "endpoint": ("endpoint", "udp_encapsulation", "reassembly"),
    "errors": ("sa_parameters",),
    "esp": ("esp_codec", "endpoint"),
    "ip": ("ip", "transport", "tunnel"),
    "iv": ("iv_sources",),
    "lifetime": ("lifetimes",),
    "nat": ("nat",),
    "reassembly": ("reassembly",),
    "replay": ("replay", "proofs_window"),
    "resynchronise": ("resynchronise",),
    "sa": ("sa_parameters", "endpoint"),
    "sad": ("sad_lookup",),
    "sequence": ("proofs_window",),
    "transforms": ("transforms",),
    "transport": ("transport",),
    "tunnel": ("tunnel",),
    "udp_encapsulation": ("udp_encapsulation",),
}
"""Which tests know a module best: they are asked first, because most mutants end there."""
_FAMILIES = {
    "algorithms": "crypto.*,icv.*",
    "endpoint": "format.*,life.*,udp.*",
    "esp": "format.*,padding.*,icv.*",
    "ip": "modes.*,format.*,fragments.*",
    "iv": "iv.*",
    "lifetime": "lifetime.*",
    "reassembly": "fragments.*",
    "replay": "anti-replay.*",
    "resynchronise": "esn.*",
    "sa": "sad.*,life.*",
    "sad": "sad.*",
    "sequence": "esn.*,sequence.*",
    "transforms": "crypto.*,icv.*",
    "transport": "modes.*",
    "tunnel": "modes.*,tfc.*",
    "udp_encapsulation": "udp.*",
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """`killed_by` is a stage, "signal" or "time"; "" for a survivor."""

    mutant: Mutant
    killed_by: str


Stage = Callable[[str], bool]
"""Name of the changed module -> whether nothing is seen."""


def unit(module: str) -> bool:
    importlib.import_module(f"{REFERENCE}.{module}")  # the changed one: pytest would load the true one, past our finder
    folder = Path(espproof.__path__[0]).resolve() / "reference" / "tests"
    own = [folder / f"test_{name}.py" for name in OWN_TESTS.get(module, ())]
    others = set(folder.glob("test_*.py")) - {*own, folder / "test_proofs_window.py"}
    return _pytest(own) and _pytest(sorted(others))


def vectors(_: str) -> bool:
    from espproof.adapters.models.reference import ReferenceAdapter
    from espproof.conformance.oracle.verdict import Verdict
    from espproof.conformance.vectors import files, judge

    adapter = ReferenceAdapter()
    caps = adapter.capabilities()
    return all(judge.judge(case, adapter, caps).verdict is Verdict.PASS for case in files.vectors())


def properties(module: str) -> bool:
    """On scapy, whose deviations are known: with the true reference there is no news of it."""
    from typer.testing import CliRunner

    from espproof.conformance.commands.cli import build

    families = _FAMILIES.get(module)
    if families is None:
        return True
    words = ["run", "scapy", "--profile", "quick", "--fresh", "--only", families]
    return CliRunner().invoke(build(), words).exit_code == 0


STAGES: dict[str, Stage] = {"vectors": vectors, "unit": unit, "properties": properties}


def preload() -> None:
    """What trials import and others wrote."""
    for name in ("cryptography", "hypothesis", "msgspec", "pytest", "scapy.layers.ipsec", "typer.testing", "z3"):
        with contextlib.suppress(ImportError):
            __import__(name)


def wrong_already(sources: Mapping[str, str], stages: Sequence[str], workers: int) -> list[str]:
    """Modules, by their source, that a stage finds wrong as they are: nothing that it says of a change would count."""
    unchanged = [Mutant(name, "", "", "", source) for name, source in sources.items()]
    told = [one for one in trials(unchanged, stages, workers) if one.killed_by]
    return [f"{one.killed_by} finds {one.mutant.module} wrong" for one in told]


def trials(mutants: Iterable[Mutant], stages: Sequence[str], workers: int) -> Iterator[Outcome]:
    """What became of each mutant, as they end; so many at once."""
    running: dict[int, tuple[Mutant, float]] = {}
    waiting = iter(mutants)
    try:
        while True:
            while len(running) < workers and (mutant := next(waiting, None)):
                running[_start(mutant, stages)] = mutant, time.monotonic()
            if not running:
                return
            for pid, killed_by in _ended(running, stages):
                yield Outcome(running.pop(pid)[0], killed_by)
    finally:
        for pid in running:
            _end(pid)


def _start(mutant: Mutant, stages: Sequence[str]) -> int:
    pid = os.fork()
    if pid:
        return pid
    status = 0
    try:
        os.setsid()
        nothing = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(nothing, stream)
        with tempfile.TemporaryDirectory(prefix="espproof-mutant-") as folder:
            os.environ["ESPPROOF_CACHE"] = folder
            install(mutant, Path(folder))
            status = next((at for at, name in enumerate(stages, 1) if not _passes(name, mutant.module)), 0)
    finally:
        os._exit(status)


def _passes(stage: str, module: str) -> bool:
    """An exception, of whatever kind, is a change that was seen."""
    try:
        return STAGES[stage](module)
    except BaseException:
        return False


def _ended(running: dict[int, tuple[Mutant, float]], stages: Sequence[str]) -> list[tuple[int, str]]:
    """Processes that have ended, or have had their time, and who killed what was in them; waits until there is one."""
    names = ["", *stages]
    while True:
        done: list[tuple[int, str]] = []
        for pid, (_, began) in running.items():
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                code = os.waitstatus_to_exitcode(status)
                done.append((pid, names[code] if 0 <= code < len(names) else "signal"))
            elif time.monotonic() - began > SECONDS:
                _end(pid)
                done.append((pid, "time"))
        if done:
            return done
        time.sleep(0.01)


def _end(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, 0)


def install(mutant: Mutant, folder: Path) -> None:
    """From now on this process imports the changed module; its source lies in `folder` for who reads it."""
    path = folder / f"{mutant.module}.py"
    path.write_text(mutant.source, encoding="utf-8")
    for name in [name for name in sys.modules if name.startswith("espproof.")]:
        del sys.modules[name]  # whoever has imported the true one here goes on with it, and nobody else
    sys.meta_path.insert(0, _Changed(f"{REFERENCE}.{mutant.module}", path))


class _Changed:
    """A finder that knows one module."""

    def __init__(self, name: str, path: Path) -> None:
        self._name = name
        self._path = path

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        return importlib.util.spec_from_file_location(name, self._path) if name == self._name else None


def _pytest(files: Sequence[Path]) -> bool:
    import pytest

    options = ["-x", "-q", "-p", "no:cacheprovider", "--import-mode=importlib", "-c", os.devnull]
    return not files or pytest.main([*options, *map(str, files)]) == 0
