"""`seeded:<defect>`: the reference with one historical mistake in it, as an implementation under test.

The suite must find every one of them (`espproof score`); a check that has found none has not been seen to fail. `model`
says what a defect is, `catalogue` lists them, `load` makes the copy of the reference that has it.
"""

import difflib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from msgspec.structs import replace

from espproof.adapters.base import AdapterFailure, Crashed
from espproof.adapters.capabilities import Capabilities
from espproof.adapters.case import (
    Burst,
    Delivered,
    Done,
    Dropped,
    InboundBurst,
    Octets,
    OutboundBurst,
    Outcome,
    Passed,
    Refused,
    Sa,
    Sent,
    State,
    Step,
    Unsupported,
)
from espproof.adapters.models.connectx import ConnectXAdapter
from espproof.adapters.models.fortville import FortvilleAdapter
from espproof.adapters.models.lookaside import LookasideAdapter
from espproof.adapters.models.niantic import NianticAdapter
from espproof.adapters.models.reference import ReferenceAdapter
from espproof.adapters.seeded.catalogue import DEFECTS
from espproof.adapters.seeded.load import copy_with
from espproof.adapters.seeded.model import Defect
from espproof.reference.errors import Misuse

__all__ = ["DEFECTS", "Defect", "Delivered", "Dropped", "Passed", "SeededAdapter", "Sent", "by_id", "seeded"]


def by_id(name: str) -> Defect:
    """The defect of that id; `Misuse` with the nearest ids if there is none."""
    if name in DEFECTS:
        return DEFECTS[name]
    near = difflib.get_close_matches(name, DEFECTS, n=5, cutoff=0.4)
    hint = f"; did you mean {', '.join(near)}?" if near else ""
    raise Misuse(f"no seeded defect {name!r}{hint}")


class _Seeded(ReferenceAdapter):
    """An exception in the copy is what a crash is in C, and reported as one."""

    defect: Defect

    @property
    def version(self) -> str:
        return self.defect.source

    def reset(self) -> None:
        with _crashes():
            super().reset()

    def add_sa(self, sa: Sa) -> Done | Refused | Unsupported:
        with _crashes():
            return super().add_sa(sa)

    def take(self, step: Step) -> Outcome:
        with _crashes():
            return super().take(step)


class SeededAdapter(_Seeded):
    """The reference with one defect.

    A copy whose `Endpoint` has `inbound_burst` or `outbound_burst` gets bursts whole: several defects are at home there.
    One whose `Endpoint` has `probes` sends these packets on a new outbound SA before it is asked for any; `probed` is the
    number behind which it then goes on.
    """

    def __init__(self, defect: str) -> None:
        self.defect = by_id(defect)
        self.name = f"seeded:{defect}"
        super().__init__(copy_with(self.defect))

    def capabilities(self) -> Capabilities:
        endpoint, caps = self._modules.endpoint.Endpoint, super().capabilities()
        if not hasattr(endpoint, "probes"):
            return caps
        return replace(caps, set_sequence=False, sequence_start=endpoint.probed, read_state=(*caps.read_state, "early"))

    def read_state(self, name: str) -> State | Refused | Unsupported:
        state, probes = super().read_state(name), getattr(self._endpoint, "probes", None)
        if probes is None or isinstance(state, Refused) or self._endpoint.entry(name).sa.direction == "in":
            return state
        return replace(state, early=tuple(map(Octets, probes(name))))

    def inbound_burst(self, step: InboundBurst) -> Burst | Unsupported:
        whole: Callable[..., list[Any]] | None = getattr(self._endpoint, "inbound_burst", None)
        if whole is None:
            return super().inbound_burst(step)
        return Burst(results=tuple(map(self._received, whole([bytes(p) for p in step.packets], self._now))))

    def outbound_burst(self, step: OutboundBurst) -> Burst | Refused | Unsupported:
        whole: Callable[..., list[Any]] | None = getattr(self._endpoint, "outbound_burst", None)
        if whole is None:
            return super().outbound_burst(step)
        results = whole(step.sa, [bytes(packet) for packet in step.packets], self._now)
        return Burst(results=tuple(map(self._sent, results)))


class SeededNiantic(_Seeded, NianticAdapter):
    """A model of a device, its driver and the stack above, with one defect in one of them; of the chip as a whole, or of a
    function."""

    def __init__(self, defect: Defect) -> None:
        self.defect = defect
        NianticAdapter.__init__(self, defect.model.partition(":")[2], copy_with(defect))
        self.name = f"seeded:{defect.id}"


class SeededConnectX(_Seeded, ConnectXAdapter):
    """The same."""

    def __init__(self, defect: Defect) -> None:
        self.defect = defect
        ConnectXAdapter.__init__(self, defect.model.partition(":")[2], copy_with(defect))
        self.name = f"seeded:{defect.id}"


class SeededLookaside(_Seeded, LookasideAdapter):
    """The same."""

    def __init__(self, defect: Defect) -> None:
        self.defect = defect
        LookasideAdapter.__init__(self, modules=copy_with(defect))
        self.name = f"seeded:{defect.id}"


class SeededFortville(_Seeded, FortvilleAdapter):
    """The same, of either function."""

    def __init__(self, defect: Defect) -> None:
        self.defect = defect
        FortvilleAdapter.__init__(self, defect.model.partition(":")[2], copy_with(defect))
        self.name = f"seeded:{defect.id}"


_DEVICES: dict[str, Callable[[Defect], _Seeded]] = {
    "niantic": SeededNiantic,
    "niantic:vf": SeededNiantic,
    "connectx": SeededConnectX,
    "connectx:packet": SeededConnectX,
    "lookaside": SeededLookaside,
    "fortville": SeededFortville,
    "fortville:vf": SeededFortville,
}
"""By `Defect.model`."""


def seeded(name: str) -> _Seeded:
    """The implementation with that defect. `Misuse` if there is none of that id."""
    defect = by_id(name)
    return _DEVICES[defect.model](defect) if defect.model in _DEVICES else SeededAdapter(name)


@contextmanager
def _crashes() -> Iterator[None]:
    try:
        yield
    except AdapterFailure:
        raise
    except Exception as error:
        raise Crashed(f"{type(error).__name__}: {error}") from error
