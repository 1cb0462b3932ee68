"""A tunnel of a host, and packets through it up to the limits of its SA.

Whether the packet that reaches a hard limit passes is left open, and whether the limit is told with it or with the next
one: that packet is recorded, and events are read behind one more. Counters say which of the two it was, and are not read.
"""

from typing import Any

from espproof.adapters.case import Sa, Side
from espproof.conformance.checks.host import REACHES_LIMIT, HostScenario
from espproof.conformance.checks.scenario import Scenario


class Tunnel:
    """An SA of a host with its policy, and packets through it one after the other."""

    def __init__(self, h: HostScenario, direction: str, about: str, **fields: Any) -> None:
        self.h, self.about = h, about
        self.sa = h.sa(direction, mode="tunnel", **fields)
        version = h.version_in(self.sa)
        self.packet = h.outgoing(version) if direction == "out" else h.incoming(version)
        self.policy = h.policy("out" if direction == "out" else h.inward, self.packet, h.template(self.sa), about=about)
        self.number = int(self.sa.sequence)

    def carry(self, *, sa: Sa | None = None, count: int = 1, behaviour: str = "") -> None:
        """Packets through this SA, or one that came after it and goes on from its numbers."""
        sa = sa or self.sa
        for _ in range(count):
            self.number += 1
            side: Side = "plain" if sa.direction == "out" else "wire"
            packet = self.packet if side == "plain" else self.h.s.peer(sa).protect(self.packet, self.number)
            self.h.enters(side, packet, self.about, behaviour=behaviour)

    def end(self) -> None:
        """The packet that reaches a hard limit, and two that come too late: at the latest the second of them finds the SA
        gone, and asks for another."""
        self.carry(behaviour=REACHES_LIMIT)
        self.carry(count=2)


def either_direction(s: Scenario) -> str:
    """Out or in, whichever there is."""
    return s.choose(("out", "in"))
