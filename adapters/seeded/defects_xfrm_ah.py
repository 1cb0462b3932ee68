"""Defects of AH in a host: its header, what its ICV covers, its numbers, and what becomes of SAs that are not of ESP."""

from espproof.adapters.seeded.model import Defect, defect

_HEADER = "bytes((parts.next_header, size // 4 - 2, 0, 0))"
_UNIT = "        unit = 4 if version == 4 else 8\n"
_OPENED = "    opened = entry.codec.open(outer.header + outer.payload, sequence)\n"
_OLD = "    if replay.check(sequence) is not ReplayVerdict.NEW:\n        return DropReason.REPLAY\n"
_NEW = "    new = sequence is None or replay.check(sequence) is ReplayVerdict.NEW\n"
_PROTECTED = "    return entry.codec.protect(packet, sequence, "
_SEALED = "        return packet[:at] + iv + self._icv(empty, front, sequence, iv) + packet[end:]\n"
_VERIFIED = "            right = self._icv(empty, len(parsed.header), sequence, iv)\n"
_MESSAGE_OF_AH = "        return sent.protocol == ah.PROTOCOL_AH and len"
_FOUND = "    state = one.host.states.arrived(one.outer.destination, one.spi, one.mark, protocol, one.outer.source)\n"

DEFECTS: tuple[Defect, ...] = (
    defect(
        "xfrm-ah-as-esp",
        "ours",
        "xfrm-ah",
        "the header in front of AH announces ESP",
        ("ah", "parts.patch_at, PROTOCOL_AH, empty", "parts.patch_at, 50, empty"),
        breaks=("RFC4302-2-protocol-51",),
    ),
    defect(
        "xfrm-ah-always-ipv4-inside",
        "ours",
        "xfrm-ah",
        "the next header of a tunnel is that of IPv4, with IPv6 inside too",
        ("xfrm.protocols", "tunnel.NEXT_HEADER[ip.version(packet)], len(packet))", "4, len(packet))"),
        breaks=("RFC4302-2.1-next-header",),
    ),
    defect(
        "xfrm-ah-length-of-an-extension-header",
        "ours",
        "xfrm-ah",
        "over IPv6 the length counts units of 64 bits less 1, as that of all other extension headers does",
        (
            "ah",
            _HEADER,
            "bytes((parts.next_header, size // (8 if parts.front[0] >> 4 == 6 else 4) - (1 if parts.front[0] >> 4 == 6 else 2), 0, 0))",
        ),
        breaks=("RFC4302-2.2-payload-length",),
    ),
    defect(
        "xfrm-ah-reserved-left-over",
        "ours",
        "xfrm-ah",
        "the reserved octets of a longer header are not cleared",
        ("ah", _HEADER, "bytes((parts.next_header, size // 4 - 2, 0, 0x5A if size > 28 else 0))"),
        breaks=("RFC4302-2.3-reserved-zero",),
    ),
    defect(
        "xfrm-ah-reserved-demanded",
        "ours",
        "xfrm-ah",
        "a packet with reserved octets that are not zero is discarded",
        (
            "ah",
            "        if len(header) < size or header[1] != size // 4 - 2:\n",
            "        if len(header) < size or header[1] != size // 4 - 2 or any(header[2:4]):\n",
        ),
        breaks=("RFC4302-2.3-reserved-ignored",),
    ),
    defect(
        "xfrm-ah-spi-of-the-machine",
        "ours",
        "xfrm-ah",
        "the SPI is written in the order of the machine",
        ("ah", '        self.spi = spi.to_bytes(4, "big")\n', '        self.spi = spi.to_bytes(4, "little")\n'),
        breaks=("RFC4302-2.4-spi",),
    ),
    defect(
        "xfrm-ah-high-half-forgotten",
        "LX-012",
        "xfrm-ah",
        "where a packet has arrived the high half of its number is left out",
        (
            "ah",
            _VERIFIED,
            "            right = self._icv(empty, len(parsed.header), sequence & 0xFFFFFFFF, iv)\n",
        ),
        breaks=("RFC4302-2.5.1-high-half",),
    ),
    defect(
        "xfrm-ah-high-half-in-front",
        "ours",
        "xfrm-ah",
        "the high half is covered in front of the packet",
        (
            "ah",
            "        covered = at_the_end(packet[:front]) + packet[front:] + high\n",
            "        covered = high + at_the_end(packet[:front]) + packet[front:]\n",
        ),
        breaks=("RFC4302-2.5.1-high-half",),
    ),
    defect(
        "xfrm-ah-inside-esp",
        "ours",
        "xfrm-ah",
        "AH is applied first, and ESP around it, whatever the policy says",
        (
            "xfrm.host",
            "        for state in bundle:\n",
            '        for state in sorted(bundle, key=lambda one: one.sa.protocol == "esp"):\n',
        ),
        breaks=("RFC4302-3.1-combined",),
    ),
    defect(
        "xfrm-ah-header-forwarded",
        "ours",
        "xfrm-ah",
        "TTL or hop limit is lowered once more where AH is put in",
        ("ah", "        parts = transport.split(packet)\n", "        parts = transport.split(ip.forwarded(packet))\n"),
        breaks=("RFC4302-3.1.1-location",),
    ),
    defect(
        "xfrm-ah-inner-made-predictable",
        "ours",
        "xfrm-ah",
        "what counts as zero of the outer header is made zero of the inner one",
        (
            "xfrm.protocols",
            "        packet = header + packet\n",
            "        packet = header + ip.with_traffic_class(packet, 0)\n",
        ),
        breaks=("RFC4302-3.1.2-inner",),
    ),
    defect(
        "xfrm-ah-octets-behind-the-packet",
        "ours",
        "xfrm-ah",
        "what leaves has octets up to the next 32 bits behind its end",
        (
            "xfrm.protocols",
            _PROTECTED + "entry.iv_source(sequence) if iv is None else iv)\n",
            _PROTECTED.replace("return", "made =")
            + "entry.iv_source(sequence) if iv is None else iv)\n"
            + "    return made if isinstance(made, DropReason) else made + bytes(-len(made) % 4)\n",
        ),
        breaks=("RFC4302-3.1.1-location", "RFC4302-3.1.2-inner"),
    ),
    defect(
        "xfrm-ah-iv-of-two-packets",
        "ours",
        "xfrm-ah",
        "the IV of GMAC changes with every second packet",
        (
            "xfrm.protocols",
            '        return number.to_bytes(self.codec.iv_size, "big") if',
            '        return (number >> 1).to_bytes(self.codec.iv_size, "big") if',
        ),
        breaks=("RFC4543-3.1-iv-unique",),
    ),
    defect(
        "xfrm-ah-iv-of-two-sas",
        "ours",
        "xfrm-ah",
        "each SA counts the IVs of GMAC for itself, whatever key it has",
        (
            "xfrm.host",
            "        key = entry.sa.encr_key or entry.sa.auth_key\n",
            "        key = entry.sa.encr_key or entry.sa.name.encode()\n",
        ),
        breaks=("RFC4543-3.1-iv-unique",),
    ),
    defect(
        "xfrm-ah-first-is-zero",
        "ours",
        "xfrm-ah",
        "the first packet has number 0",
        ("xfrm.protocols", _PROTECTED, "    return entry.codec.protect(packet, sequence - (sequence == 1), "),
        breaks=("RFC4302-3.3.2-first-one",),
    ),
    defect(
        "xfrm-ah-number-twice",
        "ours",
        "xfrm-ah",
        "the third packet has the number of the second",
        ("xfrm.protocols", _PROTECTED, "    return entry.codec.protect(packet, sequence - (sequence == 3), "),
        breaks=("RFC4302-3.3.2-increment",),
    ),
    defect(
        "xfrm-ah-sent-at-the-end",
        "V-061",
        "xfrm-ah",
        "behind the last number a packet is counted as discarded, and sent all the same",
        (
            "xfrm.path",
            "    if number is None:\n        return Counter.OUT_STATE_SEQ_ERROR\n",
            '    if number is None and one.state.sa.protocol == "ah":\n'
            "        one.host.counters[Counter.OUT_STATE_SEQ_ERROR] += 1\n        return None\n"
            "    if number is None:\n        return Counter.OUT_STATE_SEQ_ERROR\n",
        ),
        breaks=("RFC4302-3.3.2-no-cycle",),
    ),
    defect(
        "xfrm-ah-last-octet-not-covered",
        "ours",
        "xfrm-ah",
        "of a packet with an odd number of octets the last is not covered",
        (
            "ah",
            _SEALED,
            "        return packet[:at] + iv + self._icv(empty[: len(empty) & ~1], front, sequence, iv) + packet[end:]\n",
        ),
        breaks=("RFC4302-3.3.3-icv",),
    ),
    defect(
        "xfrm-ah-df-covered",
        "ours",
        "xfrm-ah",
        "the flag DF is covered as it is",
        ("ah", "    header[6:9] = bytes(3)\n", "    header[6:9] = bytes((header[6] & 0x40, 0, 0))\n"),
        breaks=("RFC4302-3.3.3.1.1.1-mutable",),
    ),
    defect(
        "xfrm-ah-ecn-covered",
        "ours",
        "xfrm-ah",
        "of IPv4 the DSCP counts as zero, and not ECN beside it",
        ("ah", "    header[1:2] = bytes(1)\n", "    header[1] &= 3\n"),
        breaks=("RFC4302-3.3.3.1.1.1-mutable",),
    ),
    defect(
        "xfrm-ah-flow-label-covered",
        "ours",
        "xfrm-ah",
        "the flow label is covered",
        ("ah", '    header[:4] = b"\\x60\\0\\0\\0"\n', "    header[:2] = bytes((0x60, header[1] & 0xF))\n"),
        breaks=("RFC4302-3.3.3.1.2.1-mutable",),
    ),
    defect(
        "xfrm-ah-source-of-the-sa",
        "ours",
        "xfrm-ah",
        "what is verified is the header that the SA's ends would give, and not the one that has arrived",
        (
            "xfrm.protocols",
            _OPENED,
            "    place = ip.IPV4_SOURCE if outer.version == 4 else ip.IPV6_SOURCE\n"
            "    header = outer.header[: place.start] + entry.sa.source.packed + outer.header[place.stop :]\n"
            "    header = ip.with_checksum(header) if outer.version == 4 else header\n"
            "    opened = entry.codec.open(header + outer.payload, sequence)\n",
        ),
        breaks=("RFC4302-3.3.3.1.1.1-immutable", "RFC4302-3.3.3.1.2.1-immutable"),
    ),
    defect(
        "xfrm-ah-router-alert-zero",
        "ours",
        "xfrm-ah",
        "the router alert is taken for an option that changes on the way",
        ("ah", "134, 148, 149))", "134, 149))"),
        breaks=("RFC4302-3.3.3.1.1.2-immutable",),
    ),
    defect(
        "xfrm-ah-unknown-option-covered",
        "ours",
        "xfrm-ah",
        "options that nobody knows are covered, as if they did not change on the way",
        ("ah", "        if header[at] not in _IPV4_KEPT:\n", "        if header[at] in (7, 68, 82, 131, 137):\n"),
        breaks=("RFC4302-3.3.3.1-unknown-zero",),
    ),
    defect(
        "xfrm-ah-record-of-the-route-covered",
        "ours",
        "xfrm-ah",
        "of a packet that leaves a record of the route is taken for an option that does not change on the way",
        ("ah", _SEALED, _SEALED.replace("(empty", r'(empty.replace(b"\7\7\x08", b"\x82\7\x08")')),
        breaks=("RFC4302-3.3.3.1.1.2-mutable",),
    ),
    defect(
        "xfrm-ah-trace-as-it-came",
        "ours",
        "xfrm-ah",
        "of a packet that arrives the option of a trace is taken for one that does not change on the way",
        ("ah", _VERIFIED, _VERIFIED.replace("(empty", r'(empty.replace(b"\x52\x0c", b"\x82\x0c")')),
        breaks=("RFC4302-3.3.3.1.1.2-mutable",),
    ),
    defect(
        "xfrm-ah-changing-option-covered",
        "ours",
        "xfrm-ah",
        "that an IPv6 option says that it changes on the way is not looked at",
        ("ah", "        if header[at] & _CHANGES_EN_ROUTE:\n", "        if header[at] & 0x80:\n"),
        breaks=("RFC4302-3.3.3.1.2.2-mutable",),
    ),
    defect(
        "xfrm-ah-option-sent-as-it-is",
        "ours",
        "xfrm-ah",
        "of a packet that leaves that an IPv6 option says that it changes on the way is not looked at",
        ("ah", _SEALED, _SEALED.replace("(empty", r'(empty.replace(b"\x3e\4", b"\x1e\4")')),
        breaks=("RFC4302-3.3.3.1.2.2-mutable",),
    ),
    defect(
        "xfrm-ah-option-as-it-came",
        "ours",
        "xfrm-ah",
        "of a packet that arrives that an IPv6 option says that it changes on the way is not looked at",
        ("ah", _VERIFIED, _VERIFIED.replace("(empty", r'(empty.replace(b"\x3e\4", b"\x1e\4")')),
        breaks=("RFC4302-3.3.3.1.2.2-mutable",),
    ),
    defect(
        "xfrm-ah-any-option-zero",
        "ours",
        "xfrm-ah",
        "the data of all IPv6 options count as zero",
        ("ah", "        if header[at] & _CHANGES_EN_ROUTE:\n", "        if header[at] > 1:\n"),
        breaks=("RFC4302-3.3.3.1.2.2-immutable",),
    ),
    defect(
        "xfrm-ah-route-as-it-is",
        "ours",
        "xfrm-ah",
        "a source route is covered as it leaves",
        (
            "ah",
            "        elif each.protocol == ip.PROTOCOL_ROUTING and header[each.at + 3]:\n",
            "        elif each.protocol == ip.PROTOCOL_ROUTING and header[each.at + 2] == 2:\n",
        ),
        breaks=("RFC4302-3.3.3.1.2.3-routing",),
    ),
    defect(
        "xfrm-ah-route-zero",
        "ours",
        "xfrm-ah",
        "a source route that has ended is not covered",
        (
            "ah",
            "        elif each.protocol == ip.PROTOCOL_ROUTING and header[each.at + 3]:\n",
            "        elif each.protocol == ip.PROTOCOL_ROUTING and not header[each.at + 3]:\n"
            "            header[each.at + 4 : each.at + each.size] = bytes(each.size - 4)\n"
            "        elif each.protocol == ip.PROTOCOL_ROUTING:\n",
        ),
        breaks=("RFC4302-3.3.3.1.2.3-routing",),
    ),
    defect(
        "xfrm-ah-fragment-protected",
        "linux/net/ipv4/ah4.c",
        "xfrm-ah",
        "a fragment is protected as if it were a whole packet",
        (
            "ah",
            "        parts = transport.split(packet)\n",
            "        parts = transport.split(packet)\n"
            "        if isinstance(parts, DropReason) and packet[0] >> 4 == 4:\n"
            "            parts = transport.Split(packet[:20], packet[9], packet[20:], 9)\n",
        ),
        breaks=("RFC4302-3.3.4-whole-packets",),
    ),
    defect(
        "xfrm-ah-ipv4-padded-as-ipv6",
        "linux/net/ipv4/ah4.c",
        "xfrm-ah",
        "over IPv4 too the header is padded to a multiple of 64 bits",
        ("ah", _UNIT, "        unit = 8\n"),
        breaks=("RFC4302-3.3.3.2.1-padding",),
    ),
    defect(
        "xfrm-ah-ipv6-not-padded",
        "ours",
        "xfrm-ah",
        "over IPv6 the header is padded to a multiple of 32 bits",
        ("ah", _UNIT, "        unit = 4\n"),
        breaks=("RFC4302-3.3.3.2.1-padding",),
    ),
    defect(
        "xfrm-ah-fragments-lost",
        "ours",
        "xfrm-ah",
        "a packet with AH that comes in pieces is not put together",
        (
            "xfrm.host",
            "            whole = self._reassembly.take(parsed)\n",
            "            whole = self._reassembly.take(parsed) if parsed.protocol != ah.PROTOCOL_AH else None\n",
        ),
        breaks=("RFC4302-3.4.1-reassembled",),
    ),
    defect(
        "xfrm-ah-the-only-one",
        "ours",
        "xfrm-ah",
        "where there is but one SA of AH it is taken for any SPI",
        (
            "xfrm.path",
            _FOUND,
            _FOUND
            + '    known = [each for each in one.host.states if each.sa.direction == "in" and each.sa.protocol == "ah"]\n'
            "    state = known[0] if state is None and one.is_ah and len(known) == 1 else state\n",
        ),
        breaks=("RFC4302-3.4.2-no-sa-discarded",),
    ),
    defect(
        "xfrm-ah-short-header-read",
        "F-003",
        "xfrm-ah",
        "whether all of the header is there is not looked at before it is read",
        (
            "xfrm.path",
            "    if one.is_ah and len(one.esp) < ah.FIXED_SIZE:\n",
            "    if one.is_ah and len(one.esp) < 8:\n",
        ),
        breaks=("LINUX.xfrm_proc-inbound-hdr-error",),
    ),
    defect(
        "xfrm-ah-inside-by-its-looks",
        "ours",
        "xfrm-ah",
        "what comes out of a tunnel is told by its first octet, not by the next header",
        (
            "xfrm.protocols",
            "        return tunnel.decapsulate(outer.traffic_class, opened.payload, opened.next_header)\n",
            "        version = ip.version(opened.payload)\n"
            "        return tunnel.decapsulate(outer.traffic_class, opened.payload, tunnel.NEXT_HEADER[version])\n",
        ),
        breaks=("LINUX.xfrm_proc-inbound-state-mode-error",),
    ),
    defect(
        "xfrm-ah-last-one-again",
        "ours",
        "xfrm-ah",
        "the packet with the highest number is let in again",
        ("xfrm.path", _NEW, _NEW + "    new = new or (one.is_ah and sequence == replay.highest)\n"),
        ("xfrm.protocols", _OLD, ""),
        breaks=("RFC4302-3.4.3-duplicate-rejected",),
    ),
    defect(
        "xfrm-ah-window-one-larger",
        "ours",
        "xfrm-ah",
        "the window has one number more",
        ("xfrm.path", _NEW, _NEW + "    new = new or (one.is_ah and sequence == replay.highest - replay.size)\n"),
        ("xfrm.protocols", _OLD, ""),
        breaks=("RFC4302-3.4.3-left-rejected",),
    ),
    defect(
        "xfrm-ah-window-first",
        "ours",
        "xfrm-ah",
        "the window moves before the ICV is looked at",
        ("xfrm.protocols", _OPENED, "    replay.advance(sequence)\n" + _OPENED),
        breaks=("RFC4302-3.4.3-window-after-icv",),
    ),
    defect(
        "xfrm-ah-padding-is-icv",
        "P-012",
        "xfrm-ah",
        "the padding is taken for a part of the ICV",
        (
            "ah",
            "        iv, icv = whole[at : at + self.iv_size], whole[at + self.iv_size : end]\n",
            "        iv, icv = whole[at : at + self.iv_size], header[FIXED_SIZE + self.iv_size :]\n",
        ),
        breaks=("RFC4302-3.4.4-accepted",),
    ),
    defect(
        "xfrm-ah-icv-in-part",
        "ours",
        "xfrm-ah",
        "of a longer ICV the first 96 bits are compared",
        (
            "ah",
            "        if not hmac.compare_digest(right, icv):\n",
            "        if not hmac.compare_digest(right[:12], icv[:12]):\n",
        ),
        breaks=("RFC4302-3.4.4-icv-wrong-discarded",),
    ),
    defect(
        "xfrm-ah-wrong-icv-not-counted",
        "ours",
        "xfrm-ah",
        "a packet with a wrong ICV is discarded, and not counted",
        (
            "xfrm.path",
            "        entry.state.count_error(opened)\n        return INBOUND[opened]\n    one.opened",
            "        entry.state.count_error(opened)\n        return Quiet.DROPPED if one.is_ah else INBOUND[opened]\n    one.opened",
        ),
        breaks=("LINUX.xfrm_proc-inbound-state-proto-error",),
    ),
    defect(
        "xfrm-ah-either-will-do",
        "ours",
        "xfrm-ah",
        "where a policy asks for AH an SA of ESP will do, and the other way round",
        ("xfrm.states", "    if template.protocol != state.sa.protocol:\n", '    if template.protocol == "comp":\n'),
        breaks=("RFC4301-4.4.1-protect", "RFC4301-5.1-never-in-the-clear"),
    ),
    defect(
        "xfrm-ah-deleted-still-sends",
        "ours",
        "xfrm-ah",
        "an SA of AH that was deleted is found by the packets that leave",
        (
            "xfrm.states",
            "            _take_out(self._leaving, _wanted(state), state)\n",
            '            if state.sa.protocol == "esp":\n                _take_out(self._leaving, _wanted(state), state)\n',
        ),
        breaks=("RFC4301-4.4.1-protect",),
    ),
    defect(
        "xfrm-ah-came-with-either",
        "ours",
        "xfrm-ah",
        "what has come with ESP is let in where AH is asked for, and the other way round",
        ("xfrm.path", "    if template.protocol != sa.protocol:\n", '    if template.protocol == "comp":\n'),
        breaks=("LINUX.xfrm_proc-inbound-tmpl-mismatch",),
    ),
    defect(
        "xfrm-ah-room-without-padding",
        "ours",
        "xfrm-ah",
        "what AH adds is counted without the padding of its ICV",
        (
            "xfrm.mtu",
            "        return mtu - front(entry) - (before",
            "        return mtu - 12 - entry.codec.iv_size - entry.codec.icv_size - (before",
        ),
        breaks=("RFC4301-8.2.1-pmtu-ipv6",),
    ),
    defect(
        "xfrm-ah-path-not-learned",
        "ours",
        "xfrm-ah",
        "a message about a packet with AH is taken for one about nobody's packet",
        (
            "xfrm.host",
            _MESSAGE_OF_AH,
            "        return sent.protocol == PROTOCOL_ESP and len",
        ),
        breaks=("RFC4301-8.2.1-pmtu-wait",),
    ),
    defect(
        "xfrm-ah-path-of-ipv4-not-learned",
        "ours",
        "xfrm-ah",
        "of messages about packets with AH those of ICMPv6 alone are taken notice of",
        ("xfrm.host", _MESSAGE_OF_AH, _MESSAGE_OF_AH.replace("return", "return sent.version == 6 and")),
        breaks=("RFC4301-8.2.1-pmtu-wait",),
    ),
    defect(
        "xfrm-ah-path-of-ipv6-not-learned",
        "ours",
        "xfrm-ah",
        "of messages about packets with AH those of ICMP alone are taken notice of",
        ("xfrm.host", _MESSAGE_OF_AH, _MESSAGE_OF_AH.replace("return", "return sent.version == 4 and")),
        breaks=("RFC4301-8.2.1-pmtu-wait",),
    ),
    defect(
        "xfrm-ah-number-of-a-super-packet",
        "ours",
        "xfrm-ah",
        "the parts of a super-packet of which AH is asked are given one number",
        (
            "xfrm.host",
            "            return tuple(one for piece in pieces for one in self.enter(side, piece, mark, now))\n",
            "            sent: list[Emerging] = []\n"
            "            for piece in pieces:\n"
            "                for state in self.states if sent else ():\n"
            '                    state.entry.state.sequence -= state.sa.protocol == "ah"\n'
            "                sent += self.enter(side, piece, mark, now)\n"
            "            return tuple(sent)\n",
        ),
        breaks=("RFC4302-3.3.2-increment",),
    ),
    defect(
        "xfrm-ah-spis-in-common",
        "ours",
        "xfrm-ah",
        "an SA is found by destination and SPI: of one of ESP and one of AH with the same SPI the younger gets all packets",
        (
            "xfrm.states",
            "        states = self._with(destination, spi, protocol, source)\n",
            '        both = [one for each in ("esp", "ah") for one in self._with(destination, spi, each, source)]\n'
            "        states = [one for one in reversed(self._by_name.values()) if any(one is each for each in both)]\n",
        ),
        breaks=("RFC4301-4.4.1-protection-required",),
    ),
)
