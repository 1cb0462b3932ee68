"""What a key manager is told by the reference's host, and when."""

from dataclasses import replace
from ipaddress import ip_address

import pytest

from espproof.reference import ip
from espproof.reference.endpoint import Entry
from espproof.reference.errors import Misuse
from espproof.reference.lifetime import UNLIMITED, Lifetime
from espproof.reference.sa import SaState, SecurityAssociation
from espproof.reference.xfrm.counters import Counter
from espproof.reference.xfrm.events import Event, Kind
from espproof.reference.xfrm.host import Host
from espproof.reference.xfrm.policy import Policy, Selector, Template, flow_of
from espproof.reference.xfrm.states import LARVAL_SECONDS, State

US, PEER = ip_address("192.0.2.17"), ip_address("198.51.100.42")
NEAR, FAR = bytes([203, 0, 113, 7]), bytes([203, 0, 113, 130])
PACKET = ip.build_ipv4(NEAR, FAR, 17, b"\x03\xe8\x07\xd0" + bytes(12))
POLICY = Policy(
    name="out", direction="out", selector=Selector(version=4),
    templates=(Template(mode="tunnel", source=US, destination=PEER, reqid=3),),
)  # fmt: skip
WANTED = Event(Kind.ACQUIRE, None, "out", US.packed, PEER.packed, flow_of(ip.parse(ip.forwarded(PACKET))))


def sa(limits: Lifetime = UNLIMITED, name: str = "sa", spi: int = 0x1001) -> SecurityAssociation:
    return SecurityAssociation(
        name=name, direction="out", spi=spi, mode="tunnel", source=US, destination=PEER, encr="ENCR_NULL",
        auth="AUTH_HMAC_SHA2_256_128", auth_key=bytes(range(32)), lifetime=limits,
    )  # fmt: skip


def state(one: SecurityAssociation, now: float = 0) -> State:
    return State(Entry(one, SaState(one.lifetime, added_at=now)), reqid=3)


def host(*policies: Policy) -> Host:
    made = Host({US.packed}, {PEER.packed}, key_manager=True)
    for policy in policies:
        made.spd.add(policy)
    return made


def told(one: Host) -> tuple[Event, ...]:
    assert one.key_manager is not None
    return one.key_manager.read()


def test_an_sa_is_asked_for_once() -> None:
    """Until it is there, or the request has run out; and again when it has gone."""
    one = host(POLICY)
    for _ in range(3):
        assert one.enter("plain", PACKET) == ()
    assert told(one) == (WANTED,)
    assert one.counters == {Counter.OUT_NO_STATES: 3}
    one.pass_time(LARVAL_SECONDS - 1)
    one.enter("plain", PACKET, now=LARVAL_SECONDS - 1)
    assert told(one) == ()
    one.pass_time(LARVAL_SECONDS)
    one.enter("plain", PACKET, now=LARVAL_SECONDS)
    assert told(one) == (WANTED,)
    one.add(state(sa()))
    assert len(one.enter("plain", PACKET, now=LARVAL_SECONDS)) == 1
    one.states.delete("sa")
    one.enter("plain", PACKET, now=LARVAL_SECONDS)
    assert told(one) == (WANTED,)


def test_another_sa_is_no_answer() -> None:
    one = host(POLICY)
    one.enter("plain", PACKET)
    one.add(replace_reqid(state(sa()), 4))
    one.enter("plain", PACKET)
    assert told(one) == (WANTED,)


def replace_reqid(one: State, reqid: int) -> State:
    one.reqid = reqid
    return one


def test_limits_in_packets_are_told_with_the_next_packet() -> None:
    one = host(POLICY)
    one.add(state(sa(Lifetime(soft_packets=1, hard_packets=3))))
    seen = []
    for _ in range(5):
        one.enter("plain", PACKET)
        seen.append(told(one))
    assert seen == [(), (Event(Kind.SOFT, "sa"),), (), (Event(Kind.HARD, "sa"),), (WANTED,)]


@pytest.mark.parametrize(
    ("limits", "moments"),
    [
        (Lifetime(soft_seconds=5, hard_seconds=9), {5: Kind.SOFT, 9: Kind.HARD}),
        (Lifetime(soft_seconds=9, hard_seconds=9), {9: Kind.HARD}),
        (Lifetime(soft_seconds=12, hard_seconds=9), {9: Kind.HARD}),
        (Lifetime(soft_use_seconds=5, hard_use_seconds=9), {7: Kind.SOFT, 11: Kind.HARD}),
        (Lifetime(hard_seconds=20, hard_use_seconds=9), {11: Kind.HARD}),
        (Lifetime(hard_seconds=10, hard_use_seconds=9), {10: Kind.HARD}),
    ],
    ids=str,
)
def test_limits_in_time_are_told_when_they_are_reached(limits: Lifetime, moments: dict[int, Kind]) -> None:
    """The SA is used first in second 2, and again in second 4."""
    one = host(POLICY)
    one.add(state(sa(limits)))
    seen: dict[int, Kind] = {}
    for now in range(30):
        one.pass_time(now)
        if now in (2, 4):
            one.enter("plain", PACKET, now=now)
        for event in told(one):
            seen[now] = event.kind
    assert seen == moments
    assert [kept.sa.name for kept in one.states] == []


def test_one_long_wait_tells_everything_in_order() -> None:
    limits = Lifetime(soft_seconds=5, hard_seconds=9)
    one = host(replace(POLICY, lifetime=Lifetime(soft_seconds=6, hard_seconds=8)))
    one.add(state(sa(limits)))
    one.pass_time(100)
    assert [(event.kind, event.sa or event.policy) for event in told(one)] == [
        (Kind.SOFT, "sa"), (Kind.SOFT, "out"), (Kind.HARD, "out"), (Kind.HARD, "sa"),
    ]  # fmt: skip
    assert list(one.spd) == []


def test_an_update_changes_the_lifetime_alone() -> None:
    """It is told of anew; another key, mode or request is refused; and so is an update of nothing."""
    one = host(POLICY)
    one.add(state(sa(Lifetime(soft_packets=1))))
    for _ in range(2):
        one.enter("plain", PACKET)
    one.update(state(sa(Lifetime(soft_packets=3))))
    for _ in range(2):
        one.enter("plain", PACKET)
    assert told(one) == (Event(Kind.SOFT, "sa"),) * 2
    (kept,) = one.states
    assert kept.entry.state.sequence == kept.entry.state.packets == 4
    for wrong in (replace(sa(), auth_key=bytes(32)), replace(sa(), mode="transport"), sa(name="none")):
        with pytest.raises(Misuse):
            one.update(state(wrong))
    with pytest.raises(Misuse):
        one.update(replace_reqid(state(sa()), 4))


def test_a_reserved_spi_is_for_an_update() -> None:
    """Nobody else can have it until then, or until its time is over."""
    one = host(POLICY)
    one.states.reserve(sa())
    with pytest.raises(Misuse, match="taken"):
        one.states.reserve(sa(name="other"), LARVAL_SECONDS - 1)
    with pytest.raises(Misuse, match="reserved"):
        one.add(state(sa()))
    one.update(state(sa()))
    assert [kept.sa.name for kept in one.states] == ["sa"]
    one.states.reserve(sa(name="next", spi=0x1002))
    with pytest.raises(Misuse):
        one.update(state(sa(name="next", spi=0x1002)), LARVAL_SECONDS)
    one.states.reserve(sa(name="next", spi=0x1002), LARVAL_SECONDS)


def test_a_flush_leaves_nothing() -> None:
    one = host(POLICY)
    one.enter("plain", PACKET)
    one.states.reserve(sa(spi=0x1002))
    one.add(state(sa(name="other"), 0))
    told(one)
    one.flush()
    assert list(one.states) == []
    one.enter("plain", PACKET)
    assert told(one) == (WANTED,)
    one.states.reserve(sa(spi=0x1002))
    one.spd.clear()
    assert list(one.spd) == []
