"""What is written to the audit log: RFC 4303 section 4. One record per auditable event, with what it asks for.

The time is left out, which nobody can foresee. Fragments are put together here and so are never offered to ESP.
"""

from collections import deque
from dataclasses import dataclass

from espproof.reference import ip
from espproof.reference.drops import DropReason
from espproof.reference.esp import sequence_low, spi_of
from espproof.reference.sa import SecurityAssociation

EVENTS = frozenset((DropReason.NO_SA, DropReason.REPLAY, DropReason.INTEGRITY, DropReason.SEQUENCE_OVERFLOW))
MOST = 1000
"""Records that are kept; of more, the last."""


@dataclass(frozen=True, slots=True)
class Record:
    """`source` and `destination` in network order, as in the packet's outer header; `sequence` as in the packet, 32 bits;
    `flow` is the flow label of an outer IPv6 header, in clear. None of what there is not."""

    event: DropReason
    spi: int
    source: bytes
    destination: bytes
    sequence: int | None = None
    flow: int | None = None


class AuditLog:
    """The records since they were last read."""

    def __init__(self) -> None:
        self._records: deque[Record] = deque(maxlen=MOST)

    def received(self, event: DropReason, outer: ip.Packet, esp: bytes) -> None:
        """A packet was discarded; if that is an auditable event, it is recorded."""
        if event in EVENTS:
            flow = int.from_bytes(outer.header[:4], "big") & 0xFFFFF if outer.version == 6 else None
            self._records.append(Record(event, spi_of(esp), outer.source, outer.destination, sequence_low(esp), flow))

    def not_sent(self, event: DropReason, sa: SecurityAssociation) -> None:
        """A packet was not sent, as the SA has no number for it."""
        self._records.append(Record(event, sa.spi, sa.source.packed, sa.destination.packed))

    def read(self) -> tuple[Record, ...]:
        """All records, the oldest first, which are forgotten with that."""
        records = tuple(self._records)
        self._records.clear()
        return records
