"""The first process of the guest: mounts what is needed, loads modules, and serves who asks over the virtual card.

Usage: guest_main.py FOLDER [gro] [cryptd | pcrypt] [cards [virtual] | netdevsim], where FOLDER is the one that `espproof`
is imported from; with `gro`, packets arrive through GRO (see `link.Tun`), with a template of the crypto API ciphers finish
later (see `later`), with `cards` they go through two Ethernet cards with a cable between them, of which the first does the
cipher, or `virtual`ly a function of the first; `netdevsim` makes two such cards, of which the first takes SAs and encrypts
nothing.
The file system is that of the machine on which the guest runs, read-only. If this process ends, so does the guest (the
kernel panics), which `kernel/guest.py` sees.
"""

import ctypes
import os
import socket
import subprocess
import sys
import time
import traceback

sys.path.insert(0, sys.argv[1])

from espproof.adapters.linux.inside import channel, function, modules, simulated
from espproof.adapters.linux.inside.agent import Agent
from espproof.adapters.linux.inside.card import Card
from espproof.adapters.linux.inside.gateway import Gateway
from espproof.adapters.linux.inside.later import TEMPLATES, Lacking, Later
from espproof.adapters.linux.inside.link import LARGEST, Tun
from espproof.adapters.linux.inside.stack import Stack, silence_icmp
from espproof.adapters.linux.netlink import netlink, rtnetlink
from espproof.adapters.linux.netlink.offload import Offload

_PLACE = "/run"
"""Where files can be written, in memory."""
_VIRTUAL_CARD = "vec0"
_CARDS = ("eth0", "eth1")
_CARD_MTU = 9000
_NETDEVSIM, _DEBUG = "netdevsim", "/sys/kernel/debug"
_SO_RCVBUFFORCE, _SO_SNDBUFFORCE = 33, 32
_TIME_TRAVEL = "time-travel"
_LATE = (0.01,) * 25
"""Seconds to wait, besides, for a packet whose cipher finishes later."""
_GLANCE = 0.001
"""Seconds between looks at the channel where time jumps to what is waited for: nothing else may be that."""


def main() -> None:
    gro, templates = "gro" in sys.argv[2:], [word for word in sys.argv[2:] if word in TEMPLATES]
    later = bool(templates)
    _mount()
    complaint = _load_modules(modules.NEEDED + (modules.GRO if gro else ()) + (modules.LATER if later else ()))
    silence_icmp()  # of kernels where it is for all namespaces
    put, take = _channel()
    largest = LARGEST
    try:
        if "cards" in sys.argv[2:] or _NETDEVSIM in sys.argv[2:]:
            card = cards("virtual" in sys.argv[2:]) if "cards" in sys.argv[2:] else simulated_cards()
            largest = min(card.mtu, LARGEST)
            offload = Offload("crypto", falls_back=bool({"virtual", _NETDEVSIM} & set(sys.argv[2:])))
            agent = Agent((lambda: Gateway(card), lambda: Stack(card)), offload)
        else:
            kinds = (lambda: Gateway(wire(gro, later)), lambda: Stack(wire(gro, later), merges=gro, lingers=later))
            agent = Agent(kinds, later=Later(templates[0]) if later else None)
    except Exception as error:
        told = str(error) if isinstance(error, Lacking) else traceback.format_exc()
        channel.send(channel.pack(["failed", told, complaint]), put, take)
        raise
    channel.send(channel.pack(["ready", os.uname().release, largest]), put, take)
    agent.listen(put, take)


def cards(virtual: bool) -> Card:
    """The first of two cards, or a virtual function of it, with the second as the other end of its cable. All of them are
    simulated, and slow on a busy machine."""
    first, second = _CARDS
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, rtnetlink.NETLINK_ROUTE) as route:
        for name in _CARDS:
            _ask(route, rtnetlink.link_up(socket.if_nametoindex(name), _CARD_MTU))
        if virtual:
            first = function.of(first, lambda request: _ask(route, request))
            _ask(route, rtnetlink.link_up(socket.if_nametoindex(first), _CARD_MTU))
    card = Card(first, second)
    card.patience = (*card.patience, *_LATE[:8])
    return card


def simulated_cards() -> Card:
    """The first of two cards of netdevsim, with the second as the other end of its cable."""
    _mount_one("debugfs", _DEBUG)
    names = simulated.pair()
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, rtnetlink.NETLINK_ROUTE) as route:
        for name in names:
            _ask(route, rtnetlink.link_up(socket.if_nametoindex(name), _CARD_MTU))
    return Card(*names)


def _ask(route: socket.socket, request: bytes) -> None:
    route.send(request)
    for message in netlink.messages(route.recv(4096)):
        if message.errno:
            raise OSError(message.errno, os.strerror(message.errno))


def wire(gro: bool, later: bool) -> Tun:
    """The network side; where ciphers finish later, with more patience."""
    made = Tun("wire", gro=gro)
    if later:
        made.patience = (*made.patience, *_LATE)
    return made


def _mount() -> None:
    for kind, place in (("proc", "/proc"), ("sysfs", "/sys"), ("devtmpfs", "/dev"), ("tmpfs", _PLACE)):
        _mount_one(kind, place)


def _mount_one(kind: str, place: str) -> None:
    if ctypes.CDLL(None, use_errno=True).mount(kind.encode(), place.encode(), kind.encode(), 0, None):
        print(f"mount {place}: {os.strerror(ctypes.get_errno())}", flush=True)


def _load_modules(needed: "tuple[str, ...]") -> str:
    """Load what is not built in; what modprobe complains of."""
    if not os.path.exists("/proc/modules"):
        return ""
    os.makedirs(f"{_PLACE}/root/lib")
    os.symlink(modules.FOLDER, f"{_PLACE}/root/lib/modules")
    said = subprocess.run(
        ["/sbin/modprobe", "-d", f"{_PLACE}/root", "-a", *needed], capture_output=True, encoding="utf-8", check=False
    )
    with open("/proc/sys/kernel/modprobe", "w", encoding="utf-8") as helper:
        helper.write("\n")  # what is not there now is asked for in vain, and each question takes 0.1 s
    return said.stderr


def _channel() -> "tuple[channel.Put, channel.Take]":
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, rtnetlink.NETLINK_ROUTE) as route:
        route.send(rtnetlink.link_up(socket.if_nametoindex(_VIRTUAL_CARD), channel.MAX_FRAME))
        route.recv(4096)
    end = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(channel.ETHERTYPE))
    end.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, 4 << 20)
    end.setsockopt(socket.SOL_SOCKET, _SO_SNDBUFFORCE, 4 << 20)
    end.bind((_VIRTUAL_CARD, channel.ETHERTYPE))
    asker = (_VIRTUAL_CARD, channel.ETHERTYPE, 0, 0, channel.ASKER)
    with open("/proc/cmdline", encoding="utf-8") as file:
        time_travels = _TIME_TRAVEL in file.read()

    def take() -> bytes:
        while time_travels:
            try:
                return end.recv(1 << 16, socket.MSG_DONTWAIT)
            except BlockingIOError:
                time.sleep(_GLANCE)
        return end.recv(1 << 16)

    return lambda content: end.sendto(content, asker), take


if __name__ == "__main__":
    main()
