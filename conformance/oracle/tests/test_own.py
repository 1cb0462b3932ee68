"""What is open in the parts of a host's own super-packets, and what is not."""

import pytest

from espproof.conformance.oracle.own import as_chosen
from espproof.conformance.strategies import packets, upper_layers
from espproof.reference import ip
from espproof.reference.xfrm import segmentation


def _packet(version: int, protocol: int, front: str, identification: int = 0) -> bytes:
    ends = packets.hosts(version, "out")
    content = upper_layers.upper_layer(protocol, 40, ends, front=bytes.fromhex(front))
    recipe = packets.Recipe(version=version, protocol=protocol, content=content, identification=identification)
    return packets.build(recipe, *ends)


_TCP = "1f90271001020304050607085010"


@pytest.mark.parametrize("version", [4, 6])
def test_window_push_and_identification_are_the_hosts(version: int) -> None:
    """With the checksum that belongs to them."""
    want = _packet(version, upper_layers.TCP, _TCP + "2000")
    got = _packet(version, upper_layers.TCP, "1f90271001020304050607085018ffff", identification=0x4EE6)
    assert as_chosen(want, got) == got
    wrong = got[:-1] + bytes((got[-1] ^ 1,))
    assert as_chosen(want, wrong) != wrong


@pytest.mark.parametrize(
    "front", ["1f90271001020305050607085010", "1f90271001020304050607085011", "1f91271001020304050607085010"]
)
def test_numbers_ports_and_other_flags_are_not(front: str) -> None:
    """They are those of the super-packet."""
    got = _packet(4, upper_layers.TCP, front + "2000")
    assert as_chosen(_packet(4, upper_layers.TCP, _TCP + "2000"), got) != got


def test_of_udp_only_the_identification_is() -> None:
    """And nothing where another packet stands beside it."""
    want, got = (_packet(4, upper_layers.UDP, "1f902710", identification=one) for one in (0, 7))
    assert as_chosen(want, got) == got
    for other in (b"", b"\x45", _packet(6, upper_layers.UDP, "1f902710"), _packet(4, upper_layers.TCP, _TCP)):
        assert as_chosen(want, other) == want


def test_what_is_behind_the_transport_header() -> None:
    """Of segments and datagrams."""
    assert len(segmentation.content_of(_packet(6, upper_layers.TCP, _TCP))) == 40
    assert ip.parse(_packet(4, upper_layers.UDP, "1f902710")).payload[8:] == segmentation.content_of(
        _packet(4, upper_layers.UDP, "1f902710")
    )
