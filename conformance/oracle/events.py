"""What a key manager was told, held against what it should have been told.

The same things, each as often; of one SA or policy in the same order. Between others the order is free. What an
implementation does not declare to tell, and details that it leaves out, are not compared. A request that has run out may
be told or not.
"""

from collections.abc import Collection
from ipaddress import ip_interface

from espproof.adapters.case import Event, Events, TrafficSelector
from espproof.conformance.oracle.compare import event
from espproof.conformance.oracle.outbound import Judged

_Subject = tuple[str | None, str | None]


def judge_events(got: Events, want: Events, kinds: Collection[str]) -> Judged:
    """Hold what was told since the last reading against the reference's; `kinds` are those that are declared."""
    left: dict[int, Event] = {at: one for at, one in enumerate(got.events) if _counts(one, kinds)}
    seen: dict[_Subject, int] = {}
    for right in (one for one in want.events if _counts(one, kinds)):
        place = next((at for at, one in left.items() if _is_the_same(one, right)), None)
        if place is None:
            yield None, f"not told: {event(right)}"
            continue
        if place < seen.get(_subject(right), place):
            yield None, f"told too early: {event(right)}"
        seen[_subject(right)] = place
        del left[place]
    yield from ((None, f"told, though it is not so: {event(one)}") for one in left.values())


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
        and (got.flow is None or want.flow is None or _is_the_flow(got.flow, want.flow))
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
