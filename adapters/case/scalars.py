"""Numbers, octets and names of a Case, and what all its types have in common."""

from typing import Annotated, cast

import msgspec


class Octets(bytes):
    """Octets in wire order; hexadecimal text in JSON."""

    __slots__ = ()


class SequenceNumber(int):
    """A sequence number, 0 to 2^64 - 1; 16 hexadecimal digits (most significant first) in JSON."""

    __slots__ = ()


Spi = Annotated[int, msgspec.Meta(ge=0, le=2**32 - 1)]
Port = Annotated[int, msgspec.Meta(ge=0, le=2**16 - 1)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
Count = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
Address = Annotated[str, msgspec.Meta(pattern=r"^[0-9A-Fa-f:.]{2,45}$(?!\n)")]
"""IPv4 dotted or IPv6, without a zone (`%eth0`), which would be of one machine."""
Prefix = Annotated[str, msgspec.Meta(pattern=r"^[0-9A-Fa-f:.]{2,45}(/[0-9]{1,3})?$(?!\n)")]
"""CIDR notation; a bare address is a prefix of its whole length, bits behind the length are ignored."""


NO_OCTETS = cast(Octets, b"")  # plain values: msgspec writes defaults into the schema without our hooks
ZERO = cast(SequenceNumber, 0)


class Data(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Immutable, compared by value, closed: an unknown field in a file is an error, not a silence."""
