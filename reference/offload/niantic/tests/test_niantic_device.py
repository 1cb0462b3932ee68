"""The chip under a driver that is wrong on purpose: which rule was broken is told, and what happens then is defined."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from espproof.reference.esp import trailer
from espproof.reference.offload.memory import Fault
from espproof.reference.offload.niantic import descriptors, packet_rules, rules
from espproof.reference.offload.niantic import registers as r
from espproof.reference.offload.niantic.descriptors import Buffer, Context, Data, Report
from espproof.reference.offload.niantic.device import I82599, X540, X550, Niantic
from espproof.reference.offload.niantic.tables import ADDRESS_TABLE, KEY_TABLE, SPI_TABLE, RxKey, Spi, TxSa
from espproof.reference.offload.niantic.tests.bench import Bench, sa
from espproof.reference.offload.registers import Register
from espproof.reference.offload.rules import Breaches, Rule

ESP_PACKET = (
    bytes(12) + b"\x08\x00\x45" + bytes(8) + b"\x32" + bytes(10) + bytes(16) + b"data" + trailer(2, 17) + bytes(16)
)
RIGHT = Context(ip_length=36, sa=0, trailer=20, esp=True, encrypt=True, ipv4=True, l4=descriptors.L4_UDP)


def put(bench: Bench, register: Register, index: int = 0, **values: int) -> None:
    """As a driver writes fields: the others keep what they read as."""
    word = bench.chip.read(register.at(index))
    for name, value in values.items():
        word = register.field(name).put(word, value)
    bench.chip.write(register.at(index), word)


def running(**wrong: int) -> Callable[[Bench], None]:
    """The engine started in the right order, but with one value of its surroundings that is not right."""
    right = {"MINSECIFG": 3, "FULLTHRESH": 0x15, "STORE_FORWARD": 1, "TXCRCEN": 1, **wrong}

    def script(bench: Bench) -> None:
        put(bench, r.SECTXCTRL, TX_DIS=1)
        put(bench, r.SECRXCTRL, RX_DIS=1)
        put(bench, r.HLREG0, TXCRCEN=right["TXCRCEN"])
        put(bench, r.SECTXMINIFG, MINSECIFG=right["MINSECIFG"])
        put(bench, r.SECTXBUFFAF, FULLTHRESH=right["FULLTHRESH"])
        put(bench, r.SECTXCTRL, SECTX_DIS=0, STORE_FORWARD=right["STORE_FORWARD"])
        put(bench, r.SECRXCTRL, SECRX_DIS=0)
        put(bench, r.IPSTXIDX, IPS_TX_EN=1)
        put(bench, r.IPSRXIDX, IPS_RX_EN=1)
        put(bench, r.SECTXCTRL, TX_DIS=0)
        put(bench, r.SECRXCTRL, RX_DIS=0)

    return script


def switched_while_full(bench: Bench) -> None:
    bench.chip.set_link(False)
    bench.driver.send(b"\x45" + bytes(40))
    put(bench, r.SECTXCTRL, TX_DIS=1)
    put(bench, r.SECTXCTRL, SECTX_DIS=0)


def after_a_reset(bench: Bench) -> None:
    put(bench, r.CTRL, RST=1)
    bench.chip.now += 9
    put(bench, r.IPSTXIDX, WRITE=1)


def not_cleared(bench: Bench) -> None:
    bench.driver.add(sa("in"))
    put(bench, r.CTRL, RST=1)
    bench.chip.now += 100
    running()(bench)


def changed_with_the_switch(bench: Bench) -> None:
    put(bench, r.SECRXCTRL, RX_DIS=1)
    put(bench, r.SECRXCTRL, SECRX_DIS=0)
    put(bench, r.IPSRXIDX, IPS_RX_EN=1, TABLE=KEY_TABLE, WRITE=1)


def two_tables(bench: Bench) -> None:
    bench.chip.write(r.IPSRXSPI.offset, 1)
    bench.chip.write(r.IPSRXKEY.offset, 1)


def another_table_written(bench: Bench) -> None:
    bench.chip.write(r.IPSRXSPI.offset, 1)
    put(bench, r.IPSRXIDX, TABLE=KEY_TABLE, WRITE=1)


def another_table_read(bench: Bench) -> None:
    put(bench, r.IPSRXIDX, TABLE=ADDRESS_TABLE, READ=1)
    bench.chip.read(r.IPSRXMOD.offset)


def pointing_nowhere(bench: Bench) -> None:
    bench.chip.write(r.IPSRXSPI.offset, 1)
    bench.chip.write(r.IPSRXIPIDX.offset, 7)
    put(bench, r.IPSRXIDX, TABLE=SPI_TABLE, WRITE=1)


def lookup_late(bench: Bench) -> None:
    put(bench, r.SECTXCTRL, TX_DIS=1)
    put(bench, r.SECTXCTRL, SECTX_DIS=0, STORE_FORWARD=1)
    put(bench, r.SECTXCTRL, TX_DIS=0)
    put(bench, r.IPSTXIDX, IPS_TX_EN=1)


def half_switched_off(bench: Bench) -> None:
    bench.driver.add(sa())
    put(bench, r.SECTXCTRL, TX_DIS=1)
    put(bench, r.SECTXCTRL, SECTX_DIS=1)
    put(bench, r.SECTXCTRL, TX_DIS=0)


def packet(
    frame: bytes, *parts: Data, context: Context | None = RIGHT, started: bool = True
) -> Callable[[Bench], None]:
    """A packet in as many buffers as there are descriptors, all of it in the first."""

    def script(bench: Bench) -> None:
        if started:
            bench.driver.add(sa())
        ring = bench.driver._rings[0]
        at = 0
        if context is not None:
            bench.memory.write(ring, context.octets())
            at = 1
        for number, part in enumerate(parts):
            address = bench.memory.take(max(len(frame), 1))
            bench.memory.write(address, frame)
            filled = replace(part, address=address, length=part.length or (len(frame) if number == 0 else 0))
            bench.memory.write(ring + 16 * (at + number), filled.octets())
        bench.chip.write(r.TDT.offset, at + len(parts))

    return script


def raw(octets: bytes) -> Callable[[Bench], None]:
    def script(bench: Bench) -> None:
        bench.memory.write(bench.driver._rings[0], octets)
        bench.chip.write(r.TDT.offset, 1)

    return script


WHOLE = Data(0, 0, len(ESP_PACKET), ipsec=True, report=True)
SUPER = Context(ip_length=36, esp=True, encrypt=True, ipv4=True, l4=descriptors.L4_TCP, l4_length=20, segment=100)
LARGE = Data(0, 0, len(ESP_PACKET) - 70, ipsec=True, segments=True, l4_checksum=True, ip_checksum=True)

BROKEN: list[tuple[Rule, Callable[[Bench], None]]] = [
    (rules.ONE_COMMAND, lambda bench: put(bench, r.IPSTXIDX, READ=1, WRITE=1)),
    (rules.TABLES_APART, two_tables),
    (rules.TABLES_APART, another_table_written),
    (rules.TABLES_APART, another_table_read),
    (rules.TABLE_NAMED, lambda bench: put(bench, r.IPSRXIDX, TABLE=0, WRITE=1)),
    (rules.ENABLE_ALONE, changed_with_the_switch),
    (rules.AFTER_RESET, after_a_reset),
    (rules.SEARCHED_CLEARED, not_cleared),
    (rules.INDEX_IN_TABLE, pointing_nowhere),
    (rules.STOPPED, lambda bench: put(bench, r.SECTXCTRL, SECTX_DIS=0)),
    (rules.STOPPED, lambda bench: put(bench, r.SECRXCTRL, SECRX_DIS=0)),
    (rules.DRAINED, switched_while_full),
    (rules.LOOKUP_ON, lookup_late),
    (rules.ENGINE_FIRST, lambda bench: put(bench, r.IPSTXIDX, IPS_TX_EN=1)),
    (rules.STORE_FORWARD, running(STORE_FORWARD=0)),
    (rules.GAP, running(MINSECIFG=1)),
    (rules.THRESHOLD, running(FULLTHRESH=0x250)),
    (rules.CRC, running(TXCRCEN=0)),
    (rules.OFF_AS_BEFORE, half_switched_off),
    (rules.DESCRIPTOR, raw(bytes(16))),
    (rules.UNUSED_ZERO, raw(Context().octets()[:6] + b"\1" + Context().octets()[7:])),
    (rules.CONTEXT_GIVEN, packet(ESP_PACKET, WHOLE, context=None)),
    (rules.HEADERS_FIT, raw(Context(mac_length=13).octets())),
    (rules.HEADERS_FIT, packet(ESP_PACKET, WHOLE, context=replace(RIGHT, ip_length=400))),
    (rules.ENGINE_ON, packet(ESP_PACKET, WHOLE, started=False)),
    (rules.TRAILER_LENGTH, packet(ESP_PACKET, WHOLE, context=replace(RIGHT, trailer=18))),
    (rules.TRAILER_LENGTH, packet(ESP_PACKET, LARGE, context=replace(SUPER, trailer=20))),
    (rules.ICV_BLANK, packet(ESP_PACKET[:-1] + b"\1", WHOLE)),
    (
        rules.ALIGNED,
        packet(ESP_PACKET[:-18] + trailer(1, 17) + bytes(16), replace(WHOLE, payload_length=len(ESP_PACKET) - 1)),
    ),
    (rules.SEGMENT_SIZES, packet(ESP_PACKET, LARGE, context=replace(SUPER, segment=0))),
    (rules.SEGMENT_CHECKSUMS, packet(ESP_PACKET, replace(LARGE, ip_checksum=False), context=SUPER)),
    (rules.PAYLOAD_LENGTH, packet(ESP_PACKET, replace(WHOLE, payload_length=1))),
    (rules.REPORT_LAST, packet(ESP_PACKET, replace(WHOLE, last=False), Data(0, 0, report=True))),
    (rules.TAIL, packet(ESP_PACKET, replace(WHOLE, last=False, report=False))),
    (rules.NO_OPTIONS, packet(ESP_PACKET[:14] + b"\x46" + ESP_PACKET[15:], WHOLE)),
]


@pytest.mark.parametrize(("rule", "script"), BROKEN, ids=[f"{rule.id}-{n}" for n, (rule, _) in enumerate(BROKEN)])
def test_a_rule_that_is_broken_is_told(rule: Rule, script: Callable[[Bench], None]) -> None:
    """In its words, with its section, and with what was done."""
    bench = Bench.started()
    script(bench)
    told = bench.chip.breaches.taken()
    assert rule in [one.rule for one in told]
    assert any(str(one).startswith(f"{rule.source}: {rule.words}; ") for one in told)
    assert not bench.chip.breaches.taken()


def test_every_rule_can_be_broken() -> None:
    """A rule that nobody has seen broken says nothing."""
    assert {rule.id for rule in rules.RULES} - {rule.id for rule, _ in BROKEN} == {rules.LARGEST.id}
    breaches = Breaches()
    packet_rules.judge_packet(ESP_PACKET + bytes(9800), [replace(WHOLE, payload_length=0)], RIGHT, breaches)
    assert rules.LARGEST in [one.rule for one in breaches.taken()]


def test_right_scripts_break_none() -> None:
    """The ones that the wrong ones were made of."""
    for script in (running(), packet(ESP_PACKET, WHOLE), packet(ESP_PACKET, LARGE, context=SUPER)):
        bench = Bench.started()
        script(bench)
        assert not bench.chip.breaches.taken()


@pytest.mark.parametrize(
    ("chip", "kept"),
    [
        (I82599, {"tx", "addresses", "spis", "keys"}),
        (X540, {"tx", "addresses", "spis", "keys"}),
        (X550, {"addresses", "spis"}),
    ],
)
def test_what_a_reset_clears(chip: object, kept: set[str]) -> None:
    """Two tables, or none; registers are as in the beginning in any case."""
    bench = Bench.started(chip)  # type: ignore[arg-type]
    bench.driver.add(sa("in"))
    bench.driver.add(sa("out"))
    put(bench, r.CTRL, RST=1)
    tables = bench.chip.tables
    held = {"tx": tables.tx, "addresses": tables.addresses, "spis": tables.spis, "keys": tables.keys}
    blank = {"tx": TxSa(), "addresses": bytes(16), "spis": Spi(), "keys": RxKey()}
    found = {name for name, entries in held.items() if set(entries) != {blank[name]}}  # type: ignore[call-overload]
    assert found == kept
    assert not bench.chip.tx_engine_on
    assert bench.chip.values.word(r.IPSTXKEY, 3) == 0


def test_keys_can_be_read_back() -> None:
    """Through the bounce registers, entry by entry: the data sheet says so, and why nothing is hidden (8.2.2.25)."""
    bench = Bench.started()
    bench.driver.add(sa("out"))
    inbound = bench.driver.add(sa("in", 6))
    put(bench, r.IPSTXIDX, SA_IDX=0, READ=1)
    assert [bench.chip.read(r.IPSTXKEY.at(n)) for n in range(4)] == [0x0C0D0E0F, 0x08090A0B, 0x04050607, 0x00010203]
    assert bench.chip.read(r.IPSTXSALT.offset) == int.from_bytes(b"salt", "big")
    for table, row, word in (
        (ADDRESS_TABLE, r.IPSRXIPADDR, 0x21212121), (SPI_TABLE, r.IPSRXSPI, 0x04030201), (KEY_TABLE, r.IPSRXMOD, 0x1D),
    ):  # fmt: skip
        put(bench, r.IPSRXIDX, TABLE=table, TB_IDX=inbound.index, READ=1)
        assert bench.chip.read(row.offset) == word
    assert not bench.chip.breaches.taken()


def test_a_key_is_taken_when_the_packet_leaves() -> None:
    """What waits in the packet buffer while the path is stopped goes out with the key that stands in the table then."""
    bench = Bench.started()
    handle = bench.driver.add(sa())
    put(bench, r.SECTXCTRL, TX_DIS=1)
    frame = ESP_PACKET[14:]
    bench.driver.send(frame, handle)
    assert (bench.wire, bench.chip.waiting) == ([], 1)
    bench.chip.tables.clear_tx()
    put(bench, r.SECTXCTRL, TX_DIS=0)
    first = bench.wire.pop()
    bench.driver.send(frame, handle)
    assert bench.wire == [first]


def test_memory_that_was_not_lent_is_not_touched() -> None:
    """A descriptor that points elsewhere is a fault of the host's, which the model finds for it."""
    bench = Bench.started()
    bench.memory.write(bench.driver._rings[0], Data(0x1234, 60, 60).octets())
    with pytest.raises(Fault):
        bench.chip.write(r.TDT.offset, 1)


def test_no_buffer_no_packet() -> None:
    """A ring without descriptors, or reception that is off: the frame is gone, and counted."""
    bench = Bench.started()
    for _ in range(70):
        bench.chip.arrive(bytes(60))
    assert (bench.chip.counts.delivered, bench.chip.counts.no_buffer) == (63, 7)
    put(bench, r.RXCTRL, RXEN=0)
    bench.chip.arrive(bytes(60))
    assert bench.chip.counts.not_enabled == 1


def test_interrupts_are_raised_and_cleared() -> None:
    """For packets that came or went, and for errors; writing one clears."""
    seen: list[int] = []
    bench = Bench()
    bench.chip = Niantic(bench.memory, bench.wire.append, interrupt=lambda: seen.append(1))
    bench.driver.start()
    bench.driver.send(b"\x45" + bytes(40))
    bench.chip.arrive(bytes(60))
    assert len(seen) == 2
    assert bench.chip.read(r.EICR.offset) == 1
    bench.chip.write(r.EICR.offset, 1)
    bench.chip.break_rx_tables()
    assert bench.chip.read(r.EICR.offset) == 1 << 28


def test_where_nothing_stands() -> None:
    """An offset without a row reads as zero and takes nothing."""
    bench = Bench()
    bench.chip.write(0x1F000, 5)
    assert bench.chip.read(0x1F000) == 0


def test_descriptors_come_back_as_they_were() -> None:
    """What is read from the octets of each is what they were made of."""
    for one in (RIGHT, SUPER, WHOLE, LARGE, Buffer(0x123456789A, 5), Report(100, 0x1010, matched=True, error=3)):
        assert type(one).read(one.octets()) == one
