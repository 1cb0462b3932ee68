"""The structure-aware mutator: decrypt, change the plaintext where parsers look, seal again.

One mutation is one to three of the changes in `changes.CHANGES`. Every result passes the ICV, whatever else is wrong
with it. `change` is libFuzzer's own mutation of a piece of octets, which knows what comparisons failed and which words
are in the dictionary.

Numbers are drawn from the fuzzer's seed alone: the same seed makes the same mutation.
"""

import random
from collections.abc import Sequence

from espproof.fuzz.packets.changes import CHANGES, Change, Tools
from espproof.fuzz.packets.draft import Draft, drafted, finished
from espproof.fuzz.packets.sealed import Keys
from espproof.reference.esp import HEADER_SIZE, MAX_PADDING, TRAILER_SIZE


class Mutator:
    """Mutates sealed packets; `spares` are good ones, taken when an input does not open."""

    def __init__(self, keys: Keys, spares: Sequence[bytes]) -> None:
        self.keys = keys
        self._spares = tuple(sealed for packet in spares if (sealed := keys.open(packet)) is not None)
        self._changes = [change for weight, change in CHANGES for _ in range(weight)]

    def mutate(self, packet: bytes, max_size: int, seed: int, change: Change) -> bytes:
        """Another packet with a right ICV, of at most `max_size` octets where that is possible at all."""
        rng = random.Random(seed)
        sealed = self.keys.open(packet)
        draft = drafted(rng.choice(self._spares) if sealed is None else sealed)
        overhead = len(draft.front) + len(draft.udp) + self._fixed(draft.sa) + TRAILER_SIZE + MAX_PADDING
        tools = Tools(self.keys, rng, change, max(max_size - overhead, 0))
        for _ in range(rng.choice((1, 1, 1, 2, 2, 3))):
            rng.choice(self._changes)(draft, tools)
        mutated = self._seal(draft, max_size)
        return packet if mutated is None else mutated

    def _fixed(self, number: int) -> int:
        codec = self.keys.codec(number)
        return HEADER_SIZE + codec.iv_size + codec.icv_size

    def _seal(self, draft: Draft, max_size: int) -> bytes | None:
        """The packet; with less payload, then less of everything, if it is too long."""
        packet = self.keys.seal(finished(draft, self.keys))
        if packet is not None and len(packet) <= max_size:
            return packet
        surplus = 65536 if packet is None else len(packet) - max_size
        draft.payload = draft.payload[: max(len(draft.payload) - surplus - 16, 0)]
        packet = self.keys.seal(finished(draft, self.keys))
        return packet if packet is not None and len(packet) <= max_size else None
