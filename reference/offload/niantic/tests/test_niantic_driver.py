"""The driver on the chip: slots, engine, packets, resets; and that the chip has nothing to say against it."""

import struct
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from espproof.reference import ip
from espproof.reference.errors import Misuse
from espproof.reference.esp import Codec, trailer
from espproof.reference.offload.api import Dead, Refused
from espproof.reference.offload.niantic import registers as r
from espproof.reference.offload.niantic.descriptors import AH, AUTHENTICATION_FAILED
from espproof.reference.offload.niantic.device import I82599, X540, X550, Personality
from espproof.reference.offload.niantic.driver import Driver, OffloadedSa
from espproof.reference.offload.niantic.tables import Handle
from espproof.reference.offload.niantic.tests.bench import ADDRESS, KEY, SALT, SPI, Bench, sa
from espproof.reference.xfrm.segmentation import segments

CODEC = Codec(SPI, "ENCR_AES_GCM_16", "NONE", KEY, SALT, b"", esn=False)
CHIPS = [I82599, X540, X550]


def outer(version: int, payload: bytes, protocol: int = 50) -> bytes:
    if version == 4:
        start = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), 1, 0x4000, 64, protocol, 0)
        return ip.with_checksum(start + bytes((10, 0, 0, 1)) + ADDRESS[4]) + payload
    return struct.pack("!IHBB", 6 << 28, len(payload), protocol, 64) + bytes(16) + ADDRESS[6] + payload


def blank(version: int, number: int, payload: bytes) -> bytes:
    """As the stack gives it: everything but the cipher."""
    padding = CODEC.padding_length(len(payload))
    return outer(version, struct.pack("!IIQ", SPI, number, number) + payload + trailer(padding, 17) + bytes(16))


def ready(version: int, number: int, payload: bytes) -> bytes:
    """As it is on the wire."""
    return outer(version, CODEC.protect(payload, 17, number, number.to_bytes(8, "big")))


@pytest.mark.parametrize("chip", CHIPS, ids=lambda one: one.name)
@pytest.mark.parametrize("version", [4, 6])
def test_packets_go_out_protected_and_come_in_open(chip: Personality, version: int) -> None:
    """The wire has what the codec makes; what arrives is decrypted in place and its SA named; no rule is broken."""
    bench = Bench.started(chip)
    out, inbound = bench.driver.add(sa("out", version)), bench.driver.add(sa("in", version))
    for number in range(1, 200):
        bench.driver.send(blank(version, number, b"x" * number), out)
    assert [frame[14:] for frame in bench.wire] == [ready(version, number, b"x" * number) for number in range(1, 200)]
    for frame in bench.wire:
        bench.chip.arrive(frame)
        (one,) = bench.driver.received()
        number = int.from_bytes(one.packet[(24 if version == 4 else 44) :][:4], "big")
        assert one.packet[:-16] == blank(version, number, b"x" * number)[:-16]
        assert (one.handle, one.error) == (inbound, 0)
    assert not bench.chip.breaches.taken()


def test_a_packet_without_an_sa_is_neither_changed_nor_lost() -> None:
    """Out, in, and in with an SPI that nobody knows."""
    bench = Bench.started()
    bench.driver.add(sa("in"))
    plain, strange = outer(4, b"udp" * 10, 17), outer(4, b"\xff" * 64)
    bench.driver.send(plain)
    assert bench.wire[0][14:] == plain
    for packet in (plain, strange):
        bench.chip.arrive(bytes(12) + b"\x08\x00" + packet)
    assert [(one.packet, one.handle, one.error) for one in bench.driver.received()] == [
        (plain, None, 0),
        (strange, None, 0),
    ]


def test_long_packets_take_several_buffers() -> None:
    """Of 2,048 octets each; the report is in the last."""
    bench = Bench.started()
    handle = bench.driver.add(sa("in"))
    bench.chip.arrive(bytes(12) + b"\x08\x00" + ready(4, 7, b"y" * 5000))
    (one,) = bench.driver.received()
    assert (one.packet[:-16], one.handle) == (blank(4, 7, b"y" * 5000)[:-16], handle)


@pytest.mark.parametrize("tag", [b"", b"\x81\x00\x00\x07"], ids=["plain", "VLAN"])
def test_frames_of_a_length_that_was_not_asked_for_are_dropped(tag: bytes) -> None:
    """8.2.2.16.6: MAXFRS counts with JUMBOEN, which a driver has to set; 1,518 octets without. The CRC is among them, a
    tag is not."""
    bench = Bench.started()
    longest = 9728
    for length, arrives in ((longest, True), (longest + 1, False)):
        bench.chip.arrive(bytes(12) + tag + b"\x88\xb5" + bytes(length - 14))
        assert bool(bench.driver.received()) == arrives
    bench.chip.values.put(r.HLREG0, JUMBOEN=0)
    for length, arrives in ((1514, True), (1515, False)):
        bench.chip.arrive(bytes(12) + tag + b"\x88\xb5" + bytes(length - 14))
        assert bool(bench.driver.received()) == arrives
    assert bench.chip.counts.too_long == 2
    assert bench.chip.counts.delivered == 2


def test_a_forged_packet_comes_with_its_error() -> None:
    """Octets as they came, the SA, and what was wrong."""
    bench = Bench.started()
    handle = bench.driver.add(sa("in"))
    forged = ready(4, 7, b"y" * 50)[:-1] + b"!"
    bench.chip.arrive(bytes(12) + b"\x08\x00" + forged)
    (one,) = bench.driver.received()
    assert (one.packet, one.handle, one.error) == (forged, handle, AUTHENTICATION_FAILED)


@pytest.mark.parametrize("version", [4, 6])
def test_a_super_packet_leaves_as_segments(version: int) -> None:
    """Numbers and IVs rise by one; each is what the codec makes of software's segment."""
    bench = Bench.started()
    handle = bench.driver.add(sa("out", version))
    header = struct.pack("!HHIIHHHH", 1, 2, 3, 4, 0x5018, 5, 0, 0)
    whole = outer(version, header + b"z" * 1000, 6)
    addresses = ip.parse(whole).source + ip.parse(whole).destination
    pseudo = ip.checksum(addresses + struct.pack("!II", 0, 6)) ^ 0xFFFF
    prototype = header[:16] + pseudo.to_bytes(2, "big") + header[18:]
    given = outer(version, struct.pack("!IIQ", SPI, 5, 5) + prototype + b"z" * 1000)
    bench.driver.send(given, handle, segment=300, upper=6)
    found = [ip.parse(frame[14:]).payload for frame in bench.wire]
    expected = [ip.parse(one).payload for one in segments(whole, 300)]
    assert found == [CODEC.protect(one, 6, 5 + n, (5 + n).to_bytes(8, "big")) for n, one in enumerate(expected)]
    assert not bench.chip.breaches.taken()


@pytest.mark.parametrize("chip", CHIPS, ids=lambda one: one.name)
def test_a_reset_forgets_nothing_and_keeps_nothing(chip: Personality) -> None:
    """Afterwards every SA works as before, at its place; an SA that was deleted has left no octet."""
    bench = Bench.started(chip)
    gone = bench.driver.add(sa("out", key=b"G" * 16))
    kept, inbound = bench.driver.add(sa("out")), bench.driver.add(sa("in"))
    bench.driver.delete(gone)
    bench.driver.reset()
    bench.driver.send(blank(4, 1, b"after"), kept)
    assert bench.wire[0][14:] == ready(4, 1, b"after")
    bench.chip.arrive(bench.wire[0])
    assert bench.driver.received()[0].handle == inbound
    assert b"G" * 16 not in bench.chip.tables.octets()
    assert not bench.chip.breaches.taken()


@pytest.mark.parametrize("chip", CHIPS, ids=lambda one: one.name)
def test_nothing_of_a_key_stays(chip: Personality) -> None:
    """After delete neither tables nor registers nor the host's memory hold an octet of it, and the engine is off."""
    bench = Bench.started(chip)
    for _ in range(2):
        handles = [bench.driver.add(sa(direction, key=b"K" * 16, salt=b"KKKK")) for direction in ("in", "out")]
        bench.driver.send(blank(4, 1, b"abc"), handles[1])
        for handle in handles:
            bench.driver.delete(handle)
        words = b"".join(bench.chip.values.word(row, n).to_bytes(4, "big") for row in r.MAP for n in range(row.copies))
        assert b"KKKK" not in bench.chip.tables.octets() + words
        assert not bench.chip.tx_engine_on
        assert not bench.chip.rx_engine_on
        assert bench.chip.tables.searched_are_clear
    assert not bench.chip.breaches.taken()


def test_stop_gives_everything_back() -> None:
    """Rings, buffers, slots; and a chip that can be started again."""
    bench = Bench.started()
    bench.driver.send(blank(4, 1, b"abc"), bench.driver.add(sa("out")))
    bench.driver.stop()
    assert bench.memory.taken == 0
    assert not any(bench.chip.tables.octets())
    bench.driver.start()
    assert bench.driver.add(sa("in")) == Handle("in", 0)


def test_room_ends_where_the_data_sheet_says() -> None:
    """1,024 SAs out, 1,024 in, 128 addresses; a slot that was given back is used again."""
    bench = Bench.started()
    handles = [bench.driver.add(sa("out", spi=256 + n)) for n in range(1024)]
    with pytest.raises(Refused, match="1024"):
        bench.driver.add(sa("out"))
    bench.driver.delete(handles[77])
    assert bench.driver.add(sa("out")) == Handle("out", 77)
    inbound = [bench.driver.add(sa("in", spi=256 + n, address=bytes((10, 1, 0, n)))) for n in range(128)]
    with pytest.raises(Refused, match="128"):
        bench.driver.add(sa("in", address=bytes((10, 2, 0, 0))))
    more = [bench.driver.add(sa("in", spi=1000 + n, address=bytes((10, 1, 0, 5)))) for n in range(896)]
    with pytest.raises(Refused, match="1024"):
        bench.driver.add(sa("in", spi=3000, address=bytes((10, 1, 0, 5))))
    bench.driver.delete(inbound[5])
    bench.chip.arrive(bytes(12) + b"\x08\x00" + outer(4, bytes(64)).replace(ADDRESS[4], bytes((10, 1, 0, 5))))
    assert bench.driver.received()[0].handle is None
    bench.driver.delete(more[0])
    assert not bench.chip.breaches.taken()


@pytest.mark.parametrize(
    "wrong",
    [{"key": bytes(32)}, {"key": bytes(20)}, {"salt": b""}, {"protocol": 108}],
    ids=["256", "160", "salt", "IPComp"],
)
def test_what_the_chip_has_not_is_refused(wrong: dict[str, Any]) -> None:
    """In both directions, and without a trace."""
    bench = Bench.started()
    for direction in ("in", "out"):
        with pytest.raises(Refused):
            bench.driver.add(sa(direction, **wrong))
    assert not bench.chip.tx_engine_on


@pytest.mark.parametrize("version", [4, 6])
def test_the_management_controllers_address_is_refused(version: int) -> None:
    """7.13.2.2: its traffic is not decrypted by the chip."""
    bench = Bench.started()
    wide = ADDRESS[version].rjust(16, b"\0")
    for n in range(4):
        bench.chip.values.put(r.BMCIP, n, ADDRESS=int.from_bytes(wide[4 * n : 4 * n + 4], "little"))
    bench.chip.values.put(r.BMCIPVAL, VALID=1, IPV6=int(version == 6))
    with pytest.raises(Refused, match="controller"):
        bench.driver.add(sa("in", version))
    bench.driver.add(sa("out", version))
    bench.driver.add(sa("in", 10 - version))


def test_the_engine_starts_without_a_link() -> None:
    """What waits in the security block is sent round in the MAC, and nothing of it reaches the driver."""
    bench = Bench.started()
    bench.chip.set_link(False)
    bench.driver.send(outer(4, b"udp" * 10, 17))
    assert bench.chip.waiting == 1
    handle = bench.driver.add(sa("out"))
    assert (bench.chip.waiting, bench.wire, bench.driver.received()) == (0, [], [])
    bench.driver.send(blank(4, 1, b"abc"), handle)
    bench.chip.set_link(True)
    assert [frame[14:] for frame in bench.wire] == [ready(4, 1, b"abc")]
    assert not bench.chip.breaches.taken()


def test_a_path_that_stays_full_is_an_error() -> None:
    """After as many polls as Linux makes; fewer are waited for."""
    bench = Bench.started()
    bench.chip.polls_to_drain = 10
    bench.driver.delete(bench.driver.add(sa("out")))
    bench.chip.polls_to_drain = 1000
    with pytest.raises(Dead):
        bench.driver.add(sa("out"))


@pytest.mark.parametrize("direction", ["in", "out"])
@pytest.mark.parametrize("linked", [True, False])
def test_what_could_not_be_started_leaves_nothing(direction: str, *, linked: bool) -> None:
    """No entry, no loop in the MAC; the next SA starts the engine, and its packets reach the wire."""
    bench = Bench.started()
    bench.chip.set_link(linked)
    bench.chip.polls_to_drain = 1000
    with pytest.raises(Dead):
        bench.driver.add(sa(direction))
    assert not any(bench.chip.tables.octets())
    bench.chip.set_link(True)
    bench.chip.polls_to_drain = 0
    handle = bench.driver.add(sa("out"))
    bench.driver.send(blank(4, 1, b"abc"), handle)
    assert [frame[14:] for frame in bench.wire] == [ready(4, 1, b"abc")]
    bench.chip.polls_to_drain = 1000
    bench.driver.delete(handle)
    assert not any(bench.chip.tables.octets())
    assert not bench.chip.breaches.taken()


def test_a_chip_without_security_says_so() -> None:
    """Its engine cannot be switched on whatever is written."""
    bench = Bench(Personality("fused", True, True, fused_off=True))
    with pytest.raises(Dead, match="no security"):
        bench.driver.start()
    bench.chip.write(r.SECTXCTRL.offset, 0)
    bench.chip.write(r.IPSTXIDX.offset, 1)
    assert not bench.chip.tx_engine_on


@pytest.mark.parametrize("chip", [X550])
def test_an_error_of_a_table_stops_the_path_until_a_reset(chip: Personality) -> None:
    """Nothing leaves, nothing arrives, all of it is counted; afterwards all is as before."""
    bench = Bench.started(chip)
    out, inbound = bench.driver.add(sa("out")), bench.driver.add(sa("in"))
    bench.chip.break_tx_table()
    bench.chip.break_rx_tables()
    bench.driver.send(blank(4, 1, b"abc"), out)
    bench.chip.arrive(bytes(12) + b"\x08\x00" + ready(4, 1, b"abc"))
    assert (bench.wire, bench.driver.received()) == ([], [])
    assert (bench.chip.counts.not_enabled, bench.chip.waiting) == (1, 1)
    bench.driver.reset()
    assert (bench.chip.counts.lost_in_reset, bench.chip.waiting) == (1, 0)
    bench.driver.send(blank(4, 2, b"abc"), out)
    bench.chip.arrive(bench.wire[0])
    assert bench.driver.received()[0].handle == inbound


def test_handles_that_are_gone() -> None:
    """A caller's mistake, not the chip's."""
    bench = Bench.started()
    handle = bench.driver.add(sa("out"))
    bench.driver.delete(handle)
    with pytest.raises(Misuse):
        bench.driver.delete(handle)
    with pytest.raises(Misuse):
        bench.driver.send(blank(4, 1, b""), handle)


@given(data=st.data())
@settings(max_examples=15, deadline=None)
def test_any_order_of_adding_and_deleting(data: st.DataObject) -> None:
    """The table of the chip is the set of SAs that there are, whatever came before; the driver keeps every rule."""
    bench = Bench.started(data.draw(st.sampled_from(CHIPS)))
    there: dict[Handle, OffloadedSa] = {}
    for _ in range(data.draw(st.integers(1, 12))):
        what = data.draw(st.sampled_from(["in", "out", "delete", "reset", "link"]))
        if what == "delete" and there:
            handle = data.draw(st.sampled_from(sorted(there, key=repr)))
            bench.driver.delete(handle)
            del there[handle]
        elif what == "reset":
            bench.driver.reset()
        elif what == "link":
            bench.chip.set_link(data.draw(st.booleans()))
        elif what in ("in", "out"):
            version = data.draw(st.sampled_from([4, 6]))
            made = sa(
                what,
                version,
                spi=data.draw(st.integers(256, 260)),
                address=bytes((data.draw(st.integers(1, 3)),)) * (4 if version == 4 else 16),
                key=data.draw(st.binary(min_size=16, max_size=16)),
                protocol=data.draw(st.sampled_from([50, AH])),
            )
            there[bench.driver.add(made)] = made
        tables = bench.chip.tables
        assert {index: one.key for index, one in enumerate(tables.tx) if any(one.key)} == {
            handle.index: made.key for handle, made in there.items() if handle.direction == "out" and any(made.key)
        }
        assert {index for index, one in enumerate(tables.keys) if one.valid} == {
            handle.index for handle in there if handle.direction == "in"
        }
        assert {one for one in tables.addresses if any(one)} == {
            made.address.rjust(16, b"\0") for handle, made in there.items() if handle.direction == "in"
        }
        assert bench.chip.tx_engine_on == bool(there)
    assert not bench.chip.breaches.taken()


def test_two_drivers_disagree_no_more_than_two_readers() -> None:
    """A driver that is started on a chip that another has left running finds no SA of the other."""
    bench = Bench.started(I82599)
    bench.driver.add(sa("in"))
    second = Driver(bench, bench.memory)
    second.start()
    bench.chip.arrive(bytes(12) + b"\x08\x00" + ready(4, 7, b"y" * 50))
    assert second.received()[0].handle is None
    assert not bench.chip.breaches.taken()
