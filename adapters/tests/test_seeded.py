"""The seeded defects: all of them load, each is in its copy alone, and the reference stays what it is."""

import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from espproof.adapters import seeded
from espproof.adapters.base import Crashed
from espproof.adapters.case import Burst, Done, InboundBurst, Octets, OutboundBurst, Sa
from espproof.adapters.models.reference import ReferenceAdapter
from espproof.adapters.seeded import DEFECTS, SeededAdapter, by_id
from espproof.adapters.seeded.load import REFERENCE, Original, Stale, copy_with, edited, package_of, source_of
from espproof.adapters.seeded.model import Defect, Edit
from espproof.reference import endpoint, ip
from espproof.reference.errors import Misuse

SA = Sa(
    name="in",
    direction="in",
    spi=0x01020304,
    mode="tunnel",
    source="198.51.100.42",
    destination="192.0.2.17",
    encr="ENCR_AES_GCM_16",
    encr_key=Octets(bytes(range(16))),
    salt=Octets(b"salt"),
)


def test_there_are_enough() -> None:
    """At least sixty are asked for."""
    assert len(DEFECTS) >= 60


@pytest.mark.parametrize("name", DEFECTS)
def test_defect_loads(name: str) -> None:
    """Every edit fits the present source exactly once, changes it, and gives a copy that imports and starts."""
    for edit in DEFECTS[name].edits:
        source = source_of(edit.module)
        assert source.count(edit.old) == 1, f"{name}: the edit of {edit.module} does not fit any more"
        assert edited(source, [edit]) != source
    adapter = SeededAdapter(name)
    adapter.add_sa(SA)  # the copy may refuse it, or die of it; it is the copy that does
    assert type(adapter._endpoint).__module__ == f"{package_of(name)}.endpoint"


def test_reference_is_not_touched() -> None:
    """A copy has modules, classes and caches of its own; the true ones do not know of it."""
    before = {name: module for name, module in sys.modules.items() if name.startswith(f"{REFERENCE.package}.")}
    copy = copy_with(by_id("esn-flag-ignored"))
    assert copy.endpoint is not endpoint
    assert copy.endpoint.Endpoint is not endpoint.Endpoint
    assert copy.errors.Misuse is not Misuse
    assert {name: module for name, module in sys.modules.items() if name.startswith(f"{REFERENCE.package}.")} == before
    assert type(ReferenceAdapter()._endpoint) is endpoint.Endpoint
    loaded = [module for name, module in sys.modules.items() if name.startswith(package_of("esn-flag-ignored") + ".")]
    for module in loaded:
        for value in vars(module).values():
            assert not getattr(value, "__module__", "").startswith(f"{REFERENCE.package}."), (
                f"{module.__name__}: {value}"
            )


def test_copies_are_made_once() -> None:
    """Opening a defect again does not compile it again."""
    assert copy_with(by_id("esn-flag-ignored")).endpoint is copy_with(by_id("esn-flag-ignored")).endpoint


@pytest.mark.parametrize("defect", DEFECTS.values(), ids=DEFECTS.keys())
def test_defect_says_what_it_is(defect: Defect) -> None:
    """An id that begins with its family, a source, one line that says what is wrong, at least one edit."""
    assert defect.id.startswith(f"{defect.family}-")
    assert defect.source.strip()
    assert defect.title
    assert "\n" not in defect.title
    assert defect.edits


def test_edit_that_does_not_fit_is_stale() -> None:
    """It says which file, and what to do."""
    for old in ("not in the source", "import"):
        with pytest.raises(Stale, match=r"reference/sa\.py has \d+ places"):
            edited(source_of("sa"), [Edit("sa", old, "anything")])


# ---------------------------------------------------------------------------------------------------------- sub-packages

TOWER = {
    "__init__.py": "",
    "bricks.py": "SIZE = 1\n\nclass Brick: pass\n",
    "roof.py": "from tower.floors import first\nfrom tower.floors.ground import HEIGHT\n\nTOP = HEIGHT + first.HEIGHT\n",
    "floors/__init__.py": '"""All floors."""\nfrom tower.floors.ground import HEIGHT\n\nCOUNT = 2\n',
    "floors/ground.py": "from tower.bricks import SIZE, Brick\n\nHEIGHT = 10 * SIZE\n\nclass Ground(Brick): pass\n",
    "floors/first.py": "from ..bricks import SIZE\nfrom .ground import HEIGHT as BELOW\n\nHEIGHT = BELOW + SIZE\n",
    "floors/attic/__init__.py": "",
    "floors/attic/box.py": "from tower.floors import COUNT, ground\n\nSEEN = COUNT, ground.HEIGHT\n",
}
"""A package with packages in it: modules that name each other upwards, downwards and sideways, in both ways of Python."""


@pytest.fixture
def tower(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Original]:
    for name, text in TOWER.items():
        (tmp_path / "tower" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "tower" / name).write_text(text, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)
    yield Original("tower")
    for name in set(sys.modules) - before:
        del sys.modules[name]


def tower_defect(*edits: Edit) -> Defect:
    return Defect(id="tower-leans", source="ours", family="tower", title="it leans", edits=edits)


def test_an_edited_module_of_a_sub_package_is_used_by_all_of_its_copy_and_by_nobody_else(tower: Original) -> None:
    """By its package, its siblings, modules below and above; the copy's classes are its own, the true ones stay."""
    copy = copy_with(tower_defect(Edit("floors.ground", "10 * SIZE", "50 * SIZE")), tower, ("roof", "floors.attic.box"))
    assert (copy.roof.TOP, copy.floors.HEIGHT, copy.floors.first.HEIGHT) == (101, 50, 51)
    assert copy.floors.attic.box.SEEN == (2, 50)
    assert copy.floors.ground.Ground.__mro__[1] is copy.bricks.Brick
    assert "tower.floors" not in sys.modules, "the copy has imported of the true package"
    from tower import roof  # type: ignore[import-not-found]

    assert roof.TOP == 21
    assert copy.bricks.Brick is not sys.modules["tower.bricks"].Brick


def test_a_package_is_edited_by_its_own_name(tower: Original) -> None:
    """`floors` is floors/__init__.py."""
    copy = copy_with(tower_defect(Edit("floors", "COUNT = 2", "COUNT = 3")), tower, ("floors.attic.box",))
    assert copy.floors.attic.box.SEEN == (3, 10)


def test_a_stale_edit_in_a_sub_package_says_which_file_and_what_to_do(tower: Original) -> None:
    """The file by its path; and where no module has that name, those that are meant perhaps."""
    for module, path in (("floors.ground", "tower/floors/ground.py"), ("floors", "tower/floors/__init__.py")):
        with pytest.raises(Stale, match=rf"{path} has 0 places[\s\S]*write the edit in adapters/seeded/ anew"):
            copy_with(tower_defect(Edit(module, "not there", "")), tower, ("roof",))
    with pytest.raises(Stale, match=r"tower/floors/grond\.py does not exist: .*perhaps floors\.ground"):
        copy_with(tower_defect(Edit("floors.grond", "a", "b")), tower, ("bricks",))
    with pytest.raises(ModuleNotFoundError, match=r"tower_leans\.cellar"):
        copy_with(tower_defect(), tower, ("cellar",))


def test_unknown_defect_tells_the_nearest() -> None:
    """A typing mistake is answered with what was meant."""
    with pytest.raises(Misuse, match="esn-flag-ignored"):
        by_id("esn-flag-ignroed")


def test_exception_of_a_copy_is_a_crash() -> None:
    """What would be a crash in C is one here."""
    adapter = SeededAdapter("robustness-header-unchecked")
    assert adapter.add_sa(SA) == Done()
    stump = ip.build_ipv4(bytes([198, 51, 100, 42]), bytes([192, 0, 2, 17]), 50, b"\x01\x02")
    with pytest.raises(Crashed):
        adapter.take(InboundBurst(packets=(Octets(stump),)))


def test_burst_defect_needs_a_burst() -> None:
    """A copy that handles whole bursts gets them whole."""
    adapter = SeededAdapter("format-burst-beyond-32")
    packet = Octets(ip.build_ipv4(bytes([203, 0, 113, 7]), bytes([203, 0, 113, 130]), 253, b"one of many"))
    assert adapter.add_sa(replace(SA, name="out", direction="out")) == Done()
    together = adapter.outbound_burst(OutboundBurst(sa="out", packets=(packet,) * 34))
    assert isinstance(together, Burst)
    kinds = [type(one).__name__ for one in together.results]
    assert kinds == ["Sent"] * 32 + ["Dropped"] * 2


def test_historical_sources_are_told() -> None:
    """Each short name stands in `sources.toml` with a place, and nothing stands there that no defect follows."""
    told = tomllib.loads((Path(seeded.__file__).parent / "sources.toml").read_text(encoding="utf-8"))
    assert set(told) == {one.source for one in DEFECTS.values() if re.fullmatch(r"[A-Z]+-\d+", one.source)}
    assert all(re.fullmatch(r"[\w /.,-]+: .+", place) for place in told.values())
