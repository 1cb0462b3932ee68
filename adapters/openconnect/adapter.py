"""openconnect as an implementation under test: the real client, with GlobalProtect's ESP, against a gateway of ours.

A client gets one SA pair with its configuration: tunnel mode, AES-CBC with an HMAC, the same algorithms in both
directions. An SA that has no fitting partner in its case gets a made-up one; a case with several pairs has several
clients. Everything happens on loopback: no root, no tun device, no network; `client` tells how a tunnel comes up and
how a drop is found out.

What is not the client's business is done here in the plainest way, and not declared. The network and the kernel's UDP
socket stand between a case's IP packets and the client: the outer header is built from the addresses of the SA, and
taken off again; ESP travels in UDP on loopback although the case has it directly in IP, as there is no other way into
this client. A packet that is no whole, readable IP packet with ESP never gets there, as it would not get through a
kernel. So DF (always clear), hop limit, options, fragments and UDP encapsulation are not openconnect's. DSCP and ECN are:
it is told to copy them (`--passtos`), and they travel on loopback. Among several clients the adapter chooses by SPI; each
compares it all the same.

What openconnect cannot be told is not declared: its window has a fixed size, and starts empty; its outbound numbers
start behind its own probes, at a number that is found out (`sequence_start`). The gateway has seen these probes, and
`read_state` tells them. One thing happens before a case begins that no case can show: the answer to the first probe is
taken with sequence number 0, which openconnect expects first.
"""

import re
import subprocess
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from ipaddress import ip_address

import msgspec

from espproof.adapters import probe
from espproof.adapters.base import Adapter, AdapterError, AdapterFailure, Transcript
from espproof.adapters.capabilities import Capabilities, Direction, ReplayWindows
from espproof.adapters.case import (
    Burst,
    Case,
    Delivered,
    Done,
    Dropped,
    InboundBurst,
    Octets,
    Outbound,
    OutboundBurst,
    Outcome,
    Passed,
    Refused,
    Sa,
    Sent,
    SequenceNumber,
    State,
    Step,
    Unsupported,
)
from espproof.adapters.openconnect.client import MAX_ESP, Client, Datagram, GaveUp, NotTaken, program
from espproof.adapters.openconnect.gateway import ENC_ALGO, HMAC_ALGO, Identity
from espproof.reference import ip
from espproof.reference.algorithms import ENCRYPTION, INTEGRITY
from espproof.reference.drops import DropReason
from espproof.reference.errors import Malformed
from espproof.reference.esp import HEADER_SIZE, SPI, TRAILER_SIZE, sequence_low
from espproof.reference.tunnel import traffic_class_of

_PROTOCOL_ESP = 50
_STARTED_AHEAD = 2
_MOST_TUNNELS = 16
_TRIES = 3
"""How many clients may give up before the tunnel is up, one after the other."""
_VERSION_SECONDS = 10.0
_PARTNER_SPIS = (0xE5A00001, 0xE5A00002)
"""For an SA that the case does not have; the second where the first is the SPI of the one that it has."""

_DECLARED = Capabilities(
    encryption={"ENCR_AES_CBC": tuple(ENC_ALGO)},
    integrity=tuple(HMAC_ALGO),
    modes=("tunnel",),
    families=("4in4", "6in4"),
    replay_windows=ReplayWindows(minimum=65, maximum=65, step=1),
    dscp=("copy",),
    ecn=("normal",),
    df=("clear",),
    read_state=("early",),
    max_packet=ip.IPV4_HEADER_SIZE + MAX_ESP,
    drop_reasons=True,
)


@dataclass(eq=False)
class _Tunnel:
    """The SAs of one client, by direction, and the client when it is connected; `numbers` are their places in a case."""

    sas: dict[Direction, Sa] = field(default_factory=dict)
    client: Client | None = None
    numbers: list[int] = field(default_factory=list)

    def has_room_for(self, sa: Sa) -> bool:
        return sa.direction not in self.sas and all(_algorithms(one) == _algorithms(sa) for one in self.sas.values())


class OpenConnectAdapter(Adapter):
    """Runs Cases on openconnect clients, which are new for each case."""

    name = "openconnect"

    def __init__(self) -> None:
        if program() is None:
            raise AdapterError("openconnect: command not found; apt-get install -y openconnect")
        self._identity = Identity()
        self._ahead: deque[Client] = deque()
        self._killed: list[Client] = []
        self._tunnels: list[_Tunnel] = []

    @property
    def version(self) -> str:
        return self._version

    @cached_property
    def _version(self) -> str:
        try:
            told = subprocess.run(
                [str(program()), "--version"],
                capture_output=True,
                encoding="utf-8",
                timeout=_VERSION_SECONDS,
                check=False,
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
        tunnel = _Tunnel({sa.direction: sa})
        works = isinstance(self._connect(tunnel), Done)
        if works and tunnel.client is not None and tunnel.client.early:
            starts.add(sequence_low(tunnel.client.early[-1][0]))
        self._retire()
        return works

    # -------------------------------------------------------------------------------------------------------- the SAs

    def reset(self) -> None:
        self._retire()

    def execute(self, case: Case) -> Transcript:
        """As in the base class, but both SAs of a pair are known before its client is connected."""
        self.reset()
        setup = self._install(case.sas)
        return Transcript(setup, tuple([self.take(step) for step in case.steps]))

    def add_sa(self, sa: Sa) -> Done | Refused | Unsupported:
        return self._install([sa])[0]

    def _install(self, sas: Sequence[Sa]) -> tuple[Done | Refused | Unsupported, ...]:
        """Connect clients with these SAs, as few as can be: SAs of both directions with equal algorithms are a pair."""
        tunnels: list[_Tunnel] = []
        outcomes: dict[int, Done | Refused | Unsupported] = {}
        for number, sa in enumerate(sas):
            objection = self._objection(sa, [*self._tunnels, *tunnels])
            if objection is not None:
                outcomes[number] = objection
                continue
            tunnel = next((tunnel for tunnel in tunnels if tunnel.has_room_for(sa)), None)
            if tunnel is None:
                tunnel = _Tunnel()
                tunnels.append(tunnel)
            tunnel.sas[sa.direction] = sa
            tunnel.numbers.append(number)
        for tunnel in tunnels:
            outcomes |= dict.fromkeys(tunnel.numbers, self._connect(tunnel))
        return tuple([outcomes[number] for number in range(len(sas))])

    def _objection(self, sa: Sa, tunnels: Sequence[_Tunnel]) -> Refused | Unsupported | None:
        """Why an SA cannot even be tried."""
        missing = self._capabilities.lacks(sa)
        if missing:
            return Unsupported(what=missing)
        others = [other for tunnel in tunnels for other in tunnel.sas.values()]
        if any(other.name == sa.name for other in others):
            return Refused(reason="name in use")
        if sa.direction == "in" and any((other.direction, other.spi) == ("in", sa.spi) for other in others):
            return Refused(reason="SPI in use")
        if len(tunnels) >= _MOST_TUNNELS:
            return Unsupported(what=f"more than {_MOST_TUNNELS} clients at once")
        try:
            ends = ip_address(sa.source), ip_address(sa.destination)
        except ValueError as error:
            return Refused(reason=str(error))
        return None if ends[0].version == ends[1].version else Refused(reason="addresses of two IP versions")

    # ---------------------------------------------------------------------------------------------------- the clients

    def _connect(self, tunnel: _Tunnel) -> Done | Refused:
        """Bring up a tunnel; it is then one of `_tunnels`, unless the client refuses it."""
        given_up: list[GaveUp] = []
        while len(given_up) < _TRIES:
            try:
                return self._connect_once(tunnel)
            except GaveUp as error:
                given_up.append(error)
        self._retire()
        raise AdapterError(f"{_TRIES} clients gave up before the tunnel was up; the last: {given_up[-1]}")

    def _connect_once(self, tunnel: _Tunnel) -> Done | Refused:
        self._start_ahead()
        tunnel.client = self._ahead.popleft()
        self._tunnels.append(tunnel)
        one = next(iter(tunnel.sas.values()))
        try:
            tunnel.client.connect(tunnel.sas.get("in", _partner(one)), tunnel.sas.get("out", _partner(one)))
        except NotTaken as refusal:
            self._give_back(tunnel)
            return Refused(reason=str(refusal))
        except GaveUp:
            self._give_back(tunnel)
            raise
        except AdapterFailure:
            self._retire()
            raise
        self._start_ahead()
        return Done()

    def _give_back(self, tunnel: _Tunnel) -> None:
        """Be rid of a client that is not connected, as if it had not been tried."""
        self._tunnels.remove(tunnel)
        if tunnel.client is not None:
            self._kill(tunnel.client)
            tunnel.client = None

    def _start_ahead(self) -> None:
        while len(self._ahead) < _STARTED_AHEAD:
            self._ahead.append(Client(self._identity))

    def _retire(self) -> None:
        """Be rid of all clients that have SAs."""
        for tunnel in self._tunnels:
            if tunnel.client is not None:
                self._kill(tunnel.client)
        self._tunnels = []

    def _kill(self, client: Client) -> None:
        """That its processes end is looked after later, so that nobody waits for it."""
        client.kill()
        self._killed = [one for one in (*self._killed, client) if not one.gone(wait=False)]

    def close(self) -> None:
        self._retire()
        clients = [*self._ahead, *self._killed]
        self._ahead.clear()
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
        results = self._protected(step.sa, [step.packet])
        return results if isinstance(results, Refused) else results[0]

    def outbound_burst(self, step: OutboundBurst) -> Burst | Refused | Unsupported:
        results = self._protected(step.sa, step.packets)
        return results if isinstance(results, Refused) else Burst(results=tuple(results))

    def inbound(self, packet: Octets) -> Delivered | Dropped | Passed | Unsupported:
        results = self._opened([packet])
        return results if isinstance(results, Unsupported) else results[0]

    def inbound_burst(self, step: InboundBurst) -> Burst | Unsupported:
        results = self._opened(step.packets)
        return results if isinstance(results, Unsupported) else Burst(results=tuple(results))

    def _protected(self, name: str, packets: Sequence[bytes]) -> list[Sent | Dropped] | Refused:
        for tunnel in self._tunnels:
            sa = tunnel.sas.get("out")
            if sa is not None and sa.name == name and tunnel.client is not None:
                limit = _largest_inner(sa)
                esp = iter(tunnel.client.outbound([packet for packet in packets if len(packet) <= limit]))
                return [
                    _sent(sa, next(esp)) if len(packet) <= limit else Dropped(reason="too-big") for packet in packets
                ]
        return Refused(reason="no outbound SA of that name")

    def _opened(self, packets: Sequence[bytes]) -> list[Delivered | Dropped | Passed] | Unsupported:
        """Each packet goes to the client that has an SA with its SPI, or to the first: what it does not know it drops."""
        receivers = [tunnel for tunnel in self._tunnels if "in" in tunnel.sas]
        results: list[Delivered | Dropped | Passed] = []
        queues: dict[int, list[tuple[int, Datagram]]] = {}
        for number, packet in enumerate(packets):
            esp = _esp_in(packet)
            results.append(esp if not isinstance(esp, bytes) else Dropped(reason="no-sa"))
            if isinstance(esp, bytes) and receivers:
                if len(esp) > MAX_ESP:
                    return Unsupported(what=f"ESP packets of more than {MAX_ESP} octets")
                spi = esp[SPI]
                at = next((at for at, one in enumerate(receivers) if one.sas["in"].spi.to_bytes(4, "big") == spi), 0)
                queues.setdefault(at, []).append((number, (esp, traffic_class_of(packet))))
        for at, queue in queues.items():
            client = receivers[at].client
            assert client is not None
            opened = client.inbound([datagram for _, datagram in queue])
            for (number, _), one in zip(queue, opened, strict=True):
                results[number] = _result(one, receivers[at].sas["in"].name)
        return results

    def read_state(self, name: str) -> State | Refused | Unsupported:
        """Of the counters nothing is told; of an outbound SA, what the gateway received before the case."""
        for tunnel in self._tunnels:
            for sa in tunnel.sas.values():
                if sa.name == name:
                    early = tunnel.client.early if tunnel.client is not None and sa.direction == "out" else None
                    return State(early=None if early is None else tuple([_around(sa, *one) for one in early]))
        return Refused(reason="no SA of that name")

    def take(self, step: Step) -> Outcome:
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


def _sent(sa: Sa, datagram: Datagram | None) -> Sent | Dropped:
    return Dropped() if datagram is None else Sent(packet=_around(sa, *datagram))


def _around(sa: Sa, esp: bytes, traffic_class: int) -> Octets:
    """The ESP packet with the outer header of its SA."""
    ends = ip_address(sa.source).packed, ip_address(sa.destination).packed
    return Octets(ip.build_ipv4(*ends, _PROTOCOL_ESP, esp, tos=traffic_class))


def _largest_inner(sa: Sa) -> int:
    """Octets of the largest inner packet whose ESP packet fits a UDP datagram; for the tunnel device, its MTU."""
    cipher = ENCRYPTION[sa.encr]
    overhead = HEADER_SIZE + cipher.iv_size + INTEGRITY[sa.auth].icv_size
    return (MAX_ESP - overhead) // cipher.block_size * cipher.block_size - TRAILER_SIZE


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
