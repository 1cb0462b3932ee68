"""What functions of one device may do to each other, each told as a scene; and that the scene sees the mistake.

A scene is a function that is right on the model as it is, and fails on a wrong twin: the same with one method changed.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from espproof.reference import ip
from espproof.reference.errors import Misuse
from espproof.reference.offload.api import Dead, Refused
from espproof.reference.offload.fortville.agent import Agent
from espproof.reference.offload.fortville.device import Fortville
from espproof.reference.offload.fortville.driver import ETHERTYPE, Driver, OffloadedSa
from espproof.reference.offload.fortville.ledger import Ledger
from espproof.reference.offload.fortville.mac import Function, Mac, Switch
from espproof.reference.offload.fortville.messages import Algorithm, Command, Domain, Operation, Status
from espproof.reference.offload.fortville.pf import Pf

KEY = bytes(range(16))
ADDRESS = bytes((192, 0, 2, 2))
DOMAINS = [Domain(bytes.fromhex("0257110000") + bytes((n,)), 5) for n in range(5)]
GROUP = bytes.fromhex("01005e000001")


class House:
    """A port with a PF and as many VFs as are asked for."""

    def __init__(self, *trusted: bool, pool: int = 96, share: int = 4) -> None:
        self.device = Fortville(functions=5, pool=pool)
        self.pf = Pf(self.device, 0, Domain(DOMAINS[0].mac), share)
        self.pf.start()
        self.own = Driver(self.device, self.pf)
        self.drivers = [self.given(number, one) for number, one in enumerate(trusted, start=1)]

    def given(self, number: int, trusted: bool = True) -> Driver:
        self.pf.give(number, DOMAINS[number], trusted=trusted)
        driver = Driver(self.device, self.pf, number)
        driver.start()
        self.device.wait(1)
        return driver

    @property
    def taken(self) -> int:
        return self.device.agent.taken


def sa(direction: Any = "out", spi: int = 0x1000, key: bytes = KEY) -> OffloadedSa:
    return OffloadedSa(direction, spi, ADDRESS, key, b"salt")


def blank(secret: bytes = b"secret..") -> bytes:
    """As a stack hands it over: everything but the cipher."""
    esp = (0x1000).to_bytes(4, "big") + bytes(12) + secret + bytes((1, 2, 2, 17)) + bytes(16)
    return ip.build_ipv4(bytes((192, 0, 2, 1)), ADDRESS, 50, esp)


def died(house: House) -> None:
    """A VM dies without a word: its SAs are gone as soon as the PF looks."""
    house.drivers[0].add(sa())
    house.device.macs[0].reset_function(1)
    house.device.wait(1)
    assert house.taken == 0


def taken_away_while_the_agent_is_silent(house: House) -> None:
    """Nobody gets the function while SAs of before are in the agent."""
    house.drivers[0].add(sa())
    house.device.agent.faults["request-lost"] = 1000
    house.pf.take_away(1)
    with pytest.raises(Dead):
        house.given(1)
    assert house.taken == 1
    house.device.agent.faults.clear()
    house.given(1)
    assert house.taken == 0


def address_of_who_is_gone(house: House) -> None:
    """It moved elsewhere while the agent was silent: what is for it leaves, as soon as the agent has been told."""
    house.device.agent.faults["request-lost"] = 3
    house.pf.take_away(1)
    house.device.agent.faults.clear()
    house.given(4)
    house.drivers[1].send(blank(), None, DOMAINS[1].mac)
    assert len(house.device.taken(0)) == 1


def without_trust(house: House) -> None:
    """What is sent on an SA of before leaves for nobody to read: it does not leave, or it is sealed."""
    driver = house.drivers[0]
    handle = driver.add(sa())
    house.pf.trust(1, trusted=False)
    driver.send(blank(), handle, DOMAINS[4].mac)
    assert all(b"secret" not in frame for frame in house.device.taken(0))
    driver.reset()
    driver.send(blank(), handle, DOMAINS[4].mac)
    assert house.device.taken(0) == []
    assert house.taken == 0
    with pytest.raises(Refused, match="trusted"):
        driver.add(sa())


def across_the_switch(house: House) -> None:
    """Under VEB what one VM has protected for another never lies open before it."""
    house.pf.set_switch(Switch.VEB)
    sender, receiver = house.drivers[:2]
    with suppress(Refused):
        sender.send(blank(), sender.add(sa()), receiver.mac)
    assert all(b"secret" not in one.packet for one in receiver.received())


def to_veb_with_sas(house: House) -> None:
    """Nor does it when the switch is changed while SAs are there."""
    sender, receiver = house.drivers[:2]
    handle = sender.add(sa())
    with pytest.raises(Refused):
        house.pf.set_switch(Switch.VEB)
    sender.send(blank(), handle, receiver.mac)
    assert all(b"secret" not in one.packet for one in receiver.received())


def forged_mailbox(house: House) -> None:
    """A VM names another's domain in its request: the SA is its own all the same."""
    body = Command(
        Operation.ADD,
        0,
        DOMAINS[2],
        outbound=True,
        algorithm=Algorithm.AES_GCM_128,
        spi=7,
        version=4,
        destination=ADDRESS,
        salt=b"salt",
        key=KEY,
    )
    house.device.macs[0].post(1, body.octets(77))
    house.device.wait(1)
    (place,) = [one.place for one in house.device.agent.slots if one.place]
    assert place.domain == DOMAINS[1]


def foreign_index(house: House) -> None:
    """A VM removes an SA by the index that another has for it: nothing happens."""
    handle = house.drivers[1].add(sa())
    away = Command(Operation.REMOVE, outbound=True, spi=0x1000, index=handle.index, version=4, destination=ADDRESS)
    house.device.macs[0].post(1, away.octets(77))
    house.device.wait(1)
    assert house.taken == 1


def spoofed_source(house: House) -> None:
    """A VM sends from another's address: it would use the other's SAs."""
    house.drivers[1].add(sa())
    cheat = house.drivers[0]
    cheat.mac = DOMAINS[2].mac
    cheat.queues.send(DOMAINS[4].mac + cheat.mac + ETHERTYPE[4] + blank()[:-20], 1 << 31 | 17)
    assert house.device.taken(0) == []


def flooded(house: House) -> None:
    """One VM's mailbox is full; another's SA is added in the time that one command and one turn of the flood take."""
    for _ in range(1000):
        house.device.macs[0].post(1, Command(Operation.ADD, index=5).octets(1))
    began = house.device.agent.now
    house.drivers[1].add(sa())
    assert house.device.agent.now - began < 1000


def greedy(house: House) -> None:
    """One VM asks for all there is; each other has its share."""
    with suppress(Refused):
        for spi in range(256, 400):
            house.drivers[0].add(sa(spi=spi))
    for other in (house.own, *house.drivers[1:]):
        for spi in range(256, 260):
            other.add(sa(spi=spi))


def from_one_to_the_next(house: House) -> None:
    """What turns round has been sealed and opened: who has no SA for it gets ciphertext."""
    handle = house.drivers[0].add(sa())
    inbound = house.drivers[1].add(sa("in"))
    for receiver, index in ((house.drivers[1], inbound), (house.drivers[2], None)):
        house.drivers[0].send(blank(), handle, receiver.mac)
        (one,) = receiver.received()
        assert (one.handle, b"secret" in one.packet) == (index, index is not None)
    assert house.device.taken(0) == []


def to_a_group(house: House) -> None:
    """It leaves, and it comes to all of the VLAN but the sender."""
    house.drivers[0].send(blank(), None, GROUP)
    assert len(house.device.taken(0)) == 1
    assert [len(one.received()) for one in house.drivers] == [0, 1, 1]


def pf_reborn(house: House) -> None:
    """A PF's driver dies, with its database; the next one leaves nothing of it in the agent."""
    house.drivers[0].add(sa())
    house.pf.stop()
    Pf(house.device, 0, Domain(DOMAINS[0].mac), 4).start()
    assert house.taken == 0


def mailbox_time_out(house: House) -> None:
    """Replies are lost three times: the VM has no SA, and the agent's is gone when somebody answers again."""
    house.device.macs[0].faults["reply-lost"] = 3
    with pytest.raises(Dead):
        house.drivers[0].add(sa())
    house.device.macs[0].faults.clear()
    house.drivers[0].add(sa(spi=0x2000))
    assert [one.place.spi for one in house.device.agent.slots if one.place] == [0x2000]


def nothing(*_: Any, **__: Any) -> None: ...


def trusting(self: Pf, number: int, trusted: bool) -> None:
    self.vfs[number] = self.vfs[number][0], trusted
    self._mac.configure(number, self.vfs[number][0], trusted=trusted)


def untouched(self: Mac, one: Function, frame: bytes, flags: int, metadata: int) -> None:
    self._to_agent(frame[:12] + b"\x88\xb6" + metadata.to_bytes(4, "big") + b"\x81\x00\x00\x05" + frame[12:])


def added(self: Pf, row: Any, command: Command) -> Status:
    self.ledger.add(row, command)
    return Status.OK


def switching(self: Pf, switch: Switch) -> None:
    self._mac.switch = switch


def believing(self: Pf, row: Any, command: Command, domain: Domain) -> Status:
    self.ledger.add(row, command)
    return Status.OK


def removing(self: Pf, row: Any, command: Command, domain: Domain) -> Status:
    if command.operation is Operation.ADD:
        return self._add(row, Command(command.operation, 0, domain, *_rest(command)))
    for one in [one for one in self.ledger.there if one[1] == row[1]]:
        self.ledger.remove(one)
    return Status.OK


def _rest(one: Command) -> tuple[Any, ...]:
    return one.outbound, one.algorithm, one.spi, one.index, one.version, one.destination, one.salt, one.key


def emptying(self: Pf) -> None:
    if not self._busy:
        with self._alone():
            for number in self.vfs:
                box = self._mac.functions[number].to_pf
                while box:
                    self._device.agent.tick(60)
                    self._mac.reply(number, self._answer(number, box.popleft()))


def unopened(self: Agent, port: int, frame: bytes) -> None:
    self._ports[port].to_mac(frame[:12] + b"\x88\xb6" + bytes(4) + frame[12:])


def hasty(self: Pf) -> None:
    self._device.reset_mac(self.port)
    self._mac.configure(0, self.domain, trusted=True)
    self.queues.start()


SCENES: list[tuple[Callable[[House], None], Any, str, Any]] = [
    (died, Pf, "_forget", nothing),
    (taken_away_while_the_agent_is_silent, Ledger, "settle", nothing),
    (address_of_who_is_gone, Pf, "_tell_who_is_gone", nothing),
    (without_trust, Pf, "trust", trusting),
    (across_the_switch, Pf, "_add", added),
    (to_veb_with_sas, Pf, "set_switch", switching),
    (forged_mailbox, Pf, "_carry_out", believing),
    (foreign_index, Pf, "_carry_out", removing),
    (spoofed_source, Mac, "_transmit", untouched),
    (flooded, Pf, "serve", emptying),
    (greedy, Pf, "_has_room", lambda self, number, outbound: self.ledger.there.__len__() < 48),
    (from_one_to_the_next, Agent, "from_wire", unopened),
    (to_a_group, Mac, "_addressed", lambda self, frame, sender: [one for one in self.functions if one.enabled]),
    (pf_reborn, Pf, "start", hasty),
    (mailbox_time_out, Ledger, "settle", nothing),
]


@pytest.mark.parametrize("scene", [row[0] for row in SCENES], ids=lambda scene: scene.__name__)
def test_functions(scene: Callable[[House], None]) -> None:
    """The scene is as it should be, no rule is broken, and no key is left where nobody's SA is."""
    house = House(True, True, True)
    scene(house)
    assert house.device.breaches.taken() == ()
    assert not any(one.key for one in house.device.agent.slots if one.place is None)


@pytest.mark.parametrize(("scene", "of", "method", "wrong"), SCENES, ids=lambda one: getattr(one, "__name__", ""))
def test_a_wrong_twin_is_seen(
    monkeypatch: pytest.MonkeyPatch, scene: Callable[[House], None], of: Any, method: str, wrong: Any
) -> None:
    """Each scene has been seen to fail."""
    house = House(True, True, True)
    monkeypatch.setattr(of, method, wrong)
    with pytest.raises((AssertionError, pytest.fail.Exception, Misuse, Dead, Refused)):
        scene(house)


def test_who_has_a_function_already() -> None:
    """It is not given twice, nor is a domain, nor one that there is not."""
    house = House(True)
    for number, domain in ((1, DOMAINS[4]), (2, DOMAINS[1]), (9, DOMAINS[4]), (0, DOMAINS[4])):
        with pytest.raises(Misuse):
            house.pf.give(number, domain, trusted=True)


def test_an_untrusted_function_is_told_so() -> None:
    house = House(False)
    with pytest.raises(Refused, match="not trusted"):
        house.drivers[0].add(sa())
    assert house.taken == 0
