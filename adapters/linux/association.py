"""An SA of a Case in the kernel's words: the messages that add it, ask for it and delete it, and its policies. Pure.

As `ip xfrm` and strongSwan do it: windows of up to 32 packets without ESN use the kernel's old bitmap, all others
REPLAY_ESN_VAL; an AEAD's key is followed by the salt. AH over IPv4 is aligned to 4 octets, as RFC 4302 2.6 has it, where
the kernel's own choice is 8. An inbound SA's selector is the SA's own; a policy leads packets
that are marked `firewall.TO_PROTECT` to an outbound SA.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from ipaddress import ip_address, ip_network
from typing import Any

from espproof.adapters.capabilities import mask_of
from espproof.adapters.case import Mark, Policy, PortRange, Sa, SequenceNumber, State, Template, TrafficSelector
from espproof.adapters.linux.netlink import firewall, xfrm
from espproof.adapters.linux.netlink.netlink import Malformed
from espproof.adapters.linux.netlink.xfrm import Attribute, Type
from espproof.reference.algorithms import ENCRYPTION, INTEGRITY

_WORD = 2**32 - 1
_OLD_WINDOW = 32
_SENDER_WINDOW = 32
"""A sender has no use for a window, but the kernel takes no ESN state without one."""


class Untold(Exception):
    """The kernel cannot be told this; what is missing."""


def describe(sa: Sa, reqid: int, *, of_host: bool = False, update: bool = False) -> dict[str, Any]:
    """What the agent needs to know (see its module). `Untold` for what xfrm has no words for. `reqid` is the SA's own.

    In a host, policies lead to the SA, and it has none of its own. With `update`, the message `new` changes an SA.
    """
    outbound = sa.direction == "out"
    identity = xfrm.SaId(
        destination=xfrm.address(sa.destination),
        spi=sa.spi,
        family=xfrm.family(sa.destination),
        protocol=_PROTOCOLS[sa.protocol],
    )
    mark = _mark(sa.mark)
    return {
        "name": sa.name,
        "outbound": outbound,
        "tunnel": sa.mode == "tunnel",
        "version": ip_address(sa.destination).version,
        "local": sa.source if outbound else sa.destination,
        "remote": sa.destination if outbound else sa.source,
        "port": sa.udp and sa.udp.destination_port,
        "new": xfrm.encode(replace(_new(sa, reqid), type=Type.UPDSA if update else Type.NEWSA)).hex(),
        "get": xfrm.encode(xfrm.Request(Type.GETSA, identity, mark)).hex(),
        "delete": xfrm.encode(xfrm.Request(Type.DELSA, identity, mark)).hex(),
        "policies": [xfrm.encode(policy).hex() for policy in _policies(sa, reqid)] if outbound and not of_host else [],
        "cipher": _cipher(sa),
        "limited": bool(sa.lifetime.hard_packets or sa.lifetime.hard_octets),
    }


def _new(sa: Sa, reqid: int) -> xfrm.Request:
    if ip_address(sa.source).version != ip_address(sa.destination).version:
        raise Untold("ends of two IP versions")
    selector, any_family = _selector(sa)
    flags = xfrm.SaFlag(0)
    if sa.esn:
        flags |= xfrm.SaFlag.ESN
    if any_family:
        flags |= xfrm.SaFlag.AF_UNSPEC
    if sa.protocol == "ah" and ip_address(sa.destination).version == 4:
        flags |= xfrm.SaFlag.ALIGN4
    if sa.df == "clear":
        flags |= xfrm.SaFlag.NOPMTUDISC
    elif sa.df == "set":
        raise Untold("df set")
    if sa.mode == "tunnel" and sa.direction == "out":
        if sa.dscp != "copy":
            raise Untold("dscp fixed")
        if sa.ecn == "compatibility":  # the sender's mode: inbound it would be no decapsulation at all
            flags |= xfrm.SaFlag.NOECN
    attributes = _algorithms(sa) | _mark(sa.mark) | _if_id(sa.if_id)
    if sa.udp is not None:
        attributes[Attribute.ENCAP] = xfrm.Encapsulation(
            source_port=sa.udp.source_port, destination_port=sa.udp.destination_port
        )
    window = 0
    if sa.esn or (sa.direction == "in" and sa.replay_window > _OLD_WINDOW):
        attributes[Attribute.REPLAY_ESN_VAL] = _replay_esn(sa)
    else:
        window = sa.replay_window if sa.direction == "in" else 0
        attributes[Attribute.REPLAY_VAL] = _replay(sa)
    body = xfrm.SaInfo(
        selector=selector,
        id=xfrm.Id(xfrm.address(sa.destination), sa.spi, _PROTOCOLS[sa.protocol]),
        source=xfrm.address(sa.source),
        limits=_limits(sa),
        reqid=reqid,
        family=xfrm.family(sa.destination),
        mode=_mode(sa),
        replay_window=window,
        flags=int(flags),
    )
    return xfrm.Request(Type.NEWSA, body, attributes)


def _mode(sa: Sa) -> int:
    return xfrm.TUNNEL if sa.mode == "tunnel" else xfrm.TRANSPORT


def _algorithms(sa: Sa) -> dict[int, Any]:
    cipher, integrity = ENCRYPTION.get(sa.encr), INTEGRITY.get(sa.auth)
    if cipher is None or cipher.names.linux is None:
        raise Untold(f"encryption {sa.encr}")
    if integrity is None or (sa.auth != "NONE" and integrity.names.linux is None):
        raise Untold(f"integrity {sa.auth}")
    key = bytes(sa.encr_key + sa.salt)
    attributes: dict[int, Any] = {}
    if cipher.aead:
        attributes = {Attribute.ALG_AEAD: xfrm.Algorithm(cipher.names.linux, key, 8 * cipher.icv_size)}
    elif sa.protocol == "esp":
        attributes = {Attribute.ALG_CRYPT: xfrm.Algorithm(cipher.names.linux, key)}
    if integrity.names.linux is not None:
        attributes[Attribute.ALG_AUTH_TRUNC] = xfrm.Algorithm(
            integrity.names.linux, bytes(sa.auth_key), 8 * integrity.icv_size
        )
    return attributes


def _cipher(sa: Sa) -> str:
    """What the kernel calls the SA's algorithms together, as esp_init_aead(), esp_init_authenc() and ah_init_state() put
    it."""
    encr, auth = ENCRYPTION[sa.encr], INTEGRITY[sa.auth].names.linux or "digest_null"
    if sa.protocol == "ah":
        return auth
    return encr.names.linux or "" if encr.aead else f"authenc{'esn' if sa.esn else ''}({auth},{encr.names.linux})"


def _selector(sa: Sa) -> tuple[xfrm.Selector, bool]:
    """The SA's selector, and whether it is for packets of both IP versions."""
    if sa.direction == "out" or not sa.selectors:
        return xfrm.Selector(), sa.mode == "tunnel"
    if len(sa.selectors) > 1:
        raise Untold("more than one selector")
    chosen = sa.selectors[0]
    ends = [None if end is None else ip_network(end, strict=False) for end in (chosen.destination, chosen.source)]
    versions = {end.version for end in ends if end is not None}
    if len(versions) > 1:
        raise Untold("a selector of both IP versions")
    destination, source = (
        (xfrm.NO_ADDRESS, 0) if end is None else (xfrm.address(str(end.network_address)), end.prefixlen) for end in ends
    )
    family = {frozenset(): xfrm.AF_UNSPEC, frozenset({4}): xfrm.AF_INET, frozenset({6}): xfrm.AF_INET6}[
        frozenset(versions)
    ]
    selector = xfrm.Selector(
        destination=destination[0],
        source=source[0],
        family=family,
        destination_prefix=destination[1],
        source_prefix=source[1],
        protocol=chosen.protocol or 0,
    )
    return selector, sa.mode == "tunnel" and not versions


def _replay(sa: Sa) -> xfrm.Replay:
    number = int(sa.sequence)
    if number > _WORD:
        raise Untold("a number above 2^32 - 1 without ESN")
    if sa.direction == "out":
        return xfrm.Replay(sent=number)
    return xfrm.Replay(received=number, bitmap=sum(1 << offset for offset in _received(sa)))


def _replay_esn(sa: Sa) -> xfrm.ReplayEsn:
    number = int(sa.sequence)
    low, high = number & _WORD, number >> 32
    if sa.direction == "out":
        return xfrm.ReplayEsn(sent=low, sent_high=high, window=_SENDER_WINDOW, bitmap=(0,))
    size = sa.replay_window
    if size == 0:
        raise Untold("ESN without anti-replay")
    words = [0] * ((size + 31) // 32)
    for offset in _received(sa):
        bit = _bit(low, offset, size)
        words[bit // 32] |= 1 << bit % 32
    return xfrm.ReplayEsn(received=low, received_high=high, window=size, bitmap=tuple(words))


def _received(sa: Sa) -> set[int]:
    """How far below the highest number each number is that was received; the highest one is among them."""
    return {0, *sa.received_offsets} if sa.sequence else set()


def _bit(low: int, offset: int, size: int) -> int:
    """Where the kernel keeps the bit of a number: it counts from that of the highest, (number - 1) mod size."""
    return ((low - 1 & _WORD) % size - offset) % size


def _limits(sa: Sa) -> xfrm.Limits:
    limits = sa.lifetime

    def counted(limit: int | None) -> int:
        return xfrm.INFINITE if limit is None else limit

    return xfrm.Limits(
        soft_octets=counted(limits.soft_octets),
        hard_octets=counted(limits.hard_octets),
        soft_packets=counted(limits.soft_packets),
        hard_packets=counted(limits.hard_packets),
        soft_add_seconds=limits.soft_seconds or 0,
        hard_add_seconds=limits.hard_seconds or 0,
        soft_use_seconds=limits.soft_use_seconds or 0,
        hard_use_seconds=limits.hard_use_seconds or 0,
    )


def reserve(sa: Sa) -> bytes:
    """The message that reserves an SA's SPI, and no other."""
    body = xfrm.SaInfo(
        id=xfrm.Id(xfrm.address(sa.destination), protocol=_PROTOCOLS[sa.protocol]),
        source=xfrm.address(sa.source),
        reqid=sa.reqid,
        family=xfrm.family(sa.destination),
        mode=_mode(sa),
    )
    attributes = _mark(sa.mark) | _if_id(sa.if_id)
    return xfrm.encode(xfrm.Request(Type.ALLOCSPI, xfrm.SpiRange(body, sa.spi, sa.spi), attributes))


def _policies(sa: Sa, reqid: int) -> list[xfrm.Request]:
    """One per version of the packets that the SA may carry."""
    template = xfrm.Template(
        id=xfrm.Id(xfrm.address(sa.destination), sa.spi),
        family=xfrm.family(sa.destination),
        source=xfrm.address(sa.source),
        reqid=reqid,
        mode=_mode(sa),
    )
    families = (xfrm.AF_INET, xfrm.AF_INET6) if sa.mode == "tunnel" else (template.family,)
    attributes: Mapping[int, Any] = {
        Attribute.TMPL: (template,),
        Attribute.MARK: xfrm.Mark(firewall.TO_PROTECT, _WORD),
    }
    return [
        xfrm.Request(Type.UPDPOLICY, xfrm.PolicyInfo(selector=xfrm.Selector(family=family)), attributes)
        for family in families
    ]


# ----------------------------------------------------------------------------------------------- policies of a host

_DIRECTIONS = {"in": xfrm.IN, "out": xfrm.OUT, "forward": xfrm.FORWARD}
_BLOCK = 1
_FOR_ICMP = 2
"""XFRM_POLICY_ICMP."""


def describe_policy(policy: Policy, *, replace: bool) -> dict[str, Any]:
    """What the agent needs to know. `Untold` for what xfrm has no words for."""
    direction, selector = _DIRECTIONS[policy.direction], _traffic(policy.selector)
    which = _mark(policy.mark) | _if_id(policy.if_id)
    body = xfrm.PolicyInfo(
        selector=selector,
        priority=policy.priority,
        direction=direction,
        action=_BLOCK if policy.action == "block" else 0,
        flags=_FOR_ICMP if policy.icmp_errors else 0,
        limits=xfrm.Limits(
            soft_add_seconds=policy.lifetime.soft_seconds or 0, hard_add_seconds=policy.lifetime.hard_seconds or 0
        ),
    )
    asked = {Attribute.TMPL: tuple(_templates(policy))} if policy.templates else {}
    new = xfrm.Request(Type.UPDPOLICY if replace else Type.NEWPOLICY, body, asked | which)
    delete = xfrm.Request(Type.DELPOLICY, xfrm.PolicyId(selector=selector, direction=direction), which)
    return {"new": xfrm.encode(new).hex(), "delete": xfrm.encode(delete).hex()}


def sa_identity(sa: Sa) -> tuple[bytes, int, int]:
    """By what the kernel knows an SA: destination, SPI, protocol."""
    return xfrm.address(sa.destination), sa.spi, _PROTOCOLS[sa.protocol]


def identity(policy: Policy) -> tuple[bytes, int]:
    """By what the kernel knows a policy, marks and interfaces apart: the octets of its selector, its direction."""
    return _traffic(policy.selector).encode(), _DIRECTIONS[policy.direction]


def _traffic(selector: TrafficSelector) -> xfrm.Selector:
    ends = [None if end is None else ip_network(end, strict=False) for end in (selector.destination, selector.source)]
    destination, source = (
        (xfrm.NO_ADDRESS, 0) if end is None else (xfrm.address(str(end.network_address)), end.prefixlen) for end in ends
    )
    from_port, from_mask = _masked(selector.source_ports)
    to_port, to_mask = _masked(selector.destination_ports)
    return xfrm.Selector(
        destination=destination[0],
        source=source[0],
        destination_port=to_port,
        destination_port_mask=to_mask,
        source_port=from_port,
        source_port_mask=from_mask,
        family=xfrm.AF_INET6 if selector.version == 6 else xfrm.AF_INET,
        destination_prefix=destination[1],
        source_prefix=source[1],
        protocol=selector.protocol or 0,
    )


def _masked(ports: PortRange | None) -> tuple[int, int]:
    if ports is None:
        return 0, 0
    mask = mask_of(ports)
    if mask is None:
        raise Untold("port ranges")
    return ports.first, mask


_PROTOCOLS = {"esp": 50, "ah": 51, "comp": 108}


def _templates(policy: Policy) -> Iterator[xfrm.Template]:
    """One that names no ends has those of the packet as it is by then: its family is that of the tunnel before it."""
    family = xfrm.AF_INET6 if policy.selector.version == 6 else xfrm.AF_INET
    for template in policy.templates:
        outer = template.destination or template.source
        family = family if outer is None else xfrm.family(outer)
        yield _template(template, family)


def _template(template: Template, family: int) -> xfrm.Template:
    ends = [xfrm.NO_ADDRESS if end is None else xfrm.address(end) for end in (template.destination, template.source)]
    return xfrm.Template(
        id=xfrm.Id(ends[0], template.spi, _PROTOCOLS[template.protocol]),
        family=family,
        source=ends[1],
        reqid=template.reqid,
        mode=xfrm.TUNNEL if template.mode == "tunnel" else xfrm.TRANSPORT,
        optional=int(template.optional),
    )


def _mark(mark: Mark | None) -> dict[int, Any]:
    return {} if mark is None else {Attribute.MARK: xfrm.Mark(mark.value, mark.mask)}


def _if_id(if_id: int) -> dict[int, Any]:
    return {Attribute.IF_ID: if_id} if if_id else {}


# ------------------------------------------------------------------------------------------------------------- state


def state(answer: bytes) -> State:
    """What the kernel says of an SA, of which one number alone is in use. `Malformed` if it says something else."""
    (told,) = xfrm.decode(answer)
    if not isinstance(told.body, xfrm.SaInfo):
        raise Malformed(f"an answer of type {told.type.name} to GETSA")
    offsets: tuple[int, ...] | None = None
    extended = told.attributes.get(Attribute.REPLAY_ESN_VAL)
    old = told.attributes.get(Attribute.REPLAY_VAL, xfrm.Replay())
    if extended is not None:
        sent = extended.sent_high << 32 | extended.sent
        received = extended.received_high << 32 | extended.received
        offsets = _offsets(extended)
    else:
        sent, received = old.sent, old.received
        if told.body.replay_window:
            offsets = tuple(offset for offset in range(told.body.replay_window) if old.bitmap >> offset & 1)
    return State(
        sequence=SequenceNumber(sent or received),
        received_offsets=offsets,
        packets=told.body.used.packets,
        octets=told.body.used.octets,
    )


def _offsets(replay: xfrm.ReplayEsn) -> tuple[int, ...]:
    if replay.window > 32 * len(replay.bitmap):
        raise Malformed(f"a window of {replay.window} packets in {len(replay.bitmap)} words")

    def is_set(offset: int) -> int:
        bit = _bit(replay.received, offset, replay.window)
        return replay.bitmap[bit // 32] >> bit % 32 & 1

    return tuple(offset for offset in range(replay.window) if is_set(offset))
