"""Where an adapter is tried: the smallest SAs, packets and cases for what it declares, executed and compared.

Nothing is drawn at random: a case depends on the capabilities alone, so that an author sees the same twice. Values are
as in the rest of the suite not zero and not symmetric. `Rig.execute` is the only way to the adapter; it watches
that outcomes are of the kinds that their operation allows and that nothing escapes but an `AdapterFailure`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

from espproof.adapters.base import Adapter, AdapterFailure, Transcript
from espproof.adapters.capabilities import Capabilities
from espproof.adapters.case import (
    AddSa,
    Case,
    Inbound,
    Octets,
    Outbound,
    Refused,
    Sa,
    SequenceNumber,
    Step,
    Unsupported,
    from_plain,
    to_plain,
)
from espproof.adapters.steps import operation, outcomes_of
from espproof.conformance.checks.scenario import Peer
from espproof.conformance.oracle.judge import ESP, Oracle
from espproof.conformance.oracle.judgement import Incapable
from espproof.conformance.selfcheck.item import NotApplicable, Trouble
from espproof.conformance.strategies import packets, sas
from espproof.conformance.strategies.options import window_sizes
from espproof.reference.algorithms import ENCRYPTION, INTEGRITY
from espproof.reference.errors import Misuse

ABOUT = "espproof-check"
"""The requirement that every step of these cases stands for."""

TRAFFIC_CLASS = 0xB8
"""DSCP 46, Not-ECT: of the packets that carry no other wish."""


@dataclass(frozen=True, slots=True)
class Flow:
    """One SA of a case and the plain packets that it carries. `version` is that of these packets."""

    sa: Sa
    version: int
    peer: Peer | None
    """Who sends to it; None for an SA whose algorithms nobody knows."""

    def plain(self, **recipe: Any) -> bytes:
        """An IP packet for this SA; see `packets.Recipe`."""
        made = packets.Recipe(**{"version": self.version, "traffic_class": TRAFFIC_CLASS, **recipe})
        if self.sa.mode == "tunnel":
            return packets.build(made, *packets.hosts(made.version, self.sa.direction))
        return packets.build(made, ip_address(self.sa.source).packed, ip_address(self.sa.destination).packed)

    def right(self, number: int, packet: bytes | None = None, *, behaviour: str = "", **options: Any) -> Inbound:
        """A right packet of that number arrives."""
        return arrives(self.protected(number, packet, **options), behaviour=behaviour)

    def protected(self, number: int, packet: bytes | None = None, **options: Any) -> bytes:
        assert self.peer is not None
        return self.peer.protect(packet or self.plain(), number, **options)

    def forged(self, number: int, packet: bytes | None = None) -> Inbound:
        """The same with one wrong bit in its ICV."""
        octets = self.protected(number, packet)
        return arrives(octets[:-1] + bytes([octets[-1] ^ 0x10]))

    def send(self, packet: bytes | None = None, *, behaviour: str = "", **options: Any) -> Outbound:
        """The implementation protects a packet."""
        return Outbound(
            sa=self.sa.name, packet=Octets(packet or self.plain()), requirement=ABOUT, behaviour=behaviour, **options
        )

    def carry(self, numbers: Iterable[int], packet: bytes | None = None) -> list[Step]:
        """So many right packets, in the direction of the SA; the numbers count from the SA's start."""
        if self.sa.direction == "out":
            return [self.send(packet) for _ in numbers]
        return [self.right(int(self.sa.sequence) + number, packet) for number in numbers]


def arrives(packet: bytes, *, behaviour: str = "") -> Inbound:
    return Inbound(packet=Octets(packet), requirement=ABOUT, behaviour=behaviour)


def case_of(flows: Iterable[Flow], *steps: Step) -> Case:
    return Case(version=1, id=ABOUT, sas=tuple(flow.sa for flow in flows), steps=steps)


@dataclass
class Rig:
    """An adapter, what it declares, and the true reference beside it."""

    adapter: Adapter
    caps: Capabilities
    again: Adapter | None = None
    """A second one of the same name; None where it cannot be made, `why_alone` says why."""
    why_alone: str = ""
    seconds_to_start: float = 0.0
    start_limit: float = 30.0
    deviations: tuple[str, ...] = ()
    """Requirements that the implementation is known not to meet."""
    oracle: Oracle = ESP

    # ------------------------------------------------------------------------------------------------------- making

    def need(self, what: str, there: object) -> None:
        if not there:
            raise NotApplicable(what)

    def directions(self) -> tuple[str, ...]:
        self.need("a direction", self.caps.directions)
        return self.caps.directions

    def flow(
        self,
        direction: str,
        index: int = 0,
        *,
        encr: str | None = None,
        key_size: int | None = None,
        auth: str | None = None,
        mode: str | None = None,
        inner: int | None = None,
        outer: int | None = None,
        **fields: Any,
    ) -> Flow:
        """The simplest declared SA that has these values, be they declared themselves or not."""
        encr, auth = self._algorithms(encr, auth)
        mode = mode or ("tunnel" if "tunnel" in self.caps.modes else "transport")
        inner, outer = self._family(mode, inner, outer)
        known = encr in ENCRYPTION and auth in INTEGRITY and mode in ("tunnel", "transport")
        sequence = fields.pop("sequence", 0) or self.caps.start_of(direction)
        size = key_size if key_size is not None else self._key_size(encr)
        sa = Sa(
            **{
                "name": f"sa{index}",
                "direction": direction,
                "spi": 0x01020304 + index,
                "mode": mode,
                **sas.ends(outer, direction, index),
                "encr": encr,
                "auth": auth,
                **sas.secrets(0x1D2C + index, encr, size, auth),
                "esn": False not in self.caps.esn,
                "sequence": SequenceNumber(sequence),
                "replay_window": self._window() if direction == "in" else 0,
                **self.caps.simplest(),
                **fields,
            }
        )
        return Flow(sa, inner, Peer(sa) if known else None)

    def flows(self, **options: Any) -> list[Flow]:
        """One such SA for each declared direction."""
        return [self.flow(direction, index, **options) for index, direction in enumerate(self.directions())]

    def traffic(self, flows: list[Flow] | None = None, **recipe: Any) -> Case:
        """A few packets on each SA; inbound a forged one among them. `recipe` describes the plain packets."""
        flows = flows if flows is not None else self.flows()
        steps: list[Step] = []
        for flow in flows:
            steps += flow.carry((1,), flow.plain(**recipe))
            if flow.sa.direction == "in":
                steps.append(flow.forged(int(flow.sa.sequence) + 2, flow.plain(**recipe)))
            steps += flow.carry((2,), flow.plain(**recipe))
        return case_of(flows, *steps)

    def _algorithms(self, encr: str | None, auth: str | None) -> tuple[str, str]:
        """A pair that stands together, declared where it is not given."""
        caps = self.caps
        if encr is None:
            fitting = [name for name in caps.encryption if name in ENCRYPTION and self._partner(name, auth)]
            self.need("an encryption algorithm that goes with the integrity algorithms", fitting)
            encr = fitting[0]
        if auth is None:
            partner = self._partner(encr, None)
            self.need(f"an integrity algorithm that goes with {encr}", partner)
            auth = str(partner)
        return encr, auth

    def _partner(self, encr: str, auth: str | None) -> str | None:
        """An integrity algorithm for this cipher: the given one if it fits, else the first declared."""
        aead = encr not in ENCRYPTION or ENCRYPTION[encr].aead
        if auth is not None:
            return auth if (auth == "NONE") == aead else None
        if aead:
            return "NONE"
        return next((name for name in self.caps.integrity if name != "NONE"), None)

    def _key_size(self, encr: str) -> int:
        sizes = self.caps.encryption.get(encr) or (ENCRYPTION[encr].key_sizes if encr in ENCRYPTION else (16,))
        return sizes[0]

    def _family(self, mode: str, inner: int | None, outer: int | None) -> tuple[int, int]:
        """IP versions of the packets and of the SA's addresses: both given, or declared ones that fit."""
        if mode != "tunnel":
            inner = outer = inner or outer
        if inner is not None and outer is not None:
            return inner, outer
        for family in self.caps.families:
            there = int(family[0]), int(family[3])
            fits = inner in (None, there[0]) and outer in (None, there[1])
            if fits and (mode == "tunnel" or there[0] == there[1]):
                return there
        raise NotApplicable(f"IPv{inner or 'any'} in IPv{outer or 'any'} in {mode} mode")

    def _window(self) -> int:
        sizes = window_sizes(self.caps)
        return sizes[0] if sizes else 64

    # --------------------------------------------------------------------------------------------------- executing

    def execute(self, case: Case) -> Transcript:
        """What the adapter answers to a case; `Trouble` if that is no transcript of it."""
        try:
            transcript = self.adapter.execute(case)
        except AdapterFailure as failure:
            raise Trouble(f"{type(failure).__name__}: {failure}") from failure
        except Exception as error:
            raise Trouble(f"{type(error).__name__} escaped from it: {error}") from error
        if (len(transcript.setup), len(transcript.steps)) != (len(case.sas), len(case.steps)):
            raise Trouble(f"{len(transcript.steps)} outcomes for {len(case.steps)} steps")
        for outcome in transcript.setup:
            _watch(AddSa, outcome)
        for step, outcome in zip(case.steps, transcript.steps, strict=True):
            _watch(type(step), outcome)
        return transcript

    def reference(self, case: Case) -> Transcript:
        return self.oracle.expected(case)

    def compare(self, case: Case, caps: Capabilities | None = None) -> str | None:
        """Execute it; what is wrong, in a few words, or None."""
        return self.told(case, self.execute(case), self.reference(case), caps)

    def told(self, case: Case, got: Transcript, want: Transcript, caps: Capabilities | None = None) -> str | None:
        """The oracle's first finding in a few words, or None."""
        judgement = self.oracle.judge(case, got, want, caps or self.caps)
        if isinstance(judgement, Incapable):
            return f"answered: unsupported ({judgement.what})"
        if not judgement.findings:
            return None
        first = judgement.findings[0]
        where = "setup" if first.step < 0 else f"step {first.step + 1} ({operation(type(case.steps[first.step]))})"
        return f"{where}: {first.message}"


def _watch(step: type[Step], outcome: object) -> None:
    allowed, name = outcomes_of(step), operation(step)
    if not isinstance(outcome, allowed):
        kinds = ", ".join(kind.__name__ for kind in allowed)
        raise Trouble(f"{name} was answered with {type(outcome).__name__}; it can be {kinds}")
    try:
        from_plain(to_plain(outcome), type(outcome))
    except (Misuse, TypeError, NotImplementedError) as error:
        raise Trouble(f"{name}: a field of {type(outcome).__name__} is not of its type: {error}") from error


def refused(got: Transcript, want: Transcript) -> bool:
    """Whether something was answered with `Unsupported`, or refused that the reference does not refuse."""
    if any(isinstance(outcome, Unsupported) for outcome in (*got.setup, *got.steps)):
        return True
    pairs = zip((*got.setup, *got.steps), (*want.setup, *want.steps), strict=True)
    return any(isinstance(outcome, Refused) and not isinstance(right, Refused) for outcome, right in pairs)
