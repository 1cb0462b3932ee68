"""Defects of what a host tells its key manager, and of what that does to it: requests, limits, reservations, updates."""

from espproof.adapters.seeded.model import defect

_TAKEN = (
    "        if self.taken(sa.spi, destination, protocol) or self.is_reserved(destination, sa.spi, now, protocol):\n"
)

DEFECTS = (
    defect(
        "xfrm-life-asked-by-each-packet", "LO-005", "xfrm-life",
        "every packet without its SA asks for it, whether somebody has asked already",
        ("xfrm.events", "        if wanted in self._open:\n"
         "            return\n",
         ""),
        breaks=("RFC4301-5.1-key-manager-asked",),
    ),
    defect(
        "xfrm-life-one-request-at-a-time", "ours", "xfrm-life",
        "while one request stands nothing else is asked for",
        ("xfrm.events", "        if wanted in self._open:\n"
         "            return\n",
         "        if self._open:\n"
         "            return\n"),
        breaks=("RFC4301-5.1-key-manager-asked",),
    ),
    defect(
        "xfrm-life-answered-by-nobody", "LO-005", "xfrm-life",
        "a request stands although its SA has come: when that has gone nobody asks again",
        ("xfrm.events", "        self._open = {wanted: until for wanted, until in self._open.items() if not wanted.is_met_by(state)}\n",
         "        pass\n"),
        breaks=("RFC4301-5.1-key-manager-asked",),
    ),
    defect(
        "xfrm-life-asked-for-the-packets-ends", "V-039", "xfrm-life",
        "a request for a tunnel names the ends of the packet",
        ("xfrm.host", "            wanted = Wanted(source, destination,",
         "            wanted = Wanted(flow.source, flow.destination,"),
        breaks=("RFC4301-5.1-key-manager-asked", "RFC2367-3.1.6-flow-told",),
    ),
    defect(
        "xfrm-life-asked-for-what-arrives", "ours", "xfrm-life",
        "a packet that arrives without its SA asks for one too",
        ("xfrm.path", "        return None\n"
         "    return Counter.IN_TMPL_MISMATCH\n",
         "        return None\n"
         "    for one_of in one.policy.templates:\n"
         "        ends = (one_of.source, one_of.destination) if one_of.mode == \"tunnel\" else (None, None)\n"
         "        if ends[0] is not None and ends[1] is not None:\n"
         "            one.host.wants(one_of, one.policy, ends[0].packed, ends[1].packed, one.flow, 0)\n"
         "    return Counter.IN_TMPL_MISMATCH\n"),
        breaks=("RFC4301-5.1-key-manager-asked",),
    ),
    defect(
        "xfrm-life-ports-of-the-other-way", "ours", "xfrm-life",
        "the ports of a request are those of the answer",
        ("xfrm.events", "        self.tell(Event(Kind.ACQUIRE, None, policy, wanted.source, wanted.destination, flow))\n",
         "        back = flow._replace(source_port=flow.destination_port, destination_port=flow.source_port)\n"
         "        self.tell(Event(Kind.ACQUIRE, None, policy, wanted.source, wanted.destination, back))\n"),
        breaks=("RFC2367-3.1.6-flow-told",),
    ),
    defect(
        "xfrm-life-request-for-ever", "LO-005", "xfrm-life",
        "a request that nobody answers stands for ever",
        ("xfrm.events", "        self._open = {wanted: until for wanted, until in self._open.items() if until > now}\n",
         ""),
        breaks=("LINUX.xfrm_sysctl-core-acq-expires",),
    ),
    defect(
        "xfrm-life-waiting-packets-uncounted", "ours", "xfrm-life",
        "packets that wait for an SA are discarded uncounted",
        ("xfrm.path", "            return Counter.OUT_POL_ERROR if other else Counter.OUT_NO_STATES\n",
         "            if one.host.key_manager is not None and not other:\n"
         "                return Quiet.DROPPED\n"
         "            return Counter.OUT_POL_ERROR if other else Counter.OUT_NO_STATES\n"),
        breaks=("LINUX.xfrm_proc-outbound-no-states",),
    ),
    defect(
        "xfrm-life-clear-while-asked", "LS-006", "xfrm-life",
        "once an SA is asked for, what waits for it leaves as it is",
        ("xfrm.path", "            if not other:\n"
         "                one.host.wants(",
         "            if one.host.key_manager is not None and one.host.key_manager._open:\n"
         "                return None\n"
         "            if not other:\n"
         "                one.host.wants("),
        breaks=("RFC4301-5.1-never-in-the-clear", "RFC4301-5.1-key-manager-asked",),
    ),
    defect(
        "xfrm-life-warned-by-each-packet", "ours", "xfrm-life",
        "behind a soft limit every packet tells of it",
        ("xfrm.events", "        if not any(one is other for other in self._warned):\n"
         "            self._warned.append(one)\n"
         "            self.tell(_event(Kind.SOFT, one))\n",
         "        self.tell(_event(Kind.SOFT, one))\n"),
        breaks=("RFC2367-3.1.8-limits-told",),
    ),
    defect(
        "xfrm-life-soft-told-as-hard", "ours", "xfrm-life",
        "what is told does not say whether the limit was soft or hard",
        ("xfrm.events", "            self.tell(_event(Kind.SOFT, one))\n",
         "            self.tell(_event(Kind.HARD, one))\n"),
        breaks=("RFC2367-3.1.8-limits-told",),
    ),
    defect(
        "xfrm-life-end-of-packets-untold", "ours", "xfrm-life",
        "the end of an SA is told when its time is over, and not when its packets are",
        ("xfrm.host", "            self.key_manager.end(state)\n",
         "            self.states.__iter__()\n"),
        breaks=("RFC2367-3.1.8-limits-told",),
    ),
    defect(
        "xfrm-life-octets-untold", "ours", "xfrm-life",
        "soft limits in octets are not watched",
        ("lifetime", "packets, self.soft_packets, octets, self.soft_octets, seconds",
         "packets, self.soft_packets, None, self.soft_octets, seconds"),
        breaks=("RFC2367-3.1.8-limits-told",),
    ),
    defect(
        "xfrm-life-told-and-still-there", "F-004", "xfrm-life",
        "an SA whose packets are used up is told of, and told of, and never goes",
        ("xfrm.host", "        if status != \"hard\":\n"
         "            return False\n"
         "        self.states.delete(state.sa.name)\n",
         "        if status != \"hard\":\n"
         "            return False\n"),
        breaks=("RFC2367-3.1.8-limits-told",),
    ),
    defect(
        "xfrm-life-soft-beside-hard", "F-004", "xfrm-life",
        "limits that are reached together are both told",
        ("xfrm.events", "(hard is None or soft < hard):",
         "(hard is None or soft <= hard):"),
        breaks=("RFC2367-3.1.8-hard-first",),
    ),
    defect(
        "xfrm-life-soft-before-hard", "ours", "xfrm-life",
        "whoever has reached the soft limit is not asked about the hard one",
        ("lifetime", "        if _reached(packets, self.hard_packets,",
         "        if not _reached(packets, self.soft_packets) and _reached(packets, self.hard_packets,"),
        breaks=("RFC2367-3.1.8-hard-first",),
    ),
    defect(
        "xfrm-life-use-since-added", "ours", "xfrm-life",
        "seconds of use count from the beginning of the SA",
        ("xfrm.events", "        yield from _reached(state, kept.lifetime, kept.added_at, kept.used_at, now)\n",
         "        yield from _reached(state, kept.lifetime, kept.added_at, kept.added_at, now)\n"),
        breaks=("RFC2367-2.3.2-use-time",),
    ),
    defect(
        "xfrm-life-use-since-the-last", "LX-009", "xfrm-life",
        "seconds of use count from the last packet",
        ("sa", "        self.used_at = now if self.used_at is None else self.used_at",
         "        self.used_at = now"),
        breaks=("RFC2367-2.3.2-use-time",),
    ),
    defect(
        "xfrm-life-used-by-anybody", "linux 6.12", "xfrm-life",
        "the first packet with an SPI begins the use of its SA, whoever has made it",
        ("xfrm.path", "def _may_be_used_in(one: Arriving) -> Fate:\n",
         "def _may_be_used_in(one: Arriving) -> Fate:\n"
         "    one.state.entry.state.use(one.now)\n"),
        breaks=("RFC4301-4.4.2.1-lifetime-passed-only",),
    ),
    defect(
        "xfrm-life-last-of-several", "ours", "xfrm-life",
        "of several limits in time the one that is reached last counts",
        ("xfrm.events", "    return min(moments, default=None)",
         "    return max(moments, default=None)"),
        breaks=("RFC2367-2.3.2-first-to-expire",),
    ),
    defect(
        "xfrm-life-dying-stays-in-use", "S-009", "xfrm-life",
        "a new SA does not take over from one whose soft limit was reached, if that came later",
        ("xfrm.states", "        return next(lasting, fitting[0] if fitting else None)\n",
         "        return fitting[0] if fitting else next(lasting, None)\n"),
        breaks=("RFC4301-4.4.2.1-lifetime-replaced",),
    ),
    defect(
        "xfrm-life-policy-told-and-still-there", "ours", "xfrm-life",
        "a policy whose time is over is told of and goes on",
        ("xfrm.events", "            (states if isinstance(one, State) else spd).delete(_name(one))\n",
         "            if isinstance(one, State):\n"
         "                states.delete(_name(one))\n"),
        breaks=("LINUX.ip_xfrm-limit-policy-ends",),
    ),
    defect(
        "xfrm-life-policies-untold", "ours", "xfrm-life",
        "soft limits of policies are watched, and nobody is told",
        ("xfrm.events", "            self.tell(_event(Kind.SOFT, one))\n",
         "            if isinstance(one, State):\n"
         "                self.tell(_event(Kind.SOFT, one))\n"),
        breaks=("LINUX.ip_xfrm-monitor-policy-told",),
    ),
    defect(
        "xfrm-life-policy-ends-at-its-warning", "ours", "xfrm-life",
        "a policy goes at its soft limit",
        ("xfrm.events", "                self.warn(one)\n"
         "                continue\n",
         "                self.warn(one)\n"
         "                if not isinstance(one, State):\n"
         "                    spd.delete(one.name)\n"
         "                continue\n"),
        breaks=("LINUX.ip_xfrm-limit-policy-ends",),
    ),
    defect(
        "xfrm-life-policies-flushed-but-forward", "LS-007", "xfrm-life",
        "a flush leaves the policies of one direction",
        ("xfrm.spd", "        for name in list(self._by_name):\n"
         "            self.delete(name)\n",
         "        for policy in list(self):\n"
         "            if policy.direction != \"forward\":\n"
         "                self.delete(policy.name)\n"),
        breaks=("LINUX.ip_xfrm-flush-policies",),
    ),
    defect(
        "xfrm-life-reserved-twice", "ours", "xfrm-life",
        "one SPI is reserved for two",
        ("xfrm.states", _TAKEN,
         "        if self.taken(sa.spi, destination, protocol):\n"),
        breaks=("RFC2367-3.1.1-spi-unique",),
    ),
    defect(
        "xfrm-life-reserved-in-use", "ours", "xfrm-life",
        "an SPI is reserved though an SA has it",
        ("xfrm.states", _TAKEN,
         "        if self.is_reserved(destination, sa.spi, now, protocol):\n"),
        breaks=("RFC2367-3.1.1-spi-unique",),
    ),
    defect(
        "xfrm-life-reserved-for-ever", "LS-008", "xfrm-life",
        "a reservation never ends",
        ("xfrm.states", "        self._reserved[_place(destination, sa.spi, protocol)] = now + LARVAL_SECONDS\n",
         "        self._reserved[_place(destination, sa.spi, protocol)] = float(\"inf\")\n"),
        breaks=("RFC2367-3.1.1-larval-deleted",),
    ),
    defect(
        "xfrm-life-reserved-is-unknown", "ours", "xfrm-life",
        "a packet with an SPI that is reserved is counted as one of an unknown SPI",
        ("xfrm.path", "        return Counter.ACQUIRE_ERROR\n",
         "        return Counter.IN_NO_STATES\n"),
        breaks=("LINUX.xfrm_proc-inbound-acquire-error",),
    ),
    defect(
        "xfrm-life-larval-stays-larval", "V-039", "xfrm-life",
        "the SA that an update makes of a reservation is known by name, and found by no packet",
        ("xfrm.states", "            self.add(state, now)\n"
         "            return state\n",
         "            self._by_name[sa.name] = state\n"
         "            return state\n"),
        breaks=("RFC2367-3.1.2-larval-updated",),
    ),
    defect(
        "xfrm-life-update-makes-an-sa", "ours", "xfrm-life",
        "an update of what is not there makes an SA",
        ("xfrm.states", "        old = self.named(sa.name)\n",
         "        if sa.name not in self._by_name:\n"
         "            self.add(state, now)\n"
         "            return state\n"
         "        old = self.named(sa.name)\n"),
        breaks=("RFC2367-3.1.2-none-to-update",),
    ),
    defect(
        "xfrm-life-update-begins-anew", "LX-009", "xfrm-life",
        "an update sets the counts of an SA back",
        ("xfrm.states", "        old.entry.state.lifetime, old.entry.state.limited = sa.lifetime, True\n",
         "        old.entry.state.lifetime, old.entry.state.limited = sa.lifetime, True\n"
         "        old.entry.state.packets = 0\n"),
        breaks=("RFC2367-3.1.2-lifetime-changed",),
    ),
    defect(
        "xfrm-life-update-without-effect", "ours", "xfrm-life",
        "an update is taken, and the old limits count",
        ("xfrm.states", "        old.entry.state.lifetime, old.entry.state.limited = sa.lifetime, True\n",
         ""),
        breaks=("RFC2367-3.1.2-lifetime-changed",),
    ),
    defect(
        "xfrm-life-warned-once-in-a-life", "ours", "xfrm-life",
        "an SA whose soft limit was told is never told of again, whatever limit it gets",
        ("xfrm.host", "            self.key_manager.renew(changed)\n",
         "            self.key_manager.answer(changed)\n"),
        breaks=("RFC2367-3.1.2-lifetime-changed",),
    ),
    defect(
        "xfrm-life-update-without-a-look", "linux 6.1", "xfrm-life",
        "an update with another key is acknowledged, and the key stays",
        ("xfrm.states", "        if replace(sa, lifetime=old.sa.lifetime) != old.sa or not _same_ties(state, old):\n",
         "        if replace(sa, lifetime=old.sa.lifetime, encr_key=b\"\", salt=b\"\", auth_key=b\"\") != replace(old.sa, encr_key=b\"\", salt=b\"\", auth_key=b\"\"):\n"),
        breaks=("RFC2367-3.1.2-only-lifetime-changes",),
    ),
    defect(
        "xfrm-life-flushed-but-outbound", "LS-008", "xfrm-life",
        "a flush leaves SAs that only send",
        ("xfrm.states", "        for name in list(self._by_name):\n"
         "            self.delete(name)\n",
         "        for state in list(self):\n"
         "            if state.sa.direction == \"in\":\n"
         "                self.delete(state.sa.name)\n"),
        breaks=("RFC2367-3.1.9-flush",),
    ),
    defect(
        "xfrm-life-flushed-but-requests", "LS-008", "xfrm-life",
        "requests outlive a flush, so that nobody asks for what was removed",
        ("xfrm.host", "        self.states.clear()\n"
         "        if self.key_manager is not None:\n"
         "            self.key_manager.forget()\n",
         "        self.states.clear()\n"),
        breaks=("RFC2367-3.1.9-flush",),
    ),
    defect(
        "xfrm-life-flushed-but-reserved", "LS-007", "xfrm-life",
        "reservations outlive a flush",
        ("xfrm.states", "        self._reserved.clear()\n",
         ""),
        breaks=("RFC2367-3.1.9-flush",),
    ),
    defect(
        "xfrm-life-broken-before-made", "V-037", "xfrm-life",
        "the new inbound SA of a rekey takes the place of the old one at once: what is under way is lost",
        ("xfrm.states", "        self._by_name[sa.name] = state\n",
         "        for old in [one for one in self if sa.direction == \"in\" and _wanted(one) == _wanted(state)]:\n"
         "            self.delete(old.sa.name)\n"
         "        self._by_name[sa.name] = state\n"),
        breaks=("RFC4301-4.4.2.1-lifetime-replaced",),
    ),
)  # fmt: skip
