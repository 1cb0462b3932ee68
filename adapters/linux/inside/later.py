"""Ciphers that finish later: in front of each that an SA uses, the kernel is made to put a template of its crypto API.

    cryptd    a queue, which a thread of the kernel works off
    pcrypt    the processors, each of which takes some; what they have done comes back in order (padata)

Those without integrity (`digest_null`) cannot stand behind cryptd, nor those whose names are too long to be asked for
behind either; they stay as they are.
"""

import errno
import socket

from espproof.adapters.linux.netlink import crypto, netlink

TEMPLATES = ("cryptd", "pcrypt")
_OF_HASHES = ("cryptd",)
"""Those that take algorithms of integrity alone, as AH has them."""


class Lacking(Exception):
    """This kernel cannot do it."""


class Later:
    """What is put behind a template; `Lacking` where nothing can be. A cipher is there once an SA has used it, and an SA
    keeps the one that it has."""

    def __init__(self, template: str) -> None:
        self._template = template
        try:
            self._netlink = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, crypto.NETLINK_CRYPTO)
        except OSError as error:
            raise Lacking("the kernel has no CRYPTO_USER, which puts ciphers behind a template") from error
        self._settled: set[str] = set()

    def is_new(self, cipher: str) -> bool:
        """Put a cipher behind the template; True if it was not, so that its SA must be made anew. `OSError` where that
        fails."""
        if cipher in self._settled:
            return False
        there = crypto.best(_ciphers(), cipher)
        if there is None:
            raise OSError(f"/proc/crypto has no {cipher}")
        is_new = not there.finishes_later and self._is_put_behind(
            there, cipher
        )  # else made of one that stands behind it
        self._settled.add(cipher)
        return is_new

    def _is_put_behind(self, there: crypto.Cipher, cipher: str) -> bool:
        if there.is_hash and self._template not in _OF_HASHES:
            return False
        if (message := crypto.behind(self._template, there.driver, is_hash=there.is_hash)) is None:
            return False
        name = f"{self._template}({there.driver})"
        self._netlink.send(message)
        for answer in netlink.messages(self._netlink.recv(1 << 16)):
            if answer.errno == errno.EINVAL and "digest_null" in cipher:
                return False
            if answer.errno:
                raise OSError(answer.errno, name)
        now = crypto.best(_ciphers(), cipher)
        if now is None or not now.finishes_later:
            raise OSError(f"{name} is not taken for {cipher}")
        return True


def _ciphers() -> str:
    with open("/proc/crypto", encoding="utf-8") as file:
        return file.read()
