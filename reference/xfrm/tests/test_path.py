"""What a policy asks of a packet that arrives: the SAs that it came through, in their order."""

from ipaddress import ip_address

import pytest

from espproof.reference.endpoint import Entry
from espproof.reference.sa import SaState, SecurityAssociation
from espproof.reference.xfrm.path import TABLES, is_met
from espproof.reference.xfrm.policy import Template
from espproof.reference.xfrm.states import State


def state(
    name: str, *, mode: str = "tunnel", source: str = "198.51.100.42", reqid: int = 7, spi: int = 0x1000
) -> State:
    """An SA that receives."""
    sa = SecurityAssociation(
        name=name, direction="in", spi=spi, mode=mode,  # type: ignore[arg-type]
        source=ip_address(source), destination=ip_address("192.0.2.17" if "." in source else "2001:db8:1::a1"),
        encr="ENCR_NULL", auth="AUTH_HMAC_SHA1_96", auth_key=bytes(20),
    )  # fmt: skip
    return State(Entry(sa, SaState()), reqid)


def asked(one: State, *, optional: bool = False, reqid: int | None = None, spi: int = 0) -> Template:
    """What asks for that SA."""
    ends = (one.sa.source, one.sa.destination) if one.sa.mode == "tunnel" else (None, None)
    wanted = one.reqid if reqid is None else reqid
    return Template(mode=one.sa.mode, source=ends[0], destination=ends[1], reqid=wanted, spi=spi, optional=optional)


OUTER, INNER = state("outer"), state("inner", source="198.51.100.201", reqid=8, spi=0x2000)
PLAIN, OTHER = state("plain", mode="transport", reqid=9), state("other", source="198.51.100.9", reqid=7)
SIX, ITS_NEIGHBOUR = state("six", source="2001:db8:2::1"), state("neighbour", source="2001:db8:3::1")
NEVER = state("never", mode="transport", reqid=77)


@pytest.mark.parametrize(
    ("templates", "through", "met"),
    [
        ((), (), True),
        ((), (PLAIN,), True),
        ((), (OUTER,), False),
        ((asked(OUTER),), (), False),
        ((asked(OUTER),), (OUTER,), True),
        ((asked(OUTER),), (OTHER,), False),
        ((asked(SIX),), (ITS_NEIGHBOUR,), False),
        ((asked(OUTER, reqid=8),), (OUTER,), False),
        ((asked(OUTER, reqid=0),), (OUTER,), True),
        ((asked(OUTER, spi=0x1000),), (OUTER,), True),
        ((asked(OUTER, spi=0x1001),), (OUTER,), False),
        ((asked(INNER), asked(OUTER)), (OUTER, INNER), True),
        ((asked(OUTER), asked(INNER)), (OUTER, INNER), False),
        ((asked(INNER),), (OUTER, INNER), False),
        ((asked(OUTER),), (OUTER, INNER), False),
        ((asked(OUTER),), (PLAIN, OUTER), True),
        ((asked(OUTER), asked(PLAIN)), (PLAIN, OUTER), True),
        ((asked(NEVER, optional=True), asked(OUTER)), (OUTER,), True),
        ((asked(INNER, optional=True), asked(OUTER)), (OUTER,), True),
        ((asked(INNER), asked(OUTER, optional=True)), (INNER,), True),
        ((asked(INNER, optional=True),), (OUTER,), False),
    ],
)
def test_what_is_met(templates: tuple[Template, ...], through: tuple[State, ...], met: bool) -> None:
    """The last template is for the outermost SA; a tunnel that nobody asked for is one too many."""
    assert is_met(templates, through) is met


def test_every_stage_says_what_it_is() -> None:
    """Each has a name of its own in its table, and what it can raise."""
    for stages in TABLES.values():
        assert len({stage.name for stage in stages}) == len(stages)
        assert all(stage.raises for stage in stages)
