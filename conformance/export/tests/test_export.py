"""What is exported can be used: tshark opens it, `ip` understands it, scapy runs it; hostile names change nothing."""

import os
import shlex
import shutil
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from espproof.adapters.base import Transcript
from espproof.adapters.case import (
    AddSa,
    AdvanceTime,
    Case,
    DeleteSa,
    Delivered,
    Done,
    Inbound,
    InboundBurst,
    Lifetime,
    Octets,
    Outbound,
    OutboundBurst,
    ReadState,
    Sa,
    Selector,
    Sent,
    SequenceNumber,
    UdpEncapsulation,
    from_json,
)
from espproof.adapters.models.reference import ReferenceAdapter
from espproof.conformance.export import SUFFIXES, export, write_all
from espproof.conformance.export.ip_xfrm import ip_xfrm
from espproof.conformance.export.pcap import packets, pcap
from espproof.conformance.export.scapy_snippet import scapy
from espproof.conformance.export.wireshark import NEWER_THAN_4_0, options, wireshark
from espproof.reference import ip
from espproof.reference.algorithms import ENCRYPTION, INTEGRITY, pairs
from espproof.reference.errors import Misuse

INNER = ip.build_ipv4(bytes([10, 1, 2, 3]), bytes([10, 4, 5, 6]), 17, b"\xc3\x51\xc3\x52\x00\x0c\x00\x00data")
PAIRS = [(cipher.name, integrity.name) for cipher, integrity in pairs()]
HOSTILE = "a'\"`$(touch PWNED)\n touch PWNED\r\n\x1b]0;x\x07\u202e\\ \u2028\"\"\"\n__import__('os').mkdir('PWNED') #"


def sa(encr: str = "ENCR_AES_GCM_16", auth: str = "NONE", **fields: Any) -> Sa:
    cipher, integrity = ENCRYPTION[encr], INTEGRITY[auth]
    values: dict[str, Any] = {
        "name": "sa0", "direction": "out", "spi": 0x12345678, "mode": "tunnel", "source": "192.0.2.1",
        "destination": "198.51.100.2", "encr_key": Octets(range(1, 1 + cipher.key_sizes[-1])),
        "salt": Octets(range(0xA0, 0xA0 + cipher.salt_size)),
        "auth_key": Octets(range(0x40, 0x40 + integrity.key_size)), "sequence": SequenceNumber(6),
    }  # fmt: skip
    return Sa(encr=encr, auth=auth, **(values | fields))


def both_ways(out: Sa) -> Case:
    """The SA sends a packet, and its twin receives that packet twice."""
    twin = msgspec.structs.replace(out, name="twin", direction="in")
    sending = Case(version=1, sas=(out,), steps=(Outbound(sa=out.name, packet=Octets(INNER)),))
    sent = ReferenceAdapter().execute(sending).steps[0]
    assert isinstance(sent, Sent)
    burst = InboundBurst(packets=(sent.packet, sent.packet))
    return msgspec.structs.replace(sending, sas=(out, twin), steps=(*sending.steps, burst))


# ---------------------------------------------------------------------------------------------------------------- pcap


def records(capture: bytes) -> list[tuple[int, int, bytes]]:
    magic, major, minor, _, _, _, link = struct.unpack_from("<IHHiIII", capture)
    assert (magic, major, minor, link) == (0xA1B23C4D, 2, 4, 101)
    found, at = [], 24
    while at < len(capture):
        second, nanosecond, kept, whole = struct.unpack_from("<IIII", capture, at)
        assert kept == whole
        found.append((second, nanosecond, capture[at + 16 : at + 16 + kept]))
        at += 16 + kept
    return found


def test_a_capture_has_the_packets_in_the_order_of_the_steps() -> None:
    """The second is the step, the nanosecond the place in the burst; steps without packets leave a gap."""
    case = both_ways(sa())
    case = msgspec.structs.replace(case, steps=(case.steps[0], ReadState(sa="sa0"), case.steps[1]))
    found = records(pcap(case))
    assert [(second, nanosecond) for second, nanosecond, _ in found] == [(0, 0), (2, 0), (2, 1)]
    assert found[0][2] == found[1][2] == found[2][2]


def test_what_an_implementation_sent_instead_follows() -> None:
    """Half a second later, and only where it is another packet."""
    case = Case(version=1, sas=(sa(),), steps=(OutboundBurst(sa="sa0", packets=(Octets(INNER),) * 2),))
    want = ReferenceAdapter().execute(case)
    assert len(records(pcap(case, want))) == 2
    other = ReferenceAdapter().execute(msgspec.structs.replace(case, sas=(sa(spi=0x999),)))
    assert [at for at, _, _ in records(pcap(case, other))] == [0, 0, 0, 0]
    assert [nanosecond for _, nanosecond, _ in records(pcap(case, other))] == [0, 1, 500_000_000, 500_000_001]
    short = Transcript(setup=(Done(),), steps=())
    assert len(records(pcap(case, short))) == 2


def test_the_expected_packet_of_the_case_stands_in_the_capture() -> None:
    """A vector knows better than any implementation what should leave."""
    step = Outbound(sa="sa0", packet=Octets(INNER), expect=Sent(packet=Octets(b"vector")))
    assert [octets for _, _, octets in packets(Case(version=1, sas=(sa(),), steps=(step,)))] == [b"vector"]


# ----------------------------------------------------------------------------------------------------------- wireshark

needs_tshark = pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")


def tshark(folder: Path, case: Case, *fields: str) -> list[list[str]]:
    """The fields of each packet of a case, as tshark reads its export."""
    capture = folder / "x.pcap"
    capture.write_bytes(pcap(case))
    command = ["tshark", "-r", str(capture), *options(case), "-T", "fields", "-E", "occurrence=a"]
    command += [word for field in fields for word in ("-e", field)]
    home = {**os.environ, "HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False, env=home)
    assert done.returncode == 0, done.stderr
    return [line.split("\t") for line in done.stdout.splitlines()]


@needs_tshark
@pytest.mark.parametrize(
    ("encr", "auth"),
    [pair for pair in PAIRS if ENCRYPTION[pair[0]].names.wireshark and pair[0] not in NEWER_THAN_4_0],
)
def test_wireshark_opens_every_algorithm_that_it_knows(encr: str, auth: str, tmp_path: Path) -> None:
    """The inner packet is there, and the ICV is good or (where Wireshark cannot check it) at least not bad."""
    rows = tshark(tmp_path, both_ways(sa(encr, auth)), "ip.dst", "udp.dstport", "esp.icv_good", "esp.icv_bad")
    assert [row[:2] for row in rows] == [["198.51.100.2,10.4.5.6", "50002"]] * 3
    checked = INTEGRITY[auth].names.wireshark is not None
    assert {(row[2], row[3]) for row in rows} == {("1", "0") if checked else ("0", "0")}


@needs_tshark
def test_wireshark_says_so_when_the_icv_is_wrong(tmp_path: Path) -> None:
    """The keys are really used: with one bit of the packet changed, the ICV is bad."""
    case = both_ways(sa("ENCR_AES_CBC", "AUTH_HMAC_SHA2_256_128"))
    packet = next(octets for _, _, octets in packets(case))
    broken = Octets(packet[:-1] + bytes([packet[-1] ^ 1]))
    case = msgspec.structs.replace(case, steps=(Inbound(packet=broken),))
    assert tshark(tmp_path, case, "esp.icv_good", "esp.icv_bad") == [["0", "1"]]


@needs_tshark
@pytest.mark.parametrize(
    "fields",
    [
        {}, {"udp": UdpEncapsulation()}, {"udp": UdpEncapsulation(source_port=7000, destination_port=7001)},
        {"source": "2001:db8::1", "destination": "2001:db8::2"}, {"lookup": "spi+destination+source"},
        {"mode": "transport", "source": "10.1.2.3", "destination": "10.4.5.6"},
        {"esn": True, "sequence": SequenceNumber(0x5_0000_0001)},
    ],
    ids=str,
)  # fmt: skip
def test_wireshark_opens_every_kind_of_sa(fields: dict[str, Any], tmp_path: Path) -> None:
    """UDP ports, IP versions, lookup, modes; with extended numbers the ICV may be beyond it, the inner packet is not."""
    it = sa("ENCR_AES_CBC", "AUTH_HMAC_SHA2_256_128", **fields)
    rows = tshark(tmp_path, both_ways(it), "udp.dstport", "esp.icv_good")
    assert all(row[0].split(",")[-1] == "50002" for row in rows)
    good = {row[1] for row in rows}
    assert good == {"1"} or (fields.get("esn") and good == {"0"})


@needs_tshark
def test_the_whole_command_runs(tmp_path: Path) -> None:
    """The exported text is a script that prints the dissected packets."""
    write_all(both_ways(sa()), tmp_path, "it")
    done = subprocess.run(["sh", "it.wireshark.txt"], cwd=tmp_path, capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stderr
    assert "Src: 10.1.2.3, Dst: 10.4.5.6" in done.stdout


@pytest.mark.parametrize(
    ("it", "words"),
    [
        (sa("ENCR_AES_CCM_16"), "cannot open"), (sa("ENCR_CHACHA20_POLY1305"), "later versions do"),
        (sa(esn=True), "high half"), (sa("ENCR_AES_CBC", "AUTH_AES_CMAC_96"), "does not check"),
        (sa(source="999.1.1.1"), "left out"), (msgspec.structs.replace(sa(), encr="x"), "left out"),
    ],
    ids=lambda value: value if isinstance(value, str) else value.encr,
)  # fmt: skip
def test_what_wireshark_cannot_do_is_said(it: Sa, words: str) -> None:
    """In a comment about that SA."""
    text = " ".join(line.strip("# ") for line in wireshark(Case(version=1, sas=(it,))).splitlines())
    assert words in text


# ------------------------------------------------------------------------------------------------------------- ip xfrm


def commands(script: str) -> list[list[str]]:
    """The `ip` commands of a script, word by word."""
    lines = script.replace("\\\n", "").splitlines()
    return [shlex.split(line) for line in lines if line.startswith("ip ")]


MANY = Case(
    version=1, id="many/kinds", title="everything that `ip xfrm` has a word for",
    sas=(
        sa(esn=True, sequence=SequenceNumber(0x7_0000_0005)),
        sa("ENCR_AES_CBC", "AUTH_HMAC_SHA2_256_128", name="b", spi=0x1001, direction="in", replay_window=2**20,
           sequence=SequenceNumber(77), received_offsets=(0, 3), udp=UdpEncapsulation(), ecn="compatibility"),
        sa("ENCR_NULL", "AUTH_HMAC_SHA1_96", name="c", spi=0x1002, source="2001:db8::1", destination="2001:db8::2",
           mode="transport", lifetime=Lifetime(soft_packets=1, hard_packets=2, soft_octets=3, hard_octets=4,
                                               soft_seconds=5, hard_seconds=6)),
        sa("ENCR_AES_CTR", "AUTH_AES_XCBC_96", name="d", spi=0x1003, df="clear", dscp=0,
           selectors=(Selector(source="10.0.0.0/8", protocol=17),)),
        sa("ENCR_3DES", "AUTH_HMAC_MD5_96", name="e", spi=0x1004, df="set", dscp=7, hop_limit=9,
           selectors=(Selector(source="10.0.0.0/8"), Selector(destination="2001:db8::/32"))),
        sa("ENCR_NULL_AUTH_AES_GMAC", name="f", spi=0x1005, direction="in", esn=True, replay_window=0),
        sa("ENCR_AES_GCM_16_IIV", name="g", spi=0x1006), sa(name="h", spi=0),
        sa("ENCR_CHACHA20_POLY1305", name="i", spi=0x1007, source="2001:db8::1", destination="2001:db8::2",
           udp=UdpEncapsulation()),
    ),
    steps=(Outbound(sa="sa0", packet=Octets(INNER)), AddSa(sa=sa(name="late", spi=0x2000)), AdvanceTime(seconds=3),
           DeleteSa(sa="b"), DeleteSa(sa="nobody")),
)  # fmt: skip


def test_the_script_is_one_that_a_shell_reads() -> None:
    """`sh -n`."""
    done = subprocess.run(["sh", "-n"], input=ip_xfrm(MANY), capture_output=True, encoding="utf-8", check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_algorithms_keys_and_state_stand_in_the_commands() -> None:
    """Word by word, as iproute2 wants them."""
    first, policy, second, third, *_ = commands(ip_xfrm(MANY))
    key = (MANY.sas[0].encr_key + MANY.sas[0].salt).hex()
    assert first[first.index("aead") :] == [
        "aead", "rfc4106(gcm(aes))", f"0x{key}", "128", "replay-window", "32", "replay-oseq", "0x5",
        "replay-oseq-hi", "0x7", "flag", "af-unspec", "esn",
    ]  # fmt: skip
    assert policy[3:10] == ["add", "src", "10.1.2.3/32", "dst", "10.4.5.6/32", "dir", "out"]
    assert second[second.index("auth-trunc") + 1] == "hmac(sha256)"
    assert second[second.index("auth-trunc") + 3 :] == [
        "128", "encap", "espinudp", "4500", "4500", "0.0.0.0", "replay-window", "4096", "replay-seq", "0x4d",
        "flag", "af-unspec", "noecn",
    ]  # fmt: skip
    assert third[third.index("enc") : third.index("auth-trunc")] == ["enc", "ecb(cipher_null)", ""]
    assert third[-18:] == [
        "limit", "packet-soft", "1", "limit", "packet-hard", "2", "limit", "byte-soft", "3",
        "limit", "byte-hard", "4", "limit", "time-soft", "5", "limit", "time-hard", "6",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "words",
    ["1048576 packets cannot be had", "as not yet received", "DSCP 7", "DF cannot be set", "in the case it is 9",
     "does not have ENCR_AES_GCM_16_IIV", "SPI 0 is not", "step 1 adds an SA", "3 seconds pass", "step 3 deletes SA b",
     "the policies alone select", "looks the SA up by spi"],
)  # fmt: skip
def test_what_iproute2_cannot_say_is_a_comment(words: str) -> None:
    """Nothing is left out in silence."""
    text = " ".join(line.strip("# ") for line in ip_xfrm(MANY).splitlines())
    assert words in text


def _namespace() -> str | None:
    """Why commands cannot be tried here; None if they can."""
    if shutil.which("ip") is None or shutil.which("unshare") is None:
        return "ip or unshare is not installed"
    done = subprocess.run(["unshare", "-n", "ip", "xfrm", "state"], capture_output=True, encoding="utf-8", check=False)
    return None if done.returncode == 0 else f"no xfrm in a network namespace of one's own: {done.stderr.strip()}"


@pytest.mark.skipif(_namespace() is not None, reason=str(_namespace()))
def test_iproute2_understands_every_command() -> None:
    """In a namespace of its own: status 2 is a kernel without that algorithm, anything else but 0 is our mistake."""
    algorithms = Case(version=1, sas=tuple(
        sa(encr, auth, name=f"sa{index}", spi=0x1000 + index) for index, (encr, auth) in enumerate(PAIRS)
    ))  # fmt: skip
    for command in commands(ip_xfrm(MANY)) + commands(ip_xfrm(algorithms)):
        done = subprocess.run(["unshare", "-n", *command], capture_output=True, encoding="utf-8", check=False)
        assert done.returncode in (0, 2), (shlex.join(command), done.returncode, done.stderr)
        if "policy" in command:
            assert done.returncode == 0, (shlex.join(command), done.stderr)


# --------------------------------------------------------------------------------------------------------------- scapy


def run(script: str, folder: Path) -> str:
    path = folder / "it.py"
    path.write_text(script, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-I", str(path)], cwd=folder, capture_output=True, encoding="utf-8", check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def told(output: str) -> list[tuple[str, str]]:
    """(what scapy did, what was expected) of each packet."""
    lines = output.splitlines()
    return [
        (got.split(": ", 1)[1], expected.split(": ", 1)[1])
        for got, expected in zip(lines[::2], lines[1::2], strict=True)
    ]


@pytest.mark.parametrize(
    "it",
    [
        sa(), sa("ENCR_AES_CBC", "AUTH_HMAC_SHA2_256_128", esn=True, sequence=SequenceNumber(0x3_FFFF_FFFF)),
        sa("ENCR_AES_CCM_8", udp=UdpEncapsulation()), sa("ENCR_NULL", "AUTH_HMAC_SHA2_512_256"),
        sa(mode="transport", source="10.1.2.3", destination="10.4.5.6", esn=True), sa("ENCR_CHACHA20_POLY1305"),
    ],
    ids=lambda it: f"{it.encr} {it.mode}",
)  # fmt: skip
def test_the_scapy_script_protects_and_delivers(it: Sa, tmp_path: Path) -> None:
    """Same IV, so the same ESP octets leave as from the reference; what arrives is delivered, also a second time."""
    sent, first, second = told(run(scapy(both_ways(it)), tmp_path))
    assert sent[0].split()[0] == "sent"
    assert sent[0][-60:] == sent[1][-60:]
    assert first[0] == f"delivered {INNER.hex()}" == first[1]
    assert second == (first[0], "dropped (replay)")


def test_what_scapy_cannot_do_is_a_comment(tmp_path: Path) -> None:
    """The script of a case with everything runs all the same."""
    script = scapy(MANY)
    run(script, tmp_path)
    for words in (
        "scapy does not have ENCR_AES_GCM_16_IIV",
        "SA h is left out",
        "AdvanceTime: scapy has no word for it",
    ):
        assert words in script


# ------------------------------------------------------------------------------------------------------- all of them


def test_every_format_is_written_and_the_case_comes_back(tmp_path: Path) -> None:
    """Five files beside each other, in a folder that is made."""
    paths = write_all(MANY, tmp_path / "new" / "folder", "stem")
    assert [path.name for path in paths] == [f"stem{suffix}" for suffix in SUFFIXES.values()]
    assert all(path.stat().st_size for path in paths)
    assert from_json(paths[0].read_bytes(), Case) == MANY
    assert sorted(path.name for path in paths[0].parent.iterdir()) == sorted(path.name for path in paths)


def test_a_format_that_does_not_exist_is_misuse() -> None:
    """With those that do."""
    with pytest.raises(Misuse, match="ip-xfrm"):
        export(MANY, "docx")


def hostile(text: str) -> Case:
    """A case that says `text` wherever a case can say anything."""
    it = sa("ENCR_AES_CBC", "AUTH_HMAC_SHA2_256_128", name=text[:64], esn=True)
    bad = msgspec.structs.replace(it, name=f"x{text}"[:64], source=text, encr=text, selectors=(Selector(source=text),))
    steps = (
        Outbound(sa=text[:64], packet=Octets(INNER), note=text, requirement=text),
        Outbound(sa=text[1:40] or "x", packet=Octets(INNER), expect=Delivered(packet=Octets(INNER), sa=text)),
        AddSa(sa=bad), DeleteSa(sa=text[:64]), ReadState(sa=text[:64]),
    )  # fmt: skip
    return Case(version=1, id=text, title=text, source=text, sas=(it, bad), steps=steps)


def test_hostile_text_is_never_code(tmp_path: Path) -> None:
    """Nothing but what the scripts are for happens when they are run, and no line of them is longer than its comment."""
    case = hostile(HOSTILE)
    write_all(case, tmp_path, "it")
    fake = tmp_path / "bin"
    fake.mkdir()
    for name in ("ip", "tshark"):
        (fake / name).write_text("#!/bin/sh\nexit 0\n", encoding="utf-8")
        (fake / name).chmod(0o755)
    work = tmp_path / "work"
    work.mkdir()
    environment = {"PATH": f"{fake}:/usr/bin:/bin"}
    for script in ("it.ip-xfrm.sh", "it.wireshark.txt"):
        done = subprocess.run(
            ["sh", str(tmp_path / script)], cwd=work, env=environment, capture_output=True, encoding="utf-8", check=False
        )  # fmt: skip
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    run(scapy(case), work)
    assert [path.name for path in work.iterdir()] == ["it.py"]


@settings(max_examples=150, deadline=None)
@given(st.text(min_size=1, max_size=80))
def test_any_text_leaves_scripts_that_can_be_read(text: str) -> None:
    """Each shell line is a comment or begins with a word of ours, the Python compiles, no control character is left."""
    case = hostile(text)
    for format_, beginnings in (("ip-xfrm", ("#", "set -eu", "ip xfrm ")), ("wireshark", ("#", "tshark -r "))):
        script = str(export(case, format_))
        for line in script.replace("\\\n", "").split("\n"):
            assert not line or line.startswith(beginnings)
            assert line.isprintable()
    compile(str(export(case, "scapy")), "it", "exec")
