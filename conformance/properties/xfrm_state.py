"""The SAs of a host: which one a packet came for, which one it leaves under, and what becomes of it without."""

from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st

from espproof.adapters.case import Lifetime, Sa
from espproof.conformance.checks.host import REACHES_LIMIT, HostScenario
from espproof.conformance.checks.registry import check
from espproof.conformance.checks.scenario import Scenario
from espproof.conformance.requirements.ids import counter_rule
from espproof.reference import ip

OF_ENTRY, REPLACED = "RFC4301-5.1-sa-of-entry", "RFC4301-4.4.2.1-lifetime-replaced"
OUTLIVE = "RFC4301-5-sas-outlive-entries"
LONGEST = "RFC4301-4.1-longest-match"
IN_NO_STATES, OUT_NO_STATES = counter_rule("XfrmInNoStates"), counter_rule("XfrmOutNoStates")
IN_EXPIRED, OUT_EXPIRED = counter_rule("XfrmInStateExpired"), counter_rule("XfrmOutStateExpired")
MISMATCH = counter_rule("XfrmInStateMismatch")


@check(
    OF_ENTRY,
    OUT_NO_STATES,
    weight=2.0,
    proved_by=(
        "xfrm-state-request-not-compared",
        "xfrm-state-spi-not-compared",
    ),
)
def the_one_that_fits(s: Scenario) -> None:
    """A template asks for a request id, and an SPI where it names one: an SA that differs in one is not taken."""
    h = HostScenario(s)
    sa = h.sa("out", mode="tunnel")
    changes: list[dict[str, Any]] = [{"reqid": sa.reqid + 1}]
    changes += [{"spi": sa.spi ^ 0x1100}] if "spi" in h.caps.templates else []
    _one_of_twins(h, sa, s.draw(st.sampled_from(changes)))


@check(OF_ENTRY, OUT_NO_STATES, weight=2.0, proved_by=("xfrm-state-ends-not-compared",))
def the_one_with_its_ends(s: Scenario) -> None:
    """A template asks for both ends of a tunnel: an SA that differs in one is not taken."""
    h = HostScenario(s)
    sa = h.sa("out", mode="tunnel")
    near, far = s.other_gateways(sa)
    changes: tuple[dict[str, Any], ...] = ({"source": near}, {"destination": far})
    _one_of_twins(h, sa, s.draw(st.sampled_from(changes)))


def _one_of_twins(h: HostScenario, sa: Sa, change: Mapping[str, Any]) -> None:
    """Two SAs that differ so, or the first alone; one of them is asked for."""
    s = h.s
    twin = s.changed(sa, **{"name": "twin", "spi": sa.spi ^ 0x0101, **s.fresh_keys(sa, 3), **change})
    if s.draw(st.booleans()):
        s.with_fields(twin)
    packet = h.outgoing(h.version_in(sa))
    asked = s.draw(st.sampled_from((sa, twin)))
    spi = s.draw(st.sampled_from((0, asked.spi))) if "spi" in h.caps.templates else 0
    h.policy("out", packet, h.template(asked, spi=spi), about=OF_ENTRY)
    for _ in range(2):
        h.enters("plain", packet, OF_ENTRY)
    h.counters(OUT_NO_STATES)


@check(REPLACED, weight=2.0, proved_by=("xfrm-state-oldest-of-a-request",))
def rekeyed_outbound(s: Scenario) -> None:
    """A new SA takes over from the old one as soon as it is there: no packet is lost, or in the clear."""
    h = HostScenario(s)
    s.need("delete_sa", s.caps.delete_sa)
    old = h.sa("out", mode="tunnel")
    packet = h.outgoing(h.version_in(old))
    h.policy("out", packet, h.template(old), about=REPLACED)
    for round_number in range(s.draw(st.integers(1, 3))):
        for _ in range(s.draw(st.integers(0, 3))):
            h.enters("plain", packet, REPLACED)
        new = s.changed(old, name=f"new{round_number}", spi=old.spi ^ 0x2211, **s.fresh_keys(old, round_number))
        s.add(new, REPLACED)
        h.enters("plain", packet, REPLACED)
        s.delete(old, REPLACED)
        h.enters("plain", packet, REPLACED)
        old = new
    h.counters(REPLACED)


@check(REPLACED, weight=2.0, proved_by=("xfrm-state-deleted-by-its-twin",))
def rekeyed_inbound(s: Scenario) -> None:
    """Packets of the old SA are let in until it is deleted, beside those of the new one."""
    h = HostScenario(s)
    s.need("delete_sa", s.caps.delete_sa)
    old = h.sa("in", mode="tunnel")
    packet = h.incoming(h.version_in(old))
    h.policy(h.inward, packet, h.template(old), about=REPLACED)
    h.enters("wire", s.peer(old).protect(packet, 1), REPLACED)
    new = s.changed(old, name="new", spi=old.spi ^ 0x2211, **s.fresh_keys(old, 1))
    s.add(new, REPLACED)
    for number in range(1, s.draw(st.integers(2, 4))):
        h.enters("wire", s.peer(new).protect(packet, number), REPLACED)
        h.enters("wire", s.peer(old).protect(packet, number + 1), REPLACED)
    s.delete(old, REPLACED)
    h.enters("wire", s.peer(old).protect(packet, 9), IN_NO_STATES)
    h.enters("wire", s.peer(new).protect(packet, 9), REPLACED)
    h.counters(IN_NO_STATES)


@check(IN_NO_STATES, proved_by=("xfrm-state-spi-alone",))
def nobody_to_receive(s: Scenario) -> None:
    """Another SPI, or another address of ours, is nobody's packet where the SA is found by both."""
    h = HostScenario(s)
    sa = h.sa("in", mode="tunnel")
    packet = h.incoming(h.version_in(sa))
    h.policy(h.inward, packet, h.template(sa), about=IN_NO_STATES)
    near = s.other_gateways(sa)[0]
    others: tuple[dict[str, Any], ...] = ({"spi": sa.spi ^ 0x10001}, {"destination": near})
    h.enters("wire", s.peer_of(sa, **s.draw(st.sampled_from(others))).protect(packet, 1), IN_NO_STATES)
    h.enters("wire", s.peer(sa).protect(packet, 1), IN_NO_STATES)
    h.counters(IN_NO_STATES)


@check(
    LONGEST,
    IN_NO_STATES,
    weight=2.0,
    proved_by=("xfrm-state-least-specific-first", "xfrm-state-source-not-compared"),
)
def the_most_specific(s: Scenario) -> None:
    """Of SAs with one SPI, each found by something else, a packet comes by the one that asks for most of what it has,
    if it is there, by the next, or by none."""
    h = HostScenario(s)
    s.need("lookup by more than one", len(s.caps.lookup) > 1)
    base = h.sa("in", mode="tunnel", add=False)
    packet = h.incoming(h.version_in(base))
    h.policy(h.inward, packet, h.template(base), about=LONGEST)
    kinds = s.draw(st.lists(st.sampled_from(s.caps.lookup), min_size=1, unique=True))
    sas = [
        s.with_fields(base, name=f"{base.name}-{n}", lookup=kind, **s.fresh_keys(base, n))
        for n, kind in enumerate(kinds)
    ]
    near = s.other_gateways(base)[0]
    for number in range(1, s.draw(st.integers(1, 5)) + 1):
        sa = s.draw(st.sampled_from(sas))
        other: dict[str, Any] = s.draw(st.sampled_from(({}, {"source": s.stranger_address(sa)}, {"destination": near})))
        h.enters("wire", s.peer_of(sa, **other).protect(packet, number), LONGEST)
    h.counters(IN_NO_STATES)


@check(
    IN_EXPIRED,
    OUT_EXPIRED,
    weight=2.0,
    proved_by=(
        "xfrm-state-limit-of-what-arrives",
        "xfrm-state-end-in-silence",
    ),
)
def hard_limits(s: Scenario) -> None:
    """The packet that finds a hard limit reached is discarded and counted as such; where the SA has gone with the packet
    that reached it, as one without an SA. How soon an SA goes is nobody's business."""
    h = HostScenario(s)
    s.need("lifetime packets", "packets" in s.caps.lifetimes)
    direction = s.choose(("out", "in"))
    limit = s.draw(st.integers(1, 3))
    sa = h.sa(direction, mode="tunnel", lifetime=Lifetime(hard_packets=limit))
    about = OUT_EXPIRED if direction == "out" else IN_EXPIRED
    version = h.version_in(sa)
    packet = h.outgoing(version) if direction == "out" else h.incoming(version)
    h.policy("out" if direction == "out" else h.inward, packet, h.template(sa), about=about)
    for number in range(1, limit + 2):
        sent = packet if direction == "out" else s.peer(sa).protect(packet, number)
        behaviour = REACHES_LIMIT if number == limit else ""
        h.enters("plain" if direction == "out" else "wire", sent, about, behaviour=behaviour)
    h.counters(about)


@check(MISMATCH, proved_by=("xfrm-state-selectors-of-sas-ignored",))
def not_its_traffic(s: Scenario) -> None:
    """What comes out of an SA and is not what its selectors say is discarded, though a policy would let it in."""
    h = HostScenario(s)
    s.need("selectors", s.caps.selectors)
    s.need("selectors of SAs", h.caps.sa_selectors)
    sa = h.sa("in", mode="tunnel", add=False)
    packet = h.incoming(h.version_in(sa))
    fits = s.draw(st.booleans())
    sa = s.with_fields(sa, selectors=(s.selector(ip.parse(packet), fits=fits),))
    h.policy(h.inward, packet, h.template(sa), about=MISMATCH)
    h.enters("wire", s.peer(sa).protect(packet, 1), MISMATCH)
    h.counters(MISMATCH)


@check(OUTLIVE, records=True)
def without_their_policy(s: Scenario) -> None:
    """Whether an SA is there when the policy that led to it has gone."""
    h = HostScenario(s)
    sa = h.sa("out", mode="tunnel")
    packet = h.outgoing(h.version_in(sa))
    made = h.policy("out", packet, h.template(sa), about=OUTLIVE)
    h.enters("plain", packet, OUTLIVE)
    h.delete(made, OUTLIVE)
    s.read(sa, OUTLIVE)


@check(MISMATCH, proved_by=("xfrm-state-encapsulation-not-compared",))
def encapsulated_or_not(s: Scenario) -> None:
    """An SA in UDP takes no bare ESP; and what comes in UDP to its port is for SAs in UDP alone."""
    h = HostScenario(s)
    s.need("udp", s.caps.udp)
    inside, bare = h.sa("in", mode="tunnel", udp=True), h.sa("in", mode="tunnel", udp=False)
    s.need("SAs of one IP version", s.outer_version(inside) == s.outer_version(bare))
    packet = h.incoming(h.version_in(inside, bare))
    for sa in (inside, bare):
        h.policy(h.inward, packet, h.template(sa), about=MISMATCH, replace=True)
        h.enters("wire", s.peer(sa).protect(packet, 1), MISMATCH)
        h.counters(MISMATCH)
        h.enters("wire", s.peer_of(sa, udp=bare.udp if sa is inside else inside.udp).protect(packet, 2), MISMATCH)
        h.counters(MISMATCH)
