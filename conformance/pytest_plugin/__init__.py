"""The pytest plugin. `pytest --pyargs espproof.conformance --adapter NAME` runs the suite as tests.

Everybody who has the suite installed loads this module with every pytest run, so it imports nothing and does nothing
unless an adapter is named. `collector` has the rest: the package is collected as one test per check, not as the
files that lie in it, whatever the user's ini file says.

`--adapter` is short for `--espproof-adapter` in runs that name espproof.conformance, and free for others to own.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from espproof.conformance.pytest_plugin.collector import Testee

PACKAGE = "espproof.conformance"
SUITE = Path(__file__).parents[1]
"""The folder that is collected as the suite."""

TESTEE: pytest.StashKey["Testee"] = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("espproof", f"espproof: with --pyargs {PACKAGE}, the conformance suite as tests")
    group.addoption("--espproof-adapter", metavar="NAME", help="Implementation under test; --adapter for short.")
    group.addoption(
        "--espproof-profile",
        choices=("quick", "default", "thorough"),
        default="default",
        help="How many examples each check draws.",
    )
    group.addoption(
        "--espproof-only", default="", metavar="PATTERNS", help="Patterns of check, family or requirement ids."
    )
    group.addoption("--espproof-seed", type=int, default=1, metavar="N", help="The same seed gives the same cases.")
    group.addoption(
        "--espproof-expect",
        default="",
        metavar="FILE",
        help="Expectation file; 'none' ignores the one of the adapter.",
    )
    group.addoption(
        "--espproof-report", metavar="DIR", help="Folder for counterexamples; otherwise pytest's temporary one."
    )


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(args: list[str]) -> None:
    """Spell `--adapter` out where it is ours, before anybody parses it."""
    if any(arg.partition("::")[0].startswith(PACKAGE) for arg in args):
        args[:] = ["--espproof-" + arg[2:] if _is_adapter(arg) else arg for arg in args]


def _is_adapter(arg: str) -> bool:
    return arg == "--adapter" or arg.startswith("--adapter=")


def pytest_configure(config: pytest.Config) -> None:
    name = config.getoption("espproof_adapter")
    if name:
        from espproof.conformance.pytest_plugin import collector

        collector.configure(config, name)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """The suite is not ignored, nor a folder on the way to it, whatever `norecursedirs` says."""
    if TESTEE not in config.stash or not collection_path.is_dir():
        return None
    way = (SUITE.resolve(), *SUITE.resolve().parents, SUITE, *SUITE.parents)
    return False if collection_path in way else None


@pytest.hookimpl(tryfirst=True)
def pytest_collect_directory(path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    if TESTEE not in parent.config.stash or path.resolve() != SUITE.resolve():
        return None
    from espproof.conformance.pytest_plugin.collector import Suite

    return Suite.from_parent(parent, path=path, nodeid=PACKAGE)


def pytest_report_header(config: pytest.Config) -> str | None:
    testee = config.stash.get(TESTEE, None)
    return None if testee is None else testee.header()


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    testee = config.stash.get(TESTEE, None)
    if testee is not None:
        testee.close()
