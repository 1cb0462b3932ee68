"""The SAs that fuzz targets install: few, and each unlike the others in as many ways as it can be.

Nothing is zero that could hide a mistake: sequence numbers start away from 0, high halves are set, one ESN window
reaches back over the border between two high halves. What an adapter does not declare is left out, or made plainer.
"""

import msgspec

from espproof.adapters.base import AdapterError
from espproof.adapters.capabilities import Capabilities
from espproof.adapters.case import Octets, Sa, Selector, SequenceNumber, UdpEncapsulation
from espproof.conformance.strategies.packets import GATEWAYS
from espproof.conformance.strategies.values import octets
from espproof.reference.algorithms import ENCRYPTION, INTEGRITY

_FIRST_SPI = 0x12345601


def _sa(
    number: int, name: str, mode: str, outer: int, encr: str, key_size: int, auth: str = "NONE", **more: object
) -> Sa:
    here, there = GATEWAYS[outer][0]
    fields = {
        "name": name, "direction": "in", "spi": _FIRST_SPI + number, "mode": mode, "source": there, "destination": here,
        "encr": encr, "encr_key": Octets(octets(number + 1, "fuzz encr", key_size)),
        "salt": Octets(octets(number + 1, "fuzz salt", ENCRYPTION[encr].salt_size)),
        "auth": auth, "auth_key": Octets(octets(number + 1, "fuzz auth", INTEGRITY[auth].key_size)),
        "sequence": SequenceNumber(0x01020300 + number), **more,
    }  # fmt: skip
    return Sa(**fields)  # type: ignore[arg-type]  # checked by the capability probe and by a test


_NAT = UdpEncapsulation(source_port=4500, destination_port=4500)
_ESN = SequenceNumber(0x01020304_00000010)  # a window of 64 reaches back into the numbers of the high half before
_INNER = (Selector(source="203.0.113.0/24"), Selector(source="2001:db8:80::/48"))

ASSOCIATIONS: tuple[Sa, ...] = (
    _sa(0, "gcm-tunnel", "tunnel", 4, "ENCR_AES_GCM_16", 16, received_offsets=(1, 3)),
    _sa(1, "gcm-esn-tunnel6", "tunnel", 6, "ENCR_AES_GCM_16", 32, esn=True, sequence=_ESN),
    _sa(2, "cbc-udp-tunnel", "tunnel", 4, "ENCR_AES_CBC", 16, "AUTH_HMAC_SHA2_256_128", udp=_NAT),
    _sa(3, "chacha-transport", "transport", 4, "ENCR_CHACHA20_POLY1305", 32),
    _sa(4, "null-transport6", "transport", 6, "ENCR_NULL", 0, "AUTH_HMAC_SHA2_256_128"),
    _sa(5, "ctr-esn-selectors6", "tunnel", 6, "ENCR_AES_CTR", 24, "AUTH_HMAC_SHA1_96", esn=True, sequence=_ESN,
        selectors=_INNER),
    _sa(6, "gmac-udp-transport", "transport", 4, "ENCR_NULL_AUTH_AES_GMAC", 16, udp=_NAT),
    _sa(7, "ccm-no-window", "tunnel", 4, "ENCR_AES_CCM_8", 16, replay_window=0, ecn="compatibility",
        lookup="spi+destination+source"),
    _sa(8, "implicit-iv-transport6", "transport", 6, "ENCR_AES_GCM_16_IIV", 16, esn=True, sequence=_ESN),
)  # fmt: skip


def fitting(caps: Capabilities) -> tuple[Sa, ...]:
    """The SAs that an implementation with these capabilities can hold. `AdapterError` if there is none."""
    found = tuple(plain for sa in ASSOCIATIONS if (plain := _plainer(sa, caps)) is not None)
    if not found:
        raise AdapterError("none of the SAs that fuzz targets use can be installed: the capabilities allow none")
    return found


def _plainer(sa: Sa, caps: Capabilities) -> Sa | None:
    """The SA, or the same without what is not declared and not its point; None if that is not enough."""
    less: dict[str, object] = {}
    if caps.replay_windows is None:
        less["replay_window"] = 0
    if not caps.selectors:
        less["selectors"] = ()
    if not caps.set_window or caps.replay_windows is None:
        less["received_offsets"] = ()
    if sa.lookup not in caps.lookup:
        less["lookup"] = "spi"
    if not caps.ecn:
        less["ecn"] = "normal"
    if not caps.set_sequence:
        less["sequence"] = SequenceNumber(caps.start_of(sa.direction))
    changed = msgspec.structs.replace(sa, **less)
    return None if caps.lacks(changed) else changed
