"""The chip as bus, memory and wire see it: registers, rings, the way of a packet through it, reset and faults.

    driver ── registers ──►  tables, engine on or off
    driver ── ring, tail ──► packet buffer ──► security block ──► wire        stopped by TX_DIS; by a link that is down
    wire ──► security block ──► buffers of the ring, reports over their descriptors     stopped by RX_DIS

A packet is in the packet buffer as soon as its buffers were read: its descriptor is reported as done, and the key is the
one that stands in the table when it *leaves* the buffer. Whoever embeds the device sets `now` and says when a link
comes or goes; between two calls nothing happens.
"""

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from espproof.reference.errors import Misuse
from espproof.reference.offload.memory import Memory
from espproof.reference.offload.niantic import (
    descriptors,
    engine,
    engine_rules,
    packet_rules,
    pools,
    registers,
    rules,
    words,
)
from espproof.reference.offload.niantic.descriptors import Buffer, Context, Data, Report
from espproof.reference.offload.niantic.registers import MAP
from espproof.reference.offload.niantic.tables import (
    ADDRESS_TABLE,
    ADDRESSES,
    DATA_REGISTERS,
    KEY_TABLE,
    NO_TABLE,
    SPI_TABLE,
    Handle,
    Tables,
)
from espproof.reference.offload.niantic.virtual import Function
from espproof.reference.offload.registers import Place, Register, Values
from espproof.reference.offload.rules import Breaches

RESET_MICROSECONDS = 10
"""How long after a reset the tables are not to be accessed."""
_KILO = 1024
_USUAL = 1518
"""Octets of a frame without JUMBOEN, its CRC among them."""
_STALE = ("Tx SA", "address", "SPI", "key")
"""Names of the tables; of the Rx tables by their number."""
_TABLE_OF = {register.name: table for table, carried in DATA_REGISTERS.items() for register in carried}


@dataclass(frozen=True, slots=True)
class Personality:
    """What differs from chip to chip."""

    name: str
    clears_tx: bool
    """A reset clears the Tx SA table."""
    clears_keys: bool
    """A reset clears the Rx key table."""
    mismatch_is_error: bool = False
    """Which of two contradicting sentences holds (`engine.receive`)."""
    fused_off: bool = False
    """Sold without security."""


I82599 = Personality("82599", clears_tx=False, clears_keys=False)
X540 = Personality("X540", clears_tx=False, clears_keys=False)
"""Assumed to be as the 82599: drivers treat them alike."""
X550 = Personality("X550", clears_tx=True, clears_keys=True)


@dataclass(slots=True)
class Counts:
    """What the chip has done with packets since power came on; nothing is lost without standing here."""

    sent: int = 0
    delivered: int = 0
    no_buffer: int = 0
    """Arrived, and no descriptor was there."""
    not_enabled: int = 0
    """Arrived while reception was off or stopped."""
    too_long: int = 0
    """Arrived, and were longer than MAXFRS (without JUMBOEN: than 1,518 octets) allows."""
    lost_in_reset: int = 0
    """Were inside when a reset or an error came."""
    not_handed_over: int = 0
    """Were of the engine, and for a pool of the chip itself: there is no way back in for them."""


class Cause(NamedTuple):
    """Why an interrupt is raised: what was "sent" or "received" on a queue, or an "other" bit of EICR."""

    kind: str
    queue: int = 0


class Niantic:
    """One port. `wire` takes each frame that leaves, `interrupt` is called with the cause when EICR gets a bit."""

    def __init__(
        self,
        memory: Memory,
        wire: Callable[[bytes], None],
        personality: Personality = X550,
        interrupt: Callable[[Cause], None] = lambda cause: None,
    ) -> None:
        self.memory = memory
        self.personality = personality
        self.tables = Tables()
        self.values = Values(MAP)
        self.breaches = Breaches()
        self.counts = Counts()
        self.done: Counter[Handle] = Counter()
        """Packets of the SA at a place that were encrypted, or found to be right, since it was written there."""
        self.now = RESET_MICROSECONDS
        """Microseconds; whoever embeds the device moves it."""
        self.watch: Callable[[str, str], None] | None = None
        """Is told what happens: who does it (one of `words.LANES`), and what, in words."""
        self.polls_to_drain = 0
        """A fault: how often a status is read as not ready although the path is empty."""
        self._wire = wire
        self._interrupt = interrupt
        self._link = True
        self._contexts: dict[tuple[int, int], Context] = {}
        self._buffer: deque[tuple[bytes, Context, Data]] = deque()
        self._block: deque[tuple[bytes, bool]] = deque()
        """Frames, and whether the engine has had to do with them."""
        self.functions = [Function(self, number) for number in range(registers.FUNCTIONS)]
        self._stale: dict[str, set[int]] = {name: set() for name in _STALE}
        self._touched = self._loaded = NO_TABLE
        """The Rx table whose registers were accessed since the last command, and the one that it has loaded."""
        self._reset_at = 0
        self._settle()

    # ---------------------------------------------------------------------------------------------------------- the bus

    def read(self, offset: int) -> int:
        """The word at an offset of BAR 0; zero where the model has no row."""
        place = MAP.find(offset)
        if place is None:
            return 0
        self._touch(place.register, self._loaded)
        if place.register in (registers.SECTXSTAT, registers.SECRXSTAT):
            self._refresh_ready()
        word = self.values.read(place)
        self._tell("driver", lambda: f"reads  {words.of_register(place, word)}")
        return word

    def write(self, offset: int, word: int) -> None:
        place = MAP.find(offset)
        if place is None:
            return
        self._touch(place.register, NO_TABLE)
        old = self.values.word(*place)
        self._tell("driver", lambda: f"writes {words.of_register(place, word)}")
        self.values.write(place, word)
        hook = _HOOKS.get(place.register.name)
        if hook:
            hook(self, place, old)

    def _tell(self, who: str, what: Callable[[], str]) -> None:
        if self.watch is not None:
            self.watch(who, what())

    # ------------------------------------------------------------------------------------------------ wire, link, faults

    def arrive(self, frame: bytes) -> None:
        """A frame from the wire, without its CRC, which was right."""
        self._tell("wire", lambda: f"{len(frame)} octets arrive")
        stopped = self.values.get(registers.SECRXCTRL, "RX_DIS") or self.values.get(registers.SECRXSTAT, "ECC_RXERR")
        if not self._link or stopped or not self.values.get(registers.RXCTRL, "RXEN"):
            self.counts.not_enabled += 1
            return
        if len(frame) + descriptors.CRC > self._longest(frame):
            self.counts.too_long += 1
            return
        frame, report, index = engine.receive(
            frame, self.tables, ipsec=self.rx_engine_on, mismatch_is_error=self.personality.mismatch_is_error
        )
        if index is not None and not report.error:
            self.done[Handle("in", index)] += 1
        self._hand_over(frame, report)

    def _hand_over(self, frame: bytes, report: Report) -> None:
        """To the first queue, or to the first of each pool that it is for; nobody's frame is lost unseen."""
        each = pools.queues(self.values)
        if not each:
            self._deliver(0, frame, report)
            return
        found = pools.receivers(self.values, frame[:6])
        for pool in found:
            self._deliver(pool * each, frame, report)
        self.counts.not_enabled += not found

    def _longest(self, frame: bytes) -> int:
        """Octets of a frame, its CRC among them, that is received (8.2.2.16.6)."""
        size = self.values.get(registers.MAXFRS, "MFS") if self.values.get(registers.HLREG0, "JUMBOEN") else _USUAL
        return size + 4 if engine.is_tagged(frame) else size

    def set_link(self, up: bool) -> None:
        """What waits in the security block leaves as soon as there is a link again."""
        changed, self._link = up != self._link, up
        self._settle()
        self._flush()
        if changed:
            self._raise(LSC=1)

    def break_tx_table(self) -> None:
        """A fault: an error of the Tx SA table's memory that cannot be corrected (7.13.5.1). Only a reset helps."""
        self.values.put(registers.SECTXSTAT, ECC_TXERR=1)
        self._raise(ECC=1)

    def break_rx_tables(self) -> None:
        """A fault: the same of an Rx table (7.13.9.1)."""
        self.values.put(registers.SECRXSTAT, ECC_RXERR=1)
        self._raise(ECC=1)

    @property
    def tx_engine_on(self) -> bool:
        return not self.values.get(registers.SECTXCTRL, "SECTX_DIS") and bool(
            self.values.get(registers.IPSTXIDX, "IPS_TX_EN")
        )

    @property
    def rx_engine_on(self) -> bool:
        return not self.values.get(registers.SECRXCTRL, "SECRX_DIS") and bool(
            self.values.get(registers.IPSRXIDX, "IPS_RX_EN")
        )

    @property
    def waiting(self) -> int:
        """Packets and frames that are inside."""
        return len(self._buffer) + len(self._block)

    # ------------------------------------------------------------------------------------------------------------- reset

    def _on_ctrl(self, place: Place, old: int) -> None:
        if not self.values.get(registers.CTRL, "RST") and not self.values.get(registers.CTRL, "LRST"):
            self.values.put(registers.STATUS, GIO_MASTER=1 - self.values.get(registers.CTRL, "GIO_DIS"))
            return
        self.counts.lost_in_reset += self.waiting
        self.values.reset()
        self._contexts.clear()
        self._buffer.clear()
        self._block.clear()
        if self.personality.clears_tx:
            self.tables.clear_tx()
        if self.personality.clears_keys:
            self.tables.clear_keys()
        blank = Tables()
        for name, mine, fresh in (
            ("Tx SA", self.tables.tx, blank.tx),
            ("address", self.tables.addresses, blank.addresses),
            ("SPI", self.tables.spis, blank.spis),
            ("key", self.tables.keys, blank.keys),
        ):
            self._stale[name] = {
                index for index, (one, other) in enumerate(zip(mine, fresh, strict=True)) if one != other
            }
        self._reset_at = self.now
        self._touched = self._loaded = NO_TABLE
        for function in self.functions:
            function.pf_resets()
        self._settle()

    def _settle(self) -> None:
        """What the chip itself says in its registers, as things stand."""
        up = int(self._link)
        self.values.put(registers.LINKS, LINK_STATUS=up, LINK_SPEED=3 * up, LINK_UP=up)
        if self.personality.fused_off:
            self.values.put(registers.SECTXSTAT, SECTX_OFF_DIS=1)
            self.values.put(registers.SECRXSTAT, SECRX_OFF_DIS=1)

    # ------------------------------------------------------------------------------------------------- virtual functions

    def raise_mailbox(self) -> None:
        """A VF has something for the PF."""
        self._raise(MAILBOX=1)

    def note_reset(self, number: int) -> None:
        """A VF was reset."""
        old = self.values.word(registers.VFLREC, number // 32)
        self.values.put(registers.VFLREC, number // 32, RESET=old | 1 << number % 32)
        self._tell_resets()
        self.raise_mailbox()

    def _tell_resets(self) -> None:
        """What VFLREC has, the two others show."""
        for copy, register in enumerate((registers.VFLRE, registers.VFLRE_FAR)):
            self.values.put(register, RESET=self.values.word(registers.VFLREC, copy))

    def _on_vflrec(self, place: Place, old: int) -> None:
        self._tell_resets()

    def _on_pfmailbox(self, place: Place, old: int) -> None:
        self.functions[place.copy].from_pf()

    def _on_ctrl_ext(self, place: Place, old: int) -> None:
        if self.values.get(registers.CTRL_EXT, "PFRSTD"):
            for function in self.functions:
                function.pf_is_ready()

    # ------------------------------------------------------------------------------------------------- the security block

    def _refresh_ready(self) -> None:
        """RDY: asked to stop, and nothing is inside (8.2.2.24.2)."""
        late = self.polls_to_drain > 0
        self.polls_to_drain -= late
        tx = self.values.get(registers.SECTXCTRL, "TX_DIS") and not self._block and not late
        self.values.put(registers.SECTXSTAT, SECTX_RDY=int(bool(tx)))
        rx = self.values.get(registers.SECRXCTRL, "RX_DIS") and not late
        self.values.put(registers.SECRXSTAT, SECRX_RDY=int(bool(rx)))

    def _on_sectxctrl(self, place: Place, old: int) -> None:
        self._fuse(registers.SECTXCTRL, "SECTX_DIS")
        engine_rules.judge_switch(
            self.values, self.breaches, registers.SECTXCTRL, "SECTX_DIS", "TX_DIS", old, drained=not self._block
        )
        engine_rules.judge_running(self.values, self.breaches, self._stale)
        self._pump()

    def _on_secrxctrl(self, place: Place, old: int) -> None:
        self._fuse(registers.SECRXCTRL, "SECRX_DIS")
        engine_rules.judge_switch(
            self.values, self.breaches, registers.SECRXCTRL, "SECRX_DIS", "RX_DIS", old, drained=True
        )
        engine_rules.judge_running(self.values, self.breaches, self._stale)

    def _fuse(self, register: Register, field: str) -> None:
        if self.personality.fused_off:
            self.values.put(register, **{field: 1})

    # ---------------------------------------------------------------------------------------------------- tables of SAs

    def _touch(self, register: Register, loaded: int) -> None:
        """A register that carries entries is read or written: it belongs to the table that was touched since the last
        command, and if it is read, to the one that this command has loaded."""
        table = _TABLE_OF.get(register.name, NO_TABLE)
        if table == NO_TABLE:
            return
        for other in (self._touched, loaded):
            if other not in (NO_TABLE, table):
                self.breaches.note(rules.TABLES_APART, f"{register.name} after one of the {_STALE[other]} table")
        self._touched = table

    def _on_ipstxidx(self, place: Place, old: int) -> None:
        self._judge_enable(registers.IPSTXIDX, "IPS_TX_EN", old, registers.SECTXCTRL, "SECTX_DIS", "TX_DIS")
        command = self._command(registers.IPSTXIDX)
        index = self.values.get(registers.IPSTXIDX, "SA_IDX")
        if command == "WRITE":
            self.tables.write_tx(self.values, index)
            self.done.pop(Handle("out", index), None)
            self._stale["Tx SA"].discard(index)
        elif command == "READ":
            self.tables.read_tx(self.values, index)

    def _on_ipsrxidx(self, place: Place, old: int) -> None:
        changed = self._judge_enable(registers.IPSRXIDX, "IPS_RX_EN", old, registers.SECRXCTRL, "SECRX_DIS", "RX_DIS")
        command = self._command(registers.IPSRXIDX)
        table, index = self.values.get(registers.IPSRXIDX, "TABLE"), self.values.get(registers.IPSRXIDX, "TB_IDX")
        if not command:
            return
        if changed and command == "WRITE":
            self.breaches.note(rules.ENABLE_ALONE, f"{_STALE[table]} table")
        if table == NO_TABLE:
            self.breaches.note(rules.TABLE_NAMED, command)
            return
        touched, self._touched = self._touched, NO_TABLE
        self._loaded = table if command == "READ" else NO_TABLE
        if command == "READ":
            self.tables.read_rx(self.values, table, index)
            return
        if touched not in (NO_TABLE, table):
            self.breaches.note(
                rules.TABLES_APART, f"{_STALE[table]} table written after registers of the {_STALE[touched]} table"
            )
        self.tables.write_rx(self.values, table, index)
        if table == KEY_TABLE:
            self.done.pop(Handle("in", index), None)
        self._stale[_STALE[table]].discard(index % ADDRESSES if table == ADDRESS_TABLE else index)
        entry = self.tables.spis[index]
        if table == SPI_TABLE and any(entry.spi) and not any(self.tables.addresses[entry.address]):
            self.breaches.note(rules.INDEX_IN_TABLE, f"SPI entry {index} points to address {entry.address}")

    def _judge_enable(
        self, register: Register, field: str, old: int, control: Register, switch: str, stop: str
    ) -> bool:
        """Whether the lookup was switched on or off by this write."""
        was, wanted = register.field(field).of(old), self.values.get(register, field)
        if was == wanted:
            return False
        if self.values.get(control, switch):
            self.values.put(register, **{field: was})
            self.breaches.note(
                rules.ENGINE_FIRST, f"{field} written while {control.name} is {self.values.word(control):#x}"
            )
            return False
        if not self.values.get(control, stop):
            self.breaches.note(
                rules.LOOKUP_ON, f"{field} became {wanted} while {control.name} is {self.values.word(control):#x}"
            )
        return True

    def _command(self, register: Register) -> str:
        """READ, WRITE or nothing; the bits clear themselves. Both at once do nothing: assumed."""
        read, write = self.values.get(register, "READ"), self.values.get(register, "WRITE")
        self.values.put(register, READ=0, WRITE=0)
        if not read and not write:
            return ""
        if self.now - self._reset_at < RESET_MICROSECONDS:
            self.breaches.note(rules.AFTER_RESET, f"{register.name}, {self.now - self._reset_at} microseconds after")
        if read and write:
            self.breaches.note(rules.ONE_COMMAND, register.name)
            return ""
        return "READ" if read else "WRITE"

    # ----------------------------------------------------------------------------------------------------------- transmit

    def _on_tail(self, place: Place, old: int) -> None:
        queue, get = place.copy, self.values.get
        pool = pools.owner(self.values, queue)
        if pool is not None and not pools.may(self.values, registers.VFTE, pool):
            return
        count = get(registers.TDLEN, "LEN", queue) // descriptors.SIZE
        if not count or not get(registers.DMATXCTL, "TE") or not get(registers.TXDCTL, "ENABLE", queue):
            return
        base = self.values.word(registers.TDBAL, queue) | self.values.word(registers.TDBAH, queue) << 32
        head, tail = get(registers.TDH, "HEAD", queue), get(registers.TDT, "TAIL", queue)
        if tail >= count:
            raise Misuse(f"tail {tail} of a ring of {count}")
        packet: list[Data] = []
        done = False
        while head != tail:
            at = base + head * descriptors.SIZE
            done |= self._fetch(queue, at, packet)
            head = (head + 1) % count
        self.values.put(registers.TDH, queue, HEAD=head)
        if packet:
            self.breaches.note(rules.TAIL, f"queue {queue}, tail {tail}")
        self._pump()
        if done:
            self._raise_of("sent", queue)

    def _fetch(self, queue: int, at: int, packet: list[Data]) -> bool:
        """One descriptor; whether something was written back."""
        octets = self.memory.read(at, descriptors.SIZE)
        kind = descriptors.kind(octets)
        self._tell("card", lambda: f"fetches {words.of_descriptor(octets)}")
        if kind == descriptors.TYPE_CONTEXT:
            context = Context.read(octets)
            packet_rules.judge_context(context, octets, self.breaches)
            self._contexts[queue, context.index] = context
            return False
        if kind != descriptors.TYPE_DATA:
            self.breaches.note(rules.DESCRIPTOR, octets.hex())
            return False
        data = Data.read(octets)
        packet.append(data)
        if data.last:
            frame = b"".join(self.memory.read(part.address, part.length) for part in packet)
            self._accept(queue, frame, list(packet))
            packet.clear()
        if data.report and data.length:
            self.memory.write(at + 12, descriptors.DONE.to_bytes(4, "little"))
        return data.report

    def _accept(self, queue: int, frame: bytes, packet: list[Data]) -> None:
        first = packet[0]
        context = self._contexts.get((queue, first.index & 1))
        wants = first.ipsec or first.segments or first.ip_checksum or first.l4_checksum
        if wants and context is None:
            self.breaches.note(rules.CONTEXT_GIVEN, f"queue {queue}, context {first.index & 1}")
        packet_rules.judge_packet(frame, packet, context, self.breaches)
        self._buffer.append((frame, context or Context(), first))

    def _pump(self) -> None:
        """From the packet buffer through the security block."""
        get = self.values.get
        while self._buffer and not get(registers.SECTXCTRL, "TX_DIS") and not get(registers.SECTXSTAT, "ECC_TXERR"):
            frame, context, data = self._buffer.popleft()
            if data.ipsec and not self.tx_engine_on:
                self.breaches.note(rules.ENGINE_ON, f"SA {context.sa}")
            low, high = self.values.word(registers.DTXTCPFLGL), self.values.word(registers.DTXTCPFLGH)
            flags = engine.Flags(
                registers.DTXTCPFLGL.field("FIRST_SEG").of(low),
                registers.DTXTCPFLGL.field("MID_SEG").of(low),
                high & 0xFFF,
            )
            frames = list(engine.send(frame, context, data, self.tables, flags, ipsec=self.tx_engine_on))
            longest = max(map(len, frames))
            if get(registers.SECTXCTRL, "STORE_FORWARD") and longest > rules.LARGEST_FRAME:
                self.breaches.note(rules.LARGEST, f"{longest} octets")
            if data.ipsec and self.tx_engine_on:
                self.done[Handle("out", context.sa)] += len(frames)
            self._block.extend((frame, data.ipsec and self.tx_engine_on) for frame in frames)
        self._flush()

    def _flush(self) -> None:
        """From the security block to the wire, or back in by the loopback of the MAC. A link that is forced up empties
        the block into nothing."""
        get = self.values.get
        while self._block and (self._link or get(registers.MACC, "FLU")):
            frame, protected = self._block.popleft()
            self.counts.sent += 1
            if get(registers.HLREG0, "LPBK"):
                self.arrive(frame)
            elif (
                get(registers.PFDTXGSWC, "VT_LBEN")
                and pools.queues(self.values)
                and self._is_switched(frame, protected)
            ):
                continue
            elif self._link:
                if self.watch is not None:
                    self.watch("wire", f"{len(frame)} octets leave")
                self._wire(frame)

    def _is_switched(self, frame: bytes, protected: bool) -> bool:
        """Whether a frame stays within the chip: it is for one of its own pools. What the engine has protected does not
        come to them (7.13: IPsec is not looped back between VMs), and is lost."""
        if not pools.local(self.values, frame[:6]):
            return False
        if protected:
            self.counts.not_handed_over += 1
        else:
            self._hand_over(frame, engine.plain(frame))
        return True

    def _on_macc(self, place: Place, old: int) -> None:
        self._flush()

    # ------------------------------------------------------------------------------------------------------------ receive

    def _deliver(self, queue: int, frame: bytes, report: Report) -> None:
        get = self.values.get
        count = get(registers.RDLEN, "LEN", queue) // descriptors.SIZE
        size = get(registers.SRRCTL, "BSIZEPACKET", queue) * _KILO
        head, tail = get(registers.RDH, "HEAD", queue), get(registers.RDT, "TAIL", queue)
        parts = [frame[at : at + size] for at in range(0, len(frame), size or 1)] if size else []
        if not count or not get(registers.RXDCTL, "ENABLE", queue) or not parts or (tail - head) % count < len(parts):
            self.counts.no_buffer += 1
            return
        base = self.values.word(registers.RDBAL, queue) | self.values.word(registers.RDBAH, queue) << 32
        for number, part in enumerate(parts):
            at = base + head * descriptors.SIZE
            self.memory.write(Buffer.read(self.memory.read(at, descriptors.SIZE)).address, part)
            last = number == len(parts) - 1
            told = Report(len(part), report.type, last, report.matched and last, report.error if last else 0)
            if self.watch is not None:
                self.watch("card", f"writes back {words.of_report(told)}")
            self.memory.write(at, told.octets())
            head = (head + 1) % count
        self.values.put(registers.RDH, queue, HEAD=head)
        self.counts.delivered += 1
        self._raise_of("received", queue)

    def _raise_of(self, kind: str, queue: int) -> None:
        bits = self.values.get(registers.EICR, "QUEUES") | 1 << queue % 16
        self.values.put(registers.EICR, QUEUES=bits)
        each = pools.queues(self.values)
        function = self.functions[queue // each] if each else None
        if function is not None and function.caused is not None:
            function.caused(kind, queue % each)
        else:
            self._interrupt(Cause(kind, queue))

    def _raise(self, **causes: int) -> None:
        self.values.put(registers.EICR, **causes)
        self._interrupt(Cause("other"))


_Hook = Callable[[Niantic, Place, int], None]
_HOOKS: dict[str, _Hook] = {
    "CTRL": Niantic._on_ctrl,
    "CTRL_EXT": Niantic._on_ctrl_ext,
    "PFMAILBOX": Niantic._on_pfmailbox,
    "VFLREC": Niantic._on_vflrec,
    "MACC": Niantic._on_macc,
    "TDT": Niantic._on_tail,
    "SECTXCTRL": Niantic._on_sectxctrl,
    "SECRXCTRL": Niantic._on_secrxctrl,
    "IPSTXIDX": Niantic._on_ipstxidx,
    "IPSRXIDX": Niantic._on_ipsrxidx,
}
"""What the chip does after a write, with the place and the word that stood there before."""
