"""Functions on sockets, served by one thread: a kernel connects to each, and finds the device that is behind it."""

import queue
import selectors
import shutil
import socket
import tempfile
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from espproof.adapters.base import AdapterError
from espproof.adapters.pci.vhost_user import Function, Port

_JOIN_SECONDS = 5.0
_DO, _END = b"d", b"x"
"""What the thread is told."""


class Slot:
    """A place for a function: its socket, and the guest's memory and interrupts, for the device that stands there."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.function: Function | None = None
        self._port: Port | None = None
        self._listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._listening.bind(str(path))
        except OSError:
            self._listening.close()
            raise
        self._listening.listen(1)

    # ------------------------------------------------------------------------------------------------- for the device

    def read(self, address: int, length: int) -> bytes:
        """Memory of the guest. `Fault` for what is not the guest's."""
        return self._connected().memory.read(address, length)

    def write(self, address: int, octets: bytes) -> None:
        """The same."""
        self._connected().memory.write(address, octets)

    def interrupt(self, address: int, data: int) -> None:
        """A message, which the guest has with the end of the access that is the reason for it."""
        self._connected().interrupt(address, data)

    def _connected(self) -> Port:
        if self._port is None:
            raise AdapterError("a device does something before anybody has found it")
        return self._port

    # ----------------------------------------------------------------------------------------------------- for the bus

    def fileno(self) -> int:
        return self._listening.fileno() if self._port is None else self._port.fileno()

    def serve(self) -> bool:
        """The next thing that has come; False when the kernel has gone."""
        if self._port is not None:
            return self._port.serve()
        connection, _ = self._listening.accept()
        assert self.function is not None
        self._port = Port(connection, self.function)
        return True

    def flush(self) -> None:
        """Interrupts that another function's access was the reason for."""
        if self._port is not None:
            self._port.flush()

    def close(self) -> None:
        self._listening.close()
        if self._port is not None:
            self._port.close()


class Bus:
    """So many slots, with sockets at `paths` or in a folder of their own. What a model or a kernel does wrongly ends it:
    `failure` is why. `OSError` if there is something at a path already."""

    def __init__(self, slots: int, paths: Sequence[Path] = ()) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="espproof-pci-"))
        self.slots: tuple[Slot, ...] = ()
        try:
            for path in paths or [self._folder / str(number) for number in range(slots)]:
                self.slots += (Slot(path),)
        except BaseException:
            self._remove()
            raise
        self.failure: BaseException | None = None
        self._asked: queue.SimpleQueue[tuple[Callable[[], None], threading.Event]] = queue.SimpleQueue()
        self._end, self._ended = socket.socketpair()
        self._thread = threading.Thread(target=self._run, name="PCI", daemon=True)

    def start(self) -> None:
        """Every slot has its function now."""
        self._thread.start()

    def do(self, what: Callable[[], None], seconds: float) -> bool:
        """Between two accesses of the kernel; whether it is done within so many seconds."""
        done = threading.Event()
        self._asked.put((what, done))
        self._end.send(_DO)
        return done.wait(seconds)

    def wait(self, seconds: float) -> bool:
        """Whether the bus has ended within so many seconds: a kernel has gone, or something went wrong."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            with selectors.DefaultSelector() as selector:
                selector.register(self._ended, selectors.EVENT_READ)
                for slot in self.slots:
                    selector.register(slot.fileno(), selectors.EVENT_READ, slot)
                self._serve(selector)
        except ConnectionError:
            pass  # the kernel has gone, in the middle of something
        except Exception as error:
            self.failure = error
        finally:
            for slot in self.slots:
                slot.close()

    def _serve(self, selector: selectors.BaseSelector) -> None:
        while True:
            for key, _ in selector.select():
                slot = key.data
                if slot is None:
                    if self._ended.recv(1) != _DO:
                        return
                    what, done = self._asked.get()
                    what()
                elif not slot.serve():
                    return
                for other in self.slots:
                    other.flush()
                if slot is None:
                    done.set()
                elif slot.fileno() != key.fd:
                    selector.unregister(key.fd)
                    selector.register(slot.fileno(), selectors.EVENT_READ, slot)

    def close(self) -> None:
        """End the thread; a kernel that still runs finds its devices gone."""
        self._end.send(_END)
        if self._thread.is_alive():
            self._thread.join(_JOIN_SECONDS)
        self._end.close()
        self._ended.close()
        self._remove()

    def _remove(self) -> None:
        for slot in self.slots:
            slot.close()
            slot.path.unlink(missing_ok=True)
        shutil.rmtree(self._folder, ignore_errors=True)
