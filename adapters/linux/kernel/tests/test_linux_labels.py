"""Kernels of the user's: a tree of five files, whose make knows the targets that are asked for; a mirror of scripts."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from espproof.adapters import cache, registry
from espproof.adapters.base import AdapterError
from espproof.adapters.linux.adapter import LinuxAdapter
from espproof.adapters.linux.kernel import build, debian, images, labels, recipe, work
from espproof.reference.errors import Misuse

pytestmark = pytest.mark.skipif(bool(build.missing_tools()), reason=f"needs {', '.join(build.missing_tools())}")

VARIANTS = ("built", "host")
MAKEFILE = """
O ?= .
kernelversion:
\t@cat version
alldefconfig:
\t@cd $(O) && cp $(KCONFIG_ALLCONFIG) .config
linux: $(O)/one.o
\tcat {program} $(O)/one.o >$(O)/linux && chmod +x $(O)/linux
$(O)/one.o: one.c
\t@echo "  CC      one.o"
\t@! grep wrong one.c /dev/null
\t@! grep -q slow one.c || sleep 600
\tcp one.c $(O)/one.o
"""
"""What it makes is a program, with what was compiled behind it."""


@pytest.fixture(autouse=True)
def cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(cache.VARIABLE, str(tmp_path / "cache"))
    monkeypatch.setattr(work.Work, "result", unstripped)


def unstripped(self: work.Work, folders: work.Folders) -> Path:
    """strip would take away what was put behind the program."""
    made = work.at_work(self.name, "new")
    shutil.rmtree(made, ignore_errors=True)
    made.mkdir()
    shutil.copy(folders.objects / "linux", made / "linux")
    return made


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    folder = tmp_path / "My_Linux"
    write_tree(folder)
    return folder


def write_tree(folder: Path, version: str = "7.3.4") -> None:
    (folder / "arch/um").mkdir(parents=True)
    for name in ("Kconfig", "arch/um/Makefile"):
        (folder / name).touch()
    (folder / "Makefile").write_text(MAKEFILE.format(program=sys._base_executable), encoding="utf-8")  # type: ignore[attr-defined]
    (folder / "version").write_text(version + "\n", encoding="utf-8")
    (folder / "one.c").write_text("one\n", encoding="utf-8")


def made(tree: Path, label: str = "mine", variant: str = "plain") -> tuple[Path, list[tuple[str, int]]]:
    ticks: list[tuple[str, int]] = []
    return build.build_tree(tree, variant, label, 1, lambda step, objects: ticks.append((step, objects))), ticks


def contents(folder: Path) -> dict[Path, tuple[int, int]]:
    return {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in [folder, *folder.rglob("*")]}


def git(tree: Path, *arguments: str) -> None:
    names = ("-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *names, "-C", str(tree), *arguments], check=True, capture_output=True)


# ------------------------------------------------------------------------------------------------------- a tree


def test_a_tree_is_built_elsewhere(tree: Path) -> None:
    """Under its label there is then a kernel that says what it is; in the tree, nothing has changed."""
    before = contents(tree)
    kernel, ticks = made(tree)
    assert contents(tree) == before
    assert ("compile", 1) in ticks
    assert labels.image("mine") == kernel
    assert images.path("mine") == str(kernel)
    about = labels.about(kernel)
    assert (about.version, about.source, about.commit, about.variant) == ("7.3.4", str(tree), "", "plain")
    assert about.recipe == recipe.RECIPES["plain"].digest((7, 3))
    assert labels.known() == {"mine": f"Linux 7.3.4 of {tree.name}"}
    assert images.origin(str(kernel)) == f", mine: {tree.name}"


def test_only_what_has_changed_is_compiled_again(tree: Path) -> None:
    """With another label too: the objects belong to the tree. The kernel before stays for whoever runs it, no other."""
    first, _ = made(tree)
    again, ticks = made(tree)
    assert again == first
    assert ("compile", 1) not in ticks
    for text in ("two\n", "three\n"):
        (tree / "one.c").write_text(text, encoding="utf-8")
        kernel, ticks = made(tree)
        assert ("compile", 1) in ticks
        assert kernel.read_bytes().endswith(text.encode())
        assert labels.image("mine") == kernel
    assert not first.exists()
    assert len(list(cache.folder("linux", "labels").glob("mine@*"))) == 2
    assert ("compile", 1) not in made(tree, "other")[1]
    assert set(labels.known()) == {"mine", "other"}


def test_the_last_one_is_taken_even_if_it_was_there_before(tree: Path) -> None:
    """A change that is undone is the kernel of before."""
    first, _ = made(tree)
    (tree / "one.c").write_text("changed\n", encoding="utf-8")
    made(tree)
    (tree / "one.c").write_text("one\n", encoding="utf-8")
    assert made(tree)[0] == first == labels.image("mine")


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_a_checkout_tells_commit_and_changes(tree: Path) -> None:
    """Of itself alone: a folder inside somebody else's repository is no checkout."""
    git(tree.parent, "init", "-q")
    git(tree.parent, "commit", "-q", "--allow-empty", "-m", "not of the kernel")
    assert labels.about(made(tree)[0]).commit == ""
    git(tree, "init", "-q")
    git(tree, "add", ".")
    git(tree, "commit", "-q", "-m", "first")
    clean = labels.about(made(tree)[0])
    assert len(clean.commit) == 12
    assert not clean.dirty
    (tree / "one.c").write_text("two\n", encoding="utf-8")
    changed = labels.about(made(tree)[0])
    assert (changed.commit, changed.dirty) == (clean.commit, True)
    assert str(changed) == f"Linux 7.3.4 of {tree.name} at {clean.commit} with changes"


def test_an_error_of_the_users_is_shown(tree: Path) -> None:
    """The kernel that was there before stays, and when it is mended the build goes on."""
    before, _ = made(tree)
    (tree / "one.c").write_text("wrong\n", encoding="utf-8")
    with pytest.raises(AdapterError, match=r"^compile failed: make ended with exit status 2;.*\n(.*\n)*one\.c:wrong"):
        made(tree)
    assert labels.image("mine") == before
    (tree / "one.c").write_text("right\n", encoding="utf-8")
    assert made(tree)[0] != before


def test_an_interrupted_build_leaves_the_kernel_of_before(tree: Path) -> None:
    before, _ = made(tree)
    (tree / "one.c").write_text("slow\n", encoding="utf-8")

    def interrupt(step: str, objects: int) -> None:
        if objects:
            raise KeyboardInterrupt  # a signal may come while an object is destroyed, and is lost then

    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        build.build_tree(tree, "plain", "mine", 1, interrupt)
    assert time.monotonic() - began < 300
    assert labels.image("mine") == before
    (tree / "one.c").write_text("two\n", encoding="utf-8")
    assert made(tree)[0] != before


def test_what_is_no_clean_tree_is_refused(tree: Path, tmp_path: Path) -> None:
    with pytest.raises(Misuse, match="there is no such folder"):
        made(tmp_path / "none")
    with pytest.raises(Misuse, match=r"no kernel tree: there is no Makefile, Kconfig, arch/um/Makefile in it"):
        made(tmp_path)
    (tree / ".config").touch()
    with pytest.raises(Misuse, match=r"not clean \(there is \.config\).*ARCH=um mrproper"):
        made(tree)


def test_a_tree_that_says_no_version_is_an_error(tree: Path) -> None:
    (tree / "version").unlink()
    with pytest.raises(AdapterError, match=r"kernelversion.* says no version of a kernel"):
        made(tree)


def test_a_variant_that_changes_the_source_leaves_a_tree_alone(tree: Path) -> None:
    """It is built where the change is made already, and else says which it is."""
    with pytest.raises(Misuse, match=r"change of kernel/kcov\.c, and nothing is written into a tree of yours"):
        made(tree, variant="kcov")
    (edit,) = recipe.RECIPES["kcov"].every_edit
    (tree / "kernel").mkdir()
    (tree / edit.path).write_text(f"if ({edit.new})\n", encoding="utf-8")
    assert labels.about(made(tree, variant="kcov")[0]).variant == "kcov"


def test_two_builds_of_a_tree_at_once_are_refused(tree: Path) -> None:
    made(tree)
    (lock,) = cache.folder("linux", "work").glob("*.lock")
    with work.lock(lock.stem), pytest.raises(AdapterError, match="by another process"):
        made(tree)


# ------------------------------------------------------------------------------------------------------ options


def configured(tree: Path, dropped: str, kconfig: str) -> tuple[str, ...]:
    """What is left out where Kconfig drops an option without a word."""
    text = (tree / "Makefile").read_text(encoding="utf-8")
    text = text.replace("cp $(KCONFIG_ALLCONFIG) .config", f"grep -v '^{dropped}=' $(KCONFIG_ALLCONFIG) >.config")
    (tree / "Makefile").write_text(text, encoding="utf-8")
    (tree / "Kconfig").write_text(kconfig, encoding="utf-8")
    return labels.about(made(tree)[0]).left_out


def test_an_option_that_the_kernel_does_not_know_is_left_out_and_told(tree: Path) -> None:
    assert configured(tree, "CONFIG_INET_ESPINTCP", "config INET_ESP\n") == ("CONFIG_INET_ESPINTCP",)


def test_an_option_that_the_kernel_knows_and_does_not_take_is_an_error(tree: Path) -> None:
    with pytest.raises(AdapterError, match=r"does not take: CONFIG_INET_ESPINTCP=y$"):
        configured(tree, "CONFIG_INET_ESPINTCP", "menu x\n\tconfig INET_ESPINTCP\n")


def test_options_have_versions() -> None:
    """A bound, which both sides include, is about the option below it and no other."""
    lines = "# since 6.14\nCONFIG_A=y\nCONFIG_B=y\n# until 6.14\n# CONFIG_C is not set\n"
    lines += "# since 6.2\n# until 6.9\nCONFIG_D=y\n"
    for version, expected in (((6, 1), "BC"), ((6, 9), "BCD"), ((6, 14), "ABC"), ((7, 0), "AB")):
        assert "".join(recipe.name_of(line)[-1] for line in recipe._options(lines, version)) == expected
    assert recipe.version_of("7.4.0-rc1") == (7, 4)


# ------------------------------------------------------------------------------------------------------- Debian

APT = """#!/bin/sh
echo "$@" >>{folder}/calls
for word; do case $word in
    indextargets) echo "Debian|Debian-Security|http://example.org/debian-security/"
        echo "Debian|Debian|http://example.org/debian/";;
    update) exit 0;;
    download) cp {folder}/7.3.deb ./linux-source-7.3_7.3.4-1_all.deb;;
    show) test "$4" = linux-source-7.3 && echo "Version: 7.3.4-1";;
    pkgnames) echo linux-source-7.3; echo linux-source; echo linux-source-6.12;;
esac; done
"""


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of scripts in front of the others, and of what they are asked."""
    folder = tmp_path / "mirror"
    folder.mkdir()
    for name, text in (
        ("apt-get", APT.format(folder=folder)),
        ("apt-cache", APT.format(folder=folder)),
        ("dpkg-deb", '#!/bin/sh\ntar --extract --file="$2" --directory="$3"\n'),
    ):
        (folder / name).write_text(text, encoding="utf-8")
        (folder / name).chmod(0o700)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setattr(debian, "_INSTALLED", tmp_path / "usr")
    write_tree(tmp_path / "pack/linux-source-7.3")
    (tmp_path / "inner/usr/src").mkdir(parents=True)
    archive = tmp_path / "inner/usr/src/linux-source-7.3.tar.xz"
    subprocess.run(["tar", "-C", tmp_path / "pack", "-cJf", archive, "linux-source-7.3"], check=True)
    subprocess.run(["tar", "-C", tmp_path / "inner", "-cf", folder / "7.3.deb", "usr"], check=True)
    return folder


def fetched(version: str = "7.3") -> tuple[Path, list[str]]:
    steps: list[str] = []
    return build.build_source(version, "plain", "newest", 1, lambda step, _: steps.append(step)), steps


def test_a_package_is_fetched_and_built_once(mirror: Path) -> None:
    """From Debian's own mirror, by an apt of our own; nothing but the kernel is left."""
    kernel, steps = fetched()
    assert {"ask Debian's mirror", "fetch", "unpack", "compile"} <= set(steps)
    assert str(labels.about(kernel)) == "Linux 7.3.4 of linux-source-7.3 7.3.4-1"
    sources = (cache.folder("linux", "debian") / "sources.list").read_text(encoding="utf-8")
    assert {line.split("] ")[-1].split()[-3] for line in sources.splitlines()} == {"http://example.org/debian/"}
    calls = (mirror / "calls").read_text(encoding="utf-8").splitlines()
    ours = f"--config-file={cache.folder('linux', 'debian')}/apt.conf"
    assert all(call.startswith(ours) for call in calls if not call.startswith("indextargets"))
    left = [path.name for path in cache.folder("linux", "work").iterdir() if path.suffix not in (".lock", ".log")]
    assert left == []
    again, steps = fetched()
    assert again == kernel
    assert "compile" not in steps


def test_a_build_of_a_package_goes_on_where_it_was(mirror: Path) -> None:
    """What was unpacked is not fetched again."""
    (mirror / "fails").touch()
    failing = f'case "$*" in *-j1*) test ! -e {mirror}/fails || exit 1;; esac'
    (mirror / "make").write_text(f'#!/bin/sh\n{failing}\nexec {shutil.which("make")} "$@"\n', encoding="utf-8")
    (mirror / "make").chmod(0o700)
    with pytest.raises(AdapterError, match="compile failed"):
        fetched()
    assert labels.image("newest") is None
    (mirror / "fails").unlink()
    kernel, steps = fetched()
    assert kernel.is_file()
    assert not {"fetch", "unpack"} & set(steps)


def test_a_version_that_debian_does_not_have_is_told_with_those_that_it_has(mirror: Path) -> None:
    with pytest.raises(
        Misuse, match=r"Debian has no linux-source-8\.1; there are linux-source-6\.12, linux-source-7\.3$"
    ):
        fetched("8.1")
    with pytest.raises(Misuse, match="called after two numbers"):
        fetched("newest")


def test_a_machine_without_debians_mirror_is_told(mirror: Path) -> None:
    text = (mirror / "apt-get").read_text(encoding="utf-8").replace("Debian|Debian|", "Other|Other|")
    (mirror / "apt-get").write_text(text, encoding="utf-8")
    with pytest.raises(AdapterError, match=r"names no mirror of Debian .*--tree takes the folder"):
        fetched()


# ------------------------------------------------------------------------------------------------------- labels


def test_a_label_is_a_variant_of_the_adapter(tree: Path) -> None:
    """It has the expectations of the kernels that are built; one that is not there is told."""
    made(tree)
    beside = registry.expectations_of("linux:mine")
    assert beside is not None
    assert beside.stem == "expected_built"
    for name, stem in (
        ("linux:gro=mine", "expected_gro_built"),
        ("linux:niantic=mine", "expected_niantic_built"),
        ("linux:netdevsim=mine", "expected_netdevsim_built"),
        ("linux:async=mine", "expected_built"),
        ("linux:time-travel=mine", "expected_built"),
    ):
        of_the_way = registry.expectations_of(name)
        assert of_the_way is not None
        assert of_the_way.stem == stem
    with pytest.raises(AdapterError, match="linux:niantic-vf=LABEL"):
        images.path("niantic-vf")
    assert (
        images.path("niantic-vf=mine")
        == images.path("gro=mine")
        == images.path("time-travel=mine")
        == images.path("mine")
    )
    with pytest.raises(
        Misuse, match=r"kcov, niantic, niantic-vf, netdevsim, host, mine, not 'other'; `espproof adapters build --help`"
    ):
        registry.open_adapter("linux:other")
    with pytest.raises(
        AdapterError, match="no kernel under this label; espproof adapters build linux --tree PATH --as"
    ):
        LinuxAdapter("other")
    with pytest.raises(AdapterError, match="did not start"):
        registry.open_adapter("linux:mine")  # a Python in the kernel's place


@pytest.mark.parametrize("label", ["", "Mine", "-x", "a/b", "a@b", "ä", "host"])
def test_a_label_that_cannot_be_one_is_refused(label: str) -> None:
    with pytest.raises(Misuse, match="--as"):
        labels.checked(label, VARIANTS)


def test_a_damaged_description_is_told(tree: Path) -> None:
    kernel, _ = made(tree)
    kernel.with_name("about.json").write_text("{", encoding="utf-8")
    assert "damaged" in labels.known()["mine"]
    with pytest.raises(AdapterError, match="damaged"):
        LinuxAdapter("mine")
