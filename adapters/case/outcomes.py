"""What an implementation answers to a step."""

from typing import Annotated, Literal

import msgspec

from espproof.adapters.case.entries import Side, TrafficSelector
from espproof.adapters.case.scalars import Address, Count, Data, Name, Octets, SequenceNumber, Spi


class _Outcome(Data, tag_field="result", frozen=True, kw_only=True):
    pass


class Done(_Outcome, tag="done", frozen=True, kw_only=True):
    """A control step was carried out."""


class Sent(_Outcome, tag="sent", frozen=True, kw_only=True):
    """Outbound: the whole IP packet that would leave (outer header, UDP header where encapsulated, ESP)."""

    packet: Octets


class Delivered(_Outcome, tag="delivered", frozen=True, kw_only=True):
    """Inbound: the IP packet that comes out of IPsec; `sa` is the SA that processed it, where known."""

    packet: Octets
    sa: str | None = None


class Dropped(_Outcome, tag="dropped", frozen=True, kw_only=True):
    """The packet was discarded; `reason` is a value of `reference.drops.DropReason`, "unspecified" if not told."""

    reason: str = "unspecified"


class Passed(_Outcome, tag="passed", frozen=True, kw_only=True):
    """Inbound: the packet is not for ESP: "ike" (non-ESP marker, RFC 3948 2.2) or "bypass" (any other traffic).

    `octets`, where they are told: of "ike" the message behind the marker, of "bypass" the IP packet that goes on.
    """

    to: Literal["ike", "bypass"]
    octets: Octets | None = None


class State(_Outcome, tag="state", frozen=True, kw_only=True):
    """What an SA counts. `None` where the implementation does not tell.

    `early` is, outbound, what it has sent of its own accord (probes of the path) before anybody could give it a packet:
    whole IP packets as in `Sent`, in their order.
    """

    sequence: SequenceNumber | None = None
    received_offsets: tuple[Count, ...] | None = None
    packets: Count | None = None
    octets: Count | None = None
    lifetime: Literal["ok", "soft", "hard"] | None = None
    early: tuple[Octets, ...] | None = None


class Refused(_Outcome, tag="refused", frozen=True, kw_only=True):
    """A step was refused as not allowed: an SA with SPI 0 or addresses that are none, a name in use, an SA that does
    not exist, an outbound packet for an inbound SA or with an IV of a wrong size. Nothing was changed or sent."""

    reason: str = ""


class Unsupported(_Outcome, tag="unsupported", frozen=True, kw_only=True):
    """The implementation cannot do this step at all; `what` names the missing capability."""

    what: str


class Burst(_Outcome, tag="burst", frozen=True, kw_only=True):
    """One outcome per packet of a burst, in order."""

    results: tuple["Sent | Delivered | Dropped | Passed", ...]


AuditField = Literal["spi", "source", "destination", "sequence", "flow"]


class AuditRecord(Data, frozen=True, kw_only=True):
    """One event of the audit log (RFC 4303 4), named by its drop reason; `None` where a field is not told.

    The addresses are those of the outer header, or of the SA that cannot send; `sequence` are the 32 bits of the packet;
    `flow` is the flow label of an outer IPv6 header.
    """

    event: Literal["no-sa", "replay", "integrity", "sequence-overflow"]
    spi: Spi | None = None
    source: Address | None = None
    destination: Address | None = None
    sequence: Annotated[int, msgspec.Meta(ge=0, le=2**32 - 1)] | None = None
    flow: Annotated[int, msgspec.Meta(ge=0, le=2**20 - 1)] | None = None


class Audit(_Outcome, tag="audit", frozen=True, kw_only=True):
    """The records that were written since the log was last read, in their order."""

    records: tuple[AuditRecord, ...]


class EmergedPacket(Data, frozen=True, kw_only=True):
    """A whole IP packet that leaves a host at a side, or has reached it ("local").

    `through` are the names of its SAs where they are told: of those that it was protected with, the innermost first; of
    those that it came out of, the outermost first.
    """

    side: Side
    packet: Octets
    through: tuple[Name, ...] = ()
    segment: Annotated[int, msgspec.Meta(ge=0, le=2**16 - 1)] = 0
    """Of a super-packet, which packets that arrived together were merged into: octets of payload of each, but the last."""


class Emerged(_Outcome, tag="emerged", frozen=True, kw_only=True):
    """What came of a packet that entered a host, in order; nothing if it was discarded.

    `seen`, of a packet whose memory is shared: what its other owner sees in it afterwards.
    """

    packets: tuple[EmergedPacket, ...]
    seen: Octets | None = None


class Counters(_Outcome, tag="counters", frozen=True, kw_only=True):
    """How many packets a host has discarded since the case began, by reason, as `/proc/net/xfrm_stat` names them;
    reasons that were not met are left out."""

    values: dict[str, Count]


class Event(Data, frozen=True, kw_only=True):
    """What a key manager was told; `None` where it was not.

    "acquire": a packet of that `flow` (its addresses, protocol and ports) under that policy wants an SA between two ends.
    "soft" and "hard": a limit of the SA, or of the policy, was reached; without either, a request for an SA has run out.
    """

    kind: Literal["acquire", "soft", "hard"]
    sa: Name | None = None
    policy: Name | None = None
    source: Address | None = None
    destination: Address | None = None
    flow: TrafficSelector | None = None


class Events(_Outcome, tag="events", frozen=True, kw_only=True):
    """What the key manager was told since its events were last read, in order."""

    events: tuple[Event, ...]


class DeviceSa(Data, frozen=True, kw_only=True):
    """Who does the cipher of an SA, and of how many packets the device has done it: those that were sent or delivered.

    `reason` says why software does it.
    """

    sa: Name
    by: Literal["device", "software"]
    packets: Count = 0
    reason: str = ""


class DeviceBreach(Data, frozen=True, kw_only=True):
    """What a driver has done against its device's data sheet: `topic` is what the rule is about, `words` have the rule.

    `order`: stopping and draining. `lookup`: when the search for SAs is switched. `settings`: what registers say while the
    engine runs, or does not. `tables`: how they are accessed. `cleared`: what is emptied after a reset. `descriptors`:
    they and their rings. `packets`: what a packet is when it is handed over. `icv`: what stands where its ICV is to be.
    `messages`: what is asked of the device in messages, and when. `metadata`: what goes with each packet.
    """

    topic: Literal[
        "order", "lookup", "settings", "tables", "cleared", "descriptors", "packets", "icv", "messages", "metadata"
    ]
    words: str


class DeviceState(_Outcome, tag="device_state", frozen=True, kw_only=True):
    """What a device and its driver know: every SA of the endpoint; `entries` of the device's tables of SAs that are taken;
    `left`, octets of keys in it that are of no SA; and `breaches`, what its driver has done against its data sheet since
    the last time."""

    sas: tuple[DeviceSa, ...]
    entries: Count = 0
    left: Count = 0
    breaches: tuple[DeviceBreach, ...] = ()


Outcome = (
    Done
    | Sent
    | Delivered
    | Dropped
    | Passed
    | State
    | Audit
    | Emerged
    | Counters
    | Events
    | DeviceState
    | Refused
    | Unsupported
    | Burst
)
