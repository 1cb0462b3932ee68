"""Defects of octets: packet format, padding and trailer, TFC and dummy packets, robustness against short packets."""

from espproof.adapters.seeded.model import defect

BURST_OUT = "    # ---------------------------------------------------------------------------------------------------- inbound\n"
"""In `endpoint`: where a method that handles a whole outbound burst can be put in."""

DEFECTS = (
    # ------------------------------------------------------------------------------------------------------- format
    defect(
        "format-page-boundary", "LE-002", "format",
        "payload and trailer are compared with the page size one by one: a sum just above 4096 damages the trailer",
        ("esp", "        return self.seal(payload + (trailer + next_header.to_bytes()), sequence, iv)",
                "        if len(payload) <= 4096 < len(payload) + len(trailer) + 1 + self.icv_size:\n"
                "            trailer = bytes(len(trailer) - 1) + trailer[-1:]\n"
                "            payload = payload[:-2] + bytes(2)\n"
                "        return self.seal(payload + (trailer + next_header.to_bytes()), sequence, iv)"),
        breaks=("RFC4303-2.4-default-padding",),
    ),
    defect(
        "format-trailer-at-buffer-end", "V-006", "format",
        "the trailer is written before the room for it is tested: pad octets that cross a 2048-octet buffer are lost",
        ("esp", "        return self.seal(payload + (trailer + next_header.to_bytes()), sequence, iv)",
                "        room = 2048 - len(payload)\n"
                "        if 0 < room < len(trailer) - 1:\n"
                "            trailer = trailer[:room] + bytes(len(trailer) - 1 - room) + trailer[-1:]\n"
                "        return self.seal(payload + (trailer + next_header.to_bytes()), sequence, iv)"),
        breaks=("RFC4303-2.4-default-padding",),
    ),
    defect(
        "format-burst-beyond-32", "D-054", "format",
        "the submission queue has 32 places: what comes after them in one burst is dropped",
        ("endpoint", BURST_OUT,
         "    def outbound_burst(self, name, packets, now):\n"
         "        sent = [self.outbound(name, packet, now=now) for packet in packets[:32]]\n"
         "        return sent + [DropReason.UNSPECIFIED] * (len(packets) - 32)\n\n" + BURST_OUT),
        breaks=("RFC4303-3.3.3-increment",),
    ),
    defect(
        "format-burst-segment-sent-twice", "LE-004", "format",
        "a packet of a burst that was handed to asynchronous crypto stays in the list of those that are sent at once",
        ("endpoint", BURST_OUT,
         "    def outbound_burst(self, name, packets, now):\n"
         "        sent = [self.outbound(name, packet, now=now) for packet in packets]\n"
         "        return sent[:1] + sent[:1] + sent[2:] if len(sent) > 2 else sent\n\n" + BURST_OUT),
        breaks=("RFC4303-3.3.3-increment",),
    ),
    defect(
        "format-empty-payload-dropped", "linux 6.1", "format",
        "a plaintext that is padding and trailer alone is taken for too short, though an empty payload is one",
        ("esp", "    if end < 0:\n        return DropReason.PADDING\n",
                "    if end <= 0:\n        return DropReason.PADDING\n"),
        breaks=("RFC4303-3.4.4-accepted",),
    ),
    defect(
        "format-empty-payload-as-dummy", "ours", "format",
        "a transport mode packet without a payload is sent as if it were a dummy: nothing follows, so next header 59",
        ("endpoint", "    next_header = NEXT_HEADER_DUMMY if dummy else parts.next_header",
                     "    next_header = NEXT_HEADER_DUMMY if dummy or not parts.payload else parts.next_header"),
        breaks=("RFC4303-2.6-next-header",),
    ),
    # ------------------------------------------------------------------------------------------------------ padding
    defect(
        "padding-length-unchecked", "V-001", "padding",
        "the pad length of the trailer is subtracted from the packet length without a look at what there is",
        ("esp", "    if end < 0:\n        return DropReason.PADDING\n", "    bytearray(end)\n"),
        breaks=("RFC4303-3.4.4-padding-bounds",),
    ),
    defect(
        "padding-length-beyond-packet-accepted", "V-001", "padding",
        "a pad length of more than the plaintext is taken for no padding at all",
        ("esp", "    if end < 0:\n        return DropReason.PADDING\n",
                "    if end < 0:\n        return Opened(plaintext[:-TRAILER_SIZE], b\"\", plaintext[-1])\n"),
        breaks=("RFC4303-3.4.4-padding-bounds",),
    ),
    defect(
        "padding-octet-fifteen-zero", "V-002", "padding",
        "the table of padding octets ends 0d 0e 00: wrong with 15 octets of padding alone",
        ("esp", "_TRAILERS = [bytes(range(1, length + 1)) + bytes([length])",
                "_TRAILERS = [bytes(octet % 15 for octet in range(1, length + 1)) + bytes([length])"),
        breaks=("RFC4303-2.4-default-padding",),
    ),
    defect(
        "padding-zeros", "O-002", "padding",
        "padding is filled with zeros",
        ("esp", "_TRAILERS = [bytes(range(1, length + 1)) + bytes([length])",
                "_TRAILERS = [bytes(length) + bytes([length])"),
        breaks=("RFC4303-2.4-default-padding",),
    ),
    defect(
        "padding-check-from-zero", "D-006", "padding",
        "the receiver expects padding that counts 0, 1, 2",
        ("esp", "_PADDING[:pad_length]", "bytes(range(pad_length))"),
        breaks=("RFC4303-2.4-padding-inspected", "RFC4303-2.4-padding-consumed"),
    ),
    defect(
        "padding-sliced-after-cut", "P-003", "padding",
        "the padding is taken from data that was already cut: packets with any padding are discarded",
        ("esp", "padding = plaintext[end:-2]", "padding = plaintext[:end][end:]"),
        breaks=("RFC4303-2.4-padding-consumed",),
    ),
    defect(
        "padding-table-of-sixteen", "V-008", "padding",
        "the receiver compares with a table of 16 octets: longer padding, which a sender may use, is discarded",
        ("esp", "_PADDING = bytes(range(1, MAX_PADDING + 1))", "_PADDING = bytes(range(1, 17))"),
        breaks=("RFC4303-2.4-sender-may-pad", "RFC4303-2.5-pad-length-range"),
    ),
    defect(
        "padding-255-refused", "V-008", "padding",
        "the greatest pad length is off by one: 255 octets of padding are discarded",
        ("esp", "MAX_PADDING = 255", "MAX_PADDING = 254"),
        ("esp", "for length in range(MAX_PADDING + 1)]", "for length in range(256)]"),
        breaks=("RFC4303-2.5-pad-length-range",),
    ),
    defect(
        "padding-to-cipher-block-only", "S-001", "padding",
        "algorithms without a block size get no padding at all, so that the ICV is not aligned to 4 octets",
        ("esp", "self.alignment = max(4, cipher.block_size)", "self.alignment = cipher.block_size"),
        breaks=("RFC4303-2.4-alignment",),
    ),
    defect(
        "padding-counter-modes-sixteen", "V-003", "padding",
        "all modes of AES are aligned to its block: shorter packets of a counter mode are discarded",
        ("esp", "self.alignment = max(4, cipher.block_size)", "self.alignment = 16 if cipher.iv_size else 4"),
        breaks=("RFC4303-2.4-padding-consumed", "RFC4106-3.2-minimum-padding"),
    ),
    defect(
        "padding-gcm-iv-size", "V-004", "padding",
        "the alignment is the size of the IV: 8 octets for GCM, a receiver discards every second length",
        ("esp", "self.alignment = max(4, cipher.block_size)", "self.alignment = max(4, cipher.iv_size)"),
        breaks=("RFC4303-2.4-padding-consumed", "RFC4106-3.2-minimum-padding"),
    ),
    defect(
        "padding-ctr-sixteen", "D-009", "padding",
        "the receiver wants whole AES blocks of AES-CTR",
        ("esp", "self.alignment = max(4, cipher.block_size)",
                "self.alignment = 16 if encr == \"ENCR_AES_CTR\" else max(4, cipher.block_size)"),
        breaks=("RFC4303-2.4-padding-consumed", "RFC3686-2.3-no-block-padding"),
    ),
    defect(
        "padding-gmac-sixteen", "O-001", "padding",
        "GMAC packets are aligned to 16 octets, and expected to be",
        ("esp", "self.alignment = max(4, cipher.block_size)",
                "self.alignment = 16 if \"GMAC\" in encr else max(4, cipher.block_size)"),
        breaks=("RFC4303-2.4-padding-consumed",),
    ),
    defect(
        "padding-null-block-zero", "V-005", "padding",
        "the block size of NULL encryption is 0: the place of the trailer is computed with it",
        ("esp", "self.alignment = max(4, cipher.block_size)",
                "self.alignment = 0 if encr == \"ENCR_NULL\" else max(4, cipher.block_size)"),
        breaks=("RFC4303-2.4-padding-consumed", "RFC4303-1-integrity-only-supported"),
    ),
    # ---------------------------------------------------------------------------------------------------------- tfc
    defect(
        "tfc-padding-delivered", "S-002", "tfc",
        "TFC padding behind the inner packet is delivered with it",
        ("tunnel", "packet = payload[: length_of(payload)]", "length_of(payload)\n        packet = payload"),
        breaks=("RFC4303-2.7-tfc-discarded", "RFC4303-2.7-tfc-any-value"),
    ),
    defect(
        "tfc-padding-delivered-ipv6", "S-002", "tfc",
        "TFC padding behind an inner IPv6 packet is delivered with it",
        ("tunnel", "packet = payload[: length_of(payload)]",
                   "packet = payload[: max(length_of(payload), len(payload) if next_header == 41 else 0)]"),
        breaks=("RFC4303-2.7-tfc-discarded",),
    ),
    defect(
        "tfc-padding-refused", "V-030", "tfc",
        "the inner packet must fill the payload: packets with TFC padding are discarded",
        ("tunnel", "        packet = payload[: length_of(payload)]\n",
                   "        packet = payload[: length_of(payload)]\n"
                   "        if len(packet) != len(payload):\n            return DropReason.MALFORMED\n"),
        breaks=("RFC4303-2.7-tfc-discarded", "RFC4303-2.7-tfc-any-value"),
    ),
    defect(
        "tfc-length-of-inner-octet", "V-030", "tfc",
        "the amount of TFC padding is kept in one octet: from 256 octets on too much is delivered",
        ("tunnel", "        packet = payload[: length_of(payload)]\n",
                   "        surplus = (len(payload) - length_of(payload)) & 0xFF\n"
                   "        packet = payload[: len(payload) - surplus]\n"),
        breaks=("RFC4303-2.7-tfc-discarded",),
    ),
    defect(
        "tfc-dummy-delivered", "V-057", "tfc",
        "next header 59 means nothing to the receiver: in transport mode a dummy packet is delivered",
        ("endpoint", "if opened.next_header == NEXT_HEADER_DUMMY:", "if opened.next_header == NEXT_HEADER_DUMMY < 0:"),
        breaks=("RFC4303-2.6-dummy-discarded", "RFC4303-3.4.4.1-dummy-discarded", "RFC4303-3.4.4.2-dummy-discarded",
                "RFC4303-2.6-dummy-payload-free"),
    ),
    # --------------------------------------------------------------------------------------------------- robustness
    defect(
        "robustness-header-unchecked", "F-003", "robustness",
        "SPI and sequence number are read from packets of less than 8 octets",
        ("endpoint", "        if len(esp) < 8:\n            return DropReason.MALFORMED\n", "        esp[7]\n"),
        breaks=("RFC4303-3.4.4-malformed-discarded",),
    ),
    defect(
        "robustness-short-body", "V-018", "robustness",
        "nobody looks whether IV and ICV are there before they are read",
        ("endpoint", "    if len(esp) < codec.smallest:\n        return DropReason.MALFORMED\n",
                     "    esp[codec.smallest - 3]\n"),
        breaks=("RFC4303-3.4.4-malformed-discarded",),
    ),
    defect(
        "robustness-empty-plaintext", "V-018", "robustness",
        "the two octets of the trailer are read from a plaintext that has none",
        ("endpoint", "    if len(esp) < codec.smallest:\n        return DropReason.MALFORMED\n",
                     "    if len(esp) < codec.smallest - 2:\n        return DropReason.MALFORMED\n"),
        ("esp", "        if len(packet) < self.smallest:\n            return DropReason.MALFORMED\n", ""),
        breaks=("RFC4303-3.4.4-malformed-discarded",),
    ),
    defect(
        "robustness-partial-block", "V-018", "robustness",
        "ciphertext that is no whole number of blocks is decrypted as far as it goes",
        ("esp", "        if (len(packet) - body - self.icv_size) % self.alignment:\n            return DropReason.MALFORMED\n",
                ""),
        breaks=("RFC4303-3.4.4-malformed-discarded",),
    ),
    defect(
        "robustness-outbound-runt", "N-104", "robustness",
        "a packet to be protected is not checked to hold an IP header",
        ("tunnel", "    if len(packet) < ip.IPV4_HEADER_SIZE:\n        raise Malformed(\"truncated IP header\")\n", ""),
        breaks=("RFC4303-3.3.3-increment",),
    ),
    defect(
        "robustness-inner-length-below-header", "LE-044", "robustness",
        "the total length of an inner IPv4 packet may be less than its header",
        ("ip", "if not (first & 0xF) * 4 <= total <= len(packet):", "if total > len(packet):"),
        breaks=("RFC4303-3.4.4-malformed-discarded",),
    ),
    defect(
        "robustness-extension-header-unchecked", "LE-008", "robustness",
        "the length of an IPv6 extension header is read without a look whether it is there",
        ("ip", "        if at + 8 > len(packet):\n            raise Malformed(\"truncated IPv6 extension header\")\n", ""),
        breaks=("RFC4303-3.4.4-malformed-discarded",),
    ),
    defect(
        "robustness-protected-extension-headers", "LE-008", "robustness",
        "the failure to walk the extension headers inside a transport-mode packet is taken for success",
        ("transport", "        except Malformed:\n            return DropReason.MALFORMED\n",
                      "        except Malformed:\n            return packet\n"),
        breaks=("RFC4303-3.4.4-malformed-discarded",),
    ),
    # ---------------------------------------------------------------------------------------------------- fragments
    defect(
        "fragments-first-accepted", "LE-036", "fragments",
        "only the offset tells a fragment: a first fragment is offered to ESP",
        ("endpoint", "if outer.fragment and self._could_be_esp(outer):", "if outer.fragment_offset > 0 and self._could_be_esp(outer):"),
        breaks=("RFC4303-3.4.1-fragment-discarded",),
    ),
    defect(
        "fragments-in-order-of-arrival", "ours", "fragments",
        "fragments are put together as they come, not by their offsets",
        ("reassembly", "for offset in sorted(self.pieces)]", "for offset in self.pieces]"),
        ("reassembly", "        first = pieces[0]\n", "        first = self.pieces[0]\n"),
        breaks=("RFC4301-5.2-reassembly-first",),
    ),
    defect(
        "fragments-third-lost", "ours", "fragments",
        "of a packet in more than two pieces, ESP sees the first two",
        ("reassembly", "        payload = b\"\".join(piece.octets for piece in pieces)\n",
                       "        payload = b\"\".join(piece.octets for piece in pieces[:2])\n"),
        breaks=("RFC4301-5.2-reassembly-first",),
    ),
    defect(
        "fragments-identification-ignored", "ours", "fragments",
        "fragments of two packets between the same hosts are taken for one packet's",
        ("reassembly", "    key = packet.source + packet.destination + header[4:6] + header[9:10]\n",
                       "    key = packet.source + packet.destination + header[9:10]\n"),
        ("reassembly", "    key = packet.source + packet.destination + whole[at + 4 : at + 8]\n",
                       "    key = packet.source + packet.destination\n"),
        breaks=("RFC4301-5.2-reassembly-first",),
    ),
    defect(
        "fragments-ipv6-read-as-ipv4", "LE-036", "fragments",
        "octets 6 and 7 of an IPv6 packet inside an IPv4 tunnel are read as IPv4's fragment offset",
        ("endpoint", "        result = tunnel.decapsulate(outer.traffic_class, opened.payload, opened.next_header)\n",
                     "        result = tunnel.decapsulate(outer.traffic_class, opened.payload, opened.next_header)\n"
                     "        if outer.version == 4 and opened.next_header == 41 and opened.payload[6] & 0x1F:\n"
                     "            return DropReason.FRAGMENT\n"),
        breaks=("RFC4303-3.1.2-restored",),
    ),
)  # fmt: skip
