"""How a kernel is built: with a source of three files, whose make knows the two targets that are asked for."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from espproof.adapters import cache, registry
from espproof.adapters.base import AdapterError
from espproof.adapters.linux.kernel import build, debian, images, recipe, work
from espproof.adapters.linux.kernel.debian import Package

pytestmark = pytest.mark.skipif(bool(build.missing_tools()), reason=f"needs {', '.join(build.missing_tools())}")

MAKEFILE = """
alldefconfig:
\tcp $(KCONFIG_ALLCONFIG) .config
linux:
\t@echo "  CC      one.o"
\t@test ! -e fails || {{ echo "one.c:1: it is wrong"; exit 1; }}
\t@test ! -e counts || {{ mkdir net; touch net/one.gcno; }}
\t@test ! -e slow || sleep 60
\tcp {program} linux
"""


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that becomes the source's archive; `pack` makes it."""
    monkeypatch.setenv(cache.VARIABLE, str(tmp_path / "cache"))
    here = Package(build.PACKAGE, "6.12.0-1", tmp_path / "source.tar.xz")
    monkeypatch.setattr(debian, "installed", lambda name: here if name == here.name else None)
    folder = tmp_path / build.PACKAGE
    (folder / "kernel").mkdir(parents=True)
    (folder / "Makefile").write_text(MAKEFILE.format(program=sys._base_executable), encoding="utf-8")  # type: ignore[attr-defined]
    return folder


def pack(source: Path) -> None:
    subprocess.run(["tar", "-C", source.parent, "-cJf", source.parent / "source.tar.xz", source.name], check=True)


def made(variant: str = "plain", *, keep: bool = False) -> tuple[Path, list[tuple[str, int]]]:
    ticks: list[tuple[str, int]] = []
    return build.build(variant, 1, lambda step, objects: ticks.append((step, objects)), keep=keep), ticks


def left() -> set[str]:
    """What there is in the cache, by suffix; locks apart."""
    return {path.suffix for path in cache.folder("linux", "work").iterdir() if path.is_dir() or path.suffix == ".log"}


def test_a_kernel_is_built_once(source: Path) -> None:
    """The result says what it is, nothing else is left, and the second call finds it there."""
    pack(source)
    kernel, ticks = made()
    assert kernel == build.image("plain")
    assert ("compile", 1) in ticks
    assert "linux-source-6.12 6.12.0-1" in kernel.with_name("about.txt").read_text(encoding="utf-8")
    assert {path.name for path in kernel.parents[1].iterdir()} == {kernel.parent.name, "work"}
    assert not left()
    (source.parent / "source.tar.xz").write_bytes(b"")
    assert made()[0] == kernel


def test_the_notes_of_a_kernel_that_counts_are_kept(source: Path) -> None:
    """Without them nobody could read its counters; they stand where their objects stood."""
    (source / "counts").touch()
    pack(source)
    kernel, _ = made("gcov")
    assert [path.name for path in kernel.with_name(work.NOTES).rglob("*")] == ["net", "one.gcno"]


def test_a_kernel_of_another_recipe_is_not_taken(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A change of the recipe is another kernel."""
    pack(source)
    made()
    assert build.image("kasan") is None
    monkeypatch.setitem(recipe.RECIPES, "plain", recipe.Recipe(("plain.config",), variables=("X=y",)))
    assert build.image("plain") is None


def test_what_failed_goes_on_where_it_was(source: Path) -> None:
    """The error has the last lines and names the log; the source is not unpacked again."""
    (source / "fails").touch()
    pack(source)
    with pytest.raises(AdapterError, match=r"\.log\n(.*\n)*one\.c:1: it is wrong") as raised:
        made()
    assert str(raised.value).startswith("compile failed: make ended with exit status 2; the whole log is ")
    log = str(raised.value).split("whole log is ")[1].splitlines()[0]
    assert "one.c:1: it is wrong" in Path(log).read_text(encoding="utf-8")
    (source.parent / "source.tar.xz").write_bytes(b"")
    (tree,) = cache.folder("linux", "work").glob("*.tree")
    (tree / "fails").unlink()
    _, ticks = made(keep=True)
    assert "unpack" not in {step for step, _ in ticks}
    assert left() == {".tree", ".log"}
    assert build.image("plain") == made()[0]
    assert not left()


def test_an_option_that_is_not_taken_is_named(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Kconfig drops what it does not know without a word."""
    (source / "Makefile").write_text(
        "alldefconfig:\n\tgrep -v CONFIG_INET_ESP=y $(KCONFIG_ALLCONFIG) >.config\n", encoding="utf-8"
    )
    pack(source)
    with pytest.raises(AdapterError, match=r"does not take: CONFIG_INET_ESP=y$"):
        made()


def test_a_source_that_cannot_be_edited_is_an_error(source: Path) -> None:
    """And what is in the tree is whole: there is none."""
    (source / "kernel" / "kcov.c").write_text("another source\n", encoding="utf-8")
    pack(source)
    with pytest.raises(AdapterError, match=r"kernel/kcov\.c of linux-source-6\.12 is not as expected"):
        made("kcov")
    assert ".tree" not in left()


def test_two_builds_at_once_are_refused(source: Path) -> None:
    """The second names what the first holds."""
    pack(source)
    digest = recipe.RECIPES["plain"].digest(build.VERSION)
    with work.lock(f"plain-{digest}-6.12.0-1"), pytest.raises(AdapterError, match="by another process"):
        made()


def test_what_is_missing_is_named_with_the_command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(debian, "_INSTALLED", tmp_path)
    with pytest.raises(AdapterError, match=r"no make, gcc, .*linux-source-6\.12; apt-get install -y linux-source"):
        made()


def test_a_full_disk_is_named(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is unpacked, and where make fails of it."""
    pack(source)
    with monkeypatch.context() as context:
        context.setattr(work, "NEEDED_OCTETS", 1 << 60)
        with pytest.raises(AdapterError, match=r"is full: .* GiB are free.*ESPPROOF_CACHE"):
            made()
    (source / "Makefile").write_text(
        "alldefconfig:\n\t@echo cannot write: No space left on device; exit 1\n", encoding="utf-8"
    )
    pack(source)
    with pytest.raises(AdapterError, match="is full"):
        made()


def test_nothing_runs_on_when_the_build_is_killed(source: Path) -> None:
    """Make ends with the process that has started it, and the lock is free again."""
    (source / "slow").touch()
    pack(source)
    program = (
        "import pathlib, sys; from espproof.adapters.linux.kernel import build, debian\n"
        f"archive = pathlib.Path({str(source.parent / 'source.tar.xz')!r})\n"
        "debian.installed = lambda name: debian.Package(name, '6.12.0-1', archive)\n"
        "build.build('plain', 1, lambda *told: print(*told, flush=True))"
    )
    one = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, encoding="utf-8")
    assert one.stdout is not None
    while "compile 1" not in one.stdout.readline():
        pass
    one.send_signal(signal.SIGKILL)
    one.wait()
    (tree,) = cache.folder("linux", "work").glob("*.tree")
    (tree / "slow").unlink()
    until = time.monotonic() + 60
    while True:
        try:
            assert made()[0].is_file()
            return
        except AdapterError:  # the lock is held until all of it has ended
            assert time.monotonic() < until
            time.sleep(0.05)


def test_a_build_that_is_interrupted_leaves_nothing_half_done(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make is told to end, and removes the file that it was making."""
    (source / "Makefile").write_text(
        "alldefconfig:\n\tcp $(KCONFIG_ALLCONFIG) .config\nlinux:\n\techo half >linux\n\t@echo '  CC  '\n\tsleep 600\n",
        encoding="utf-8",
    )
    pack(source)

    def interrupt(step: str, objects: int) -> None:
        if objects:
            raise KeyboardInterrupt

    monkeypatch.setattr(work, "_GRACE_SECONDS", 60.0)
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        build.build("plain", 1, interrupt)
    assert time.monotonic() - began < work._GRACE_SECONDS
    (tree,) = cache.folder("linux", "work").glob("*.tree")
    assert not (tree / "linux").exists()


def test_the_registry_knows_how_each_variant_is_built() -> None:
    """What `espproof adapters` prints is what builds the kernel that the variant runs."""
    linux = next(known for known in registry.KNOWN if known.name == "linux")
    assert dict(linux.builds) == {variant: build.command(of) for variant, of in images.BUILT.items()}
    assert set(images.BUILT) <= set(linux.variants)


def test_a_variant_that_is_not_built_says_how(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(cache.VARIABLE, str(tmp_path))
    with pytest.raises(AdapterError, match="not built; espproof adapters build linux --variant kasan"):
        registry.open_adapter("linux:kasan")


def test_a_later_fragment_has_the_last_word() -> None:
    """What one processor alone can have is off where there are several; and off is also what is not there at all."""
    options = recipe.RECIPES["smp"].options((7, 3))
    assert "# CONFIG_UML_TIME_TRAVEL_SUPPORT is not set" in options
    assert not any(option.startswith("CONFIG_UML_TIME_TRAVEL_SUPPORT=") for option in options)
    assert work._is_off("# CONFIG_X is not set", {"CONFIG_Y=y"})
    assert not work._is_off("# CONFIG_X is not set", {"CONFIG_X=y"})
    assert not work._is_off("CONFIG_X=y", set())
