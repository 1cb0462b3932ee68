"""Every MUST and SHOULD has a check or a reason why it has none, a check tries what it names, and a defect proves it."""

import os
from collections.abc import Iterator
from functools import cache, lru_cache
from pathlib import Path

import msgspec
import pytest

from espproof.adapters.base import Adapter
from espproof.adapters.case import Case, CaseFile, from_json, to_json
from espproof.adapters.models.connectx import ConnectXAdapter
from espproof.adapters.models.fortville import FortvilleAdapter
from espproof.adapters.models.lookaside import LookasideAdapter
from espproof.adapters.models.niantic import NianticAdapter
from espproof.adapters.models.reference import ReferenceAdapter
from espproof.adapters.seeded import DEFECTS, seeded
from espproof.conformance.checks import coverage
from espproof.conformance.checks.registry import Check, all_checks
from espproof.conformance.oracle.shown import RIGHT_PACKET
from espproof.conformance.oracle.verdict import Verdict
from espproof.conformance.requirements import catalogue
from espproof.conformance.running import proof
from espproof.conformance.running.check import run_check, target
from espproof.conformance.running.proof import broken

CHECKS = list(all_checks().values())
SEEDS = (1, 2, 3, 4, 5)
DEVICES: dict[str, Adapter] = {
    "niantic": NianticAdapter(),
    "niantic:vf": NianticAdapter("vf"),
    "connectx": ConnectXAdapter(),
    "connectx:packet": ConnectXAdapter("packet"),
    "lookaside": LookasideAdapter(),
    "fortville": FortvilleAdapter(),
    "fortville:vf": FortvilleAdapter("vf"),
}
RIGHT: dict[str, Adapter] = {"reference": ReferenceAdapter(), **DEVICES}
"""What passes everything that it can be asked."""
HOLES = {"robustness-protected-extension-headers"}
"""Defects that no check finds: what is behind a right ICV there is for the fuzzer (`fuzz/`)."""


@pytest.mark.parametrize("document", catalogue.documents())
def test_no_requirement_is_left_over(document: str) -> None:
    """Add a check that names the requirement, `verified_with`, or `waived` with a reason."""
    left = [one.id for one in catalogue.by_document(document) if coverage.of(one).state == "unverified"]
    assert left == []


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.id)
def test_a_check_names_requirements_and_defects_that_exist(check: Check) -> None:
    """A check that no seeded defect proves has not been seen to fail."""
    assert [name for name in check.verifies if name not in catalogue.load()] == []
    assert [name for name in check.verifies if catalogue.load()[name].verified_with] == []
    assert [name for name in check.proved_by if name not in DEFECTS] == []
    assert bool(check.proved_by) != check.records


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.id)
def test_a_check_tries_what_it_names(check: Check) -> None:
    """What every kind of packet shows depends on which SAs are drawn and is looked at in `test_right_packets`."""
    tried: set[str] = set()
    verdicts = set()
    for adapter in DEVICES.values() if check.family == "offload" else (RIGHT["reference"],):
        result = run_check(check, adapter, target(adapter), examples=100, seed=1)
        tried.update(result.tried)
        verdicts.add(result.verdict)
    assert Verdict.PASS in verdicts
    assert verdicts <= {Verdict.PASS, Verdict.INAPPLICABLE}
    assert set(check.verifies) - tried - set(RIGHT_PACKET) == set()


def test_right_packets() -> None:
    """One of the checks with every kind of packet has tried every requirement that any packet shows."""
    adapter = ReferenceAdapter()
    tried: set[str] = set()
    for name in ("crypto.every-algorithm", "format.protects"):
        tried |= set(run_check(all_checks()[name], adapter, target(adapter), examples=200, seed=1).tried)
    assert set(RIGHT_PACKET) - tried == set()


def test_the_counts_are_those_of_the_catalogue() -> None:
    """Nothing is counted twice or forgotten, and verified, recorded and waived are all there is."""
    for document in catalogue.documents():
        entries = catalogue.by_document(document)
        counts = coverage.counts(coverage.of(one) for one in entries)
        assert sum(level["total"] for level in counts.values()) == len(entries)
        for level in counts.values():
            assert level["total"] == level["verified"] + level["recorded"] + level["waived"]
            assert level["proved"] <= level["verified"]


@pytest.mark.parametrize("check", [check for check in CHECKS if check.proved_by], ids=lambda check: check.id)
def test_a_check_is_proved_by_defects_of_its_family(check: Check) -> None:
    """What another family's defect breaks may happen to show in a check, and says nothing of what the check is for."""
    families = {defect.family for defect in DEFECTS.values()}
    others = [name for name in check.proved_by if DEFECTS[name].family != check.family]
    assert others == [] or check.family not in families


@pytest.mark.parametrize("check", [check for check in CHECKS if check.proved_by], ids=lambda check: check.id)
def test_a_check_catches_the_defects_that_prove_it(check: Check, folder: Path) -> None:
    """Each check has been seen to fail, and still does, on a requirement that it verifies and that the defect breaks."""
    for name in check.proved_by:
        own = set(check.verifies).intersection(DEFECTS[name].breaks)
        assert any(own & shown for shown in shows(folder, check, name)), name


@pytest.mark.parametrize("name", [name for name in DEFECTS if name not in HOLES])
def test_a_defect_is_found_on_what_it_breaks(name: str, folder: Path) -> None:
    """On each of these requirements, by a check that verifies it. Which seed does it depends on Hypothesis' version."""
    breaks = DEFECTS[name].breaks
    assert breaks
    assert [one for one in breaks if one not in catalogue.load()] == []
    for requirement in breaks:
        checks = [check for check in CHECKS if requirement in check.verifies and not check.records]
        checks.sort(key=lambda check: (name not in check.proved_by, check.family != DEFECTS[name].family))
        seen = (shown for seed in SEEDS for check in checks for shown in shows(folder, check, name, (seed,)))
        assert any(requirement in shown for shown in seen), requirement


@pytest.mark.parametrize("name", [name for name in DEFECTS if set(DEFECTS[name].breaks) & set(RIGHT_PACKET)])
def test_what_right_packets_show_is_broken_by_no_other_packet(name: str, folder: Path) -> None:
    """No finding is about such a requirement: a defect breaks it when every packet that turns out wrong would show it."""
    breaks = set(DEFECTS[name].breaks)
    for check in ("format.opens", "crypto.known-iv"):
        for shown in shows(folder, all_checks()[check], name, seeds=(1,)):
            assert not shown or shown & breaks, (check, shown)


def test_what_is_demanded_is_proved() -> None:
    """Seed a defect that breaks the requirement, or say in the catalogue why nobody can see it."""
    verified = [one for entry in catalogue.load().values() if (one := coverage.of(entry)).state == "verified"]
    assert [one.requirement.id for one in verified if not one.proved_by] == []


def shows(folder: Path, check: Check, name: str, seeds: tuple[int, ...] = SEEDS) -> Iterator[frozenset[str]]:
    """What each case of a check shows a seeded defect not to meet. What a test of any process has found is read; a device
    has its past, so all of its cases are carried out once more where there are not enough."""
    adapter: Adapter | None = None
    for seed in seeds:
        kept = folder / f"shown-{check.id}-{seed}-{name}.json"
        shown: list[list[str]] = msgspec.json.decode(kept.read_bytes()) if kept.exists() else []
        yield from map(frozenset, shown)
        known = len(shown)
        cases = drawn(folder, check.id, seed, target_of(name))
        if known == len(cases):
            continue
        adapter = adapter or seeded(name)
        for case in cases[:known] if DEFECTS[name].model != "reference" else ():
            broken(case, adapter)
        try:
            for case in cases[known:]:
                shown.append(sorted(broken(case, adapter)))
                yield frozenset(shown[-1])
        finally:
            if len(shown) > known:
                put(kept, msgspec.json.encode(shown))


@cache
def target_of(name: str) -> str:
    """What is right and has the capabilities of a seeded defect, if there is something, so that many share cases."""
    declared = seeded(name).capabilities()
    return next((right for right, one in RIGHT.items() if one.capabilities() == declared), name)


@lru_cache(maxsize=50)
def drawn(folder: Path, check: str, seed: int, target_of: str) -> tuple[Case, ...]:
    """The cases of a check, drawn once for all processes that test."""
    kept = folder / f"{check}-{seed}-{target_of}.json"
    if kept.exists():
        return from_json(kept.read_bytes(), CaseFile).cases
    adapter = RIGHT.get(target_of) or seeded(target_of)
    cases = proof.drawn(all_checks()[check], target(adapter), examples=100, seed=seed)
    put(kept, to_json(CaseFile(version=1, cases=cases)))
    return cases


def put(kept: Path, octets: bytes) -> None:
    """Whole, or not at all, whoever else writes or reads it."""
    made = kept.with_suffix(f".{os.getpid()}")
    made.write_bytes(octets)
    made.replace(kept)


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One that all processes of a run share."""
    mine = tmp_path_factory.getbasetemp()
    shared = (mine.parent if "PYTEST_XDIST_WORKER" in os.environ else mine) / "drawn"
    shared.mkdir(exist_ok=True)
    return shared
