"""The driver of one function, PF or VF: its software database of SAs, and its packets.

    add, delete        by whoever carries commands out: the PF itself, or the PF behind a mailbox
    send               with an SA: the stack's trailer and blank ICV are cut off, metadata say what they were; the agent
                       makes them anew
    received           metadata say what the agent has done, and which SA of the database it was

It knows frames and metadata, not ESP: headers, numbers, padding and windows are the stack's.
"""

from dataclasses import dataclass
from typing import Literal

from espproof.reference import ip
from espproof.reference.errors import Misuse
from espproof.reference.offload.api import Refused
from espproof.reference.offload.fortville.device import Fortville
from espproof.reference.offload.fortville.ledger import Channel, Exchange, Ledger
from espproof.reference.offload.fortville.mac import PF
from espproof.reference.offload.fortville.messages import (
    INDEXES,
    PLAIN,
    TYPE,
    Algorithm,
    Command,
    Found,
    Operation,
    Status,
    read_rx_word,
    tx_word,
    without_word,
)
from espproof.reference.offload.fortville.pf import Pf
from espproof.reference.offload.fortville.queues import Queues

ETHERTYPE = {4: b"\x08\x00", 6: b"\x86\xdd"}
ALGORITHMS = {16: Algorithm.AES_GCM_128, 24: Algorithm.AES_GCM_192, 32: Algorithm.AES_GCM_256}
"""By octets of the key."""
ICV = 16
_ETHERNET = 14


@dataclass(frozen=True, slots=True)
class Handle:
    """An SA by its index in the database."""

    direction: Literal["in", "out"]
    index: int


@dataclass(frozen=True, slots=True)
class OffloadedSa:
    """What the agent is told of an SA of AES-GCM with an ICV of 16 octets. `address`, the destination, has 4 or 16."""

    direction: Literal["in", "out"]
    spi: int
    address: bytes
    key: bytes
    salt: bytes


@dataclass(frozen=True, slots=True)
class Received:
    """An IP packet; `handle` is the SA that the agent has applied, None for no SA.

    One that the agent has opened under an SA which it was to forget is handed up as it stands, for no SA: it has plaintext
    where ciphertext was, and software finds it to be of no SA, or its ICV wrong, as it would have without the agent.
    """

    packet: bytes
    handle: Handle | None
    found: Found


class _Own:
    """The channel of the PF's own function."""

    def __init__(self, pf: Pf) -> None:
        self._pf = pf

    def ask(self, command: Command) -> Status:
        return self._pf.carry_out(PF, command)


class Driver:
    """Of function `number`; `pf` is the driver of its port, which a VF sees through its mailbox alone."""

    def __init__(self, device: Fortville, pf: Pf, number: int = PF) -> None:
        self._mac, self.number, self.pf = device.macs[pf.port], number, pf
        self.mac = self._mac.functions[number].domain.mac
        """The function's address."""
        self.queues = pf.queues if number == PF else Queues(self._mac, number, device.memory())
        channel: Channel = _Own(pf) if number == PF else Exchange(self._post, self._take, device.wait)
        self.ledger: Ledger[int] = Ledger(channel)
        self._last = -1
        self.strange = 0
        """Frames that were no packets: nobody gets them."""

    def start(self) -> None:
        """A VF's queues; those of the PF run already."""
        if self.number != PF:
            self._mac.reset_function(self.number)
            self.queues.start()

    def reset(self) -> None:
        """The function anew, with the same SAs; what was inside is lost. Of a PF: the port. `Dead`: try again."""
        if self.number == PF:
            self.pf.reset()
            return
        self.start()
        self.ledger.restore(Command(Operation.REMOVE_ALL))

    def stop(self) -> None:
        """The driver, or the VM, dies: of its memory nothing stays."""
        if self.number != PF:
            self.queues.stop()

    # --------------------------------------------------------------------------------------------------------------- SAs

    def add(self, sa: OffloadedSa) -> Handle:
        """`Refused` with the reason, `Dead` if nobody answers; then it is in nobody's database. An inbound SA is in this
        one all the same: the agent may have it, and what it has not opened the stack opens."""
        if len(sa.key) not in ALGORITHMS or len(sa.salt) != 4:
            raise Refused("no key of AES-GCM")
        index = self._free()
        self.ledger.add(
            index,
            Command(
                Operation.ADD,
                outbound=sa.direction == "out",
                algorithm=ALGORITHMS[len(sa.key)],
                spi=sa.spi,
                index=index,
                version=4 if len(sa.address) == 4 else 6,
                destination=sa.address,
                salt=sa.salt,
                key=sa.key,
            ),
            unsure=sa.direction == "in",
        )
        return Handle(sa.direction, index)

    def _free(self) -> int:
        """An index that was not used for long: what is still on its way in has the old one."""
        self._last = (self._last + 1) % INDEXES
        while self._last in self.ledger.there or self._last in self.ledger.doubtful:
            self._last = (self._last + 1) % INDEXES
        return self._last

    def delete(self, handle: Handle) -> None:
        """Nothing of the key stays, as soon as somebody answers. `Misuse` for an SA that is not there."""
        self._command(handle)
        self.ledger.remove(handle.index)

    def has(self, handle: Handle) -> bool:
        """Whether it is in the device, as far as anybody knows: a reset may have cost it, where trust is gone."""
        return handle.index in self.ledger.there and handle.index not in self.ledger.missing

    def _command(self, handle: Handle) -> Command:
        command = self.ledger.there.get(handle.index)
        if command is None or command.outbound != (handle.direction == "out"):
            raise Misuse(f"no SA {handle.direction} {handle.index}")
        return command

    # ------------------------------------------------------------------------------------------------------------ packets

    def send(self, packet: bytes, handle: Handle | None, to: bytes) -> None:
        """An IP packet to a neighbour's address. With a handle it has ESP header, IV, plaintext, trailer and blank ICV."""
        head = to + self.mac + ETHERTYPE[ip.version(packet)]
        if handle is None:
            self.queues.send(head + packet, PLAIN)
            return
        self._command(handle)
        if not self.has(handle):
            return  # better lost than in the clear
        next_header, padding = packet[-ICV - 1], packet[-ICV - 2]
        self.queues.send(head + packet[: -ICV - 2 - padding], tx_word(next_header))

    def received(self) -> list[Received]:
        """What has come since the last time, in order."""
        self.queues.poll()
        frames, self.queues.frames = self.queues.frames, []
        return [one for frame in frames if (one := self._received(frame)) is not None]

    def _received(self, frame: bytes) -> Received | None:
        parts = without_word(frame)
        if parts is None or parts[0][TYPE] not in ETHERTYPE.values():
            self.strange += 1
            return None
        packet, found = parts[0][_ETHERNET:], read_rx_word(parts[1])
        if not found.met:
            return Received(packet, None, found)
        command = self.ledger.there.get(found.index)
        if command is None or command.outbound:
            return Received(packet, None, found)
        return Received(packet, Handle("in", found.index), found)

    # ------------------------------------------------------------------------------------------------------ a VF's mailbox

    def _post(self, body: bytes) -> None:
        self._mac.post(self.number, body)

    def _take(self) -> list[bytes]:
        box = self._mac.functions[self.number].to_vf
        found = list(box)
        box.clear()
        return found
