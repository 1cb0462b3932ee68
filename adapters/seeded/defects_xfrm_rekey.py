"""Defects that show when SAs are replaced, and others are there meanwhile."""

from espproof.adapters.seeded.model import defect

_ADDED = "        self._ports.update(_port(state))\n"
_TAKEN_OUT = "    places[key].remove(state)\n    if not places[key]:\n        del places[key]\n"
_FITTING = "        fitting = [one for one in self._leaving.get(key, ()) if _fits(one, template, policy, inner)]\n"

DEFECTS = (
    defect(
        "xfrm-rekey-order-turned-by-growth", "linux 6.1", "xfrm-rekey",
        "when the table of SAs grows its chains are moved head first: the old one of a pair stands in front of the new one",
        ("xfrm.states", _ADDED,
         _ADDED + "        if len(self._by_name) in (6, 12, 24, 48):\n"
         "            for chain in self._leaving.values():\n                chain.reverse()\n"),
        breaks=("RFC4301-4.4.2.1-lifetime-replaced",),
    ),
    defect(
        "xfrm-rekey-both-deleted", "ours", "xfrm-rekey",
        "with an old SA the new one of the same request leaves the index: what is sent is lost until the next comes",
        ("xfrm.states", _TAKEN_OUT, "    del places[key]\n"),
        breaks=("RFC4301-4.4.2.1-lifetime-replaced",),
    ),
    defect(
        "xfrm-rekey-index-left-behind", "ours", "xfrm-rekey",
        "an SA that another has replaced stays in the index by SPI when it is deleted: late packets are let in, its SPI is"
        " never free again, and memory grows",
        ("xfrm.states", "            _take_out(self._arriving, _found_by(state.sa), state)\n",
         "            if all(one.reqid != state.reqid or one.sa.direction == \"out\" for one in self):\n"
         "                _take_out(self._arriving, _found_by(state.sa), state)\n"),
        breaks=("LINUX.xfrm_proc-inbound-no-states", "RFC4301-4.4.2.1-lifetime-replaced"),
    ),
    defect(
        "xfrm-rekey-bundle-of-so-many", "V-037", "xfrm-rekey",
        "the SA of a policy is remembered as long as the number of SAs is the same: one that came for one that went is not seen",
        ("xfrm.states", _FITTING,
         "        known = self.__dict__.setdefault(\"_bundles\", {})\n"
         "        count, fitting = known.get((policy.name, template), (0, []))\n"
         "        if count != len(self._by_name):\n"
         "            fitting = [one for one in self._leaving.get(key, ()) if _fits(one, template, policy, inner)]\n"
         "            known[policy.name, template] = len(self._by_name), fitting\n"),
        breaks=("RFC4301-4.4.2.1-lifetime-replaced",),
    ),
)  # fmt: skip
