"""What a card with offload takes, found out by asking for SAs one by one: `linux:host=crypto:DEV` and its relatives.

Cards are choosier than the kernel, and no two alike: algorithms, modes, IP versions, ESN, UDP encapsulation, windows,
lifetimes. An option is declared if an SA with it, and else as plain as can be, is taken in both directions. UDP
encapsulation is tried over IPv4 alone: the kernel's offload was extended to that, and to no more.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal

from msgspec.structs import replace

from espproof.adapters import probe
from espproof.adapters.base import AdapterError
from espproof.adapters.capabilities import Capabilities, ReplayWindows
from espproof.adapters.case import Done, Lifetime, Outcome, Sa, Selector, UdpEncapsulation

Outcomes = Callable[[Sequence[Sa]], Sequence[Outcome]]
"""What comes of adding each SA while there is no other."""
_UDP_OFFLOAD: tuple[Literal[4, 6], ...] = (4,)
_WINDOWS = (4096, 1024, 512, 256, 128, 64, 32)
_ADDRESSES = {"4": ("192.0.2.1", "192.0.2.2"), "6": ("2001:db8::1", "2001:db8::2")}


def narrowed(declared: Capabilities, outcomes: Outcomes) -> Capabilities:
    """The options that the card takes; algorithms are as they were. `AdapterError` if it takes nothing at all."""
    candidates = [replace(sa, mode=mode) for mode in declared.modes for _, sa in probe.candidates(declared)]
    told = outcomes(candidates)
    base = next((sa for sa, outcome in zip(candidates, told, strict=True) if isinstance(outcome, Done)), None)
    if base is None:
        raise AdapterError(f"the device takes none of {len(candidates)} SAs; of the first it says: {told[0]}")
    plain = base

    def takes(changes: dict[str, Any]) -> bool:
        return all(isinstance(outcome, Done) for outcome in outcomes(_both_ways(replace(plain, **changes))))

    def those(values: Iterable[Any], changes: Callable[[Any], dict[str, Any]]) -> tuple[Any, ...]:
        return tuple(value for value in values if takes(changes(value)))

    window = next((size for size in _WINDOWS if takes({"replay_window": size})), 0)
    smallest = min(window, declared.replay_windows.minimum if declared.replay_windows else window)
    windows = ReplayWindows(
        minimum=smallest, maximum=window, step=max(window - smallest, 1), off=takes({"replay_window": 0})
    )
    modes = those(declared.modes, lambda mode: {"mode": mode})
    families = [one for one in declared.families if "tunnel" in modes or one[0] == one[3]]
    return replace(
        declared,
        modes=modes,
        families=those(families, lambda family: _ends(family[3])),
        esn=those(declared.esn, lambda esn: {"esn": esn, "replay_window": window}),
        udp=those(_UDP_OFFLOAD, lambda version: _ends(str(version)) | {"udp": UdpEncapsulation()}),
        lifetimes=those(declared.lifetimes, lambda unit: {"lifetime": Lifetime(**{f"hard_{unit}": 1 << 20})}),
        selectors=declared.selectors and takes({"selectors": (Selector(protocol=17),)}),
        replay_windows=windows if window else None,
    )


def _ends(version: str) -> dict[str, Any]:
    source, destination = _ADDRESSES[version]
    return {"source": source, "destination": destination}


def _both_ways(sa: Sa) -> list[Sa]:
    back = replace(sa, direction="out", source=sa.destination, destination=sa.source, selectors=())
    return [replace(sa, direction="in"), back]
