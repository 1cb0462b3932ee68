"""SA parameters and state: what no SA may be, what selectors match, what is counted."""

from dataclasses import FrozenInstanceError, replace
from ipaddress import ip_address, ip_network

import pytest

from espproof.reference import ip
from espproof.reference.drops import DropReason
from espproof.reference.errors import Misuse
from espproof.reference.lifetime import Lifetime
from espproof.reference.sa import SaState, SecurityAssociation, Selector

SA = SecurityAssociation(
    name="in", direction="in", spi=0x1001, mode="tunnel", source=ip_address("192.0.2.1"),
    destination=ip_address("192.0.2.2"), encr="ENCR_NULL", auth="AUTH_HMAC_SHA1_96",
)  # fmt: skip


@pytest.mark.parametrize("spi", [0, -1, 2**32])
def test_spis_that_no_sa_has(spi: int) -> None:
    """SPI 0 and what does not fit 32 bits are refused."""
    with pytest.raises(Misuse, match="SPI"):
        replace(SA, spi=spi).validate()


@pytest.mark.parametrize("spi", [1, 3, 255, 256, 0x1001, 2**31, 2**32 - 1])
def test_spis_that_an_sa_can_have(spi: int) -> None:
    """All others are possible, those that IANA keeps for itself (1 to 255) too."""
    replace(SA, spi=spi).validate()


def test_one_ip_version() -> None:
    """The ends of a tunnel are of one IP version."""
    with pytest.raises(Misuse, match="versions"):
        replace(SA, source=ip_address("2001:db8::1")).validate()


def test_parameters_do_not_change() -> None:
    """Parameters are frozen."""
    with pytest.raises(FrozenInstanceError):
        SA.spi = 7  # type: ignore[misc]


V4 = ip.build_ipv4(bytes([10, 1, 2, 3]), bytes([10, 9, 8, 7]), 17, bytes(8))
V6 = ip.build_ipv6(ip_address("2001:db8:a::1").packed, ip_address("2001:db8:b::2").packed, 6, bytes(20))
SELECTORS = (
    # selector, matches V4, matches V6
    (Selector(), True, True),
    (Selector(protocol=17), True, False),
    (Selector(protocol=6), False, True),
    (Selector(source=ip_network("10.1.0.0/16")), True, False),
    (Selector(source=ip_network("10.1.2.3/32")), True, False),
    (Selector(source=ip_network("10.1.2.2/32")), False, False),
    (Selector(destination=ip_network("10.1.0.0/16")), False, False),
    (Selector(destination=ip_network("0.0.0.0/0")), True, False),
    (Selector(source=ip_network("2001:db8:a::/48"), destination=ip_network("2001:db8:b::/48")), False, True),
    (Selector(source=ip_network("2001:db8:b::/48"), destination=ip_network("2001:db8:a::/48")), False, False),
    (Selector(source=ip_network("10.1.0.0/16"), protocol=6), False, False),
)


@pytest.mark.parametrize(("selector", "v4", "v6"), SELECTORS)
def test_selectors(selector: Selector, v4: bool, v6: bool) -> None:
    """Prefixes and protocol all have to match, and never across IP versions."""
    assert replace(SA, selectors=(selector,)).selects(V4) is v4
    assert replace(SA, selectors=(selector,)).selects(V6) is v6


def test_one_of_several_selectors_is_enough() -> None:
    """No selector matches everything, several match what any of them does."""
    assert SA.selects(V4)
    both = replace(SA, selectors=(Selector(protocol=17), Selector(protocol=6)))
    assert both.selects(V4)
    assert both.selects(V6)


def test_state_counts() -> None:
    """Packets, octets and discards are counted apart, and time is counted from the moment the SA was added."""
    state = SaState(Lifetime(hard_packets=2, hard_seconds=50), added_at=100)
    state.count(60)
    state.count_error(DropReason.REPLAY)
    state.count_error(DropReason.REPLAY)
    assert (state.packets, state.octets, state.errors) == (1, 60, {DropReason.REPLAY: 2})
    assert state.lifetime_status(149) == "ok"
    assert state.lifetime_status(150) == "hard"
    state.count(40)
    assert state.octets == 100
    assert state.lifetime_status(100) == "hard"
    assert state.replay.size == 0
