"""Defects that show in the life of an SA: long ones, what came before it, what lives beside it, and what is left behind."""

from espproof.adapters.seeded.defects_inside import BURST_IN
from espproof.adapters.seeded.defects_octets import BURST_OUT
from espproof.adapters.seeded.model import defect

_ADVANCED = "            self._bits = (self._bits << shift | 1) & self._window_mask()\n"
_ENTRY = "        entry = Entry(sa, state)\n"
_COUNT = "        count = self._ivs[entry.sa.encr_key] + 1\n"
_COUNTED = "            self._ivs[entry.sa.encr_key] = count\n"
_NUMBER = "            state.sequence = sequence\n"
_ERROR = "        state.count_error(result)\n"
_EACH_IN = "            results.append(self.inbound(packet, now))\n        return results\n\n"
_FOUND = "        entry = self._sad.find(esp[SPI], outer)\n"

DEFECTS = (
    # -------------------------------------------------------------------------------------------------- anti-replay
    defect(
        "anti-replay-word-not-cleared", "ours", "anti-replay",
        "the window is a ring of 64-bit words: a jump over more than one clears the last word alone",
        ("replay", "        self.highest = sequence\n        if shift >= self.size:",
         "        ring, stale = (-(-self.size // 64) + 1) * 64, 0\n"
         "        for offset in self.received_offsets() if sequence // 64 - self.highest // 64 > 1 and self.size else ():\n"
         "            number = self.highest - offset\n"
         "            turned = number + (sequence - number) // ring * ring\n"
         "            if turned > number and turned // 64 != sequence // 64 and sequence - turned < self.size:\n"
         "                stale |= 1 << sequence - turned\n"
         "        self.highest = sequence\n        if shift >= self.size:"),
        ("replay", _ADVANCED, _ADVANCED + "        self._bits |= stale\n"),
        breaks=("RFC4303-3.4.3-new-accepted",),
    ),
    defect(
        "anti-replay-ring-not-cleared", "ours", "anti-replay",
        "a jump by just the size of the window leaves it as it was: a ring has come round to where it stood",
        ("replay", "        if shift >= self.size:\n            self._bits = 1\n",
                   "        if shift == self.size and shift > 32:\n            self._bits |= 1\n"
                   "        elif shift >= self.size:\n            self._bits = 1\n"),
        breaks=("RFC4303-3.4.3-new-accepted",),
    ),
    defect(
        "anti-replay-counted-behind-burst", "ours", "anti-replay",
        "the numbers of a burst are recorded behind it, those of the packets that are delivered",
        ("endpoint", BURST_IN,
         "    def inbound_burst(self, packets, now):\n"
         "        self.__dict__[\"burst\"] = True\n"
         "        try:\n            return [self.inbound(packet, now) for packet in packets]\n"
         "        finally:\n            del self.__dict__[\"burst\"]\n\n" + BURST_IN),
        ("endpoint", "        opened = authenticate(entry, esp)\n",
         "        window = state.replay\n"
         "        if \"burst\" in self.__dict__:\n"
         "            inside = [n for n in window.received_offsets() if n < window.size and n <= window.highest]\n"
         "            state.replay = type(window)(window.size, window.highest, inside)\n"
         "        opened = authenticate(entry, esp)\n"),
        ("endpoint", _ERROR, "        state.replay = window\n" + _ERROR),
        breaks=("RFC4303-3.4.3-validated-counts",),
    ),
    # ---------------------------------------------------------------------------------------------------------- esn
    defect(
        "esn-case-b-edge-missed", "ours", "esn",
        "where the window begins with the second number of a subspace, that one is taken for the next subspace's",
        ("sequence", "    size = window or 1\n", "    size = (window or 1) - (top == window > 1)\n"),
        breaks=("RFC4303-A2.1-replay-check-case-a",),
    ),
    defect(
        "esn-failures-reset-on-delivery", "ours", "esn",
        "the count of failures is reset where a packet is delivered, not where its ICV was right",
        ("endpoint", "    entry.state.failures = 0\n", ""),
        ("endpoint", "                state.count(len(result))\n                return Delivered(",
                     "                state.count(len(result))\n                state.failures = 0\n                return Delivered("),
        breaks=("RFC4303-A3.1-failures-reset",),
    ),
    defect(
        "esn-failures-of-replays", "ours", "esn",
        "replays count as failures of authentication",
        ("endpoint", "    if replay.check(sequence) is not ReplayVerdict.NEW:\n",
                     "    if replay.check(sequence) is not ReplayVerdict.NEW:\n        entry.state.failures += 1\n"),
        breaks=("RFC4303-A3.1-failures-counted",),
    ),
    defect(
        "esn-failures-of-all", "ours", "esn",
        "one counter of failures serves all SAs",
        ("endpoint", "    entry.state.failures += 1\n",
                     "    _FAILURES[0] += 1\n    entry.state.failures = max(entry.state.failures + 1, _FAILURES[0])\n"),
        ("endpoint", "    entry.state.failures = 0\n", "    entry.state.failures = _FAILURES[0] = 0\n"),
        ("endpoint", "def _resynchronise(", "_FAILURES = [0]\n\n\ndef _resynchronise("),
        breaks=("RFC4303-A3.1-failures-counted",),
    ),
    # ----------------------------------------------------------------------------------------------------- lifetime
    defect(
        "lifetime-forged-counted", "ours", "lifetime",
        "packets and octets are counted where a packet comes in, before its ICV is looked at",
        ("endpoint", _ERROR, "        if result is DropReason.INTEGRITY:\n            state.count(len(esp))\n" + _ERROR),
        breaks=("RFC4301-4.4.2.1-lifetime-passed-only",),
    ),
    defect(
        "lifetime-replays-counted", "ours", "lifetime",
        "replays count as packets of the SA",
        ("endpoint", _ERROR, "        if result is DropReason.REPLAY:\n            state.count(len(esp))\n" + _ERROR),
        breaks=("RFC4301-4.4.2.1-lifetime-passed-only",),
    ),
    defect(
        "lifetime-unsent-counted", "ours", "lifetime",
        "a packet counts that is not sent in the end",
        ("endpoint", "        return result\n\n    # ------",
                     "        else:\n            state.count(len(packet))\n        return result\n\n    # ------"),
        breaks=("RFC4301-4.4.2.1-lifetime-passed-only",),
    ),
    defect(
        "lifetime-soft-octets-never", "ours", "lifetime",
        "a soft limit of octets is kept and never compared",
        ("lifetime", "packets, self.soft_packets, octets, self.soft_octets, seconds", "packets, self.soft_packets, octets, None, seconds"),
        breaks=("RFC4301-4.4.2.1-lifetime-soft",),
    ),
    defect(
        "lifetime-soft-ends", "ours", "lifetime",
        "a soft limit of packets ends the SA",
        ("lifetime", "        if _reached(packets, self.hard_packets, octets,", "        if _reached(packets, self.soft_packets) or _reached(packets, self.hard_packets, octets,"),
        breaks=("RFC4301-4.4.2.1-lifetime-soft",),
    ),
    # ----------------------------------------------------------------------------------------------------------- iv
    defect(
        "iv-of-sixteen-bits", "ours", "iv",
        "the counter from which IVs are made has 16 bits",
        ("endpoint", "            given = entry.iv_source(count) if", "            given = entry.iv_source(count & 0xFFFF) if"),
        breaks=("RFC4106-3.1-iv-unique",),
    ),
    defect(
        "iv-of-eight-bits", "ours", "iv",
        "the counter from which IVs are made has 8 bits",
        ("endpoint", "            given = entry.iv_source(count) if", "            given = entry.iv_source(count & 0xFF) if"),
        breaks=("RFC4106-3.1-iv-unique",),
    ),
    defect(
        "iv-counter-per-sa", "dpdk 22.11.11", "iv",
        "each SA makes its IVs from a counter of its own, which begins with 1",
        ("endpoint", _COUNT, "        count = state.packets + 1\n"),
        breaks=("RFC4106-3.1-iv-unique",),
    ),
    defect(
        "iv-cbc-same-for-all-keys", "ours", "iv",
        "the generator of CBC's IVs starts from the same state for every SA",
        ("iv", "b\"espproof iv\" + encr_key", "b\"espproof iv\""),
        ("endpoint", _COUNT, "        count = state.packets + 1\n"),
        breaks=("RFC3602-3-iv-unpredictable",),
    ),
    defect(
        "iv-repeats-behind-burst", "ours", "iv",
        "a burst takes its IVs from a copy of the generator, which stays where it was",
        ("endpoint", BURST_OUT,
         "    def outbound_burst(self, name, packets, now):\n"
         "        key = self.entry(name).sa.encr_key\n"
         "        before = self._ivs[key]\n"
         "        sent = [self.outbound(name, packet, now=now) for packet in packets]\n"
         "        self._ivs[key] = before\n"
         "        return sent\n\n" + BURST_OUT),
        breaks=("RFC4106-3.1-iv-unique",),
    ),
    defect(
        "iv-of-last-number", "ours", "iv",
        "IVs are made from what is left of the numbers, and the last two packets have the same",
        ("endpoint", _COUNT, _COUNT + "        if sequence & 0xFFFFFFFF == 0xFFFFFFFF:\n            count -= 1\n"),
        breaks=("RFC4106-3.1-iv-unique",),
    ),
    # ---------------------------------------------------------------------------------------------------------- sad
    defect(
        "sad-burst-sa-of-first", "ours", "sad",
        "all packets of a burst are looked up with the SPI of the first one that has an SA",
        ("endpoint", BURST_IN,
         "    def inbound_burst(self, packets, now):\n"
         "        self.__dict__[\"last\"] = None\n"
         "        results = []\n"
         "        for packet in packets:\n" + _EACH_IN.replace("        return", "        del self.__dict__[\"last\"]\n        return") + BURST_IN),
        ("endpoint", _FOUND,
         _FOUND + "        if \"last\" in self.__dict__ and self.__dict__[\"last\"] is None:\n"
                  "            self.__dict__[\"last\"] = entry\n"
                  "        entry = self.__dict__.get(\"last\") or entry\n"),
        breaks=("RFC4303-3.4.3-burst-as-single",),
    ),
    defect(
        "sad-burst-by-spi", "ours", "sad",
        "in a burst each SPI is looked up once, whatever the addresses of the packets that have it",
        ("endpoint", BURST_IN,
         "    def inbound_burst(self, packets, now):\n"
         "        self.__dict__[\"found\"] = {}\n"
         "        results = []\n"
         "        for packet in packets:\n" + _EACH_IN.replace("        return", "        del self.__dict__[\"found\"]\n        return") + BURST_IN),
        ("endpoint", _FOUND,
         _FOUND + "        if \"found\" in self.__dict__ and entry is not None:\n"
                  "            entry = self.__dict__[\"found\"].setdefault(entry.sa.spi, entry)\n"),
        breaks=("RFC4303-3.4.3-burst-as-single",),
    ),
    defect(
        "sad-burst-ends-with-bad", "ours", "sad",
        "a packet for nobody ends the burst: what comes behind it is dropped with it",
        ("endpoint", BURST_IN,
         "    def inbound_burst(self, packets, now):\n"
         "        results = []\n"
         "        for packet in packets:\n"
         "            if DropReason.NO_SA in results:\n                results.append(DropReason.NO_SA)\n                continue\n"
         + _EACH_IN + BURST_IN),
        breaks=("RFC4303-3.4.3-burst-as-single",),
    ),
    defect(
        "sad-burst-of-esp-alone", "ours", "sad",
        "a burst whose first packet is not ESP is handed on whole",
        ("endpoint", BURST_IN,
         "    def inbound_burst(self, packets, now):\n"
         "        results = []\n"
         "        for packet in packets:\n"
         "            if results and isinstance(results[0], Passed) and results[0].to == \"bypass\":\n"
         "                results.append(Passed(\"bypass\", packet))\n                continue\n"
         + _EACH_IN + BURST_IN),
        breaks=("RFC4303-3.4.3-burst-as-single",),
    ),
    defect(
        "sad-packets-in-sixteen-bits", "ours", "sad",
        "after 65,536 packets the counter of an inbound SA begins anew, and with it the SA's window",
        ("endpoint", "                state.count(len(result))\n                return Delivered(",
                     "                state.count(len(result))\n"
                     "                if not state.packets & 0xFFFF:\n                    state.replay._bits = 0\n"
                     "                    state.replay.highest += 1 << 16\n                return Delivered("),
        breaks=("RFC4303-2.1-unicast-mapping",),
    ),
    # ------------------------------------------------------------------------------------------------------ sequence
    defect(
        "sequence-number-of-the-unsent", "ours", "sequence",
        "a number is taken before it is known whether the packet can be sent",
        ("endpoint", "        return result\n\n    # ------",
                     "        else:\n            state.sequence = sequence\n        return result\n\n    # ------"),
        breaks=("RFC4303-3.3.3-increment",),
    ),
    defect(
        "sequence-last-lost-to-the-unsent", "ours", "sequence",
        "a packet that cannot be sent takes the last number with it",
        ("endpoint", "        return result\n\n    # ------",
                     "        elif next_sequence(sequence, entry.sa.esn) is None:\n            state.sequence = sequence\n"
                     "        return result\n\n    # ------"),
        breaks=("RFC4303-3.3.3-increment",),
    ),
    # --------------------------------------------------------------------------------------------------------- life
    defect(
        "life-window-by-spi", "ours", "life",
        "windows are kept by SPI: SAs that share one share the window",
        ("endpoint", _ENTRY,
         "        if sa.direction == \"in\":\n"
         "            for other in self._entries.values():\n"
         "                if (other.sa.direction, other.sa.spi) == (\"in\", sa.spi):\n"
         "                    state.replay = other.state.replay\n" + _ENTRY),
        breaks=("RFC4303-2.1-unicast-mapping",),
    ),
    defect(
        "life-counter-by-spi", "ours", "life",
        "what was sent is counted by SPI, in both directions: an SA that gets an SPI of another goes on with its number",
        ("endpoint", _ENTRY,
         "        if sa.direction == \"out\":\n"
         "            for other in self._entries.values():\n"
         "                if other.sa.spi == sa.spi:\n"
         "                    state.sequence = max(state.sequence, other.state.replay.highest, other.state.sequence) & 0xFFFFFFFF\n"
         + _ENTRY),
        breaks=("RFC4303-3.3.3-increment",),
    ),
    defect(
        "life-keys-of-before", "V-037", "life",
        "expanded keys are remembered by name and SPI: an outbound SA that is made again sends with those before",
        ("endpoint", _ENTRY + "        if sa.direction == \"in\":\n",
         _ENTRY + "        kept = self.__dict__.setdefault(\"kept\", {})\n"
                  "        if sa.direction == \"out\":\n"
                  "            entry.codec = kept.setdefault((sa.name, sa.spi, sa.encr, sa.esn), entry.codec)\n"
                  "        if sa.direction == \"in\":\n"),
        breaks=("RFC4303-1-both-services-supported",),
    ),
)  # fmt: skip
