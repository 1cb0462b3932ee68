"""The registry of checks: what is verified, by which strategy, proved by which seeded defect.

A check is a short function, decorated with `@check`, that draws the steps of one Case into a `Scenario`. It says which
requirements a failing step may be held against, and names the seeded defect that it has been seen to catch. The oracle
judges all Cases alike; a check only decides what is tried.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING

from espproof.conformance.requirements.catalogue import FAMILIES
from espproof.reference.errors import Misuse

if TYPE_CHECKING:
    from espproof.conformance.checks.scenario import Scenario


@dataclass(frozen=True, slots=True)
class Check:
    """One check. `id` is stable: `<family>.<name>`; `weight` scales the number of examples of a profile.

    One that `records` tells what an implementation made of a choice that the documents leave open; it fails only when
    the implementation dies of it, so that no seeded defect can prove it.
    """

    id: str
    family: str
    verifies: tuple[str, ...]
    proved_by: tuple[str, ...]
    since: str
    weight: float
    records: bool
    scenario: Callable[["Scenario"], None]

    @property
    def summary(self) -> str:
        return (self.scenario.__doc__ or "").strip().split("\n")[0]


_REGISTRY: dict[str, Check] = {}


def check(
    *verifies: str, proved_by: tuple[str, ...] = (), since: str = "0.1.0", weight: float = 1.0, records: bool = False
) -> Callable[[Callable[["Scenario"], None]], Callable[["Scenario"], None]]:
    """Register a scenario function as a check of those requirements. Its module names the family, with the name of a part
    of it behind where there are several; it names the check."""

    def register(scenario: Callable[["Scenario"], None]) -> Callable[["Scenario"], None]:
        family = _family(scenario.__module__)
        name = f"{family}.{scenario.__name__.replace('_', '-')}"
        if not family or name in _REGISTRY or not verifies:
            raise Misuse(f"check {name}: unknown family, a name in use, or no requirement")
        _REGISTRY[name] = Check(name, family, verifies, proved_by, since, weight, records, scenario)
        return scenario

    return register


def _family(module: str) -> str:
    """The longest name of a family that a module's name is or begins with; "" for none."""
    name = module.rsplit(".", 1)[-1].replace("_", "-")
    return max((one for one in FAMILIES if f"{name}-".startswith(f"{one}-")), key=len, default="")


@cache
def all_checks() -> Mapping[str, Check]:
    """Every check by id, ordered by family and then as written."""
    package = import_module("espproof.conformance.properties")  # above this module: they register here
    for module in sorted(info.name for info in iter_modules(package.__path__)):
        import_module(f"{package.__name__}.{module}")
    order = {family: rank for rank, family in enumerate(FAMILIES)}
    return dict(sorted(_REGISTRY.items(), key=lambda item: order[item[1].family]))
