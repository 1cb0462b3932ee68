"""Defects of the headers around ESP: tunnel mode, transport mode, UDP encapsulation."""

from espproof.adapters.seeded.model import defect

_ECN_CE = "(ECT_0, CE): CE,"
_JOIN = "return transport.join(parts.front, parts.patch_at, protocol, esp)"

DEFECTS = (
    # -------------------------------------------------------------------------------------------------- modes: tunnel
    defect(
        "modes-outer-ttl-decremented", "V-056", "modes",
        "the outer IPv4 header is treated as that of a packet on its way: its TTL is one less",
        ("tunnel", "checksum = -(self._constant_sum +", "checksum = -(self._constant_sum - 0x100 +"),
        ("tunnel", "flags, self._hop_limit, protocol, checksum)", "flags, self._hop_limit - 1, protocol, checksum)"),
        breaks=("RFC4301-5.1.2.1-ttl",),
    ),
    defect(
        "modes-outer-ecn-always-copied", "V-056", "modes",
        "the whole TOS octet is copied, also where the ECN field must be 0",
        ("tunnel", "(0x03 if sa.ecn == \"normal\" else 0)", "0x03"),
        breaks=("RFC6040-4.1-ecn-compatibility",),
    ),
    defect(
        "modes-outer-ecn-never-copied", "V-056", "modes",
        "the DSCP is copied to the outer header, the ECN field is not",
        ("tunnel", "(0x03 if sa.ecn == \"normal\" else 0)", "0"),
        breaks=("RFC6040-4.1-ecn-outbound", "RFC4301-5.1.2.2-ecn"),
    ),
    defect(
        "modes-inner-congestion-lost", "V-056", "modes",
        "a congestion mark of the outer header is not copied to an ECT(0) packet when it leaves the tunnel",
        ("tunnel", _ECN_CE, "(ECT_0, CE): ECT_0,"),
        breaks=("RFC6040-4.2-figure-4-ect0",),
    ),
    defect(
        "modes-not-ect-with-congestion", "V-056", "modes",
        "a Not-ECT packet behind a congestion mark is delivered, as nobody looks",
        ("tunnel", "(NOT_ECT, CE): None,", "(NOT_ECT, CE): NOT_ECT,"),
        breaks=("RFC6040-4.2-ecn-drop",),
    ),
    defect(
        "modes-inner-checksum-stale", "V-027", "modes",
        "the ECN field of an inner IPv4 packet is changed, its checksum is not",
        ("ip", "changed.to_bytes(2, \"big\") + packet[12:]", "packet[10:12] + packet[12:]"),
        breaks=("RFC6040-4.2-figure-4-ect0",),
    ),
    defect(
        "modes-outer-ipv6-length", "D-012", "modes",
        "the payload length of the outer IPv6 header counts the header itself",
        ("tunnel", "_IPV6_START.pack(first, length, protocol,", "_IPV6_START.pack(first, length + 40, protocol,"),
        breaks=("RFC4303-3.1-packet-well-formed",),
    ),
    defect(
        "modes-outer-ipv6-version", "S-004", "modes",
        "the version of the outer IPv6 header is lost when the traffic class is not 0",
        ("tunnel", "first = 6 << 28 | self._traffic_class.of(inner) << 20",
                   "first = (6 << 28 if not self._traffic_class.of(inner) >> 4 else 6) | self._traffic_class.of(inner) << 20"),
        breaks=("RFC4303-3.1-packet-well-formed",),
    ),
    defect(
        "modes-ipv6-traffic-class-shifted", "O-005", "modes",
        "the traffic class is read from the wrong half octets of an IPv6 header",
        ("tunnel", "return (packet[0] << 4 | packet[1] >> 4) & 0xFF", "return (packet[0] & 0xF) | packet[1] & 0xF0"),
        breaks=("RFC4301-5.1.2.1-dscp", "RFC4301-5.1.2.2-dscp"),
    ),
    defect(
        "modes-outer-ipv6-dscp-zero", "O-005", "modes",
        "the DSCP is copied between IPv4 headers only",
        ("tunnel", "first = 6 << 28 | self._traffic_class.of(inner) << 20",
                   "first = 6 << 28 | self._traffic_class.of(inner) & (0xFF if inner[0] >> 4 == 6 else 0x03) << 20"),
        breaks=("RFC4301-5.1.2.2-dscp",),
    ),
    defect(
        "modes-df-copy-reset", "D-049", "modes",
        "the option to copy DF is overwritten with a default",
        ("tunnel", "return _DONT_FRAGMENT if inner[0] >> 4 == 6 or inner[6] & 0x40 else 0",
                   "return _DONT_FRAGMENT if inner[0] >> 4 == 6 else 0"),
        breaks=("RFC4301-8.1-df-copy",),
    ),
    defect(
        "modes-df-set-copied", "D-049", "modes",
        "the option to set DF is overwritten: it is copied",
        ("tunnel", "if self._df == \"copy\":", "if self._df != \"clear\":"),
        breaks=("RFC4301-8.1-df",),
    ),
    defect(
        "modes-dscp-fixed-mixed", "D-049", "modes",
        "a fixed DSCP is added to the inner one and does not replace it",
        ("tunnel", "self.kept = (0xFC if sa.dscp == \"copy\" else 0)", "self.kept = 0xFC"),
        breaks=("RFC4301-5.1.2-dscp-fixed",),
    ),
    defect(
        "modes-ipv6-addresses-swapped", "D-047", "modes",
        "the halves of the outer IPv6 destination are stored in the order of the processor",
        ("tunnel", "sa.source.packed + sa.destination.packed\n        self._hop_limit",
                   "sa.source.packed + sa.destination.packed[8:] + sa.destination.packed[:8]\n        self._hop_limit"),
        breaks=("RFC4301-5.1.2.2-addresses",),
    ),
    defect(
        "modes-told-by-next-header", "V-057", "modes",
        "a next header of 4 or 41 means a tunnel, whatever the SA says: IP in IP in transport mode is unwrapped",
        ("endpoint", "    if sa.mode == \"tunnel\":\n        result", "    if opened.next_header in (4, 41):\n        result"),
        breaks=("RFC4303-3.1.1-restored", "RFC4303-3.4.4-malformed-discarded"),
    ),
    defect(
        "modes-next-header-of-outer", "LE-017", "modes",
        "the next header of a tunnel is that of the SA's IP version, not of the inner packet's",
        ("endpoint", "tunnel.NEXT_HEADER[version]", "tunnel.NEXT_HEADER[entry.sa.source.version]"),
        breaks=("RFC4303-2.6-next-header",),
    ),
    defect(
        "modes-inner-family-of-outer", "LE-037", "modes",
        "the inner packet is expected to have the IP version of the outer one",
        ("endpoint", "tunnel.decapsulate(outer.traffic_class, opened.payload, opened.next_header)",
                     "tunnel.decapsulate(outer.traffic_class, opened.payload, tunnel.NEXT_HEADER[outer.version])"),
        breaks=("RFC4303-3.1.2-mixed-versions", "RFC4303-3.1.2-restored"),
    ),
    defect(
        "modes-outer-too-big-wraps", "D-024", "modes",
        "nobody looks whether the packet still fits after ESP has grown it: the IPv4 total length wraps",
        ("tunnel", "        if total > ip.MAX_LENGTH:\n            return DropReason.TOO_BIG\n", "        total &= 0xFFFF\n"),
        breaks=("RFC4303-3.1-packet-well-formed",),
    ),
    # ----------------------------------------------------------------------------------------------- modes: transport
    defect(
        "modes-transport-ipv6-patch-fixed", "D-003", "modes",
        "the next header is rewritten in the fixed IPv6 header, also where extension headers follow it",
        ("transport", "    header = front[:patch_at]", "    patch_at = 9 if front[0] >> 4 == 4 else 6\n    header = front[:patch_at]"),
        breaks=("RFC4303-3.1.1-restored", "RFC4303-3.1.1-destination-options"),
    ),
    defect(
        "modes-transport-ipv6-trailer-fixed", "LE-012", "modes",
        "the next header of the trailer is that of the fixed IPv6 header, also where extension headers follow it",
        ("endpoint", "NEXT_HEADER_DUMMY if dummy else parts.next_header",
                     "NEXT_HEADER_DUMMY if dummy else parts.front[6] if version == 6 else parts.next_header"),
        breaks=("RFC4303-2.6-next-header",),
    ),
    defect(
        "modes-transport-hop-by-hop-refused", "LE-014", "modes",
        "next header 0, IPv6 hop-by-hop options, is taken for none at all",
        ("transport", "    packet = join(outer.header,", "    if not next_header:\n        return DropReason.MODE\n    packet = join(outer.header,"),
        breaks=("RFC4303-3.1.1-restored",),
    ),
    defect(
        "modes-transport-ipv6-length-swapped", "V-026", "modes",
        "the payload length of an IPv6 transport-mode packet is in host byte order",
        ("transport", "length.to_bytes(2, \"big\")", "length.to_bytes(2, \"little\")"),
        breaks=("RFC4303-3.1.1-restored",),
    ),
    defect(
        "modes-transport-checksum-stale", "V-027", "modes",
        "the IPv4 checksum of a transport-mode packet is computed before its length is changed",
        ("transport", "return ip.with_checksum(header[:2] + total.to_bytes(2, \"big\") + header[4:]) + payload",
                      "header = ip.with_checksum(header)\n"
                      "        return header[:2] + total.to_bytes(2, \"big\") + header[4:] + payload"),
        breaks=("RFC4303-3.1.1-restored",),
    ),
    defect(
        "modes-transport-options-lost", "V-066", "modes",
        "an IPv4 header is taken for 20 octets long: its options are protected with the payload",
        ("transport", "return [Split(parsed.header, parsed.protocol, parsed.payload, parsed.next_header_at)]",
                      "return [Split(parsed.header[:20], parsed.protocol, parsed.header[20:] + parsed.payload, parsed.next_header_at)]"),
        breaks=("RFC4303-3.1-packet-well-formed",),
    ),
    defect(
        "modes-transport-before-hop-by-hop", "D-028", "modes",
        "ESP is put directly behind the fixed IPv6 header, in front of headers that routers must see",
        ("transport", "            places.clear()", "            pass"),
        breaks=("RFC4303-3.1.1-payload",),
    ),
    # ---------------------------------------------------------------------------------------------------------- udp
    defect(
        "udp-ports-host-order", "D-001", "udp",
        "the UDP ports are in host byte order",
        ("udp_encapsulation", "datagram = _HEADER.pack(source_port, destination_port,",
         "swap = lambda port: (port & 0xFF) << 8 | port >> 8\n"
         "        datagram = _HEADER.pack(swap(source_port), swap(destination_port),"),
        breaks=("RFC3948-2.1-ports",),
    ),
    defect(
        "udp-source-port-fixed", "P-010", "udp",
        "the source port is always 4500",
        ("udp_encapsulation", "datagram = _HEADER.pack(source_port,", "datagram = _HEADER.pack(PORT,"),
        breaks=("RFC3948-2.1-ports",),
    ),
    defect(
        "udp-length-without-header", "D-002", "udp",
        "the UDP length does not count the UDP header",
        ("udp_encapsulation", "destination_port, HEADER_SIZE + len(payload), 0)", "destination_port, len(payload), 0)"),
        breaks=("RFC3948-2.1-udp-header",),
    ),
    defect(
        "udp-length-wraps", "LE-006", "udp",
        "the UDP length is written without a look whether it fits 16 bits",
        ("udp_encapsulation", "HEADER_SIZE + len(payload), 0)", "HEADER_SIZE + len(payload) & 0xFFFF, 0)"),
        ("endpoint", "        if len(esp) > ip.MAX_LENGTH - udp_encapsulation.HEADER_SIZE:\n            return DropReason.TOO_BIG\n", ""),
        ("tunnel", "        if total > ip.MAX_LENGTH:\n            return DropReason.TOO_BIG\n",
                   "        if total > ip.MAX_LENGTH and protocol == 17:\n            total &= 0xFFFF\n"
                   "        if total > ip.MAX_LENGTH:\n            return DropReason.TOO_BIG\n"),
        breaks=("RFC4303-3.1-packet-well-formed",),
    ),
    defect(
        "udp-protocol-stays-esp", "D-028", "udp",
        "in transport mode a UDP header is put in front of ESP, and the IP header still says ESP",
        ("endpoint", "        protocol = PROTOCOL_UDP\n", "        protocol = PROTOCOL_UDP if sa.mode == \"tunnel\" else PROTOCOL_ESP\n"),
        breaks=("RFC3948-2.1-udp-header",),
    ),
    defect(
        "udp-ipv6-extension-headers", "LE-026", "udp",
        "with UDP encapsulation the length of IPv6 extension headers is not added to the place of the next header",
        ("endpoint", _JOIN, _JOIN.replace("parts.patch_at,", "parts.patch_at if sa.udp is None or packet[0] >> 4 == 4 else 6,")),
        breaks=("RFC3948-2.1-udp-header",),
    ),
    defect(
        "udp-header-over-ip-header", "V-023", "udp",
        "in transport mode the UDP header is written before the IP header was moved away, where the IV has 8 octets",
        ("endpoint", "        " + _JOIN,
         "        if sa.udp is not None and entry.codec.iv_size == 8 and packet[0] >> 4 == 4:\n"
         "            parts = parts._replace(front=parts.front[:16] + esp[:4] + parts.front[20:])\n        " + _JOIN),
        breaks=("RFC4303-3.1.1-header",),
    ),
    defect(
        "udp-transport-header-misplaced", "V-025", "udp",
        "in transport mode the IP header is looked for 20 octets in front of ESP, where the UDP header is",
        ("endpoint", "transport.rebuild(outer, opened.next_header, opened.payload)",
         "transport.rebuild(\n"
         "            outer if sa.udp is None or outer.version == 6\n"
         "            else ip.Packet(outer.version, outer.header[8:] + bytes(8), *[getattr(outer, name) for name in outer.__slots__[2:]]), opened.next_header, opened.payload\n        )"),
        breaks=("RFC3948-3.3-transport-removed",),
    ),
    defect(
        "udp-port-not-checked", "V-021", "udp",
        "a UDP packet to any port is taken for encapsulated ESP",
        ("endpoint", "if not self._udp_ports[datagram.destination_port]:", "if not self._udp_ports.total():"),
        breaks=("RFC4301-5.2-bypass",),
    ),
    defect(
        "udp-source-port-compared", "ours", "udp",
        "a packet must come from the port that the peer had when the SA was made: one behind a NAT is lost when that changes",
        ("endpoint", "        return self._esp_in(outer, datagram.payload, now)\n",
                     "        found = self._sad.find(datagram.payload[:4], outer)\n"
                     "        if found is not None and found.sa.udp is not None:\n"
                     "            if found.sa.udp.source_port != datagram.source_port:\n"
                     "                return DropReason.NO_SA\n"
                     "        return self._esp_in(outer, datagram.payload, now)\n"),
        breaks=("RFC4303-2.1-unicast-mapping",),
    ),
    defect(
        "udp-non-esp-marker-ignored", "P-010", "udp",
        "four zero octets are taken for an SPI: IKE messages are discarded as ESP",
        ("udp_encapsulation", "return Kind.IKE if payload[:4] == NON_ESP_MARKER else Kind.ESP", "return Kind.ESP"),
        breaks=("RFC3948-2.2-non-esp-marker",),
    ),
    defect(
        "udp-marker-first-octets", "LE-024", "udp",
        "two zero octets at the front are enough for the non-ESP marker: small SPIs are taken for IKE",
        ("udp_encapsulation", "payload[:4] == NON_ESP_MARKER", "payload[:2] == NON_ESP_MARKER[:2]"),
        breaks=("RFC3948-3.3-transport-removed", "RFC3948-3.5-tunnel-removed"),
    ),
    defect(
        "udp-length-ignored", "V-019", "udp",
        "the length of the frame is used, not that of the UDP header: octets behind the datagram belong to it",
        ("udp_encapsulation", "octets[HEADER_SIZE:length]", "octets[HEADER_SIZE:]"),
        breaks=("RFC3948-2.1-udp-header",),
    ),
    defect(
        "udp-spi-at-outer-offset", "M-011", "udp",
        "over IPv6 the SPI is looked for where it would be without UDP encapsulation",
        ("endpoint", "return self._esp_in(outer, datagram.payload, now)",
                     "return self._esp_in(outer, outer.payload if outer.version == 6 else datagram.payload, now)"),
        breaks=("RFC3948-3.3-transport-removed", "RFC3948-3.5-tunnel-removed"),
    ),
    defect(
        "udp-shorter-than-ip-header", "linux 6.1", "udp",
        "what must be left of a datagram is counted as if the IP header were part of it: short ESP packets are dropped",
        ("endpoint", "        return self._esp_in(outer, datagram.payload, now)",
                     "        if len(datagram.payload) < len(outer.header):\n            return DropReason.MALFORMED\n"
                     "        return self._esp_in(outer, datagram.payload, now)"),
        breaks=("RFC3948-3.3-transport-removed",),
    ),
)  # fmt: skip
