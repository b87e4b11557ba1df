"""A folder as a slow share shows it: every opening and every read waits.

    python -m benchmarks.slow_disk FOLDER MOUNTPOINT --wait-ms 20

needs fusepy and FUSE; read-only, until it is interrupted. Then, beside it:

    time shotprint recognize MOUNTPOINT -o answers.json
"""

import argparse
import os
import time
from pathlib import Path
from typing import Any

from fuse import FUSE, Operations


class SlowFolder(Operations):
    """The files of a folder, each opening and read `wait_s` late; nothing is cached."""

    def __init__(self, folder: Path, wait_s: float) -> None:
        self.folder, self.wait_s = folder, wait_s

    def _place(self, path: str) -> Path:
        return self.folder / path.lstrip("/")

    def getattr(self, path: str, fh: Any = None) -> dict[str, Any]:
        facts = self._place(path).lstat()
        names = ("st_mode", "st_size", "st_mtime", "st_nlink", "st_ino")
        return {name: getattr(facts, name) for name in names}

    def readdir(self, path: str, fh: Any) -> list[str]:
        return [".", "..", *sorted(each.name for each in self._place(path).iterdir())]

    def open(self, path: str, flags: int) -> int:
        time.sleep(self.wait_s)
        return os.open(self._place(path), os.O_RDONLY)

    def read(self, path: str, size: int, offset: int, fh: int) -> bytes:
        time.sleep(self.wait_s)
        return os.pread(fh, size, offset)

    def release(self, path: str, fh: int) -> None:
        os.close(fh)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("mountpoint", type=Path)
    parser.add_argument("--wait-ms", type=float, default=20.0)
    given = parser.parse_args()
    slow = SlowFolder(given.folder.resolve(), given.wait_ms / 1000)
    FUSE(slow, str(given.mountpoint), foreground=True, ro=True, kernel_cache=True)


if __name__ == "__main__":
    main()
