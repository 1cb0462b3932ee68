"""Worker processes: started clean, ended for certain.

Ctrl-C in a terminal reaches every process of the group. Workers ignore it, and the one that the user talks to decides:
it keeps what it has, and ends the workers with SIGTERM. A worker that is told so, or whose parent is gone, closes what
it holds open (an implementation under test may be a child of its own) and is gone in the middle of whatever it does.
"""

import multiprocessing
import multiprocessing.util
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from types import FrameType
from typing import Any

GRACE = 5.0
"""Seconds that a worker has to close what it holds, before it is killed."""

_held: list[Callable[[], None]] = []


@contextmanager
def pool(
    count: int, start: Callable[..., object] | None = None, arguments: tuple[Any, ...] = ()
) -> Iterator[ProcessPoolExecutor]:
    """So many workers, each of which begins with `start(*arguments)`. When the block is left, none of them is there.

    Left without an exception, what was submitted is finished first; with one, it is dropped at once.
    """
    others = set(multiprocessing.active_children())
    executor = ProcessPoolExecutor(count, multiprocessing.get_context("spawn"), _begin, (start, arguments))
    try:
        yield executor
        executor.shutdown()
    finally:
        executor.shutdown(wait=False, cancel_futures=True)
        _end([child for child in multiprocessing.active_children() if child not in others])


@contextmanager
def interrupts() -> Iterator[Callable[[], bool]]:
    """Tells whether Ctrl-C was pressed in the block.

    It raises `KeyboardInterrupt` as ever, but Python drops an exception that is raised in a callback of the garbage
    collector, and Hypothesis has one; what Python then says about it is nothing a user needs to see. In any other than
    the main thread nothing is noticed.
    """
    seen: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return

    def notice(number: int, frame: FrameType | None) -> None:
        seen.append(number)
        raise KeyboardInterrupt

    def unraisable(dropped: "sys.UnraisableHookArgs") -> None:
        if not issubclass(dropped.exc_type, KeyboardInterrupt):
            hook(dropped)

    before, hook = signal.signal(signal.SIGINT, notice), sys.unraisablehook
    sys.unraisablehook = unraisable
    try:
        yield lambda: bool(seen)
    finally:
        sys.unraisablehook = hook
        signal.signal(signal.SIGINT, before)


def _end(workers: list[Any]) -> None:
    for worker in workers:
        worker.terminate()
    for worker in workers:
        worker.join(GRACE)
        worker.kill()
        worker.join()


def close_at_end(close: Callable[[], None]) -> None:
    """In a worker: call this when the worker ends, in whatever way it can notice."""
    _held.append(close)
    multiprocessing.util.Finalize(None, close, exitpriority=10)


def _begin(start: Callable[..., object] | None, arguments: tuple[Any, ...]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _stop)
    threading.Thread(target=_outlive_nobody, daemon=True).start()
    if start is not None:
        start(*arguments)


def _stop(*_: object) -> None:
    for close in _held:
        close()
    os._exit(1)


def _outlive_nobody() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)
