"""One running program: a line to it, a line from it, within limits of time and size; and its end, in every way it can end.

One thread, one poll loop, no waiting without a limit. While a line is written or awaited, standard error is read too, so
that a program which floods it does not block; its end is kept for the report. The program itself runs under `supervisor`,
which sees to it that nothing is left behind.
"""

import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from espproof.adapters.base import AdapterError, Crashed, Hung
from espproof.adapters.exec.messages import printable, shown

MAX_LINE = 64 << 20
"""Octets of the longest answer that is read."""
TAIL = 2000
"""Octets of standard error that are quoted."""
SCRATCH = "ESPPROOF_SUPERVISOR_SCRATCH"
"""Tells the supervisor of a folder that it removes at the end; the program does not see it."""
_CHUNK = 1 << 18
_LAST_CHUNKS = 16
"""How much of standard error is read once a pipe is closed: all that a pipe can hold, and not for ever."""
_GRACE_EOF, _GRACE_TERM, _GRACE_KILL = 2.0, 1.0, 5.0
"""Seconds to end by itself after end of file, after SIGTERM, and for the supervisor to clean up."""


class Process:
    """A program that was started. `AdapterError` if it cannot be.

    `descriptors` are inherited by it under the same numbers. After any exception of `ask` or `exchange` the only thing to
    do is `kill`. Both ends may be called at any time, more than once.
    """

    def __init__(self, command: Sequence[str], descriptors: Sequence[int] = (), scratch: Path | None = None) -> None:
        if shutil.which(command[0]) is None:
            raise AdapterError(f"{command[0]}: command not found, or not executable")
        self._name = command[0]
        lifeline, self._lifeline = os.pipe()
        self._status, status = os.pipe()
        try:
            self._supervisor = subprocess.Popen(
                [sys.executable, "-I", "-S", _SUPERVISOR, str(lifeline), str(status), *command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                pass_fds=(lifeline, status, *descriptors),
                env=os.environ if scratch is None else {**os.environ, SCRATCH: str(scratch)},
                start_new_session=True,
            )
        except OSError as error:
            os.close(self._lifeline)
            os.close(self._status)
            raise AdapterError(f"cannot start {self._name}: {error.strerror}") from error
        finally:
            os.close(lifeline)
            os.close(status)
        streams = (self._supervisor.stdin, self._supervisor.stdout, self._supervisor.stderr)
        self._in, self._out, self._err = (stream.fileno() for stream in streams if stream is not None)
        for descriptor in (self._in, self._out, self._err, self._status):
            os.set_blocking(descriptor, False)
        self._poll = select.poll()
        self._poll.register(self._out, select.POLLIN)
        self._poll.register(self._err, select.POLLIN)
        self._answer = bytearray()
        self._tail = b""
        self._said = b""
        self._ended = False

    # ------------------------------------------------------------------------------------------------------- talking

    def ask(self, line: bytes, seconds: float) -> bytes:
        """Send a line and return the line that answers it, without its LF.

        `Crashed` if the program ends or closes its output, `Hung` if there is no whole line within `seconds`,
        `AdapterError` if it says something before it is asked, more than one line, or a line above `MAX_LINE`.
        """
        return self.exchange(line, 1, seconds)[0]

    def exchange(self, octets: bytes, lines: int, seconds: float) -> list[bytes]:
        """Send octets and return the lines that answer them, as many as told, without their LF.

        Fails like `ask`; `MAX_LINE` is the limit of all lines together.
        """
        until = time.monotonic() + seconds
        self._drain()
        if self._answer:
            raise AdapterError(self._with_tail(f"{self._name} spoke without being asked: {shown(self._answer)}"))
        self._send(memoryview(octets), until, seconds)
        seen = found = 0
        while (found := found + self._answer.count(b"\n", seen)) < lines:
            seen = len(self._answer)
            self._wait(until, seconds)
        *answers, rest = bytes(self._answer).split(b"\n", lines)
        self._answer = bytearray()
        if rest:
            raise AdapterError(self._with_tail(f"{self._name} answered more than once: {shown(rest)}"))
        return answers

    def _send(self, rest: memoryview, until: float, seconds: float) -> None:
        while rest:
            try:
                rest = rest[os.write(self._in, rest) :]
            except BlockingIOError:
                self._poll.register(self._in, select.POLLOUT)
                try:
                    self._wait(until, seconds)
                finally:
                    self._poll.unregister(self._in)
            except BrokenPipeError:
                raise self._failure("closed its standard input") from None

    def _wait(self, until: float, seconds: float) -> None:
        """Until something happens; take in what there is to read."""
        left = until - time.monotonic()
        events = self._poll.poll(max(left, 0) * 1000) if left > 0 else []
        if not events:
            stopped = " (it is stopped)" if self._is_stopped() else ""
            half = f", only half a line: {shown(self._answer)}" if self._answer else ""
            raise Hung(self._with_tail(f"no answer within {seconds:g} s{stopped}{half}"))
        for descriptor, _ in events:
            self._read(descriptor)

    def _drain(self) -> None:
        """Take in what has been written since the last answer."""
        for descriptor, _ in self._poll.poll(0):
            self._read(descriptor)

    def _read(self, descriptor: int) -> None:
        if descriptor == self._in:
            return
        try:
            octets = os.read(descriptor, _CHUNK)
        except BlockingIOError:
            return
        if descriptor == self._err:
            if octets:
                self._tail = (self._tail + octets[-TAIL:])[-TAIL:]
            else:
                self._poll.unregister(self._err)
        elif octets:
            self._answer += octets
            if len(self._answer) > MAX_LINE:
                self._answer = self._answer[:200]
                raise AdapterError(self._with_tail(f"an answer of more than {MAX_LINE >> 20} MiB"))
        else:
            self._end_of_output()

    # -------------------------------------------------------------------------------------------------- how it ended

    def _end_of_output(self) -> None:
        half = f" in the middle of a line: {shown(self._answer)}" if self._answer else ""
        raise self._failure("closed its standard output" + half)

    def _failure(self, closed: str) -> Crashed | AdapterError:
        """A pipe is closed: why? Waits a moment for the supervisor to say."""
        end = self._await_end(1.0)
        with suppress(BlockingIOError):
            for _ in range(_LAST_CHUNKS):
                self._tail = (self._tail + os.read(self._err, _CHUNK))[-TAIL:]
        if end is None:
            return Crashed(self._with_tail(f"{self._name} {closed}, but still runs"))
        what, number = end
        if what == "failed":
            return AdapterError(f"cannot start {self._name}: {os.strerror(number)}")
        if what == "signal":
            name = signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"
            return Crashed(self._with_tail(f"{self._name} was killed by {name}"))
        if what == "exit":
            return Crashed(self._with_tail(f"{self._name} ended with exit status {number}"))
        return AdapterError(self._with_tail(f"the supervisor of {self._name} died"))

    def _await_end(self, seconds: float) -> tuple[str, int] | None:
        """How the program ended, None if it has not: ("exit", status), ("signal", number), ("failed", errno)."""
        until = time.monotonic() + seconds
        poll = select.poll()
        poll.register(self._status, select.POLLIN)
        while True:
            for line in self._status_lines():
                what, _, number = line.partition(" ")
                if what in ("exit", "signal", "failed"):
                    return what, int(number)
            if self._ended:
                return "", 0
            left = until - time.monotonic()
            if left <= 0 or not poll.poll(left * 1000):
                return None
            self._read_status()

    def _read_status(self) -> None:
        with suppress(BlockingIOError):
            octets = os.read(self._status, 4096)
            self._said += octets
            self._ended = not octets

    def _status_lines(self) -> list[str]:
        return self._said.decode().splitlines()

    def _is_stopped(self) -> bool:
        self._read_status()
        lines = self._status_lines()
        return bool(lines) and lines[-1].startswith("stopped")

    def _with_tail(self, message: str) -> str:
        lines = self._tail.decode(errors="replace").splitlines()
        text = " ⏎ ".join(printable(line) for line in lines if line.strip())[-TAIL // 2 :]
        return f"{message}; standard error ends: {text}" if text else message

    # ------------------------------------------------------------------------------------------------------- the end

    def close(self) -> None:
        """Let it end by itself, then less and less politely. Nothing is left of it."""
        if self._supervisor.returncode is not None:
            return
        self._close_pipe("stdin")
        if not self._ends_within(_GRACE_EOF):
            with suppress(OSError):
                os.write(self._lifeline, b"t")
            self._ends_within(_GRACE_TERM)
        self.kill()

    def kill(self) -> None:
        """Kill it and all that it has started, at once."""
        if self._supervisor.returncode is not None:
            return
        os.close(self._lifeline)
        try:
            self._supervisor.wait(_GRACE_KILL)
        except subprocess.TimeoutExpired:
            self._supervisor.kill()
            self._supervisor.wait()
        for name in ("stdin", "stdout", "stderr"):
            self._close_pipe(name)
        os.close(self._status)

    def _ends_within(self, seconds: float) -> bool:
        """Whether the program ends by itself; what it says meanwhile is thrown away."""
        until = time.monotonic() + seconds
        poll = select.poll()
        for descriptor in (self._out, self._err, self._status):
            poll.register(descriptor, select.POLLIN)
        while (left := until - time.monotonic()) > 0:
            for descriptor, _ in poll.poll(left * 1000):
                with suppress(BlockingIOError):
                    octets = os.read(descriptor, _CHUNK)
                    if descriptor == self._status and (not octets or octets.startswith((b"exit", b"signal"))):
                        return True
                    if not octets:
                        poll.unregister(descriptor)
        return False

    def _close_pipe(self, name: str) -> None:
        stream = getattr(self._supervisor, name)
        if stream is not None:
            with suppress(OSError):
                stream.close()


_SUPERVISOR = str(Path(__file__).with_name("supervisor.py"))
