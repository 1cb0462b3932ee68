"""What an implementation is asked, step by step, and the Case that holds SAs and steps."""

from typing import Annotated, Literal

import msgspec

from espproof.adapters.case.entries import Host, Policy, Sa, Side, Word
from espproof.adapters.case.outcomes import Outcome
from espproof.adapters.case.scalars import Count, Data, Name, Octets
from espproof.reference.xfrm.buffers import MOST_PIECES

FORMAT = "espproof-case"
VERSION = 1


class StepData(Data, tag_field="op", frozen=True, kw_only=True):
    """`requirement` is the id that this step puts to the test; `expect` the outcome, where it is known.

    `behaviour` names a choice that the documents leave open: the outcome is recorded, not judged.
    """

    requirement: str | None = None
    behaviour: str = ""
    expect: Outcome | None = None
    note: str = ""


class AddSa(StepData, tag="add_sa", frozen=True, kw_only=True):
    sa: Sa


class DeleteSa(StepData, tag="delete_sa", frozen=True, kw_only=True):
    sa: Name


class Outbound(StepData, tag="outbound", frozen=True, kw_only=True):
    """Protect `packet` (a whole IP packet) with SA `sa`.

    `iv` fixes the explicit IV (capability `set_iv`); `tfc` asks for that many octets of TFC padding (tunnel mode,
    capability `tfc`); `dummy` asks for a dummy packet (RFC 4303 2.6), whose plaintext is `packet`'s octets.
    """

    sa: Name
    packet: Octets
    iv: Octets | None = None
    tfc: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 0
    dummy: bool = False


class OutboundBurst(StepData, tag="outbound_burst", frozen=True, kw_only=True):
    """The same as one `outbound` per packet, handed over at once."""

    sa: Name
    packets: tuple[Octets, ...]


class Inbound(StepData, tag="inbound", frozen=True, kw_only=True):
    """A whole IP packet arrives from the network; the implementation finds the SA itself."""

    packet: Octets


class InboundBurst(StepData, tag="inbound_burst", frozen=True, kw_only=True):
    """The same as one `inbound` per packet, handed over at once."""

    packets: tuple[Octets, ...]


class ReadState(StepData, tag="read_state", frozen=True, kw_only=True):
    sa: Name


class ReadAudit(StepData, tag="read_audit", frozen=True, kw_only=True):
    """Read the audit log, as far as it is new."""


class AddPolicy(StepData, tag="add_policy", frozen=True, kw_only=True):
    """With `replace`, in the place of the policy for the same direction, selector, mark and `if_id`, if there is one."""

    policy: Policy
    replace: bool = False


class DeletePolicy(StepData, tag="delete_policy", frozen=True, kw_only=True):
    policy: Name


class Layout(Data, frozen=True, kw_only=True):
    """Of what the buffer of a packet is made: pieces of memory of these sizes in octets, the last with the rest, and
    `room` octets behind that (`None`: as it comes). `shared`: somebody else has the same memory, and must not see it
    change."""

    pieces: Annotated[
        tuple[Annotated[int, msgspec.Meta(ge=1, le=2**16 - 1)], ...], msgspec.Meta(max_length=MOST_PIECES - 1)
    ] = ()
    room: Annotated[int, msgspec.Meta(ge=0, le=2**16 - 1)] | None = None
    shared: bool = False


class Enter(StepData, tag="enter", frozen=True, kw_only=True):
    """A whole IP packet enters the host at a side; `mark` is the one that it has there. "local": the host sends it.

    With `segment` it is a super-packet (TCP or UDP): it stands for packets with so many octets of payload each, the last
    with the rest, and these emerge. The host's own are made by its TCP or UDP, which sends a segment again that it has
    sent already. `way` is one of those in which an implementation says that packets enter there,
    "" the usual one; it and `layout` say where the octets lie, and nothing about what is to become of them.
    """

    side: Side
    packet: Octets
    mark: Word = 0
    segment: Annotated[int, msgspec.Meta(ge=0, le=2**16 - 1)] = 0
    way: Annotated[str, msgspec.Meta(max_length=64)] = ""
    layout: Layout | None = None


class Entering(Data, frozen=True, kw_only=True):
    """One packet of a burst, as in `Enter`."""

    side: Side
    packet: Octets
    mark: Word = 0
    segment: Annotated[int, msgspec.Meta(ge=0, le=2**16 - 1)] = 0


class EnterBurst(StepData, tag="enter_burst", frozen=True, kw_only=True):
    """Packets enter the host together, before anything is waited for; what emerges because of them all, in any order.

    `completions` and `room` (capability `asynchronous`) are about a cipher that finishes later: what happens, in order,
    behind the arrival of the last. A number is the place of a packet (from 0): of what the cipher has of it, the oldest
    is done. A name is that of an SA: it is deleted. What is left then is done in its order. `room` is how many packets
    the cipher takes before one is done, 0 for any number.
    """

    packets: tuple[Entering, ...]
    completions: tuple[Count | Name, ...] = ()
    room: Count = 0


class AwaitHeld(StepData, tag="await_held", frozen=True, kw_only=True):
    """Wait until the packets that a host holds have left, as far as they lack no SA any more: what emerges."""


class ReadCounters(StepData, tag="read_counters", frozen=True, kw_only=True):
    """Read how many packets the host has discarded, by reason."""


class ReadEvents(StepData, tag="read_events", frozen=True, kw_only=True):
    """Read what the key manager of the host has been told, as far as it is new."""


class UpdateSa(StepData, tag="update_sa", frozen=True, kw_only=True):
    """Give the SA of that name its new lifetime, or make the SA for which an SPI is reserved (RFC 2367 3.1.2)."""

    sa: Sa


class ReserveSpi(StepData, tag="reserve_spi", frozen=True, kw_only=True):
    """Keep an SPI for an SA to come (RFC 2367 3.1.1): that SA as far as it is known, without its keys."""

    sa: Sa


class FlushSas(StepData, tag="flush_sas", frozen=True, kw_only=True):
    """Remove all SAs, and what is reserved or asked for."""


class FlushPolicies(StepData, tag="flush_policies", frozen=True, kw_only=True):
    """Remove all policies."""


DeviceHappening = Literal[
    "reset", "link-down", "link-up", "work-waits", "work-done", "request-lost", "answer-lost", "answer-late",
    "event-lost", "event-doubled",
]  # fmt: skip


class DeviceEvent(StepData, tag="device_event", frozen=True, kw_only=True):
    """Something befalls the device. After a `reset`, and when the link is `up` again, everything goes on as before.

    `request-lost`, `answer-lost`, `answer-late`: of the messages by which the driver asks for SAs, the next one, or what
    answers it; the driver asks again, and everything goes on as if nothing had been.

    `event-lost`, `event-doubled`: what the device tells its driver next. It has been seen to when a second has passed, and
    everything goes on as if nothing had been.
    """

    event: DeviceHappening


class ReadDevice(StepData, tag="read_device", frozen=True, kw_only=True):
    """Read who does the cipher of which SA, and what the device has of them."""


class AdvanceTime(StepData, tag="advance_time", frozen=True, kw_only=True):
    """Time passes without traffic."""

    seconds: Count


Step = (
    AddSa
    | DeleteSa
    | Outbound
    | OutboundBurst
    | Inbound
    | InboundBurst
    | ReadState
    | ReadAudit
    | AdvanceTime
    | AddPolicy
    | DeletePolicy
    | Enter
    | EnterBurst
    | ReadCounters
    | ReadEvents
    | UpdateSa
    | ReserveSpi
    | FlushSas
    | FlushPolicies
    | AwaitHeld
    | DeviceEvent
    | ReadDevice
)


class Case(Data, tag_field="format", tag=FORMAT, frozen=True, kw_only=True):
    """A host where there is one, SAs, then steps.

    `id` is stable; `flags` say what kind of mistake the case catches; `source` where it is from.
    """

    version: Literal[1]
    id: str = ""
    title: str = ""
    requirements: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    source: str = ""
    confirmed_by: tuple[str, ...] = ()
    host: Host | None = None
    sas: tuple[Sa, ...] = ()
    steps: tuple[Step, ...] = ()

    def every_sa(self) -> tuple[Sa, ...]:
        """The SAs that the case begins with and those that its steps add or reserve, in that order, each once."""
        added = (step.sa for step in self.steps if isinstance(step, AddSa | ReserveSpi))
        return tuple(dict.fromkeys((*self.sas, *added)))


class CaseFile(Data, tag_field="format", tag=FORMAT + "s", frozen=True, kw_only=True):
    """Several Cases in one file: a set of vectors."""

    version: Literal[1]
    title: str = ""
    source: str = ""
    flags: dict[str, str] = msgspec.field(default_factory=dict)
    cases: tuple[Case, ...] = ()
