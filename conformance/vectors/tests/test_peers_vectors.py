"""Vectors of other projects, in their formats and with octets of our own: read, tried, and nothing guessed."""

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESCCM, AESGCM, ChaCha20Poly1305
from typer.testing import CliRunner

from espproof.adapters.case import Case, Outbound, Sent
from espproof.conformance.commands.cli import build as build_cli
from espproof.conformance.vectors import files
from espproof.conformance.vectors.peers import FORMATS
from espproof.conformance.vectors.peers.c_tables import Name, Unknown, tables
from espproof.conformance.vectors.peers.peer import MAX_FILE
from espproof.reference.errors import Misuse
from espproof.reference.transforms import mac, transform


def run(path: Path, format_: str, *words: str) -> Any:
    words = words or ("reference",)
    return CliRunner().invoke(
        build_cli(), ["vectors", "run", *words, "--from", str(path), "--format", format_, "--json"]
    )


def told(result: Any) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(result.stdout)
    return document


def verdicts(result: Any) -> dict[str, str]:
    return {one["id"]: one["verdict"] for one in told(result)["results"]}


# ------------------------------------------------------------------------------------------------------ tables in C

STRUCTS = frozenset({"thing"})


def value(text: str) -> Any:
    found, left_out = tables(f"struct thing one = {{ .x = {text} }};", STRUCTS)
    assert not left_out
    assert isinstance(found[0].value, dict)
    return found[0].value["x"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1", 1), ("0x1fU", 31), ("010", 8), ("8 + 20 * 2", 48), ("(8 + 20) * 2", 56), ("16 - 4", 12),
        ('"\\x01\\x02" /* two */ "A\\0\\n\\17"', b"\x01\x02A\0\n\x0f"), ('""', b""), ("NULL", Name("NULL")),
        ("{ 1, 2, }", [1, 2]), ("{ .a = 1, .b.c = 2, .b.d = 3, .a = 4 }", {"a": 4, "b": {"c": 2, "d": 3}}),
        ("(uint8_t []){ 1, 2 }", [1, 2]), ('(const u8 *)"\\x07"', b"\7"), ("{}", []),
    ],
)  # fmt: skip
def test_c_values(text: str, expected: Any) -> None:
    """Numbers, sums, octets, names, lists and structs are what they are in C."""
    assert value(text) == expected


@pytest.mark.parametrize(
    "text", ["sizeof(a)", "a + 1", '"\\x123"', '"\\q"', "f(1, 2)", "1 << 70", "'a'", "-", "{ .a = 1, 2 }"]
)
def test_c_values_that_are_not_understood(text: str) -> None:
    """What a compiler alone could tell is unknown, and says what it is."""
    assert isinstance(value(text), Unknown)


def test_c_preprocessor() -> None:
    """Of a condition the little-endian branch is read; of one that must be computed nothing, which is told."""
    source = """
    #ifndef GUARD_H
    #define GUARD_H \\
        struct thing no = { .x = 9 };
    // struct thing no = { .x = 9 };
    static const char zeros[3];
    static const struct thing many[] = { {
    #ifdef __LITTLE_ENDIAN
        .x = 1,
    #else
        .x = 2,
    #endif
        .y = zeros,
    }, {
    #if VERSION > 3
        .x = 3,
    #else
        .x = 4,
    #endif
    } };
    extern struct thing elsewhere;
    struct thing *pointer = &no;
    #endif
    """
    (many,), left_out = tables(source, STRUCTS)
    assert (many.name, many.value) == ("many", [{"x": 1, "y": bytes(3)}, [Unknown("#if VERSION > 3")]])
    assert left_out == ["line 15: #if VERSION > 3"]


@pytest.mark.parametrize(
    "source",
    ["/* no end", "#if 1\nint a;", "#endif", "struct thing a = { 1", "struct thing a = " + "{" * 10_000,
     "struct thing a = { .x = ) };", "struct thing a = { .x = { 1 } 2 };", "struct thing a[", "struct thing a = { .x"],
)  # fmt: skip
def test_c_that_is_none(source: str) -> None:
    """A file that is no C is refused with one line, however it is broken."""
    with pytest.raises(Misuse):
        tables(source, STRUCTS)


@pytest.mark.parametrize("octets", [b"\xff\xfe\0", b" " * (MAX_FILE + 1), b"[" * 100_000, b"{}", b"[1]", b'"\\ud800"'])
@pytest.mark.parametrize("format_", FORMATS)
def test_hostile_files(tmp_path: Path, format_: str, octets: bytes) -> None:
    """A file that is too large, no text, or of nobody's format is refused, or has no vectors; nothing crashes."""
    path = tmp_path / "hostile"
    path.write_bytes(octets)
    assert run(path, format_).exit_code in (2, 3)
    assert run(tmp_path / "absent", format_).exit_code == 2


# ------------------------------------------------------------------------------------------------------- Wycheproof

KEY, NONCE = bytes(range(1, 17)), bytes.fromhex("a0a1a2a3b0b1b2b3b4b5b6b7")


def aead_test(
    number: int, aead: Any, key: bytes, nonce: bytes, aad: bytes, size: int = 16, **changed: str
) -> dict[str, Any]:
    sealed = aead.encrypt(nonce, b"some octets", aad)
    return {
        "tcId": number, "key": key.hex(), "iv": nonce.hex(), "aad": aad.hex(), "msg": b"some octets".hex(),
        "ct": sealed[:-size].hex(), "tag": sealed[-size:].hex(), "result": "valid", **changed,
    }  # fmt: skip


def wycheproof(path: Path, algorithm: str, tests: list[Any], tag_bits: int = 128) -> Path:
    group = {"type": "AeadTest", "tagSize": tag_bits, "tests": tests}
    path.write_text(json.dumps({"algorithm": algorithm, "testGroups": [group]}), encoding="utf-8")
    return path


def test_wycheproof_aeads(tmp_path: Path) -> None:
    """Right ones pass, wrong ones pass if they are refused, sizes that ESP lacks are inapplicable, by number."""
    gcm = AESGCM(KEY)
    right = aead_test(1, gcm, KEY, NONCE, bytes(8))
    esn = aead_test(2, gcm, KEY, NONCE, bytes(range(12)))
    forged = aead_test(3, gcm, KEY, NONCE, b"", tag="00" * 16, result="invalid")
    long_nonce = aead_test(4, gcm, KEY, NONCE + b"\0", b"")
    either = aead_test(5, gcm, KEY, NONCE, b"", result="acceptable")
    wrong = aead_test(6, gcm, KEY, NONCE, b"", tag="00" * 16)
    accepted = aead_test(7, gcm, KEY, NONCE, b"", result="invalid")
    result = run(wycheproof(tmp_path / "a", "AES-GCM", [right, esn, forged, long_nonce, either]), "wycheproof")
    assert result.exit_code == 0
    assert list(verdicts(result).values()) == ["pass", "pass", "pass", "inapplicable", "inapplicable"]
    result = run(wycheproof(tmp_path / "b", "AES-GCM", [wrong, accepted]), "wycheproof")
    assert result.exit_code == 1
    assert list(verdicts(result).values()) == ["fail", "fail"]
    assert {one["message"] for one in told(result)["results"]} == {
        "a right ICV was not accepted", "a wrong ICV was accepted"
    }  # fmt: skip


def test_wycheproof_other_algorithms(tmp_path: Path) -> None:
    """CCM with each of its ICVs, ChaCha20-Poly1305; an algorithm that is none of ESP's is inapplicable as a whole."""
    for size in (8, 12, 16):
        test = aead_test(size, AESCCM(KEY, size), KEY, NONCE[1:], bytes(8), size)
        result = run(wycheproof(tmp_path / "ccm", "AES-CCM", [test], 8 * size), "wycheproof")
        assert verdicts(result) == {f"AES-CCM {size}": "pass"}
    long = KEY + KEY[::-1]
    test = aead_test(1, ChaCha20Poly1305(long), long, NONCE, bytes(8))
    assert verdicts(run(wycheproof(tmp_path / "c", "CHACHA20-POLY1305", [test]), "wycheproof")) == {
        "CHACHA20-POLY1305 1": "pass"
    }  # fmt: skip
    assert verdicts(run(wycheproof(tmp_path / "c", "AEGIS128", [test]), "wycheproof")) == {"AEGIS128 1": "inapplicable"}


def test_wycheproof_macs(tmp_path: Path) -> None:
    """A tag is held against as many octets as ESP sends; a mistake behind them is no business of ESP's."""
    key = bytes(range(32))
    whole = transform("ENCR_NULL", "AUTH_HMAC_SHA2_256_128", b"", b"", key).seal(b"", b"", b"", b"abc")[3:]
    tail = bytes(16)

    def test(number: int, tag: bytes, result: str, key: bytes = key) -> dict[str, Any]:
        return {"tcId": number, "key": key.hex(), "msg": b"abc".hex(), "tag": tag.hex(), "result": result}

    flipped = bytes([whole[0] ^ 1]) + whole[1:]
    tests = [
        test(1, whole + tail, "valid"), test(2, flipped + tail, "invalid"), test(3, whole + tail, "invalid"),
        test(4, whole + tail, "valid", key[:16]),
    ]  # fmt: skip
    result = run(wycheproof(tmp_path / "m", "HMACSHA256", tests, 256), "wycheproof")
    assert list(verdicts(result).values()) == ["pass", "pass", "inapplicable", "inapplicable"]
    result = run(
        wycheproof(tmp_path / "m", "HMACSHA256", [test(1, flipped, "valid"), test(2, whole, "invalid")]), "wycheproof"
    )
    assert list(verdicts(result).values()) == ["fail", "fail"]
    short = run(wycheproof(tmp_path / "m", "HMACSHA256", [test(1, whole[:8], "valid")], 64), "wycheproof")
    assert list(verdicts(short).values()) == ["inapplicable"]
    cmac = {
        "tcId": 1,
        "key": KEY.hex(),
        "msg": "",
        "tag": (mac("AUTH_AES_CMAC_96", KEY)(b"") + bytes(4)).hex(),
        "result": "valid",
    }
    assert verdicts(run(wycheproof(tmp_path / "m", "AES-CMAC", [cmac]), "wycheproof")) == {"AES-CMAC 1": "pass"}


def test_wycheproof_is_not_guessed(tmp_path: Path) -> None:
    """What is not understood is counted and told, and the exit status says so."""
    good = aead_test(1, AESGCM(KEY), KEY, NONCE, b"")
    bad = [good | {"result": "perhaps"}, good | {"key": "0g"}, good | {"tag": "00"}, 7, {"tcId": 9}]
    result = run(wycheproof(tmp_path / "w", "AES-GCM", [good, *bad]), "wycheproof")
    assert result.exit_code == 3
    assert verdicts(result) == {"AES-GCM 1": "pass"}
    assert len(told(result)["not_understood"]) == len(bad)
    shown = CliRunner().invoke(
        build_cli(), ["vectors", "run", "reference", "--from", str(tmp_path / "w"), "--format", "wycheproof"]
    )
    assert "result 'perhaps'" in shown.stdout
    assert f"not understood: {len(bad)}" in shown.stdout


# ------------------------------------------------------------------------------------------------------ the kernel


def literal(octets: bytes) -> str:
    return "".join(f"\\x{octet:02x}" for octet in octets).join('""')


def row(key: bytes, iv: bytes, assoc: bytes, plain: bytes, sealed: bytes, more: str = "") -> str:
    octets = {"key": key, "iv": iv, "assoc": assoc, "ptext": plain, "ctext": sealed}
    lengths = {"klen": len(key), "alen": len(assoc), "plen": len(plain)}
    members = [f".{name} = {literal(one[:4])} {literal(one[4:])}" for name, one in octets.items()]
    members += [f".{name} = {size}" for name, size in lengths.items()]
    return f"{{ {', '.join(members)}, .clen = {len(plain)} + {len(sealed) - len(plain)}, {more} }}"


def kernel(path: Path, **named: list[str]) -> Path:
    text = "".join(
        f"static const struct aead_testvec {name}[] = {{ {', '.join(rows)} }};\n" for name, rows in named.items()
    )
    path.write_text(text, encoding="utf-8")
    return path


IV, HEAD = NONCE[4:], bytes.fromhex("0000512200000007")


def test_kernel_combined(tmp_path: Path) -> None:
    """Key with its salt, associated data with the IV behind them, ICVs of each size; GMAC; ESN's twelve octets."""
    sealed = AESGCM(KEY).encrypt(NONCE, b"text", HEAD)
    ccm = AESCCM(KEY, 8).encrypt(NONCE[1:], b"text", HEAD)
    gmac = b"text" + AESGCM(KEY).encrypt(NONCE, b"", HEAD + IV + b"text")
    esn = AESGCM(KEY).encrypt(NONCE, b"text", HEAD[:4] + b"\0\0\0\7" + HEAD[4:])
    path = kernel(
        tmp_path / "testmgr.h",
        aes_gcm_rfc4106_tv_template=[
            row(KEY + NONCE[:4], IV, HEAD + IV, b"text", sealed),
            row(KEY + NONCE[:4], IV, HEAD, b"text", sealed),
            row(KEY + NONCE[:4], IV, HEAD[:4] + b"\0\0\0\7" + HEAD[4:] + IV, b"text", esn),
            row(KEY + NONCE[:4], IV, HEAD + IV, b"text", sealed[:-1] + b"\0", ".novrfy = 1"),
            row(KEY + NONCE[:4], IV, HEAD + bytes(8), b"text", sealed),
            row(KEY + NONCE[:3], IV, HEAD + IV, b"text", sealed),
            row(KEY + NONCE[:4], IV, HEAD + IV, b"text", sealed, ".setkey_error = -EINVAL"),
            row(KEY + NONCE[:4], IV, HEAD + IV, b"text", sealed[:-1] + b"\0"),
        ],
        aes_ccm_rfc4309_tv_template=[row(KEY + NONCE[1:4], IV, HEAD + IV, b"text", ccm)],
        aes_gcm_rfc4543_tv_template=[row(KEY + NONCE[:4], IV, HEAD + IV, b"text", gmac)],
        aegis128_tv_template=[row(KEY, IV, b"abcd", b"text", sealed)],
    )
    result = run(path, "kernel")
    assert result.exit_code == 1
    found = list(verdicts(result).values())
    assert found == ["pass"] * 4 + ["inapplicable"] * 3 + ["fail"] + ["pass"] * 2 + ["inapplicable"]


def authenc(auth_key: bytes, encr_key: bytes, head: str = "08000100") -> bytes:
    return bytes.fromhex(head) + len(encr_key).to_bytes(4, "big") + auth_key + encr_key


def test_kernel_authenc(tmp_path: Path) -> None:
    """Both keys are in one attribute, in either byte order; of the ICV only what ESP sends is compared."""
    auth_key, counter = bytes(range(20)), KEY + NONCE[:4]
    null = transform("ENCR_NULL", "AUTH_HMAC_SHA1_96", b"", b"", auth_key).seal(HEAD, b"", b"", b"text") + bytes(8)
    ctr = transform("ENCR_AES_CTR", "AUTH_HMAC_SHA1_96", KEY, NONCE[:4], auth_key).seal(HEAD, b"", IV, b"text")
    path = kernel(
        tmp_path / "testmgr.h",
        hmac_sha1_ecb_cipher_null_tv_temp=[
            row(authenc(auth_key, b""), b"", HEAD, b"text", null),
            row(authenc(auth_key, b"", "00080001"), b"", HEAD, b"text", null),
            row(authenc(auth_key[1:], b""), b"", HEAD, b"text", null),
            row(authenc(auth_key, b"", "01020304"), b"", HEAD, b"text", null),
        ],
        hmac_sha1_aes_ctr_rfc3686_tv_temp=[
            row(authenc(auth_key, counter), IV, HEAD + IV, b"text", ctr),
            row(authenc(auth_key, counter), IV, HEAD, b"text", ctr),
        ],
    )
    result = run(path, "kernel")
    assert result.exit_code == 3
    assert list(verdicts(result).values()) == ["pass", "pass", "inapplicable", "pass", "inapplicable"]
    assert "no attribute" in told(result)["not_understood"][0]


def test_kernel_of_old(tmp_path: Path) -> None:
    """Older members are understood; a length beyond its literal is not."""
    sealed = AESGCM(KEY).encrypt(NONCE, b"text", HEAD)
    old = row(KEY + NONCE[:4], IV, HEAD, b"text", sealed)
    for new, name in (("ptext", "input"), ("plen", "ilen"), ("ctext", "result"), ("clen", "rlen")):
        old = old.replace(f".{new} ", f".{name} ")
    path = kernel(
        tmp_path / "testmgr.h", aes_gcm_rfc4106_tv_template=[old, old.replace(".klen = 20", ".klen = 40"), "0"]
    )
    result = run(path, "kernel")
    assert result.exit_code == 3
    assert list(verdicts(result).values()) == ["pass"]
    assert len(told(result)["not_understood"]) == 2
    assert run(kernel(tmp_path / "empty.h"), "kernel").exit_code == 3


def test_algorithms_are_for_the_reference(tmp_path: Path) -> None:
    """A vector of an algorithm is no packet, so that no other implementation can be asked."""
    path = wycheproof(tmp_path / "w", "AES-GCM", [aead_test(1, AESGCM(KEY), KEY, NONCE, b"")])
    assert run(path, "wycheproof", "scapy").exit_code == 2


# ------------------------------------------------------------------------------------------------------------- DPDK


def data(octets: bytes, with_length: bool = True) -> str:
    length = f".len = {len(octets)}," if with_length else ""
    return f"{{ .data = {{ {', '.join(f'{octet:#04x}' for octet in octets)} }}, {length} }}"


def dpdk(case: Case, **changed: str) -> str:
    """One of our own vectors as DPDK would write it down."""
    (sa,), (step, *_) = case.sas, case.steps
    assert isinstance(step, Outbound)
    assert isinstance(step.expect, Sent)
    assert step.iv is not None
    fields = {
        "direction": "RTE_SECURITY_IPSEC_SA_DIR_EGRESS", "proto": "RTE_SECURITY_IPSEC_SA_PROTO_ESP",
        "mode": f"RTE_SECURITY_IPSEC_SA_MODE_{sa.mode.upper()}", "spi": hex(sa.spi), "options.esn": str(int(sa.esn)),
        "esn.hi": hex((int(sa.sequence) + 1) >> 32), "options.dec_ttl": "0",
    }  # fmt: skip
    size = len(sa.encr_key)
    if sa.auth == "NONE":
        xform = f".aead.aead = {{ .algo = RTE_CRYPTO_AEAD_AES_GCM, .digest_length = {sa.encr.rpartition('_')[2]} }}, "
        xform += f".aead.aead.key.length = {size}"
    else:
        xform = f".chain.cipher.cipher = {{ .algo = RTE_CRYPTO_CIPHER_AES_CBC, .key.length = {size} }}, "
        xform += ".chain.auth.auth = { .algo = RTE_CRYPTO_AUTH_SHA256_HMAC, .digest_length = 16 }"
    members = {
        "key": data(sa.encr_key, False), "auth_key": data(sa.auth_key, False), "salt": data(sa.salt),
        "iv": data(step.iv, False), "input_text": data(step.packet), "output_text": data(step.expect.packet),
        "xform": f"{{ {xform} }}",
        "aead": str(sa.auth == "NONE").lower(),
    }  # fmt: skip
    fields |= {name: text for name, text in changed.items() if name not in members}
    members |= {name: text for name, text in changed.items() if name in members}
    inside = ", ".join(f".{name} = {text}" for name, text in fields.items())
    return f"{{ {', '.join(f'.{name} = {text}' for name, text in members.items())}, .ipsec_xform = {{ {inside} }} }}"


def header_of(path: Path, *structs: str) -> Path:
    text = "".join(f"struct ipsec_test_data pkt_{at} = {one};\n" for at, one in enumerate(structs))
    path.write_text(
        "#include <rte_crypto.h>\n#ifndef TEST_H_\n#define TEST_H_\n" + text + "#endif /* TEST_H_ */\n",
        encoding="utf-8",
    )
    return path


def own(name: str) -> Case:
    return next(case for case in files.vectors() if case.id == name)


@pytest.mark.parametrize(
    "name", ["esn-gcm16-outbound", "kat-gcm8-outbound", "esn-cbc128-sha256-outbound", "esn-gcm16-transport-v6-outbound"]
)
@pytest.mark.parametrize("adapter", ["reference", "seeded:icv-aead-high-missing"])
def test_dpdk_is_our_own_case_again(tmp_path: Path, name: str, adapter: str) -> None:
    """One of our vectors in DPDK's words passes in both directions, and fails where ours does."""
    result = run(header_of(tmp_path / "vectors.h", dpdk(own(name))), "dpdk", adapter)
    fails = adapter != "reference" and "esn-gcm" in name
    assert set(verdicts(result)) == {"pkt_0 outbound", "pkt_0 inbound"}
    assert (result.exit_code, "fail" in verdicts(result).values()) == (int(fails), fails)


def test_dpdk_is_not_guessed(tmp_path: Path) -> None:
    """What an SA of ours cannot have is inapplicable; what says nothing that is known is told."""
    case = own("kat-gcm16-outbound")
    gcm_17 = "{ .aead.aead = { .algo = RTE_CRYPTO_AEAD_AES_GCM, .digest_length = 16, .key.length = 17 } }"
    inapplicable = [
        dpdk(case, proto="RTE_SECURITY_IPSEC_SA_PROTO_AH"), dpdk(case, **{"options.dec_ttl": "1"}),
        dpdk(case, xform="{ .aead = { .aead = { .algo = RTE_CRYPTO_AEAD_SM4_GCM } } }"),
        dpdk(case, xform=gcm_17),
        dpdk(case, aead="false", xform="{ .chain.cipher.cipher.algo = RTE_CRYPTO_CIPHER_DES_CBC }"),
    ]  # fmt: skip
    result = run(header_of(tmp_path / "vectors.h", *inapplicable), "dpdk")
    assert result.exit_code == 0
    assert set(verdicts(result).values()) == {"inapplicable"}
    unclear = [
        dpdk(case, mode="RTE_SOMETHING"), dpdk(case, spi="sizeof(int)"), dpdk(case, direction="0"),
        dpdk(case, output_text="{ .len = 5 }"), dpdk(case, key="{ .data = { 1, 300 } }"), "{ .key = 1 }",
        dpdk(case, **{"options.udp_encap": "1"}),
    ]  # fmt: skip
    result = run(header_of(tmp_path / "vectors.h", *unclear), "dpdk")
    assert result.exit_code == 3
    assert not told(result)["results"]
    assert len({line.split()[0] for line in told(result)["not_understood"]}) == len(unclear)


def test_dpdk_inbound(tmp_path: Path) -> None:
    """An SA of the other direction has its texts the other way round, and is tried in that direction alone."""
    case = own("kat-gcm16-outbound")
    (step, *_) = case.steps
    assert isinstance(step, Outbound)
    assert isinstance(step.expect, Sent)
    ingress = dpdk(
        case,
        direction="RTE_SECURITY_IPSEC_SA_DIR_INGRESS",
        input_text=data(step.expect.packet),
        output_text=data(step.packet),
    )
    assert verdicts(run(header_of(tmp_path / "vectors.h", ingress), "dpdk")) == {"pkt_0 inbound": "pass"}


def test_options_belong_together(tmp_path: Path) -> None:
    """A file needs its format, a format its file, and a format that is known; patterns select among a peer's vectors."""
    path = header_of(tmp_path / "vectors.h", dpdk(own("kat-gcm16-outbound")))

    def status(*words: str) -> int:
        return CliRunner().invoke(build_cli(), ["vectors", "run", "reference", *words]).exit_code

    assert (
        status("--from", str(path)) == status("--format", "dpdk") == status("--from", str(path), "--format", "tls") == 2
    )
    assert status("--from", str(path), "--format", "dpdk", "--only", "nothing*") == 2
    assert status("--from", str(path), "--format", "dpdk", "--only", "*inbound") == 0
