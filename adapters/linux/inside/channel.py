"""What the agent and who asks it say to each other. Pure: the sockets are those of the two sides, which both import this.

A message is a list of JSON values and the packets that go with them, as octets behind it: JSON for what is read once,
octets for what there is much of. Messages travel as frames of a private ethertype, as a guest has a network card to be
asked over (vec0). A message longer than a frame is cut up; each piece but the last waits for an empty answer, so that no
queue on the way overflows.

    ["ready", release, largest]     the agent begins: the kernel's release, octets of the largest packet that goes through
    ["failed", text, …]             it cannot
    [operation, …] and packets      then who asks speaks, and the agent answers: see `agent`
    ["error", text]                 the answer where the agent has failed
"""

import json
import struct
from collections.abc import Callable, Iterable, Sequence
from typing import Any

ETHERTYPE = 0x88B5
"""IEEE 802 local experimental ethertype 1."""
AGENT, ASKER = bytes.fromhex("020000000001"), bytes.fromhex("020000000002")
"""Ethernet addresses."""
MAX_FRAME = 60000
"""Octets behind the Ethernet header; the MTU of the virtual card."""
MAX_MESSAGE, MAX_JSON, MAX_PACKETS = 64 << 20, 4 << 20, 1 << 16
"""Octets of a message, octets of JSON in it, packets in it: hundreds of times what is needed."""
_PIECE = MAX_FRAME - 8
_HEAD = struct.Struct("!BxxxI")
_LAST, _MORE, _GO_ON = 0, 1, 2
_LENGTHS = struct.Struct("!II")


Put = Callable[[bytes], object]
"""Sends the content of one frame."""
Take = Callable[[], bytes]
"""Receives the content of one frame."""


class Garbled(ValueError):
    """Octets that are no message of this protocol."""


def pack(values: Sequence[Any], packets: Iterable[bytes] = ()) -> bytes:
    """A message. How many packets there are and how long each is, is written before them."""
    text = json.dumps(values, separators=(",", ":")).encode()
    packets = list(packets)
    head = _LENGTHS.pack(len(text), len(packets)) + struct.pack(f"!{len(packets)}I", *map(len, packets))
    return head + text + b"".join(packets)


def unpack(octets: bytes) -> tuple[list[Any], list[bytes]]:
    """The values and the packets. `Garbled` says what is wrong."""
    try:
        size, count = _LENGTHS.unpack_from(octets)
        if size > MAX_JSON or count > MAX_PACKETS:
            raise Garbled(f"{size} octets of JSON and {count} packets are announced")
        lengths = struct.unpack_from(f"!{count}I", octets, _LENGTHS.size)
    except struct.error as error:
        raise Garbled(f"a message cut short: {error}") from error
    at = _LENGTHS.size + 4 * count + size
    if at + sum(lengths) != len(octets):
        raise Garbled(f"{len(octets)} octets, where {at + sum(lengths)} are announced")
    try:
        values = json.loads(octets[at - size : at])
    except (ValueError, RecursionError) as error:
        raise Garbled(f"not JSON: {error}") from error
    if not isinstance(values, list):
        raise Garbled(f"not a list of values but {type(values).__name__}")
    packets = []
    for length in lengths:
        packets.append(octets[at : at + length])
        at += length
    return values, packets


def send(message: bytes, put: Put, take: Take) -> None:
    """Hand a message over with `put`, which sends one frame's content; `take` receives one."""
    for at in range(0, max(len(message), 1), _PIECE):
        last = at + _PIECE >= len(message)
        piece = message[at : at + _PIECE]
        put(_HEAD.pack(_LAST if last else _MORE, len(piece)) + piece)
        if not last and _piece(take())[0] != _GO_ON:
            raise Garbled("a piece of a message was answered with something else than 'go on'")


def receive(put: Put, take: Take) -> bytes:
    """The next whole message."""
    message = bytearray()
    while True:
        kind, piece = _piece(take())
        message += piece
        if kind == _LAST:
            return bytes(message)
        if kind != _MORE:
            raise Garbled(f"a piece of kind {kind}, where a message was expected")
        if len(message) > MAX_MESSAGE:
            raise Garbled(f"a message of more than {MAX_MESSAGE >> 20} MiB")
        put(_HEAD.pack(_GO_ON, 0))


def _piece(content: bytes) -> tuple[int, bytes]:
    if len(content) < _HEAD.size:
        raise Garbled(f"a frame of {len(content)} octets")
    kind, size = _HEAD.unpack_from(content)
    if len(content) < _HEAD.size + size:
        raise Garbled(f"a piece of {size} octets in a frame of {len(content)}")
    return kind, content[_HEAD.size : _HEAD.size + size]
