"""The command line as a whole: what every command does alike."""

import subprocess
import sys
from pathlib import Path

import pytest

FULL = Path("/dev/full")


@pytest.mark.skipif(not FULL.is_char_device(), reason="no /dev/full here")
@pytest.mark.parametrize("option", ["--version", "--help"])
def test_a_full_disk_is_one_line_and_no_traceback(option: str) -> None:
    with FULL.open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "espproof", option], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 3
    assert done.stderr.startswith("espproof: ")
    assert "No space left on device" in done.stderr
    assert len(done.stderr.splitlines()) == 1
