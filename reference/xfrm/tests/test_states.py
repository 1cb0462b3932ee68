"""The SAs of a host: the same answer as a search through all of them, and the one that a template asks for."""

import itertools
from contextlib import suppress
from dataclasses import replace
from ipaddress import ip_address, ip_network
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from espproof.reference import ip
from espproof.reference.endpoint import Entry
from espproof.reference.errors import Misuse
from espproof.reference.lifetime import Lifetime
from espproof.reference.sa import SaState, SecurityAssociation, Selector, UdpEncapsulation
from espproof.reference.xfrm import policy
from espproof.reference.xfrm.policy import Mark, Policy, Template
from espproof.reference.xfrm.states import State, States, linear_choice, linear_search

OUT = SecurityAssociation(
    name="out", direction="out", spi=0x1001, mode="tunnel", source=ip_address("192.0.2.1"),
    destination=ip_address("192.0.2.2"), encr="ENCR_NULL", auth="AUTH_HMAC_SHA1_96", auth_key=bytes(range(20)),
)  # fmt: skip
HERE, THERE = OUT.source.packed, OUT.destination.packed
SPIS = (0x1001, 0x1002)
DESTINATIONS = ("192.0.2.2", "198.51.100.3", "2001:db8::2")
MARKS = (Mark(), Mark(1, 1), Mark(2, 3), Mark(0, 2), Mark(3, 3))
ASKED = Template(mode="tunnel", source=ip_address("192.0.2.1"), destination=ip_address("192.0.2.2"))
POLICY = Policy(name="any", direction="out", selector=policy.Selector(version=4), templates=(ASKED,))
INNER = ip.build_ipv4(bytes([10, 1, 2, 3]), bytes([10, 9, 8, 7]), 17, bytes(16))


def made(sa: SecurityAssociation, lifetime: Lifetime | None = None, **fields: Any) -> State:
    return State(Entry(sa, SaState(lifetime or Lifetime())), **fields)


def states_of(*several: State) -> States:
    states = States()
    for one in several:
        states.add(one)
    return states


def asked(states: States, template: Template = ASKED, of: Policy = POLICY, inner: bytes = INNER, now: float = 0) -> str:
    """The name of the SA that is found for a template between `HERE` and `THERE`; "" for none."""
    found = states.asked_for(template, of, HERE, THERE, inner, now)
    return "" if found is None else found.sa.name


SOURCES = {4: ("192.0.2.1", "192.0.2.9"), 6: ("2001:db8::1", "2001:db8::9")}


def candidate(name: str, direction: Any, spi: int, destination: str, mark: Mark, lookup: Any, first: bool) -> State:
    address = ip_address(destination)
    source = ip_address(SOURCES[address.version][not first])
    sa = replace(OUT, name=name, direction=direction, spi=spi, destination=address, source=source, lookup=lookup)
    return made(sa, mark=mark)


candidates = st.builds(
    candidate,
    st.sampled_from("abcdefgh"),
    st.sampled_from(("in", "in", "out")),
    st.sampled_from(SPIS),
    st.sampled_from(DESTINATIONS),
    st.sampled_from(MARKS),
    st.sampled_from(("spi+destination", "spi", "spi+destination+source")),
    st.booleans(),
)


def place(state: State) -> tuple[bytes, int]:
    return state.sa.destination.packed, state.sa.spi


def are_alike(one: State, other: State) -> bool:
    """Whether no packet could tell them apart, or one name in the kernel's words is both's."""
    if one.mark != other.mark or one.sa.spi != other.sa.spi:
        return False
    if "out" in (one.sa.direction, other.sa.direction):
        return place(one) == place(other)
    if one.sa.lookup != other.sa.lookup:
        return False
    ends = [(sa.destination, sa.source) for sa in (one.sa, other.sa)]
    decides = {"spi": 0, "spi+destination": 1, "spi+destination+source": 2}[one.sa.lookup]
    return ends[0][:decides] == ends[1][:decides]


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from(("add", "add", "delete")), candidates), max_size=20))
def test_same_answer_as_the_linear_search(changes: list[tuple[str, State]]) -> None:
    """After any additions and deletions each packet finds the youngest SA that it fits; a refusal changes nothing."""
    states = States()
    known: list[State] = []
    for change, one in changes:
        there = [other for other in known if other.sa.name == one.sa.name]
        if change == "delete":
            known = [other for other in known if other not in there]
            allowed, act, argument = bool(there), states.delete, one.sa.name
        else:
            allowed = not there and not any(are_alike(one, other) for other in known)
            act, argument = states.add, one  # type: ignore[assignment]
            known = [*known, one] if allowed else known
        if allowed:
            act(argument)
        else:
            with pytest.raises(Misuse):
                act(argument)
    assert list(states) == known
    for destination in (ip_address(text).packed for text in DESTINATIONS):
        for spi in (*SPIS, 0x1003):
            there = [one for one in known if place(one) == (destination, spi)]
            assert states.taken(spi, destination) == bool(there)
            sources = (ip_address(text).packed for text in SOURCES[4 if len(destination) == 4 else 6])
            for source, mark in itertools.product(sources, range(4)):
                found = states.arrived(destination, spi, mark, source=source)
                assert found is linear_search(known, destination, spi, mark, source=source)


def test_the_youngest_is_preferred() -> None:
    """Of several SAs that fit, the one that was added last is asked for, and after its deletion the one before."""
    states = states_of(made(OUT), made(replace(OUT, name="new", spi=0x1002)))
    assert asked(states) == "new"
    states.delete("new")
    assert asked(states) == "out"


def test_a_soft_limit_hands_over() -> None:
    """An SA behind its soft limit is asked for only where all others are; then the youngest is."""
    short = Lifetime(soft_seconds=10)
    states = states_of(
        made(OUT, Lifetime(soft_seconds=20)),
        made(replace(OUT, name="middle", spi=0x1002), short),
        made(replace(OUT, name="young", spi=0x1003), short),
    )
    assert [asked(states, now=now) for now in (9, 10, 19, 20)] == ["young", "out", "out", "young"]


@pytest.mark.parametrize(
    ("sa", "fields", "template"),
    [
        ({"direction": "in"}, {}, {}),
        ({"mode": "transport"}, {}, {}),
        ({"source": ip_address("192.0.2.9")}, {}, {}),
        ({"destination": ip_address("192.0.2.9")}, {}, {}),
        ({}, {"reqid": 7}, {}),
        ({}, {}, {"reqid": 7}),
        ({}, {}, {"spi": 0x1002}),
        ({}, {"mark": Mark(1, 1)}, {}),
        ({}, {"if_id": 7}, {}),
        ({"selectors": (Selector(source=ip_network("10.2.0.0/16")),)}, {}, {}),
    ],
)
def test_what_a_template_does_not_ask_for(sa: Any, fields: Any, template: Any) -> None:
    """Direction, mode, ends, request id, SPI, mark, interface and selectors: an SA that differs in one is not found."""
    assert asked(states_of(made(OUT))) == "out"
    assert asked(states_of(made(replace(OUT, **sa), **fields)), replace(ASKED, **template)) == ""


def test_what_a_template_asks_for() -> None:
    """SPI, request id, interface, mark and selectors that are equal are found, in front of younger ones that differ."""
    wide = (Selector(source=ip_network("10.1.0.0/16")),)
    states = states_of(
        made(replace(OUT, selectors=wide), reqid=7, mark=Mark(2, 2), if_id=3),
        made(replace(OUT, name="younger", spi=0x1002), reqid=7, mark=Mark(2, 2)),
    )
    marked = replace(POLICY, mark=Mark(2, 3))
    assert asked(states, replace(ASKED, reqid=7, spi=0x1001), replace(marked, if_id=3)) == "out"
    assert asked(states, replace(ASKED, reqid=7), marked) == "younger"


ERRORS: dict[str, tuple[State, str]] = {
    "name in use": (made(replace(OUT, spi=0x1002)), "named out"),
    "twin": (made(replace(OUT, name="twin")), "0x00001001"),
    "twin of the other direction": (made(replace(OUT, name="twin", direction="in")), "0x00001001"),
    "no SPI": (made(replace(OUT, name="zero", spi=0)), "SPI 0"),
}


@pytest.mark.parametrize("what", ERRORS)
def test_an_sa_that_cannot_be_told_apart_is_refused(what: str) -> None:
    """It is the caller's mistake, and nothing has changed."""
    wrong, phrase = ERRORS[what]
    states = states_of(made(OUT))
    with pytest.raises(Misuse, match=phrase):
        states.add(wrong)
    assert [one.sa.name for one in states] == ["out"]
    assert asked(states) == "out"
    assert not states.taken(0, THERE)


def test_a_mark_tells_twins_apart() -> None:
    """Two SAs with equal SPI and destination may be there, if their marks differ."""
    plain, marked = made(replace(OUT, direction="in")), made(replace(OUT, name="one", direction="in"), mark=Mark(1, 1))
    states = states_of(marked, plain)
    assert states.arrived(THERE, 0x1001, 1) is plain
    states.delete("out")
    assert states.arrived(THERE, 0x1001, 1) is marked
    assert states.arrived(THERE, 0x1001, 0) is None


def test_names() -> None:
    """An SA is found by its name while it is there; a name that nobody has is the caller's mistake."""
    states = states_of(made(OUT))
    assert states.named("out").sa is OUT
    states.delete("out")
    for use in (states.named, states.delete):
        with pytest.raises(Misuse, match="no SA named out"):
            use("out")
    assert not states.taken(OUT.spi, THERE)


REQUESTS = (0, 7)


def sender(name: str, spi: int, reqid: int, mark: Mark, soft: int | None) -> State:
    lifetime = Lifetime() if soft is None else Lifetime(soft_seconds=soft)
    return made(replace(OUT, name=name, spi=spi), lifetime, reqid=reqid, mark=mark)


senders = st.builds(
    sender,
    st.sampled_from("abcdefgh"),
    st.sampled_from((0x1001, 0x1002, 0x1003)),
    st.sampled_from(REQUESTS),
    st.sampled_from(MARKS),
    st.sampled_from((None, None, 10, 20)),
)


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from(("add", "add", "delete")), senders), max_size=20))
def test_same_choice_as_the_linear_one(changes: list[tuple[str, State]]) -> None:
    """After any additions and deletions each template finds the SA that a look at all of them finds."""
    states = States()
    for change, one in changes:
        with suppress(Misuse):
            if change == "add":
                states.add(one)
            else:
                states.delete(one.sa.name)
    for reqid in REQUESTS:
        for mark in MARKS:
            for now in (0.0, 10.0, 20.0):
                template, of = replace(ASKED, reqid=reqid), replace(POLICY, mark=mark)
                expected = linear_choice(states, template, of, HERE, THERE, INNER, now)
                assert states.asked_for(template, of, HERE, THERE, INNER, now) is expected


def test_ports_of_those_that_are_there() -> None:
    """ESP in UDP is for a port as long as one inbound SA receives there."""
    udp = UdpEncapsulation(4500, 4501)
    one, other = (
        made(replace(OUT, name=name, direction="in", spi=spi, udp=udp)) for name, spi in (("a", 0x1001), ("b", 0x1002))
    )
    states = states_of(one, other, made(replace(OUT, spi=0x1003, udp=UdpEncapsulation(4500, 4600))))
    assert [states.receives_at(port) for port in (4500, 4501, 4600)] == [False, True, False]
    states.delete("a")
    assert states.receives_at(4501)
    states.delete("b")
    assert not states.receives_at(4501)


def test_nothing_is_left_behind() -> None:
    """A thousand SAs that were replaced one by one leave indices of the size that they had."""
    states = states_of(
        made(replace(OUT, name="0", spi=0x1000)), made(replace(OUT, name="in", direction="in", spi=0x900))
    )
    for number in range(1, 1000):
        states.add(made(replace(OUT, name=f"{number}", spi=0x1000 + number)))
        states.delete(f"{number - 1}")
    lengths = [[len(chain) for chain in index.values()] for index in (states._arriving, states._at, states._leaving)]
    assert lengths == [[1], [1, 1], [1]]
