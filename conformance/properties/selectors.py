"""Selectors: which inner traffic an SA is for, field by field (RFC 4301 4.4.1.1, 5.2). Ports are not part of a Case."""

from hypothesis import strategies as st

from espproof.adapters.case import Sa, Selector
from espproof.conformance.checks.registry import check
from espproof.conformance.checks.scenario import Scenario
from espproof.conformance.requirements.ids import INCREMENT, SELECTORS
from espproof.conformance.strategies import packets
from espproof.reference import ip

OTHER_PROTOCOL = 254
FIELDS = ("source", "destination", "protocol")


def selector(packet: bytes, field: str, length: int | None = None, *, flip: int | None = None) -> Selector:
    """A selector of one field alone: what the packet has there, or with `flip` something else."""
    parsed = ip.parse(packet)
    if field == "protocol":
        return Selector(protocol=parsed.protocol if flip is None else OTHER_PROTOCOL)
    address = parsed.source if field == "source" else parsed.destination
    written = packets.prefix(address, 8 * len(address) if length is None else length, flip=flip)
    return Selector(source=written) if field == "source" else Selector(destination=written)


def both(one: Selector, two: Selector) -> Selector:
    """The fields of two selectors in one."""
    return Selector(
        source=one.source or two.source,
        destination=one.destination or two.destination,
        protocol=two.protocol if one.protocol is None else one.protocol,
    )


def selective(s: Scenario, *, direction: str = "in") -> Sa:
    """An SA that is not in the case yet."""
    s.need("selectors", s.caps.selectors)
    return s.inbound_sa(sequence=0, add=False) if direction == "in" else s.outbound_sa(sequence=0, add=False)


@check(SELECTORS, weight=2.0, proved_by=("selectors-destination-not-compared", "selectors-protocol-not-compared"))
def each_field(s: Scenario) -> None:
    """A selector of one field decides by that field alone, in both modes: what fits is delivered, what does not is not."""
    sa = selective(s)
    packet = s.small(sa)
    field = s.choose(FIELDS)
    fits = s.draw(st.booleans())
    last = 8 * (4 if packet[0] >> 4 == 4 else 16) - 1
    chosen = selector(packet, field, flip=None if fits else s.draw(st.integers(0, last)))
    sa = s.with_fields(sa, selectors=(chosen,))
    for number in (1, 2):
        s.receive(sa, number, SELECTORS, packet=packet)


@check(SELECTORS, weight=2.0, proved_by=("selectors-prefix-in-octets", "selectors-prefix-of-32-bits"))
def prefix_lengths(s: Scenario) -> None:
    """Of a prefix each bit counts, and none behind it, from /0 to the whole address."""
    sa = selective(s)
    packet = s.small(sa)
    bits = 32 if packet[0] >> 4 == 4 else 128
    length = s.draw(st.one_of(st.sampled_from((0, 1, 8, bits - 1, bits, bits // 2)), st.integers(0, bits)))
    places = [None, *([length - 1] if length else []), *([length] if length < bits else [])]
    field = s.choose(("source", "destination"))
    sa = s.with_fields(sa, selectors=(selector(packet, field, length, flip=s.choose(places)),))
    s.receive(sa, 1, SELECTORS, packet=packet)


@check(SELECTORS, proved_by=("selectors-only-the-first",))
def several(s: Scenario) -> None:
    """Of several selectors one that fits is enough, at whatever place, and each is a whole: not a bit of one and one of
    another."""
    sa = selective(s)
    packet = s.small(sa)
    right = (selector(packet, "source", 24), selector(packet, "protocol"))
    wrong = (
        selector(packet, "source", flip=7),
        selector(packet, "protocol", flip=0),
        both(selector(packet, "source", 16), selector(packet, "destination", 24, flip=3)),
        both(selector(packet, "destination", 16), selector(packet, "protocol", flip=0)),
    )
    listed = s.draw(st.lists(st.sampled_from(wrong), min_size=1, max_size=3))
    if s.draw(st.booleans()):
        listed.insert(s.draw(st.integers(0, len(listed))), s.choose(right))
    sa = s.with_fields(sa, selectors=tuple(listed))
    s.receive(sa, 1, SELECTORS, packet=packet)


@check(SELECTORS, proved_by=("selectors-version-not-compared",))
def other_version(s: Scenario) -> None:
    """A prefix of the other IP version fits no packet, however short it is."""
    sa = selective(s)
    s.need("a tunnel for both IP versions", len(s.versions(sa)) > 1)
    version = s.choose(s.versions(sa))
    any_of = {4: "0.0.0.0/0", 6: "::/0"}
    sa = s.with_fields(
        sa, selectors=(s.choose((Selector(source=any_of[version]), Selector(destination=any_of[version]))),)
    )
    for number, each in enumerate(s.versions(sa), 1):
        s.receive(sa, number, SELECTORS, packet=s.of_length(sa, 16, each))


@check(SELECTORS, proved_by=("selectors-cached",))
def one_after_the_other(s: Scenario) -> None:
    """Packets that fit and packets that do not, in any order and at once: each is looked at."""
    sa = selective(s)
    s.need("tunnel mode", sa.mode == "tunnel")
    version = s.choose(s.versions(sa))
    source, destination = s.ends_inside(sa, version)
    fitting = s.of_length(sa, 16, version)
    other = packets.build(packets.Recipe(version=version), destination, source)
    sa = s.with_fields(sa, selectors=(selector(fitting, "source", 24 if version == 4 else 64),))
    order = s.draw(st.lists(st.booleans(), min_size=2, max_size=6))
    burst = [s.peer(sa).protect(fitting if fits else other, number) for number, fits in enumerate(order, 1)]
    if s.draw(st.booleans()):
        s.burst_arrives(burst, SELECTORS)
    else:
        for packet in burst:
            s.arrives(packet, SELECTORS)


@check(INCREMENT, proved_by=("selectors-outbound-reversed",))
def outbound(s: Scenario) -> None:
    """What fits the selectors of an SA is sent on it; what is done with other packets is the policy's affair: recorded."""
    sa = selective(s, direction="out")
    packet = s.small(sa)
    field = s.choose(FIELDS)
    fits = s.draw(st.sampled_from((True, True, False)))
    sa = s.with_fields(sa, selectors=(selector(packet, field, flip=None if fits else 3),))
    s.send(sa, INCREMENT, packet=packet, behaviour="" if fits else "outbound packet outside the SA's selectors")
    s.send(sa, INCREMENT, packet=packet, behaviour="" if fits else "outbound packet outside the SA's selectors")
