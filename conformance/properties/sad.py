"""Which SA a packet belongs to: RFC 4301 4.1 and 4.4.2, RFC 4303 2.1 and 3.4.2."""

from dataclasses import asdict

from hypothesis import strategies as st

from espproof.adapters.case import Sa, UdpEncapsulation
from espproof.conformance.checks.registry import check
from espproof.conformance.checks.scenario import Scenario
from espproof.conformance.requirements.ids import (
    ACCEPTED,
    BURST,
    DELETED,
    DUPLICATE,
    FIRST_ONE,
    ICV_WRONG,
    INCREMENT,
    NEW,
    NO_SA,
    SPI_ZERO,
    UNICAST,
)
from espproof.conformance.strategies import wire

COLLISION = "RFC4303-2.1-spi-collision"
LONGEST = "RFC4301-4.1-longest-match"
PER_ENTRY = "RFC4303-2.1-lookup-per-entry"
NO_MATCH = "RFC4303-2.1-no-match-discarded"
PARALLEL = "RFC4301-4.1-parallel-sas"
RESERVED = "RFC4303-2.1-spi-reserved"
SPI = "RFC4303-2.1-spi"
COUNTER_ZERO = "RFC4303-3.4.3-counter-zero"
MIXED = "RFC4301-4.4.2.1-tunnel-address-versions"
MULTICAST = "RFC4303-2.1-multicast-mapping"
BOTH_NULL = "RFC4303-3.2-not-both-null"
REMOVED = {"transport": "RFC3948-3.3-transport-removed", "tunnel": "RFC3948-3.5-tunnel-removed"}


@check(UNICAST, NO_SA, proved_by=("sad-unknown-is-no-esp", "sad-one-window-for-all"))
def several(s: Scenario) -> None:
    """Each packet finds its SA by the SPI; one with an SPI that nobody has is discarded."""
    sas = [s.inbound_sa(sequence=0, udp=False) for _ in range(s.draw(st.integers(2, 4)))]
    stranger = s.stranger(sas[0])
    numbers = dict.fromkeys((sa.name for sa in sas), 0)
    for index in s.draw(st.lists(st.integers(0, len(sas)), min_size=2, max_size=6)):
        if index == len(sas):
            s.arrives(stranger, NO_SA)
        else:
            numbers[sas[index].name] += 1
            s.receive(sas[index], numbers[sas[index].name], UNICAST)


@check(NO_SA, proved_by=("sad-unknown-is-no-esp",))
def no_sa_at_all(s: Scenario) -> None:
    """Without any SA that matches, ESP is discarded."""
    sa = s.inbound_sa(sequence=0)
    s.arrives(s.stranger(sa), NO_SA)
    s.receive(sa, 1, ACCEPTED)
    s.arrives(s.stranger(sa), NO_SA)


@check(SPI_ZERO, proved_by=("sad-spi-zero-is-no-esp",))
def spi_zero(s: Scenario) -> None:
    """A packet with SPI 0 belongs to no SA."""
    sa = s.inbound_sa(sequence=0, udp=False)
    peer = s.peer(sa)
    packet = peer.protect(s.small(sa), 1)
    s.arrives(wire.spi(packet, peer.esp_length(packet), 0), SPI_ZERO)
    s.receive(sa, 1, ACCEPTED)


@check(
    COLLISION,
    LONGEST,
    MULTICAST,
    PER_ENTRY,
    NO_MATCH,
    proved_by=("sad-destination-ignored", "sad-least-specific-first", "sad-same-spi-refused"),
)
def same_spi(s: Scenario) -> None:
    """SAs with the same SPI are told apart by destination and source, the most specific one first."""
    base = s.inbound_sa(sequence=0, udp=False, mode="tunnel", add=False)
    sas, others = _of_one_spi(s, base), s.other_gateways(base)
    chosen = s.draw(st.lists(st.sampled_from(sas), min_size=1, max_size=4, unique_by=lambda sa: sa.name))
    for sa in chosen:
        s.join(sa, COLLISION)
    numbers = dict.fromkeys((sa.name for sa in chosen), 0)
    for sa in (*chosen, *chosen[:1]):
        numbers[sa.name] += 1
        s.receive(sa, numbers[sa.name], _RULES[sa.lookup])
    source, destination = s.draw(st.sampled_from(others)), s.draw(st.sampled_from(others))
    s.arrives(s.peer_of(chosen[0], source=source, destination=destination).protect(s.small(base), 9), PER_ENTRY)
    if all(sa.lookup != "spi" for sa in chosen):
        strange = s.peer_of(chosen[0], destination=s.stranger_address(base)).protect(s.small(base), 10)
        s.arrives(strange, NO_MATCH)


_RULES = {"spi": COLLISION, "spi+destination": LONGEST, "spi+destination+source": MULTICAST}
"""By what an SA is looked up, and what its packets put to the test."""


def _of_one_spi(s: Scenario, base: Sa) -> list[Sa]:
    """SAs with the SPI of one, of each kind that can be looked up, for two addresses at either end."""
    kinds = [kind for kind in _RULES if kind in s.caps.lookup]
    s.need("lookup spi+destination", len(kinds) > 1)
    others = s.other_gateways(base)
    sas: list[Sa] = []
    for kind in kinds:
        for destination in others if kind != "spi" else others[:1]:
            for source in others if kind.endswith("source") else others[:1]:
                sas.append(_variant(s, base, kind, source, destination, len(sas)))
    return sas


@check(
    COLLISION,
    LONGEST,
    MULTICAST,
    DELETED,
    BURST,
    weight=2.0,
    proved_by=(
        "sad-last-specific-hides-others",
        "sad-specific-takes-the-rest-along",
        "sad-burst-by-spi",
        "sad-source-unknown-to-devices",
    ),
)
def lives_of_one_spi(s: Scenario) -> None:
    """SAs with one SPI come and go, and come again with other keys: each packet finds the most specific one that is there,
    alone and together with packets that find others."""
    s.need("delete_sa", s.caps.delete_sa)
    base = s.inbound_sa(sequence=0, udp=False, mode="tunnel", add=False)
    pool, ends = _of_one_spi(s, base), s.other_gateways(base)
    there: dict[str, Sa] = {}
    numbers: dict[str, int] = {}

    def packet(sa: Sa) -> bytes:
        """From and to any of the addresses that the SA is for: another SA may be more so."""
        source = sa.source if sa.lookup.endswith("source") else s.draw(st.sampled_from(ends))
        destination = sa.destination if sa.lookup != "spi" else s.draw(st.sampled_from(ends))
        numbers[sa.name] = numbers.get(sa.name, 0) + 1
        peer = s.peer_of(sa, source=source, destination=destination)
        return peer.protect(s.small(sa), numbers[sa.name])

    for turn in range(s.draw(st.integers(2, 6))):
        model = s.draw(st.sampled_from(pool))
        if model.name in there:
            gone = there.pop(model.name)
            s.delete(gone, DELETED)
            s.arrives(packet(gone), DELETED)
        else:
            there[model.name] = s.changed(model, name=f"{model.name}-{turn}", **s.fresh_keys(model, turn))
            s.add(there[model.name], COLLISION)
        if not there:
            continue
        drawn = s.draw(st.lists(st.sampled_from(list(there.values())), min_size=1, max_size=4))
        if len(drawn) > 1 and s.draw(st.booleans()):
            s.burst_arrives([packet(sa) for sa in drawn], BURST)
        else:
            for sa in drawn:
                s.arrives(packet(sa), _RULES[sa.lookup])


def _variant(s: Scenario, base: Sa, kind: str, source: str, destination: str, index: int) -> Sa:
    keys = s.fresh_keys(base, index)
    return s.changed(base, name=f"{base.name}-{index}", lookup=kind, source=source, destination=destination, **keys)


@check(UNICAST, proved_by=("sad-source-compared",))
def from_elsewhere(s: Scenario) -> None:
    """A tunnel's peer that moves, or whose NAT gives it another address, goes on with its SA: the source finds none."""
    sa = s.inbound_sa(sequence=0, mode="tunnel")
    s.need("lookup without the source", sa.lookup != "spi+destination+source")
    elsewhere = s.peer_of(sa, source=s.choose((*s.other_gateways(sa), s.stranger_address(sa))))
    s.receive(sa, 1, UNICAST)
    s.arrives(elsewhere.protect(s.small(sa), 2), UNICAST)
    s.receive(sa, 3, UNICAST)


@check(DELETED, proved_by=("sad-delete-leaves-entry",))
def deleted(s: Scenario) -> None:
    """A deleted SA receives nothing; the others go on."""
    one, two = s.inbound_sa(sequence=0, udp=False), s.inbound_sa(sequence=0)
    s.receive(one, 1, ACCEPTED)
    s.delete(one, DELETED)
    s.receive(one, 2, DELETED)
    s.receive(two, 1, UNICAST)


@check(DELETED, proved_by=("sad-deleted-sa-cached", "sad-delete-leaves-spi"))
def made_again(s: Scenario) -> None:
    """An SA that takes the SPI of a deleted one has its own keys and starts afresh."""
    one = s.inbound_sa(sequence=0)
    old = s.receive(one, 7, ACCEPTED)
    s.delete(one, DELETED)
    two = s.changed(one, **s.fresh_keys(one, 1))
    s.add(two, DELETED)
    s.arrives(old, ICV_WRONG)
    for number in (1, 7, 2) if two.replay_window else (1, 2, 7):  # without a window, ESN has no rule for late numbers
        s.arrives(s.peer_of(two).protect(s.small(two), number), DELETED)


@check(DELETED, "RFC4303-2.1-spi", proved_by=("sad-sender-keeps-spi",))
def rekeyed_sender(s: Scenario) -> None:
    """A new outbound SA is used at once, with its own SPI, keys and numbers."""
    one = s.outbound_sa(sequence=0)
    s.send(one, INCREMENT)
    two = s.outbound_sa(sequence=0, add=False)
    s.add(two, DELETED)
    s.send(two, SPI)
    s.delete(one, DELETED)
    s.send(two, INCREMENT)


@check(UNICAST, proved_by=("sad-spi-signed",))
def every_spi(s: Scenario) -> None:
    """Any SPI above the reserved ones will do."""
    spi = s.draw(
        st.one_of(
            st.sampled_from((256, 257, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0x00010000)), st.integers(256, 2**32 - 1)
        )
    )
    sa = s.inbound_sa(sequence=0, spi=spi)
    s.receive(sa, 1, UNICAST)


@check(BOTH_NULL, proved_by=("sad-neither-encryption-nor-integrity",))
def neither_encryption_nor_integrity(s: Scenario) -> None:
    """An SA without encryption and integrity is refused."""
    s.need("encryption ENCR_NULL", "ENCR_NULL" in s.caps.encryption)
    sa = s.inbound_sa(sequence=0, encr="ENCR_NULL", add=False)
    s.add(s.changed(sa, auth="NONE", auth_key=b""), BOTH_NULL)


@check(PARALLEL, proved_by=("sad-spi-of-24-bits", "sad-one-window-for-all"))
def parallel(s: Scenario) -> None:
    """Several SAs between the same ends, with keys, numbers and windows of their own, serve mixed traffic."""
    one = s.inbound_sa(sequence=s.draw(st.sampled_from((0, 2**31, 2**32 - 100))) if s.caps.set_sequence else 0)
    bits = (25, 17, 9)[: s.draw(st.integers(1, 3))]  # SPIs that differ in one octet alone, another one each
    sas = [one] + [
        s.join(
            s.changed(one, name=f"{one.name}-{bit}", spi=one.spi ^ 1 << bit, sequence=0, **s.fresh_keys(one, bit)),
            PARALLEL,
        )
        for bit in bits
    ]
    numbers = {sa.name: int(sa.sequence) for sa in sas}
    for index in s.draw(st.lists(st.integers(0, len(sas) - 1), min_size=2, max_size=6)):
        numbers[sas[index].name] += 1
        s.receive(sas[index], numbers[sas[index].name], PARALLEL)


@check(UNICAST, weight=0.5, proved_by=("sad-table-of-32", "sad-one-window-for-all"))
def many(s: Scenario) -> None:
    """Among fifty SAs with neighbouring SPIs each packet finds its own."""
    one = s.inbound_sa(sequence=0, udp=False, spi=0x12345600)
    sas = [one] + [
        s.with_fields(one, name=f"{one.name}-{index}", spi=one.spi + index, **s.fresh_keys(one, index))
        for index in range(1, 50)
    ]
    for index in s.draw(st.lists(st.integers(0, 49), min_size=1, max_size=5, unique=True)):
        s.receive(sas[index], 1, UNICAST)


@check(RESERVED, records=True)
def reserved_spi(s: Scenario) -> None:
    """Whether an SA may have an SPI that IANA reserves is recorded."""
    sa = s.inbound_sa(sequence=0, add=False, spi=s.draw(st.sampled_from((3, 1, 2, 128, 255))))
    s.add(sa, RESERVED, behaviour="SA with a reserved SPI")


@check(UNICAST, SPI, proved_by=("sad-reserved-spi-not-found",))
def under_a_reserved_spi(s: Scenario) -> None:
    """An SA with an SPI that IANA reserves, where one may be had, is an SA like any other."""
    spi = s.draw(st.sampled_from((3, 1, 2, 128, 255)))
    inbound = s.can("in") and (not s.can("out") or s.draw(st.booleans()))
    sa = (s.inbound_sa if inbound else s.outbound_sa)(add=False, spi=spi)
    s.add(sa, RESERVED, behaviour="SA with a reserved SPI")
    for number in (1, 2):
        if inbound:
            s.receive(sa, number, UNICAST)
        else:
            s.send(sa, SPI)


@check(MIXED, proved_by=("sad-mixed-ends-accepted",))
def mixed_ends(s: Scenario) -> None:
    """A tunnel cannot have an IPv4 and an IPv6 end."""
    sa = s.inbound_sa(sequence=0, add=False, mode="tunnel")
    other = "2001:db8:1::a1" if s.outer_version(sa) == 4 else "192.0.2.17"
    s.need("both IP versions outside", {family[3] for family in s.caps.families} == {"4", "6"})
    s.add(s.changed(sa, source=other), MIXED)


@check(SPI_ZERO, proved_by=("sad-spi-zero-accepted",))
def sa_with_spi_zero(s: Scenario) -> None:
    """An SA with SPI 0, which must never be on the wire, is refused."""
    sa = s.inbound_sa(sequence=0, add=False) if s.can("in") else s.outbound_sa(sequence=0, add=False)
    s.add(s.changed(sa, spi=0), SPI_ZERO)


@check(BURST, weight=2.0, proved_by=("sad-burst-sa-of-first", "sad-burst-ends-with-bad", "sad-burst-of-esp-alone"))
def mixed_burst(s: Scenario) -> None:
    """Packets of several SAs, of all sizes, bad ones, for nobody and of other protocols, at once and in any order."""
    sas = [s.certain_sa(sequence=0) for _ in range(s.draw(st.integers(2, 3)))]
    numbers = {sa.name: 0 for sa in sas}
    sent: list[bytes] = []

    def right(sa: Sa) -> bytes:
        numbers[sa.name] += 1
        packet = s.peer(sa).protect(s.of_length(sa, s.draw(st.sampled_from((16, 1, 100, 1000)))), numbers[sa.name])
        sent.append(packet)
        return packet

    def made(kind: str, sa: Sa) -> bytes:
        peer, packet = s.peer(sa), s.peer(sa).protect(s.small(sa), 77)
        match kind:
            case "right":
                return right(sa)
            case "again" if sent:
                return s.choose(sent)
            case "forged":
                return s.forge(packet, sa)
            case "stranger":
                return s.stranger(sa)
            case "short":
                return peer.wrap(s.small(sa), packet[len(packet) - peer.esp_length(packet) :][:9])
            case "unreadable" if sa.udp is None:  # of UDP cut short the documents do not say whose it is
                return packet[: s.choose((len(packet) - 1, 45))]
            case "keepalive" if sa.udp is not None:
                return peer.datagram(b"\xff")
            case "ike" if sa.udp is not None:
                return peer.datagram(bytes(4) + b"message")
        return s.other_traffic(sa)

    kinds = (
        "right",
        "right",
        "right",
        "again",
        "forged",
        "stranger",
        "short",
        "unreadable",
        "keepalive",
        "ike",
        "other",
    )
    drawn = s.draw(st.lists(st.tuples(st.sampled_from(kinds), st.sampled_from(sas)), min_size=2, max_size=10))
    s.burst_arrives([made(kind, sa) for kind, sa in drawn], BURST)
    for sa in sas:
        s.receive(sa, numbers[sa.name] + 1, UNICAST)
        if sa.replay_window:
            s.receive(sa, numbers[sa.name] + 1, DUPLICATE)


@check(UNICAST, weight=0.03, proved_by=("sad-packets-in-sixteen-bits",))
def long_life(s: Scenario) -> None:
    """An SA receives 70,000 packets, and the last ones as it did the first; a replay is one at any age."""
    sa = s.inbound_sa(sequence=0, udp=False)
    total = s.long_life()
    peer, packet = s.peer(sa), s.small(sa)
    for numbers in s.batches(total):
        s.burst_arrives([peer.protect(packet, number) for number in numbers], UNICAST)
    if sa.replay_window:
        s.receive(sa, total, DUPLICATE)
        s.read(sa, UNICAST, "sequence")
    s.receive(sa, total + 1, UNICAST)


@check(*REMOVED.values(), proved_by=("sad-udp-on-one-port",))
def udp_ports(s: Scenario) -> None:
    """ESP in UDP is found on the ports of its SA, also where several SAs have several."""
    s.need("udp", s.caps.udp)
    s.need("udp_ports", s.caps.udp_ports)
    one = s.inbound_sa(sequence=0, udp=True)
    ports = UdpEncapsulation(source_port=0x1234, destination_port=0x9C41)
    two = s.with_fields(one, name=f"{one.name}-2", spi=one.spi ^ 1 << 17, udp=ports, **s.fresh_keys(one, 2))
    for number in (1, 2):
        for sa in (two, one):
            s.receive(sa, number, REMOVED[sa.mode])


@check(COUNTER_ZERO, NEW, DUPLICATE, proved_by=("sad-number-zero-forgotten",))
def number_zero(s: Scenario) -> None:
    """Whether number 0, which no sender uses first, is taken on a fresh SA is recorded; it passes once, and 1 follows."""
    sa = s.windowed_sa(sequence=0)
    zero = s.receive(sa, 0, COUNTER_ZERO)
    s.receive(sa, 1, NEW)
    s.arrives(zero, DUPLICATE)


@check(
    NO_SA,
    DELETED,
    ACCEPTED,
    FIRST_ONE,
    proved_by=(
        "sad-reset-keeps-sas", "sad-reset-keeps-windows", "sad-reset-keeps-numbers", "sad-reset-keeps-counters",
    ),
)  # fmt: skip
def after_a_reset(s: Scenario) -> None:
    """Nothing is left of the case before: an SA with the same name and SPI starts afresh; without it, it is unknown."""
    direction = s.choose(tuple(way for way in ("in", "out") if s.can(way)))
    make = s.inbound_sa if direction == "in" else s.outbound_sa
    s.need("an SA whose options can stand together", s.rows())
    row = next((row for row in s.rows() if row.replay_window), s.rows()[0])  # the same in each case: one SA comes back
    sa = make(add=False, **asdict(row))
    keys = s.fresh_keys(sa, s.draw(st.integers(0, 1)))
    sa = s.changed(sa, name="again", spi=_AGAIN, **keys)
    if direction == "in" and s.draw(st.booleans()):
        s.inbound_sa()
        s.arrives(s.peer_of(sa).protect(s.small(sa), 3), NO_SA)
        return
    s.with_fields(sa)
    for number in (1, 2):
        if direction == "in":
            s.receive(sa, number, ACCEPTED)
        else:
            s.send(sa, FIRST_ONE if number == 1 and not s.caps.start_of("out") else DELETED)
    if set(s.caps.read_state) - {"early"}:
        s.read(sa, DELETED)


_AGAIN = 0x5EF7A9E1
"""The SPI that comes back in each case of `after_a_reset`."""
