"""Private copies of the reference with a defect in them.

    sources of espproof.reference ── edits, own package name ──► package espproof_seeded_<defect> in sys.modules

The copy is a package of its own: its classes, tables and caches are not those of the true reference, which stays the
oracle in the same process. A finder on `sys.meta_path` makes the modules when they are imported, so that only those that
are needed are compiled.
"""

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Sequence
from importlib.resources import files
from types import ModuleType, SimpleNamespace

from espproof.adapters.seeded.catalogue import DEFECTS
from espproof.adapters.seeded.model import Defect, Edit
from espproof.reference.errors import Misuse

PACKAGE = "espproof.reference"
PREFIX = "espproof_seeded_"
MODULES = ("drops", "endpoint", "errors", "lifetime", "replay", "sa")
"""What `ReferenceAdapter` calls; the rest is imported by these."""


class Stale(Misuse):
    """An edit no longer fits the reference's source."""


def package_of(defect: str) -> str:
    """The name of the copy with this defect."""
    return PREFIX + defect.replace("-", "_")


def copy_with(defect: Defect) -> SimpleNamespace:
    """The modules of the reference's copy, imported once per process. `Stale` if an edit does not fit."""
    _Finder.install()
    name = package_of(defect.id)
    return SimpleNamespace(**{module: importlib.import_module(f"{name}.{module}") for module in MODULES})


def source_of(module: str) -> str:
    """The true source of one module of the reference."""
    return files(PACKAGE).joinpath(f"{module}.py").read_text(encoding="utf-8")


def edited(source: str, edits: Sequence[Edit]) -> str:
    """The source with all edits in it; `Stale` says which one does not fit, and what to do."""
    for edit in edits:
        found = source.count(edit.old)
        if found != 1:
            raise Stale(
                f"reference/{edit.module}.py has {found} places that read\n    {edit.old!r}\ninstead of one: "
                "write the edit in adapters/seeded/ anew, so that it makes the same mistake in the present source"
            )
        source = source.replace(edit.old, edit.new)
    return source


class _Finder(importlib.abc.MetaPathFinder):
    """Finds `espproof_seeded_<defect>` and its modules."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        package, _, module = fullname.partition(".")
        defect = _BY_PACKAGE.get(package)
        if defect is None:
            return None
        return importlib.util.spec_from_loader(fullname, _Loader(defect, module), is_package=not module)

    @classmethod
    def install(cls) -> None:
        if not any(isinstance(finder, cls) for finder in sys.meta_path):
            sys.meta_path.append(cls())


class _Loader(importlib.abc.InspectLoader):
    """Compiles one module of a copy; `module` is "" for the package itself, which is empty."""

    def __init__(self, defect: Defect, module: str) -> None:
        self._defect = defect
        self._module = module

    def is_package(self, fullname: str) -> bool:
        return not self._module

    def get_source(self, fullname: str) -> str:
        if not self._module:
            return ""
        edits = [edit for edit in self._defect.edits if edit.module == self._module]
        return edited(source_of(self._module), edits).replace(PACKAGE, package_of(self._defect.id))


_BY_PACKAGE = {package_of(name): defect for name, defect in DEFECTS.items()}
