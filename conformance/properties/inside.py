"""What is inside: whatever stands behind the inner header is carried as it is (RFC 4303 3.1.1, 3.1.2).

ESP is not asked whether what it protects makes sense to its receiver: checksums are right, wrong or absent, headers are
cut short, ESP and IP stand in ESP. In transport mode with UDP encapsulation a receiver may correct the checksums of TCP
and UDP (RFC 3948 3.1.2), so that they are right there; behind a NAT it must.
"""

from hypothesis import strategies as st

from espproof.adapters.case import Sa
from espproof.conformance.checks.registry import check
from espproof.conformance.checks.scenario import Scenario
from espproof.conformance.oracle.outbound import WELL_FORMED
from espproof.conformance.requirements.ids import INNER, NEXT_HEADER, PAYLOAD, RESTORED, TRANSPORT
from espproof.conformance.strategies.upper_layers import CHECKSUMS, CORRECTED, ESP, PROTOCOLS, TCP, UDP, upper_layer

NAT = "RFC3948-3.1.2-transport-checksum"
KINDS = 4
"""Packets in one case."""


def protocols(sa: Sa, version: int) -> tuple[int, ...]:
    """Those that may stand inside; ESP that comes out of transport mode is for this host, which may open it too."""
    its_own = sa.mode == "transport" and sa.direction == "in"
    return tuple(one for one in PROTOCOLS[version] if one != ESP or not its_own)


def whole(s: Scenario, sa: Sa) -> bytes:
    """A packet with a whole upper layer of some protocol, short or long, with some checksum."""
    version = s.choose(s.versions(sa))
    protocol = s.draw(st.sampled_from(protocols(sa, version)))
    corrected = sa.mode == "transport" and sa.udp is not None and protocol in CORRECTED
    checksum = "right" if corrected else s.draw(st.sampled_from(CHECKSUMS))
    length = s.draw(st.sampled_from((12, 0, 1, 7, 100, 333)))
    return s.with_content(sa, version, protocol, upper_layer(protocol, length, s.ends_inside(sa, version), checksum))


def cut(s: Scenario, sa: Sa) -> bytes:
    """A packet that ends within the header of the protocol that it announces."""
    version = s.choose(s.versions(sa))
    protocol = s.draw(st.sampled_from(protocols(sa, version)))
    content = upper_layer(protocol, 0, s.ends_inside(sa, version))
    length = s.draw(st.sampled_from([keep for keep in (1, 2, 3, 4, 7, 8, 11, 12, 13, 19) if keep < len(content)]))
    return s.with_content(sa, version, protocol, content[:length])


@check(
    INNER, PAYLOAD, WELL_FORMED, weight=1.5, proved_by=("inside-checksum-filled-in", "inside-esp-not-protected-again")
)
def protocols_out(s: Scenario) -> None:
    """Any protocol is protected as it is, with a right checksum, a wrong one and none."""
    sa = s.outbound_sa(sequence=0)
    for _ in range(KINDS):
        s.send(sa, INNER if sa.mode == "tunnel" else PAYLOAD, packet=whole(s, sa))


@check(RESTORED, TRANSPORT, weight=1.5, proved_by=("inside-checksum-verified", "inside-esp-opened-twice"))
def protocols_in(s: Scenario) -> None:
    """Any protocol comes out as it went in, with a right checksum, a wrong one and none."""
    sa = s.inbound_sa(sequence=0)
    for number in range(1, KINDS + 1):
        s.receive(sa, number, RESTORED if sa.mode == "tunnel" else TRANSPORT, packet=whole(s, sa))


@check(INNER, PAYLOAD, proved_by=("inside-ports-read-beyond",))
def cut_short_out(s: Scenario) -> None:
    """A packet that is shorter than the header of its protocol is protected: nobody needs its ports."""
    sa = s.outbound_sa(sequence=0)
    for _ in range(KINDS):
        s.send(sa, INNER if sa.mode == "tunnel" else PAYLOAD, packet=cut(s, sa))


@check(RESTORED, TRANSPORT, proved_by=("inside-ports-read-beyond",))
def cut_short_in(s: Scenario) -> None:
    """The same, received."""
    sa = s.inbound_sa(sequence=0)
    for number in range(1, KINDS + 1):
        s.receive(sa, number, RESTORED if sa.mode == "tunnel" else TRANSPORT, packet=cut(s, sa))


@check(RESTORED, TRANSPORT, proved_by=("inside-burst-first-protocol",))
def burst_in(s: Scenario) -> None:
    """Packets of several protocols at once, each as it is."""
    sa = s.inbound_sa(sequence=0)
    s.burst_arrives(
        [s.peer(sa).protect(whole(s, sa), number) for number in range(1, KINDS + 2)],
        RESTORED if sa.mode == "tunnel" else TRANSPORT,
    )


@check(INNER, PAYLOAD, NEXT_HEADER, proved_by=("inside-burst-first-protocol",))
def burst_out(s: Scenario) -> None:
    """The same, sent."""
    sa = s.outbound_sa(sequence=0)
    s.send_burst(sa, [whole(s, sa) for _ in range(KINDS + 1)], INNER if sa.mode == "tunnel" else PAYLOAD)


def behind_nat(s: Scenario, protocol: int) -> None:
    """The peer sends from an address of its own, and the packet arrives from the address of a NAT."""
    s.need("udp", s.caps.udp)
    sa = s.inbound_sa(sequence=0, mode="transport", udp=True)
    version = s.outer_version(sa)
    own = s.changed(sa, source=s.stranger_address(sa))
    length = s.draw(st.sampled_from((12, 0, 1, 500)))
    for number in (1, 2):
        content = upper_layer(protocol, length + number, s.ends_inside(own, version))
        s.receive(sa, number, NAT, packet=s.with_content(sa, version, protocol, content))


@check(NAT, proved_by=("inside-nat-checksum-left",))
def udp_behind_nat(s: Scenario) -> None:
    """The checksum of a UDP datagram from behind a NAT is right for the address that is seen, or over IPv4 cleared."""
    behind_nat(s, UDP)


@check(NAT, proved_by=("inside-nat-checksum-left",))
def tcp_behind_nat(s: Scenario) -> None:
    """The checksum of a TCP segment from behind a NAT is right for the address that is seen."""
    behind_nat(s, TCP)
