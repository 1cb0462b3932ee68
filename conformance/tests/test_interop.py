"""Interop: right implementations are green with each other, and a mistake on either side is red in the right cells."""

import json
from importlib.resources import files
from pathlib import Path

import jsonschema
import pytest

from espproof.adapters.case import read, to_plain
from espproof.conformance.interop import histories, matrix, result
from espproof.conformance.interop.result import Expectation, InteropResult

REFERENCE = "reference"


def kinds(done: InteropResult) -> dict[tuple[str, str], set[str]]:
    found: dict[tuple[str, str], set[str]] = {}
    for one in done.findings:
        found.setdefault((one.sender, one.receiver), set()).add(one.kind)
    return found


def test_the_schema_is_the_one_of_the_types() -> None:
    published = (files("espproof.corpus") / "schema" / "interop.schema.json").read_text(encoding="utf-8")
    assert published == result.schema_text(), (
        "run: python -m espproof.conformance.interop.result > corpus/schema/interop.schema.json"
    )


@pytest.mark.parametrize(
    ("arrivals", "window", "right"),
    [
        ((1, 2, 2, 3), 32, "yyny"),
        ((1, 2, 2, 3), 0, "yyyy"),
        ((34, 2, 1, 3), 32, "ynny"),
        ((4, 1, 2, 3, 1), 4, "yyyyn"),
        ((5, 1), 4, "yn"),
    ],
)
def test_what_is_new_and_inside_the_window_is_delivered_once(
    arrivals: tuple[int, ...], window: int, right: str
) -> None:
    assert histories.delivered(arrivals, window) == [letter == "y" for letter in right]


def test_the_reference_is_green_with_itself() -> None:
    done = matrix.run([REFERENCE], only="AES_CBC-128*/tunnel/4in4/*")
    assert done.findings == []
    assert not is_news(done)
    assert done.cells[0].tried > 0


def test_the_reference_and_scapy_understand_each_other_and_no_window_is_no_red_cell() -> None:
    done = matrix.run([REFERENCE, "scapy"], only="*/4in4/w0/*")
    cells = {(cell.sender, cell.receiver): cell for cell in done.cells}
    assert cells["reference", "scapy"].tried > 0
    assert cells["reference", "scapy"].red == 0


@pytest.mark.parametrize(
    ("defect", "only", "as_sender", "as_receiver"),
    [
        ("icv-esn-high-missing", "*+*/esn/*/in-order", {"not-delivered"}, {"not-delivered"}),
        ("anti-replay-window-one-short", "AES_CBC-128*/reordered", set(), {"not-delivered"}),
        ("anti-replay-window-one-long", "AES_CBC-128*/older-than-window", set(), {"old-delivered"}),
        ("anti-replay-not-checked", "AES_CBC-128*/duplicates", set(), {"replay-delivered"}),
        ("anti-replay-stale-bits-after-jump", "AES_CBC-128*/loss", set(), {"not-delivered"}),
        ("anti-replay-burst-checked-first", "AES_CBC-128*/burst", set(), {"replay-delivered"}),
        ("padding-zeros", "AES_CBC-128*/in-order", {"not-delivered"}, set()),
        ("sequence-cycles", "AES_CBC-128*/last-numbers", {"sent-after-last"}, set()),
        ("sequence-esn-stops-at-32-bits", "AES_CBC-128*/wrap", {"not-sent"}, set()),
        ("sequence-esn-high-not-moved", "AES_CBC-128*/wrap", {"not-delivered"}, set()),
    ],
)
def test_a_mistake_is_red_where_it_is_made(defect: str, only: str, as_sender: set[str], as_receiver: set[str]) -> None:
    wrong = f"seeded:{defect}"
    found = kinds(matrix.run([REFERENCE, wrong], only=only))
    assert (REFERENCE, REFERENCE) not in found
    assert found.get((wrong, REFERENCE), set()) == as_sender
    assert found.get((REFERENCE, wrong), set()) == as_receiver


def test_a_finding_is_short_and_its_case_can_be_read_again(tmp_path: Path) -> None:
    done = matrix.run([REFERENCE, "seeded:anti-replay-not-checked"], only="AES_CBC-128*/duplicates")
    one = next(found for found in done.findings if found.sender == REFERENCE)
    assert one.received is not None
    assert len(one.received.steps) == 2
    result.write(done, tmp_path)
    pair = next((tmp_path / "interop").glob("reference-seeded*"))
    assert read(pair / "replay-delivered-received.json") == (one.received,)
    jsonschema.validate(json.loads(json.dumps(to_plain(done))), json.loads(result.schema_text()))


def is_news(done: result.InteropResult) -> bool:
    return bool(done.news)


def test_what_is_expected_is_no_news_and_what_does_not_come_is() -> None:
    done = matrix.run([REFERENCE, "seeded:padding-zeros"], only="AES_CBC-128*/in-order")
    assert is_news(done)
    known = Expectation(sender="seeded:padding-zeros", receiver="*", kind="not-delivered", reason="zeros", clause="2.4")
    other = Expectation(sender=REFERENCE, receiver=REFERENCE, kind="not-delivered", reason="none", clause="2.4")
    result.compare(done, (known,))
    assert not is_news(done)
    again = matrix.run([REFERENCE, "seeded:padding-zeros"], only="AES_CBC-128*/in-order")
    again.only = ""
    result.compare(again, (other,))
    assert again.stale
    assert is_news(again)
