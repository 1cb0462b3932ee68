"""Which SA options are tried together: rows of a covering array over everything that an implementation declares.

Interactions beat single features (ESN × UDP encapsulation × mode × address family …), so the options are not drawn one
by one: a greedy covering array lists rows such that every feasible pair of option values stands in at least one of
them, simplest row first, and a scenario draws one row. `pairs_of` says which pairs a row covers; the result of a run
tells how many of all pairs its cases have covered.
"""

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from typing import Any

import msgspec

from espproof.adapters.capabilities import Capabilities
from espproof.adapters.case import Sa
from espproof.reference.algorithms import ENCRYPTION


@dataclass(frozen=True, slots=True, order=True)
class Options:
    """One value per option of an SA. `family` is inner-in-outer IP version; window sizes are in packets, 0 is off."""

    encr: str
    key_size: int
    auth: str
    mode: str
    family: str
    esn: bool
    udp: bool
    replay_window: int
    dscp: str
    ecn: str
    df: str


FACTORS = tuple(Options.__dataclass_fields__)
TUNNEL_ONLY = ("dscp", "ecn", "df")
_CANDIDATES = 12
"""Random rows tried for each row that is kept: more gives fewer rows and takes longer."""


def space_of(caps: Capabilities) -> "OptionSpace":
    """That of these capabilities, made once."""
    return _space(msgspec.json.encode(caps))


@lru_cache(maxsize=32)
def _space(caps: bytes) -> "OptionSpace":
    return OptionSpace(msgspec.json.decode(caps, type=Capabilities))


class OptionSpace:
    """The values, rows and pairs of one set of capabilities. Costs some 100 ms: see `space_of`."""

    def __init__(self, caps: Capabilities) -> None:
        self._caps = caps
        self.domains: dict[str, tuple[Any, ...]] = {
            "encr": tuple(caps.encryption),
            "key_size": tuple(sorted({size for sizes in caps.encryption.values() for size in sizes})),
            "auth": caps.integrity,
            "mode": tuple(sorted(caps.modes, reverse=True)),
            "family": caps.families,
            "esn": tuple(sorted(caps.esn)),
            "udp": (False, True) if caps.udp else (False,),
            "replay_window": window_sizes(caps),
            "dscp": caps.dscp or ("copy",),
            "ecn": caps.ecn or ("normal",),
            "df": caps.df or ("copy",),
        }
        self.pairs = frozenset(
            pair
            for first, second in combinations(FACTORS, 2)
            for a in self.domains[first]
            for b in self.domains[second]
            if self._complete({first: a, second: b}, random.Random(0)) is not None
            for pair in [((first, a), (second, b))]
        )
        self.rows = tuple(sorted(self._covering_array(), key=self._simplicity))
        self._selected: dict[tuple[tuple[str, Any], ...], tuple[Options, ...]] = {}

    def select(self, **fixed: Any) -> tuple[Options, ...]:
        """The rows with these values; a row per free value of the rest is made up where no row has them all.

        A value may be a tuple of allowed values. Empty if the capabilities do not allow it.
        """
        key = tuple(sorted(fixed.items()))
        if key not in self._selected:
            rows = [row for row in self.rows if _matches(row, fixed)]
            self._selected[key] = tuple(rows) or tuple(self._made_up(fixed))
        return self._selected[key]

    def _made_up(self, fixed: Mapping[str, Any]) -> Iterator[Options]:
        rng = random.Random(0)
        for _ in range(_CANDIDATES if () not in fixed.values() else 0):
            chosen = {name: rng.choice(value) if isinstance(value, tuple) else value for name, value in fixed.items()}
            if all(value in self.domains[name] for name, value in chosen.items()):
                row = self._complete(chosen, rng)
                if row is not None:
                    yield Options(**row)

    def _covering_array(self) -> Iterator[Options]:
        rng = random.Random(0)
        open_pairs = set(self.pairs)
        while open_pairs:
            seed = dict(min(open_pairs, key=repr))
            candidates = [row for _ in range(_CANDIDATES) if (row := self._complete(seed, rng)) is not None]
            best = max((Options(**row) for row in candidates), key=lambda row: len(open_pairs & pairs_of(row)))
            open_pairs -= pairs_of(best)
            yield best

    def _complete(self, partial: Mapping[str, Any], rng: random.Random) -> dict[str, Any] | None:
        """A feasible row that has these values, the rest at random; None if there is none."""
        row = dict(partial)
        for name in FACTORS:
            if name not in row:
                values = [value for value in self.domains[name] if self.feasible({**row, name: value})]
                if not values:
                    return None
                row[name] = rng.choice(values)
        return row if self.feasible(row) else None

    def feasible(self, row: Mapping[str, Any]) -> bool:
        """Whether the values of a (partial) row can stand together; absent options do not count."""
        encr, auth, mode, family = (row.get(name) for name in ("encr", "auth", "mode", "family"))
        if encr is not None and row.get("key_size") is not None and row["key_size"] not in self._caps.encryption[encr]:
            return False
        if encr is not None and auth is not None and (auth == "NONE") != ENCRYPTION[encr].aead:
            return False
        if row.get("udp") and family is not None and int(family[3]) not in self._caps.udp:
            return False
        if mode == "transport":
            if family is not None and family[0] != family[3]:
                return False
            return all(row.get(name) in (None, self.domains[name][0]) for name in TUNNEL_ONLY)
        return True

    def _simplicity(self, row: Options) -> tuple[int, ...]:
        return tuple(self.domains[name].index(getattr(row, name)) for name in reversed(FACTORS))


def _matches(row: Options, fixed: Mapping[str, Any]) -> bool:
    return all(
        getattr(row, name) in value if isinstance(value, tuple) else getattr(row, name) == value
        for name, value in fixed.items()
    )


def pairs_of(row: Options) -> set[tuple[tuple[str, Any], tuple[str, Any]]]:
    """The pairs of option values that stand in one row."""
    values = [(name, getattr(row, name)) for name in FACTORS]
    return set(combinations(values, 2))


def options_of(sa: Sa, inner_version: int) -> Options:
    """The row that an SA stands for."""
    outer_version = 6 if ":" in sa.destination else 4
    return Options(
        encr=sa.encr,
        key_size=len(sa.encr_key),
        auth=sa.auth,
        mode=sa.mode,
        family=f"{inner_version}in{outer_version}",
        esn=sa.esn,
        udp=sa.udp is not None,
        replay_window=sa.replay_window,
        dscp="copy" if sa.dscp == "copy" else "fixed",
        ecn=sa.ecn,
        df=sa.df,
    )


def window_sizes(caps: Capabilities) -> tuple[int, ...]:
    """Sizes worth trying: the common ones, ones that are no multiple of a machine word, the ends, and off."""
    windows = caps.replay_windows
    if windows is None:
        return (0,)
    wanted = (64, 32, 33, 63, 65, 128, 1000, 1024, 4096, windows.minimum, min(windows.maximum, 1 << 20), 0)
    return tuple(size for size in dict.fromkeys(wanted) if size <= 1 << 20 and windows.allows(size))
