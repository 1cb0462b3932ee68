"""Defects of SAs as a whole: one that may be had and is never found, and what is left of those that are gone."""

from espproof.adapters.seeded.model import defect

DEFECTS = (
    # ---------------------------------------------------------------------------------------------------------- sad
    defect(
        "sad-reserved-spi-not-found", "ours", "sad",
        "an SA with an SPI that IANA reserves is accepted, and its packets are thrown away as somebody else's",
        ("sad", "        entries = self._entries\n        if not self._addressed:\n",
                "        entries = self._entries\n        if spi < bytes((0, 0, 1, 0)):\n            return None\n"
                "        if not self._addressed:\n"),
    ),
    defect(
        "sad-number-zero-forgotten", "ours", "sad",
        "number 0 is taken for one that no packet has, and passes whenever it comes",
        ("replay", "        if offset < 0 or not self.size:\n", "        if offset < 0 or not self.size or not sequence:\n"),
    ),
    defect(
        "sad-udp-on-one-port", "ours", "sad",
        "ESP in UDP is looked for on the port that everybody uses, whichever the SA was told",
        ("endpoint", "                self._udp_ports[sa.udp.destination_port] += 1\n",
                     "                self._udp_ports[4500] += 1\n"),
    ),
)  # fmt: skip
