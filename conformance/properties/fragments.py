"""Fragments: ESP is applied to whole packets, and a fragment that is offered to it is discarded (RFC 4303 3.4.1)."""

from hypothesis import strategies as st

from espproof.conformance.checks import check
from espproof.conformance.scenario import Scenario
from espproof.conformance.strategies import wire

FRAGMENT = "RFC4303-3.4.1-fragment-discarded"
ACCEPTED = "RFC4303-3.4.4-accepted"


@check(FRAGMENT, proved_by=("fragments-accepted",))
def ipv4(s: Scenario) -> None:
    """A single IPv4 fragment, first, middle or last, is not delivered as if it were whole."""
    sa = s.inbound_sa(sequence=0, family=("4in4", "6in4"), udp=False)
    packet = s.peer(sa).protect(s.small(sa), 1)
    field = s.draw(st.sampled_from((0x2000, 0x0001, 0x1FFF, 0x2001, 0x2010)))
    s.arrives(wire.ipv4_fragment(packet, field), FRAGMENT)
    s.receive(sa, 2, ACCEPTED)


@check(FRAGMENT)
def ipv6(s: Scenario) -> None:
    """The same with an IPv6 fragment header."""
    sa = s.inbound_sa(sequence=0, family=("4in6", "6in6"), udp=False)
    packet = s.peer(sa).protect(s.small(sa), 1)
    field = s.draw(st.sampled_from((0x0001, 0x0008, 0xFFF8, 0x0009)))
    s.arrives(wire.ipv6_fragment(packet, field), FRAGMENT)
    s.receive(sa, 2, ACCEPTED)
