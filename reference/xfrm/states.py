"""The SAs of a host as xfrm has them: which one a packet came for, and which one a template asks for.

Inbound, SPI and protocol decide, with destination and source as the SA has it, the longest match first, and the mark of a
packet (RFC 4301 4.1, which leaves room for marks). Outbound the ends, request id, mode and mark of the template or its
policy; of several SAs that fit the one that was added last, unless a soft limit has been reached (RFC 4301 leaves the
choice open; it is what makes a new SA take over from the old).
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple, TypeVar

from espproof.reference import sad
from espproof.reference.errors import Misuse
from espproof.reference.sa import SecurityAssociation
from espproof.reference.sad import key_of
from espproof.reference.xfrm.policy import ANY_MARK, Mark, Policy, Template
from espproof.reference.xfrm.protocols import AnyEntry

_Key = TypeVar("_Key")

LARVAL_SECONDS = 30
"""How long an SPI stays reserved, and a request for an SA open, for an SA that does not come (`xfrm_acq_expires`)."""


@dataclass(slots=True, eq=False)
class State:
    """An SA in a host: parameters and state of ESP or AH, and what ties it to policies."""

    entry: AnyEntry
    reqid: int = 0
    mark: Mark = ANY_MARK
    if_id: int = 0

    @property
    def sa(self) -> SecurityAssociation:
        return self.entry.sa


class States:
    """SAs by name, by what packets that arrive have, and by what templates ask for; in each place the youngest first."""

    def __init__(self) -> None:
        self._by_name: dict[str, State] = {}
        self._arriving: dict[bytes, list[State]] = {}
        self._lookups: Counter[str] = Counter()
        """By what inbound SAs are found: how many are."""
        self._at: dict[bytes, list[State]] = {}
        """All of them, by destination, SPI and protocol."""
        self._leaving: dict[tuple[bytes, bytes, int, str], list[State]] = {}
        self._ports: Counter[int] = Counter()
        self._reserved: dict[bytes, float] = {}

    def __iter__(self) -> Iterator[State]:
        return iter(self._by_name.values())

    def add(self, state: State, now: float = 0) -> None:
        """Install an SA. `Misuse` if the RFCs do not allow it, its name is in use, its SPI is reserved, or no packet could
        tell it apart."""
        sa = state.sa
        sa.validate()
        if self.is_reserved(sa.destination.packed, sa.spi, now, sa.protocol):
            raise Misuse(f"SPI {sa.spi:#010x} is reserved")
        if sa.name in self._by_name:
            raise Misuse(f"an SA named {sa.name} exists")
        place = _place(sa.destination.packed, sa.spi, sa.protocol)
        others = [one for one in self._at.get(place, ()) if "out" in (sa.direction, one.sa.direction)]
        twins = (*others, *(self._arriving.get(_found_by(sa), ()) if sa.direction == "in" else ()))
        if any(one.mark == state.mark for one in twins):
            same = sa.lookup if sa.direction == "in" else "destination"
            raise Misuse(f"an SA with SPI {sa.spi:#010x}, the same {same} and mark exists")
        self._by_name[sa.name] = state
        self._at.setdefault(place, []).insert(0, state)
        if sa.direction == "in":
            self._arriving.setdefault(_found_by(sa), []).insert(0, state)
            self._lookups[sa.lookup] += 1
        else:
            self._leaving.setdefault(_wanted(state), []).insert(0, state)
        self._ports.update(_port(state))

    def delete(self, name: str) -> None:
        """Remove an SA. `Misuse` if there is none of that name."""
        state = self._by_name.pop(name, None)
        if state is None:
            raise Misuse(f"no SA named {name}")
        place = _place(state.sa.destination.packed, state.sa.spi, state.sa.protocol)
        _take_out(self._at, place, state)
        if state.sa.direction == "in":
            _take_out(self._arriving, _found_by(state.sa), state)
            self._lookups[state.sa.lookup] -= 1
        else:
            _take_out(self._leaving, _wanted(state), state)
        self._ports.subtract(_port(state))

    def clear(self) -> None:
        """Remove all SAs, and what is reserved."""
        for name in list(self._by_name):
            self.delete(name)
        self._reserved.clear()

    def reserve(self, sa: SecurityAssociation, now: float = 0) -> None:
        """Keep an SPI for an SA to come (RFC 2367 3.1.1). `Misuse` if it is taken."""
        destination, protocol = sa.destination.packed, sa.protocol
        if self.taken(sa.spi, destination, protocol) or self.is_reserved(destination, sa.spi, now, protocol):
            raise Misuse(f"SPI {sa.spi:#010x} is taken")
        self._reserved[_place(destination, sa.spi, protocol)] = now + LARVAL_SECONDS

    def is_reserved(self, destination: bytes, spi: int, now: float, protocol: str = "esp") -> bool:
        """Whether an SPI is kept for an SA that is not there yet."""
        return self._reserved.get(_place(destination, spi, protocol), now) > now

    def update(self, state: State, now: float = 0) -> State:
        """Make the SA for which its SPI is reserved; or give one that is there another lifetime, and change nothing else
        (RFC 2367 3.1.2). The SA. `Misuse` if there is none, or more is to be changed."""
        sa = state.sa
        if self.is_reserved(sa.destination.packed, sa.spi, now, sa.protocol):
            del self._reserved[_place(sa.destination.packed, sa.spi, sa.protocol)]
            self.add(state, now)
            return state
        old = self.named(sa.name)
        if replace(sa, lifetime=old.sa.lifetime) != old.sa or not _same_ties(state, old):
            raise Misuse(f"only the lifetime of {sa.name} can change")
        old.entry.state.lifetime, old.entry.state.limited = sa.lifetime, True
        return old

    def has(self, state: State) -> bool:
        """Whether that very SA is still there, and no other under its name."""
        return self._by_name.get(state.sa.name) is state

    def named(self, name: str) -> State:
        """The SA of that name; `Misuse` if there is none."""
        try:
            return self._by_name[name]
        except KeyError:
            raise Misuse(f"no SA named {name}") from None

    def arrived(
        self, destination: bytes, spi: int, mark: int = 0, protocol: str = "esp", source: bytes = b""
    ) -> State | None:
        """Which SA a packet is for: its addresses (network order), its SPI, its protocol, and the mark that it has
        here."""
        states = self._with(destination, spi, protocol, source)
        return next((one for one in states if one.mark.has(mark)), None)

    def _with(self, destination: bytes, spi: int, protocol: str, source: bytes) -> Iterator[State]:
        """Inbound SAs of such packets: the most specific first, and of equal ones the youngest."""
        of_spi = spi.to_bytes(4, "big")
        for lookup, key in (
            ("spi+destination+source", of_spi + destination + source),
            ("spi+destination", of_spi + destination),
            ("spi", of_spi),
        ):
            if self._lookups[lookup]:
                yield from self._arriving.get(_of(key, protocol), ())

    def asked_for(
        self, template: Template, policy: Policy, source: bytes, destination: bytes, inner: bytes, now: float
    ) -> State | None:
        """The SA for a template. `source` and `destination` are the packet's own, and of a tunnel the template's;
        `inner` is the packet as far as selectors of SAs see it."""
        key = (source, destination, template.reqid, template.mode)
        fitting = [one for one in self._leaving.get(key, ()) if _fits(one, template, policy, inner)]
        lasting = (one for one in fitting if one.entry.state.lifetime_status(now) == "ok")
        return next(lasting, fitting[0] if fitting else None)

    def receives_at(self, port: int) -> bool:
        """Whether an inbound SA takes ESP in UDP at that port."""
        return self._ports[port] > 0

    def taken(self, spi: int, destination: bytes, protocol: str = "esp") -> bool:
        """Whether an SA with that SPI, destination and protocol exists, whatever else it is."""
        return _place(destination, spi, protocol) in self._at


def _found_by(sa: SecurityAssociation) -> bytes:
    """What of a packet decides that it is for an inbound SA."""
    return _of(key_of(sa), sa.protocol)


def _of(key: bytes, protocol: str) -> bytes:
    """No key of ESP is as long as one of AH."""
    return key if protocol == "esp" else key + protocol.encode()


def _place(destination: bytes, spi: int, protocol: str) -> bytes:
    """One short object: each further one is a cache miss where there are many SAs."""
    return _of(destination + spi.to_bytes(4, "big"), protocol)


def _take_out(places: dict[_Key, list[State]], key: _Key, state: State) -> None:
    places[key].remove(state)
    if not places[key]:
        del places[key]


def _port(state: State) -> tuple[int, ...]:
    """Where an inbound SA's UDP datagrams arrive, if it is encapsulated."""
    sa = state.sa
    return (sa.udp.destination_port,) if sa.udp is not None and sa.direction == "in" else ()


def _wanted(state: State) -> tuple[bytes, bytes, int, str]:
    return state.sa.source.packed, state.sa.destination.packed, state.reqid, state.sa.mode


def _same_ties(one: State, other: State) -> bool:
    return (one.reqid, one.mark, one.if_id) == (other.reqid, other.mark, other.if_id)


def _fits(state: State, template: Template, policy: Policy, inner: bytes) -> bool:
    if template.protocol != state.sa.protocol:
        return False
    return (
        state.sa.direction == "out"
        and template.spi in (0, state.sa.spi)
        and state.mark.has(policy.mark.value & policy.mark.mask)
        and state.if_id == policy.if_id
        and state.sa.selects(inner)
    )


class _Ends(NamedTuple):
    source: bytes
    destination: bytes


def linear_search(
    states: Iterable[State], destination: bytes, spi: int, mark: int = 0, protocol: str = "esp", source: bytes = b""
) -> State | None:
    """`States.arrived` by the text: the youngest first of all that the mark and protocol of a packet allow."""
    fitting = [one for one in states if one.sa.direction == "in" and one.sa.protocol == protocol and one.mark.has(mark)]
    return sad.linear_search(reversed(fitting), spi.to_bytes(4, "big"), _Ends(source, destination))


def linear_choice(
    states: Iterable[State],
    template: Template,
    policy: Policy,
    source: bytes,
    destination: bytes,
    inner: bytes,
    now: float,
) -> State | None:
    """`States.asked_for` in the same way: of all SAs that fit the youngest, and rather one within its soft limits."""
    key = (source, destination, template.reqid, template.mode)
    fitting = [one for one in states if _wanted(one) == key and _fits(one, template, policy, inner)]
    lasting = [one for one in fitting if one.entry.state.lifetime_status(now) == "ok"]
    return next(reversed(lasting or fitting), None)
