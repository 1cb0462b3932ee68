"""The host half in front of a device that does all of ESP for some SAs (packet offload), and nothing for others.

    out   packet ──► device: number, headers, cipher, limit of packets ──► wire
    in    wire ──► device: SA, anti-replay, ICV, ESP taken out, limit of packets ──► what was protected

What the device cannot do of an SA that it has, as with IPv4 options, goes the slow way: software does it, and tells the
device how far it has come, and so behind which number, and in which window, it goes on. So there is one sequence of
numbers, and one window. No number of a packet that the device did is seen here: how far an SA has come is asked of the
device. Limits of seconds, selectors, and octets are seen to here.
"""

from espproof.reference import ip
from espproof.reference.drops import DropReason
from espproof.reference.endpoint import Delivered, Entry, Passed, deliver
from espproof.reference.esp import Opened
from espproof.reference.offload.accounts import ALIKE, Accounts
from espproof.reference.offload.api import Handle, PacketDevice, Progress, Refused, Whole
from espproof.reference.replay import ReplayWindow
from espproof.reference.sa import SaState, SecurityAssociation
from espproof.reference.sequence import next_sequence

_LOOK_SECONDS = 1.0


class PacketEndpoint(Accounts):
    """As the endpoint, in front of such a device."""

    def __init__(self, device: PacketDevice) -> None:
        super().__init__()
        self._device = device
        self._handles: dict[str, Handle] = {}
        self._looked = 0.0

    # --------------------------------------------------------------------------------------------------------------- SAs

    def add(self, sa: SecurityAssociation, state: SaState) -> None:
        super().add(sa, state)
        others = self.alike(sa)
        for name in others:
            self._take_back(name)
        if others:
            self.fallbacks[sa.name] = ALIKE
            return
        try:
            self._handles[sa.name] = self._device.add(sa, state)
        except Refused as reason:
            self.fallbacks[sa.name] = str(reason)

    def delete(self, name: str) -> None:
        super().delete(name)
        handle = self._handles.pop(name, None)
        if handle is not None:
            self._device.delete(handle)

    def _take_back(self, name: str) -> None:
        if name in self._handles:
            self._device.delete(self._handles.pop(name))
            self.fallbacks[name] = ALIKE

    @property
    def offloaded(self) -> frozenset[str]:
        """The names of the SAs that the device has."""
        return frozenset(self._handles)

    # ----------------------------------------------------------------------------------------------------------- traffic

    def outbound(
        self, name: str, packet: bytes, iv: bytes | None = None, *, tfc: int = 0, dummy: bool = False, now: float = 0
    ) -> bytes | DropReason:
        self._look(now)
        handle = self._handles.get(name)
        entry = self._entries.get(name)
        if handle is None or entry is None or self._is_slow(entry, packet, special=bool(tfc) or dummy):
            result = super().outbound(name, packet, iv, tfc=tfc, dummy=dummy, now=now)
            self._store(name)
            return self._sent(result)
        state = entry.state
        if _is_out_of_time(state, now):
            return DropReason.EXPIRED
        before = state.sequence
        if next_sequence(before, entry.sa.esn) is None:
            self.audit.not_sent(DropReason.SEQUENCE_OVERFLOW, entry.sa)
            return DropReason.SEQUENCE_OVERFLOW
        sent = self._device.send(packet, handle)
        self._fetch(name)
        if state.sequence == before and not sent:
            return DropReason.EXPIRED
        _count(state, len(packet))
        self.handled[name] += len(sent) == 1
        return sent[0] if len(sent) == 1 else DropReason.UNSPECIFIED

    def _look(self, now: float) -> None:
        if now - self._looked >= _LOOK_SECONDS:
            self._looked = now
            self._device.look()

    def _is_slow(self, entry: Entry, packet: bytes, *, special: bool) -> bool:
        """Whether software has to protect it, or to say what is wrong."""
        return special or entry.sa.direction != "out" or not self._device.takes(packet)

    def _sent(self, result: bytes | DropReason) -> bytes | DropReason:
        if not isinstance(result, bytes):
            return result
        if len(result) > self._device.longest:
            return DropReason.TOO_BIG
        sent = self._device.send(result, None)
        return sent[0] if len(sent) == 1 else DropReason.UNSPECIFIED

    def inbound(self, packet: bytes, now: float = 0) -> Delivered | Passed | DropReason:
        self._look(now)
        arrived = self._device.arrive(packet)
        if len(arrived) != 1:
            return DropReason.UNSPECIFIED
        one = arrived[0]
        name = next((name for name, handle in self._handles.items() if handle == one.handle), None)
        if name is None or one.found in ("replayed", "forged"):
            return self._slow(one.packet, now)
        return self._taken(name, packet, one, now)

    def _slow(self, packet: bytes, now: float) -> Delivered | Passed | DropReason:
        """Software does it: fragments, options, other SAs; and what the device has not let through, as it may have had
        another number in mind."""
        result = super().inbound(packet, now)
        for name in self._handles:
            self._store(name)
        return result

    def _taken(self, name: str, packet: bytes, one: Whole, now: float) -> Delivered | DropReason:
        """What the device has done all of: limits of time, selectors and octets are left."""
        entry = self.entry(name)
        state, outer = entry.state, ip.parse(packet)
        if _is_out_of_time(state, now):
            self._store(name)  # it is as if the packet had not come
            return DropReason.EXPIRED
        result, before = self._judged(entry, outer, one), state.packets
        self._fetch(name)
        if isinstance(result, bytes):
            _count(state, len(result))
            self.handled[name] += 1
            return Delivered(result, name)
        if state.packets != before:  # it is not delivered, and does not count
            state.packets = before
            self._store(name)
        state.count_error(result)
        self.audit.received(result, outer, outer.payload)
        return result

    def _judged(self, entry: Entry, outer: ip.Packet, one: Whole) -> bytes | DropReason:
        entry.state.failures = 0
        if one.found == "broken":
            return DropReason.PADDING
        if entry.sa.mode == "transport":
            return deliver(entry.sa, outer, Opened(one.packet[len(outer.header) :], b"", one.next_header))
        gone = ip.parse(ip.with_traffic_class(outer.header, 0) + outer.payload)  # nobody knows what ECN it had
        return deliver(entry.sa, gone, Opened(one.packet, b"", one.next_header))

    # ------------------------------------------------------------------------------------------------- numbers and windows

    def _fetch(self, name: str) -> None:
        """How far the device has come."""
        state, progress = self.entry(name).state, self._device.state(self._handles[name])
        if self.entry(name).sa.direction == "out":
            state.sequence = progress.number
        else:
            offsets = [n for n in range(progress.received.bit_length()) if progress.received >> n & 1]
            state.replay = ReplayWindow(state.replay.size, progress.number, offsets)
        if progress.packets is not None:
            state.packets = progress.packets

    def _store(self, name: str) -> None:
        """What software has done is known there."""
        handle = self._handles.get(name)
        if handle is None:
            return
        state = self.entry(name).state
        packets = state.packets if state.limited else None
        if self.entry(name).sa.direction == "out":
            self._device.set_state(handle, Progress(state.sequence, 0, packets))
            return
        received = sum(1 << n for n in state.replay.received_offsets())
        self._device.set_state(handle, Progress(state.replay.highest, received, packets))


def _count(state: SaState, octets: int) -> None:
    """A packet has passed, which the device has counted if there is a limit of packets."""
    state.octets += octets
    state.packets += state.lifetime.hard_packets is None


def _is_out_of_time(state: SaState, now: float) -> bool:
    """By seconds alone."""
    return state.limited and state.lifetime.status(0, 0, now - state.added_at) == "hard"
