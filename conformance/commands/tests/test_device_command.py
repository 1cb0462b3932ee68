"""`espproof device`: cards for a kernel that comes, and goes."""

import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from espproof.conformance.commands.cli import build
from espproof.conformance.commands.shell import CANNOT_RUN, EXPECTED, NEWS, USAGE

SECONDS = 30
needs_compiler = pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")


@pytest.mark.parametrize("sockets", [(), ("one",), ("one", "two", "three")])
def test_two_cards_have_two_sockets(sockets: tuple[str, ...], tmp_path: Path) -> None:
    words = [word for name in sockets for word in ("--vhost-user", str(tmp_path / name))]
    told = CliRunner().invoke(build(), ["device", "niantic", *words])
    assert told.exit_code == USAGE
    assert "two sockets" in told.stderr
    assert list(tmp_path.iterdir()) == []


def test_it_ends_with_the_kernel(tmp_path: Path) -> None:
    """What the cards have done is told, and the sockets are gone."""
    paths = [tmp_path / "one", tmp_path / "two"]
    words = [word for path in paths for word in ("--vhost-user", str(path))]
    process = subprocess.Popen(
        [sys.executable, "-m", "espproof", "device", "niantic", *words], stdout=subprocess.PIPE, text=True
    )
    try:
        until = time.monotonic() + SECONDS
        while not paths[1].exists() and time.monotonic() < until:
            time.sleep(0.05)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as kernel:
            kernel.connect(str(paths[0]))
        told, _ = process.communicate(timeout=SECONDS)
    finally:
        process.kill()
    assert process.returncode == EXPECTED
    assert told.splitlines() == [
        f"{name}: 0 frames sent, 0 delivered, 0 packets of its SAs" for name in ("eth0", "eth1")
    ]
    assert not [path for path in paths if path.exists()]


def test_a_path_that_is_taken_is_said(tmp_path: Path) -> None:
    """Nothing of it is touched, and nothing is left beside it."""
    taken = tmp_path / "two"
    taken.write_text("mine", encoding="utf-8")
    words = ["--vhost-user", str(tmp_path / "one"), "--vhost-user", str(taken)]
    told = CliRunner().invoke(build(), ["device", "niantic", *words])
    assert told.exit_code == CANNOT_RUN
    assert "in use" in told.stderr
    assert taken.read_text(encoding="utf-8") == "mine"
    assert list(tmp_path.iterdir()) == [taken]


def test_an_estimate_needs_no_card() -> None:
    """Figures of the link that is named; what is no link is told."""
    told = CliRunner().invoke(build(), ["device", "--estimate", "--gbit", "40", "--octets", "90"])
    assert told.exit_code == EXPECTED
    assert "45,454,545 packets/s, 2^25.4" in told.stdout
    assert "94.5 s" in told.stdout
    assert CliRunner().invoke(build(), ["device", "--estimate", "--octets", "10"]).exit_code == USAGE


@needs_compiler
@pytest.mark.parametrize(("source", "status", "told"), [
    ("niantic.c", EXPECTED, []),
    ("twins/no-gap.c", NEWS, ["X550 4.6.12.1: with IPsec on, MINSECIFG is 3; it is 1"]),
])  # fmt: skip
def test_a_driver_of_ones_own(source: str, status: int, told: list[str], tmp_path: Path) -> None:
    """From the example to what is told of it, as the document has it; the socket is gone afterwards."""
    folder, path = tmp_path / "example", tmp_path / "card.sock"
    written = CliRunner().invoke(build(), ["device", "--example", str(folder)])
    assert written.exit_code == EXPECTED
    assert str(folder / "SOCKET.md") in written.stdout.splitlines()
    subprocess.run(["cc", f"-I{folder}", str(folder / source), "-o", str(tmp_path / "driver")], check=True)
    card = subprocess.Popen(
        [sys.executable, "-m", "espproof", "device", "niantic", "--socket", str(path)],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        until = time.monotonic() + SECONDS
        while not path.exists() and time.monotonic() < until:
            time.sleep(0.05)
        time.sleep(0.1)  # it is bound, and listens at once
        driver = subprocess.run(
            [str(tmp_path / "driver"), str(path)], capture_output=True, text=True, timeout=SECONDS, check=True
        )
        said, _ = card.communicate(timeout=SECONDS)
    finally:
        card.kill()
    assert driver.stdout.splitlines()[-1] == "what came back is what was sent"
    assert said.splitlines()[:-1] == told
    assert card.returncode == status
    assert not path.exists()


def test_a_folder_that_has_something_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine", encoding="utf-8")
    told = CliRunner().invoke(build(), ["device", "--example", str(tmp_path)])
    assert told.exit_code == USAGE
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
