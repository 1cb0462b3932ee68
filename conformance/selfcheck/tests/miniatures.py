"""Adapters that are wrong on purpose, each in one small way, and otherwise the reference.

Opened by name, as a user's own would be: `miniatures:AlwaysDelivers`. `test_selfcheck` says which question of
`espproof check` each of them was made for.
"""

import itertools
import time
from typing import Any, ClassVar

from msgspec.structs import replace

from espproof.adapters.base import Transcript
from espproof.adapters.capabilities import Capabilities
from espproof.adapters.case import (
    Case,
    Delivered,
    Done,
    Dropped,
    Octets,
    Outbound,
    Outcome,
    Passed,
    Refused,
    Sa,
    Sent,
    State,
    Step,
    UdpEncapsulation,
    Unsupported,
)
from espproof.adapters.models.reference import ReferenceAdapter
from espproof.adapters.steps import STEPS
from espproof.reference import endpoint, ip, replay

Received = Delivered | Dropped | Passed | Unsupported
Protected = Sent | Dropped | Refused | Unsupported


# ------------------------------------------------------------------------------------------------ what comes of packets


class AlwaysDelivers(ReferenceAdapter):
    """Whatever arrives is delivered."""

    def inbound(self, packet: Octets) -> Received:
        got = super().inbound(packet)
        return got if isinstance(got, Delivered) else Delivered(packet=Octets(packet[20:]))


class AlwaysDrops(ReferenceAdapter):
    """Nothing is ever delivered, which most hostile cases expect."""

    def inbound(self, packet: Octets) -> Received:
        return Dropped()


class EchoesOutbound(ReferenceAdapter):
    """The plain packet is called protected."""

    def outbound(self, step: Outbound) -> Protected:
        return Sent(packet=step.packet)


class EchoesExpectations(ReferenceAdapter):
    """Says what the case expects, where it expects something."""

    def take(self, step: Step) -> Outcome:
        return step.expect or super().take(step)


class AnswersFromMemory(ReferenceAdapter):
    """Knows the answers to cases of the same shape."""

    def __init__(self) -> None:
        self._known: dict[object, Transcript] = {}
        super().__init__()

    def execute(self, case: Case) -> Transcript:
        shape = tuple(type(step) for step in case.steps), tuple(sa.direction for sa in case.sas)
        return self._known.setdefault(shape, super().execute(case))


class KeepsOneCounter(ReferenceAdapter):
    """The outbound sequence number belongs to the adapter, not to the SA."""

    def outbound(self, step: Outbound) -> Protected:
        entries = [one for one in self._endpoint._entries.values() if one.sa.direction == "out"]
        for entry in entries:
            entry.state.sequence = max(one.state.sequence for one in entries)
        return super().outbound(step)


class SendsWithInboundSas(ReferenceAdapter):
    """Any SA will do for sending."""

    def outbound(self, step: Outbound) -> Protected:
        got = super().outbound(step)
        return Sent(packet=step.packet) if isinstance(got, Refused) and step.sa == "sa0" else got


class FlipsCoins(ReferenceAdapter):
    """Every second late packet is lost."""

    def __init__(self) -> None:
        self._count = itertools.count()
        super().__init__()

    def inbound(self, packet: Octets) -> Received:
        got = super().inbound(packet)
        return Dropped() if isinstance(got, Delivered) and next(self._count) % 7 == 6 else got


# --------------------------------------------------------------------------------------------------------------- reset


class ForgetsReset(ReferenceAdapter):
    """Resets once, when it is made."""

    def reset(self) -> None:
        if not hasattr(self, "_endpoint"):
            super().reset()


class ResetKeepsWindows(ReferenceAdapter):
    """SAs go, their windows stay and are found again by SPI."""

    def __init__(self) -> None:
        self._windows: dict[int, Any] = {}
        super().__init__()

    def add_sa(self, sa: Sa) -> Done | Refused | Unsupported:
        done = super().add_sa(sa)
        if isinstance(done, Done) and sa.direction == "in":
            state = self._endpoint.entry(sa.name).state
            state.replay = self._windows.setdefault(sa.spi, state.replay)
        return done


class ClockRunsOn(ReferenceAdapter):
    """Reset does not set the clock back, and lifetimes count from its zero."""

    def reset(self) -> None:
        now = getattr(self, "_now", 0)
        super().reset()
        self._now = now

    def add_sa(self, sa: Sa) -> Done | Refused | Unsupported:
        done = super().add_sa(sa)
        if isinstance(done, Done):
            self._endpoint.entry(sa.name).state.added_at = 0
        return done


# -------------------------------------------------------------------------------------------------------------- control


class AcceptsEverything(ReferenceAdapter):
    """Every SA is welcome."""

    def add_sa(self, sa: Sa) -> Done | Refused | Unsupported:
        super().add_sa(sa)
        return Done()


class AcceptsNamesakes(ReferenceAdapter):
    """A second SA of a name replaces the first."""

    def add_sa(self, sa: Sa) -> Done | Refused | Unsupported:
        super().delete_sa(sa.name)
        return super().add_sa(sa)


class HalfInstalls(ReferenceAdapter):
    """When one SA is refused, the others do not work any more."""

    def add_sa(self, sa: Sa) -> Done | Refused | Unsupported:
        done = super().add_sa(sa)
        if not isinstance(done, Done):
            super().reset()
        return done


class RaisesOnUnknown(ReferenceAdapter):
    """A dictionary without a net."""

    def delete_sa(self, name: str) -> Done | Refused | Unsupported:
        self._endpoint._entries[name]
        return super().delete_sa(name)


class DeletesAnything(ReferenceAdapter):
    """Deleting what is not there is done."""

    def delete_sa(self, name: str) -> Done | Refused | Unsupported:
        super().delete_sa(name)
        return Done()


class KnowsStrangers(ReferenceAdapter):
    """An SA that does not exist has counted nothing."""

    def read_state(self, name: str) -> State | Refused | Unsupported:
        got = super().read_state(name)
        return State(packets=0) if isinstance(got, Refused) else got


class SendsForStrangers(ReferenceAdapter):
    """An unknown name gets the last SA."""

    def outbound(self, step: Outbound) -> Protected:
        got = super().outbound(step)
        return Sent(packet=step.packet) if isinstance(got, Refused) else got


class IgnoresUnknownOperations(ReferenceAdapter):
    """What it does not know is done."""

    def take(self, step: Step) -> Outcome:
        return super().take(step) if type(step) in STEPS else Done()


# --------------------------------------------------------------------------------------------------- kinds of outcomes


class ReturnsNone(ReferenceAdapter):
    """Forgets the return statement."""

    def inbound(self, packet: Octets) -> Received:
        super().inbound(packet)
        return None  # type: ignore[return-value]


class ReturnsPlainBytes(ReferenceAdapter):
    """Octets that no JSON document can take."""

    def inbound(self, packet: Octets) -> Received:
        got = super().inbound(packet)
        return Delivered(packet=bytes(got.packet), sa=got.sa) if isinstance(got, Delivered) else got  # type: ignore[arg-type]


class LosesSteps(ReferenceAdapter):
    """The last outcome is missing."""

    def execute(self, case: Case) -> Transcript:
        whole = super().execute(case)
        return Transcript(whole.setup, whole.steps[:-1])


class RefusesPackets(ReferenceAdapter):
    """An inbound packet cannot be refused, only dropped."""

    def inbound(self, packet: Octets) -> Received:
        got = super().inbound(packet)
        return Refused() if isinstance(got, Dropped) else got  # type: ignore[return-value]


# ------------------------------------------------------------------------------------------------------- declarations


class LiesAboutEsn(ReferenceAdapter):
    """Declares extended sequence numbers and leaves the flag where it is."""

    def add_sa(self, sa: Sa) -> Done | Refused | Unsupported:
        return super().add_sa(replace(sa, esn=False))


class LiesAboutWindow(ReferenceAdapter):
    """Declares every window size and has 64."""

    def add_sa(self, sa: Sa) -> Done | Refused | Unsupported:
        done = super().add_sa(sa)
        if isinstance(done, Done) and sa.direction == "in" and sa.replay_window:
            self._endpoint.entry(sa.name).state.replay = replay.ReplayWindow(64, int(sa.sequence))
        return done


class LiesAboutPorts(ReferenceAdapter):
    """Declares other UDP ports and uses 4500."""

    def add_sa(self, sa: Sa) -> Done | Refused | Unsupported:
        return super().add_sa(replace(sa, udp=sa.udp and UdpEncapsulation()))


class LiesAboutCcm(ReferenceAdapter):
    """One algorithm of many is another one."""

    def add_sa(self, sa: Sa) -> Done | Refused | Unsupported:
        return super().add_sa(replace(sa, encr="ENCR_AES_CCM_12" if sa.encr == "ENCR_AES_CCM_16" else sa.encr))


class MiscountsProbes(ReferenceAdapter):
    """Declares two packets that outbound SAs send of their own accord, and tells one."""

    told = 1

    def capabilities(self) -> Capabilities:
        caps = super().capabilities()
        return replace(caps, set_sequence=False, sequence_start=2, read_state=(*caps.read_state, "early"))

    def read_state(self, name: str) -> State | Refused | Unsupported:
        state = super().read_state(name)
        return replace(state, early=self.early(name)) if isinstance(state, State) else state

    def early(self, name: str) -> tuple[Octets, ...]:
        entry = self._endpoint.entry(name)
        packet = ip.build_ipv4(entry.sa.source.packed, entry.sa.destination.packed, 253, b"probe")
        sent = [endpoint.encapsulate(entry, packet, number) for number in range(1, self.told + 1)]
        return tuple([Octets(one) for one in sent if isinstance(one, bytes)])


class TellsStrangersProbes(MiscountsProbes):
    """Tells two, under an SPI that is nobody's."""

    told = 2

    def early(self, name: str) -> tuple[Octets, ...]:
        return tuple([Octets(one[:20] + b"\x7f\x7f\x7f\x7f" + one[24:]) for one in super().early(name)])


class Modest(ReferenceAdapter):
    """Can more than it declares."""

    def capabilities(self) -> Capabilities:
        return replace(super().capabilities(), esn=(False,), resynchronise=False)


class IgnoresSelectors(ReferenceAdapter):
    """Does not declare selectors, and does not refuse them either."""

    def capabilities(self) -> Capabilities:
        return replace(super().capabilities(), selectors=False)

    def add_sa(self, sa: Sa) -> Done | Refused | Unsupported:
        return super().add_sa(replace(sa, selectors=()))


class DeclaresTheUnknown(ReferenceAdapter):
    """An algorithm by the name that somebody else gives it."""

    def capabilities(self) -> Capabilities:
        return replace(super().capabilities(), encryption={"AES-GCM": (16,)})


class ContradictsItself(ReferenceAdapter):
    """Transport mode alone, between different IP versions."""

    def capabilities(self) -> Capabilities:
        return replace(super().capabilities(), modes=("transport",), families=("4in6",))


class ChangesItsMind(ReferenceAdapter):
    """Declares ESN every other time."""

    def __init__(self) -> None:
        self._count = itertools.count()
        super().__init__()

    def capabilities(self) -> Capabilities:
        return replace(super().capabilities(), esn=((False,), (False, True))[next(self._count) % 2])


# -------------------------------------------------------------------------------------------------------- start and end


class HasNoVersion(ReferenceAdapter):
    """Nobody can say what was tested."""

    @property
    def version(self) -> str:
        return "?"


class SlowStarter(ReferenceAdapter):
    """Takes its time."""

    def __init__(self) -> None:
        time.sleep(0.2)
        super().__init__()


class SharesEverything(ReferenceAdapter):
    """All instances have one set of SAs, and the first one resets it."""

    _shared: ClassVar[dict[str, Any]] = {}

    def __init__(self) -> None:
        super().__init__()
        self._endpoint = self._shared.setdefault("endpoint", self._endpoint)
        self._first = self._shared.setdefault("first", self) is self

    def reset(self) -> None:
        if not hasattr(self, "_first"):
            super().reset()
        elif self._first:
            self._endpoint.__init__()


class ClosesTheOthers(ReferenceAdapter):
    """Releases what belongs to all."""

    _closed: ClassVar[list[bool]] = []

    def __init__(self) -> None:
        self._closed.clear()
        super().__init__()

    def inbound(self, packet: Octets) -> Received:
        return Dropped() if self._closed else super().inbound(packet)

    def close(self) -> None:
        self._closed.append(True)


class CannotClose(ReferenceAdapter):
    """Falls over its own feet at the end."""

    def close(self) -> None:
        raise OSError("no such process")
