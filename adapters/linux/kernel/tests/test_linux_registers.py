"""How a kernel is started where the processor has more registers than it has room for."""

import shutil
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from espproof.adapters.base import AdapterError
from espproof.adapters.linux.kernel import registers

needs_compiler = pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")

TRACER = """
import ctypes, os, sys
PTRACE_TRACEME, PTRACE_PEEKUSER, PTRACE_CONT, PTRACE_GETREGSET, PTRACE_SETREGSET = 0, 3, 7, 0x4204, 0x4205
NT_X86_XSTATE, SIGSTOP = 0x202, 19
LESS = int(sys.argv[1])
ptrace = ctypes.CDLL(None, use_errno=True).ptrace
ptrace.restype, ptrace.argtypes = ctypes.c_long, (ctypes.c_int, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
child = os.fork()
if not child:
    ptrace(PTRACE_TRACEME, 0, None, None)
    os.kill(os.getpid(), SIGSTOP)
    os._exit(7)
os.waitpid(child, 0)


class Part(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


def registers(request, octets):
    room = ctypes.create_string_buffer(octets, len(octets))
    part = Part(ctypes.addressof(room), len(octets))
    result = ptrace(request, child, NT_X86_XSTATE, ctypes.addressof(part))
    return result, ctypes.get_errno() if result else 0, room.raw[: part.length]


_, _, before = registers(PTRACE_GETREGSET, bytes(1 << 16))
room = len(before) - LESS
changed = bytearray(before[:room])
changed[160:176] = bytes(range(16))  # XMM0
changed[512] |= 2  # which is in use
result, error, _ = registers(PTRACE_SETREGSET, bytes(changed))
again, _, _ = registers(PTRACE_SETREGSET, bytes(changed))
_, _, after = registers(PTRACE_GETREGSET, bytes(1 << 16))
word = ptrace(PTRACE_PEEKUSER, child, 1 << 20, None)  # where there is none
ptrace(PTRACE_CONT, child, None, None)
print(result, again, error, after[160:176].hex(), after[room:] == before[room:], word, os.waitpid(child, 0)[1] >> 8)
"""
SET = f"0 0 0 {bytes(range(16)).hex()} True -1 7"


def traced(command: list[str], less: int) -> str:
    """What a program that is started so finds out when it sets all registers of another but for so many octets."""
    words = [*command, sys.executable, "-c", TRACER, str(less)]
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip()


@needs_compiler
def test_a_part_is_set_and_the_rest_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the library the host's kernel takes all or nothing."""
    monkeypatch.setattr(registers, "are_too_many", lambda: True)
    *command, kernel = registers.started("kernel")
    assert kernel == "kernel"
    assert traced([], 0) == SET
    assert traced([], 8).startswith("-1 -1 14 ")
    assert traced(command, 8) == SET
    assert traced(command, 0) == SET


def test_a_kernel_that_has_room_is_started_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registers, "are_too_many", lambda: False)
    assert registers.started("kernel") == ["kernel"]


@needs_compiler
def test_a_library_whose_path_cannot_be_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(registers, "are_too_many", lambda: True)
    monkeypatch.setenv("ESPPROOF_CACHE", str(tmp_path / "a cache"))
    with pytest.raises(AdapterError, match="no place for the path"):
        registers.started("kernel")


@pytest.mark.parametrize(("octets", "many"), [(3632, False), (11952, True)])
def test_the_frame_of_a_signal_tells(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, octets: int, many: bool) -> None:
    """Seen on processors with AVX-512, and with AMX too."""
    vector = tmp_path / "auxv"
    vector.write_bytes(struct.pack("@LLLLLL", 6, 4096, 51, octets, 0, 0))
    monkeypatch.setattr(registers, "_VECTOR", vector)
    assert registers.are_too_many() == many
