"""The JSON Schema of a result, generated from the types: `python -m espproof.conformance.report.schema > FILE`."""

import json
import sys
from typing import Any

from espproof.adapters.case import json_schema
from espproof.conformance.results import FORMAT, VERSION, RunResult
from espproof.conformance.runner import Counterexample


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


def text() -> str:
    """The schema as it is published."""
    return json.dumps(result_schema(), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.stdout.write(text())
