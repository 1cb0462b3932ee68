"""The openconnect adapter's own decisions: SA pairs and clients, drops, and clients that die, hang or talk nonsense."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from espproof.adapters.base import AdapterError, Crashed, Hung
from espproof.adapters.case import (
    Burst,
    Case,
    Delivered,
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
    Sent,
    SequenceNumber,
    State,
    Step,
    Unsupported,
)
from espproof.adapters.openconnect import client
from espproof.adapters.openconnect.adapter import _DECLARED, OpenConnectAdapter
from espproof.adapters.openconnect.log import MARKER_SPI
from espproof.conformance.checks.scenario import Peer
from espproof.reference import ip
from espproof.reference.esp import sequence_low, spi_of

pytestmark = pytest.mark.skipif(client.program() is None, reason="openconnect is not installed")

_PACKET = Octets(ip.build_ipv4(b"\xc0\0\2\1", b"\xc0\0\2\2", 253, b"inner packet"))


@pytest.fixture(scope="module")
def adapter() -> Iterator[OpenConnectAdapter]:
    with OpenConnectAdapter() as one:
        yield one


def sa(direction: str = "in", **fields: object) -> Sa:
    plain = Sa(
        name=direction, direction="in" if direction == "in" else "out", spi=0x1234, mode="tunnel",
        source="198.51.100.1", destination="192.0.2.1", encr="ENCR_AES_CBC", encr_key=Octets(range(16)),
        auth="AUTH_HMAC_SHA1_96", auth_key=Octets(range(20)), replay_window=65, df="clear",
        sequence=SequenceNumber(0 if direction == "in" else 2),
    )  # fmt: skip
    return replace(plain, **fields)


def arriving(*numbers: int, to: Sa | None = None) -> list[Octets]:
    peer = Peer(to or sa())
    return [Octets(peer.protect(_PACKET, number)) for number in numbers]


def case(*sas: Sa, steps: tuple[Step, ...] = ()) -> Case:
    return Case(version=1, sas=sas, steps=steps)


def descendants(pid: int) -> list[int]:
    """The processes below one."""
    try:
        mine = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8").split()]
    except OSError:
        return []
    return [*mine, *(lower for child in mine for lower in descendants(child))]


def gone(pids: list[int]) -> bool:
    """Whether all of these processes end within seconds."""
    until = time.monotonic() + 30
    while any(Path(f"/proc/{pid}").exists() for pid in pids):
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    return True


def running(adapter: OpenConnectAdapter) -> int:
    """The process id of the client that has the first SA."""
    one = adapter._tunnels[0].client
    assert one is not None
    return descendants(one._process.pid)[0]


def test_what_is_declared_was_probed(adapter: OpenConnectAdapter) -> None:
    """AES-CBC with both key sizes; the numbers begin behind three probes, of which the first had number 0."""
    capabilities = adapter.capabilities()
    assert capabilities.encryption == {"ENCR_AES_CBC": (16, 32)}
    assert "AUTH_HMAC_SHA1_96" in capabilities.integrity
    assert capabilities.sequence_start == 2


def test_the_first_packet_has_the_number_behind_the_probes(adapter: OpenConnectAdapter) -> None:
    """`sequence_start` is what the client has used up."""
    sent = adapter.execute(case(sa("out"), steps=(Outbound(sa="out", packet=_PACKET),))).steps[0]
    assert isinstance(sent, Sent)
    assert sequence_low(ip.parse(sent.packet).payload) == 3


def test_what_was_sent_before_the_case_is_told(adapter: OpenConnectAdapter) -> None:
    """The three probes as the gateway got them, in the headers of the outbound SA; of an inbound SA there are none."""
    pair = sa(), sa("out", spi=0x5678)
    steps = (ReadState(sa="out"), Outbound(sa="out", packet=_PACKET), ReadState(sa="out"), ReadState(sa="in"))
    first, _, again, inbound = adapter.execute(case(*pair, steps=steps)).steps
    assert isinstance(first, State)
    assert first.early is not None
    packets = [ip.parse(packet) for packet in first.early]
    assert [(spi_of(one.payload), sequence_low(one.payload)) for one in packets] == [(0x5678, n) for n in (0, 1, 2)]
    assert {(one.source, one.destination) for one in packets} == {(b"\xc6\x33\x64\x01", b"\xc0\0\2\1")}
    assert again == first
    assert inbound == State()
    assert adapter.take(ReadState(sa="nobody")) == Refused(reason="no SA of that name")


def test_the_window_is_as_declared(adapter: OpenConnectAdapter) -> None:
    """65 numbers: the highest and 64 below it."""
    steps = (InboundBurst(packets=tuple(arriving(100, 36, 35))),)
    burst = adapter.execute(case(sa(), steps=steps)).steps[0]
    assert burst.results[:2] == (Delivered(packet=_PACKET, sa="in"),) * 2  # type: ignore[union-attr]
    assert burst.results[2] == Dropped(reason="replay")  # type: ignore[union-attr]


def test_a_burst_has_the_results_of_single_packets(adapter: OpenConnectAdapter) -> None:
    """Delivered, forged, too short and replayed packets, more than are under way at once."""
    packets = arriving(*range(1, 40), 5, *range(45, 60))
    packets[7] = Octets(packets[7][:-1] + bytes([packets[7][-1] ^ 1]))
    packets[9] = Octets(ip.build_ipv4(b"\xc0\0\2\1", b"\xc0\0\2\2", 50, b""))
    burst = adapter.execute(case(sa(), steps=(InboundBurst(packets=tuple(packets)),))).steps[0]
    single = adapter.execute(case(sa(), steps=tuple(Inbound(packet=packet) for packet in packets))).steps
    assert burst.results == single  # type: ignore[union-attr]
    assert single[7] == Dropped(reason="integrity")
    assert single[9] == Dropped(reason="malformed")
    assert single[39] == Dropped(reason="replay")


def test_a_pair_is_one_client_and_other_algorithms_are_another(adapter: OpenConnectAdapter) -> None:
    """A client has the same algorithms in both directions."""
    adapter.execute(case(sa(), sa("out")))
    assert len(adapter._tunnels) == 1
    other = sa("out", auth="AUTH_HMAC_SHA2_256_128", auth_key=Octets(range(32)))
    assert adapter.execute(case(sa(), other)).setup == (Done(), Done())
    assert len(adapter._tunnels) == 2


def test_markers_of_the_beginning_are_not_counted_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client has remarked on one that nobody has seen, and is slow with the next: it comes when packets are there."""
    take = client.Client._take_inner

    def slowly(self: client.Client) -> socket.socket:
        inner = take(self)
        self._send(client._marker(MARKER_SPI))
        time.sleep(0.2)
        pid, *_ = descendants(self._process.pid)
        os.kill(pid, signal.SIGSTOP)
        threading.Timer(0.5, os.kill, (pid, signal.SIGCONT)).start()
        return inner

    monkeypatch.setattr(client.Client, "_take_inner", slowly)
    right, forged = arriving(1)[0], Octets(arriving(2)[0][:-1] + b"?")
    with OpenConnectAdapter() as one:
        (burst,) = one.execute(case(sa(), steps=(InboundBurst(packets=(right, forged)),))).steps
    assert isinstance(burst, Burst)
    assert burst.results == (Delivered(packet=_PACKET, sa="in"), Dropped(reason="integrity"))


def test_what_is_not_the_clients_is_refused_or_unsupported(adapter: OpenConnectAdapter) -> None:
    """Names and SPIs in use, addresses that are none, modes, and numbers to start at."""
    assert isinstance(adapter.execute(case(sa(), sa("out", name="in"))).setup[1], Refused)
    assert isinstance(adapter.execute(case(sa(), sa(name="again"))).setup[1], Refused)
    assert isinstance(adapter.execute(case(sa(source="192.0.2.256"))).setup[0], Refused)
    assert isinstance(adapter.execute(case(sa(mode="transport"))).setup[0], Unsupported)
    assert isinstance(adapter.execute(case(sa("out", sequence=SequenceNumber(7)))).setup[0], Unsupported)


def program_that(script: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a shell script in the place of openconnect."""
    program = folder / "openconnect"
    program.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")


def test_death_is_a_crash_and_the_next_case_has_a_new_client(adapter: OpenConnectAdapter) -> None:
    """Also if it dies between two packets."""
    adapter.execute(case(sa()))
    os.kill(running(adapter), signal.SIGKILL)
    with pytest.raises(Crashed, match="SIGKILL"):
        adapter.take(Inbound(packet=arriving(1)[0]))
    good = adapter.execute(case(sa(), steps=(Inbound(packet=arriving(1)[0]),)))
    assert isinstance(good.steps[0], Delivered)


def test_an_end_after_the_tunnel_was_up_is_a_crash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also if the client ends by itself, with a status."""
    program_that(f'{client.program()} "$@" & trap "exit 3" USR1; wait', tmp_path, monkeypatch)
    monkeypatch.setattr(OpenConnectAdapter, "_capabilities", _DECLARED)
    with OpenConnectAdapter() as adapter:
        assert adapter.add_sa(sa()) == Done()
        shell = running(adapter)
        below = descendants(shell)
        os.kill(shell, signal.SIGUSR1)
        assert gone(below)
        with pytest.raises(Crashed, match="exit status 3"):
            adapter.take(Inbound(packet=arriving(1)[0]))


def test_who_gives_up_before_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The third client connects, and the case goes on as if there had been no others."""
    count = tmp_path / "count"
    real = client.program()
    program_that(f'[ $(wc -l <"{count}") -ge 2 ] && exec {real} "$@"; echo >>"{count}"; exit 1', tmp_path, monkeypatch)
    monkeypatch.setattr("espproof.adapters.openconnect.adapter._STARTED_AHEAD", 1)
    monkeypatch.setattr(OpenConnectAdapter, "_capabilities", _DECLARED)
    count.touch()
    with OpenConnectAdapter() as adapter:
        assert adapter.add_sa(sa()) == Done()
        assert isinstance(adapter.take(Inbound(packet=arriving(1)[0])), Delivered)
        assert len(adapter._tunnels) == 1
    assert len(count.read_text(encoding="utf-8").splitlines()) == 2


def test_who_always_gives_up_is_no_verdict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After three clients it is the adapter that could not; their last words are told."""
    count = tmp_path / "count"
    program_that(f'echo >>"{count}"; echo no gateway; exit 1', tmp_path, monkeypatch)
    monkeypatch.setattr("espproof.adapters.openconnect.adapter._STARTED_AHEAD", 1)
    with OpenConnectAdapter() as adapter:
        with pytest.raises(AdapterError, match=r"3 clients gave up .* exit status 1; its log ends: no gateway"):
            adapter.capabilities()
        assert adapter._tunnels == []
    assert len(count.read_text(encoding="utf-8").splitlines()) == 3


def test_silence_is_a_hang(adapter: OpenConnectAdapter, monkeypatch: pytest.MonkeyPatch) -> None:
    """In either direction."""
    for step in (Inbound(packet=arriving(1)[0]), OutboundBurst(sa="out", packets=(_PACKET,) * 40)):
        adapter.execute(case(sa(), sa("out")))
        os.kill(running(adapter), signal.SIGSTOP)
        with monkeypatch.context() as patch:
            patch.setattr(client, "_SECONDS", 0.5)
            with pytest.raises(Hung):
                adapter.take(step)


@pytest.mark.parametrize(
    ("script", "failure"),
    [
        ("exit 3", AdapterError),
        ("kill -SEGV $$", Crashed),
        ("echo hello; exec sleep 60", Hung),
        ("exec 1>&- 2>&-; exec sleep 60", Crashed),
        ("while :; do echo a line; sleep 0.1; done", Hung),
        ("exec tr '\\0' x </dev/zero", AdapterError),
        ("exec yes a line of some length", AdapterError),
    ],
)
def test_a_program_that_is_no_client(
    script: str, failure: type[Exception], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ends, hangs or floods before it has connected."""
    program_that(script, tmp_path, monkeypatch)
    monkeypatch.setattr(client, "_SECONDS", 1.0 if failure is Hung else 60.0)
    with OpenConnectAdapter() as adapter, pytest.raises(failure):
        adapter.capabilities()


def test_nothing_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither after `close` nor after the death of who used it: no process, no file."""
    before = set(descendants(os.getpid()))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with OpenConnectAdapter() as adapter:
        adapter.execute(case(sa()))
        assert set(descendants(os.getpid())) > before
    assert set(descendants(os.getpid())) <= before
    program = (
        "import sys, time; from espproof.adapters.openconnect.adapter import OpenConnectAdapter as A; a = A();"
        "a.capabilities(); a._start_ahead(); print('up', flush=True); time.sleep(60)"
    )
    user = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    assert user.stdout is not None
    with user.stdout:
        user.stdout.readline()
        below = descendants(user.pid)
        user.kill()
        user.wait()
    assert below
    assert gone(below)
    assert list(tmp_path.iterdir()) == []
