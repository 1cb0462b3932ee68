"""Descriptors: 16 octets each, least significant first, by which driver and chip speak of one packet.

    context (Tx)      where headers end, which SA, what kind of IPsec, size of segments     X550 7.2.3.2.3
    data (Tx)         a buffer, and in the first of a packet what is to be done to it       X550 7.2.3.2.4
    read (Rx)         a buffer to fill                                                      X550 7.1.5.1
    write-back (Rx)   what came, how long it is, what the chip found                        X550 7.1.5.2, ixgbe_type.h

Each class is one of them. `read` takes what the chip knows; octets that do not come back from `octets` had bits set that
mean nothing to it.
"""

import struct
from dataclasses import dataclass

SIZE = 16
TYPE_CONTEXT, TYPE_DATA = 2, 3
L4_UDP, L4_TCP = 0, 1
"""Values of TUCMD.L4T."""
ESP, AH = 50, 51
"""The protocols that a context can ask for."""
CRC = 4
"""Octets of a frame on the wire that are in no buffer."""
DONE = 1
"""DD, the lowest bit of the status that the chip writes back."""

_WORDS = struct.Struct("<IIII")
_ADDRESS = struct.Struct("<QII")


def kind(octets: bytes) -> int:
    """DTYP of a Tx descriptor with DEXT; -1 for one of the legacy format."""
    command = int.from_bytes(octets[8:12], "little")
    return command >> 20 & 0xF if command >> 29 & 1 else -1


@dataclass(frozen=True, slots=True)
class Context:
    """What one of a queue's two contexts holds. Lengths in octets.

    `ip_length` is that of the IP header, with IPsec that of the IPsec header too, up to what is encrypted. `trailer` is
    IPS_ESP_LEN: padding, its length, next header and ICV as software has appended them; 0 for super-packets.
    """

    mac_length: int = 14
    ip_length: int = 20
    vlan: int = 0
    """Decoded, and not modelled: no tag is put in."""
    sa: int = 0
    trailer: int = 0
    esp: bool = False
    """IPSEC_TYPE: ESP, else AH."""
    encrypt: bool = False
    ipv4: bool = False
    l4: int = L4_UDP
    index: int = 0
    l4_length: int = 0
    segment: int = 0
    """MSS."""

    def octets(self) -> bytes:
        command = (
            self.trailer
            | self.ipv4 << 10
            | self.l4 << 11
            | self.esp << 13
            | self.encrypt << 14
            | TYPE_CONTEXT << 20
            | 1 << 29
        )
        return _WORDS.pack(
            self.ip_length | self.mac_length << 9 | self.vlan << 16,
            self.sa,
            command,
            self.index << 4 | self.l4_length << 8 | self.segment << 16,
        )

    @classmethod
    def read(cls, octets: bytes) -> "Context":
        lengths, seed, command, rest = _WORDS.unpack(octets)
        return cls(
            mac_length=lengths >> 9 & 0x7F,
            ip_length=lengths & 0x1FF,
            vlan=lengths >> 16,
            sa=seed & 0x3FF,
            trailer=command & 0x1FF,
            esp=command >> 13 & 1 == 1,
            encrypt=command >> 14 & 1 == 1,
            ipv4=command >> 10 & 1 == 1,
            l4=command >> 11 & 3,
            index=rest >> 4 & 1,
            l4_length=rest >> 8 & 0xFF,
            segment=rest >> 16,
        )


@dataclass(frozen=True, slots=True)
class Data:
    """A buffer of a packet. All but `address`, `length`, `last` and `report` count in the packet's first descriptor."""

    address: int
    length: int
    payload_length: int = 0
    """PAYLEN: octets of the whole packet; of a super-packet, those behind its headers."""
    last: bool = True
    """EOP."""
    report: bool = False
    """RS: the chip is to write back when it is done."""
    insert_crc: bool = True
    """IFCS."""
    vlan: bool = False
    """VLE."""
    segments: bool = False
    """TSE: a super-packet."""
    ip_checksum: bool = False
    """POPTS.IXSM."""
    l4_checksum: bool = False
    """POPTS.TXSM."""
    ipsec: bool = False
    """POPTS.IPSEC."""
    check_context: bool = False
    """CC."""
    index: int = 0
    """IDX: which context."""

    def octets(self) -> bytes:
        command = (
            self.length
            | TYPE_DATA << 20
            | self.last << 24
            | self.insert_crc << 25
            | self.report << 27
            | 1 << 29
            | self.vlan << 30
            | self.segments << 31
        )
        options = (
            self.index << 4
            | self.check_context << 7
            | self.ip_checksum << 8
            | self.l4_checksum << 9
            | self.ipsec << 10
            | self.payload_length << 14
        )
        return _ADDRESS.pack(self.address, command, options)

    @classmethod
    def read(cls, octets: bytes) -> "Data":
        address, command, options = _ADDRESS.unpack(octets)
        return cls(
            address=address,
            length=command & 0xFFFF,
            payload_length=options >> 14,
            last=command >> 24 & 1 == 1,
            report=command >> 27 & 1 == 1,
            insert_crc=command >> 25 & 1 == 1,
            vlan=command >> 30 & 1 == 1,
            segments=command >> 31 == 1,
            ip_checksum=options >> 8 & 1 == 1,
            l4_checksum=options >> 9 & 1 == 1,
            ipsec=options >> 10 & 1 == 1,
            check_context=options >> 7 & 1 == 1,
            index=options >> 4 & 7,
        )


@dataclass(frozen=True, slots=True)
class Buffer:
    """What the driver gives for one packet that is to come: the address of its buffer, and of one for headers (unused)."""

    address: int
    header: int = 0

    def octets(self) -> bytes:
        return struct.pack("<QQ", self.address, self.header)

    @classmethod
    def read(cls, octets: bytes) -> "Buffer":
        return cls(*struct.unpack("<QQ", octets))


NO_ERROR, INVALID_PROTOCOL, INVALID_LENGTH, AUTHENTICATION_FAILED = range(4)
"""Values of SECERR, in the order in which they hide each other (7.13.2.1)."""
TYPE_IPV4, TYPE_IPV6, TYPE_TCP, TYPE_UDP, TYPE_SCTP, TYPE_ESP, TYPE_AH = 0x10, 0x40, 0x100, 0x200, 0x400, 0x1000, 0x2000
"""Bits of the packet type."""


@dataclass(frozen=True, slots=True)
class Report:
    """What the chip writes back over a `Buffer`. `length` in octets, without the Ethernet CRC if that is stripped."""

    length: int
    type: int = 0
    """TYPE_ bits."""
    last: bool = True
    """EOP: no other descriptor has more of the packet."""
    matched: bool = False
    """SECP: an SA was found and applied."""
    error: int = NO_ERROR
    done: bool = True

    def octets(self) -> bytes:
        status = self.done | self.last << 1 | self.matched << 17 | self.error << 27
        return struct.pack("<IIIHH", self.type, 0, status, self.length, 0)

    @classmethod
    def read(cls, octets: bytes) -> "Report":
        info, _, status, length, _ = struct.unpack("<IIIHH", octets)
        return cls(
            length=length,
            type=info & 0xFFF0,
            last=status >> 1 & 1 == 1,
            matched=status >> 17 & 1 == 1,
            error=status >> 27 & 3,
            done=status & 1 == 1,
        )
