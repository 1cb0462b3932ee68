"""When two findings are the same one: the type of the exception and the innermost frames, or what it says.

An exception of Python's tells where it was raised: its type and the innermost frames are the finding. A `Violation` and
the death of a process tell it in words: numbers and octets in them are left out. A key is short, stable and readable,
for use as a folder's name.
"""

import hashlib
import re
import traceback
from types import TracebackType
from typing import Literal

import msgspec

from espproof.adapters.base import AdapterError, AdapterFailure, Crashed, Hung
from espproof.fuzz.targets.base import Violation

INNERMOST = 3
"""Frames that tell findings apart: with more, every way to the same mistake would be one of its own."""

VIOLATION = "Deviation"
"""The name of a `Violation` in keys, which are the names of folders and of published regressions."""
Kind = Literal["deviation", "crash", "hang", "memory", "adapter-error"]
"""deviation: a `Violation`; crash: an exception that no document allows, or a dead process; memory: over the limit."""


class Signature(msgspec.Struct, frozen=True, kw_only=True):
    """One finding's name, and what there is to say about it."""

    key: str
    kind: Kind
    message: str
    requirement: str = ""
    frames: tuple[str, ...] = ()
    """`module:function:line`, the innermost last."""
    trace: str = ""


def signature(error: BaseException) -> Signature:
    """What an exception that came out of a target stands for."""
    cause = error.__cause__ if isinstance(error, AdapterFailure) and error.__cause__ is not None else error
    name = VIOLATION if isinstance(cause, Violation) else type(cause).__name__
    told = isinstance(cause, Violation | AdapterFailure)
    frames = () if told else _innermost(cause.__traceback__)
    where = error.where if isinstance(error, Violation) else ""
    parts = (name, where, _without_numbers(str(cause))) if told or not frames else (name, *frames)
    return Signature(
        key=key_of(*parts),
        kind=_kind(error),
        message=str(cause) if isinstance(cause, Violation) else f"{name}: {cause}"[:500],
        requirement=error.requirement if isinstance(error, Violation) else "",
        frames=frames,
        trace="".join(traceback.format_exception(cause))[-20_000:],
    )


def key_of(*parts: str) -> str:
    """A name for these parts: the first, readable, and a digest of all."""
    digest = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:8]
    return f"{re.sub(r'[^A-Za-z0-9]+', '-', parts[0]).strip('-').lower() or 'finding'}-{digest}"


def _kind(error: BaseException) -> Kind:
    if isinstance(error, Violation):
        return "deviation"
    if isinstance(error, Hung):
        return "hang"
    if isinstance(error, MemoryError):
        return "memory"
    return "adapter-error" if isinstance(error, AdapterError) and not isinstance(error, Crashed) else "crash"


def _innermost(trace: TracebackType | None) -> tuple[str, ...]:
    frames = [(frame.f_globals.get("__name__", "?"), frame, line) for frame, line in traceback.walk_tb(trace)]
    return tuple(f"{module}:{frame.f_code.co_name}:{line}" for module, frame, line in frames[-INNERMOST:])


def _without_numbers(text: str) -> str:
    return re.sub(r"0x[0-9a-f]+|[0-9]+|[0-9a-f]{8,}", "N", text)
