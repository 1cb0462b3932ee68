"""A host with policies of its own, in the place of the gateway: packets enter at a side, and emerge at one.

What emerges on `wire` and `plain` is read from these devices, what reaches the host itself is told by a rule of
`firewall`, in front of the policy check of local packets: a counter that moves afterwards takes it back. Counters are
told as they stand in `/proc/net/xfrm_stat`, from the beginning of a case.
"""

import select
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from espproof.adapters.linux.inside import senders
from espproof.adapters.linux.inside.entries import Entry, Listener, entries
from espproof.adapters.linux.inside.gateway import Gateway, Transport, raw_socket
from espproof.adapters.linux.inside.link import Link, Tun
from espproof.adapters.linux.netlink import firewall, xfrm

_DEFAULT = {False: 2, True: 1}
"""`XFRM_USERPOLICY_…` of packets that no policy is for: accepted, or blocked."""

_SETTLED_SECONDS = 1.2
"""Behind which a new namespace says nothing of its own accord any more: reports of multicast listeners, which would meet
the policies of a case and be counted."""

_POLICIES_ON_LOOPBACK = "/proc/sys/net/ipv4/conf/lo/disable_policy"
"""What arrives there by way of `senders` meets the policies as everything else does; IPv6 has it so."""
_OF_ITS_OWN = {1, 2, 6, 58}
"""Protocols in which a host says something of its own accord; the rules of `firewall` hold that back by its mark."""
_EXTENSIONS = {0, 43, 44, 60}

Emerged = tuple[str, bytes]
"""The side, and the packet."""


class Unasked(Exception):
    """There is no such way in, or no such packet by it; says which."""


@dataclass(frozen=True, slots=True)
class How:
    """How a packet enters: a super-packet with a `virtio_net_hdr`; the way, "" the usual one; its mark; sizes of the
    pieces that its buffer is made of, the last has the rest; whether somebody else has the same memory."""

    header: bytes = b""
    way: str = ""
    mark: int = 0
    pieces: tuple[int, ...] = ()
    shared: bool = False

    @property
    def entry(self) -> str:
        """The entry by which it comes, "" for the side's own device. Who listens at a device with receive offload hears
        what has come out of ESP, and has no clone of what arrived; at that of pieces there is none."""
        if self.pieces or (self.shared and not self.way and not self.mark):
            return "pieces"
        return self.way or ("veth" if self.mark else "")


def silence_icmp() -> None:
    """No errors to senders, in this namespace or on the whole machine: they are nobody's packets, and would meet policies
    and be counted."""
    for name in ("icmp_msgs_per_sec", "icmp_msgs_burst"):
        with suppress(OSError), open(f"/proc/sys/net/ipv4/{name}", "w", encoding="utf-8") as file:
            file.write("0")


class Stack(Gateway):
    """The devices of a gateway, around policies that nobody but the case gives."""

    of_host = True

    def __init__(self, wire: Link | None = None, transport: Callable[[int], Transport] = raw_socket) -> None:
        super().__init__(wire, transport)
        silence_icmp()
        with open(_POLICIES_ON_LOOPBACK, "w", encoding="utf-8") as file:
            file.write("0")
        sides = ("wire", "plain") if isinstance(self.wire, Tun) else ("plain",)
        self._ways_in: dict[str, dict[str, Entry]] = {side: entries(side, self._must) for side in sides}
        self._marked = firewall.TO_PROTECT
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
        self._begin = self._counted()

    def close(self) -> None:
        for entry in (one for side in self._ways_in.values() for one in side.values()):
            entry.close()
        super().close()

    def enter(self, side: str, packet: bytes, how: How) -> tuple[list[Emerged], bytes | None]:
        """A packet enters at "wire" or "plain", or one of the host's own ("local") leaves: what emerges, and what the
        other owner of its memory sees then, if there is one. `Unasked` for what this kernel has no way for."""
        before = self._counters()
        if side == "local" or how.way == "splice":
            return self._socket_sends(side, packet, how, before)
        device = self._device(side, how.entry)
        listener = Listener(device.name) if how.shared else None
        taken = self._put(device, packet, how)
        emerged = self._await(before) if taken else []
        return emerged, listener.seen() if listener else None

    def _socket_sends(self, side: str, packet: bytes, how: How, before: bytes) -> tuple[list[Emerged], bytes | None]:
        seen = None
        if how.pieces or how.header or (how.shared and how.way != "splice"):
            raise Unasked("that of a socket")
        try:
            if side == "wire":
                seen = senders.arrive(packet, how.mark, {port for _, port in self._open_ports})
            elif how.way:
                seen = senders.send(packet, how.way, how.mark)
            else:
                self._mark_as(packet, how.mark)
                self.send(packet)
        except senders.Unsendable as error:
            raise Unasked(str(error)) from error
        except (ValueError, IndexError, OSError):  # octets that are no packet have no ends
            pass
        return self._await(before), seen

    def _mark_as(self, packet: bytes, mark: int) -> None:
        """The mark that a packet of the host's own has in the case; `TO_PROTECT` where rules ask for that."""
        protocol = packet[9] if packet[0] >> 4 == 4 else packet[6]
        if protocol in _OF_ITS_OWN | (_EXTENSIONS if packet[0] >> 4 == 6 else set()):
            if mark:
                raise Unasked(f"marks of the host's own packets of protocol {protocol}")
            mark = firewall.TO_PROTECT
        if mark != self._marked:
            self.mark_own(mark)
            self._marked = mark

    def _device(self, side: str, entry: str) -> Link | Entry:
        if not entry:
            return self.wire if side == "wire" else self.plain
        found = self._ways_in.get(side, {}).get(entry)
        if found is None:
            raise Unasked(f"way {entry} at {side}")
        return found

    @staticmethod
    def _put(device: "Link | Entry", packet: bytes, how: How) -> bool:
        if not isinstance(device, Link):
            return device.write(packet, how.header, how.mark, how.pieces)
        if how.header and isinstance(device, Tun):
            return device.write_super(how.header, packet)
        return device.write(packet)

    def _await(self, before: bytes) -> list[Emerged]:
        """What emerges; if nothing does and nothing is counted, after a moment."""
        emerged = self._emerged(before)
        for seconds in self.wire.patience:
            if emerged or self._counters() != before:
                break
            select.select([self.wire.fileno(), self.plain.fileno(), self._log.fileno()], [], [], seconds)
            emerged = self._emerged(before)
        self._last = self._counters()
        return emerged

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
