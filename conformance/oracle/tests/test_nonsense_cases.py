"""Nonsense cases: whatever a well-formed file asks for, the reference has an outcome and the oracle an opinion."""

from ipaddress import ip_address
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from espproof.adapters.capabilities import everything
from espproof.adapters.case import (
    AddSa,
    AdvanceTime,
    Case,
    DeleteSa,
    Dropped,
    Inbound,
    InboundBurst,
    Lifetime,
    Octets,
    Outbound,
    OutboundBurst,
    ReadState,
    Refused,
    Sa,
    Selector,
    Sent,
    SequenceNumber,
    UdpEncapsulation,
)
from espproof.adapters.models.reference import ReferenceAdapter
from espproof.conformance.oracle.judge import judge
from espproof.conformance.oracle.judgement import Judgement
from espproof.reference import ip
from espproof.reference.algorithms import ENCRYPTION, INTEGRITY

SA = Sa(
    name="a", direction="out", spi=0x12345678, mode="tunnel", source="192.0.2.1", destination="198.51.100.2",
    encr="ENCR_AES_GCM_16", encr_key=Octets(range(16)), salt=Octets(b"salt"), esn=True,
    sequence=SequenceNumber(0x1_FFFFFFFF),
)  # fmt: skip
PACKET = ip.build_ipv4(bytes([10, 1, 2, 3]), bytes([10, 4, 5, 6]), 17, b"\x30\x39\x00\x35\x00\x0c\x00\x00data")
CASE = Case(version=1, sas=(SA,), steps=(Outbound(sa="a", packet=Octets(PACKET)),))

ADDRESSES = ["192.0.2.1", "198.51.100.2", "2001:db8::1", "2001:db8::2", "999.1.1.1", ":.:", "::ffff:1.2.3.4", "0.0.0.0"]
NAMES = st.sampled_from(["a", "b", "c"])


def protected(sa: Sa) -> bytes:
    outcome = ReferenceAdapter().execute(msgspec.structs.replace(CASE, sas=(sa,))).steps[0]
    assert isinstance(outcome, Sent)
    return bytes(outcome.packet)


ON_THE_WIRE = [
    protected(SA),
    protected(msgspec.structs.replace(SA, source="2001:db8::1", destination="2001:db8::2")),
    protected(msgspec.structs.replace(SA, udp=UdpEncapsulation())),
    PACKET,
    ip.build_ipv6(ip_address("2001:db8::1").packed, ip_address("2001:db8::2").packed, 17, b"\0" * 9),
]
PACKETS = st.one_of(
    st.binary(max_size=60),
    st.tuples(st.sampled_from(ON_THE_WIRE), st.integers(0, 200), st.integers(0, 255), st.integers(0, 200)).map(
        lambda drawn: drawn[0][: drawn[1]] + bytes([drawn[2]]) + drawn[0][drawn[1] + 1 :][: drawn[3]]
    ),
    st.sampled_from(ON_THE_WIRE),
).map(Octets)


FIELDS = {
    "name": NAMES,
    "direction": st.sampled_from(["in", "out"]),
    "spi": st.sampled_from([SA.spi, 0, 255, 2**32 - 1]),
    "mode": st.sampled_from(["tunnel", "transport"]),
    "source": st.sampled_from(ADDRESSES),
    "destination": st.sampled_from(ADDRESSES),
    "encr": st.sampled_from(["", "ENCR_X", *ENCRYPTION]),
    "encr_key": st.sampled_from([0, 1, 16, 24, 32]).map(Octets),
    "salt": st.sampled_from([0, 3, 4]).map(Octets),
    "auth": st.sampled_from(["", "AUTH_X", *INTEGRITY]),
    "auth_key": st.sampled_from([0, 16, 20, 32]).map(Octets),
    "esn": st.booleans(),
    "sequence": st.sampled_from([0, 1, 5, 2**32 - 1, 2**32, 2**64 - 1]).map(SequenceNumber),
    "replay_window": st.integers(0, 1024),
    "received_offsets": st.sampled_from([(), (0, 5), (2**53,)]),
    "udp": st.none() | st.builds(UdpEncapsulation, source_port=st.integers(0, 65535), destination_port=st.just(4500)),
    "dscp": st.just("copy") | st.integers(0, 63),
    "lookup": st.sampled_from(["spi", "spi+destination", "spi+destination+source"]),
    "lifetime": st.builds(Lifetime, hard_packets=st.none() | st.integers(0, 2), soft_seconds=st.none() | st.just(0)),
    "selectors": st.lists(
        st.builds(Selector, source=st.sampled_from([None, "", "10.0.0.0/8", "1.2.3.4/99", "2001:db8::/32"])), max_size=2
    ).map(tuple),
    "resync_trigger": st.integers(1, 3),
    "resync_limit": st.integers(0, 8),
}


@st.composite
def nonsense_sas(draw: st.DrawFn) -> Sa:
    """A few fields of a possible SA are something else; all algorithms with the keys they want, and with others."""
    names = draw(st.lists(st.sampled_from(sorted(FIELDS)), max_size=5, unique=True))
    encr = draw(st.sampled_from(sorted(ENCRYPTION)))
    cipher = ENCRYPTION[encr]
    auth = "NONE" if cipher.aead else draw(st.sampled_from(sorted(set(INTEGRITY) - {"NONE"})))
    possible = msgspec.structs.replace(
        SA, encr=encr, auth=auth, encr_key=Octets(range(cipher.key_sizes[0])), salt=Octets(range(cipher.salt_size)),
        auth_key=Octets(range(INTEGRITY[auth].key_size)), name=draw(NAMES),
    )  # fmt: skip
    return msgspec.structs.replace(possible, **{name: draw(FIELDS[name]) for name in names})


BURSTS = st.lists(PACKETS, max_size=3).map(tuple)
STEPS = st.one_of(
    st.builds(AddSa, sa=nonsense_sas()),
    st.builds(DeleteSa, sa=NAMES),
    st.builds(
        Outbound, sa=NAMES, packet=PACKETS, tfc=st.sampled_from([0, 0, 9, 65535]), dummy=st.booleans(),
        iv=st.none() | st.sampled_from([0, 8, 16, 999]).map(Octets), behaviour=st.sampled_from(["", "", "open"]),
    ),
    st.builds(OutboundBurst, sa=NAMES, packets=BURSTS),
    st.builds(Inbound, packet=PACKETS, behaviour=st.sampled_from(["", "", "open"])),
    st.builds(InboundBurst, packets=BURSTS),
    st.builds(ReadState, sa=NAMES),
    st.builds(AdvanceTime, seconds=st.sampled_from([0, 1, 2**53])),
)  # fmt: skip
NONSENSE = st.builds(
    Case,
    version=st.just(1),
    sas=st.lists(st.just(SA) | nonsense_sas(), max_size=3).map(tuple),
    steps=st.lists(STEPS, max_size=6).map(tuple),
)


@settings(max_examples=600, deadline=None)
@given(NONSENSE)
def test_nonsense_is_refused_or_dropped_and_never_raises(case: Case) -> None:
    """Whatever a file asks for, the reference has an outcome for each step, and the oracle finds the reference right."""
    transcript = ReferenceAdapter().execute(case)
    assert len(transcript.setup) == len(case.sas)
    assert len(transcript.steps) == len(case.steps)
    judgement = judge(case, transcript, transcript, everything())
    assert isinstance(judgement, Judgement)
    assert judgement.findings == ()


@settings(max_examples=300, deadline=None)
@given(NONSENSE, NONSENSE)
def test_the_oracle_never_raises(case: Case, other: Case) -> None:
    """It holds what became of one case against what should have become of another of the same shape."""
    shape = (len(case.sas), len(case.steps))
    other = msgspec.structs.replace(other, sas=(other.sas + case.sas)[: shape[0]])
    other = msgspec.structs.replace(other, steps=(other.steps + case.steps)[: shape[1]])
    judge(case, ReferenceAdapter().execute(other), ReferenceAdapter().execute(case), everything())


@pytest.mark.parametrize(
    "change",
    [
        {"source": "999.1.1.1"}, {"source": ":.:"}, {"source": "2001:db8::1"}, {"spi": 0}, {"encr": "x"},
        {"encr_key": Octets(b"short")}, {"auth": "AUTH_HMAC_SHA1_96"}, {"selectors": (Selector(source="1.2.3.4/99"),)},
        {"selectors": (Selector(source=""),)}, {"direction": "in", "received_offsets": (2**40,)},
    ],
    ids=str,
)  # fmt: skip
def test_an_impossible_sa_is_refused(change: dict[str, Any]) -> None:
    """With the reason, and what then uses its name is refused too."""
    case = msgspec.structs.replace(CASE, sas=(msgspec.structs.replace(SA, **change),))
    transcript = ReferenceAdapter().execute(case)
    assert isinstance(transcript.setup[0], Refused)
    assert transcript.setup[0].reason
    assert isinstance(transcript.steps[0], Refused)


@pytest.mark.parametrize(
    ("got", "right"),
    [(Refused(), True), (Dropped(), True), (Sent(packet=Octets(PACKET)), False)],
    ids=["refused", "dropped", "sent"],
)
def test_what_nobody_may_send_may_be_refused_or_dropped(got: Any, right: bool) -> None:
    """The outcome of an outbound packet for an SA that does not exist, as judged."""
    case = msgspec.structs.replace(CASE, sas=())
    want = ReferenceAdapter().execute(case)
    assert isinstance(want.steps[0], Refused)
    judgement = judge(case, msgspec.structs.replace(want, steps=(got,)), want, everything())
    assert isinstance(judgement, Judgement)
    assert (judgement.findings == ()) is right


def test_a_burst_that_is_refused_is_refused_whole() -> None:
    """The SA is missing for each of its packets."""
    case = Case(version=1, steps=(OutboundBurst(sa="a", packets=(Octets(PACKET),) * 2),))
    want = ReferenceAdapter().execute(case)
    assert isinstance(want.steps[0], Refused)
