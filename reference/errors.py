"""The two ways a call into the reference can go wrong, told apart by who is to blame.

A packet that the standard tells us to discard is neither of them: it is a value (see `drops`).
"""


class Misuse(ValueError):
    """The caller's mistake: a parameter that no standard allows (a wrong key size, SPI 0, an unknown transform)."""


class Malformed(Exception):
    """The sender's mistake: octets that cannot be read as what they claim to be. Carries one short phrase, no octets."""
