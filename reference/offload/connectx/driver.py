"""A driver of the device, such as a good one is: it keeps what stands in `rules`, and refuses what the device cannot do.

    add, delete   a key, an SA that refers to it, a rule that refers to the SA; and back, in the other order
    advance       the half window of an inbound SA. The device is told by work that is done later (in a kernel, in another
                  context): `works` says whether it is done at once
    send          the IV is the packet's number, to which the device adds (exclusive or) a number of the SA's own
    received      the SA of a completion, by its handle; and which high half the device had taken, as the driver knows what
                  it has been told
    work, look    with packet offload: what the device has told is done, if `works` says so; and without having been told.
                  Whether there is something to do the arms say, and not the event, which can be lost or come twice

Every SA under one key gets another `implicit_iv`, with the highest bit set: software, which counts its IVs from 1, can
have packets under the same key.
"""

from collections import Counter
from dataclasses import dataclass
from typing import Protocol

from espproof.reference import ip
from espproof.reference.errors import Misuse
from espproof.reference.offload.api import Dead, Progress, Refused
from espproof.reference.offload.connectx import layouts
from espproof.reference.offload.connectx.device import (
    ETHERNET,
    ETHERTYPE,
    HEADER,
    ICV,
    IV,
    TRAILER,
    Completion,
    Descriptor,
    InRule,
    OutRule,
)
from espproof.reference.offload.connectx.esn import HalfWindow, high_half, of_bottom
from espproof.reference.offload.connectx.full import INCREMENT_NUMBER, REPLAY_PROTECTION, WINDOWS
from espproof.reference.offload.connectx.layouts import Opcode, Status, Syndrome, Type
from espproof.reference.offload.connectx.limits import Limits

_OWN_BIT = 63
_SA_BITS = 41
"""Of `implicit_iv`: which of the SAs under a key stands from here to the bit below the highest."""


class Device(Protocol):
    """As its driver sees it."""

    def command(self, octets: bytes) -> bytes: ...

    def steer(self, rule: OutRule | InRule) -> int: ...

    def unsteer(self, number: int) -> None: ...

    def events(self) -> list[int]: ...

    def transmit(self, frame: bytes, descriptor: Descriptor) -> None: ...

    def reset(self) -> None: ...


@dataclass(frozen=True, slots=True)
class OffloadedSa:
    """What the device is told of an SA. `address` is the destination: 4 or 16 octets."""

    direction: str
    """"in" or "out"."""
    spi: int
    address: bytes
    key: bytes
    """16 or 32 octets."""
    salt: bytes
    """4 octets."""
    esn: bool = False
    full: bool = False
    """Packet offload; then `number` is the last one sent, or the highest received, `window` and `received` are those of an
    inbound SA (`full.Context`), and `hard` and `soft` limits of packets, of which `used` have passed."""
    number: int = 0
    window: int = 0
    received: int = 0
    hard: int | None = None
    soft: int | None = None
    used: int = 0
    tunnel: bool = False
    header: bytes = b""
    """Outbound, in front of ESP in a tunnel: an IP header without payload."""


@dataclass(slots=True)
class _Entry:
    """An SA and what stands for it in the device: numbers of key, object and rule, and the half window it was told."""

    sa: OffloadedSa
    implicit_iv: int
    half: HalfWindow
    told: Progress
    """Of packet offload: what the device has, as far as the driver knows."""
    key: int = 0
    object: int = 0
    rule: int = 0
    limits: Limits | None = None


@dataclass(frozen=True, slots=True)
class Received:
    """A packet without its Ethernet header. `handle` is the SA that was applied; `right` whether the ICV was; `high` the
    half that the device took, of an SA with extended numbers; `next_header` stands for a trailer that was removed."""

    packet: bytes
    handle: int | None
    right: bool = False
    high: int | None = None
    next_header: int | None = None
    syndrome: Syndrome = Syndrome.RIGHT


class Driver:
    """Of one port. Handles are numbers of 24 bits."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self._entries: dict[int, _Entry] = {}
        self._under: Counter[bytes] = Counter()
        """SAs that there have been under a key and salt."""
        self._waiting: dict[int, HalfWindow] = {}
        self.works = True

    # --------------------------------------------------------------------------------------------------------------- SAs

    def add(self, sa: OffloadedSa) -> int:
        """`Refused` if the device has no such cipher, or no room. Then nothing of the SA is in the device."""
        if len(sa.key) not in layouts.KEY_SIZES or len(sa.salt) != 4:
            raise Refused(f"AES-GCM with {len(sa.key) * 8} bits: the device has 128 and 256")
        handle = next(number for number in range(1, 1 << 24) if number not in self._entries)
        which = self._under[sa.key + sa.salt]
        entry = _Entry(
            sa,
            1 << _OWN_BIT | which << _SA_BITS,
            of_bottom(_begin(sa, sa.number)) if sa.full else HalfWindow(0, False),
            told=Progress(sa.number, sa.received, None if sa.hard is None else sa.used),
            limits=None if sa.hard is None else Limits(sa.hard, sa.soft),
        )
        self._make(handle, entry)
        self._under[sa.key + sa.salt] += 1
        self._entries[handle] = entry
        return handle

    def delete(self, handle: int) -> None:
        """Nothing of the key is in the device afterwards. `Misuse` for an SA that is not there."""
        entry = self._entries.pop(handle, None)
        if entry is None:
            raise Misuse(f"no SA {handle}")
        self._waiting.pop(handle, None)
        self._end(entry)

    def reset(self) -> None:
        """The device anew, with the same SAs."""
        self._device.reset()
        for handle, entry in self._entries.items():
            self._make(handle, entry)

    def has(self, object: int) -> bool:
        """Whether an SA of ours is that object."""
        return any(entry.object == object for entry in self._entries.values())

    def has_key(self, number: int) -> bool:
        """The same for a key."""
        return any(entry.key == number for entry in self._entries.values())

    def _make(self, handle: int, entry: _Entry) -> None:
        sa = entry.sa
        key = layouts.KEY.encode(
            key_size=layouts.KEY_SIZES[len(sa.key)],
            key_purpose=layouts.PURPOSE_IPSEC,
            key=int.from_bytes(sa.key, "big"),
        )
        entry.key = self._asked(Opcode.CREATE, Type.KEY, body=key)
        try:
            entry.object = self._asked(
                Opcode.CREATE,
                Type.IPSEC,
                body=layouts.IPSEC.encode(
                    esn_en=sa.esn,
                    esn_msb=entry.half.msb,
                    esn_overlap=entry.half.overlap,
                    dekn=entry.key,
                    salt=int.from_bytes(sa.salt, "big"),
                    implicit_iv=entry.implicit_iv if sa.direction == "out" else 0,
                    full_offload=sa.full,
                )
                + (_context(entry) if sa.full else b""),
            )
        except (Refused, Dead):
            self._asked(Opcode.DESTROY, Type.KEY, entry.key)
            raise
        if sa.direction == "out":
            spi = sa.spi if sa.full else 0
            entry.rule = self._device.steer(OutRule(layouts.metadata(handle), entry.object, spi, sa.header))
        else:
            entry.rule = self._device.steer(InRule(sa.address, sa.spi, entry.object, handle, sa.full and sa.tunnel))

    def _end(self, entry: _Entry) -> None:
        self._device.unsteer(entry.rule)
        self._asked(Opcode.DESTROY, Type.IPSEC, entry.object)
        self._asked(Opcode.DESTROY, Type.KEY, entry.key)

    def _asked(self, opcode: Opcode, kind: Type, number: int = 0, body: bytes = b"") -> int:
        """The number of what was made. `Refused` if there is no room, `Dead` for any other answer that is no good."""
        answer = self._device.command(layouts.COMMAND.encode(opcode=opcode, obj_type=kind, obj_id=number) + body)
        header = layouts.ANSWER.decode(answer)
        if header["status"] == Status.EXCEEDED:
            raise Refused("the device has no room for another SA")
        if header["status"] != Status.OK:
            raise Dead(f"{opcode.name} {kind.name} {number}: {Status(header['status']).name}")
        return header["obj_id"]

    # ---------------------------------------------------------------------------------------------------- packet offload

    def state(self, handle: int) -> Progress:
        """What the device has of an SA with packet offload, as it is now."""
        entry = self._entries[handle]
        self._read(entry)
        return entry.told

    def _read(self, entry: _Entry) -> dict[str, int]:
        """The SA's context."""
        command = layouts.COMMAND.encode(opcode=Opcode.QUERY, obj_type=Type.IPSEC, obj_id=entry.object)
        body = self._device.command(command)[layouts.ANSWER.size + layouts.IPSEC.size :]
        context = layouts.CONTEXT.decode(body)
        number = entry.told.number
        number += (context["mode_parameter"] - number) % (1 << 32)  # it never goes back
        used = None if entry.limits is None else entry.limits.used(context["remove_flow_pkt_cnt"])
        entry.told = Progress(number, context["replay_protection_window"], used)
        return context

    def set_state(self, handle: int, progress: Progress) -> None:
        """What software has done of the SA's packets is in the device now, and the half window with it: of a number with
        another one the device would not know what it is."""
        entry = self._entries[handle]
        entry.told = progress
        self._modify(entry, layouts.SELECT_CONTEXT | layouts.SELECT_ARM | layouts.SELECT_LIMITS)
        self._tell_half(entry)

    def look(self) -> None:
        """See to what the device has not told, for whatever reason: a driver does so once in a while."""
        for entry in [entry for entry in self._entries.values() if entry.sa.full]:
            self._see_to(entry)

    def _see_to(self, entry: _Entry) -> None:
        """What the arms say that has happened, is done. They are set again before it is, as it can happen again."""
        context = self._read(entry)
        if entry.limits is not None and not (context["soft_lft_arm"] and context["hard_lft_arm"]):
            self._modify(entry, layouts.SELECT_LIMITS)
        if entry.sa.esn and not context["esn_event_arm"]:
            self._modify(entry, layouts.SELECT_ARM)
            self._tell_half(entry)

    def _tell_half(self, entry: _Entry) -> None:
        entry.half = of_bottom(_begin(entry.sa, entry.told.number))
        self._modify(entry, layouts.SELECT_OVERLAP | layouts.SELECT_MSB)

    def _modify(self, entry: _Entry, selected: int) -> None:
        change = layouts.IPSEC.encode(
            modify_field_select=selected, esn_msb=entry.half.msb, esn_overlap=entry.half.overlap
        )
        self._asked(Opcode.MODIFY, Type.IPSEC, entry.object, change + _context(entry))

    # ------------------------------------------------------------------------------------------------------ half windows

    def advance(self, handle: int, bottom: int) -> None:
        """The window of an inbound SA begins there now."""
        half = of_bottom(bottom)
        if half != self._waiting.get(handle, self._entries[handle].half):
            self._waiting[handle] = half
        self.work()

    def work(self) -> None:
        """What waits is done, if it may."""
        while self.works and self._waiting:
            handle, half = self._waiting.popitem()
            entry = self._entries[handle]
            self._asked(
                Opcode.MODIFY,
                Type.IPSEC,
                entry.object,
                layouts.IPSEC.encode(
                    modify_field_select=layouts.SELECT_OVERLAP | layouts.SELECT_MSB,
                    esn_msb=half.msb,
                    esn_overlap=half.overlap,
                ),
            )
            entry.half = half
        for object in self._device.events() if self.works else ():
            for entry in [entry for entry in self._entries.values() if entry.object == object]:
                self._see_to(entry)

    # ------------------------------------------------------------------------------------------------------------ packets

    def send(self, packet: bytes, handle: int | None, sequence: int) -> None:
        """An IP packet; with a handle it has ESP header, IV, plaintext, trailer and a blank ICV."""
        ethernet = bytes(12) + ETHERTYPE[packet[0] >> 4]
        if handle is None:
            self._device.transmit(ethernet + packet, Descriptor())
            return
        if self._entries[handle].sa.full:
            self._device.transmit(ethernet + packet, Descriptor(layouts.metadata(handle)))
            return
        body = packet[:-ICV]
        end = len(body) - TRAILER - body[-TRAILER]
        start = ip.IPV6_HEADER_SIZE if packet[0] >> 4 == 6 else ip.IPV4_HEADER_SIZE
        number = sequence.to_bytes(IV, "big")
        short = body[: start + HEADER] + number + body[start + HEADER + IV : end]
        self._device.transmit(ethernet + ip.with_length(short), Descriptor(layouts.metadata(handle), body[end:]))

    def received(self, completion: Completion, came: bytes) -> Received:
        """`came` is the packet as it came from the wire (of packet offload that tells no more what number it had)."""
        packet, told = completion.frame[ETHERNET:], completion.metadata
        if not told & layouts.METADATA_MARKER:
            return Received(packet, None)
        handle, syndrome = told & layouts.METADATA_HANDLE, told >> layouts.METADATA_SYNDROME & 0x3F
        entry = self._entries[handle]
        low = int.from_bytes(_esp_of(came)[4:8], "big")
        return Received(
            packet,
            handle,
            right=syndrome != Syndrome.AUTHENTICATION_FAILED,
            high=high_half(entry.half, low) if entry.sa.esn else None,
            next_header=completion.next_header,
            syndrome=Syndrome(syndrome),
        )


def _begin(sa: OffloadedSa, number: int) -> int:
    """Where the window begins whose highest number that is; outbound, the number."""
    return max(number - max(sa.window, 1) + 1, 0)


def _context(entry: _Entry) -> bytes:
    sa, told, limits = entry.sa, entry.told, entry.limits
    counter = 0 if limits is None else limits.counter(told.packets or 0)
    soft = None if limits is None else limits.threshold(counter)
    return layouts.CONTEXT.encode(
        valid=1,
        mode=INCREMENT_NUMBER if sa.direction == "out" else REPLAY_PROTECTION,
        window_sz=WINDOWS.get(sa.window, 0),
        soft_lft_arm=soft is not None,
        hard_lft_arm=limits is not None,
        remove_flow_enable=limits is not None,
        esn_event_arm=sa.esn,
        remove_flow_pkt_cnt=counter,
        remove_flow_soft_lft=soft or 0,
        mode_parameter=told.number & 0xFFFFFFFF,
        replay_protection_window=told.received,
    )


def _esp_of(packet: bytes) -> bytes:
    return packet[ip.IPV6_HEADER_SIZE if packet[0] >> 4 == 6 else ip.IPV4_HEADER_SIZE :]
