"""Tunnel mode: the outer header, and what comes out at the other end (RFC 4301 5.1.2, RFC 6040, RFC 4303 3.1.2).

Outer header: new addresses, new hop limit; DSCP copied or fixed by the SA; DF copied, set or cleared; ECN copied in
RFC 6040's normal mode, cleared in its compatibility mode; no options and no extension headers. Left open by the
documents: identification, flow label, the hop limit's value, and what "copy DF" means for an IPv6 packet in IPv4
(here: set, as IPv6 routers do not fragment). The inner packet is not changed: lowering its hop limit is forwarding.

At the end of the tunnel the inner packet's ECN field is combined with the outer one's by RFC 6040 figure 4. Marks: (!)
currently unused and possibly dangerous, (!!!) always potentially dangerous; these SHOULD be logged, not dropped.

                 outer   Not-ECT   ECT(0)         ECT(1)         CE
    inner Not-ECT        Not-ECT   Not-ECT (!!!)  Not-ECT (!!!)  drop (!!!)
    inner ECT(0)         ECT(0)    ECT(0)         ECT(1)         CE
    inner ECT(1)         ECT(1)    ECT(1) (!)     ECT(1)         CE
    inner CE             CE        CE             CE (!!!)       CE

DSCP, DF and hop limit of the outer header are thrown away. Nothing else of the inner packet is judged here than what it
takes to find its end: its checksum and extension headers are for the next hop, and for selectors where an SA has some.
"""

import struct
from ipaddress import IPv4Address, IPv6Address
from typing import Literal, Protocol

from espproof.reference import ip
from espproof.reference.drops import DropReason
from espproof.reference.errors import Malformed

NOT_ECT, ECT_1, ECT_0, CE = 0, 1, 2, 3
ECN_AFTER_TUNNEL: dict[tuple[int, int], int | None] = {
    (NOT_ECT, NOT_ECT): NOT_ECT, (NOT_ECT, ECT_0): NOT_ECT, (NOT_ECT, ECT_1): NOT_ECT, (NOT_ECT, CE): None,
    (ECT_0, NOT_ECT): ECT_0, (ECT_0, ECT_0): ECT_0, (ECT_0, ECT_1): ECT_1, (ECT_0, CE): CE,
    (ECT_1, NOT_ECT): ECT_1, (ECT_1, ECT_0): ECT_1, (ECT_1, ECT_1): ECT_1, (ECT_1, CE): CE,
    (CE, NOT_ECT): CE, (CE, ECT_0): CE, (CE, ECT_1): CE, (CE, CE): CE,
}  # fmt: skip
"""(inner, outer) -> what the inner packet leaves with; None: it must be dropped."""

NEXT_HEADER = {4: 4, 6: 41}
"""Version of an inner packet -> next header of the ESP trailer."""
_LENGTH_OF = {NEXT_HEADER[4]: ip.ipv4_length, NEXT_HEADER[6]: ip.ipv6_length}

_DONT_FRAGMENT = 0x4000
_IPV4_START = struct.Struct("!BBHHHBBH")
_IPV6_START = struct.Struct("!IHBB")


class OuterHeaderParameters(Protocol):
    """What an SA says about the outer headers of its packets; `sa.SecurityAssociation` does."""

    @property
    def source(self) -> IPv4Address | IPv6Address: ...
    @property
    def destination(self) -> IPv4Address | IPv6Address: ...
    @property
    def dscp(self) -> Literal["copy"] | int: ...
    @property
    def ecn(self) -> Literal["normal", "compatibility"]: ...
    @property
    def df(self) -> Literal["copy", "set", "clear"]: ...
    @property
    def hop_limit(self) -> int: ...


# ------------------------------------------------------------------------------------------------------ encapsulation


class OuterTemplate(Protocol):
    """The outer headers of one SA: what they have in common is computed once."""

    def header(
        self, inner: bytes, protocol: int, length: int, *, identification: int = 0, flow_label: int = 0
    ) -> bytes | DropReason:
        """In front of `length` octets of `protocol` (ESP 50, UDP 17) around the packet `inner`; TOO_BIG if too long.

        An IPv4 header takes the low 16 bits of `identification`, so that a sequence number will do (RFC 6864 wants
        it not repeated soon where DF is clear), an IPv6 header the low 20 bits of `flow_label`. Raises `Malformed` if
        `inner` is no IP packet.
        """


def outer_header(sa: OuterHeaderParameters) -> OuterTemplate:
    """The template for one SA, of the IP version of its addresses."""
    return _Ipv4Template(sa) if sa.source.version == 4 else _Ipv6Template(sa)


def build_outer(
    sa: OuterHeaderParameters, inner: bytes, protocol: int, length: int, *, identification: int = 0, flow_label: int = 0
) -> bytes | DropReason:
    """One outer header, where no template is at hand."""
    return outer_header(sa).header(inner, protocol, length, identification=identification, flow_label=flow_label)


class _TrafficClass:
    """DSCP and ECN of the outer header: the inner ones, of which some bits are kept, and others fixed."""

    __slots__ = ("fixed", "kept")

    def __init__(self, sa: OuterHeaderParameters) -> None:
        self.kept = (0xFC if sa.dscp == "copy" else 0) | (0x03 if sa.ecn == "normal" else 0)
        self.fixed = 0 if sa.dscp == "copy" else sa.dscp << 2

    def of(self, inner: bytes) -> int:
        return traffic_class_of(inner) & self.kept | self.fixed


class _Ipv4Template:
    __slots__ = ("_addresses", "_constant_sum", "_df", "_hop_limit", "_traffic_class")

    def __init__(self, sa: OuterHeaderParameters) -> None:
        self._addresses = sa.source.packed + sa.destination.packed
        self._constant_sum = 0x4500 + (sa.hop_limit << 8) + int.from_bytes(self._addresses, "big")
        self._df = sa.df
        self._hop_limit = sa.hop_limit
        self._traffic_class = _TrafficClass(sa)

    def header(
        self, inner: bytes, protocol: int, length: int, *, identification: int = 0, flow_label: int = 0
    ) -> bytes | DropReason:
        total = length + ip.IPV4_HEADER_SIZE
        if total > ip.MAX_LENGTH:
            return DropReason.TOO_BIG
        tos = self._traffic_class.of(inner)
        flags = self._flags(inner)
        identification &= 0xFFFF
        checksum = -(self._constant_sum + tos + total + identification + flags + protocol) % 0xFFFF
        start = _IPV4_START.pack(0x45, tos, total, identification, flags, self._hop_limit, protocol, checksum)
        return start + self._addresses

    def _flags(self, inner: bytes) -> int:
        if self._df == "copy":
            return _DONT_FRAGMENT if inner[0] >> 4 == 6 or inner[6] & 0x40 else 0
        return _DONT_FRAGMENT if self._df == "set" else 0


class _Ipv6Template:
    __slots__ = ("_addresses", "_hop_limit", "_traffic_class")

    def __init__(self, sa: OuterHeaderParameters) -> None:
        self._addresses = sa.source.packed + sa.destination.packed
        self._hop_limit = sa.hop_limit
        self._traffic_class = _TrafficClass(sa)

    def header(
        self, inner: bytes, protocol: int, length: int, *, identification: int = 0, flow_label: int = 0
    ) -> bytes | DropReason:
        if length > ip.MAX_LENGTH:
            return DropReason.TOO_BIG
        first = 6 << 28 | self._traffic_class.of(inner) << 20 | flow_label & 0xFFFFF
        return _IPV6_START.pack(first, length, protocol, self._hop_limit) + self._addresses


def traffic_class_of(packet: bytes) -> int:
    """DSCP and ECN of an IPv4 or IPv6 packet, as one octet. Raises `Malformed` for what is too short for a header."""
    if len(packet) < ip.IPV4_HEADER_SIZE:
        raise Malformed("truncated IP header")
    version = packet[0] >> 4
    if version == 4:
        return packet[1]
    if version == 6:
        return (packet[0] << 4 | packet[1] >> 4) & 0xFF
    raise Malformed("neither IPv4 nor IPv6")


# ------------------------------------------------------------------------------------------------------ decapsulation


def decapsulate(outer_traffic_class: int, payload: bytes, next_header: int) -> bytes | DropReason:
    """The inner packet as it leaves the tunnel: TFC padding cut off, ECN combined; or why there is none.

    `payload` and `next_header` are those of the ESP packet. MODE: the next header names no IP packet. MALFORMED: the
    payload is not a packet of that version, or shorter than it claims. ECN: congestion that nobody would learn of.
    """
    length_of = _LENGTH_OF.get(next_header)
    if length_of is None:
        return DropReason.MODE
    try:
        packet = payload[: length_of(payload)]
    except Malformed:
        return DropReason.MALFORMED
    traffic_class = traffic_class_of(packet)
    ecn = ECN_AFTER_TUNNEL[traffic_class & 3, outer_traffic_class & 3]
    if ecn is None:
        return DropReason.ECN
    return packet if ecn == traffic_class & 3 else ip.with_traffic_class(packet, traffic_class & ~3 | ecn)
