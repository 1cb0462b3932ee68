"""The driver of a port: it alone talks to the agent, for itself and for its VFs, and knows whose each SA is.

    VF ── mailbox ──► PF ── control frame ──► agent
         who may?         ledger: function, index ──► command

A VF says direction, SPI, destination, key and its own index; port and domain are the PF's to say, so that nobody can have
SAs of another's domain. Only trusted VFs are served. When a VF dies, is taken away, or loses trust, its SAs are removed,
and before a function is given out there is nothing of whoever had it before; if the agent does not answer, it is not given
out. Each function has a share of the table; beyond it an SA is taken as long as the shares of the others are kept.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

from espproof.reference.errors import Malformed, Misuse
from espproof.reference.offload.api import Dead, Refused
from espproof.reference.offload.fortville.device import Fortville
from espproof.reference.offload.fortville.ledger import Declined, Exchange, Ledger
from espproof.reference.offload.fortville.mac import PF, Switch
from espproof.reference.offload.fortville.messages import (
    CONTROL,
    SALT_AT,
    Command,
    Domain,
    Operation,
    Status,
    answer_to,
    read_command,
)
from espproof.reference.offload.fortville.queues import Queues

AGENT_MAC = bytes.fromhex("0257100000a9")
"""Whom control frames are for; assumed, as is that he looks at their type alone."""
Row = tuple[int, int]
"""A function, and its index of an SA."""


class Pf:
    """Of one port of a device, from `start` on. `share` SAs of each direction a function can have, whatever
    others do."""

    def __init__(self, device: Fortville, port: int, domain: Domain, share: int) -> None:
        self._device, self.port, self.domain, self._share = device, port, domain, share
        self._mac = device.macs[port]
        self.queues = Queues(self._mac, PF, device.memory())
        self.vfs: dict[int, tuple[Domain, bool]] = {}
        """Functions that are given out: what they are, and whether they are trusted."""
        self._exchange = Exchange(self._post, self._take, device.wait)
        self.ledger: Ledger[Row] = Ledger(self._exchange)
        self._gone: list[Domain] = []
        """Whose address the agent may still turn round for."""
        self._busy = False
        self._answers: dict[int, tuple[bytes, bytes]] = {}
        """Of each VF its last message, without salt and key, and the answer: one that comes twice is carried out once."""
        device.others.append(self)

    # ------------------------------------------------------------------------------------------------- life of the port

    def start(self) -> None:
        """From power on, or after a driver before this one, of whose SAs nothing stays. `Dead` if the agent is."""
        self._device.reset_mac(self.port)
        self._mac.configure(PF, self.domain, trusted=True)
        self.queues.start()
        self._ask(Command(Operation.REMOVE_ALL))
        self._ask(Command(Operation.ADD_LOCAL, domain=self.domain))

    def reset(self) -> None:
        """The MAC anew; all functions are what they were, and the agent has the SAs that it had. VFs start their queues
        themselves. `Dead` if the agent does not answer: then again."""
        self._device.reset_mac(self.port)
        self._mac.configure(PF, self.domain, trusted=True)
        self.queues.start()
        for number, (domain, trusted) in self.vfs.items():
            self._mac.configure(number, domain, trusted=trusted)
        self._answers.clear()
        self._gone.clear()
        with self._alone():
            self.ledger.restore(Command(Operation.REMOVE_ALL, self.port))
        for domain in (self.domain, *(domain for domain, _ in self.vfs.values())):
            self._ask(Command(Operation.ADD_LOCAL, domain=domain))

    def stop(self) -> None:
        """The driver dies: it does nothing any more."""
        self._device.others.remove(self)
        self.queues.stop()

    def set_switch(self, switch: Switch) -> None:
        """`Refused` for VEB while SAs protect packets that it would hand over in the clear."""
        if switch is Switch.VEB and any(command.outbound for command in self.ledger.there.values()):
            raise Refused("there are outbound SAs, whose packets VEB would keep from the agent")
        self._mac.switch = switch

    # ---------------------------------------------------------------------------------------------------------------- VFs

    def give(self, number: int, domain: Domain, *, trusted: bool) -> None:
        """A function for a VM. `Misuse` if somebody has it, or the domain; `Dead` if what was there before is still in the
        agent: then nobody gets it."""
        taken = [self.domain, *(one for one, _ in self.vfs.values())]
        if not PF < number < len(self._mac.functions) or number in self.vfs or domain in taken:
            raise Misuse(f"function {number} or {domain} is somebody's, or not there")
        with self._alone():
            self._forget(number)
            self.ledger.settle()
        self._tell_who_is_gone()
        self._ask(Command(Operation.ADD_LOCAL, domain=domain))
        self.vfs[number] = domain, trusted
        self._mac.configure(number, domain, trusted=trusted)

    def take_away(self, number: int) -> None:
        """The VM is gone. What the agent does not answer for now is done before the function is given out again."""
        domain, _ = self.vfs.pop(number)
        self._mac.disable(number)
        self._clear(number)
        self._gone.append(domain)
        with suppress(Dead):
            self._tell_who_is_gone()

    def _tell_who_is_gone(self) -> None:
        while self._gone:
            self._ask(Command(Operation.REMOVE_LOCAL, domain=self._gone[0]))
            del self._gone[0]

    def trust(self, number: int, trusted: bool) -> None:
        """The function is reset: a driver that went on asking for offload without trust would send in the clear. Its SAs
        are gone, until it asks anew."""
        domain, _ = self.vfs[number]
        self.vfs[number] = domain, trusted
        self._mac.reset_function(number)
        self._mac.configure(number, domain, trusted=trusted)
        self.serve()

    def _forget(self, number: int) -> None:
        self._answers.pop(number, None)
        self._clear(number)

    def _clear(self, number: int) -> None:
        with self._alone():
            for row in [row for row in self.ledger.there if row[0] == number]:
                self.ledger.remove(row)

    def serve(self) -> None:
        """VFs that have died, and one message of each VF: who floods his mailbox waits, and others do not."""
        if self._busy:
            return
        with self._alone():
            while self._mac.died:
                self._forget(self._mac.died.pop())
            for number in self.vfs:
                box = self._mac.functions[number].to_pf
                if box:
                    self._mac.reply(number, self._answer(number, box.popleft()))

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """While the agent is asked one thing nobody is served, who would ask for another in between."""
        busy, self._busy = self._busy, True
        try:
            yield
        finally:
            self._busy = busy

    def _answer(self, number: int, message: bytes) -> bytes:
        last, head = self._answers.get(number), message[:SALT_AT]
        if last is not None and last[0] == head:
            return last[1]
        try:
            command, _ = read_command(message)
            status = self.carry_out(number, command)
        except Malformed:
            status = Status.MALFORMED
        answer = answer_to(message, status)
        self._answers[number] = head, answer
        return answer

    # --------------------------------------------------------------------------------------------------------------- SAs

    def carry_out(self, number: int, command: Command) -> Status:
        """What a function asks for. Whatever it says of port and domain, they are its own."""
        domain, trusted = (self.domain, True) if number == PF else self.vfs[number]
        if not trusted:
            return Status.NOT_TRUSTED
        row = number, command.index
        try:
            with self._alone():
                return self._carry_out(row, command, domain)
        except Declined as reason:
            return reason.status
        except Dead:
            return Status.SILENT

    def _carry_out(self, row: Row, command: Command, domain: Domain) -> Status:
        if command.operation is Operation.ADD:
            return self._add(row, replace(command, port=self.port, domain=domain))
        self.ledger.settle()
        if command.operation is Operation.REMOVE:
            if row not in self.ledger.there:
                return Status.NO_SUCH
            self.ledger.remove(row)
            return Status.OK
        if command.operation is Operation.REMOVE_ALL:
            self._clear(row[0])
            return Status.OK
        return Status.UNKNOWN_OPERATION

    def _add(self, row: Row, command: Command) -> Status:
        if command.outbound and self._mac.switch is Switch.VEB:
            return Status.SWITCHED
        if not self._has_room(row[0], command.outbound):
            return Status.SHARE
        if row in self.ledger.there:
            return Status.EXISTS
        self.ledger.add(row, command)
        return Status.OK

    def _has_room(self, number: int, outbound: bool) -> bool:
        """Half of what the port has is for each direction."""
        held = dict.fromkeys((PF, *self.vfs), 0)
        for rows in (self.ledger.there, self.ledger.doubtful):
            for (one, _), command in rows.items():
                held[one] = held.get(one, 0) + (command.outbound is outbound)
        if held[number] < self._share:
            return True
        kept = sum(max(0, self._share - count) for one, count in held.items() if one != number)
        return sum(held.values()) + kept < len(self._device.agent.slots) // len(self._device.macs) // 2

    # ----------------------------------------------------------------------------------------------------------- the agent

    def _ask(self, command: Command) -> None:
        """Of this port. `Dead` if nobody answers, or not as he should."""
        with self._alone():
            status = self._exchange.ask(replace(command, port=self.port))
        if status is not Status.OK:
            raise Dead(f"{command.operation.name}: {status.name}")

    def _post(self, body: bytes) -> None:
        self.queues.send(AGENT_MAC + self.domain.mac + CONTROL + body, control=True)

    def _take(self) -> list[bytes]:
        self.queues.poll()
        found, self.queues.controls = [frame[14:] for frame in self.queues.controls], []
        return found
