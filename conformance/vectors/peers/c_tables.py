r"""Tables in C source: initialisers of structs, read as data. Nothing is compiled, included or executed.

    struct NAME table = { … }        struct NAME table[] = { { … }, { … } }

A brace list becomes a dict by its designators (`.a.b = 1` nests, the last of two wins, as in C) or a list; adjacent string
literals become octets, and so does an array of zeros that is named; sums and products of numbers become a number; any
other lone identifier a `Name`. Everything else is `Unknown` and says its text, so that only who asks for it fails.

Of `#ifdef` and `#ifndef`, one name is defined: `__LITTLE_ENDIAN`, as on the machines that most people have. `#if` is not
evaluated but for `0` and `1`; what stands in another one is `Unknown`, and told.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from espproof.reference.errors import Misuse

DEFINED = frozenset({"__LITTLE_ENDIAN"})
MAX_DEPTH = 32
"""Of braces and parentheses."""
MAX_ZEROS = 4096
"""Octets of the longest array without an initialiser that is taken for so many zeros."""


class Name(str):
    """An identifier: an enumerator, `true`, `NULL`, a variable."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Unknown:
    """What is not understood."""

    text: str


Value = int | bytes | Name | Unknown | list["Value"] | dict[str, "Value"]


class Table(NamedTuple):
    """`value` is a dict for one struct, a list for an array of them."""

    struct: str
    name: str
    value: Value


class _Token(NamedTuple):
    kind: str
    text: str
    line: int


_TOKEN = re.compile(
    r"""(?P<space>\s+) | (?P<comment>/\*) | (?P<line_comment>//[^\n]*) | (?P<directive>\#(?:[^\n\\]|\\.)*)
    | (?P<string>"(?:[^"\\\n]|\\.)*") | (?P<number>0[xX][0-9a-fA-F]+|[0-9]+)[uUlL]* | (?P<name>[A-Za-z_]\w*)
    | (?P<punctuation><<|.)""",
    re.VERBOSE | re.DOTALL | re.ASCII,
)
_ESCAPE = re.compile(r"""\\(?:x([0-9a-fA-F]+)|([0-7]{1,3})|(.))""", re.DOTALL)
_LETTERS = {"n": 10, "t": 9, "r": 13, "a": 7, "b": 8, "f": 12, "v": 11, "\\": 92, '"': 34, "'": 39, "?": 63}


def tables(source: str, structs: frozenset[str]) -> tuple[list[Table], list[str]]:
    """The tables of these structs in the order of the source, and what was left out of it. `Misuse` if it is no C."""
    left_out: list[str] = []
    reader = _Reader(list(_compiled(source, left_out)))
    return list(reader.tables(structs)), left_out


def _tokens(source: str) -> Iterator[_Token]:
    at, line = 0, 1
    while at < len(source):
        found = _TOKEN.match(source, at)
        assert found is not None
        assert found.lastgroup is not None
        text, kind = found[0], found.lastgroup
        if kind == "comment":
            end = source.find("*/", found.end())
            if end < 0:
                raise Misuse(f"line {line}: a comment without an end")
            text = source[at : end + 2]
        elif kind not in ("space", "line_comment"):
            yield _Token(kind, found[kind], line)
        line += text.count("\n")
        at += len(text)


def _compiled(source: str, left_out: list[str]) -> Iterator[_Token]:
    """What remains behind the preprocessor. Of a condition that nobody can evaluate here, one unknown token."""
    open_: list[tuple[bool | None, int]] = []  # whether the branch is taken, None for never known; the line
    for token in _tokens(source):
        if token.kind != "directive":
            if all(taken for taken, _ in open_):
                yield token
            continue
        words = token.text[1:].split(maxsplit=1) or [""]
        word, rest = words[0], words[1].strip() if len(words) > 1 else ""
        if word in ("if", "ifdef", "ifndef"):
            taken = _taken(word, rest)
            if taken is None and all(one for one, _ in open_):
                left_out.append(f"line {token.line}: #{word} {rest}"[:100])
                yield _Token("unknown", f"#{word} {rest}"[:100], token.line)
            open_.append((taken, token.line))
        elif word in ("else", "elif", "endif"):
            if not open_:
                raise Misuse(f"line {token.line}: #{word} without #if")
            taken, line = open_.pop()
            if word == "else":
                open_.append((None if taken is None else not taken, line))
            elif word == "elif":
                left_out.append(f"line {token.line}: #elif {rest}"[:100])
                open_.append((None, line))
    if open_:
        raise Misuse(f"line {open_[-1][1]}: #if without #endif")


def _taken(word: str, rest: str) -> bool | None:
    if word == "if":
        return {"0": False, "1": True}.get(rest)
    name = rest.split(maxsplit=1)[0] if rest else ""
    return (name in DEFINED) == (word == "ifdef")


class _Reader:
    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens = tokens
        self._at = 0
        self._depth = 0
        self._zeros = dict(_zeros(tokens))

    def tables(self, structs: frozenset[str]) -> Iterator[Table]:
        while self._at < len(self._tokens):
            _, struct, name = self._texts(3) if self._text() == "struct" else ("", "", "")
            self._at += 1
            if struct not in structs:
                continue
            self._at += 2
            while self._text() not in ("=", ";", "{", "(", ")", ","):  # the size of an array, attributes
                self._at += 1
            if self._text() == "=" and self._texts(2)[1] == "{":
                self._at += 1
                yield Table(struct, name, self._value())

    def _texts(self, count: int) -> list[str]:
        return [*(token.text for token in self._tokens[self._at : self._at + count]), *[""] * count][:count]

    def _text(self) -> str:
        if self._at >= len(self._tokens):
            raise Misuse("the source ends within a table")
        return self._tokens[self._at].text

    def _value(self) -> Value:
        if self._text() != "{":
            return self._expression()
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise Misuse(f"line {self._tokens[self._at].line}: braces nested more than {MAX_DEPTH} deep")
        self._at += 1
        named: dict[str, Value] = {}
        listed: list[Value] = []
        while self._text() != "}":
            path = self._designators()
            value = self._value()
            if path:
                _put(named, path, value)
            else:
                listed.append(value)
            if self._text() == ",":
                self._at += 1
            elif self._text() != "}":
                raise Misuse(f"line {self._tokens[self._at].line}: {self._text()!r:.20} where , or }} is expected")
        self._at += 1
        self._depth -= 1
        if named and listed:
            return Unknown("designated and other values in one list")
        return named or listed

    def _designators(self) -> list[str]:
        """`.a.b =` as its names; none for a value without; an array's `[n] =` is not known here."""
        path: list[str] = []
        while self._text() == ".":
            path.append(self._texts(2)[1])
            self._at += 2
        if path:
            if self._text() != "=":
                return [*path, "?"]
            self._at += 1
        return path

    def _expression(self) -> Value:
        """Up to the comma or brace that ends it."""
        parts: list[_Token] = []
        depth = 0
        while depth or self._text() not in (",", "}"):
            if depth == 0 and self._text() == "{" and _is_cast(parts):
                return self._value()  # a compound literal: (uint8_t[]){ … }
            depth += {"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1}.get(self._text(), 0)
            if depth < 0:
                raise Misuse(f"line {self._tokens[self._at].line}: {self._text()!r:.20} without its opening")
            parts.append(self._tokens[self._at])
            self._at += 1
        value = _evaluated(parts)
        return self._zeros.get(value, value) if isinstance(value, Name) else value


def _zeros(tokens: list[_Token]) -> Iterator[tuple[str, bytes]]:
    """`static const char NAME[SIZE];`, which C fills with zeros."""
    for at, token in enumerate(tokens):
        if token.text == "char" and "static" in (tokens[at - 1].text, tokens[at - 2].text):
            texts = [one.text for one in tokens[at + 1 : at + 6]]
            if len(texts) == 5 and texts[1:4:2] == ["[", "]"] and texts[4] == ";" and texts[2].isdecimal():
                yield texts[0], bytes(min(int(texts[2][:5]), MAX_ZEROS))


def _put(into: dict[str, Value], path: list[str], value: Value) -> None:
    *parents, last = path
    for name in parents:
        below = into.get(name)
        if not isinstance(below, dict):
            below = into[name] = {}
        into = below
    into[last] = value


def _is_cast(parts: list[_Token]) -> bool:
    """`( words, * and [] )`"""
    texts = [part.text for part in parts]
    inside = all(part.kind == "name" or part.text in "*[]" for part in parts[1:-1])
    return len(parts) > 2 and texts[0] == "(" and texts[-1] == ")" and inside


def _evaluated(parts: list[_Token]) -> Value:
    text = " ".join(part.text for part in parts)[:100]
    close = next((at for at, part in enumerate(parts) if part.text == ")"), -1)
    if 0 < close < len(parts) - 1 and _is_cast(parts[: close + 1]) and parts[close + 1].kind == "string":
        parts = parts[close + 1 :]
    if parts and all(part.kind == "string" for part in parts):
        octets = [_octets(part.text) for part in parts]
        return Unknown(text) if None in octets else b"".join(one for one in octets if one is not None)
    if len(parts) == 1 and parts[0].kind == "name":
        return Name(parts[0].text)
    number = _Sum(parts).value()
    return Unknown(text) if number is None else number


def _octets(literal: str) -> bytes | None:
    """Of one string literal, without the zero that C puts behind it; None for an escape that C would refuse."""
    inside, octets, at = literal[1:-1], bytearray(), 0
    for found in _ESCAPE.finditer(inside):
        value = int(found[1], 16) if found[1] else int(found[2], 8) if found[2] else _LETTERS.get(found[3], 256)
        if value > 255:
            return None
        octets += inside[at : found.start()].encode() + bytes([value])
        at = found.end()
    return bytes(octets + inside[at:].encode())


class _Sum:
    """Sums and products of whole numbers, in parentheses or not."""

    def __init__(self, parts: list[_Token]) -> None:
        self._parts = parts
        self._at = 0

    def value(self) -> int | None:
        """None for anything else, and for what no field of these tables holds."""
        try:
            number = self._sum(0)
        except (ValueError, IndexError):
            return None
        return number if self._at == len(self._parts) and abs(number) < 1 << 64 else None

    def _next(self) -> str:
        return self._parts[self._at].text if self._at < len(self._parts) else ""

    def _sum(self, depth: int) -> int:
        number = self._product(depth)
        while self._next() in ("+", "-"):
            sign = 1 if self._next() == "+" else -1
            self._at += 1
            number += sign * self._product(depth)
        return number

    def _product(self, depth: int) -> int:
        number = self._atom(depth)
        while self._next() == "*" and abs(number) < 1 << 64:
            self._at += 1
            number *= self._atom(depth)
        return number

    def _atom(self, depth: int) -> int:
        part = self._parts[self._at]
        self._at += 1
        if part.text == "(" and depth < MAX_DEPTH:
            number = self._sum(depth + 1)
            if self._next() != ")":
                raise ValueError
            self._at += 1
            return number
        if part.kind != "number":
            raise ValueError
        octal = len(part.text) > 1 and part.text[0] == "0" and part.text[1] not in "xX"
        return int(part.text, 8 if octal else 0)
