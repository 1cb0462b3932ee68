"""The SPD: policies in their order, and the first one that a packet fits (RFC 4301 4.4.1, 5.1, 5.2).

`linear_search` is the text: the entries are looked at in order. `Spd` gives the same answer without looking at them all:

    direction ─► shape: if_id, version, prefix lengths, protocol or not ─► the packet's bits under that shape ─► entries

There are few shapes, however many policies there are, and in each a packet has one place in which its entries can be. A
shape whose best entry comes behind what was found already is not asked.
"""

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from espproof.reference.errors import Misuse
from espproof.reference.xfrm.policy import DIRECTIONS, MOST_TEMPLATES, Direction, Flow, Network, Policy


class _Rank(NamedTuple):
    """An entry's place in the order: the lower comes first."""

    priority: int
    age: int


class _Shape(NamedTuple):
    """Which bits of a packet decide where its entries stand. A prefix length is -1 for ANY."""

    if_id: int
    version: int
    source: int
    destination: int
    protocol: bool

    def place(self, flow: Flow) -> bytes:
        """The packet's own bits under this shape."""
        protocol = bytes((flow.protocol,)) if self.protocol else b""
        return _first_bits(flow.source, self.source) + _first_bits(flow.destination, self.destination) + protocol


@dataclass(slots=True)
class _Entries:
    """Policies of one shape: by place, and their ranks."""

    places: dict[bytes, list[tuple[_Rank, Policy]]] = field(default_factory=dict)
    ranks: list[_Rank] = field(default_factory=list)


def _first_bits(octets: bytes, count: int) -> bytes:
    if count < 0:
        return b""
    spare = 8 * len(octets) - count
    return (int.from_bytes(octets, "big") >> spare << spare).to_bytes(len(octets), "big")


def _shape_of(policy: Policy) -> _Shape:
    one = policy.selector
    return _Shape(policy.if_id, one.version, _length(one.source), _length(one.destination), one.protocol is not None)


def _length(network: Network | None) -> int:
    return -1 if network is None else network.prefixlen


def _place_of(policy: Policy) -> bytes:
    one = policy.selector
    octets = b"".join(
        network.network_address.packed for network in (one.source, one.destination) if network is not None
    )
    return octets + (b"" if one.protocol is None else bytes((one.protocol,)))


class Spd:
    """The policies of a host, by direction."""

    def __init__(self) -> None:
        self._shapes: dict[Direction, dict[_Shape, _Entries]] = {direction: {} for direction in DIRECTIONS}
        self._ranks: dict[str, _Rank] = {}
        self._by_name: dict[str, Policy] = {}
        self._by_identity: dict[tuple[object, ...], Policy] = {}
        self._age = 0

    def __iter__(self) -> Iterator[Policy]:
        return iter(self._by_name.values())

    def add(self, policy: Policy) -> None:
        """Put a policy in. `Misuse` if its name is in use, there is one for the same traffic, or it makes no sense."""
        _validate(policy)
        if policy.name in self._by_name or policy.identity in self._by_identity:
            raise Misuse(f"a policy named {policy.name}, or one for the same traffic, exists")
        self._age += 1
        rank = self._ranks[policy.name] = _Rank(policy.priority, self._age)
        self._by_name[policy.name] = self._by_identity[policy.identity] = policy
        entries = self._shapes[policy.direction].setdefault(_shape_of(policy), _Entries())
        insort(entries.places.setdefault(_place_of(policy), []), (rank, policy), key=lambda one: one[0])
        insort(entries.ranks, rank)

    def replace(self, policy: Policy) -> None:
        """Put a policy in the place of the one for the same traffic, if there is one; among equals it is the youngest.

        `Misuse` if it makes no sense or has the name of another; then the old one stays.
        """
        old = self._by_identity.get(policy.identity)
        if old is not None:
            _validate(policy)
            if self._by_name.get(policy.name, old) is not old:
                raise Misuse(f"another policy named {policy.name} exists")
            self.delete(old.name)
        self.add(policy)

    def delete(self, name: str) -> None:
        """Take a policy out. `Misuse` if there is none of that name."""
        policy = self._by_name.pop(name, None)
        if policy is None:
            raise Misuse(f"no policy named {name}")
        del self._by_identity[policy.identity]
        shape, place, rank = _shape_of(policy), _place_of(policy), self._ranks.pop(name)
        entries = self._shapes[policy.direction][shape]
        here = entries.places[place]
        del here[bisect_left(here, rank, key=lambda one: one[0])]
        del entries.ranks[bisect_left(entries.ranks, rank)]
        if not here:
            del entries.places[place]
        if not entries.ranks:
            del self._shapes[policy.direction][shape]

    def clear(self) -> None:
        """Take all policies out."""
        for name in list(self._by_name):
            self.delete(name)

    def find(self, direction: Direction, flow: Flow, mark: int = 0, if_id: int = 0) -> Policy | None:
        """The first policy that a packet fits, or None."""
        best: tuple[_Rank, Policy] | None = None
        for shape, entries in self._shapes[direction].items():
            if shape.version != flow.version or shape.if_id != if_id or (best and entries.ranks[0] > best[0]):
                continue
            found = next(
                (one for one in entries.places.get(shape.place(flow), ()) if one[1].matches(flow, mark, if_id)), None
            )
            if found and (best is None or found[0] < best[0]):
                best = found
        return best and best[1]


def linear_search(
    policies: Iterable[Policy], direction: Direction, flow: Flow, mark: int = 0, if_id: int = 0
) -> Policy | None:
    """The same by the text: `policies` in the order in which they were put in, looked at one after the other."""
    ordered = sorted((policy for policy in policies if policy.direction == direction), key=lambda one: one.priority)
    return next((policy for policy in ordered if policy.matches(flow, mark, if_id)), None)


def _validate(policy: Policy) -> None:
    if policy.direction not in DIRECTIONS:
        raise Misuse(f"direction {policy.direction} does not exist")
    if len(policy.templates) > MOST_TEMPLATES:
        raise Misuse(f"{len(policy.templates)} templates are more than {MOST_TEMPLATES}")
    for network in (policy.selector.source, policy.selector.destination):
        if network is not None and network.version != policy.selector.version:
            raise Misuse(f"{network} is not of IP version {policy.selector.version}")
    for template in policy.templates:
        if template.mode == "tunnel" and (template.source is None or template.destination is None):
            raise Misuse("a template in tunnel mode has both ends")
        if template.optional and template.mode == "tunnel" and policy.direction == "out":
            raise Misuse("an optional tunnel cannot be asked for outbound")
