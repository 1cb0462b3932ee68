"""Which ways in this kernel has, and which super-packets it takes: tried in a namespace that ends afterwards."""

import socket
from contextlib import suppress

from espproof.adapters.linux.inside.entries import entries
from espproof.adapters.linux.inside.link import Send, Tun
from espproof.adapters.linux.inside.needs import elsewhere
from espproof.adapters.linux.inside.neighbour import neighbours
from espproof.adapters.linux.inside.senders import ways
from espproof.adapters.linux.inside.streams import has_connections
from espproof.adapters.linux.netlink import netlink, rtnetlink

PIECES = "pieces"
"""The entry that layouts are for; no way of its own."""
_SUPER = {
    "tcp": bytes.fromhex("01012800040014001000"),
    "udp": bytes.fromhex("01051c00040014000600"),
}
"""Of each protocol a `virtio_net_hdr` (numbers as on little-endian machines), for parts of four octets."""
_PACKET = bytes.fromhex("45000034000040004006000000000000000000000000") + bytes(60)


def found() -> tuple[dict[str, list[str]], list[str], list[str], list[str]]:
    """Names of ways by side, `PIECES` among them; protocols of super-packets, which come and of the host's own; names of
    ways by which a neighbour's program sends."""
    with elsewhere(), socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, rtnetlink.NETLINK_ROUTE) as route:

        def send(request: bytes) -> None:
            route.send(request)
            for message in netlink.messages(route.recv(1 << 16)):
                if message.errno:
                    raise OSError(message.errno, "rtnetlink")

        there = entries("plain", send)
        programs = neighbours(send)
        for entry in (*there.values(), *programs.values()):
            entry.close()
        sides = {"wire": [*there, *ways("wire")], "plain": [*there], "local": [*ways("local")]}
        return sides, _super_packets(send), ["tcp"] if has_connections() else [], [*programs]


def _super_packets(send: Send) -> list[str]:
    """Those that a tun device takes."""
    link = Tun("super", super_packets=True)
    link.enter()
    try:
        with suppress(OSError):
            link.up(send)
        return [name for name, header in _SUPER.items() if link.write_super(header, _PACKET)]
    finally:
        link.leave(send)
