"""A kernel that is measured: what it takes, what it keeps, and that every packet has ended where it should."""

from collections.abc import Iterator

import pytest

from espproof.adapters.base import AdapterError
from espproof.adapters.linux.inside import measure
from espproof.adapters.linux.measured import Measured, words
from espproof.adapters.linux.netlink import netlink, xfrm
from espproof.adapters.registry import KNOWN, present
from espproof.conformance.bench import scale
from espproof.conformance.bench.crowds import CROWDS, FAR, NEAR, Crowd

MEMBERS = 300


@pytest.fixture(scope="module")
def machine() -> Iterator[Measured]:
    if not present(next(known for known in KNOWN if known.name == "linux")):
        pytest.skip("needs user-mode-linux and kmod")
    one = Measured("linux")
    yield one
    one.close()


def test_only_the_last_message_is_acknowledged() -> None:
    """The first answer then tells of all of them."""
    requests = [words(CROWDS[0].member(number))[0] for number in range(3)]
    flags = [message.flags & netlink.ACK for message in netlink.messages(measure._portion(requests))]
    assert flags == [0, 0, netlink.ACK]
    assert [one.body for one in xfrm.decode(measure._portion(requests))] == [
        xfrm.decode(one)[0].body for one in requests
    ]


@pytest.mark.parametrize("crowd", CROWDS, ids=lambda crowd: crowd.name)
def test_a_curve(machine: Measured, crowd: Crowd) -> None:
    """Every packet is counted where it must be, or there would be none; all members are there and go again."""
    said = [words(crowd.member(number)) for number in range(MEMBERS)]
    curve = scale._kernel_curve(crowd, "linux", machine, said, (100, MEMBERS), 1)
    assert [size.count for size in curve.sizes] == [100, MEMBERS]
    for size in curve.sizes:
        assert min(size.lookup or 0, size.insert or 0, size.delete or 0) > 0
        assert (size.octets or 0) > 500
    machine.batch([gone for _, gone in said])
    with pytest.raises(AdapterError, match="refuses one of 1 messages"):
        machine.batch([said[0][1]])


def test_a_message_that_is_refused_has_no_time(machine: Measured) -> None:
    """Wherever it stands in the batch."""
    machine.reset((NEAR,), (FAR,))
    said = [words(CROWDS[0].member(number))[0] for number in range(120)]
    machine.batch(said[60:61])
    with pytest.raises(AdapterError, match=r"refuses one of 120 messages, error 17"):
        machine.batch(said)


def test_packets_that_end_elsewhere_have_no_time(machine: Measured) -> None:
    """A search that does not find what it should is not measured."""
    machine.reset((NEAR,), (FAR,))
    crowd = CROWDS[3]
    machine.batch([words(crowd.member(1))[0]])
    with pytest.raises(AdapterError, match="XfrmInNoStates"):
        scale._flood(crowd, machine, 3, 1)
