"""Netlink messages as octets: header, attributes, and records of fixed layout. Pure: no sockets here.

RFC 3549 section 2 and `linux/netlink.h`. Integers are in the order of the machine unless a layout says otherwise. What
cannot be read is `Malformed`, whatever the octets are. Only the standard library: the guest imports this too.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Self

REQUEST, MULTI, ACK = 0x1, 0x2, 0x4
ROOT, MATCH, REPLACE, EXCL, CREATE, APPEND = 0x100, 0x200, 0x100, 0x200, 0x400, 0x800
"""Flags of a message (`NLM_F_…`)."""
DUMP = ROOT | MATCH
ERROR, DONE = 2, 3
"""Types of the messages with which the kernel answers (`NLMSG_…`)."""
CAPPED, TLVS = 0x100, 0x200
"""Flags of an answer of type ERROR (`NLM_F_CAPPED`, `NLM_F_ACK_TLVS`): the request is not repeated; attributes follow."""
SOL_NETLINK, EXT_ACK = 270, 11
"""Socket option that makes the kernel say in words what was wrong (`NETLINK_EXT_ACK`)."""
NESTED = 0x8000
_ERROR_TEXT = 1
_TYPE_MASK = 0x3FFF
_HEADER = struct.Struct("=IHHII")
_ATTRIBUTE = struct.Struct("=HH")


class Malformed(ValueError):
    """Octets that are no such message."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message; `payload` is what follows the header of 16 octets."""

    type: int
    flags: int
    sequence: int
    payload: bytes

    @property
    def errno(self) -> int | None:
        """Of an answer of type ERROR: the error number, 0 for none (an acknowledgement). None for any other type."""
        if self.type != ERROR:
            return None
        if len(self.payload) < 4:
            raise Malformed("an error message without an error number")
        return -int(struct.unpack_from("=i", self.payload)[0])

    @property
    def text(self) -> str:
        """Of an answer of type ERROR: what the kernel says in words, "" if nothing (`NLMSGERR_ATTR_MSG`)."""
        if self.type != ERROR or not self.flags & TLVS:
            return ""
        if len(self.payload) < 4 + _HEADER.size:
            raise Malformed("an error message without the header of the request")
        repeated = _HEADER.size if self.flags & CAPPED else _HEADER.unpack_from(self.payload, 4)[0]
        for kind, value in attributes(self.payload[4 + repeated + -repeated % 4 :]):
            if kind == _ERROR_TEXT:
                return value.partition(b"\0")[0].decode("ascii", "backslashreplace")
        return ""


def message(kind: int, flags: int, payload: bytes, sequence: int = 0) -> bytes:
    """The octets of one message."""
    return _HEADER.pack(_HEADER.size + len(payload), kind, flags, sequence, 0) + payload


def messages(octets: bytes) -> Iterator[Message]:
    """The messages that stand one behind the other."""
    at = 0
    while at < len(octets):
        if len(octets) - at < _HEADER.size:
            raise Malformed(f"{len(octets) - at} octets are less than a header")
        length, kind, flags, sequence, _ = _HEADER.unpack_from(octets, at)
        if not _HEADER.size <= length <= len(octets) - at:
            raise Malformed(f"a message of {length} octets, where {len(octets) - at} are left")
        yield Message(kind, flags, sequence, octets[at + _HEADER.size : at + length])
        at += length + -length % 4


def attribute(kind: int, value: bytes) -> bytes:
    """One attribute, padded to a multiple of 4."""
    length = _ATTRIBUTE.size + len(value)
    if length > 0xFFFF:
        raise ValueError(f"{len(value)} octets do not fit into an attribute")
    return _ATTRIBUTE.pack(length, kind) + value + bytes(-length % 4)


def attributes(octets: bytes) -> Iterator[tuple[int, bytes]]:
    """Type and value of each attribute; the flags for nesting and byte order are cut off the type."""
    at = 0
    while at < len(octets):
        if len(octets) - at < _ATTRIBUTE.size:
            raise Malformed(f"{len(octets) - at} octets are less than an attribute")
        length, kind = _ATTRIBUTE.unpack_from(octets, at)
        if not _ATTRIBUTE.size <= length <= len(octets) - at:
            raise Malformed(f"attribute {kind & _TYPE_MASK} of {length} octets, where {len(octets) - at} are left")
        yield kind & _TYPE_MASK, octets[at + _ATTRIBUTE.size : at + length]
        at += length + -length % 4


class Record:
    """A C struct. Subclasses are dataclasses whose `LAYOUT` has one entry per field, in order.

    An entry is a format of `struct` with its byte order (`"=I"`, `">H"`, `"16s"`), another Record, or, for octets that
    nobody looks at, an int that belongs to no field.
    """

    LAYOUT: ClassVar[tuple[Any, ...]]

    @classmethod
    def size(cls) -> int:
        """Octets of the whole record."""
        return sum(_size(entry) for entry in cls.LAYOUT)

    def encode(self) -> bytes:
        """The octets; `ValueError` for a value that does not fit its field."""
        values = (getattr(self, field.name) for field in fields(self))  # type: ignore[arg-type]  # dataclasses all
        return b"".join(
            bytes(entry) if isinstance(entry, int) else _encode(entry, next(values)) for entry in self.LAYOUT
        )

    @classmethod
    def decode(cls, octets: bytes) -> Self:
        """Read the first octets as this record; more may follow."""
        if len(octets) < cls.size():
            raise Malformed(f"{len(octets)} octets are too few for {cls.__name__}, which has {cls.size()}")
        at, values = 0, []
        for entry in cls.LAYOUT:
            if not isinstance(entry, int):
                values.append(_decode(entry, octets[at : at + _size(entry)]))
            at += _size(entry)
        return cls(*values)


def _size(entry: Any) -> int:
    if isinstance(entry, int):
        return entry
    return struct.calcsize(entry) if isinstance(entry, str) else int(entry.size())


def _encode(entry: Any, value: Any) -> bytes:
    if not isinstance(entry, str):
        octets: bytes = value.encode()
        return octets
    if entry.endswith("s") and len(value) != _size(entry):
        raise ValueError(f"{len(value)} octets are no value of a field of {_size(entry)}")
    try:
        return struct.pack(entry, value)
    except struct.error as error:
        raise ValueError(str(error)) from error


def _decode(entry: Any, octets: bytes) -> Any:
    return struct.unpack(entry, octets)[0] if isinstance(entry, str) else entry.decode(octets)
