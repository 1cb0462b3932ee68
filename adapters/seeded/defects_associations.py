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
)  # fmt: skip
