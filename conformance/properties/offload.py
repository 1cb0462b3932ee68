"""A device that does the cipher of ESP: who does it, and that nobody on the wire or behind the stack can tell.

That packets are right, whoever does the cipher, all other families see. Here it is seen that the device does what it is
declared to do, that it is left with nothing, and that what befalls it changes nothing.
"""

from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

from espproof.adapters.capabilities import Direction, Mode
from espproof.adapters.case import Sa, SequenceNumber
from espproof.conformance.checks.registry import check
from espproof.conformance.checks.scenario import Scenario
from espproof.conformance.requirements.ids import (
    ACCEPTED,
    BURST,
    COVERS_HIGH,
    DEVICE_NOTHING_LEFT,
    DEVICE_PACKETS,
    DEVICE_WHO,
    DUPLICATE,
    INCREMENT,
    MLX5_RULES,
    QAT_RULES,
    X550_RULES,
)
from espproof.conformance.strategies import values
from espproof.conformance.strategies.history import History, deltas
from espproof.reference import ip

RESTORED = "X550-7.13.9-restored"
FOUND = "LINUX.xfrm_device-flow-sa-found"
AADS = "RFC4106-5-aad", "RFC4543-3.3-aad"
"""What a wrong key, salt or number shows first, of AES-GCM and of GMAC."""
AAD_ESN = "RFC4106-5-aad-esn"
IV_UNIQUE = "RFC4106-3.1-iv-unique"
STATUS = "LINUX.xfrm_device-flow-status"
WRONG = "RFC4303-3.4.4.2-icv-wrong-discarded"
COMPLETED, MISSING = "QAT-completion-own", "QAT-completion-missing"
HALVES, OTHER_HALF = "LINUX.xfrm_device-flow-advance-esn", "MLX5-esn-other-half"

_MANY = 2048
"""SAs that a case can have."""
_OCTET = 256
"""Places of which an octet is the same."""
_PAYING = st.one_of(st.integers(8, 300), st.integers(201, 900))
"""Octets behind the header of packets, some of which a look-aside device gets."""


def for_the_device(s: Scenario, direction: Direction, *, add: bool = True, **fixed: Any) -> Sa:
    """An SA whose cipher the device is to do; `fixed` as in `Scenario.outbound_sa`."""
    device = s.device
    make = s.inbound_sa if direction == "in" else s.outbound_sa
    if device.fixed_headers and direction == "out" and "mode" not in fixed:
        fixed["mode"] = s.choose(_modes(s, "out"))
    if device.fixed_headers and direction == "out" and fixed["mode"] == "tunnel":
        fixed |= {"dscp": "fixed", "ecn": "compatibility", "df": ("set", "clear")}
    return make(
        sequence=0,
        add=add,
        **{
            "mode": _modes(s, direction),
            "esn": (False, True) if device.esn else False,
            "udp": (False, True) if device.udp else False,
            **({"replay_window": device.windows} if direction == "in" and device.windows else {}),
            **_cipher(s),
            **fixed,
        },
    )


def _modes(s: Scenario, direction: Direction) -> tuple[Mode, ...]:
    """Those in which it has something to do."""
    return s.device.inbound if direction == "in" else s.device.outbound


def _ciphers(s: Scenario) -> list[dict[str, Any]]:
    """Those that the device has."""
    return [
        {"encr": name, "key_size": size, "auth": s.device.integrity}
        for name, sizes in s.device.encryption.items()
        for size in sizes
    ]


def _cipher(s: Scenario) -> dict[str, Any]:
    """One of them."""
    return s.choose(_ciphers(s))


def _both_ways(s: Scenario, sas: Sequence[Sa], number: int, about: str = "") -> None:
    """A packet on each SA: the one of that number arrives, or the next is sent. `about`: if it is not simply that."""
    for sa in sas:
        if sa.direction == "in":
            s.receive(sa, number, about or ACCEPTED, _its(s, sa))
        else:
            s.send(sa, about or INCREMENT, _its(s, sa))


def directions(s: Scenario, *modes: Mode) -> list[Direction]:
    """Those in which there is something to do for the device, in one of these modes or in any."""
    both: tuple[Direction, ...] = ("in", "out")
    return [one for one in both if s.can(one) and (set(modes) & set(_modes(s, one)) if modes else _modes(s, one))]


def _its(s: Scenario, sa: Sa) -> bytes:
    """A packet that is the device's: beside the way of packets, one for which that pays."""
    return s.small(sa) if s.device.aside is None else s.packet(sa, length=s.device.aside)


def pair(s: Scenario) -> list[Sa]:
    """An SA for each of them."""
    return [for_the_device(s, one) for one in directions(s)]


@check(
    DEVICE_WHO,
    DEVICE_PACKETS,
    *AADS,
    proved_by=(
        "offload-ipv6-as-ipv4",
        "offload-gmac-refused",
        "offload-esn-taken",
        "offload-tunnel-taken",
        "offload-packet-tunnels-that-copy",
        "offload-udp-taken",
        "offload-agent-esn-taken",
        "offload-salt-in-host-order",
        "offload-key-in-wire-order",
    ),
    weight=2.0,
)
def who_does_it(s: Scenario) -> None:
    """SAs that the device takes, others with its ciphers, and others yet: what it has, it does, packet by packet; the rest
    is software's, and somebody says why."""
    direction = s.choose(directions(s))
    make = s.inbound_sa if direction == "in" else s.outbound_sa
    kind = s.draw(st.sampled_from(("taken", "its cipher", "any")))
    near = _cipher(s) if kind == "its cipher" else {}
    sa = for_the_device(s, direction) if kind == "taken" else make(**near)
    first = int(sa.sequence) + 1
    for number in range(first, first + s.draw(st.integers(1, 3))):
        _both_ways(s, [sa], number)
    s.read_device(DEVICE_WHO)


@check(
    ACCEPTED,
    INCREMENT,
    DEVICE_PACKETS,
    X550_RULES["icv"],
    proved_by=("offload-frames-of-the-usual-length", "offload-icv-not-blank"),
)
def of_all_lengths(s: Scenario) -> None:
    """Packets as long as they may be, and others, on an SA of the device."""
    sa = for_the_device(s, s.choose(directions(s)))
    lengths = st.one_of(st.just(s.longest), values.lengths(s.longest))
    for number in range(1, 4):
        packet = s.packet(sa, length=s.draw(lengths))
        if sa.direction == "in":
            s.arrives(s.peer(sa).protect(packet, number), ACCEPTED)
        else:
            s.send(sa, INCREMENT, packet)
    s.read_device(DEVICE_PACKETS)


@check(
    DEVICE_PACKETS,
    MLX5_RULES["packets"],
    X550_RULES["packets"],
    INCREMENT,
    DUPLICATE,
    proved_by=(
        "offload-packet-slow-number",
        "offload-packet-slow-window",
        "offload-options-to-the-device",
        "offload-software-for-ever",
        "offload-connectx-options",
        "offload-agent-extension-headers-taken",
    ),
)
def what_it_cannot_take(s: Scenario) -> None:
    """Packets with IPv4 options or IPv6 extension headers in front of ESP, between others, on an SA of the device in
    transport mode (in a tunnel they would be inside): out and in."""
    direction = s.choose(directions(s, "transport"))
    sa = for_the_device(s, direction, mode="transport")
    version = s.outer_version(sa)
    s.need("ipv4_options", version == 6 or s.caps.ipv4_options)
    s.need("ipv6_extension_headers", version == 4 or s.caps.ipv6_extension_headers)
    came: list[bytes] = []
    for number in range(1, s.draw(st.integers(2, 4)) + 1):
        odd = s.packet(sa, **with_more_headers(version)) if s.draw(st.booleans()) else s.small(sa)
        if direction == "in":
            came.append(s.peer(sa).protect(odd, number))
            s.arrives(came[-1], ACCEPTED)
            if sa.replay_window and s.draw(st.booleans()):
                s.receive(sa, number, DUPLICATE)
        else:
            s.send(sa, INCREMENT, odd)
    if came and sa.replay_window >= len(came):
        s.arrives(s.choose(came), DUPLICATE)
    s.read_device(DEVICE_PACKETS)


def with_more_headers(version: int) -> dict[str, object]:
    """What ESP goes behind: three options that do nothing, and a hop-by-hop header with padding."""
    header = b"\x01\x01\x01\x00" if version == 4 else ip.options_header(b"")[1:]
    return {"version": version, "length": 20, "extensions": ((ip.PROTOCOL_HOP_BY_HOP, header),)}


@check(
    STATUS,
    DEVICE_PACKETS,
    proved_by=("offload-status-forgotten", "offload-connectx-syndrome-ignored", "offload-agent-failure-forgotten"),
)
def forged_between(s: Scenario) -> None:
    """Forged packets and duplicates on an SA of the device: what it found wrong the stack does not deliver, and its window
    stays; the device has done those that were right."""
    sa = for_the_device(s, "in")
    for number in range(1, s.draw(st.integers(1, 3)) + 1):
        forged = s.draw(st.sampled_from((None, 0, 50)))
        if forged is not None:
            s.arrives(s.forge(s.peer(sa).protect(_its(s, sa), number + forged), sa), STATUS)
        packet = s.receive(sa, number, ACCEPTED if forged is None else STATUS, _its(s, sa))
        if sa.replay_window and s.draw(st.booleans()):
            s.arrives(packet, DUPLICATE)
    s.read_device(DEVICE_PACKETS)


@check(WRONG, proved_by=("offload-untouched-taken",))
def in_the_clear(s: Scenario) -> None:
    """Packets that look as if the device had decrypted them, and nobody has encrypted: behind any headers, and after
    another SA was deleted. What the device has not found right is not right."""
    sa = for_the_device(s, "in")
    if s.caps.delete_sa and s.draw(st.booleans()):
        gone = for_the_device(s, "in", add=False)
        s.add(gone, DEVICE_WHO)
        s.delete(gone, DEVICE_NOTHING_LEFT)
    version = s.outer_version(sa)
    options = sa.mode == "transport" and (s.caps.ipv4_options if version == 4 else s.caps.ipv6_extension_headers)
    rest = bytes(s.iv_size(sa)) + s.plaintext(sa) + bytes(s.peer(sa).codec.icv_size)
    for number in range(1, s.draw(st.integers(1, 3)) + 1):
        headers = s.packet(sa, **with_more_headers(version)) if options and s.draw(st.booleans()) else s.small(sa)
        esp = sa.spi.to_bytes(4, "big") + number.to_bytes(4, "big") + rest
        s.arrives(s.peer(sa).wrap(headers, esp), WRONG)


@check(
    DEVICE_NOTHING_LEFT,
    *(X550_RULES[topic] for topic in ("order", "lookup", "tables", "descriptors", "settings")),
    *(MLX5_RULES[topic] for topic in ("tables", "descriptors")),
    DEVICE_PACKETS,
    *AADS,
    proved_by=(
        "offload-key-left",
        "offload-spi-left",
        "offload-address-left",
        "offload-registers-keep-the-key",
        "offload-address-not-counted",
        "offload-place-of-another",
        "offload-two-contexts",
        "offload-order-of-the-lookup",
        "offload-trailer-without-padding",
        "offload-tables-mixed",
        "offload-gap-of-before",
        "offload-connectx-key-left",
        "offload-connectx-key-first",
        "offload-connectx-trailer-unpadded",
    ),
)
def nothing_left(s: Scenario) -> None:
    """SAs come and go in any order: the device has those that are there, and nothing of the others."""
    s.need("delete_sa", s.caps.delete_sa)
    there = pair(s)
    for number in range(1, s.draw(st.integers(1, 5)) + 1):
        deletes = s.draw(st.booleans())
        if there and deletes:
            gone = s.choose(there)
            there.remove(gone)
            s.delete(gone, DEVICE_NOTHING_LEFT)
        else:
            made = for_the_device(s, s.choose(directions(s)), add=False)
            s.add(made, DEVICE_WHO)
            there.append(made)
        _both_ways(s, there, number)
        s.read_device(DEVICE_NOTHING_LEFT)


@check(
    DEVICE_WHO,
    DEVICE_PACKETS,
    DEVICE_NOTHING_LEFT,
    *AADS,
    proved_by=(
        "offload-mailbox-no-is-yes",
        "offload-table-of-one-less",
        "offload-table-full-and-taken",
        "offload-places-of-eight-bits",
        "offload-place-never-free",
    ),
    weight=0.01,
)
def as_many_as_it_holds(s: Scenario) -> None:
    """SAs until the device has no room, and some more: those that it holds are its, the others software's or refused, and
    packets of all that are taken are right, at places that differ by 256 too; where one goes there is room for another."""
    s.need("delete_sa", s.caps.delete_sa)
    both = [(one, s.device.most[one]) for one in directions(s) if s.device.most.get(one, _MANY + 1) <= _MANY]
    s.need("a number of SAs that the device holds", bool(both))
    for direction, room in both:
        kinds = [for_the_device(s, direction, add=False, **one) for one in _ciphers(s)[:2]]
        sas = [
            s.changed(kind, name=f"{kind.name}-{n}", spi=0x10000 + 7 * n, **s.fresh_keys(kind, n))
            for n in range(room + s.draw(st.integers(1, 2)))
            for kind in [kinds[n % len(kinds)]]
        ]
        for number, sa in enumerate(sas):
            s.add(sa, DEVICE_WHO, behaviour="" if number < room else "offload-table-full")
        alike = [n for n in range(room - 1) if n % _OCTET in (1, 2)]
        there = [sas[-1], sas[room - 1], *(sas[n] for n in alike), sas[0]]
        _both_ways(s, there, 1)
        s.read_device(DEVICE_WHO)
        for sa in (sas[0], *sas[room:]):  # whoever found no room could have the place that becomes free
            s.delete(sa, DEVICE_NOTHING_LEFT)
        again = s.changed(sas[0], name=f"{sas[0].name}-again", **s.fresh_keys(sas[0], len(sas)))
        s.add(again, DEVICE_WHO)
        _both_ways(s, there[1:-1], 2)
        _both_ways(s, [again], 1)
        s.read_device(DEVICE_WHO)


@check(
    RESTORED,
    INCREMENT,
    X550_RULES["order"],
    X550_RULES["cleared"],
    DEVICE_PACKETS,
    *AADS,
    proved_by=(
        "offload-reset-without-salts",
        "offload-reset-forgets-keys",
        "offload-reset-forgets-addresses",
        "offload-engine-started-while-it-runs",
        "offload-reset-in-a-hurry",
        "offload-packet-reset-to-the-start",
    ),
    weight=0.5,
)
def after_a_reset(s: Scenario) -> None:
    """The device is reset between packets: numbers, windows and SAs go on; an SA that was deleted before is not back."""
    sas = pair(s)
    number = 1
    if s.caps.delete_sa and s.draw(st.booleans()):
        gone = for_the_device(s, "in", add=False)
        s.add(gone, DEVICE_WHO)
        s.delete(gone, DEVICE_NOTHING_LEFT)
    for _ in range(s.draw(st.integers(1, 2))):
        _both_ways(s, sas, number, RESTORED)
        s.befalls("reset", RESTORED)
        _both_ways(s, sas, number + 1, RESTORED)
        number += 2
    s.read_device(RESTORED)


@check(X550_RULES["order"], RESTORED, proved_by=("offload-started-while-full",))
def while_the_link_is_down(s: Scenario) -> None:
    """The link goes, with a packet that waits; SAs come and go; it is back: packets flow, and the rules were kept."""
    s.need("delete_sa", s.caps.delete_sa)
    waits = s.outbound_sa(mode="transport") if s.can("out") else None
    s.befalls("link-down", RESTORED)
    if waits:
        s.hand_over(waits, s.small(waits), RESTORED, behaviour="offload-without-link")
    sas: list[Sa] = []
    for _ in range(s.draw(st.integers(1, 3))):
        made = for_the_device(s, s.choose(directions(s)), add=False)
        s.add(made, DEVICE_WHO)
        sas.append(made)
    if len(sas) > 1 and s.draw(st.booleans()):
        s.delete(sas.pop(0), DEVICE_NOTHING_LEFT)
    s.befalls("link-up", RESTORED)
    _both_ways(s, sas, 1, RESTORED)
    s.read_device(RESTORED)


@check(FOUND, proved_by=("offload-found-by-spi-alone",))
def one_spi(s: Scenario) -> None:
    """SAs with one SPI for several destinations, of which some are deleted: each packet is delivered by its own SA."""
    s.need("lookup spi+destination", "spi+destination" in s.caps.lookup)
    s.need("delete_sa", s.caps.delete_sa)
    first = for_the_device(s, "in", add=False)
    near, far = s.other_gateways(first)
    alike = [
        s.changed(
            first, name=f"{first.name}-{n}", destination=where, lookup="spi+destination", **s.fresh_keys(first, n)
        )
        for n, where in enumerate((first.destination, near, far))
    ]
    there: list[Sa] = []
    for number in range(1, s.draw(st.integers(3, 8)) + 1):
        left = [sa for sa in alike if sa not in there]
        if left and (not there or s.draw(st.booleans())):
            s.add(left[0], DEVICE_WHO)
            there.append(left[0])
        elif len(there) > 1 and s.draw(st.booleans()):
            gone = s.choose(there)
            there.remove(gone)
            alike.remove(gone)
            s.delete(gone, DEVICE_NOTHING_LEFT)
        _both_ways(s, there, number, FOUND)


def extended(s: Scenario, direction: Direction = "in") -> Sa:
    """An SA with extended numbers whose window begins, or whose last number is, shortly before, at or behind a multiple of
    2^31."""
    s.need("device esn", s.device.esn)
    s.need("set_sequence", s.caps.set_sequence)
    border = s.draw(st.sampled_from((1, 2, 3, 4, 5, 2**32, 2**33 - 1))) * 2**31
    sizes = tuple(size for size in s.device.windows or s.windows() if 0 < size < 2**20)
    near = s.draw(st.sampled_from((-2, -1, 0, 1, 2, 20)))
    window = {"replay_window": sizes} if direction == "in" else {}
    sa = for_the_device(s, direction, esn=True, add=False, **window)
    first = border + near + s.draw(st.sampled_from((0, max(sa.replay_window - 1, 0))))
    return s.with_fields(sa, sequence=SequenceNumber(first))


@check(
    HALVES,
    MLX5_RULES["tables"],
    DEVICE_PACKETS,
    proved_by=(
        "offload-window-from-zero",
        "offload-half-forgotten",
        "offload-half-not-selected",
        "offload-halves-after-a-reset",
    ),
)
def half_windows(s: Scenario) -> None:
    """A window goes from half to half of 2^32, step by step or at a bound, and packets come late: each is delivered as
    without the device, and the device has done it."""
    sa = extended(s)
    past = History(sa)
    resets = "reset" in s.device.events and s.draw(st.booleans())
    for delta in s.draw(st.lists(deltas(sa.replay_window), min_size=2, max_size=8)):
        number = past.near(max(min(delta, 2**31 - 2 * sa.replay_window), -sa.replay_window + 1))
        s.receive(sa, number, HALVES, _its(s, sa))
        past.arrived(number)
        if resets:
            s.befalls("reset", RESTORED)
    s.read_device(HALVES)


@check(
    OTHER_HALF,
    proved_by=("offload-other-half-believed", "offload-other-half-not-tried"),
)
def told_late(s: Scenario) -> None:
    """The window goes on while the device is not told of it: packets of 2^32 numbers ago, which it takes for right, are
    not delivered; those of now, which it takes for wrong, are."""
    s.need("device event work-waits", "work-waits" in s.device.events)
    sa = extended(s)
    past = History(sa)
    s.befalls("work-waits", HALVES)
    for _ in range(s.draw(st.integers(1, 3))):
        number = past.near(s.draw(st.sampled_from((1, sa.replay_window, 2**31 - 1, 2**31, 2**30))))
        s.receive(sa, number, OTHER_HALF)
        past.arrived(number)
        old = past.near(s.draw(st.integers(1, 5))) - 2**32
        if old > 0:
            s.receive(sa, old, OTHER_HALF)
    if s.draw(st.booleans()):
        s.befalls("work-done", HALVES)
        s.receive(sa, past.near(1), OTHER_HALF)
    s.read_device(HALVES)


@check(
    *AADS,
    AAD_ESN,
    IV_UNIQUE,
    COVERS_HIGH,
    proved_by=(
        "offload-connectx-number-of-32-bits",
        "offload-connectx-one-implicit-iv",
        "offload-lookaside-high-half-in-front",
    ),
)
def sent_from_anywhere(s: Scenario) -> None:
    """Outbound SAs whose numbers begin anywhere, with 64 bits too, and two of which have the same key and salt: every
    packet opens, and no IV comes again."""
    sa = for_the_device(s, "out", add=False)
    start = s.draw(values.starting_sequences(esn=sa.esn)) if s.caps.set_sequence else 0
    one = s.with_fields(sa, sequence=SequenceNumber(start))
    two = s.with_fields(sa, name=f"{sa.name}-twin", spi=sa.spi ^ 0x0101)
    for first in s.draw(st.lists(st.booleans(), min_size=2, max_size=6)):
        s.send(one if first else two, INCREMENT, _its(s, sa))
    s.read_device(DEVICE_PACKETS)


@check(
    COMPLETED,
    BURST,
    QAT_RULES["descriptors"],
    DEVICE_PACKETS,
    proved_by=("offload-lookaside-in-order", "offload-lookaside-ring-overrun", "offload-lookaside-short-ones-too"),
    weight=0.5,
)
def together(s: Scenario) -> None:
    """Packets of several SAs, long and short, right, forged and twice, come and go in bursts, of more than a ring has room
    for too: each fares as if it had come alone, and the device has done those that are its."""
    about = BURST if s.device.aside is None else COMPLETED
    sas = [sa for _ in range(s.draw(st.integers(1, 2))) for sa in pair(s)]
    inbound = [sa for sa in sas if sa.direction == "in"]
    count = s.draw(st.sampled_from((2, 3, 5, 9, 70)))
    short = count < 70 and s.draw(st.booleans())
    lengths = _PAYING if count < 70 else st.integers(300, 310)
    made = []
    for number in range(1, count + 1):
        for sa in inbound:
            packet = s.small(sa) if short and s.draw(st.booleans()) else s.packet(sa, length=s.draw(lengths))
            made.append(s.peer(sa).protect(packet, number))
            if count < 9 and s.draw(st.sampled_from((False, False, True))):
                # which SA a packet came by not everybody tells, and what a device has opened in vain it counts
                twice = len(inbound) == 1 and s.draw(st.booleans())
                made[-1] = made[s.draw(st.integers(0, len(made) - 1))] if twice else s.forge(made[-1], sa)
    if made:
        s.burst_arrives(s.draw(st.permutations(made)) if count < 9 else made, about)
    for sa in sas:
        if sa.direction == "out":
            burst = [s.packet(sa, length=s.draw(lengths)) for _ in range(min(count, 9))]
            s.send_burst(sa, burst * (8 if count == 70 else 1), about)
    s.read_device(about)


@check(MISSING, DEVICE_NOTHING_LEFT, proved_by=("offload-lookaside-lost-is-wrong", "offload-lookaside-session-left"))
def without_an_answer(s: Scenario) -> None:
    """A device that stands beside the way of packets does not go on for a while, is reset, and loses an SA: packets and
    bursts fare as if it were not there."""
    s.need("device aside", s.device.aside is not None)
    s.need("device event work-waits", "work-waits" in s.device.events)
    sas = pair(s)
    number = 1
    for _ in range(s.draw(st.integers(1, 3))):
        s.befalls(s.draw(st.sampled_from(("work-waits", "work-waits", "work-done"))), MISSING)
        for sa in sas:
            if sa.direction == "in":
                right = [s.peer(sa).protect(s.packet(sa, length=300), number + n) for n in range(3)]
                s.burst_arrives([*right, right[0]], MISSING)
                s.arrives(s.peer(sa).protect(s.packet(sa, length=300), number + 3), MISSING)
            else:
                s.send(sa, MISSING, s.packet(sa, length=300))
                s.send_burst(sa, [s.packet(sa, length=300)] * 3, MISSING)
        number += 4
        if "reset" in s.device.events and s.draw(st.booleans()):
            s.befalls("reset", MISSING)
        if len(sas) > 1 and s.caps.delete_sa and s.draw(st.booleans()):
            s.delete(sas.pop(), DEVICE_NOTHING_LEFT)
    s.befalls("work-done", MISSING)
    s.read_device(MISSING)
