"""Records and numbers, held against `linux/xfrm.h` as the compiler of this machine reads it."""

import re
import shutil
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from espproof.adapters.linux.netlink import records, xfrm
from espproof.adapters.linux.netlink.netlink import Record

_HEADER = Path("/usr/include/linux/xfrm.h")
_COMPILER = shutil.which("cc")
pytestmark = pytest.mark.skipif(
    not _HEADER.is_file() or _COMPILER is None, reason="needs a C compiler and linux/xfrm.h (linux-libc-dev)"
)

_STRUCTS = {
    records.Selector: (
        "xfrm_selector",
        "daddr saddr dport dport_mask sport sport_mask family prefixlen_d prefixlen_s proto ifindex user",
    ),
    records.Id: ("xfrm_id", "daddr spi proto"),
    records.Limits: (
        "xfrm_lifetime_cfg",
        "soft_byte_limit hard_byte_limit soft_packet_limit hard_packet_limit soft_add_expires_seconds "
        "hard_add_expires_seconds soft_use_expires_seconds hard_use_expires_seconds",
    ),
    records.Used: ("xfrm_lifetime_cur", "bytes packets add_time use_time"),
    records.Failures: ("xfrm_stats", "replay_window replay integrity_failed"),
    records.SaInfo: (
        "xfrm_usersa_info",
        "sel id saddr lft curlft stats seq reqid family mode replay_window flags",
    ),
    records.SaId: ("xfrm_usersa_id", "daddr spi family proto"),
    records.Flush: ("xfrm_usersa_flush", "proto"),
    records.PolicyInfo: ("xfrm_userpolicy_info", "sel lft curlft priority index dir action flags share"),
    records.PolicyId: ("xfrm_userpolicy_id", "sel index dir"),
    records.EventId: ("xfrm_aevent_id", "sa_id saddr flags reqid"),
    records.Expired: ("xfrm_user_expire", "state hard"),
    records.Template: (
        "xfrm_user_tmpl",
        "id family saddr reqid mode share optional aalgos ealgos calgos",
    ),
    records.Encapsulation: ("xfrm_encap_tmpl", "encap_type encap_sport encap_dport encap_oa"),
    records.Replay: ("xfrm_replay_state", "oseq seq bitmap"),
    records.Mark: ("xfrm_mark", "v m"),
    records.Offload: ("xfrm_user_offload", "ifindex flags"),
    records.SpiRange: ("xfrm_userspi_info", "info min max"),
    records.Acquire: ("xfrm_user_acquire", "id saddr sel policy aalgos ealgos calgos seq"),
    records.PolicyExpired: ("xfrm_user_polexpire", "pol hard"),
    records.Report: ("xfrm_user_report", "proto sel"),
    records.NatMapping: ("xfrm_user_mapping", "id reqid old_saddr new_saddr old_sport new_sport"),
    records.Defaults: ("xfrm_userpolicy_default", "in fwd out"),
    records.PolicyType: ("xfrm_userpolicy_type", "type"),
    records.Migration: (
        "xfrm_user_migrate",
        "old_daddr old_saddr new_daddr new_saddr proto mode reqid old_family new_family",
    ),
    records.KeyManagers: ("xfrm_user_kmaddress", "local remote family"),
    records.AddressFilter: ("xfrm_address_filter", "saddr daddr family splen dplen"),
    records.HashSize: ("xfrmu_spdhinfo", "spdhcnt spdhmcnt"),
    records.PolicyCounts: ("xfrmu_spdinfo", "incnt outcnt fwdcnt inscnt outscnt fwdscnt"),
    records.HashThreshold: ("xfrmu_spdhthresh", "lbits rbits"),
}
_BEGINNINGS: dict[xfrm.Attribute, tuple[Any, str]] = {
    xfrm.Attribute.ALG_CRYPT: (xfrm.Algorithm("x", b""), "xfrm_algo"),
    xfrm.Attribute.ALG_AEAD: (xfrm.Algorithm("x", b""), "xfrm_algo_aead"),
    xfrm.Attribute.ALG_AUTH_TRUNC: (xfrm.Algorithm("x", b""), "xfrm_algo_auth"),
    xfrm.Attribute.REPLAY_ESN_VAL: (xfrm.ReplayEsn(), "xfrm_replay_state_esn"),
    xfrm.Attribute.SEC_CTX: (xfrm.SecurityContext(b""), "xfrm_user_sec_ctx"),
}
"""Attributes of variable length: the shortest value, and its struct."""
_NO_STRUCTS = {records.Nothing, records.Flags}
_ENUMS = {
    "XFRM_MSG_": xfrm.Type,
    "XFRMA_SAD_": xfrm.SadAttribute,
    "XFRMA_SPD_": xfrm.SpdAttribute,
    "XFRMA_": xfrm.Attribute,
    "XFRM_STATE_": xfrm.SaFlag,
    "XFRM_SA_XFLAG_": xfrm.ExtraFlag,
    "XFRM_OFFLOAD_": xfrm.OffloadFlag,
}
_NOT_OURS = re.compile(r"_(MAX|BASE|UNSPEC)$|^XFRMA_(OUTPUT_MARK|REPLAY_ESN_MAX)$")


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory: pytest.TempPathFactory) -> dict[str, int]:
    """Every expression that the tests below ask for, and its value in C."""
    wanted = [_size(name) for name, _ in _STRUCTS.values()]
    wanted += [expression for struct in _STRUCTS.values() for place in _places(*struct) for expression in place]
    wanted += [_size(name) for _, name in _BEGINNINGS.values()]
    wanted += sorted(_names())
    lines = "\n".join(f'  printf("%ld\\n", (long)({expression}));' for expression in wanted)
    folder = tmp_path_factory.mktemp("header")
    source = folder / "values.c"
    source.write_text(
        f"#include <stddef.h>\n#include <stdio.h>\n#include <linux/xfrm.h>\nint main(void)\n{{\n{lines}\n}}\n",
        encoding="utf-8",
    )
    subprocess.run([str(_COMPILER), "-o", str(folder / "values"), str(source)], check=True)
    said = subprocess.run([str(folder / "values")], check=True, capture_output=True, encoding="utf-8").stdout
    return dict(zip(wanted, map(int, said.split()), strict=True))


def _size(name: str) -> str:
    return f"sizeof(struct {name})"


def _places(name: str, members: str) -> list[tuple[str, str]]:
    """Offset and size of each member."""
    return [
        (f"offsetof(struct {name}, {member})", f"sizeof(((struct {name} *)0)->{member})") for member in members.split()
    ]


def _names() -> set[str]:
    """The constants of the header that belong to one of our enums."""
    found = set(re.findall(rf"\b(?:{'|'.join(_ENUMS)})[A-Z0-9_]+\b", _HEADER.read_text(encoding="utf-8")))
    return {name for name in found if not _NOT_OURS.search(name)}


def _members(record: type[Record]) -> Iterator[tuple[int, int]]:
    """Offset and size of each field."""
    at = 0
    for entry in record.LAYOUT:
        size = entry if isinstance(entry, int) else struct.calcsize(entry) if isinstance(entry, str) else entry.size()
        if not isinstance(entry, int):
            yield at, size
        at += size


@pytest.mark.parametrize("record", _STRUCTS, ids=lambda record: record.__name__)
def test_a_record_is_laid_out_as_the_struct(record: type[Record], evaluated: dict[str, int]) -> None:
    """Size of the whole, place and size of each member."""
    name, members = _STRUCTS[record]
    assert record.size() == evaluated[_size(name)]
    assert list(_members(record)) == [(evaluated[at], evaluated[size]) for at, size in _places(name, members)]


def test_every_record_is_compared() -> None:
    mine = {one for one in vars(records).values() if isinstance(one, type) and issubclass(one, Record)}
    assert mine - {Record} == _STRUCTS.keys() | _NO_STRUCTS


@pytest.mark.parametrize("attribute", _BEGINNINGS, ids=lambda attribute: attribute.name)
def test_a_value_of_variable_length_begins_as_its_struct(attribute: xfrm.Attribute, evaluated: dict[str, int]) -> None:
    value, name = _BEGINNINGS[attribute]
    kind = xfrm.KINDS[xfrm.Attribute][attribute]
    assert len(kind.encode(value)) == evaluated[_size(name)]


def test_every_number_of_the_header_is_known_by_its_name(evaluated: dict[str, int]) -> None:
    """The header may be older than we, but nothing is in it that we do not have."""
    for name in _names():
        prefix = next(prefix for prefix in _ENUMS if name.startswith(prefix))
        ours: Any = _ENUMS[prefix]
        assert ours[name.removeprefix(prefix)] == evaluated[name], name
