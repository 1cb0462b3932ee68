"""The inbound SAD: which SA a packet belongs to (RFC 4301 4.1, RFC 4303 2.1 and 3.4.2).

Each SA says what it is looked up by. The search takes the most specific match: SPI, destination and source; then SPI and
destination; then SPI alone. `linear_search` is that text, word by word; `Sad` gives the same answer in constant time.
"""

from collections.abc import Iterable
from typing import Generic, Protocol, TypeVar

from espproof.reference.errors import Misuse
from espproof.reference.sa import SecurityAssociation


class HasSa(Protocol):
    """An entry: anything that carries its SA's parameters."""

    @property
    def sa(self) -> SecurityAssociation: ...


class HasAddresses(Protocol):
    """A packet's source and destination, octets in network order: `ip.Packet` is one."""

    @property
    def source(self) -> bytes: ...
    @property
    def destination(self) -> bytes: ...


Entry = TypeVar("Entry", bound=HasSa)


def key_of(sa: SecurityAssociation) -> bytes:
    """What an SA is stored under: SPI ‖ destination ‖ source as in its packets, the addresses only where it asks for them.

    No two kinds of key have the same length: 4, 8 or 20, 12 or 36 octets.
    """
    key = sa.spi.to_bytes(4, "big")
    if sa.lookup != "spi":
        key += sa.destination.packed
    return key + sa.source.packed if sa.lookup == "spi+destination+source" else key


class Sad(Generic[Entry]):
    """Inbound SAs by their key; two SAs with the same key cannot be told apart and are refused."""

    def __init__(self) -> None:
        self._entries: dict[bytes, Entry] = {}
        self._addressed = 0  # SAs that ask for addresses; as long as there is none, the SPI alone decides

    def add(self, entry: Entry) -> None:
        key = key_of(entry.sa)
        if key in self._entries:
            raise Misuse(f"an inbound SA with SPI {entry.sa.spi:#010x} and the same {entry.sa.lookup} exists")
        self._entries[key] = entry
        self._addressed += entry.sa.lookup != "spi"

    def delete(self, entry: Entry) -> None:
        del self._entries[key_of(entry.sa)]
        self._addressed -= entry.sa.lookup != "spi"

    def find(self, spi: bytes, packet: HasAddresses) -> Entry | None:
        """The SA of a packet with that SPI (4 octets, as they stand in it), or None."""
        entries = self._entries
        if not self._addressed:
            return entries.get(spi)
        source, destination = packet.source, packet.destination
        both = spi + destination
        return entries.get(both + source) or entries.get(both) or entries.get(spi)


def linear_search(entries: Iterable[Entry], spi: bytes, packet: HasAddresses) -> Entry | None:
    """RFC 4301 4.1 as it is written: one pass over the SAD for each of the three degrees of match."""
    candidates = [entry for entry in entries if entry.sa.spi == int.from_bytes(spi, "big")]
    for lookup in ("spi+destination+source", "spi+destination", "spi"):
        for entry in candidates:
            if entry.sa.lookup != lookup:
                continue
            if lookup != "spi" and entry.sa.destination.packed != packet.destination:
                continue
            if lookup == "spi+destination+source" and entry.sa.source.packed != packet.source:
                continue
            return entry
    return None
