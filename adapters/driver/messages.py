"""What goes over a driver's socket (SOCKET.md): a head of 16 octets, what belongs to it, and for memory a file.

Numbers have the least significant octet first. One message is one record of the socket (SOCK_SEQPACKET).
"""

import array
import os
import socket
import struct
from contextlib import suppress
from dataclasses import dataclass
from enum import IntEnum, IntFlag

from espproof.adapters.base import AdapterError, Hung
from espproof.reference.sa import SecurityAssociation

_HEAD = struct.Struct("<BBHIQ")
_SA = struct.Struct("<BBBBHBB4s4s16s16s32s")
_LARGEST = 1 << 16
"""Octets behind a head."""
CIPHERS = {"ENCR_AES_GCM_16": 20, "ENCR_NULL_AUTH_AES_GMAC": 21}
"""Names of what a driver can be told of, and their numbers in IKEv2."""
LONGEST_KEY = 32
NO_SA = 0xFFFFFFFF
REGISTERS, CONFIGURATION = 0, 255
"""Windows; any other is the BAR of that number."""


class Kind(IntEnum):
    """Of messages; those up to WRITTEN are about the card, the others about what stack and driver want of each other."""

    READ = 1
    VALUE = 2
    WRITE = 3
    MEMORY = 4
    PAUSE = 5
    FRAME = 6
    INTERRUPT = 7
    WRITTEN = 8
    ADD = 16
    DELETE = 17
    CAN = 18
    SEND = 19
    RECEIVE = 20
    RESET = 21
    READY = 32
    DONE = 33
    REFUSED = 34
    RECEIVED = 35


class Feature(IntFlag):
    """What driver and card do together."""

    IN_TRANSPORT = 1
    IN_TUNNEL = 2
    OUT_TRANSPORT = 4
    OUT_TUNNEL = 8
    AES_GCM = 16
    AES_GMAC = 32


@dataclass(frozen=True, slots=True)
class Message:
    """`file` is a descriptor, which belongs to whoever has the message."""

    kind: int
    value: int = 0
    at: int = 0
    octets: bytes = b""
    window: int = REGISTERS
    size: int = 0
    file: int | None = None

    def octets_on_the_socket(self) -> bytes:
        return _HEAD.pack(self.kind, self.window, self.size, self.value, self.at) + self.octets


def received(connection: socket.socket, flags: int = 0) -> Message | None:
    """The next message; None when the other end is closed. `AdapterError` for what is none, `BlockingIOError` with
    MSG_DONTWAIT where there is nothing."""
    try:
        octets, ancillary, told, _ = connection.recvmsg(_HEAD.size + _LARGEST, socket.CMSG_SPACE(4 * 8), flags)
    except ConnectionResetError:
        return None
    files = _files(ancillary)
    kept = files[0] if len(files) == 1 else None
    for file in files:
        if file != kept:
            os.close(file)
    try:
        if not octets:
            return None
        if len(octets) < _HEAD.size or told & socket.MSG_TRUNC:
            raise AdapterError(f"the driver said something that is no message: {octets[:32].hex()}")
        kind, window, size, value, at = _HEAD.unpack_from(octets)
        message = Message(kind, value, at, octets[_HEAD.size :], window, size, kept)
        kept = None
        return message
    finally:
        if kept is not None:
            os.close(kept)


def _files(ancillary: list[tuple[int, int, bytes]]) -> list[int]:
    files = array.array("i")
    for level, kind, content in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            files.frombytes(content[: len(content) - len(content) % files.itemsize])
    return list(files)


def limit_told(connection: socket.socket, seconds: float) -> None:
    """How long `told` waits for an end that does not read what it is told."""
    whole = int(seconds)
    connection.setsockopt(
        socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("@ll", whole, int((seconds - whole) * 1_000_000))
    )


def told(connection: socket.socket, message: Message) -> bool:
    """Send it; False if nobody is there any more. `Hung` if nobody has read for as long as `limit_told` says."""
    with suppress(BrokenPipeError, ConnectionResetError):
        try:
            connection.sendall(message.octets_on_the_socket())
        except BlockingIOError as error:
            raise Hung("the driver does not read what it is told") from error
        return True
    return False


def sa_octets(sa: SecurityAssociation) -> bytes:
    """What a driver is told of an SA, whose cipher is one of `CIPHERS`."""
    return _SA.pack(
        sa.direction == "in",
        sa.mode == "tunnel",
        sa.destination.version,
        sa.esn,
        CIPHERS[sa.encr],
        len(sa.encr_key),
        sa.udp is not None,
        sa.spi.to_bytes(4, "big"),
        sa.salt,
        sa.source.packed,
        sa.destination.packed,
        sa.encr_key,
    )
