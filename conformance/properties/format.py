"""Packet format and outbound processing as a whole: RFC 4303 section 2 and 3.3."""

from hypothesis import strategies as st

from espproof.conformance.checks.registry import check
from espproof.conformance.checks.scenario import Scenario
from espproof.conformance.oracle.outbound import EVERY_PACKET, TUNNEL, WELL_FORMED
from espproof.conformance.oracle.shown import RIGHT_PACKET
from espproof.conformance.requirements.ids import ACCEPTED, INCREMENT


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
