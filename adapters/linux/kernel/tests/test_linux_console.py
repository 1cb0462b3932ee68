"""What a kernel says on its console: with a program in the kernel's place that speaks the protocol of the guest."""

import time
from collections.abc import Callable

import pytest

from espproof.adapters.base import AdapterError, Crashed
from espproof.adapters.linux.kernel.guest import Guest

KERNEL = """
channel.send(channel.pack(["ready", "6.0", 65535]), put, take)
while True:
    (operation,), _ = channel.unpack(channel.receive(put, take))
    if operation[0] == "before":
        say(operation[1])
    channel.send(channel.pack([["done"]]), put, take)
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

Start = Callable[[str], Guest]


@pytest.mark.parametrize("report", REPORTS, ids=["kasan", "ubsan", "warning", "bug"])
def test_a_report_is_a_crash_that_quotes_its_first_lines(start: Start, report: str) -> None:
    """Though the kernel goes on and answers."""
    guest = start(KERNEL)
    assert guest.ask([["before", "eth0: link up"]], [], 10) == ([["done"]], [])
    with pytest.raises(Crashed) as raised:
        guest.ask([["before", f"{report}\nCall Trace:\n xfrm_input+0x1/0x2"]], [], 10)
    told = str(raised.value)
    assert told.startswith("the kernel reports: ")
    assert report.splitlines()[-1] in told
    assert "Call Trace" in told
    assert "link up" not in told


def test_a_report_behind_an_answer_comes_with_the_next_one(start: Start) -> None:
    """It is not lost, as far as anything is asked at all."""
    guest = start(KERNEL)
    guest.ask([["behind", REPORTS[1]]], [], 10)
    time.sleep(0.5)
    with pytest.raises(Crashed, match="UBSAN"):
        guest.ask([["before", "nothing"]], [], 10)


def test_a_flood_behind_a_report_is_cut_off(start: Start) -> None:
    """The beginning is what counts, and there is an end to it."""
    guest = start(KERNEL)
    with pytest.raises(Crashed, match="KASAN: slab") as raised:
        guest.ask([["before", REPORTS[0] + "\n+" * 20000]], [], 10)
    assert len(str(raised.value)) < 1200


def test_a_report_behind_a_flood_is_found(start: Start) -> None:
    """However much else the console says in the same case."""
    guest = start(KERNEL)
    with pytest.raises(Crashed, match="reports: BUG: KASAN: slab"):
        guest.ask([["before", "+\n" * 20000 + REPORTS[0]]], [], 10)


def test_a_report_at_the_start_is_no_start(start: Start) -> None:
    """KASAN reports once: what comes later would go unheard."""
    with pytest.raises(AdapterError, match="did not start: the kernel reports: BUG: KASAN"):
        start(f"say({REPORTS[0]!r})" + KERNEL)
