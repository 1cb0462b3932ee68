"""`espproof check --memory`: whoever keeps something of each packet that is dropped is found out, and nobody else."""

import gc
import shlex
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from typer.testing import CliRunner

from espproof.adapters.base import Crashed
from espproof.adapters.capabilities import Capabilities
from espproof.adapters.case import Burst, Delivered, Dropped, InboundBurst, Octets, Outbound, Passed, Unsupported
from espproof.adapters.models.reference import ReferenceAdapter
from espproof.conformance.commands.cli import build
from espproof.conformance.selfcheck import memory
from espproof.conformance.selfcheck.memory import KINDS, Weighed, weigh
from espproof.conformance.selfcheck.rig import Rig

REASONS = {
    "forged": "integrity",
    "replayed": "replay",
    "late": "replay",
    "unknown-spi": "no-sa",
    "short": "malformed",
    "cut": "malformed",
    "wrong-trailer": "padding",
    "dummy": "dummy",
    "nonsense": "malformed",
    "fragment": "fragment",
    "unselected": "selector",
    "expired": "expired",
    "keepalive": "keepalive",
    "no-more-numbers": "sequence-overflow",
}
"""Kind -> why the reference drops it."""


class Leaks(ReferenceAdapter):
    """Keeps a little of each packet that it drops for one reason."""

    def __init__(self, reason: str, octets: int = 32) -> None:
        self.reason, self.octets = reason, octets
        self.kept: list[bytearray] = []
        super().__init__()

    def inbound(self, packet: Octets) -> Delivered | Dropped | Passed | Unsupported:
        got = super().inbound(packet)
        self._keep(got)
        return got

    def outbound(self, step: Outbound) -> object:  # type: ignore[override]
        got = super().outbound(step)
        self._keep(got)
        return got

    def _keep(self, got: object) -> None:
        if isinstance(got, Dropped) and got.reason == self.reason:
            self.kept.append(bytearray(self.octets))


class LeaksIntegrity(Leaks):
    """As a program may: see `test_a_program`."""

    def __init__(self) -> None:
        super().__init__("integrity", 64)


class WarmsUp(Leaks):
    """Keeps what it drops, up to a limit, as caches and pools do."""

    def _keep(self, got: object) -> None:
        super()._keep(got)
        del self.kept[3000:]


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Windows of 1,000 packets, and a floor that fits them. What other tests have left is not collected each time."""
    monkeypatch.setattr(memory, "WINDOW", 1000)
    monkeypatch.setattr(memory, "WINDOW_SECONDS", 600.0)
    monkeypatch.setattr(memory, "LEAST", 1 << 14)
    gc.freeze()
    yield
    gc.unfreeze()


def weighed(adapter: ReferenceAdapter, kinds: Sequence[str]) -> dict[str, Weighed]:
    with memory._traced(True):
        rig = Rig(adapter, adapter.capabilities())
        return {kind: memory._kind(rig, kind, memory.allocated) for kind in kinds}


@pytest.mark.parametrize("kind", REASONS)
def test_what_stays_of_a_dropped_packet_is_seen(kind: str) -> None:
    """Of each kind that there is; the implementation that keeps nothing is steady."""
    (leaks,) = weighed(Leaks(REASONS[kind]), [kind]).values()
    assert leaks.verdict == "leaks"
    assert len(leaks.grown) == memory.MOST
    (steady,) = weighed(Leaks("none of them"), [kind]).values()
    assert steady.verdict == "steady"
    assert set(steady.outcomes) <= {"dropped"}
    assert steady.packets == memory.ENOUGH * memory.WINDOW


def test_the_other_kinds_are_steady() -> None:
    """A leak of one kind is told of that kind alone; every kind can be sent to the reference."""
    found = weighed(Leaks("keepalive"), list(KINDS))
    assert [kind for kind, one in found.items() if one.verdict == "leaks"] == ["keepalive"]
    assert {one.verdict for one in found.values()} == {"leaks", "steady"}


def test_every_kind_is_proved() -> None:
    """Each has a leak that shows it, but for what is not dropped."""
    assert KINDS.keys() - REASONS.keys() == {"right", "sent", "other-protocol", "ike"}


def test_who_reaches_a_size_and_stays_there_does_not_leak() -> None:
    """However many windows it takes, as long as they are fewer than all."""
    (one,) = weighed(WarmsUp("integrity"), ["forged"]).values()
    assert one.verdict == "steady"
    assert max(one.grown) > memory.LEAST


@pytest.mark.parametrize(
    ("grown", "steady"),
    [
        ([900_000, 0, 0], True),
        ([0, 10_000, 10_000], True),
        ([0, 900_000, 0], True),
        ([0, 160_000, 160_000], False),
        ([0, 0, 400_000], False),
        ([0, 400_000, -300_000], True),
    ],
)
def test_growth(grown: list[int], steady: bool) -> None:
    """Of windows of 10,000 packets; the first does not count, and a leak may find room in what was freed before."""
    assert memory._steady(grown, 10_000) is steady


def test_windows_end_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who is slow is sent fewer packets, and the report says from which size on a leak is seen."""
    monkeypatch.setattr(memory, "WINDOW_SECONDS", 0.0)
    (one,) = weighed(Leaks("none"), ["forged"]).values()
    assert one.packets == memory.ENOUGH * memory.BURST
    assert one.sees == pytest.approx(memory.LEAST / memory.BURST)


class DiesOfShort(ReferenceAdapter):
    def inbound_burst(self, step: InboundBurst) -> Burst | Unsupported:
        raise Crashed("signal 11")


class ReceivesNothing(ReferenceAdapter):
    def capabilities(self) -> Capabilities:
        return Capabilities(encryption={"ENCR_AES_GCM_16": (16,)}, directions=("out",))


def test_what_cannot_be_weighed_is_told() -> None:
    """A death is no leak, and nothing that is declared is left out in silence."""
    (died,) = weighed(DiesOfShort(), ["short"]).values()
    assert (died.verdict, died.told) == ("not measured", "crashed: signal 11")
    (missing,) = weighed(ReceivesNothing(), ["forged"]).values()
    assert (missing.verdict, missing.told) == ("not applicable", "without direction in")


def program(name: str) -> str:
    return f"exec:{shlex.quote(sys.executable)} -m espproof.adapters.exec.harness {name}"


@pytest.mark.slow
@pytest.mark.parametrize(("name", "verdict"), [(f"{__name__}:LeaksIntegrity", "leaks"), ("reference", "steady")])
def test_a_program(name: str, verdict: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Is weighed from outside, by the pages that it has for itself."""
    monkeypatch.setattr(memory, "KINDS", {"forged": KINDS["forged"]})
    monkeypatch.setattr(memory, "WINDOW", 4000)
    monkeypatch.setattr(memory, "LEAST", 1 << 16)
    report = weigh(program(name))
    assert report.weighed == "its processes"
    assert [one.verdict for one in report.kinds] == [verdict]
    assert report.correct is (verdict == "steady")


SANITIZED = """
import sys
from espproof.adapters.exec.harness import Harness, serve
from espproof.adapters.models.reference import ReferenceAdapter
serve(Harness(ReferenceAdapter()), sys.stdin.buffer, sys.stdout.buffer)
print("==7==ERROR: LeakSanitizer: detected memory leaks", file=sys.stderr)
print("SUMMARY: AddressSanitizer: 48 byte(s) leaked in 1 allocation(s).", file=sys.stderr)
"""


def test_a_leak_sanitizer_is_listened_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It speaks when the program ends."""
    monkeypatch.setattr(memory, "KINDS", {})
    (tmp_path / "sanitized.py").write_text(SANITIZED, encoding="utf-8")
    report = weigh(f"exec:{shlex.quote(sys.executable)} {shlex.quote(str(tmp_path / 'sanitized.py'))}")
    assert [(one.verdict, one.told) for one in report.kinds] == [
        ("leaks", "SUMMARY: AddressSanitizer: 48 byte(s) leaked in 1 allocation(s).")
    ]
    assert not report.correct


def test_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """A table, or JSON; exit status 1 if something leaks."""
    monkeypatch.setattr(memory, "KINDS", {"forged": KINDS["forged"]})
    app = build()
    table = CliRunner().invoke(app, ["check", f"{__name__}:LeaksIntegrity", "--memory"])
    assert table.exit_code == 1
    assert "leaks" in table.output
    told = CliRunner().invoke(app, ["check", "reference", "--memory", "--json"])
    assert told.exit_code == 0
    assert '"correct": true' in told.output
    assert CliRunner().invoke(app, ["check", "reference", "--memory", "--faults"]).exit_code == 2
