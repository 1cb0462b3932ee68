"""A kernel tree of the user's: whether it can be built elsewhere, and what it is. Nothing is ever written into it."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from espproof.adapters.linux.kernel.recipe import Edit
from espproof.adapters.linux.kernel.work import ask
from espproof.reference.errors import Misuse

_PARTS = ("Makefile", "Kconfig", "arch/um/Makefile")
_BUILT_IN_PLACE = (".config", "include/config", "arch/um/include/generated")
"""What the kernel's Makefile takes offence at when it is to build elsewhere."""


def checked(path: Path) -> Path:
    """The folder, resolved, if it is a kernel tree that has not been built in place. `Misuse` says what helps."""
    tree = path.resolve()
    if not tree.is_dir():
        raise Misuse(f"--tree {path}: there is no such folder")
    if lacking := [part for part in _PARTS if not (tree / part).is_file()]:
        raise Misuse(f"--tree {path} is no kernel tree: there is no {', '.join(lacking)} in it")
    if left := [part for part in _BUILT_IN_PLACE if (tree / part).exists()]:
        raise Misuse(
            f"--tree {path} is not clean (there is {', '.join(left)}), and the kernel's Makefile builds only clean trees "
            f"elsewhere. Either `make -C {tree} ARCH=um mrproper`, which removes what was built there and .config, or "
            "--tree with another checkout (`git worktree add`)"
        )
    return tree


def check_edits(tree: Path, edits: Sequence[Edit]) -> None:
    """A variant that changes the source takes only a tree in which that is done. `Misuse` says what to change."""
    for edit in edits:
        text = (tree / edit.path).read_text(encoding="utf-8") if (tree / edit.path).is_file() else ""
        if edit.new not in text:
            raise Misuse(
                f"this variant needs a change of {edit.path}, and nothing is written into a tree of yours: put there "
                f"{edit.new!r} in the place of {edit.old!r}, or build another variant"
            )


def commit(tree: Path) -> tuple[str, bool]:
    """Of a git checkout, and whether it has changes that are in no commit; ("", False) of what is none."""
    top = _git(tree, "rev-parse", "--show-toplevel")
    if not top or Path(top).resolve() != tree:
        return "", False
    return _git(tree, "rev-parse", "--short=12", "HEAD"), bool(
        _git(tree, "status", "--porcelain", "--untracked-files=no")
    )


def _git(tree: Path, *arguments: str) -> str:
    """What git says; nothing if there is no git, or nothing to say."""
    if shutil.which("git") is None:
        return ""
    asked = ask("git", "--no-optional-locks", "-C", str(tree), *arguments)
    return asked.stdout.strip() if not asked.returncode else ""
