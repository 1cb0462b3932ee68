"""A host with policies of its own, in the place of the gateway: packets enter at a side, and emerge at one.

What emerges on `wire` and `plain` is read from these devices, what reaches the host itself is told by a rule of
`firewall`, in front of the policy check of local packets: a counter that moves afterwards takes it back; at a port that
opens UDP encapsulation by its reader. Counters are told as they stand in `/proc/net/xfrm_stat`, from the beginning of a
case.
"""

import os
import select
import socket
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple

from espproof.adapters.linux.inside import kept, senders
from espproof.adapters.linux.inside.entries import Entry, Listener, entries
from espproof.adapters.linux.inside.gateway import Gateway, Transport, has_header, raw_socket
from espproof.adapters.linux.inside.link import LARGEST, ROOM, Link, Tun, set_values, size_of_segments
from espproof.adapters.linux.inside.neighbour import neighbours
from espproof.adapters.linux.inside.streams import SETTINGS, Streams
from espproof.adapters.linux.netlink import firewall, rtnetlink, xfrm

_DEFAULT = {False: 2, True: 1}
"""`XFRM_USERPOLICY_…` of packets that no policy is for: accepted, or blocked."""

_SETTLED_SECONDS = 1.2
"""Behind which a new namespace says nothing of its own accord any more: reports of multicast listeners, which would meet
the policies of a case and be counted."""

_ACQUIRE_AND_EXPIRE = 0b11
"""Multicast groups (XFRMNLGRP_ACQUIRE, XFRMNLGRP_EXPIRE), as bits."""
_TICK_SECONDS = 0.001
_PACKET_TICKS, _TOLD_TICKS = 3, 20
"""Behind which the timers have run that a packet has set: those that are due at once, and others. Many short waits, as
with the glances below."""
_ANY = (None, None)
"""Links that carry what there is."""
_POLICIES_ON_LOOPBACK = "/proc/sys/net/ipv4/conf/lo/disable_policy"
"""What arrives there by way of `senders` meets the policies as everything else does; IPv6 has it so."""
_OF_ITS_OWN = {1, 2, 6, 58}
"""Protocols in which a host says something of its own accord; the rules of `firewall` hold that back by its mark."""
_EXTENSIONS = {0, 43, 44, 60}
_FRAGMENT, _AH, _ESP_AND_AH = 44, 51, (50, 51)
_LATE_PATIENCE = (0.01, 0.03, 0.1)
"""Seconds to wait, besides, for what comes out of AH: on a busy machine, where it came in pieces, that was needed."""
_AT_THE_END = ("XfrmInNoPols", "XfrmInPolBlock", "XfrmInPolError", "XfrmInTmplMismatch", "XfrmInStateMismatch")
"""What can be counted behind the rule that sees packets for the host."""
_LARVAL_DROP = "/proc/sys/net/core/xfrm_larval_drop"
_FIRST_LOOK_SECONDS, _LATE_LOOK = 0.2, 1.25
"""When the kernel looks at packets that it holds (XFRM_QUEUE_TMO_MIN): a tenth of a second behind the first of them, and
again when as much time as since then is over, and a tenth of a second; by a timer that may be an eighth late."""
_GLANCE_SECONDS = 0.003
_QUIET_GLANCES, _LOST_GLANCES, _LATE_GLANCES = 3, 40, 400
"""Behind which nothing more comes of a burst, if as many packets were seen as have entered; if fewer were; and the same
where ciphers finish later: a quarter of a second was seen. Many short waits, and not a long one: where the whole machine
has stood still, the kernel's threads run in the next one."""
_KEEPALIVES = (29, 49)
"""Octets of IP packets that could be one: nothing comes of it, and nobody counts it."""
_STUCK: list[Gateway] = []
"""What cannot be closed stays as it is, in a namespace of its own."""
_UNASKED, _FAILED = 1, 2
"""How the second of two processes ends that hand over a burst and could not."""


class Emerged(NamedTuple):
    """A packet, and where it emerged. `header`: the `virtio_net_hdr` that it came with, nothing of a plain packet."""

    side: str
    packet: bytes
    header: bytes = b""

    @property
    def parts(self) -> int:
        """How many packets it stands for, about."""
        size = size_of_segments(self.header)
        return max(1, len(self.packet) // size) if size else 1


def _sum(counters: bytes) -> int:
    """Of all that `/proc/net/xfrm_stat` counts."""
    return sum(map(int, counters.split()[1::2]))


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
    segment: int = 0
    """Of a super-packet of the host's own: octets of payload of each part."""

    @property
    def entry(self) -> str:
        """The entry by which it comes, "" for the side's own device. Who listens at a device with receive offload hears
        what has come out of ESP, and has no clone of what arrived; at that of pieces there is none."""
        if self.pieces or (self.shared and not self.way and not self.mark):
            return "pieces"
        return self.way or ("veth" if self.mark else "")


def silence_icmp() -> None:
    """No errors to senders, in this namespace or on the whole machine: they are nobody's packets, and would meet policies
    and be counted. Those that say that a packet was too long are never held back (`icmpv4_mask_allow` and its sister)."""
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
        self._key_manager: socket.socket | None = None
        self._holds = self._is_stuck = False
        self._vanished, self._vanished_since = 0, 0.0
        self._to_ports: list[bytes] = []
        self._sockets = kept.Kept()
        self._streams = Streams()
        super().__init__(wire, transport)
        silence_icmp()
        set_values(SETTINGS)
        self._mtus: tuple[int | None, int | None] = _ANY
        with open(_POLICIES_ON_LOOPBACK, "w", encoding="utf-8") as file:
            file.write("0")
        sides = ("wire", "plain") if isinstance(self.wire, Tun) else ("plain",)
        self._ways_in: dict[str, dict[str, Entry]] = {side: entries(side, self._must) for side in sides}
        self._ways_in["plain"] |= neighbours(self._must)
        self._marked = firewall.TO_PROTECT
        time.sleep(_SETTLED_SECONDS)

    def encapsulation_ports(self, ports: set[tuple[int, int]]) -> None:
        super().encapsulation_ports(ports)
        self._sockets.close(ports={port for _, port in self._udp})

    def become(
        self,
        addresses: Sequence[str],
        wire: Sequence[str],
        blocked: Sequence[str],
        mtus: Sequence[int | None] = _ANY,
        key_manager: bool = False,
        holds: bool = False,
    ) -> None:
        """Be this host, without policies; SAs are forgotten by `reset` already. `mtus` are those of wire and plain. With a
        key manager that listens the kernel asks for SAs, and keeps larval ones. If it `holds` packets that lack an SA they
        wait for it."""
        self._sockets.close()
        self._streams.close()
        self.flush_policies()
        self._hold(holds)
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
        self._to_ports.clear()
        self._begin = self._counted()
        self._vanished = 0

    def flush_policies(self) -> None:
        """Remove all policies."""
        self.errno(xfrm.encode(xfrm.Request(xfrm.Type.FLUSHPOLICY, xfrm.Nothing())))

    def _hold(self, holds: bool) -> None:
        if holds != self._holds:
            with open(_LARVAL_DROP, "w", encoding="utf-8") as file:
                file.write("0" if holds else "1")
            self._holds = holds

    def await_held(self) -> list[Emerged]:
        """What has emerged when the kernel has looked once more at what it holds; at once where it holds nothing."""
        now = time.monotonic()
        until = now + _FIRST_LOOK_SECONDS + _LATE_LOOK * (now - self._vanished_since)
        emerged = self._emerged(None)
        while self._vanished > len(emerged) and (left := until - time.monotonic()) > 0:
            select.select([self.wire.fileno(), self.plain.fileno(), self._log.fileno()], [], [], left)
            emerged += self._emerged(None)
        self._listens(_QUIET_GLANCES)
        emerged += self._emerged(None)
        self._vanished = max(0, self._vanished - len(emerged))
        self._last = self._counters()
        return emerged

    def _has_vanished(self) -> None:
        """A packet is held, or lost."""
        self.unexplained = True
        self._vanished_since = self._vanished_since if self._vanished else time.monotonic()
        self._vanished += 1

    def _listen(self, key_manager: bool) -> None:
        if self._key_manager is not None:
            self._key_manager.close()
            self._key_manager = None
        if key_manager:
            self._key_manager = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, xfrm.NETLINK_XFRM)
            self._key_manager.bind((0, _ACQUIRE_AND_EXPIRE))
            self._key_manager.setblocking(False)

    def close(self) -> None:
        """With its devices, unless that would take for ever: the route of an IPv6 packet of the host's own that a policy
        has held is never let go of (dst_destroy() looks for the route below a bundle only where that has an SA, and the
        bundle of such a packet has none), and so the device is not."""
        self._listen(False)
        if self._is_stuck and self.wire.renewed:  # a card is not ended, but moved
            _STUCK.append(self)
            return
        self._sockets.close()
        self._streams.close()
        for entry in (one for side in self._ways_in.values() for one in side.values()):
            entry.close()
        super().close()

    def events(self) -> list[bytes] | None:
        """What the kernel has told since the last time; None without a key manager."""
        if self._key_manager is None:
            return None
        self.let_timers_run(_TOLD_TICKS)
        told = []
        with suppress(BlockingIOError):
            while True:
                told.append(self._key_manager.recv(1 << 16))
        return told

    def let_timers_run(self, ticks: int = _PACKET_TICKS) -> None:
        """Those that a packet has set."""
        for _ in range(ticks):
            time.sleep(_TICK_SECONDS)

    def _resize(self, mtus: tuple[int | None, int | None]) -> None:
        for link, old, mtu in zip((self.wire, self.plain), self._mtus, mtus, strict=True):
            if mtu != old:
                self._must(rtnetlink.resized(link.index, mtu or LARGEST))
        self._mtus = mtus

    def enter(self, side: str, packet: bytes, how: How) -> tuple[list[Emerged], bytes | None]:
        """A packet enters at "wire" or "plain", or one of the host's own ("local") leaves: what emerges, and what the
        other owner of its memory sees then, if there is one. `Unasked` for what this kernel has no way for."""
        self._streams.forget_old()
        before = self._counters()
        if how.segment and side == "local":
            return self._stream_sends(packet, how, before), None
        if _is_of_a_socket(side, how):
            seen = self._socket_sends(side, packet, how)
            emerged = self._await(before)
            return emerged, seen() if seen is not None else None
        listener = Listener(self._device(side, how.entry).name) if how.shared else None
        taken = self._put(side, packet, how)
        emerged = self._await(before, late=_upper_protocol(packet)[0] == _AH) if taken else []
        return emerged, listener.seen() if listener else None

    def enter_burst(self, burst: Sequence[tuple[str, bytes, How]]) -> list[Emerged]:
        """Packets enter together, each at its side and in its way: what emerges until it is quiet. `Unasked` where it
        cannot be told which of those that have reached the host were discarded behind the rule that sees them."""
        self._streams.forget_old()
        before, counted = self._counters(), self._counted()
        with self.wire.together():
            # what is merged is held against the order in which it came, which two processors do not keep
            if len(processors := sorted(os.sched_getaffinity(0))) > 1 and not self.merges:
                self._take_on_two(burst, processors)
            else:
                self._hand_over_all(burst)
        expected = [packet for _, packet, _ in burst if len(packet) not in _KEEPALIVES or packet[-1] != 0xFF]
        emerged = self._until_quiet([], before, len(expected))
        self._last = self._counters()
        seen = sum(one.parts for one in emerged) + _sum(self._last) - _sum(before)
        for _ in range(len(expected) - seen):
            self._has_vanished()
        ambiguous = any(self._counted().get(name) != counted.get(name) for name in _AT_THE_END)
        if ambiguous and any(one.side == "local" for one in emerged):
            raise Unasked("bursts of which some packets reach the host, and some are discarded there")
        return emerged

    def _until_quiet(self, emerged: list[Emerged], before: bytes, expected: int) -> list[Emerged]:
        """What has emerged since the counters were `before`, with all that follows until nothing more is heard or counted.
        As long as it is less than `expected`, more patience is needed: the kernel's threads may not have run yet."""
        while True:
            last = self._counters()
            seen = sum(one.parts for one in emerged) + _sum(last) - _sum(before)
            lost = _LATE_GLANCES if self._lingers else _LOST_GLANCES
            heard = self._listens(_QUIET_GLANCES if seen >= expected else lost)
            found = self._emerged(None)
            emerged += found
            if not (heard or found) and self._counters() == last:
                return emerged

    def _take_on_two(self, burst: Sequence[tuple[str, bytes, How]], processors: Sequence[int]) -> None:
        """Two processes hand over every other packet, at the same time, each on a processor of its own."""
        ready, wait = os.pipe(), os.pipe()
        child = os.fork()
        os.sched_setaffinity(0, {processors[child == 0]})
        if not child:
            status = _FAILED
            try:
                os.write(ready[1], b".")
                os.read(wait[0], 1)
                self._hand_over_all(burst[::2])
                status = 0
            except Unasked:
                status = _UNASKED
            finally:
                os._exit(status)
        try:
            os.read(ready[0], 1)
            os.write(wait[1], b".")
            self._hand_over_all(burst[1::2])
        finally:
            status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            os.sched_setaffinity(0, processors)
            for end in (*ready, *wait):
                os.close(end)
        if status == _UNASKED:
            raise Unasked("that in a burst")
        if status:
            raise RuntimeError(f"half of a burst was not handed over: status {status}")

    def _hand_over_all(self, burst: Iterable[tuple[str, bytes, How]]) -> None:
        for one in burst:
            self._hand_over(*one)

    def _hand_over(self, side: str, packet: bytes, how: How) -> None:
        if _is_of_a_socket(side, how):
            self._socket_sends(side, packet, how)
        else:
            self._put(side, packet, how)

    def _stream_sends(self, packet: bytes, how: How, before: bytes) -> list[Emerged]:
        if how.pieces or how.way or how.shared or how.mark:
            raise Unasked("that of a connection")
        if not has_header(packet):
            raise Unasked("super-packets that are no packets")
        try:
            if protocol_of(packet) == socket.IPPROTO_UDP:
                senders.send_super(packet, how.segment, 0)
                return self._await(before)
            again = self._streams.send(packet, how.segment, firewall.TO_PROTECT)
        except senders.Unsendable as error:
            raise Unasked(str(error)) from error
        if again is None:
            return self._await(before)
        emerged = self._hears(again.lost) + self._await(before)
        emerged += self._hears(again.received)
        again.stream.close()
        return emerged

    def _hears(self, packet: bytes) -> list[Emerged]:
        """One of the host's sockets gets a packet, which is nobody else's business: what else has reached the host."""
        self.plain.write(packet)
        others: list[Emerged] = []
        for seconds in (0.0, *self.wire.patience, 1.0):
            select.select([self._log.fileno()], [], [], seconds)
            while (seen := self._logged()) is not None:
                if seen.packet == packet:
                    return others
                others.append(Emerged("local", seen.packet))
        raise RuntimeError("what a peer says has not reached the host")

    def pause(self) -> None:
        """Time is going to pass: nothing is left that a timer of the kernel could send."""
        self._streams.close()

    def _socket_sends(self, side: str, packet: bytes, how: How) -> senders.Seen | None:
        """What tells, when asked, what the other owner of the packet's memory sees, if there is one."""
        seen = None
        self._is_stuck |= self._holds and packet[:1] >= b"\x60"
        if how.pieces or how.header or how.segment or (how.shared and how.way != "splice"):
            raise Unasked("that of a socket")
        try:
            if side == "wire":
                seen = senders.arrive(packet, how.mark, {port for _, port in self._open_ports})
            elif how.way == kept.NAME:
                self._sockets.send(packet, how.mark, {port for _, port in self._udp})
            elif how.way:
                seen = senders.send(packet, how.way, how.mark)
            elif has_header(packet):  # other octets have no ends
                self._mark_as(packet, how.mark)
                self.send(packet)
        except senders.Unsendable as error:
            raise Unasked(str(error)) from error
        return seen

    def _mark_as(self, packet: bytes, mark: int) -> None:
        """The mark that a packet of the host's own has in the case; `TO_PROTECT` where rules ask for that."""
        protocol = protocol_of(packet)
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

    def _put(self, side: str, packet: bytes, how: How) -> bool:
        """Hand a packet over to its device; False if that does not take it."""
        device = self._device(side, how.entry)
        if not isinstance(device, Link):
            try:
                taken = device.write(packet, how.header, how.mark, how.pieces)
            except senders.Unsendable as error:
                raise Unasked(str(error)) from error
        elif how.header and isinstance(device, Tun):
            taken = device.write_super(how.header, packet)
        else:
            taken = device.write(packet)
        if how.header and not taken:
            raise Unasked("super-packets of this kind")
        return taken

    def _await(self, before: bytes, *, late: bool = False) -> list[Emerged]:
        """What emerges; if nothing does and nothing is counted, after a moment, which is longer if it may come `late`."""
        emerged = self._emerged(before)
        for seconds in (*self.wire.patience, *(_LATE_PATIENCE if late else ())):
            if emerged or self._counters() != before:
                break
            select.select([self.wire.fileno(), self.plain.fileno(), self._log.fileno()], [], [], seconds)
            emerged = self._emerged(before)
        if not emerged and self._counters() != before:
            emerged = self._emerged(
                before
            )  # a card's packet may have come since: what a rule saw of it is not the next one's
        if self._lingers:
            emerged = self._until_quiet(emerged, before, 1)
        self._last = self._counters()
        if not emerged and self._last == before:
            self._has_vanished()
        return emerged

    def _listens(self, glances: int) -> bool:
        """Until something can be read, or so many times nothing; whether there is something, if only for the
        log."""
        for _ in range(glances):
            if select.select([self.wire.fileno(), self.plain.fileno(), self._log.fileno()], [], [], _GLANCE_SECONDS)[0]:
                return True
        return False

    def _emerged(self, before: bytes | None) -> list[Emerged]:
        """What can be read; what has reached the host only if nothing was counted since `before`, if that is given."""
        found: list[Emerged] = []
        while (seen := self._logged()) is not None:
            protocol, port = _upper_protocol(seen.packet)
            plain6 = seen.group == firewall.PLAIN and protocol == socket.IPPROTO_UDP and (6, port) in self._udp
            if seen.group == firewall.ENCAPSULATED or plain6:
                self._to_ports.append(seen.packet)
            elif (
                seen.hook == firewall.HOOK_INPUT and before in (None, self._counters()) and protocol not in _ESP_AND_AH
            ):
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


def protocol_of(packet: bytes) -> int:
    """What stands behind the IP header, which is whole."""
    return packet[9] if packet[0] >> 4 == 4 else packet[6]


def _upper_protocol(packet: bytes) -> tuple[int, int]:
    """What stands behind the headers, or is cut up behind them, and the port that it goes to, if it is UDP: over IPv6 no
    rule tells (see `firewall.table`). -1 for what is no packet, and for a port that is not there."""
    protocol, at = -1, len(packet)
    with suppress(IndexError):
        if packet[0] >> 4 == 4:
            protocol, at = packet[9], 4 * (packet[0] & 15)
        else:
            protocol, at = packet[6], 40
        while packet[0] >> 4 == 6 and protocol in _EXTENSIONS:
            behind = protocol == _FRAGMENT and (packet[at + 2] << 8 | packet[at + 3]) & 0xFFF8
            size = 8 if protocol == _FRAGMENT else 8 + 8 * packet[at + 1]
            protocol, at = packet[at], len(packet) if behind else at + size
    is_udp = protocol == socket.IPPROTO_UDP and at + 8 <= len(packet)
    return protocol, int.from_bytes(packet[at + 2 : at + 4], "big") if is_udp else -1


def _is_of_a_socket(side: str, how: How) -> bool:
    return side == "local" or how.way == "splice"
