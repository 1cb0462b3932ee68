"""What the ICV of AH covers of options, extension headers and routes (RFC 4302 3.3.3.1, appendix A)."""

from ipaddress import ip_address

from hypothesis import strategies as st

from espproof.adapters.case import Sa
from espproof.conformance.checks.ah import AhPeer, AhScenario, flipped
from espproof.conformance.checks.registry import check
from espproof.conformance.checks.scenario import Scenario
from espproof.reference import ip

OPTIONS, OPTIONS_ZERO = "RFC4302-3.3.3.1.1.2-immutable", "RFC4302-3.3.3.1.1.2-mutable"
UNKNOWN_ZERO = "RFC4302-3.3.3.1-unknown-zero"
EXTENSIONS, EXTENSIONS_ZERO = "RFC4302-3.3.3.1.2.2-immutable", "RFC4302-3.3.3.1.2.2-mutable"
ROUTING = "RFC4302-3.3.3.1.2.3-routing"

_ROUTER_ALERT = b"\x94\x04\x00\x00"
_ROUTE, _TRACE = b"\x01\x07\x07\x08\xc0\x00\x02\x21", bytes.fromhex("520c1122334455660c000221")
"""A record of the route that is full, so that nobody on the way writes into it, and a trace (RFC 1393); both change on
the way."""
_EXPERIMENT, _COPIED_EXPERIMENT = b"\x1e\x08\x11\x22\x33\x44\x55\x66", b"\x9e\x04\x11\x22"
"""Options of RFC 4727's experiments, which nobody knows."""
_KEPT, _CHANGING = 0x1E, 0x3E
"""IPv6 options of the same, to be skipped; the second says that it changes on the way."""
_SOURCE_ROUTE = 0
"""Of RFC 2460; hosts still send one on whose way has not begun (by a raw socket), and receive one whose way has ended."""


def _extension(kind: int, option: int) -> tuple[int, bytes]:
    """A hop-by-hop or destination options header with one option of four octets."""
    return kind, ip.options_header(bytes((option, 4, 0x11, 0x22, 0x33, 0x44)))[1:]


@check(
    OPTIONS,
    OPTIONS_ZERO,
    UNKNOWN_ZERO,
    weight=2.0,
    proved_by=("xfrm-ah-router-alert-zero", "xfrm-ah-record-of-the-route-covered", "xfrm-ah-unknown-option-covered"),
)
def ipv4_options_out(s: Scenario) -> None:
    """Options of an IPv4 header in front of AH: covered, or taken for zero, each as appendix A says."""
    s.need("ipv4_options", s.caps.ipv4_options)
    h = AhScenario(s)
    sa = h.ah("out", mode="transport", family="4in4")
    kinds = (OPTIONS, _ROUTER_ALERT), (OPTIONS_ZERO, _ROUTE), (OPTIONS_ZERO, _TRACE), (UNKNOWN_ZERO, _EXPERIMENT)
    about, options = s.draw(st.sampled_from(kinds))
    plain = h.carried(sa)
    h.asks_for(plain, sa, about=about)
    h.sends(h.carried(sa, extensions=((0, options),), length=24), sa, about=about)
    h.sends(plain, sa, about=about)
    h.counters(about)


@check(
    OPTIONS_ZERO,
    OPTIONS,
    UNKNOWN_ZERO,
    weight=2.0,
    proved_by=("xfrm-ah-trace-as-it-came", "xfrm-ah-unknown-option-covered", "xfrm-ah-router-alert-zero"),
)
def ipv4_options_in(s: Scenario) -> None:
    """One that changes on the way may have changed; one that does not may not."""
    s.need("ipv4_options", s.caps.ipv4_options)
    h = AhScenario(s)
    sa = h.ah("in", mode="transport", family="4in4")
    h.asks_for(h.carried(sa), sa, about=OPTIONS)
    peer, place = h.peer_of(sa), ip.IPV4_HEADER_SIZE + 2
    kinds = (
        (OPTIONS_ZERO, _ROUTE, 5),
        (OPTIONS_ZERO, _TRACE, 3),
        (UNKNOWN_ZERO, bytes((1,)) * 4 + _COPIED_EXPERIMENT, 4),
    )
    about, options, at = s.draw(st.sampled_from(kinds))
    zero = peer.protect(h.carried(sa, extensions=((0, options),), length=24), 1)
    covered = peer.protect(h.carried(sa, extensions=((0, _ROUTER_ALERT),), length=24), 2)
    h.arrives(flipped(zero, place + at, 0x5A), about)
    h.arrives(flipped(covered, place), OPTIONS)
    h.arrives(covered, OPTIONS)
    h.counters(OPTIONS)


@check(
    EXTENSIONS,
    EXTENSIONS_ZERO,
    weight=2.0,
    proved_by=("xfrm-ah-any-option-zero", "xfrm-ah-changing-option-covered", "xfrm-ah-option-sent-as-it-is"),
)
def ipv6_extensions_out(s: Scenario) -> None:
    """Options in extension headers in front of AH: covered, or taken for zero where they say that they change."""
    s.need("ipv6_extension_headers", s.caps.ipv6_extension_headers)
    h = AhScenario(s)
    sa = h.ah("out", mode="transport", family="6in6")
    about, option = s.draw(st.sampled_from(((EXTENSIONS, _KEPT), (EXTENSIONS_ZERO, _CHANGING))))
    h.asks_for(h.carried(sa), sa, about=about)
    kind = s.draw(st.sampled_from((ip.PROTOCOL_HOP_BY_HOP, ip.PROTOCOL_DESTINATION_OPTIONS)))
    extended = h.carried(sa, extensions=(_extension(kind, option),), length=24)
    h.sends(extended, sa, about=about)
    h.counters(about)


@check(
    EXTENSIONS_ZERO,
    EXTENSIONS,
    weight=2.0,
    proved_by=("xfrm-ah-changing-option-covered", "xfrm-ah-any-option-zero", "xfrm-ah-option-as-it-came"),
)
def ipv6_extensions_in(s: Scenario) -> None:
    """An option that says that it changes on the way may have changed; another may not."""
    s.need("ipv6_extension_headers", s.caps.ipv6_extension_headers)
    h = AhScenario(s)
    sa = h.ah("in", mode="transport", family="6in6")
    h.asks_for(h.carried(sa), sa, about=EXTENSIONS)
    kind = s.draw(st.sampled_from((ip.PROTOCOL_HOP_BY_HOP, ip.PROTOCOL_DESTINATION_OPTIONS)))
    kept, changing = (_extension(kind, option) for option in (_KEPT, _CHANGING))
    peer, at = AhPeer(sa), 40 + 4
    first = peer.protect_behind(h.carried(sa, extensions=(changing,), length=24), 1)
    second = peer.protect_behind(h.carried(sa, extensions=(kept,), length=24), 2)
    h.arrives(flipped(first, at, 0x5A), EXTENSIONS_ZERO)
    h.arrives(flipped(second, at, 0x5A), EXTENSIONS)
    h.arrives(second, EXTENSIONS)
    h.counters(EXTENSIONS)


@check(ROUTING, proved_by=("xfrm-ah-route-zero",))
def source_routes(s: Scenario) -> None:
    """A source route whose way has ended counts as it is."""
    h = AhScenario(s)
    sa, packet = _routed(h, "in", left=0)
    first, second = (h.peer_of(sa).protect(packet, number) for number in (1, 2))
    h.arrives(flipped(first, 40 + 8 + s.draw(st.integers(0, 31))), ROUTING)
    h.arrives(second, ROUTING)
    h.counters(ROUTING)


@check(ROUTING, proved_by=("xfrm-ah-route-as-it-is",))
def source_routes_out(s: Scenario) -> None:
    """One whose way has not begun counts as it will be behind its last hop."""
    h = AhScenario(s)
    s.need("source_routes", h.caps.source_routes)
    sa, packet = _routed(h, "out", left=s.draw(st.integers(1, 2)))
    h.sends(packet, sa, about=ROUTING)
    h.counters(ROUTING)


def _routed(h: AhScenario, direction: str, left: int) -> tuple[Sa, bytes]:
    """An SA in transport mode, and a packet for it that has so many of two hops left."""
    h.s.need("ipv6_extension_headers", h.s.caps.ipv6_extension_headers)
    sa = h.ah(direction, mode="transport", family="6in6")
    hops = [ip_address(text).packed for text in ("2001:db8:9::1", "2001:db8:9::2")]
    route = ip.routing_header(_SOURCE_ROUTE, left, bytes(4) + b"".join(hops))
    h.asks_for(h.carried(sa), sa, about=ROUTING)
    return sa, h.carried(sa, extensions=((ip.PROTOCOL_ROUTING, route[1:]),), length=24)
