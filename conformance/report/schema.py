"""The JSON Schema of a result, made from the types (`adapters.schema` publishes it)."""

from typing import Any

from espproof.adapters.schema import json_schema
from espproof.conformance.results.check import Counterexample
from espproof.conformance.results.model import FORMAT, VERSION, RunResult


def result_schema() -> dict[str, Any]:
    """Of what `espproof run --json` prints for one adapter, which is what `--report` writes per adapter."""
    schema = json_schema(RunResult)
    schema["$defs"] |= json_schema(Counterexample)["$defs"]
    schema["title"] = "The result of one espproof run"
    result = schema["$defs"]["RunResult"]
    result["properties"] |= {
        "format": {"const": FORMAT},
        "version": {"const": VERSION},
        "counterexamples": {
            "description": "The shortest counterexample of each requirement, gathered from `checks`.",
            "type": "array",
            "items": {"$ref": "#/$defs/Counterexample"},
        },
    }
    result["required"] = ["format", "version", *result["required"], "counterexamples"]
    return schema
