"""One build of a kernel, step by step: what is started, what is left of it, what is said when a step fails.

    unpack ─► edit ─► configure ─► make ─► strip

All of it happens in the cache. A build that was interrupted goes on where it was: what is unpacked gets its name when it
is whole, make knows the rest, and who is given the result renames it. Whatever is started here ends with espproof,
however that ends (see `exec/supervisor.py`).
"""

import errno
import fcntl
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from espproof.adapters import cache
from espproof.adapters.base import AdapterError
from espproof.adapters.exec.supervised import End, Supervised
from espproof.adapters.linux.kernel import recipe
from espproof.adapters.linux.kernel.recipe import Edit, Recipe, Version

NEEDED_OCTETS = 3 << 30
"""Of the disk, while a kernel is built."""
NOTES = "notes"
"""Folder beside a kernel of the variant gcov: what gcc knows of the lines that are counted, a file per object."""
_SHOWN_LINES = 15
"""Of the log, when a step fails."""
_GRACE_SECONDS = 5.0
"""For a command to end by itself: once it says no more, and once it is told to."""
_COMPILED = ("  CC ", "  AS ")
"""How a line of make begins that is about an object."""
_NOT_OURS = ("MAKEFLAGS", "KBUILD_OUTPUT", "KCONFIG_CONFIG", "CROSS_COMPILE")
"""Variables that say where and for what somebody else builds."""

Tick = Callable[[str, int], None]
"""Is told the step, and how many objects this call has compiled in it."""


def at_work(name: str, suffix: str) -> Path:
    """What there is only while a kernel is built, or to build it again, is kept apart."""
    return cache.folder("linux", "work") / f"{name}.{suffix}"


@contextmanager
def lock(name: str, *, wait: bool = False) -> Iterator[int]:
    """Nobody else builds what has that name; the descriptor is for those who are started. `AdapterError` if somebody does,
    unless it is worth to `wait`."""
    path = at_work(name, "lock")
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError as error:
            raise AdapterError(f"this kernel is being built by another process (it holds {path})") from error
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def disk() -> Iterator[None]:
    """A full disk is told as one."""
    try:
        yield
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise _disk_full() from error
        raise


def _disk_full() -> AdapterError:
    folder = cache.folder("linux")
    free = shutil.disk_usage(folder).free
    return AdapterError(
        f"the disk of {folder} is full: {free / 2**30:.1f} GiB are free, a build takes {NEEDED_OCTETS >> 30} GiB; "
        f"{cache.VARIABLE} names another folder"
    )


@dataclass(frozen=True, slots=True)
class Folders:
    """Where the source is, and where what is made of it goes: often the same."""

    source: Path
    objects: Path


class Work:
    """A build of that name. `lock` is held by what is started too, so that nobody else begins before all has ended."""

    def __init__(self, name: str, jobs: int, tick: Tick, lock: int) -> None:
        self.name, self._jobs, self._tick, self._lock = name, jobs, tick, lock
        self.tree, self.objects, self._log = (at_work(name, suffix) for suffix in ("tree", "build", "log"))

    def begin(self) -> None:
        """With a log of its own, if the disk has room."""
        if shutil.disk_usage(self._log.parent).free < NEEDED_OCTETS:
            raise _disk_full()
        self._log.unlink(missing_ok=True)

    def unpack(self, archive: Path, package: str, edits: Sequence[Edit]) -> None:
        """What is in `tree` is whole, edits included."""
        unpacking = at_work(self.name, "unpacking")
        shutil.rmtree(unpacking, ignore_errors=True)
        unpacking.mkdir()
        self.execute("unpack", ["tar", "--extract", f"--file={archive}", f"--directory={unpacking}"])
        for edit in edits:
            _change(unpacking / package, edit, package)
        (unpacking / package).rename(self.tree)
        unpacking.rmdir()
        shutil.rmtree(at_work(self.name, "fetched"), ignore_errors=True)

    def configure(self, folders: Folders, made_of: Recipe, version: Version, what: str, *, strict: bool) -> list[str]:
        """Options that the kernel does not know are returned, or, if `strict`, as wrong as those that it does not take."""
        wanted = made_of.options(version)
        fragment = folders.objects / "espproof.config"
        fragment.write_text("\n".join(wanted) + "\n", encoding="utf-8")
        self.make("configure", folders, f"KCONFIG_ALLCONFIG={fragment.name}", "alldefconfig")
        got = set((folders.objects / ".config").read_text(encoding="utf-8").splitlines())
        refused = [line for line in wanted if line not in got and not _is_off(line, got)]
        unknown = recipe.unknown(refused, folders.source) if refused and not strict else []
        if wrong := [line for line in refused if line not in unknown]:
            raise AdapterError(f"Kconfig of {what} does not take: {', '.join(wrong)}")
        return [recipe.name_of(line) for line in unknown]

    def compile(self, folders: Folders, made_of: Recipe) -> None:
        self.make("compile", folders, f"-j{self._jobs}", *made_of.variables, "linux")

    def result(self, folders: Folders) -> Path:
        """A folder with the stripped kernel, its configuration and gcc's notes about what it counts, to be renamed."""
        self._tick("strip", 0)
        made = at_work(self.name, "new")
        shutil.rmtree(made, ignore_errors=True)
        made.mkdir()
        self.execute("strip", ["strip", f"--output-file={made / 'linux'}", str(folders.objects / "linux")])
        shutil.copyfile(folders.objects / ".config", made / "config")
        for note in folders.objects.rglob("*.gcno"):
            place = made / NOTES / note.relative_to(folders.objects)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(note, place)
        return made

    def clear(self) -> None:
        """Remove what was unpacked, and the log."""
        self._tick("remove the tree", 0)
        for suffix in ("tree", "unpacking", "fetched"):
            shutil.rmtree(at_work(self.name, suffix), ignore_errors=True)
        self.end()

    def end(self) -> None:
        """Nobody will ask how it went."""
        self._log.unlink(missing_ok=True)

    def make(self, step: str, folders: Folders, *arguments: str) -> None:
        elsewhere = (f"O={folders.objects}",) if folders.objects != folders.source else ()
        self.execute(step, [*_make(folders.source), *elsewhere, *arguments])

    def execute(self, step: str, command: Sequence[str]) -> None:
        """Run a command; what it says goes to the log, and its end into the error if it fails."""
        self._tick(step, 0)
        objects = 0
        last: list[str] = []
        with (
            self._log.open("a", encoding="utf-8", buffering=1, errors="replace") as log,
            _running(command, self._lock) as program,
        ):
            for line in _lines(program):
                log.write(line)
                last = [*last[1 - _SHOWN_LINES :], line.rstrip()]
                if line.startswith(_COMPILED):
                    objects += 1
                    self._tick(step, objects)
            end = program.end(_GRACE_SECONDS)
        if end != End("exit", 0):
            if any(os.strerror(errno.ENOSPC) in line for line in last):
                raise _disk_full()
            why = end.sentence(command[0]) if end else f"{command[0]} goes on without a word"
            raise AdapterError(f"{step} failed: {why}; the whole log is {self._log}\n" + "\n".join(last))


def _is_off(line: str, got: set[str]) -> bool:
    """Whether an option that is not to be set is not there at all, as what it depends on is not set either."""
    return line.startswith("# ") and not any(one.startswith(f"{recipe.name_of(line)}=") for one in got)


def kernel_version(tree: Path) -> str:
    """What the kernel's own Makefile says; `AdapterError` if it says nothing that is a version."""
    asked = ask(*_make(tree), "-s", "kernelversion")
    said = asked.stdout.strip()
    try:
        recipe.version_of(said)
    except ValueError:
        why = (asked.stderr.strip() or said or "nothing").splitlines()[-1]
        raise AdapterError(f"`make kernelversion` in {tree} says no version of a kernel: {why:.200}") from None
    return said


def _make(tree: Path) -> list[str]:
    return ["make", "ARCH=um", "--no-print-directory", "--directory", str(tree)]


def ask(*command: str) -> "subprocess.CompletedProcess[str]":
    """A command that soon ends, and what it says."""
    return subprocess.run(
        command, capture_output=True, encoding="utf-8", errors="replace", check=False, env=_environment()
    )


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in _NOT_OURS} | {"LC_ALL": "C"}


@contextmanager
def _running(command: Sequence[str], lock: int) -> Iterator[Supervised]:
    """A command, and all that it starts; `lock` is a descriptor that all of them hold. It ends with the block."""
    program = Supervised(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        environment=_environment(),
        descriptors=(lock,),
    )
    try:
        yield program
    finally:
        if program.end() is None:
            program.terminate()  # make removes what is half done
            program.end(_GRACE_SECONDS)
        program.kill()
        program.gone(wait=True)


def _lines(program: Supervised) -> Iterator[str]:
    """What it writes, until it writes no more."""
    (output,) = program.streams()
    os.set_blocking(output, True)
    with open(output, encoding="utf-8", errors="replace", closefd=False) as lines:
        yield from lines


def _change(tree: Path, edit: Edit, package: str) -> None:
    text = (tree / edit.path).read_text(encoding="utf-8")
    if text.count(edit.old) != 1:
        raise AdapterError(
            f"{edit.path} of {package} is not as expected: {edit.old!r} stands in it {text.count(edit.old)} times"
        )
    (tree / edit.path).write_text(text.replace(edit.old, edit.new), encoding="utf-8")
