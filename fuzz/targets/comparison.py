"""An implementation beside the reference: the same Case, judged by the suite's oracle and by what must always hold.

`lawful` holds for the reference itself, whatever arrives; so it is what finds mistakes of ours. An implementation that
is not the reference must besides do what the reference does.
"""

from collections.abc import Iterator

import msgspec

from espproof.adapters.base import Adapter, AdapterError, Transcript
from espproof.adapters.capabilities import Capabilities
from espproof.adapters.case import Case, Delivered, Dropped, Inbound, Octets, ReadState, Sa, State, Step
from espproof.conformance.oracle.judge import ESP, Oracle
from espproof.conformance.oracle.judgement import Incapable
from espproof.conformance.requirements.ids import AFTER_ICV, MALFORMED
from espproof.fuzz.targets.base import Violation
from espproof.reference import ip
from espproof.reference.drops import DropReason
from espproof.reference.errors import Malformed

BEHIND_ICV = frozenset(
    reason.value
    for reason in (
        DropReason.PADDING, DropReason.DUMMY, DropReason.MODE, DropReason.MALFORMED, DropReason.SELECTOR, DropReason.ECN,
    )
)  # fmt: skip
"""Reasons for which a packet whose ICV was right can be discarded: the window has advanced by then."""


class Comparison:
    """Executes Cases on an adapter, and on the reference if that is another one."""

    def __init__(self, adapter: Adapter, oracle: Oracle = ESP) -> None:
        self.adapter = adapter
        self._oracle = oracle
        self._caps = adapter.capabilities()
        self._alone = type(adapter) is oracle.reference

    def execute(self, case: Case) -> None:
        """Raises `Violation`, or what the implementation raised."""
        want = self._oracle.expected(case)
        for message in lawful(case, want):
            raise Violation(AFTER_ICV, f"the reference: {message}")
        if self._alone:
            return
        got = self.adapter.execute(case)
        judgement = self._oracle.judge(case, got, want, self._caps)
        if isinstance(judgement, Incapable):
            raise AdapterError(f"declared, and unsupported after all: {judgement.what}")
        for finding in judgement.findings:
            raise Violation(finding.requirement, finding.message, where=case.sas[0].mode if case.sas else "")


def one_packet(sa: Sa, octets: bytes, caps: Capabilities) -> Case:
    """The Case in which these octets arrive at one SA, whose state is read back where it can be."""
    arrives = Inbound(packet=Octets(octets), requirement=MALFORMED)
    steps: tuple[Step, ...] = (arrives, ReadState(sa=sa.name, requirement=AFTER_ICV)) if caps.read_state else (arrives,)
    return Case(version=1, sas=(sa,), steps=steps)


def with_outcomes(case: Case) -> Case:
    """The Case with what the reference does as the outcome expected of each step."""
    want = ESP.expected(case)
    steps = [msgspec.structs.replace(step, expect=right) for step, right in zip(case.steps, want.steps, strict=True)]
    return msgspec.structs.replace(case, steps=tuple(steps))


def lawful(case: Case, transcript: Transcript) -> Iterator[str]:
    """What is wrong with a transcript, whatever the octets were: sentences, none if all is well."""
    sas = {sa.name: sa for sa in case.sas}
    outcome = None
    for step, result in zip(case.steps, transcript.steps, strict=True):
        if isinstance(step, Inbound):
            outcome = result
            if isinstance(result, Delivered) and result.sa in sas:
                yield from whole_packet(sas[result.sa], result.packet)
        elif isinstance(step, ReadState) and isinstance(result, State):
            yield from _state(sas[step.sa], result, outcome)


def whole_packet(sa: Sa, packet: bytes) -> Iterator[str]:
    """A delivered packet is an IP packet, as long as it says."""
    try:
        if not packet:
            raise Malformed("an empty packet")
        length = ip.ipv4_length(packet) if packet[0] >> 4 == 4 else ip.ipv6_length(packet)
        if sa.mode == "transport":
            ip.parse(packet)
    except Malformed as error:
        yield f"delivered what is no IP packet: {error}"
        return
    if length != len(packet):
        yield f"delivered {len(packet)} octets, of which the packet claims {length}"


def _state(sa: Sa, state: State, outcome: object) -> Iterator[str]:
    delivered = isinstance(outcome, Delivered) and outcome.sa == sa.name
    if state.packets != delivered or bool(state.octets) > delivered:
        yield f"{state.packets} packets and {state.octets} octets are counted after one packet, delivered: {delivered}"
    authenticated = delivered or (isinstance(outcome, Dropped) and outcome.reason in BEHIND_ICV)
    if not authenticated and state.sequence != sa.sequence:
        yield "a packet that was not authenticated has moved the window"
