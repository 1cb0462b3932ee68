"""The messages of PROTOCOL.md as types and tables, and their JSON.

Requests are steps of the case format, without what the suite notes on them, and answers are its outcomes; both with an
`id`. Only what the case format lacks is defined here: `hello`, `reset`, `batch`, `error`. How they travel is in `process`.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, TypeVar

import msgspec

from espproof.adapters.capabilities import Capabilities
from espproof.adapters.case import (
    Audit,
    Burst,
    Counters,
    Delivered,
    DeviceState,
    Done,
    Dropped,
    Emerged,
    Events,
    Host,
    Outcome,
    Passed,
    Refused,
    Sent,
    State,
    Step,
    Unsupported,
    from_plain,
    to_json,
)
from espproof.adapters.printable import printable
from espproof.adapters.schema import json_schema
from espproof.adapters.steps import STEPS, operation
from espproof.reference.algorithms import ENCRYPTION, INTEGRITY
from espproof.reference.errors import Malformed, Misuse

PROTOCOL = 1
NO_SUCH_OPERATION = "espproof_no_such_operation"
"""Sent once after the first `hello`: a program must refuse what it does not know."""
ANNOTATIONS = {"requirement": None, "behaviour": "", "expect": None, "note": ""}
"""Fields of a step that are the suite's own: an implementation is not told what is expected of it."""

_Kind = TypeVar("_Kind")
Id = Annotated[int, msgspec.Meta(ge=1, le=2**53)]


class Reset(
    msgspec.Struct,
    tag_field="op",
    tag="reset",
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    omit_defaults=True,
):
    """Forget every SA; time starts again at 0. With `host` (capability `host`), become that host, without policies."""

    host: Host | None = None


class Hello(msgspec.Struct, tag_field="op", tag="hello", frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The first request; `protocols` are the versions that the suite speaks."""

    protocols: tuple[int, ...] = (PROTOCOL,)
    suite: str = ""


class HelloAnswer(
    msgspec.Struct, tag_field="result", tag="hello", frozen=True, kw_only=True, forbid_unknown_fields=True
):
    """Who the program is and what it can do."""

    protocol: int
    capabilities: Capabilities
    name: str = "?"
    version: str = "?"
    batch: bool = False


class Error(msgspec.Struct, tag_field="result", tag="error", frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The program could make no sense of the request."""

    message: str


class Batch(msgspec.Struct, tag_field="op", tag="batch", frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Requests without `id`, carried out one after the other."""

    steps: tuple[Reset | Step, ...]


class BatchAnswer(
    msgspec.Struct, tag_field="result", tag="batch", frozen=True, kw_only=True, forbid_unknown_fields=True
):
    """One outcome per step of a batch, in order."""

    results: tuple[Outcome, ...]


RESULTS: Mapping[type, tuple[type, ...]] = {
    Reset: (Done, Refused, Unsupported),
    **{kind: row.outcomes for kind, row in STEPS.items()},
}
"""Operation -> the outcomes that go with it."""


# ------------------------------------------------------------------------------------------------------------ requests


def request(number: int, what: Hello | Reset | Step) -> bytes:
    """The line of one request."""
    return b'{"id":%d,%s\n' % (number, _bare(what)[1:])


def batch(number: int, steps: Sequence[Reset | Step]) -> bytes:
    """The line of a batch."""
    return b'{"id":%d,"op":"batch","steps":[%s]}\n' % (number, b",".join([_bare(step) for step in steps]))


def unknown(number: int) -> bytes:
    """The line of an operation that does not exist."""
    return b'{"id":%d,"op":"%s"}\n' % (number, NO_SUCH_OPERATION.encode())


def _bare(what: Hello | Reset | Step) -> bytes:
    if not isinstance(what, Hello | Reset) and (what.requirement or what.behaviour or what.expect or what.note):
        what = msgspec.structs.replace(what, **ANNOTATIONS)
    return to_json(what)


# ------------------------------------------------------------------------------------------------------------- answers


def read_answer(line: bytes, number: int) -> dict[str, Any]:
    """The members of an answer but its `id`, which must be that number. `Malformed` says what is wrong with the line."""
    try:
        answer = msgspec.json.decode(line)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise Malformed(f"not JSON: {error}: {shown(line)}") from error
    if not isinstance(answer, dict):
        raise Malformed(f"not a JSON object: {shown(line)}")
    if "result" not in answer:
        raise Malformed(f"an answer without result: {shown(line)}")
    its_number = answer.pop("id", None)
    if answer["result"] == "error":
        raise Malformed(f"the program reports an error: {read_as(answer, Error).message}")
    if its_number != number or isinstance(its_number, bool):
        raise Malformed(f"the answer has id {its_number!r:.40}, expected {number}")
    return answer


def read_as(answer: dict[str, Any], kind: type[_Kind]) -> _Kind:
    """An answer as one of our types. `Malformed` says where it departs."""
    try:
        return from_plain(answer, kind)
    except Misuse as error:  # which it would be in a file of the user's
        raise Malformed(str(error)) from error


def hello_of(answer: dict[str, Any]) -> HelloAnswer:
    """The answer to `hello`, checked. `Malformed` says what is wrong, field by field."""
    if answer["result"] == "refused":
        raise Malformed(f"the program does not speak protocol {PROTOCOL}: {read_as(answer, Refused).reason}")
    hello = read_as(answer, HelloAnswer)
    if hello.protocol != PROTOCOL:
        raise Malformed(f"the program chose protocol {hello.protocol}; offered was {PROTOCOL}")
    for problem in problems(hello.capabilities):
        raise Malformed(f"capabilities: {problem}")
    return msgspec.structs.replace(hello, capabilities=_in_own_words(hello.capabilities))


def _in_own_words(caps: Capabilities) -> Capabilities:
    """The same with the tables' own strings: msgspec leaves out a default only if it is the same object."""
    return msgspec.structs.replace(
        caps,
        encryption={ENCRYPTION[name].name: sizes for name, sizes in caps.encryption.items()},
        integrity=tuple(INTEGRITY[name].name for name in caps.integrity),
    )


def outcome_of(step: Reset | Step, answer: dict[str, Any]) -> Outcome:
    """The outcome of one operation. `Malformed` if it is none, or does not go with the operation."""
    outcome: Outcome = read_as(answer, Outcome)  # type: ignore[arg-type]  # a union is no type to mypy
    fits(step, outcome)
    return outcome


def outcomes_of(steps: Sequence[Reset | Step], answer: dict[str, Any]) -> tuple[Outcome, ...]:
    """The outcomes of a batch. `Malformed` if they are not one per step, each fit for its step."""
    if answer["result"] != "batch":
        raise Malformed(f"a batch was answered with {answer['result']!r:.40}, though batch was declared")
    results = read_as(answer, BatchAnswer).results
    if len(results) != len(steps):
        raise Malformed(f"{len(results)} results for a batch of {len(steps)} steps")
    for step, outcome in zip(steps, results, strict=True):
        fits(step, outcome)
    return results


def fits(step: Reset | Step, outcome: Outcome) -> None:
    """`Malformed` unless the outcome goes with the operation, and a burst with its packets."""
    if not isinstance(outcome, RESULTS.get(type(step), (Unsupported,))):
        raise Malformed(f"{operation(type(step))} was answered with {operation(type(outcome))!r}")
    if isinstance(outcome, Burst) and not isinstance(step, Reset):
        kind = STEPS[type(step)]
        packets = kind.packets(step)
        if len(outcome.results) != len(packets):
            raise Malformed(f"{len(outcome.results)} results for a burst of {len(packets)} packets")
        for one in outcome.results:
            if not isinstance(one, kind.each):
                raise Malformed(f"a packet of {operation(type(step))} was answered with {operation(type(one))!r}")


def shown(line: bytes | bytearray, limit: int = 120) -> str:
    """The beginning of a line for people: printable, one line."""
    text = bytes(line[: limit + 4]).decode(errors="replace").rstrip("\r\n")
    return printable(text[:limit]) + ("…" if len(line) > limit else "")


# --------------------------------------------------------------------------------------------------------- capabilities

SMALLEST_MAX_PACKET = 1500
"""What every program must take: the length sweeps go up to it."""
_NOT_EMPTY = ("encryption", "integrity", "directions", "modes", "families", "esn", "dscp", "df", "lookup")


def problems(caps: Capabilities) -> list[str]:
    """What is wrong with declared capabilities, beyond the types of their fields; one sentence each."""
    found = [f"{name} must not be empty" for name in _NOT_EMPTY if not getattr(caps, name)]
    for name, sizes in caps.encryption.items():
        if name not in ENCRYPTION:
            found.append(f"encryption: there is no {name}; there are {', '.join(ENCRYPTION)}")
        elif not sizes or not set(sizes) <= set(ENCRYPTION[name].key_sizes):
            right = ", ".join(map(str, ENCRYPTION[name].key_sizes))
            found.append(f"encryption: {name} has keys of {right} octets, not {list(sizes)}")
    found += [
        f"integrity: there is no {name}; there are {', '.join(INTEGRITY)}"
        for name in caps.integrity
        if name not in INTEGRITY
    ]
    if not found:
        found += [
            f"integrity: {name} needs {'NONE' if ENCRYPTION[name].aead else 'an algorithm other than NONE'} beside it"
            for name in caps.encryption
            if not any((other == "NONE") == ENCRYPTION[name].aead for other in caps.integrity)
        ]
    if "transport" in caps.modes and not {"4in4", "6in6"} & set(caps.families):
        found.append("families: transport mode needs 4in4 or 6in6")
    if caps.max_packet < SMALLEST_MAX_PACKET:
        found.append(f"max_packet: {caps.max_packet}; checks send packets of up to {SMALLEST_MAX_PACKET} octets")
    windows = caps.replay_windows
    if windows is not None and windows.minimum > windows.maximum:
        found.append(f"replay_windows: minimum {windows.minimum} is above maximum {windows.maximum}")
    return found


# --------------------------------------------------------------------------------------------------------------- schema


def schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of one line: a request or an answer."""
    requests = {kind.__name__: kind for kind in (Hello, Batch, *RESULTS)}
    answers = {
        kind.__name__: kind
        for kind in (
            HelloAnswer, BatchAnswer, Error, Done, Sent, Delivered, Dropped, Passed, State, Audit, Emerged, Counters,
            Events, DeviceState, Refused, Unsupported, Burst,
        )
    }  # fmt: skip
    everything: Any = (*requests.values(), *answers.values())
    definitions = json_schema(tuple[everything])["$defs"]
    for name in requests:
        for annotation in ANNOTATIONS:
            definitions[name]["properties"].pop(annotation, None)
    numbered = {f"{name}Line": _numbered(definitions[name]) for name in (*requests, *answers)}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"One line of the espproof exec protocol, version {PROTOCOL}",
        "anyOf": [{"$ref": "#/$defs/Request"}, {"$ref": "#/$defs/Answer"}],
        "$defs": {
            "Request": {"anyOf": [{"$ref": f"#/$defs/{name}Line"} for name in requests]},
            "Answer": {"anyOf": [{"$ref": f"#/$defs/{name}Line"} for name in answers]},
            **numbered,
            **definitions,
        },
    }


def _numbered(definition: dict[str, Any]) -> dict[str, Any]:
    number = {"type": "integer", "minimum": 1, "maximum": 2**53}
    return {
        **definition,
        "title": definition["title"] + "Line",
        "properties": {"id": number, **definition["properties"]},
        "required": ["id", *definition["required"]],
    }
