"""The HTML report: one page that needs nothing else, no network, no second file.

The matrix is made here, so that it is there without JavaScript and on paper; what a cell hides is embedded as JSON, one
block per counterexample, and becomes elements only when somebody asks for it (`report.js`, which only ever sets text).
A content security policy names the page's own script and style by their hashes: a string of a hostile adapter that found
a way into the markup would still not run, load or style anything.
"""

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

import espproof
from espproof.conformance.oracle.verdict import Verdict
from espproof.conformance.replay.dissect import LAYERS
from espproof.conformance.report import view
from espproof.conformance.requirements.catalogue import Level, documents, source
from espproof.conformance.results.model import RunResult

GLYPHS: Mapping[str, str] = {
    Verdict.PASS.value: "✓",
    Verdict.INAPPLICABLE.value: "–",
    Verdict.LACKS.value: "∅",
    Verdict.WARNING.value: "!",
    Verdict.ORACLE_CONFLICT.value: "≠",
    Verdict.ADAPTER_ERROR.value: "⚠",
    Verdict.HANG.value: "∞",
    Verdict.CRASH.value: "☠",
    Verdict.FAIL.value: "✗",
}
"""Verdicts do not differ by colour alone."""


@dataclass(frozen=True, slots=True)
class Download:
    """A file that belongs to a counterexample: `href` holds it (data:) or says where it lies."""

    name: str
    href: str
    size: int


@dataclass(frozen=True, slots=True)
class Column:
    """One implementation: its result, and the files of each counterexample by requirement."""

    result: RunResult
    files: Mapping[str, Sequence[Download]]


def render(columns: Sequence[Column]) -> bytes:
    """The page, as UTF-8."""
    results = [column.result for column in columns]
    runs = [view.run(result) for result in results]
    rows = view.requirements(results)
    script, style = _asset("report.js"), _asset("report.css")
    page = _template().render(
        version=espproof.__version__,
        title=", ".join(result.adapter for result in results),
        runs=runs,
        groups=_groups(rows, runs),
        levels=[level.value for level in Level],
        verdicts=[verdict.value for verdict in reversed(Verdict)],
        glyphs=GLYPHS,
        layers=LAYERS,
        blocks=list(_blocks(columns, runs, rows)),
        script=Markup(script),  # noqa: S704 -- ours
        style=Markup(style),  # noqa: S704 -- ours
        script_hash=_hash(script),
        style_hash=_hash(style),
        whole=all(result.whole for result in results),
    )
    return bytes(page.encode("utf-8", errors="replace"))


def _groups(rows: list[dict[str, Any]], runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows by document. A row is `quiet`, hidden at first, if no run says anything about it."""
    groups: dict[str, dict[str, Any]] = {}
    known = documents()
    for row in rows:
        name = row["document"]
        title = source(name).title if name in known else "What the suite itself demands"
        group = groups.setdefault(name, {"document": name, "title": title, "rows": []})
        cells = [run["cells"].get(row["id"]) for run in runs]
        group["rows"].append({**row, "cells": cells, "quiet": not any(cells)})
    order = {name: rank for rank, name in enumerate(known)}
    return sorted(groups.values(), key=lambda group: order.get(group["document"], -1))


def _blocks(columns: Sequence[Column], runs: list[dict[str, Any]], rows: list[dict[str, Any]]) -> Any:
    """(id, JSON) of what the page's script reads: one index, then a block for each counterexample."""
    index = {
        "runs": [{name: run[name] for name in ("adapter", "adapter_version", "cells", "checks")} for run in runs],
        "requirements": {row["id"]: row for row in rows},
        "checks": view.checks(),
        "layers": LAYERS,
        "glyphs": GLYPHS,
    }
    counterexamples: list[tuple[str, Markup]] = []
    for column, run in zip(columns, runs, strict=True):
        also = _also_found_by(column.result)
        for found in column.result.counterexamples:
            if found.requirement in run["cells"]:
                run["cells"][found.requirement]["block"] = f"found-{len(counterexamples)}"
            downloads = [{"name": one.name, "href": one.href, "size": one.size}
                         for one in column.files.get(found.requirement, ())]  # fmt: skip
            shown = {**view.counterexample(found), "files": downloads, "also": also.get(found.requirement, [])}
            counterexamples.append((f"found-{len(counterexamples)}", _json(shown)))
    yield "index", _json(index)
    yield from counterexamples


def _also_found_by(result: RunResult) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for check in result.checks:
        for counterexample in check.counterexamples:
            found.setdefault(counterexample.requirement, []).append(check.check)
    return found


def _json(value: Any) -> Markup:
    """JSON that can stand inside a script element: no character of it means anything to an HTML parser."""
    text = json.dumps(value, ensure_ascii=True, separators=(",", ":"))
    for letter in "<>&":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return Markup(text)  # noqa: S704 -- escaped just above


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _asset(name: str) -> str:
    return (files(__package__) / "templates" / name).read_text(encoding="utf-8")


@cache
def _template() -> Any:
    loader = FunctionLoader(_asset)
    return Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    ).get_template("report.html")
