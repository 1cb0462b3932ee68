"""From what Wireshark shows of a packet to an outcome; where it shows no verdict, there is none.

A dissector displays everything and rejects nothing, but it says three things that an endpoint would act on: whether the
ICV is right, which packet is inside, and that a packet is none of ESP's. The rules:

    esp.icv_bad                                        dropped (integrity)
    esp.icv_good, then IP that is whole                delivered: the plaintext up to the end of the inner packet
    behind an encapsulation port: keepalive, marker    dropped (keepalive), passed to IKE
    neither ESP nor UDP encapsulation, and whole       passed to bypass
    a failed assertion of a dissector                  crash
    anything else                                      no verdict

So these have no verdict: a packet without an SA, or too short for its ICV; a dummy, and a next header that does not go
with a tunnel; an inner packet that is not as long as it claims; a fragment; and UDP *from* an encapsulation port to
another, as Wireshark, which watches both directions, looks for ESP behind either.
"""

from collections.abc import Collection, Sequence

from espproof.adapters.base import Crashed
from espproof.adapters.case import Delivered, Dropped, Octets, Passed, Unsupported
from espproof.adapters.wireshark.sharkd import Shown

NO_VERDICT = Unsupported(what="a verdict: Wireshark shows none")
_IPV6_HEADER = 40
_TRAILER = 2
"""Octets of pad length and next header."""
_IPV6_EXTENSION = "ipv6."
_NOT_SET = "Not set"


def without_plaintext(shown: Shown, ports: Collection[int]) -> Dropped | Passed | Unsupported | None:
    """The outcome, or None if it depends on the plaintext; `ports` are those where UDP encapsulation is received.

    `Crashed` for a mistake that Wireshark finds in itself: the assertion that fails ends the dissection of the packet.
    """
    if shown.bug:
        raise Crashed(f"Wireshark: a dissector's assertion failed ({shown.protocols})")
    layers = shown.protocols.split(":")
    outer = layers[: layers.index("esp")] if "esp" in layers else layers
    if "udpencap" in outer and _first(shown.udp_destination) not in map(str, ports):
        return NO_VERDICT
    if outer is layers:
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
    if length > len(plaintext) - int(shown.pad_length) - _TRAILER:
        return NO_VERDICT
    return Delivered(packet=Octets(plaintext[:length]))


def inner_length(shown: Shown) -> int | None:
    """Octets of the packet that follows ESP, by its own header; None if that is not IP, or not whole."""
    layers = shown.protocols.split(":")
    at = layers.index("esp")
    version = layers[at + 1] if len(layers) > at + 1 else ""
    lengths = {"ip": shown.ipv4_length, "ipv6": shown.ipv6_length}.get(version, "").split(",")
    occurrence = layers[:at].count(version)
    if _broken(shown) or occurrence >= len(lengths) or not lengths[occurrence].isdecimal():
        return None
    return int(lengths[occurrence]) + (_IPV6_HEADER if version == "ipv6" else 0)


def _not_esp(shown: Shown, layers: Sequence[str]) -> Dropped | Passed | Unsupported:
    if "udpencap" in layers:
        if shown.keepalive:
            return Dropped(reason="keepalive")
        return Passed(to="ike") if shown.non_esp_marker else NO_VERDICT
    whole = (
        _first(shown.fragment_offset) in ("", "0")
        and _first(shown.more_fragments) in ("", _NOT_SET)
        and not any(layer.startswith(_IPV6_EXTENSION) for layer in layers)
        and not (_broken(shown) or shown.malformed)
    )
    return Passed(to="bypass") if whole and len(layers) > 2 and layers[1] in ("ip", "ipv6") else NO_VERDICT


def _broken(shown: Shown) -> bool:
    """Whether Wireshark complains of an IP header."""
    return bool(
        shown.bogus_length
        or shown.bogus_header
        or shown.bogus_version
        or shown.bogus_ipv6_length
        or shown.bogus_ipv6_version
    )


def _first(values: str) -> str:
    return values.partition(",")[0]
