"""What the kernel answers to a program whose packet it has discarded. Anything else is a mistake of whoever sends."""

import errno
from collections.abc import Callable

DISCARDED = frozenset(
    {
        errno.EPERM,  # a policy or a filter discards it (xfrm_lookup_with_ifid)
        errno.EAGAIN,  # there is no SA (xfrm_lookup_with_ifid); no socket here is one that would not wait
        errno.EINVAL,  # its SA cannot be used, or has ended (xfrm_output_one); its headers are none (raw_send_hdrinc)
        errno.EOVERFLOW,  # the numbers of its SA have ended (xfrm_replay.c)
        errno.EMSGSIZE,  # it is too long (xfrm4_tunnel_check_size, esp_output_udp_encap)
        errno.EHOSTUNREACH,  # xfrm_output_one, and no route
        errno.ENETUNREACH,  # no route
        errno.ENODEV,  # no device (xfrm_bundle_create)
        errno.EAFNOSUPPORT,  # its SA is of another family (xfrm_outer_mode_output)
        errno.EACCES,  # it is for everybody (ip_route_output, raw_sendmsg)
        errno.ENOBUFS,  # a queue is full (net_xmit_errno)
        errno.ENOMEM,  # no memory (xfrm_output)
    }
)
"""Error numbers of sendmsg, splice and connect, with their places in Linux 6.12."""


def lets_out(send: Callable[..., object], *arguments: object) -> bool:
    """Send something; whether the kernel has not discarded it. `OSError` for what is no answer about a packet."""
    try:
        send(*arguments)
    except OSError as error:
        if error.errno not in DISCARDED:
            raise
        return False
    return True
