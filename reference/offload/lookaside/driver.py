"""A driver of the device, such as a good one is.

    open_session, close_session   keys in memory that the device reads, and nothing of them afterwards
    submit                        a request in the ring; None when there is no room, and the octets are software's
    result                        what came of a request, whatever else has been finished before it

A request that is not wanted any more stays until the device has finished it: before that its buffer and its session are
the device's. Every response finds its request by the cookie; one that nobody waits for is counted as `strange`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from espproof.reference.errors import Misuse
from espproof.reference.offload.api import Dead
from espproof.reference.offload.lookaside.messages import (
    REQUEST,
    RESPONSE,
    SESSION,
    Operation,
    Request,
    Response,
    Session,
    Status,
)
from espproof.reference.offload.memory import Arena

RING = 64
"""Entries of each ring."""


class Device(Protocol):
    """As its driver sees it."""

    def reset(self) -> None: ...

    def set_rings(self, requests: int, responses: int, size: int) -> None: ...

    def tail(self, count: int) -> None: ...

    def run(self) -> int: ...

    taken: int


@dataclass(slots=True)
class _Flight:
    """A request that the device has, or has finished: `octets` are what came back, None of a wrong ICV. One that
    `is_lost` was not answered."""

    session: int
    buffer: int
    front: int
    length: int
    is_done: bool = False
    octets: bytes | None = None
    is_wanted: bool = True
    is_lost: bool = False


class Driver:
    """Of one pair of rings. Sessions are addresses, tickets are numbers."""

    def __init__(self, device: Device, memory: Arena) -> None:
        self._device, self._memory = device, memory
        self._flights: dict[int, _Flight] = {}
        self._sessions: dict[int, Session] = {}
        self._written = self._read = 0
        self._next = 1
        self.strange = 0
        self._requests, self._responses = memory.take(RING * REQUEST), memory.take(RING * RESPONSE)
        device.set_rings(self._requests, self._responses, RING)

    def reset(self) -> None:
        """What is in flight is lost, and told as that; sessions stand where they stood."""
        self._device.reset()
        self._device.set_rings(self._requests, self._responses, RING)
        self._written = self._read = 0
        for ticket, flight in list(self._flights.items()):
            if not flight.is_done:
                flight.is_lost = True
                self._land(ticket, None)

    @property
    def sessions(self) -> int:
        """How many there are."""
        return len(self._sessions)

    @property
    def in_flight(self) -> int:
        """Requests whose responses have not come."""
        return sum(not flight.is_done for flight in self._flights.values())

    # ----------------------------------------------------------------------------------------------------------- sessions

    def open_session(self, session: Session) -> int:
        """Its address."""
        address = self._memory.take(SESSION)
        self._memory.write(address, session.octets())
        self._sessions[address] = session
        return address

    def close_session(self, address: int) -> None:
        """When the device has finished what needs it. `Misuse` for a session that is not open."""
        if self._sessions.pop(address, None) is None:
            raise Misuse(f"no session at {address:#x}")
        mine = [ticket for ticket, flight in self._flights.items() if flight.session == address]
        for ticket in mine:
            self._wait(ticket)
            self._flights.pop(ticket, None)
        self._memory.give_back(address)

    # ----------------------------------------------------------------------------------------------------------- requests

    def submit(self, operation: Operation, session: int, covered: bytes, iv: bytes, octets: bytes) -> int | None:
        """The ticket of a request; `octets` are plaintext, or ciphertext with ICV. None if the ring is full."""
        if not self._has_room():
            return None
        length = len(octets) + (self._sessions[session].icv if operation is Operation.SEAL else 0)
        front = len(covered) + len(iv)
        buffer = self._memory.take(front + length)
        self._memory.write(buffer, covered + iv + octets)
        ticket, self._next = self._next, self._next + 1
        request = Request(operation, len(covered), len(iv), session, buffer, length, ticket)
        self._memory.write(self._requests + self._written % RING * REQUEST, request.octets())
        back = length if operation is Operation.SEAL else len(octets) - self._sessions[session].icv
        self._flights[ticket] = _Flight(session, buffer, front, back)
        self._written += 1
        self._device.tail(self._written)
        return ticket

    def _has_room(self) -> bool:
        """Whether there is, when what is finished has been taken."""
        if self._written - self._read >= RING:
            self._poll(self._device.run)
        return self._written - self._read < RING

    def result(self, ticket: int) -> bytes | None:
        """What came back; None if the ICV was wrong. `Dead` if nothing comes: then the octets are software's."""
        self._wait(ticket)
        flight = self._flights.pop(ticket)
        if flight.is_lost:
            raise Dead("the device does not answer")
        return flight.octets

    def forget(self, ticket: int) -> None:
        """Nobody wants it any more."""
        flight = self._flights.get(ticket)
        if flight is not None and flight.is_done:
            del self._flights[ticket]
        elif flight is not None:
            flight.is_wanted = False

    def _wait(self, ticket: int) -> None:
        self._poll(self._device.run)
        flight = self._flights.get(ticket)
        if flight is not None and not flight.is_done:
            self.reset()

    def _poll(self, finished: Callable[[], int]) -> None:
        count = finished()
        while self._read < count:
            octets = self._memory.read(self._responses + self._read % RING * RESPONSE, RESPONSE)
            response = Response.read(octets)
            self._read += 1
            self._device.taken = self._read
            flight = self._flights.get(response.cookie)
            if flight is None or flight.is_done:
                self.strange += 1
                continue
            right = response.status == Status.DONE
            self._land(
                response.cookie, self._memory.read(flight.buffer + flight.front, flight.length) if right else None
            )

    def _land(self, ticket: int, octets: bytes | None) -> None:
        flight = self._flights[ticket]
        self._memory.give_back(flight.buffer)
        flight.is_done, flight.octets = True, octets
        if not flight.is_wanted:
            del self._flights[ticket]
