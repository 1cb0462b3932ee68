"""Many policies and SAs, and networks that lie in one another: where a host rearranges what it searches."""

from ipaddress import ip_network
from typing import Any

from hypothesis import strategies as st

from espproof.adapters.case import HostDirection, Policy, Sa, Side
from espproof.conformance.checks.host import HostScenario
from espproof.conformance.checks.registry import check
from espproof.conformance.checks.scenario import Scenario
from espproof.conformance.requirements.ids import counter_rule
from espproof.conformance.strategies import packets
from espproof.reference import ip

ORDERED, CACHE = "RFC4301-4.4.1-ordered", "RFC4301-5-cache-agrees"
OF_ENTRY, REPLACED = "RFC4301-5.1-sa-of-entry", "RFC4301-4.4.2.1-lifetime-replaced"
IN_NO_STATES = counter_rule("XfrmInNoStates")

_CROWD = st.integers(8, 40)
"""Linux begins with tables for eight, which are doubled when they are full."""


@check(ORDERED, weight=3.0, proved_by=("xfrm-crowd-merged-behind",))
def networks_in_networks(s: Scenario) -> None:
    """Policies for networks that lie in one another or beside come and go, the narrow ones first or last: in any state of
    the search the first one decides, be its network wide or narrow."""
    h = HostScenario(s)
    ways: list[tuple[HostDirection, Side]] = [("out", "plain")]
    ways += [(h.inward, "wire")] if h.caps.clear else []
    direction, side = s.choose(ways)
    version = s.choose(h.versions())
    packet = h.outgoing(version) if direction == "out" else h.incoming(version)
    there: dict[tuple[str | None, str | None], Policy] = {}
    for priority in s.draw(st.permutations(range(1, s.draw(st.integers(3, 14)) + 1))):
        networks = _network(s, ip.parse(packet).source, rarely=True), _network(s, ip.parse(packet).destination)
        if networks in there:
            h.delete(there.pop(networks), ORDERED)
        else:
            there[networks] = h.policy(
                direction, packet, about=ORDERED, priority=priority,
                action=s.draw(st.sampled_from(("block", "allow"))),
                selector=h.selector(packet, source=networks[0], destination=networks[1]),
            )  # fmt: skip
        if s.draw(st.booleans()):
            h.enters(side, packet, ORDERED)
    h.enters(side, packet, ORDERED)
    h.counters(ORDERED)


def _network(s: Scenario, address: bytes, *, rarely: bool = False) -> str | None:
    """One that the address is in, or one beside it; `rarely`, or else any."""
    bits = 8 * len(address)
    if rarely and s.draw(st.sampled_from((True, True, False))):
        return None
    length = bits - s.draw(st.sampled_from((4, 8, 12, 16, 1, 0)))
    place = s.draw(st.sampled_from((None, None, length - 1, length - 3, length - 6, 0)))
    return str(ip_network(packets.prefix(address, length, flip=place), strict=False))


@check(ORDERED, CACHE, proved_by=("xfrm-crowd-order-turned-by-growth",))
def policies(s: Scenario) -> None:
    """The policies of one flow stand among those of many others, which come and go: the first one decides."""
    h = HostScenario(s)
    version = s.choose(h.versions())
    packet = h.outgoing(version)
    protocols = s.draw(st.permutations((None, packets.EXPERIMENTAL)))
    priorities = s.draw(st.permutations((3, 9)))
    actions = s.draw(st.permutations(("allow", "block")))
    count = s.draw(_CROWD)
    at = sorted(s.draw(st.lists(st.integers(0, count), min_size=2, max_size=2)))
    far = ip.parse(packet).destination
    others = []
    for number in range(count + 1):
        for its, protocol, priority, action in zip(at, protocols, priorities, actions, strict=True):
            if its == number:
                selector = h.selector(packet, protocol=protocol)
                h.policy("out", packet, about=ORDERED, action=action, priority=priority, selector=selector)
        beside = (int.from_bytes(far, "big") ^ number + 1).to_bytes(len(far), "big")
        selector = h.selector(packet, destination=str(ip_network(beside)))
        others.append(h.policy("out", packet, about=ORDERED, action="block", priority=5, selector=selector))
    h.enters("plain", packet, ORDERED)
    for other in s.draw(st.permutations(others))[: s.draw(st.integers(0, count))]:
        h.delete(other, CACHE)
    h.enters("plain", packet, CACHE)
    h.counters(CACHE)


@check(OF_ENTRY, REPLACED, IN_NO_STATES, proved_by=("xfrm-crowd-lost-in-growth",))
def sas(s: Scenario) -> None:
    """Of many SAs, in and out, each is found by what its packets and policies ask for, and none that was deleted."""
    h = HostScenario(s)
    s.need("delete_sa", s.caps.delete_sa)
    first = {direction: h.sa(direction, mode="tunnel") for direction in ("in", "out")}
    there = {direction: [sa] for direction, sa in first.items()}
    gone: list[Sa] = []
    incoming, outgoing = h.incoming(h.version_in(first["in"])), h.outgoing(h.version_in(first["out"]))
    h.policy(h.inward, incoming, h.template(first["in"], reqid=0), about=OF_ENTRY)
    for number in range(s.draw(_CROWD)):
        direction = s.draw(st.sampled_from(("in", "out")))
        sa = _beside(s, first[direction], number)
        s.add(sa, OF_ENTRY)
        there[direction].append(sa)
    for direction in s.draw(st.lists(st.sampled_from(("in", "out")), max_size=12)):
        if len(there[direction]) > 1:
            gone.append(there[direction].pop(s.draw(st.integers(0, len(there[direction]) - 1))))
            s.delete(gone[-1], REPLACED)
    chosen: dict[str, Any] = {name: s.draw(st.permutations(sas))[:4] for name, sas in there.items()}
    for sa in chosen["in"]:
        h.enters("wire", s.peer(sa).protect(incoming, int(sa.sequence) + 1), OF_ENTRY)
    for sa in chosen["out"]:
        h.policy("out", outgoing, h.template(sa), about=OF_ENTRY, replace=True)
        h.enters("plain", outgoing, OF_ENTRY)
    for sa in [one for one in gone if one.direction == "in"][:2]:
        h.enters("wire", s.peer(sa).protect(incoming, int(sa.sequence) + 1), IN_NO_STATES)
    h.counters(IN_NO_STATES)


def _beside(s: Scenario, sa: Sa, number: int) -> Sa:
    """An SA of the same ends with keys, SPI and request id of its own, which is no neighbour's."""
    return s.changed(
        sa, name=f"{sa.name}-{number}", spi=sa.spi ^ 0x10100 * (number + 1), reqid=sa.reqid + 0x8000 + number,
        **s.fresh_keys(sa, number),
    )  # fmt: skip
