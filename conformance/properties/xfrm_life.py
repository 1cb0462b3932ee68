"""What a key manager is asked for, and what it does about that: requests for SAs, and rekeys."""

from typing import Any

from hypothesis import strategies as st

from espproof.adapters.case import Sa
from espproof.conformance.checks.host import LONGER_THAN_LARVAL, HostScenario
from espproof.conformance.checks.registry import check
from espproof.conformance.checks.scenario import Scenario
from espproof.conformance.machines.key_managed_life import KeyManagedLife
from espproof.conformance.requirements.ids import IN_THE_CLEAR, counter_rule

ASKED, FLOW = "RFC4301-5.1-key-manager-asked", "RFC2367-3.1.6-flow-told"
ACQUIRE_EXPIRES = "LINUX.xfrm_sysctl-core-acq-expires"
REPLACED = "RFC4301-4.4.2.1-lifetime-replaced"
OUT_NO_STATES = counter_rule("XfrmOutNoStates")


# ----------------------------------------------------------------------------------------------------------- requests


@check(
    ASKED,
    OUT_NO_STATES,
    weight=2.0,
    proved_by=(
        "xfrm-life-asked-by-each-packet",
        "xfrm-life-answered-by-nobody",
        "xfrm-life-asked-for-the-packets-ends",
        "xfrm-life-waiting-packets-uncounted",
    ),
)
def asked_once(s: Scenario) -> None:
    """The first packet without its SA makes one request, those behind it none; the SA ends the request."""
    h = HostScenario(s, events=("acquire",))
    s.need("delete_sa", s.caps.delete_sa)
    sa = h.sa("out", mode="tunnel", add=False)
    version = h.version_in(sa)
    packet = h.outgoing(version)
    h.policy("out", packet, h.template(sa), about=ASKED)
    h.events(ASKED)
    for _ in range(s.draw(st.integers(1, 4))):
        h.enters("plain", packet, ASKED)
    h.events(ASKED)
    h.enters("plain", packet, ASKED)
    h.events(ASKED)
    s.add(sa, ASKED)
    h.enters("plain", packet, ASKED)
    h.events(ASKED)
    if s.draw(st.booleans()):
        s.delete(sa, ASKED)
        h.enters("plain", packet, ASKED)
        h.events(ASKED)
    h.counters(OUT_NO_STATES)


@check(ASKED, proved_by=("xfrm-life-one-request-at-a-time",))
def asked_for_each(s: Scenario) -> None:
    """Policies that ask for different SAs make a request each; those that ask for one and the same, one."""
    h = HostScenario(s, events=("acquire",))
    first = h.sa("out", mode="tunnel", add=False)
    version = h.version_in(first)
    near, far = s.other_gateways(first)
    changes: tuple[dict[str, Any], ...] = ({}, {"reqid": first.reqid + 1}, {"source": near}, {"destination": far})
    second = s.changed(first, name="second", **s.draw(st.sampled_from(changes)))
    for protocol, sa in ((17, first), (6, second)):
        sent = h.message(version, protocol, 1000, 2000)
        h.policy("out", sent, h.template(sa), about=ASKED, selector=h.selector(sent, protocol=protocol))
    for protocol in s.draw(st.permutations((17, 6, 17, 6))):
        h.enters("plain", h.message(version, protocol, 1000, 2000), ASKED)
    h.events(ASKED)


@check(FLOW, proved_by=("xfrm-life-ports-of-the-other-way",))
def flow_of_a_request(s: Scenario) -> None:
    """A request has the flow of its packet, and the ends of the SA that is wanted."""
    h = HostScenario(s, events=("acquire",))
    sa = h.sa("out", mode="tunnel", add=False)
    version = h.version_in(sa)
    protocol = s.draw(st.sampled_from((6, 17, 58 if version == 6 else 1, 253)))
    if protocol == 253:
        packet = h.outgoing(version)
    elif protocol in (1, 58):
        packet = h.message(version, protocol, 128 if version == 6 else 8, 0)
    else:
        packet = h.message(version, protocol, s.draw(st.integers(1, 65535)), s.draw(st.integers(1, 65535)))
    whole = s.draw(st.booleans())
    everything: dict[str, Any] = {} if whole else {"source": None, "destination": None}
    h.policy("out", packet, h.template(sa), about=FLOW, selector=h.selector(packet, **everything))
    h.enters("plain", packet, FLOW)
    h.events(FLOW)


@check(ASKED, proved_by=("xfrm-life-asked-for-what-arrives",))
def nobody_asked(s: Scenario) -> None:
    """Nothing is asked for a packet that needs no SA: one that is blocked, passes, or arrives unprotected."""
    h = HostScenario(s, events=("acquire",))
    sa = h.sa("out", mode="tunnel", add=False)
    version = h.version_in(sa)
    away, here = h.outgoing(version), h.incoming(version)
    h.policy("out", away, about=ASKED, action=s.draw(st.sampled_from(("allow", "block"))))
    h.policy(h.inward, here, h.template(h.sa("in", mode="tunnel", add=False)), about=ASKED)
    h.enters("plain", away, ASKED)
    h.enters("wire", here, ASKED)
    h.events(ASKED)


@check(
    ACQUIRE_EXPIRES,
    ASKED,
    IN_THE_CLEAR,
    proved_by=(
        "xfrm-life-request-for-ever",
        "xfrm-life-clear-while-asked",
    ),
)
def asked_again(s: Scenario) -> None:
    """A request that nobody answers ends after a time; the next packet asks again, and nothing leaves meanwhile."""
    h = HostScenario(s, events=("acquire",))
    sa = h.sa("out", mode="tunnel", add=False)
    packet = h.outgoing(h.version_in(sa))
    h.policy("out", packet, h.template(sa), about=ACQUIRE_EXPIRES)
    h.enters("plain", packet, ACQUIRE_EXPIRES)
    s.wait(s.draw(st.integers(1, 25)), ACQUIRE_EXPIRES)
    h.enters("plain", packet, IN_THE_CLEAR)
    h.events(ASKED)
    s.wait(LONGER_THAN_LARVAL, ACQUIRE_EXPIRES)
    h.enters("plain", packet, ACQUIRE_EXPIRES)
    h.events(ACQUIRE_EXPIRES)


# -------------------------------------------------------------------------------------------------------------- rekey


@check(REPLACED, IN_THE_CLEAR, weight=3.0, proved_by=("xfrm-life-broken-before-made",))
def two_ends_rekey(s: Scenario) -> None:
    """A rekey as its two ends do it: the new SAs are made while the old ones carry, packets of the old one come late, and
    the old ones go in either order. Nothing is lost while its SA is there, and nothing leaves in the clear."""
    h = HostScenario(s, events=("acquire",))
    s.need("delete_sa", s.caps.delete_sa)
    out, into = h.pair(mode="tunnel")
    version = h.version_in(out, into)
    away, here = h.outgoing(version), h.incoming(version)
    h.policy("out", away, h.template(out), about=REPLACED)
    h.policy(h.inward, here, h.template(into), about=REPLACED)
    numbers: dict[str, int] = {}

    def carry(*receiving: Sa) -> None:
        h.enters("plain", away, REPLACED)
        for sa in receiving:
            numbers[sa.name] = numbers.get(sa.name, 0) + 1
            h.enters("wire", s.peer(sa).protect(here, numbers[sa.name]), REPLACED)

    carry(into)
    for turn in range(s.draw(st.integers(1, 2))):
        new_out, new_in = (
            s.changed(old, name=f"{old.direction}{turn}", spi=old.spi ^ (0x1200 << turn), **s.fresh_keys(old, turn + 3))
            for old in (out, into)
        )
        late = [s.peer(into).protect(here, 20 + number) for number in range(2)]
        if s.draw(st.booleans()) and h.caps.reserve_spi and h.caps.update_sa:
            h.reserve(new_in, REPLACED)
            carry(into)
            h.update(new_in, REPLACED)
        else:
            s.add(new_in, REPLACED)
        carry(into)
        s.add(new_out, REPLACED)
        carry(into, new_in)
        h.enters("wire", late[0], REPLACED)
        for old in s.draw(st.permutations((out, into))):
            s.delete(old, REPLACED)
            carry(new_in)
        h.enters("wire", late[1], REPLACED)
        out, into = new_out, new_in
    h.events(REPLACED)
    h.counters(REPLACED)


@check(ASKED, weight=3.0, proved_by=("xfrm-life-answered-by-nobody",))
def random_life(s: Scenario) -> None:
    """Policies, SAs and reservations come and go between packets; what was told is read, and the counters at the end."""
    KeyManagedLife(HostScenario(s, events=("acquire",)), ASKED).walk()
