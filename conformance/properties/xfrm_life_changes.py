"""What a key manager does by itself: reserves SPIs, updates SAs, removes all SAs or all policies."""

from hypothesis import strategies as st

from espproof.adapters.case import Lifetime
from espproof.conformance.checks.host import LONGER_THAN_LARVAL, HostScenario
from espproof.conformance.checks.registry import check
from espproof.conformance.checks.scenario import Scenario
from espproof.conformance.checks.tunnels import Tunnel, either_direction
from espproof.conformance.requirements.ids import counter_rule

TOLD = "RFC2367-3.1.8-limits-told"
UNIQUE, LARVAL_DELETED, LARVAL_UPDATED = (
    "RFC2367-3.1.1-spi-unique", "RFC2367-3.1.1-larval-deleted", "RFC2367-3.1.2-larval-updated",
)  # fmt: skip
CHANGED, ONLY_LIFETIME, NONE = (
    "RFC2367-3.1.2-lifetime-changed", "RFC2367-3.1.2-only-lifetime-changes", "RFC2367-3.1.2-none-to-update",
)  # fmt: skip
FLUSHED = "RFC2367-3.1.9-flush"
POLICIES_FLUSHED = "LINUX.ip_xfrm-flush-policies"
ACQUIRE_ERROR = counter_rule("XfrmAcquireError")


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
    h.policy(h.inward, packet, h.template(sa), about=LARVAL_UPDATED)
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
    h.policy(h.inward, packet, h.template(sa), about=LARVAL_DELETED)
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
    tunnel = Tunnel(h, either_direction(s), CHANGED, lifetime=Lifetime(**{kind: old}))
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
    tunnel = Tunnel(h, either_direction(s), CHANGED, lifetime=Lifetime(soft_packets=1))
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
    tunnel = Tunnel(h, either_direction(s), ONLY_LIFETIME)
    tunnel.carry()
    h.update(s.changed(tunnel.sa, **s.fresh_keys(tunnel.sa, 5)), ONLY_LIFETIME)
    tunnel.carry()


@check(FLUSHED, proved_by=("xfrm-life-flushed-but-outbound",))
def sas_flushed(s: Scenario) -> None:
    """Behind a flush no SA is there, in either direction; what was there can be made again."""
    h = HostScenario(s)
    s.need("delete_sa", s.caps.delete_sa)
    tunnels = [Tunnel(h, direction, FLUSHED) for direction in ("out", "in")]
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


@check(POLICIES_FLUSHED, proved_by=("xfrm-life-policies-flushed-but-forward",))
def policies_flushed(s: Scenario) -> None:
    """Behind a flush no policy is there, of any direction; each can be made again."""
    h = HostScenario(s)
    version = s.draw(st.sampled_from(h.versions()))
    away, here, ours = h.outgoing(version), h.incoming(version), h.to_us(version)
    made = [
        h.policy("out", away, about=POLICIES_FLUSHED, action="block"),
        h.policy(h.inward, here, about=POLICIES_FLUSHED, action="block"),
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
