"""Which processor a guest runs on."""

import fcntl
import os
from contextlib import suppress

from espproof.adapters import cache


class Processor:
    """A processor for the guest, and for us while we wait: one that no other guest of this user has, if there is one.

    The guest stays there; the calling process is moved there for the time of an exchange only. A guest with several
    processors of its own has `all_of_them`.
    """

    def __init__(self, *, all_of_them: bool = False) -> None:
        self._allowed = os.sched_getaffinity(0)
        folder = cache.folder("processors")
        self._lock: int | None = None
        self.mine = self._allowed if all_of_them else {min(self._allowed)}
        if all_of_them:
            return
        for number in sorted(self._allowed):
            lock = os.open(folder / str(number), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                os.close(lock)
                continue
            self._lock, self.mine = lock, {number}
            return
        self.mine = {sorted(self._allowed)[os.getpid() % len(self._allowed)]}

    def __enter__(self) -> None:
        with suppress(OSError):  # the set of processors may have changed
            os.sched_setaffinity(0, self.mine)

    def __exit__(self, *exception: object) -> None:
        with suppress(OSError):
            os.sched_setaffinity(0, self._allowed)

    def release(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None
