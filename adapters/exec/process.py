"""One running program: a line to it, a line from it, within limits of time and size; and its end, in every way it can end.

One thread, one poll loop, no waiting without a limit. While a line is written or awaited, standard error is read too, so
that a program which floods it does not block; its end is kept for the report. The program itself is `Supervised`,
so that nothing is left behind.
"""

import os
import re
import select
import shutil
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from espproof.adapters.base import AdapterError, Crashed, Hung
from espproof.adapters.exec.messages import shown
from espproof.adapters.exec.supervised import Supervised
from espproof.adapters.printable import printable

MAX_LINE = 64 << 20
"""Octets of the longest answer that is read."""
TAIL = 1 << 16
"""Octets of standard error that are kept: the reports of sanitizers are long."""
_QUOTED = 1000
"""Letters of it that are quoted: from the beginning of a report on, or the last ones."""
_REPORT = re.compile(r"\w+Sanitizer: |: runtime error: |: Assertion |panicked at |\bpanic: ")
"""In the first line of what sanitizers and runtimes say of the end of a program; what follows can be long."""
_CHUNK = 1 << 18
_LAST_CHUNKS = 16
"""How much of standard error is read once a pipe is closed: all that a pipe can hold, and not for ever."""
_GRACE_EOF, _GRACE_TERM = 2.0, 1.0
"""Seconds to end by itself after end of file, and after SIGTERM."""
_END_SECONDS = 1.0
"""For the supervisor to say how the program ended, when a pipe is closed."""


class Process:
    """A program that was started. `AdapterError` if it cannot be.

    `descriptors` are inherited by it under the same numbers. After any exception of `ask` or `exchange` the only thing to
    do is `kill`. Both ends may be called at any time, more than once.
    """

    def __init__(self, command: Sequence[str], descriptors: Sequence[int] = (), scratch: Path | None = None) -> None:
        if shutil.which(command[0]) is None:
            raise AdapterError(f"{command[0]}: command not found, or not executable")
        self._name = command[0]
        self._program = Supervised(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            descriptors=descriptors,
            scratch=scratch,
        )
        self._in, self._out, self._err = self._program.streams()
        self._poll = select.poll()
        self._poll.register(self._out, select.POLLIN)
        self._poll.register(self._err, select.POLLIN)
        self._answer = bytearray()
        self._tail = b""

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
        self._tail = b""
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
            stopped = " (it is stopped)" if self._program.is_stopped() else ""
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
        end = self._program.end(_END_SECONDS)
        self._take_last_words()
        if end is None:
            return Crashed(self._with_tail(f"{self._name} {closed}, but still runs"))
        return (Crashed if end.is_crash else AdapterError)(self._with_tail(end.sentence(self._name)))

    def _with_tail(self, message: str) -> str:
        """What standard error says of the end, or its last lines; without those that only underline the one above."""
        said = self._tail.decode(errors="replace")
        if report := _REPORT.search(said):
            told = _in_one_line(said[said.rfind("\n", 0, report.start()) + 1 :])
            return f"{message}; standard error tells: {told[:_QUOTED]}"
        text = _in_one_line(said)[-_QUOTED:]
        return f"{message}; standard error ends: {text}" if text else message

    # ------------------------------------------------------------------------------------------------------- the end

    def close(self) -> str:
        """Let it end by itself, then less and less politely. Nothing is left of it but the end of its standard error."""
        if self._program.is_gone:
            return ""
        self._program.end_input()
        if not self._ends_within(_GRACE_EOF):
            self._program.terminate()
            self._ends_within(_GRACE_TERM)
        self.kill()
        return self._tail.decode(errors="replace")

    def kill(self) -> None:
        """Kill it and all that it has started, at once."""
        self._program.kill()
        self._program.gone(wait=True)

    def _ends_within(self, seconds: float) -> bool:
        """Whether the program ends by itself; what it answers meanwhile is thrown away."""
        until = time.monotonic() + seconds
        poll = select.poll()
        for descriptor in (self._out, self._err, self._program.status):
            poll.register(descriptor, select.POLLIN)
        while self._program.end() is None:
            left = until - time.monotonic()
            if left <= 0:
                return False
            for descriptor, _ in poll.poll(left * 1000):
                if descriptor != self._program.status:
                    with suppress(BlockingIOError):
                        octets = os.read(descriptor, _CHUNK)
                        if descriptor == self._err:
                            self._tail = (self._tail + octets)[-TAIL:]
                        if not octets:
                            poll.unregister(descriptor)
        self._take_last_words()
        return True

    def _take_last_words(self) -> None:
        """What standard error still holds when the program has ended."""
        with suppress(BlockingIOError):
            for _ in range(_LAST_CHUNKS):
                self._tail = (self._tail + os.read(self._err, _CHUNK))[-TAIL:]


def _in_one_line(text: str) -> str:
    return " ⏎ ".join(printable(line) for line in text.splitlines() if line.strip(" \t^~"))
