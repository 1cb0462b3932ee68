"""Hostile octets: whatever arrives is discarded, and changes nothing (RFC 4303 3.4)."""

from hypothesis import strategies as st

from espproof.conformance.checks.registry import check
from espproof.conformance.checks.scenario import Scenario
from espproof.conformance.requirements.ids import ACCEPTED, AFTER_ICV, INCREMENT, MALFORMED
from espproof.conformance.strategies.values import octets


@check(MALFORMED, weight=1.5, proved_by=("robustness-header-unchecked", "robustness-short-body"))
def truncated(s: Scenario) -> None:
    """An ESP packet that ends too early, at any octet, with an outer header that fits it."""
    sa = s.inbound_sa(sequence=0)
    packet = s.peer(sa).protect(s.small(sa), 1)
    length = s.peer(sa).esp_length(packet)
    esp = packet[len(packet) - length :]
    for keep in {s.draw(st.integers(0, length - 1)), s.draw(st.sampled_from((4, 7, 8, 9, 12)))}:
        if keep >= 4 or sa.udp is None:
            s.arrives(s.peer(sa).wrap(s.small(sa), esp[:keep]), MALFORMED)
    s.read(sa, AFTER_ICV, "sequence")
    s.arrives(packet, ACCEPTED)


@check(MALFORMED, proved_by=("robustness-header-unchecked", "robustness-short-body"))
def every_truncation(s: Scenario) -> None:
    """The same, octet by octet."""
    sa = s.inbound_sa(sequence=0)
    packet = s.peer(sa).protect(s.small(sa), 1)
    length = s.peer(sa).esp_length(packet)
    for keep in range(4, length):
        s.arrives(s.peer(sa).wrap(s.small(sa), packet[len(packet) - length :][:keep]), MALFORMED)
    s.arrives(packet, ACCEPTED)


@check(MALFORMED, proved_by=("robustness-announced-octet-read",))
def outer_cut_short(s: Scenario) -> None:
    """An IP packet that is shorter than it says."""
    sa = s.inbound_sa(sequence=0, udp=False)
    packet = s.peer(sa).protect(s.small(sa), 1)
    keep = s.draw(st.one_of(st.integers(20, len(packet) - 1), st.just(len(packet) - 1)))
    s.arrives(packet[:keep], MALFORMED)
    s.arrives(packet, ACCEPTED)


@check(MALFORMED, proved_by=("robustness-end-is-guessed",))
def too_long(s: Scenario) -> None:
    """Octets behind the ICV are not an ESP packet either."""
    sa = s.inbound_sa(sequence=0)
    packet = s.peer(sa).protect(s.small(sa), 1)
    length = s.peer(sa).esp_length(packet)
    more = s.draw(st.sampled_from((1, 2, 4, 16)))
    s.arrives(s.peer(sa).wrap(s.small(sa), packet[len(packet) - length :] + bytes(more)), MALFORMED)
    s.arrives(packet, ACCEPTED)


@check(MALFORMED, proved_by=("robustness-short-body",))
def noise(s: Scenario) -> None:
    """Anything under a known SPI."""
    sa = s.inbound_sa(sequence=0)
    size = s.draw(st.integers(4, 120))
    content = octets(s.draw(st.integers(1, 1000)), "noise", size)
    s.arrives(s.peer(sa).wrap(s.small(sa), sa.spi.to_bytes(4, "big") + content), MALFORMED)
    s.read(sa, AFTER_ICV, "sequence")
    s.receive(sa, 1, ACCEPTED)


@check(MALFORMED, proved_by=("robustness-last-bit-masked",))
def every_bit(s: Scenario) -> None:
    """Every single bit of a short ESP packet, one after the other."""
    sa = s.inbound_sa(sequence=0)
    packet = s.peer(sa).protect(s.small(sa), 1)
    length = s.peer(sa).esp_length(packet)
    bit = s.draw(st.integers(0, 7))
    for at in range(len(packet) - length + 4, len(packet)):
        s.arrives(packet[:at] + bytes([packet[at] ^ 1 << bit]) + packet[at + 1 :], MALFORMED)
    s.arrives(packet, ACCEPTED)


@check(ACCEPTED, proved_by=("robustness-length-signed",))
def large(s: Scenario) -> None:
    """The largest packets that fit."""
    s.need("packets above 1500 octets", s.caps.max_packet > 1500)
    sa = s.inbound_sa(sequence=0)
    limit = min(s.caps.max_packet, 65535) - 200
    length = limit - s.draw(st.integers(0, 24))
    s.receive(sa, 1, ACCEPTED, packet=s.packet(sa, length=length, traffic_class=0, protocol=253))


@check(MALFORMED, proved_by=("robustness-empty-plaintext", "robustness-partial-block"))
def too_little_inside(s: Scenario) -> None:
    """Under a right ICV: no trailer at all, half of one, or ciphertext that ends in the middle of a block."""
    sa = s.inbound_sa(sequence=0)
    peer = s.peer(sa)
    if peer.codec.alignment == 4:
        for number, size in enumerate((0, 1), 1):
            s.receive_plaintext(sa, number, bytes(size), MALFORMED)
    else:
        cut = s.draw(st.integers(1, peer.codec.alignment - 1))
        s.arrives(peer.seal_cut(s.small(sa), s.plaintext(sa), 1, cut), MALFORMED)
    s.receive(sa, 9, ACCEPTED)


@check(INCREMENT, proved_by=("robustness-outbound-runt",))
def no_packet_to_protect(s: Scenario) -> None:
    """Octets that are no IP packet are handed over to be protected: any answer is right, dying is none."""
    sa = s.outbound_sa(sequence=0)
    whole = s.small(sa)
    octets = s.draw(st.sampled_from((b"", whole[:1], whole[:7], whole[:19], b"\x00" * 20, b"\x55" * 30, whole[:39])))
    s.hand_over(sa, octets, INCREMENT, behaviour="no IP packet to protect")
    s.send(s.outbound_sa(sequence=0), INCREMENT)


@check(MALFORMED, ACCEPTED, proved_by=("robustness-extension-header-unchecked",))
def cut_chain(s: Scenario) -> None:
    """IPv6 extension headers that run past the packet, in front of ESP: any answer is right, dying is none."""
    s.need("outer IPv6", any(family[3] == "6" for family in s.caps.families))
    sa = s.inbound_sa(sequence=0, family=("4in6", "6in6"))
    packet = s.peer(sa).protect(s.small(sa), 1)
    kind = s.draw(st.sampled_from((0, 43, 44, 60)))
    behind = s.draw(st.sampled_from((b"", b"\x32", b"\x32\x00\x01", b"\x3c\xff" + bytes(6), b"\x32\x05" + bytes(14))))
    cut = packet[:4] + len(behind).to_bytes(2, "big") + bytes([kind]) + packet[7:40] + behind
    s.arrives(cut, MALFORMED, behaviour="IPv6 extension headers cut short")
    s.arrives(packet, ACCEPTED)
