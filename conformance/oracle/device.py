"""Whether a device has of the SAs of a case what it should: who does the cipher, of how many packets, and what is left.

What is right follows from the case, from what the device is declared to take, and from what the reference made of each
packet; the device is asked for nothing but what it says in the end.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from ipaddress import ip_address

from espproof.adapters.capabilities import DeviceCapabilities
from espproof.adapters.case import (
    AddSa,
    Burst,
    Case,
    DeleteSa,
    Delivered,
    DeviceEvent,
    DeviceHappening,
    DeviceState,
    Done,
    Inbound,
    InboundBurst,
    Octets,
    Outbound,
    OutboundBurst,
    Outcome,
    Sa,
    Sent,
    Step,
)
from espproof.conformance.oracle.outbound import Judged
from espproof.conformance.requirements.ids import DEVICE_NOTHING_LEFT, DEVICE_PACKETS, DEVICE_RULES, DEVICE_WHO
from espproof.reference import ip
from espproof.reference.endpoint import PROTOCOL_ESP, PROTOCOL_UDP

_ECN = 3
"""The bits of a traffic class."""


def shown_by(device: DeviceCapabilities) -> frozenset[str]:
    """What a device shows that says what is right."""
    return frozenset({DEVICE_WHO, DEVICE_PACKETS, DEVICE_NOTHING_LEFT, *DEVICE_RULES[device.rules].values()})


class History:
    """The SAs that there are at a step of a case, and of each how many packets are the device's."""

    def __init__(self, device: DeviceCapabilities) -> None:
        self.device = device
        self.sas: dict[str, Sa] = {}
        self.packets: Counter[str] = Counter()
        self._takers: defaultdict[str, set[str]] = defaultdict(set)
        """Direction -> SAs that it takes as long as there is room."""
        self._alike: defaultdict[int, set[str]] = defaultdict(set)
        """SPI -> inbound SAs."""
        self._open: set[str] = set()
        """SAs of which the declaration does not say for their whole life who does the cipher."""
        self._uncounted: set[str] = set()
        """SAs that may have had packets of which nobody says what becomes of them."""
        self._losses = 0
        """Messages to the device, or answers, that were to be lost before the next that a driver needs."""
        self.unanswered = False
        """So many were that a driver may have given up, and nobody says what is in the device since."""

    def who(self, name: str) -> str:
        """Who does the cipher of an SA: "device", "software", or "" where that is left open."""
        if not self.device.takes(self.sas[name]):
            return "software"
        return "" if name in self._open else "device"

    def count(self, name: str) -> int | None:
        """How many packets of an SA are the device's; None where that is left open."""
        who = self.who(name)
        if who == "software":
            return 0
        return self.packets[name] if who and name not in self._uncounted else None

    def befell(self, event: DeviceHappening) -> None:
        """A driver asks again; after several losses in a row it need not."""
        if event in ("request-lost", "answer-lost", "answer-late"):
            self._losses += 1
            self.unanswered |= self._losses > 1
        elif event == "reset":
            self._losses = 0
        elif event in ("work-waits", "event-lost"):
            late = [one.name for one in self.sas.values() if one.esn and one.direction == "in"]
            self._uncounted.update(late if self.device.aside is None else self.sas)

    def add(self, sa: Sa) -> None:
        self.sas[sa.name] = sa
        self.packets.pop(sa.name, None)
        self._open.discard(sa.name)
        if self.unanswered:
            self._open.add(sa.name)
        if self.device.takes(sa):
            self._losses = 0
        self._uncounted.discard(sa.name)
        mine = self._takers[sa.direction]
        if self.device.takes(sa):
            mine.add(sa.name)
        if sa.name in mine and len(mine) > self.device.most.get(sa.direction, len(mine)):
            self._open.add(sa.name)
        if sa.direction == "in" and self.device.aside is None:
            alike = self._alike[sa.spi]
            near = [name for name in alike if name in self.sas and _is_alike(self.sas[name], sa)]
            if near:
                self._open.update(near, {sa.name})
            alike.add(sa.name)

    def delete(self, name: str) -> None:
        if name in self.sas and self.who(name) == "device":
            self._losses = 0
        gone = self.sas.pop(name, None)
        if gone is not None:
            self._takers[gone.direction].discard(name)
            self._alike[gone.spi].discard(name)

    def follow(self, step: Step, right: Outcome) -> None:
        """One step, with what the reference made of it."""
        if isinstance(step, AddSa) and isinstance(right, Done):
            self.add(step.sa)
        elif isinstance(step, DeleteSa) and isinstance(right, Done):
            self.delete(step.sa)
        elif isinstance(step, DeviceEvent):
            self.befell(step.event)
        elif step.behaviour:
            self._uncounted.update(self._may_have(step))
        elif isinstance(step, Outbound | Inbound):
            self._packet(step, step.packet, right)
        elif isinstance(step, OutboundBurst | InboundBurst) and isinstance(right, Burst):
            for packet, one in zip(step.packets, right.results, strict=True):
                self._packet(step, packet, one)

    def _may_have(self, step: Step) -> Iterable[str]:
        """The SAs that may have the packets of a step which is not judged."""
        if isinstance(step, Outbound | OutboundBurst):
            return (step.sa,)
        inbound = isinstance(step, Inbound | InboundBurst)
        return [one.name for one in self.sas.values() if inbound and one.direction == "in"]

    def _packet(self, step: Step, packet: Octets, right: Outcome) -> None:
        if self.device.aside is not None:
            name = step.sa if isinstance(step, Outbound | OutboundBurst) else getattr(right, "sa", "")
            self.packets[name] += isinstance(right, Sent | Delivered) and len(packet) >= self.device.aside
            return
        if isinstance(right, Sent) and isinstance(step, Outbound | OutboundBurst) and _is_plain(packet):
            self.packets[step.sa] += 1
        if isinstance(right, Delivered) and right.sa in self.sas:
            sa = self.sas[right.sa]
            is_plain = _is_plain(packet, PROTOCOL_ESP if sa.udp is None else PROTOCOL_UDP)
            if self.device.fixed_headers and sa.mode == "tunnel":
                is_plain = is_plain and not ip.parse(packet).traffic_class & _ECN
            self.packets[right.sa] += is_plain and ip.parse(packet).destination == ip_address(sa.destination).packed


def _is_alike(one: Sa, other: Sa) -> bool:
    """Of two inbound SAs with one SPI, whether a device can take packets of one for the other's: they have one
    destination, or one is found by its source, and the other by the SPI alone, so that it has the rest of what comes for
    that destination."""
    return one.name != other.name and (
        one.destination == other.destination or {one.lookup, other.lookup} == {"spi", "spi+destination+source"}
    )


def _is_plain(packet: bytes, protocol: int | None = None) -> bool:
    """Without IPv4 options, IPv6 extension headers, and no fragment."""
    parsed = ip.parse(packet)
    size = ip.IPV4_HEADER_SIZE if parsed.version == 4 else ip.IPV6_HEADER_SIZE
    return len(parsed.header) == size and not parsed.fragment and protocol in (None, parsed.protocol)


def history(
    case: Case,
    right: Sequence[Outcome],
    device: DeviceCapabilities,
    number: int,
    declined: Collection[str] = (),
) -> History:
    """As it is when step `number` is taken; `right` is what the reference made of each step, `declined` are names of SAs
    that are not there, and need not be."""
    found = History(device)
    for sa in case.sas:
        found.add(sa)
    for step, outcome in zip(case.steps[:number], right, strict=False):
        if not (isinstance(step, AddSa) and step.sa.name in declined):
            found.follow(step, outcome)
    return found


def judge_device(got: DeviceState, past: History) -> Judged:
    """What a device says, held against what the history of the case has made of it."""
    rules = DEVICE_RULES[past.device.rules]
    told = {one.sa: one for one in got.sas}
    if set(told) != set(past.sas):
        yield (
            DEVICE_WHO,
            f"told of {', '.join(sorted(told)) or 'no SA'}, there are {', '.join(sorted(past.sas)) or 'none'}",
        )
        return
    for name, one in told.items():
        who, count = past.who(name), past.count(name)
        if who and one.by != who:
            yield (
                DEVICE_WHO,
                f"SA {name} is {one.by}'s{f' ({one.reason})' if one.reason else ''}, and should be {who}'s",
            )
        elif one.by == "software" and not one.reason:
            yield DEVICE_WHO, f"SA {name} is software's, and nobody says why"
        elif count is not None and one.packets != count:
            yield DEVICE_PACKETS, f"the device has done {one.packets} packets of SA {name}, expected {count}"
    entries = sum(one.by == "device" for one in got.sas)
    if past.unanswered:
        entries = got.entries
    if got.entries != entries:
        yield DEVICE_NOTHING_LEFT, f"{got.entries} entries of the device's tables are taken, by {entries} SAs"
    if got.left and not past.unanswered:
        yield DEVICE_NOTHING_LEFT, f"{got.left} octets of keys are in the device that are of no SA"
    for breach in got.breaches:
        yield rules.get(breach.topic), breach.words
