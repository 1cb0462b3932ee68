"""The script of a case about a host: what the real `ip` makes of it is what our own messages make, on a real kernel."""

import json
import shlex
import shutil
import sys
from pathlib import Path

import pytest
from msgspec.structs import replace

from espproof.adapters.base import AdapterError
from espproof.adapters.capabilities import everything
from espproof.adapters.case import (
    AddPolicy,
    AddSa,
    AdvanceTime,
    AwaitHeld,
    Case,
    DeletePolicy,
    Enter,
    FlushPolicies,
    FlushSas,
    Host,
    Lifetime,
    Mark,
    Mtus,
    Octets,
    Policy,
    PolicyLifetime,
    PortRange,
    ReadEvents,
    ReserveSpi,
    Sa,
    Template,
    TrafficSelector,
    UpdateSa,
)
from espproof.adapters.exec.messages import Reset
from espproof.adapters.linux import rehearsal
from espproof.adapters.linux.kernel import images
from espproof.adapters.linux.questions import Questions
from espproof.conformance.export.ip_xfrm import ip_xfrm
from espproof.conformance.export.pcap import packets
from espproof.reference import ip

_OUT = Sa(
    name="out", direction="out", spi=0x1000, mode="tunnel", source="192.0.2.17", destination="198.51.100.42",
    encr="ENCR_AES_CBC", encr_key=Octets(bytes(range(16))), auth="AUTH_HMAC_SHA2_256_128",
    auth_key=Octets(bytes(range(32))), reqid=7, lookup="spi+destination",
)  # fmt: skip
_BACK = Sa(
    name="back", direction="in", spi=0x2000, mode="tunnel", source="2001:db8:2:3::b2", destination="2001:db8:1::a1",
    encr="ENCR_AES_GCM_16", encr_key=Octets(bytes(range(16))), salt=Octets(b"salt"), reqid=8,
    mark=Mark(value=0x30, mask=0xFF), lookup="spi+destination",
)  # fmt: skip
_HOST = Host(
    addresses=("192.0.2.17", "2001:db8:1::a1"),
    wire=("198.51.100.42", "2001:db8:2:3::b2"),
    blocked=("in", "forward"),
    mtus=Mtus(wire=1400),
)
_POLICIES = (
    Policy(
        name="protect", direction="out", priority=17, icmp_errors=True,
        lifetime=PolicyLifetime(soft_seconds=500, hard_seconds=600), mark=Mark(value=1, mask=0xFF),
        selector=TrafficSelector(
            version=4, source="203.0.113.0/25", destination="198.51.100.0/24", protocol=17,
            source_ports=PortRange(first=0x1F90, last=0x1F90), destination_ports=PortRange(first=0x2710, last=0x2710),
        ),
        templates=(Template(mode="tunnel", source="192.0.2.17", destination="198.51.100.42", reqid=7),),
    ),
    Policy(
        name="discard", direction="in", action="block", priority=2**31,
        selector=TrafficSelector(
            version=6, protocol=58, source_ports=PortRange(first=128, last=128),
            destination_ports=PortRange(first=0, last=0),
        ),
    ),
    Policy(
        name="through", direction="forward", if_id=3, selector=TrafficSelector(version=6, destination="2001:db8:70::/44"),
        templates=(
            Template(mode="transport", spi=0x3000, optional=True),
            Template(mode="tunnel", source="2001:db8:2:3::b2", destination="2001:db8:1::a1", reqid=8),
        ),
    ),
)  # fmt: skip
_CHANGED = replace(_OUT, lifetime=Lifetime(hard_packets=9, hard_seconds=1000, soft_use_seconds=100))
_COMING = replace(_BACK, name="coming", spi=0x2001)
_HEADER = replace(
    _OUT, name="header", spi=0x1001, mode="transport", protocol="ah", encr="ENCR_NULL", encr_key=Octets(), reqid=9
)
_GONE = Policy(name="gone", direction="out", selector=TrafficSelector(version=4, protocol=6))
CASE = Case(
    version=1, id="host/script", host=_HOST, sas=(_OUT, _HEADER),
    steps=(
        AddSa(sa=_BACK), *(AddPolicy(policy=one) for one in _POLICIES), AddPolicy(policy=_GONE),
        AddPolicy(policy=_GONE, replace=True), DeletePolicy(policy="gone"), UpdateSa(sa=_CHANGED), ReserveSpi(sa=_COMING),
    ),
)  # fmt: skip
_ASK = (
    "ip xfrm state; ip xfrm policy; ip -s xfrm state | grep -e limit: -e expire; ip -s xfrm policy | grep expire; "
    "ip xfrm policy getdefault; "
    + "".join(
        f"ip -o route get {address} | grep -o 'dev [a-z]*'; "
        for address in (*_HOST.addresses, *_HOST.wire, "203.0.113.9", "2001:db8:70::1")
    )
)
_OURS = """\
import json, subprocess, sys
from espproof.adapters.linux.inside.agent import Agent
from espproof.adapters.linux.inside.gateway import Gateway
from espproof.adapters.linux.inside.stack import Stack
from espproof.adapters.linux.inside.link import Tun
with open(sys.argv[1]) as file:
    asked = json.load(file)
results, _ = Agent((lambda: Gateway(Tun("wire")), lambda: Stack(Tun("wire")))).serve(asked, [])
assert all(result == ["done"] for result in results), results
subprocess.run(["sh", "-c", sys.argv[2]], check=True)
"""


def _lacking() -> str | None:
    if shutil.which("ip") is None or shutil.which("unshare") is None:
        return "ip or unshare is not installed"
    try:
        images.path("")
    except AdapterError as error:
        return str(error)
    return None


@pytest.mark.skipif(_lacking() is not None, reason=str(_lacking()))
def test_the_real_ip_and_our_messages_make_the_same_host(tmp_path: Path) -> None:
    """SAs, policies, defaults, routes and addresses, as `ip` shows them in two namespaces of one kernel."""
    (tmp_path / "script.sh").write_text(ip_xfrm(CASE), encoding="utf-8")
    questions = Questions(everything(), time_travels=False)
    steps = [Reset(host=CASE.host), *(AddSa(sa=sa) for sa in CASE.sas), *CASE.steps]
    asked = [questions.of(step)[0] for step in steps]
    (tmp_path / "asked.json").write_text(json.dumps(asked), encoding="utf-8")
    (tmp_path / "ours.py").write_text(_OURS, encoding="utf-8")
    script, ours, question = (shlex.quote(str(tmp_path / name)) for name in ("script.sh", "ours.py", "asked.json"))
    setup = (
        f"echo BEGIN script; unshare -n sh -c {shlex.quote(f'. {script}; {_ASK}')}; echo END\n"
        f"echo BEGIN ours; {shlex.quote(sys.executable)} {ours} {question} {shlex.quote(_ASK)}; echo END"
    )
    status, console = rehearsal.run(["--help"], setup)
    assert status == 0, console
    by_script, by_us = _between(console, "script"), _between(console, "ours")
    assert by_script == by_us
    assert sum(line.startswith("src ") for line in by_us) == 4 + len(_POLICIES)


def _between(console: str, name: str) -> list[str]:
    lines = [line.rstrip() for line in console.splitlines()]
    begin = lines.index(f"BEGIN {name}")
    return lines[begin + 1 : lines.index("END", begin)]


def test_time_and_events_in_a_script() -> None:
    """Time passes by sleeping; `ip xfrm monitor` is the key manager, and a flush is one."""
    host = Host(addresses=("192.0.2.17",), wire=("198.51.100.9",), key_manager=True)
    steps = (AdvanceTime(seconds=7), ReadEvents(), FlushSas(), FlushPolicies())
    script = ip_xfrm(Case(version=1, id="host/events", host=host, steps=steps)).splitlines()
    wanted = ["sleep 7", "cat key-manager.log", "ip xfrm state flush", "ip xfrm policy flush"]
    assert [line for line in script if line in wanted] == wanted
    assert "ip xfrm monitor acquire expire >key-manager.log &" in script


def test_a_host_that_holds_packets_in_a_script() -> None:
    """The kernel is told to; what leaves later is said."""
    host = Host(addresses=("192.0.2.17",), wire=("198.51.100.9",), holds=101)
    script = ip_xfrm(Case(version=1, id="host/holds", host=host, steps=(AwaitHeld(),))).splitlines()
    assert "sysctl -q -w net.core.xfrm_larval_drop=0" in script
    assert "# right is, within twice the time since the first was held: nothing emerged" in script


def test_the_capture_has_what_was_on_the_wire() -> None:
    """What enters there and what emerges there; the plain side is not on it."""
    inner = ip.build_ipv4(bytes((203, 0, 113, 7)), bytes((198, 51, 100, 9)), 253, b"inside", ttl=9)
    steps = (Enter(side="plain", packet=Octets(inner)), Enter(side="wire", packet=Octets(inner)))
    host = Host(addresses=("192.0.2.17",), wire=("198.51.100.9",))
    case = Case(version=1, id="host/capture", host=host, steps=steps)
    assert list(packets(case)) == [(0, 1, ip.forwarded(inner)), (1, 0, inner), (1, 1, ip.forwarded(inner))]
