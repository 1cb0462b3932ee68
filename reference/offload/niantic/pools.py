"""Pools: which queues are whose, and whom a frame is for, once the chip is shared with virtual functions.

A pool is a virtual function's, by its number, or one of those behind them, which are the PF's. How many there are, and so
how many queues each has, GCR_EXT.VT_MODE says. Within a pool all goes to its first queue: RSS is not modelled. Facts are
those of Linux' ixgbe_main.c and ixgbe_common.c.
"""

from collections.abc import Iterator

from espproof.reference.offload.niantic import registers
from espproof.reference.offload.registers import Register, Values

_POOLS = {1: 16, 2: 32, 3: 64}
"""VT_MODE -> pools."""
_GROUP = 0x01
"""Bit of the first octet of an Ethernet address that is a group's."""
_BROADCAST = b"\xff" * 6


def queues(values: Values) -> int:
    """Of each pool; 0 if there are none."""
    pools = _POOLS.get(values.get(registers.GCR_EXT, "VT_MODE"), 0)
    return registers.TX_QUEUES // pools if pools and values.get(registers.VT_CTL, "VT_ENABLE") else 0


def owner(values: Values, queue: int) -> int | None:
    """The pool of a queue; None if there are no pools."""
    each = queues(values)
    return queue // each if each else None


def may(values: Values, register: Register, pool: int) -> bool:
    """Whether VFRE or VFTE lets a pool receive or send."""
    return bool(values.word(register, pool // 32) >> pool % 32 & 1)


def receivers(values: Values, destination: bytes) -> list[int]:
    """The pools that a frame for an Ethernet address goes to: those of the address, all that take what is for a group, or
    the default pool, if there is one. The table of multicast addresses is not modelled: who takes some, takes all."""
    if destination[:1] and destination[0] & _GROUP:
        wanted = ("BAM",) if destination == _BROADCAST else ("ROMPE", "MPE")
        found = [n for n in range(registers.FUNCTIONS) if any(values.get(registers.VMOLR, bit, n) for bit in wanted)]
    else:
        found = local(values, destination)
        if not found and not values.get(registers.VT_CTL, "DIS_DEFPL"):
            found = [values.get(registers.VT_CTL, "DEF_PL")]
    return [pool for pool in found if may(values, registers.VFRE, pool)]


def local(values: Values, address: bytes) -> list[int]:
    """The pools that have an Ethernet address."""
    pools = 0
    for index, known in _addresses(values):
        if known == address:
            pools |= values.word(registers.MPSAR, 2 * index) | values.word(registers.MPSAR, 2 * index + 1) << 32
    return [pool for pool in range(registers.FUNCTIONS) if pools >> pool & 1]


def _addresses(values: Values) -> Iterator[tuple[int, bytes]]:
    """Those that are valid, with their place in the table."""
    first = 0
    for low, high in ((registers.RAL, registers.RAH), (registers.RAL_FAR, registers.RAH_FAR)):
        for copy in range(low.copies):
            if values.get(high, "AV", copy):
                octets = values.word(low, copy).to_bytes(4, "little")
                yield first + copy, octets + values.get(high, "HIGH", copy).to_bytes(2, "little")
        first += low.copies
