"""What an oracle says of a case: findings, and what was put to the test."""

from dataclasses import dataclass

SETUP = -1
"""Step number of a finding about the SAs that a case begins with."""


@dataclass(frozen=True, slots=True)
class Finding:
    """`requirement` is not met: step number `step` (`SETUP` before the first), told in one sentence."""

    requirement: str
    step: int
    message: str
    sa: str = ""
    """Of a finding about the SAs that a case begins with: the name of the SA."""


@dataclass(frozen=True, slots=True)
class Incapable:
    """A step was answered with `Unsupported`: what is missing."""

    what: str


@dataclass(frozen=True, slots=True)
class Judgement:
    """All findings of a case, in the order of its steps, and the requirements that it has put to the test."""

    findings: tuple[Finding, ...]
    tried: frozenset[str]
