"""Starts sharkd once, and gives its caller fresh sessions of it: the program that the adapter runs as its child.

Standard input and output are those of the session, which is JSON-RPC, one object per line. A line feed in front of a
request asks for a new session: the old one ends. sharkd makes sessions by forking itself, so that one has all dissectors
registered and no SAs after 3 ms; starting sharkd anew would take 150 ms, and its table of SAs can only grow. When the
session ends by itself, so does this program.

sharkd finds here what it reads at its start and nothing else:

  * of the protocols only those that carry ESP, and IP inside it: what a dissector of an upper layer says of octets that
    were drawn at random is not the question, and where it fails the verdict on the ICV is lost;
  * preferences that make it decrypt and check;
  * no tables of names, which it would read again with each capture, for 25 ms. Wireshark does not let root choose its
    data folder; so root becomes nobody, as is proper for a dissector.

The folder with these and with the socket is removed as soon as sharkd is ready: nothing remains on disk, and nobody else
can connect. Imports the standard library alone; is run as a program, not imported.

Usage: sessions.py INHERITED_FD FOLDER   (the capture, which sharkd can open as /proc/self/fd/INHERITED_FD, and an empty
folder, which whoever watches over this program removes if it cannot)
"""

import os
import select
import shutil
import socket
import subprocess
import sys
from pathlib import Path

NEW_SESSION = b"\n"
_PROTOCOLS = frozenset({"frame", "raw", "ip", "ipv6", "udp", "udpencap", "esp", "data"})
_FAMILIES = ("_ws.", "ipv6.")
"""Prefixes of protocols that are needed too: what Wireshark says of itself, and IPv6 extension headers."""
_PREFERENCES = """\
esp.enable_encryption_decode: TRUE
esp.enable_authentication_check: TRUE
esp.do_esp_sequence_analysis: FALSE
ip.tso_support: FALSE
"""
"""The last: a length of 0 is one, not a sign of a packet captured before a network card cut it up."""
_NOBODY = 65534
_CHUNK = 1 << 18


def main(capture: int, folder: Path) -> None:
    try:
        door = _start(folder, capture)
        session = _connect(door)
        _await_ready(session)
    except (OSError, subprocess.SubprocessError) as error:
        sys.exit(f"cannot start: {error}")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    try:
        _relay(door, session)
    except ConnectionError as error:
        sys.exit(f"sharkd ended: {error}")


def _start(folder: Path, capture: int) -> int:
    """Start sharkd; the descriptor of its socket, which lives on when its name is gone."""
    (folder / "preferences").write_text(_PREFERENCES, encoding="utf-8")
    (folder / "disabled_protos").write_text("".join(f"{name}\n" for name in _not_needed()), encoding="utf-8")
    environment = {**os.environ, "HOME": str(folder), "WIRESHARK_CONFIG_DIR": ".", "WIRESHARK_DATA_DIR": "none"}
    command = ["sharkd", "unix:socket"]  # relative: nobody may not be allowed to pass through the folders above
    if os.geteuid() == 0:
        for path in (folder, *folder.iterdir()):  # the umask may keep them to root
            os.chown(path, _NOBODY, _NOBODY)
        command = ["setpriv", f"--reuid={_NOBODY}", f"--regid={_NOBODY}", "--clear-groups", *command]
    subprocess.run(  # goes into the background by itself, listening
        command, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, pass_fds=(capture,),
        cwd=folder, env=environment,
    )  # fmt: skip
    return os.open(folder / "socket", os.O_PATH)


def _not_needed() -> list[str]:
    """The names of all protocols but ours; they stand in the third column."""
    command = ["tshark", "-G", "protocols"]
    listing = subprocess.run(command, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE).stdout
    names = [line.split("\t")[2] for line in listing.decode(errors="replace").splitlines()]
    return [name for name in names if name not in _PROTOCOLS and not name.startswith(_FAMILIES)]


def _connect(door: int) -> socket.socket:
    session = socket.socket(socket.AF_UNIX)
    session.connect(f"/proc/self/fd/{door}")
    return session


def _await_ready(session: socket.socket) -> None:
    session.sendall(b'{"jsonrpc":"2.0","id":0,"method":"status"}\n')
    answer = b""
    while not answer.endswith(b"\n"):
        if not (octets := session.recv(_CHUNK)):
            sys.exit("sharkd ended at its start")
        answer += octets


def _relay(door: int, session: socket.socket) -> None:
    """Octets both ways, until either side ends. sharkd may have more to say before it reads on, so nothing blocks."""
    to_sharkd = b""
    while True:
        wanted = [session] if to_sharkd else [session, sys.stdin]
        readable, writable, _ = select.select(wanted, [session] if to_sharkd else [], [])
        if session in readable:
            octets = session.recv(_CHUNK)
            if not octets:
                sys.exit("the session of sharkd ended")
            _write(octets)
        if sys.stdin in readable:
            to_sharkd = os.read(0, _CHUNK)
            if not to_sharkd:
                return
            if to_sharkd.startswith(NEW_SESSION):
                session.close()
                session = _connect(door)
                to_sharkd = to_sharkd[len(NEW_SESSION) :]
        elif writable:
            to_sharkd = to_sharkd[session.send(to_sharkd, socket.MSG_DONTWAIT) :]


def _write(octets: bytes) -> None:
    while octets:
        octets = octets[os.write(1, octets) :]


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
