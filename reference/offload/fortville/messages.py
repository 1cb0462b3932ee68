"""Octets between the host and the agent: control frames, and 32 bits of metadata with every packet.

The agent has no side channel, so all travels in Ethernet frames, under two types of its own. *All layouts are assumed*:
the talk (Netdev 2.2) says what is carried, and no public source says where. Numbers are big-endian.

    control     destination · source · CONTROL · body                   command of 80 octets, answer of 44
    packet      destination · source · METADATA · word · tags, type, payload as they would be without

    body    0 version          8 local MAC (6)    28 destination (16; an IPv4 address is the last four)
            1 operation       14 port VLAN (2)    44 salt (4)         from here on not in answers
            2 transaction (2) 16 SPI (4)          48 key (32; 128 bits are the first 16 octets)
            4 status          20 index (4)
            5 port            24 IP version
            6 direction       25 zero (3)
            7 algorithm

    word    out   31 offload this packet                                      7..0 next header for the trailer
            in    31 decrypted · 30 authentication failed · 29 other error   19..0 index in the driver's database of SAs

What an operation does not use is zero. The types are two of those that IEEE 802 leaves for experiments.
"""

import struct
from dataclasses import dataclass, replace
from enum import IntEnum

from espproof.reference.errors import Malformed, Misuse

CONTROL = b"\x88\xb5"
METADATA = b"\x88\xb6"
TYPE = slice(12, 14)
"""Of a frame: its Ethernet type, behind the two addresses."""
VLAN = b"\x81\x00"
WORD = 4
TAG = len(METADATA) + WORD
"""Octets by which metadata makes a frame longer."""
VERSION = 1
INDEXES = 1 << 20
SALT_AT, KEY_AT = 44, 48
"""Of a command: where salt and key begin."""

_COMMAND = struct.Struct("!BBHBBBB6sHIIB3x16s4s32s")
_ANSWER = struct.Struct("!BBHBBBB6sHIIB3x16s")
_ANSWERED = 0x80
"""Bit of an operation: this is the answer to it."""


class Operation(IntEnum):
    """What the agent is told to do."""

    ADD = 1
    REMOVE = 2
    REMOVE_ALL = 3
    """All SAs of the port."""
    ADD_LOCAL = 4
    """An address behind this port: what is sent to it turns round in the agent."""
    REMOVE_LOCAL = 5


class Status(IntEnum):
    """What came of it; those from `NOT_TRUSTED` on are said by a PF to its VFs, not by the agent."""

    OK = 0
    UNKNOWN_OPERATION = 1
    MALFORMED = 2
    FULL = 3
    EXISTS = 4
    NO_SUCH = 5
    NO_ALGORITHM = 6
    OTHER_PORT = 7
    NOT_TRUSTED = 16
    SHARE = 17
    SWITCHED = 18
    SILENT = 19


WORDS = {
    Status.UNKNOWN_OPERATION: "it does not know the operation",
    Status.MALFORMED: "it cannot read the command",
    Status.FULL: "its table of SAs is full",
    Status.EXISTS: "it has an SA of this direction, SPI and destination",
    Status.NO_SUCH: "it has no such SA",
    Status.NO_ALGORITHM: "it has not this algorithm",
    Status.OTHER_PORT: "the command is about another port",
    Status.NOT_TRUSTED: "the function is not trusted",
    Status.SHARE: "what is left of the table is kept for others",
    Status.SWITCHED: "packets between functions do not reach the agent (VEB)",
    Status.SILENT: "the agent does not answer",
}
"""For reports."""


class Algorithm(IntEnum):
    NONE = 0
    AES_GCM_128 = 1
    AES_GCM_192 = 2
    AES_GCM_256 = 3


KEY_SIZES = {Algorithm.NONE: 0, Algorithm.AES_GCM_128: 16, Algorithm.AES_GCM_192: 24, Algorithm.AES_GCM_256: 32}
"""In octets. The agent has not each of them."""


@dataclass(frozen=True, slots=True)
class Domain:
    """Whose SAs: a local address, and the VLAN of its port (0: none)."""

    mac: bytes = bytes(6)
    vlan: int = 0


NOBODY = Domain()


@dataclass(frozen=True, slots=True)
class Command:
    """One control frame to the agent, or mailbox message to a PF, which fills in port and domain."""

    operation: Operation
    port: int = 0
    domain: Domain = NOBODY
    outbound: bool = False
    algorithm: Algorithm = Algorithm.NONE
    spi: int = 0
    index: int = 0
    """Of an SA in the database of the function's driver: below 2^20."""
    version: int = 0
    """Of IP: 4 or 6, of an SA."""
    destination: bytes = b""
    """4 or 16 octets, as on the wire."""
    salt: bytes = b""
    key: bytes = b""

    def octets(self, transaction: int) -> bytes:
        """`Misuse` for numbers that do not fit."""
        try:
            return _COMMAND.pack(
                VERSION, self.operation, transaction, 0, self.port, self.outbound, self.algorithm, self.domain.mac,
                self.domain.vlan, self.spi, self.index, self.version, self.destination.rjust(16, b"\0"), self.salt,
                self.key,
            )  # fmt: skip
        except struct.error as error:
            raise Misuse(f"no command: {error}") from None

    def blank(self) -> "Command":
        """The same without key and salt: enough to remove it."""
        return replace(self, operation=Operation.REMOVE, algorithm=Algorithm.NONE, salt=b"", key=b"")

    @property
    def place(self) -> "Place":
        """Where the agent has it."""
        return Place(self.port, self.outbound, self.domain, self.spi, self.destination)


@dataclass(frozen=True, slots=True)
class Place:
    """What the agent finds an SA by. Two VMs may have SAs that differ in the domain alone."""

    port: int
    outbound: bool
    domain: Domain
    spi: int
    destination: bytes


def read_command(body: bytes) -> tuple[Command, int]:
    """A command and its transaction. `Malformed` if it is none, or has something where nothing belongs."""
    if len(body) < _COMMAND.size:
        raise Malformed(f"{len(body)} octets are no command")
    fields = _COMMAND.unpack_from(body)
    version, operation, transaction, status, port, outbound, algorithm, mac, vlan = fields[:9]
    spi, index, family, wide, salt, key = fields[9:]
    if version != VERSION or status or outbound > 1 or any(body[25:28]):
        raise Malformed("version, status, direction or reserved octets")
    try:
        command = Command(
            Operation(operation), port, Domain(mac, vlan), bool(outbound), Algorithm(algorithm), spi, index, family,
            wide[12:] if family == 4 else wide if family == 6 else b"", salt if family else b"",
            key[: KEY_SIZES[Algorithm(algorithm)]],
        )  # fmt: skip
    except ValueError as error:
        raise Malformed(str(error)) from None
    if command.octets(transaction) != body[: _COMMAND.size]:
        raise Malformed("octets that the operation does not use")
    return command, transaction


def answer_to(body: bytes, status: Status) -> bytes:
    """The answer: the command's own octets, without salt and key, and with what came of it."""
    head = bytearray(body[: _ANSWER.size].ljust(_ANSWER.size, b"\0"))
    head[1] |= _ANSWERED
    head[4] = status
    return bytes(head)


def read_answer(body: bytes) -> tuple[int, Status] | None:
    """Transaction and status; None for what is no answer."""
    if len(body) < _ANSWER.size or body[0] != VERSION or not body[1] & _ANSWERED:
        return None
    try:
        return int.from_bytes(body[2:4], "big"), Status(body[4])
    except ValueError:
        return None


# ------------------------------------------------------------------------------------------------------------- metadata

_OFFLOAD, _NEXT_HEADER = 1 << 31, 0xFF
_DECRYPTED, _FORGED, _ERROR = 1 << 31, 1 << 30, 1 << 29
PLAIN = 0
"""In both directions: nothing is to be done, nothing was done."""


def tx_word(next_header: int) -> int:
    """Metadata of a packet that the agent is to protect."""
    return _OFFLOAD | next_header


def read_tx_word(word: int) -> int | None:
    """The next header for the trailer, if the packet is to be protected."""
    return word & _NEXT_HEADER if word & _OFFLOAD else None


def tx_word_is_right(word: int) -> bool:
    """Nothing where nothing belongs."""
    return word == PLAIN or word == tx_word(word & _NEXT_HEADER)


@dataclass(frozen=True, slots=True)
class Found:
    """What the agent says of a packet that came in. At most one of the three is set; none: no SA was met."""

    decrypted: bool = False
    forged: bool = False
    error: bool = False
    index: int = 0

    @property
    def met(self) -> bool:
        return self.decrypted or self.forged or self.error

    @property
    def word(self) -> int:
        return _DECRYPTED * self.decrypted | _FORGED * self.forged | _ERROR * self.error | self.index


def read_rx_word(word: int) -> Found:
    return Found(bool(word & _DECRYPTED), bool(word & _FORGED), bool(word & _ERROR), word % INDEXES)


def with_word(frame: bytes, word: int) -> bytes:
    """The frame with metadata in front of all but its addresses."""
    return frame[:12] + METADATA + word.to_bytes(WORD, "big") + frame[12:]


def without_word(frame: bytes) -> tuple[bytes, int] | None:
    """The frame as it is without metadata, and these; None for one that has none."""
    if frame[TYPE] != METADATA or len(frame) < 12 + TAG:
        return None
    return frame[:12] + frame[12 + TAG :], int.from_bytes(frame[14 : 14 + WORD], "big")
