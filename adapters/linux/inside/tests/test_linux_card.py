"""Cards on this machine: virtual ones, in network namespaces that end with the test."""

import os
import subprocess
import sys
import textwrap

import pytest

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

_CARDS = """
    import socket, subprocess
    from espproof.adapters.linux.netlink import rtnetlink
    from espproof.adapters.linux.inside.card import Card, _ask, _route_socket
    from espproof.adapters.linux.inside.link import fresh_namespace

    def asked(message):
        with _route_socket() as route:
            _ask(route, message)

    def packet_socket(name):
        one = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        one.bind((name, 3))
        one.settimeout(2)
        return one

    def frames(one, start):
        while True:
            frame = one.recv(65536)
            if frame[:6] == start:
                return frame

    fresh_namespace()
    cable = ["ip", "link", "add", "ve0", "type", "veth", "peer", "name", "ve1"]
    made = subprocess.run(cable, stderr=subprocess.PIPE, text=True)
    if made.returncode:
        raise SystemExit("no cable: " + made.stderr.strip())
    subprocess.run(["ip", "link", "set", "ve1", "up"], check=True)
    neighbour, short = bytes.fromhex("02000000000a"), bytes.fromhex("4500001c0000000040ff0000c0000201c0000202") + bytes(8)
"""


def _is_right(program: str) -> None:
    """Run it behind `_CARDS`, in a process of its own; skip the test if this kernel has no such cards."""
    environment = os.environ | {"PYTHONPATH": ":".join(path for path in sys.path if path)}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(_CARDS + program)],
        check=False, capture_output=True, text=True, timeout=60, env=environment,
    )  # fmt: skip
    if done.stderr.startswith("no cable"):
        pytest.skip(done.stderr.strip())
    assert done.stdout == "right\n", done.stderr


def test_packets_go_through_a_card_and_come_back_from_the_end_of_its_cable() -> None:
    """Padding of a short Ethernet frame is no part of the packet; afterwards both cards are where they were."""
    _is_right(
        """
    card = Card("ve0", "ve1")
    fresh_namespace()
    card.enter()
    card.up(asked)
    inside = packet_socket("ve0")
    assert card.write(short) and frames(inside, card._address)[14:] == short
    assert not card.write(b"\\x00" * 40)
    inside.send(neighbour + bytes(6) + b"\\x08\\x00" + short + bytes(18))
    inside.send(neighbour + bytes(6) + b"\\x88\\xcc" + bytes(60))
    assert [card.read(), card.read()] == [short, None]
    card.leave(asked)
    card.close()
    import ctypes
    ctypes.CDLL(None).setns(card._home, 0)
    assert {"ve0", "ve1"} <= {name for _, name in socket.if_nameindex()}
    print("right")
    """
    )


def test_a_card_in_loopback_mode_is_its_own_peer() -> None:
    """The other end of the cable sends back what it gets."""
    _is_right(
        """
    mirror = packet_socket("ve1")
    card = Card("ve0", None)
    fresh_namespace()
    card.enter()
    card.up(asked)
    inside = packet_socket("ve0")
    assert card.write(short)
    mirror.send(frames(mirror, card._address))
    got = [frames(inside, card._address) for _ in range(2)]  # as it is sent, and as it comes back
    assert all(frame[14:] == short for frame in got)
    inside.send(neighbour + bytes(6) + b"\\x08\\x00" + short + bytes(18))
    assert card.read() is None
    mirror.send(frames(mirror, neighbour))
    assert card.read() == short
    print("right")
    """
    )


def test_a_neighbour_that_cannot_be_made_leaves_nothing() -> None:
    """Whatever is refused: the cable, to move its end, or to bring it up."""
    _is_right(
        """
    import os, time
    from espproof.adapters.linux.inside.neighbour import neighbours

    def all_but(refused):
        numbers = iter(range(1, 9))
        def send(message):
            if next(numbers) == refused:
                raise OSError("refused")
            asked(message)
        return send

    def cables():
        return [name for _, name in socket.if_nameindex() if name.startswith("neighbour")]

    descriptors = os.listdir("/proc/self/fd")
    for refused in (1, 2, 3):
        assert neighbours(all_but(refused)) == {}
        assert len(os.listdir("/proc/self/fd")) == len(descriptors), refused
        until = time.monotonic() + 10
        while cables() and time.monotonic() < until:
            time.sleep(0.01)  # a namespace ends when the kernel comes to it
        assert cables() == [], refused
    assert neighbours(asked).keys() == {"socket"}
    print("right")
    """
    )
