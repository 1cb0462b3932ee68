"""Builds user-mode Linux from Debian's package of the kernel's source: `espproof adapters build linux`.

    unpack ─► edit ─► configure ─► make ─► strip ─► VARIANT-RECIPE-VERSION/linux, beside it about.txt

All of it happens in the cache, outside the repository. A build that was interrupted goes on where it was: the source is
unpacked under a temporary name and renamed when it is whole, make knows the rest, and the result is renamed too. Whatever
is started here ends with espproof, however that ends (see `exec/supervisor.py`).

The configuration is Kconfig's defaults and the fragments in `fragments/`, each line of which must be in what comes out.
"""

import errno
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from espproof.adapters import cache
from espproof.adapters.base import AdapterError
from espproof.adapters.exec.supervised import End, Supervised

PACKAGE = "linux-source-6.12"
SOURCE = Path(f"/usr/src/{PACKAGE}.tar.xz")
INSTALL = f"apt-get install -y {PACKAGE} make gcc flex bison bc xz-utils"
_TOOLS = ("make", "gcc", "flex", "bison", "bc", "tar", "xz", "strip", "dpkg-query")
_ASK_VERSION = ("dpkg-query", "--show", "--showformat=${Version}", PACKAGE)
_FRAGMENTS = Path(__file__).with_name("fragments")
NEEDED_OCTETS = 3 << 30
"""Of the disk, while it is built."""
_SHOWN_LINES = 15
"""Of the log, when a step fails."""
_GRACE_SECONDS = 5.0
"""For a command to end by itself: once it says no more, and once it is told to."""
_COMPILED = ("  CC ", "  AS ")
"""How a line of make begins that is about an object."""

Tick = Callable[[str, int], None]
"""Is told the step, and how many objects this call has compiled in it."""


@dataclass(frozen=True, slots=True)
class Edit:
    """A change of the kernel's source: `old` is there once, and becomes `new`."""

    path: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Recipe:
    """What makes a variant: files of `fragments/`, changes of the source, and variables for make."""

    fragments: tuple[str, ...]
    edits: tuple[Edit, ...] = ()
    variables: tuple[str, ...] = ()


KCOV_OBJECTS = (
    "esp4", "esp4_offload", "esp6", "esp6_offload", "espintcp",
    "xfrm_algo", "xfrm_device", "xfrm_hash", "xfrm_input", "xfrm_interface_core", "xfrm_nat_keepalive", "xfrm_output",
    "xfrm_policy", "xfrm_replay", "xfrm_state", "xfrm_user",
    "xfrm4_input", "xfrm4_output", "xfrm4_policy", "xfrm4_protocol", "xfrm4_state",
    "xfrm6_input", "xfrm6_output", "xfrm6_policy", "xfrm6_protocol", "xfrm6_state",
    "authenc", "authencesn", "ccm", "chacha20poly1305", "echainiv", "gcm", "seqiv",
)  # fmt: skip
"""Object files, without suffix, whose coverage counts."""
_IN_SOFTIRQS = Edit(
    "kernel/kcov.c",
    "!in_task() && !(in_softirq_really() && t->kcov_softirq)",
    "system_state != SYSTEM_RUNNING || (!in_task() && !in_softirq_really())",
)
"""A packet that a task hands over is processed in a softirq on top of it, which counts too; and before the system runs,
user-mode Linux executes code of its own in threads of the host, where there is no task that could be looked at."""

RECIPES = {
    "plain": Recipe(("plain.config",)),
    "kcov": Recipe(
        ("plain.config", "kcov.config"),
        (_IN_SOFTIRQS,),
        tuple(f"KCOV_INSTRUMENT_{name}.o=y" for name in KCOV_OBJECTS),
    ),
    "kasan": Recipe(("plain.config", "kasan.config")),
}


def command(variant: str) -> str:
    """The command that builds a variant."""
    return "espproof adapters build linux" + (f" --variant {variant}" if variant != "plain" else "")


def image(variant: str) -> Path | None:
    """The kernel of that variant that was built last by today's recipe, None if there is none."""
    made = cache.folder("linux").glob(f"{variant}-{_digest(variant)}-*/linux")
    return max(made, key=lambda path: path.stat().st_mtime, default=None)


def build(variant: str, jobs: int, tick: Tick, *, keep: bool = False) -> Path:
    """The kernel of that variant, built unless it is there already. `AdapterError` says what is wrong and what helps.

    `keep` leaves the tree in which it was built, and make's log.
    """
    if missing := [*missing_tools(), *(() if SOURCE.is_file() else (PACKAGE,))]:
        raise AdapterError(f"to build a kernel there is no {', '.join(missing)}; {INSTALL}")
    version = source_version()
    place = cache.folder("linux") / f"{variant}-{_digest(variant)}-{version}"
    with _lock(_at_work(place, "lock")) as lock:
        if not (place / "linux").is_file():
            work = _Work(RECIPES[variant], place, jobs, tick, lock)
            try:
                work.run(f"user-mode Linux, variant {variant}, of Debian's {PACKAGE} {version}: `{command(variant)}`")
            except OSError as error:
                if error.errno == errno.ENOSPC:
                    raise _disk_full(place) from error
                raise
        if not keep:
            tick("remove the tree", 0)
            for left in ("tree", "unpacking"):
                shutil.rmtree(_at_work(place, left), ignore_errors=True)
            _at_work(place, "log").unlink(missing_ok=True)
    return place / "linux"


def _digest(variant: str) -> str:
    """Of all that makes the variant; comments in fragments do not."""
    recipe = RECIPES[variant]
    return hashlib.sha256(repr((recipe.edits, recipe.variables, _options(_wanted(recipe)))).encode()).hexdigest()[:12]


def _wanted(recipe: Recipe) -> str:
    return "".join((_FRAGMENTS / name).read_text(encoding="utf-8") for name in recipe.fragments)


def _options(fragment: str) -> list[str]:
    """The lines that set an option."""
    lines = fragment.splitlines()
    return [line for line in lines if line.startswith("CONFIG_") or re.fullmatch(r"# CONFIG_\w+ is not set", line)]


def missing_tools() -> list[str]:
    """Names of commands that a build needs and that are not there."""
    return [tool for tool in _TOOLS if shutil.which(tool) is None]


def source_version() -> str:
    """The version of Debian's package; `AdapterError` if it is not installed."""
    asked = subprocess.run(_ASK_VERSION, capture_output=True, encoding="utf-8", check=False)
    if asked.returncode:
        raise AdapterError(f"{PACKAGE} is not installed as a Debian package; {INSTALL}")
    return asked.stdout


def _at_work(place: Path, suffix: str) -> Path:
    """What there is only while a kernel is built is kept apart."""
    return cache.folder("linux", "work") / f"{place.name}.{suffix}"


@contextmanager
def _lock(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise AdapterError(f"this kernel is being built by another process (it holds {path})") from error
        yield descriptor
    finally:
        os.close(descriptor)


def _disk_full(place: Path) -> AdapterError:
    free = shutil.disk_usage(place.parent).free
    return AdapterError(
        f"the disk of {place.parent} is full: {free / 2**30:.1f} GiB are free, a build takes {NEEDED_OCTETS >> 30} GiB; "
        f"{cache.VARIABLE} names another folder"
    )


class _Work:
    """One build. `lock` is held by what is started too, so that nobody else begins before all of it has ended."""

    def __init__(self, recipe: Recipe, place: Path, jobs: int, tick: Tick, lock: int) -> None:
        self._recipe, self._place, self._jobs, self._tick, self._lock = recipe, place, jobs, tick, lock
        self._tree, self._log = _at_work(place, "tree"), _at_work(place, "log")

    def run(self, what: str) -> None:
        began = time.monotonic()
        if not self._tree.is_dir():
            if shutil.disk_usage(self._place.parent).free < NEEDED_OCTETS:
                raise _disk_full(self._place)
            self._log.unlink(missing_ok=True)
            self._unpack()
        self._configure()
        self._make("compile", f"-j{self._jobs}", *self._recipe.variables, "linux")
        self._keep_result(what, time.monotonic() - began)

    def _unpack(self) -> None:
        """What is in `tree` is whole, edits included."""
        unpacking = _at_work(self._place, "unpacking")
        shutil.rmtree(unpacking, ignore_errors=True)
        unpacking.mkdir()
        self._execute("unpack", ["tar", "--extract", f"--file={SOURCE}", f"--directory={unpacking}"])
        for edit in self._recipe.edits:
            _change(unpacking / PACKAGE, edit)
        (unpacking / PACKAGE).rename(self._tree)
        unpacking.rmdir()

    def _configure(self) -> None:
        wanted = _wanted(self._recipe)
        fragment = self._tree / "espproof.config"
        fragment.write_text(wanted, encoding="utf-8")
        self._make("configure", f"KCONFIG_ALLCONFIG={fragment.name}", "alldefconfig")
        got = set((self._tree / ".config").read_text(encoding="utf-8").splitlines())
        refused = [line for line in _options(wanted) if line not in got]
        if refused:
            raise AdapterError(f"Kconfig of {PACKAGE} does not take: {', '.join(refused)}")

    def _keep_result(self, what: str, seconds: float) -> None:
        self._tick("strip", 0)
        made = _at_work(self._place, "new")
        shutil.rmtree(made, ignore_errors=True)
        made.mkdir()
        self._execute("strip", ["strip", f"--output-file={made / 'linux'}", str(self._tree / "linux")])
        shutil.copyfile(self._tree / ".config", made / "config")
        (made / "about.txt").write_text(
            f"{what}; the last call took {seconds:.0f} s.\nconfig is the kernel's configuration.\n", encoding="utf-8"
        )
        made.rename(self._place)

    def _make(self, step: str, *arguments: str) -> None:
        self._execute(step, ["make", "ARCH=um", "--no-print-directory", "--directory", str(self._tree), *arguments])

    def _execute(self, step: str, command: Sequence[str]) -> None:
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
                raise _disk_full(self._place)
            why = end.sentence(command[0]) if end else f"{command[0]} goes on without a word"
            raise AdapterError(f"{step} failed: {why}; the whole log is {self._log}\n" + "\n".join(last))


@contextmanager
def _running(command: Sequence[str], lock: int) -> Iterator[Supervised]:
    """A command, and all that it starts; `lock` is a descriptor that all of them hold. It ends with the block."""
    program = Supervised(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        environment={name: value for name, value in os.environ.items() if name != "MAKEFLAGS"} | {"LC_ALL": "C"},
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


def _change(tree: Path, edit: Edit) -> None:
    text = (tree / edit.path).read_text(encoding="utf-8")
    if text.count(edit.old) != 1:
        raise AdapterError(
            f"{edit.path} of {PACKAGE} is not as expected: {edit.old!r} stands in it {text.count(edit.old)} times"
        )
    (tree / edit.path).write_text(text.replace(edit.old, edit.new), encoding="utf-8")
