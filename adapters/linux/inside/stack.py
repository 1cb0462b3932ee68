"""A host with policies of its own, in the place of the gateway: packets enter at a side, and emerge at one.

What emerges on `wire` and `plain` is read from these devices, what reaches the host itself is told by a rule of
`firewall`, in front of the policy check of local packets: a counter that moves afterwards takes it back; at a port that
opens UDP encapsulation by its reader. Counters are told as they stand in `/proc/net/xfrm_stat`, from the beginning of a
case.
"""

import os
import select
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple

from espproof.adapters.linux.inside.gateway import Gateway, Transport, raw_socket
from espproof.adapters.linux.inside.link import ROOM, Link
from espproof.adapters.linux.netlink import firewall, xfrm

_DEFAULT = {False: 2, True: 1}
"""`XFRM_USERPOLICY_…` of packets that no policy is for: accepted, or blocked."""

_SETTLED_SECONDS = 1.2
"""Behind which a new namespace says nothing of its own accord any more: reports of multicast listeners, which would meet
the policies of a case and be counted."""

AMBIGUOUS = "bursts of which some packets reach the host, and some are discarded there"
_AT_THE_END = ("XfrmInNoPols", "XfrmInPolBlock", "XfrmInPolError", "XfrmInTmplMismatch", "XfrmInStateMismatch")
"""What can be counted behind the rule that sees packets for the host."""
_GLANCE_SECONDS = 0.003
_QUIET_GLANCES, _LOST_GLANCES, _LATE_GLANCES = 3, 40, 400
"""Behind which nothing more comes of a burst, if as many packets were seen as have entered; if fewer were; and the same
where ciphers finish later: a quarter of a second was seen. Many short waits, and not a long one: where the whole machine
has stood still, the kernel's threads run in the next one."""
_KEEPALIVES = (29, 49)
"""Octets of IP packets that could be one: nothing comes of it, and nobody counts it."""


_SIZE = slice(4, 6)
"""Where the size of segments stands in a `virtio_net_hdr`."""


class Emerged(NamedTuple):
    """A packet, and where it emerged. `header`: the `virtio_net_hdr` that it came with, nothing of a plain packet."""

    side: str
    packet: bytes
    header: bytes = b""

    @property
    def parts(self) -> int:
        """How many packets it stands for, about."""
        size = int.from_bytes(self.header[_SIZE], sys.byteorder)
        return max(1, len(self.packet) // size) if size else 1


def _sum(counters: bytes) -> int:
    """Of all that `/proc/net/xfrm_stat` counts."""
    return sum(map(int, counters.split()[1::2]))


def silence_icmp() -> None:
    """No errors to senders, in this namespace or on the whole machine: they are nobody's packets, and would meet policies
    and be counted."""
    for name in ("icmp_msgs_per_sec", "icmp_msgs_burst"):
        with suppress(OSError), open(f"/proc/sys/net/ipv4/{name}", "w", encoding="utf-8") as file:
            file.write("0")


class Stack(Gateway):
    """The devices of a gateway, around policies that nobody but the case gives."""

    of_host = True

    def __init__(
        self,
        wire: Link | None = None,
        transport: Callable[[int], Transport] = raw_socket,
        *,
        merges: bool = False,
        lingers: bool = False,
    ) -> None:
        """`merges`: what the kernel has merged is taken so. `lingers`: what comes of a packet may come bit by bit."""
        self.merges, self._lingers = merges, lingers
        self._to_ports: list[bytes] = []
        super().__init__(wire, transport)
        silence_icmp()
        time.sleep(_SETTLED_SECONDS)

    def become(self, addresses: Sequence[str], wire: Sequence[str], blocked: Sequence[str]) -> None:
        """Be this host, without policies; SAs are forgotten by `reset` already."""
        self.errno(xfrm.encode(xfrm.Request(xfrm.Type.FLUSHPOLICY, xfrm.Nothing())))
        defaults = xfrm.Defaults(*(_DEFAULT[direction in blocked] for direction in ("in", "forward", "out")))
        self.errno(xfrm.encode(xfrm.Request(xfrm.Type.SETDEFAULT, defaults)))
        wanted = dict.fromkeys(wire, False) | dict.fromkeys(addresses, True)
        for host in [host for host in self.hosts if host not in wanted]:
            self.forget(host)
        for host, ours in wanted.items():
            self.end(host, ours=ours)
        self.clear()
        self._to_ports.clear()
        self._begin = self._counted()

    def enter(self, side: str, packet: bytes, super_header: bytes = b"") -> list[Emerged]:
        """A packet enters at "wire" or "plain", or one of the host's own ("local") leaves: what emerges. A super-packet
        enters at "plain" with a `virtio_net_hdr`."""
        before = self._counters()
        if not self._take(side, packet, super_header):
            return []
        emerged = self._emerged(before)
        for seconds in self.wire.patience:
            if emerged or self._counters() != before:
                break
            select.select([self.wire.fileno(), self.plain.fileno(), self._log.fileno()], [], [], seconds)
            emerged = self._emerged(before)
        if self._lingers:
            emerged = self._until_quiet(emerged, before, 1)
        self._last = self._counters()
        return emerged

    def enter_burst(self, burst: Sequence[tuple[str, bytes, bytes]]) -> list[Emerged] | None:
        """Packets enter together, each at its side and with its header: what emerges until it is quiet. None where it
        cannot be told which of those that have reached the host were discarded behind the rule that sees them."""
        before, counted = self._counters(), self._counted()
        with self.wire.together():
            if len(processors := sorted(os.sched_getaffinity(0))) > 1:
                self._take_on_two(burst, processors)
            else:
                for one in burst:
                    self._take(*one)
        expected = [packet for _, packet, _ in burst if len(packet) not in _KEEPALIVES or packet[-1] != 0xFF]
        emerged = self._until_quiet([], before, len(expected))
        self._last = self._counters()
        ambiguous = any(self._counted().get(name) != counted.get(name) for name in _AT_THE_END)
        return None if ambiguous and any(one.side == "local" for one in emerged) else emerged

    def _until_quiet(self, emerged: list[Emerged], before: bytes, expected: int) -> list[Emerged]:
        """What has emerged since the counters were `before`, with all that follows until nothing more is heard or counted.
        As long as it is less than `expected`, more patience is needed: the kernel's threads may not have run yet."""
        while True:
            last = self._counters()
            seen = sum(one.parts for one in emerged) + _sum(last) - _sum(before)
            lost = _LATE_GLANCES if self._lingers else _LOST_GLANCES
            self._listens(_QUIET_GLANCES if seen >= expected else lost)
            found = self._emerged(None)
            emerged += found
            if not found and self._counters() == last:
                return emerged

    def _take_on_two(self, burst: Sequence[tuple[str, bytes, bytes]], processors: Sequence[int]) -> None:
        """Two processes hand over every other packet, at the same time, each on a processor of its own."""
        ready, wait = os.pipe(), os.pipe()
        child = os.fork()
        mine = burst[1::2] if child else burst[::2]
        os.sched_setaffinity(0, {processors[child == 0]})
        if child:
            os.read(ready[0], 1)
            os.write(wait[1], b".")
        else:
            os.write(ready[1], b".")
            os.read(wait[0], 1)
        try:
            for one in mine:
                self._take(*one)
        finally:
            if not child:
                os._exit(0)
        os.waitpid(child, 0)
        os.sched_setaffinity(0, processors)
        for end in (*ready, *wait):
            os.close(end)

    def _take(self, side: str, packet: bytes, header: bytes) -> bool:
        """Hand a packet over; False if no device takes it."""
        if side == "local":
            with suppress(ValueError, IndexError, OSError):  # octets that are no packet have no ends
                self.send(packet)
            return True
        return self.plain.write_super(header, packet) if header else self._side(side).write(packet)

    def _listens(self, glances: int) -> None:
        """Until something can be read, or so many times nothing."""
        for _ in range(glances):
            if select.select([self.wire.fileno(), self.plain.fileno(), self._log.fileno()], [], [], _GLANCE_SECONDS)[0]:
                return

    def _side(self, side: str) -> Link:
        return self.wire if side == "wire" else self.plain

    def _emerged(self, before: bytes | None) -> list[Emerged]:
        """What can be read; what has reached the host only if nothing was counted since `before`, if that is given."""
        found: list[Emerged] = []
        while (seen := self._logged()) is not None:
            if seen.group == firewall.ENCAPSULATED:
                self._to_ports.append(seen.packet)
            elif seen.hook == firewall.HOOK_INPUT and before in (None, self._counters()):
                found.append(Emerged("local", seen.packet))
        found += [Emerged("local", packet) for one in self._udp.values() for packet in self._read_by(one)]
        for side, link in (("wire", self.wire), ("plain", self.plain)):
            while (packet := link.read()) is not None:
                found.append(Emerged(side, packet, link.header))
        return found

    def _read_by(self, one: socket.socket) -> Iterator[bytes]:
        """The packets to an encapsulation port that are given to its reader: those that neither ESP nor a policy took."""
        with suppress(BlockingIOError):
            while True:
                message = bytes(memoryview(ROOM)[: one.recv_into(ROOM)])
                packet = next((packet for packet in self._to_ports if packet.endswith(message)), None)
                if packet is not None:
                    self._to_ports.remove(packet)
                    yield packet

    def counters(self) -> Mapping[str, int]:
        """What has been counted since `become`, but zeros."""
        now = self._counted()
        return {name: now[name] - self._begin.get(name, 0) for name in now if now[name] != self._begin.get(name, 0)}

    def _counted(self) -> dict[str, int]:
        words = self._counters().decode().split()
        return {name: int(count) for name, count in zip(words[::2], words[1::2], strict=True)}
