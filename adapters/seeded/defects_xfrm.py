"""Defects of a host: in the search of its policies, in the choice of SAs, and on a packet's way through."""

from espproof.adapters.seeded.model import defect

_BEST = "            if found and (best is None or found[0] < best[0]):\n"
_RANK = "        rank = self._ranks[policy.name] = _Rank(policy.priority, self._age)\n"
_GROUP = "        for shape, entries in self._groups.get((direction, flow.version, if_id), {}).items():\n"
_DESTINATION_MASK = "        _mask(one.destination),\n"
_DESTINATION_BITS = "        0 if one.destination is None else int(one.destination.network_address),\n"
_MATCH = "            flow.version == self.version\n"
_OF_SOURCE = "            and _within(self.source, flow.source)\n"
_OF_DESTINATION = "            and _within(self.destination, flow.destination)\n"
_OF_PROTOCOL = "            and self.protocol in (None, flow.protocol)\n"
_TO_PORT = "            and (self.destination_ports is None or self.destination_ports.has(flow.destination_port))\n"
_PORTS_OF = "        if packet.protocol in _WITH_PORTS and len(payload) >= 4:\n"
_FIND = '        """The first policy that a packet fits, or None."""\n'
_ASKED = '    ends = sa.mode == "transport" or (template.source, template.destination) == (sa.source, sa.destination)\n'
_KEY = "        key = (source, destination, template.reqid, template.mode)\n"

DEFECTS = (
    # -------------------------------------------------------------------------------------------------- xfrm-policy
    defect(
        "xfrm-policy-tie-to-the-inexact", "linux 6.1", "xfrm-policy",
        "among equal priorities a policy for two whole addresses loses to one for a prefix, however old it is",
        ("xfrm.spd", _RANK,
         "        exact = all(end is not None and end.prefixlen == end.max_prefixlen\n"
         "                    for end in (policy.selector.source, policy.selector.destination))\n"
         "        rank = self._ranks[policy.name] = _Rank(policy.priority, self._age + (1 << 32 if exact else 0))\n"),
        breaks=("RFC4301-4.4.1-ordered",),
    ),
    defect(
        "xfrm-policy-youngest-of-equals", "V-041", "xfrm-policy",
        "the comparison of two policies looks at the wrong one: of equal priorities the youngest is the first",
        ("xfrm.spd", _RANK, "        rank = self._ranks[policy.name] = _Rank(policy.priority, -self._age)\n"),
        breaks=("RFC4301-4.4.1-ordered",),
    ),
    defect(
        "xfrm-policy-order-by-difference", "LP-001", "xfrm-policy",
        "priorities are compared by their difference in 32 bits: those that are 2^31 apart come in the wrong order",
        ("xfrm.spd", _RANK,
         "        rank = self._ranks[policy.name] = _Rank((policy.priority + 2**31) % 2**32 - 2**31, self._age)\n"),
        breaks=("RFC4301-4.4.1-ordered",),
    ),
    defect(
        "xfrm-policy-most-specific", "ours", "xfrm-policy",
        "the longest prefix decides, and not the place in the order",
        ("xfrm.spd", _RANK,
         "        length = sum(end.prefixlen for end in (policy.selector.source, policy.selector.destination) if end)\n"
         "        rank = self._ranks[policy.name] = _Rank(-length, self._age)\n"),
        breaks=("RFC4301-4.4.1-order-set", "RFC4301-4.4.1-ordered"),
    ),
    defect(
        "xfrm-policy-inbound-in-their-order", "ours", "xfrm-policy",
        "policies for packets that arrive are asked in the order in which they came, whatever their priority",
        ("xfrm.spd", _RANK,
         "        priority = policy.priority if policy.direction == \"out\" else 0\n"
         "        rank = self._ranks[policy.name] = _Rank(priority, self._age)\n"),
        breaks=("RFC4301-4.4.1-inbound-ordered",),
    ),
    defect(
        "xfrm-policy-flow-cache", "V-037", "xfrm-policy",
        "what was decided about a flow is remembered, and not forgotten when policies change",
        ("xfrm.spd", _FIND,
         _FIND + "        known = self.__dict__.setdefault(\"_flows\", {})\n"
         "        if (direction, flow, mark, if_id) not in known:\n"
         "            known[direction, flow, mark, if_id] = self._found(direction, flow, mark, if_id)\n"
         "        return known[direction, flow, mark, if_id]\n\n"
         "    def _found(self, direction: Direction, flow: Flow, mark: int = 0, if_id: int = 0) -> Policy | None:\n"),
        breaks=("RFC4301-5-cache-agrees",),
    ),
    defect(
        "xfrm-policy-hidden-by-better-shape", "V-045", "xfrm-policy",
        "the fast search leaves out a kind of policies whose best one comes behind the first match of another kind",
        ("xfrm.spd", _BEST, "            if found and best is None:\n"),
        breaks=("RFC4301-4.4.1-ordered",),
    ),
    defect(
        "xfrm-policy-block-forwarded-only", "ours", "xfrm-policy",
        "a policy that blocks is obeyed for what is forwarded, and not for what is for the host",
        ("xfrm.path", "    return Counter.IN_POL_BLOCK if one.policy is not None and one.policy.action == \"block\" else None\n",
         "    blocks = one.policy is not None and one.policy.action == \"block\" and one.direction == \"forward\"\n"
         "    return Counter.IN_POL_BLOCK if blocks else None\n"),
        breaks=("RFC4301-4.4.1-discard", "LINUX.xfrm_proc-inbound-pol-block"),
    ),
    defect(
        "xfrm-policy-block-in-silence", "linux 6.1", "xfrm-policy",
        "what is not let out is discarded without being counted",
        ("xfrm.path", "    return Counter.OUT_POL_BLOCK if blocked else None\n",
         "    return Quiet.DROPPED if blocked else None\n"),
        breaks=("LINUX.xfrm_proc-outbound-pol-block",),
    ),
    defect(
        "xfrm-policy-bypass-overruled", "LP-010", "xfrm-policy",
        "where the SPD ends in discarding, a policy that allows without templates is overruled by that end",
        ("xfrm.path", "    if one.policy is not None:\n        return None\n    tunnelled",
         "    if one.policy is not None and (one.policy.templates or not one.host.blocks(one.direction)):\n"
         "        return None\n    tunnelled"),
        breaks=("RFC4301-5-no-policy-discarded",),
    ),
    defect(
        "xfrm-policy-bypass-discarded", "D-015", "xfrm-policy",
        "a policy that bypasses is taken for one that protects with nothing, and its packets are lost",
        ("xfrm.path", "    blocked = one.host.blocks(\"out\") if one.policy is None else one.policy.action == \"block\"\n",
         "    blocked = one.host.blocks(\"out\") if one.policy is None else not one.policy.templates\n"),
        breaks=("RFC4301-4.4.1-bypass",),
    ),
    defect(
        "xfrm-policy-forward-is-in", "ours", "xfrm-policy",
        "what is forwarded is held against the policies for what is delivered",
        ("xfrm.path", "    one.policy = _policy_for(one.host, one.direction, one.flow, one.packet, one.mark)\n",
         "    one.policy = one.host.spd.find(\"in\", one.flow, one.mark)\n"),
        breaks=("RFC4301-4.4.1-directions-apart", "RFC4301-4.4.1.3-one-way"),
    ),
    defect(
        "xfrm-policy-sa-of-another", "V-037", "xfrm-policy",
        "the SA of an earlier tunnel stays in use, whatever a policy names",
        ("xfrm.states", _KEY,
         _KEY + "        key = next((one for one in self._leaving if one[3] == template.mode), key)\n"),
        breaks=("RFC4301-4.4.1-protect", "RFC4301-4.4.1.2-tunnel-ends"),
    ),
    defect(
        "xfrm-policy-nobodys-tunnel", "S-005", "xfrm-policy",
        "what came out of a tunnel is let in where no policy speaks of it",
        ("xfrm.path", "    return Counter.IN_NO_POLS if tunnelled or one.host.blocks(one.direction) else None\n",
         "    return Counter.IN_NO_POLS if not tunnelled and one.host.blocks(one.direction) else None\n"),
        breaks=("LINUX.xfrm_proc-inbound-no-pols",),
    ),
    defect(
        "xfrm-policy-default-forgotten", "ours", "xfrm-policy",
        "that the SPD ends in discarding is forgotten for what is sent",
        ("xfrm.path", "    blocked = one.host.blocks(\"out\") if one.policy is None else one.policy.action == \"block\"\n",
         "    blocked = one.policy is not None and one.policy.action == \"block\"\n"),
        breaks=("RFC4301-5-no-policy-discarded",),
    ),
    defect(
        "xfrm-policy-any-version", "LP-012", "xfrm-policy",
        "a policy for all addresses of one IP version is taken for packets of the other too",
        ("xfrm.policy", _MATCH, "            (flow.version == self.version or not (self.source or self.destination))\n"),
        ("xfrm.spd", _GROUP,
         "        shapes = [one for version in (4, 6) for one in self._groups.get((direction, version, if_id), {}).items()]\n"
         "        for shape, entries in shapes:\n"),
        breaks=("RFC4301-4.4.1.1-one-version",),
    ),
    defect(
        "xfrm-policy-remote-in-octets", "M-018", "xfrm-policy",
        "prefixes of the far side are compared in whole octets",
        ("xfrm.policy", _OF_DESTINATION,
         "            and (self.destination is None or self.destination.supernet(\n"
         "                new_prefix=self.destination.prefixlen // 8 * 8\n"
         "            ).network_address.packed == _cut(flow.destination, self.destination.prefixlen // 8))\n"),
        ("xfrm.policy", "def _within(",
         "def _cut(octets: bytes, count: int) -> bytes:\n    return octets[:count].ljust(len(octets), b\"\\0\")\n\n\n"
         "def _within("),
        ("xfrm.spd", _DESTINATION_MASK,
         "        _mask(one.destination and one.destination.supernet(new_prefix=one.destination.prefixlen // 8 * 8)),\n"),
        ("xfrm.spd", _DESTINATION_BITS,
         "        0 if one.destination is None else int(\n"
         "            one.destination.supernet(new_prefix=one.destination.prefixlen // 8 * 8).network_address\n        ),\n"),
        breaks=("RFC4301-4.4.1.1-remote-address",),
    ),
    defect(
        "xfrm-policy-local-not-compared", "ours", "xfrm-policy",
        "a prefix of the near side is not looked at where it is longer than 64 bits, or 24 of IPv4",
        ("xfrm.policy", _OF_SOURCE,
         "            and (_within(self.source, flow.source) or self.source.prefixlen > (24, 64)[flow.version == 6])\n"),
        ("xfrm.spd", "        _mask(one.source),\n",
         "        _mask(one.source and one.source.supernet(new_prefix=min(one.source.prefixlen, (24, 64)[one.version == 6]))),\n"),
        ("xfrm.spd", "        0 if one.source is None else int(one.source.network_address),\n",
         "        0 if one.source is None else int(\n"
         "            one.source.supernet(new_prefix=min(one.source.prefixlen, (24, 64)[one.version == 6])).network_address\n"
         "        ),\n"),
        breaks=("RFC4301-4.4.1.1-local-address",),
    ),
    defect(
        "xfrm-policy-protocol-bits", "ours", "xfrm-policy",
        "of a protocol the last bit is not compared",
        ("xfrm.policy", _OF_PROTOCOL, "            and (self.protocol is None or self.protocol | 1 == flow.protocol | 1)\n"),
        ("xfrm.spd", "        0 if one.protocol is None else 0xFF,\n", "        0 if one.protocol is None else 0xFE,\n"),
        ("xfrm.spd", "        one.protocol or 0,\n", "        (one.protocol or 0) & 0xFE,\n"),
        breaks=("RFC4301-4.4.1.1-protocol",),
    ),
    defect(
        "xfrm-policy-any-protocol-needs-ports", "ours", "xfrm-policy",
        "a policy for any protocol is for those that have ports alone",
        ("xfrm.policy", _OF_PROTOCOL,
         "            and self.protocol in (None if flow.source_port is not None else 0, flow.protocol)\n"),
        breaks=("RFC4301-4.4.1-any",),
    ),
    defect(
        "xfrm-policy-ports-of-dccp", "linux 6.1", "xfrm-policy",
        "DCCP is not among the protocols that have ports",
        ("xfrm.policy", "_WITH_PORTS = frozenset({6, 17, 33, 132, 136})\n", "_WITH_PORTS = frozenset({6, 17, 132, 136})\n"),
        breaks=("RFC4301-4.4.1.1-ports",),
    ),
    defect(
        "xfrm-policy-ports-of-tcp-and-udp", "libipsec", "xfrm-policy",
        "SCTP and UDP-Lite are not among the protocols that have ports",
        ("xfrm.policy", "_WITH_PORTS = frozenset({6, 17, 33, 132, 136})\n", "_WITH_PORTS = frozenset({6, 17, 33})\n"),
        breaks=("RFC4301-4.4.1.1-ports",),
    ),
    defect(
        "xfrm-policy-no-port-is-port-zero", "linux 6.1", "xfrm-policy",
        "a packet that tells no port is taken for one of port 0",
        ("xfrm.policy", "        return number is not None and self.first <= number <= self.last\n",
         "        return self.first <= (number or 0) <= self.last\n"),
        breaks=("RFC4301-4.4.1.3-no-port", "RFC4301-4.4.1.1-fragment-without-ports"),
    ),
    defect(
        "xfrm-policy-last-port-left-out", "ours", "xfrm-policy",
        "the last port of a range is not part of it",
        ("xfrm.policy", "        return number is not None and self.first <= number <= self.last\n",
         "        return number is not None and self.first <= number < max(self.last, self.first + 1)\n"),
        breaks=("RFC4301-4.4.1.1-ports",),
    ),
    defect(
        "xfrm-policy-ports-of-everything", "ours", "xfrm-policy",
        "the first four octets are ports, whatever the protocol is",
        ("xfrm.policy", _PORTS_OF, "        if packet.protocol not in _ICMP and len(payload) >= 4:\n"),
        breaks=("RFC4301-4.4.1.3-no-port",),
    ),
    defect(
        "xfrm-policy-code-not-compared", "ours", "xfrm-policy",
        "of ICMP the type is compared, and not the code",
        ("xfrm.policy", _TO_PORT,
         "            and (flow.protocol in _ICMP or self.destination_ports is None\n"
         "                 or self.destination_ports.has(flow.destination_port))\n"),
        ("xfrm.spd", "        _common(one.destination_ports),\n",
         "        0 if one.protocol in (1, 58) else _common(one.destination_ports),\n"),
        ("xfrm.spd", "        0 if one.destination_ports is None else one.destination_ports.first & _common(one.destination_ports),\n",
         "        0 if one.destination_ports is None or one.protocol in (1, 58)\n"
         "        else one.destination_ports.first & _common(one.destination_ports),\n"),
        breaks=("RFC4301-4.4.1.1-icmp",),
    ),
    defect(
        "xfrm-policy-ports-of-fragments", "ours", "xfrm-policy",
        "a fragment behind the first is read as if ports stood at its front, and they were those of any policy",
        ("xfrm.policy", "        return number is not None and self.first <= number <= self.last\n",
         "        return number is None or self.first <= number <= self.last\n"),
        ("xfrm.spd", "    return 0 if ports is None else 0xFFFF & -1 << (ports.first ^ ports.last).bit_length()\n",
         "    return 0\n"),
        breaks=("RFC4301-4.4.1.1-fragment-without-ports",),
    ),
    defect(
        "xfrm-policy-first-fragment-without-ports", "linux 6.1", "xfrm-policy",
        "a first fragment has no ports, as if it were one behind it",
        ("xfrm.policy", "    if packet.fragment_offset == 0:\n", "    if not packet.fragment:\n"),
        breaks=("RFC4301-4.4.1.1-ports",),
    ),
    defect(
        "xfrm-policy-short-packets-of-no-protocol", "linux 6.1", "xfrm-policy",
        "where less than two octets stand behind an IPv6 header, the packet has no protocol",
        ("xfrm.policy", "    return Flow(packet.version, packet.source, packet.destination, packet.protocol, *ports)\n",
         "    protocol = 0 if packet.version == 6 and len(payload) < 2 else packet.protocol\n"
         "    return Flow(packet.version, packet.source, packet.destination, protocol, *ports)\n"),
        breaks=("RFC4301-4.4.1.1-protocol",),
    ),
    defect(
        "xfrm-policy-next-header-of-ipv6", "ours", "xfrm-policy",
        "the protocol of an IPv6 packet is what its fixed header names",
        ("xfrm.policy", "    return Flow(packet.version, packet.source, packet.destination, packet.protocol, *ports)\n",
         "    protocol = packet.header[6] if packet.version == 6 else packet.protocol\n"
         "    return Flow(packet.version, packet.source, packet.destination, protocol, *ports)\n"),
        breaks=("RFC4301-4.4.1.1-protocol-behind-extensions",),
    ),
    defect(
        "xfrm-policy-esp-passes", "W-004", "xfrm-policy",
        "what is ESP already is taken for protected, and meets no policy",
        ("xfrm.path", "    one.policy = _policy_for(one.host, \"out\", one.flow, one.packet, one.mark)\n",
         "    one.policy = None if one.flow.protocol == 50 else one.host.spd.find(\"out\", one.flow, one.mark)\n"),
        breaks=("RFC4301-4.4.1.1-esp-not-skipped",),
    ),
    defect(
        "xfrm-policy-ike-passes", "ours", "xfrm-policy",
        "UDP to IKE's ports meets no policy",
        ("xfrm.path", "    one.policy = _policy_for(one.host, \"out\", one.flow, one.packet, one.mark)\n",
         "    is_ike = one.flow.protocol == 17 and one.flow.destination_port in (500, 4500)\n"
         "    one.policy = None if is_ike else one.host.spd.find(\"out\", one.flow, one.mark)\n"),
        breaks=("RFC4301-4.4.1-ike-consulted",),
    ),
    defect(
        "xfrm-policy-mark-without-mask", "LP-003", "xfrm-policy",
        "the mark of a packet is compared whole, whatever the mask says",
        ("xfrm.policy", "        return number & self.mask == self.value\n",
         "        return not self.mask or number == self.value\n"),
        breaks=("RFC4301-4.4.1-selection",),
    ),
    defect(
        "xfrm-policy-esp-for-another-protocol", "ours", "xfrm-policy",
        "the protocol that a template asks for is not looked at: an SA of ESP is taken for AH, and IPComp",
        ("xfrm.states", "    if template.protocol != state.sa.protocol:\n        return False\n", ""),
        breaks=("RFC4301-5.1-never-in-the-clear",),
    ),
    defect(
        "xfrm-policy-esp-came-for-another", "ours", "xfrm-policy",
        "the protocol that a template asks for is not looked at where a packet has arrived",
        ("xfrm.path", "    if template.protocol != sa.protocol:\n        return False\n", ""),
        breaks=("LINUX.xfrm_proc-inbound-tmpl-mismatch",),
    ),
    defect(
        "xfrm-policy-any-sa-will-do", "S-005", "xfrm-policy",
        "whether the SA of a packet that arrives is the one that its policy asks for is not looked at, only that it has one",
        ("xfrm.path", "    return ends and sa.mode == template.mode and template.spi in (0, sa.spi) and template.reqid in (0, state.reqid)\n",
         "    return sa.mode == template.mode\n"),
        breaks=("LINUX.xfrm_proc-inbound-tmpl-mismatch",),
    ),
    defect(
        "xfrm-policy-ends-in-the-wrong-family", "linux 6.1", "xfrm-policy",
        "a tunnel's far end is compared as if it were of the inner packet's IP version: with IPv4 inside, four octets of it",
        ("xfrm.path", _ASKED,
         "    ends = sa.mode == \"transport\" or template.source.packed[:4] == sa.source.packed[:4]\n"),
        breaks=("LINUX.xfrm_proc-inbound-tmpl-mismatch",),
    ),
    defect(
        "xfrm-policy-near-end-of-no-interest", "linux 6.1", "xfrm-policy",
        "of a tunnel that a packet came through only the far end is compared with the one that its policy names",
        ("xfrm.path", _ASKED, '    ends = sa.mode == "transport" or template.source == sa.source\n'),
        breaks=("LINUX.xfrm_proc-inbound-tmpl-mismatch",),
    ),
    defect(
        "xfrm-policy-clear-is-let-in", "ours", "xfrm-policy",
        "what arrives in the clear is let in where a policy asks for protection",
        ("xfrm.path", "    if one.policy is None or is_met(one.policy.templates, one.through):\n",
         "    if one.policy is None or not one.through or is_met(one.policy.templates, one.through):\n"),
        breaks=("RFC4301-4.4.1-protection-required",),
    ),
    defect(
        "xfrm-policy-optional-is-all", "ours", "xfrm-policy",
        "where an optional SA is not there the packet goes on without any",
        ("xfrm.path", "            return Counter.OUT_POL_ERROR if other else Counter.OUT_NO_STATES\n",
         "            return Counter.OUT_POL_ERROR if other else Counter.OUT_NO_STATES\n"
         "        else:\n            one.bundle.clear()\n            break\n"),
        breaks=("RFC4301-5.1-never-in-the-clear",),
    ),
    defect(
        "xfrm-policy-bundle-inside-out", "ours", "xfrm-policy",
        "of a policy with two templates the second is put on first",
        ("xfrm.host", "        for state in bundle:\n", "        for state in reversed(bundle):\n"),
        breaks=("RFC4301-5.1-nested",),
    ),
    defect(
        "xfrm-policy-templates-in-any-order", "LP-014", "xfrm-policy",
        "that a packet came through the SAs of its policy is enough, in whatever order",
        ("xfrm.path", "    for place in range(at, len(through)):\n", "    for place in range(len(through)):\n"),
        ("xfrm.path", "        if through[place].sa.mode == \"tunnel\":\n            return None\n    return None\n", "    return None\n"),
        ("xfrm.path", "            at = found + 1\n", "            at += 1\n"),
        breaks=("RFC4301-5.1-nested",),
    ),
    # --------------------------------------------------------------------------------------------------- xfrm-state
    defect(
        "xfrm-state-request-not-compared", "LP-007", "xfrm-state",
        "the SA for a template is found by its ends, and the request id is not compared",
        ("xfrm.states", _KEY, "        key = (source, destination, 0, template.mode)\n"),
        ("xfrm.states", "    return state.sa.source.packed, state.sa.destination.packed, state.reqid, state.sa.mode\n",
         "    return state.sa.source.packed, state.sa.destination.packed, 0, state.sa.mode\n"),
        breaks=("RFC4301-5.1-sa-of-entry", "LINUX.xfrm_proc-outbound-no-states"),
    ),
    defect(
        "xfrm-state-ends-not-compared", "libipsec", "xfrm-state",
        "the SA for a template is found by its request id, and the near end of the tunnel is not compared",
        ("xfrm.states", _KEY, "        key = (b\"\", destination, template.reqid, template.mode)\n"),
        ("xfrm.states", "    return state.sa.source.packed, state.sa.destination.packed, state.reqid, state.sa.mode\n",
         "    return b\"\", state.sa.destination.packed, state.reqid, state.sa.mode\n"),
        breaks=("RFC4301-5.1-sa-of-entry", "LINUX.xfrm_proc-outbound-no-states"),
    ),
    defect(
        "xfrm-state-spi-not-compared", "ours", "xfrm-state",
        "the SPI that a template names is not compared",
        ("xfrm.states", "        and template.spi in (0, state.sa.spi)\n", ""),
        breaks=("RFC4301-5.1-sa-of-entry",),
    ),
    defect(
        "xfrm-state-oldest-of-a-request", "S-009", "xfrm-state",
        "of several SAs of one request the oldest is used: a new one does not take over",
        ("xfrm.states", "            self._leaving.setdefault(_wanted(state), []).insert(0, state)\n",
         "            self._leaving.setdefault(_wanted(state), []).append(state)\n"),
        breaks=("RFC4301-4.4.2.1-lifetime-replaced",),
    ),
    defect(
        "xfrm-state-deleted-by-its-twin", "V-040", "xfrm-state",
        "a new SA with the ends of an old one takes the old one's packets away from it",
        ("xfrm.states", "        return next((one for one in states if one.mark.has(mark)), None)\n",
         "        found = next((one for one in states if one.mark.has(mark)), None)\n"
         "        kin = [one for one in self if found and one.sa.direction == \"in\" and one.reqid == found.reqid]\n"
         "        return found if kin[-1:] == [found] else None\n"),
        breaks=("RFC4301-4.4.2.1-lifetime-replaced",),
    ),
    defect(
        "xfrm-state-spi-alone", "W-002", "xfrm-state",
        "a packet that arrives is given to the SA with its SPI, whatever its destination is",
        ("xfrm.states", "        states = self._arriving.get(_place(destination, spi, protocol), ())\n",
         "        states = [one for some in self._arriving.values() for one in some if one.sa.spi == spi]\n"),
        breaks=("LINUX.xfrm_proc-inbound-no-states",),
    ),
    defect(
        "xfrm-state-limit-of-what-arrives", "ours", "xfrm-state",
        "what arrives for an SA whose hard limit has been reached is let in",
        ("xfrm.path", "    return Counter.IN_STATE_EXPIRED if one.host.has_ended(one.state, one.now) else None\n",
         "    return None\n"),
        breaks=("LINUX.xfrm_proc-inbound-state-expired",),
    ),
    defect(
        "xfrm-state-end-in-silence", "ours", "xfrm-state",
        "a packet that finds the hard limit of its SA reached is discarded in silence",
        ("xfrm.path", "    return Counter.OUT_STATE_EXPIRED if one.host.has_ended(one.state, one.now) else None\n",
         "    return Quiet.DROPPED if one.host.has_ended(one.state, one.now) else None\n"),
        breaks=("LINUX.xfrm_proc-outbound-state-expired",),
    ),
    defect(
        "xfrm-state-selectors-of-sas-ignored", "ours", "xfrm-state",
        "that a packet is traffic of the SA that it came out of is left to policies",
        ("xfrm.path", "    fits = all(state.sa.selects(one.packet) for state in one.through)\n", "    fits = True\n"),
        breaks=("LINUX.xfrm_proc-inbound-state-mismatch",),
    ),
    defect(
        "xfrm-state-encapsulation-not-compared", "V-021", "xfrm-state",
        "an SA takes what comes in UDP and what does not",
        ("xfrm.path", "    return None if (one.state.sa.udp is not None) == one.encapsulated else Counter.IN_STATE_MISMATCH\n",
         "    return None\n"),
        breaks=("LINUX.xfrm_proc-inbound-state-mismatch",),
    ),
    # ---------------------------------------------------------------------------------------------------- xfrm-path
    defect(
        "xfrm-path-forwarded-passes", "W-004", "xfrm-path",
        "what is forwarded is sent on without asking the policies for what leaves",
        ("xfrm.host", "        return self._leave(forwarded, mark, now, through, arrived=packet)\n",
         "        packet = ip.forwarded(packet)\n"
         "        return (Emerging(self._side_of(packet), packet, _names(through)),)\n"),
        breaks=("RFC4301-5.1-never-in-the-clear",),
    ),
    defect(
        "xfrm-path-first-packet-counted", "ours", "xfrm-path",
        "the first packet of an SA is counted as one that found none",
        ("xfrm.path", "    one.state = state\n    return None\n",
         "    one.state = state\n    if not state.entry.state.packets:\n"
         "        one.host.counters[Counter.IN_NO_STATES] += 1\n    return None\n"),
        breaks=("LINUX.xfrm_proc-counters-passed-not-counted",),
    ),
    defect(
        "xfrm-path-replay-not-counted", "ours", "xfrm-path",
        "a packet that came before is discarded in silence",
        ("xfrm.path", "    return None if new else Counter.IN_STATE_SEQ_ERROR\n", "    return None if new else Quiet.DROPPED\n"),
        breaks=("LINUX.xfrm_proc-inbound-state-seq-error",),
    ),
    defect(
        "xfrm-path-wrong-icv-is-a-replay", "ours", "xfrm-path",
        "a packet with a wrong ICV is counted as one that came before",
        ("xfrm.counters", "    DropReason.INTEGRITY: Counter.IN_STATE_PROTO_ERROR,\n",
         "    DropReason.INTEGRITY: Counter.IN_STATE_SEQ_ERROR,\n"),
        ("xfrm.path", "(Counter.IN_STATE_PROTO_ERROR,), _opens)", "(Counter.IN_STATE_SEQ_ERROR,), _opens)"),
        breaks=("LINUX.xfrm_proc-inbound-state-proto-error",),
    ),
    defect(
        "xfrm-path-mode-counted-twice", "ours", "xfrm-path",
        "a packet whose inside is none is counted where it is found out, and again where it is thrown away",
        ("xfrm.path", "        return Quiet.DROPPED if inside in SILENT else INBOUND[inside]\n",
         "        if inside is DropReason.MODE:\n            one.host.counters[Counter.IN_STATE_MODE_ERROR] += 1\n"
         "        return Quiet.DROPPED if inside in SILENT else INBOUND[inside]\n"),
        breaks=("LINUX.xfrm_proc-counters-dropped-counted-once",),
    ),
    defect(
        "xfrm-path-mode-is-the-protocol", "ours", "xfrm-path",
        "a packet whose inside is none is counted as one that its protocol refuses",
        ("xfrm.counters", "    DropReason.MODE: Counter.IN_STATE_MODE_ERROR,\n", "    DropReason.MODE: Counter.IN_STATE_PROTO_ERROR,\n"),
        breaks=("LINUX.xfrm_proc-inbound-state-mode-error",),
    ),
    defect(
        "xfrm-path-local-passes", "ours", "xfrm-path",
        "what is for the host itself is delivered without asking the policies",
        ("xfrm.host", "        if self._dropped(self._checked(\"in\", parsed, packet, mark, through)):\n            return ()\n", ""),
        breaks=("RFC4301-5-consulted",),
    ),
    defect(
        "xfrm-path-short-packet-of-nobody", "ours", "xfrm-path",
        "a packet that is too short for an SPI is counted as one of an unknown SPI",
        ("xfrm.path", "    return Counter.IN_HDR_ERROR if len(one.esp) < _SHORTEST_ESP else None\n",
         "    if len(one.esp) < _SHORTEST_ESP:\n        one.host.counters[Counter.IN_NO_STATES] += 1\n"
         "        return Quiet.DROPPED\n    return None\n"),
        breaks=("LINUX.xfrm_proc-inbound-hdr-error",),
    ),
    defect(
        "xfrm-path-unknown-spi-not-counted", "ours", "xfrm-path",
        "a packet of an unknown SPI moves no counter",
        ("xfrm.path", "    if state is None:\n        return Counter.IN_NO_STATES\n",
         "    if state is None:\n        return Quiet.DROPPED\n"),
        breaks=("LINUX.xfrm_proc-inbound-no-states",),
    ),
    defect(
        "xfrm-path-clear-without-sa", "W-004", "xfrm-path",
        "a packet whose policy asks for an SA that has gone leaves as it is",
        ("xfrm.path", "            return Counter.OUT_POL_ERROR if other else Counter.OUT_NO_STATES\n",
         "            if not other and not any(one.host.states):\n                return None\n"
         "            return Counter.OUT_POL_ERROR if other else Counter.OUT_NO_STATES\n"),
        breaks=("RFC4301-5.1-never-in-the-clear", "RFC4301-5.1-no-sa-discarded"),
    ),
    defect(
        "xfrm-path-clear-behind-a-policy-that-went", "LS-006", "xfrm-path",
        "a packet leaves in the clear where a policy that was deleted would have let it, as long as that was in front",
        ("xfrm.spd", "        del self._by_identity[policy.identity]\n",
         "        del self._by_identity[policy.identity]\n"
         "        if policy.action == \"allow\" and not policy.templates:\n"
         "            self.__dict__.setdefault(\"_gone\", []).append((self._ranks[name], policy))\n"),
        ("xfrm.spd", "        return best and best[1]\n",
         "        for rank, policy in self.__dict__.get(\"_gone\", ()):\n"
         "            if best and rank < best[0] and policy.direction == direction and policy.matches(flow, mark, if_id):\n"
         "                return policy\n"
         "        return best and best[1]\n"),
        breaks=("RFC4301-5-consulted",),
    ),
    defect(
        "xfrm-path-forwarded-by-the-last", "ours", "xfrm-path",
        "what is forwarded is held against the last policy for it, and not against the first",
        ("xfrm.spd", "            if best and entries.ranks.first > best[0]:\n", "            if best and entries.ranks.first > best[0] and direction != \"forward\":\n"),
        ("xfrm.spd", "            found = next((one for one in here if one[1].matches(flow, mark, if_id)), None)\n",
         "            turned = here[::-1] if direction == \"forward\" else here\n"
         "            found = next((one for one in turned if one[1].matches(flow, mark, if_id)), None)\n"),
        ("xfrm.spd", "            if found and (best is None or found[0] < best[0]):\n",
         "            if found and (best is None or (found[0] < best[0]) == (direction != \"forward\")):\n"),
        breaks=("RFC4301-5-consulted",),
    ),
    defect(
        "xfrm-path-own-packets-pass", "W-004", "xfrm-path",
        "what the host itself sends meets no policy",
        ("xfrm.host", "            return self._leave(packet, mark, now)\n",
         "            return (Emerging(self._side_of(packet), packet),)\n"),
        breaks=("RFC4301-5-consulted", "RFC4301-5.1-never-in-the-clear"),
    ),
    defect(
        "xfrm-path-routed-by-the-inner-header", "ours", "xfrm-path",
        "what is protected is sent where its inner destination would be",
        ("xfrm.host", "        for state in bundle:\n", "        inner = packet\n        for state in bundle:\n"),
        ("xfrm.host", "        return self._out(packet, _names(bundle or through), now)\n",
         "        return tuple(one._replace(side=self._side_of(inner))\n"
         "                     for one in self._out(packet, _names(bundle or through), now))\n"),
        breaks=("RFC4301-5.1-forwarded",),
    ),
    defect(
        "xfrm-path-last-number-not-counted", "ours", "xfrm-path",
        "a packet for which there is no number left is discarded in silence",
        ("xfrm.path", "    if number is None:\n        return Counter.OUT_STATE_SEQ_ERROR\n",
         "    if number is None:\n        return Quiet.DROPPED\n"),
        breaks=("LINUX.xfrm_proc-outbound-state-seq-error",),
    ),
    # ----------------------------------------------------------------------------------------------------- xfrm-gso
    defect(
        "xfrm-gso-push-in-all", "ours", "xfrm-gso",
        "each segment has the flags of the whole",
        ("xfrm.segmentation", "    flags = made[_FLAGS] & ~(0 if last else _FIN | _PSH) & ~(_CWR if at else 0)\n",
         "    flags = made[_FLAGS]\n"),
        breaks=("LINUX.segmentation_offloads-tcp-segments",),
    ),
    defect(
        "xfrm-gso-number-of-the-first", "ours", "xfrm-gso",
        "the TCP sequence number is counted up in segments, not in octets",
        ("xfrm.segmentation", "    number = int.from_bytes(header[_SEQUENCE], \"big\") + at\n",
         "    number = int.from_bytes(header[_SEQUENCE], \"big\") + (at > 0)\n"),
        breaks=("LINUX.segmentation_offloads-tcp-segments",),
    ),
    defect(
        "xfrm-gso-one-identification", "ours", "xfrm-gso",
        "all segments have one identification",
        ("xfrm.segmentation", "    identification = int.from_bytes(header[ip.IPV4_IDENTIFICATION], \"big\") + number\n",
         "    identification = int.from_bytes(header[ip.IPV4_IDENTIFICATION], \"big\")\n"),
        breaks=("LINUX.segmentation_offloads-tcp-identification",),
    ),
    defect(
        "xfrm-gso-length-of-the-whole", "ours", "xfrm-gso",
        "the last datagram has the length of the others",
        ("xfrm.segmentation", "        made = ip.with_field(header, _UDP_LENGTH, len(header) + len(content))\n",
         "        size = len(content) if not last else min(len(content) + 1, 65527)\n"
         "        made = ip.with_field(header, _UDP_LENGTH, len(header) + size)\n"),
        breaks=("LINUX.segmentation_offloads-gso-udp",),
    ),
    defect(
        "xfrm-gso-one-number-for-all", "ours", "xfrm-gso",
        "the segments of a super-packet go out with one ESP sequence number",
        ("xfrm.host", "            return tuple(one for piece in pieces for one in self.enter(side, piece, mark, now))\n",
         "            before = [(state.entry.state, state.entry.state.sequence) for state in self.states]\n"
         "            sent: list[Emerging] = []\n"
         "            for piece in pieces:\n"
         "                for one, number in before:\n"
         "                    one.sequence = number\n"
         "                sent += self.enter(side, piece, mark, now)\n"
         "            return tuple(sent)\n"),
        breaks=("RFC4303-3.3.3-increment",),
    ),
    defect(
        "xfrm-gso-rest-in-the-clear", "LE-004", "xfrm-gso",
        "of a super-packet the first segment is protected, and the others are sent as they are",
        ("xfrm.host", "            return tuple(one for piece in pieces for one in self.enter(side, piece, mark, now))\n",
         "            rest = tuple(Emerging(self._side_of(piece), ip.forwarded(piece)) for piece in pieces[1:])\n"
         "            return self.enter(side, pieces[0], mark, now) + rest\n"),
        breaks=("RFC4301-5.1-never-in-the-clear",),
    ),
    defect(
        "xfrm-gso-half-of-the-last", "LX-001", "xfrm-gso",
        "the high half of all segments is that of the last: those in front of the wrap have one that is too high",
        ("xfrm.host", "            return tuple(one for piece in pieces for one in self.enter(side, piece, mark, now))\n",
         "            first = {state.sa.name: state.entry.state.sequence for state in self.states}\n"
         "            for state in self.states:\n"
         "                low, high = state.entry.state.sequence & 0xFFFFFFFF, state.entry.state.sequence >> 32\n"
         "                if state.sa.esn and low + len(pieces) > 0xFFFFFFFF and high < 0xFFFFFFFF:\n"
         "                    state.entry.state.sequence += 1 << 32\n"
         "            sent = tuple(one for piece in pieces for one in self.enter(side, piece, mark, now))\n"
         "            for state in self.states:\n"
         "                if state.entry.state.sequence - first[state.sa.name] > 1 << 32:\n"
         "                    state.entry.state.sequence -= 1 << 32\n"
         "            return sent\n"),
        breaks=("RFC4303-3.3.2.1-esn-high-appended",),
    ),
    defect(
        "xfrm-gso-wrap-of-the-first", "ours", "xfrm-gso",
        "a super-packet for which there are not enough numbers is discarded as a whole, and counted once",
        ("xfrm.host", "            return tuple(one for piece in pieces for one in self.enter(side, piece, mark, now))\n",
         "            if any(state.entry.state.sequence + len(pieces) >= 1 << (64 if state.sa.esn else 32)\n"
         "                   for state in self.states):\n"
         "                self.counters[Counter.OUT_STATE_SEQ_ERROR] += 1\n"
         "                return ()\n"
         "            return tuple(one for piece in pieces for one in self.enter(side, piece, mark, now))\n"),
        breaks=("LINUX.segmentation_offloads-gso-as-singles",),
    ),
)  # fmt: skip
