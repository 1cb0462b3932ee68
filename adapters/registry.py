"""Adapters by name: the ones that come with the suite, entry points, a class in a module, a program, a seeded defect."""

import importlib
import importlib.metadata
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from espproof.adapters.base import Adapter, AdapterError
from espproof.reference.errors import Misuse

GROUP = "espproof.adapters"
"""Entry points of this group add adapters."""


@dataclass(frozen=True, slots=True)
class Known:
    """An adapter that comes with the suite. `needs` is a module that must be importable, `install` how to get it."""

    name: str
    what: str
    where: str
    needs: str
    install: str


KNOWN = (
    Known("reference", "the reference itself: must pass everything", "espproof.adapters.reference:ReferenceAdapter",
          "espproof", ""),
    Known("scapy", "scapy.layers.ipsec (Python)", "espproof.adapters.scapy_ipsec:ScapyAdapter", "scapy",
          "pip install scapy"),
)  # fmt: skip


def open_adapter(name: str) -> Adapter:
    """Make the adapter of that name. `Misuse` if there is no such name, `AdapterError` if it cannot start."""
    scheme, _, rest = name.partition(":")
    if scheme == "seeded" and rest:
        from espproof.adapters.seeded import SeededAdapter  # reads the catalogue

        return SeededAdapter(rest)
    if scheme == "exec" and rest:
        from espproof.adapters.exec.client import ExecAdapter  # starts processes

        return ExecAdapter(rest)
    where = {known.name: known.where for known in KNOWN} | _entry_points()
    place = where.get(name) or (name if ":" in name else None)
    if place is None:
        names = ", ".join([*where, "seeded:DEFECT", "exec:COMMAND", "module:Class"])
        raise Misuse(f"no adapter {name!r}; there are {names}")
    return _load(name, place)


def expectations_of(name: str) -> Path | None:
    """The expectation file that comes with an adapter."""
    path = Path(__file__).parent / "expected" / f"{name}.toml"
    return path if path.is_file() else None


def present(known: Known) -> bool:
    return find_spec(known.needs) is not None


def _entry_points() -> dict[str, str]:
    return {point.name: point.value for point in importlib.metadata.entry_points(group=GROUP)}


def _load(name: str, place: str) -> Adapter:
    module_name, _, attribute = place.partition(":")
    if "" not in sys.path:
        sys.path.insert(0, "")  # a class in the user's own folder
    try:
        make: Callable[[], object] = getattr(importlib.import_module(module_name), attribute)
        adapter = make()
    except ImportError as error:
        raise AdapterError(f"{name}: {error}") from error
    except AttributeError:
        raise Misuse(f"{name}: module {module_name} has no {attribute}") from None
    if not isinstance(adapter, Adapter):
        raise Misuse(f"{name}: {attribute} is no espproof.adapters.base.Adapter")
    return adapter
