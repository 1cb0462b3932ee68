"""User-mode Linux: a kernel that is an ordinary process, started under the supervisor, asked over a virtual network card.

    host ──socket pair (SOCK_SEQPACKET)── vec0 of the guest ── guest.py

The guest's root is the host's file system, read-only, and its first process is `guest.py`: nothing is written anywhere.
The kernel's console comes out of its standard output, and its end is quoted when the guest dies: a kernel panic is an
end of file here. Everything waits with a limit, and after any failure the only thing to do is `close`.

A kernel that finds something wrong with itself says so on the console (KASAN, UBSAN, BUG, WARNING) and often goes on. The
console is looked at with every answer, so that the report is a crash of the case in which it appeared.

The guest and who asks it take turns, so they are fastest on one processor; see `Processor`.

A guest that travels in time has a clock of its own, which jumps to what is waited for as soon as there is nothing to do.
While nobody asks it anything it is stopped, as its time would fly; and `guest` never waits long, so that little time
passes before the signal arrives.
"""

import fcntl
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import espproof
from espproof.adapters import cache
from espproof.adapters.base import AdapterError, Crashed, Hung
from espproof.adapters.exec.supervised import Supervised
from espproof.adapters.linux import wire
from espproof.adapters.printable import printable

_MEMORY = "160M"
_SOCKET_BUFFER = 1 << 20
_ETHERNET = 14
_HEADER = wire.GUEST + wire.HOST + wire.ETHERTYPE.to_bytes(2, "big")
_TAIL = 16000
"""Octets of the console that are kept."""
_QUOTED = 1000
_REPORTS = (b"KASAN:", b"UBSAN:", b"BUG:", b"kernel BUG at", b"WARNING:", b"Kernel panic", b"Oops")
"""What the first line of a report holds; the trace behind it is longer than what is quoted."""
_LOGLEVEL = 5
"""Warnings and worse go to the console."""
_TIME_TRAVEL = ("time-travel=inf-cpu", "initcall_blacklist=jent_mod_init")
"""Computing takes no time; so there is no jitter to make random numbers of, for which the kernel would wait for ever."""
_END_SECONDS = 5.0
"""For the supervisor to say how the kernel ended, when the channel is closed."""


class Processor:
    """A processor for the guest, and for us while we wait: one that no other guest of this user has, if there is one.

    The guest stays there; the calling process is moved there for the time of an exchange only.
    """

    def __init__(self) -> None:
        self._allowed = os.sched_getaffinity(0)
        folder = cache.folder("processors")
        self._lock: int | None = None
        self.mine = {min(self._allowed)}
        for number in sorted(self._allowed):
            lock = os.open(folder / str(number), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                os.close(lock)
                continue
            self._lock, self.mine = lock, {number}
            return
        self.mine = {sorted(self._allowed)[os.getpid() % len(self._allowed)]}

    def __enter__(self) -> None:
        with suppress(OSError):  # the set of processors may have changed
            os.sched_setaffinity(0, self.mine)

    def __exit__(self, *exception: object) -> None:
        with suppress(OSError):
            os.sched_setaffinity(0, self._allowed)

    def release(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


class Machine:
    """A running guest. `AdapterError` if it does not start within `seconds`."""

    who, dies = "guest", "kernel"
    """What is started, and what has died when it ends: words for messages."""

    def __init__(
        self, kernel: str, processor: Processor, seconds: float, *, time_travel: bool = False, gro: bool = False
    ) -> None:
        self._processor = processor
        self._pauses = time_travel
        self._arguments = ("gro",) if gro else ()
        self._ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        for end in (self._ours, theirs):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SOCKET_BUFFER)
        self._tail = self._news = b""
        self._hearing = True
        try:
            with theirs, processor:
                self._program = Supervised(
                    self._command(kernel, theirs.fileno()),
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
            self.release, self.missing = self._greeting()
        except BaseException as error:
            self.close()
            if isinstance(error, Crashed | Hung):
                raise AdapterError(f"the {self.who} did not start: {error}") from error
            raise

    def _command(self, kernel: str, card: int) -> list[str]:
        """What to start; `card` is the descriptor of its end of the channel."""
        return [*_command(kernel, card, self._pauses), *self._arguments]

    def _greeting(self) -> tuple[str, str]:
        with self._sense():
            values, _ = wire.unpack(wire.receive(self._put, self._take))
        self._look_for_reports()
        self._pause()
        match values:
            case ["ready", str(release), str(missing)]:
                return release, missing
        raise AdapterError(f"the {self.who} did not start: {' '.join(map(str, values[1:])):.2000}")

    def ask(self, operations: list[Any], packets: list[bytes], seconds: float) -> tuple[list[Any], list[bytes]]:
        """Let the agent carry out operations (see `agent`); its results and packets.

        `Crashed` if the guest ends or reports a mistake of its own on the console, `Hung` if it does not answer within
        `seconds`, `AdapterError` for nonsense.
        """
        self._until, self._limit = time.monotonic() + seconds, seconds
        if self._arrived() is not None:
            raise AdapterError(f"the {self.who} spoke without being asked")
        with self._sense():
            with self._processor:
                self._resume()
                wire.send(wire.pack(operations, packets), self._put, self._take)
                answer = wire.receive(self._put, self._take)
                self._pause()
            results, out = wire.unpack(answer)
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
        """What the guest says in the block makes sense, or it is an error; a report on the console goes before it."""
        try:
            yield
        except wire.Garbled as error:
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
        """The content of the next frame, if there is one already; the guest's kernel sends frames of its own too."""
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
            stopped = " (it is stopped)" if self._program.is_stopped() else ""
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
        """End the guest and everything of it."""
        self._ours.close()
        self._program.kill()
        self._program.gone(wait=True)


def _report(console: bytes) -> bytes:
    """From the line that opens the first report on; nothing if there is none."""
    first = min((at for word in _REPORTS if (at := console.find(word)) >= 0), default=len(console))
    return console[console.rfind(b"\n", 0, first) + 1 :] if first < len(console) else b""


def _in_one_line(console: bytes) -> str:
    return " ⏎ ".join(printable(line) for line in console.decode(errors="replace").splitlines() if line.strip())


def quoted(word: str) -> str:
    """A word of a kernel's command line, which knows quotes, but nothing that would keep a quote."""
    if '"' in word:
        raise AdapterError(f"a kernel's command line has no place for the path {word!r}")
    return f'"{word}"' if any(character.isspace() for character in word) else word


def _command(kernel: str, card: int, time_travel: bool) -> list[str]:
    folder = Path(espproof.__file__).parents[1]
    words = [sys._base_executable, "-I", "-S", str(folder / "espproof/adapters/linux/guest.py"), str(folder)]  # type: ignore[attr-defined]
    python, *arguments = map(quoted, words)
    return [
        kernel,
        f"mem={_MEMORY}",
        "root=/dev/root",
        "rootfstype=hostfs",
        "rootflags=/",
        "ro",
        f"loglevel={_LOGLEVEL}",
        "panic=-1",
        "con=null",
        "con0=null,fd:1",
        "ssl=null",
        f"vec0:transport=fd,fd={card},mtu={wire.MAX_FRAME},depth=128,vec=0",
        "uml_dir=/dev/null/",
        *(_TIME_TRAVEL if time_travel else ()),
        f"init={python}",
        "--",
        *arguments,
    ]
