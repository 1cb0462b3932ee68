"""The processes below this one: what an adapter has started, and what of it is left."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path


def alive(pids: set[int]) -> list[int]:
    return [pid for pid in sorted(pids) if state(pid) not in ("", "Z")]


def state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0].decode()
    except (OSError, IndexError):
        return ""


def name(pid: int) -> str:
    with suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text(encoding="utf-8", errors="replace").strip()
    return str(pid)


def programs(below: int | None = None) -> list[int]:
    """The processes that an adapter has started, oldest first, without those that watch over them."""
    return [pid for pid in descendants(below or os.getpid()) if state(pid) != "Z" and not _watches(pid)]


def _watches(pid: int) -> bool:
    """Whether it is one of ours: a supervisor, or a worker of a run, or the resource tracker of `multiprocessing`."""
    with suppress(OSError):
        line = Path(f"/proc/{pid}/cmdline").read_bytes()
        return b"supervisor.py" in line or b"multiprocessing" in line
    return True


def descendants(root: int) -> list[int]:
    parents: dict[int, int] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with suppress(OSError, IndexError):
                parents[int(entry)] = int(Path(f"/proc/{entry}/stat").read_bytes().rpartition(b")")[2].split()[1])

    def below(pid: int) -> Iterator[int]:
        for child, parent in parents.items():
            if parent == pid:
                yield child
                yield from below(child)

    return sorted(below(root))
