"""`espproof cover`: what was reached, shown and compared, with counters that are made up."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from espproof.adapters.linux.kernel import reach
from espproof.adapters.linux.kernel.reach import Reach
from espproof.conformance.commands.cli import build
from espproof.conformance.commands.shell import CANNOT_RUN, EXPECTED, USAGE
from espproof.conformance.running import suite

ONE = Reach(
    lines_reached=(1, 2, 3, 9), lines_missed=(5, 6), functions_reached=("in",), functions_missed=("out", "expire")
)
MORE = Reach(
    lines_reached=(1, 2, 3, 5, 6), lines_missed=(9,), functions_reached=("in", "out"), functions_missed=("expire",)
)


def espproof(*words: object) -> Result:
    return CliRunner().invoke(build(), ["cover", *map(str, words)])


@pytest.fixture
def reached(monkeypatch: pytest.MonkeyPatch) -> dict[str, Reach]:
    """What the kernel tells; the suite runs against the reference instead of it."""
    files = {"net/esp.c": ONE}
    monkeypatch.setattr(reach, "notes", lambda variant: Path("/notes") / variant.rpartition("=")[2])
    monkeypatch.setattr(reach, "read", lambda notes, places: files)
    run = suite.run
    monkeypatch.setattr(suite, "run", lambda name, **options: run("reference", **options))
    return files


QUICK = ("--profile", "quick", "--only", "icv.*")


def test_shares_and_what_was_not_reached_are_told(reached: dict[str, Reach]) -> None:
    done = espproof("linux:counts", *QUICK)
    assert done.exit_code == EXPECTED, done.output
    assert "net/esp.c  4/6  66 %  1/3  33 %" in done.stdout
    assert "net/esp.c: not reached: out, expire" in done.stdout
    assert "profile quick, seed 1, only icv.*" in done.stdout


def test_two_runs_are_compared(reached: dict[str, Reach], tmp_path: Path) -> None:
    """By what only one of them has reached, in both directions."""
    before = tmp_path / "before.json"
    done = espproof("linux:counts", "linux:gro=counts", *QUICK, "--json")
    before.write_text(done.stdout, encoding="utf-8")
    assert json.loads(done.stdout)["implementations"] == ["linux:counts", "linux:gro=counts"]
    reached["net/esp.c"] = MORE
    done = espproof("linux:counts", *QUICK, "--compare", before)
    assert done.exit_code == EXPECTED, done.output
    assert "net/esp.c: newly reached: out" in done.stdout
    assert "net/esp.c: lines newly reached: 5-6" in done.stdout
    assert "net/esp.c: lines no longer reached: 9" in done.stdout


@pytest.mark.parametrize(
    ("words", "status", "complaint"),
    [
        (("reference",), USAGE, "reference does not count what is reached"),
        (("linux:one", "linux:two"), USAGE, "several kernels"),
        (("linux:one", "--compare", __file__), USAGE, "is not what `espproof cover --json` prints"),
        (("linux:one", "--compare", "/nowhere"), CANNOT_RUN, "/nowhere: No such file"),
        (("linux:one", "--compare", __file__, "--json"), USAGE, "without --json"),
    ],
)
def test_what_cannot_be_asked_is_said(
    reached: dict[str, Reach], words: tuple[str, ...], status: int, complaint: str
) -> None:
    done = espproof(*words, *QUICK)
    assert done.exit_code == status
    assert complaint in " ".join(done.output.split())
