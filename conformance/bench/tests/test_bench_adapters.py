"""The speed of adapters: what is measured is right, and what is lost is no speed."""

import json
import shlex
import sys
from typing import Any

import pytest
from msgspec.structs import replace
from typer.testing import CliRunner

from espproof.adapters import base
from espproof.adapters.case import Dropped, Unsupported
from espproof.adapters.models.reference import ReferenceAdapter
from espproof.conformance.bench import adapters
from espproof.conformance.commands.cli import build

HARNESS = f"exec:{shlex.quote(sys.executable)} -m espproof.adapters.exec.harness reference"


def test_figures_of_an_adapter_in_another_process() -> None:
    """Every direction, size and way has a rate; the shares add up; the child's memory is seen."""
    figures = adapters.measure(HARNESS, 1.0)
    assert len(figures.packets) == 8
    assert all(rate > 0 for rate in figures.packets.values())
    for run in (figures.drawn, figures.recalled):
        assert sum(run.shares.values()) == pytest.approx(1, abs=0.01)
        assert run.own_share == pytest.approx(1 - run.shares["adapter"], abs=0.01)
    assert figures.drawn.cases == figures.recalled.cases
    assert figures.recalled.shares["generation"] < figures.drawn.shares["generation"]
    assert figures.memory_mib > 1
    assert figures.start_seconds > 0.05
    assert figures.algorithms == "ENCR_AES_GCM_16-128"


def test_lost_packet_is_no_speed(monkeypatch: pytest.MonkeyPatch) -> None:
    """An adapter that drops what it must deliver has no figure."""
    monkeypatch.setattr(ReferenceAdapter, "inbound", lambda self, packet: Dropped(reason="integrity"))
    with pytest.raises(base.AdapterError, match="must be delivered was not: integrity"):
        adapters.measure("reference", 1.0)


def test_an_adapter_without_bursts_has_no_figures_for_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """The protocol does not ask for bursts: packets one by one are measured all the same."""
    monkeypatch.setattr(ReferenceAdapter, "inbound_burst", lambda self, packets: Unsupported(what="inbound_burst"))
    figures = adapters.measure("reference", 1.0)
    assert sorted(name for name in figures.packets if name.startswith("in ")) == [
        "in 100 one by one",
        "in 1400 one by one",
    ]
    assert len(figures.packets) == 6


def test_targets_are_held_against_the_figures() -> None:
    """Too slow, or too large a share of the suite's own, is not met."""
    first, later = (
        adapters.RunFigures(cases=1, cases_per_second=1, shares={}, own_share=share) for share in (0.9, 0.5)
    )
    figures = adapters.AdapterFigures(
        adapter="dpdk", version="1", algorithms="", start_seconds=0, memory_mib=0, packets={"in 100 batched": 60_000.0},
        drawn=first, recalled=later, at_least=50_000, most_own_share=0.6,
    )  # fmt: skip
    assert figures.met
    worse: dict[str, Any]
    for worse in ({"packets": {"in 100 batched": 40_000.0}}, {"recalled": first}):
        assert not replace(figures, **worse).met


def test_command_tells_of_those_that_cannot_run() -> None:
    """The figures of the others are printed all the same; the exit status is 3."""
    done = CliRunner().invoke(build(), ["bench", "reference", "exec:/nowhere/iut", "--seconds", "1", "--json"])
    assert done.exit_code == 3
    told = json.loads(done.stdout)
    assert set(told["adapters"]) == {"reference"}
    assert "/nowhere/iut" in told["failures"]["exec:/nowhere/iut"]
    assert told["met"] is False
