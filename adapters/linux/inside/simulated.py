"""Two cards of netdevsim with a cable between them.

    echo "1 1" >/sys/bus/netdevsim/new_device; echo "2 1" >/sys/bus/netdevsim/new_device
    echo "FD:INDEX FD:INDEX" >/sys/bus/netdevsim/link_device

FD is a descriptor of the network namespace that a card is in.
"""

import os
import socket

_BUS = "/sys/bus/netdevsim"


def pair() -> tuple[str, str]:
    """Their names, now that they are there. `OSError` for a kernel without them, or one that knows no such cable."""
    names = tuple(map(_card, (1, 2)))
    here = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        _write("link_device", " ".join(f"{here}:{socket.if_nametoindex(name)}" for name in names))
    finally:
        os.close(here)
    return names[0], names[1]


def _card(number: int) -> str:
    _write("new_device", f"{number} 1")
    (name,) = os.listdir(f"{_BUS}/devices/netdevsim{number}/net")
    return name


def _write(name: str, words: str) -> None:
    with open(f"{_BUS}/{name}", "w", encoding="ascii") as file:
        file.write(words)
