"""Registers of a device: one row each, from which access, reset values, decoding and encoding are derived.

    Field      bits of a word, what happens to what the bus writes into them, their value after reset
    Register   a row of the data sheet: offset of the first of its copies, how many there are, how far apart
    Block      all rows of a device; finds the one at an offset, refuses rows that overlap, tells the gaps
    Values     the words of one device: as the bus sees them (`read`, `write`), as the device does (`get`, `put`)

Words have 32 bits; in which order their octets cross the bus is the bus's affair. Bits that no field covers are
reserved: they read as in the reset value and ignore what is written.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

from espproof.reference.errors import Misuse

WORD = 4
"""Octets of a register."""
_ALL_ONES = 0xFFFFFFFF


class Access(Enum):
    """What becomes of a field when the bus reads or writes it."""

    READ_WRITE = "RW"
    READ_ONLY = "RO"
    """Only the device changes it."""
    WRITE_ONLY = "WO"
    """A command: reads as zero."""
    WRITE_ONE_CLEARS = "RW1C"
    READ_CLEARS = "RC"


@dataclass(frozen=True, slots=True)
class Field:
    """Bits `low` to `low + width - 1` of a word; `reset` is their value then, as a number of that width."""

    name: str
    low: int
    width: int = 1
    access: Access = Access.READ_WRITE
    reset: int = 0

    def __post_init__(self) -> None:
        if self.low < 0 or self.width < 1 or self.low + self.width > 32 or self.reset >> self.width:
            raise Misuse(f"field {self.name}: bits {self.low} to {self.low + self.width - 1}, reset {self.reset:#x}")

    @property
    def mask(self) -> int:
        return ((1 << self.width) - 1) << self.low

    def of(self, word: int) -> int:
        """The field's value in a word."""
        return (word & self.mask) >> self.low

    def put(self, word: int, value: int) -> int:
        """The word with another value in the field. `Misuse` if it does not fit."""
        if value < 0 or value >> self.width:
            raise Misuse(f"{value:#x} does not fit into the {self.width} bits of {self.name}")
        return word & ~self.mask | value << self.low


def whole(name: str, reset: int = 0, access: Access = Access.READ_WRITE) -> tuple[Field, ...]:
    """The one field of a register that is a number."""
    return (Field(name, 0, 32, access, reset),)


@dataclass(frozen=True, slots=True)
class Register:
    """`copies` words of one layout, the first at `offset`, `stride` octets apart; `source` is the section it is from."""

    name: str
    offset: int
    fields: tuple[Field, ...]
    source: str
    copies: int = 1
    stride: int = WORD
    masks: dict[Access, int] = field(init=False, default_factory=lambda: dict.fromkeys(Access, 0), compare=False)
    """The bits of all fields with a kind of access."""
    reset: int = field(init=False, default=0, compare=False)
    """The word after a reset."""

    def __post_init__(self) -> None:
        taken = 0
        for one in self.fields:
            if taken & one.mask:
                raise Misuse(f"{self.name}: {one.name} has bits of another field")
            taken |= one.mask
            self.masks[one.access] |= one.mask
        object.__setattr__(self, "reset", self.encode())
        if self.offset % WORD or self.stride % WORD or self.stride < WORD or self.copies < 1:
            raise Misuse(f"{self.name}: offset {self.offset:#x}, {self.copies} copies {self.stride} apart")

    def field(self, name: str) -> Field:
        """`Misuse` if there is none of that name."""
        for one in self.fields:
            if one.name == name:
                return one
        raise Misuse(f"{self.name} has no field {name}")

    def encode(self, **values: int) -> int:
        """The word with these fields; the others have their reset value."""
        word = 0
        for one in self.fields:
            word = one.put(word, values.pop(one.name, one.reset))
        if values:
            raise Misuse(f"{self.name} has no field {', '.join(values)}")
        return word

    def decode(self, word: int) -> dict[str, int]:
        """The value of each field."""
        return {one.name: one.of(word) for one in self.fields}

    def at(self, index: int) -> int:
        """The offset of a copy. `Misuse` if there are not so many."""
        if not 0 <= index < self.copies:
            raise Misuse(f"{self.name}[{index}]: there are {self.copies}")
        return self.offset + index * self.stride


class Place(NamedTuple):
    """A register and which of its copies."""

    register: Register
    copy: int


class Block:
    """All registers of a device, each at offsets of its own."""

    def __init__(self, rows: Iterable[Register]) -> None:
        self.rows = tuple(rows)
        self._places: dict[int, Place] = {}
        for row in self.rows:
            for index in range(row.copies):
                found = self._places.setdefault(row.at(index), Place(row, index))
                if found.register is not row:
                    raise Misuse(f"{row.name} and {found.register.name} are both at {row.at(index):#x}")

    def find(self, offset: int) -> Place | None:
        """What stands at an offset in octets; None in a gap, and between words."""
        return self._places.get(offset)

    def named(self, name: str) -> Register:
        """`Misuse` if there is none of that name."""
        for row in self.rows:
            if row.name == name:
                return row
        raise Misuse(f"there is no register {name}")

    def gaps(self, first: int, last: int) -> list[range]:
        """The offsets from `first` to `last`, both of words and both included, at which nothing stands, in runs."""
        found: list[range] = []
        for offset in range(first, last + WORD, WORD):
            if offset in self._places:
                continue
            if found and found[-1].stop == offset:
                found[-1] = range(found[-1].start, offset + WORD, WORD)
            else:
                found.append(range(offset, offset + WORD, WORD))
        return found

    def __iter__(self) -> Iterator[Register]:
        return iter(self.rows)


class Values:
    """The words of one device."""

    def __init__(self, block: Block) -> None:
        self.block = block
        self._words: dict[int, int] = {}

    def reset(self, *but: Register) -> None:
        """All words as after a reset, except those of the registers named."""
        kept = {row.at(index) for row in but for index in range(row.copies)}
        self._words = {offset: word for offset, word in self._words.items() if offset in kept}

    def word(self, register: Register, index: int = 0) -> int:
        word = self._words.get(register.at(index))
        return register.reset if word is None else word

    def get(self, register: Register, field: str, index: int = 0) -> int:
        return register.field(field).of(self.word(register, index))

    def put(self, register: Register, index: int = 0, **values: int) -> None:
        """The device itself changes fields, whatever the bus may do with them."""
        word = self.word(register, index)
        for name, value in values.items():
            word = register.field(name).put(word, value)
        self._words[register.at(index)] = word

    def read(self, place: Place) -> int:
        """As the bus reads: commands are zero, and what reading clears is cleared."""
        register, index = place
        word = self.word(register, index)
        clears = register.masks[Access.READ_CLEARS]
        if clears & word:
            self._words[register.at(index)] = word & ~clears
        return word & ~register.masks[Access.WRITE_ONLY]

    def write(self, place: Place, word: int) -> None:
        """As the bus writes: each field takes of it what its access allows."""
        register, index = place
        old = self.word(register, index)
        taken = register.masks[Access.READ_WRITE] | register.masks[Access.WRITE_ONLY]
        cleared = register.masks[Access.WRITE_ONE_CLEARS] & word
        self._words[register.at(index)] = (old & ~taken | word & taken) & ~cleared & _ALL_ONES
