"""JUnit XML: one file per adapter, one test case per check and requirement, for the CI systems that show it.

verdict                                   test case
pass, behaviour                           passes
warning (a SHOULD)                        passes, with the message as its output
inapplicable                              skipped, with the missing capability
lacks                                     skipped, with the missing capability that should be there
a deviation that is expected              skipped, with the reason
fail, oracle-conflict                     failure, with the message and the file of the counterexample
a deviation expected that did not come    failure
crash, hang, adapter-error                error
a run that is not whole                   error, in a test case of its own
"""

import re
import xml.etree.ElementTree as ET  # written, never read
from collections.abc import Iterator
from dataclasses import dataclass

from espproof.conformance.checks.registry import all_checks
from espproof.conformance.oracle.verdict import Verdict
from espproof.conformance.report import view
from espproof.conformance.results.check import CheckResult, Counterexample
from espproof.conformance.results.model import RunResult
from espproof.conformance.results.record import COUNTEREXAMPLES, file_name

_ERRORS = frozenset({Verdict.CRASH, Verdict.HANG, Verdict.ADAPTER_ERROR})
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 cannot say, not even escaped."""


@dataclass(frozen=True, slots=True)
class _Told:
    """What is said about one test case: `kind` is failure, error, skipped, output, or "" for a pass."""

    check: str
    requirement: str
    kind: str = ""
    type: str = ""
    message: str = ""
    detail: str = ""
    seconds: float = 0.0


def render(result: RunResult, name: str) -> bytes:
    """The XML of one run; `name` is the stem of its result file."""
    told = list(_whole(result))
    for check in result.checks:
        told += _of_check(result, check, name)
    told += _unexpected_passes(result)
    totals = {
        "tests": str(len(told)),
        "failures": str(sum(one.kind == "failure" for one in told)),
        "errors": str(sum(one.kind == "error" for one in told)),
        "skipped": str(sum(one.kind == "skipped" for one in told)),
        "time": f"{result.seconds:.3f}",
    }
    suites = ET.Element("testsuites", {"name": "espproof", **totals})
    suite = ET.SubElement(suites, "testsuite", {"name": _text(f"espproof.{result.adapter}"), **totals})
    properties = ET.SubElement(suite, "properties")
    for key in (
        "espproof", "adapter", "adapter_version", "profile", "seed", "only", "whole", "cases", "digest", "drawn_with",
    ):  # fmt: skip
        ET.SubElement(properties, "property", {"name": key, "value": _text(str(getattr(result, key)))})
    for one in told:
        suite.append(_case(one, result.adapter))
    ET.indent(suites, " ")
    return bytes(ET.tostring(suites, encoding="utf-8", xml_declaration=True)) + b"\n"


def _case(told: _Told, adapter: str) -> ET.Element:
    attributes = {"classname": f"{adapter}.{told.check}", "name": told.requirement, "time": f"{told.seconds:.3f}"}
    case = ET.Element("testcase", {key: _text(value) for key, value in attributes.items()})
    if told.kind == "output":
        ET.SubElement(case, "system-out").text = _text(told.message)
    elif told.kind:
        attributes = {"message": told.message} | ({"type": told.type} if told.type else {})
        ET.SubElement(case, told.kind, {key: _text(value) for key, value in attributes.items()}).text = (
            _text(told.detail) or None
        )
    return case


def _text(text: str) -> str:
    return _NOT_XML.sub("\ufffd", text)


def _whole(result: RunResult) -> Iterator[_Told]:
    if not result.whole:
        yield _Told("run", "is whole", "error", "not-whole", result.not_whole_because or "the run is not whole")


def _of_check(result: RunResult, check: CheckResult, name: str) -> Iterator[_Told]:
    """The test cases of one check: what it is meant to verify, and whatever else it found."""
    known = all_checks().get(check.check)
    verifies = known.verifies if known is not None else ()
    found: dict[str, Counterexample] = {}
    for counterexample in check.counterexamples:
        found.setdefault(counterexample.requirement, counterexample)
    if check.verdict is Verdict.INAPPLICABLE:
        for requirement in verifies or ("?",):
            if requirement not in found:
                lacks = result.requirements.get(requirement) is Verdict.LACKS
                words = "lacks what should be there:" if lacks else "inapplicable without"
                yield _Told(check.check, requirement, "skipped", "", f"{words} {check.missing}")
    share = check.seconds / max(1, len(found) + len(verifies))
    for requirement in dict.fromkeys((*verifies, *found)):
        if requirement in found:
            yield _found(result, found[requirement], name, share)
        elif check.verdict is not Verdict.INAPPLICABLE and requirement in check.tried:
            yield _Told(check.check, requirement, seconds=share)


def _found(result: RunResult, found: Counterexample, name: str, seconds: float) -> _Told:
    verdict, reason = result.requirements.get(found.requirement, found.verdict), result.expected.get(found.requirement)
    path = f"{COUNTEREXAMPLES}/{name}/{file_name(found.requirement)}.json"
    steps = len(found.case.steps)
    detail = "\n".join(
        [
            f"{view.level_of(found.requirement)} {view.text_of(found.requirement)}".strip(),
            found.message,
            *(f"{oracle} {opinion}" for oracle, opinion in found.opinions.items()),
            f"counterexample of {steps} step{'' if steps == 1 else 's'}: {path}",
            view.url_of(found.requirement),
        ]
    ).strip()
    if found.verdict in _ERRORS:
        verdict = found.verdict
    if reason is not None:
        return _Told(found.check, found.requirement, "skipped", "", f"expected: {reason}", "", seconds)
    if verdict is Verdict.WARNING:
        return _Told(found.check, found.requirement, "output", "", f"warning: {detail}", "", seconds)
    kind = "error" if verdict in _ERRORS else "failure"
    return _Told(found.check, found.requirement, kind, found.verdict.value, found.message, detail, seconds)


def _unexpected_passes(result: RunResult) -> Iterator[_Told]:
    for requirement in result.unexpected:
        if result.requirements.get(requirement) is Verdict.PASS:
            message = "passes, though the expectation file lists it as a deviation"
            yield _Told("expectations", requirement, "failure", "unexpected-pass", message)
