"""Packets in flight: done in their order they fare as if they had come alone; none is lost uncounted, or comes twice."""

from collections import Counter as Tally
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from espproof.reference import endpoint, ip
from espproof.reference.endpoint import Entry
from espproof.reference.errors import Misuse
from espproof.reference.lifetime import Lifetime
from espproof.reference.replay import ReplayWindow
from espproof.reference.sa import SaState, SecurityAssociation
from espproof.reference.xfrm.asynchrony import Arrival, AsynchronousHost
from espproof.reference.xfrm.counters import Counter
from espproof.reference.xfrm.states import State
from espproof.reference.xfrm.tests.test_host import FAR, IN, IN_POLICY, NEAR, OUT, OUT_POLICY, PEER, US

WINDOW = 32
START = {False: 1000, True: 2**32 - 40}
"""The number that was received last, of 32 bits and of ESN: bursts are about those around it, with ESN on both sides of a
border."""


def host(esn: bool = False, *, sas: Sequence[SecurityAssociation] = ()) -> AsynchronousHost:
    """A gateway with a policy for each way."""
    made = AsynchronousHost({US.packed}, {PEER.packed}, ())
    for policy in (IN_POLICY, OUT_POLICY):
        made.spd.add(policy)
    for sa in sas or (replace(IN, esn=esn), OUT):
        window = ReplayWindow(WINDOW, 0 if sas else START[esn])
        made.states.add(State(Entry(sa, SaState(sa.lifetime, 0, window))))
    return made


def arriving(offset: int, *, forged: bool = False, esn: bool = False) -> Arrival:
    """A packet of the number so far behind the last one, and no other like it."""
    number = START[esn] + offset
    inside = ip.build_ipv4(FAR, NEAR, 17, number.to_bytes(8, "big"))
    made = endpoint.encapsulate(Entry(replace(IN, esn=esn), SaState()), inside, number)
    assert isinstance(made, bytes)
    return Arrival("wire", made[:-1] + bytes((made[-1] ^ forged,)))


def leaving(number: int) -> Arrival:
    return Arrival("plain", ip.build_ipv4(NEAR, FAR, 17, number.to_bytes(8, "big")))


def bursts(esn: bool) -> st.SearchStrategy[list[Arrival]]:
    numbers = st.integers(-WINDOW - 2, 90)
    packets = st.one_of(
        st.builds(arriving, numbers, forged=st.booleans(), esn=st.just(esn)), st.builds(leaving, st.integers(0, 9))
    )
    return st.lists(packets, min_size=1, max_size=12)


@given(st.data(), st.booleans())
def test_done_in_their_order_they_fare_as_one_by_one(data: st.DataObject, esn: bool) -> None:
    """The same packets emerge in the same order, and as many are counted. Why can differ: in flight the word of the
    cipher comes before the second look at the window, and an ESN is whole before the window has passed it."""
    burst = data.draw(bursts(esn))
    together, alone = host(esn), host(esn)
    emerged = together.enter_burst(burst, range(len(burst)))
    assert emerged == tuple(one for each in burst for one in alone.enter(each.side, each.packet))
    assert together.counters.total() == alone.counters.total()


@given(st.data(), st.booleans(), st.integers(0, 4))
def test_nothing_is_lost_uncounted_or_comes_twice(data: st.DataObject, esn: bool, room: int) -> None:
    """In whatever order ciphers finish, and however little they take."""
    burst = data.draw(bursts(esn))
    one = host(esn)
    order = data.draw(st.permutations(range(len(burst))))
    emerged = one.enter_burst(burst, order, room)
    assert len(emerged) + one.counters.total() == len(burst)
    inside = Tally(packet for side, packet, *_ in emerged if side == "plain")
    assert max(inside.values(), default=0) <= 1
    numbers = [int.from_bytes(packet[24:28], "big") for side, packet, *_ in emerged if side == "wire"]
    assert sorted(numbers) == list(range(1, len(numbers) + 1))


def test_of_two_in_flight_the_one_that_is_done_first_is_delivered() -> None:
    one = host()
    (emerged,) = one.enter_burst([arriving(1)] * 2, (1, 0))
    assert (emerged.side, one.counters) == ("plain", {Counter.IN_STATE_SEQ_ERROR: 1})


def test_the_sa_is_gone_when_the_cipher_is_done() -> None:
    """What was protected before leaves; what was to be opened does not arrive."""
    one = host()
    burst = [arriving(1), leaving(1), arriving(2)]
    emerged = one.enter_burst(burst, (2, "in", "out"))
    assert [each.side for each in emerged] == ["plain", "wire"]
    assert one.counters == {Counter.IN_STATE_INVALID: 1}
    with pytest.raises(Misuse, match="no SA named in"):
        one.enter_burst([leaving(1)], ("in",))


def test_a_limit_that_is_reached_in_flight_ends_the_sa() -> None:
    sa = replace(IN, lifetime=Lifetime(hard_packets=2))
    one = host(sas=(sa,))
    assert len(one.enter_burst([arriving(at) for at in range(4)], (3, 2, 1, 0))) == 2
    assert one.counters == {Counter.IN_STATE_INVALID: 2}
    assert not list(one.states)


def test_what_finds_no_room_has_no_number() -> None:
    one = host()
    assert len(one.enter_burst([leaving(1), leaving(2), leaving(3)], room=1)) == 1
    assert one.counters == {Counter.OUT_STATE_PROTO_ERROR: 2}
    (later,) = one.enter_burst([leaving(4)])
    assert later.packet[24:28] == (2).to_bytes(4, "big")
