"""The host half in front of a device that does all of ESP for some SAs (packet offload), and nothing for others.

    out   packet ──► device: number, headers, cipher ──► wire
    in    wire ──► device: SA, anti-replay, ICV, ESP taken out ──► what was protected

What the device cannot do of an SA that it has, as with IPv4 options, goes the slow way: software does it, and tells the
device the number, or the window, behind which it goes on. So there is one sequence of numbers, and one window: what the
device lets in is recorded here too, and where its window is another then, it is told. Lifetimes, selectors and what is
counted stay here, as the device tells of each packet.
"""

from espproof.reference import ip
from espproof.reference.drops import DropReason
from espproof.reference.endpoint import Delivered, Entry, Passed, deliver
from espproof.reference.esp import Opened, sequence_low
from espproof.reference.offload.accounts import ALIKE, Accounts
from espproof.reference.offload.api import Handle, PacketDevice, Refused, Whole
from espproof.reference.replay import ReplayWindow
from espproof.reference.sa import SaState, SecurityAssociation
from espproof.reference.sequence import next_sequence, reconstruct


class PacketEndpoint(Accounts):
    """As the endpoint, in front of such a device."""

    def __init__(self, device: PacketDevice) -> None:
        super().__init__()
        self._device = device
        self._handles: dict[str, Handle] = {}

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
        handle = self._handles.get(name)
        entry = self._entries.get(name)
        if handle is None or entry is None or self._is_slow(entry, packet, special=bool(tfc) or dummy):
            result = super().outbound(name, packet, iv, tfc=tfc, dummy=dummy, now=now)
            self._store(name)
            return self._sent(result)
        state = entry.state
        if state.limited and (state.lifetime_status(now) == "hard" or not state.has_room_for(len(packet))):
            return DropReason.EXPIRED
        if next_sequence(state.sequence, entry.sa.esn) is None:
            self.audit.not_sent(DropReason.SEQUENCE_OVERFLOW, entry.sa)
            return DropReason.SEQUENCE_OVERFLOW
        sent = self._device.send(packet, handle)
        state.sequence, _ = self._device.state(handle)
        self._device.advance(handle, state.sequence)
        state.count(len(packet))
        self.handled[name] += len(sent) == 1
        return sent[0] if len(sent) == 1 else DropReason.UNSPECIFIED

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
        """What the device has done all of: lifetimes, selectors and counts are left."""
        entry = self.entry(name)
        state, outer = entry.state, ip.parse(packet)
        if state.limited and state.lifetime_status(now) == "hard":
            self._store(name)  # it is as if the packet had not come
            return DropReason.EXPIRED
        whole = _whole_number(entry, outer.payload)
        if whole is None:
            self._store(name)
            state.count_error(DropReason.INTEGRITY)
            self.audit.received(DropReason.INTEGRITY, outer, outer.payload)
            return DropReason.INTEGRITY
        self._follow(name, whole)
        result = self._judged(entry, outer, one)
        if isinstance(result, bytes):
            if not state.limited or state.has_room_for(len(result)):
                state.count(len(result))
                self.handled[name] += 1
                return Delivered(result, name)
            result = DropReason.EXPIRED
        state.count_error(result)
        self.audit.received(result, outer, outer.payload)
        return result

    def _judged(self, entry: Entry, outer: ip.Packet, one: Whole) -> bytes | DropReason:
        entry.state.failures = 0
        if one.found == "broken":
            return DropReason.PADDING
        return deliver(entry.sa, outer, Opened(one.packet[len(outer.header) :], b"", one.next_header))

    # ------------------------------------------------------------------------------------------------- numbers and windows

    def _follow(self, name: str, whole: int) -> None:
        """The device has let in a packet of that number. What it has of the window since is to be what is here; a device
        that had another half window in mind has not."""
        window = self.entry(name).state.replay
        window.advance(whole)
        received = sum(1 << n for n in window.received_offsets())
        number, there = self._device.state(self._handles[name])
        if (number % 2**32, there) != (window.highest % 2**32, received):
            self._store(name)
        else:
            self._device.advance(self._handles[name], _bottom(window))

    def _store(self, name: str) -> None:
        """What software has done is known there."""
        handle = self._handles.get(name)
        if handle is None:
            return
        state = self.entry(name).state
        if self.entry(name).sa.direction == "out":
            self._device.set_state(handle, state.sequence, 0)
            self._device.advance(handle, state.sequence)
            return
        received = sum(1 << n for n in state.replay.received_offsets())
        self._device.set_state(handle, state.replay.highest, received)
        self._device.advance(handle, _bottom(state.replay))


def _bottom(window: ReplayWindow) -> int:
    return max(window.highest - max(window.size, 1) + 1, 0)


def _whole_number(entry: Entry, esp: bytes) -> int | None:
    """The number of a packet, as the window was when it came."""
    low, window = sequence_low(esp), entry.state.replay
    return reconstruct(low, window.highest, window.size) if entry.sa.esn else low
