"""The fuzz targets, one module each, and the table of them."""

from collections.abc import Mapping
from types import MappingProxyType

from espproof.fuzz.targets.base import Deviation, Target
from espproof.fuzz.targets.esp_input import EspInput
from espproof.fuzz.targets.parser import Parser
from espproof.fuzz.targets.xfrm_netlink import XfrmNetlink
from espproof.reference.errors import Misuse

__all__ = ["TARGETS", "Deviation", "Target", "by_name"]

TARGETS: Mapping[str, type[Target]] = MappingProxyType(
    {target.name: target for target in (Parser, EspInput, XfrmNetlink)}
)


def by_name(name: str) -> type[Target]:
    """The target of that name; `Misuse` names those that there are."""
    if name not in TARGETS:
        raise Misuse(f"no fuzz target {name!r}; there are {', '.join(TARGETS)}")
    return TARGETS[name]
