"""Kernels that the user has built, by the label that was given them: `linux:LABEL`.

    CACHE/linux/labels/LABEL@IMAGE/     linux, config, about.json

The one that was built last is taken. The one before it stays, for runs that have begun with it.
"""

import hashlib
import os
import re
import shutil
from pathlib import Path

import msgspec

from espproof.adapters import atomic, cache
from espproof.adapters.base import AdapterError
from espproof.reference.errors import Misuse

_FORM = re.compile(r"[a-z0-9][a-z0-9._-]*")
_KEPT = 2
"""Kernels of one label."""


class About(msgspec.Struct, frozen=True, kw_only=True):
    """What a kernel under a label is."""

    label: str
    version: str
    """As `make kernelversion` says it."""
    source: str
    """Debian's package with its version, or the folder of the tree."""
    commit: str = ""
    """Of the tree, where it is a git checkout."""
    dirty: bool = False
    """Whether the checkout had changes that are in no commit."""
    variant: str
    recipe: str
    """Digest of what the variant is made of."""
    left_out: tuple[str, ...] = ()
    """Options that the variant is made of and that this kernel does not know."""
    seconds: int = 0
    """That the last call took."""

    @property
    def origin(self) -> str:
        """Where it comes from, in words."""
        commit = f" at {self.commit}{' with changes' if self.dirty else ''}" if self.commit else ""
        variant = f", {self.variant}" if self.variant != "plain" else ""
        return f"{Path(self.source).name}{commit}{variant}"

    def __str__(self) -> str:
        return f"Linux {self.version} of {self.origin}"


def checked(label: str, taken: tuple[str, ...]) -> str:
    """The label, if it can be one; `taken` are the names that mean something else."""
    if not _FORM.fullmatch(label):
        raise Misuse(f"--as {label!r}: a label is small letters, digits and ._-, and begins with a letter or digit")
    if label in taken:
        raise Misuse(
            f"--as {label}: linux:{label} is another kernel; choose a label that is none of {', '.join(taken)}"
        )
    return label


def made_of(name: str) -> str:
    """A label that resembles the name of a folder."""
    return re.sub(r"[^a-z0-9._-]+", "-", name.lower()).strip("._-") or "tree"


def image(label: str) -> Path | None:
    """The kernel that was built last under that label, None if there is none."""
    return next(iter(_images(label)), None)


def is_labelled(kernel: Path) -> bool:
    return kernel.parent.parent == _folder()


def about(kernel: Path) -> About:
    """What is known of a kernel in its place. `AdapterError` if that is damaged."""
    path = kernel.with_name("about.json")
    try:
        return msgspec.json.decode(path.read_bytes(), type=About)
    except (OSError, msgspec.DecodeError) as error:
        raise AdapterError(f"{path} is damaged ({error}): build the kernel again") from error


def made_like(what: About) -> Path | None:
    """The kernel under that label, if it is of the same source by the same recipe."""
    kernel = image(what.label)
    try:
        there = about(kernel) if kernel else None
    except AdapterError:
        return None
    same = there and (there.source, there.variant, there.recipe) == (what.source, what.variant, what.recipe)
    return kernel if same else None


def known() -> dict[str, str]:
    """What there is: label -> what it is, in words."""
    labels = sorted({path.parent.name.partition("@")[0] for path in _folder().glob("*@*/linux")})
    found = {label: kernel for label in labels if (kernel := image(label))}
    return {label: _words(kernel) for label, kernel in found.items()}


def keep(made: Path, what: About) -> Path:
    """Give a folder with a kernel its place, and return the kernel."""
    content = msgspec.json.format(msgspec.json.encode(what), indent=1) + b"\n"
    digest = hashlib.sha256((made / "linux").read_bytes()).hexdigest()[:12]
    place = _folder() / f"{what.label}@{digest}"
    if (place / "linux").is_file():  # nothing of it has changed but, maybe, where it comes from
        atomic.write(place / "about.json", content)
        os.utime(place / "linux")
        shutil.rmtree(made)
    else:
        (made / "about.json").write_bytes(content)
        made.rename(place)
    for old in _images(what.label)[_KEPT:]:
        shutil.rmtree(old.parent, ignore_errors=True)
    return place / "linux"


def _folder() -> Path:
    return cache.folder("linux", "labels")


def _images(label: str) -> list[Path]:
    """The newest first."""
    if not _FORM.fullmatch(label):
        return []
    made = _folder().glob(f"{label}@*/linux")
    return sorted(made, key=lambda path: path.stat().st_mtime_ns, reverse=True)


def _words(kernel: Path) -> str:
    try:
        return str(about(kernel))
    except AdapterError as error:
        return str(error)
