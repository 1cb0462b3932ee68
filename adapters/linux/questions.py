"""What the agent is asked for: the operations that stand for the steps of a Case; `inside/agent.py` has their forms."""

from collections.abc import Iterator, Sequence
from typing import Any

from espproof.adapters.capabilities import Capabilities
from espproof.adapters.case import (
    AddPolicy,
    AddSa,
    AdvanceTime,
    AwaitHeld,
    DeletePolicy,
    DeleteSa,
    Enter,
    EnterBurst,
    FlushPolicies,
    FlushSas,
    Host,
    Inbound,
    InboundBurst,
    Mtus,
    Outbound,
    OutboundBurst,
    ReadCounters,
    ReadEvents,
    ReadState,
    ReserveSpi,
    Sa,
    Step,
    UpdateSa,
)
from espproof.adapters.exec import messages
from espproof.adapters.linux import association
from espproof.adapters.linux.association import Untold
from espproof.adapters.linux.entering import entering
from espproof.adapters.linux.inside.neighbour import NAME as NEIGHBOUR
from espproof.adapters.linux.super_packet import protocol_of
from espproof.adapters.steps import STEPS
from espproof.reference.algorithms import ENCRYPTION, INTEGRITY

Asked = messages.Reset | Step
Question = tuple[list[Any], Sequence[bytes]]
"""An operation, and the packets that go with it."""

MOST_OCTETS = 1 << 20
"""Of packets in one message to the agent."""


class Questions:
    """Turns steps into operations, in their order: what an SA is asked for depends on whether a host has it."""

    def __init__(self, declared: Capabilities, *, time_travels: bool) -> None:
        self.declared = declared
        self._time_travels = time_travels
        self._reqid = 0
        self._of_host = False
        self._keeps_headers = False
        """Whether an SA in transport mode may bring out the outer header of a packet."""

    def of(self, step: Asked) -> Question:
        """What to ask for. `Untold` for what xfrm has no words for."""
        match step:
            case messages.Reset(host=host):
                self._of_host, self._keeps_headers = host is not None, False
                return ["reset", self._time_travels, host and self._described_host(host)], ()
            case AddSa(sa=sa):
                self._keeps_headers |= sa.direction == "in" and sa.mode == "transport"
                return ["add", self._described(sa)], ()
            case Enter(side="plain", segment=size, packet=packet, way=way) if (
                size and way != NEIGHBOUR and protocol_of(packet) not in self._segments()
            ):
                raise Untold("such super-packets")
            case Enter(side="wire", way="splice") if self._keeps_headers:
                raise Untold("packets out of a file, where their own headers come out")
            case DeleteSa(sa=name):
                return ["delete", name], ()
            case UpdateSa(sa=sa):
                return ["update", self._described(sa, update=True)], ()
            case ReadState(sa=name):
                return ["read", name], ()
            case AdvanceTime(seconds=seconds) if self._time_travels:
                return ["wait", seconds], ()
        return _with_packets(step) or _about_policies(step)

    def _segments(self) -> tuple[str, ...]:
        return self.declared.host.segments if self.declared.host else ()

    def _described(self, sa: Sa, *, update: bool = False) -> dict[str, Any]:
        missing = self.declared.lacks(sa) if sa.encr in ENCRYPTION and sa.auth in INTEGRITY else None
        if missing and not missing.startswith(("encryption", "integrity")):
            raise Untold(missing)
        self._reqid += 1
        return association.describe(
            sa, sa.reqid if self._of_host else self._reqid, of_host=self._of_host, update=update
        )

    def _described_host(self, host: Host) -> dict[str, Any]:
        its = self.declared.host
        if host.mtus != Mtus() and not (its and its.mtus and host.fragments in its.fragments):
            raise Untold("mtus")
        if not host.forward:
            raise Untold("policies without the direction forward")
        if host.holds not in (0, its.holds if its else 0):
            raise Untold("holds")
        return {
            "addresses": host.addresses,
            "wire": host.wire,
            "blocked": host.blocked,
            "mtus": [host.mtus.wire, host.mtus.plain],
            "key_manager": host.key_manager,
            "holds": bool(host.holds),
        }


def _with_packets(step: Asked) -> Question | None:
    match step:
        case Inbound(packet=packet):
            return ["receive", 1], [packet]
        case InboundBurst(packets=packets):
            return ["receive", len(packets)], packets
        case OutboundBurst(sa=name, packets=packets):
            return ["send", name, len(packets)], packets
        case Outbound():
            for what, wanted in (("set_iv", step.iv is not None), ("tfc", step.tfc), ("dummy", step.dummy)):
                if wanted:
                    raise Untold(what)
            return ["send", step.sa, 1], [step.packet]
        case Enter(side=side):
            how, octets = entering(step)
            return ["enter", side, how], [octets]
        case EnterBurst(packets=burst):
            if step.completions or step.room:
                raise Untold("asynchronous")
            asked = [(one.side, *entering(one)) for one in burst]
            return ["together", [(side, how) for side, how, _ in asked]], [packet for *_, packet in asked]
    return None


def _about_policies(step: Asked) -> Question:
    match step:
        case AddPolicy(policy=policy, replace=replace):
            return ["policy", policy.name, association.describe_policy(policy, replace=replace)], ()
        case DeletePolicy(policy=name):
            return ["unpolicy", name], ()
        case ReadCounters():
            return ["counters"], ()
        case ReadEvents():
            return ["events"], ()
        case ReserveSpi(sa=sa):
            return ["reserve", association.reserve(sa).hex()], ()
        case FlushSas():
            return ["flush", "sas"], ()
        case FlushPolicies():
            return ["flush", "policies"], ()
        case AwaitHeld():
            return ["held"], ()
    raise Untold(f"operation {type(step).__name__}")


def portions(steps: Sequence[Asked]) -> Iterator[list[Asked]]:
    """The steps in their order, with no more than `MOST_OCTETS` of packets in one portion, if it has several steps."""
    portion: list[Asked] = []
    octets = 0
    for step in steps:
        kind = None if isinstance(step, messages.Reset) else STEPS.get(type(step))
        mine = sum(map(len, kind.packets(step))) if kind is not None else 0
        if portion and octets + mine > MOST_OCTETS:
            yield portion
            portion, octets = [], 0
        portion.append(step)
        octets += mine
    yield portion
