"""Defects of policies: which one decides about a packet, and what their selectors say."""

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
)  # fmt: skip
