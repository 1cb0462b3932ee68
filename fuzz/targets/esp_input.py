"""`esp-input`: one packet with a right ICV, whatever is behind it, on one SA in its starting state.

The input is the packet as it is on the wire, so that a finding can be sent to anything. The mutator opens it, changes
the plaintext and seals it again.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import ClassVar

from espproof.adapters.base import Adapter
from espproof.adapters.case import Case, Inbound, Octets
from espproof.adapters.models.reference import ReferenceAdapter
from espproof.conformance.requirements.ids import MALFORMED
from espproof.fuzz.packets.associations import ASSOCIATIONS, fitting
from espproof.fuzz.packets.changes import Change
from espproof.fuzz.packets.inner import INNER
from espproof.fuzz.packets.mutator import Mutator
from espproof.fuzz.packets.sealed import Keys, with_trailer
from espproof.fuzz.packets.simpler import simpler
from espproof.fuzz.targets.base import Target
from espproof.fuzz.targets.comparison import Comparison, one_packet


class EspInput(Target):
    name: ClassVar[str] = "esp-input"
    what: ClassVar[str] = "ESP input behind the ICV: decrypt, change the plaintext, seal again"
    mutates: ClassVar[bool] = True

    def __init__(self, adapter: Adapter) -> None:
        super().__init__(adapter)
        self._caps = adapter.capabilities()
        self.keys = Keys(fitting(self._caps))
        self._comparison = Comparison(adapter)
        self._mutator = Mutator(self.keys, tuple(_packets(self.keys).values()))

    def one_input(self, octets: bytes) -> None:
        number = self.keys.number_of(octets)
        if number is not None:
            self._comparison.execute(self._case(octets, number))

    def mutate(self, octets: bytes, max_size: int, seed: int, change: Change) -> bytes:
        return self._mutator.mutate(octets, max_size, seed, change)

    def unchecked(self) -> Callable[[bytes], object]:
        reference = ReferenceAdapter()

        def one_input(octets: bytes) -> None:
            number = self.keys.number_of(octets)
            if number is not None:
                reference.execute(self._case(octets, number))

        return one_input

    def case(self, octets: bytes) -> Case:
        number = self.keys.number_of(octets)
        if number is None:
            return Case(version=1, steps=(Inbound(packet=Octets(octets), requirement=MALFORMED),))
        return self._case(octets, number)

    def _case(self, octets: bytes, number: int) -> Case:
        return one_packet(self.keys.sas[number], octets, self._caps)

    def simpler(self, octets: bytes) -> Iterator[bytes]:
        sealed = self.keys.open(octets)
        if sealed is None:
            yield from super().simpler(octets)
            return
        for less in simpler(sealed, self.keys):
            packet = self.keys.seal(less)
            if packet is not None:
                yield packet

    @classmethod
    def seeds(cls) -> Mapping[str, bytes]:
        return _packets(Keys(ASSOCIATIONS))


def _packets(keys: Keys) -> dict[str, bytes]:
    """Every small payload on every SA that can carry it, and one without: names tell both."""
    found: dict[str, bytes] = {}
    for number, sa in enumerate(keys.sas):
        for next_header, payload in INNER:
            if (sa.mode == "tunnel") == (next_header in (4, 41)) or next_header == 59:
                plaintext = with_trailer(payload, next_header, keys.codec(number).alignment)
                packet = keys.seal(keys.new(number, plaintext, traffic_class=0x02))
                assert packet is not None, "a seed is small"
                found[f"{sa.name}-{next_header}-{len(payload)}"] = packet
    return found
