"""A security gateway in a network namespace of its own: a link to the network on one side, a tun device on the plain one.

    peer ── wire (link) ──► ESP in ──► forward ──► log          what the peer sends is written to `wire`
    peer ◄─ wire (link) ◄── ESP out ◄─ forward ◄── plain (tun)  a tunnel's packets arrive on `plain`, raw sockets send
                                                                those of transport mode

Runs beside the kernel, on the standard library alone. What happened to a packet is what the kernel says: it came out on
`wire`, a rule of `firewall` saw it, a socket received it, or a counter of `/proc/net/xfrm_stat` moved. Packets are taken
one after the other; only where the kernel says nothing, it is given a moment (deferred softirqs and work queues).
"""

import ctypes
import os
import select
import socket
import struct
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from espproof.adapters.linux.inside.discards import lets_out
from espproof.adapters.linux.inside.link import QUIET, ROOM, Link, Tun, fresh_namespace, set_values
from espproof.adapters.linux.netlink import firewall, netlink, rtnetlink, xfrm

_SO_RCVBUFFORCE, _SO_MARK = 33, 36
_IP_HDRINCL, _IP_PKTINFO, _IPV6_HDRINCL, _IPV6_PKTINFO = 3, 8, 36, 50
_UDP_ENCAP = 100
_BUFFER = 1 << 17
_MOST_PORTS = 64
_HEADERS = {4: 20, 6: 40}
"""Octets by IP version."""
_LOG_BUFFER = 8 << 20
_LO = 1

_SETTINGS = (
    QUIET
    | {
        "ipv4/ip_forward": "1",
        "ipv6/conf/all/forwarding": "1",
    }
    | {
        f"{version}/conf/{which}/{name}": value
        for which in ("all", "default")
        for version, name, value in (
            ("ipv4", "rp_filter", "0"),
            ("ipv4", "accept_local", "1"),
            ("ipv4", "send_redirects", "0"),
            ("ipv6", "accept_dad", "0"),
            ("ipv6", "accept_ra", "0"),
            ("ipv6", "seg6_enabled", "1"),
        )
    }
)

_SHORT_LIVED_FRAGMENTS = {"ipv4/ipfrag_time": "1", "ipv6/ip6frag_time": "1"}
"""Seconds that a fragment waits for the others."""
_FRAGMENTS_SECONDS = 3.0

DROP_REASONS = {
    "XfrmInHdrError": "malformed",
    "XfrmInNoStates": "no-sa",
    "XfrmInStateProtoError": "malformed",
    "XfrmInStateModeError": "mode",
    "XfrmInStateSeqError": "replay",
    "XfrmInStateExpired": "expired",
    "XfrmInStateMismatch": "selector",
    "XfrmInStateInvalid": "no-sa",
    "XfrmInTmplMismatch": "selector",
    "XfrmOutStateSeqError": "sequence-overflow",
    "XfrmOutStateExpired": "expired",
    "XfrmOutNoStates": "expired",
}
"""Counter of `/proc/net/xfrm_stat` -> `reference.drops.DropReason`; "unspecified" for any other. A wrong ICV counts as
XfrmInStateProtoError too, but the SA has a counter of its own for it."""
_FAILED = "XfrmInStateProtoError"

Result = tuple[str, bytes | str]
"""("sent" or "delivered", packet), ("dropped", reason), ("passed", "ike" or "bypass")"""


class Transport(Protocol):
    """A socket of netlink. An answer is there as soon as a request was sent: the kernel carries it out meanwhile."""

    def send(self, request: bytes, /) -> object: ...
    def recv(self, size: int, /) -> bytes: ...
    def close(self) -> object: ...


def raw_socket(family: int) -> Transport:
    """A bare socket of a netlink family, whose answers are in words too."""
    one = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, family)
    one.setsockopt(netlink.SOL_NETLINK, netlink.EXT_ACK, 1)
    return one


class Refusal(Exception):
    """The kernel refused a message of the set-up."""


class Gateway:
    """Two devices, the sockets around them, and what they have been told. One at a time per process."""

    of_host = False
    """Whether what happens to packets is for the policies of a case to say."""

    merges = False
    """Whether what the kernel has merged is taken so, and not cut up again."""

    def __init__(self, wire: Link | None = None, transport: Callable[[int], Transport] = raw_socket) -> None:
        fresh_namespace()
        set_values(_SETTINGS)
        self._xfrm, self._route = transport(xfrm.NETLINK_XFRM), transport(rtnetlink.NETLINK_ROUTE)
        self._log = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, firewall.NETLINK_NETFILTER)
        self.wire = wire or Tun("wire")
        self.plain = Tun("plain", super_packets=self.of_host, merged=self.of_host and self.merges)
        if not self.wire.renewed:
            set_values(_SHORT_LIVED_FRAGMENTS)
        for link in (self.wire, self.plain):
            link.enter()
        self._raw = {4: _raw_socket(4), 6: _raw_socket(6)}
        self._statistics = os.open("/proc/thread-self/net/xfrm_stat", os.O_RDONLY)
        self._last = self._counters()
        self._kept = 0
        self._udp: dict[tuple[int, int], socket.socket] = {}
        self._open_ports: set[tuple[int, int]] = set()
        self.hosts: dict[str, bool] = {}
        self._set_up()
        self.unexplained = False
        """Whether a packet has vanished without a word: it may be a fragment that is kept."""
        self.integrity_failed: Callable[[], bool] = lambda: False
        """Whether the ICV of a packet was wrong since the last time; whoever knows the SAs puts its answer here."""

    def _set_up(self) -> None:
        self._must(rtnetlink.link_up(_LO, no_address=False))
        for link in (self.wire, self.plain):
            link.up(self._must)
        for version in (4, 6):
            self._must(rtnetlink.route(None, self.plain.index, version, add=True))
        self._entries = dict.fromkeys(self._raw, firewall.ENTRIES_AT_FIRST)
        self._watch()
        for policy in () if self.of_host else _inbound_policies():
            _check(self.ask(xfrm.encode(policy)))
        self._log.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _LOG_BUFFER)
        for group in (firewall.DECAPSULATED, firewall.PLAIN, firewall.ENCAPSULATED):
            for message in firewall.listen(group):
                self._log.send(message)
                _check(self._log.recv(_BUFFER))
        self._log.setblocking(False)

    def close(self) -> None:
        """Let go of everything; the kernel then removes the namespace."""
        for link in (self.wire, self.plain):
            link.leave(self._must)
        for one in (self._xfrm, self._route, self._log, *self._raw.values(), *self._udp.values()):
            one.close()
        os.close(self._statistics)

    # ----------------------------------------------------------------------------------------------------- control

    def ask(self, request: bytes) -> bytes:
        """Send a message of xfrm; what the kernel answers."""
        self._xfrm.send(request)
        return self._xfrm.recv(_BUFFER)

    def errno(self, request: bytes) -> int:
        """Send a message of xfrm that is only acknowledged; its error number, 0 for none."""
        return self.error(request)[0]

    def error(self, request: bytes) -> tuple[int, str]:
        """The same, and the kernel's words."""
        for message in netlink.messages(self.ask(request)):
            return message.errno or 0, message.text
        return 0, ""

    def _must(self, request: bytes) -> None:
        self._route.send(request)
        _check(self._route.recv(_BUFFER))

    def end(self, host: str, *, ours: bool) -> None:
        """From now on an address is ours, or that of a host behind `wire`."""
        if self.hosts.get(host) == ours:
            return
        self.forget(host)
        self._end(host, ours=ours, add=True)
        if ours:
            self._await_address(host)
        self.hosts[host] = ours

    def forget(self, host: str) -> None:
        """An address is nobody's any more, if it was somebody's."""
        if host in self.hosts:
            self._end(host, ours=self.hosts.pop(host), add=False)

    def _await_address(self, host: str) -> None:
        """Until packets to an address of ours find us: of IPv6 the kernel sees to that in a work queue."""
        for seconds in (0.0, *self.wire.patience, 0.1, 1.0):
            time.sleep(seconds)
            self._route.send(rtnetlink.where_is(host))
            if rtnetlink.is_here(self._route.recv(_BUFFER)):
                return
        raise Refusal(f"{host} does not become an address of this host")

    def _end(self, host: str, *, ours: bool, add: bool) -> None:
        if ours:
            self._must(rtnetlink.local_address(host, _LO, add=add))
            return
        self._must(rtnetlink.route(host, self.wire.index, 6 if ":" in host else 4, add=add))
        neighbour = self.wire.neighbour(host, add=add)
        if neighbour is not None:
            self._must(neighbour)

    def encapsulation_ports(self, ports: set[tuple[int, int]]) -> None:
        """Let exactly these (IP version, port) open UDP encapsulation.

        A port keeps its socket, which is an ordinary one while it opens nothing: to rewrite the rules takes 0.1 s.
        """
        new = ports - set(self._udp)
        if len(self._udp) + len(new) > _MOST_PORTS:
            for old in self._udp.values():
                old.close()
            self._udp, new = {}, ports
        for version, port in new:
            self._udp[version, port] = _udp_socket(version, port)
        if new:
            self._watch()
        for one in self._open_ports ^ ports:
            if one in self._udp:
                kind = xfrm.UDP_ENCAP_ESPINUDP if one in ports else 0
                self._udp[one].setsockopt(socket.IPPROTO_UDP, _UDP_ENCAP, kind)
        self._open_ports = set(ports)

    def _watch(self) -> None:
        for version, one in self._raw.items():
            entries = self._entries[version]
            counters = (ctypes.c_uint64 * (2 * entries))()
            ports = [port for ip_version, port in self._udp if ip_version == version]
            rules, self._entries[version] = firewall.table(
                version, "plain", ports, ctypes.addressof(counters), entries, of_host=self.of_host
            )
            level = socket.IPPROTO_IPV6 if version == 6 else socket.IPPROTO_IP
            one.setsockopt(level, firewall.SET_REPLACE, rules)

    def holds_fragments(self) -> bool:
        """Whether fragments wait for others, which could meet those of the next case."""
        return _memory_of_fragments() > 0

    def outlive_fragments(self) -> None:
        """Wait until none is kept; for a gateway that cannot be made anew at once."""
        until = time.monotonic() + _FRAGMENTS_SECONDS
        while self.holds_fragments() and time.monotonic() < until:
            time.sleep(0.02)

    def clear(self) -> None:
        """Forget packets that nobody has asked for."""
        for link in (self.wire, self.plain):
            while link.read() is not None:
                pass
        while self._logged() is not None:
            pass
        self._last = self._counters()
        self.unexplained = False

    # ----------------------------------------------------------------------------------------------------- packets

    def arrive(self, packet: bytes) -> Result:
        """A packet comes from the network."""
        is_fragment = _is_fragment(packet)
        self._kept = _memory_of_fragments() if is_fragment else 0
        if not self.wire.write(packet):
            return "dropped", "malformed"  # for the device it is no IP packet
        return self._told(self._log, self._fate_of_fragment if is_fragment else self._fate_of_arrived)

    def forward(self, packet: bytes) -> Result:
        """A packet comes from the plain side, for the policy that there is."""
        if not self.plain.write(packet):
            return "dropped", "malformed"
        return self._told(self.wire, self._fate_of_protected)

    def originate(self, packet: bytes, source: str, destination: str) -> Result:
        """A packet of our own, header included, goes from one address to another."""
        if not self.send(packet, source, destination):
            reason = self._new_drop()
            return "dropped", reason or "unspecified"
        return self._told(self.wire, self._fate_of_protected)

    def send(self, packet: bytes, source: str = "", destination: str = "") -> bool:
        """Send a packet of our own, header included, from one address to another or to those in its header, which is whole
        then; False if the kernel does not take it."""
        if not destination:
            source, destination = _ends(packet)
        family = socket.AF_INET6 if ":" in destination else socket.AF_INET
        if family == socket.AF_INET:
            octets = struct.pack("=i4s4s", 0, socket.inet_pton(family, source), bytes(4))
            control = (socket.IPPROTO_IP, _IP_PKTINFO, octets)
        else:
            octets = struct.pack("=16si", socket.inet_pton(family, source), 0)
            control = (socket.IPPROTO_IPV6, _IPV6_PKTINFO, octets)
        raw = self._raw[4 if family == socket.AF_INET else 6]
        return lets_out(raw.sendmsg, [packet], [control], 0, (destination, 0))

    def mark_own(self, mark: int) -> None:
        """From now on packets of our own have this mark."""
        for one in self._raw.values():
            one.setsockopt(socket.SOL_SOCKET, _SO_MARK, struct.pack("=I", mark))

    def _told(self, where: socket.socket | Link, fate: Callable[[], Result | None]) -> Result:
        result = fate()
        for seconds in self.wire.patience:
            if result is not None:
                return result
            select.select([where], [], [], seconds)
            result = fate()
        if result is None:
            self.unexplained = True
        return result or ("dropped", "unspecified")

    def _fate_of_arrived(self) -> Result | None:
        seen = self._logged()
        if seen is not None:
            if seen.group == firewall.PLAIN:
                is_kept = seen.hook == firewall.HOOK_INPUT and _is_fragment(seen.packet)
                return None if is_kept else ("passed", "bypass")
            # a local packet meets the policy check behind the rule that has seen it
            reason = self._new_drop() if seen.hook == firewall.HOOK_INPUT else None
            return ("dropped", reason) if reason else ("delivered", seen.packet)
        reason = self._new_drop()
        if reason:
            return "dropped", reason
        for port, one in self._udp.items():
            with suppress(BlockingIOError):
                one.recv(1)
                return "passed", "ike" if port in self._open_ports else "bypass"
        return None

    def _fate_of_fragment(self) -> Result | None:
        result = self._fate_of_arrived()
        if result is None and _memory_of_fragments() > self._kept:
            self.unexplained = True  # it may still be there in the next case
            return "dropped", "fragment"
        return result

    def _fate_of_protected(self) -> Result | None:
        packet = self.wire.read()
        if packet is None:
            reason = self._new_drop()
            return ("dropped", reason) if reason else None
        if _is_fragment(packet):
            while self.wire.read() is not None:
                pass
        return "sent", packet

    def _logged(self) -> firewall.Logged | None:
        try:
            return firewall.logged(bytes(memoryview(ROOM)[: self._log.recv_into(ROOM)]))
        except BlockingIOError:
            return None

    # ---------------------------------------------------------------------------------------------------- counters

    def _counters(self) -> bytes:
        return os.pread(self._statistics, 8192, 0)

    def _new_drop(self) -> str:
        """Why a packet was dropped since the last time, "" if none was."""
        now = self._counters()
        if now == self._last:
            return ""
        before, after = self._last.split(), now.split()
        self._last = now
        moved = [after[at - 1].decode() for at in range(1, len(after), 2) if before[at] != after[at]]
        return self._reason(moved[0])

    def _reason(self, counter: str) -> str:
        if counter == _FAILED and self.integrity_failed():
            return "integrity"
        return DROP_REASONS.get(counter, "unspecified")


def _inbound_policies() -> list[xfrm.Request]:
    """What has come out of any tunnel is let in and forwarded, and so is what has come out of none."""
    template = xfrm.Template(mode=xfrm.TUNNEL, optional=1)
    return [
        xfrm.Request(
            xfrm.Type.NEWPOLICY,
            xfrm.PolicyInfo(selector=xfrm.Selector(family=family), direction=direction),
            {xfrm.Attribute.TMPL: (template,)},
        )
        for family in (xfrm.AF_INET, xfrm.AF_INET6)
        for direction in (xfrm.IN, xfrm.FORWARD)
    ]


def has_header(packet: bytes) -> bool:
    """Whether it is a packet of IPv4 or IPv6 with a whole header, IPv4 options aside."""
    version = packet[0] >> 4 if packet else 0
    return version in _HEADERS and len(packet) >= _HEADERS[version]


def _ends(packet: bytes) -> tuple[str, str]:
    """Source and destination of an IP packet, which has a whole header."""
    if packet[0] >> 4 == 4:
        return socket.inet_ntoa(packet[12:16]), socket.inet_ntoa(packet[16:20])
    source, destination = packet[8:24], packet[24:40]
    return socket.inet_ntop(socket.AF_INET6, source), socket.inet_ntop(socket.AF_INET6, destination)


def _raw_socket(version: int) -> socket.socket:
    one = socket.socket(socket.AF_INET6 if version == 6 else socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    level, option = (socket.IPPROTO_IPV6, _IPV6_HDRINCL) if version == 6 else (socket.IPPROTO_IP, _IP_HDRINCL)
    one.setsockopt(level, option, 1)
    one.setsockopt(socket.SOL_SOCKET, _SO_MARK, firewall.TO_PROTECT)
    one.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
    return one


def _udp_socket(version: int, port: int) -> socket.socket:
    one = socket.socket(socket.AF_INET6 if version == 6 else socket.AF_INET, socket.SOCK_DGRAM)
    if version == 6:
        one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a peer's port may be the same, see `senders`
    one.bind(("", port))
    one.setblocking(False)
    return one


def _memory_of_fragments() -> int:
    """Octets that the kernel has in fragments which wait for others."""
    octets = 0
    for name in ("sockstat", "sockstat6"):
        with open(f"/proc/thread-self/net/{name}", encoding="utf-8") as file:
            octets += sum(int(line.split()[4]) for line in file if line.startswith("FRAG"))
    return octets


def _is_fragment(packet: bytes) -> bool:
    """Whether an IP packet is one of several pieces; behind other extension headers it is not seen."""
    if packet[0] >> 4 == 4:
        return bool(int.from_bytes(packet[6:8], "big") & 0x3FFF)
    return packet[6] == 44


def _check(answer: bytes) -> None:
    for message in netlink.messages(answer):
        if message.errno:
            raise Refusal(f"{os.strerror(message.errno)}: {message.text or message.payload[4:].hex()}")
