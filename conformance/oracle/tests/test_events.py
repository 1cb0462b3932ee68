"""What a key manager was told, judged."""

import pytest

from espproof.adapters.case import Event, Events, PortRange, TrafficSelector
from espproof.conformance.oracle.events import judge_events

ALL = ("acquire", "soft", "hard")
SOFT, HARD = Event(kind="soft", sa="a"), Event(kind="hard", sa="a")
OTHER = Event(kind="hard", sa="b")
FLOW = TrafficSelector(
    version=4, source="192.0.2.1", destination="192.0.2.2", protocol=17, source_ports=PortRange(first=1, last=1)
)
ASKED = Event(kind="acquire", policy="p", source="192.0.2.17", destination="192.0.2.18", flow=FLOW)
ELSEWHERE = Event(kind="acquire", policy="q", source="192.0.2.17", destination="192.0.2.19", flow=FLOW)
AGAIN = Event(kind="acquire", policy="p", source="192.0.2.17", destination="192.0.2.18")
BARE = Event(kind="acquire")
WRONG_FLOW = TrafficSelector(version=4, source="192.0.2.9")
RUN_OUT = Event(kind="hard")


def wrong(got: tuple[Event, ...], want: tuple[Event, ...], kinds: tuple[str, ...] = ALL) -> list[str]:
    return [message for _, message in judge_events(Events(events=got), Events(events=want), kinds)]


@pytest.mark.parametrize(
    ("got", "want"),
    [
        ((), ()),
        ((SOFT, HARD, OTHER), (SOFT, HARD, OTHER)),
        ((OTHER, SOFT, HARD), (SOFT, HARD, OTHER)),
        ((RUN_OUT, SOFT), (SOFT,)),
        ((Event(kind="acquire"),), (ASKED,)),
        ((Event(kind="acquire", policy="p", flow=TrafficSelector(
            version=4, source="192.0.2.1", destination="192.0.2.2", protocol=17)),), (ASKED,)),
        ((Event(kind="acquire", flow=TrafficSelector(version=4, destination="192.0.2.2/32")),), (ASKED,)),
        ((BARE, ASKED), (ASKED, ELSEWHERE)),
        ((Event(kind="acquire", flow=FLOW), Event(kind="acquire", policy="p")), (ASKED, ELSEWHERE)),
        ((ASKED, ASKED), (ASKED, ASKED)),
        ((BARE, ASKED, BARE), (ASKED, ELSEWHERE, AGAIN)),
        ((Event(kind="acquire", source="2001:DB8:0::1"),), (Event(kind="acquire", policy="p", source="2001:db8::1"),)),
    ],
    ids=str,
)  # fmt: skip
def test_right(got: tuple[Event, ...], want: tuple[Event, ...]) -> None:
    """Order among several is free, a request that has run out may be told, details may be left out: who has told little is
    not taken for what somebody else has told in full."""
    assert wrong(got, want) == []


@pytest.mark.parametrize(
    ("got", "want", "message"),
    [
        ((), (SOFT,), "not told: the soft limit of SA a"),
        ((SOFT, SOFT), (SOFT,), "told, though it is not so: the soft limit of SA a"),
        ((HARD, SOFT), (SOFT, HARD), "told too early: the hard limit of SA a"),
        ((OTHER,), (HARD, OTHER), "not told: the hard limit of SA a"),
        ((Event(kind="acquire", policy="q"),), (ASKED,), "not told: an SA 192.0.2.17"),
        ((Event(kind="acquire", flow=TrafficSelector(version=4, protocol=6)),), (ASKED,), "not told: an SA"),
        ((BARE, Event(kind="acquire", flow=WRONG_FLOW)), (ASKED, ELSEWHERE), "not told: an SA 192.0.2.17"),
        ((Event(kind="soft", sa="a", flow=FLOW),), (SOFT,), "not told: the soft limit of SA a"),
        ((BARE, BARE), (ASKED,), "told, though it is not so"),
    ],
    ids=str,
)
def test_wrong(got: tuple[Event, ...], want: tuple[Event, ...], message: str) -> None:
    assert wrong(got, want)[0].startswith(message)


def test_what_is_not_declared_is_not_compared() -> None:
    assert wrong((OTHER,), (SOFT, HARD), ("acquire",)) == []
