"""A process that has a kernel under test, or runs on one: started under the supervisor, asked over a socket pair.

    espproof ──socket pair (SOCK_SEQPACKET)── a program of `inside/`

Both kinds (`guest.Guest`, `host.Host`) are asked alike. Everything waits with a limit, and after any failure the only
thing to do is `close`.

A kernel that finds something wrong with itself says so on the console (KASAN, UBSAN, BUG, WARNING) and often goes on. The
console is looked at with every answer, so that the report is a crash of the case in which it appeared.
"""

import os
import select
import signal
import socket
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, ClassVar

import espproof
from espproof.adapters.base import AdapterError, Crashed, Hung
from espproof.adapters.exec.supervised import Supervised
from espproof.adapters.linux.inside import channel
from espproof.adapters.linux.kernel.processor import Processor
from espproof.adapters.printable import printable

_SOCKET_BUFFER = 1 << 20
_ETHERNET = 14
_HEADER = channel.AGENT + channel.ASKER + channel.ETHERTYPE.to_bytes(2, "big")
_TAIL = 16000
"""Octets of the console that are kept."""
_QUOTED = 1000
_REPORTS = (b"KASAN:", b"UBSAN:", b"BUG:", b"kernel BUG at", b"WARNING:", b"Kernel panic", b"Oops")
"""What the first line of a report holds; the trace behind it is longer than what is quoted."""
STOPPED = " (it is stopped)"
"""What is said of a machine that is silent because somebody has stopped its process."""
_END_SECONDS = 5.0
"""For the supervisor to say how the kernel ended, when the channel is closed."""


class Machine(ABC):
    """A running process. `AdapterError` if it does not start within `seconds`."""

    who: ClassVar[str]
    dies: ClassVar[str]
    """What is started, and what has died when it ends: words for messages."""
    release: str
    """Of the kernel."""
    largest: int
    """Octets of the largest packet that goes through."""

    def __init__(self, processor: Processor, seconds: float, *, pauses: bool = False) -> None:
        self._processor = processor
        self._pauses = pauses
        self._ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        for end in (self._ours, theirs):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SOCKET_BUFFER)
        self._tail = self._news = b""
        self._hearing = True
        try:
            with theirs, processor:
                self._program = Supervised(
                    self._command(theirs.fileno()),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    descriptors=(theirs.fileno(),),
                )
        except BaseException:
            self._ours.close()
            raise
        (self._console,) = self._program.streams()
        self._ours.setblocking(False)
        self._poll = select.poll()
        self._poll.register(self._ours, select.POLLIN)
        self._poll.register(self._console, select.POLLIN)
        self._until, self._limit = time.monotonic() + seconds, seconds
        try:
            self.release, self.largest = self._greeting()
        except BaseException as error:
            self.close()
            if isinstance(error, Crashed | Hung):
                raise AdapterError(f"the {self.who} did not start: {error}") from error
            raise

    @abstractmethod
    def _command(self, descriptor: int) -> list[str]:
        """What to start; `descriptor` is its end of the channel."""

    def _greeting(self) -> tuple[str, int]:
        with self._sense():
            values, _ = channel.unpack(channel.receive(self._put, self._take))
        self._look_for_reports()
        self._pause()
        match values:
            case ["ready", str(release), int(largest)]:
                return release, largest
        raise AdapterError(f"the {self.who} did not start: {' '.join(map(str, values[1:])):.2000}")

    def ask(self, operations: list[Any], packets: list[bytes], seconds: float) -> tuple[list[Any], list[bytes]]:
        """Let the agent carry out operations (see `agent`); its results and packets.

        `Crashed` if it ends, or its kernel reports a mistake of its own on the console; `Hung` if it does not answer
        within `seconds`; `AdapterError` for nonsense.
        """
        self._until, self._limit = time.monotonic() + seconds, seconds
        if self._arrived() is not None:
            raise AdapterError(f"the {self.who} spoke without being asked")
        with self._sense():
            with self._processor:
                self._resume()
                channel.send(channel.pack(operations, packets), self._put, self._take)
                answer = channel.receive(self._put, self._take)
                self._pause()
            results, out = channel.unpack(answer)
        self._look_for_reports()
        if results[:1] == ["error"]:
            raise AdapterError(f"the agent failed: {' '.join(map(str, results[1:])):.2000}")
        if len(results) != len(operations):
            raise AdapterError(f"{len(results)} results for {len(operations)} operations")
        return results, out

    def _resume(self) -> None:
        if self._pauses:
            self._program.send_signal(signal.SIGCONT)

    def _pause(self) -> None:
        if self._pauses:
            self._program.send_signal(signal.SIGSTOP)

    def _look_for_reports(self) -> None:
        self._listen()
        news, self._news = self._news, b""
        if report := _report(news):
            raise Crashed(f"the kernel reports: {_in_one_line(report):.{_QUOTED}}")

    @contextmanager
    def _sense(self) -> Iterator[None]:
        """What is said in the block makes sense, or it is an error; a report on the console goes before it."""
        try:
            yield
        except channel.Garbled as error:
            self._look_for_reports()
            raise AdapterError(f"the {self.who}'s answer: {error}") from error

    # ------------------------------------------------------------------------------------------------------ frames

    def _put(self, content: bytes) -> None:
        frame = _HEADER + content
        while True:
            try:
                self._ours.send(frame)
                return
            except BlockingIOError:
                self._poll.modify(self._ours, select.POLLOUT)
                try:
                    self._wait()
                finally:
                    self._poll.modify(self._ours, select.POLLIN)
            except OSError:
                raise self._death() from None

    def _take(self) -> bytes:
        while (content := self._arrived()) is None:
            self._wait()
        return content

    def _arrived(self) -> bytes | None:
        """The content of the next frame, if there is one already; a guest's kernel sends frames of its own too."""
        while True:
            self._left()
            try:
                frame = self._ours.recv(1 << 16)
            except BlockingIOError:
                return None
            except OSError:
                raise self._death() from None
            if not frame:
                raise self._death()
            if frame[12:_ETHERNET] == _HEADER[12:]:
                return frame[_ETHERNET:]

    def _wait(self) -> None:
        """Until something happens; what the console says is taken in."""
        for descriptor, _ in self._poll.poll(self._left() * 1000):
            if descriptor == self._console:
                self._listen()

    def _left(self) -> float:
        """Seconds until there must be an answer; `Hung` if there are none."""
        left = self._until - time.monotonic()
        if left <= 0:
            stopped = STOPPED if self._program.is_stopped() else ""
            raise Hung(self._with_tail(f"no answer within {self._limit:g} s{stopped}"))
        return left

    # ----------------------------------------------------------------------------------------------------- the end

    def _listen(self) -> None:
        """Take in what the console says; the end is kept, and of what is new the beginning of a report."""
        with suppress(BlockingIOError):
            octets = os.read(self._console, 1 << 16)
            self._tail = (self._tail + octets)[-_TAIL:]
            news = self._news + octets
            self._news = _report(news)[:_TAIL] or news[-_TAIL:]
            if not octets and self._hearing:
                self._hearing = False
                self._poll.unregister(self._console)

    def _death(self) -> Crashed | AdapterError:
        """The channel is closed: why?"""
        end = self._program.end(_END_SECONDS)
        self._listen()
        if end is None:
            return Crashed(self._with_tail(f"the {self.dies} closed its channel, but still runs"))
        return (Crashed if end.is_crash else AdapterError)(self._with_tail(end.sentence(f"the {self.dies}")))

    def _with_tail(self, message: str) -> str:
        if report := _report(self._tail):
            return f"{message}: {_in_one_line(report):.{_QUOTED}}"
        text = _in_one_line(self._tail)[-_QUOTED:]
        return f"{message}; the console ends: {text}" if text else message

    @property
    def process(self) -> int:
        """The supervisor's process id."""
        return self._program.pid

    def close(self) -> None:
        """End the process and everything of it."""
        self._ours.close()
        self._program.kill()
        self._program.gone(wait=True)


def _report(console: bytes) -> bytes:
    """From the line that opens the first report on; nothing if there is none."""
    first = min((at for word in _REPORTS if (at := console.find(word)) >= 0), default=len(console))
    return console[console.rfind(b"\n", 0, first) + 1 :] if first < len(console) else b""


def _in_one_line(console: bytes) -> str:
    return " ⏎ ".join(printable(line) for line in console.decode(errors="replace").splitlines() if line.strip())


def program_inside(name: str) -> list[str]:
    """The words that start a program of `inside/`; it has the standard library, and us for its codec."""
    folder = Path(espproof.__file__).parents[1]
    program = folder / "espproof/adapters/linux/inside" / name
    return [sys._base_executable, "-I", "-S", str(program), str(folder)]  # type: ignore[attr-defined]  # not documented
