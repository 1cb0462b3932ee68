"""Rows of a data sheet become what the bus and the device see."""

import pytest

from espproof.reference.errors import Misuse
from espproof.reference.offload.registers import Access, Block, Field, Place, Register, Values, whole

CONTROL = Register(
    "CONTROL",
    0x10,
    (
        Field("MODE", 0, 3, reset=5),
        Field("STATUS", 4, 2, Access.READ_ONLY, 2),
        Field("GO", 8, 1, Access.WRITE_ONLY),
        Field("CAUSE", 12, 4, Access.WRITE_ONE_CLEARS),
        Field("COUNT", 16, 8, Access.READ_CLEARS),
    ),
    "nowhere",
)
DATA = Register("DATA", 0x20, whole("WORD", 7), "nowhere", copies=3, stride=8)
BLOCK = Block((CONTROL, DATA))
CONTROL_PLACE = Place(CONTROL, 0)


def test_each_field_takes_what_its_access_allows() -> None:
    """Written ones go into what can be written, clear causes, and leave status, counts and reserved bits alone."""
    values = Values(BLOCK)
    values.put(CONTROL, CAUSE=0b0110, COUNT=9)
    values.write(CONTROL_PLACE, 0xFFFFFFFF)
    assert values.word(CONTROL) == CONTROL.encode(MODE=7, STATUS=2, GO=1, CAUSE=0, COUNT=9)
    values.put(CONTROL, CAUSE=0b0110)
    values.write(CONTROL_PLACE, CONTROL.encode(MODE=1, CAUSE=0b0010))
    assert (values.get(CONTROL, "MODE"), values.get(CONTROL, "CAUSE")) == (1, 0b0100)


def test_reading_hides_commands_and_clears_counts() -> None:
    """A command reads as zero; a count is there once."""
    values = Values(BLOCK)
    values.put(CONTROL, GO=1, COUNT=9)
    assert CONTROL.decode(values.read(CONTROL_PLACE)) == {"MODE": 5, "STATUS": 2, "GO": 0, "CAUSE": 0, "COUNT": 9}
    assert values.get(CONTROL, "COUNT") == 0
    assert values.get(CONTROL, "GO") == 1


def test_copies_are_apart_and_a_reset_spares_what_it_is_told_to() -> None:
    """Each copy has a word; after a reset all but the named rows are as in the beginning."""
    values = Values(BLOCK)
    for index in range(3):
        values.write(Place(DATA, index), index)
    values.write(CONTROL_PLACE, 0)
    values.reset(DATA)
    assert [values.word(DATA, index) for index in range(3)] == [0, 1, 2]
    assert values.word(CONTROL) == CONTROL.reset == 0x25
    values.reset()
    assert values.word(DATA, 1) == 7


def test_places_and_gaps() -> None:
    """What stands where, and where nothing does."""
    assert BLOCK.find(0x28) == Place(DATA, 1)
    assert BLOCK.find(0x24) is None
    assert BLOCK.find(0x11) is None
    assert BLOCK.gaps(0x10, 0x30) == [range(0x14, 0x20, 4), range(0x24, 0x28, 4), range(0x2C, 0x30, 4)]
    assert BLOCK.named("DATA") is DATA


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Field("X", 30, 3),
        lambda: Field("X", 0, 2, reset=4),
        lambda: Register("X", 2, (), ""),
        lambda: Register("X", 0, (Field("A", 0, 2), Field("B", 1)), ""),
        lambda: Register("X", 0, (), "", copies=2, stride=2),
        lambda: Block((DATA, Register("X", 0x28, (), ""))),
        lambda: DATA.at(3),
        lambda: DATA.encode(OTHER=1),
        lambda: CONTROL.encode(MODE=8),
        lambda: CONTROL.field("OTHER"),
        lambda: BLOCK.named("OTHER"),
    ],
)
def test_a_row_that_cannot_be_is_refused(wrong: object) -> None:
    """Overlaps, fields that do not fit, copies that are not there."""
    with pytest.raises(Misuse):
        wrong()  # type: ignore[operator]
