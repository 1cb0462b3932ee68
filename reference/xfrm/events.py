"""What a key manager is told: packets want an SA that there is not, limits were reached (RFC 2367 3.1.6, 3.1.8).

    packet without its SA ─► acquire, once ─► request stands ─┬─ the SA is added ─► answered
                                                              └─ nobody answers ─► forgotten: the next packet asks again
    soft limit ─► soft, once; the SA goes on        hard limit ─► hard, once, and the SA or policy has gone

A limit in seconds is told when it is reached; one in packets or octets with the next packet, which finds it reached.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from espproof.reference.lifetime import Lifetime
from espproof.reference.xfrm.policy import Flow, Mark, Policy
from espproof.reference.xfrm.spd import Spd
from espproof.reference.xfrm.states import LARVAL_SECONDS, State, States


class Kind(Enum):
    """What there is to tell."""

    ACQUIRE = "acquire"
    SOFT = "soft"
    HARD = "hard"


class Event(NamedTuple):
    """One thing that was told, of an SA or a policy by name. Of a request: the policy, the ends of the SA that is wanted
    (network order), and the flow of the packet that wants it."""

    kind: Kind
    sa: str | None = None
    policy: str | None = None
    source: bytes | None = None
    destination: bytes | None = None
    flow: Flow | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """An SA that a template asks for."""

    source: bytes
    destination: bytes
    reqid: int
    mode: str
    mark: Mark
    if_id: int
    protocol: str = "esp"

    def is_met_by(self, state: State) -> bool:
        sa = state.sa
        return (
            (self.source, self.destination) == (sa.source.packed, sa.destination.packed)
            and (self.reqid, self.mode, self.if_id) == (state.reqid, sa.mode, state.if_id)
            and self.protocol == sa.protocol
            and state.mark.has(self.mark.value & self.mark.mask)
        )


class KeyManager:
    """Who is told, what has not been read yet, and the requests that nobody has answered."""

    def __init__(self) -> None:
        self._told: list[Event] = []
        self._open: dict[Wanted, float] = {}
        self._warned: list[State | Policy] = []

    def tell(self, event: Event) -> None:
        self._told.append(event)

    def read(self) -> tuple[Event, ...]:
        """What was told since the last time."""
        told, self._told = tuple(self._told), []
        return told

    def ask(self, wanted: Wanted, policy: str, flow: Flow, now: float) -> None:
        """Ask for an SA, unless that has been done."""
        if wanted in self._open:
            return
        self._open[wanted] = now + LARVAL_SECONDS
        self.tell(Event(Kind.ACQUIRE, None, policy, wanted.source, wanted.destination, flow))

    def answer(self, state: State) -> None:
        """An SA is there: what it meets is no longer asked for."""
        self._open = {wanted: until for wanted, until in self._open.items() if not wanted.is_met_by(state)}

    def forget(self) -> None:
        """All SAs were removed, and what was asked for with them."""
        self._open.clear()

    def warn(self, one: State | Policy) -> None:
        """A soft limit was reached, of which nothing was told yet."""
        if not any(one is other for other in self._warned):
            self._warned.append(one)
            self.tell(_event(Kind.SOFT, one))

    def end(self, one: State | Policy) -> None:
        """A hard limit was reached."""
        self.tell(_event(Kind.HARD, one))

    def renew(self, one: State) -> None:
        """It has new limits, of which nothing was told."""
        self._warned = [other for other in self._warned if other is not one]

    def pass_time(self, states: States, spd: Spd, now: float) -> None:
        """Whatever limits in seconds have been reached by now, in their order."""
        self._open = {wanted: until for wanted, until in self._open.items() if until > now}
        for _, kind, one in sorted(_due(states, spd, now), key=lambda due: due[0]):
            if kind is Kind.SOFT:
                self.warn(one)
                continue
            (states if isinstance(one, State) else spd).delete(_name(one))
            self.end(one)


def _name(one: State | Policy) -> str:
    return one.sa.name if isinstance(one, State) else one.name


def _event(kind: Kind, one: State | Policy) -> Event:
    return Event(kind, sa=_name(one)) if isinstance(one, State) else Event(kind, policy=_name(one))


Due = tuple[float, Kind, State | Policy]


def _due(states: Iterable[State], spd: Iterable[Policy], now: float) -> Iterator[Due]:
    for state in states:
        kept = state.entry.state
        yield from _reached(state, kept.lifetime, kept.added_at, kept.used_at, now)
    for policy in spd:
        yield from _reached(policy, policy.lifetime, policy.added_at, None, now)


def _reached(one: State | Policy, limits: Lifetime, added: float, used: float | None, now: float) -> Iterator[Due]:
    """A hard limit that comes first, or at the same time, leaves no room for a soft one (RFC 2367 3.1.8)."""
    soft = _first(added, limits.soft_seconds, used, limits.soft_use_seconds)
    hard = _first(added, limits.hard_seconds, used, limits.hard_use_seconds)
    if soft is not None and soft <= now and (hard is None or soft < hard):
        yield soft, Kind.SOFT, one
    if hard is not None and hard <= now:
        yield hard, Kind.HARD, one


def _first(added: float, limit: int | None, used: float | None, of_use: int | None) -> float | None:
    moments = [added + limit] if limit is not None else []
    moments += [used + of_use] if used is not None and of_use is not None else []
    return min(moments, default=None)
