"""Known answers for every algorithm suite: with 32-bit numbers, with extended ones, and what must not be accepted.

The high half is never zero and reads differently in every byte order; SAs start in the middle of a subspace or just
before its end. Each negative vector ends with the right packet of the same number: a receiver that drops everything, or
that moves its window for a packet that it could not authenticate, fails as well.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from espproof.adapters.case import Case, Dropped, Octets, Outbound, Sa, Sent, SequenceNumber, Step
from espproof.conformance.requirements.ids import ACCEPTED, COVERS_HIGH, ICV
from espproof.conformance.vectors.made import Made, Mistake, Vector, accepted, arrive, datagram, protect
from espproof.conformance.vectors.suites import COMBINED, IMPLICIT_IV, SEPARATE, SUITES, Suite
from espproof.reference.algorithms import ENCRYPTION

HIGH = 0x0A1B2C3D
MIDDLE = HIGH << 32 | 0x4E5F6071
LAST = HIGH << 32 | 0xFFFF_FFFF

WRONG = {False: "RFC4303-3.4.4.1-icv-wrong-discarded", True: "RFC4303-3.4.4.2-icv-wrong-discarded"}

FLAGS = {
    "high-left-out": "The ICV does not cover the high half at all. Both ends of one product agree with each other and "
    "with nobody else; an attacker replays packets of the subspace before, which the window takes for new ones.",
    "high-zero": "The high half is taken as zero: lost on rekey, reset or offload. Works until packet 2^32, then all "
    "traffic of the SA stops.",
    "high-byte-swapped": "The high half is in host order. Works as long as it is zero, then all traffic stops on "
    "little-endian machines.",
    "high-plus-one": "The high half is one too large: the receiver believes in the next subspace. Packets of the past "
    "or the future subspace are accepted.",
    "high-minus-one": "The high half is one too small: the subspace was not changed at the crossing. A replay of the "
    "whole last subspace is accepted.",
    "halves-swapped": "The halves are in the wrong order (combined mode: low half first in the AAD; separate "
    "algorithms: high half with the header instead of behind the packet). No other implementation can be talked to.",
    "iv-without-high": "The implicit IV is made of the low half only. The same nonce comes again after 2^32 packets: "
    "confidentiality and, with GCM, the authentication key are lost.",
    "high-added": "The ICV covers four zero octets of high half although the SA has 32-bit numbers. No other "
    "implementation can be talked to.",
    "subspace-crossing": "Packet 2^32 of an SA. Whoever does not carry over stops all traffic there.",
    "family": "The address families and modes beside IPv4 in IPv4 tunnels, where offsets are often taken for granted.",
}

_COVERAGE = {
    "ENCR_AES_GCM": ("RFC4106-5-aad", "RFC4106-5-aad-esn", "RFC4106-4-nonce-layout"),
    "ENCR_AES_CCM": ("RFC4309-5-aad", "RFC4309-5-aad-esn", "RFC4309-4-nonce-layout"),
    "ENCR_NULL_AUTH_AES_GMAC": ("RFC4543-3.3-aad", "RFC4543-3.3-aad", "RFC4543-3.2-nonce-layout"),
    "ENCR_CHACHA20_POLY1305": ("RFC7634-2.1-aad", "RFC7634-2.1-aad-esn", "RFC7634-2-nonce-layout"),
}
_SEPARATE_COVERAGE = ("RFC4303-3.3.2.1-icv-coverage", "RFC4303-3.3.2.1-esn-high-appended")


def rules(suite: Suite, esn: bool) -> tuple[str, ...]:
    """The algorithm's own requirements that a packet of this suite puts to the test."""
    if not suite.aead:
        found = [_SEPARATE_COVERAGE[esn]]
        if suite.encr == "ENCR_AES_CTR":
            found.append("RFC3686-4-counter-block")
        if suite.auth.startswith("AUTH_HMAC_SHA2"):
            found.append("RFC4868-2.3-truncation")
        return tuple(found)
    plain, extended, nonce = next(rule for name, rule in _COVERAGE.items() if suite.encr.startswith(name))
    found = [extended if esn else plain, nonce]
    if suite.implicit_iv:
        found += ["RFC8750-4-iv-is-sequence-number", "RFC8750-4-esn-iv" if esn else "RFC8750-4-zero-high-half"]
    return tuple(found)


def separate() -> Iterator[Vector]:
    for suite in SEPARATE:
        yield from _suite(suite)


def combined() -> Iterator[Vector]:
    for suite in COMBINED:
        yield from _suite(suite)
    yield from _families(SUITES["gcm16"])


def implicit_iv() -> Iterator[Vector]:
    for suite in IMPLICIT_IV:
        yield from _suite(suite)


@dataclass(frozen=True, slots=True)
class _Shape:
    """What is around the suite: the inner IP version and the SA's fields that are not the usual ones."""

    version: int = 4
    fields: Mapping[str, str] = field(default_factory=dict)
    flags: tuple[str, ...] = ()


_TUNNEL = _Shape()
_OUTER_6 = {"source": "2001:db8:1::2a", "destination": "2001:db8:2::3b"}
_TRANSPORT_4 = {"mode": "transport", "source": "10.1.2.3", "destination": "10.77.8.9"}
_TRANSPORT_6 = {
    "mode": "transport",
    "source": "2001:db8:a:102:304:506:708:90a",
    "destination": "2001:db8:a:1112:1314:1516:1718:191a",
}
_SHAPES = {
    "6in6": _Shape(6, _OUTER_6, ("family",)),
    "4in6": _Shape(4, _OUTER_6, ("family",)),
    "6in4": _Shape(6, {}, ("family",)),
    "transport-v4": _Shape(4, _TRANSPORT_4, ("family",)),
    "transport-v6": _Shape(6, _TRANSPORT_6, ("family",)),
}
_MISTAKES = (
    Mistake.HIGH_LEFT_OUT,
    Mistake.HIGH_ZERO,
    Mistake.HIGH_SWAPPED,
    Mistake.HIGH_PLUS_ONE,
    Mistake.HIGH_MINUS_ONE,
    Mistake.HALVES_SWAPPED,
)

_TOLD = {
    Mistake.HIGH_ADDED: "the ICV covers a high half of zero",
    Mistake.HIGH_LEFT_OUT: "the ICV does not cover the high half",
    Mistake.HIGH_ZERO: "the high half is taken as zero",
    Mistake.HIGH_SWAPPED: "the high half is in the other byte order",
    Mistake.HIGH_PLUS_ONE: "the high half is one too large",
    Mistake.HIGH_MINUS_ONE: "the high half is one too small",
    Mistake.HALVES_SWAPPED: "the halves are in the wrong order",
    Mistake.IV_WITHOUT_HIGH: "the implicit IV is made of the low half alone",
}


def _suite(suite: Suite) -> Iterator[Vector]:
    yield _outbound(suite, f"kat-{suite.name}-outbound", (1, 2), esn=False)
    yield _inbound(suite, f"kat-{suite.name}-inbound", (1, 2), esn=False)
    yield _negative(suite, Mistake.HIGH_ADDED, 1, esn=False)
    yield _outbound(suite, f"esn-{suite.name}-outbound", (MIDDLE, MIDDLE + 1), esn=True)
    yield _outbound(suite, f"esn-{suite.name}-outbound-crossing", (LAST, LAST + 1), esn=True)
    yield _inbound(suite, f"esn-{suite.name}-inbound", (MIDDLE, MIDDLE + 1), esn=True)
    yield _inbound(suite, f"esn-{suite.name}-inbound-crossing", (LAST, LAST + 1), esn=True)
    for mistake in _MISTAKES + ((Mistake.IV_WITHOUT_HIGH,) if suite.implicit_iv else ()):
        yield _negative(suite, mistake, MIDDLE, esn=True)


def _families(suite: Suite) -> Iterator[Vector]:
    for name, shape in _SHAPES.items():
        yield _outbound(suite, f"esn-{suite.name}-{name}-outbound", (MIDDLE, MIDDLE + 1), esn=True, shape=shape)
        yield _inbound(suite, f"esn-{suite.name}-{name}-inbound", (MIDDLE, MIDDLE + 1), esn=True, shape=shape)


def _outbound(suite: Suite, name: str, numbers: tuple[int, ...], *, esn: bool, shape: _Shape = _TUNNEL) -> Vector:
    sa = suite.sa(direction="out", esn=esn, sequence=SequenceNumber(numbers[0] - 1), **shape.fields)
    about = COVERS_HIGH if esn else ICV
    made = _packets(suite, sa, numbers, shape)
    explicit = ENCRYPTION[suite.encr].iv_size > 0
    steps = tuple(
        Outbound(
            sa=sa.name,
            packet=Octets(one.inner),
            iv=Octets(one.iv) if explicit else None,
            requirement=about,
            expect=Sent(packet=one.packet),
            note=f"number {one.sequence:#x}",
        )
        for one in made
    )
    return _vector(suite, name, "what is sent", sa, steps, made, shape.flags + _crossing(numbers))


def _inbound(suite: Suite, name: str, numbers: tuple[int, ...], *, esn: bool, shape: _Shape = _TUNNEL) -> Vector:
    sa = suite.sa(direction="in", esn=esn, sequence=SequenceNumber(numbers[0] - 1), **shape.fields)
    made = _packets(suite, sa, numbers, shape)
    steps = tuple(accepted(one, ACCEPTED) for one in made)
    return _vector(suite, name, "what is accepted", sa, steps, made, shape.flags + _crossing(numbers))


def _negative(suite: Suite, mistake: Mistake, number: int, *, esn: bool) -> Vector:
    sa = suite.sa(direction="in", esn=esn, sequence=SequenceNumber(number - 1))
    (right,) = _packets(suite, sa, (number,), _TUNNEL)
    wrong = protect(sa, number, right.inner, mistake=mistake)
    about = COVERS_HIGH if esn else WRONG[suite.aead]
    steps = (
        arrive(wrong, about, Dropped(reason="integrity"), f"number {number:#x}, {_TOLD[mistake]}"),
        accepted(right, ACCEPTED),
    )
    name = f"{'esn' if esn else 'kat'}-{suite.name}-{mistake.value}"
    return _vector(suite, name, f"{_TOLD[mistake]}: discarded", sa, steps, (wrong, right), (mistake.value,))


def _packets(suite: Suite, sa: Sa, numbers: tuple[int, ...], shape: _Shape) -> tuple[Made, ...]:
    return tuple(
        protect(sa, number, datagram(f"{suite.name} {number}", shape.version, 5 + number % 4)) for number in numbers
    )


def _vector(
    suite: Suite, name: str, what: str, sa: Sa, steps: tuple[Step, ...], made: tuple[Made, ...], flags: tuple[str, ...]
) -> Vector:
    numbers = "64-bit" if sa.esn else "32-bit"
    algorithms = suite.encr if suite.aead else f"{suite.encr} with {suite.auth}"
    about = dict.fromkeys(step.requirement for step in steps if step.requirement)
    case = Case(
        version=1,
        id=name,
        title=f"{algorithms}, {numbers} sequence numbers: {what}",
        requirements=(*about, *(rule for rule in rules(suite, sa.esn) if rule not in about)),
        flags=flags,
        source="espproof",
        sas=(sa,),
        steps=steps,
    )
    return Vector(case, made)


def _crossing(numbers: tuple[int, ...]) -> tuple[str, ...]:
    return ("subspace-crossing",) if numbers[0] >> 32 != numbers[-1] >> 32 else ()
