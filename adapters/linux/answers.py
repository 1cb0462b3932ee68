"""What the agent's results mean: outcomes of a Case. Pure; `inside/agent.py` says what results there are."""

import errno
import os
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

from espproof.adapters.case import (
    Burst,
    Counters,
    DeleteSa,
    Delivered,
    Done,
    Dropped,
    Emerged,
    EmergedPacket,
    InboundBurst,
    Octets,
    OutboundBurst,
    Outcome,
    Passed,
    ReadState,
    Refused,
    ReserveSpi,
    Sent,
    Side,
    Unsupported,
)
from espproof.adapters.linux import association
from espproof.adapters.linux.events import Names, events
from espproof.adapters.linux.questions import Asked
from espproof.adapters.linux.super_packet import merged

_LACKING = {errno.ENOENT, errno.ENOSYS, errno.EPROTONOSUPPORT, errno.EOPNOTSUPP}
"""What the kernel answers where it lacks an algorithm."""
OF_THE_DEVICE = "offload: "
"""How begins what a network card's driver said."""
OF_THE_GATEWAY = "an address that is ours"
"""How begins what the gateway around the kernel cannot do."""
_SIDES = ("wire", "plain", "local")


def outcome(step: Asked, result: list[Any], packets: Iterator[bytes], names: Names) -> Outcome:
    """What the agent's result means; `names` are those of the case."""
    match result:
        case ["done"]:
            return Done()
        case ["refused", str(reason)]:
            return Refused(reason=reason)
        case ["unsupported", str(what)]:
            return Unsupported(what=what)
        case ["errno", int(number), str(text)]:
            return _refusal(step, number, text)
        case ["device", int(number), str(text)]:
            return _refusal_of_device(number, text)
        case ["packets", list(told)]:
            fates = [_fate(kind, what, packets) for kind, what in told]
            if isinstance(step, InboundBurst | OutboundBurst):
                return Burst(results=tuple(fates))
            (fate,) = fates
            return fate
        case ["emerged", list(told), bool(is_seen)] if all(side in _SIDES for side, _ in told):
            emerged = [_emerged(side, bytes.fromhex(header), next(packets)) for side, header in told]
            return Emerged(packets=tuple(emerged), seen=Octets(next(packets)) if is_seen else None)
        case ["counters", dict(values)] if all(isinstance(count, int) and count > 0 for count in values.values()):
            return Counters(values=values)
        case ["events", list(told)]:
            return events(told, names)
        case ["state", str(answer)]:
            return association.state(bytes.fromhex(answer))
    raise ValueError(f"no result: {result!s:.200}")


def _emerged(side: Any, header: bytes, packet: bytes) -> EmergedPacket:
    size, whole = merged(header, packet) if header else (0, packet)
    return EmergedPacket(side=side, packet=Octets(whole), segment=size)


class Ways(NamedTuple):
    """Ways in by side; protocols of super-packets that come, and of those of the host's own; ways of a neighbour's
    programs."""

    sides: dict[Side, list[str]]
    segments: tuple[Literal["tcp", "udp"], ...]
    local_segments: tuple[Literal["tcp", "udp"], ...]
    neighbours: tuple[str, ...]


def ways(result: object) -> Ways:
    """What there is, as the agent tells it."""
    match result:
        case ["ways", dict(sides), list(segments), list(own), list(neighbours)] if set(sides) <= set(_SIDES) and {
            *segments,
            *own,
        } <= {"tcp", "udp"}:
            return Ways(sides, tuple(segments), tuple(own), tuple(map(str, neighbours)))
    raise ValueError(f"no ways: {result!s:.200}")


def _refusal(step: Asked, number: int, words: str) -> Outcome:
    if isinstance(step, ReadState | DeleteSa) and number == errno.ESRCH:
        return Refused(reason="the kernel has deleted the SA")
    text = _text(number, words)
    if isinstance(step, ReserveSpi) and number == errno.ENOENT:
        return Refused(reason=text)
    return Unsupported(what=text) if number in _LACKING else Refused(reason=text)


def _refusal_of_device(number: int, words: str) -> Refused | Unsupported:
    """Drivers say EINVAL of what their device cannot do; everything else (no room, no memory) is a refusal."""
    if not number:
        return Unsupported(what=f"{OF_THE_DEVICE}the device leaves this SA to the kernel")
    text = f"{OF_THE_DEVICE}{_text(number, words)}"
    return Unsupported(what=text) if number in _LACKING | {errno.EINVAL} else Refused(reason=text)


def _text(number: int, words: str) -> str:
    return f"{errno.errorcode.get(number, number)}: {words or os.strerror(number)}"


def _fate(kind: object, what: object, packets: Iterator[bytes]) -> Sent | Delivered | Dropped | Passed:
    match kind:
        case "sent":
            return Sent(packet=Octets(next(packets)))
        case "delivered":
            return Delivered(packet=Octets(next(packets)))
        case "passed" if what in ("ike", "bypass"):
            return Passed(to=what)
        case "dropped" if isinstance(what, str):
            return Dropped(reason=what)
    raise ValueError(f"no fate of a packet: {kind!s:.100} {what!s:.100}")
