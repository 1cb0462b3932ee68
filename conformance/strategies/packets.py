"""Plain IP packets to protect: valid in every field, different in every field.

A `Recipe` says what a packet is; `recipe` draws the parts that are not fixed, `build` makes the octets. Upper layers are
UDP with a right checksum, or an experimental protocol (RFC 3692) that nobody parses.
"""

from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

from hypothesis import strategies as st

from espproof.conformance.strategies import values
from espproof.reference import ip, udp_encapsulation

EXPERIMENTAL = 253
UDP = udp_encapsulation.PROTOCOL_UDP

GATEWAYS = {
    4: (("192.0.2.17", "198.51.100.42"), ("192.0.2.18", "198.51.100.201")),
    6: (("2001:db8:1::a1", "2001:db8:2:3::b2"), ("2001:db8:1::c3", "2001:db8:2:3::d4")),
}
"""Per IP version: two pairs of (our end, the other end), from the documentation ranges."""

REQIDS = st.integers(0x101, 0x7FFF)
"""Request ids of SAs, before the first one."""
_HOSTS = {4: ("203.0.113.7", "203.0.113.130"), 6: ("2001:db8:70::7", "2001:db8:80::1:30")}


def hosts(version: int, direction: str) -> tuple[bytes, bytes]:
    """Source and destination behind the tunnel."""
    near, far = (ip_address(text).packed for text in _HOSTS[version])
    return (near, far) if direction == "out" else (far, near)


def prefix(address: bytes, length: int, *, flip: int | None = None) -> str:
    """The prefix of so many bits that an address (network order) has, with one bit, counted from the front, turned."""
    bits = 8 * len(address)
    number = int.from_bytes(address, "big")
    if flip is not None:
        number ^= 1 << bits - 1 - flip
    return f"{ip_address(number.to_bytes(len(address), 'big'))}/{length}"


@dataclass(frozen=True, slots=True)
class Recipe:
    """`length` is octets of the upper layer; `options` are whole IPv4 options or IPv6 extension headers with `first`."""

    version: int = 4
    protocol: int = EXPERIMENTAL
    length: int = 16
    traffic_class: int = 0
    ttl: int = 63
    dont_fragment: bool = False
    identification: int = 0x1D2C
    flow_label: int = 0x5A3C1
    extensions: tuple[tuple[int, bytes], ...] = ()
    """IPv6: (kind, octets behind the first two) in order; IPv4: ((0, options),)."""
    content: bytes | None = None
    """The whole upper layer; `length` does not count then."""


def recipe(draw: Callable[[st.SearchStrategy[Any]], Any], version: int, limit: int, fixed: dict[str, Any]) -> Recipe:
    """Draw what is not fixed."""
    drawn = dict(fixed)
    if "length" not in drawn:
        drawn["length"] = draw(values.lengths(limit))
    if "traffic_class" not in drawn:
        drawn["traffic_class"] = draw(_TRAFFIC_CLASSES)
    if "protocol" not in drawn:
        drawn["protocol"] = draw(_PROTOCOLS)
    return Recipe(version=version, **drawn)


_TRAFFIC_CLASSES = st.sampled_from((0, 0xB8, 0x02, 0x28, 0x01, 0x4A, 0xFD))
_PROTOCOLS = st.sampled_from((EXPERIMENTAL, UDP))


def build(recipe: Recipe, source: bytes, destination: bytes) -> bytes:
    """The octets of a recipe between these two addresses (network order)."""
    payload = _upper_layer(recipe, source, destination)
    if recipe.version == 4:
        return ip.build_ipv4(
            source,
            destination,
            recipe.protocol,
            payload,
            tos=recipe.traffic_class,
            identification=recipe.identification,
            dont_fragment=recipe.dont_fragment,
            ttl=recipe.ttl,
            options=b"".join(octets for _, octets in recipe.extensions),
        )
    next_header = recipe.protocol
    for kind, octets in reversed(recipe.extensions):
        payload = bytes([next_header]) + octets + payload
        next_header = kind
    return ip.build_ipv6(
        source,
        destination,
        next_header,
        payload,
        traffic_class=recipe.traffic_class,
        flow_label=recipe.flow_label,
        hop_limit=recipe.ttl,
    )


def _upper_layer(recipe: Recipe, source: bytes, destination: bytes) -> bytes:
    if recipe.content is not None:
        return recipe.content
    content = _PATTERN[: recipe.length]
    if recipe.protocol != UDP:
        return content
    return udp_encapsulation.wrap(0x1F90, 0x2710, content, (source, destination))


_PATTERN = values.octets(7, "payload", 65535)
"""Upper-layer octets; a prefix of one stream, so that a shorter payload is a shorter case and nothing else."""
