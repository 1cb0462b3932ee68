"""`exec:COMMAND`: a program that speaks PROTOCOL.md, as an adapter.

The program is started once and asked case after case; after any failure it is killed, and the next request starts a fresh
one. Until it has answered `hello` there is no implementation that could be blamed: whatever goes wrong so early is an
`AdapterError`.
"""

import os
import shlex
from collections.abc import Callable
from typing import Any, TypeVar

import espproof
from espproof.adapters.base import Adapter, AdapterError, AdapterFailure, Transcript
from espproof.adapters.capabilities import Capabilities
from espproof.adapters.case import (
    AddPolicy,
    AddSa,
    AdvanceTime,
    Audit,
    AwaitHeld,
    Burst,
    Case,
    Counters,
    DeletePolicy,
    DeleteSa,
    Delivered,
    DeviceEvent,
    DeviceHappening,
    DeviceState,
    Done,
    Dropped,
    Emerged,
    Enter,
    EnterBurst,
    Events,
    FlushPolicies,
    FlushSas,
    Host,
    Inbound,
    InboundBurst,
    Octets,
    Outbound,
    OutboundBurst,
    Outcome,
    Passed,
    ReadAudit,
    ReadCounters,
    ReadDevice,
    ReadEvents,
    ReadState,
    Refused,
    ReserveSpi,
    Sa,
    Sent,
    State,
    Step,
    Unsupported,
    UpdateSa,
)
from espproof.adapters.exec import messages
from espproof.adapters.exec.process import Process
from espproof.reference.errors import Malformed, Misuse

HELLO_SECONDS, ANSWER_SECONDS = 30.0, 10.0
"""Time limits of the first answer and of all others, unless `ESPPROOF_EXEC_SECONDS` says otherwise."""
SECONDS = "ESPPROOF_EXEC_SECONDS"

_Read = TypeVar("_Read")


class ExecAdapter(Adapter):
    """Runs Cases on a program. `Misuse` for a command that cannot be split, `AdapterError` if it does not start.

    `hello_seconds` and `seconds` limit the first answer and every other one.
    """

    last_words: str = ""
    """What standard error said last, after `close`."""

    def __init__(self, command: str, *, hello_seconds: float | None = None, seconds: float | None = None) -> None:
        self.name = f"exec:{command}"
        try:
            self._command = shlex.split(command)
        except ValueError as error:
            raise Misuse(f"{self.name}: {error}") from error
        if not self._command:
            raise Misuse(f"{self.name}: no command")
        self._hello_seconds = hello_seconds or _seconds() or HELLO_SECONDS
        self._seconds = seconds or _seconds() or ANSWER_SECONDS
        self._limit = self._seconds
        self._process: Process | None = None
        self._number = 0
        self._hello: messages.HelloAnswer | None = None
        self._start()

    # ------------------------------------------------------------------------------------------------------- operations

    @property
    def version(self) -> str:
        hello = self._greeted()
        told = " ".join(part for part in (hello.name, hello.version) if part != "?")
        return messages.shown(told.encode()) or "?"

    def capabilities(self) -> Capabilities:
        return self._greeted().capabilities

    def reset(self) -> None:
        self._do(messages.Reset())

    def configure(self, host: Host) -> Done | Refused | Unsupported:
        outcome: Done | Refused | Unsupported = self._do(messages.Reset(host=host))
        return outcome

    def add_sa(self, sa: Sa) -> Done | Refused | Unsupported:
        outcome: Done | Refused | Unsupported = self._do(AddSa(sa=sa))
        return outcome

    def delete_sa(self, name: str) -> Done | Refused | Unsupported:
        outcome: Done | Refused | Unsupported = self._do(DeleteSa(sa=name))
        return outcome

    def outbound(self, step: Outbound) -> Sent | Dropped | Refused | Unsupported:
        outcome: Sent | Dropped | Refused | Unsupported = self._do(step)
        return outcome

    def inbound(self, packet: Octets) -> Delivered | Dropped | Passed | Unsupported:
        outcome: Delivered | Dropped | Passed | Unsupported = self._do(Inbound(packet=packet))
        return outcome

    def outbound_burst(self, step: OutboundBurst) -> Burst | Refused | Unsupported:
        outcome: Burst | Refused | Unsupported = self._do(step)
        return outcome

    def inbound_burst(self, step: InboundBurst) -> Burst | Unsupported:
        outcome: Burst | Unsupported = self._do(step)
        return outcome

    def read_state(self, name: str) -> State | Refused | Unsupported:
        outcome: State | Refused | Unsupported = self._do(ReadState(sa=name))
        return outcome

    def read_audit(self) -> Audit | Unsupported:
        outcome: Audit | Unsupported = self._do(ReadAudit())
        return outcome

    def advance_time(self, seconds: int) -> Done | Unsupported:
        outcome: Done | Unsupported = self._do(AdvanceTime(seconds=seconds))
        return outcome

    def add_policy(self, step: AddPolicy) -> Done | Refused | Unsupported:
        outcome: Done | Refused | Unsupported = self._do(step)
        return outcome

    def delete_policy(self, name: str) -> Done | Refused | Unsupported:
        outcome: Done | Refused | Unsupported = self._do(DeletePolicy(policy=name))
        return outcome

    def enter(self, step: Enter) -> Emerged | Refused | Unsupported:
        outcome: Emerged | Refused | Unsupported = self._do(step)
        return outcome

    def enter_burst(self, step: EnterBurst) -> Emerged | Refused | Unsupported:
        outcome: Emerged | Refused | Unsupported = self._do(step)
        return outcome

    def read_counters(self) -> Counters | Unsupported:
        outcome: Counters | Unsupported = self._do(ReadCounters())
        return outcome

    def read_events(self) -> Events | Refused | Unsupported:
        outcome: Events | Refused | Unsupported = self._do(ReadEvents())
        return outcome

    def update_sa(self, sa: Sa) -> Done | Refused | Unsupported:
        outcome: Done | Refused | Unsupported = self._do(UpdateSa(sa=sa))
        return outcome

    def reserve_spi(self, sa: Sa) -> Done | Refused | Unsupported:
        outcome: Done | Refused | Unsupported = self._do(ReserveSpi(sa=sa))
        return outcome

    def flush_sas(self) -> Done | Unsupported:
        outcome: Done | Unsupported = self._do(FlushSas())
        return outcome

    def flush_policies(self) -> Done | Unsupported:
        outcome: Done | Unsupported = self._do(FlushPolicies())
        return outcome

    def await_held(self) -> Emerged | Unsupported:
        outcome: Emerged | Unsupported = self._do(AwaitHeld())
        return outcome

    def device_event(self, event: DeviceHappening) -> Done | Unsupported:
        outcome: Done | Unsupported = self._do(DeviceEvent(event=event))
        return outcome

    def read_device(self) -> DeviceState | Unsupported:
        outcome: DeviceState | Unsupported = self._do(ReadDevice())
        return outcome

    def execute(self, case: Case) -> Transcript:
        """One batch, if the program takes batches; else one request per step."""
        if not self._greeted().batch:
            return self.step_by_step(case)
        steps: list[messages.Reset | Step] = [
            messages.Reset(host=case.host),
            *[AddSa(sa=sa) for sa in case.sas],
            *case.steps,
        ]
        results = self._ask(
            lambda number: messages.batch(number, steps), lambda answer: messages.outcomes_of(steps, answer)
        )
        first = 1 + len(case.sas)
        if not isinstance(results[0], Done):
            results = results[:1] * len(results)
        return Transcript(results[1:first], results[first:])

    def answer_within(self, seconds: float | None) -> None:
        self._limit = self._seconds if seconds is None else min(self._seconds, seconds)

    def close(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            self.last_words = process.close()

    # ----------------------------------------------------------------------------------------------------- the program

    def _do(self, step: messages.Reset | Step) -> Any:
        """One operation. `messages.RESULTS` says which outcomes it can have."""
        return self._ask(
            lambda number: messages.request(number, step), lambda answer: messages.outcome_of(step, answer)
        )

    def _ask(self, line: Callable[[int], bytes], read: Callable[[dict[str, Any]], _Read]) -> _Read:
        if self._process is None:
            self._start()
        return self._exchange(line, read, self._limit)

    def _exchange(self, line: Callable[[int], bytes], read: Callable[[dict[str, Any]], _Read], limit: float) -> _Read:
        """A request and its answer, understood; after anything else the process is gone."""
        process = self._process
        assert process is not None
        self._number += 1
        try:
            return read(messages.read_answer(process.ask(line(self._number), limit), self._number))
        except BaseException as error:
            self._process = None
            process.kill()
            if isinstance(error, Malformed):
                raise AdapterError(str(error)) from error
            raise

    def _start(self) -> None:
        """Start the program and greet it. `AdapterError` if that fails in any way."""
        first = self._hello is None
        self._process = Process(self._command)
        self._number = 0
        greeting = messages.Hello(suite=f"espproof {espproof.__version__}")
        try:
            hello = self._exchange(
                lambda number: messages.request(number, greeting), messages.hello_of, self._hello_seconds
            )
            if first:
                self._exchange(messages.unknown, _refuses, self._seconds)
        except AdapterFailure as failure:
            raise AdapterError(f"did not start: {failure}") from failure
        if self._hello is not None and hello != self._hello:
            self._kill()
            raise AdapterError("the program was started again and says something else to hello than before")
        self._hello = hello

    def _kill(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()

    def _greeted(self) -> messages.HelloAnswer:
        assert self._hello is not None, "the constructor has greeted"
        return self._hello


def _refuses(answer: dict[str, Any]) -> Outcome:
    if answer["result"] != "unsupported":
        raise Malformed(
            f"an operation that does not exist was answered with {answer['result']!r:.40}, not 'unsupported'"
        )
    return messages.read_as(answer, Unsupported)


def _seconds() -> float:
    """The user's time limit; 0 for none."""
    text = os.environ.get(SECONDS, "")
    try:
        seconds = float(text) if text else 0.0
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < 1e6:
        raise Misuse(f"{SECONDS}={text}: not a number of seconds")
    return seconds
