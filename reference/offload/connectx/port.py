"""A port of the device with its driver, as the stack sees it: what the two together can do of an SA, and what not."""

from espproof.reference import ip
from espproof.reference.offload.api import Arrived, Done, Refused
from espproof.reference.offload.connectx.device import (
    CONNECTX6,
    ETHERNET,
    ETHERTYPE,
    ICV,
    LARGEST,
    ConnectX,
    Personality,
)
from espproof.reference.offload.connectx.driver import Driver, OffloadedSa, Received
from espproof.reference.offload.rules import Breaches
from espproof.reference.sa import SecurityAssociation

MAX_PACKET = 9000
"""Octets of an IP packet before it is protected; all that is added stays within `LARGEST`."""
CIPHERS = {"ENCR_AES_GCM_16": (16, 32)}
"""Key sizes in octets."""


class ConnectXPort:
    """Device and driver."""

    def __init__(self, personality: Personality = CONNECTX6) -> None:
        self._wire: list[bytes] = []
        self.device = ConnectX(self._wire.append, personality)
        self.driver = Driver(self.device)

    @property
    def longest(self) -> int:
        return LARGEST

    @property
    def entries(self) -> int:
        return len(self.device.objects)

    @property
    def left(self) -> int:
        device, driver = self.device, self.driver
        keys = [key for number, key in device.keys.items() if not driver.has_key(number)]
        salts = [one.salt for number, one in device.objects.items() if not driver.has(number)]
        rules = sum(not driver.has(rule.object) for rule in device.rules.values())
        return sum(map(len, keys)) + sum(map(len, salts)) + rules

    @property
    def breaches(self) -> Breaches:
        return self.device.breaches

    def reset(self) -> None:
        self.driver.reset()

    def set_link(self, up: bool) -> None:
        self.device.link = up

    def befalls(self, event: str) -> None:
        """`work-waits`: the device is not told of half windows, until `work-done`."""
        self.driver.works = event == "work-done"
        self.driver.work()

    def calm(self) -> None:
        self.befalls("work-done")

    # ----------------------------------------------------------------------------------------- what the stack asks for

    def add(self, sa: SecurityAssociation) -> int:
        if len(sa.encr_key) not in CIPHERS.get(sa.encr, ()):
            raise Refused(f"{sa.encr} with {len(sa.encr_key) * 8} bits: the device has AES-GCM with 128 and 256")
        if sa.udp is not None:
            raise Refused("UDP encapsulation: the device has it with packet offload alone")
        return self.driver.add(
            OffloadedSa(sa.direction, sa.spi, sa.destination.packed, sa.encr_key, sa.salt, esn=sa.esn)
        )

    def delete(self, handle: int) -> None:
        self.driver.delete(handle)

    def has(self, handle: int) -> bool:
        """Each that was added, whatever has befallen it."""
        return True

    def advance(self, handle: int, bottom: int) -> None:
        self.driver.advance(handle, bottom)

    def takes(self, packet: bytes) -> bool:
        """No IPv4 options, no IPv6 extension headers (mlx5e_ipsec_offload_ok)."""
        if len(packet) >= ip.IPV6_HEADER_SIZE and packet[0] >> 4 == 6:
            return packet[6] not in ip.EXTENSION_HEADERS
        return packet[:1] == b"\x45"

    def send(self, packet: bytes, handle: int | None, sequence: int = 0) -> list[bytes]:
        self.driver.send(packet, handle, sequence)
        left = [frame[ETHERNET:] for frame in self._wire]
        self._wire.clear()
        return left

    def arrive(self, packet: bytes) -> list[Arrived]:
        version = packet[0] >> 4 if packet else 0
        frame = bytes(12) + ETHERTYPE.get(version, ETHERTYPE[4]) + packet
        return [_arrived(self.driver.received(one, packet)) for one in self.device.arrive(frame)]


def _arrived(one: Received) -> Arrived:
    if one.handle is None:
        return Arrived(one.packet, Done.NOTHING)
    packet = one.packet if one.next_header is None else _with_trailer(one.packet, one.next_header)
    return Arrived(packet, Done.OPENED if one.right else Done.FORGED, one.handle, one.high)


def _with_trailer(packet: bytes, next_header: int) -> bytes:
    """What the device has cut off, for a stack that expects it: without padding, and with a blank ICV."""
    return ip.with_length(packet + bytes((0, next_header)) + bytes(ICV))
