"""Defects of state that prove one demand each: sequence numbers, window, high half, SAD, lifetimes, fragments, lives."""

from espproof.adapters.seeded.model import defect

_RESYNC = "    if entry.sa.resync_limit and entry.state.failures >= entry.sa.resync_trigger:\n"
_CANDIDATES = "        for sequence in candidates(sequence_low(esp), guess, entry.sa.resync_limit):\n"
_STATUS = "        if _reached(packets, self.hard_packets, octets, self.hard_octets, seconds, self.hard_seconds):\n"
_NO_SA = "        if entry is None:\n            self.audit.received(DropReason.NO_SA, outer, esp)\n"
_REPLAY = "    if replay.check(sequence) is not ReplayVerdict.NEW:\n        return DropReason.REPLAY\n"

DEFECTS = (
    # ----------------------------------------------------------------------------------------------------- sequence
    defect(
        "sequence-not-sent-of-null", "ours", "sequence",
        "an SA with NULL encryption is set up without a counter: the field is there, and 0",
        ("endpoint", "    version = ip.version(packet)\n    if iv is None:\n",
                     "    version = ip.version(packet)\n    if entry.sa.encr == \"ENCR_NULL\":\n        sequence = 0\n"
                     "    if iv is None:\n"),
        breaks=("RFC4303-2.2-always-sent",),
    ),
    defect(
        "sequence-one-counter-for-all", "ours", "sequence",
        "all outbound SAs take their numbers from one counter",
        ("endpoint", "            state.sequence = sequence\n",
                     "            for other in self._entries.values():\n"
                     "                if other.sa.direction == \"out\":\n"
                     "                    other.state.sequence = sequence\n"),
        breaks=("RFC4303-3.3.3-increment",),
    ),
    # -------------------------------------------------------------------------------------------------- anti-replay
    defect(
        "anti-replay-counter-from-one", "ours", "anti-replay",
        "a fresh window has received number 1",
        ("replay", "        self._bits = 1 if highest else 0\n",
                   "        self.highest = highest or min(size, 1)\n        self._bits = 1 if self.highest else 0\n"),
        breaks=("RFC4303-3.4.3-counter-zero",),
    ),
    # ---------------------------------------------------------------------------------------------------------- esn
    defect(
        "esn-resynchronise-unasked", "V-016", "esn",
        "every packet whose ICV is wrong is tried again with the next high half, on SAs that do not resynchronise too",
        ("endpoint", _RESYNC + _CANDIDATES,
                     "    if entry.state.failures:\n" + _CANDIDATES.replace("entry.sa.resync_limit", "max(entry.sa.resync_limit, 1)")),
        breaks=("RFC4303-3.4.4.2-counter-is-input", "RFC4303-2.2.1-icv-covers-high", "RFC4303-A3.1-failures-reset"),
    ),
    defect(
        "esn-resynchronised-window-stays", "V-016", "esn",
        "a packet that is found by resynchronising is delivered, and T stays where it was",
        ("endpoint", "                return sequence, plaintext\n", "                return guess, plaintext\n"),
        breaks=("RFC4303-A3.2-resynchronised-state",),
    ),
    defect(
        "esn-counter-of-32-bits", "D-038", "esn",
        "the counter that an outbound SA keeps has 32 bits: the high half is that of its beginning",
        ("endpoint", "            state.sequence = sequence\n",
                     "            state.sequence = state.sequence >> 32 << 32 | sequence & 0xFFFFFFFF\n"),
        breaks=("RFC4303-3.3.3-esn-both-count",),
    ),
    defect(
        "esn-wrap-on-trailer", "report: window behind the trailer", "esn",
        "the high half moves on with the first packet of a subspace whose trailer is right, not whose ICV is",
        ("endpoint", "    replay.advance(sequence)\n    return take_trailer(plaintext)\n",
                     "    opened = take_trailer(plaintext)\n"
                     "    if sequence >> 32 == replay.highest >> 32 or (isinstance(opened, Opened) and opened.next_header != 59):\n"
                     "        replay.advance(sequence)\n    return opened\n"),
        breaks=("RFC4303-3.4.3-validated-counts",),
    ),
    defect(
        "esn-duplicates-behind-the-wrap", "D-045", "esn",
        "of a window that lies in two subspaces the later part is not looked up: its packets come any number of times",
        ("replay", "        if offset >= self.size:\n            return ReplayVerdict.LEFT_OF_WINDOW\n",
                   "        if offset >= self.size:\n            return ReplayVerdict.LEFT_OF_WINDOW\n"
                   "        if 0 < self.highest >> 32 == sequence >> 32 and self.highest % 2**32 < self.size - 1:\n"
                   "            return ReplayVerdict.NEW\n"),
        breaks=("RFC4303-A2.1-replay-check-case-b",),
    ),
    # ---------------------------------------------------------------------------------------------------------- sad
    defect(
        "sad-spi-zero-is-no-esp", "LS-002", "sad",
        "SPI 0 is taken for the non-ESP marker, also of packets that are not in UDP: they are not touched",
        ("endpoint", _NO_SA,
                     "        if not any(esp[:4]):\n            return Passed(\"bypass\", outer.header + outer.payload)\n" + _NO_SA),
        breaks=("RFC4303-2.1-spi-zero",),
    ),
    defect(
        "sad-unknown-is-no-esp", "D-015", "sad",
        "ESP for which there is no SA is somebody else's: it is passed on",
        ("endpoint", _NO_SA, "        if entry is None:\n            return Passed(\"bypass\", outer.header + outer.payload)\n" + _NO_SA),
        breaks=("RFC4303-3.4.2-no-sa-discarded", "RFC4303-2.1-no-match-discarded"),
    ),
    defect(
        "sad-one-window-for-all", "ours", "sad",
        "SAs between the same ends have one window",
        ("endpoint", "        entry = Entry(sa, state)\n        if sa.direction",
                     "        entry = Entry(sa, state)\n"
                     "        for other in self._entries.values():\n"
                     "            if sa.direction == other.sa.direction == \"in\" and other.sa.source == sa.source:\n"
                     "                state.replay = other.state.replay\n"
                     "        if sa.direction"),
        breaks=("RFC4301-4.1-parallel-sas", "RFC4303-2.1-unicast-mapping"),
    ),
    defect(
        "sad-spi-signed", "D-030", "sad",
        "the SPI is a signed number, and a negative one stands for an error: from 2^31 on no SA is found",
        ("endpoint", "        entry = self._sad.find(esp[SPI], outer)\n",
                     "        entry = self._sad.find(esp[SPI], outer) if esp[0] < 0x80 else None\n"),
        breaks=("RFC4303-2.1-unicast-mapping",),
    ),
    defect(
        "sad-table-of-32", "D-030", "sad",
        "the table has 32 places: who comes later takes that of the first",
        ("sad", "        self._entries[key] = entry\n",
                "        if len(self._entries) == 32:\n            del self._entries[next(iter(self._entries))]\n"
                "        self._entries[key] = entry\n"),
        breaks=("RFC4303-2.1-unicast-mapping",),
    ),
    defect(
        "sad-sender-keeps-spi", "V-037", "sad",
        "the header of a host's packets is made when its first outbound SA is added, with the SPI in it",
        ("endpoint", "        self._entries[sa.name] = entry\n",
                     "        for other in self._entries.values():\n"
                     "            if sa.direction == other.sa.direction == \"out\":\n"
                     "                entry.codec.spi = other.codec.spi\n"
                     "        self._entries[sa.name] = entry\n"),
        breaks=("RFC4303-2.1-spi",),
    ),
    # ----------------------------------------------------------------------------------------------------- lifetime
    defect(
        "lifetime-soft-is-hard", "LX-009", "lifetime",
        "an SA that reaches its soft limit is ended",
        ("lifetime", "            return \"soft\"\n", "            return \"hard\"\n"),
        breaks=("RFC4301-4.4.2.1-lifetime-soft",),
    ),
    defect(
        "lifetime-first-limit-alone", "LX-009", "lifetime",
        "an SA has one timer or one counter: with a limit in seconds the others are not looked at",
        ("lifetime", _STATUS,
                     "        if self.hard_seconds is not None:\n"
                     "            octets = packets = 0\n" + _STATUS),
        ("lifetime", "        return self.hard_octets is None or octets + more <= self.hard_octets\n",
                     "        if self.hard_seconds is not None:\n            return True\n"
                     "        return self.hard_octets is None or octets + more <= self.hard_octets\n"),
        breaks=("RFC4301-4.4.2.1-lifetime-simultaneous",),
    ),
    # --------------------------------------------------------------------------------------------------------- life
    defect(
        "life-window-of-the-deleted", "V-037", "life",
        "an SA that takes the SPI of a deleted one finds its window where that one's was left",
        ("endpoint", "        entry = Entry(sa, state)\n",
                     "        windows = self.__dict__.setdefault(\"windows\", {})\n"
                     "        if sa.direction == \"in\" and state.replay.size:\n"
                     "            state.replay = windows.setdefault((sa.spi, state.replay.size), state.replay)\n"
                     "        entry = Entry(sa, state)\n"),
        breaks=("RFC4301-4.4.2.1-deleted",),
    ),
    defect(
        "life-deleted-goes-on", "V-040", "life",
        "deleting an SA frees its name, and its packets are still delivered as long as no other SA has its SPI",
        ("endpoint", "            self._sad.delete(entry)\n", "            self.__dict__.setdefault(\"old\", []).append(entry)\n"),
        ("endpoint", "        if sa.direction == \"in\":\n            self._sad.add(entry)\n",
                     "        if sa.direction == \"in\":\n"
                     "            for old in self.__dict__.get(\"old\", [])[:]:\n"
                     "                if old.sa.spi == sa.spi:\n"
                     "                    self._sad.delete(old)\n                    self.old.remove(old)\n"
                     "            self._sad.add(entry)\n"),
        breaks=("RFC4301-4.4.2.1-deleted",),
    ),
)  # fmt: skip
