"""Every algorithm, octet for octet: RFC 3602, 3686, 4106, 4309, 4543, 4868, 7634, 8750."""

from hypothesis import strategies as st

from espproof.conformance.checks import check
from espproof.conformance.scenario import Scenario
from espproof.conformance.strategies.values import octets

ICV = "RFC4303-3.3.2-icv"
ACCEPTED = "RFC4303-3.4.4-accepted"


@check(ICV, weight=2.0)
def known_iv(s: Scenario) -> None:
    """With the IV fixed, the ESP packet is fixed octet for octet."""
    s.need("set_iv", s.caps.set_iv)
    sa = s.outbound_sa(sequence=None)
    size = s.iv_size(sa)
    iv = octets(s.draw(st.integers(1, 2**16)), "iv", size)
    s.send(sa, ICV, packet=s.packet(sa), iv=iv)


@check(ACCEPTED, weight=2.0)
def every_algorithm(s: Scenario) -> None:
    """Right packets of every algorithm, key size and length are opened."""
    row = s.choose(s.rows())
    sa = s.inbound_sa(sequence=None, encr=row.encr, key_size=row.key_size, auth=row.auth)
    start = int(sa.sequence)
    s.need("room for packets", start + 3 <= s.last_number(sa))
    s.receive(sa, start + 1, ACCEPTED, packet=s.packet(sa))
    s.receive(sa, start + 2, ACCEPTED, packet=s.packet(sa))


@check(ACCEPTED)
def any_iv(s: Scenario) -> None:
    """The receiver takes the IV from the packet, whatever it is."""
    sa = s.inbound_sa(sequence=0)
    size = s.iv_size(sa)
    for number in (1, 2, 3):
        iv = s.choose((octets(number, "iv", size), bytes(size), b"\xff" * size))
        s.receive(sa, number, ACCEPTED, iv=iv)
