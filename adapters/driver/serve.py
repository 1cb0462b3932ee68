"""`espproof device niantic --socket PATH`: a card for a driver that somebody starts, whose wire is the driver's too.

What the driver does against the data sheet is told as it happens.
"""

import select
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from espproof.adapters.base import AdapterError
from espproof.adapters.driver.card import Seat
from espproof.adapters.driver.messages import Kind, Message, received, told
from espproof.reference.offload.niantic.board import Board
from espproof.reference.offload.niantic.device import X550, Niantic

_MAC = bytes.fromhex("028259900001")
_LOOK_SECONDS = 0.2


def serve(path: Path, tell: Callable[[str], None]) -> Niantic:
    """Wait for one driver at a socket that is made there, and serve it until it has gone; `tell` has each breach of a rule
    once. The chip, as the driver has left it. `OSError` if there is something at the path already, `AdapterError` and
    `Crashed` as `Seat.serve`."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listening:
        listening.bind(str(path))
        try:
            listening.listen(1)
            while not select.select([listening], [], [], _LOOK_SECONDS)[0]:
                pass  # Ctrl-C comes between
            connection, _ = listening.accept()
        finally:
            with suppress(FileNotFoundError):
                path.unlink()
    seat = Seat(connection)
    seat.board = board = Board(
        seat.memory, lambda frame: _leaves(connection, frame), seat.interrupt, _MAC, personality=X550
    )
    known: set[str] = set()
    try:
        while (message := received(connection)) is not None:
            if not seat.serve(message):
                if message.kind != Kind.FRAME:
                    raise AdapterError(f"the driver said {message.kind}, which nobody has asked for")
                board.chip.arrive(message.octets)
            for breach in map(str, board.chip.breaches.taken()):
                if breach not in known:
                    known.add(breach)
                    tell(breach)
    finally:
        seat.close()
    return board.chip


def _leaves(connection: socket.socket, frame: bytes) -> None:
    told(connection, Message(Kind.FRAME, octets=frame))
