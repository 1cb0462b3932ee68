"""The device: objects made by commands, steering rules, and what is done to frames.

    command          keys and SAs are made, changed, asked for and destroyed; they are known by number
    steer, unsteer   a rule sends what it matches to an SA: outbound by the metadata of the descriptor, inbound by
                     destination and SPI. What no rule matches passes as it is
    transmit         a frame with its descriptor: trailer appended, encrypted, ICV appended, on the wire
    arrive           a frame from the wire: decrypted in place, or as it came; metadata says which
    events           numbers of SAs of which there is something to know (OBJECT_CHANGE), with packet offload alone

Without packet offload it has no windows, counts nothing and keeps no numbers: two of one number are nothing special. An SA
that is at its end (`full`) sends nothing, and takes nothing that comes: that passes as it is. The cryptography is its own
(GCM), not `transforms`, which is the reference's. Frames are Ethernet frames without CRC.
"""

from collections.abc import Callable
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from espproof.reference import ip
from espproof.reference.errors import Malformed
from espproof.reference.offload.connectx import layouts, rules
from espproof.reference.offload.connectx.esn import HalfWindow, high_half
from espproof.reference.offload.connectx.full import INCREMENT_NUMBER, WINDOWS, Context, Verdict
from espproof.reference.offload.connectx.layouts import Opcode, Status, Syndrome, Type
from espproof.reference.offload.rules import Breaches

ETHERNET = 14
ESP = 50
HEADER, IV, ICV = 8, 8, 16
"""Octets of SPI and number, and of the two others."""
TRAILER = 2
_NEXT_HEADER = {4: 4, 6: 41}
ETHERTYPE = {4: b"\x08\x00", 6: b"\x86\xdd"}
_OF_CONTEXT = layouts.SELECT_CONTEXT | layouts.SELECT_ARM | layouts.SELECT_LIMITS
LARGEST = 9978
"""Octets of the longest IP packet: assumed (MTU of the Linux driver)."""


@dataclass(frozen=True, slots=True)
class Personality:
    """What differs from part to part. `removes_trailer`: trailer and ICV of what was received are cut off, the next header
    comes in the completion (talk). `room` SAs, in both directions together: NUM_IPSEC_FTE of mlx5."""

    name: str
    removes_trailer: bool = False
    room: int = 1 << 15


CONNECTX6 = Personality("ConnectX-6 Dx")
INNOVA = Personality("Innova", removes_trailer=True)


@dataclass(frozen=True, slots=True)
class Descriptor:
    """What a driver says of a frame: `metadata` for the steering rules, `trailer` to append before encryption."""

    metadata: int = 0
    trailer: bytes = b""


@dataclass(frozen=True, slots=True)
class Completion:
    """A received frame. `metadata` is 0 if no rule matched; `next_header` is there when the trailer was removed."""

    frame: bytes
    metadata: int = 0
    next_header: int | None = None


@dataclass(slots=True)
class IpsecObject:
    """An SA in the device."""

    key: int
    """The number of the key."""
    salt: bytes
    implicit_iv: int
    esn: bool
    half: HalfWindow
    context: Context | None = None
    """With packet offload: numbers and window."""


@dataclass(frozen=True, slots=True)
class OutRule:
    """What the descriptor's metadata must be, and the SA. With packet offload the SPI too, of the header that is added
    (mlx5: a reformat of ESP in transport mode), and of a tunnel the IP header that stands in front, whose length is
    filled in, and over IPv4 the identification (mlx5: a reformat from L2 to an ESP tunnel)."""

    metadata: int
    object: int
    spi: int = 0
    header: bytes = b""


@dataclass(frozen=True, slots=True)
class InRule:
    """Destination (4 or 16 octets) and SPI of ESP behind a plain IP header, the SA, and the handle that the completion
    tells. Of a `tunnel` with packet offload the IP header must be without ECN, and goes with ESP."""

    destination: bytes
    spi: int
    object: int
    handle: int
    tunnel: bool = False


class ConnectX:
    """One port. `wire` takes the frames that leave."""

    def __init__(self, wire: Callable[[bytes], None], personality: Personality = CONNECTX6) -> None:
        self.personality = personality
        self.breaches = Breaches()
        self.link = True
        self.fault = ""
        """What becomes of the next event: "lost", "doubled", or nothing special."""
        self._wire = wire
        self.reset()

    def reset(self) -> None:
        """Nothing that was made by a command is left."""
        self.keys: dict[int, bytes] = {}
        self.objects: dict[int, IpsecObject] = {}
        self.rules: dict[int, OutRule | InRule] = {}
        self._next = 1
        self._events: list[int] = []

    def events(self) -> list[int]:
        """Those that nobody has asked for yet, in their order."""
        told, self._events = self._events, []
        return told

    def _tell(self, number: int) -> None:
        self._events += [number] * {"lost": 0, "doubled": 2}.get(self.fault, 1)
        self.fault = ""

    # ---------------------------------------------------------------------------------------------------------- commands

    def command(self, octets: bytes) -> bytes:
        """The answer: header, and for a query the object."""
        header, body = layouts.COMMAND.decode(octets), octets[layouts.COMMAND.size :]
        opcode, kind, number = header["opcode"], header["obj_type"], header["obj_id"]
        if kind == Type.KEY and opcode == Opcode.CREATE:
            return self._made(self.keys, self._key(layouts.KEY.decode(body)))
        if kind == Type.IPSEC and opcode == Opcode.CREATE:
            return self._made(self.objects, self._object(layouts.IPSEC.decode(body), body[layouts.IPSEC.size :]))
        if kind == Type.KEY and opcode == Opcode.DESTROY:
            return self._key_destroyed(number)
        if kind == Type.IPSEC and number not in self.objects:
            return _answer(Status.BAD_RESOURCE)
        if kind == Type.IPSEC and opcode == Opcode.DESTROY:
            if any(rule.object == number for rule in self.rules.values()):
                self.breaches.note(rules.RULES_FIRST, f"SA {number} still has a rule")
                return _answer(Status.BAD_STATE)
            del self.objects[number]
            return _answer()
        if kind == Type.IPSEC and opcode == Opcode.QUERY:
            return _answer(number=number) + self._queried(self.objects[number])
        if kind == Type.IPSEC and opcode == Opcode.MODIFY:
            return self._modified(
                self.objects[number], layouts.IPSEC.decode(body), layouts.CONTEXT.decode(body[layouts.IPSEC.size :])
            )
        return _answer(Status.BAD_OPERATION)

    def _made(self, table: dict[int, bytes] | dict[int, IpsecObject], made: bytes | IpsecObject | Status) -> bytes:
        if isinstance(made, Status):
            return _answer(made)
        number, self._next = self._next, self._next + 1
        table[number] = made  # type: ignore[assignment]  # each table gets what was made for it
        return _answer(number=number)

    def _key(self, asked: dict[str, int]) -> bytes | Status:
        sizes = {code: octets for octets, code in layouts.KEY_SIZES.items()}
        if asked["key_size"] not in sizes or asked["key_purpose"] != layouts.PURPOSE_IPSEC:
            return Status.BAD_PARAMETER
        return asked["key"].to_bytes(32, "big")[-sizes[asked["key_size"]] :]

    def _key_destroyed(self, number: int) -> bytes:
        if number not in self.keys:
            return _answer(Status.BAD_RESOURCE)
        if any(one.key == number for one in self.objects.values()):
            self.breaches.note(rules.KEY_LAST, f"key {number} belongs to an SA")
            return _answer(Status.BAD_STATE)
        del self.keys[number]
        return _answer()

    def _object(self, asked: dict[str, int], context: bytes) -> IpsecObject | Status:
        if asked["dekn"] not in self.keys or asked["icv_length"]:
            return Status.BAD_PARAMETER
        if len(self.objects) >= self.personality.room:
            return Status.EXCEEDED
        return IpsecObject(
            key=asked["dekn"],
            salt=asked["salt"].to_bytes(4, "big"),
            implicit_iv=asked["implicit_iv"],
            esn=bool(asked["esn_en"]),
            half=HalfWindow(asked["esn_msb"], bool(asked["esn_overlap"])),
            context=_context(layouts.CONTEXT.decode(context)) if asked["full_offload"] else None,
        )

    def _queried(self, one: IpsecObject) -> bytes:
        return layouts.IPSEC.encode(
            modify_field_select=layouts.SELECT_OVERLAP | layouts.SELECT_MSB,
            esn_en=one.esn,
            esn_overlap=one.half.overlap,
            esn_msb=one.half.msb,
            dekn=one.key,
            salt=int.from_bytes(one.salt, "big"),
            implicit_iv=one.implicit_iv,
            full_offload=one.context is not None,
        ) + (b"" if one.context is None else _told(one.context))

    def _modified(self, one: IpsecObject, asked: dict[str, int], context: dict[str, int]) -> bytes:
        selected = asked["modify_field_select"]
        if one.context is not None:
            _set(one.context, selected, context)
        if (selected & ~_OF_CONTEXT) not in (0, layouts.SELECT_OVERLAP | layouts.SELECT_MSB) or not selected:
            self.breaches.note(rules.SELECTED, f"modify_field_select is {selected:#x}")
        one.half = HalfWindow(
            asked["esn_msb"] if selected & layouts.SELECT_MSB else one.half.msb,
            bool(asked["esn_overlap"]) if selected & layouts.SELECT_OVERLAP else one.half.overlap,
        )
        return _answer()

    def steer(self, rule: OutRule | InRule) -> int:
        """The number of the rule, which stands behind those that are there; 0 if there is no such SA."""
        if rule.object not in self.objects:
            return 0
        number, self._next = self._next, self._next + 1
        self.rules[number] = rule
        return number

    def unsteer(self, number: int) -> None:
        """The rule of that number is gone."""
        self.rules.pop(number, None)

    # ------------------------------------------------------------------------------------------------------------- frames

    def transmit(self, frame: bytes, descriptor: Descriptor) -> None:
        """What leaves is lost without a link."""
        leaves: bytes | None = frame
        if descriptor.metadata & layouts.METADATA_MARKER:
            leaves = self._encrypted(frame, descriptor)
        if self.link and leaves is not None:
            self._wire(leaves)

    def _encrypted(self, frame: bytes, descriptor: Descriptor) -> bytes | None:
        found = next(
            (one for one in self.rules.values() if isinstance(one, OutRule) and one.metadata == descriptor.metadata),
            None,
        )
        if found is None:
            self.breaches.note(rules.KNOWN, f"metadata {descriptor.metadata:#x}")
            return frame
        if self.objects[found.object].context is not None:
            return self._wrapped(frame, found)
        parsed = _esp_of(frame)
        if parsed is None:
            self.breaches.note(rules.PLAIN_HEADER, frame[ETHERNET : ETHERNET + 40].hex())
            return frame
        start, end = parsed
        header, iv = frame[start : start + HEADER], frame[start + HEADER : start + HEADER + IV]
        plaintext = frame[start + HEADER + IV : end] + descriptor.trailer
        if len(descriptor.trailer) < TRAILER or len(plaintext) % 4:
            self.breaches.note(rules.TRAILER, f"{len(plaintext)} octets with a trailer of {len(descriptor.trailer)}")
        if iv[4:] != header[4:]:
            self.breaches.note(rules.NUMBER_IN_IV, f"{iv.hex()} of the packet with {header[4:].hex()}")
        one = self.objects[found.object]
        sent_iv = (int.from_bytes(iv, "big") ^ one.implicit_iv).to_bytes(IV, "big")
        covered = header[:4] + (iv[:4] if one.esn else b"") + header[4:]
        sealed = AESGCM(self.keys[one.key]).encrypt(one.salt + sent_iv, plaintext, covered)
        return _with_length(frame[:start] + header + sent_iv + sealed)

    def _wrapped(self, frame: bytes, rule: OutRule) -> bytes | None:
        """A packet becomes ESP in transport mode, or in a tunnel; nothing, of an SA at its end."""
        one = self.objects[rule.object]
        place = _plain(frame)
        if place is None or one.context is None:
            self.breaches.note(rules.PLAIN_HEADER, frame[ETHERNET : ETHERNET + 40].hex())
            return frame
        if one.context.is_over:
            return None
        start, protocol_at = place
        before = one.context.half(one.half)
        low = one.context.next()
        self._has_passed(rule.object, before)
        high = high_half(one.half, low) if one.esn else 0
        iv = ((high << 32 | low) ^ one.implicit_iv).to_bytes(IV, "big")
        header = rule.spi.to_bytes(4, "big") + low.to_bytes(4, "big")
        payload = frame[ETHERNET:] if rule.header else frame[start:]
        next_header = _NEXT_HEADER[frame[ETHERNET] >> 4] if rule.header else frame[protocol_at]
        padding = -(len(payload) + TRAILER) % 4
        plaintext = payload + bytes(range(1, padding + 1)) + bytes((padding, next_header))
        covered = header[:4] + (high.to_bytes(4, "big") if one.esn else b"") + header[4:]
        sealed = AESGCM(self.keys[one.key]).encrypt(one.salt + iv, plaintext, covered)
        front = frame[:protocol_at] + bytes((ESP,)) + frame[protocol_at + 1 : start]
        if rule.header:
            front = frame[: ETHERNET - 2] + ETHERTYPE[rule.header[0] >> 4] + _numbered(rule.header, low)
        return _with_length(front + header + iv + sealed)

    def arrive(self, frame: bytes) -> list[Completion]:
        """What comes of a frame from the wire: nothing without a link."""
        return [self._received(frame)] if self.link else []

    def _received(self, frame: bytes) -> Completion:
        parsed = _esp_of(frame)
        found = parsed and self._rule_for(frame, parsed[0])
        if not parsed or not found:
            return Completion(frame)
        start, end = parsed
        one = self.objects[found.object]
        if one.context is not None and (one.context.is_over or not _is_sound(frame)):
            return Completion(frame)  # assumed of what is no sound packet: the parser does not match it
        body = frame[start + HEADER + IV : end]
        if len(body) < TRAILER + ICV or len(body) % 4:
            return Completion(frame)  # assumed: no length that ESP has, so not matched
        header, iv = frame[start : start + HEADER], frame[start + HEADER : start + HEADER + IV]
        low = int.from_bytes(header[4:], "big")
        if one.context is not None and one.context.check(one.half, low, esn=one.esn) is Verdict.REPLAYED:
            return Completion(frame, layouts.metadata(found.handle, Syndrome.REPLAYED))
        whole = high_half(one.half, low) << 32 | low if one.context is None else one.context.whole(one.half, low)
        high = whole.to_bytes(8, "big")[:4]
        covered = header[:4] + (high if one.esn else b"") + header[4:]
        try:
            plaintext = AESGCM(self.keys[one.key]).decrypt(one.salt + iv, body, covered)
        except InvalidTag:
            return Completion(frame, layouts.metadata(found.handle, Syndrome.AUTHENTICATION_FAILED))
        if one.context is not None:
            before = one.context.half(one.half)
            one.context.record(one.half, low, esn=one.esn)
            self._has_entered(found.object, before)
        opened = frame[: start + HEADER + IV] + plaintext
        padding, next_header = plaintext[-TRAILER:]
        if padding + TRAILER > len(plaintext) or (one.context is not None and not _is_default(plaintext, padding)):
            return Completion(opened + frame[end - ICV :], layouts.metadata(found.handle, Syndrome.BAD_TRAILER))
        if one.context is not None:
            self._is_counted(found.object)
            if found.tunnel:
                inside = plaintext[: -TRAILER - padding]
                ethertype = ETHERTYPE.get(inside[0] >> 4 if inside else 0, frame[ETHERNET - 2 : ETHERNET])
                return Completion(
                    frame[: ETHERNET - 2] + ethertype + inside, layouts.metadata(found.handle), next_header
                )
            at = ETHERNET + (9 if frame[ETHERNET] >> 4 == 4 else 6)
            taken_out = frame[:at] + bytes((next_header,)) + frame[at + 1 : start] + plaintext[: -TRAILER - padding]
            return Completion(_with_length(taken_out), layouts.metadata(found.handle), next_header)
        if self.personality.removes_trailer:
            opened = _with_length(opened[: len(opened) - TRAILER - padding])
            return Completion(opened, layouts.metadata(found.handle), next_header)
        return Completion(opened + frame[end - ICV :], layouts.metadata(found.handle))

    def _has_passed(self, number: int, before: int) -> None:
        self._has_entered(number, before)
        self._is_counted(number)

    def _has_entered(self, number: int, before: int) -> None:
        one = self.objects[number]
        if one.esn and one.context and one.context.half(one.half) != before and one.context.entered():
            self._tell(number)

    def _is_counted(self, number: int) -> None:
        context = self.objects[number].context
        if context and context.passed():
            self._tell(number)

    def _rule_for(self, frame: bytes, start: int) -> InRule | None:
        spi = int.from_bytes(frame[start : start + 4], "big")
        destination = frame[start - 4 : start] if frame[ETHERNET] >> 4 == 4 else frame[start - 16 : start]
        wanted = (
            one
            for one in self.rules.values()
            if isinstance(one, InRule) and (one.spi, one.destination) == (spi, destination)
            if not (one.tunnel and _ecn_of(frame[ETHERNET:]))
        )
        return next(wanted, None)


def _answer(status: Status = Status.OK, number: int = 0) -> bytes:
    return layouts.ANSWER.encode(status=status, obj_id=number)


def _esp_of(frame: bytes) -> tuple[int, int] | None:
    """Where ESP begins and the packet ends, behind an IP header without options or extension headers; no fragments."""
    packet = frame[ETHERNET:]
    if len(packet) >= ip.IPV4_HEADER_SIZE and packet[0] == 0x45 and packet[9] == ESP:
        if int.from_bytes(packet[6:8], "big") & 0x3FFF:
            return None
        start, end = ip.IPV4_HEADER_SIZE, int.from_bytes(packet[2:4], "big")
    elif len(packet) >= ip.IPV6_HEADER_SIZE and packet[0] >> 4 == 6 and packet[6] == ESP:
        start, end = ip.IPV6_HEADER_SIZE, ip.IPV6_HEADER_SIZE + int.from_bytes(packet[4:6], "big")
    else:
        return None
    if not start + HEADER + IV <= end <= len(packet):
        return None
    return ETHERNET + start, ETHERNET + end


def _with_length(frame: bytes) -> bytes:
    return frame[:ETHERNET] + ip.with_length(frame[ETHERNET:])


def _numbered(header: bytes, number: int) -> bytes:
    """With an identification, over IPv4: assumed to be the number's low 16 bits."""
    return header if header[0] >> 4 == 6 else header[:4] + number.to_bytes(4, "big")[2:] + header[6:]


def _ecn_of(packet: bytes) -> int:
    return packet[1] >> (4 if packet[0] >> 4 == 6 else 0) & 3


def _plain(frame: bytes) -> tuple[int, int] | None:
    """Where the payload begins behind an IP header without options or extension headers, and where that names it."""
    packet = frame[ETHERNET:]
    if len(packet) >= ip.IPV4_HEADER_SIZE and packet[0] == 0x45:
        return ETHERNET + ip.IPV4_HEADER_SIZE, ETHERNET + 9
    if len(packet) >= ip.IPV6_HEADER_SIZE and packet[0] >> 4 == 6 and packet[6] not in ip.EXTENSION_HEADERS:
        return ETHERNET + ip.IPV6_HEADER_SIZE, ETHERNET + 6
    return None


def _context(asked: dict[str, int]) -> Context:
    sizes = {code: size for size, code in WINDOWS.items()}
    window = 0 if asked["mode"] == INCREMENT_NUMBER else sizes[asked["window_sz"]]
    made = Context(asked["mode"], 0, window)
    _set(made, _OF_CONTEXT, asked)
    return made


def _set(context: Context, selected: int, asked: dict[str, int]) -> None:
    """Of a context what is selected."""
    if selected & layouts.SELECT_CONTEXT:
        context.number, context.received = asked["mode_parameter"], asked["replay_protection_window"]
    if selected & layouts.SELECT_ARM:
        context.esn_armed = bool(asked["esn_event_arm"])
    if selected & layouts.SELECT_LIMITS:
        context.limited = bool(asked["remove_flow_enable"])
        context.left, context.soft = asked["remove_flow_pkt_cnt"], asked["remove_flow_soft_lft"]
        context.soft_armed, context.hard_armed = bool(asked["soft_lft_arm"]), bool(asked["hard_lft_arm"])


def _told(context: Context) -> bytes:
    return layouts.CONTEXT.encode(
        valid=1,
        mode=context.mode,
        window_sz=WINDOWS.get(context.window, 0),
        soft_lft_arm=context.soft_armed,
        hard_lft_arm=context.hard_armed,
        remove_flow_enable=context.limited,
        esn_event_arm=context.esn_armed,
        remove_flow_pkt_cnt=context.left,
        remove_flow_soft_lft=context.soft,
        mode_parameter=context.number,
        replay_protection_window=context.received,
    )


def _is_sound(frame: bytes) -> bool:
    """Whether the IP packet is one, whose own length is right."""
    try:
        return bool(ip.parse(frame[ETHERNET:]).total_length)
    except Malformed:
        return False


def _is_default(plaintext: bytes, padding: int) -> bool:
    """Whether the padding is 1, 2, 3 … (assumed of packet offload, whose trailer nobody sees afterwards)."""
    end = len(plaintext) - TRAILER
    return plaintext[end - padding : end] == bytes(range(1, padding + 1))
