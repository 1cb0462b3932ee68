"""The files of vectors: what is in them, made by the tool alone, usable without the suite, and its commands."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from typer.testing import CliRunner

from espproof.adapters.case import CaseFile, from_json
from espproof.adapters.models.reference import ReferenceAdapter
from espproof.conformance.commands.cli import build as build_cli
from espproof.conformance.oracle.verdict import Verdict
from espproof.conformance.vectors import build, confirm, files, judge, known_answers, situations, windows
from espproof.conformance.vectors.lint import lint
from espproof.conformance.vectors.made import Mistake, datagram, protect
from espproof.conformance.vectors.suites import SUITES
from espproof.reference.errors import Misuse

# ------------------------------------------------------------------------------------------------------ what is in it


def test_every_issue_is_covered() -> None:
    """Every algorithm suite has its answers and its negative twins, every window size its situations."""
    ids = {case.id for case in files.vectors()}
    for name, suite in SUITES.items():
        wanted = {"inbound", "outbound", "inbound-crossing", "outbound-crossing"}
        wanted |= {m.value for m in Mistake} - {"none", "forged", "high-added", "iv-without-high"}
        wanted |= {"iv-without-high"} if suite.implicit_iv else set()
        assert not {f"esn-{name}-{what}" for what in wanted} - ids
        assert f"kat-{name}-high-added" in ids
    for suite_name, size in windows.SIZES:
        assert sum(name.startswith(f"window-{suite_name}-w{size}-") for name in ids) >= 30
    assert {f"gcm-test-{number:02}-inbound" for number in range(1, 18)} <= ids
    assert {f"rfc3602-case-{number}-{way}" for number in (5, 6, 7, 8) for way in ("inbound", "outbound")} <= ids


def test_high_halves_do_not_hide() -> None:
    """The high half of our own vectors is neither zero nor the same in both byte orders."""
    for high in (known_answers.HIGH, situations.HIGH):
        octets = high.to_bytes(4, "big")
        assert 0 not in octets
        assert octets != octets[::-1]


def test_negative_packets_differ_from_their_positives() -> None:
    """A packet with a mistake has other octets than the right one of the same number."""
    sa = SUITES["gcm16-iiv"].sa(direction="in", esn=True)
    inner = datagram("x")
    packets = {
        mistake: protect(sa, known_answers.MIDDLE, inner, mistake=mistake).packet
        for mistake in Mistake
        if mistake is not Mistake.HIGH_ADDED
    }
    assert len(set(packets.values())) == len(packets)


def test_everything_is_confirmed() -> None:
    """Every vector says who confirmed it; at the time of writing nobody is missing."""
    for case in files.vectors():
        assert case.confirmed_by
        assert case.confirmed_by != (build.NOBODY,)
        assert all(re.fullmatch(r"[A-Za-z]+ [0-9.]+: .+", said) for said in case.confirmed_by)


# ----------------------------------------------------------------------------------------------------- only by the tool


def test_files_are_what_the_tool_makes() -> None:
    """The committed files are octet for octet what `espproof vectors build` makes."""
    assert not list(build.changes(build.build()))


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """A copy of the corpus that a test may spoil."""
    folder = tmp_path / "vectors"
    shutil.copytree(files.FOLDER, folder)
    shutil.copy(files.FOLDER.parent / "PROVENANCE.md", tmp_path)
    return folder


def test_lint_is_clean(corpus: Path) -> None:
    """There is nothing to complain about."""
    assert list(lint()) == []
    assert list(lint(corpus)) == []


def spoil(folder: Path, name: str, change: Callable[[Any], None]) -> None:
    path = folder / f"{name}.json"
    content = json.loads(path.read_bytes())
    change(content)
    path.write_bytes(json.dumps(content, indent=1).encode() + b"\n")


SPOILED: dict[str, tuple[Callable[[Any], None], str]] = {
    "an id twice": (lambda c: c["cases"][1].update(id=c["cases"][0]["id"]), "have this id"),
    "an id gone": (lambda c: c["cases"].pop(), "ids are for ever"),
    "a new id": (lambda c: c["cases"][0].update(id="something-new"), "is not in ids.toml"),
    "an odd id": (lambda c: c["cases"][0].update(id="Not An Id"), "lower-case words"),
    "other octets": (lambda c: c["cases"][0]["sas"][0].update(spi=4711), "give it a new id"),
    "an unknown flag": (lambda c: c["cases"][0].update(flags=["odd"]), "flag odd is not explained"),
    "a flag unused": (lambda c: c["flags"].update(odd="x" * 50), "explained and not used"),
    "a flag unexplained": (lambda c: c["flags"].update(published="short"), "what it costs"),
    "an unknown requirement": (lambda c: c["cases"][0].update(requirements=["RFC1-1-x"]), "no requirement RFC1-1-x"),
    "no confirmation": (lambda c: c["cases"][0].pop("confirmed_by"), "no confirmed_by"),
    "no source": (lambda c: c["cases"][0].pop("source"), "no source"),
    "no expectation": (lambda c: c["cases"][0]["steps"][0].pop("expect"), "nothing is expected"),
    "a wrong expectation": (
        lambda c: c["cases"][0]["steps"][0].update(expect={"result": "dropped"}), "the reference disagrees at step 0"
    ),
    "an unknown field": (lambda c: c["cases"][0].update(colour="red"), "colour"),
    "an odd step": (lambda c: c["cases"][0]["steps"].append({"op": "read_state", "sa": "out"}), "not for vectors"),
}  # fmt: skip


@pytest.mark.parametrize("what", SPOILED)
def test_lint_complains(corpus: Path, what: str) -> None:
    """Each way of spoiling a file gives its complaint."""
    change, complaint = SPOILED[what]
    spoil(corpus, "rfc3602", change)
    assert any(complaint in said for said in lint(corpus)), list(lint(corpus))


def test_lint_wants_a_positive(corpus: Path) -> None:
    """A vector that only discards is passed by who discards everything."""
    spoil(corpus, "overflow", lambda c: c["cases"][0].update(steps=c["cases"][0]["steps"][2:]))
    assert any("only discards" in said for said in lint(corpus))


def test_lint_reads_as_others_do(corpus: Path) -> None:
    """A member that is there twice is told: readers disagree about which one counts."""
    path = corpus / "rfc7634.json"
    path.write_text(path.read_text(encoding="utf-8").replace('"spi":', '"spi": 4711, "spi":', 1), encoding="utf-8")
    assert any("two members of one name" in said for said in lint(corpus))


def test_lint_complains_about_files(corpus: Path) -> None:
    """A missing, a foreign, an unreadable, an unexplained file, and one in another form, are each told."""
    (corpus / "overflow.json").unlink()
    shutil.copy(corpus / "rfc7634.json", corpus / "foreign.json")
    (corpus / "broken.json").write_text("{", encoding="utf-8")
    path = corpus / "rfc3602.json"
    path.write_bytes(path.read_bytes() + b"\n")
    said = "\n".join(lint(corpus))
    for expected in (
        "overflow.json is missing", "foreign.json is not made by the tool", "broken.json: not a", "rfc3602.json: not in",
        "does not say where foreign.json",
    ):  # fmt: skip
        assert expected in said


def test_build_refuses_to_break_promises(corpus: Path) -> None:
    """An id that would vanish or name other octets is refused, and nothing is written."""
    before = {path: path.read_bytes() for path in corpus.iterdir()}
    ids = files.read_ids(corpus)
    (corpus / files.IDS).write_bytes(files.ids_text(ids | {"was-once-published": "0" * 16}))
    with pytest.raises(Misuse, match="would be gone: was-once-published"):
        build.build(corpus)
    (corpus / files.IDS).write_bytes(files.ids_text(ids | {"kat-gcm16-inbound": "0" * 16}))
    with pytest.raises(Misuse, match="other octets: kat-gcm16-inbound"):
        build.build(corpus)
    assert all(path.read_bytes() == content for path, content in before.items() if path.name != files.IDS)


def test_build_restores(corpus: Path) -> None:
    """A spoiled file is made again, its confirmations are kept, and nothing else is written or left behind."""
    spoil(corpus, "gcm-test", lambda c: c.update(title="spoiled"))
    written = build.write(build.build(corpus))
    assert [path.name for path in written] == ["gcm-test.json"]
    assert (corpus / "gcm-test.json").read_bytes() == (files.FOLDER / "gcm-test.json").read_bytes()
    assert {path.name for path in corpus.iterdir()} == {path.name for path in files.FOLDER.iterdir()}


def test_confirmations_are_for_the_same_octets(corpus: Path) -> None:
    """A confirmation is not carried over to a vector with other octets."""
    spoil(corpus, "rfc7634", lambda c: c["cases"][0]["sas"][0].update(spi=4711))
    built = from_json(build.build(corpus)[corpus / "rfc7634.json"], CaseFile)
    assert built.cases[0].confirmed_by == (build.NOBODY,)
    assert built.cases[1].confirmed_by != (build.NOBODY,)


def test_who_confirms_besides_is_added(corpus: Path) -> None:
    """`--also` adds one line per vector that it does as expected, in the place of its older one, and takes none away."""
    before = {case.id: case.confirmed_by for case in files.read(files.path_of("esn-combined", corpus)).cases}
    also = [confirm.Whole("scapy")]
    text = build.build(corpus, also=also)[files.path_of("esn-combined", corpus)]
    after = {case.id: case.confirmed_by for case in from_json(text, CaseFile).cases}
    added = [name for name in after if after[name] != before[name]]
    assert added
    for name in added:
        assert after[name] == (*(one for one in before[name] if not one.startswith("scapy ")), after[name][-1])
        assert re.fullmatch(r"scapy [0-9.]+: every outcome", after[name][-1])
    assert len(added) < len(after)  # scapy has no replay window


def test_look_up_is_fitted_to_what_is_declared() -> None:
    """A vector's SA that is found by its SPI is found by its addresses too, where nothing else is declared."""
    case = next(case for case in files.vectors() if case.sas[0].direction == "in" and case.sas[0].lookup == "spi")
    narrow = msgspec.structs.replace(ReferenceAdapter().capabilities(), lookup=("spi+destination",))
    fitted = judge.fit(case, narrow)
    assert fitted.sas[0].lookup == "spi+destination"
    assert judge.compare(fitted, ReferenceAdapter().execute(fitted), narrow).verdict is Verdict.PASS


def test_the_author_cannot_confirm() -> None:
    """The reference has made the vectors."""
    with pytest.raises(Misuse, match="cannot confirm"):
        confirm.Whole("reference")


# -------------------------------------------------------------------------------------------------- without our code


class Stranger:
    """An ESP receiver and sender for AES-GCM-16 tunnels, written from the README beside the files and RFC 4303 alone."""

    def __init__(self, sa: dict[str, Any]) -> None:
        self.sa = sa
        self.aes = AESGCM(bytes.fromhex(sa["encr_key"]))
        self.salt = bytes.fromhex(sa["salt"])
        self.top = int(sa.get("sequence", "0"), 16)
        self.seen = {self.top} if self.top else set()
        self.window: int = sa.get("replay_window", 64)
        self.spi = int(sa["spi"]).to_bytes(4, "big")

    def aad(self, number: int) -> bytes:
        return self.spi + number.to_bytes(8, "big")[0 if self.sa.get("esn") else 4 :]

    def send(self, packet: bytes, iv: bytes) -> bytes | None:
        number = self.top + 1
        if number >> (64 if self.sa.get("esn") else 32):
            return None
        self.top = number
        padding = bytes(range(1, 1 + -(len(packet) + 2) % 4))
        text = packet + padding + bytes([len(padding), 4 if packet[0] >> 4 == 4 else 41])
        return self.spi + number.to_bytes(8, "big")[4:] + iv + self.aes.encrypt(self.salt + iv, text, self.aad(number))

    def receive(self, esp: bytes) -> bytes | None:
        if esp[:4] != self.spi:
            return None
        number = self.guess(int.from_bytes(esp[4:8], "big"))
        if not 0 <= number < 1 << 64 or number <= self.top - self.window or number in self.seen:
            return None
        try:
            text = self.aes.decrypt(self.salt + esp[8:16], esp[16:], self.aad(number))
        except InvalidTag:
            return None
        self.seen.add(number)
        self.top = max(self.top, number)
        inner = text[: -2 - text[-2]]
        size = int.from_bytes(inner[2:4], "big") if inner[0] >> 4 == 4 else 40 + int.from_bytes(inner[4:6], "big")
        return inner[:size]

    def guess(self, low: int) -> int:
        """Appendix A: the number in the 2^32 that begin with the window's left edge."""
        if not self.sa.get("esn"):
            return low
        left = self.top - self.window + 1
        return left + (low - left) % 2**32


def test_usable_without_our_code() -> None:
    """A receiver written from the README alone, on files read with a plain JSON reader, agrees with every vector."""
    done = 0
    for path in sorted(files.FOLDER.glob("*.json")):
        document = json.loads(path.read_text(encoding="utf-8"))
        assert document["format"] == "espproof-cases"
        if path.stem in ("lifetime", "not-delivered", "drop"):
            continue  # more than a stranger of fifty lines knows
        for case in document["cases"]:
            (sa, *more) = case.get("sas", [{}])
            if sa.get("encr") != "ENCR_AES_GCM_16" or sa["mode"] != "tunnel" or more:
                continue
            stranger = Stranger(sa)
            for step in case["steps"]:
                packet, expect = bytes.fromhex(step["packet"]), step["expect"]
                if step["op"] == "inbound":
                    got = stranger.receive(packet[20:] if packet[0] >> 4 == 4 else packet[40:])
                    wanted = expect.get("packet")
                else:
                    got = stranger.send(packet, bytes.fromhex(step.get("iv", "00" * 8)))
                    wanted = expect.get("packet")
                    wanted = wanted and wanted[40 if wanted[0] == "4" else 80 :]
                assert (got.hex() if got is not None else None) == wanted, (case["id"], step["note"])
            done += 1
    assert done > 140


def test_readme_names_every_file_and_default() -> None:
    """The README beside the files names each of them, each operation they use and each default they rely on."""
    text = (files.FOLDER / "README.md").read_text(encoding="utf-8")
    for content in files.CONTENTS:
        assert f"`{content.name}`" in text
    used = {type(step).__struct_config__.tag for case in files.vectors() for step in case.steps}
    for operation in used:
        assert f"`{operation}`" in text
    of_hosts = {"reqid", "mark", "if_id", "protocol"}
    absent = {field for case in files.vectors() for sa in case.sas for field in sa.__struct_fields__}
    for field in absent - {"name", "spi", "resync_trigger", "resync_limit", "encr_key", "auth_key", *of_hosts}:
        assert f"`{field}`" in text, field


# ------------------------------------------------------------------------------------------------------ command line


def invoke(*words: str) -> Any:
    return CliRunner().invoke(build_cli(), ["vectors", *words])


def test_list() -> None:
    """`list --json` has every vector with its flags explained; the table has the same number."""
    listed = json.loads(invoke("list", "--json").stdout)
    assert [one["id"] for one in listed["vectors"]] == [case.id for case in files.vectors()]
    assert {flag for one in listed["vectors"] for flag in one["flags"]} <= listed["flags"].keys()
    some = invoke("list", "--only", "esn-forged-wrap")
    assert some.exit_code == 0
    assert "4 vectors" in some.stdout


def test_run_exit_status() -> None:
    """0 if all pass, 1 if something fails, 2 for a pattern that matches nothing, 3 for an adapter that cannot start."""
    result = invoke("run", "reference", "--json", "--only", "kat-gcm16-*")
    assert result.exit_code == 0
    told = json.loads(result.stdout)
    assert told["whole"]
    assert told["verdicts"]["pass"] == told["vectors"] == len(told["results"]) == 15
    assert invoke("run", "seeded:icv-aead-high-missing", "--only", "esn-gcm16-*").exit_code == 1
    assert invoke("run", "reference", "--only", "nothing-like-it").exit_code == 2
    assert invoke("run", "no_such_module_here:Class").exit_code == 3


def test_run_shows_what_failed() -> None:
    """The table names the vector, the verdict, the step and what went wrong; several adapters are told one by one."""
    result = invoke("run", "reference", "seeded:icv-aead-high-missing", "--only", "esn-gcm16-inbound")
    assert "esn-gcm16-inbound" in result.stdout
    assert "step 0" in result.stdout
    assert "1 vectors: 1 pass" in result.stdout
    told = json.loads(invoke("run", "reference", "reference", "--json", "--only", "esn-gcm16-inbound").stdout)
    assert told["whole"]
    assert len(told["runs"]) == 2


def test_lint_and_build_commands(corpus: Path) -> None:
    """`lint` and `build --check` end with 1 if something is wrong, `build` puts it right."""
    folder = ["--folder", str(corpus)]
    assert invoke("lint", *folder).exit_code == 0
    assert invoke("build", "--check", *folder).exit_code == 0
    spoil(corpus, "overflow", lambda c: c.update(title="spoiled"))
    assert invoke("build", "--check", *folder).exit_code == 1
    (corpus / "rfc7634.json").unlink()
    assert invoke("lint", *folder).exit_code == 1
    assert json.loads(invoke("lint", "--json", *folder).stdout)["complaints"]
    assert invoke("build", *folder).exit_code == 0
    assert invoke("lint", *folder).exit_code == 0
