"""The SPD: policies in their order, and the first one that a packet fits (RFC 4301 4.4.1, 5.1, 5.2).

`linear_search` is the text: the entries are looked at in order. `Spd` gives the same answer without looking at them all:

    direction, version, if_id ─► shape: the bits that policies ask for ─► the packet's bits under them ─► entries

There are few shapes, however many policies there are, and in each a packet has one place in which its entries can be. A
shape whose best entry comes behind what was found already is not asked. Entries of one place are looked at in order:
they differ in nothing but ranges that are no prefixes.
"""

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush
from operator import and_
from typing import NamedTuple

from espproof.reference.errors import Misuse
from espproof.reference.xfrm.policy import DIRECTIONS, MOST_TEMPLATES, Direction, Flow, Network, Policy, Range


class _Rank(NamedTuple):
    """An entry's place in the order: the lower comes first."""

    priority: int
    age: int


class _Bits(NamedTuple):
    """What policies look at of a packet, as numbers: of a shape the masks, of a place the bits under them."""

    source: int
    destination: int
    protocol: int
    source_port: int
    destination_port: int
    mark: int


class _Ranks:
    """The ranks of some entries, of which the first is wanted: a heap, out of which what was deleted is taken late."""

    def __init__(self) -> None:
        self._heap: list[_Rank] = []
        self._deleted: set[_Rank] = set()

    def __bool__(self) -> bool:
        return len(self._heap) > len(self._deleted)

    @property
    def first(self) -> _Rank:
        return self._heap[0]

    def add(self, rank: _Rank) -> None:
        heappush(self._heap, rank)

    def delete(self, rank: _Rank) -> None:
        self._deleted.add(rank)
        if 2 * len(self._deleted) > len(self._heap):
            self._heap = [one for one in self._heap if one not in self._deleted]
            self._deleted.clear()
            heapify(self._heap)
        while self._heap and self._heap[0] in self._deleted:
            self._deleted.remove(heappop(self._heap))


@dataclass(slots=True)
class _Entries:
    """Policies of one shape: by place, and their ranks."""

    places: dict[_Bits, list[tuple[_Rank, Policy]]] = field(default_factory=dict)
    ranks: _Ranks = field(default_factory=_Ranks)


_Group = tuple[Direction, int, int]
"""Direction, IP version, if_id."""


def _group_of(policy: Policy) -> _Group:
    return policy.direction, policy.selector.version, policy.if_id


def _shape_of(policy: Policy) -> _Bits:
    one = policy.selector
    return _Bits(
        _mask(one.source),
        _mask(one.destination),
        0 if one.protocol is None else 0xFF,
        _common(one.source_ports),
        _common(one.destination_ports),
        policy.mark.mask,
    )


def _mask(network: Network | None) -> int:
    return 0 if network is None else int(network.netmask)


def _common(ports: Range | None) -> int:
    """The bits that all ports of a range have in common."""
    return 0 if ports is None else 0xFFFF & -1 << (ports.first ^ ports.last).bit_length()


def _place_of(policy: Policy) -> _Bits:
    one = policy.selector
    return _Bits(
        0 if one.source is None else int(one.source.network_address),
        0 if one.destination is None else int(one.destination.network_address),
        one.protocol or 0,
        0 if one.source_ports is None else one.source_ports.first & _common(one.source_ports),
        0 if one.destination_ports is None else one.destination_ports.first & _common(one.destination_ports),
        policy.mark.value,
    )


class Spd:
    """The policies of a host, by direction."""

    def __init__(self) -> None:
        self._groups: dict[_Group, dict[_Bits, _Entries]] = {}
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
        entries = self._groups.setdefault(_group_of(policy), {}).setdefault(_shape_of(policy), _Entries())
        insort(entries.places.setdefault(_place_of(policy), []), (rank, policy), key=lambda one: one[0])
        entries.ranks.add(rank)

    def replace(self, policy: Policy) -> Policy | None:
        """Put a policy in the place of the one for the same traffic, if there is one, which it returns; among equals it is
        the youngest.

        `Misuse` if it makes no sense or has the name of another; then the old one stays.
        """
        old = self._by_identity.get(policy.identity)
        if old is not None:
            _validate(policy)
            if self._by_name.get(policy.name, old) is not old:
                raise Misuse(f"another policy named {policy.name} exists")
            self.delete(old.name)
        self.add(policy)
        return old

    def delete(self, name: str) -> None:
        """Take a policy out. `Misuse` if there is none of that name."""
        policy = self._by_name.pop(name, None)
        if policy is None:
            raise Misuse(f"no policy named {name}")
        del self._by_identity[policy.identity]
        rank, group, shape, place = self._ranks.pop(name), _group_of(policy), _shape_of(policy), _place_of(policy)
        shapes = self._groups[group]
        entries = shapes[shape]
        here = entries.places[place]
        del here[bisect_left(here, rank, key=lambda one: one[0])]
        entries.ranks.delete(rank)
        if not here:
            del entries.places[place]
        if not entries.ranks:
            del shapes[shape]
        if not shapes:
            del self._groups[group]

    def clear(self) -> None:
        """Take all policies out."""
        for name in list(self._by_name):
            self.delete(name)

    def find(self, direction: Direction, flow: Flow, mark: int = 0, if_id: int = 0) -> Policy | None:
        """The first policy that a packet fits, or None."""
        best: tuple[_Rank, Policy] | None = None
        bits = _bits_of(flow, mark)
        for shape, entries in self._groups.get((direction, flow.version, if_id), {}).items():
            if best and entries.ranks.first > best[0]:
                continue
            here = entries.places.get(_under(shape, bits), ())
            found = next((one for one in here if one[1].matches(flow, mark, if_id)), None)
            if found and (best is None or found[0] < best[0]):
                best = found
        return best and best[1]


def _bits_of(flow: Flow, mark: int) -> _Bits:
    """Of a packet. Ports that it does not tell are 0 here; `matches` knows better."""
    source, destination = int.from_bytes(flow.source, "big"), int.from_bytes(flow.destination, "big")
    return _Bits(source, destination, flow.protocol, flow.source_port or 0, flow.destination_port or 0, mark)


def _under(shape: _Bits, bits: _Bits) -> _Bits:
    return tuple(map(and_, shape, bits))  # type: ignore[return-value]  # equal to the named one


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
