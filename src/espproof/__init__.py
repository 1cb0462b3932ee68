"""espproof: proves an ESP (RFC 4303) implementation right or wrong, requirement by requirement."""

__version__ = "0.1.0"
