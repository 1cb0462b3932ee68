"""What the SAD, the SPD and the links of a host hold, as data: SAs, policies, templates, selectors, MTUs."""

from typing import Annotated, Literal

import msgspec

from espproof.adapters.case.scalars import (
    NO_OCTETS,
    ZERO,
    Address,
    Count,
    Data,
    Name,
    Octets,
    Port,
    Prefix,
    SequenceNumber,
    Spi,
)


class UdpEncapsulation(Data, frozen=True, kw_only=True):
    """RFC 3948: ESP inside UDP between these two ports."""

    source_port: Port = 4500
    destination_port: Port = 4500


class Lifetime(Data, frozen=True, kw_only=True):
    """RFC 4301 4.4.2.1. A soft limit asks for a new SA, a hard one ends this one; `None` means no limit. Seconds count
    since the SA was added; those of use, which SAs in a host have, since its first packet passed (RFC 2367 2.3.2)."""

    soft_packets: Count | None = None
    hard_packets: Count | None = None
    soft_octets: Count | None = None
    hard_octets: Count | None = None
    soft_seconds: Count | None = None
    hard_seconds: Count | None = None
    soft_use_seconds: Count | None = None
    hard_use_seconds: Count | None = None


class Selector(Data, frozen=True, kw_only=True):
    """Inner traffic the SA is for (RFC 4301 4.4.1.1): two prefixes in CIDR notation and a protocol, `None` for any."""

    source: Prefix | None = None
    destination: Prefix | None = None
    protocol: Annotated[int, msgspec.Meta(ge=0, le=255)] | None = None


Word = Annotated[int, msgspec.Meta(ge=0, le=2**32 - 1)]
HostDirection = Literal["in", "out", "forward"]
Side = Literal["wire", "plain", "local"]
"""Of a host: the network, from which anything can come; what is to be protected; the host itself."""


class Mark(Data, frozen=True, kw_only=True):
    """Numbers whose bits under `mask` are those of `value`."""

    value: Word
    mask: Word = 2**32 - 1


Mtu = Annotated[int, msgspec.Meta(ge=68, le=65535)]


class Mtus(Data, frozen=True, kw_only=True):
    """Octets of the largest IP packet on each side of a host; `None` for any."""

    wire: Mtu | None = None
    plain: Mtu | None = None


class Host(Data, frozen=True, kw_only=True):
    """The host around ESP: its own addresses, those of hosts that it reaches over the wire (all others are on its plain
    side), the directions in which packets that no policy is for are discarded, and whether a key manager is there, whose
    events `read_events` reads.

    `mtus` say how long packets may be; `fragments` where IPv4 packets are cut up that are too long and may be: the ESP
    packet ("outside"), or what is in it ("inside", RFC 4301 8.2.1). Of packets that lack an SA each policy holds
    `holds` (RFC 4301 5.1), and others are discarded.

    Without `forward` no policy has that direction: "in" is for all that crosses from the wire to another side, "out" for
    all that crosses to the wire, and what stays on its side of that boundary meets none (RFC 4301 5.1, 5.2).
    """

    addresses: tuple[Address, ...]
    wire: tuple[Address, ...] = ()
    blocked: tuple[HostDirection, ...] = ()
    key_manager: bool = False
    mtus: Mtus = Mtus()
    fragments: Literal["outside", "inside"] = "outside"
    forward: bool = True
    holds: Count = 0


class PortRange(Data, frozen=True, kw_only=True):
    """From the first to the last, both among them."""

    first: Port
    last: Port


class TrafficSelector(Data, frozen=True, kw_only=True):
    """Traffic of one IP version that a policy is for (RFC 4301 4.4.1.1); `None` for any.

    Of ICMP, `source_ports` are types and `destination_ports` codes.
    """

    version: Literal[4, 6]
    source: Prefix | None = None
    destination: Prefix | None = None
    protocol: Annotated[int, msgspec.Meta(ge=0, le=255)] | None = None
    source_ports: PortRange | None = None
    destination_ports: PortRange | None = None


class Template(Data, frozen=True, kw_only=True):
    """An SA that a policy asks for. `source` and `destination` are a tunnel's ends. SPI 0 is any; `optional`: where there
    is none, the packet goes on without. No SA of a case is of IPComp."""

    mode: Literal["transport", "tunnel"]
    source: Address | None = None
    destination: Address | None = None
    spi: Spi = 0
    reqid: Word = 0
    optional: bool = False
    protocol: Literal["esp", "ah", "comp"] = "esp"


class PolicyLifetime(Data, frozen=True, kw_only=True):
    """Seconds since a policy was added: at a soft limit the key manager is told, at a hard one the policy ends too."""

    soft_seconds: Count | None = None
    hard_seconds: Count | None = None


class Policy(Data, frozen=True, kw_only=True):
    """One entry of the SPD: traffic, and what is to become of it. The lowest `priority` comes first, then the oldest.

    To allow with templates is to PROTECT (the first template for the innermost SA), without to BYPASS; to block is to
    DISCARD. With `icmp_errors` it is also for ICMP errors about the traffic that comes back: those that quote a packet
    which, turned round, it is for, where no policy is for the error itself (RFC 4301 6.2).
    """

    name: Name
    direction: HostDirection
    selector: TrafficSelector
    action: Literal["allow", "block"] = "allow"
    priority: Word = 0
    mark: Mark | None = None
    if_id: Word = 0
    templates: tuple[Template, ...] = ()
    lifetime: PolicyLifetime = PolicyLifetime()
    icmp_errors: bool = False


class Sa(Data, frozen=True, kw_only=True):
    """One SA, unidirectional (RFC 4301 4.1), with the state it starts in.

    `sequence` is, outbound, the number of the last packet sent (0: none yet); inbound, the highest number that was
    authenticated (0: none yet). `received_offsets` tells which numbers below it were received too: n stands for
    `sequence` - n; the number itself (offset 0) is always taken as received when `sequence` is not 0.
    `replay_window` 0 turns anti-replay off. `lookup` says what, besides the SPI, an inbound packet must match.
    `resync_limit` not 0 turns on RFC 4303 Appendix A3: after `resync_trigger` consecutive packets that fail
    authentication, a packet is tried with up to that many later high halves. `reqid`, `mark` and `if_id` tie it to the
    policies of a host.

    In a host, it can be of AH (`protocol`, RFC 4302): `encr` is ENCR_NULL then, and `salt` is of AUTH_AES_GMAC.
    """

    name: Name
    direction: Literal["in", "out"]
    spi: Spi
    mode: Literal["transport", "tunnel"]
    source: Address
    destination: Address
    encr: str
    encr_key: Octets = NO_OCTETS
    salt: Octets = NO_OCTETS
    auth: str = "NONE"
    auth_key: Octets = NO_OCTETS
    esn: bool = False
    sequence: SequenceNumber = ZERO
    replay_window: Annotated[int, msgspec.Meta(ge=0, le=2**31)] = 64
    received_offsets: tuple[Count, ...] = ()
    udp: UdpEncapsulation | None = None
    dscp: Literal["copy"] | Annotated[int, msgspec.Meta(ge=0, le=63)] = "copy"
    ecn: Literal["normal", "compatibility"] = "normal"
    df: Literal["copy", "set", "clear"] = "copy"
    hop_limit: Annotated[int, msgspec.Meta(ge=1, le=255)] = 64
    lookup: Literal["spi", "spi+destination", "spi+destination+source"] = "spi"
    lifetime: Lifetime = Lifetime()
    selectors: tuple[Selector, ...] = ()
    resync_trigger: Annotated[int, msgspec.Meta(ge=1, le=2**20)] = 16
    resync_limit: Annotated[int, msgspec.Meta(ge=0, le=2**20)] = 0
    reqid: Word = 0
    mark: Mark | None = None
    if_id: Word = 0
    protocol: Literal["esp", "ah"] = "esp"
