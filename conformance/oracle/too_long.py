"""What a host did with packets that are too long: fragments, and messages to their senders (RFC 4301 8).

Fragments that leave are put together as their receiver does it, and judged as one packet; by themselves they are held
against the size that they may have, which the reference's pieces show. A message is judged field by field: who it is for,
type, code and MTU; left open are its source (an address of the host's), how much of the packet it quotes (the header and
eight octets at least, of ICMPv6 no more than makes 1280 in all: RFC 4443 2.4), and whether that is as it came or as it was
to leave.
"""

from collections.abc import Iterator, Sequence
from ipaddress import ip_address

import msgspec

from espproof.adapters.case import EmergedPacket, Host, Octets
from espproof.conformance.requirements.ids import ERROR_SOURCE
from espproof.reference import ip
from espproof.reference.errors import Malformed
from espproof.reference.reassembly import Reassembly
from espproof.reference.xfrm import icmp
from espproof.reference.xfrm.mtu import IPV6_LEAST

Judged = Iterator[tuple[str | None, str]]
Wholes = list[tuple[EmergedPacket, tuple[bytes, ...]]]
"""Packets, each with the pieces in which it left."""
_QUOTED_BEHIND_THE_HEADER = 8
_CHANGED_BY_FORWARDING = {4: (8, 10, 11), 6: (7,)}
"""Octets of the header: hop limit, and IPv4's checksum."""


def put_together(packets: Sequence[EmergedPacket]) -> Wholes:
    """What has emerged, with the fragments that leave put together, in the place of the first; fragments of which some
    are missing stay what they are."""
    groups: dict[tuple[object, ...], list[EmergedPacket]] = {}
    for number, one in enumerate(packets):
        groups.setdefault((one.side, *(_datagram(one) or ("whole", number))), []).append(one)
    found: Wholes = []
    for group in groups.values():
        whole = _whole(group) if len(group) > 1 else None
        if whole is None:
            found += [(one, (one.packet,)) for one in group]
        else:
            together = msgspec.structs.replace(group[0], packet=Octets(whole))
            found.append((together, tuple(one.packet for one in group)))
    return found


def _datagram(one: EmergedPacket) -> tuple[object, ...] | None:
    """What fragments of one packet have in common; `None` for what is none, or has arrived."""
    try:
        parsed = ip.parse(one.packet)
    except Malformed:
        return None
    if one.side == "local" or not parsed.is_fragment:
        return None
    if parsed.version == 4:
        return parsed.source, parsed.destination, parsed.protocol, parsed.identification
    headers = ip.extension_headers(one.packet)
    at = next(header.at for header in headers if header.protocol == ip.PROTOCOL_FRAGMENT)
    return parsed.source, parsed.destination, one.packet[at + 4 : at + 8]


def _whole(group: Sequence[EmergedPacket]) -> bytes | None:
    reassembly = Reassembly()
    wholes = [whole for one in group if (whole := reassembly.take(ip.parse(one.packet))) is not None]
    return wholes[0] if len(wholes) == 1 else None


def left_over(found: Wholes, packet: bytes) -> list[int]:
    """Where fragments stand that have not become a packet, though what has entered was no fragment."""
    if _is_fragment(packet):
        return []
    return [at for at, (one, _) in enumerate(found) if one.side != "local" and _is_fragment(one.packet)]


def _is_fragment(packet: bytes) -> bool:
    try:
        return ip.parse(packet).is_fragment
    except Malformed:
        return False


def judge_pieces(got: Sequence[bytes], want: Sequence[bytes]) -> Judged:
    """The sizes of what one packet left in. The reference's pieces are as long as they can be."""
    if len(want) == 1:
        if len(got) > 1:
            yield None, f"it leaves in {len(got)} fragments, expected whole: {len(want[0])} octets fit"
        return
    most = len(want[0])
    if len(got) == 1:
        yield None, f"{len(got[0])} octets leave whole, expected fragments of at most {most}"
    for piece in got if len(got) > 1 else ():
        # behind the last one no multiple of 8 is asked for
        last = not ip.parse(piece).more_fragments
        if len(piece) > most + 7 * last:
            yield None, f"a fragment of {len(piece)} octets, expected at most {most}"


def is_message(packet: bytes, host: Host) -> bool:
    """Whether it is the host's own, and says that another packet was too long."""
    parsed = ip.parse(packet)
    return parsed.source in _addresses(host) and icmp.read(parsed) is not None


def judge_message(got: bytes, want: bytes, host: Host) -> Judged:
    """A message to a sender, held against the reference's."""
    should = ip.parse(want)
    right = icmp.read(should)
    assert right is not None
    try:
        is_ = ip.parse(got)
        said = icmp.read(is_)
    except Malformed:
        said = None
    if said is None:
        yield None, f"another packet than the message that a packet of at most {right.mtu} octets fits"
        return
    if is_.destination != should.destination:
        yield None, f"the message is for {_text(is_.destination)}, expected {_text(should.destination)}"
    if is_.source not in _addresses(host):
        told = f"the message is from {_text(is_.source)}, which is no address of this host"
        yield ERROR_SOURCE[should.version], told
    if is_.payload[1] != should.payload[1]:
        yield None, f"the message has code {is_.payload[1]}, expected {should.payload[1]}"
    if said.mtu != right.mtu:
        yield None, f"the message tells an MTU of {said.mtu}, expected {right.mtu}"
    if should.version == 6 and len(got) > IPV6_LEAST:
        yield None, f"the message has {len(got)} octets, expected no more than {IPV6_LEAST}"
    yield from _quoted(said.quoted, right.quoted, should.version)


def _quoted(got: bytes, want: bytes, version: int) -> Judged:
    front = (want[0] & 0xF) * 4 if version == 4 else ip.IPV6_HEADER_SIZE
    if len(got) < min(len(want), front + _QUOTED_BEHIND_THE_HEADER):
        yield None, f"the message quotes {len(got)} octets, expected the header and 8 more at least"
    changed = _CHANGED_BY_FORWARDING[version]
    wrong = [at for at, (a, b) in enumerate(zip(got, want, strict=False)) if a != b and at not in changed]
    if wrong:
        yield None, f"the message quotes another packet: octet {wrong[0]} is {got[wrong[0]]}, expected {want[wrong[0]]}"


def _addresses(host: Host) -> set[bytes]:
    return {ip_address(one).packed for one in host.addresses}


def _text(address: bytes) -> str:
    return str(ip_address(address))
