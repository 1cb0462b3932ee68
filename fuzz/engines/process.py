"""Child processes that may hang, babble, die or be interrupted: started, watched, and never left behind.

A child is the leader of a process group of its own, so that Ctrl-C in a terminal reaches the parent alone, which passes
it on; and its standard input is a pipe from the parent, so that it ends when the parent is killed.
"""

import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

GRACE = 10
"""Seconds that a child is given to end by itself."""
MAX_LOG = 8 << 20
"""Octets of a child's output that are kept."""
MAX_LINE = 4096


def watch(
    module: str, argument: str, *, seconds: float, log: IO[bytes], line: Callable[[str], object]
) -> tuple[int, bool]:
    """Run `python -m module argument` and hand over its output line by line.

    Returns its exit status (negative: a signal) and whether it was interrupted. It is interrupted on Ctrl-C, and killed
    when it takes longer than `seconds` and `GRACE`. Nothing of its process group is alive afterwards.
    """
    child = subprocess.Popen(
        [sys.executable, "-m", module, argument],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        env={**os.environ, "PYTHONHASHSEED": "0"},
    )
    interrupted = False
    try:
        lines = _Lines(child, log, line)
        try:
            lines.follow(time.monotonic() + seconds + GRACE)
        except KeyboardInterrupt:
            interrupted = True
            child.send_signal(signal.SIGINT)
            lines.follow(time.monotonic() + GRACE)
        return _status(child), interrupted
    finally:
        end(child)


def ask(module: str, order: bytes, *, seconds: float) -> bytes | None:
    """Run `python -m module` with an order on its standard input; its answer, or None if it failed or took too long."""
    child = subprocess.Popen(
        [sys.executable, "-m", module],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        answer, _ = child.communicate(order, timeout=seconds)
    except (subprocess.TimeoutExpired, BrokenPipeError):
        return None
    finally:
        end(child)
    return answer if child.returncode == 0 else None


def end(child: "subprocess.Popen[bytes]") -> None:
    """Kill whatever is left of a child's process group, and collect it."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    for stream in (child.stdin, child.stdout):
        if stream is not None:
            with suppress(OSError):
                stream.close()
    child.wait()


def _status(child: "subprocess.Popen[bytes]") -> int:
    try:
        return child.wait(timeout=1)
    except subprocess.TimeoutExpired:
        return -signal.SIGKILL


class _Lines:
    """A child's output: a bounded log, and its lines."""

    def __init__(self, child: "subprocess.Popen[bytes]", log: IO[bytes], line: Callable[[str], object]) -> None:
        assert child.stdout is not None
        self._out = child.stdout
        self._log = log
        self._line = line
        self._rest = b""
        self._room = MAX_LOG

    def follow(self, deadline: float) -> None:
        """Until the child closes its output, or the time has come."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._out, selectors.EVENT_READ)
            while (left := deadline - time.monotonic()) > 0:
                if selector.select(min(left, 1.0)):
                    octets = os.read(self._out.fileno(), 1 << 16)
                    if not octets:
                        break
                    self._take(octets)
        self._log.flush()

    def _take(self, octets: bytes) -> None:
        self._log.write(octets[: self._room])
        self._room -= min(len(octets), self._room)
        *lines, rest = (self._rest + octets).split(b"\n")
        self._rest = rest[-MAX_LINE:]
        for one in lines:
            self._line(one[:MAX_LINE].decode(errors="replace"))


def tail(log: Path, lines: int = 4) -> Sequence[str]:
    """The last lines of a log that say something."""
    text = log.read_bytes()[-20_000:].decode(errors="replace")
    return [one.strip() for one in text.splitlines() if one.strip()][-lines:]
