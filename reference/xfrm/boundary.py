"""A host with two directions of policies, as RFC 4301 has them: in and out, across the boundary between its sides.

    wire ──── in ────► plain, local        5.2: whoever the packet is for
    wire ◄─── out ──── plain, local        5.1
    plain ◄──────────► plain, local        nothing crosses, nothing is asked

Linux has a third direction, for what is forwarded, and asks for what is forwarded from the plain side too (`host`).
"""

from espproof.reference import ip
from espproof.reference.xfrm.asynchrony import AsynchronousHost
from espproof.reference.xfrm.buffers import Layout
from espproof.reference.xfrm.host import Emerging, Side
from espproof.reference.xfrm.path import Fate, Leaving
from espproof.reference.xfrm.policy import Direction
from espproof.reference.xfrm.states import State


class BoundaryHost(AsynchronousHost):
    """An `AsynchronousHost` without the direction "forward"."""

    _side: Side = "local"
    """At which the last packet has entered."""

    def enter(
        self,
        side: Side,
        packet: bytes,
        mark: int = 0,
        now: float = 0,
        *,
        segment: int = 0,
        way: str = "",
        layout: Layout | None = None,
    ) -> tuple[Emerging, ...]:
        """As `Host.enter`."""
        self._side = side
        return super().enter(side, packet, mark, now, segment=segment, way=way, layout=layout)

    def _checked(
        self, direction: Direction, parsed: ip.Packet, packet: bytes, mark: int, through: tuple[State, ...]
    ) -> Fate:
        """What has come through an SA has crossed, wherever it entered."""
        if self._side != "wire" and not through:
            return None
        return super()._checked("in", parsed, packet, mark, through)

    def _policed(self, one: Leaving) -> Fate:
        return super()._policed(one) if self._side_of(one.packet) == "wire" else None
