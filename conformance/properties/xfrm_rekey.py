"""SAs replaced, make before break, several at a time: a rekey storm in the small (the large one: `bench --only scale`)."""

from dataclasses import dataclass, field

from hypothesis import strategies as st

from espproof.adapters.case import Sa
from espproof.conformance.checks.host import HostScenario
from espproof.conformance.checks.registry import check
from espproof.conformance.checks.scenario import Scenario
from espproof.conformance.requirements.ids import counter_rule

REPLACED, IN_NO_STATES = "RFC4301-4.4.2.1-lifetime-replaced", counter_rule("XfrmInNoStates")
_TUNNELS = (("out", 253), ("in", 253), ("out", 254), ("in", 254))
"""Direction, and the protocol of the packets that a policy leads through it."""
_MOST_AT_ONCE = 7
"""SAs: with the eighth Linux begins to move its SAs to a larger table, in its own time and with their order turned round;
then the older of two that were added within a second is taken, which no document forbids."""


@dataclass(slots=True)
class _Tunnel:
    """The SAs of one direction, the oldest first: one, or two while it is replaced."""

    protocol: int
    version: int
    sas: list[Sa]
    numbers: dict[str, int] = field(default_factory=dict)


class _Storm:
    """Tunnels, and the moves that can be made."""

    def __init__(self, h: HostScenario) -> None:
        self._h, self._s = h, h.s
        self._made = 0
        self._free: list[tuple[str, int]] = []
        self._tunnels: list[_Tunnel] = []
        for direction, protocol in _TUNNELS:
            sa = h.sa(direction, mode="tunnel")
            tunnel = _Tunnel(protocol, h.version_in(sa), [sa])
            packet = self._packet(tunnel)
            way = "out" if direction == "out" else h.inward
            h.policy(way, packet, h.template(sa), about=REPLACED, selector=h.selector(packet, protocol=protocol))
            self._tunnels.append(tunnel)

    def walk(self) -> None:
        s = self._s
        for _ in range(s.draw(st.integers(4, 20))):
            tunnel = s.draw(st.sampled_from(self._tunnels))
            move = s.draw(st.sampled_from((self._step, self._step, self._traffic)))
            move(tunnel)
        for tunnel in self._tunnels:
            self._traffic(tunnel)

    def _step(self, tunnel: _Tunnel) -> None:
        """The next one of a replacement."""
        if len(tunnel.sas) > 1:
            self._delete(tunnel)
        elif sum(len(one.sas) for one in self._tunnels) < _MOST_AT_ONCE:
            self._add(tunnel)

    def _add(self, tunnel: _Tunnel) -> None:
        """A new SA, mostly with an SPI that has just become free."""
        s, old = self._s, tunnel.sas[-1]
        self._made += 1
        free = [spi for destination, spi in self._free if destination == old.destination]
        spi = free[-1] if free and s.draw(st.sampled_from((True, True, False))) else self._fresh(old)
        self._free = [one for one in self._free if one != (old.destination, spi)]
        new = s.changed(old, name=f"new{self._made}", spi=spi, **s.fresh_keys(old, self._made))
        s.add(new, REPLACED)
        tunnel.sas.append(new)

    def _fresh(self, old: Sa) -> int:
        taken = {sa.spi for tunnel in self._tunnels for sa in tunnel.sas} | {spi for _, spi in self._free}
        return next(spi for spi in range(0x1000 + 0x111 * self._made, 2**32) if spi not in taken)

    def _delete(self, tunnel: _Tunnel) -> None:
        s, old = self._s, tunnel.sas.pop(0)
        s.delete(old, REPLACED)
        self._free.append((old.destination, old.spi))
        if old.direction == "in" and s.draw(st.booleans()):
            self._receive(tunnel, old, IN_NO_STATES)

    def _traffic(self, tunnel: _Tunnel) -> None:
        if tunnel.sas[0].direction == "out":
            self._h.enters("plain", self._packet(tunnel), REPLACED)
            return
        self._receive(tunnel, self._s.draw(st.sampled_from(tunnel.sas)), REPLACED)

    def _receive(self, tunnel: _Tunnel, sa: Sa, about: str) -> None:
        number = tunnel.numbers[sa.name] = tunnel.numbers.get(sa.name, int(sa.sequence)) + 1
        self._h.enters("wire", self._s.peer(sa).protect(self._packet(tunnel), number), about)

    def _packet(self, tunnel: _Tunnel) -> bytes:
        make = self._h.outgoing if tunnel.sas[0].direction == "out" else self._h.incoming
        return make(tunnel.version, protocol=tunnel.protocol)


@check(
    REPLACED,
    IN_NO_STATES,
    weight=2.0,
    proved_by=(
        "xfrm-rekey-order-turned-by-growth",
        "xfrm-rekey-both-deleted",
        "xfrm-rekey-index-left-behind",
        "xfrm-rekey-bundle-of-so-many",
    ),
)
def several_at_once(s: Scenario) -> None:
    """Tunnels in both directions are replaced in any order of steps, with traffic in between or none: what was deleted is
    not found, and what is there is, also under an SPI that was another's."""
    h = HostScenario(s)
    s.need("delete_sa", s.caps.delete_sa)
    _Storm(h).walk()
    h.counters(IN_NO_STATES)
