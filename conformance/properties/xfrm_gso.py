"""Super-packets on their way out: what is cut up below the transform leaves as if it had come in parts."""

from hypothesis import strategies as st

from espproof.conformance.checks.host import HostScenario
from espproof.conformance.checks.registry import check
from espproof.conformance.checks.scenario import Scenario
from espproof.conformance.requirements.ids import IN_THE_CLEAR, INCREMENT, counter_rule
from espproof.conformance.strategies import packets, upper_layers

TCP_SEGMENTS = "LINUX.segmentation_offloads-tcp-segments"
IDENTIFICATION = "LINUX.segmentation_offloads-tcp-identification"
ESN_HIGH = "RFC4303-3.3.2.1-esn-high-appended"
AS_SINGLES, UDP = "LINUX.segmentation_offloads-gso-as-singles", "LINUX.segmentation_offloads-gso-udp"
OUT_SEQ = counter_rule("XfrmOutStateSeqError")
SIZES = (100, 536, 1000, 1300)
_FLAGS = (0x10, 0x18, 0x11, 0x90, 0x19)
"""ACK; with PSH, FIN, CWR; with PSH and FIN."""


def super_packet(
    s: Scenario, version: int, protocol: int, size: int, *, parts: int = 0, identification: int = 0x1D2C
) -> bytes:
    """A TCP segment or a UDP datagram for some parts of that size; the last is as long, or shorter, or has one octet."""
    parts = parts or s.draw(st.integers(2, 5))
    last = s.draw(st.sampled_from((size, 1, max(1, size - 1), size // 2 + 1)))
    ends = packets.hosts(version, "out")
    front = b""
    if protocol == upper_layers.TCP:
        flags = s.draw(st.sampled_from(_FLAGS))
        number = s.draw(st.sampled_from((0x01020304, 0xFFFFFF00)))
        front = bytes.fromhex("1f902710") + number.to_bytes(4, "big") + bytes.fromhex("0506070850") + bytes((flags,))
    content = upper_layers.upper_layer(protocol, size * (parts - 1) + last, ends, front=front)
    recipe = packets.Recipe(version=version, protocol=protocol, content=content, identification=identification)
    return packets.build(recipe, *ends)


def _protocol(h: HostScenario, name: str) -> int:
    h.s.need(f"super-packets of {name}", name in h.caps.segments)
    return upper_layers.TCP if name == "tcp" else upper_layers.UDP


@check(TCP_SEGMENTS, weight=2.0, proved_by=("xfrm-gso-push-in-all", "xfrm-gso-number-of-the-first"))
def tcp_in_the_clear(s: Scenario) -> None:
    """Without a policy: the segments themselves, with sizes, flags and numbers at their edges."""
    h = HostScenario(s)
    protocol = _protocol(h, "tcp")
    version = s.choose(h.versions())
    size = s.choose(SIZES)
    h.enters("plain", super_packet(s, version, protocol, size), TCP_SEGMENTS, segment=size)
    h.counters(TCP_SEGMENTS)


@check(IDENTIFICATION, proved_by=("xfrm-gso-one-identification",))
def identifications(s: Scenario) -> None:
    """One more with each segment, and 0 behind 65535."""
    h = HostScenario(s)
    s.need("IPv4", 4 in h.versions())
    size = s.choose(SIZES)
    start = s.draw(st.sampled_from((0x1D2C, 0xFFFE, 0xFFFF)))
    packet = super_packet(s, 4, _protocol(h, "tcp"), size, identification=start)
    h.enters("plain", packet, IDENTIFICATION, segment=size)


@check(UDP, proved_by=("xfrm-gso-length-of-the-whole",))
def udp_in_the_clear(s: Scenario) -> None:
    """Datagrams, each with its own length and checksum."""
    h = HostScenario(s)
    protocol = _protocol(h, "udp")
    version = s.choose(h.versions())
    size = s.choose(SIZES)
    h.enters("plain", super_packet(s, version, protocol, size), UDP, segment=size)
    h.counters(UDP)


@check(
    AS_SINGLES,
    INCREMENT,
    IN_THE_CLEAR,
    weight=3.0,
    proved_by=("xfrm-gso-one-number-for-all", "xfrm-gso-rest-in-the-clear"),
)
def protected(s: Scenario) -> None:
    """Super-packets among single packets: each segment is an ESP packet with the next number and an IV of its own."""
    h = HostScenario(s)
    protocol = _protocol(h, s.choose(h.caps.segments))
    sa = h.sa("out", mode="tunnel", sequence=None)
    version = h.version_in(sa)
    single = h.outgoing(version)
    h.policy("out", single, h.template(sa), about=AS_SINGLES)
    size = s.choose(SIZES)
    for is_super in s.draw(st.lists(st.booleans(), min_size=1, max_size=4)):
        if is_super:
            h.enters("plain", super_packet(s, version, protocol, size), AS_SINGLES, segment=size)
        else:
            h.enters("plain", single, AS_SINGLES)
    h.counters(AS_SINGLES)


@check(AS_SINGLES, OUT_SEQ, ESN_HIGH, weight=2.0, proved_by=("xfrm-gso-half-of-the-last", "xfrm-gso-wrap-of-the-first"))
def across_the_ends_of_numbers(s: Scenario) -> None:
    """The low half wraps inside a super-packet, or the numbers end in it: each segment has the number that it would have
    had alone, and those for which there is none are discarded."""
    h = HostScenario(s)
    protocol = _protocol(h, s.choose(h.caps.segments))
    s.need("set_sequence", s.caps.set_sequence)
    esn = s.choose(s.caps.esn)
    border = s.draw(st.sampled_from((2**32, 2**33, 2**64))) if esn else 2**32
    left = s.draw(st.integers(0, 6))
    sa = h.sa("out", mode="tunnel", esn=esn, sequence=border - 1 - left)
    version = h.version_in(sa)
    h.policy("out", h.outgoing(version), h.template(sa), about=AS_SINGLES)
    size = s.choose(SIZES[:2])
    parts = s.draw(st.integers(2, 5))
    for _ in range(2):
        h.enters("plain", super_packet(s, version, protocol, size, parts=parts), AS_SINGLES, segment=size)
    h.counters(OUT_SEQ)
