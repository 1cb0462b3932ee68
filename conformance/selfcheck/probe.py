"""What a probe of one capability is; see `probes`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from espproof.adapters.base import Transcript
from espproof.adapters.case import Case
from espproof.conformance.selfcheck.rig import Rig

Besides = Callable[[Rig, Case, Transcript], str | None]
"""What the oracle does not look at: says what is wrong with a transcript, or None."""


@dataclass(frozen=True, slots=True)
class Probe:
    """`what` is the capability in words; `make` builds the case (or raises `NotApplicable`).

    `judged` are changes of the capabilities for the oracle, so that it looks at what is probed. `optional`: the case
    may be carried out without what was asked for (a hint, a kind of packet), so that doing so undeclared is no fault.
    """

    what: str
    declared: bool
    make: Callable[[Rig], Case]
    judged: Mapping[str, Any] = field(default_factory=dict)
    optional: bool = False
    besides: Besides | None = None
