"""An endpoint with a device, as far as whoever runs the model asks it: who does the cipher of which SA, and how often."""

from collections import Counter

from espproof.reference.endpoint import Endpoint
from espproof.reference.sa import SecurityAssociation

ALIKE = "another SA has its SPI, and the device could not tell the two apart"
_NOT_BY_DESTINATION = {"spi", "spi+destination+source"}


class Accounts(Endpoint):
    """`stack` and `aside` are such; `offloaded` is theirs."""

    def __init__(self) -> None:
        super().__init__()
        self.handled: Counter[str] = Counter()
        """Of each SA, how many packets that were sent or delivered the device has done."""
        self.fallbacks: dict[str, str] = {}
        """Of each SA that is software's: why."""

    def delete(self, name: str) -> None:
        super().delete(name)
        self.fallbacks.pop(name, None)
        self.handled.pop(name, None)

    def alike(self, sa: SecurityAssociation) -> list[str]:
        """Other inbound SAs that the device, which knows SPI and destination, could not tell from this one: of packets of
        the one it would take the other for theirs. An SA that is found by its source leaves packets with its destination
        to one that is found by the SPI alone."""
        if sa.direction != "in":
            return []
        return [
            one.name
            for one in (entry.sa for entry in self._entries.values())
            if one.direction == "in"
            and (one.name != sa.name and one.spi == sa.spi)
            and (one.destination == sa.destination or {one.lookup, sa.lookup} == _NOT_BY_DESTINATION)
        ]

    def close(self) -> None:
        """Delete every SA."""
        for name in self.names:
            self.delete(name)

    @property
    def names(self) -> tuple[str, ...]:
        """Of all SAs."""
        return tuple(self._entries)
