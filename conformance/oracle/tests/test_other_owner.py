"""What the other owner of a packet's memory sees is held against the packet, asked for or not."""

import pytest

from espproof.adapters.base import Transcript
from espproof.adapters.capabilities import everything
from espproof.adapters.case import Case, Emerged, Enter, Host, Layout, Octets
from espproof.adapters.models.reference import ReferenceAdapter
from espproof.conformance.oracle.judge import ESP
from espproof.conformance.oracle.judgement import Judgement
from espproof.conformance.requirements.ids import CLONES_UNCHANGED, FRAGMENTS_READ_ONLY
from espproof.conformance.strategies import packets

_PACKET = Octets(packets.build(packets.Recipe(), *packets.hosts(4, "out")))
_OTHER = Octets(_PACKET[:-1] + b"\0")


def _judged(layout: Layout | None, seen: Octets | None) -> Judgement:
    """A host that does everything right, and of which this is told."""
    enter = Enter(side="plain", packet=_PACKET, layout=layout, requirement="RFC4301-5-consulted")
    case = Case(version=1, host=Host(addresses=("192.0.2.17",)), steps=(enter,))
    want = ReferenceAdapter().execute(case)
    (emerged,) = want.steps
    assert isinstance(emerged, Emerged)
    got = Transcript(want.setup, (Emerged(packets=emerged.packets, seen=seen),))
    judgement = ESP.judge(case, got, want, everything())
    assert isinstance(judgement, Judgement)
    return judgement


_CLONE, _PIECES = Layout(shared=True), Layout(pieces=(3,), shared=True)


@pytest.mark.parametrize(
    ("layout", "seen", "rule"),
    [
        (_CLONE, _OTHER, CLONES_UNCHANGED),
        (_CLONE, None, CLONES_UNCHANGED),
        (_PIECES, _OTHER, FRAGMENTS_READ_ONLY),
        (None, _OTHER, CLONES_UNCHANGED),
    ],
)
def test_what_has_changed_is_found(layout: Layout | None, seen: Octets | None, rule: str) -> None:
    """Other octets, or nothing told where something was asked for."""
    assert [finding.requirement for finding in _judged(layout, seen).findings] == [rule]


@pytest.mark.parametrize(("layout", "seen"), [(_CLONE, _PACKET), (_PIECES, _PACKET), (None, _PACKET), (None, None)])
def test_what_has_not_is_right(layout: Layout | None, seen: Octets | None) -> None:
    """And where it is told, it was put to the test."""
    judgement = _judged(layout, seen)
    assert not judgement.findings
    assert bool(judgement.tried & {CLONES_UNCHANGED, FRAGMENTS_READ_ONLY}) == (seen is not None)
