"""Adapters by name."""

import importlib
import importlib.metadata
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from espproof.adapters import registry
from espproof.adapters.base import AdapterError
from espproof.adapters.models.reference import ReferenceAdapter
from espproof.adapters.seeded import SeededAdapter
from espproof.reference.errors import Misuse

OWN = """
from espproof.adapters.models.reference import ReferenceAdapter

class Mine(ReferenceAdapter):
    name = "mine"

def make():
    return Mine()

def fails():
    raise ImportError("no such device library")

nothing = dict
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module of the user's."""
    (tmp_path / "own_adapter.py").write_text(OWN, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    return "own_adapter"


@pytest.mark.parametrize("known", registry.KNOWN, ids=lambda known: known.name)
def test_known_adapter_opens_by_its_name(known: registry.Known) -> None:
    """What is listed as present can be opened, and calls itself by that name."""
    if not registry.present(known):
        pytest.skip(f"{known.name} is not here; {known.install}")
    with registry.open_adapter(known.name) as adapter:
        assert adapter.name == known.name
        assert adapter.version != "?"


def test_class_of_a_module_opens(own: str) -> None:
    """`module:Class` makes the class; anything that can be called and gives an adapter will do."""
    assert registry.open_adapter(f"{own}:Mine").name == "mine"
    assert registry.open_adapter(f"{own}:make").name == "mine"


def test_class_in_the_working_directory_opens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The user's own folder needs no PYTHONPATH."""
    (tmp_path / "lying_here.py").write_text(OWN, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert registry.open_adapter("lying_here:Mine").name == "mine"


def test_seeded_defect_opens() -> None:
    """`seeded:` and the id of a defect."""
    adapter = registry.open_adapter("seeded:esn-flag-ignored")
    assert isinstance(adapter, SeededAdapter)
    assert adapter.name == "seeded:esn-flag-ignored"


def test_entry_point_opens(own: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installed package adds adapters in the group `espproof.adapters`."""
    points = {registry.GROUP: [SimpleNamespace(name="theirs", value=f"{own}:Mine")]}
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: points.get(group, []))
    assert registry.open_adapter("theirs").name == "mine"
    with pytest.raises(Misuse, match="theirs"):
        registry.open_adapter("nobodys")


def test_unknown_name_is_misuse_and_tells_the_known_ones() -> None:
    """A typing mistake is answered with what there is."""
    with pytest.raises(Misuse, match=r"reference, niantic, connectx, lookaside, fortville, scapy.*seeded:DEFECT"):
        registry.open_adapter("refrence")


def test_a_name_that_is_no_text_is_told() -> None:
    """It stands in results and reports, which are text; octets that are none arrive as lone surrogates."""
    with pytest.raises(Misuse, match="no text"):
        registry.open_adapter("exec:/tmp/\udcc3\udcb6")


@pytest.mark.parametrize("name", ["seeded:esn-flag-ignroed", "seeded:"])
def test_unknown_defect_is_misuse(name: str) -> None:
    """The nearest ids are told; a scheme alone is no name."""
    with pytest.raises((Misuse, AdapterError), match=r"esn-flag-ignored|seeded"):
        registry.open_adapter(name)


def test_missing_module_is_an_adapter_error() -> None:
    """What is not installed could not run: it is no mistake in the name."""
    with pytest.raises(AdapterError, match="no_such_module"):
        registry.open_adapter("no_such_module:Adapter")


def test_import_error_of_the_adapter_is_an_adapter_error(own: str) -> None:
    """An adapter whose own library is missing says so."""
    with pytest.raises(AdapterError, match="no such device library"):
        registry.open_adapter(f"{own}:fails")


def test_missing_class_is_misuse(own: str) -> None:
    """The module is there, the class is not."""
    with pytest.raises(Misuse, match="no Adapter"):
        registry.open_adapter(f"{own}:Adapter")


def test_what_is_no_adapter_is_misuse(own: str) -> None:
    """A class that is no adapter is refused before anything is run on it."""
    with pytest.raises(Misuse, match="no espproof"):
        registry.open_adapter(f"{own}:nothing")


def test_expectations_stand_beside_the_adapters() -> None:
    """scapy has known deviations, the reference has none."""
    assert registry.expectations_of("scapy") is not None
    for name, file in (
        ("linux", "expected"),
        ("linux:any-window", "expected_any-window"),
        ("linux:built", "expected_built"),
        ("linux:kasan", "expected_built"),
        ("linux:gro=built", "expected_gro_built"),
        ("linux:async", "expected"),
    ):
        path = registry.expectations_of(name)
        assert path is not None
        assert path.stem == file
        assert registry.shown(path) == f"adapters/linux/{file}.toml"
    assert registry.expectations_of("reference") is None
    assert registry.expectations_of("seeded:esn-flag-ignored") is None
    assert registry.shown(Path("known.toml")) == "known.toml"


@pytest.mark.parametrize("known", registry.KNOWN, ids=lambda known: known.name)
def test_failing_build_advises_what_the_registry_does(known: registry.Known) -> None:
    """An adapter that names the command which installs what it needs names the registry's."""
    module = importlib.import_module(known.where.partition(":")[0])
    assert getattr(module, "INSTALL", known.install) == known.install


def test_two_of_a_name_are_two() -> None:
    """Opening twice gives two adapters that share no state."""
    one, two = registry.open_adapter("reference"), registry.open_adapter("reference")
    assert one is not two
    assert isinstance(one, ReferenceAdapter)


@pytest.mark.parametrize("name", ["exec:", "exec: "])
def test_exec_without_a_command_is_misuse(name: str) -> None:
    with pytest.raises(Misuse, match="needs a command"):
        registry.open_adapter(name)


@pytest.mark.parametrize(
    ("source", "told"),
    [
        (
            "class Mine:\n    def __init__(self):\n        raise ValueError('no licence')\n",
            "ValueError: no licence .*line 3",
        ),
        ("class Mine:\n    def __init__(self):\n        self.nothing.there\n", "AttributeError: .*nothing.*line 3"),
        ("1 / 0\n", "ZeroDivisionError.*line 1"),
        ("class Mine(:\n", "SyntaxError"),
    ],
)
def test_whatever_a_module_raises_is_an_adapter_error_with_its_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, told: str
) -> None:
    (tmp_path / "raises_at_start.py").write_text(source, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "raises_at_start", raising=False)
    importlib.invalidate_caches()
    with pytest.raises(AdapterError, match=told):
        registry.open_adapter("raises_at_start:Mine")
