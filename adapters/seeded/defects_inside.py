"""Defects that only some packets show: their length, what they carry, the ports around them, the selectors they meet."""

from espproof.adapters.seeded.defects_octets import BURST_OUT
from espproof.adapters.seeded.model import defect

_SEAL = '        number = sequence.to_bytes(8, "big")\n'
_OPENED = "    entry.state.failures = 0\n"
_DELIVER = "    if opened.next_header == NEXT_HEADER_DUMMY:\n        return DropReason.DUMMY\n"
_PARTS = "    parts = transport.split(packet)\n    if isinstance(parts, DropReason):\n        return parts\n    next_header ="
_ENCAPSULATE = "    version = ip.version(packet)\n"
BURST_IN = "    def _udp_in(self,"
"""In `endpoint`: where a method that handles a whole inbound burst can be put in."""
_SELECTS = (
    "        parsed = ip.parse(packet)\n        return any(selector.matches(parsed) for selector in self.selectors)\n"
)
_MATCHES = "        source, destination = ip_address(packet.source), ip_address(packet.destination)\n"

DEFECTS = (
    # ------------------------------------------------------------------------------------------------------- format
    defect(
        "format-length-at-power-of-two", "ours", "format",
        "what is encrypted ends exactly with a buffer of a power of two, and the length that is kept for it is 0",
        ("esp", _SEAL,
         "        if len(plaintext) >= 128 and not len(plaintext) & len(plaintext) - 1:\n"
         "            plaintext = plaintext[:-2] + bytes(2)\n" + _SEAL),
        ("endpoint", _OPENED,
         "    if len(plaintext) >= 128 and not len(plaintext) & len(plaintext) - 1:\n"
         "        plaintext = plaintext[:-2] + bytes(2)\n" + _OPENED),
        breaks=("RFC4303-3.4.4-accepted", "RFC4303-2.6-next-header"),
    ),
    defect(
        "format-largest-refused", "ours", "format",
        "room is kept for a tag of the link that is not there: the largest packets are too big",
        ("tunnel", "        if total > ip.MAX_LENGTH:\n", "        if total > ip.MAX_LENGTH - 4:\n"),
        ("tunnel", "        if length > ip.MAX_LENGTH:\n            return DropReason.TOO_BIG\n        first",
                   "        if length > ip.MAX_LENGTH - 44:\n            return DropReason.TOO_BIG\n        first"),
        ("transport", "        if total > ip.MAX_LENGTH:\n", "        if total > ip.MAX_LENGTH - 4:\n"),
        ("transport", "    if length > ip.MAX_LENGTH:\n", "    if length > ip.MAX_LENGTH - 44:\n"),
        breaks=("RFC4303-3.3.3-increment",),
    ),
    defect(
        "format-largest-dropped", "ours", "format",
        "what arrives is copied to a buffer of 65,500 octets, and dropped where it is larger",
        ("endpoint", "        try:\n            outer = ip.parse(packet)\n",
                     "        try:\n            if len(packet) > 65500:\n                return DropReason.MALFORMED\n"
                     "            outer = ip.parse(packet)\n"),
        breaks=("RFC4303-3.4.4-accepted",),
    ),
    defect(
        "format-short-mixed-family", "ours", "format",
        "an IPv6 packet in an IPv4 tunnel has at least eight octets behind its header: shorter ones are taken for cut",
        ("endpoint", _ENCAPSULATE,
         _ENCAPSULATE + "    if version == 6 and len(packet) < 48 and entry.sa.source.version == 4:\n"
                        "        return DropReason.TOO_BIG\n"),
        ("endpoint", _DELIVER,
         _DELIVER + "    if opened.next_header == 41 and len(opened.payload) < 48 and outer.version == 4:\n"
                    "        return DropReason.MALFORMED\n"),
        breaks=("RFC4303-3.4.4-accepted", "RFC4303-3.3.3-increment"),
    ),
    defect(
        "format-short-in-udp", "ours", "format",
        "in transport mode over UDP a payload of three octets is taken for the rest of a keepalive",
        ("endpoint", _PARTS,
         _PARTS.replace("    next_header =", "    if entry.sa.udp is not None and len(parts.payload) == 3:\n"
                                           "        return DropReason.KEEPALIVE\n    next_header =")),
        ("endpoint", _DELIVER,
         _DELIVER + "    if sa.udp is not None and sa.mode == \"transport\" and len(opened.payload) == 3:\n"
                    "        return DropReason.KEEPALIVE\n"),
        breaks=("RFC4303-3.4.4-accepted", "RFC4303-3.3.3-increment"),
    ),
    # ------------------------------------------------------------------------------------------------------- inside
    defect(
        "inside-checksum-filled-in", "ours", "inside",
        "a UDP or TCP checksum is filled in on the way out, as if the network card had been asked to",
        ("endpoint", _ENCAPSULATE,
         _ENCAPSULATE + "    packet = nat.with_right_checksum(packet)\n"),
        breaks=("RFC4303-3.1.2-inner-unchanged",),
    ),
    defect(
        "inside-checksum-verified", "ours", "inside",
        "a TCP segment whose checksum is wrong is dropped where it comes out",
        ("endpoint", "    if sa.selectors and isinstance(result, bytes)",
         "    if isinstance(result, bytes):\n"
         "        found = nat.covered(result)\n"
         "        if found is not None and found.protocol == 6 and nat.with_right_checksum(result) != result:\n"
         "            return DropReason.MALFORMED\n"
         "    if sa.selectors and isinstance(result, bytes)"),
        breaks=("RFC4303-3.1.2-restored",),
    ),
    defect(
        "inside-esp-not-protected-again", "ours", "inside",
        "a packet that is ESP already is taken for one that has been through here",
        ("endpoint", _ENCAPSULATE,
         _ENCAPSULATE + "    try:\n        if ip.parse(packet).protocol == PROTOCOL_ESP:\n            return packet\n"
                        "    except Malformed:\n        pass\n"),
        breaks=("RFC4303-3.1-packet-well-formed",),
    ),
    defect(
        "inside-esp-opened-twice", "ours", "inside",
        "ESP that comes out of ESP goes through the receiver once more",
        ("endpoint", "        if isinstance(result, bytes):\n            if not state.limited",
         "        if isinstance(result, bytes) and opened.next_header in (4, 41, 50):\n"
         "            try:\n"
         "                if ip.parse(result).protocol == PROTOCOL_ESP:\n                    return self.inbound(result, now)\n"
         "            except Malformed:\n                pass\n"
         "        if isinstance(result, bytes):\n            if not state.limited"),
        breaks=("RFC4303-3.1.2-restored",),
    ),
    defect(
        "inside-ports-read-beyond", "strongSwan 5.9.8", "inside",
        "the ports of TCP and UDP are read for a log, whether they are there or not",
        ("endpoint", _ENCAPSULATE,
         _ENCAPSULATE + "    try:\n        ports = ip.parse(packet)\n"
                        "        if ports.protocol in (6, 17) and len(ports.payload) < 4:\n            return DropReason.MALFORMED\n"
                        "    except Malformed:\n        pass\n"),
        ("endpoint", "    if sa.selectors and isinstance(result, bytes)",
         "    if isinstance(result, bytes) and opened.next_header in (4, 6, 17, 41):\n"
         "        inside = ip.parse(result)\n"
         "        if inside.protocol in (6, 17) and len(inside.payload) < 4:\n            return DropReason.MALFORMED\n"
         "    if sa.selectors and isinstance(result, bytes)"),
        breaks=("RFC4303-3.1.2-restored", "RFC4303-3.1.1-payload"),
    ),
    defect(
        "inside-burst-first-protocol", "ours", "inside",
        "the next header of a burst's packets is that of the first one",
        ("endpoint", BURST_OUT,
         "    def outbound_burst(self, name, packets, now):\n"
         "        entry = self.entry(name)\n"
         "        first = ip.parse(packets[0]).protocol if entry.sa.mode == \"transport\" else None\n"
         "        protect = entry.codec.protect\n"
         "        class Lane:\n"
         "            def __getattr__(self, name):\n                return getattr(codec, name)\n"
         "            def protect(self, payload, next_header, sequence, iv):\n"
         "                return protect(payload, next_header if first is None else first, sequence, iv)\n"
         "        codec, entry.codec = entry.codec, Lane()\n"
         "        try:\n            return [self.outbound(name, packet, now=now) for packet in packets]\n"
         "        finally:\n            entry.codec = codec\n\n" + BURST_OUT),
        ("endpoint", BURST_IN,
         "    def inbound_burst(self, packets, now):\n"
         "        self.__dict__[\"first\"] = []\n"
         "        try:\n            return [self.inbound(packet, now) for packet in packets]\n"
         "        finally:\n            del self.__dict__[\"first\"]\n\n" + BURST_IN),
        ("endpoint", "        result = deliver(entry.sa, outer, opened) if isinstance(opened, Opened) else opened\n",
         "        first = self.__dict__.get(\"first\")\n"
         "        if first is not None and isinstance(opened, Opened) and entry.sa.mode == \"transport\":\n"
         "            first.append(opened.next_header)\n            opened.next_header = first[0]\n"
         "        result = deliver(entry.sa, outer, opened) if isinstance(opened, Opened) else opened\n"),
        breaks=("RFC4303-2.6-next-header", "RFC4303-3.1.1-restored"),
    ),
    defect(
        "inside-nat-checksum-left", "linux 6.1", "inside",
        "behind a NAT the checksum inside is left as the peer has made it",
        ("endpoint", "            result = nat.with_right_checksum(result)\n", "            pass\n"),
        breaks=("RFC3948-3.1.2-transport-checksum",),
    ),
    # -------------------------------------------------------------------------------------------------------- selectors
    defect(
        "selectors-destination-not-compared", "ours", "selectors",
        "of a selector the source and the protocol are compared, and the destination is not",
        ("sa", "            and (self.destination is None or destination in self.destination)\n", ""),
        breaks=("RFC4301-5.2-selectors",),
    ),
    defect(
        "selectors-protocol-not-compared", "ours", "selectors",
        "the protocol of a selector is not compared",
        ("sa", "            and (self.protocol is None or packet.protocol == self.protocol)\n", ""),
        breaks=("RFC4301-5.2-selectors",),
    ),
    defect(
        "selectors-prefix-in-octets", "ours", "selectors",
        "prefixes are compared octet by octet: bits of an octet that is not whole do not count",
        ("sa", _MATCHES,
         _MATCHES + "        for name, address in ((\"source\", source), (\"destination\", destination)):\n"
                    "            prefix = getattr(self, name)\n"
                    "            if prefix is not None and prefix.version == address.version:\n"
                    "                whole = prefix.prefixlen // 8\n"
                    "                if prefix.network_address.packed[:whole] == address.packed[:whole] and prefix.prefixlen % 8:\n"
                    "                    source = prefix.network_address if name == \"source\" else source\n"
                    "                    destination = prefix.network_address if name == \"destination\" else destination\n"),
        breaks=("RFC4301-5.2-selectors",),
    ),
    defect(
        "selectors-prefix-of-32-bits", "ours", "selectors",
        "of an IPv6 prefix the first 32 bits are compared",
        ("sa", _MATCHES,
         _MATCHES + "        for name in (\"source\", \"destination\"):\n"
                    "            prefix = getattr(self, name)\n"
                    "            address = source if name == \"source\" else destination\n"
                    "            if prefix is not None and prefix.version == address.version == 6 and prefix.prefixlen > 32:\n"
                    "                if prefix.network_address.packed[:4] == address.packed[:4]:\n"
                    "                    source = prefix.network_address if name == \"source\" else source\n"
                    "                    destination = prefix.network_address if name == \"destination\" else destination\n"),
        breaks=("RFC4301-5.2-selectors",),
    ),
    defect(
        "selectors-only-the-first", "ours", "selectors",
        "of several selectors the first one counts",
        ("sa", _SELECTS, _SELECTS.replace("for selector in self.selectors)", "for selector in self.selectors[:1])")),
        breaks=("RFC4301-5.2-selectors",),
    ),
    defect(
        "selectors-version-not-compared", "linux 6.1", "selectors",
        "a selector that leaves all addresses open, of IPv4 or of IPv6, fits packets of the other version too",
        ("sa", "            (self.source is None or source in self.source)\n",
         "            (self.source is None or not self.source.prefixlen or source in self.source)\n"),
        ("sa", "            and (self.destination is None or destination in self.destination)\n",
         "            and (self.destination is None or not self.destination.prefixlen or destination in self.destination)\n"),
        breaks=("RFC4301-5.2-selectors",),
    ),
    defect(
        "selectors-cached", "ours", "selectors",
        "that a packet was the SA's traffic is remembered for the SA, not for the packet",
        ("endpoint", "if sa.selectors and isinstance(result, bytes) and not sa.selects(result):",
         "passed = _PASSED.setdefault(id(sa), set())\n"
         "    if isinstance(result, bytes) and sa.selects(result):\n        passed.add(sa.name)\n"
         "    if sa.selectors and isinstance(result, bytes) and sa.name not in passed:"),
        ("endpoint", "def deliver(sa: SecurityAssociation", "_PASSED: dict = {}\n\n\ndef deliver(sa: SecurityAssociation"),
        breaks=("RFC4301-5.2-selectors",),
    ),
    defect(
        "selectors-outbound-reversed", "ours", "selectors",
        "the selectors of an outbound SA are compared with source and destination the other way round",
        ("endpoint", "        count = self._ivs[entry.sa.encr_key] + 1\n",
         "        count = self._ivs[entry.sa.encr_key] + 1\n"
         "        if entry.sa.selectors:\n"
         "            parsed = ip.parse(packet)\n"
         "            ends = parsed.destination + parsed.source\n"
         "            at = 12 if parsed.version == 4 else 8\n"
         "            turned = packet[:at] + ends + packet[at + len(ends) :]\n"
         "            turned = ip.with_checksum(turned[:20]) + turned[20:] if parsed.version == 4 else turned\n"
         "            if not entry.sa.selects(turned):\n                return DropReason.SELECTOR\n"),
        breaks=("RFC4303-3.3.3-increment",),
    ),
    # ---------------------------------------------------------------------------------------------------------- udp
    defect(
        "udp-ports-swapped", "ours", "udp",
        "the ports of an SA are the wrong way round",
        ("udp_encapsulation", "_HEADER.pack(source_port, destination_port,", "_HEADER.pack(destination_port, source_port,"),
        ("endpoint", "                self._udp_ports[sa.udp.destination_port] += 1\n",
                     "                self._udp_ports[sa.udp.source_port] += 1\n"),
        breaks=("RFC3948-2.1-ports", "RFC4301-5.2-bypass"),
    ),
    defect(
        "udp-marker-passed-on", "ours", "udp",
        "key management gets its message with the non-ESP marker in front",
        ("endpoint", "            return Passed(\"ike\", datagram.payload[len(udp_encapsulation.NON_ESP_MARKER) :])\n",
                     "            return Passed(\"ike\", datagram.payload)\n"),
        breaks=("RFC3948-2.2-non-esp-marker",),
    ),
    defect(
        "udp-keepalive-ends-burst", "ours", "udp",
        "a keepalive ends the burst in which it comes",
        ("endpoint", BURST_IN,
         "    def inbound_burst(self, packets, now):\n"
         "        results = []\n"
         "        for packet in packets:\n"
         "            over = bool(results) and results[-1] is DropReason.KEEPALIVE\n"
         "            results.append(DropReason.KEEPALIVE if over else self.inbound(packet, now))\n"
         "        return results\n\n" + BURST_IN),
        breaks=("RFC3948-2.2-non-esp-marker",),
    ),
)  # fmt: skip
