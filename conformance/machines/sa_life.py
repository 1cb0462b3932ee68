"""The life of SAs as a state machine: made, used either way, attacked, read, deleted, and made again with the same SPI.

`RULES` is the machine: what leads from which state to which, and when. ARCHITECTURE.md has the picture, which `picture`
draws from the table.

A machine does not talk to an implementation: its rules write steps into a `Scenario`, so that a run of it is a Case like
any other, to be judged, shrunk and replayed. Each rule has a condition and an action; which rule comes next is drawn.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from hypothesis import strategies as st

from espproof.adapters.case import Sa
from espproof.conformance.checks.scenario import Scenario
from espproof.conformance.requirements.ids import BURST, DELETED, ICV_WRONG, INCREMENT, UNICAST, WINDOW
from espproof.conformance.strategies.history import History, deltas

MOST_LIVE = 3
"""SAs of one direction at a time."""


@dataclass
class Receiver:
    """A live inbound SA, what its window should say, and the packets that somebody has recorded."""

    sa: Sa
    past: History
    recorded: list[tuple[int, bytes]] = field(default_factory=list)


class SaLife:
    """The state of the machine. `RULES` at the end of the module says what can happen when."""

    def __init__(self, scenario: Scenario) -> None:
        self.s = scenario
        self.receivers: list[Receiver] = []
        self.senders: list[Sa] = []
        self.deleted: list[Receiver] = []
        self.generation = 0

    def step(self) -> None:
        """Draw one of the rules whose condition holds, and do it."""
        possible = [rule.action for rule in RULES if rule.possible(self)]
        self.s.choose(possible)(self)

    def receiver(self) -> Receiver:
        return self.s.choose(self.receivers)

    # -------------------------------------------------------------------------------------------------------- rules

    def make_in(self) -> None:
        windows = self.s.caps.replay_windows is not None
        # without a window the high half of a packet that comes late is anybody's guess: 32 bits
        sa = self.s.windowed_sa(add=False, udp=False) if windows else self.s.inbound_sa(add=False, udp=False, esn=False)
        self._start(sa)

    def make_again(self) -> None:
        """The SPI of a deleted SA with other keys: nothing of the old one may be left."""
        old = self.s.choose(self.deleted)
        self.deleted.remove(old)
        self.generation += 1
        fresh = self.s.fresh_keys(old.sa, self.generation)
        self._start(self.s.changed(old.sa, name=f"{old.sa.name}-{self.generation}", sequence=old.sa.sequence, **fresh))
        if old.recorded:
            number, packet = self.s.choose(old.recorded)
            self.s.arrives(packet, ICV_WRONG if self.receivers[-1].past.is_new(number) else DELETED)

    def _start(self, sa: Sa) -> None:
        self.s.add(sa, DELETED)
        self.receivers.append(Receiver(sa, History(sa)))

    def make_out(self) -> None:
        sa = self.s.outbound_sa(add=False)
        self.s.add(sa, DELETED)
        self.senders.append(sa)

    def receive(self) -> None:
        one = self.receiver()
        number = one.past.near(self.s.draw(deltas(min(one.sa.replay_window, 128))))
        packet = self.s.receive(one.sa, number, UNICAST if one.past.is_new(number) else one.past.about(number))
        one.past.arrived(number)
        one.recorded.append((number, packet))

    def replay(self) -> None:
        one = self.receiver()
        number, packet = self.s.choose(one.recorded)
        self.s.arrives(packet, one.past.about(number))
        one.past.arrived(number)

    def forge(self) -> None:
        one = self.receiver()
        self.s.receive_forged(one.sa, one.past.near(self.s.draw(st.sampled_from((1, 2, 40, 5000)))), ICV_WRONG)

    def burst_in(self) -> None:
        one = self.receiver()
        packets = []
        for delta in self.s.draw(st.lists(st.integers(-3, 5), min_size=2, max_size=6)):
            number = one.past.near(delta)
            packets.append(self.s.peer(one.sa).protect(self.s.small(one.sa), number))
            one.past.arrived(number)
        self.s.burst_arrives(packets, BURST)

    def read_in(self) -> None:
        self.s.read(self.receiver().sa, WINDOW, "sequence")

    def delete_in(self) -> None:
        one = self.receiver()
        self.receivers.remove(one)
        self.deleted.append(one)
        self.s.delete(one.sa, DELETED)

    def late_packet(self) -> None:
        one = self.s.choose(self.deleted)
        self.s.receive(one.sa, one.past.near(1), DELETED)

    def send(self) -> None:
        self.s.send(self.s.choose(self.senders), INCREMENT)

    def burst_out(self) -> None:
        sa = self.s.choose(self.senders)
        self.s.send_burst(sa, [self.s.small(sa)] * self.s.draw(st.integers(2, 5)), INCREMENT)

    def read_out(self) -> None:
        self.s.read(self.s.choose(self.senders), INCREMENT, "sequence")

    def delete_out(self) -> None:
        sa = self.s.choose(self.senders)
        self.senders.remove(sa)
        self.s.delete(sa, DELETED)

    # --------------------------------------------------------------------------------------------------- conditions

    def may_receive(self) -> bool:
        return self.s.can("in") and len(self.receivers) < MOST_LIVE

    def may_send(self) -> bool:
        return self.s.can("out") and len(self.senders) < MOST_LIVE


State = Literal["none", "live in", "live out", "deleted", "gone"]
"""Of one SA. A deleted inbound SA is remembered: its packets may still come, and its SPI may be used again."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing that can happen to an SA: from a state, to a state, when there is an SA in the first and `when` holds."""

    source: State
    target: State
    action: Callable[[SaLife], None]
    when: Callable[[SaLife], object] = lambda life: True

    def possible(self, life: SaLife) -> bool:
        there = {"live in": life.receivers, "live out": life.senders, "deleted": life.deleted}.get(self.source, True)
        return bool(there and self.when(life))


RULES: tuple[Rule, ...] = (
    Rule("none", "live in", SaLife.make_in, SaLife.may_receive),
    Rule("live in", "live in", SaLife.receive),
    Rule("live in", "live in", SaLife.replay, lambda life: all(one.recorded for one in life.receivers)),
    Rule("live in", "live in", SaLife.forge),
    Rule("live in", "live in", SaLife.burst_in),
    Rule("live in", "live in", SaLife.read_in),
    Rule("live in", "deleted", SaLife.delete_in),
    Rule("deleted", "deleted", SaLife.late_packet),
    Rule("deleted", "live in", SaLife.make_again, SaLife.may_receive),
    Rule("none", "live out", SaLife.make_out, SaLife.may_send),
    Rule("live out", "live out", SaLife.send),
    Rule("live out", "live out", SaLife.burst_out),
    Rule("live out", "live out", SaLife.read_out),
    Rule("live out", "gone", SaLife.delete_out),
)


def picture() -> str:
    """The machine as a Mermaid state diagram, one arrow per pair of states."""
    arrows: dict[tuple[str, str], list[str]] = {}
    for rule in RULES:
        arrows.setdefault((rule.source, rule.target), []).append(rule.action.__name__.replace("_", " "))
    lines = [
        f"    {_node(source)} --> {_node(target)}: {' · '.join(actions)}"
        for (source, target), actions in arrows.items()
    ]
    return "\n".join(["```mermaid", "stateDiagram-v2", *lines, "```", ""])


def _node(state: str) -> str:
    return "[*]" if state in ("none", "gone") else state.replace(" ", "_")


if __name__ == "__main__":
    print(picture(), end="")
