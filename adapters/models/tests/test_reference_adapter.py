"""The reference as an implementation under test."""

from ipaddress import ip_address

import pytest
from msgspec.structs import replace

from espproof.adapters.case import (
    Delivered,
    Done,
    Dropped,
    Lifetime,
    Octets,
    Outbound,
    Refused,
    Sa,
    Sent,
    SequenceNumber,
    State,
    UdpEncapsulation,
)
from espproof.adapters.models.reference import ReferenceAdapter
from espproof.reference import ip

OUT = Sa(
    name="out",
    direction="out",
    spi=0x01020304,
    mode="tunnel",
    source="192.0.2.17",
    destination="198.51.100.42",
    encr="ENCR_AES_GCM_16",
    encr_key=Octets(bytes(range(16))),
    salt=Octets(b"salt"),
)
IN = replace(OUT, name="in", direction="in")
PLAIN = Octets(
    ip.build_ipv4(ip_address("203.0.113.7").packed, ip_address("203.0.113.130").packed, 253, b"what is protected")
)


@pytest.fixture
def adapter() -> ReferenceAdapter:
    return ReferenceAdapter()


def send(adapter: ReferenceAdapter, name: str = "out") -> Octets:
    sent = adapter.outbound(Outbound(sa=name, packet=PLAIN))
    assert isinstance(sent, Sent)
    return sent.packet


def test_what_goes_out_comes_in(adapter: ReferenceAdapter) -> None:
    """A packet passes both ways, once."""
    assert adapter.add_sa(OUT) == adapter.add_sa(IN) == Done()
    protected = send(adapter)
    assert adapter.inbound(protected) == Delivered(packet=PLAIN, sa="in")
    assert adapter.inbound(protected) == Dropped(reason="replay")


@pytest.mark.parametrize(
    "changes",
    [
        {"spi": 0},
        {"encr": "ENCR_UNKNOWN"},
        {"auth": "AUTH_UNKNOWN"},
        {"auth": "AUTH_HMAC_SHA1_96", "auth_key": bytes(20)},
        {"encr_key": bytes(15)},
        {"salt": b"salty"},
        {"mode": "beet"},
        {"lookup": "colour"},
        {"source": "2001:db8::1"},
        {"source": "nowhere"},
        {"direction": "in", "received_offsets": (64,), "sequence": 100},
    ],
)
def test_impossible_sa_is_refused(adapter: ReferenceAdapter, changes: dict[str, object]) -> None:
    """What no SA may be is refused, and leaves nothing behind."""
    assert isinstance(adapter.add_sa(replace(OUT, **changes)), Refused)
    assert adapter.add_sa(OUT) == Done()


def test_names_are_unique(adapter: ReferenceAdapter) -> None:
    """A name in use is refused until it is deleted."""
    assert adapter.add_sa(OUT) == Done()
    assert isinstance(adapter.add_sa(replace(OUT, spi=0x0A0B0C0D)), Refused)
    assert adapter.delete_sa("out") == Done()
    assert adapter.add_sa(OUT) == Done()


def test_unknown_names_are_refused(adapter: ReferenceAdapter) -> None:
    """No operation raises for an SA that does not exist, or of the wrong direction."""
    adapter.add_sa(IN)
    assert isinstance(adapter.delete_sa("nobody"), Refused)
    assert isinstance(adapter.read_state("nobody"), Refused)
    assert isinstance(adapter.outbound(Outbound(sa="nobody", packet=PLAIN)), Refused)
    assert isinstance(adapter.outbound(Outbound(sa="in", packet=PLAIN)), Refused)


def test_reset_forgets(adapter: ReferenceAdapter) -> None:
    """SAs, numbers and time start again."""
    adapter.add_sa(OUT)
    first = send(adapter)
    adapter.advance_time(1000)
    adapter.reset()
    assert isinstance(adapter.read_state("out"), Refused)
    adapter.add_sa(replace(OUT, lifetime=Lifetime(hard_seconds=10)))
    adapter.advance_time(9)
    assert send(adapter)[:32] == first[:32]


def test_state_is_what_was_set(adapter: ReferenceAdapter) -> None:
    """An SA starts where the case says."""
    adapter.add_sa(replace(IN, sequence=SequenceNumber(0x1_0000_0050), esn=True, received_offsets=(2, 5)))
    assert adapter.read_state("in") == State(
        sequence=SequenceNumber(0x1_0000_0050), received_offsets=(0, 2, 5), packets=0, octets=0, lifetime="ok"
    )


def test_lifetime_counts_from_the_addition(adapter: ReferenceAdapter) -> None:
    """Time before an SA was added does not count, time after it does."""
    adapter.advance_time(100)
    adapter.add_sa(replace(OUT, lifetime=Lifetime(soft_seconds=5, hard_seconds=10)))
    for seconds, status in ((0, "ok"), (5, "soft"), (5, "hard")):
        adapter.advance_time(seconds)
        state = adapter.read_state("out")
        assert isinstance(state, State)
        assert state.lifetime == status
    assert adapter.outbound(Outbound(sa="out", packet=PLAIN)) == Dropped(reason="expired")


def test_udp_ports_are_the_sas(adapter: ReferenceAdapter) -> None:
    """Ports are handed over in their order."""
    adapter.add_sa(replace(OUT, udp=UdpEncapsulation(source_port=0x1234, destination_port=0x9C41)))
    assert send(adapter)[20:24] == bytes.fromhex("12349c41")


def test_capabilities_are_everything(adapter: ReferenceAdapter) -> None:
    """Whatever the format can say, the reference can do."""
    assert adapter.capabilities().lacks(OUT) is None
    assert adapter.capabilities() == ReferenceAdapter().capabilities()
