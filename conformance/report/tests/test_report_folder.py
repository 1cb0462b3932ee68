"""The folder of a report: what is written is whole, and what is read may be anything."""

import errno
import json
import os
import resource
import shlex
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from espproof.adapters import atomic
from espproof.conformance.commands.cli import build
from espproof.conformance.report import folder
from espproof.conformance.results import record
from espproof.conformance.results.model import RunResult
from espproof.reference.errors import Misuse

RUN = ["run", "reference", "--profile", "quick", "--only", "sad.spi-zero", "--json"]


def test_a_written_result_reads_back_the_same(found: RunResult, tmp_path: Path) -> None:
    folder.write(found, tmp_path)
    ((run,), others) = folder.read(tmp_path)
    assert record.plain(run.result) == record.plain(found)
    assert others == []


def test_every_counterexample_has_its_case_in_the_folder(found: RunResult, tmp_path: Path) -> None:
    folder.write(found, tmp_path)
    names = {path.name for path in (tmp_path / "counterexamples" / "scapy").glob("*.json")}
    assert names == {f"{one.requirement}.json" for one in found.counterexamples}


def test_the_page_holds_the_files_that_lie_beside_it(found: RunResult, tmp_path: Path) -> None:
    """A capture beside the case becomes a data: link; one that is too large is linked to; nothing else is listed."""
    record.write(found, tmp_path)
    run = folder.Run(found, "scapy")
    one, other = found.counterexamples[:2]
    below = tmp_path / "counterexamples" / "scapy"
    (below / f"{one.requirement}.pcap").write_bytes(b"captured octets")
    (below / f"{other.requirement}.pcap").write_bytes(bytes(folder.MAX_EMBEDDED + 1))
    page = folder.write_page([run], tmp_path).read_text(encoding="utf-8")
    assert "Y2FwdHVyZWQgb2N0ZXRz" in page
    assert f'"href":"counterexamples/scapy/{other.requirement}.pcap"' in page
    assert page.count('.pcap"') == 3, "two names and one link"


def test_a_symbolic_link_is_not_followed_into_the_page(found: RunResult, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("a secret that nobody asked for", encoding="utf-8")
    run = folder.write(found, tmp_path / "out")
    link = tmp_path / "out" / "counterexamples" / "scapy" / f"{found.counterexamples[0].requirement}.txt"
    link.symlink_to(secret)
    assert link.name not in folder.write_page([run], tmp_path / "out").read_text(encoding="utf-8")


def test_a_hostile_requirement_id_names_no_file_outside(found: RunResult, tmp_path: Path) -> None:
    name = record.file_name("../../../etc/passwd")
    assert "/" not in name
    assert not name.startswith(".")
    bad = tuple(
        msgspec.structs.replace(
            check,
            counterexamples=tuple(
                msgspec.structs.replace(one, requirement="../../escape") for one in check.counterexamples
            ),
        )
        for check in found.checks
    )
    folder.write(msgspec.structs.replace(found, adapter="../out", checks=bad), tmp_path / "in" / "deep")
    assert [path.name for path in tmp_path.iterdir()] == ["in"]
    assert [path.name for path in (tmp_path / "in").iterdir()] == ["deep"]


def test_two_adapters_never_share_a_file_name() -> None:
    names = ["exec:./a b", "exec:./a_b", "exec:./a-b", "exec:" + "x" * 300, "exec:" + "x" * 301, "", ".", "é", "e"]
    stems = [record.file_name(name) for name in names]
    assert len(set(stems)) == len(names)
    assert all(0 < len(stem) < 120 for stem in stems)
    assert record.file_name("seeded:no-icv") == "seeded_no-icv"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "damaged or not JSON"),
        (b'{"format": "espproof-result", "version"', "damaged or not JSON"),
        (b"\xff\xfe\x00", "damaged or not JSON"),
        (b"[" * 100_000, "damaged or not JSON"),
        (b'{"format": "espproof-result", "version": 99}', "not an espproof-result of version 1"),
        (b'{"format": "espproof-result", "version": 1, "whole": "yes"}', "not a RunResult"),
    ],
)
def test_a_damaged_result_is_named_with_its_reason(tmp_path: Path, content: bytes, says: str) -> None:
    (tmp_path / "damaged.json").write_bytes(content)
    with pytest.raises(Misuse, match=says) as raised:
        folder.read(tmp_path)
    assert "damaged.json" in str(raised.value)


def test_other_json_files_are_left_alone(found: RunResult, tmp_path: Path) -> None:
    folder.write(found, tmp_path)
    (tmp_path / "score.json").write_text('{"total": 60, "format": 3}', encoding="utf-8")
    (tmp_path / "list.json").write_text("[1, 2]", encoding="utf-8")
    (tmp_path / "case.json").write_text('{"format": "espproof-case", "version": 1}', encoding="utf-8")
    runs, others = folder.read(tmp_path)
    assert [run.name for run in runs] == ["scapy"]
    assert others == ["case.json", "list.json", "score.json"]


def test_a_folder_without_results_is_a_mistake_of_usage(tmp_path: Path) -> None:
    outcome = CliRunner().invoke(build(), ["report", str(tmp_path)])
    assert outcome.exit_code == 2
    assert not (tmp_path / "report.html").exists()
    assert CliRunner().invoke(build(), ["report", str(tmp_path / "nowhere")]).exit_code == 2


def test_espproof_report_writes_where_it_is_told(found: RunResult, tmp_path: Path) -> None:
    folder.write(found, tmp_path / "in")
    page = tmp_path / "out" / "page.html"
    outcome = CliRunner().invoke(build(), ["report", str(tmp_path / "in"), "--output", str(page)])
    assert outcome.exit_code == 0, outcome.output
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_espproof_run_leaves_everything_in_the_report_folder(tmp_path: Path) -> None:
    outcome = CliRunner().invoke(build(), [*RUN, "--report", str(tmp_path)])
    assert outcome.exit_code == 0, outcome.output
    assert {path.name for path in tmp_path.iterdir()} == {
        "badge.svg", "reference.json", "reference.junit.xml", "reference.sarif", "report.html", "summary.md",
    }  # fmt: skip
    assert json.loads((tmp_path / "reference.json").read_bytes())["whole"] is True


def test_espproof_run_prints_the_command_that_replays_what_it_found(tmp_path: Path) -> None:
    folder = str(tmp_path / "with space")
    defect = "seeded:sad-spi-zero-accepted"
    arguments = ["run", defect, "--only", "RFC4303-2.1-spi-zero", "--profile", "quick", "--report", folder]
    outcome = CliRunner().invoke(build(), arguments)
    assert outcome.exit_code == 1, outcome.output
    told = next(line for line in outcome.output.splitlines() if line.startswith("replay: "))
    program, *command = shlex.split(told.removeprefix("replay: "))
    assert program == "espproof"
    assert command[-1] == defect
    again = CliRunner().invoke(build(), command)
    assert again.exit_code == 1, again.output
    assert "DIFFERS" in again.output


def test_a_report_that_cannot_be_written_is_told_before_the_run(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder", encoding="utf-8")
    outcome = CliRunner().invoke(build(), [*RUN, "--report", str(tmp_path / "file")])
    assert outcome.exit_code == 3
    assert "cases in" not in outcome.output


# -------------------------------------------------------------------------------------------------------- full disks


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "it"
    atomic.write(path, b"old")

    def full(source: object, target: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="No space left") as raised:
        atomic.write(path, b"new")
    assert raised.value.filename == str(path)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_what_is_no_regular_file_is_written_to_and_stays(tmp_path: Path) -> None:
    """`--output /dev/null` as root would otherwise leave a file in the device's place."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        atomic.write(pipe, b"octets")
        assert os.read(reader, 100) == b"octets"
    finally:
        os.close(reader)
    assert pipe.is_fifo()
    assert list(tmp_path.iterdir()) == [pipe]


def test_a_symbolic_link_stays_and_its_file_is_written(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("file")
    atomic.write(tmp_path / "link", b"octets")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "file").read_bytes() == b"octets"


def test_a_full_disk_costs_the_files_but_not_the_results(tmp_path: Path) -> None:
    """The process may write files of 4 KiB at most: one clear line, exit status 3, the results on standard output."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

    done = subprocess.run(
        [sys.executable, "-m", "espproof", *RUN, "--report", str(tmp_path / "out")],
        capture_output=True, encoding="utf-8", timeout=120, preexec_fn=limit, check=False,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},  # of which 4 KiB would be kept, and break everybody's import
    )  # fmt: skip
    assert done.returncode == 3
    assert json.loads(done.stdout)["adapter"] == "reference"
    assert "reference.json" in done.stderr.replace("\n", "")
    assert "Traceback" not in done.stderr
    assert not list((tmp_path / "out").rglob("*.json"))
    assert not list((tmp_path / "out").rglob(".*"))
