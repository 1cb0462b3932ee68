"""Two outcomes of one step held against each other: what was done, and what should have been done.

Each finding is (requirement, or None for the step's own; message).
"""

from espproof.adapters.capabilities import Capabilities
from espproof.adapters.case import (
    Burst,
    Delivered,
    Done,
    Dropped,
    Outcome,
    Passed,
    Refused,
    Sent,
    State,
    Unsupported,
)
from espproof.conformance.oracle.outbound import Judged, forwarded
from espproof.reference.esp import MAX_PADDING, MOST_AROUND, TRAILER_SIZE


def inbound_burst(got: Outcome, want: Outcome, caps: Capabilities) -> Judged:
    """Each packet of a burst as if it had come alone."""
    if isinstance(got, Burst) and isinstance(want, Burst) and len(got.results) == len(want.results):
        for index, (is_, should) in enumerate(zip(got.results, want.results, strict=True)):
            yield from ((name, f"packet {index}: {message}") for name, message in inbound(is_, should, caps))
    else:
        yield None, f"{tell(got)}, expected {tell(want)}"


def inbound(got: Outcome, want: Outcome, caps: Capabilities) -> Judged:
    if isinstance(want, Delivered) and isinstance(got, Delivered):
        if got.packet != want.packet and not (caps.forwards and got.packet == forwarded(want.packet)):
            yield None, f"delivered other octets: {_difference(got.packet, want.packet)}"
        elif got.sa is not None and want.sa is not None and got.sa != want.sa:
            yield None, f"processed by SA {got.sa}, expected {want.sa}"
    elif type(got) is not type(want) or (isinstance(want, Passed) and got != want):
        yield None, f"{tell(got)}, expected {tell(want)}"


def state(got: Outcome, want: State, caps: Capabilities) -> Judged:
    if not isinstance(got, State):
        yield None, f"{tell(got)}, expected {tell(want)}"
        return
    for field in caps.read_state:
        is_, should = getattr(got, field), getattr(want, field)
        if should is None:
            continue
        if field == "octets":
            yield from _octets(is_, should, want.packets or 0)
        elif is_ != should:
            yield None, f"{field} is {_short(is_)}, expected {_short(should)}"


def _octets(got: int | None, inner: int, packets: int) -> Judged:
    """Which octets count is left open (`reference.lifetime`): from the payload alone to the whole protected packet."""
    least, most = inner - 60 * packets, inner + (MOST_AROUND + MAX_PADDING + TRAILER_SIZE) * packets
    if got is None or not least <= got <= most:
        yield None, f"octets is {got}, expected {least} to {most}, however they are counted"


def tell(outcome: Outcome) -> str:
    """An outcome in a few words."""
    match outcome:
        case Sent(packet=packet):
            return f"sent {len(packet)} octets"
        case Delivered(packet=packet):
            return f"delivered {len(packet)} octets"
        case Dropped(reason=reason):
            return "dropped" if reason == "unspecified" else f"dropped ({reason})"
        case Passed(to=to):
            return f"passed to {to}"
        case Refused(reason=reason):
            return f"refused ({reason})" if reason else "refused"
        case Burst(results=results):
            return f"a burst of {len(results)}: " + ", ".join(tell(one) for one in results[:4])
        case Unsupported(what=what):
            return f"unsupported ({what})"
        case State():
            return "state"
        case Done():
            return "done"
    raise AssertionError(outcome)


def _difference(got: bytes, want: bytes) -> str:
    at = next((index for index, (a, b) in enumerate(zip(got, want, strict=False)) if a != b), min(len(got), len(want)))
    if len(got) != len(want):
        return f"{len(got)} octets, expected {len(want)}; the first difference is at octet {at}"
    return f"octet {at} is {got[at]:#04x}, expected {want[at]:#04x}"


def _short(value: object) -> str:
    text = f"{value:#x}" if isinstance(value, int) else str(value)
    return text if len(text) <= 60 else text[:57] + "…"
