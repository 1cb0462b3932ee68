"""The command line as a whole: what every command does alike."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

FULL = Path("/dev/full")


@pytest.mark.skipif(not FULL.is_char_device(), reason="no /dev/full here")
@pytest.mark.parametrize("option", ["--version", "--help"])
@pytest.mark.parametrize("unbuffered", ["", "1"], ids=["told-at-the-end", "told-at-once"])
def test_a_full_disk_is_one_line_and_no_traceback(option: str, unbuffered: str) -> None:
    with FULL.open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "espproof", option], stdout=full, stderr=subprocess.PIPE, text=True, check=False,
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
        f"for said in ({hello!r}, {unsupported!r}):\n    input()\n    print(said, flush=True)\ninput()\n{BROKEN}"
    )
    command = [sys.executable, "-m", "espproof", "run", f"exec:{sys.executable} {answers}", "--only", "tfc.removed"]
    done = subprocess.run([*command, "--profile", "quick"], capture_output=True, text=True, check=False)
    lines = [line.strip() for line in done.stdout.splitlines()]
    assert "a = b" in lines, done.stdout + done.stderr
    assert "last line" in lines
    assert "^^^^" not in done.stdout
    assert done.returncode == 1
