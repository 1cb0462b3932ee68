"""What a key manager was told, held against what it should have been told.

The same things, each as often; of one SA or policy in the same order. Between others the order is free. What an
implementation does not declare to tell, and details that it leaves out, are not compared: what is told with few details
is taken for whatever it can be that nothing else is told of. A request that has run out may be told or not.
"""

from collections.abc import Collection, Mapping, Sequence
from ipaddress import ip_interface
from itertools import combinations

from espproof.adapters.case import Event, Events, TrafficSelector
from espproof.conformance.oracle.compare import event
from espproof.conformance.oracle.outbound import Judged

_Subject = tuple[str | None, str | None]


def judge_events(got: Events, want: Events, kinds: Collection[str]) -> Judged:
    """Hold what was told since the last reading against the reference's; `kinds` are those that are declared."""
    told = [one for one in got.events if _counts(one, kinds)]
    right = [one for one in want.events if _counts(one, kinds)]
    places = _matched(told, right)
    seen: dict[_Subject, int] = {}
    for number, one in enumerate(right):
        place = places.get(number)
        if place is None:
            yield None, f"not told: {event(one)}"
            continue
        if place < seen.get(_subject(one), place):
            yield None, f"told too early: {event(one)}"
        seen[_subject(one)] = place
    others = set(range(len(told))) - set(places.values())
    yield from ((None, f"told, though it is not so: {event(told[place])}") for place in sorted(others))


def _matched(told: Sequence[Event], right: Sequence[Event]) -> Mapping[int, int]:
    """By number, the places at which events of the reference are told: for as many as possible, each place for one."""
    owner: dict[int, int] = {}

    def finds_a_place(number: int, asked: set[int]) -> bool:
        for place, one in enumerate(told):
            if place in asked or not _is_the_same(one, right[number]):
                continue
            asked.add(place)
            if place not in owner or finds_a_place(owner[place], asked):
                owner[place] = number
                return True
        return False

    for number in range(len(right)):
        finds_a_place(number, set())
    return _in_order({number: place for place, number in owner.items()}, told, right)


def _in_order(places: dict[int, int], told: Sequence[Event], right: Sequence[Event]) -> dict[int, int]:
    """Of two events that could each be the other, the first is the one that was told first."""
    for one, other in combinations(sorted(places), 2):
        first, second = places[other], places[one]
        if first < second and _is_the_same(told[first], right[one]) and _is_the_same(told[second], right[other]):
            places[one], places[other] = first, second
    return places


def _counts(one: Event, kinds: Collection[str]) -> bool:
    of_something = one.kind == "acquire" or one.sa is not None or one.policy is not None
    return one.kind in kinds and of_something


def _subject(one: Event) -> _Subject:
    return one.sa, one.policy


def _is_the_same(got: Event, want: Event) -> bool:
    return (
        got.kind == want.kind
        and _fits(got.sa, want.sa)
        and _fits(got.policy, want.policy)
        and _fits(_number(got.source), _number(want.source))
        and _fits(_number(got.destination), _number(want.destination))
        and (got.flow is None or (want.flow is not None and _is_the_flow(got.flow, want.flow)))
    )


def _fits(got: object, want: object) -> bool:
    return got is None or got == want


def _is_the_flow(got: TrafficSelector, want: TrafficSelector) -> bool:
    return got.version == want.version and all(
        map(
            _fits,
            (_number(got.source), _number(got.destination), got.protocol, got.source_ports, got.destination_ports),
            (_number(want.source), _number(want.destination), want.protocol, want.source_ports, want.destination_ports),
        )
    )


def _number(text: str | None) -> object:
    """An address however it is written, with the length of its prefix or without."""
    try:
        return text and ip_interface(text)
    except ValueError:
        return text
