"""SAs that a device is to carry: what is asked of the kernel, who refuses, and what is declared in the end."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from espproof.adapters.base import AdapterError
from espproof.adapters.capabilities import everything
from espproof.adapters.case import Done, Octets, Outcome, Refused, Sa, Unsupported
from espproof.adapters.exec.messages import Reset
from espproof.adapters.linux import answers, association, card_probe
from espproof.adapters.linux.events import Names
from espproof.adapters.linux.inside.agent import Agent
from espproof.adapters.linux.netlink import xfrm
from espproof.adapters.linux.netlink.offload import Offload
from espproof.adapters.linux.netlink.xfrm import Attribute, Type

_SA = Sa(
    name="sa0",
    direction="in",
    spi=0x1000,
    mode="tunnel",
    source="198.51.100.42",
    destination="192.0.2.17",
    encr="ENCR_AES_GCM_16",
    encr_key=Octets(bytes(range(16))),
    salt=Octets(b"salt"),
)
_OUT = msgspec.structs.replace(_SA, direction="out")


class _Kernel:
    """A gateway whose kernel takes SAs or refuses them, with and without a device."""

    wire = SimpleNamespace(index=7)
    of_host = False

    def __init__(self, *, plain: int = 0, offloaded: int = 0, falls_back: bool = False) -> None:
        self._plain, self._offloaded, self._falls_back = plain, offloaded, falls_back
        self.sas: list[xfrm.Request] = []

    def end(self, host: str, *, ours: bool) -> None:
        pass

    def encapsulation_ports(self, ports: set[Any]) -> None:
        pass

    def error(self, message: bytes) -> tuple[int, str]:
        (request,) = xfrm.decode(message)
        if request.type is Type.DELSA:
            self.sas.pop()
            return 0, ""
        with_device = Attribute.OFFLOAD_DEV in request.attributes
        error = self._plain or (self._offloaded if with_device else 0)
        if not error:
            self.sas.append(request)
        return error, "no room" if error else ""

    def ask(self, message: bytes) -> bytes:
        attributes = dict(self.sas[-1].attributes)
        if self._falls_back:
            attributes.pop(Attribute.OFFLOAD_DEV, None)
        return xfrm.encode(xfrm.Request(Type.NEWSA, self.sas[-1].body, attributes))


def _added(kernel: _Kernel, kind: str, sa: Sa = _SA, *, falls_back: bool = False) -> list[Any]:
    offload = Offload(kind, falls_back)
    agent = Agent((lambda: kernel, lambda: kernel), offload)  # type: ignore[arg-type,return-value]
    (result,), _ = agent.serve([["add", association.describe(sa, 3)]], [])
    return list(result)


@pytest.mark.parametrize(
    ("kind", "sa", "flags"), [("crypto", _SA, 2), ("crypto", _OUT, 0), ("packet", _SA, 6), ("packet", _OUT, 4)]
)
def test_an_sa_names_the_device_and_the_direction(kind: str, sa: Sa, flags: int) -> None:
    """XFRM_OFFLOAD_INBOUND is 2, XFRM_OFFLOAD_PACKET 4; everything else stays as it was."""
    kernel = _Kernel()
    assert _added(kernel, kind, sa) == ["done"]
    (plain,) = xfrm.decode(bytes.fromhex(association.describe(sa, 3)["new"]))
    assert kernel.sas[0].attributes == dict(plain.attributes) | {Attribute.OFFLOAD_DEV: xfrm.Offload(7, flags)}
    assert kernel.sas[0].body == plain.body


def test_policies_name_the_device_with_packet_offload_alone() -> None:
    (policy, *_) = (bytes.fromhex(text) for text in association.describe(_OUT, 3)["policies"])
    assert Offload("crypto").policy(policy, 7) == policy
    (told,) = xfrm.decode(Offload("packet").policy(policy, 7))
    assert told.attributes[Attribute.OFFLOAD_DEV] == xfrm.Offload(7, 4)


@pytest.mark.parametrize(
    ("kernel", "result"),
    [
        (_Kernel(offloaded=28), ["device", 28, "no room"]),
        (_Kernel(falls_back=True), ["device", 0, ""]),
        (_Kernel(plain=17), ["errno", 17, "no room"]),
    ],
    ids=["device", "silence", "kernel"],
)
def test_a_refusal_is_that_of_the_device_or_of_the_kernel(kernel: _Kernel, result: list[Any]) -> None:
    """The kernel is asked again without the device; no SA is left."""
    assert _added(kernel, "crypto") == result
    assert kernel.sas == []


@pytest.mark.parametrize(
    ("result", "outcome"),
    [
        (["device", 22, "no ESN"], Unsupported(what="offload: EINVAL: no ESN")),
        (["device", 0, ""], Unsupported(what="offload: the device leaves this SA to the kernel")),
        (["device", 28, ""], Refused(reason="offload: ENOSPC: No space left on device")),
        (["errno", 22, "bad key"], Refused(reason="EINVAL: bad key")),
    ],
    ids=str,
)
def test_the_outcome_says_who_refused(result: list[Any], outcome: Outcome) -> None:
    assert answers.outcome(Reset(), result, iter(()), Names()) == outcome


def _simple_card(sas: Sequence[Sa]) -> list[Outcome]:
    """AES-GCM with ICVs of 16 octets, without ESN and UDP, windows of up to 64 packets."""

    def takes(sa: Sa) -> bool:
        return sa.encr == "ENCR_AES_GCM_16" and not sa.esn and sa.udp is None and sa.replay_window <= 64

    return [Done() if takes(sa) else Unsupported(what="offload: EINVAL: no") for sa in sas]


def test_what_a_card_does_not_take_is_not_declared() -> None:
    caps = card_probe.narrowed(everything(), _simple_card)
    assert (caps.esn, caps.udp, caps.modes) == ((False,), (), ("transport", "tunnel"))
    assert caps.replay_windows is not None
    assert (caps.replay_windows.maximum, caps.replay_windows.off) == (64, True)


def test_a_card_without_tunnels_has_no_two_ip_versions_in_one() -> None:
    """Whatever it says of addresses."""

    def without_tunnels(sas: Sequence[Sa]) -> list[Outcome]:
        return [_simple_card([sa])[0] if sa.mode == "transport" else Unsupported(what="no") for sa in sas]

    caps = card_probe.narrowed(everything(), without_tunnels)
    assert (caps.modes, caps.families) == (("transport",), ("4in4", "6in6"))


def test_what_a_device_leaves_to_the_kernel_can_be_an_sa_like_another() -> None:
    """Of some devices."""
    kernel = _Kernel(falls_back=True)
    assert _added(kernel, "crypto", falls_back=True) == ["done"]
    assert len(kernel.sas) == 1


def test_a_card_that_takes_nothing_is_an_error_with_its_words() -> None:
    with pytest.raises(AdapterError, match="no offload today"):
        card_probe.narrowed(everything(), lambda sas: [Unsupported(what="no offload today") for _ in sas])
