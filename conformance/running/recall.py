"""Cases that an earlier run drew, to be executed again: drawing and shrinking are most of a run's time.

The same seed gives the same cases, so a second run of the same suite has nothing new to draw. What is kept of each round
of a check (`check`) is its cases in their order, and the shrunk case where one of them was a finding. No outcome is
kept: implementation and reference execute everything again, and a shrunk case that does not show the same is thrown
away. What is found where there is nothing to recall, is hunted with Hypothesis.

Everything that decides which cases are drawn is part of a file's name: the files of the suite, the versions of Python and
Hypothesis, what the implementation says it is (name, version, capabilities), seed and number of examples. The command
that starts it is not: the same program elsewhere is the same, and another one under its name is another. Files are in the
cache folder (`cache`).
"""

import hashlib
import os
import platform
import shutil
import zlib
from contextlib import suppress
from functools import cache
from pathlib import Path

import hypothesis
import msgspec

import espproof
from espproof.adapters import atomic
from espproof.adapters import cache as cached
from espproof.adapters.base import Adapter
from espproof.adapters.capabilities import Capabilities
from espproof.adapters.case import Case, from_json, to_json
from espproof.reference.errors import Misuse

MOST_ROUND = 16 << 20
"""Octets of JSON that are kept of a round: sweeps over all lengths have more, and are quick to draw."""
MOST_KEPT = 1 << 30
"""Octets of all files. The runs that were used longest ago go first."""
_SOURCES = ("reference/**/*.py", "conformance/**/*.py", "adapters/*.py", "adapters/models/*.py")
"""What decides which cases are drawn. Adapters in folders of their own do so through their capabilities alone."""


class Shrunk(msgspec.Struct, frozen=True):
    """What a finding of a round was made into: the case that shows this requirement departed from in this way."""

    requirement: str
    kind: str
    case: Case


class Round(msgspec.Struct, frozen=True):
    """The cases of a round as lines of JSON, in the order in which they were drawn.

    Without `shrunk` they are all that a round has, and nothing was found; with it, the last one was a finding.
    """

    lines: tuple[bytes, ...]
    shrunk: Shrunk | None


class Recall:
    """What is kept for one adapter. A folder that cannot be written or read keeps nothing; it is never an error."""

    def __init__(self, identity: str, caps: Capabilities, home: Path | None = None) -> None:
        """`identity` is what the implementation says it is; `home` instead of the cache folder, if given."""
        versions = f"{platform.python_version()} {hypothesis.__version__} {identity}".encode()
        key = hashlib.sha256(b"\0".join((_suite(), versions, to_json(caps)))).hexdigest()[:24]
        self._folder: Path | None = None
        with suppress(OSError):
            folder = (home or cached.folder("cases")) / key
            folder.mkdir(exist_ok=True)
            os.utime(folder)
            self._folder = folder

    @classmethod
    def of(cls, adapter: Adapter, home: Path | None = None) -> "Recall":
        """What is kept for the implementation that this adapter has opened."""
        return cls(_identity(adapter), adapter.capabilities(), home)

    def read(self, check: str, seed: int, examples: int) -> Round | None:
        """The round of a check that was drawn with this seed, or None."""
        if self._folder is None:
            return None
        try:
            text = zlib.decompress(self._file(self._folder, check, seed, examples).read_bytes())
            head, *lines = text.split(b"\n")
            return Round(tuple(lines), from_json(head, Shrunk | None))  # type: ignore[arg-type]
        except (OSError, zlib.error, Misuse):
            return None

    def write(self, check: str, seed: int, examples: int, drawn: Round) -> None:
        """Keep a round, unless it is too large."""
        if self._folder is None or sum(map(len, drawn.lines)) > MOST_ROUND:
            return
        text = b"\n".join((to_json(drawn.shrunk), *drawn.lines))
        with suppress(OSError):
            atomic.write(self._file(self._folder, check, seed, examples), zlib.compress(text, 1))

    @staticmethod
    def _file(folder: Path, check: str, seed: int, examples: int) -> Path:
        return folder / f"{check}-{seed:016x}-{examples}"


def prune(most: int = MOST_KEPT) -> None:
    """Remove what was used longest ago, until no more than so many octets are kept."""
    with suppress(OSError):
        runs = []
        for folder in cached.folder("cases").iterdir():
            runs.append((folder.stat().st_mtime, sum(file.stat().st_size for file in folder.iterdir()), folder))
        kept = 0
        for _, size, folder in sorted(runs, reverse=True):
            kept += size
            if kept > most:
                shutil.rmtree(folder, ignore_errors=True)


def _identity(adapter: Adapter) -> str:
    """What it says it is. A program that does not say is its command, a class without a name is itself."""
    name = adapter.name if adapter.name != "?" else f"{type(adapter).__module__}:{type(adapter).__qualname__}"
    version = adapter.version
    return version if name.startswith("exec:") and version != "?" else f"{name} {version}"


@cache
def _suite() -> bytes:
    """A digest of the suite's own files."""
    root = Path(espproof.__file__).parent
    digest = hashlib.sha256()
    for pattern in _SOURCES:
        for path in sorted(root.glob(pattern)):
            if "tests" not in path.parts:
                digest.update(str(path.relative_to(root)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.digest()
