"""A Case as JSON: written in one way, read or refused."""

import json
import re
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from espproof.adapters.case.scalars import Octets, SequenceNumber
from espproof.adapters.case.steps import Case, CaseFile
from espproof.reference.errors import Misuse

MAX_FILE = 64 << 20
"""Octets of the largest case file that is read; a 64 KiB packet is 128 KiB of JSON, so this is some 500 packets."""


def _encode(value: Octets | SequenceNumber) -> str:
    return value.hex() if isinstance(value, bytes) else f"{value:016x}"


def _decode(kind: type, value: Any) -> Any:
    if kind is Octets and isinstance(value, str):
        octets = Octets(bytes.fromhex(value))
        if octets.hex() == value:
            return octets
        raise ValueError("octets are lower-case hexadecimal digits and nothing else")
    if kind is SequenceNumber and isinstance(value, str):
        if _SIXTEEN_DIGITS.fullmatch(value):
            return SequenceNumber(int(value, 16))
        raise ValueError(f"a sequence number has 16 lower-case hexadecimal digits, not {value!r:.40}")
    raise ValueError(f"{kind.__name__} must be hexadecimal text, not {value!r:.40}")


_SIXTEEN_DIGITS = re.compile("[0-9a-f]{16}")


def to_json(value: Any, *, indent: int = 0) -> bytes:
    """The JSON text of a Case, step or outcome; `indent` 0 gives one line."""
    text = _ENCODER.encode(value)
    return msgspec.json.format(text, indent=indent) if indent else text


_ENCODER = msgspec.json.Encoder(enc_hook=_encode)
_Kind = TypeVar("_Kind")


def from_json(text: bytes | str, kind: type[_Kind]) -> _Kind:
    """Read one value of that type; `Misuse` says where the text departs from the format, and nothing else is raised."""
    try:
        return msgspec.json.decode(text, type=kind, dec_hook=_decode)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise Misuse(f"not {_title(kind)}: {error}") from error


def _title(kind: Any) -> str:
    return f"a {kind.__name__}" if isinstance(kind, type) else "an espproof case"


def to_plain(value: Any) -> Any:
    """The same as JSON values (dicts, lists, strings), for embedding in a larger document."""
    return msgspec.to_builtins(value, enc_hook=_encode)


def from_plain(value: Any, kind: type[_Kind]) -> _Kind:
    """The inverse of `to_plain`; `Misuse` says what is wrong."""
    try:
        return msgspec.convert(value, kind, dec_hook=_decode)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise Misuse(f"not {_title(kind)}: {error}") from error


def read(path: Path) -> tuple[Case, ...]:
    """The Cases of a file, which holds one Case or a CaseFile. `Misuse` for anything else, with the reason."""
    try:
        with path.open("rb") as file:
            text = file.read(MAX_FILE + 1)
    except (OSError, ValueError) as error:
        raise Misuse(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from error
    if len(text) > MAX_FILE:
        raise Misuse(f"{path}: larger than {MAX_FILE >> 20} MiB, not a case file")
    try:
        content = from_json(text, Case | CaseFile)  # type: ignore[arg-type]  # a union is no type to mypy
        json.loads(text, object_pairs_hook=_each_name_once)  # cannot fail otherwise: it is a case
    except Misuse as error:
        raise Misuse(f"{path}: {error}") from error
    return (content,) if isinstance(content, Case) else content.cases


def _each_name_once(pairs: list[tuple[str, Any]]) -> None:
    """RFC 8259 4: of two members with the same name one reader takes the first, another the last."""
    names = [name for name, _ in pairs]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise Misuse(f"not an espproof case: an object has two members named {twice!r:.40}")
