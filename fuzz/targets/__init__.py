"""The entrances to fuzz, and the table of them.

base            what a target is
comparison      an implementation beside the reference, and what holds whatever the octets are
parser          raw octets, as from the network
esp_input       one packet with a right ICV, whatever is behind it
xfrm_netlink    raw octets, as the Linux kernel's xfrm messages
"""

from collections.abc import Mapping
from types import MappingProxyType

from espproof.fuzz.targets.base import Target, Violation
from espproof.fuzz.targets.esp_input import EspInput
from espproof.fuzz.targets.parser import Parser
from espproof.fuzz.targets.xfrm_netlink import XfrmNetlink
from espproof.reference.errors import Misuse

__all__ = ["TARGETS", "Target", "Violation", "by_name"]

TARGETS: Mapping[str, type[Target]] = MappingProxyType(
    {target.name: target for target in (Parser, EspInput, XfrmNetlink)}
)


def by_name(name: str) -> type[Target]:
    """The target of that name; `Misuse` names those that there are."""
    if name not in TARGETS:
        raise Misuse(f"no fuzz target {name!r}; there are {', '.join(TARGETS)}")
    return TARGETS[name]
