"""Policies: which traffic, and what is to become of it (RFC 4301 4.4.1; `ip xfrm policy`).

A policy that allows with templates PROTECTs, without BYPASSes; one that blocks DISCARDs. Each template asks for one SA,
the first for the innermost. A selector is held against the flow of a packet: its addresses, its upper-layer protocol and,
where the packet has them, the ports (of ICMP, type and code stand in their place).
"""

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from typing import Literal, NamedTuple

from espproof.reference import ip
from espproof.reference.lifetime import UNLIMITED, Lifetime
from espproof.reference.sa import Address

Direction = Literal["in", "out", "forward"]
DIRECTIONS: tuple[Direction, ...] = ("in", "out", "forward")
Network = IPv4Network | IPv6Network
MOST_TEMPLATES = 6

_WITH_PORTS = frozenset({6, 17, 33, 132, 136})
"""TCP, UDP, DCCP, SCTP, UDP-Lite: source and destination port are the first four octets."""
_ICMP = frozenset({1, 58})


class Flow(NamedTuple):
    """What selectors see of a packet. Addresses in network order; `None` where a packet does not tell its ports."""

    version: int
    source: bytes
    destination: bytes
    protocol: int
    source_port: int | None = None
    destination_port: int | None = None


def turned_round(flow: Flow) -> Flow:
    """The flow of the answers."""
    return Flow(flow.version, flow.destination, flow.source, flow.protocol, flow.destination_port, flow.source_port)


def flow_of(packet: ip.Packet) -> Flow:
    """The flow of a packet. A fragment behind the first does not tell its ports: they are OPAQUE (RFC 4301 4.4.1.1)."""
    ports: tuple[int | None, int | None] = (None, None)
    payload = packet.payload
    if packet.fragment_offset == 0:
        if packet.protocol in _WITH_PORTS and len(payload) >= 4:
            ports = int.from_bytes(payload[:2], "big"), int.from_bytes(payload[2:4], "big")
        elif packet.protocol in _ICMP and len(payload) >= 2:
            ports = payload[0], payload[1]
    return Flow(packet.version, packet.source, packet.destination, packet.protocol, *ports)


class Range(NamedTuple):
    """Numbers from the first to the last, both among them."""

    first: int
    last: int

    def has(self, number: int | None) -> bool:
        return number is not None and self.first <= number <= self.last


@dataclass(frozen=True, slots=True, kw_only=True)
class Selector:
    """Traffic of one IP version; `None` is ANY, and so is a prefix of no bits. Of ICMP, source ports are types and
    destination ports codes."""

    version: Literal[4, 6]
    source: Network | None = None
    destination: Network | None = None
    protocol: int | None = None
    source_ports: Range | None = None
    destination_ports: Range | None = None

    def __post_init__(self) -> None:
        for name in ("source", "destination"):
            network = getattr(self, name)
            if network is not None and not network.prefixlen and network.version == self.version:
                object.__setattr__(self, name, None)

    def matches(self, flow: Flow) -> bool:
        return (
            flow.version == self.version
            and _within(self.source, flow.source)
            and _within(self.destination, flow.destination)
            and self.protocol in (None, flow.protocol)
            and (self.source_ports is None or self.source_ports.has(flow.source_port))
            and (self.destination_ports is None or self.destination_ports.has(flow.destination_port))
        )


def _within(network: Network | None, address: bytes) -> bool:
    if network is None:
        return True
    bits = 8 * len(address) - network.prefixlen
    return int.from_bytes(address, "big") >> bits == int(network.network_address) >> bits


class Mark(NamedTuple):
    """A value under a mask: numbers that have these bits."""

    value: int = 0
    mask: int = 0

    def has(self, number: int) -> bool:
        return number & self.mask == self.value


ANY_MARK = Mark()


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """The SA that is asked for. `source` and `destination` are a tunnel's ends; in transport mode the packet has them.

    SPI 0 asks for any. `optional`: where there is no such SA the packet goes on without. There are no SAs of IPComp (RFC
    3173) here: who asks for one gets none.
    """

    mode: Literal["transport", "tunnel"]
    source: Address | None = None
    destination: Address | None = None
    spi: int = 0
    reqid: int = 0
    optional: bool = False
    protocol: Literal["esp", "ah", "comp"] = "esp"


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """One entry of an SPD. The lowest `priority` comes first; of equal ones the oldest. Of its lifetime, only seconds
    since `added_at` count."""

    name: str
    direction: Direction
    selector: Selector
    action: Literal["allow", "block"] = "allow"
    priority: int = 0
    mark: Mark = ANY_MARK
    if_id: int = 0
    templates: tuple[Template, ...] = ()
    lifetime: Lifetime = UNLIMITED
    added_at: float = 0
    icmp_errors: bool = False
    """It is also for ICMP errors that quote what, turned round, it is for (RFC 4301 6.2)."""

    @property
    def identity(self) -> tuple[object, ...]:
        """What no two policies of a host share."""
        return self.direction, self.selector, self.mark, self.if_id

    def matches(self, flow: Flow, mark: int, if_id: int) -> bool:
        return self.if_id == if_id and self.mark.has(mark) and self.selector.matches(flow)
