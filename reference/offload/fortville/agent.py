"""The IPsec agent: a bump in the wire between the MACs of a device and what they are plugged into.

    MAC ── control ──► agent ── answer ──► MAC         SAs come and go
    MAC ── metadata, packet ──► agent ──► wire         with the offload bit: protected
    wire ──► agent ── metadata, packet ──► MAC         of an SA that is there: opened in place
    MAC ──► agent ──► MAC                              the hairpin: to a local address it goes round, as if it had been out

The table of SAs is one for all ports and functions. An SA is found by port, direction, domain (local address and port
VLAN), SPI and destination. The stack has built headers and IV; the agent makes padding and trailer, for which metadata
have the next header, encrypts, and adds the ICV. On the way in nothing is added or taken away but metadata.

*Assumed*, as no public source says: every frame that goes to a MAC gets metadata, so that none can be forged from
outside; what asks for offload and has no SA is lost, never sent in the clear; a command that comes twice is carried out
once and answered twice; the table outlives a reset of the MAC; group addresses leave and turn round. The agent does
cryptography of its own here, not `transforms`.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from espproof.reference import ip
from espproof.reference.errors import Malformed
from espproof.reference.offload.fortville import rules
from espproof.reference.offload.fortville.messages import (
    CONTROL,
    PLAIN,
    TYPE,
    VLAN,
    Algorithm,
    Command,
    Domain,
    Found,
    Operation,
    Place,
    Status,
    answer_to,
    read_command,
    read_tx_word,
    tx_word_is_right,
    with_word,
    without_word,
)
from espproof.reference.offload.rules import Breaches

ESP = 50
POOL = 1024
"""SAs that there is room for, of all ports and functions; assumed."""
ALGORITHMS = frozenset({Algorithm.AES_GCM_128, Algorithm.AES_GCM_256})
HEADER = 16
"""SPI, sequence number and IV."""
ICV = 16
ANSWER_MICROSECONDS = 60
TIMEOUT_MICROSECONDS = 1000
"""What a driver waits for an answer at least, before it sends anything else."""
_TYPES = {b"\x08\x00": 4, b"\x86\xdd": 6}
_GROUP = 1
"""Bit of the first octet of an address that is a group's."""


@dataclass(slots=True)
class Slot:
    """An entry of the table of SAs; `place` is None where it is free."""

    place: Place | None = None
    index: int = 0
    key: bytes = b""
    salt: bytes = b""


@dataclass(slots=True)
class _Port:
    """What the agent remembers of a port."""

    to_mac: Callable[[bytes], None]
    to_wire: Callable[[bytes], None]
    last: tuple[int, Command] | None = None
    """The last command, without its key, and its transaction."""
    answer: bytes = b""
    answered: int = 0
    """When its answer was sent, or will be."""
    after_reset: bool = True


@dataclass(frozen=True, slots=True)
class _Esp:
    """Where ESP is in a frame. `at` is where the IP header begins, `start` the ESP header, `end` the packet."""

    at: int
    start: int
    end: int
    vlan: int
    destination: bytes

    def spi(self, frame: bytes) -> int:
        return int.from_bytes(frame[self.start : self.start + 4], "big")


class Agent:
    """With its ports. `now` is its time in microseconds; `tick` lets answers leave that are due.

    `faults` are for whoever runs the model: of each kind, how many control frames it befalls next.
    """

    def __init__(self, pool: int = POOL) -> None:
        self.slots = [Slot() for _ in range(pool)]
        self.breaches = Breaches()
        self.faults: Counter[str] = Counter()
        """"request-lost", "answer-lost", "answer-late"."""
        self.lost: Counter[str] = Counter()
        """Packets that went nowhere, by reason."""
        self.now = 0
        self._found: dict[Place, int] = {}
        self._ports: list[_Port] = []
        self._locals: set[tuple[int, Domain]] = set()
        self._due: list[tuple[int, int, bytes]] = []

    def attach(self, to_mac: Callable[[bytes], None], to_wire: Callable[[bytes], None]) -> int:
        """A port; its number."""
        self._ports.append(_Port(to_mac, to_wire))
        return len(self._ports) - 1

    def reset_mac(self, port: int) -> None:
        """The MAC of a port is reset: answers on their way to it are lost."""
        self._due = [one for one in self._due if one[1] != port]
        one = self._ports[port]
        one.after_reset, one.answered, one.last, one.answer = True, self.now, None, b""

    @property
    def taken(self) -> int:
        return len(self._found)

    def tick(self, microseconds: int) -> None:
        """So much time passes."""
        self.now += microseconds
        due = sorted((one for one in self._due if one[0] <= self.now), key=lambda one: one[0])
        self._due = [one for one in self._due if one[0] > self.now]
        for _, port, frame in due:
            self._ports[port].to_mac(frame)

    # -------------------------------------------------------------------------------------------------------- from the MAC

    def from_mac(self, port: int, frame: bytes) -> None:
        """A frame without its CRC."""
        if frame[TYPE] == CONTROL:
            self._control(port, frame)
            return
        parts = without_word(frame)
        if parts is None:
            self.breaches.note(rules.TAGGED, f"a frame of type {frame[TYPE].hex()}")
        plain, word = parts or (frame, PLAIN)
        if not tx_word_is_right(word):
            self.breaches.note(rules.UNUSED_ZERO, f"metadata {word:08x}")
        next_header = read_tx_word(word)
        sent = plain if next_header is None else self._sealed(port, plain, next_header)
        if sent is None:
            self.lost["not sealed"] += 1
            return
        local, group = (port, self._domain(sent[:6], sent)) in self._locals, bool(sent[0] & _GROUP)
        if not local:
            self._ports[port].to_wire(sent)
        if local or (group and self._locals):
            self.from_wire(port, sent)

    def _sealed(self, port: int, frame: bytes, next_header: int) -> bytes | None:
        esp = _esp(frame)
        if esp is None:
            self.breaches.note(rules.PLAIN_HEADERS, f"{frame[12:54].hex()}")
            return None
        place = Place(port, True, Domain(frame[6:12], esp.vlan), esp.spi(frame), esp.destination)
        slot = self._found.get(place)
        if slot is None:
            self.breaches.note(rules.SA_THERE, f"SPI {place.spi:#x}")
            return None
        payload = frame[esp.start + HEADER :]
        padding = -(len(payload) + 2) % 4
        if len(frame) + padding + 2 + ICV != esp.end or len(frame) < esp.start + HEADER:
            self.breaches.note(rules.FINAL_LENGTH, f"{len(frame) - esp.at} octets, {esp.end - esp.at} in the header")
            return None
        plaintext = payload + bytes(range(1, padding + 1)) + bytes((padding, next_header))
        header, iv = frame[esp.start : esp.start + 8], frame[esp.start + 8 : esp.start + HEADER]
        one = self.slots[slot]
        return frame[: esp.start + HEADER] + AESGCM(one.key).encrypt(one.salt + iv, plaintext, header)

    @staticmethod
    def _domain(mac: bytes, frame: bytes) -> Domain:
        return Domain(mac, _untagged(frame)[1])

    # ------------------------------------------------------------------------------------------------------- from the wire

    def from_wire(self, port: int, frame: bytes) -> None:
        """A frame without its CRC, from whoever: what it says of itself is not believed."""
        frame, found = self._opened(port, frame)
        self._ports[port].to_mac(with_word(frame, found.word))

    def _opened(self, port: int, frame: bytes) -> tuple[bytes, Found]:
        esp = _esp(frame)
        if esp is None:
            return frame, Found()
        place = Place(port, False, Domain(frame[:6], esp.vlan), esp.spi(frame), esp.destination)
        slot = self._found.get(place)
        if slot is None:
            return frame, Found()
        one, body = self.slots[slot], esp.start + HEADER
        if esp.end > len(frame) or esp.end - body < 2 + ICV or (esp.end - body) % 4:
            return frame, Found(error=True, index=one.index)
        nonce = one.salt + frame[esp.start + 8 : body]
        try:
            plaintext = AESGCM(one.key).decrypt(nonce, frame[body : esp.end], frame[esp.start : esp.start + 8])
        except InvalidTag:
            return frame, Found(forged=True, index=one.index)
        return frame[:body] + plaintext + frame[esp.end - ICV :], Found(decrypted=True, index=one.index)

    # ------------------------------------------------------------------------------------------------------------- control

    def _control(self, number: int, frame: bytes) -> None:
        if self._befalls("request-lost"):
            return
        port, body = self._ports[number], frame[14:]
        try:
            command, transaction = read_command(body)
        except Malformed as why:
            self.breaches.note(rules.READABLE, str(why))
            port.last, port.answer = None, answer_to(body, Status.MALFORMED)
        else:
            known = command.blank() if command.operation is Operation.ADD else command
            if port.last != (transaction, known):
                self._note_order(port, transaction)
                port.answer = answer_to(body, self._carry_out(number, command))
                port.last = transaction, known
        self._answer(number, frame)

    def _answer(self, number: int, frame: bytes) -> None:
        port = self._ports[number]
        port.answered = self.now + ANSWER_MICROSECONDS
        late = TIMEOUT_MICROSECONDS + ANSWER_MICROSECONDS if self._befalls("answer-late") else 0
        if self._befalls("answer-lost"):
            port.answered += TIMEOUT_MICROSECONDS - ANSWER_MICROSECONDS
            return
        self._due.append(
            (self.now + ANSWER_MICROSECONDS + late, number, frame[6:12] + frame[:6] + CONTROL + port.answer)
        )

    def _note_order(self, port: _Port, transaction: int) -> None:
        if self.now < port.answered:
            self.breaches.note(rules.ONE_AT_A_TIME, f"transaction {transaction}")
        elif port.last is not None and port.last[0] == transaction:
            self.breaches.note(rules.SAME_TRANSACTION, f"transaction {transaction}")

    def _befalls(self, fault: str) -> bool:
        if not self.faults[fault]:
            return False
        self.faults[fault] -= 1
        return True

    def _carry_out(self, number: int, command: Command) -> Status:
        port = self._ports[number]
        if command.port != number:
            self.breaches.note(rules.OWN_PORT, f"port {command.port} by port {number}")
            return Status.OTHER_PORT
        if port.after_reset and command.operation is not Operation.REMOVE_ALL:
            self.breaches.note(rules.REMOVED_FIRST, command.operation.name)
        port.after_reset = False
        if command.operation is Operation.ADD:
            return self._add(command)
        if command.operation is Operation.REMOVE:
            return self._remove(command.place)
        if command.operation is Operation.REMOVE_ALL:
            for place in [one for one in self._found if one.port == number]:
                self._remove(place)
            self._locals = {one for one in self._locals if one[0] != number}
            return Status.OK
        there = (number, command.domain)
        if command.operation is Operation.ADD_LOCAL:
            self._locals.add(there)
        else:
            self._locals.discard(there)
        return Status.OK

    def _add(self, command: Command) -> Status:
        place = command.place
        if command.algorithm not in ALGORITHMS:
            return Status.NO_ALGORITHM
        if place in self._found:
            return Status.EXISTS
        if any(not place.outbound and self._is_index_of(other, command) for other in self._found):
            self.breaches.note(rules.INDEX_ONCE, f"index {command.index}")
        free = next((number for number, one in enumerate(self.slots) if one.place is None), None)
        if free is None:
            return Status.FULL
        self.slots[free] = Slot(place, command.index, command.key, command.salt)
        self._found[place] = free
        return Status.OK

    def _is_index_of(self, other: Place, command: Command) -> bool:
        slot = self.slots[self._found[other]]
        return (other.port, other.domain, other.outbound, slot.index) == (
            command.port, command.domain, False, command.index,
        )  # fmt: skip

    def _remove(self, place: Place) -> Status:
        slot = self._found.pop(place, None)
        if slot is None:
            return Status.NO_SUCH
        self.slots[slot] = Slot()
        return Status.OK


def _untagged(frame: bytes) -> tuple[int, int]:
    """Where the type of the payload stands, and the VLAN of the tag in front of it, 0 without one."""
    if frame[TYPE] == VLAN and len(frame) >= 18:
        return 16, int.from_bytes(frame[14:16], "big") & 0xFFF
    return 12, 0


def _esp(frame: bytes) -> _Esp | None:
    """ESP behind an IP header without options or extension headers, in a whole packet; at least its SPI is there."""
    at, vlan = _untagged(frame)
    version = _TYPES.get(frame[at : at + 2])
    at += 2
    if version == 4 and len(frame) >= at + ip.IPV4_HEADER_SIZE + 4 and frame[at] == 0x45 and frame[at + 9] == ESP:
        if int.from_bytes(frame[at + 6 : at + 8], "big") & 0x3FFF:
            return None
        length = int.from_bytes(frame[at + 2 : at + 4], "big")
        return _Esp(at, at + ip.IPV4_HEADER_SIZE, at + length, vlan, frame[at + 16 : at + 20])
    if version == 6 and len(frame) >= at + ip.IPV6_HEADER_SIZE + 4 and frame[at] >> 4 == 6 and frame[at + 6] == ESP:
        length = int.from_bytes(frame[at + 4 : at + 6], "big") + ip.IPV6_HEADER_SIZE
        return _Esp(at, at + ip.IPV6_HEADER_SIZE, at + length, vlan, frame[at + 24 : at + 40])
    return None
