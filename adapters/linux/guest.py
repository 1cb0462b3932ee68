"""The first process of the guest: mounts what is needed, loads modules, and serves the host over the virtual card.

Usage: guest.py FOLDER [gro], where FOLDER is the one that `espproof` is imported from; with `gro`, packets arrive through
GRO (see `link.Tun`). Standard library only; the file system is the host's, read-only. If this process ends, so does the
guest (the kernel panics), which the host sees.
"""

import ctypes
import os
import socket
import subprocess
import sys
import time
import traceback

sys.path.insert(0, sys.argv[1])

from espproof.adapters.linux import rtnetlink, wire
from espproof.adapters.linux.agent import Agent
from espproof.adapters.linux.gateway import Gateway
from espproof.adapters.linux.link import Tun

_MODULES = "/usr/lib/uml/modules"
_NEEDED = (
    "af_packet", "tun", "xfrm_user", "esp4", "esp6",
    "iptable_mangle", "ip6table_mangle", "xt_NFLOG", "xt_mark", "xt_policy", "xt_tcpudp", "nfnetlink_log",
    "authenc", "authencesn", "gcm", "ccm", "ctr", "cbc", "hmac", "cmac", "xcbc", "seqiv", "echainiv", "chacha20poly1305",
    "jitterentropy_rng", "drbg", "sha512_generic", "des_generic", "chacha_generic", "poly1305_generic", "ghash-generic",
)  # fmt: skip
"""What is not built into Debian's kernel, templates of the crypto API and its random numbers (for IVs) among it."""
_GRO = ("esp4_offload", "esp6_offload")
"""Without these, GRO knows nothing of ESP."""
_PLACE = "/run"
"""Where files can be written, in memory."""
_CARD = "vec0"
_SO_RCVBUFFORCE, _SO_SNDBUFFORCE = 33, 32
_TIME_TRAVEL = "time-travel"
_GLANCE = 0.001
"""Seconds between looks at the card where time jumps to what is waited for: nothing else may be that."""


def main() -> None:
    gro = "gro" in sys.argv[2:]
    _mount()
    missing = _load_modules(_NEEDED + _GRO if gro else _NEEDED)
    put, take = _card()
    try:
        agent = Agent(lambda: Gateway(Tun("wire", gro=gro)))
    except Exception:
        wire.send(wire.pack(["failed", traceback.format_exc(), missing]), put, take)
        raise
    wire.send(wire.pack(["ready", os.uname().release, missing]), put, take)
    while True:
        operations, packets = wire.unpack(wire.receive(put, take))
        try:
            results, out = agent.serve(operations, packets)
        except Exception:
            results, out = ["error", traceback.format_exc()], []
        wire.send(wire.pack(results, out), put, take)


def _mount() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    for kind, place in (("proc", "/proc"), ("sysfs", "/sys"), ("devtmpfs", "/dev"), ("tmpfs", _PLACE)):
        if libc.mount(kind.encode(), place.encode(), kind.encode(), 0, None):
            print(f"mount {place}: {os.strerror(ctypes.get_errno())}", flush=True)


def _load_modules(needed: "tuple[str, ...]") -> str:
    """Load what is not built in; what modprobe complains of."""
    if not os.path.exists("/proc/modules"):
        return ""
    os.makedirs(f"{_PLACE}/root/lib")
    os.symlink(_MODULES, f"{_PLACE}/root/lib/modules")
    said = subprocess.run(
        ["/sbin/modprobe", "-d", f"{_PLACE}/root", "-a", *needed], capture_output=True, encoding="utf-8", check=False
    )
    with open("/proc/sys/kernel/modprobe", "w", encoding="utf-8") as helper:
        helper.write("\n")  # what is not there now is asked for in vain, and each question takes 0.1 s
    return said.stderr


def _card() -> "tuple[wire.Put, wire.Take]":
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, rtnetlink.NETLINK_ROUTE) as route:
        route.send(rtnetlink.link_up(socket.if_nametoindex(_CARD), wire.MAX_FRAME))
        route.recv(4096)
    card = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(wire.ETHERTYPE))
    card.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, 4 << 20)
    card.setsockopt(socket.SOL_SOCKET, _SO_SNDBUFFORCE, 4 << 20)
    card.bind((_CARD, wire.ETHERTYPE))
    host = (_CARD, wire.ETHERTYPE, 0, 0, wire.HOST)
    with open("/proc/cmdline", encoding="utf-8") as file:
        time_travels = _TIME_TRAVEL in file.read()

    def take() -> bytes:
        while time_travels:
            try:
                return card.recv(1 << 16, socket.MSG_DONTWAIT)
            except BlockingIOError:
                time.sleep(_GLANCE)
        return card.recv(1 << 16)

    return lambda content: card.sendto(content, host), take


if __name__ == "__main__":
    main()
