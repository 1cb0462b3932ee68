"""The model of an agent in the wire as an implementation under test: both functions, and what can befall them."""

import pytest

from espproof.adapters.base import AdapterError
from espproof.adapters.case import DeviceSa, DeviceState, Done, Octets, Outbound, Sa, Sent, Unsupported
from espproof.adapters.models.fortville import FUNCTIONS, FortvilleAdapter
from espproof.adapters.models.niantic import NianticAdapter
from espproof.adapters.registry import open_adapter
from espproof.reference import ip
from espproof.reference.errors import Misuse

SA = Sa(
    name="sa", direction="out", spi=0x1000, mode="tunnel", source="192.0.2.1", destination="192.0.2.2",
    encr="ENCR_AES_GCM_16", encr_key=Octets(bytes(range(32))), salt=Octets(b"salt"),
)  # fmt: skip
PACKET = Octets(ip.build_ipv4(bytes((192, 0, 2, 1)), bytes((192, 0, 2, 2)), 17, bytes(12)))


@pytest.mark.parametrize("variant", FUNCTIONS)
def test_each_function_has_a_name(variant: str) -> None:
    """And says that nobody knows its layouts."""
    adapter = open_adapter(f"fortville:{variant}" if variant else "fortville")
    assert "assumed" in adapter.version
    device = adapter.capabilities().device
    assert device is not None
    assert device.neighbours == (variant == "vf")


def test_a_function_that_there_is_not() -> None:
    with pytest.raises(Misuse, match="variants are vf"):
        FortvilleAdapter("pf")


@pytest.mark.parametrize("variant", FUNCTIONS)
def test_what_it_says_of_its_sas(variant: str) -> None:
    """Before and after all that can befall it, and after the SA is gone."""
    adapter = FortvilleAdapter(variant)
    assert adapter.add_sa(SA) == Done()
    assert isinstance(adapter.outbound(Outbound(sa="sa", packet=PACKET)), Sent)
    told = DeviceState(sas=(DeviceSa(sa="sa", by="device", packets=1),), entries=1)
    assert adapter.read_device() == told
    for event in ("request-lost", "reset", "answer-lost", "reset", "answer-late", "reset", "link-down", "link-up"):
        assert adapter.device_event(event) == Done()
    assert adapter.read_device() == told
    adapter.delete_sa("sa")
    assert adapter.read_device() == DeviceState(sas=())


def test_what_was_to_befall_it_is_over_with_the_case() -> None:
    """However often: the next case has a device that answers."""
    adapter = FortvilleAdapter()
    for _ in range(20):
        adapter.device_event("request-lost")
    adapter.reset()
    adapter.add_sa(SA)
    assert adapter.read_device().sas[0].by == "device"


def test_what_cannot_befall_a_chip() -> None:
    assert NianticAdapter().device_event("answer-lost") == Unsupported(what="device_event answer-lost")


def test_a_rule_that_was_broken_and_not_asked_for_is_an_error() -> None:
    """When the case is over; the next begins with nothing of it."""
    adapter = FortvilleAdapter()
    adapter._port.device.agent.from_mac(0, bytes(60))  # type: ignore[union-attr]
    with pytest.raises(AdapterError, match="every packet has metadata"):
        adapter.reset()
    adapter.reset()
