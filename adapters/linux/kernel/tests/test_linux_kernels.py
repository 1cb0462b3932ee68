"""That kernels built to find more do so: the ordinary guest, with one operation more, on each where it is built."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from espproof.adapters.base import Crashed
from espproof.adapters.linux import association
from espproof.adapters.linux.kernel import images
from espproof.adapters.linux.kernel.guest import Guest
from espproof.adapters.linux.kernel.processor import Processor
from espproof.adapters.models.reference import ReferenceAdapter
from espproof.conformance.selfcheck.rig import Flow, Rig

PROGRAM = """
import ctypes, fcntl, mmap, os, sys
from bisect import bisect
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from espproof.adapters.linux.inside import agent, guest_main

DEBUG = "/sys/kernel/debug"
INIT_TRACE, ENABLE, DISABLE, TRACE_PC = 0x80086301, 0x6364, 0x6365, 0
WORDS = 1 << 16
LIBC = ctypes.CDLL(None)
MMAP = LIBC.mmap
MMAP.restype = ctypes.c_void_p
MMAP.argtypes = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long

def debugfs():
    LIBC.mount(b"debugfs", DEBUG.encode(), b"debugfs", 0, None)

def provoke(_agent, _packets, _out, mistake):
    debugfs()
    Path(DEBUG, "provoke-crash/DIRECT").write_text(mistake)
    return ["done"]

def covered(served, packets, out, name, *arguments):
    debugfs()
    kcov = os.open(DEBUG + "/kcov", os.O_RDWR)
    fcntl.ioctl(kcov, INIT_TRACE, WORDS)
    at = MMAP(None, WORDS * 8, mmap.PROT_READ | mmap.PROT_WRITE, mmap.MAP_SHARED, kcov, 0)  # mmap.mmap wants a file's size
    area = (ctypes.c_uint64 * WORDS).from_address(at)
    fcntl.ioctl(kcov, ENABLE, TRACE_PC)
    area[0] = 0
    result = agent._OPERATIONS[name](served, packets, out, *arguments)
    count = area[0]
    fcntl.ioctl(kcov, DISABLE, 0)
    lines = [line.split()[:3] for line in Path("/proc/kallsyms").read_text().splitlines()]
    symbols = sorted((int(address, 16), symbol) for address, kind, symbol in lines if kind in "tT")
    addresses = [address for address, _ in symbols]
    return [result, sorted({symbols[bisect(addresses, at) - 1][1] for at in area[1 : count + 1]})]

agent._OPERATIONS |= {"provoke": provoke, "covered": covered}
guest_main.main()
"""

Make = Callable[..., Guest]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    program = tmp_path / "more.py"
    program.write_text(PROGRAM, encoding="utf-8")
    processor = Processor()
    guests: list[Guest] = []

    class WithMore(Guest):
        def _command(self, descriptor: int) -> list[str]:
            words = super()._command(descriptor)
            return [str(program) if word.endswith("/guest_main.py") else word for word in words]

    def one(variant: str, *, gro: bool = False) -> Guest:
        if not images.is_built(variant):
            pytest.skip(f"linux:{variant} is not built: espproof adapters build linux --variant {variant}")
        guests.append(WithMore(images.path(variant), processor, 30, gro=gro))
        return guests[-1]

    yield one
    for guest in guests:
        guest.close()
    processor.release()


@pytest.mark.parametrize(
    ("mistake", "report"),
    [
        ("SLAB_LINEAR_OVERFLOW", "KASAN: slab-out-of-bounds"),
        ("READ_AFTER_FREE", "KASAN: slab-use-after-free"),
        ("WRITE_AFTER_FREE", "KASAN: slab-use-after-free"),
        ("ARRAY_BOUNDS", "UBSAN: array-index-out-of-bounds"),
        ("WARNING", "WARNING: "),
        ("BUG", "BUG: failure at"),
        ("PANIC", "Kernel panic"),
    ],
)
def test_a_mistake_of_the_kernel_is_a_crash_of_the_case(make: Make, mistake: str, report: str) -> None:
    """Those of the kernel's own test of such finders (LKDTM), whether it goes on after them or not."""
    guest = make("kasan")
    assert guest.ask([["reset", False]], [], 20) == ([["done"]], [])
    with pytest.raises(Crashed) as raised:
        guest.ask([["provoke", mistake]], [], 20)
    assert report in str(raised.value)


def _passed(guest: Guest, packet: bytes) -> tuple[str, set[str]]:
    """What became of a packet that arrives, and the functions that it passed."""
    (((_, outcomes), functions),), _ = guest.ask([["covered", "receive", 1]], [packet], 20)
    return outcomes[0][0], set(functions)


@pytest.fixture(scope="module")
def flow() -> Flow:
    reference = ReferenceAdapter()
    rig = Rig(reference, reference.capabilities())
    return rig.flow("in", encr="ENCR_AES_GCM_16", mode="tunnel", inner=4, outer=4, esn=True, replay_window=64)


def test_coverage_tells_which_functions_a_packet_passes(make: Make, flow: Flow) -> None:
    """Of ESP and xfrm, from the interrupt in which it arrives to its delivery; and of nothing else."""
    guest = make("kcov")
    guest.ask([["reset", False], ["add", association.describe(flow.sa, 1)]], [], 20)
    _passed(guest, flow.protected(1))  # and what happens only once
    kind, accepting = _passed(guest, flow.protected(3))
    assert kind == "delivered"
    assert accepting >= {"xfrm_input", "esp_input", "esp_input_done2", "xfrm_replay_advance"}
    kind, refusing = _passed(guest, flow.forged(2).packet)
    assert kind == "dropped"
    assert "xfrm_replay_advance" not in refusing
    assert "esp_input" in refusing
    assert not {name for name in accepting if name.startswith(("ip_", "tun_", "netif_"))}


@pytest.mark.parametrize("gro", [True, False])
def test_a_packet_arrives_through_gro_where_it_is_asked_for(make: Make, flow: Flow, gro: bool) -> None:
    guest = make("kcov", gro=gro)
    guest.ask([["reset", False], ["add", association.describe(flow.sa, 1)]], [], 20)
    kind, functions = _passed(guest, flow.protected(1))
    assert kind == "delivered"
    assert ("esp4_gro_receive" in functions) == gro
