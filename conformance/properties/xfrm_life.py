"""What a key manager is told, and what it does: requests for SAs, limits, reserved SPIs, updates, flushes, rekeys.

Whether the packet that reaches a hard limit passes is left open, and whether the limit is told with it or with the next
one: that packet is recorded, and events are read behind one more. Counters say which of the two it was, and are not read.
"""

from typing import Any

from hypothesis import strategies as st

from espproof.adapters.case import HostDirection, Lifetime, PolicyLifetime, Sa, Side
from espproof.conformance.checks.host import REACHES_LIMIT, HostScenario
from espproof.conformance.checks.registry import check
from espproof.conformance.checks.scenario import Scenario
from espproof.conformance.machines.key_managed_life import KeyManagedLife
from espproof.conformance.requirements.ids import IN_THE_CLEAR, counter_rule

ASKED, FLOW = "RFC4301-5.1-key-manager-asked", "RFC2367-3.1.6-flow-told"
ACQUIRE_EXPIRES = "LINUX.xfrm_sysctl-core-acq-expires"
TOLD, HARD_FIRST = "RFC2367-3.1.8-limits-told", "RFC2367-3.1.8-hard-first"
FIRST, OF_USE = "RFC2367-2.3.2-first-to-expire", "RFC2367-2.3.2-use-time"
UNIQUE, LARVAL_DELETED, LARVAL_UPDATED = (
    "RFC2367-3.1.1-spi-unique", "RFC2367-3.1.1-larval-deleted", "RFC2367-3.1.2-larval-updated",
)  # fmt: skip
CHANGED, ONLY_LIFETIME, NONE = (
    "RFC2367-3.1.2-lifetime-changed", "RFC2367-3.1.2-only-lifetime-changes", "RFC2367-3.1.2-none-to-update",
)  # fmt: skip
FLUSHED, REPLACED = "RFC2367-3.1.9-flush", "RFC4301-4.4.2.1-lifetime-replaced"
POLICY_ENDS, POLICY_TOLD = "LINUX.ip_xfrm-limit-policy-ends", "LINUX.ip_xfrm-monitor-policy-told"
POLICIES_FLUSHED = "LINUX.ip_xfrm-flush-policies"
PASSED_ONLY = "RFC4301-4.4.2.1-lifetime-passed-only"
OUT_NO_STATES, ACQUIRE_ERROR = counter_rule("XfrmOutNoStates"), counter_rule("XfrmAcquireError")
LONGER_THAN_LARVAL = 40
"""Seconds, in which a request or a reservation ends; 30 is usual."""


class _Tunnel:
    """An SA of a host with its policy, and packets through it one after the other."""

    def __init__(self, h: HostScenario, direction: str, about: str, **fields: Any) -> None:
        self.h, self.about = h, about
        self.sa = h.sa(direction, mode="tunnel", **fields)
        version = h.version_in(self.sa)
        self.packet = h.outgoing(version) if direction == "out" else h.incoming(version)
        self.policy = h.policy(
            "out" if direction == "out" else "forward", self.packet, h.template(self.sa), about=about
        )
        self.number = int(self.sa.sequence)

    def carry(self, *, sa: Sa | None = None, count: int = 1, behaviour: str = "") -> None:
        """Packets through this SA, or one that came after it and goes on from its numbers."""
        sa = sa or self.sa
        for _ in range(count):
            self.number += 1
            side: Side = "plain" if sa.direction == "out" else "wire"
            packet = self.packet if side == "plain" else self.h.s.peer(sa).protect(self.packet, self.number)
            self.h.enters(side, packet, self.about, behaviour=behaviour)

    def end(self) -> None:
        """The packet that reaches a hard limit, and two that come too late: at the latest the second of them finds the SA
        gone, and asks for another."""
        self.carry(behaviour=REACHES_LIMIT)
        self.carry(count=2)


def _either_direction(s: Scenario) -> str:
    return s.choose(("out", "in"))


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
    h.policy("forward", here, h.template(h.sa("in", mode="tunnel", add=False)), about=ASKED)
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


# ------------------------------------------------------------------------------------------------------------- limits


@check(
    TOLD,
    weight=2.0,
    proved_by=(
        "xfrm-life-warned-by-each-packet",
        "xfrm-life-soft-told-as-hard",
        "xfrm-life-end-of-packets-untold",
        "xfrm-life-told-and-still-there",
    ),
)
def told_of_packets(s: Scenario) -> None:
    """Limits in packets are told once each: soft, and the SA goes on; hard, and it has gone."""
    h = HostScenario(s, events=("soft", "hard"))
    s.need("lifetime packets", "packets" in s.caps.lifetimes)
    soft = s.draw(st.integers(1, 3))
    hard = soft + s.draw(st.integers(2, 3))
    tunnel = _Tunnel(h, _either_direction(s), TOLD, lifetime=Lifetime(soft_packets=soft, hard_packets=hard))
    h.events(TOLD)
    if soft > 1:
        tunnel.carry(count=soft - 1)
        h.events(TOLD)
        tunnel.carry(count=2)
    else:
        tunnel.carry(count=2)
    h.events(TOLD)
    tunnel.carry(count=hard - soft - 2)
    h.events(TOLD)
    tunnel.end()
    h.events(TOLD)
    tunnel.carry()
    h.events(TOLD)


@check(TOLD, proved_by=("xfrm-life-octets-untold",))
def told_of_octets(s: Scenario) -> None:
    """The same of octets, which are counted with one header or another: limits of many octets, small packets between."""
    h = HostScenario(s, events=("soft", "hard"))
    s.need("lifetime octets", "octets" in s.caps.lifetimes)
    hard = s.draw(st.booleans())
    tunnel = _Tunnel(
        h, _either_direction(s), TOLD, lifetime=Lifetime(**{"hard_octets" if hard else "soft_octets": 3000})
    )
    tunnel.carry()
    h.events(TOLD)
    make = h.outgoing if tunnel.sa.direction == "out" else h.incoming
    tunnel.packet = make(tunnel.packet[0] >> 4, content=bytes(1100))
    tunnel.carry(count=2)
    h.events(TOLD)
    tunnel.end()
    h.events(TOLD)


@check(HARD_FIRST, proved_by=("xfrm-life-soft-before-hard",))
def hard_before_soft(s: Scenario) -> None:
    """A hard limit that is reached with the soft one, or before it, is told alone."""
    h = HostScenario(s, events=("soft", "hard"))
    s.need("lifetime packets", "packets" in s.caps.lifetimes)
    hard = s.draw(st.integers(1, 3))
    limits = Lifetime(hard_packets=hard, soft_packets=hard + s.draw(st.integers(0, 1)))
    tunnel = _Tunnel(h, _either_direction(s), HARD_FIRST, lifetime=limits)
    tunnel.carry(count=hard - 1)
    tunnel.end()
    h.events(HARD_FIRST)


@check(TOLD, HARD_FIRST, weight=0.5, proved_by=("xfrm-life-soft-beside-hard",))
def told_of_seconds(s: Scenario) -> None:
    """Limits in seconds are told when they are reached, without any packet; nothing is told twice."""
    h = HostScenario(s, events=("soft", "hard"))
    hard = s.draw(st.integers(6, 1000))
    soft = s.draw(st.sampled_from((hard // 2, hard, hard + 5)))
    about = TOLD if soft < hard else HARD_FIRST
    tunnel = _Tunnel(h, _either_direction(s), about, lifetime=Lifetime(soft_seconds=soft, hard_seconds=hard))
    tunnel.carry(count=s.draw(st.integers(0, 1)))
    s.wait(hard // 2 - 1, about)
    h.events(about)
    s.wait(2, about)
    tunnel.carry()
    h.events(about)
    s.wait(hard, about)
    h.events(about)
    tunnel.carry()
    s.wait(hard, about)
    h.events(about)
    h.counters(about)


@check(
    OF_USE,
    weight=0.5,
    proved_by=(
        "xfrm-life-use-since-added",
        "xfrm-life-use-since-the-last",
    ),
)
def told_of_use(s: Scenario) -> None:
    """Seconds of use begin with the first packet, and with no other."""
    h = HostScenario(s, events=("soft", "hard"))
    hard = s.draw(st.integers(6, 100))
    limits = Lifetime(soft_use_seconds=hard // 2, hard_use_seconds=hard)
    tunnel = _Tunnel(h, _either_direction(s), OF_USE, lifetime=limits)
    s.wait(hard + 7, OF_USE)
    h.events(OF_USE)
    tunnel.carry()
    s.wait(hard // 2 - 1, OF_USE)
    h.events(OF_USE)
    tunnel.carry()
    s.wait(2, OF_USE)
    h.events(OF_USE)
    tunnel.carry()
    s.wait(hard - hard // 2, OF_USE)
    h.events(OF_USE)
    tunnel.carry()
    h.counters(OF_USE)


@check(PASSED_ONLY, weight=0.5, proved_by=("xfrm-life-used-by-anybody",))
def use_begins_with_what_passes(s: Scenario) -> None:
    """A packet that nobody with the key has made is no use: the SA's time does not begin."""
    h = HostScenario(s, events=("hard",))
    limit = s.draw(st.integers(5, 60))
    tunnel = _Tunnel(h, "in", PASSED_ONLY, lifetime=Lifetime(hard_use_seconds=limit))
    h.enters("wire", s.forge(s.peer(tunnel.sa).protect(tunnel.packet, 1), tunnel.sa), PASSED_ONLY)
    s.wait(limit + 2, PASSED_ONLY)
    h.events(PASSED_ONLY)
    tunnel.carry()


@check(FIRST, weight=0.5, proved_by=("xfrm-life-last-of-several",))
def first_of_several(s: Scenario) -> None:
    """Of limits in packets, in seconds and in seconds of use the first that is reached ends the SA, and is told once."""
    h = HostScenario(s, events=("hard",))
    s.need("lifetime packets", "packets" in s.caps.lifetimes)
    kinds = ("hard_packets", "hard_seconds", "hard_use_seconds")
    first = s.draw(st.sampled_from(kinds))
    values = {"hard_packets": 50, "hard_seconds": 500, "hard_use_seconds": 500} | {
        first: 3 if first == "hard_packets" else 20
    }
    tunnel = _Tunnel(h, _either_direction(s), FIRST, lifetime=Lifetime(**values))
    tunnel.carry(count=2)
    s.wait(10, FIRST)
    h.events(FIRST)
    tunnel.end()
    s.wait(12, FIRST)
    h.events(FIRST)
    tunnel.carry()
    s.wait(600, FIRST)
    h.events(FIRST)


@check(REPLACED, weight=0.5, proved_by=("xfrm-life-dying-stays-in-use",))
def dying_gives_way(s: Scenario) -> None:
    """An SA whose soft limit was told is still used where there is no other, and gives way to one that has none."""
    h = HostScenario(s, events=("soft",))
    s.need("delete_sa", s.caps.delete_sa)
    other = h.sa("out", mode="tunnel", add=False)
    dying = s.changed(
        other, name="dying", spi=other.spi ^ 0x2211, lifetime=Lifetime(soft_seconds=5), **s.fresh_keys(other, 1)
    )
    packet = h.outgoing(h.version_in(other))
    h.policy("out", packet, h.template(other), about=REPLACED)
    there = s.draw(st.booleans())
    if there:
        s.add(other, REPLACED)
    s.wait(2, REPLACED)
    s.add(dying, REPLACED)
    h.enters("plain", packet, REPLACED)
    s.wait(8, REPLACED)
    h.events(TOLD)
    h.enters("plain", packet, REPLACED)
    if not there:
        s.add(other, REPLACED)
        h.enters("plain", packet, REPLACED)


# ----------------------------------------------------------------------------------------------------------- policies


@check(
    POLICY_ENDS,
    POLICY_TOLD,
    weight=0.5,
    proved_by=(
        "xfrm-life-policy-told-and-still-there",
        "xfrm-life-policy-ends-at-its-warning",
        "xfrm-life-policies-untold",
    ),
)
def policies_end(s: Scenario) -> None:
    """A policy is told of at its soft limit and stays; at its hard one it goes, and the next one counts."""
    h = HostScenario(s, events=("soft", "hard"))
    hard = s.draw(st.integers(6, 25))
    limits = PolicyLifetime(hard_seconds=hard, soft_seconds=s.draw(st.sampled_from((None, hard // 2))))
    version = s.draw(st.sampled_from(h.versions()))
    away: HostDirection = s.draw(st.sampled_from(("out", "forward")))
    packet = h.outgoing(version)
    h.policy(away, packet, about=POLICY_ENDS, action="block", priority=1, lifetime=limits)
    if s.draw(st.booleans()):
        behind = h.selector(packet, source=None)
        h.policy(away, packet, about=POLICY_ENDS, selector=behind, priority=2)
    h.enters("plain", packet, POLICY_ENDS)
    s.wait(hard // 2 - 1, POLICY_ENDS)
    h.events(POLICY_TOLD)
    s.wait(2, POLICY_ENDS)
    h.events(POLICY_TOLD)
    h.enters("plain", packet, POLICY_ENDS)
    s.wait(hard, POLICY_ENDS)
    h.events(POLICY_TOLD)
    h.enters("plain", packet, POLICY_ENDS)
    h.counters(POLICY_ENDS)


@check(POLICIES_FLUSHED, proved_by=("xfrm-life-policies-flushed-but-forward",))
def policies_flushed(s: Scenario) -> None:
    """Behind a flush no policy is there, of any direction; each can be made again."""
    h = HostScenario(s)
    version = s.draw(st.sampled_from(h.versions()))
    away, here, ours = h.outgoing(version), h.incoming(version), h.to_us(version)
    made = [
        h.policy("out", away, about=POLICIES_FLUSHED, action="block"),
        h.policy("forward", here, about=POLICIES_FLUSHED, action="block"),
        h.policy("in", ours, about=POLICIES_FLUSHED, action="block"),
    ]
    for again in (False, True):
        h.enters("plain", away, POLICIES_FLUSHED)
        h.enters("wire", here, POLICIES_FLUSHED)
        h.enters("wire", ours, POLICIES_FLUSHED)
        if not again:
            h.flush("policies", POLICIES_FLUSHED)
            h.enters("plain", away, POLICIES_FLUSHED)
            h.enters("wire", here, POLICIES_FLUSHED)
            h.enters("wire", ours, POLICIES_FLUSHED)
            h.set(s.draw(st.sampled_from(made)), POLICIES_FLUSHED)
    h.counters(POLICIES_FLUSHED)


# --------------------------------------------------------------------------------------------- SPIs, updates, flushes


@check(
    LARVAL_UPDATED,
    UNIQUE,
    ACQUIRE_ERROR,
    proved_by=(
        "xfrm-life-reserved-twice",
        "xfrm-life-reserved-in-use",
        "xfrm-life-reserved-is-unknown",
        "xfrm-life-larval-stays-larval",
    ),
)
def reserved(s: Scenario) -> None:
    """A reserved SPI is nobody's until its SA is made by an update; what comes for it before is discarded and counted."""
    h = HostScenario(s)
    sa = h.sa("in", mode="tunnel", add=False)
    packet = h.incoming(h.version_in(sa))
    h.policy("forward", packet, h.template(sa), about=LARVAL_UPDATED)
    h.reserve(sa, UNIQUE)
    if s.draw(st.booleans()):
        h.reserve(s.changed(sa, name="another", reqid=sa.reqid + 1), UNIQUE)
    for _ in range(s.draw(st.integers(0, 2))):
        h.enters("wire", s.peer(sa).protect(packet, 1), ACQUIRE_ERROR)
    h.counters(ACQUIRE_ERROR)
    h.update(sa, LARVAL_UPDATED)
    h.enters("wire", s.peer(sa).protect(packet, 1), LARVAL_UPDATED)
    h.reserve(s.changed(sa, name="late", reqid=sa.reqid + 1), UNIQUE)
    h.enters("wire", s.peer(sa).protect(packet, 2), LARVAL_UPDATED)
    h.counters(ACQUIRE_ERROR)


@check(LARVAL_DELETED, weight=0.5, proved_by=("xfrm-life-reserved-for-ever",))
def reserved_for_nobody(s: Scenario) -> None:
    """A reservation ends after a time: the SPI can be reserved again, and its packets are nobody's."""
    h = HostScenario(s)
    sa = h.sa("in", mode="tunnel", add=False)
    packet = h.incoming(h.version_in(sa))
    h.policy("forward", packet, h.template(sa), about=LARVAL_DELETED)
    h.reserve(sa, LARVAL_DELETED)
    s.wait(LONGER_THAN_LARVAL, LARVAL_DELETED)
    h.enters("wire", s.peer(sa).protect(packet, 1), LARVAL_DELETED)
    h.update(sa, NONE)
    h.reserve(sa, LARVAL_DELETED)
    h.update(sa, LARVAL_UPDATED)
    h.enters("wire", s.peer(sa).protect(packet, 1), LARVAL_DELETED)
    h.counters(LARVAL_DELETED)


@check(NONE, proved_by=("xfrm-life-update-makes-an-sa",))
def nothing_to_update(s: Scenario) -> None:
    """An update of what is not there is refused, and makes no SA."""
    h = HostScenario(s)
    sa = h.sa("out", mode="tunnel", add=False)
    packet = h.outgoing(h.version_in(sa))
    h.policy("out", packet, h.template(sa), about=NONE)
    h.update(sa, NONE)
    h.enters("plain", packet, NONE)


@check(
    CHANGED,
    weight=2.0,
    proved_by=(
        "xfrm-life-update-begins-anew",
        "xfrm-life-update-without-effect",
    ),
)
def lifetime_updated(s: Scenario) -> None:
    """An update gives an SA in use another limit: the old one is forgotten, numbers and counts go on."""
    h = HostScenario(s, events=("soft", "hard"))
    s.need("lifetime packets", "packets" in s.caps.lifetimes)
    old = s.draw(st.integers(3, 4))
    kind = s.draw(st.sampled_from(("hard_packets", "soft_packets")))
    tunnel = _Tunnel(h, _either_direction(s), CHANGED, lifetime=Lifetime(**{kind: old}))
    tunnel.carry(count=s.draw(st.integers(1, 2)))
    new = old + s.draw(st.integers(2, 3))
    limits = s.draw(st.sampled_from((Lifetime(), Lifetime(hard_packets=new), Lifetime(soft_packets=new))))
    h.update(s.changed(tunnel.sa, lifetime=limits), CHANGED)
    s.read(tunnel.sa, CHANGED)
    tunnel.carry(count=new - 1 - (tunnel.number - int(tunnel.sa.sequence)))
    tunnel.end()
    h.events(CHANGED)


@check(CHANGED, TOLD, proved_by=("xfrm-life-warned-once-in-a-life",))
def warned_again(s: Scenario) -> None:
    """An SA whose soft limit was told and which gets a later one is told of again when that is reached, and not before."""
    h = HostScenario(s, events=("soft",))
    s.need("lifetime packets", "packets" in s.caps.lifetimes)
    tunnel = _Tunnel(h, _either_direction(s), CHANGED, lifetime=Lifetime(soft_packets=1))
    tunnel.carry(count=2)
    h.events(TOLD)
    h.update(s.changed(tunnel.sa, lifetime=Lifetime(soft_packets=5)), CHANGED)
    tunnel.carry(count=2)
    h.events(CHANGED)
    tunnel.carry(count=2)
    h.events(CHANGED)


@check(ONLY_LIFETIME, proved_by=("xfrm-life-update-without-a-look",))
def keys_cannot_change(s: Scenario) -> None:
    """An update with another key is refused, and the SA goes on with its own."""
    h = HostScenario(s)
    tunnel = _Tunnel(h, _either_direction(s), ONLY_LIFETIME)
    tunnel.carry()
    h.update(s.changed(tunnel.sa, **s.fresh_keys(tunnel.sa, 5)), ONLY_LIFETIME)
    tunnel.carry()


@check(FLUSHED, proved_by=("xfrm-life-flushed-but-outbound",))
def sas_flushed(s: Scenario) -> None:
    """Behind a flush no SA is there, in either direction; what was there can be made again."""
    h = HostScenario(s)
    s.need("delete_sa", s.caps.delete_sa)
    tunnels = [_Tunnel(h, direction, FLUSHED) for direction in ("out", "in")]
    for tunnel in tunnels:
        tunnel.carry()
    h.flush("sas", FLUSHED)
    for tunnel in tunnels:
        tunnel.carry()
    h.counters(FLUSHED)
    again = s.draw(st.sampled_from(tunnels))
    made = s.changed(again.sa, **s.fresh_keys(again.sa, 9), spi=again.sa.spi ^ 0x3300)
    s.add(made, FLUSHED)
    again.number = 0
    for tunnel in tunnels:
        tunnel.carry(sa=made if tunnel is again else None)
    h.counters(FLUSHED)


@check(FLUSHED, proved_by=("xfrm-life-flushed-but-requests",))
def requests_flushed(s: Scenario) -> None:
    """A flush ends requests too: the next packet asks again."""
    h = HostScenario(s, events=("acquire",))
    sa = h.sa("out", mode="tunnel", add=False)
    packet = h.outgoing(h.version_in(sa))
    h.policy("out", packet, h.template(sa), about=FLUSHED)
    h.enters("plain", packet, FLUSHED)
    h.events(FLUSHED)
    h.flush("sas", FLUSHED)
    h.enters("plain", packet, FLUSHED)
    h.events(FLUSHED)


@check(FLUSHED, UNIQUE, proved_by=("xfrm-life-flushed-but-reserved",))
def reservations_flushed(s: Scenario) -> None:
    """A flush ends reservations too: the SPI is free."""
    h = HostScenario(s)
    coming = h.sa("in", mode="tunnel", add=False)
    h.reserve(coming, UNIQUE)
    if s.draw(st.booleans()):
        h.reserve(s.changed(coming, name="another", reqid=coming.reqid + 1), UNIQUE)
    h.flush("sas", FLUSHED)
    h.reserve(coming, FLUSHED)


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
    h.policy("forward", here, h.template(into), about=REPLACED)
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


@check(ASKED, weight=3.0, proved_by=("xfrm-life-answered-by-nobody", "xfrm-life-one-request-at-a-time"))
def random_life(s: Scenario) -> None:
    """Policies, SAs and reservations come and go between packets; what was told is read, and the counters at the end."""
    KeyManagedLife(HostScenario(s, events=("acquire",)), ASKED).walk()
