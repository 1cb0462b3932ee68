"""Speed, beside the peers and the limits: every figure is a ratio of two rates that were measured in turns.

A machine's speed drifts, so a figure is never made of two measurements that lie far apart. In each short round all
contestants take their turn, in an order that is reversed from round to round, and the round's ratio is theirs; the
figure is the median over the rounds, told with the least and the greatest. Times are processor time of this process:
what else the machine does is not counted.

    encap_vs_scapy, encap_vs_aead    `Endpoint.outbound`: IP packet in, IP packet out, sequence number and lifetime kept
    decap_vs_scapy, decap_vs_aead    `Endpoint.inbound`: the same way back, with SA lookup, replay, ICV and padding check
    example_overhead                 a property's examples (draw, execute twice, judge) over ones that are only drawn
    sad_100000_vs_100                a look-up among so many SAs, all of them equally busy: what grows is cache misses

Traffic is AES-GCM-16 in tunnel mode, IPv4 in IPv4, inner packets of 1,400 octets. scapy does the same job through its
adapter, octets in and octets out; the bare AEAD is the call of `cryptography` on as many octets and nothing else.
"""

import gc
import itertools
import platform
import random
import statistics
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from ipaddress import IPv4Address
from typing import Any, NamedTuple

import msgspec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import seed as hypothesis_seed

import espproof
from espproof.adapters.base import Adapter
from espproof.adapters.case import Delivered, Octets, Outbound, Sa, Sent
from espproof.adapters.models.reference import ReferenceAdapter
from espproof.adapters.registry import open_adapter
from espproof.adapters.translate import security_association, starting_state
from espproof.conformance.checks.registry import Check, all_checks
from espproof.conformance.checks.scenario import Target
from espproof.conformance.oracle.verdict import Verdict
from espproof.conformance.running.check import (
    Profile,
    cases_of,
    no_borrowed_constants,
    run_check,
    seed_of,
    settings_of,
    target,
)
from espproof.conformance.strategies import packets
from espproof.conformance.strategies.values import octets
from espproof.reference import endpoint
from espproof.reference.drops import DropReason
from espproof.reference.sa import SecurityAssociation
from espproof.reference.sad import Sad, linear_search

INNER_LENGTH = 1400
"""Octets of the inner IP packet."""
BATCH = 500
"""Packets that the reference and the bare AEAD take per round; scapy takes `SCAPY_BATCH`."""
SCAPY_BATCH = 10
LOOKUPS = 20_000
"""Per round, of SAs that are drawn at random from all."""
EXAMPLES = Profile.QUICK.value
"""Per check."""
MIN_ROUNDS = 5
"""Also the number of parts into which the checks are dealt, one part per round."""


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """One ratio. `rates` are per second, medians over the rounds, of both contestants."""

    name: str
    what: str
    median: float
    least: float
    greatest: float
    rounds: int
    target: float
    at_least: bool
    """The target is a lower bound; otherwise an upper one."""
    rates: dict[str, float]

    @property
    def met(self) -> bool:
        return self.median >= self.target if self.at_least else self.median <= self.target


Turn = Callable[[int], tuple[float, int]]
"""Does a batch of work in the round of that number; how long it took in seconds, and how many pieces it was."""


def bench(seconds: float, progress: Callable[[str], None] | None = None) -> tuple[Figure, ...]:
    """All figures, in about so many seconds. An AssertionError if a contestant does not do its job."""
    tell = progress or (lambda what: None)
    with open_adapter("scapy") as scapy:
        tell("encapsulation")
        outbound = _rounds(_outbound_turns(scapy), seconds * 0.2)
        tell("decapsulation")
        inbound = _rounds(_inbound_turns(scapy), seconds * 0.2)
    tell("look-up")
    lookup = _rounds(_lookup_turns(), seconds * 0.1)
    tell("examples")
    examples = _rounds(_example_turns(), seconds * 0.5)
    return (
        _figure("encap_vs_scapy", "encapsulation, rate over scapy's", outbound, "reference", "scapy", 100),
        _figure("encap_vs_aead", "encapsulation, rate over AESGCM.encrypt's", outbound, "reference", "aead", 0.25),
        _figure("decap_vs_scapy", "decapsulation, rate over scapy's", inbound, "reference", "scapy", 40),
        _figure("decap_vs_aead", "decapsulation, rate over AESGCM.decrypt's", inbound, "reference", "aead", 0.2),
        _figure(
            "example_overhead", "time of an example over one that is only drawn", examples, "drawn", "property", 1.5,
            at_least=False,
        ),
        _figure(
            "sad_100000_vs_100", "time of a look-up among 100,000 SAs over 100", lookup, "of 100", "of 100,000", 3,
            at_least=False,
        ),
    )  # fmt: skip


def plain(figures: Sequence[Figure], seconds: float) -> dict[str, Any]:
    """The JSON object: the medians by name, then everything that is behind them."""
    return {
        **{figure.name: figure.median for figure in figures},
        "met": all(figure.met for figure in figures),
        "seconds": round(seconds, 1),
        "figures": [{**msgspec.to_builtins(figure), "met": figure.met} for figure in figures],
        "versions": versions(),
    }


def versions() -> dict[str, str]:
    """What was measured, and on what."""
    measured = {name: version(name) for name in ("cryptography", "hypothesis", "scapy")}
    return {
        "espproof": espproof.__version__,
        **measured,
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}",
    }


# ------------------------------------------------------------------------------------------------------------- rounds

Round = dict[str, float]
"""Contestant -> pieces of work per second."""


def _rounds(turns: dict[str, Turn], seconds: float) -> list[Round]:
    """At least `MIN_ROUNDS` rounds, after one that only warms up."""
    for turn in turns.values():
        turn(0)
    ends = time.perf_counter() + seconds
    rounds: list[Round] = []
    while len(rounds) < MIN_ROUNDS or time.perf_counter() < ends:
        gc.collect()
        number = len(rounds)
        rates = {}
        for name in reversed(turns) if number % 2 else turns:
            took, pieces = turns[name](number)
            rates[name] = pieces / took
        rounds.append(rates)
    return rounds


def _figure(
    name: str, what: str, rounds: list[Round], ours: str, peer: str, aim: float, *, at_least: bool = True
) -> Figure:
    ratios = [rates[ours] / rates[peer] for rates in rounds]
    return Figure(
        name=name,
        what=what,
        median=_rounded(statistics.median(ratios)),
        least=_rounded(min(ratios)),
        greatest=_rounded(max(ratios)),
        rounds=len(rounds),
        target=aim,
        at_least=at_least,
        rates={who: round(statistics.median(rates[who] for rates in rounds), 1) for who in (ours, peer)},
    )


def _rounded(ratio: float) -> float:
    """Three significant figures: more would be noise."""
    return float(f"{ratio:.3g}")


def _timed(work: Callable[..., object], arguments: Sequence[tuple[Any, ...]]) -> tuple[float, int]:
    """Call it once per tuple of arguments; `starmap` adds as little to the call as Python can."""
    began = time.process_time()
    deque(itertools.starmap(work, arguments), maxlen=0)
    return time.process_time() - began, len(arguments)


# ------------------------------------------------------------------------------------------------------------ traffic

_KEY, _SALT = octets(1, "bench key", 16), octets(1, "bench salt", 4)


def _sa(direction: str) -> Sa:
    """Nothing is copied from the inner header, because scapy cannot; its SAs have no replay window (it ignores ours)."""
    near, far = packets.GATEWAYS[4][0]
    return Sa(
        name="sa", direction="out" if direction == "out" else "in", spi=0x1A2B3C4D, mode="tunnel", source=near,
        destination=far, encr="ENCR_AES_GCM_16", encr_key=Octets(_KEY), salt=Octets(_SALT), dscp=0, df="clear",
    )  # fmt: skip


def _inner() -> bytes:
    return packets.build(packets.Recipe(length=INNER_LENGTH - 20), *packets.hosts(4, "out"))


def _endpoint(direction: str) -> endpoint.Endpoint:
    sa = _sa(direction)
    ours = endpoint.Endpoint()
    parameters = security_association(sa)
    ours.add(parameters, starting_state(sa, parameters))
    return ours


def _outbound_turns(scapy: Adapter) -> dict[str, Turn]:
    inner, ours, aead = _inner(), _endpoint("out"), AESGCM(_KEY)
    step = Outbound(sa="sa", packet=Octets(inner))
    scapy.reset()
    scapy.add_sa(_sa("out"))
    theirs = scapy.outbound(step)
    assert isinstance(theirs, Sent), theirs
    assert len(theirs.packet) == len(_sent(ours.outbound("sa", inner)))
    header = octets(1, "bench header", 8)
    bare = [(_SALT + number.to_bytes(8, "big"), inner, header) for number in range(BATCH)]
    return {
        "reference": lambda _: _timed(ours.outbound, [("sa", inner)] * BATCH),
        "aead": lambda _: _timed(aead.encrypt, bare),
        "scapy": lambda _: _timed(scapy.outbound, [(step,)] * SCAPY_BATCH),
    }


def _sent(result: bytes | DropReason) -> bytes:
    assert isinstance(result, bytes), result
    return result


def _inbound_turns(scapy: Adapter) -> dict[str, Turn]:
    inner, sender, aead = _inner(), _endpoint("out"), AESGCM(_KEY)
    protected = [_sent(sender.outbound("sa", inner)) for _ in range(BATCH)]
    scapy.reset()
    scapy.add_sa(msgspec.structs.replace(_sa("in"), replay_window=0))
    for_scapy = [(Octets(packet),) for packet in protected[:SCAPY_BATCH]]
    theirs = scapy.inbound(*for_scapy[0])
    assert isinstance(theirs, Delivered), theirs
    assert theirs.packet == inner
    bare = [(_SALT + packet[28:36], packet[36:], packet[20:28]) for packet in protected]
    assert aead.decrypt(*bare[0])[: len(inner)] == inner

    def reference(_: int) -> tuple[float, int]:
        receiver = _endpoint("in")  # a fresh replay window
        turn = _timed(receiver.inbound, [(packet,) for packet in protected])
        assert receiver.entry("sa").state.packets == BATCH, receiver.entry("sa").state.errors
        return turn

    return {
        "reference": reference,
        "aead": lambda _: _timed(aead.decrypt, bare),
        "scapy": lambda _: _timed(scapy.inbound, for_scapy),
    }


# ------------------------------------------------------------------------------------------------------------ look-up


@dataclass(frozen=True, slots=True)
class _Entry:
    sa: SecurityAssociation


class _Ends(NamedTuple):
    """What the search looks at of a packet."""

    source: bytes
    destination: bytes


def _lookup_turns() -> dict[str, Turn]:
    return {f"of {count:,}": _lookup_turn(count) for count in (100, 100_000)}


def _lookup_turn(count: int) -> Turn:
    sad: Sad[_Entry] = Sad()
    entries = _many(count)
    for entry in entries:
        sad.add(entry)
    spis = [entry.sa.spi.to_bytes(4, "big") for entry in entries]
    ends = [_Ends(entry.sa.source.packed, entry.sa.destination.packed) for entry in entries]
    rng = random.Random(0)
    for spi, packet in zip(rng.sample(spis, 20), rng.sample(ends, 20), strict=True):
        assert sad.find(spi, packet) is linear_search(entries, spi, packet)
    some = rng.choices(range(count), k=LOOKUPS)
    wanted = [  # octets of their own, as from packets
        (bytes(bytearray(spis[one])), _Ends(*(bytes(bytearray(end)) for end in ends[one]))) for one in some
    ]
    return lambda _: _timed(sad.find, wanted)


def _many(count: int) -> list[_Entry]:
    """SAs of all three degrees of match; every SPI is there for several destinations and sources."""
    template = security_association(_sa("in"))
    degrees = ("spi", "spi+destination", "spi+destination+source", "spi+destination+source")
    return [
        _Entry(
            replace(
                template,
                name=str(number),
                spi=0x1000 + number // len(degrees),
                lookup=degrees[number % len(degrees)],
                source=IPv4Address(0x0A000000 + number % len(degrees)),
                destination=IPv4Address(0x0B000000 + number // 2 % 250),
            )
        )
        for number in range(count)
    ]


# ----------------------------------------------------------------------------------------------------------- examples


def _example_turns() -> dict[str, Turn]:
    """Every check's examples, against the reference in process; the peer draws the same Cases and does nothing."""
    adapter = ReferenceAdapter()
    aim = target(adapter)
    checks = [check for check in all_checks().values() if run_check(check, adapter, aim, examples=1, seed=1).examples]

    def properties(number: int) -> tuple[float, int]:
        began = time.process_time()
        examples = 0
        for check in checks[number % MIN_ROUNDS :: MIN_ROUNDS]:
            result = run_check(check, adapter, aim, examples=EXAMPLES, seed=1)
            assert result.verdict is Verdict.PASS, result
            examples += result.examples
        return time.process_time() - began, examples

    def drawn(number: int) -> tuple[float, int]:
        began = time.process_time()
        examples = 0
        for check in checks[number % MIN_ROUNDS :: MIN_ROUNDS]:
            examples += _draw_only(check, aim, seed_of(1, check.id))
        return time.process_time() - began, examples

    return {"property": properties, "drawn": drawn}


def _draw_only(check: Check, aim: Target, seed: int) -> int:
    """A bare Hypothesis test with the Cases of a check and an empty body. How many examples it was called with."""
    called = 0

    @hypothesis_seed(seed)
    @settings_of(max(1, round(EXAMPLES * check.weight)))
    @given(cases_of(check, aim))
    def test(case: object) -> None:
        nonlocal called
        called += 1

    with no_borrowed_constants():
        test()
    return called
