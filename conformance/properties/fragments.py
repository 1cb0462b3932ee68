"""Fragments: ESP is applied to whole packets in transport mode, carries anything in tunnel mode, and is never fed pieces.

RFC 4303 3.3.4 and 3.4.1, RFC 4301 7.1.
"""

from hypothesis import strategies as st

from espproof.conformance.checks.registry import check
from espproof.conformance.checks.scenario import Scenario
from espproof.conformance.requirements.ids import ACCEPTED, INCREMENT, NO_FRAGMENTS
from espproof.conformance.strategies import wire

FRAGMENT = "RFC4303-3.4.1-fragment-discarded"
IPV6_HEADER = "RFC4303-3.3.4-ipv6-fragment-header"
IN_TUNNEL = "RFC4303-3.3.4-tunnel-takes-fragments"
ANY_PORT = "RFC4301-7.1-any-port-sas"
REASSEMBLED = "RFC4301-5.2-reassembly-first"


@check(FRAGMENT, proved_by=("fragments-first-accepted",))
def ipv4(s: Scenario) -> None:
    """A single IPv4 fragment, first, middle or last, is not delivered as if it were whole."""
    sa = s.inbound_sa(sequence=0, family=("4in4", "6in4"), udp=False)
    packet = s.peer(sa).protect(s.small(sa), 1)
    field = s.draw(st.sampled_from((0x2000, 0x0001, 0x1FFF, 0x2001, 0x2010)))
    s.arrives(wire.ipv4_fragment(packet, field), FRAGMENT)
    s.receive(sa, 2, ACCEPTED)


@check(FRAGMENT, proved_by=("fragments-first-accepted",))
def ipv6(s: Scenario) -> None:
    """The same with an IPv6 fragment header."""
    sa = s.inbound_sa(sequence=0, family=("4in6", "6in6"), udp=False)
    packet = s.peer(sa).protect(s.small(sa), 1)
    field = s.draw(st.sampled_from((0x0001, 0x0008, 0xFFF8, 0x0009)))
    s.arrives(wire.ipv6_fragment(packet, field), FRAGMENT)
    s.receive(sa, 2, ACCEPTED)


@check(IPV6_HEADER, proved_by=("fragments-first-header-only",))
def behind_other_headers(s: Scenario) -> None:
    """An IPv6 fragment header is found behind other extension headers; an atomic one (RFC 6946) is no fragment."""
    s.need("ipv6_extension_headers", s.caps.ipv6_extension_headers)
    sa = s.inbound_sa(sequence=0, family=("4in6", "6in6"), udp=False)
    packet = s.peer(sa).protect(s.small(sa), 1)
    for field in (s.draw(st.sampled_from((0x0001, 0x0008, 0x0009))), 0):
        s.arrives(wire.behind_hop_by_hop(wire.ipv6_fragment(packet, field)), IPV6_HEADER)


@check(
    REASSEMBLED,
    FRAGMENT,
    weight=0.5,
    proved_by=("fragments-in-order-of-arrival", "fragments-third-lost", "fragments-first-accepted"),
)
def put_together(s: Scenario) -> None:
    """A packet that was cut up on its way comes in with the last piece that arrives, and none of it before."""
    s.need("reassembles", s.caps.reassembles)
    sa = s.inbound_sa(sequence=0)
    first, second = (s.peer(sa).protect(s.packet(sa), number) for number in (1, 2))
    pieces = _cut_up(s, first, 0x1D2C)
    *early, last = s.draw(st.permutations(pieces))
    for piece in early:
        s.arrives(piece, FRAGMENT)
    s.arrives(last, REASSEMBLED)
    s.arrives(second, ACCEPTED)


@check(REASSEMBLED, FRAGMENT, weight=0.5, proved_by=("fragments-identification-ignored", "fragments-first-accepted"))
def two_in_pieces(s: Scenario) -> None:
    """Fragments of two packets that come mixed are told apart by identification; one that comes twice does no harm."""
    s.need("reassembles", s.caps.reassembles)
    sa = s.inbound_sa(sequence=0)
    length = s.draw(st.sampled_from((64, 65, min(2000, s.longest))))
    one, two = (
        wire.fragments(s.peer(sa).protect(s.packet(sa, length=length), number), (4,), 0x1D2C ^ number)
        for number in (1, 2)
    )
    s.arrives(one[1], FRAGMENT)
    s.arrives(two[0], FRAGMENT)
    if s.draw(st.booleans()):
        s.arrives(two[0], FRAGMENT)
    s.arrives(one[0], REASSEMBLED)
    s.arrives(two[1], REASSEMBLED)


def _cut_up(s: Scenario, packet: bytes, identification: int) -> list[bytes]:
    """In two to four pieces."""
    last = (len(packet) - (20 if packet[0] >> 4 == 4 else 40) - 1) // 8
    cuts = s.draw(st.sets(st.integers(1, last), min_size=1, max_size=3))
    return wire.fragments(packet, sorted(cuts), identification)


@check(NO_FRAGMENTS, proved_by=("fragments-protected-in-transport",))
def not_in_transport_mode(s: Scenario) -> None:
    """A fragment is not protected in transport mode: the receiver would find ESP in a part of the datagram."""
    sa = s.outbound_sa(sequence=0, mode="transport")
    s.send(sa, NO_FRAGMENTS, packet=_piece(s, s.small(sa)))
    s.send(sa, INCREMENT)


@check(IN_TUNNEL, records=True)
def into_the_tunnel(s: Scenario) -> None:
    """Whether a fragment is taken into a tunnel is recorded."""
    sa = s.outbound_sa(sequence=0, mode="tunnel")
    s.send(sa, IN_TUNNEL, packet=_piece(s, s.small(sa)), behaviour="fragment into a tunnel")


@check(ANY_PORT, proved_by=("fragments-inside-refused",))
def out_of_the_tunnel(s: Scenario) -> None:
    """An SA that does not look at ports delivers what came through its tunnel, fragments too, as they are."""
    sa = s.inbound_sa(sequence=0, mode="tunnel")
    s.receive(sa, 1, ANY_PORT, packet=_piece(s, s.small(sa)))


def _piece(s: Scenario, packet: bytes) -> bytes:
    """The packet as a first, middle or last fragment."""
    if packet[0] >> 4 == 4:
        return wire.ipv4_fragment(packet, s.draw(st.sampled_from((0x2000, 0x2003, 0x0003))))
    return wire.ipv6_fragment(packet, s.draw(st.sampled_from((0x0001, 0x0019, 0x0018))))
