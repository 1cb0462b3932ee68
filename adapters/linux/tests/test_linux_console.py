"""What a kernel says on its console: with a program in the kernel's place that speaks the protocol of the guest."""

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import espproof
from espproof.adapters.base import AdapterError, Crashed
from espproof.adapters.linux.machine import Machine, Processor

PROGRAM = """#!{python}
import socket, sys, time
sys.path.insert(0, {folder!r})
from espproof.adapters.linux import wire

(card,) = [word for word in sys.argv if word.startswith("vec0:")]
fd = int(card.partition("fd,fd=")[2].partition(",")[0])
host = socket.socket(fileno=fd)
put = lambda content: host.send(wire.HOST + wire.GUEST + wire.ETHERTYPE.to_bytes(2, "big") + content)
take = lambda: host.recv(1 << 16)[14:]
say = lambda text: print(text, flush=True)
say({greeting!r})
wire.send(wire.pack(["ready", "6.0", ""]), put, take)
while True:
    (operation,), _ = wire.unpack(wire.receive(put, take))
    if operation[0] == "before":
        say(operation[1])
    wire.send(wire.pack([["done"]]), put, take)
    if operation[0] == "behind":
        time.sleep(0.2)
        say(operation[1])
"""
REPORTS = (
    "=====================================\nBUG: KASAN: slab-out-of-bounds in esp_input+0x1/0x2",
    "UBSAN: array-index-out-of-bounds in net/xfrm/xfrm_replay.c:1:2",
    "------------[ cut here ]------------\n[    1.000000] WARNING: CPU: 0 PID: 1 at net/xfrm/xfrm_state.c:1 xfrm_x+0x1",
    "[    1.000000] kernel BUG at net/core/skbuff.c:200!",
)

Make = Callable[[str], Machine]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    processor = Processor()
    machines: list[Machine] = []

    def one(greeting: str = "it starts") -> Machine:
        program = tmp_path / "kernel"
        folder = str(Path(espproof.__file__).parents[1])
        program.write_text(PROGRAM.format(python=sys.executable, folder=folder, greeting=greeting))
        program.chmod(0o700)
        machines.append(Machine(str(program), processor, 20))
        return machines[-1]

    yield one
    for machine in machines:
        machine.close()
    processor.release()


@pytest.mark.parametrize("report", REPORTS, ids=["kasan", "ubsan", "warning", "bug"])
def test_a_report_is_a_crash_that_quotes_its_first_lines(make: Make, report: str) -> None:
    """Though the kernel goes on and answers."""
    machine = make("it starts")
    assert machine.ask([["before", "eth0: link up"]], [], 10) == ([["done"]], [])
    with pytest.raises(Crashed) as raised:
        machine.ask([["before", f"{report}\nCall Trace:\n xfrm_input+0x1/0x2"]], [], 10)
    told = str(raised.value)
    assert told.startswith("the kernel reports: ")
    assert report.splitlines()[-1] in told
    assert "Call Trace" in told
    assert "link up" not in told


def test_a_report_behind_an_answer_comes_with_the_next_one(make: Make) -> None:
    """It is not lost, as far as anything is asked at all."""
    machine = make("it starts")
    machine.ask([["behind", REPORTS[1]]], [], 10)
    time.sleep(0.5)
    with pytest.raises(Crashed, match="UBSAN"):
        machine.ask([["before", "nothing"]], [], 10)


def test_a_flood_behind_a_report_is_cut_off(make: Make) -> None:
    """The beginning is what counts, and there is an end to it."""
    machine = make("it starts")
    with pytest.raises(Crashed, match="KASAN: slab") as raised:
        machine.ask([["before", REPORTS[0] + "\n+" * 20000]], [], 10)
    assert len(str(raised.value)) < 1200


def test_a_report_behind_a_flood_is_found(make: Make) -> None:
    """However much else the console says in the same case."""
    machine = make("it starts")
    with pytest.raises(Crashed, match="reports: BUG: KASAN: slab"):
        machine.ask([["before", "+\n" * 20000 + REPORTS[0]]], [], 10)


def test_a_report_at_the_start_is_no_start(make: Make) -> None:
    """KASAN reports once: what comes later would go unheard."""
    with pytest.raises(AdapterError, match="did not start: the kernel reports: BUG: KASAN"):
        make(REPORTS[0])
