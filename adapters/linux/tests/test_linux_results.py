"""What the guest's results mean: each fits the step that was asked for, or is an error of the adapter."""

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from espproof.adapters.base import AdapterError
from espproof.adapters.case import (
    AddSa,
    DeletePolicy,
    Enter,
    Host,
    Inbound,
    InboundBurst,
    Octets,
    Outbound,
    OutboundBurst,
    Outcome,
    ReadCounters,
    ReadState,
    Step,
    from_plain,
    to_plain,
)
from espproof.adapters.exec import messages
from espproof.adapters.linux import adapter as adapter_module
from espproof.adapters.linux import association
from espproof.adapters.linux.adapter import LinuxAdapter
from espproof.adapters.linux.kernel import images
from espproof.adapters.linux.kernel.guest import Guest
from espproof.adapters.linux.netlink import xfrm
from espproof.adapters.linux.netlink.netlink import Malformed
from espproof.conformance.selfcheck.rig import Rig

_PACKET = Octets(b"E")


class _Parrot(Guest):
    """Says what it is told."""

    results: Sequence[Any] = ()
    packets: Sequence[bytes] = ()

    def __init__(self, *arguments: object, **options: object) -> None:
        self.release = "6.0"

    def ask(self, operations: list[Any], packets: list[bytes], seconds: float) -> tuple[list[Any], list[bytes]]:
        if operations == [["ways"]]:
            return [["ways", {}, [], [], []]], []
        return list(self.results) or [["done"]] * len(operations), list(self.packets)

    def close(self) -> None:
        pass


@pytest.fixture(scope="module")
def adapter() -> Iterator[LinuxAdapter]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(adapter_module, "Guest", _Parrot)
        patch.setattr(images, "path", lambda variant: "kernel")
        with LinuxAdapter() as one:
            yield one


def _outcome(adapter: LinuxAdapter, step: messages.Reset | Step, result: Any, packets: list[bytes]) -> Outcome:
    """Of a step that the guest answers so."""
    adapter.reset()
    parrot = adapter._machine
    assert isinstance(parrot, _Parrot)
    parrot.results, parrot.packets = [result], packets
    try:
        (outcome,) = adapter._do([step])
    finally:
        parrot.results, parrot.packets = (), ()
    return outcome


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
    max_leaves=6,
)
_FATES = st.lists(
    st.tuples(
        st.sampled_from(["sent", "delivered", "passed", "dropped", "?"]), st.sampled_from(["", "ike"]) | _JSON
    ).map(list),
    max_size=3,
)
_SIDES = st.sampled_from(["wire", "plain", "local", "?"]) | _JSON
_RESULTS = st.one_of(
    st.just(["done"]),
    st.tuples(st.sampled_from(["done", "refused", "unsupported", "state", "packets"]), _JSON).map(list),
    st.tuples(st.sampled_from(["errno", "device"]), st.integers() | _JSON, st.just("") | _JSON).map(list),
    st.tuples(st.just("packets"), _FATES).map(list),
    st.tuples(st.just("emerged"), st.lists(_SIDES, max_size=3), st.booleans() | _JSON).map(list),
    st.tuples(st.just("counters"), st.dictionaries(st.just("XfrmInNoStates"), _JSON) | _JSON).map(list),
    _JSON,
)
_STEPS = (
    messages.Reset(), messages.Reset(host=Host(addresses=("192.0.2.17",))), "add",
    Outbound(sa="out", packet=_PACKET), OutboundBurst(sa="out", packets=(_PACKET, _PACKET)),
    Inbound(packet=_PACKET), InboundBurst(packets=(_PACKET,)), ReadState(sa="out"), DeletePolicy(policy="one"),
    Enter(side="wire", packet=_PACKET), ReadCounters(),
)  # fmt: skip


@settings(deadline=None)
@given(st.sampled_from(_STEPS), _RESULTS, st.lists(st.binary(max_size=3), max_size=3))
def test_a_result_fits_its_step_or_is_an_error(
    adapter: LinuxAdapter, which: Any, result: Any, packets: list[bytes]
) -> None:
    """It is never handed on as something that the step cannot have, nor with values of another type."""
    step = AddSa(sa=Rig(adapter, adapter.capabilities()).flow("out").sa) if which == "add" else which
    try:
        outcome = _outcome(adapter, step, result, packets)
    except AdapterError:
        return
    messages.fits(step, outcome)
    assert from_plain(to_plain(outcome), type(outcome)) == outcome


def test_a_packet_too_many_is_an_error(adapter: LinuxAdapter) -> None:
    """It would be that of another step."""
    with pytest.raises(AdapterError, match="1 packets that belong to no result"):
        _outcome(adapter, Inbound(packet=_PACKET), ["packets", [["delivered", ""]]], [b"E", b"F"])


def test_a_window_wider_than_its_bits_is_refused() -> None:
    """It would be counted through, packet by packet."""
    with pytest.raises(Malformed, match="a window of 4294967295 packets in 1 words"):
        association._offsets(xfrm.ReplayEsn(window=0xFFFFFFFF, bitmap=(1,)))
