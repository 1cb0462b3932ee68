"""`linux:host`: what it says where it cannot run, and the whole of it inside user-mode Linux."""

import ctypes
import os
import shlex
import subprocess
import sys
import tempfile
import textwrap
from importlib.util import find_spec
from pathlib import Path

import pytest

from espproof.adapters.base import AdapterError
from espproof.adapters.linux import rehearsal
from espproof.adapters.linux.adapter import LinuxAdapter
from espproof.adapters.registry import KNOWN, present

_UML = present(next(known for known in KNOWN if known.name == "linux"))
_needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
_needs_pyroute2 = pytest.mark.skipif(find_spec("pyroute2") is None, reason="needs pyroute2")
_PR_CAPBSET_DROP, _CAP_SYS_ADMIN = 24, 21


def _python(program: str, **options: object) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": ":".join(path for path in sys.path if path)}
    done: subprocess.CompletedProcess[str] = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        check=False, capture_output=True, encoding="utf-8", timeout=300, env=environment, **options,  # type: ignore[call-overload]
    )  # fmt: skip
    return done


@_needs_pyroute2
def test_who_may_not_make_namespaces_is_told_so() -> None:
    """Whatever else is missing: without rights nothing can be found out."""

    def without_rights() -> None:
        ctypes.CDLL(None).prctl(_PR_CAPBSET_DROP, _CAP_SYS_ADMIN, 0, 0, 0)

    program = """
        from espproof.adapters.base import AdapterError
        from espproof.adapters.linux.adapter import LinuxAdapter
        try:
            LinuxAdapter("host")
        except AdapterError as error:
            print(error)
    """
    assert "root's rights" in _python(program, preexec_fn=without_rights).stdout


@_needs_root
@_needs_pyroute2
def test_a_kernel_without_esp_is_told_what_is_missing() -> None:
    program = "from espproof.adapters.linux.inside import needs; print('; '.join(needs.lacking()))"
    lacking = _python(program).stdout.strip()
    if not lacking:
        pytest.skip("nothing is missing here that could be told")
    with pytest.raises(AdapterError, match="this host lacks") as caught:
        LinuxAdapter("host")
    assert lacking in str(caught.value)


def test_without_pyroute2_it_is_said_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("espproof.adapters.linux.kernel.host.find_spec", lambda name: None)
    with pytest.raises(AdapterError, match="pip install"):
        LinuxAdapter("host")


_VETH = "ip link add ve0 mtu 9000 type veth peer name ve1 mtu 9000"
_KILLED = """
import os, signal, subprocess, sys, time
from pathlib import Path

def gateways():
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\\0")
        except OSError:
            continue
        if any(word.endswith(b"inside/host_main.py") for word in words):
            found.append(path.parent.name)
    return found

program = "from espproof.adapters.linux.adapter import *; import time; a = LinuxAdapter('host'); print(1); time.sleep(999)"
one = subprocess.Popen([sys.executable, "-u", "-c", program], stdout=subprocess.PIPE)
one.stdout.readline()
before = gateways()
one.kill()
one.wait()
until = time.monotonic() + 30
while gateways() and time.monotonic() < until:
    time.sleep(0.05)
namespaces = {os.readlink(path) for path in Path("/proc").glob("[0-9]*/ns/net")}
print("killed", bool(before), gateways(), len(namespaces))
"""


@pytest.mark.slow
@pytest.mark.skipif(not _UML, reason="needs user-mode-linux and kmod")
@_needs_pyroute2
@pytest.mark.parametrize(("setup", "name"), [("", "linux:host"), (_VETH, "linux:host=ve0,ve1")], ids=["tun", "cards"])
def test_inside_user_mode_linux_it_is_a_correct_adapter(setup: str, name: str) -> None:
    """There this process is root of a kernel that has ESP."""
    status, said = rehearsal.run(["check", name], setup, seconds=600)
    assert status == 0, said
    assert "a correct adapter" in said


@pytest.mark.slow
@pytest.mark.skipif(not _UML, reason="needs user-mode-linux and kmod")
@_needs_pyroute2
def test_nothing_is_left_of_it_when_espproof_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a process nor, therefore, a network namespace; also where the temporary folder's name has a space."""
    folder = tmp_path / "a folder"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    program = folder / "program.py"
    program.write_text(_KILLED, encoding="utf-8")
    status, said = rehearsal.run(["--version"], shlex.join([sys.executable, str(program)]), seconds=600)
    assert status == 0, said
    assert "killed True [] 1" in said


@pytest.mark.slow
@pytest.mark.skipif(not _UML, reason="needs user-mode-linux and kmod")
def test_a_machine_that_does_not_end_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    status, said = rehearsal.run(["--version"], "echo it waits; sleep 60", seconds=8)
    assert (status, "no end after 8 s" in said) == (3, True)
    assert not [path for path in Path("/proc").glob("[0-9]*/cmdline") if os.fsencode(tmp_path) in _words(path)]
    assert list(tmp_path.iterdir()) == []


def _words(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
