"""Defects of a host to which packets come together, and whose cipher finishes later."""

from espproof.adapters.seeded.model import defect

_TOGETHER = "            return _in_fewer([one for each in arrivals for one in self._enters(each, now)])\n"
_WHEN = "        if not order and not room:\n"
_LOOP = "            emerged: list[Emerging] = []\n            for each in arrivals:\n"
_STILL = "    new = one.packet.state.entry.state.replay.check(one.number) is ReplayVerdict.NEW\n"
_SEQ = "    return None if new else Counter.IN_STATE_SEQ_ERROR\n"
_GONE = "    gone = not host.states.has(state) or host.has_ended(state, one.packet.now)\n"
_EQUAL = "segments(_joined([*run, packet]), size) == [*run, packet]\n"
_FITS = "    fits = len(last.content) == size and 0 < len(this.content) <= size\n"
_TCP_OF = "def _tcp(packet: bytes) -> _Tcp | None:\n"


def _like(fields: str) -> str:
    """A comparison of segments that looks at some fields of TCP alone; `at` is where they begin."""
    return (
        "def _like(packet: bytes) -> tuple[object, ...]:\n"
        "    at = 20 if packet[0] >> 4 == 4 else 40\n"
        f"    return {fields}\n\n\n" + _TCP_OF
    )


_LIKE = "list(map(_like, segments(_joined([*run, packet]), size))) == list(map(_like, [*run, packet]))\n"

DEFECTS = (
    # -------------------------------------------------------------------------------------------------------- together
    defect(
        "xfrm-burst-rest-behind-a-bad-one", "ours", "xfrm-burst",
        "results are put back by the place of the packet, though bad ones have none: behind one the next good one is lost",
        ("xfrm.asynchrony", _TOGETHER,
         _LOOP +
         "                before = self.counters.total()\n"
         "                found = self._enters(each, now)\n"
         "                emerged += () if self.__dict__.pop(\"_bad\", False) else found\n"
         "                if self.counters.total() > before:\n"
         "                    self.__dict__[\"_bad\"] = True\n"
         "            self.__dict__.pop(\"_bad\", None)\n"
         "            return _in_fewer(emerged)\n"),
        breaks=("RFC4303-3.4.3-burst-as-single",),
    ),
    defect(
        "xfrm-burst-sa-of-the-first", "D-022", "xfrm-burst",
        "within a burst the SA that was found last is kept, and taken for SPIs that resemble its own",
        ("xfrm.asynchrony", _TOGETHER,
         "            self.states.__dict__[\"kept\"] = {}\n"
         "            emerged = [one for each in arrivals for one in self._enters(each, now)]\n"
         "            del self.states.__dict__[\"kept\"]\n"
         "            return _in_fewer(emerged)\n"),
        ("xfrm.states", "        states = self._with(destination, spi, protocol, source)\n",
         "        kept = self.__dict__.get(\"kept\", {})\n"
         "        if (spi >> 8) in kept:\n"
         "            return kept[spi >> 8]\n"
         "        states = list(self._with(destination, spi, protocol, source))\n"
         "        if states and \"kept\" in self.__dict__:\n"
         "            kept[spi >> 8] = states[0]\n"),
        breaks=("RFC4303-3.4.3-burst-as-single",),
    ),
    defect(
        "xfrm-burst-last-not-looked-for", "D-021", "xfrm-burst",
        "what is done is asked for when packets come alone: the last of a burst stays until then",
        ("xfrm.asynchrony", _TOGETHER,
         "            emerged = self.__dict__.pop(\"_left\", [])\n"
         "            emerged += [one for each in arrivals for one in self._enters(each, now)]\n"
         "            self.__dict__[\"_left\"] = emerged[-1:] if len(emerged) > 4 else []\n"
         "            return _in_fewer(emerged[:-1] if len(emerged) > 4 else emerged)\n"),
        breaks=("RFC4303-3.4.3-burst-as-single",),
    ),
    defect(
        "xfrm-burst-duplicate-inside", "LX-005", "xfrm-burst",
        "the packets of a burst meet the replay check before the window moves for any of them, and not again",
        ("xfrm.asynchrony", _WHEN,
         "        self.__dict__[\"_blind\"] = not order and not room\n"
         "        if self._flights is not None:\n"),
        ("xfrm.asynchrony", _SEQ,
         "    return None if new or one.packet.host.__dict__[\"_blind\"] else Counter.IN_STATE_SEQ_ERROR\n"),
        breaks=("RFC4303-3.4.3-duplicate-rejected",),
    ),
    defect(
        "xfrm-burst-duplicate-inside-of-many", "LX-005", "xfrm-burst",
        "of more than 64 packets that come together the 65th meets the replay check that those in front have not passed yet",
        ("xfrm.asynchrony", _TOGETHER,
         _LOOP.replace("each in", "place, each in enumerate(").replace("arrivals:", "arrivals):") +
         "                self.__dict__[\"_blind\"] = place >= 64\n"
         "                emerged += self._enters(each, now)\n"
         "            return _in_fewer(emerged)\n"),
        ("xfrm.path", "    return None if new else Counter.IN_STATE_SEQ_ERROR\n",
         "    return None if new or one.host.__dict__.get(\"_blind\") else Counter.IN_STATE_SEQ_ERROR\n"),
        ("endpoint", "    if replay.check(sequence) is not ReplayVerdict.NEW:\n        return DropReason.REPLAY\n", ""),
        breaks=("RFC4303-3.4.3-duplicate-rejected",),
    ),
    defect(
        "xfrm-burst-counted-once-for-all", "ours", "xfrm-burst",
        "several packets of a burst that are discarded for one reason are counted as one",
        ("xfrm.asynchrony", _TOGETHER,
         "            before = dict(self.counters)\n"
         "            emerged = [one for each in arrivals for one in self._enters(each, now)]\n"
         "            for reason in self.counters:\n"
         "                self.counters[reason] = min(self.counters[reason], before.get(reason, 0) + 1)\n"
         "            return _in_fewer(emerged)\n"),
        breaks=("LINUX.xfrm_proc-inbound-state-seq-error", "LINUX.xfrm_proc-inbound-state-proto-error"),
    ),
    defect(
        "xfrm-burst-one-number", "ours", "xfrm-burst",
        "the number of the last packet of a burst is read before the one in front of it has written its own",
        ("xfrm.asynchrony", _TOGETHER,
         "            burst = list(arrivals)\n"
         "            emerged = [one for each in burst[:-1] for one in self._enters(each, now)]\n"
         "            for state in self.states if emerged else ():\n"
         "                state.entry.state.sequence -= state.entry.state.packets > 2\n"
         "            return _in_fewer(emerged + [one for each in burst[-1:] for one in self._enters(each, now)])\n"),
        breaks=("RFC4303-3.3.3-increment",),
    ),
    defect(
        "xfrm-burst-last-in-the-clear", "W-004", "xfrm-burst",
        "a burst is protected four at a time; what is left over leaves as it came",
        ("xfrm.asynchrony", _TOGETHER,
         _LOOP +
         "                if each.side == \"plain\" and len(emerged) == 4:\n"
         "                    packet = ip.forwarded(each.packet)\n"
         "                    emerged.append(Emerging(self._side_of(packet), packet))\n"
         "                else:\n"
         "                    emerged += self._enters(each, now)\n"
         "            return _in_fewer(emerged)\n"),
        breaks=("RFC4301-5.1-never-in-the-clear",),
    ),
    defect(
        "xfrm-burst-direction-of-the-last", "V-052", "xfrm-burst",
        "one operation is noted for a whole batch, that of its last packet: those of the other kind are lost",
        ("xfrm.asynchrony", _TOGETHER,
         "            burst = list(arrivals)\n"
         "            kept = [each for each in burst if each.side == burst[-1].side or len(burst) < 4]\n"
         "            self.counters[Counter.IN_STATE_PROTO_ERROR] += len(burst) - len(kept)\n"
         "            return _in_fewer([one for each in kept for one in self._enters(each, now)])\n"),
        breaks=("RFC4303-3.4.3-burst-as-single",),
    ),
    defect(
        "xfrm-burst-numbers-checked-once", "LX-001", "xfrm-burst",
        "that numbers are left is looked for once for a burst: behind the last one they begin anew",
        ("xfrm.asynchrony", _TOGETHER,
         "            self.__dict__[\"_going\"] = False\n"
         "            emerged = []\n"
         "            for each in arrivals:\n"
         "                emerged += self._enters(each, now)\n"
         "                self.__dict__[\"_going\"] = bool(emerged)\n"
         "            return _in_fewer(emerged)\n"),
        ("xfrm.path", "    if number is None:\n",
         "    if number is None and one.host.__dict__.get(\"_going\"):\n        number = 1\n"
         "    if number is None:\n"),
        breaks=("RFC4303-3.3.3-no-cycle",),
    ),
    # --------------------------------------------------------------------------------------------------------- merging
    defect(
        "xfrm-burst-merged-with-any-flow", "ours", "xfrm-burst",
        "ports are not compared before segments are merged",
        ("xfrm.coalescing", _EQUAL, _LIKE),
        ("xfrm.coalescing", _TCP_OF, _like("packet[: at - 16], packet[at + 4 : at + 16], packet[at + 20 :]")),
        breaks=("LINUX.segmentation_offloads-gro-cut-up-again",),
    ),
    defect(
        "xfrm-burst-merged-across-a-gap", "ours", "xfrm-burst",
        "whether a segment goes on where the one before ends is not looked at",
        ("xfrm.coalescing", _EQUAL, _LIKE),
        ("xfrm.coalescing", _TCP_OF, _like("packet[: at - 16], packet[at + 8 : at + 16]")),
        breaks=("LINUX.segmentation_offloads-gro-cut-up-again",),
    ),
    defect(
        "xfrm-burst-flags-of-the-first", "ours", "xfrm-burst",
        "what was merged has the flags of its first segment: PSH and FIN of the last are lost",
        ("xfrm.coalescing", "bytes((first.flags | last.flags & _ENDS,))", "bytes((first.flags,))"),
        ("xfrm.coalescing", _EQUAL, _LIKE),
        ("xfrm.coalescing", _TCP_OF, _like("packet[at : at + 13], packet[at + 14 : at + 16], packet[at + 20 :]")),
        breaks=("LINUX.segmentation_offloads-gro-cut-up-again",),
    ),
    defect(
        "xfrm-burst-merged-whatever-the-ttl", "ours", "xfrm-burst",
        "of the IP header the addresses alone are compared before segments are merged",
        ("xfrm.coalescing", _EQUAL, _LIKE),
        ("xfrm.coalescing", _TCP_OF, _like("packet[at - 8 :]")),
        breaks=("LINUX.segmentation_offloads-gro-cut-up-again",),
    ),
    defect(
        "xfrm-burst-longer-behind-shorter", "LE-004", "xfrm-burst",
        "a segment is merged behind one that is shorter than the first",
        ("xfrm.coalescing", _FITS, "    fits = 0 < len(this.content) <= size\n"),
        ("xfrm.coalescing", _EQUAL, "_goes_on_in(last, this) and _joined([*run, packet]) != b\"\"\n"),
        ("xfrm.coalescing", _TCP_OF,
         "def _goes_on_in(last: _Tcp, this: _Tcp) -> bool:\n"
         "    number = int.from_bytes(last.whole.payload[4:8], \"big\") + len(last.content)\n"
         "    same = last.whole.payload[:4] + last.whole.payload[8:13] == this.whole.payload[:4] + this.whole.payload[8:13]\n"
         "    return same and number & 0xFFFFFFFF == int.from_bytes(this.whole.payload[4:8], \"big\")\n\n\n" + _TCP_OF),
        breaks=("LINUX.segmentation_offloads-gro-cut-up-again",),
    ),
    defect(
        "xfrm-burst-merged-and-sent-as-one", "LE-022", "xfrm-burst",
        "what was merged on its way in is protected as one packet on its way out",
        ("xfrm.asynchrony", _TOGETHER,
         "            self.__dict__[\"_kept\"] = []\n"
         "            emerged = [one for each in arrivals for one in self._enters(each, now)]\n"
         "            kept = self.__dict__.pop(\"_kept\")\n"
         "            for packet, _ in coalesced([packet for packet, *_ in kept]):\n"
         "                emerged += super()._sent(packet, kept[0][1], kept[0][2], now)\n"
         "            return _in_fewer(emerged)\n"),
        ("xfrm.asynchrony", "            return super()._sent(packet, bundle, through, now)\n",
         "            if \"_kept\" in self.__dict__ and through and self._side_of(packet) == \"wire\":\n"
         "                self.__dict__[\"_kept\"].append((packet, bundle, through))\n"
         "                return ()\n"
         "            return super()._sent(packet, bundle, through, now)\n"),
        breaks=("LINUX.segmentation_offloads-gso-as-singles",),
    ),
    defect(
        "xfrm-burst-ike-behind-esp", "LE-024", "xfrm-burst",
        "a datagram of the same ports behind ESP is taken for ESP too, marker or not",
        ("xfrm.asynchrony", "    # -------------------------------------------------------------------------------------------------------- inbound\n",
         "    def _encapsulated(self, octets: bytes) -> Any:\n"
         "        kind, esp = super()._encapsulated(octets)\n"
         "        before = self.__dict__.get(\"_before\")\n"
         "        self.__dict__[\"_before\"] = kind\n"
         "        return (before, esp) if kind and kind.name == \"IKE\" and before and before.name == \"ESP\" else (kind, esp)\n\n"),
        breaks=("RFC3948-2.2-non-esp-marker",),
    ),
    defect(
        "xfrm-burst-keepalive-is-esp", "LE-024", "xfrm-burst",
        "of two keepalives that come together the second is given to the reader of the port",
        ("xfrm.asynchrony", "    # -------------------------------------------------------------------------------------------------------- inbound\n",
         "    def _encapsulated(self, octets: bytes) -> Any:\n"
         "        kind, esp = super()._encapsulated(octets)\n"
         "        before = self.__dict__.get(\"_before\")\n"
         "        self.__dict__[\"_before\"] = kind\n"
         "        return (None, b\"\") if kind is before and kind and kind.name == \"KEEPALIVE\" else (kind, esp)\n\n"),
        breaks=("RFC3948-2.3-keepalive",),
    ),
    # ------------------------------------------------------------------------------------------------------- in flight
    defect(
        "xfrm-burst-no-recheck", "LX-005", "xfrm-burst",
        "the replay check in front of the cipher is the only one",
        ("xfrm.asynchrony", _STILL, "    new = True\n"),
        breaks=("RFC4303-3.4.3-duplicate-rejected",),
    ),
    defect(
        "xfrm-burst-recheck-not-counted", "LX-005", "xfrm-burst",
        "what the replay check behind the cipher discards is not counted",
        ("xfrm.asynchrony", _SEQ, "    return None if new else Quiet.DROPPED\n"),
        ("xfrm.asynchrony", "    Protecting,\n", "    Protecting,\n    Quiet,\n"),
        breaks=("LINUX.xfrm_proc-inbound-state-seq-error",),
    ),
    defect(
        "xfrm-burst-window-before-the-cipher", "LX-005", "xfrm-burst",
        "the window moves when a packet is given to the cipher",
        ("xfrm.asynchrony", "    result = DropReason.INTEGRITY if number is None",
         "    if number is not None:\n        entry.state.replay.advance(number)\n"
         "    result = DropReason.INTEGRITY if number is None"),
        ("xfrm.asynchrony", _STILL, "    new = True\n"),
        breaks=("RFC4303-3.4.3-window-after-icv",),
    ),
    defect(
        "xfrm-burst-recheck-of-duplicates-alone", "LX-005", "xfrm-burst",
        "behind the cipher a packet is looked for in the window, and not whether the window has passed it",
        ("xfrm.asynchrony", _STILL,
         "    new = one.packet.state.entry.state.replay.check(one.number) is not ReplayVerdict.DUPLICATE\n"),
        breaks=("RFC4303-3.4.3-left-rejected",),
    ),
    defect(
        "xfrm-burst-half-of-the-completion", "LX-001", "xfrm-burst",
        "the high half of a number in flight becomes that of the window when the window has come to the next",
        ("xfrm.asynchrony", "    if isinstance(one.result, bytes):\n        return None\n",
         "    state = one.packet.state\n"
         "    if state.sa.esn and one.number is not None and one.number >> 32 < state.entry.state.replay.highest >> 32:\n"
         "        one.result = DropReason.INTEGRITY\n"
         "    if isinstance(one.result, bytes):\n        return None\n"),
        breaks=("RFC4303-3.4.3-esn-next-subspace",),
    ),
    defect(
        "xfrm-burst-delivered-for-a-deleted-sa", "ours", "xfrm-burst",
        "what comes back from the cipher is delivered though its SA was deleted meanwhile",
        ("xfrm.asynchrony", _GONE, "    gone = host.states.has(state) and host.has_ended(state, one.packet.now)\n"),
        breaks=("LINUX.xfrm_proc-inbound-state-invalid",),
    ),
    defect(
        "xfrm-burst-beyond-the-limit", "ours", "xfrm-burst",
        "packets in flight are delivered beyond the hard limit of their SA",
        ("xfrm.asynchrony", _GONE, "    gone = not host.states.has(state)\n"),
        breaks=("LINUX.xfrm_proc-inbound-state-invalid",),
    ),
    defect(
        "xfrm-burst-without-the-outer", "LS-006", "xfrm-burst",
        "an SA that is deleted while the one inside of it has the packet is left out",
        ("xfrm.asynchrony", "            self._dropped(Counter.OUT_STATE_INVALID)\n            return ()\n",
         "            return self._protect(packet, left[1:], names, now)\n"),
        breaks=("LINUX.xfrm_proc-outbound-state-invalid",),
    ),
    defect(
        "xfrm-burst-full-not-counted", "V-050", "xfrm-burst",
        "what arrives and finds the cipher's queue full is discarded in silence",
        ("xfrm.asynchrony", "            self._dropped(Counter.IN_STATE_PROTO_ERROR)\n", ""),
        breaks=("LINUX.xfrm_proc-inbound-state-proto-error",),
    ),
    defect(
        "xfrm-burst-full-in-the-clear", "W-004", "xfrm-burst",
        "what is to be protected and finds the cipher's queue full leaves as it is",
        ("xfrm.asynchrony", "            self._dropped(Counter.OUT_STATE_PROTO_ERROR)\n            return ()\n",
         "            return (Emerging(self._side_of(packet), packet, names),)\n"),
        breaks=("LINUX.xfrm_proc-outbound-state-proto-error",),
    ),
    defect(
        "xfrm-burst-number-at-completion", "ours", "xfrm-burst",
        "a number is used up when the cipher is done: packets in flight have the same",
        ("xfrm.asynchrony", "        return self._take_off(lambda: self._protect(step.packet, left[1:], names, now))\n",
         "        state, number = left[0].entry.state, left[0].entry.state.sequence\n"
         "        state.sequence = number - 1\n\n"
         "        def done() -> Emerged:\n"
         "            state.sequence = max(state.sequence, number)\n"
         "            return self._protect(step.packet, left[1:], names, now)\n\n"
         "        return self._take_off(done)\n"),
        breaks=("RFC4303-3.3.3-increment",),
    ),
    defect(
        "xfrm-burst-oldest-released", "ours", "xfrm-burst",
        "what is done is taken for the oldest in flight, which is let go of: one packet is lost, another leaves twice",
        ("xfrm.asynchrony", "        self._flights.remove(flight)\n", "        self._flights.pop(0)\n"),
        breaks=("RFC4303-3.3.3-increment",),
    ),
    defect(
        "xfrm-burst-dropped-twice-counted", "ours", "xfrm-burst",
        "a packet in flight whose ICV is wrong is counted by the cipher, and where it is thrown away",
        ("xfrm.asynchrony", "    one.packet.state.entry.state.count_error(one.result)\n",
         "    one.packet.state.entry.state.count_error(one.result)\n"
         "    one.packet.host.counters[INBOUND[one.result]] += 1\n"),
        breaks=("LINUX.xfrm_proc-counters-dropped-counted-once",),
    ),
)  # fmt: skip
