"""The way of a packet through a host: protected where a policy says so, delivered where it was, and counted where not."""

from hypothesis import strategies as st

from espproof.adapters.case import HostDirection, Sa
from espproof.conformance.checks.host import HostScenario
from espproof.conformance.checks.registry import check
from espproof.conformance.checks.scenario import Scenario
from espproof.conformance.machines.host_life import HostLife
from espproof.conformance.requirements.ids import DROPPED_COUNTED_ONCE, IN_THE_CLEAR, PASSED_NOT_COUNTED, counter_rule
from espproof.conformance.strategies import packets
from espproof.reference.esp import trailer

CONSULTED, FORWARDED = "RFC4301-5-consulted", "RFC4301-5.1-forwarded"
NO_SA = "RFC4301-5.1-no-sa-discarded"
PROTO, SEQ = counter_rule("XfrmInStateProtoError"), counter_rule("XfrmInStateSeqError")
NO_STATES = counter_rule("XfrmInNoStates")
MODE, HEADER = counter_rule("XfrmInStateModeError"), counter_rule("XfrmInHdrError")
OUT_SEQ = counter_rule("XfrmOutStateSeqError")


@check(
    IN_THE_CLEAR,
    PASSED_NOT_COUNTED,
    weight=2.0,
    proved_by=(
        "xfrm-path-forwarded-passes",
        "xfrm-path-first-packet-counted",
    ),
)
def there_and_back(s: Scenario) -> None:
    """A gateway protects what a policy is for and lets in what came protected, and neither counts an error."""
    h = HostScenario(s)
    out, back = h.pair(mode="tunnel", udp=s.draw(st.booleans()) and bool(s.caps.udp))
    version = h.version_in(out, back)
    h.policy("out", h.outgoing(version), h.template(out), about=CONSULTED)
    h.policy(h.inward, h.incoming(version), h.template(back), about=CONSULTED)
    for number in range(1, s.draw(st.integers(2, 4))):
        h.enters("plain", h.outgoing(version, length=s.draw(st.integers(0, 600))), CONSULTED)
        incoming = h.incoming(version, length=s.draw(st.integers(0, 600)))
        h.enters("wire", s.peer(back).protect(incoming, number), CONSULTED)
    h.counters(PASSED_NOT_COUNTED)


@check(
    DROPPED_COUNTED_ONCE,
    PROTO,
    SEQ,
    MODE,
    HEADER,
    NO_STATES,
    weight=3.0,
    proved_by=(
        "xfrm-path-replay-not-counted",
        "xfrm-path-wrong-icv-is-a-replay",
        "xfrm-path-mode-counted-twice",
        "xfrm-path-mode-is-the-protocol",
        "xfrm-path-short-packet-of-nobody",
        "xfrm-path-unknown-spi-not-counted",
    ),
)
def what_is_wrong_is_counted(s: Scenario) -> None:
    """Each packet that is discarded moves one counter, which says why; the right ones between them move none."""
    h = HostScenario(s)
    sizes = tuple(size for size in s.windows() if size)
    s.need("anti-replay", sizes)
    sa = h.sa("in", mode="tunnel", replay_window=sizes)
    packet = h.incoming(h.version_in(sa))
    h.policy(h.inward, packet, h.template(sa), about=DROPPED_COUNTED_ONCE)
    right = s.peer(sa).protect(packet, 1)
    h.enters("wire", right, DROPPED_COUNTED_ONCE)
    kinds = s.draw(st.lists(st.sampled_from((PROTO, SEQ, MODE, HEADER, NO_STATES)), min_size=1, max_size=4))
    for number, about in enumerate(kinds, 2):
        h.enters("wire", right if about == SEQ else _wrong(s, sa, packet, number, about), about)
        h.counters(about)
    h.enters("wire", s.peer(sa).protect(packet, 30), DROPPED_COUNTED_ONCE)
    h.counters(DROPPED_COUNTED_ONCE)


def _wrong(s: Scenario, sa: Sa, packet: bytes, number: int, about: str) -> bytes:
    """A packet of that number which the counter is for."""
    peer = s.peer(sa)
    if about == NO_STATES:
        return s.peer_of(sa, spi=sa.spi ^ 0x0110).protect(packet, number)
    if about == MODE:
        end = trailer(peer.codec.padding_length(len(packet)), packets.EXPERIMENTAL)
        return peer.seal(packet, packet + end, number)
    whole = peer.protect(packet, number)
    front = len(whole) - peer.esp_length(whole)
    return s.forge(whole, sa) if about == PROTO else peer.wrap(packet, whole[front : front + 7])


@check(IN_THE_CLEAR, NO_SA, weight=2.0, proved_by=("xfrm-path-clear-without-sa",))
def never_in_the_clear(s: Scenario) -> None:
    """Without the SA that its policy asks for a packet does not leave: before it is there, and when it has gone."""
    h = HostScenario(s)
    s.need("delete_sa", s.caps.delete_sa)
    sa = h.sa("out", mode="tunnel", add=False)
    packet = h.outgoing(h.version_in(sa))
    h.policy("out", packet, h.template(sa), about=NO_SA)
    for _ in range(s.draw(st.integers(1, 3))):
        h.enters("plain", packet, NO_SA)
        s.add(sa, NO_SA)
        for _ in range(s.draw(st.integers(0, 2))):
            h.enters("plain", packet, IN_THE_CLEAR)
        s.delete(sa, NO_SA)
        h.enters("plain", packet, IN_THE_CLEAR)
        sa = s.changed(sa, **s.fresh_keys(sa, sa.spi & 0xFF))
    h.counters(NO_SA)


@check(FORWARDED, proved_by=("xfrm-path-routed-by-the-inner-header",))
def routed_by_the_outer_header(s: Scenario) -> None:
    """What is protected leaves where its tunnel's end is, wherever its own destination would be."""
    h = HostScenario(s)
    sa = h.sa("out", mode="tunnel", add=False)
    inside = s.draw(st.booleans())
    if inside:  # the far gateway is on the plain side
        sa = s.changed(sa, destination=s.stranger_address(sa))
    sa = s.with_fields(sa)
    packet = h.outgoing(h.version_in(sa))
    h.policy("out", packet, h.template(sa), about=FORWARDED)
    h.enters("plain", packet, FORWARDED)
    h.counters(FORWARDED)


@check(OUT_SEQ, proved_by=("xfrm-path-last-number-not-counted",))
def numbers_end(s: Scenario) -> None:
    """Behind the last number nothing leaves, and each packet is counted."""
    h = HostScenario(s)
    s.need("set_sequence", s.caps.set_sequence)
    esn = s.choose(s.caps.esn)
    sa = h.sa("out", mode="tunnel", esn=esn, sequence=(2**64 if esn else 2**32) - 2)
    packet = h.outgoing(h.version_in(sa))
    h.policy("out", packet, h.template(sa), about=OUT_SEQ)
    for _ in range(3):
        h.enters("plain", packet, OUT_SEQ)
    h.counters(OUT_SEQ)


@check(CONSULTED, proved_by=("xfrm-path-local-passes",))
def delivered_to_the_host(s: Scenario) -> None:
    """What is for the host itself meets the policies inwards, protected or not."""
    h = HostScenario(s)
    sa = h.sa("in", mode="tunnel")
    version = h.version_in(sa)
    packet = h.to_us(version)
    h.policy("in", packet, h.template(sa), about=CONSULTED)
    if h.caps.clear:
        h.enters("wire", packet, CONSULTED)
    h.enters("wire", s.peer(sa).protect(packet, 1), CONSULTED)
    h.counters(CONSULTED)


@check(CONSULTED, IN_THE_CLEAR, weight=2.0, proved_by=("xfrm-path-clear-behind-a-policy-that-went",))
def random_life(s: Scenario) -> None:
    """Policies and SAs come and go while packets go through, in any order; inward no two are for one packet."""
    _live(s, apart=True)


@check(CONSULTED, IN_THE_CLEAR, weight=2.0, proved_by=("xfrm-path-forwarded-by-the-last",))
def random_life_overlapping(s: Scenario) -> None:
    """The same with policies that overlap in either direction."""
    _live(s, apart=False)


def _live(s: Scenario, *, apart: bool) -> None:
    directions: tuple[tuple[HostDirection, ...], ...] = ((), ("forward",), ("in",))
    h = HostScenario(s, blocked=s.draw(st.sampled_from(directions)))
    HostLife(h, CONSULTED, apart=apart).walk()


@check(CONSULTED, IN_THE_CLEAR, weight=2.0, proved_by=("xfrm-path-own-packets-pass",))
def of_its_own(s: Scenario) -> None:
    """What the host itself sends meets the policies as what it forwards does, in transport mode and in tunnels."""
    h = HostScenario(s)
    sa = h.sa("out", mode=s.caps.modes)
    packet = h.of_ours(sa)
    blocks = ("block",) if "discard" in h.caps.actions else ()
    kind = s.draw(st.sampled_from(("protect", *blocks, "without its SA")))
    template = h.template(sa, reqid=sa.reqid + (kind == "without its SA"))
    h.policy("out", packet, template, about=CONSULTED, action="block" if kind == "block" else "allow")
    for _ in range(2):
        h.enters("local", packet, CONSULTED)
    h.counters(CONSULTED)
