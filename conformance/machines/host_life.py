"""A random life of a host: policies and SAs come and go, packets go through it, and the counters are read.

A pool of tunnels, each for one direction, of which each is there or not; one that is made again has new keys and another
SPI. A life mostly begins with SAs, and policies that ask for them: in an empty host nothing is protected. Priorities are
never equal: which of two policies is older is the affair of `xfrm-policy.oldest-of-equals`.
"""

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

from espproof.adapters.case import HostDirection, Policy, Sa, Side
from espproof.conformance.checks import visible
from espproof.conformance.checks.host import HostScenario

MOST_STEPS = 24
_MOSTLY = st.sampled_from((False, True, True, True))
_PROTOCOLS = (253, 254)
"""Of RFC 3692's experiments; packets of each are a flow."""


def spi_of(model: Sa, place: int, made: int) -> int:
    """One that no other SA of a life has, wherever that leads: some hosts give each number once (RFC 4301 4.1)."""
    return (place + 1) << 24 | made << 8 | model.spi & 0xFF


class HostLife:
    """What is there, and the moves that can be made. `about` is the requirement that the steps are held against."""

    def __init__(self, h: HostScenario, about: str, *, apart: bool = False) -> None:
        """`apart`: inward no two policies are for one packet."""
        self._h, self._about, self._apart = h, about, apart
        s = h.s
        s.need("delete_sa", s.caps.delete_sa)
        pairs = [h.pair(mode="tunnel", add=False) for _ in range(2)]
        self._pool = [sa for pair in pairs for sa in pair]
        self._version = h.version_in(*self._pool)
        self._there: dict[int, Sa] = {}
        self._made = 0
        self._numbers: dict[str, int] = {}
        self._policies: list[Policy] = []
        self._priorities = s.draw(st.permutations(range(min(MOST_STEPS, h.caps.priorities))))

    def begin(self) -> None:
        """With what an administrator would have made: mostly all SAs, and a policy for each direction."""
        s = self._h.s
        for place in range(len(self._pool)):
            if s.draw(_MOSTLY):
                self._add(place)
        for way in ("out", self._h.inward):
            if s.draw(_MOSTLY) and self._priorities:
                self._add_policy(way)

    def walk(self) -> None:
        """A number of moves, each drawn from those that make sense."""
        s = self._h.s
        self.begin()
        for _ in range(s.draw(st.integers(4, MOST_STEPS))):
            s.draw(st.sampled_from(self._moves()))()
        self._h.counters(self._about)

    def _moves(self) -> list[Callable[[], None]]:
        """Those that make sense now, the likelier ones more than once."""
        moves = [self._add_sa, self._add_policy, *[self._send, self._receive] * 4]
        if not self._priorities:
            moves.remove(self._add_policy)
        moves += [self._delete_sa] if self._there else []
        moves += [self._delete_policy] if self._policies else []
        return moves

    def _add_sa(self) -> None:
        self._add(self._h.s.draw(st.integers(0, len(self._pool) - 1)))

    def _add(self, place: int) -> None:
        if place in self._there:
            self._delete(place)
        made = self._another(place)
        self._h.s.add(made, self._about)
        self._there[place] = made

    def _another(self, place: int) -> Sa:
        """A new SA for a place in the pool."""
        self._made += 1
        s, model = self._h.s, self._pool[place]
        return s.changed(
            model, name=f"sa{place}x{self._made}", spi=spi_of(model, place, self._made),
            **s.fresh_keys(model, self._made),
        )  # fmt: skip

    def _delete_sa(self) -> None:
        self._delete(self._h.s.draw(st.sampled_from(sorted(self._there))))

    def _delete(self, place: int) -> None:
        self._h.s.delete(self._there.pop(place), self._about)

    def _add_policy(self, for_way: HostDirection | None = None) -> None:
        h, s = self._h, self._h.s
        ways: tuple[HostDirection, ...] = ("out", h.inward) if for_way is None else (for_way,)
        way = s.draw(st.sampled_from(ways))
        packet = self._outgoing() if way == "out" else h.incoming(self._version)
        fitting = [sa for sa in self._pool if (sa.direction == "out") == (way == "out")]
        there = [sa for place, sa in enumerate(self._pool) if place in self._there and sa in fitting]
        templates, action = s.draw(
            st.sampled_from([*visible.fates(h, *fitting), *visible.protected(h, *there, *there)])
        )
        everything: dict[str, Any] = {
            "source": None,
            "protocol": s.draw(st.sampled_from((None, *_PROTOCOLS))),
        }
        if (
            way != "out"
        ):  # what comes from the wire is not sent back there: a redirect (RFC 4861 8.2) meets policies too
            everything["destination"] = None
        some = ({},) if self._apart and way != "out" else ({}, {"source": None}, everything)
        whose: dict[str, Any] = s.draw(st.sampled_from(some))
        made = h.policy(
            way, packet, *templates, about=self._about, priority=self._priorities.pop(), action=action,
            selector=h.selector(packet, **whose), replace=True,
        )  # fmt: skip
        taken = (made.direction, made.selector)
        for one in [one for one in self._policies if (one.direction, one.selector) == taken]:
            self._policies.remove(one)
            self._priorities.append(one.priority)
        self._policies.append(made)

    def _delete_policy(self) -> None:
        chosen = self._h.s.draw(st.sampled_from(self._policies))
        self._policies.remove(chosen)
        self._priorities.append(chosen.priority)
        self._h.delete(chosen, self._about)

    def _send(self) -> None:
        self._h.enters("plain", self._outgoing(), self._about, **self._way("plain"))

    def _outgoing(self) -> bytes:
        """A packet of one of two flows between the same hosts."""
        return self._h.outgoing(self._version, protocol=self._h.s.draw(st.sampled_from(_PROTOCOLS)))

    def _receive(self) -> None:
        h, s = self._h, self._h.s
        packet = h.incoming(self._version)
        inbound = [sa for sa in self._there.values() if sa.direction == "in"]
        asked_for = {one.reqid for policy in self._policies if policy.direction != "out" for one in policy.templates}
        sa = s.draw(st.sampled_from((None, *inbound, *[one for one in inbound if one.reqid in asked_for] * 3)))
        if sa is None and not h.caps.clear:
            return
        if sa is None:
            h.enters("wire", packet, self._about)
            return
        number = self._numbers[sa.name] = self._numbers.get(sa.name, 0) + s.draw(st.sampled_from((1, 1, 1, 3)))
        forged = s.draw(st.sampled_from((False, False, False, True)))
        h.enters("wire", self._protected(sa, packet, number, forged=forged), self._about, **self._way("wire"))

    def _protected(self, sa: Sa, packet: bytes, number: int, *, forged: bool) -> bytes:
        s = self._h.s
        protected = s.peer(sa).protect(packet, number)
        return s.forge(protected, sa) if forged else protected

    def _way(self, side: Side) -> dict[str, Any]:
        """Mostly the usual one; in the clear nobody enters from the wire by another."""
        ways = self._h.caps.ways.get(side, ())
        way = self._h.s.draw(st.sampled_from(("", *ways))) if ways else ""
        return {"way": way} if way else {}
