"""A port of the chip with its driver, as the stack sees it: what the two together can do of an SA, and what not.

Around        the chip, the host's memory, the bus, and the accounting
NianticPort   all of the chip in one hand
"""

from abc import ABC, abstractmethod

from espproof.reference import ip
from espproof.reference.errors import Misuse
from espproof.reference.offload.api import Arrived, Done, Refused
from espproof.reference.offload.memory import Arena
from espproof.reference.offload.niantic import registers as r
from espproof.reference.offload.niantic.descriptors import AUTHENTICATION_FAILED, NO_ERROR
from espproof.reference.offload.niantic.device import X550, Niantic, Personality
from espproof.reference.offload.niantic.driver import ETHERNET, ETHERTYPE, Driver, OffloadedSa, Received
from espproof.reference.offload.niantic.rules import LARGEST_FRAME as LARGEST
from espproof.reference.offload.niantic.tables import SAS, Handle
from espproof.reference.offload.rules import Breaches
from espproof.reference.sa import SecurityAssociation

MAX_PACKET = 9000
"""Octets of an IP packet before it is protected; all that is added stays within the next."""
_MEMORY = 1 << 20
MOST = SAS
"""SAs of each direction."""
CIPHERS = {"ENCR_AES_GCM_16": True, "ENCR_NULL_AUTH_AES_GMAC": False}
"""What the chip has, and whether it encrypts."""
_KEY_REGISTERS = (r.IPSTXKEY, r.IPSTXSALT, r.IPSRXKEY, r.IPSRXSALT)


class Around(ABC):
    """A chip, its wire, the memory that the host lends, and the bus of whose driver has the tables. `wait` moves time at
    the chip, nothing else does."""

    def __init__(self, personality: Personality) -> None:
        self.memory = Arena(_MEMORY)
        self._wire: list[bytes] = []
        self.chip = Niantic(self.memory, self._wire.append, personality)

    # ------------------------------------------------------------------------------------------------ the driver's bus

    def read(self, offset: int) -> int:
        return self.chip.read(offset)

    def write(self, offset: int, word: int) -> None:
        self.chip.write(offset, word)

    def wait(self, microseconds: int) -> None:
        self.chip.now += microseconds

    @property
    def longest(self) -> int:
        return LARGEST - ETHERNET

    # ------------------------------------------------------------------------------------------------------ accounting

    @property
    def entries(self) -> int:
        """SAs that the tables hold, by what the chip itself has: an outbound one by its key, which is never zero."""
        tables = self.chip.tables
        return sum(any(one.key) for one in tables.tx) + sum(one.valid for one in tables.keys)

    @abstractmethod
    def _is_known(self, direction: str, index: int) -> bool:
        """Whether a driver has an SA at that place."""

    @property
    def left(self) -> int:
        """Octets of keys and salts in tables, bounce registers and entries that are searched (SPIs, addresses), which are
        of no SA that a driver has."""
        tables = self.chip.tables
        strange = [one.key + one.salt for index, one in enumerate(tables.tx) if not self._is_known("out", index)]
        known = {index for index in range(len(tables.keys)) if self._is_known("in", index)}
        used = {tables.spis[index].address for index in known}
        strange += [one.key + one.salt for index, one in enumerate(tables.keys) if index not in known]
        strange += [one.spi for index, one in enumerate(tables.spis) if index not in known]
        strange += [one for slot, one in enumerate(tables.addresses) if slot not in used]
        strange += [
            self.chip.values.word(row, n).to_bytes(4, "big") for row in _KEY_REGISTERS for n in range(row.copies)
        ]
        return sum(octet != 0 for octet in b"".join(strange))

    @property
    def breaches(self) -> Breaches:
        return self.chip.breaches

    # ----------------------------------------------------------------------------------------- what the stack asks for

    def takes(self, packet: bytes) -> bool:
        """No IPv4 options, no IPv6 extension headers, and not too long (X550 7.13.3, 7.13.2.2)."""
        if len(packet) > MAX_PACKET:
            return False
        if len(packet) >= ip.IPV6_HEADER_SIZE and packet[0] >> 4 == 6:
            return packet[6] not in ip.EXTENSION_HEADERS
        return packet[:1] == b"\x45"

    def left_by_wire(self) -> list[bytes]:
        """IP packets that have left since the last time."""
        left = [frame[ETHERNET:] for frame in self._wire]
        self._wire.clear()
        return left

    def set_link(self, up: bool) -> None:
        """What waited for the link leaves unseen: nobody has asked for it now."""
        self.chip.set_link(up)
        self._wire.clear()

    def befalls(self, event: str) -> None:
        """`Misuse`: nothing else can."""
        raise Misuse(f"{event} does not befall this chip")


class NianticPort(Around):
    """With the driver of the one that has the whole chip, started."""

    def __init__(self, personality: Personality = X550) -> None:
        super().__init__(personality)
        self.driver = Driver(self, self.memory)
        self.driver.start()

    def _is_known(self, direction: str, index: int) -> bool:
        return self.driver.has(direction, index)

    def advance(self, handle: Handle, bottom: int) -> None:
        """No SA of the chip has extended numbers."""

    def calm(self) -> None:
        """Nothing is to come."""

    def reset(self) -> None:
        self.driver.reset()

    def add(self, sa: SecurityAssociation) -> Handle:
        if sa.encr not in CIPHERS or len(sa.encr_key) != 16:
            raise Refused(f"{sa.encr} with {len(sa.encr_key) * 8} bits: the chip has AES-128-GCM and GMAC")
        if sa.esn:
            raise Refused("extended sequence numbers: the chip does not know their high half")
        if sa.udp is not None:
            raise Refused("UDP encapsulation: the chip looks for ESP behind the IP header")
        if sa.mode == "tunnel" and sa.direction == "out":
            raise Refused("tunnel mode is not sent by the chip")
        address = sa.destination.packed
        return self.driver.add(
            OffloadedSa(sa.direction, sa.spi, address, sa.encr_key, sa.salt, encrypt=CIPHERS[sa.encr])
        )

    def delete(self, handle: Handle) -> None:
        self.driver.delete(handle)

    def has(self, handle: Handle) -> bool:
        return self.driver.has(handle.direction, handle.index)

    def send(self, packet: bytes, handle: Handle | None, sequence: int = 0) -> list[bytes]:
        self.driver.send(packet, handle)
        return self.left_by_wire()

    def arrive(self, packet: bytes) -> list[Arrived]:
        version = packet[0] >> 4 if packet else 0
        self.chip.arrive(bytes(12) + ETHERTYPE.get(version, ETHERTYPE[4]) + packet)
        return [arrived(one) for one in self.driver.received()]


def arrived(one: Received) -> Arrived:
    """In the words of the stack."""
    return Arrived(one.packet, _done(one.handle, one.error), one.handle)


def _done(handle: Handle | None, error: int) -> Done:
    if handle is None:
        return Done.NOTHING
    if error == NO_ERROR:
        return Done.OPENED
    return Done.FORGED if error == AUTHENTICATION_FAILED else Done.UNREADABLE
