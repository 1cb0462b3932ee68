"""Ciphers that finish later: in front of each that an SA uses, the kernel is made to put a queue (cryptd).

Those without integrity (`digest_null`) cannot stand behind one, nor those whose names are too long to be asked for; they
stay as they are.
"""

import errno
import socket

from espproof.adapters.linux.netlink import crypto, netlink


class Later:
    """What has been put behind a queue. A cipher is there once an SA has used it, and an SA keeps the one that it has."""

    def __init__(self) -> None:
        self._netlink = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, crypto.NETLINK_CRYPTO)
        self._behind: set[str] = set()

    def is_new(self, cipher: str) -> bool:
        """Put a cipher behind a queue; True if it was not, so that its SA must be made anew. `OSError` if that fails."""
        if cipher in self._behind:
            return False
        there = crypto.best(_ciphers(), cipher)
        if there is None:
            raise OSError(f"/proc/crypto has no {cipher}")
        self._behind.add(cipher)
        if there.finishes_later:  # it is made of one that stands behind a queue
            return False
        if (message := crypto.queued(there.driver, is_hash=there.is_hash)) is None:
            return False
        self._netlink.send(message)
        for answer in netlink.messages(self._netlink.recv(1 << 16)):
            if answer.errno == errno.EINVAL and "digest_null" in cipher:
                return False
            if answer.errno:
                raise OSError(answer.errno, f"cryptd({there.driver})")
        now = crypto.best(_ciphers(), cipher)
        if now is None or not now.finishes_later:
            raise OSError(f"cryptd({there.driver}) is not taken for {cipher}")
        return True


def _ciphers() -> str:
    with open("/proc/crypto", encoding="utf-8") as file:
        return file.read()
