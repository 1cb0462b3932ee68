"""`linux:host`: what it says where it cannot run, cards on this machine, and the whole of it inside user-mode Linux."""

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
    program = "from espproof.adapters.linux import requirements; print('; '.join(requirements.lacking()))"
    lacking = _python(program).stdout.strip()
    if not lacking:
        pytest.skip("this host's kernel has everything")
    with pytest.raises(AdapterError, match="this host lacks") as caught:
        LinuxAdapter("host")
    assert lacking in str(caught.value)


def test_without_pyroute2_it_is_said_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("espproof.adapters.linux.onhost.find_spec", lambda name: None)
    with pytest.raises(AdapterError, match="pip install"):
        LinuxAdapter("host")


_CARDS = """
    import socket, subprocess
    from espproof.adapters.linux import rtnetlink
    from espproof.adapters.linux.link import Card, fresh_namespace, _ask, _route_socket

    def asked(message):
        with _route_socket() as route:
            _ask(route, message)

    def packet_socket(name):
        one = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        one.bind((name, 3))
        one.settimeout(2)
        return one

    def frames(one, start):
        while True:
            frame = one.recv(65536)
            if frame[:6] == start:
                return frame

    fresh_namespace()
    made = subprocess.run(["ip", "link", "add", "ve0", "type", "veth", "peer", "name", "ve1"])
    if made.returncode:
        raise SystemExit("no veth")
    subprocess.run(["ip", "link", "set", "ve1", "up"], check=True)
    neighbour, short = bytes.fromhex("02000000000a"), bytes.fromhex("4500001c0000000040ff0000c0000201c0000202") + bytes(8)
"""


@_needs_root
def test_packets_go_through_a_card_and_come_back_from_the_end_of_its_cable() -> None:
    """Padding of a short Ethernet frame is no part of the packet; afterwards both cards are where they were."""
    done = _python(
        _CARDS
        + """
    card = Card("ve0", "ve1")
    fresh_namespace()
    card.enter()
    card.up(asked)
    inside = packet_socket("ve0")
    assert card.write(short) and frames(inside, card._address)[14:] == short
    assert not card.write(b"\\x00" * 40)
    inside.send(neighbour + bytes(6) + b"\\x08\\x00" + short + bytes(18))
    inside.send(neighbour + bytes(6) + b"\\x88\\xcc" + bytes(60))
    assert [card.read(), card.read()] == [short, None]
    card.leave(asked)
    card.close()
    import ctypes
    ctypes.CDLL(None).setns(card._home, 0)
    assert {"ve0", "ve1"} <= {name for _, name in socket.if_nameindex()}
    print("right")
    """
    )
    if "no veth" in done.stderr:
        pytest.skip("this kernel has no veth")
    assert done.stdout == "right\n", done.stderr


@_needs_root
def test_a_card_in_loopback_mode_is_its_own_peer() -> None:
    """The other end of the cable sends back what it gets."""
    done = _python(
        _CARDS
        + """
    mirror = packet_socket("ve1")
    card = Card("ve0", None)
    fresh_namespace()
    card.enter()
    card.up(asked)
    inside = packet_socket("ve0")
    assert card.write(short)
    mirror.send(frames(mirror, card._address))
    got = [frames(inside, card._address) for _ in range(2)]  # as it is sent, and as it comes back
    assert all(frame[14:] == short for frame in got)
    inside.send(neighbour + bytes(6) + b"\\x08\\x00" + short + bytes(18))
    assert card.read() is None
    mirror.send(frames(mirror, neighbour))
    assert card.read() == short
    print("right")
    """
    )
    if "no veth" in done.stderr:
        pytest.skip("this kernel has no veth")
    assert done.stdout == "right\n", done.stderr


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
        if any(word.endswith(b"linux/host.py") for word in words):
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
