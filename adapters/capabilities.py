"""What an implementation says it can do, as data: strategies draw only what is declared, checks name what is missing.

A capability is declared by the adapter and probed by `espproof check`; declared-but-wrong and works-though-undeclared
are both reported. An absent capability makes a check `inapplicable`, never `pass`.
"""

from typing import Annotated, Any, Literal

import msgspec

from espproof.adapters.case import (
    AuditField,
    DeviceHappening,
    Policy,
    PolicyLifetime,
    PortRange,
    Sa,
    Side,
    UdpEncapsulation,
)
from espproof.reference.ah import GMAC
from espproof.reference.algorithms import ENCRYPTION, INTEGRITY
from espproof.reference.xfrm import buffers

Direction = Literal["in", "out"]
Mode = Literal["transport", "tunnel"]
Family = Literal["4in4", "6in4", "4in6", "6in6"]
"""Inner in outer IP version; transport mode uses 4in4 and 6in6."""
WAYS = tuple(way for way in buffers.WAYS if way)
"""Of the reference."""
KEPT = "kept"
"""The way of a host's own datagrams of IPv6 that come out of one socket, which stays open while all else changes."""
FIXED_DSCP = 0x2B
"""Of tunnel headers, where it is not copied: none that a packet inside has by chance."""


class ReplayWindows(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Window sizes in packets that are honoured exactly: minimum, minimum + step, … maximum; `off`: also none at all."""

    minimum: Annotated[int, msgspec.Meta(ge=1, le=2**31)] = 32
    maximum: Annotated[int, msgspec.Meta(ge=1, le=2**31)] = 64
    step: Annotated[int, msgspec.Meta(ge=1, le=2**31)] = 32
    off: bool = False

    def allows(self, size: int) -> bool:
        if size == 0:
            return self.off
        return self.minimum <= size <= self.maximum and (size - self.minimum) % self.step == 0


class HostCapabilities(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a host around ESP has of an SPD, beside policies with prefixes and protocols that lead to SAs."""

    forward: tuple[bool, ...] = (True,)
    """False: hosts whose policies have two directions, without "forward"; True: with it."""
    actions: tuple[Literal["protect", "bypass", "discard"], ...] = ("protect", "bypass", "discard")
    """What policies can say."""
    unmatched: tuple[Literal["pass", "discard"], ...] = ("pass", "discard")
    """What can become of packets that no policy is for, in all directions of a case."""
    clear: bool = True
    """What arrives over the wire without protection is held against the policies."""
    priorities: Annotated[int, msgspec.Meta(ge=1, le=2**32)] = 2**32
    """How many priorities there are, from 0."""
    templates: tuple[Literal["spi", "any", "several", "optional"], ...] = ("spi", "any", "several", "optional")
    """What templates can say besides mode, request id and a tunnel's ends: the SPI; the request id 0, which is any of what
    arrives; that there are several; that one is optional."""
    sa_selectors: bool = True
    """With `selectors`, SAs of a host have some too, besides the policies."""

    ports: Literal["none", "masks", "ranges"] = "none"
    """Ports (and ICMP types and codes) in selectors: by value and mask, or any range."""
    marks: bool = False
    if_ids: bool = False
    local: bool = False
    """Packets can be sent by the host itself, whole."""
    protocols: tuple[Literal["ah", "comp"], ...] = ()
    """Policies can ask for SAs of AH or IPComp too, also where there are none."""
    ah: tuple[str, ...] = ()
    """IANA names of the integrity algorithms of SAs of AH; AUTH_AES_GMAC is one, with a key of 16 octets here. () where no
    SA can be of AH; policies can ask for it else, whatever `protocols` says."""
    source_routes: bool = False
    """A packet of the host's own can have a source route of IPv6 (type 0) with hops left, which RFC 5095 is against."""
    counters: bool = False
    """`read_counters` tells them all."""
    segments: tuple[Literal["tcp", "udp"], ...] = ()
    """Super-packets of these protocols can enter on the plain side."""
    local_segments: tuple[Literal["tcp", "udp"], ...] = ()
    """Super-packets of these protocols can be sent by the host itself, as its TCP and UDP make them, to be protected."""
    events: tuple[Literal["acquire", "soft", "hard"], ...] = ()
    """What a key manager is told, as `read_events` reads it."""
    use_lifetimes: bool = False
    """Limits of SAs in seconds since their first use."""
    policy_lifetimes: bool = False
    """Limits of policies in seconds."""
    update_sa: bool = False
    """SAs get a new lifetime while they are in use."""
    reserve_spi: bool = False
    """An SPI can be reserved before its SA is there."""
    flush: bool = False
    """All SAs, or all policies, can be removed at once."""
    mtus: bool = False
    """Links have the MTU of the host's `mtus`: what is too long is cut up, or its sender told, and a message about an ESP
    packet that was too long is taken notice of."""
    fragments: tuple[Literal["outside", "inside"], ...] = ("outside",)
    """Where packets can be cut up, with `mtus`."""
    icmp_errors: bool = False
    """Policies can be for ICMP errors about their traffic."""
    ways: dict[Side, tuple[Annotated[str, msgspec.Meta(min_length=1, max_length=64)], ...]] = {}
    """Names of the ways in which packets can enter at a side besides the usual one, each making buffers of its own."""
    neighbours: tuple[Annotated[str, msgspec.Meta(min_length=1, max_length=64)], ...] = ()
    """Names of the ways besides these in which a program of the near host sends UDP datagrams, super-packets too."""
    layouts: tuple[Literal["pieces", "room", "shared"], ...] = ()
    """What can be said of the buffer of a packet that enters at wire or plain."""
    bursts: bool = False
    """Packets can enter together, before anything is waited for."""
    holds: Annotated[int, msgspec.Meta(ge=0, le=2**16)] = 0
    """So many packets that lack an SA each policy can hold until it is there, exactly; 0: none are held."""
    asynchronous: bool = False
    """A case says when, and in what order, the cipher finishes what it has of a burst, and how much it takes."""

    def can_ask_for(self, protocol: str) -> bool:
        """Whether policies can ask for SAs of that protocol."""
        return protocol == "esp" or protocol in self.protocols or (protocol == "ah" and bool(self.ah))


class DeviceCapabilities(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Below ESP is a device that does the cipher of these SAs; that of all others is software's.

    An SA of a cipher, mode and direction that are named is the device's, as long as there is room, unless another inbound
    SA of the endpoint has its SPI and destination, or has its SPI and one of the two is found by its source, the other by
    the SPI alone. A packet of such an SA that has IPv4 options or IPv6 extension headers
    is software's.
    """

    encryption: dict[str, tuple[int, ...]]
    """IANA name -> key sizes in octets, the salt not counted."""
    integrity: tuple[str, ...] = ("NONE",)
    """IANA names; "NONE" goes with combined-mode algorithms."""
    inbound: tuple[Mode, ...] = ()
    outbound: tuple[Mode, ...] = ()
    esn: bool = False
    udp: bool = False
    """SAs with UDP encapsulation too."""
    windows: tuple[Annotated[int, msgspec.Meta(ge=0, le=2**31)], ...] | None = None
    """Inbound SAs with replay windows of these sizes alone; None: with any."""
    fixed_headers: bool = False
    """The header outside of a tunnel is the same for each packet: of outbound tunnels those alone are the device's which
    take nothing over (`dscp` is a number, `ecn` "compatibility", `df` not "copy"), of inbound packets those whose header
    outside has no ECN."""
    octet_limits: bool = True
    """SAs with a hard limit of octets too."""
    most: dict[Direction, Annotated[int, msgspec.Meta(ge=1, le=2**24)]] = {}
    """How many SAs of a direction there is room for, as long as their destinations are few."""
    aside: Annotated[int, msgspec.Meta(ge=1, le=65535)] | None = None
    """It stands beside the way of packets: the stack finds the SA, whatever others are alike, and gives it the octets of
    every packet, whatever headers it has, that has so many octets itself, or more."""
    events: tuple[DeviceHappening, ...] = ()
    """What a case can let befall it."""
    neighbours: bool = False
    """Others have functions of the same device, and SAs, frames and commands of their own; not all of them mean well."""
    rules: Literal["", "X550", "MLX5", "QAT", "NETDEV22"] = ""
    """The data sheet, or what there is of one, whose rules it holds its driver to, and tells of when they are broken."""

    def takes(self, sa: Sa) -> bool:
        """Whether the cipher of this SA is the device's, if there is room."""
        return (
            len(sa.encr_key) in self.encryption.get(sa.encr, ())
            and sa.auth in self.integrity
            and sa.mode in (self.inbound if sa.direction == "in" else self.outbound)
            and (self.esn or not sa.esn)
            and (self.udp or sa.udp is None)
            and (self.windows is None or sa.direction == "out" or sa.replay_window in self.windows)
            and (self.octet_limits or sa.lifetime.hard_octets is None)
            and (not self.fixed_headers or sa.mode == "transport" or sa.direction == "in" or _takes_nothing_over(sa))
        )


def _takes_nothing_over(sa: Sa) -> bool:
    """Whether the header outside of an SA's packets says nothing of them but their length."""
    return sa.dscp != "copy" and sa.ecn == "compatibility" and sa.df != "copy"


class Capabilities(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One field per thing that implementations differ in; the defaults are the least that makes an ESP receiver."""

    encryption: dict[str, tuple[int, ...]]
    """IANA name -> key sizes in octets, the salt not counted."""
    integrity: tuple[str, ...] = ("NONE",)
    """IANA names; "NONE" goes with combined-mode algorithms only."""
    directions: tuple[Direction, ...] = ("in", "out")
    modes: tuple[Mode, ...] = ("tunnel",)
    families: tuple[Family, ...] = ("4in4",)
    esn: tuple[bool, ...] = (False,)
    replay_windows: ReplayWindows | None = ReplayWindows()
    """None: no anti-replay at all."""
    set_sequence: bool = False
    """An SA can start at any sequence number."""
    sequence_start: Annotated[int, msgspec.Meta(ge=0, le=2**32 - 1)] = 0
    """Without `set_sequence`: the number of the last packet that an outbound SA has sent of its own accord (probes of
    the path) before anybody can give it one; outbound SAs then come with that `sequence`."""
    set_window: bool = False
    """An inbound SA can start with `received_offsets`."""
    set_iv: bool = False
    """An outbound step's `iv` is used as the explicit IV."""
    udp: tuple[Literal[4, 6], ...] = ()
    """Outer IP versions over which UDP encapsulation works."""
    udp_ports: bool = False
    """UDP encapsulation uses the SA's ports; otherwise both are 4500."""
    tfc: bool = False
    """TFC padding on request (outbound)."""
    dummy: bool = False
    """Dummy packets on request (outbound)."""
    dscp: tuple[Literal["copy", "fixed"], ...] = ("copy",)
    ecn: tuple[Literal["normal", "compatibility"], ...] = ("normal",)
    """() when the outer header's ECN field and decapsulation do not follow RFC 6040 at all."""
    df: tuple[Literal["copy", "set", "clear"], ...] = ("copy",)
    hop_limit: bool = False
    """The outer TTL / hop limit is the SA's `hop_limit`; otherwise it is any value the implementation likes."""
    lookup: tuple[Literal["spi", "spi+destination", "spi+destination+source"], ...] = ("spi",)
    selectors: bool = False
    """An inbound packet outside the SA's `selectors` is discarded (RFC 4301 5.2)."""
    resynchronise: bool = False
    """RFC 4303 Appendix A3, with the SA's `resync_trigger` and `resync_limit`."""
    lifetimes: tuple[Literal["packets", "octets", "seconds"], ...] = ()
    read_state: tuple[Literal["sequence", "received_offsets", "packets", "octets", "lifetime", "early"], ...] = ()
    audit: tuple[AuditField, ...] = ()
    """What the audit log tells of each event (RFC 4303 4), as `read_audit` reads it; () where nobody can read one."""
    delete_sa: bool = False
    """SAs can be deleted, and added, while others stay."""
    max_packet: Annotated[int, msgspec.Meta(ge=1500, le=65535)] = 1500
    """Octets of the largest IP packet, before or after protection."""
    ipv4_options: bool = False
    ipv6_extension_headers: bool = False
    reassembles: bool = False
    """IP fragments that arrive are kept, and the packet comes in with the last of them (RFC 4301 5.2)."""
    forwards: bool = False
    """The inner packet is forwarded by the implementation on the way: its TTL / hop limit is one less when protected."""
    drop_reasons: bool = False
    """`Dropped.reason` is exact, not "unspecified"."""
    host: HostCapabilities | None = None
    """There is a host around ESP, with policies, which cases with a `host` ask."""
    device: DeviceCapabilities | None = None
    """There is a device below ESP, which does the cipher where it can."""

    def start_of(self, direction: str) -> int:
        """The `sequence` of a new SA, where nothing else is asked for."""
        return 0 if self.set_sequence or direction == "in" else self.sequence_start

    def simplest(self) -> dict[str, Any]:
        """What of an SA only its own side sees, as fields of `Sa`: the plainest values that are declared."""
        return {
            "dscp": "copy" if "copy" in self.dscp else FIXED_DSCP,
            "ecn": self.ecn[0] if self.ecn else "normal",
            "df": self.df[0] if self.df else "copy",
            "lookup": "spi" if "spi" in self.lookup else self.lookup[0],
        }

    @property
    def tells_early(self) -> bool:
        """Whether `read_state` has what was sent of its own accord: without `set_sequence`, as `sequence_start`."""
        return "early" in self.read_state and not self.set_sequence

    def lacks(self, sa: Sa) -> str | None:
        """The first capability that this SA needs and that is not declared, or None."""
        return next((name for name, there in _needs(self, sa) if not there), None)

    def lacks_policy(self, policy: Policy) -> str | None:
        """The first capability that this policy needs and that is not declared, or None."""
        host = self.host
        if host is None:
            return "host"
        others = {one.protocol for one in policy.templates if not host.can_ask_for(one.protocol)}
        ranges = (policy.selector.source_ports, policy.selector.destination_ports)
        action = "discard" if policy.action == "block" else "protect" if policy.templates else "bypass"
        needs = [
            (f"action {action}", action in host.actions),
            ("priorities", policy.priority < host.priorities),
            ("templates spi", "spi" in host.templates or not any(one.spi for one in policy.templates)),
            ("templates any", "any" in host.templates or all(one.reqid for one in policy.templates)),
            ("templates several", "several" in host.templates or len(policy.templates) <= 1),
            ("templates optional", "optional" in host.templates or not any(one.optional for one in policy.templates)),
            ("marks", policy.mark is None or host.marks),
            ("if_ids", policy.if_id == 0 or host.if_ids),
            (f"protocols {', '.join(sorted(others))}", not others),
            ("ports", host.ports != "none" or ranges == (None, None)),
            ("policy_lifetimes", policy.lifetime == PolicyLifetime() or host.policy_lifetimes),
            ("lifetime seconds", policy.lifetime == PolicyLifetime() or "seconds" in self.lifetimes),
            ("icmp_errors", not policy.icmp_errors or host.icmp_errors),
            ("port ranges", host.ports != "masks" or all(one is None or mask_of(one) is not None for one in ranges)),
        ]
        return next((name for name, there in needs if not there), None)


def _needs(caps: Capabilities, sa: Sa) -> list[tuple[str, bool]]:
    outer = "6" if ":" in sa.destination else "4"
    windows = caps.replay_windows
    lifetime = sa.lifetime
    needs = [
        *_algorithms(caps, sa),
        (f"direction {sa.direction}", sa.direction in caps.directions),
        (f"mode {sa.mode}", sa.mode in caps.modes),
        (f"outer IPv{outer}", any(family[3] == outer for family in caps.families)),
        ("esn" if sa.esn else "32-bit sequence numbers", sa.esn in caps.esn),
        ("set_sequence", sa.sequence == caps.start_of(sa.direction) or caps.set_sequence),
        ("set_window", not sa.received_offsets or caps.set_window),
        (f"udp over IPv{outer}", sa.udp is None or int(outer) in caps.udp),
        ("udp_ports", sa.udp is None or caps.udp_ports or sa.udp == UdpEncapsulation()),
        (f"lookup {sa.lookup}", sa.direction == "out" or sa.lookup in caps.lookup),
        ("resynchronise", sa.resync_limit == 0 or caps.resynchronise),
        ("selectors", not sa.selectors or caps.selectors),
        ("host", (sa.reqid, sa.mark, sa.if_id) == (0, None, 0) or caps.host is not None),
        ("marks", sa.mark is None or (caps.host is not None and caps.host.marks)),
        ("if_ids", sa.if_id == 0 or (caps.host is not None and caps.host.if_ids)),
        ("lifetime packets", _unlimited(lifetime.soft_packets, lifetime.hard_packets) or "packets" in caps.lifetimes),
        ("lifetime octets", _unlimited(lifetime.soft_octets, lifetime.hard_octets) or "octets" in caps.lifetimes),
        ("lifetime seconds", _unlimited(lifetime.soft_seconds, lifetime.hard_seconds) or "seconds" in caps.lifetimes),
    ]
    of_use = not _unlimited(lifetime.soft_use_seconds, lifetime.hard_use_seconds)
    needs.append(("use_lifetimes", not of_use or (caps.host is not None and caps.host.use_lifetimes)))
    needs.append(("lifetime seconds", not of_use or "seconds" in caps.lifetimes))
    if sa.direction == "in":
        off_or_size = f"replay window {sa.replay_window or 'off'}"
        needs.append((off_or_size, sa.replay_window == 0 if windows is None else windows.allows(sa.replay_window)))
    if sa.mode == "tunnel":
        kind = "copy" if sa.dscp == "copy" else "fixed"
        needs.append((f"dscp {kind}", kind in caps.dscp or sa.direction == "in"))
        needs.append((f"df {sa.df}", sa.df in caps.df or not caps.df or sa.direction == "in" or outer == "6"))
        needs.append((f"ecn {sa.ecn}", sa.ecn in caps.ecn or (sa.ecn == "normal" and not caps.ecn)))
    return needs


def _algorithms(caps: Capabilities, sa: Sa) -> list[tuple[str, bool]]:
    if sa.protocol == "ah":
        return [(f"ah {sa.auth}", caps.host is not None and sa.auth in caps.host.ah), ("no udp", sa.udp is None)]
    return [
        (f"encryption {sa.encr}-{8 * len(sa.encr_key)}", len(sa.encr_key) in caps.encryption.get(sa.encr, ())),
        (f"integrity {sa.auth}", sa.auth in caps.integrity),
    ]


def mask_of(ports: PortRange) -> int | None:
    """The mask under which exactly the numbers of a range are equal, 16 bits; None if there is no such mask."""
    size = ports.last - ports.first + 1
    return 0x10000 - size if size > 0 and size & size - 1 == 0 and ports.first % size == 0 else None


def _unlimited(*limits: int | None) -> bool:
    return all(limit is None for limit in limits)


def everything() -> Capabilities:
    """All that the Case format can say: the reference's own capabilities."""
    return Capabilities(
        encryption={name: entry.key_sizes for name, entry in ENCRYPTION.items()},
        integrity=tuple(INTEGRITY),
        modes=("transport", "tunnel"),
        families=("4in4", "6in4", "4in6", "6in6"),
        esn=(False, True),
        replay_windows=ReplayWindows(minimum=32, maximum=2**31, step=1, off=True),
        set_sequence=True,
        set_window=True,
        set_iv=True,
        udp=(4, 6),
        udp_ports=True,
        tfc=True,
        dummy=True,
        dscp=("copy", "fixed"),
        ecn=("normal", "compatibility"),
        df=("copy", "set", "clear"),
        hop_limit=True,
        lookup=("spi", "spi+destination", "spi+destination+source"),
        selectors=True,
        resynchronise=True,
        lifetimes=("packets", "octets", "seconds"),
        read_state=("sequence", "received_offsets", "packets", "octets", "lifetime"),
        audit=("spi", "source", "destination", "sequence", "flow"),
        delete_sa=True,
        max_packet=65535,
        ipv4_options=True,
        ipv6_extension_headers=True,
        reassembles=True,
        drop_reasons=True,
        host=HostCapabilities(
            forward=(True, False),
            ports="ranges",
            protocols=("ah", "comp"),
            ah=(*(name for name in INTEGRITY if name != "NONE"), GMAC),
            source_routes=True,
            marks=True,
            if_ids=True,
            local=True,
            counters=True,
            segments=("tcp", "udp"),
            local_segments=("tcp", "udp"),
            neighbours=("headers",),
            events=("acquire", "soft", "hard"),
            use_lifetimes=True,
            policy_lifetimes=True,
            update_sa=True,
            reserve_spi=True,
            flush=True,
            mtus=True,
            icmp_errors=True,
            fragments=("outside", "inside"),
            ways={"wire": WAYS, "plain": WAYS, "local": (*WAYS, KEPT)},
            layouts=("pieces", "room", "shared"),
            bursts=True,
            holds=8,
            asynchronous=True,
        ),
    )
