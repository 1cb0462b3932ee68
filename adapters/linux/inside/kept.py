"""Sockets that stay open, as those of programs do: with each the kernel keeps the way that its packets take and the SAs
on it (a bundle), and asks before the next one whether all of that is still so."""

import socket
from collections.abc import Collection

from espproof.adapters.linux.inside.discards import lets_out
from espproof.adapters.linux.inside.senders import Made, Unsendable, meet_policies, pass_all_policies
from espproof.adapters.linux.netlink import xfrm

NAME = "kept"
"""The way of a host's own datagrams: one socket for all that have the same headers."""


class Kept:
    """The sockets of one case."""

    def __init__(self) -> None:
        self._sockets: dict[tuple[int, tuple[object, ...]], socket.socket] = {}

    def send(self, packet: bytes, mark: int, taken: Collection[int]) -> None:
        """A datagram of the host's own leaves. `taken` are ports whose packets others wait for. `Unsendable` for what no
        socket makes."""
        made = Made(packet, whole=True)
        if made.version == 4:
            raise Unsendable("datagrams whose identification the kernel chooses")
        if made.ports[0] in taken:
            raise Unsendable("datagrams from a port that others wait at")
        key = made.ports[0], (*made.ends, made.ports[1], made.ttl, made.traffic_class, mark)
        one = self._sockets.get(key)
        if one is None:
            one = self._sockets[key] = _connected(made, mark)
        one.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)  # an ICMP error that came for an earlier one
        lets_out(one.send, made.content)

    def close(self, *, ports: Collection[int] | None = None) -> None:
        """All of them, or those from these ports. None is asked for its name: the kernel would look for its way anew, and
        count what it does not find."""
        for key, one in list(self._sockets.items()):
            if ports is None or key[0] in ports:
                one.close()
                del self._sockets[key]


def _connected(made: Made, mark: int) -> socket.socket:
    """To connect asks for a way too: past all policies, so that nothing is counted and no SA is asked for."""
    one = made.opened(mark)
    made.bind(one)
    pass_all_policies(one, made.version, xfrm.OUT)
    one.connect((made.ends[1], made.ports[1]))
    meet_policies(one, made.version)
    return one
