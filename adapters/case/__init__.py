"""The Case: what the suite and an implementation say to each other, as data.

A Case is SAs with their starting state, then steps, and where known the outcome expected of each step. Vectors,
counterexamples, regressions and fuzz findings are all Cases, in one JSON format (`adapters.schema` makes its JSON Schema
from the types of this package). Octets are lower-case hexadecimal; 64-bit sequence numbers are strings of 16 hexadecimal
digits, because a JSON number loses precision beyond 2^53 in many languages.

A file is read or refused, with one line that says where it departs from the format; there is one way to write a value,
so that readers in other languages cannot disagree about it (no spaces or capitals in hexadecimal, no name twice). What a
well-formed file asks for may still be nonsense (an address that is none, an SA that nobody added): that is for the
implementation to refuse, with `Refused`.

Nothing here executes anything: `adapters.base` walks the steps, `conformance.oracle.judge` compares outcomes.
"""

from espproof.adapters.case.entries import (
    Host,
    HostDirection,
    Lifetime,
    Mark,
    Mtu,
    Mtus,
    Policy,
    PolicyLifetime,
    PortRange,
    Sa,
    Selector,
    Side,
    Template,
    TrafficSelector,
    UdpEncapsulation,
    Word,
)
from espproof.adapters.case.outcomes import (
    Audit,
    AuditField,
    AuditRecord,
    Burst,
    Counters,
    Delivered,
    DeviceBreach,
    DeviceSa,
    DeviceState,
    Done,
    Dropped,
    Emerged,
    EmergedPacket,
    Event,
    Events,
    Outcome,
    Passed,
    Refused,
    Sent,
    State,
    Unsupported,
)
from espproof.adapters.case.scalars import (
    NO_OCTETS,
    ZERO,
    Address,
    Count,
    Data,
    Name,
    Octets,
    Port,
    Prefix,
    SequenceNumber,
    Spi,
)
from espproof.adapters.case.steps import (
    FORMAT,
    VERSION,
    AddPolicy,
    AddSa,
    AdvanceTime,
    AwaitHeld,
    Case,
    CaseFile,
    DeletePolicy,
    DeleteSa,
    DeviceEvent,
    DeviceHappening,
    Enter,
    EnterBurst,
    Entering,
    FlushPolicies,
    FlushSas,
    Inbound,
    InboundBurst,
    Layout,
    Outbound,
    OutboundBurst,
    ReadAudit,
    ReadCounters,
    ReadDevice,
    ReadEvents,
    ReadState,
    ReserveSpi,
    Step,
    UpdateSa,
)
from espproof.adapters.case.text import MAX_FILE, from_json, from_plain, read, to_json, to_plain

# fmt: off
__all__ = [
    "FORMAT", "MAX_FILE", "NO_OCTETS", "VERSION", "ZERO", "AddPolicy", "AddSa", "Address", "AdvanceTime",
    "Audit", "AuditField", "AuditRecord", "AwaitHeld", "Burst", "Case", "CaseFile", "Count", "Counters", "Data",
    "DeletePolicy", "DeleteSa", "Delivered", "DeviceBreach", "DeviceEvent", "DeviceHappening", "DeviceSa", "DeviceState",
    "Done", "Dropped", "Emerged", "EmergedPacket", "Enter", "EnterBurst", "Entering", "Event", "Events",
    "FlushPolicies", "FlushSas", "Host", "HostDirection", "Inbound", "InboundBurst", "Layout", "Lifetime",
    "Mark", "Mtu", "Mtus", "Name", "Octets", "Outbound", "OutboundBurst", "Outcome", "Passed", "Policy",
    "PolicyLifetime", "Port", "PortRange", "Prefix", "ReadAudit", "ReadCounters", "ReadDevice", "ReadEvents",
    "ReadState", "Refused", "ReserveSpi", "Sa", "Selector", "Sent", "SequenceNumber", "Side", "Spi", "State",
    "Step", "Template", "TrafficSelector", "UdpEncapsulation", "Unsupported", "UpdateSa", "Word", "from_json",
    "from_plain", "read", "to_json", "to_plain",
]
# fmt: on
