"""What a host did with packets and counters, held against what the reference's host did.

A packet that emerges unprotected must be the reference's, octet for octet. One that is protected has the SAs that the
reference chose, and is judged from the outside in by the judges of outbound SAs (`outbound`): each takes its own layer
off, and what is inside is the next one's packet. Nothing may emerge that the reference does not let out. A packet
that leaves in the clear though it is to be protected is a finding of its own.
"""

import struct
from collections.abc import Collection, Iterator, Sequence

import msgspec

from espproof.adapters.base import Transcript
from espproof.adapters.capabilities import Capabilities
from espproof.adapters.case import (
    AddSa,
    AwaitHeld,
    Case,
    Counters,
    Done,
    Emerged,
    EmergedPacket,
    Enter,
    EnterBurst,
    Events,
    Host,
    Mtus,
    Octets,
    Outbound,
    Outcome,
    Sa,
    Sent,
    Step,
    UpdateSa,
)
from espproof.adapters.translate import any_entry
from espproof.conformance.oracle import too_long
from espproof.conformance.oracle.compare import difference, tell
from espproof.conformance.oracle.events import judge_events
from espproof.conformance.oracle.held import holders, judge_held, opened
from espproof.conformance.oracle.host_bursts import burst
from espproof.conformance.oracle.judgement import SETUP, Finding, Judgement
from espproof.conformance.oracle.limits import Limits, other_counts
from espproof.conformance.oracle.outbound import Judged, OutboundJudge, ivs_of_several
from espproof.conformance.oracle.outbound_ah import AhJudge
from espproof.conformance.oracle.own import as_chosen, is_own
from espproof.conformance.requirements.ids import (
    CLONES_UNCHANGED,
    DROPPED_COUNTED_ONCE,
    ERROR_SOURCE,
    FRAGMENTS_READ_ONLY,
    IN_THE_CLEAR,
    PASSED_NOT_COUNTED,
    counter_rule,
)
from espproof.reference import ah, ip, udp_encapsulation
from espproof.reference.drops import DropReason
from espproof.reference.errors import Malformed
from espproof.reference.esp import Opened, sequence_low, take_trailer
from espproof.reference.sequence import next_sequence
from espproof.reference.xfrm import protocols
from espproof.reference.xfrm.protocols import AhEntry


class _Layer:
    """One outbound SA: takes off what it has put on a packet, of the reference and of the implementation alike."""

    def __init__(self, sa: Sa, caps: Capabilities) -> None:
        kind = AhJudge if sa.protocol == "ah" else OutboundJudge
        self.judge = kind(sa, msgspec.structs.replace(caps, forwards=False))
        self._entry = any_entry(sa)
        self._number = int(sa.sequence)

    def next(self) -> int:
        """The number of the next packet that the reference sends."""
        number = next_sequence(self._number, self._entry.sa.esn)
        assert number is not None
        self._number = number
        return number

    def has_sent(self, number: int) -> None:
        """The reference has given numbers up to that one."""
        self._number = max(self._number, number)

    @property
    def name(self) -> str:
        return self._entry.sa.name

    @property
    def _is_ah(self) -> bool:
        return self._entry.sa.protocol == "ah"

    def has_made(self, packet: bytes) -> bool:
        """Whether SPI, destination and protocol of a packet are those of this SA."""
        try:
            outer = ip.parse(packet)
        except Malformed:
            return False
        if self._is_ah != (outer.protocol == ah.PROTOCOL_AH):
            return False
        front = 0 if self._entry.sa.udp is None else udp_encapsulation.HEADER_SIZE
        front += ah.SPI.start if self._is_ah else 0
        spi = outer.payload[front : front + 4]
        return spi == self._entry.sa.spi.to_bytes(4, "big") and outer.destination == self._entry.sa.destination.packed

    def has_been_used(self, packet: bytes) -> None:
        """The SA has sent a packet that it should not have sent: that is told, and its numbers go on behind it."""
        self.judge.follow(Sent(packet=Octets(packet)))

    def number_of(self, packet: bytes, near: int) -> int:
        """The whole number of a packet that this SA has made, from its low half: the one nearest to `near`."""
        try:
            octets = self._esp(ip.parse(packet))
            low = ah.sequence_low(octets) if self._is_ah else sequence_low(octets)
        except (Malformed, struct.error):
            return near
        return min(max(0, near + (low - near + 2**31) % 2**32 - 2**31), 2**64 - 1)

    def _esp(self, outer: ip.Packet) -> bytes:
        return outer.payload if self._entry.sa.udp is None else udp_encapsulation.open_datagram(outer.payload).payload

    def opened(self, packet: bytes) -> bytes | None:
        """`inside` of a packet that was sent behind those which have been judged."""
        return self.inside(packet, self.number_of(packet, self._number + 1))

    def inside(self, packet: bytes, number: int) -> bytes | None:
        """What was protected; None if it cannot be opened."""
        try:
            outer = ip.parse(packet)
            opened = self._opened(outer, number)
        except Malformed:
            return None
        inside = protocols.taken_out(self._entry.sa, outer, opened) if isinstance(opened, Opened) else opened
        return inside if isinstance(inside, bytes) else None

    def _opened(self, outer: ip.Packet, number: int) -> Opened | DropReason:
        if isinstance(self._entry, AhEntry):
            opened = self._entry.codec.open(outer.header + outer.payload, number)
            return opened if isinstance(opened, DropReason) else Opened(opened.payload, b"", opened.next_header)
        plaintext = self._entry.codec.open(self._esp(outer), number)
        return take_trailer(plaintext) if isinstance(plaintext, bytes) else plaintext


def judge_host(case: Case, got: Transcript, want: Transcript, caps: Capabilities) -> Judgement:
    """Hold what an implementation did as a host against what the reference did."""
    findings = [
        Finding("espproof-setup", SETUP, f"SA {sa.name}: {tell(outcome)}, expected {tell(right)}", sa.name)
        for sa, outcome, right in zip(case.sas, got.setup, want.setup, strict=True)
        if type(outcome) is not type(right)
    ]
    if findings:
        return Judgement(tuple(findings), frozenset())
    tried: set[str] = set()
    layers = {
        sa.name: _Layer(sa, caps)
        for sa, right in zip(case.sas, want.setup, strict=True)
        if sa.direction == "out" and isinstance(right, Done)
    }
    everyone = list(layers.values())
    limits = Limits(case)
    kinds = caps.host.events if caps.host is not None else ()
    for number, (step, outcome, right) in enumerate(zip(case.steps, got.steps, want.steps, strict=True)):
        if _makes_a_sender(step, right, layers):
            assert isinstance(step, AddSa | UpdateSa)
            layers[step.sa.name] = _Layer(step.sa, caps)
            everyone.append(layers[step.sa.name])
        open_ = limits.reaching(right.packets) if isinstance(right, Emerged) else []
        told = list(_step(number, step, outcome, right, layers, case, kinds, open_))
        if step.behaviour:
            continue
        if step.requirement:
            tried.add(step.requirement)
        findings += [Finding(rule or step.requirement or "?", number, message) for rule, message in told]
        if isinstance(right, Emerged) and any(one.through and one.side != "local" for one in right.packets):
            tried.add(IN_THE_CLEAR)
        if isinstance(right, Emerged) and case.host is not None and case.host.mtus != Mtus() and not told:
            tried |= set(_sources(right.packets, case.host, layers))
        if isinstance(step, Enter) and isinstance(outcome, Emerged) and outcome.seen is not None:
            tried.add(_about_memory(step))
        if isinstance(right, Counters) and not told:
            tried |= {counter_rule(name) for name in right.values}
            tried.add(DROPPED_COUNTED_ONCE if right.values else PASSED_NOT_COUNTED)
    senders = [layer.judge for layer in everyone]
    for judged in senders:
        findings += [Finding(rule, number, message) for rule, number, message in judged.whole_history()]
        tried |= judged.shown
    findings += [Finding(rule, number, message) for rule, number, message in ivs_of_several(senders)]
    return Judgement(tuple(findings), frozenset(tried))


def _sources(packets: Sequence[EmergedPacket], host: Host, layers: dict[str, _Layer]) -> Iterator[str]:
    """The requirements of the source of messages among these packets."""
    for one in packets:
        path = [layers[name] for name in one.through if name in layers]
        inside = opened(one.packet, path) if one.side != "local" else None
        if inside is not None and too_long.is_message(inside, host):
            yield ERROR_SOURCE[inside[0] >> 4]


def _makes_a_sender(step: Step, right: Outcome, layers: dict[str, _Layer]) -> bool:
    if not isinstance(step, AddSa | UpdateSa) or step.sa.direction == "in" or not isinstance(right, Done):
        return False
    return isinstance(step, AddSa) or step.sa.name not in layers


def _step(
    number: int,
    step: Step,
    got: Outcome,
    want: Outcome,
    layers: dict[str, _Layer],
    case: Case,
    kinds: Collection[str],
    open_: Sequence[EmergedPacket],
) -> Judged:
    if isinstance(step, Enter) and isinstance(want, Emerged) and isinstance(got, Emerged):
        assert case.host is not None
        is_, should = too_long.put_together(got.packets), too_long.put_together(want.packets)
        if broken := too_long.left_over(is_, step.packet):
            yield None, f"{len(broken)} fragments leave that do not make a packet"
            is_ = [one for at, one in enumerate(is_) if at not in broken]
        for (one, mine), (other, right) in zip(is_, should, strict=False):
            if one.side == other.side:
                yield from too_long.judge_pieces(mine, right)
        yield from _emerged(number, step, [one for one, _ in is_], [one for one, _ in should], layers, case.host)
        yield from _seen(step, got.seen, want.seen)
    elif isinstance(step, EnterBurst) and isinstance(want, Emerged) and isinstance(got, Emerged):
        yield from burst(number, step, got.packets, want.packets, layers, open_)
    elif isinstance(step, AwaitHeld) and isinstance(want, Emerged) and isinstance(got, Emerged):
        yield from judge_held(number, step, got.packets, want.packets, layers, holders(case, number))
    elif isinstance(want, Counters) and isinstance(got, Counters):
        yield from _counters(got.values, want.values)
    elif isinstance(want, Events) and isinstance(got, Events):
        yield from judge_events(got, want, kinds)
    elif type(got) is not type(want):
        yield None, f"{tell(got)}, expected {tell(want)}"


def _emerged(
    number: int,
    step: Enter,
    got: Sequence[EmergedPacket],
    want: Sequence[EmergedPacket],
    layers: dict[str, _Layer],
    host: Host,
) -> Judged:
    for is_, should in zip(got, want, strict=False):
        path = [layers[name] for name in should.through if name in layers] if should.side != "local" else []
        numbers = [layer.next() for layer in path]
        if is_.side != should.side:
            yield None, f"a packet emerges at {is_.side}, expected at {should.side}"
        elif path:
            inmost = _inmost(should.packet, path, numbers)
            if is_.packet == (as_chosen(inmost, is_.packet) if inmost and is_own(step) else inmost):
                yield IN_THE_CLEAR, "it left in the clear, expected to be protected"
            else:
                yield from _protected(number, is_.packet, should.packet, path, numbers, layers, host, step)
        elif should.side != "local" and too_long.is_message(should.packet, host):
            yield from too_long.judge_message(is_.packet, should.packet, host)
        elif is_.packet != (right := as_chosen(should.packet, is_.packet) if is_own(step) else should.packet):
            yield None, f"other octets emerge at {is_.side}: {difference(is_.packet, right)}"
    for lost in want[len(got) :]:
        for layer in [layers[name] for name in lost.through if name in layers]:
            layer.next()
        yield None, f"discarded, expected a packet to emerge at {lost.side}"
    for more in got[len(want) :]:
        for layer in layers.values():
            if layer.has_made(more.packet):
                layer.has_been_used(more.packet)
        clear = " in the clear" if more.side != "local" and _is_clear(more.packet, step) else ""
        yield None, f"a packet emerges at {more.side}{clear}, expected {'no other' if want else 'it discarded'}"


def _seen(step: Enter, got: Octets | None, want: Octets | None) -> Iterator[tuple[str | None, str]]:
    """What the other owner of the packet's memory sees in it afterwards: the packet, also where nobody has asked."""
    if got is None and want is not None:
        yield _about_memory(step), "it is not told what the other owner of its memory sees"
    elif got is not None and got != step.packet:
        told = difference(got, step.packet)
        yield _about_memory(step), f"the other owner of its memory sees other octets afterwards: {told}"


def _about_memory(step: Enter) -> str:
    return FRAGMENTS_READ_ONLY if step.layout is not None and step.layout.pieces else CLONES_UNCHANGED


def _is_clear(packet: bytes, step: Enter) -> bool:
    return packet in (step.packet, ip.forwarded(step.packet))


def _inmost(packet: bytes, path: Sequence[_Layer], numbers: Sequence[int]) -> bytes | None:
    """What the reference has protected."""
    inside: bytes | None = packet
    for layer, number in zip(reversed(path), reversed(numbers), strict=True):
        inside = layer.inside(inside, number) if inside is not None else None
    return inside


def _protected(
    number: int,
    got: bytes,
    want: bytes,
    path: Sequence[_Layer],
    numbers: Sequence[int],
    layers: dict[str, _Layer],
    host: Host,
    entered: Enter,
) -> Judged:
    """Layer by layer, the outermost first. What cannot be opened is told by its judge, and hides what is inside. Where
    it came in a special way or buffer, that is what the step is about, and not the algorithms.

    Another SA than the right one is a finding of its own: nothing of it fits the right one.
    """
    is_special = bool(entered.way) or entered.layout is not None or is_own(entered)
    for layer, sequence in zip(reversed(path), reversed(numbers), strict=True):
        other = next((name for name, one in layers.items() if one is not layer and one.has_made(got)), None)
        if other is not None and not layer.has_made(got):
            layers[other].has_been_used(got)
            yield None, f"protected with SA {other}, expected {layer.name}"
            return
        right = layer.inside(want, sequence)
        assert right is not None
        mine = layer.inside(got, sequence)
        innermost = layer is path[0]
        if innermost and mine is not None and too_long.is_message(right, host):
            yield from too_long.judge_message(mine, right, host)
            right = mine
        if innermost and mine is not None and is_own(entered):
            if mine != (chosen := as_chosen(right, mine)):
                yield None, f"other octets are protected: {difference(mine, chosen)}"
            right = mine
        step = Outbound(sa="", packet=Octets(right if innermost or mine is None else mine))
        told = layer.judge.judge(number, step, Sent(packet=Octets(got)), Sent(packet=Octets(want)))
        if mine is None:
            yield from ((None, message) for _, message in told) if is_special else told
            return
        yield from told
        got, want = mine, right


def _counters(got: dict[str, int], want: dict[str, int]) -> Iterator[tuple[str | None, str]]:
    """What is counted though nothing was dropped, or more often than it was, is a finding of its own."""
    if got in other_counts(want):
        return
    more = sum(got.values()) - sum(want.values())
    if more > 0:
        told = ", ".join(f"{name} {count}" for name, count in sorted(got.items()))
        rule = DROPPED_COUNTED_ONCE if want else PASSED_NOT_COUNTED
        yield rule, f"{sum(got.values())} packets are counted ({told}), where {sum(want.values())} were discarded"
        return
    for name in sorted(got.keys() | want.keys()):
        is_, should = got.get(name, 0), want.get(name, 0)
        if is_ != should:
            yield counter_rule(name), f"{name} is {is_}, expected {should}"
