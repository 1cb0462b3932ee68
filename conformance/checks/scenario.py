"""A Scenario: the verbs in which checks are written, which leave a Case behind.

The suite plays the network and the peer: it owns the keys, seals what it likes (right, forged, malformed under a valid
ICV) with the reference's codec, and writes down steps. Nothing is executed here. Every `receive…` and `send…` says which
requirement the step puts to the test; a step that differs from the reference is held against that requirement.

A scenario that needs a capability which is not declared raises `Inapplicable`, before or after drawing.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, TypeVar

import msgspec
from hypothesis import strategies as st

from espproof.adapters.capabilities import FIXED_DSCP, Capabilities, DeviceCapabilities, Direction
from espproof.adapters.case import (
    AddSa,
    AdvanceTime,
    Case,
    DeleteSa,
    DeviceEvent,
    DeviceHappening,
    Host,
    Inbound,
    InboundBurst,
    Octets,
    Outbound,
    OutboundBurst,
    ReadAudit,
    ReadDevice,
    ReadState,
    Sa,
    Selector,
    SequenceNumber,
    Step,
    UdpEncapsulation,
)
from espproof.adapters.translate import entry
from espproof.conformance.strategies import packets, sas, values, wire
from espproof.conformance.strategies.options import Options, OptionSpace
from espproof.reference import endpoint, ip, transport, tunnel, udp_encapsulation
from espproof.reference.algorithms import ENCRYPTION
from espproof.reference.drops import DropReason
from espproof.reference.esp import MOST_ADDED, Codec, trailer
from espproof.reference.transforms import mac

T = TypeVar("T")
Draw = Callable[[st.SearchStrategy[T]], T]


class Inapplicable(Exception):
    """The check needs a capability that is not declared; carries its name."""


@dataclass(frozen=True, slots=True)
class Target:
    """The implementation under test, as far as strategies need to know it."""

    name: str
    caps: Capabilities
    space: OptionSpace


class Peer:
    """The other end of one inbound SA: makes the packets that the implementation receives."""

    def __init__(self, sa: Sa) -> None:
        self.sa = sa
        self.entry = entry(sa)

    @property
    def codec(self) -> Codec:
        return self.entry.codec

    def esp_length(self, packet: bytes) -> int:
        """Octets of the ESP packet at the end of an IP packet that this peer has made."""
        parsed = ip.parse(packet)
        return len(parsed.payload) - (udp_encapsulation.HEADER_SIZE if self.sa.udp is not None else 0)

    def protect(self, packet: bytes, sequence: int, **options: Any) -> bytes:
        """A right packet of that (whole) number."""
        return _fits(endpoint.encapsulate(self.entry, packet, sequence, **options))

    def seal(self, packet: bytes, plaintext: bytes, sequence: int) -> bytes:
        """A packet with a right ICV around any plaintext; `packet` only gives the headers."""
        return self.wrap(packet, self.codec.seal(plaintext, sequence, self.entry.iv_source(sequence)))

    def wrap(self, packet: bytes, esp: bytes) -> bytes:
        """The headers of `packet` in front of any octets instead of ESP."""
        return _fits(endpoint.wrap(self.entry, packet, esp))

    def seal_cut(self, packet: bytes, plaintext: bytes, sequence: int, cut: int) -> bytes:
        """A right plaintext and one more block, which lacks its last octets, under a right ICV (separate ciphers only)."""
        codec = self.codec
        whole = codec.seal(plaintext + bytes(codec.alignment), sequence, self.entry.iv_source(sequence))
        left = whole[: len(whole) - codec.icv_size - cut]
        high = (sequence >> 32).to_bytes(4, "big") if codec.esn else b""
        return self.wrap(packet, left + mac(self.sa.auth, bytes(self.sa.auth_key))(left + high))

    def seal_split(self, split: transport.Split, plaintext: bytes, sequence: int) -> bytes:
        """Transport mode with ESP at a place of the sender's choice."""
        esp = self.codec.seal(plaintext, sequence, self.entry.iv_source(sequence))
        protocol = endpoint.PROTOCOL_ESP
        if self.sa.udp is not None:
            protocol = endpoint.PROTOCOL_UDP
            addresses = (split.front[8:24], split.front[24:40]) if split.front[0] >> 4 == 6 else None
            esp = udp_encapsulation.wrap(self.sa.udp.source_port, self.sa.udp.destination_port, esp, addresses)
        return _fits(transport.join(split.front, split.patch_at, protocol, esp))

    def datagram(self, payload: bytes, *, destination_port: int | None = None) -> bytes:
        """Anything in UDP, between the SA's addresses and (if not said otherwise) its ports."""
        ports = self.sa.udp or UdpEncapsulation()
        to = ports.destination_port if destination_port is None else destination_port
        source, destination = (ip_address(text).packed for text in (self.sa.source, self.sa.destination))
        udp = udp_encapsulation.wrap(
            ports.source_port, to, payload, (source, destination) if len(source) == 16 else None
        )
        if len(source) == 4:
            return ip.build_ipv4(source, destination, endpoint.PROTOCOL_UDP, udp)
        return ip.build_ipv6(source, destination, endpoint.PROTOCOL_UDP, udp)


class TooBig(Exception):
    """A packet does not fit the length fields once it is protected; a scenario draws only what fits."""


def _fits(packet: bytes | DropReason) -> bytes:
    if not isinstance(packet, bytes):
        raise TooBig(packet.value)
    return packet


NUMBER_ZERO = "number 0 on a fresh SA with anti-replay"


class Scenario:
    """SAs and steps in the making."""

    def __init__(self, draw: Callable[[st.SearchStrategy[Any]], Any], target: Target) -> None:
        self._draw = draw
        self.caps = target.caps
        self._space = target.space
        self._sas: list[Sa] = []
        self._steps: list[Step] = []
        self._peers: dict[str, Peer] = {}
        self.host: Host | None = None
        """Of a case about a host."""

    def draw(self, strategy: st.SearchStrategy[T]) -> T:
        return self._draw(strategy)  # type: ignore[no-any-return]

    def choose(self, values: Sequence[T]) -> T:
        """One of these, the simplest first. `Inapplicable` if there are none: nothing that is declared will do."""
        self.need("an SA whose options can stand together", values)
        return values[0] if len(values) == 1 else self.draw(st.sampled_from(values))

    def need(self, what: str, there: object) -> None:
        """Declare the check inapplicable unless the capability is there."""
        if not there:
            raise Inapplicable(what)

    def case(self) -> Case:
        return Case(version=1, host=self.host, sas=tuple(self._sas), steps=tuple(self._steps))

    # ------------------------------------------------------------------------------------------------------- SAs

    def inbound_sa(self, *, sequence: int | None = 0, add: bool = True, **fixed: Any) -> Sa:
        """An SA that receives. `sequence` None draws the start; `fixed` are option values or fields of `Sa`."""
        self.need("direction in", "in" in self.caps.directions)
        return self._sa("in", sequence, add, fixed)

    def windowed_sa(self, *, sequence: int | None = None, **fixed: Any) -> Sa:
        """An SA that receives with anti-replay on."""
        sizes = tuple(size for size in self._space.domains["replay_window"] if size)
        self.need("anti-replay", sizes)
        return self.inbound_sa(sequence=sequence, replay_window=fixed.pop("replay_window", sizes), **fixed)

    def certain_sa(self, *, sequence: int | None = None, **fixed: Any) -> Sa:
        """An SA that receives, and of whose late packets it is certain what they are: with anti-replay on, or 32-bit
        numbers. Without a window the high half of a packet that comes late is anybody's guess."""
        if self.caps.replay_windows is None:
            return self.inbound_sa(sequence=sequence, esn=False, **fixed)
        return self.windowed_sa(sequence=sequence, **fixed)

    def outbound_sa(self, *, sequence: int | None = 0, add: bool = True, **fixed: Any) -> Sa:
        """An SA that sends."""
        self.need("direction out", "out" in self.caps.directions)
        return self._sa("out", sequence, add, fixed)

    def _sa(self, direction: Direction, sequence: int | None, add: bool, fixed: dict[str, Any]) -> Sa:
        fields = {name: fixed.pop(name) for name in list(fixed) if name in _FIELDS}
        rows = self._space.select(**fixed)
        self.need("an SA with " + ", ".join(_worded(name, value) for name, value in fixed.items()), rows)
        row = self.choose(rows)
        if sequence is None:
            sequence = self.draw(values.starting_sequences(esn=row.esn)) if self.caps.set_sequence else 0
        sa = self._build(direction, row, sequence or self.caps.start_of(direction))
        if fields:
            sa = msgspec.structs.replace(sa, **fields)
        lacking = self.caps.lacks(sa)
        if lacking:
            raise Inapplicable(lacking)
        if add:
            self._sas.append(sa)
        return sa

    def _build(self, direction: Direction, row: Options, sequence: int) -> Sa:
        lookup = "spi" if "spi" in self.caps.lookup else self.caps.lookup[0]
        material = self.draw(values.MATERIAL)
        index = len(self._sas) + len(self._steps)
        outer = 6 if row.family.endswith("6") else 4
        return Sa(
            name=f"sa{index}",
            direction=direction,
            spi=(values.SPI_BASE[material % len(values.SPI_BASE)] + index) & 0xFFFFFFFF,
            mode="tunnel" if row.mode == "tunnel" else "transport",
            **sas.ends(outer, direction, index),
            encr=row.encr,
            auth=row.auth,
            **sas.secrets(material + (index << 16), row.encr, row.key_size if row.encr != "ENCR_NULL" else 0, row.auth),
            esn=row.esn,
            sequence=SequenceNumber(sequence),
            replay_window=row.replay_window if direction == "in" else row.replay_window or 64,
            udp=UdpEncapsulation(source_port=4500, destination_port=4500) if row.udp else None,
            dscp="copy" if row.dscp == "copy" else FIXED_DSCP,
            ecn="compatibility" if row.ecn == "compatibility" else "normal",
            lookup=lookup if direction == "in" else "spi",
            df=row.df,  # type: ignore[arg-type]  # an Options row holds plain strings
        )

    def with_fields(self, sa: Sa, **fields: Any) -> Sa:
        """Put an SA that was made with `add=False` into the case, with some fields changed."""
        changed = msgspec.structs.replace(sa, **fields)
        lacking = self.caps.lacks(changed)
        if lacking:
            raise Inapplicable(lacking)
        self._sas.append(changed)
        return changed

    def peer(self, sa: Sa) -> Peer:
        """Who sends to this inbound SA."""
        if sa.name not in self._peers:
            self._peers[sa.name] = Peer(sa)
        return self._peers[sa.name]

    @staticmethod
    def last_number(sa: Sa) -> int:
        """The highest sequence number that the SA can use."""
        return 2**64 - 1 if sa.esn else 2**32 - 1

    @staticmethod
    def changed(sa: Sa, **fields: Any) -> Sa:
        """The same SA with some fields changed. Octets become `Octets`: plain `bytes` would be base64 in JSON."""
        octets = {name: Octets(value) for name, value in fields.items() if isinstance(value, bytes)}
        return msgspec.structs.replace(sa, **{**fields, **octets})

    @staticmethod
    def fresh_keys(sa: Sa, index: int) -> dict[str, Octets]:
        """Other keys and salt of the same sizes."""
        return {
            name: Octets(values.octets(index + 70_000, name, len(getattr(sa, name))))
            for name in ("encr_key", "salt", "auth_key")
        }

    @staticmethod
    def outer_version(sa: Sa) -> int:
        return ip_address(sa.destination).version

    def other_gateways(self, sa: Sa) -> tuple[str, str]:
        """Two addresses that are not the SA's, of its version."""
        near, far = packets.GATEWAYS[self.outer_version(sa)][1]
        return near, far

    @staticmethod
    def other_end(sa: Sa) -> str:
        """Another address of the side that receives the SA's packets: ours where it is inbound."""
        place = 0 if sa.direction == "in" else 1
        pairs = packets.GATEWAYS[ip_address(sa.destination).version]
        return next(pair[place] for pair in pairs if pair[place] != sa.destination)

    def stranger_address(self, sa: Sa) -> str:
        """An address that belongs to nobody, of the SA's outer version."""
        return "192.0.2.99" if self.outer_version(sa) == 4 else "2001:db8:1::99"

    def can(self, direction: str) -> bool:
        return direction in self.caps.directions

    def windows(self) -> tuple[int, ...]:
        """Window sizes that are tried, 0 for none."""
        return tuple(self._space.domains["replay_window"])

    def rows(self) -> tuple[Options, ...]:
        """The covering array of SA options."""
        return self._space.rows

    @staticmethod
    def peer_of(sa: Sa, **fields: Any) -> Peer:
        """A peer that believes in an SA with other parameters."""
        return Peer(msgspec.structs.replace(sa, **fields))

    @staticmethod
    def iv_size(sa: Sa) -> int:
        return ENCRYPTION[sa.encr].iv_size

    # ---------------------------------------------------------------------------------------------------- packets

    def ttls(self) -> st.SearchStrategy[int]:
        """TTLs and hop limits of plain packets; 1 only where nobody forwards, as a router discards it."""
        return st.sampled_from((64, 2, 255) if self.caps.forwards else (64, 1, 2, 255))

    def payload(self, sa: Sa, length: int = 16) -> tuple[bytes, int]:
        """What a short packet's ESP payload is on this SA, and its next header; `length` is that of the upper layer."""
        packet = self._build_packet(sa, packets.Recipe(version=self.versions(sa)[0], length=length))
        if sa.mode == "tunnel":
            return packet, tunnel.NEXT_HEADER[packet[0] >> 4]
        split = transport.legal_splits(packet)[0]
        return split.payload, split.next_header

    def plaintext(self, sa: Sa) -> bytes:
        """What a short packet's ESP plaintext is on this SA, trailer included."""
        payload, next_header = self.payload(sa)
        padding = self.peer(sa).codec.padding_length(len(payload))
        return payload + trailer(padding, next_header)

    def versions(self, sa: Sa) -> tuple[int, ...]:
        """IP versions of the packets that this SA may carry."""
        outer = ip_address(sa.destination).version
        if sa.mode == "transport":
            return (outer,)
        return tuple(int(family[0]) for family in self.caps.families if int(family[3]) == outer)

    @property
    def longest(self) -> int:
        """Octets behind its header of the longest packet that may be sent, protected or not, whatever the SA adds."""
        return self.caps.max_packet - ip.IPV6_HEADER_SIZE - MOST_ADDED

    def packet(self, sa: Sa, **fixed: Any) -> bytes:
        """An IP packet for this SA, plain and valid; see `packets.Recipe` for what can be fixed."""
        version = fixed.pop("version", None) or self.choose(self.versions(sa))
        recipe = packets.recipe(self.draw, version, self.longest, fixed)
        return self._build_packet(sa, recipe)

    # ---------------------------------------------------------------------------------------------------- inbound

    def receive(
        self, sa: Sa, sequence: int, about: str, packet: bytes | None = None, *, behaviour: str = "", **options: Any
    ) -> bytes:
        """A right packet of that whole number arrives. Returns it, so that it can be replayed. Options: iv, tfc.

        Whether anti-replay takes number 0 is open (`reference.replay`), so that is recorded."""
        if not sequence and sa.replay_window:
            behaviour = behaviour or NUMBER_ZERO
        protected = self.peer(sa).protect(packet or self.small(sa), sequence, **options)
        self.arrives(protected, about, behaviour=behaviour)
        return protected

    def receive_plaintext(self, sa: Sa, sequence: int, plaintext: bytes, about: str, *, behaviour: str = "") -> None:
        """Any plaintext, trailer included, arrives under a right ICV."""
        self.arrives(self.peer(sa).seal(self.small(sa), plaintext, sequence), about, behaviour=behaviour)

    def receive_forged(self, sa: Sa, sequence: int, about: str) -> None:
        """A packet of that number arrives whose ICV is wrong in one bit."""
        self.arrives(self.forge(self.peer(sa).protect(self.small(sa), sequence), sa), about)

    def forge(self, packet: bytes, sa: Sa) -> bytes:
        """The packet with one bit of its ICV wrong; first, last or a middle octet."""
        size = self.peer(sa).codec.icv_size
        at = len(packet) - self.choose((1, size, size // 2))
        return packet[:at] + bytes([packet[at] ^ 0x10]) + packet[at + 1 :]

    def small(self, sa: Sa) -> bytes:
        """A short plain packet that costs no draw."""
        return self._build_packet(sa, packets.Recipe(version=self.versions(sa)[0], length=16))

    def plain(self, sa: Sa, protocol: int) -> bytes:
        """A short packet of some upper-layer protocol."""
        return self._build_packet(sa, packets.Recipe(version=self.versions(sa)[0], length=24, protocol=protocol))

    def with_content(self, sa: Sa, version: int, protocol: int, content: bytes) -> bytes:
        """A packet with these octets behind its IP header."""
        return self._build_packet(sa, packets.Recipe(version=version, protocol=protocol, content=content))

    @staticmethod
    def ends_inside(sa: Sa, version: int) -> tuple[bytes, bytes]:
        """Source and destination of the packets that the SA carries, in network order."""
        if sa.mode == "transport":
            return ip_address(sa.source).packed, ip_address(sa.destination).packed
        return packets.hosts(version, sa.direction)

    def of_length(self, sa: Sa, length: int, version: int | None = None) -> bytes:
        """A plain packet with so many octets behind its header, which costs no draw."""
        return self._build_packet(sa, packets.Recipe(version=version or self.versions(sa)[0], length=length))

    def protected_size(self, sa: Sa, length: int) -> int:
        """Octets of the packet that protection with the least padding makes of `of_length`."""
        return len(self.peer(sa).protect(self.of_length(sa, length), 1))

    def most(self, sa: Sa) -> int:
        """The greatest `length` of `of_length` whose protected packet is no larger than what is declared."""
        least, most = self.longest, self.caps.max_packet - ip.IPV4_HEADER_SIZE
        while least < most:
            middle = (least + most + 1) // 2
            try:
                fits = self.protected_size(sa, middle) <= self.caps.max_packet
            except TooBig:
                fits = False
            least, most = (middle, most) if fits else (least, middle - 1)
        return least

    def _build_packet(self, sa: Sa, recipe: packets.Recipe) -> bytes:
        return packets.build(recipe, *self.ends_inside(sa, recipe.version))

    @staticmethod
    def between_gateways(sa: Sa, recipe: packets.Recipe) -> bytes:
        """A packet between the SA's own addresses."""
        return packets.build(recipe, ip_address(sa.source).packed, ip_address(sa.destination).packed)

    def long_life(self) -> int:
        """How many packets a long life has: more than 8 bits count where a case is to be short, and than 16 otherwise."""
        return self.draw(st.sampled_from((300, *[70_000] * 9)))

    @staticmethod
    def batches(total: int) -> Iterator[range]:
        """The numbers 1 to `total` in portions that a real queue takes."""
        for first in range(1, total + 1, 50):
            yield range(first, min(first + 50, total + 1))

    def other_traffic(self, sa: Sa) -> bytes:
        """A packet between the SA's ends that is not ESP."""
        recipe = packets.Recipe(version=self.outer_version(sa), protocol=packets.EXPERIMENTAL, length=40)
        return self.between_gateways(sa, recipe)

    def stranger(self, sa: Sa) -> bytes:
        """An ESP packet with an SPI that no SA has."""
        packet = self.peer(sa).protect(self.small(sa), 1)
        return wire.spi(packet, self.peer(sa).esp_length(packet), sa.spi ^ 0x5A5A0000)

    @staticmethod
    def selector(packet: ip.Packet, *, fits: bool) -> Selector:
        """A selector that the packet fits, or just does not."""
        source = bytes(packet.source if fits else packet.source[:-1] + bytes([packet.source[-1] ^ 0x40]))
        return Selector(source=f"{ip_address(source)}/{8 * len(source) - 4}", protocol=packet.protocol)

    def arrives(self, packet: bytes, about: str, *, behaviour: str = "") -> None:
        """Any octets arrive as an IP packet. `behaviour` names a choice that the documents leave open: not judged."""
        self._steps.append(Inbound(packet=Octets(packet), requirement=about, behaviour=behaviour))

    def burst_arrives(self, burst: Iterable[bytes], about: str) -> None:
        """Several packets at once; each must fare as if it had come alone."""
        self._steps.append(InboundBurst(packets=tuple(map(Octets, burst)), requirement=about))

    # --------------------------------------------------------------------------------------------------- outbound

    def send(self, sa: Sa, about: str, packet: bytes | None = None, **options: Any) -> bytes:
        """The implementation protects a packet, which is returned. Options: iv, tfc, dummy."""
        packet = packet or self.small(sa)
        if options.get("iv") is not None:
            options["iv"] = Octets(options["iv"])
        self._steps.append(Outbound(sa=sa.name, packet=Octets(packet), requirement=about, **options))
        return packet

    def hand_over(self, sa: Sa, octets: bytes, about: str, *, behaviour: str) -> None:
        """Anything instead of an IP packet is to be protected; what becomes of it is recorded."""
        self._steps.append(Outbound(sa=sa.name, packet=Octets(octets), requirement=about, behaviour=behaviour))

    def send_burst(self, sa: Sa, burst: Iterable[bytes], about: str) -> None:
        self._steps.append(OutboundBurst(sa=sa.name, packets=tuple(map(Octets, burst)), requirement=about))

    # ----------------------------------------------------------------------------------------------------- control

    def step(self, step: Step) -> None:
        """Any step."""
        self._steps.append(step)

    def add(self, sa: Sa, about: str, *, behaviour: str = "") -> None:
        """An SA is added now, as the first one or (capability `delete_sa`) while others are there."""
        self.need("delete_sa", self.caps.delete_sa or not self._sas)
        self._steps.append(AddSa(sa=sa, requirement=about, behaviour=behaviour))

    def join(self, sa: Sa, about: str) -> Sa:
        """An SA that must find room beside those that are there: added by a step, where that can be while others are."""
        if self.caps.delete_sa:
            self.add(sa, about)
            return sa
        return self.with_fields(sa)

    def delete(self, sa: Sa, about: str) -> None:
        self.need("delete_sa", self.caps.delete_sa)
        self._steps.append(DeleteSa(sa=sa.name, requirement=about))

    def read(self, sa: Sa, about: str, *fields: str) -> None:
        """Read the SA's state back; judged are the fields that are declared."""
        if all(field in self.caps.read_state for field in fields):
            self._steps.append(ReadState(sa=sa.name, requirement=about))

    def read_audit(self, about: str) -> None:
        """Read the audit log; judged are the fields that are declared."""
        self.need("audit", self.caps.audit)
        self._steps.append(ReadAudit(requirement=about))

    @property
    def device(self) -> DeviceCapabilities:
        """The device below ESP. `Inapplicable` where there is none."""
        if self.caps.device is None:
            raise Inapplicable("device")
        return self.caps.device

    def read_device(self, about: str) -> None:
        """Read what the device has; judged by what it is declared to take, and by all that was before."""
        self.need("device", self.caps.device)
        self._steps.append(ReadDevice(requirement=about))

    def befalls(self, event: DeviceHappening, about: str) -> None:
        """Something befalls the device."""
        self.need(f"device {event}", event in self.device.events)
        self._steps.append(DeviceEvent(event=event, requirement=about))

    def wait(self, seconds: int, about: str) -> None:
        self.need("lifetime seconds", "seconds" in self.caps.lifetimes)
        self._steps.append(AdvanceTime(seconds=seconds, requirement=about))


_FIELDS = {field.name for field in msgspec.structs.fields(Sa)} - set(Options.__dataclass_fields__)


def _worded(name: str, value: object) -> str:
    """An option as people say it: `mode transport`, `family 4in6 or 6in6`, `esn`, `no udp`."""
    if isinstance(value, bool):
        return name if value else f"no {name}"
    return f"{name} {' or '.join(map(str, value)) if isinstance(value, tuple) else value}"
