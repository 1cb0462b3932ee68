"""The command line as a whole: what every command does alike."""

import itertools
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from espproof.conformance.commands import run
from espproof.conformance.results.model import RunResult
from espproof.conformance.running import suite
from espproof.conformance.running.check import Profile

FULL = Path("/dev/full")


@pytest.mark.skipif(not FULL.is_char_device(), reason="no /dev/full here")
@pytest.mark.parametrize("option", ["--version", "--help"])
@pytest.mark.parametrize("unbuffered", ["", "1"], ids=["told-at-the-end", "told-at-once"])
def test_a_full_disk_is_one_line_and_no_traceback(option: str, unbuffered: str) -> None:
    with FULL.open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "espproof", option], stdout=full, stderr=subprocess.PIPE, encoding="utf-8", check=False,
            env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
        )  # fmt: skip
    assert done.returncode == 3
    assert done.stderr.startswith("espproof: ")
    assert "No space left on device" in done.stderr
    assert len(done.stderr.splitlines()) == 1


BROKEN = """\
import sys
print("first line\\n    a = b\\n    ^^^^^\\nlast line", file=sys.stderr, flush=True)
sys.exit(3)
"""


def test_the_last_words_of_a_program_stand_on_lines_of_their_own(tmp_path: Path) -> None:
    """What only underlines the line above is left out."""
    answers = tmp_path / "esp.py"
    hello = '{"id":1,"result":"hello","protocol":1,"capabilities":{"encryption":{"ENCR_AES_GCM_16":[16]}}}'
    unsupported = '{"id":2,"result":"unsupported","what":"this"}'
    answers.write_text(
        f"for said in ({hello!r}, {unsupported!r}):\n    input()\n    print(said, flush=True)\ninput()\n{BROKEN}",
        encoding="utf-8",
    )
    adapter = "exec:" + shlex.join([sys.executable, str(answers)])
    command = [sys.executable, "-m", "espproof", "run", adapter, "--only", "tfc.removed"]
    done = subprocess.run([*command, "--profile", "quick"], capture_output=True, encoding="utf-8", check=False)
    lines = [line.strip() for line in done.stdout.splitlines()]
    assert "a = b" in lines, done.stdout + done.stderr
    assert "last line" in lines
    assert "^^^^" not in done.stdout
    assert done.returncode == 1


OLD_TERMINAL = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": ""}


def test_a_terminal_that_knows_ascii_alone_is_told_everything() -> None:
    """A letter that it lacks is told by its number."""
    command = [
        sys.executable,
        "-m",
        "espproof",
        "run",
        "seeded:padding-zeros",
        "--profile",
        "quick",
        "--only",
        "padding.*",
    ]
    told = {}
    for name, locale in (("old", OLD_TERMINAL), ("new", {"PYTHONUTF8": "1"})):
        done = subprocess.run(command, env={**os.environ, **locale}, capture_output=True, check=False)
        assert (done.returncode, done.stderr) == (1, b"")
        told[name] = done.stdout
    assert told["old"].isascii()
    assert b"\\u2192 " in told["old"]
    assert "→ ".encode() in told["new"]


@pytest.mark.parametrize("locale", [OLD_TERMINAL, {"PYTHONUTF8": "1"}], ids=["old", "new"])
def test_a_file_is_told_by_the_octets_of_its_name(locale: dict[str, str], tmp_path: Path) -> None:
    """They need not be text, in this locale or in any."""
    folder = os.fsencode(tmp_path) + b"/\xc3\xb6\xff"
    command = [sys.executable, "-m", "espproof", "run", "reference", "--profile", "quick", "--only", "tfc.added"]
    done = subprocess.run(
        [*command, "--report", folder], env={**os.environ, **locale}, capture_output=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"report: " + folder + b"/report.html\n")


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_standard_stream_may_be_closed(closed: str) -> None:
    """The pipes to a program are not mistaken for it."""
    program = shlex.join([sys.executable, "-m", "espproof.adapters.exec.harness", "reference"])
    run = shlex.join(
        [sys.executable, "-m", "espproof", "run", f"exec:{program}", "--profile", "quick", "--only", "tfc.*"]
    )
    done = subprocess.run(["sh", "-c", f"{run} {closed}"], capture_output=True, encoding="utf-8", check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert (" pass" in done.stdout) == (">&-" not in closed.split())


def test_seed_follows_seed_until_there_is_news() -> None:
    """However much time there is."""
    command = [sys.executable, "-m", "espproof", "run", "seeded:padding-zeros", "--only", "padding.length-sweep"]
    done = subprocess.run(
        [*command, "--profile", "quick", "--seconds", "600"], capture_output=True, encoding="utf-8", check=False
    )
    assert done.returncode == 1
    assert re.fullmatch(
        r"seeds 1 to 1: \d+ cases \(\d+ operations, \d+ packets\) in \d+ s, news in the last\n", done.stderr
    )


def test_seed_follows_seed_until_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """A seed that has begun is finished."""
    asked = []
    clock = itertools.count(step=4)

    def ask(*, seed: int, fresh: bool) -> RunResult:
        assert fresh
        asked.append(seed)
        return suite.run("reference", profile=Profile.QUICK, seed=seed, only="padding.length-sweep")

    monkeypatch.setattr(run, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    assert run._seed_after_seed(ask, 5, 10).seed == 7
    assert asked == [5, 6, 7]
