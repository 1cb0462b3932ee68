"""No false alarm, whatever an implementation declares: the reference behind any set of capabilities passes everything."""

import random
from collections import Counter
from collections.abc import Callable
from ipaddress import ip_address
from typing import Any, TypeVar, get_args

import msgspec
import pytest

from espproof.adapters.base import Transcript
from espproof.adapters.capabilities import (
    KEPT,
    WAYS,
    Capabilities,
    DeviceCapabilities,
    HostCapabilities,
    ReplayWindows,
    everything,
)
from espproof.adapters.case import (
    Case,
    Delivered,
    DeviceHappening,
    DeviceSa,
    DeviceState,
    Done,
    Dropped,
    Emerged,
    Enter,
    Octets,
    Outbound,
    Passed,
    Refused,
    Sa,
    Sent,
    Side,
    Unsupported,
)
from espproof.adapters.models.reference import ReferenceAdapter
from espproof.adapters.steps import STEPS, packets_in
from espproof.conformance.checks.registry import all_checks
from espproof.conformance.oracle.verdict import Verdict
from espproof.conformance.running.check import run_check, target
from espproof.reference import ip
from espproof.reference.algorithms import ENCRYPTION
from espproof.reference.errors import Malformed


class Limited(ReferenceAdapter):
    """The reference, which does what is declared and nothing else; as a router it also lowers the TTL."""

    def __init__(self, caps: Capabilities) -> None:
        self._caps = caps
        super().__init__()

    def capabilities(self) -> Capabilities:
        return self._caps

    def add_sa(self, sa: Sa) -> Done | Refused | Unsupported:
        missing = self._caps.lacks(sa)
        return super().add_sa(sa) if missing is None else Unsupported(what=missing)

    def outbound(self, step: Outbound) -> Sent | Dropped | Refused | Unsupported:
        if len(step.packet) > self._caps.max_packet:
            return Dropped(reason="too-big")
        if self._caps.forwards and len(step.packet) >= 40:
            step = msgspec.structs.replace(step, packet=Octets(ip.forwarded(step.packet)))
        result = super().outbound(step)
        if isinstance(result, Sent) and len(result.packet) > self._caps.max_packet:
            return Dropped(reason="too-big")
        return result

    def inbound(self, packet: Octets) -> Delivered | Dropped | Passed | Unsupported:
        if len(packet) > self._caps.max_packet + 60:  # octets of the link behind the packet
            return Dropped(reason="too-big")
        result = super().inbound(packet)
        if self._caps.forwards and isinstance(result, Delivered):
            return Delivered(packet=Octets(ip.forwarded(result.packet)), sa=result.sa)
        return result


class WithDevice(Limited):
    """The same with the device that is declared: it has the SAs that it takes, as long as there is room for them and
    nothing else has their SPI and destination. What is sent without a link is lost."""

    def reset(self) -> None:
        super().reset()
        self._told: dict[str, DeviceSa] = {}
        self._sas: dict[str, Sa] = {}
        self._has_link = True

    def add_sa(self, sa: Sa) -> Done | Refused | Unsupported:
        done = super().add_sa(sa)
        if isinstance(done, Done):
            self._sas[sa.name] = sa
            self._told[sa.name] = self._given(sa)
        return done

    def delete_sa(self, name: str) -> Done | Refused | Unsupported:
        self._told.pop(name, None)
        self._sas.pop(name, None)
        return super().delete_sa(name)

    def _given(self, sa: Sa) -> DeviceSa:
        """Who does its cipher; where two are alike neither is the device's any more."""
        device = self._caps.device
        if device is None or not device.takes(sa):
            return DeviceSa(sa=sa.name, by="software", reason="not taken")
        mine = [self._sas[one.sa] for one in self._told.values() if one.by == "device"]
        mine = [one for one in mine if one.direction == sa.direction]
        if len(mine) == device.most.get(sa.direction, 2**24):
            return DeviceSa(sa=sa.name, by="software", reason="no room")
        is_beside = device.aside is not None
        others = [one for one in self._sas.values() if one.name != sa.name and _alike(one, sa) and not is_beside]
        for one in others:
            self._told[one.name] = DeviceSa(sa=one.name, by="software", reason="not alone")
        return DeviceSa(sa=sa.name, by="software" if others else "device", reason="not alone" if others else "")

    def outbound(self, step: Outbound) -> Sent | Dropped | Refused | Unsupported:
        if not self._has_link:
            return Dropped(reason="unspecified")
        result = super().outbound(step)
        if isinstance(result, Sent) and self._gets(step.packet, _is_bare(step.packet)):
            self._has_done(step.sa)
        return result

    def inbound(self, packet: Octets) -> Delivered | Dropped | Passed | Unsupported:
        result = super().inbound(packet)
        if isinstance(result, Delivered):
            sa, device = self._sas[str(result.sa)], self._caps.device
            plain = _is_bare(packet) and _is_for(packet, sa)
            if device is not None and device.fixed_headers and sa.mode == "tunnel":
                plain = plain and not ip.parse(packet).traffic_class & 3
            if self._gets(packet, plain):
                self._has_done(str(result.sa))
        return result

    def _gets(self, packet: bytes, plain: bool) -> bool:
        """Whether the device gets a packet of an SA of its own: beside the way of packets, those for which that pays."""
        device = self._caps.device
        return plain if device is None or device.aside is None else len(packet) >= device.aside

    def _has_done(self, name: str) -> None:
        one = self._told[name]
        if one.by == "device":
            self._told[name] = msgspec.structs.replace(one, packets=one.packets + 1)

    def device_event(self, event: DeviceHappening) -> Done | Unsupported:
        if self._caps.device is None or event not in self._caps.device.events:
            return Unsupported(what=f"event {event}")
        self._has_link = event != "link-down" and (self._has_link or event == "link-up")
        return Done()

    def read_device(self) -> DeviceState | Unsupported:
        if self._caps.device is None:
            return super().read_device()
        sas = tuple(self._told.values())
        return DeviceState(sas=sas, entries=Counter(one.by for one in sas)["device"])


def _alike(one: Sa, other: Sa) -> bool:
    return one.direction == other.direction == "in" and (one.spi, one.destination) == (other.spi, other.destination)


def _is_bare(packet: bytes) -> bool:
    """Without options and extension headers, and whole; what is no packet is not."""
    try:
        parsed = ip.parse(packet)
    except Malformed:
        return False
    return len(parsed.header) == {4: 20, 6: 40}[parsed.version] and not parsed.fragment


def _is_for(packet: bytes, sa: Sa) -> bool:
    return ip.parse(packet).destination == ip_address(sa.destination).packed


T = TypeVar("T", bound=msgspec.Struct)


def some(rng: random.Random, values: Any, least: int = 1) -> tuple[Any, ...]:
    values = tuple(values)
    return tuple(rng.sample(values, rng.randint(least, len(values))))


def drawn(seed: int) -> Capabilities:
    """Capabilities at random, consistent in themselves."""
    rng = random.Random(seed)
    whole = everything()
    encryption = {
        name: some(rng, whole.encryption[name]) for name in some(rng, whole.encryption, 1)[: rng.choice((1, 2, 4, 15))]
    }
    separate = [name for name in whole.integrity if name != "NONE"]
    flags = {
        name: rng.random() < 0.5
        for name in (
            "set_sequence", "set_window", "set_iv", "udp_ports", "tfc", "dummy", "hop_limit", "selectors", "resynchronise",
            "delete_sa", "ipv4_options", "ipv6_extension_headers", "reassembles", "drop_reasons",
        )
    }  # fmt: skip
    host_of_all = whole.host
    assert host_of_all is not None
    host = HostCapabilities(
        segments=some(rng, ("tcp", "udp"), 0),
        local_segments=some(rng, ("tcp", "udp"), 0),
        ports=rng.choice(("none", "masks", "ranges")),
        marks=rng.random() < 0.5,
        if_ids=rng.random() < 0.5,
        local=rng.random() < 0.5,
        counters=rng.random() < 0.5,
        ways={side: some(rng, (*WAYS, KEPT) if side == "local" else WAYS, 0) for side in some(rng, get_args(Side), 0)},
        neighbours=some(rng, WAYS, 0),
        layouts=some(rng, ("pieces", "room", "shared"), 0),
        protocols=some(rng, ("ah", "comp"), 0),
        ah=some(rng, host_of_all.ah, 0),
        source_routes=rng.random() < 0.5,
        events=some(rng, ("acquire", "soft", "hard"), 0),
        fragments=some(rng, ("outside", "inside")),
        use_lifetimes=rng.random() < 0.5,
        policy_lifetimes=rng.random() < 0.5,
        update_sa=rng.random() < 0.5,
        reserve_spi=rng.random() < 0.5,
        flush=rng.random() < 0.5,
        mtus=rng.random() < 0.5,
        icmp_errors=rng.random() < 0.5,
        bursts=rng.random() < 0.5,
        asynchronous=rng.random() < 0.5,
        forward=some(rng, (True, False)),
        actions=some(rng, ("protect", "bypass", "discard")),
        unmatched=some(rng, ("pass", "discard")),
        clear=rng.random() < 0.5,
        priorities=rng.choice((1, 2, 4, 2**32)),
        templates=some(rng, ("spi", "any", "several", "optional"), 0),
        sa_selectors=rng.random() < 0.5,
        holds=rng.choice((0, 1, 3)),
    )
    combined = [name for name in encryption if ENCRYPTION[name].aead]
    device = DeviceCapabilities(
        encryption={name: some(rng, encryption[name]) for name in some(rng, combined)} if combined else {},
        inbound=some(rng, ("transport", "tunnel"), 0),
        outbound=some(rng, ("transport", "tunnel"), 0),
        esn=rng.random() < 0.5,
        udp=rng.random() < 0.5,
        most={direction: rng.choice((1, 2, 1024)) for direction in some(rng, ("in", "out"), 0)},
        events=some(rng, get_args(DeviceHappening), 0),
        neighbours=rng.random() < 0.5,
        rules=rng.choice(("", "X550", "MLX5", "QAT", "NETDEV22")),
        aside=rng.choice((None, None, 1, 200)),
        windows=rng.choice((None, None, (64,), (32, 64, 128))),
        integrity=("NONE", *some(rng, separate, 0)) if rng.random() < 0.5 else ("NONE",),
        fixed_headers=rng.random() < 0.3,
        octet_limits=rng.random() < 0.7,
    )
    windows = rng.choice(
        (
            None,
            ReplayWindows(),
            ReplayWindows(minimum=1, maximum=4096, step=1, off=True),
            ReplayWindows(minimum=64, maximum=64, step=1),
            ReplayWindows(minimum=32, maximum=1024, step=32, off=True),
            ReplayWindows(minimum=128, maximum=2**20, step=64),
        )
    )
    return Capabilities(
        encryption=encryption,
        integrity=("NONE", *some(rng, separate)),
        directions=rng.choice((("in",), ("out",), ("in", "out"), ("in", "out"))),
        modes=some(rng, ("transport", "tunnel")),
        families=some(rng, ("4in4", "6in4", "4in6", "6in6")),
        esn=some(rng, (False, True)),
        replay_windows=windows,
        udp=some(rng, (4, 6), 0),
        dscp=some(rng, ("copy", "fixed")),
        ecn=some(rng, ("normal", "compatibility"), 0),
        df=some(rng, ("copy", "set", "clear")),
        lookup=some(rng, ("spi", "spi+destination", "spi+destination+source")),
        lifetimes=some(rng, ("packets", "octets", "seconds"), 0),
        read_state=some(rng, ("sequence", "received_offsets", "packets", "octets", "lifetime"), 0),
        audit=some(rng, ("spi", "source", "destination", "sequence", "flow"), 0),
        max_packet=rng.choice((1500, 1501, 2000, 9000, 65535)),
        sequence_start=rng.choice((0, 0, 2)),
        forwards=rng.random() < 0.2,
        host=rng.choice((None, host)),
        device=rng.choice((None, device)) if combined else None,
        **flags,
    )


def reduced(seed: int) -> Capabilities:
    """All that can be declared and a device that takes what it can, but for a few fields: what asks for much at once is
    tried too."""
    rng = random.Random(-1 - seed)
    whole, less = everything(), drawn(seed)
    assert whole.host is not None
    device = DeviceCapabilities(
        encryption={name: sizes for name, sizes in whole.encryption.items() if ENCRYPTION[name].aead},
        inbound=whole.modes,
        outbound=whole.modes,
        esn=True,
        udp=True,
        events=get_args(DeviceHappening),
    )
    host = _with_some_of(whole.host, less.host or HostCapabilities(), rng)
    device = _with_some_of(device, less.device or device, rng)
    return _with_some_of(msgspec.structs.replace(whole, host=host, device=device), less, rng)


def _with_some_of(whole: T, less: T, rng: random.Random) -> T:
    """With three fields of the other."""
    names = rng.sample(whole.__struct_fields__, 3)
    return msgspec.structs.replace(whole, **{name: getattr(less, name) for name in names})


@pytest.mark.parametrize("caps", [drawn, reduced])
@pytest.mark.parametrize("seed", range(8))
def test_the_reference_passes_whatever_it_declares(seed: int, caps: Callable[[int], Capabilities]) -> None:
    """No check fails, raises, or finds an operation unsupported that was declared."""
    adapter = WithDevice(caps(seed))
    if not any((name != "NONE") for name in adapter.capabilities().integrity):
        return
    aim = target(adapter)
    for check in all_checks().values():
        result = run_check(check, adapter, aim, examples=4, seed=seed)
        told = [(one.requirement, one.message) for one in result.counterexamples]
        assert result.verdict in (Verdict.PASS, Verdict.INAPPLICABLE), (check.id, told)


@pytest.mark.parametrize("kind", [Capabilities, HostCapabilities, DeviceCapabilities])
def test_whatever_can_be_declared_is_drawn(kind: type[msgspec.Struct]) -> None:
    """Each field in more than one way; draw it above, or no check is ever tried without it."""
    wholes = [drawn(seed) for seed in range(60)]
    parts = [part for whole in wholes for part in (whole, whole.host, whole.device) if type(part) is kind]
    always_alike = [name for name in kind.__struct_fields__ if len({repr(getattr(part, name)) for part in parts}) == 1]
    assert always_alike == []


class Measured(ReferenceAdapter):
    """The reference that takes packets of so many octets, and remembers the longest that it had to do with."""

    def __init__(self, limit: int) -> None:
        self.limit, self.longest = limit, 0
        super().__init__()

    def capabilities(self) -> Capabilities:
        return msgspec.structs.replace(everything(), max_packet=self.limit)

    def execute(self, case: Case) -> Transcript:
        done = super().execute(case)
        for step, outcome in zip(case.steps, done.steps, strict=True):
            handed_over = () if isinstance(step, Enter) and step.segment else STEPS[type(step)].packets(step)
            if isinstance(outcome, Emerged):
                came = [one.packet for one in outcome.packets if not one.segment]
            else:
                came = [packet for _, packet in packets_in(outcome)]
            self.longest = max(self.longest, *map(len, (*handed_over, *came)), 0)
        return done


@pytest.mark.parametrize("limit", [1500, 2000])
def test_no_packet_is_longer_than_declared(limit: int) -> None:
    """None that is handed over, sent or delivered has more octets than `max_packet`, whatever a check is about; a
    super-packet stands for several."""
    adapter = Measured(limit)
    aim = target(adapter)
    longer = {}
    for name, check in all_checks().items():
        adapter.longest = 0
        run_check(check, adapter, aim, examples=30, seed=3)
        if adapter.longest > limit:
            longer[name] = adapter.longest
    assert longer == {}
