"""`espproof check --faults`: a good adapter stands all of them, and each kind of bad one is found out."""

import os
import shlex
import signal
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from espproof.conformance.commands.cli import build
from espproof.conformance.selfcheck import faults, processes

HARNESS = f"exec:{shlex.quote(sys.executable)} -m espproof.adapters.exec.harness reference"
BAD = """
import subprocess, tempfile
from espproof.adapters.base import Crashed
from espproof.adapters.case import Dropped
from espproof.adapters.models.reference import ReferenceAdapter

class Silent(ReferenceAdapter):
    "Says that a packet was dropped when the process is dead."
    def __init__(self):
        super().__init__()
        self.process = subprocess.Popen(["sleep", "600"])
    def inbound(self, packet):
        return super().inbound(packet) if self.process.poll() is None else Dropped()
    def close(self):
        self.process.kill()
        self.process.wait()

class Messy(Silent):
    "Leaves its process and a file."
    def inbound(self, packet):
        return super(Silent, self).inbound(packet)
    def close(self):
        tempfile.NamedTemporaryFile(delete=False).write(b"x")
"""


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Short limits, and the bad adapters in a module of their own."""
    monkeypatch.setattr(faults, "LIMIT", "0.5")
    monkeypatch.setattr(faults, "_LEFT_SECONDS", 1.0)
    (tmp_path / "bad_adapters.py").write_text(BAD, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))


def test_good_adapter_stands_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each fault at each step gets its verdict, the next case is right, and nothing is left."""
    monkeypatch.setattr(faults, "_LEFT_SECONDS", 15.0)
    monkeypatch.setattr(faults, "LIMIT", "1")  # a Python program starts in it on a busy machine too
    report = faults.inject(HARNESS)
    assert report.correct, (report.wrong, report.left)
    assert report.verdicts["kill"].keys() == {"Crashed"}
    assert report.verdicts["stop"].keys() == {"Hung"}
    assert report.verdicts["babble"].keys() == report.verdicts["flood"].keys() == {"AdapterError"}
    assert report.verdicts["stderr"].keys() == {"right outcome"}
    assert len({report.injected[fault] for fault in faults.FAULTS}) == 1
    assert report.injected["end"] == 2


def test_death_that_is_told_as_a_drop_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A dead process is a crash, no verdict about the packet."""
    monkeypatch.setattr(faults, "FAULTS", ("kill",))
    monkeypatch.setattr(faults, "_end", lambda *arguments: None)
    report = faults.inject("bad_adapters:Silent")
    assert any("wrong outcome" in line and "dropped" in line for line in report.wrong)
    assert not report.left


def test_what_is_left_behind_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process and a file that stay."""
    monkeypatch.setattr(faults, "FAULTS", ("stderr",))
    monkeypatch.setattr(faults, "_end", lambda *arguments: None)
    try:
        report = faults.inject("bad_adapters:Messy")
    finally:
        for pid in processes.programs():
            os.kill(pid, signal.SIGKILL)
    assert any("process sleep" in line for line in report.left)
    assert any("file " in line for line in report.left)


def test_adapter_without_processes_has_nothing_to_stand() -> None:
    """In process there is nothing to kill but ourselves; the command says so in figures."""
    done = CliRunner().invoke(build(), ["check", "reference", "--faults"])
    assert done.exit_code == 0, done.output
    assert "0 faults" in done.output
