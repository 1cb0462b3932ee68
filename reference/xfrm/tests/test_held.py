"""What waits for an SA, for how many packets there is room, and when it leaves."""

from ipaddress import ip_address
from typing import Any

from espproof.reference import ip
from espproof.reference.endpoint import Entry
from espproof.reference.sa import SaState, SecurityAssociation
from espproof.reference.xfrm.counters import Counter
from espproof.reference.xfrm.host import Host
from espproof.reference.xfrm.policy import Policy, Selector, Template
from espproof.reference.xfrm.states import State

US, PEER = ip_address("192.0.2.17"), ip_address("198.51.100.42")
NEAR, FAR = bytes([203, 0, 113, 7]), bytes([203, 0, 113, 130])


def packet(size: int = 12, protocol: int = 17) -> bytes:
    return ip.build_ipv4(NEAR, FAR, protocol, bytes(size))


def policy(name: str = "out", *, reqid: int = 3, **fields: Any) -> Policy:
    template = Template(mode="tunnel", source=US, destination=PEER, reqid=reqid)
    return Policy(
        **{"name": name, "direction": "out", "selector": Selector(version=4), "templates": (template,), **fields}
    )


def state(reqid: int = 3, spi: int = 0x1001) -> State:
    sa = SecurityAssociation(
        name=f"sa{spi}", direction="out", spi=spi, mode="tunnel", source=US, destination=PEER, encr="ENCR_NULL",
        auth="AUTH_HMAC_SHA2_256_128", auth_key=bytes(range(32)),
    )  # fmt: skip
    return State(Entry(sa, SaState(sa.lifetime)), reqid=reqid)


def host(*policies: Policy, holds: int = 2) -> Host:
    made = Host({US.packed}, {PEER.packed, FAR}, holds=holds)
    for one in policies:
        made.spd.add(one)
    return made


def test_nothing_waits_where_nothing_is_held() -> None:
    one = host(policy(), holds=0)
    assert one.enter("plain", packet()) == ()
    assert one.counters == {Counter.OUT_NO_STATES: 1}
    one.add(state())
    assert one.release() == ()


def test_packets_leave_in_their_order_when_the_sa_is_there() -> None:
    """Each once, and with nothing counted; a packet behind them goes at once."""
    one = host(policy())
    for size in (12, 40):
        one.enter("plain", packet(size))
    assert one.release() == ()
    one.add(state())
    short, long = one.release()
    assert len(short.packet) < len(long.packet)
    assert short.through == long.through == ("sa4097",)
    assert one.release() == ()
    assert len(one.enter("plain", packet())) == 1
    assert not one.counters


def test_each_policy_has_room_of_its_own() -> None:
    """For so many packets; another is discarded and counted."""
    one = host(policy("udp", selector=Selector(version=4, protocol=17)), policy("tcp", reqid=4, priority=1))
    for _ in range(3):
        one.enter("plain", packet())
        one.enter("plain", packet(protocol=6))
    assert one.counters == {Counter.OUT_NO_STATES: 2}
    one.add(state(4))
    assert len(one.release()) == 2


def test_with_its_policy_goes_what_it_holds() -> None:
    """It is counted as what it was: a packet without an SA."""
    one = host(policy())
    one.enter("plain", packet())
    one.delete_policy("out")
    assert one.counters == {Counter.OUT_NO_STATES: 1}
    one.spd.add(policy())
    one.add(state())
    assert one.release() == ()


def test_another_policy_in_its_place_decides() -> None:
    one = host(policy())
    one.enter("plain", packet())
    one.replace_policy(policy("new", reqid=4))
    one.add(state(3))
    assert one.release() == ()
    one.add(state(4, 0x1002))
    assert [emerging.through for emerging in one.release()] == [("sa4098",)]
    one.enter("plain", packet())
    one.clear_policies()
    assert one.release() == ()


def test_a_policy_that_blocks_counts_each() -> None:
    one = host(policy())
    one.enter("plain", packet())
    one.enter("plain", packet())
    one.replace_policy(policy("new", action="block"))
    assert one.release() == ()
    assert one.counters == {Counter.OUT_POL_BLOCK: 2}


def test_what_is_forwarded_is_so_once() -> None:
    """The hop limit is one less, however long it waits."""
    one = host(policy())
    one.enter("plain", packet())
    one.release()
    one.replace_policy(policy("new", templates=()))
    assert [emerging.packet for emerging in one.release()] == [ip.forwarded(packet())]
