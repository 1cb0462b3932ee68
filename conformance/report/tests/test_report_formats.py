"""JUnit, SARIF and the JSON Schema: what other people's tools will read."""

import json
import xml.etree.ElementTree as ET
from collections import Counter
from typing import Any

import jsonschema
import msgspec
import pytest

from espproof.conformance.oracle.verdict import Verdict
from espproof.conformance.report import junit, sarif, schema
from espproof.conformance.results import expectations, record
from espproof.conformance.results.expectations import Expectation
from espproof.conformance.results.model import RunResult


def suite(result: RunResult) -> ET.Element:
    found = ET.fromstring(junit.render(result, "name")).find("testsuite")
    assert found is not None
    return found


def kinds(suite: ET.Element) -> Counter[str]:
    return Counter(case[0].tag if len(case) else "pass" for case in suite.iter("testcase"))


# ------------------------------------------------------------------------------------------------------------- JUnit


def test_the_totals_of_junit_are_what_its_test_cases_say(found: RunResult) -> None:
    xml = suite(found)
    told = kinds(xml)
    assert int(xml.get("tests", "")) == sum(told.values())
    assert int(xml.get("failures", "")) == told["failure"] > 0
    assert int(xml.get("errors", "")) == told["error"] > 0, "scapy crashes in modes.inner-length"
    assert int(xml.get("skipped", "")) == told["skipped"] > 0
    assert told["pass"] > 0


def test_each_counterexample_is_a_failure_or_an_error_that_names_its_file(found: RunResult) -> None:
    for one in found.counterexamples:
        case = next(case for case in suite(found).iter("testcase")
                    if case.get("name") == one.requirement and case.get("classname") == f"scapy.{one.check}")  # fmt: skip
        text = ET.tostring(case, encoding="unicode")
        assert f"counterexamples/name/{one.requirement}.json" in text
        if one.verdict is Verdict.CRASH:
            assert case[0].tag == "error"
            assert case[0].get("type") == "crash"
        elif found.requirements[one.requirement] is Verdict.FAIL:
            assert case[0].tag == "failure"


def test_a_warning_is_no_failure(found: RunResult) -> None:
    warned = [name for name, verdict in found.requirements.items() if verdict is Verdict.WARNING]
    assert warned
    for case in suite(found).iter("testcase"):
        if case.get("name") in warned:
            assert case.find("failure") is None
    assert kinds(suite(found))["system-out"] > 0


def test_an_expected_deviation_is_skipped_with_its_reason(found: RunResult) -> None:
    result = msgspec.structs.replace(found)
    deviation = next(
        one.requirement for one in found.counterexamples if found.requirements[one.requirement] is Verdict.FAIL
    )
    expectations.compare(result, (Expectation(id=deviation, reason="we know", clause="x"),))
    skipped = [case for case in suite(result).iter("testcase") if case.get("name") == deviation and len(case)]
    assert skipped
    assert all(case[0].tag == "skipped" and "we know" in case[0].get("message", "") for case in skipped)


def test_an_expected_deviation_that_does_not_come_is_a_failure(found: RunResult) -> None:
    passing = next(name for name, verdict in found.requirements.items() if verdict is Verdict.PASS)
    result = msgspec.structs.replace(found, profile="default", only="")
    expectations.compare(result, (Expectation(id=passing, reason="we thought", clause="x"),))
    types = {failure.get("type") for failure in suite(result).iter("failure")}
    assert "unexpected-pass" in types


def test_a_run_that_is_not_whole_is_an_error_in_junit(found: RunResult) -> None:
    before = int(suite(found).get("errors", ""))
    cut = msgspec.structs.replace(found, whole=False, not_whole_because="interrupted")
    assert int(suite(cut).get("errors", "")) == before + 1


def test_hostile_strings_leave_the_xml_well_formed(hostile: RunResult) -> None:
    xml = suite(hostile)
    assert "\ufffd" in (xml.get("name") or ""), "the control character was replaced"
    assert not list(xml.iter("img"))


# ------------------------------------------------------------------------------------------------------------- SARIF


def log(result: RunResult) -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(sarif.render(result, "name"))
    return parsed


def test_sarif_has_what_the_standard_requires(found: RunResult) -> None:
    """The required properties of SARIF 2.1.0 (3.13, 3.14, 3.18, 3.19, 3.27, 3.49) and that indexes fit."""
    whole = log(found)
    assert whole["version"] == "2.1.0"
    (run,) = whole["runs"]
    driver = run["tool"]["driver"]
    assert driver["name"] == "espproof"
    ids = [rule["id"] for rule in driver["rules"]]
    assert len(ids) == len(set(ids))
    for rule in driver["rules"]:
        assert rule["shortDescription"]["text"]
        assert rule["help"]["text"]
        assert rule["defaultConfiguration"]["level"] in {"none", "note", "warning", "error"}
    for result in run["results"]:
        assert ids[result["ruleIndex"]] == result["ruleId"]
        assert result["message"]["text"]
        assert result["level"] in {"none", "warning", "error"}
        assert result["kind"] == "fail" or result["level"] == "none", "3.27.9: only a fail has a level"
        (location,) = result["locations"]
        assert location["physicalLocation"]["artifactLocation"]["uri"].startswith("counterexamples/name/")
    assert all(isinstance(one["executionSuccessful"], bool) for one in run["invocations"])


def test_sarif_has_a_result_for_each_counterexample_and_links_to_the_document(found: RunResult) -> None:
    (run,) = log(found)["runs"]
    assert {one["ruleId"] for one in run["results"]} == {one.requirement for one in found.counterexamples}
    urls = {rule["id"]: rule.get("helpUri") for rule in run["tool"]["driver"]["rules"]}
    assert urls["RFC4303-2.6-dummy-discarded"] == "https://www.rfc-editor.org/rfc/rfc4303#section-2.6"
    levels = {one["ruleId"]: one["level"] for one in run["results"]}
    assert levels["RFC4303-2.6-dummy-discarded"] == "error"
    assert levels["RFC4303-2.4-padding-inspected"] == "warning"


def test_sarif_suppresses_what_is_expected(found: RunResult) -> None:
    expected = msgspec.structs.replace(found, expected={"RFC4303-2.6-dummy-discarded": "we know"})
    (run,) = log(expected)["runs"]
    for one in run["results"]:
        reasons = [suppression["justification"] for suppression in one.get("suppressions", [])]
        assert reasons == (["we know"] if one["ruleId"] == "RFC4303-2.6-dummy-discarded" else [])


def test_sarif_of_a_run_that_is_not_whole_says_so(hostile: RunResult) -> None:
    (run,) = log(hostile)["runs"]
    assert run["invocations"][0]["executionSuccessful"] is False
    assert run["invocations"][0]["toolExecutionNotifications"]


# ------------------------------------------------------------------------------------------------------------ schema


def test_a_real_result_is_of_the_schema(found: RunResult) -> None:
    jsonschema.Draft202012Validator.check_schema(schema.result_schema())
    jsonschema.validate(json.loads(json.dumps(record.plain(found))), schema.result_schema())


@pytest.mark.parametrize(
    "damage",
    [
        lambda plain: plain.pop("whole"),
        lambda plain: plain.pop("counterexamples"),
        lambda plain: plain.update(format="something else"),
        lambda plain: plain["requirements"].update(x="maybe"),
        lambda plain: plain["counterexamples"][0]["case"]["steps"].append({"op": "explode"}),
        lambda plain: plain["counterexamples"][0]["case"]["sas"][0].update(salt="NOT HEX"),
    ],
)
def test_a_damaged_result_is_not_of_the_schema(found: RunResult, damage: Any) -> None:
    plain = json.loads(json.dumps(record.plain(found)))
    damage(plain)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(plain, schema.result_schema())
