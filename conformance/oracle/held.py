"""What has emerged of packets that were held, against what the reference let go: the same packets, each once, in the same
order where they go the same way. Policies do not wait for each other.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from espproof.adapters.case import AwaitHeld, EmergedPacket, EnterBurst
from espproof.conformance.oracle.host_bursts import burst
from espproof.conformance.oracle.outbound import Judged

if TYPE_CHECKING:
    from espproof.conformance.oracle.host import _Layer

_Way = tuple[str, ...]


def judge_held(
    number: int,
    step: AwaitHeld,
    got: Sequence[EmergedPacket],
    want: Sequence[EmergedPacket],
    layers: "dict[str, _Layer]",
) -> Judged:
    """Everything wrong with what emerged in step `number`."""
    is_, should = dict(_by_way(got, want, layers)), dict(_by_way(want, want, layers))
    as_burst = EnterBurst(packets=(), requirement=step.requirement)
    told = list(burst(number, as_burst, got, want, layers))
    yield from told
    if not told and any(is_.get(way) != inside for way, inside in should.items()):
        yield None, "what was held leaves in another order than it came"


def _by_way(
    packets: Sequence[EmergedPacket], right: Sequence[EmergedPacket], layers: "dict[str, _Layer]"
) -> Iterator[tuple[_Way, list[bytes | None]]]:
    """For each side and the SAs that the reference took, what is inside of the packets, in their order."""
    ways = dict.fromkeys((one.side, *(name for name in one.through if name in layers)) for one in right)
    for side, *names in ways:
        path = [layers[name] for name in names]
        mine = [one for one in packets if one.side == side and _has_gone(one, path)]
        yield (side, *names), [opened(one.packet, path) for one in mine]


def _has_gone(one: EmergedPacket, path: Sequence["_Layer"]) -> bool:
    return not path or path[-1].has_made(one.packet)


def opened(packet: bytes, path: Sequence["_Layer"]) -> bytes | None:
    """What these SAs have around them, the innermost first; None if it cannot be opened."""
    inside: bytes | None = packet
    for layer in reversed(path):
        inside = layer.opened(inside) if inside is not None else None
    return inside
