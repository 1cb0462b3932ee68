"""What the agent is asked for: the operations that stand for the steps of a Case; `inside/agent.py` has their forms."""

from collections.abc import Iterator, Sequence
from typing import Any

from espproof.adapters.capabilities import Capabilities
from espproof.adapters.case import (
    AddPolicy,
    AddSa,
    AdvanceTime,
    DeletePolicy,
    DeleteSa,
    Enter,
    EnterBurst,
    Entering,
    Host,
    Inbound,
    InboundBurst,
    Outbound,
    OutboundBurst,
    ReadCounters,
    ReadState,
    Sa,
    Step,
)
from espproof.adapters.exec import messages
from espproof.adapters.linux import association
from espproof.adapters.linux.association import Untold
from espproof.adapters.linux.super_packet import super_packet
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

    def of(self, step: Asked) -> Question:
        """What to ask for. `Untold` for what xfrm has no words for."""
        match step:
            case messages.Reset(host=host):
                self._of_host = host is not None
                return ["reset", self._time_travels, host and _described_host(host)], ()
            case AddSa(sa=sa):
                return ["add", self._described(sa)], ()
            case DeleteSa(sa=name):
                return ["delete", name], ()
            case ReadState(sa=name):
                return ["read", name], ()
            case AdvanceTime(seconds=seconds) if self._time_travels:
                return ["wait", seconds], ()
        return _with_packets(step) or _about_policies(step)

    def _described(self, sa: Sa) -> dict[str, Any]:
        missing = self.declared.lacks(sa) if sa.encr in ENCRYPTION and sa.auth in INTEGRITY else None
        if missing and not missing.startswith(("encryption", "integrity")):
            raise Untold(missing)
        self._reqid += 1
        return association.describe(sa, sa.reqid if self._of_host else self._reqid, of_host=self._of_host)


def _described_host(host: Host) -> dict[str, Any]:
    return {"addresses": host.addresses, "wire": host.wire, "blocked": host.blocked}


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
            header, entering = _entering(step)
            return ["enter", side, header], [entering]
        case EnterBurst(packets=burst):
            if step.completions or step.room:
                raise Untold("asynchronous")
            all_of_them = [(one.side, *_entering(one)) for one in burst]
            return ["together", [(side, header) for side, header, _ in all_of_them]], [one for *_, one in all_of_them]
    return None


def _entering(one: Enter | Entering) -> tuple[str, bytes]:
    """The header of a super-packet, "" of any other, and the packet."""
    if one.mark:
        raise Untold("marks")
    if not one.segment:
        return "", one.packet
    if one.side != "plain":
        raise Untold(f"super-packets at {one.side}")
    header, changed = super_packet(one.packet, one.segment)
    return header.hex(), changed


def _about_policies(step: Asked) -> Question:
    match step:
        case AddPolicy(policy=policy, replace=replace):
            return ["policy", policy.name, association.describe_policy(policy, replace=replace)], ()
        case DeletePolicy(policy=name):
            return ["unpolicy", name], ()
        case ReadCounters():
            return ["counters"], ()
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
