"""What is said to the kernel and what it says, as octets. Pure functions on the standard library; no sockets.

    netlink      header, attributes, records of fixed layout; the rest is made of these
    xfrm         messages about SAs and policies, whose structs are in `records`
    crypto       ciphers by name, and the message that asks for another
    rtnetlink    messages about links, addresses and routes
    firewall     a table of iptables that watches packets, and messages of its log
    offload      messages of xfrm, with the device that is to carry the SA

Modules are named after the kernel's headers (`linux/netlink.h`, `linux/rtnetlink.h`, `linux/xfrm.h`) where there is one.
"""
