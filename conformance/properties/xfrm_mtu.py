"""Packets that are too long for a link or a path: cut up where they may be, else discarded, and their sender is told."""

from typing import Any

from hypothesis import strategies as st

from espproof.adapters.case import Sa
from espproof.conformance.checks.host import HostScenario
from espproof.conformance.checks.links import NARROW, WIDE, LinkedHost, too_big
from espproof.conformance.checks.registry import check
from espproof.conformance.checks.scenario import Scenario
from espproof.conformance.strategies import upper_layers, wire
from espproof.reference import ip

DF_SET = "RFC4301-8.2.1-pmtu-ipv4-df-set"
FRAGMENT, SILENT = "RFC4301-8.2.1-pmtu-ipv4-fragment", "RFC4301-8.2.1-pmtu-ipv4-silent"
IPV6, LEAST = "RFC4301-8.2.1-pmtu-ipv6", "RFC4301-8.2.1-pmtu-ipv6-least"
HANDLED, WAIT, MAPPED = "RFC4301-8.2.1-pmtu-handled", "RFC4301-8.2.1-pmtu-wait", "RFC4301-8.2.1-pmtu-mapped"
AGED = "RFC4301-8.2.2-pmtu-aged"
ACCEPT, BY_TYPE = "RFC4301-6.1.1-accept-or-reject", "RFC4301-6.1.1-by-type"
MECHANISMS, CONSTRAINED = "RFC4301-6.1.1-mechanisms", "RFC4301-6.1.2-constrained"
NOT_SENT, NOT_TAKEN = "RFC4301-7.3-fragments-not-sent", "RFC4301-7.3-fragments-discarded"
DISCARD_RULE = "RFC4301-7.4-fragments-discard-rule"
LINK = 1500
"""Octets of the link in front of a path of which something is learned."""
NOT_SET = ("copy", "clear")
"""Treatments of DF that leave it clear outside where it is inside."""


@check(DF_SET, weight=2.0, proved_by=("xfrm-mtu-one-too-long", "xfrm-mtu-udp-forgotten"))
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
        h.enters("plain", h.of_size(4, h.near(most, s.caps.max_packet), dont_fragment=True), DF_SET)
    h.counters(DF_SET)


@check(
    FRAGMENT,
    SILENT,
    weight=2.0,
    proved_by=("xfrm-mtu-df-ignored", "xfrm-mtu-offset-in-octets", "xfrm-mtu-last-has-more"),
)
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
        h.enters("plain", h.of_size(4, h.near(most, h.room(packet, [sa], s.caps.max_packet))), about)
    h.counters(about)


@check(
    IPV6, weight=2.0, proved_by=("xfrm-mtu-ipv6-cut-up", "xfrm-mtu-padding-forgotten", "xfrm-mtu-message-quotes-all")
)
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
        h.enters("plain", h.of_size(6, h.near(most, h.wire)), IPV6)
    h.counters(IPV6)


@check(IPV6, proved_by=("xfrm-mtu-of-the-link",))
def ipv6_longer_than_the_link(s: Scenario) -> None:
    """A packet that would not even fit unprotected: its sender is told what would fit protected, not what the link has."""
    h = LinkedHost(s, wire=[one for one in WIDE if one < s.caps.max_packet])
    s.need("IPv6", 6 in h.versions())
    sa = h.sa("out", mode="tunnel", udp=s.draw(st.booleans()) and bool(s.caps.udp))
    s.need("IPv6 inside", 6 in s.versions(sa))
    assert h.wire is not None
    h.policy("out", h.outgoing(6), h.template(sa), about=IPV6)
    size = h.wire + s.draw(st.sampled_from((1, 8, h.wire)))
    h.enters("plain", h.of_size(6, min(size, s.caps.max_packet)), IPV6)
    h.counters(IPV6)


@check(FRAGMENT, proved_by=("xfrm-mtu-set-is-cut-outside",))
def df_of_the_sa(s: Scenario) -> None:
    """An SA that sets DF outside has its packets cut up inside; one that clears it, or copies what is clear, outside."""
    h = LinkedHost(s, wire=NARROW + WIDE)
    s.need("IPv4", 4 in h.versions())
    sa = h.sa("out", mode="tunnel", df=s.caps.df or "copy", family="4in4")
    assert h.wire is not None
    packet = h.outgoing(4)
    h.policy("out", packet, h.template(sa), about=FRAGMENT)
    size = h.near(h.room(packet, [sa], h.wire), h.room(packet, [sa], s.caps.max_packet))
    h.enters("plain", h.of_size(4, size, extensions=_options(s)), FRAGMENT)
    h.counters(FRAGMENT)


@check(FRAGMENT, weight=2.0, proved_by=("xfrm-mtu-inside-without-room",))
def cut_up_inside(s: Scenario) -> None:
    """Where it is configured so, the pieces are made first, and each is protected by itself."""
    h = LinkedHost(s, wire=NARROW + WIDE, fragments="inside")
    s.need("IPv4", 4 in h.versions())
    sa = h.sa("out", mode="tunnel", udp=s.draw(st.booleans()) and bool(s.caps.udp))
    s.need("IPv4 inside", 4 in s.versions(sa))
    assert h.wire is not None
    packet = h.outgoing(4)
    about = s.draw(st.sampled_from((FRAGMENT, SILENT)))
    h.policy("out", packet, h.template(sa), about=about)
    most = h.room(packet, [sa], h.wire)
    for _ in range(s.draw(st.integers(1, 2))):
        h.enters("plain", h.of_size(4, h.near(most, s.caps.max_packet), extensions=_options(s)), about)
    h.counters(about)


@check(IPV6, proved_by=("xfrm-mtu-below-1280",))
def ipv6_in_narrow_paths(s: Scenario) -> None:
    """Where fewer than 1280 octets fit: the sender of a longer packet is told 1280, as no IPv6 path has less."""
    h, sa, most = _narrow(s)
    h.policy("out", h.outgoing(6), h.template(sa), about=IPV6)
    for _ in range(s.draw(st.integers(1, 2))):
        h.enters("plain", h.of_size(6, s.draw(st.sampled_from((most, 1281, 1290)))), IPV6)
    h.counters(IPV6)


@check(LEAST, proved_by=("xfrm-mtu-below-1280",))
def ipv6_that_every_path_carries(s: Scenario) -> None:
    """There, an IPv6 packet of up to 1280 octets goes on in fragments of what carries it (RFC 8200 5, RFC 2473 7.1)."""
    h, sa, most = _narrow(s)
    h.policy("out", h.outgoing(6), h.template(sa), about=LEAST)
    h.enters("plain", h.of_size(6, s.draw(st.sampled_from((most + 1, 1279, 1280)))), LEAST)
    h.counters(LEAST)


@check(DF_SET, IPV6, weight=2.0, proved_by=("xfrm-mtu-message-to-the-far-end", "xfrm-mtu-silent-inwards"))
def out_of_a_tunnel(s: Scenario) -> None:
    """What comes out of a tunnel and is too long for the plain side: its sender behind the tunnel is told, through the
    tunnel back where a policy protects what goes there."""
    h = LinkedHost(s, plain=NARROW + WIDE)
    out, back = h.pair(mode="tunnel")
    version = h.version_in(out, back)
    about = DF_SET if version == 4 else IPV6
    packet = h.incoming(version)
    h.policy("forward", packet, h.template(back), about=about)
    if s.draw(st.booleans()):
        selector = h.selector(h.outgoing(version), source=None)
        h.policy("out", packet, h.template(out), about=about, selector=selector)
    assert h.plain is not None
    for number in range(1, s.draw(st.integers(2, 3))):
        long = h.sized(
            h.incoming, version, h.near(h.plain, h.room(packet, [back], s.caps.max_packet)), dont_fragment=True
        )
        h.enters("wire", s.peer(back).protect(long, number), about)
    h.counters(about)


@check(FRAGMENT, proved_by=("xfrm-mtu-own-packets-whole",))
def of_its_own(s: Scenario) -> None:
    """Packets of the host's own in transport mode: whole datagrams are protected, and what comes of it is cut up."""
    h = LinkedHost(s, wire=NARROW + WIDE)
    s.need("transport mode", "transport" in s.caps.modes)
    sa = h.sa("out", mode="transport")
    version = s.outer_version(sa)
    s.need("IPv4", version == 4)
    packet = h.of_ours(sa)
    h.policy("out", packet, h.template(sa), about=FRAGMENT)
    assert h.wire is not None
    size = h.near(h.room(packet, [sa], h.wire), min(h.wire, h.room(packet, [sa], s.caps.max_packet)))
    h.enters("local", h.sized(lambda _, **fields: h.of_ours(sa, **fields), version, size), FRAGMENT)
    h.counters(FRAGMENT)


@check(WAIT, HANDLED, weight=3.0, proved_by=("xfrm-mtu-learned-without-overhead",))
def learned(s: Scenario) -> None:
    """A message about an ESP packet changes nothing by itself; what follows is answered, or cut up, by what it said."""
    h, sa, version = _learner(s)
    packet = h.outgoing(version)
    h.policy("out", packet, h.template(sa), about=WAIT)
    said = s.draw(st.sampled_from((1420, 1433, 1452)))
    if s.draw(st.booleans()):
        h.enters("plain", h.of_size(version, 1340, dont_fragment=True), WAIT)
    h.told(sa, said, WAIT)
    most = h.room(packet, [sa], said)
    for _ in range(s.draw(st.integers(1, 3))):
        about = s.draw(st.sampled_from((WAIT, HANDLED)))
        size = s.draw(st.sampled_from((most - 8, most, most + 1, most + 8, LINK)))
        dont_fragment = s.draw(st.booleans())
        longest = LINK if dont_fragment else h.room(packet, [sa], s.caps.max_packet)
        h.enters("plain", h.of_size(version, min(size, longest), dont_fragment=dont_fragment), about)
    h.counters(WAIT)


@check(WAIT, proved_by=("xfrm-mtu-not-learned",))
def learned_in_udp(s: Scenario) -> None:
    """The same of ESP in UDP, of which a message may quote no more than the ports."""
    h = LinkedHost(s, wire=(LINK,))
    s.need("udp", s.caps.udp)
    sa, back = h.pair(mode="tunnel", udp=True)
    assert sa.udp is not None
    assert back.udp is not None
    s.need("one port for both directions", sa.udp.source_port == back.udp.destination_port)
    version = h.version_in(sa)
    packet = h.outgoing(version)
    h.policy("out", packet, h.template(sa), about=WAIT)
    h.told(sa, 1420, WAIT)
    most = h.room(packet, [sa], 1420)
    h.enters("plain", h.of_size(version, most + s.draw(st.integers(0, 1)), dont_fragment=True), WAIT)
    h.counters(WAIT)


@check(MAPPED, weight=2.0, proved_by=("xfrm-mtu-learned-of-any-spi",))
def learned_of_nobody(s: Scenario) -> None:
    """A message that quotes an SPI that nobody has, or that says something else, changes nothing."""
    h, sa, version = _learner(s)
    packet = h.outgoing(version)
    h.policy("out", packet, h.template(sa), about=MAPPED)
    wrong: list[dict[str, Any]] = [{"spi": sa.spi ^ 0x0110}]
    wrong += [{"code": 3}] if s.outer_version(sa) == 4 else []  # ICMPv6 is to be read whatever its code is
    h.told(sa, 1420, MAPPED, **s.draw(st.sampled_from(wrong)))
    h.enters("plain", h.of_size(version, h.room(packet, [sa], LINK), dont_fragment=True), MAPPED)
    h.counters(MAPPED)


@check(MECHANISMS, proved_by=("xfrm-mtu-any-mtu-is-learned",))
def learned_too_little(s: Scenario) -> None:
    """A message with an MTU that no IPv6 path has changes nothing."""
    h, sa, version = _learner(s)
    s.need("outer IPv6", s.outer_version(sa) == 6)
    packet = h.outgoing(version)
    h.policy("out", packet, h.template(sa), about=MECHANISMS)
    h.told(sa, s.draw(st.sampled_from((0, 68, 600, 1279))), MECHANISMS)
    h.enters("plain", h.of_size(version, h.room(packet, [sa], LINK), dont_fragment=True), MECHANISMS)
    h.counters(MECHANISMS)


@check(ACCEPT, BY_TYPE, CONSTRAINED, weight=2.0, proved_by=("xfrm-mtu-learned-before-policies",))
def kept_out(s: Scenario) -> None:
    """A policy keeps such messages out, from either side; one for another type does not."""
    h, sa, version = _learner(s)
    about = s.draw(st.sampled_from((ACCEPT, BY_TYPE, CONSTRAINED)))
    packet = h.outgoing(version)
    h.policy("out", packet, h.template(sa), about=about)
    message = too_big(sa, 1420)
    kind, other = (3, 8) if s.outer_version(sa) == 4 else (2, 128)
    fields = {}
    if about == BY_TYPE:
        s.need("ports", h.caps.ports != "none")
        chosen = s.draw(st.sampled_from((kind, other)))
        protocol = upper_layers.ICMP if s.outer_version(sa) == 4 else upper_layers.ICMPV6
        fields = {"protocol": protocol, "source_ports": h.ports(chosen)}
    h.policy("in", message, about=about, action="block", selector=h.selector(message, **fields))
    h.enters("plain" if about == CONSTRAINED else "wire", message, about)
    h.enters("plain", h.of_size(version, h.room(packet, [sa], LINK), dont_fragment=True), about)
    h.counters(about)


@check(AGED, proved_by=("xfrm-mtu-never-forgotten",))
def learned_and_forgotten(s: Scenario) -> None:
    """An hour later the whole link is tried again; four minutes later it is not."""
    h, sa, version = _learner(s)
    packet = h.outgoing(version)
    h.policy("out", packet, h.template(sa), about=AGED)
    h.told(sa, 1420, AGED)
    s.wait(s.draw(st.sampled_from((240, 3600))), AGED)
    h.enters("plain", h.of_size(version, h.room(packet, [sa], LINK), dont_fragment=True), AGED)
    h.counters(AGED)


@check(DF_SET, FRAGMENT, proved_by=("xfrm-mtu-room-of-the-last-alone",))
def through_two_sas(s: Scenario) -> None:
    """What both of two SAs add is counted."""
    h = LinkedHost(s, wire=WIDE)
    inner, outer = h.sa("out", mode="tunnel", df=NOT_SET), h.sa("out", mode="tunnel", df=NOT_SET)
    s.need("a tunnel in a tunnel", s.outer_version(inner) in s.versions(outer))
    s.need("IPv4 inside", 4 in s.versions(inner))
    # an IPv6 packet in the middle is one that no router may cut up
    s.need("IPv4 in the middle", s.outer_version(inner) == 4)
    dont_fragment = s.draw(st.booleans())
    about = DF_SET if dont_fragment else FRAGMENT
    packet = h.outgoing(4)
    h.policy("out", packet, h.template(inner), h.template(outer), about=about)
    assert h.wire is not None
    most = h.room(packet, [inner, outer], h.wire)
    longest = s.caps.max_packet if dont_fragment else h.room(packet, [inner, outer], s.caps.max_packet)
    h.enters("plain", h.of_size(4, h.near(most, longest), dont_fragment=dont_fragment), about)
    h.counters(about)


@check(DISCARD_RULE, proved_by=("xfrm-mtu-later-fragments-pass",))
def fragments_that_a_policy_blocks(s: Scenario) -> None:
    """Each piece of a packet that a policy discards is discarded, whether its ports can be seen or not."""
    h = HostScenario(s)
    version = s.choose(h.versions())
    whole = h.message(version, upper_layers.UDP, 0x1F90, 0x2710)
    asked = s.draw(st.sampled_from(({}, {"protocol": upper_layers.UDP})))
    h.policy("out", whole, about=DISCARD_RULE, action="block", selector=h.selector(whole, **asked))
    for piece in s.draw(st.permutations(wire.fragments(whole, (1, 2)))):
        h.enters("plain", piece, DISCARD_RULE)
    h.counters(DISCARD_RULE)


@check(NOT_SENT, proved_by=("xfrm-mtu-ports-of-later-fragments",))
def later_fragments_not_sent(s: Scenario) -> None:
    """A piece without ports does not leave through an SA for some ports."""
    h = HostScenario(s, blocked=("out",))
    s.need("ports", h.caps.ports != "none")
    sa = h.sa("out", mode="tunnel")
    whole = h.message(h.version_in(sa), upper_layers.UDP, 0x1F90, 0x2710)
    selector = h.selector(whole, protocol=upper_layers.UDP, destination_ports=h.ports(0x2710))
    h.policy("out", whole, h.template(sa), about=NOT_SENT, selector=selector)
    for packet in s.draw(st.permutations((whole, _later(whole)))):
        h.enters("plain", packet, NOT_SENT)


@check(NOT_TAKEN, proved_by=("xfrm-mtu-ports-of-later-fragments",))
def later_fragments_not_taken(s: Scenario) -> None:
    """A piece without ports does not get in through an SA for some ports."""
    h = HostScenario(s)
    s.need("ports", h.caps.ports != "none")
    sa = h.sa("in", mode="tunnel")
    whole = h.message(h.version_in(sa), upper_layers.UDP, 0x1F90, 0x2710, "in")
    selector = h.selector(whole, protocol=upper_layers.UDP, source_ports=h.ports(0x1F90))
    h.policy("forward", whole, h.template(sa), about=NOT_TAKEN, selector=selector)
    for number, packet in enumerate(s.draw(st.permutations((whole, _later(whole)))), 1):
        h.enters("wire", s.peer(sa).protect(packet, number), NOT_TAKEN)
    h.counters(NOT_TAKEN)


def _later(whole: bytes) -> bytes:
    """The last fragment of a datagram, which begins with octets that look like the ports of the first."""
    parsed = ip.parse(whole)
    _, last = wire.fragments(whole, (2,))
    at = len(last) - len(ip.parse(last).payload)
    return last[:at] + parsed.payload[:4] + last[at + 4 :]


def _narrow(s: Scenario) -> tuple[LinkedHost, Sa, int]:
    """A host whose link leaves less than 1280 octets inside an SA, which carries IPv6; and how many it leaves."""
    h = LinkedHost(s, wire=NARROW)
    s.need("IPv6", 6 in h.versions())
    sa = h.sa("out", mode="tunnel", udp=s.draw(st.booleans()) and bool(s.caps.udp), df=NOT_SET)
    s.need("IPv6 inside", 6 in s.versions(sa))
    assert h.wire is not None
    return h, sa, h.room(h.outgoing(6), [sa], h.wire)


def _learner(s: Scenario) -> tuple[LinkedHost, Sa, int]:
    """A host that can learn of a path behind a link of `LINK` octets, one of its SAs, and the version of its traffic."""
    h = LinkedHost(s, wire=(LINK,))
    sa = h.sa("out", mode="tunnel")
    return h, sa, h.version_in(sa)


def _options(s: Scenario) -> tuple[tuple[int, bytes], ...]:
    """IPv4 options: none, or one that each fragment has and one that the first alone has."""
    both = bytes.fromhex("9e0401021e040304")
    return s.draw(st.sampled_from(((), ((0, both),)))) if s.caps.ipv4_options else ()
