"""One device: an agent, the MACs of its ports, the wires behind, and time, which nothing but `wait` moves."""

from typing import Protocol

from espproof.reference.offload.fortville.agent import POOL, Agent
from espproof.reference.offload.fortville.mac import Mac
from espproof.reference.offload.memory import Arena
from espproof.reference.offload.rules import Breaches

_MEMORY = 1 << 20
"""Octets: what is given back is taken again by what has the same length."""


class Busy(Protocol):
    """Whose turn comes while time passes."""

    def serve(self) -> None: ...


class Fortville:
    """`wires` has of each port what has left and nobody has taken; a link that is down takes nothing, either way.

    Whoever else has to do something while time passes (a PF that reads mailboxes) is in `others`.
    """

    def __init__(self, ports: int = 1, functions: int = 4, pool: int = POOL) -> None:
        self.agent = Agent(pool)
        self.wires: list[list[bytes]] = [[] for _ in range(ports)]
        self.links = [True] * ports
        self.macs = [self._port(number, functions) for number in range(ports)]
        self.others: list[Busy] = []

    def _port(self, number: int, functions: int) -> Mac:
        mac = Mac(lambda frame: self.agent.from_mac(number, frame), self.agent.breaches, functions)
        self.agent.attach(mac.from_agent, lambda frame: self._leave(number, frame))
        return mac

    def _leave(self, port: int, frame: bytes) -> None:
        if self.links[port]:
            self.wires[port].append(frame)

    def arrive(self, port: int, frame: bytes) -> None:
        """From the wire, without CRC."""
        if self.links[port]:
            self.agent.from_wire(port, frame)

    def taken(self, port: int) -> list[bytes]:
        """What has left by a port since the last time."""
        found, self.wires[port] = self.wires[port], []
        return found

    def reset_mac(self, port: int) -> None:
        self.macs[port].reset()
        self.agent.reset_mac(port)

    def wait(self, microseconds: int) -> None:
        self.agent.tick(microseconds)
        for one in self.others:
            one.serve()

    @property
    def breaches(self) -> Breaches:
        """What any driver has done against the rules."""
        return self.agent.breaches

    @staticmethod
    def memory() -> Arena:
        """What a host lends to one function."""
        return Arena(_MEMORY)
