"""Packets that are too long for a link or a path: cut up where they may be, else discarded, and their sender is told."""

from hypothesis import strategies as st

from espproof.conformance.checks.links import NARROW, WIDE, LinkedHost
from espproof.conformance.checks.registry import check
from espproof.conformance.checks.scenario import Scenario

DF_SET = "RFC4301-8.2.1-pmtu-ipv4-df-set"
FRAGMENT, SILENT = "RFC4301-8.2.1-pmtu-ipv4-fragment", "RFC4301-8.2.1-pmtu-ipv4-silent"
IPV6 = "RFC4301-8.2.1-pmtu-ipv6"
NOT_SET = ("copy", "clear")
"""Treatments of DF that leave it clear outside where it is inside."""


@check(DF_SET, weight=2.0, proved_by=("xfrm-mtu-one-too-long",))
def df_set(s: Scenario) -> None:
    """IPv4 with DF through a tunnel: what fits is protected, of the rest the sender is told how much would have fitted."""
    h = LinkedHost(s, wire=NARROW + WIDE)
    s.need("IPv4", 4 in h.versions())
    sa = h.sa("out", mode="tunnel", udp=s.draw(st.booleans()) and bool(s.caps.udp))
    s.need("IPv4 inside", 4 in s.versions(sa))
    assert h.wire is not None
    packet = h.outgoing(4)
    h.policy("out", packet, h.template(sa), about=DF_SET)
    most = h.room(packet, [sa], h.wire)
    for _ in range(s.draw(st.integers(1, 3))):
        h.enters("plain", h.of_size(4, h.near(most), dont_fragment=True), DF_SET)
    h.counters(DF_SET)


@check(FRAGMENT, SILENT, weight=2.0, proved_by=("xfrm-mtu-df-ignored",))
def df_clear(s: Scenario) -> None:
    """IPv4 without DF: it goes on in fragments, and nobody is told anything."""
    h = LinkedHost(s, wire=NARROW + WIDE)
    s.need("IPv4", 4 in h.versions())
    sa = h.sa("out", mode="tunnel", udp=s.draw(st.booleans()) and bool(s.caps.udp), df=NOT_SET)
    s.need("IPv4 inside", 4 in s.versions(sa))
    assert h.wire is not None
    packet = h.outgoing(4)
    about = s.draw(st.sampled_from((FRAGMENT, SILENT)))
    h.policy("out", packet, h.template(sa), about=about)
    most = h.room(packet, [sa], h.wire)
    for _ in range(s.draw(st.integers(1, 3))):
        h.enters("plain", h.of_size(4, h.near(most)), about)
    h.counters(about)


@check(IPV6, weight=2.0, proved_by=("xfrm-mtu-ipv6-cut-up",))
def ipv6(s: Scenario) -> None:
    """IPv6: as IPv4 with DF."""
    h = LinkedHost(s, wire=WIDE)
    s.need("IPv6", 6 in h.versions())
    sa = h.sa("out", mode="tunnel", udp=s.draw(st.booleans()) and bool(s.caps.udp))
    s.need("IPv6 inside", 6 in s.versions(sa))
    assert h.wire is not None
    packet = h.outgoing(6)
    h.policy("out", packet, h.template(sa), about=IPV6)
    most = h.room(packet, [sa], h.wire)
    for _ in range(s.draw(st.integers(1, 3))):
        h.enters("plain", h.of_size(6, min(h.near(most), h.wire)), IPV6)
    h.counters(IPV6)


@check(IPV6, proved_by=("xfrm-mtu-of-the-link",))
def ipv6_longer_than_the_link(s: Scenario) -> None:
    """A packet that would not even fit unprotected: its sender is told what would fit protected, not what the link has."""
    h = LinkedHost(s, wire=WIDE)
    s.need("IPv6", 6 in h.versions())
    sa = h.sa("out", mode="tunnel", udp=s.draw(st.booleans()) and bool(s.caps.udp))
    s.need("IPv6 inside", 6 in s.versions(sa))
    assert h.wire is not None
    h.policy("out", h.outgoing(6), h.template(sa), about=IPV6)
    h.enters("plain", h.of_size(6, h.wire + s.draw(st.sampled_from((1, 8, h.wire)))), IPV6)
    h.counters(IPV6)
