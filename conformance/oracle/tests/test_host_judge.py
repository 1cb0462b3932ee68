"""What is said of packets that should not have left a host, and of what the SA sends afterwards."""

from collections.abc import Sequence

from espproof.adapters.base import Transcript
from espproof.adapters.capabilities import everything
from espproof.adapters.case import (
    AddPolicy,
    Case,
    Emerged,
    EmergedPacket,
    Enter,
    Host,
    Octets,
    Outcome,
    Policy,
    Sa,
    Step,
    Template,
    TrafficSelector,
)
from espproof.adapters.models.reference import ReferenceAdapter
from espproof.conformance.oracle.host import judge_host
from espproof.conformance.requirements.ids import FIRST_ONE
from espproof.reference import ip

NEAR, FAR, INSIDE, OUTSIDE = "192.0.2.1", "198.51.100.1", "203.0.113.7", "203.0.113.130"
PACKET = Octets(ip.build_ipv4(bytes((203, 0, 113, 7)), bytes((203, 0, 113, 130)), 253, bytes(12)))


def sa(name: str, spi: int) -> Sa:
    return Sa(
        name=name, direction="out", spi=spi, mode="tunnel", source=NEAR, destination=FAR, encr="ENCR_AES_GCM_16",
        encr_key=Octets(bytes([spi % 256] * 16)), salt=Octets(b"salt"), reqid=spi,
    )  # fmt: skip


def policy(reqid: int, priority: int = 10, inside: str = f"{INSIDE}/32") -> AddPolicy:
    template = Template(mode="tunnel", source=NEAR, destination=FAR, reqid=reqid)
    selector = TrafficSelector(version=4, source=inside, destination=f"{OUTSIDE}/32")
    made = Policy(name=f"p{reqid}", direction="out", selector=selector, priority=priority, templates=(template,))
    return AddPolicy(policy=made)


def case(reqid: int) -> Case:
    """A packet enters before there is a policy for it, and behind it."""
    host = Host(addresses=(NEAR,), wire=(FAR, OUTSIDE), blocked=("out",))
    steps = (Enter(side="plain", packet=PACKET), policy(reqid), Enter(side="plain", packet=PACKET))
    return Case(version=1, host=host, sas=(sa("a", 0x1001), sa("b", 0x1002)), steps=steps)


def requirements(want: Case, got: Sequence[Outcome]) -> list[str]:
    right = ReferenceAdapter().execute(want)
    return [
        one.requirement for one in judge_host(want, Transcript(right.setup, tuple(got)), right, everything()).findings
    ]


def sent(reqid: int, times: int) -> list[EmergedPacket]:
    """What so many packets in a row become."""
    steps: tuple[Step, ...] = (policy(reqid), *[Enter(side="plain", packet=PACKET)] * times)
    one = Case(version=1, host=case(reqid).host, sas=case(reqid).sas, steps=steps)
    return [
        packet for step in ReferenceAdapter().execute(one).steps if isinstance(step, Emerged) for packet in step.packets
    ]


def test_numbers_go_on_behind_a_packet_that_should_not_have_left() -> None:
    """That it left is told, and that the next has the next number is right; what has the same number again is told."""
    first, second = sent(0x1001, 2)
    right = ReferenceAdapter().execute(case(0x1001)).steps
    wrong = Emerged(packets=(first,))
    assert requirements(case(0x1001), right) == []
    assert requirements(case(0x1001), [wrong, right[1], Emerged(packets=(second,))]) == ["?"]
    assert FIRST_ONE not in requirements(case(0x1001), [wrong, right[1], wrong])
    assert len(requirements(case(0x1001), [wrong, right[1], wrong])) > 1


def test_numbers_go_on_behind_a_packet_of_another_sa() -> None:
    """With the next number where that SA is right."""
    want = case(0x1001)
    steps = (*want.steps, policy(0x1002, 1, "203.0.113.0/24"), want.steps[-1])
    twice = Case(version=1, host=want.host, sas=want.sas, steps=steps)
    right = ReferenceAdapter().execute(twice).steps
    first, second = sent(0x1002, 2)
    got = [*right[:2], Emerged(packets=(first,)), right[3], Emerged(packets=(second,))]
    assert requirements(twice, got) == ["?"]
