"""A device is found declared and not there, and there though not declared."""

from collections.abc import Set
from typing import Any

import pytest
from msgspec.structs import replace

from espproof.adapters.base import Adapter
from espproof.adapters.capabilities import Capabilities
from espproof.adapters.case import DeviceState
from espproof.adapters.models.connectx import ConnectXAdapter
from espproof.adapters.models.fortville import FortvilleAdapter
from espproof.adapters.models.lookaside import LookasideAdapter
from espproof.adapters.models.niantic import NianticAdapter
from espproof.adapters.models.reference import ReferenceAdapter
from espproof.conformance.selfcheck.device_probes import device_probes
from espproof.conformance.selfcheck.item import Grade
from espproof.conformance.selfcheck.probe import answer
from espproof.conformance.selfcheck.rig import Rig


class LeavesKeys(ReferenceAdapter):
    """There is something that has keys of nobody."""

    def read_device(self) -> DeviceState:
        return DeviceState(sas=(), left=16)


def grades(adapter: Adapter, caps: Capabilities) -> Set[Grade]:
    rig = Rig(adapter, caps)
    return {answer(probe, rig).grade for probe in device_probes(caps)}


def without(adapter: Adapter) -> Capabilities:
    return replace(adapter.capabilities(), device=None)


ADAPTERS = NianticAdapter(), ConnectXAdapter(), ConnectXAdapter("packet"), LookasideAdapter(), FortvilleAdapter()


@pytest.mark.parametrize("adapter", ADAPTERS, ids=lambda one: one.name)
def test_all_of_it_is_there(adapter: Adapter) -> None:
    assert grades(adapter, adapter.capabilities()) == {Grade.PASS}


def test_declared_and_not_there() -> None:
    adapter = ReferenceAdapter()
    declared = ConnectXAdapter().capabilities().device
    assert declared is not None
    rig = Rig(adapter, replace(adapter.capabilities(), device=declared))
    for probe in device_probes(rig.caps):
        assert answer(probe, rig).grade is (Grade.FAIL if probe.declared else Grade.PASS)


@pytest.mark.parametrize(
    ("changed", "probe"),
    [
        ({"windows": (32, 48)}, "device.window.48"),
        ({"windows": None, "fixed_headers": False}, "device.dscp.copy.ecn.normal"),
        ({"fixed_headers": False}, "device.dscp.fixed.ecn.normal"),
        ({"octet_limits": True}, "device.limits.of.octets"),
        ({"udp": True}, "device.udp"),
        (
            {"integrity": ("NONE", "AUTH_HMAC_SHA1_96"), "encryption": {"ENCR_AES_CBC": (16,)}},
            "device.AUTH_HMAC_SHA1_96",
        ),
        ({"events": ("answer-lost",)}, "device.event.answer-lost"),
    ],
)
def test_one_thing_declared_and_not_there(changed: dict[str, Any], probe: str) -> None:
    """It is named."""
    adapter = ConnectXAdapter("packet")
    device = adapter.capabilities().device
    assert device is not None
    rig = Rig(adapter, replace(adapter.capabilities(), device=replace(device, **changed)))
    failed = {item.id for item in (answer(one, rig) for one in device_probes(rig.caps)) if item.grade is Grade.FAIL}
    assert f"capability.{probe}" in failed


def test_there_though_not_declared() -> None:
    adapter = NianticAdapter()
    assert grades(adapter, without(adapter)) == {Grade.UNDECLARED}


def test_not_there() -> None:
    adapter = ReferenceAdapter()
    assert grades(adapter, without(adapter)) == {Grade.PASS}


def test_wrong_and_not_declared() -> None:
    adapter = LeavesKeys()
    assert grades(adapter, without(adapter)) == {Grade.FAIL}
