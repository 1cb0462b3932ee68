"""Tunnel and transport mode: RFC 4303 3.1, RFC 4301 5.1.2 and 5.2, RFC 6040."""

from hypothesis import strategies as st

from espproof.conformance.checks.registry import check
from espproof.conformance.checks.scenario import Scenario
from espproof.conformance.oracle.outbound import UDP_HEADER, WELL_FORMED
from espproof.conformance.requirements.ids import (
    BYPASS,
    ECN_DROP,
    MALFORMED,
    NEXT_HEADER,
    PAYLOAD,
    PROTOCOL_50,
    RESTORED,
    SELECTORS,
    TRANSPORT,
)
from espproof.conformance.strategies import packets, wire
from espproof.reference import ip, transport
from espproof.reference.esp import trailer

DSCP = "RFC4301-5.1.2.1-dscp"
DF, DF_COPY = "RFC4301-8.1-df", "RFC4301-8.1-df-copy"
DSCP_IPV6, DSCP_FIXED = "RFC4301-5.1.2.2-dscp", "RFC4301-5.1.2-dscp-fixed"
DSCP_DISCARDED = "RFC4301-5.1.2-outer-dscp-discarded"
DSCP_NOT_CHECKED = "RFC4301-4.1-dscp-not-checked"
ECN_COMPATIBILITY, ECN_IPV6 = "RFC6040-4.1-ecn-compatibility", "RFC4301-5.1.2.2-ecn"
TTL, HOP_LIMIT = "RFC4301-5.1.2.1-ttl", "RFC4301-5.1.2.2-hop-limit"
OPTIONS, OPTIONS_NOT_COPIED = "RFC4301-5.1.2-inner-options-unchanged", "RFC4301-5.1.2.1-options-not-copied"
EXTENSIONS_NOT_COPIED = "RFC4301-5.1.2.2-extensions-not-copied"
DESTINATION_OPTIONS = "RFC4303-3.1.1-destination-options"
FIGURE_4 = (
    "RFC6040-4.2-figure-4-not-ect",
    "RFC6040-4.2-figure-4-ect1",
    "RFC6040-4.2-figure-4-ect0",
    "RFC6040-4.2-figure-4-ce",
)
ECN_OUT = "RFC6040-4.1-ecn-outbound"
HEADER = "RFC4303-3.1.1-header"
FRAGMENT_POLICY = "RFC4301-7.3-fragments-policy"

TRAFFIC_CLASSES = st.sampled_from([dscp << 2 | ecn for dscp in (0, 0x2E, 1, 0x3F, 0x15) for ecn in range(4)])


@check(
    PROTOCOL_50,
    DSCP,
    DSCP_IPV6,
    DSCP_FIXED,
    ECN_OUT,
    ECN_COMPATIBILITY,
    ECN_IPV6,
    weight=1.5,
    proved_by=("modes-outer-ecn-never-copied", "modes-ipv6-traffic-class-shifted", "modes-outer-protocol-of-inner"),
)
def outer_traffic_class(s: Scenario) -> None:
    """Every DSCP and ECN value, out."""
    sa = s.outbound_sa(sequence=0, mode="tunnel")
    for _ in range(3):
        s.send(sa, PROTOCOL_50, packet=s.packet(sa, traffic_class=s.draw(TRAFFIC_CLASSES), length=20))


@check(DF, DF_COPY, proved_by=("modes-df-set-copied", "modes-df-copy-reset"))
def outer_df(s: Scenario) -> None:
    """The DF bit as the SA says, for packets with and without it."""
    sa = s.outbound_sa(sequence=0, mode="tunnel", family="4in4")
    for dont_fragment in (False, True):
        s.send(sa, DF, packet=s.packet(sa, version=4, length=20, dont_fragment=dont_fragment))


@check(TTL, HOP_LIMIT, proved_by=("modes-outer-ttl-decremented", "modes-outer-hop-limit-copied"))
def outer_hop_limit(s: Scenario) -> None:
    """The outer hop limit does not come from the inner packet."""
    s.need("hop_limit", s.caps.hop_limit)
    sa = s.outbound_sa(sequence=0, mode="tunnel", hop_limit=s.draw(st.sampled_from((1, 2, 64, 128, 255))))
    s.send(
        sa,
        TTL if s.outer_version(sa) == 4 else HOP_LIMIT,
        packet=s.packet(sa, ttl=s.draw(st.sampled_from((2, 63, 64, 255))), length=20),
    )


@check(RESTORED, proved_by=("modes-inner-family-of-outer",))
def inner_packet(s: Scenario) -> None:
    """The inner packet comes out as it was, whatever the outer header has become on its way."""
    sa = s.inbound_sa(sequence=0, mode="tunnel")
    packet = s.packet(sa, ttl=s.draw(s.ttls()), dont_fragment=s.draw(st.booleans()))
    outer = s.peer(sa).protect(packet, 1)
    s.arrives(wire.hop(outer, hop_limit=s.draw(st.sampled_from((1, 7, 255)))), RESTORED)


@check(*FIGURE_4, ECN_DROP, weight=2.0, proved_by=("modes-outer-ecn-always-taken", "modes-not-ect-with-congestion"))
def ecn_at_the_exit(s: Scenario) -> None:
    """Every cell of RFC 6040 figure 4."""
    s.need("ecn", s.caps.ecn)
    sa = s.inbound_sa(sequence=0, mode="tunnel")
    inner, outer = s.draw(st.integers(0, 3)), s.draw(st.integers(0, 3))
    dscp = s.draw(st.sampled_from((0, 0x2E, 0x3F)))
    packet = s.packet(sa, traffic_class=dscp << 2 | inner, length=24)
    about = ECN_DROP if (inner, outer) == (0, 3) else FIGURE_4[inner]
    s.arrives(wire.hop(s.peer(sa).protect(packet, 1), traffic_class=0x2C | outer), about)


@check(DSCP_DISCARDED, DSCP_NOT_CHECKED, proved_by=("modes-outer-dscp-taken", "modes-sa-by-dscp"))
def outer_dscp_is_thrown_away(s: Scenario) -> None:
    """The inner DSCP stays, whatever the outer one was changed to, which no SA looks at."""
    sa = s.inbound_sa(sequence=0, mode="tunnel")
    packet = s.packet(sa, traffic_class=s.draw(st.sampled_from((0xB8, 0, 0x28, 0xFC))), length=24)
    for number, about in enumerate((DSCP_DISCARDED, DSCP_NOT_CHECKED), 1):
        outer = s.draw(st.sampled_from((0, 0xFC, 0x88)))
        s.arrives(wire.hop(s.peer(sa).protect(packet, number), traffic_class=outer), about)


@check(HEADER, PAYLOAD, NEXT_HEADER, proved_by=("modes-transport-ttl-lowered",))
def transport_out(s: Scenario) -> None:
    """In transport mode the header stays, whatever is in it."""
    sa = s.outbound_sa(sequence=0, mode="transport")
    s.send(sa, HEADER, packet=s.packet(sa, ttl=s.draw(s.ttls()), dont_fragment=s.draw(st.booleans())))


@check(TRANSPORT, proved_by=("modes-transport-checksum-stale", "modes-transport-ipv6-length-swapped"))
def transport_in(s: Scenario) -> None:
    """In transport mode the original packet is rebuilt, length and checksum included."""
    sa = s.inbound_sa(sequence=0, mode="transport")
    s.receive(
        sa,
        1,
        TRANSPORT,
        packet=s.packet(sa, ttl=s.draw(s.ttls()), dont_fragment=s.draw(st.booleans())),
    )


@check(
    HEADER,
    TRANSPORT,
    OPTIONS,
    OPTIONS_NOT_COPIED,
    WELL_FORMED,
    proved_by=("modes-transport-options-lost", "modes-inner-options-outside", "modes-inner-options-removed"),
)
def ipv4_options(s: Scenario) -> None:
    """IPv4 options stay with their header: in front of ESP in transport mode, inside in tunnel mode."""
    s.need("ipv4_options", s.caps.ipv4_options)
    options = s.choose(_OPTIONS[:-1] if s.caps.forwards else _OPTIONS)
    if s.can("out") and s.draw(st.booleans()):
        sa = s.outbound_sa(sequence=0, family="4in4")
        about = HEADER if sa.mode == "transport" else OPTIONS
        s.send(sa, about, packet=s.packet(sa, version=4, extensions=((0, options),), length=20))
    else:
        sa = s.inbound_sa(sequence=0, family="4in4")
        about = TRANSPORT if sa.mode == "transport" else OPTIONS
        s.receive(sa, 1, about, packet=s.packet(sa, version=4, extensions=((0, options),), length=20))


_OPTIONS = (b"\x94\x04\x00\x00", b"\x01" * 4, b"\x01" * 40, b"\x07\x0b\x04" + bytes(8) + b"\x00")
"""Router alert, padding, as much of it as there is room for, and a record of the route, which every router changes."""

HOP_BY_HOP = (0, b"\x00" + b"\x01\x04\x00\x00\x00\x00")
ROUTING = (43, b"\x02\x04\x00" + bytes(4) + bytes.fromhex("20010db8000000000000000000000099"))
DESTINATION = (60, b"\x00" + b"\x01\x04\x00\x00\x00\x00")
LONG_DESTINATION = (60, b"\x02" + b"\x1e\x14" + bytes(20))
"""An option for experiments (RFC 4727) that is skipped by who does not know it; so much padding is often discarded."""
CHAINS = (
    (HOP_BY_HOP,),
    (DESTINATION,),
    (HOP_BY_HOP, DESTINATION),
    (ROUTING,),
    (HOP_BY_HOP, ROUTING),
    (DESTINATION, ROUTING),
    (HOP_BY_HOP, DESTINATION, ROUTING, LONG_DESTINATION),
    (LONG_DESTINATION,),
)


@check(
    PAYLOAD,
    HEADER,
    NEXT_HEADER,
    UDP_HEADER,
    proved_by=("modes-transport-before-hop-by-hop", "modes-transport-ipv6-trailer-fixed"),
)
def ipv6_extensions_out(s: Scenario) -> None:
    """IPv6 extension headers that routers look at stay in front of ESP."""
    s.need("ipv6_extension_headers", s.caps.ipv6_extension_headers)
    sa = s.outbound_sa(sequence=0, mode="transport", family="6in6")
    s.send(sa, PAYLOAD, packet=s.packet(sa, version=6, extensions=s.choose(CHAINS), length=20))


@check(
    TRANSPORT,
    DESTINATION_OPTIONS,
    proved_by=("modes-transport-ipv6-patch-fixed", "modes-transport-ipv6-length-swapped"),
)
def ipv6_extensions_in(s: Scenario) -> None:
    """IPv6 extension headers before and after ESP come out in their order."""
    s.need("ipv6_extension_headers", s.caps.ipv6_extension_headers)
    sa = s.inbound_sa(sequence=0, mode="transport", family="6in6")
    chain = s.choose(CHAINS)
    packet = s.packet(sa, version=6, extensions=chain, length=20)
    split = s.choose(transport.legal_splits(packet))
    codec = s.peer(sa).codec
    padding = codec.padding_length(len(split.payload))
    plaintext = split.payload + trailer(padding, split.next_header)
    about = DESTINATION_OPTIONS if chain[-1] in (DESTINATION, LONG_DESTINATION) else TRANSPORT
    s.arrives(s.peer(sa).seal_split(split, plaintext, 1), about)


@check(OPTIONS, EXTENSIONS_NOT_COPIED, proved_by=("modes-inner-extensions-outside",))
def ipv6_extensions_inside(s: Scenario) -> None:
    """In tunnel mode the inner packet's extension headers are part of it, and stay inside."""
    if s.can("out") and s.draw(st.booleans()):
        sa = s.outbound_sa(sequence=0, mode="tunnel", family=("6in4", "6in6"))
        s.send(sa, OPTIONS, packet=s.packet(sa, version=6, extensions=s.choose(CHAINS), length=20))
    else:
        sa = s.inbound_sa(sequence=0, mode="tunnel", family=("6in4", "6in6"))
        s.receive(sa, 1, OPTIONS, packet=s.packet(sa, version=6, extensions=s.choose(CHAINS), length=20))


@check(RESTORED, TRANSPORT, proved_by=("modes-inner-family-of-outer", "modes-transport-checksum-stale"))
def link_padding(s: Scenario) -> None:
    """Octets behind the outer packet's total length (a minimum Ethernet frame) are not part of it."""
    sa = s.inbound_sa(sequence=0)
    packet = s.peer(sa).protect(s.small(sa), 1)
    s.arrives(packet + bytes(s.draw(st.sampled_from((1, 4, 18, 46)))), RESTORED if sa.mode == "tunnel" else TRANSPORT)


@check(MALFORMED, proved_by=("modes-told-by-next-header", "modes-inner-length-not-checked"))
def not_the_inner_version(s: Scenario) -> None:
    """In tunnel mode, a next header that is no IP packet, or another version than the packet, delivers nothing."""
    sa = s.inbound_sa(sequence=0, mode="tunnel")
    payload, right = s.payload(sa)
    wrong = s.draw(st.sampled_from([value for value in (4, 41, 6, 17, 253) if value != right]))
    padding = s.peer(sa).codec.padding_length(len(payload))
    s.receive_plaintext(sa, 1, payload + trailer(padding, wrong), MALFORMED)


@check(MALFORMED, proved_by=("modes-inner-length-not-checked",))
def inner_length(s: Scenario) -> None:
    """An inner packet that claims to be longer than it is, or too short to be one, is not delivered."""
    sa = s.inbound_sa(sequence=0, mode="tunnel")
    payload, next_header = s.payload(sa)
    claims = s.draw(st.sampled_from((None, 0, 1, 19, 20, len(payload) + 1, 65535)))
    if claims is None:
        cut = payload[: s.draw(st.sampled_from((len(payload) - 1, len(payload) - 16, 19, 8, 1)))]
    else:
        cut = wire.claiming(payload, claims)
        if claims == 20:
            cut = wire.claiming(b"\x46" + payload[1:], claims)  # less than the header it claims to have
    padding = s.peer(sa).codec.padding_length(len(cut))
    s.receive_plaintext(sa, 1, cut + trailer(padding, next_header), MALFORMED)


@check(NEXT_HEADER, TRANSPORT, proved_by=("modes-told-by-next-header", "modes-transport-checksum-stale"))
def any_upper_protocol(s: Scenario) -> None:
    """Any upper-layer protocol passes through transport mode, out and in."""
    protocol = s.draw(st.sampled_from((253, 17, 6, 1, 132, 47, 4, 41, 58, 254, 115)))
    if s.can("out") and s.draw(st.booleans()):
        sa = s.outbound_sa(sequence=0, mode="transport")
        s.send(sa, NEXT_HEADER, packet=s.plain(sa, protocol))
    else:
        sa = s.inbound_sa(sequence=0, mode="transport", udp=False)  # in UDP, a TCP checksum may be corrected
        s.receive(sa, 1, TRANSPORT, packet=s.plain(sa, protocol))


@check(BYPASS, proved_by=("modes-bypass-is-protect",))
def other_traffic(s: Scenario) -> None:
    """A packet that is not ESP is not touched by ESP."""
    sa = s.inbound_sa(sequence=0)
    recipe = packets.Recipe(version=s.outer_version(sa), protocol=s.draw(st.sampled_from((17, 253))), length=40)
    s.arrives(s.between_gateways(sa, recipe), BYPASS)


@check(SELECTORS, FRAGMENT_POLICY, proved_by=("modes-selector-whole-octets",))
def selectors(s: Scenario) -> None:
    """What comes out of a tunnel must be the SA's traffic."""
    s.need("selectors", s.caps.selectors)
    sa = s.inbound_sa(sequence=0, mode="tunnel", add=False)
    packet = s.small(sa)
    parsed = ip.parse(packet)
    fits = s.draw(st.booleans())
    sa = s.with_fields(sa, selectors=(s.selector(parsed, fits=fits),))
    s.receive(sa, 1, SELECTORS, packet=packet)
    s.receive(sa, 2, FRAGMENT_POLICY, packet=wire.fragment(packet, 24))


@check(TRANSPORT, proved_by=("modes-transport-hop-by-hop-refused", "modes-transport-ipv6-length-swapped"))
def hop_by_hop_inside(s: Scenario) -> None:
    """IPv6 hop-by-hop options may be the first thing in ESP: next header 0 is a protocol like any other."""
    s.need("ipv6_extension_headers", s.caps.ipv6_extension_headers)
    sa = s.inbound_sa(sequence=0, mode="transport", family="6in6")
    packet = s.packet(sa, version=6, extensions=(HOP_BY_HOP,), length=20)
    split = transport.Split(packet[:40], 0, packet[40:], 6)
    padding = s.peer(sa).codec.padding_length(len(split.payload))
    plaintext = split.payload + trailer(padding, 0)
    s.arrives(s.peer(sa).seal_split(split, plaintext, 1), TRANSPORT)
