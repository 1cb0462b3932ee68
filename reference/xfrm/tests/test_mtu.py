"""Fragments, room inside an SA, what is known of paths, and the messages about packets that are too long."""

from ipaddress import ip_address

import pytest

from espproof.adapters.case import Octets, Sa, UdpEncapsulation
from espproof.adapters.translate import state_of
from espproof.reference import ip
from espproof.reference.endpoint import encapsulate
from espproof.reference.reassembly import Reassembly
from espproof.reference.xfrm import icmp, mtu
from espproof.reference.xfrm.host import Emerging, Host

_NEAR, _FAR = bytes((203, 0, 113, 7)), bytes((203, 0, 113, 130))
_NEAR6, _FAR6 = ip_address("2001:db8:70::7").packed, ip_address("2001:db8:80::1").packed
_US, _OTHER = bytes((192, 0, 2, 17)), bytes((198, 51, 100, 42))
_ROUTER = bytes((198, 51, 100, 7))


def _sa(
    mode: str = "tunnel", *, outer: int = 4, udp: bool = False, encr: str = "ENCR_AES_GCM_16", df: str = "copy"
) -> Sa:
    ends = ("192.0.2.17", "198.51.100.42") if outer == 4 else ("2001:db8:1::a1", "2001:db8:2:3::b2")
    cbc = encr == "ENCR_AES_CBC"
    return Sa(
        name="out", direction="out", spi=0x1000, mode=mode, source=ends[0], destination=ends[1], encr=encr,  # type: ignore[arg-type]
        encr_key=Octets(bytes(range(16))), salt=Octets(b"" if cbc else b"salt"),
        auth="AUTH_HMAC_SHA2_256_128" if cbc else "NONE", auth_key=Octets(bytes(range(32)) if cbc else b""),
        udp=UdpEncapsulation() if udp else None, reqid=7, df=df,  # type: ignore[arg-type]
    )  # fmt: skip


def _packet(size: int, *, options: bytes = b"", dont_fragment: bool = False) -> bytes:
    content = bytes(range(256)) * (size // 256 + 1)
    return ip.build_ipv4(
        _NEAR, _FAR, 253, content[: size - 20 - len(options)], options=options, dont_fragment=dont_fragment, ttl=9
    )


def _packet6(size: int) -> bytes:
    return ip.build_ipv6(_NEAR6, _FAR6, 253, bytes(size - 40))


@pytest.mark.parametrize("outer", [4, 6])
@pytest.mark.parametrize("udp", [False, True])
@pytest.mark.parametrize("mode", ["tunnel", "transport"])
@pytest.mark.parametrize("encr", ["ENCR_AES_GCM_16", "ENCR_AES_CBC"])
def test_what_has_room_fits_and_one_octet_more_does_not(outer: int, udp: bool, mode: str, encr: str) -> None:
    """The room is exact, for every length of the link."""
    state = state_of(_sa(mode, outer=outer, udp=udp, encr=encr))
    make = _packet if outer == 4 or mode == "tunnel" else _packet6
    for most in range(1280, 1300):
        room = mtu.room(make(60), [state], most)
        for size, fits in ((room, True), (room + 1, False)):
            protected = encapsulate(state.entry, make(size), 1)
            assert isinstance(protected, bytes)
            assert (len(protected) <= most) is fits


@pytest.mark.parametrize("options", [b"", bytes.fromhex("9e0401021e040304")])
@pytest.mark.parametrize("size", [1280, 1281, 1300, 2500, 4000])
def test_fragments_fit_and_are_the_packet(size: int, options: bytes) -> None:
    """IPv4: whatever the length, and with options that only the first has."""
    packet = _packet(size, options=options)
    pieces = mtu.fragments(packet, 1280, 0)
    assert all(len(piece) <= 1280 for piece in pieces)
    assert [len(ip.parse(piece).header) for piece in pieces[1:]] == [20 + len(options) // 2] * (len(pieces) - 1)
    reassembly = Reassembly()
    wholes = [reassembly.take(ip.parse(piece)) if len(pieces) > 1 else piece for piece in pieces]
    assert wholes[-1] == packet


def test_fragments_of_ipv6_have_a_header_behind_what_routers_read() -> None:
    """Hop-by-hop options are in each fragment, destination options are cut up with the rest."""
    number, body = ip.chain([(0, ip.options_header()), (60, ip.options_header())], 50)
    packet = ip.build_ipv6(_NEAR6, _FAR6, number, body + bytes(range(256)) * 10)
    pieces = mtu.fragments(packet, 1280, 0x01020304)
    assert all(piece[6] == 0 and piece[40] == ip.PROTOCOL_FRAGMENT and len(piece) <= 1280 for piece in pieces)
    reassembly = Reassembly()
    assert [reassembly.take(ip.parse(piece)) for piece in pieces][-1] == packet


def test_a_fragment_is_cut_up_at_its_own_place() -> None:
    """Its offset goes on from there, and each piece of one behind which more comes says so."""
    packet = ip.build_ipv4(_NEAR, _FAR, 253, bytes(1600), fragment_offset=800, more_fragments=True)
    pieces = [ip.parse(piece) for piece in mtu.fragments(packet, 1000, 0)]
    assert [(one.fragment_offset, one.more_fragments) for one in pieces] == [(800, True), (1776, True)]


def test_paths_are_learned_and_forgotten() -> None:
    """Never longer, nothing that no path has, and for ten minutes."""
    paths = mtu.PathMtus()
    for said, known in ((1400, 1400), (1450, 1400), (1300, 1300), (67, 1300)):
        paths.learn(_OTHER, said, 0)
        assert paths.to(_OTHER, 599) == known
    assert paths.to(_OTHER, 600) is None
    paths.learn(_FAR6, 1279, 0)
    assert paths.to(_FAR6, 0) is None


def test_nobody_is_told_about_errors_and_later_fragments() -> None:
    """Else messages would go to and fro."""
    told = icmp.message(_ROUTER, _packet(1400), 1280)
    assert told is not None
    assert icmp.message(_ROUTER, told, 576) is None
    later = ip.build_ipv4(_NEAR, _FAR, 253, bytes(1400), fragment_offset=8, dont_fragment=True)
    assert icmp.message(_ROUTER, later, 1280) is None
    echo = ip.build_ipv4(_NEAR, _FAR, 1, b"\x08" + bytes(1400))
    assert icmp.message(_ROUTER, echo, 1280) is not None
    for kind, silent in ((2, True), (128, False)):
        message = ip.build_ipv6(_NEAR6, _FAR6, 58, bytes((kind,)) + bytes(1400))
        assert (icmp.message(_FAR6, message, 1280) is None) is silent


def test_a_message_with_a_wrong_checksum_says_nothing() -> None:
    """Of IPv4 and IPv6; and one that is cut short."""
    for router, packet in ((_ROUTER, _packet(1400)), (_FAR6, _packet6(1400))):
        told = icmp.message(router, packet, 1280)
        assert told is not None
        said = icmp.read(ip.parse(told))
        assert said is not None
        assert said.mtu == 1280
        assert icmp.read(ip.parse(told[:-1] + bytes((told[-1] ^ 1,)))) is None
    assert icmp.read(ip.parse(ip.build_ipv4(_ROUTER, _NEAR, 1, b"\x03\x04"))) is None


def test_a_router_without_policies() -> None:
    """What is too long for a link is cut up, or its sender told; the host's own packet vanishes."""
    host = Host((_US,), (_FAR,), (), mtu.Links(wire=1280))
    (told,) = host.enter("plain", _packet(1300, dont_fragment=True))
    said = icmp.read(ip.parse(told.packet))
    assert (told.side, said and said.mtu, ip.parse(told.packet).destination) == ("plain", 1280, _NEAR)
    assert [len(one.packet) for one in host.enter("plain", _packet(1300))] == [1276, 44]
    own = ip.build_ipv4(_US, _FAR, 253, bytes(1300), dont_fragment=True)
    assert host.enter("local", own) == ()
    assert host.enter("plain", _packet(1280)) == (Emerging("wire", ip.forwarded(_packet(1280))),)
