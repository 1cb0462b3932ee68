"""Does it start, and is what it says about itself constant, valid and consistent?"""

from collections.abc import Callable, Iterator
from functools import partial

from espproof.adapters.base import Adapter
from espproof.adapters.capabilities import Capabilities
from espproof.adapters.case import from_plain, to_plain
from espproof.conformance.selfcheck.item import NotApplicable, Question, Trouble
from espproof.conformance.selfcheck.rig import Rig
from espproof.reference.algorithms import ENCRYPTION, INTEGRITY
from espproof.reference.errors import Misuse


def _in_time(rig: Rig) -> str | None:
    if rig.seconds_to_start > rig.start_limit:
        return f"it took {rig.seconds_to_start:.1f} s to make the adapter; {rig.start_limit:g} s is the limit"
    return None


def _version(rig: Rig) -> str | None:
    versions = [_said(partial(getattr, one, "version"), "version") for one in _both(rig)]
    if not isinstance(versions[0], str) or not versions[0].strip() or versions[0] == "?":
        return f"the version is {versions[0]!r}"
    return None if versions == [versions[0]] * len(versions) else "the version is not always the same"


def _constant(rig: Rig) -> str | None:
    for one in _both(rig):
        if _said(one.capabilities, "capabilities()") != rig.caps:
            return "capabilities() does not always say the same"
    return None


def _both(rig: Rig) -> list[Adapter]:
    return [rig.adapter, rig.adapter, *([rig.again] if rig.again is not None else [])]


def _said(say: Callable[[], object], what: str) -> object:
    try:
        return say()
    except Exception as error:
        raise Trouble(f"{what} raised {type(error).__name__}: {error}") from error


def _valid(rig: Rig) -> str | None:
    try:
        from_plain(to_plain(rig.caps), Capabilities)
    except (Misuse, TypeError, NotImplementedError) as error:
        return str(error)
    return next(_unknown_names(rig.caps), None)


def _unknown_names(caps: Capabilities) -> Iterator[str]:
    for name, sizes in caps.encryption.items():
        if name not in ENCRYPTION:
            yield f"encryption {name} is not in the table of algorithms"
        elif not sizes or not set(sizes) <= set(ENCRYPTION[name].key_sizes):
            allowed = ", ".join(map(str, ENCRYPTION[name].key_sizes))
            yield f"encryption {name} has key sizes {list(sizes)}; octets are {allowed}, the salt not counted"
    for name in caps.integrity:
        if name not in INTEGRITY:
            yield f"integrity {name} is not in the table of algorithms"


def _consistent(rig: Rig) -> str | None:
    return next(contradictions(rig.caps), None)


def contradictions(caps: Capabilities) -> Iterator[str]:
    """What is declared and can never be used, or cannot be meant."""
    yield from _algorithms(caps)
    yield from _addresses(caps)
    inbound, outbound, tunnel = "in" in caps.directions, "out" in caps.directions, "tunnel" in caps.modes
    windows = caps.replay_windows
    if windows is not None and windows.minimum > windows.maximum:
        yield f"replay windows from {windows.minimum} to {windows.maximum} packets"
    elif windows is not None and (windows.maximum - windows.minimum) % windows.step:
        yield f"the largest replay window, {windows.maximum}, is no step of {windows.step} from {windows.minimum}"
    for what, declared, needs, there in (
        ("a direction", True, "at least one of in and out", caps.directions),
        ("esn", True, "at least one of False and True", caps.esn),
        ("set_window", caps.set_window, "direction in and replay_windows", inbound and windows),
        ("received_offsets in read_state", "received_offsets" in caps.read_state, "direction in and replay_windows",
         inbound and windows),
        ("lifetime in read_state", "lifetime" in caps.read_state, "lifetimes", caps.lifetimes),
        ("early in read_state", "early" in caps.read_state, "direction out, and set_sequence not declared",
         outbound and not caps.set_sequence),
        ("set_iv", caps.set_iv, "direction out", outbound),
        ("tfc", caps.tfc, "direction out and mode tunnel", outbound and tunnel),
        ("dummy", caps.dummy, "direction out", outbound),
        ("selectors", caps.selectors, "direction in", inbound),
        ("resynchronise", caps.resynchronise, "direction in and esn True", inbound and True in caps.esn),
        ("hop_limit", caps.hop_limit, "direction out and mode tunnel", outbound and tunnel),
        ("udp_ports", caps.udp_ports, "udp", caps.udp),
        ("outbound tunnels", outbound and tunnel, "at least one value of dscp", caps.dscp),
        ("outbound tunnels over IPv4", outbound and tunnel and _outer(caps, 4), "at least one value of df", caps.df),
        ("direction in", inbound, "at least one value of lookup", caps.lookup),
    ):  # fmt: skip
        if declared and not there:
            yield f"{what} needs {needs}"


def _algorithms(caps: Capabilities) -> Iterator[str]:
    combined = [name for name in caps.encryption if name in ENCRYPTION and ENCRYPTION[name].aead]
    separate = [name for name in caps.encryption if name in ENCRYPTION and not ENCRYPTION[name].aead]
    integrity = [name for name in caps.integrity if name != "NONE"]
    if not caps.encryption:
        yield "no encryption algorithm is declared (ENCR_NULL is one)"
    if combined and "NONE" not in caps.integrity:
        yield f"{combined[0]} goes with integrity NONE, which is not declared"
    if separate and not integrity:
        yield f"{separate[0]} needs an integrity algorithm, and none is declared"
    if integrity and not separate:
        yield f"integrity {integrity[0]} needs an encryption algorithm without its own (ENCR_NULL is one)"


def _addresses(caps: Capabilities) -> Iterator[str]:
    if not caps.modes or not caps.families:
        yield "at least one mode and one family must be declared"
    if "transport" in caps.modes and not {"4in4", "6in6"} & set(caps.families):
        yield "transport mode needs family 4in4 or 6in6"
    if "tunnel" not in caps.modes:
        for family in caps.families:
            if family[0] != family[3]:
                yield f"family {family} needs mode tunnel"
    for version in caps.udp:
        if not _outer(caps, version):
            yield f"udp over IPv{version} needs a family with that outer version"


def _outer(caps: Capabilities, version: int) -> bool:
    return any(family[3] == str(version) for family in caps.families)


def _side_by_side(rig: Rig) -> str | None:
    """Another instance carries traffic beside the first one."""
    if rig.adapter.exclusive:
        raise NotApplicable("a second instance: it has hardware to itself")
    if rig.again is None:
        return f"no second one can be made: {rig.why_alone}"
    other = Rig(rig.again, rig.caps)
    return rig.compare(rig.traffic()) or other.compare(other.traffic()) or rig.compare(rig.traffic())


def _closes(rig: Rig) -> str | None:
    """The second instance is closed, and the first one does not notice."""
    if rig.again is None:
        raise NotApplicable("a second instance")
    other, rig.again = rig.again, None
    _said(other.close, "close()")
    return rig.compare(rig.traffic())


QUESTIONS = (
    Question("start.in-time", "start in the constructor, once; each worker of a run opens its own adapter.", _in_time),
    Question("start.version", "return the implementation's own version, always the same.", _version),
    Question("start.capabilities-valid", "use the names and ranges of adapters/capabilities.py.", _valid),
    Question("start.capabilities-constant", "compute the capabilities once, from nothing that changes.", _constant),
    Question("start.capabilities-consistent", "declare what it needs too, or do not declare it.", _consistent),
)
"""Asked first; where the second or third is wrong nothing more can be asked."""

LAST_QUESTIONS = (
    Question("start.side-by-side", "share nothing between two adapters of the same name.", _side_by_side),
    Question("start.closes", "release in close() what this adapter has, and nothing else; raise nothing.", _closes),
)
