"""What the gateway needs of the kernel that runs, and of our rights; asked one by one, to say exactly what is missing."""

import ctypes
import errno
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from espproof.adapters.linux.inside.link import Tun, fresh_namespace
from espproof.adapters.linux.netlink import netlink, xfrm

_GET_INFO = 64
"""Socket option that tells of a table of iptables (`IPT_SO_GET_INFO`, `IP6T_SO_GET_INFO`)."""
_INFO_SIZE = 84
_CLONE_NEWNET = 0x40000000


def lacking() -> list[str]:
    """What is missing, in words; with the rights missing, that alone."""
    try:
        with elsewhere():
            return [what for what, there in _NEEDS if not there()]
    except PermissionError:
        return ["root's rights: it makes network namespaces (CAP_SYS_ADMIN, CAP_NET_ADMIN)"]


@contextmanager
def elsewhere() -> Iterator[None]:
    """In a network namespace that ends afterwards."""
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        fresh_namespace()
        try:
            yield
        finally:
            if ctypes.CDLL(None, use_errno=True).setns(home, _CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), "setns")
    finally:
        os.close(home)


def _tun() -> bool:
    try:
        link = Tun("espproof")
        link.enter()
    except OSError:
        return False
    link.leave(lambda message: None)
    return True


def _netlink() -> bool:
    try:
        socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, xfrm.NETLINK_XFRM).close()
    except OSError:
        return False
    return True


def _esp(address: str) -> Callable[[], bool]:
    """Whether the kernel knows ESP for an IP version; that it lacks an algorithm is another question."""
    sa = xfrm.SaInfo(
        id=xfrm.Id(xfrm.address(address), 0x1000),
        source=xfrm.address(address),
        family=xfrm.family(address),
    )
    cipher = xfrm.Algorithm("ecb(cipher_null)", b"")
    request = xfrm.encode(xfrm.Request(xfrm.Type.NEWSA, sa, {xfrm.Attribute.ALG_CRYPT: cipher}))

    def there() -> bool:
        if not _netlink():
            return True  # which is said already
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, xfrm.NETLINK_XFRM) as one:
            one.send(request)
            return all(answer.errno != errno.EPROTONOSUPPORT for answer in netlink.messages(one.recv(1 << 16)))

    return there


def _mangle(family: int, level: int) -> Callable[[], bool]:
    def there() -> bool:
        information = ctypes.create_string_buffer(b"mangle", _INFO_SIZE)
        size = ctypes.c_uint32(_INFO_SIZE)
        try:
            one = socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_RAW)
        except OSError:
            return False
        with one:  # Python's getsockopt gives the kernel nothing to read
            ask = ctypes.CDLL(None).getsockopt
            return bool(ask(one.fileno(), level, _GET_INFO, information, ctypes.byref(size)) == 0)

    return there


_NEEDS: tuple[tuple[str, Callable[[], bool]], ...] = (
    ("tun devices (CONFIG_TUN, /dev/net/tun)", _tun),
    ("xfrm by netlink (CONFIG_XFRM_USER, module xfrm_user)", _netlink),
    ("xfrm's counters (CONFIG_XFRM_STATISTICS)", lambda: os.path.exists("/proc/thread-self/net/xfrm_stat")),
    ("ESP over IPv4 (CONFIG_INET_ESP, module esp4)", _esp("192.0.2.1")),
    ("ESP over IPv6 (CONFIG_INET6_ESP, module esp6)", _esp("2001:db8::1")),
    ("iptables' table mangle (CONFIG_IP_NF_MANGLE)", _mangle(socket.AF_INET, socket.IPPROTO_IP)),
    ("ip6tables' table mangle (CONFIG_IP6_NF_MANGLE)", _mangle(socket.AF_INET6, socket.IPPROTO_IPV6)),
)
