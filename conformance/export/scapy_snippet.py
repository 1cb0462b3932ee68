"""A case as a Python script for scapy alone: builds the SAs, protects and opens the packets, prints what comes out.

It is written here as text; scapy is needed where it runs. scapy has no SAD and no replay window, and takes the high half
of an extended sequence number as it is told: the script names SA and high half for each packet, as the reference found
them. Steps that scapy has no word for are comments.
"""

from espproof.adapters.case import (
    AddSa,
    Burst,
    Case,
    DeleteSa,
    Delivered,
    Dropped,
    Inbound,
    InboundBurst,
    Octets,
    Outbound,
    OutboundBurst,
    Outcome,
    Refused,
    Sa,
    Sent,
    State,
    Step,
)
from espproof.adapters.models.reference import ReferenceAdapter
from espproof.adapters.printable import printable
from espproof.conformance.export.comment import comment
from espproof.conformance.export.pcap import expected
from espproof.reference import ip, udp_encapsulation
from espproof.reference.algorithms import ENCRYPTION, INTEGRITY
from espproof.reference.endpoint import PROTOCOL_ESP, PROTOCOL_UDP
from espproof.reference.errors import Malformed
from espproof.reference.esp import HEADER_SIZE, sequence_low, spi_of
from espproof.reference.sequence import next_sequence, reconstruct

HEAD = """\
#!/usr/bin/env python3
# Needs scapy and cryptography:   pip install scapy cryptography"""

BODY = '''\
from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.ipsec import ESP, SecurityAssociation


def layer(octets):
    return IP(octets) if octets[:1] and octets[0] >> 4 == 4 else IPv6(octets)


def receive(step, sa, high, packet, expected):
    """Open one packet that arrives, and print what comes out. `high` is the half of the number that is not sent."""
    sa.esn = high
    try:
        told = "delivered " + bytes(sa.decrypt(layer(bytes.fromhex(packet)))).hex()
    except Exception as error:
        told = f"dropped ({type(error).__name__}: {error})"
    print(f"step {step}: {told}\\n    expected: {expected}")


def send(step, sa, high, low, iv, packet, expected):
    """Protect one packet as number high, low, and print what would leave."""
    sa.esn, sa.seq_num = high, low
    try:
        told = "sent " + bytes(sa.encrypt(layer(bytes.fromhex(packet)), iv=iv and bytes.fromhex(iv))).hex()
    except Exception as error:
        told = f"not sent ({type(error).__name__}: {error})"
    print(f"step {step}: {told}\\n    expected: {expected}")


sas = {}'''

CCM = "AES-CCM"
"""scapy's name for AES-CCM with any size of ICV, which is a parameter."""


def scapy(case: Case) -> str:
    """The script."""
    lines = [*HEAD.splitlines(), *comment(f"espproof case {case.id}"), *comment(case.title), *BODY.splitlines()]
    writer = _Writer()
    for sa in case.sas:
        lines += writer.add(sa)
    for number, (step, right) in enumerate(zip(case.steps, expected(case), strict=True)):
        lines += writer.step(number, step, right)
    return "\n".join(lines) + "\n"


def association(sa: Sa) -> str | None:
    """The expression that makes scapy's SA; None if scapy cannot do it."""
    if sa.protocol != "esp":
        return None
    crypt = CCM if "_CCM_" in sa.encr and "IIV" not in sa.encr else ENCRYPTION[sa.encr].names.scapy
    auth = INTEGRITY[sa.auth].names.scapy
    if crypt is None or auth is None or (crypt == "AES-GCM" and ENCRYPTION[sa.encr].icv_size != 16):
        return None
    number = int(sa.sequence) + 1
    arguments = {
        "spi": f"{sa.spi:#010x}",
        "seq_num": f"{number & 0xFFFFFFFF:#x}" if sa.esn else str(number),
        "crypt_algo": repr(crypt),
        "crypt_key": _octets(sa.encr_key + sa.salt),
        **({"crypt_icv_size": str(ENCRYPTION[sa.encr].icv_size)} if crypt == CCM else {}),
        "auth_algo": repr(auth) if sa.auth != "NONE" else "None",
        "auth_key": _octets(sa.auth_key),
        "tunnel_header": _tunnel_header(sa) if sa.mode == "tunnel" else "None",
        "nat_t_header": f"UDP(sport={sa.udp.source_port}, dport={sa.udp.destination_port})" if sa.udp else "None",
        "esn_en": str(sa.esn),
        "esn": f"{number >> 32:#x}",
    }
    return "SecurityAssociation(ESP, " + ", ".join(f"{name}={value}" for name, value in arguments.items()) + ")"


def _octets(octets: bytes) -> str:
    return f"bytes.fromhex({octets.hex()!r})" if octets else "None"


def _tunnel_header(sa: Sa) -> str:
    traffic_class = 0 if sa.dscp == "copy" else sa.dscp << 2
    ends = f"src={sa.source!r}, dst={sa.destination!r}"
    if ":" in sa.destination:
        return f"IPv6({ends}, tc={traffic_class}, hlim={sa.hop_limit})"
    return f"IP({ends}, tos={traffic_class}, ttl={sa.hop_limit}, flags={'DF' if sa.df == 'set' else 0!r})"


class _Writer:
    """Writes step after step, and follows with the reference which SAs there are and how far they have counted."""

    def __init__(self) -> None:
        self._reference = ReferenceAdapter()
        self._sas: dict[str, Sa] = {}

    def add(self, sa: Sa) -> list[str]:
        """An SA, or why it is left out."""
        outcome = self._reference.add_sa(sa)
        if isinstance(outcome, Refused):
            return comment(f"SA {sa.name} is left out, it is not allowed: {outcome.reason}")
        made = association(sa)
        if made is None:
            return comment(f"SA {sa.name} is left out: scapy does not have {sa.encr} with {sa.auth}")
        self._sas[sa.name] = sa
        return [f"sas[{sa.name!r}] = {made}"]

    def step(self, number: int, step: Step, right: Outcome) -> list[str]:
        """The lines of one step."""
        if isinstance(step, AddSa):
            return self.add(step.sa)
        if isinstance(step, Outbound):
            return [self._send(number, step, right)]
        if isinstance(step, Inbound):
            return [self._receive(number, step.packet, right)]
        if isinstance(step, OutboundBurst | InboundBurst):
            rights = right.results if isinstance(right, Burst) else (right,) * len(step.packets)
            pairs = zip(step.packets, rights, strict=False)
            if isinstance(step, InboundBurst):
                return [self._receive(number, packet, one) for packet, one in pairs]
            return [self._send(number, Outbound(sa=step.sa, packet=packet), one) for packet, one in pairs]
        self._reference.take(step)
        if isinstance(step, DeleteSa) and step.sa in self._sas:
            del self._sas[step.sa]
            return [f"del sas[{step.sa!r}]"]
        return [f"# step {number}, {type(step).__name__}: scapy has no word for it"]

    def _send(self, number: int, step: Outbound, right: Outcome) -> str:
        before = self._reference.read_state(step.sa)
        self._reference.outbound(step)
        sa = self._sas.get(step.sa)
        if sa is None or sa.direction != "out" or not isinstance(before, State):
            return f"# step {number}: no SA to send with"
        if step.tfc or step.dummy:
            return f"# step {number}: scapy makes no TFC padding and no dummy packets"
        following = next_sequence(int(before.sequence or 0), sa.esn)
        if following is None:
            return f"# step {number}: the sequence numbers are used up, nothing may be sent"
        iv = step.iv if step.iv is not None else _iv(sa, right)
        high, low = following >> 32, following & 0xFFFFFFFF
        words = [f"{high:#x}", f"{low:#x}", repr(iv.hex() if iv else None), repr(step.packet.hex())]
        return f"send({number}, sas[{sa.name!r}], {', '.join(words)}, {_told(right)!r})"

    def _receive(self, number: int, packet: Octets, right: Outcome) -> str:
        sa, high = self._sa_of(bytes(packet))
        self._reference.inbound(packet)
        if sa is None:
            return f"# step {number}: no SA for this packet; expected {_told(right)}"
        return f"receive({number}, sas[{sa.name!r}], {high:#x}, {packet.hex()!r}, {_told(right)!r})"

    def _sa_of(self, packet: bytes) -> tuple[Sa | None, int]:
        """The inbound SA with the packet's SPI, and the high half of its sequence number by Appendix A."""
        esp = _esp(packet)
        if len(esp) < HEADER_SIZE:
            return None, 0
        sa = next((sa for sa in self._sas.values() if sa.direction == "in" and sa.spi == spi_of(esp)), None)
        state = self._reference.read_state(sa.name) if sa is not None else None
        if sa is None or not sa.esn or not isinstance(state, State):
            return sa, 0
        whole = reconstruct(sequence_low(esp), int(state.sequence or 0), sa.replay_window)
        return sa, (whole or 0) >> 32


def _esp(packet: bytes) -> bytes:
    """The ESP packet in an IP packet, with or without UDP; nothing if there is none."""
    try:
        outer = ip.parse(packet)
        if outer.protocol == PROTOCOL_ESP:
            return outer.payload
        return udp_encapsulation.open_datagram(outer.payload).payload if outer.protocol == PROTOCOL_UDP else b""
    except Malformed:
        return b""


def _iv(sa: Sa, right: Outcome) -> bytes:
    """The IV of the packet that should leave, so that scapy's packet can be compared with it."""
    esp = _esp(right.packet) if isinstance(right, Sent) else b""
    return esp[HEADER_SIZE : HEADER_SIZE + ENCRYPTION[sa.encr].iv_size]


def _told(outcome: Outcome) -> str:
    match outcome:
        case Delivered(packet=packet):
            return f"delivered {packet.hex()}"
        case Sent(packet=packet):
            return f"sent {packet.hex()}"
        case Dropped(reason=reason):
            return f"dropped ({printable(reason)})"
    return type(outcome).__name__.lower()
