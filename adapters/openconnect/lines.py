"""A supervised program that is only listened to: what it writes as lines, and its end.

Standard output and standard error are one pipe, so that the order of what is said is kept.
"""

import os
import subprocess
from collections.abc import Callable, Mapping, Sequence

from espproof.adapters.base import AdapterError, Crashed
from espproof.adapters.exec.supervised import Supervised
from espproof.adapters.printable import printable

_CHUNK = 1 << 18
_TAIL_LINES = 12
_END_SECONDS = 1.0
"""For the supervisor to say how the program ended, when its output does."""


class EndedByItself(Crashed):
    """The program has ended with a status, as programs do; it was not killed by a signal."""


class LineReader:
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
        self._half = b""
        self._tail: list[str] = []
        self._program = Supervised(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            environment=environment,
            descriptors=inherited,
        )
        (self.output,) = self._program.streams()

    @property
    def pid(self) -> int:
        """Of its supervisor."""
        return self._program.pid

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
        end = self._program.end(_END_SECONDS)
        if end is None:
            return None
        failure = EndedByItself if end.how == "exit" else Crashed if end.is_crash else AdapterError
        return failure(self.with_tail(end.sentence(self._name)))

    def with_tail(self, message: str) -> str:
        """The message, and the last lines that were written."""
        text = " ⏎ ".join(printable(line) for line in self._tail)
        return f"{message}; its log ends: {text}" if text else message

    def kill(self) -> None:
        """Let it be killed with all that it has started. Does not wait: call `gone` until it is true."""
        self._program.kill()

    def gone(self, *, wait: bool) -> bool:
        """After `kill`: whether nothing is left. `wait` for it, a bounded time."""
        return self._program.gone(wait=wait)
