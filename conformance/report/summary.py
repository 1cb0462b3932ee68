"""A run in a few lines for a pull request (Markdown), and in one for a README (badge).

Names and messages come from adapters and may hold anything: what goes into Markdown is escaped for it.
"""

import re
from collections.abc import Sequence

from jinja2 import Environment

from espproof.adapters.printable import printable
from espproof.conformance.oracle.verdict import Verdict
from espproof.conformance.results import gate
from espproof.conformance.results.model import RunResult, count

MAX_ROWS = 30
"""Changes of one kind that are listed; the rest is counted."""
_COLUMNS = (
    Verdict.PASS, Verdict.FAIL, Verdict.CRASH, Verdict.HANG, Verdict.WARNING, Verdict.LACKS, Verdict.INAPPLICABLE,
)  # fmt: skip
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>()#+\-.!|~&@])")
_SVG = Environment(autoescape=True).from_string(
    """\
<svg xmlns="http://www.w3.org/2000/svg" width="{{ left + right }}" height="20" role="img" \
aria-label="{{ label }}: {{ message }}">
<title>{{ label }}: {{ message }}</title>
<rect width="{{ left }}" height="20" rx="3" fill="#444"/>
<rect x="{{ left - 3 }}" width="{{ right + 3 }}" height="20" rx="3" fill="{{ colour }}"/>
<rect x="{{ left - 3 }}" width="3" height="20" fill="{{ colour }}"/>
<g fill="#fff" text-anchor="middle" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11">
<text x="{{ left / 2 }}" y="14">{{ label }}</text>
<text x="{{ left + right / 2 }}" y="14">{{ message }}</text>
</g>
</svg>
"""
)


def markdown(runs: Sequence[RunResult], changes: Sequence[gate.Change]) -> str:
    """A table of verdicts per adapter, and what has changed, the worst first; GitHub's and GitLab's Markdown."""
    status = gate.status_of(changes)
    verdict = "as expected" if status == 0 else f"**{next(k.value for k in gate.Kind if gate.STATUS[k] == status)}**"
    lines = [f"### espproof: {verdict}", ""]
    lines.append("| adapter | version | " + " | ".join(one.value for one in _COLUMNS) + " | expected | cases |")
    lines.append("| --- | --- |" + " --: |" * (len(_COLUMNS) + 2))
    for run in runs:
        counted = count(run.requirements)
        told = [str(counted[one.value]) for one in _COLUMNS]
        cases = f"{run.cases:,}" + ("" if run.whole else " (not whole)")
        row = [_escaped(run.adapter), _escaped(run.adapter_version), *told, str(len(run.expected)), cases]
        lines.append("| " + " | ".join(row) + " |")
    for kind in gate.Kind:
        some = [change for change in changes if change.kind is kind]
        if some:
            lines += ["", f"**{kind.value}** ({len(some)})", ""]
        lines += [
            f"* `{_code(change.adapter)}` `{_code(change.what)}`: {_escaped(change.message)}"
            for change in some[:MAX_ROWS]
        ]
        if len(some) > MAX_ROWS:
            lines.append(f"* … and {len(some) - MAX_ROWS} more")
    return "\n".join(lines) + "\n"


def badge(runs: Sequence[RunResult]) -> str:
    """An SVG image, 20 pixels high: how many requirements hold, or what kind of news there is."""
    message, colour = _told(runs)
    label = "espproof"
    return _SVG.render(label=label, message=message, colour=colour, left=_width(label), right=_width(message))


def _told(runs: Sequence[RunResult]) -> tuple[str, str]:
    changes = [change for run in runs for change in gate.of_run(run)]
    status = gate.status_of(changes)
    if status:
        kind = next(kind for kind in gate.Kind if gate.STATUS[kind] == status)
        some = sum(change.kind is kind for change in changes)
        return f"{some} {kind.value}", "#b60205" if kind is not gate.Kind.UNEXPECTED_PASS else "#1a6fb0"
    passed = sum(verdict is Verdict.PASS for run in runs for verdict in run.requirements.values())
    known = sum(len(run.expected) for run in runs)
    return f"{passed} pass" + (f", {known} known" if known else ""), "#b08800" if known else "#2a7f2a"


def _width(text: str) -> int:
    """Pixels of a text at 11 px: near enough, and a little more."""
    return round(6.6 * len(text)) + 12


def _escaped(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", printable(text))


def _code(text: str) -> str:
    """Inside backticks nothing is special but a backtick; a cell ends at a bar."""
    return printable(text).replace("`", "ˋ").replace("|", "¦")
