"""A limit of packets on the device's counter: it has 32 bits and counts down, and an SA may last for more.

    left = counter + rounds * 2^31

As long as there are rounds, the counter is kept at 2^31 or above: at 2^31 - 1 the device tells, and a round is added to
it. So the last one alone comes to 0, where the SA ends. What else is to be told, that the soft limit is reached, is told
by the same threshold: of the two the one that comes first (mlx5: the same in another arithmetic, as there the counter
goes on while one thinks).
"""

from dataclasses import dataclass

TURN = 1 << 31


@dataclass(slots=True)
class Limits:
    """Of one SA: `hard`, and `soft` if there is one; packets. `rounds` stand behind the counter."""

    hard: int
    soft: int | None = None
    turn: int = TURN
    rounds: int = 0

    def counter(self, used: int) -> int:
        """What it is to be for an SA of which so many packets have passed; the rounds are such, too."""
        left = max(self.hard - used, 0)
        self.rounds = max(left // self.turn - 1, 0)
        return left - self.rounds * self.turn

    def used(self, counter: int) -> int:
        """How many packets have passed."""
        return self.hard - counter - self.rounds * self.turn

    def threshold(self, counter: int) -> int | None:
        """The next value of the counter at which there is something to do before the end; None if there is none."""
        ahead = [self.turn - 1] if self.rounds else []
        if self.soft is not None:
            ahead.append(self.hard - self.soft - self.rounds * self.turn)
        return max((value for value in ahead if 0 < value < counter), default=None)
