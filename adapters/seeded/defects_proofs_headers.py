"""Defects of headers and of what stands between them that prove one demand each: IP, UDP, the SPI, padding, TFC."""

from espproof.adapters.seeded.model import defect

_TFC = "esp = entry.codec.protect(packet + bytes(tfc) if tfc else packet, next_header, sequence, iv)"
_DECAPSULATE = "        result = tunnel.decapsulate(outer.traffic_class, opened.payload, opened.next_header)\n"
_COMBINED_ECN = "    ecn = ECN_AFTER_TUNNEL[traffic_class & 3, outer_traffic_class & 3]\n"
_V4_HEADER = (
    "        start = _IPV4_START.pack(0x45, tos, total, identification, flags, self._hop_limit, protocol, checksum)\n"
    "        return start + self._addresses\n"
)
_V6_HEADER = "        return _IPV6_START.pack(first, length, protocol, self._hop_limit) + self._addresses\n"
_ESP_IN_UDP = "        return self._esp_in(outer, datagram.payload, now)\n"
_TRAILERS = "_TRAILERS = [bytes(range(1, length + 1)) + bytes([length]) for length in range(MAX_PADDING + 1)]"

DEFECTS = (
    # ------------------------------------------------------------------------------------------------------- format
    defect(
        "format-spi-host-order", "ours", "format",
        "the SPI is sent in host byte order",
        ("esp", "        self.spi = spi.to_bytes(4, \"big\")\n", "        self.spi = spi.to_bytes(4, \"little\")\n"),
        breaks=("RFC4303-2.1-spi",),
    ),
    defect(
        "format-odd-octet-lost", "ours", "format",
        "what is behind the IP header is copied word by word: the last octet of an odd number is 0",
        ("esp", "    return Opened(plaintext[:end], padding, plaintext[-1])\n",
                "    payload = plaintext[: end - 1] + b\"\\0\" if end % 2 else plaintext[:end]\n"
                "    return Opened(payload, padding, plaintext[-1])\n"),
        breaks=("RFC4303-3.4.4-accepted",),
    ),
    defect(
        "format-too-big-clamped", "D-024", "format",
        "a total length beyond 65535 is written as 65535, in front of all the octets there are",
        ("tunnel", "        if total > ip.MAX_LENGTH:\n            return DropReason.TOO_BIG\n",
                   "        total = min(total, ip.MAX_LENGTH)\n"),
        breaks=("RFC4303-3.1-packet-well-formed",),
    ),
    # ------------------------------------------------------------------------------------------------------ padding
    defect(
        "padding-length-in-bits", "ours", "padding",
        "the pad length counts bits",
        ("esp", _TRAILERS, _TRAILERS.replace("bytes([length])", "bytes([length * 8 & 0xFF])")),
        breaks=("RFC4303-2.5-pad-length",),
    ),
    defect(
        "padding-alone-delivered", "ours", "padding",
        "a tunnel packet with nothing but padding in it is delivered: an empty one",
        ("endpoint", "    if sa.mode == \"tunnel\":\n        result",
                     "    if sa.mode == \"tunnel\" and not opened.payload:\n        return b\"\"\n"
                     "    if sa.mode == \"tunnel\":\n        result"),
        breaks=("RFC4303-3.4.4-padding-bounds",),
    ),
    # ---------------------------------------------------------------------------------------------------------- tfc
    defect(
        "tfc-in-one-octet", "V-030", "tfc",
        "how much TFC padding is wanted is kept in one octet",
        ("endpoint", _TFC, _TFC.replace("bytes(tfc)", "bytes(tfc & 0xFF)")),
        breaks=("RFC4303-2.7-tfc",),
    ),
    defect(
        "tfc-to-whole-blocks", "S-002", "tfc",
        "every inner packet is made a multiple of 16 octets long before the padding is added",
        ("endpoint", _TFC, _TFC.replace("packet + bytes(tfc) if tfc else packet", "packet + bytes(tfc or -len(packet) % 16)")),
        breaks=("RFC4303-2.7-tfc-not-asked",),
    ),
    defect(
        "tfc-in-inner-length", "ours", "tfc",
        "TFC padding is added as if the inner packet had grown: its total length counts it",
        ("endpoint", _TFC,
         "if tfc and version == 4 and len(packet) + tfc <= ip.MAX_LENGTH:\n"
         "            packet = ip.with_checksum(\n"
         "                ip.with_field(packet[:20], ip.IPV4_TOTAL_LENGTH, len(packet) + tfc)\n"
         "            ) + packet[20:] if packet[0] == 0x45 else packet\n"
         "        " + _TFC),
        breaks=("RFC4303-2.7-tfc-length-unmodified",),
    ),
    defect(
        "tfc-in-pad-length", "S-002", "tfc",
        "the pad length counts the TFC padding as well",
        ("endpoint", _TFC,
         _TFC + "\n"
         "        if tfc:\n"
         "            padding = entry.codec.padding_length(len(packet) + tfc)\n"
         "            end = bytes(range(1, padding + 1)) + bytes((padding + tfc & 0xFF, next_header))\n"
         "            esp = entry.codec.seal(packet + bytes(tfc) + end, sequence, iv)"),
        breaks=("RFC4303-2.5-pad-length-without-tfc",),
    ),
    defect(
        "tfc-dummy-not-sent", "ours", "tfc",
        "a dummy packet is what a policy discards: none leaves",
        ("endpoint", "            return DropReason.SEQUENCE_OVERFLOW\n",
                     "            return DropReason.SEQUENCE_OVERFLOW\n"
                     "        if dummy:\n            return DropReason.DUMMY\n"),
        breaks=("RFC4303-2.6-dummy-generated",),
    ),
    defect(
        "tfc-dummy-like-any-other", "ours", "tfc",
        "the flag that asks for a dummy is lost: the next header is that of the payload",
        ("endpoint", "next_header = NEXT_HEADER_DUMMY if dummy else tunnel.NEXT_HEADER[version]",
                     "next_header = tunnel.NEXT_HEADER[version]"),
        breaks=("RFC4303-2.6-dummy-next-header",),
    ),
    defect(
        "tfc-dummy-without-number", "ours", "tfc",
        "a dummy is made before a sequence number is taken, and sent with 0",
        ("endpoint", "encapsulate(entry, packet, sequence, given,", "encapsulate(entry, packet, 0 if dummy else sequence, given,"),
        breaks=("RFC4303-2.6-dummy-complete",),
    ),
    # --------------------------------------------------------------------------------------------------- robustness
    defect(
        "robustness-announced-octet-read", "F-003", "robustness",
        "the last octet that an IP header announces is read without a look whether it is there",
        ("ip", "    if not (first & 0xF) * 4 <= total <= len(packet):\n",
               "    packet[max(total, 1) - 1]\n    if not (first & 0xF) * 4 <= total <= len(packet):\n"),
        ("ip", "    if total > len(packet):\n        raise Malformed(\"IPv6", "    packet[total - 1]\n    if total > len(packet):\n        raise Malformed(\"IPv6"),
        breaks=("RFC4303-3.4.4-malformed-discarded",),
    ),
    defect(
        "robustness-end-is-guessed", "ours", "robustness",
        "a packet whose ICV is wrong is tried again without its last octets, which may be padding of the link",
        ("endpoint", "    plaintext = codec.open(esp, sequence)\n    if codec.esn",
                     "    for less in (0, 1, 2, 4, 16):\n"
                     "        plaintext = codec.open(esp[: len(esp) - less], sequence)\n"
                     "        if isinstance(plaintext, bytes):\n            break\n"
                     "    if codec.esn"),
        breaks=("RFC4303-3.4.4-malformed-discarded",),
    ),
    defect(
        "robustness-last-bit-masked", "W-003", "robustness",
        "the last octet of the ICV is compared without its lowest bit",
        ("transforms", "if not hmac.compare_digest(self._mac(header + iv + ciphertext + esn_high), icv):",
                       "right = self._mac(header + iv + ciphertext + esn_high)\n"
                       "        if not hmac.compare_digest(right[:-1] + bytes([right[-1] | 1]), icv[:-1] + bytes([icv[-1] | 1])):"),
        breaks=("RFC4303-3.4.4-malformed-discarded",),
    ),
    defect(
        "robustness-length-signed", "D-052", "robustness",
        "the length of a packet is a signed number of 16 bits: what has more than 32,767 octets is too short",
        ("endpoint", "        if len(esp) < 8:\n", "        if len(esp) < 8 or len(esp) > 0x7FFF:\n"),
        breaks=("RFC4303-3.4.4-accepted",),
    ),
    # ------------------------------------------------------------------------------------------------ modes: outbound
    defect(
        "modes-outer-protocol-of-inner", "ours", "modes",
        "the outer header says 4 or 41, as that of any other tunnel",
        ("endpoint", "    header = entry.outer.header(packet, protocol, len(esp))\n",
                     "    header = entry.outer.header(\n"
                     "        packet, tunnel.NEXT_HEADER[ip.version(packet)] if sa.udp is None else protocol, len(esp)\n    )\n"),
        breaks=("RFC4303-2-protocol-50",),
    ),
    defect(
        "modes-outer-addresses-exchanged", "D-047", "modes",
        "source and destination of the outer IPv4 header are exchanged",
        ("tunnel", "        self._addresses = sa.source.packed + sa.destination.packed\n        self._constant_sum",
                   "        self._addresses = sa.destination.packed + sa.source.packed\n        self._constant_sum"),
        breaks=("RFC4301-5.1.2.1-addresses",),
    ),
    defect(
        "modes-outer-hop-limit-copied", "V-056", "modes",
        "the outer IPv6 hop limit is copied from an inner IPv6 packet",
        ("tunnel", _V6_HEADER, _V6_HEADER.replace("self._hop_limit)", "inner[7] if inner[0] >> 4 == 6 else self._hop_limit)")),
        breaks=("RFC4301-5.1.2.2-hop-limit",),
    ),
    defect(
        "modes-outer-dscp-not-copied", "O-005", "modes",
        "the outer IPv4 header has DSCP 0 where the inner packet is IPv4",
        ("tunnel", "        tos = self._traffic_class.of(inner)\n",
                   "        tos = self._traffic_class.of(inner)\n        if inner[0] >> 4 == 4 and self._traffic_class.kept & 0xFC:\n"
                   "            tos &= 3\n"),
        breaks=("RFC4301-5.1.2.1-dscp",),
    ),
    defect(
        "modes-inner-options-outside", "ours", "modes",
        "the outer IPv4 header is a copy of the inner one with other addresses: options are copied too",
        ("tunnel", _V4_HEADER,
         "        options = inner[20 : (inner[0] & 0xF) * 4] if inner[0] >> 4 == 4 else b\"\"\n"
         "        first, total = 0x45 + len(options) // 4, total + len(options)\n"
         "        start = _IPV4_START.pack(first, tos, total, identification, flags, self._hop_limit, protocol, 0)\n"
         "        return ip.with_checksum(start + self._addresses + options)\n"),
        breaks=("RFC4301-5.1.2.1-options-not-copied",),
    ),
    defect(
        "modes-inner-extensions-outside", "ours", "modes",
        "hop-by-hop options of an inner IPv6 packet are copied behind the outer header",
        ("tunnel", _V6_HEADER,
         "        if inner[0] >> 4 == 6 and inner[6] == 0:\n"
         "            copied = bytes([protocol]) + inner[41 : 48 + 8 * inner[41]]\n"
         "            start = _IPV6_START.pack(first, length + len(copied), 0, self._hop_limit)\n"
         "            return start + self._addresses + copied\n" + _V6_HEADER),
        breaks=("RFC4301-5.1.2.2-extensions-not-copied",),
    ),
    defect(
        "modes-inner-ttl-without-checksum", "V-027", "modes",
        "the inner packet's TTL is one less when it enters the tunnel, its checksum is not made anew",
        ("endpoint", "    if entry.sa.mode == \"tunnel\":\n        next_header",
                     "    if entry.sa.mode == \"tunnel\":\n"
                     "        if version == 4 and packet[8] > 1:\n"
                     "            packet = packet[:8] + bytes([packet[8] - 1]) + packet[9:]\n"
                     "        next_header"),
        breaks=("RFC4303-3.1.2-inner-unchanged",),
    ),
    defect(
        "modes-transport-ttl-lowered", "V-056", "modes",
        "the header in front of ESP is treated as that of a packet on its way: its TTL is one less",
        ("transport", "        return ip.with_checksum(header[:2] + total.to_bytes(2, \"big\") + header[4:]) + payload\n",
                      "        header = header[:8] + bytes([max(header[8] - 1, 0)]) + header[9:]\n"
                      "        return ip.with_checksum(header[:2] + total.to_bytes(2, \"big\") + header[4:]) + payload\n"),
        breaks=("RFC4303-3.1.1-header",),
    ),
    # ------------------------------------------------------------------------------------------------- modes: inbound
    defect(
        "modes-outer-ecn-always-taken", "V-056", "modes",
        "the ECN field of the outer header replaces the inner one, whatever both are",
        ("tunnel", _COMBINED_ECN, _COMBINED_ECN + "    ecn = None if ecn is None else outer_traffic_class & 3\n"),
        breaks=("RFC6040-4.2-figure-4-not-ect", "RFC6040-4.2-figure-4-ect0", "RFC6040-4.2-figure-4-ect1",
                "RFC6040-4.2-figure-4-ce"),
    ),
    defect(
        "modes-outer-dscp-taken", "V-056", "modes",
        "the DSCP of the outer header replaces that of the inner packet",
        ("tunnel", "    return packet if ecn == traffic_class & 3 else ip.with_traffic_class(packet, traffic_class & ~3 | ecn)\n",
                   "    return ip.with_traffic_class(packet, outer_traffic_class & ~3 | ecn)\n"),
        breaks=("RFC4301-5.1.2-outer-dscp-discarded",),
    ),
    defect(
        "modes-sa-by-dscp", "ours", "modes",
        "SAs are kept by class of service: a packet whose DSCP was changed on its way has none",
        ("endpoint", _DECAPSULATE,
                     _DECAPSULATE +
                     "        if isinstance(result, bytes) and tunnel.traffic_class_of(result) >> 2 != outer.dscp:\n"
                     "            return DropReason.NO_SA\n"),
        breaks=("RFC4301-4.1-dscp-not-checked",),
    ),
    defect(
        "modes-inner-options-removed", "V-066", "modes",
        "what leaves the tunnel has an IPv4 header of 20 octets: options are cut off",
        ("endpoint", _DECAPSULATE,
                     _DECAPSULATE +
                     "        if isinstance(result, bytes) and 0x45 < result[0] < 0x50:\n"
                     "            size = (result[0] & 0xF) * 4\n"
                     "            shorter = (len(result) - size + 20).to_bytes(2, \"big\")\n"
                     "            fixed = b\"\\x45\" + result[1:2] + shorter + result[4:20]\n"
                     "            result = ip.with_checksum(fixed) + result[size:]\n"),
        breaks=("RFC4301-5.1.2-inner-options-unchanged",),
    ),
    defect(
        "modes-inner-length-not-checked", "LE-044", "modes",
        "an inner packet that is shorter than its header says is delivered as it is",
        ("tunnel", "    except Malformed:\n        return DropReason.MALFORMED\n    traffic_class",
                   "    except Malformed:\n        return payload\n    traffic_class"),
        breaks=("RFC4303-3.4.4-malformed-discarded",),
    ),
    defect(
        "modes-selector-whole-octets", "LP-012", "modes",
        "of a selector's prefix whole octets are compared: one of 28 bits is taken for one of 24",
        ("sa", "(self.source is None or source in self.source)",
               "(self.source is None or source in self.source.supernet(new_prefix=self.source.prefixlen // 8 * 8))"),
        breaks=("RFC4301-5.2-selectors", "RFC4301-7.3-fragments-policy"),
    ),
    # ------------------------------------------------------------------------------------------------- udp: outbound
    defect(
        "udp-checksum-over-ipv4", "ours", "udp",
        "the UDP checksum is computed over IPv4 too",
        ("endpoint", "    if sa.source.version == 4:\n        return None\n    if sa.mode", "    if sa.mode"),
        ("endpoint", "    return packet[ip.IPV6_SOURCE], packet[ip.IPV6_DESTINATION]\n",
                     "    if sa.source.version == 4:\n        return packet[ip.IPV4_SOURCE], packet[ip.IPV4_DESTINATION]\n"
                     "    return packet[ip.IPV6_SOURCE], packet[ip.IPV6_DESTINATION]\n"),
        breaks=("RFC3948-2.1-checksum-zero",),
    ),
    # -------------------------------------------------------------------------------------------------- udp: inbound
    defect(
        "udp-checksum-must-be-zero", "ours", "udp",
        "ESP in UDP is told by its checksum, which must be 0",
        ("endpoint", _ESP_IN_UDP,
                     "        if datagram.checksum and outer.version == 4:\n            return Passed(\"bypass\", outer.header + outer.payload)\n" + _ESP_IN_UDP),
        breaks=("RFC3948-2.1-checksum-not-relied-on",),
    ),
    defect(
        "udp-transport-mode-only", "ours", "udp",
        "ESP in UDP is looked for among transport mode SAs",
        ("endpoint", _ESP_IN_UDP,
                     "        found = self._sad.find(datagram.payload[:4], outer)\n"
                     "        if found is not None and found.sa.mode == \"tunnel\":\n            return DropReason.NO_SA\n"
                     + _ESP_IN_UDP),
        breaks=("RFC3948-1-tunnel-mode", "RFC3948-3.5-tunnel-removed"),
    ),
    defect(
        "udp-short-to-ike", "LE-024", "udp",
        "what is too short to hold an SPI is taken for IKE",
        ("udp_encapsulation", "        raise Malformed(\"neither ESP nor IKE nor a keepalive\")\n", "        return Kind.IKE\n"),
        breaks=("RFC4303-3.4.4-malformed-discarded",),
    ),
    defect(
        "udp-keepalive-to-ike", "V-019", "udp",
        "what is too short for ESP is for IKE: keepalives are passed on",
        ("endpoint", "            return DropReason.KEEPALIVE\n", "            return Passed(\"ike\", datagram.payload)\n"),
        breaks=("RFC3948-2.3-keepalive", "RFC3948-2.3-keepalive-ports"),
    ),
    defect(
        "udp-keepalive-checksum-must-be-zero", "V-019", "udp",
        "a keepalive is one octet in a datagram without a checksum: with one it is passed to IKE",
        ("endpoint", "            return DropReason.KEEPALIVE\n",
                     "            return Passed(\"ike\", datagram.payload) if datagram.checksum and outer.version == 4 else DropReason.KEEPALIVE\n"),
        breaks=("RFC3948-2.3-keepalive-checksum-not-relied-on",),
    ),
    defect(
        "udp-keepalive-counts", "ours", "udp",
        "a keepalive shows that the peer lives, and takes a sequence number of its SA",
        ("endpoint", "            return DropReason.KEEPALIVE\n",
                     "            for entry in self._entries.values():\n"
                     "                if entry.sa.udp is not None and entry.sa.direction == \"in\":\n"
                     "                    entry.state.replay.advance(entry.state.replay.highest + 1)\n"
                     "            return DropReason.KEEPALIVE\n"),
        breaks=("RFC3948-4-keepalive-no-liveness",),
    ),
)  # fmt: skip
