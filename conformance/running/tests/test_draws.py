"""Cases depend on the seed and on nothing else."""

import sys
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.internal.conjecture import providers

from espproof.adapters.models.reference import ReferenceAdapter
from espproof.conformance.checks.registry import all_checks
from espproof.conformance.running.check import run_check, target


def digest(seed: int = 1) -> str:
    adapter = ReferenceAdapter()
    return run_check(all_checks()["udp.checksum"], adapter, target(adapter), examples=60, seed=seed).digest


def test_loaded_modules_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module of the user's with interesting numbers in it does not change the cases of a seed."""
    monkeypatch.chdir(tmp_path)
    before = digest()
    path = tmp_path / "full_of_numbers.py"
    path.write_text("\n".join(f"A{n} = {n * 37 + 101}" for n in range(500)), encoding="utf-8")
    module = ModuleType("full_of_numbers")
    module.__file__ = str(path)
    monkeypatch.setitem(sys.modules, "full_of_numbers", module)
    assert digest() == before
    assert digest(seed=2) != before


def test_nothing_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A check leaves no folder of Hypothesis' in the working directory."""
    monkeypatch.chdir(tmp_path)
    digest()
    assert not list(tmp_path.iterdir())


def test_others_keep_what_they_have() -> None:
    """Outside, Hypothesis is as it was."""
    names = ("_get_local_constants", "CONSTANTS_CACHE")
    before = {name: vars(providers).get(name) for name in names}
    digest()
    assert {name: vars(providers).get(name) for name in names} == before

    @settings(max_examples=5, database=None, deadline=None)
    @given(st.integers())
    def test(value: int) -> None:
        assert isinstance(value, int)

    test()
