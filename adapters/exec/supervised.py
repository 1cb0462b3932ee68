"""A command that runs under `supervisor`: its streams, how it ended, and nothing left of it.

What is said on the streams is not looked at here. `process` asks and is answered; others only listen.
"""

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast, get_args

from espproof.adapters.base import AdapterError

_SUPERVISOR = str(Path(__file__).with_name("supervisor.py"))
_SCRATCH = "ESPPROOF_SUPERVISOR_SCRATCH"
"""Tells the supervisor of a folder to remove; the command does not see it."""
_KILL_SECONDS = 5.0
"""For the supervisor to clean up."""

Ending = Literal["exit", "signal", "failed", "lost"]
"""With a status; by a signal; it could not be started (errno); the supervisor is dead and does not say."""


@dataclass(frozen=True, slots=True)
class End:
    """How a command ended, with the number that goes with it (0 for `lost`)."""

    how: Ending
    number: int

    @property
    def is_crash(self) -> bool:
        """Whether it is a verdict about the command, and not about who started it."""
        return self.how in ("exit", "signal")

    def sentence(self, name: str) -> str:
        if self.how == "exit":
            return f"{name} ended with exit status {self.number}"
        if self.how == "signal":
            known = self.number in set(signal.Signals)
            return f"{name} was killed by {signal.Signals(self.number).name if known else f'signal {self.number}'}"
        if self.how == "failed":
            return f"cannot start {name}: {os.strerror(self.number)}"
        return f"the supervisor of {name} died"


class Supervised:
    """A command that was started; `AdapterError` if it cannot be.

    `stdin`, `stdout` and `stderr` are those of `subprocess.Popen`; `descriptors` are inherited under the same numbers,
    and the folder `scratch` is removed at the end. All of it may be called at any time and more than once, but for what
    needs a stream or `status` after `gone`.
    """

    status: int
    """Readable when the command may have ended, stopped or gone on; to be polled, not to be read."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        stdin: int,
        stdout: int,
        stderr: int,
        environment: Mapping[str, str] = os.environ,
        descriptors: Sequence[int] = (),
        scratch: Path | None = None,
    ) -> None:
        lifeline, self._lifeline = os.pipe()
        self.status, status = os.pipe()
        self._half = b""
        self._end: End | None = None
        self._stopped = False
        try:
            self._supervisor = subprocess.Popen(
                [sys.executable, "-I", "-S", _SUPERVISOR, str(lifeline), str(status), *command],
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                bufsize=0,
                pass_fds=(lifeline, status, *descriptors),
                env={**environment, **({_SCRATCH: str(scratch)} if scratch else {})},
                start_new_session=True,
            )
        except OSError as error:
            os.close(self._lifeline)
            os.close(self.status)
            raise AdapterError(f"cannot start {command[0]}: {error.strerror}") from error
        finally:
            os.close(lifeline)
            os.close(status)
        for descriptor in (self.status, *self.streams()):
            os.set_blocking(descriptor, False)

    @property
    def pid(self) -> int:
        """Of the supervisor, whose only child the command is."""
        return self._supervisor.pid

    @property
    def is_gone(self) -> bool:
        return self._supervisor.returncode is not None

    def streams(self) -> list[int]:
        """Our ends of those streams that are pipes, in the order of their numbers. They do not block."""
        ends = (self._supervisor.stdin, self._supervisor.stdout, self._supervisor.stderr)
        return [stream.fileno() for stream in ends if stream is not None]

    def end(self, seconds: float = 0.0) -> End | None:
        """How it ended, None if it has not within so many seconds."""
        until = time.monotonic() + seconds
        poll = select.poll()
        poll.register(self.status, select.POLLIN)
        while True:
            self._listen()
            left = until - time.monotonic()
            if self._end is not None or left <= 0 or not poll.poll(left * 1000):
                return self._end

    def is_stopped(self) -> bool:
        """By a signal, so that it could go on."""
        self._listen()
        return self._stopped

    def _listen(self) -> None:
        """Take in what the supervisor says. The first word on the end is the one that counts."""
        with suppress(BlockingIOError):
            octets = os.read(self.status, 4096)
            *lines, self._half = (self._half + octets).split(b"\n")
            for line in lines:
                how, _, number = line.decode().partition(" ")
                self._stopped = how == "stopped"
                if self._end is None and how in get_args(Ending):
                    self._end = End(cast(Ending, how), int(number))
            if not octets:
                self._end = self._end or End("lost", 0)

    def send_signal(self, number: signal.Signals) -> None:
        """To the command, and to what it has orphaned; nothing happens if there is none."""
        self._listen()  # each stop is told, and the supervisor must not find its pipe full
        with suppress(OSError):
            for child in Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text(encoding="utf-8").split():
                os.kill(int(child), number)

    def end_input(self) -> None:
        """Close its standard input."""
        if self._supervisor.stdin is not None:
            with suppress(OSError):
                self._supervisor.stdin.close()

    def terminate(self) -> None:
        """SIGTERM to its process group."""
        with suppress(OSError):
            os.write(self._lifeline, b"t")

    def kill(self) -> None:
        """Let the supervisor kill it and all that it has started. Does not wait: call `gone` until it is true."""
        if self._lifeline >= 0:
            os.close(self._lifeline)
            self._lifeline = -1

    def gone(self, *, wait: bool) -> bool:
        """After `kill`: whether nothing is left. `wait` for it, a bounded time."""
        if self.status < 0:
            return True
        try:
            self._supervisor.wait(_KILL_SECONDS if wait else 0)
        except subprocess.TimeoutExpired:
            if not wait:
                return False
            self._supervisor.kill()
            self._supervisor.wait()
        for stream in (self._supervisor.stdin, self._supervisor.stdout, self._supervisor.stderr):
            if stream is not None:
                with suppress(OSError):
                    stream.close()
        os.close(self.status)
        self.status = -1
        return True
