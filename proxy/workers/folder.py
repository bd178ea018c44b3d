"""The folder in which workers leave their metrics: private, in memory, and gone with the proxy."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

PREFIX = "playgate-"
# Files that are mapped into memory are written back to a disk, and a write may wait for that.
IN_MEMORY = Path("/dev/shm")  # noqa: S108  # the folder made in it is nobody else's


class Folder:
    """A folder that is in use while this process lives, or one that was forked from it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._used = _lock(path, fcntl.LOCK_SH)

    @classmethod
    def made(cls) -> "Folder":
        """Make a new one, and remove those whose proxies were killed."""
        parent = _parent()
        for old in _unused(parent):
            shutil.rmtree(old, ignore_errors=True)
        return cls(Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent)))

    def remove(self) -> None:
        """Remove it, with all that is in it."""
        shutil.rmtree(self.path, ignore_errors=True)


def _parent() -> Path:
    usable = IN_MEMORY.is_dir() and os.access(IN_MEMORY, os.W_OK | os.X_OK)
    return IN_MEMORY if usable else Path(tempfile.gettempdir())


def _lock(folder: Path, how: int) -> IO[bytes]:
    file = (folder / "used").open("ab")
    try:
        fcntl.flock(file, how)
    except OSError:
        file.close()
        raise
    return file


def _unused(parent: Path) -> Iterator[Path]:
    """Give the folders of our own that no process uses."""
    for folder in parent.glob(f"{PREFIX}*"):
        try:
            if folder.lstat().st_uid != os.geteuid() or not (folder / "used").is_file():
                continue
            _lock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB).close()
        except OSError:
            continue
        yield folder
