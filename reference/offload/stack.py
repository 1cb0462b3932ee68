"""The host half: an ESP endpoint that leaves the cipher to a device where it can, and does all else itself.

    out   SA, number, IV, trailer, headers as ever ── ICV blank ──► device ──► wire
    in    wire ──► device ──► SA, replay check, what the device found instead of the ICV, window, padding, … as ever

The theorem of offloading is that nobody on the wire can tell: same octets out, IVs apart, and same packets, verdicts and
counts. So this is the reference's endpoint with another codec in its SAs. What goes by software is decided for each SA
and for each packet, and the reason is kept (`fallbacks`).

Of an extended sequence number a device has to know the half that is not in the packet. On the way out it is told, packet
by packet; on the way in it has its own idea, which the stack keeps up to date. A packet that it found wrong under another
number than the stack's is opened again in software; one that it found right under another number is not right.

A device finds an SA by SPI and destination. Where it could take packets of one SA of the host for another's
(`Accounts.alike`), both are software's: it would try them with the other's key, and who knows what it leaves of them.
"""

from espproof.reference.drops import DropReason
from espproof.reference.endpoint import Delivered, Passed
from espproof.reference.errors import Misuse
from espproof.reference.esp import HEADER_SIZE, Codec, trailer
from espproof.reference.offload.accounts import ALIKE, Accounts
from espproof.reference.offload.api import Arrived, CryptoDevice, Dead, Done, Handle, Refused
from espproof.reference.replay import ReplayWindow
from espproof.reference.sa import SaState, SecurityAssociation


class _Receiving:
    """What the device says of the packet that is being received: one for all SAs of an endpoint."""

    def __init__(self) -> None:
        self.arrived = Arrived(b"", Done.NOTHING)


class _Half:
    """A codec that leaves the cipher to a device: its packets have a blank ICV, and it believes what the device found."""

    def __init__(self, whole: Codec, handle: Handle, receiving: _Receiving) -> None:
        self._whole = whole
        self._receiving = receiving
        self.handle = handle
        self.software = False
        """This packet is not for the device."""
        self.sequence = 0
        """The number of the packet that is being sent."""
        self.bottom = -1
        """Where its window began when the device was told the last time."""
        self.spi, self.esn = whole.spi, whole.esn
        self.iv_size, self.icv_size = whole.iv_size, whole.icv_size
        self.alignment, self.smallest = whole.alignment, whole.smallest

    def protect(self, payload: bytes, next_header: int, sequence: int, iv: bytes) -> bytes:
        self.sequence = sequence
        if self.software:
            return self._whole.protect(payload, next_header, sequence, iv)
        if len(iv) != self.iv_size:
            raise Misuse(f"the IV has {len(iv)} octets, not {self.iv_size}")
        header = self.spi + sequence.to_bytes(8, "big")[4:]
        padding = self._whole.padding_length(len(payload))
        return header + iv + payload + trailer(padding, next_header) + bytes(self.icv_size)

    def open(self, packet: bytes, sequence: int) -> bytes | DropReason:
        arrived = self._receiving.arrived
        other_number = arrived.high is not None and arrived.high != sequence >> 32
        if arrived.done is Done.NOTHING or (arrived.done is Done.FORGED and other_number):
            return self._whole.open(packet, sequence)
        if arrived.done is Done.OPENED and other_number:
            return DropReason.INTEGRITY
        if arrived.done is Done.UNREADABLE:
            return DropReason.MALFORMED
        if arrived.done is Done.FORGED or arrived.handle != self.handle:
            return DropReason.INTEGRITY
        return packet[HEADER_SIZE + self.iv_size : -self.icv_size]


class OffloadedEndpoint(Accounts):
    """As the endpoint, in front of a device."""

    def __init__(self, device: CryptoDevice) -> None:
        super().__init__()
        self._device = device
        self._halves: dict[str, _Half] = {}
        self._whole: dict[str, Codec] = {}
        self._receiving = _Receiving()

    # --------------------------------------------------------------------------------------------------------------- SAs

    def add(self, sa: SecurityAssociation, state: SaState) -> None:
        super().add(sa, state)
        if others := self.alike(sa):
            for name in others:
                self._take_back(name)
            self.fallbacks[sa.name] = ALIKE
            return
        try:
            handle = self._device.add(sa)
        except (Refused, Dead) as reason:
            self.fallbacks[sa.name] = str(reason)
            return
        entry = self.entry(sa.name)
        self._whole[sa.name] = entry.codec
        self._halves[sa.name] = half = _Half(entry.codec, handle, self._receiving)
        entry.codec = half  # type: ignore[assignment]  # as much of a codec as an endpoint calls
        self._keep_up_to_date()

    def delete(self, name: str) -> None:
        super().delete(name)
        half = self._halves.pop(name, None)
        if half is not None:
            del self._whole[name]
            self._device.delete(half.handle)

    @property
    def offloaded(self) -> frozenset[str]:
        """The names of the SAs whose cipher is the device's."""
        return frozenset(self._halves)

    def _take_back(self, name: str) -> None:
        half = self._halves.pop(name, None)
        if half is not None:
            self._device.delete(half.handle)
            self.entry(name).codec = self._whole.pop(name)
            self.fallbacks[name] = ALIKE

    # ----------------------------------------------------------------------------------------------------------- traffic

    def outbound(
        self, name: str, packet: bytes, iv: bytes | None = None, *, tfc: int = 0, dummy: bool = False, now: float = 0
    ) -> bytes | DropReason:
        half = self._halves.get(name)
        if half is not None:
            half.software = not (self._device.takes(packet) and self._device.has(half.handle))
        result = super().outbound(name, packet, iv, tfc=tfc, dummy=dummy, now=now)
        if not isinstance(result, bytes):
            return result
        if len(result) > self._device.longest:
            return DropReason.TOO_BIG
        handle = None if half is None or half.software else half.handle
        sent = self._device.send(result, handle, half.sequence if half else 0)
        self.handled[name] += handle is not None and len(sent) == 1
        return sent[0] if len(sent) == 1 else DropReason.UNSPECIFIED

    def inbound(self, packet: bytes, now: float = 0) -> Delivered | Passed | DropReason:
        arrived = self._device.arrive(packet)
        if len(arrived) != 1:
            return DropReason.UNSPECIFIED
        self._receiving.arrived = arrived[0]
        result = super().inbound(arrived[0].packet, now)
        if isinstance(result, Delivered) and arrived[0].done is Done.OPENED:
            self.handled[result.sa] += 1
        self._keep_up_to_date()
        return result

    def _keep_up_to_date(self) -> None:
        """Whatever came of a packet, it may have moved a window."""
        for name, half in self._halves.items():
            window = self.entry(name).state.replay
            if half.esn and self.entry(name).sa.direction == "in" and half.bottom != (bottom := _bottom(window)):
                half.bottom = bottom
                self._device.advance(half.handle, bottom)


def _bottom(window: ReplayWindow) -> int:
    """The lowest number in it; without anti-replay the highest that was received (`sequence.reconstruct`)."""
    return max(window.highest - max(window.size, 1) + 1, 0)
