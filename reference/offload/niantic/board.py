"""What stands around a port of the chip: the PCI function, interrupts, and what a driver asks of EEPROM, firmware and PHY.

    Board    a card with one port: windows and configuration space, as a bus delivers reads and writes
    ROWS     its registers beside those of the chip's way of packets (`registers.MAP`)

A register that has no row keeps what is written to it: assumed, and enough for drivers that read back what they wrote.
Facts: X550 8.2.2 where a section is named, else Linux' ixgbe_type.h.
"""

import struct
from abc import ABC, abstractmethod
from collections.abc import Callable

from espproof.reference.offload.memory import Memory
from espproof.reference.offload.niantic import registers
from espproof.reference.offload.niantic.device import I82599, Cause, Niantic, Personality
from espproof.reference.offload.niantic.registers import MAP
from espproof.reference.offload.pci import (
    CAPABILITY_EXPRESS,
    CAPABILITY_POWER,
    Capability,
    Configuration,
    Sharing,
    Vectors,
    msix,
)
from espproof.reference.offload.registers import WORD, Access, Block, Field, Place, Register, Values, whole

_RO = Access.READ_ONLY
_TYPE_H = "Linux ixgbe_type.h"

EEC = Register(
    "EEC", 0x10010, (Field("PRES", 8, 1, _RO, 1), Field("ARD", 9, 1, _RO, 1), Field("SIZE", 11, 4, _RO, 4)), _TYPE_H
)
EERD = Register(
    "EERD",
    0x10014,
    (Field("START", 0), Field("DONE", 1, 1, _RO), Field("ADDR", 2, 14), Field("DATA", 16, 16, _RO)),
    _TYPE_H,
)
SWSM = Register("SWSM", 0x10140, (Field("SMBI", 0, 1, Access.WRITE_ONLY), Field("SWESMBI", 1)), _TYPE_H)
FWSM = Register("FWSM", 0x10148, (Field("FW_VALID", 15, 1, _RO, 1),), _TYPE_H)
MSCA = Register("MSCA", 0x425C, (Field("COMMAND", 0, 30), Field("MDICMD", 30, 1, Access.WRITE_ONLY)), "X550 8.2.2.16.4")
MSRWD = Register(
    "MSRWD", 0x4260, (Field("MDIWRDATA", 0, 16), Field("MDIRDDATA", 16, 16, _RO, 0xFFFF)), "X550 8.2.2.16.5"
)
AUTOC = Register(
    "AUTOC",
    0x42A0,
    (Field("PMA_10G", 7, 2, reset=2), Field("RESTART_AN", 12, 1, Access.WRITE_ONLY), Field("LMS", 13, 3, reset=1)),
    f"{_TYPE_H}: a backplane (10GBASE-KX4) that does not negotiate",
)
ANLP1 = Register("ANLP1", 0x42B0, (Field("AN_STATE", 16, 4, _RO, 8),), _TYPE_H)
RDRXCTL = Register(
    "RDRXCTL", 0x2F00, (Field("LOW", 0, 3), Field("DMAIDONE", 3, 1, _RO, 1), Field("HIGH", 4, 28)), _TYPE_H
)
FDIRCTRL = Register(
    "FDIRCTRL", 0xEE00, (Field("LOW", 0, 3), Field("INIT_DONE", 3, 1, _RO, 1), Field("HIGH", 4, 28)), _TYPE_H
)

EICS = Register("EICS", 0x0808, whole("CAUSES"), "X550 8.2.2.5.2")
EIMS = Register("EIMS", 0x0880, whole("CAUSES"), "X550 8.2.2.5.3")
EIMC = Register("EIMC", 0x0888, whole("CAUSES"), "X550 8.2.2.5.4")
GPIE = Register("GPIE", 0x0898, (Field("LOW", 0, 30), Field("EIAME", 30), Field("PBA", 31)), "X550 8.2.2.5.16")
IVAR = Register("IVAR", 0x0900, whole("ENTRIES"), "X550 8.2.2.5.11", 64)
IVAR_MISC = Register("IVAR_MISC", 0x0A00, whole("ENTRIES"), "X550 8.2.2.5.12")
EICS_EX = Register("EICS_EX", 0x0A90, whole("VECTORS"), "X550 8.2.2.5.7", 2)
EIMS_EX = Register("EIMS_EX", 0x0AA0, whole("VECTORS"), "X550 8.2.2.5.8", 2)
EIMC_EX = Register("EIMC_EX", 0x0AB0, whole("VECTORS"), "X550 8.2.2.5.9", 2)
EIAM_EX = Register("EIAM_EX", 0x0AD0, whole("VECTORS"), "X550 8.2.2.5.10", 2)

ROWS = Block(
    (
        *(EEC, EERD, SWSM, FWSM, MSCA, MSRWD, AUTOC, ANLP1, RDRXCTL, FDIRCTRL),
        *(EICS, EIMS, EIMC, GPIE, IVAR, IVAR_MISC, EICS_EX, EIMS_EX, EIMC_EX, EIAM_EX),
    )
)

_SRRCTL_AGAIN, _SRRCTL_COPIES = 0x2100, 16
"""Of the first queues SRRCTL is there too, one after the other, as the 82598 has it; drivers use this place."""

VENDOR = 0x8086
KX4 = 0x10F7
"""Device of an 82599 on a backplane: without a module or a PHY that a driver would have to talk to."""
ETHERNET_CONTROLLER = 0x020000
REGISTERS, INTERRUPTS = 0, 4
"""Windows (BARs)."""
_WINDOWS = {REGISTERS: 0x80000, INTERRUPTS: 0x4000}
_FUNCTION_ID = 0x10ED
"""Device of a virtual function of the 82599."""
VIRTUAL_WINDOWS = {0: 0x4000, 3: 0x4000}
"""Windows of a virtual function: registers, interrupts."""
PENDING_AT = 0x2000
_VECTORS = 64
_POWER_AT, MSIX_AT, EXPRESS_AT = 0x40, 0x70, 0xA0
"""Drivers read these without walking the list."""
_VALID, _VECTOR = 0x80, 0x3F
_QUEUE_CAUSES = 0xFFFF
_WORDS, _EEPROM_SUM = 0x40, 0xBABA
_POINTERS = (0x00, 0x01, 0x02, 0x2C, 0x38)
"""Words of the EEPROM that are no pointers to sections: zero here, and all others all ones, which is none."""


class OnTheBus(ABC):
    """A function with registers in one window, and in another its interrupts, whose number is `interrupts`."""

    def __init__(self, configuration: Configuration, vectors: Vectors, interrupts: int) -> None:
        self.configuration, self.vectors, self._interrupts = configuration, vectors, interrupts

    def read(self, window: int, at: int, size: int) -> bytes:
        """Registers are words; anything else reads as zero."""
        if window == self._interrupts:
            return self.vectors.read(at, size) if at < PENDING_AT else self.vectors.pending(at - PENDING_AT, size)
        return (self._word(at) if size == WORD else 0).to_bytes(size, "little")

    def write(self, window: int, at: int, octets: bytes) -> None:
        if window == self._interrupts:
            if at < PENDING_AT:
                self.vectors.write(at, octets)
        elif len(octets) == WORD:
            self._put(at, int.from_bytes(octets, "little"))

    def read_configuration(self, at: int, size: int) -> int:
        return self.configuration.read(at, size)

    def configure(self, at: int, size: int, value: int) -> None:
        """A write to configuration space, which may be what interrupts have waited for."""
        self.configuration.write(at, size, value)
        self.vectors.flush()

    @abstractmethod
    def _word(self, at: int) -> int:
        """The register at an offset is read."""

    @abstractmethod
    def _put(self, at: int, word: int) -> None:
        """It is written."""


class Board(OnTheBus):
    """`memory` is the host's, `wire` takes frames, `send` takes address and data of an interrupt's message."""

    def __init__(
        self,
        memory: Memory,
        wire: Callable[[bytes], None],
        send: Callable[[int, int], None],
        mac: bytes,
        personality: Personality = I82599,
        device: int = KX4,
        functions: int = 0,
        apart: int = 1,
    ) -> None:
        """`functions` are virtual ones that can be had, each `apart` places behind the last."""
        sharing = Sharing(functions, _FUNCTION_ID, apart, apart, VIRTUAL_WINDOWS) if functions else None
        configuration = Configuration(VENDOR, device, ETHERNET_CONTROLLER, _WINDOWS, _capabilities(), sharing)
        super().__init__(configuration, Vectors(_VECTORS, configuration, MSIX_AT, send), INTERRUPTS)
        self.chip = Niantic(memory, wire, personality, self._caused)
        self._mac = mac
        self._values, self._kept = Values(ROWS), dict[int, int]()
        self._eeprom = _eeprom()
        self._waiting = self._enabled = 0
        """Vectors whose cause is there, and those that may be sent."""
        self._settle()

    def set_link(self, up: bool) -> None:
        self.chip.set_link(up)

    # ------------------------------------------------------------------------------------------------------- registers

    def _word(self, at: int) -> int:
        at = _at(at)
        if at == registers.EICR.offset:
            word = self.chip.read(at)
            self.chip.write(at, word)  # read clears, as OCD is not set
            return word
        if MAP.find(at) is not None:
            return self.chip.read(at)
        place = ROWS.find(at)
        if place is None:
            return self._kept.get(at, 0)
        if place.register is EICS:
            return self.chip.values.word(registers.EICR)
        if place.register in (EIMS, EIMS_EX):
            return self._enabled >> 32 * place.copy & 0xFFFFFFFF
        return self._values.read(place)

    def _put(self, at: int, word: int) -> None:
        at = _at(at)
        if MAP.find(at) is not None:
            self.chip.write(at, word)
            if at == registers.CTRL.offset and word & (1 << 26 | 1 << 3):
                self._values.reset()
                self._kept.clear()
                self._waiting = self._enabled = 0
                self._settle()
            return
        place = ROWS.find(at)
        if place is None:
            self._kept[at] = word
            return
        self._values.write(place, word)
        self._react(place, word)

    def _react(self, place: Place, word: int) -> None:
        register, shift = place.register, 32 * place.copy
        if register is EERD:
            data = self._eeprom[self._values.get(EERD, "ADDR") % _WORDS]
            self._values.put(EERD, DONE=1, DATA=data)
        elif register is EICS:
            self.chip.values.put(
                registers.EICR, LSC=int(bool(word & 1 << 20 or self.chip.values.get(registers.EICR, "LSC")))
            )
            self._caused(Cause("other"))
        elif register in (EIMS, EIMS_EX):
            self._enabled |= word << shift
        elif register is EIMC:
            self._enabled &= ~word
        elif register is EIMC_EX:
            self._enabled &= ~(word << shift)
        elif register is EICS_EX:
            self._waiting |= word << shift
        if register in (EIMS, EIMS_EX, EICS_EX):
            self._caused(Cause("other"))
            self._send()

    def _settle(self) -> None:
        """The address that the EEPROM gives the port."""
        self.chip.values.put(registers.RAL, LOW=int.from_bytes(self._mac[:4], "little"))
        self.chip.values.put(registers.RAH, HIGH=int.from_bytes(self._mac[4:], "little"), AV=1)

    # ------------------------------------------------------------------------------------------------------ interrupts

    def _caused(self, cause: Cause) -> None:
        """X550 7.3.4: a queue's cause is a vector's by IVAR, any other by IVAR_MISC, if it is enabled."""
        if cause.kind == "other":
            other = self.chip.values.word(registers.EICR) & ~_QUEUE_CAUSES
            entry = self._values.word(IVAR_MISC) >> 8 & 0xFF
            if other & self._enabled & 0xFFFFFFFF and entry & _VALID:
                self.vectors.signal(entry & _VECTOR)
            return
        shift = 16 * (cause.queue & 1) + 8 * (cause.kind == "sent")
        entry = self._values.word(IVAR, cause.queue >> 1) >> shift & 0xFF
        if entry & _VALID:
            self._waiting |= 1 << (entry & _VECTOR)
            self._send()

    def _send(self) -> None:
        """A vector that is sent is switched off by itself where the driver has asked for that."""
        ready = self._waiting & self._enabled
        for number in range(_VECTORS):
            if ready >> number & 1:
                self._waiting &= ~(1 << number)
                automatic = self._values.word(EIAM_EX, number >> 5) >> (number & 31) & 1
                if automatic and self._values.get(GPIE, "EIAME"):
                    self._enabled &= ~(1 << number)
                self.vectors.signal(number)


def _at(at: int) -> int:
    """The place of a register that has two."""
    copy, rest = divmod(at - _SRRCTL_AGAIN, WORD)
    return registers.SRRCTL.at(copy) if 0 <= copy < _SRRCTL_COPIES and not rest else at


def _capabilities() -> tuple[Capability, ...]:
    """Power management, MSI-X, and PCI Express."""
    return (
        Capability(CAPABILITY_POWER, _POWER_AT, struct.pack("<HI", 0x0003, 0), b"\0\0\x03\x01"),
        msix(MSIX_AT, _VECTORS, INTERRUPTS, PENDING_AT),
        express(),
    )


def express() -> Capability:
    """PCI Express of an endpoint with eight lanes at 5 GT/s that can be reset by itself."""
    fixed = struct.pack("<HIHHIHH", 0x0002, 0x8CC2 | 1 << 28, 0x2810, 0, 0x00030482, 0x40, 0x82)
    more = bytearray(0x3A)
    more[: len(fixed)] = fixed
    struct.pack_into("<I", more, 0x24 - 2, 0x1F)
    struct.pack_into("<I", more, 0x2C - 2, 0x4)
    writable = bytearray(0x3A)
    struct.pack_into("<H", writable, 0x08 - 2, 0x7FFF)
    struct.pack_into("<H", writable, 0x10 - 2, 0x0FFF)
    struct.pack_into("<H", writable, 0x28 - 2, 0xFFFF)
    return Capability(CAPABILITY_EXPRESS, EXPRESS_AT, bytes(more), bytes(writable))


def _eeprom() -> list[int]:
    words = [0 if number in _POINTERS else 0xFFFF for number in range(_WORDS)]
    words[-1] = (_EEPROM_SUM - sum(words[:-1])) & 0xFFFF
    return words
