"""Policies in two directions, across the boundary between the sides of a host."""

from espproof.adapters.seeded.model import Defect, defect

_UNASKED = '        if self._side != "wire" and not through:\n            return None\n'
_CHECKED = '        return super()._checked("in", parsed, packet, mark, through)\n'
_POLICED = '        return super()._policed(one) if self._side_of(one.packet) == "wire" else None\n'

DEFECTS: tuple[Defect, ...] = (
    defect(
        "xfrm-boundary-through-traffic-unasked", "ours", "xfrm-boundary",
        "what has come out of an SA and is for others is not held against the policies again",
        ("xfrm.boundary", _UNASKED,
         '        if self._side != "wire" or (through and direction == "forward"):\n            return None\n'),
        breaks=("RFC4301-4.4.1-protection-required",),
    ),
    defect(
        "xfrm-boundary-only-ours", "ours", "xfrm-boundary",
        "what is for others is looked up in a direction that has no policies",
        ("xfrm.boundary", _CHECKED, "        return super()._checked(direction, parsed, packet, mark, through)\n"),
        breaks=("RFC4301-5-consulted",),
    ),
    defect(
        "xfrm-boundary-forwarded-in-the-clear", "ours", "xfrm-boundary",
        "policies outwards are for the host's own packets",
        ("xfrm.boundary", _POLICED,
         '        crosses = self._side_of(one.packet) == "wire" and one.flow.source in self._addresses\n'
         "        return super()._policed(one) if crosses else None\n"),
        breaks=("RFC4301-5-consulted", "RFC4301-5.1-never-in-the-clear"),
    ),
    defect(
        "xfrm-boundary-own-in-the-clear", "W-004", "xfrm-boundary",
        "policies outwards are for what is forwarded",
        ("xfrm.boundary", _POLICED,
         '        crosses = self._side_of(one.packet) == "wire" and one.flow.source not in self._addresses\n'
         "        return super()._policed(one) if crosses else None\n"),
        breaks=("RFC4301-5.1-never-in-the-clear",),
    ),
    defect(
        "xfrm-boundary-let-in-by-one-that-went", "ours", "xfrm-boundary",
        "a policy inwards that was deleted lets in what it let in before, until there is another for that traffic",
        ("xfrm.spd", "        del self._by_identity[policy.identity]\n",
         "        del self._by_identity[policy.identity]\n"
         "        if policy.direction == \"in\" and policy.action == \"allow\":\n"
         "            self.__dict__.setdefault(\"_gone\", []).append(policy)\n"),
        ("xfrm.spd", "            self.delete(name)\n", "            self.delete(name)\n        self.__dict__.pop(\"_gone\", None)\n"),
        ("xfrm.spd", "        return best and best[1]\n",
         "        if best is None and direction == \"in\":\n"
         "            return next((one for one in self.__dict__.get(\"_gone\", ()) if one.matches(flow, mark, if_id)), None)\n"
         "        return best and best[1]\n"),
        breaks=("RFC4301-5-consulted",),
    ),
    defect(
        "xfrm-boundary-nothing-crosses", "ours", "xfrm-boundary",
        "what stays on the plain side meets the policies outwards",
        ("xfrm.boundary", _POLICED, "        return super()._policed(one)\n"),
        breaks=("RFC4301-5-consulted",),
    ),
    defect(
        "xfrm-boundary-inwards-is-out", "ours", "xfrm-boundary",
        "what has come in meets the policies outwards as well",
        ("xfrm.boundary", _POLICED,
         '        crosses = "wire" in (self._side, self._side_of(one.packet))\n'
         "        return super()._policed(one) if crosses else None\n"),
        breaks=("RFC4301-5-consulted",),
    ),
    defect(
        "xfrm-boundary-nobodys-tunnel", "ours", "xfrm-boundary",
        "what has come out of an SA is let in where no policy is for it",
        ("xfrm.boundary", _CHECKED,
         "        fate = super()._checked(\"in\", parsed, packet, mark, through)\n"
         "        return None if through and fate is Counter.IN_NO_POLS else fate\n"),
        ("xfrm.boundary", "from espproof.reference.xfrm.host import",
         "from espproof.reference.xfrm.counters import Counter\nfrom espproof.reference.xfrm.host import"),
        breaks=("LINUX.xfrm_proc-inbound-no-pols",),
    ),
    defect(
        "xfrm-boundary-passes-outwards", "ours", "xfrm-boundary",
        "outwards the SPD does not end with a discard",
        ("xfrm.boundary", _POLICED,
         "        fate = super()._policed(one) if self._side_of(one.packet) == \"wire\" else None\n"
         "        return None if one.policy is None else fate\n"),
        breaks=("RFC4301-5-no-policy-discarded",),
    ),
    defect(
        "xfrm-boundary-either-direction", "ours", "xfrm-boundary",
        "where no policy of its own direction is for a packet one of the other will do",
        ("xfrm.path", "    policy = host.spd.find(direction, flow, mark)\n",
         "    other = \"in\" if direction == \"out\" else \"out\"\n"
         "    policy = host.spd.find(direction, flow, mark) or host.spd.find(other, flow, mark)\n"),
        breaks=("RFC4301-4.4.1-directions-apart",),
    ),
    defect(
        "xfrm-boundary-clear-for-others", "ours", "xfrm-boundary",
        "what arrives in the clear for others is forwarded unasked",
        ("xfrm.boundary", _UNASKED, '        if not through and (self._side != "wire" or direction == "forward"):\n            return None\n'),
        breaks=("RFC4301-5-consulted",),
    ),
    defect(
        "xfrm-boundary-flushed-outwards", "ours", "xfrm-boundary",
        "a flush removes the policies outwards alone",
        ("xfrm.spd", "        for name in list(self._by_name):\n",
         "        for name in [name for name, one in self._by_name.items() if one.direction == \"out\"]:\n"),
        breaks=("LINUX.ip_xfrm-flush-policies",),
    ),
)  # fmt: skip
