"""Runs with atheris: what is found, what is not, and that nothing is left behind."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import pytest
from typer.testing import CliRunner

from espproof.adapters.case import read, to_json
from espproof.adapters.models.reference import ReferenceAdapter
from espproof.adapters.schema import published
from espproof.fuzz import run as running
from espproof.fuzz import seeds
from espproof.fuzz.commands import app
from espproof.fuzz.engines.libfuzzer import Limits
from espproof.fuzz.engines.process import ask, watch
from espproof.fuzz.run import CannotFuzz, Plan, run
from espproof.fuzz.targets import TARGETS
from espproof.fuzz.targets.esp_input import EspInput
from espproof.fuzz.triage import regressions
from espproof.fuzz.triage import result as kept
from espproof.fuzz.triage.regressions import may_be_saved
from espproof.reference.errors import Misuse

PLANTED = "seeded:padding-length-unchecked"
PATIENT = 120
"""Seconds for what ends by itself, earlier, unless it never does: a busy machine is no failure."""
CLI = CliRunner()
Patch = pytest.MonkeyPatch


@pytest.fixture
def needs_atheris() -> None:
    pytest.importorskip("atheris")


def children() -> set[str]:
    """Our processes that belong to fuzzing."""
    found = set()
    for path in Path("/proc").glob("[0-9]*"):
        try:
            text = (path / "cmdline").read_bytes()
            parent = (path / "stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()[1]
        except OSError:
            continue
        if b"espproof.fuzz" in text and parent == str(os.getpid()):
            found.add(path.name)
    return found


@pytest.fixture(autouse=True)
def nothing_left_behind(tmp_path: Path) -> Iterator[None]:
    """No process, no temporary folder, and the corpus as it was."""
    before = children()
    yield
    assert children() <= before
    assert not list(tmp_path.rglob("running-*"))
    for target in TARGETS.values():
        assert seeds.stale(target) == {}


def module(folder: Path, monkeypatch: Patch, body: str) -> str:
    """An adapter of a module of its own: the reference, whose `inbound` does `body` on its last SA."""
    name = f"broken_{abs(hash(body)) % 10**9}"
    text = (
        "import ctypes, os, time\nfrom espproof.adapters.models.reference import ReferenceAdapter\n\n"
        f"class Broken(ReferenceAdapter):\n    name = '{name}'\n\n    def inbound(self, packet):\n        {body}\n"
        "        return super().inbound(packet)\n"
    )
    (folder / f"{name}.py").write_text(text, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.syspath_prepend(str(folder))
    return f"{name}:Broken"


# ------------------------------------------------------------------------------------------------------- what is found


@pytest.mark.slow
def test_a_bug_behind_the_icv_is_found_by_esp_input_and_not_by_the_parser(needs_atheris: None, tmp_path: Path) -> None:
    """By the one after few executions, and by the other not after many times as many."""
    found = run(Plan(target="esp-input", adapter=PLANTED, seconds=PATIENT, seed=1, findings=1, results=tmp_path))
    assert [one.kind for one in found.findings] == ["crash"]
    assert found.whole
    first = found.findings[0]
    assert first.executions < 10_000
    assert first.reproduced
    assert first.frames[-1].startswith("espproof_seeded_padding_length_unchecked.esp:take_trailer")
    not_found = run(Plan(target="parser", adapter=PLANTED, seconds=8, seed=1, findings=1, results=tmp_path))
    assert not_found.whole
    assert not_found.findings == ()
    assert not_found.executions > 10 * first.executions


def test_a_finding_is_a_folder_with_a_case_that_replays(needs_atheris: None, tmp_path: Path) -> None:
    """The Case passes on the reference and fails on what it was found on; the input is minimised; the trace is there."""
    result = run(Plan(target="esp-input", adapter=PLANTED, seconds=PATIENT, seed=1, findings=1, results=tmp_path))
    (one,) = result.findings
    folder = Path(one.folder)
    assert {path.name for path in folder.iterdir()} == {
        "case.json", "input.bin", "minimised.bin", "finding.json", "trace.txt",
    }  # fmt: skip
    (case,) = read(folder / "case.json")
    assert regressions.differences(case, ReferenceAdapter()) == []
    assert case.source.endswith(f"--adapter {PLANTED}")
    assert len((folder / "minimised.bin").read_bytes()) <= len((folder / "input.bin").read_bytes()) == one.size
    assert "take_trailer" in (folder / "trace.txt").read_text(encoding="utf-8")
    assert kept.read(folder / "finding.json", kept.Misbehaviour) == one
    assert kept.read(folder.parent.parent / "run.json", kept.FuzzResult) == result


def test_an_input_that_hangs_ends_the_run_with_a_finding(
    needs_atheris: None, tmp_path: Path, monkeypatch: Patch
) -> None:
    """libFuzzer's limit per input; the run says that it is not whole, and why."""
    adapter = module(tmp_path, monkeypatch, "time.sleep(3600) if packet[1] == 3 else None")
    plan = Plan(
        target="esp-input", adapter=adapter, seconds=PATIENT, seed=1, results=tmp_path, limits=Limits(seconds_per_input=1),
        minimise_seconds=0,
    )  # fmt: skip
    result = run(plan)
    assert [one.kind for one in result.findings] == ["hang"]
    assert not result.whole
    assert "ended with status 70" in result.not_whole_because


def test_a_process_that_dies_ends_the_run_with_a_finding(
    needs_atheris: None, tmp_path: Path, monkeypatch: Patch
) -> None:
    """As an implementation in C would: the input that did it is kept, though it cannot be shown again in this process."""
    adapter = module(tmp_path, monkeypatch, "ctypes.string_at(0) if packet[1] == 3 else None")
    result = run(
        Plan(target="esp-input", adapter=adapter, seconds=PATIENT, seed=1, results=tmp_path, minimise_seconds=0)
    )
    assert [one.kind for one in result.findings] == ["crash"]
    assert not result.whole
    assert not result.findings[0].reproduced
    assert bytes.fromhex(result.findings[0].octets)[1] == 3


def test_several_findings_are_each_found_once(needs_atheris: None, tmp_path: Path, monkeypatch: Patch) -> None:
    """Fuzzing goes on after a finding, and what is known is not found again."""
    adapter = module(tmp_path, monkeypatch, "{}['one'] if packet[1] == 3 else [][1] if packet[1] == 1 else None")
    result = run(
        Plan(
            target="esp-input",
            adapter=adapter,
            seconds=PATIENT,
            seed=1,
            findings=2,
            results=tmp_path,
            minimise_seconds=1,
        )
    )
    assert sorted(one.message for one in result.findings) == ["IndexError: list index out of range", "KeyError: 'one'"]
    assert result.whole


# --------------------------------------------------------------------------------------------------- ends, and limits


def test_ctrl_c_ends_a_run_that_is_not_whole_and_kept(needs_atheris: None, tmp_path: Path) -> None:
    """The parent is interrupted in the midst of a run: exit status 1, the result is written, no process is left."""
    command = [sys.executable, "-m", "espproof", "fuzz", "run", "parser", "--seconds", "600", "--json"]
    parent = subprocess.Popen([*command, "--results", str(tmp_path)], stdout=subprocess.PIPE, start_new_session=True)
    log = tmp_path / "fuzz" / "parser" / "reference" / "libfuzzer.log"
    deadline = time.monotonic() + PATIENT
    while time.monotonic() < deadline and not (log.is_file() and b"NEW" in log.read_bytes()):
        time.sleep(0.1)
    os.kill(parent.pid, signal.SIGINT)
    out, _ = parent.communicate(timeout=PATIENT)
    result = json.loads(out)
    assert parent.returncode == 1
    assert result["not_whole_because"].startswith("interrupted after")
    assert not result["whole"]
    assert json.loads((log.parent / "run.json").read_text(encoding="utf-8")) == result
    assert_group_is_gone(parent.pid)


def test_the_fuzzing_process_dies_with_its_parent(needs_atheris: None, tmp_path: Path) -> None:
    """Even with a parent that is killed and can clean up nothing."""
    command = [
        sys.executable,
        "-m",
        "espproof",
        "fuzz",
        "run",
        "parser",
        "--seconds",
        "600",
        "--results",
        str(tmp_path),
    ]
    parent = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    log = tmp_path / "fuzz" / "parser" / "reference" / "libfuzzer.log"
    deadline = time.monotonic() + PATIENT
    while time.monotonic() < deadline and not (log.is_file() and b"NEW" in log.read_bytes()):
        time.sleep(0.1)
    (child,) = [name for name in os.listdir("/proc") if name.isdigit() and _parent_of(name) == str(parent.pid)]
    parent.kill()
    parent.wait()
    deadline = time.monotonic() + PATIENT
    while _parent_of(child) is not None and time.monotonic() < deadline:
        time.sleep(0.1)
    assert _parent_of(child) is None
    for left in tmp_path.rglob("running-*"):  # nobody was there to remove it; what was found is in it
        for path in sorted(left.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        left.rmdir()


def _parent_of(pid: str) -> str | None:
    try:
        state, parent = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()[:2]
    except OSError:
        return None
    return None if state == "Z" else parent


def assert_group_is_gone(group: int) -> None:
    with pytest.raises(ProcessLookupError):
        os.killpg(group, 0)


def test_a_child_that_babbles_is_cut_off_and_one_that_stays_is_killed(tmp_path: Path, monkeypatch: Patch) -> None:
    """The log is bounded, long lines are cut, and time is a limit for a child that ignores it."""
    (tmp_path / "babbler.py").write_text(
        "import signal, sys, time\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "for _ in range(400):\n    sys.stdout.write('x' * 50_000)\nprint(); print('last', flush=True)\ntime.sleep(3600)\n",
        encoding="utf-8",
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr("espproof.fuzz.engines.process.GRACE", 1)
    lines: list[str] = []
    started = time.monotonic()
    with (tmp_path / "log").open("wb") as log:
        status, interrupted = watch("babbler", "", seconds=2, log=log, line=lines.append)
    assert (status, interrupted) == (-signal.SIGKILL, False)
    assert time.monotonic() - started < PATIENT
    assert (tmp_path / "log").stat().st_size <= 8 << 20
    assert lines[-1] == "last"
    assert max(map(len, lines)) <= 4096


def test_a_process_that_answers_nothing_is_told_from_one_that_does(tmp_path: Path, monkeypatch: Patch) -> None:
    """Dying and hanging give None."""
    (tmp_path / "answers.py").write_text(
        "import sys, time\nwhat = sys.stdin.read()\n"
        "print('yes') if what == 'a' else sys.exit(3) if what == 'b' else time.sleep(3600)\n",
        encoding="utf-8",
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert ask("answers", b"a", seconds=PATIENT) == b"yes\n"
    assert ask("answers", b"b", seconds=PATIENT) is None
    assert ask("answers", b"c", seconds=1) is None


def test_an_interrupt_while_a_finding_is_minimised_leaves_no_process(tmp_path: Path, monkeypatch: Patch) -> None:
    """Ctrl-C reaches the parent; the child goes with it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored, if the tests are a background job
    (tmp_path / "sleeps.py").write_text("import time\ntime.sleep(3600)\n", encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    main = threading.main_thread().ident
    assert main is not None
    threading.Timer(1.0, lambda: signal.pthread_kill(main, signal.SIGINT)).start()
    try:
        with pytest.raises(KeyboardInterrupt):
            ask("sleeps", b"", seconds=30)
    finally:
        signal.signal(signal.SIGINT, before)


def test_an_interrupt_while_findings_are_minimised_keeps_them_all(
    needs_atheris: None, tmp_path: Path, monkeypatch: Patch
) -> None:
    """What was found is written as it was found; the run is not whole, and nothing is said of reproducing it."""

    def interrupted(order: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(running, "reproduced", interrupted)
    result = run(Plan(target="esp-input", adapter=PLANTED, seconds=PATIENT, seed=1, findings=1, results=tmp_path))
    assert [(one.kind, one.reproduced) for one in result.findings] == [("crash", None)]
    assert result.not_whole_because.startswith("interrupted after")
    assert (Path(result.findings[0].folder) / "case.json").is_file()


def test_a_full_disk_is_not_taken_for_a_finding(tmp_path: Path) -> None:
    """The process that cannot write down what it found says so, and ends with a status of its own."""
    text = (
        "import sys; from pathlib import Path; from espproof.fuzz.triage.record import Recorder\n"
        "def one_input(octets): raise ValueError\n"
        f"Recorder(one_input, Path({str(tmp_path / 'gone')!r}), 9)(b'')\n"
    )
    done = subprocess.run([sys.executable, "-c", text], check=False, capture_output=True, encoding="utf-8")
    assert done.returncode == 74
    assert "a finding cannot be written" in done.stderr


def test_without_atheris_a_run_says_how_to_install_it(monkeypatch: Patch, tmp_path: Path) -> None:
    """Exit status 3, and the rest of the commands work."""
    monkeypatch.setattr(running, "find_spec", lambda name: None)
    with pytest.raises(CannotFuzz, match=r"pip install 'espproof\[fuzz\]'"):
        run(Plan(target="parser", results=tmp_path))
    assert CLI.invoke(app, ["run", "parser", "--results", str(tmp_path)]).exit_code == 3
    assert CLI.invoke(app, ["list", "--json"]).exit_code == 0
    assert not (tmp_path / "fuzz").exists()


def test_nothing_of_the_command_line_imports_atheris() -> None:
    """`espproof --help` is quick, and works where atheris does not exist."""
    text = "import sys, espproof.__main__, espproof.fuzz.commands; sys.exit('atheris' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", text], check=False).returncode == 0


# ------------------------------------------------------------------------------------------------------- command line


def test_what_a_user_gets_wrong_is_told_with_exit_status_2(tmp_path: Path) -> None:
    """A target and an adapter that do not exist, a file that is none, a folder without results."""
    for words in (
        ["run", "nope"],
        ["run", "parser", "--adapter", "nope"],
        ["minimise", str(tmp_path / "none.bin")],
        ["report", "--results", str(tmp_path)],
        ["run", "parser", "--adapter", "scapy", "--save-regressions"],
    ):
        assert CLI.invoke(app, [*words, *(["--results", str(tmp_path)] if words[0] == "run" else [])]).exit_code == 2


def test_minimise_needs_no_atheris_and_writes_beside_the_file(tmp_path: Path, monkeypatch: Patch) -> None:
    """An input with a pad length beyond the packet becomes a shorter one that shows the same."""
    monkeypatch.setattr(running, "find_spec", lambda name: None)
    target = EspInput(ReferenceAdapter())
    packet = target.keys.seal(target.keys.new(0, bytes(98) + bytes([255, 4])))
    file = tmp_path / "input.bin"
    assert packet is not None
    file.write_bytes(packet)
    words = ["minimise", str(file), "--target", "esp-input", "--adapter", PLANTED, "--seconds", "5", "--json"]
    outcome = CLI.invoke(app, words)
    assert outcome.exit_code == 1
    small = (tmp_path / "input.minimised.bin").read_bytes()
    assert len(small) < 70
    assert json.loads(outcome.stdout)["octets"] == small.hex()
    (case,) = read(tmp_path / "input.case.json")
    assert regressions.differences(case, ReferenceAdapter()) == []
    file.write_bytes(next(iter(target.seeds().values())))
    assert CLI.invoke(app, words).exit_code == 0


def test_an_implementation_that_ends_the_process_as_if_all_were_well_is_no_mistake_of_the_user(
    tmp_path: Path, monkeypatch: Patch
) -> None:
    """Exit status 3, as for one that dies: whoever asks for an answer gets none."""
    adapter = module(tmp_path, monkeypatch, "os._exit(0)")
    file = tmp_path / "input.bin"
    file.write_bytes(next(iter(EspInput.seeds().values())))
    outcome = CLI.invoke(app, ["minimise", str(file), "--target", "esp-input", "--adapter", adapter])
    assert outcome.exit_code == 3, outcome.output


@pytest.mark.parametrize("adapter", ["scapy", "exec:./mine", "module:Class"])
def test_what_breaks_other_peoples_software_is_not_put_into_the_corpus(adapter: str) -> None:
    with pytest.raises(Misuse, match="goes to its makers first"):
        may_be_saved(adapter)


def test_a_result_is_of_the_published_schema(tmp_path: Path) -> None:
    schema = json.loads(published("fuzz-result").read_text(encoding="utf-8"))
    target = TARGETS["esp-input"](ReferenceAdapter())
    case = target.case(next(iter(target.seeds().values())))
    one = kept.Misbehaviour(
        key="k-1", kind="crash", message="m", target="esp-input", adapter="a", size=1, octets="00", reproduced=True,
        case=case,
    )  # fmt: skip
    result = kept.FuzzResult(
        espproof="0", target="esp-input", adapter="a", adapter_version="1", seed=1, seconds=1.5, whole=True, executions=1,
        executions_per_second=1, coverage=1, features=1, corpus=1, peak_rss_mib=1, findings=(one,),
    )  # fmt: skip
    jsonschema.validate(json.loads(to_json(result)), schema)
