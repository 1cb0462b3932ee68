"""What stands in the chip, and what happens to it, in words: for whoever looks at a driver at work.

Names are the data sheet's. Fields that are zero are left out, as are entries of tables and registers that are as after a
reset.
"""

from collections.abc import Iterator
from dataclasses import fields
from typing import Any, NamedTuple

from espproof.reference.offload.niantic import descriptors, registers
from espproof.reference.offload.niantic.descriptors import Context, Data, Report
from espproof.reference.offload.niantic.tables import Spi, Tables, TxSa
from espproof.reference.offload.registers import Place, Register, Values

LANES = "driver", "card", "wire"
"""Who does something: the driver to registers; the card to descriptors; both to the wire."""
_SHORT = 10
"""A number below is decimal."""
_ERRORS = {
    descriptors.NO_ERROR: "no error",
    descriptors.INVALID_PROTOCOL: "invalid protocol",
    descriptors.INVALID_LENGTH: "invalid length",
    descriptors.AUTHENTICATION_FAILED: "authentication failed",
}
_TAIL_AND_HEAD = {registers.TDH, registers.TDT, registers.RDH, registers.RDT}


class Ring(NamedTuple):
    """Descriptors from `head` up to `tail` are the card's, the others the driver's."""

    name: str
    size: int
    head: int
    tail: int


def of_register(place: Place, word: int) -> str:
    """Its name, and what a word says in it."""
    register, copy = place
    name = register.name if register.copies == 1 else f"{register.name}[{copy}]"
    told = [f"{key} {_number(value)}" for key, value in register.decode(word).items() if value]
    return f"{name}  {', '.join(told) or '0'}"


def of_descriptor(octets: bytes) -> str:
    """One that the card has fetched to send."""
    kind = descriptors.kind(octets)
    if kind == descriptors.TYPE_CONTEXT:
        return f"context: {_of(Context.read(octets), Context())}"
    if kind == descriptors.TYPE_DATA:
        data = Data.read(octets)
        return f"{data.length} octets at {data.address:#x}: {_of(data, Data(data.address, data.length, last=False))}"
    return f"what is no descriptor: {octets.hex()}"


def of_report(report: Report) -> str:
    """One that the card writes back."""
    found = f", SECP, {_ERRORS[report.error]}" if report.matched else ""
    return f"{report.length} octets{'' if report.last else ', more follows'}{found}"


def of_tables(tables: Tables) -> Iterator[tuple[str, int, str]]:
    """Table, index, and what stands there."""
    blank = Tables()
    for index, tx in enumerate(tables.tx):
        if tx != TxSa():
            yield "Tx SA", index, f"key {tx.key.hex()}, salt {tx.salt.hex()}"
    for index, address in enumerate(tables.addresses):
        if any(address):
            yield "address", index, address.hex(":", 4)
    for index, spi in enumerate(tables.spis):
        if spi != Spi():
            yield "SPI", index, f"{spi.spi.hex()}, address {spi.address}"
    for index, key in enumerate(tables.keys):
        if key != blank.keys[index]:
            mode = registers.IPSRXMOD.decode(key.mode)
            told = ", ".join(name for name, value in mode.items() if value)
            yield "key", index, f"{told or 'not valid'}, key {key.key.hex()}, salt {key.salt.hex()}"


def of_registers(values: Values) -> Iterator[str]:
    """Those that are not as after a reset; rings are `of_rings`."""
    for register in values.block:
        for copy in range(register.copies):
            word = values.word(register, copy)
            if word != register.reset and register not in _TAIL_AND_HEAD:
                yield of_register(Place(register, copy), word)


def of_rings(values: Values) -> Iterator[Ring]:
    """Those that a driver has made."""
    for name, count, length, head, tail in (
        ("Tx", registers.TX_QUEUES, registers.TDLEN, registers.TDH, registers.TDT),
        ("Rx", registers.RX_QUEUES, registers.RDLEN, registers.RDH, registers.RDT),
    ):
        for queue in range(count):
            if size := _first(values, length, queue) // descriptors.SIZE:
                yield Ring(f"{name} {queue}", size, _first(values, head, queue), _first(values, tail, queue))


def _first(values: Values, register: Register, queue: int) -> int:
    return register.fields[0].of(values.word(register, queue))


def _of(descriptor: Any, usual: Any) -> str:
    """The fields that are not as usual."""
    told = []
    for one in fields(descriptor):
        value = getattr(descriptor, one.name)
        if value != getattr(usual, one.name) or one.name in ("mac_length", "ip_length", "sa"):
            name = one.name.replace("_", " ")
            told.append(name if value is True else f"no {name}" if value is False else f"{name} {_number(value)}")
    return ", ".join(told) or "as usual"


def _number(value: int) -> str:
    return str(value) if value < 1 << _SHORT else f"{value:#x}"
