"""The structs of `linux/xfrm.h`, one Record each; `tests/test_linux_header.py` compares them with the header.

Addresses are 16 octets (IPv4: 4, then zeros), SPIs and ports are in network order on the wire, everything else is in
the order of the machine. Numbers of octets and packets are 64 bits wide, INFINITE for no limit; times are in seconds.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

from espproof.adapters.linux.netlink.netlink import Record

INFINITE = 2**64 - 1
PROTOCOL_ESP = 50
TRANSPORT, TUNNEL = 0, 1
"""`mode` of an SA or a template."""
IN, OUT, FORWARD = 0, 1, 2
"""`direction` of a policy."""
AF_UNSPEC, AF_INET, AF_INET6 = 0, 2, 10
UDP_ENCAP_ESPINUDP = 2
NO_ADDRESS = bytes(16)
ALL = 2**32 - 1
"""Mask of a template or an ACQUIRE that lets every algorithm in."""


@dataclass(frozen=True, slots=True)
class Selector(Record):
    """Which traffic; all zero for any."""

    destination: bytes = NO_ADDRESS
    source: bytes = NO_ADDRESS
    destination_port: int = 0
    destination_port_mask: int = 0
    source_port: int = 0
    source_port_mask: int = 0
    family: int = AF_UNSPEC
    destination_prefix: int = 0
    source_prefix: int = 0
    protocol: int = 0
    interface: int = 0
    user: int = 0
    LAYOUT: ClassVar[tuple[Any, ...]] = (
        "16s", "16s", ">H", ">H", ">H", ">H", "=H", "=B", "=B", "=B", 3, "=i", "=I",
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Id(Record):
    """What names an SA on the wire."""

    destination: bytes = NO_ADDRESS
    spi: int = 0
    protocol: int = PROTOCOL_ESP
    LAYOUT: ClassVar[tuple[Any, ...]] = ("16s", ">I", "=B", 3)


@dataclass(frozen=True, slots=True)
class Limits(Record):
    """Lifetimes as configured: octets, packets, seconds since the SA was added, seconds since its first use (0: none)."""

    soft_octets: int = INFINITE
    hard_octets: int = INFINITE
    soft_packets: int = INFINITE
    hard_packets: int = INFINITE
    soft_add_seconds: int = 0
    hard_add_seconds: int = 0
    soft_use_seconds: int = 0
    hard_use_seconds: int = 0
    LAYOUT: ClassVar[tuple[Any, ...]] = ("=Q",) * 8


@dataclass(frozen=True, slots=True)
class Used(Record):
    """What an SA or a policy has counted; times in seconds since 1970."""

    octets: int = 0
    packets: int = 0
    added: int = 0
    first_used: int = 0
    LAYOUT: ClassVar[tuple[Any, ...]] = ("=Q",) * 4


@dataclass(frozen=True, slots=True)
class Failures(Record):
    """Packets that an SA has discarded: outside the window, received before, with a wrong ICV."""

    replay_window: int = 0
    replay: int = 0
    integrity: int = 0
    LAYOUT: ClassVar[tuple[Any, ...]] = ("=I",) * 3


@dataclass(frozen=True, slots=True)
class SaInfo(Record):
    """`xfrm_usersa_info`: an SA. `replay_window` is in packets, up to 32; larger ones come as REPLAY_ESN_VAL."""

    selector: Selector = Selector()
    id: Id = Id()
    source: bytes = NO_ADDRESS
    limits: Limits = Limits()
    used: Used = Used()
    failures: Failures = Failures()
    sequence: int = 0
    reqid: int = 0
    family: int = AF_INET
    mode: int = TRANSPORT
    replay_window: int = 0
    flags: int = 0
    LAYOUT: ClassVar[tuple[Any, ...]] = (
        Selector, Id, "16s", Limits, Used, Failures, "=I", "=I", "=H", "=B", "=B", "=B", 7,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class SaId(Record):
    """`xfrm_usersa_id`: which SA is meant."""

    destination: bytes = NO_ADDRESS
    spi: int = 0
    family: int = AF_INET
    protocol: int = PROTOCOL_ESP
    LAYOUT: ClassVar[tuple[Any, ...]] = ("16s", ">I", "=H", "=B", 1)


@dataclass(frozen=True, slots=True)
class Flush(Record):
    """`xfrm_usersa_flush`: protocol 0 is all."""

    protocol: int = 0
    LAYOUT: ClassVar[tuple[Any, ...]] = ("=B",)


@dataclass(frozen=True, slots=True)
class Nothing(Record):
    """A message without a body."""

    LAYOUT: ClassVar[tuple[Any, ...]] = ()


@dataclass(frozen=True, slots=True)
class PolicyInfo(Record):
    """`xfrm_userpolicy_info`; action 0 is allow, 1 block."""

    selector: Selector = Selector()
    limits: Limits = Limits()
    used: Used = Used()
    priority: int = 0
    index: int = 0
    direction: int = OUT
    action: int = 0
    flags: int = 0
    share: int = 0
    LAYOUT: ClassVar[tuple[Any, ...]] = (Selector, Limits, Used, "=I", "=I", "=B", "=B", "=B", "=B", 4)


@dataclass(frozen=True, slots=True)
class PolicyId(Record):
    """`xfrm_userpolicy_id`: which policy is meant; by index, or if that is 0 by selector."""

    selector: Selector = Selector()
    index: int = 0
    direction: int = OUT
    LAYOUT: ClassVar[tuple[Any, ...]] = (Selector, "=I", "=B", 3)


@dataclass(frozen=True, slots=True)
class EventId(Record):
    """`xfrm_aevent_id`: the SA whose replay state is asked for or told."""

    sa: SaId = SaId()
    source: bytes = NO_ADDRESS
    flags: int = 0
    reqid: int = 0
    LAYOUT: ClassVar[tuple[Any, ...]] = (SaId, "16s", "=I", "=I")


@dataclass(frozen=True, slots=True)
class Expired(Record):
    """`xfrm_user_expire`: a limit of an SA was reached; `hard` is 1 for a hard one."""

    sa: SaInfo = SaInfo()
    hard: int = 0
    LAYOUT: ClassVar[tuple[Any, ...]] = (SaInfo, "=B", 7)


@dataclass(frozen=True, slots=True)
class Template(Record):
    """`xfrm_user_tmpl`: the SA that a policy asks for. `family` is that of the outer addresses."""

    id: Id = Id()
    family: int = AF_INET
    source: bytes = NO_ADDRESS
    reqid: int = 0
    mode: int = TRANSPORT
    share: int = 0
    optional: int = 0
    integrity_mask: int = ALL
    encryption_mask: int = ALL
    compression_mask: int = ALL
    LAYOUT: ClassVar[tuple[Any, ...]] = (Id, "=H", 2, "16s", "=I", "=B", "=B", "=B", 1, "=I", "=I", "=I")


@dataclass(frozen=True, slots=True)
class Encapsulation(Record):
    """`xfrm_encap_tmpl`: ESP in UDP. The original address is not used by ESP."""

    type: int = UDP_ENCAP_ESPINUDP
    source_port: int = 4500
    destination_port: int = 4500
    original: bytes = NO_ADDRESS
    LAYOUT: ClassVar[tuple[Any, ...]] = ("=H", ">H", ">H", 2, "16s")


@dataclass(frozen=True, slots=True)
class Replay(Record):
    """`xfrm_replay_state`: last number sent, highest received, and a bit per number below it (bit 0: itself)."""

    sent: int = 0
    received: int = 0
    bitmap: int = 0
    LAYOUT: ClassVar[tuple[Any, ...]] = ("=I", "=I", "=I")


@dataclass(frozen=True, slots=True)
class Mark(Record):
    """`xfrm_mark`."""

    value: int = 0
    mask: int = 0
    LAYOUT: ClassVar[tuple[Any, ...]] = ("=I", "=I")


@dataclass(frozen=True, slots=True)
class Offload(Record):
    """`xfrm_user_offload`: flag 2 is inbound, 4 packet offload."""

    interface: int = 0
    flags: int = 0
    LAYOUT: ClassVar[tuple[Any, ...]] = ("=i", "=B", 3)


@dataclass(frozen=True, slots=True)
class SpiRange(Record):
    """`xfrm_userspi_info`: an SA that wants an SPI from minimum to maximum (in the order of the machine)."""

    sa: SaInfo = SaInfo()
    minimum: int = 0
    maximum: int = 0
    LAYOUT: ClassVar[tuple[Any, ...]] = (SaInfo, "=I", "=I")


@dataclass(frozen=True, slots=True)
class Acquire(Record):
    """`xfrm_user_acquire`: a packet wants an SA that there is not."""

    id: Id = Id()
    source: bytes = NO_ADDRESS
    selector: Selector = Selector()
    policy: PolicyInfo = PolicyInfo()
    integrity_mask: int = ALL
    encryption_mask: int = ALL
    compression_mask: int = ALL
    sequence: int = 0
    LAYOUT: ClassVar[tuple[Any, ...]] = (Id, "16s", Selector, PolicyInfo, "=I", "=I", "=I", "=I")


@dataclass(frozen=True, slots=True)
class PolicyExpired(Record):
    """`xfrm_user_polexpire`: a limit of a policy was reached; `hard` is 1 for a hard one."""

    policy: PolicyInfo = PolicyInfo()
    hard: int = 0
    LAYOUT: ClassVar[tuple[Any, ...]] = (PolicyInfo, "=B", 7)


@dataclass(frozen=True, slots=True)
class Report(Record):
    """`xfrm_user_report`: a packet was discarded for want of protection (Mobile IPv6)."""

    protocol: int = 0
    selector: Selector = Selector()
    LAYOUT: ClassVar[tuple[Any, ...]] = ("=B", 3, Selector)


@dataclass(frozen=True, slots=True)
class NatMapping(Record):
    """`xfrm_user_mapping`: a NAT has given the peer another address or port."""

    sa: SaId = SaId()
    reqid: int = 0
    old_source: bytes = NO_ADDRESS
    new_source: bytes = NO_ADDRESS
    old_source_port: int = 0
    new_source_port: int = 0
    LAYOUT: ClassVar[tuple[Any, ...]] = (SaId, "=I", "16s", "16s", ">H", ">H")


@dataclass(frozen=True, slots=True)
class Defaults(Record):
    """`xfrm_userpolicy_default`: what happens to packets that no policy is for; 1 block, 2 accept, 0 as it is."""

    inbound: int = 0
    forward: int = 0
    outbound: int = 0
    LAYOUT: ClassVar[tuple[Any, ...]] = ("=B", "=B", "=B")


@dataclass(frozen=True, slots=True)
class Flags(Record):
    """What messages about the SAD and the SPD as a whole begin with."""

    flags: int = 0
    LAYOUT: ClassVar[tuple[Any, ...]] = ("=I",)


@dataclass(frozen=True, slots=True)
class PolicyType(Record):
    """`xfrm_userpolicy_type`: 0 main, 1 sub-policy."""

    type: int = 0
    LAYOUT: ClassVar[tuple[Any, ...]] = ("=B", 5)


@dataclass(frozen=True, slots=True)
class Migration(Record):
    """`xfrm_user_migrate`: an SA moves from one pair of addresses to another."""

    old_destination: bytes = NO_ADDRESS
    old_source: bytes = NO_ADDRESS
    new_destination: bytes = NO_ADDRESS
    new_source: bytes = NO_ADDRESS
    protocol: int = PROTOCOL_ESP
    mode: int = TUNNEL
    reqid: int = 0
    old_family: int = AF_INET
    new_family: int = AF_INET
    LAYOUT: ClassVar[tuple[Any, ...]] = ("16s", "16s", "16s", "16s", "=B", "=B", 2, "=I", "=H", "=H")


@dataclass(frozen=True, slots=True)
class KeyManagers(Record):
    """`xfrm_user_kmaddress`: the addresses at which IKE negotiates after a migration."""

    local: bytes = NO_ADDRESS
    remote: bytes = NO_ADDRESS
    family: int = AF_INET
    LAYOUT: ClassVar[tuple[Any, ...]] = ("16s", "16s", 4, "=H", 2)


@dataclass(frozen=True, slots=True)
class AddressFilter(Record):
    """`xfrm_address_filter`: which SAs a dump is about."""

    source: bytes = NO_ADDRESS
    destination: bytes = NO_ADDRESS
    family: int = AF_UNSPEC
    source_prefix: int = 0
    destination_prefix: int = 0
    LAYOUT: ClassVar[tuple[Any, ...]] = ("16s", "16s", "=H", "=B", "=B")


@dataclass(frozen=True, slots=True)
class HashSize(Record):
    """`xfrmu_sadhinfo`, `xfrmu_spdhinfo`: buckets of a hash table, now and at most."""

    now: int = 0
    most: int = 0
    LAYOUT: ClassVar[tuple[Any, ...]] = ("=I", "=I")


@dataclass(frozen=True, slots=True)
class PolicyCounts(Record):
    """`xfrmu_spdinfo`: policies per direction, and of sockets."""

    inbound: int = 0
    outbound: int = 0
    forward: int = 0
    socket_inbound: int = 0
    socket_outbound: int = 0
    socket_forward: int = 0
    LAYOUT: ClassVar[tuple[Any, ...]] = ("=I",) * 6


@dataclass(frozen=True, slots=True)
class HashThreshold(Record):
    """`xfrmu_spdhthresh`: from which prefix lengths on policies are hashed."""

    local_bits: int = 0
    remote_bits: int = 0
    LAYOUT: ClassVar[tuple[Any, ...]] = ("=B", "=B")
