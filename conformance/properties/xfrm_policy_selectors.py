"""Selectors of policies: which packets each field of one is for (RFC 4301 4.4.1.1)."""

from collections.abc import Sequence
from typing import Literal

from hypothesis import strategies as st

from espproof.adapters.case import TrafficSelector
from espproof.conformance.checks import visible
from espproof.conformance.checks.host import HostScenario
from espproof.conformance.checks.registry import check
from espproof.conformance.checks.scenario import Scenario
from espproof.conformance.properties.xfrm_policy import way_in
from espproof.conformance.strategies import packets, upper_layers, wire
from espproof.reference import ip

SELECTION, ANY, IKE = "RFC4301-4.4.1-selection", "RFC4301-4.4.1-any", "RFC4301-4.4.1-ike-consulted"
VERSION = "RFC4301-4.4.1.1-one-version"
REMOTE, LOCAL = "RFC4301-4.4.1.1-remote-address", "RFC4301-4.4.1.1-local-address"
PROTOCOL, BEHIND = "RFC4301-4.4.1.1-protocol", "RFC4301-4.4.1.1-protocol-behind-extensions"
ESP_NOT_SKIPPED = "RFC4301-4.4.1.1-esp-not-skipped"
PORTS, NO_PORT, ICMP = "RFC4301-4.4.1.1-ports", "RFC4301-4.4.1.3-no-port", "RFC4301-4.4.1.1-icmp"
FRAGMENT = "RFC4301-4.4.1.1-fragment-without-ports"

NAT_T, IKE_PORT = 4500, 500
_OPTIONS = bytes((0, 1, 4)) + bytes(4)
"""An extension header of 8 octets behind the first one: six of padding."""


@check(VERSION, proved_by=("xfrm-policy-any-version",))
def one_version(s: Scenario) -> None:
    """A policy for all addresses of one IP version is not for packets of the other."""
    h = HostScenario(s)
    s.need("both IP versions", len(h.versions()) == 2)
    version: Literal[4, 6] = s.choose((4, 6))
    zero = s.draw(st.sampled_from((None, "0.0.0.0/0" if version == 4 else "::/0")))
    selector = TrafficSelector(version=version, source=zero, destination=zero)
    enter = visible.policy(h, "out", h.outgoing(version), VERSION, selector=selector)
    for each in (4, 6):
        enter(h.outgoing(each))


@check(
    REMOTE,
    LOCAL,
    weight=3.0,
    proved_by=(
        "xfrm-policy-remote-in-octets",
        "xfrm-policy-local-not-compared",
    ),
)
def prefixes(s: Scenario) -> None:
    """Each bit of a prefix counts and none behind it, of source and destination, outbound and inbound."""
    h = HostScenario(s)
    version = s.choose(h.versions())
    direction = s.choose(("out", h.inward))
    _, packet = way_in(version, h, direction)
    field = s.choose(("destination", "source"))
    about = REMOTE if (field == "destination") == (direction == "out") else LOCAL
    address = getattr(ip.parse(packet), field)
    bits = 8 * len(address)
    length = s.draw(st.one_of(st.sampled_from((bits, bits - 1, 1, 8, bits // 2, 0)), st.integers(0, bits)))
    places = [None, *([length - 1] if length else []), *([length] if length < bits else [])]
    place = s.draw(st.sampled_from(places))
    selector = h.selector(
        packet, **{"source": None, "destination": None, field: packets.prefix(address, length, flip=place)}
    )
    visible.policy(h, direction, packet, about, selector=selector)(packet)


@check(
    PROTOCOL,
    ANY,
    proved_by=(
        "xfrm-policy-protocol-bits",
        "xfrm-policy-any-protocol-needs-ports",
    ),
)
def protocols(s: Scenario) -> None:
    """A protocol is one number or any: neighbouring numbers are others."""
    h = HostScenario(s)
    version = s.choose(h.versions())
    protocol = s.draw(st.sampled_from((253, upper_layers.TCP, upper_layers.UDP, 254, 114)))
    asked = s.draw(st.sampled_from((protocol, protocol - 1, protocol + 1, None)))
    packet = h.outgoing(version, protocol=protocol, content=bytes(range(1, 41)))
    about = ANY if asked is None else PROTOCOL
    visible.policy(h, "out", packet, about, selector=h.selector(packet, protocol=asked))(packet)


@check(PROTOCOL, proved_by=("xfrm-policy-short-packets-of-no-protocol",))
def protocol_of_short_packets(s: Scenario) -> None:
    """What a packet carries has its protocol, be it one octet or none."""
    h = HostScenario(s)
    version, length = s.choose(h.versions()), s.draw(st.integers(0, 3))
    packet = h.outgoing(version, length=length)
    selector = h.selector(packet, protocol=packets.EXPERIMENTAL)
    visible.policy(h, "out", packet, PROTOCOL, selector=selector)(packet)


@check(PORTS, weight=3.0, proved_by=("xfrm-policy-last-port-left-out",))
def ports(s: Scenario) -> None:
    """Source and destination ports at both edges of a range and just outside."""
    _ports_of(s, (upper_layers.UDP, upper_layers.TCP))


@check(PORTS, weight=2.0, proved_by=("xfrm-policy-ports-of-tcp-and-udp",))
def ports_of_sctp(s: Scenario) -> None:
    """The same of SCTP and UDP-Lite."""
    _ports_of(s, (upper_layers.SCTP, upper_layers.UDP_LITE))


@check(PORTS, proved_by=("xfrm-policy-ports-of-dccp",))
def ports_of_dccp(s: Scenario) -> None:
    """DCCP has ports too (RFC 4340 5.1)."""
    _ports_of(s, (upper_layers.DCCP,))


def _ports_of(s: Scenario, protocols: Sequence[int]) -> None:
    h = HostScenario(s)
    s.need("ports", h.caps.ports != "none")
    version = s.choose(h.versions())
    protocol = s.choose(protocols)
    width = s.draw(st.sampled_from((1, 2, 16, 256, 1024) if h.caps.ports == "masks" else (1, 2, 16, 100, 777)))
    first = s.draw(st.integers(1, 60_000 // width)) * width
    inside = s.draw(st.sampled_from((first, first + width - 1, first - 1, first + width, first + width // 2)))
    field = s.choose(("destination_ports", "source_ports"))
    asked = s.draw(st.sampled_from((protocol, None)))
    direction = s.choose(("out", h.inward))
    numbers = (0x1F90, inside) if field == "destination_ports" else (inside, 0x1F90)
    packet = h.message(version, protocol, *numbers, direction="out" if direction == "out" else "in")
    selector = h.selector(packet, protocol=asked, **{field: h.ports(first, first + width - 1)})
    visible.policy(h, direction, packet, PORTS, selector=selector)(packet)


@check(NO_PORT, proved_by=("xfrm-policy-ports-of-everything",))
def no_ports(s: Scenario) -> None:
    """What has no ports has none that a policy could name, whatever its first octets look like."""
    h = HostScenario(s)
    s.need("ports", h.caps.ports != "none")
    version = s.choose(h.versions())
    protocol = s.draw(st.sampled_from((packets.EXPERIMENTAL, upper_layers.ESP)))
    packet = h.outgoing(version, protocol=protocol, content=bytes.fromhex("1f902710") + bytes(range(40)))
    field, number = s.draw(st.sampled_from((("source_ports", 0x1F90), ("destination_ports", 0x2710))))
    selector = h.selector(packet, protocol=None, **{field: h.ports(number)})
    visible.policy(h, "out", packet, NO_PORT, selector=selector)(packet)


@check(NO_PORT, FRAGMENT, proved_by=("xfrm-policy-no-port-is-port-zero",))
def none_is_not_zero(s: Scenario) -> None:
    """Where a packet tells no port it has none: a range from 0 on is not for it either."""
    h = HostScenario(s)
    s.need("ports", h.caps.ports != "none")
    version = s.choose(h.versions())
    whole = h.message(version, upper_layers.UDP, 0x1F90, 0x2710)
    last = s.draw(st.sampled_from((0, 1, 1023, 32767)))
    field = s.choose(("destination_ports", "source_ports"))
    if s.draw(st.booleans()):
        about, packet, protocol = FRAGMENT, wire.fragments(whole, (2,))[-1], upper_layers.UDP
    else:
        about, packet, protocol = NO_PORT, h.outgoing(version), None
    selector = h.selector(packet, protocol=protocol, **{field: h.ports(0, last)})
    visible.policy(h, "out", packet, about, selector=selector)(packet)


@check(ICMP, proved_by=("xfrm-policy-code-not-compared",))
def icmp_types(s: Scenario) -> None:
    """ICMP by type, or by type and code."""
    h = HostScenario(s)
    s.need("ports", h.caps.ports != "none")
    version = s.choose(h.versions())
    protocol = upper_layers.ICMP if version == 4 else upper_layers.ICMPV6
    kind, code = s.draw(st.sampled_from(((3, 1), (8, 0), (128, 0), (1, 4), (11, 1))))
    packet = h.message(version, protocol, kind, code)
    asked = {"source_ports": h.ports(kind + s.draw(st.sampled_from((0, 1))))}
    if s.draw(st.booleans()):
        asked["destination_ports"] = h.ports(code + s.draw(st.sampled_from((0, 1))))
    visible.policy(h, "out", packet, ICMP, selector=h.selector(packet, protocol=protocol, **asked))(packet)


@check(FRAGMENT, proved_by=("xfrm-policy-ports-of-fragments",))
def fragments(s: Scenario) -> None:
    """A fragment behind the first one has no ports, and no policy with ports is for it."""
    _piece_enters(s, -1, FRAGMENT)


@check(PORTS, proved_by=("xfrm-policy-first-fragment-without-ports",))
def first_fragment(s: Scenario) -> None:
    """The first fragment has the ports that the whole packet has."""
    _piece_enters(s, 0, PORTS)


def _piece_enters(s: Scenario, place: int, about: str) -> None:
    h = HostScenario(s)
    s.need("ports", h.caps.ports != "none")
    version = s.choose(h.versions())
    asked = s.draw(st.sampled_from(({}, {"protocol": upper_layers.UDP})))
    whole = h.message(version, upper_layers.UDP, 0x1F90, 0x2710)
    field, number = s.draw(st.sampled_from((("source_ports", 0x1F90), ("destination_ports", 0x2710))))
    selector = h.selector(whole, **asked, **{field: h.ports(number)})
    enter = visible.policy(h, "out", whole, about, priority=1, selector=selector)
    if "bypass" in h.caps.actions:
        h.policy("out", whole, about=about, priority=2)
    enter(wire.fragments(whole, (2,))[place])


@check(BEHIND, proved_by=("xfrm-policy-next-header-of-ipv6",))
def behind_extension_headers(s: Scenario) -> None:
    """The protocol is what stands behind the extension headers, and so do the ports."""
    h = HostScenario(s)
    s.need("IPv6", 6 in h.versions())
    s.need("ipv6_extension_headers", s.caps.ipv6_extension_headers)
    chain = s.draw(st.sampled_from((((60, _OPTIONS),), ((0, _OPTIONS),), ((0, _OPTIONS), (60, _OPTIONS)))))
    content = upper_layers.upper_layer(upper_layers.UDP, 16, packets.hosts(6, "out"))
    packet = h.outgoing(6, protocol=upper_layers.UDP, content=content, extensions=chain)
    asked = s.draw(st.sampled_from((upper_layers.UDP, upper_layers.TCP, 60)))
    visible.policy(h, "out", packet, BEHIND, selector=h.selector(packet, protocol=asked))(packet)


@check(ESP_NOT_SKIPPED, proved_by=("xfrm-policy-esp-passes",))
def esp_of_others(s: Scenario) -> None:
    """Somebody else's ESP is protocol 50, and not what is inside."""
    h = HostScenario(s)
    version = s.choose(h.versions())
    content = upper_layers.upper_layer(upper_layers.ESP, 40, packets.hosts(version, "out"))
    packet = h.outgoing(version, protocol=upper_layers.ESP, content=content)
    asked = s.draw(st.sampled_from((upper_layers.ESP, upper_layers.UDP, 51)))
    visible.policy(h, "out", packet, ESP_NOT_SKIPPED, selector=h.selector(packet, protocol=asked))(packet)


@check(IKE, proved_by=("xfrm-policy-ike-passes",))
def ike_is_no_exception(s: Scenario) -> None:
    """Packets to IKE's ports meet the policies as all others do."""
    h = HostScenario(s)
    version = s.choose(h.versions())
    port = s.draw(st.sampled_from((IKE_PORT, NAT_T)))
    packet = h.message(version, upper_layers.UDP, port, port)
    if "bypass" in h.caps.actions and s.draw(st.booleans()):
        h.policy("out", packet, about=IKE)
        h.enters("plain", packet, IKE)
    else:
        visible.policy(h, "out", packet, IKE)(packet)


@check(SELECTION, proved_by=("xfrm-policy-mark-without-mask",))
def mark_and_interface(s: Scenario) -> None:
    """Of policies that differ in mark or interface alone each is for its own packets."""
    h = HostScenario(s)
    s.need("marks or if_ids", h.caps.marks or h.caps.if_ids)
    packet = h.outgoing(s.choose(h.versions()))
    if h.caps.marks:
        mask = s.draw(st.sampled_from((0xFF, 0xFFFFFFFF, 0xF0)))
        value = 0x30 & mask
        h.policy("out", packet, about=SELECTION, action="block", priority=1, mark=h.mark(value, mask))
    else:
        h.policy("out", packet, about=SELECTION, action="block", priority=1, if_id=7)
    marks = (0, 0x30, 0x31, 0x1030) if h.caps.marks else (0,)
    h.enters("plain", packet, SELECTION, mark=s.draw(st.sampled_from(marks)))
    h.counters(SELECTION)
