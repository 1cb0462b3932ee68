"""The adapter with a real kernel: its decisions, and every way in which the guest can end."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import espproof
from espproof.adapters.base import AdapterError, Crashed, Hung
from espproof.adapters.case import (
    Burst,
    Case,
    Delivered,
    Done,
    Dropped,
    InboundBurst,
    Refused,
    Sent,
    State,
    UdpEncapsulation,
    Unsupported,
)
from espproof.adapters.linux.adapter import LinuxAdapter
from espproof.adapters.linux.kernel import images
from espproof.adapters.linux.kernel.guest import Guest, quoted
from espproof.adapters.linux.kernel.processor import Processor
from espproof.adapters.registry import KNOWN, present
from espproof.conformance.selfcheck.rig import Rig, arrives, case_of
from espproof.conformance.strategies import wire

pytestmark = pytest.mark.skipif(
    not present(next(known for known in KNOWN if known.name == "linux")), reason="needs user-mode-linux and kmod"
)


@pytest.fixture(scope="module")
def adapter() -> Iterator[LinuxAdapter]:
    with LinuxAdapter() as one:
        yield one


@pytest.fixture
def rig(adapter: LinuxAdapter) -> Rig:
    return Rig(adapter, adapter.capabilities())


def _supervisor(adapter: LinuxAdapter) -> int:
    adapter.reset()
    machine = adapter._machine
    assert machine is not None
    return machine.process


def _kernels(supervisor: int) -> list[int]:
    return [
        int(pid) for pid in Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text(encoding="utf-8").split()
    ]


def _inbound(rig: Rig) -> Case:
    flow = rig.flow("in")
    return case_of([flow], flow.right(1), flow.forged(2))


def test_the_kernel_says_what_it_has(adapter: LinuxAdapter) -> None:
    """The algorithms are those of the kernel that runs, and so is the version."""
    assert adapter.capabilities().encryption["ENCR_AES_GCM_16"] == (16, 24, 32)
    assert "ENCR_AES_GCM_16_IIV" not in adapter.capabilities().encryption
    assert adapter.version[0].isdigit()


def test_a_case_is_carried_out_with_exact_reasons(adapter: LinuxAdapter, rig: Rig) -> None:
    got = adapter.execute(_inbound(rig))
    assert got.setup == (Done(),)
    assert isinstance(got.steps[0], Delivered)
    assert got.steps[1] == Dropped(reason="integrity")


def test_operations_can_be_asked_one_by_one(adapter: LinuxAdapter, rig: Rig) -> None:
    """The methods say what the steps of a case say."""
    inbound, outbound = rig.flow("in"), rig.flow("out", 1)
    adapter.reset()
    assert [adapter.add_sa(flow.sa) for flow in (inbound, outbound)] == [Done(), Done()]
    packet = inbound.right(1).packet
    assert isinstance(adapter.inbound(packet), Delivered)
    assert adapter.inbound_burst(InboundBurst(packets=(packet,))) == Burst(results=(Dropped(reason="replay"),))
    assert isinstance(adapter.outbound(outbound.send()), Sent)
    state = adapter.read_state(inbound.sa.name)
    assert isinstance(state, State)
    assert state.packets == 1
    assert adapter.delete_sa(inbound.sa.name) == Done()
    assert adapter.inbound(packet) == Dropped(reason="no-sa")


def test_an_address_of_both_ends_is_unsupported(adapter: LinuxAdapter, rig: Rig) -> None:
    """One kernel cannot be a host and its peer."""
    one, other = rig.flow("in").sa, rig.flow("out", 1).sa
    adapter.reset()
    assert adapter.add_sa(one) == Done()
    changed = type(other)(
        **{name: getattr(other, name) for name in other.__struct_fields__} | {"destination": one.destination}
    )
    assert isinstance(adapter.add_sa(changed), Unsupported)


def test_an_sa_whose_hard_limit_was_reached_is_gone(adapter: LinuxAdapter, rig: Rig) -> None:
    """The kernel deletes it, and there is no state to be read."""
    from espproof.adapters.case import Lifetime, ReadState

    flow = rig.flow("out", lifetime=Lifetime(hard_packets=1))
    got = adapter.execute(case_of([flow], flow.send(), flow.send(), flow.send(), ReadState(sa=flow.sa.name)))
    assert isinstance(got.steps[-2], Dropped)
    assert isinstance(got.steps[-1], Refused | State)


@pytest.mark.parametrize("outer", [4, 6])
@pytest.mark.parametrize("udp", [None, UdpEncapsulation()])
def test_a_fragment_is_kept_and_its_packet_comes_in_with_the_last(
    adapter: LinuxAdapter, rig: Rig, outer: int, udp: UdpEncapsulation | None
) -> None:
    """Also one of UDP over IPv6, whose ports nobody can see: the hook that tells what passes by is before reassembly."""
    flow = rig.flow("in", outer=outer, udp=udp)
    first, second, third = map(arrives, wire.fragments(flow.protected(1, flow.plain(length=64)), (3, 7)))
    got = adapter.execute(case_of([flow], third, first, second))
    assert got.steps[:2] == (Dropped(reason="fragment"), Dropped(reason="fragment"))
    assert isinstance(got.steps[2], Delivered)


def test_a_fragment_that_is_kept_does_not_meet_the_next_case(adapter: LinuxAdapter, rig: Rig) -> None:
    """A first piece in one case and the last one in the next make no packet."""
    flow = rig.flow("in")
    whole = flow.protected(1)
    for field in (0x2000, 0x0008):
        got = adapter.execute(case_of([flow], arrives(wire.ipv4_fragment(whole, field)), flow.right(2)))
        assert isinstance(got.steps[0], Dropped)
        assert isinstance(got.steps[1], Delivered)


def test_a_guest_that_is_killed_is_a_crash_and_the_next_case_has_a_fresh_one(adapter: LinuxAdapter, rig: Rig) -> None:
    os.kill(_kernels(_supervisor(adapter))[0], signal.SIGKILL)
    with pytest.raises(Crashed, match="SIGKILL"):
        adapter.execute(_inbound(rig))
    assert isinstance(adapter.execute(_inbound(rig)).steps[0], Delivered)


def test_a_guest_that_is_stopped_hangs(adapter: LinuxAdapter, rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    supervisor = _supervisor(adapter)
    monkeypatch.setenv("ESPPROOF_EXEC_SECONDS", "0.3")
    os.kill(_kernels(supervisor)[0], signal.SIGSTOP)
    with pytest.raises(Hung, match="stopped"):
        adapter.execute(_inbound(rig))
    assert not Path(f"/proc/{supervisor}").exists()


def test_a_guest_that_falls_silent_is_asked_in_another(adapter: LinuxAdapter, rig: Rig) -> None:
    """Once; a case that is not answered twice hangs. A kernel that was built is not asked a second time."""
    asked = adapter._all_of
    silences = [Hung("no answer within 10 s")] * 2

    def answers(steps: Any) -> list[Any]:
        if silences:
            raise silences.pop()
        return asked(steps)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(adapter, "_all_of", answers)
        with pytest.raises(Hung):
            adapter.execute(_inbound(rig))
        silences.append(Hung("no answer within 10 s"))
        assert isinstance(adapter.execute(_inbound(rig)).steps[0], Delivered)
        silences.append(Hung("no answer within 10 s"))
        patch.setattr(adapter, "_kernel", "/somewhere/linux")
        with pytest.raises(Hung):
            adapter.execute(_inbound(rig))


def test_nonsense_from_the_guest_is_an_error_of_the_adapter(adapter: LinuxAdapter) -> None:
    adapter.reset()
    with pytest.raises(AdapterError, match="KeyError"):
        adapter._ask([["no such operation"]], [], 5)
    adapter.reset()


def test_nothing_is_left_when_the_process_that_asks_is_killed(tmp_path: Path) -> None:
    """The supervisor ends the guest, and no file was written."""
    program = (
        "from espproof.adapters.linux.kernel.guest import Guest; import time\n"
        "from espproof.adapters.linux.kernel.processor import Processor\n"
        "guest = Guest('/usr/bin/linux.uml', Processor(), 60); print(guest.process, flush=True); time.sleep(60)"
    )
    temporary = Path(tempfile.gettempdir())
    before = set(temporary.iterdir())
    one = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, encoding="utf-8", cwd=tmp_path)
    assert one.stdout is not None
    supervisor = int(one.stdout.readline())
    guests = _kernels(supervisor)
    one.kill()
    one.wait()
    until = time.monotonic() + 30
    while time.monotonic() < until and any(Path(f"/proc/{pid}").exists() for pid in (supervisor, *guests)):
        time.sleep(0.02)
    assert not any(Path(f"/proc/{pid}").exists() for pid in (supervisor, *guests))
    assert not [path for path in set(temporary.iterdir()) - before if "uml" in path.name]
    assert not list(tmp_path.iterdir())


def test_espproof_may_lie_in_a_folder_with_a_space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel's command line knows quotes; a quote itself has no place there."""
    folder = tmp_path / "a folder"
    folder.symlink_to(Path(espproof.__file__).parents[1])
    monkeypatch.setattr(espproof, "__file__", str(folder / "espproof" / "__init__.py"))
    processor = Processor()
    try:
        one = Guest(images.path(""), processor, 60)
        assert one.release
        one.close()
    finally:
        processor.release()
    with pytest.raises(AdapterError, match="no place for the path"):
        quoted('/a"b')
