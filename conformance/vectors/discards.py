"""What is not delivered, and what follows: fragments, lifetimes, what belongs to nobody, what is authentic and useless.

Every case goes on with packets that must pass, so that who stops, forgets or counts too much fails as well. What the
documents leave open (whether the packet that reaches a limit passes, and which octets count) is a step without an
expectation, or lies between two that are clear.
"""

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Any

from espproof.adapters.case import (
    AddSa,
    DeleteSa,
    Done,
    Dropped,
    Inbound,
    Lifetime,
    Octets,
    Outbound,
    Selector,
    SequenceNumber,
    Step,
)
from espproof.conformance.requirements.ids import (
    ACCEPTED,
    BOUNDS,
    DELETED,
    DUMMY_DISCARDED,
    DUPLICATE,
    INCREMENT,
    LEFT,
    MALFORMED,
    NEW,
    SELECTORS,
)
from espproof.conformance.vectors.headers import (
    BEGIN,
    FAMILIES,
    HOP_BY_HOP,
    NORMAL,
    SMALL,
    TRANSPORT,
    V4,
    V6,
    Inner,
    around,
    case,
    delivered,
    receiver,
    sender,
    sending,
)
from espproof.conformance.vectors.made import Made, Mistake, Vector, arrive, protect
from espproof.reference import ip
from espproof.reference.esp import trailer

FLAGS = {
    "reassembly": "Fragments are put together before ESP sees anything. Whoever takes a fragment for a packet, or puts "
    "pieces of two packets together, drops good traffic or delivers what nobody sent.",
    "lifetime": "A limit is counted in the wrong thing, checked too late, or eaten up by packets that were not delivered: "
    "traffic stops early, or a key is used for longer than was agreed.",
    "not-delivered": "A packet whose ICV is right has used its number, whatever is inside. Whoever takes the number back "
    "accepts the same packet again, and a window that stays behind accepts numbers that are too old.",
    "belongs-to-nobody": "Packets that are for no SA, or that cannot be ESP at all, are discarded and leave no trace.",
    "sender-discards": "What a sender cannot protect uses up no number: a receiver would wait for it.",
}

FRAGMENT, REASSEMBLED = "RFC4303-3.4.1-fragment-discarded", "RFC4301-5.2-reassembly-first"
NO_SA, NO_MATCH = "RFC4303-3.4.2-no-sa-discarded", "RFC4303-2.1-no-match-discarded"
COUNTS = "RFC4303-3.4.3-validated-counts"
ECN = "RFC6040-4.2-ecn-drop"
NO_FRAGMENTS, IPV6_FRAGMENT = "RFC4303-3.3.4-no-transport-on-fragments", "RFC4303-3.3.4-ipv6-fragment-header"
HARD, SOFT = "RFC4301-4.4.2.1-lifetime-hard", "RFC4301-4.4.2.1-lifetime-soft"
WRONG_ICV = "RFC4303-3.4.4.1-icv-wrong-discarded"
TUNNEL_ONLY = "RFC4303-3.4.4.1-tunnel-rebuilt"
AT_THE_LIMIT = "lifetime.last"
"""What becomes of the packet that reaches a limit is left open."""


# ----------------------------------------------------------------------------------------------------------- reassembly


def reassembly() -> Iterator[Vector]:
    for family, (version, outer) in FAMILIES.items():
        yield _in_order(f"reassembly-{family}-in-order", version, outer, (0, 1, 2))
        yield _in_order(f"reassembly-{family}-last-first", version, outer, (2, 0, 1))
        yield _in_order(f"reassembly-{family}-twice", version, outer, (1, 1, 0, 0, 2))
        yield _mixed(f"reassembly-{family}-mixed", version, outer)
        yield _congested(f"reassembly-{family}-congested", version, outer)
    for version, fields in TRANSPORT.items():
        yield _in_order(f"reassembly-transport-v{version}", version, fields, (2, 1, 0))
    yield _behind_options()
    yield _overlapping()


def pieces(packet: bytes, cuts: tuple[int, ...], identification: int) -> list[bytes]:
    """Fragments of an IP packet without extension headers; `cuts` are octets of the payload, multiples of 8."""
    parsed = ip.parse(packet)
    bounds = [0, *cuts, len(parsed.payload)]
    return [
        _piece(parsed, parsed.payload[begin:end], begin, identification, end < len(parsed.payload))
        for begin, end in pairwise(bounds)
    ]


def _piece(
    of: ip.Packet, payload: bytes, offset: int, identification: int, more: bool,
    headers: tuple[tuple[int, bytes], ...] = (),
) -> bytes:  # fmt: skip
    if of.version == 4:
        return ip.build_ipv4(
            of.source, of.destination, of.protocol, payload, tos=of.traffic_class, ttl=of.hop_limit,
            identification=identification & 0xFFFF, fragment_offset=offset, more_fragments=more,
        )  # fmt: skip
    fragment = (ip.PROTOCOL_FRAGMENT, ip.fragment_header(offset, identification, more=more))
    first, chain = ip.chain((*headers, fragment), of.protocol)
    return ip.build_ipv6(
        of.source, of.destination, first, chain + payload, traffic_class=of.traffic_class, hop_limit=of.hop_limit,
        flow_label=of.flow_label,
    )  # fmt: skip


def _kept(packet: bytes, note: str) -> Inbound:
    return Inbound(packet=Octets(packet), requirement=FRAGMENT, expect=Dropped(), note=note)


def _last(made: Made, packet: bytes, note: str, inner: bytes | None = None) -> Inbound:
    return delivered(around(made, packet), REASSEMBLED, note, inner)


def _in_order(name: str, version: int, fields: dict[str, Any], order: tuple[int, ...]) -> Vector:
    sa = receiver(fields)
    one, two = (protect(sa, BEGIN + number, Inner(version, name=name, length=90).octets()) for number in (1, 2))
    cut = pieces(one.packet, (40, 88), 0x1D2C_5A71)
    *early, last = order
    steps: list[Step] = [_kept(cut[at], f"piece {at}") for at in early]
    steps += [_last(one, cut[last], f"piece {last}, the last that was missing"), delivered(two, ACCEPTED, "whole")]
    title = "A packet in three pieces"
    return Vector(case(name, title, (sa,), steps, ("reassembly",), "RFC 4301 5.2"), (one, two))


def _mixed(name: str, version: int, fields: dict[str, Any]) -> Vector:
    """Two packets whose pieces come in turns, told apart by the identification alone."""
    sa = receiver(fields)
    one, two = (protect(sa, BEGIN + number, Inner(version, name=f"{number}", length=70).octets()) for number in (1, 2))
    ones, twos = pieces(one.packet, (48,), 0x1D2C_5A71), pieces(two.packet, (48,), 0x1D2C_5A72)
    steps: tuple[Step, ...] = (
        _kept(ones[1], "the end of the first"), _kept(twos[0], "the beginning of the second"),
        _last(one, ones[0], "the beginning of the first"), _last(two, twos[1], "the end of the second"),
    )  # fmt: skip
    title = "Pieces of two packets in turns"
    return Vector(case(name, title, (sa,), steps, ("reassembly",), "RFC 4301 5.2"), (one, two))


def _congested(name: str, version: int, fields: dict[str, Any]) -> Vector:
    """CE on one piece is CE on the whole (RFC 3168 5.3), and goes on to the inner packet."""
    sa = receiver(fields)
    inner = Inner(version, name=name, length=70, traffic_class=2)
    one, two = (protect(sa, BEGIN + number, inner.octets()) for number in (1, 2))
    first, second = pieces(one.packet, (48,), 0x1D2C_5A71)
    steps: tuple[Step, ...] = (
        _kept(first, "ECT(0)"),
        _last(one, ip.with_traffic_class(second, 3), "CE", replace(inner, traffic_class=3).octets()),
        delivered(two, ACCEPTED, "whole, ECT(0)"),
    )
    title = "One of two pieces was marked on the way"
    return Vector(case(name, title, (sa,), steps, ("reassembly",), "RFC 3168 5.3"), (one, two))


def _behind_options() -> Vector:
    """IPv6 fragments behind hop-by-hop options."""
    sa = receiver(V6)
    one, two = (protect(sa, BEGIN + number, Inner(6, name="behind", length=70).octets()) for number in (1, 2))
    parsed = ip.parse(one.packet)
    head = _piece(parsed, parsed.payload[:56], 0, 0x1D2C_5A71, True, (HOP_BY_HOP,))
    tail = _piece(parsed, parsed.payload[56:], 56, 0x1D2C_5A71, False, (HOP_BY_HOP,))
    steps = (_kept(tail, "the end"), _last(one, head, "the beginning"), delivered(two, ACCEPTED, "whole"))
    title = "Fragments behind hop-by-hop options"
    return Vector(case("reassembly-v6-options", title, (sa,), steps, ("reassembly",), "RFC 8200 4.5"), (one, two))


def _overlapping() -> Vector:
    """IPv6 fragments that overlap discard their packet, and all that is still to come of it (RFC 5722 3)."""
    sa = receiver(V6)
    one, two = (protect(sa, BEGIN + number, Inner(6, name="overlap", length=90).octets()) for number in (1, 2))
    parsed = ip.parse(one.packet)
    cut = pieces(one.packet, (40, 88), 0x1D2C_5A71)
    overlap = _piece(parsed, parsed.payload[32:88], 32, 0x1D2C_5A71, True)
    steps: tuple[Step, ...] = (
        _kept(cut[0], "octets 0 to 39"), _kept(overlap, "octets 32 to 87"), _kept(cut[2], "octets 88 to the end"),
        delivered(two, ACCEPTED, "whole"), delivered(one, ACCEPTED, "and the first, whole: nothing of it had come in"),
    )  # fmt: skip
    title = "Fragments that overlap"
    return Vector(case("reassembly-v6-overlapping", title, (sa,), steps, ("reassembly",), "RFC 5722 3"), (one, two))


# ------------------------------------------------------------------------------------------------------------ lifetimes


def lifetimes() -> Iterator[Vector]:
    for suite in (NORMAL, SMALL):
        for limit, lifetime in (
            ("packets", Lifetime(hard_packets=3)), ("octets", Lifetime(hard_octets=460)),
            ("both", Lifetime(hard_packets=3, hard_octets=100_000)),
            ("either", Lifetime(hard_packets=99, hard_octets=460)),
        ):  # fmt: skip
            yield _spent_out(f"lifetime-{suite.name}-{limit}-outbound", suite, lifetime)
            yield _spent_in(f"lifetime-{suite.name}-{limit}-inbound", suite, lifetime)
        yield _soft(f"lifetime-{suite.name}-soft", suite)


def _spent_out(name: str, suite: Any, lifetime: Lifetime) -> Vector:
    """Two packets pass, the third is nobody's business, all others are discarded; an SA that is made anew begins anew."""
    sa = sender(V4 | {"lifetime": lifetime}, suite)
    packets = [(Inner(name=f"{number}", length=120), INCREMENT, f"packet {number}") for number in (1, 2)]
    made, sends = sending(sa, packets)
    packet = Octets(made[0].inner)
    third = Outbound(sa=sa.name, packet=packet, requirement=HARD, behaviour=AT_THE_LIMIT, note="reaches the limit")
    over = Outbound(sa=sa.name, packet=packet, requirement=HARD, expect=Dropped(), note="beyond the limit")
    again = sender(V4 | {"lifetime": lifetime, "name": "again", "spi": sa.spi ^ 0x5A00}, suite)
    fresh, goes_on = sending(again, packets)
    steps = (
        *sends, third, over, over, DeleteSa(sa=sa.name, requirement=DELETED, expect=Done()),
        AddSa(sa=again, requirement=DELETED, expect=Done()), *goes_on,
    )  # fmt: skip
    title = "A sender whose lifetime ends, and one in its place"
    return Vector(case(name, title, (sa,), steps, ("lifetime",), "RFC 4301 4.4.2.1"), (*made, *fresh))


def _spent_in(name: str, suite: Any, lifetime: Lifetime) -> Vector:
    """What is not delivered uses up nothing: replays and forgeries stand before each packet."""
    sa = receiver(V4 | {"lifetime": lifetime}, suite)
    inner = Inner(name="lifetime", length=120).octets()
    one, two, three, four, five = (protect(sa, BEGIN + number, inner) for number in range(1, 6))
    forged = protect(sa, BEGIN + 9, inner, mistake=Mistake.FORGED)
    third = Inbound(packet=three.packet, requirement=HARD, behaviour=AT_THE_LIMIT, note="reaches the limit")
    nothing = [arrive(forged, WRONG_ICV, Dropped(), "forged")] * 3
    again = [arrive(one, DUPLICATE, Dropped(), "the first again")] * 3
    steps = (
        *nothing, delivered(one, ACCEPTED, "the first"), *again, *nothing, delivered(two, ACCEPTED, "the second"), third,
        arrive(four, HARD, Dropped(), "beyond the limit"), arrive(five, HARD, Dropped(), "and again"),
    )  # fmt: skip
    title = "A receiver whose lifetime ends, with replays and forgeries before it"
    made = (*[forged] * 3, one, *[one] * 3, *[forged] * 3, two, three, four, five)
    return Vector(case(name, title, (sa,), steps, ("lifetime",), "RFC 4301 4.4.2.1"), made)


def _soft(name: str, suite: Any) -> Vector:
    sa = sender(V4 | {"lifetime": Lifetime(soft_packets=2, soft_octets=100, hard_packets=100)}, suite)
    packets = [(Inner(name=f"{number}"), SOFT, f"packet {number}") for number in range(1, 6)]
    made, steps = sending(sa, packets)
    title = "A soft limit stops nothing"
    return Vector(case(name, title, (sa,), steps, ("lifetime",), "RFC 4301 4.4.2.1"), made)


# --------------------------------------------------------------------------------------------- authentic, not delivered


def not_delivered() -> Iterator[Vector]:
    for suite in (NORMAL, SMALL):
        for esn in (False, True):
            kind = f"{suite.name}-{'esn' if esn else '32-bit'}"
            for name, about, plaintext in _useless():
                yield _used_up(f"not-delivered-{kind}-{name}", suite, esn, about, plaintext)
        yield _outside_selectors(f"not-delivered-{suite.name}-selector", suite)
        yield _marked(f"not-delivered-{suite.name}-ecn", suite)


def _useless() -> Iterator[tuple[str, str, bytes]]:
    """Plaintexts of a tunnel with their trailers, of which nothing can be delivered. All have 48 octets: three blocks."""
    inner = Inner(name="useless", length=26).octets()
    assert len(inner) == 46
    yield "dummy", DUMMY_DISCARDED, inner + trailer(0, 59)
    yield "no-packet", TUNNEL_ONLY, inner + trailer(0, 17)
    yield "other-version", TUNNEL_ONLY, inner + trailer(0, 41)
    yield "longer-than-it-is", TUNNEL_ONLY, ip.with_field(inner, ip.IPV4_TOTAL_LENGTH, 47) + trailer(0, 4)
    yield "shorter-than-header", TUNNEL_ONLY, ip.with_field(inner, ip.IPV4_TOTAL_LENGTH, 19) + trailer(0, 4)
    yield "padding-beyond", BOUNDS, inner + bytes([47, 4])
    yield "padding-255", BOUNDS, inner + bytes([255, 4])


def _used_up(name: str, suite: Any, esn: bool, about: str, plaintext: bytes) -> Vector:
    """The useless packet moves the window by its whole size: what it pushes out is too old, it itself a duplicate."""
    begin, size = (0x0A1B_2C3D_0051_6274, 64) if esn else (BEGIN, 32)
    sa = suite.sa(direction="in", sequence=SequenceNumber(begin), esn=esn, replay_window=size, **V4)
    inner = Inner(name="useful").octets()
    useless = protect(sa, begin + size + 1, inner, plaintext=plaintext)
    pushed_out, left, same, following = (
        protect(sa, begin + number, inner) for number in (1, 2, size + 1, size + 2)
    )  # fmt: skip
    steps = (
        arrive(useless, about, Dropped(), "number T + W + 1, and nothing to deliver"),
        arrive(pushed_out, COUNTS if esn else LEFT, Dropped(), "number T + 1: left of the window now"),
        arrive(same, COUNTS, Dropped(), "number T + W + 1 with a packet inside"),
        delivered(left, NEW, "number T + 2: the left edge"),
        delivered(following, ACCEPTED, "number T + W + 2"),
    )
    title = "Authentic and not delivered: the number has been received"
    made = (useless, pushed_out, same, left, following)
    return Vector(case(name, title, (sa,), steps, ("not-delivered",), "RFC 4303 3.4.3"), made)


def _outside_selectors(name: str, suite: Any) -> Vector:
    sa = receiver(V4 | {"selectors": (Selector(protocol=253), Selector(source="10.1.2.3/32", protocol=252))}, suite)
    wrong, same = (protect(sa, BEGIN + 1, Inner(name="selector", protocol=one).octets()) for one in (254, 253))
    right = protect(sa, BEGIN + 2, Inner(name="selector", protocol=252).octets())
    steps = (
        arrive(wrong, SELECTORS, Dropped(), "a protocol that the SA is not for"),
        arrive(same, COUNTS, Dropped(), "the same number with one that it is for"),
        delivered(right, ACCEPTED, "and the next number"),
    )
    title = "Outside the selectors: the number has been received"
    return Vector(case(name, title, (sa,), steps, ("not-delivered",), "RFC 4303 3.4.3"), (wrong, same, right))


def _marked(name: str, suite: Any) -> Vector:
    sa = receiver(V4, suite)
    one, two = (protect(sa, BEGIN + number, Inner(name="marked").octets()) for number in (1, 2))
    marked = around(one, ip.with_traffic_class(one.packet, 3))
    steps = (
        arrive(marked, ECN, Dropped(), "congestion that nobody would learn of"),
        arrive(one, COUNTS, Dropped(), "the same number without the mark"),
        delivered(two, ACCEPTED, "and the next number"),
    )
    title = "Dropped for its ECN field: the number has been received"
    return Vector(case(name, title, (sa,), steps, ("not-delivered",), "RFC 4303 3.4.3"), (marked, one, two))


# ---------------------------------------------------------------------------------------------------------------- drops


def drops() -> Iterator[Vector]:
    for version, outer in ((4, V4), (6, V6)):
        for suite in (NORMAL, SMALL):
            yield _no_esp(f"drop-v{version}-{suite.name}", version, outer, suite)
        yield _for_nobody(f"drop-v{version}-no-sa", version, outer)
        yield _looked_up(f"drop-v{version}-lookup", version, outer)
        yield _sender_drops(version)


def _no_esp(name: str, version: int, outer: dict[str, Any], suite: Any) -> Vector:
    """Octets that cannot be ESP of this SA: cut short anywhere, lengthened by less than a block, or nothing at all."""
    sa = receiver(outer, suite)
    one = protect(sa, BEGIN + 1, Inner(version, name=name).octets())
    parsed = ip.parse(one.packet)

    def other(esp: bytes) -> Octets:
        build = ip.build_ipv4 if version == 4 else ip.build_ipv6
        return Octets(build(parsed.source, parsed.destination, 50, esp))

    esp = parsed.payload
    sizes = (*range(13), 24, 31, len(esp) - 4, len(esp) - 3, len(esp) - 2, len(esp) - 1)
    steps = [
        Inbound(packet=other(esp[:size]), requirement=MALFORMED, expect=Dropped(), note=f"{size} octets of it")
        for size in sizes
    ]
    steps += [
        Inbound(packet=other(esp + bytes(more)), requirement=MALFORMED, expect=Dropped(), note=f"{more} octets more")
        for more in (1, 2, 3, 4)
    ]
    steps.append(delivered(one, ACCEPTED, "and the whole packet"))
    title = "A packet cut short at every place of its header"
    return Vector(case(name, title, (sa,), steps, ("belongs-to-nobody",), "RFC 4303 3.4.4"), (one,))


def _for_nobody(name: str, version: int, outer: dict[str, Any]) -> Vector:
    """SPIs that nobody has: one bit away, none, and that of an SA that was deleted."""
    sa = receiver(outer)
    inner = Inner(version, name=name).octets()
    neighbour = receiver(outer | {"spi": sa.spi ^ 1, "name": "neighbour"})
    for_nobody = protect(receiver(outer | {"spi": sa.spi ^ 0x8000_0000}), BEGIN + 1, inner)
    one, two = (protect(sa, BEGIN + number, inner) for number in (1, 2))
    late = protect(neighbour, BEGIN + 1, inner)
    steps = (
        arrive(for_nobody, NO_SA, Dropped(), "an SPI that was never ours"),
        delivered(one, ACCEPTED, "its SA"),
        DeleteSa(sa="neighbour", requirement=DELETED, expect=Done()),
        arrive(late, DELETED, Dropped(), "an SA that is no more"),
        delivered(two, ACCEPTED, "and its SA again"),
        AddSa(sa=neighbour, requirement=DELETED, expect=Done()),
        delivered(late, ACCEPTED, "the other one, made again"),
    )
    title = "SPIs that belong to nobody"
    made = (for_nobody, one, late, two, late)
    return Vector(case(name, title, (sa, neighbour), steps, ("belongs-to-nobody",), "RFC 4303 3.4.2"), made)


def _looked_up(name: str, version: int, outer: dict[str, Any]) -> Vector:
    """An SA that is looked up by addresses too is not found from elsewhere (RFC 4301 4.1)."""
    sa = receiver(outer | {"lookup": "spi+destination+source"})
    inner = Inner(version, name=name).octets()
    one, two = (protect(sa, BEGIN + number, inner) for number in (1, 2))
    parsed = ip.parse(one.packet)
    build = ip.build_ipv4 if version == 4 else ip.build_ipv6

    def between(source: bytes, destination: bytes) -> Made:
        return around(one, build(source, destination, 50, parsed.payload))

    elsewhere = parsed.source[:-1] + bytes([parsed.source[-1] ^ 1])
    steps = (
        arrive(between(elsewhere, parsed.destination), NO_MATCH, Dropped(), "from another source"),
        arrive(between(parsed.destination, parsed.source), NO_MATCH, Dropped(), "the other way round"),
        delivered(one, ACCEPTED, "between its own addresses"),
        delivered(two, ACCEPTED, "and on"),
    )
    title = "An SA of other addresses"
    return Vector(case(name, title, (sa,), steps, ("belongs-to-nobody",), "RFC 4301 4.1"), (one, one, one, two))


def _sender_drops(version: int) -> Vector:
    """A fragment has no place for ESP in transport mode, and takes no number."""
    fields = TRANSPORT[version]
    sa = sender(fields)
    made, (first, second) = sending(
        sa, [(Inner(version, name=f"{number}"), INCREMENT, f"packet {number}") for number in (1, 2)]
    )
    cut = pieces(Inner(version, name="cut", length=64).octets(), (24,), 0x1D2C_5A71)
    about = NO_FRAGMENTS if version == 4 else IPV6_FRAGMENT
    fragments = [
        Outbound(sa=sa.name, packet=Octets(one), requirement=about, expect=Dropped(), note=note)
        for one, note in zip(cut, ("a first fragment", "a last fragment"), strict=True)
    ]
    title = "A sender in transport mode is given fragments"
    steps = (first, *fragments, second)
    name = f"drop-v{version}-fragments-outbound"
    return Vector(case(name, title, (sa,), steps, ("sender-discards",), "RFC 4303 3.3.4"), made)
