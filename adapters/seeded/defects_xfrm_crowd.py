"""Defects that show among many policies and SAs, and where networks lie in one another."""

from espproof.adapters.seeded.model import defect

_RANKED = "        entries.ranks.add(rank)\n"
_FIRST = "            if best and entries.ranks.first > best[0]:\n                continue\n"
_BETTER = "            if found and (best is None or found[0] < best[0]):\n"
_ADDED = "        self._ports.update(_port(state))\n"
_ARRIVED = "        return next((one for one in states if one.mark.has(mark)), None)\n"

DEFECTS = (
    defect(
        "xfrm-crowd-merged-behind", "linux 5.0", "xfrm-crowd",
        "a policy for a network in which those of others lie takes them in, and they stand behind it, whatever their priority",
        ("xfrm.spd", "from dataclasses import dataclass, field\n", "from dataclasses import dataclass, field, replace\n"),
        ("xfrm.spd", _RANKED,
         _RANKED + "        wide = policy.selector.destination\n"
         "        inside = [one for one in self if _lies_in(one, policy)] if wide and wide.prefixlen > 15 else []\n"
         "        for one in inside:\n"
         "            self.delete(one.name)\n"
         "            self.add(replace(one, priority=policy.priority))\n"),
        ("xfrm.spd", "def _bits_of(",
         "def _lies_in(one: Policy, other: Policy) -> bool:\n"
         "    narrow, wide = one.selector.destination, other.selector.destination\n"
         "    if narrow is None or (one.direction, narrow.version) != (other.direction, wide.version):\n"
         "        return False\n"
         "    return narrow != wide and narrow.subnet_of(wide) and one.priority < other.priority\n\n\n"
         "def _bits_of("),
        breaks=("RFC4301-4.4.1-ordered",),
    ),
    defect(
        "xfrm-crowd-order-turned-by-growth", "LP-002", "xfrm-crowd",
        "when the table of policies grows they are put at the heads of their new chains: the youngest decides, not the first",
        ("xfrm.spd", _FIRST,
         "            if best and entries.ranks.first > best[0] and len(self._by_name) <= 16:\n                continue\n"),
        ("xfrm.spd", _BETTER,
         "            turned = len(self._by_name) > 16\n"
         "            if found and (best is None or (found[0].age > best[0].age if turned else found[0] < best[0])):\n"),
        breaks=("RFC4301-4.4.1-ordered", "RFC4301-5-cache-agrees"),
    ),
    defect(
        "xfrm-crowd-lost-in-growth", "LS-005", "xfrm-crowd",
        "the SA that comes while the table grows is put where it would have been in the old one: its packets are nobody's",
        ("xfrm.states", _ADDED,
         _ADDED + "        if len(self._by_name) in (9, 17, 33):\n"
         "            self.__dict__.setdefault(\"_lost\", set()).add(sa.name)\n"),
        ("xfrm.states", _ARRIVED,
         "        states = [one for one in states if one.sa.name not in self.__dict__.get(\"_lost\", ())]\n" + _ARRIVED),
        breaks=("RFC4301-5.1-sa-of-entry",),
    ),
)  # fmt: skip
