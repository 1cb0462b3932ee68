"""The card around the chip: what a driver asks before it sends the first packet, and which interrupts it gets."""

import struct

import pytest

from espproof.reference.offload.memory import Arena
from espproof.reference.offload.niantic import registers as r
from espproof.reference.offload.niantic.board import (
    EIAM_EX,
    EICS,
    EICS_EX,
    EIMC,
    EIMC_EX,
    EIMS,
    EIMS_EX,
    GPIE,
    INTERRUPTS,
    IVAR,
    IVAR_MISC,
    REGISTERS,
    ROWS,
    Board,
)
from espproof.reference.offload.niantic.device import Cause

MAC = bytes.fromhex("028259900001")


class Card:
    """A board, what it has sent, and registers as words."""

    def __init__(self) -> None:
        self.messages: list[int] = []
        self.frames: list[bytes] = []
        self.memory = Arena(1 << 16)
        self.board = Board(self.memory, self.frames.append, lambda _, data: self.messages.append(data), MAC)

    def read(self, at: int) -> int:
        return int.from_bytes(self.board.read(REGISTERS, at, 4), "little")

    def write(self, at: int, word: int) -> None:
        self.board.write(REGISTERS, at, word.to_bytes(4, "little"))

    def with_vectors(self) -> "Card":
        """MSI-X on; each vector's message carries its number."""
        for number in range(4):
            self.board.write(INTERRUPTS, 16 * number, struct.pack("<IIII", 0xFEE00000, 0, number, 0))
        self.board.configure(0x72, 2, 0x8000)
        return self


def test_rows_are_none_of_the_chips() -> None:
    """One register, one row."""
    assert not [row.name for row in ROWS for n in range(row.copies) if r.MAP.find(row.at(n)) is not None]


def test_a_driver_finds_what_it_looks_for() -> None:
    """EEPROM with its sum, firmware, an address, a PHY that is none, a backplane that is up at 10 Gb/s."""
    card = Card()
    words = []
    for number in range(64):
        card.write(0x10014, number << 2 | 1)
        answer = card.read(0x10014)
        assert answer & 2
        words.append(answer >> 16)
    assert sum(words) & 0xFFFF == 0xBABA
    assert card.read(0x5400).to_bytes(4, "little") + card.read(0x5404).to_bytes(4, "little") == MAC + b"\x00\x80"
    assert (card.read(0x10148) >> 15 & 1, card.read(0x10140), card.read(0x42B0) >> 16 & 0xF) == (1, 0, 8)
    card.write(0x425C, 1 << 30)
    assert (card.read(0x425C) >> 30, card.read(0x4260) >> 16) == (0, 0xFFFF)
    assert card.read(0x42A4) == 0x70000080


def test_what_has_no_row_is_kept_until_a_reset() -> None:
    """As it was written."""
    card = Card()
    card.write(0x5008, 0x12345678)
    assert card.read(0x5008) == 0x12345678
    card.write(r.CTRL.offset, 1 << 26)
    assert (card.read(0x5008), card.read(0x5404) >> 31, card.read(r.CTRL.offset)) == (0, 1, 0)


def test_what_is_no_word_of_a_register() -> None:
    """Reads as zero and changes nothing."""
    card = Card()
    assert card.board.read(REGISTERS, 0x5400, 2) == bytes(2)
    card.board.write(REGISTERS, 0x5400, b"\xff\xff")
    assert card.read(0x5400) == int.from_bytes(MAC[:4], "little")


@pytest.mark.parametrize(("kind", "shift"), [("received", 0), ("sent", 8)])
@pytest.mark.parametrize("queue", [0, 1, 2])
def test_a_queue_s_cause_is_a_vector_s(kind: str, shift: int, queue: int) -> None:
    """By IVAR, if the entry is valid and the vector is on; with EIAME it goes off by itself, and waits then."""
    card = Card().with_vectors()
    cause = Cause(kind, queue)
    card.board._caused(cause)
    assert not card.messages
    card.write(IVAR.at(queue >> 1), (0x80 | 2) << 16 * (queue & 1) + shift)
    card.board._caused(cause)
    assert not card.messages
    card.write(EIMS.offset, 1 << 2)
    assert card.messages == [2]
    card.write(GPIE.offset, 1 << 30)
    card.write(EIAM_EX.offset, 1 << 2)
    card.board._caused(cause)
    card.board._caused(cause)
    assert (card.messages, card.read(EIMS_EX.offset)) == ([2, 2], 0)
    card.write(EIMS_EX.offset, 1 << 2)
    assert card.messages == [2, 2, 2]
    card.write(EIMC_EX.offset, 1 << 2)
    card.write(EICS_EX.offset, 1 << 2)
    assert len(card.messages) == 3


def test_a_change_of_the_link_is_another_cause() -> None:
    """By IVAR_MISC; reading EICR clears it, EICS shows it, and software can raise it."""
    card = Card().with_vectors()
    card.write(IVAR_MISC.offset, (0x80 | 1) << 8)
    card.write(EIMS.offset, 1 << 20)
    card.board.set_link(False)
    assert (card.messages, card.read(EICS.offset)) == ([1], 1 << 20)
    assert (card.read(r.EICR.offset), card.read(r.EICR.offset)) == (1 << 20, 0)
    assert card.read(0x42A4) == 0
    card.write(EIMC.offset, 1 << 20)
    card.board.set_link(True)
    assert (card.messages, card.read(EIMS.offset)) == ([1], 0)
    card.read(r.EICR.offset)
    card.write(EIMS.offset, 1 << 20)
    card.write(EICS.offset, 1 << 20)
    assert card.messages == [1, 1]


@pytest.mark.parametrize(("at", "copy"), [(0x2100, 0), (0x213C, 15)])
def test_srrctl_has_a_second_place(at: int, copy: int) -> None:
    """What is written there counts for the queue, and is read at both."""
    card = Card()
    card.write(at, r.SRRCTL.encode(BSIZEPACKET=10))
    assert card.board.chip.values.get(r.SRRCTL, "BSIZEPACKET", copy) == 10
    assert card.read(at) == card.read(r.SRRCTL.at(copy))
    card.write(0x2140, r.SRRCTL.encode(BSIZEPACKET=3))
    assert card.board.chip.values.get(r.SRRCTL, "BSIZEPACKET", 16) == 2
