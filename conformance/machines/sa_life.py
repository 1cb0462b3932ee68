"""The life of SAs as a state machine: made, used either way, attacked, read, deleted, and made again with the same SPI.

`RULES` is the machine: what leads from which state to which, and when. ARCHITECTURE.md has the picture, which `picture`
draws from the table.

A machine does not talk to an implementation: its rules write steps into a `Scenario`, so that a run of it is a Case like
any other, to be judged, shrunk and replayed. Each rule has a condition and an action; which rule comes next is drawn.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from hypothesis import strategies as st

from espproof.adapters.case import Sa, SequenceNumber, UdpEncapsulation
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

    def __init__(self, scenario: Scenario, *, relatives: bool = False) -> None:
        """With `relatives` SAs are made that share something: SPI, keys, ends, ports."""
        self.s = scenario
        self.relatives = relatives
        self.receivers: list[Receiver] = []
        self.senders: list[Sa] = []
        self.deleted: list[Receiver] = []
        self.gone: list[Sa] = []
        self.generation = 0

    def step(self) -> None:
        """Draw one of the rules whose condition holds, and do it."""
        possible = [rule.action for rule in RULES if rule.possible(self)]
        self.s.choose(possible)(self)

    def receiver(self) -> Receiver:
        return self.s.choose(self.receivers)

    # -------------------------------------------------------------------------------------------------------- rules

    def begin_with_relatives(self) -> None:
        """An SA, and others that share something with it, so that a short life has some."""
        if self.may_receive():
            self.make_in()
            self.make_twin_in()
        if self.may_send():
            self.make_twin_out() if self.receivers else self.make_out()
            self.make_twin_out()

    def make_in(self) -> None:
        lookup: dict[str, Any] = {"lookup": self.s.choose(self.s.caps.lookup[::-1])} if self.relatives else {}
        self._start(self.s.certain_sa(add=False, udp=False, **lookup))

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
        if any(self._is_same(sa, each.sa) for each in self.receivers):
            sa = self.s.changed(sa, spi=self.fresh_spi(sa.spi))
        self.s.add(sa, DELETED)
        self.receivers.append(Receiver(sa, History(sa)))

    @staticmethod
    def _is_same(one: Sa, two: Sa) -> bool:
        """Whether no packet could tell two inbound SAs apart."""
        if (one.spi, one.lookup) != (two.spi, two.lookup):
            return False
        ends = {"spi": (), "spi+destination": ("destination",)}.get(one.lookup, ("destination", "source"))
        return all(getattr(one, end) == getattr(two, end) for end in ends)

    def make_other(self) -> None:
        """The SPI of a deleted SA with other algorithms and a given number."""
        old = self.s.choose(self.deleted)
        self.deleted.remove(old)
        self.generation += 1
        other = self.s.certain_sa(add=False, udp=False)
        self._start(self.s.changed(other, name=f"{old.sa.name}-{self.generation}", spi=old.sa.spi))
        if old.recorded:
            self.s.arrives(self.s.choose(old.recorded)[1], DELETED)

    def make_twin_in(self) -> None:
        """An inbound SA that has everything of another but the SPI, or everything but the destination."""
        one = self.receiver().sa
        self.generation += 1
        name = f"{one.name}-twin-{self.generation}"
        fresh = {"sequence": SequenceNumber(0)}
        if one.lookup != "spi" and self.s.draw(st.booleans()):
            taken = {(each.sa.spi, each.sa.destination) for each in self.receivers}
            other = self.s.inbound_sa(
                add=False, udp=False, lookup=one.lookup, esn=one.esn, replay_window=one.replay_window
            )
            elsewhere = self.s.changed(one, destination=self.s.other_end(one))
            for twin in self.s.choose(([elsewhere], [other, elsewhere])):
                if (one.spi, twin.destination) not in taken:
                    self._start(self.s.changed(twin, name=name, spi=one.spi, **fresh))
                    return
        self._start(self.s.changed(one, name=name, spi=self.fresh_spi(one.spi), **fresh))

    def fresh_spi(self, spi: int) -> int:
        """A neighbour that no SA has or had: one bit is another, a different one each time."""
        taken = {each.sa.spi for each in (*self.receivers, *self.deleted)} | {each.spi for each in self.senders}
        return next(other for bit in range(31, 8, -1) if (other := spi ^ 1 << bit) not in taken and other > 255)

    def make_twin_out(self) -> None:
        """An outbound SA with SPI, keys and ends of an inbound one, or the SPI of an outbound one for another peer."""
        self.generation += 1
        if self.receivers and (not self.senders or self.s.draw(st.booleans())):
            one = self.receiver().sa
            ports = one.udp and UdpEncapsulation(
                source_port=one.udp.destination_port, destination_port=one.udp.source_port
            )
            back: dict[str, Any] = {"source": one.destination, "destination": one.source, "udp": ports, "lookup": "spi"}
            if any(sender.encr_key == one.encr_key for sender in (*self.senders, *self.gone)):
                back |= self.s.fresh_keys(one, self.generation)  # IVs under one key are another check's affair
            start = SequenceNumber(self.s.caps.start_of("out"))
            twin = self.s.changed(
                one, name=f"{one.name}-back-{self.generation}", direction="out", sequence=start, **back
            )
        else:
            one = self.s.choose(self.senders)
            keys = self.s.fresh_keys(one, self.generation)
            name = f"{one.name}-twin-{self.generation}"
            twin = self.s.changed(one, name=name, destination=self.s.other_end(one), **keys)
        self._start_out(twin)

    def make_again_out(self) -> None:
        """The name, SPI and ends of a deleted outbound SA with other keys: it counts from the beginning."""
        old = self.s.choose(self.gone)
        self.gone.remove(old)
        self.generation += 1
        self._start_out(self.s.changed(old, **self.s.fresh_keys(old, self.generation)))

    def _start_out(self, sa: Sa) -> None:
        """Add it; with another SPI if it has one that its peer has given away already."""
        if any((sa.spi, sa.destination) == (other.spi, other.destination) for other in self.senders):
            sa = self.s.changed(sa, spi=self.fresh_spi(sa.spi))
        self.s.add(sa, DELETED)
        self.senders.append(sa)

    def make_out(self) -> None:
        self._start_out(self.s.outbound_sa(add=False))

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
        self.gone.append(sa)
        self.s.delete(sa, DELETED)

    # --------------------------------------------------------------------------------------------------- conditions

    def may_receive(self) -> bool:
        return self.s.can("in") and len(self.receivers) < MOST_LIVE

    def may_send(self) -> bool:
        return self.s.can("out") and len(self.senders) < MOST_LIVE

    def may_relate_in(self) -> bool:
        return self.relatives and self.may_receive()

    def may_relate_out(self) -> bool:
        return self.relatives and self.may_send()


State = Literal["none", "live in", "live out", "deleted", "gone"]
"""Of one SA. One that is deleted is remembered: its packets may still come, its SPI may be used again."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing that can happen to an SA: from a state, to a state, when there is an SA in the first and `when` holds."""

    source: State
    target: State
    action: Callable[[SaLife], None]
    when: Callable[[SaLife], object] = lambda life: True

    def possible(self, life: SaLife) -> bool:
        there = {"live in": life.receivers, "live out": life.senders, "deleted": life.deleted, "gone": life.gone}.get(
            self.source, True
        )
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
    Rule("deleted", "live in", SaLife.make_other, SaLife.may_relate_in),
    Rule("live in", "live in", SaLife.make_twin_in, SaLife.may_relate_in),
    Rule("live in", "live out", SaLife.make_twin_out, SaLife.may_relate_out),
    Rule("live out", "live out", SaLife.make_twin_out, SaLife.may_relate_out),
    Rule("gone", "live out", SaLife.make_again_out, SaLife.may_relate_out),
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
