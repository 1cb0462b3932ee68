"""README, ARCHITECTURE and CONTRIBUTING against the program: printed commands parse, links lead somewhere."""

import re
import shlex
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import typer.main

from espproof import conformance
from espproof.adapters.linux.kernel import build
from espproof.adapters.registry import KNOWN
from espproof.conformance.machines import sa_life

ROOT = Path(__file__).resolve().parents[2]
APPLICATION = typer.main.get_command(import_module("espproof.__main__").application())  # above all layers
DOCUMENTS = [*(path for path in sorted(ROOT.glob("*.md")) if path.stem.isupper()), *sorted(ROOT.glob("docs/*.md"))]
if not (ROOT / "README.md").is_file():
    pytest.skip("the documents are in the repository, not in the package", allow_module_level=True)


def texts() -> Iterator[tuple[str, str]]:
    """(document, line of a console block or inline code)."""
    for document in DOCUMENTS:
        text = document.read_text(encoding="utf-8")
        for block in re.findall(r"```console\n(.*?)```", text, re.DOTALL):
            for line in block.splitlines():
                if line.startswith("$ "):
                    yield document.name, line[2:]
        prose = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
        for code in re.findall(r"`([^`]+)`", prose):
            yield document.name, " ".join(code.split())


def commands() -> Iterator[tuple[str, tuple[str, ...]]]:
    """(document, arguments of one call of espproof)."""
    for document, line in texts():
        if not re.search(r"(^|[\s/])espproof ", line):
            continue
        lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;<>")
        lexer.whitespace_split = True
        words: list[str] = []
        for word in [*lexer, ";"]:
            if set(word) <= set("|&;<>"):
                if words and Path(words[0]).name == "espproof" and len(words) > 1:
                    yield document, tuple(words[1:])
                words = []
            else:
                words.append(word)


COMMANDS = sorted(set(commands()))


def wrong_with(command: Any, words: tuple[str, ...]) -> str | None:
    """What the command line would refuse: a command or an option that does not exist."""
    options = {name for param in command.params for name in (*param.opts, *param.secondary_opts)} | {"--help"}
    for index, word in enumerate(words):
        if word.startswith("-") and word != "-":
            if word.partition("=")[0] not in options:
                return f"{command.name} has no option {word}; it has {', '.join(sorted(options))}"
        elif hasattr(command, "commands") and re.fullmatch(r"[a-z-]+", word):
            sub = command.commands.get(word)
            if sub is None:
                return f"{command.name} has no command {word}; it has {', '.join(sorted(command.commands))}"
            return wrong_with(sub, words[index + 1 :])
    return None


def test_commands_are_found() -> None:
    """The three documents together print more than a handful of commands: the reader above reads them."""
    assert {document for document, _ in COMMANDS} >= {"README.md", "CONTRIBUTING.md"}
    assert len(COMMANDS) > 10


@pytest.mark.parametrize(
    ("document", "words"), COMMANDS, ids=lambda value: value if isinstance(value, str) else " ".join(value)
)
def test_a_printed_command_parses(document: str, words: tuple[str, ...]) -> None:
    """Each `espproof …` that a document prints names a command and options that exist."""
    assert wrong_with(APPLICATION, words) is None, document


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("run", "scapy", "--profil", "quick"), "run has no option --profil"),
        (("walk", "scapy"), "espproof has no command walk"),
        (("run", "scapy", "--profile", "quick"), None),
        (("run", "scapy", "--profile=quick"), None),
    ],
)
def test_a_wrong_command_is_seen(words: tuple[str, ...], complaint: str | None) -> None:
    """What the test above relies on: an option or command that is none is told."""
    said = wrong_with(APPLICATION, words)
    assert said == complaint if complaint is None else (said or "").startswith(complaint)


def links() -> list[tuple[str, str]]:
    return [
        (document.name, target)
        for document in DOCUMENTS
        for target in re.findall(r"\]\(([^)#\s]+)\)", document.read_text(encoding="utf-8"))
        if "://" not in target
    ]


@pytest.mark.parametrize(("document", "target"), links())
def test_a_link_leads_somewhere(document: str, target: str) -> None:
    """Each relative link names a file or folder of the repository."""
    assert (ROOT / target).exists(), f"{document}: write the path from the top of the repository"


def test_the_picture_is_drawn_from_its_table() -> None:
    """`python -m espproof.conformance.machines.sa_life` prints what stands in ARCHITECTURE.md."""
    drawn = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8").partition("<!-- drawn from RULES -->\n")[2]
    assert drawn.partition("<!-- end -->")[0] == sa_life.picture()


def test_the_wings_are_those_of_the_folder() -> None:
    """ARCHITECTURE.md and the package's own map name each wing, and no other."""
    folder = ROOT / "conformance"
    wings = {path.name for path in folder.iterdir() if (path / "__init__.py").is_file()}
    section = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8").partition("### The wings of conformance/")[2]
    table = section.partition("\n## ")[0]
    assert {
        name for row in re.findall(r"^\| (`.*?`) \|", table, re.MULTILINE) for name in re.findall(r"`(\w+)/`", row)
    } == wings
    assert [wing for wing in wings if wing not in (conformance.__doc__ or "")] == []


ROOMS = (
    "reference/xfrm", "reference/offload", "reference/offload/niantic", "reference/offload/connectx",
    "reference/offload/lookaside", "reference/offload/fortville", "adapters/linux", "adapters/linux/inside",
    "adapters/linux/kernel", "adapters/linux/netlink", "adapters/pci", "adapters/models", "conformance/oracle",
    "conformance/selfcheck", "conformance/vectors",
)  # fmt: skip


@pytest.mark.parametrize("folder", ROOMS)
def test_maps_of_packages_name_every_module(folder: str) -> None:
    """The docstring of a package is its map: what is not on it is not found."""
    text = (ROOT / folder / "__init__.py").read_text(encoding="utf-8")
    modules = {path.stem for path in (ROOT / folder).glob("*.py")} - {"__init__"}
    assert not {name for name in modules if not re.search(rf"\b{name}\b", text)}


def test_two_commands_are_two() -> None:
    """README's set-up is two lines, one that runs the suite and one that runs the tests; `.ci/run` runs the second."""
    section = (ROOT / "README.md").read_text(encoding="utf-8").partition("## Two commands")[2].partition("\n## ")[0]
    lines = re.findall(r"^\$ (.*)$", section, re.MULTILINE)
    assert len(lines) == 2
    assert "espproof run scapy" in lines[0]
    assert re.search(r"-m pytest .*-n 2$", lines[1])


def test_readme_installs_what_the_registry_does() -> None:
    """Each implementation that comes as Debian packages stands in the README, with the command that installs it."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `(\w+)` \| [^|]+ \| `([^`]+)` \|$", readme, re.MULTILINE))
    assert rows == {known.name: known.install for known in KNOWN if known.install.startswith("apt-get")}
    assert f"| `{build.INSTALL}` |" in readme
    assert readme.count(f"`{build.INSTALL_TOOLS}`") == 2
