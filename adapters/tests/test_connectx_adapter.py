"""The model of a ConnectX as an implementation under test."""

import pytest

from espproof.adapters.case import DeviceSa, DeviceState, Done, Octets, Outbound, Sa, Sent, Unsupported
from espproof.adapters.models.connectx import PARTS, ConnectXAdapter
from espproof.adapters.registry import open_adapter
from espproof.reference import ip
from espproof.reference.errors import Misuse

SA = Sa(
    name="sa", direction="out", spi=0x1000, mode="tunnel", source="192.0.2.1", destination="192.0.2.2", esn=True,
    encr="ENCR_AES_GCM_16", encr_key=Octets(bytes(range(32))), salt=Octets(b"salt"),
)  # fmt: skip
PACKET = Octets(ip.build_ipv4(bytes((192, 0, 2, 1)), bytes((192, 0, 2, 2)), 17, bytes(12)))


@pytest.mark.parametrize("variant", PARTS)
def test_each_part_has_a_name(variant: str) -> None:
    adapter = open_adapter(f"connectx:{variant}" if variant else "connectx")
    assert adapter.version.startswith("model of the ")
    assert adapter.version != ConnectXAdapter("" if variant else "innova").version


def test_a_part_that_nobody_made() -> None:
    with pytest.raises(Misuse, match="variants are innova"):
        ConnectXAdapter("cx9")


def test_what_it_says_of_its_sas() -> None:
    """Through all that can befall it, until the SA is gone."""
    adapter = ConnectXAdapter()
    assert adapter.add_sa(SA) == Done()
    assert isinstance(adapter.outbound(Outbound(sa="sa", packet=PACKET)), Sent)
    told = DeviceState(sas=(DeviceSa(sa="sa", by="device", packets=1),), entries=1)
    device = adapter.capabilities().device
    assert device is not None
    for event in device.events:
        assert adapter.device_event(event) == Done()
        assert adapter.read_device() == told
    adapter.delete_sa("sa")
    assert adapter.read_device() == DeviceState(sas=())


def test_the_iv_is_the_devices() -> None:
    """It cannot be given."""
    adapter = ConnectXAdapter()
    adapter.add_sa(SA)
    assert adapter.outbound(Outbound(sa="sa", packet=PACKET, iv=Octets(bytes(8)))) == Unsupported(what="set_iv")
