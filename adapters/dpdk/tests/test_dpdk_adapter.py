"""rte_ipsec as an implementation under test: what the adapter hands over, declares, and leaves behind."""

import os
import signal
import time
from collections.abc import Iterator

import pytest
from msgspec.structs import replace

from espproof.adapters import registry, translate
from espproof.adapters.base import AdapterFailure, Crashed
from espproof.adapters.case import (
    Burst,
    Delivered,
    Done,
    Dropped,
    InboundBurst,
    Octets,
    Outbound,
    OutboundBurst,
    Passed,
    Refused,
    Sa,
    Sent,
    SequenceNumber,
    UdpEncapsulation,
    Unsupported,
)
from espproof.adapters.dpdk.adapter import ARGUMENTS, NIANTIC, DpdkAdapter
from espproof.reference import endpoint, ip
from espproof.reference.algorithms import INTEGRITY

KNOWN = next(known for known in registry.KNOWN if known.name == "dpdk")
if not registry.present(KNOWN):
    pytest.skip(f"rte_ipsec is not here; {KNOWN.install}", allow_module_level=True)

OUT = Sa(
    name="out",
    direction="out",
    spi=0x01020304,
    mode="tunnel",
    source="192.0.2.17",
    destination="198.51.100.42",
    encr="ENCR_AES_GCM_16",
    encr_key=Octets(bytes(range(16))),
    salt=Octets(b"salt"),
    dscp=0x2B,
    df="set",
)
IN = replace(OUT, name="in", direction="in")
PLAIN = Octets(ip.build_ipv4(bytes([203, 0, 113, 7]), bytes([203, 0, 113, 130]), 253, b"what is protected"))
ENDS = Octets(ip.build_ipv4(bytes([192, 0, 2, 17]), bytes([198, 51, 100, 42]), 253, b"what is protected"))


@pytest.fixture(scope="module")
def opened() -> Iterator[DpdkAdapter]:
    with DpdkAdapter() as adapter:
        yield adapter


@pytest.fixture
def adapter(opened: DpdkAdapter) -> DpdkAdapter:
    opened.reset()
    return opened


def sent(adapter: DpdkAdapter, sa: Sa, plain: Octets = PLAIN) -> Octets:
    assert adapter.add_sa(sa) == Done()
    outcome = adapter.outbound(Outbound(sa=sa.name, packet=plain))
    assert isinstance(outcome, Sent)
    return outcome.packet


def sequence(packet: bytes) -> int:
    return int.from_bytes(packet[24:28], "big")


def test_variants_are_those_of_the_registry() -> None:
    """The plain one aside, what can be opened is what is declared."""
    assert {*ARGUMENTS, NIANTIC} == {"", *KNOWN.variants}


def test_outer_header_is_that_of_the_sa(adapter: DpdkAdapter) -> None:
    """Addresses, DSCP, DF and a right checksum."""
    packet = sent(adapter, replace(OUT, hop_limit=77))
    assert packet[1] >> 2 == 0x2B
    assert packet[6:8] == b"\x40\x00"
    assert packet[8] == 77
    assert packet[12:20] == bytes([192, 0, 2, 17, 198, 51, 100, 42])
    assert ip.checksum(packet[:20]) == 0


@pytest.mark.parametrize("mode", ["tunnel", "transport"])
@pytest.mark.parametrize("udp", [None, UdpEncapsulation(source_port=4501, destination_port=4502)])
def test_round_trip(adapter: DpdkAdapter, mode: str, udp: UdpEncapsulation | None) -> None:
    """UDP encapsulation works in both modes, with the ports of the SA."""
    plain = PLAIN if mode == "tunnel" else ENDS
    packet = sent(adapter, replace(OUT, mode=mode, udp=udp), plain)
    if udp:
        assert packet[9] == 17
        assert packet[20:24] == (4501).to_bytes(2, "big") + (4502).to_bytes(2, "big")
    assert adapter.add_sa(replace(IN, mode=mode, udp=udp)) == Done()
    assert adapter.inbound(packet) == Delivered(packet=plain, sa="in")


@pytest.mark.parametrize("last", [0, 7, 2**32 - 3, 2**40 + 5])
def test_outbound_starts_behind_the_last_number(adapter: DpdkAdapter, last: int) -> None:
    """`sequence` is the last number that was sent."""
    packet = sent(adapter, replace(OUT, esn=True, sequence=SequenceNumber(last)))
    assert sequence(packet) == (last + 1) % 2**32


@pytest.mark.parametrize("esn", [False, True])
@pytest.mark.parametrize("encr", ["ENCR_AES_GCM_16", "ENCR_AES_CCM_16", "ENCR_AES_CBC"])
@pytest.mark.parametrize("highest", [2**31 + 64, 2**32 - 1])
def test_inbound_start_can_be_made(adapter: DpdkAdapter, encr: str, esn: bool, highest: int) -> None:
    """T and the numbers below arrive as packets, also 2^32 - 1, which rte_ipsec does not send without ESN."""
    separate = encr == "ENCR_AES_CBC"
    sa = replace(
        IN,
        encr=encr,
        salt=Octets(b"" if separate else b"slt" if "CCM" in encr else b"salt"),
        auth="AUTH_HMAC_SHA2_256_128" if separate else "NONE",
        auth_key=Octets(bytes(32) if separate else b""),
        esn=esn,
        sequence=SequenceNumber(highest),
        received_offsets=(33, 34),
    )
    assert adapter.add_sa(sa) == Done()
    seen = sent(
        adapter, replace(sa, name="out", direction="out", received_offsets=(), sequence=SequenceNumber(highest - 34))
    )
    assert isinstance(adapter.inbound(seen), Dropped)


def test_packets_of_a_burst_find_their_sas_together(adapter: DpdkAdapter) -> None:
    """Of one SPI the SA that says most of a packet's addresses; behind its end the next one. Both IP versions at once."""
    wide = replace(IN, name="wide", lookup="spi", encr_key=Octets(bytes(16)))
    six = replace(IN, name="six", lookup="spi+destination", source="2001:db8::1", destination="2001:db8::2")
    narrow = replace(IN, name="narrow", lookup="spi+destination+source")
    for sa in (wide, six, narrow):
        assert adapter.add_sa(sa) == Done()
    plain6 = Octets(ip.build_ipv6(bytes(15) + b"\1", bytes(15) + b"\2", 253, b"what is protected"))
    plains = {"wide": PLAIN, "six": plain6, "narrow": PLAIN}

    def packet(sa: Sa, number: int) -> Octets:
        return Octets(endpoint.encapsulate(translate.entry(sa), plains[sa.name], number))  # type: ignore[arg-type]

    elsewhere = replace(wide, source="192.0.2.99")
    burst = adapter.inbound_burst(InboundBurst(packets=tuple(packet(sa, 1) for sa in (narrow, six, elsewhere))))
    assert isinstance(burst, Burst)
    assert [getattr(one, "sa", None) for one in burst.results] == ["narrow", "six", "wide"]
    assert isinstance(adapter.inbound(packet(wide, 2)), Dropped)
    assert adapter.delete_sa("narrow") == Done()
    burst = adapter.inbound_burst(InboundBurst(packets=(packet(narrow, 2), packet(wide, 2), packet(six, 2))))
    assert isinstance(burst, Burst)
    assert [getattr(one, "sa", None) for one in burst.results] == [None, "wide", "six"]


def test_bursts_keep_their_order(adapter: DpdkAdapter) -> None:
    """More packets than go to rte_ipsec at once, a broken one and one for nobody among them."""
    assert adapter.add_sa(OUT) == adapter.add_sa(IN) == Done()
    burst = adapter.outbound_burst(OutboundBurst(sa="out", packets=(PLAIN,) * 150))
    assert isinstance(burst, Burst)
    packets = [result.packet for result in burst.results if isinstance(result, Sent)]
    assert [sequence(packet) for packet in packets] == list(range(1, 151))
    packets[70] = Octets(packets[70][:-1] + b"?")
    packets[71] = PLAIN
    told = adapter.inbound_burst(InboundBurst(packets=tuple(packets)))
    assert isinstance(told, Burst)
    kinds: list[type[object]] = [type(result) for result in told.results]
    expected: list[type[object]] = [Delivered] * 150
    expected[70], expected[71] = Dropped, Passed
    assert kinds == expected


@pytest.mark.parametrize(
    "sa",
    [
        replace(IN, destination="2001:db8::1"),
        replace(IN, encr_key=Octets(bytes(17))),
        replace(IN, auth="AUTH_HMAC_SHA1_96", auth_key=Octets(bytes(20))),
        replace(IN, encr="ENCR_AES_CTR"),
    ],
)
def test_refused(adapter: DpdkAdapter, sa: Sa) -> None:
    """SAs that the RFCs do not allow; nothing is left of them."""
    assert isinstance(adapter.add_sa(sa), Refused)
    assert adapter.add_sa(IN) == Done()
    assert isinstance(adapter.add_sa(IN), Refused)
    assert isinstance(adapter.add_sa(replace(IN, name="other")), Refused)


@pytest.mark.parametrize(
    "sa",
    [
        replace(OUT, encr="ENCR_AES_GCM_16_IIV"),
        replace(OUT, salt=Octets(b"abc")),
        replace(OUT, encr="ENCR_NULL_AUTH_AES_GMAC", auth="AUTH_HMAC_SHA1_96", auth_key=Octets(bytes(20))),
        replace(
            OUT, encr="ENCR_NULL", encr_key=Octets(), salt=Octets(), auth="AUTH_HMAC_SHA1_96",
            auth_key=Octets(bytes(20)), protocol="ah",
        ),
    ],
)  # fmt: skip
def test_unsupported(adapter: DpdkAdapter, sa: Sa) -> None:
    """What rte_ipsec cannot be told is not done in another way."""
    assert isinstance(adapter.add_sa(sa), Unsupported)


def test_every_length_of_garbage_is_answered(adapter: DpdkAdapter) -> None:
    """Packets that are cut short anywhere, and headers that lie."""
    packet = sent(adapter, OUT)
    assert adapter.add_sa(IN) == Done()
    for size in range(len(packet)):
        assert isinstance(adapter.inbound(Octets(packet[:size])), Dropped)
        honest = packet[:2] + max(size, 20).to_bytes(2, "big") + packet[4 : max(size, 20)]
        assert isinstance(adapter.inbound(Octets(honest)), Dropped)
    assert adapter.inbound(packet) == Delivered(packet=PLAIN, sa="in")


def test_crossed_tunnels_carry_the_other_version() -> None:
    """IPv6 in IPv4, and no transport mode."""
    plain = Octets(ip.build_ipv6(bytes(range(16)), bytes(range(16, 32)), 253, b"what is protected"))
    with DpdkAdapter("crossed") as adapter:
        assert adapter.capabilities().modes == ("tunnel",)
        packet = sent(adapter, OUT, plain)
        assert adapter.add_sa(IN) == Done()
        assert adapter.inbound(packet) == Delivered(packet=plain, sa="in")


def test_integrity_algorithms_of_the_cpu_path_are_survived() -> None:
    """One packet with each that is declared; what the driver dies with is not declared, and refused before it can."""
    with DpdkAdapter("cpu") as adapter:
        integrity = adapter.capabilities().integrity
        assert "AUTH_HMAC_SHA2_256_128" in integrity
        for auth, algorithm in INTEGRITY.items():
            if auth == "NONE":
                continue
            adapter.reset()
            key = Octets(bytes(range(algorithm.key_size)))
            sa = replace(OUT, encr="ENCR_AES_CBC", salt=Octets(b""), auth=auth, auth_key=key)
            if auth in integrity:
                assert isinstance(sent(adapter, sa), bytes)
            else:
                assert isinstance(adapter.add_sa(sa), Unsupported)


@pytest.mark.parametrize("mode", ["tunnel", "transport"])
def test_gmac_with_esn_is_a_variant_where_every_packet_is_wrong(adapter: DpdkAdapter, mode: str) -> None:
    """It sends, and does nothing else; the variants beside it do not do that."""
    gmac = replace(OUT, encr="ENCR_NULL_AUTH_AES_GMAC", esn=True, mode=mode)
    assert isinstance(adapter.add_sa(gmac), Unsupported)
    with DpdkAdapter("gmac") as alone:
        assert alone.capabilities().directions == ("out",)
        assert set(alone.capabilities().encryption) == {"ENCR_NULL_AUTH_AES_GMAC"}
        assert isinstance(sent(alone, gmac, PLAIN if mode == "tunnel" else ENDS), bytes)
        assert isinstance(alone.add_sa(replace(OUT, name="other")), Unsupported)
        assert isinstance(alone.add_sa(replace(gmac, name="in", direction="in")), Unsupported)


@pytest.mark.parametrize("window", [0, 32, 63])
def test_small_windows_with_esn_are_handed_over(adapter: DpdkAdapter, window: int) -> None:
    """What rte_ipsec makes of them is for the suite to find."""
    assert adapter.add_sa(replace(IN, esn=True, replay_window=window)) == Done()


@pytest.mark.parametrize("stop", [signal.SIGKILL, signal.SIGSEGV])
def test_death_is_a_verdict_and_the_next_case_has_a_fresh_process(stop: signal.Signals) -> None:
    """Of the process that is killed nothing is left."""
    others = set(shims(os.getpid()))
    with DpdkAdapter() as adapter:
        (started,) = set(shims(os.getpid())) - others
        os.kill(started, stop)
        with pytest.raises(AdapterFailure) as raised:
            adapter.reset()
        assert isinstance(raised.value, Crashed)
        adapter.reset()
        assert isinstance(sent(adapter, OUT), bytes)
    wait_until_gone()


def shims(pid: int) -> list[int]:
    """Of all processes below this one, those of the shim; in no order, since numbers of processes begin anew."""
    found: list[int] = []
    for entry in os.listdir("/proc"):
        try:
            with open(f"/proc/{entry}/stat", encoding="utf-8") as file:
                name, rest = file.read().split("(", 1)[1].rsplit(")", 1)
        except (OSError, IndexError):
            continue
        parent = int(rest.split()[1])
        if parent == pid:
            found += [int(entry)] if name.startswith("dpdk-") else []
            found += shims(int(entry))
    return found


def wait_until_gone() -> None:
    before = set(shims(os.getpid()))
    deadline = time.monotonic() + 30
    while len(before) > 1 and time.monotonic() < deadline:
        time.sleep(0.05)
        before = set(shims(os.getpid()))
    assert len(before) <= 1  # the one of the module's fixture
