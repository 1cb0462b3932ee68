"""SARIF 2.1.0 (OASIS): requirements as rules, deviations as results, for code-scanning pages and editors.

A result is located at the file of its counterexample, because there is no line of source to point at. Warnings and
expected deviations are results too, the latter with a suppression that carries the reason; passes are not.
"""

import json
from typing import Any

from espproof.conformance.oracle.verdict import Verdict
from espproof.conformance.report import view
from espproof.conformance.results.check import Counterexample
from espproof.conformance.results.model import RunResult
from espproof.conformance.results.record import COUNTEREXAMPLES, file_name

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
LEVELS = {
    Verdict.FAIL: "error",
    Verdict.CRASH: "error",
    Verdict.HANG: "error",
    Verdict.ADAPTER_ERROR: "error",
    Verdict.ORACLE_CONFLICT: "note",
    Verdict.WARNING: "warning",
}
"""Verdict -> SARIF level."""


def render(result: RunResult, name: str) -> bytes:
    """The SARIF log of one run; `name` is the stem of its result file."""
    found = result.counterexamples
    rules = {one.requirement: number for number, one in enumerate(found)}
    run = {
        "tool": {
            "driver": {
                "name": "espproof",
                "semanticVersion": result.espproof,
                "version": result.espproof,
                "shortDescription": {"text": "Conformance of ESP implementations with RFC 4303 and its companions"},
                "rules": [_rule(result, one) for one in found],
            }
        },
        "automationDetails": {"id": f"espproof/{file_name(result.adapter)}/{result.profile}"},
        "invocations": [_invocation(result)],
        "results": [_result(result, one, name, rules[one.requirement]) for one in found],
        "columnKind": "unicodeCodePoints",
        "properties": {
            "adapter": result.adapter,
            "adapterVersion": result.adapter_version,
            "seed": result.seed,
            "whole": result.whole,
            "verdicts": result.verdicts,
        },
    }
    log = {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}
    return json.dumps(log, indent=1).encode() + b"\n"


def _invocation(result: RunResult) -> dict[str, Any]:
    invocation: dict[str, Any] = {"executionSuccessful": result.whole}
    if not result.whole:
        text = f"The run is not whole: {result.not_whole_because}"
        invocation["toolExecutionNotifications"] = [{"level": "error", "message": {"text": text}}]
    return invocation


def _rule(result: RunResult, found: Counterexample) -> dict[str, Any]:
    name, text, url = found.requirement, view.text_of(found.requirement), view.url_of(found.requirement)
    level = view.level_of(name)
    where = f"{view.document_of(name)} section {view.section_of(name)}" if url else "espproof"
    rule: dict[str, Any] = {
        "id": name,
        "shortDescription": {"text": text},
        "fullDescription": {"text": f"{level}: {text} ({where})" if level else text},
        "help": {
            "text": f"{text}\n{where}\n{url}".strip(),
            "markdown": f"**{level or 'requirement'}** {_escaped(text)}" + (f"\n\n[{where}]({url})" if url else ""),
        },
        "defaultConfiguration": {"level": _level(result, found)},
        "properties": {"tags": [tag for tag in (view.document_of(name), level) if tag]},
    }
    return rule | ({"helpUri": url} if url else {})


def _result(result: RunResult, found: Counterexample, name: str, rule: int) -> dict[str, Any]:
    verdict = _verdict(result, found)
    reason = result.expected.get(found.requirement)
    told: dict[str, Any] = {
        "ruleId": found.requirement,
        "ruleIndex": rule,
        "kind": "fail" if LEVELS.get(verdict, "error") != "note" else "review",
        "level": _level(result, found),
        "message": {"text": f"{result.adapter}: {found.message or verdict.value}"},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": f"{COUNTEREXAMPLES}/{name}/{file_name(found.requirement)}.json"},
                    "region": {"startLine": 1},
                },
                "logicalLocations": [
                    {"name": result.adapter, "fullyQualifiedName": f"{result.adapter}/{found.check}", "kind": "module"}
                ],
            }
        ],
        "partialFingerprints": {"requirement/v1": f"{result.adapter}/{found.requirement}"},
        "properties": {"verdict": verdict.value, "check": found.check, "steps": len(found.case.steps)},
    }
    if reason is not None:
        told["suppressions"] = [{"kind": "external", "status": "accepted", "justification": reason}]
    return told


def _verdict(result: RunResult, found: Counterexample) -> Verdict:
    return result.requirements.get(found.requirement, found.verdict)


def _level(result: RunResult, found: Counterexample) -> str:
    level = LEVELS.get(_verdict(result, found), "error")
    return level if level != "note" else "none"


def _escaped(text: str) -> str:
    """Markdown that shows this text: our wording, or a stranger's id."""
    return "".join("\\" + letter if letter in "\\`*_{}[]()#+!|<>" else letter for letter in text)
