"""What a driver has told somebody of its SAs, and how it asks: by messages that may be lost, or answered late.

    exchange    one command, its transaction, time-outs and tries; an answer to anything else is not its answer
    ledger      SAs that are there, and those of which nobody knows whether they are

A command that nobody has answered may have been carried out. What it was to add is doubtful then: it is nobody's SA, its
index and its share stay taken, and it is removed before anything else is asked for.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Generic, Protocol, TypeVar

from espproof.reference.offload.api import Dead, Refused
from espproof.reference.offload.fortville.messages import WORDS, Command, Status, read_answer

Key = TypeVar("Key")
TRIES = 3
POLL_MICROSECONDS = 50
TIMEOUT_MICROSECONDS = 1000


class Declined(Refused):
    """Somebody has answered that he does not do it; `status` is his."""

    def __init__(self, status: Status) -> None:
        super().__init__(WORDS[status])
        self.status = status


class Channel(Protocol):
    """Somebody who carries commands out."""

    def ask(self, command: Command) -> Status:
        """What came of it; `Dead` if nobody answers."""


class Exchange:
    """Messages to somebody who answers in his own time. `wait` lets microseconds pass."""

    def __init__(
        self, post: Callable[[bytes], None], take: Callable[[], list[bytes]], wait: Callable[[int], None]
    ) -> None:
        self._post, self._take, self._wait = post, take, wait
        self._transaction = 0

    def ask(self, command: Command) -> Status:
        """As `Channel`."""
        self._transaction = (self._transaction + 1) & 0xFFFF
        body = command.octets(self._transaction)
        for _ in range(TRIES):
            self._post(body)
            for _ in range(TIMEOUT_MICROSECONDS // POLL_MICROSECONDS):
                self._wait(POLL_MICROSECONDS)
                status = self._answer()
                if status is not None:
                    return status
        raise Dead(f"no answer to {command.operation.name}")

    def _answer(self) -> Status | None:
        mine = None
        for message in self._take():
            answer = read_answer(message)
            if answer is not None and answer[0] == self._transaction:
                mine = answer[1]
        return mine


class Ledger(Generic[Key]):
    """Of one who asks. `Key` names an SA."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self.there: dict[Key, Command] = {}
        """With keys, as a reset asks for them again."""
        self.doubtful: dict[Key, Command] = {}
        """What removes them."""
        self.missing: set[Key] = set()
        """Of those that are there, whom a reset has not brought back, as somebody has declined it."""

    def add(self, key: Key, command: Command, *, unsure: bool = False) -> None:
        """`Declined` with the reason; `Dead` if nobody answers, then it is doubtful. `unsure`: then it is there, as
        whoever asks does not mind if it is not."""
        self.settle()
        try:
            self._must(command)
        except Dead:
            if not unsure:
                self.doubtful[key] = command.blank()
                raise
        self.there[key] = command

    def remove(self, key: Key) -> None:
        """It is gone, or doubtful."""
        command = self.there.pop(key)
        if key in self.missing:
            self.missing.discard(key)
            return
        self.doubtful[key] = command.blank()
        with suppress(Dead, Declined):
            self.settle()

    def settle(self) -> None:
        """What is doubtful is removed; `Dead` if nobody answers. Who is not trusted any more has nothing."""
        for key, command in list(self.doubtful.items()):
            self._must(command, Status.NO_SUCH, Status.NOT_TRUSTED)
            del self.doubtful[key]

    def restore(self, empty: Command) -> None:
        """After a reset: `empty` removes all; then what is there is there again, and no more. What is declined is missing.
        `Dead`: try again."""
        self.missing.clear()
        with suppress(Declined):
            self._must(empty)
        self.doubtful.clear()
        for key, command in self.there.items():
            try:
                self._must(command)
            except Declined:
                self.missing.add(key)

    def _must(self, command: Command, *also: Status) -> None:
        status = self._channel.ask(command)
        if status is Status.SILENT:
            raise Dead(WORDS[status])
        if status is not Status.OK and status not in also:
            raise Declined(status)
