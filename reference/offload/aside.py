"""The host half in front of a look-aside device: the endpoint, whose ciphers are done elsewhere where that pays.

    one packet    given to the device, and waited for
    a burst       all are given first; then each goes its way as if it had come alone, in the order in which they came, and
                  takes what the device has made of it. Which of them the device finishes first is nobody's business

Packets that are short, that find the ring full, or whose answer does not come are done in software. The number of a
received packet is guessed when it is given away; where it turns out to be another it is given away again.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from espproof.reference import ip
from espproof.reference.drops import DropReason
from espproof.reference.endpoint import Delivered, Entry, Passed
from espproof.reference.errors import Malformed, Misuse
from espproof.reference.esp import HEADER_SIZE, SPI, Codec, sequence_low, trailer
from espproof.reference.offload.accounts import Accounts
from espproof.reference.offload.api import Dead, Engine, Refused
from espproof.reference.sa import SaState, SecurityAssociation
from espproof.reference.sequence import reconstruct
from espproof.reference.udp_encapsulation import HEADER_SIZE as UDP_HEADER

_PROTOCOL_UDP = 17


@dataclass(slots=True)
class _Sealing:
    """A packet of a burst whose octets are still away: where they come to, and how to make them otherwise."""

    ticket: int
    made: bytes
    plaintext: bytes
    sequence: int
    iv: bytes


class _Aside:
    """A codec that gives the cipher to a device."""

    def __init__(self, whole: Codec, engine: Engine, session: int, *, combined: bool) -> None:
        self._whole, self._engine, self._combined = whole, engine, combined
        self.session = session
        self.software = False
        """This packet is too short."""
        self.is_burst = False
        self.by_device = False
        """The device has done the packet that was done last."""
        self.sealing: list[_Sealing] = []
        self._early: dict[tuple[bytes, int], int] = {}
        self.spi, self.esn = whole.spi, whole.esn
        self.iv_size, self.icv_size = whole.iv_size, whole.icv_size
        self.alignment, self.smallest = whole.alignment, whole.smallest

    def protect(self, payload: bytes, next_header: int, sequence: int, iv: bytes) -> bytes:
        if len(iv) != self.iv_size:
            raise Misuse(f"the IV has {len(iv)} octets, not {self.iv_size}")
        plaintext = payload + trailer(self._whole.padding_length(len(payload)), next_header)
        ticket = None if self.software else self._engine.seal(self.session, self._covered(sequence), iv, plaintext)
        self.by_device = ticket is not None
        if ticket is None:
            return self._whole.seal(plaintext, sequence, iv)
        front = self.spi + sequence.to_bytes(8, "big")[4:] + iv
        if self.is_burst:
            made = front + plaintext + bytes(self.icv_size)
            self.sealing.append(_Sealing(ticket, made, plaintext, sequence, iv))
            return made
        return self._sealed(ticket, plaintext, sequence, iv)

    def sealed(self, one: _Sealing) -> bytes:
        """What a packet of a burst has become."""
        return self._sealed(one.ticket, one.plaintext, one.sequence, one.iv)

    def _sealed(self, ticket: int, plaintext: bytes, sequence: int, iv: bytes) -> bytes:
        try:
            done = self._engine.result(ticket)
        except Dead:
            self.by_device = False
            return self._whole.seal(plaintext, sequence, iv)
        self.by_device = True
        return self.spi + sequence.to_bytes(8, "big")[4:] + iv + (done or b"")

    def open(self, packet: bytes, sequence: int) -> bytes | DropReason:
        self.by_device = False
        ticket = self._early.pop((packet, sequence), None)
        if ticket is None:
            ticket = self._given(packet, sequence)
        if ticket is None:
            return self._whole.open(packet, sequence)
        try:
            done = self._engine.result(ticket)
        except Dead:
            return self._whole.open(packet, sequence)
        self.by_device = True
        return DropReason.INTEGRITY if done is None else done

    def give(self, packet: bytes, sequence: int) -> None:
        """A packet of a burst that will be opened, perhaps, under that number."""
        if (packet, sequence) not in self._early and (ticket := self._given(packet, sequence)) is not None:
            self._early[packet, sequence] = ticket

    def forget(self) -> None:
        """The burst is over: what was not opened will not be."""
        for ticket in self._early.values():
            self._engine.forget(ticket)
        self._early.clear()

    def _given(self, packet: bytes, sequence: int) -> int | None:
        body = HEADER_SIZE + self.iv_size
        if self.software or len(packet) < self.smallest or (len(packet) - body - self.icv_size) % self.alignment:
            return None
        return self._engine.open(self.session, self._covered(sequence), packet[HEADER_SIZE:body], packet[body:])

    def _covered(self, sequence: int) -> bytes:
        number = sequence.to_bytes(8, "big")
        high = number[:4] if self.esn else b""
        return self.spi + high + number[4:] if self._combined else self.spi + number[4:] + high


class AsideEndpoint(Accounts):
    """As the endpoint, with a device beside it."""

    def __init__(self, engine: Engine) -> None:
        super().__init__()
        self._engine = engine
        self._asides: dict[str, _Aside] = {}

    # --------------------------------------------------------------------------------------------------------------- SAs

    def add(self, sa: SecurityAssociation, state: SaState) -> None:
        super().add(sa, state)
        try:
            session = self._engine.add(sa)
        except Refused as reason:
            self.fallbacks[sa.name] = str(reason)
            return
        entry = self.entry(sa.name)
        self._asides[sa.name] = aside = _Aside(entry.codec, self._engine, session, combined=not sa.auth_key)
        entry.codec = aside  # type: ignore[assignment]  # as much of a codec as an endpoint calls

    def delete(self, name: str) -> None:
        super().delete(name)
        aside = self._asides.pop(name, None)
        if aside is not None:
            aside.forget()
            self._engine.delete(aside.session)

    @property
    def offloaded(self) -> frozenset[str]:
        """The names of the SAs that have a session."""
        return frozenset(self._asides)

    # ----------------------------------------------------------------------------------------------------------- traffic

    def outbound(
        self, name: str, packet: bytes, iv: bytes | None = None, *, tfc: int = 0, dummy: bool = False, now: float = 0
    ) -> bytes | DropReason:
        aside = self._asides.get(name)
        if aside is not None:
            aside.software = len(packet) < self._engine.least
            aside.by_device = False
        result = super().outbound(name, packet, iv, tfc=tfc, dummy=dummy, now=now)
        if aside is not None and isinstance(result, bytes):
            self.handled[name] += aside.by_device
        return result

    def inbound(self, packet: bytes, now: float = 0) -> Delivered | Passed | DropReason:
        for aside in self._asides.values():
            aside.software = len(packet) < self._engine.least
            aside.by_device = False
        result = super().inbound(packet, now)
        if isinstance(result, Delivered) and result.sa in self._asides:
            self.handled[result.sa] += self._asides[result.sa].by_device
        return result

    def outbound_burst(self, name: str, packets: Sequence[bytes], now: float = 0) -> list[bytes | DropReason]:
        """Packets of one SA, given to the device before any is waited for. Where a checksum covers them they cannot be."""
        aside = self._asides.get(name)
        if aside is None or self._is_summed(name):
            return [self.outbound(name, packet, now=now) for packet in packets]
        results: list[tuple[bytes | DropReason, _Sealing | None]] = []
        aside.is_burst = True
        try:
            for packet in packets:
                result = self.outbound(name, packet, now=now)
                results.append((result, aside.sealing.pop() if aside.sealing else None))
        finally:
            aside.is_burst = False
        return [result if away is None else self._back(name, aside, result, away) for result, away in results]

    def _back(self, name: str, aside: _Aside, result: bytes | DropReason, away: _Sealing) -> bytes | DropReason:
        """A packet of a burst with what has become of its octets."""
        if not isinstance(result, bytes):
            self._engine.forget(away.ticket)
            return result
        sealed = aside.sealed(away)
        self.handled[name] -= not aside.by_device
        return result[: -len(away.made)] + sealed

    def inbound_burst(self, packets: Sequence[bytes], now: float = 0) -> list[Delivered | Passed | DropReason]:
        """Packets that come together."""
        for packet in packets:
            if len(packet) >= self._engine.least:
                self._give(packet)
        results = [self.inbound(packet, now) for packet in packets]
        for aside in self._asides.values():
            aside.forget()
        return results

    def _is_summed(self, name: str) -> bool:
        """Whether the packets of an SA have a UDP checksum, which ESP is a part of."""
        sa = self.entry(name).sa
        return sa.udp is not None and sa.source.version == 6

    def _give(self, packet: bytes) -> None:
        """A received packet to the device, if it is ESP of an SA that has a session."""
        try:
            outer = ip.parse(packet)
        except Malformed:
            return
        esp = outer.payload[UDP_HEADER:] if outer.protocol == _PROTOCOL_UDP else outer.payload
        entry = None if outer.fragment or len(esp) < HEADER_SIZE else self._sad.find(esp[SPI], outer)
        aside = self._asides.get(entry.sa.name) if entry else None
        if entry is not None and aside is not None and (number := _guess(entry, esp)) is not None:
            aside.software = False
            aside.give(esp, number)


def _guess(entry: Entry, esp: bytes) -> int | None:
    """The whole number of a packet, as the window is now."""
    low, window = sequence_low(esp), entry.state.replay
    return reconstruct(low, window.highest, window.size) if entry.codec.esn else low
