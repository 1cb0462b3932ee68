"""Lifetimes: each limit, soft and hard, at its edge and together with others."""

import pytest

from espproof.reference.lifetime import UNLIMITED, Lifetime, LifetimeStatus

BOTH = Lifetime(soft_packets=3, hard_packets=5, soft_octets=100, hard_octets=200, soft_seconds=10, hard_seconds=20)
TABLE: tuple[tuple[Lifetime, int, int, float, LifetimeStatus], ...] = (
    # limits, packets, octets, seconds, status
    (UNLIMITED, 2**40, 2**60, 1e12, "ok"),
    (Lifetime(hard_packets=5), 4, 0, 0, "ok"),
    (Lifetime(hard_packets=5), 5, 0, 0, "hard"),
    (Lifetime(hard_packets=5), 6, 0, 0, "hard"),
    (Lifetime(soft_packets=5), 4, 0, 0, "ok"),
    (Lifetime(soft_packets=5), 5, 0, 0, "soft"),
    (Lifetime(soft_octets=100), 0, 99, 0, "ok"),
    (Lifetime(soft_octets=100), 0, 100, 0, "soft"),
    (Lifetime(hard_octets=100), 0, 99, 0, "ok"),
    (Lifetime(hard_octets=100), 0, 100, 0, "hard"),
    (Lifetime(soft_seconds=10), 0, 0, 9.999, "ok"),
    (Lifetime(soft_seconds=10), 0, 0, 10, "soft"),
    (Lifetime(hard_seconds=10), 0, 0, 9.999, "ok"),
    (Lifetime(hard_seconds=10), 0, 0, 10, "hard"),
    (Lifetime(hard_packets=0), 0, 0, 0, "hard"),
    (BOTH, 2, 99, 9, "ok"),
    (BOTH, 3, 99, 9, "soft"),
    (BOTH, 2, 100, 9, "soft"),
    (BOTH, 2, 99, 10, "soft"),
    (BOTH, 5, 0, 0, "hard"),
    (BOTH, 0, 200, 0, "hard"),
    (BOTH, 0, 0, 20, "hard"),
    (BOTH, 3, 100, 20, "hard"),
)


@pytest.mark.parametrize(("limits", "packets", "octets", "seconds", "status"), TABLE)
def test_status(limits: Lifetime, packets: int, octets: int, seconds: float, status: LifetimeStatus) -> None:
    """A limit is reached when as much was carried; whichever is first counts, and hard before soft."""
    assert limits.status(packets, octets, seconds) == status
