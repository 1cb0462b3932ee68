"""The way of a packet through a stack: three tables of stages, walked in order, each with the counters that it can raise.

    INPUT     a packet with ESP or AH for this host ─► what was inside       (again for each SA, the outermost first)
    CHECK     a packet on its way in or through ─► the policy for it is met by the SAs that it came through
    OUTPUT    a packet on its way out ─► the policy, the SAs that it asks for ─► PROTECT for each of them

A stage that drops a packet tells why, by a counter or as something that means nothing; no stage behind it is entered.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from espproof.reference import ah, ip
from espproof.reference.drops import DropReason
from espproof.reference.errors import Malformed
from espproof.reference.esp import Opened, sequence_low, spi_of
from espproof.reference.replay import ReplayVerdict
from espproof.reference.sequence import next_sequence, reconstruct
from espproof.reference.xfrm import icmp, protocols
from espproof.reference.xfrm.counters import INBOUND, OUTBOUND, SILENT, Counter
from espproof.reference.xfrm.policy import Direction, Flow, Policy, Template, flow_of, turned_round
from espproof.reference.xfrm.states import State

if TYPE_CHECKING:
    from espproof.reference.xfrm.host import Host

MOST_SAS = 6
"""That one packet may go through."""
_SHORTEST_ESP = 8


class Quiet(Enum):
    """A packet is thrown away, and that is no error."""

    DROPPED = "dropped"


Fate = Counter | Quiet | None
"""Why a stage drops a packet; None where it goes on."""


class Stage(NamedTuple):
    """One step of the way. `run` takes the walk, which it may change."""

    name: str
    raises: tuple[Counter, ...]
    run: Callable[[Any], Fate]


def walk(stages: tuple[Stage, ...], walked: Any) -> Fate:
    """All stages, or up to the one that drops the packet."""
    for stage in stages:
        fate = stage.run(walked)
        if fate is not None:
            assert fate is Quiet.DROPPED or fate in stage.raises
            return fate
    return None


# -------------------------------------------------------------------------------------------------------------- input


@dataclass(slots=True)
class Arriving:
    """A packet with ESP or AH on its way in; `esp` is what it has behind its headers, whichever it is. `through` are the
    SAs so far, the outermost first; `inside` is what comes out."""

    host: "Host"
    outer: ip.Packet
    esp: bytes
    encapsulated: bool
    mark: int
    now: float
    through: tuple[State, ...]
    state: State = field(init=False)
    opened: Opened = field(init=False)
    inside: bytes = field(init=False)

    @property
    def is_ah(self) -> bool:
        return self.outer.protocol == ah.PROTOCOL_AH

    @property
    def spi(self) -> int:
        return ah.spi_of(self.esp) if self.is_ah else spi_of(self.esp)

    @property
    def low(self) -> int:
        """The half of its number that is sent."""
        return ah.sequence_low(self.esp) if self.is_ah else sequence_low(self.esp)


def _has_room(one: Arriving) -> Fate:
    return Counter.IN_BUFFER_ERROR if len(one.through) == MOST_SAS else None


def _has_header(one: Arriving) -> Fate:
    if one.is_ah and len(one.esp) < ah.FIXED_SIZE:
        return Counter.IN_HDR_ERROR
    return Counter.IN_HDR_ERROR if len(one.esp) < _SHORTEST_ESP else None


def _finds_state(one: Arriving) -> Fate:
    protocol = "ah" if one.is_ah else "esp"
    state = one.host.states.arrived(one.outer.destination, one.spi, one.mark, protocol, one.outer.source)
    if state is None and one.host.states.is_reserved(one.outer.destination, one.spi, one.now, protocol):
        return Counter.ACQUIRE_ERROR
    if state is None:
        return Counter.IN_NO_STATES
    one.state = state
    return None


def _is_encapsulated_as_agreed(one: Arriving) -> Fate:
    return None if (one.state.sa.udp is not None) == one.encapsulated else Counter.IN_STATE_MISMATCH


def _is_new(one: Arriving) -> Fate:
    replay = one.state.entry.state.replay
    sequence: int | None = one.low
    if one.state.sa.esn:
        sequence = reconstruct(one.low, replay.highest, replay.size)
    new = sequence is None or replay.check(sequence) is ReplayVerdict.NEW
    return None if new else Counter.IN_STATE_SEQ_ERROR


def _may_be_used_in(one: Arriving) -> Fate:
    return Counter.IN_STATE_EXPIRED if one.host.has_ended(one.state, one.now) else None


def _opens(one: Arriving) -> Fate:
    entry = one.state.entry
    opened = protocols.authenticate(entry, one.outer, one.esp)
    if not isinstance(opened, Opened):
        entry.state.count_error(opened)
        return INBOUND[opened]
    one.opened = opened
    return None


def _comes_out(one: Arriving) -> Fate:
    """Out of the tunnel, or back to the packet that it was; selectors are the affair of CHECK."""
    inside = protocols.taken_out(one.state.sa, one.outer, one.opened)
    if isinstance(inside, DropReason):
        return Quiet.DROPPED if inside in SILENT else INBOUND[inside]
    one.inside = inside
    one.state.entry.state.use(one.now)
    one.state.entry.state.count(len(inside))
    return None


INPUT = (
    Stage("room for another SA", (Counter.IN_BUFFER_ERROR,), _has_room),
    Stage("SPI and number", (Counter.IN_HDR_ERROR,), _has_header),
    Stage("the SA", (Counter.IN_NO_STATES, Counter.ACQUIRE_ERROR), _finds_state),
    Stage("encapsulation", (Counter.IN_STATE_MISMATCH,), _is_encapsulated_as_agreed),
    Stage("replay check", (Counter.IN_STATE_SEQ_ERROR,), _is_new),
    Stage("lifetime", (Counter.IN_STATE_EXPIRED,), _may_be_used_in),
    Stage("ICV, window, trailer", (Counter.IN_STATE_PROTO_ERROR,), _opens),
    Stage("mode", (Counter.IN_STATE_PROTO_ERROR, Counter.IN_STATE_MODE_ERROR), _comes_out),
)

# -------------------------------------------------------------------------------------------------------------- check


@dataclass(slots=True)
class Checked:
    """A packet that is to be delivered or forwarded. `through` are the SAs that it came through, the outermost first."""

    host: "Host"
    packet: bytes
    flow: Flow
    direction: Direction
    mark: int
    through: tuple[State, ...]
    policy: Policy | None = None


def _is_traffic_of_its_sas(one: Checked) -> Fate:
    """Each SA has what it is for (RFC 4301 5.2 step 4)."""
    fits = all(state.sa.selects(one.packet) for state in one.through)
    return None if fits else Counter.IN_STATE_MISMATCH


def _has_policy(one: Checked) -> Fate:
    """Without one the default decides; what came out of a tunnel is nobody's traffic then."""
    one.policy = _policy_for(one.host, one.direction, one.flow, one.packet, one.mark)
    if one.policy is not None:
        return None
    tunnelled = any(state.sa.mode == "tunnel" for state in one.through)
    return Counter.IN_NO_POLS if tunnelled or one.host.blocks(one.direction) else None


def _policy_for(host: "Host", direction: Direction, flow: Flow, packet: bytes, mark: int) -> Policy | None:
    """The policy for a packet; of an ICMP error that none is for, the one for what it quotes, turned round (6.2)."""
    policy = host.spd.find(direction, flow, mark)
    if policy is not None:
        return policy
    about = icmp.about(ip.parse(packet))
    policy = None if about is None else host.spd.find(direction, turned_round(flow_of(about)), mark)
    return policy if policy is not None and policy.icmp_errors else None


def _is_allowed(one: Checked) -> Fate:
    return Counter.IN_POL_BLOCK if one.policy is not None and one.policy.action == "block" else None


def _was_protected_as_asked(one: Checked) -> Fate:
    if one.policy is None or is_met(one.policy.templates, one.through):
        return None
    return Counter.IN_TMPL_MISMATCH


CHECK = (
    Stage("selectors of its SAs", (Counter.IN_STATE_MISMATCH,), _is_traffic_of_its_sas),
    Stage("the policy", (Counter.IN_NO_POLS,), _has_policy),
    Stage("action", (Counter.IN_POL_BLOCK,), _is_allowed),
    Stage("templates", (Counter.IN_TMPL_MISMATCH,), _was_protected_as_asked),
)


def is_met(templates: tuple[Template, ...], through: tuple[State, ...]) -> bool:
    """Whether a packet came through the SAs that a policy asks for, in their order.

    The last template is for the outermost SA, which was taken off first. An SA in transport mode that nobody asked for
    does no harm; a tunnel that nobody asked for does, as its other end could put anything into it.
    """
    at = 0
    for template in reversed(templates):
        found = _next_for(template, through, at)
        if found is not None:
            at = found + 1
        elif not template.optional:
            return False
    return all(state.sa.mode == "transport" for state in through[at:])


def _next_for(template: Template, through: tuple[State, ...], at: int) -> int | None:
    if template.optional and template.mode == "transport":
        return None
    for place in range(at, len(through)):
        if _is_what_was_asked(template, through[place]):
            return place
        if through[place].sa.mode == "tunnel":
            return None
    return None


def _is_what_was_asked(template: Template, state: State) -> bool:
    sa = state.sa
    if template.protocol != sa.protocol:
        return False
    ends = sa.mode == "transport" or (template.source, template.destination) == (sa.source, sa.destination)
    return ends and sa.mode == template.mode and template.spi in (0, sa.spi) and template.reqid in (0, state.reqid)


# ------------------------------------------------------------------------------------------------------------- output


@dataclass(slots=True)
class Leaving:
    """A packet on its way out. `bundle` are the SAs that it is to go through, the innermost first."""

    host: "Host"
    packet: bytes
    flow: Flow
    mark: int
    now: float
    policy: Policy | None = None
    bundle: list[State] = field(default_factory=list)


def _may_leave(one: Leaving) -> Fate:
    one.policy = _policy_for(one.host, "out", one.flow, one.packet, one.mark)
    blocked = one.host.blocks("out") if one.policy is None else one.policy.action == "block"
    return Counter.OUT_POL_BLOCK if blocked else None


def _finds_its_sas(one: Leaving) -> Fate:
    source, destination = one.flow.source, one.flow.destination
    for template in () if one.policy is None else one.policy.templates:
        assert one.policy is not None
        if template.mode == "tunnel":
            assert template.source is not None
            assert template.destination is not None
            source, destination = template.source.packed, template.destination.packed
        state = one.host.states.asked_for(template, one.policy, source, destination, one.packet, one.now)
        if state is not None:
            one.bundle.append(state)
        elif not template.optional:
            other = template.spi and one.host.states.taken(template.spi, destination, template.protocol)
            if not other:
                one.host.wants(template, one.policy, source, destination, one.flow, one.now)
            return Counter.OUT_POL_ERROR if other else Counter.OUT_NO_STATES
    return None


OUTPUT = (
    Stage("the policy", (Counter.OUT_POL_BLOCK,), _may_leave),
    Stage("the SAs", (Counter.OUT_NO_STATES, Counter.OUT_POL_ERROR), _finds_its_sas),
)


@dataclass(slots=True)
class Protecting:
    """A packet in front of one of its SAs."""

    host: "Host"
    packet: bytes
    state: State
    now: float
    sequence: int = 0


def _may_be_used_out(one: Protecting) -> Fate:
    return Counter.OUT_STATE_EXPIRED if one.host.has_ended(one.state, one.now) else None


def _has_a_number(one: Protecting) -> Fate:
    number = next_sequence(one.state.entry.state.sequence, one.state.sa.esn)
    if number is None:
        return Counter.OUT_STATE_SEQ_ERROR
    one.sequence = number
    return None


def _is_protected(one: Protecting) -> Fate:
    entry, before = one.state.entry, one.packet
    try:
        result = protocols.protect(entry, before, one.sequence, one.host.iv(entry))
    except Malformed:
        result = DropReason.MALFORMED
    if isinstance(result, DropReason):
        return OUTBOUND[result]
    one.packet = result
    entry.state.sequence = one.sequence
    entry.state.use(one.now)
    entry.state.count(len(before))
    return None


PROTECT: tuple[Stage, ...] = (
    Stage("lifetime", (Counter.OUT_STATE_EXPIRED,), _may_be_used_out),
    Stage("number", (Counter.OUT_STATE_SEQ_ERROR,), _has_a_number),
    Stage("transform", (Counter.OUT_STATE_PROTO_ERROR, Counter.OUT_STATE_MODE_ERROR), _is_protected),
)
TABLES: dict[Literal["input", "check", "output", "protect"], tuple[Stage, ...]] = {
    "input": INPUT,
    "check": CHECK,
    "output": OUTPUT,
    "protect": PROTECT,
}
