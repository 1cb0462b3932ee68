"""What the kernel tells a key manager, read from its messages."""

import pytest
from msgspec.structs import replace

from espproof.adapters.case import (
    AddPolicy,
    AddSa,
    Done,
    Event,
    Events,
    Policy,
    ReadEvents,
    Refused,
    Sa,
    TrafficSelector,
)
from espproof.adapters.exec import messages
from espproof.adapters.linux import association
from espproof.adapters.linux.events import Names, events
from espproof.adapters.linux.netlink import xfrm
from espproof.adapters.linux.netlink.netlink import Malformed
from espproof.adapters.linux.netlink.records import Acquire, PolicyExpired

SA = Sa(
    name="one",
    direction="out",
    spi=0x1234,
    mode="tunnel",
    source="192.0.2.17",
    destination="2001:db8::1",
    encr="ENCR_NULL",
)
POLICY = Policy(name="rule", direction="forward", selector=TrafficSelector(version=4, source="192.0.2.0/24"))
INFO = xfrm.SaInfo(id=xfrm.Id(xfrm.address(SA.destination), SA.spi), family=xfrm.AF_INET6)
RULE = xfrm.PolicyInfo(selector=association._traffic(POLICY.selector), direction=xfrm.FORWARD)


def names() -> Names:
    made = Names()
    made.learn(AddSa(sa=SA), Done())
    made.learn(AddPolicy(policy=POLICY), Done())
    return made


def told(request: xfrm.Request, known: Names | None = None) -> Event:
    (event,) = events([xfrm.encode(request).hex()], known or names()).events
    return event


def test_limits() -> None:
    """By the names that the case has for them; an SA that nobody has added is a larval one."""
    assert told(xfrm.Request(xfrm.Type.EXPIRE, xfrm.Expired(INFO))) == Event(kind="soft", sa="one")
    assert told(xfrm.Request(xfrm.Type.EXPIRE, xfrm.Expired(INFO, 1))) == Event(kind="hard", sa="one")
    assert told(xfrm.Request(xfrm.Type.POLEXPIRE, PolicyExpired(RULE, 1))) == Event(kind="hard", policy="rule")
    assert told(xfrm.Request(xfrm.Type.EXPIRE, xfrm.Expired(xfrm.SaInfo(), 1))) == Event(kind="hard")


def test_names_are_forgotten_and_never_learnt_of_what_was_refused() -> None:
    known = names()
    known.learn(messages.Reset(), Done())
    known.learn(AddSa(sa=SA), Refused())
    assert told(xfrm.Request(xfrm.Type.EXPIRE, xfrm.Expired(INFO)), known) == Event(kind="soft")


def test_a_policy_that_was_replaced() -> None:
    """Which of the two is meant is not known, until what was told of the first has been read."""
    known = names()
    known.learn(AddPolicy(policy=replace(POLICY, name="next"), replace=True), Done())
    asked = xfrm.Request(xfrm.Type.ACQUIRE, Acquire(policy=RULE))
    assert told(asked, known).policy is None
    known.learn(ReadEvents(), Events(events=()))
    assert told(asked, known).policy == "next"


def test_a_request() -> None:
    """With the ends that the SA shall have, and a flow that has ports where its protocol has."""
    flow = xfrm.Selector(
        destination=xfrm.address("203.0.113.1"), source=xfrm.address("203.0.113.2"), family=xfrm.AF_INET,
        source_port=1000, destination_port=2000, protocol=17,
    )  # fmt: skip
    wanted = Acquire(xfrm.Id(xfrm.address("192.0.2.1")), xfrm.address("192.0.2.2"), flow, RULE)
    event = told(xfrm.Request(xfrm.Type.ACQUIRE, wanted))
    assert (event.kind, event.policy, event.source, event.destination) == ("acquire", "rule", "192.0.2.2", "192.0.2.1")
    assert event.flow is not None
    assert (event.flow.source, event.flow.protocol) == ("203.0.113.2", 17)
    assert event.flow.destination_ports is not None
    assert event.flow.destination_ports.first == 2000


def test_what_says_nothing() -> None:
    with pytest.raises(Malformed):
        told(xfrm.Request(xfrm.Type.NEWSA, INFO))
