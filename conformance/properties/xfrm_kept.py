"""A socket that stays open: what a stack remembers for it must not outlive the policies and SAs that it was made of.

Its packets are of IPv6: in those of IPv4 a stack chooses identifications of its own.
"""

from hypothesis import strategies as st

from espproof.adapters.capabilities import KEPT
from espproof.adapters.case import Policy, Sa
from espproof.conformance.checks.host import HostScenario
from espproof.conformance.checks.registry import check
from espproof.conformance.checks.scenario import Scenario
from espproof.conformance.requirements.ids import IN_THE_CLEAR, counter_rule

CACHE, REPLACED = "RFC4301-5-cache-agrees", "RFC4301-4.4.2.1-lifetime-replaced"
NO_STATES = counter_rule("XfrmOutNoStates")


class _Socket:
    """Datagrams of one socket, or also of others that are closed at once; and what changes between them."""

    def __init__(self, h: HostScenario) -> None:
        self._h, self._s = h, h.s
        self._h.s.need("a socket that stays open", KEPT in h.caps.ways.get("local", ()))
        families = tuple(family for family in h.s.caps.families if family.startswith("6"))
        h.s.need("packets of IPv6", families)
        self._sa = h.sa("out", mode=h.s.caps.modes, family=families)
        self._datagram = h.datagram_of_ours(self._sa, h.s.draw(st.integers(9, 300)), version=6)
        self._policy = h.policy("out", self._datagram, h.template(self._sa), about=CACHE, priority=10)
        self._made = 0

    def sends(self, about: str) -> None:
        for _ in range(self._s.draw(st.integers(1, 2))):
            self._h.enters("local", self._datagram, about, way=KEPT)

    def other_policy(self) -> None:
        """One comes in front of the socket's own, behind it, or in its place, and goes again."""
        s, h = self._s, self._h
        kind = s.draw(st.sampled_from(("in front", "in its place", "behind")))
        action = "block" if kind == "in front" else s.draw(st.sampled_from(("block", "allow")))
        selector = h.selector(self._datagram, **({} if kind == "in its place" else {"source": None}))
        priority = {"in front": 5, "in its place": 10, "behind": 15}[kind]
        made = h.policy(
            "out", self._datagram, about=CACHE, action=action, priority=priority, selector=selector, replace=True
        )
        self.sends(CACHE)
        h.delete(made, CACHE)
        if kind == "in its place":
            self._back(self._policy)

    def bypassed(self) -> None:
        """A policy in front lets the datagrams pass as they are, and goes again."""
        selector = self._h.selector(self._datagram, source=None)
        bypass = self._h.policy("out", self._datagram, about=CACHE, priority=5, selector=selector)
        self.sends(CACHE)
        self._h.delete(bypass, CACHE)

    def no_policy(self) -> None:
        """The socket's own goes, and comes back."""
        self._h.delete(self._policy, CACHE)
        self.sends(CACHE)
        self._back(self._policy)

    def another_sa(self) -> None:
        """Make before break, with keys of its own."""
        s, old = self._s, self._sa
        self._sa = self._new()
        s.add(self._sa, REPLACED)
        self.sends(REPLACED)
        s.delete(old, REPLACED)

    def no_sa(self) -> None:
        """Break before make."""
        self._s.delete(self._sa, NO_STATES)
        self.sends(NO_STATES)
        self._sa = self._new()
        self._s.add(self._sa, REPLACED)

    def _new(self) -> Sa:
        self._made += 1
        spi = self._sa.spi ^ 0x2211 << self._made
        return self._s.changed(self._sa, name=f"new{self._made}", spi=spi, **self._s.fresh_keys(self._sa, self._made))

    def _back(self, policy: Policy) -> None:
        self._h.set(policy, CACHE)


@check(CACHE, REPLACED, NO_STATES, weight=3.0, proved_by=("xfrm-kept-for-the-life-of-the-sas",))
def socket(s: Scenario) -> None:
    """Each datagram of a socket meets policies and SAs as they are then, however many it has sent before."""
    h = HostScenario(s)
    s.need("delete_sa", s.caps.delete_sa)
    one = _Socket(h)
    for _ in range(s.draw(st.integers(1, 4))):
        one.sends(CACHE)
        change = s.draw(st.sampled_from((one.another_sa, one.other_policy, one.no_policy, one.no_sa)))
        change()
    one.sends(CACHE)
    h.counters(IN_THE_CLEAR)


@check(IN_THE_CLEAR, CACHE, proved_by=("xfrm-kept-in-the-clear",))
def bypass_that_ends(s: Scenario) -> None:
    """A socket's datagrams are protected as soon as the policy that let them pass in the clear is gone."""
    h = HostScenario(s)
    one = _Socket(h)
    for _ in range(s.draw(st.integers(0, 1))):
        one.sends(CACHE)
    one.bypassed()
    one.sends(IN_THE_CLEAR)
    h.counters(CACHE)
