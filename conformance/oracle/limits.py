"""What is left open of hard limits: whether the packet that reaches one passes, and whether the SA ends with it or with
the packet behind it (RFC 4301 4.4.2.1 and RFC 2367 3.1.8 say neither).

The reference lets it pass and ends the SA with the packet behind it, which then is counted as one whose SA has expired.
"""

from collections.abc import Iterator, Mapping, Sequence

from espproof.adapters.case import Case, EmergedPacket

_ENDS = (("XfrmInStateExpired", "XfrmInNoStates"), ("XfrmOutStateExpired", "XfrmOutNoStates"))


class Limits:
    """Which packets reach a limit in packets of the inbound SA that they came through."""

    def __init__(self, case: Case) -> None:
        limits = {sa.name: sa.lifetime.hard_packets for sa in case.every_sa() if sa.direction == "in"}
        self._left = {name: limit for name, limit in limits.items() if limit is not None}

    def reaching(self, packets: Sequence[EmergedPacket]) -> list[EmergedPacket]:
        """Those among the next packets that the reference delivers, which need not be delivered."""
        found = []
        for one in packets:
            for name in self._left.keys() & set(one.through):
                self._left[name] -= 1
                found += [one] if not self._left[name] else []
        return found


def other_counts(want: Mapping[str, int]) -> Iterator[dict[str, int]]:
    """What hosts count that end SAs with the packet that reaches the limit, where the reference counts `want`: what comes
    later finds no SA, and the packet that has reached the limit may be counted too."""
    for expired, unknown in _ENDS:
        count = want.get(expired, 0)
        if count:
            later = want.get(unknown, 0) + count
            yield {name: value for name, value in want.items() if name != expired} | {unknown: later}
            yield {**want, unknown: later}
