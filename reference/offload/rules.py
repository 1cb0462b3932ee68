"""What a data sheet demands of a driver, and the memory of when it was not kept.

A real card that is treated against its rules does something or other. A model does what the data sheet says, or the
likeliest where it says nothing, and notes which rule was broken: whoever writes a driver against it is told in the words
of the rule.
"""

from dataclasses import dataclass

TOPICS = "order", "lookup", "settings", "tables", "cleared", "descriptors", "packets", "icv", "messages", "metadata"
"""What rules are about: stopping and draining; when the search for SAs is switched; what registers say meanwhile; how
tables are accessed; what is emptied after a reset; descriptors and rings; what a packet is when it is handed
over; what stands where its ICV is to be; what a device is asked in messages, and when; what goes with each packet."""


@dataclass(frozen=True, slots=True)
class Rule:
    """`source` is document and section; `words` say what has to be so, in ours. `topic` is one of `TOPICS`."""

    id: str
    topic: str
    source: str
    words: str


@dataclass(frozen=True, slots=True)
class Breach:
    """A rule that was broken, and by what."""

    rule: Rule
    what: str

    def __str__(self) -> str:
        return f"{self.rule.source}: {self.rule.words}; {self.what}"


class Breaches:
    """Those of one device since it was made or last asked, in order; the same one by the same deed is told once."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], Breach] = {}

    def note(self, rule: Rule, what: str) -> None:
        self._found.setdefault((rule.id, what), Breach(rule, what))

    def seen(self) -> tuple[Breach, ...]:
        """What was found, and is kept."""
        return tuple(self._found.values())

    def taken(self) -> tuple[Breach, ...]:
        """What was found; forgotten afterwards."""
        found = tuple(self._found.values())
        self._found.clear()
        return found

    def __len__(self) -> int:
        return len(self._found)
