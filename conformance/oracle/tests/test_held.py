"""What is said of packets that were held: lost, twice, in the clear, in another order."""

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from espproof.adapters.base import Transcript
from espproof.adapters.capabilities import everything
from espproof.adapters.case import (
    AddPolicy,
    AddSa,
    AwaitHeld,
    Case,
    DeletePolicy,
    Emerged,
    EmergedPacket,
    Enter,
    Host,
    Octets,
    Policy,
    Sa,
    Template,
    TrafficSelector,
)
from espproof.adapters.models.reference import ReferenceAdapter
from espproof.adapters.seeded import SeededAdapter
from espproof.conformance.checks.registry import all_checks
from espproof.conformance.oracle.held import holders
from espproof.conformance.oracle.host import judge_host
from espproof.conformance.requirements.ids import IN_THE_CLEAR
from espproof.conformance.running.check import run_check, target
from espproof.conformance.strategies import packets
from espproof.reference import ip

Packets = tuple[EmergedPacket, ...]


@pytest.fixture(scope="module")
def case() -> Case:
    """Two packets wait and leave."""
    adapter = SeededAdapter("xfrm-held-newest-first")
    check = all_checks()["xfrm-held.until-the-sa-comes"]
    return run_check(check, adapter, target(adapter), examples=40, seed=1, findings=1).counterexamples[0].case


def told(case: Case, change: Callable[[Packets], Packets]) -> list[tuple[str, str]]:
    """Requirements and messages, where all that was held emerges changed so."""
    right = ReferenceAdapter().execute(case)
    steps = [
        Emerged(packets=change(outcome.packets))
        if isinstance(step, AwaitHeld) and isinstance(outcome, Emerged)
        else outcome
        for step, outcome in zip(case.steps, right.steps, strict=True)
    ]
    judged = judge_host(case, Transcript(right.setup, tuple(steps)), right, everything())
    return [(one.requirement, one.message) for one in judged.findings]


def test_right(case: Case) -> None:
    assert not told(case, lambda packets: packets)


def test_order_counts(case: Case) -> None:
    """Though each of the packets is right by itself, and their numbers could be the other way round."""
    turned = told(case, lambda packets: packets[::-1])
    assert [message for _, message in turned] == ["what was held leaves in another order than it came"]


def test_what_is_lost_or_in_the_clear(case: Case) -> None:
    assert any("discarded" in message for _, message in told(case, lambda packets: packets[:1]))
    came = next(step for step in case.steps if isinstance(step, Enter))
    left = came.packet if came.side == "local" else ip.forwarded(came.packet)
    clear = told(case, lambda packets: tuple(replace(one, packet=Octets(left)) for one in packets[:1]))
    assert IN_THE_CLEAR in {requirement for requirement, _ in clear}


NEAR, FAR = packets.GATEWAYS[4][0]
SA = Sa(
    name="sa", direction="out", spi=0x1000, mode="tunnel", source=NEAR, destination=FAR, encr="ENCR_AES_GCM_16",
    encr_key=Octets(bytes(range(16))), salt=Octets(b"salt"), reqid=7,
)  # fmt: skip
TEMPLATE = Template(mode="tunnel", source=NEAR, destination=FAR, reqid=7)


def policy(name: str, protocol: int | None) -> Policy:
    return Policy(
        name=name, direction="out", selector=TrafficSelector(version=4, protocol=protocol), templates=(TEMPLATE,)
    )


def packet(protocol: int, size: int) -> Enter:
    made = packets.build(packets.Recipe(version=4, protocol=protocol, content=bytes(size)), *packets.hosts(4, "out"))
    return Enter(side="plain", packet=Octets(made))


def leaving(one: Enter) -> bytes:
    return ip.forwarded(one.packet)


FIRST, OTHER, SECOND = packet(253, 20), packet(254, 20), packet(253, 21)


def waiting(*steps: AddPolicy | DeletePolicy | Enter) -> Case:
    """These steps, and then the SA that all of them lack."""
    host = Host(addresses=(NEAR,), wire=(FAR,), holds=8)
    return Case(version=1, host=host, steps=(*steps, AddSa(sa=SA), AwaitHeld()))


def test_policies_do_not_wait_for_each_other() -> None:
    """What two of them hold leaves in any order through one SA; what one holds, as it came."""
    added = [AddPolicy(policy=policy(name, protocol)) for name, protocol in (("one", 253), ("two", 254))]
    case = waiting(*added, FIRST, OTHER, SECOND)
    for order in ((0, 1, 2), (1, 0, 2), (0, 2, 1)):
        assert not told(case, lambda packets, order=order: tuple(packets[at] for at in order))  # type: ignore[misc]
    for order in ((2, 1, 0), (1, 2, 0), (2, 0, 1)):
        wrong = told(case, lambda packets, order=order: tuple(packets[at] for at in order))  # type: ignore[misc]
        assert [message for _, message in wrong] == ["what was held leaves in another order than it came"]


def test_who_holds_a_packet() -> None:
    """The policy that it met; another that takes its place; nobody knows of one that two may hold."""
    one, two = policy("one", 253), policy("two", None)
    case = waiting(AddPolicy(policy=one), FIRST, AddPolicy(policy=replace(one, name="new"), replace=True), SECOND)
    assert holders(case, len(case.steps)) == {leaving(FIRST): "new", leaving(SECOND): "new"}
    case = waiting(AddPolicy(policy=one), FIRST, DeletePolicy(policy="one"), AddPolicy(policy=two), FIRST, OTHER)
    assert holders(case, len(case.steps)) == {leaving(FIRST): "", leaving(OTHER): "two"}
