"""Patterns that select: how `--only` is meant everywhere."""

from collections.abc import Callable, Iterable
from fnmatch import fnmatchcase
from typing import TypeVar

from espproof.reference.errors import Misuse

_Thing = TypeVar("_Thing")


def chosen(things: Iterable[_Thing], names: Callable[[_Thing], Iterable[str]], only: str, *, none: str) -> list[_Thing]:
    """Those of which one of the names fits one of the comma-separated patterns of `only`; all if that is empty.

    `Misuse` if nothing fits: its message is `none` with `{}` in the place of the patterns.
    """
    every = list(things)
    if not only:
        return every
    patterns = [pattern.strip() for pattern in only.split(",")]
    found = [thing for thing in every if any(fnmatchcase(name, one) for name in names(thing) for one in patterns)]
    if not found:
        raise Misuse(none.format(repr(only)))
    return found
