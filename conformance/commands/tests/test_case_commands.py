"""`espproof replay` and `espproof export`: exit statuses, files, one line for whatever is wrong, never a traceback."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from espproof.adapters.case import Case, CaseFile, Inbound, Octets, Outbound, Sa, SequenceNumber, from_json, to_json
from espproof.adapters.models.reference import ReferenceAdapter
from espproof.conformance.commands.cli import build
from espproof.conformance.commands.shell import CANNOT_RUN, EXPECTED, NEWS, USAGE
from espproof.conformance.export import SUFFIXES
from espproof.reference import ip

ACCEPTED = "RFC4303-3.4.4-accepted"
INNER = Octets(ip.build_ipv4(bytes([10, 1, 2, 3]), bytes([10, 4, 5, 6]), 253, b"sixteen octets.."))
SA = Sa(
    name="sa0", direction="out", spi=0x12345678, mode="tunnel", source="192.0.2.1", destination="198.51.100.2",
    encr="ENCR_AES_GCM_16", encr_key=Octets(range(16)), salt=Octets(b"salt"), sequence=SequenceNumber(7), df="clear",
    dscp=0,
)  # fmt: skip
SEND = Outbound(sa="sa0", packet=INNER, requirement="RFC4303-3.3.3-increment")
PACKET = ReferenceAdapter().execute(Case(version=1, sas=(SA,), steps=(SEND,))).steps[0].packet  # type: ignore[union-attr]
TWIN = msgspec.structs.replace(SA, direction="in", sequence=SequenceNumber(0))
CASE = Case(version=1, id="a/replayed packet", sas=(TWIN,), steps=(Inbound(packet=PACKET, requirement=ACCEPTED),) * 2)
SENDS = Case(version=1, id="sends", sas=(SA,), steps=(SEND,))


def espproof(*words: object) -> Result:
    return CliRunner().invoke(build(), [str(word) for word in words], catch_exceptions=True)


def complaint(result: Result) -> str:
    """The one line on standard error."""
    assert isinstance(result.exception, SystemExit), result.exception
    (line,) = result.stderr.splitlines()
    assert line.startswith("espproof: ")
    return line.removeprefix("espproof: ")


@pytest.fixture
def one(tmp_path: Path) -> Path:
    path = tmp_path / "one.json"
    path.write_bytes(to_json(CASE, indent=1))
    return path


@pytest.fixture
def many(tmp_path: Path) -> Path:
    path = tmp_path / "many.json"
    path.write_bytes(to_json(CaseFile(version=1, cases=(CASE, SENDS, SENDS, msgspec.structs.replace(SENDS, id="")))))
    return path


# -------------------------------------------------------------------------------------------------------------- replay


@pytest.mark.parametrize(
    ("adapters", "status"),
    [(["reference"], EXPECTED), (["seeded:anti-replay-not-checked"], NEWS), (["scapy"], CANNOT_RUN),
     (["reference", "seeded:anti-replay-not-checked", "scapy"], NEWS)],
)  # fmt: skip
def test_the_exit_status_says_how_it_went(adapters: list[str], status: int, one: Path) -> None:
    """As the reference, differences, cannot be done (scapy has no anti-replay); of several the worst."""
    result = espproof("replay", one, *adapters)
    assert result.exit_code == status, result.output
    assert "step 1" in result.stdout


def test_json_is_one_document_per_case_and_adapter(one: Path, many: Path) -> None:
    """One walk is the document itself, several are in `walks`."""
    plain = json.loads(espproof("replay", one, "reference", "--json").stdout)
    assert (plain["verdict"], plain["case"], len(plain["steps"])) == ("pass", CASE.id, 2)
    several = json.loads(espproof("replay", many, "reference", "seeded:anti-replay-not-checked", "--json").stdout)
    assert [walk["verdict"] for walk in several["walks"]] == ["pass", "fail"] + ["pass"] * 6
    chosen = json.loads(espproof("replay", many, "reference", "--id", CASE.id, "--json").stdout)
    assert chosen["case"] == CASE.id


@pytest.mark.parametrize(
    ("words", "status", "told"),
    [
        (["nothing"], USAGE, "no adapter 'nothing'"), (["seeded:nothing"], USAGE, "no seeded defect"),
        (["no_such_module:Class"], CANNOT_RUN, "no_such_module"), (["reference", "--id", "x"], USAGE, "no case 'x'"),
    ],
)  # fmt: skip
def test_what_is_not_there_is_told_in_one_line(words: list[str], status: int, told: str, one: Path) -> None:
    """An adapter, a defect, a module, an id."""
    result = espproof("replay", one, *words)
    assert result.exit_code == status
    assert told in complaint(result)


# -------------------------------------------------------------------------------------------------------------- export


@pytest.mark.parametrize("format_", SUFFIXES)
def test_a_case_goes_to_standard_output_or_to_a_file(format_: str, one: Path, tmp_path: Path) -> None:
    """The same octets."""
    result = espproof("export", one, "--format", format_)
    assert result.exit_code == EXPECTED, result.output
    path = tmp_path / f"one{SUFFIXES[format_]}"
    written = espproof("export", one, "--format", format_, "--output", path)
    assert (written.exit_code, written.output) == (EXPECTED, "")
    assert path.read_bytes() == result.stdout_bytes
    assert path.stat().st_mode & 0o777 == 0o666 & ~_umask()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_json_comes_back_as_the_case(one: Path) -> None:
    """Which makes it the way to cut a case out of a file of many."""
    assert from_json(espproof("export", one, "--format", "json").stdout, Case) == CASE


def test_many_cases_go_to_a_folder_by_their_ids(many: Path, tmp_path: Path) -> None:
    """Ids are made harmless and different; without a folder one has to be chosen."""
    refused = espproof("export", many, "--format", "pcap")
    assert refused.exit_code == USAGE
    assert "holds 4 cases" in complaint(refused)
    folder = tmp_path / "out"
    assert espproof("export", many, "--format", "pcap", "--output", folder).exit_code == EXPECTED
    assert sorted(path.name for path in folder.iterdir()) == [
        "a_replayed_packet.pcap", "many-3.pcap", "sends-2.pcap", "sends.pcap",
    ]  # fmt: skip
    single = espproof("export", many, "--format", "scapy", "--id", CASE.id)
    assert "SecurityAssociation" in single.stdout


def test_all_formats_of_one_case(one: Path, tmp_path: Path) -> None:
    """Five files in a folder."""
    assert espproof("export", one, "--format", "all").exit_code == USAGE
    assert espproof("export", one, "--format", "all", "--output", tmp_path / "all").exit_code == EXPECTED
    assert len(list((tmp_path / "all").iterdir())) == len(SUFFIXES)


def test_an_id_never_leaves_the_folder(tmp_path: Path) -> None:
    """Whatever path it looks like."""
    path = tmp_path / "evil.json"
    ids = ("../../../evil", "/etc/evil", "..", "a\0b\nc", "", "x" * 500)
    cases = tuple(msgspec.structs.replace(SENDS, id=name) for name in ids)
    path.write_bytes(to_json(CaseFile(version=1, cases=cases)))
    folder = tmp_path / "deep" / "er"
    assert espproof("export", path, "--format", "json", "--output", folder).exit_code == EXPECTED
    assert len(list(folder.iterdir())) == len(ids)
    assert sorted(tmp_path.iterdir()) == [tmp_path / "deep", path]


def test_what_cannot_be_written_is_told_in_one_line(one: Path, tmp_path: Path) -> None:
    """A file stands where a folder should be; nothing is left behind."""
    (tmp_path / "file").write_text("", encoding="utf-8")
    for words in (["pcap", "--output", tmp_path / "file" / "x.pcap"], ["all", "--output", tmp_path / "file"]):
        result = espproof("export", one, "--format", *words)
        assert result.exit_code == CANNOT_RUN
        assert str(tmp_path / "file") in complaint(result)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "one.json"]


def test_a_capture_is_refused_by_a_terminal(one: Path) -> None:
    """On a real (pseudo) terminal; text is welcome there."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "espproof", "export", str(one), "--format"]
    try:
        done = subprocess.run([*command, "pcap"], stdout=theirs, stderr=subprocess.PIPE, encoding="utf-8", check=False)
        assert (done.returncode, "nothing for a terminal" in done.stderr) == (USAGE, True)
        done = subprocess.run(
            [*command, "ip-xfrm"], stdout=theirs, stderr=subprocess.PIPE, encoding="utf-8", check=False
        )
        assert (done.returncode, done.stderr) == (EXPECTED, "")
    finally:
        os.close(theirs)
        os.close(ours)


def test_a_pipe_that_nobody_reads_is_no_error(one: Path) -> None:
    """`espproof replay … | true`."""
    for words in (["replay", str(one), "reference"], ["export", str(one), "--format", "json"]):
        with subprocess.Popen(
            [sys.executable, "-m", "espproof", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8"
        ) as process:
            assert process.stdout is not None
            process.stdout.close()
            assert process.stderr is not None
            assert process.stderr.read() == ""


# ------------------------------------------------------------------------------------------------------ hostile files


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_file_makes_a_traceback(data: st.DataObject, tmp_path: Path) -> None:
    """Octets at random, and a good file with a stretch of it replaced: done, or one line and status 2."""
    good = data.draw(st.sampled_from([to_json(CASE), to_json(SENDS), to_json(CaseFile(version=1, cases=(CASE,)))]))
    at = data.draw(st.integers(0, len(good)))
    junk = data.draw(st.binary(max_size=8) | st.sampled_from([b'"', b"{}", b"0", b"null", b"\x1b[31m", b"\\n", b"a"]))
    text = data.draw(st.sampled_from([good[:at] + junk + good[at + data.draw(st.integers(0, 9)) :], junk, good[:at]]))
    path = tmp_path / "case.json"
    path.write_bytes(text)
    words = data.draw(
        st.sampled_from([["replay", path, "reference"], *[["export", path, "--format", name] for name in SUFFIXES]])
    )
    result = espproof(*words)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code in (EXPECTED, NEWS, USAGE, CANNOT_RUN), result.output
    if result.exit_code == USAGE:
        assert complaint(result).isprintable()


@pytest.mark.parametrize(
    "text", [b"", b"[" * 100_000, b"\0" * 100, b"%PDF-1.4", b'{"format":"espproof-cases","version":1}']
)
def test_what_is_no_case_file_is_told_in_one_line(text: bytes, tmp_path: Path) -> None:
    """Status 2, and the name of the file."""
    path = tmp_path / "other"
    path.write_bytes(text)
    for words in (["replay", path, "reference"], ["export", path, "--format", "pcap"]):
        result = espproof(*words)
        assert result.exit_code == USAGE
        assert str(path) in complaint(result)


def test_a_trace_is_told_and_drawn(one: Path, tmp_path: Path) -> None:
    """Its page is where it was asked for; without a card it is said."""
    page = tmp_path / "trace.html"
    told = espproof("trace", one, "niantic")
    assert told.exit_code == EXPECTED
    assert "what the card has at the end" in told.stdout
    assert espproof("trace", one, "niantic", "--html", page).stdout == ""
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert json.loads(espproof("trace", one, "niantic", "--json").stdout)["adapter"] == "niantic"
    refused = espproof("trace", one, "reference")
    assert refused.exit_code == USAGE
    assert "no card" in complaint(refused)
