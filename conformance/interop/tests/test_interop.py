"""`espproof interop`: each kind of mistake is red in the cells of the side that makes it, and nothing else is red."""

import json
import re
from pathlib import Path

import jsonschema
import pytest
from typer.testing import CliRunner

from espproof.adapters.base import Crashed, Transcript
from espproof.adapters.capabilities import Capabilities
from espproof.adapters.case import Case, read, to_plain
from espproof.adapters.models.reference import ReferenceAdapter
from espproof.adapters.schema import published
from espproof.conformance.commands.cli import build
from espproof.conformance.interop.matrix import interop, meet
from espproof.conformance.interop.plan import common, courses, due
from espproof.conformance.interop.result import Cell, compare, read_known
from espproof.conformance.interop.trial import MAX_FAILURES, Side
from espproof.conformance.oracle.verdict import Verdict
from espproof.conformance.replay.walk import replay
from espproof.conformance.report import interop_page
from espproof.reference.errors import Misuse

ESN_CBC = "AES_CBC-128*ESN"


def cells(other: str, only: str) -> dict[str, Cell]:
    """The reference and another one; a cell is named by its sender's and receiver's first letters: `ro` is to other."""
    result = interop(["reference", other], only)
    short = {"reference": "r", other: "o"}
    return {short[cell.sender] + short[cell.receiver]: cell for cell in result.cells}


def kinds(cell: Cell) -> set[str]:
    return {found.kind for found in cell.findings}


def test_the_reference_understands_itself() -> None:
    """Nothing is red, in every combination that an algorithm of each sort takes part in."""
    (cell,) = interop(["reference"], "GCM_16").cells
    assert (cell.wrong, cell.missing) == (0, {})
    assert cell.right >= 12


@pytest.mark.parametrize(
    ("defect", "only", "red", "kind"),
    [  # the cells that must be red, and the kind of finding in the first of them
        ("icv-esn-high-missing", ESN_CBC, {"ro", "or"}, "in order: not delivered"),
        ("icv-aead-high-missing", "GCM_16-*ESN*one by one", {"ro", "or"}, "in order: not delivered"),
        ("padding-octet-fifteen-zero", "AES_CBC-128*by one", {"or"}, "in order: not delivered"),
        ("padding-sliced-after-cut", "AES_CBC-128*by one", {"ro", "oo"}, "in order: not delivered"),
        ("anti-replay-size-ignored", "GCM_16-*window 6*by one", {"ro", "oo"}, "late, inside the window: not delivered"),
        ("anti-replay-window-one-short", "GCM_16-*window*", {"ro", "oo"}, "late, inside the window: not delivered"),
        ("anti-replay-window-one-long", "GCM_16-*window*by one", {"ro", "oo"}, "late, beyond the window: replay came out"),
        ("anti-replay-not-checked", "GCM_16-*window*", {"ro", "oo"}, "received twice: replay came out"),
        ("anti-replay-burst-checked-first", "GCM_16-*window*burst", {"ro", "oo"}, "received twice: replay came out"),
        ("esn-high-lags-at-wrap", "GCM_16-*across", {"or"}, "across 2^32: not delivered"),
        ("esn-window-across-wrap", "GCM_16-*window*across", {"ro", "oo"}, "across 2^32: not delivered"),
        ("sequence-cycles", "GCM_16-*last numbers", {"or", "oo"}, "sender: number cycles"),
        ("sequence-esn-stops-at-32-bits", "GCM_16-*across", {"or", "oo"}, "sender: not sent"),
        ("format-burst-beyond-32", "GCM_16-*burst", {"or", "oo"}, "sender: not sent"),
        ("modes-next-header-of-outer", "GCM_16-*4in6*by one", {"or", "oo"}, "in order: not delivered"),
        ("udp-length-without-header", "GCM_16-*UDP*by one", {"or"}, "in order: not delivered"),
    ],
)  # fmt: skip
def test_a_defect_is_red_where_it_is(defect: str, only: str, red: set[str], kind: str) -> None:
    """A mistake of a sender shows in its row, one of a receiver in its column, and never between right ones."""
    found = cells(f"seeded:{defect}", only)
    assert not found["rr"].wrong
    assert found["rr"].right
    assert {name for name in ("ro", "or") if found[name].wrong} == red - {"oo"}
    assert "oo" not in red or found["oo"].wrong
    first = next(name for name in ("ro", "or") if name in red)
    assert kind in kinds(found[first])


def test_a_finding_comes_with_cases_that_show_it(tmp_path: Path) -> None:
    """The receiver's case is short, and `replay` of it fails on the receiver and not on the reference."""
    found = cells("seeded:anti-replay-window-one-short", "GCM_16-*window*one by one")["ro"].findings[0]
    assert found.receiver_case is not None
    assert len(found.receiver_case.steps) <= 3
    assert replay(found.receiver_case, found.receiver).verdict is Verdict.FAIL
    assert replay(found.receiver_case, "reference").verdict is Verdict.PASS
    assert replay(found.sender_case, "reference").verdict is Verdict.PASS


def test_scapy_has_no_window_which_is_not_red() -> None:
    """What scapy cannot do is not tried; its known deviations have their reasons in the file of the suite."""
    result = interop(["reference", "scapy"], "GCM_16-")
    compare(result, read_known(None))
    assert not [found for cell in result.cells for found in cell.news]
    assert [found for cell in result.cells for found in cell.findings]
    assert all(cell.right for cell in result.cells)


def test_what_is_not_in_common_is_told() -> None:
    """No pair of algorithms, no direction: a dash, with the reason."""
    gcm = Capabilities(encryption={"ENCR_AES_GCM_16": (16,)})
    null = Capabilities(encryption={"ENCR_NULL": (0,)}, integrity=("AUTH_HMAC_SHA2_256_128",))
    deaf = Capabilities(encryption={"ENCR_AES_GCM_16": (16,)}, directions=("out",))
    assert common(gcm, null) == "no encryption in common"
    assert common(gcm, deaf) == "no direction in of the receiver"
    assert not isinstance(common(deaf, gcm), str)


class Dying(ReferenceAdapter):
    """Dies of every case with steps that arrive."""

    def execute(self, case: Case) -> Transcript:
        if case.sas[0].direction == "in":
            raise Crashed("signal 11")
        return super().execute(case)


def test_who_dies_is_told_and_not_asked_for_ever() -> None:
    """A crash is a verdict about the side that died; after a few the adapter is left alone."""
    well, dying = ReferenceAdapter(), Dying()
    sender, receiver = Side("well", well, well.capabilities()), Side("dying", dying, dying.capabilities())
    cell = meet(sender, receiver, [])
    assert [(found.kind, found.verdict) for found in cell.findings] == [("receiver: crash", Verdict.CRASH)]
    assert receiver.failures == MAX_FAILURES
    assert cell.missing["an adapter that failed too often"] > 100
    assert not meet(Side("dying", dying, dying.capabilities()), sender, []).wrong


def test_what_is_due_is_what_is_new() -> None:
    """Numbers come out once, and not when they are older than the window; without a window all do."""
    assert due([1, 2, 2, 70, 7, 6, 7], 64) == [True, True, False, True, True, False, False]
    assert due([1, 1, 0], 0) == [True, True, True]


@pytest.mark.parametrize("esn", [False, True])
@pytest.mark.parametrize("window", [0, 32, 65])
def test_a_course_says_of_each_arrival_what_it_tries(esn: bool, window: int) -> None:
    """Replays are due to be dropped exactly where the name of the phase says so, and every index is sent."""
    for course in courses(esn, window):
        assert max(index for _, index in course.arrivals) < course.count
        numbers = [course.start + 1 + index for _, index in course.arrivals]
        dropped = {phase for (phase, _), comes in zip(course.arrivals, due(numbers, window), strict=True) if not comes}
        assert dropped <= {"received twice", "late, beyond the window", "received before the loss", "across 2^32"}
        assert bool(dropped) == bool(window) or course.name == "the last numbers"


def run(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(build(), ["interop", *words])
    return done.exit_code, done.output


def test_exit_status_and_expectations(tmp_path: Path) -> None:
    """0 as expected, 1 news, 2 usage, 3 an adapter that cannot start."""
    defect, only = "seeded:anti-replay-not-checked", ["--only", "GCM_16-128*window*burst"]
    status, text = run("reference", defect, *only)
    assert status == 1
    assert re.search(r"ok \d+", text)
    assert re.search(r"\d+ of \d+ red", text)
    expected = tmp_path / "known.toml"
    entry = {"sender": "*", "receiver": defect, "kind": "received twice*", "reason": "why", "clause": "RFC"}
    lines = [f"{name} = {json.dumps(value)}" for name, value in entry.items()]
    expected.write_text("\n".join(["[[deviation]]", *lines]), encoding="utf-8")
    assert run("reference", defect, *only, "--expect", str(expected))[0] == 0
    assert run("reference", "--only", "no such thing")[0] == 2
    assert run("reference", "no-such-adapter")[0] == 2
    assert run("reference", "exec:/no/such/program", *only)[0] == 3
    expected.write_text("[[deviation]]\nsender = 1\n", encoding="utf-8")
    with pytest.raises(Misuse):
        read_known(expected)


def test_a_report_holds_the_cases(tmp_path: Path) -> None:
    """Every file that the page links to is there and is a case; hostile text stays text."""
    result = interop(["reference", "seeded:anti-replay-not-checked"], "GCM_16-128*window*burst")
    result.cells[1].findings[0].got = "<script>alert(1)</script>"
    page = interop_page.write(result, tmp_path).read_text(encoding="utf-8")
    assert "<script" not in page
    links = re.findall(r'href="(interop/[^"]+)"', page)
    assert links
    for link in links:
        assert read(tmp_path / link)


def test_a_result_is_json_of_the_published_schema() -> None:
    schema = json.loads(published("interop").read_text(encoding="utf-8"))
    result = interop(["reference", "seeded:anti-replay-not-checked"], "GCM_16-128*window*burst")
    jsonschema.Draft202012Validator(schema).validate(json.loads(json.dumps(to_plain(result))))
