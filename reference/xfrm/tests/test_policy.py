"""What selectors see of a packet, and which packets they match."""

from ipaddress import ip_network
from typing import Any

import pytest

from espproof.reference import ip
from espproof.reference.xfrm.policy import Mark, Range, Selector, flow_of

HERE, THERE = bytes([192, 0, 2, 1]), bytes([198, 51, 100, 7])
OCTETS = bytes([0, 8, 1, 2, 3, 4, 5, 6])


@pytest.mark.parametrize(
    ("protocol", "octets", "fields", "ports"),
    [
        *((protocol, OCTETS, {}, (8, 0x0102)) for protocol in (6, 17, 33, 132, 136)),
        (17, OCTETS[:4], {}, (8, 0x0102)),
        (17, OCTETS[:3], {}, (None, None)),
        (1, OCTETS, {}, (0, 8)),
        (58, OCTETS[:2], {}, (0, 8)),
        (1, OCTETS[:1], {}, (None, None)),
        (50, OCTETS, {}, (None, None)),
        (17, OCTETS, {"more_fragments": True}, (8, 0x0102)),
        (17, OCTETS, {"fragment_offset": 8}, (None, None)),
    ],
)
def test_ports_of_a_packet(protocol: int, octets: bytes, fields: dict[str, Any], ports: tuple[Any, Any]) -> None:
    """Ports, or type and code, where the protocol has them, they are there, and this is no later fragment."""
    packet = ip.parse(ip.build_ipv4(HERE, THERE, protocol, octets, **fields))
    assert flow_of(packet) == (4, HERE, THERE, protocol, *ports)


def test_the_protocol_behind_extension_headers() -> None:
    """Of IPv6 it is the upper layer's."""
    first, octets = ip.chain([(60, ip.options_header())], 17)
    flow = flow_of(ip.parse(ip.build_ipv6(bytes(15) + HERE[-1:], bytes(15) + THERE[-1:], first, octets + OCTETS)))
    assert flow[3:] == (17, 8, 0x0102)


FLOW = flow_of(ip.parse(ip.build_ipv4(HERE, THERE, 17, OCTETS)))


@pytest.mark.parametrize(
    ("fields", "matches"),
    [
        ({}, True),
        ({"version": 6}, False),
        ({"source": ip_network("192.0.2.0/31")}, True),
        ({"source": ip_network("192.0.2.0/32")}, False),
        ({"source": ip_network("198.51.100.0/24")}, False),
        ({"destination": ip_network("198.51.100.4/30")}, True),
        ({"destination": ip_network("198.51.100.4/31")}, False),
        ({"protocol": 17}, True),
        ({"protocol": 6}, False),
        ({"source_ports": Range(8, 8)}, True),
        ({"source_ports": Range(9, 80)}, False),
        ({"destination_ports": Range(0, 0x0102)}, True),
        ({"destination_ports": Range(0, 0x0101)}, False),
        ({"destination_ports": Range(0x0102, 0xFFFF)}, True),
        ({"destination_ports": Range(0x0103, 0xFFFF)}, False),
    ],
)
def test_each_field_of_a_selector_counts(fields: dict[str, Any], matches: bool) -> None:
    """A packet is matched if it has what each field asks for, both ends of a range among it."""
    assert Selector(**({"version": 4} | fields)).matches(FLOW) == matches


def test_type_and_code_stand_for_ports() -> None:
    """Of ICMP both are compared."""
    flow = flow_of(ip.parse(ip.build_ipv4(HERE, THERE, 1, bytes([3, 4, 0, 0, 0, 0, 0, 0]))))
    for number, code, matches in ((3, 4, True), (3, 5, False), (4, 4, False)):
        selector = Selector(
            version=4, protocol=1, source_ports=Range(number, number), destination_ports=Range(code, code)
        )
        assert selector.matches(flow) == matches


def test_ports_that_are_not_told_are_in_no_range() -> None:
    """Not even in the range of all."""
    opaque = FLOW._replace(source_port=None)
    assert Selector(version=4).matches(opaque)
    assert not Selector(version=4, source_ports=Range(0, 0xFFFF)).matches(opaque)


def test_a_mark_is_looked_at_under_its_mask() -> None:
    """Other bits may be anything."""
    assert [number for number in range(8) if Mark(2, 3).has(number)] == [2, 6]
    assert all(Mark().has(number) for number in (0, 1, 0xFFFFFFFF))
