"""The dissector: every octet once, whatever the octets; and the right words for right packets."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from espproof.adapters.case import Octets, Outbound, Sa, Sent, SequenceNumber, UdpEncapsulation
from espproof.adapters.models.reference import ReferenceAdapter
from espproof.conformance.replay.dissect import LAYERS, Field, dissect
from espproof.reference import ip

SA = Sa(
    name="a", direction="out", spi=0x12345678, mode="tunnel", source="192.0.2.1", destination="198.51.100.2",
    encr="ENCR_AES_GCM_16", encr_key=Octets(range(16)), salt=Octets(b"salt"), esn=True,
    sequence=SequenceNumber(0x1_FFFFFFFF),
)  # fmt: skip
INNER = ip.build_ipv4(bytes([10, 1, 2, 3]), bytes([10, 4, 5, 6]), 17, b"\x30\x39\x00\x35\x00\x0c\x00\x00data")


def sent(sa: Sa, packet: bytes = INNER, *, tfc: int = 0) -> bytes:
    adapter = ReferenceAdapter()
    adapter.add_sa(sa)
    outcome = adapter.outbound(Outbound(sa=sa.name, packet=Octets(packet), tfc=tfc))
    assert isinstance(outcome, Sent)
    return bytes(outcome.packet)


def covers(fields: tuple[Field, ...], octets: bytes) -> bool:
    edges = [0, *(field.end for field in fields)]
    starts = [*(field.start for field in fields), len(octets)]
    return (
        edges == starts
        and all(field.layer in LAYERS and field.start < field.end for field in fields)
        and all(covers(field.inner, field.plaintext) for field in fields)
    )


def named(fields: tuple[Field, ...], name: str) -> Field:
    return next(field for field in fields if field.name == name)


def test_an_esn_tunnel_packet_is_opened_across_the_half() -> None:
    """The SA starts at the last number of a half, so that its packet has the next high half."""
    fields = dissect(sent(SA, tfc=5), [SA])
    assert "high half 0x2" in named(fields, "sequence number").value
    assert named(fields, "ICV").value == "right, 16 octets"
    inner = named(fields, "ciphertext").inner
    assert named(inner, "source").value == "10.1.2.3"
    assert named(inner, "destination port").value == "53"
    assert named(inner, "TFC padding").value == "5 octets"
    assert named(inner, "next header").value == "4 (IPv4)"


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ({"mode": "transport", "source": "10.1.2.3", "destination": "10.4.5.6"}, ["UDP payload", "pad length"]),
        ({"source": "2001:db8::1", "destination": "2001:db8::2"}, ["TTL", "UDP payload"]),
        ({"encr": "ENCR_NULL", "encr_key": Octets(), "salt": Octets(), "auth": "AUTH_HMAC_SHA2_256_128",
          "auth_key": Octets(range(32))}, ["UDP payload"]),
        ({"udp": UdpEncapsulation(source_port=7001, destination_port=7002)}, ["UDP payload"]),
    ],
)  # fmt: skip
def test_every_mode_is_opened(change: dict[str, object], names: list[str]) -> None:
    sa = msgspec.structs.replace(SA, **change)
    packet = sent(sa)
    fields = dissect(packet, [sa])
    assert covers(fields, packet)
    for name in names:
        assert named(named(fields, "ciphertext").inner, name)


def test_a_wrong_icv_is_said_and_explained() -> None:
    """A sender that leaves the high half out of the ICV is told apart from a flipped bit."""
    lazy = msgspec.structs.replace(SA, esn=False, sequence=SequenceNumber(5))
    assert "left out" in named(dissect(sent(lazy), [SA]), "ICV").value
    flipped = sent(SA)[:-1] + bytes([sent(SA)[-1] ^ 1])
    assert named(dissect(flipped, [SA]), "ICV").value == "wrong"
    assert named(dissect(flipped, [SA]), "ciphertext").inner == ()


def test_a_plain_packet_is_not_opened() -> None:
    fields = dissect(INNER, [], plain=True)
    assert covers(fields, INNER)
    assert named(fields, "UDP payload").value == "4 octets"
    assert named(fields, "header checksum").value.endswith("right")


def test_an_unknown_spi_is_said() -> None:
    assert "no SA" in named(dissect(sent(SA), []), "SPI").value


def test_the_non_esp_marker_and_the_keepalive_are_named() -> None:
    udp = b"\x11\x94\x11\x94"
    ike = ip.build_ipv4(bytes(4), bytes(4), 17, udp + b"\x00\x10\x00\x00" + bytes(4) + b"ike!")
    assert named(dissect(ike, [SA]), "IKE message")
    alive = ip.build_ipv4(bytes(4), bytes(4), 17, udp + b"\x00\x09\x00\x00\xff")
    assert named(dissect(alive, [SA]), "NAT keepalive")


SAS = (
    SA,
    msgspec.structs.replace(SA, mode="transport", direction="in", resync_limit=9),
    msgspec.structs.replace(
        SA, spi=0x300, encr="ENCR_AES_CBC", salt=Octets(), auth="AUTH_HMAC_SHA1_96", auth_key=Octets(bytes(20))
    ),
    msgspec.structs.replace(SA, spi=0x301, encr="no such", source="nowhere"),
)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_hostile_octets_are_covered_exactly_once(data: st.DataObject) -> None:
    """Right packets cut, extended and overwritten anywhere, and plain noise: nothing is raised, nothing is lost."""
    right = sent(data.draw(st.sampled_from([SAS[0], SAS[2]])))
    packet = bytearray(data.draw(st.one_of(st.just(right), st.just(INNER), st.binary(max_size=200))))
    for _ in range(data.draw(st.integers(0, 4))):
        if packet:
            packet[data.draw(st.integers(0, len(packet) - 1))] = data.draw(st.integers(0, 255))
    octets = bytes(packet[: data.draw(st.integers(0, len(packet)))]) + data.draw(st.binary(max_size=9))
    assert covers(dissect(octets, SAS), octets)
    assert covers(dissect(octets, SAS, plain=True), octets)


@given(st.binary(min_size=4, max_size=120), st.sampled_from([SA, SAS[2]]))
@settings(max_examples=150, deadline=None)
def test_hostile_plaintext_under_a_right_icv_is_covered_exactly_once(plaintext: bytes, sa: Sa) -> None:
    """The peer owns the keys: any trailer, any inner header."""
    from espproof.conformance.checks.scenario import Peer

    peer = Peer(sa)
    plaintext += bytes(-len(plaintext) % peer.codec.alignment)
    packet = peer.seal(INNER, plaintext, 0x2_00000007)
    fields = dissect(packet, [sa])
    assert covers(fields, packet)
    assert named(fields, "ciphertext").plaintext == plaintext
