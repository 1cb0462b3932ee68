"""An endpoint with a device, as far as whoever runs the model asks it: who does the cipher of which SA, and how often."""

from collections import Counter

from espproof.reference.endpoint import Endpoint


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

    def close(self) -> None:
        """Delete every SA."""
        for name in self.names:
            self.delete(name)

    @property
    def names(self) -> tuple[str, ...]:
        """Of all SAs."""
        return tuple(self._entries)
