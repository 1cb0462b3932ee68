"""UDP encapsulation: RFC 3948."""

from hypothesis import strategies as st

from espproof.adapters.case import Sa, UdpEncapsulation
from espproof.conformance.checks.registry import check
from espproof.conformance.checks.scenario import Scenario
from espproof.conformance.requirements.ids import ACCEPTED, BYPASS, KEEPALIVE, MALFORMED, MARKER, UNICAST
from espproof.conformance.strategies import wire
from espproof.conformance.strategies.values import octets

HEADER = "RFC3948-2.1-udp-header"
PORTS = "RFC3948-2.1-ports"
CHECKSUM = "RFC3948-2.1-checksum-not-relied-on"
KEEPALIVE_PORTS = "RFC3948-2.3-keepalive-ports"
KEEPALIVE_CHECKSUM = "RFC3948-2.3-keepalive-checksum-not-relied-on"
NO_LIVENESS = "RFC3948-4-keepalive-no-liveness"
ZERO = "RFC3948-2.1-checksum-zero"
REMOVED = {"transport": "RFC3948-3.3-transport-removed", "tunnel": "RFC3948-3.5-tunnel-removed"}


def inbound(s: Scenario, modes: tuple[str, ...] = ("transport", "tunnel")) -> Sa:
    s.need("udp", s.caps.udp)
    return s.inbound_sa(sequence=0, udp=True, mode=modes)


@check(HEADER, PORTS, ZERO, proved_by=("udp-checksum-over-ipv4", "udp-ports-host-order", "udp-length-without-header"))
def sends(s: Scenario) -> None:
    """ESP in UDP, with the SA's ports and the right length."""
    s.need("udp", s.caps.udp)
    sa = s.outbound_sa(sequence=0, udp=True)
    s.send(sa, HEADER, packet=s.packet(sa))


@check(PORTS, proved_by=("udp-source-port-fixed", "udp-ports-host-order"))
def other_ports(s: Scenario) -> None:
    """The ports are the SA's, in network byte order."""
    s.need("udp", s.caps.udp)
    s.need("udp_ports", s.caps.udp_ports)
    sa = s.outbound_sa(sequence=0, udp=True, add=False)
    ports = UdpEncapsulation(source_port=s.choose((4500, 0x1234)), destination_port=s.choose((4500, 0x9C41)))
    s.send(s.with_fields(sa, udp=ports), PORTS)


@check(*REMOVED.values(), proved_by=("udp-spi-at-outer-offset", "udp-marker-first-octets"))
def receives(s: Scenario) -> None:
    """ESP in UDP is opened, whatever its length."""
    sa = inbound(s)
    s.receive(sa, 1, REMOVED[sa.mode], packet=s.packet(sa))
    s.receive(sa, 2, REMOVED[sa.mode], packet=s.packet(sa))


@check(*REMOVED.values(), weight=2.0, proved_by=("udp-shorter-than-ip-header", "udp-spi-at-outer-offset"))
def smallest(s: Scenario) -> None:
    """The smallest packets there are, in UDP: ESP with 1, 2, 3 and 4 octets of payload is shorter than an IPv6 header."""
    sa = inbound(s, (s.choose(s.caps.modes),))
    for length in range(1, 5):
        s.receive(sa, length, REMOVED[sa.mode], packet=s.packet(sa, length=length, traffic_class=0, protocol=253))


@check(
    KEEPALIVE,
    KEEPALIVE_PORTS,
    KEEPALIVE_CHECKSUM,
    NO_LIVENESS,
    proved_by=("udp-keepalive-to-ike", "udp-keepalive-counts", "udp-keepalive-checksum-must-be-zero"),
)
def keepalive(s: Scenario) -> None:
    """A keepalive is neither ESP nor IKE, with a checksum or without, also when the link pads it, and ages no SA."""
    sa = inbound(s)
    datagram = s.peer(sa).datagram(b"\xff")
    s.arrives(datagram, KEEPALIVE_PORTS)
    s.arrives(datagram + bytes(s.choose((1, 17))), KEEPALIVE)
    s.arrives(wire.udp_checksum(datagram), KEEPALIVE_CHECKSUM)
    s.read(sa, NO_LIVENESS, "sequence")
    s.receive(sa, 1, NO_LIVENESS)


@check(MARKER, proved_by=("udp-non-esp-marker-ignored",))
def ike(s: Scenario) -> None:
    """Four zero octets where the SPI would be: the message belongs to IKE."""
    sa = inbound(s)
    s.arrives(s.peer(sa).datagram(bytes(4) + s.draw(st.sampled_from((b"\x12" * 28, b"\xff", bytes(28), b"")))), MARKER)
    s.receive(sa, 1, ACCEPTED)


@check(CHECKSUM, proved_by=("udp-checksum-must-be-zero",))
def checksum(s: Scenario) -> None:
    """A packet with a right UDP checksum is as good as one with none. None over IPv6 is against RFC 8200: recorded."""
    sa = inbound(s)
    s.arrives(wire.udp_checksum(s.peer(sa).protect(s.small(sa), 1)), CHECKSUM)
    bare = wire.no_udp_checksum(s.peer(sa).protect(s.small(sa), 2))
    s.arrives(bare, CHECKSUM, behaviour="zero UDP checksum over IPv6" if s.outer_version(sa) == 6 else "")


@check(BYPASS, proved_by=("udp-port-not-checked",))
def other_port(s: Scenario) -> None:
    """UDP to another port is other traffic, whatever it looks like."""
    sa = inbound(s)
    esp = s.peer(sa).protect(s.small(sa), 1)
    payload = esp[len(esp) - s.peer(sa).esp_length(esp) :]
    port = s.draw(st.sampled_from((4501, 500, 4499, 0x9411)))
    s.arrives(s.peer(sa).datagram(payload, destination_port=port), BYPASS)


@check(UNICAST, proved_by=("udp-source-port-compared",))
def from_another_port(s: Scenario) -> None:
    """A NAT may give the peer another port at any time: where a packet comes from does not find its SA, the SPI does."""
    sa = inbound(s)
    assert sa.udp is not None
    ports = UdpEncapsulation(source_port=s.choose((0x1234, 4501, 65535)), destination_port=sa.udp.destination_port)
    s.receive(sa, 1, UNICAST)
    s.arrives(s.peer_of(sa, udp=ports).protect(s.small(sa), 2), UNICAST)
    s.receive(sa, 3, UNICAST)


@check(MALFORMED, proved_by=("udp-short-to-ike",))
def short(s: Scenario) -> None:
    """Two or three octets are neither a keepalive nor ESP; an SPI alone is no packet."""
    sa = inbound(s)
    payload = sa.spi.to_bytes(4, "big") + bytes(4)
    s.arrives(s.peer(sa).datagram(payload[: s.draw(st.sampled_from((2, 3, 4, 5, 7, 8)))]), MALFORMED)
    s.receive(sa, 1, ACCEPTED)


@check(HEADER, proved_by=("udp-length-ignored",))
def octets_behind_the_datagram(s: Scenario) -> None:
    """What follows the end that the UDP length gives, inside the IP packet, does not belong to the ESP packet."""
    sa = inbound(s)
    packet = s.peer(sa).protect(s.small(sa), 1)
    s.arrives(wire.with_more_payload(packet, bytes(s.choose((4, 1, 16)))), HEADER)


@check(HEADER, PORTS, proved_by=("udp-ports-swapped",))
def unequal_ports_out(s: Scenario) -> None:
    """Two ports that are not the same, and neither is 4500: each is where it belongs."""
    s.need("udp", s.caps.udp)
    s.need("udp_ports", s.caps.udp_ports)
    sa = s.outbound_sa(sequence=0, udp=True, add=False)
    sa = s.with_fields(sa, udp=UdpEncapsulation(**s.choose(UNEQUAL)))
    s.send(sa, PORTS)
    s.send_burst(sa, [s.small(sa)] * 2, PORTS)


@check(*REMOVED.values(), BYPASS, proved_by=("udp-ports-swapped",))
def unequal_ports_in(s: Scenario) -> None:
    """A receiver finds ESP on the SA's destination port, and none on the port that is the peer's."""
    s.need("udp", s.caps.udp)
    s.need("udp_ports", s.caps.udp_ports)
    sa = s.inbound_sa(sequence=0, udp=True, add=False)
    sa = s.with_fields(sa, udp=UdpEncapsulation(**s.choose(UNEQUAL)))
    assert sa.udp is not None
    s.receive(sa, 1, REMOVED[sa.mode])
    esp = s.peer(sa).protect(s.small(sa), 2)
    payload = esp[len(esp) - s.peer(sa).esp_length(esp) :]
    s.arrives(s.peer(sa).datagram(payload, destination_port=sa.udp.source_port), BYPASS)
    s.receive(sa, 3, REMOVED[sa.mode])


UNEQUAL: tuple[dict[str, int], ...] = (
    {"source_port": 0x1234, "destination_port": 0x9C41},
    {"source_port": 0x9C41, "destination_port": 500},
    {"source_port": 4500, "destination_port": 0xFFFE},
)


@check(MARKER, KEEPALIVE, proved_by=("udp-marker-passed-on", "udp-keepalive-ends-burst"))
def beside_others(s: Scenario) -> None:
    """Keepalives, messages for IKE and ESP at once, in any order: each goes where it belongs, with all its octets."""
    sa = inbound(s)
    peer = s.peer(sa)
    made = {
        "keepalive": lambda number: peer.datagram(b"\xff"),
        "ike": lambda number: peer.datagram(bytes(4) + octets(number, "ike", 28 + number)),
        "empty ike": lambda number: peer.datagram(bytes(4)),
        "esp": lambda number: peer.protect(s.small(sa), number),
    }
    order = s.draw(st.lists(st.sampled_from(sorted(made)), min_size=2, max_size=7))
    burst = [made[kind](number) for number, kind in enumerate(order, 1)]
    if s.draw(st.booleans()):
        s.burst_arrives(burst, MARKER)
    else:
        for kind, packet in zip(order, burst, strict=True):
            s.arrives(packet, {"esp": ACCEPTED, "keepalive": KEEPALIVE}.get(kind, MARKER))
    s.receive(sa, 20, ACCEPTED)
