"""How time and memory grow: every packet finds its member, every figure is there, and a storm that errs is told."""

import json
import random
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from espproof.adapters.base import AdapterError
from espproof.adapters.case import Policy
from espproof.adapters.linux.measured import Measured
from espproof.adapters.models.reference import ReferenceAdapter
from espproof.adapters.seeded import SeededAdapter
from espproof.adapters.translate import policy_of
from espproof.conformance.bench import scale, storm
from espproof.conformance.bench.crowds import CROWDS, Crowd
from espproof.conformance.bench.scale import LINEAR, REFERENCE, Curve, Scale, Size
from espproof.conformance.commands.cli import build
from espproof.reference import ip
from espproof.reference.xfrm.policy import flow_of

BY_NAME = [pytest.param(crowd, id=crowd.name) for crowd in CROWDS]


@pytest.mark.parametrize("crowd", BY_NAME)
def test_no_two_members_are_the_same(crowd: Crowd) -> None:
    """Names and what tells them apart differ, over the whole crowd."""
    members = [crowd.member(number) for number in random.Random(1).sample(range(100_000), 3000)]
    assert len({one.name for one in members}) == len(members)
    identities = {policy_of(one).identity if isinstance(one, Policy) else (one.spi, one.destination) for one in members}
    assert len(identities) == len(members)


@pytest.mark.parametrize("crowd", [one for one in CROWDS if one.of == "policies"], ids=lambda crowd: crowd.name)
def test_a_packet_fits_its_policy(crowd: Crowd) -> None:
    """At every place of the crowd."""
    for number in (0, 1, 99, 12_345, 99_999):
        member = crowd.member(number)
        assert isinstance(member, Policy)
        assert policy_of(member).matches(flow_of(ip.parse(crowd.packet(number))), 0, 0)


@pytest.mark.parametrize("crowd", BY_NAME)
def test_curves_of_the_reference(crowd: Crowd) -> None:
    """All figures of the fast search, and the searches of the linear one."""
    fast, linear = scale.reference_curves(crowd, (100, 200), 1)
    assert (fast.who, linear.who) == (REFERENCE, LINEAR)
    for size in fast.sizes:
        assert min(size.lookup or 0, size.insert or 0, size.delete or 0) > 0
        assert (size.octets or 0) > 300
    assert set(fast.growth) == set(scale.OPERATIONS)
    assert [size.count for size in linear.sizes] == [100, 200]


def test_a_linear_search_that_takes_too_long_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """The curve says why there is nothing behind."""
    monkeypatch.setattr(scale, "_ABSURD", 0.0)
    _, linear = scale.reference_curves(CROWDS[0], (100, 200), 1)
    assert [size.count for size in linear.sizes] == [100]
    assert "one search takes" in linear.stopped


def test_growth_is_held_against_the_aim() -> None:
    """Of the reference: a kernel has no aim, and one that could not run is not met."""
    curve = Curve(crowd="exact", what="", who=REFERENCE, sizes=(), growth={"search": 3.0})
    worse = Curve(crowd="exact", what="", who=REFERENCE, sizes=(), growth={"search": 1.0, "deletion": 3.1})
    kernel = Curve(crowd="exact", what="", who="linux", sizes=(Size(count=100, lookup=1.0),))
    assert Scale(curves=(curve, kernel), versions={}, failures={}).met
    assert not Scale(curves=(curve, worse), versions={}, failures={}).met
    assert not Scale(curves=(curve,), versions={}, failures={"linux": "gone"}).met


def test_sizes() -> None:
    """From 100 in steps of ten, as far as it is asked for."""
    assert scale.sizes_up_to(100_000) == (100, 1000, 10_000, 100_000)
    assert scale.sizes_up_to(5000) == (100, 1000)


@pytest.mark.parametrize("name", ["dpdk", "linux:host", "linux:host=eth0"])
def test_what_cannot_be_measured(name: str) -> None:
    """Only kernels in user mode have a guest of their own; whoever names another is told."""
    with pytest.raises(AdapterError, match="kernels in user mode"):
        Measured(name)


# ------------------------------------------------------------------------------------------------------------ storm


def test_a_storm_in_the_reference() -> None:
    """Six packets for each SA that is replaced, and nothing is wrong."""
    found = storm.storm(ReferenceAdapter(), sas=100)
    assert found.wrong == ()
    assert (found.replaced, found.packets) == (100, 600)


@pytest.mark.parametrize(
    ("defect", "told"),
    [
        ("xfrm-state-oldest-of-a-request", "under SPI"),
        ("xfrm-rekey-both-deleted", "lost"),
        ("xfrm-rekey-index-left-behind", "for an SA that was deleted: let in"),
        ("xfrm-rekey-bundle-of-so-many", "under SPI"),
        ("xfrm-path-clear-without-sa", ""),
    ],
)
def test_a_storm_finds(defect: str, told: str) -> None:
    """What goes wrong is said, but no more than ten times; a defect that a storm cannot show is none here."""
    found = storm.storm(SeededAdapter(defect), sas=40)
    assert len(found.wrong) <= 10
    assert any(told in wrong for wrong in found.wrong) == bool(told)


def test_what_emerges_is_looked_at_closely() -> None:
    """Number, IV, SPI, what is inside, and what is no ESP at all."""
    tunnel = storm._Tunnel(1, (0, 0))
    tunnel.renew((0x1000, 0x1001))
    inside = ip.forwarded(tunnel.packet("out", 1))
    twin = storm._Sender(tunnel.out.sa)
    first, second = twin.protect(inside), twin.protect(inside)
    assert tunnel.out.fault_of(first, inside) == ""
    assert "number 1, expected 2" in tunnel.out.fault_of(first, inside)
    tunnel.out.number = 1
    assert "in the clear" in tunnel.out.fault_of(inside, inside)
    tunnel.out.number = 1
    assert "something else" in tunnel.out.fault_of(second, tunnel.packet("out", 2))
    tunnel.out.number = 1
    assert "IV" in tunnel.out.fault_of(second, inside)
    assert "no packet" in tunnel.out.fault_of(b"x", inside)
    assert "under SPI 0x1001" in tunnel.out.fault_of(tunnel.arriving.protect(inside), inside)


# ---------------------------------------------------------------------------------------------------------- command


def command(*words: str) -> Any:
    return CliRunner().invoke(build(), ["bench", "--only", "scale", *words])


def test_command(tmp_path: Path) -> None:
    """One JSON document with everything, and the page."""
    page = tmp_path / "scale.html"
    done = command("reference", "--most", "100", "--json", "--html", str(page))
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert set(told["growth"]) == {crowd.name for crowd in CROWDS}
    assert [(one["who"], one["wrong"]) for one in told["storms"]] == [("reference", [])]
    assert {curve["who"] for curve in told["curves"]} == {REFERENCE, LINEAR}
    assert page.read_text(encoding="utf-8").count('<svg class="plot"') == 4 * len(CROWDS)


def test_command_shows_tables() -> None:
    """Of each crowd, and of the storm."""
    done = command("reference", "--most", "100")
    assert done.exit_code == 0, done.output
    for words in (*(crowd.what for crowd in CROWDS), "every SA replaced", "nothing"):
        assert words in done.stdout


def test_command_fails_loudly(monkeypatch: pytest.MonkeyPatch) -> None:
    """A storm in which something was wrong is exit status 1, and says what."""
    seeded = SeededAdapter("xfrm-rekey-both-deleted")
    monkeypatch.setattr("espproof.conformance.commands.scale.open_adapter", lambda name: seeded)
    monkeypatch.setattr(storm, "SAS", 20)
    done = command("reference", "--most", "100")
    assert done.exit_code == 1
    assert "lost" in done.stdout


def test_command_without_the_kernel() -> None:
    """A kernel that is not there is told, and the reference is measured all the same."""
    done = command("linux:nowhere", "--most", "100", "--json")
    assert done.exit_code == 3
    assert "no kernel under this label" in json.loads(done.stdout)["failures"]["linux:nowhere"]


def test_options_belong_together() -> None:
    """A page without `--only scale` is a mistake of the user's."""
    done = CliRunner().invoke(build(), ["bench", "reference", "--html", "x.html"])
    assert done.exit_code == 2
