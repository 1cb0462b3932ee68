"""A stranger's implementation: an ESP in C, written from PROTOCOL.md alone, passes; each of its three defects is named."""

import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from espproof.conformance.oracle.verdict import NEWS, Verdict
from espproof.conformance.running import suite
from espproof.conformance.running.check import Profile

SOURCE = Path(__file__).parent / "stranger" / "stranger.c"
DEFECTS = {
    "replay-window-off-by-one": ("anti-replay", "RFC4303-3.4.3-new-accepted"),
    "esn-high-not-authenticated": ("esn", "RFC4303-2.2.1-icv-covers-high"),
    "padding-not-checked-zero-fill": ("padding", "RFC4303-2.4-default-padding"),
}
"""What `--defect` switches on -> the family of checks that is run here, and a requirement that it must name."""


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    compiler = shutil.which("gcc")
    if compiler is None:
        pytest.skip("no gcc")
    program = tmp_path_factory.mktemp("stranger") / "stranger"
    flags = ["-std=c11", "-O1", "-Wall", "-Wextra", "-Werror", "-fsanitize=address,undefined"]
    done = subprocess.run(
        [compiler, *flags, "-o", program, SOURCE, "-lcjson", "-lcrypto"],
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    if "No such file" in done.stderr or "cannot find -l" in done.stderr:
        pytest.skip("no libcjson or libcrypto (Debian: libcjson-dev, libssl-dev)")
    assert done.returncode == 0, done.stderr
    return program


def test_the_right_one_passes(stranger: Path) -> None:
    """No false alarm: nothing fails, nothing is a warning, and most of the suite applies to it."""
    result = suite.run(f"exec:{shlex.quote(str(stranger))}", profile=Profile.QUICK, seed=1, workers=2)
    wrong = [(one.requirement, one.message) for one in result.counterexamples]
    assert (result.whole, wrong) == (True, [])
    assert set(result.requirements.values()) == {Verdict.PASS, Verdict.INAPPLICABLE}
    assert result.verdicts["pass"] > 250


@pytest.mark.parametrize("defect", DEFECTS)
def test_its_defects_are_named(stranger: Path, defect: str) -> None:
    """Each defect is held against the requirement that it violates."""
    family, requirement = DEFECTS[defect]
    result = suite.run(
        f"exec:{shlex.quote(str(stranger))} --defect={defect}", profile=Profile.QUICK, seed=1, only=f"{family}.*"
    )
    assert result.requirements[requirement] in NEWS
    assert result.whole
