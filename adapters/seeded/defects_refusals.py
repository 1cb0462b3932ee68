"""Defects of what must be refused or must end: SAs that no RFC allows, lifetimes, fragments, resynchronisation."""

from espproof.adapters.seeded.defects_numbers import REPLAY
from espproof.adapters.seeded.model import defect

_SIZES = "        if size not in allowed:\n"
_PAIR = '    if cipher.aead != (auth == "NONE"):\n'

DEFECTS = (
    # ------------------------------------------------------------------------------------------------------- crypto
    defect(
        "crypto-salt-size-unchecked", "D-058", "crypto",
        "the size of a salt is not looked at before it is copied",
        ("transforms", _SIZES, "        if size not in allowed and not what.endswith(\"salt\"):\n"),
        breaks=("RFC3686-5.1-keymat-size", "RFC4106-8.1-keymat-size", "RFC4309-7.1-keymat-size",
                "RFC4543-5.4-keymat-size"),
    ),
    defect(
        "crypto-hmac-key-of-any-size", "D-058", "crypto",
        "keys of HMAC may have any length, as the function itself allows",
        ("transforms", _SIZES, "        if size not in allowed and not what.startswith(\"AUTH_HMAC\"):\n"),
        breaks=("RFC4868-2.1.1-key-length-only",),
    ),
    defect(
        "crypto-combined-with-integrity", "D-058", "crypto",
        "the integrity algorithm that was given beside a combined-mode algorithm is ignored instead of refused",
        ("transforms", _PAIR, "    if not cipher.aead and auth == \"NONE\":\n"),
        breaks=("RFC4543-3-no-second-encryption", "RFC7634-4-integ-not-negotiated"),
    ),
    defect(
        "crypto-counter-mode-alone", "D-058", "crypto",
        "a counter mode is accepted without integrity",
        ("transforms", _PAIR, "    if encr == \"ENCR_AES_CTR\" and auth == \"NONE\":\n"
                              "        return Separate(_ENCIPHER[encr](encr_key, salt), lambda message: b\"\", 0)\n" + _PAIR),
        breaks=("RFC3686-3.3-integrity-not-null",),
    ),
    defect(
        "crypto-unknown-integrity-is-default", "D-058", "crypto",
        "a name that is not in the table of integrity algorithms stands for the default one, with the key as it is",
        ("transforms", "    if encr not in ENCRYPTION or auth not in INTEGRITY:\n",
                       "    if encr in ENCRYPTION and auth not in INTEGRITY:\n"
                       "        return transform(encr, \"NONE\" if ENCRYPTION[encr].aead else \"AUTH_HMAC_SHA1_96\",\n"
                       "                         encr_key, salt, b\"\" if ENCRYPTION[encr].aead else auth_key[:20])\n"
                       "    if encr not in ENCRYPTION or auth not in INTEGRITY:\n"),
        breaks=("RFC4543-5.3-ah-not-with-esp",),
    ),
    defect(
        "sad-neither-encryption-nor-integrity", "D-058", "sad",
        "an SA with neither encryption nor integrity is accepted",
        ("transforms", _PAIR, "    if encr == \"ENCR_NULL\" and auth == \"NONE\":\n"
                              "        return Separate(Null(), lambda message: b\"\", 0)\n" + _PAIR),
        breaks=("RFC4303-3.2-not-both-null",),
    ),
    # -------------------------------------------------------------------------------------------------------- modes
    defect(
        "modes-bypass-is-protect", "D-015", "modes",
        "traffic that is to bypass IPsec is looked for in the SAD, and discarded when it is not there",
        ("endpoint", "            return DropReason.MALFORMED\n        return Passed(\"bypass\", ",
                     "            return DropReason.MALFORMED\n        return DropReason.NO_SA or (\"bypass\", "),
        breaks=("RFC4301-5.2-bypass",),
    ),
    # ---------------------------------------------------------------------------------------------------------- sad
    defect(
        "sad-mixed-ends-accepted", "D-031", "sad",
        "the IP version of a tunnel is taken from one of its ends, and the other one is not compared",
        ("sa", "        if self.source.version != self.destination.version:\n", "        if False:\n"),
        breaks=("RFC4301-4.4.2.1-tunnel-address-versions",),
    ),
    # ----------------------------------------------------------------------------------------------------- lifetime
    defect(
        "lifetime-octets-not-counted", "LX-009", "lifetime",
        "of the counters of an SA only the packets move",
        ("sa", "        self.octets += octets\n", "        self.octets += 0\n"),
        breaks=("RFC4301-4.4.2.1-lifetime-octets-counted", "RFC4301-4.4.2.1-lifetime-hard"),
    ),
    defect(
        "lifetime-octets-counted-twice", "V-063", "lifetime",
        "octets are credited by two nodes of the graph: once for the packet, once for the burst it came in",
        ("sa", "        self.octets += octets\n", "        self.octets += 2 * octets\n"),
        breaks=("RFC4301-4.4.2.1-lifetime-octets-counted",),
    ),
    defect(
        "lifetime-room-not-looked-at", "LX-009", "lifetime",
        "a packet that is larger than what is left of the lifetime passes, and only the next one does not",
        ("sa", "        return self.lifetime.has_room_for(self.octets, octets)\n",
               "        return True\n"),
        breaks=("RFC4301-4.4.2.1-lifetime-partial-packet",),
    ),
    # ---------------------------------------------------------------------------------------------------- fragments
    defect(
        "fragments-protected-in-transport", "LE-036", "fragments",
        "transport mode is applied to a fragment as if it were a whole datagram",
        ("transport", "    if parsed.is_fragment:\n        return []\n", ""),
        breaks=("RFC4303-3.3.4-no-transport-on-fragments",),
    ),
    defect(
        "fragments-inside-refused", "LE-036", "fragments",
        "an inner packet that is a fragment does not leave the tunnel",
        ("endpoint", "        result = tunnel.decapsulate(outer.traffic_class, opened.payload, opened.next_header)\n",
                     "        result = tunnel.decapsulate(outer.traffic_class, opened.payload, opened.next_header)\n"
                     "        if isinstance(result, bytes) and ip.parse(result).is_fragment:\n"
                     "            return DropReason.FRAGMENT\n"),
        breaks=("RFC4301-7.1-any-port-sas",),
    ),
    defect(
        "fragments-first-header-only", "LE-008", "fragments",
        "a fragment header is found only where it is the first extension header",
        ("ip", "    for header in chain:\n        if header.protocol == PROTOCOL_FRAGMENT:\n",
               "    for header in chain[:1]:\n        if header.protocol == PROTOCOL_FRAGMENT:\n"),
        breaks=("RFC4303-3.3.4-ipv6-fragment-header",),
    ),
    defect(
        "sad-selectors-skip-fragments", "LP-012", "sad",
        "fragments have no ports to compare, so they are not compared with selectors at all",
        ("sa", "        parsed = ip.parse(packet)\n",
               "        parsed = ip.parse(packet)\n        if parsed.is_fragment:\n            return True\n"),
        breaks=("RFC4301-7.3-fragments-policy",),
    ),
    # ---------------------------------------------------------------------------------------------------------- esn
    defect(
        "esn-failures-add-up", "V-016", "esn",
        "failures that are not consecutive add up: a right packet between them does not start the count anew",
        ("endpoint", "    entry.state.failures = 0\n", ""),
        breaks=("RFC4303-A3.1-failures-reset",),
    ),
    defect(
        "esn-resynchronise-unlimited", "V-016", "esn",
        "the search for the sender's high half goes on beyond its limit",
        ("resynchronise", "for step in range(1, limit + 1):", "for step in range(1, limit + 20):"),
        breaks=("RFC4303-A3.2-retries-limited",),
    ),
    defect(
        "esn-resynchronise-never", "V-016", "esn",
        "the search begins again with the present high half, and never finds another one",
        ("resynchronise", "yield (high + step) << 32 | low", "yield high << 32 | low"),
        breaks=("RFC4303-A3-resynchronisation",),
    ),
    # -------------------------------------------------------------------------------------------------- anti-replay
    defect(
        "anti-replay-after-icv", "LX-005", "anti-replay",
        "the window is looked at once, after the ICV: a replayed packet costs as much as a new one",
        ("endpoint", REPLAY + "        return DropReason.REPLAY\n    plaintext = codec.open(esp, sequence)\n",
                     "    plaintext = codec.open(esp, sequence)\n"
                     "    if isinstance(plaintext, bytes) and replay.check(sequence) is not ReplayVerdict.NEW:\n"
                     "        return DropReason.REPLAY\n"),
        breaks=("RFC4303-3.4.3-replay-check-first",),
    ),
)  # fmt: skip
