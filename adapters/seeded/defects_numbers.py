"""Defects of state: sequence numbers, the anti-replay window, the high half (ESN), the SAD, lifetimes."""

from espproof.adapters.seeded.defects_octets import BURST_OUT
from espproof.adapters.seeded.model import defect

_NEXT = "return last + 1 if last < (0xFFFF_FFFF_FFFF_FFFF if esn else 0xFFFF_FFFF) else None"
_OVERFLOW = "            return DropReason.SEQUENCE_OVERFLOW\n"
_RECONSTRUCT = "        whole = reconstruct(sequence, replay.highest, replay.size)\n"
REPLAY = "    if replay.check(sequence) is not ReplayVerdict.NEW:\n"
_LEFT = "        if offset >= self.size:\n            return ReplayVerdict.LEFT_OF_WINDOW\n"
_INDEX = "return ReplayVerdict.DUPLICATE if self._bits >> offset & 1 else ReplayVerdict.NEW"
_BURST_IN = "    def _udp_in(self,"
"""In `endpoint`: where a method that handles a whole inbound burst can be put in."""
_ADD = "    def add(self, sa: SecurityAssociation"


def _probing(first: int, probed: int) -> tuple[str, str, str]:
    """The endpoint sends three probes of its own on a new SA, numbered from `first`, and goes on behind `probed`."""
    return (
        "endpoint", _ADD,
        f"    probed = {probed}\n\n"
        "    def probes(self, name):\n"
        "        entry = self.entry(name)\n"
        "        ends = entry.sa.source.packed, entry.sa.destination.packed\n"
        "        build = ip.build_ipv4 if len(ends[0]) == 4 else ip.build_ipv6\n"
        f"        numbers = range({first}, {first + 3})\n"
        "        return [\n"
        "            encapsulate(entry, build(*ends, 253, b\"probe\"), number, entry.iv_source(entry.sa.spi << 32 | number))\n"
        "            for number in numbers\n        ]\n\n" + _ADD,
    )  # fmt: skip


DEFECTS = (
    # --------------------------------------------------------------------------------------- validated, not delivered
    defect(
        "anti-replay-advanced-behind-trailer", "report: window behind the trailer", "anti-replay",
        "the window moves when the trailer was found right: a packet that fails there may come again",
        ("endpoint", "    replay.advance(sequence)\n    return take_trailer(plaintext)\n",
         "    opened = take_trailer(plaintext)\n    if isinstance(opened, Opened):\n"
         "        replay.advance(sequence)\n    return opened\n"),
        breaks=("RFC4303-3.4.3-validated-counts",),
    ),
    defect(
        "anti-replay-advanced-on-delivery", "report: window behind delivery", "anti-replay",
        "the window moves when a packet is delivered: what is dropped behind its ICV may come again",
        ("endpoint", "    replay.advance(sequence)\n    return take_trailer(plaintext)\n",
         "    entry.state.errors[\"number\"] = sequence\n    return take_trailer(plaintext)\n"),
        ("endpoint", "                state.count(len(result))\n                return Delivered(result, entry.sa.name)\n",
         "                state.count(len(result))\n                state.replay.advance(state.errors[\"number\"])\n"
         "                return Delivered(result, entry.sa.name)\n"),
        breaks=("RFC4303-3.4.3-validated-counts",),
    ),
    # ----------------------------------------------------------------------------------------------------- sequence
    defect(
        "sequence-first-is-zero", "M-001", "sequence",
        "the number that was sent last is taken for the next one when none was sent: the first packet has 0",
        ("sa", "        self.sequence = sequence\n", "        self.sequence = sequence or -1\n"),
        breaks=("RFC4303-3.3.3-first-one",),
    ),
    defect(
        "sequence-first-probe-is-zero", "openconnect 9.01", "sequence",
        "probes of the path go out before anybody can send anything, and the first one takes number 0",
        _probing(first=0, probed=2),
        breaks=("RFC4303-3.3.3-first-one",),
    ),
    defect(
        "sequence-probes-not-counted", "ours", "sequence",
        "probes of the path have a counter of their own: their numbers are used a second time",
        _probing(first=1, probed=0),
        breaks=("RFC4303-3.3.3-increment",),
    ),
    defect(
        "sequence-cycles", "V-061", "sequence",
        "the 32-bit sequence number goes on with 0 after 2^32 - 1",
        ("sequence", _NEXT, "return last + 1 if esn and last < 0xFFFF_FFFF_FFFF_FFFF else None if esn else (last + 1) & 0xFFFF_FFFF"),
        breaks=("RFC4303-3.3.3-no-cycle", "RFC4303-2.2-reset-before-cycle"),
    ),
    defect(
        "sequence-cycles-esn", "V-061", "sequence",
        "the 64-bit sequence number goes on with 0 after 2^64 - 1",
        ("sequence", _NEXT, "return (last + 1) & 0xFFFF_FFFF_FFFF_FFFF if esn or last < 0xFFFF_FFFF else None"),
        breaks=("RFC4303-3.3.3-no-cycle", "RFC4303-2.2-reset-before-cycle", "RFC8750-7-no-overlap"),
    ),
    defect(
        "sequence-cycles-to-one", "V-061", "sequence",
        "after 2^32 - 1 comes 1: the check for the overflow skips the number 0 and nothing else",
        ("sequence", _NEXT, "return last + 1 if last < (0xFFFF_FFFF_FFFF_FFFF if esn else 0xFFFF_FFFF) else None if esn else 1"),
        breaks=("RFC4303-3.3.3-no-cycle", "RFC4303-2.2-reset-before-cycle", "RFC8750-7-no-overlap"),
    ),
    defect(
        "sequence-restarts-after-overflow", "V-061", "sequence",
        "the packet that meets the overflow is dropped, but the counter moves on: the next one is sent with 1",
        ("endpoint", _OVERFLOW, "            state.sequence = 0\n" + _OVERFLOW),
        breaks=("RFC4303-2.2-reset-before-cycle",),
    ),
    defect(
        "sequence-esn-stops-at-32-bits", "D-018", "sequence",
        "the limit of 32-bit numbers holds for extended ones too: traffic ends at the first wrap of the low half",
        ("sequence", _NEXT, "return last + 1 if last & 0xFFFF_FFFF < 0xFFFF_FFFF else None"),
        breaks=("RFC4303-3.3.3-increment",),
    ),
    defect(
        "sequence-esn-skips-low-zero", "LX-001", "sequence",
        "when the low half wraps it goes on with 1, as if 0 were not a number",
        ("sequence", _NEXT, _NEXT.replace("last + 1 if", "last + 1 + (esn and last & 0xFFFF_FFFF == 0xFFFF_FFFF) if")),
        breaks=("RFC4303-3.3.3-increment",),
    ),
    defect(
        "sequence-esn-high-not-moved", "D-038", "sequence",
        "the low half wraps and the high half stays",
        ("sequence", _NEXT, "return (last & ~0xFFFF_FFFF | (last + 1) & 0xFFFF_FFFF) if esn or last < 0xFFFF_FFFF else None"),
        breaks=("RFC4303-3.3.3-esn-both-count",),
    ),
    defect(
        "sequence-burst-high-of-last", "LX-001", "sequence",
        "the numbers of a burst are reserved at once, and all take the high half of the last one",
        ("endpoint", BURST_OUT,
         "    def outbound_burst(self, name, packets, now):\n"
         "        entry = self.entry(name)\n"
         "        codec, high = entry.codec, entry.state.sequence + len(packets) >> 32\n"
         "        seal = codec.seal\n\n"
         "        class Reserved:\n"
         "            def __getattr__(self, attribute):\n                return getattr(codec, attribute)\n\n"
         "            def protect(self, payload, next_header, sequence, iv):\n"
         "                return codec.protect(payload, next_header, high << 32 | sequence & 0xFFFFFFFF, iv)\n\n"
         "        entry.codec = Reserved() if entry.sa.esn else codec\n"
         "        try:\n"
         "            return [self.outbound(name, packet, now=now) for packet in packets]\n"
         "        finally:\n            entry.codec = codec\n\n" + BURST_OUT),
        breaks=("RFC4303-3.3.3-no-cycle",),
    ),
    # -------------------------------------------------------------------------------------------------- anti-replay
    defect(
        "anti-replay-not-checked", "F-001", "anti-replay",
        "the window is kept, and nobody asks it",
        ("endpoint", REPLAY, "    if False:\n"),
        breaks=("RFC4303-3.4.3-duplicate-rejected",),
    ),
    defect(
        "anti-replay-duplicate-in-window", "M-006", "anti-replay",
        "one of two status words is looked at: duplicates inside the window are delivered",
        ("endpoint", REPLAY, "    if replay.check(sequence) is ReplayVerdict.LEFT_OF_WINDOW:\n"),
        breaks=("RFC4303-3.4.3-duplicate-rejected",),
    ),
    defect(
        "anti-replay-left-edge-not-tested", "O-003", "anti-replay",
        "the window is a ring that is indexed modulo its size: numbers left of it are new",
        ("replay", _LEFT, "        offset %= self.size\n"),
        breaks=("RFC4303-3.4.3-left-rejected",),
    ),
    defect(
        "anti-replay-window-one-short", "V-017", "anti-replay",
        "the size of the window less one is taken for its size: the leftmost number is discarded",
        ("replay", _LEFT, _LEFT.replace("self.size:", "self.size - 1:")),
        breaks=("RFC4303-3.4.3-new-accepted", "RFC4303-3.4.3-window-32", "RFC4303-3.4.3-window-64-default",
                "RFC4303-3.4.3-window-other"),
    ),
    defect(
        "anti-replay-window-one-long", "V-017", "anti-replay",
        "the number just left of the window is still accepted, any number of times",
        ("replay", _LEFT, _LEFT.replace(">=", ">")),
        breaks=("RFC4303-3.4.3-left-rejected", "RFC4303-3.4.3-window-32", "RFC4303-3.4.3-window-64-default",
                "RFC4303-3.4.3-window-other"),
    ),
    defect(
        "anti-replay-off-means-size-zero", "V-017", "anti-replay",
        "without anti-replay the window is one of size 0: everything that is not ahead of T is discarded",
        ("replay", "if offset < 0 or not self.size:", "if offset < 0:"),
        breaks=("RFC4303-3.4.3-disabled-no-check",),
    ),
    defect(
        "anti-replay-size-ignored", "M-002", "anti-replay",
        "whatever size was asked for, the window has 32",
        ("replay", "        self.size = size\n", "        self.size = size and 32\n"),
        ("replay", "for offset in received_offsets:", "for offset in (n for n in received_offsets if n < 32):"),
        breaks=("RFC4303-3.4.3-new-accepted", "RFC4303-3.4.3-window-64-default", "RFC4303-3.4.3-window-other"),
    ),
    defect(
        "anti-replay-shift-modulo-word", "O-003", "anti-replay",
        "the bits are moved by the number modulo 64, the size of a machine word",
        ("replay", "self._bits << shift | 1", "self._bits << shift % 64 | 1"),
        breaks=("RFC4303-A2.1-window", "RFC4303-3.4.3-duplicate-rejected"),
    ),
    defect(
        "anti-replay-stale-bits-after-jump", "O-003", "anti-replay",
        "a jump past the whole window leaves its old bits behind",
        ("replay", "            self._bits = 1\n        else:", "            self._bits |= 1\n        else:"),
        breaks=("RFC4303-A2.1-window",),
    ),
    defect(
        "anti-replay-bits-beyond-window", "LX-003", "anti-replay",
        "numbers that have left the window stay in its map",
        ("replay", "self._bits = (self._bits << shift | 1) & self._window_mask()",
                   "self._bits = (self._bits << shift | 1) & (self._window_mask() << 3 | 7)"),
        breaks=("RFC4303-A2.1-window",),
    ),
    defect(
        "anti-replay-high-big-endian", "D-044", "anti-replay",
        "the high half of T is stored in network byte order, and compared as if it were in the processor's",
        ("replay", "        offset = self.highest - sequence\n",
                   "        high = int.from_bytes((self.highest >> 32).to_bytes(4, \"big\"), \"little\")\n"
                   "        offset = (high << 32 | self.highest & 0xFFFFFFFF) - sequence\n"),
        breaks=("RFC4303-3.4.3-new-accepted",),
    ),
    defect(
        "anti-replay-advance-by-overwritten", "V-012", "anti-replay",
        "in-place decryption overwrites the number in the header, and the window moves to what is read back",
        ("endpoint", "    replay.advance(sequence)\n",
                     "    replay.advance(\n"
                     "        sequence & ~0xFFFFFFFF | sequence >> 32\n"
                     "        if codec.esn and entry.sa.auth == \"NONE\" else sequence\n    )\n"),
        breaks=("RFC4303-3.4.3-duplicate-rejected",),
    ),
    defect(
        "anti-replay-advance-before-icv", "V-016", "anti-replay",
        "the window moves before the ICV is verified: a forged packet shuts out the right ones",
        ("endpoint", "    plaintext = codec.open(esp, sequence)\n    if codec.esn",
                     "    replay.advance(sequence)\n    plaintext = codec.open(esp, sequence)\n    if codec.esn"),
        breaks=("RFC4303-3.4.3-window-after-icv",),
    ),
    defect(
        "anti-replay-burst-checked-first", "V-014", "anti-replay",
        "all packets of a burst are checked before the first one moves the window",
        ("endpoint", _BURST_IN,
         "    def inbound_burst(self, packets, now):\n"
         "        windows = [(entry.state, entry.state.replay) for entry in self._entries.values()]\n"
         "        for state, window in windows:\n"
         "            state.replay = _Checked(window)\n"
         "        try:\n"
         "            return [self.inbound(packet, now) for packet in packets]\n"
         "        finally:\n"
         "            for state, window in windows:\n                state.replay = window\n\n" + _BURST_IN),
        ("endpoint", "class Endpoint:\n",
         "class _Checked:\n"
         "    def __init__(self, window):\n"
         "        self._window = window\n"
         "        received = window.received_offsets()\n"
         "        inside = [n for n in received if n < max(window.size, 1) and n <= window.highest]\n"
         "        self._then = type(window)(window.size, window.highest, inside)\n\n"
         "    def check(self, sequence):\n        return self._then.check(sequence)\n\n"
         "    def __getattr__(self, name):\n        return getattr(self._window, name)\n\n\n"
         "class Endpoint:\n"),
        breaks=("RFC4303-3.4.3-burst-as-single",),
    ),
    defect(
        "anti-replay-burst-status-ignored", "D-027", "anti-replay",
        "in a burst the status of each packet is not looked at: a replayed one is delivered behind a good one",
        ("endpoint", _BURST_IN,
         "    def inbound_burst(self, packets, now):\n"
         "        results = []\n"
         "        for packet in packets:\n"
         "            result = self.inbound(packet, now)\n"
         "            if result is DropReason.REPLAY and results and isinstance(results[-1], Delivered):\n"
         "                result = results[-1]\n"
         "            results.append(result)\n"
         "        return results\n\n" + _BURST_IN),
        breaks=("RFC4303-3.4.3-burst-as-single",),
    ),
    defect(
        "anti-replay-bitmap-not-restored", "LX-008", "anti-replay",
        "an SA that is installed with the state of another one gets T, but not what was received below it",
        ("replay", "            self._bits |= 1 << offset\n\n", "            pass\n\n"),
        breaks=("RFC4303-3.4.3-duplicate-rejected", "RFC4303-A2.1-window"),
    ),
    defect(
        "anti-replay-position-not-restored", "LX-008", "anti-replay",
        "an SA that is installed with the state of another one starts at 0 again",
        ("replay", "        self.highest = highest\n        self._mask", "        self.highest = highest = highest >> 32 << 32\n        received_offsets = ()\n        self._mask"),
        breaks=("RFC4303-A2.1-window",),
    ),
    defect(
        "anti-replay-bitmap-published-late", "D-005", "anti-replay",
        "the window is kept twice and the halves are swapped wrongly: a late packet is recorded in the copy that nobody reads",
        ("replay", "                self._bits |= 1 << -shift\n", "                pass\n"),
        breaks=("RFC4303-3.4.3-duplicate-rejected",),
    ),
    # ---------------------------------------------------------------------------------------------------------- esn
    defect(
        "esn-flag-ignored", "D-018", "esn",
        "the ESN flag is lost between the interface and the SA",
        ("esp", "self.esn = esn", "self.esn = False"),
        breaks=("RFC4303-2.2.1-esn-implemented", "RFC4303-2.2.1-icv-covers-high"),
    ),
    defect(
        "esn-high-lags-at-wrap", "D-045", "esn",
        "the packet that wraps the low half is still sealed with the high half before",
        ("esp", "high = number[:4] if self.esn else b\"\"",
                "high = (max(sequence - 1, 0) >> 32).to_bytes(4, \"big\") if self.esn else b\"\""),
        breaks=("RFC4303-2.2.1-icv-covers-high",),
    ),
    defect(
        "esn-no-high-without-window", "V-015", "esn",
        "without anti-replay the high half is not inferred: it is 0",
        ("endpoint", _RECONSTRUCT,
         "        whole = reconstruct(sequence, replay.highest, replay.size) if replay.size else sequence\n"),
        breaks=("RFC4303-2.2.1-icv-covers-high",),
    ),
    defect(
        "esn-high-not-moved-without-window", "V-015", "esn",
        "without anti-replay the high half never moves on",
        ("endpoint", _RECONSTRUCT,
         "        whole = reconstruct(sequence, replay.highest, replay.size)\n"
         "        if not replay.size:\n            whole = replay.highest >> 32 << 32 | sequence\n"),
        breaks=("RFC4303-2.2.1-icv-covers-high",),
    ),
    defect(
        "esn-guess-kept-in-sa", "V-016", "esn",
        "the guessed high half is written into the SA before the ICV is verified",
        ("endpoint", "        sequence = whole\n    if replay",
                     "        sequence = whole\n"
                     "        replay.highest = max(replay.highest, sequence >> 32 << 32)\n    if replay"),
        breaks=("RFC4303-3.4.3-window-after-icv",),
    ),
    defect(
        "esn-high-moved-twice", "M-004", "esn",
        "the event of a wrap is handled twice",
        ("sequence", "            high += 1\n", "            high += 2\n"),
        breaks=("RFC4303-3.4.3-esn-next-subspace", "RFC4303-A2.2-case-a"),
    ),
    defect(
        "esn-left-edge-next-subspace", "V-016", "esn",
        "the leftmost number of the window is taken for one of the next subspace",
        ("sequence", "        if low < bottom:\n", "        if low <= bottom:\n"),
        breaks=("RFC4303-A2.1-replay-check-case-a",),
    ),
    defect(
        "esn-next-subspace-too-late", "V-016", "esn",
        "only a number of less than half of T wraps: one that is just left of the window counts as old",
        ("sequence", "        if low < bottom:\n", "        if low < bottom - (space >> 1):\n"),
        breaks=("RFC4303-3.4.3-esn-next-subspace",),
    ),
    defect(
        "esn-window-across-wrap", "D-045", "esn",
        "a late packet from before the wrap is given the high half from after it",
        ("sequence", "    elif low >= bottom + space:\n        high -= 1\n", ""),
        breaks=("RFC4303-A2.2-case-b",),
    ),
    defect(
        "esn-window-across-wrap-edge", "D-045", "esn",
        "the leftmost number of a window across the wrap is given the high half from after it",
        ("sequence", "    elif low >= bottom + space:\n", "    elif low > bottom + space:\n"),
        breaks=("RFC4303-A2.2-case-b",),
    ),
    defect(
        "esn-below-zero-clamped", "V-016", "esn",
        "a number from before the beginning is taken for one of the first subspace",
        ("sequence", "        high -= 1\n", "        high = max(high - 1, 0)\n"),
        breaks=("RFC4303-A2.2-case-b",),
    ),
    defect(
        "esn-resynchronise-keeps-guess", "V-016", "esn",
        "the attempts to resynchronise leave their last guess in the SA when they fail",
        ("endpoint", "    return guess, DropReason.INTEGRITY\n",
                     "    if entry.sa.resync_limit and entry.state.failures >= entry.sa.resync_trigger:\n"
                     "        entry.state.replay.advance(guess)\n"
                     "    return guess, DropReason.INTEGRITY\n"),
        breaks=("RFC4303-A3.2-retries-limited",),
    ),
    defect(
        "esn-high-signed", "D-038", "esn",
        "the high half is a signed number: from 2^31 on it counts as before the beginning",
        ("sequence", "if 0 <= high < space else None", "if 0 <= high < space >> 1 else None"),
        breaks=("RFC4303-2.2.1-esn-implemented",),
    ),
    defect(
        "esn-high-wraps-to-zero", "linux 6.1", "esn",
        "behind the last high half comes 0, and the window is asked about low halves: the first numbers are new again",
        ("endpoint", _RECONSTRUCT,
         "        whole = reconstruct(sequence, replay.highest, replay.size)\n"
         "        wrapped = whole is None and replay.highest >> 32 == 0xFFFFFFFF\n"
         "        whole = sequence if wrapped else whole\n"),
        ("endpoint", "    if replay.check(sequence) is not ReplayVerdict.NEW:",
                     "    if not (codec.esn and wrapped) and replay.check(sequence) is not ReplayVerdict.NEW:"),
        breaks=("RFC4303-A2.2-case-a",),
    ),
    # ---------------------------------------------------------------------------------------------------------- sad
    defect(
        "sad-spi-zero-accepted", "W-002", "sad",
        "an SA with SPI 0, which marks a free place, can be added",
        ("sa", "if not 0 < self.spi < 1 << 32:", "if not 0 <= self.spi < 1 << 32:"),
        breaks=("RFC4303-2.1-spi-zero",),
    ),
    defect(
        "sad-destination-ignored", "W-002", "sad",
        "inbound SAs are found by their SPI alone, whatever they ask for",
        ("sad", "    if sa.lookup != \"spi\":\n", "    return key\n    if sa.lookup != \"spi\":\n"),
        breaks=("RFC4303-2.1-lookup-per-entry", "RFC4303-2.1-no-match-discarded"),
    ),
    defect(
        "sad-source-ignored", "W-002", "sad",
        "the source address is not part of the search",
        ("sad", "return key + sa.source.packed if sa.lookup == \"spi+destination+source\" else key", "return key"),
        breaks=("RFC4303-2.1-lookup-per-entry",),
    ),
    defect(
        "sad-source-compared", "ours", "sad",
        "a packet must come from the peer's address, although the SA's search does not ask for it",
        ("endpoint", "        if entry is None:\n            self.audit",
                     "        if entry is None or (entry.sa.mode == \"tunnel\" and entry.sa.source.packed != outer.source):\n"
                     "            self.audit"),
        breaks=("RFC4303-2.1-unicast-mapping", "RFC4303-2.1-lookup-per-entry"),
    ),
    defect(
        "sad-least-specific-first", "LS-009", "sad",
        "the entry with wildcards is found before the one that names the addresses",
        ("sad", "return entries.get(both + source) or entries.get(both) or entries.get(spi)",
                "return entries.get(spi) or entries.get(both) or entries.get(both + source)"),
        breaks=("RFC4301-4.1-longest-match", "RFC4303-2.1-multicast-mapping"),
    ),
    defect(
        "sad-destination-found-by-source", "V-039", "sad",
        "the search with both addresses has them in the wrong order",
        ("sad", "return entries.get(both + source) or", "return entries.get(spi + source + destination) or"),
        breaks=("RFC4303-2.1-multicast-mapping",),
    ),
    defect(
        "sad-same-spi-refused", "LS-001", "sad",
        "an SPI can be used once, even by SAs that are told apart by their addresses",
        ("sad", "        if key in self._entries:\n", "        if any(other[:4] == key[:4] for other in self._entries):\n"),
        breaks=("RFC4303-2.1-spi-collision",),
    ),
    defect(
        "sad-spi-of-24-bits", "D-030", "sad",
        "the hash key is shorter than the SPI: its first octet does not count",
        ("sad", "key = sa.spi.to_bytes(4, \"big\")", "key = sa.spi.to_bytes(4, \"big\")[1:]"),
        ("sad", "        entries = self._entries\n", "        entries = self._entries\n        spi = spi[1:]\n"),
        breaks=("RFC4301-4.1-parallel-sas",),
    ),
    defect(
        "sad-miss-is-last-entry", "D-004", "sad",
        "the search answers -1 when it finds nothing, which is used as an index",
        ("sad", "        entries = self._entries\n",
                "        entries = self._entries\n"
                "        if entries and spi not in [key[:4] for key in entries]:\n            return list(entries.values())[-1]\n"),
        breaks=("RFC4301-4.4.2.1-deleted",),
    ),
    defect(
        "sad-deleted-sa-cached", "V-037", "sad",
        "the SA that an SPI was found with is remembered, also when it has been replaced by another one",
        ("sad", "        entries = self._entries\n",
                "        entries = self._entries\n"
                "        source, destination = packet.source, packet.destination\n"
                "        cache = self.__dict__.setdefault(\"cache\", {})\n"
                "        if any(key[:4] == spi for key in entries):\n"
                "            for entry in [cache.get((spi, destination, source))]:\n"
                "                if entry is not None:\n                    return entry\n"
                "            if all(key[:4] != spi or key == spi for key in entries):\n"
                "                cache[spi, destination, source] = entries.get(spi)\n"),
        breaks=("RFC4301-4.4.2.1-deleted",),
    ),
    defect(
        "sad-delete-leaves-entry", "V-040", "sad",
        "deleting an SA does not remove it from the inbound table",
        ("sad", "        del self._entries[key_of(entry.sa)]\n", "        pass\n"),
        ("sad", "        if key in self._entries:\n", "        if False:\n"),
        breaks=("RFC4301-4.4.2.1-deleted",),
    ),
    defect(
        "sad-delete-leaves-spi", "LS-002", "sad",
        "a deleted SA's SPI stays taken: it cannot be added again",
        ("sad", "        del self._entries[key_of(entry.sa)]\n",
                "        self.__dict__.setdefault(\"taken\", set()).add(key_of(entry.sa))\n"
                "        del self._entries[key_of(entry.sa)]\n"),
        ("sad", "        if key in self._entries:\n",
                "        if key in self._entries or key in self.__dict__.get(\"taken\", ()):\n"),
        breaks=("RFC4301-4.4.2.1-deleted",),
    ),
    defect(
        "sad-selector-family-of-tunnel", "LS-004", "sad",
        "selectors are compared as addresses of the tunnel's IP version: the other version never matches",
        ("sa", "        parsed = ip.parse(packet)\n",
               "        parsed = ip.parse(packet)\n"
               "        if parsed.version != self.source.version:\n            return False\n"),
        breaks=("RFC4301-5.2-selectors",),
    ),
    defect(
        "sad-selector-prefix-ignored", "M-018", "sad",
        "a selector's prefix is compared as if it were one address",
        ("sa", "(self.source is None or source in self.source)",
               "(self.source is None or source == self.source.network_address)"),
        breaks=("RFC4301-5.2-selectors",),
    ),
    defect(
        "sad-selectors-not-checked", "LP-012", "sad",
        "an SA with selectors delivers whatever comes out of it",
        ("endpoint", "if sa.selectors and isinstance(result, bytes) and not sa.selects(result):",
                     "if False:"),
        breaks=("RFC4301-5.2-selectors",),
    ),
    # ----------------------------------------------------------------------------------------------------- lifetime
    defect(
        "lifetime-packets-not-counted", "LX-009", "lifetime",
        "of the counters of an SA only the octets move",
        ("sa", "        self.packets += 1\n", "        self.packets += 0\n"),
        breaks=("RFC4301-4.4.2.1-lifetime-hard",),
    ),
    defect(
        "lifetime-added-at-lost", "LX-009", "lifetime",
        "the time at which an SA was added is forgotten: seconds begin with each question",
        ("sa", "now - self.added_at)", "0)"),
        breaks=("RFC4301-4.4.2.1-lifetime-hard", "RFC4301-4.4.2.1-lifetime-soft",
                "RFC4301-4.4.2.1-lifetime-both-types"),
    ),
    defect(
        "lifetime-hard-limit-outbound", "LX-009", "lifetime",
        "an outbound SA goes on after its hard limit",
        ("endpoint", "        if state.limited and (state.lifetime_status(now) == \"hard\" or not state.has_room_for(len(packet))):", "        if False:"),
        breaks=("RFC4301-4.4.2.1-lifetime-hard", "RFC4301-4.4.2.1-lifetime-both-types"),
    ),
    defect(
        "lifetime-hard-limit-inbound", "LX-009", "lifetime",
        "an inbound SA goes on after its hard limit",
        ("endpoint", "        if state.limited and state.lifetime_status(now) == \"hard\":",
                     "        if False:"),
        breaks=("RFC4301-4.4.2.1-lifetime-hard", "RFC4301-4.4.2.1-lifetime-both-types"),
    ),
    defect(
        "lifetime-timer-of-the-deleted", "strongSwan 5.9.8", "lifetime",
        "the timer of a deleted SA is left, and ends the SA that has its SPI by then",
        ("endpoint", "        self._udp_ports: Counter[int] = Counter()\n",
                     "        self._udp_ports: Counter[int] = Counter()\n"
                     "        self._timers: dict[tuple[str, int], SaState] = {}\n"),
        ("endpoint", "        entry = Entry(sa, state)\n",
                     "        entry = Entry(sa, state)\n"
                     "        timer = self._timers.setdefault((sa.direction, sa.spi), state)\n"
                     "        if not state.limited:\n"
                     "            state.lifetime, state.limited, state.added_at = timer.lifetime, timer.limited, timer.added_at\n"),
        breaks=("RFC4301-4.4.2.1-deleted",),
    ),
    defect(
        "lifetime-two-limits-at-once", "F-004", "lifetime",
        "an SA that reaches two of its limits together is freed twice",
        ("lifetime", "        if _reached(packets, self.hard_packets, octets, self.hard_octets, seconds, self.hard_seconds):\n",
                     "        if _reached(packets, self.hard_packets) and _reached(seconds, self.hard_seconds):\n"
                     "            raise RuntimeError(\"an SA is freed twice\")\n"
                     "        if _reached(packets, self.hard_packets, octets, self.hard_octets, seconds, self.hard_seconds):\n"),
        breaks=("RFC4301-4.4.2.1-lifetime-simultaneous",),
    ),
)  # fmt: skip
