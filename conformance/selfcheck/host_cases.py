"""What `probes` asks of a host."""

from ipaddress import ip_address

from espproof.adapters.case import AddPolicy, Case, Enter, Host, Mtus, Octets, Policy, TrafficSelector
from espproof.conformance.selfcheck.rig import ABOUT, Rig
from espproof.conformance.strategies import packets

_MTU = 1280


def forwards_and_blocks(rig: Rig) -> Case:
    """It forwards what no policy is for, and discards what one blocks."""
    version = int(rig.caps.families[0][0])
    near, far = packets.hosts(version, "out")
    packet = packets.build(packets.Recipe(version=version), near, far)
    ours = packets.GATEWAYS[version][0][0]
    selector = TrafficSelector(version=6 if version == 6 else 4)
    blocking = Policy(name="block", direction="out", action="block", selector=selector)
    entering = Enter(side="plain", packet=Octets(packet), requirement=ABOUT)
    host = Host(addresses=(ours,), wire=(str(ip_address(far)),))
    adding = AddPolicy(policy=blocking, requirement=ABOUT)
    return Case(version=1, id=ABOUT, host=host, steps=(entering, adding, entering))


def too_long(rig: Rig) -> Case:
    """A link with an MTU: a packet that fits, and one whose sender is to be told that it does not."""
    version = int(rig.caps.families[0][0])
    near, far = packets.hosts(version, "out")
    front = 20 if version == 4 else 40
    steps = []
    for size in (_MTU, _MTU + 1):
        recipe = packets.Recipe(version=version, length=size - front, dont_fragment=True)
        steps.append(Enter(side="plain", packet=Octets(packets.build(recipe, near, far)), requirement=ABOUT))
    host = Host(addresses=(packets.GATEWAYS[version][0][0],), wire=(str(ip_address(far)),), mtus=Mtus(wire=_MTU))
    return Case(version=1, id=ABOUT, host=host, steps=tuple(steps))
