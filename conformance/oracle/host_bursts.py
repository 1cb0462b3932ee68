"""What a host did with packets that entered together, held against what the reference's host did.

Packets are compared as they are without their order: nobody promises one between SAs (RFC 4303), and IP promises none.
Merged packets are cut up first: the parts must be packets that came, neighbours of one flow, and of TCP (kernel document
`segmentation-offloads`; of UDP only where its reader has asked for it, which nobody has here). The identification of IPv4
packets with DF may become another when they are merged, as that document says, and is nobody's business (RFC 6864).

Protected packets are judged by the judges of their SAs in the order of their numbers, the outermost SA first. Where the
cipher finishes later a packet can be discarded behind its number, which then is left out.
"""

from collections import Counter
from collections.abc import Generator, Sequence
from contextlib import suppress
from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple

from espproof.adapters.case import EmergedPacket, EnterBurst, Octets, Outbound, Sent, Side
from espproof.conformance.oracle.outbound import Judged
from espproof.conformance.requirements.ids import IN_THE_CLEAR, MERGED
from espproof.reference import ip
from espproof.reference.errors import Malformed, Misuse
from espproof.reference.xfrm import segmentation
from espproof.reference.xfrm.policy import flow_of

if TYPE_CHECKING:
    from espproof.conformance.oracle.host import _Layer


class _Single(NamedTuple):
    """A packet that emerges, none that stands for several."""

    side: Side
    packet: bytes
    through: tuple[str, ...]


def burst(
    number: int,
    step: EnterBurst,
    got: Sequence[EmergedPacket],
    want: Sequence[EmergedPacket],
    layers: "dict[str, _Layer]",
    open_: Sequence[EmergedPacket] = (),
) -> Judged:
    """Everything wrong with what emerged of the burst of step `number`; those `open_` may emerge or not."""
    right = [single for emerged in want for single in _singles(emerged)]
    found: list[_Single] = []
    for emerged in got:
        if emerged.segment:
            yield from _merged(emerged, right)
        found += _singles(emerged)
    plain = [one for one in right if not _path(one, layers)]
    others, lost = _matched(found, plain)
    groups: dict[tuple[str, ...], list[_Single]] = {}
    for one in right:
        if path := _path(one, layers):
            groups.setdefault(path, []).append(one)
    for path, wanted in groups.items():
        outermost = layers[path[-1]]
        mine = [one for one in others if one.side == wanted[0].side and outermost.has_made(one.packet)]
        others = [one for one in others if one not in mine]
        inside = yield from _protected(number, step, mine, wanted, [layers[name] for name in path])
        for one in [one for one in others if one.packet in inside]:
            yield IN_THE_CLEAR, "it left in the clear, expected to be protected"
            others.remove(one)
    known = Counter(_seen(one) for one in right)
    for one in others:
        again = "once more" if known[_seen(one)] else "that was not expected"
        yield None, f"a packet emerges at {one.side} {again}"
    free = Counter(_seen(single) for one in open_ for single in _singles(one))
    for one in lost:
        if free[_seen(one)]:
            free[_seen(one)] -= 1
        else:
            yield None, f"discarded, expected a packet to emerge at {one.side}"


def _path(one: _Single, layers: "dict[str, _Layer]") -> tuple[str, ...]:
    """The outbound SAs that the reference has protected it with, the innermost first."""
    return () if one.side == "local" else tuple(name for name in one.through if name in layers)


def _singles(one: EmergedPacket) -> list[_Single]:
    """What it stands for; itself if it cannot be cut up."""
    packets = [bytes(one.packet)]
    if one.segment:
        with suppress(Malformed, Misuse):
            packets = segmentation.segments(one.packet, one.segment)
    return [_Single(one.side, packet, one.through) for packet in packets]


def _seen(one: _Single) -> tuple[Side, bytes]:
    """What of a packet counts: all but the identification, and with it the checksum, of IPv4 packets with DF."""
    packet = one.packet
    if packet[:1] and packet[0] >> 4 == 4 and len(packet) >= ip.IPV4_HEADER_SIZE and packet[6] & 0x40:
        packet = packet[:4] + bytes(2) + packet[6:10] + bytes(2) + packet[12:]
    return one.side, packet


def _matched(got: Sequence[_Single], want: Sequence[_Single]) -> tuple[list[_Single], list[_Single]]:
    """What of the one has no match in the other, and the other way round."""
    missing, others = Counter(map(_seen, want)), []
    for one in got:
        if missing[_seen(one)]:
            missing[_seen(one)] -= 1
        else:
            others.append(one)
    lost = []
    for one in reversed(want):
        if missing[_seen(one)]:
            missing[_seen(one)] -= 1
            lost.append(one)
    return others, lost


def _merged(one: EmergedPacket, right: Sequence[_Single]) -> Judged:
    """A packet that stands for several: whether these came one behind the other, and could be merged."""
    try:
        whole = ip.parse(one.packet)
        parts = [_seen(part) for part in _singles(one)]
        flow = flow_of(whole)
    except Malformed as error:
        yield MERGED, f"a merged packet emerges at {one.side} that is no packet: {error}"
        return
    if whole.protocol != segmentation.PROTOCOL_TCP:
        yield MERGED, f"packets of protocol {whole.protocol} were merged, which nobody has asked for"
        return
    same = [_seen(each) for each in right if each.side == one.side and flow_of(ip.parse(each.packet)) == flow]
    if not any(same[at : at + len(parts)] == parts for at in range(len(same))):
        yield MERGED, f"a merged packet emerges at {one.side} that cut up is no neighbours of its flow"


def _protected(
    number: int, step: EnterBurst, got: Sequence[_Single], want: Sequence[_Single], path: Sequence["_Layer"]
) -> Generator[tuple[str | None, str], None, list[bytes]]:
    """Layer by layer; what cannot be opened hides what is inside. Returned is what the reference has protected."""
    mine, right = [one.packet for one in got], [one.packet for one in want]
    for layer in reversed(path):
        first = layer.next()
        mine.sort(key=lambda packet: layer.number_of(packet, first))
        numbers = [layer.number_of(packet, first) for packet in right]
        layer.has_sent(max(numbers))
        inside = [
            layer.inside(packet, one) for packet, one in sorted(zip(right, numbers, strict=True), key=itemgetter(1))
        ]
        right = [packet for packet in inside if packet is not None]
        if layer is path[0]:
            yield from _innermost(number, step, mine, list(right), layer, first)
        else:
            mine = yield from _around(number, step, mine, layer, first)
    return right


def _innermost(
    number: int, step: EnterBurst, got: list[bytes], want: list[bytes], layer: "_Layer", first: int
) -> Judged:
    """Each packet against what it carries, of that which is to be carried."""
    for packet in got:
        inside = layer.inside(packet, layer.number_of(packet, first))
        if not want:
            yield None, f"SA {layer.name} sends more packets than it was given"
            return
        carried = want.pop(want.index(inside) if inside in want else 0)
        yield from _judged(number, step, packet, carried, layer, first)
    for _ in want:
        yield None, f"discarded, expected to be protected with SA {layer.name}"


def _around(
    number: int, step: EnterBurst, got: list[bytes], layer: "_Layer", first: int
) -> Generator[tuple[str | None, str], None, list[bytes]]:
    """The packets that a layer has around it, as far as it can be taken off."""
    found = []
    for packet in got:
        inside = layer.inside(packet, layer.number_of(packet, first))
        yield from _judged(number, step, packet, inside or packet, layer, first)
        found += [inside] if inside is not None else []
    return found


def _judged(number: int, step: EnterBurst, packet: bytes, carried: bytes, layer: "_Layer", first: int) -> Judged:
    if step.room or step.completions:
        layer.judge.leaves_out(layer.number_of(packet, first), len(step.packets))
    sent = Sent(packet=Octets(packet))
    yield from layer.judge.judge(number, Outbound(sa="", packet=Octets(carried)), sent, sent)
