"""`linux:host` without a host for it: an espproof command inside user-mode Linux, as root of a machine that is a process.

    python -m espproof.adapters.linux.rehearsal check linux:host
    python -m espproof.adapters.linux.rehearsal --setup 'ip link add ve0 mtu 9000 type veth peer name ve1 mtu 9000' \\
        check linux:host=ve0,ve1

The file system is this machine's, read-only, with memory for what is written (/run). `--setup` is a shell command that
prepares devices, `--kernel` another kernel than Debian's. Exit status: the command's; 3 if the machine does not get there.
"""

import argparse
import os
import select
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from espproof.adapters.exec.supervised import Supervised
from espproof.adapters.linux.inside import modules
from espproof.adapters.linux.kernel import images, registers
from espproof.adapters.linux.kernel.guest import quoted

_SECONDS = 3600
_CANNOT = 3
_STATUS = "espproof rehearsal: exit status "
_INIT = """#!/bin/sh
mount -t proc proc /proc; mount -t sysfs sysfs /sys; mount -t devtmpfs dev /dev 2>/dev/null; mount -t tmpfs run /run
mkdir -p /run/tmp /run/root/lib; ln -s {modules} /run/root/lib/modules
modprobe -d /run/root -a {needed} 2>/dev/null
[ ! -e /proc/sys/kernel/modprobe ] || echo > /proc/sys/kernel/modprobe
mount -t debugfs debugfs /sys/kernel/debug 2>/dev/null
export PATH={path}:/usr/sbin:/usr/bin:/sbin:/bin HOME=/run TMPDIR=/run/tmp ESPPROOF_CACHE=/run/cache TERM=dumb COLUMNS=160
export PYTHONPATH={imports} PYTHONDONTWRITEBYTECODE=1
cd /run
ip link set lo up
{setup}
{command}
echo "{status}$?"
{python} -c 'import ctypes; ctypes.CDLL(None).reboot(0x4321FEDC)'
"""


def run(words: list[str], setup: str = "", kernel: str = "", seconds: float = _SECONDS) -> tuple[int, str]:
    """Run `espproof WORDS` in the machine; its exit status and what the console said."""
    kernel = kernel or images.path("")
    with tempfile.TemporaryDirectory(prefix=f"espproof-rehearsal-{os.getpid()}-", ignore_cleanup_errors=True) as folder:
        init = Path(folder) / "init"
        init.write_text(
            _INIT.format(
                modules=modules.FOLDER,
                needed=" ".join((*modules.NEEDED, *modules.GRO, "veth")),
                path=shlex.quote(str(Path(sys.executable).parent)),
                imports=shlex.quote(":".join(path for path in sys.path if path)),
                setup=setup,
                command=shlex.join([sys.executable, "-m", "espproof", *words]),
                status=_STATUS,
                python=shlex.quote(sys.executable),
            ),
            encoding="utf-8",
        )
        init.chmod(0o755)
        command = [
            *registers.started(kernel), "mem=512M", "root=/dev/root", "rootfstype=hostfs", "rootflags=/", "ro",
            "loglevel=2", "panic=-1", "con=null", "con0=null,fd:1", "ssl=null", "uml_dir=/dev/null/",
            f"init={quoted(str(init))}",
        ]  # fmt: skip
        said, late = _console(command, Path(folder), seconds)
    if late:
        return _CANNOT, f"{said}\nno end after {seconds:g} s"
    text, _, status = said.replace("\r\n", "\n").rpartition(_STATUS)
    number = status.split()[0] if status.split() else ""
    return (int(number), text) if number.isdigit() else (_CANNOT, said)


def _console(command: list[str], folder: Path, seconds: float) -> tuple[str, bool]:
    """What the machine says until it ends, and whether it had to be ended. The folder is removed when we are gone."""
    until = time.monotonic() + seconds
    machine = Supervised(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        scratch=folder,
    )
    (output,) = machine.streams()
    said = bytearray()
    try:
        while select.select([output], [], [], max(until - time.monotonic(), 0))[0]:
            octets = os.read(output, 1 << 16)
            if not octets:
                return said.decode(errors="replace"), False
            said += octets
        return said.decode(errors="replace"), True
    finally:
        machine.kill()
        machine.gone(wait=True)


def main() -> int:
    parser = argparse.ArgumentParser(description="Run an espproof command as root of user-mode Linux.")
    parser.add_argument("--setup", default="", help="a shell command that prepares devices")
    parser.add_argument("--kernel", default="", help="the kernel's file")
    parser.add_argument("words", nargs=argparse.REMAINDER, help="of the espproof command")
    order = parser.parse_args()
    status, said = run(order.words, order.setup, order.kernel)
    sys.stdout.buffer.write(said.encode())
    return status


if __name__ == "__main__":
    os.chdir("/")
    sys.exit(main())
