"""The few messages of NETLINK_ROUTE (`linux/rtnetlink.h`) that the gateway needs: links, addresses, hosts. Pure."""

import struct
from ipaddress import ip_address

from espproof.adapters.linux.netlink import netlink

NETLINK_ROUTE = 0
_NEWLINK, _DELLINK, _NEWADDR, _DELADDR, _NEWROUTE, _DELROUTE, _GETROUTE = 16, 17, 20, 21, 24, 25, 26
_NEWNEIGH, _DELNEIGH = 28, 29
_IFLA_LINKINFO, _IFLA_INFO_KIND, _IFLA_INFO_DATA, _VETH_INFO_PEER = 18, 1, 2, 1
_IFLA_IFNAME, _IFLA_MTU, _IFLA_AF_SPEC, _IFLA_NET_NS_FD, _IFLA_INET6_ADDR_GEN_MODE = 3, 4, 26, 28, 8
_IFLA_VFINFO_LIST, _IFLA_VF_INFO, _IFLA_VF_MAC, _IFLA_VF_TRUST = 22, 1, 1, 9
_NDA_DST, _NDA_LLADDR, _NUD_PERMANENT = 1, 2, 0x80
_IFA_ADDRESS, _IFA_LOCAL = 1, 2
_RTA_DST, _RTA_OIF = 1, 4
_IFF_UP = 1
_IFA_F_NODAD = 2
_AF_INET, _AF_INET6 = 2, 10
_TABLE_MAIN, _PROTOCOL_STATIC, _SCOPE_LINK, _UNICAST, _LOCAL = 254, 4, 253, 1, 2
_TYPE_AT = 7
"""Offset of the route's type in `struct rtmsg`."""
_NEW = netlink.REQUEST | netlink.ACK | netlink.CREATE | netlink.EXCL
_CHANGE = netlink.REQUEST | netlink.ACK


def link_up(index: int, mtu: int | None = None, *, no_address: bool = True) -> bytes:
    """Bring an interface up; with `no_address` it makes no IPv6 link-local address of its own."""
    attributes = b"" if mtu is None else netlink.attribute(_IFLA_MTU, struct.pack("=I", mtu))
    if no_address:
        mode = netlink.attribute(_IFLA_INET6_ADDR_GEN_MODE, b"\x01")
        attributes += netlink.attribute(
            _IFLA_AF_SPEC | netlink.NESTED, netlink.attribute(_AF_INET6 | netlink.NESTED, mode)
        )
    return netlink.message(_NEWLINK, _CHANGE, struct.pack("=BxHiII", 0, 0, index, _IFF_UP, _IFF_UP) + attributes)


def resized(index: int, mtu: int) -> bytes:
    """An interface has another MTU."""
    attributes = netlink.attribute(_IFLA_MTU, struct.pack("=I", mtu))
    return netlink.message(_NEWLINK, _CHANGE, struct.pack("=BxHiII", 0, 0, index, 0, 0) + attributes)


def veth(name: str, peer: str) -> bytes:
    """Make a cable whose ends are two new interfaces."""
    far = struct.pack("=BxHiII", 0, 0, 0, 0, 0) + netlink.attribute(_IFLA_IFNAME, peer.encode() + b"\0")
    data = netlink.attribute(_IFLA_INFO_DATA | netlink.NESTED, netlink.attribute(_VETH_INFO_PEER, far))
    kind = netlink.attribute(_IFLA_INFO_KIND, b"veth")
    attributes = netlink.attribute(_IFLA_IFNAME, name.encode() + b"\0")
    attributes += netlink.attribute(_IFLA_LINKINFO | netlink.NESTED, kind + data)
    return netlink.message(_NEWLINK, _NEW, struct.pack("=BxHiII", 0, 0, 0, 0, 0) + attributes)


def virtual_function(index: int, number: int, ethernet: bytes, *, trusted: bool) -> bytes:
    """The virtual function of that number of a card has that address, and is trusted, or not."""
    address = netlink.attribute(_IFLA_VF_MAC, struct.pack("=I32s", number, ethernet))
    trust = netlink.attribute(_IFLA_VF_TRUST, struct.pack("=II", number, trusted))
    functions = netlink.attribute(_IFLA_VF_INFO | netlink.NESTED, address + trust)
    attributes = netlink.attribute(_IFLA_VFINFO_LIST | netlink.NESTED, functions)
    return netlink.message(_NEWLINK, _CHANGE, struct.pack("=BxHiII", 0, 0, index, 0, 0) + attributes)


def without_link(name: str) -> bytes:
    """Remove an interface that was made, and with one end of a cable the other."""
    attributes = netlink.attribute(_IFLA_IFNAME, name.encode() + b"\0")
    return netlink.message(_DELLINK, _CHANGE, struct.pack("=BxHiII", 0, 0, 0, 0, 0) + attributes)


def move_link(name: str, namespace: int) -> bytes:
    """Move an interface into another network namespace, of which `namespace` is a descriptor."""
    attributes = netlink.attribute(_IFLA_IFNAME, name.encode() + b"\0")
    attributes += netlink.attribute(_IFLA_NET_NS_FD, struct.pack("=i", namespace))
    return netlink.message(_NEWLINK, _CHANGE, struct.pack("=BxHiII", 0, 0, 0, 0, 0) + attributes)


def local_address(text: str, interface: int, *, add: bool) -> bytes:
    """An address is ours, or is no longer."""
    address = ip_address(text)
    family = _AF_INET if address.version == 4 else _AF_INET6
    body = struct.pack("=BBBBI", family, address.max_prefixlen, _IFA_F_NODAD, 0, interface)
    body += netlink.attribute(_IFA_LOCAL, address.packed) + netlink.attribute(_IFA_ADDRESS, address.packed)
    return netlink.message(_NEWADDR if add else _DELADDR, _NEW if add else _CHANGE, body)


def route(text: str | None, interface: int, version: int, *, add: bool) -> bytes:
    """A host, or with `None` everything, is behind an interface, or no longer."""
    address = None if text is None else ip_address(text)
    family = _AF_INET if version == 4 else _AF_INET6
    length = 0 if address is None else address.max_prefixlen
    scope = _SCOPE_LINK if version == 4 else 0
    body = struct.pack("=BBBBBBBBI", family, length, 0, 0, _TABLE_MAIN, _PROTOCOL_STATIC, scope, _UNICAST, 0)
    if address is not None:
        body += netlink.attribute(_RTA_DST, address.packed)
    body += netlink.attribute(_RTA_OIF, struct.pack("=i", interface))
    return netlink.message(_NEWROUTE if add else _DELROUTE, _NEW if add else _CHANGE, body)


def where_is(text: str) -> bytes:
    """Ask for the route to an address; `is_here` reads the answer."""
    address = ip_address(text)
    family = _AF_INET if address.version == 4 else _AF_INET6
    body = struct.pack("=BB10x", family, address.max_prefixlen) + netlink.attribute(_RTA_DST, address.packed)
    return netlink.message(_GETROUTE, netlink.REQUEST, body)


def is_here(answer: bytes) -> bool:
    """Whether packets to that address are for this host."""
    return any(
        message.type == _NEWROUTE and len(message.payload) > _TYPE_AT and message.payload[_TYPE_AT] == _LOCAL
        for message in netlink.messages(answer)
    )


def neighbour(text: str, interface: int, ethernet: bytes, *, add: bool) -> bytes:
    """A host has an Ethernet address, which nobody asks for; or has it no longer."""
    address = ip_address(text)
    family = _AF_INET if address.version == 4 else _AF_INET6
    body = struct.pack("=BxxxiHBB", family, interface, _NUD_PERMANENT, 0, 0)
    body += netlink.attribute(_NDA_DST, address.packed) + netlink.attribute(_NDA_LLADDR, ethernet)
    return netlink.message(_NEWNEIGH if add else _DELNEIGH, _NEW if add else _CHANGE, body)
