"""The card at the other end of a driver's socket: registers, memory that the driver lends, interrupts.

The card is as fast as it can be: what a write makes it do it has done before the driver goes on, so that it sees memory as
it is at that moment, and no other. Its time is the driver's: it goes on when the driver says that it waits. So the
same driver does the same to the same card each time.
"""

import os
import socket
import stat

from espproof.adapters.base import AdapterError, Crashed
from espproof.adapters.driver.messages import CONFIGURATION, Kind, Message, told
from espproof.reference.errors import Misuse
from espproof.reference.offload.memory import Fault
from espproof.reference.offload.niantic.board import Board

_SIZES = 1, 2, 4
_MOST_FILES = 64
"""Pieces of memory that one driver can lend."""


class Lent:
    """Memory that the driver has lent, in pieces: files, each from an address on the bus on. It is read and written like
    files, so that what a driver does to it later (it can make it shorter) harms nobody but itself."""

    def __init__(self) -> None:
        self._pieces: dict[int, tuple[int, int]] = {}
        """Address -> octets, file."""

    def lend(self, address: int, file: int) -> None:
        """A whole file, which is ours from here on. `AdapterError` for what is no memory, or lies over another piece."""
        try:
            told = os.fstat(file)
            if not stat.S_ISREG(told.st_mode) or not told.st_size:
                raise AdapterError("the driver lends memory that is no file with octets in it")
            if len(self._pieces) == _MOST_FILES:
                raise AdapterError(f"the driver lends more than {_MOST_FILES} pieces of memory")
            for other, (size, _) in self._pieces.items():
                if address < other + size and other < address + told.st_size:
                    raise AdapterError(
                        f"the driver lends {told.st_size} octets at {address:#x} over those at {other:#x}"
                    )
        except BaseException:
            os.close(file)
            raise
        self._pieces[address] = told.st_size, file

    def read(self, address: int, length: int) -> bytes:
        file, at = self._piece(address, length)
        octets = os.pread(file, length, at)
        if len(octets) < length:
            raise Fault(f"{length} octets at {address:#x} are not there any more")
        return octets

    def write(self, address: int, octets: bytes) -> None:
        file, at = self._piece(address, len(octets))
        try:
            os.pwrite(file, octets, at)
        except OSError as error:
            raise Fault(f"{len(octets)} octets at {address:#x} cannot be written: {error.strerror}") from error

    def _piece(self, address: int, length: int) -> tuple[int, int]:
        for start, (size, file) in self._pieces.items():
            if start <= address and address + length <= start + size:
                return file, address - start
        raise Fault(f"{length} octets at {address:#x} are none that the driver has lent")

    def close(self) -> None:
        for _, file in self._pieces.values():
            os.close(file)
        self._pieces.clear()


class Seat:
    """Where a driver sits: its socket, and what it has lent. The board that is served is set by whoever makes it."""

    board: Board

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.memory = Lent()

    def interrupt(self, address: int, data: int) -> None:
        """A message of the card's."""
        told(self.connection, Message(Kind.INTERRUPT, data, address))

    def serve(self, message: Message) -> bool:
        """An access to the card; False if the message is none. `AdapterError` for what makes no sense, `Crashed` where a
        real card would have done who knows what."""
        if message.file is not None and message.kind != Kind.MEMORY:
            os.close(message.file)
            raise AdapterError(f"the driver sends a file with message {message.kind}")
        try:
            match message.kind:
                case Kind.READ:
                    told(self.connection, Message(Kind.VALUE, self._read(message)))
                case Kind.WRITE:
                    self._write(message)
                    told(self.connection, Message(Kind.WRITTEN))
                case Kind.PAUSE:
                    self.board.chip.now += message.value
                case Kind.MEMORY:
                    if message.file is None:
                        raise AdapterError("the driver lends memory without a file")
                    self.memory.lend(message.at, message.file)
                case _:
                    return False
        except (Fault, Misuse) as error:
            raise Crashed(f"the card: {error}") from error
        return True

    def _read(self, message: Message) -> int:
        self._judge_size(message)
        if message.window == CONFIGURATION:
            return self.board.read_configuration(message.at, message.size)
        return int.from_bytes(self.board.read(message.window, message.at, message.size), "little")

    def _write(self, message: Message) -> None:
        self._judge_size(message)
        value = message.value & (1 << 8 * message.size) - 1
        if message.window == CONFIGURATION:
            self.board.configure(message.at, message.size, value)
        else:
            self.board.write(message.window, message.at, value.to_bytes(message.size, "little"))

    def _judge_size(self, message: Message) -> None:
        if message.size not in _SIZES:
            raise AdapterError(f"the driver accesses {message.size} octets at {message.at:#x}")

    def close(self) -> None:
        self.connection.close()
        self.memory.close()
