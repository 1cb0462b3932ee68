"""Policies in two directions: in and out, across the boundary between the wire and the other sides (RFC 4301 5.1, 5.2)."""

from hypothesis import strategies as st

from espproof.adapters.case import HostDirection, Policy, Side, TrafficSelector
from espproof.conformance.checks.host import HostScenario
from espproof.conformance.checks.registry import check
from espproof.conformance.checks.scenario import Scenario
from espproof.conformance.machines.host_life import HostLife
from espproof.conformance.requirements.ids import IN_THE_CLEAR, counter_rule
from espproof.conformance.strategies import packets
from espproof.reference import ip

CONSULTED, NO_POLICY = "RFC4301-5-consulted", "RFC4301-5-no-policy-discarded"
APART, NO_POLS = "RFC4301-4.4.1-directions-apart", counter_rule("XfrmInNoPols")
REQUIRED = "RFC4301-4.4.1-protection-required"
FLUSHED = "LINUX.ip_xfrm-flush-policies"
_DIRECTIONS: tuple[HostDirection, ...] = ("out", "in")


def _host(s: Scenario, *, blocked: bool = False) -> HostScenario:
    return HostScenario(s, forward=False, blocked=_DIRECTIONS if blocked else ())


@check(CONSULTED, REQUIRED, weight=2.0, proved_by=("xfrm-boundary-through-traffic-unasked", "xfrm-boundary-only-ours"))
def what_comes_in(s: Scenario) -> None:
    """What comes in through a tunnel is held against the policies inwards, whoever it is for."""
    h = _host(s)
    sa = h.sa("in", mode="tunnel")
    version = h.version_in(sa)
    packet = s.draw(st.sampled_from((h.incoming(version), h.to_us(version))))
    right = s.draw(st.booleans())
    h.policy("in", packet, h.template(sa, reqid=sa.reqid if right else sa.reqid + 1), about=CONSULTED)
    for number in (1, 2):
        h.enters("wire", s.peer(sa).protect(packet, number), CONSULTED if right else REQUIRED)
    h.counters(REQUIRED)


@check(CONSULTED, IN_THE_CLEAR, proved_by=("xfrm-boundary-own-in-the-clear", "xfrm-boundary-forwarded-in-the-clear"))
def what_goes_out(s: Scenario) -> None:
    """What goes out is protected, whether it is the host's own or forwarded, and no policy inwards is asked."""
    h = _host(s)
    sa = h.sa("out", mode="tunnel")
    side: Side = s.choose(("plain", "local") if h.caps.local else ("plain",))
    packet = h.outgoing(h.version_in(sa)) if side == "plain" else h.of_ours(sa)
    h.policy("out", packet, h.template(sa), about=CONSULTED)
    if "discard" in h.caps.actions:
        h.policy("in", packet, about=CONSULTED, action="block")
    for _ in range(2):
        h.enters(side, packet, CONSULTED)
    h.counters(CONSULTED)


@check(CONSULTED, weight=2.0, proved_by=("xfrm-boundary-nothing-crosses", "xfrm-boundary-inwards-is-out"))
def what_does_not_cross(s: Scenario) -> None:
    """Between two hosts of the plain side nothing crosses, and what has come in does not go out: no policy is asked."""
    h = _host(s, blocked=True)
    sa = h.sa("in", mode="tunnel")
    version = h.version_in(sa)
    incoming = h.incoming(version)
    h.policy("in", incoming, h.template(sa), about=CONSULTED)
    near = ip.parse(h.outgoing(version)).source
    beside = packets.build(packets.Recipe(version=version), near, near[:-1] + bytes((near[-1] ^ 1,)))
    h.enters("plain", beside, CONSULTED)
    h.enters("wire", s.peer(sa).protect(incoming, 1), CONSULTED)
    h.enters("plain", beside, CONSULTED)
    h.counters(CONSULTED)


@check(NO_POLICY, NO_POLS, proved_by=("xfrm-boundary-nobodys-tunnel", "xfrm-boundary-passes-outwards"))
def without_policy(s: Scenario) -> None:
    """What crosses and no policy is for is discarded, also where one of the other direction is."""
    h = _host(s, blocked=True)
    sa, away = h.sa("in", mode="tunnel"), h.sa("out", mode="tunnel")
    version = h.version_in(sa, away)
    incoming, outgoing = h.incoming(version), h.outgoing(version)
    there = s.draw(st.sampled_from(_DIRECTIONS))
    if there == "in":
        h.policy("in", incoming, h.template(sa), about=NO_POLICY)
    else:
        h.policy("out", outgoing, h.template(away), about=NO_POLICY)
    h.enters("plain", outgoing, NO_POLICY)
    h.enters("wire", s.peer(sa).protect(incoming, 1), NO_POLS if there == "out" else NO_POLICY)
    h.counters(NO_POLICY)


@check(APART, proved_by=("xfrm-boundary-either-direction",))
def directions_apart(s: Scenario) -> None:
    """A policy for all traffic in one direction says nothing of the other."""
    h = _host(s, blocked=True)
    back, away = h.sa("in", mode="tunnel"), h.sa("out", mode="tunnel")
    version = h.version_in(back, away)
    direction = s.choose(_DIRECTIONS)
    everything = TrafficSelector(version=6 if version == 6 else 4)
    protects = "bypass" not in h.caps.actions or s.draw(st.booleans())
    templates = (h.template(away if direction == "out" else back),) if protects else ()
    h.set(Policy(name="one", direction=direction, selector=everything, templates=templates), APART)
    h.enters("plain", h.outgoing(version), APART)
    h.enters("wire", s.peer(back).protect(h.incoming(version), 1), APART)
    h.counters(APART)


@check(CONSULTED, proved_by=("xfrm-boundary-clear-for-others",))
def in_the_clear(s: Scenario) -> None:
    """What arrives in the clear meets the policies inwards, for the host and for others, bypass and discard."""
    h = _host(s, blocked=s.draw(st.booleans()))
    s.need("bypass and discard", {"bypass", "discard"} <= set(h.caps.actions))
    version = s.choose(h.versions())
    packet = s.draw(st.sampled_from((h.incoming(version), h.to_us(version))))
    h.policy("in", packet, about=CONSULTED, action=s.draw(st.sampled_from(("allow", "block"))))
    h.enters("wire", packet, CONSULTED)
    h.counters(CONSULTED)


@check(CONSULTED, IN_THE_CLEAR, weight=2.0, proved_by=("xfrm-boundary-let-in-by-one-that-went",))
def random_life(s: Scenario) -> None:
    """Policies and SAs come and go while packets go through, in any order; inward no two policies are for one packet."""
    HostLife(_host(s, blocked=s.draw(st.booleans())), CONSULTED, apart=True).walk()


@check(FLUSHED, proved_by=("xfrm-boundary-flushed-outwards",))
def policies_flushed(s: Scenario) -> None:
    """Behind a flush no policy is there, in either direction; each can be made again."""
    h = _host(s, blocked=True)
    away, back = h.sa("out", mode="tunnel"), h.sa("in", mode="tunnel")
    version = h.version_in(away, back)
    outgoing, incoming = h.outgoing(version), h.incoming(version)
    made = [
        h.policy("out", outgoing, h.template(away), about=FLUSHED),
        h.policy("in", incoming, h.template(back), about=FLUSHED),
    ]
    for number in (1, 2, 3):
        h.enters("plain", outgoing, FLUSHED)
        h.enters("wire", s.peer(back).protect(incoming, number), FLUSHED)
        if number == 1:
            h.flush("policies", FLUSHED)
        if number == 2:
            h.set(s.draw(st.sampled_from(made)), FLUSHED)
    h.counters(FLUSHED)
