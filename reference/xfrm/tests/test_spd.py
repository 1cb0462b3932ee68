"""The SPD: the same answer as the search through all policies in their order, whatever was put in and taken out."""

from dataclasses import replace
from ipaddress import ip_address, ip_network
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from espproof.reference.errors import Misuse
from espproof.reference.xfrm.policy import (
    DIRECTIONS,
    MOST_TEMPLATES,
    Direction,
    Flow,
    Mark,
    Policy,
    Range,
    Selector,
    Template,
)
from espproof.reference.xfrm.spd import Spd, _Rank, _Ranks, linear_search

NETWORKS = {
    4: ("0.0.0.0/0", "128.0.0.0/1", "192.0.2.0/24", "192.0.2.0/31", "192.0.2.1/32", "198.51.100.0/24"),
    6: ("::/0", "2001:db8::/33", "2001:db8:8000::/33", "2001:db8::/64", "2001:db8::/127", "2001:db8::1/128"),
}
ADDRESSES = {
    4: ("192.0.2.0", "192.0.2.1", "192.0.2.2", "198.51.100.7", "10.0.0.1"),
    6: ("2001:db8::", "2001:db8::1", "2001:db8::2", "2001:db8:8000::1", "2001:db9::1"),
}
NAMES = "abcdef"
MARKS = (Mark(), Mark(), Mark(), Mark(1, 1), Mark(2, 3), Mark(0, 2), Mark(3, 3))
RANGES = (Range(0, 0xFFFF), Range(8, 8), Range(8, 80), Range(81, 9000))
PRIORITIES = (0, 0, 1, 2**31, 2**32 - 1)
DIRECTION, IF_ID = st.sampled_from((*DIRECTIONS, "out", "out")), st.sampled_from((0, 0, 0, 7))
VERSION: Any = st.sampled_from((4, 6))


def selectors(version: int) -> st.SearchStrategy[Selector]:
    network = st.none() | st.sampled_from(NETWORKS[version]).map(ip_network)
    ports = st.none() | st.sampled_from(RANGES)
    return st.builds(
        Selector, version=st.just(version), source=network, destination=network,
        protocol=st.sampled_from((None, 6, 17)), source_ports=ports, destination_ports=ports,
    )  # fmt: skip


def flows(version: int) -> st.SearchStrategy[Flow]:
    address = st.sampled_from(ADDRESSES[version]).map(lambda text: ip_address(text).packed)
    port = st.sampled_from((None, 0, 8, 80, 81, 9001))
    return st.builds(Flow, st.just(version), address, address, st.sampled_from((6, 17, 50)), port, port)


policies = st.builds(
    Policy,
    name=st.sampled_from(NAMES),
    direction=DIRECTION,
    selector=VERSION.flatmap(selectors),
    priority=st.sampled_from(PRIORITIES),
    mark=st.sampled_from(MARKS),
    if_id=IF_ID,
)
packets = st.tuples(DIRECTION, VERSION.flatmap(flows), st.integers(0, 3), IF_ID)


def meant_for(policy: Policy) -> tuple[Direction, Flow, int, int]:
    """A packet that fits a policy: the first address of each prefix, the first of each range."""
    one = policy.selector
    source, destination = (
        ip_address(ADDRESSES[one.version][1]) if network is None else network.network_address
        for network in (one.source, one.destination)
    )
    ports = [8 if numbers is None else numbers.first for numbers in (one.source_ports, one.destination_ports)]
    protocol = 17 if one.protocol is None else one.protocol
    flow = Flow(one.version, source.packed, destination.packed, protocol, *ports)
    return policy.direction, flow, policy.mark.value, policy.if_id


class Model:
    """Policies in the order in which they were put in, beside the SPD."""

    def __init__(self) -> None:
        self.spd = Spd()
        self.known: list[Policy] = []

    def add(self, policy: Policy) -> None:
        taken = any(one.name == policy.name or one.identity == policy.identity for one in self.known)
        self._try(self.spd.add, policy, allowed=not taken)
        if not taken:
            self.known.append(policy)

    def replace(self, policy: Policy) -> None:
        others = [one for one in self.known if one.identity != policy.identity]
        taken = any(one.name == policy.name for one in others)
        self._try(self.spd.replace, policy, allowed=not taken)
        if not taken:
            self.known = [*others, policy]

    def delete(self, policy: Policy) -> None:
        left = [one for one in self.known if one.name != policy.name]
        self._try(self.spd.delete, policy.name, allowed=len(left) < len(self.known))
        self.known = left

    @staticmethod
    def _try(change: Any, argument: Any, *, allowed: bool) -> None:
        if allowed:
            change(argument)
        else:
            with pytest.raises(Misuse):
                change(argument)


changes = st.tuples(
    st.sampled_from(("add", "add", "replace", "delete")),
    st.integers(0, 4),
    st.sampled_from(NAMES),
    st.sampled_from(PRIORITIES),
)


@settings(deadline=None)
@given(st.lists(policies, min_size=5, max_size=5), st.lists(changes, min_size=10, max_size=30), st.data())
def test_same_answer_as_the_linear_search(
    kinds: list[Policy], done: list[tuple[str, int, str, int]], data: st.DataObject
) -> None:
    """After any additions, replacements and deletions, what is found for a packet is the first policy that it fits."""
    model = Model()
    for change, kind, name, priority in done:
        getattr(model, change)(replace(kinds[kind], name=name, priority=priority))
    assert sorted(one.name for one in model.spd) == sorted(one.name for one in model.known)
    drawn = data.draw(st.lists(packets, min_size=5, max_size=10))
    for direction, flow, mark, if_id in (*drawn, *map(meant_for, kinds)):
        expected = linear_search(model.known, direction, flow, mark, if_id)
        assert model.spd.find(direction, flow, mark, if_id) is expected


@settings(deadline=None)
@given(st.lists(policies, max_size=12, unique_by=lambda one: one.name), st.data())
def test_an_spd_that_is_emptied_is_a_fresh_one(several: list[Policy], data: st.DataObject) -> None:
    """In whatever order policies are taken out again, nothing is left that could be found."""
    model = Model()
    for policy in several:
        model.add(policy)
    for policy in data.draw(st.permutations(model.known)):
        model.delete(policy)
    assert not list(model.spd)
    for direction, flow, mark, if_id in data.draw(st.lists(packets, max_size=5)):
        assert model.spd.find(direction, flow, mark, if_id) is None


FLOW = Flow(4, ip_address("192.0.2.1").packed, ip_address("198.51.100.7").packed, 17, 8, 80)
ANY = Policy(name="any", direction="out", selector=Selector(version=4))
NARROW = replace(ANY, name="narrow", selector=Selector(version=4, source=ip_network("192.0.2.1/32"), protocol=17))

EXACT = replace(
    ANY,
    name="exact",
    selector=Selector(version=4, source=ip_network("192.0.2.1/32"), destination=ip_network("198.51.100.7/32")),
)


def spd_of(*several: Policy) -> Spd:
    made = Spd()
    for policy in several:
        made.add(policy)
    return made


@pytest.mark.parametrize(
    ("several", "found"),
    [
        ((ANY, NARROW), "any"),
        ((NARROW, ANY), "narrow"),
        ((EXACT, ANY), "exact"),
        ((EXACT, NARROW), "exact"),
        ((ANY, EXACT), "any"),
        ((replace(ANY, priority=1), NARROW), "narrow"),
        ((replace(ANY, priority=2**31), NARROW), "narrow"),
        ((replace(ANY, priority=2**32 - 1), replace(NARROW, priority=2**31 - 1)), "narrow"),
        ((replace(NARROW, priority=1), ANY), "any"),
        ((replace(ANY, mark=Mark(1, 1)), replace(NARROW, priority=1)), "narrow"),
        ((replace(ANY, if_id=7), replace(NARROW, priority=1)), "narrow"),
        ((replace(ANY, direction="in"), replace(NARROW, priority=1)), "narrow"),
        ((replace(ANY, selector=Selector(version=6)), replace(NARROW, priority=1)), "narrow"),
    ],
)
def test_order_and_not_detail_decides(several: tuple[Policy, ...], found: str) -> None:
    """The lowest priority comes first, and among equals the oldest, however narrow another is."""
    first = spd_of(*several).find("out", FLOW)
    assert first is not None
    assert first.name == found
    assert linear_search(several, "out", FLOW) is first


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_priorities_count_in_every_direction(direction: Direction) -> None:
    """The lower number comes first, in whatever order policies were put in."""
    late, early = (replace(one, direction=direction, priority=number) for one, number in ((ANY, 2), (NARROW, 1)))
    assert spd_of(late, early).find(direction, FLOW) is early
    assert spd_of(early, late).find(direction, FLOW) is early


def test_what_is_replaced_becomes_the_youngest() -> None:
    """A policy in the place of another for the same traffic stands behind its equals, and may have its name."""
    spd = spd_of(ANY, NARROW)
    spd.replace(replace(ANY, action="block"))
    assert spd.find("out", FLOW) is NARROW
    spd.delete("narrow")
    found = spd.find("out", FLOW)
    assert found is not None
    assert found.action == "block"


@pytest.mark.parametrize("wrong", [{"name": "narrow"}, {"templates": (Template(mode="tunnel"),)}])
def test_what_cannot_replace_leaves_the_old_one(wrong: dict[str, Any]) -> None:
    """With the name of another policy, or without sense, it is refused, and what was there is found as before."""
    spd = spd_of(ANY, NARROW)
    with pytest.raises(Misuse):
        spd.replace(replace(ANY, **wrong))
    assert list(spd) == [ANY, NARROW]
    assert spd.find("out", FLOW) is ANY


def test_any_is_a_prefix_of_no_bits() -> None:
    """A selector with a prefix of no bits is for the same traffic as one without a network."""
    with pytest.raises(Misuse, match="same traffic"):
        spd_of(ANY, replace(ANY, name="zero", selector=Selector(version=4, source=ip_network("0.0.0.0/0"))))


TUNNEL = Template(mode="tunnel", source=ip_address("192.0.2.1"), destination=ip_address("192.0.2.2"))
ERRORS: dict[str, tuple[Policy, str]] = {
    "name in use": (replace(NARROW, name="any"), "named any"),
    "same traffic": (replace(ANY, name="other", priority=5), "same traffic"),
    "no such direction": (replace(NARROW, direction="up"), "direction up"),  # type: ignore[arg-type]
    "templates": (replace(NARROW, templates=(TUNNEL,) * (MOST_TEMPLATES + 1)), "more than"),
    "source of another version": (
        replace(NARROW, selector=Selector(version=4, source=ip_network("2001:db8::/32"))), "IP version 4"
    ),
    "destination of another version": (
        replace(NARROW, selector=Selector(version=6, destination=ip_network("10.0.0.0/8"))),
        "IP version 6",
    ),
    "a tunnel without a source": (replace(NARROW, templates=(replace(TUNNEL, source=None),)), "both ends"),
    "a tunnel without a destination": (replace(NARROW, templates=(replace(TUNNEL, destination=None),)), "both ends"),
    "an optional tunnel outbound": (replace(NARROW, templates=(replace(TUNNEL, optional=True),)), "optional tunnel"),
}  # fmt: skip


@pytest.mark.parametrize("what", ERRORS)
def test_a_policy_that_makes_no_sense_is_refused(what: str) -> None:
    """It is the caller's mistake, and nothing has changed."""
    policy, phrase = ERRORS[what]
    spd = spd_of(ANY)
    with pytest.raises(Misuse, match=phrase):
        spd.add(policy)
    assert list(spd) == [ANY]
    assert spd.find("out", FLOW) is ANY


def test_what_is_allowed_at_the_edge() -> None:
    """As many templates as there may be, and an optional tunnel where it is not outbound."""
    spd_of(
        replace(ANY, templates=(TUNNEL,) * MOST_TEMPLATES),
        replace(ANY, name="in", direction="in", templates=(replace(TUNNEL, optional=True),)),
    )


def test_a_policy_that_is_not_there_cannot_be_deleted() -> None:
    """Nor twice."""
    spd = spd_of(ANY)
    spd.delete("any")
    with pytest.raises(Misuse, match="no policy named any"):
        spd.delete("any")


def many_ports(count: int) -> tuple[Spd, list[Policy]]:
    """Policies between two hosts, each for a port or a range of eight, the last added the first in the order."""
    network = ip_network("192.0.2.1/32")
    several = [
        Policy(
            name=str(number), direction="out", priority=count - number, mark=Mark(number % 2, 1),
            selector=Selector(
                version=4, source=network, destination=network, protocol=17,
                destination_ports=Range(8 * number, 8 * number + (7 if number % 3 else 0)),
            ),
        )
        for number in range(count)
    ]  # fmt: skip
    spd = Spd()
    for policy in several:
        spd.add(policy)
    return spd, several


def test_few_policies_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many there are, ports and marks lead to those of one place: a search compares no more than a few."""
    looked_at = 0
    matches = Policy.matches

    def counted(self: Policy, flow: Flow, mark: int, if_id: int) -> bool:
        nonlocal looked_at
        looked_at += 1
        return matches(self, flow, mark, if_id)

    host = ip_address("192.0.2.1").packed
    for count in (10, 1000):
        spd, several = many_ports(count)
        flows_and_marks = [
            (Flow(4, host, host, 17, 9, 8 * number), number % 2) for number in range(0, count, count // 10)
        ]
        expected = [linear_search(several, "out", flow, mark) for flow, mark in flows_and_marks]
        with monkeypatch.context() as patched:
            patched.setattr(Policy, "matches", counted)
            looked_at = 0
            assert [spd.find("out", flow, mark) for flow, mark in flows_and_marks] == expected
        assert None not in expected
        assert looked_at <= 2 * len(flows_and_marks)


def test_ranks_of_what_was_deleted_do_not_pile_up() -> None:
    """A policy that stays in front, and thousands behind it that come and go."""
    spd, _ = many_ports(1)
    for number in range(2000):
        network = ip_network(f"10.0.{number % 250}.1/32")
        spd.add(Policy(name=f"x{number}", direction="out", priority=9, selector=Selector(version=4, source=network)))
        spd.delete(f"x{number}")
    assert sum(len(entries.ranks._heap) for shapes in spd._groups.values() for entries in shapes.values()) <= 2
    assert [policy.name for policy in spd] == ["0"]


def test_the_first_rank_is_that_of_what_is_there() -> None:
    """Deleted in any order, out of any number."""
    for order in ((0, 1, 2, 3, 4), (4, 3, 2, 1, 0), (2, 0, 4, 1, 3)):
        ranks, there = _Ranks(), {_Rank(5, age) for age in order}
        for rank in sorted(there, reverse=True):
            ranks.add(rank)
        for age in order:
            assert ranks.first == min(there)
            there.remove(_Rank(5, age))
            ranks.delete(_Rank(5, age))
            assert bool(ranks) == bool(there)
