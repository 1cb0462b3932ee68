"""How a packet is to enter a Linux host: what its agent is asked for, and what no way in can do."""

import os
from typing import Any

import pytest

from espproof.adapters.case import Enter, Layout, Octets
from espproof.adapters.linux.answers import ways
from espproof.adapters.linux.association import Untold
from espproof.adapters.linux.entering import entering
from espproof.adapters.linux.inside.senders import Made, Unsendable
from espproof.adapters.linux.inside.stack import How, Stack, Unasked
from espproof.conformance.strategies import packets, upper_layers

_PACKET = Octets(packets.build(packets.Recipe(length=9000), *packets.hosts(4, "out")))
_ENDS = packets.hosts(4, "out")


def _asked(**fields: Any) -> Any:
    return entering(Enter(**{"side": "wire", "packet": _PACKET, **fields}))[0]


def test_what_is_usual_is_not_mentioned() -> None:
    """A packet by the side's own device."""
    assert _asked() == {}


def test_each_wish_is_told() -> None:
    """Way, mark, and somebody who listens."""
    assert _asked(way="veth", mark=0xC0000001) == {"way": "veth", "mark": 0xC0000001}
    assert _asked(layout=Layout(shared=True)) == {"shared": True}


def test_no_piece_is_larger_than_a_page_but_the_first() -> None:
    """The rest is cut up once more; pieces that the packet does not reach are left out."""
    whole = len(_PACKET)
    assert _asked(layout=Layout(pieces=(5000,))) == {"pieces": [5000]}
    assert _asked(layout=Layout(pieces=(20,))) == {"pieces": [20, 4096, 4096]}
    assert _asked(layout=Layout(pieces=(whole - 1, 1))) == {"pieces": [whole - 1]}


@pytest.mark.parametrize(
    "fields",
    [
        {"layout": Layout(room=3)},
        {"layout": Layout(pieces=(20, 5000))},
        {"layout": Layout(pieces=(1,) * 17)},
        {"layout": Layout(pieces=(20,)), "way": "tap"},
        {"layout": Layout(pieces=(20,)), "mark": 1},
        {"mark": 1, "way": "tap"},
        {"segment": 100},
    ],
)
def test_what_no_way_can_do_is_untold(fields: dict[str, Any]) -> None:
    """A case that asks for it is not tried."""
    with pytest.raises(Untold):
        _asked(**fields)


def test_answers_about_ways_are_looked_at() -> None:
    """Sides and protocols that there are, and nothing else."""
    told = ["ways", {"wire": ["tap"]}, ["udp"], ["tcp"], ["a"]]
    assert ways(told) == ({"wire": ["tap"]}, ("udp",), ("tcp",), ("a",))
    for wrong in (
        ["done"],
        ["ways", {"elsewhere": []}, [], [], []],
        ["ways", {}, ["sctp"], [], []],
        ["ways", {}, [], [""], []],
    ):
        with pytest.raises(ValueError, match="no ways"):
            ways(wrong)


class TestMade:
    """What a socket can be told of a packet."""

    def _packet(self, version: int = 4, **fields: Any) -> bytes:
        ends = packets.hosts(version, "out")
        content = upper_layers.upper_layer(upper_layers.UDP, 30, ends)
        plainest = {"dont_fragment": True, "identification": 0, "flow_label": 0, "protocol": 17, "content": content}
        return packets.build(packets.Recipe(version=version, **{**plainest, **fields}), *ends)

    @pytest.mark.parametrize("version", [4, 6])
    def test_a_plain_datagram(self, version: int) -> None:
        """Its ports and its content."""
        packet = self._packet(version, ttl=9, traffic_class=0xB8)
        made = Made(packet, whole=True)
        assert (made.ttl, made.traffic_class, made.ports) == (9, 0xB8, (0x1F90, 0x2710))
        assert packet.endswith(made.content)
        assert made.content

    @pytest.mark.parametrize(
        ("version", "fields"),
        [
            (4, {"identification": 7}),
            (4, {"dont_fragment": False}),
            (4, {"protocol": 253, "content": None}),
            (4, {"extensions": ((0, b"\1\1\1\1"),)}),
            (6, {"flow_label": 1}),
        ],
    )
    def test_what_no_socket_writes(self, version: int, fields: dict[str, Any]) -> None:
        """Headers that the kernel would write otherwise."""
        with pytest.raises(Unsendable):
            Made(self._packet(version, **fields), whole=True)

    @pytest.mark.parametrize("octets", [b"", b"E", b"\x60" + bytes(20), bytes(60)])
    def test_what_is_no_packet(self, octets: bytes) -> None:
        """Octets without a header."""
        with pytest.raises(Unsendable):
            Made(octets, whole=False)


class _Halves(Stack):
    """Hands nothing over, and fails at the packets that say so."""

    def __init__(self) -> None:
        """Without devices."""

    def _hand_over(self, side: str, packet: bytes, how: How) -> None:
        if packet == b"unasked":
            raise Unasked("that")
        if packet == b"wrong":
            raise ValueError(packet)


@pytest.mark.parametrize("place", [0, 1])
def test_what_either_of_two_processes_cannot_hand_over_is_told(place: int) -> None:
    """And the processors are as they were."""
    allowed = os.sched_getaffinity(0)
    burst = [("plain", b"right", How())] * 2
    two = (sorted(allowed) * 2)[:2]
    _Halves()._take_on_two(burst, two)
    for packet, error in ((b"unasked", Unasked), (b"wrong", (ValueError, RuntimeError))):
        with pytest.raises(error):
            _Halves()._take_on_two([*burst[:place], ("plain", packet, How()), *burst[place + 1 :]], two)
    assert os.sched_getaffinity(0) == set(two)
    os.sched_setaffinity(0, allowed)
