"""Adapters that are a C program beside their Python module: built on first use, then run as any `exec:` program.

The program stands on the harness of `exec/harness_c`, so that the protocol, its limits and every way in which a process
can fail are those of `exec:`. What it is made of decides where it is kept: a new compiler, library or source is a new
program, and two builds at once do not disturb each other. (A shared object is loaded by a program in Python, whose harness
is `exec/harness.py`.)
"""

import hashlib
import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from espproof.adapters import cache, probe
from espproof.adapters.base import AdapterError
from espproof.adapters.capabilities import Capabilities
from espproof.adapters.case import Done, Sa
from espproof.adapters.exec.client import ExecAdapter

_HARNESS = Path(__file__).parent / "exec" / "harness_c"
_BUILD_SECONDS = 300
_WARNINGS = ("-std=gnu11", "-Wall", "-Wextra", "-O2", "-g")
_LIBRARY = ("-shared", "-fPIC")


@dataclass(frozen=True, slots=True)
class Shim:
    """A program to build: `sources` in `folder`, together with the harness.

    `packages` are names for pkg-config, `flags` go to the compiler behind the sources (libraries among them). `stamps`
    are files whose change makes another program necessary (shared libraries without a version for pkg-config).
    `install` is the command that gets what is missing. `library`: a shared object is made, without the harness.
    """

    name: str
    folder: Path
    sources: tuple[str, ...]
    install: str
    packages: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    stamps: tuple[str, ...] = ()
    library: bool = False


def build(shim: Shim) -> Path:
    """The program, built unless it is there already. `AdapterError` with the reason and the command that helps."""
    compiler = shutil.which(os.environ.get("CC", "cc"))
    if compiler is None:
        raise AdapterError(f"{shim.name}: there is no C compiler; {shim.install}")
    try:
        command, key = _command(shim, compiler)
    except FileNotFoundError as error:
        raise AdapterError(f"{shim.name}: {error.filename} is missing; {shim.install}") from error
    folder = cache.folder("native")
    program = folder / f"{shim.name}-{key}"
    if program.is_file():
        return program
    with tempfile.TemporaryDirectory(dir=folder, prefix=f".{shim.name}-") as place:
        made = Path(place) / "program"
        text = _output([*command, "-o", str(made)], shim)
        if not made.is_file():
            raise AdapterError(f"{shim.name}: the compiler made nothing: {text}")
        made.replace(program)
    return program


def _command(shim: Shim, compiler: str) -> tuple[list[str], str]:
    sources = [shim.folder / source for source in shim.sources]
    harness: tuple[str, ...] = ()
    if not shim.library:
        sources.append(_HARNESS / "espproof_harness.c")
        harness = (f"-I{_HARNESS}", "-lcjson")
    options = _packages(shim)
    kind = _LIBRARY if shim.library else ()
    command = [compiler, *_WARNINGS, *kind, *map(str, sources), *options, *shim.flags, *harness]
    digest = hashlib.sha256()
    for part in (*command, _output([compiler, "--version"], shim)):
        digest.update(part.encode() + b"\0")
    for source in (*sources, *sorted(shim.folder.glob("*.h")), *sorted(_HARNESS.glob("*.h"))):
        digest.update(source.read_bytes() + b"\0")
    for stamp in shim.stamps:
        told = os.stat(stamp)
        digest.update(f"{stamp} {told.st_size} {told.st_mtime_ns}\0".encode())
    return command, digest.hexdigest()[:16]


def _packages(shim: Shim) -> list[str]:
    """What pkg-config says of the packages; their versions go into the name of the program."""
    if not shim.packages:
        return []
    if shutil.which("pkg-config") is None:
        raise AdapterError(f"{shim.name}: pkg-config is missing; {shim.install}")
    options = _output(["pkg-config", "--cflags", "--libs", *shim.packages], shim)
    versions = _output(["pkg-config", "--modversion", *shim.packages], shim)
    return [*shlex.split(options), f'-DSHIM_VERSIONS="{" ".join(versions.split())}"']


def _output(command: Sequence[str], shim: Shim) -> str:
    try:
        ran = subprocess.run(
            command, capture_output=True, encoding="utf-8", errors="replace", timeout=_BUILD_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise AdapterError(f"{shim.name}: {command[0]}: {error}") from error
    if ran.returncode != 0:
        said = (ran.stderr or ran.stdout).strip()[-2000:]
        raise AdapterError(f"{shim.name}: {Path(command[0]).name} failed; {shim.install}\n{said}")
    return ran.stdout


class NativeAdapter(ExecAdapter):
    """The program of a shim; what it declares is narrowed to the algorithms that the library takes."""

    def __init__(self, name: str, shim: Shim, arguments: Sequence[str] = ()) -> None:
        super().__init__(shlex.join([str(build(shim)), *arguments]))
        self.name = name
        try:
            self._narrowed = probe.narrowed(super().capabilities(), self._takes)
        except BaseException:
            self.close()
            raise

    def capabilities(self) -> Capabilities:
        return self._narrowed

    def _takes(self, sas: Sequence[Sa]) -> list[bool]:
        self.reset()
        return [isinstance(self.add_sa(sa), Done) for sa in sas]
