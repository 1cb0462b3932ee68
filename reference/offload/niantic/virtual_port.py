"""A virtual function of the chip with its driver, as the stack sees it; beside it on the chip are others.

    0   ours, trusted
    1   trusted too: has an SA with the SPI of each of ours, for another address and under another key. It asks for one
        that is like ours, and that ours be deleted
    2   not trusted: it asks for an SA, and that ours be deleted

What one of them gets, that it should not, is seen in packets, or by what is left in the chip.
"""

from contextlib import suppress
from dataclasses import replace

from espproof.reference.errors import Misuse
from espproof.reference.offload.api import Arrived, Refused
from espproof.reference.offload.niantic import registers as r
from espproof.reference.offload.niantic.device import X550, Personality
from espproof.reference.offload.niantic.driver import ETHERNET, ETHERTYPE, Driver, OffloadedSa
from espproof.reference.offload.niantic.pf import QUEUES, Pf
from espproof.reference.offload.niantic.port import Around, arrived
from espproof.reference.offload.niantic.rings import PHYSICAL
from espproof.reference.offload.niantic.tables import SAS, Handle
from espproof.reference.offload.niantic.vf import VirtualDriver
from espproof.reference.sa import SecurityAssociation

CIPHER = "ENCR_AES_GCM_16"
"""The one that the mailbox's messages are about."""
MOST = SAS // 2
"""Inbound SAs: for each there is one of the neighbour's."""
_ADDRESSES = [bytes.fromhex("0282599001") + bytes((n,)) for n in range(3)]
_MINE, _TWIN, _STRANGER = range(3)
_ANSWER = 3
"""Words of the longest answer."""
_ELSEWHERE = {4: bytes((198, 51, 100, 98)), 16: bytes.fromhex("20010db8000000000000000000990098")}
_NOWHERE = {4: bytes((198, 51, 100, 99)), 16: bytes.fromhex("20010db8000000000000000000990099")}
"""Where the twin's SAs end, and the stranger's would."""


class _Bus:
    """What a function's driver sees of the chip; while it waits, the PF's driver has its turn."""

    def __init__(self, port: "VirtualPort", number: int) -> None:
        self._port, self._function = port, port.chip.functions[number]

    def read(self, offset: int) -> int:
        return self._function.read(offset)

    def write(self, offset: int, word: int) -> None:
        self._function.write(offset, word)

    def wait(self, microseconds: int) -> None:
        self._port.wait(microseconds)
        self._port.pf.serve()


class VirtualPort(Around):
    """Chip, drivers and the memory between them, started."""

    def __init__(self, personality: Personality = X550) -> None:
        super().__init__(personality)
        driver = Driver(self, self.memory, PHYSICAL.queue(len(_ADDRESSES) * QUEUES))
        self.pf = Pf(self, driver, _ADDRESSES, frozenset((_MINE, _TWIN)))
        self.pf.start()
        self._drivers = [VirtualDriver(_Bus(self, number), self.memory) for number in range(len(_ADDRESSES))]
        for one in self._drivers:
            one.start()
        self.driver, self._twin, self._stranger = self._drivers
        self._pairs: dict[Handle, Handle] = {}
        self._resets = 0

    # ------------------------------------------------------------------------------------------------------ accounting

    @property
    def entries(self) -> int:
        """SAs that the tables hold, by what the chip itself has, but for those of the twin that it may have."""
        return super().entries - sum(self._twin.has(pair) for pair in self._pairs.values())

    @property
    def left(self) -> int:
        """And octets in mailboxes behind what an answer has."""
        words = (n for n in range(len(self._drivers) * r.MAILBOX) if n % r.MAILBOX >= _ANSWER)
        octets = b"".join(self.chip.values.word(r.PFMBMEM, n).to_bytes(4, "big") for n in words)
        return super().left + sum(octet != 0 for octet in octets)

    def _is_known(self, direction: str, index: int) -> bool:
        owners = (entry.place for one in self._drivers for entry in one.sas.values())
        return direction == "in" and index in owners

    def reset(self) -> None:
        """The whole chip, whose functions all come back, or, every other time in a case, ours alone."""
        self._resets += 1
        if self._resets % 2:
            self._reset_all()
        else:
            self.driver.reset()

    def _reset_all(self) -> None:
        self.pf.reset()
        for one in self._drivers:
            one.reset()

    def calm(self) -> None:
        """A function is given out anew, and finds nothing of whoever had it before."""
        self._resets = 0
        if not self.driver.sas and (self.entries or self.left):
            for one in self._drivers:
                for index in list(one.sas):
                    one.delete(Handle("in", index))
            self._reset_all()

    # ----------------------------------------------------------------------------------------- what the stack asks for

    def add(self, sa: SecurityAssociation) -> Handle:
        if sa.encr != CIPHER or len(sa.encr_key) != 16:
            raise Refused(f"{sa.encr} with {len(sa.encr_key) * 8} bits: the PF is asked for AES-128-GCM")
        if sa.esn:
            raise Refused("extended sequence numbers: the chip does not know their high half")
        if sa.udp is not None:
            raise Refused("UDP encapsulation: the chip looks for ESP behind the IP header")
        if sa.direction == "out":
            raise Refused("the PF takes no outbound SAs of functions")
        one = OffloadedSa(sa.direction, sa.spi, sa.destination.packed, sa.encr_key, sa.salt)
        handle = self.driver.add(one)
        key = bytes(octet ^ 0xA5 for octet in one.key)
        with suppress(Refused):
            self._pairs[handle] = self._twin.add(replace(one, address=_ELSEWHERE[len(one.address)], key=key))
        self._must_be_refused(one, handle)
        return handle

    def _must_be_refused(self, one: OffloadedSa, handle: Handle) -> None:
        """What nobody gets from a PF that looks who asks."""
        place = self.driver.sas[handle.index].place
        assert place is not None
        for driver, address in ((self._twin, one.address), (self._stranger, _NOWHERE[len(one.address)])):
            with suppress(Refused):
                driver.add(replace(one, address=address, key=bytes(octet ^ 0x5A for octet in one.key)))
            with suppress(Refused):
                driver.ask_to_delete(place)

    def delete(self, handle: Handle) -> None:
        self.driver.delete(handle)
        if (pair := self._pairs.pop(handle, None)) is not None:
            self._twin.delete(pair)

    def has(self, handle: Handle) -> bool:
        return self.driver.has(handle)

    def advance(self, handle: Handle, bottom: int) -> None:
        """No SA of the chip has extended numbers."""

    def send(self, packet: bytes, handle: Handle | None, sequence: int = 0) -> list[bytes]:
        """`Misuse` with a handle: no SA of a function is outbound."""
        if handle is not None:
            raise Misuse(f"{handle} is no outbound SA")
        self.driver.send(packet)
        return self.left_by_wire()

    def arrive(self, packet: bytes) -> list[Arrived]:
        version = packet[0] >> 4 if packet else 0
        frame = self.driver.mac + bytes(ETHERNET - 8) + ETHERTYPE.get(version, ETHERTYPE[4]) + packet
        self.chip.arrive(frame)
        return [arrived(one) for one in self.driver.received()]
