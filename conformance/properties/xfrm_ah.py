"""AH in a host (RFC 4302): its header, what its ICV covers, numbers, and SAs of it beside those of ESP and around them."""

from typing import Any

from hypothesis import strategies as st

from espproof.adapters.case import Sa
from espproof.conformance.checks.ah import (
    AhPeer,
    AhScenario,
    EitherScenario,
    LinkedAh,
    flipped,
    in_front_of_ah,
    without_ah,
)
from espproof.conformance.checks.links import WIDE
from espproof.conformance.checks.registry import check
from espproof.conformance.checks.scenario import Scenario
from espproof.conformance.machines.either_life import EitherLife
from espproof.conformance.oracle.outbound_ah import (
    FIRST_ONE,
    ICV,
    INCREMENT,
    INNER,
    IV,
    LOCATION,
    NEXT_HEADER,
    PADDING,
    PAYLOAD_LENGTH,
    PROTOCOL_51,
    RESERVED,
    SPI,
)
from espproof.conformance.properties.xfrm_gso import super_packet
from espproof.conformance.requirements.ids import IN_THE_CLEAR, counter_rule
from espproof.conformance.strategies import upper_layers, values, wire
from espproof.reference import ip
from espproof.reference.ah import GMAC

HIGH_HALF, COMBINED = "RFC4302-2.5.1-high-half", "RFC4302-3.1-combined"
RESERVED_IGNORED = "RFC4302-2.3-reserved-ignored"
NO_CYCLE = "RFC4302-3.3.2-no-cycle"
MUTABLE = {4: "RFC4302-3.3.3.1.1.1-mutable", 6: "RFC4302-3.3.3.1.2.1-mutable"}
IMMUTABLE = {4: "RFC4302-3.3.3.1.1.1-immutable", 6: "RFC4302-3.3.3.1.2.1-immutable"}
WHOLE = "RFC4302-3.3.4-whole-packets"
REASSEMBLED, NO_SA = "RFC4302-3.4.1-reassembled", "RFC4302-3.4.2-no-sa-discarded"
DUPLICATE, LEFT = "RFC4302-3.4.3-duplicate-rejected", "RFC4302-3.4.3-left-rejected"
AFTER_ICV = "RFC4302-3.4.3-window-after-icv"
ACCEPTED, WRONG = "RFC4302-3.4.4-accepted", "RFC4302-3.4.4-icv-wrong-discarded"
PROTECT, REQUIRED = "RFC4301-4.4.1-protect", "RFC4301-4.4.1-protection-required"
AS_SINGLES = "LINUX.segmentation_offloads-gso-as-singles"
DF_SET, IPV6 = "RFC4301-8.2.1-pmtu-ipv4-df-set", "RFC4301-8.2.1-pmtu-ipv6"
WAIT = "RFC4301-8.2.1-pmtu-wait"
LINK = 1500
"""Octets of the link in front of a path of which something is learned."""
PROTO, MODE = counter_rule("XfrmInStateProtoError"), counter_rule("XfrmInStateModeError")
HEADER, TEMPLATES = counter_rule("XfrmInHdrError"), counter_rule("XfrmInTmplMismatch")

_TRAFFIC_CLASSES = st.sampled_from((0x00, 0xB8, 0x4A))


@check(
    PROTOCOL_51,
    NEXT_HEADER,
    PAYLOAD_LENGTH,
    RESERVED,
    SPI,
    FIRST_ONE,
    INCREMENT,
    PADDING,
    ICV,
    LOCATION,
    INNER,
    weight=3.0,
    proved_by=(
        "xfrm-ah-as-esp",
        "xfrm-ah-always-ipv4-inside",
        "xfrm-ah-length-of-an-extension-header",
        "xfrm-ah-reserved-left-over",
        "xfrm-ah-spi-of-the-machine",
        "xfrm-ah-first-is-zero",
        "xfrm-ah-number-twice",
        "xfrm-ah-ipv4-padded-as-ipv6",
        "xfrm-ah-ipv6-not-padded",
        "xfrm-ah-last-octet-not-covered",
        "xfrm-ah-header-forwarded",
        "xfrm-ah-inner-made-predictable",
        "xfrm-ah-octets-behind-the-packet",
    ),
)
def protected(s: Scenario) -> None:
    """Packets of all lengths leave with an AH whose every field is right."""
    h = AhScenario(s)
    sa = h.ah("out", mode=s.caps.modes)
    lengths = values.lengths(min(s.longest, 1200))
    version = s.choose(s.versions(sa))
    h.asks_for(h.carried(sa, version=version), sa, about=ICV)
    for _ in range(s.draw(st.integers(2, 4))):
        packet = h.carried(sa, version=version, length=s.draw(lengths), traffic_class=s.draw(_TRAFFIC_CLASSES))
        h.sends(packet, sa, about=ICV)
    h.counters(ICV)


@check(IV, ICV, proved_by=("xfrm-ah-iv-of-two-packets",))
def gmac(s: Scenario) -> None:
    """Of GMAC no IV comes a second time, whatever has been sent between."""
    h = AhScenario(s)
    sa = h.ah("out", mode=s.caps.modes, auth=GMAC)
    version = s.choose(s.versions(sa))
    h.asks_for(h.carried(sa, version=version), sa, about=IV)
    for length in s.draw(st.lists(st.sampled_from((1, 24, 200)), min_size=4, max_size=9)):
        h.sends(h.carried(sa, version=version, length=length), sa, about=IV)
    h.counters(IV)


@check(IV, proved_by=("xfrm-ah-iv-of-two-sas",))
def gmac_of_one_key(s: Scenario) -> None:
    """Two SAs have the same key and salt: what was an IV of one is none of the other."""
    h = AhScenario(s)
    one = h.ah("out", mode="tunnel", auth=GMAC)
    s.need("packets of both IP versions", len(s.versions(one)) > 1)
    two = s.with_fields(h.ah("out", add=False, mode="tunnel", auth=GMAC), auth_key=one.auth_key, salt=one.salt)
    ways = ((one, h.carried(one, version=4)), (two, h.carried(two, version=6)))
    for sa, packet in ways:
        h.asks_for(packet, sa, about=IV)
    for sa, packet in s.draw(st.lists(st.sampled_from(ways), min_size=1, max_size=5)):
        h.sends(packet, sa, about=IV)


@check(ACCEPTED, weight=3.0, proved_by=("xfrm-ah-padding-is-icv",))
def let_in(s: Scenario) -> None:
    """Right packets of all lengths are let in, and come out as they were."""
    h = AhScenario(s)
    sa = h.ah("in", mode=s.caps.modes)
    lengths = values.lengths(min(s.longest, 1200))
    packet = h.carried(sa)
    h.asks_for(packet, sa, about=ACCEPTED)
    for number in range(1, s.draw(st.integers(2, 4))):
        carried = h.carried(sa, version=packet[0] >> 4, length=s.draw(lengths))
        h.arrives(h.peer_of(sa).protect(carried, number), ACCEPTED)
    h.counters(ACCEPTED)


@check(
    *MUTABLE.values(),
    weight=2.0,
    proved_by=("xfrm-ah-df-covered", "xfrm-ah-ecn-covered", "xfrm-ah-flow-label-covered"),
)
def changed_on_the_way(s: Scenario) -> None:
    """What routers change is not covered: TTL, DSCP and ECN, the DF bit, the flow label."""
    h = AhScenario(s)
    sa = h.ah("in", mode=s.caps.modes)
    packet = h.carried(sa, traffic_class=0xB8, length=40)
    about = MUTABLE[s.outer_version(sa)]
    h.asks_for(packet, sa, about=about)
    for number in range(1, 4):
        right = h.peer_of(sa).protect(packet, number)
        h.arrives(_behind_routers(s, sa, right), about)
    h.counters(about)


def _behind_routers(s: Scenario, sa: Sa, packet: bytes) -> bytes:
    kind = s.draw(st.sampled_from(("hop limit", "traffic class", "label or flag")))
    if kind == "hop limit":
        return wire.hop(packet, hop_limit=s.draw(st.sampled_from((1, 17, 255))))
    if kind == "traffic class":  # in a tunnel its ECN bits stay: what they mean is RFC 6040's affair
        others = (0x00, 0x48, 0xFC) if sa.mode == "tunnel" else (0x00, 0x49, 0xFE, 0xBB)
        return wire.hop(packet, traffic_class=s.draw(st.sampled_from(others)))
    return flipped(packet, 6, 0x40) if packet[0] >> 4 == 4 else flipped(packet, 2, 0xC5)


@check(
    *IMMUTABLE.values(),
    WRONG,
    PROTO,
    weight=2.0,
    proved_by=("xfrm-ah-source-of-the-sa", "xfrm-ah-icv-in-part", "xfrm-ah-wrong-icv-not-counted"),
)
def changed_by_somebody(s: Scenario) -> None:
    """One bit of what does not change on the way: the packet is discarded, and counted; the right one is let in."""
    h = AhScenario(s)
    whoever = [one for one in s.caps.lookup if one != _BY_SOURCE]
    sa = h.ah("in", mode=s.caps.modes, lookup=[*s.caps.lookup, *whoever][-1])
    packet = h.carried(sa, length=40)
    version = s.outer_version(sa)
    h.asks_for(packet, sa, about=WRONG)
    right = h.peer_of(sa).protect(packet, 1)
    header = [at for at in _OF_THE_HEADER[version] if whoever or at not in _OF_THE_SOURCE[version]]
    kinds = [(IMMUTABLE[version], header), (WRONG, _of_the_rest(h, sa, right))]
    about, places = s.draw(st.sampled_from([one for one in kinds if one[1]]))
    at = s.draw(st.sampled_from(places))
    h.arrives(flipped(right, at), about)
    h.arrives(right, about)
    h.counters(PROTO)


_OF_THE_HEADER = {4: (4, 5, 13, 14, 15), 6: (14, 20, 22, 23)}
"""Identification and source address; lengths, version and next header are what makes it a packet."""
_OF_THE_SOURCE = {4: range(12, 16), 6: range(8, 24)}
_BY_SOURCE = "spi+destination+source"
"""Where an SA is found so, a packet from elsewhere is nobody's."""


def _of_the_rest(h: AhScenario, sa: Sa, packet: bytes) -> list[int]:
    """Of AH next header and reserved octets, the ends of the ICV; the ends of what is behind it."""
    peer, front = h.peer_of(sa), in_front_of_ah(packet)
    assert isinstance(peer, AhPeer)
    icv, size = peer.icv_at(packet), peer.entry.codec.icv_size
    behind = front + peer.entry.codec.size(packet[0] >> 4)
    return [front, front + 2, front + 3, icv, icv + size - 1, behind + 5, len(packet) - 1]


@check(RESERVED_IGNORED, proved_by=("xfrm-ah-reserved-demanded",))
def reserved_octets(s: Scenario) -> None:
    """What stands in the reserved octets of a packet that is right otherwise means nothing."""
    h = AhScenario(s)
    sa = h.ah("in", mode=s.caps.modes)
    packet = h.carried(sa, length=40)
    h.asks_for(packet, sa, about=RESERVED_IGNORED)
    peer = h.peer_of(sa)
    assert isinstance(peer, AhPeer)
    for number in (1, 2):
        octet = s.draw(st.sampled_from((1, 0x80, 0xFF)))
        h.arrives(peer.resealed(peer.protect(packet, number), number + 1, octet, number), RESERVED_IGNORED)
    h.counters(RESERVED_IGNORED)


@check(WHOLE, proved_by=("xfrm-ah-fragment-protected",))
def whole_packets(s: Scenario) -> None:
    """A fragment is not protected in transport mode: its receiver could not put it together."""
    h = AhScenario(s)
    sa = h.ah("out", mode="transport")
    packet = h.carried(sa, length=64)
    h.asks_for(packet, sa, about=WHOLE)
    if packet[0] >> 4 == 4:
        piece = wire.ipv4_fragment(packet, s.draw(st.sampled_from((0x2000, 0x2003, 0x0003))))
    else:
        piece = wire.ipv6_fragment(packet, s.draw(st.sampled_from((0x0001, 0x0019, 0x0018))))
    h.sends(piece, sa, about=WHOLE)


@check(REASSEMBLED, proved_by=("xfrm-ah-fragments-lost",))
def in_pieces(s: Scenario) -> None:
    """A packet that was cut up on its way is put together first, and then verified as a whole. The first piece has all
    headers, as RFC 8200 4.5 wants, for which AH is an extension header."""
    s.need("reassembles", s.caps.reassembles)
    h = AhScenario(s)
    sa = h.ah("in", mode=s.caps.modes)
    packet = h.carried(sa, length=s.draw(st.sampled_from((200, 201, 700))))
    h.asks_for(packet, sa, about=REASSEMBLED)
    first, second = (h.peer_of(sa).protect(packet, number) for number in (1, 2))
    cuts = s.draw(st.sampled_from(((14,), (15, 18), (20,))))
    pieces = wire.fragments(first, cuts, ip.parse(first).identification)  # which AH covers, of IPv4
    for piece in s.draw(st.permutations(pieces)):
        h.arrives(piece, REASSEMBLED)
    h.arrives(second, REASSEMBLED)
    h.counters(REASSEMBLED)


@check(
    DUPLICATE,
    LEFT,
    AFTER_ICV,
    weight=2.0,
    proved_by=("xfrm-ah-last-one-again", "xfrm-ah-window-one-larger", "xfrm-ah-window-first"),
)
def replays(s: Scenario) -> None:
    """What came before does not come in again, nor what is too old; a packet with a wrong ICV moves nothing."""
    h = AhScenario(s)
    sizes = tuple(size for size in s.windows() if size)
    s.need("anti-replay", sizes)
    sa = h.ah("in", mode=s.caps.modes, replay_window=sizes, esn=False)
    packet = h.carried(sa, length=24)
    h.asks_for(packet, sa, about=AFTER_ICV)
    size = sa.replay_window
    sent = [h.peer_of(sa).protect(packet, number) for number in (size + 10, 11, 10, size + 11)]
    far = h.peer_of(sa).protect(packet, 3 * size + 40)
    h.arrives(flipped(far, len(far) - 1), AFTER_ICV)
    h.arrives(sent[0], AFTER_ICV)
    h.arrives(sent[1], AFTER_ICV)
    h.arrives(sent[s.draw(st.sampled_from((0, 1)))], DUPLICATE)
    h.arrives(sent[2], LEFT)
    h.arrives(sent[3], AFTER_ICV)
    h.counters(LEFT)


@check(HIGH_HALF, weight=2.0, proved_by=("xfrm-ah-high-half-forgotten", "xfrm-ah-high-half-in-front"))
def high_half(s: Scenario) -> None:
    """The half of an extended number that is not sent is covered, out and in, and over the end of 32 bits."""
    h = AhScenario(s)
    s.need("ESN", True in s.caps.esn)
    s.need("set_sequence", s.caps.set_sequence)
    direction = s.choose(s.caps.directions)
    start = s.draw(st.sampled_from((1, 0x01020304))) << 32 | s.draw(st.sampled_from((0x01020304, 2**32 - 2)))
    windows: dict[str, Any] = {}
    if direction == "in":
        windows["replay_window"] = sizes = tuple(size for size in s.windows() if size)
        s.need("anti-replay", sizes)
    sa = h.ah(direction, mode=s.caps.modes, esn=True, sequence=start, **windows)
    packet = h.carried(sa, length=24)
    h.asks_for(packet, sa, about=HIGH_HALF)
    for number in range(start + 1, start + 4):
        if direction == "out":
            h.sends(packet, sa, about=HIGH_HALF)
        else:
            h.arrives(h.peer_of(sa).protect(packet, number), HIGH_HALF)
    h.counters(HIGH_HALF)


@check(NO_CYCLE, proved_by=("xfrm-ah-sent-at-the-end",))
def numbers_end(s: Scenario) -> None:
    """Behind the last number nothing leaves."""
    h = AhScenario(s)
    s.need("set_sequence", s.caps.set_sequence)
    esn = s.choose(s.caps.esn)
    sa = h.ah("out", mode=s.caps.modes, esn=esn, sequence=(2**64 if esn else 2**32) - 2)
    packet = h.carried(sa, length=24)
    h.asks_for(packet, sa, about=NO_CYCLE)
    for _ in range(3):
        h.sends(packet, sa, about=NO_CYCLE)
    h.counters(NO_CYCLE)


@check(
    NO_SA,
    HEADER,
    MODE,
    weight=2.0,
    proved_by=("xfrm-ah-the-only-one", "xfrm-ah-short-header-read", "xfrm-ah-inside-by-its-looks"),
)
def nobodys(s: Scenario) -> None:
    """Packets without an SA, without the octets of a header, or with nothing that a tunnel carries: counted, and gone."""
    h = AhScenario(s)
    sa = h.ah("in", mode="tunnel")
    packet = h.carried(sa, length=24)
    kind = s.draw(st.sampled_from((NO_SA, HEADER, MODE)))
    h.asks_for(packet, sa, about=kind)
    peer = h.peer_of(sa)
    assert isinstance(peer, AhPeer)
    right = peer.protect(packet, 1)
    if kind == NO_SA:
        other = s.changed(sa, spi=sa.spi ^ 0x0110)
        h.arrives(h.peer_of(other).protect(packet, 1), kind)
    elif kind == HEADER:
        h.arrives(without_ah(right), kind)
    else:
        h.arrives(peer.resealed(right, 0, 253, 1), kind)
    h.arrives(peer.protect(packet, 2), kind)
    h.counters(kind)


@check(COMBINED, weight=2.0, proved_by=("xfrm-ah-inside-esp",))
def around_esp(s: Scenario) -> None:
    """AH around ESP, both in transport mode, or around the tunnel that ESP is, of one IP version: out, and in."""
    h = AhScenario(s)
    direction = s.choose(s.caps.directions)
    esp = h.sa(direction, mode=s.caps.modes)
    version = s.outer_version(esp)
    ends: dict[str, Any] = {"source": esp.source, "destination": esp.destination}
    outer = h.ah(direction, mode="transport", family=f"{version}in{version}", **ends)
    packet = h.carried(esp, version=version, length=s.draw(st.sampled_from((1, 24, 200))))
    h.asks_for(packet, esp, outer, about=COMBINED)
    for number in (1, 2):
        if direction == "out":
            h.sends(packet, esp, outer, about=COMBINED)
        else:
            inner = h.peer_of(esp).protect(packet, number)
            h.arrives(h.peer_of(outer).protect(inner, number), COMBINED)
    h.counters(COMBINED)


@check(
    PROTECT,
    REQUIRED,
    TEMPLATES,
    weight=2.0,
    proved_by=("xfrm-ah-either-will-do", "xfrm-ah-came-with-either"),
)
def protocols(s: Scenario) -> None:
    """Of two SAs that differ in nothing but SPI and protocol a policy is met by that which it asks for."""
    h = AhScenario(s)
    direction = s.choose(s.caps.directions)
    mine = h.ah(direction, mode="tunnel")
    version = s.outer_version(mine)
    inner = s.choose(s.versions(mine))
    ends: dict[str, Any] = {
        "source": mine.source,
        "destination": mine.destination,
        "reqid": mine.reqid,
    }
    other = h.sa(direction, mode="tunnel", family=f"{inner}in{version}", **ends)
    asked, unasked = s.draw(st.permutations((mine, other)))
    packet = h.carried(asked, version=inner, length=24)
    h.asks_for(packet, asked, about=PROTECT if direction == "out" else REQUIRED)
    if direction == "out":
        for _ in range(2):
            h.sends(packet, asked, about=PROTECT)
    else:
        h.arrives(h.peer_of(unasked).protect(packet, 1), TEMPLATES)
        h.arrives(h.peer_of(asked).protect(packet, 1), REQUIRED)
    h.counters(PROTECT if direction == "out" else TEMPLATES)


@check(REQUIRED, proved_by=("xfrm-ah-spis-in-common",))
def one_spi(s: Scenario) -> None:
    """Whether AH and ESP may have one SPI at one destination is a local choice, and recorded; an SA that is there loses
    none of its packets to one that comes."""
    h = AhScenario(s)
    there, comes = s.draw(st.permutations((h.ah, h.sa)))
    mine = there("in", mode="tunnel")
    version = s.choose(s.versions(mine))
    packet = h.carried(mine, version=version, length=24)
    h.asks_for(packet, mine, about=REQUIRED)
    h.arrives(h.peer_of(mine).protect(packet, 1), REQUIRED)
    ends: dict[str, Any] = {"source": mine.source, "destination": mine.destination, "spi": mine.spi}
    other = comes("in", mode="tunnel", family=f"{version}in{s.outer_version(mine)}", add=False, **ends)
    s.add(other, REQUIRED, behaviour="SAs of AH and ESP with one SPI")
    h.arrives(h.peer_of(mine).protect(packet, 2), REQUIRED)
    h.counters(REQUIRED)


@check(IN_THE_CLEAR, proved_by=("xfrm-ah-either-will-do",))
def only_the_other(s: Scenario) -> None:
    """Where AH is asked for and ESP is there, or the other way round, nothing leaves."""
    h = AhScenario(s)
    made = (h.ah if s.draw(st.booleans()) else h.sa)("out", mode="tunnel")
    packet = h.carried(made, length=24)
    wanted = "esp" if made.protocol == "ah" else "ah"
    h.policy("out", packet, h.template(made, protocol=wanted), about=IN_THE_CLEAR)
    h.sends(packet, made, about=IN_THE_CLEAR)
    h.counters(IN_THE_CLEAR)


@check(AS_SINGLES, INCREMENT, weight=2.0, proved_by=("xfrm-ah-number-of-a-super-packet",))
def super_packets(s: Scenario) -> None:
    """A super-packet is cut up, and each part has an AH of its own."""
    h = AhScenario(s)
    s.need("super-packets", h.caps.segments)
    protocol = upper_layers.TCP if s.choose(h.caps.segments) == "tcp" else upper_layers.UDP
    sa = h.ah("out", mode="tunnel")
    version, size = s.choose(s.versions(sa)), s.choose((100, 1000))
    h.asks_for(h.outgoing(version), sa, about=AS_SINGLES)
    for _ in range(2):
        h.enters("plain", super_packet(s, version, protocol, size), AS_SINGLES, segment=size)
    h.counters(AS_SINGLES)


@check(PROTECT, proved_by=("xfrm-ah-deleted-still-sends",))
def deleted(s: Scenario) -> None:
    """An SA that is deleted sends nothing any more: what asks for it is discarded until there is another."""
    h = AhScenario(s)
    s.need("delete_sa", s.caps.delete_sa)
    sa = h.ah("out", mode=s.caps.modes)
    packet = h.carried(sa, length=24)
    h.asks_for(packet, sa, about=PROTECT)
    for number in range(s.draw(st.integers(1, 2))):
        if s.draw(st.booleans()):
            h.sends(packet, sa, about=PROTECT)
        s.delete(sa, PROTECT)
        h.sends(packet, sa, about=PROTECT)
        sa = s.changed(sa, name=f"next{number}", spi=sa.spi ^ 0x2211, auth_key=s.fresh_keys(sa, number)["auth_key"])
        s.add(sa, PROTECT)
    h.sends(packet, sa, about=PROTECT)
    h.counters(PROTECT)


@check(PROTECT, IN_THE_CLEAR, weight=2.0, proved_by=("xfrm-ah-deleted-still-sends",))
def random_life(s: Scenario) -> None:
    """SAs of ESP and AH, and policies that ask for them, come and go while packets go through, in any order."""
    EitherLife(EitherScenario(s), PROTECT).walk()


@check(DF_SET, IPV6, weight=2.0, proved_by=("xfrm-ah-room-without-padding",))
def too_long(s: Scenario) -> None:
    """What fits a link with AH around it is protected, of the rest the sender is told how much would have fitted."""
    h = LinkedAh(s, wire=WIDE)
    sa, version = _tunnel_of_one_version(h, 4, 6)
    about = DF_SET if version == 4 else IPV6
    packet = h.outgoing(version)
    h.asks_for(packet, sa, about=about)
    assert h.wire is not None
    most = h.room(packet, [sa], h.wire)
    for _ in range(s.draw(st.integers(1, 3))):
        h.enters("plain", h.of_size(version, h.near(most, h.wire), dont_fragment=version == 4), about)
    h.counters(about)


@check(WAIT, proved_by=("xfrm-ah-path-not-learned", "xfrm-ah-path-of-ipv4-not-learned"))
def path_learned(s: Scenario) -> None:
    """A message that a packet with AH was too long for a path of IPv4 counts for what follows."""
    _learns(s, 4)


@check(WAIT, proved_by=("xfrm-ah-path-not-learned", "xfrm-ah-path-of-ipv6-not-learned"))
def path_learned_ipv6(s: Scenario) -> None:
    """The same of IPv6, whose messages quote AH where extension headers stand."""
    _learns(s, 6)


def _learns(s: Scenario, version: int) -> None:
    h = LinkedAh(s, wire=(LINK,))
    sa, _ = _tunnel_of_one_version(h, version)
    packet = h.outgoing(version)
    h.asks_for(packet, sa, about=WAIT)
    h.told(sa, 1420, WAIT)
    most = h.room(packet, [sa], 1420)
    h.enters("plain", h.of_size(version, most + s.draw(st.integers(0, 1)), dont_fragment=version == 4), WAIT)
    h.counters(WAIT)


def _tunnel_of_one_version(h: LinkedAh, *versions: int) -> tuple[Sa, int]:
    """A tunnel whose packets are of the version that is around them, one of these."""
    same = tuple(f"{version}in{version}" for version in versions)
    families = tuple(one for one in h.s.caps.families if one in same)
    h.s.need(f"family {' or '.join(same)}", families)
    sa = h.ah("out", mode="tunnel", family=families, df="copy")
    return sa, h.s.outer_version(sa)
