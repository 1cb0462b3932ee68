"""What an SA needs, and what is declared."""

from typing import Any

import msgspec
import pytest

from espproof.adapters.capabilities import Capabilities, HostCapabilities, ReplayWindows, everything
from espproof.adapters.case import (
    Lifetime,
    Mark,
    Octets,
    Policy,
    Sa,
    Selector,
    SequenceNumber,
    Template,
    TrafficSelector,
    UdpEncapsulation,
    from_json,
    to_json,
)
from espproof.reference.errors import Misuse

LEAST = Capabilities(encryption={"ENCR_AES_GCM_16": (16,)})
PLAIN = Sa(
    name="sa",
    direction="in",
    spi=0x01020304,
    mode="tunnel",
    source="198.51.100.42",
    destination="192.0.2.17",
    encr="ENCR_AES_GCM_16",
    encr_key=Octets(bytes(range(16))),
    salt=Octets(b"salt"),
)
OUT = msgspec.structs.replace(PLAIN, direction="out", replay_window=0)


@pytest.mark.parametrize("sa", [PLAIN, OUT])
def test_plain_sa_lacks_nothing(sa: Sa) -> None:
    """The least that can be declared is enough for the plainest SA."""
    assert LEAST.lacks(sa) is None


@pytest.mark.parametrize(
    ("changes", "missing"),
    [
        ({"encr": "ENCR_AES_CBC"}, "encryption ENCR_AES_CBC-128"),
        ({"encr_key": bytes(32)}, "encryption ENCR_AES_GCM_16-256"),
        ({"auth": "AUTH_HMAC_SHA1_96"}, "integrity AUTH_HMAC_SHA1_96"),
        ({"mode": "transport"}, "mode transport"),
        ({"source": "2001:db8::1", "destination": "2001:db8::2"}, "outer IPv6"),
        ({"esn": True}, "esn"),
        ({"sequence": 1}, "set_sequence"),
        ({"received_offsets": (1,)}, "set_window"),
        ({"udp": UdpEncapsulation()}, "udp over IPv4"),
        ({"lookup": "spi+destination"}, "lookup spi+destination"),
        ({"resync_limit": 1}, "resynchronise"),
        ({"selectors": (Selector(protocol=6),)}, "selectors"),
        ({"lifetime": Lifetime(soft_packets=1)}, "lifetime packets"),
        ({"lifetime": Lifetime(hard_octets=1)}, "lifetime octets"),
        ({"lifetime": Lifetime(hard_seconds=0)}, "lifetime seconds"),
        ({"replay_window": 128}, "replay window 128"),
        ({"replay_window": 33}, "replay window 33"),
        ({"replay_window": 0}, "replay window off"),
        ({"ecn": "compatibility"}, "ecn compatibility"),
        ({"direction": "out", "dscp": 0}, "dscp fixed"),
        ({"direction": "out", "df": "set"}, "df set"),
    ],
)
def test_missing_capability_is_named(changes: dict[str, object], missing: str) -> None:
    """Each thing that an SA can ask for has its name, also where its value is 0."""
    sa = msgspec.structs.replace(PLAIN, **changes)
    assert LEAST.lacks(sa) == missing
    assert everything().lacks(sa) is None


@pytest.mark.parametrize(
    ("changes", "declared", "missing"),
    [
        ({"direction": "out"}, {"directions": ("in",)}, "direction out"),
        ({}, {"esn": (True,)}, "32-bit sequence numbers"),
        ({"udp": UdpEncapsulation(source_port=1)}, {"udp": (4,)}, "udp_ports"),
        ({}, {"replay_windows": None}, "replay window 64"),
        ({"replay_window": 0}, {"replay_windows": None}, None),
        ({}, {"ecn": ()}, None),
        ({"dscp": 5, "df": "set"}, {}, None),
        ({"direction": "out", "lookup": "spi+destination"}, {}, None),
        ({"direction": "out", "sequence": 2}, {"sequence_start": 2}, None),
        ({"direction": "out"}, {"sequence_start": 2}, "set_sequence"),
        ({}, {"sequence_start": 2}, None),
        ({"direction": "out", "df": "clear", "source": "2001:db8::1", "destination": "2001:db8::2"},
         {"families": ("6in6",)}, None),
    ],
)  # fmt: skip
def test_only_what_matters_is_asked_for(
    changes: dict[str, object], declared: dict[str, object], missing: str | None
) -> None:
    """Outbound options of an inbound SA, and the other way round, need nothing."""
    caps = msgspec.structs.replace(LEAST, **declared)
    assert caps.lacks(msgspec.structs.replace(PLAIN, **changes)) == missing


@pytest.mark.parametrize(
    ("windows", "allowed", "refused"),
    [
        (ReplayWindows(), (32, 64), (0, 1, 31, 33, 63, 65, 96)),
        (ReplayWindows(minimum=1, maximum=4, step=1, off=True), (0, 1, 2, 3, 4), (5,)),
        (ReplayWindows(minimum=64, maximum=4096, step=64), (64, 128, 4096), (32, 65, 4160)),
        (ReplayWindows(minimum=32, maximum=2**31, step=1), (2**31,), (2**31 + 1,)),
    ],
)
def test_window_sizes(windows: ReplayWindows, allowed: tuple[int, ...], refused: tuple[int, ...]) -> None:
    """Minimum, maximum and every step between; off only where it is declared."""
    assert all(windows.allows(size) for size in allowed)
    assert not any(windows.allows(size) for size in refused)


_SELECTOR = TrafficSelector(version=4)
_TEMPLATE = Template(mode="tunnel", source="192.0.2.17", destination="198.51.100.42", reqid=7)
_BARE = HostCapabilities(forward=(False,), actions=("protect",), unmatched=("discard",), priorities=4, templates=())


@pytest.mark.parametrize(
    ("fields", "missing"),
    [
        ({}, None),
        ({"action": "block", "templates": ()}, "action discard"),
        ({"templates": ()}, "action bypass"),
        ({"priority": 3}, None),
        ({"priority": 4}, "priorities"),
        ({"templates": (msgspec.structs.replace(_TEMPLATE, spi=1),)}, "templates spi"),
        ({"templates": (msgspec.structs.replace(_TEMPLATE, reqid=0),)}, "templates any"),
        ({"templates": (_TEMPLATE, _TEMPLATE)}, "templates several"),
        ({"templates": (msgspec.structs.replace(_TEMPLATE, optional=True),)}, "templates optional"),
        ({"mark": Mark(value=1)}, "marks"),
    ],
)
def test_what_a_policy_needs_is_named(fields: dict[str, Any], missing: str | None) -> None:
    """Each thing that a policy can ask for, held against a host that has next to nothing."""
    policy = Policy(**{"name": "p", "direction": "out", "selector": _SELECTOR, "templates": (_TEMPLATE,), **fields})
    assert msgspec.structs.replace(LEAST, host=_BARE).lacks_policy(policy) == missing
    assert everything().lacks_policy(policy) is None
    assert LEAST.lacks_policy(policy) == "host"


def test_capabilities_survive_json() -> None:
    """They travel as data."""
    for caps in (LEAST, everything()):
        assert from_json(to_json(caps), Capabilities) == caps


@pytest.mark.parametrize("text", ['{"encryption": {}, "psychic": true}', '{"encryption": {}, "modes": ["beet"]}', "{}"])
def test_unknown_capability_is_refused(text: str) -> None:
    """A misspelt field or value is no silence."""
    with pytest.raises(Misuse):
        from_json(text, Capabilities)


def test_sequence_zero_needs_nothing() -> None:
    """0 is where every SA starts."""
    assert LEAST.lacks(msgspec.structs.replace(PLAIN, sequence=SequenceNumber(0))) is None
