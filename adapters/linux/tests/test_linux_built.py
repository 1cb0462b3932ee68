"""Variants on a kernel that was built, each where it is there: what the variant is for."""

from collections.abc import Iterator

import pytest

from espproof.adapters.case import AdvanceTime, Delivered, Done, Dropped, Lifetime, Unsupported
from espproof.adapters.linux.adapter import LinuxAdapter
from espproof.adapters.linux.kernel import images
from espproof.conformance.selfcheck.rig import Rig, case_of


def _opened(variant: str) -> Iterator[LinuxAdapter]:
    if not images.is_built(variant):
        pytest.skip(f"linux:{variant} is not built: espproof adapters build linux")
    with LinuxAdapter(variant) as adapter:
        yield adapter


@pytest.fixture(scope="module")
def built() -> Iterator[LinuxAdapter]:
    yield from _opened("built")


@pytest.fixture(scope="module")
def traveller() -> Iterator[LinuxAdapter]:
    yield from _opened("time-travel")


def test_time_cannot_be_told_to_an_ordinary_kernel(built: LinuxAdapter) -> None:
    assert "seconds" not in built.capabilities().lifetimes
    assert built.advance_time(1) == Unsupported(what="operation AdvanceTime")


def test_an_sa_ends_in_the_second_in_which_its_time_is_over(traveller: LinuxAdapter) -> None:
    """Not a second before, as the case begins with a whole second of the kernel's clock."""
    rig = Rig(traveller, traveller.capabilities())
    for _ in range(5):
        flow = rig.flow("in", lifetime=Lifetime(hard_seconds=3600))
        got = traveller.execute(
            case_of([flow], AdvanceTime(seconds=3599), flow.right(1), AdvanceTime(seconds=1), flow.right(2))
        )
        assert got.setup == (Done(),)
        assert isinstance(got.steps[1], Delivered)
        assert isinstance(got.steps[3], Dropped)


def test_time_stands_still_while_nobody_asks(traveller: LinuxAdapter) -> None:
    """One by one, as in one message: what we do meanwhile takes the guest next to no time."""
    rig = Rig(traveller, traveller.capabilities())
    flow = rig.flow("in", lifetime=Lifetime(hard_seconds=60))
    traveller.reset()
    assert traveller.add_sa(flow.sa) == Done()
    for number in range(1, 200):
        assert isinstance(traveller.inbound(flow.right(number).packet), Delivered)
    assert traveller.advance_time(60) == Done()
    assert isinstance(traveller.inbound(flow.right(200).packet), Dropped)
