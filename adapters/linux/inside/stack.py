"""A host with policies of its own, in the place of the gateway: packets enter at a side, and emerge at one.

What emerges on `wire` and `plain` is read from these devices, what reaches the host itself is told by a rule of
`firewall`, in front of the policy check of local packets: a counter that moves afterwards takes it back. Counters are
told as they stand in `/proc/net/xfrm_stat`, from the beginning of a case.
"""

import select
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from espproof.adapters.linux.inside.gateway import Gateway, Transport, raw_socket
from espproof.adapters.linux.inside.link import LARGEST, Link
from espproof.adapters.linux.netlink import firewall, rtnetlink, xfrm

_DEFAULT = {False: 2, True: 1}
"""`XFRM_USERPOLICY_…` of packets that no policy is for: accepted, or blocked."""

_SETTLED_SECONDS = 1.2
"""Behind which a new namespace says nothing of its own accord any more: reports of multicast listeners, which would meet
the policies of a case and be counted."""

_ACQUIRE_AND_EXPIRE = 0b11
"""Multicast groups (XFRMNLGRP_ACQUIRE, XFRMNLGRP_EXPIRE), as bits."""
_TOLD_SECONDS = 0.02
"""Behind which the timers have run that a packet has set."""
_ANY = (None, None)
"""Links that carry what there is."""

Emerged = tuple[str, bytes]
"""The side, and the packet."""


def silence_icmp() -> None:
    """No errors to senders, in this namespace or on the whole machine: they are nobody's packets, and would meet policies
    and be counted. Those that say that a packet was too long are never held back (`icmpv4_mask_allow` and its sister)."""
    for name in ("icmp_msgs_per_sec", "icmp_msgs_burst"):
        with suppress(OSError), open(f"/proc/sys/net/ipv4/{name}", "w", encoding="utf-8") as file:
            file.write("0")


class Untaken(Exception):
    """A device does not take a super-packet of this kind."""


class Stack(Gateway):
    """The devices of a gateway, around policies that nobody but the case gives."""

    of_host = True

    def __init__(self, wire: Link | None = None, transport: Callable[[int], Transport] = raw_socket) -> None:
        self._key_manager: socket.socket | None = None
        super().__init__(wire, transport)
        silence_icmp()
        self._mtus: tuple[int | None, int | None] = _ANY
        time.sleep(_SETTLED_SECONDS)

    def become(
        self,
        addresses: Sequence[str],
        wire: Sequence[str],
        blocked: Sequence[str],
        mtus: Sequence[int | None],
        key_manager: bool,
    ) -> None:
        """Be this host, without policies; SAs are forgotten by `reset` already. `mtus` are those of wire and plain. With a
        key manager that listens the kernel asks for SAs, and keeps larval ones."""
        self.flush_policies()
        self._listen(key_manager)
        defaults = xfrm.Defaults(*(_DEFAULT[direction in blocked] for direction in ("in", "forward", "out")))
        self.errno(xfrm.encode(xfrm.Request(xfrm.Type.SETDEFAULT, defaults)))
        wanted = dict.fromkeys(wire, False) | dict.fromkeys(addresses, True)
        for host in [host for host in self.hosts if host not in wanted or not (self.hosts[host] or self._mtus == _ANY)]:
            self.forget(host)  # with a route goes what was learned of its path
        self._resize((mtus[0], mtus[1]))
        for host, ours in wanted.items():
            self.end(host, ours=ours)
        self.clear()
        self._begin = self._counted()

    def flush_policies(self) -> None:
        """Remove all policies."""
        self.errno(xfrm.encode(xfrm.Request(xfrm.Type.FLUSHPOLICY, xfrm.Nothing())))

    def _listen(self, key_manager: bool) -> None:
        if self._key_manager is not None:
            self._key_manager.close()
            self._key_manager = None
        if key_manager:
            self._key_manager = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, xfrm.NETLINK_XFRM)
            self._key_manager.bind((0, _ACQUIRE_AND_EXPIRE))
            self._key_manager.setblocking(False)

    def close(self) -> None:
        self._listen(False)
        super().close()

    def events(self) -> list[bytes] | None:
        """What the kernel has told since the last time; None without a key manager."""
        if self._key_manager is None:
            return None
        time.sleep(_TOLD_SECONDS)
        told = []
        with suppress(BlockingIOError):
            while True:
                told.append(self._key_manager.recv(1 << 16))
        return told

    def _resize(self, mtus: tuple[int | None, int | None]) -> None:
        for link, old, mtu in zip((self.wire, self.plain), self._mtus, mtus, strict=True):
            if mtu != old:
                self._must(rtnetlink.resized(link.index, mtu or LARGEST))
        self._mtus = mtus

    def enter(self, side: str, packet: bytes, super_header: bytes = b"") -> list[Emerged]:
        """A packet enters at "wire" or "plain", or one of the host's own ("local") leaves: what emerges. A super-packet
        enters at "plain" with a `virtio_net_hdr`; `Untaken` if the device knows no such kind."""
        before = self._counters()
        if side == "local":
            with suppress(ValueError, IndexError, OSError):  # octets that are no packet have no ends
                self.send(packet)
        elif super_header:
            if not self.plain.write_super(super_header, packet):
                raise Untaken
        elif not self._side(side).write(packet):
            return []
        emerged = self._emerged(before)
        for seconds in self.wire.patience:
            if emerged or self._counters() != before:
                break
            select.select([self.wire.fileno(), self.plain.fileno(), self._log.fileno()], [], [], seconds)
            emerged = self._emerged(before)
        self._last = self._counters()
        return emerged

    def _side(self, side: str) -> Link:
        return self.wire if side == "wire" else self.plain

    def _emerged(self, before: bytes) -> list[Emerged]:
        found: list[Emerged] = []
        while (seen := self._logged()) is not None:
            if seen.hook == firewall.HOOK_INPUT and self._counters() == before:
                found.append(("local", seen.packet))
        for one in self._udp.values():
            with suppress(BlockingIOError):
                while True:
                    one.recv(1)
        for side, link in (("wire", self.wire), ("plain", self.plain)):
            while (packet := link.read()) is not None:
                found.append((side, packet))
        return found

    def counters(self) -> Mapping[str, int]:
        """What has been counted since `become`, but zeros."""
        now = self._counted()
        return {name: now[name] - self._begin.get(name, 0) for name in now if now[name] != self._begin.get(name, 0)}

    def _counted(self) -> dict[str, int]:
        words = self._counters().decode().split()
        return {name: int(count) for name, count in zip(words[::2], words[1::2], strict=True)}
