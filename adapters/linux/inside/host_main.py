"""The gateway and its agent as a process of this host, in network namespaces of their own; started by `kernel/host.py`.

Usage: host_main.py FOLDER PYROUTE2 DESCRIPTOR KIND CARD PEER: the folders that `espproof` and pyroute2 are imported from,
our end of the channel, the kind of offload, the card and the end of its cable, each "" for none. pyroute2 opens the
sockets of xfrm and of links and routes; the octets are our own (`xfrm`, `rtnetlink`). Ends when the channel is closed.
"""

import os
import socket
import subprocess
import sys
import traceback
from contextlib import suppress

sys.path.insert(0, sys.argv[1])
sys.path.append(sys.argv[2])

from pyroute2.netlink.nlsocket import NetlinkSocket

from espproof.adapters.linux.inside import channel, needs
from espproof.adapters.linux.inside.agent import Agent
from espproof.adapters.linux.inside.card import Card, Unusable
from espproof.adapters.linux.inside.gateway import Gateway, Refusal, Transport
from espproof.adapters.linux.inside.link import LARGEST, Tun
from espproof.adapters.linux.inside.stack import Stack
from espproof.adapters.linux.netlink.offload import Offload

_HEADER = 14
_FRAME = 1 << 16
_SMALLEST = 1500
_MODULES = (
    "ip_tables", "iptable_mangle", "ip6_tables", "ip6table_mangle", "tun", "xfrm_user", "esp4", "esp6", "esp4_offload",
    "esp6_offload",
)  # fmt: skip
"""What the kernel does not load by itself, or says nothing of when it cannot."""


class _Gone(Exception):
    """Nobody asks any more."""


def main(descriptor: int, kind: str, name: str, peer: str) -> None:
    put, take = _channel(descriptor)
    card: Card | None = None
    try:
        _load_modules()
        lacking = needs.lacking()
        if lacking:
            raise Unusable(f"this host lacks {'; '.join(lacking)}")
        card = Card(name, peer or None) if name else None
        if card is not None and card.mtu < _SMALLEST:
            raise Unusable(f"the MTU of {card.mtu} is too small; {_SMALLEST} octets at least")
        kinds = (lambda: Gateway(card or Tun("wire"), _transport), lambda: Stack(card or Tun("wire"), _transport))
        agent = Agent(kinds, Offload(kind) if kind else None)
    except (Unusable, Refusal, OSError) as error:
        channel.send(channel.pack(["failed", str(error)]), put, take)
        return
    except Exception:
        channel.send(channel.pack(["failed", traceback.format_exc()]), put, take)
        return
    largest = min(card.mtu, LARGEST) if card else LARGEST
    channel.send(channel.pack(["ready", os.uname().release, largest]), put, take)
    try:
        with suppress(_Gone):
            agent.listen(put, take)
    finally:
        agent.close()
        if card is not None:
            card.close()


def _transport(family: int) -> Transport:
    one = NetlinkSocket(family=family, ext_ack=True)
    one.bind()
    transport: Transport = one
    return transport


def _channel(descriptor: int) -> "tuple[channel.Put, channel.Take]":
    """The same frames as over the virtual card of a guest."""
    end = socket.socket(fileno=descriptor)
    header = channel.ASKER + channel.AGENT + channel.ETHERTYPE.to_bytes(2, "big")

    def put(content: bytes) -> None:
        try:
            end.send(header + content)
        except OSError:
            raise _Gone from None

    def take() -> bytes:
        frame = end.recv(_FRAME)
        if not frame:
            raise _Gone
        return frame[_HEADER:]

    return put, take


def _load_modules() -> None:
    """As far as there are modules; what is missing after that is told."""
    with suppress(OSError):
        subprocess.run(["/sbin/modprobe", "-q", "-a", *_MODULES], capture_output=True, check=False)


if __name__ == "__main__":
    main(int(sys.argv[3]), *sys.argv[4:])
