"""The published schemas are current, and the same whatever version of msgspec and Python made them."""

import json
from typing import Any

import jsonschema
import msgspec
import pytest

from espproof.adapters import schema
from espproof.adapters.case import Case


@pytest.mark.parametrize("name", schema.PUBLISHED)
def test_the_published_schemas_are_those_of_the_types(name: str) -> None:
    """Who changes a type writes them anew."""
    found = json.loads(schema.published(name).read_text(encoding="utf-8"))
    assert found == schema.current(name), "write them anew: python -m espproof.adapters.schema"
    jsonschema.Draft202012Validator.check_schema(found)


def test_no_other_file_is_published() -> None:
    """Each file in the folder has its row in the table."""
    folder = schema.published("case").parent
    assert {path.name for path in folder.iterdir()} == {schema.published(name).name for name in schema.PUBLISHED}


def test_what_a_version_of_msgspec_prints_differently_is_brought_into_one_form(monkeypatch: pytest.MonkeyPatch) -> None:
    """Indentation of descriptions, at any depth, and the place of null."""

    def made(indent: str, alternatives: list[dict[str, str]]) -> dict[str, Any]:
        described = {"description": f"One.\n\n{indent}Two,\n{indent}  deeper."}
        return {"$ref": "#", "$defs": {"A": {**described, "properties": {"description": {"anyOf": alternatives}}}}}

    seen = []
    null, other = {"type": "null"}, {"type": "string"}
    for printed in (made("    ", [null, other]), made("", [other, null])):
        monkeypatch.setattr(msgspec.json, "schema", lambda kind, schema_hook, printed=printed: printed)
        seen.append(schema.json_schema(Case))
    assert seen[0] == seen[1]
    assert seen[0]["$defs"]["A"]["description"] == "One.\n\nTwo,\n  deeper."
