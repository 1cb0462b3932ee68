"""Programs that are built on first use, and the probing of what they can do."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from espproof.adapters import native, probe
from espproof.adapters.base import AdapterError
from espproof.adapters.capabilities import everything
from espproof.adapters.case import Sa

HARNESS = Path(native.__file__).parent / "exec" / "harness_c"
NULL = native.Shim(
    "null", HARNESS, ("example_null.c",), "apt install gcc libcjson-dev libssl-dev", flags=("-lcrypto",)
)  # fmt: skip


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache that is empty."""
    monkeypatch.setenv("ESPPROOF_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_program_is_built_once_and_works() -> None:
    """The second call compiles nothing, and the program is an adapter of the shim's name."""
    first = native.build(NULL)
    built = first.stat().st_mtime_ns
    assert native.build(NULL) == first
    assert first.stat().st_mtime_ns == built
    with native.NativeAdapter("null", NULL) as adapter:
        assert adapter.name == "null"
        assert adapter.capabilities().encryption == {"ENCR_NULL": (0,)}


def test_other_flags_make_another_program() -> None:
    """What the program is made of is in its name."""
    other = native.Shim(NULL.name, NULL.folder, NULL.sources, NULL.install, flags=(*NULL.flags, "-DOTHER"))
    assert native.build(NULL) != native.build(other)


@pytest.mark.parametrize(
    ("shim", "told"),
    [
        (native.Shim("no", HARNESS, ("not_there.c",), "apt install it"), "not_there.c is missing; apt install it"),
        (native.Shim("no", HARNESS, ("Makefile",), "apt install it"), "cc failed; apt install it"),
        (native.Shim("no", HARNESS, (), "apt install it", packages=("libnothing-at-all",)), "pkg-config failed"),
    ],
)
def test_what_cannot_be_built_says_why_and_what_helps(shim: native.Shim, told: str, own_cache: Path) -> None:
    """An adapter error, and nothing half made is left in the cache."""
    with pytest.raises(AdapterError, match=told):
        native.build(shim)
    assert not list(own_cache.rglob("*no*"))


def test_without_a_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message says what to install."""
    monkeypatch.setenv("CC", "no-such-compiler")
    with pytest.raises(AdapterError, match="no C compiler; apt install gcc"):
        native.build(NULL)


def test_probing_keeps_what_works() -> None:
    """A cipher stays with the key sizes that go with every integrity algorithm that is left."""

    def works(sas: Sequence[Sa]) -> list[bool]:
        return [
            sa.auth != "AUTH_HMAC_MD5_96"
            and (sa.encr, len(sa.encr_key)) != ("ENCR_AES_CBC", 24)
            and (sa.encr, sa.auth) != ("ENCR_3DES", "AUTH_AES_XCBC_96")
            for sa in sas
        ]

    left = probe.narrowed(everything(), works)
    assert left.host is not None
    assert "AUTH_HMAC_MD5_96" not in (*left.integrity, *left.host.ah)
    assert "AUTH_AES_GMAC" in left.host.ah
    assert left.encryption["ENCR_AES_CBC"] == (16, 32)
    assert "ENCR_3DES" not in left.encryption
    assert left.encryption["ENCR_AES_GCM_16"] == everything().encryption["ENCR_AES_GCM_16"]


def test_probing_asks_for_distinct_sas() -> None:
    """Names and SPIs differ, and no key is weak by being all the same."""
    asked: list[Sa] = []

    def works(sas: Sequence[Sa]) -> list[bool]:
        asked.extend(sas)
        return [True] * len(sas)

    assert probe.narrowed(everything(), works) == everything()
    assert len({sa.name for sa in asked}) == len({sa.spi for sa in asked}) == len(asked)
    assert all(len(set(sa.encr_key)) == len(sa.encr_key) for sa in asked)
