"""The card's end of a driver's socket: what is lent, what is said, and what is neither."""

import os
import re
import socket
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

import pytest

from espproof.adapters.base import AdapterError, Crashed
from espproof.adapters.driver.card import Lent, Seat
from espproof.adapters.driver.messages import (
    CIPHERS,
    CONFIGURATION,
    LONGEST_KEY,
    Feature,
    Kind,
    Message,
    received,
    sa_octets,
    told,
)
from espproof.reference.offload.memory import Fault
from espproof.reference.offload.niantic import registers
from espproof.reference.offload.niantic.board import Board
from espproof.reference.sa import SecurityAssociation

FOLDER = Path(__file__).parents[1]
MAC = bytes.fromhex("028259900001")
PAGE = 4096


@pytest.fixture
def seat() -> Iterator[tuple[Seat, socket.socket]]:
    """A card, and the driver's end of its socket."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    made = Seat(ours)
    made.board = Board(made.memory, lambda frame: None, made.interrupt, MAC)
    with theirs:
        yield made, theirs
    made.close()


def memory(size: int = PAGE) -> int:
    file = os.memfd_create("lent")
    os.truncate(file, size)
    return file


def lent(*addresses: int) -> Lent:
    made = Lent()
    for address in addresses:
        made.lend(address, memory())
    return made


def test_what_is_lent_is_the_drivers_own() -> None:
    """What one writes the other reads; what is not lent, or only half, is a fault."""
    file = memory()
    made = Lent()
    made.lend(0x10000, os.dup(file))
    made.write(0x10010, b"card")
    assert os.pread(file, 4, 0x10) == b"card"
    os.pwrite(file, b"driver", PAGE - 6)
    assert made.read(0x10000 + PAGE - 6, 6) == b"driver"
    for address in (0xFFFF, 0x10000 + PAGE - 1):
        with pytest.raises(Fault):
            made.read(address, 2)
        with pytest.raises(Fault):
            made.write(address, b"xx")
    made.close()
    os.close(file)


def test_memory_that_shrinks_harms_nobody_else() -> None:
    """A driver can make its file shorter at any time."""
    file = memory()
    made = Lent()
    made.lend(0, os.dup(file))
    os.truncate(file, 10)
    with pytest.raises(Fault, match="not there any more"):
        made.read(0, PAGE)
    made.close()
    os.close(file)


@pytest.mark.parametrize("address", [0x10000, 0x10000 - PAGE + 1, 0x10000 + PAGE - 1])
def test_pieces_do_not_lie_over_each_other(address: int) -> None:
    made = lent(0x10000, 0x10000 + PAGE)
    with pytest.raises(AdapterError, match="over those"):
        made.lend(address, memory())
    made.close()


def test_what_is_no_memory_is_said() -> None:
    one, other = os.pipe()
    for file in (one, memory(0)):
        with pytest.raises(AdapterError, match="no file with octets"):
            Lent().lend(0, file)
    os.close(other)
    made = lent(*(PAGE * n for n in range(64)))
    with pytest.raises(AdapterError, match="more than 64"):
        made.lend(PAGE * 64, memory())
    made.close()


def test_registers_and_configuration(seat: tuple[Seat, socket.socket]) -> None:
    """Each access is answered, in order."""
    card, driver = seat
    offset = registers.MAXFRS.offset
    assert card.serve(Message(Kind.WRITE, 0x26000000, offset, size=4))
    assert card.serve(Message(Kind.READ, at=offset, size=4))
    assert card.serve(Message(Kind.READ, at=0, window=CONFIGURATION, size=2))
    answers = [received(driver) for _ in range(3)]
    assert [(one.kind, one.value) for one in answers if one] == [
        (Kind.WRITTEN, 0),
        (Kind.VALUE, 0x26000000),
        (Kind.VALUE, 0x8086),
    ]


def test_time_is_the_drivers(seat: tuple[Seat, socket.socket]) -> None:
    card, _ = seat
    before = card.board.chip.now
    assert card.serve(Message(Kind.PAUSE, 123))
    assert card.board.chip.now == before + 123


def test_what_makes_no_sense_is_said(seat: tuple[Seat, socket.socket]) -> None:
    card, _ = seat
    for message, words in (
        (Message(Kind.READ, at=0, size=3), "3 octets"),
        (Message(Kind.MEMORY, at=0), "without a file"),
        (Message(Kind.READ, size=4, file=memory()), "a file with message"),
    ):
        with pytest.raises(AdapterError, match=words):
            card.serve(message)
    assert not card.serve(Message(99))


def test_a_card_that_is_led_astray_is_the_drivers_fault(seat: tuple[Seat, socket.socket]) -> None:
    """A ring at an address that was not lent."""
    card, _ = seat
    for row, word in (
        (registers.TDLEN, 1024),
        (registers.DMATXCTL, 1),
        (registers.TXDCTL, 1 << 25),
    ):
        card.serve(Message(Kind.WRITE, word, row.offset, size=4))
    with pytest.raises(Crashed, match="none that the driver has lent"):
        card.serve(Message(Kind.WRITE, 1, registers.TDT.offset, size=4))


@pytest.mark.parametrize("octets", [b"short", bytes(15)])
def test_what_is_no_message(octets: bytes, seat: tuple[Seat, socket.socket]) -> None:
    card, driver = seat
    driver.send(octets)
    with pytest.raises(AdapterError, match="no message"):
        received(card.connection)


def test_files_are_not_left_open(seat: tuple[Seat, socket.socket]) -> None:
    """Two files with one message: none of them is kept."""
    card, driver = seat
    files = [memory(), memory()]
    socket.send_fds(driver, [Message(Kind.MEMORY).octets_on_the_socket()], files)
    before = len(os.listdir("/proc/self/fd"))
    message = received(card.connection)
    assert message is not None
    assert message.file is None
    assert len(os.listdir("/proc/self/fd")) == before
    for file in files:
        os.close(file)


def test_a_driver_that_has_gone() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    theirs.close()
    with ours:
        assert received(ours) is None
        assert not told(ours, Message(Kind.RESET))


def test_an_sa_as_a_driver_is_told_of_it() -> None:
    sa = SecurityAssociation(
        name="a",
        direction="in",
        spi=0x01020304,
        mode="tunnel",
        source=ip_address("192.0.2.1"),
        destination=ip_address("192.0.2.2"),
        encr="ENCR_NULL_AUTH_AES_GMAC",
        encr_key=b"k" * 16,
        salt=b"salt",
    )
    octets = sa_octets(sa)
    assert octets[:8] == bytes((1, 1, 4, 0, 21, 0, 16, 0))
    assert octets[8:16] == b"\1\2\3\4salt"
    assert octets[16:48] == bytes((192, 0, 2, 1)) + bytes(12) + bytes((192, 0, 2, 2)) + bytes(12)
    assert octets[48:] == b"k" * 16 + bytes(16)
    assert len(octets) == 48 + LONGEST_KEY


def test_header_and_document_say_the_same() -> None:
    """Numbers stand in the header, in SOCKET.md, and here."""
    header = (FOLDER / "c" / "espproof_card.h").read_text(encoding="utf-8")
    document = (FOLDER / "SOCKET.md").read_text(encoding="utf-8")
    numbers = {name: int(value) for name, value in re.findall(r"\bCARD_([A-Z_]+) = (\d+)", header)}
    for kind in Kind:
        assert numbers[kind.name] == kind
        assert f"| {kind.value} {kind.name} |" in document
    assert {name: numbers[name] for name in Feature.__members__} == {one.name: one.value for one in Feature}
    assert numbers["CONFIGURATION"] == CONFIGURATION
    assert all(f"{number} {name}" in document for name, number in (("AES-GCM", 20), ("AES-GMAC", 21)))
    assert sorted(CIPHERS.values()) == [20, 21]
