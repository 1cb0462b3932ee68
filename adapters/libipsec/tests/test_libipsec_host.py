"""libipsec as a gateway: what the shim does itself, what it says it cannot, and that libipsec does the rest."""

from collections.abc import Iterator
from typing import Any

import pytest
from msgspec.structs import replace

from espproof.adapters.case import (
    AddPolicy,
    Done,
    Emerged,
    EmergedPacket,
    Enter,
    Event,
    Events,
    Host,
    Layout,
    Lifetime,
    Mark,
    Mtus,
    Octets,
    Policy,
    PolicyLifetime,
    PortRange,
    Refused,
    Sa,
    Selector,
    Side,
    Template,
    TrafficSelector,
    Unsupported,
)
from espproof.adapters.libipsec.adapter import LibipsecAdapter
from espproof.adapters.libipsec.tests.test_libipsec_adapter import IN, OUT
from espproof.adapters.translate import entry
from espproof.reference import endpoint, ip

HOST = Host(
    addresses=("192.0.2.17",), wire=("198.51.100.42", "203.0.113.130"), blocked=("in", "out"), forward=False,
    key_manager=True,
)  # fmt: skip
AWAY = replace(OUT, reqid=0x101)
BACK = replace(IN, source="198.51.100.42", destination="192.0.2.17", spi=0x05060708, reqid=0x102)
NEAR, FAR, US = bytes([203, 0, 113, 7]), bytes([203, 0, 113, 130]), bytes([192, 0, 2, 17])
LEAVES = Octets(ip.build_ipv4(NEAR, FAR, 253, bytes(range(30)), ttl=63))
ARRIVES = Octets(ip.build_ipv4(FAR, NEAR, 253, bytes(range(30)), ttl=63))
NOTHING = Emerged(packets=())


@pytest.fixture(scope="module")
def shared() -> Iterator[LibipsecAdapter]:
    with LibipsecAdapter() as adapter:
        yield adapter


@pytest.fixture
def host(shared: LibipsecAdapter) -> LibipsecAdapter:
    shared.reset()
    assert shared.configure(HOST) == Done()
    return shared


def policy(sa: Sa, name: str = "one", **fields: Any) -> Policy:
    template = Template(mode="tunnel", source=sa.source, destination=sa.destination, reqid=sa.reqid)
    direction = "out" if sa.direction == "out" else "in"
    whole = {"direction": direction, "selector": TrafficSelector(version=4), "templates": (template,), **fields}
    return Policy(name=name, **whole)


def entered(host: LibipsecAdapter, side: Side, packet: bytes) -> tuple[EmergedPacket, ...]:
    outcome = host.enter(Enter(side=side, packet=Octets(packet)))
    assert isinstance(outcome, Emerged), outcome
    return outcome.packets


def protected(packet: bytes, number: int, sa: Sa = BACK) -> Octets:
    made = endpoint.encapsulate(entry(sa), packet, number)
    assert isinstance(made, bytes)
    return Octets(made)


def test_out_and_in(host: LibipsecAdapter) -> None:
    """Both ways through SA and policy, one hop on; its own packets too, and what is for it reaches it as it was."""
    for sa in (AWAY, BACK):
        assert host.add_sa(sa) == Done()
        assert host.add_policy(AddPolicy(policy=policy(sa, sa.name))) == Done()
    for side, inside in (("plain", ip.forwarded(LEAVES)), ("local", LEAVES)):
        (sent,) = entered(host, side, LEAVES)  # type: ignore[arg-type]
        outer = ip.parse(sent.packet)
        assert (sent.side, outer.protocol, outer.hop_limit, outer.dscp) == ("wire", 50, 17, 43)
        assert bytes(sent.packet).find(inside[20:]) < 0
    (got,) = entered(host, "wire", protected(ARRIVES, 1))
    assert got == EmergedPacket(side="plain", packet=Octets(ip.forwarded(ARRIVES)))
    ours = Octets(ip.build_ipv4(FAR, US, 253, b"for the host itself"))
    assert entered(host, "wire", protected(ours, 2)) == (EmergedPacket(side="local", packet=ours),)


@pytest.mark.parametrize("there", [(), ("sa",), ("policy",)])
def test_without_policy_or_sa_nothing_crosses(host: LibipsecAdapter, there: tuple[str, ...]) -> None:
    for sa in (AWAY, BACK):
        if "sa" in there:
            assert host.add_sa(sa) == Done()
        if "policy" in there:
            assert host.add_policy(AddPolicy(policy=policy(sa, sa.name))) == Done()
    assert entered(host, "plain", LEAVES) == ()
    assert entered(host, "wire", protected(ARRIVES, 1)) == ()


def test_what_does_not_cross_is_not_asked_about(host: LibipsecAdapter) -> None:
    """It is forwarded or delivered; not a hop further than it may go."""
    beside = ip.build_ipv4(NEAR, bytes([203, 0, 113, 8]), 253, b"a neighbour", ttl=2)
    (got,) = entered(host, "plain", beside)
    assert got == EmergedPacket(side="plain", packet=Octets(ip.forwarded(beside)))
    assert entered(host, "plain", ip.forwarded(beside)) == ()


def test_what_is_no_packet_goes_nowhere(host: LibipsecAdapter) -> None:
    """A header that is cut short or wrong, fewer octets than it claims; octets behind the end are none of the packet."""
    assert host.add_sa(AWAY) == Done()
    assert host.add_policy(AddPolicy(policy=policy(AWAY))) == Done()
    short, claimed = bytearray(LEAVES), bytearray(LEAVES)
    short[0], claimed[2:4] = 0x44, (19).to_bytes(2, "big")
    wrong = bytes(LEAVES[:10]) + bytes((LEAVES[10] ^ 1,)) + bytes(LEAVES[11:])
    none = bytes((0x45,)), bytes(LEAVES[:19]), bytes(LEAVES[:-1]), wrong, _summed(short), _summed(claimed), b"\x50" * 60
    for octets in none:
        assert entered(host, "plain", octets) == (), octets.hex()
    (sent,) = entered(host, "plain", LEAVES + b"left by the link")
    (same,) = entered(host, "plain", LEAVES)
    assert len(sent.packet) == len(same.packet)
    beside = ip.build_ipv4(NEAR, bytes([203, 0, 113, 8]), 253, b"a neighbour", ttl=2)
    (got,) = entered(host, "plain", beside + bytes(3))
    assert got.packet == ip.forwarded(beside)


def test_what_comes_out_and_is_no_packet_goes_nowhere(host: LibipsecAdapter) -> None:
    """As in the kernel behind a TUN device; nothing is read behind its end."""
    assert host.add_sa(BACK) == Done()
    assert host.add_policy(AddPolicy(policy=policy(BACK))) == Done()
    claimed = bytearray(ARRIVES)
    claimed[2:4] = (5).to_bytes(2, "big")
    wrong = bytes(ARRIVES[:10]) + bytes((ARRIVES[10] ^ 1,)) + bytes(ARRIVES[11:])
    for number, octets in enumerate((_summed(claimed), wrong, bytes(ARRIVES[:-1])), 1):
        assert entered(host, "wire", protected(octets, number)) == (), octets.hex()
    assert len(entered(host, "wire", protected(ARRIVES, 9))) == 1


def _summed(packet: bytearray) -> bytes:
    """With the right checksum over the header that it claims to have."""
    header = packet[: 4 * (packet[0] & 15)]
    header[10:12] = bytes(2)
    packet[10:12] = ip.checksum(bytes(header)).to_bytes(2, "big")
    return bytes(packet)


def test_policies_come_and_go(host: LibipsecAdapter) -> None:
    """By their names; one for the same traffic takes the place of another if that is asked for."""
    other = replace(AWAY, name="other", reqid=0x103, spi=0x0A0B0C0D)
    for sa in (AWAY, other):
        host.add_sa(sa)
    host.add_policy(AddPolicy(policy=policy(AWAY)))
    assert isinstance(host.add_policy(AddPolicy(policy=policy(other))), Refused)
    assert host.add_policy(AddPolicy(policy=policy(other), replace=True)) == Done()
    (sent,) = entered(host, "plain", LEAVES)
    assert sent.packet[20:24] == other.spi.to_bytes(4, "big")
    assert host.delete_policy("one") == Done()
    assert isinstance(host.delete_policy("one"), Refused)
    assert entered(host, "plain", LEAVES) == ()
    assert host.add_policy(AddPolicy(policy=policy(AWAY))) == Done()
    assert host.flush_policies() == Done()
    assert entered(host, "plain", LEAVES) == ()
    assert host.add_policy(AddPolicy(policy=policy(AWAY))) == Done()
    assert host.flush_sas() == Done()
    assert entered(host, "plain", LEAVES) == ()
    assert isinstance(host.delete_sa("out"), Refused)


def test_a_policy_that_is_refused_changes_nothing(host: LibipsecAdapter) -> None:
    """It has another's name, or is for another's traffic and not to take its place."""
    host.add_sa(AWAY)
    mine, others = (TrafficSelector(version=4, protocol=protocol) for protocol in (253, 17))
    for name, selector in (("mine", mine), ("other's", others)):
        assert host.add_policy(AddPolicy(policy=policy(AWAY, name, selector=selector))) == Done()
    named, twin = policy(AWAY, "other's", selector=mine), policy(AWAY, "third", selector=mine)
    assert isinstance(host.add_policy(AddPolicy(policy=named, replace=True)), Refused)
    assert isinstance(host.add_policy(AddPolicy(policy=twin)), Refused)
    assert len(entered(host, "plain", LEAVES)) == 1
    assert host.add_policy(AddPolicy(policy=twin, replace=True)) == Done()
    assert isinstance(host.delete_policy("mine"), Refused)
    assert host.delete_policy("other's") == Done()
    assert len(entered(host, "plain", LEAVES)) == 1


def test_limits_are_told(host: LibipsecAdapter) -> None:
    """Once, as libipsec's listener hears of them."""
    host.add_sa(replace(AWAY, lifetime=Lifetime(soft_packets=1, hard_packets=2)))
    host.add_policy(AddPolicy(policy=policy(AWAY)))
    told = []
    for _ in range(3):
        entered(host, "plain", LEAVES)
        told.append(host.read_events())
    soft, hard = (Events(events=(Event(kind=kind, sa="out"),)) for kind in ("soft", "hard"))
    assert told == [soft, hard, Events(events=())]
    host.reset()
    assert host.configure(replace(HOST, key_manager=False)) == Done()
    assert isinstance(host.read_events(), Refused)


@pytest.mark.parametrize(
    "fields",
    [{"forward": True}, {"blocked": ("out",)}, {"mtus": Mtus(wire=1400)}, {"fragments": "inside"}, {"holds": 8}],
    ids=str,
)
def test_hosts_that_it_cannot_be(shared: LibipsecAdapter, fields: dict[str, Any]) -> None:
    shared.reset()
    assert isinstance(shared.configure(replace(HOST, **fields)), Unsupported)


@pytest.mark.parametrize(
    "fields",
    [
        {"action": "block", "templates": ()}, {"templates": ()}, {"priority": 4}, {"mark": Mark(value=1)},
        {"if_id": 7}, {"lifetime": PolicyLifetime(hard_seconds=3)}, {"icmp_errors": True}, {"direction": "forward"},
        {"templates": (Template(mode="transport", reqid=1),)},
        *({"templates": (Template(mode="tunnel", source="192.0.2.17", destination="198.51.100.42", **asked),)}
          for asked in ({}, {"reqid": 1, "spi": 5}, {"reqid": 1, "optional": True}, {"reqid": 1, "protocol": "ah"})),
        {"templates": policy(AWAY).templates * 2}, {"selector": TrafficSelector(version=4, protocol=0)},
    ],
    ids=str,
)  # fmt: skip
def test_policies_that_it_cannot_have(host: LibipsecAdapter, fields: dict[str, Any]) -> None:
    """An option that is ignored would be a lie."""
    assert isinstance(host.add_policy(AddPolicy(policy=policy(AWAY, **fields))), Unsupported)


@pytest.mark.parametrize(
    "fields",
    [{"reqid": 0}, {"selectors": (Selector(protocol=6),)}, {"mark": Mark(value=1)}, {"protocol": "ah"}],
    ids=str,
)
def test_sas_that_it_cannot_have(host: LibipsecAdapter, fields: dict[str, Any]) -> None:
    assert isinstance(host.add_sa(replace(AWAY, **fields)), Unsupported)


@pytest.mark.parametrize("fields", [{"mark": 1}, {"segment": 8}, {"way": "tap"}, {"layout": Layout(room=0)}], ids=str)
def test_packets_that_cannot_enter(host: LibipsecAdapter, fields: dict[str, Any]) -> None:
    """What arrives in the clear over the wire never reaches libipsec."""
    assert isinstance(host.enter(Enter(side="plain", packet=LEAVES, **fields)), Unsupported)
    assert isinstance(host.enter(Enter(side="wire", packet=ARRIVES)), Unsupported)


def test_ports_and_kinds_are_handed_over(host: LibipsecAdapter) -> None:
    """Ports as they are; of ICMP type and code in one number (RFC 7296 3.13.1), which libipsec looks for in vain."""
    host.add_sa(AWAY)
    some = PortRange(first=3, last=3)
    for protocol, passes in ((17, True), (1, False)):
        host.flush_policies()
        selector = TrafficSelector(version=4, protocol=protocol, source_ports=some)
        assert host.add_policy(AddPolicy(policy=policy(AWAY, selector=selector))) == Done()
        packet = ip.build_ipv4(NEAR, FAR, protocol, bytes.fromhex("0003000100080000"))
        assert bool(entered(host, "plain", packet)) == passes


@pytest.mark.parametrize("protocol", [1, 58])
@pytest.mark.parametrize(
    ("types", "codes", "can"),
    [
        (None, None, True), ((3, 3), None, True), ((3, 9), None, True), ((3, 3), (1, 4), True),
        (None, (0, 0), False), ((3, 4), (0, 0), False),
    ],
)  # fmt: skip
def test_codes_are_those_of_one_type(
    host: LibipsecAdapter,
    protocol: int,
    types: tuple[int, int] | None,
    codes: tuple[int, int] | None,
    can: bool,
) -> None:
    """As one range of numbers has it (RFC 7296 3.13.1); a policy for more than was asked would be a lie."""
    kinds, their = (one and PortRange(first=one[0], last=one[1]) for one in (types, codes))
    selector = TrafficSelector(version=4, protocol=protocol, source_ports=kinds, destination_ports=their)
    outcome = host.add_policy(AddPolicy(policy=policy(AWAY, selector=selector)))
    assert outcome == (Done() if can else Unsupported(what="ports"))


def test_a_host_is_one_until_the_next_reset(host: LibipsecAdapter) -> None:
    """Then there are two ends again, and neither host nor request ids."""
    host.reset()
    assert isinstance(host.add_policy(AddPolicy(policy=policy(AWAY))), Unsupported)
    assert isinstance(host.enter(Enter(side="plain", packet=LEAVES)), Unsupported)
    assert isinstance(host.delete_policy("one"), Unsupported)
    assert isinstance(host.read_events(), Unsupported)
    assert isinstance(host.add_sa(AWAY), Unsupported)
    assert host.add_sa(OUT) == Done()
