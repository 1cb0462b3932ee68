"""Programs that break the protocol in every way we know: the right failure, the next case works, nothing is left."""

import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from espproof.adapters.base import AdapterError, AdapterFailure, Crashed, Hung, Transcript
from espproof.adapters.case import AddSa, AdvanceTime, Case, DeleteSa, Done, Dropped, Inbound, Octets, Sa
from espproof.adapters.exec import process
from espproof.adapters.exec.client import ExecAdapter
from espproof.reference.errors import Misuse

PROGRAM = Path(__file__).with_name("broken_program.py")
SA = Sa(
    name="a",
    direction="in",
    spi=0x1234,
    mode="tunnel",
    source="192.0.2.1",
    destination="192.0.2.2",
    encr="ENCR_NULL",
    auth="AUTH_HMAC_SHA2_256_128",
    auth_key=Octets(bytes(32)),
)
CASE = Case(
    version=1,
    sas=(SA,),
    steps=(Inbound(packet=Octets(b"\x45")), AddSa(sa=SA), DeleteSa(sa="a"), AdvanceTime(seconds=1)),
)
RIGHT = Transcript((Done(),), (Dropped(), Done(), Done(), Done()))
PATIENT, IMPATIENT = 60.0, 1.5
"""Time limits in seconds: of faults that are seen at once, and of those that are not."""

FAULTS = [
    ("exit", Crashed, "ended with exit status 7"),
    ("exit-cleanly", Crashed, "ended with exit status 0"),
    ("segfault", Crashed, "killed by SIGSEGV"),
    (
        "abort", Crashed,
        r"killed by SIGABRT; standard error ends: assertion \\x1b\[31mwindow > 0\\x1b\[0m failed at esp.c:42",
    ),
    ("hang", Hung, r"no answer within 1\.5 s$"),
    ("stop", Hung, r"no answer within 1\.5 s \(it is stopped\)"),
    ("deaf", Hung, "no answer within"),
    ("flood-for-ever", Hung, "no answer within .*noise and noise again"),
    ("half-line", Hung, 'only half a line: {"id":'),
    ("half-line-and-exit", Crashed, r'closed|ended with exit status 0'),
    ("banner", AdapterError, "not JSON.*Welcome to my ESP!"),
    ("debug-line", AdapterError, "answered more than once|DEBUG"),
    ("big-answer", AdapterError, "an answer of more than 64 MiB"),
    ("not-utf-8", AdapterError, "not JSON"),
    ("nul-octets", AdapterError, "not JSON"),
    ("empty-line", AdapterError, "not JSON"),
    ("deep-nesting", AdapterError, "not JSON"),
    ("deep-member", AdapterError, "not JSON"),
    ("huge-number", AdapterError, "batch was answered with|not JSON"),
    ("huge-id", AdapterError, "the answer has id|not JSON"),
    ("not-an-object", AdapterError, r"not a JSON object: \[1,2,3\]"),
    ("no-result", AdapterError, "without result"),
    ("no-id", AdapterError, "has id None, expected 3"),
    ("wrong-id", AdapterError, "has id 4, expected 3"),
    ("text-id", AdapterError, "has id '3', expected 3"),
    ("wrong-result", AdapterError, "a batch was answered with 'unheard-of'"),
    ("result-is-a-list", AdapterError, "a batch was answered with"),
    ("unknown-member", AdapterError, "unknown field `extra`"),
    ("twice", AdapterError, "answered more than once: {"),
    ("error", AdapterError, "the program reports an error|not a Error"),
    ("close-output", Crashed, "closed its standard output, but still runs"),
    ("grandchild", Crashed, "ended with exit status 3"),
    ("stray-grandchild", Crashed, "killed by SIGSEGV"),
    ("too-few-results", AdapterError, "0 results for a batch of 6 steps"),
    ("wrong-kind", AdapterError, "reset was answered with 'dropped'"),
    ("single-exit", Crashed, "ended with exit status 7"),
    ("single-hang", Hung, "no answer within"),
    ("single-wrong-kind", AdapterError, "inbound was answered with 'done'"),
    ("single-ill-typed", AdapterError, r"Expected `str`, got `int` - at `\$.reason`"),
    ("single-upper-case", AdapterError, "lower-case hexadecimal"),
    ("single-odd-digits", AdapterError, r"\$.packet"),
]  # fmt: skip


def program(fault: str, folder: Path, *more: str) -> str:
    return shlex.join([sys.executable, str(PROGRAM), fault, str(folder), *more])


def left_over(folder: Path, seconds: float = 0.0) -> list[int]:
    """The processes that the program has noted and that are still there (after so long at most)."""
    until = time.monotonic() + seconds
    while True:
        pids = [int(pid) for pid in (folder / "pids").read_text(encoding="utf-8").split()]
        there = [pid for pid in pids if Path(f"/proc/{pid}").exists()]
        if not there or time.monotonic() > until:
            return there
        time.sleep(0.02)


def children() -> set[str]:
    """Process ids of this process's children, zombies included."""
    return set(Path(f"/proc/self/task/{os.getpid()}/children").read_text(encoding="utf-8").split())


@pytest.mark.parametrize(("fault", "kind", "message"), FAULTS, ids=[fault for fault, _, _ in FAULTS])
def test_a_fault_has_its_failure_and_the_next_case_works(
    tmp_path: Path, fault: str, kind: type[AdapterFailure], message: str
) -> None:
    """Each fault is told as what it is, at once a fresh process carries out the next case, and nothing is left behind."""
    with ExecAdapter(program(fault, tmp_path), seconds=IMPATIENT if kind is Hung else PATIENT) as adapter:
        with pytest.raises(AdapterFailure) as caught:
            adapter.execute(CASE)
        assert type(caught.value) is kind, caught.value
        assert re.search(message, str(caught.value)), caught.value
        assert left_over(tmp_path) == [], "the broken process, or one that it started, is still there"
        assert adapter.execute(CASE) == RIGHT
        assert adapter.execute(CASE) == RIGHT
    assert len((tmp_path / "pids").read_text(encoding="utf-8").split()) >= 2, (
        "the second case ran in a process of its own"
    )
    assert left_over(tmp_path) == []


@pytest.mark.parametrize(
    ("fault", "operation"),
    [
        *((fault, operation) for fault in ("exit", "single-exit")
          for operation in ("reset", "add_sa", "delete_sa", "inbound", "advance_time")),
        ("exit", "batch"),
    ],
)  # fmt: skip
def test_a_death_at_any_operation_is_a_crash(tmp_path: Path, fault: str, operation: str) -> None:
    """Whatever the operation at which the program dies, it is a crash and the next case works. A program without batches
    is never asked for one."""
    with ExecAdapter(program(fault, tmp_path, operation), seconds=PATIENT) as adapter:
        with pytest.raises(Crashed, match="exit status 7"):
            adapter.execute(CASE)
        assert adapter.execute(CASE) == RIGHT
    assert left_over(tmp_path) == []


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("exit", "did not start: .* ended with exit status 7"),
        ("segfault", "did not start: .* killed by SIGSEGV"),
        ("hang", "did not start: no answer within"),
        ("banner", "did not start: not JSON.*Welcome"),
        ("close-output", "did not start: .*closed its standard output"),
        ("wrong-id", "did not start: the answer has id 2"),
        ("twice", "did not start: .*answered more than once"),
    ],
)
def test_a_program_that_does_not_start_is_an_adapter_error(tmp_path: Path, fault: str, message: str) -> None:
    """Until `hello` is answered there is no implementation to blame: death and silence are errors of the adapter."""
    with pytest.raises(AdapterError, match=message):
        ExecAdapter(program(fault, tmp_path, "hello"), hello_seconds=IMPATIENT if fault == "hang" else PATIENT)
    assert left_over(tmp_path) == []


def test_a_program_that_floods_standard_error_and_answers_is_right(tmp_path: Path) -> None:
    """Four megabytes on standard error are read along the way and disturb nothing."""
    with ExecAdapter(program("flood-then-answer", tmp_path), seconds=PATIENT) as adapter:
        first = adapter.execute(CASE)
    assert first == RIGHT
    assert left_over(tmp_path) == []


def test_a_program_that_closes_its_input_crashes_at_the_next_case(tmp_path: Path) -> None:
    """An answer that was given counts; that nobody listens any more is seen when the next question is asked."""
    with ExecAdapter(program("close-input", tmp_path), seconds=PATIENT) as adapter:
        assert adapter.execute(CASE) == RIGHT
        with pytest.raises(Crashed, match="closed its standard input, but still runs"):
            adapter.execute(CASE)
        assert adapter.execute(CASE) == RIGHT
    assert left_over(tmp_path) == []


@pytest.mark.parametrize(
    ("command", "failure", "message"),
    [
        ("/no/such/program", AdapterError, "/no/such/program: command not found"),
        ("no-such-program-anywhere --flag", AdapterError, "no-such-program-anywhere: command not found"),
        ("/etc/passwd", AdapterError, "not found, or not executable"),
        ("'half a quote", Misuse, "No closing quotation"),
        ("", Misuse, "no command"),
    ],
)
def test_a_command_that_cannot_be_run_is_told(command: str, failure: type[Exception], message: str) -> None:
    """A command that is not there is an error of the adapter, one that cannot be split a mistake of the caller."""
    with pytest.raises(failure, match=message):
        ExecAdapter(command)


@pytest.mark.parametrize("text", ["soon", "-1", "nan", "inf"])
def test_a_time_limit_that_is_none_is_told(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """The environment variable must be a number of seconds."""
    monkeypatch.setenv("ESPPROOF_EXEC_SECONDS", text)
    with pytest.raises(Misuse, match="not a number of seconds"):
        ExecAdapter("true")


def test_a_time_limit_of_the_environment_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user may set the limit of all answers."""
    monkeypatch.setenv("ESPPROOF_EXEC_SECONDS", "2.5")
    with ExecAdapter(program("hang", tmp_path)) as adapter, pytest.raises(Hung, match=r"within 2\.5 s"):
        adapter.execute(CASE)


def test_a_file_that_is_no_program_is_told(tmp_path: Path) -> None:
    """An executable file that the kernel cannot run is an error of the adapter, with the system's reason."""
    file = tmp_path / "garbage"
    file.write_bytes(b"\x7fELF garbage")
    file.chmod(0o755)
    with pytest.raises(AdapterError, match=r"cannot start .*garbage: .+"):
        ExecAdapter(shlex.quote(str(file)))


def test_a_command_with_quotes_is_split_like_in_a_shell(tmp_path: Path) -> None:
    """Quotes keep an argument with blanks together."""
    folder = tmp_path / "a folder"
    folder.mkdir()
    with ExecAdapter(f"{shlex.quote(sys.executable)} '{PROGRAM}' none '{folder}'", seconds=PATIENT) as adapter:
        assert adapter.execute(CASE) == RIGHT


def test_nothing_is_left_when_espproof_is_killed(tmp_path: Path) -> None:
    """When the process that owns the adapter dies of SIGKILL, program and grandchildren die too."""
    owner = subprocess.Popen(
        [sys.executable, "-c", _OWNER, program("stray-grandchild", tmp_path, "nothing"), str(tmp_path)],
        stdout=subprocess.PIPE,
        encoding="utf-8",
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert owner.stdout is not None
    try:
        assert owner.stdout.readline() == "ready\n"
        assert left_over(tmp_path), "the program runs"
    finally:
        owner.send_signal(signal.SIGKILL)
        owner.wait()
        owner.stdout.close()
    assert left_over(tmp_path, seconds=30) == []


_OWNER = """
import sys, time
from espproof.adapters.exec.client import ExecAdapter
adapter = ExecAdapter(sys.argv[1])
print("ready", flush=True)
time.sleep(600)
"""


def test_the_program_dies_with_its_supervisor(tmp_path: Path) -> None:
    """Should somebody kill the supervisor, the program is killed as well, and the next case works."""
    before = children()
    with ExecAdapter(program("none", tmp_path), seconds=PATIENT) as adapter:
        (supervisor,) = children() - before
        os.kill(int(supervisor), signal.SIGKILL)
        assert left_over(tmp_path, seconds=30) == []
        with pytest.raises(AdapterError, match=r"the supervisor of .* died"):
            adapter.execute(CASE)
        assert adapter.execute(CASE) == RIGHT
    assert left_over(tmp_path) == []


def test_close_ends_a_program_that_ignores_end_of_file_and_sigterm(tmp_path: Path) -> None:
    """Closing takes some three seconds, on a busy machine more, whatever the program does."""
    script = tmp_path / "deaf.sh"
    script.write_text(
        "trap '' TERM\n"
        f"{program('none', tmp_path)}\n"  # ends at end of file, but the shell does not
        "while :; do sleep 0.1; done\n",
        encoding="utf-8",
    )
    adapter = ExecAdapter(shlex.join(["sh", str(script)]), seconds=PATIENT)
    assert adapter.execute(CASE) == RIGHT
    started = time.monotonic()
    adapter.close()
    assert time.monotonic() - started < process._GRACE_EOF + process._GRACE_TERM + 30
    assert left_over(tmp_path) == []


def test_closing_twice_and_after_a_failure_does_no_harm(tmp_path: Path) -> None:
    """`close` may be called at any time."""
    adapter = ExecAdapter(program("exit", tmp_path), seconds=PATIENT)
    with pytest.raises(Crashed):
        adapter.execute(CASE)
    adapter.close()
    adapter.close()
    assert left_over(tmp_path) == []


def test_no_descriptor_and_no_zombie_is_left_after_many_restarts(tmp_path: Path) -> None:
    """Starting, breaking and ending processes leaves the table of open files as it was."""
    descriptors, before = len(os.listdir("/proc/self/fd")), children()
    for _ in range(5):
        (tmp_path / "done").unlink(missing_ok=True)
        with ExecAdapter(program("exit", tmp_path), seconds=PATIENT) as adapter, pytest.raises(Crashed):
            adapter.execute(CASE)
    assert len(os.listdir("/proc/self/fd")) == descriptors
    assert children() <= before


def test_a_big_answer_costs_no_memory_beyond_the_limit(tmp_path: Path) -> None:
    """An answer of 100 MB is refused before it is held in memory as a whole."""
    code = (
        "import resource, sys\n"
        "sys.path.insert(0, sys.argv[2])\n"
        "from test_exec_faults import CASE, ExecAdapter, AdapterError\n"
        "adapter = ExecAdapter(sys.argv[1])\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "try: adapter.execute(CASE)\n"
        "except AdapterError: print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
        "adapter.close()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, program("big-answer", tmp_path), str(PROGRAM.parent)],
        capture_output=True,
        encoding="utf-8",
        check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert int(done.stdout) < 96 << 10, "KiB; 64 MiB are read, and a little more"
