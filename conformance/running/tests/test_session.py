"""A whole run, from outside: the same cases everywhere, a clean end whatever happens, exit statuses as documented."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from espproof.conformance.checks.registry import all_checks
from espproof.conformance.running import suite
from espproof.conformance.running.check import Profile
from espproof.reference.errors import Misuse

ESPPROOF = (sys.executable, "-m", "espproof")
FEW = "padding,tfc.added,format.opens"


def espproof(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*ESPPROOF, *arguments], check=False, capture_output=True, encoding="utf-8", timeout=600, **options
    )


# -------------------------------------------------------------------------------------------------------- the cases


def test_workers_change_nothing_but_the_time() -> None:
    """One process and two run the same checks on the same cases, and say the same of them."""
    one, two = (suite.run("reference", profile=Profile.QUICK, seed=7, workers=workers, only=FEW) for workers in (1, 2))
    assert one.whole and two.whole  # noqa: PT018
    assert [(check.check, check.digest) for check in one.checks] == [
        (check.check, check.digest) for check in two.checks
    ]
    assert (one.digest, one.cases, one.requirements) == (two.digest, two.cases, two.requirements)


def test_the_seed_makes_the_cases() -> None:
    """The same seed gives the same cases, another one gives others."""
    runs = [suite.run("reference", profile=Profile.QUICK, seed=seed, only="padding") for seed in (1, 1, 2)]
    assert runs[0].digest == runs[1].digest != runs[2].digest


def test_a_check_alone_has_the_cases_it_has_among_all() -> None:
    """What else is run does not change a check's cases."""
    among = suite.run("reference", profile=Profile.QUICK, seed=3, only="tfc")
    alone = suite.run("reference", profile=Profile.QUICK, seed=3, only="tfc.added")
    assert [check.digest for check in among.checks if check.check == "tfc.added"] == [alone.checks[0].digest]


@pytest.mark.parametrize(
    ("only", "fits"),
    [
        ("", lambda check: True),
        ("padding", lambda check: check.family == "padding"),
        ("tfc.added", lambda check: check.id == "tfc.added"),
        ("*.burst", lambda check: check.id.endswith(".burst")),
        ("RFC4303-2.4-*", lambda check: any(one.startswith("RFC4303-2.4-") for one in check.verifies)),
        ("tfc.added, padding", lambda check: check.id == "tfc.added" or check.family == "padding"),
    ],
)
def test_patterns_select_by_check_family_or_requirement(only: str, fits: Callable[[Any], bool]) -> None:
    """`--only` takes exactly the checks whose id, family or requirement fits."""
    wanted = [check.id for check in all_checks().values() if fits(check)]
    assert wanted
    assert [check.id for check in suite.selected(only)] == wanted


def test_a_pattern_that_selects_nothing_is_a_mistake() -> None:
    """A typing error must not pass for a green run."""
    with pytest.raises(Misuse, match="no check matches"):
        suite.selected("paddding")


# --------------------------------------------------------------------------------------------------- exit statuses


@pytest.mark.parametrize(
    ("arguments", "status", "told"),
    [
        (("run", "reference", "--profile", "quick", "--only", "tfc.added"), 0, ""),
        (("run", "seeded:padding-zeros", "--profile", "quick", "--only", "padding,format"), 1, ""),
        (("run", "nobody"), 2, "no adapter 'nobody'"),
        (("run", "reference", "--only", "nothing.like-this"), 2, "no check matches"),
        (("run", "reference", "--profile", "hasty"), 2, "hasty"),
        (("run", "reference", "--seed", "x"), 2, "--seed"),
        (("run", "reference", "--only", "tfc.added", "--expect", "/nowhere/known.toml"), 2, "/nowhere/known.toml"),
        (("run", "no_such_module_at_all:Adapter"), 3, "no_such_module_at_all"),
        (("run", "exec:/nowhere/iut", "--only", "tfc.added", "--profile", "quick"), 3, "/nowhere/iut"),
    ],
)
def test_exit_status_tells_what_happened(arguments: tuple[str, ...], status: int, told: str) -> None:
    """0 as expected, 2 usage, 3 an adapter could not run (more in `test_gate`); one line on standard error says why."""
    done = espproof(*arguments)
    assert (done.returncode, "Traceback" in done.stderr) == (status, False), done.stderr
    assert told in " ".join(done.stderr.split())


def test_json_is_all_there_is_on_standard_output() -> None:
    """With `--json` standard output is one JSON document with the fields that gates read."""
    result = json.loads(espproof("run", "reference", "--profile", "quick", "--only", "tfc.added", "--json").stdout)
    assert result["whole"] is True
    assert {"cases", "seconds", "verdicts", "requirements", "digest", "unexpected"} <= set(result)


def test_what_was_found_becomes_what_is_expected(tmp_path: Path) -> None:
    """`--write-expect` makes a file with which the same run ends as expected; the deviation's end is news."""
    known = str(tmp_path / "known.toml")
    run = ("--only", "padding,format", "--profile", "default")
    assert espproof("run", "seeded:padding-zeros", *run, "--write-expect", known).returncode == 1
    again = espproof("run", "seeded:padding-zeros", *run, "--expect", known, "--json")
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout)["expected"]
    better = espproof("run", "reference", *run, "--expect", known, "--json")
    assert better.returncode == 4
    assert json.loads(better.stdout)["unexpected"]


def test_a_reader_that_goes_away_is_no_error() -> None:
    """`| head` ends quietly: no traceback, exit status 0."""
    run = [*ESPPROOF, "requirements", "--json"]
    with subprocess.Popen(run, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        complaint = process.stderr.read()
    assert (process.returncode, complaint) == (0, "")


# ------------------------------------------------------------------------------------------------------ a bad end


def start(workers: int) -> subprocess.Popen[str]:
    """A run of half a minute, in a process group of its own."""
    return subprocess.Popen(
        [*ESPPROOF, "run", "reference", "--profile", "default", "--fresh", "--json", "-n", str(workers)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8", start_new_session=True,
    )  # fmt: skip


def workers_of(process: subprocess.Popen[str]) -> list[int]:
    """Children of the run that are workers, not the resource tracker."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text(encoding="utf-8").split()
    return [int(child) for child in children if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()]


def busy(process: subprocess.Popen[str], workers: int) -> None:
    """Wait until the run works on its checks: every process that does so has used some seconds of processor time."""
    ticks = os.sysconf("SC_CLK_TCK")
    until = time.monotonic() + 300
    while time.monotonic() < until:
        assert process.poll() is None
        who = workers_of(process) if workers > 1 else [process.pid]
        used = [
            int(Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[11]) / ticks
            for pid in who
        ]
        if len(used) == workers and min(used) > 3:
            return
        time.sleep(0.1)
    pytest.fail("the run does not get going")


def gone(group: int) -> bool:
    """Whether no process of a group is left; Python's resource tracker needs a moment to see that it is alone."""
    for _ in range(300):
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.1)
    return False


def ended(process: subprocess.Popen[str]) -> tuple[dict[str, Any], str]:
    """The result of a run that ends by itself, and standard error; nobody of its group is left."""
    out, complaint = process.communicate(timeout=300)  # a limit for a hang, not for a busy machine
    assert gone(process.pid)
    return json.loads(out), complaint


@pytest.fixture(params=[1, 2], ids=["one-process", "two-workers"])
def running(request: pytest.FixtureRequest) -> Any:
    process = start(request.param)
    try:
        busy(process, request.param)
        yield process, request.param
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(timeout=60)


@pytest.mark.parametrize("to_all", [False, True], ids=["to-the-parent", "to-the-group"])
def test_an_interrupted_run_says_so(running: tuple[subprocess.Popen[str], int], to_all: bool) -> None:
    """After Ctrl-C, what was found is printed as not whole, soon, with status 5, and no process is left."""
    process, _ = running
    (os.killpg if to_all else os.kill)(process.pid, signal.SIGINT)
    result, complaint = ended(process)
    assert (process.returncode, result["whole"]) == (5, False)
    assert result["not_whole_because"].startswith("interrupted after ")
    assert len(result["checks"]) > 0
    assert "Traceback" not in complaint


@pytest.mark.parametrize("running", [2], indirect=True, ids=["two-workers"])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM], ids=["killed", "terminated"])
def test_workers_do_not_outlive_their_parent(running: tuple[subprocess.Popen[str], int], number: int) -> None:
    """When the run itself is killed, its workers end too."""
    process, _ = running
    os.kill(process.pid, number)
    process.communicate(timeout=300)
    assert gone(process.pid)


@pytest.mark.parametrize("running", [2], indirect=True, ids=["two-workers"])
def test_a_lost_worker_makes_a_run_not_whole(running: tuple[subprocess.Popen[str], int]) -> None:
    """A worker that is killed ends the run: what others found is kept, the result is not whole, status 5."""
    process, _ = running
    os.kill(workers_of(process)[0], signal.SIGKILL)
    result, complaint = ended(process)
    assert (process.returncode, result["whole"]) == (5, False)
    assert result["not_whole_because"].startswith("a worker process died after ")
    assert len(result["checks"]) > 0
    assert "Traceback" not in complaint
