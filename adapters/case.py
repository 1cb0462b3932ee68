"""The Case: what the suite and an implementation say to each other, as data.

A Case is SAs with their starting state, then steps, and where known the outcome expected of each step. Vectors,
counterexamples, regressions and fuzz findings are all Cases, in one JSON format (`schema` makes its JSON Schema from the
types below). Octets are lower-case hexadecimal; 64-bit sequence numbers are strings of 16 hexadecimal digits, because a
JSON number loses precision beyond 2^53 in many languages.

A file is read or refused, with one line that says where it departs from the format; there is one way to write a value,
so that readers in other languages cannot disagree about it (no spaces or capitals in hexadecimal, no name twice). What a
well-formed file asks for may still be nonsense (an address that is none, an SA that nobody added): that is for the
implementation to refuse, with `Refused`.

Nothing here executes anything: `adapters.base` walks the steps, `conformance.oracle.judge` compares outcomes.
"""

import json
import re
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, cast

import msgspec

from espproof.reference.errors import Misuse
from espproof.reference.xfrm.buffers import MOST_PIECES

FORMAT = "espproof-case"
VERSION = 1
MAX_FILE = 64 << 20
"""Octets of the largest case file that is read; a 64 KiB packet is 128 KiB of JSON, so this is some 500 packets."""


class Octets(bytes):
    """Octets in wire order; hexadecimal text in JSON."""

    __slots__ = ()


class SequenceNumber(int):
    """A sequence number, 0 to 2^64 - 1; 16 hexadecimal digits (most significant first) in JSON."""

    __slots__ = ()


Spi = Annotated[int, msgspec.Meta(ge=0, le=2**32 - 1)]
Port = Annotated[int, msgspec.Meta(ge=0, le=2**16 - 1)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
Count = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
Address = Annotated[str, msgspec.Meta(pattern=r"^[0-9A-Fa-f:.]{2,45}$(?!\n)")]
"""IPv4 dotted or IPv6, without a zone (`%eth0`), which would be of one machine."""
Prefix = Annotated[str, msgspec.Meta(pattern=r"^[0-9A-Fa-f:.]{2,45}(/[0-9]{1,3})?$(?!\n)")]
"""CIDR notation; a bare address is a prefix of its whole length, bits behind the length are ignored."""


_NO_OCTETS = cast(Octets, b"")  # plain values: msgspec writes defaults into the schema without our hooks
_ZERO = cast(SequenceNumber, 0)


class _Data(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Immutable, compared by value, closed: an unknown field in a file is an error, not a silence."""


class UdpEncapsulation(_Data, frozen=True, kw_only=True):
    """RFC 3948: ESP inside UDP between these two ports."""

    source_port: Port = 4500
    destination_port: Port = 4500


class Lifetime(_Data, frozen=True, kw_only=True):
    """RFC 4301 4.4.2.1. A soft limit asks for a new SA, a hard one ends this one; `None` means no limit. Seconds count
    since the SA was added; those of use, which SAs in a host have, since its first packet passed (RFC 2367 2.3.2)."""

    soft_packets: Count | None = None
    hard_packets: Count | None = None
    soft_octets: Count | None = None
    hard_octets: Count | None = None
    soft_seconds: Count | None = None
    hard_seconds: Count | None = None
    soft_use_seconds: Count | None = None
    hard_use_seconds: Count | None = None


class Selector(_Data, frozen=True, kw_only=True):
    """Inner traffic the SA is for (RFC 4301 4.4.1.1): two prefixes in CIDR notation and a protocol, `None` for any."""

    source: Prefix | None = None
    destination: Prefix | None = None
    protocol: Annotated[int, msgspec.Meta(ge=0, le=255)] | None = None


Word = Annotated[int, msgspec.Meta(ge=0, le=2**32 - 1)]
HostDirection = Literal["in", "out", "forward"]
Side = Literal["wire", "plain", "local"]
"""Of a host: the network, from which anything can come; what is to be protected; the host itself."""


class Mark(_Data, frozen=True, kw_only=True):
    """Numbers whose bits under `mask` are those of `value`."""

    value: Word
    mask: Word = 2**32 - 1


Mtu = Annotated[int, msgspec.Meta(ge=68, le=65535)]


class Mtus(_Data, frozen=True, kw_only=True):
    """Octets of the largest IP packet on each side of a host; `None` for any."""

    wire: Mtu | None = None
    plain: Mtu | None = None


class Host(_Data, frozen=True, kw_only=True):
    """The host around ESP: its own addresses, those of hosts that it reaches over the wire (all others are on its plain
    side), the directions in which packets that no policy is for are discarded, and whether a key manager is there, whose
    events `read_events` reads.

    `mtus` say how long packets may be; `fragments` where IPv4 packets are cut up that are too long and may be: the ESP
    packet ("outside"), or what is in it ("inside", RFC 4301 8.2.1).
    """

    addresses: tuple[Address, ...]
    wire: tuple[Address, ...] = ()
    blocked: tuple[HostDirection, ...] = ()
    key_manager: bool = False
    mtus: Mtus = Mtus()
    fragments: Literal["outside", "inside"] = "outside"


class PortRange(_Data, frozen=True, kw_only=True):
    """From the first to the last, both among them."""

    first: Port
    last: Port


class TrafficSelector(_Data, frozen=True, kw_only=True):
    """Traffic of one IP version that a policy is for (RFC 4301 4.4.1.1); `None` for any.

    Of ICMP, `source_ports` are types and `destination_ports` codes.
    """

    version: Literal[4, 6]
    source: Prefix | None = None
    destination: Prefix | None = None
    protocol: Annotated[int, msgspec.Meta(ge=0, le=255)] | None = None
    source_ports: PortRange | None = None
    destination_ports: PortRange | None = None


class Template(_Data, frozen=True, kw_only=True):
    """An SA that a policy asks for. `source` and `destination` are a tunnel's ends. SPI 0 is any; `optional`: where there
    is none, the packet goes on without. No SA of a case is of AH or IPComp."""

    mode: Literal["transport", "tunnel"]
    source: Address | None = None
    destination: Address | None = None
    spi: Spi = 0
    reqid: Word = 0
    optional: bool = False
    protocol: Literal["esp", "ah", "comp"] = "esp"


class PolicyLifetime(_Data, frozen=True, kw_only=True):
    """Seconds since a policy was added: at a soft limit the key manager is told, at a hard one the policy ends too."""

    soft_seconds: Count | None = None
    hard_seconds: Count | None = None


class Policy(_Data, frozen=True, kw_only=True):
    """One entry of the SPD: traffic, and what is to become of it. The lowest `priority` comes first, then the oldest.

    To allow with templates is to PROTECT (the first template for the innermost SA), without to BYPASS; to block is to
    DISCARD. With `icmp_errors` it is also for ICMP errors about the traffic that comes back: those that quote a packet
    which, turned round, it is for, where no policy is for the error itself (RFC 4301 6.2).
    """

    name: Name
    direction: HostDirection
    selector: TrafficSelector
    action: Literal["allow", "block"] = "allow"
    priority: Word = 0
    mark: Mark | None = None
    if_id: Word = 0
    templates: tuple[Template, ...] = ()
    lifetime: PolicyLifetime = PolicyLifetime()
    icmp_errors: bool = False


class Sa(_Data, frozen=True, kw_only=True):
    """One SA, unidirectional (RFC 4301 4.1), with the state it starts in.

    `sequence` is, outbound, the number of the last packet sent (0: none yet); inbound, the highest number that was
    authenticated (0: none yet). `received_offsets` tells which numbers below it were received too: n stands for
    `sequence` - n; the number itself (offset 0) is always taken as received when `sequence` is not 0.
    `replay_window` 0 turns anti-replay off. `lookup` says what, besides the SPI, an inbound packet must match.
    `resync_limit` not 0 turns on RFC 4303 Appendix A3: after `resync_trigger` consecutive packets that fail
    authentication, a packet is tried with up to that many later high halves. `reqid`, `mark` and `if_id` tie it to the
    policies of a host.
    """

    name: Name
    direction: Literal["in", "out"]
    spi: Spi
    mode: Literal["transport", "tunnel"]
    source: Address
    destination: Address
    encr: str
    encr_key: Octets = _NO_OCTETS
    salt: Octets = _NO_OCTETS
    auth: str = "NONE"
    auth_key: Octets = _NO_OCTETS
    esn: bool = False
    sequence: SequenceNumber = _ZERO
    replay_window: Annotated[int, msgspec.Meta(ge=0, le=2**31)] = 64
    received_offsets: tuple[Count, ...] = ()
    udp: UdpEncapsulation | None = None
    dscp: Literal["copy"] | Annotated[int, msgspec.Meta(ge=0, le=63)] = "copy"
    ecn: Literal["normal", "compatibility"] = "normal"
    df: Literal["copy", "set", "clear"] = "copy"
    hop_limit: Annotated[int, msgspec.Meta(ge=1, le=255)] = 64
    lookup: Literal["spi", "spi+destination", "spi+destination+source"] = "spi"
    lifetime: Lifetime = Lifetime()
    selectors: tuple[Selector, ...] = ()
    resync_trigger: Annotated[int, msgspec.Meta(ge=1, le=2**20)] = 16
    resync_limit: Annotated[int, msgspec.Meta(ge=0, le=2**20)] = 0
    reqid: Word = 0
    mark: Mark | None = None
    if_id: Word = 0


# ---------------------------------------------------------------------------------------------------------- outcomes


class _Outcome(_Data, tag_field="result", frozen=True, kw_only=True):
    pass


class Done(_Outcome, tag="done", frozen=True, kw_only=True):
    """A control step was carried out."""


class Sent(_Outcome, tag="sent", frozen=True, kw_only=True):
    """Outbound: the whole IP packet that would leave (outer header, UDP header where encapsulated, ESP)."""

    packet: Octets


class Delivered(_Outcome, tag="delivered", frozen=True, kw_only=True):
    """Inbound: the IP packet that comes out of IPsec; `sa` is the SA that processed it, where known."""

    packet: Octets
    sa: str | None = None


class Dropped(_Outcome, tag="dropped", frozen=True, kw_only=True):
    """The packet was discarded; `reason` is a value of `reference.drops.DropReason`, "unspecified" if not told."""

    reason: str = "unspecified"


class Passed(_Outcome, tag="passed", frozen=True, kw_only=True):
    """Inbound: the packet is not for ESP: "ike" (non-ESP marker, RFC 3948 2.2) or "bypass" (any other traffic).

    `octets`, where they are told: of "ike" the message behind the marker, of "bypass" the IP packet that goes on.
    """

    to: Literal["ike", "bypass"]
    octets: Octets | None = None


class State(_Outcome, tag="state", frozen=True, kw_only=True):
    """What an SA counts. `None` where the implementation does not tell.

    `early` is, outbound, what it has sent of its own accord (probes of the path) before anybody could give it a packet:
    whole IP packets as in `Sent`, in their order.
    """

    sequence: SequenceNumber | None = None
    received_offsets: tuple[Count, ...] | None = None
    packets: Count | None = None
    octets: Count | None = None
    lifetime: Literal["ok", "soft", "hard"] | None = None
    early: tuple[Octets, ...] | None = None


class Refused(_Outcome, tag="refused", frozen=True, kw_only=True):
    """A step was refused as not allowed: an SA with SPI 0 or addresses that are none, a name in use, an SA that does
    not exist, an outbound packet for an inbound SA or with an IV of a wrong size. Nothing was changed or sent."""

    reason: str = ""


class Unsupported(_Outcome, tag="unsupported", frozen=True, kw_only=True):
    """The implementation cannot do this step at all; `what` names the missing capability."""

    what: str


class Burst(_Outcome, tag="burst", frozen=True, kw_only=True):
    """One outcome per packet of a burst, in order."""

    results: tuple["Sent | Delivered | Dropped | Passed", ...]


AuditField = Literal["spi", "source", "destination", "sequence", "flow"]


class AuditRecord(_Data, frozen=True, kw_only=True):
    """One event of the audit log (RFC 4303 4), named by its drop reason; `None` where a field is not told.

    The addresses are those of the outer header, or of the SA that cannot send; `sequence` are the 32 bits of the packet;
    `flow` is the flow label of an outer IPv6 header.
    """

    event: Literal["no-sa", "replay", "integrity", "sequence-overflow"]
    spi: Spi | None = None
    source: Address | None = None
    destination: Address | None = None
    sequence: Annotated[int, msgspec.Meta(ge=0, le=2**32 - 1)] | None = None
    flow: Annotated[int, msgspec.Meta(ge=0, le=2**20 - 1)] | None = None


class Audit(_Outcome, tag="audit", frozen=True, kw_only=True):
    """The records that were written since the log was last read, in their order."""

    records: tuple[AuditRecord, ...]


class EmergedPacket(_Data, frozen=True, kw_only=True):
    """A whole IP packet that leaves a host at a side, or has reached it ("local").

    `through` are the names of its SAs where they are told: of those that it was protected with, the innermost first; of
    those that it came out of, the outermost first.
    """

    side: Side
    packet: Octets
    through: tuple[Name, ...] = ()
    segment: Annotated[int, msgspec.Meta(ge=0, le=2**16 - 1)] = 0
    """Of a super-packet, which packets that arrived together were merged into: octets of payload of each, but the last."""


class Emerged(_Outcome, tag="emerged", frozen=True, kw_only=True):
    """What came of a packet that entered a host, in order; nothing if it was discarded.

    `seen`, of a packet whose memory is shared: what its other owner sees in it afterwards.
    """

    packets: tuple[EmergedPacket, ...]
    seen: Octets | None = None


class Counters(_Outcome, tag="counters", frozen=True, kw_only=True):
    """How many packets a host has discarded since the case began, by reason, as `/proc/net/xfrm_stat` names them;
    reasons that were not met are left out."""

    values: dict[str, Count]


class Event(_Data, frozen=True, kw_only=True):
    """What a key manager was told; `None` where it was not.

    "acquire": a packet of that `flow` (its addresses, protocol and ports) under that policy wants an SA between two ends.
    "soft" and "hard": a limit of the SA, or of the policy, was reached; without either, a request for an SA has run out.
    """

    kind: Literal["acquire", "soft", "hard"]
    sa: Name | None = None
    policy: Name | None = None
    source: Address | None = None
    destination: Address | None = None
    flow: TrafficSelector | None = None


class Events(_Outcome, tag="events", frozen=True, kw_only=True):
    """What the key manager was told since its events were last read, in order."""

    events: tuple[Event, ...]


Outcome = (
    Done
    | Sent
    | Delivered
    | Dropped
    | Passed
    | State
    | Audit
    | Emerged
    | Counters
    | Events
    | Refused
    | Unsupported
    | Burst
)

# ------------------------------------------------------------------------------------------------------------- steps


class _Step(_Data, tag_field="op", frozen=True, kw_only=True):
    """`requirement` is the id that this step puts to the test; `expect` the outcome, where it is known.

    `behaviour` names a choice that the documents leave open: the outcome is recorded, not judged.
    """

    requirement: str | None = None
    behaviour: str = ""
    expect: Outcome | None = None
    note: str = ""


class AddSa(_Step, tag="add_sa", frozen=True, kw_only=True):
    sa: Sa


class DeleteSa(_Step, tag="delete_sa", frozen=True, kw_only=True):
    sa: Name


class Outbound(_Step, tag="outbound", frozen=True, kw_only=True):
    """Protect `packet` (a whole IP packet) with SA `sa`.

    `iv` fixes the explicit IV (capability `set_iv`); `tfc` asks for that many octets of TFC padding (tunnel mode,
    capability `tfc`); `dummy` asks for a dummy packet (RFC 4303 2.6), whose plaintext is `packet`'s octets.
    """

    sa: Name
    packet: Octets
    iv: Octets | None = None
    tfc: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 0
    dummy: bool = False


class OutboundBurst(_Step, tag="outbound_burst", frozen=True, kw_only=True):
    """The same as one `outbound` per packet, handed over at once."""

    sa: Name
    packets: tuple[Octets, ...]


class Inbound(_Step, tag="inbound", frozen=True, kw_only=True):
    """A whole IP packet arrives from the network; the implementation finds the SA itself."""

    packet: Octets


class InboundBurst(_Step, tag="inbound_burst", frozen=True, kw_only=True):
    """The same as one `inbound` per packet, handed over at once."""

    packets: tuple[Octets, ...]


class ReadState(_Step, tag="read_state", frozen=True, kw_only=True):
    sa: Name


class ReadAudit(_Step, tag="read_audit", frozen=True, kw_only=True):
    """Read the audit log, as far as it is new."""


class AddPolicy(_Step, tag="add_policy", frozen=True, kw_only=True):
    """With `replace`, in the place of the policy for the same direction, selector, mark and `if_id`, if there is one."""

    policy: Policy
    replace: bool = False


class DeletePolicy(_Step, tag="delete_policy", frozen=True, kw_only=True):
    policy: Name


class Layout(_Data, frozen=True, kw_only=True):
    """Of what the buffer of a packet is made: pieces of memory of these sizes in octets, the last with the rest, and
    `room` octets behind that (`None`: as it comes). `shared`: somebody else has the same memory, and must not see it
    change."""

    pieces: Annotated[
        tuple[Annotated[int, msgspec.Meta(ge=1, le=2**16 - 1)], ...], msgspec.Meta(max_length=MOST_PIECES - 1)
    ] = ()
    room: Annotated[int, msgspec.Meta(ge=0, le=2**16 - 1)] | None = None
    shared: bool = False


class Enter(_Step, tag="enter", frozen=True, kw_only=True):
    """A whole IP packet enters the host at a side; `mark` is the one that it has there. "local": the host sends it.

    With `segment` it is a super-packet (TCP or UDP): it stands for packets with so many octets of payload each, the last
    with the rest, and these emerge. `way` is one of those in which an implementation says that packets enter there,
    "" the usual one; it and `layout` say where the octets lie, and nothing about what is to become of them.
    """

    side: Side
    packet: Octets
    mark: Word = 0
    segment: Annotated[int, msgspec.Meta(ge=0, le=2**16 - 1)] = 0
    way: Annotated[str, msgspec.Meta(max_length=64)] = ""
    layout: Layout | None = None


class Entering(_Data, frozen=True, kw_only=True):
    """One packet of a burst, as in `Enter`."""

    side: Side
    packet: Octets
    mark: Word = 0
    segment: Annotated[int, msgspec.Meta(ge=0, le=2**16 - 1)] = 0


class EnterBurst(_Step, tag="enter_burst", frozen=True, kw_only=True):
    """Packets enter the host together, before anything is waited for; what emerges because of them all, in any order.

    `completions` and `room` (capability `asynchronous`) are about a cipher that finishes later: what happens, in order,
    behind the arrival of the last. A number is the place of a packet (from 0): of what the cipher has of it, the oldest
    is done. A name is that of an SA: it is deleted. What is left then is done in its order. `room` is how many packets
    the cipher takes before one is done, 0 for any number.
    """

    packets: tuple[Entering, ...]
    completions: tuple[Count | Name, ...] = ()
    room: Count = 0


class ReadCounters(_Step, tag="read_counters", frozen=True, kw_only=True):
    """Read how many packets the host has discarded, by reason."""


class ReadEvents(_Step, tag="read_events", frozen=True, kw_only=True):
    """Read what the key manager of the host has been told, as far as it is new."""


class UpdateSa(_Step, tag="update_sa", frozen=True, kw_only=True):
    """Give the SA of that name its new lifetime, or make the SA for which an SPI is reserved (RFC 2367 3.1.2)."""

    sa: Sa


class ReserveSpi(_Step, tag="reserve_spi", frozen=True, kw_only=True):
    """Keep an SPI for an SA to come (RFC 2367 3.1.1): that SA as far as it is known, without its keys."""

    sa: Sa


class FlushSas(_Step, tag="flush_sas", frozen=True, kw_only=True):
    """Remove all SAs, and what is reserved or asked for."""


class FlushPolicies(_Step, tag="flush_policies", frozen=True, kw_only=True):
    """Remove all policies."""


class AdvanceTime(_Step, tag="advance_time", frozen=True, kw_only=True):
    """Time passes without traffic."""

    seconds: Count


Step = (
    AddSa
    | DeleteSa
    | Outbound
    | OutboundBurst
    | Inbound
    | InboundBurst
    | ReadState
    | ReadAudit
    | AdvanceTime
    | AddPolicy
    | DeletePolicy
    | Enter
    | EnterBurst
    | ReadCounters
    | ReadEvents
    | UpdateSa
    | ReserveSpi
    | FlushSas
    | FlushPolicies
)


class Case(_Data, tag_field="format", tag=FORMAT, frozen=True, kw_only=True):
    """A host where there is one, SAs, then steps.

    `id` is stable; `flags` say what kind of mistake the case catches; `source` where it is from.
    """

    version: Literal[1]
    id: str = ""
    title: str = ""
    requirements: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    source: str = ""
    confirmed_by: tuple[str, ...] = ()
    host: Host | None = None
    sas: tuple[Sa, ...] = ()
    steps: tuple[Step, ...] = ()

    def every_sa(self) -> tuple[Sa, ...]:
        """The SAs that the case begins with and those that its steps add or reserve, in that order, each once."""
        added = (step.sa for step in self.steps if isinstance(step, AddSa | ReserveSpi))
        return tuple(dict.fromkeys((*self.sas, *added)))


class CaseFile(_Data, tag_field="format", tag=FORMAT + "s", frozen=True, kw_only=True):
    """Several Cases in one file: a set of vectors."""

    version: Literal[1]
    title: str = ""
    source: str = ""
    flags: dict[str, str] = {}
    cases: tuple[Case, ...] = ()


# -------------------------------------------------------------------------------------------------------------- JSON


def _encode(value: Any) -> str:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, SequenceNumber):
        return f"{value:016x}"
    raise NotImplementedError(type(value).__name__)  # pragma: no cover: all types are closed


def _decode(kind: type, value: Any) -> Any:
    if kind is Octets and isinstance(value, str):
        octets = Octets(bytes.fromhex(value))
        if octets.hex() == value:
            return octets
        raise ValueError("octets are lower-case hexadecimal digits and nothing else")
    if kind is SequenceNumber and isinstance(value, str):
        if _SIXTEEN_DIGITS.fullmatch(value):
            return SequenceNumber(int(value, 16))
        raise ValueError(f"a sequence number has 16 lower-case hexadecimal digits, not {value!r:.40}")
    raise ValueError(f"{kind.__name__} must be hexadecimal text, not {value!r:.40}")


_SIXTEEN_DIGITS = re.compile("[0-9a-f]{16}")


def to_json(value: Any, *, indent: int = 0) -> bytes:
    """The JSON text of a Case, step or outcome; `indent` 0 gives one line."""
    text = _ENCODER.encode(value)
    return msgspec.json.format(text, indent=indent) if indent else text


_ENCODER = msgspec.json.Encoder(enc_hook=_encode)
_Kind = TypeVar("_Kind")


def from_json(text: bytes | str, kind: type[_Kind]) -> _Kind:
    """Read one value of that type; `Misuse` says where the text departs from the format, and nothing else is raised."""
    try:
        return msgspec.json.decode(text, type=kind, dec_hook=_decode)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise Misuse(f"not {_title(kind)}: {error}") from error


def _title(kind: Any) -> str:
    return f"a {kind.__name__}" if isinstance(kind, type) else "an espproof case"


def to_plain(value: Any) -> Any:
    """The same as JSON values (dicts, lists, strings), for embedding in a larger document."""
    return msgspec.to_builtins(value, enc_hook=_encode)


def from_plain(value: Any, kind: type[_Kind]) -> _Kind:
    """The inverse of `to_plain`; `Misuse` says what is wrong."""
    try:
        return msgspec.convert(value, kind, dec_hook=_decode)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise Misuse(f"not {_title(kind)}: {error}") from error


def read(path: Path) -> tuple[Case, ...]:
    """The Cases of a file, which holds one Case or a CaseFile. `Misuse` for anything else, with the reason."""
    try:
        with path.open("rb") as file:
            text = file.read(MAX_FILE + 1)
    except (OSError, ValueError) as error:
        raise Misuse(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from error
    if len(text) > MAX_FILE:
        raise Misuse(f"{path}: larger than {MAX_FILE >> 20} MiB, not a case file")
    try:
        content = from_json(text, Case | CaseFile)  # type: ignore[arg-type]
        json.loads(text, object_pairs_hook=_each_name_once)  # cannot fail otherwise: it is a case
    except Misuse as error:
        raise Misuse(f"{path}: {error}") from error
    return (content,) if isinstance(content, Case) else content.cases


def _each_name_once(pairs: list[tuple[str, Any]]) -> None:
    """RFC 8259 4: of two members with the same name one reader takes the first, another the last."""
    names = [name for name, _ in pairs]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise Misuse(f"not an espproof case: an object has two members named {twice!r:.40}")
