"""The adapter of libipsec: what the shim does itself, and what it says it cannot."""

from collections.abc import Iterator

import pytest
from msgspec.structs import replace

from espproof.adapters import registry
from espproof.adapters.case import (
    Delivered,
    Done,
    Dropped,
    Lifetime,
    Octets,
    Outbound,
    Passed,
    Refused,
    Sa,
    Sent,
    SequenceNumber,
    State,
    UdpEncapsulation,
    Unsupported,
)
from espproof.adapters.libipsec.adapter import LibipsecAdapter
from espproof.reference import ip

KNOWN = next(known for known in registry.KNOWN if known.name == "libipsec")
if not registry.present(KNOWN):
    pytest.skip(KNOWN.install, allow_module_level=True)

OUT = Sa(
    name="out", direction="out", spi=0x01020304, mode="tunnel", source="192.0.2.17", destination="198.51.100.42",
    encr="ENCR_AES_GCM_16", encr_key=Octets(range(16)), salt=Octets(range(16, 20)), dscp=43, df="set", hop_limit=17,
)  # fmt: skip
IN = replace(OUT, name="in", direction="in", replay_window=128)
INNER = Octets(ip.build_ipv4(bytes([203, 0, 113, 7]), bytes([203, 0, 113, 130]), 253, bytes(range(30)), tos=0xB8))


@pytest.fixture(scope="module")
def shared() -> Iterator[LibipsecAdapter]:
    with LibipsecAdapter() as adapter:
        yield adapter


@pytest.fixture
def adapter(shared: LibipsecAdapter) -> LibipsecAdapter:
    shared.reset()
    return shared


def sent(adapter: LibipsecAdapter, packet: Octets = INNER) -> Octets:
    outcome = adapter.outbound(Outbound(sa="out", packet=packet))
    assert isinstance(outcome, Sent), outcome
    return outcome.packet


def test_what_it_has_is_probed(adapter: LibipsecAdapter) -> None:
    """GMAC is declared by the shim and not brought by Debian's plugins; what is left has all its key sizes."""
    caps = adapter.capabilities()
    assert "ENCR_NULL_AUTH_AES_GMAC" not in caps.encryption
    assert caps.encryption["ENCR_AES_GCM_16"] == (16, 24, 32)
    assert "libipsec 5." in adapter.version


@pytest.mark.parametrize("addresses", [("192.0.2.17", "198.51.100.42"), ("2001:db8::17", "2001:db8:1::42")])
def test_outer_header_is_that_of_the_sa(adapter: LibipsecAdapter, addresses: tuple[str, str]) -> None:
    """Addresses, hop limit, DSCP and DF; the way back gives the same packet."""
    for sa in (OUT, IN):
        assert adapter.add_sa(replace(sa, source=addresses[0], destination=addresses[1])) == Done()
    packet = sent(adapter)
    outer = ip.parse(packet)
    assert (outer.protocol, outer.hop_limit, outer.dscp, outer.ecn, outer.dont_fragment) == (50, 17, 43, 0, True)
    assert adapter.inbound(packet) == Delivered(packet=INNER, sa="in")
    assert adapter.inbound(packet) == Dropped(reason="replay")


@pytest.mark.parametrize("last", [0, 1, 0x7FFFFFFF, 0xFFFFFFFE])
def test_sender_starts_where_it_is_told(adapter: LibipsecAdapter, last: int) -> None:
    """The counter is set without a function for it, and read back by libipsec's own."""
    assert adapter.add_sa(replace(OUT, sequence=SequenceNumber(last))) == Done()
    assert adapter.read_state("out") == State(sequence=SequenceNumber(last))
    assert int.from_bytes(sent(adapter)[24:28], "big") == last + 1


def test_sender_does_not_cycle(adapter: LibipsecAdapter) -> None:
    """After 2^32 - 1 nothing is sent."""
    adapter.add_sa(replace(OUT, sequence=SequenceNumber(0xFFFFFFFF)))
    assert isinstance(adapter.outbound(Outbound(sa="out", packet=INNER)), Dropped)


def test_receiver_starts_with_its_window(adapter: LibipsecAdapter) -> None:
    """The highest number and those below it that are told are replays, the others are not."""
    adapter.add_sa(replace(IN, sequence=SequenceNumber(1000), received_offsets=(2, 127)))
    for offset, replayed in ((0, True), (1, False), (2, True), (126, False), (127, True), (128, True)):
        adapter.delete_sa("out")
        adapter.add_sa(replace(OUT, sequence=SequenceNumber(1000 - offset - 1)))
        outcome = adapter.inbound(sent(adapter))
        assert isinstance(outcome, Dropped if replayed else Delivered), offset


@pytest.mark.parametrize(
    "fields",
    [
        {"mode": "transport"}, {"esn": True}, {"udp": UdpEncapsulation()}, {"lifetime": Lifetime(hard_packets=3)},
        {"lookup": "spi+destination"}, {"replay_window": 64}, {"replay_window": 0}, {"resync_limit": 1},
        {"encr": "ENCR_AES_GCM_16_IIV"},
    ],
    ids=str,
)  # fmt: skip
def test_what_it_cannot_do_it_says(adapter: LibipsecAdapter, fields: dict[str, object]) -> None:
    """An option that is ignored would be a lie."""
    assert isinstance(adapter.add_sa(replace(IN, **fields)), Unsupported)


def test_what_is_not_for_esp_passes(adapter: LibipsecAdapter) -> None:
    """Another protocol, a fragment, octets that are no packet."""
    adapter.add_sa(IN)
    assert adapter.inbound(INNER) == Passed(to="bypass")
    fragment = ip.build_ipv4(bytes(4), bytes([1, 2, 3, 4]), 50, bytes(40), more_fragments=True)
    assert adapter.inbound(Octets(fragment)) == Dropped(reason="fragment")
    assert adapter.inbound(Octets(b"")) == Dropped(reason="malformed")


def test_names_and_spis_are_used_once(adapter: LibipsecAdapter) -> None:
    """Until the SA is deleted."""
    assert adapter.add_sa(IN) == Done()
    assert isinstance(adapter.add_sa(replace(IN, spi=0x01020305)), Refused)
    assert isinstance(adapter.add_sa(replace(IN, name="other")), Refused)
    assert adapter.delete_sa("in") == Done()
    assert adapter.add_sa(replace(IN, name="other")) == Done()
