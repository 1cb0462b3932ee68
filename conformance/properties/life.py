"""The life of SAs, whole: `machines.sa_life` walks it at random."""

from hypothesis import strategies as st

from espproof.conformance.checks.registry import check
from espproof.conformance.checks.scenario import Scenario
from espproof.conformance.machines.sa_life import SaLife
from espproof.conformance.requirements.ids import DELETED, ICV_WRONG, INCREMENT, UNICAST

BOTH_SERVICES = "RFC4303-1-both-services-supported"
"""Not met by a sender whose keys are not those of its SA."""


@check(DELETED, UNICAST, INCREMENT, ICV_WRONG, weight=3.0, proved_by=("life-deleted-goes-on",))
def of_several(s: Scenario) -> None:
    """SAs are made, used, attacked, deleted and made again, in any order; each has its own state and no past."""
    s.need("delete_sa", s.caps.delete_sa)
    life = SaLife(s)
    for _ in range(s.draw(st.integers(2, 24))):
        life.step()


@check(
    DELETED,
    UNICAST,
    INCREMENT,
    BOTH_SERVICES,
    weight=2.0,
    proved_by=("life-window-by-spi", "life-counter-by-spi", "life-keys-of-before"),
)
def of_relatives(s: Scenario) -> None:
    """SAs that share SPI, keys, ends and ports, in both directions, made again with other algorithms and given numbers."""
    s.need("delete_sa", s.caps.delete_sa)
    life = SaLife(s, relatives=True)
    life.begin_with_relatives()
    for _ in range(s.draw(st.integers(2, 24))):
        life.step()
