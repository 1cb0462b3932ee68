"""The messages of NETLINK_XFRM (`linux/xfrm.h`, Linux 6.12): octets to objects and back. Pure; standard library only.

A `Request` is a message type, a body of fixed layout and attributes. Both directions come from the same tables: a body's
`LAYOUT` (`records`), and per attribute how its value is written and read. The kernel's answers and notifications are read
with the same `decode`. Lengths are exact: the kernel takes attributes that are longer than their struct, and sends none.
Whatever the octets are, `decode` raises `Malformed` and nothing else, and what it returns, `encode` can write.
"""

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum, IntFlag
from ipaddress import ip_address
from types import MappingProxyType
from typing import Any

from espproof.adapters.linux.netlink import netlink, records
from espproof.adapters.linux.netlink.netlink import Malformed, Record
from espproof.adapters.linux.netlink.records import (
    AF_INET,
    AF_INET6,
    AF_UNSPEC,
    FORWARD,
    IN,
    INFINITE,
    NO_ADDRESS,
    OUT,
    TRANSPORT,
    TUNNEL,
    UDP_ENCAP_ESPINUDP,
    Defaults,
    Encapsulation,
    EventId,
    Expired,
    Failures,
    Flush,
    Id,
    Limits,
    Mark,
    Nothing,
    Offload,
    PolicyId,
    PolicyInfo,
    Replay,
    SaId,
    SaInfo,
    Selector,
    SpiRange,
    Template,
    Used,
)

__all__ = [
    "AF_INET", "AF_INET6", "AF_UNSPEC", "FORWARD", "IN", "INFINITE", "NO_ADDRESS", "OUT", "TRANSPORT", "TUNNEL",
    "UDP_ENCAP_ESPINUDP", "Defaults", "Encapsulation", "EventId",
    "Expired", "Failures", "Flush", "Id", "Limits", "Mark", "Nothing",
    "Offload", "PolicyId", "PolicyInfo", "Replay", "SaId", "SaInfo", "Selector", "SpiRange",
    "Template", "Used",
]  # fmt: skip

NETLINK_XFRM = 6


class Type(IntEnum):
    """`XFRM_MSG_…`."""

    NEWSA = 0x10
    DELSA = 0x11
    GETSA = 0x12
    NEWPOLICY = 0x13
    DELPOLICY = 0x14
    GETPOLICY = 0x15
    ALLOCSPI = 0x16
    ACQUIRE = 0x17
    EXPIRE = 0x18
    UPDPOLICY = 0x19
    UPDSA = 0x1A
    POLEXPIRE = 0x1B
    FLUSHSA = 0x1C
    FLUSHPOLICY = 0x1D
    NEWAE = 0x1E
    GETAE = 0x1F
    REPORT = 0x20
    MIGRATE = 0x21
    NEWSADINFO = 0x22
    GETSADINFO = 0x23
    NEWSPDINFO = 0x24
    GETSPDINFO = 0x25
    MAPPING = 0x26
    SETDEFAULT = 0x27
    GETDEFAULT = 0x28


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


class OffloadFlag(IntFlag):
    """`XFRM_OFFLOAD_…`, of attribute OFFLOAD_DEV. Without PACKET the device does the cryptography alone."""

    IPV6 = 1
    INBOUND = 2
    PACKET = 4


class EventFlag(IntFlag):
    """`XFRM_AE_…`, of an `EventId`: what a message has or asks for, and why the kernel sends it."""

    REPLAY_THRESHOLD = 1
    REPLAY = 2
    LIFETIME = 4
    TIMER_THRESHOLD = 8
    BY_REPLAY = 16
    BY_TIMER = 32
    BY_POLICY = 64


def address(text: str) -> bytes:
    """An address as the kernel writes it in these records: 16 octets."""
    return ip_address(text).packed.ljust(16, b"\0")


def family(text: str) -> int:
    """The address family of an address."""
    return AF_INET6 if ip_address(text).version == 6 else AF_INET


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


@dataclass(frozen=True, slots=True)
class SecurityContext:
    """`xfrm_user_sec_ctx`: a label of a Linux security module (algorithm 1: SELinux), as it stands."""

    label: bytes
    algorithm: int = 1
    domain: int = 1


@dataclass(frozen=True, slots=True)
class _Kind:
    """How the value of an attribute is written and read; a value of another length than its own is `Malformed`."""

    encode: Callable[[Any], bytes]
    decode: Callable[[bytes], Any]


def _must_have(size: int, octets: bytes, what: str) -> None:
    if len(octets) != size:
        raise Malformed(f"{len(octets)} octets are no {what}, which has {size}")


def _number(layout: str) -> _Kind:
    number = struct.Struct(layout)

    def decode(octets: bytes) -> int:
        _must_have(number.size, octets, "number")
        return int(number.unpack(octets)[0])

    return _Kind(number.pack, decode)


def _record(record: type[Record]) -> _Kind:
    def decode(octets: bytes) -> Record:
        _must_have(record.size(), octets, record.__name__)
        return record.decode(octets)

    return _Kind(_written(record), decode)


def _several(record: type[Record]) -> _Kind:
    """One record behind the other: a tuple of them."""
    write = _written(record)

    def decode(octets: bytes) -> tuple[Record, ...]:
        if len(octets) % record.size():
            raise Malformed(f"{len(octets)} octets are no whole number of {record.__name__}s of {record.size()}")
        return tuple(record.decode(octets[at:]) for at in range(0, len(octets), record.size()))

    return _Kind(lambda value: b"".join(map(write, value)), decode)


def _written(record: type[Record]) -> Callable[[Any], bytes]:
    def encode(value: Any) -> bytes:
        if not isinstance(value, record):
            raise ValueError(f"{value!s:.100} is no {record.__name__}")
        return value.encode()

    return encode


_NAME = 64


def _algorithm(layout: str) -> _Kind:
    """`layout` has the numbers between name and key: bits of the key, and bits of the ICV where there is one."""
    numbers = struct.Struct(layout)
    start = _NAME + numbers.size

    def encode(value: Algorithm) -> bytes:
        name = value.name.encode("ascii")
        if len(name) >= _NAME or b"\0" in name:
            raise ValueError(f"no name of an algorithm: {value.name!r:.100}")
        if value.icv_bits and len(layout) < len("=II"):
            raise ValueError("this attribute does not tell the length of an ICV")
        sizes = (8 * len(value.key), value.icv_bits)[: len(layout) - 1]
        return name.ljust(_NAME, b"\0") + numbers.pack(*sizes) + value.key

    def decode(octets: bytes) -> Algorithm:
        if len(octets) < start:
            raise Malformed(f"{len(octets)} octets are too few for an algorithm")
        bits, *icv = numbers.unpack_from(octets, _NAME)
        if bits != 8 * (len(octets) - start):
            raise Malformed(f"a key of {bits} bits in {len(octets) - start} octets")
        name, end, _ = octets[:_NAME].partition(b"\0")
        if not end or not name.isascii():
            raise Malformed("an algorithm without a name")
        return Algorithm(name.decode("ascii"), octets[start:], *icv)

    return _Kind(encode, decode)


_REPLAY_ESN = struct.Struct("=6I")


def _encode_replay_esn(value: ReplayEsn) -> bytes:
    head = (len(value.bitmap), value.sent, value.received, value.sent_high, value.received_high, value.window)
    return _REPLAY_ESN.pack(*head) + struct.pack(f"={len(value.bitmap)}I", *value.bitmap)


def _decode_replay_esn(octets: bytes) -> ReplayEsn:
    if len(octets) < _REPLAY_ESN.size:
        raise Malformed(f"{len(octets)} octets are too few for a replay state")
    words, *numbers = _REPLAY_ESN.unpack_from(octets)
    _must_have(_REPLAY_ESN.size + 4 * words, octets, f"replay state with a window of {words} words")
    sent, received, sent_high, received_high, window = numbers
    bitmap = struct.unpack_from(f"={words}I", octets, _REPLAY_ESN.size)
    return ReplayEsn(sent, received, sent_high, received_high, window, bitmap)


_CONTEXT = struct.Struct("=HHBBH")


def _encode_context(value: SecurityContext) -> bytes:
    size = len(value.label)
    head = (_CONTEXT.size + size, Attribute.SEC_CTX, value.algorithm, value.domain, size)
    return _CONTEXT.pack(*head) + value.label


def _decode_context(octets: bytes) -> SecurityContext:
    if len(octets) < _CONTEXT.size:
        raise Malformed(f"{len(octets)} octets are too few for a security context")
    whole, kind, algorithm, domain, size = _CONTEXT.unpack_from(octets)
    if kind != Attribute.SEC_CTX or not whole == _CONTEXT.size + size == len(octets):
        raise Malformed(f"a security context of {whole} octets with a label of {size}, in {len(octets)}")
    return SecurityContext(octets[_CONTEXT.size :], algorithm, domain)


def _address(octets: bytes) -> bytes:
    if len(octets) != len(NO_ADDRESS):
        raise Malformed(f"{len(octets)} octets are no address")
    return octets


# ------------------------------------------------------------------------------------------------------- attributes


class Attribute(IntEnum):
    """`XFRMA_…`."""

    ALG_AUTH = 1
    ALG_CRYPT = 2
    ALG_COMP = 3
    ENCAP = 4
    TMPL = 5
    SA = 6
    POLICY = 7
    SEC_CTX = 8
    LTIME_VAL = 9
    REPLAY_VAL = 10
    REPLAY_THRESH = 11
    ETIMER_THRESH = 12
    SRCADDR = 13
    COADDR = 14
    LASTUSED = 15
    POLICY_TYPE = 16
    MIGRATE = 17
    ALG_AEAD = 18
    KMADDRESS = 19
    ALG_AUTH_TRUNC = 20
    MARK = 21
    TFCPAD = 22
    REPLAY_ESN_VAL = 23
    SA_EXTRA_FLAGS = 24
    PROTO = 25
    ADDRESS_FILTER = 26
    PAD = 27
    OFFLOAD_DEV = 28
    SET_MARK = 29
    SET_MARK_MASK = 30
    IF_ID = 31
    MTIMER_THRESH = 32
    SA_DIR = 33
    NAT_KEEPALIVE_INTERVAL = 34
    SA_PCPU = 35


class SadAttribute(IntEnum):
    """`XFRMA_SAD_…`, of messages about the SAD as a whole."""

    CNT = 1
    HINFO = 2


class SpdAttribute(IntEnum):
    """`XFRMA_SPD_…`, of messages about the SPD as a whole."""

    INFO = 1
    HINFO = 2
    IPV4_HTHRESH = 3
    IPV6_HTHRESH = 4


_OCTETS = _Kind(bytes, bytes)
_WORD = _number("=I")

KINDS: Mapping[type[IntEnum], Mapping[int, _Kind]] = MappingProxyType(
    {
        Attribute: {
            Attribute.ALG_AUTH: _algorithm("=I"),
            Attribute.ALG_CRYPT: _algorithm("=I"),
            Attribute.ALG_COMP: _algorithm("=I"),
            Attribute.ENCAP: _record(Encapsulation),
            Attribute.TMPL: _several(Template),
            Attribute.SA: _record(SaInfo),
            Attribute.POLICY: _record(PolicyInfo),
            Attribute.SEC_CTX: _Kind(_encode_context, _decode_context),
            Attribute.LTIME_VAL: _record(Used),
            Attribute.REPLAY_VAL: _record(Replay),
            Attribute.REPLAY_THRESH: _WORD,
            Attribute.ETIMER_THRESH: _WORD,
            Attribute.SRCADDR: _Kind(_address, _address),
            Attribute.COADDR: _Kind(_address, _address),
            Attribute.LASTUSED: _number("=Q"),
            Attribute.POLICY_TYPE: _record(records.PolicyType),
            Attribute.MIGRATE: _several(records.Migration),
            Attribute.ALG_AEAD: _algorithm("=II"),
            Attribute.KMADDRESS: _record(records.KeyManagers),
            Attribute.ALG_AUTH_TRUNC: _algorithm("=II"),
            Attribute.MARK: _record(Mark),
            Attribute.TFCPAD: _WORD,
            Attribute.REPLAY_ESN_VAL: _Kind(_encode_replay_esn, _decode_replay_esn),
            Attribute.SA_EXTRA_FLAGS: _WORD,
            Attribute.PROTO: _number("=B"),
            Attribute.ADDRESS_FILTER: _record(records.AddressFilter),
            Attribute.PAD: _OCTETS,
            Attribute.OFFLOAD_DEV: _record(Offload),
            Attribute.SET_MARK: _WORD,
            Attribute.SET_MARK_MASK: _WORD,
            Attribute.IF_ID: _WORD,
            Attribute.MTIMER_THRESH: _WORD,
            Attribute.SA_DIR: _number("=B"),
            Attribute.NAT_KEEPALIVE_INTERVAL: _WORD,
            Attribute.SA_PCPU: _WORD,
        },
        SadAttribute: {SadAttribute.CNT: _WORD, SadAttribute.HINFO: _record(records.HashSize)},
        SpdAttribute: {
            SpdAttribute.INFO: _record(records.PolicyCounts),
            SpdAttribute.HINFO: _record(records.HashSize),
            SpdAttribute.IPV4_HTHRESH: _record(records.HashThreshold),
            SpdAttribute.IPV6_HTHRESH: _record(records.HashThreshold),
        },
    }
)
"""The attributes that a message can have, and how the value of each is written and read."""


@dataclass(frozen=True, slots=True)
class _Form:
    """What a message begins with, which attributes follow, and the flags of a request."""

    body: type[Record]
    names: type[IntEnum] = Attribute
    flags: int = netlink.ACK


_ADD = netlink.ACK | netlink.CREATE | netlink.EXCL
FORMS: Mapping[Type, _Form] = MappingProxyType(
    {
        Type.NEWSA: _Form(SaInfo, flags=_ADD),
        Type.DELSA: _Form(SaId),
        Type.GETSA: _Form(SaId, flags=0),
        Type.NEWPOLICY: _Form(PolicyInfo, flags=_ADD),
        Type.DELPOLICY: _Form(PolicyId),
        Type.GETPOLICY: _Form(PolicyId, flags=0),
        Type.ALLOCSPI: _Form(SpiRange, flags=0),
        Type.ACQUIRE: _Form(records.Acquire),
        Type.EXPIRE: _Form(Expired),
        Type.UPDPOLICY: _Form(PolicyInfo),
        Type.UPDSA: _Form(SaInfo),
        Type.POLEXPIRE: _Form(records.PolicyExpired),
        Type.FLUSHSA: _Form(Flush),
        Type.FLUSHPOLICY: _Form(Nothing),
        Type.NEWAE: _Form(EventId, flags=netlink.ACK | netlink.REPLACE),
        Type.GETAE: _Form(EventId, flags=0),
        Type.REPORT: _Form(records.Report),
        Type.MIGRATE: _Form(PolicyId),
        Type.NEWSADINFO: _Form(records.Flags, SadAttribute),
        Type.GETSADINFO: _Form(records.Flags, SadAttribute, flags=0),
        Type.NEWSPDINFO: _Form(records.Flags, SpdAttribute),
        Type.GETSPDINFO: _Form(records.Flags, SpdAttribute, flags=0),
        Type.MAPPING: _Form(records.NatMapping),
        Type.SETDEFAULT: _Form(records.Defaults),
        Type.GETDEFAULT: _Form(records.Defaults, flags=0),
    }
)
_DUMPS = (Type.GETSA, Type.GETPOLICY)


@dataclass(frozen=True, slots=True)
class Request:
    """One message. The number of an attribute that this module does not know goes with its octets.

    GETSA and GETPOLICY with `Nothing` as body ask for a dump of everything.
    """

    type: Type
    body: Record
    attributes: Mapping[int, Any] = field(default_factory=dict)


def encode(request: Request, sequence: int = 0) -> bytes:
    """The octets, with the flags that the request needs. `ValueError` for a value that fits no field."""
    form = FORMS[request.type]
    dump = request.type in _DUMPS and isinstance(request.body, Nothing)
    if not dump and not isinstance(request.body, form.body):
        raise ValueError(f"{request.type.name} begins with {form.body.__name__}, not {type(request.body).__name__}")
    body = request.body.encode()
    try:
        attributes = [
            netlink.attribute(number, _kind(form, number).encode(value)) for number, value in request.attributes.items()
        ]
    except (struct.error, TypeError, AttributeError) as error:
        raise ValueError(str(error)) from error
    flags = netlink.REQUEST | (netlink.DUMP if dump else form.flags)
    return netlink.message(request.type, flags, body + bytes(-len(body) % 4) + b"".join(attributes), sequence)


def decode(octets: bytes) -> tuple[Request, ...]:
    """The xfrm messages of some octets; `Malformed` says what is wrong. Of attributes of one type the last counts."""
    return tuple(_decode(message) for message in netlink.messages(octets))


def _decode(message: netlink.Message) -> Request:
    try:
        kind = Type(message.type)
    except ValueError:
        raise Malformed(f"message type {message.type:#x} is none of xfrm that is known here") from None
    form = FORMS[kind]
    dump = kind in _DUMPS and message.flags & netlink.DUMP == netlink.DUMP
    body = (Nothing if dump else form.body).decode(message.payload)
    start = body.size() + -body.size() % 4
    found = {}
    for number, value in netlink.attributes(message.payload[start:]):
        known = number in KINDS[form.names]
        found[form.names(number) if known else number] = _kind(form, number).decode(value)
    return Request(kind, body, found)


def _kind(form: _Form, number: int) -> _Kind:
    return KINDS[form.names].get(number, _OCTETS)
