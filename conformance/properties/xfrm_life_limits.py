"""What a key manager is told of limits, of SAs and of policies, and what ends with them; see `Tunnel`."""

from hypothesis import strategies as st

from espproof.adapters.case import HostDirection, Lifetime, PolicyLifetime
from espproof.conformance.checks.host import HostScenario
from espproof.conformance.checks.registry import check
from espproof.conformance.checks.scenario import Scenario
from espproof.conformance.checks.tunnels import Tunnel, either_direction

TOLD, HARD_FIRST = "RFC2367-3.1.8-limits-told", "RFC2367-3.1.8-hard-first"
FIRST, OF_USE = "RFC2367-2.3.2-first-to-expire", "RFC2367-2.3.2-use-time"
REPLACED = "RFC4301-4.4.2.1-lifetime-replaced"
POLICY_ENDS, POLICY_TOLD = "LINUX.ip_xfrm-limit-policy-ends", "LINUX.ip_xfrm-monitor-policy-told"
PASSED_ONLY = "RFC4301-4.4.2.1-lifetime-passed-only"


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
    tunnel = Tunnel(h, either_direction(s), TOLD, lifetime=Lifetime(soft_packets=soft, hard_packets=hard))
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
    tunnel = Tunnel(h, either_direction(s), TOLD, lifetime=Lifetime(**{"hard_octets" if hard else "soft_octets": 3000}))
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
    tunnel = Tunnel(h, either_direction(s), HARD_FIRST, lifetime=limits)
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
    tunnel = Tunnel(h, either_direction(s), about, lifetime=Lifetime(soft_seconds=soft, hard_seconds=hard))
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
    tunnel = Tunnel(h, either_direction(s), OF_USE, lifetime=limits)
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
    tunnel = Tunnel(h, "in", PASSED_ONLY, lifetime=Lifetime(hard_use_seconds=limit))
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
    tunnel = Tunnel(h, either_direction(s), FIRST, lifetime=Lifetime(**values))
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
