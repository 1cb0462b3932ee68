"""From what Wireshark shows of a packet to an outcome; where it shows no verdict, there is none.

A dissector displays everything and rejects nothing, but it says three things that an endpoint would act on: whether the
ICV is right, which packet is inside, and that a packet is none of ESP's. The rules:

    esp.icv_bad                                            dropped (integrity)
    esp.icv_good, and IP inside whose whole length is there    delivered: the plaintext up to the end of the inner packet
    udpencap: keepalive, non-ESP marker                    dropped (keepalive), passed to IKE
    no ESP, an upper layer, nothing wrong with it          passed (bypass)
    anything else                                          no verdict

So a packet without an SA, one too short for its ICV, a dummy, a next header that does not go with a tunnel, and a
fragment have no verdict.
"""

from espproof.adapters.case import Delivered, Dropped, Octets, Passed, Unsupported
from espproof.adapters.wireshark.sharkd import Shown

_IPV6_HEADER = 40
_ESP, _UDP = "50", "17"
_EXTENSION = "ipv6."
NO_VERDICT = Unsupported(what="a verdict: Wireshark shows none")


def without_plaintext(shown: Shown) -> Dropped | Passed | Unsupported | None:
    """The outcome, or None if it depends on the plaintext."""
    layers = shown.protocols.split(":")
    if "esp" not in layers:
        return _not_esp(shown, layers)
    if (shown.icv_good, shown.icv_bad) == ("False", "True"):
        return Dropped(reason="integrity")
    if (shown.icv_good, shown.icv_bad) == ("True", "False") and inner_length(shown) is not None:
        return None
    return NO_VERDICT


def with_plaintext(shown: Shown, plaintext: bytes | None) -> Delivered | Unsupported:
    """The inner packet, cut where Wireshark's dissection of it ends; what follows is TFC padding."""
    length = inner_length(shown)
    if plaintext is None or length is None or not shown.pad_length.isdecimal():
        return NO_VERDICT
    trailer = int(shown.pad_length) + 2
    if length > len(plaintext) - trailer:
        return NO_VERDICT
    return Delivered(packet=Octets(plaintext[:length]))


def inner_length(shown: Shown) -> int | None:
    """Octets of the packet that follows ESP, by its own header; None if that is not IP."""
    layers = shown.protocols.split(":")
    at = layers.index("esp")
    version = layers[at + 1] if len(layers) > at + 1 else ""
    lengths = {"ip": shown.ipv4_length, "ipv6": shown.ipv6_length}.get(version, "").split(",")
    occurrence = layers[:at].count(version)
    if occurrence >= len(lengths) or not lengths[occurrence].isdecimal():
        return None
    return int(lengths[occurrence]) + (_IPV6_HEADER if version == "ipv6" else 0)


def _not_esp(shown: Shown, layers: list[str]) -> Dropped | Passed | Unsupported:
    if "udpencap" in layers:
        if shown.keepalive:
            return Dropped(reason="keepalive")
        return Passed(to="ike") if shown.non_esp_marker else NO_VERDICT
    protocol = (shown.ipv4_protocol or shown.ipv6_next).partition(",")[0]
    cut = protocol == _ESP or (protocol == _UDP and "udp" not in layers)  # a fragment
    extended = any(layer.startswith(_EXTENSION) for layer in layers)
    return NO_VERDICT if not protocol or cut or extended or shown.expert else Passed(to="bypass")
