"""How many packets are the device's, and where the documents leave it open."""

from ipaddress import ip_address
from typing import Any

from msgspec.structs import replace

from espproof.adapters.capabilities import DeviceCapabilities
from espproof.adapters.case import (
    AddSa,
    Case,
    DeleteSa,
    DeviceEvent,
    DeviceSa,
    DeviceState,
    Inbound,
    Octets,
    Outbound,
    ReadDevice,
    Sa,
    Step,
    UdpEncapsulation,
)
from espproof.adapters.models.reference import ReferenceAdapter
from espproof.adapters.translate import entry
from espproof.conformance.oracle.device import history, judge_device
from espproof.conformance.requirements.ids import DEVICE_NOTHING_LEFT, DEVICE_PACKETS
from espproof.conformance.strategies import packets
from espproof.reference import endpoint

DEVICE = DeviceCapabilities(
    encryption={"ENCR_AES_GCM_16": (16,)}, inbound=("transport",), outbound=("transport",), udp=True
)
KEYS: dict[str, Any] = {"encr": "ENCR_AES_GCM_16", "encr_key": Octets(range(16)), "salt": Octets(b"salt")}
OURS, THEIRS = packets.GATEWAYS[4][0]
IN = Sa(name="in", direction="in", spi=0x1A2B3C4D, mode="transport", source=THEIRS, destination=OURS, **KEYS)
OUT = replace(IN, name="out", direction="out", source=OURS, destination=THEIRS)


def plain(sa: Sa) -> bytes:
    ends = (ip_address(sa.source).packed, ip_address(sa.destination).packed)
    return packets.build(packets.Recipe(), *ends)


def arrives(sa: Sa, number: int, behaviour: str = "") -> Inbound:
    made = endpoint.encapsulate(entry(sa), plain(sa), number)
    assert isinstance(made, bytes)
    return Inbound(packet=Octets(made), behaviour=behaviour)


def leaves(sa: Sa, behaviour: str = "") -> Outbound:
    return Outbound(sa=sa.name, packet=Octets(plain(sa)), behaviour=behaviour)


def findings(device: DeviceCapabilities, sa: Sa, told: int, *steps: Step) -> list[str | None]:
    """What is wrong with a device that has done so many packets of the SA, its only one."""
    case = Case(version=1, sas=(sa,), steps=(*steps, ReadDevice()))
    right = ReferenceAdapter().execute(case).steps
    takes = device.takes(sa)
    one = DeviceSa(sa=sa.name, by="device" if takes else "software", reason="" if takes else "UDP", packets=told)
    state = DeviceState(sas=(one,), entries=int(takes))
    return [rule for rule, _ in judge_device(state, history(case, right, device, len(steps)))]


def test_each_packet_counts() -> None:
    for sa, steps in ((IN, (arrives(IN, 1), arrives(IN, 2))), (OUT, (leaves(OUT), leaves(OUT)))):
        assert findings(DEVICE, sa, 2, *steps) == []
        assert findings(DEVICE, sa, 1, *steps) == [DEVICE_PACKETS]


def test_packets_in_udp_are_its_where_it_takes_them() -> None:
    """Inbound as outbound; of a device that does not take such SAs none is."""
    for one in (IN, OUT):
        sa = replace(one, udp=UdpEncapsulation())
        steps = (arrives(sa, 1), arrives(sa, 2)) if sa.direction == "in" else (leaves(sa), leaves(sa))
        assert findings(DEVICE, sa, 2, *steps) == []
        assert findings(DEVICE, sa, 0, *steps) == [DEVICE_PACKETS]
        assert findings(replace(DEVICE, udp=False), sa, 0, *steps) == []


def test_a_packet_that_is_not_judged_may_have_been_done_or_not() -> None:
    """What is sent without a link is lost or waits."""
    for sa, one, open_ in ((IN, arrives(IN, 1), arrives(IN, 2, "any")), (OUT, leaves(OUT), leaves(OUT, "any"))):
        assert findings(DEVICE, sa, 1, one, open_) == findings(DEVICE, sa, 2, one, open_) == []


def test_of_others_it_is_known() -> None:
    """A step that is not judged says nothing of SAs that cannot have its packet, and nothing of those of software."""
    case = Case(version=1, sas=(IN, OUT), steps=(arrives(IN, 1), leaves(OUT, "any"), ReadDevice()))
    past = history(case, ReferenceAdapter().execute(case).steps, DEVICE, 2)
    assert (past.count("in"), past.count("out")) == (1, None)
    software = replace(DEVICE, outbound=())
    assert history(case, ReferenceAdapter().execute(case).steps, software, 2).count("out") == 0


def who(device: DeviceCapabilities, *steps: Step) -> list[str]:
    """Whose each SA is after these steps."""
    case = Case(version=1, steps=steps)
    past = history(case, ReferenceAdapter().execute(case).steps, device, len(steps))
    return [past.who(name) for name in past.sas]


def lost(times: int = 1) -> list[DeviceEvent]:
    return [DeviceEvent(event="request-lost")] * times


def test_one_message_that_is_lost_changes_nothing() -> None:
    """The driver asks again; of several losses in a row nobody says what becomes, for the SA and for those behind it."""
    more = replace(OUT, name="more", spi=0x1000)
    assert who(DEVICE, *lost(), AddSa(sa=IN), *lost(), AddSa(sa=OUT)) == ["device", "device"]
    assert who(DEVICE, AddSa(sa=IN), *lost(2), AddSa(sa=OUT), AddSa(sa=more)) == ["device", "", ""]
    assert who(DEVICE, *lost(), DeviceEvent(event="reset"), *lost(), AddSa(sa=OUT)) == ["device"]


def test_what_may_be_in_a_device_that_was_not_answered() -> None:
    """Entries and keys are judged until then."""
    state = DeviceState(sas=(), entries=1, left=16)
    for times, wrong in ((1, [DEVICE_NOTHING_LEFT] * 2), (2, [])):
        case = Case(version=1, steps=(*lost(times), ReadDevice()))
        past = history(case, ReferenceAdapter().execute(case).steps, DEVICE, times)
        assert [rule for rule, _ in judge_device(state, past)] == wrong


def test_those_who_found_room_keep_it() -> None:
    """With room for one, the second is left open; when the first is gone, the next is the device's."""
    device = replace(DEVICE, most={"out": 1})
    others = [replace(OUT, name=f"other{n}", spi=0x1000 + n) for n in range(2)]
    assert who(device, AddSa(sa=OUT), AddSa(sa=others[0])) == ["device", ""]
    assert who(device, AddSa(sa=OUT), DeleteSa(sa="out"), AddSa(sa=others[1])) == ["device"]


def test_who_could_be_taken_for_another_is_left_open() -> None:
    """One SPI: with one destination both; of several, an SA that is found by its source and one by the SPI alone."""
    twin = replace(IN, name="twin", lookup="spi+destination")
    assert who(DEVICE, AddSa(sa=replace(IN, lookup="spi+destination+source")), AddSa(sa=twin)) == ["", ""]
    elsewhere = replace(IN, name="elsewhere", destination=packets.GATEWAYS[4][1][0])
    for lookup, left in (("spi+destination+source", ["", ""]), ("spi+destination", ["device", "device"])):
        assert who(DEVICE, AddSa(sa=IN), AddSa(sa=replace(elsewhere, lookup=lookup))) == left


def test_an_sa_that_was_declined_is_not_there() -> None:
    case = Case(version=1, steps=(AddSa(sa=IN, behaviour="room"), AddSa(sa=OUT), ReadDevice()))
    right = ReferenceAdapter().execute(case).steps
    assert set(history(case, right, DEVICE, 2).sas) == {"in", "out"}
    assert set(history(case, right, DEVICE, 2, {"in"}).sas) == {"out"}
