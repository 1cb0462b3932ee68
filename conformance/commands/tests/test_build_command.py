"""`espproof adapters build linux`: which kernel its options ask for, and under which label."""

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from espproof.adapters.base import AdapterError
from espproof.adapters.linux.kernel import build as linux
from espproof.conformance.commands.cli import build
from espproof.conformance.commands.shell import CANNOT_RUN, EXPECTED, USAGE


def espproof(*words: object) -> Result:
    return CliRunner().invoke(build(), ["adapters", "build", "linux", *map(str, words)])


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """What is built, without the number of compilers and who is told."""
    told: list[tuple[Any, ...]] = []

    def builder(name: str, count: int) -> None:
        def built(*what: Any, **_: Any) -> Path:
            told.append((name, *what[:count]))
            return Path("/a/kernel")

        monkeypatch.setattr(linux, name, built)

    builder("build", 1)
    builder("build_tree", 3)
    builder("build_source", 3)
    return told


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ((), ("build", "plain")),
        (("--variant", "kasan"), ("build", "kasan")),
        (("--source", "7.3"), ("build_source", "7.3", "plain", "7.3")),
        (("--source", "7.3", "--variant", "kasan"), ("build_source", "7.3", "kasan", "7.3-kasan")),
        (("--source", "7.3", "--as", "newest"), ("build_source", "7.3", "plain", "newest")),
        (("--tree", "/src/Net Next"), ("build_tree", Path("/src/Net Next"), "plain", "net-next")),
        (("--tree", "/src/net", "--as", "fix-1"), ("build_tree", Path("/src/net"), "plain", "fix-1")),
    ],
)
def test_the_options_say_which_kernel(words: tuple[str, ...], expected: Any, asked: list[tuple[Any, ...]]) -> None:
    """A label that is not given is made of the version, or of the folder's name."""
    done = espproof(*words)
    assert done.exit_code == EXPECTED, done.output
    assert asked == [expected]
    assert "/a/kernel" in done.stdout


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("--tree", ".", "--source", "6.12"), "one at a time"),
        (("--variant", "smp"), "7.3 or later"),
        (("--as", "mine"), "--tree or --source"),
        (("--source", "6.12", "--as", "kasan"), "is another kernel"),
        (("--source", "6.12", "--as", "A"), "a label is small letters"),
        (("--source", "6.12", "--variant", "fast"), "no variant 'fast'"),
    ],
)
def test_options_that_do_not_go_together_are_told(
    words: tuple[str, ...], complaint: str, asked: list[tuple[Any, ...]]
) -> None:
    done = espproof(*words)
    assert done.exit_code == USAGE
    assert complaint in done.stderr
    assert not asked


def test_what_the_compiler_said_is_shown_line_by_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before what is wrong with the build, and harmless to a terminal."""

    def fails(*_: Any) -> Path:
        raise AdapterError("compile failed: the log is here\none.c:1: it is wrong [0]\n  1 | \x1b[31mred")

    monkeypatch.setattr(linux, "build_tree", fails)
    done = espproof("--tree", "/src/net")
    assert done.exit_code == CANNOT_RUN
    *said, wrong = done.stderr.splitlines()
    assert said == ["one.c:1: it is wrong [0]", r"  1 | \x1b[31mred"]
    assert wrong.endswith("compile failed: the log is here")
