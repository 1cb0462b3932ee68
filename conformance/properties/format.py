"""Packet format and outbound processing as a whole: RFC 4303 section 2 and 3.3."""

from hypothesis import strategies as st

from espproof.adapters.capabilities import Direction
from espproof.adapters.case import Sa
from espproof.conformance.checks.registry import check
from espproof.conformance.checks.scenario import Scenario
from espproof.conformance.oracle.outbound import EVERY_PACKET, TUNNEL, WELL_FORMED
from espproof.conformance.oracle.shown import RIGHT_PACKET
from espproof.conformance.requirements.ids import ACCEPTED, INCREMENT
from espproof.reference.esp import TRAILER_SIZE


@check(*EVERY_PACKET, *TUNNEL, *RIGHT_PACKET, weight=2.0, proved_by=("format-spi-host-order",))
def protects(s: Scenario) -> None:
    """Any packet on any SA leaves as a well-formed ESP packet that its peer can open."""
    sa = s.outbound_sa(sequence=None)
    s.send(sa, INCREMENT, packet=s.packet(sa))
    s.send(sa, INCREMENT)


@check(ACCEPTED, *RIGHT_PACKET, weight=2.0, proved_by=("format-odd-octet-lost",))
def opens(s: Scenario) -> None:
    """Any right packet on any SA is delivered as it was."""
    sa = s.inbound_sa(sequence=None)
    start = int(sa.sequence)
    s.receive(sa, start + 1, ACCEPTED, packet=s.packet(sa))


STRIDE = 100
BUFFERS = (1958, 4001, 1420, 980, 1, 8120, 16310, 32700)
"""Just below sizes at which buffers, pages and links end, so that the following lengths cross them."""


def lengths(s: Scenario) -> range:
    """Consecutive lengths of upper layers: in many examples all up to 4,200, and around the ends of buffers."""
    start = s.draw(st.one_of(st.sampled_from(BUFFERS), st.integers(0, 41).map(lambda block: block * STRIDE or 1)))
    start = min(start, s.caps.max_packet - 300 - STRIDE)
    return range(start, start + STRIDE)


@check(*EVERY_PACKET, proved_by=("format-trailer-at-buffer-end", "format-spi-host-order"))
def every_length_out(s: Scenario) -> None:
    """A hundred consecutive lengths: whatever ends in a buffer, a page or a table is met by some trailer."""
    sa = s.outbound_sa(sequence=0)
    version = s.versions(sa)[0]
    for length in lengths(s):
        s.send(sa, INCREMENT, packet=s.packet(sa, version=version, length=length, traffic_class=0, protocol=253))


@check(ACCEPTED, proved_by=("format-odd-octet-lost",))
def every_length_in(s: Scenario) -> None:
    """The same, received."""
    sa = s.inbound_sa(sequence=0)
    version = s.versions(sa)[0]
    for number, length in enumerate(lengths(s), 1):
        packet = s.packet(sa, version=version, length=length, traffic_class=0, protocol=253)
        s.receive(sa, number, ACCEPTED, packet=packet)


@check(*EVERY_PACKET, proved_by=("format-empty-payload-as-dummy", "format-spi-host-order"))
def nothing_inside_out(s: Scenario) -> None:
    """An IP header with nothing behind it: in transport mode the payload is empty, and ESP protects it all the same."""
    sa = s.outbound_sa(sequence=0)
    s.send(sa, INCREMENT, packet=s.packet(sa, length=0, protocol=253))


@check(ACCEPTED, proved_by=("format-empty-payload-dropped",))
def nothing_inside_in(s: Scenario) -> None:
    """The same, received: the plaintext is trailer alone, and what is delivered ends with the IP header."""
    sa = s.inbound_sa(sequence=0)
    s.receive(sa, 1, ACCEPTED, packet=s.packet(sa, length=0, protocol=253))


@check(WELL_FORMED, proved_by=("format-too-big-clamped",))
def too_big(s: Scenario) -> None:
    """What does not fit the length fields once it is protected is not sent with lengths that have wrapped."""
    s.need("packets of 65535 octets", s.caps.max_packet == 65535)
    # not IPv6 in transport mode: whether 65535 octets of payload behind an IPv6 header still fit is read either way
    sa = (
        s.outbound_sa(sequence=0, mode="tunnel")
        if "tunnel" in s.caps.modes
        else s.outbound_sa(sequence=0, family="4in4")
    )
    header = 20 if s.versions(sa)[0] == 4 else 40
    length = 65535 - header - s.draw(st.integers(0, 16))  # ESP adds 18 octets at least: header, trailer, ICV
    s.send(
        sa, WELL_FORMED, packet=s.packet(sa, version=s.versions(sa)[0], length=length, traffic_class=0, protocol=253)
    )
    s.send(sa, INCREMENT)


def powers(s: Scenario) -> list[int]:
    """2^k that a packet of the implementation can reach, 64 and up."""
    return [1 << k for k in range(6, 17) if 1 << k < s.caps.max_packet - 100]


def around_a_power(s: Scenario, sa: Sa) -> list[int]:
    """Lengths at which something is just below, at or just above a power of two: payload, inner packet, plaintext,
    what is in the UDP datagram, the whole protected packet."""
    power = s.choose(powers(s))
    plain = len(s.of_length(sa, 0))
    codec = s.peer(sa).codec
    inside = plain if sa.mode == "tunnel" else 0
    whole = s.protected_size(sa, power) - power
    esp = s.peer(sa).esp_length(s.peer(sa).protect(s.of_length(sa, power), 1)) - power
    least = {0, plain, inside, inside + TRAILER_SIZE, esp, whole, whole - codec.icv_size, esp + 8}
    lengths = {power - counted + more for counted in least for more in (-codec.alignment, -1, 0, 1, codec.alignment)}
    return sorted(length for length in lengths if 0 < length <= s.most(sa))


@check(*EVERY_PACKET, weight=0.5, proved_by=("format-length-at-power-of-two",))
def around_powers_of_two_out(s: Scenario) -> None:
    """Whatever is counted, in octets or in blocks, just below, at and just above a power of two."""
    sa = s.outbound_sa(sequence=0)
    for length in around_a_power(s, sa):
        s.send(sa, INCREMENT, packet=s.of_length(sa, length))


@check(ACCEPTED, weight=0.5, proved_by=("format-length-at-power-of-two",))
def around_powers_of_two_in(s: Scenario) -> None:
    """The same, received."""
    sa = s.inbound_sa(sequence=0)
    for number, length in enumerate(around_a_power(s, sa), 1):
        s.receive(sa, number, ACCEPTED, packet=s.of_length(sa, length))


def largest(s: Scenario, sa: Sa) -> list[int]:
    """Lengths at the end of what is declared, the greatest first."""
    most = s.most(sa)
    return [most, *(most - back for back in s.draw(st.lists(st.integers(1, 40), min_size=1, max_size=3, unique=True)))]


@check(*EVERY_PACKET, weight=0.5, proved_by=("format-largest-refused",))
def largest_out(s: Scenario) -> None:
    """The largest packet that is declared can be sent: protected, it has as many octets as that."""
    sa = s.outbound_sa(sequence=0)
    for length in largest(s, sa):
        s.send(sa, INCREMENT, packet=s.of_length(sa, length))


@check(ACCEPTED, weight=0.5, proved_by=("format-largest-dropped",))
def largest_in(s: Scenario) -> None:
    """The largest packet that is declared is opened."""
    sa = s.inbound_sa(sequence=0)
    for number, length in enumerate(largest(s, sa), 1):
        s.receive(sa, number, ACCEPTED, packet=s.of_length(sa, length))


def every_kind(s: Scenario, direction: Direction, *, udp: bool) -> list[tuple[Sa, list[bytes]]]:
    """One SA for each mode and outer IP version, all with the same algorithms, and the shortest packets for it."""
    s.need(f"direction {direction}", s.can(direction))
    outer = sorted({family[3] for family in s.caps.families if not udp or int(family[3]) in s.caps.udp})
    s.need("udp", outer)
    row = s.choose(s.rows())
    make = s.outbound_sa if direction == "out" else s.inbound_sa
    made = []
    for mode in s.caps.modes:
        for version in outer:
            families = tuple(family for family in s.caps.families if family[3] == version)
            if mode == "transport" and f"{version}in{version}" not in families:
                continue
            sa = make(
                sequence=0, mode=mode, family=families, udp=udp, encr=row.encr, key_size=row.key_size, auth=row.auth
            )
            made.append((sa, [s.of_length(sa, length, inner) for inner in s.versions(sa) for length in SHORT]))
    return made


SHORT = range(1, 34)
"""Octets behind the header: two blocks of the largest ciphers, and one."""


def short_out(s: Scenario, *, udp: bool) -> None:
    for sa, packets in every_kind(s, "out", udp=udp):
        for packet in packets:
            s.send(sa, INCREMENT, packet=packet)


def short_in(s: Scenario, *, udp: bool) -> None:
    for sa, packets in every_kind(s, "in", udp=udp):
        for number, packet in enumerate(packets, 1):
            s.receive(sa, number, ACCEPTED, packet=packet)


@check(*EVERY_PACKET, weight=0.3, proved_by=("format-short-mixed-family",))
def every_short_out(s: Scenario) -> None:
    """Each of the shortest lengths, in each mode and pair of IP versions, with one pair of algorithms after the other."""
    short_out(s, udp=False)


@check(ACCEPTED, weight=0.3, proved_by=("format-short-mixed-family",))
def every_short_in(s: Scenario) -> None:
    """The same, received."""
    short_in(s, udp=False)


@check(*EVERY_PACKET, weight=0.3, proved_by=("format-short-in-udp",))
def every_short_out_in_udp(s: Scenario) -> None:
    """The same in UDP."""
    short_out(s, udp=True)


@check(ACCEPTED, weight=0.3, proved_by=("format-short-in-udp",))
def every_short_in_udp(s: Scenario) -> None:
    """The same in UDP, received."""
    short_in(s, udp=True)
