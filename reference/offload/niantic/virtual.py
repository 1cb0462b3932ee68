"""A virtual function (VF): what a guest's driver sees of the chip, and the mailbox that it has in common with the PF.

    VF ── VFMBMEM, VFMAILBOX.REQ ──► MBVFICR, EICR.MAILBOX ── PF
    VF ◄── VFMAILBOX.PFSTS, PFACK ── PFMBMEM, PFMAILBOX.STS, ACK ── PF

One of the two has the sixteen words at a time: whoever sets VFU or PFU first, until he clears it. Queues of a VF are those
of its pool (`pools`), under numbers that begin with zero; tables of SAs it has none: they are the PF's.

Facts are those of Linux' ixgbe_mbx.h, and of regs.h and mbx.h of ixgbevf. Assumed: a reset of a VF takes its right to send
and to receive.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from espproof.reference.offload.niantic import pools, registers
from espproof.reference.offload.registers import Access, Block, Field, Register, Values, whole

if TYPE_CHECKING:
    from espproof.reference.offload.niantic.device import Niantic

_RO, _WO = Access.READ_ONLY, Access.WRITE_ONLY
_REGS_H, _MBX_H = "Linux ixgbevf regs.h", "Linux ixgbevf mbx.h"
QUEUES = 8
"""Of each direction, at most."""

VFCTRL = Register("VFCTRL", 0x0000, (Field("RST", 26, access=_WO),), _REGS_H)
VFSTATUS = Register("VFSTATUS", 0x0008, whole("WORD", access=_RO), _REGS_H)
VFLINKS = Register("VFLINKS", 0x0010, whole("WORD", access=_RO), _REGS_H)
VFMBMEM = Register("VFMBMEM", 0x0200, whole("WORD"), _MBX_H, registers.MAILBOX)
VFMAILBOX = Register(
    "VFMAILBOX",
    0x02FC,
    (
        Field("REQ", 0, access=_WO),
        Field("ACK", 1, access=_WO),
        Field("VFU", 2, access=_RO),
        Field("PFU", 3, access=_RO),
        Field("PFSTS", 4, access=Access.READ_CLEARS),
        Field("PFACK", 5, access=Access.READ_CLEARS),
        Field("RSTI", 6, access=_RO),
        Field("RSTD", 7, access=Access.READ_CLEARS),
    ),
    _MBX_H,
)
MAP = Block((VFCTRL, VFSTATUS, VFLINKS, VFMBMEM, VFMAILBOX))
_RINGS = ((0x1000, registers.RDBAL.offset), (0x2000, registers.TDBAL.offset))
"""Where queues of a direction begin for a VF, and for the PF."""
_RING = registers.RDBAL.stride


class Function:
    """The one of that number; `ring` is called when the PF has something for it, `caused` when one of its queues has."""

    def __init__(self, chip: "Niantic", number: int) -> None:
        self._chip, self.number = chip, number
        self.values = Values(MAP)
        self.ring: Callable[[], None] | None = None
        self.caused: Callable[[str, int], None] | None = None
        """Queue's kind and number, which is its own. None of the two: nobody has the function."""

    # -------------------------------------------------------------------------------------------------- as the VF sees it

    def read(self, offset: int) -> int:
        """The word at an offset of the VF's BAR 0; zero where nothing is modelled."""
        place = MAP.find(offset)
        if place is None:
            return 0 if (other := self._of_a_ring(offset)) is None else self._chip.read(other)
        if place.register is VFMBMEM:
            return self._chip.values.word(registers.PFMBMEM, self._word(place.copy))
        if place.register is VFLINKS:
            return self._chip.values.word(registers.LINKS)
        if place.register is VFSTATUS:
            return self._chip.values.word(registers.STATUS)
        return self.values.read(place)

    def write(self, offset: int, word: int) -> None:
        place = MAP.find(offset)
        if place is None:
            if (other := self._of_a_ring(offset)) is not None:
                self._chip.write(other, word)
        elif place.register is VFMBMEM:
            self._chip.values.put(registers.PFMBMEM, self._word(place.copy), WORD=word)
        elif place.register is VFMAILBOX:
            self._post(VFMAILBOX.decode(word))
        elif place.register is VFCTRL and VFCTRL.field("RST").of(word):
            self.reset()

    def _word(self, copy: int) -> int:
        return self.number * registers.MAILBOX + copy

    def _of_a_ring(self, offset: int) -> int | None:
        """The place among the PF's registers of one of a queue."""
        each = min(pools.queues(self._chip.values), QUEUES)
        for mine, its in _RINGS:
            queue, rest = divmod(offset - mine, _RING)
            if 0 <= queue < each:
                return its + (self.number * each + queue) * _RING + rest
        return None

    def reset(self) -> None:
        """By the VF (VFCTRL.RST), or as a function of the bus (FLR). The PF is told; what its queues were set to stays."""
        values, bit = self._chip.values, 1 << self.number % 32
        self.values.reset()
        self.settle()
        for register in (registers.VFRE, registers.VFTE):
            old = values.word(register, self.number // 32)
            values.put(register, self.number // 32, ENABLED=old & ~bit)
        self._chip.note_reset(self.number)

    def _post(self, given: dict[str, int]) -> None:
        chip, n = self._chip, self.number
        wanted = given["VFU"]
        self.values.put(VFMAILBOX, VFU=int(wanted and not self.values.get(VFMAILBOX, "PFU")))
        self.settle()
        bit = 1 << n % 16
        for asked, told in (("REQ", "VFREQ"), ("ACK", "VFACK")):
            if given[asked]:
                old = chip.values.get(registers.MBVFICR, told, n // 16)
                chip.values.put(registers.MBVFICR, n // 16, **{told: old | bit})
        if given["REQ"] or given["ACK"]:
            chip.raise_mailbox()

    # -------------------------------------------------------------------------------------------------- as the PF sees it

    def from_pf(self) -> None:
        """The PF has written to the function's PFMAILBOX."""
        given = registers.PFMAILBOX.decode(self._chip.values.word(registers.PFMAILBOX, self.number))
        if given["RVFU"]:
            self.values.put(VFMAILBOX, VFU=0)
        self.values.put(VFMAILBOX, PFU=int(given["PFU"] and not self.values.get(VFMAILBOX, "VFU")))
        if given["STS"]:
            self.values.put(VFMAILBOX, PFSTS=1)
        if given["ACK"]:
            self.values.put(VFMAILBOX, PFACK=1)
        self.settle()
        if (given["STS"] or given["ACK"]) and self.ring is not None:
            self.ring()

    def settle(self) -> None:
        """Whose the mailbox is stands in the registers of both; commands are done."""
        get = self.values.get
        taken = {"VFU": get(VFMAILBOX, "VFU"), "PFU": get(VFMAILBOX, "PFU")}
        self._chip.values.put(registers.PFMAILBOX, self.number, **taken, STS=0, ACK=0, RVFU=0)

    def pf_resets(self) -> None:
        """The chip is reset, and the function with it."""
        self.values.reset()
        self.values.put(VFMAILBOX, RSTI=1)

    def pf_is_ready(self) -> None:
        """CTRL_EXT.PFRSTD: the PF's driver has set up the chip."""
        if self.values.get(VFMAILBOX, "RSTI"):
            self.values.put(VFMAILBOX, RSTI=0, RSTD=1)
