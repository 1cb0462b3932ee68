"""scapy.layers.ipsec as an implementation under test: one `SecurityAssociation` object per SA, in process.

scapy protects and opens single packets; it has no SAD, no replay window and no clock, and it takes the high half of an
extended sequence number as a constant of the SA. The adapter adds nothing to that: it picks the SA by SPI, hands over
octets, and reports what comes back. scapy documents `IPSecIntegrityError` and `TypeError`; any other exception that
hostile octets can raise would end a program that uses it, and is reported as a crash.

What scapy 2.8 cannot be told is not declared: the tunnel header is a template, so that DSCP and DF cannot be copied.
`crypt_icv_size` is taken for AES-GCM and not looked at. As no packet of such an SA is right, the variant `icv` alone asks
for it, and only sends: inbound, right packets are discarded for the same reason.
"""

from typing import Any

import scapy
from msgspec.structs import replace
from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.ipsec import ESP, NAT_KEEPALIVE, NON_ESP, IPSecIntegrityError, SecurityAssociation

from espproof.adapters.base import Adapter, Crashed
from espproof.adapters.capabilities import Capabilities
from espproof.adapters.case import (
    Delivered,
    Done,
    Dropped,
    Octets,
    Outbound,
    Passed,
    Refused,
    Sa,
    Sent,
    Unsupported,
)
from espproof.reference.algorithms import ENCRYPTION, INTEGRITY

_ICV_SIZES = {"ENCR_AES_CCM_8": 8, "ENCR_AES_CCM_12": 12, "ENCR_AES_CCM_16": 16}
_CRYPT = {name: entry.names.scapy for name, entry in ENCRYPTION.items() if entry.names.scapy}
_CRYPT |= dict.fromkeys(_ICV_SIZES, "AES-CCM")
_IGNORED_ICV_SIZES = {"ENCR_AES_GCM_8": 8, "ENCR_AES_GCM_12": 12}
_AUTH = {name: entry.names.scapy for name, entry in INTEGRITY.items() if entry.names.scapy}

_PROTOCOL_ESP = 50
_UDP_PORT = 4500

_CAPABILITIES = Capabilities(
    encryption={name: ENCRYPTION[name].key_sizes for name in _CRYPT},
    integrity=tuple(_AUTH),
    modes=("transport", "tunnel"),
    families=("4in4", "6in4", "4in6", "6in6"),
    esn=(False, True),
    replay_windows=None,
    set_sequence=True,
    set_iv=True,
    udp=(4, 6),
    udp_ports=True,
    tfc=True,  # octets behind the inner packet are scapy's Padding, and are protected with it
    dscp=("fixed",),
    ecn=("normal",),
    df=("set", "clear"),
    hop_limit=True,
    delete_sa=True,
    max_packet=65535,
    ipv4_options=True,
    ipv6_extension_headers=True,
)


ICV = "icv"
"""The variant with AES-GCM whose ICV is not as long as scapy makes it, too."""
_OF_ICV = replace(
    _CAPABILITIES,
    encryption=_CAPABILITIES.encryption | {name: ENCRYPTION[name].key_sizes for name in _IGNORED_ICV_SIZES},
    directions=("out",),
)


class ScapyAdapter(Adapter):
    """Runs Cases on scapy.layers.ipsec."""

    def __init__(self, variant: str = "") -> None:
        self.name = f"scapy:{variant}" if variant else "scapy"
        self._capabilities = _OF_ICV if variant == ICV else _CAPABILITIES
        self.reset()

    @property
    def version(self) -> str:
        return str(scapy.__version__)

    def capabilities(self) -> Capabilities:
        return self._capabilities

    def reset(self) -> None:
        self._sas: dict[str, tuple[Sa, SecurityAssociation]] = {}

    def add_sa(self, sa: Sa) -> Done | Refused | Unsupported:
        missing = self._capabilities.lacks(sa)
        if missing:
            return Unsupported(what=missing)
        if sa.name in self._sas:
            return Refused(reason="name in use")
        try:
            self._sas[sa.name] = (sa, _association(sa))
        except (
            TypeError,
            ValueError,
            OSError,
        ) as error:  # OSError: scapy asks the resolver for an address it cannot read
            return Refused(reason=str(error))
        return Done()

    def delete_sa(self, name: str) -> Done | Refused | Unsupported:
        return Done() if self._sas.pop(name, None) else Refused(reason="no such SA")

    def outbound(self, step: Outbound) -> Sent | Dropped | Refused | Unsupported:
        if step.dummy:
            return Unsupported(what="dummy")
        sa, association = self._sas.get(step.sa, (None, None))
        if sa is None or association is None or sa.direction != "out":
            return Refused(reason="no outbound SA of that name")
        if step.tfc and sa.mode != "tunnel":
            return Unsupported(what="tfc in transport mode")
        layer = IP if step.packet[:1] and step.packet[0] >> 4 == 4 else IPv6
        try:
            plain = layer(bytes(step.packet) + bytes(step.tfc))
            return Sent(packet=Octets(bytes(association.encrypt(plain, iv=step.iv and bytes(step.iv)))))
        except Exception:  # scapy documents no error for what it cannot send; nothing was sent
            return Dropped()

    def inbound(self, packet: Octets) -> Delivered | Dropped | Passed | Unsupported:
        try:
            return self._open(bytes(packet))
        except IPSecIntegrityError:
            return Dropped(reason="integrity")
        except TypeError:
            return Dropped()
        except Exception as error:
            raise Crashed(f"{type(error).__name__}: {error}") from error

    def _open(self, octets: bytes) -> Delivered | Dropped | Passed:
        try:
            packet: Any = IP(octets) if octets and octets[0] >> 4 == 4 else IPv6(octets)
        except Exception:  # for scapy's own sockets, what cannot be dissected is Raw
            return Dropped()
        if packet.haslayer(NON_ESP):
            return Passed(to="ike")
        if packet.haslayer(NAT_KEEPALIVE):
            return Dropped(reason="keepalive")
        if not packet.haslayer(ESP):
            return Dropped() if _meant_for_esp(packet) else Passed(to="bypass")
        spi = packet[ESP].spi
        for sa, association in self._sas.values():
            if sa.direction == "in" and sa.spi == spi:
                return Delivered(packet=Octets(bytes(association.decrypt(packet))), sa=sa.name)
        return Dropped(reason="no-sa")


def _meant_for_esp(packet: Any) -> bool:
    """Whether scapy would have looked for ESP, had there been enough octets."""
    while packet:
        if _PROTOCOL_ESP in (getattr(packet, "proto", None), getattr(packet, "nh", None)):
            return True
        if isinstance(packet, UDP) and _UDP_PORT in (packet.sport, packet.dport):
            return True
        packet = packet.payload
    return False


def _association(sa: Sa) -> SecurityAssociation:
    tunnel = None
    if sa.mode == "tunnel":
        traffic_class = 0 if sa.dscp == "copy" else sa.dscp << 2
        if ":" in sa.destination:
            tunnel = IPv6(src=sa.source, dst=sa.destination, tc=traffic_class, hlim=sa.hop_limit)
        else:
            flags = "DF" if sa.df == "set" else 0
            tunnel = IP(src=sa.source, dst=sa.destination, tos=traffic_class, ttl=sa.hop_limit, flags=flags)
    next_sequence = int(sa.sequence) + 1
    return SecurityAssociation(
        ESP,
        spi=sa.spi,
        seq_num=next_sequence & 0xFFFFFFFF if sa.esn else next_sequence,
        crypt_algo=_CRYPT.get(sa.encr, "AES-GCM"),
        crypt_key=bytes(sa.encr_key + sa.salt) or None,
        crypt_icv_size=(_ICV_SIZES | _IGNORED_ICV_SIZES).get(sa.encr),
        auth_algo=_AUTH[sa.auth] if sa.auth != "NONE" else None,
        auth_key=bytes(sa.auth_key) or None,
        tunnel_header=tunnel,
        nat_t_header=UDP(sport=sa.udp.source_port, dport=sa.udp.destination_port) if sa.udp else None,
        esn_en=sa.esn,
        esn=next_sequence >> 32,
    )
