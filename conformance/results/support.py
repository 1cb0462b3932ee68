"""What the documents want to be there, held against what an implementation declares: it is there, or it is *lacking*.

A requirement of the catalogue that says MUST or SHOULD be supported names in `support` what it wants. Not to be able to do
anything else is a limit of the implementation, and what needs it is inapplicable.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from espproof.adapters.capabilities import Capabilities
from espproof.conformance.requirements.catalogue import Requirement
from espproof.reference.algorithms import ENCRYPTION

_MINIMUM_WINDOW = 32
_PREFERRED_WINDOW = 64
_WITHOUT_SECRECY = frozenset({"ENCR_NULL", "ENCR_NULL_AUTH_AES_GMAC"})


def _sends(caps: Capabilities, mode: str = "") -> bool:
    return "out" in caps.directions and (not mode or mode in caps.modes)


def _receives(caps: Capabilities) -> bool:
    return "in" in caps.directions


def _largest_window(caps: Capabilities) -> int:
    return caps.replay_windows.maximum if caps.replay_windows is not None else 0


def _short_keys(encr: str) -> Callable[[Capabilities], bool]:
    """Of a cipher that is there at all, which another requirement asks for, or none."""
    return lambda caps: 16 in caps.encryption.get(encr, (16,))


SUPPORT: Mapping[str, Callable[[Capabilities], bool]] = MappingProxyType(
    {
        "anti-replay": lambda caps: not _receives(caps) or caps.replay_windows is not None,
        "replay window 32": lambda caps: (
            not _receives(caps) or (caps.replay_windows is not None and caps.replay_windows.allows(_MINIMUM_WINDOW))
        ),
        "replay window of 64 or more": lambda caps: not _receives(caps) or _largest_window(caps) >= _PREFERRED_WINDOW,
        "esn": lambda caps: True in caps.esn,
        "resynchronise": lambda caps: not _receives(caps) or True not in caps.esn or caps.resynchronise,
        "dummy": lambda caps: not _sends(caps) or caps.dummy,
        "mode tunnel": lambda caps: "tunnel" in caps.modes,
        "integrity alone": lambda caps: not caps.encryption.keys().isdisjoint(_WITHOUT_SECRECY),
        "df copy": lambda caps: (
            not _sends(caps, "tunnel") or "copy" in caps.df or all(family[3] == "6" for family in caps.families)
        ),
        "ecn normal": lambda caps: not _sends(caps, "tunnel") or "normal" in caps.ecn,
        **{f"{encr}-128": _short_keys(encr) for encr in ENCRYPTION},
    }
)
"""What is wanted -> whether it is there, or cannot be wanted of an implementation that, say, only receives."""


def lacking(requirement: Requirement, caps: Capabilities) -> bool:
    """Whether the implementation has not what this requirement wants to be there."""
    return bool(requirement.support) and not SUPPORT[requirement.support](caps)
