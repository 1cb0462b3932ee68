"""The security association: parameters that key management fixes, and the state that traffic changes, kept apart.

RFC 4301 4.4.2.1 lists both. Parameters are frozen; `SaState` is the one mutable thing about an SA.
"""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Literal

from espproof.reference import ip
from espproof.reference.drops import DropReason
from espproof.reference.errors import Misuse
from espproof.reference.lifetime import UNLIMITED, Lifetime, LifetimeStatus
from espproof.reference.replay import ReplayWindow

Address = IPv4Address | IPv6Address

MODES = frozenset({"transport", "tunnel"})
LOOKUPS = frozenset({"spi", "spi+destination", "spi+destination+source"})


@dataclass(frozen=True, slots=True)
class UdpEncapsulation:
    """RFC 3948: the UDP ports between which ESP travels."""

    source_port: int
    destination_port: int


@dataclass(frozen=True, slots=True)
class Selector:
    """Inner traffic an SA is for (RFC 4301 4.4.1.1); `None` matches anything."""

    source: IPv4Network | IPv6Network | None = None
    destination: IPv4Network | IPv6Network | None = None
    protocol: int | None = None

    def matches(self, packet: ip.Packet) -> bool:
        source, destination = ip_address(packet.source), ip_address(packet.destination)
        return (
            (self.source is None or source in self.source)
            and (self.destination is None or destination in self.destination)
            and (self.protocol is None or packet.protocol == self.protocol)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SecurityAssociation:
    """One direction of protected traffic. Addresses are the tunnel's ends, or in transport mode the packet's own.

    `dscp`, `df`, `ecn` and `hop_limit` say how the tunnel header is made (RFC 4301 5.1.2, RFC 6040); `lookup` what an
    inbound packet must match besides the SPI (RFC 4301 4.1).
    """

    name: str
    direction: Literal["in", "out"]
    spi: int
    mode: Literal["transport", "tunnel"]
    source: Address
    destination: Address
    encr: str
    encr_key: bytes = b""
    salt: bytes = b""
    auth: str = "NONE"
    auth_key: bytes = b""
    esn: bool = False
    replay_window: int = 64
    udp: UdpEncapsulation | None = None
    dscp: Literal["copy"] | int = "copy"
    ecn: Literal["normal", "compatibility"] = "normal"
    df: Literal["copy", "set", "clear"] = "copy"
    hop_limit: int = 64
    lookup: Literal["spi", "spi+destination", "spi+destination+source"] = "spi"
    lifetime: Lifetime = UNLIMITED
    selectors: tuple[Selector, ...] = ()
    resync_trigger: int = 16
    """Appendix A3.1: consecutive authentication failures after which a packet is tried with later high halves."""
    resync_limit: int = 0
    """Appendix A3.2: how many high halves are tried; 0 turns resynchronisation off."""
    protocol: Literal["esp", "ah"] = "esp"
    """SAs of AH (RFC 4302) are there in hosts alone (`xfrm`)."""

    def validate(self) -> None:
        """`Misuse` for what no SA may be; keys and algorithm pairs are checked where they are used (`transforms`).

        SPI 0 is for local use and never on the wire. Those from 1 to 255 IANA keeps for itself, and key management does
        not give them away; who asks for one by hand gets it (2.1: SHOULD NOT normally).
        """
        if not 0 < self.spi < 1 << 32:
            raise Misuse(f"SPI {self.spi} is not 1 to 2^32 - 1 (RFC 4303 2.1)")
        if self.source.version != self.destination.version:
            raise Misuse(f"{self.source} and {self.destination} are of different IP versions")
        if self.mode not in MODES or self.lookup not in LOOKUPS:
            raise Misuse(f"mode {self.mode} or lookup {self.lookup} does not exist")

    def selects(self, packet: bytes) -> bool:
        """Whether an inner packet (whole, valid) is traffic of this SA."""
        if not self.selectors:
            return True
        parsed = ip.parse(packet)
        return any(selector.matches(parsed) for selector in self.selectors)


class SaState:
    """What traffic changes. Outbound, `sequence` is the last number sent; inbound, `replay` holds window and T."""

    __slots__ = (
        "added_at", "errors", "failures", "lifetime", "limited", "octets", "packets", "replay", "sequence", "used_at",
    )  # fmt: skip

    def __init__(
        self,
        lifetime: Lifetime = UNLIMITED,
        sequence: int = 0,
        replay: ReplayWindow | None = None,
        *,
        added_at: float = 0,
    ) -> None:
        self.sequence = sequence
        self.replay = replay or ReplayWindow(0)
        self.lifetime = lifetime
        self.limited = lifetime is not UNLIMITED
        self.added_at = added_at
        self.used_at: float | None = None
        self.packets = 0
        self.octets = 0
        self.failures = 0
        self.errors: dict[DropReason, int] = {}

    def count(self, octets: int) -> None:
        """One packet has passed."""
        self.packets += 1
        self.octets += octets

    def count_error(self, reason: DropReason) -> None:
        self.errors[reason] = self.errors.get(reason, 0) + 1

    def has_room_for(self, octets: int) -> bool:
        """Whether the lifetime allows a packet of that size."""
        return self.lifetime.has_room_for(self.octets, octets)

    def lifetime_status(self, now: float) -> LifetimeStatus:
        used = None if self.used_at is None else now - self.used_at
        return self.lifetime.status(self.packets, self.octets, used=used, seconds=now - self.added_at)

    def use(self, now: float) -> None:
        """A packet has passed: its first use, if none has before."""
        self.used_at = now if self.used_at is None else self.used_at
