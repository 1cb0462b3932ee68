"""A device that does the cipher of ESP: who does it, and that nobody on the wire or behind the stack can tell.

That packets are right, whoever does the cipher, all other families see. Here it is seen that the device does what it is
declared to do, that it is left with nothing, and that what befalls it changes nothing.
"""

from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

from espproof.adapters.capabilities import Direction, Mode
from espproof.adapters.case import Sa
from espproof.conformance.checks.registry import check
from espproof.conformance.checks.scenario import Scenario
from espproof.conformance.requirements.ids import (
    ACCEPTED,
    DEVICE_NOTHING_LEFT,
    DEVICE_PACKETS,
    DEVICE_WHO,
    DUPLICATE,
    INCREMENT,
    X550_RULES,
)
from espproof.conformance.strategies import values
from espproof.reference import ip

RESTORED = "X550-7.13.9-restored"
FOUND = "LINUX.xfrm_device-flow-sa-found"
AADS = "RFC4106-5-aad", "RFC4543-3.3-aad"
"""What a wrong key, salt or number shows first, of AES-GCM and of GMAC."""
STATUS = "LINUX.xfrm_device-flow-status"
WRONG = "RFC4303-3.4.4.2-icv-wrong-discarded"


def _for_the_device(s: Scenario, direction: Direction, *, add: bool = True, **fixed: Any) -> Sa:
    """An SA whose cipher the device is to do; `fixed` as in `Scenario.outbound_sa`."""
    device = s.device
    make = s.inbound_sa if direction == "in" else s.outbound_sa
    return make(
        sequence=0,
        add=add,
        **{
            "mode": _modes(s, direction),
            "esn": (False, True) if device.esn else False,
            "udp": (False, True) if device.udp else False,
            **_cipher(s),
            **fixed,
        },
    )


def _modes(s: Scenario, direction: Direction) -> tuple[Mode, ...]:
    """Those in which it has something to do."""
    return s.device.inbound if direction == "in" else s.device.outbound


def _cipher(s: Scenario) -> dict[str, Any]:
    """One that the device has."""
    encr, key_size = s.choose([(name, size) for name, sizes in s.device.encryption.items() for size in sizes])
    return {"encr": encr, "key_size": key_size}


def _both_ways(s: Scenario, sas: Sequence[Sa], number: int, about: str = "") -> None:
    """A packet on each SA: the one of that number arrives, or the next is sent. `about`: if it is not simply that."""
    for sa in sas:
        if sa.direction == "in":
            s.receive(sa, number, about or ACCEPTED)
        else:
            s.send(sa, about or INCREMENT, s.small(sa))


def _directions(s: Scenario, *modes: Mode) -> list[Direction]:
    """Those in which there is something to do for the device, in one of these modes or in any."""
    both: tuple[Direction, ...] = ("in", "out")
    return [one for one in both if s.can(one) and (set(modes) & set(_modes(s, one)) if modes else _modes(s, one))]


def _pair(s: Scenario) -> list[Sa]:
    """An SA for each of them."""
    return [_for_the_device(s, one) for one in _directions(s)]


@check(
    DEVICE_WHO,
    DEVICE_PACKETS,
    *AADS,
    proved_by=(
        "offload-ipv6-as-ipv4",
        "offload-gmac-refused",
        "offload-esn-taken",
        "offload-tunnel-taken",
        "offload-udp-taken",
        "offload-salt-in-host-order",
        "offload-key-in-wire-order",
    ),
    weight=2.0,
)
def who_does_it(s: Scenario) -> None:
    """SAs that the device takes, others with its ciphers, and others yet: what it has, it does, packet by packet; the rest
    is software's, and somebody says why."""
    direction = s.choose(_directions(s))
    make = s.inbound_sa if direction == "in" else s.outbound_sa
    kind = s.draw(st.sampled_from(("taken", "its cipher", "any")))
    near = _cipher(s) if kind == "its cipher" else {}
    sa = _for_the_device(s, direction) if kind == "taken" else make(**near)
    first = int(sa.sequence) + 1
    for number in range(first, first + s.draw(st.integers(1, 3))):
        _both_ways(s, [sa], number)
    s.read_device(DEVICE_WHO)


@check(
    ACCEPTED,
    INCREMENT,
    DEVICE_PACKETS,
    X550_RULES["packets"],
    proved_by=("offload-frames-of-the-usual-length", "offload-icv-not-blank"),
)
def of_all_lengths(s: Scenario) -> None:
    """Packets as long as they may be, and others, on an SA of the device."""
    sa = _for_the_device(s, s.choose(_directions(s)))
    lengths = st.one_of(st.just(s.longest), values.lengths(s.longest))
    for number in range(1, 4):
        packet = s.packet(sa, length=s.draw(lengths))
        if sa.direction == "in":
            s.arrives(s.peer(sa).protect(packet, number), ACCEPTED)
        else:
            s.send(sa, INCREMENT, packet)
    s.read_device(DEVICE_PACKETS)


@check(DEVICE_PACKETS, proved_by=("offload-options-to-the-device", "offload-software-for-ever"))
def what_it_cannot_take(s: Scenario) -> None:
    """Packets with IPv4 options or IPv6 extension headers in front of ESP, between others, on an SA of the device in
    transport mode (in a tunnel they would be inside): out and in."""
    direction = s.choose(_directions(s, "transport"))
    sa = _for_the_device(s, direction, mode="transport")
    version = s.outer_version(sa)
    s.need("ipv4_options", version == 6 or s.caps.ipv4_options)
    s.need("ipv6_extension_headers", version == 4 or s.caps.ipv6_extension_headers)
    for number in range(1, s.draw(st.integers(2, 4)) + 1):
        odd = s.packet(sa, **_with_more_headers(version)) if s.draw(st.booleans()) else s.small(sa)
        if direction == "in":
            s.arrives(s.peer(sa).protect(odd, number), ACCEPTED)
        else:
            s.send(sa, INCREMENT, odd)
    s.read_device(DEVICE_PACKETS)


def _with_more_headers(version: int) -> dict[str, object]:
    """What ESP goes behind: three options that do nothing, and a hop-by-hop header with padding."""
    header = b"\x01\x01\x01\x00" if version == 4 else ip.options_header(b"")[1:]
    return {"version": version, "length": 20, "extensions": ((ip.PROTOCOL_HOP_BY_HOP, header),)}


@check(STATUS, DEVICE_PACKETS, proved_by=("offload-status-forgotten",))
def forged_between(s: Scenario) -> None:
    """Forged packets and duplicates on an SA of the device: what it found wrong the stack does not deliver, and its window
    stays; the device has done those that were right."""
    sa = _for_the_device(s, "in")
    for number in range(1, s.draw(st.integers(1, 3)) + 1):
        if s.draw(st.booleans()):
            s.arrives(s.forge(s.peer(sa).protect(s.small(sa), number + 50), sa), STATUS)
        packet = s.receive(sa, number, ACCEPTED)
        if sa.replay_window and s.draw(st.booleans()):
            s.arrives(packet, DUPLICATE)
    s.read_device(DEVICE_PACKETS)


@check(WRONG, proved_by=("offload-untouched-taken",))
def in_the_clear(s: Scenario) -> None:
    """Packets that look as if the device had decrypted them, and nobody has encrypted: behind any headers, and after
    another SA was deleted. What the device has not found right is not right."""
    sa = _for_the_device(s, "in")
    if s.caps.delete_sa and s.draw(st.booleans()):
        gone = _for_the_device(s, "in", add=False)
        s.add(gone, DEVICE_WHO)
        s.delete(gone, DEVICE_NOTHING_LEFT)
    version = s.outer_version(sa)
    options = sa.mode == "transport" and (s.caps.ipv4_options if version == 4 else s.caps.ipv6_extension_headers)
    rest = bytes(s.iv_size(sa)) + s.plaintext(sa) + bytes(s.peer(sa).codec.icv_size)
    for number in range(1, s.draw(st.integers(1, 3)) + 1):
        headers = s.packet(sa, **_with_more_headers(version)) if options and s.draw(st.booleans()) else s.small(sa)
        esp = sa.spi.to_bytes(4, "big") + number.to_bytes(4, "big") + rest
        s.arrives(s.peer(sa).wrap(headers, esp), WRONG)


@check(
    DEVICE_NOTHING_LEFT,
    *(X550_RULES[topic] for topic in ("lookup", "tables", "descriptors", "settings")),
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
    ),
)
def nothing_left(s: Scenario) -> None:
    """SAs come and go in any order: the device has those that are there, and nothing of the others."""
    s.need("delete_sa", s.caps.delete_sa)
    there = _pair(s)
    for number in range(1, s.draw(st.integers(1, 5)) + 1):
        deletes = s.draw(st.booleans())
        if there and deletes:
            gone = s.choose(there)
            there.remove(gone)
            s.delete(gone, DEVICE_NOTHING_LEFT)
        else:
            made = _for_the_device(s, s.choose(_directions(s)), add=False)
            s.add(made, DEVICE_WHO)
            there.append(made)
        _both_ways(s, there, number)
        s.read_device(DEVICE_NOTHING_LEFT)


@check(
    RESTORED,
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
    ),
    weight=0.5,
)
def after_a_reset(s: Scenario) -> None:
    """The device is reset between packets: numbers, windows and SAs go on; an SA that was deleted before is not back."""
    sas = _pair(s)
    number = 1
    if s.caps.delete_sa and s.draw(st.booleans()):
        gone = _for_the_device(s, "in", add=False)
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
        made = _for_the_device(s, s.choose(_directions(s)), add=False)
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
    first = _for_the_device(s, "in", add=False)
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
