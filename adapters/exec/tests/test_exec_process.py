"""A supervised process that answers one question with several lines, and inherits a file."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from espproof.adapters.base import AdapterError, Crashed, Hung
from espproof.adapters.exec.process import Process

ECHO = "import sys\nfor line in sys.stdin: print(line * 2, end='', flush=True)"


def python(program: str, *arguments: str) -> list[str]:
    return [sys.executable, "-c", program, *arguments]


def test_as_many_lines_as_asked_for() -> None:
    """Each without its LF, however they arrive; then the next question."""
    process = Process(python(ECHO))
    try:
        assert process.exchange(b"a\n\nc\n", 6, 30) == [b"a", b"a", b"", b"", b"c", b"c"]
        large = b"x" * 300_000 + b"\n"
        assert process.exchange(large * 3, 6, 30) == [large[:-1]] * 6
    finally:
        process.close()


@pytest.mark.parametrize(
    ("lines", "failure"), [(1, AdapterError), (3, Hung)], ids=["more than asked for", "fewer than asked for"]
)
def test_other_number_of_lines(lines: int, failure: type[Exception]) -> None:
    """One line too many is an error, one too few is silence."""
    process = Process(python("import sys\nsys.stdin.readline()\nprint('a\\nb', flush=True)\nsys.stdin.read()"))
    try:
        with pytest.raises(failure):
            process.exchange(b"?\n", lines, 0.5)
    finally:
        process.kill()


def test_end_between_the_lines() -> None:
    """A program that ends before the last line has crashed."""
    process = Process(python("input()\nprint('a')"))
    try:
        with pytest.raises(Crashed, match="exit status 0"):
            process.exchange(b"?\n", 2, 30)
    finally:
        process.kill()


def test_descriptor_is_inherited() -> None:
    """Under the same number, through the supervisor."""
    file = os.memfd_create("test")
    try:
        os.write(file, b"shared")
        process = Process(
            python("import sys\ninput()\nprint(open(f'/proc/self/fd/{sys.argv[1]}').read())", str(file)), [file]
        )
        try:
            assert process.ask(b"?\n", 30) == b"shared"
        finally:
            process.close()
    finally:
        os.close(file)


@pytest.mark.parametrize("end", [Process.close, Process.kill])
def test_scratch_folder_goes_with_the_program(end: Callable[[Process], None], tmp_path: Path) -> None:
    """Whatever the program has left in it, and without the program knowing the variable that names it."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    program = (
        "import os, sys\nopen(sys.argv[1] + '/left', 'w')\ninput()\n"
        "print('ESPPROOF_SUPERVISOR_SCRATCH' in os.environ, flush=True)"
    )
    process = Process(python(program + "\nsys.stdin.read()", str(folder)), scratch=folder)
    try:
        assert process.ask(b"?\n", 30) == b"False"
        assert (folder / "left").exists()
    finally:
        end(process)
    assert not folder.exists()
