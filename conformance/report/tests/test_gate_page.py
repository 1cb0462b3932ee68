"""The examples of docs/gate.md, carried out: what can be run here is run, with a small part of the suite.

`espproof` and `pip` are found in a folder in front of the PATH: the one adds a selection of checks, the other does
nothing. What belongs to the hosts of GitHub and GitLab (checkout, artifacts, upload) is only read.
"""

import configparser
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
PAGE = ROOT / "docs" / "gate.md"
if not PAGE.is_file():
    pytest.skip("the page is in the repository, not in the package", allow_module_level=True)
EXAMPLES = dict(re.findall(r"<!-- example: (\S+) -->\n```\w+\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL))
ONLY = "padding.wrong-octets,tfc.added"
MY_ESP = """#!{python}
from espproof.adapters.exec.harness import main
main(["{adapter}"])
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with `my-esp`, an empty expectation file, a Makefile, and a baseline of what is right."""
    tools = tmp_path / "tools"
    tools.mkdir()
    for name, body in (
        ("pip", "exit 0\n"),
        ("espproof", f'a=$1; shift; [ "$a" = run ] && set -- "$@" --only "{ONLY}"\nexec {_espproof()} "$a" "$@"\n'),
        ("pytest", f'exec {shlex.quote(sys.executable)} -m pytest "$@" --espproof-only "{ONLY}"\n'),
    ):
        _script(tools / name, "#!/bin/sh\n" + body)
    work = tmp_path / "work"
    work.mkdir()
    (work / "Makefile").write_text("my-esp:\n", encoding="utf-8")
    (work / "known.toml").write_text("", encoding="utf-8")
    _script(work / "my-esp", MY_ESP.format(python=sys.executable, adapter="reference"))
    done = _shell(work, "espproof run exec:./my-esp --profile quick --expect known.toml --report espproof-baseline")
    assert done.returncode == 0, done.stderr
    return work


def _espproof() -> str:
    return f"{shlex.quote(sys.executable)} -m espproof"


def _script(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)


def _shell(work: Path, command: str) -> subprocess.CompletedProcess[str]:
    path = f"{work.parent / 'tools'}{os.pathsep}{os.environ['PATH']}"
    summary = work.parent / "step-summary"
    return subprocess.run(
        ["/bin/sh", "-euc", command], cwd=work, env={**os.environ, "PATH": path, "GITHUB_STEP_SUMMARY": str(summary)},
        capture_output=True, encoding="utf-8", timeout=120, check=False,
    )  # fmt: skip


def test_page_has_all_four() -> None:
    """tox, pytest, GitHub, GitLab."""
    assert set(EXAMPLES) == {"tox.ini", "pytest", "github", "gitlab"}


def _steps(name: str) -> list[str]:
    """The shell commands of an example, in their order."""
    text = EXAMPLES[name]
    if name == "tox.ini":
        config = configparser.ConfigParser(interpolation=None)
        config.read_string(text)
        return [config["testenv:esp"]["commands"].replace("{env_tmp_dir}", "tmp")]
    if name == "pytest":
        return [line.removeprefix("$ ") for line in text.splitlines()]
    content: Any = yaml.safe_load(text)
    if name == "gitlab":
        return [str(line) for line in content["espproof"]["script"]]
    return [step["run"] for step in content["jobs"]["espproof"]["steps"] if "run" in step]


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_example_is_green_and_becomes_red(name: str, project: Path) -> None:
    """Every step ends with 0 for a right implementation; with a defect, one step says 1."""
    for step in _steps(name):
        done = _shell(project, step)
        assert done.returncode == 0, (step, done.stdout, done.stderr)
    _script(project / "my-esp", MY_ESP.format(python=sys.executable, adapter="seeded:padding-zeros"))
    statuses = {
        shlex.split(step)[0]: _shell(project, step).returncode for step in _steps(name) if "summary" not in step
    }
    assert 1 in statuses.values(), statuses


def test_github_summary_is_told(project: Path) -> None:
    """The summary of the step is the Markdown of the run."""
    for step in _steps("github"):
        _shell(project, step)
    assert (project.parent / "step-summary").read_text(encoding="utf-8").startswith("### espproof: as expected")
