"""ESP in and out of a host does the same whatever its packets lie in."""

from ipaddress import ip_address
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from espproof.reference import endpoint, ip
from espproof.reference.endpoint import Entry
from espproof.reference.replay import ReplayWindow
from espproof.reference.sa import SaState, SecurityAssociation, UdpEncapsulation
from espproof.reference.xfrm import policy
from espproof.reference.xfrm.buffers import MOST_PIECES, WAYS, Layout
from espproof.reference.xfrm.host import Host, Side
from espproof.reference.xfrm.policy import Direction, Policy, Template
from espproof.reference.xfrm.states import State

PEER, US = ip_address("192.0.2.1"), ip_address("192.0.2.2")
FAR, NEAR = bytes([10, 1, 2, 3]), bytes([10, 9, 8, 7])
KEYS: dict[str, Any] = {
    "encr": "ENCR_AES_CBC",
    "encr_key": bytes(16),
    "auth": "AUTH_HMAC_SHA2_256_128",
    "auth_key": bytes(range(32)),
}
LAYOUTS = st.builds(
    Layout,
    st.lists(st.integers(1, 90), max_size=MOST_PIECES - 1).map(tuple),
    st.none() | st.integers(0, 80),
    st.booleans(),
)


def _sa(mode: Any, direction: Any, udp: UdpEncapsulation | None) -> SecurityAssociation:
    ends = (US, PEER) if direction == "out" else (PEER, US)
    return SecurityAssociation(
        name=direction, direction=direction, spi=0x1001, mode=mode, source=ends[0], destination=ends[1], udp=udp, **KEYS
    )


def _host(sa: SecurityAssociation) -> Host:
    """That has this SA, and whose policies ask for it."""
    made = Host({US.packed}, {PEER.packed})
    ends: Any = {"source": sa.source, "destination": sa.destination} if sa.mode == "tunnel" else {}
    directions: tuple[Direction, ...] = ("out",) if sa.direction == "out" else ("in", "forward")
    for direction in directions:
        made.spd.add(Policy(
            name=direction, direction=direction, selector=policy.Selector(version=4),
            templates=(Template(mode=sa.mode, **ends),),
        ))  # fmt: skip
    made.states.add(State(Entry(sa, SaState(sa.lifetime, 0, ReplayWindow(64)))))
    return made


def _packet(sa: SecurityAssociation, length: int) -> bytes:
    ends = (FAR, NEAR) if sa.direction == "in" else (NEAR, FAR)
    if sa.mode == "transport":
        ends = sa.source.packed, sa.destination.packed
    return ip.build_ipv4(*ends, 253, bytes(at & 0xFF for at in range(length)), identification=0x1234)


@given(
    st.sampled_from(("tunnel", "transport")), st.sampled_from(("in", "out")), st.booleans(),
    st.integers(0, 500), LAYOUTS, st.sampled_from(sorted(WAYS)),
)  # fmt: skip
def test_the_same_as_in_one_piece(
    mode: str, direction: str, in_udp: bool, length: int, layout: Layout, way: str
) -> None:
    """What emerges, what is counted, and what the SA has counted; and nobody else's memory has changed."""
    sa = _sa(mode, direction, UdpEncapsulation(4500, 4500) if in_udp else None)
    packet = _packet(sa, length)
    side: Side = "plain" if mode == "tunnel" else "local"
    if direction == "in":
        side = "wire"
        made = endpoint.encapsulate(Entry(sa, SaState()), packet, 1, bytes(16))
        assert isinstance(made, bytes)
        packet = made
    usual = _host(sa)
    right = usual.enter(side, packet)
    assert len(right) == 1
    ways: tuple[Any, ...] = ({"layout": layout}, {"way": way})
    for how in ways:
        other = _host(sa)
        assert other.enter(side, packet, **how) == right
        assert other.counters == usual.counters
        assert [one.entry.state.octets for one in other.states] == [one.entry.state.octets for one in usual.states]
        assert other.memory.seen in (None, packet)
