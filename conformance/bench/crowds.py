"""Crowds: many policies or SAs of one kind, and for each member the packet that finds it.

    policies  exact       two whole addresses each: what a gateway with a policy per pair of hosts has
              prefixes    lengths 8 to 32 on both sides, in all 25 combinations
              ports       10,000 UDP ports of each pair of hosts, each with a priority of its own
    SAs       inbound     found by SPI and our address
              requests    outbound, all with the same ends, found by the request id of a policy's template
              ends        outbound, each to a gateway of its own

Every packet is dropped as soon as it has found its member, so that what is measured is the search: policies block, SAs
that receive take the packet's number for a replay, those that send have no number left. The counter that must move says
that the search has found what it should.
"""

from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import Literal

from espproof.adapters.case import Octets, Policy, PortRange, Sa, SequenceNumber, Template, TrafficSelector
from espproof.conformance.strategies import packets
from espproof.conformance.strategies.values import octets
from espproof.reference import ip

NEAR, FAR = packets.GATEWAYS[4][0]
SMALLEST, LARGEST = 100, 100_000
LED = 100
"""Policies that lead to outbound SAs, whatever the number of SAs is."""
_LENGTHS = (8, 16, 20, 24, 32)
_SHORT = 100
"""Networks of 8 bits, from 1.0.0.0/8 on; 127.0.0.0/8 would be nobody's on a wire."""
_PORTS = 10_000
_UDP, _ESP = 17, 50
_SOURCES, _DESTINATIONS, _GATEWAYS = 0x0A000000, 0x14000000, 0x1E000000
_RECEIVED = 0x1000
"""Number of the last packet that an inbound SA has received; that of its packet here is 1."""


@dataclass(frozen=True, slots=True)
class Crowd:
    """`member` and `packet` by number. `direction` is the way of the packet, `dropped` the counter of its end."""

    name: str
    what: str
    of: Literal["policies", "SAs"]
    direction: Literal["in", "out"]
    dropped: str
    member: Callable[[int], Policy | Sa]
    packet: Callable[[int], bytes]
    lead: Callable[[int], Policy] | None = None
    """The policy that leads to an outbound SA."""


def _address(number: int) -> str:
    return str(IPv4Address(number))


def _blocking(number: int, source: str, destination: str, priority: int = 0, port: int | None = None) -> Policy:
    return Policy(
        name=f"p{number}",
        direction="out",
        selector=TrafficSelector(
            version=4,
            source=source,
            destination=destination,
            protocol=None if port is None else _UDP,
            destination_ports=None if port is None else PortRange(first=port, last=port),
        ),
        action="block",
        priority=priority,
    )


def _datagram(source: int, destination: int, port: int = 9) -> bytes:
    """A UDP datagram without content."""
    header = b"".join(value.to_bytes(2, "big") for value in (7, port, 8, 0))
    return ip.build_ipv4(source.to_bytes(4, "big"), destination.to_bytes(4, "big"), _UDP, header)


# --------------------------------------------------------------------------------------------------------- policies


def _exact(number: int) -> Policy:
    return _blocking(number, _address(_SOURCES + number), _address(_DESTINATIONS + number))


def _exact_packet(number: int) -> bytes:
    return _datagram(_SOURCES + number, _DESTINATIONS + number)


def _prefixes_of(number: int) -> tuple[IPv4Network, IPv4Network]:
    """All 25 combinations in turn, and in each the networks one after the other; of those of 8 bits there are few."""
    place, combination = divmod(number, len(_LENGTHS) ** 2)
    of_source, of_destination = (_LENGTHS[which] for which in divmod(combination, len(_LENGTHS)))
    both_short = of_source == of_destination == _LENGTHS[0]
    return _network(of_source, place), _network(of_destination, place // _SHORT if both_short else place)


def _network(length: int, place: int) -> IPv4Network:
    spare = length - _LENGTHS[0]
    return IPv4Network((((1 << spare) + place % (_SHORT << spare)) << 32 - length, length))


def _prefixes(number: int) -> Policy:
    source, destination = _prefixes_of(number)
    return _blocking(number, str(source), str(destination), priority=number)


def _prefixes_packet(number: int) -> bytes:
    source, destination = _prefixes_of(number)
    return _datagram(int(source.broadcast_address), int(destination.broadcast_address))


def _pair(number: int) -> tuple[int, int]:
    return _SOURCES + number // _PORTS, _DESTINATIONS + number // _PORTS


def _ports(number: int) -> Policy:
    source, destination = map(_address, _pair(number))
    return _blocking(number, source, destination, priority=number, port=1 + number % _PORTS)


def _ports_packet(number: int) -> bytes:
    return _datagram(*_pair(number), port=1 + number % _PORTS)


# -------------------------------------------------------------------------------------------------------------- SAs


def _sa(number: int, direction: Literal["in", "out"], source: str, destination: str, reqid: int) -> Sa:
    return Sa(
        name=f"s{number}",
        direction=direction,
        spi=0x10000 + number,
        mode="tunnel",
        source=source,
        destination=destination,
        encr="ENCR_AES_GCM_16",
        encr_key=Octets(octets(number, "crowd key", 16)),
        salt=Octets(octets(number, "crowd salt", 4)),
        sequence=SequenceNumber(2**32 - 1 if direction == "out" else _RECEIVED),
        replay_window=0 if direction == "out" else 32,
        lookup="spi+destination",
        reqid=reqid,
    )


def _inbound(number: int) -> Sa:
    return _sa(number, "in", FAR, NEAR, number + 1)


def _inbound_packet(number: int) -> bytes:
    esp = (0x10000 + number).to_bytes(4, "big") + (1).to_bytes(4, "big") + bytes(32)
    return ip.build_ipv4(IPv4Address(FAR).packed, IPv4Address(NEAR).packed, _ESP, esp)


def _request(number: int) -> Sa:
    return _sa(number, "out", NEAR, FAR, number + 1)


def _towards(number: int) -> Sa:
    return _sa(number, "out", NEAR, _address(_GATEWAYS + number), 1)


def _leading(member: Callable[[int], Sa]) -> Callable[[int], Policy]:
    def lead(number: int) -> Policy:
        sa = member(number)
        return Policy(
            name=f"p{number}",
            direction="out",
            selector=_exact(number).selector,
            templates=(Template(mode="tunnel", source=sa.source, destination=sa.destination, reqid=sa.reqid),),
        )

    return lead


CROWDS = (
    Crowd("exact", "policies for two addresses", "policies", "out", "XfrmOutPolBlock", _exact, _exact_packet),
    Crowd(
        "prefixes", "policies for prefixes of mixed length", "policies", "out", "XfrmOutPolBlock", _prefixes,
        _prefixes_packet,
    ),
    Crowd("ports", "policies for ports, by priority", "policies", "out", "XfrmOutPolBlock", _ports, _ports_packet),
    Crowd("inbound", "inbound SAs, by SPI", "SAs", "in", "XfrmInStateSeqError", _inbound, _inbound_packet),
    Crowd(
        "requests", "outbound SAs, by request id", "SAs", "out", "XfrmOutStateSeqError", _request, _exact_packet,
        _leading(_request),
    ),
    Crowd(
        "ends", "outbound SAs, by their ends", "SAs", "out", "XfrmOutStateSeqError", _towards, _exact_packet,
        _leading(_towards),
    ),
)  # fmt: skip
