"""Runs one command and makes sure that nothing of it is left: started by `supervised`, in an interpreter of its own.

    espproof ──lifeline──► supervisor ──fork──► command ──► whatever it starts
        ▲                      │ status              │
        └──────────────────────┘                     │
        └──────────── stdin, stdout, stderr ─────────┘   (pipes that the supervisor does not keep)

The lifeline is a pipe of which espproof alone holds the writing end: when it closes, because espproof is done or because
it was killed, everything is killed. A parent-death signal alone would not do: it reaches the child only, not what the
child has started, and it fires when the starting thread ends. The supervisor is a subreaper instead, so that whatever
is orphaned below it, sessions of its own included, becomes its child and can be killed; the death signal guards the
command in case the supervisor itself is killed.

On the lifeline, one octet asks for SIGTERM to the command's process group. On the status pipe the supervisor writes lines:
`failed ERRNO` (the command could not be started), `stopped SIGNAL`, `continued`, `exit STATUS`, `signal SIGNAL`.

A folder that ESPPROOF_SUPERVISOR_SCRATCH names is removed at the end, with all that the command has left in it.

Usage: supervisor.py LIFELINE_FD STATUS_FD COMMAND ARGUMENT…   Imports as little as it can: it starts for every process.
"""

import ctypes
import os
import select
import signal
import sys
import time
from contextlib import suppress

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_KILLING_SECONDS = 2.0
"""How long to go on when a process does not die of SIGKILL (it is stuck in the kernel)."""


def main(lifeline: int, status: int, command: list[str]) -> None:
    scratch = os.environ.pop("ESPPROOF_SUPERVISOR_SCRATCH", "")
    prctl = ctypes.CDLL(None).prctl
    prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    for descriptor in (lifeline, status):
        os.set_inheritable(descriptor, False)
    wake_up, bell = os.pipe()
    for descriptor in (wake_up, bell):
        os.set_blocking(descriptor, False)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    signal.set_wakeup_fd(bell)
    supervisor = os.getpid()
    child = os.fork()
    if child == 0:
        signal.set_wakeup_fd(-1)
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() == supervisor:
            _become(command, status)
        os._exit(127)
    _let_go_of_pipes()
    poll = select.poll()
    poll.register(lifeline, select.POLLIN)
    poll.register(wake_up, select.POLLIN)
    try:
        while _alive(child, status):
            ready = [descriptor for descriptor, _ in poll.poll()]
            if wake_up in ready:
                os.read(wake_up, 512)
            if lifeline in ready:
                if not os.read(lifeline, 1):
                    break
                _signal_group(child, signal.SIGTERM)
    finally:
        _kill_all()
        if scratch:
            _remove(scratch)


def _remove(folder: str) -> None:
    import shutil  # most never need it

    shutil.rmtree(folder, ignore_errors=True)


def _become(command: list[str], status: int) -> None:
    """In the child: run the command, with no signal ignored or blocked.

    Python ignores SIGPIPE and SIGXFSZ; a shell that starts espproof in the background has it ignore SIGINT, nohup SIGHUP.
    """
    os.setpgid(0, 0)
    for number in signal.valid_signals():
        if signal.getsignal(number) is signal.SIG_IGN or number == signal.SIGCHLD:
            signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    try:
        os.execvp(command[0], command)  # noqa: S606 -- no shell is wanted
    except OSError as error:
        os.write(status, b"failed %d\n" % (error.errno or 0))


def _let_go_of_pipes() -> None:
    """So that the ends of the pipes are those of the command alone."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nothing, descriptor)


def _alive(child: int, status: int) -> bool:
    """Take note of what has happened below; False once the command has ended."""
    while True:
        try:
            pid, how = os.waitpid(-1, os.WNOHANG | os.WUNTRACED | os.WCONTINUED)
        except ChildProcessError:
            return False
        if pid == 0:
            return True
        if pid != child:
            continue
        if os.WIFSTOPPED(how):
            _tell(status, b"stopped %d\n" % os.WSTOPSIG(how))
        elif os.WIFCONTINUED(how):
            _tell(status, b"continued\n")
        elif os.WIFSIGNALED(how):
            _tell(status, b"signal %d\n" % os.WTERMSIG(how))
            return False
        else:
            _tell(status, b"exit %d\n" % os.WEXITSTATUS(how))
            return False


def _tell(status: int, line: bytes) -> None:
    with suppress(OSError):  # espproof is gone, and with it who wanted to know
        os.write(status, line)


def _signal_group(group: int, number: int) -> None:
    with suppress(OSError):  # it is gone, or not yet a group
        os.killpg(group, number)


def _kill_all() -> None:
    """Kill child after child, the command first; what they leave orphaned becomes our child and has its turn."""
    until = time.monotonic() + _KILLING_SECONDS
    while time.monotonic() < until:
        for pid in _children():
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        time.sleep(0.002)


def _children() -> list[int]:
    """The processes whose parent we are."""
    mine, found = os.getpid(), []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat", "rb") as file:
                    after_name = file.read().rpartition(b")")[2].split()
            except OSError:
                continue
            if int(after_name[1]) == mine:
                found.append(int(entry))
    return found


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
