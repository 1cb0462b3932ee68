"""The SAs and policies of a case as `ip xfrm` commands: a shell script for a network namespace of its own.

What Linux or iproute2 cannot say stands in a comment beside the command: windows larger than 4,096, the numbers already
received (iproute2 sets T, not the bitmap), a fixed DSCP other than 0, the hop limit (Linux takes the route's), Appendix
A3, lookup by SPI alone (Linux always wants the destination too).

An SA needs a policy in front of it. Outbound, the selectors of the SA are used or, where it has none, the addresses of the
packets that the case sends; inbound, the same with the packets that come out. Only one policy can have a selector, so
that a second SA for the same traffic gets its policy as a comment. Steps that add and delete SAs are comments too.
"""

import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network

from espproof.adapters.base import Transcript
from espproof.adapters.case import (
    AddSa,
    AdvanceTime,
    Burst,
    Case,
    DeleteSa,
    Delivered,
    Done,
    Outcome,
    Refused,
    Sa,
    Selector,
    Step,
)
from espproof.adapters.models.reference import ReferenceAdapter
from espproof.adapters.steps import STEPS
from espproof.conformance.export import host_script
from espproof.conformance.export.comment import comment
from espproof.reference import ip
from espproof.reference.algorithms import ENCRYPTION, INTEGRITY
from espproof.reference.errors import Malformed

LARGEST_WINDOW = 4096
"""XFRMA_REPLAY_ESN_MAX of Linux."""
ESN_WINDOW = 32
"""An SA with extended sequence numbers must have a window, in either direction."""

HEAD = """\
#!/bin/sh
# To be run as root in a network namespace of its own:   unshare -n sh FILE
# What it leaves behind goes with:                        ip xfrm state flush; ip xfrm policy flush"""


def ip_xfrm(case: Case) -> str:
    """The script. It ends at the first command that fails."""
    lines = [*HEAD.splitlines(), *comment(f"espproof case {case.id}"), *comment(case.title), "set -eu"]
    if case.host is not None:
        return "\n".join([*lines, *host_script.lines(case, _sa)]) + "\n"
    done = ReferenceAdapter().execute(case)
    policies = _Policies()
    for number, (sa, outcome) in enumerate(zip(case.sas, done.setup, strict=True), 1):
        lines += ["", *_sa(sa, number, outcome)]
        if isinstance(outcome, Done) and state(sa, number) is not None:
            lines += policies.of(sa, number, traffic(case, done, sa))
    later = [
        line
        for place, (step, outcome) in enumerate(zip(case.steps, done.steps, strict=True))
        for line in _step(case, place, step, outcome)
    ]
    return "\n".join([*lines, *(["", *later] if later else [])]) + "\n"


def state(sa: Sa, reqid: int) -> list[str] | None:
    """The command that adds an SA, word by word; None if Linux does not have its algorithms."""
    cipher, integrity = ENCRYPTION[sa.encr], INTEGRITY.get(sa.auth)
    if cipher.names.linux is None or integrity is None:
        return None
    command = ["ip", "xfrm", "state", "add", *_ends(sa), "spi", f"{sa.spi:#010x}"]
    command += ["reqid", str(reqid), "mode", sa.mode, *host_script.mark(sa.mark)]
    command += ["if_id", f"{sa.if_id:#x}"] if sa.if_id else []
    key = _hexadecimal(sa.encr_key + sa.salt)
    if cipher.aead:
        command += ["aead", cipher.names.linux, key, str(8 * cipher.icv_size)]
    else:
        command += ["enc", cipher.names.linux, key] if sa.protocol == "esp" else []
        command += ["auth-trunc", str(integrity.names.linux), _hexadecimal(sa.auth_key), str(8 * integrity.icv_size)]
    command += [*_encapsulation(sa), *_replay(sa), *_flags(sa)]
    if len(sa.selectors) == 1:
        command += ["sel", *_selector(sa.selectors[0], _either(sa))]
    return command + _limits(sa)


def notes(sa: Sa) -> Iterator[str]:
    """What the command cannot say."""
    if sa.direction == "in" and _window(sa) != sa.replay_window:
        yield f"the replay window of {sa.replay_window} packets cannot be had, here it is {_window(sa)}"
    if sa.received_offsets or (sa.direction == "in" and sa.sequence):
        yield "iproute2 cannot set which numbers were received: Linux takes even the highest one as not yet received"
    if sa.direction == "in" and sa.lookup != "spi+destination":
        yield f"the case looks the SA up by {sa.lookup}, Linux by SPI and destination"
    if sa.direction == "out" and sa.mode == "tunnel":
        if sa.dscp not in ("copy", 0):
            yield f"the DSCP {sa.dscp} of the tunnel header cannot be fixed; it is copied"
        if sa.df == "set" and ":" not in sa.destination:
            yield "DF cannot be set whatever the inner packet has; it is copied"
        yield f"the TTL of the tunnel header is the route's, in the case it is {sa.hop_limit}"
    if sa.resync_limit:
        yield "Linux does not resynchronise extended sequence numbers (RFC 4303 A3)"
    if len(sa.selectors) > 1:
        yield "a state has one selector; here the policies alone select"


def _sa(sa: Sa, number: int, outcome: Outcome) -> list[str]:
    """An SA with its comments, or why it is left out."""
    what = f"{sa.encr} {sa.auth}" if sa.protocol == "esp" else f"AH, {sa.auth}"
    about = comment(f"SA {sa.name} ({sa.direction}): {what}")
    if isinstance(outcome, Refused):
        return [*about, *comment(f"left out, it is not allowed: {outcome.reason}")]
    command = state(sa, number)
    if command is None:
        return [*about, *comment(f"left out: Linux does not have {what}")]
    return [*about, *[line for note in notes(sa) for line in comment(note)], _folded(command)]


def _step(case: Case, place: int, step: Step, outcome: Outcome) -> Iterator[str]:
    """A step that changes SAs, as a comment."""
    if isinstance(step, AddSa):
        yield f"# step {place} adds an SA:"
        for line in _sa(step.sa, len(case.sas) + place + 1, outcome):
            yield from ([line] if line.startswith("#") else [f"#   {part}" for part in line.splitlines()])
    elif isinstance(step, DeleteSa) and isinstance(outcome, Done):
        sa = next(sa for sa in case.every_sa() if sa.name == step.sa)
        yield from comment(f"step {place} deletes SA {step.sa}:")
        yield f"#   {shlex.join(['ip', 'xfrm', 'state', 'delete', *_ends(sa), 'spi', f'{sa.spi:#010x}'])}"
    elif isinstance(step, AdvanceTime):
        yield f"# step {place}: {STEPS[AdvanceTime].told(step)}"


# ------------------------------------------------------------------------------------------------------ parts of an SA


def _ends(sa: Sa) -> list[str]:
    return ["src", str(ip_address(sa.source)), "dst", str(ip_address(sa.destination)), "proto", sa.protocol]


def _hexadecimal(octets: bytes) -> str:
    return f"0x{octets.hex()}" if octets else ""


def _encapsulation(sa: Sa) -> list[str]:
    if sa.udp is None:
        return []
    original = "::" if ":" in sa.destination else "0.0.0.0"  # noqa: S104 -- before a NAT; unused
    return ["encap", "espinudp", str(sa.udp.source_port), str(sa.udp.destination_port), original]


def _window(sa: Sa) -> int:
    wanted = sa.replay_window if sa.direction == "in" else 0
    return min(wanted, LARGEST_WINDOW) or (ESN_WINDOW if sa.esn else 0)


def _replay(sa: Sa) -> list[str]:
    words = ["replay-window", str(_window(sa))]
    kind = "replay-seq" if sa.direction == "in" else "replay-oseq"
    if sa.sequence:
        words += [kind, f"{int(sa.sequence) & 0xFFFFFFFF:#x}"]
    if sa.sequence >> 32:
        words += [f"{kind}-hi", f"{int(sa.sequence) >> 32:#x}"]
    return words


def _flags(sa: Sa) -> list[str]:
    """`af-unspec`: a tunnel carries both IP versions, unless a selector says otherwise. `align4`: AH over IPv4 is padded
    as RFC 4302 has it."""
    flags = []
    if sa.mode == "tunnel" and not sa.selectors:
        flags.append("af-unspec")
    if sa.protocol == "ah" and _either(sa) == 4:
        flags.append("align4")
    if sa.esn:
        flags.append("esn")
    if sa.mode == "tunnel" and sa.ecn == "compatibility":
        flags.append("noecn")
    if sa.mode == "tunnel" and sa.df == "clear":
        flags.append("nopmtudisc")
    words = ["flag", *flags] if flags else []
    return [*words, *(["extra-flag", "dont-encap-dscp"] if sa.mode == "tunnel" and sa.dscp == 0 else [])]


def _limits(sa: Sa) -> list[str]:
    lifetime = sa.lifetime
    named = {
        "packet-soft": lifetime.soft_packets,
        "packet-hard": lifetime.hard_packets,
        "byte-soft": lifetime.soft_octets,
        "byte-hard": lifetime.hard_octets,
        "time-soft": lifetime.soft_seconds,
        "time-hard": lifetime.hard_seconds,
        "time-use-soft": lifetime.soft_use_seconds,
        "time-use-hard": lifetime.hard_use_seconds,
    }
    return [word for name, limit in named.items() if limit is not None for word in ("limit", name, str(limit))]


def _either(sa: Sa) -> int:
    """The IP version of a selector that names no address."""
    return ip_address(sa.destination).version


def _selector(selector: Selector, version: int) -> list[str]:
    prefixes = [
        None if text is None else ip_network(text, strict=False) for text in (selector.source, selector.destination)
    ]
    version = next((prefix.version for prefix in prefixes if prefix is not None), version)
    source, destination = (str(prefix or ("0.0.0.0/0" if version == 4 else "::/0")) for prefix in prefixes)
    words = ["src", source, "dst", destination]
    return words if selector.protocol is None else [*words, "proto", str(selector.protocol)]


# ------------------------------------------------------------------------------------------------------------ policies


def traffic(case: Case, done: Transcript, sa: Sa) -> tuple[Selector, ...]:
    """What goes through an SA: its selectors or, if it has none, the addresses of the case's own packets."""
    if sa.selectors:
        return sa.selectors
    if sa.direction == "out":
        inner = [
            bytes(packet)
            for step in case.steps
            if STEPS[type(step)].direction == "out" and STEPS[type(step)].sa(step) == sa.name
            for packet in STEPS[type(step)].packets(step)
        ]
    else:
        inner = [
            bytes(one.packet)
            for outcome in done.steps
            for one in (outcome.results if isinstance(outcome, Burst) else (outcome,))
            if isinstance(one, Delivered) and one.sa == sa.name
        ]
    return tuple(dict.fromkeys(selector for packet in inner if (selector := _between(packet)) is not None))


def _between(packet: bytes) -> Selector | None:
    try:
        parsed = ip.parse(packet)
    except Malformed:
        return None
    return Selector(source=str(ip_address(parsed.source)), destination=str(ip_address(parsed.destination)))


@dataclass
class _Policies:
    """The selectors that are taken."""

    taken: set[tuple[str, ...]] = field(default_factory=set)

    def of(self, sa: Sa, reqid: int, selectors: tuple[Selector, ...]) -> list[str]:
        """The policies of an SA. Without any traffic there is nothing to let through."""
        directions = ["out"] if sa.direction == "out" else ["in", "fwd"] if sa.mode == "tunnel" else ["in"]
        template = ["tmpl", *_ends(sa), *(["reqid", str(reqid)] if sa.direction == "out" else []), "mode", sa.mode]
        lines = []
        for selector in selectors:
            for direction in directions:
                key = (*_selector(selector, _either(sa)), "dir", direction)
                text = shlex.join(["ip", "xfrm", "policy", "add", *key, *template])
                lines.append(f"# the selector has a policy already: {text}" if key in self.taken else text)
                self.taken.add(key)
        return lines or ["# no packet of the case passes this SA: no policy"]


def _folded(command: list[str]) -> str:
    """The command on a few lines."""
    breaks = {"aead", "enc", "auth-trunc", "encap", "replay-window", "flag", "extra-flag", "sel", "limit"}
    words = [f"\\\n  {shlex.quote(word)}" if word in breaks else shlex.quote(word) for word in command]
    return " ".join(words)
