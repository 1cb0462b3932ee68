"""One openconnect client: started, connected with an SA pair, driven packet by packet, killed.

    the case's network ──ESP──► UDP socket of the gateway ◄──────► openconnect ◄──────► socket of the inner side
                                                                      │ log (-vvv)

A client has one SA pair for its life, and there is no way to give it other keys without waiting for its timers; so each
case has a client of its own. What takes long, its start, is done ahead: it then waits in front of a gateway that has
not answered yet.

**How a tunnel comes up.** The client takes its configuration from HTTPS and sends probes, ICMP echo requests inside ESP,
which use up the first numbers of its outbound SA (0, 1 and 2 in version 9.01). One echo reply inside ESP, here with
sequence number 0, makes the tunnel complete; the inbound SA is then as new as RFC 4303 has it: nothing from 1 on was
received. The client notices the reply, goes to sleep for a second, and only then runs the script that gets the inner
side, unless a datagram wakes it; so one is sent.

**How a packet that does not come out is told from one that has not come out yet.** Behind each packet a *marker* is sent:
an ESP packet with an SPI that is nobody's. The client logs the SPI and changes no state, so that what it logged before
is about the packets before; and when it next says that it has no work to do, all that it accepted has been written.
Nothing is guessed from elapsed time.
"""

import array
import os
import select
import shlex
import shutil
import socket
import struct
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from espproof.adapters.base import AdapterError, AdapterFailure, Hung
from espproof.adapters.case import Sa
from espproof.adapters.openconnect import log
from espproof.adapters.openconnect.gateway import (
    CLIENT_ADDRESS,
    GETCONFIG,
    LOOPBACK,
    PROBED_ADDRESS,
    Gateway,
    Identity,
    configuration,
)
from espproof.adapters.openconnect.lines import EndedByItself, LineReader
from espproof.reference import ip
from espproof.reference.drops import DropReason
from espproof.reference.errors import Misuse
from espproof.reference.esp import SPI, Codec

MAX_ESP = 65_507
"""Octets of the largest ESP packet: what fits a UDP datagram over IPv4."""
_SYSTEM_PROGRAMS = "/usr/local/sbin:/usr/sbin:/sbin"
"""Debian leaves these out of the PATH of people who are not root."""

_SECONDS = 10.0
"""Until a client that neither logs nor answers is taken as hung."""
_WAKE_SECONDS = 0.05
_DPD_SECONDS = 3600
"""How long the client hears nothing before it sends probes again: longer than any case."""
_SILENCE = 0.02
"""Seconds without output after which it is asked whether anything is still to come."""
_MAX_LOG = 64 << 20
"""Octets of log per exchange; a client that writes more has lost its way."""

_BURST_PACKETS = 32
_BURST_OCTETS = 48 << 10
"""What is under way at once: with the kernel's overhead less than the client's receive buffer, so that nothing is lost."""
_MAX_INNER = 65_535
_MARKER_TAIL = struct.pack("!I", 0xFFFFFFFF) + bytes(56)
"""The marker's sequence number, too high for the rule of the previous SA's SPI, and enough octets to be looked at."""
_PROBE_PAYLOAD = b"monitor\x00\x00pan ha "
_PROTOCOL_ICMP = 1
_ECHO_REPLY = 0
_IPV4 = 4
"""The next header field of an inner IPv4 packet."""
_SCRIPT = str(Path(__file__).with_name("tun_script.py"))


Datagram = tuple[bytes, int]
"""An ESP packet on its way through UDP, and the traffic class of the IP packet that carries it."""


class NotTaken(Exception):
    """The client does not take this SA pair; says what it logged."""


class GaveUp(AdapterError):
    """The client ended by itself before the tunnel was up. On a loaded machine its own time limits do that."""


def program() -> str | None:
    """Where openconnect is."""
    return shutil.which("openconnect", path=os.pathsep.join((os.environ.get("PATH", os.defpath), _SYSTEM_PROGRAMS)))


class Client:
    """A client that was started. After any exception the only thing to do is `kill`."""

    def __init__(self, identity: Identity) -> None:
        where = program()
        if where is None:
            raise AdapterError("openconnect: command not found; apt-get install -y openconnect")
        self._gateway = Gateway(identity)
        self._channel, channel = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        self._inner: socket.socket | None = None
        self._poll = select.poll()
        script = "exec " + shlex.join([sys.executable, "-I", "-S", _SCRIPT, str(channel.fileno())])
        command = [
            where, "-vvv", "--protocol=gp", "--servercert", identity.pin, "--no-system-trust", "--no-proxy",
            "--non-inter", "--passtos", f"--force-dpd={_DPD_SECONDS}",
            "--cookie", "authcookie=a&portal=p&user=u&domain=d&computer=c", "--script-tun", "--script", script, f"https://{LOOPBACK}:{self._gateway.port}",
        ]  # fmt: skip
        try:
            self._process = LineReader(command, {"LC_ALL": "C", "PATH": os.defpath}, [channel.fileno()], log.is_noise)
        except BaseException:
            self._gateway.close()
            self._channel.close()
            raise
        finally:
            channel.close()
        self._exchange = log.Exchange(log.MARKER_SPI)
        self._marker = _marker(log.MARKER_SPI)
        self._delivered: list[bytes] = []
        self._sent: list[Datagram] = []
        self.early: tuple[Datagram, ...] | None = None
        """What the client sent of its own accord before the first packet of a case; None without a tunnel."""

    # ------------------------------------------------------------------------------------------------- coming up

    def connect(self, inbound: Sa, outbound: Sa) -> None:
        """Bring up the tunnel with these SAs, which have equal algorithms.

        `NotTaken` if the client refuses them, `GaveUp` if it ends with a status before the tunnel is up.
        """
        try:
            self._configure(configuration(inbound, outbound, self._gateway.udp_port))
            self._establish(inbound)
        except EndedByItself as end:
            raise self._before_it_was_up(end) from end
        except OSError as error:
            raise self._before_it_was_up(self._failure(error)) from error

    def _configure(self, config: str) -> None:
        """Until the client sends its first probe."""
        until = time.monotonic() + _SECONDS
        requests, udp = self._gateway.sockets()
        requested = False
        while True:
            ready = self._wait([requests.fileno(), udp.fileno()], until)
            if udp.fileno() in ready:
                break
            if requests.fileno() in ready:
                path = self._gateway.serve(config, _SECONDS)
                requests, udp = self._gateway.sockets()
                if requested and path not in _ON_THE_WAY:
                    raise NotTaken(self._process.with_tail("it wants no ESP"))
                requested = requested or path == GETCONFIG
        self._sent = [self._gateway.meet()]

    def _establish(self, inbound: Sa) -> None:
        """Answer the probe, and get the inner side."""
        try:
            codec = Codec(inbound.spi, inbound.encr, inbound.auth, inbound.encr_key, b"", inbound.auth_key, esn=False)
        except Misuse:
            return  # a key of a size that is none: the client took it, but nobody can send to it
        udp = self._gateway.udp
        udp.send(codec.protect(_echo_reply(), _IPV4, 0, os.urandom(codec.iv_size)))
        until = time.monotonic() + _SECONDS
        self._exchange = log.Exchange(log.MARKER_SPI)
        while self._inner is None:
            awake_until = time.monotonic() + _WAKE_SECONDS
            while not self._exchange.idle and time.monotonic() < awake_until:
                self._wait([], until, _WAKE_SECONDS)
            udp.send(_marker(log.MARKER_SPI))
            if self._channel.fileno() in self._wait([self._channel.fileno()], until, _WAKE_SECONDS):
                self._inner = self._take_inner()
        for descriptor in (self._process.output, self._inner.fileno(), udp.fileno()):
            self._poll.register(descriptor, select.POLLIN)
        last = _spi_of_nobody([self._marker, inbound.spi.to_bytes(4, "big")])  # behind all markers so far
        self._exchange, self._marker = log.Exchange(last), _marker(last)
        self._settle()
        self.early = tuple(self._sent)
        self._sent.clear()

    def _before_it_was_up(self, failure: AdapterFailure) -> AdapterFailure:
        gave_up = isinstance(failure, EndedByItself) and self._inner is None
        return GaveUp(str(failure)) if gave_up else failure

    def _take_inner(self) -> socket.socket:
        _, ancillary, _, _ = self._channel.recvmsg(16, socket.CMSG_SPACE(array.array("i").itemsize))
        for level, kind, octets in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                inner = socket.socket(fileno=array.array("i", octets)[0])
                inner.setblocking(False)
                return inner
        raise AdapterError(self._process.with_tail("the script of openconnect did not hand over its socket"))

    # ------------------------------------------------------------------------------------------------- its packets

    def inbound(self, packets: Sequence[Datagram]) -> list[bytes | DropReason]:
        """From the network; per packet the inner packet that came out, or why there is none."""
        return [result for some in _portions(packets) for result in self._inbound(some)]

    def _inbound(self, packets: Sequence[Datagram]) -> list[bytes | DropReason]:
        self._begin(_spi_of_nobody([esp for esp, _ in packets]))
        for datagram in packets:
            self._send(*datagram)
            self._send(self._marker)
        self._await_markers(len(packets))
        delivered = self._all_delivered(len(packets))
        self._check_own_traffic()
        if self._sent:
            raise AdapterError(self._process.with_tail("openconnect has sent a packet that nobody asked for"))
        pieces = self._exchange.pieces
        if len(packets) == 1:
            taken = [bool(delivered)]
        elif len(delivered) in (0, len(packets)):
            taken = [bool(delivered)] * len(packets)
        else:
            taken = [log.accepted(piece) for piece in pieces[: len(packets)]]
        if sum(taken) != len(delivered):
            raise AdapterError(f"{len(delivered)} packets came out of the {sum(taken)} that openconnect took")
        rest = iter(delivered)
        return [next(rest) if good else log.reason(piece) for good, piece in zip(taken, pieces, strict=False)]

    def _all_delivered(self, most: int) -> list[bytes]:
        """Everything that is coming out. The queue of the inner side is short: what is in it may not have been all."""
        seen = 0
        while seen < len(self._delivered) < most:
            seen = len(self._delivered)
            self._settle()
        return self._delivered

    def outbound(self, packets: Sequence[bytes]) -> list[Datagram | None]:
        """Inner packets from the host behind; per packet what was sent, None if there is nothing."""
        whole = [(packet, 0) for packet in packets]
        return [result for some in _portions(whole) for result in self._outbound([packet for packet, _ in some])]

    def _outbound(self, packets: Sequence[bytes]) -> list[Datagram | None]:
        assert self._inner is not None
        self._begin(log.MARKER_SPI)
        until = time.monotonic() + _SECONDS
        waiting = deque(packets)
        while waiting or (len(self._sent) < len(packets) and self._pump(until, _SILENCE)):
            while waiting:
                try:
                    self._inner.send(waiting[0])
                    waiting.popleft()
                except BlockingIOError:
                    self._pump(until, _SILENCE)
                except OSError as error:
                    raise self._failure(error) from error
        if len(self._sent) < len(packets):
            self._settle()
            self._settle()  # the first marker may have been read before the packet, by a client that was not asleep
        self._check_own_traffic()
        if len(self._sent) == len(packets):
            return list(self._sent)
        if len(packets) > 1 and self._sent:
            raise AdapterError(
                f"openconnect has sent {len(self._sent)} of {len(packets)} packets and does not say which"
            )
        return [None] * len(packets)

    # ------------------------------------------------------------------------------------------------- in between

    def _begin(self, marker_spi: int) -> None:
        """A new exchange. What is left from before would be taken for its result."""
        if self._inner is None:
            raise AdapterError("no peer can have keys of this size: the tunnel is not up")
        self._delivered, self._sent = [], []
        self._pump(0.0, 0.0)
        if self._sent or self._delivered:
            raise AdapterError(self._process.with_tail("openconnect has sent a packet that nobody asked for"))
        self._exchange = log.Exchange(marker_spi)
        self._marker = _marker(marker_spi)

    def _check_own_traffic(self) -> None:
        if self._exchange.own_traffic:
            raise AdapterError("the case took so long that openconnect has sent probes of its own")

    def _settle(self) -> None:
        """Until the client has worked on everything that was sent to it so far."""
        self._send(self._marker)
        self._await_markers(self._exchange.markers + 1)

    def _await_markers(self, number: int) -> None:
        assert self._inner is not None
        until = time.monotonic() + _SECONDS
        while self._exchange.markers < number or not self._exchange.idle:
            if not self._pump(until, _SECONDS):
                raise Hung(self._process.with_tail(f"no answer within {_SECONDS:g} s"))
        _take_all(self._inner, self._delivered)
        self._take_sent()

    def _take_sent(self) -> None:
        self._sent += self._gateway.received()

    def _send(self, packet: bytes, traffic_class: int = 0) -> None:
        """One datagram to the client's UDP port."""
        try:
            self._gateway.send(packet, traffic_class)
        except OSError as error:
            raise self._failure(error) from error

    def _pump(self, until: float, seconds: float) -> bool:
        """Wait so long for anything to come out, and take it in. False if nothing did."""
        assert self._inner is not None
        left = min(seconds, max(until - time.monotonic(), 0.0))
        events = self._poll.poll(left * 1000)
        for descriptor, _ in events:
            if descriptor == self._process.output:
                self._read_log()
            elif descriptor == self._inner.fileno():
                _take_all(self._inner, self._delivered)
            else:
                self._take_sent()
        return bool(events)

    def _read_log(self) -> None:
        self._exchange.feed(self._process.lines())
        if self._exchange.octets > _MAX_LOG:
            raise AdapterError(self._process.with_tail("openconnect floods its log"))

    def _wait(self, descriptors: Sequence[int], until: float, seconds: float = _SECONDS) -> set[int]:
        """Before the tunnel is up: which of them can be read, after at most so many seconds; the log is taken in."""
        poll = select.poll()
        for descriptor in (self._process.output, *descriptors):
            poll.register(descriptor, select.POLLIN)
        left = until - time.monotonic()
        if left <= 0:
            raise Hung(self._process.with_tail(f"the tunnel is not up within {_SECONDS:g} s"))
        ready = {descriptor for descriptor, _ in poll.poll(min(left, seconds) * 1000)}
        if self._process.output in ready:
            self._read_log()
        return ready

    def _failure(self, error: OSError) -> AdapterFailure:
        """A socket says that the client is not there: it died, or something else is wrong."""
        if isinstance(error, TimeoutError):
            return Hung(self._process.with_tail(f"no answer within {_SECONDS:g} s"))
        return self._process.end() or AdapterError(self._process.with_tail(f"the way to openconnect is cut: {error}"))

    # ------------------------------------------------------------------------------------------------------- the end

    def kill(self) -> None:
        """Kill it; may be called more than once. `gone` tells when nothing is left of it."""
        self._process.kill()
        self._gateway.close()
        self._channel.close()
        if self._inner is not None:
            self._inner.close()

    def gone(self, *, wait: bool) -> bool:
        return self._process.gone(wait=wait)


def _portions(packets: Sequence[Datagram]) -> Iterator[Sequence[Datagram]]:
    """The packets in portions that may be under way at once."""
    portion: list[Datagram] = []
    octets = 0
    for one in packets:
        if portion and (len(portion) == _BURST_PACKETS or octets + len(one[0]) > _BURST_OCTETS):
            yield portion
            portion, octets = [], 0
        portion.append(one)
        octets += len(one[0])
    if portion:
        yield portion


def _take_all(source: socket.socket, into: list[bytes]) -> None:
    with suppress(BlockingIOError):
        while True:
            into.append(source.recv(_MAX_INNER))


def _marker(spi: int) -> bytes:
    return spi.to_bytes(4, "big") + _MARKER_TAIL


def _spi_of_nobody(packets: Sequence[bytes]) -> int:
    """The SPI of a marker that can be told from these packets."""
    taken = {packet[SPI] for packet in packets}
    return next(
        spi for spi in range(log.MARKER_SPI, log.MARKER_SPI + len(taken) + 1) if spi.to_bytes(4, "big") not in taken
    )


def _echo_reply() -> bytes:
    """What a GlobalProtect gateway answers to a probe; the payload is the protocol's."""
    message = struct.pack("!BBHHH", _ECHO_REPLY, 0, 0, 0x4747, 1) + _PROBE_PAYLOAD
    summed = message[:2] + ip.checksum(message).to_bytes(2, "big") + message[4:]
    source, destination = socket.inet_aton(PROBED_ADDRESS), socket.inet_aton(CLIENT_ADDRESS)
    return ip.build_ipv4(source, destination, _PROTOCOL_ICMP, summed)


_ON_THE_WAY = (GETCONFIG, b"/ssl-vpn/hipreportcheck.esp", b"/ssl-vpn/hipreport.esp")
