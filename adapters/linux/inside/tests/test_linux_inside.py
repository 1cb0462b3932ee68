"""What a guest can import: it starts without site-packages, and each import costs its start; and what it says it does."""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from espproof.adapters.linux.inside import agent

_LINUX = Path(__file__).parents[2]
_ROOMS = ("espproof.adapters.linux.inside", "espproof.adapters.linux.netlink")
_MODULES = sorted(path for room in ("inside", "netlink") for path in (_LINUX / room).glob("*.py"))
_MORE = {"host_main": "pyroute2"}
"""A process of this host has pyroute2's sockets."""


def _imported(program: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(program)):
        if isinstance(node, ast.ImportFrom):
            yield str(node.module)
        elif isinstance(node, ast.Import):
            yield from (name.name for name in node.names)


@pytest.mark.parametrize("path", _MODULES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_what_runs_inside_imports_the_standard_library_and_these_two_rooms(path: Path) -> None:
    """Anywhere in the module: an import in a function costs as much, only later."""
    imported = _imported(path.read_text(encoding="utf-8"))
    own = {name for name in imported if name.partition(".")[0] not in sys.stdlib_module_names}
    assert {name for name in own if not name.startswith(_ROOMS) and name.split(".")[0] != _MORE.get(path.stem)} == set()
    assert path.parent.name == "inside" or all(name.startswith(_ROOMS[1]) for name in own), "the codec is below"


def test_every_operation_is_described() -> None:
    """The table in front of the module is the only description that whoever asks has."""
    described = re.findall(r'^    \["(\w+)"', agent.__doc__ or "", re.MULTILINE)
    assert sorted(described) == sorted(agent._OPERATIONS)
