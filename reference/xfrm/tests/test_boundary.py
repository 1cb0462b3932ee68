"""Two directions of policies: what crosses the boundary between the sides of a host, and what does not."""

from collections import Counter as Tally

import pytest

from espproof.reference import endpoint, ip
from espproof.reference.endpoint import Entry
from espproof.reference.replay import ReplayWindow
from espproof.reference.sa import SaState, SecurityAssociation
from espproof.reference.xfrm.boundary import BoundaryHost
from espproof.reference.xfrm.counters import Counter
from espproof.reference.xfrm.host import Emerging, Side
from espproof.reference.xfrm.policy import Direction, Policy, Selector, Template
from espproof.reference.xfrm.states import State
from espproof.reference.xfrm.tests.test_host import ARRIVES, FAR, IN, LEAVES, NEAR, OUT, PEER, US

BESIDE = ip.build_ipv4(NEAR, bytes([10, 9, 8, 6]), 17, bytes(16))
OURS = ip.build_ipv4(FAR, US.packed, 17, bytes(16))


def host(*policies: Policy) -> BoundaryHost:
    """Nothing crosses that no policy is for; FAR lies behind the wire."""
    made = BoundaryHost({US.packed}, {PEER.packed, FAR}, ("in", "out"))
    for one in policies:
        made.spd.add(one)
    for sa in (IN, OUT):
        made.states.add(State(Entry(sa, SaState(sa.lifetime, 0, ReplayWindow(64)))))
    return made


def policy(direction: Direction, *templates: Template) -> Policy:
    return Policy(name=direction, direction=direction, selector=Selector(version=4), templates=templates)


def template(sa: SecurityAssociation) -> Template:
    return Template(mode="tunnel", source=sa.source, destination=sa.destination)


def protected(packet: bytes) -> bytes:
    made = endpoint.encapsulate(Entry(IN, SaState()), packet, 1)
    assert isinstance(made, bytes)
    return made


@pytest.mark.parametrize(("packet", "side"), [(ARRIVES, "plain"), (OURS, "local")])
def test_inwards_it_does_not_matter_whom_a_packet_is_for(packet: bytes, side: Side) -> None:
    """One policy lets both in, and without it neither passes."""
    inside = ip.forwarded(packet) if side == "plain" else packet
    assert host(policy("in", template(IN))).enter("wire", protected(packet)) == (Emerging(side, inside, ("in",)),)
    without = host(policy("out"))
    assert without.enter("wire", protected(packet)) == ()
    assert without.counters == Tally([Counter.IN_NO_POLS])


@pytest.mark.parametrize("packet", [ARRIVES, OURS])
def test_in_the_clear_from_the_wire(packet: bytes) -> None:
    """It crosses as well."""
    assert host().enter("wire", packet) == ()
    assert len(host(policy("in")).enter("wire", packet)) == 1
    assert host(policy("in", template(IN))).enter("wire", packet) == ()


@pytest.mark.parametrize("side", ["plain", "local"])
def test_outwards_one_policy_is_asked(side: Side) -> None:
    """That in the other direction is not, although the packet is forwarded."""
    (sent,) = host(policy("out", template(OUT))).enter(side, LEAVES)
    assert (sent.side, sent.through) == ("wire", ("out",))
    assert host(policy("in")).enter(side, LEAVES) == ()


@pytest.mark.parametrize("packet", [BESIDE, OURS])
def test_between_the_other_sides_nothing_is_asked(packet: bytes) -> None:
    """What is on the plain side reaches its neighbours and the host itself."""
    assert len(host().enter("plain", packet)) == 1


def test_a_tunnel_from_the_plain_side_crosses() -> None:
    """What comes out of an SA is held against the policies wherever it entered."""
    assert host().enter("plain", protected(ARRIVES)) == ()
