"""Wireshark's ESP dissector as a judge of inbound packets, through sharkd.

A dissector is no endpoint. It has a table of SAs and opens each packet by itself: no replay window, no state, no
lifetimes, no policy; `verdict` says what of its display counts as an outcome, and all else is answered `unsupported`.
Transport mode is not declared: the restored packet would be put together by the adapter, not by Wireshark. Neither is
ECN, as a dissector shows both headers as they are, and is no tunnel's end. Neither are extended sequence numbers: version
4.0 knows none, later ones take the high half as a constant of the SA.

The table takes any line, so an SA that an endpoint would have to refuse is answered `unsupported`, and of two lines that
match a packet the first counts, so the adapter puts the most specific ones first. UDP encapsulation has a list of ports.

How fast: tshark takes SAs at its start alone, and starting it takes 150 ms and more per case. sharkd takes them at run
time; it cannot forget them, but forks a session for each connection: a fresh one with its SAs and a capture takes 6 ms,
and a packet 40 µs. So each run of inbound steps between two changes of the SAs is one capture in a session of its own.
"""

import subprocess
from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import groupby

import msgspec

from espproof.adapters.base import Adapter, AdapterError, Transcript
from espproof.adapters.capabilities import Capabilities
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
    Outcome,
    Passed,
    Refused,
    Sa,
    Sent,
    Step,
    Unsupported,
)
from espproof.adapters.models.reference import ReferenceAdapter
from espproof.adapters.probe import narrowed
from espproof.adapters.wireshark import table, verdict
from espproof.adapters.wireshark.sharkd import Sharkd, Shown
from espproof.reference.algorithms import ENCRYPTION

_DECLARED = Capabilities(
    encryption={name: ENCRYPTION[name].key_sizes for name in table.ENCRYPTION_NAMES},
    integrity=tuple(table.INTEGRITY_NAMES),
    directions=("in",),
    modes=("tunnel",),
    families=("4in4", "6in4", "4in6", "6in6"),
    replay_windows=None,
    udp=(4, 6),
    udp_ports=True,
    ecn=(),
    lookup=("spi", "spi+destination", "spi+destination+source"),
    max_packet=65535,
    ipv4_options=True,
    ipv6_extension_headers=True,
)
_VERSION_SECONDS = 30
_KNOWN_ANSWER = Octets(
    bytes.fromhex("4500002c00070000 40fd5ec10a010203 0a040506").ljust(44, b"\x5a")  # IPv4, protocol 253, 24 octets
)

InboundOutcome = Delivered | Dropped | Passed | Unsupported


class WiresharkAdapter(Adapter):
    """Runs the inbound steps of Cases on sharkd."""

    name = "wireshark"

    def __init__(self) -> None:
        self._sharkd = Sharkd()
        self.reset()

    @cached_property
    def _version(self) -> str:
        try:
            run = subprocess.run(
                ["sharkd", "-v"],  # noqa: S607 -- the one that the user's PATH finds
                capture_output=True,
                encoding="utf-8",
                timeout=_VERSION_SECONDS,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise AdapterError(f"sharkd -v: {error}") from error
        words = run.stdout.split()
        return words[2].rstrip(".") if len(words) > 2 else "?"

    @property
    def version(self) -> str:
        return self._version

    @cached_property
    def _capabilities(self) -> Capabilities:
        """Those algorithms alone with which a good packet is opened and a forged one is found out."""
        found = narrowed(_DECLARED, self._opens)
        if not found.encryption:
            raise AdapterError(
                f"Wireshark {self.version} opens no packet: its table of SAs (esp_sa) is not as expected"
            )
        return found

    def capabilities(self) -> Capabilities:
        return self._capabilities

    def close(self) -> None:
        self._sharkd.close()

    def reset(self) -> None:
        self._sas: dict[str, Sa] = {}

    def add_sa(self, sa: Sa) -> Done | Refused | Unsupported:
        missing = self._capabilities.lacks(sa)
        if missing:
            return Unsupported(what=missing)
        if sa.name in self._sas:
            return Refused(reason="name in use")
        if not table.possible(sa) or any(table.matches(sa) == table.matches(other) for other in self._sas.values()):
            return Unsupported(what="refusing an SA: the table takes any line")
        self._sas[sa.name] = sa
        return Done()

    def inbound(self, packet: Octets) -> InboundOutcome:
        return self._judge([packet])[0]

    def inbound_burst(self, step: InboundBurst) -> Burst | Unsupported:
        return _burst(self._judge(step.packets))

    def execute(self, case: Case) -> Transcript:
        self.reset()
        setup = tuple([self.add_sa(sa) for sa in case.sas])
        outcomes: list[Outcome] = []
        for inbound, group in groupby(case.steps, lambda step: isinstance(step, Inbound | InboundBurst)):
            steps = list(group)
            outcomes += self._run_of_inbound(steps) if inbound else [self.take(step) for step in steps]
        return Transcript(setup, tuple(outcomes))

    def _run_of_inbound(self, steps: Sequence[Step]) -> Iterator[Outcome]:
        results = iter(self._judge([packet for step in steps for packet in _packets(step)]))
        for step in steps:
            mine = [next(results) for _ in _packets(step)]
            yield _burst(mine) if isinstance(step, InboundBurst) else mine[0]

    def _judge(self, packets: Sequence[bytes]) -> list[InboundOutcome]:
        """All packets as one capture, with the SAs as they are now."""
        if not packets:
            return []
        taken, shown = self._sharkd.open_capture(table.preferences(self._sas.values()), packets)
        if not all(taken):
            raise AdapterError(f"Wireshark {self.version} refuses a line of its table of SAs, or its list of UDP ports")
        return self._outcomes(shown, packets)

    def _outcomes(self, shown: Sequence[Shown], packets: Sequence[bytes]) -> list[InboundOutcome]:
        ports = table.ports(self._sas.values())
        outcomes = [verdict.without_plaintext(one, ports) for one in shown]
        opened = [number for number, outcome in enumerate(outcomes) if outcome is None]
        plaintexts = dict(zip(opened, self._sharkd.plaintexts(opened, packets), strict=True))
        return [
            verdict.with_plaintext(one, plaintexts[number]) if outcome is None else outcome
            for number, (one, outcome) in enumerate(zip(shown, outcomes, strict=True))
        ]

    def _opens(self, sas: Sequence[Sa]) -> list[bool]:
        """Per SA, whether its packet is opened, and the same with one bit of the ICV changed is found out."""
        good = [_protected(sa) for sa in sas]
        forged = [packet[:-1] + bytes([packet[-1] ^ 1]) for packet in good]
        packets = [*good, *forged]
        taken, shown = self._sharkd.open_capture([("uat", f"esp_sa:{table.line(sa)}") for sa in sas], packets)
        outcomes = self._outcomes(shown, packets)
        return [
            line_taken and opened == Delivered(packet=_KNOWN_ANSWER) and found_out == Dropped(reason="integrity")
            for line_taken, opened, found_out in zip(taken, outcomes[: len(sas)], outcomes[len(sas) :], strict=True)
        ]


def _protected(sa: Sa) -> bytes:
    """The known answer as the reference sends it with this SA."""
    sender = ReferenceAdapter()
    sender.add_sa(msgspec.structs.replace(sa, direction="out"))
    sent = sender.outbound(Outbound(sa=sa.name, packet=_KNOWN_ANSWER))
    assert isinstance(sent, Sent), sent
    return bytes(sent.packet)


def _packets(step: Step) -> tuple[Octets, ...]:
    if isinstance(step, InboundBurst):
        return step.packets
    return (step.packet,) if isinstance(step, Inbound) else ()


def _burst(results: Sequence[InboundOutcome]) -> Burst | Unsupported:
    told = tuple(result for result in results if not isinstance(result, Unsupported))
    return Burst(results=told) if len(told) == len(results) else verdict.NO_VERDICT
