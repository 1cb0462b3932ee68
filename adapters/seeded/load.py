"""Private copies of the reference with a defect in them.

    espproof.reference       ── edits, own package name ──►   espproof_seeded_<defect>, in sys.modules
      │ __init__.py   ""                                        │
      │ esp.py        "esp"                                     │ .esp
      └ xfrm/                                                   └ .xfrm
          __init__.py "xfrm"                                        │
          spd.py      "xfrm.spd"                                    └ .spd

A module is named by its dotted path below the reference, in edits too; a package's name is that of its `__init__.py`.

The copy is a package of its own: its classes, tables and caches are not those of the true reference, which stays the
oracle in the same process. A finder on `sys.meta_path` makes the modules when they are imported, so that only those that
are needed are compiled, and a package before what is in it.
"""

import difflib
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from types import ModuleType

from espproof.adapters.seeded.model import Defect, Edit
from espproof.reference.errors import Misuse

PREFIX = "espproof_seeded_"
MODULES = (
    "drops", "endpoint", "errors", "lifetime", "replay", "sa", "xfrm.asynchrony", "xfrm.boundary", "xfrm.buffers",
    "xfrm.host", "xfrm.mtu", "xfrm.policy", "xfrm.protocols", "xfrm.states",
)  # fmt: skip
"""What `ReferenceAdapter` calls; the rest is imported by these."""
_NIANTIC = (
    "offload.stack", "offload.niantic.device", "offload.niantic.port", "offload.niantic.virtual_port",
)  # fmt: skip
_FORTVILLE = ("offload.stack", "offload.fortville.machines", "offload.fortville.port")
_CONNECTX = (
    "offload.stack", "offload.whole", "offload.connectx.device", "offload.connectx.full", "offload.connectx.packet_port",
    "offload.connectx.port",
)  # fmt: skip
DEVICES = {
    "niantic": _NIANTIC,
    "niantic:vf": _NIANTIC,
    "connectx": _CONNECTX,
    "connectx:packet": _CONNECTX,
    "lookaside": ("offload.aside", "offload.lookaside.port"),
    "fortville": _FORTVILLE,
    "fortville:vf": _FORTVILLE,
}
"""What the adapter of a device calls besides."""


class Stale(Misuse):
    """An edit no longer fits the reference's source."""


@dataclass(frozen=True, slots=True)
class Original:
    """The package of which copies are made, by its import name."""

    package: str

    def file(self, module: str) -> Traversable | None:
        """Where the source of a module stands; None if there is no such module."""
        *packages, last = module.split(".")
        folder = files(self.package).joinpath(*packages)
        candidates = (folder / last / "__init__.py", folder / f"{last}.py")
        return next((file for file in candidates if file.is_file()), None)

    def path(self, module: str) -> str:
        """The same for people: from the package's own folder on."""
        inside = "/__init__" if self.is_package(module) else ""
        return f"{self.package.rpartition('.')[2]}/{module.replace('.', '/')}{inside}.py"

    def is_package(self, module: str) -> bool:
        file = self.file(module)
        return file is not None and file.name == "__init__.py"

    def modules(self) -> Iterator[str]:
        """The names of all modules."""
        yield from _modules_in(files(self.package), "")


def _modules_in(folder: Traversable, prefix: str) -> Iterator[str]:
    for each in folder.iterdir():
        name, _, suffix = each.name.partition(".")
        if (each / "__init__.py").is_file():
            yield prefix + name
            yield from _modules_in(each, f"{prefix}{name}.")
        elif suffix == "py" and name != "__init__":
            yield prefix + name


REFERENCE = Original("espproof.reference")


def package_of(defect: str) -> str:
    """The name of the copy with this defect."""
    return PREFIX + defect.replace("-", "_")


def copy_with(defect: Defect, original: Original = REFERENCE, modules: Sequence[str] = MODULES) -> ModuleType:
    """The copy, with these modules in it and those of its device, imported once per process. `Stale` if an edit does not
    fit."""
    for edit in defect.edits:
        source_of(edit.module, original)  # a module that nobody imports would keep its mistake to itself
    name = package_of(defect.id)
    _Finder.installed().copies[name] = _Copy(name, original, defect.edits)
    for module in (*modules, *DEVICES.get(defect.model, ())):
        importlib.import_module(f"{name}.{module}")
    return sys.modules[name]


def source_of(module: str, original: Original = REFERENCE) -> str:
    """The true source of one module; `Stale` if there is none of that name."""
    file = original.file(module)
    if file is None:
        near = difflib.get_close_matches(module, original.modules(), n=3, cutoff=0.4)
        raise Stale(
            f"{original.path(module)} does not exist: name a module by its dotted path below "
            f"{original.package.rpartition('.')[2]}/ in adapters/seeded/{', perhaps ' if near else ''}{' or '.join(near)}"
        )
    return file.read_text(encoding="utf-8")


def edited(source: str, edits: Sequence[Edit], original: Original = REFERENCE) -> str:
    """The source with all edits in it; `Stale` says which one does not fit, and what to do."""
    for edit in edits:
        found = source.count(edit.old)
        if found != 1:
            raise Stale(
                f"{original.path(edit.module)} has {found} places that read\n    {edit.old!r}\ninstead of one: "
                "write the edit in adapters/seeded/ anew, so that it makes the same mistake in the present source"
            )
        source = source.replace(edit.old, edit.new)
    return source


@dataclass(frozen=True, slots=True)
class _Copy:
    """A package `name` that is `original` with these edits."""

    name: str
    original: Original
    edits: tuple[Edit, ...]

    def source(self, module: str) -> str:
        mine = [edit for edit in self.edits if edit.module == module]
        return edited(source_of(module, self.original), mine, self.original).replace(self.original.package, self.name)


class _Finder(importlib.abc.MetaPathFinder):
    """Finds the copies and their modules."""

    def __init__(self) -> None:
        self.copies: dict[str, _Copy] = {}
        """By name."""

    @classmethod
    def installed(cls) -> "_Finder":
        """The one on `sys.meta_path`."""
        for finder in sys.meta_path:
            if isinstance(finder, cls):
                return finder
        sys.meta_path.append(found := cls())
        return found

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        name, _, module = fullname.partition(".")
        copy = self.copies.get(name)
        if copy is None or copy.original.file(module) is None:
            return None
        return importlib.util.spec_from_loader(fullname, _Loader(copy, module))


class _Loader(importlib.abc.InspectLoader):
    """Compiles one module of a copy."""

    def __init__(self, copy: _Copy, module: str) -> None:
        self._copy = copy
        self._module = module

    def is_package(self, fullname: str) -> bool:
        return self._copy.original.is_package(self._module)

    def get_source(self, fullname: str) -> str:
        return self._copy.source(self._module)
