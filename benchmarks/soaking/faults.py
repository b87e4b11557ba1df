"""Faults while runs are at work: files that change, a full disk."""

import bisect
import contextlib
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

from benchmarks.soaking.folder import Entry, Soak

WINDOW = 150
"""Files before and behind the one that is worked on: among these, files change."""


class Meddler:
    """Changes files, and the clock, while a run is at work."""

    def __init__(self, soak: Soak) -> None:
        self.soak = soak
        places = [(int(re.findall(r"\d{6}", e.name)[0]), e) for e in soak.entries.values()]
        moving = [each for each in places if each[1].role in ("rewritten", "growing", "vanishing")]
        self.moving = sorted(moving, key=lambda each: each[0])
        self.late = [entry for _, entry in places if entry.role == "late"]
        self.active: dict[str, Entry] = {}

    def meddle(self, reached: int, *, is_last: bool) -> None:
        """Do a step to every file near the one that is worked on."""
        rng, soak = self.soak.rng, self.soak
        if is_last:
            while self.late and rng.random() < 0.3:
                self._unlink(self.late.pop(rng.randrange(len(self.late))))
            return
        first, last = (
            bisect.bisect_left(self.moving, place, key=lambda each: each[0])
            for place in (reached - WINDOW, reached + WINDOW)
        )
        near = {entry.name: entry for _, entry in self.moving[first:last]}
        for name in self.active.keys() - near.keys():
            self._settle(self.active[name])
        self.active = near
        for entry in near.values():
            if entry.role == "vanishing":
                if rng.random() < 0.02:
                    self._unlink(entry)
            elif entry.role == "rewritten":
                self._write(entry, entry.versions[entry.n_steps % len(entry.versions)])
            elif entry.n_steps + 1 < len(entry.versions) and rng.random() < 0.05:
                with (soak.folder / entry.name).open("ab") as file:
                    file.write(entry.versions[entry.n_steps + 1][file.tell() :])
                self._count(entry)

    def settle(self) -> None:
        """Leave every file that was being changed in its last version."""
        for entry in self.active.values():
            self._settle(entry)
        self.active = {}

    def settle_all(self) -> None:
        """Leave all files in their last version."""
        self.active = {entry.name: entry for _, entry in self.moving}
        self.settle()

    def _settle(self, entry: Entry) -> None:
        path = self.soak.folder / entry.name
        if entry.versions and path.read_bytes() != entry.versions[-1]:
            path.write_bytes(entry.versions[-1])
            entry.n_steps = len(entry.versions) - 1

    def _write(self, entry: Entry, content: bytes) -> None:
        (self.soak.folder / entry.name).write_bytes(content)
        self._count(entry)

    def _count(self, entry: Entry) -> None:
        entry.n_steps += 1
        self.soak.faults[f"steps of {entry.role} files"] += 1

    def _unlink(self, entry: Entry) -> None:
        with contextlib.suppress(FileNotFoundError):
            (self.soak.folder / entry.name).unlink()
            self.soak.faults["files that vanished"] += 1


@contextlib.contextmanager
def fill_disk(folder: Path) -> Iterator[None]:
    """Leave no byte on the file system of a folder."""
    ballast = folder / "ballast"
    try:
        with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            room = os.statvfs(folder)
            with contextlib.suppress(OSError):
                os.posix_fallocate(file.fileno(), 0, max(1, room.f_bavail * room.f_frsize))
            file.seek(0, os.SEEK_END)
            while True:
                file.write(bytes(4096))
        yield
    finally:
        ballast.unlink(missing_ok=True)


@contextlib.contextmanager
def mount_small(folder: Path, n_bytes: int) -> Iterator[bool]:
    """Mount a file system of that size where it is allowed; yield whether it was."""
    folder.mkdir(parents=True)
    mount: list[str | Path] = ["mount", "-t", "tmpfs", "-o", f"size={n_bytes}", "tmpfs", folder]
    try:
        has_mounted = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        has_mounted = False
    try:
        yield has_mounted
    finally:
        if has_mounted:
            subprocess.run(["umount", folder], check=True)
