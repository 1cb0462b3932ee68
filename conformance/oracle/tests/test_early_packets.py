"""Packets that an SA has sent before anybody could give it one: judged like any other, told or not counted as shown."""

import json

import pytest
from msgspec.structs import replace

from espproof.adapters.base import Transcript
from espproof.adapters.capabilities import Capabilities, everything
from espproof.adapters.case import (
    Case,
    Done,
    Octets,
    Outbound,
    ReadState,
    Refused,
    Sa,
    SequenceNumber,
    State,
    Unsupported,
)
from espproof.adapters.exec import messages
from espproof.adapters.exec.harness import Harness
from espproof.adapters.models.reference import ReferenceAdapter
from espproof.adapters.seeded import SeededAdapter
from espproof.adapters.translate import entry
from espproof.conformance.checks.registry import all_checks
from espproof.conformance.export.pcap import packets
from espproof.conformance.oracle import outbound as rules
from espproof.conformance.oracle.judge import judge
from espproof.conformance.oracle.judgement import Judgement
from espproof.conformance.oracle.shown import icv_rule, iv_rule
from espproof.conformance.oracle.verdict import Verdict
from espproof.conformance.replay.walk import walk
from espproof.conformance.requirements import ids
from espproof.conformance.results.check import CheckResult
from espproof.conformance.running.check import run_check, target
from espproof.reference import endpoint, ip

CHECK = "sequence.first-packet"
ABOUT = ids.FIRST_ONE
CAPS = replace(
    everything(), set_sequence=False, sequence_start=2, read_state=(*everything().read_state, "early")
)  # fmt: skip
TUNNEL = Sa(
    name="out", direction="out", spi=0x1A2B3C4D, mode="tunnel", source="192.0.2.1", destination="192.0.2.2",
    encr="ENCR_AES_GCM_16", encr_key=Octets(range(1, 17)), salt=Octets(b"\xa1\xb2\xc3\xd4"), sequence=SequenceNumber(2),
)  # fmt: skip
TRANSPORT = replace(TUNNEL, mode="transport")
INSIDE = ip.build_ipv4(b"\xc0\0\2\1", b"\xc0\0\2\2", 253, b"are you here")


def right(number: int, sa: Sa = TUNNEL, **options: int) -> bytes:
    protected = endpoint.encapsulate(entry(sa), INSIDE, number, **options)  # type: ignore[arg-type]
    assert isinstance(protected, bytes)
    return protected


def sealed(plaintext: bytes, number: int) -> bytes:
    """Any plaintext, trailer included, under a right ICV."""
    its = entry(TUNNEL)
    protected = endpoint.wrap(its, INSIDE, its.codec.seal(plaintext, number, its.iv_source(number)))
    assert isinstance(protected, bytes)
    return protected


def judged(early: tuple[bytes, ...] | None, sa: Sa = TUNNEL, reads: int = 1) -> Judgement:
    """What is found in a case that reads the state, and only that."""
    case = Case(version=1, sas=(sa,), steps=(ReadState(sa="out", requirement=ABOUT),) * reads)
    want = ReferenceAdapter().execute(case)
    told = tuple(replace(one, early=None if early is None else tuple(map(Octets, early))) for one in want.steps)
    judgement = judge(case, Transcript((Done(),), told), want, CAPS)
    assert isinstance(judgement, Judgement)
    return judgement


def findings(*early: bytes, sa: Sa = TUNNEL) -> list[str]:
    return [finding.requirement for finding in judged(early, sa).findings]


@pytest.mark.parametrize("sa", [TUNNEL, TRANSPORT], ids=["tunnel", "transport"])
def test_right_ones_are_right(sa: Sa) -> None:
    """Numbers from 1 to the one that the SA came with, around whatever the implementation likes."""
    assert findings(right(1, sa), right(2, sa), sa=sa) == []
    assert judged((right(1, sa), right(2, sa)), sa).tried >= {ids.FIRST_ONE, ids.INCREMENT, ids.DEFAULT_PADDING}


def test_a_dummy_is_a_packet() -> None:
    """It has a number, and contents that nobody looks at."""
    assert findings(right(1, dummy=True), right(2)) == []


WRONG: list[tuple[str, tuple[bytes, ...], list[str]]] = [
    ("the first has number 0", (right(0), right(1), right(2)), [ids.FIRST_ONE]),
    ("a number is left out", (right(1), right(3)), [ids.INCREMENT, ids.INCREMENT]),
    ("a number comes twice, and its IV", (right(1), right(1), right(2)), [ids.INCREMENT, iv_rule(TUNNEL.encr)]),
    ("they end too late", (right(1), right(2), right(3)), [ids.INCREMENT]),
    ("they end too soon", (right(1),), [ids.INCREMENT]),
    ("there are none", (), [ids.INCREMENT]),
    ("no IP packet", (b"\x10", right(2)), [rules.WELL_FORMED]),
    ("too short for ESP", (ip.build_ipv4(b"\xc0\0\2\1", b"\xc0\0\2\2", 50, b"\x1a"), right(2)), [rules.WELL_FORMED]),
    ("another SPI", (right(1, replace(TUNNEL, spi=5)), right(2)), [rules.SPI]),
    ("another key", (right(1), right(2, replace(TUNNEL, salt=Octets(b"salt")))), [icv_rule(TUNNEL)]),
    ("other addresses", (right(1, replace(TUNNEL, source="192.0.2.9")), right(2)), [rules.ADDRESSES[4]]),
    ("TFC padding", (right(1, tfc=40), right(2)), [rules.TFC_NOT_ASKED]),
    ("other padding", (sealed(INSIDE + b"\7\7\2\4", 1), right(2)), [ids.DEFAULT_PADDING]),
    ("a pad length beyond the packet", (sealed(b"\1\2\xff\4", 1), right(2)), [ids.PAD_LENGTH]),
    ("another next header", (sealed(INSIDE + b"\1\2\2\x11", 1), right(2)), [ids.NEXT_HEADER]),
    ("half a packet inside", (sealed(INSIDE[:22] + b"\0\4", 1), right(2)), [ids.NEXT_HEADER]),
]  # fmt: skip


@pytest.mark.parametrize(("early", "told"), [row[1:] for row in WRONG], ids=[row[0] for row in WRONG])
def test_what_is_wrong_is_told(early: tuple[bytes, ...], told: list[str]) -> None:
    """By the requirement that an asked-for packet would not meet; one number too many is no series of findings."""
    assert findings(*early) == told


def test_an_iv_that_comes_again_is_found() -> None:
    """Also between a packet that was sent early and one that was asked for."""
    again = replace(TUNNEL, sequence=SequenceNumber(1))
    steps = (ReadState(sa="out", requirement=ABOUT), Outbound(sa="out", packet=Octets(INSIDE)))
    case = Case(version=1, sas=(again,), steps=steps)
    done = ReferenceAdapter().execute(case)
    first = endpoint.encapsulate(entry(again), INSIDE, 1, entry(again).iv_source(1))
    assert isinstance(first, bytes)
    got = replace(done, steps=(State(early=(Octets(first),)), done.steps[1]))
    judgement = judge(case, got, done, replace(CAPS, read_state=("early",)))
    assert isinstance(judgement, Judgement)
    assert [finding.message for finding in judgement.findings] == [rules.SAME_IV]


def test_told_again_they_are_not_judged_again() -> None:
    """They were sent once."""
    assert judged((right(1), right(2)), reads=2).findings == ()
    assert len(judged((right(0), right(1), right(2)), reads=2).findings) == 1


def test_declared_and_not_told_is_no_pass() -> None:
    """Who says that he tells them is held to it."""
    assert [finding.requirement for finding in judged(None).findings] == [ABOUT]


def test_where_numbers_are_set_nothing_is_early() -> None:
    """An SA that starts anywhere has a last number, and no packet that had it."""
    case = Case(version=1, sas=(replace(TUNNEL, sequence=SequenceNumber(77)),), steps=(ReadState(sa="out"),))
    done = ReferenceAdapter().execute(case)
    judgement = judge(case, done, done, replace(CAPS, set_sequence=True))
    assert judgement == Judgement((), frozenset())


class Prober(ReferenceAdapter):
    """Sends two packets on a new SA, as it should."""

    declared: Capabilities = CAPS

    def capabilities(self) -> Capabilities:
        return self.declared

    def read_state(self, name: str) -> State | Refused | Unsupported:
        state = super().read_state(name)
        if not isinstance(state, State) or self._endpoint.entry(name).sa.direction == "in":
            return state
        its = self._endpoint.entry(name)
        ends = its.sa.source.packed, its.sa.destination.packed
        build = ip.build_ipv4 if len(ends[0]) == 4 else ip.build_ipv6
        ivs = {number: its.iv_source(its.sa.spi << 32 | number) for number in (1, 2)}
        sent = [endpoint.encapsulate(its, build(*ends, 253, b"probe"), number, iv) for number, iv in ivs.items()]
        return replace(state, early=tuple([Octets(one) for one in sent if isinstance(one, bytes)]))


class Silent(Prober):
    """The same, and nobody has seen them."""

    declared = replace(CAPS, read_state=everything().read_state)


def run(adapter: ReferenceAdapter) -> CheckResult:
    return run_check(all_checks()[CHECK], adapter, target(adapter), examples=15, seed=1)


STATEFUL = [check for check in all_checks().values() if check.family in ("sequence", "esn", "iv", "lifetime", "life")]


def found_by(adapter: ReferenceAdapter) -> dict[str, str]:
    """Check -> requirement, of the first finding of each check that looks at numbers, IVs or states."""
    aim, found = target(adapter), {}
    for check in STATEFUL:
        for one in run_check(check, adapter, aim, examples=8, seed=1, findings=1).counterexamples:
            found[check.id] = one.requirement
    return found


def test_who_probes_rightly_passes() -> None:
    """No check takes the packets that were sent early for something else."""
    assert found_by(Prober()) == {}


def test_what_nobody_has_seen_is_not_passed() -> None:
    """The first number of an SA is told, asked for, or not looked at."""
    assert run(Prober()).verdict is Verdict.PASS
    assert run(Silent()).verdict is Verdict.INAPPLICABLE


class Blind(SeededAdapter):
    """A defect of early packets, and an adapter that has not seen them."""

    def capabilities(self) -> Capabilities:
        return replace(super().capabilities(), read_state=everything().read_state)


@pytest.mark.parametrize(
    ("defect", "requirement"),
    [("sequence-first-probe-is-zero", ids.FIRST_ONE), ("sequence-probes-not-counted", ids.INCREMENT)],
)
def test_a_defect_before_the_case_is_found_where_it_is_told(defect: str, requirement: str) -> None:
    """By nobody who has not seen the packets."""
    assert run(SeededAdapter(defect)).counterexamples[0].requirement == requirement
    assert found_by(Blind(defect)) == {}


def test_they_are_shown_and_exported() -> None:
    """A walk has them as packets, a capture as what left; a program says them in hexadecimal."""
    adapter = SeededAdapter("sequence-first-probe-is-zero")
    case = Case(version=1, sas=(TUNNEL,), steps=(ReadState(sa="out", requirement=ABOUT),))
    done = adapter.execute(case)
    (state,) = done.steps
    assert isinstance(state, State)
    assert state.early is not None
    (step,) = walk(case, adapter).steps
    assert tuple(packet.octets for packet in step.got_packets) == state.early
    assert [octets for _, _, octets in packets(case, done)] == list(state.early)
    answer = json.loads(Harness(adapter).answer(messages.request(1, ReadState(sa="out"))))
    assert answer["early"] == [packet.hex() for packet in state.early]
