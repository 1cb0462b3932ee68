"""A device that does all of ESP for an SA (packet offload): what it tells its driver, limits and headers."""

from hypothesis import strategies as st

from espproof.adapters.case import DeviceHappening, Lifetime
from espproof.conformance.checks.registry import check
from espproof.conformance.checks.scenario import Scenario
from espproof.conformance.properties.lifetime import HARD, PASSED_ONLY
from espproof.conformance.properties.modes import DF, DSCP_FIXED, ECN_COMPATIBILITY, FIGURE_4, TRAFFIC_CLASSES, TTL
from espproof.conformance.properties.offload import (
    AAD_ESN,
    RESTORED,
    directions,
    extended,
    for_the_device,
    with_more_headers,
)
from espproof.conformance.requirements.ids import DEVICE_PACKETS, DUPLICATE, ECN_DROP, MLX5_RULES, NEXT_HEADER
from espproof.conformance.strategies import wire
from espproof.conformance.strategies.history import History

COUNTED = "LINUX.xfrm_device-flow-packet-limits"
_AT_ONCE: tuple[DeviceHappening, ...] = ("event-doubled",)
_LATER: tuple[DeviceHappening, ...] = (*_AT_ONCE, "event-lost", "work-waits", "work-done")
"""What can befall the events of a device: how many packets it has done is known only where they are seen to at once."""


@check(
    AAD_ESN,
    DEVICE_PACKETS,
    MLX5_RULES["packets"],
    proved_by=(
        "offload-packet-told-twice",
        "offload-packet-half-ends-the-sa",
        "offload-packet-not-armed-again",
        "offload-packet-event-ignored",
    ),
)
def what_it_tells(s: Scenario) -> None:
    """Numbers go from half to half of 2^32 while what the device tells of it is lost, comes twice, or is not seen to: all
    packets are as they would be without the device, and as far as it was told it has done them."""
    s.need("device event event-doubled", "event-doubled" in s.device.events)
    sa = extended(s, s.choose(directions(s)))
    past = History(sa)
    befalls = s.draw(st.sampled_from((_AT_ONCE, _AT_ONCE, _LATER)))
    for _ in range(s.draw(st.sampled_from((4, 5, 3, 2, 1)))):
        if s.draw(st.booleans()):
            s.befalls(s.draw(st.sampled_from(befalls)), AAD_ESN)
        if sa.direction == "out":
            for _ in range(s.draw(st.integers(1, 4))):
                s.send(sa, AAD_ESN)
        else:
            far = 2**31 - 2 * sa.replay_window
            number = past.near(s.draw(st.sampled_from((far, far, far, far, 2**30, 1))))
            s.receive(sa, number, AAD_ESN)
            past.arrived(number)
        if befalls is _LATER and s.draw(st.booleans()):
            s.wait(1, AAD_ESN)
    s.read_device(DEVICE_PACKETS)


@check(
    HARD,
    PASSED_ONLY,
    COUNTED,
    proved_by=(
        "offload-packet-limit-not-set",
        "offload-packet-limit-of-one-more",
        "offload-packet-at-its-end-in-the-clear",
        "offload-packet-limit-from-the-start",
        "offload-packet-limit-by-software-forgotten",
        "offload-packet-left-for-passed",
    ),
)
def a_limit_of_packets(s: Scenario) -> None:
    """An SA of the device with a hard limit of packets, of which software does some, behind forged packets, duplicates and
    resets: as many as that pass, and no more, in the clear neither."""
    s.need("lifetime packets", "packets" in s.caps.lifetimes)
    direction = s.choose(directions(s))
    hard = s.draw(st.integers(2, 6))
    soft = s.draw(st.sampled_from((None, 1, hard - 1)))
    sa = for_the_device(s, direction, lifetime=Lifetime(hard_packets=hard, soft_packets=soft))
    version = s.outer_version(sa)
    options = sa.mode == "transport" and (s.caps.ipv4_options if version == 4 else s.caps.ipv6_extension_headers)
    for number in range(1, hard + 3):
        if number == hard and s.device.windows:  # behind its end an SA need not be there
            s.read(sa, COUNTED, "packets")
        odd = options and s.draw(st.sampled_from((False, False, True)))
        packet = s.packet(sa, **with_more_headers(version)) if odd else s.small(sa)
        behaviour = "packet that reaches the hard limit" if number == hard else ""
        if direction == "out":
            s.send(sa, HARD, packet, behaviour=behaviour)
        else:
            if s.draw(st.booleans()):
                s.arrives(s.forge(s.peer(sa).protect(packet, number), sa), PASSED_ONLY)
            came = s.receive(sa, number, HARD, packet, behaviour=behaviour)
            if number < hard - 1 and sa.replay_window and s.draw(st.booleans()):
                s.arrives(came, DUPLICATE)
        if "reset" in s.device.events and s.draw(st.sampled_from((False, False, True))):
            s.befalls("reset", RESTORED)


@check(
    DSCP_FIXED,
    ECN_COMPATIBILITY,
    DF,
    TTL,
    NEXT_HEADER,
    *FIGURE_4,
    ECN_DROP,
    DEVICE_PACKETS,
    proved_by=(
        "offload-packet-template-dscp",
        "offload-packet-template-df",
        "offload-packet-template-hop-limit",
        "offload-packet-next-header-of-the-outside",
        "offload-packet-ecn-lost",
    ),
)
def a_tunnel_of_the_device(s: Scenario) -> None:
    """Packets of any DSCP, ECN, DF and hop limit through a tunnel whose headers the device makes and throws away: outside
    and inside as without it, and the device has done what it can."""
    direction = s.choose(directions(s, "tunnel"))
    sa = for_the_device(s, direction, mode="tunnel")
    for number in range(1, s.draw(st.integers(1, 4)) + 1):
        traffic_class = s.draw(TRAFFIC_CLASSES)
        packet = s.packet(
            sa, traffic_class=traffic_class, ttl=s.draw(s.ttls()), dont_fragment=s.draw(st.booleans()), length=20
        )
        if direction == "out":
            s.send(sa, DSCP_FIXED if sa.dscp != "copy" else NEXT_HEADER, packet)
            continue
        inner, outer = traffic_class & 3, s.draw(st.sampled_from((0, 0, 1, 2, 3)))
        about = ECN_DROP if (inner, outer) == (0, 3) else FIGURE_4[inner]
        s.arrives(wire.hop(s.peer(sa).protect(packet, number), traffic_class=0x2C | outer), about)
    s.read_device(DEVICE_PACKETS)
