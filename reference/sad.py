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


Entry = TypeVar("Entry", bound=HasSa)
Key = tuple[int, bytes | None, bytes | None]
"""SPI, destination and source; None where the SA does not ask for it."""


def key_of(sa: SecurityAssociation) -> Key:
    """What an SA is stored under. Addresses are octets in network order."""
    destination = sa.destination.packed if sa.lookup != "spi" else None
    return sa.spi, destination, sa.source.packed if sa.lookup == "spi+destination+source" else None


class Sad(Generic[Entry]):
    """Inbound SAs by their key; two SAs with the same key cannot be told apart and are refused."""

    def __init__(self) -> None:
        self._entries: dict[Key, Entry] = {}

    def add(self, entry: Entry) -> None:
        key = key_of(entry.sa)
        if key in self._entries:
            raise Misuse(f"an inbound SA with SPI {entry.sa.spi:#010x} and the same {entry.sa.lookup} exists")
        self._entries[key] = entry

    def delete(self, entry: Entry) -> None:
        del self._entries[key_of(entry.sa)]

    def find(self, spi: int, destination: bytes, source: bytes) -> Entry | None:
        """The SA of a packet with that SPI from `source` to `destination` (octets, network order), or None."""
        entries = self._entries
        found = entries.get((spi, None, None))
        if found is not None and len(entries) == 1:
            return found
        return entries.get((spi, destination, source)) or entries.get((spi, destination, None)) or found


def linear_search(entries: Iterable[Entry], spi: int, destination: bytes, source: bytes) -> Entry | None:
    """RFC 4301 4.1 as it is written: one pass over the SAD for each of the three degrees of match."""
    candidates = [entry for entry in entries if entry.sa.spi == spi]
    for lookup in ("spi+destination+source", "spi+destination", "spi"):
        for entry in candidates:
            if entry.sa.lookup != lookup:
                continue
            if lookup != "spi" and entry.sa.destination.packed != destination:
                continue
            if lookup == "spi+destination+source" and entry.sa.source.packed != source:
                continue
            return entry
    return None
