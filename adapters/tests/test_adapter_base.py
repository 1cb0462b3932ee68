"""The base class: what an adapter need not write."""

import pytest

from espproof.adapters.base import Adapter, Crashed, Transcript
from espproof.adapters.capabilities import Capabilities
from espproof.adapters.case import (
    AddSa,
    AdvanceTime,
    Burst,
    Case,
    DeleteSa,
    Done,
    Dropped,
    Inbound,
    InboundBurst,
    Octets,
    Outbound,
    OutboundBurst,
    ReadState,
    Refused,
    Sa,
    Step,
    Unsupported,
)

SA = Sa(name="a", direction="in", spi=256, mode="tunnel", source="192.0.2.1", destination="192.0.2.2", encr="ENCR_NULL")
PACKET = Octets(b"E...")


class Least(Adapter):
    """As little as the base class lets one write."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def capabilities(self) -> Capabilities:
        return Capabilities(encryption={})

    def reset(self) -> None:
        self.calls.append("reset")

    def add_sa(self, sa: Sa) -> Done | Refused | Unsupported:
        self.calls.append(f"add {sa.name}")
        return Done()

    def close(self) -> None:
        self.calls.append("close")


class OneByOne(Least):
    """Takes single packets."""

    def inbound(self, packet: Octets) -> Dropped:
        return Dropped(reason=packet.decode())

    def outbound(self, step: Outbound) -> Dropped | Refused:
        return Dropped(reason=step.packet.decode()) if step.sa == "a" else Refused()


@pytest.mark.parametrize(
    "step",
    [
        DeleteSa(sa="a"),
        Outbound(sa="a", packet=PACKET),
        OutboundBurst(sa="a", packets=(PACKET,)),
        Inbound(packet=PACKET),
        InboundBurst(packets=(PACKET,)),
        ReadState(sa="a"),
        AdvanceTime(seconds=1),
    ],
)
def test_what_is_not_written_is_unsupported(step: Step) -> None:
    """Every operation has an answer, and it is the honest one."""
    assert isinstance(Least().take(step), Unsupported)


def test_unknown_operation_is_unsupported() -> None:
    """A step of a later version of the suite is no exception."""

    class Later(AdvanceTime, tag="later", frozen=True, kw_only=True):
        pass

    assert Least().take(Later(seconds=1)) == Unsupported(what="operation Later")


def test_execute_resets_adds_and_steps_in_order() -> None:
    """Each case begins with a reset; there is one outcome per SA and per step."""
    adapter = Least()
    case = Case(version=1, sas=(SA,), steps=(AddSa(sa=SA), Inbound(packet=PACKET)))
    assert adapter.execute(case) == Transcript((Done(),), (Done(), Unsupported(what="direction in")))
    assert adapter.calls == ["reset", "add a", "add a"]


def test_bursts_go_one_by_one() -> None:
    """An adapter that knows single packets takes bursts too, in their order."""
    packets = (Octets(b"1"), Octets(b"2"))
    wanted = Burst(results=(Dropped(reason="1"), Dropped(reason="2")))
    assert OneByOne().take(InboundBurst(packets=packets)) == wanted
    assert OneByOne().take(OutboundBurst(sa="a", packets=packets)) == wanted


def test_burst_on_an_unknown_sa_is_refused_as_a_whole() -> None:
    """A burst has no place for refusals, so it is one."""
    assert OneByOne().take(OutboundBurst(sa="b", packets=(PACKET,))) == Refused()


def test_leaving_the_context_closes() -> None:
    """Also when something went wrong in it."""
    adapter = Least()
    with pytest.raises(Crashed), adapter:
        raise Crashed("signal 11")
    assert adapter.calls == ["close"]
