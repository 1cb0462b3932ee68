"""A driver that is a program, with its card, as the stack sees it (`reference.offload.api.Port`).

The program's standard input is its socket. It is asked one thing at a time, and does with the card what it likes until it
has answered; nothing waits without a limit.
"""

import os
import select
import socket
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress

from espproof.adapters import niantic_tables
from espproof.adapters.base import AdapterError, Crashed, Hung
from espproof.adapters.driver.card import Seat
from espproof.adapters.driver.messages import (
    CIPHERS,
    LONGEST_KEY,
    NO_SA,
    Feature,
    Kind,
    Message,
    limit_told,
    received,
    sa_octets,
    told,
)
from espproof.adapters.exec.supervised import Supervised
from espproof.adapters.printable import printable
from espproof.reference.errors import Misuse
from espproof.reference.offload.api import Arrived, Done, Refused
from espproof.reference.offload.niantic.board import Board
from espproof.reference.offload.niantic.device import X550, Niantic
from espproof.reference.offload.rules import Breaches
from espproof.reference.sa import SecurityAssociation

SECONDS = 10.0
"""For each answer; the first one has to bring up the card."""
_MAC = bytes.fromhex("028259900001")
_ETHERNET = 14
_ETHERTYPE = {4: b"\x08\x00", 6: b"\x86\xdd"}
_VERDICTS = (Done.NOTHING, Done.OPENED, Done.FORGED, Done.UNREADABLE)
_MAY_REFUSE = (Kind.ADD, Kind.CAN, Kind.SEND)
_TAIL = 1000
_END_SECONDS = 1.0
_MOST_MESSAGES = 1 << 18
"""Messages of a driver before it has answered: more is a driver that does not come to an end."""


class DriverPort:
    """The program runs from here to `close`. `AdapterError` if it does not bring up the card."""

    def __init__(self, command: Sequence[str]) -> None:
        self._name = command[0]
        self._wire: list[bytes] = []
        self._sas: dict[str, SecurityAssociation] = {}
        self._tail = b""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._seat = Seat(ours)
        self._seat.board = self._board = Board(
            self._seat.memory, self._wire.append, self._seat.interrupt, _MAC, personality=X550
        )
        self.failed = False
        """Nothing more can be asked of it."""
        try:
            with theirs:
                self._program = Supervised(
                    command, stdin=theirs.fileno(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
                )
        except BaseException:
            self._seat.close()
            raise
        (self._errors,) = self._program.streams()
        self._poll = select.poll()
        self._poll.register(ours, select.POLLIN)
        self._poll.register(self._errors, select.POLLIN)
        try:
            ready, _ = self._answer()
            if ready.kind != Kind.READY or len(ready.octets) < 4:
                raise AdapterError(f"{self._name} did not say READY, but {ready.kind}")
        except BaseException as error:
            self.close()
            if isinstance(error, Crashed | Hung):
                raise AdapterError(str(error)) from error
            raise
        self.features = Feature(ready.value)
        self.longest = ready.at
        self.most = int.from_bytes(ready.octets[:2], "little"), int.from_bytes(ready.octets[2:4], "little")
        """SAs of it: in, out."""

    # -------------------------------------------------------------------------------------------------- what is asked

    def add(self, sa: SecurityAssociation) -> int:
        if sa.encr not in CIPHERS or len(sa.encr_key) > LONGEST_KEY:
            raise Refused(f"{sa.encr}: drivers are told of {', '.join(CIPHERS)}")
        answer = self._ask(Message(Kind.ADD, octets=sa_octets(sa)))
        if answer.kind == Kind.REFUSED:
            raise Refused(printable(answer.octets.decode(errors="replace")) or "the driver does not say why")
        if answer.value == NO_SA or str(answer.value) in self._sas:
            self.failed = True
            raise AdapterError(f"{self._name} gives an SA the handle {answer.value:#x}, which it cannot have")
        self._sas[str(answer.value)] = sa
        return answer.value

    def delete(self, handle: int) -> None:
        self._ask(Message(Kind.DELETE, handle))
        self._sas.pop(str(handle), None)

    def has(self, handle: int) -> bool:
        """A driver has what it has taken: it is its affair that the card has it too."""
        return True

    def takes(self, packet: bytes) -> bool:
        return self._ask(Message(Kind.CAN, octets=packet)).kind == Kind.DONE

    def send(self, packet: bytes, handle: int | None, sequence: int = 0) -> list[bytes]:
        frame = _MAC + _MAC + _ETHERTYPE.get(packet[0] >> 4, _ETHERTYPE[4]) + packet
        self._ask(Message(Kind.SEND, NO_SA if handle is None else handle, octets=frame))
        left = [one[_ETHERNET:] for one in self._wire]
        self._wire.clear()
        return left

    def advance(self, handle: int, bottom: int) -> None:
        """A driver is not told of windows."""

    def arrive(self, packet: bytes) -> list[Arrived]:
        version = packet[0] >> 4 if packet else 0
        self.chip.arrive(bytes(12) + _ETHERTYPE.get(version, _ETHERTYPE[4]) + packet)
        _, came = self._answer_to(Message(Kind.RECEIVE))
        return [_arrived(one) for one in came]

    # ----------------------------------------------------------------------------------------------------- accounting

    @property
    def chip(self) -> Niantic:
        """The card's, as it is now."""
        return self._board.chip

    @property
    def entries(self) -> int:
        return niantic_tables.entries(self.chip)

    @property
    def left(self) -> int:
        return niantic_tables.left(self.chip, self._sas)

    @property
    def breaches(self) -> Breaches:
        return self.chip.breaches

    def reset(self) -> None:
        self._ask(Message(Kind.RESET))

    def set_link(self, up: bool) -> None:
        self._board.set_link(up)
        self._wire.clear()

    def befalls(self, event: str) -> None:
        """`Misuse`: nothing else can."""
        raise Misuse(f"{event} does not befall this chip")

    def calm(self) -> None:
        """Nothing is to come."""

    # -------------------------------------------------------------------------------------------------------- talking

    def _ask(self, message: Message) -> Message:
        answer, came = self._answer_to(message)
        if came:
            self.failed = True
            raise AdapterError(f"{self._name} hands up a packet before it is asked for any")
        return answer

    def _answer_to(self, message: Message) -> tuple[Message, list[Message]]:
        if not told(self._seat.connection, message):
            raise self._ended()
        answer, came = self._answer()
        if answer.kind == Kind.READY or (answer.kind == Kind.REFUSED and message.kind not in _MAY_REFUSE):
            self.failed = True
            raise AdapterError(f"{self._name} answers {answer.kind} to {message.kind}")
        return answer, came

    def _answer(self) -> tuple[Message, list[Message]]:
        """Serve the driver until it has answered; the answer, and the packets that it has handed up before."""
        try:
            limit_told(self._seat.connection, SECONDS)
            until = time.monotonic() + SECONDS
            came: list[Message] = []
            for _ in range(_MOST_MESSAGES):
                message = self._next(until)
                if self._seat.serve(message):
                    continue
                if message.kind in (Kind.DONE, Kind.REFUSED, Kind.READY):
                    return message, came
                if message.kind != Kind.RECEIVED:
                    raise AdapterError(f"{self._name} said {message.kind}, which is nothing that a driver says")
                came.append(message)
            raise Hung(
                self._with_tail(f"{self._name} does not come to an end: {_MOST_MESSAGES} messages, and no answer")
            )
        except BaseException:
            self.failed = True
            raise

    def _next(self, until: float) -> Message:
        while True:
            with suppress(BlockingIOError):
                message = received(self._seat.connection, socket.MSG_DONTWAIT)
                if message is None:
                    raise self._ended()
                return message
            left = until - time.monotonic()
            if left <= 0 or not self._poll.poll(left * 1000):
                raise Hung(self._with_tail(f"{self._name}: no answer within {SECONDS:g} s"))
            self._listen()

    def _listen(self) -> None:
        with suppress(BlockingIOError):
            octets = os.read(self._errors, 1 << 16)
            self._tail = (self._tail + octets)[-_TAIL:]
            if not octets:  # its end is told once more each time that it is read
                with suppress(KeyError):
                    self._poll.unregister(self._errors)

    def _ended(self) -> Crashed | AdapterError:
        self.failed = True
        end = self._program.end(_END_SECONDS)
        self._listen()
        if end is None:
            return Crashed(self._with_tail(f"{self._name} closed its socket, but still runs"))
        return (Crashed if end.is_crash else AdapterError)(self._with_tail(end.sentence(self._name)))

    def _with_tail(self, words: str) -> str:
        said = " ⏎ ".join(printable(line) for line in self._tail.decode(errors="replace").splitlines() if line.strip())
        return f"{words}; standard error ends: {said}" if said else words

    def close(self) -> None:
        """Nothing is left of the program."""
        self.failed = True
        self._seat.close()
        self._program.end(_END_SECONDS)
        self._program.kill()
        self._program.gone(wait=True)


def _arrived(message: Message) -> Arrived:
    if message.at >= len(_VERDICTS):
        raise AdapterError(f"a packet with the verdict {message.at}")
    known = message.value != NO_SA
    return Arrived(message.octets[_ETHERNET:], _VERDICTS[message.at], message.value if known else None)
