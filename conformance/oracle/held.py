"""What has emerged of packets that were held, against what the reference let go: the same packets, each once, those of one
policy in the order in which they came. Policies do not wait for each other.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from espproof.adapters.case import (
    AddPolicy,
    AwaitHeld,
    Case,
    DeletePolicy,
    EmergedPacket,
    Enter,
    EnterBurst,
    FlushPolicies,
)
from espproof.adapters.translate import policy_of
from espproof.conformance.oracle.host_bursts import burst
from espproof.conformance.oracle.outbound import Judged
from espproof.reference import ip
from espproof.reference.xfrm.policy import flow_of
from espproof.reference.xfrm.spd import Spd

if TYPE_CHECKING:
    from espproof.conformance.oracle.host import _Layer

_SEVERAL = ""
"""In place of a policy's name: more than one."""


def judge_held(
    number: int,
    step: AwaitHeld,
    got: Sequence[EmergedPacket],
    want: Sequence[EmergedPacket],
    layers: "dict[str, _Layer]",
    held_by: Mapping[bytes, str],
) -> Judged:
    """Everything wrong with what emerged in step `number`; `held_by` as `holders` tells it."""
    as_burst = EnterBurst(packets=(), requirement=step.requirement)
    is_, should = (_by_policy(_insides(packets, want, layers), held_by) for packets in (got, want))
    told = list(burst(number, as_burst, got, want, layers))
    yield from told
    if not told and is_ != should:
        yield None, "what was held leaves in another order than it came"


def holders(case: Case, number: int) -> dict[bytes, str]:
    """Of each packet that may be held at step `number`, as it is when it leaves, the name of the policy that holds it."""
    found: dict[bytes, str] = {}
    spd = Spd()
    for step in case.steps[:number]:
        with suppress(ValueError):  # what the reference refuses, or is no packet
            if isinstance(step, AddPolicy):
                old = _put_in(spd, step)
                found = {packet: step.policy.name if name == old else name for packet, name in found.items()}
            elif isinstance(step, DeletePolicy):
                spd.delete(step.policy)
            elif isinstance(step, FlushPolicies):
                spd.clear()
            elif isinstance(step, Enter):
                packet = bytes(step.packet) if step.side == "local" else ip.forwarded(step.packet)
                policy = spd.find("out", flow_of(ip.parse(packet)), step.mark)
                if policy is not None:
                    found[packet] = policy.name if found.get(packet, policy.name) == policy.name else _SEVERAL
    return found


def _put_in(spd: Spd, step: AddPolicy) -> str | None:
    """The name of the policy whose place it takes."""
    policy = policy_of(step.policy)
    if step.replace:
        old = spd.replace(policy)
        return None if old is None else old.name
    spd.add(policy)
    return None


def _by_policy(packets: Sequence[bytes | None], held_by: Mapping[bytes, str]) -> dict[str, list[bytes]]:
    """Of each policy what it has held, in the order in which it left."""
    found: dict[str, list[bytes]] = {}
    for packet in packets:
        if packet is not None and (policy := held_by.get(packet, _SEVERAL)) != _SEVERAL:
            found.setdefault(policy, []).append(packet)
    return found


def _insides(
    packets: Sequence[EmergedPacket], right: Sequence[EmergedPacket], layers: "dict[str, _Layer]"
) -> list[bytes | None]:
    """What is inside of each packet, which has gone one of the ways that the reference took."""
    ways = {(one.side, tuple(name for name in one.through if name in layers)) for one in right}
    paths = [(side, [layers[name] for name in names]) for side, names in ways]
    paths.sort(key=lambda one: -len(one[1]))
    return [
        next((opened(one.packet, path) for side, path in paths if side == one.side and _has_gone(one, path)), None)
        for one in packets
    ]


def _has_gone(one: EmergedPacket, path: Sequence["_Layer"]) -> bool:
    return not path or path[-1].has_made(one.packet)


def opened(packet: bytes, path: Sequence["_Layer"]) -> bytes | None:
    """What these SAs have around them, the innermost first; None if it cannot be opened."""
    inside: bytes | None = packet
    for layer in reversed(path):
        inside = layer.opened(inside) if inside is not None else None
    return inside
