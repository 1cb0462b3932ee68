"""What is known of each kind of step, in one table: who does something for every kind reads it here.

    kind (`case`)    `StepKind`: operation of an adapter · outcomes · SA that it names · packets in it · words for people

The adapter's base class dispatches by it, the exec protocol and `espproof check` hold answers against it, replay, report
and exports show steps with it. A kind that is added to `case.Step` gets a row here; a test says so.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from espproof.adapters.case import (
    AddPolicy,
    AddSa,
    AdvanceTime,
    Audit,
    AwaitHeld,
    Burst,
    Counters,
    DeletePolicy,
    DeleteSa,
    Delivered,
    DeviceEvent,
    DeviceState,
    Done,
    Dropped,
    Emerged,
    Enter,
    EnterBurst,
    Events,
    FlushPolicies,
    FlushSas,
    Inbound,
    InboundBurst,
    Layout,
    Octets,
    Outbound,
    OutboundBurst,
    Outcome,
    Passed,
    ReadAudit,
    ReadCounters,
    ReadDevice,
    ReadEvents,
    ReadState,
    Refused,
    ReserveSpi,
    Sent,
    State,
    Step,
    Template,
    Unsupported,
    UpdateSa,
)


@dataclass(frozen=True, slots=True)
class StepKind:
    """One kind of step. The functions take a step of that kind."""

    take: Callable[[Any, Any], Outcome]
    """Carries the step out on an adapter."""
    outcomes: tuple[type[Outcome], ...]
    """What an implementation can answer."""
    told: Callable[[Any], str]
    """What is done, in a few words."""
    sa: Callable[[Any], str | None] = lambda step: None
    """The name of the SA that the step names; an inbound packet names none."""
    packets: Callable[[Any], tuple[Octets, ...]] = lambda step: ()
    """The packets that are handed over, whole."""
    direction: Literal["in", "out"] | None = None
    """Which way its packets go: in from the network, or out to it, which are plain when they are handed over."""
    each: tuple[type[Outcome], ...] = ()
    """Of a burst: what can become of one of its packets."""


_SENT: tuple[type[Outcome], ...] = (Sent, Dropped)
_RECEIVED: tuple[type[Outcome], ...] = (Delivered, Dropped, Passed)


def _protect(step: Outbound) -> str:
    words = [f"protect {len(step.packet)} octets with SA {step.sa}"]
    words += ["as a dummy"] if step.dummy else []
    words += [f"{step.tfc} octets of TFC padding"] if step.tfc else []
    words += [f"IV {step.iv.hex()}"] if step.iv is not None else []
    return ", ".join(words)


def _policy(step: AddPolicy) -> str:
    """As `ip xfrm policy` would show it: whose traffic, and what becomes of it."""
    one, selector = step.policy, step.policy.selector
    words = [f"{'set' if step.replace else 'add'} policy {one.name}: {one.direction}, priority {one.priority}"]
    words += [f"IPv{selector.version} {selector.source or 'any'} → {selector.destination or 'any'}"]
    words += [f"protocol {selector.protocol}"] if selector.protocol is not None else []
    for name, ports in (("from port", selector.source_ports), ("to port", selector.destination_ports)):
        words += [f"{name} {ports.first}–{ports.last}"] if ports is not None else []
    words += [f"mark {one.mark.value:#x}/{one.mark.mask:#x}"] if one.mark is not None else []
    words += [f"interface {one.if_id}"] if one.if_id else []
    words += ["and ICMP errors about it"] if one.icmp_errors else []
    for name, seconds in (("warns", one.lifetime.soft_seconds), ("ends", one.lifetime.hard_seconds)):
        words += [f"{name} after {seconds} s"] if seconds is not None else []
    return ", ".join([*words, *(map(_template, one.templates) if one.templates else [one.action])])


def _template(one: Template) -> str:
    ends = f" {one.source} → {one.destination}" if one.mode == "tunnel" else ""
    spi = f" SPI {one.spi:#010x}" if one.spi else ""
    return f"{'optional ' if one.optional else ''}{one.mode}{ends}{spi} request {one.reqid}"


def _enter(step: Enter) -> str:
    words = [f"{len(step.packet)} octets enter at {step.side}"]
    words += [f"to be cut up into {step.segment} each"] if step.segment else []
    words += [f"mark {step.mark:#x}"] if step.mark else []
    words += [f"by way of {step.way}"] if step.way else []
    return ", ".join([*words, *_layout(step.layout)])


def _layout(one: Layout | None) -> list[str]:
    if one is None:
        return []
    words = [f"in pieces of {', '.join(map(str, one.pieces))} and the rest"] if one.pieces else []
    words += [f"{one.room} octets of room behind it"] if one.room is not None else []
    return words + (["in memory that somebody else has too"] if one.shared else [])


def _enter_burst(step: EnterBurst) -> str:
    places = sorted({one.side for one in step.packets})
    words = [f"{len(step.packets)} packets enter together at {' and '.join(places)}"]
    words += ["then " + ", ".join(map(_event, step.completions))] if step.completions else []
    words += [f"the cipher has room for {step.room}"] if step.room else []
    return ", ".join(words)


def _event(event: int | str) -> str:
    return f"packet {event} is done" if isinstance(event, int) else f"SA {event} is deleted"


STEPS: dict[type[Step], StepKind] = {
    AddSa: StepKind(
        take=lambda adapter, step: adapter.add_sa(step.sa),
        outcomes=(Done, Refused, Unsupported),
        told=lambda step: f"add SA {step.sa.name}",
        sa=lambda step: step.sa.name,
    ),
    DeleteSa: StepKind(
        take=lambda adapter, step: adapter.delete_sa(step.sa),
        outcomes=(Done, Refused, Unsupported),
        told=lambda step: f"delete SA {step.sa}",
        sa=lambda step: step.sa,
    ),
    Outbound: StepKind(
        take=lambda adapter, step: adapter.outbound(step),
        outcomes=(*_SENT, Refused, Unsupported),
        told=_protect,
        sa=lambda step: step.sa,
        packets=lambda step: (step.packet,),
        direction="out",
    ),
    OutboundBurst: StepKind(
        take=lambda adapter, step: adapter.outbound_burst(step),
        outcomes=(Burst, Refused, Unsupported),
        told=lambda step: f"protect {len(step.packets)} packets at once with SA {step.sa}",
        sa=lambda step: step.sa,
        packets=lambda step: step.packets,
        direction="out",
        each=_SENT,
    ),
    Inbound: StepKind(
        take=lambda adapter, step: adapter.inbound(step.packet),
        outcomes=(*_RECEIVED, Unsupported),
        told=lambda step: f"receive {len(step.packet)} octets",
        packets=lambda step: (step.packet,),
        direction="in",
    ),
    InboundBurst: StepKind(
        take=lambda adapter, step: adapter.inbound_burst(step),
        outcomes=(Burst, Unsupported),
        told=lambda step: f"receive {len(step.packets)} packets at once",
        packets=lambda step: step.packets,
        direction="in",
        each=_RECEIVED,
    ),
    ReadState: StepKind(
        take=lambda adapter, step: adapter.read_state(step.sa),
        outcomes=(State, Refused, Unsupported),
        told=lambda step: f"read the state of SA {step.sa}",
        sa=lambda step: step.sa,
    ),
    ReadAudit: StepKind(
        take=lambda adapter, step: adapter.read_audit(),
        outcomes=(Audit, Unsupported),
        told=lambda step: "read the audit log",
    ),
    AdvanceTime: StepKind(
        take=lambda adapter, step: adapter.advance_time(step.seconds),
        outcomes=(Done, Unsupported),
        told=lambda step: f"{step.seconds} second{'' if step.seconds == 1 else 's'} pass",
    ),
    AddPolicy: StepKind(
        take=lambda adapter, step: adapter.add_policy(step),
        outcomes=(Done, Refused, Unsupported),
        told=_policy,
    ),
    DeletePolicy: StepKind(
        take=lambda adapter, step: adapter.delete_policy(step.policy),
        outcomes=(Done, Refused, Unsupported),
        told=lambda step: f"delete policy {step.policy}",
    ),
    Enter: StepKind(
        take=lambda adapter, step: adapter.enter(step),
        outcomes=(Emerged, Refused, Unsupported),
        told=_enter,
        packets=lambda step: (step.packet,),
    ),
    EnterBurst: StepKind(
        take=lambda adapter, step: adapter.enter_burst(step),
        outcomes=(Emerged, Refused, Unsupported),
        told=_enter_burst,
        packets=lambda step: tuple(one.packet for one in step.packets),
    ),
    ReadCounters: StepKind(
        take=lambda adapter, step: adapter.read_counters(),
        outcomes=(Counters, Unsupported),
        told=lambda step: "read the counters",
    ),
    ReadEvents: StepKind(
        take=lambda adapter, step: adapter.read_events(),
        outcomes=(Events, Refused, Unsupported),
        told=lambda step: "read what the key manager was told",
    ),
    UpdateSa: StepKind(
        take=lambda adapter, step: adapter.update_sa(step.sa),
        outcomes=(Done, Refused, Unsupported),
        told=lambda step: f"update SA {step.sa.name}",
        sa=lambda step: step.sa.name,
    ),
    ReserveSpi: StepKind(
        take=lambda adapter, step: adapter.reserve_spi(step.sa),
        outcomes=(Done, Refused, Unsupported),
        told=lambda step: f"reserve SPI {step.sa.spi:#010x} for SA {step.sa.name}",
        sa=lambda step: step.sa.name,
    ),
    FlushSas: StepKind(
        take=lambda adapter, step: adapter.flush_sas(),
        outcomes=(Done, Unsupported),
        told=lambda step: "remove all SAs",
    ),
    FlushPolicies: StepKind(
        take=lambda adapter, step: adapter.flush_policies(),
        outcomes=(Done, Unsupported),
        told=lambda step: "remove all policies",
    ),
    AwaitHeld: StepKind(
        take=lambda adapter, step: adapter.await_held(),
        outcomes=(Emerged, Unsupported),
        told=lambda step: "wait for what was held",
    ),
    DeviceEvent: StepKind(
        take=lambda adapter, step: adapter.device_event(step.event),
        outcomes=(Done, Unsupported),
        told=lambda step: f"the device: {step.event.replace('-', ' ')}",
    ),
    ReadDevice: StepKind(
        take=lambda adapter, step: adapter.read_device(),
        outcomes=(DeviceState, Unsupported),
        told=lambda step: "read what the device has of the SAs",
    ),
}


def outcomes_of(kind: type) -> tuple[type[Outcome], ...]:
    """What an implementation can answer; a kind that nobody knows is unsupported."""
    return STEPS[kind].outcomes if kind in STEPS else (Unsupported,)


def operation(kind: type) -> str:
    """The name of a kind of step or outcome, as it stands in JSON."""
    return str(kind.__struct_config__.tag)  # type: ignore[attr-defined]  # a struct, as all of them


def packets_in(outcome: Outcome | None) -> tuple[tuple[Literal["sent", "delivered"], Octets], ...]:
    """The packets of an outcome: sent, delivered, each of a burst, or what an SA had sent of its own accord."""
    match outcome:
        case Sent(packet=packet):
            return (("sent", packet),)
        case Delivered(packet=packet):
            return (("delivered", packet),)
        case Burst(results=results):
            return tuple(packet for one in results for packet in packets_in(one))
        case Emerged(packets=packets):
            return tuple(("delivered" if one.side == "local" else "sent", one.packet) for one in packets)
        case State(early=early) if early is not None:
            return tuple(("sent", packet) for packet in early)
    return ()
