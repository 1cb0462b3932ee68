"""One row per kind of step, from which everybody reads."""

from pathlib import Path
from typing import get_args

from espproof.adapters import exec as exec_package
from espproof.adapters.base import Adapter
from espproof.adapters.case import Burst, Outcome, Step, Unsupported
from espproof.adapters.steps import STEPS, operation


def test_every_kind_of_step_has_its_row() -> None:
    """A kind that is added to `case.Step` is added to the table, and nothing else stands there."""
    assert set(STEPS) == set(get_args(Step))


def test_every_row_is_whole() -> None:
    """Anything may be unsupported; a burst says what becomes of each packet; all outcomes are outcomes."""
    for kind, row in STEPS.items():
        assert Unsupported in row.outcomes, kind
        assert (Burst in row.outcomes) == bool(row.each), kind
        assert set(row.outcomes) | set(row.each) <= set(get_args(Outcome)), kind


def test_every_kind_is_an_operation_of_the_base_class() -> None:
    """By the name that it has in JSON."""
    assert [operation(kind) for kind in STEPS if not callable(getattr(Adapter, operation(kind), None))] == []


def test_the_harness_in_c_knows_every_kind() -> None:
    """C cannot read the table: each operation stands there as a string, but those which no program in C can do yet."""
    folder = Path(next(iter(exec_package.__path__))) / "harness_c"
    files = ("espproof_harness.c", "espproof_host.h")
    source = "".join((folder / name).read_text(encoding="utf-8") for name in files)
    unknown = [operation(kind) for kind in STEPS if f'"{operation(kind)}"' not in source]
    assert unknown == ["read_audit", "enter_burst", "device_event", "read_device"]
