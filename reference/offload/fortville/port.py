"""A function of the device with its driver, as the stack sees it: what the two together can do of an SA, and what not."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Protocol

from espproof.reference import ip
from espproof.reference.offload.api import Arrived, Dead, Done, Refused
from espproof.reference.offload.fortville.device import Fortville
from espproof.reference.offload.fortville.driver import ETHERTYPE, Driver, Handle, OffloadedSa, Received
from espproof.reference.offload.fortville.mac import LONGEST
from espproof.reference.offload.fortville.messages import VLAN, Domain
from espproof.reference.offload.rules import Breaches
from espproof.reference.sa import SecurityAssociation

MAX_PACKET = 9000
"""Octets of an IP packet before it is protected; all that is added stays within the longest frame."""
CIPHER = "ENCR_AES_GCM_16"
KEY_SIZES = (16, 32)
"""In octets: what the agent has."""
PEER = bytes.fromhex("0257100000ee")
"""The next hop."""
_RESETS = 16


class Neighbour(Protocol):
    """Who has another function of the device, and does something of his own while this one's SAs come and go."""

    def added(self, handle: Handle, sa: OffloadedSa) -> None: ...

    def deleted(self, handle: Handle) -> None: ...


class FortvillePort:
    """One function of a device. `others` are the drivers of all others, for the accounting; `neighbours` know of the SAs;
    `enter` brings a packet with its Ethernet type to the device, from the wire if it is not given."""

    def __init__(
        self,
        device: Fortville,
        driver: Driver,
        domain: Domain,
        others: Sequence[Driver],
        neighbours: Sequence[Neighbour] = (),
        enter: Callable[[bytes], None] | None = None,
    ) -> None:
        self.device, self.driver, self._domain = device, driver, domain
        self._others, self._neighbours = others, neighbours
        self._port = driver.pf.port
        self._enter = enter or self._from_the_wire
        self.next_hop = PEER

    def _from_the_wire(self, packet: bytes) -> None:
        tag = VLAN + self._domain.vlan.to_bytes(2, "big") if self._domain.vlan else b""
        self.device.arrive(self._port, self._domain.mac + PEER + tag + packet)

    @property
    def longest(self) -> int:
        return LONGEST

    # ------------------------------------------------------------------------------------------------------ accounting

    @property
    def entries(self) -> int:
        """SAs that the agent has, by what it has itself, less those that drivers of other functions have."""
        return self.device.agent.taken - sum(len(one.ledger.there) for one in self._others)

    @property
    def left(self) -> int:
        """Octets of keys and salts in the agent's table that are of no SA which a driver has, and in buffers of control
        frames."""
        drivers = (self.driver, *self._others)
        known = {(command.key, command.salt) for one in drivers for command in one.ledger.there.values()}
        strange = [one.key + one.salt for one in self.device.agent.slots if (one.key, one.salt) not in known]
        buffers = {id(queues): queues for one in drivers for queues in (one.queues, one.pf.queues)}
        return sum(octet != 0 for octet in b"".join(strange)) + sum(one.left for one in buffers.values())

    @property
    def breaches(self) -> Breaches:
        return self.device.breaches

    def reset(self) -> None:
        """What does not answer is asked again, as long as it is to be lost."""
        for _ in range(_RESETS):
            with suppress(Dead):
                self.driver.reset()
                return
        raise Dead("the device cannot be brought back")

    def befalls(self, event: str) -> None:
        """`request-lost`, `answer-lost`, `answer-late`: the next control frame, or what answers it."""
        self.device.agent.faults[event] += 1

    def calm(self) -> None:
        self.device.agent.faults.clear()

    # ----------------------------------------------------------------------------------------- what the stack asks for

    def add(self, sa: SecurityAssociation) -> Handle:
        if sa.encr != CIPHER:
            raise Refused(f"{sa.encr}: the agent has AES-GCM with an ICV of 16 octets")
        if sa.esn:
            raise Refused("extended sequence numbers: metadata have no room for their high half")
        if sa.udp is not None:
            raise Refused("UDP encapsulation: the agent looks for ESP behind the IP header")
        one = OffloadedSa(sa.direction, sa.spi, sa.destination.packed, sa.encr_key, sa.salt)
        handle = self.driver.add(one)
        for neighbour in self._neighbours:
            neighbour.added(handle, one)
        return handle

    def delete(self, handle: Handle) -> None:
        self.driver.delete(handle)
        for neighbour in self._neighbours:
            neighbour.deleted(handle)

    def has(self, handle: Handle) -> bool:
        return self.driver.has(handle)

    def takes(self, packet: bytes) -> bool:
        """No IPv4 options, no IPv6 extension headers, no fragment, and not too long."""
        if len(packet) > MAX_PACKET:
            return False
        if len(packet) >= ip.IPV6_HEADER_SIZE and packet[0] >> 4 == 6:
            return packet[6] not in ip.EXTENSION_HEADERS
        return packet[:1] == b"\x45" and len(packet) >= ip.IPV4_HEADER_SIZE and not _is_fragment(packet)

    def advance(self, handle: Handle, bottom: int) -> None:
        """No SA of the agent has extended numbers."""

    def send(self, packet: bytes, handle: Handle | None, sequence: int = 0) -> list[bytes]:
        self.device.taken(self._port)
        self.driver.send(packet, handle, self.next_hop)
        front = 12 + 2 + (4 if self._domain.vlan else 0)
        return [frame[front:] for frame in self.device.taken(self._port)]

    def set_link(self, up: bool) -> None:
        """What is sent while it is down is lost: nobody between keeps it."""
        self.device.links[self._port] = up

    def arrive(self, packet: bytes) -> list[Arrived]:
        self._enter(ETHERTYPE.get(packet[0] >> 4 if packet else 0, ETHERTYPE[4]) + packet)
        return [_arrived(one) for one in self.driver.received()]


def _is_fragment(packet: bytes) -> bool:
    return bool(int.from_bytes(packet[6:8], "big") & 0x3FFF)


def _arrived(one: Received) -> Arrived:
    found = one.found
    if one.handle is None:
        return Arrived(one.packet, Done.NOTHING)
    done = Done.OPENED if found.decrypted else Done.FORGED if found.forged else Done.UNREADABLE
    return Arrived(one.packet, done, one.handle)
