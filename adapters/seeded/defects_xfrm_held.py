"""Packets that wait for an SA."""

from espproof.adapters.seeded.model import Defect, defect

_PROCESSED, _CLEAR = "RFC4301-5.1-first-packet-processed", "RFC4301-5.1-never-in-the-clear"
_BYPASS, _DISCARD = "RFC4301-4.4.1-bypass", "RFC4301-4.4.1-discard"
_TAKEN = "        taken, self._held = self._held, []\n"
_APPENDED = "        self._held.append(one)\n"
_HELD = "            fate = Quiet.DROPPED if self._waiting.hold(Held(one.policy, packet, mark, through, arrived)) else fate\n"
_LEAVES = "            for emerging in self._leave(one.packet, one.mark, now, one.through, arrived=one.arrived)\n"
_GONE = "        self._held = [one for one in self._held if id(one.policy) in there]\n"
_MOVED = "        self._held = [one._replace(policy=new) if one.policy is old else one for one in self._held]\n"
_RELEASED = "    def release(self, now: float = 0) -> tuple[Emerging, ...]:\n"
_ROOM = "        if sum(other.policy is one.policy for other in self._held) >= self._room:\n"


def _decided(policy: str) -> tuple[tuple[str, str, str], ...]:
    """What waited is decided about by that policy; where it is None by the one that is found."""
    return (
        ("xfrm.host", _RELEASED,
         "    def _again(self, one: Held, now: float) -> tuple[Emerging, ...]:\n"
         f"        self._decided = {policy}\n"
         "        try:\n"
         "            return self._leave(one.packet, one.mark, now, one.through, arrived=one.arrived)\n"
         "        finally:\n"
         "            self._decided = None\n\n" + _RELEASED),
        ("xfrm.host", _LEAVES, "            for emerging in self._again(one, now)\n"),
        ("xfrm.path", '    one.policy = _policy_for(one.host, "out", one.flow, one.packet, one.mark)\n',
         '    decided = getattr(one.host, "_decided", None)\n'
         '    one.policy = decided or _policy_for(one.host, "out", one.flow, one.packet, one.mark)\n'),
    )  # fmt: skip


DEFECTS: tuple[Defect, ...] = (
    defect(
        "xfrm-held-newest-first", "ours", "xfrm-held",
        "what was held leaves in the order of a stack",
        ("xfrm.held", _TAKEN, "        taken, self._held = self._held[::-1], []\n"),
        breaks=(_PROCESSED,),
    ),
    defect(
        "xfrm-held-last-alone", "ours", "xfrm-held",
        "a packet takes the place of the one that its policy held before",
        ("xfrm.held", _APPENDED,
         "        self._held = [other for other in self._held if other.policy is not one.policy]\n" + _APPENDED),
        breaks=(_PROCESSED,),
    ),
    defect(
        "xfrm-held-for-ever", "ours", "xfrm-held",
        "what has left is still held, and leaves once more",
        ("xfrm.held", _TAKEN, "        taken, self._held = self._held[:], self._held[:]\n"),
        breaks=(_PROCESSED,),
    ),
    defect(
        "xfrm-held-in-the-clear", "ours", "xfrm-held",
        "when the SA is there what was held leaves as it came",
        ("xfrm.host", _LEAVES,
         "            for emerging in (\n"
         "                self._out(one.packet, (), now)\n"
         '                if any(state.sa.direction == "out" for state in self.states)\n'
         "                else self._leave(one.packet, one.mark, now, one.through, arrived=one.arrived)\n"
         "            )\n"),
        breaks=(_CLEAR,),
    ),
    defect(
        "xfrm-held-and-counted", "ours", "xfrm-held",
        "a packet that is held is counted as discarded",
        ("xfrm.host", _HELD, "            self.counters[fate] += 1\n" + _HELD),
        breaks=("LINUX.xfrm_proc-counters-passed-not-counted",),
    ),
    defect(
        "xfrm-held-by-all-together", "ours", "xfrm-held",
        "any SA lets go what all policies hold: what lacks another is lost",
        ("xfrm.host", _RELEASED,
         "    def _again(self, one: Held, now: float) -> tuple[Emerging, ...]:\n"
         "        if not any(state.sa.direction == \"out\" for state in self.states):\n"
         "            self._waiting.hold(one)\n"
         "            return ()\n"
         "        room, self._waiting._room = self._waiting._room, 0\n"
         "        try:\n"
         "            return self._leave(one.packet, one.mark, now, one.through, arrived=one.arrived)\n"
         "        finally:\n"
         "            self._waiting._room = room\n\n" + _RELEASED),
        ("xfrm.host", _LEAVES, "            for emerging in self._again(one, now)\n"),
        breaks=(_PROCESSED,),
    ),
    defect(
        "xfrm-held-for-one-sa", "ours", "xfrm-held",
        "what was held leaves with the SAs of its bundle that are there",
        ("xfrm.path", "            one.bundle.append(state)\n        elif not template.optional:\n",
         "            one.bundle.append(state)\n        elif not template.optional and not one.bundle:\n"),
        breaks=(_PROCESSED,),
    ),
    defect(
        "xfrm-held-one-too-few", "ours", "xfrm-held",
        "a policy holds one packet fewer than it has room for",
        ("xfrm.held", _ROOM, _ROOM.replace("self._room", "self._room - 1")),
        breaks=(_PROCESSED,),
    ),
    defect(
        "xfrm-held-one-too-many", "ours", "xfrm-held",
        "a policy holds one packet more than it says",
        ("xfrm.held", _ROOM, _ROOM.replace(">=", ">")),
        breaks=(_PROCESSED,),
    ),
    defect(
        "xfrm-held-one-room-for-all", "ours", "xfrm-held",
        "all policies together hold as many packets as one says",
        ("xfrm.held", _ROOM, "        if len(self._held) >= self._room:\n"),
        breaks=(_PROCESSED,),
    ),
    defect(
        "xfrm-held-without-room-uncounted", "ours", "xfrm-held",
        "a packet for which a policy has no room is discarded without a word",
        ("xfrm.host", _HELD,
         "            self._waiting.hold(Held(one.policy, packet, mark, through, arrived))\n"
         "            fate = Quiet.DROPPED\n"),
        breaks=("LINUX.xfrm_proc-outbound-no-states",),
    ),
    defect(
        "xfrm-held-asks-each-time", "LO-005", "xfrm-held",
        "each packet that is held asks for its SA",
        ("xfrm.host", _HELD,
         _HELD +
         "            if fate is Quiet.DROPPED and self.key_manager is not None:\n"
         "                self.key_manager.forget()\n"),
        breaks=("RFC4301-5.1-key-manager-asked",),
    ),
    defect(
        "xfrm-held-flushed", "ours", "xfrm-held",
        "with all SAs goes what waits for others",
        ("xfrm.host", "        self.states.clear()\n", "        self.states.clear()\n        self._waiting.take_all()\n"),
        breaks=(_PROCESSED,),
    ),
    defect(
        "xfrm-held-for-a-moment", "ours", "xfrm-held",
        "what was held is forgotten when time passes",
        ("xfrm.host", "            self.key_manager.pass_time(self.states, self.spd, now)\n",
         "            self.key_manager.pass_time(self.states, self.spd, now)\n"
         "        self._waiting.take_all()\n"),
        breaks=(_PROCESSED,),
    ),
    defect(
        "xfrm-held-by-the-old-policy", "ours", "xfrm-held",
        "what was held goes by the policy that it met when it came, whatever policies there are now",
        *_decided("one.policy"),
        ("xfrm.held", _MOVED, "        return\n"),
        ("xfrm.held", _GONE, ""),
        breaks=(_BYPASS, _DISCARD, _PROCESSED),
    ),
    defect(
        "xfrm-held-by-a-policy-that-went", "ours", "xfrm-held",
        "a policy that is deleted stays for what it holds, which leaves when its SA comes",
        *_decided("next((None for other in self.spd if other is one.policy), one.policy)"),
        ("xfrm.held", _GONE, ""),
        breaks=(_DISCARD,),
    ),
    defect(
        "xfrm-held-by-their-own-policy", "ours", "xfrm-held",
        "the policy that holds a packet, or has taken the place of the one that did, is the only one that is asked about it",
        *_decided("one.policy"),
        breaks=(_BYPASS, _DISCARD),
    ),
    defect(
        "xfrm-held-gone-with-the-old-policy", "ours", "xfrm-held",
        "a policy that takes the place of another holds nothing",
        ("xfrm.held", _MOVED, "        self._held = [one for one in self._held if one.policy is not old]\n"),
        breaks=(_BYPASS, _PROCESSED),
    ),
    defect(
        "xfrm-held-blocked-uncounted", "ours", "xfrm-held",
        "of packets that were held and are blocked now the first is counted",
        ("xfrm.host", "        waiting = self._waiting.take_all()\n        return tuple(\n",
         "        waiting = self._waiting.take_all()\n"
         "        most = self.counters[Counter.OUT_POL_BLOCK] + 1\n"
         "        released = tuple(\n"),
        ("xfrm.host", _LEAVES + "        )\n",
         _LEAVES + "        )\n"
         "        if self.counters[Counter.OUT_POL_BLOCK] > most:\n"
         "            self.counters[Counter.OUT_POL_BLOCK] = most\n"
         "        return released\n"),
        breaks=("LINUX.xfrm_proc-outbound-pol-block",),
    ),
    defect(
        "xfrm-held-with-the-mark-of-the-policy", "linux 6.1", "xfrm-held",
        "what was held is looked up with the mark that its policy is for",
        ("xfrm.host", _LEAVES, _LEAVES.replace("one.mark", "one.policy.mark.value")),
        breaks=(_CLEAR,),
    ),
)  # fmt: skip
