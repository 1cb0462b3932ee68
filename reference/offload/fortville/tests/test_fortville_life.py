"""A random life of one device: a PF and its VMs, SAs, packets in and out and between, faults, a forger, deaths.

The theorem, at every step: each VM's endpoint on the device puts the same octets on the wire, and delivers and drops the
same, as the plain endpoint beside it. When it is quiet, the agent has the SAs of those who live, and of nobody else.
"""

from contextlib import suppress
from dataclasses import dataclass, field, replace
from ipaddress import ip_address
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from espproof.reference import ip
from espproof.reference.drops import DropReason
from espproof.reference.endpoint import Endpoint
from espproof.reference.offload.api import Dead, Refused
from espproof.reference.offload.fortville.device import Fortville
from espproof.reference.offload.fortville.driver import ETHERTYPE, Driver
from espproof.reference.offload.fortville.mac import MAILBOX, PF, RING, Switch
from espproof.reference.offload.fortville.messages import CONTROL, METADATA, Command, Domain, Operation
from espproof.reference.offload.fortville.pf import AGENT_MAC, Pf
from espproof.reference.offload.fortville.port import PEER, FortvillePort
from espproof.reference.offload.stack import OffloadedEndpoint
from espproof.reference.replay import ReplayWindow
from espproof.reference.sa import SaState, SecurityAssociation

FUNCTIONS = 5
SHARE = 3
MACS = [bytes.fromhex("0257110000") + bytes((last,)) for last in (1, 2, 3)]
DOMAINS = [Domain(mac, vlan) for mac in MACS[1:] for vlan in (5, 6)] + [Domain(MACS[2])]
PF_DOMAIN = Domain(MACS[0])
NEAR, FAR = ip_address("192.0.2.1"), (ip_address("192.0.2.2"), ip_address("192.0.2.3"))
SA = SecurityAssociation(
    name="", direction="out", spi=1, mode="transport", source=NEAR, destination=FAR[0], encr="ENCR_AES_GCM_16",
    encr_key=bytes(16), salt=b"salt",
)  # fmt: skip
FAULTS = ("request-lost", "answer-lost", "answer-late")

vms = st.integers(0, FUNCTIONS - 1)
spis = st.sampled_from([0x1000, 0x2000])
sizes = st.integers(0, 120)


def state(sa: SecurityAssociation) -> SaState:
    return SaState(replay=ReplayWindow(64) if sa.direction == "in" else None)


@dataclass
class Vm:
    """Who has a function: his endpoint on the device, the plain one, and of each inbound SA the peer who sends."""

    port: FortvillePort
    domain: Domain
    endpoint: OffloadedEndpoint
    trusted: bool
    plain: Endpoint = field(default_factory=Endpoint)
    sas: dict[str, SecurityAssociation] = field(default_factory=dict)
    peers: dict[str, Endpoint] = field(default_factory=dict)

    def names(self, direction: str) -> list[str]:
        return [name for name, sa in self.sas.items() if sa.direction == direction]

    def counts(self) -> list[Any]:
        return [
            [
                (one.packets, one.octets, one.errors, one.sequence)
                for one in (end.entry(name).state for name in self.sas)
            ]
            for end in (self.endpoint, self.plain)
        ]


class Life(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.device = Fortville(functions=FUNCTIONS, pool=2 * (SHARE * FUNCTIONS + 2))
        self.vms: dict[int, Vm] = {}
        self.waiting: list[bytes] | None = None
        self.made = 0
        self.boot()

    @initialize(vms=st.integers(0, 3))
    def inhabited(self, vms: int) -> None:
        """It begins with some, who trust each other's packets: what one sends, the next can open."""
        for number, domain in list(enumerate(DOMAINS, start=1))[:vms]:
            self.give(number, domain, trusted=True)
        for number in sorted(self.vms):
            self.add(number, "out", 0x1000, "transport")
            self.add(number, "in", 0x2000, "tunnel")
            self.join(number, 0, "transport")

    # ------------------------------------------------------------------------------------------------ what helps the rules

    def boot(self) -> None:
        self.pf = Pf(self.device, 0, PF_DOMAIN, SHARE)
        self.pf.start()
        assert self.device.agent.taken == 0
        self.vms = {PF: self.vm(PF, PF_DOMAIN, trusted=True)}

    def vm(self, number: int, domain: Domain, *, trusted: bool) -> Vm:
        driver = Driver(self.device, self.pf, number)
        driver.start()
        port = FortvillePort(self.device, driver, domain, [], [], None)
        return Vm(port, domain, OffloadedEndpoint(port), trusted)

    def near(self, vm: Vm) -> list[Vm]:
        """Those of the same VLAN."""
        return [one for one in self.vms.values() if one is not vm and one.domain.vlan == vm.domain.vlan]

    def pick(self, number: int) -> Vm:
        there = sorted(self.vms)
        return self.vms[there[number % len(there)]]

    def calm(self) -> None:
        self.device.agent.faults.clear()
        self.device.macs[0].faults.clear()

    def again(self, what: Any) -> None:
        """As long as messages are to be lost, a reset is asked for again."""
        for _ in range(20):
            with suppress(Dead):
                what()
                return
        raise AssertionError("it stays dead")

    # ------------------------------------------------------------------------------------------------------------ VMs, PF

    @rule(
        number=st.integers(1, FUNCTIONS - 1),
        domain=st.sampled_from(DOMAINS),
        trusted=st.sampled_from([True, True, False]),
    )
    def give(self, number: int, domain: Domain, *, trusted: bool) -> None:
        if number in self.vms or domain in [vm.domain for vm in self.vms.values()]:
            return
        try:
            self.pf.give(number, domain, trusted=trusted)
        except Dead:
            return
        assert [one for one in self.device.agent.slots if one.place and one.place.domain == domain] == []
        self.vms[number] = self.vm(number, domain, trusted=trusted)

    @rule(number=st.integers(1, FUNCTIONS - 1), politely=st.booleans())
    def end(self, number: int, *, politely: bool) -> None:
        """A VM goes: it is taken away, and its driver has deleted what it had, or has just died."""
        vm = self.vms.pop(number, None)
        if vm is None:
            return
        if politely:
            vm.endpoint.close()
        vm.port.driver.stop()
        self.device.macs[0].reset_function(number)
        self.pf.take_away(number)

    @rule(number=st.integers(1, FUNCTIONS - 1))
    def trust(self, number: int) -> None:
        if number not in self.vms:
            return
        vm = self.vms[number]
        vm.trusted = not vm.trusted
        self.pf.trust(number, vm.trusted)
        self.again(vm.port.driver.reset)

    @rule(number=vms)
    def reset(self, number: int) -> None:
        vm = self.pick(number)
        self.again(vm.port.driver.reset)
        if vm.port.driver.number == PF:
            for other in self.vms.values():
                if other is not vm:
                    self.again(other.port.driver.reset)

    @rule()
    def pf_dies(self) -> None:
        """And with it all VMs; the next one begins with an agent that is full."""
        self.calm()
        self.pf.stop()
        for vm in self.vms.values():
            vm.port.driver.stop()
        self.boot()

    @rule(switch=st.sampled_from(Switch))
    def switched(self, switch: Switch) -> None:
        with suppress(Refused):
            self.pf.set_switch(switch)

    # ---------------------------------------------------------------------------------------------------------------- SAs

    @rule(number=vms, direction=st.sampled_from(["in", "out"]), spi=spis, mode=st.sampled_from(["transport", "tunnel"]))
    def add(self, number: int, direction: Any, spi: int, mode: Any) -> None:
        vm = self.pick(number)
        if any((sa.direction, sa.spi) == (direction, spi) for sa in vm.sas.values()):
            return
        sa = self.installed(vm, direction, spi, mode)
        if direction == "in":
            vm.peers[sa.name] = peer = Endpoint()
            peer.add(replace(sa, name="out", direction="out"), SaState())
        if not vm.trusted and direction == "out":
            assert sa.name not in vm.endpoint.offloaded

    def installed(self, vm: Vm, direction: Any, spi: int, mode: Any, key: bytes = b"") -> SecurityAssociation:
        self.made += 1
        key = key or b"key%013d" % self.made * (1 + self.made % 2)
        sa = replace(SA, name=f"sa{self.made}", direction=direction, spi=spi, mode=mode, encr_key=key)
        for endpoint in (vm.endpoint, vm.plain):
            endpoint.add(sa, state(sa))
        vm.sas[sa.name] = sa
        return sa

    @rule(number=vms, which=st.integers(0, 9), mode=st.sampled_from(["transport", "tunnel"]))
    def join(self, number: int, which: int, mode: Any) -> None:
        """An SA from one VM to another of its VLAN."""
        vm = self.pick(number)
        near = self.near(vm)
        if near:
            spi = 0x3000 + self.made
            sent = self.installed(vm, "out", spi, mode)
            self.installed(near[which % len(near)], "in", spi, mode, sent.encr_key)

    @rule(number=vms, which=st.integers(0, 9))
    def delete(self, number: int, which: int) -> None:
        vm = self.pick(number)
        if not vm.sas:
            return
        name = sorted(vm.sas)[which % len(vm.sas)]
        for endpoint in (vm.endpoint, vm.plain):
            endpoint.delete(name)
        del vm.sas[name]

    # ------------------------------------------------------------------------------------------------------------ packets

    @rule(number=vms, which=st.integers(0, 9), size=sizes)
    def send(self, number: int, which: int, size: int) -> None:
        vm = self.pick(number)
        names = vm.names("out")
        if not names or not self.device.links[0]:
            return
        packet = ip.build_ipv4(NEAR.packed, FAR[0].packed, 17, bytes(size))
        name = names[which % len(names)]
        assert vm.endpoint.outbound(name, packet) == vm.plain.outbound(name, packet)

    @rule(
        number=vms,
        which=st.integers(0, 9),
        size=sizes,
        way=st.sampled_from(["wire", "neighbour"]),
        forged=st.booleans(),
    )
    def arrive(self, number: int, which: int, size: int, way: str, *, forged: bool) -> None:
        """A packet for an SA that there is, or was, of this VM or another: as it is, and forged."""
        vm = self.pick(number)
        every = [(one, name) for one in self.vms.values() for name in one.peers]
        if not every or not self.device.links[0]:
            return
        other, name = every[which % len(every)]
        packet = ip.build_ipv4(NEAR.packed, FAR[0].packed, 17, bytes(size))
        protected = other.peers[name].outbound("out", packet)
        assert isinstance(protected, bytes)
        if forged:
            protected = protected[:-1] + bytes((protected[-1] ^ 1,))
        self.bring(vm, protected, way)
        assert vm.endpoint.inbound(protected) == vm.plain.inbound(protected)

    def bring(self, vm: Vm, packet: bytes, way: str) -> None:
        """By the wire, or by another function of the same VLAN, whose plain packet it is."""
        near = self.near(vm)
        vm.port._enter = vm.port._from_the_wire
        if way == "neighbour" and near:
            sender = near[0].port.driver
            vm.port._enter = lambda frame: sender.queues.send(vm.domain.mac + sender.mac + frame)

    @rule(number=vms, which=st.integers(0, 9), size=sizes)
    def between(self, number: int, which: int, size: int) -> None:
        """One VM protects what it sends to another, which has the SA to open it, or not; nothing leaves by the wire."""
        vm = self.pick(number)
        near = self.near(vm)
        names = vm.names("out")
        if not names or not near:
            return
        name = names[which % len(names)]
        keyed = [one for one in near if vm.sas[name].encr_key in [sa.encr_key for sa in one.sas.values()]]
        other = (keyed or near)[0]
        packet = ip.build_ipv4(NEAR.packed, FAR[0].packed, 17, bytes(size))
        vm.port.next_hop = other.domain.mac
        sent = vm.endpoint.outbound(name, packet)
        vm.port.next_hop = PEER
        octets = vm.plain.outbound(name, packet)
        assert sent is DropReason.UNSPECIFIED
        assert isinstance(octets, bytes)
        other.port._enter = lambda frame: None
        assert other.endpoint.inbound(octets) == other.plain.inbound(octets)

    # ----------------------------------------------------------------------------------------------------- what befalls it

    @rule(fault=st.sampled_from(FAULTS), times=st.integers(1, 4))
    def messages_lost(self, fault: str, times: int) -> None:
        self.device.agent.faults[fault] += times

    @rule(fault=st.sampled_from(["mail-lost", "reply-lost"]), times=st.integers(1, 4))
    def mail_lost(self, fault: str, times: int) -> None:
        self.device.macs[0].faults[fault] += times

    @rule(up=st.booleans())
    def link(self, *, up: bool) -> None:
        self.device.links[0] = up

    @rule(number=st.integers(1, FUNCTIONS - 1), word=st.integers(0, 2**32 - 1), octets=st.binary(max_size=100))
    def forge(self, number: int, word: int, octets: bytes) -> None:
        """A function that is not trusted tries everything: nobody obeys, and its mailbox alone is full."""
        vm = self.vms.get(number)
        if vm is None or vm.trusted:
            return
        queues, mac, away = vm.port.driver.queues, vm.domain.mac, Command(Operation.REMOVE_ALL).octets(1)
        before = self.device.agent.taken
        for kind in (CONTROL, METADATA + octets[:4].ljust(4, b"\0") + CONTROL, ETHERTYPE[4]):
            for source in (mac, MACS[0]):
                queues.send(AGENT_MAC + source + kind + away, word, control=True)
                queues.send(PEER + source + kind + octets.ljust(40, b"\0"), word)
        for message in (away, octets, Command(Operation.REMOVE, index=0).octets(2)) * 20:
            self.device.macs[0].post(number, message)
        self.device.wait(100)
        assert self.device.agent.taken == before
        for other in self.vms.values():
            assert other is vm or other.port.driver.received() == []
        self.device.taken(0)

    # ---------------------------------------------------------------------------------------------------------- invariants

    @rule()
    def quiet(self) -> None:
        """Nothing is lost any more, and what is doubtful is settled: the agent has what those who live have."""
        self.calm()
        for _ in range(2 * MAILBOX):  # a message of each mailbox in each turn
            self.device.wait(100)
        for vm in self.vms.values():
            vm.port.driver.ledger.settle()
        self.pf.ledger.settle()
        for _ in range(2 * MAILBOX):  # a message of each mailbox in each turn
            self.device.wait(100)
        keys = {one.key for one in self.device.agent.slots if one.place}
        alive = {sa.encr_key for vm in self.vms.values() for sa in vm.sas.values()}
        known = {one.key for one in self.pf.ledger.there.values()}
        assert keys == known
        assert keys <= alive
        surely = {
            vm.sas[name].encr_key
            for vm in self.vms.values()
            for name in vm.endpoint.offloaded
            if vm.port.has(vm.endpoint._halves[name].handle) and vm.sas[name].direction == "out"
        }
        assert surely <= keys
        assert all(not one.key and not one.salt for one in self.device.agent.slots if one.place is None)
        self.no_key_lies_about()

    def no_key_lies_about(self) -> None:
        """Of any SA that there ever was: in no buffer that a device can read, given back or not, and in no mailbox."""
        buffers = [bytes(vm.port.driver.queues.memory.octets) for vm in self.vms.values()]
        boxes = [box for one in self.device.macs[0].functions for box in (*one.to_pf, *one.to_vf)]
        for number in range(1, self.made + 1):
            assert not any(b"key%013d" % number in octets for octets in buffers + boxes)

    @invariant()
    def what_is_counted_is_the_same(self) -> None:
        for vm in self.vms.values():
            offloaded, plain = vm.counts()
            assert offloaded == plain

    @invariant()
    def each_has_his_share_and_no_more_than_there_is(self) -> None:
        for number in self.vms:
            assert number == PF or number in self.pf.vfs
        assert self.device.agent.taken <= len(self.device.agent.slots)

    @invariant()
    def no_buffer_is_lost(self) -> None:
        for vm in self.vms.values():
            assert vm.port.driver.queues.memory.taken == RING + 2
            assert vm.port.driver.queues.left == 0

    @invariant()
    def no_rule_is_broken(self) -> None:
        assert [str(one) for one in self.device.breaches.taken()] == []

    def teardown(self) -> None:
        self.quiet()
        for vm in self.vms.values():
            vm.endpoint.close()
        assert self.device.agent.taken == 0


def test_any_life() -> None:
    run_state_machine_as_test(Life, settings=settings(max_examples=60, stateful_step_count=40, deadline=None))
