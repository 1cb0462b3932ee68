"""SAs of AH beside those of ESP in a host: bundles, SPIs of their own, what each refuses, what of them is counted."""

from dataclasses import replace
from ipaddress import ip_address
from typing import Any

import pytest

from espproof.reference import ip
from espproof.reference.drops import DropReason
from espproof.reference.errors import Misuse
from espproof.reference.esp import Opened
from espproof.reference.replay import ReplayWindow
from espproof.reference.sa import SaState, SecurityAssociation, UdpEncapsulation
from espproof.reference.xfrm import mtu, protocols
from espproof.reference.xfrm.asynchrony import Arrival, AsynchronousHost
from espproof.reference.xfrm.counters import Counter
from espproof.reference.xfrm.policy import Policy, Selector, Template
from espproof.reference.xfrm.states import State

HERE, THERE = ip_address("192.0.2.17"), ip_address("198.51.100.42")
AH = SecurityAssociation(
    name="ah", direction="out", spi=0x1000, mode="transport", source=HERE, destination=THERE, protocol="ah",
    encr="ENCR_NULL", auth="AUTH_HMAC_SHA1_96", auth_key=bytes(range(20)),
)  # fmt: skip
ESP = replace(AH, name="esp", protocol="esp")
PACKET = ip.build_ipv4(HERE.packed, THERE.packed, 253, b"carried!", ttl=64)


def state(sa: SecurityAssociation, reqid: int = 7) -> State:
    window = ReplayWindow(32 if sa.direction == "in" else 0)
    return State(protocols.entry_of(sa, SaState(replay=window)), reqid)


def host(*templates: Template, direction: Any = "out", address: bytes = HERE.packed) -> AsynchronousHost:
    made = AsynchronousHost([address], [HERE.packed, THERE.packed])
    made.spd.add(Policy(name="policy", direction=direction, selector=Selector(version=4), templates=templates))
    return made


def turned(sa: SecurityAssociation) -> SecurityAssociation:
    """The same SA where its packets arrive."""
    return replace(sa, direction="in")


@pytest.mark.parametrize("together", [False, True])
def test_esp_then_ah(together: bool) -> None:
    """The first template is the innermost; packets that come in a burst whose cipher finishes later fare no otherwise."""
    asked = (Template(mode="transport", reqid=7), Template(mode="transport", reqid=7, protocol="ah"))
    sender, receiver = host(*asked), host(*asked, direction="in", address=THERE.packed)
    for sa in (ESP, AH):
        sender.add(state(sa))
        receiver.add(state(turned(sa)))
    if together:
        (sent,) = sender.enter_burst([Arrival("local", PACKET)], completions=(0,))
        (got,) = receiver.enter_burst([Arrival("wire", sent.packet)], completions=(0,))
    else:
        (sent,) = sender.enter("local", PACKET)
        (got,) = receiver.enter("wire", sent.packet)
    assert (sent.packet[9], sent.packet[20], sent.through) == (51, 50, ("esp", "ah"))
    assert (got.side, got.packet, got.through) == ("local", PACKET, ("ah", "esp"))
    assert not sender.counters
    assert not receiver.counters


def test_spis_of_two_protocols_are_apart() -> None:
    """Each protocol has SPIs of its own, to have and to reserve."""
    made = host()
    made.add(state(AH))
    made.add(state(ESP))
    with pytest.raises(Misuse, match="the same destination"):
        made.add(state(replace(AH, name="twin")))
    made.states.reserve(replace(AH, name="next", spi=0x2000))
    made.states.reserve(replace(ESP, name="next", spi=0x2000))
    with pytest.raises(Misuse, match="taken"):
        made.states.reserve(replace(AH, name="other", spi=0x2000))


@pytest.mark.parametrize("there", [AH, ESP])
def test_a_template_asks_for_a_protocol(there: SecurityAssociation) -> None:
    """What is there is of the other one: the packet does not leave."""
    made = host(Template(mode="transport", reqid=7, protocol="esp" if there is AH else "ah"))
    made.add(state(there))
    assert made.enter("local", PACKET) == ()
    assert made.counters == {Counter.OUT_NO_STATES: 1}


@pytest.mark.parametrize(
    "fields",
    [
        {"udp": UdpEncapsulation(4500, 4500)},
        {"encr": "ENCR_AES_CBC", "encr_key": bytes(16)},
        {"auth": "NONE", "auth_key": b""},
        {"auth_key": bytes(19)},
    ],
    ids=str,
)
def test_what_no_sa_of_ah_may_have(fields: dict[str, Any]) -> None:
    with pytest.raises(Misuse):
        state(replace(AH, **fields))


def test_gmac_never_has_an_iv_twice() -> None:
    """Two SAs with the same key count its packets together."""
    gmac = replace(AH, auth="AUTH_AES_GMAC", auth_key=bytes(range(16)), salt=b"salt")
    made = host(Template(mode="transport", reqid=7, protocol="ah"))
    made.add(state(gmac))
    ivs = [made.enter("local", PACKET)[0].packet[32:40]]
    made.states.delete("ah")
    made.add(state(replace(gmac, spi=0x1001)))
    ivs += [made.enter("local", PACKET)[0].packet[32:40] for _ in range(2)]
    assert len(set(ivs)) == 3


@pytest.mark.parametrize("mode", ["transport", "tunnel"])
@pytest.mark.parametrize("auth", ["AUTH_HMAC_SHA1_96", "AUTH_HMAC_SHA2_256_128"])
def test_room_for_what_is_protected(mode: Any, auth: str) -> None:
    """The largest packet that fits becomes one of exactly the MTU, with ICVs that are padded too."""
    key = bytes(range(20 if "SHA1" in auth else 32))
    made = state(replace(AH, mode=mode, auth=auth, auth_key=key))
    size = mtu.room(PACKET, [made], 1400)
    packet = ip.build_ipv4(HERE.packed, THERE.packed, 253, bytes(size - 20))
    protected = protocols.protect(made.entry, packet, 1)
    assert isinstance(protected, bytes)
    assert len(protected) == 1400


def test_a_number_that_the_window_has_had() -> None:
    """The replay check comes before the ICV, and a wrong ICV moves nothing."""
    made = state(turned(AH))
    protected = protocols.protect(state(AH).entry, PACKET, 40)
    assert isinstance(protected, bytes)
    wrong = ip.parse(protected[:-1] + b"?")
    assert protocols.authenticate(made.entry, wrong, wrong.payload) is DropReason.INTEGRITY
    assert made.entry.state.replay.highest == 0
    right = ip.parse(protected)
    assert isinstance(protocols.authenticate(made.entry, right, right.payload), Opened)
    assert protocols.authenticate(made.entry, right, right.payload) is DropReason.REPLAY


def test_a_number_before_the_first() -> None:
    """An extended number below the window of the first packets can be none."""
    made = state(turned(replace(AH, esn=True)))
    made.entry.state.replay.advance(5)
    protected = protocols.protect(state(replace(AH, esn=True)).entry, PACKET, 2**32 - 2)
    assert isinstance(protected, bytes)
    parsed = ip.parse(protected)
    assert protocols.authenticate(made.entry, parsed, parsed.payload) is DropReason.INTEGRITY


def test_what_does_not_fit_in_a_tunnel() -> None:
    longest = ip.build_ipv4(HERE.packed, THERE.packed, 253, bytes(65535 - 20))
    assert protocols.protect(state(replace(AH, mode="tunnel")).entry, longest, 1) is DropReason.TOO_BIG


@pytest.mark.parametrize("sa", [AH, ESP], ids=["AH", "ESP"])
def test_a_fragment_in_fragments_is_nothing(sa: SecurityAssociation) -> None:
    """What was put together of fragments is a packet, or gone: nobody opens it, and nothing is counted."""
    here, there = ip_address("2001:db8::17"), ip_address("2001:db8::42")
    one = host(address=here.packed)
    one.add(state(replace(turned(sa), source=there, destination=here)))
    protocol = 51 if sa.protocol == "ah" else 50
    content = (
        bytes((protocol, 0, 0, 1, 0, 0, 0, 9)) + bytes((253, 4, 0, 0)) + (sa.spi.to_bytes(4, "big") + bytes(4)) * 5
    )
    for at, rest in ((0, content[:24]), (24, content[24:])):
        header = bytes((44, 0)) + (at | (at == 0)).to_bytes(2, "big") + bytes((0, 0, 0, 7))
        assert one.enter("wire", ip.build_ipv6(there.packed, here.packed, 44, header + rest)) == ()
    assert not one.counters
