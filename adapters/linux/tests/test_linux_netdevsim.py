"""netdevsim with a cipher: what its driver tells, which packets the card encrypts, and the kernel in front of it."""

import struct
from collections.abc import Iterator

import pytest
from msgspec.structs import replace

from espproof.adapters.case import (
    AddSa,
    Burst,
    DeleteSa,
    Delivered,
    DeviceState,
    Done,
    Dropped,
    Emerged,
    EmergedPacket,
    FlushSas,
    Octets,
    Outbound,
    Outcome,
    Sa,
    Sent,
    UdpEncapsulation,
    Unsupported,
)
from espproof.adapters.exec.messages import Reset
from espproof.adapters.linux.adapter import LinuxAdapter
from espproof.adapters.linux.kernel import build, images
from espproof.adapters.linux.netdevsim import DEVICE, Netdevsim, table
from espproof.adapters.translate import entry
from espproof.reference import endpoint, ip

NEAR, FAR = bytes((192, 0, 2, 1)), bytes((192, 0, 2, 2))
OUT = Sa(
    name="out", direction="out", spi=0x1000, mode="transport", source="192.0.2.1", destination="192.0.2.2",
    encr="ENCR_AES_GCM_16", encr_key=Octets(bytes(range(16))), salt=Octets(b"salt"),
)  # fmt: skip
IN = replace(
    OUT, name="in", direction="in", spi=0x1001, source=OUT.destination, destination=OUT.source, lookup="spi+destination",
    replay_window=32,
)  # fmt: skip
OUT_TABLE = (
    "sa[0] tx ipaddr=192.0.2.2\n"
    "sa[0]    spi=0x00001000 proto=0x32 salt=0x746c6173 crypt=1\n"
    "sa[0]    key=0x03020100 07060504 0b0a0908 0f0e0d0c\n"
)
IN_TABLE = OUT_TABLE.replace("tx ipaddr=192.0.2.2", "rx ipaddr=192.0.2.1").replace("1000", "1001").replace("[0]", "[1]")
PLAIN = b"eight...\x01\x02\x02\xfd"
"""Payload and trailer."""


def tells(given: int, *sas: str) -> str:
    return f"SA count={len(sas)} tx={given}\n{''.join(sas)}"


def handed_over(number: int, *, spi: int = OUT.spi) -> bytes:
    """What the stack gives to a card: an ESP packet with nothing encrypted, IV and ICV as they happened to be."""
    esp = spi.to_bytes(4, "big") + number.to_bytes(4, "big") + b"anything" + PLAIN + b"whatever there is"[:16]
    return ip.build_ipv4(NEAR, FAR, 50, esp)


def sealed(number: int) -> bytes:
    """The same, encrypted by the stack."""
    packet = endpoint.encapsulate(entry(OUT), ip.build_ipv4(NEAR, FAR, 253, b"eight..."), number)
    assert isinstance(packet, bytes)
    return packet


def opened(outcome: Outcome, number: int) -> bytes:
    """The octets between IV and ICV, decrypted."""
    assert isinstance(outcome, Sent)
    octets = entry(OUT).codec.open(ip.parse(outcome.packet).payload, number)
    assert isinstance(octets, bytes)
    return octets


def sent(packet: bytes) -> Sent:
    return Sent(packet=Octets(packet))


@pytest.fixture
def card() -> Netdevsim:
    made = Netdevsim()
    made.note(AddSa(sa=OUT), Done())
    return made


def test_the_words_of_the_driver_are_read() -> None:
    """Words of 32 bits as this machine has them, addresses of both versions; anything else is no table."""
    of_six = OUT_TABLE.replace("192.0.2.2", "2001:db8::2")
    found = table(tells(7, OUT_TABLE, IN_TABLE, of_six.replace("[0]", "[2]")))
    assert found.given == 7
    assert [(one.key, one.salt) for one in found.entries] == [(bytes(range(16)), b"salt")] * 3
    assert [one.place[0] for one in found.entries] == ["out", "in", "out"]
    assert str(found.entries[2].place[2]) == "2001:db8::2"
    for text in ("", "SA count=1 tx=0\n", tells(0, OUT_TABLE[:-9])):
        with pytest.raises(ValueError, match="no table of netdevsim"):
            table(text)


def test_what_is_handed_over_is_encrypted(card: Netdevsim) -> None:
    """With an IV that never comes again, whichever number it has."""
    one, two = (card.passed(sent(handed_over(5)), tells(n)) for n in (1, 2))
    assert opened(one, 5) == opened(two, 5) == PLAIN
    assert one != two
    assert card.told(tells(2, OUT_TABLE)).sas[0].packets == 2


def test_what_nobody_has_handed_over_stays_as_it_is(card: Netdevsim) -> None:
    """Encrypted by the stack, or left in the clear; and packets of no SA of the card."""
    for packet in (sealed(1), handed_over(1), ip.build_ipv4(NEAR, FAR, 17, bytes(60)), handed_over(1, spi=7)):
        assert card.passed(sent(packet), tells(0)) == sent(packet)
    assert card.told(tells(0, OUT_TABLE)).sas[0].packets == 0


def test_what_is_handed_over_encrypted_is_encrypted_twice(card: Netdevsim) -> None:
    """As a card does that is told to."""
    twice = card.passed(sent(sealed(1)), tells(1))
    inside = opened(twice, 1)
    assert inside not in (PLAIN, b"")
    assert len(inside) == len(PLAIN)


def test_in_a_burst_the_plain_ones_are_the_cards(card: Netdevsim) -> None:
    """As many as it was given; if these are others than the plain ones, none is touched."""
    burst = Burst(results=(sent(sealed(1)), sent(handed_over(2)), Dropped(), sent(handed_over(3))))
    first = card.passed(burst, tells(2))
    assert isinstance(first, Burst)
    assert first.results[0] == burst.results[0]
    assert [opened(first.results[at], number) for at, number in ((1, 2), (3, 3))] == [PLAIN, PLAIN]
    assert card.passed(burst, tells(3)) == burst


def test_fragments_are_the_cards_if_it_was_given_them(card: Netdevsim) -> None:
    """The stack protects fragments of IPv4 as they are, and cuts up what it has encrypted itself."""
    piece = bytearray(handed_over(1))
    piece[7] = 8
    fragment = ip.with_checksum(bytes(piece[:20])) + bytes(piece[20:])
    assert opened(card.passed(sent(fragment), tells(1)), 1) == PLAIN
    both = Burst(results=(sent(fragment), sent(handed_over(2))))
    one = card.passed(both, tells(2))
    assert isinstance(one, Burst)
    assert one.results[0] == both.results[0]
    assert opened(one.results[1], 2) == PLAIN
    two = card.passed(both, tells(4))
    assert isinstance(two, Burst)
    assert [opened(fate, number) for number, fate in enumerate(two.results, 1)] == [PLAIN, PLAIN]


def test_udp_and_extension_headers_are_passed_over() -> None:
    """And packets of a host that emerge on the wire are like others."""
    card = Netdevsim()
    of_udp = replace(OUT, udp=UdpEncapsulation())
    card.note(AddSa(sa=of_udp), Done())
    esp = ip.parse(handed_over(1)).payload
    in_udp = ip.build_ipv4(NEAR, FAR, 17, struct.pack("!4H", 4500, 4500, 8 + len(esp), 0) + esp)
    emerged = Emerged(packets=(EmergedPacket(side="plain", packet=Octets(in_udp)),) * 2)
    assert card.passed(emerged, tells(0)) == emerged
    on_the_wire = Emerged(packets=(emerged.packets[0], EmergedPacket(side="wire", packet=Octets(in_udp))))
    done = card.passed(on_the_wire, tells(1))
    assert isinstance(done, Emerged)
    assert done.packets[0] == on_the_wire.packets[0]
    assert entry(of_udp).codec.open(ip.parse(done.packets[1].packet).payload[8:], 1) == PLAIN

    of_six = replace(OUT, source="2001:db8::1", destination="2001:db8::2")
    card.note(AddSa(sa=of_six), Done())
    behind = b"\x32" + ip.options_header(b"")[1:] + esp
    packet = ip.build_ipv6(bytes(16), bytes.fromhex("20010db8000000000000000000000002"), ip.PROTOCOL_HOP_BY_HOP, behind)
    six = card.passed(sent(packet), tells(2))
    assert isinstance(six, Sent)
    assert entry(of_six).codec.open(six.packet[48:], 1) == PLAIN


def test_the_card_tells_of_its_sas() -> None:
    """Those that it has, with their key; what is inbound it leaves to the stack; what is of no SA is left."""
    card = Netdevsim()
    for sa in (OUT, IN, replace(OUT, name="other", spi=0x2000)):
        card.note(AddSa(sa=sa), Done())
    told = card.told(tells(0, OUT_TABLE, IN_TABLE))
    assert [(one.sa, one.by) for one in told.sas] == [("out", "device"), ("in", "software"), ("other", "software")]
    assert (told.entries, told.left) == (1, 0)
    another_key = card.told(tells(0, OUT_TABLE.replace("0f0e0d0c", "0f0e0dff")))
    assert another_key.sas[0].reason == "netdevsim has another key or salt for it"
    card.note(DeleteSa(sa="out"), Done())
    told = card.told(tells(0, OUT_TABLE, IN_TABLE))
    assert (told.entries, told.left) == (1, 15 + 4)
    for step in (FlushSas(), Reset()):
        card.note(AddSa(sa=OUT), Done())
        card.note(step, Done())
        assert card.told(tells(0)) == DeviceState(sas=())


@pytest.fixture(scope="module")
def linux() -> Iterator[LinuxAdapter]:
    if not images.is_built(images.NETDEVSIM):
        pytest.skip(f"linux:netdevsim is not built: {build.command('plain')}")
    with LinuxAdapter(images.NETDEVSIM) as made:
        yield made


def test_the_kernel_hands_packets_to_the_card(linux: LinuxAdapter) -> None:
    """Out the card encrypts, in the stack decrypts; when the SAs are gone nothing is left."""
    linux.reset()
    assert [linux.add_sa(OUT), linux.add_sa(IN)] == [Done(), Done()]
    out = linux.outbound(Outbound(sa="out", packet=Octets(ip.build_ipv4(NEAR, FAR, 253, b"through the card"))))
    assert opened(out, 1) == b"through the card\x01\x02\x02\xfd"
    right = endpoint.encapsulate(entry(IN), ip.build_ipv4(FAR, NEAR, 253, b"and back"), 1)
    assert isinstance(right, bytes)
    assert isinstance(linux.inbound(Octets(right)), Delivered)
    told = linux.read_device()
    assert isinstance(told, DeviceState)
    assert [(one.by, one.packets) for one in told.sas] == [("device", 1), ("software", 0)]
    assert [linux.delete_sa("out"), linux.delete_sa("in")] == [Done(), Done()]
    assert linux.read_device() == DeviceState(sas=())


def test_what_the_card_has_no_room_for_is_the_kernels(linux: LinuxAdapter) -> None:
    """And there is room again when an SA goes."""
    linux.reset()
    room = DEVICE.most["out"]
    sas = [replace(OUT, name=f"out{n}", spi=0x1000 + n) for n in range(room + 1)]
    assert [linux.add_sa(sa) for sa in sas] == [Done()] * (room + 1)
    told = linux.read_device()
    assert isinstance(told, DeviceState)
    assert [one.by for one in told.sas] == ["device"] * room + ["software"]
    plain = Octets(ip.build_ipv4(NEAR, FAR, 253, b"eight..."))
    for sa in (sas[0], sas[room]):
        out = linux.outbound(Outbound(sa=sa.name, packet=plain))
        assert opened(out, 1) == PLAIN
    assert linux.delete_sa("out7") == Done()
    assert linux.add_sa(replace(OUT, name="next", spi=0x2000)) == Done()
    told = linux.read_device()
    assert isinstance(told, DeviceState)
    assert (told.sas[-1].by, told.entries) == ("device", room)


def test_what_the_card_cannot_do_is_not_declared(linux: LinuxAdapter) -> None:
    """Nor taken: extended numbers, shorter ICVs, other algorithms."""
    linux.reset()
    declared = linux.capabilities()
    assert declared.encryption == DEVICE.encryption
    assert declared.esn == (False,)
    for sa in (replace(OUT, esn=True), replace(OUT, encr="ENCR_AES_GCM_8")):
        assert isinstance(linux.add_sa(sa), Unsupported)
