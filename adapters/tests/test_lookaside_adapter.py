"""The model of a look-aside device as an implementation under test."""

from espproof.adapters.case import (
    Burst,
    DeviceSa,
    DeviceState,
    Done,
    Inbound,
    InboundBurst,
    Octets,
    OutboundBurst,
    Refused,
    Sa,
    Sent,
    Unsupported,
)
from espproof.adapters.models.lookaside import LookasideAdapter
from espproof.reference import ip

SA = Sa(
    name="sa", direction="out", spi=0x1000, mode="tunnel", source="192.0.2.1", destination="192.0.2.2",
    encr="ENCR_AES_CBC", encr_key=Octets(bytes(range(16))), auth="AUTH_HMAC_SHA1_96", auth_key=Octets(bytes(20)),
)  # fmt: skip
PACKETS = tuple(Octets(ip.build_ipv4(bytes((192, 0, 2, 1)), bytes((192, 0, 2, 2)), 17, bytes(n))) for n in (20, 300, 9))


def test_bursts() -> None:
    """Each packet in its place; of an SA that is not there none."""
    adapter = LookasideAdapter()
    assert adapter.add_sa(SA) == Done()
    burst = adapter.outbound_burst(OutboundBurst(sa="sa", packets=PACKETS))
    assert isinstance(burst, Burst)
    assert all(isinstance(one, Sent) for one in burst.results)
    assert isinstance(adapter.outbound_burst(OutboundBurst(sa="other", packets=PACKETS)), Refused)
    together = adapter.inbound_burst(InboundBurst(packets=PACKETS))
    assert isinstance(together, Burst)
    assert list(together.results) == [adapter.inbound(packet) for packet in PACKETS]
    assert adapter.read_device() == DeviceState(sas=(DeviceSa(sa="sa", by="device", packets=1),), entries=1)


def test_what_can_befall_it() -> None:
    """It has no link."""
    adapter = LookasideAdapter()
    adapter.add_sa(SA)
    for event in ("reset", "work-waits", "work-done"):
        assert adapter.device_event(event) == Done()
    assert isinstance(adapter.device_event("link-down"), Unsupported)
    assert adapter.take(Inbound(packet=PACKETS[0])) == adapter.inbound(PACKETS[0])
