"""Devices with a function for a stack, and with neighbours who make its life hard.

    alone     a device with two ports, PFs only; what the second one has differs in the port alone
    tenant    a trusted VF of four. One has its address in another VLAN, one takes all of the table that it gets and sends
              what comes (so that it comes by the hairpin), one is not trusted and forges

Whoever takes one function's SAs, frames or room for another's is seen in the packets and numbers of the first.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Literal

from espproof.reference.offload.api import Refused
from espproof.reference.offload.fortville.device import Fortville
from espproof.reference.offload.fortville.driver import Driver, Handle, OffloadedSa
from espproof.reference.offload.fortville.mac import LONGEST, MAILBOX
from espproof.reference.offload.fortville.messages import CONTROL, METADATA, WORD, Command, Domain, Operation, tx_word
from espproof.reference.offload.fortville.pf import AGENT_MAC, Pf
from espproof.reference.offload.fortville.port import FortvillePort


@dataclass(frozen=True, slots=True)
class Machine:
    """`make` puts it together; `most` SAs of each direction there is always room for."""

    make: Callable[[], FortvillePort]
    most: int


_DOMAINS = [
    Domain(bytes.fromhex("0257100000") + bytes((last,)), vlan)
    for last, vlan in ((1, 0), (2, 5), (2, 6), (3, 5), (4, 5))
]
_ETHERTYPE = b"\x08\x00"
_MANY, _FEW = 256, 8
_SPARE = 8
"""Entries of a tenant's table beyond all shares, of each direction."""


class _Twin:
    """Has, in its own domain, an SA with another key for each one of its neighbour's."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self._sas: dict[Handle, Handle] = {}

    def added(self, handle: Handle, sa: OffloadedSa) -> None:
        self._sas[handle] = self._driver.add(replace(sa, key=bytes(octet ^ 0xA5 for octet in sa.key)))

    def deleted(self, handle: Handle) -> None:
        self._driver.delete(self._sas.pop(handle))


class _Forger:
    """Is not trusted, and asks for what it may not: by mailbox, by control frames, by metadata."""

    def __init__(self, device: Fortville, driver: Driver) -> None:
        self._device, self._driver = device, driver

    def added(self, handle: Handle, sa: OffloadedSa) -> None:
        mac, port = self._driver.mac, self._driver.pf.port
        away = Command(Operation.REMOVE_ALL, port).octets(0xFFFF)
        self._driver.queues.send(AGENT_MAC + mac + CONTROL + away, control=True)
        self._driver.queues.send(AGENT_MAC + mac + METADATA + bytes(WORD) + CONTROL + away)
        self._driver.queues.send(AGENT_MAC + mac + _ETHERTYPE + bytes(60), tx_word(17))
        for _ in range(2 * MAILBOX):
            self._device.macs[port].post(self._driver.number, away)

    def deleted(self, handle: Handle) -> None:
        """Nothing."""


def _fill(device: Fortville, greedy: Driver, direction: Literal["in", "out"]) -> None:
    """SAs, as long as there come to be more of them."""
    taken = -1
    with suppress(Refused):
        while device.agent.taken > taken:
            taken = device.agent.taken
            greedy.add(OffloadedSa(direction, 256 + taken, bytes(16), bytes(15) + b"k", bytes(4)))


def alone() -> FortvillePort:
    """The PF of the first of two ports."""
    device = Fortville(ports=2)
    pfs = [Pf(device, port, _DOMAINS[0], _MANY) for port in range(2)]
    for pf in pfs:
        pf.start()
    mine, other = (Driver(device, pf) for pf in pfs)
    return FortvillePort(device, mine, _DOMAINS[0], [other], [_Twin(other)])


def tenant() -> FortvillePort:
    """The first of four VFs."""
    device = Fortville(functions=len(_DOMAINS), pool=2 * (_FEW * len(_DOMAINS) + _SPARE))
    pf = Pf(device, 0, _DOMAINS[0], _FEW)
    pf.start()
    drivers = []
    for number, domain in enumerate(_DOMAINS[1:], start=1):
        pf.give(number, domain, trusted=number < len(_DOMAINS) - 1)
        drivers.append(Driver(device, pf, number))
        drivers[-1].start()
        device.wait(1)
    mine, twin, greedy, forger = drivers
    _fill(device, greedy, "in")
    _fill(device, greedy, "out")

    def enter(packet: bytes) -> None:
        if len(packet) <= LONGEST + len(_ETHERTYPE):  # no frame is longer
            greedy.queues.send(mine.mac + greedy.mac + packet)

    return FortvillePort(device, mine, _DOMAINS[1], drivers[1:], [_Twin(twin), _Forger(device, forger)], enter)


MACHINES = {"": Machine(alone, _MANY), "vf": Machine(tenant, _FEW)}
"""By variant of the adapter."""
