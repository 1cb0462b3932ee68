"""Packets that are too long, links and paths."""

from espproof.adapters.seeded.model import Defect, defect

_INSIDE = "    payload = left // codec.alignment * codec.alignment - TRAILER_SIZE\n"
_REFUSED = "            return self._refused(arrived, room, now)\n"

DEFECTS: tuple[Defect, ...] = (
    defect(
        "xfrm-mtu-one-too-long", "LE-031", "xfrm-mtu",
        "the trailer's two octets are forgotten: a packet that is told to fit does not",
        ("xfrm.mtu", _INSIDE,
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
        ("xfrm.host", _REFUSED,
         "            link = self._links.wire or room\n"
         "            return self._refused(arrived, room if len(packet) <= link else link, now)\n"),
        breaks=("RFC4301-8.2.1-pmtu-ipv6", "RFC4301-8.2.1-pmtu-ipv4-df-set"),
    ),
    defect(
        "xfrm-mtu-udp-forgotten", "ours", "xfrm-mtu",
        "the UDP header is not counted among what is added",
        ("xfrm.mtu", "    udp = udp_encapsulation.HEADER_SIZE if sa.udp is not None else 0\n", "    udp = 0\n"),
        breaks=("RFC4301-8.2.1-pmtu-ipv4-df-set", "RFC4301-8.2.1-pmtu-ipv6"),
    ),
    defect(
        "xfrm-mtu-padding-forgotten", "ours", "xfrm-mtu",
        "the padding is not counted among what is added",
        ("xfrm.mtu", _INSIDE, "    payload = left - TRAILER_SIZE\n"),
        breaks=("RFC4301-8.2.1-pmtu-ipv4-df-set", "RFC4301-8.2.1-pmtu-ipv6"),
    ),
    defect(
        "xfrm-mtu-offset-in-octets", "ours", "xfrm-mtu",
        "the offset of a fragment counts the header of the one before it",
        ("xfrm.mtu", "        word = offset // 8 & _OFFSET ", "        word = (offset + len(front) * (offset > 0)) // 8 & _OFFSET "),
        breaks=("RFC4301-8.2.1-pmtu-ipv4-fragment",),
    ),
    defect(
        "xfrm-mtu-last-has-more", "ours", "xfrm-mtu",
        "the last fragment of two says that more will follow",
        ("xfrm.mtu", "        more = size < len(content) or packet.more_fragments\n",
         "        more = size < len(content) or packet.more_fragments or 0 < offset < mtu\n"),
        breaks=("RFC4301-8.2.1-pmtu-ipv4-fragment",),
    ),
    defect(
        "xfrm-mtu-set-is-cut-outside", "ours", "xfrm-mtu",
        "ESP packets that are to have DF set leave in fragments",
        ("xfrm.mtu", 'and one.sa.df == "set" for one', 'and one.sa.df == "" for one'),
        breaks=("RFC4301-8.2.1-pmtu-ipv4-fragment",),
    ),
    defect(
        "xfrm-mtu-inside-without-room", "ours", "xfrm-mtu",
        "pieces that are to be protected are as long as the link, and are cut up once more",
        ("xfrm.host", "            pieces = mtu.fragments(packet, room, 0)\n",
         "            pieces = mtu.fragments(packet, self._links.wire or room, 0)\n"),
        breaks=("RFC4301-8.2.1-pmtu-ipv4-fragment",),
    ),
    defect(
        "xfrm-mtu-below-1280", "LE-031", "xfrm-mtu",
        "an IPv6 sender is told less than 1280, and its packets of that size are discarded",
        ("xfrm.host", "            room = max(room, mtu.IPV6_LEAST)\n", "            room = max(room, 1)\n"),
        breaks=("RFC4301-8.2.1-pmtu-ipv6", "RFC4301-8.2.1-pmtu-ipv6-least"),
    ),
    defect(
        "xfrm-mtu-message-quotes-all", "ours", "xfrm-mtu",
        "the message has the whole packet in it, and is longer than what every IPv6 path carries",
        ("xfrm.icmp", "_QUOTED = {4: 576, 6: 1280}\n", "_QUOTED = {4: 576, 6: 65535}\n"),
        breaks=("RFC4301-8.2.1-pmtu-ipv6",),
    ),
    defect(
        "xfrm-mtu-message-to-the-far-end", "ours", "xfrm-mtu",
        "the message goes to where the packet was going",
        ("xfrm.icmp", "        return ip.build_ipv4(source, parsed.source, ",
         "        return ip.build_ipv4(source, parsed.destination, "),
        ("xfrm.icmp", "    return ip.build_ipv6(source, parsed.source, ",
         "    return ip.build_ipv6(source, parsed.destination, "),
        breaks=("RFC4301-8.2.1-pmtu-ipv4-df-set", "RFC4301-8.2.1-pmtu-ipv6"),
    ),
    defect(
        "xfrm-mtu-silent-inwards", "ours", "xfrm-mtu",
        "nobody is told of what has come out of a tunnel",
        ("xfrm.host", _REFUSED, "            return self._refused(b'' if through else arrived, room, now)\n"),
        breaks=("RFC4301-8.2.1-pmtu-ipv4-df-set", "RFC4301-8.2.1-pmtu-ipv6"),
    ),
    defect(
        "xfrm-mtu-own-packets-whole", "ours", "xfrm-mtu",
        "what the host itself sends leaves whole, whatever its size",
        ("xfrm.host", "        if most is None or len(packet) <= most:\n",
         "        if most is None or len(packet) <= most or ip.parse(packet).source in self._addresses and"
         " all(self.states.named(one).sa.mode == 'transport' for one in through):\n"),
        breaks=("RFC4301-8.2.1-pmtu-ipv4-fragment",),
    ),
    defect(
        "xfrm-mtu-learned-without-overhead", "ours", "xfrm-mtu",
        "what a router says of ESP packets is passed on to who sent what is in them",
        ("xfrm.host", _REFUSED,
         "            end = one.bundle[-1].sa.destination.packed if one.bundle else b''\n"
         "            return self._refused(arrived, self._paths.to(end, now) or room, now)\n"),
        breaks=("RFC4301-8.2.1-pmtu-wait", "RFC4301-8.2.1-pmtu-handled"),
    ),
    defect(
        "xfrm-mtu-not-learned", "ours", "xfrm-mtu",
        "messages about packets in UDP are for nobody",
        ("xfrm.host", "        return sent.protocol == PROTOCOL_UDP and octets[:4] == ports\n", "        return False\n"),
        breaks=("RFC4301-8.2.1-pmtu-wait",),
    ),
    defect(
        "xfrm-mtu-learned-of-any-spi", "ours", "xfrm-mtu",
        "any message about ESP to the other end is believed",
        ("xfrm.host", "len(octets) >= 4 and spi_of(octets) == sa.spi\n", "len(octets) >= 4\n"),
        breaks=("RFC4301-8.2.1-pmtu-mapped",),
    ),
    defect(
        "xfrm-mtu-any-mtu-is-learned", "ours", "xfrm-mtu",
        "an MTU that no IPv6 path has is believed",
        ("xfrm.mtu", "IPV4_LEAST if len(destination) == 4 else IPV6_LEAST\n", "IPV4_LEAST\n"),
        breaks=("RFC4301-6.1.1-mechanisms",),
    ),
    defect(
        "xfrm-mtu-learned-before-policies", "ours", "xfrm-mtu",
        "a message is taken notice of before the policies have seen it",
        ("xfrm.host", '        if self._dropped(self._checked("in", parsed, packet, mark, through)):\n',
         "        self._learn(parsed, now)\n"
         '        if self._dropped(self._checked("in", parsed, packet, mark, through)):\n'),
        breaks=("RFC4301-6.1.1-accept-or-reject", "RFC4301-6.1.1-by-type", "RFC4301-6.1.2-constrained"),
    ),
    defect(
        "xfrm-mtu-never-forgotten", "ours", "xfrm-mtu",
        "a learned MTU stays",
        ("xfrm.mtu", "        return mtu if mtu and now - at < AGE_SECONDS else None\n",
         "        return mtu or None\n"),
        breaks=("RFC4301-8.2.2-pmtu-aged",),
    ),
    defect(
        "xfrm-mtu-room-of-the-last-alone", "ours", "xfrm-mtu",
        "of several SAs the outermost alone is counted",
        ("xfrm.mtu", "    for place in reversed(range(len(bundle))):\n",
         "    for place in range(len(bundle) - 1, len(bundle)):\n"),
        breaks=("RFC4301-8.2.1-pmtu-ipv4-df-set",),
    ),
    defect(
        "xfrm-mtu-later-fragments-pass", "ours", "xfrm-mtu",
        "fragments behind the first are not held against policies that block",
        ("xfrm.path", '    return Counter.OUT_POL_BLOCK if blocked else None\n',
         "    later = ip.parse(one.packet).fragment_offset\n"
         "    return Counter.OUT_POL_BLOCK if blocked and not later else None\n"),
        breaks=("RFC4301-7.4-fragments-discard-rule",),
    ),
    defect(
        "xfrm-mtu-ports-of-later-fragments", "ours", "xfrm-mtu",
        "what stands where the first fragment has its ports is taken for ports in any fragment",
        ("xfrm.policy", "    if packet.fragment_offset == 0:\n", "    if len(packet.payload) >= 4:\n"),
        breaks=("RFC4301-7.3-fragments-not-sent", "RFC4301-7.3-fragments-discarded"),
    ),
)  # fmt: skip
