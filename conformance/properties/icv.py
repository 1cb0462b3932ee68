"""Integrity: nothing but the right ICV passes (RFC 4303 3.3.2, 3.4.4)."""

from hypothesis import strategies as st

from espproof.conformance.checks.registry import check
from espproof.conformance.checks.scenario import Scenario
from espproof.conformance.requirements.ids import ACCEPTED, ICV_WRONG
from espproof.reference.algorithms import ENCRYPTION

SEPARATE = "RFC4303-3.4.4.1-icv-wrong-discarded"
COMBINED = "RFC4303-3.4.4.2-icv-wrong-discarded"
BEFORE = "RFC4303-3.4.4.1-icv-before-delivery"
SEQUENCE = "RFC4303-3.4.3-combined-sequence-matches"
LENGTH = "RFC4303-2.8-icv-length"
GCM_LENGTH = "RFC4106-6-icv-others"
SHA2_LENGTH, SHA2_WHOLE = "RFC4868-2.3-no-other-truncation", "RFC4868-2.3-compared-half"


def about(encr: str) -> str:
    return COMBINED if ENCRYPTION[encr].aead else SEPARATE


@check(SEPARATE, COMBINED, weight=2.0, proved_by=("icv-last-octets-not-compared", "icv-gmac-unverified"))
def one_bit(s: Scenario) -> None:
    """One bit changed anywhere behind the SPI: header, IV, ciphertext or ICV."""
    sa = s.inbound_sa(sequence=0)
    packet = s.peer(sa).protect(s.small(sa), 1)
    esp = s.peer(sa).esp_length(packet)
    at = len(packet) - 1 - s.draw(st.integers(0, esp - 9))
    changed = packet[:at] + bytes([packet[at] ^ 1 << s.draw(st.integers(0, 7))]) + packet[at + 1 :]
    s.arrives(changed, about(sa.encr))
    s.arrives(packet, ACCEPTED)


@check(
    SEPARATE,
    COMBINED,
    SHA2_WHOLE,
    proved_by=("icv-last-octets-not-compared", "icv-gmac-unverified", "icv-mismatch-count-as-success"),
)
def every_octet_of_the_icv(s: Scenario) -> None:
    """Each octet of the ICV counts."""
    sa = s.inbound_sa(sequence=0)
    packet = s.peer(sa).protect(s.small(sa), 1)
    rule = SHA2_WHOLE if "SHA2" in sa.auth else about(sa.encr)
    for distance in range(1, s.peer(sa).codec.icv_size + 1):
        at = len(packet) - distance
        s.arrives(packet[:at] + bytes([packet[at] ^ 0xFF]) + packet[at + 1 :], rule)
    s.arrives(packet, ACCEPTED)


@check(LENGTH, GCM_LENGTH, SHA2_LENGTH, proved_by=("icv-shorter-separate", "icv-shorter-gcm"))
def other_length(s: Scenario) -> None:
    """An ICV that is cut short, or is followed by more, is no ICV."""
    sa = s.inbound_sa(sequence=0)
    rule = GCM_LENGTH if "_GCM_" in sa.encr else SHA2_LENGTH if "SHA2" in sa.auth else LENGTH
    packet = s.peer(sa).protect(s.small(sa), 1)
    esp = packet[len(packet) - s.peer(sa).esp_length(packet) :]
    for change in (-4, -8, 4):
        s.arrives(s.peer(sa).wrap(s.small(sa), esp[:change] if change < 0 else esp + bytes(change)), rule)
    s.arrives(packet, ACCEPTED)


@check(SEPARATE, COMBINED, BEFORE, proved_by=("icv-mismatch-count-as-success",))
def special_icvs(s: Scenario) -> None:
    """An ICV of zeros, of ones, or the one of the packet before."""
    sa = s.inbound_sa(sequence=0)
    size = s.peer(sa).codec.icv_size
    first = s.receive(sa, 1, ACCEPTED)
    second = s.peer(sa).protect(s.small(sa), 2)
    rule = about(sa.encr)
    s.arrives(second[:-size] + bytes(size), BEFORE if rule == SEPARATE else rule)
    for icv in (b"\xff" * size, first[-size:]):
        s.arrives(second[:-size] + icv, rule)
    s.arrives(second, ACCEPTED)


@check(
    ICV_WRONG,
    SEQUENCE,
    proved_by=("icv-gmac-unverified", "icv-truncated-gcm-unverified", "icv-mismatch-count-as-success"),
)
def other_number(s: Scenario) -> None:
    """The sequence number is authenticated: a packet does not pass under another one."""
    sa = s.inbound_sa(sequence=0)
    packet = s.peer(sa).protect(s.small(sa), 1)
    at = len(packet) - s.peer(sa).esp_length(packet) + 4
    other = s.draw(st.sampled_from((2, 3, 0x100, 0x10001)))
    rule = SEQUENCE if ENCRYPTION[sa.encr].aead else ICV_WRONG
    s.arrives(packet[:at] + other.to_bytes(4, "big") + packet[at + 4 :], rule)
    s.arrives(packet, ACCEPTED)


@check(ICV_WRONG, proved_by=("icv-mismatch-count-as-success",))
def other_spi(s: Scenario) -> None:
    """The SPI is authenticated: a packet of one SA does not pass as one of another with the same keys."""
    one = s.inbound_sa(sequence=0)
    two = s.with_fields(one, name="twin", spi=one.spi ^ 0x01010100)
    packet = s.peer(one).protect(s.small(one), 1)
    at = len(packet) - s.peer(one).esp_length(packet)
    s.arrives(packet[:at] + two.spi.to_bytes(4, "big") + packet[at + 4 :], ICV_WRONG)
    s.arrives(packet, ACCEPTED)


@check(
    SEPARATE,
    COMBINED,
    ACCEPTED,
    proved_by=("icv-gmac-unverified", "icv-failure-sticks", "icv-mismatch-count-as-success"),
)
def other_keys(s: Scenario) -> None:
    """A packet made with another key, salt or integrity key is rejected."""
    sa = s.inbound_sa(sequence=0)
    candidates = {"encr_key": sa.encr_key, "salt": sa.salt, "auth_key": sa.auth_key}
    # without integrity of its own, a wrong key of a separate cipher changes the plaintext, not the ICV
    present = [name for name, value in candidates.items() if value and (ENCRYPTION[sa.encr].aead or name == "auth_key")]
    name = s.choose(present)
    value = candidates[name]
    at = s.draw(st.sampled_from((0, len(value) - 1, len(value) // 2)))
    wrong = value[:at] + bytes([value[at] ^ 0x04]) + value[at + 1 :]
    s.arrives(s.peer_of(sa, **{name: wrong}).protect(s.small(sa), 1), about(sa.encr))
    s.receive(sa, 1, ACCEPTED)
