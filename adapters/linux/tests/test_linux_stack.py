"""The kernel as a host with policies of its own: one check of each family, in one guest."""

from collections.abc import Iterator

import pytest

from espproof.adapters.base import AdapterError, Transcript
from espproof.adapters.case import (
    AddPolicy,
    Case,
    Counters,
    Done,
    Emerged,
    EmergedPacket,
    Enter,
    Host,
    Octets,
    Policy,
    ReadCounters,
    TrafficSelector,
    Unsupported,
)
from espproof.adapters.linux.adapter import LinuxAdapter
from espproof.adapters.linux.kernel import images
from espproof.conformance.checks.registry import all_checks
from espproof.conformance.oracle.verdict import Verdict
from espproof.conformance.running.check import run_check, target
from espproof.reference import ip


def _lacking() -> str | None:
    try:
        images.path("")
    except AdapterError as error:
        return str(error)
    return None


pytestmark = pytest.mark.skipif(_lacking() is not None, reason=str(_lacking()))


@pytest.fixture(scope="module")
def adapter() -> Iterator[LinuxAdapter]:
    with LinuxAdapter() as one:
        yield one


@pytest.mark.parametrize(
    "name",
    [
        "xfrm-policy.prefixes", "xfrm-state.rekeyed-outbound", "xfrm-path.there-and-back", "xfrm-path.of-its-own",
        "xfrm-gso.tcp-in-the-clear", "xfrm-way.in-pieces-out", "xfrm-way.in-pieces-in", "xfrm-way.clones",
        "xfrm-way.fragments-out", "xfrm-way.by-every-way", "xfrm-way.of-its-own", "xfrm-way.marked",
        "xfrm-own.sent-again", "xfrm-own.of-a-neighbour",
        "xfrm-burst.together-in", "xfrm-burst.ike-among-esp", "xfrm-ah.protected", "xfrm-ah.in-pieces",
    ],
)  # fmt: skip
def test_the_kernel_passes(adapter: LinuxAdapter, name: str) -> None:
    """These checks have never found anything in 6.1."""
    result = run_check(all_checks()[name], adapter, target(adapter), examples=6, seed=3)
    assert result.verdict is Verdict.PASS, result.counterexamples


def test_a_case_leaves_nothing_to_the_next(adapter: LinuxAdapter) -> None:
    """Policies, addresses and counts of a host are those of its case."""
    packet = Octets(ip.build_ipv4(bytes((203, 0, 113, 7)), bytes((198, 51, 100, 9)), 253, b"inside", ttl=9))
    enters = Enter(side="plain", packet=packet)
    blocking = AddPolicy(
        policy=Policy(name="one", direction="out", action="block", selector=TrafficSelector(version=4))
    )
    host = Host(addresses=("192.0.2.17",), wire=("198.51.100.9",))
    blocked = adapter.execute(Case(version=1, host=host, steps=(blocking, enters, ReadCounters())))
    assert blocked.steps == (Done(), Emerged(packets=()), Counters(values={"XfrmOutPolBlock": 1}))
    passed = Emerged(packets=(EmergedPacket(side="wire", packet=Octets(ip.forwarded(packet))),))
    free = adapter.execute(Case(version=1, host=host, steps=(enters, ReadCounters())))
    assert free.steps == (passed, Counters(values={}))
    ours = Host(addresses=("198.51.100.9",), blocked=("in",))
    taken = adapter.execute(Case(version=1, host=ours, steps=(enters, ReadCounters())))
    assert taken.steps == (Emerged(packets=()), Counters(values={"XfrmInNoPols": 1}))


@pytest.mark.parametrize(
    ("first", "size"),
    [("45", 1), ("45", 9), ("45", 10), ("45", 19), ("60", 1), ("60", 10), ("60", 39), ("50", 60), ("00", 60)],
)
def test_octets_without_a_whole_header_do_not_leave(adapter: LinuxAdapter, first: str, size: int) -> None:
    """As packets of the host's own they come to nothing, as super-packets nobody sends them, and the machine goes on."""
    octets = Octets(bytes.fromhex(first) + bytes(size - 1))
    steps = Enter(side="local", packet=octets), Enter(side="local", packet=octets, segment=8)
    outcomes = adapter.execute(Case(version=1, host=Host(addresses=(), wire=("198.51.100.9",)), steps=steps)).steps
    assert outcomes[0] == Emerged(packets=())
    assert isinstance(outcomes[1], Unsupported)


def test_what_was_learned_of_a_path_is_gone_with_the_case(adapter: LinuxAdapter) -> None:
    """A path MTU of one case is none of the next, and links have their own again."""
    for name in ("xfrm-mtu.learned", "xfrm-mtu.df-clear", "xfrm-mtu.learned-of-nobody", "xfrm-gso.tcp-in-the-clear"):
        result = run_check(all_checks()[name], adapter, target(adapter), examples=6, seed=3)
        assert result.verdict is Verdict.PASS, result.counterexamples


@pytest.mark.parametrize("way", [images.GRO, images.ASYNC])
def test_another_way_to_use_the_kernel(way: str) -> None:
    """Through GRO, which merges segments that come together; with ciphers behind a queue."""
    with LinuxAdapter(way) as adapter:
        check = all_checks()["xfrm-burst.merged"]
        merged: list[EmergedPacket] = []
        execute = adapter.execute

        def watched(case: Case) -> Transcript:
            got = execute(case)
            merged.extend(one for step in got.steps if isinstance(step, Emerged) for one in step.packets if one.segment)
            return got

        adapter.execute = watched  # type: ignore[method-assign]
        result = run_check(check, adapter, target(adapter), examples=6, seed=3)
        assert result.verdict is Verdict.PASS, result.counterexamples
        assert bool(merged) == (way == images.GRO)
