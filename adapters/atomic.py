"""A file that appears whole or not at all, so that an interruption or a full disk leaves no half of one behind."""

import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path


def write(path: Path, content: bytes) -> None:
    """Write `content` beside `path` and rename it into place. `OSError`, which names `path`, if that cannot be done.

    What is there and no regular file (`/dev/null`, `/dev/stdout`, a pipe) is written to and stays what it is: a rename as
    root would put a file where the device was. Symbolic links are followed.
    """
    beside = ""
    try:
        if _special(path):
            path.write_bytes(content)
            return
        place = Path(os.path.realpath(path))
        place.parent.mkdir(parents=True, exist_ok=True)
        number, beside = tempfile.mkstemp(prefix=f".{place.name[:40]}-", dir=place.parent)
        with os.fdopen(number, "wb") as file:
            file.write(content)
        os.chmod(beside, 0o666 & ~_umask())
        os.replace(beside, place)
        beside = ""
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), str(path)) from error
    finally:
        if beside:
            with suppress(OSError):
                os.unlink(beside)


def _special(path: Path) -> bool:
    """A device, pipe or socket; through `/proc/self/fd/1` too, whose pipe has no path of its own."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
