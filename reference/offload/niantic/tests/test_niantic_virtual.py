"""Virtual functions: the mailbox, whose queues are whose, whom a frame is for, and what stands around a function."""

import struct
from collections.abc import Callable

import pytest

from espproof.reference.offload.memory import Arena
from espproof.reference.offload.niantic import pools, virtual
from espproof.reference.offload.niantic import registers as r
from espproof.reference.offload.niantic.board import Board
from espproof.reference.offload.niantic.descriptors import Data
from espproof.reference.offload.niantic.rings import PHYSICAL, VIRTUAL, Rings
from espproof.reference.offload.niantic.virtual import VFCTRL, VFLINKS, VFMAILBOX, VFMBMEM, VFSTATUS
from espproof.reference.offload.niantic.virtual_board import (
    INTERRUPTS,
    REGISTERS,
    VTEIAM,
    VTEICR,
    VTEICS,
    VTEIMC,
    VTEIMS,
    VTIVAR,
    VTIVAR_MISC,
    VirtualBoard,
)

MAC = bytes.fromhex("028259900001")
OTHERS = [bytes.fromhex("0282599001") + bytes((n,)) for n in range(2)]
FAR = bytes.fromhex("020000000099")
PF_POOL = 2


class Shared:
    """A card whose chip has a pool for each of two functions, and one for the PF, which has set it all up."""

    def __init__(self) -> None:
        self.memory = Arena(1 << 20)
        self.wire: list[bytes] = []
        self.messages: list[tuple[str, int]] = []
        self.card = Board(self.memory, self.wire.append, lambda _, data: self.messages.append(("pf", data)), MAC)
        self.chip = self.card.chip
        self.chip.now = 100
        self.functions = [VirtualBoard(self.chip.functions[n], self._told(n)) for n in range(2)]
        write = self.chip.write
        write(r.GCR_EXT.offset, 3)
        for n, mac in enumerate(OTHERS, 1):
            write(r.RAL.at(n), int.from_bytes(mac[:4], "little"))
            write(r.RAH.at(n), int.from_bytes(mac[4:], "little") | 1 << 31)
            write(r.MPSAR.at(2 * n), 1 << n - 1)
        write(r.MPSAR.at(0), 1 << PF_POOL)
        write(r.VT_CTL.offset, r.VT_CTL.encode(VT_ENABLE=1, DEF_PL=PF_POOL))
        for register in (r.VFRE, r.VFTE):
            write(register.offset, 0b111)
        write(r.RXCTRL.offset, 1)
        write(r.DMATXCTL.offset, 1)
        self.rings = [Rings(_Bus(one), self.memory, VIRTUAL) for one in self.functions]
        self.rings.append(Rings(_Bus(self.card), self.memory, PHYSICAL.queue(2 * PF_POOL)))
        for one in self.rings:
            one.make()

    def _told(self, number: int) -> Callable[[int, int], None]:
        return lambda _, data: self.messages.append((f"vf{number}", data))

    def read(self, number: int, at: int) -> int:
        """A word, as a function's driver does."""
        return int.from_bytes(self.functions[number].read(REGISTERS, at, 4), "little")

    def write(self, number: int, at: int, word: int) -> None:
        self.functions[number].write(REGISTERS, at, word.to_bytes(4, "little"))

    def send(self, number: int, to: bytes) -> bytes:
        frame = to + bytes(6) + b"\x08\x00" + b"E" + bytes(59)
        self.rings[number].send(frame, Data(0, len(frame), len(frame), report=True))
        return frame

    def received(self) -> list[list[bytes]]:
        return [[frame for frame, _ in one.received()] for one in self.rings]


class _Bus:
    """Words of whichever board."""

    def __init__(self, board: Board | VirtualBoard) -> None:
        self._board = board

    def read(self, offset: int) -> int:
        return int.from_bytes(self._board.read(0, offset, 4), "little")

    def write(self, offset: int, word: int) -> None:
        self._board.write(0, offset, word.to_bytes(4, "little"))

    def wait(self, microseconds: int) -> None:
        """Nothing here takes time."""


# ------------------------------------------------------------------------------------------------------------ the mailbox


def test_the_mailbox_is_one_s_at_a_time() -> None:
    """Who comes first has it until he lets go; the PF can take it from a function that hangs."""
    shared = Shared()
    pf = r.PFMAILBOX
    shared.write(0, VFMAILBOX.offset, VFMAILBOX.encode(VFU=1))
    shared.chip.write(pf.offset, pf.encode(PFU=1))
    assert pf.decode(shared.chip.read(pf.offset)) == {"STS": 0, "ACK": 0, "VFU": 1, "PFU": 0, "RVFU": 0}
    shared.chip.write(pf.offset, pf.encode(RVFU=1))
    shared.chip.write(pf.offset, pf.encode(PFU=1))
    shared.write(0, VFMAILBOX.offset, VFMAILBOX.encode(VFU=1))
    assert (shared.read(0, VFMAILBOX.offset) >> 2 & 3, shared.chip.read(pf.offset)) == (0b10, 0b1000)
    assert shared.chip.read(pf.at(1)) == 0


def test_words_are_the_same_for_both() -> None:
    """Each function has its own sixteen."""
    shared = Shared()
    for n in range(16):
        shared.write(1, VFMBMEM.at(n), 0x100 + n)
    assert [shared.chip.read(r.PFMBMEM.at(n)) for n in range(16)] == [0] * 16
    assert [shared.chip.read(r.PFMBMEM.at(16 + n)) for n in range(16)] == list(range(0x100, 0x110))
    shared.chip.write(r.PFMBMEM.at(16), 7)
    assert (shared.read(1, VFMBMEM.offset), shared.read(0, VFMBMEM.offset)) == (7, 0)


def test_a_request_and_its_answer_are_announced() -> None:
    """The PF sees whose it is and is interrupted; what the function sees of the answer is gone when it has looked."""
    shared = Shared()
    shared.write(1, VFMAILBOX.offset, VFMAILBOX.encode(REQ=1))
    assert (shared.chip.read(r.MBVFICR.offset), shared.chip.values.get(r.EICR, "MAILBOX")) == (2, 1)
    shared.chip.write(r.MBVFICR.offset, 2)
    shared.chip.write(r.PFMAILBOX.at(1), r.PFMAILBOX.encode(ACK=1))
    assert shared.read(1, VFMAILBOX.offset) == VFMAILBOX.encode(PFACK=1)
    shared.chip.write(r.PFMAILBOX.at(1), r.PFMAILBOX.encode(STS=1))
    assert [shared.read(1, VFMAILBOX.offset) for _ in range(2)] == [VFMAILBOX.encode(PFSTS=1), 0]
    shared.write(1, VFMAILBOX.offset, VFMAILBOX.encode(ACK=1))
    assert shared.chip.read(r.MBVFICR.offset) == 2 << 16


def test_a_reset_of_a_function_is_told() -> None:
    """It loses the right to send and receive, until it is given back; others do not."""
    shared = Shared()
    shared.write(0, VFCTRL.offset, VFCTRL.encode(RST=1))
    assert [shared.chip.read(register.offset) for register in (r.VFRE, r.VFTE, r.VFLRE, r.VFLREC)] == [6, 6, 1, 1]
    assert shared.chip.values.get(r.EICR, "MAILBOX") == 1
    shared.send(0, FAR)
    shared.chip.arrive(OTHERS[0] + bytes(54))
    assert (shared.wire, shared.received()) == ([], [[], [], []])
    shared.chip.write(r.VFLREC.offset, 1)
    assert [shared.chip.read(register.offset) for register in (r.VFLRE, r.VFLREC)] == [0, 0]


@pytest.mark.parametrize("at", [0xA8, None])
def test_functions_know_of_a_reset_of_the_chip(at: int | None) -> None:
    """RSTI until the PF's driver says that it is done, then RSTD once. A function is reset by its own control too."""
    shared = Shared()
    if at is not None:
        shared.functions[0].configure(at, 2, 0x8000)
        assert (shared.chip.read(r.VFLREC.offset), shared.read(0, VFMAILBOX.offset)) == (1, 0)
        return
    shared.chip.write(r.CTRL.offset, 1 << 26)
    assert shared.read(0, VFMAILBOX.offset) == VFMAILBOX.encode(RSTI=1)
    shared.chip.write(r.CTRL_EXT.offset, r.CTRL_EXT.encode(PFRSTD=1))
    assert [shared.read(0, VFMAILBOX.offset) for _ in range(2)] == [VFMAILBOX.encode(RSTD=1), 0]


# ----------------------------------------------------------------------------------------------------------------- frames


def test_frames_go_to_the_pool_of_their_address() -> None:
    """What nobody has is the default pool's, or nobody's; what is for all goes to all that want it."""
    shared = Shared()
    for to in (*OTHERS, MAC, FAR):
        shared.chip.arrive(to + bytes(54))
    assert [[frame[:6] for frame in one] for one in shared.received()] == [[OTHERS[0]], [OTHERS[1]], [MAC, FAR]]
    shared.chip.write(r.VT_CTL.offset, r.VT_CTL.encode(VT_ENABLE=1, DEF_PL=PF_POOL, DIS_DEFPL=1))
    shared.chip.arrive(FAR + bytes(54))
    assert (shared.received(), shared.chip.counts.not_enabled) == ([[], [], []], 1)
    shared.chip.write(r.VMOLR.at(0), r.VMOLR.encode(BAM=1))
    shared.chip.write(r.VMOLR.at(2), r.VMOLR.encode(MPE=1))
    shared.chip.arrive(b"\xff" * 6 + bytes(54))
    shared.chip.arrive(b"\x33\x33\0\0\0\1" + bytes(54))
    assert [len(one) for one in shared.received()] == [1, 0, 1]


def test_what_is_for_another_pool_stays_inside() -> None:
    """If the switch is on; the rest leaves."""
    shared = Shared()
    shared.send(0, OTHERS[1])
    shared.send(0, FAR)
    assert [frame[:6] for frame in shared.wire] == [OTHERS[1], FAR]
    shared.chip.write(r.PFDTXGSWC.offset, 1)
    shared.wire.clear()
    shared.send(0, OTHERS[1])
    shared.send(0, FAR)
    assert [frame[:6] for frame in shared.wire] == [FAR]
    assert [len(one) for one in shared.received()] == [0, 1, 0]


def test_what_the_engine_has_protected_is_not_handed_over() -> None:
    """It is lost, and counted (X550 7.13)."""
    shared = Shared()
    shared.chip.write(r.PFDTXGSWC.offset, 1)
    shared.chip._block.append((OTHERS[1] + bytes(54), True))
    shared.chip._flush()
    assert (shared.wire, shared.received(), shared.chip.counts.not_handed_over) == ([], [[], [], []], 1)


def test_queues_begin_where_the_pools_say() -> None:
    """A function's are numbered from zero on; more than it has are nobody's."""
    shared = Shared()
    shared.write(1, 0x2000 + 0x40, 0x1230)
    assert shared.chip.read(r.TDBAL.at(3)) == shared.read(1, 0x2040) == 0x1230
    shared.write(1, 0x2000 + 0x80, 0x4560)
    assert (shared.chip.read(r.TDBAL.at(4)) != 0x4560, shared.read(1, 0x2080)) == (True, 0)
    for mode, each in ((0, 0), (1, 8), (2, 4), (3, 2)):
        shared.chip.write(r.GCR_EXT.offset, mode)
        assert (pools.queues(shared.chip.values), pools.owner(shared.chip.values, 9)) == (
            each,
            9 // each if each else None,
        )


def test_the_far_half_of_the_addresses_counts_too() -> None:
    """As the near one, which has another place."""
    shared = Shared()
    shared.chip.write(r.RAL_FAR.at(111), int.from_bytes(FAR[:4], "little"))
    shared.chip.write(r.RAH_FAR.at(111), int.from_bytes(FAR[4:], "little") | 1 << 31)
    shared.chip.write(r.MPSAR.at(2 * 127 + 1), 1 << 31)
    assert pools.local(shared.chip.values, FAR) == [63]
    shared.chip.write(r.RAH_FAR.at(111), int.from_bytes(FAR[4:], "little"))
    assert pools.local(shared.chip.values, FAR) == []


# -------------------------------------------------------------------------------------------------------------- the board


def test_a_function_is_nobody_on_the_bus() -> None:
    """Where it stands, and where its windows are, the PF's capability says; windows are cut to their size."""
    shared = Shared()
    assert shared.functions[0].read_configuration(0, 4) == 0xFFFFFFFF
    card = Board(shared.memory, shared.wire.append, lambda *_: None, MAC, functions=3, apart=8)
    assert struct.unpack("<HHI", card.read_configuration(0x100, 4).to_bytes(4, "little") + bytes(4))[:2] == (0x10, 1)
    told = b"".join(card.read_configuration(0x100 + at, 4).to_bytes(4, "little") for at in range(0, 0x24, 4))
    assert struct.unpack_from("<HHHHHHHH", told, 0x0C) == (3, 3, 0, 0, 8, 8, 0, 0x10ED)
    card.configure(0x110, 2, 2)
    card.configure(0x108, 2, 0xFFFF)
    assert (card.read_configuration(0x110, 2), card.read_configuration(0x108, 2)) == (2, 0x1F)
    for at, expected in ((0x124, 0xFFFFC004), (0x128, 0xFFFFFFFF), (0x130, 0xFFFFC004), (0x12C, 0)):
        card.configure(at, 4, 0xFFFFFFFF)
        assert card.read_configuration(at, 4) == expected
    assert shared.card.read_configuration(0x100, 4) == 0


def test_a_function_s_interrupts_are_its_own() -> None:
    """Of its queues and its mailbox, if the vector is on, which goes off by itself where it is to."""
    shared = Shared()
    one = shared.functions[0]
    for number in range(3):
        one.write(INTERRUPTS, 16 * number, struct.pack("<IIII", 0xFEE00000, 0, number, 0))
    one.configure(0x72, 2, 0x8000)
    shared.write(0, VTIVAR.offset, 0x8081)
    shared.write(0, VTIVAR_MISC.offset, 0x82)
    shared.chip.arrive(OTHERS[0] + bytes(54))
    assert (shared.messages, shared.read(0, VTEICR.offset), shared.read(0, VTEICR.offset)) == ([], 2, 0)
    shared.write(0, VTEIMS.offset, 0b011)
    shared.write(0, VTEIMS.offset, 0b100)
    shared.write(0, VTEIAM.offset, 0b001)
    shared.chip.arrive(OTHERS[0] + bytes(54))
    shared.send(0, FAR)
    shared.chip.write(r.PFMAILBOX.offset, r.PFMAILBOX.encode(STS=1))
    assert shared.messages == [("vf0", 1), ("vf0", 0), ("vf0", 2)]
    assert shared.read(0, VTEIMS.offset) == 0b110
    shared.write(0, VTEIMC.offset, 0b010)
    shared.write(0, VTEICS.offset, 0b011)
    assert (len(shared.messages), shared.read(0, VTEICR.offset)) == (3, 0b011)
    assert shared.functions[0].read(INTERRUPTS, 0x2000, 8) == bytes(8)


def test_the_rest_reads_as_zero() -> None:
    """But link and status, which are the chip's."""
    shared = Shared()
    assert shared.read(0, VFLINKS.offset) == shared.chip.read(r.LINKS.offset)
    assert shared.read(0, VFSTATUS.offset) == shared.chip.read(r.STATUS.offset)
    shared.write(0, 0x48, 1)
    assert (shared.read(0, 0x48), shared.functions[0].read(REGISTERS, 0x10, 2)) == (0, bytes(2))
    assert virtual.MAP.find(0x48) is None
