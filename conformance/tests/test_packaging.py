"""The package against the repository: nothing that the suite reads is left out of the wheel."""

import tomllib
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("reference", "adapters", "conformance", "fuzz", "corpus")
if not (ROOT / "pyproject.toml").is_file():
    pytest.skip("pyproject.toml is in the repository, not in the package", allow_module_level=True)

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
LEFT_OUT = ("*.pyc", "*.o", "*.so", ".*")
"""What tools leave behind."""


def test_every_data_file_is_in_the_wheel() -> None:
    """Each file of the five folders is a module or fits a pattern of `package-data`; else add its suffix there."""
    patterns = PROJECT["tool"]["setuptools"]["package-data"]["*"]
    assert [
        str(path.relative_to(ROOT))
        for folder in FOLDERS
        for path in sorted((ROOT / folder).rglob("*"))
        if path.is_file() and path.suffix and "__pycache__" not in path.parts
        if not any(fnmatch(path.name, pattern) for pattern in ("*.py", *patterns, *LEFT_OUT))
    ] == []


def test_links_make_the_package() -> None:
    """`src/espproof` holds one link per folder, so that checkout, editable install, sdist and wheel are the same."""
    for folder in FOLDERS:
        link = ROOT / "src" / "espproof" / folder
        assert link.is_symlink() and link.resolve() == ROOT / folder, f"ln -s ../../{folder} {link}"  # noqa: PT018


def test_marked_as_typed() -> None:
    """`py.typed` is in the package: the types of the adapter's base class are for whoever writes one."""
    assert (ROOT / "src" / "espproof" / "py.typed").is_file()
    assert "py.typed" in PROJECT["tool"]["setuptools"]["package-data"]["espproof"]
