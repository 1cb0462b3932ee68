"""The messages of NETLINK_XFRM (`linux/xfrm.h`): octets to objects and back. Pure; standard library only.

A `Request` is a message type, a body of fixed layout and attributes. Both directions come from the same tables: a body's
`LAYOUT`, and per attribute how its value is written and read. The kernel's answers are read with the same `decode`.
Addresses are 16 octets (IPv4: 4, then zeros), SPIs and ports are in network order on the wire, everything else is in
the order of the machine. Numbers of octets and packets are 64 bits wide, INFINITE for no limit; times are in seconds.
"""

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum, IntFlag
from ipaddress import ip_address
from types import MappingProxyType
from typing import Any, ClassVar

from espproof.adapters.linux import netlink
from espproof.adapters.linux.netlink import Malformed, Record

NETLINK_XFRM = 6
INFINITE = 2**64 - 1
PROTOCOL_ESP = 50
TRANSPORT, TUNNEL = 0, 1
"""`mode` of an SA or a template."""
IN, OUT, FORWARD = 0, 1, 2
"""`direction` of a policy."""
AF_UNSPEC, AF_INET, AF_INET6 = 0, 2, 10
UDP_ENCAP_ESPINUDP = 2
NO_ADDRESS = bytes(16)


class Type(IntEnum):
    """`XFRM_MSG_…`."""

    NEWSA = 0x10
    DELSA = 0x11
    GETSA = 0x12
    NEWPOLICY = 0x13
    DELPOLICY = 0x14
    GETPOLICY = 0x15
    EXPIRE = 0x18
    UPDPOLICY = 0x19
    UPDSA = 0x1A
    FLUSHSA = 0x1C
    FLUSHPOLICY = 0x1D
    NEWAE = 0x1E
    GETAE = 0x1F


class SaFlag(IntFlag):
    """`XFRM_STATE_…`, 8 bits in the SA's record."""

    NOECN = 1
    DECAP_DSCP = 2
    NOPMTUDISC = 4
    WILDRECV = 8
    ICMP = 16
    AF_UNSPEC = 32
    ALIGN4 = 64
    ESN = 128


class ExtraFlag(IntFlag):
    """`XFRM_SA_XFLAG_…`, attribute SA_EXTRA_FLAGS."""

    DONT_ENCAP_DSCP = 1
    OSEQ_MAY_WRAP = 2


def address(text: str) -> bytes:
    """An address as the kernel writes it in these records: 16 octets."""
    return ip_address(text).packed.ljust(16, b"\0")


def family(text: str) -> int:
    """The address family of an address."""
    return AF_INET6 if ip_address(text).version == 6 else AF_INET


# ---------------------------------------------------------------------------------------------------------- records


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
    integrity_mask: int = 2**32 - 1
    encryption_mask: int = 2**32 - 1
    compression_mask: int = 2**32 - 1
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


# --------------------------------------------------------------------------------------- values of variable length


@dataclass(frozen=True, slots=True)
class Algorithm:
    """`xfrm_algo`, `xfrm_algo_auth`, `xfrm_algo_aead`: the kernel's name, the key, and (the latter two) ICV bits."""

    name: str
    key: bytes
    icv_bits: int = 0


@dataclass(frozen=True, slots=True)
class ReplayEsn:
    """`xfrm_replay_state_esn`: 32-bit halves of both numbers, the window in packets, and its bits as 32-bit words.

    Number n (its low half) has bit (n - 1) mod window.
    """

    sent: int = 0
    received: int = 0
    sent_high: int = 0
    received_high: int = 0
    window: int = 0
    bitmap: tuple[int, ...] = ()


_NAME = 64


def _encode_algorithm(numbers: str) -> Callable[[Algorithm], bytes]:
    def encode(value: Algorithm) -> bytes:
        name = value.name.encode()
        if len(name) >= _NAME:
            raise ValueError(f"an algorithm's name of {len(name)} octets")
        sizes = (8 * len(value.key), value.icv_bits)[: len(numbers) - 1]
        return name.ljust(_NAME, b"\0") + struct.pack(numbers, *sizes) + value.key

    return encode


def _decode_algorithm(numbers: str) -> Callable[[bytes], Algorithm]:
    def decode(octets: bytes) -> Algorithm:
        start = _NAME + struct.calcsize(numbers)
        if len(octets) < start:
            raise Malformed(f"{len(octets)} octets are too few for an algorithm")
        bits, *icv = struct.unpack_from(numbers, octets, _NAME)
        end = start + (bits + 7) // 8
        if len(octets) < end:
            raise Malformed(f"a key of {bits} bits in {len(octets) - start} octets")
        name = octets[:_NAME].partition(b"\0")[0].decode("ascii", "backslashreplace")
        return Algorithm(name, octets[start:end], *icv)

    return decode


_REPLAY_ESN = struct.Struct("=6I")


def _encode_replay_esn(value: ReplayEsn) -> bytes:
    head = (len(value.bitmap), value.sent, value.received, value.sent_high, value.received_high, value.window)
    return _REPLAY_ESN.pack(*head) + struct.pack(f"={len(value.bitmap)}I", *value.bitmap)


def _decode_replay_esn(octets: bytes) -> ReplayEsn:
    if len(octets) < _REPLAY_ESN.size:
        raise Malformed(f"{len(octets)} octets are too few for a replay state")
    words, *numbers = _REPLAY_ESN.unpack_from(octets)
    if len(octets) < _REPLAY_ESN.size + 4 * words:
        raise Malformed(f"a window of {words} words in {len(octets)} octets")
    sent, received, sent_high, received_high, window = numbers
    bitmap = struct.unpack_from(f"={words}I", octets, _REPLAY_ESN.size)
    return ReplayEsn(sent, received, sent_high, received_high, window, bitmap)


def _encode_templates(value: tuple[Template, ...]) -> bytes:
    return b"".join(template.encode() for template in value)


def _decode_templates(octets: bytes) -> tuple[Template, ...]:
    if len(octets) % Template.size():
        raise Malformed(f"{len(octets)} octets are no whole number of templates")
    return tuple(Template.decode(octets[at:]) for at in range(0, len(octets), Template.size()))


# ------------------------------------------------------------------------------------------------------- attributes


class Attribute(IntEnum):
    """`XFRMA_…`."""

    ALG_AUTH = 1
    ALG_CRYPT = 2
    ENCAP = 4
    TMPL = 5
    LTIME_VAL = 9
    REPLAY_VAL = 10
    REPLAY_THRESH = 11
    ETIMER_THRESH = 12
    SRCADDR = 13
    COADDR = 14
    LASTUSED = 15
    ALG_AEAD = 18
    ALG_AUTH_TRUNC = 20
    MARK = 21
    TFCPAD = 22
    REPLAY_ESN_VAL = 23
    SA_EXTRA_FLAGS = 24
    PROTO = 25
    OFFLOAD_DEV = 28
    SET_MARK = 29
    SET_MARK_MASK = 30
    IF_ID = 31
    MTIMER_THRESH = 32
    SA_DIR = 33


@dataclass(frozen=True, slots=True)
class _Kind:
    encode: Callable[[Any], bytes]
    decode: Callable[[bytes], Any]


def _number(layout: str) -> _Kind:
    def decode(octets: bytes) -> int:
        if len(octets) < struct.calcsize(layout):
            raise Malformed(f"{len(octets)} octets are too few for a number of {struct.calcsize(layout)}")
        return int(struct.unpack_from(layout, octets)[0])

    return _Kind(lambda value: struct.pack(layout, value), decode)


def _record(record: type[Record]) -> _Kind:
    return _Kind(lambda value: value.encode(), record.decode)


def _algorithm(numbers: str) -> _Kind:
    return _Kind(_encode_algorithm(numbers), _decode_algorithm(numbers))


def _address(octets: bytes) -> bytes:
    if len(octets) < len(NO_ADDRESS):
        raise Malformed(f"an address of {len(octets)} octets")
    return octets[: len(NO_ADDRESS)]


_KINDS: Mapping[Attribute, _Kind] = MappingProxyType(
    {
        Attribute.ALG_AUTH: _algorithm("=I"),
        Attribute.ALG_CRYPT: _algorithm("=I"),
        Attribute.ENCAP: _record(Encapsulation),
        Attribute.TMPL: _Kind(_encode_templates, _decode_templates),
        Attribute.LTIME_VAL: _record(Used),
        Attribute.REPLAY_VAL: _record(Replay),
        Attribute.REPLAY_THRESH: _number("=I"),
        Attribute.ETIMER_THRESH: _number("=I"),
        Attribute.SRCADDR: _Kind(bytes, _address),
        Attribute.COADDR: _Kind(bytes, _address),
        Attribute.LASTUSED: _number("=Q"),
        Attribute.ALG_AEAD: _algorithm("=II"),
        Attribute.ALG_AUTH_TRUNC: _algorithm("=II"),
        Attribute.MARK: _record(Mark),
        Attribute.TFCPAD: _number("=I"),
        Attribute.REPLAY_ESN_VAL: _Kind(_encode_replay_esn, _decode_replay_esn),
        Attribute.SA_EXTRA_FLAGS: _number("=I"),
        Attribute.PROTO: _number("=B"),
        Attribute.OFFLOAD_DEV: _record(Offload),
        Attribute.SET_MARK: _number("=I"),
        Attribute.SET_MARK_MASK: _number("=I"),
        Attribute.IF_ID: _number("=I"),
        Attribute.MTIMER_THRESH: _number("=I"),
        Attribute.SA_DIR: _number("=B"),
    }
)

BODIES: Mapping[Type, type[Record]] = MappingProxyType(
    {
        Type.NEWSA: SaInfo,
        Type.UPDSA: SaInfo,
        Type.DELSA: SaId,
        Type.GETSA: SaId,
        Type.FLUSHSA: Flush,
        Type.NEWPOLICY: PolicyInfo,
        Type.UPDPOLICY: PolicyInfo,
        Type.DELPOLICY: PolicyId,
        Type.GETPOLICY: PolicyId,
        Type.FLUSHPOLICY: Nothing,
        Type.NEWAE: EventId,
        Type.GETAE: EventId,
        Type.EXPIRE: Expired,
    }
)
"""What each message begins with."""
_FLAGS = {
    Type.NEWSA: netlink.ACK | netlink.CREATE | netlink.EXCL,
    Type.NEWPOLICY: netlink.ACK | netlink.CREATE | netlink.EXCL,
    Type.NEWAE: netlink.ACK | netlink.REPLACE,
    Type.GETSA: 0,
    Type.GETAE: 0,
    Type.GETPOLICY: 0,
}


@dataclass(frozen=True, slots=True)
class Request:
    """One message. Attributes that this module does not know are left out when octets are read."""

    type: Type
    body: Record
    attributes: Mapping[Attribute, Any] = field(default_factory=dict)


def encode(request: Request, sequence: int = 0) -> bytes:
    """The octets, with the flags that the request needs. `ValueError` for a value that fits no field."""
    body = request.body.encode()
    try:
        attributes = [netlink.attribute(kind, _KINDS[kind].encode(value)) for kind, value in request.attributes.items()]
    except struct.error as error:
        raise ValueError(str(error)) from error
    flags = netlink.REQUEST | _FLAGS.get(request.type, netlink.ACK)
    return netlink.message(request.type, flags, body + bytes(-len(body) % 4) + b"".join(attributes), sequence)


def decode(octets: bytes) -> tuple[Request, ...]:
    """The xfrm messages of some octets; `Malformed` says what is wrong."""
    return tuple(_decode(message) for message in netlink.messages(octets))


def _decode(message: netlink.Message) -> Request:
    try:
        kind = Type(message.type)
    except ValueError:
        raise Malformed(f"message type {message.type:#x} is none of xfrm that is known here") from None
    record = BODIES[kind]
    body = record.decode(message.payload)
    start = record.size() + -record.size() % 4
    known = {}
    for number, value in netlink.attributes(message.payload[start:]):
        if number in _KNOWN:
            known[Attribute(number)] = _KINDS[Attribute(number)].decode(value)
    return Request(kind, body, known)


_KNOWN = {int(attribute) for attribute in Attribute}
