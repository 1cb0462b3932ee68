"""The chip under a driver that is wrong on purpose: which rule was broken is told, and what happens then is defined."""

import struct
from collections.abc import Callable
from dataclasses import replace

import pytest

from espproof.reference.esp import trailer
from espproof.reference.offload.memory import Fault
from espproof.reference.offload.niantic import descriptors, rules
from espproof.reference.offload.niantic import registers as r
from espproof.reference.offload.niantic.descriptors import Buffer, Context, Data, Report
from espproof.reference.offload.niantic.device import I82599, X540, X550, Niantic
from espproof.reference.offload.niantic.tables import ADDRESS_TABLE, KEY_TABLE, SPI_TABLE, RxKey, Spi, TxSa
from espproof.reference.offload.niantic.tests.bench import Bench, sa
from espproof.reference.offload.registers import Register
from espproof.reference.offload.rules import Rule

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
        ring = bench.driver._rings._rings[0]
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
        bench.memory.write(bench.driver._rings._rings[0], octets)
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


@pytest.mark.parametrize(("started", "broken"), [(True, 1), (False, 0)])
def test_long_frames_break_a_rule_while_the_engine_runs(*, started: bool, broken: int) -> None:
    """Whether they ask for IPsec or not; those of 9.5 KB do not: the one rule that is not in the table above."""
    bench = Bench.started()
    if started:
        bench.driver.add(sa())
    for length in (9728, 9729):
        bench.driver.send(b"\x45" + bytes(length - 15))
    assert [one.rule for one in bench.chip.breaches.taken()] == [rules.LARGEST] * broken


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
    bench.memory.write(bench.driver._rings._rings[0], Data(0x1234, 60, 60).octets())
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
    bench.chip = Niantic(bench.memory, bench.wire.append, interrupt=lambda cause: seen.append(1))
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


def test_descriptors_octet_by_octet() -> None:
    """As the data sheet draws them (X550 7.2.3.2.3, 7.2.3.2.4), and ixgbe_type.h names what is written back."""
    context = Context(
        mac_length=14, ip_length=36, vlan=5, sa=0x155, trailer=20, esp=True, encrypt=True, ipv4=True,
        l4=descriptors.L4_TCP, index=1, l4_length=20, segment=1426,
    )  # fmt: skip
    words = struct.unpack("<IIII", context.octets())
    assert words == (5 << 16 | 14 << 9 | 36, 0x155, 0x2020_6C14, 1426 << 16 | 20 << 8 | 1 << 4)
    data = Data(
        0x1_2345_6789, 70, 2922, last=True, report=True, segments=True, ipsec=True, check_context=True,
        ip_checksum=True, l4_checksum=True, index=1,
    )  # fmt: skip
    low, high, command, status = struct.unpack("<IIII", data.octets())
    assert (low, high) == (0x2345_6789, 1)
    assert command == 0x80000000 | 0x20000000 | 0x0B00_0000 | 0x0030_0000 | 70
    assert status == 2922 << 14 | 0x0780 | 1 << 4
    for error, bits in ((1, 0x08000000), (2, 0x10000000), (3, 0x18000000)):
        written = Report(100, 0x1010, matched=True, error=error).octets()
        assert int.from_bytes(written[8:12], "little") & 0x18020003 == 0x00020003 | bits
        assert int.from_bytes(written[:4], "little") == 0x1010
        assert int.from_bytes(written[12:14], "little") == 100


@pytest.mark.parametrize(
    ("register", "offset", "word", "fields"),
    [
        (r.SECTXCTRL, 0x8800, 0x7, {"SECTX_DIS": 1, "TX_DIS": 1, "STORE_FORWARD": 1}),
        (r.SECTXSTAT, 0x8804, 0x7, {"SECTX_RDY": 1, "SECTX_OFF_DIS": 1, "ECC_TXERR": 1}),
        (r.SECTXBUFFAF, 0x8808, 0x15, {"FULLTHRESH": 0x15}),
        (r.SECTXMINIFG, 0x8810, 0x1003, {"MINSECIFG": 3, "MRKRINSERT": 0x10}),
        (r.SECRXCTRL, 0x8D00, 0x3, {"SECRX_DIS": 1, "RX_DIS": 1}),
        (r.SECRXSTAT, 0x8D04, 0x7, {"SECRX_RDY": 1, "SECRX_OFF_DIS": 1, "ECC_RXERR": 1}),
        (r.IPSTXIDX, 0x8900, 0xC0000AA9, {"IPS_TX_EN": 1, "SA_IDX": 0x155, "READ": 1, "WRITE": 1}),
        (r.IPSTXSALT, 0x8904, 0x12345678, {"AES_128_SALT": 0x12345678}),
        (r.IPSTXKEY, 0x8908, 0x12345678, {"AES_128_KEY": 0x12345678}),
        (r.IPSRXIDX, 0x8E00, 0xC0000AAF, {"IPS_RX_EN": 1, "TABLE": 3, "TB_IDX": 0x155, "READ": 1, "WRITE": 1}),
        (r.IPSRXIPADDR, 0x8E04, 0x12345678, {"IPADDR": 0x12345678}),
        (r.IPSRXSPI, 0x8E14, 0x12345678, {"SPI": 0x12345678}),
        (r.IPSRXIPIDX, 0x8E18, 0x55, {"IP_IDX": 0x55}),
        (r.IPSRXKEY, 0x8E1C, 0x12345678, {"AES_128_KEY": 0x12345678}),
        (r.IPSRXSALT, 0x8E2C, 0x12345678, {"AES_128_SALT": 0x12345678}),
        (r.IPSRXMOD, 0x8E30, 0x1D, {"VALID": 1, "PROTO": 1, "DECRYPT": 1, "IPV6": 1}),
        (r.MAXFRS, 0x4268, 0x2600_0000, {"MFS": 0x2600}),
        (r.EICR, 0x0800, 0x1000_0001, {"QUEUES": 1, "ECC": 1}),
        (r.LINKS, 0x42A4, 0x4000_0080, {"LINK_STATUS": 1, "LINK_UP": 1}),
        (r.CTRL, 0x0000, 0x0400_000C, {"GIO_DIS": 1, "LRST": 1, "RST": 1}),
    ],
    ids=lambda one: getattr(one, "name", ""),
)
def test_where_registers_stand_and_what_their_bits_are(
    register: Register, offset: int, word: int, fields: dict[str, int]
) -> None:
    """X550 8.2.2, in numbers of its own."""
    assert (register.offset, register.encode(**fields)) == (offset, word)


def test_descriptors_come_back_as_they_were() -> None:
    """What is read from the octets of each is what they were made of."""
    for one in (RIGHT, SUPER, WHOLE, LARGE, Buffer(0x123456789A, 5), Report(100, 0x1010, matched=True, error=3)):
        assert type(one).read(one.octets()) == one
