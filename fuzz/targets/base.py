"""What a fuzz target is: octets in, nothing out, and an exception for everything that must not be.

A target is made once per process, for one adapter, and then given one input after the other; each input must find it as
if it were the first. It knows nothing of atheris: `engines.child` runs it under libFuzzer, `engines.reproduce` and tests
run it as it is.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from typing import ClassVar

from espproof.adapters.base import Adapter
from espproof.adapters.case import Case
from espproof.fuzz.packets.changes import Change


class Violation(Exception):
    """An input on which the implementation does not do what the documents say; the requirement, and one sentence.

    `where` tells violations apart that have the same words: the SA's mode.
    """

    def __init__(self, requirement: str, message: str, where: str = "") -> None:
        super().__init__(f"{requirement}: {message}")
        self.requirement = requirement
        self.message = message
        self.where = where


class Target(ABC):
    """One entrance to fuzz. `one_input` raises on a finding: a `Violation`, an `AdapterFailure`, or anything else."""

    name: ClassVar[str]
    what: ClassVar[str]
    mutates: ClassVar[bool] = False
    """Has a mutator of its own."""

    def __init__(self, adapter: Adapter) -> None:
        """`AdapterError` if this target can do nothing with what the adapter is capable of."""
        self.adapter = adapter

    @abstractmethod
    def one_input(self, octets: bytes) -> None: ...

    @abstractmethod
    def unchecked(self) -> Callable[[bytes], object]:
        """The calls that `one_input` makes, with nobody who looks at the results: what its speed is compared with."""

    def mutate(self, octets: bytes, max_size: int, seed: int, change: Change) -> bytes:
        """Another input; for targets that say `mutates`."""
        return change(octets, max_size)

    @abstractmethod
    def case(self, octets: bytes) -> Case:
        """The same input as a Case, which needs no fuzzer to be replayed. Executes nothing."""

    def simpler(self, octets: bytes) -> Iterator[bytes]:
        """Inputs that may show the same with less, the most drastic first; for minimising."""
        size = len(octets)
        while size:
            for at in range(0, len(octets), size):
                yield octets[:at] + octets[at + size :]
                yield octets[:at] + bytes(len(octets[at : at + size])) + octets[at + size :]
            size //= 2

    @classmethod
    @abstractmethod
    def seeds(cls) -> Mapping[str, bytes]:
        """Small inputs to start from, by name; `corpus/seeds/<target>/` holds them."""
