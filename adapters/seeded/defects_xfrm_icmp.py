"""ICMP errors that no policy is for."""

from espproof.adapters.seeded.model import Defect, defect

_ABOUT = "host.spd.find(direction, turned_round(flow_of(about)), mark)\n"

DEFECTS: tuple[Defect, ...] = (
    defect(
        "xfrm-icmp-not-turned-round", "ours", "xfrm-icmp",
        "the packet that an error quotes is looked up as it is",
        ("xfrm.path", _ABOUT, "host.spd.find(direction, flow_of(about), mark)\n"),
        breaks=("RFC4301-5.1-never-in-the-clear", "RFC4301-6.2-special-on-receipt"),
    ),
    defect(
        "xfrm-icmp-any-quoted-packet", "ours", "xfrm-icmp",
        "an error out of a tunnel is let in whatever it quotes",
        ("xfrm.path", _ABOUT,
         _ABOUT +
         "    if policy is None and about is not None and direction != \"out\":\n"
         "        policy = next((one for one in host.spd if one.direction == direction), None)\n"),
        breaks=("RFC4301-6.2-not-forwarded",),
    ),
    defect(
        "xfrm-icmp-every-message-is-an-error", "ours", "xfrm-icmp",
        "an echo that carries a packet of a tunnel is let in as if it were an error about it",
        ("xfrm.icmp", "        return kind[0] not in _NO_ERRORS\n", "        return True\n"),
        ("xfrm.icmp", " and kind[0] < _FIRST_THAT_IS_NO_ERROR\n", "\n"),
        breaks=("RFC4301-6.2-not-forwarded",),
    ),
    defect(
        "xfrm-icmp-errors-in-the-clear", "ours", "xfrm-icmp",
        "errors leave as what no policy is for",
        ("xfrm.path", '    one.policy = _policy_for(one.host, "out", one.flow, one.packet, one.mark)\n',
         '    one.policy = one.host.spd.find("out", one.flow, one.mark)\n'),
        breaks=("RFC4301-5.1-never-in-the-clear",),
    ),
    defect(
        "xfrm-icmp-errors-discarded", "ours", "xfrm-icmp",
        "an error that the policy for what it quotes is to protect is discarded",
        ("xfrm.path", '    return Counter.OUT_POL_BLOCK if blocked else None\n',
         "    if one.policy is not None and one.host.spd.find('out', one.flow, one.mark) is None:\n"
         "        return Counter.OUT_POL_BLOCK\n"
         "    return Counter.OUT_POL_BLOCK if blocked else None\n"),
        breaks=("RFC4301-6.2-return-sa",),
    ),
    defect(
        "xfrm-icmp-from-somebody-else", "linux 6.1", "xfrm-icmp",
        "an error has the address of the host that the packet was for",
        ("xfrm.host", "        told = None if source is None else icmp.message(source, arrived, room)\n",
         "        told = None if source is None else icmp.message(ip.parse(arrived).destination, arrived, room)\n"),
        breaks=("RFC1812-4.3.2.4-own-address", "RFC4443-2.2-own-address"),
    ),
)  # fmt: skip
