"""Defects of SAs as a whole: one that may be had and is never found, and what is left of those that are gone."""

from espproof.adapters.seeded.model import defect

_ENDPOINT = '    """SAs by name, and the two directions of traffic through them."""\n'
_KEPT = _ENDPOINT + "\n    kept = {}\n"
_ADDED = "        self._entries[sa.name] = entry\n"

DEFECTS = (
    # ---------------------------------------------------------------------------------------------------------- sad
    defect(
        "sad-reserved-spi-not-found", "ours", "sad",
        "an SA with an SPI that IANA reserves is accepted, and its packets are thrown away as somebody else's",
        ("sad", "        entries = self._entries\n        if not self._addressed:\n",
                "        entries = self._entries\n        if spi < bytes((0, 0, 1, 0)):\n            return None\n"
                "        if not self._addressed:\n"),
        breaks=("RFC4303-2.1-unicast-mapping",),
    ),
    defect(
        "sad-number-zero-forgotten", "ours", "sad",
        "number 0 is taken for one that no packet has, and passes whenever it comes",
        ("replay", "        if offset < 0 or not self.size:\n", "        if offset < 0 or not self.size or not sequence:\n"),
        breaks=("RFC4303-3.4.3-duplicate-rejected",),
    ),
    defect(
        "sad-udp-on-one-port", "ours", "sad",
        "ESP in UDP is looked for on the port that everybody uses, whichever the SA was told",
        ("endpoint", "                self._udp_ports[sa.udp.destination_port] += 1\n",
                     "                self._udp_ports[4500] += 1\n"),
        breaks=("RFC3948-3.3-transport-removed", "RFC3948-3.5-tunnel-removed"),
    ),
    defect(
        "sad-last-specific-hides-others", "ours", "sad",
        "with an SA that names addresses the mark goes that there are such SAs, though others are there",
        ("sad", "        self._addressed -= entry.sa.lookup != \"spi\"\n",
                "        if entry.sa.lookup != \"spi\":\n            self._addressed = 0\n"),
        breaks=("RFC4301-4.1-longest-match", "RFC4303-2.1-multicast-mapping"),
    ),
    defect(
        "sad-specific-takes-the-rest-along", "ours", "sad",
        "with an SA that names addresses the one for its SPI alone is deleted",
        ("sad", "        del self._entries[key_of(entry.sa)]\n",
                "        self._entries.pop(key_of(entry.sa), None)\n"
                "        self._entries.pop(key_of(entry.sa)[:4], None)\n"),
        breaks=("RFC4303-2.1-spi-collision",),
    ),
    # ------------------------------------------------------------------------------- what is left where all should be gone
    defect(
        "sad-reset-keeps-sas", "ours", "sad",
        "SAs that are flushed stay in the SAD, until one with the same SPI takes their place",
        ("endpoint", _ENDPOINT, _KEPT),
        ("endpoint", "        self._sad: Sad[Entry] = Sad()\n",
                     "        self._sad: Sad[Entry] = Endpoint.kept.setdefault(0, Sad())\n"),
        ("sad", "        if key in self._entries:\n", "        if False:\n"),
        breaks=("RFC4303-3.4.2-no-sa-discarded",),
    ),
    defect(
        "sad-reset-keeps-windows", "ours", "sad",
        "replay windows are kept by SPI, and a flush of SAs does not come to them",
        ("endpoint", _ENDPOINT, _KEPT),
        ("endpoint", _ADDED, _ADDED + "        if sa.direction == \"in\":\n"
                                      "            state.replay = Endpoint.kept.setdefault(sa.spi, state.replay)\n"),
        breaks=("RFC4303-3.4.4-accepted",),
    ),
    defect(
        "sad-reset-keeps-numbers", "ours", "sad",
        "the last number that was sent is kept by SPI, and a flush of SAs does not come to it",
        ("endpoint", _ENDPOINT, _KEPT),
        ("endpoint", _ADDED, _ADDED + "        if sa.direction == \"out\":\n"
                                      "            state = entry.state = Endpoint.kept.setdefault(sa.spi, state)\n"),
        breaks=("RFC4303-3.3.3-first-one",),
    ),
    defect(
        "sad-reset-keeps-counters", "ours", "sad",
        "the counters of an SA are kept by SPI, and a flush of SAs does not come to them",
        ("endpoint", _ENDPOINT, _KEPT),
        ("endpoint", _ADDED, _ADDED + "        before = Endpoint.kept.get(sa.spi, state)\n"
                                      "        state.packets, state.octets = before.packets, before.octets\n"
                                      "        Endpoint.kept[sa.spi] = state\n"),
        breaks=("RFC4301-4.4.2.1-deleted",),
    ),
)  # fmt: skip
