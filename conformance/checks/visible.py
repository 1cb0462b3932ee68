"""What a policy can say, so that it shows whether it was for a packet: what each host can do of it.

One that discards shows it, where packets pass that no policy is for; where this cannot be, one that protects does.
"""

from collections.abc import Callable
from typing import Any, Literal

from espproof.adapters.case import HostDirection, Sa, Side, Template
from espproof.conformance.checks.host import HostScenario
from espproof.reference import ip

Entering = Callable[[bytes], None]


def policy(h: HostScenario, direction: HostDirection, packet: bytes, about: str, **fields: Any) -> Entering:
    """A policy with these fields (its selector among them), which discards or protects. What comes back lets packets enter
    of which it shows whether it is for them."""
    s = h.s
    clear = direction == "out" or h.caps.clear
    side: Side = "plain" if direction == "out" else "wire"
    if "discard" in h.caps.actions and "pass" in h.caps.unmatched and clear:
        h.policy(direction, packet, about=about, action="block", **fields)
        return lambda one: _enter(h, side, one, about)
    sa = tunnel_for(h, direction, packet)
    h.policy(direction, packet, h.template(sa), about=about, **fields)
    if direction == "out":
        return lambda one: _enter(h, side, one, about)
    numbers = iter(range(1, 100))
    return lambda one: _enter(h, side, s.peer(sa).protect(one, next(numbers)), about)


def tunnel_for(h: HostScenario, direction: HostDirection, packet: bytes, **fixed: Any) -> Sa:
    """A tunnel that can carry the packet."""
    version = str(ip.parse(packet).version)
    families = tuple(family for family in h.s.caps.families if family[0] == version)
    return h.sa("out" if direction == "out" else "in", mode="tunnel", family=families, **fixed)


def _enter(h: HostScenario, side: Side, packet: bytes, about: str) -> None:
    h.enters(side, packet, about)


def priorities(h: HostScenario, *wanted: int) -> tuple[int, ...]:
    """These, or where a host has fewer the lowest that it has, in the same order; of as many as it has."""
    if max(wanted) < h.caps.priorities:
        return wanted
    ranks = {value: rank for rank, value in enumerate(sorted(set(wanted)))}
    return tuple(ranks[value] for value in wanted if ranks[value] < h.caps.priorities)


Fate = tuple[tuple[Template, ...], Literal["allow", "block"]]
"""What becomes of packets by a policy: its templates, and its action."""


def fates(h: HostScenario, *sas: Sa) -> list[Fate]:
    """What a policy can say, as its templates and its action: protect with one of the SAs, bypass, discard."""
    found = protected(h, *sas)
    found += [((), "allow")] if "bypass" in h.caps.actions else []
    found += [((), "block")] if "discard" in h.caps.actions else []
    return found


def protected(h: HostScenario, *sas: Sa) -> list[Fate]:
    """Those that protect with one of the SAs."""
    return [((h.template(sa),), "allow") for sa in sas] if "protect" in h.caps.actions else []
