"""ICMP errors that no policy is for: they go the way of the packet that they quote, turned round (RFC 4301 6.2)."""

from ipaddress import ip_address

from hypothesis import strategies as st

from espproof.adapters.case import Sa
from espproof.conformance.checks.host import HostScenario
from espproof.conformance.checks.links import NARROW, LinkedHost, icmp_packet
from espproof.conformance.checks.registry import check
from espproof.conformance.checks.scenario import Scenario
from espproof.conformance.requirements.ids import ERROR_SOURCE, IN_THE_CLEAR
from espproof.conformance.strategies import packets
from espproof.reference import ip

RETURN = "RFC4301-6.2-return-sa"
SPECIAL, NOT_FORWARDED = "RFC4301-6.2-special-on-receipt", "RFC4301-6.2-not-forwarded"
_Kinds = dict[int, tuple[tuple[int, int], ...]]
_KINDS: _Kinds = {4: ((3, 1), (3, 3), (11, 0)), 6: ((1, 0), (1, 4), (3, 0))}
"""Type and code: unreachable, and time exceeded."""
_NO_ERRORS: _Kinds = {4: ((0, 0), (8, 0), (13, 0), (14, 0), (17, 0), (18, 0)), 6: ((128, 0), (129, 0))}
"""Messages that ask, or answer."""
_ROUTERS = {
    "near": {4: "203.0.113.99", 6: "2001:db8:70::99"},
    "far": {4: "198.51.100.99", 6: "2001:db8:80::99"},
}
_OTHER = {4: "203.0.113.55", 6: "2001:db8:80::55"}
"""Somebody whom no policy is for."""


@check(RETURN, IN_THE_CLEAR, weight=2.0, proved_by=("xfrm-icmp-errors-in-the-clear", "xfrm-icmp-errors-discarded"))
def of_a_router(s: Scenario) -> None:
    """A router behind the host reports on a packet out of a tunnel: the error goes into the tunnel back. One that reports
    on something else is traffic that no policy is for."""
    h, out, _, version = _pair(s)
    h.policy("out", h.outgoing(version), h.template(out), about=RETURN, icmp_errors=True)
    came = h.incoming(version)
    quoted = s.draw(st.sampled_from((came, _from_other(came))))
    destination = packets.hosts(version, "out")[1]
    h.enters("plain", _error(s, version, "near", destination, quoted), RETURN)
    h.counters(RETURN)


@check(RETURN, IN_THE_CLEAR, proved_by=("xfrm-icmp-errors-in-the-clear", "xfrm-icmp-errors-discarded"))
def of_the_host_itself(s: Scenario) -> None:
    """The host tells who is behind a tunnel that a packet out of it is too long, through the tunnel back."""
    _told_through_the_tunnel(s)


@check(*ERROR_SOURCE.values(), proved_by=("xfrm-icmp-from-somebody-else",))
def from_its_own_address(s: Scenario) -> None:
    """The host's message about a packet that is too long, out of a tunnel or not, comes from an address of its own."""
    if s.draw(st.booleans()):
        _told_through_the_tunnel(s)
        return
    h = LinkedHost(s, plain=NARROW)
    assert h.plain is not None
    version = s.draw(st.sampled_from(h.versions()))
    h.enters("wire", h.sized(h.incoming, version, h.plain + 1, dont_fragment=True), ERROR_SOURCE[version])


def _told_through_the_tunnel(s: Scenario) -> None:
    h = LinkedHost(s, plain=NARROW)
    s.need("icmp_errors", h.caps.icmp_errors)
    out, back = h.pair(mode="tunnel")
    version = h.version_in(out, back)
    packet = h.incoming(version)
    h.policy("out", h.outgoing(version), h.template(out), about=RETURN, icmp_errors=True)
    h.policy("forward", packet, h.template(back), about=RETURN)
    assert h.plain is not None
    long = h.sized(h.incoming, version, h.plain + s.draw(st.integers(0, 1)), dont_fragment=True)
    h.enters("wire", s.peer(back).protect(long, 1), RETURN)
    h.counters(RETURN)


@check(SPECIAL, NOT_FORWARDED, weight=2.0, proved_by=("xfrm-icmp-not-turned-round", "xfrm-icmp-any-quoted-packet"))
def out_of_a_tunnel(s: Scenario) -> None:
    """A router behind the tunnel reports on a packet that went into it, or on one that did not."""
    h, _, back, version = _pair(s)
    h.policy("forward", h.incoming(version), h.template(back), about=SPECIAL, icmp_errors=True)
    went = h.outgoing(version)
    near = packets.hosts(version, "out")[0]
    kinds = s.draw(st.lists(st.sampled_from((SPECIAL, NOT_FORWARDED)), min_size=1, max_size=2))
    for number, about in enumerate(kinds, 1):
        error = _error(s, version, "far", near, went if about == SPECIAL else _to_other(went))
        h.enters("wire", s.peer(back).protect(error, number), about)
    h.counters(kinds[0])


@check(NOT_FORWARDED, proved_by=("xfrm-icmp-every-message-is-an-error",))
def what_is_no_error(s: Scenario) -> None:
    """A message that asks or answers is traffic like any other, whatever packet it carries."""
    h, _, back, version = _pair(s)
    h.policy("forward", h.incoming(version), h.template(back), about=SPECIAL, icmp_errors=True)
    near = packets.hosts(version, "out")[0]
    message = _error(s, version, "far", near, h.outgoing(version), _NO_ERRORS)
    h.enters("wire", s.peer(back).protect(message, 1), NOT_FORWARDED)
    h.counters(NOT_FORWARDED)


def _pair(s: Scenario) -> tuple[HostScenario, Sa, Sa, int]:
    h = HostScenario(s)
    s.need("icmp_errors", h.caps.icmp_errors)
    out, back = h.pair(mode="tunnel")
    return h, out, back, h.version_in(out, back)


def _error(s: Scenario, version: int, where: str, destination: bytes, quoted: bytes, kinds: _Kinds = _KINDS) -> bytes:
    kind, code = s.draw(st.sampled_from(kinds[version]))
    source = ip_address(_ROUTERS[where][version]).packed
    return icmp_packet(source, destination, bytes((kind, code)) + bytes(6) + quoted)


def _from_other(packet: bytes) -> bytes:
    return _with(packet, ip.IPV4_SOURCE if packet[0] >> 4 == 4 else ip.IPV6_SOURCE)


def _to_other(packet: bytes) -> bytes:
    return _with(packet, ip.IPV4_DESTINATION if packet[0] >> 4 == 4 else ip.IPV6_DESTINATION)


def _with(packet: bytes, field: slice) -> bytes:
    """The packet with somebody else in the place of an address."""
    version = packet[0] >> 4
    changed = packet[: field.start] + ip_address(_OTHER[version]).packed + packet[field.stop :]
    return ip.with_checksum(changed[:20]) + changed[20:] if version == 4 else changed
