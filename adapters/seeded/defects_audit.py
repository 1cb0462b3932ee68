"""Defects of the audit log. All are ours: no implementation that we know has a log which the suite reads."""

from espproof.adapters.seeded.model import defect

_RECEIVED = "        if event in EVENTS:\n"
_LOGGED = "        self.audit.received(result, outer, esp)\n"

DEFECTS = (
    defect(
        "audit-no-sa-forgotten", "ours", "audit",
        "a packet that no SA takes is discarded without a record",
        ("endpoint", "            self.audit.received(DropReason.NO_SA, outer, esp)\n", ""),
        breaks=("RFC4303-4-no-sa-logged",),
    ),
    defect(
        "audit-addresses-swapped", "ours", "audit",
        "source and destination of a record are the wrong way round",
        ("audit", "spi_of(esp), outer.source, outer.destination,", "spi_of(esp), outer.destination, outer.source,"),
        breaks=("RFC4303-4-no-sa-logged", "RFC4303-4-icv-wrong-logged"),
    ),
    defect(
        "audit-replay-as-integrity", "ours", "audit",
        "a replay is recorded as a packet with a wrong ICV",
        ("audit", _RECEIVED, "        if event is DropReason.REPLAY:\n            event = DropReason.INTEGRITY\n" + _RECEIVED),
        breaks=("RFC4303-4-replay-logged",),
    ),
    defect(
        "audit-high-half-of-number", "ours", "audit",
        "the number of a record is read where the SPI is",
        ("audit", "sequence_low(esp), flow)", "spi_of(esp), flow)"),
        breaks=("RFC4303-4-replay-logged",),
    ),
    defect(
        "audit-icv-of-combined-forgotten", "ours", "audit",
        "with a combined-mode algorithm a wrong ICV leaves no record",
        ("endpoint", _LOGGED, "        if result is not DropReason.INTEGRITY or entry.sa.auth != \"NONE\":\n    " + _LOGGED),
        breaks=("RFC4303-4-icv-wrong-logged",),
    ),
    defect(
        "audit-overflow-forgotten", "ours", "audit",
        "that the numbers of an SA are used up is not recorded",
        ("endpoint", "            self.audit.not_sent(DropReason.SEQUENCE_OVERFLOW, entry.sa)\n", ""),
        breaks=("RFC4303-4-overflow-logged",),
    ),
    defect(
        "audit-dummy-recorded", "ours", "audit",
        "a dummy packet is recorded as one with a wrong ICV",
        ("endpoint", _LOGGED,
         "        self.audit.received(DropReason.INTEGRITY if result is DropReason.DUMMY else result, outer, esp)\n"),
        breaks=("RFC4303-2.6-dummy-discarded",),
    ),
)  # fmt: skip
