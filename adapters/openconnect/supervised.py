"""One program that runs under `exec/supervisor`: its output as lines, its end, and nothing left of it.

Other than `exec/process.Process`, which asks and is answered, this one only listens. Standard output and standard error
are one pipe, so that the order of what is said is kept.
"""

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from espproof.adapters import exec as exec_adapters
from espproof.adapters.base import AdapterError, Crashed
from espproof.adapters.exec.messages import printable

_SUPERVISOR = str(Path(exec_adapters.__file__).with_name("supervisor.py"))
_CHUNK = 1 << 18
_TAIL_LINES = 12
_END_SECONDS = 1.0
_KILL_SECONDS = 5.0


class Supervised:
    """A program that was started; `AdapterError` if it cannot be.

    `inherited` are descriptors that it gets, `noise` tells the lines that nobody wants to read when it fails.
    """

    output: int
    """What it writes; to be polled, non-blocking."""

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        inherited: Sequence[int],
        noise: Callable[[str], bool] = lambda line: not line,
    ) -> None:
        self._name = command[0]
        self._noise = noise
        lifeline, self._lifeline = os.pipe()
        self._status, status = os.pipe()
        self._said, self._half = b"", b""
        self._tail: list[str] = []
        try:
            self._supervisor = subprocess.Popen(
                [sys.executable, "-I", "-S", _SUPERVISOR, str(lifeline), str(status), *command],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=dict(environment),
                bufsize=0,
                pass_fds=(lifeline, status, *inherited),
                start_new_session=True,
            )
        except OSError as error:
            os.close(self._lifeline)
            os.close(self._status)
            raise AdapterError(f"cannot start {self._name}: {error.strerror}") from error
        finally:
            os.close(lifeline)
            os.close(status)
        assert self._supervisor.stdout is not None
        self.output = self._supervisor.stdout.fileno()
        os.set_blocking(self.output, False)

    def lines(self) -> list[str]:
        """The whole lines that were written since the last call, or the first of them; `Crashed` at the end."""
        try:
            octets = os.read(self.output, _CHUNK)
        except BlockingIOError:
            return []
        if not octets:
            raise self.end() or Crashed(self.with_tail(f"{self._name} closed its output, but still runs"))
        *whole, self._half = (self._half + octets).split(b"\n")
        if len(self._half) > _CHUNK:
            raise AdapterError(f"{self._name} writes a line without an end")
        lines = [line.decode(errors="replace") for line in whole]
        last = [line for line in lines[-4 * _TAIL_LINES :] if not self._noise(line)]
        self._tail = (self._tail + last)[-_TAIL_LINES:]
        return lines

    def end(self) -> Crashed | AdapterError | None:
        """How it ended, None if it has not. Waits a moment for the supervisor to say."""
        until = time.monotonic() + _END_SECONDS
        poll = select.poll()
        poll.register(self._status, select.POLLIN)
        while (left := until - time.monotonic()) > 0 and poll.poll(left * 1000):
            octets = os.read(self._status, 4096)
            self._said += octets
            ended = next((line for line in self._said.decode().splitlines() if line.startswith(_ENDS)), None)
            if ended is not None:
                return self._ended(*ended.split())
            if not octets:
                return AdapterError(self.with_tail(f"the supervisor of {self._name} died"))
        return None

    def _ended(self, what: str, number: str) -> Crashed | AdapterError:
        if what == "failed":
            return AdapterError(f"cannot start {self._name}: {os.strerror(int(number))}")
        if what == "signal":
            known = int(number) in set(signal.Signals)
            name = signal.Signals(int(number)).name if known else f"signal {number}"
            return Crashed(self.with_tail(f"{self._name} was killed by {name}"))
        return Crashed(self.with_tail(f"{self._name} ended with exit status {number}"))

    def with_tail(self, message: str) -> str:
        """The message, and the last lines that were written."""
        text = " ⏎ ".join(printable(line) for line in self._tail)
        return f"{message}; its log ends: {text}" if text else message

    def kill(self) -> None:
        """Let the supervisor kill it and all that it has started. Does not wait: call `gone` until it is true."""
        if self._lifeline >= 0:
            os.close(self._lifeline)
            self._lifeline = -1

    def gone(self, *, wait: bool) -> bool:
        """After `kill`: whether nothing is left. `wait` for it, a bounded time."""
        try:
            self._supervisor.wait(_KILL_SECONDS if wait else 0)
        except subprocess.TimeoutExpired:
            if not wait:
                return False
            self._supervisor.kill()
            self._supervisor.wait()
        if self._status >= 0:
            os.close(self._status)
            self._status = -1
            with suppress(OSError):
                assert self._supervisor.stdout is not None
                self._supervisor.stdout.close()
        return True


_ENDS = ("exit", "signal", "failed")
