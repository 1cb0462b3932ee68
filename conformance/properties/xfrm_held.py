"""Packets that lack an SA and wait for it (RFC 4301 5.1), on hosts that hold them.

How many a policy holds the host has declared. What leaves goes through the policies as they are then, and is waited for
before anything else enters: whether it comes before or behind later packets is left open. So is what becomes of packets of
one policy that need different SAs, and whether who waits asks again when a request has run out.
"""

from typing import Any

from hypothesis import strategies as st

from espproof.adapters.case import Policy, Side, Template
from espproof.conformance.checks.host import LONGER_THAN_LARVAL, HostScenario
from espproof.conformance.checks.registry import check
from espproof.conformance.checks.scenario import Scenario
from espproof.conformance.requirements.ids import IN_THE_CLEAR, PASSED_NOT_COUNTED, counter_rule

PROCESSED, ASKED = "RFC4301-5.1-first-packet-processed", "RFC4301-5.1-key-manager-asked"
BYPASS, DISCARD = "RFC4301-4.4.1-bypass", "RFC4301-4.4.1-discard"
OUT_NO_STATES, OUT_POL_BLOCK = counter_rule("XfrmOutNoStates"), counter_rule("XfrmOutPolBlock")
_CROWD = 1000
"""More packets than that take too long."""


class _Queue:
    """A policy whose SA is not there yet, and packets for it."""

    def __init__(
        self,
        h: HostScenario,
        about: str,
        *,
        mode: str = "tunnel",
        protocol: int = 253,
        packet_mark: int = 0,
        **fields: Any,
    ) -> None:
        self.h, self.about, self._mark, self._protocol = h, about, packet_mark, protocol
        self._side: Side = "local" if mode == "transport" else "plain"
        self.sa = h.sa("out", add=False, mode=mode)
        self.version = h.version_in(self.sa)
        self._selector = h.selector(self.packet(), protocol=None if mode == "transport" else protocol)
        self._policy = self._add(h.template(self.sa), **fields)

    def packet(self, size: int = 20) -> bytes:
        """Of so many octets behind its header."""
        if self._side == "local":
            return self.h.of_ours(self.sa, protocol=self._protocol, content=bytes(size))
        return self.h.outgoing(self.version, protocol=self._protocol, content=bytes(size))

    def fill(self, count: int = 1) -> None:
        """So many packets come, each longer than the one before."""
        for number in range(count):
            self.h.enters(self._side, self.packet(20 + number), self.about, mark=self._mark)

    def serve(self) -> None:
        """The SA comes, and what was held leaves."""
        self.h.s.add(self.sa, self.about)
        self.h.held(self.about)

    def delete(self) -> None:
        """The policy goes."""
        self.h.delete(self._policy, self.about)

    def instead(self, *templates: Template, **fields: Any) -> None:
        """Another policy, for the same traffic if `fields` do not say otherwise."""
        self._add(*templates, **fields)

    def _add(self, *templates: Template, **fields: Any) -> Policy:
        given = {"selector": self._selector, "priority": 10, **fields}
        return self.h.policy("out", self.packet(), *templates, about=self.about, **given)


def _host(s: Scenario, **fields: Any) -> HostScenario:
    h = HostScenario(s, holds=True, **fields)
    s.need("delete_sa", s.caps.delete_sa)
    return h


def _crowd(h: HostScenario, more: int) -> int:
    """As many packets as a policy holds, and some more."""
    h.s.need(f"room for no more than {_CROWD} packets", h.caps.holds <= _CROWD)
    return h.caps.holds + more


def _few(s: Scenario) -> int:
    return s.draw(st.integers(1, 4))


@check(
    PROCESSED,
    PASSED_NOT_COUNTED,
    IN_THE_CLEAR,
    weight=0.5,
    proved_by=(
        "xfrm-held-newest-first",
        "xfrm-held-last-alone",
        "xfrm-held-for-ever",
        "xfrm-held-in-the-clear",
        "xfrm-held-and-counted",
    ),
)
def until_the_sa_comes(s: Scenario) -> None:
    """Packets wait for their SA, leave through it when it is there, and the next one goes at once."""
    h = _host(s)
    modes = ("tunnel", "transport") if h.caps.local and "transport" in s.caps.modes else ("tunnel",)
    queue = _Queue(h, PROCESSED, mode=s.draw(st.sampled_from(modes)))
    queue.fill(_few(s))
    if s.draw(st.booleans()):
        h.held(PROCESSED)
        queue.fill(s.draw(st.integers(0, 2)))
    queue.serve()
    queue.fill()
    h.held(PROCESSED)
    h.counters(PASSED_NOT_COUNTED)


@check(PROCESSED, weight=0.3, proved_by=("xfrm-held-by-all-together",))
def for_their_own_sa(s: Scenario) -> None:
    """The SA of another policy lets nothing go but what that holds."""
    h = _host(s)
    first, second = queues = [_Queue(h, PROCESSED, protocol=protocol) for protocol in (253, 254)]
    for queue in s.draw(st.permutations(queues)):
        queue.fill(_few(s))
    h.s.add(h.sa("out", mode="tunnel", add=False), PROCESSED)
    h.held(PROCESSED)
    for queue in s.draw(st.permutations((first, second))):
        queue.serve()


@check(PROCESSED, weight=0.3, proved_by=("xfrm-held-for-one-sa",))
def for_all_of_a_bundle(s: Scenario) -> None:
    """A packet that needs two SAs waits for the second too, whichever comes first."""
    h = _host(s)
    inner = h.sa("out", mode="tunnel", add=False)
    version = h.version_in(inner)
    outer = s.changed(inner, name="outer", spi=inner.spi ^ 0x4100, reqid=inner.reqid + 1, **s.fresh_keys(inner, 3))
    packet = h.outgoing(version)
    h.policy("out", packet, h.template(inner), h.template(outer), about=PROCESSED)
    for _ in range(_few(s)):
        h.enters("plain", packet, PROCESSED)
    for sa in s.draw(st.permutations((inner, outer))):
        s.add(sa, PROCESSED)
        h.held(PROCESSED)


@check(
    PROCESSED, weight=0.1, proved_by=("xfrm-held-one-too-few", "xfrm-held-one-too-many", "xfrm-held-one-room-for-all")
)
def as_many_as_declared(s: Scenario) -> None:
    """A policy holds as many as it says, the first ones; another's packets take no room."""
    h = _host(s)
    queues = [_Queue(h, PROCESSED, protocol=protocol) for protocol in (253, 254)]
    for queue in queues:
        queue.fill(_crowd(h, s.draw(st.integers(0, 2))))
    for queue in s.draw(st.permutations(queues)):
        queue.serve()
        queue.fill()


@check(OUT_NO_STATES, weight=0.1, proved_by=("xfrm-held-without-room-uncounted",))
def without_room(s: Scenario) -> None:
    """A packet for which there is no room is discarded and counted."""
    h = _host(s)
    queue = _Queue(h, OUT_NO_STATES)
    queue.fill(_crowd(h, s.draw(st.integers(1, 2))))
    h.counters(OUT_NO_STATES)


@check(ASKED, weight=0.3, proved_by=("xfrm-held-asks-each-time",))
def asked_once(s: Scenario) -> None:
    """Packets that wait make one request for their SA."""
    h = _host(s, events=("acquire",))
    queue = _Queue(h, ASKED)
    queue.fill(_few(s))
    h.events(ASKED)
    queue.fill(_few(s))
    h.held(ASKED)
    h.events(ASKED)
    queue.serve()
    h.events(ASKED)


@check(PROCESSED, weight=0.3, proved_by=("xfrm-held-flushed",))
def behind_a_flush(s: Scenario) -> None:
    """A flush of all SAs leaves what waits; the SA comes later."""
    h = _host(s)
    queue = _Queue(h, PROCESSED)
    queue.fill(_few(s))
    h.flush("sas", PROCESSED)
    queue.serve()


@check(PROCESSED, weight=0.2, proved_by=("xfrm-held-for-a-moment",))
def while_the_request_stands(s: Scenario) -> None:
    """Packets wait as long as somebody may answer: 25 seconds, of the 30 after which a request ends."""
    h = _host(s)
    s.need("lifetime seconds", "seconds" in s.caps.lifetimes)
    queue = _Queue(h, PROCESSED)
    queue.fill(_few(s))
    s.wait(s.draw(st.integers(1, 25)), PROCESSED)
    queue.serve()


# ------------------------------------------------------------------------------------------- policies that change


@check(DISCARD, weight=0.3, proved_by=("xfrm-held-by-a-policy-that-went",))
def policy_deleted(s: Scenario) -> None:
    """With its policy goes what it holds, where the next policy blocks it; the SA that comes then has nothing to send."""
    h = _host(s)
    queue = _Queue(h, DISCARD)
    behind = h.selector(queue.packet(), source=None)
    queue.instead(selector=behind, action="block", priority=20)
    queue.fill(_few(s))
    queue.delete()
    queue.serve()


@check(
    DISCARD,
    BYPASS,
    PROCESSED,
    weight=0.4,
    proved_by=("xfrm-held-by-the-old-policy", "xfrm-held-gone-with-the-old-policy"),
)
def policy_replaced(s: Scenario) -> None:
    """A policy that takes the place of the old one has its packets: they are blocked, pass, or wait for another SA."""
    h = _host(s)
    about = s.draw(st.sampled_from((DISCARD, BYPASS, PROCESSED)))
    queue = _Queue(h, about)
    queue.fill(_few(s))
    other = s.changed(queue.sa, name="other", spi=queue.sa.spi ^ 0x5200, reqid=queue.sa.reqid + 1)
    templates = (h.template(other),) if about == PROCESSED else ()
    queue.instead(*templates, replace=True, action="block" if about == DISCARD else "allow")
    h.held(about)
    queue.serve()
    if about == PROCESSED:
        s.add(other, about)
        h.held(about)


@check(DISCARD, BYPASS, weight=0.3, proved_by=("xfrm-held-by-their-own-policy",))
def policy_in_front(s: Scenario) -> None:
    """A policy that comes in front of the one that holds packets decides about them."""
    h = _host(s)
    about = s.draw(st.sampled_from((DISCARD, BYPASS)))
    queue = _Queue(h, about)
    queue.fill(_few(s))
    wide = h.selector(queue.packet(), source=None)
    queue.instead(selector=wide, priority=1, action="block" if about == DISCARD else "allow")
    h.held(about)
    queue.serve()


@check(OUT_POL_BLOCK, weight=0.2, proved_by=("xfrm-held-blocked-uncounted",))
def blocked_afterwards(s: Scenario) -> None:
    """Packets that were held and that a new policy blocks are counted, each of them."""
    h = _host(s)
    queue = _Queue(h, OUT_POL_BLOCK)
    queue.fill(_few(s))
    queue.instead(replace=True, action="block")
    h.held(OUT_POL_BLOCK)
    h.counters(OUT_POL_BLOCK)


@check(IN_THE_CLEAR, weight=0.2, proved_by=("xfrm-held-with-the-mark-of-the-policy",))
def with_their_own_mark(s: Scenario) -> None:
    """What was held keeps its mark: a policy for others, in front of its own, is not for it."""
    h = _host(s)
    queue = _Queue(h, IN_THE_CLEAR, packet_mark=0x35, **_marked(h, 0x30, 0xF0))
    wide = h.selector(queue.packet(), source=None)
    queue.instead(selector=wide, priority=1, **_marked(h, 0x00, 0x0F))
    queue.fill(_few(s))
    queue.serve()


def _marked(h: HostScenario, value: int, mask: int) -> dict[str, Any]:
    h.s.need("marks", h.caps.marks)
    return {"mark": h.mark(value, mask)}


# ------------------------------------------------------------------------------------------------ what is left open


@check(PROCESSED, weight=0.1, records=True)
def behind_another(s: Scenario) -> None:
    """Whether a packet leaves, whose SA is there, while one in front of it waits in the same policy for another SA."""
    h = _host(s)
    first = h.sa("out", add=False, mode="transport")
    second = s.changed(first, name="second", destination=s.other_gateways(first)[1])
    packets = [h.of_ours(sa) for sa in (first, second)]
    whole = h.selector(packets[0], source=None, destination=None)
    h.policy("out", packets[0], h.template(first), about=PROCESSED, selector=whole)
    for packet in packets:
        h.enters("local", packet, PROCESSED)
    s.add(second, PROCESSED)
    h.held(PROCESSED, behaviour="whether what is held leaves while something in front of it waits")


@check(PROCESSED, weight=0.1, records=True)
def longer_than_the_request(s: Scenario) -> None:
    """Whether packets wait for their SA when the request for it has run out."""
    h = _host(s)
    s.need("lifetime seconds", "seconds" in s.caps.lifetimes)
    queue = _Queue(h, PROCESSED)
    queue.fill()
    s.wait(LONGER_THAN_LARVAL, PROCESSED)
    s.add(queue.sa, PROCESSED)
    h.held(PROCESSED, behaviour="whether packets wait longer than the request for their SA stands")
