"""The JSON Schemas that we publish, made from the types: which there are, how they are made, where they lie.

    python -m espproof.adapters.schema      writes those in corpus/schema/ anew; a test says when that is due

What a schema says must not depend on the version of msgspec that made it, nor on Python's: since msgspec 0.23 and
Python 3.13 docstrings come without their indentation, since msgspec 0.22 "or null" stands behind the alternatives. Both
are brought into one form here, and a published schema is compared with today's by its content, not by its text.
"""

import inspect
import json
from importlib import import_module
from importlib.resources import files
from pathlib import Path
from typing import Any

import msgspec

from espproof.adapters.case import Case, CaseFile, Octets, SequenceNumber

DIALECT = "https://json-schema.org/draft/2020-12/schema"
PUBLISHED = {
    "case": "espproof.adapters.schema:case_schema",
    "result": "espproof.conformance.report.schema:result_schema",
    "walk": "espproof.conformance.replay.walk:Walk",
    "interop": "espproof.conformance.interop.result:Interop",
    "fuzz-result": "espproof.fuzz.triage.result:FuzzResult",
}
"""Name of a file in corpus/schema/, and its type or the function that makes it; by name, as most live further up."""

_CUSTOM = {
    Octets: {"type": "string", "pattern": r"^([0-9a-f]{2})*$(?!\n)"},
    SequenceNumber: {"type": "string", "pattern": r"^[0-9a-f]{16}$(?!\n)"},
}


def json_schema(kind: Any) -> dict[str, Any]:
    """The JSON Schema (2020-12) of a type, the same whatever version of msgspec is installed."""
    schema = {"$schema": DIALECT, **msgspec.json.schema(kind, schema_hook=lambda custom: dict(_CUSTOM[custom]))}
    if (sa := schema["$defs"].get("Sa")) is not None:
        sa["properties"]["sequence"]["default"] = "0" * 16
    return dict(_in_one_form(schema))


def _in_one_form(value: Any) -> Any:
    """Descriptions without indentation, null as the last alternative."""
    if isinstance(value, list):
        return [_in_one_form(each) for each in value]
    if not isinstance(value, dict):
        return value
    plain = {name: _in_one_form(each) for name, each in value.items()}
    if isinstance(plain.get("description"), str):
        plain["description"] = inspect.cleandoc(plain["description"])
    if isinstance(plain.get("anyOf"), list):
        plain["anyOf"].sort(key=lambda each: each == {"type": "null"})
    return plain


def case_schema() -> dict[str, Any]:
    """The JSON Schema of a case file."""
    return json_schema(Case | CaseFile)


def published(name: str) -> Path:
    """Where the schema of that name lies."""
    return Path(str(files("espproof.corpus"))) / "schema" / f"{name}.schema.json"


def current(name: str) -> dict[str, Any]:
    """The schema of that name as the code has it today, as JSON values."""
    module, _, member = PUBLISHED[name].partition(":")
    source = getattr(import_module(module), member)
    return dict(json.loads(text(json_schema(source) if isinstance(source, type) else source())))


def text(schema: dict[str, Any]) -> str:
    """A schema as it is published."""
    return json.dumps(schema, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    for each in PUBLISHED:
        published(each).write_text(text(current(each)), encoding="utf-8")
