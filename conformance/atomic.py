"""A file that appears whole or not at all, so that an interruption or a full disk leaves no half of one behind."""

import os
import tempfile
from contextlib import suppress
from pathlib import Path


def write(path: Path, content: bytes) -> None:
    """Write `content` beside `path` and rename it into place. `OSError`, which names `path`, if that cannot be done."""
    beside = ""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        number, beside = tempfile.mkstemp(prefix=f".{path.name[:40]}-", dir=path.parent)
        with os.fdopen(number, "wb") as file:
            file.write(content)
        os.chmod(beside, 0o666 & ~_umask())
        os.replace(beside, path)
        beside = ""
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), str(path)) from error
    finally:
        if beside:
            with suppress(OSError):
                os.unlink(beside)


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
