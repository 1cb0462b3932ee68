"""Builds user-mode Linux: `espproof adapters build linux`.

    what is built                                         what comes out, in the cache
    Debian's linux-source-6.12, installed                 linux/VARIANT-RECIPE-VERSION/: linux, config, about.txt
    --source VERSION: another package, or fetched         linux/labels/LABEL@IMAGE/: linux, config, about.json
    --tree PATH: a tree of the user's                     the same

What makes a variant stands in `recipe`, the steps in `work`. A package is unpacked and built in place, and removed when
the kernel is there. A tree is never written to: its objects have a folder of their own, which stays, so that the next
build compiles what has changed.
"""

import hashlib
import shutil
import time
from pathlib import Path

import msgspec

from espproof.adapters import cache
from espproof.adapters.base import AdapterError
from espproof.adapters.linux.kernel import debian, labels, tree, work
from espproof.adapters.linux.kernel.labels import About
from espproof.adapters.linux.kernel.recipe import RECIPES, Version, version_of
from espproof.adapters.linux.kernel.work import Folders, Tick, Work

VERSION: Version = (6, 12)
PACKAGE = debian.package("6.12")
INSTALL_TOOLS = "apt-get install -y make gcc flex bison bc xz-utils"
INSTALL = INSTALL_TOOLS.replace("-y", f"-y {PACKAGE}")
_TOOLS = ("make", "gcc", "flex", "bison", "bc", "tar", "xz", "strip")


def command(variant: str) -> str:
    """The command that builds a variant."""
    return "espproof adapters build linux" + (f" --variant {variant}" if variant != "plain" else "")


def image(variant: str) -> Path | None:
    """The kernel of that variant that was built last by today's recipe, None if there is none."""
    made = cache.folder("linux").glob(f"{variant}-{RECIPES[variant].digest(VERSION)}-*/linux")
    return max(made, key=lambda path: path.stat().st_mtime, default=None)


def build(variant: str, jobs: int, tick: Tick, *, keep: bool = False) -> Path:
    """The kernel of that variant, built unless it is there already. `AdapterError` says what is wrong and what helps.

    `keep` leaves the tree in which it was built, and make's log.
    """
    source = debian.installed(PACKAGE)
    if missing := [*missing_tools(), *(() if source else (PACKAGE,))]:
        raise AdapterError(f"to build a kernel there is no {', '.join(missing)}; {INSTALL}")
    assert source is not None
    assert source.archive is not None
    recipe = RECIPES[variant]
    name = f"{variant}-{recipe.digest(VERSION)}-{source.version}"
    place = cache.folder("linux") / name
    with work.lock(name) as lock, work.disk():
        run = Work(name, jobs, tick, lock)
        if not (place / "linux").is_file():
            began = time.monotonic()
            if not run.tree.is_dir():
                run.begin()
                run.unpack(source.archive, PACKAGE, recipe.edits(VERSION))
            folders = Folders(run.tree, run.tree)
            run.configure(folders, recipe, VERSION, PACKAGE, strict=True)
            run.compile(folders, recipe)
            made = run.result(folders)
            (made / "about.txt").write_text(
                f"user-mode Linux, variant {variant}, of Debian's {source}: `{command(variant)}`; "
                f"the last call took {time.monotonic() - began:.0f} s.\nconfig is the kernel's configuration.\n",
                encoding="utf-8",
            )
            made.rename(place)
        if not keep:
            run.clear()
    return place / "linux"


def build_source(version: str, variant: str, label: str, jobs: int, tick: Tick, *, keep: bool = False) -> Path:
    """Debian's kernel of that version (as 7.3) under a label, built unless it is there already.

    `Misuse` if Debian has none, `AdapterError` says what else is wrong and what helps.
    """
    package = debian.package(version)
    _need_tools()
    recipe = RECIPES[variant]
    digest = recipe.digest(version_of(version))
    with work.lock("debian", wait=True) as lock, work.disk():
        asking = Work("debian", jobs, tick, lock)
        source = debian.find(package, asking)
        asking.end()
    about = About(label=label, version=version, source=str(source), variant=variant, recipe=digest)
    name = f"{source.name}_{source.version}-{variant}-{digest}"
    with work.lock(name) as lock, work.disk():
        run = Work(name, jobs, tick, lock)
        kernel = labels.made_like(about)
        if kernel is None:
            began = time.monotonic()
            if not run.tree.is_dir():
                run.begin()
                run.unpack(source.archive or debian.fetch(source, run), package, recipe.edits(version_of(version)))
            about = msgspec.structs.replace(about, version=work.kernel_version(run.tree))
            kernel = _labelled(run, Folders(run.tree, run.tree), about, began)
        if not keep:
            run.clear()
    return kernel


def build_tree(path: Path, variant: str, label: str, jobs: int, tick: Tick) -> Path:
    """The kernel of a tree of the user's, with what has changed in it since the last time, under a label.

    `Misuse` if it is no tree that can be built, `AdapterError` says what else is wrong and what helps.
    """
    source = tree.checked(path)
    recipe = RECIPES[variant]
    _need_tools()
    version = work.kernel_version(source)
    tree.check_edits(source, recipe.edits(version_of(version)))
    commit, dirty = tree.commit(source)
    name = f"{labels.made_of(source.name)}-{hashlib.sha256(str(source).encode()).hexdigest()[:8]}-{variant}"
    with work.lock(name) as lock, work.disk():
        run = Work(name, jobs, tick, lock)
        began = time.monotonic()
        if not run.objects.is_dir():
            run.begin()
            run.objects.mkdir()
        about = About(
            label=label,
            version=version,
            source=str(source),
            commit=commit,
            dirty=dirty,
            variant=variant,
            recipe=recipe.digest(version_of(version)),
        )
        kernel = _labelled(run, Folders(source, run.objects), about, began)
        run.end()
    return kernel


def _labelled(run: Work, folders: Folders, about: About, began: float) -> Path:
    recipe = RECIPES[about.variant]
    left_out = run.configure(folders, recipe, version_of(about.version), about.source, strict=False)
    run.compile(folders, recipe)
    made = run.result(folders)
    seconds = round(time.monotonic() - began)
    return labels.keep(made, msgspec.structs.replace(about, left_out=tuple(left_out), seconds=seconds))


def missing_tools() -> list[str]:
    """Names of commands that a build needs and that are not there."""
    return [tool for tool in _TOOLS if shutil.which(tool) is None]


def _need_tools() -> None:
    if missing := missing_tools():
        raise AdapterError(f"to build a kernel there is no {', '.join(missing)}; {INSTALL_TOOLS}")
