"""Linux' own ixgbe on the model of the 82599: what the cards tell of SAs, and packets through driver and card."""

from collections.abc import Iterator

import pytest

from espproof.adapters.base import Crashed, Hung
from espproof.adapters.case import (
    AddSa,
    Delivered,
    DeviceHappening,
    DeviceState,
    Done,
    Inbound,
    Octets,
    Outbound,
    ReadDevice,
    Sa,
    Sent,
    Step,
    Unsupported,
)
from espproof.adapters.linux.adapter import LinuxAdapter
from espproof.adapters.linux.cards import Cards
from espproof.adapters.linux.kernel import build, images
from espproof.adapters.linux.kernel.guest import Guest
from espproof.adapters.linux.kernel.processor import Processor
from espproof.adapters.translate import entry
from espproof.reference import endpoint, ip
from espproof.reference.offload.memory import Fault
from espproof.reference.offload.niantic import registers as r
from espproof.reference.offload.niantic.tables import ADDRESS_TABLE, KEY_TABLE, SPI_TABLE, Handle

OUT = Sa(
    name="out", direction="out", spi=0x1000, mode="transport", source="192.0.2.1", destination="192.0.2.2",
    encr="ENCR_AES_GCM_16", encr_key=Octets(bytes(range(16))), salt=Octets(b"salt"),
)  # fmt: skip
IN = Sa(
    name="in", direction="in", spi=0x1001, mode="transport", source="192.0.2.2", destination="192.0.2.1",
    lookup="spi+destination", replay_window=32,
    encr="ENCR_AES_GCM_16", encr_key=Octets(bytes(range(1, 17))), salt=Octets(b"tlas"),
)  # fmt: skip
NEAR, FAR = bytes((192, 0, 2, 1)), bytes((192, 0, 2, 2))


@pytest.fixture
def cards() -> Iterator[Cards]:
    made = Cards()
    yield made
    made.close()


def put(cards: Cards, sa: Sa) -> None:
    """An SA into the tables, by the registers, which are made blank again."""
    chip = cards.first.chip
    key = [int.from_bytes(sa.encr_key[4 * n : 4 * n + 4], "big") for n in range(4)]
    keys, salt = (r.IPSTXKEY, r.IPSTXSALT) if sa.direction == "out" else (r.IPSRXKEY, r.IPSRXSALT)
    for n, word in enumerate(key):
        chip.write(keys.at(3 - n), word)
    chip.write(salt.offset, int.from_bytes(sa.salt, "big"))
    if sa.direction == "out":
        chip.write(r.IPSTXIDX.offset, r.IPSTXIDX.encode(SA_IDX=5, WRITE=1))
    else:
        chip.write(r.IPSRXMOD.offset, 0xD)
        chip.write(r.IPSRXIDX.offset, r.IPSRXIDX.encode(TABLE=KEY_TABLE, TB_IDX=7, WRITE=1))
        chip.write(r.IPSRXSPI.offset, int.from_bytes(sa.spi.to_bytes(4, "big"), "little"))
        chip.write(r.IPSRXIPIDX.offset, 2)
        chip.write(r.IPSRXIDX.offset, r.IPSRXIDX.encode(TABLE=SPI_TABLE, TB_IDX=7, WRITE=1))
        chip.write(r.IPSRXIPADDR.at(3), int.from_bytes(NEAR, "little"))
        chip.write(r.IPSRXIDX.offset, r.IPSRXIDX.encode(TABLE=ADDRESS_TABLE, TB_IDX=2, WRITE=1))


def test_an_sa_is_the_one_with_its_key(cards: Cards) -> None:
    """Outbound by the key, inbound by SPI and address; of packets no more than can have passed."""
    put(cards, OUT)
    put(cards, IN)
    cards.first.chip.done[Handle("out", 5)] = cards.first.chip.done[Handle("in", 7)] = 3
    told = cards.told({"out": OUT, "in": IN}, {"out": 3, "in": 2})
    assert [(one.sa, one.by, one.packets) for one in told.sas] == [("out", "device", 3), ("in", "device", 2)]
    assert (told.entries, told.left) == (2, 0)


def test_what_is_of_no_sa_is_left(cards: Cards) -> None:
    """Keys, salts, SPIs and addresses in tables, and a key that still stands in the registers; an SA that is in no table
    is software's."""
    put(cards, OUT)
    put(cards, IN)
    told = cards.told({"out": OUT}, {})
    nonzero = 16 + 4 + 2 + 3
    assert (told.entries, told.left) == (2, nonzero + 20)
    told = cards.told({"in": IN}, {})
    assert told.left == (15 + 4) * 2
    assert cards.told({"other": OUT}, {}).sas[0].by == "device"
    for register in (r.IPSTXKEY, r.IPSRXKEY):
        for n in range(4):
            cards.first.chip.write(register.at(n), 0)
    cards.first.chip.write(r.IPSTXIDX.offset, r.IPSTXIDX.encode(SA_IDX=5, WRITE=1))
    told = cards.told({"out": OUT}, {})
    assert (told.sas[0].by, told.sas[0].reason) == ("software", "it is in no table of the card")


@pytest.fixture(scope="module")
def linux() -> Iterator[LinuxAdapter]:
    if not images.is_built(images.NIANTIC):
        pytest.skip(f"linux:niantic is not built: {build.command('pci')}")
    with LinuxAdapter(images.NIANTIC) as made:
        yield made


def test_packets_go_through_driver_and_card(linux: LinuxAdapter) -> None:
    """Out they are encrypted by the card, in they are opened by it, and the tables are empty when the SAs are gone."""
    linux.reset()
    assert [linux.add_sa(OUT), linux.add_sa(IN)] == [Done(), Done()]
    sent = linux.outbound(Outbound(sa="out", packet=Octets(ip.build_ipv4(NEAR, FAR, 253, b"through the card"))))
    assert isinstance(sent, Sent)
    opened = entry(OUT).codec.open(ip.parse(sent.packet).payload, 1)
    assert opened == b"through the card\x01\x02\x02\xfd"
    right = endpoint.encapsulate(entry(IN), ip.build_ipv4(FAR, NEAR, 253, b"and back"), 1)
    assert isinstance(right, bytes)
    assert isinstance(linux.inbound(Octets(right)), Delivered)
    told = linux.read_device()
    assert isinstance(told, DeviceState)
    assert [(one.sa, one.by, one.packets) for one in told.sas] == [("out", "device", 1), ("in", "device", 1)]
    assert any("IPS_TX_EN" in one.words for one in told.breaches)
    assert {one.topic for one in told.breaches} == {"lookup", "icv"}
    linux.reset()
    told = linux.read_device()
    assert isinstance(told, DeviceState)
    assert (told.sas, told.entries, told.left) == ((), 0, 0)


def test_steps_of_the_card_stand_between_others(linux: LinuxAdapter) -> None:
    """In their order."""
    packet = endpoint.encapsulate(entry(IN), ip.build_ipv4(FAR, NEAR, 253, b"one"), 1)
    assert isinstance(packet, bytes)
    linux.reset()
    steps: list[Step] = [AddSa(sa=IN), ReadDevice(), Inbound(packet=Octets(packet)), ReadDevice()]
    outcomes = linux.take_all(steps)
    states = [one for one in outcomes if isinstance(one, DeviceState)]
    assert [state.sas[0].packets for state in states] == [0, 1]


def test_sas_live_through_what_befalls_the_card(linux: LinuxAdapter) -> None:
    """A reset by its driver, and a cable that is out for a while, in which nothing leaves; what the card has done counts
    on. The next case finds the cable in."""
    linux.reset()
    assert [linux.add_sa(OUT), linux.add_sa(IN)] == [Done(), Done()]
    to_send = Outbound(sa="out", packet=Octets(ip.build_ipv4(NEAR, FAR, 253, b"out")))
    events: tuple[DeviceHappening, ...] = ("reset", "link-down", "link-up", "reset")
    for number, event in enumerate(events, 1):
        if event != "link-up":
            packet = endpoint.encapsulate(entry(IN), ip.build_ipv4(FAR, NEAR, 253, b"in"), number)
            assert isinstance(packet, bytes)
            assert isinstance(linux.inbound(Octets(packet)), Delivered)
            assert isinstance(linux.outbound(to_send), Sent)
        assert linux.device_event(event) == Done()
        if event == "link-down":
            assert not isinstance(linux.outbound(to_send), Sent)
    told = linux.read_device()
    assert isinstance(told, DeviceState)
    assert [(one.by, one.packets) for one in told.sas] == [("device", 3), ("device", 3)]
    assert linux.device_event("event-lost") == Unsupported(what="device_event event-lost")
    linux.device_event("link-down")
    linux.reset()
    assert linux.add_sa(OUT) == Done()
    assert isinstance(linux.outbound(to_send), Sent)
    linux.reset()


def test_a_driver_that_does_not_come_back_hangs(linux: LinuxAdapter, monkeypatch: pytest.MonkeyPatch) -> None:
    """A finding about the driver, and the next case has another machine."""
    linux.reset()
    with monkeypatch.context() as patch:
        patch.setattr(linux, "_ask", lambda *_: ([["lost", "eth0 has no carrier"]], []))
        with pytest.raises(Hung, match="the card's driver: eth0 has no carrier"):
            linux.device_event("reset")
    linux.reset()
    assert linux.add_sa(OUT) == Done()
    linux.reset()


def test_a_virtual_function_has_its_own_driver() -> None:
    """ixgbevf on a function of the card: it is found, asks for its queues by mailbox, and a packet comes in."""
    if not images.is_built(images.NIANTIC):
        pytest.skip(f"linux:niantic is not built: {build.command('pci')}")
    cards, processor = Cards(shared=True), Processor()
    machine = None
    try:
        machine = Guest(images.path(images.NIANTIC), processor, 60, devices=cards.sockets)
        packet = ip.build_ipv4(FAR, NEAR, 253, b"in the clear")
        results, _ = machine.ask([["reset", False, None], ["receive", 1]], [packet], 10)
        assert results == [["done"], ["packets", [["passed", "bypass"]]]]
        assert machine.largest == 9000
        queue = 4 * 0x40
        assert cards.first.chip.read(r.RDH.offset) == 1
        assert cards.first.chip.read(r.RDH.offset + queue) == 0
    finally:
        if machine is not None:
            machine.close()
        processor.release()
        cards.close()


def test_a_card_that_fails_is_a_crash(linux: LinuxAdapter) -> None:
    """Memory that is nobody's: a finding, and the next case has another machine."""
    assert linux._cards is not None

    def fails() -> None:
        raise Fault("4 octets at 0x10 are not the guest's")

    linux._cards.first.read = lambda *_: fails()  # type: ignore[method-assign, assignment]
    with pytest.raises(Crashed, match=r"the card: 4 octets at 0x10"):
        linux.add_sa(OUT)
    linux.reset()
    assert linux.add_sa(OUT) == Done()
