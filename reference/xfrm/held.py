"""Packets that wait for an SA: what lacks one may be discarded, or processed when the SA is there (RFC 4301 5.1).

    leaves without its SA ─┬─ its policy has room ─► held ─► looked at again ─┬─ still without ─► held
                           └─ it has none ─► discarded                        └─ else ─► as if it left now
    the policy goes ─► what it holds is discarded        another takes its place ─► that holds them

No document says how many, how long, or in what order; here each policy holds so many, as long as it is there, and they
leave in the order in which they came.
"""

from collections.abc import Iterable
from typing import NamedTuple

from espproof.reference.xfrm.policy import Policy
from espproof.reference.xfrm.states import State


class Held(NamedTuple):
    """A packet that waits, with the mark that it has; one that is forwarded had `arrived`, through SAs or none."""

    policy: Policy
    packet: bytes
    mark: int
    through: tuple[State, ...]
    arrived: bytes


class Waiting:
    """What the policies of a host hold, the oldest first; `room` packets each."""

    def __init__(self, room: int) -> None:
        self._room = room
        self._held: list[Held] = []

    def hold(self, one: Held) -> bool:
        """Keep a packet, if its policy has room for it."""
        if sum(other.policy is one.policy for other in self._held) >= self._room:
            return False
        self._held.append(one)
        return True

    def take_all(self) -> list[Held]:
        """Whatever waits, which then waits no more."""
        taken, self._held = self._held, []
        return taken

    def move(self, old: Policy, new: Policy) -> None:
        """A policy takes the place of another, with what that holds."""
        self._held = [one._replace(policy=new) if one.policy is old else one for one in self._held]

    def keep(self, policies: Iterable[Policy]) -> int:
        """Only these are left; the number of packets that others held."""
        there = {id(policy) for policy in policies}
        before = len(self._held)
        self._held = [one for one in self._held if id(one.policy) in there]
        return before - len(self._held)
