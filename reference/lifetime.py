"""Lifetimes of an SA: RFC 4301 4.4.2.1. Packets, octets and seconds; each with a soft and a hard limit.

Reaching a soft limit asks for a replacement and changes nothing else; reaching a hard limit ends the SA. What RFC 4301
leaves open, and no check may insist on: whether the packet that reaches a limit still passes (here it does: the limit is
how many packets an SA may carry), and which octets count (here: those of the unprotected IP packet).
"""

from dataclasses import dataclass
from typing import Literal

LifetimeStatus = Literal["ok", "soft", "hard"]


@dataclass(frozen=True, slots=True)
class Lifetime:
    """Limits; `None` is no limit. Seconds count from the moment the SA was added, those of use from its first packet."""

    soft_packets: int | None = None
    hard_packets: int | None = None
    soft_octets: int | None = None
    hard_octets: int | None = None
    soft_seconds: int | None = None
    hard_seconds: int | None = None
    soft_use_seconds: int | None = None
    hard_use_seconds: int | None = None

    def status(self, packets: int, octets: int, seconds: float, used: float | None = None) -> LifetimeStatus:
        """Where an SA stands that has carried so much for so long; `used`: seconds since its first packet, if any."""
        if _reached(used, self.hard_use_seconds):
            return "hard"
        if _reached(packets, self.hard_packets, octets, self.hard_octets, seconds, self.hard_seconds):
            return "hard"
        if _reached(packets, self.soft_packets, octets, self.soft_octets, seconds, self.soft_seconds):
            return "soft"
        return "soft" if _reached(used, self.soft_use_seconds) else "ok"

    def has_room_for(self, octets: int, more: int) -> bool:
        """Whether a packet of `more` octets can be processed whole within the lifetime; otherwise it is discarded."""
        return self.hard_octets is None or octets + more <= self.hard_octets


UNLIMITED = Lifetime()


def _reached(*used_and_limit: float | None) -> bool:
    pairs = zip(used_and_limit[::2], used_and_limit[1::2], strict=True)
    return any(limit is not None and used is not None and used >= limit for used, limit in pairs)
