"""What stands around a virtual function: the function on the bus, and its interrupts (regs.h of Linux' ixgbevf).

It has no identity of its own on the bus: vendor and device read as all ones, and its windows are where the PF's capability
says. A vector's cause is a queue's by VTIVAR, the mailbox's by VTIVAR_MISC.
"""

from collections.abc import Callable

from espproof.reference.offload.niantic.board import (
    ETHERNET_CONTROLLER,
    EXPRESS_AT,
    MSIX_AT,
    PENDING_AT,
    OnTheBus,
    express,
)
from espproof.reference.offload.niantic.virtual import Function
from espproof.reference.offload.pci import Configuration, Vectors, msix
from espproof.reference.offload.registers import Access, Block, Field, Place, Register, Values, whole

REGISTERS, INTERRUPTS = 0, 3
"""Windows (BARs)."""
_VECTORS = 3
_VALID, _VECTOR = 0x80, 0x03
_NOBODY = 0xFFFF
_RESET = 1 << 15
"""In the control of PCI Express: this function alone is reset (FLR)."""
_CONTROL_AT = EXPRESS_AT + 8
_REGS_H = "Linux ixgbevf regs.h"

VTEICR = Register("VTEICR", 0x0100, whole("VECTORS", access=Access.READ_CLEARS), _REGS_H)
VTEICS = Register("VTEICS", 0x0104, whole("VECTORS", access=Access.WRITE_ONLY), _REGS_H)
VTEIMS = Register("VTEIMS", 0x0108, whole("VECTORS"), _REGS_H)
VTEIMC = Register("VTEIMC", 0x010C, whole("VECTORS", access=Access.WRITE_ONLY), _REGS_H)
VTEIAM = Register("VTEIAM", 0x0114, whole("VECTORS"), _REGS_H)
VTIVAR = Register("VTIVAR", 0x0120, whole("ENTRIES"), _REGS_H, 4)
VTIVAR_MISC = Register("VTIVAR_MISC", 0x0140, (Field("ENTRY", 0, 8),), _REGS_H)
ROWS = Block((VTEICR, VTEICS, VTEIMS, VTEIMC, VTEIAM, VTIVAR, VTIVAR_MISC))


class VirtualBoard(OnTheBus):
    """A function that somebody has: `send` takes address and data of an interrupt's message."""

    def __init__(self, function: Function, send: Callable[[int, int], None]) -> None:
        self.function = function
        capabilities = msix(MSIX_AT, _VECTORS, INTERRUPTS, PENDING_AT), express()
        configuration = Configuration(_NOBODY, _NOBODY, ETHERNET_CONTROLLER, {}, capabilities)
        super().__init__(configuration, Vectors(_VECTORS, configuration, MSIX_AT, send), INTERRUPTS)
        self._values = Values(ROWS)
        self._waiting = 0
        function.ring, function.caused = self._ring, self._caused

    # ---------------------------------------------------------------------------------------------------------- the bus

    def configure(self, at: int, size: int, value: int) -> None:
        """A write to configuration space; FLR resets the function."""
        super().configure(at, size, value)
        if at == _CONTROL_AT and value & _RESET:
            self._forget()
            self.function.reset()

    # ------------------------------------------------------------------------------------------------------- registers

    def _word(self, at: int) -> int:
        place = ROWS.find(at)
        if place is None:
            return self.function.read(at)
        if place.register is VTEICR:
            found, self._waiting = self._waiting, 0
            return found
        return self._values.read(place)

    def _put(self, at: int, word: int) -> None:
        place = ROWS.find(at)
        if place is None:
            if at == 0 and word >> 26 & 1:
                self._forget()
            self.function.write(at, word)
            return
        enabled = self._values.word(VTEIMS)
        self._values.write(place, word)
        self._react(place, word, enabled)

    def _react(self, place: Place, word: int, enabled: int) -> None:
        """VTEIMS and VTEIMC set and clear bits of the one mask."""
        if place.register is VTEIMS:
            self._values.put(VTEIMS, VECTORS=enabled | word)
        elif place.register is VTEIMC:
            self._values.put(VTEIMS, VECTORS=enabled & ~word)
        elif place.register is VTEICS:
            self._waiting |= word
        self._send()

    def _forget(self) -> None:
        self._values.reset()
        self._waiting = 0

    # ------------------------------------------------------------------------------------------------------ interrupts

    def _ring(self) -> None:
        """The PF has written, or taken note."""
        self._cause(self._values.get(VTIVAR_MISC, "ENTRY"))

    def _caused(self, kind: str, queue: int) -> None:
        if queue < 2 * VTIVAR.copies:
            self._cause(self._values.word(VTIVAR, queue >> 1) >> 16 * (queue & 1) + 8 * (kind == "sent") & 0xFF)

    def _cause(self, entry: int) -> None:
        if entry & _VALID:
            self._waiting |= 1 << (entry & _VECTOR)
            self._send()

    def _send(self) -> None:
        """A vector that is sent is switched off by itself where VTEIAM says so."""
        enabled = self._values.word(VTEIMS)
        for number in range(_VECTORS):
            bit = 1 << number
            if self._waiting & enabled & bit:
                self._waiting &= ~bit
                self._values.put(VTEIMS, VECTORS=self._values.word(VTEIMS) & ~(bit & self._values.word(VTEIAM)))
                self.vectors.signal(number)
