"""The adapter: the only thing that somebody who tests an implementation writes.

Subclass `Adapter`, declare `capabilities`, and turn each operation into calls of the implementation. An adapter holds
no opinion: it never compares, never corrects, never fills in what the implementation did not say. What it raises is one
of the three failures below; anything else that escapes is reported as `adapter-error`.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

import msgspec

from espproof.adapters.capabilities import Capabilities
from espproof.adapters.case import (
    AddPolicy,
    Audit,
    Burst,
    Case,
    Counters,
    Delivered,
    DeviceHappening,
    DeviceState,
    Done,
    Dropped,
    Emerged,
    Enter,
    EnterBurst,
    Events,
    Host,
    InboundBurst,
    Octets,
    Outbound,
    OutboundBurst,
    Outcome,
    Passed,
    Refused,
    Sa,
    Sent,
    State,
    Step,
    Unsupported,
)
from espproof.adapters.steps import STEPS

AT_RESET, AT_SETUP = -2, -1
"""Instead of the number of a step: before the first one, in `reset` or while the SAs of the case were added."""


class AdapterFailure(Exception):
    """The implementation could not answer at all. Use one of the subclasses."""

    step: int | None = None
    """The step of the case in which it happened (`step_by_step` fills it in), None where the case was asked as a whole."""


class Crashed(AdapterFailure):
    """The implementation died (a signal, a panic, end of file). A verdict about the implementation."""


class Hung(AdapterFailure):
    """No answer within the time limit. A verdict about the implementation."""


class AdapterError(AdapterFailure):
    """The adapter answered something that is not of the protocol, or could not start. A verdict about the adapter."""


class Transcript(msgspec.Struct, frozen=True):
    """What happened: one outcome per SA of the case, one per step."""

    setup: tuple[Outcome, ...]
    steps: tuple[Outcome, ...]


class Adapter(ABC):
    """One implementation under test.

    The life of an adapter: `capabilities` and `version` any time after construction; then, per case, `execute`, which
    resets and walks the case. `close` ends it. Every operation may raise `Crashed`, `Hung` or `AdapterError`; after any
    of them the next `execute` starts from a fresh implementation. An operation that the implementation lacks returns
    `Unsupported`.
    """

    name: str = "?"
    exclusive: bool = False
    """Whether one alone can be open at a time: it has a piece of hardware to itself. A run then has one process."""

    @abstractmethod
    def capabilities(self) -> Capabilities:
        """What the implementation can do. Constant for the life of the adapter."""

    @property
    def version(self) -> str:
        """The implementation's own version, for the report."""
        return "?"

    @abstractmethod
    def reset(self) -> None:
        """Forget every SA; time starts again at 0."""

    @abstractmethod
    def add_sa(self, sa: Sa) -> Done | Refused | Unsupported:
        """Install one SA in its starting state."""

    def delete_sa(self, name: str) -> Done | Refused | Unsupported:
        return Unsupported(what="delete_sa")

    def outbound(self, step: Outbound) -> Sent | Dropped | Refused | Unsupported:
        """Protect one packet; see `case.Outbound` for the options. `Refused` without an outbound SA of that name."""
        return Unsupported(what="direction out")

    def inbound(self, packet: Octets) -> Delivered | Dropped | Passed | Unsupported:
        """One IP packet from the network."""
        return Unsupported(what="direction in")

    def outbound_burst(self, step: OutboundBurst) -> Burst | Refused | Unsupported:
        """Several packets at once; by default one by one."""
        results = [self.outbound(Outbound(sa=step.sa, packet=packet)) for packet in step.packets]
        refused = next((result for result in results if isinstance(result, Refused)), None)
        return refused or _burst(results)

    def inbound_burst(self, step: InboundBurst) -> Burst | Unsupported:
        """Several packets at once; by default one by one."""
        return _burst([self.inbound(packet) for packet in step.packets])

    def read_state(self, name: str) -> State | Refused | Unsupported:
        return Unsupported(what="read_state")

    def read_audit(self) -> Audit | Unsupported:
        """The records of the audit log since it was last read; `reset` empties it."""
        return Unsupported(what="read_audit")

    def advance_time(self, seconds: int) -> Done | Unsupported:
        return Unsupported(what="lifetime seconds")

    # ------------------------------------------------------------------------------ a host around ESP (capability `host`)

    def configure(self, host: Host) -> Done | Refused | Unsupported:
        """Become that host, without policies, SAs and counts. Called after `reset` of a case that has one."""
        return Unsupported(what="host")

    def add_policy(self, step: AddPolicy) -> Done | Refused | Unsupported:
        return Unsupported(what="host")

    def delete_policy(self, name: str) -> Done | Refused | Unsupported:
        return Unsupported(what="host")

    def enter(self, step: Enter) -> Emerged | Refused | Unsupported:
        """A packet enters; everything that emerges because of it, in order. `Refused`: it cannot be cut up as asked."""
        return Unsupported(what="host")

    def enter_burst(self, step: EnterBurst) -> Emerged | Refused | Unsupported:
        """Packets enter together; everything that emerges because of them. `Refused`: one cannot be cut up as asked, or an
        SA that is to be deleted does not exist."""
        return Unsupported(what="bursts")

    def read_counters(self) -> Counters | Unsupported:
        return Unsupported(what="counters")

    def read_events(self) -> Events | Refused | Unsupported:
        """What the key manager was told since the last time; `Refused` where the host has none."""
        return Unsupported(what="events")

    def update_sa(self, sa: Sa) -> Done | Refused | Unsupported:
        """A new lifetime for an SA, or the SA for which its SPI is reserved; see `case.UpdateSa`."""
        return Unsupported(what="update_sa")

    def reserve_spi(self, sa: Sa) -> Done | Refused | Unsupported:
        """Keep an SPI for an SA to come. `Refused` if it is taken."""
        return Unsupported(what="reserve_spi")

    def flush_sas(self) -> Done | Unsupported:
        return Unsupported(what="flush")

    def flush_policies(self) -> Done | Unsupported:
        return Unsupported(what="flush")

    def await_held(self) -> Emerged | Unsupported:
        """Wait until what was held and lacks no SA any more has left: all that emerges of it, in order."""
        return Unsupported(what="holds")

    # --------------------------------------------------------------------- a device below ESP (capability `device`)

    def device_event(self, event: DeviceHappening) -> Done | Unsupported:
        return Unsupported(what="device")

    def read_device(self) -> DeviceState | Unsupported:
        """Of every SA of the endpoint, who does its cipher; what the device has of all of them."""
        return Unsupported(what="device")

    def execute(self, case: Case) -> Transcript:
        """Reset, add the SAs, take the steps. Stops at nothing but an `AdapterFailure`."""
        return self.step_by_step(case)

    def step_by_step(self, case: Case) -> Transcript:
        """The same one by one, so that a failure says in which step it happened."""
        at = AT_RESET
        steps: list[Outcome] = []
        try:
            self.reset()
            if case.host is not None and not isinstance(told := self.configure(case.host), Done):
                return Transcript((told,) * len(case.sas), (told,) * len(case.steps))
            at = AT_SETUP
            setup = tuple([self.add_sa(sa) for sa in case.sas])
            for at, step in enumerate(case.steps):  # noqa: B007 -- read when it fails
                steps.append(self.take(step))
        except AdapterFailure as failure:
            failure.step = at
            raise
        return Transcript(setup, tuple(steps))

    def answer_within(self, seconds: float | None) -> None:  # noqa: B027 -- most adapters wait for nobody
        """Wait so many seconds for each answer, if that is less than usual; None for as usual."""

    def take(self, step: Step) -> Outcome:
        """One step; one that this version of the suite does not know is unsupported."""
        kind = STEPS.get(type(step))
        return kind.take(self, step) if kind else Unsupported(what=f"operation {type(step).__name__}")

    def take_all(self, steps: Sequence[Step]) -> list[Outcome]:
        """Several steps, one after the other, upon what is there already."""
        return [self.take(step) for step in steps]

    def close(self) -> None:  # noqa: B027 -- most adapters have nothing to release
        """Release everything (processes, sockets, temporary files). Called once; may be called after a failure."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _burst(results: list[Any]) -> Burst | Unsupported:
    for result in results:
        if isinstance(result, Unsupported):
            return result
    return Burst(results=tuple(results))
