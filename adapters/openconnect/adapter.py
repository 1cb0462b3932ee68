"""openconnect as an implementation under test: the real client, with GlobalProtect's ESP, against a gateway of ours.

The client gets one SA pair with its configuration: tunnel mode, AES-CBC with an HMAC, the same algorithms in both
directions. A case with an SA in one direction only gets a made-up partner for the other. Everything happens on loopback:
no root, no tun device, no network; `client` tells how a tunnel comes up and how a drop is found out.

What is not the client's business is done here in the plainest way, and not declared. The network and the kernel's UDP
socket stand between a case's IP packets and the client: the outer header is built from the addresses of the SA, and
taken off again; ESP travels in UDP on loopback although the case has it directly in IP, as there is no other way into
this client. A packet that is no whole, readable IP packet with ESP never gets there, as it would not get through a
kernel. So DSCP, ECN, DF (always clear), hop
limit, options, fragments and UDP encapsulation are not openconnect's. It does compare SPIs.

What openconnect cannot be told is not declared: its window has a fixed size, and starts empty; its outbound numbers
start behind its own probes, at a number that is found out (`sequence_start`). What it does before that number no case
can show: **the first packet of an SA, a probe, has sequence number 0** (RFC 4303 2.2 and 3.3.3 say 1).
"""

import re
import subprocess
from collections import deque
from collections.abc import Sequence
from functools import cached_property
from ipaddress import ip_address
from itertools import count

import msgspec

from espproof.adapters import probe
from espproof.adapters.base import Adapter, AdapterError, AdapterFailure, Transcript
from espproof.adapters.capabilities import Capabilities, ReplayWindows
from espproof.adapters.case import (
    Burst,
    Case,
    Delivered,
    Done,
    Dropped,
    Inbound,
    InboundBurst,
    Octets,
    Outbound,
    OutboundBurst,
    Passed,
    Refused,
    Sa,
    Sent,
    SequenceNumber,
    Step,
    Unsupported,
)
from espproof.adapters.openconnect.client import MAX_ESP, Client, NotTaken, program
from espproof.adapters.openconnect.gateway import ENC_ALGO, HMAC_ALGO, Identity
from espproof.reference import ip
from espproof.reference.drops import DropReason
from espproof.reference.errors import Malformed

_PROTOCOL_ESP = 50
_STARTED_AHEAD = 2
_VERSION_SECONDS = 10.0
_PARTNER_SPIS = (0xE5A00001, 0xE5A00002)
"""For an SA that the case does not have; the second where the first is the SPI of the one that it has."""

_DECLARED = Capabilities(
    encryption={"ENCR_AES_CBC": tuple(ENC_ALGO)},
    integrity=tuple(HMAC_ALGO),
    modes=("tunnel",),
    families=("4in4", "6in4"),
    replay_windows=ReplayWindows(minimum=65, maximum=65, step=1),
    dscp=("fixed",),
    ecn=(),
    df=("clear",),
    max_packet=ip.IPV4_HEADER_SIZE + MAX_ESP,
    drop_reasons=True,
)


class OpenConnectAdapter(Adapter):
    """Runs Cases on openconnect clients, one per case."""

    name = "openconnect"

    def __init__(self) -> None:
        if program() is None:
            raise AdapterError("openconnect: command not found; apt-get install openconnect")
        self._identity = Identity()
        self._ahead: deque[Client] = deque()
        self._killed: list[Client] = []
        self._client: Client | None = None
        self._sas: dict[str, Sa] = {}

    @property
    def version(self) -> str:
        return self._version

    @cached_property
    def _version(self) -> str:
        try:
            told = subprocess.run(
                [str(program()), "--version"], capture_output=True, text=True, timeout=_VERSION_SECONDS, check=False
            ).stdout
        except (OSError, subprocess.SubprocessError):
            return "?"
        found = re.search(r"version v?(\S+)", told)
        return found[1] if found else "?"

    def capabilities(self) -> Capabilities:
        return self._capabilities

    @cached_property
    def _capabilities(self) -> Capabilities:
        """What is declared, narrowed to the algorithms that a tunnel comes up with."""
        starts: set[int] = set()
        capabilities = probe.narrowed(_DECLARED, lambda sas: [self._works(sa, starts) for sa in sas])
        if len(starts) != 1:
            raise AdapterError(f"openconnect brings up no tunnel, or starts at different numbers: {sorted(starts)}")
        return msgspec.structs.replace(capabilities, sequence_start=starts.pop())

    def _works(self, sa: Sa, starts: set[int]) -> bool:
        try:
            starts.add(self._connected(sa, _partner(sa)).own_packets)
        except NotTaken:
            return False
        finally:
            self._retire()
        return True

    # -------------------------------------------------------------------------------------------------------- the SAs

    def reset(self) -> None:
        self._sas = {}
        self._retire()

    def execute(self, case: Case) -> Transcript:
        """As in the base class, but both SAs of a pair are known before the client is."""
        self.reset()
        setup = self._install(case.sas)
        return Transcript(setup, tuple([self.take(step) for step in case.steps]))

    def add_sa(self, sa: Sa) -> Done | Refused | Unsupported:
        return self._install([sa])[0]

    def _install(self, sas: Sequence[Sa]) -> tuple[Done | Refused | Unsupported, ...]:
        """Take those SAs that make a pair with each other and with what is there, and connect a client with them."""
        added: dict[str, Sa] = {}
        outcomes: list[Done | Refused | Unsupported] = []
        for sa in sas:
            outcome = self._objection(sa, [*self._sas.values(), *added.values()])
            if outcome is None:
                added[sa.name] = sa
            outcomes.append(outcome or Done())
        if not added:
            return tuple(outcomes)
        pair = {sa.direction: sa for sa in (*self._sas.values(), *added.values())}
        self._retire()
        try:
            one = next(iter(pair.values()))
            self._connected(pair.get("in", _partner(one)), pair.get("out", _partner(one)))
        except NotTaken as refusal:
            refused = Refused(reason=str(refusal))
            return tuple([refused if isinstance(outcome, Done) else outcome for outcome in outcomes])
        self._sas |= added
        return tuple(outcomes)

    def _objection(self, sa: Sa, others: Sequence[Sa]) -> Refused | Unsupported | None:
        """Why an SA cannot even be tried."""
        missing = self._capabilities.lacks(sa)
        if missing:
            return Unsupported(what=missing)
        if any(other.name == sa.name for other in others):
            return Refused(reason="name in use")
        if any(other.direction == sa.direction for other in others):
            return Unsupported(what="more than one SA in a direction")
        if any(_algorithms(other) != _algorithms(sa) for other in others):
            return Unsupported(what="other algorithms in the other direction")
        if self._client is not None and self._client.used:
            return Unsupported(what="an SA while another one is in use")
        try:
            if {ip_address(sa.source).version, ip_address(sa.destination).version} != {4}:
                return Unsupported(what="outer IPv6")
        except ValueError as error:
            return Refused(reason=str(error))
        return None

    # ---------------------------------------------------------------------------------------------------- the clients

    def _connected(self, inbound: Sa, outbound: Sa) -> Client:
        """A client that has these SAs; it is then *the* client, also if this fails."""
        self._start_ahead()
        self._client = self._ahead.popleft()
        self._client.connect(inbound, outbound)
        self._start_ahead()
        return self._client

    def _start_ahead(self) -> None:
        while len(self._ahead) < _STARTED_AHEAD:
            self._ahead.append(Client(self._identity))

    def _retire(self) -> None:
        """Be rid of the client. That its processes end is looked after later, so that nobody waits for it."""
        if self._client is not None:
            self._client.kill()
            self._killed.append(self._client)
            self._client = None
        self._killed = [client for client in self._killed if not client.gone(wait=False)]

    def close(self) -> None:
        clients = [*self._ahead, *self._killed, *([self._client] if self._client else [])]
        self._ahead.clear()
        self._client = None
        self._killed = []
        for client in clients:
            client.kill()
        for client in clients:
            client.gone(wait=True)

    # -------------------------------------------------------------------------------------------------------- packets

    def outbound(self, step: Outbound) -> Sent | Dropped | Refused | Unsupported:
        for what, asked in (("set_iv", step.iv is not None), ("tfc", step.tfc), ("dummy", step.dummy)):
            if asked:
                return Unsupported(what=what)
        results = self.outbound_burst(OutboundBurst(sa=step.sa, packets=(step.packet,)))
        return results.results[0] if isinstance(results, Burst) else results  # type: ignore[return-value]

    def outbound_burst(self, step: OutboundBurst) -> Burst | Refused | Unsupported:
        sa = self._sas.get(step.sa)
        if sa is None or sa.direction != "out" or self._client is None:
            return Refused(reason="no outbound SA of that name")
        small = [packet for packet in step.packets if len(packet) <= _largest_inner(sa)]
        esp = iter(self._client.outbound(small))
        return Burst(
            results=tuple(
                [
                    _sent(sa, next(esp)) if len(packet) <= _largest_inner(sa) else Dropped(reason="too-big")
                    for packet in step.packets
                ]
            )
        )

    def inbound(self, packet: Octets) -> Delivered | Dropped | Passed | Unsupported:
        result = self.inbound_burst(InboundBurst(packets=(packet,)))
        return result.results[0] if isinstance(result, Burst) else result  # type: ignore[return-value]

    def inbound_burst(self, step: InboundBurst) -> Burst | Unsupported:
        read = [_esp_in(packet) for packet in step.packets]
        esp = [one for one in read if isinstance(one, bytes)]
        if any(len(one) > MAX_ESP for one in esp):
            return Unsupported(what=f"ESP packets of more than {MAX_ESP} octets")
        if esp and self._client is not None:
            opened = iter(self._client.inbound(esp))
        else:
            opened = iter([DropReason.NO_SA] * len(esp))
        name = next((sa.name for sa in self._sas.values() if sa.direction == "in"), None)
        return Burst(results=tuple([_result(next(opened), name) if isinstance(one, bytes) else one for one in read]))

    def take(self, step: Step) -> object:
        try:
            return super().take(step)
        except AdapterFailure:
            self._retire()
            raise


def _esp_in(packet: bytes) -> bytes | Dropped | Passed:
    """What a kernel does with an IP packet before a socket sees it: the ESP packet in it, or what becomes of it."""
    try:
        outer = ip.parse(packet)
    except Malformed:
        return Dropped(reason="malformed")
    if outer.protocol != _PROTOCOL_ESP:
        return Passed(to="bypass")
    if outer.is_fragment:
        return Dropped(reason="fragment")
    return outer.payload


def _result(opened: bytes | DropReason, name: str | None) -> Delivered | Dropped:
    if isinstance(opened, DropReason):
        return Dropped(reason=opened.value)
    return Delivered(packet=Octets(opened), sa=name)


def _sent(sa: Sa, esp: bytes | None) -> Sent | Dropped:
    if esp is None:
        return Dropped()
    ends = ip_address(sa.source).packed, ip_address(sa.destination).packed
    traffic_class = sa.dscp << 2 if isinstance(sa.dscp, int) else 0
    return Sent(packet=Octets(ip.build_ipv4(*ends, _PROTOCOL_ESP, esp, tos=traffic_class)))


def _largest_inner(sa: Sa) -> int:
    """Octets of the largest inner packet whose ESP packet fits a UDP datagram; for the tunnel device, its MTU."""
    overhead = 8 + 16 + (16 if sa.auth == "AUTH_HMAC_SHA2_256_128" else 12)
    return (MAX_ESP - overhead) // 16 * 16 - 2


def _algorithms(sa: Sa) -> tuple[str, int, str]:
    return sa.encr, len(sa.encr_key), sa.auth


def _partner(sa: Sa) -> Sa:
    """The other direction of a pair, made up: with the same algorithms, and keys and an SPI of its own."""
    return msgspec.structs.replace(
        sa,
        direction="out" if sa.direction == "in" else "in",
        spi=next(spi for spi in _PARTNER_SPIS if spi != sa.spi),
        source=sa.destination,
        destination=sa.source,
        encr_key=Octets(bytes(octet ^ 0x5A for octet in sa.encr_key)),
        auth_key=Octets(bytes(octet ^ 0x5A for octet in sa.auth_key)),
        sequence=SequenceNumber(0),
    )
