"""What virtual functions and their PF say to each other (Linux: ixgbe_mbx.h, ixgbe_ipsec.h).

Words, the first of which says what it is about, and in an answer what came of it:

    RESET       ► nothing                       ◄ SUCCESS and the function's Ethernet address
    IPSEC_ADD   ► an SA                         ◄ SUCCESS and a handle, or FAILURE and an error number
    IPSEC_DEL   ► a handle                      ◄ the same, without the handle

An SA is: SPI as on the wire; direction, protocol, family (of which the last has two octets); an address of four words, as
on the wire; key and salt, five words. Octets of a word are least significant first.
"""

import struct
from errno import EINVAL

from espproof.reference.offload.niantic.descriptors import AH, ESP
from espproof.reference.offload.niantic.driver import OffloadedSa
from espproof.reference.offload.niantic.registers import MAILBOX

RESET, IPSEC_ADD, IPSEC_DEL = 0x01, 0x0D, 0x0E
SUCCESS, FAILURE, CLEAR_TO_SEND = 1 << 31, 1 << 30, 1 << 29
_KIND = 0xFFFF
_SA = struct.Struct("<4sBBH16s16s4s")
_DIRECTIONS = {"in": 1, "out": 2}
_FAMILIES = {4: 2, 16: 10}
"""Octets of an address -> AF_INET, AF_INET6 of Linux."""
Words = tuple[int, ...]


class Declined(Exception):
    """A request that is not carried out, with the number of the error."""

    def __init__(self, error: int) -> None:
        super().__init__(f"error {error}")
        self.error = error


def kind(words: Words) -> int:
    return words[0] & _KIND


def words_of(sa: OffloadedSa) -> Words:
    """The request to add an SA."""
    family, address = _FAMILIES[len(sa.address)], sa.address.ljust(16, b"\0")
    octets = _SA.pack(
        sa.spi.to_bytes(4, "big"), _DIRECTIONS[sa.direction], sa.protocol, family, address, sa.key, sa.salt
    )
    return IPSEC_ADD, *struct.unpack(f"<{len(octets) // 4}I", octets)


def sa_of(words: Words) -> OffloadedSa:
    """`Declined` for what no SA is."""
    octets = struct.pack(f"<{MAILBOX}I", *words)[4 : 4 + _SA.size]
    spi, direction, protocol, family, address, key, salt = _SA.unpack(octets)
    directions = {number: name for name, number in _DIRECTIONS.items()}
    sizes = {number: size for size, number in _FAMILIES.items()}
    if direction not in directions or family not in sizes or protocol not in (ESP, AH):
        raise Declined(EINVAL)
    address = address[: sizes[family]]
    return OffloadedSa(directions[direction], int.from_bytes(spi, "big"), address, key, salt, protocol)


def address_of(mac: bytes) -> Words:
    """An Ethernet address."""
    return struct.unpack("<2I", mac + bytes(2))


def failed(words: Words, error: int) -> Words:
    """The answer, with the error's number as a negative one."""
    return words[0] | FAILURE | CLEAR_TO_SEND, -error & 0xFFFFFFFF


def done(words: Words, *told: int) -> Words:
    return words[0] | SUCCESS | CLEAR_TO_SEND, *told
