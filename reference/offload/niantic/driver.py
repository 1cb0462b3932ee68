"""A driver of the chip, such as a good one is: what stands in `rules` it keeps, and what the chip cannot do it refuses.

    add, delete        slots of the tables; the engine runs while there is an SA (it costs power)
    send, received     descriptors and rings; which SA a received packet was for is looked up here, as the chip does
                       not tell
    reset              the chip forgets, or does not; afterwards every SA stands where it stood

The driver sees the chip through `Bus` alone, and memory that it takes from an `Arena`. It knows frames and tables, not
ESP: headers, numbers, padding and windows are the stack's.
"""

from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass, replace

from espproof.reference import ip
from espproof.reference.errors import Misuse
from espproof.reference.offload.api import Dead, Refused
from espproof.reference.offload.memory import Arena
from espproof.reference.offload.niantic import registers as r
from espproof.reference.offload.niantic import rules
from espproof.reference.offload.niantic.descriptors import (
    AH,
    CRC,
    ESP,
    L4_TCP,
    L4_UDP,
    NO_ERROR,
    Context,
    Data,
)
from espproof.reference.offload.niantic.rings import PHYSICAL, Bus, Places, Rings
from espproof.reference.offload.niantic.tables import ADDRESS_TABLE, ADDRESSES, KEY_TABLE, SAS, SPI_TABLE, Handle
from espproof.reference.offload.registers import Register

POLLS = 20
POLL_MICROSECONDS = 10_000
"""How often, and how far apart, a driver asks whether the data paths are empty: as Linux does."""
ETHERNET = 14
_MAC = bytes.fromhex("028259900001"), bytes.fromhex("028259900002")
ETHERTYPE = {4: b"\x08\x00", 6: b"\x86\xdd"}
_L4 = {6: L4_TCP, 17: L4_UDP}


@dataclass(frozen=True, slots=True)
class OffloadedSa:
    """What the chip is told of an SA. `address` is the destination: 4 or 16 octets."""

    direction: str
    """"in" or "out"."""
    spi: int
    address: bytes
    key: bytes
    """16 octets."""
    salt: bytes
    """4 octets."""
    protocol: int = ESP
    encrypt: bool = True
    """False: GMAC, for which nothing is encrypted."""


@dataclass(frozen=True, slots=True)
class Received:
    """A packet without its Ethernet header. `handle` is the SA that the chip has applied, None for no SA; then nothing was
    done to the packet. `error` is one of `descriptors`' codes."""

    packet: bytes
    handle: Handle | None
    error: int = NO_ERROR


@dataclass(slots=True)
class _Address:
    """An entry of the address table, and how many SAs point to it."""

    octets: bytes
    sas: int = 1


class Lookup:
    """Which SA a packet was for that the chip has worked on: it does not say."""

    def __init__(self) -> None:
        self._by_spi: dict[int, list[tuple[int, OffloadedSa]]] = {}

    def note(self, index: int, sa: OffloadedSa) -> None:
        """An inbound SA is in the chip."""
        self._by_spi.setdefault(sa.spi, []).append((index, sa))

    def forget(self, index: int, sa: OffloadedSa) -> None:
        """It is no longer."""
        alike = self._by_spi[sa.spi]
        alike.remove((index, sa))
        if not alike:
            del self._by_spi[sa.spi]

    def has_alike(self, wanted: OffloadedSa) -> bool:
        """Whether there is one that the chip could take for this."""
        return any(
            (sa.protocol, sa.address) == (wanted.protocol, wanted.address) for _, sa in self._by_spi.get(wanted.spi, ())
        )

    def told(self, rings: Rings) -> list[Received]:
        """What has come in, with the SAs that the chip says it has used."""
        return [
            Received(frame[ETHERNET:], self._which(frame[ETHERNET:]) if report.matched else None, report.error)
            for frame, report in rings.received()
        ]

    def _which(self, packet: bytes) -> Handle | None:
        """By SPI, then protocol and address."""
        version = packet[0] >> 4
        protocol, front = (packet[9], 20) if version == 4 else (packet[6], 40)
        address = packet[16:20] if version == 4 else packet[24:40]
        spi = int.from_bytes(packet[front : front + 4] if protocol == ESP else packet[front + 4 : front + 8], "big")
        for index, sa in self._by_spi.get(spi, ()):
            if sa.protocol == protocol and sa.address == address:
                return Handle("in", index)
        return None


class Driver:
    """Of one port, from `start` to `stop`. Not to be used by two at a time."""

    def __init__(self, bus: Bus, memory: Arena, places: Places = PHYSICAL) -> None:
        self._bus = bus
        self._tx: dict[int, OffloadedSa] = {}
        self._rx: dict[int, OffloadedSa] = {}
        self._addresses: dict[int, _Address] = {}
        self._lookup = Lookup()
        self._rings = Rings(bus, memory, places)

    # ------------------------------------------------------------------------------------------------------ start, reset

    def start(self) -> None:
        """From power on to packets. `Dead` for a chip that is sold without security."""
        self._reset_chip()
        if self._get(r.SECTXSTAT, "SECTX_OFF_DIS") or self._get(r.SECRXSTAT, "SECRX_OFF_DIS"):
            raise Dead("this chip has no security engine")
        self._clear_tables()
        self._make_rings()

    def reset(self) -> None:
        """The chip anew, with the same SAs at the same places; packets that were inside are lost."""
        self._reset_chip()
        self._rings.drop()
        self._clear_tables()
        self._make_rings()
        for index, sa in self._tx.items():
            self._write_tx(index, sa.key, sa.salt)
        for slot, entry in self._addresses.items():
            self._write_address(slot, entry.octets)
        for index, sa in self._rx.items():
            self._write_rx(index, sa, self._slot_of(sa.address))
        self._blank_data()
        if self._tx or self._rx:
            self._start_engine()

    def stop(self) -> None:
        """No packets any more, and no key left in the chip. The SAs are forgotten."""
        for handle in [Handle("out", index) for index in self._tx] + [Handle("in", index) for index in self._rx]:
            self.delete(handle)
        self._put(r.RXCTRL, RXEN=0)
        self._put(r.DMATXCTL, TE=0)
        self._reset_chip()
        self._rings.drop()

    def _reset_chip(self) -> None:
        self._put(r.CTRL, RST=1)
        self._bus.wait(POLL_MICROSECONDS)

    def _clear_tables(self) -> None:
        """All four: which of them a reset clears, differs from chip to chip."""
        for index in range(SAS):
            self._write_tx(index, bytes(16), bytes(4))
            self._write_spi(index, 0, 0)
            self._write_key(index, 0, bytes(16), bytes(4))
        for slot in range(ADDRESSES):
            self._write_address(slot, bytes(16))

    def _make_rings(self) -> None:
        self._put(r.HLREG0, JUMBOEN=1)
        self._put(r.MAXFRS, MFS=rules.LARGEST_FRAME + CRC)
        self._rings.make()
        self._put(r.RXCTRL, RXEN=1)
        self._put(r.DMATXCTL, TE=1)

    # --------------------------------------------------------------------------------------------------------------- SAs

    def add(self, sa: OffloadedSa) -> Handle:
        """`Refused` if the chip has no such cipher, no room, or may not (the management controller's address); `Dead` if
        the engine cannot be started. Then nothing of the SA is in the chip."""
        if sa.protocol not in (ESP, AH) or len(sa.key) != 16 or len(sa.salt) != 4:
            raise Refused("the chip has AES-128-GCM and GMAC for ESP and AH, and nothing else")
        handle = self._add_tx(sa) if sa.direction == "out" else self._add_rx(sa)
        if self._get(r.SECTXCTRL, "SECTX_DIS"):
            try:
                self._start_engine()
            except Dead:
                self._take_out(handle)
                raise
        return handle

    def has_alike(self, sa: OffloadedSa) -> bool:
        """Whether the chip could take an inbound SA for one that it has."""
        return self._lookup.has_alike(sa)

    def has(self, direction: str, index: int) -> bool:
        """Whether an SA of ours stands at that place."""
        return index in (self._tx if direction == "out" else self._rx)

    def delete(self, handle: Handle) -> None:
        """Nothing of the key is in the chip afterwards. `Misuse` for an SA that is not there."""
        if not self.has(handle.direction, handle.index):
            raise Misuse(f"no SA {handle.direction} {handle.index}")
        self._take_out(handle)
        if not self._tx and not self._rx:
            with suppress(Dead):  # it goes on running: nothing but power is lost
                self._stop_engine()

    def _take_out(self, handle: Handle) -> None:
        sa = (self._tx if handle.direction == "out" else self._rx).pop(handle.index)
        if handle.direction == "out":
            self._write_tx(handle.index, bytes(16), bytes(4))
        else:
            self._write_key(handle.index, 0, bytes(16), bytes(4))
            self._write_spi(handle.index, 0, 0)
            self._release_address(sa.address)
            self._lookup.forget(handle.index, sa)

    def _add_tx(self, sa: OffloadedSa) -> Handle:
        index = _free(self._tx, SAS, "Tx SA table")
        self._write_tx(index, sa.key, sa.salt)
        self._blank_data()
        self._tx[index] = sa
        return Handle("out", index)

    def _add_rx(self, sa: OffloadedSa) -> Handle:
        if self._is_the_controllers(sa.address):
            raise Refused("the address is the management controller's, whose traffic the chip does not decrypt")
        index = _free(self._rx, SAS, "Rx SA tables")
        slot = self._take_address(sa.address)
        self._write_rx(index, sa, slot)
        self._blank_data()
        self._rx[index] = sa
        self._lookup.note(index, sa)
        return Handle("in", index)

    def _take_address(self, address: bytes) -> int:
        wide = _wide(address)
        for slot, entry in self._addresses.items():
            if entry.octets == wide:
                entry.sas += 1
                return slot
        slot = _free(self._addresses, ADDRESSES, "address table")
        self._write_address(slot, wide)
        self._addresses[slot] = _Address(wide)
        return slot

    def _release_address(self, address: bytes) -> None:
        slot = self._slot_of(address)
        entry = self._addresses[slot]
        entry.sas -= 1
        if not entry.sas:
            del self._addresses[slot]
            self._write_address(slot, bytes(16))

    def _slot_of(self, address: bytes) -> int:
        return next(slot for slot, entry in self._addresses.items() if entry.octets == _wide(address))

    def _is_the_controllers(self, address: bytes) -> bool:
        if not self._get(r.BMCIPVAL, "VALID"):
            return False
        words = b"".join(self._bus.read(r.BMCIP.at(n)).to_bytes(4, "little") for n in range(4))
        return (words if self._get(r.BMCIPVAL, "IPV6") else words[12:]) == address

    # ------------------------------------------------------------------------------------- tables, by the bounce registers

    def _write_tx(self, index: int, key: bytes, salt: bytes) -> None:
        self._write_key_words(r.IPSTXKEY, key)
        self._bus.write(r.IPSTXSALT.offset, int.from_bytes(salt, "big"))
        self._put(r.IPSTXIDX, SA_IDX=index, WRITE=1)

    def _write_address(self, slot: int, wide: bytes) -> None:
        for n in range(4):
            self._bus.write(r.IPSRXIPADDR.at(n), int.from_bytes(wide[4 * n : 4 * n + 4], "little"))
        self._put(r.IPSRXIDX, TABLE=ADDRESS_TABLE, TB_IDX=slot, WRITE=1)

    def _write_spi(self, index: int, spi: int, slot: int) -> None:
        self._bus.write(r.IPSRXSPI.offset, int.from_bytes(spi.to_bytes(4, "big"), "little"))
        self._bus.write(r.IPSRXIPIDX.offset, slot)
        self._put(r.IPSRXIDX, TABLE=SPI_TABLE, TB_IDX=index, WRITE=1)

    def _write_key(self, index: int, mode: int, key: bytes, salt: bytes) -> None:
        self._write_key_words(r.IPSRXKEY, key)
        self._bus.write(r.IPSRXSALT.offset, int.from_bytes(salt, "big"))
        self._bus.write(r.IPSRXMOD.offset, mode)
        self._put(r.IPSRXIDX, TABLE=KEY_TABLE, TB_IDX=index, WRITE=1)

    def _write_rx(self, index: int, sa: OffloadedSa, slot: int) -> None:
        mode = r.IPSRXMOD.encode(
            VALID=1,
            PROTO=int(sa.protocol == ESP),
            DECRYPT=int(sa.encrypt and sa.protocol == ESP),
            IPV6=int(len(sa.address) == 16),
        )
        self._write_spi(index, sa.spi, slot)
        self._write_key(index, mode, sa.key, sa.salt)

    def _write_key_words(self, register: Register, key: bytes) -> None:
        for n in range(4):
            self._bus.write(register.at(3 - n), int.from_bytes(key[4 * n : 4 * n + 4], "big"))

    def _blank_data(self) -> None:
        """The registers that carried a key carry it until something else is written."""
        for register in (r.IPSTXKEY, r.IPSRXKEY):
            self._write_key_words(register, bytes(16))
        for register in (r.IPSTXSALT, r.IPSRXSALT):
            self._bus.write(register.offset, 0)
        self._put(r.IPSRXIDX, TABLE=ADDRESS_TABLE, TB_IDX=0, READ=1)

    # --------------------------------------------------------------------------------------------------------- the engine

    def _start_engine(self) -> None:
        """X550 4.6.12.1."""
        self._stop_data()
        self._put(r.HLREG0, TXCRCEN=1, RXCRCSTRP=1)
        self._put(r.SECTXMINIFG, MINSECIFG=3)
        self._put(r.SECTXBUFFAF, FULLTHRESH=0x15)
        self._put(r.SECTXCTRL, SECTX_DIS=0, STORE_FORWARD=1)
        self._put(r.SECRXCTRL, SECRX_DIS=0)
        self._put(r.IPSTXIDX, IPS_TX_EN=1)
        self._put(r.IPSRXIDX, IPS_RX_EN=1)
        self._run_data()

    def _stop_engine(self) -> None:
        """X550 4.6.12.2."""
        self._stop_data()
        self._put(r.IPSTXIDX, IPS_TX_EN=0)
        self._put(r.IPSRXIDX, IPS_RX_EN=0)
        self._put(r.SECTXCTRL, SECTX_DIS=1, STORE_FORWARD=0)
        self._put(r.SECRXCTRL, SECRX_DIS=1)
        self._put(r.SECTXBUFFAF, FULLTHRESH=0x250)
        self._put(r.SECTXMINIFG, MINSECIFG=1)
        self._run_data()

    def _stop_data(self) -> None:
        """`Dead` if the paths do not become empty. Without a link nothing leaves the block: the MAC sends it round."""
        self._put(r.SECTXCTRL, TX_DIS=1)
        self._put(r.SECRXCTRL, RX_DIS=1)
        if self._ready():
            return
        unlinked = not self._get(r.LINKS, "LINK_UP")
        if unlinked:
            self._put(r.HLREG0, LPBK=1)
            self._put(r.MACC, FLU=1)
        try:
            if not any(self._is_ready_soon() for _ in range(POLLS)):
                self._run_data()
                raise Dead("the data paths do not become empty")
        finally:
            if unlinked:
                self._put(r.MACC, FLU=0)
                self._put(r.HLREG0, LPBK=0)

    def _is_ready_soon(self) -> bool:
        self._bus.wait(POLL_MICROSECONDS)
        return self._ready()

    def _ready(self) -> bool:
        return bool(self._get(r.SECTXSTAT, "SECTX_RDY") and self._get(r.SECRXSTAT, "SECRX_RDY"))

    def _run_data(self) -> None:
        self._put(r.SECTXCTRL, TX_DIS=0)
        self._put(r.SECRXCTRL, RX_DIS=0)

    # ----------------------------------------------------------------------------------------------------------- transmit

    def send(
        self,
        packet: bytes,
        handle: Handle | None = None,
        *,
        segment: int = 0,
        upper: int = 0,
        l4_checksum: bool = False,
    ) -> None:
        """One IP packet. With a handle it has everything but the cipher: ESP or AH header and IV, trailer, blank ICV.

        `segment` octets of payload for each packet make it a super-packet of protocol `upper` (6 or 17), which has no
        trailer and no ICV of ESP yet; its TCP or UDP header holds the sum of the pseudo-header without the length.
        `l4_checksum`: the sum with the length is there, the checksum is not. `Misuse` when the ring is full, or for an SA
        that is not there.
        """
        frame = _MAC[0] + _MAC[1] + ETHERTYPE[ip.version(packet)] + packet
        data = Data(0, len(frame), len(frame), report=True, l4_checksum=l4_checksum or segment > 0)
        wanted: Context | None = None
        if handle is not None or data.l4_checksum:
            wanted = self._context(packet, handle, segment, upper)
        if wanted is not None and segment:
            front = wanted.mac_length + wanted.ip_length + wanted.l4_length
            data = replace(data, segments=True, ip_checksum=wanted.ipv4, payload_length=len(frame) - front)
        if handle is not None:
            data = replace(data, ipsec=True, check_context=True)
        self._rings.send(frame, data, wanted)

    def _context(self, packet: bytes, handle: Handle | None, segment: int, upper: int) -> Context:
        version = ip.version(packet)
        front = ip.IPV4_HEADER_SIZE if version == 4 else ip.IPV6_HEADER_SIZE
        sa = self._sa(handle) if handle else None
        protocol, trailer = packet[9] if version == 4 else packet[6], 0
        if sa and sa.protocol == ESP:
            front += 16
            protocol, trailer = (upper, 0) if segment else (packet[-17], packet[-18] + 18)
        elif sa:
            protocol, front = packet[front], front + (packet[front + 1] + 2) * 4
        return Context(
            mac_length=ETHERNET,
            ip_length=front,
            sa=handle.index if handle else 0,
            trailer=trailer,
            esp=sa is not None and sa.protocol == ESP,
            encrypt=sa is not None and sa.encrypt and sa.protocol == ESP,
            ipv4=version == 4,
            l4=_L4.get(protocol, L4_TCP),
            l4_length=((packet[front + 12] >> 4) * 4 if protocol == 6 else 8) if segment else 0,
            segment=segment,
        )

    def _sa(self, handle: Handle) -> OffloadedSa:
        sa = self._tx.get(handle.index) if handle.direction == "out" else None
        if sa is None:
            raise Misuse(f"no outbound SA {handle.index} in the chip")
        return sa

    # ------------------------------------------------------------------------------------------------------------ receive

    def received(self) -> list[Received]:
        """What has come since the last time, in order."""
        return self._lookup.told(self._rings)

    # ---------------------------------------------------------------------------------------------------------- registers

    def _get(self, register: Register, field: str) -> int:
        return register.field(field).of(self._bus.read(register.offset))

    def _put(self, register: Register, **values: int) -> None:
        word = self._bus.read(register.offset)
        for name, value in values.items():
            word = register.field(name).put(word, value)
        self._bus.write(register.offset, word)


def _free(taken: Collection[int], size: int, what: str) -> int:
    for index in range(size):
        if index not in taken:
            return index
    raise Refused(f"no room in the {what}: {size} entries")


def _wide(address: bytes) -> bytes:
    """As the address table has it."""
    return address.rjust(16, b"\0")
