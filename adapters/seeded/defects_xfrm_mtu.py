"""Packets that are too long, links and paths."""

from espproof.adapters.seeded.model import Defect, defect

DEFECTS: tuple[Defect, ...] = (
    defect(
        "xfrm-mtu-one-too-long", "LE-031", "xfrm-mtu",
        "the trailer's two octets are forgotten: a packet that is told to fit does not",
        ("xfrm.mtu", "    payload = left // codec.alignment * codec.alignment - TRAILER_SIZE\n",
         "    payload = left // codec.alignment * codec.alignment\n"),
        breaks=("RFC4301-8.2.1-pmtu-ipv4-df-set",),
    ),
    defect(
        "xfrm-mtu-df-ignored", "LE-038", "xfrm-mtu",
        "packets without DF are answered as those with DF are",
        ("xfrm.host", "        if parsed.dont_fragment and len(packet) > room:\n",
         "        if len(packet) > room:\n"),
        breaks=("RFC4301-8.2.1-pmtu-ipv4-fragment", "RFC4301-8.2.1-pmtu-ipv4-silent"),
    ),
    defect(
        "xfrm-mtu-ipv6-cut-up", "ours", "xfrm-mtu",
        "an IPv6 packet that is too long is protected all the same, and what carries it is cut up",
        ("xfrm.host", "        if parsed.dont_fragment and len(packet) > room:\n",
         "        if parsed.dont_fragment and parsed.version == 4 and len(packet) > room:\n"),
        breaks=("RFC4301-8.2.1-pmtu-ipv6",),
    ),
    defect(
        "xfrm-mtu-of-the-link", "linux 7.3", "xfrm-mtu",
        "the sender of a packet that is longer than the link is told the MTU of the link",
        ("xfrm.host", "            return self._refused(arrived, room, now)\n",
         "            link = self._links.wire or room\n"
         "            return self._refused(arrived, room if len(packet) <= link else link, now)\n"),
        breaks=("RFC4301-8.2.1-pmtu-ipv6", "RFC4301-8.2.1-pmtu-ipv4-df-set"),
    ),
)  # fmt: skip
