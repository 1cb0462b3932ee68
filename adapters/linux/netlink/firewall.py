"""Where the gateway watches packets: the rules of an iptables table, and the log messages that they make. Pure.

The rules change nothing of what IPsec does. They say which packets have come out of IPsec (those with a security path,
behind the policy check where they are forwarded), which have passed it by, and hold back the gateway's own traffic (ICMP
errors, neighbour and multicast listener discovery), which would be protected too and use up sequence numbers.

As octets, because neither the iptables program nor nf_tables for IP is in Debian's user-mode Linux: `x_tables.h`,
`ip_tables.h`, `ip6_tables.h` of `linux/netfilter*`, and `nfnetlink_log.h`, whose numbers are in network order.
"""

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from espproof.adapters.linux.netlink import netlink
from espproof.adapters.linux.netlink.netlink import Malformed

NETLINK_NETFILTER = 12
TO_PROTECT = 1
"""Mark of packets that are to be protected: what arrived on the plain side, or was sent by the raw sockets."""
DECAPSULATED, PLAIN, ENCAPSULATED = 1, 2, 3
"""Log groups: packets that have come out of IPsec, and packets that are not for it; of a host also those over IPv4 to
ports that open UDP encapsulation, of which nobody knows yet what they are."""
HOOK_PREROUTING, HOOK_INPUT, HOOK_FORWARD, HOOK_OUTPUT, HOOK_POSTROUTING = range(5)
SET_REPLACE = 64
"""Socket option (of a raw socket, level IPPROTO_IP or IPPROTO_IPV6) with which a table is replaced."""
ENTRIES_AT_FIRST = 6
"""Entries of the table before it is replaced: one per hook, and one that ends it."""

_PROTOCOL_UDP, _PROTOCOL_ESP = 17, 50
_OF_ITS_OWN = {4: (1, 2, 6), 6: (6, 58)}
"""Protocols in which a host says something that nobody has sent it for: ICMP, reports of listeners, resets of TCP."""
_DROP, _ACCEPT = -1, -2


@dataclass(frozen=True, slots=True)
class _Rule:
    """Conditions, and what happens to packets that meet them all. `matches` and `target` are whole records."""

    target: bytes
    matches: tuple[bytes, ...] = ()
    protocol: int = 0
    interface: str = ""


def table(
    version: int, plain_interface: str, ports: Sequence[int], counters: int, entries: int, *, of_host: bool = False
) -> tuple[bytes, int]:
    """The table for an IP version, and how many entries it has.

    `ports` open UDP encapsulation. `entries` is how many the table had before, and `counters` the address of memory for
    a counter of 16 octets for each. `of_host`: what is to be protected is for policies to say, and what is forwarded,
    protected, or tells that a packet was too long goes out. Of what reaches it AH is logged too, and over IPv6 ESP, and
    what goes to those ports, as all the rest.
    """
    hooks = _hooks(plain_interface, ports)
    if of_host:
        protected = [_Rule(_verdict(_ACCEPT), protocol=protocol) for protocol in (_PROTOCOL_ESP, _PROTOCOL_UDP)]
        protected.append(_too_big(version))
        own = [replace(rule, protocol=protocol) for rule in hooks[HOOK_OUTPUT] for protocol in _OF_ITS_OWN[version]]
        hooks |= {HOOK_PREROUTING: [], HOOK_FORWARD: [], HOOK_OUTPUT: protected + own}
        before, others = hooks[HOOK_INPUT][:2], hooks[HOOK_INPUT][2:]
        if version == 4:
            seen = [_Rule(_log_target(ENCAPSULATED), (_udp(port),), _PROTOCOL_UDP) for port in sorted(ports)]
            hooks[HOOK_INPUT] = [protected[0], *before, *seen, *others]
        else:  # a rule for a protocol discards AH's fragments behind the first: AH is an extension header to it
            hooks[HOOK_INPUT] = [*before, *(rule for rule in others if not rule.protocol)]
    starts, ends, blob, count = [], [], b"", 0
    for rules in hooks.values():
        starts.append(len(blob))
        for rule in rules:
            blob += _entry(version, rule)
        ends.append(len(blob))
        blob += _entry(version, _Rule(_verdict(_ACCEPT)))
        count += len(rules) + 1
    blob += _entry(version, _Rule(_extension("ERROR", 0, struct.pack("30s", b"ERROR"))))
    head = struct.pack("=32s3I5I5IIQ", b"mangle", 0b11111, count + 1, len(blob), *starts, *ends, entries, counters)
    return head + blob, count + 1


def _hooks(plain_interface: str, ports: Iterable[int]) -> dict[int, list[_Rule]]:
    return {
        HOOK_PREROUTING: [_Rule(_mark_target(TO_PROTECT), interface=plain_interface)],
        HOOK_INPUT: [
            _Rule(_log_target(DECAPSULATED), (_IPSEC,)),
            _Rule(_verdict(_ACCEPT), (_IPSEC,)),
            _Rule(_verdict(_ACCEPT), protocol=_PROTOCOL_ESP),
            *[_Rule(_verdict(_ACCEPT), (_udp(port),), _PROTOCOL_UDP) for port in sorted(ports)],
            # logged and let in, for it may be a later fragment of UDP: IPv6 reassembles behind this hook
            _Rule(_log_target(PLAIN)),
        ],
        HOOK_FORWARD: [
            _Rule(_verdict(_ACCEPT), (_mark(TO_PROTECT),)),
            _Rule(_log_target(DECAPSULATED), (_IPSEC,)),
            _Rule(_verdict(_DROP), (_IPSEC,)),
            _Rule(_log_target(PLAIN)),
            _Rule(_verdict(_DROP)),
        ],
        HOOK_OUTPUT: [_Rule(_verdict(_DROP), (_mark(TO_PROTECT, invert=True),))],
        HOOK_POSTROUTING: [],
    }


def _entry(version: int, rule: _Rule) -> bytes:
    name = rule.interface.encode() + b"\0" if rule.interface else b""
    interfaces = struct.pack("16s16s16s16s", name, b"", b"\xff" * len(name), b"")
    matches = b"".join(rule.matches)
    if version == 4:
        conditions = bytes(16) + interfaces + struct.pack("=HBB", rule.protocol, 0, 0)
        fixed = 112
    else:
        flags = 1 if rule.protocol else 0  # a protocol is asked for
        conditions = bytes(64) + interfaces + struct.pack("=HBBB3x", rule.protocol, 0, flags, 0)
        fixed = 168
    target_at, end = fixed + len(matches), fixed + len(matches) + len(rule.target)
    head = conditions + struct.pack("=IHHI", 0, target_at, end, 0)
    return head.ljust(fixed, b"\0") + matches + rule.target


def _extension(name: str, revision: int, data: bytes) -> bytes:
    """A match or a target: its size, name and revision, its data, all padded to a multiple of 8."""
    padded = data + bytes(-len(data) % 8)
    return struct.pack("=H29sB", 32 + len(padded), name.encode(), revision) + padded


def _verdict(verdict: int) -> bytes:
    return _extension("", 0, struct.pack("=i", verdict))


def _log_target(group: int) -> bytes:
    return _extension("NFLOG", 0, struct.pack("=IHHHH64s", 0, group, 1, 0, 0, b""))


def _mark_target(mark: int) -> bytes:
    return _extension("MARK", 2, struct.pack("=II", mark, 0xFFFFFFFF))


def _mark(mark: int, *, invert: bool = False) -> bytes:
    return _extension("mark", 1, struct.pack("=IIB", mark, 0xFFFFFFFF, invert))


def _udp(port: int) -> bytes:
    return _extension("udp", 0, struct.pack("=4HB", 0, 0xFFFF, port, port, 0))


def _too_big(version: int) -> _Rule:
    """What tells a sender that a packet was too long goes out."""
    name, protocol, kind, code = ("icmp6", 58, 2, 0) if version == 6 else ("icmp", 1, 3, 4)
    return _Rule(_verdict(_ACCEPT), (_extension(name, 0, bytes((kind, code, code, 0))),), protocol)


_POLICY_ELEMENT = 76
_IPSEC = _extension("policy", 0, bytes(4 * _POLICY_ELEMENT) + struct.pack("=HH", 1, 1))
"""Inbound, with one element that says nothing: any packet that has been through an SA."""


# --------------------------------------------------------------------------------------------------------------- log

_LOG_PACKET, _LOG_CONFIG = 4 << 8 | 0, 4 << 8 | 1
_BIND, _COPY_PACKET = 1, 2
_ATTRIBUTE_COMMAND, _ATTRIBUTE_MODE = 1, 2
_ATTRIBUTE_HEADER, _ATTRIBUTE_PAYLOAD = 1, 9


def listen(group: int) -> Sequence[bytes]:
    """The messages with which a socket asks for whole packets of a log group."""
    whole = struct.pack(">IBB", 0xFFFF, _COPY_PACKET, 0)
    return [
        netlink.message(
            _LOG_CONFIG,
            netlink.REQUEST | netlink.ACK,
            struct.pack(">BBH", 0, 0, group) + netlink.attribute(kind, value),
        )
        for kind, value in ((_ATTRIBUTE_COMMAND, bytes([_BIND])), (_ATTRIBUTE_MODE, whole))
    ]


class Logged(NamedTuple):
    """A packet as a rule saw it."""

    group: int
    hook: int
    packet: bytes


def logged(octets: bytes) -> Logged | None:
    """What a message on the listening socket says; None if it is none of a packet (the end of a series)."""
    if len(octets) < _LOG_HEAD.size:
        raise Malformed(f"a log message of {len(octets)} octets")
    _, kind, *_, group = _LOG_HEAD.unpack_from(octets)
    if kind != _LOG_PACKET:
        return None
    hook, packet = 0, b""
    for attribute, value in netlink.attributes(octets[_LOG_HEAD.size :]):
        if attribute == _ATTRIBUTE_HEADER and len(value) >= 3:
            hook = value[2]
        elif attribute == _ATTRIBUTE_PAYLOAD:
            packet = value
    return Logged(int.from_bytes(group, "big"), hook, packet)


_LOG_HEAD = struct.Struct("=IHHIIBB2s")
"""The header of a netlink message, then family, version and group."""
