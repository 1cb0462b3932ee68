"""Two outcomes of one step held against each other: what was done, and what should have been done.

Each finding is (requirement, or None for the step's own; message).
"""

from collections.abc import Mapping
from ipaddress import ip_address

from espproof.adapters.capabilities import Capabilities
from espproof.adapters.case import (
    Audit,
    Burst,
    Counters,
    Delivered,
    DeviceState,
    Done,
    Dropped,
    Emerged,
    Event,
    Events,
    Outcome,
    Passed,
    Refused,
    Sa,
    Sent,
    State,
    Unsupported,
)
from espproof.conformance.oracle.outbound import Judged
from espproof.reference import ip, nat
from espproof.reference.esp import MAX_PADDING, MOST_AROUND, TRAILER_SIZE

Sas = Mapping[str, Sa]


def inbound_burst(got: Outcome, want: Outcome, caps: Capabilities, sas: Sas) -> Judged:
    """Each packet of a burst as if it had come alone."""
    if isinstance(got, Burst) and isinstance(want, Burst) and len(got.results) == len(want.results):
        for index, (is_, should) in enumerate(zip(got.results, want.results, strict=True)):
            yield from ((name, f"packet {index}: {message}") for name, message in inbound(is_, should, caps, sas))
    else:
        yield None, f"{tell(got)}, expected {tell(want)}"


def inbound(got: Outcome, want: Outcome, caps: Capabilities, sas: Sas) -> Judged:
    """`sas` are those of the case, by name."""
    if isinstance(want, Delivered) and isinstance(got, Delivered):
        if not _delivered(got.packet, want, caps, sas):
            yield None, f"delivered other octets: {difference(got.packet, want.packet)}"
        elif got.sa is not None and want.sa is not None and got.sa != want.sa:
            yield None, f"processed by SA {got.sa}, expected {want.sa}"
    elif isinstance(want, Passed) and isinstance(got, Passed) and got.to == want.to:
        if not _passed(got, want, caps):
            yield None, f"passed other octets to {got.to}: {difference(got.octets or b'', want.octets or b'')}"
    elif type(got) is not type(want) or isinstance(want, Passed):
        yield None, f"{tell(got)}, expected {tell(want)}"
    elif isinstance(got, Dropped) and caps.drop_reasons and _indicates_an_error(got.reason, want):
        yield None, f"{tell(got)}, expected {tell(want)}: it is discarded without indicating an error"


def _delivered(got: bytes, want: Delivered, caps: Capabilities, sas: Sas) -> bool:
    plain = (want.packet, ip.forwarded(want.packet)) if caps.forwards else (want.packet,)
    if got in plain:
        return True
    sa = sas.get(want.sa or "")
    return sa is not None and sa.udp is not None and sa.mode == "transport" and got in map(_unchecked, plain)


def _unchecked(packet: bytes) -> bytes:
    """The packet as the third way of RFC 3948 3.1.2 leaves it: a UDP datagram over IPv4 has no checksum any more."""
    found = nat.covered(packet)
    if found is None or found.protocol != nat.PROTOCOL_UDP or packet[0] >> 4 == 6:
        return packet
    segment = ip.with_field(packet[found.segment], found.checksum, 0)
    return packet[: found.segment.start] + segment + packet[found.segment.stop :]


def _passed(got: Passed, want: Passed, caps: Capabilities) -> bool:
    if got.octets is None or want.octets is None or got.octets == want.octets:
        return True
    return caps.forwards and got.to == "bypass" and got.octets == ip.forwarded(want.octets)


def _indicates_an_error(reason: str, want: Outcome) -> bool:
    """Of a dummy or a keepalive: whether another reason is told than that it is one."""
    return want in NO_ERROR and reason != "unspecified" and Dropped(reason=reason) != want


NO_ERROR = (Dropped(reason="dummy"), Dropped(reason="keepalive"))
"""What is thrown away because it means nothing: RFC 4303 2.6, RFC 3948 2.3."""


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


LOGGED = {
    "no-sa": "RFC4303-4-no-sa-logged",
    "replay": "RFC4303-4-replay-logged",
    "integrity": "RFC4303-4-icv-wrong-logged",
    "sequence-overflow": "RFC4303-4-overflow-logged",
}
"""Event of the audit log -> the requirement on its record."""


def audit(got: Outcome, want: Audit, caps: Capabilities) -> Judged:
    """Each event once, in its order, with the fields that are declared. One that was none is the step's own finding."""
    if not isinstance(got, Audit):
        yield None, f"{tell(got)}, expected {tell(want)}"
        return
    for place, should in enumerate(want.records):
        if place == len(got.records) or got.records[place].event != should.event:
            yield LOGGED[should.event], f"the audit log has no record {place} of {should.event}"
            return
        is_ = got.records[place]
        for field in caps.audit:
            wanted, told = getattr(should, field), getattr(is_, field)
            if wanted is not None and _as_number(told) != _as_number(wanted):
                yield LOGGED[should.event], f"record {place} ({should.event}) has {field} {told}, expected {wanted}"
    if len(got.records) > len(want.records):
        extra = got.records[len(want.records)]
        yield None, f"the audit log has a record of {extra.event}, which did not happen"


def _as_number(value: object) -> object:
    """An address as such, however it is written."""
    return ip_address(value) if isinstance(value, str) else value


def tell(outcome: Outcome) -> str:
    """An outcome in a few words."""
    match outcome:
        case Sent(packet=packet) | Delivered(packet=packet):
            return f"{'sent' if isinstance(outcome, Sent) else 'delivered'} {len(packet)} octets"
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
        case Audit(records=records):
            return f"an audit log of {len(records)} records"
        case Emerged(packets=packets):
            sides = [f"{len(one.packet)} octets at {one.side}" for one in packets]
            return "emerged: " + ", ".join(sides[:4]) if sides else "nothing emerged"
        case Counters(values=values):
            return ", ".join(f"{name} {count}" for name, count in sorted(values.items())[:4]) or "nothing counted"
        case DeviceState(sas=sas, entries=entries):
            return f"{sum(one.by == 'device' for one in sas)} of {len(sas)} SAs are the device's, in {entries} entries"
        case Events(events=events):
            return f"told of {len(events)}: " + "; ".join(map(event, events[:4])) if events else "nothing was told"
        case Done() | State():
            return type(outcome).__name__.lower()
    raise AssertionError(outcome)


def event(one: Event) -> str:
    """What a key manager was told, in words."""
    if one.kind == "acquire":
        flow = one.flow
        whose = "" if flow is None else f" for {flow.source} → {flow.destination} protocol {flow.protocol}"
        return f"an SA {one.source} → {one.destination} is wanted by policy {one.policy}{whose}"
    if one.sa is None and one.policy is None:
        return "a request has run out"
    what = f"SA {one.sa}" if one.sa is not None else f"policy {one.policy}"
    return f"the {one.kind} limit of {what}"


def difference(got: bytes, want: bytes) -> str:
    at = next((index for index, (a, b) in enumerate(zip(got, want, strict=False)) if a != b), min(len(got), len(want)))
    if len(got) != len(want):
        return f"{len(got)} octets, expected {len(want)}; the first difference is at octet {at}"
    return f"octet {at} is {got[at]:#04x}, expected {want[at]:#04x}"


def _short(value: object) -> str:
    text = f"{value:#x}" if isinstance(value, int) else str(value)
    return text if len(text) <= 60 else text[:57] + "…"
