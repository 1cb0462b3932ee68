"""The host of a case as `ip` commands, for a network namespace of its own: links, addresses, routes, SAs, and policies as
they come and go. Packets are named where they enter; they stand in the case and its capture.
"""

import shlex
from collections.abc import Callable, Iterator
from ipaddress import ip_address, ip_network

from espproof.adapters.case import (
    AddPolicy,
    AddSa,
    AdvanceTime,
    AwaitHeld,
    Case,
    DeletePolicy,
    DeleteSa,
    Done,
    Enter,
    EnterBurst,
    FlushPolicies,
    FlushSas,
    Host,
    Mark,
    Outcome,
    Policy,
    ReadCounters,
    ReadEvents,
    Refused,
    ReserveSpi,
    Sa,
    Step,
    Template,
    TrafficSelector,
    UpdateSa,
)
from espproof.adapters.models.reference import ReferenceAdapter
from espproof.adapters.steps import STEPS
from espproof.conformance.export.comment import comment
from espproof.conformance.oracle.compare import tell

_SETTINGS = (
    "net.ipv4.ip_forward=1",
    "net.ipv6.conf.all.forwarding=1",
    "net.ipv4.conf.all.rp_filter=0",
    "net.ipv4.conf.default.rp_filter=0",
)
_DIRECTIONS = {"in": "in", "out": "out", "forward": "fwd"}
_ICMP = (1, 58)
State = Callable[[Sa, int, Outcome], list[str]]
"""Commands and comments that add an SA with a request id, of which the reference says what becomes of it."""
_ADD, _UPDATE = "ip xfrm state add", "ip xfrm state update"
EVENTS = "key-manager.log"
"""The file in which `ip xfrm monitor` writes down what a key manager is told."""
COUNTERS = "cat /proc/net/xfrm_stat"


def lines(case: Case, state: State) -> list[str]:
    """The commands behind the head of a script. `state` adds an SA, with what has to be said of it."""
    assert case.host is not None
    done = ReferenceAdapter().execute(case)
    told = [*_set_up(case.host)]
    for sa, outcome in zip(case.sas, done.setup, strict=True):
        told += ["", *state(sa, sa.reqid, outcome)]
    policies = {step.policy.name: step.policy for step in case.steps if isinstance(step, AddPolicy)}
    sas = {sa.name: sa for sa in case.every_sa()}
    for place, (step, outcome) in enumerate(zip(case.steps, done.steps, strict=True)):
        told += ["", *comment(f"step {place}: {STEPS[type(step)].told(step)}")]
        told += _step(step, outcome, policies, sas, state)
    return told


def _set_up(host: Host) -> Iterator[str]:
    yield from ("for name in wire plain; do", "  ip tuntap add dev $name mode tun; ip link set $name up; done")
    for name, mtu in (("wire", host.mtus.wire), ("plain", host.mtus.plain)):
        if mtu is not None:
            yield f"ip link set {name} mtu {mtu}"
    if host.fragments == "inside":
        yield "# Linux cuts up what is protected, not what is to be protected"
    if not host.forward:
        yield "# Linux asks for policies of a third direction, fwd, for what is forwarded; here there are none"
    yield "ip link set lo up"
    yield from (f"sysctl -q -w {setting}" for setting in _SETTINGS)
    yield from (f"ip address add {_whole(address)} dev lo" for address in host.addresses)
    yield from (f"ip route add {_whole(address)} dev wire" for address in host.wire)
    yield from ("ip -4 route add default dev plain", "ip -6 route add default dev plain")
    if host.blocked:
        named = (f"{_DIRECTIONS[direction]} block" for direction in host.blocked)
        yield f"ip xfrm policy setdefault {' '.join(named)}"
    if host.holds:
        yield "sysctl -q -w net.core.xfrm_larval_drop=0"
    if host.key_manager:
        yield f"ip xfrm monitor acquire expire >{EVENTS} &"


def _whole(address: str) -> str:
    number = ip_address(address)
    return f"{number}/{number.max_prefixlen}"


def _step(step: Step, outcome: Outcome, policies: dict[str, Policy], sas: dict[str, Sa], state: State) -> Iterator[str]:
    if isinstance(outcome, Refused):
        yield from comment(f"left out, it is not allowed: {outcome.reason}")
    elif isinstance(step, AddPolicy):
        yield _said(step.policy, policy(step.policy, replace=step.replace))
    elif isinstance(step, DeletePolicy):
        named = policies[step.policy]
        yield _said(named, ["ip", "xfrm", "policy", "delete", *_identity(named)])
    elif isinstance(step, AddSa):
        yield from state(step.sa, step.sa.reqid, outcome)
    elif isinstance(step, DeleteSa) and isinstance(outcome, Done):
        sa = sas[step.sa]
        which = [
            "src",
            sa.source,
            "dst",
            sa.destination,
            "proto",
            sa.protocol,
            "spi",
            f"{sa.spi:#010x}",
            *mark(sa.mark),
        ]
        yield shlex.join(["ip", "xfrm", "state", "delete", *which])
    elif isinstance(step, UpdateSa):
        yield from (line.replace(_ADD, _UPDATE, 1) for line in state(step.sa, step.sa.reqid, outcome))
    elif isinstance(step, ReserveSpi):
        yield f"{shlex.join(_reserve(step.sa))} >/dev/null"
    elif isinstance(step, FlushSas | FlushPolicies):
        yield f"ip xfrm {'state' if isinstance(step, FlushSas) else 'policy'} flush"
    elif isinstance(step, AdvanceTime):
        yield f"sleep {step.seconds}"
    else:
        yield from _told(step, outcome)


def _told(step: Step, outcome: Outcome) -> Iterator[str]:
    """What cannot be done with `ip`: packets that enter, and what is right to come of them."""
    if isinstance(step, Enter):
        yield from comment(f"the packet is {step.packet.hex()}")
        yield from comment(f"right is: {tell(outcome)}")
    elif isinstance(step, EnterBurst):
        for one in step.packets:
            yield from comment(f"together with the others, at {one.side}: {one.packet.hex()}")
        yield from comment(f"right is, in any order: {tell(outcome)}")
    elif isinstance(step, AwaitHeld):
        yield from comment(f"right is, within twice the time since the first was held: {tell(outcome)}")
    elif isinstance(step, ReadCounters):
        yield COUNTERS
        yield from comment(f"right is: {tell(outcome)}")
    elif isinstance(step, ReadEvents):
        yield f"cat {EVENTS}"
        yield from comment(f"right is, behind what was there before: {tell(outcome)}")


def _reserve(sa: Sa) -> list[str]:
    words = ["ip", "xfrm", "state", "allocspi", "src", sa.source, "dst", sa.destination, "proto", sa.protocol]
    spi = f"{sa.spi:#010x}"
    return [*words, "mode", sa.mode, *mark(sa.mark), "reqid", str(sa.reqid), "min", spi, "max", spi]


def _said(one: Policy, command: list[str]) -> str:
    """The command, as a comment where iproute2 has no words for the policy."""
    ranges = (one.selector.source_ports, one.selector.destination_ports)
    if all(ports is None or ports.first == ports.last for ports in ranges):
        return shlex.join(command)
    return (
        f"# iproute2 has no words for ranges of ports, which netlink has as a value and a mask: {shlex.join(command)}"
    )


def policy(one: Policy, *, replace: bool = False) -> list[str]:
    """The command that puts a policy in, word by word."""
    words = ["ip", "xfrm", "policy", "update" if replace else "add", *_identity(one)]
    words += ["action", one.action, "priority", str(one.priority)]
    words += ["flag", "icmp"] if one.icmp_errors else []
    for name, seconds in (("soft", one.lifetime.soft_seconds), ("hard", one.lifetime.hard_seconds)):
        words += [] if seconds is None else ["limit", f"time-{name}", str(seconds)]
    for template in one.templates:
        words += _template(template, one.selector.version)
    return words


def _identity(one: Policy) -> list[str]:
    if_id = ["if_id", f"{one.if_id:#x}"] if one.if_id else []
    return [*_selector(one.selector), "dir", _DIRECTIONS[one.direction], *mark(one.mark), *if_id]


def mark(one: Mark | None) -> list[str]:
    """A mark and its mask, as words of a command."""
    return [] if one is None else ["mark", f"{one.value:#x}", "mask", f"{one.mask:#x}"]


def _selector(one: TrafficSelector) -> list[str]:
    everything = "0.0.0.0/0" if one.version == 4 else "::/0"
    words = []
    for name, text in (("src", one.source), ("dst", one.destination)):
        words += [name, everything if text is None else str(ip_network(text, strict=False))]
    if one.protocol is not None:
        words += ["proto", str(one.protocol)]
    kinds = ("type", "code") if one.protocol in _ICMP else ("sport", "dport")
    for kind, ports in zip(kinds, (one.source_ports, one.destination_ports), strict=True):
        if ports is not None:
            words += [kind, str(ports.first) if ports.first == ports.last else f"{ports.first}-{ports.last}"]
    return words


def _template(one: Template, version: int) -> list[str]:
    nobody = "0.0.0.0" if version == 4 else "::"  # noqa: S104 -- the packet has the addresses
    words = ["tmpl", "src", one.source or nobody, "dst", one.destination or nobody, "proto", one.protocol]
    words += ["spi", f"{one.spi:#010x}"] if one.spi else []
    words += ["reqid", str(one.reqid), "mode", one.mode]
    return [*words, "level", "use"] if one.optional else words
