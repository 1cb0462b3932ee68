"""Cases that tell a host around ESP, and what it can be asked for, from their absence."""

from ipaddress import ip_address

from espproof.adapters.case import (
    AddPolicy,
    Case,
    Enter,
    EnterBurst,
    Entering,
    Host,
    Octets,
    Policy,
    Step,
    Template,
    TrafficSelector,
)
from espproof.conformance.selfcheck.rig import ABOUT, Rig
from espproof.conformance.strategies import packets


def blocking(rig: Rig) -> Case:
    """It forwards what no policy is for, and discards what one blocks."""
    version, packet = _packet(rig)
    policy = Policy(name="block", direction="out", action="block", selector=_any(version))
    entering = Enter(side="plain", packet=packet, requirement=ABOUT)
    return _case(rig, entering, AddPolicy(policy=policy, requirement=ABOUT), entering)


def burst(rig: Rig) -> Case:
    """Two packets enter together, and both leave."""
    _, packet = _packet(rig)
    return _case(rig, EnterBurst(packets=(Entering(side="plain", packet=packet),) * 2, requirement=ABOUT))


def little_room(rig: Rig) -> Case:
    """The cipher takes one of three packets, which then leaves."""
    rig.need("mode tunnel", "tunnel" in rig.caps.modes)
    rig.need("direction out", "out" in rig.caps.directions)
    flow = rig.flow("out", mode="tunnel", reqid=0x1D2)
    sa = flow.sa
    template = Template(mode="tunnel", source=sa.source, destination=sa.destination, reqid=sa.reqid)
    policy = Policy(name="protect", direction="out", selector=_any(flow.version), templates=(template,))
    entering = Entering(side="plain", packet=Octets(flow.plain()))
    together = EnterBurst(packets=(entering,) * 3, room=1, completions=(0,), requirement=ABOUT)
    host = Host(addresses=(sa.source,), wire=(sa.destination,))
    steps = (AddPolicy(policy=policy, requirement=ABOUT), together)
    return Case(version=1, id=ABOUT, host=host, sas=(sa,), steps=steps)


def _packet(rig: Rig) -> tuple[int, Octets]:
    """A packet from the near host to the far one, and its IP version."""
    version = int(rig.caps.families[0][0])
    return version, Octets(packets.build(packets.Recipe(version=version), *packets.hosts(version, "out")))


def _any(version: int) -> TrafficSelector:
    return TrafficSelector(version=6 if version == 6 else 4)


def _case(rig: Rig, *steps: Step) -> Case:
    version = int(rig.caps.families[0][0])
    far = str(ip_address(packets.hosts(version, "out")[1]))
    return Case(version=1, id=ABOUT, host=Host(addresses=(packets.GATEWAYS[version][0][0],), wire=(far,)), steps=steps)
