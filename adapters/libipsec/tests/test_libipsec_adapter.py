"""The adapter of libipsec: what the shim does itself, what it says it cannot, and that libipsec does the rest."""

import dataclasses
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from espproof.adapters import registry
from espproof.adapters.base import AdapterError
from espproof.adapters.case import (
    Delivered,
    Done,
    Dropped,
    Lifetime,
    Octets,
    Outbound,
    Passed,
    Refused,
    Sa,
    Selector,
    Sent,
    SequenceNumber,
    State,
    UdpEncapsulation,
    Unsupported,
)
from espproof.adapters.libipsec import adapter as libipsec
from espproof.adapters.libipsec.adapter import LibipsecAdapter
from espproof.adapters.native import NativeAdapter
from espproof.reference import ip
from espproof.reference.esp import Codec

KNOWN = next(known for known in registry.KNOWN if known.name == "libipsec")
if not registry.present(KNOWN):
    pytest.skip(f"{KNOWN.name} is not here; {KNOWN.install}", allow_module_level=True)

OUT = Sa(
    name="out", direction="out", spi=0x01020304, mode="tunnel", source="192.0.2.17", destination="198.51.100.42",
    encr="ENCR_AES_GCM_16", encr_key=Octets(range(16)), salt=Octets(range(16, 20)), dscp=43, df="set", hop_limit=17,
)  # fmt: skip
IN = replace(OUT, name="in", direction="in", replay_window=128, lookup="spi+destination")
INNER = Octets(ip.build_ipv4(bytes([203, 0, 113, 7]), bytes([203, 0, 113, 130]), 253, bytes(range(30)), tos=0xB8))


@pytest.fixture(scope="module")
def shared() -> Iterator[LibipsecAdapter]:
    with LibipsecAdapter() as adapter:
        yield adapter


@pytest.fixture
def adapter(shared: LibipsecAdapter) -> LibipsecAdapter:
    shared.reset()
    return shared


def sent(adapter: LibipsecAdapter, packet: Octets = INNER) -> Octets:
    outcome = adapter.outbound(Outbound(sa="out", packet=packet))
    assert isinstance(outcome, Sent), outcome
    return outcome.packet


def test_what_it_has_is_probed(adapter: LibipsecAdapter) -> None:
    """GMAC is declared by the shim and not brought by Debian's plugins; what is left has all its key sizes."""
    caps = adapter.capabilities()
    assert "ENCR_NULL_AUTH_AES_GMAC" not in caps.encryption
    assert caps.encryption["ENCR_AES_GCM_16"] == (16, 24, 32)
    assert "libipsec 5." in adapter.version


@pytest.mark.parametrize("addresses", [("192.0.2.17", "198.51.100.42"), ("2001:db8::17", "2001:db8:1::42")])
def test_outer_header_is_that_of_the_sa(adapter: LibipsecAdapter, addresses: tuple[str, str]) -> None:
    """Addresses, hop limit, DSCP and DF; the way back gives the same packet."""
    for sa in (OUT, IN):
        assert adapter.add_sa(replace(sa, source=addresses[0], destination=addresses[1])) == Done()
    packet = sent(adapter)
    outer = ip.parse(packet)
    assert (outer.protocol, outer.hop_limit, outer.dscp, outer.ecn, outer.dont_fragment) == (50, 17, 43, 0, True)
    assert adapter.inbound(packet) == Delivered(packet=INNER, sa="in")
    assert adapter.inbound(packet) == Dropped(reason="replay")


@pytest.mark.parametrize("last", [0, 1, 0x7FFFFFFF, 0xFFFFFFFE])
def test_sender_starts_where_it_is_told(adapter: LibipsecAdapter, last: int) -> None:
    """The counter is set without a function for it, and read back by libipsec's own."""
    assert adapter.add_sa(replace(OUT, sequence=SequenceNumber(last))) == Done()
    assert adapter.read_state("out") == State(sequence=SequenceNumber(last), packets=0, octets=0, lifetime="ok")
    assert int.from_bytes(sent(adapter)[24:28], "big") == last + 1


def test_sender_does_not_cycle(adapter: LibipsecAdapter) -> None:
    """After 2^32 - 1 nothing is sent."""
    adapter.add_sa(replace(OUT, sequence=SequenceNumber(0xFFFFFFFF)))
    assert isinstance(adapter.outbound(Outbound(sa="out", packet=INNER)), Dropped)


def test_receiver_starts_with_its_window(adapter: LibipsecAdapter) -> None:
    """The highest number and those below it that are told are replays, the others are not."""
    adapter.add_sa(replace(IN, sequence=SequenceNumber(1000), received_offsets=(2, 127)))
    for offset, replayed in ((0, True), (1, False), (2, True), (126, False), (127, True), (128, True)):
        adapter.delete_sa("out")
        adapter.add_sa(replace(OUT, sequence=SequenceNumber(1000 - offset - 1)))
        outcome = adapter.inbound(sent(adapter))
        assert isinstance(outcome, Dropped if replayed else Delivered), offset
    assert adapter.read_state("in") == State(
        sequence=SequenceNumber(1000), received_offsets=(0, 1, 2, 126, 127), packets=2, octets=2 * len(INNER),
        lifetime="ok",
    )  # fmt: skip


@pytest.mark.parametrize(
    "fields",
    [
        {"mode": "transport"}, {"esn": True}, {"udp": UdpEncapsulation()}, {"lifetime": Lifetime(soft_seconds=3)},
        {"lookup": "spi"}, {"lookup": "spi+destination+source"}, {"selectors": (Selector(protocol=0),)},
        {"replay_window": 64}, {"replay_window": 0}, {"resync_limit": 1},
        {"encr": "ENCR_AES_GCM_16_IIV"},
    ],
    ids=str,
)  # fmt: skip
def test_what_it_cannot_do_it_says(adapter: LibipsecAdapter, fields: dict[str, object]) -> None:
    """An option that is ignored would be a lie."""
    assert isinstance(adapter.add_sa(replace(IN, **fields)), Unsupported)


def test_what_is_not_for_esp_passes(adapter: LibipsecAdapter) -> None:
    """Another protocol, a fragment, octets that are no packet."""
    adapter.add_sa(IN)
    assert adapter.inbound(INNER) == Passed(to="bypass")
    fragment = ip.build_ipv4(bytes(4), bytes([1, 2, 3, 4]), 50, bytes(40), more_fragments=True)
    assert adapter.inbound(Octets(fragment)) == Dropped(reason="fragment")
    assert adapter.inbound(Octets(b"")) == Dropped(reason="malformed")


def test_names_and_spis_are_used_once(adapter: LibipsecAdapter) -> None:
    """Until the SA is deleted. That it is libipsec who refuses the SPI is seen from another source."""
    assert adapter.add_sa(IN) == Done()
    assert isinstance(adapter.add_sa(replace(IN, spi=0x01020305)), Refused)
    assert isinstance(adapter.add_sa(replace(IN, name="other")), Refused)
    assert adapter.delete_sa("in") == Done()
    assert adapter.add_sa(replace(IN, name="other")) == Done()
    assert adapter.add_sa(replace(IN, name="another", source="192.0.2.18")) == Done()


def test_sas_are_found_by_destination(adapter: LibipsecAdapter) -> None:
    """With one SPI in use at two destinations."""
    adapter.add_sa(OUT)
    adapter.add_sa(IN)
    adapter.add_sa(replace(IN, name="there", destination="198.51.100.43"))
    first = sent(adapter)
    assert adapter.inbound(first) == Delivered(packet=INNER, sa="in")
    adapter.delete_sa("out")
    adapter.add_sa(replace(OUT, destination="198.51.100.43"))
    assert adapter.inbound(sent(adapter)) == Delivered(packet=INNER, sa="there")
    adapter.delete_sa("in")
    assert adapter.inbound(first) == Dropped(reason="no-sa")


@pytest.mark.parametrize("limits", [{"soft_packets": 2, "hard_packets": 3}, {"soft_octets": 90, "hard_octets": 150}])
@pytest.mark.parametrize("direction", ["in", "out"])
def test_traffic_ends_an_sa(adapter: LibipsecAdapter, limits: dict[str, int], direction: str) -> None:
    """libipsec counts, signals the soft limit, and stops at the hard one; packets have 50 octets."""
    limited = Lifetime(**limits)
    adapter.add_sa(replace(OUT, lifetime=limited) if direction == "out" else OUT)
    adapter.add_sa(replace(IN, lifetime=limited) if direction == "in" else IN)
    seen = []
    for _ in range(3):
        assert isinstance(adapter.inbound(sent(adapter)), Delivered)
        state = adapter.read_state(direction)
        assert isinstance(state, State)
        seen.append(state.lifetime)
    assert seen == ["ok", "soft", "hard"]
    last = adapter.outbound(Outbound(sa="out", packet=INNER))
    assert isinstance(last if direction == "out" else adapter.inbound(sent(adapter)), Dropped)
    assert adapter.delete_sa(direction) == Done()


def test_time_ends_an_sa(adapter: LibipsecAdapter) -> None:
    """The timers of libipsec run with the adapter's clock; at the end libipsec deletes the SA by itself."""
    adapter.add_sa(OUT)
    adapter.add_sa(replace(IN, lifetime=Lifetime(soft_seconds=100, hard_seconds=200)))
    for lifetime, seconds in (("ok", 99), ("ok", 1), ("soft", 99)):
        assert isinstance(adapter.inbound(sent(adapter)), Delivered)
        state = adapter.read_state("in")
        assert isinstance(state, State)
        assert state.lifetime == lifetime
        adapter.advance_time(seconds)
    adapter.advance_time(1)
    assert adapter.inbound(sent(adapter)) == Dropped(reason="no-sa")
    assert adapter.read_state("in") == State(lifetime="hard")
    assert isinstance(adapter.delete_sa("in"), Refused)
    assert adapter.add_sa(IN) == Done()


@pytest.mark.parametrize("others", range(6))
def test_timers_end_with_their_case(adapter: LibipsecAdapter, others: int) -> None:
    """A timer of an SA that was forgotten is not left for the next one.

    libipsec knows an SA again by SPI and address in memory, which some number of SAs in front of it makes the same.
    """
    adapter.add_sa(replace(IN, lifetime=Lifetime(hard_seconds=5)))
    adapter.reset()
    adapter.add_sa(OUT)
    for number in range(others):
        adapter.add_sa(replace(IN, name=f"other-{number}", spi=256 + number))
    adapter.add_sa(IN)
    adapter.advance_time(1000)
    assert isinstance(adapter.inbound(sent(adapter)), Delivered)


@pytest.mark.parametrize(
    ("selectors", "fits"),
    [
        ((Selector(source="203.0.113.0/29"),), True), ((Selector(source="203.0.113.8/29"),), False),
        ((Selector(protocol=253, destination="203.0.113.130/32"),), True), ((Selector(protocol=17),), False),
        ((Selector(source="2001:db8::/32"),), False), ((Selector(protocol=17), Selector(protocol=253)), True),
        ((Selector(source="203.0.113.0/24", destination="2001:db8::/32"),), False),
    ],
    ids=str,
)  # fmt: skip
def test_selectors_are_policies(adapter: LibipsecAdapter, selectors: tuple[Selector, ...], fits: bool) -> None:
    """One policy each; what none of them fits is discarded by libipsec."""
    adapter.add_sa(OUT)
    assert adapter.add_sa(replace(IN, selectors=selectors)) == Done()
    assert isinstance(adapter.inbound(sent(adapter)), Delivered if fits else Dropped)


@pytest.mark.parametrize("next_header", [59, 17, 4])
def test_next_header_is_left_to_libipsec(adapter: LibipsecAdapter, next_header: int) -> None:
    """Dummies and transport mode are opened, counted and not handed up, whatever is inside."""
    adapter.add_sa(IN)
    codec = Codec(IN.spi, IN.encr, IN.auth, IN.encr_key, IN.salt, b"", esn=False)
    esp = codec.protect(INNER, next_header, 1, bytes(8))
    packet = ip.build_ipv4(bytes([192, 0, 2, 17]), bytes([198, 51, 100, 42]), 50, esp)
    assert isinstance(adapter.inbound(Octets(packet)), Delivered if next_header == 4 else Dropped)
    state = adapter.read_state("in")
    assert isinstance(state, State)
    assert (state.sequence, state.packets) == (1, 1)


def test_another_version_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The structures of another strongSwan are not known."""
    told = subprocess.CompletedProcess([], 0, stdout="5.9.8-5\n5.9.14-1\n")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: told)
    with pytest.raises(AdapterError, match=r"5\.9\.14-1"):
        LibipsecAdapter()


@pytest.mark.parametrize(
    ("declared", "instead", "kind"),
    [
        ("void *update_sa;", "", "ipsec_sa_mgr_t"), ("void *more[7];", "", "ipsec_sa_t"),
        ("void *get_aead;", "", "esp_context_t"),
        ("scheduler_t *scheduler;", "scheduler_t *other, *scheduler;", "scheduler_t"),
    ],
)  # fmt: skip
def test_another_layout_is_refused(tmp_path: Path, declared: str, instead: str, kind: str) -> None:
    """With another number of members than the library's, no SA of libipsec is touched."""
    folder = tmp_path / "shim"
    shutil.copytree(libipsec._SHIM.folder, folder, ignore=shutil.ignore_patterns("tests", "__pycache__"))
    header = folder / "strongswan.h"
    text = header.read_text(encoding="utf-8")
    assert text.count(declared) == 1
    header.write_text(text.replace(declared, instead), encoding="utf-8")
    with pytest.raises(AdapterError, match=f"not libipsec 5.9.8: {kind}"):
        NativeAdapter("libipsec", dataclasses.replace(libipsec._SHIM, folder=folder))
