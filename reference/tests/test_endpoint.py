"""The endpoint: the order of checks, and what a packet that is not delivered may change (nothing but error counters)."""

from dataclasses import replace
from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from espproof.reference import endpoint, ip, nat, udp_encapsulation
from espproof.reference.drops import DropReason
from espproof.reference.endpoint import Delivered, Endpoint, Entry, Passed
from espproof.reference.errors import Misuse
from espproof.reference.esp import NEXT_HEADER_DUMMY, Opened
from espproof.reference.lifetime import Lifetime
from espproof.reference.replay import ReplayWindow
from espproof.reference.sa import SaState, SecurityAssociation, Selector, UdpEncapsulation

INNER = ip.build_ipv4(bytes([10, 1, 2, 3]), bytes([10, 9, 8, 7]), 17, bytes(range(16)), identification=0x1234)
INNER_6 = ip.build_ipv6(ip_address("2001:db8:a::1").packed, ip_address("2001:db8:b::2").packed, 17, bytes(range(16)))
IN = SecurityAssociation(
    name="in", direction="in", spi=0x1001, mode="tunnel", source=ip_address("192.0.2.1"),
    destination=ip_address("192.0.2.2"), encr="ENCR_AES_GCM_16", encr_key=bytes(range(16)), salt=b"salt", esn=True,
)  # fmt: skip
HOST: dict[str, Any] = {"source": ip_address("10.1.2.3"), "destination": ip_address("10.9.8.7")}
OUT = replace(IN, name="out", direction="out")
T = 0x01020304_00000040


def receiver(sa: SecurityAssociation = IN, highest: int = T, lifetime: Lifetime | None = None) -> Endpoint:
    made = Endpoint()
    made.add(sa, SaState(lifetime or Lifetime(), 0, ReplayWindow(sa.replay_window, highest)))
    return made


def protected(number: int, sa: SecurityAssociation = IN, packet: bytes = INNER, **options: Any) -> bytes:
    made = endpoint.encapsulate(Entry(sa, SaState()), packet, number, **options)
    assert isinstance(made, bytes)
    return made


def snapshot(tested: Endpoint, name: str = "in") -> tuple[Any, ...]:
    state = tested.entry(name).state
    return state.replay.highest, state.replay.received_offsets(), state.packets, state.octets, state.sequence


def forged(packet: bytes) -> bytes:
    return packet[:-1] + bytes([packet[-1] ^ 1])


def sealed(plaintext: bytes, number: int = T + 1) -> bytes:
    """Any plaintext under a right ICV."""
    entry = Entry(IN, SaState())
    esp = entry.codec.seal(plaintext, number, entry.iv_source(number))
    packet = endpoint.wrap(entry, INNER, esp)
    assert isinstance(packet, bytes)
    return packet


def fragment(packet: bytes) -> bytes:
    return ip.with_checksum(packet[:6] + b"\x20\x00" + packet[8:20]) + packet[20:]


def test_accepted() -> None:
    """A right packet is delivered, counted, and moves the window."""
    tested = receiver()
    assert tested.inbound(protected(T + 1)) == Delivered(INNER, "in")
    assert snapshot(tested)[:4] == (T + 1, (0, 1), 1, len(INNER))


OTHER_DATAGRAM = ip.build_ipv4(bytes(4), bytes(4), 17, bytes([1, 2, 3, 4, 0, 8, 0, 0]))
OTHER_SEGMENT = ip.build_ipv4(bytes(4), bytes(4), 6, bytes(20))
NOT_DELIVERED: dict[str, tuple[bytes, DropReason | Passed]] = {
    "no packet": (b"", DropReason.MALFORMED),
    "half a header": (protected(T + 1)[:12], DropReason.MALFORMED),
    "no room for SPI and number": (ip.build_ipv4(bytes(4), bytes(4), 50, bytes(7)), DropReason.MALFORMED),
    "no room for the ICV": (
        ip.build_ipv4(bytes(4), bytes(4), 50, IN.spi.to_bytes(4, "big") + bytes(20)), DropReason.MALFORMED
    ),
    "a fragment": (fragment(protected(T + 1)), DropReason.FRAGMENT),
    "no SA": (protected(T + 1, replace(IN, spi=0x1002)), DropReason.NO_SA),
    "left of the window": (protected(T - 64), DropReason.INTEGRITY),  # its low half is taken for the next subspace
    "the low half of the left edge": (protected(T - 63 + (1 << 32)), DropReason.INTEGRITY),
    "a duplicate": (protected(T), DropReason.REPLAY),
    "a wrong ICV": (forged(protected(T + 1)), DropReason.INTEGRITY),
    "a duplicate with a wrong ICV": (forged(protected(T)), DropReason.REPLAY),
    "the next subspace": (protected(T + (1 << 32)), DropReason.REPLAY),
    "the high half left out": (protected(T + 1 & 0xFFFFFFFF, replace(IN, esn=False)), DropReason.INTEGRITY),
    "UDP, but not for us": (OTHER_DATAGRAM, Passed("bypass", OTHER_DATAGRAM)),
    "other traffic": (OTHER_SEGMENT + b"link", Passed("bypass", OTHER_SEGMENT)),
}  # fmt: skip


@pytest.mark.parametrize("what", NOT_DELIVERED)
def test_not_delivered(what: str) -> None:
    """What cannot be authenticated is discarded for its reason and leaves the state as it was."""
    packet, expected = NOT_DELIVERED[what]
    tested = receiver()
    before = snapshot(tested)
    assert tested.inbound(packet) == expected
    assert snapshot(tested) == before
    assert isinstance(tested.inbound(protected(T + 1)), Delivered)


AUTHENTIC: dict[str, tuple[bytes, DropReason]] = {
    "padding beyond the plaintext": (sealed(bytes([9, 4, 255, 4])), DropReason.PADDING),
    "padding of zeros": (sealed(INNER + bytes([0, 0, 2, 4])), DropReason.PADDING),
    "a dummy": (sealed(bytes(range(6)) + bytes([0, NEXT_HEADER_DUMMY])), DropReason.DUMMY),
    "a transport payload": (sealed(bytes(16) + bytes([1, 2, 2, 17])), DropReason.MODE),
    "no inner packet": (sealed(bytes([1, 2, 2, 4])), DropReason.MALFORMED),
}


@pytest.mark.parametrize("what", AUTHENTIC)
def test_authentic_but_not_delivered(what: str) -> None:
    """What is authentic and then discarded has moved the window (3.4.3), is an error, and comes in only once."""
    packet, expected = AUTHENTIC[what]
    tested = receiver()
    assert tested.inbound(packet) == expected
    assert snapshot(tested)[:3] == (T + 1, (0, 1), 0)
    assert tested.entry("in").state.errors == {expected: 1}
    assert tested.inbound(packet) == DropReason.REPLAY


def test_selectors_come_last() -> None:
    """An authentic packet outside the SA's selectors is discarded."""
    narrow = replace(IN, selectors=(Selector(source=ip_network("10.2.0.0/16")),))
    assert receiver(narrow).inbound(protected(T + 1)) is DropReason.SELECTOR
    wide = replace(IN, selectors=(Selector(source=ip_network("10.1.0.0/16")),))
    assert isinstance(receiver(wide).inbound(protected(T + 1)), Delivered)


def test_without_anti_replay() -> None:
    """With anti-replay off the same packet comes in twice, and the high half still follows T."""
    off = replace(IN, replay_window=0)
    tested = receiver(off, highest=0x1_FFFFFFFF)
    for number in (0x2_00000000, 0x2_00000001, 0x2_00000001):
        assert isinstance(tested.inbound(protected(number)), Delivered)


def test_thirty_two_bits() -> None:
    """Without ESN the number on the wire is the number."""
    plain = replace(IN, esn=False)
    tested = receiver(plain, highest=0xFFFFFFFE)
    assert isinstance(tested.inbound(protected(0xFFFFFFFF, plain)), Delivered)
    assert tested.inbound(protected(0, plain)) is DropReason.REPLAY


def test_resynchronisation() -> None:
    """After enough failures in a row a packet of a later subspace is found, and sets T; a right packet ends the count."""
    far = replace(IN, resync_trigger=3, resync_limit=2)
    lost = T + (2 << 32) + 5
    tested = receiver(far)
    assert tested.inbound(protected(lost)) is DropReason.INTEGRITY
    assert tested.inbound(protected(lost + 1)) is DropReason.INTEGRITY
    assert isinstance(tested.inbound(protected(T + 1)), Delivered)  # the count begins again
    assert tested.inbound(protected(lost)) is DropReason.INTEGRITY
    assert tested.inbound(protected(lost + 1)) is DropReason.INTEGRITY
    assert isinstance(tested.inbound(protected(lost + 2)), Delivered)
    assert snapshot(tested)[0] == lost + 2
    assert tested.inbound(protected(lost + 2)) is DropReason.REPLAY
    beyond = receiver(far)
    for step in range(6):
        assert beyond.inbound(protected(T + (3 << 32) + 5 + step)) is DropReason.INTEGRITY


def test_forged_packets_do_not_resynchronise() -> None:
    """However many forged packets arrive, the window stays where it is."""
    tested = receiver(replace(IN, resync_trigger=1, resync_limit=4))
    for step in range(20):
        assert tested.inbound(forged(protected(T + (1 << 32) + 7 + step))) is DropReason.INTEGRITY
    assert snapshot(tested)[0] == T
    assert isinstance(tested.inbound(protected(T + 1)), Delivered)


# ------------------------------------------------------------------------------------------------------------ outbound


def sender(sa: SecurityAssociation = OUT, sequence: int = 0, lifetime: Lifetime | None = None) -> Endpoint:
    made = Endpoint()
    made.add(sa, SaState(lifetime or Lifetime(), sequence))
    return made


def test_numbers_go_up_by_one() -> None:
    """The first packet has number 1, the next 2; a packet that cannot be sent takes no number."""
    tested = sender()
    for number in (1, 2):
        sent = tested.outbound("out", INNER)
        assert isinstance(sent, bytes)
        assert sent[24:28] == number.to_bytes(4, "big")
    assert tested.outbound("out", b"no packet") is DropReason.MALFORMED
    assert snapshot(tested, "out")[2:] == (2, 2 * len(INNER), 2)


@pytest.mark.parametrize(("esn", "last"), [(False, 2**32 - 1), (True, 2**64 - 1)])
def test_the_last_number(esn: bool, last: int) -> None:
    """The last number is used, and after it nothing is sent, however often it is tried."""
    tested = sender(replace(OUT, esn=esn), last - 1)
    assert isinstance(tested.outbound("out", INNER), bytes)
    for _ in range(3):
        assert tested.outbound("out", INNER) is DropReason.SEQUENCE_OVERFLOW
    assert snapshot(tested, "out")[4] == last


def test_what_is_sent_arrives() -> None:
    """Sender and receiver understand each other in both modes, both IP versions, with UDP, TFC padding and dummies."""
    host = {"mode": "transport", **HOST}
    udp = {"udp": UdpEncapsulation(4500, 4500)}
    for fields, packet in (
        ({}, INNER), ({}, INNER_6), (udp, INNER), (host, INNER), ({**host, **udp}, INNER),
    ):  # fmt: skip
        sent = sender(replace(OUT, **fields)).outbound("out", packet)
        assert isinstance(sent, bytes)
        assert receiver(replace(IN, **fields), 0).inbound(sent) == Delivered(packet, "in")
    padded = sender().outbound("out", INNER, tfc=33)
    assert isinstance(padded, bytes)
    assert receiver(highest=0).inbound(padded) == Delivered(INNER, "in")
    dummy = sender().outbound("out", INNER, dummy=True)
    assert isinstance(dummy, bytes)
    assert receiver(highest=0).inbound(dummy) is DropReason.DUMMY


def behind_a_nat(sa: SecurityAssociation, **options: Any) -> tuple[bytes, bytes]:
    """`SEGMENT` under transport mode whose source a NAT has changed on the way: as it arrives, and as it was made,
    with the source that it has now."""
    here, there, changed = HOST["source"].packed, HOST["destination"].packed, bytes([203, 0, 113, 3])
    sent = protected(1, sa, ip.build_ipv4(here, there, 6, SEGMENT), **options)
    arrives = ip.with_checksum(ip.with_field(sent[:20], ip.IPV4_SOURCE, int.from_bytes(changed, "big"))) + sent[20:]
    return arrives, ip.build_ipv4(changed, there, 6, SEGMENT)


TRANSPORT = replace(IN, mode="transport", **HOST)
TRANSPORT_UDP = replace(TRANSPORT, udp=UdpEncapsulation(4500, 4500))
SEGMENT = bytes.fromhex("1f902710010203040506070850182011 1234 0000") + b"seven o"


def test_transport_mode_behind_a_nat_corrects_the_checksum() -> None:
    """With UDP encapsulation the checksum inside is made right for the addresses in front (RFC 3948 3.1.2)."""
    arrives, made = behind_a_nat(TRANSPORT_UDP)
    delivered = receiver(TRANSPORT_UDP, 0).inbound(arrives)
    assert delivered == Delivered(nat.with_right_checksum(made), "in")
    assert delivered.packet != made


def test_transport_mode_without_a_nat_leaves_the_checksum() -> None:
    """Without UDP encapsulation nobody has changed an address: what was protected is delivered, right or wrong."""
    arrives, made = behind_a_nat(TRANSPORT)
    assert receiver(TRANSPORT, 0).inbound(arrives) == Delivered(made, "in")


@pytest.mark.parametrize("sa", [TRANSPORT, TRANSPORT_UDP])
def test_a_dropped_transport_packet_has_no_checksum(sa: SecurityAssociation) -> None:
    """The reason why nothing comes out goes through, with UDP encapsulation and without."""
    arrives, _ = behind_a_nat(sa, dummy=True)
    assert receiver(sa, 0).inbound(arrives) is DropReason.DUMMY
    too_large = Opened(bytes(65516), b"", 6)
    assert endpoint.taken_out(sa, ip.parse(INNER), too_large) is DropReason.TOO_BIG


def test_tfc_needs_tunnel_mode() -> None:
    """TFC padding in transport mode is the caller's mistake."""
    with pytest.raises(Misuse, match="tunnel"):
        sender(replace(OUT, mode="transport", **HOST)).outbound("out", INNER, tfc=1)


def test_udp_port_is_shared() -> None:
    """On the port of an SA with UDP encapsulation arrive ESP, IKE and keepalives; on other ports nothing is ours."""
    tested = receiver(replace(IN, udp=UdpEncapsulation(4500, 4500)), 0)

    def packet(payload: bytes, port: int = 4500) -> bytes:
        datagram = udp_encapsulation.wrap(4500, port, payload)
        return ip.build_ipv4(bytes([192, 0, 2, 1]), bytes([192, 0, 2, 2]), 17, datagram)

    assert tested.inbound(packet(bytes(4) + b"ike")) == Passed("ike", b"ike")
    assert tested.inbound(packet(b"\xff")) is DropReason.KEEPALIVE
    assert tested.inbound(packet(b"\xff", 4501)) == Passed("bypass", packet(b"\xff", 4501))
    assert tested.inbound(packet(protected(1)[20:])) == Delivered(INNER, "in")


def test_no_key_has_an_iv_twice() -> None:
    """Two SAs with one key, and one that is made again with it, take IVs in turn."""
    tested = sender(OUT)
    twin = replace(OUT, name="twin", spi=OUT.spi + 1)
    tested.add(twin, SaState())

    def iv(name: str) -> bytes:
        packet = tested.outbound(name, INNER)
        assert isinstance(packet, bytes)
        return tested.entry(name).codec.iv_of(packet[20:])

    ivs = [iv("out"), iv("twin"), iv("out")]
    tested.delete("out")
    tested.add(OUT, SaState())
    ivs += [iv("out"), iv("twin")]
    assert ivs == [number.to_bytes(8, "big") for number in range(1, 6)]


# ---------------------------------------------------------------------------------------------------- SAs and lifetimes


def test_hard_lifetime_ends_an_sa() -> None:
    """After a hard limit nothing is sent and nothing is taken; a soft limit changes nothing."""
    both = Lifetime(soft_packets=1, hard_packets=2)
    tested = sender(lifetime=both)
    for _ in range(2):
        assert isinstance(tested.outbound("out", INNER), bytes)
    assert tested.outbound("out", INNER) is DropReason.EXPIRED
    inbound = receiver(lifetime=both)
    for number in (1, 2):
        assert isinstance(inbound.inbound(protected(T + number)), Delivered)
    assert inbound.inbound(protected(T + 3)) is DropReason.EXPIRED
    timed = receiver(lifetime=Lifetime(hard_seconds=10))
    assert isinstance(timed.inbound(protected(T + 1), now=9), Delivered)
    assert timed.inbound(protected(T + 2), now=10) is DropReason.EXPIRED


def test_names_and_directions() -> None:
    """A name is used once, an unknown one is a mistake, an inbound SA does not send; deleted SAs are gone with state."""
    tested = receiver()
    with pytest.raises(Misuse, match="exists"):
        tested.add(replace(IN, spi=0x1002), SaState())
    with pytest.raises(Misuse, match="exists"):
        tested.add(replace(IN, name="twin"), SaState())
    with pytest.raises(Misuse, match="inbound"):
        tested.outbound("in", INNER)
    with pytest.raises(Misuse, match="no SA"):
        tested.outbound("nobody", INNER)
    with pytest.raises(Misuse, match="no SA"):
        tested.delete("nobody")
    tested.delete("in")
    assert tested.inbound(protected(T + 1)) is DropReason.NO_SA
    tested.add(IN, SaState(replay=ReplayWindow(64)))
    assert isinstance(tested.inbound(protected(1)), Delivered)
    with pytest.raises(Misuse, match="SPI 0"):
        tested.add(replace(IN, name="zero", spi=0), SaState())


def test_a_refused_sa_leaves_nothing() -> None:
    """An SA that cannot be added is not there afterwards."""
    tested = Endpoint()
    with pytest.raises(Misuse):
        tested.add(replace(IN, encr_key=b"short"), SaState())
    with pytest.raises(Misuse):
        tested.entry("in")
    assert tested.inbound(protected(1)) is DropReason.NO_SA
    tested.add(IN, SaState(replay=ReplayWindow(64)))
    assert isinstance(tested.inbound(protected(1)), Delivered)
