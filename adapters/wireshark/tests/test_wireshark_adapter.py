"""The adapter with sharkd itself: capabilities, SAs, and every way in which it can fail."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest

from espproof.adapters import registry
from espproof.adapters.base import AdapterError, AdapterFailure, Crashed, Hung
from espproof.adapters.case import (
    Burst,
    Case,
    Delivered,
    Done,
    Dropped,
    Inbound,
    InboundBurst,
    Octets,
    Outbound,
    ReadState,
    Refused,
    Sa,
    Sent,
    Unsupported,
)
from espproof.adapters.models.reference import ReferenceAdapter
from espproof.adapters.wireshark import sharkd, table
from espproof.adapters.wireshark.adapter import WiresharkAdapter

KNOWN = next(known for known in registry.KNOWN if known.name == "wireshark")
pytestmark = pytest.mark.skipif(not registry.present(KNOWN), reason=f"{KNOWN.name} is not here; {KNOWN.install}")

INNER = Octets(bytes.fromhex("4500002c0007000040fd5ec10a0102030a040506").ljust(44, b"\x5a"))
SA = Sa(
    name="in",
    direction="in",
    spi=0x1002,
    mode="tunnel",
    source="192.0.2.1",
    destination="192.0.2.2",
    encr="ENCR_AES_GCM_16",
    encr_key=Octets(bytes(range(16))),
    salt=Octets(b"salt"),
    replay_window=0,
)


def protected(sa: Sa = SA) -> Octets:
    sender = ReferenceAdapter()
    assert sender.add_sa(msgspec.structs.replace(sa, direction="out")) == Done()
    sent = sender.outbound(Outbound(sa=sa.name, packet=INNER))
    assert isinstance(sent, Sent)
    return sent.packet


def case(*steps: Inbound | InboundBurst | ReadState, sas: tuple[Sa, ...] = (SA,)) -> Case:
    return Case(id="test", version=1, sas=sas, steps=steps)


GOOD = protected() if registry.present(KNOWN) else Octets()
FORGED = Octets(GOOD[:-1] + b"\x00")
OPENED = Delivered(packet=INNER)


@pytest.fixture(scope="module")
def adapter() -> Iterator[WiresharkAdapter]:
    with WiresharkAdapter() as adapter:
        yield adapter


def processes_below(pid: int) -> dict[int, str]:
    """Every process that descends from this one, by id, with its name."""
    parents: dict[int, tuple[int, str]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                name, _, rest = (entry / "stat").read_text(encoding="utf-8").partition("(")[2].rpartition(")")
                parents[int(entry.name)] = (int(rest.split()[1]), name)
    found: dict[int, str] = {}
    grown = True
    while grown:
        new = {child: name for child, (parent, name) in parents.items()
               if (parent == pid or parent in found) and child not in found}  # fmt: skip
        found |= new
        grown = bool(new)
    return found


def sharkds(adapter: WiresharkAdapter) -> list[int]:
    """sharkd and its session, in the order in which they were started."""
    assert adapter._sharkd._process is not None
    below = processes_below(adapter._sharkd._process._program.pid)
    return sorted(pid for pid, name in below.items() if name == "sharkd")


# ----------------------------------------------------------------------------------------------- capabilities and SAs


def test_capabilities_are_probed(adapter: WiresharkAdapter) -> None:
    """Every version has these; no version has CCM."""
    declared = adapter.capabilities()
    assert {"ENCR_AES_GCM_16", "ENCR_AES_CBC", "ENCR_NULL"} <= set(declared.encryption)
    assert "ENCR_AES_CCM_16" not in declared.encryption
    assert "AUTH_HMAC_SHA2_256_128" in declared.integrity


def test_algorithm_that_the_table_does_not_know(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not declared: sharkd refuses the line, or takes it for another cipher."""
    monkeypatch.setitem(table.ENCRYPTION_NAMES, "ENCR_AES_GCM_16", "AES-GCM [RFC 0]")
    with WiresharkAdapter() as adapter:
        assert "ENCR_AES_GCM_16" not in adapter.capabilities().encryption
        assert "ENCR_AES_GCM_12" in adapter.capabilities().encryption


def test_table_of_another_form(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing at all is opened, the message says so."""
    monkeypatch.setattr(table, "line", lambda sa: f'"{sa.name}"')
    with WiresharkAdapter() as adapter, pytest.raises(AdapterError, match=r"esp_sa.* not as expected"):
        adapter.capabilities()


def test_sa_that_an_endpoint_refuses(adapter: WiresharkAdapter) -> None:
    """Wireshark's table would take it: unsupported. A name in use is the adapter's own affair."""
    adapter.reset()
    assert adapter.add_sa(SA) == Done()
    assert isinstance(adapter.add_sa(SA), Refused)
    for fields in ({"spi": 0}, {"salt": Octets(b"")}, {}, {"mode": "transport"}, {"esn": True}):
        assert isinstance(adapter.add_sa(msgspec.structs.replace(SA, name="other", **fields)), Unsupported), fields


def test_sas_are_those_of_the_case(adapter: WiresharkAdapter) -> None:
    """The same SPI has other keys in the next case."""
    other = msgspec.structs.replace(SA, encr_key=Octets(bytes(range(100, 116))))
    step = Inbound(packet=GOOD)
    assert adapter.execute(case(step)).steps == (OPENED,)
    assert adapter.execute(case(step, sas=(other,))).steps == (Dropped(reason="integrity"),)
    assert isinstance(adapter.execute(case(step, sas=())).steps[0], Unsupported)


def test_each_step_has_its_outcome(adapter: WiresharkAdapter) -> None:
    """Bursts and single packets share a capture; a burst with a packet that has no verdict has none."""
    steps = (
        Inbound(packet=GOOD),
        InboundBurst(packets=(FORGED, GOOD)),
        InboundBurst(packets=()),
        ReadState(sa="in"),
        InboundBurst(packets=(GOOD, Octets(GOOD[:30]))),
        Inbound(packet=FORGED),
    )
    dropped = Dropped(reason="integrity")
    transcript = adapter.execute(case(*steps))
    assert transcript.setup == (Done(),)
    first, burst, empty, state, without, last = transcript.steps
    assert (first, burst, empty, last) == (OPENED, Burst(results=(dropped, OPENED)), Burst(results=()), dropped)
    assert isinstance(state, Unsupported)
    assert isinstance(without, Unsupported)


# ------------------------------------------------------------------------------------------------------------- faults


def test_session_that_dies(adapter: WiresharkAdapter) -> None:
    """A crash; the next case has a fresh one."""
    assert adapter.execute(case(Inbound(packet=GOOD))).steps == (OPENED,)
    pids = sharkds(adapter)
    assert len(pids) == 2
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    with pytest.raises(Crashed):
        adapter.execute(case(Inbound(packet=GOOD)))
    assert adapter.execute(case(Inbound(packet=GOOD))).steps == (OPENED,)


def test_session_that_stops(adapter: WiresharkAdapter, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hang; nothing of it is left, and the next case has a fresh one."""
    adapter.execute(case(Inbound(packet=GOOD)))
    pids = sharkds(adapter)
    os.kill(pids[0], signal.SIGSTOP)
    monkeypatch.setattr(sharkd, "ANSWER_SECONDS", 0.3)
    with pytest.raises(Hung):
        adapter.execute(case(Inbound(packet=GOOD)))
    monkeypatch.undo()
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)
    assert adapter.execute(case(Inbound(packet=GOOD))).steps == (OPENED,)


READY = "import sys\nsys.stdin.readline()\nprint('{\"id\":0}', flush=True)\nsys.stdin.readline()\n"
"""A program that starts rightly and hears the first octets of a question."""
WAIT = "sys.stdin.read()\n"
PATIENT, IMPATIENT = 60.0, 1.5
"""Time limits in seconds: of faults that are seen at once, and of those that are not."""


@pytest.mark.parametrize(
    ("program", "failure", "said"),
    [
        ("", AdapterError, "does not start"),
        ("import sys\nsys.exit(3)\n", AdapterError, "does not start.*exit status 3"),
        (READY, Crashed, "exit status 0"),
        (READY + "print('noise\\n' * 9, flush=True)\n" + WAIT, AdapterError, "answered more than once|noise"),
        (READY + "print('{}\\n{}\\n{}', flush=True)\n" + WAIT, AdapterError, "id"),
        (READY + "while True: sys.stdout.write('x' * 65536)\n", AdapterError, "more than 64 MiB"),
        (READY + "while True: sys.stderr.write('x' * 65536)\n", Hung, "xxx"),
        (READY + WAIT, Hung, "no answer"),
    ],
    ids=["ends", "exits", "ends-later", "noise", "not-an-answer", "flood", "flood-of-errors", "silence"],
)
def test_child_that_is_no_sharkd(
    program: str, failure: type[AdapterFailure], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever it does is a failure in time, and it is gone."""
    path = tmp_path / "program.py"
    path.write_text(program, encoding="utf-8")
    monkeypatch.setattr(sharkd, "_SESSIONS", str(path))
    monkeypatch.setattr(sharkd, "ANSWER_SECONDS", IMPATIENT if failure is Hung else PATIENT)
    before = set(processes_below(os.getpid()))
    judge = sharkd.Sharkd()
    try:
        with pytest.raises(failure, match=said):
            judge.open_capture([("uat", "esp_sa:")], [GOOD])
        assert set(processes_below(os.getpid())) <= before
    finally:
        judge.close()


# ----------------------------------------------------------------------------------------------------- nothing is left

USER = """
import os, signal, sys
from espproof.adapters.case import Octets
from espproof.adapters.wireshark.adapter import WiresharkAdapter
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored, if the tests are a background job
adapter = WiresharkAdapter()
adapter.inbound(Octets(b"E"))
print(adapter._sharkd._process._program.pid, flush=True)
sys.stdin.read()
adapter.close()
"""


def _end(process: "subprocess.Popen[str]") -> None:
    assert process.stdin is not None
    process.stdin.close()


@pytest.mark.parametrize(
    "end", [_end, lambda process: process.send_signal(signal.SIGINT), lambda process: process.kill()],
    ids=["close", "ctrl-c", "kill-9"],
)  # fmt: skip
def test_nothing_is_left(end: Callable[["subprocess.Popen[str]"], None], tmp_path: Path) -> None:
    """No process and no folder, however espproof ends."""
    environment = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        [sys.executable, "-c", USER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        encoding="utf-8", env=environment,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        supervisor = int(process.stdout.readline())
        below = [supervisor, *processes_below(supervisor)]
        assert len(below) >= 3
        assert list(tmp_path.iterdir()) == []
        end(process)
        process.wait(20)
    until = time.monotonic() + 30
    while any(Path(f"/proc/{pid}").exists() for pid in below) and time.monotonic() < until:
        time.sleep(0.02)
    assert [pid for pid in below if Path(f"/proc/{pid}").exists()] == []
    assert list(tmp_path.iterdir()) == []
