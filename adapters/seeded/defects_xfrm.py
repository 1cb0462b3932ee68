"""Defects of a host's SAs, of the way of a packet through it, and of super-packets."""

from espproof.adapters.seeded.model import defect

_KEY = "        key = (source, destination, template.reqid, template.mode)\n"

DEFECTS = (
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
        ("xfrm.states", "        states = self._with(destination, spi, protocol, source)\n",
         "        states = [one for some in self._arriving.values() for one in some if one.sa.spi == spi]\n"),
        breaks=("LINUX.xfrm_proc-inbound-no-states",),
    ),
    defect(
        "xfrm-state-least-specific-first", "LS-009", "xfrm-state",
        "of several SAs with its SPI a packet is given to the one that is found by the SPI alone",
        ("xfrm.states", "        for lookup, key in (\n", "        for lookup, key in reversed((\n"),
        ("xfrm.states", '            ("spi", of_spi),\n        ):\n', '            ("spi", of_spi),\n        )):\n'),
        breaks=("RFC4301-4.1-longest-match",),
    ),
    defect(
        "xfrm-state-source-not-compared", "W-002", "xfrm-state",
        "an SA that is found by the source too is given what comes from others",
        ("xfrm.states", "    return _of(key_of(sa), sa.protocol)\n", "    return _of(key_of(replace(sa, lookup='spi+destination')), sa.protocol)\n"),
        ("xfrm.states", "of_spi + destination + source", "of_spi + destination"),
        breaks=("RFC4301-4.1-longest-match",),
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
