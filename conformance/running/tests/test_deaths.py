"""Which crashes are the same one: by the place that last words name, or by what was asked."""

import pytest

from espproof.adapters.base import AT_RESET, AT_SETUP, AdapterError, AdapterFailure, Crashed, Hung
from espproof.adapters.case import AdvanceTime, Case
from espproof.conformance.running.deaths import place, requirement_of

ASAN = (
    "p was killed by SIGABRT; standard error tells: ==7==ERROR: AddressSanitizer: heap-buffer-overflow on address 0x60 ⏎ "
    "WRITE of size 64 at 0x60 thread T0 ⏎ #0 0x7f in __asan_memcpy (/usr/lib/libasan.so.8+0x1) ⏎ "
    "#1 0x55 in open_packet /home/me/esp.c:42:7 ⏎ #2 0x55 in main /home/me/main.c:3"
)
CASE = Case(version=1, steps=(AdvanceTime(seconds=1, requirement="RFC4303-1-a"), AdvanceTime(seconds=2)))


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (ASAN, "open_packet"),
        ("x ⏎ SUMMARY: AddressSanitizer: SEGV /home/me/esp.c:42:7 in strip_padding ⏎ ", "strip_padding"),
        ("x tells: src/esp.c:10:5: runtime error: shift exponent 64 is too large", "esp.c-10"),
        ("x tells: prog: esp.c:42: window_check: Assertion `w > 0' failed.", "esp.c-42-window_check"),
        ("x tells: thread 'main' panicked at src/esp.rs:10:5: ⏎ index out of bounds", "esp.rs-10"),
        ("x tells: thread 'main' panicked at 'boom', src/esp.rs:10:5", "esp.rs-10"),
        ("x tells: panic: boom ⏎ goroutine 1 [running]: ⏎ main.open(0x1, 0x2) ⏎ /main.go:7 +0x1d", "main.open"),
        ('x ends: File "a.py", line 1, in main ⏎ f() ⏎ File "b.py", line 2, in f ⏎ KeyError: 1', "f"),
        ("the kernel reports: BUG: KASAN: slab-out-of-bounds in esp_input_done2+0x1/0x2 ⏎ Write", "esp_input_done2"),
        ("the kernel reports: UBSAN: array-index-out-of-bounds in net/xfrm/xfrm_replay.c:1:2", "xfrm_replay.c-1"),
        ("the kernel reports: WARNING: CPU: 0 PID: 1 at net/xfrm/xfrm_state.c:1 xfrm_x+0x1/0x2", "xfrm_x"),
        ("the kernel reports: kernel BUG at net/core/skbuff.c:200!", "skbuff.c-200"),
        ("Oops: 0000 ⏎ RIP: 0010:xfrm_y+0x1/0x2", "xfrm_y"),
        ("p was killed by SIGSEGV; standard error ends: packet of 42 octets at esp.c:7", ""),
        ("IndexError: list index out of range", ""),
    ],
)
def test_the_place(words: str, named: str) -> None:
    """The function or line that is to blame, and not the one of a library that it called; nothing where none is named."""
    assert place(words) == named


def at(failure: AdapterFailure, step: int | None) -> AdapterFailure:
    failure.step = step
    return failure


@pytest.mark.parametrize(
    ("failure", "requirement"),
    [
        (at(Crashed(ASAN), 0), "espproof-crash-open_packet"),
        (at(Crashed("SIGSEGV"), 0), "espproof-crash-RFC4303-1-a"),
        (at(Crashed("SIGSEGV"), 1), "espproof-crash-advance_time"),
        (at(Crashed("SIGSEGV"), AT_SETUP), "espproof-crash-setup"),
        (at(Hung("10 s"), AT_RESET), "espproof-hang-reset"),
        (at(Hung("10 s"), 0), "espproof-hang-RFC4303-1-a"),
        (at(Hung("10 s"), None), "espproof-hang"),
        (at(AdapterError("nonsense"), 0), "espproof-adapter-error"),
    ],
)
def test_the_requirement(failure: AdapterFailure, requirement: str) -> None:
    """By place where one is told, else by what the step was about; an error of the adapter is one of its own."""
    assert requirement_of(failure, CASE) == requirement
