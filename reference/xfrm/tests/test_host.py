"""A host: one packet each way, each reason to drop one once, and the tables of stages."""

from collections.abc import Callable
from dataclasses import replace
from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from espproof.reference import endpoint, ip
from espproof.reference.drops import DropReason
from espproof.reference.endpoint import Entry
from espproof.reference.lifetime import Lifetime
from espproof.reference.replay import ReplayWindow
from espproof.reference.sa import SaState, SecurityAssociation, Selector, UdpEncapsulation
from espproof.reference.xfrm import path, policy
from espproof.reference.xfrm.counters import INBOUND, OUTBOUND, SILENT, Counter
from espproof.reference.xfrm.host import Emerging, Host, Side
from espproof.reference.xfrm.policy import Policy, Template
from espproof.reference.xfrm.states import State

PEER, US = ip_address("192.0.2.1"), ip_address("192.0.2.2")
FAR, NEAR = bytes([10, 1, 2, 3]), bytes([10, 9, 8, 7])
ARRIVES = ip.build_ipv4(FAR, NEAR, 17, bytes(range(16)), identification=0x1234)
LEAVES = ip.build_ipv4(NEAR, FAR, 17, bytes(range(16)), identification=0x1234)
IN = SecurityAssociation(
    name="in", direction="in", spi=0x1001, mode="tunnel", source=PEER, destination=US, encr="ENCR_NULL",
    auth="AUTH_HMAC_SHA1_96", auth_key=bytes(range(20)),
)  # fmt: skip
OUT = replace(IN, name="out", direction="out", spi=0x2002, source=US, destination=PEER)
ANY = policy.Selector(version=4)
IN_POLICY = Policy(
    name="forward", direction="forward", selector=policy.Selector(version=4, source=ip_network("10.1.0.0/16")),
    templates=(Template(mode="tunnel", source=PEER, destination=US),),
)  # fmt: skip
OUT_POLICY = Policy(
    name="out", direction="out", selector=policy.Selector(version=4, destination=ip_network("10.1.0.0/16")),
    templates=(Template(mode="tunnel", source=US, destination=PEER),),
)  # fmt: skip


def host(*policies: Policy, sas: tuple[SecurityAssociation, ...] = (IN, OUT), sequence: int = 0, **fields: Any) -> Host:
    """A gateway with these policies, and SAs that have sent `sequence` last."""
    made = Host({US.packed}, {PEER.packed}, **fields)
    for one in policies:
        made.spd.add(one)
    for sa in sas:
        made.states.add(State(Entry(sa, SaState(sa.lifetime, sequence, ReplayWindow(64)))))
    return made


def protected(packet: bytes = ARRIVES, number: int = 1, sa: SecurityAssociation = IN, **options: Any) -> bytes:
    made = endpoint.encapsulate(Entry(sa, SaState()), packet, number, **options)
    assert isinstance(made, bytes)
    return made


def sealed(plaintext: bytes) -> bytes:
    """Any plaintext under a right ICV."""
    entry = Entry(IN, SaState())
    packet = endpoint.wrap(entry, ARRIVES, entry.codec.seal(plaintext, 1, entry.iv_source(1)))
    assert isinstance(packet, bytes)
    return packet


def nested(times: int) -> bytes:
    """A packet in so many tunnels, all of one SA."""
    packet = ARRIVES
    for number in range(1, times + 1):
        packet = protected(packet, number)
    return packet


def test_a_packet_each_way() -> None:
    """What arrives under protection comes out on the plain side, what leaves goes protected to the wire, and a hop on."""
    both = host(IN_POLICY, OUT_POLICY)
    assert both.enter("wire", protected()) == (Emerging("plain", ip.forwarded(ARRIVES), ("in",)),)
    assert both.enter("plain", LEAVES) == (Emerging("wire", protected(ip.forwarded(LEAVES), 1, OUT), ("out",)),)
    assert not both.counters
    assert [state.entry.state.packets for state in both.states] == [1, 1]


def test_a_packet_of_its_own() -> None:
    """What is for the host reaches it, and what it sends has the hop limit that it gave."""
    alone = host(OUT_POLICY)
    to_us = ip.build_ipv4(FAR, US.packed, 17, bytes(16))
    assert alone.enter("wire", protected(to_us)) == ()
    assert alone.counters == {Counter.IN_NO_POLS: 1}
    alone.spd.add(replace(IN_POLICY, name="in", direction="in"))
    assert alone.enter("wire", protected(to_us, 2)) == (Emerging("local", to_us, ("in",)),)
    from_us = ip.build_ipv4(US.packed, FAR, 17, bytes(16))
    assert alone.enter("local", from_us) == (Emerging("wire", protected(from_us, 1, OUT), ("out",)),)


SHORT = Lifetime(hard_seconds=10)
TRANSPORT = replace(OUT, mode="transport", source=ip_address(NEAR), destination=ip_address(FAR))
TRANSPORT_POLICY = replace(OUT_POLICY, templates=(Template(mode="transport"),))
FRAGMENT = ip.build_ipv4(NEAR, FAR, 17, bytes(16), more_fragments=True)
BLOCK = replace(OUT_POLICY, selector=ANY, action="block", templates=())
SPI_OF_INBOUND = replace(OUT_POLICY, templates=(replace(OUT_POLICY.templates[0], spi=OUT.spi, reqid=7),))
ARRIVING: dict[str, tuple[Counter, Callable[[], Host], bytes]] = {
    "room for another SA": (Counter.IN_BUFFER_ERROR, host, nested(7)),
    "SPI and number": (Counter.IN_HDR_ERROR, host, ip.build_ipv4(PEER.packed, US.packed, 50, bytes(7))),
    "the SA": (Counter.IN_NO_STATES, host, protected(sa=replace(IN, spi=0x1003))),
    "an SPI that is reserved": (Counter.ACQUIRE_ERROR, lambda: reserving(host(sas=())), protected()),
    "encapsulation": (
        Counter.IN_STATE_MISMATCH, lambda: host(sas=(replace(IN, udp=UdpEncapsulation(4500, 4500)),)), protected()
    ),
    "replay check": (Counter.IN_STATE_SEQ_ERROR, lambda: received(host(IN_POLICY)), protected()),
    "lifetime": (Counter.IN_STATE_EXPIRED, lambda: host(sas=(replace(IN, lifetime=SHORT),)), protected()),
    "ICV": (Counter.IN_STATE_PROTO_ERROR, host, protected()[:-1] + bytes([protected()[-1] ^ 1])),
    "padding": (Counter.IN_STATE_PROTO_ERROR, host, sealed(ARRIVES + bytes([0, 0, 2, 4]))),
    "mode": (Counter.IN_STATE_MODE_ERROR, host, sealed(bytes(16) + bytes([1, 2, 2, 17]))),
    "no packet inside": (Counter.IN_STATE_PROTO_ERROR, host, sealed(bytes([1, 2, 2, 4]))),
    "selectors of its SAs": (
        Counter.IN_STATE_MISMATCH,
        lambda: host(IN_POLICY, sas=(replace(IN, selectors=(Selector(source=ip_network("10.2.0.0/16")),)),)),
        protected(),
    ),
    "no policy for a tunnel": (Counter.IN_NO_POLS, host, protected()),
    "no policy where all is blocked": (Counter.IN_NO_POLS, lambda: host(blocked=("forward",)), ARRIVES),
    "action": (Counter.IN_POL_BLOCK, lambda: host(replace(BLOCK, direction="forward")), protected()),
    "templates": (Counter.IN_TMPL_MISMATCH, lambda: host(IN_POLICY), ARRIVES),
}  # fmt: skip
LEAVING: dict[str, tuple[Counter, Callable[[], Host], bytes]] = {
    "the policy": (Counter.OUT_POL_BLOCK, lambda: host(BLOCK), LEAVES),
    "no policy where all is blocked": (Counter.OUT_POL_BLOCK, lambda: host(blocked=("out",)), LEAVES),
    "no SA": (Counter.OUT_NO_STATES, lambda: host(OUT_POLICY, sas=(IN,)), LEAVES),
    "an SA with that SPI, but another": (Counter.OUT_POL_ERROR, lambda: host(SPI_OF_INBOUND), LEAVES),
    "lifetime": (
        Counter.OUT_STATE_EXPIRED, lambda: host(OUT_POLICY, sas=(replace(OUT, lifetime=SHORT),)), LEAVES
    ),
    "number": (Counter.OUT_STATE_SEQ_ERROR, lambda: host(OUT_POLICY, sequence=2**32 - 1), LEAVES),
    "too big": (
        Counter.OUT_STATE_PROTO_ERROR, lambda: host(OUT_POLICY), ip.build_ipv4(NEAR, FAR, 17, bytes(65515))
    ),
    "a fragment in transport mode": (
        Counter.OUT_STATE_MODE_ERROR, lambda: host(TRANSPORT_POLICY, sas=(TRANSPORT,)), FRAGMENT
    ),
}  # fmt: skip


def reserving(one: Host) -> Host:
    """The host with the SPI of `IN` reserved."""
    one.states.reserve(IN)
    return one


def received(one: Host) -> Host:
    """The host after `protected()` has come in."""
    assert one.enter("wire", protected())
    return one


@pytest.mark.parametrize("what", ARRIVING)
def test_what_is_dropped_on_its_way_in(what: str) -> None:
    """One counter moves by one, the one of the first stage that the packet does not pass, and nothing emerges."""
    counter, make, packet = ARRIVING[what]
    is_counted_once(counter, make(), "wire", packet)


@pytest.mark.parametrize("what", LEAVING)
def test_what_is_dropped_on_its_way_out(what: str) -> None:
    """The same of a packet that the host is to send; it takes no number."""
    counter, make, packet = LEAVING[what]
    one = make()
    before = [state.entry.state.sequence for state in one.states]
    is_counted_once(counter, one, "local", packet)
    assert counter is Counter.OUT_STATE_EXPIRED or [state.entry.state.sequence for state in one.states] == before


def is_counted_once(counter: Counter, one: Host, side: Side, packet: bytes) -> None:
    assert one.enter(side, packet, now=10) == ()
    assert one.counters == {counter: 1}


def test_each_counter_of_a_stage_is_moved_by_a_packet() -> None:
    """The packets above move every counter that a stage can raise."""
    moved = {counter for counter, _, _ in (*ARRIVING.values(), *LEAVING.values())}
    assert {counter for stages in path.TABLES.values() for stage in stages for counter in stage.raises} == moved


def test_the_first_template_is_the_innermost() -> None:
    """Two SAs protect in the order of the policy's templates; the last one's header says to which side it goes."""
    inner = replace(TRANSPORT, name="inner", spi=0x2003)
    both = replace(OUT_POLICY, templates=(Template(mode="transport"), *OUT_POLICY.templates))
    sent = host(both, sas=(inner, OUT)).enter("local", LEAVES)
    assert sent == (Emerging("wire", protected(protected(LEAVES, 1, inner), 1, OUT), ("inner", "out")),)


def test_as_many_sas_as_there_may_be() -> None:
    """A packet comes out of six tunnels, if a policy asks for them."""
    six = replace(IN_POLICY, templates=IN_POLICY.templates * path.MOST_SAS)
    found = host(six).enter("wire", nested(6))
    assert found == (Emerging("plain", ip.forwarded(ARRIVES), ("in",) * 6),)


def test_a_hard_limit_ends_an_sa() -> None:
    """The packet behind it is counted as expired, and the next one has no SA."""
    one = host(sas=(replace(IN, lifetime=SHORT),))
    for _ in range(2):
        assert one.enter("wire", protected(), now=10) == ()
    assert one.counters == {Counter.IN_STATE_EXPIRED: 1, Counter.IN_NO_STATES: 1}


@pytest.mark.parametrize(
    "packet",
    [
        protected(dummy=True),
        b"no packet",
        ip.build_ipv4(FAR, NEAR, 17, bytes(16), ttl=1),
        ip.build_ipv4(PEER.packed, US.packed, 50, bytes(16), more_fragments=True),
    ],
    ids=["a dummy", "no packet", "the last hop", "a fragment"],
)
def test_what_moves_no_counter(packet: bytes) -> None:
    """What is no packet, goes no further or waits, and dummies, leave all counters as they are."""
    one = host()
    assert one.enter("wire", packet) == ()
    assert not one.counters


def test_tables_are_of_counters() -> None:
    """Every stage raises counters, each once, and has a name of its own in its table."""
    for stages in path.TABLES.values():
        assert len({stage.name for stage in stages}) == len(stages)
        for stage in stages:
            assert stage.raises
            assert len(set(stage.raises)) == len(stage.raises)
            assert all(isinstance(counter, Counter) for counter in stage.raises)


def test_every_reason_that_an_sa_gives_has_its_counter() -> None:
    """Inbound counters are of reasons that are not silent, and names are those of two directions, each once."""
    assert not SILENT & INBOUND.keys()
    assert all(counter.value.startswith("XfrmIn") for counter in INBOUND.values())
    assert all(counter.value.startswith("XfrmOut") for counter in OUTBOUND.values())
    assert {DropReason.MALFORMED, DropReason.INTEGRITY, DropReason.MODE} <= INBOUND.keys()
    assert len({counter.value for counter in Counter}) == len(Counter)
    assert all(counter.value.startswith("Xfrm") for counter in Counter)
