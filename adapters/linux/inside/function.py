"""A virtual function of a card: made, trusted with SAs, and given a driver, as whoever administers a host does it.

    echo 0 >sriov_drivers_autoprobe; echo 1 >sriov_numvfs; ethtool --set-priv-flags CARD vf-ipsec on
    ip link set CARD vf 0 mac ADDRESS trust on
    echo ixgbevf >FUNCTION/driver_override; echo FUNCTION >/sys/bus/pci/drivers/ixgbevf/bind

In this order, as trust that is given later costs the function a reset. The card must be up.
"""

import ctypes
import fcntl
import os
import socket
import struct
from collections.abc import Callable

from espproof.adapters.linux.netlink import rtnetlink

_DRIVER = "ixgbevf"
_ADDRESS = bytes.fromhex("028259900101")
_SIOCETHTOOL = 0x8946
_GSTRINGS, _GPFLAGS, _SPFLAGS, _SSET_INFO = 0x1B, 0x27, 0x28, 0x37
_PRIVATE_FLAGS = 2
_NAME = 32
"""Octets of a flag's name."""
_FLAG = b"vf-ipsec"


def of(card: str, ask: Callable[[bytes], None]) -> str:
    """The name of the first function of a card, now that it is there; `ask` sends a message of rtnetlink. `OSError`."""
    device = f"/sys/class/net/{card}/device"
    _write(f"{device}/sriov_drivers_autoprobe", "0")
    _write(f"{device}/sriov_numvfs", "1")
    _let_functions_ask(card)
    ask(rtnetlink.virtual_function(socket.if_nametoindex(card), 0, _ADDRESS, trusted=True))
    function = os.path.realpath(f"{device}/virtfn0")
    _write(f"{function}/driver_override", _DRIVER)
    _write(f"/sys/bus/pci/drivers/{_DRIVER}/bind", os.path.basename(function))
    (name,) = os.listdir(f"{function}/net")
    return name


def _write(path: str, word: str) -> None:
    with open(path, "w", encoding="ascii") as file:
        file.write(word)


def _let_functions_ask(card: str) -> None:
    """Switch the flag on that lets functions have SAs, whichever of the driver's own it is."""
    (count,) = struct.unpack_from("=I", _ethtool(card, struct.pack("=IIQI", _SSET_INFO, 0, 1 << _PRIVATE_FLAGS, 0)), 16)
    names = _ethtool(card, struct.pack("=III", _GSTRINGS, _PRIVATE_FLAGS, count) + bytes(count * _NAME))[12:]
    flags = [names[at : at + _NAME].rstrip(b"\0") for at in range(0, len(names), _NAME)]
    _, before = struct.unpack("=II", _ethtool(card, struct.pack("=II", _GPFLAGS, 0)))
    _ethtool(card, struct.pack("=II", _SPFLAGS, before | 1 << flags.index(_FLAG)))


def _ethtool(card: str, question: bytes) -> bytes:
    answer = ctypes.create_string_buffer(question, len(question))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        fcntl.ioctl(one, _SIOCETHTOOL, struct.pack("16sP16x", card.encode(), ctypes.addressof(answer)))
    return answer.raw
