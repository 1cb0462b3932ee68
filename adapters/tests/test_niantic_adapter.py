"""The model of a card as an implementation under test: what it says of itself, and that it does not hide its mistakes."""

import pytest

from espproof.adapters.base import AdapterError
from espproof.adapters.case import DeviceSa, DeviceState, Done, Octets, Outbound, Sa, Sent
from espproof.adapters.models.niantic import CHIPS, NianticAdapter
from espproof.adapters.registry import open_adapter
from espproof.reference import ip
from espproof.reference.errors import Misuse

SA = Sa(
    name="sa", direction="out", spi=0x1000, mode="transport", source="192.0.2.1", destination="192.0.2.2",
    encr="ENCR_AES_GCM_16", encr_key=Octets(bytes(range(16))), salt=Octets(b"salt"),
)  # fmt: skip
PACKET = Octets(ip.build_ipv4(bytes((192, 0, 2, 1)), bytes((192, 0, 2, 2)), 17, bytes(12)))


@pytest.mark.parametrize("variant", CHIPS)
def test_each_chip_has_a_name(variant: str) -> None:
    adapter = open_adapter(f"niantic:{variant}" if variant else "niantic")
    assert adapter.version.startswith("model of the ")
    assert adapter.version != NianticAdapter("" if variant else "82599").version
    assert adapter.capabilities().device is not None


def test_a_chip_that_nobody_made() -> None:
    with pytest.raises(Misuse, match="variants are 82599, x540"):
        NianticAdapter("82576")


def test_what_it_says_of_its_sas() -> None:
    """Before and after a reset, and after the SA is gone."""
    adapter = NianticAdapter()
    assert adapter.add_sa(SA) == Done()
    assert isinstance(adapter.outbound(Outbound(sa="sa", packet=PACKET)), Sent)
    told = DeviceState(sas=(DeviceSa(sa="sa", by="device", packets=1),), entries=1)
    assert adapter.read_device() == told
    for event in ("reset", "link-down", "link-up"):
        assert adapter.device_event(event) == Done()
    assert adapter.read_device() == told
    adapter.delete_sa("sa")
    assert adapter.read_device() == DeviceState(sas=())


def test_a_rule_that_was_broken_and_not_asked_for_is_an_error() -> None:
    """When the case is over; the next begins with nothing of it."""
    adapter = NianticAdapter()
    adapter._port.driver._bus.write(0x8900, 0xC0000000)  # type: ignore[union-attr]
    with pytest.raises(AdapterError, match="READ and WRITE"):
        adapter.reset()
    adapter.reset()
