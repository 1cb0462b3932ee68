"""The HTML page as text: complete, escaped, and the same information as the results."""

import json
import re
from html.parser import HTMLParser
from typing import Any

import msgspec
import pytest

from espproof.conformance.oracle.verdict import Verdict
from espproof.conformance.report import html, view
from espproof.conformance.results.model import RunResult


class _Page(HTMLParser):
    """Elements, attributes, and the content of JSON blocks."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.blocks: dict[str, Any] = {}
        self._block = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag == "script" and dict(attrs).get("type") == "application/json":
            self._block = str(dict(attrs)["id"])

    def handle_data(self, data: str) -> None:
        if self._block:
            self.blocks[self._block] = json.loads(data)
            self._block = ""


def page(*results: RunResult) -> _Page:
    return _Page(html.render([html.Column(result, {}) for result in results]).decode())


def cells(parsed: _Page) -> dict[tuple[str | None, str | None], str]:
    return {
        (attributes["data-id"], attributes["data-run"]): str(attributes["class"]).split()[1].removeprefix("v-")
        for tag, attributes in parsed.elements
        if tag == "button" and str(attributes.get("class", "")).startswith("cell ")
    }


def test_the_matrix_has_the_verdict_of_every_requirement(found: RunResult, reference: RunResult) -> None:
    there = cells(page(found, reference))
    for number, result in enumerate((found, reference)):
        for requirement, verdict in result.requirements.items():
            assert there[requirement, str(number)] == verdict.value


def test_the_page_needs_nothing_from_anywhere(found: RunResult) -> None:
    """No element loads anything; the policy forbids it besides; links lead to the RFC Editor only."""
    parsed = page(found)
    for tag, attributes in parsed.elements:
        assert not attributes.get("src")
        assert tag not in {"iframe", "object", "embed", "img"}
        if tag == "link":
            assert attributes["href"] == "data:,"
    policy = next(attributes["content"] for tag, attributes in parsed.elements if "http-equiv" in attributes)
    assert str(policy).startswith("default-src 'none'; script-src 'sha256-")


def test_hostile_strings_make_no_element(found: RunResult, hostile: RunResult) -> None:
    """The page of a hostile implementation has the same kinds of elements as any, and no handler in its markup."""
    parsed = page(hostile)
    assert {tag for tag, _ in parsed.elements} <= {tag for tag, _ in page(found).elements} | {"p", "strong"}
    assert not any(name.startswith("on") for _, attributes in parsed.elements for name in attributes)
    assert "49" not in {str(run["adapter"]) for run in parsed.blocks["index"]["runs"]}
    assert parsed.blocks["index"]["runs"][0]["adapter"] == hostile.adapter


def test_a_block_of_json_cannot_end_its_element() -> None:
    text = str(html._json({"</script>": "<!--&\u2028"}))
    assert not re.search("[<>&\u2028]", text)
    assert json.loads(text) == {"</script>": "<!--&\u2028"}


def test_a_counterexample_has_its_steps_with_expected_beside_got(found: RunResult) -> None:
    parsed = page(found)
    run = parsed.blocks["index"]["runs"][0]
    for one in found.counterexamples:
        block = parsed.blocks[run["cells"][one.requirement]["block"]]
        assert block["message"] == one.message
        assert len(block["steps"]) == len(one.case.steps)
        for packet in block["packets"]:
            edges = [field[:2] for field in packet["fields"]]
            assert [start for start, _ in edges] == [0, *(end for _, end in edges[:-1])]
            assert edges[-1][1] == packet["size"]
        if one.got is not None and one.step >= 0:
            step = block["steps"][one.step]
            assert step["got"]["says"]
            assert step["want"]["says"]


def test_what_could_not_be_tried_names_the_missing_capability(found: RunResult) -> None:
    told = view.cells(found)["RFC4303-2.6-dummy-generated"]
    assert told["verdict"] == "lacks"
    assert told["note"] == "should be there: dummy"


def test_a_run_that_is_not_whole_says_so_at_the_top(found: RunResult) -> None:
    cut = html.render([html.Column(msgspec.structs.replace(found, whole=False, not_whole_because="cut"), {})]).decode()
    assert "Not whole." in cut
    assert "Not whole." not in html.render([html.Column(found, {})]).decode()


def test_a_result_of_another_version_is_shown_all_the_same(found: RunResult) -> None:
    """Checks and requirements that this version does not know; outcomes that are missing."""
    checks = tuple(
        msgspec.structs.replace(
            check,
            check=f"old.{number}",
            counterexamples=tuple(
                msgspec.structs.replace(one, want=msgspec.structs.replace(one.want, steps=(), setup=()))
                for one in check.counterexamples
            ),
        )
        for number, check in enumerate(found.checks)
    )
    odd = msgspec.structs.replace(found, checks=checks, requirements={"RFC9999-1-x": Verdict.FAIL, "odd": Verdict.PASS})
    there = cells(page(odd))
    assert there["RFC9999-1-x", "0"] == "fail"
    assert there["odd", "0"] == "pass"


@pytest.mark.parametrize(
    ("requirement", "url"),
    [
        ("RFC4303-3.4.3-duplicate-rejected", "https://www.rfc-editor.org/rfc/rfc4303#section-3.4.3"),
        ("RFC4303-A2.1-window", "https://www.rfc-editor.org/rfc/rfc4303#appendix-A"),
        ("espproof-crash", ""),
        ("RFC\"><b>-1-x", ""),
        ("RFC1-javascript:x-y", "https://www.rfc-editor.org/rfc/rfc1"),
    ],
)  # fmt: skip
def test_a_requirement_links_to_its_section(requirement: str, url: str) -> None:
    assert view.url_of(requirement) == url


def test_eight_implementations_stay_a_page_of_reasonable_size(found: RunResult) -> None:
    many = [html.Column(msgspec.structs.replace(found, adapter=f"number-{n}"), {}) for n in range(8)]
    assert len(html.render(many)) < 8 << 20
