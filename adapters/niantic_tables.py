"""What an 82599 knows of SAs that a foreign driver has put into its tables, beside those of a case.

A driver says to nobody which place it has given an SA. So an SA of a case is the one in the tables that has its key, or
inbound its SPI and destination; of several with one key the first has the first place.
"""

from collections.abc import Collection, Iterable, Mapping
from ipaddress import ip_address
from types import MappingProxyType
from typing import Any, Protocol

from espproof.adapters.case import DeviceSa, DeviceState, Sa
from espproof.adapters.translate import breaches_of
from espproof.reference.offload.niantic import registers
from espproof.reference.offload.niantic.device import Niantic
from espproof.reference.offload.niantic.tables import Handle
from espproof.reference.offload.rules import Breach

_CARRIERS = (
    (registers.IPSTXKEY, registers.IPSTXSALT),
    (registers.IPSRXKEY, registers.IPSRXSALT),
)
"""Registers that keep what was written into a table last."""


class Given(Protocol):
    """What is looked for of an SA: one of a case, or the reference's."""

    @property
    def direction(self) -> str: ...

    @property
    def spi(self) -> int: ...

    @property
    def destination(self) -> Any: ...

    @property
    def encr_key(self) -> bytes: ...

    @property
    def salt(self) -> bytes: ...


def told(
    chip: Niantic,
    sas: Mapping[str, Sa],
    passed: Mapping[str, int],
    breaches: Iterable[Breach],
    before: Mapping[str, int] = MappingProxyType({}),
) -> DeviceState:
    """Of these SAs, which are all that there are, and of which no more packets than so many can have been sent or
    delivered: what else the chip has opened, the stack has discarded. `before` are packets that it had done when its
    tables were written anew."""
    places = _places(chip, sas)
    return DeviceState(
        sas=tuple(
            DeviceSa(sa=name, by="software", packets=0, reason="it is in no table of the card")
            if place is None
            else DeviceSa(
                sa=name, by="device", packets=min(chip.done[place] + before.get(name, 0), passed.get(name, 0))
            )
            for name, place in places.items()
        ),
        entries=entries(chip),
        left=left(chip, sas),
        breaches=breaches_of(breaches),
    )


def entries(chip: Niantic) -> int:
    """SAs that the tables hold: an outbound one by its key, which is never zero."""
    return sum(any(one.key) for one in chip.tables.tx) + sum(one.valid for one in chip.tables.keys)


def done(chip: Niantic, sas: Mapping[str, Given]) -> dict[str, int]:
    """Packets of each SA that the chip has done since its tables were written."""
    return {name: chip.done[place] for name, place in _places(chip, sas).items() if place is not None}


def _places(chip: Niantic, sas: Mapping[str, Given]) -> dict[str, Handle | None]:
    places: dict[str, Handle | None] = {}
    for name, sa in sas.items():
        places[name] = place(chip, sa, [one for one in places.values() if one is not None])
    return places


def place(chip: Niantic, sa: Given, others: Collection[Handle] = ()) -> Handle | None:
    """Where an SA is, and no other of the case; None if it is nowhere."""
    tables = chip.tables
    if sa.direction == "out":
        found = (n for n, one in enumerate(tables.tx) if (one.key, one.salt) == (sa.encr_key, sa.salt))
    else:
        spi, address = sa.spi.to_bytes(4, "big"), ip_address(sa.destination).packed.rjust(16, b"\0")
        found = (
            n
            for n, (key, entry) in enumerate(zip(tables.keys, tables.spis, strict=True))
            if key.valid and entry.spi == spi and tables.addresses[entry.address] == address
        )
    handles = (Handle(sa.direction, index) for index in found)
    return next((one for one in handles if one not in others), None)


def left(chip: Niantic, sas: Mapping[str, Given]) -> int:
    """Octets of keys, salts, SPIs and addresses that are of none of these SAs, which are all that there are."""
    tables, values = chip.tables, chip.values
    places = {place for place in _places(chip, sas).values() if place is not None}
    strange = [one.key + one.salt for n, one in enumerate(tables.tx) if Handle("out", n) not in places]
    inbound = {place.index for place in places if place.direction == "in"}
    for n, (key, spi) in enumerate(zip(tables.keys, tables.spis, strict=True)):
        strange += [] if n in inbound else [key.key + key.salt, spi.spi]
    used = {tables.spis[n].address for n in inbound}
    strange += [octets for n, octets in enumerate(tables.addresses) if n not in used]
    known = {(bytes(sa.encr_key), bytes(sa.salt)) for sa in sas.values()}
    for key_register, salt_register in _CARRIERS:
        octets = b"".join(values.word(key_register, 3 - n).to_bytes(4, "big") for n in range(4))
        salt_octets = values.word(salt_register).to_bytes(4, "big")
        strange += [] if (octets, salt_octets) in known else [octets, salt_octets]
    return sum(octet != 0 for octet in b"".join(strange))
