"""Policies: which one decides about a packet, and that it gets what that one says (RFC 4301 4.4.1, 5).

Traffic goes from the near host to the far one (and is protected) or back; what a policy does is seen at the sides.
"""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from hypothesis import strategies as st

from espproof.adapters.case import HostDirection, Policy, Sa, Side, Template, TrafficSelector
from espproof.conformance.checks import visible
from espproof.conformance.checks.host import HostScenario
from espproof.conformance.checks.registry import check
from espproof.conformance.checks.scenario import Scenario
from espproof.conformance.requirements.ids import IN_THE_CLEAR, counter_rule
from espproof.conformance.strategies import packets, upper_layers
from espproof.reference import ip

ORDERED, ORDER_SET = "RFC4301-4.4.1-ordered", "RFC4301-4.4.1-order-set"
INBOUND_ORDERED = "RFC4301-4.4.1-inbound-ordered"
DISCARD, BYPASS, PROTECT = "RFC4301-4.4.1-discard", "RFC4301-4.4.1-bypass", "RFC4301-4.4.1-protect"
REQUIRED, APART = "RFC4301-4.4.1-protection-required", "RFC4301-4.4.1-directions-apart"
ENDS, ONE_WAY = "RFC4301-4.4.1.2-tunnel-ends", "RFC4301-4.4.1.3-one-way"
NO_POLICY, CACHE, NESTED = "RFC4301-5-no-policy-discarded", "RFC4301-5-cache-agrees", "RFC4301-5.1-nested"
TEMPLATES = counter_rule("XfrmInTmplMismatch")
NO_POLS = counter_rule("XfrmInNoPols")
IN_BLOCK, OUT_BLOCK = counter_rule("XfrmInPolBlock"), counter_rule("XfrmOutPolBlock")

DIRECTIONS: tuple[HostDirection, ...] = ("out", "forward", "in")


def way_in(version: int, h: HostScenario, direction: HostDirection) -> tuple[Side, bytes]:
    """Where a packet of that direction enters, and a packet."""
    if direction == "in":
        return "wire", h.to_us(version)
    return ("plain", h.outgoing(version)) if direction == "out" else ("wire", h.incoming(version))


# --------------------------------------------------------------------------------------------------------- the order


@check(ORDERED, ORDER_SET, weight=3.0, proved_by=("xfrm-policy-most-specific",))
def first_decides(s: Scenario) -> None:
    """Of several policies for a packet the one with the lowest priority decides."""
    h = HostScenario(s)
    s.need("priorities", h.caps.priorities > 1)
    _decided_by_one(h, st.permutations, (7, 8, 6, 3, 0, 2**31))


@check(
    ORDERED,
    ORDER_SET,
    weight=3.0,
    proved_by=(
        "xfrm-policy-tie-to-the-inexact",
        "xfrm-policy-youngest-of-equals",
    ),
)
def oldest_of_equals(s: Scenario) -> None:
    """Of policies with the same priority the oldest decides, whatever their selectors."""
    _decided_by_one(HostScenario(s), lambda all_: st.lists(st.sampled_from(all_), min_size=6, max_size=6), (1, 1, 0))


def _decided_by_one(
    h: HostScenario, priorities: Callable[[tuple[int, ...]], st.SearchStrategy[list[int]]], wanted: tuple[int, ...]
) -> None:
    s = h.s
    one, two = h.sa("out", mode="tunnel"), h.sa("out", mode="tunnel")
    packet = h.outgoing(h.version_in(one, two))
    bits = 8 * len(ip.parse(packet).source)
    lengths = st.sampled_from((bits, bits - 1, bits, bits // 2, bits, 8, 0))
    protocols = st.sampled_from((None, packets.EXPERIMENTAL, None, upper_layers.TCP))
    kinds = s.draw(st.lists(st.tuples(lengths, lengths, protocols), min_size=2, max_size=6, unique=True))
    drawn = s.draw(priorities(visible.priorities(h, *wanted)))
    for (source, destination, protocol), priority in zip(kinds, drawn, strict=False):
        templates, action = s.draw(st.sampled_from(visible.fates(h, one, two)))
        h.policy(
            "out", packet, *templates, about=ORDER_SET, priority=priority, action=action,
            selector=within(h, packet, source, destination, protocol),
        )  # fmt: skip
        h.enters("plain", packet, ORDERED)
        h.enters("plain", packet, ORDER_SET)
    h.counters(ORDERED)


def within(h: HostScenario, packet: bytes, source: int, destination: int, protocol: int | None) -> TrafficSelector:
    """Prefixes of these lengths that the packet's addresses have."""
    parsed = ip.parse(packet)
    return h.selector(
        packet,
        source=packets.prefix(parsed.source, source),
        destination=packets.prefix(parsed.destination, destination),
        protocol=protocol,
    )


@check(ORDERED, records=True)
def set_again(s: Scenario) -> None:
    """Which of two policies of one priority is the older one, when one of them has been set again."""
    h = HostScenario(s)
    s.need("priorities", h.caps.priorities > 7)
    packet = h.outgoing(s.choose(h.versions()))
    bits = 8 * len(ip.parse(packet).source)
    first = h.policy("out", packet, about=ORDERED, action="block", priority=7)
    h.policy("out", packet, about=ORDERED, priority=7, selector=within(h, packet, bits, bits - 1, None))
    h.set(msgspec.structs.replace(first, name="again"), ORDERED, replace=True)
    h.enters("plain", packet, ORDERED, behaviour="which of equal policies decides when the older one was set again")


@check(INBOUND_ORDERED, weight=2.0, proved_by=("xfrm-policy-inbound-in-their-order",))
def first_decides_inbound(s: Scenario) -> None:
    """What comes out of an SA is verified by the first policy that it fits, also after changes between packets."""
    h = HostScenario(s)
    s.need("priorities", h.caps.priorities > 1)
    right, other = h.sa("in", mode="tunnel"), h.sa("in", mode="tunnel")
    packet = h.incoming(h.version_in(right, other))
    bits = 8 * len(ip.parse(packet).source)
    lengths = s.draw(st.lists(st.sampled_from((bits, bits - 1, 8, 0)), min_size=2, max_size=4, unique=True))
    priorities = s.draw(st.permutations(visible.priorities(h, 5, 4, 6, 3)))
    for number, (length, priority) in enumerate(zip(lengths, priorities, strict=False), 1):
        templates, action = s.draw(st.sampled_from(visible.fates(h, right, other)))
        h.policy(
            h.inward, packet, *templates, about=INBOUND_ORDERED, priority=priority, action=action,
            selector=within(h, packet, length, bits, None),
        )  # fmt: skip
        h.enters("wire", s.peer(right).protect(packet, number), INBOUND_ORDERED)
    h.counters(INBOUND_ORDERED)


@check(CACHE, weight=2.0, proved_by=("xfrm-policy-flow-cache",))
def changes_between_packets(s: Scenario) -> None:
    """One flow, while policies and SAs come and go: each packet meets them as they are then."""
    h = HostScenario(s)
    sa = h.sa("out", mode="tunnel")
    packet = h.outgoing(h.version_in(sa))
    protecting = h.policy("out", packet, h.template(sa), about=CACHE, priority=min(10, h.caps.priorities - 1))
    besides = ("in front", "behind", "changed") if {"discard", "bypass"} <= set(h.caps.actions) else ()
    for _ in range(s.draw(st.integers(1, 4))):
        h.enters("plain", packet, CACHE)
        kind = s.draw(st.sampled_from((*besides, "gone and back")))
        if kind == "gone and back":
            h.delete(protecting, CACHE)
            h.enters("plain", packet, CACHE)
            h.set(protecting, CACHE)
        else:
            priority = {"in front": 5, "behind": 15, "changed": 10}[kind]
            action = s.draw(st.sampled_from(("block", "allow")))
            selector = h.selector(packet, **({} if kind == "changed" else {"source": None}))
            made = h.policy(
                "out", packet, about=CACHE, action=action, priority=priority, replace=True, selector=selector
            )
            h.enters("plain", packet, CACHE)
            h.delete(made, CACHE)
            h.set(protecting, CACHE, replace=True)
    h.enters("plain", packet, CACHE)
    h.counters(CACHE)


# -------------------------------------------------------------------------------------------------------- the actions


@check(
    DISCARD,
    BYPASS,
    IN_BLOCK,
    OUT_BLOCK,
    weight=2.0,
    proved_by=(
        "xfrm-policy-block-forwarded-only",
        "xfrm-policy-bypass-discarded",
        "xfrm-policy-block-in-silence",
    ),
)
def discard_and_bypass(s: Scenario) -> None:
    """A policy that blocks stops packets of its direction, one without templates lets them pass as they are."""
    h = HostScenario(s)
    s.need("bypass and discard", {"bypass", "discard"} <= set(h.caps.actions))
    version = s.choose(h.versions())
    direction = s.choose(h.directions)
    side, packet = way_in(version, h, direction)
    for action, about in s.draw(st.permutations((("block", DISCARD), ("allow", BYPASS)))):
        h.policy(direction, packet, about=about, action=action, replace=True)
        h.enters(side, packet, about)
    h.counters(DISCARD)


@check(APART, ONE_WAY, proved_by=("xfrm-policy-forward-is-in",))
def directions_apart(s: Scenario) -> None:
    """A policy is for its own direction: the same selector in another says nothing."""
    h = HostScenario(s)
    s.need("policies for what is forwarded", h.forward)
    version = s.choose(h.versions())
    direction = s.choose(DIRECTIONS)
    everything = TrafficSelector(version=6 if version == 6 else 4)
    h.set(Policy(name="one", direction=direction, selector=everything, action="block"), APART)
    for other in s.draw(st.permutations(DIRECTIONS)):
        side, packet = way_in(version, h, other)
        h.enters(side, packet, APART if other != direction else ONE_WAY)
    h.counters(APART)


@check(PROTECT, ENDS, weight=2.0, proved_by=("xfrm-policy-sa-of-another",))
def protected_as_named(s: Scenario) -> None:
    """Of several SAs a packet gets the one that its policy's template names, by its ends and its request id."""
    h = HostScenario(s)
    sas = [h.sa("out", mode="tunnel") for _ in range(3)]
    packet = h.outgoing(h.version_in(*sas))
    chosen: Sa = s.draw(st.sampled_from(sas))
    h.policy("out", packet, h.template(chosen), about=PROTECT)
    h.enters("plain", packet, PROTECT)
    h.enters("plain", packet, ENDS)
    h.counters(PROTECT)


@check(
    NO_POLICY,
    NO_POLS,
    weight=2.0,
    proved_by=(
        "xfrm-policy-nobodys-tunnel",
        "xfrm-policy-default-forgotten",
        "xfrm-policy-bypass-overruled",
    ),
)
def without_policy(s: Scenario) -> None:
    """Where no policy is for a packet it is discarded if the SPD ends so; what came out of a tunnel is in any case."""
    blocked = s.draw(st.sets(st.sampled_from(DIRECTIONS)))
    h = HostScenario(s, blocked=sorted(blocked))
    s.need("policies for what is forwarded", h.forward)
    sa = h.sa("in", mode="tunnel")
    version = h.version_in(sa)
    for direction in s.draw(st.permutations(DIRECTIONS)):
        side, packet = way_in(version, h, direction)
        if direction == "out":
            h.policy("forward", packet, about=NO_POLICY)
        h.enters(side, packet, NO_POLICY)
    h.enters("wire", s.peer(sa).protect(h.incoming(version), 1), NO_POLS)
    h.counters(NO_POLICY)


# ------------------------------------------------------------------------------------------------------ what is required


@check(
    REQUIRED,
    TEMPLATES,
    weight=3.0,
    proved_by=(
        "xfrm-policy-any-sa-will-do",
        "xfrm-policy-clear-is-let-in",
    ),
)
def required_of_what_arrives(s: Scenario) -> None:
    """What arrives in the clear, or over an SA of another request, SPI or end here, is not what the policy requires."""
    h = HostScenario(s)
    sa = h.sa("in", mode="tunnel")
    asked: list[dict[str, Any]] = [{}, {"reqid": sa.reqid + 1}]
    asked += [{"reqid": 0}] if "any" in h.caps.templates else []
    asked += [{"spi": sa.spi}, {"spi": sa.spi ^ 0x10000}] if "spi" in h.caps.templates else []
    _arrives_over(h, sa, s.draw(st.sampled_from(asked)))


@check(REQUIRED, TEMPLATES, weight=2.0, proved_by=("xfrm-policy-near-end-of-no-interest",))
def near_end_of_what_arrives(s: Scenario) -> None:
    """An SA that ends at another address of the host is not what the policy requires."""
    h = HostScenario(s)
    sa = h.sa("in", mode="tunnel")
    _arrives_over(h, sa, {"destination": s.other_gateways(sa)[0]})


@check(
    REQUIRED,
    TEMPLATES,
    weight=2.0,
    proved_by=("xfrm-policy-ends-in-the-wrong-family",),
)
def far_end_of_what_arrives(s: Scenario) -> None:
    """The far end of the tunnel is required as its other end is: an SA from another gateway will not do."""
    h = HostScenario(s)
    sa = h.sa("in", mode="tunnel")
    far = s.other_gateways(sa)[1]
    asked: list[dict[str, Any]] = [{"source": far}]
    asked += [{"source": far, "reqid": 0}] if "any" in h.caps.templates else []
    _arrives_over(h, sa, s.draw(st.sampled_from(asked)))


def _arrives_over(h: HostScenario, sa: Sa, asked: Mapping[str, Any]) -> None:
    packet = h.incoming(h.version_in(sa))
    h.policy(h.inward, packet, h.template(sa, **asked), about=REQUIRED)
    if h.caps.clear:
        h.enters("wire", packet, REQUIRED)
    h.enters("wire", h.s.peer(sa).protect(packet, 1), TEMPLATES)
    h.counters(TEMPLATES)


@check(IN_THE_CLEAR, TEMPLATES, proved_by=("xfrm-policy-esp-for-another-protocol", "xfrm-policy-esp-came-for-another"))
def another_protocol_required(s: Scenario) -> None:
    """Where AH or IPComp is asked for an SA of ESP will not do, whatever else of it is right."""
    h = HostScenario(s)
    s.need("protocols besides ESP", h.caps.protocols)
    protocol = s.choose(h.caps.protocols)
    direction = s.choose(("out", "in"))
    sa = h.sa(direction, mode="tunnel")
    version = h.version_in(sa)
    if direction == "out":
        h.policy("out", h.outgoing(version), h.template(sa, protocol=protocol), about=IN_THE_CLEAR)
        h.enters("plain", h.outgoing(version), IN_THE_CLEAR)
    else:
        h.policy(h.inward, h.incoming(version), h.template(sa, protocol=protocol), about=TEMPLATES)
        h.enters("wire", s.peer(sa).protect(h.incoming(version), 1), TEMPLATES)
    h.counters(TEMPLATES if direction == "in" else IN_THE_CLEAR)


@check(PROTECT, IN_THE_CLEAR, proved_by=("xfrm-policy-optional-is-all",))
def optional_beside_required(s: Scenario) -> None:
    """Where an optional SA is not there the packet goes on without it, and without a required one it does not."""
    h = HostScenario(s)
    s.need("optional templates", "optional" in h.caps.templates)
    sa = h.sa("out", mode="tunnel")
    packet = h.outgoing(h.version_in(sa))
    missing = Template(mode="transport", reqid=sa.reqid + 500, optional=True)
    there = s.draw(st.booleans())
    required = h.template(sa, reqid=sa.reqid if there else sa.reqid + 1)
    h.policy("out", packet, missing, required, about=PROTECT)
    for _ in range(2):
        h.enters("plain", packet, PROTECT if there else IN_THE_CLEAR)
    h.counters(PROTECT)


@check(NESTED, weight=2.0, proved_by=("xfrm-policy-bundle-inside-out",))
def nested(s: Scenario) -> None:
    """Several templates are several SAs around a packet, the first innermost; it is let in with all of them, in order."""
    h = HostScenario(s)
    s.need("several templates", "several" in h.caps.templates)
    inner, outer = h.sa("out", mode="tunnel"), h.sa("out", mode="tunnel")
    s.need("a tunnel in a tunnel", s.outer_version(inner) in s.versions(outer))
    packet = h.outgoing(h.version_in(inner))
    h.policy("out", packet, h.template(inner), h.template(outer), about=NESTED)
    for _ in range(2):
        h.enters("plain", packet, NESTED)
    h.counters(NESTED)


@check(NESTED, weight=2.0, proved_by=("xfrm-policy-templates-in-any-order",))
def nested_inbound(s: Scenario) -> None:
    """What arrives is taken out of its SAs one after the other, and is let in with exactly those that are required."""
    h = HostScenario(s)
    s.need("several templates", "several" in h.caps.templates)
    inner, outer = h.sa("in", mode="tunnel"), h.sa("in", mode="tunnel")
    s.need("a tunnel in a tunnel", s.outer_version(inner) in s.versions(outer))
    packet = h.incoming(h.version_in(inner))
    asked = s.draw(
        st.sampled_from(
            ((inner, outer), (outer, inner), (inner,), (outer,), (inner, outer, inner)),
        )
    )
    h.policy(h.inward, packet, *map(h.template, asked), about=NESTED)
    h.enters("wire", s.peer(outer).protect(s.peer(inner).protect(packet, 1), 1), NESTED)
    h.enters("wire", s.peer(inner).protect(packet, 2), NESTED)
    h.counters(NESTED)
