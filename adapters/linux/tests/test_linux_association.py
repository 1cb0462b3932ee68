"""How an SA of a Case is put into the kernel's words, and its state read back."""

from typing import Any

import pytest

from espproof.adapters.case import (
    Octets,
    Policy,
    Sa,
    Selector,
    SequenceNumber,
    Template,
    TrafficSelector,
    UdpEncapsulation,
)
from espproof.adapters.linux import association
from espproof.adapters.linux.netlink import xfrm
from espproof.adapters.linux.netlink.xfrm import Attribute

_FIELDS: dict[str, Any] = {
    "name": "sa0",
    "direction": "in",
    "spi": 0x1000,
    "mode": "tunnel",
    "source": "198.51.100.42",
    "destination": "192.0.2.17",
    "encr": "ENCR_AES_GCM_16",
    "encr_key": Octets(bytes(range(16))),
    "salt": Octets(b"salt"),
}


def _message(**fields: Any) -> tuple[xfrm.SaInfo, Any]:
    (told,) = xfrm.decode(bytes.fromhex(association.describe(Sa(**_FIELDS | fields), 3)["new"]))
    assert isinstance(told.body, xfrm.SaInfo)
    return told.body, told.attributes


def test_the_salt_follows_the_key_and_the_icv_is_in_bits() -> None:
    _, attributes = _message()
    algorithm = attributes[Attribute.ALG_AEAD]
    assert algorithm == xfrm.Algorithm("rfc4106(gcm(aes))", bytes(range(16)) + b"salt", 128)


@pytest.mark.parametrize(
    ("fields", "extended"),
    [({"replay_window": 32}, False), ({"replay_window": 33}, True), ({"replay_window": 32, "esn": True}, True)],
)
def test_the_old_bitmap_serves_small_windows_without_esn(fields: dict[str, Any], extended: bool) -> None:
    """As `ip xfrm` and strongSwan do it."""
    body, attributes = _message(**fields)
    assert (Attribute.REPLAY_ESN_VAL in attributes) == extended
    assert body.replay_window == (0 if extended else fields["replay_window"])


@pytest.mark.parametrize("window", [20, 32, 33, 64, 1000])
@pytest.mark.parametrize(
    ("sequence", "esn"),
    [*((number, esn) for number in (1, 40, 2**32 - 1) for esn in (False, True)), (2**32, True), (2**32 + 5, True)],
)
def test_a_window_is_read_back_as_it_was_set(window: int, esn: bool, sequence: int) -> None:
    """The kernel's answer has the form of the message that added the SA."""
    offsets = tuple(offset for offset in (0, 3, window - 1) if offset < sequence)
    fields = {"replay_window": window, "esn": esn, "sequence": SequenceNumber(sequence), "received_offsets": offsets}
    state = association.state(bytes.fromhex(association.describe(Sa(**_FIELDS | fields), 3)["new"]))
    assert (state.sequence, state.received_offsets) == (sequence, offsets)


def test_number_n_has_bit_n_minus_1() -> None:
    """The first number's bit is the first one."""
    _, attributes = _message(replay_window=64, sequence=SequenceNumber(3), received_offsets=(2,))
    assert attributes[Attribute.REPLAY_ESN_VAL].bitmap == (0b101, 0)


@pytest.mark.parametrize(
    "fields",
    [
        {"encr": "ENCR_AES_GCM_16_IIV"},
        {"auth": "AUTH_UNKNOWN"},
        {"df": "set"},
        {"dscp": 3, "direction": "out"},
        {"esn": True, "replay_window": 0},
        {"source": "2001:db8::1"},
        {"selectors": (Selector(protocol=1), Selector(protocol=2))},
        {"selectors": (Selector(source="203.0.113.0/24", destination="2001:db8::/32"),)},
    ],
    ids=str,
)
def test_what_xfrm_has_no_words_for_is_not_said(fields: dict[str, Any]) -> None:
    with pytest.raises(association.Untold):
        association.describe(Sa(**_FIELDS | fields), 3)


def test_ends_ports_and_policies_depend_on_the_direction() -> None:
    """Ours is the destination inbound, the source outbound; only outbound SAs need a policy, a tunnel one per version."""
    inbound = association.describe(Sa(**_FIELDS, udp=UdpEncapsulation(destination_port=4501)), 1)
    outbound = association.describe(Sa(**_FIELDS | {"direction": "out"}), 1)
    assert (inbound["local"], inbound["remote"], inbound["port"], inbound["policies"]) == (
        "192.0.2.17", "198.51.100.42", 4501, [],
    )  # fmt: skip
    assert (outbound["local"], len(outbound["policies"])) == ("198.51.100.42", 2)


@pytest.mark.parametrize(("version", "aligned"), [(4, True), (6, False)])
def test_an_sa_of_ah(version: int, aligned: bool) -> None:
    """It has no cipher; over IPv4 its header is aligned to 4 octets."""
    ends = {} if version == 4 else {"source": "2001:db8::1", "destination": "2001:db8::2"}
    secrets = {"encr_key": Octets(), "salt": Octets(), "auth_key": Octets(bytes(32))}
    sa = Sa(**_FIELDS | secrets | ends | {"protocol": "ah", "encr": "ENCR_NULL", "auth": "AUTH_HMAC_SHA2_256_128"})
    told = association.describe(sa, 3, of_host=True)
    (new,), (get,) = (xfrm.decode(bytes.fromhex(told[what])) for what in ("new", "get"))
    assert isinstance(new.body, xfrm.SaInfo)
    assert isinstance(get.body, xfrm.SaId)
    assert (new.body.id.protocol, get.body.protocol) == (51, 51)
    assert bool(new.body.flags & xfrm.SaFlag.ALIGN4) == aligned
    assert Attribute.ALG_CRYPT not in new.attributes
    assert new.attributes[Attribute.ALG_AUTH_TRUNC].name == told["cipher"] == "hmac(sha256)"
    assert association.sa_identity(sa)[1:] == (0x1000, 51)


def test_a_transport_template_has_the_family_of_the_tunnel_before_it() -> None:
    ends: dict[str, Any] = {"source": "2001:db8::1", "destination": "2001:db8::2"}
    templates = (Template(mode="transport"), Template(mode="tunnel", **ends), Template(mode="transport", protocol="ah"))
    policy = Policy(name="p", direction="out", selector=TrafficSelector(version=4), templates=templates)
    (told,) = xfrm.decode(bytes.fromhex(association.describe_policy(policy, replace=False)["new"]))
    described = told.attributes[Attribute.TMPL]
    assert [one.family for one in described] == [xfrm.AF_INET, xfrm.AF_INET6, xfrm.AF_INET6]
    assert [one.id.protocol for one in described] == [50, 50, 51]
