"""A Scenario: the verbs in which checks are written, which leave a Case behind.

The suite plays the network and the peer: it owns the keys, seals what it likes (right, forged, malformed under a valid
ICV) with the reference's codec, and writes down steps. Nothing is executed here. Every `receive…` and `send…` says which
requirement the step puts to the test; a step that differs from the reference is held against that requirement.

A scenario that needs a capability which is not declared raises `Inapplicable`, before or after drawing.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, TypeVar

import msgspec
from hypothesis import strategies as st

from espproof.adapters.capabilities import Capabilities
from espproof.adapters.case import (
    VERSION,
    AddSa,
    AdvanceTime,
    Case,
    DeleteSa,
    Inbound,
    InboundBurst,
    Octets,
    Outbound,
    OutboundBurst,
    ReadState,
    Sa,
    SequenceNumber,
    Step,
    UdpEncapsulation,
)
from espproof.adapters.reference import ReferenceAdapter
from espproof.conformance.strategies import packets, values
from espproof.conformance.strategies.options import Options, OptionSpace
from espproof.reference import endpoint
from espproof.reference.algorithms import ENCRYPTION, INTEGRITY
from espproof.reference.drops import DropReason
from espproof.reference.sa import SaState

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
        self.entry = endpoint.Entry(_REFERENCE.parameters(sa), SaState())

    @property
    def codec(self) -> endpoint.Codec:
        return self.entry.codec

    def protect(self, packet: bytes, sequence: int, **options: Any) -> bytes:
        """A right packet of that (whole) number."""
        return _fits(endpoint.encapsulate(self.entry, packet, sequence, **options))

    def seal(self, packet: bytes, plaintext: bytes, sequence: int) -> bytes:
        """A packet with a right ICV around any plaintext; `packet` only gives the headers."""
        return self.wrap(packet, self.codec.seal(plaintext, sequence, self.entry.iv_source(sequence)))

    def wrap(self, packet: bytes, esp: bytes) -> bytes:
        """The headers of `packet` in front of any octets instead of ESP."""
        return _fits(endpoint.wrap(self.entry, packet, esp))


_REFERENCE = ReferenceAdapter()


def _fits(packet: bytes | DropReason) -> bytes:
    assert isinstance(packet, bytes), "a scenario draws only what fits"
    return packet


class Scenario:
    """SAs and steps in the making."""

    def __init__(self, draw: Callable[[st.SearchStrategy[Any]], Any], target: Target) -> None:
        self._draw = draw
        self.caps = target.caps
        self._space = target.space
        self._sas: list[Sa] = []
        self._steps: list[Step] = []
        self._peers: dict[str, Peer] = {}

    def draw(self, strategy: st.SearchStrategy[T]) -> T:
        return self._draw(strategy)  # type: ignore[no-any-return]

    def choose(self, values: Sequence[T]) -> T:
        """One of these, the simplest first."""
        return values[0] if len(values) == 1 else self.draw(st.sampled_from(values))

    def need(self, what: str, there: object) -> None:
        """Declare the check inapplicable unless the capability is there."""
        if not there:
            raise Inapplicable(what)

    def case(self) -> Case:
        return Case(version=VERSION, sas=tuple(self._sas), steps=tuple(self._steps))

    # ------------------------------------------------------------------------------------------------------- SAs

    def inbound_sa(self, *, sequence: int | None = 0, add: bool = True, **fixed: Any) -> Sa:
        """An SA that receives. `sequence` None draws the start; `fixed` are option values or fields of `Sa`."""
        self.need("direction in", "in" in self.caps.directions)
        return self._sa("in", sequence, add, fixed)

    def outbound_sa(self, *, sequence: int | None = 0, add: bool = True, **fixed: Any) -> Sa:
        """An SA that sends."""
        self.need("direction out", "out" in self.caps.directions)
        return self._sa("out", sequence, add, fixed)

    def _sa(self, direction: str, sequence: int | None, add: bool, fixed: dict[str, Any]) -> Sa:
        fields = {name: fixed.pop(name) for name in list(fixed) if name in _FIELDS}
        rows = self._space.select(**fixed)
        self.need("an SA with " + ", ".join(f"{name}={value}" for name, value in fixed.items()), rows)
        row = self.choose(rows)
        if sequence is None:
            sequence = self.draw(values.starting_sequences(esn=row.esn)) if self.caps.set_sequence else 0
        sa = self._build(direction, row, sequence)
        if fields:
            sa = msgspec.structs.replace(sa, **fields)
        lacking = self.caps.lacks(sa)
        if lacking:
            raise Inapplicable(lacking)
        if add:
            self._sas.append(sa)
        return sa

    def _build(self, direction: str, row: Options, sequence: int) -> Sa:
        material = self.draw(values.MATERIAL)
        index = len(self._sas) + len(self._steps)
        outer = 6 if row.family.endswith("6") else 4
        near, far = packets.GATEWAYS[outer][index % 2]
        salt_size = ENCRYPTION[row.encr].salt_size
        return Sa(
            name=f"sa{index}",
            direction="in" if direction == "in" else "out",
            spi=(values.SPI_BASE[material % len(values.SPI_BASE)] + index) & 0xFFFFFFFF,
            mode="tunnel" if row.mode == "tunnel" else "transport",
            source=far if direction == "in" else near,
            destination=near if direction == "in" else far,
            encr=row.encr,
            encr_key=Octets(values.octets(material, "encr", row.key_size if row.encr != "ENCR_NULL" else 0)),
            salt=Octets(values.octets(material, "salt", salt_size)),
            auth=row.auth,
            auth_key=Octets(values.octets(material, "auth", INTEGRITY[row.auth].key_size)),
            esn=row.esn,
            sequence=SequenceNumber(sequence),
            replay_window=row.replay_window if direction == "in" else 0,
            udp=UdpEncapsulation(source_port=4500, destination_port=4500) if row.udp else None,
            dscp="copy" if row.dscp == "copy" else 0x2B,
            ecn="compatibility" if row.ecn == "compatibility" else "normal",
            df=row.df,  # type: ignore[arg-type]  # an Options row holds plain strings
        )

    def peer(self, sa: Sa) -> Peer:
        """Who sends to this inbound SA."""
        if sa.name not in self._peers:
            self._peers[sa.name] = Peer(sa)
        return self._peers[sa.name]

    # ---------------------------------------------------------------------------------------------------- packets

    def versions(self, sa: Sa) -> tuple[int, ...]:
        """IP versions of the packets that this SA may carry."""
        outer = ip_address(sa.destination).version
        if sa.mode == "transport":
            return (outer,)
        return tuple(int(family[0]) for family in self.caps.families if int(family[3]) == outer)

    def packet(self, sa: Sa, **fixed: Any) -> bytes:
        """An IP packet for this SA, plain and valid; see `packets.Recipe` for what can be fixed."""
        version = fixed.pop("version", None) or self.choose(self.versions(sa))
        limit = self.caps.max_packet - 40 - 128
        recipe = packets.recipe(self.draw, version, limit, fixed)
        if sa.mode == "transport":
            return packets.build(recipe, ip_address(sa.source).packed, ip_address(sa.destination).packed)
        return packets.build(recipe, *packets.hosts(version, sa.direction))

    # ---------------------------------------------------------------------------------------------------- inbound

    def receive(self, sa: Sa, sequence: int, about: str, packet: bytes | None = None, **options: Any) -> bytes:
        """A right packet of that whole number arrives. Returns it, so that it can be replayed."""
        protected = self.peer(sa).protect(packet or self.small(sa), sequence, **options)
        self.arrives(protected, about)
        return protected

    def small(self, sa: Sa) -> bytes:
        """A short plain packet that costs no draw."""
        version = self.versions(sa)[0]
        recipe = packets.Recipe(version=version, length=16)
        if sa.mode == "transport":
            return packets.build(recipe, ip_address(sa.source).packed, ip_address(sa.destination).packed)
        return packets.build(recipe, *packets.hosts(version, sa.direction))

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
        self._steps.append(Outbound(sa=sa.name, packet=Octets(packet), requirement=about, **options))
        return packet

    def send_burst(self, sa: Sa, burst: Iterable[bytes], about: str) -> None:
        self._steps.append(OutboundBurst(sa=sa.name, packets=tuple(map(Octets, burst)), requirement=about))

    # ----------------------------------------------------------------------------------------------------- control

    def add(self, sa: Sa, about: str) -> None:
        self.need("delete_sa", self.caps.delete_sa)
        self._steps.append(AddSa(sa=sa, requirement=about))

    def delete(self, sa: Sa, about: str) -> None:
        self.need("delete_sa", self.caps.delete_sa)
        self._steps.append(DeleteSa(sa=sa.name, requirement=about))

    def read(self, sa: Sa, about: str, *fields: str) -> None:
        """Read the SA's state back; judged are the fields that are declared."""
        if all(field in self.caps.read_state for field in fields):
            self._steps.append(ReadState(sa=sa.name, requirement=about))

    def wait(self, seconds: int, about: str) -> None:
        self.need("lifetime seconds", "seconds" in self.caps.lifetimes)
        self._steps.append(AdvanceTime(seconds=seconds, requirement=about))


_FIELDS = {field.name for field in msgspec.structs.fields(Sa)} - set(Options.__dataclass_fields__)
