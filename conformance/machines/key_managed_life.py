"""A random life of a host whose key manager is told: beside the moves of `host_life` SPIs are reserved and become SAs, SAs
are updated, everything is flushed, and what was told is read.

No SA has a limit here: how soon the reaching of one is told is left open, and the affair of checks of its own.
"""

from collections.abc import Callable

from hypothesis import strategies as st

from espproof.adapters.case import Sa
from espproof.conformance.checks.host import HostScenario
from espproof.conformance.machines.host_life import HostLife


class KeyManagedLife(HostLife):
    """The host of `HostLife`, and the SAs whose SPIs are reserved, by their places in the pool."""

    def __init__(self, h: HostScenario, about: str) -> None:
        super().__init__(h, about)
        self._coming: dict[int, Sa] = {}

    def begin(self) -> None:
        """Mostly with policies alone, whose packets ask for SAs."""
        if self._h.s.draw(st.sampled_from((False, False, True))):
            super().begin()
            return
        for _ in range(min(2, len(self._priorities))):
            self._add_policy()

    def walk(self) -> None:
        super().walk()
        self._h.events(self._about)

    def _moves(self) -> list[Callable[[], None]]:
        can = self._h.caps
        moves = [*super()._moves(), self._read, self._send]
        moves += [self._serve] if any(policy.direction == "out" for policy in self._policies) else []
        moves += [self._reserve] if can.reserve_spi and can.update_sa else []
        moves += [self._complete, self._send_to_reserved] if self._coming else []
        moves += [self._update] if self._there and can.update_sa else []
        moves += [self._flush] if len(self._there) > 1 and can.flush else []
        return moves

    def _read(self) -> None:
        self._h.events(self._about)

    def _serve(self) -> None:
        """What a packet asks for is made, and sometimes soon goes again: then the next packet asks again."""
        self._send()
        place = self._h.s.draw(st.sampled_from([at for at, sa in enumerate(self._pool) if sa.direction == "out"]))
        self._add(place)
        if self._h.s.draw(st.booleans()):
            self._delete(place)
            self._send()

    def _reserve(self) -> None:
        free = [place for place, sa in enumerate(self._pool) if sa.direction == "in" and place not in self._coming]
        if free:
            place = self._h.s.draw(st.sampled_from(free))
            self._coming[place] = self._another(place)
            self._h.reserve(self._coming[place], self._about)

    def _complete(self) -> None:
        """The SA takes over from the one that was there, which goes."""
        place = self._h.s.draw(st.sampled_from(sorted(self._coming)))
        made = self._coming.pop(place)
        self._h.update(made, self._about)
        if place in self._there:
            self._delete(place)
        self._there[place] = made

    def _send_to_reserved(self) -> None:
        h, s = self._h, self._h.s
        sa = self._coming[s.draw(st.sampled_from(sorted(self._coming)))]
        h.enters("wire", s.peer(sa).protect(h.incoming(self._version), 1), self._about)

    def _update(self) -> None:
        """Nothing changes: the lifetime has no limit, before and behind."""
        self._h.update(self._there[self._h.s.draw(st.sampled_from(sorted(self._there)))], self._about)

    def _flush(self) -> None:
        if self._h.s.draw(st.sampled_from((True, True, False))):
            self._h.flush("sas", self._about)
            self._there, self._coming = {}, {}
        else:
            self._h.flush("policies", self._about)
            self._policies = []
