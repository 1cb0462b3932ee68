"""Super-packets as programs make them, of the host's own and of the near one: each part leaves as if it had come alone,
and what is kept to be sent again is what it was.

A connection has no more than ten segments that nobody has acknowledged (RFC 6928), of one size.
"""

from typing import Any

from hypothesis import strategies as st

from espproof.adapters.case import Sa
from espproof.conformance.checks.host import HostScenario
from espproof.conformance.checks.links import LinkedHost
from espproof.conformance.checks.registry import check
from espproof.conformance.checks.scenario import Scenario
from espproof.conformance.properties.xfrm_gso import AS_SINGLES, ESN_HIGH, OUT_SEQ
from espproof.conformance.requirements.ids import CLONES_UNCHANGED, IN_THE_CLEAR, INCREMENT
from espproof.conformance.strategies import packets, upper_layers
from espproof.reference.xfrm import segmentation

_SIZES = (536, 1000, 1300)
_SMALL = (88, 100, 150, 200)
_NUMBERS = (0x01020304, 0xFFFFFF00)
_PORTS = (0x1F90, 0x1F91)
_HEADERS = {upper_layers.TCP: {4: 40, 6: 60}, upper_layers.UDP: {4: 28, 6: 48}}
_PARTS, _UNACKNOWLEDGED = 5, 10
"""Of one super-packet, and of a connection, which has room for two."""


def _protocol(h: HostScenario) -> int:
    h.s.need("super-packets of the host's own", h.caps.local and h.caps.local_segments)
    return upper_layers.TCP if h.s.choose(h.caps.local_segments) == "tcp" else upper_layers.UDP


def _length(s: Scenario, size: int, least: int = 2) -> int:
    """Of what is sent at once: some parts, the last as long as the others, or shorter, or of one octet."""
    last = s.draw(st.sampled_from((size, 1, size - 1, size // 2 + 1)))
    return size * (s.draw(st.integers(least, _PARTS)) - 1) + last


def _start(s: Scenario) -> int:
    """A number behind which there are more than enough."""
    return s.draw(st.sampled_from((0, 7, 2**31 - 3, 2**32 - 1000))) if s.caps.set_sequence else s.caps.start_of("out")


def _few_are_left(s: Scenario) -> dict[str, Any]:
    """Of an SA that has numbers for some parts of a super-packet and not for all."""
    s.need("set_sequence", s.caps.set_sequence)
    esn = s.choose(s.caps.esn)
    return {"esn": esn, "sequence": (2**64 if esn else 2**32) - 1 - s.draw(st.integers(0, 3))}


def _before_the_wrap(s: Scenario) -> int:
    """An extended number whose low half wraps within the next packets."""
    s.need("set_sequence", s.caps.set_sequence)
    s.need("esn", True in s.caps.esn)
    return s.draw(st.sampled_from((2**32, 2**33))) - 1 - s.draw(st.integers(0, 6))


def _sends(h: HostScenario, sa: Sa, protocol: int, size: int, about: str) -> None:
    """What two programs send, in turns, with single datagrams between."""
    s = h.s
    numbers = {port: s.draw(st.sampled_from(_NUMBERS)) for port in _PORTS}
    parts = dict.fromkeys(_PORTS, 0)
    turns = st.lists(st.sampled_from((*_PORTS, 0)), max_size=3)
    for port in (_PORTS[0], *s.draw(turns)):
        if not port:
            h.enters("local", h.datagram_of_ours(sa, s.draw(st.integers(0, 80))), about)
            continue
        length = _length(s, size)
        parts[port] += -(-length // size)
        if parts[port] > _UNACKNOWLEDGED:
            return
        h.enters("local", h.super_of_ours(sa, protocol, length, port, numbers[port]), about, segment=size)
        numbers[port] = (numbers[port] + length) % 2**32


@check(
    AS_SINGLES,
    INCREMENT,
    IN_THE_CLEAR,
    weight=2.0,
    proved_by=(
        "xfrm-own-parts-share-a-number",
        "xfrm-own-rest-in-the-clear",
        "xfrm-own-octets-of-the-first",
        "xfrm-own-checksum-left-to-the-device",
    ),
)
def protected(s: Scenario) -> None:
    """In a tunnel or in transport mode, on connections old and new: each part has the next number and an IV of its own."""
    h = HostScenario(s)
    protocol = _protocol(h)
    sa = h.sa("out", mode=s.caps.modes, sequence=_start(s))
    h.policy("out", h.of_ours(sa), h.template(sa), about=AS_SINGLES)
    _sends(h, sa, protocol, s.choose(_SIZES), AS_SINGLES)
    h.counters(AS_SINGLES)


@check(AS_SINGLES, proved_by=("xfrm-own-small-parts-overlap",))
def in_small_parts(s: Scenario) -> None:
    """Parts that are shorter than the headers for which there is room in front of them."""
    h = HostScenario(s)
    protocol = _protocol(h)
    sa = h.sa("out", mode=s.caps.modes)
    h.policy("out", h.of_ours(sa), h.template(sa), about=AS_SINGLES)
    size = s.choose(_SMALL)
    h.enters("local", h.super_of_ours(sa, protocol, _length(s, size), _PORTS[0]), AS_SINGLES, segment=size)


@check(
    CLONES_UNCHANGED,
    INCREMENT,
    IN_THE_CLEAR,
    weight=2.0,
    proved_by=("xfrm-own-written-in-place", "xfrm-own-sent-again-as-it-was", "xfrm-own-sent-again-in-the-clear"),
)
def sent_again(s: Scenario) -> None:
    """The first part is lost, three behind it are not: it is sent again, the same octets under another number and IV."""
    h = HostScenario(s)
    s.need("super-packets of TCP of the host's own", h.caps.local and "tcp" in h.caps.local_segments)
    sa = h.sa("out", mode=s.caps.modes, sequence=_start(s))
    h.policy("out", h.of_ours(sa), h.template(sa), about=AS_SINGLES)
    size = s.choose(_SIZES)
    number = s.draw(st.sampled_from(_NUMBERS))
    length = _length(s, size, least=4)
    sent = h.super_of_ours(sa, upper_layers.TCP, length, _PORTS[0], number)
    h.enters("local", sent, AS_SINGLES, segment=size)
    if s.draw(st.booleans()):
        h.enters("local", h.super_of_ours(sa, upper_layers.TCP, size, _PORTS[1], number), AS_SINGLES, segment=size)
    h.enters("local", segmentation.segments(sent, size)[0], CLONES_UNCHANGED, segment=size)
    h.enters("local", h.datagram_of_ours(sa, 40), INCREMENT)
    h.counters(AS_SINGLES)


@check(AS_SINGLES, ESN_HIGH, proved_by=("xfrm-own-high-half-of-the-first",))
def across_the_wrap(s: Scenario) -> None:
    """The low half of the number wraps inside a super-packet."""
    h = HostScenario(s)
    protocol = _protocol(h)
    sa = h.sa("out", mode=s.caps.modes, esn=True, sequence=_before_the_wrap(s))
    h.policy("out", h.of_ours(sa), h.template(sa), about=AS_SINGLES)
    size = s.choose(_SIZES)
    for port in _PORTS:
        packet = h.super_of_ours(sa, protocol, _length(s, size), port, _NUMBERS[0])
        h.enters("local", packet, ESN_HIGH, segment=size)
    h.counters(AS_SINGLES)


@check(OUT_SEQ, proved_by=("xfrm-own-counted-once-for-all",))
def behind_the_last_number(s: Scenario) -> None:
    """The numbers end inside a super-packet: the datagrams for which there is none are discarded, each for itself."""
    h = HostScenario(s)
    s.need("super-packets of UDP of the host's own", h.caps.local and "udp" in h.caps.local_segments)
    sa = h.sa("out", mode=s.caps.modes, **_few_are_left(s))
    h.policy("out", h.of_ours(sa), h.template(sa), about=AS_SINGLES)
    size = s.choose(_SIZES)
    packet = h.super_of_ours(sa, upper_layers.UDP, size * _PARTS, _PORTS[0])
    h.enters("local", packet, OUT_SEQ, segment=size)
    h.counters(OUT_SEQ)


def _that_fits(h: LinkedHost, model: bytes, sa: Sa, protocol: int) -> int:
    """Octets of the longest parts that fit, or of somewhat shorter ones."""
    assert h.wire is not None
    most = h.room(model, [sa], h.wire) - _HEADERS[protocol][model[0] >> 4]
    return most - h.s.draw(st.sampled_from((0, 1, 2, 3, 4, 15, 16)))


@check(AS_SINGLES, proved_by=("xfrm-own-room-of-the-longest-headers",))
def as_long_as_fits(s: Scenario) -> None:
    """On a link with an MTU the parts are as long as fits, or shorter, and none is in fragments."""
    h = LinkedHost(s, wire=(1300, 1400, 1492, 1500))
    protocol = _protocol(h)
    sa = h.sa("out", mode=s.caps.modes)
    model = h.of_ours(sa)
    h.policy("out", model, h.template(sa), about=AS_SINGLES)
    size = _that_fits(h, model, sa, protocol)
    packet = h.super_of_ours(sa, protocol, _length(s, size), _PORTS[0], _NUMBERS[0])
    h.enters("local", packet, AS_SINGLES, segment=size)
    h.counters(AS_SINGLES)


@check(AS_SINGLES, proved_by=("xfrm-own-whole-in-the-clear",))
def in_the_clear(s: Scenario) -> None:
    """Where no policy is for them they leave as they are."""
    h = HostScenario(s)
    protocol = _protocol(h)
    _sends(h, h.sa("out", mode="transport"), protocol, s.choose(_SIZES), AS_SINGLES)
    h.counters(AS_SINGLES)


# ------------------------------------------------------------------------------------------ of a program of the near host


def _neighbour(h: HostScenario) -> str:
    """The way by which it sends."""
    return h.s.choose(h.caps.neighbours)


def _datagrams(h: HostScenario, version: int, length: int) -> bytes:
    """So many octets that the near host sends at once to the far one, with headers as it would write them itself."""
    content = upper_layers.upper_layer(upper_layers.UDP, length, packets.hosts(version, "out"))
    return h.outgoing(
        version, protocol=upper_layers.UDP, content=content,
        dont_fragment=True, identification=0, flow_label=0, ttl=64,
    )  # fmt: skip


@check(
    AS_SINGLES,
    INCREMENT,
    IN_THE_CLEAR,
    weight=2.0,
    proved_by=("xfrm-own-neighbours-share-a-number", "xfrm-own-neighbours-are-not-asked-about"),
)
def of_a_neighbour(s: Scenario) -> None:
    """Datagrams that a program on the plain side sends, at once and one by one: each is protected for itself."""
    h = HostScenario(s)
    way = _neighbour(h)
    sa = h.sa("out", mode="tunnel", sequence=_start(s))
    version = h.version_in(sa)
    h.policy("out", h.outgoing(version), h.template(sa), about=AS_SINGLES)
    size = s.choose(_SIZES)
    for is_super in (True, *s.draw(st.lists(st.booleans(), max_size=3))):
        length = _length(s, size) if is_super else s.draw(st.integers(0, 80))
        h.enters("plain", _datagrams(h, version, length), AS_SINGLES, segment=size if is_super else 0, way=way)
    h.counters(AS_SINGLES)


@check(AS_SINGLES, ESN_HIGH, proved_by=("xfrm-own-neighbours-half-of-the-last",))
def of_a_neighbour_across_the_wrap(s: Scenario) -> None:
    """The low half of the number wraps inside of what it sends at once."""
    h = HostScenario(s)
    way = _neighbour(h)
    sa = h.sa("out", mode="tunnel", esn=True, sequence=_before_the_wrap(s))
    version = h.version_in(sa)
    h.policy("out", h.outgoing(version), h.template(sa), about=AS_SINGLES)
    size = s.choose(_SIZES)
    for _ in range(2):
        h.enters("plain", _datagrams(h, version, _length(s, size)), ESN_HIGH, segment=size, way=way)
    h.counters(AS_SINGLES)


@check(OUT_SEQ, proved_by=("xfrm-own-neighbours-end-together",))
def of_a_neighbour_behind_the_last_number(s: Scenario) -> None:
    """The numbers end inside of what it sends at once: the rest is discarded, each datagram for itself."""
    h = HostScenario(s)
    way = _neighbour(h)
    sa = h.sa("out", mode="tunnel", **_few_are_left(s))
    version = h.version_in(sa)
    h.policy("out", h.outgoing(version), h.template(sa), about=AS_SINGLES)
    size = s.choose(_SIZES)
    h.enters("plain", _datagrams(h, version, size * _PARTS), OUT_SEQ, segment=size, way=way)
    h.counters(OUT_SEQ)


@check(AS_SINGLES, proved_by=("xfrm-own-neighbours-room-of-the-longest-headers",))
def of_a_neighbour_as_long_as_fits(s: Scenario) -> None:
    """On a link with an MTU its datagrams are as long as fits, or shorter, and none is in fragments."""
    h = LinkedHost(s, wire=(1300, 1400, 1492, 1500))
    way = _neighbour(h)
    sa = h.sa("out", mode="tunnel")
    version = h.version_in(sa)
    model = h.outgoing(version)
    h.policy("out", model, h.template(sa), about=AS_SINGLES)
    size = _that_fits(h, model, sa, upper_layers.UDP)
    h.enters("plain", _datagrams(h, version, _length(s, size)), AS_SINGLES, segment=size, way=way)
    h.counters(AS_SINGLES)
